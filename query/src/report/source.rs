//! What reports read of the usage records themselves: counts and sums by resource, histograms, intervals in time order.
//!
//! Each answer is one query over `invocations` or `requests`, and nothing is worked out here beyond sums.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use paygrain_ingest::table::Table;
use paygrain_pricing::period::DAY_US;
use paygrain_pricing::{Catalogue, Period};
use serde::Serialize;

use super::parameters::{Days, Selection};
use super::sweep::Sweep;
use super::{ColumnKind, ReportColumn, column};
use crate::bill::Dimension;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::lake_state::{services_of, view_of};
use crate::metering::{literal, timestamp};
use crate::overview::latest_us;
use crate::rollup::Histograms;
use crate::rollup::class::{Class, is_common};
use crate::rollup::histogram::Histogram;
use crate::sql::SqlAnswer;

/// Whose records: the columns that tell resources apart; empty where the log does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Resource {
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
    /// Its columns in a report.
    pub fn columns() -> Vec<ReportColumn> {
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
pub(crate) struct Records {
    table: Table,
    /// The days, as a condition.
    days: String,
    /// The filters, each after ` AND `.
    filters: String,
    /// What was asked for, for rollups.
    asked: Asked,
}

/// Days and filters as they were asked for.
struct Asked {
    days: Days,
    provider: Option<String>,
    only: Vec<(Dimension, String)>,
}

impl Records {
    /// The records of a selection. Days are those of each provider's zone, as on bills.
    pub fn of(table: Table, catalogue: &Catalogue, selection: &Selection, days: Days) -> Result<Self, QueryError> {
        let asked = Asked { days, provider: selection.provider.clone(), only: selection.only.clone() };
        let days = in_days(table, catalogue, days);
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
        Ok(Self { table, days, filters, asked })
    }

    /// What follows `FROM`.
    fn from(&self) -> String {
        format!("{} WHERE {}{}", self.table.name(), self.days, self.filters)
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
        let rows = self.by_resource(session, "count(*)", "", "").await?;
        Ok(rows.into_iter().map(|(resource, numbers)| (resource, count(&numbers, 0))).collect())
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

    /// [`Records::duration_histogram`], from rollups where they say it.
    pub async fn durations(&self, engine: &Engine) -> Result<Vec<HistogramRow>, QueryError> {
        let session = engine.session().await?;
        match self.rolled(&session, engine.catalogue(), |found| &found.durations).await? {
            Some(found) => Ok(found),
            None => self.duration_histogram(&session).await,
        }
    }

    /// [`Records::memory_histogram`], from rollups where they say it.
    pub async fn memory_used(&self, engine: &Engine) -> Result<Vec<HistogramRow>, QueryError> {
        let session = engine.session().await?;
        match self.rolled(&session, engine.catalogue(), |found| &found.memory_used).await? {
            Some(found) => Ok(found),
            None => self.memory_histogram(&session).await,
        }
    }

    /// A histogram from rollups. They are of UTC days: nothing where a service has others, or a filter asks for more.
    async fn rolled(
        &self,
        session: &SessionContext,
        catalogue: &Catalogue,
        histogram: impl Fn(&Histograms) -> &Histogram,
    ) -> Result<Option<Vec<HistogramRow>>, QueryError> {
        let (table, Asked { days, provider, only }) = (self.table, &self.asked);
        let utc = paygrain_pricing::Zone::default();
        let Some(services) = services_of(session, catalogue, table).await? else { return Ok(None) };
        let is_asked = |name: &str| provider.as_deref().is_none_or(|provider| provider == name);
        let mut asked = services.iter().filter(|(provider, _)| is_asked(provider));
        let plain = asked.all(|(provider, service)| catalogue.zone(provider, service) == utc);
        if !plain || !only.iter().all(|(dimension, _)| is_common(table, dimension.name())) {
            return Ok(None);
        }
        let end = utc.day_start_us(days.to.succ_opt().unwrap_or(days.to));
        let bounds = (utc.day_start_us(days.from), end);
        let Some(view) = view_of(session, catalogue, table, bounds).await? else { return Ok(None) };
        let passes = |class: &Class| {
            let dimensions: BTreeSet<Dimension> = only.iter().map(|(dimension, _)| *dimension).collect();
            is_asked(class.text(table, "provider").unwrap_or_default())
                && dimensions.into_iter().all(|dimension| {
                    let value = class.detail(table, dimension.name()).unwrap_or_default();
                    only.iter().any(|(other, wanted)| *other == dimension && *wanted == value)
                })
        };
        let keys: Vec<Option<(Resource, i64)>> = view
            .classes
            .iter()
            .map(|class| {
                let text = |column: &str| class.text(table, column).unwrap_or_default().to_owned();
                let resource = || Resource {
                    provider: text("provider"),
                    service: text("service"),
                    account: text("account"),
                    region: text("region"),
                    resource: text("resource"),
                };
                passes(class).then(|| (resource(), class.integer(table, "memory_mb").unwrap_or(0)))
            })
            .collect();
        let mut numbers: HashMap<&(Resource, i64), usize> = HashMap::new();
        let mut counts: HashMap<(usize, i64), u64> = HashMap::new();
        let of_class: Vec<Option<usize>> = keys
            .iter()
            .map(|key| {
                let next = numbers.len();
                key.as_ref().map(|key| *numbers.entry(key).or_insert(next))
            })
            .collect();
        for day in &view.days {
            let Some(found) = day.rollup.histograms() else { return Ok(None) };
            for (class, value, count) in histogram(found).entries() {
                let Some(number) = of_class[day.numbers[class as usize] as usize] else { continue };
                *counts.entry((number, i64::try_from(value).unwrap_or(i64::MAX))).or_default() += count;
            }
        }
        let mut named = vec![None; numbers.len()];
        numbers.into_iter().for_each(|(key, number)| named[number] = Some(key));
        let row = |((number, value), count): ((usize, i64), u64)| {
            let (resource, memory_mb) = named[number]?;
            Some(HistogramRow { resource: resource.clone(), memory_mb: *memory_mb, value, count })
        };
        Ok(Some(counts.into_iter().filter_map(row).collect()))
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
        let columns = "count(*), count(status), count(CASE WHEN status <> 'success' THEN 1 END)";
        let rows = self.by_resource(session, columns, "", "").await?;
        let outcomes = |numbers: &[i64]| Outcomes {
            invocation_count: count(numbers, 0),
            known_count: count(numbers, 1),
            failed_count: count(numbers, 2),
        };
        Ok(rows.into_iter().map(|(resource, numbers)| (resource, outcomes(&numbers))).collect())
    }

    /// Every execution, initialisation included, that is under way at some moment of some UTC days, in one sweep.
    pub async fn executions(&self, session: &SessionContext, days: Days) -> Result<(Sweep, u64), QueryError> {
        let (from_us, to_us) = utc_bounds(days);
        let (start, length) = ("CAST(started_at AS BIGINT)", "coalesce(duration_us, 0) + coalesce(init_us, 0)");
        // Those that began before the first day and run into it count, however long ago that was.
        let sql = format!(
            "SELECT {start} AS start_us, {start} + {length} AS end_us FROM {} WHERE date <= DATE '{}' AND started_at < {} AND {start} + {length} > {from_us}{} ORDER BY start_us",
            self.table.name(),
            days.to,
            timestamp(to_us),
            self.filters,
        );
        let mut sweep = Sweep::new(from_us, to_us);
        let mut execution_count = 0;
        let mut batches = session.sql(&sql).await?.execute_stream().await?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let (starts, ends) = (cast(batch.column(0), &DataType::Int64)?, cast(batch.column(1), &DataType::Int64)?);
            let (starts, ends) = (starts.as_primitive::<Int64Type>(), ends.as_primitive::<Int64Type>());
            for row in 0..batch.num_rows() {
                sweep.add(starts.value(row), ends.value(row));
            }
            execution_count += batch.num_rows() as u64;
        }
        Ok((sweep, execution_count))
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

/// Between a resource and its mark: no resource has it in its name.
const MARK: char = '\u{1f}';

/// A resource and its mark.
pub(crate) fn marked(resource: &str) -> (&str, &str) {
    resource.split_once(MARK).unwrap_or((resource, ""))
}

/// The same session with some columns of a table as they might have been (name and SQL of each), and every resource in
/// it marked by the value of `mark`, a SQL text: cost by resource and mark is cost by what the mark says. The session must
/// be one without rollups and kept answers.
///
/// Prices do not depend on a resource's name, and what is summed by resource is summed by resource and mark.
pub(crate) async fn what_if(
    session: SessionContext,
    table: Table,
    changed: &[(&str, &str)],
    mark: Option<&str>,
) -> Result<SessionContext, QueryError> {
    let schema = table.schema();
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| match (changed.iter().find(|(name, _)| name == field.name()), mark) {
            (Some((name, sql)), _) => format!("{sql} AS \"{name}\""),
            (None, Some(mark)) if field.name() == "resource" => {
                format!("concat(coalesce(resource, ''), '{MARK}', {mark}) AS resource")
            }
            (None, _) => format!("\"{}\"", field.name()),
        })
        .collect();
    let name = table.name();
    let view = session.sql(&format!("SELECT {} FROM {name}", columns.join(", "))).await?.into_view();
    session.deregister_table(name)?;
    session.register_table(name, view)?;
    Ok(session)
}

/// First instant and end of UTC days, in microseconds.
pub(crate) fn utc_bounds(days: Days) -> (i64, i64) {
    let utc = paygrain_pricing::Zone::default();
    (utc.day_start_us(days.from), utc.day_start_us(days.to.succ_opt().unwrap_or(days.to)))
}

/// The records of days in the zone of each provider's service, as a condition.
fn in_days(table: Table, catalogue: &Catalogue, days: Days) -> String {
    let mut by_zone: BTreeMap<String, (paygrain_pricing::Zone, Vec<String>)> = BTreeMap::new();
    let utc = paygrain_pricing::Zone::default();
    for (provider, service) in catalogue.services() {
        let zone = catalogue.zone(provider, service);
        if zone != utc {
            let name = literal(&format!("{provider}/{service}"));
            by_zone.entry(zone.to_string()).or_insert_with(|| (zone, Vec::new())).1.push(name);
        }
    }
    let time = table.time_column();
    let between = |zone: paygrain_pricing::Zone| {
        let end = zone.day_start_us(days.to.succ_opt().unwrap_or(days.to));
        format!("{time} >= {} AND {time} < {}", timestamp(zone.day_start_us(days.from)), timestamp(end))
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

/// How far a month has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is over: there is usage after it.
    Over,
    /// The time of its latest record, microseconds since 1970 UTC.
    Until(i64),
}

impl Progress {
    /// How much of a month is behind us, at least a day of it, in microseconds.
    pub fn elapsed_us(self, start_us: i64, end_us: i64) -> i64 {
        match self {
            Self::Over => end_us - start_us,
            Self::Until(latest_us) => (latest_us - start_us).clamp(DAY_US, end_us - start_us),
        }
    }

    /// The last day that is surely complete: the one before the latest record, be it in the month before, or the last day
    /// of the month where that is on it.
    pub fn complete_until(self, period: Period) -> NaiveDate {
        match self {
            Self::Over => period.last_day(),
            Self::Until(latest_us) => {
                let latest = paygrain_pricing::Zone::default().day_of(latest_us);
                match latest >= period.last_day() {
                    true => period.last_day(),
                    false => latest.pred_opt().unwrap_or(latest),
                }
            }
        }
    }
}

/// How far a month has come, by what the lake has: no clock is asked.
pub(crate) async fn progress(
    engine: &Engine,
    session: &SessionContext,
    period: Period,
) -> Result<Progress, QueryError> {
    if engine.periods().await?.first().is_some_and(|latest| *latest > period) {
        return Ok(Progress::Over);
    }
    let latest_us = latest_us(session, engine.catalogue().widest_period_us(period)).await?;
    Ok(latest_us.map_or(Progress::Over, Progress::Until))
}
