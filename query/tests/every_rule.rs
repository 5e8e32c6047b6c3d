//! Every filter and meter of every shipped price book, with and without its rounding, as SQL in the engine and evaluated directly: the same answer on
//! random rows with nulls.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{collections::BTreeMap, sync::Arc};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::prelude::{SessionConfig, SessionContext};
use paygrain_pricing::table::ColumnKind;
use paygrain_pricing::{Catalogue, Exact, Expression, MeteringRule, Period, Table, Value};

const ROWS: usize = 64;

/// Words that filters of some price book compare with.
const WORDS: [&str; 30] = [
    "x86_64",
    "arm64",
    "on-demand",
    "provisioned",
    "edge",
    "microvm",
    "durable",
    "Zip",
    "Image",
    "custom",
    "java",
    "linux",
    "windows",
    "async",
    "stream",
    "GET",
    "PUT",
    "COPY",
    "LIST",
    "DELETE",
    "TRANSITION",
    "RETRIEVAL",
    "STANDARD",
    "STANDARD_IA",
    "GLACIER",
    "internet",
    "internet-out",
    "rest",
    "fifo",
    "standard",
];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A column of random values, null now and then.
enum Cells {
    Text(Vec<Option<&'static str>>),
    Number(Vec<Option<i64>>),
}

fn cells(random: &mut Random, kind: ColumnKind) -> Cells {
    let null = |random: &mut Random| random.below(4) == 0;
    let number = |random: &mut Random| {
        let size = 1 + random.below(31);
        i64::try_from(random.below(1 << size)).unwrap()
    };
    match kind {
        ColumnKind::Text => Cells::Text(
            (0..ROWS).map(|_| (!null(random)).then(|| WORDS[random.below(WORDS.len() as u64) as usize])).collect(),
        ),
        _ => Cells::Number((0..ROWS).map(|_| (!null(random)).then(|| number(random))).collect()),
    }
}

/// The columns an expression of a table can name; the reported billed time is kept in milliseconds.
fn columns(random: &mut Random, table: Table) -> Vec<(&'static str, Cells)> {
    let named = table.columns().iter().map(|column| (column.name, column.kind));
    named.map(|(name, kind)| (if name == "billed_us" { "billed_ms" } else { name }, cells(random, kind))).collect()
}

fn batch(columns: &[(&'static str, Cells)]) -> RecordBatch {
    let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
    for (name, cells) in columns {
        let (kind, array): (_, ArrayRef) = match cells {
            Cells::Text(values) => (DataType::Utf8, Arc::new(StringArray::from(values.clone()))),
            Cells::Number(values) => (DataType::Int64, Arc::new(Int64Array::from(values.clone()))),
        };
        fields.push(Field::new(*name, kind, true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// The value of a column in a row.
fn cell(name: &str, columns: &[(&'static str, Cells)], row: usize) -> Value {
    let (stored, factor) = if name == "billed_us" { ("billed_ms", 1000) } else { (name, 1) };
    match columns.iter().find(|(known, _)| *known == stored).map(|(_, cells)| cells) {
        Some(Cells::Text(values)) => values[row].map_or(Value::Null, |text| Value::Text(text.to_owned())),
        Some(Cells::Number(values)) => {
            values[row].map_or(Value::Null, |number| Value::Number(Exact::from_integer(i128::from(number) * factor)))
        }
        None => Value::Null,
    }
}

fn evaluate(expression: &Expression, columns: &[(&'static str, Cells)], row: usize) -> Value {
    expression.evaluate(&|name| cell(name, columns, row))
}

async fn sql_column(session: &SessionContext, sql: &str) -> ArrayRef {
    let frame = session.sql(&format!("SELECT {sql} AS v FROM t")).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let batches = frame.collect().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let column = batches[0].column(0).clone();
    assert_eq!(column.len(), ROWS);
    column
}

/// Whether a rule rounds; then its value without rounding is the same in SQL and directly, and where the rule only
/// rounds up and sets minimums, not above its value.
async fn unrounded_agrees(
    session: &SessionContext,
    rule: &MeteringRule<'_>,
    columns: &[(&'static str, Cells)],
    name: &str,
) -> bool {
    let Some(unrounded) = rule.quantity.unrounded() else { return false };
    let in_sql = cast(&sql_column(session, &unrounded.numerator_sql()).await, &DataType::Utf8).unwrap();
    let in_sql = in_sql.as_string::<i32>();
    for row in 0..ROWS {
        let numerator = in_sql.is_valid(row).then(|| Exact::parse(in_sql.value(row)).unwrap());
        let in_sql =
            numerator.map_or(Value::Null, |number| Value::Number(number.checked_div(unrounded.divisor()).unwrap()));
        let direct = unrounded.evaluate(&|name| cell(name, columns, row));
        assert_eq!(in_sql, direct, "{name} row {row}: {} without rounding", rule.quantity);
        if let (Value::Number(before), Value::Number(after)) = (direct, evaluate(rule.quantity, columns, row))
            && rule.filter.is_none_or(|filter| evaluate(filter, columns, row) == Value::Bool(true))
            && !unrounded.prefers_reported()
        {
            assert!(before <= after, "{name} row {row}: {} gives {after}, without rounding {before}", rule.quantity);
        }
    }
    true
}

#[tokio::test]
async fn sql_and_direct_evaluation_agree() {
    let catalogue = Catalogue::embedded().unwrap();
    let months = ["2013-08", "2017-10", "2019-06", "2021-06", "2023-06", "2026-10"];
    let (mut compared, mut passed, mut unrounded) = (0, 0, 0);
    for table in [Table::Invocations, Table::Requests] {
        let mut random = Random(7);
        for period in months.map(|month| month.parse::<Period>().unwrap()) {
            let columns = columns(&mut random, table);
            let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
            session.register_batch("t", batch(&columns)).unwrap();
            for rule in catalogue.metering(table, period) {
                let name = &catalogue.sku(rule.sku).name;
                if let Some(filter) = rule.filter {
                    let in_sql = sql_column(&session, &filter.to_sql()).await;
                    let in_sql = in_sql.as_boolean();
                    for row in 0..ROWS {
                        let takes = in_sql.is_valid(row) && in_sql.value(row);
                        let direct = evaluate(filter, &columns, row) == Value::Bool(true);
                        assert_eq!(takes, direct, "{name} row {row}: {filter}");
                        passed += usize::from(takes);
                    }
                }
                let metered = sql_column(&session, &rule.quantity.to_sql()).await;
                let metered = cast(&metered, &DataType::Utf8).unwrap();
                let metered = metered.as_string::<i32>();
                for row in 0..ROWS {
                    let in_sql = metered.is_valid(row).then(|| metered.value(row).to_owned());
                    let direct = match evaluate(rule.quantity, &columns, row) {
                        Value::Number(number) => Some(number.to_string()),
                        Value::Null => None,
                        other => panic!("{name}: {other:?}"),
                    };
                    assert_eq!(in_sql, direct, "{name} row {row}: {}", rule.quantity);
                    compared += 1;
                }
                unrounded += usize::from(unrounded_agrees(&session, &rule, &columns, name).await);
            }
        }
    }
    assert!(compared > 10_000 && passed > 500, "{compared} quantities compared, {passed} rows taken");
    assert!(unrounded > 50, "{unrounded} rules round");
}

#[tokio::test]
async fn sql_and_direct_evaluation_of_activities_agree() {
    let catalogue = Catalogue::embedded().unwrap();
    let mut random = Random(11);
    let (mut taken, mut compared) = (0, 0);
    let activities = || catalogue.books().iter().flat_map(|book| &book.activities);
    for activity in (0..4).flat_map(|_| activities()) {
        let columns = columns(&mut random, activity.table);
        let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        session.register_batch("t", batch(&columns)).unwrap();
        if let Some(filter) = &activity.filter {
            let in_sql = sql_column(&session, &filter.to_sql()).await;
            for row in 0..ROWS {
                let takes = in_sql.as_boolean().is_valid(row) && in_sql.as_boolean().value(row);
                assert_eq!(takes, evaluate(filter, &columns, row) == Value::Bool(true), "{} {row}", activity.name);
                taken += usize::from(takes);
            }
        }
        for rule in [&activity.duration, &activity.concurrency] {
            let in_sql = cast(&sql_column(&session, &rule.to_sql()).await, &DataType::Utf8).unwrap();
            let in_sql = in_sql.as_string::<i32>();
            for row in 0..ROWS {
                let in_sql = in_sql.is_valid(row).then(|| in_sql.value(row).to_owned());
                let direct = match evaluate(rule, &columns, row) {
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                };
                assert_eq!(in_sql, direct, "{} row {row}: {rule}", activity.name);
                compared += 1;
            }
        }
    }
    assert!(taken > 20 && compared > 500, "{taken} taken, {compared} compared");
}

/// Columns whose numbers are at the limits of what ingestion takes, mixed so that the largest meet.
fn columns_at_the_limits(table: Table) -> Vec<(&'static str, Cells)> {
    let numbers = |stored: &'static str, seed: u64| {
        let largest = paygrain_ingest::table::largest(stored);
        let mut random = Random(seed);
        let mut one = || match random.below(8) {
            0 => None,
            1 => Some(0),
            2 => Some(1),
            3 => Some(largest - 1),
            4 => Some(largest / 3),
            _ => Some(largest),
        };
        (0..ROWS).map(|row| if row == 0 { Some(largest) } else { one() }).collect()
    };
    let mut random = Random(11);
    let columns = columns(&mut random, table).into_iter().enumerate();
    let at_the_limit = columns.map(|(seed, (name, cells))| match cells {
        Cells::Text(_) => (name, cells),
        Cells::Number(_) => (name, Cells::Number(numbers(name, seed as u64))),
    });
    at_the_limit.collect()
}

#[test]
fn ingestion_takes_no_larger_numbers_than_price_books_are_checked_for() {
    for table in Table::ALL {
        for column in table.columns() {
            let (stored, factor) = if column.name == "billed_us" { ("billed_ms", 1000) } else { (column.name, 1) };
            if let Some(largest) = column.largest() {
                assert_eq!(i128::from(paygrain_ingest::table::largest(stored)) * factor, largest, "{}", column.name);
            }
        }
    }
}

/// What the check of books lets pass never wraps and never fails in the engine: every shipped rule, and rules at the
/// very limit of 64-bit integers and of 38 digits.
#[tokio::test]
async fn nothing_wraps_at_the_limits() {
    let catalogue = Catalogue::embedded().unwrap();
    let at_the_limit = [
        "request_bytes * response_bytes * 99",
        "9_223_372_036_854_775_807 * units",
        "8_223_372_036_854_775_807 + units",
        "units - 8_223_372_036_854_775_807",
        "units + units + units + units + units + units + units + units + units",
        "ceil_to(units, 8_000_000_000_000_000_000)",
        "ceil_div(units, 8_000_000_000_000_000_000)",
        "floor_to(units, 8_000_000_000_000_000_000)",
        "ceil_div(request_bytes * 999_999_999_999_999, 7B)",
        "ceil_to(units * units * 99, 7)",
        "floor_to(units * units * 90, 9_223_372_036_854_775_807)",
        "greatest(units * response_bytes, units * request_bytes * 99)",
        "if(units * units > 999_999_999_999_999_999, request_bytes * units * 99, 0B)",
        "coalesce(units * response_bytes, request_bytes)",
    ];
    for (table, period) in
        [(Table::Invocations, "2019-06"), (Table::Invocations, "2026-10"), (Table::Requests, "2026-10")]
    {
        let columns = columns_at_the_limits(table);
        let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        session.register_batch("t", batch(&columns)).unwrap();
        let metering = catalogue.metering(table, period.parse().unwrap());
        let different: BTreeMap<String, &Expression> =
            metering.iter().map(|rule| (rule.quantity.to_string(), rule.quantity)).collect();
        let mut rules: Vec<Expression> = different.into_values().cloned().collect();
        if table == Table::Requests {
            rules.extend(
                at_the_limit.map(|text| Expression::parse(text, table).unwrap_or_else(|e| panic!("{text}: {e}"))),
            );
        }
        let mut largest = Exact::zero();
        for rule in &rules {
            let sql = format!("arrow_cast({}, 'Decimal256(76, 0)')", rule.to_sql());
            let metered = cast(&sql_column(&session, &sql).await, &DataType::Utf8).unwrap();
            let metered = metered.as_string::<i32>();
            for row in 0..ROWS {
                let in_sql = metered.is_valid(row).then(|| metered.value(row).to_owned());
                let direct = match evaluate(rule, &columns, row) {
                    Value::Number(number) => {
                        largest = largest.max(number.clone());
                        Some(number.to_string())
                    }
                    _ => None,
                };
                assert_eq!(in_sql, direct, "row {row}: {rule}");
            }
        }
        assert!(largest > Exact::parse("1e26").unwrap(), "{table}: {largest}");
    }
}
