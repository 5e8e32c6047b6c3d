//! What cost reports are made of: the rated usage of every month that a range of days touches, part by part.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::iter::Sum;
use std::ops::AddAssign;
use std::sync::{Arc, OnceLock};

use chrono::NaiveDate;
use datafusion::prelude::SessionContext;
use paygrain_pricing::{Catalogue, Charge, Exact, Period, Scope, SkuIndex};

use super::parameters::{Days, Selection};
use super::source::Resource;
use super::what_if::marked;
use super::{ColumnKind, ReportColumn, column};
use crate::bill::{Attribution, BillRequest, CostGroup, Dimension, RatedUsage, RowShare, fee_value};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::metering::{Details, Metered, MeteredRow, Quantity};

/// The rated usage of some days.
pub(crate) struct Costs {
    months: Vec<Month>,
    days: Days,
    only: Vec<(Dimension, String)>,
    attribution: Attribution,
}

/// The whole of a month, of which some days may be asked for: allowances and tiers need it whole.
struct Month {
    usage: Arc<RatedUsage>,
    fees: Vec<Fee>,
    /// Worked out when parts are asked for.
    shares: OnceLock<Vec<RowShare>>,
}

/// The part of a fee that belongs to one day.
struct Fee {
    charge: usize,
    day: NaiveDate,
    list_cost: Exact,
    billed_cost: Exact,
    effective_cost: Exact,
}

impl Month {
    /// Every part of the month's bill.
    fn parts(&self, attribution: Attribution) -> impl Iterator<Item = Part<'_>> {
        let (usage, charges) = (self.usage.as_ref(), &self.usage.rated.charges);
        let shares = self.shares.get_or_init(|| usage.shares(attribution));
        let used = shares.iter().map(move |share| Part {
            charge: &charges[share.charge],
            row: Some(&usage.rows[share.row]),
            day: usage.rows[share.row].day,
            consumed_quantity: Some(&share.consumed_quantity),
            list_cost: &share.list_cost,
            billed_cost: &share.billed_cost,
            unused_cost: None,
            usage,
            share: Some(share),
        });
        let fees = self.fees.iter().map(move |fee| Part {
            charge: &charges[fee.charge],
            row: None,
            day: fee.day,
            consumed_quantity: None,
            list_cost: &fee.list_cost,
            billed_cost: &fee.billed_cost,
            unused_cost: unused(&charges[fee.charge]).then_some(&fee.effective_cost),
            usage,
            share: None,
        });
        used.chain(fees)
    }
}

/// What one metered row bears of one charge, or a day of a fee.
pub(crate) struct Part<'a> {
    /// The charge.
    pub charge: &'a Charge,
    /// The usage; a fee has none.
    pub row: Option<&'a MeteredRow>,
    /// Its day, in the provider's zone.
    pub day: NaiveDate,
    /// Quantity in the charge's unit; a fee has none.
    pub consumed_quantity: Option<&'a Exact>,
    /// Before allowances.
    pub list_cost: &'a Exact,
    /// What is billed.
    pub billed_cost: &'a Exact,
    /// What of a commitment's fee nothing used: the effective cost of that, where this is it.
    pub unused_cost: Option<&'a Exact>,
    usage: &'a RatedUsage,
    share: Option<&'a RowShare>,
}

impl Part<'_> {
    /// The value of a dimension; empty where the usage does not say, or where it was not metered by it.
    pub fn value(&self, dimension: Dimension) -> String {
        let Some((share, row)) = self.share.zip(self.row) else {
            return fee_value(dimension, self.charge, self.day);
        };
        let value = self.usage.value(dimension, row, share.charge);
        match dimension {
            Dimension::Resource => marked(&value).0.to_owned(),
            _ => value,
        }
    }

    /// Whose usage it is; a fee is nobody's.
    pub fn resource(&self) -> Option<Resource> {
        let row = self.row?;
        let scope = self.usage.scope(row);
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Some(Resource {
            provider: self.charge.provider.clone(),
            service: self.usage.service(row).to_owned(),
            account: text(&scope.account),
            region: text(&scope.region),
            resource: marked(scope.resource.as_deref().unwrap_or_default()).0.to_owned(),
        })
    }

    /// The mark of [`what_if`](super::what_if::what_if); empty without one.
    pub fn mark(&self) -> &str {
        let scope = self.row.map(|row| self.usage.scope(row));
        scope.and_then(|scope| scope.resource.as_deref()).map_or("", |resource| marked(resource).1)
    }

    /// The values of dimensions.
    pub fn key(&self, by: &[Dimension]) -> Vec<String> {
        by.iter().map(|dimension| self.value(*dimension)).collect()
    }
}

/// Cost before and after allowances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Before allowances and discounts, exact.
    pub list: Exact,
    /// What is billed, exact.
    pub billed: Exact,
}

impl AddAssign<&Self> for Cost {
    fn add_assign(&mut self, other: &Self) {
        self.list += &other.list;
        self.billed += &other.billed;
    }
}

impl<'a> Sum<&'a Self> for Cost {
    fn sum<I: Iterator<Item = &'a Self>>(costs: I) -> Self {
        let mut sum = Self::default();
        costs.for_each(|cost| sum += cost);
        sum
    }
}

/// Cost in one currency of several, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrencyPart {
    /// ISO 4217 code.
    pub currency: String,
    /// Providers with charges in it.
    pub providers: BTreeSet<String>,
    /// Services of their price books.
    pub services: BTreeSet<String>,
    /// The cost in it.
    pub cost: Cost,
}

impl Cost {
    /// What is left without another.
    pub(crate) fn less(&self, other: &Self) -> Self {
        Self { list: &self.list - &other.list, billed: &self.billed - &other.billed }
    }

    /// Adds a part.
    pub(crate) fn add(&mut self, part: &Part<'_>) {
        self.list += part.list_cost;
        self.billed += part.billed_cost;
    }
}

/// The request for the bill of a month, metered by all that is asked of its parts.
pub(crate) fn bill_request(engine: &Engine, selection: &Selection, period: Period) -> BillRequest {
    engine.agreed(&BillRequest {
        provider: selection.provider.clone(),
        rating: selection.rating.clone(),
        attribution: selection.attribution,
        by: selection.by.iter().copied().chain(selection.only.iter().map(|(dimension, _)| *dimension)).collect(),
        ..BillRequest::new(period)
    })
}

impl Costs {
    /// Rates every month that the days touch, of what a session sees.
    pub async fn of(
        engine: &Engine,
        session: &SessionContext,
        selection: &Selection,
        days: Days,
    ) -> Result<Self, QueryError> {
        let mut months = Vec::new();
        for period in days.months() {
            let request = bill_request(engine, selection, period);
            months.push(RatedUsage::of(session, engine.catalogue(), &request).await?);
        }
        Ok(Self::of_months(months, selection, days))
    }

    /// Of months that are rated already.
    pub fn of_months(months: Vec<Arc<RatedUsage>>, selection: &Selection, days: Days) -> Self {
        let month = |usage: Arc<RatedUsage>| {
            let fee = |fee: &paygrain_pricing::FeeDay| {
                let charge = &usage.rated.charges[fee.charge];
                let part = |amount: &Exact| amount * &fee.share;
                Fee {
                    charge: fee.charge,
                    day: fee.day,
                    list_cost: part(&charge.list_cost),
                    billed_cost: part(&charge.billed_cost),
                    effective_cost: part(&charge.effective_cost),
                }
            };
            let fees = usage.rated.fee_days.iter().map(fee).collect();
            Month { fees, shares: OnceLock::new(), usage }
        };
        let months = months.into_iter().map(month).collect();
        Self { months, days, only: selection.only.clone(), attribution: selection.attribution }
    }

    /// The parts of the days that pass the filters.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let passing = |part: &Part<'_>| passes(&self.only, |dimension| part.value(dimension));
        let (days, attribution) = (self.days, self.attribution);
        let parts = self.months.iter().flat_map(move |month| month.parts(attribution));
        parts.filter(move |part| days.contains(part.day) && passing(part))
    }

    /// The one currency of what is chosen; nothing where that is nothing.
    pub fn currency(&self) -> Result<Option<String>, QueryError> {
        let skus = self.group(&[Dimension::Sku]);
        let charges = self.months.iter().flat_map(|month| &month.usage.rated.charges);
        let chosen = charges.filter(|charge| skus.contains_key(std::slice::from_ref(&charge.sku)));
        one_currency(chosen.map(|charge| charge.currency.as_str()).collect())
    }

    /// The one currency of two times.
    pub fn currency_of_both(&self, other: &Self) -> Result<Option<String>, QueryError> {
        let found = [self.currency()?, other.currency()?];
        one_currency(found.iter().flatten().map(String::as_str).collect())
    }

    /// The currency of all amounts where this is the time before what is in one currency or costs nothing; and whether both
    /// can be compared, which times in different currencies cannot.
    pub fn comparable(&self, now: Option<String>) -> (String, bool) {
        let own = match &self.currencies()[..] {
            [one] => Some(one.currency.clone()),
            _ => None,
        };
        let is_comparable = own.is_some() && (now.is_none() || now == own);
        (now.or(own).unwrap_or_else(|| "USD".to_owned()), is_comparable)
    }

    /// What is chosen by currency.
    pub fn currencies(&self) -> Vec<CurrencyPart> {
        let charges = self.charges();
        let currency_of: BTreeMap<&str, &str> =
            charges.map(|charge| (charge.sku.as_str(), charge.currency.as_str())).collect();
        let mut parts: BTreeMap<&str, CurrencyPart> = BTreeMap::new();
        for (key, cost) in self.group(&[Dimension::Sku, Dimension::Provider, Dimension::Service]) {
            let [sku, provider, service] = &key[..] else { continue };
            let Some(currency) = currency_of.get(sku.as_str()) else { continue };
            let part = parts.entry(currency).or_insert_with(|| CurrencyPart {
                currency: (*currency).to_owned(),
                providers: BTreeSet::new(),
                services: BTreeSet::new(),
                cost: Cost::default(),
            });
            part.providers.insert(provider.clone());
            part.services.insert(service.clone());
            part.cost += &cost;
        }
        parts.into_values().collect()
    }

    /// The charges of the months, whole.
    pub fn charges(&self) -> impl Iterator<Item = &Charge> {
        self.months.iter().flat_map(|month| &month.usage.rated.charges)
    }

    /// Records of the months that have no price, or lack a part of it.
    pub fn unpriced_count(&self) -> u64 {
        self.months.iter().flat_map(|month| &month.usage.unpriced).map(|usage| usage.record_count).sum()
    }

    /// Cost by dimensions. It takes no part apart, so it is quick.
    pub fn group(&self, by: &[Dimension]) -> BTreeMap<Vec<String>, Cost> {
        self.grouped(by, RatedUsage::group, |key, values| key.truncate(values))
    }

    /// Cost by dimensions and by whose records it is of; what no record is behind has nobody.
    pub fn group_by_resource(&self, by: &[Dimension]) -> BTreeMap<(Resource, Vec<String>), Cost> {
        const OWNER: [Dimension; 4] = [Dimension::Provider, Dimension::Account, Dimension::Region, Dimension::Resource];
        let asked: Vec<Dimension> = OWNER.iter().chain(by).copied().collect();
        // The service of the records is behind all dimensions, the filters' too.
        let groups = self.grouped(&asked, RatedUsage::group_by_records, |key, values| {
            let service = key.pop().unwrap_or_default();
            key.truncate(values);
            key.push(service);
        });
        let named = |(mut key, cost): (Vec<String>, Cost)| {
            let service = key.pop().unwrap_or_default();
            let values = key.split_off(OWNER.len());
            let mut owner = key.into_iter();
            let mut next = || owner.next().unwrap_or_default();
            let (provider, account, region, resource) = (next(), next(), next(), next());
            ((Resource { provider, service, account, region, resource }, values), cost)
        };
        groups.into_iter().map(named).collect()
    }

    /// Groups of the months by dimensions, of the days and what the filters let pass. `cut` is given each key and how many
    /// of its values were asked for.
    fn grouped(
        &self,
        by: &[Dimension],
        group: impl Fn(&RatedUsage, &[Dimension], Attribution) -> Vec<CostGroup>,
        cut: impl Fn(&mut Vec<String>, usize),
    ) -> BTreeMap<Vec<String>, Cost> {
        let mut asked = by.to_vec();
        for dimension in self.only.iter().map(|(dimension, _)| *dimension).chain([Dimension::Day]) {
            if !asked.contains(&dimension) {
                asked.push(dimension);
            }
        }
        let mut groups: BTreeMap<Vec<String>, Cost> = BTreeMap::new();
        for month in &self.months {
            for found in group(&month.usage, &asked, self.attribution) {
                let value = |dimension| {
                    let place = asked.iter().position(|known| *known == dimension);
                    place.and_then(|place| found.key.get(place)).cloned().unwrap_or_default()
                };
                let inside = value(Dimension::Day).parse().is_ok_and(|day| self.days.contains(day));
                if inside && passes(&self.only, value) {
                    let mut key = found.key.clone();
                    cut(&mut key, by.len());
                    let cost = groups.entry(key).or_default();
                    cost.list += &found.list_cost;
                    cost.billed += &found.billed_cost;
                }
            }
        }
        groups
    }

    /// Cost by resource, of the parts chosen.
    pub fn by_resource(&self, chosen: impl Fn(&Part<'_>) -> bool) -> BTreeMap<Resource, Cost> {
        let mut groups: BTreeMap<Resource, Cost> = BTreeMap::new();
        for part in self.parts().filter(|part| chosen(part)) {
            if let Some(resource) = part.resource() {
                groups.entry(resource).or_default().add(&part);
            }
        }
        groups
    }

    /// Cost of everything.
    pub fn total(&self) -> Cost {
        self.group(&[]).into_values().next().unwrap_or_default()
    }
}

/// Whether a charge is what a commitment left unused.
fn unused(charge: &Charge) -> bool {
    charge.commitment.as_ref().is_some_and(|share| share.status == Some("Unused"))
}

/// Currencies are never added.
fn one_currency(found: BTreeSet<&str>) -> Result<Option<String>, QueryError> {
    match found.len() {
        0 | 1 => Ok(found.first().map(|currency| (*currency).to_owned())),
        _ => Err(QueryError::ManyCurrencies { currencies: found.into_iter().map(str::to_owned).collect() }),
    }
}

/// Whether values pass the filters: of every dimension named, one of its values.
pub(crate) fn passes(only: &[(Dimension, String)], value: impl Fn(Dimension) -> String) -> bool {
    only.iter().all(|(dimension, _)| {
        let found = value(*dimension);
        only.iter().any(|(other, wanted)| other == dimension && *wanted == found)
    })
}

/// The columns of a key.
pub(crate) fn key_columns(by: &[Dimension]) -> Vec<ReportColumn> {
    let meaning = "empty where the usage does not say";
    by.iter().map(|dimension| column(dimension.name(), ColumnKind::Text, meaning)).collect()
}

/// A key with the names of its dimensions, as rows have it.
pub(crate) fn key_of(by: &[Dimension], values: &[String]) -> BTreeMap<&'static str, String> {
    by.iter().map(|dimension| dimension.name()).zip(values.iter().cloned()).collect()
}

/// Usage of one SKU, of one resource, in one hour: as metered, or as it might be.
#[derive(Clone, Debug)]
pub(crate) struct UsageRow {
    pub sku: SkuIndex,
    /// Service of the records.
    pub service: String,
    pub scope: Scope,
    /// Values of the columns that were asked for.
    pub details: Details,
    /// Start of the hour, microseconds since 1970 UTC.
    pub hour_us: i64,
    /// Its day in the provider's zone.
    pub day: NaiveDate,
    /// In the SKU's unit.
    pub quantity: Exact,
}

/// What was metered.
pub(crate) fn usage_rows(usage: &RatedUsage) -> Vec<UsageRow> {
    let row = |row: &MeteredRow| UsageRow {
        sku: row.sku,
        service: usage.service(row).to_owned(),
        scope: usage.scope(row).clone(),
        details: usage.detail_values.get(row.scope as usize).cloned().unwrap_or_default(),
        hour_us: row.hour_us,
        day: row.day,
        quantity: row.quantity.exact(),
    };
    usage.rows.iter().map(row).collect()
}

/// Rates usage of a month that need not be in the lake, with values of these columns as details.
pub(crate) fn rate_rows(
    catalogue: &Catalogue,
    request: &BillRequest,
    details: &[&'static str],
    rows: Vec<UsageRow>,
) -> Arc<RatedUsage> {
    let mut metered = Metered::default();
    let mut places: HashMap<(Scope, Details), u32> = HashMap::new();
    for row in rows {
        let service = metered.service(&row.service);
        let scope = match places.get(&(row.scope.clone(), row.details.clone())) {
            Some(place) => *place,
            None => {
                let place = metered.scope(row.scope.clone(), row.details.clone());
                places.insert((row.scope, row.details), place);
                place
            }
        };
        let quantity = Quantity::from(row.quantity);
        let (sku, hour_us, day) = (row.sku, row.hour_us, row.day);
        metered.rows.push(MeteredRow { sku, service, hour_us, day, scope, quantity, record_count: 0 });
    }
    Arc::new(RatedUsage::of_metered(catalogue, request, metered, details.to_vec()))
}
