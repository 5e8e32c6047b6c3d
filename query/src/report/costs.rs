//! What cost reports are made of: the rated usage of every month that a range of days touches, part by part.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use datafusion::prelude::SessionContext;
use paygrain_pricing::{Catalogue, Charge, Exact, Period, Scope, SkuIndex, UsageSlice, rate};

use super::parameters::{Days, Selection};
use super::source::{Resource, marked};
use super::{ColumnKind, ReportColumn, column};
use crate::bill::{BillRequest, Dimension, RatedUsage, RowShare, fee_value};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::metering::MeteredRow;
use crate::session::session;

/// The rated usage of some days.
pub(crate) struct Costs {
    months: Vec<Month>,
    days: Days,
    only: Vec<(Dimension, String)>,
}

/// The whole of a month, of which some days may be asked for: allowances and tiers need it whole.
struct Month {
    usage: RatedUsage,
    shares: Vec<RowShare>,
    fees: Vec<Fee>,
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
    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let (usage, charges) = (&self.usage, &self.usage.rated.charges);
        let used = self.shares.iter().map(move |share| Part {
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
    /// The value of a dimension; empty where the usage does not say.
    pub fn value(&self, dimension: Dimension) -> String {
        let Some(share) = self.share else { return fee_value(dimension, self.charge, self.day) };
        let value = self.usage.value(dimension, share);
        match dimension {
            Dimension::Resource => marked(&value).0.to_owned(),
            _ => value,
        }
    }

    /// Whose usage it is; a fee is nobody's.
    pub fn resource(&self) -> Option<Resource> {
        let row = self.row?;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Some(Resource {
            provider: self.charge.provider.clone(),
            service: row.service.clone(),
            account: text(&row.scope.account),
            region: text(&row.scope.region),
            resource: marked(row.scope.resource.as_deref().unwrap_or_default()).0.to_owned(),
        })
    }

    /// The mark of [`super::source::what_if`]; empty without one.
    pub fn mark(&self) -> &str {
        self.row.and_then(|row| row.scope.resource.as_deref()).map_or("", |resource| marked(resource).1)
    }

    /// The values of dimensions.
    pub fn key(&self, by: &[Dimension]) -> Vec<String> {
        by.iter().map(|dimension| self.value(*dimension)).collect()
    }
}

/// Cost before and after allowances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub list: Exact,
    pub billed: Exact,
}

impl Cost {
    /// What is left without another.
    pub fn less(&self, other: &Self) -> Self {
        Self { list: &self.list - &other.list, billed: &self.billed - &other.billed }
    }

    /// Adds a part.
    pub fn add(&mut self, part: &Part<'_>) {
        self.list += part.list_cost;
        self.billed += part.billed_cost;
    }
}

/// The request for the bill of a month.
pub(crate) fn bill_request(engine: &Engine, selection: &Selection, period: Period) -> BillRequest {
    engine.agreed(&BillRequest {
        provider: selection.provider.clone(),
        rating: selection.rating.clone(),
        attribution: selection.attribution,
        ..BillRequest::new(period)
    })
}

impl Costs {
    /// Rates every month that the days touch.
    pub async fn of(engine: &Engine, selection: &Selection, days: Days) -> Result<Self, QueryError> {
        Self::in_session(engine, &session(engine.lake()).await?, selection, days).await
    }

    /// The same of what a session sees.
    pub async fn in_session(
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
    pub fn of_months(months: Vec<RatedUsage>, selection: &Selection, days: Days) -> Self {
        let month = |usage: RatedUsage| {
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
            Month { shares: usage.shares(selection.attribution), fees, usage }
        };
        Self { months: months.into_iter().map(month).collect(), days, only: selection.only.clone() }
    }

    /// The parts of the days that pass the filters.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let passing = |part: &Part<'_>| passes(&self.only, |dimension| part.value(dimension));
        let days = self.days;
        self.months.iter().flat_map(Month::parts).filter(move |part| days.contains(part.day) && passing(part))
    }

    /// The one currency of the parts; nothing where there are none.
    pub fn currency(&self) -> Result<Option<String>, QueryError> {
        let found: BTreeSet<&str> = self.parts().map(|part| part.charge.currency.as_str()).collect();
        one_currency(found)
    }

    /// Cost by dimensions.
    pub fn group(&self, by: &[Dimension]) -> BTreeMap<Vec<String>, Cost> {
        let mut groups: BTreeMap<Vec<String>, Cost> = BTreeMap::new();
        for part in self.parts() {
            groups.entry(part.key(by)).or_default().add(&part);
        }
        groups
    }

    /// Cost by resource, of the parts with a mark.
    pub fn by_resource(&self, mark: impl Fn(&str) -> bool) -> BTreeMap<Resource, Cost> {
        let mut groups: BTreeMap<Resource, Cost> = BTreeMap::new();
        for part in self.parts().filter(|part| mark(part.mark())) {
            if let Some(resource) = part.resource() {
                groups.entry(resource).or_default().add(&part);
            }
        }
        groups
    }

    /// Cost of everything.
    pub fn total(&self) -> Cost {
        let mut total = Cost::default();
        self.parts().for_each(|part| total.add(&part));
        total
    }
}

/// Whether a charge is what a commitment left unused.
fn unused(charge: &Charge) -> bool {
    charge.commitment.as_ref().is_some_and(|share| share.status == Some("Unused"))
}

/// Currencies are never added.
pub(crate) fn one_currency(found: BTreeSet<&str>) -> Result<Option<String>, QueryError> {
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
        service: row.service.clone(),
        scope: row.scope.clone(),
        hour_us: row.hour_us,
        day: row.day,
        quantity: row.quantity.clone(),
    };
    usage.rows.iter().map(row).collect()
}

/// Rates usage of a month that need not be in the lake.
pub(crate) fn rate_rows(catalogue: &Catalogue, request: &BillRequest, rows: Vec<UsageRow>) -> RatedUsage {
    let row = |row: UsageRow| MeteredRow {
        sku: row.sku,
        service: row.service,
        hour_us: row.hour_us,
        day: row.day,
        scope: row.scope,
        quantity: row.quantity,
        record_count: 0,
    };
    let rows: Vec<MeteredRow> = rows.into_iter().map(row).collect();
    let (slices, slice_rows) = slices(catalogue, request, &rows);
    let rated = rate(catalogue, request.period, &slices, &request.rating);
    let slice_quantities = slices.into_iter().map(|slice| slice.quantity).collect();
    RatedUsage { rows, slice_rows, slice_quantities, rated, unpriced: Vec::new(), record_count: 0 }
}

/// Metered rows put together to the slices of rating, and the rows of each slice.
fn slices(catalogue: &Catalogue, request: &BillRequest, rows: &[MeteredRow]) -> (Vec<UsageSlice>, Vec<Vec<usize>>) {
    let mut by_slice: BTreeMap<(SkuIndex, i64, Scope), Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        let mut scope = row.scope.clone();
        let organisation = request.rating.agreement.organisation(scope.account.as_deref());
        scope.organisation = organisation.map(str::to_owned);
        let scope = scope.only(&catalogue.sku(row.sku).scope_columns);
        by_slice.entry((row.sku, row.hour_us, scope)).or_default().push(index);
    }
    let (mut slices, mut slice_rows) = (Vec::new(), Vec::new());
    for ((sku, at_us, scope), members) in by_slice {
        let quantity = members.iter().map(|&row| &rows[row].quantity).sum();
        let record_count = members.iter().map(|&row| rows[row].record_count).sum();
        slices.push(UsageSlice { sku, scope, at_us, quantity, record_count });
        slice_rows.push(members);
    }
    (slices, slice_rows)
}
