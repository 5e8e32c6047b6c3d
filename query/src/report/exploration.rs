//! Cost over time by one dimension, as a page explores it: the columns and bands of a chart, every group against the time
//! before, the charges behind it, and where its records are. Nothing is left out: the rest is one more band.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use paygrain_ingest::table::Table;
use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::{Catalogue, Period, Zone};

use super::costs::{Cost, Costs, CurrencyPart, passes};
use super::parameters::{self, Days, Given, Selection, bad};
use super::records_of::RecordsOf;
use crate::bill::Dimension;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::metering::pricing_table;

/// Groups with a band of their own; the rest is one more band.
const BANDS_MAX: usize = 9;
/// Days that are shown by day; more are shown by month.
const BY_DAY_MAX: i64 = 93;
/// Days that are shown by hour.
const BY_HOUR_MAX: i64 = 2;
/// Charges that are named.
const CHARGES_MAX: usize = 50;

/// How long a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A UTC hour.
    Hour,
    /// A day of the provider's zone.
    Day,
    /// The part of a month that was asked for.
    Month,
}

impl Step {
    /// Its name in requests.
    pub const fn name(self) -> &'static str {
        self.dimension().name()
    }

    /// The dimension whose values are the columns.
    pub const fn dimension(self) -> Dimension {
        match self {
            Self::Hour => Dimension::Hour,
            Self::Day => Dimension::Day,
            Self::Month => Dimension::Month,
        }
    }
}

/// What to explore.
#[derive(Clone, Debug)]
pub struct ExploreRequest {
    /// What cost is grouped by.
    pub by: Dimension,
    /// How long columns are; by the number of days if not given.
    pub step: Option<Step>,
    /// Whether bands and groups are ranked by their list cost.
    pub by_list_cost: bool,
    /// Days, filters and rating: the parameters of the report `cost`.
    pub parameters: Vec<(String, String)>,
}

/// What there is to see.
#[derive(Clone, Debug)]
pub enum Explored {
    /// The lake has no usage at all.
    NoUsage,
    /// Several currencies, which are never added: one has to be chosen.
    Currencies(Days, Vec<CurrencyPart>),
    /// Cost in one currency.
    Cost(Box<Exploration>),
}

/// Cost over time by one dimension.
#[derive(Clone, Debug)]
pub struct Exploration {
    /// The days.
    pub days: Days,
    /// The time before, which it is compared with.
    pub days_before: Days,
    /// How long columns are.
    pub step: Step,
    /// Currency of every amount.
    pub currency: String,
    /// The columns in order, as values of the step's dimension: `2026-10-31`.
    pub columns: Vec<String>,
    /// Bands, the most expensive first and the rest last; in each column they sum to the whole.
    pub bands: Vec<Band>,
    /// Every group with cost now or before, the most expensive first.
    pub groups: Vec<ExploredGroup>,
    /// Whose cost it is.
    pub providers: Vec<String>,
    /// Cost of all of it.
    pub cost: Cost,
    /// Cost of the time before; absent where nothing was rated then, or in another currency.
    pub cost_before: Option<Cost>,
    /// The most expensive charges that this cost is of, whole: a charge is of a month.
    pub charges: Vec<ExploredCharge>,
    /// How many such charges there are.
    pub charge_count: usize,
    /// Where the records are.
    pub records: Vec<RecordsOf>,
    /// Records of the months that have no price, or lack a part of it: not part of any cost.
    pub unpriced_count: u64,
}

/// One band of the chart.
#[derive(Clone, Debug)]
pub struct Band {
    /// Value of the dimension; absent for the rest.
    pub value: Option<String>,
    /// How many groups it has.
    pub group_count: usize,
    /// Cost per column.
    pub costs: Vec<Cost>,
    /// Their sum.
    pub cost: Cost,
}

/// One group.
#[derive(Clone, Debug)]
pub struct ExploredGroup {
    /// Value of the dimension; empty where the usage does not say.
    pub value: String,
    /// Cost now.
    pub cost: Cost,
    /// Cost in the time before; absent where nothing can be said of it.
    pub before: Option<Cost>,
}

/// A charge that has some of the cost.
#[derive(Clone, Debug)]
pub struct ExploredCharge {
    /// Its id.
    pub id: String,
    /// Its month.
    pub period: Period,
    /// What is charged.
    pub description: String,
    /// Provider.
    pub provider: String,
    /// Service of the price book.
    pub service: String,
    /// What the charge is summed by: account, region, resource, as far as it is.
    pub scope: Vec<String>,
    /// The tier, from 1.
    pub tier: u32,
    /// Its cost, all of the month.
    pub cost: Cost,
}

impl Engine {
    /// Cost over time by one dimension.
    ///
    /// # Errors
    /// [`QueryError::NoSuchChoice`] or [`QueryError::BadValue`] for parameters that mean nothing, or as [`Engine::bill`].
    /// Several currencies are no error.
    pub async fn explore(&self, request: &ExploreRequest) -> Result<Explored, QueryError> {
        self.places().with(explored(self, request)).await
    }
}

async fn explored(engine: &Engine, request: &ExploreRequest) -> Result<Explored, QueryError> {
    let given = Given::new("parameter", &request.parameters, &parameters::COST)?;
    let selection = given.selection_by(engine, &[request.by]).await?;
    let Some(days) = selection.days else { return Ok(Explored::NoUsage) };
    if engine.periods().await?.is_empty() {
        return Ok(Explored::NoUsage);
    }
    let session = engine.session().await?;
    let now = Costs::of(engine, &session, &selection, days).await?;
    let currencies = now.currencies();
    if currencies.len() > 1 {
        return Ok(Explored::Currencies(days, currencies));
    }
    let before = Costs::of(engine, &session, &selection, days.before()).await?;
    let found = explore(engine.catalogue(), request, &selection, days, [&now, &before])?;
    Ok(Explored::Cost(Box::new(found)))
}

fn explore(
    catalogue: &Catalogue,
    request: &ExploreRequest,
    selection: &Selection,
    days: Days,
    [now, before]: [&Costs; 2],
) -> Result<Exploration, QueryError> {
    let (currency, is_comparable) = before.comparable(now.currency()?);
    let (groups, cost) = ranked(now, is_comparable.then_some(before), request);
    let (step, columns, mut by_column) = columns(now, request, days)?;
    let bands = bands(&groups, &columns, &mut by_column);
    let (charges, charge_count, records) = behind(catalogue, now, selection, days);
    Ok(Exploration {
        days,
        days_before: days.before(),
        step,
        currency,
        columns,
        bands,
        groups,
        providers: now.group(&[Dimension::Provider]).into_keys().flatten().collect(),
        cost,
        cost_before: is_comparable.then(|| before.total()),
        charges,
        charge_count,
        records,
        unpriced_count: now.unpriced_count(),
    })
}

/// Every group, the most expensive first, and their sum.
fn ranked(now: &Costs, before: Option<&Costs>, request: &ExploreRequest) -> (Vec<ExploredGroup>, Cost) {
    let mut then = before.map(|before| before.group(&[request.by]));
    let mut cost = Cost::default();
    let mut groups = Vec::new();
    for (mut key, own) in now.group(&[request.by]) {
        cost += &own;
        let before = then.as_mut().map(|then| then.remove(&key).unwrap_or_default());
        groups.push(ExploredGroup { value: key.pop().unwrap_or_default(), cost: own, before });
    }
    for (mut key, own) in then.into_iter().flatten() {
        let value = key.pop().unwrap_or_default();
        groups.push(ExploredGroup { value, cost: Cost::default(), before: Some(own) });
    }
    let rank = |cost: &Cost| match request.by_list_cost {
        true => (cost.list.clone(), cost.billed.clone()),
        false => (cost.billed.clone(), cost.list.clone()),
    };
    groups.sort_by_cached_key(|group| std::cmp::Reverse((rank(&group.cost), group.before.as_ref().map(rank))));
    (groups, cost)
}

/// How long the columns of some days are by themselves.
pub(super) fn step_of(days: Days) -> Step {
    match days.count() {
        few if few <= BY_HOUR_MAX => Step::Hour,
        more if more <= BY_DAY_MAX => Step::Day,
        _ => Step::Month,
    }
}

/// The columns of some days.
pub(super) fn names_of(step: Step, days: Days) -> Vec<String> {
    match step {
        Step::Hour => {
            let (from_us, to_us) = days.bounds_us(Zone::default());
            let hours = (from_us..to_us).step_by(usize::try_from(HOUR_US).unwrap_or(usize::MAX));
            let name = |us: i64| Some(DateTime::from_timestamp_micros(us)?.format("%Y-%m-%dT%H:%MZ").to_string());
            hours.filter_map(name).collect()
        }
        Step::Day => days.each().map(|day| day.to_string()).collect(),
        Step::Month => days.months().iter().map(ToString::to_string).collect(),
    }
}

/// Cost by value and column.
pub(super) type ByColumn = BTreeMap<(String, String), Cost>;

/// The columns, and the cost in them.
fn columns(now: &Costs, request: &ExploreRequest, days: Days) -> Result<(Step, Vec<String>, ByColumn), QueryError> {
    let mut step = request.step.unwrap_or_else(|| step_of(days));
    let most = match step {
        Step::Hour => BY_HOUR_MAX,
        Step::Day => BY_DAY_MAX,
        Step::Month => i64::MAX,
    };
    if days.count() > most {
        return Err(bad("step", step.name(), "`hour` for at most 2 days, `day` for at most 93, or `month`"));
    }
    let grouped = |step: Step| -> ByColumn {
        let pair = |(mut key, cost): (Vec<String>, Cost)| {
            let column = key.pop().unwrap_or_default();
            ((key.pop().unwrap_or_default(), column), cost)
        };
        now.group(&[request.by, step.dimension()]).into_iter().map(pair).collect()
    };
    let mut by_column = grouped(step);
    // A fee is of a day and of no hour of it.
    if step == Step::Hour && by_column.keys().any(|(_, column)| column.is_empty()) {
        step = Step::Day;
        by_column = grouped(step);
    }
    // Hours of a day in another zone can be those of the UTC day before or after.
    let found = by_column.keys().map(|(_, column)| column.clone());
    let columns: BTreeSet<String> = found.chain(names_of(step, days)).collect();
    Ok((step, columns.into_iter().collect(), by_column))
}

/// A band for each of the first groups, and one for the rest.
pub(super) fn bands(groups: &[ExploredGroup], columns: &[String], by_column: &mut ByColumn) -> Vec<Band> {
    // Groups that cost nothing now are no bands; one group alone needs no name for the rest.
    let own = groups.iter().filter(|group| group.cost != Cost::default()).count();
    let named = if own > BANDS_MAX + 1 { BANDS_MAX } else { own };
    let empty = |value: Option<String>| Band {
        value,
        group_count: 1,
        costs: vec![Cost::default(); columns.len()],
        cost: Cost::default(),
    };
    let mut bands: Vec<Band> = groups.iter().take(named).map(|group| empty(Some(group.value.clone()))).collect();
    for band in &mut bands {
        for (place, column) in columns.iter().enumerate() {
            let key = (band.value.clone().unwrap_or_default(), column.clone());
            let found = by_column.remove(&key).unwrap_or_default();
            band.cost += &found;
            band.costs[place] = found;
        }
    }
    if own > named {
        let mut rest = Band { group_count: own - named, ..empty(None) };
        for ((_, column), cost) in by_column.iter() {
            if let Ok(place) = columns.binary_search(column) {
                rest.costs[place] += cost;
                rest.cost += cost;
            }
        }
        bands.push(rest);
    }
    bands
}

/// The charges that the cost is of, how many there are, and where the records are.
fn behind(
    catalogue: &Catalogue,
    costs: &Costs,
    selection: &Selection,
    days: Days,
) -> (Vec<ExploredCharge>, usize, Vec<RecordsOf>) {
    let skus = costs.group(&[Dimension::Sku]);
    let of_scope = |own: Option<&String>, dimension: Dimension| {
        own.is_none_or(|own| {
            let only: Vec<_> = selection.only.iter().filter(|(other, _)| *other == dimension).cloned().collect();
            passes(&only, |_| own.clone())
        })
    };
    let mut charges: Vec<_> = costs
        .charges()
        .filter(|charge| skus.contains_key(std::slice::from_ref(&charge.sku)))
        .filter(|charge| {
            of_scope(charge.scope.account.as_ref(), Dimension::Account)
                && of_scope(charge.scope.region.as_ref(), Dimension::Region)
                && of_scope(charge.scope.resource.as_ref(), Dimension::Resource)
        })
        .collect();
    let count = charges.len();
    charges.sort_by(|one, other| {
        let rank = |charge: &paygrain_pricing::Charge| (charge.billed_cost.clone(), charge.list_cost.clone());
        rank(other).cmp(&rank(one)).then_with(|| one.id.cmp(&other.id))
    });
    let charge = |charge: &paygrain_pricing::Charge| {
        let scope = &charge.scope;
        let named = [&scope.account, &scope.organisation, &scope.region, &scope.resource];
        ExploredCharge {
            id: charge.id.clone(),
            period: charge.period,
            description: charge.description.clone(),
            provider: charge.provider.clone(),
            service: charge.service.clone(),
            scope: named.into_iter().flatten().cloned().collect(),
            tier: charge.tier,
            cost: Cost { list: charge.list_cost.clone(), billed: charge.billed_cost.clone() },
        }
    };
    let charges = charges.into_iter().take(CHARGES_MAX).map(charge).collect();
    let mut services: BTreeMap<Table, BTreeSet<(String, String)>> = BTreeMap::new();
    for index in skus.keys().filter_map(|key| catalogue.find_sku(key.first()?)) {
        let (sku, provider) = (catalogue.sku(index), &catalogue.book_of(index).provider);
        let table = Table::USAGE.into_iter().find(|table| pricing_table(*table) == sku.table);
        let feeding = sku.services.iter().map(|service| (provider.clone(), service.clone()));
        services.entry(table.unwrap_or(Table::Invocations)).or_default().extend(feeding);
    }
    let records =
        services.iter().map(|(table, services)| RecordsOf::new(catalogue, *table, days, services, &selection.only));
    (charges, count, records.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Usage, selection};
    use paygrain_pricing::Exact;

    fn request(by: Dimension) -> ExploreRequest {
        ExploreRequest { by, step: None, by_list_cost: false, parameters: Vec::new() }
    }

    async fn of_october(usage: &Usage, by: Dimension) -> Exploration {
        let selection = selection("2026-10");
        let days = selection.days.unwrap();
        let now = Costs::of_months(vec![usage.rated("2026-10").await], &selection, days);
        let before = Costs::of_months(vec![usage.rated("2026-09").await], &selection, days.before());
        let catalogue = Catalogue::embedded().unwrap();
        explore(&catalogue, &request(by), &selection, days, [&now, &before]).unwrap()
    }

    #[tokio::test]
    async fn bands_columns_and_groups_sum_to_the_bill_by_every_dimension() {
        let mut usage = Usage::random(71, 300);
        usage.extend(Usage::random_in(72, 50, "2026-09"));
        let rated = usage.rated("2026-10").await;
        let total: Exact = rated.rated.charges.iter().map(|charge| &charge.billed_cost).sum();
        let before = usage.rated("2026-09").await;
        let total_before: Exact = before.rated.charges.iter().map(|charge| &charge.billed_cost).sum();
        for by in Dimension::ALL {
            let found = of_october(&usage, by).await;
            assert_eq!(found.columns.len(), 31, "{by:?}");
            assert_eq!(found.cost.billed, total, "{by:?}");
            assert_eq!(found.cost_before.as_ref().unwrap().billed, total_before, "{by:?}");
            assert_eq!(found.bands.iter().map(|band| &band.cost).sum::<Cost>(), found.cost, "{by:?}");
            assert_eq!(found.bands.iter().flat_map(|band| &band.costs).sum::<Cost>(), found.cost, "{by:?}");
            assert_eq!(found.groups.iter().map(|group| &group.cost).sum::<Cost>(), found.cost, "{by:?}");
            let before: Vec<Cost> = found.groups.iter().filter_map(|group| group.before.clone()).collect();
            assert_eq!(before.iter().sum::<Cost>().billed, total_before, "{by:?}");
        }
    }

    #[tokio::test]
    async fn the_rest_of_many_groups_is_one_band_to_the_last_digit() {
        let mut usage = Usage::random(73, 4000);
        for (place, (_, one)) in usage.0.iter_mut().enumerate() {
            one.resource = Some(format!("f{place}"));
        }
        let found = of_october(&usage, Dimension::Resource).await;
        assert_eq!((found.groups.len(), found.bands.len()), (4000, BANDS_MAX + 1));
        let rest = found.bands.last().unwrap();
        assert_eq!((rest.value.clone(), rest.group_count), (None, 4000 - BANDS_MAX));
        let largest: Cost = found.groups.iter().take(BANDS_MAX).map(|group| &group.cost).sum();
        assert_eq!(rest.cost, found.cost.less(&largest));
        assert!(found.groups.windows(2).all(|pair| pair[0].cost.billed >= pair[1].cost.billed));
    }
}
