//! Metering of what is held over an interval: stored bytes, and quantities that some meter already measured.
//!
//! Such rows are few (one per resource and hour or day), so each is metered by itself, with the same expressions and
//! exact numbers as an estimate. A row whose rule is proportional to its time is cut at the borders of hours (where its
//! rounding allows): its parts fall under the day's prices and allowances, and into the month they belong to. Any other row counts where it starts.

use std::collections::BTreeMap;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use paygrain_ingest::table::Table;
use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::table::ColumnKind;
use paygrain_pricing::unit::UnitError;
use paygrain_pricing::{Catalogue, Exact, MeteringRule, Period, Scope, SkuIndex, Unit, Value, Window, Zone};

use crate::bill::UnpricedUsage;
use crate::error::QueryError;
use crate::metering::{Details, Metered, MeteredRow, cell, literal, pricing_table, timestamp};

#[cfg(test)]
mod tests;

/// What a sum is of: SKU, start of the hour, scope, service of the rows.
type SumKey = (SkuIndex, i64, Scope, String);

/// One row held over an interval.
pub(crate) struct IntervalRow {
    /// Provider.
    pub provider: String,
    /// Service, as price books name it.
    pub service: String,
    /// Whose it is.
    pub scope: Scope,
    /// Start, microseconds since 1970 UTC.
    pub from_us: i64,
    /// Length in microseconds; absent: a quantity of the instant.
    pub held_us: Option<i64>,
    /// Unit of the column `quantity`; absent: the one the SKU expects. A text that is no unit is none that fits.
    pub unit: Option<Result<Unit, UnitError>>,
    /// The other columns, in their units.
    pub columns: BTreeMap<&'static str, Value>,
}

/// Meters rows of one table in a billing period.
pub(crate) struct IntervalMeter<'a> {
    catalogue: &'a Catalogue,
    period: Period,
    table: Table,
    rules: Vec<MeteringRule<'a>>,
    sums: BTreeMap<SumKey, (Exact, u64)>,
    /// The largest level of a thing per window.
    levels: BTreeMap<(SumKey, String), Exact>,
    unpriced: BTreeMap<(String, String, String, &'static str), u64>,
    record_count: u64,
}

impl<'a> IntervalMeter<'a> {
    /// Nothing metered yet.
    pub fn new(catalogue: &'a Catalogue, table: Table, period: Period) -> Self {
        let rules = catalogue.metering(pricing_table(table), period);
        Self {
            catalogue,
            period,
            table,
            rules,
            sums: BTreeMap::new(),
            levels: BTreeMap::new(),
            unpriced: BTreeMap::new(),
            record_count: 0,
        }
    }

    /// Meters one row for every SKU it feeds.
    pub fn add(&mut self, row: &IntervalRow) {
        let zone = self.catalogue.zone(&row.provider, &row.service);
        let starts_here = (zone.start_us(self.period)..zone.end_us(self.period)).contains(&row.from_us);
        let mut fed = false;
        let mut reason = None;
        for index in 0..self.rules.len() {
            let rule = &self.rules[index];
            if rule.provider != row.provider || !rule.services.contains(&row.service) {
                continue;
            }
            let quantity = match quantity_column(self.catalogue, rule, row, self.period) {
                Ok(quantity) => quantity,
                Err(other_unit) => {
                    reason = Some(other_unit);
                    continue;
                }
            };
            let column = |name: &str| match name {
                "quantity" => quantity.clone(),
                "held_us" => row.held_us.map_or(Value::Null, |held_us| Value::Number(Exact::from(held_us))),
                name => row.columns.get(name).cloned().unwrap_or(Value::Null),
            };
            if rule.filter.is_some_and(|filter| !filter.passes(&column)) {
                continue;
            }
            fed |= self.meter(index, row, &column);
        }
        if starts_here {
            self.record_count += 1;
            if !fed {
                let known = self.catalogue.prices_service(&row.provider, &row.service);
                let none = if known { "no SKU takes it" } else { "there is no price book for the service" };
                let key = (row.provider.clone(), row.service.clone(), self.kind(row), reason.unwrap_or(none));
                *self.unpriced.entry(key).or_default() += 1;
            }
        }
    }

    /// Adds a row's parts under one rule; whether any fell into the rule's time.
    fn meter(&mut self, index: usize, row: &IntervalRow, column: &dyn Fn(&str) -> Value) -> bool {
        let rule = &self.rules[index];
        let zone = self.catalogue.sku(rule.sku).zone;
        let whole = |steps: Vec<i64>| {
            let ends_us = row.from_us + row.held_us.unwrap_or(0);
            steps.into_iter().all(|step| row.from_us % step == 0 && ends_us % step == 0 && HOUR_US % step == 0)
        };
        let cut = rule.maximum_per.is_some() || rule.quantity.proportional_steps("held_us", column).is_some_and(whole);
        let Some(held_us) = row.held_us.filter(|_| cut) else {
            if !(rule.from_us..rule.to_us).contains(&row.from_us) {
                return false;
            }
            let value = rule.quantity.evaluate(column);
            return self.push(index, row, row.from_us.div_euclid(HOUR_US) * HOUR_US, value, true);
        };
        let window = rule.maximum_per.unwrap_or(Window::Hour);
        let (mut from_us, end_us) = (row.from_us.max(rule.from_us), (row.from_us + held_us).min(rule.to_us));
        let mut first = true;
        let mut fed = false;
        while from_us < end_us {
            let (opens_us, closes_us) = zone.window(window, from_us);
            let part_us = closes_us.min(end_us) - from_us;
            if self.rules[index].maximum_per.is_some() {
                fed |= self.level(index, row, opens_us, column);
            } else {
                let part = |name: &str| match name {
                    "held_us" => Value::Number(Exact::from(part_us)),
                    name => column(name),
                };
                let value = self.rules[index].quantity.evaluate(&part);
                fed |= self.push(index, row, opens_us, value, std::mem::take(&mut first));
            }
            from_us = closes_us;
        }
        fed
    }

    /// Adds a part of a row; a null value contributes nothing and is no record of the SKU.
    fn push(&mut self, index: usize, row: &IntervalRow, at_us: i64, value: Value, counts: bool) -> bool {
        let Value::Number(value) = value else { return false };
        let rule = &self.rules[index];
        let sum = self.sums.entry((rule.sku, at_us, row.scope.clone(), row.service.clone())).or_default();
        sum.0 += value * &rule.factor;
        sum.1 += u64::from(counts);
        true
    }

    /// Keeps the largest level of a thing in a window.
    fn level(&mut self, index: usize, row: &IntervalRow, at_us: i64, column: &dyn Fn(&str) -> Value) -> bool {
        let rule = &self.rules[index];
        let Value::Number(value) = rule.quantity.evaluate(column) else { return false };
        let key = (rule.sku, at_us, row.scope.clone(), row.service.clone());
        let level = self.levels.entry((key, self.kind(row))).or_default();
        *level = (value * &rule.factor).max(level.clone());
        true
    }

    /// What kind of usage a row is.
    fn kind(&self, row: &IntervalRow) -> String {
        let names = if self.table == Table::Storage { ["storage_class", "variant"] } else { ["meter", "variant"] };
        let values = names.iter().filter_map(|name| match row.columns.get(name) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        });
        values.collect::<Vec<_>>().join(" ")
    }

    /// Adds what was metered.
    pub fn finish(mut self, metered: &mut Metered) {
        for ((key, _), quantity) in std::mem::take(&mut self.levels) {
            let sum = self.sums.entry(key).or_default();
            sum.0 += quantity;
            sum.1 += 1;
        }
        metered.record_count += self.record_count;
        let mut scopes: BTreeMap<Scope, u32> = BTreeMap::new();
        for ((sku, hour_us, scope, service), (quantity, record_count)) in self.sums {
            let (day, service) = (self.catalogue.sku(sku).zone.day_of(hour_us), metered.service(&service));
            let scope =
                *scopes.entry(scope).or_insert_with_key(|scope| metered.scope(scope.clone(), Details::default()));
            metered.rows.push(MeteredRow {
                sku,
                service,
                hour_us,
                day,
                scope,
                quantity: quantity.into(),
                record_count,
            });
        }
        let table = self.table.name();
        metered.unpriced.extend(self.unpriced.into_iter().map(|((provider, service, usage, reason), record_count)| {
            UnpricedUsage { table: table.to_owned(), provider, service, usage, record_count, reason: reason.to_owned() }
        }));
    }
}

/// The column `quantity` in the unit a rule counts in.
fn quantity_column(
    catalogue: &Catalogue,
    rule: &MeteringRule<'_>,
    row: &IntervalRow,
    period: Period,
) -> Result<Value, &'static str> {
    match (row.columns.get("quantity"), &row.unit) {
        (Some(_), Some(Err(_))) => Err("its unit is not known"),
        (Some(Value::Number(quantity)), Some(Ok(unit))) => {
            let month_us = catalogue.sku(rule.sku).month_us(period);
            let factor = unit.factor(rule.quantity_unit, month_us);
            factor.map(|factor| Value::Number(quantity * factor)).map_err(|_| "its unit is not the one the SKU counts")
        }
        (value, _) => Ok(value.cloned().unwrap_or(Value::Null)),
    }
}

/// Meters a period's rows of `storage` or `metered`.
pub(crate) async fn meter_intervals(
    session: &SessionContext,
    catalogue: &Catalogue,
    table: Table,
    period: Period,
    provider: Option<&str>,
    metered: &mut Metered,
) -> Result<(), QueryError> {
    let time = table.time_column();
    let (start_us, end_us) = catalogue.widest_period_us(period);
    // A row that began earlier may reach into the period: as far back as the longest one is held.
    let longest = session.sql(&format!("SELECT coalesce(max(held_us), 0) FROM {}", table.name())).await?;
    let longest = longest.collect().await?.first().map(|batch| cell(batch, 0, 0)).transpose()?.flatten();
    let reach_us = start_us - longest.and_then(|text| text.parse().ok()).unwrap_or(0_i64);
    let only = provider.map_or(String::new(), |name| format!(" AND provider = {}", literal(name)));
    let utc = Zone::default();
    let sql = format!(
        "SELECT * FROM {} WHERE date >= DATE '{}' AND date <= DATE '{}' AND {time} < {}{only}",
        table.name(),
        utc.day_of(reach_us),
        utc.day_of(end_us - 1),
        timestamp(end_us),
    );
    let mut meter = IntervalMeter::new(catalogue, table, period);
    let mut batches = session.sql(&sql).await?.execute_stream().await?;
    while let Some(batch) = batches.next().await {
        for row in interval_rows(&batch?, table)? {
            if row.from_us + row.held_us.unwrap_or(1) > start_us {
                meter.add(&row);
            }
        }
    }
    meter.finish(metered);
    Ok(())
}

/// The rows of a batch of `storage` or `metered`.
fn interval_rows(batch: &RecordBatch, table: Table) -> Result<Vec<IntervalRow>, QueryError> {
    let at = |name: &str| batch.schema().index_of(name);
    let text = |name: &str, row: usize| cell(batch, at(name)?, row);
    let times = cast(batch.column(at(table.time_column())?), &DataType::Int64)?;
    let times = times.as_primitive::<Int64Type>();
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let mut columns = BTreeMap::new();
        for column in pricing_table(table).columns() {
            let Some(value) = at(column.name).ok().map(|place| cell(batch, place, row)).transpose()?.flatten() else {
                continue;
            };
            let value = match column.kind {
                ColumnKind::Text => Value::Text(value),
                ColumnKind::Number(_) | ColumnKind::Quantity => match Exact::parse(&value) {
                    Ok(number) => Value::Number(number),
                    Err(_) => continue, // unreachable: the column is a number
                },
            };
            columns.insert(column.name, value);
        }
        let unit = match table {
            Table::Metered => text("unit", row)?.map(|unit| Unit::parse(&unit)),
            _ => None,
        };
        rows.push(IntervalRow {
            provider: text("provider", row)?.unwrap_or_default(),
            service: text("service", row)?.unwrap_or_default(),
            scope: Scope {
                organisation: None,
                account: text("account", row)?,
                region: text("region", row)?,
                resource: text("resource", row)?,
            },
            from_us: times.value(row),
            held_us: text("held_us", row)?.and_then(|held_us| held_us.parse().ok()),
            unit,
            columns,
        });
    }
    Ok(rows)
}
