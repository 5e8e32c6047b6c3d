//! Metering from the records: every rule of a service compiled to SQL and computed in one scan.
//! Sums are 256-bit integers.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal256Type, Int64Type};
use datafusion::prelude::SessionContext;
use paygrain_pricing::{Catalogue, Exact, MeteringRule, Scope, SkuIndex};

use super::{
    Details, Meter, Metered, MeteredRow, Quantity, Question, between, cell, columns_of_rules, literal,
    rows_with_every_column, within,
};
use crate::activity::columns_of;
use crate::bill::UnpricedUsage;
use crate::error::QueryError;
use crate::incomplete::{self, Incomplete};

/// Columns in front of the keys and sums: hour, account, region, resource, rows, rows without a SKU, incomplete rows.
const FIXED_COLUMNS: usize = 7;

impl Question<'_> {
    /// Every meter's quantity per hour, resource and key, and the rows that none takes, in one scan.
    pub(super) async fn metered(
        &self,
        session: &SessionContext,
        catalogue: &Catalogue,
        rules: &[&MeteringRule<'_>],
        metered: &mut Metered,
    ) -> Result<(), QueryError> {
        let meters = Meter::of(catalogue, rules);
        let unpriced = self.without_sku(catalogue, &meters);
        let own = between(self.table, self.own);
        let incomplete = Incomplete::of(self, catalogue, &meters);
        let keys: BTreeSet<&str> = meters.iter().filter_map(|meter| Some(meter.key?.column.as_str())).collect();
        let keys: Vec<&str> = keys.into_iter().collect();
        let mut inner = format!(
            "CAST(date_trunc('hour', {}) AS BIGINT) AS hour, account, region, resource, ({own}) AS own, ({unpriced}) AS no_sku, \
             ({}) AS unknown",
            self.table.time_column(),
            incomplete.unknown_words(),
        );
        let mut is_incomplete = "unknown".to_owned();
        let mut outer = String::new();
        for (index, key) in keys.iter().enumerate() {
            inner += &format!(", \"{key}\" AS k{index}");
            outer += &format!(", k{index}");
        }
        for (index, detail) in self.details.iter().enumerate() {
            let value = match self.table.schema().index_of(detail) {
                Ok(_) => format!("CAST(\"{detail}\" AS VARCHAR)"),
                Err(_) => "CAST(NULL AS VARCHAR)".to_owned(),
            };
            inner += &format!(", {value} AS d{index}");
            outer += &format!(", d{index}");
        }
        for (index, meter) in meters.iter().enumerate() {
            // A null quantity contributes nothing and is no record of the SKU.
            let (condition, quantity) = (meter.condition(catalogue, self), meter.rule.quantity.to_sql());
            inner += &format!(", CASE WHEN {condition} THEN {quantity} END AS v{index}");
            if incomplete::can_be_missing(meter.rule.quantity) {
                inner += &format!(", {condition} AS c{index}");
                is_incomplete += &format!(" OR (c{index} AND v{index} IS NULL)");
            }
            outer += &format!(", sum(arrow_cast(v{index}, 'Decimal256(76, 0)')), count(v{index})");
        }
        let group_by = |letter, count: usize| (0..count).map(|index| format!(", {letter}{index}")).collect::<String>();
        let group_by = group_by('k', keys.len()) + &group_by('d', self.details.len());
        let sql = format!(
            "SELECT hour, account, region, resource, count(CASE WHEN own THEN 1 END), \
             count(CASE WHEN own AND no_sku THEN 1 END), \
             count(CASE WHEN own AND NOT no_sku AND ({is_incomplete}) THEN 1 END){outer} FROM (SELECT {inner} FROM {} WHERE {}) GROUP BY hour, account, region, resource{group_by}",
            rows_with_every_column(self.table, self.columns(rules)),
            self.condition(),
        );
        let mut sums = Sums {
            keys: &keys,
            details: self.details.len(),
            meters: &meters,
            rows: BTreeMap::new(),
            record_count: 0,
            without_sku: 0,
            incomplete: 0,
        };
        for batch in session.sql(&sql).await?.collect().await? {
            sums.add(&batch, catalogue)?;
        }
        let service = metered.service(&self.source.service);
        let mut scopes: BTreeMap<(Scope, Details), u32> = BTreeMap::new();
        for ((hour_us, scope, sku), (quantity, record_count)) in sums.rows {
            let place = |(scope, details): &(Scope, Details)| metered.scope(scope.clone(), details.clone());
            let scope = *scopes.entry(scope).or_insert_with_key(place);
            let (quantity, day) = (Quantity::from(quantity), catalogue.sku(sku).zone.day_of(hour_us));
            metered.rows.push(MeteredRow { sku, service, hour_us, day, scope, quantity, record_count });
        }
        metered.record_count += sums.record_count;
        if sums.without_sku > 0 {
            metered.unpriced.extend(self.without_sku_by_kind(session, catalogue, rules, &unpriced).await?);
        }
        if sums.incomplete > 0 {
            let rows = rows_with_every_column(self.table, self.columns(rules));
            let of = format!("{rows} WHERE {} AND {own} AND NOT ({unpriced})", self.condition());
            metered.unpriced.extend(incomplete.found(session, &of).await?);
        }
        Ok(())
    }

    /// The columns that rules and activities read.
    fn columns<'b>(&'b self, rules: &'b [&MeteringRule<'_>]) -> impl Iterator<Item = &'b str> {
        let activities = self.activities.iter().flat_map(|activity| columns_of(activity));
        columns_of_rules(rules).chain(activities)
    }

    /// The rows that no meter and no activity takes, as SQL.
    fn without_sku(&self, catalogue: &Catalogue, meters: &[Meter<'_>]) -> String {
        let taken: Vec<_> = meters
            .iter()
            .map(|meter| format!("({} AND {})", meter.condition(catalogue, self), meter.known_key()))
            .chain(self.activities.iter().map(|activity| crate::activity::condition(activity)))
            .collect();
        match taken.is_empty() {
            true => "true".to_owned(),
            false => format!("NOT coalesce({}, false)", taken.join(" OR ")),
        }
    }

    /// Usage that no meter takes, by what kind it is.
    async fn without_sku_by_kind(
        &self,
        session: &SessionContext,
        catalogue: &Catalogue,
        rules: &[&MeteringRule<'_>],
        unpriced: &str,
    ) -> Result<Vec<UnpricedUsage>, QueryError> {
        let sql = format!(
            "SELECT {}, count(*) FROM {} WHERE {} AND {} AND {unpriced} GROUP BY 1 ORDER BY 1",
            self.kind_sql(),
            rows_with_every_column(self.table, self.columns(rules)),
            self.condition(),
            between(self.table, self.own),
        );
        let reason = self.why_without_sku(catalogue);
        let mut found = Vec::new();
        for batch in session.sql(&sql).await?.collect().await? {
            let counts = cast(batch.column(1), &DataType::Int64)?;
            for row in 0..batch.num_rows() {
                let record_count = u64::try_from(counts.as_primitive::<Int64Type>().value(row)).unwrap_or(0);
                found.push(self.unpriced(cell(&batch, 0, row)?.unwrap_or_default(), record_count, reason));
            }
        }
        Ok(found)
    }

    fn condition(&self) -> String {
        format!(
            "{} AND provider = {} AND service = {}",
            within(self.table, self.scanned),
            literal(&self.source.provider),
            literal(&self.source.service)
        )
    }
}

/// Start of the hour, whose usage, SKU.
type SumKey = (i64, (Scope, Details), SkuIndex);

/// Quantities as they come from the scan, by hour, scope and SKU.
struct Sums<'a> {
    keys: &'a [&'a str],
    /// How many columns tell rows apart beside hour and scope.
    details: usize,
    meters: &'a [Meter<'a>],
    rows: BTreeMap<SumKey, (Exact, u64)>,
    record_count: u64,
    without_sku: u64,
    incomplete: u64,
}

impl Sums<'_> {
    fn add(&mut self, batch: &RecordBatch, catalogue: &Catalogue) -> Result<(), QueryError> {
        let hours = cast(batch.column(0), &DataType::Int64)?;
        let hours = hours.as_primitive::<Int64Type>();
        let records = batch.column(FIXED_COLUMNS - 3).as_primitive::<Int64Type>();
        let without_sku = batch.column(FIXED_COLUMNS - 2).as_primitive::<Int64Type>();
        let incomplete = batch.column(FIXED_COLUMNS - 1).as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            self.record_count += u64::try_from(records.value(row)).unwrap_or(0);
            self.without_sku += u64::try_from(without_sku.value(row)).unwrap_or(0);
            self.incomplete += u64::try_from(incomplete.value(row)).unwrap_or(0);
            let scope = Scope {
                organisation: None,
                account: cell(batch, 1, row)?,
                region: cell(batch, 2, row)?,
                resource: cell(batch, 3, row)?,
            };
            let keys = (0..self.keys.len())
                .map(|index| cell(batch, FIXED_COLUMNS + index, row))
                .collect::<Result<Vec<_>, _>>()?;
            let first = FIXED_COLUMNS + self.keys.len();
            let details =
                (first..first + self.details).map(|column| cell(batch, column, row)).collect::<Result<Details, _>>()?;
            let scope = (scope, details);
            for (index, meter) in self.meters.iter().enumerate() {
                let column = first + self.details + 2 * index;
                let sums = batch.column(column).as_primitive::<Decimal256Type>();
                if sums.is_null(row) {
                    continue;
                }
                let place = meter.key.and_then(|key| self.keys.iter().position(|name| *name == key.column));
                let Some(sku) = meter.sku(place.and_then(|place| keys[place].as_deref())) else { continue };
                let overflow = || QueryError::Overflow { sku: catalogue.sku(sku).name.clone() };
                let sum = Exact::parse(&sums.value(row).to_string()).map_err(|_| overflow())?;
                let counts = batch.column(column + 1).as_primitive::<Int64Type>();
                // Two keys of one SKU, or two eras that meet within an hour, add.
                let (quantity, record_count) = self.rows.entry((hours.value(row), scope.clone(), sku)).or_default();
                *quantity += &(&sum * &meter.rule.factor);
                *record_count += u64::try_from(counts.value(row)).unwrap_or(0);
            }
        }
        Ok(())
    }
}
