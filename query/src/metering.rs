//! Metering: the price books' rules compiled to SQL over the usage tables, summed per hour and resource.
//!
//! One scan per table, provider and service computes every rule at once. Sums are 256-bit integers in base units, so
//! nothing is rounded and nothing wraps.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal256Type, Int64Type};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionContext;
use paygrain_ingest::table::Table;
use paygrain_pricing::{Catalogue, Exact, MeteringRule, Period, Scope, SkuIndex};

use crate::bill::UnpricedUsage;
use crate::error::QueryError;

/// Quantity of one SKU, of one resource, in one hour.
#[derive(Clone, Debug)]
pub struct MeteredRow {
    /// The SKU it feeds.
    pub sku: SkuIndex,
    /// Start of the hour, microseconds since 1970 UTC.
    pub hour_us: i64,
    /// Whose usage, in full detail.
    pub scope: Scope,
    /// Quantity in the SKU's pricing unit.
    pub quantity: Exact,
    /// Usage records summed.
    pub record_count: u64,
}

/// The metered usage of a period.
#[derive(Clone, Debug, Default)]
pub struct Metered {
    /// By SKU, hour and scope.
    pub rows: Vec<MeteredRow>,
    /// Usage that feeds no SKU.
    pub unpriced: Vec<UnpricedUsage>,
    /// Usage records of the period, priced or not.
    pub record_count: u64,
}

/// Meters every usage record of a period.
///
/// # Errors
/// When the engine fails, or a sum passes 76 digits.
pub async fn meter(
    session: &SessionContext,
    catalogue: &Catalogue,
    period: Period,
    provider: Option<&str>,
) -> Result<Metered, QueryError> {
    let mut metered = Metered::default();
    for table in Table::USAGE {
        let rules = catalogue.metering(pricing_table(table), period);
        for (source, record_count) in sources(session, table, period, provider).await? {
            metered.record_count += record_count;
            let fed: Vec<&MeteringRule<'_>> = rules
                .iter()
                .filter(|rule| rule.provider == source.provider && rule.services.contains(&source.service))
                .collect();
            let question = Question { table, period, source: &source };
            if !fed.is_empty() {
                metered.rows.extend(question.quantities(session, catalogue, &fed).await?);
            }
            metered.unpriced.extend(question.unpriced(session, catalogue, &fed).await?);
        }
    }
    Ok(metered)
}

/// The table of the price books with the same name.
pub(crate) fn pricing_table(table: Table) -> paygrain_pricing::Table {
    match table {
        Table::Requests => paygrain_pricing::Table::Requests,
        _ => paygrain_pricing::Table::Invocations,
    }
}

/// A provider's service with usage in the period.
struct Source {
    provider: String,
    service: String,
}

async fn sources(
    session: &SessionContext,
    table: Table,
    period: Period,
    provider: Option<&str>,
) -> Result<Vec<(Source, u64)>, QueryError> {
    let only = provider.map_or(String::new(), |name| format!(" AND provider = {}", literal(name)));
    let sql = format!(
        "SELECT provider, service, count(*) FROM {} WHERE {}{only} GROUP BY provider, service ORDER BY provider, service",
        table.name(),
        within(table, period),
    );
    let mut found = Vec::new();
    for batch in session.sql(&sql).await?.collect().await? {
        let counts = cast(batch.column(2), &DataType::Int64)?;
        for row in 0..batch.num_rows() {
            let count = u64::try_from(counts.as_primitive::<Int64Type>().value(row)).unwrap_or(0);
            let text = |column: usize| cell(&batch, column, row).map(Option::unwrap_or_default);
            found.push((Source { provider: text(0)?, service: text(1)? }, count));
        }
    }
    Ok(found)
}

/// One table's usage of one service in one period.
struct Question<'a> {
    table: Table,
    period: Period,
    source: &'a Source,
}

impl Question<'_> {
    /// Every rule's quantity per hour and resource, in one scan.
    async fn quantities(
        &self,
        session: &SessionContext,
        catalogue: &Catalogue,
        rules: &[&MeteringRule<'_>],
    ) -> Result<Vec<MeteredRow>, QueryError> {
        let time = self.table.time_column();
        let columns: Vec<String> = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| {
                let condition = condition(rule, time);
                // A null quantity contributes nothing and is no record of this SKU.
                let quantity = rule.quantity.to_sql();
                format!(
                    "sum(arrow_cast(CASE WHEN {condition} THEN {quantity} END, 'Decimal256(76, 0)')) AS q{index}, \
                     count(CASE WHEN {condition} THEN {quantity} END) AS n{index}"
                )
            })
            .collect();
        let sql = format!(
            "SELECT CAST(date_trunc('hour', {time}) AS BIGINT) AS hour, account, region, resource, {} FROM {} \
             WHERE {} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
            columns.join(", "),
            self.rows_with_every_column(rules),
            self.condition(),
        );
        let mut rows = Vec::new();
        for batch in session.sql(&sql).await?.collect().await? {
            read_quantities(&batch, catalogue, rules, &mut rows)?;
        }
        Ok(rows)
    }

    /// Usage that no rule takes, by what kind it is.
    async fn unpriced(
        &self,
        session: &SessionContext,
        catalogue: &Catalogue,
        rules: &[&MeteringRule<'_>],
    ) -> Result<Vec<UnpricedUsage>, QueryError> {
        let priced: Vec<String> = rules.iter().map(|rule| condition(rule, self.table.time_column())).collect();
        let unpriced = match priced.is_empty() {
            true => "true".to_owned(),
            false => format!("NOT coalesce({}, false)", priced.join(" OR ")),
        };
        let kind = match self.table {
            Table::Requests => "concat_ws(' ', operation, variant)",
            _ => "concat_ws(' ', coalesce(capacity, 'on-demand'), architecture)",
        };
        let sql = format!(
            "SELECT {kind}, count(*) FROM {} WHERE {} AND {unpriced} GROUP BY 1 ORDER BY 1",
            self.rows_with_every_column(rules),
            self.condition(),
        );
        let known = catalogue.prices_service(&self.source.provider, &self.source.service);
        let mut found = Vec::new();
        for batch in session.sql(&sql).await?.collect().await? {
            let counts = cast(batch.column(1), &DataType::Int64)?;
            for row in 0..batch.num_rows() {
                found.push(UnpricedUsage {
                    table: self.table.name().to_owned(),
                    provider: self.source.provider.clone(),
                    service: self.source.service.clone(),
                    usage: cell(&batch, 0, row)?.unwrap_or_default(),
                    record_count: u64::try_from(counts.as_primitive::<Int64Type>().value(row)).unwrap_or(0),
                    reason: if known { "no SKU takes it" } else { "there is no price book for the service" }.into(),
                });
            }
        }
        Ok(found)
    }

    fn condition(&self) -> String {
        format!(
            "{} AND provider = {} AND service = {}",
            within(self.table, self.period),
            literal(&self.source.provider),
            literal(&self.source.service)
        )
    }

    fn rows_with_every_column(&self, rules: &[&MeteringRule<'_>]) -> String {
        rows_with_every_column(self.table, rules)
    }
}

/// The table as a `FROM` item in which every column that the rules name exists: what the lake does not have is null.
pub(crate) fn rows_with_every_column(table: Table, rules: &[&MeteringRule<'_>]) -> String {
    use paygrain_pricing::table::ColumnKind;
    let schema = table.schema();
    let named: BTreeSet<&str> = rules
        .iter()
        .flat_map(|rule| rule.filter.iter().flat_map(|filter| filter.columns()).chain(rule.quantity.columns()))
        .collect();
    let missing: String = named
        .into_iter()
        .filter(|name| *name != "billed_us" && schema.index_of(name).is_err())
        .map(|name| {
            let kind = pricing_table(table).column(name).map(|column| column.kind);
            let sql_type = if kind == Some(ColumnKind::Text) { "VARCHAR" } else { "BIGINT" };
            format!(", CAST(NULL AS {sql_type}) AS \"{name}\"")
        })
        .collect();
    format!("(SELECT *{missing} FROM {})", table.name())
}

/// The rows a rule takes, as SQL.
pub(crate) fn condition(rule: &MeteringRule<'_>, time: &str) -> String {
    let filter = rule.filter.map_or_else(|| "true".to_owned(), paygrain_pricing::Expression::to_sql);
    format!(
        "(({filter}) AND {time} >= {} AND {time} < {})",
        timestamp(rule.from_us),
        timestamp(rule.to_us)
    )
}

/// The rows of a period, with the partition column for pruning.
pub(crate) fn within(table: Table, period: Period) -> String {
    let time = table.time_column();
    format!(
        "date >= DATE '{}' AND date <= DATE '{}' AND {time} >= {} AND {time} < {}",
        period.first_day(),
        period.last_day(),
        timestamp(period.start_us()),
        timestamp(period.end_us()),
    )
}

/// A UTC instant as a SQL literal.
pub(crate) fn timestamp(us: i64) -> String {
    format!("arrow_cast({us}, 'Timestamp(Microsecond, Some(\"UTC\"))')")
}

/// A text as a SQL literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A cell as text; `None` is null.
pub(crate) fn cell(batch: &RecordBatch, column: usize, row: usize) -> Result<Option<String>, QueryError> {
    let array = batch.column(column);
    if array.is_null(row) {
        return Ok(None);
    }
    let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.6fZ"));
    Ok(Some(ArrayFormatter::try_new(array.as_ref(), &options)?.value(row).to_string()))
}

fn read_quantities(
    batch: &RecordBatch,
    catalogue: &Catalogue,
    rules: &[&MeteringRule<'_>],
    rows: &mut Vec<MeteredRow>,
) -> Result<(), QueryError> {
    const KEY_COLUMNS: usize = 4;
    let hours = cast(batch.column(0), &DataType::Int64)?;
    let mut merged: BTreeMap<(usize, SkuIndex), MeteredRow> = BTreeMap::new();
    for row in 0..batch.num_rows() {
        let scope = Scope {
            organisation: None,
            account: cell(batch, 1, row)?,
            region: cell(batch, 2, row)?,
            resource: cell(batch, 3, row)?,
        };
        for (index, rule) in rules.iter().enumerate() {
            let quantities = batch.column(KEY_COLUMNS + 2 * index).as_primitive::<Decimal256Type>();
            let counts = batch.column(KEY_COLUMNS + 2 * index + 1).as_primitive::<Int64Type>();
            if quantities.is_null(row) {
                continue;
            }
            let overflow = || QueryError::Overflow { sku: catalogue.sku(rule.sku).id.clone() };
            let sum = Exact::parse(&quantities.value(row).to_string()).map_err(|_| overflow())?;
            let record_count = u64::try_from(counts.value(row)).unwrap_or(0);
            let quantity = &sum * &rule.factor;
            // Two eras of one SKU can meet in an hour only where an era begins inside it: they add.
            merged
                .entry((row, rule.sku))
                .and_modify(|known| {
                    known.quantity += &quantity;
                    known.record_count += record_count;
                })
                .or_insert_with(|| MeteredRow {
                    sku: rule.sku,
                    hour_us: hours.as_primitive::<Int64Type>().value(row),
                    scope: scope.clone(),
                    quantity: quantity.clone(),
                    record_count,
                });
        }
    }
    rows.extend(merged.into_values());
    Ok(())
}
