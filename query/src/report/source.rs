//! What reports read of the usage records themselves: counts and sums by resource, histograms, intervals in time order.
//!
//! Each answer is one query over `invocations` or `requests`, and nothing is worked out here beyond sums. Where a session has
//! rollups that say the same, they are asked instead.

pub(crate) mod executions;
mod rolled;

use std::collections::{BTreeMap, BTreeSet};

use datafusion::prelude::SessionContext;
use paygrain_ingest::table::Table;
use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::{Catalogue, Zone};
use serde::Serialize;

use super::parameters::{Days, Selection};
use super::{ColumnKind, ReportColumn, column};
use crate::bill::Dimension;
use crate::error::QueryError;
use crate::metering::{literal, timestamp};
use crate::rollup::class::{Class, Sign};
use crate::sql::SqlAnswer;

/// Whose records: the columns that tell resources apart; empty where the log does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Resource {
    /// Provider.
    pub provider: String,
    /// Service, as the log names it.
    pub service: String,
    /// Billing account.
    pub account: String,
    /// Region.
    pub region: String,
    /// Function, bucket, …
    pub resource: String,
}

/// The columns of [`Resource`], as SQL.
const RESOURCE: &str = "provider, service, coalesce(account, '') AS account, coalesce(region, '') AS region, coalesce(resource, '') AS resource";

impl Resource {
    /// That of the records of a class.
    fn of(table: Table, class: &Class) -> Self {
        let text = |column: &str| class.text(table, column).unwrap_or_default().to_owned();
        Self {
            provider: text("provider"),
            service: text("service"),
            account: text("account"),
            region: text("region"),
            resource: text("resource"),
        }
    }

    /// Its columns in a report.
    pub(crate) fn columns() -> Vec<ReportColumn> {
        let text = |name, meaning| column(name, ColumnKind::Text, meaning);
        vec![
            text("provider", "the provider"),
            text("service", "the service, as the log names it"),
            text("account", "the billing account; empty where the log does not say"),
            text("region", "the region; empty where the log does not say"),
            text("resource", "the function, bucket, …; empty where the log does not say"),
        ]
    }
}

/// The records of a table in some days that pass the filters, as what follows `FROM`.
pub(crate) struct Records<'a> {
    table: Table,
    catalogue: &'a Catalogue,
    selection: &'a Selection,
    days: Days,
    /// The days, as a condition.
    in_days: String,
    /// The filters, each after ` AND `.
    filters: String,
}

impl<'a> Records<'a> {
    /// The records of a selection. Days are those of each provider's zone, as on bills.
    pub fn of(
        table: Table,
        catalogue: &'a Catalogue,
        selection: &'a Selection,
        days: Days,
    ) -> Result<Self, QueryError> {
        let mut filters = String::new();
        if let Some(provider) = &selection.provider {
            filters += &format!(" AND provider = {}", literal(provider));
        }
        let schema = table.schema();
        for dimension in selection.only.iter().map(|(dimension, _)| *dimension).collect::<BTreeSet<_>>() {
            if schema.index_of(dimension.name()).is_err() {
                return Err(QueryError::NoSuchChoice {
                    what: "filter of usage records by",
                    name: dimension.name().to_owned(),
                    known: Dimension::ALL
                        .map(Dimension::name)
                        .into_iter()
                        .filter(|name| schema.index_of(name).is_ok())
                        .collect(),
                });
            }
            let values =
                selection.only.iter().filter(|(other, _)| *other == dimension).map(|(_, value)| literal(value));
            let values: Vec<_> = values.collect();
            let column = dimension.name();
            filters += &format!(" AND coalesce(CAST(\"{column}\" AS VARCHAR), '') IN ({})", values.join(", "));
        }
        Ok(Self { table, catalogue, selection, days, in_days: in_days(table, catalogue, days), filters })
    }

    /// What follows `FROM`.
    pub fn from(&self) -> String {
        format!("{} WHERE {}{}", self.table.name(), self.in_days, self.filters)
    }

    /// Rows by resource: the resource, and the numbers of the other columns; a null is 0.
    async fn by_resource(
        &self,
        session: &SessionContext,
        columns: &str,
        and: &str,
        group_by: &str,
    ) -> Result<Vec<(Resource, Vec<i64>)>, QueryError> {
        let from = self.from();
        let sql = format!(
            "SELECT {RESOURCE}, {columns} FROM {from}{and} GROUP BY provider, service, account, region, resource{group_by}"
        );
        let rows = SqlAnswer::of(session, &sql).await?.text_rows()?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let mut cells = row.into_iter().map(Option::unwrap_or_default);
                let mut text = || cells.next().unwrap_or_default();
                let resource =
                    Resource { provider: text(), service: text(), account: text(), region: text(), resource: text() };
                (resource, cells.map(|cell| cell.parse().unwrap_or(0)).collect())
            })
            .collect())
    }

    /// How many records each resource has.
    pub async fn counts(&self, session: &SessionContext) -> Result<BTreeMap<Resource, u64>, QueryError> {
        let add = |sum: &mut u64, _: &Class, count: u64, _: &[i64]| *sum += count;
        if let Some(found) = self.summed(session, &[], add).await? {
            return Ok(found);
        }
        let rows = self.by_resource(session, "count(*)", "", "").await?;
        Ok(rows.into_iter().map(|(resource, numbers)| (resource, count(&numbers, 0))).collect())
    }

    /// How many records each resource has, by the start of their UTC hour in microseconds since 1970.
    pub async fn hourly_counts(
        &self,
        session: &SessionContext,
    ) -> Result<BTreeMap<Resource, BTreeMap<i64, u64>>, QueryError> {
        let add = |hours: &mut BTreeMap<i64, u64>, _: &Class, hour_us: i64, count: u64, _: &[i64]| {
            *hours.entry(hour_us).or_default() += count;
        };
        if let Some(found) = self.summed_by_hour(session, &[], add).await? {
            return Ok(found);
        }
        let hour = format!("CAST({} AS BIGINT) / {HOUR_US}", self.table.time_column());
        let rows = self.by_resource(session, &format!("{hour}, count(*)"), "", &format!(", {hour}")).await?;
        let mut found: BTreeMap<Resource, BTreeMap<i64, u64>> = BTreeMap::new();
        for (resource, numbers) in rows {
            *found.entry(resource).or_default().entry(number(&numbers, 0) * HOUR_US).or_default() += count(&numbers, 1);
        }
        Ok(found)
    }

    /// Durations in whole milliseconds, rounded up, by resource and memory size (0: the log does not say).
    pub async fn duration_histogram(&self, session: &SessionContext) -> Result<Vec<HistogramRow>, QueryError> {
        // Both are whole numbers, so the division is one of whole numbers.
        let value = "(duration_us + 999) / 1000";
        self.histogram(session, value, " AND duration_us IS NOT NULL").await
    }

    /// Memory used in MB, by resource and memory size (0: the log does not say).
    pub async fn memory_histogram(&self, session: &SessionContext) -> Result<Vec<HistogramRow>, QueryError> {
        self.histogram(session, "memory_used_mb", " AND memory_used_mb IS NOT NULL").await
    }

    async fn histogram(
        &self,
        session: &SessionContext,
        value: &str,
        and: &str,
    ) -> Result<Vec<HistogramRow>, QueryError> {
        let columns = format!("memory_mb, {value}, count(*)");
        let rows = self.by_resource(session, &columns, and, &format!(", memory_mb, {value}")).await?;
        let row = |(resource, numbers): (Resource, Vec<i64>)| HistogramRow {
            resource,
            memory_mb: number(&numbers, 0),
            value: number(&numbers, 1),
            count: count(&numbers, 2),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// How often environments were started, and how long that took, by resource.
    pub async fn starts(&self, session: &SessionContext) -> Result<BTreeMap<Resource, Starts>, QueryError> {
        let add = |sum: &mut Starts, class: &Class, count: u64, sums: &[i64]| {
            let only = |fits: bool| if fits { count } else { 0 };
            let cold_start = class.integer(self.table, "cold_start");
            sum.invocation_count += count;
            sum.known_count += only(cold_start.is_some());
            sum.cold_count += only(cold_start.is_some_and(|cold| cold != 0));
            sum.init_count += only(class.sign(self.table, "init_us") != Some(Sign::Absent));
            sum.init_us += sums[0];
        };
        if let Some(found) = self.summed(session, &["\"init_us\""], add).await? {
            return Ok(found);
        }
        let columns =
            "count(*), count(cold_start), count(CASE WHEN cold_start THEN 1 END), count(init_us), sum(init_us)";
        let rows = self.by_resource(session, columns, "", "").await?;
        let starts = |numbers: &[i64]| Starts {
            invocation_count: count(numbers, 0),
            known_count: count(numbers, 1),
            cold_count: count(numbers, 2),
            init_count: count(numbers, 3),
            init_us: number(numbers, 4),
        };
        Ok(rows.into_iter().map(|(resource, numbers)| (resource, starts(&numbers))).collect())
    }

    /// How often invocations failed, by resource.
    pub async fn outcomes(&self, session: &SessionContext) -> Result<BTreeMap<Resource, Outcomes>, QueryError> {
        let add = |sum: &mut Outcomes, class: &Class, count: u64, _: &[i64]| {
            let status = class.text(self.table, "status");
            sum.invocation_count += count;
            sum.known_count += if status.is_some() { count } else { 0 };
            sum.failed_count += if status.is_some_and(|status| status != "success") { count } else { 0 };
        };
        if let Some(found) = self.summed(session, &[], add).await? {
            return Ok(found);
        }
        let columns = "count(*), count(status), count(CASE WHEN status <> 'success' THEN 1 END)";
        let rows = self.by_resource(session, columns, "", "").await?;
        let outcomes = |numbers: &[i64]| Outcomes {
            invocation_count: count(numbers, 0),
            known_count: count(numbers, 1),
            failed_count: count(numbers, 2),
        };
        Ok(rows.into_iter().map(|(resource, numbers)| (resource, outcomes(&numbers))).collect())
    }
}

/// One bar of a histogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistogramRow {
    pub resource: Resource,
    /// Configured memory in MB; 0 where the log does not say.
    pub memory_mb: i64,
    pub value: i64,
    pub count: u64,
}

/// Starts of environments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Starts {
    pub invocation_count: u64,
    /// Of how many the log says whether they were cold.
    pub known_count: u64,
    pub cold_count: u64,
    /// Of how many the log has an initialisation.
    pub init_count: u64,
    pub init_us: i64,
}

/// How invocations ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub invocation_count: u64,
    /// Of how many the log says how they ended.
    pub known_count: u64,
    pub failed_count: u64,
}

/// The records of days in the zone of each provider's service, as a condition.
fn in_days(table: Table, catalogue: &Catalogue, days: Days) -> String {
    let mut by_zone: BTreeMap<String, (Zone, Vec<String>)> = BTreeMap::new();
    let utc = Zone::default();
    for (provider, service) in catalogue.services() {
        let zone = catalogue.zone(provider, service);
        if zone != utc {
            let name = literal(&format!("{provider}/{service}"));
            by_zone.entry(zone.to_string()).or_insert_with(|| (zone, Vec::new())).1.push(name);
        }
    }
    let time = table.time_column();
    let between = |zone: Zone| {
        let (from_us, to_us) = days.bounds_us(zone);
        format!("{time} >= {} AND {time} < {}", timestamp(from_us), timestamp(to_us))
    };
    let service = "concat(provider, '/', service)";
    let others: Vec<String> = by_zone.values().flat_map(|(_, names)| names.clone()).collect();
    let mut alternatives = vec![match others.is_empty() {
        true => between(utc),
        false => format!("{} AND {service} NOT IN ({})", between(utc), others.join(", ")),
    }];
    for (zone, names) in by_zone.values() {
        alternatives.push(format!("{} AND {service} IN ({})", between(*zone), names.join(", ")));
    }
    // A zone's day reaches at most a day beyond the UTC day of the same date.
    let (first, last) = (days.from.pred_opt().unwrap_or(days.from), days.to.succ_opt().unwrap_or(days.to));
    format!("date >= DATE '{first}' AND date <= DATE '{last}' AND ({})", alternatives.join(" OR "))
}

fn number(numbers: &[i64], index: usize) -> i64 {
    numbers.get(index).copied().unwrap_or(0)
}

fn count(numbers: &[i64], index: usize) -> u64 {
    u64::try_from(number(numbers, index)).unwrap_or(0)
}
