//! The bill of a period: charges, their total, and the same cost grouped by any dimensions.

mod dimension;
mod groups;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use datafusion::prelude::SessionContext;
use paygrain_pricing::{Catalogue, Charge, Exact, Period, Rated, RatingOptions, Scope, SkuIndex, UsageSlice, rate};
use serde::{Deserialize, Serialize};

use crate::closing::ClosedState;
use crate::error::QueryError;
use crate::lake_state::answer;
use crate::metering::{Details, Metered, MeteredRow, meter};

pub use dimension::Dimension;

/// What to bill.
#[derive(Clone, Debug)]
pub struct BillRequest {
    /// The billing month.
    pub period: Period,
    /// Only this provider.
    pub provider: Option<String>,
    /// Dimensions to group the cost by; none gives no groups.
    pub by: Vec<Dimension>,
    /// Which allowances apply.
    pub rating: RatingOptions,
    /// How a charge is shared among its days and resources.
    pub attribution: Attribution,
}

impl BillRequest {
    /// The whole bill of a period with every allowance, ungrouped.
    pub fn new(period: Period) -> Self {
        Self {
            period,
            provider: None,
            by: Vec::new(),
            rating: RatingOptions::default(),
            attribution: Attribution::Time,
        }
    }
}

/// How a charge is shared among the usage behind it. Either way the shares sum to the charge exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attribution {
    /// Allowances and tiers go to whoever uses first, hour by hour; proportional within an hour.
    #[default]
    Time,
    /// Every unit of the period bears the same cost.
    Proportional,
}

/// The bill of a period.
#[derive(Clone, Debug, Serialize)]
pub struct Bill {
    /// The billing month.
    pub period: Period,
    /// Currency of every amount.
    pub currency: String,
    /// Sum of `billed_cost`, exact.
    pub total: Exact,
    /// The total rounded half up to two places.
    pub rounded_total: String,
    /// The sum of the charges each rounded half up to two places, as providers that round lines would print it.
    pub sum_of_rounded_charges: String,
    /// Sum of `list_cost`, exact: what it would be without allowances.
    pub list_total: Exact,
    /// Every priced row.
    pub charges: Vec<Charge>,
    /// The dimensions of `groups`.
    pub by: Vec<&'static str>,
    /// Cost by the requested dimensions, most expensive first.
    pub groups: Vec<CostGroup>,
    /// Usage that no SKU prices: shown, never a silent zero.
    pub unpriced: Vec<UnpricedUsage>,
    /// Usage records of the period.
    pub record_count: u64,
    /// The issued bills of the period, where it is closed; this one is the current rating all the same.
    pub closed: Vec<ClosedState>,
}

/// Cost of one combination of dimension values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CostGroup {
    /// Values in the order of [`Bill::by`]; empty where the usage does not say.
    pub key: Vec<String>,
    /// Before allowances, exact.
    pub list_cost: Exact,
    /// What is billed, exact.
    pub billed_cost: Exact,
}

/// Usage without a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpricedUsage {
    /// Table of the records.
    pub table: String,
    /// Provider.
    pub provider: String,
    /// Service, as the log names it.
    pub service: String,
    /// What kind of usage, for example the operation or the SKU that lacks a price.
    pub usage: String,
    /// How many records.
    pub record_count: u64,
    /// Why it has no price.
    pub reason: String,
}

/// The metered and rated usage of a period, from which bills, groups and explanations are taken.
pub(crate) struct RatedUsage {
    /// In metering order.
    pub rows: Vec<MeteredRow>,
    services: Vec<String>,
    scopes: Vec<Scope>,
    /// Columns of records that were asked for, and their values for each scope.
    pub details: Vec<&'static str>,
    pub detail_values: Vec<Details>,
    /// For each slice given to rating, its rows.
    pub slice_rows: Vec<Vec<usize>>,
    /// Quantity of each slice.
    pub slice_quantities: Vec<Exact>,
    /// What rating made of the slices.
    pub rated: Rated,
    /// Usage without a price.
    pub unpriced: Vec<UnpricedUsage>,
    /// Usage records of the period.
    pub record_count: u64,
}

/// A slice that is being summed.
#[derive(Default)]
struct Slice {
    rows: Vec<usize>,
    quantity: Exact,
    /// Base units of the last factor, not yet in the quantity.
    base: i128,
    record_count: u64,
}

impl RatedUsage {
    /// Meters and rates a period. The answer is kept for as long as the usage is the same.
    pub async fn of(
        session: &SessionContext,
        catalogue: &Catalogue,
        request: &BillRequest,
    ) -> Result<Arc<Self>, QueryError> {
        let mut details: Vec<&'static str> = request.by.iter().filter_map(|dimension| dimension.detail()).collect();
        details.sort_unstable();
        details.dedup();
        let BillRequest { period, provider, rating, .. } = request;
        let question = format!("rated {period} {provider:?} {details:?} {rating:?}");
        answer(session, catalogue, |kept| &kept.rated, &question, async {
            let usage = Self::rated(session, catalogue, request, details).await?;
            let weight = usage.rows.len();
            Ok((usage, weight))
        })
        .await
    }

    async fn rated(
        session: &SessionContext,
        catalogue: &Catalogue,
        request: &BillRequest,
        details: Vec<&'static str>,
    ) -> Result<Self, QueryError> {
        let metered = meter(session, catalogue, request.period, request.provider.as_deref(), &details).await?;
        Ok(Self::of_metered(catalogue, request, metered, details))
    }

    /// Rates what was metered, apart by some columns.
    pub fn of_metered(
        catalogue: &Catalogue,
        request: &BillRequest,
        metered: Metered,
        details: Vec<&'static str>,
    ) -> Self {
        let Metered { rows, services, scopes, details: detail_values, mut unpriced, record_count, .. } = metered;
        // What of a scope a SKU asks for, by number: there are few, and many rows.
        let mut known: HashMap<(SkuIndex, Scope), usize> = HashMap::new();
        let mut asked: HashMap<SkuIndex, Vec<Option<usize>>> = HashMap::new();
        let mut by_slice: HashMap<(i64, usize), usize> = HashMap::new();
        let mut summed: Vec<((usize, i64), Slice)> = Vec::new();
        // Rows of an hour stand together: the slice of the row before, by what is asked for.
        let mut latest: Vec<usize> = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let of_sku = asked.entry(row.sku).or_insert_with(|| vec![None; scopes.len()]);
            let line = *of_sku[row.scope as usize].get_or_insert_with(|| {
                let mut scope = scopes[row.scope as usize].clone();
                let organisation = request.rating.agreement.organisation(scope.account.as_deref());
                scope.organisation = organisation.map(str::to_owned);
                let next = known.len();
                *known.entry((row.sku, scope.only(&catalogue.sku(row.sku).scope_columns))).or_insert(next)
            });
            latest.resize(latest.len().max(line + 1), usize::MAX);
            let is_same = summed.get(latest[line]).is_some_and(|((_, hour_us), _)| *hour_us == row.hour_us);
            if !is_same {
                latest[line] = *by_slice.entry((row.hour_us, line)).or_insert_with(|| {
                    summed.push(((line, row.hour_us), Slice::default()));
                    summed.len() - 1
                });
            }
            summed[latest[line]].1.add(&rows, index);
        }
        let mut named = vec![None; known.len()];
        known.iter().for_each(|(key, place)| named[*place] = Some(key));
        let mut found: Vec<_> = summed
            .into_iter()
            .filter_map(|((line, hour_us), slice)| named[line].map(|(sku, scope)| ((*sku, hour_us, scope), slice)))
            .collect();
        found.sort_unstable_by_key(|(key, _)| *key);
        let (mut slices, mut slice_rows) = (Vec::new(), Vec::new());
        for ((sku, at_us, scope), slice) in found {
            let (members, quantity) = (slice.rows, slice.quantity);
            let last = members.last().map(|row| rows[*row].quantity.factor.as_ref() * Exact::from_integer(slice.base));
            let quantity = quantity + last.unwrap_or_default();
            slices.push(UsageSlice { sku, scope: scope.clone(), at_us, quantity, record_count: slice.record_count });
            slice_rows.push(members);
        }
        let rated = rate(catalogue, request.period, &slices, &request.rating);
        unpriced.extend(rated.unpriced.iter().map(|slice| {
            let sku = slices[slice.slice].sku;
            let book = catalogue.book_of(sku);
            UnpricedUsage {
                table: catalogue.sku(sku).table.name().to_owned(),
                provider: book.provider.clone(),
                service: book.service.clone(),
                usage: slice.sku.clone(),
                record_count: slice.record_count,
                reason: slice.reason.clone(),
            }
        }));
        let slice_quantities = slices.into_iter().map(|slice| slice.quantity).collect();
        let unpriced = merge_unpriced(unpriced);
        Self {
            rows,
            services,
            scopes,
            details,
            detail_values,
            slice_rows,
            slice_quantities,
            rated,
            unpriced,
            record_count,
        }
    }

    /// Whose usage a row is.
    pub fn scope(&self, row: &MeteredRow) -> &Scope {
        &self.scopes[row.scope as usize]
    }

    /// The service of a row's records.
    pub fn service(&self, row: &MeteredRow) -> &str {
        &self.services[row.service as usize]
    }

    /// What each metered row bears of each charge: shares that sum to the charge exactly.
    pub fn shares(&self, attribution: Attribution) -> Vec<RowShare> {
        self.shares_where(attribution, |_| true)
    }

    /// The same of one charge, by its place.
    pub fn shares_of(&self, charge: usize, attribution: Attribution) -> Vec<RowShare> {
        self.shares_where(attribution, |other| other == charge)
    }

    fn shares_where(&self, attribution: Attribution, wanted: impl Fn(usize) -> bool) -> Vec<RowShare> {
        let charges = &self.rated.charges;
        let mut shares = Vec::new();
        // Rows of a slice share its cost by quantity; an adjustment belongs to no slice and follows consumption.
        for cost in self.rated.slice_costs.iter().filter(|cost| wanted(cost.charge)) {
            let whole = &self.slice_quantities[cost.slice];
            let charge = &charges[cost.charge];
            let adjustment = proportion(&cost.consumed_quantity, &charge.consumed_quantity, &charge.adjustment);
            for &row in &self.slice_rows[cost.slice] {
                let quantity = self.rows[row].quantity.exact();
                let part = |amount: &Exact| proportion(&quantity, whole, amount);
                shares.push(RowShare {
                    row,
                    charge: cost.charge,
                    consumed_quantity: part(&cost.consumed_quantity),
                    free_quantity: part(&cost.free_quantity),
                    list_cost: part(&cost.list_cost),
                    billed_cost: part(&(&cost.billed_cost + &adjustment)),
                });
            }
        }
        if attribution == Attribution::Proportional {
            for share in &mut shares {
                let charge = &charges[share.charge];
                let part = |amount: &Exact| proportion(&share.consumed_quantity, &charge.consumed_quantity, amount);
                share.free_quantity = part(&charge.free_quantity);
                share.list_cost = part(&charge.list_cost);
                share.billed_cost = part(&charge.billed_cost);
            }
        }
        shares
    }

    /// The value of a dimension of what a row bears of a charge.
    pub(crate) fn value(&self, dimension: Dimension, row: &MeteredRow, charge: usize) -> String {
        let charge = &self.rated.charges[charge];
        match dimension {
            Dimension::Provider => charge.provider.clone(),
            Dimension::Service => charge.service.clone(),
            Dimension::Account => self.scope(row).account.clone().unwrap_or_default(),
            Dimension::Region => self.scope(row).region.clone().unwrap_or_default(),
            Dimension::Resource => self.scope(row).resource.clone().unwrap_or_default(),
            Dimension::Sku => charge.sku.clone(),
            Dimension::Day => row.day.to_string(),
            Dimension::Month => row.day.format("%Y-%m").to_string(),
            Dimension::Hour => DateTime::from_timestamp_micros(row.hour_us)
                .map(|hour| hour.format("%Y-%m-%dT%H:%MZ").to_string())
                .unwrap_or_default(),
            detail => {
                let place = detail.detail().and_then(|column| self.details.iter().position(|known| *known == column));
                let values = self.detail_values.get(row.scope as usize);
                place.zip(values).and_then(|(place, values)| values.get(place)?.clone()).unwrap_or_default()
            }
        }
    }

    /// The one currency of all charges.
    pub fn currency(&self) -> Result<String, QueryError> {
        let currencies: BTreeSet<_> = self.rated.charges.iter().map(|charge| charge.currency.clone()).collect();
        match currencies.len() {
            0 => Ok("USD".into()),
            1 => Ok(currencies.into_iter().collect()),
            _ => Err(QueryError::ManyCurrencies { currencies: currencies.into_iter().collect() }),
        }
    }

    /// The bill, with its groups.
    pub fn bill(&self, request: &BillRequest) -> Result<Bill, QueryError> {
        let currency = self.currency()?;
        let charges = self.rated.charges.clone();
        let total: Exact = charges.iter().map(|charge| &charge.billed_cost).sum();
        let rounded: Exact =
            charges.iter().filter_map(|charge| Exact::parse(&charge.billed_cost.round_half_up(2)).ok()).sum();
        let groups = match request.by.is_empty() {
            true => Vec::new(),
            false => self.group(&request.by, request.attribution),
        };
        Ok(Bill {
            period: request.period,
            currency,
            rounded_total: total.round_half_up(2),
            total,
            sum_of_rounded_charges: rounded.round_half_up(2),
            list_total: charges.iter().map(|charge| &charge.list_cost).sum(),
            charges,
            by: request.by.iter().map(|dimension| dimension.name()).collect(),
            groups,
            unpriced: self.unpriced.clone(),
            record_count: self.record_count,
            closed: Vec::new(),
        })
    }
}

impl Slice {
    /// Adds a row. Rows of one factor are added as whole numbers.
    fn add(&mut self, rows: &[MeteredRow], index: usize) {
        let row = &rows[index];
        let same = self.rows.last().is_some_and(|last| Arc::ptr_eq(&rows[*last].quantity.factor, &row.quantity.factor));
        match self.base.checked_add(row.quantity.base).filter(|_| same) {
            Some(base) => self.base = base,
            None => {
                if let Some(last) = self.rows.last() {
                    self.quantity += rows[*last].quantity.factor.as_ref() * Exact::from_integer(self.base);
                }
                self.base = row.quantity.base;
            }
        }
        self.rows.push(index);
        self.record_count += row.record_count;
    }
}

/// What one metered row bears of one charge.
pub(crate) struct RowShare {
    pub row: usize,
    pub charge: usize,
    pub consumed_quantity: Exact,
    pub free_quantity: Exact,
    pub list_cost: Exact,
    pub billed_cost: Exact,
}

/// `amount` × `part` / `whole`; a whole of nothing bears nothing.
pub(crate) fn proportion(part: &Exact, whole: &Exact, amount: &Exact) -> Exact {
    part.checked_div(whole).map_or_else(Exact::zero, |share| &share * amount)
}

/// The value of a dimension of a charge that no usage is behind.
pub(crate) fn fee_value(dimension: Dimension, charge: &Charge, day: NaiveDate) -> String {
    match dimension {
        Dimension::Provider => charge.provider.clone(),
        Dimension::Service => charge.service.clone(),
        Dimension::Account => charge.scope.account.clone().unwrap_or_default(),
        Dimension::Region => charge.scope.region.clone().unwrap_or_default(),
        Dimension::Sku => charge.sku.clone(),
        Dimension::Day => day.to_string(),
        Dimension::Month => day.format("%Y-%m").to_string(),
        _ => String::new(),
    }
}

fn merge_unpriced(found: Vec<UnpricedUsage>) -> Vec<UnpricedUsage> {
    let mut merged: Vec<UnpricedUsage> = Vec::new();
    for usage in found {
        let same = merged.iter_mut().find(|known| {
            (&known.table, &known.provider, &known.service, &known.usage, &known.reason)
                == (&usage.table, &usage.provider, &usage.service, &usage.usage, &usage.reason)
        });
        match same {
            Some(known) => known.record_count += usage.record_count,
            None => merged.push(usage),
        }
    }
    merged
}
