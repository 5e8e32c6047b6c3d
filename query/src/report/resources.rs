//! Every resource with what it costs and how it runs, and one of them in full: what the pages of resources show.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use paygrain_ingest::table::Table;
use paygrain_pricing::Exact;

use super::costs::{Cost, Costs, CurrencyPart};
use super::exploration::{Band, ByColumn, ExploredGroup, Step, bands, names_of, step_of};
use super::parameters::{self, Days, Given, Selection};
use super::records_of::RecordsOf;
use super::right_sizing;
use super::source::{Outcomes, Records, Resource, Starts};
use super::statistics::Histogram;
use crate::bill::Dimension;
use crate::engine::Engine;
use crate::error::QueryError;

/// What there is to see of all resources.
#[derive(Clone, Debug)]
pub enum Resources {
    /// The lake has no usage at all.
    NoUsage,
    /// Several currencies, which are never added: one has to be chosen.
    Currencies(Days, Vec<CurrencyPart>),
    /// Every resource, with cost in one currency.
    List(Box<ResourceList>),
}

/// Every resource.
#[derive(Clone, Debug)]
pub struct ResourceList {
    /// The days.
    pub days: Days,
    /// Currency of every amount.
    pub currency: String,
    /// Every resource with cost or records, the most expensive first; costs sum to the bill.
    pub resources: Vec<ResourceFigures>,
}

/// One resource; the one without a name is what belongs to none.
#[derive(Clone, Debug)]
pub struct ResourceFigures {
    /// Whose figures these are.
    pub resource: Resource,
    /// Its cost.
    pub cost: Cost,
    /// Its cost by day, in order; days without cost are left out.
    pub by_day: Vec<CostOfDay>,
    /// How it ran.
    pub executed: Executed,
}

/// Cost of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostOfDay {
    /// The day, in the provider's zone.
    pub day: NaiveDate,
    /// Its cost.
    pub cost: Cost,
}

/// How often something ran, how long it took, and how it began and ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Invocations and requests.
    pub count: u64,
    /// Nearest-rank percentiles of durations, in whole milliseconds rounded up; absent where no log has any.
    pub p50_ms: Option<i64>,
    /// 95 of 100 take no longer.
    pub p95_ms: Option<i64>,
    /// 99 of 100 take no longer.
    pub p99_ms: Option<i64>,
    /// Those whose log says whether they were cold.
    pub cold_known_count: u64,
    /// Those that started an environment.
    pub cold_count: u64,
    /// Those whose log says how they ended.
    pub status_known_count: u64,
    /// Those that failed.
    pub failed_count: u64,
}

impl Executed {
    /// Part of the known that was cold; absent where the log never says.
    pub fn cold_share(&self) -> Option<Exact> {
        Exact::from(self.cold_count).checked_div(&Exact::from(self.cold_known_count))
    }

    /// Part of the known that failed; absent where the log never says.
    pub fn failed_share(&self) -> Option<Exact> {
        Exact::from(self.failed_count).checked_div(&Exact::from(self.status_known_count))
    }

    /// What a million of them cost; absent where nothing ran.
    pub fn per_million(&self, cost: &Exact) -> Option<Exact> {
        (cost * Exact::from(1_000_000)).checked_div(&Exact::from(self.count))
    }

    fn add_durations(&mut self, durations: &Histogram) {
        self.p50_ms = durations.percentile(50);
        self.p95_ms = durations.percentile(95);
        self.p99_ms = durations.percentile(99);
    }

    fn add_starts(&mut self, starts: &Starts) {
        self.cold_known_count += starts.known_count;
        self.cold_count += starts.cold_count;
    }

    fn add_outcomes(&mut self, outcomes: &Outcomes) {
        self.status_known_count += outcomes.known_count;
        self.failed_count += outcomes.failed_count;
    }
}

/// One resource in full.
#[derive(Clone, Debug)]
pub struct ResourceDetail {
    /// The days.
    pub days: Days,
    /// The time before, which it is compared with.
    pub days_before: Days,
    /// Currency of every amount.
    pub currency: String,
    /// Every resource that has the name: of several accounts, regions, services.
    pub resources: Vec<Resource>,
    /// Cost of all of them.
    pub cost: Cost,
    /// Cost of the time before; absent where nothing was rated then, or in another currency.
    pub cost_before: Option<Cost>,
    /// How long columns are.
    pub step: Step,
    /// The columns in order, as values of the step's dimension.
    pub columns: Vec<String>,
    /// Cost by SKU and column, the most expensive first and the rest last.
    pub skus: Vec<Band>,
    /// How often they ran, and how.
    pub executed: Executed,
    /// Durations in whole milliseconds, rounded up, and how often each occurs, in order.
    pub durations: Vec<(i64, u64)>,
    /// Memory that was configured and used, by size.
    pub sizes: Vec<SizeAdvice>,
    /// Mean time of initialisation of those that have one, in milliseconds.
    pub mean_init_ms: Option<Exact>,
    /// Cost of cold invocations.
    pub cold_cost: Cost,
    /// Cost of failed invocations.
    pub failed_cost: Cost,
    /// Executions and cost by weekday, Monday first, and hour of the day, UTC.
    pub week: Vec<WeekHour>,
    /// Where the records are.
    pub records: Vec<RecordsOf>,
}

/// An hour of the week.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WeekHour {
    /// Days from Monday.
    pub weekday: u32,
    /// Hour of the day, UTC.
    pub hour: u32,
    /// Invocations and requests that began in it.
    pub count: u64,
    /// What they cost.
    pub cost: Cost,
}

/// Memory of one size, and what would fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeAdvice {
    /// Configured memory.
    pub memory_mb: i64,
    /// Invocations whose log says what they used.
    pub invocation_count: u64,
    /// 99 of 100 used no more.
    pub p99_used_mb: Option<i64>,
    /// The most any used.
    pub max_used_mb: Option<i64>,
    /// `lower`, `keep`, `raise`, or `unknown sizes`: as in the report `right-sizing`.
    pub advice: &'static str,
    /// The next size that holds the most used and the headroom, where that is lower.
    pub proposed_mb: Option<i64>,
}

impl Engine {
    /// Every resource with its cost and how it ran. Parameters are those of the report `top-resources`.
    ///
    /// # Errors
    /// [`QueryError::NoSuchChoice`] or [`QueryError::BadValue`] for parameters that mean nothing, or as [`Engine::bill`].
    /// Several currencies are no error.
    pub async fn resources(&self, parameters: &[(String, String)]) -> Result<Resources, QueryError> {
        self.places().with(list(self, parameters)).await
    }

    /// One resource in full: of every account, region and service where it has its name, unless the parameters filter by
    /// those; nothing where there is no such resource.
    ///
    /// # Errors
    /// As [`Engine::resources`], and [`QueryError::ManyCurrencies`].
    pub async fn resource(
        &self,
        name: &str,
        service: Option<&str>,
        parameters: &[(String, String)],
    ) -> Result<Option<ResourceDetail>, QueryError> {
        self.places().with(detail(self, name, service, parameters)).await
    }
}

async fn list(engine: &Engine, parameters: &[(String, String)]) -> Result<Resources, QueryError> {
    let given = Given::new("parameter", parameters, &parameters::COST)?;
    let selection = given.selection(engine).await?;
    let Some(days) = selection.days else { return Ok(Resources::NoUsage) };
    if engine.periods().await?.is_empty() {
        return Ok(Resources::NoUsage);
    }
    let session = engine.session().await?;
    let costs = Costs::of(engine, &session, &selection, days).await?;
    let currencies = costs.currencies();
    if currencies.len() > 1 {
        return Ok(Resources::Currencies(days, currencies));
    }
    let mut found: BTreeMap<Resource, ResourceFigures> = BTreeMap::new();
    for ((resource, key), cost) in costs.group_by_resource(&[Dimension::Day]) {
        let figures = figures_of(&mut found, resource);
        figures.cost += &cost;
        if let Some(day) = key.first().and_then(|day| day.parse().ok()) {
            figures.by_day.push(CostOfDay { day, cost });
        }
    }
    for table in [Table::Invocations, Table::Requests] {
        let records = Records::of(table, engine.catalogue(), &selection, days)?;
        for (resource, count) in records.counts(&session).await? {
            figures_of(&mut found, resource).executed.count += count;
        }
    }
    let records = Records::of(Table::Invocations, engine.catalogue(), &selection, days)?;
    let mut durations: BTreeMap<Resource, Histogram> = BTreeMap::new();
    for row in records.durations(&session).await? {
        durations.entry(row.resource).or_default().add(row.value, row.count);
    }
    for (resource, durations) in durations {
        figures_of(&mut found, resource).executed.add_durations(&durations);
    }
    for (resource, starts) in records.starts(&session).await? {
        figures_of(&mut found, resource).executed.add_starts(&starts);
    }
    for (resource, outcomes) in records.outcomes(&session).await? {
        figures_of(&mut found, resource).executed.add_outcomes(&outcomes);
    }
    let mut resources: Vec<ResourceFigures> = found.into_values().collect();
    resources.sort_by_cached_key(|one| std::cmp::Reverse((one.cost.billed.clone(), one.cost.list.clone())));
    let currency = currencies.into_iter().next().map_or_else(|| "USD".to_owned(), |part| part.currency);
    Ok(Resources::List(Box::new(ResourceList { days, currency, resources })))
}

fn figures_of(found: &mut BTreeMap<Resource, ResourceFigures>, resource: Resource) -> &mut ResourceFigures {
    found.entry(resource).or_insert_with_key(|resource| ResourceFigures {
        resource: resource.clone(),
        cost: Cost::default(),
        by_day: Vec::new(),
        executed: Executed::default(),
    })
}

/// Costs of one service's records, by any dimensions.
struct Own<'a> {
    costs: &'a Costs,
    service: Option<&'a str>,
}

impl Own<'_> {
    fn by(&self, by: &[Dimension]) -> BTreeMap<Vec<String>, Cost> {
        let mut found: BTreeMap<Vec<String>, Cost> = BTreeMap::new();
        for ((resource, key), cost) in self.costs.group_by_resource(by) {
            if self.service.is_none_or(|service| service == resource.service) {
                *found.entry(key).or_default() += &cost;
            }
        }
        found
    }

    fn total(&self) -> Option<Cost> {
        self.by(&[]).into_values().next()
    }
}

async fn detail(
    engine: &Engine,
    name: &str,
    service: Option<&str>,
    parameters: &[(String, String)],
) -> Result<Option<ResourceDetail>, QueryError> {
    let given = Given::new("parameter", parameters, &parameters::COST)?;
    let mut selection = given.selection_by(engine, &[Dimension::ColdStart, Dimension::Status]).await?;
    selection.only.push((Dimension::Resource, name.to_owned()));
    let Some(days) = selection.days else { return Ok(None) };
    let session = engine.session().await?;
    let costs = Costs::of(engine, &session, &selection, days).await?;
    let before = Costs::of(engine, &session, &selection, days.before()).await?;
    let (currency, is_comparable) = before.comparable(costs.currency()?);
    let (own, own_before) = (Own { costs: &costs, service }, Own { costs: &before, service });

    // The service of records is a column of theirs; that of charges is another.
    let mut of_records = selection.clone();
    of_records.only.extend(service.map(|service| (Dimension::Service, service.to_owned())));
    let mut resources: BTreeSet<Resource> = costs.group_by_resource(&[]).into_keys().map(|(owner, _)| owner).collect();
    resources.retain(|owner| service.is_none_or(|service| service == owner.service));
    let mut executed = Executed::default();
    let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
    let mut tables = BTreeSet::new();
    for table in [Table::Invocations, Table::Requests] {
        let records = Records::of(table, engine.catalogue(), &of_records, days)?;
        for (resource, counts) in records.hourly_counts(&session).await? {
            executed.count += counts.values().sum::<u64>();
            counts.into_iter().for_each(|(hour_us, count)| *hours.entry(hour_us).or_default() += count);
            resources.insert(resource);
            tables.insert(table);
        }
    }
    if resources.is_empty() {
        return Ok(None);
    }
    let records = Records::of(Table::Invocations, engine.catalogue(), &of_records, days)?;
    let mut durations = Histogram::default();
    records.durations(&session).await?.into_iter().for_each(|row| durations.add(row.value, row.count));
    executed.add_durations(&durations);
    let starts = records.starts(&session).await?;
    starts.values().for_each(|starts| executed.add_starts(starts));
    records.outcomes(&session).await?.values().for_each(|outcomes| executed.add_outcomes(outcomes));
    let (init_us, init_count) = starts
        .values()
        .fold((0, 0), |(us, count), starts| (us + i128::from(starts.init_us), count + i128::from(starts.init_count)));
    let sizes = right_sizing::advice(records.memory_used(&session).await?);
    let (step, columns, skus) = by_sku(&own, days);
    Ok(Some(ResourceDetail {
        days,
        days_before: days.before(),
        currency,
        cost: own.total().unwrap_or_default(),
        cost_before: is_comparable.then(|| own_before.total().unwrap_or_default()),
        step,
        columns,
        skus,
        executed,
        durations: durations.entries().collect(),
        sizes,
        mean_init_ms: Exact::ratio(init_us, init_count * 1000),
        cold_cost: own.by(&[Dimension::ColdStart]).remove(&["true".to_owned()][..]).unwrap_or_default(),
        failed_cost: failed(&own),
        week: week(&own, &hours),
        records: records_of(engine, &tables, days, &resources, &selection),
        resources: resources.into_iter().collect(),
    }))
}

/// Cost of what has a status other than success.
fn failed(own: &Own<'_>) -> Cost {
    let by_status = own.by(&[Dimension::Status]);
    let failed = by_status.iter().filter(|(key, _)| !matches!(key.first().map(String::as_str), Some("" | "success")));
    failed.map(|(_, cost)| cost).sum()
}

/// Cost by SKU over time.
fn by_sku(own: &Own<'_>, days: Days) -> (Step, Vec<String>, Vec<Band>) {
    let step = match step_of(days) {
        Step::Month => Step::Month,
        _ => Step::Day,
    };
    let one = |mut key: Vec<String>| key.pop().unwrap_or_default();
    let group = |(key, cost)| ExploredGroup { value: one(key), cost, before: None };
    let mut groups: Vec<ExploredGroup> = own.by(&[Dimension::Sku]).into_iter().map(group).collect();
    groups.sort_by_cached_key(|group| std::cmp::Reverse((group.cost.billed.clone(), group.cost.list.clone())));
    let pair = |(mut key, cost): (Vec<String>, Cost)| {
        let column = key.pop().unwrap_or_default();
        ((one(key), column), cost)
    };
    let mut by_column: ByColumn = own.by(&[Dimension::Sku, step.dimension()]).into_iter().map(pair).collect();
    let columns = names_of(step, days);
    let bands = bands(&groups, &columns, &mut by_column);
    (step, columns, bands)
}

/// Executions and cost by hour of the week.
fn week(own: &Own<'_>, hours: &BTreeMap<i64, u64>) -> Vec<WeekHour> {
    let empty = |place: u32| WeekHour { weekday: place / 24, hour: place % 24, ..WeekHour::default() };
    let mut week: Vec<WeekHour> = (0..7 * 24).map(empty).collect();
    let place = |time: DateTime<chrono::Utc>| (time.weekday().num_days_from_monday() * 24 + time.hour()) as usize;
    for (hour_us, count) in hours {
        if let Some(time) = DateTime::from_timestamp_micros(*hour_us) {
            week[place(time)].count += count;
        }
    }
    for (key, cost) in own.by(&[Dimension::Hour]) {
        let hour = key.first().map(|hour| hour.replace('Z', ":00Z")).unwrap_or_default();
        if let Ok(time) = DateTime::parse_from_rfc3339(&hour) {
            week[place(time.to_utc())].cost += &cost;
        }
    }
    week
}

fn records_of(
    engine: &Engine,
    tables: &BTreeSet<Table>,
    days: Days,
    resources: &BTreeSet<Resource>,
    selection: &Selection,
) -> Vec<RecordsOf> {
    let services = resources.iter().map(|resource| (resource.provider.clone(), resource.service.clone())).collect();
    let of = |table: &Table| RecordsOf::new(engine.catalogue(), *table, days, &services, &selection.only);
    tables.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Usage, costs, selection};
    use paygrain_ingest::record::Invocation;
    use paygrain_pricing::Catalogue;

    #[tokio::test]
    async fn an_hour_of_the_week_has_all_that_began_in_it() {
        let usage = Usage::random(81, 900);
        let catalogue = Catalogue::embedded().unwrap();
        let selection = selection("2026-10");
        let records = Records::of(Table::Invocations, &catalogue, &selection, selection.days.unwrap()).unwrap();
        let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
        for counts in records.hourly_counts(&usage.session()).await.unwrap().into_values() {
            counts.into_iter().for_each(|(hour_us, count)| *hours.entry(hour_us).or_default() += count);
        }
        let costs = costs(&usage.session(), &[]).await;
        let week = week(&Own { costs: &costs, service: Some("lambda") }, &hours);
        assert_eq!(week.iter().map(|hour| &hour.cost).sum::<Cost>(), costs.total());
        for hour in &week {
            let began = |(at_us, _): &&(i64, Invocation)| {
                // 1970-01-01 was a Thursday.
                let hours = at_us.div_euclid(3_600_000_000);
                (hours.rem_euclid(24), (hours.div_euclid(24) + 3).rem_euclid(7))
                    == (i64::from(hour.hour), i64::from(hour.weekday))
            };
            assert_eq!(hour.count, usage.0.iter().filter(began).count() as u64, "{hour:?}");
        }
        assert_eq!(Own { costs: &costs, service: Some("functions") }.total(), None);
    }

    #[tokio::test]
    async fn cost_by_resource_is_that_of_its_records() {
        let usage = Usage::random(82, 400);
        let costs = costs(&usage.session(), &[Dimension::Status]).await;
        let by_resource = costs.by_resource(|_| true);
        let grouped = costs.group_by_resource(&[]);
        assert_eq!(grouped.len(), by_resource.len());
        for ((resource, key), cost) in grouped {
            assert_eq!((key.len(), Some(&cost)), (0, by_resource.get(&resource)), "{resource:?}");
        }
        let failed = failed(&Own { costs: &costs, service: None });
        let by_part = costs.by_resource(|part| !matches!(part.value(Dimension::Status).as_str(), "" | "success"));
        assert_eq!(failed, by_part.values().sum());
    }
}
