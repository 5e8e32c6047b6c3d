//! The bill of a period: charges, their total, and the same cost grouped by any dimensions.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use chrono::NaiveDate;
use datafusion::prelude::SessionContext;
use paygrain_pricing::{Catalogue, Charge, Exact, Period, Rated, RatingOptions, Scope, SkuIndex, UsageSlice, rate};
use serde::{Deserialize, Serialize};

use crate::closing::ClosedState;
use crate::error::QueryError;
use crate::metering::{Metered, MeteredRow, meter};

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

/// What cost can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// Cloud provider.
    Provider,
    /// Service of the price book.
    Service,
    /// Billing account.
    Account,
    /// Provider region.
    Region,
    /// Function, bucket, …
    Resource,
    /// SKU.
    Sku,
    /// Day of the provider's billing zone, `2026-10-31`.
    Day,
}

impl Dimension {
    /// Every dimension, in the order help lists them.
    pub const ALL: [Dimension; 7] =
        [Self::Provider, Self::Service, Self::Account, Self::Region, Self::Resource, Self::Sku, Self::Day];

    /// Its name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Service => "service",
            Self::Account => "account",
            Self::Region => "region",
            Self::Resource => "resource",
            Self::Sku => "sku",
            Self::Day => "day",
        }
    }
}

impl FromStr for Dimension {
    type Err = QueryError;

    fn from_str(name: &str) -> Result<Self, QueryError> {
        Self::ALL.into_iter().find(|dimension| dimension.name() == name.trim()).ok_or_else(|| {
            QueryError::NoSuchDimension { name: name.to_owned(), known: Self::ALL.map(Dimension::name).to_vec() }
        })
    }
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

impl RatedUsage {
    /// Meters and rates a period.
    pub async fn of(
        session: &SessionContext,
        catalogue: &Catalogue,
        request: &BillRequest,
    ) -> Result<Self, QueryError> {
        let Metered { rows, mut unpriced, record_count } =
            meter(session, catalogue, request.period, request.provider.as_deref()).await?;
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
        Ok(Self { rows, slice_rows, slice_quantities, rated, unpriced: merge_unpriced(unpriced), record_count })
    }

    /// What each metered row bears of each charge: shares that sum to the charge exactly.
    pub fn shares(&self, attribution: Attribution) -> Vec<RowShare> {
        let charges = &self.rated.charges;
        let mut shares = Vec::new();
        // Rows of a slice share its cost by quantity; an adjustment belongs to no slice and follows consumption.
        for cost in &self.rated.slice_costs {
            let whole = &self.slice_quantities[cost.slice];
            let charge = &charges[cost.charge];
            let adjustment = proportion(&cost.consumed_quantity, &charge.consumed_quantity, &charge.adjustment);
            for &row in &self.slice_rows[cost.slice] {
                let part = |amount: &Exact| proportion(&self.rows[row].quantity, whole, amount);
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

    /// Cost by the given dimensions, most expensive first; the groups sum to the bill exactly.
    pub fn group(&self, by: &[Dimension], attribution: Attribution) -> Vec<CostGroup> {
        let mut groups: BTreeMap<Vec<String>, (Exact, Exact)> = BTreeMap::new();
        for share in self.shares(attribution) {
            let key = by.iter().map(|dimension| self.value(*dimension, &share)).collect();
            let (list, billed) = groups.entry(key).or_default();
            *list += &share.list_cost;
            *billed += &share.billed_cost;
        }
        for fee in &self.rated.fee_days {
            let charge = &self.rated.charges[fee.charge];
            let key = by.iter().map(|dimension| fee_value(*dimension, charge, fee.day)).collect();
            let (list, billed) = groups.entry(key).or_default();
            *list += &charge.list_cost * &fee.share;
            *billed += &charge.billed_cost * &fee.share;
        }
        let mut groups: Vec<_> = groups
            .into_iter()
            .map(|(key, (list_cost, billed_cost))| CostGroup { key, list_cost, billed_cost })
            .collect();
        groups.sort_by(|a, b| (&b.billed_cost, &b.list_cost, &a.key).cmp(&(&a.billed_cost, &a.list_cost, &b.key)));
        groups
    }

    pub(crate) fn value(&self, dimension: Dimension, share: &RowShare) -> String {
        let (row, charge) = (&self.rows[share.row], &self.rated.charges[share.charge]);
        match dimension {
            Dimension::Provider => charge.provider.clone(),
            Dimension::Service => charge.service.clone(),
            Dimension::Account => row.scope.account.clone().unwrap_or_default(),
            Dimension::Region => row.scope.region.clone().unwrap_or_default(),
            Dimension::Resource => row.scope.resource.clone().unwrap_or_default(),
            Dimension::Sku => charge.sku.clone(),
            Dimension::Day => row.day.to_string(),
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
        Dimension::Resource => String::new(),
        Dimension::Sku => charge.sku.clone(),
        Dimension::Day => day.to_string(),
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
