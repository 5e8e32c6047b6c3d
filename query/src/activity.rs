//! Activities over recorded usage: the records of requests become the time of the instances that served them.
//!
//! One scan per activity reads its records in order of start and streams them through the state machine of the pricing
//! model. Instances may be up when a month begins, so the scan starts earlier: far enough that nothing before it could
//! matter, however far that is.

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use paygrain_ingest::table::Table;
use paygrain_pricing::activity::{HourTime, POOL_COLUMNS, Pool};
use paygrain_pricing::table::ColumnKind;
use paygrain_pricing::{
    Activity, ActivityMeter, ActivityRecord, Catalogue, Exact, Expression, MachineIndex, Period, PriceBook, Scope, Sku,
    Value, Zone,
};

use crate::bill::UnpricedUsage;
use crate::error::QueryError;
use crate::explain::Records as RecordsPage;
use crate::metering::{
    Details, Metered, MeteredRow, cell, literal, pricing_table, rows_with_every_column, timestamp, within,
};
use crate::rollup::TABLES;
use crate::session::services_of;
use crate::sql::SqlAnswer;

#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod tests;

/// How many times further back a scan begins, when what it saw did not settle which instances are up.
const FURTHER_BACK: i64 = 8;
/// Columns in front of those of the pool: start, duration, concurrency, instance.
const FIXED_COLUMNS: usize = 4;

/// Meters the instances of every activity in a billing period.
pub(crate) async fn meter_activities(
    session: &SessionContext,
    catalogue: &Catalogue,
    period: Period,
    provider: Option<&str>,
    metered: &mut Metered,
) -> Result<(), QueryError> {
    let mut with_records = BTreeMap::new();
    for table in TABLES {
        with_records.insert(pricing_table(table), services_of(session, catalogue, table).await?);
    }
    for book in catalogue.books().iter().filter(|book| provider.is_none_or(|name| name == book.provider)) {
        for (activity, service) in book.activities.iter().flat_map(own_services) {
            if let Some(Some(services)) = with_records.get(&activity.table)
                && !services.contains(&(book.provider.clone(), service.to_owned()))
            {
                continue;
            }
            let records = Records::of(book, activity, service);
            let times = records.times(session, period).await?;
            let (usage, untaken) = catalogue.activity_usage(&book.provider, service, activity, &times, period);
            let own = metered.service(service);
            let mut scopes: BTreeMap<Scope, u32> = BTreeMap::new();
            for one in usage {
                let scope = *scopes
                    .entry(one.scope)
                    .or_insert_with_key(|scope| metered.scope(scope.clone(), Details::default()));
                metered.rows.push(MeteredRow {
                    sku: one.sku,
                    service: own,
                    hour_us: one.hour_us,
                    day: catalogue.sku(one.sku).zone.day_of(one.hour_us),
                    scope,
                    quantity: one.quantity.into(),
                    record_count: one.record_count,
                });
            }
            metered.unpriced.extend(untaken.into_iter().map(|one| UnpricedUsage {
                table: records.table.name().to_owned(),
                provider: book.provider.clone(),
                service: service.to_owned(),
                usage: activity.id.clone(),
                record_count: one.record_count,
                reason: one.reason,
            }));
        }
    }
    Ok(())
}

/// An activity with each service whose records it takes.
fn own_services(activity: &Activity) -> impl Iterator<Item = (&Activity, &str)> {
    activity.services.iter().map(move |service| (activity, service.as_str()))
}

/// The activities that take rows of a provider's service in one table.
pub(crate) fn activities_of<'a>(
    catalogue: &'a Catalogue,
    table: Table,
    provider: &str,
    service: &str,
) -> Vec<&'a Activity> {
    catalogue.activities(provider, service, pricing_table(table)).map(|(_, activity)| activity).collect()
}

/// The columns that an activity's rules read.
pub(crate) fn columns_of(activity: &Activity) -> impl Iterator<Item = &str> {
    let rules = activity.filter.iter().chain([&activity.duration, &activity.concurrency]);
    rules.flat_map(Expression::columns)
}

/// The rows an activity takes, as SQL.
pub(crate) fn condition(activity: &Activity) -> String {
    activity.filter.as_ref().map_or_else(|| "true".to_owned(), Expression::to_sql)
}

/// The records behind a charge that is the time of instances.
pub(crate) struct ActivityRecords<'a> {
    activity: &'a Activity,
    table: Table,
    /// What follows `FROM`.
    from: String,
    /// How many there are.
    total: u64,
}

impl<'a> ActivityRecords<'a> {
    /// The records whose instance time feeds a SKU: those that start between two instants and meet the conditions, of
    /// every activity of the SKU's book whose meters it takes.
    pub async fn of(
        session: &SessionContext,
        book: &'a PriceBook,
        sku: &Sku,
        bounds: (i64, i64),
        conditions: &[String],
    ) -> Result<Vec<Self>, QueryError> {
        let mut found = Vec::new();
        for (activity, service) in book.activities.iter().flat_map(own_services) {
            let filter = sku.filter.iter().flat_map(Expression::columns);
            let filter = filter.filter(|name| !ROW_COLUMNS.contains(name));
            let records = Records::with_columns(book, activity, service, filter);
            let mut from =
                format!("{} AND {} AND {}", records.from, within(records.table, bounds), taken(activity, sku));
            conditions.iter().for_each(|condition| from += &format!(" AND {condition}"));
            let total = SqlAnswer::of(session, &format!("SELECT count(*) FROM {from}")).await?.text_rows()?;
            let total = total.first().and_then(|row| row.first()?.as_ref()?.parse().ok()).unwrap_or(0);
            if total > 0 {
                found.push(Self { activity, table: records.table, from, total });
            }
        }
        Ok(found)
    }

    /// A page of the records of several activities, one after the other, each in time order.
    pub async fn page(
        session: &SessionContext,
        all: &[Self],
        offset: u64,
        limit: u64,
    ) -> Result<RecordsPage, QueryError> {
        let mut page = RecordsPage { columns: Vec::new(), rows: Vec::new(), offset, total: 0 };
        let mut skip = offset;
        for own in all {
            page.total += own.total;
            let left = limit.saturating_sub(page.rows.len() as u64);
            let (skipped, from, time) = (skip.min(own.total), &own.from, own.table.time_column());
            skip -= skipped;
            let sql = format!(
                "SELECT {time} AS started_at, resource, request_id, instance, {} AS occupied_us FROM {from} \
                 ORDER BY 1, resource, record_key LIMIT {left} OFFSET {skipped}",
                own.activity.duration.to_sql(),
            );
            let rows = SqlAnswer::of(session, &sql).await?;
            page.rows.extend(rows.text_rows()?);
            page.columns = rows.columns;
        }
        Ok(page)
    }

    /// How the records become the time that is charged, in words.
    pub fn words(&self) -> String {
        self.activity.words()
    }
}

/// Columns of an activity's rows that are not those of its records.
const ROW_COLUMNS: [&str; 3] = ["meter", "quantity", "held_us"];

/// Whether a SKU takes the rows of a record's instance, as SQL over the record.
fn taken(activity: &Activity, sku: &Sku) -> String {
    let Some(filter) = &sku.filter else { return "true".to_owned() };
    let takes = |meter| format!("coalesce({}, false)", filter.given("meter", meter).to_sql());
    format!("({})", activity.meters().map(takes).collect::<Vec<_>>().join(" OR "))
}

/// The records of one activity in the lake.
struct Records<'a> {
    book: &'a PriceBook,
    activity: &'a Activity,
    table: Table,
    /// What follows `FROM`.
    from: String,
    /// How long a record takes, as SQL: a whole number of microseconds, never null.
    duration: String,
}

impl<'a> Records<'a> {
    fn of(book: &'a PriceBook, activity: &'a Activity, service: &str) -> Self {
        Self::with_columns(book, activity, service, std::iter::empty())
    }

    /// The same, with further columns to ask for.
    fn with_columns<'b>(
        book: &'a PriceBook,
        activity: &'a Activity,
        service: &str,
        further: impl Iterator<Item = &'b str>,
    ) -> Self
    where
        'a: 'b,
    {
        let table = match activity.table {
            paygrain_pricing::Table::Requests => Table::Requests,
            _ => Table::Invocations,
        };
        let named = columns_of(activity).chain(POOL_COLUMNS).chain(["instance"]).chain(further);
        // The accounts of an organisation are known to an agreement, not to the lake.
        let rows = rows_with_every_column(table, named.filter(|name| *name != "organisation"));
        let from = format!(
            "{rows} WHERE provider = {} AND service = {} AND {}",
            literal(&book.provider),
            literal(service),
            condition(activity)
        );
        let duration = format!("CAST(greatest(coalesce({}, 0), 0) AS BIGINT)", activity.duration.to_sql());
        Self { book, activity, table, from, duration }
    }

    /// The time of the instances of each pool, by hour of the period.
    async fn times(&self, session: &SessionContext, period: Period) -> Result<Times, QueryError> {
        let (from_us, to_us) = (self.book.zone.start_us(period), self.book.zone.end_us(period));
        let Some((earliest_us, longest_us)) = self.extent(session, to_us).await? else { return Ok(Vec::new()) };
        let mut back_us = longest_us.saturating_add(self.activity.reach_us()).saturating_mul(2);
        loop {
            let first_us = from_us.saturating_sub(back_us).max(earliest_us);
            let mut meter = ActivityMeter::new(self.activity, from_us, to_us);
            if first_us > earliest_us {
                meter = meter.without_records_before(first_us, longest_us);
            }
            self.scan(session, (first_us, to_us), &mut meter).await?;
            if meter.is_settled() {
                return Ok(meter.finish());
            }
            back_us = back_us.saturating_mul(FURTHER_BACK);
        }
    }

    /// The first start and the longest duration of the records before an instant; nothing where there is none.
    async fn extent(&self, session: &SessionContext, to_us: i64) -> Result<Option<(i64, i64)>, QueryError> {
        let time = self.table.time_column();
        let sql = format!(
            "SELECT min(CAST({time} AS BIGINT)), max({}) FROM {} AND {}",
            self.duration,
            self.from,
            self.before(to_us)
        );
        for batch in session.sql(&sql).await?.collect().await? {
            if let (Some(earliest), Some(longest)) = (cell(&batch, 0, 0)?, cell(&batch, 1, 0)?) {
                return Ok(earliest.parse().ok().zip(longest.parse().ok()));
            }
        }
        Ok(None)
    }

    /// The rows before an instant, with the partition column for pruning.
    fn before(&self, to_us: i64) -> String {
        let last = Zone::default().day_of(to_us - 1);
        format!("date <= DATE '{last}' AND {} < {}", self.table.time_column(), timestamp(to_us))
    }

    /// Feeds the records between two instants, in order of start and then of end.
    async fn scan(
        &self,
        session: &SessionContext,
        (first_us, to_us): (i64, i64),
        meter: &mut ActivityMeter,
    ) -> Result<(), QueryError> {
        let time = self.table.time_column();
        let pool = POOL_COLUMNS.map(|name| match name {
            "organisation" => "CAST(NULL AS VARCHAR) AS organisation".to_owned(),
            name => format!("CAST(\"{name}\" AS VARCHAR) AS \"{name}\""),
        });
        let sql = format!(
            "SELECT CAST({time} AS BIGINT) AS start_us, {} AS length_us, CAST({} AS BIGINT) AS places, instance, {} \
             FROM {} AND date >= DATE '{}' AND {time} >= {} AND {} ORDER BY start_us, length_us",
            self.duration,
            self.activity.concurrency.to_sql(),
            pool.join(", "),
            self.from,
            Zone::default().day_of(first_us),
            timestamp(first_us),
            self.before(to_us),
        );
        let mut batches = session.sql(&sql).await?.execute_stream().await?;
        let mut machines = HashMap::new();
        while let Some(batch) = batches.next().await {
            self.feed(&batch?, &mut machines, meter)?;
        }
        Ok(())
    }

    fn feed(
        &self,
        batch: &RecordBatch,
        machines: &mut HashMap<String, MachineIndex>,
        meter: &mut ActivityMeter,
    ) -> Result<(), QueryError> {
        let integers = |column: usize| cast(batch.column(column), &DataType::Int64);
        let (starts, lengths, places) = (integers(0)?, integers(1)?, integers(2)?);
        let (starts, lengths) = (starts.as_primitive::<Int64Type>(), lengths.as_primitive::<Int64Type>());
        let places = places.as_primitive::<Int64Type>();
        let texts = (FIXED_COLUMNS - 1..batch.num_columns()).map(|column| {
            let texts = cast(batch.column(column), &DataType::Utf8)?;
            Ok(texts.as_string::<i32>().clone())
        });
        let texts: Vec<StringArray> = texts.collect::<Result<_, QueryError>>()?;
        let text = |column: usize, row: usize| texts[column].is_valid(row).then(|| texts[column].value(row));
        let mut key = String::new();
        for row in 0..batch.num_rows() {
            let instance = text(0, row).filter(|name| !name.is_empty());
            // The log says which instance: then how many requests it can take does not matter.
            let concurrency = (instance.is_none() && places.is_valid(row))
                .then(|| u64::try_from(places.value(row)).unwrap_or(1).max(1));
            key.clear();
            key.push_str(&format!("{concurrency:?}"));
            for column in 0..texts.len() {
                match text(column, row) {
                    Some(text) => key.push_str(&format!("\u{1}{}\u{1}{text}", text.len())),
                    None => key.push('\u{0}'),
                }
            }
            let index = match machines.get(&key) {
                Some(index) => *index,
                None => {
                    let pool = POOL_COLUMNS.map(|name| {
                        let place = POOL_COLUMNS.iter().position(|own| *own == name).unwrap_or(0);
                        self.pool_value(name, text(place + 1, row))
                    });
                    let instance = instance.map(str::to_owned);
                    let record = ActivityRecord { duration_us: lengths.value(row), instance, concurrency, pool };
                    let index = meter.machine(&record);
                    machines.insert(key.clone(), index);
                    index
                }
            };
            let start_us = starts.value(row);
            meter.add(index, start_us, start_us.saturating_add(lengths.value(row)));
        }
        Ok(())
    }

    /// A column of the pool as the price books' rules read it.
    fn pool_value(&self, name: &str, text: Option<&str>) -> Value {
        let kind = self.activity.table.column(name).map(|column| column.kind);
        match (kind, text) {
            (_, None) => Value::Null,
            (Some(ColumnKind::Number(_)), Some(text)) => Exact::parse(text).map_or(Value::Null, Value::Number),
            (_, Some(text)) => Value::Text(text.to_owned()),
        }
    }
}

/// Instance time by pool and hour.
type Times = Vec<(Pool, BTreeMap<i64, HourTime>)>;
