//! The bill of a period: charges, their total, and the same cost grouped by any dimensions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::prelude::SessionContext;
use paygrain_pricing::{
    Catalogue, Charge, Exact, Period, Rated, RatingOptions, Scope, SkuIndex, SliceCost, UsageSlice, rate,
};
use serde::{Deserialize, Serialize};

use crate::closing::ClosedState;
use crate::error::QueryError;
use crate::lake_state::answer;
use crate::metering::{Details, Metered, MeteredRow, meter};

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
    /// Month of that day, `2026-10`.
    Month,
    /// Hour, UTC, `2026-10-31T23:00Z`.
    Hour,
    /// Status of the records.
    Status,
    /// Whether the records were cold starts, `true` or `false`.
    ColdStart,
    /// Configured memory in MB.
    Memory,
    /// Processor architecture.
    Architecture,
    /// Package type.
    PackageType,
    /// Runtime.
    Runtime,
    /// Capacity: on demand, provisioned, …
    Capacity,
    /// What caused the records.
    Trigger,
    /// Operation.
    Operation,
    /// Size, class or edition that picks the price.
    Variant,
    /// Storage class.
    StorageClass,
}

impl Dimension {
    /// Every dimension, in the order help lists them.
    pub const ALL: [Dimension; 20] = [
        Self::Provider,
        Self::Service,
        Self::Account,
        Self::Region,
        Self::Resource,
        Self::Sku,
        Self::Month,
        Self::Day,
        Self::Hour,
        Self::Status,
        Self::ColdStart,
        Self::Memory,
        Self::Architecture,
        Self::PackageType,
        Self::Runtime,
        Self::Capacity,
        Self::Trigger,
        Self::Operation,
        Self::Variant,
        Self::StorageClass,
    ];

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
            Self::Month => "month",
            Self::Hour => "hour",
            Self::Status => "status",
            Self::ColdStart => "cold_start",
            Self::Memory => "memory_mb",
            Self::Architecture => "architecture",
            Self::PackageType => "package_type",
            Self::Runtime => "runtime",
            Self::Capacity => "capacity",
            Self::Trigger => "trigger",
            Self::Operation => "operation",
            Self::Variant => "variant",
            Self::StorageClass => "storage_class",
        }
    }

    /// The column of usage records that says it and that metering does not look at unless it is asked for.
    pub(crate) const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Status
            | Self::ColdStart
            | Self::Memory
            | Self::Architecture
            | Self::PackageType
            | Self::Runtime
            | Self::Capacity
            | Self::Trigger
            | Self::Operation
            | Self::Variant
            | Self::StorageClass => Some(self.name()),
            _ => None,
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
        answer(session, catalogue, &question, async {
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
        let mut known: HashMap<Scope, usize> = HashMap::new();
        let mut asked: HashMap<(SkuIndex, u32), usize> = HashMap::new();
        let mut by_slice: HashMap<(SkuIndex, i64, usize), Slice> = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            let next = known.len();
            let scope = *asked.entry((row.sku, row.scope)).or_insert_with(|| {
                let mut scope = scopes[row.scope as usize].clone();
                let organisation = request.rating.agreement.organisation(scope.account.as_deref());
                scope.organisation = organisation.map(str::to_owned);
                *known.entry(scope.only(&catalogue.sku(row.sku).scope_columns)).or_insert(next)
            });
            by_slice.entry((row.sku, row.hour_us, scope)).or_default().add(&rows, index);
        }
        let mut named = vec![Scope::default(); known.len()];
        known.into_iter().for_each(|(scope, place)| named[place] = scope);
        let mut found: Vec<_> =
            by_slice.into_iter().map(|((sku, at_us, scope), slice)| ((sku, at_us, &named[scope]), slice)).collect();
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
        let charges = &self.rated.charges;
        let mut shares = Vec::new();
        // Rows of a slice share its cost by quantity; an adjustment belongs to no slice and follows consumption.
        for cost in &self.rated.slice_costs {
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

    /// Cost by the given dimensions, most expensive first; the groups sum to the bill exactly.
    pub fn group(&self, by: &[Dimension], attribution: Attribution) -> Vec<CostGroup> {
        let mut groups: BTreeMap<Vec<String>, (Exact, Exact)> = BTreeMap::new();
        let mut sums = GroupSums::new(self, by);
        for cost in &self.rated.slice_costs {
            let (whole, charge) = (&self.slice_quantities[cost.slice], &self.rated.charges[cost.charge]);
            let (list, billed) = match attribution {
                Attribution::Time => {
                    let adjustment = proportion(&cost.consumed_quantity, &charge.consumed_quantity, &charge.adjustment);
                    (cost.list_cost.clone(), &cost.billed_cost + adjustment)
                }
                Attribution::Proportional => {
                    let part = |amount| proportion(&cost.consumed_quantity, &charge.consumed_quantity, amount);
                    (part(&charge.list_cost), part(&charge.billed_cost))
                }
            };
            let one = Exact::one();
            sums.add(cost, proportion(&one, whole, &list), proportion(&one, whole, &billed));
        }
        sums.into_groups(&mut groups);
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
            Dimension::Hour => hour_text(row.hour_us),
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

/// An hour, UTC.
fn hour_text(hour_us: i64) -> String {
    DateTime::from_timestamp_micros(hour_us).map(|hour| hour.format("%Y-%m-%dT%H:%MZ").to_string()).unwrap_or_default()
}

/// Costs that are being summed by group, in whole numbers as long as that goes: many rows bear cost at few rates.
struct GroupSums<'a> {
    usage: &'a RatedUsage,
    by: &'a [Dimension],
    /// Which of the charge, the day and the hour tell groups apart, beside whose usage it is.
    by_charge: bool,
    by_time: Option<Dimension>,
    groups: HashMap<(u32, u32, usize, i64), u32>,
    keys: Vec<Vec<String>>,
    numbers: HashMap<Vec<String>, u32>,
    rates: HashMap<(Exact, Exact), u32>,
    /// Base units by group and rate.
    sums: HashMap<(u32, u32), i128>,
    /// What no longer went into one of them.
    beyond: Vec<(u32, Exact, Exact)>,
}

impl<'a> GroupSums<'a> {
    fn new(usage: &'a RatedUsage, by: &'a [Dimension]) -> Self {
        let has = |dimensions: &[Dimension]| by.iter().find(|dimension| dimensions.contains(dimension)).copied();
        Self {
            usage,
            by,
            by_charge: has(&[Dimension::Provider, Dimension::Service, Dimension::Sku]).is_some(),
            by_time: has(&[Dimension::Hour]).or(has(&[Dimension::Day, Dimension::Month])),
            groups: HashMap::new(),
            keys: Vec::new(),
            numbers: HashMap::new(),
            rates: HashMap::new(),
            sums: HashMap::new(),
            beyond: Vec::new(),
        }
    }

    /// Adds what the rows of a slice bear of a charge, at a cost per pricing unit.
    fn add(&mut self, cost: &SliceCost, list: Exact, billed: Exact) {
        let usage = self.usage;
        let mut rate: Option<(&Arc<Exact>, u32)> = None;
        for index in &usage.slice_rows[cost.slice] {
            let row = &usage.rows[*index];
            let factor = &row.quantity.factor;
            let number = match rate {
                Some((known, number)) if Arc::ptr_eq(known, factor) => number,
                _ => {
                    let next = u32::try_from(self.rates.len()).unwrap_or(u32::MAX);
                    let per_base = (factor.as_ref() * &list, factor.as_ref() * &billed);
                    *self.rates.entry(per_base).or_insert(next)
                }
            };
            rate = Some((factor, number));
            let group = self.group(row, cost.charge);
            let sum = self.sums.entry((group, number)).or_default();
            match sum.checked_add(row.quantity.base) {
                Some(more) => *sum = more,
                None => {
                    let quantity = row.quantity.exact();
                    self.beyond.push((group, &quantity * &list, quantity * &billed));
                }
            }
        }
    }

    /// The group of what a row bears of a charge.
    fn group(&mut self, row: &MeteredRow, charge: usize) -> u32 {
        let time = match self.by_time {
            Some(Dimension::Hour) => row.hour_us,
            Some(_) => i64::from(row.day.num_days_from_ce()),
            None => 0,
        };
        let key = (row.scope, row.service, if self.by_charge { charge } else { 0 }, time);
        if let Some(group) = self.groups.get(&key) {
            return *group;
        }
        let values: Vec<String> = self.by.iter().map(|dimension| self.usage.value(*dimension, row, charge)).collect();
        let next = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let group = *self.numbers.entry(values.clone()).or_insert(next);
        if group == next {
            self.keys.push(values);
        }
        self.groups.insert(key, group);
        group
    }

    fn into_groups(self, groups: &mut BTreeMap<Vec<String>, (Exact, Exact)>) {
        let mut rates = vec![None; self.rates.len()];
        self.rates.into_iter().for_each(|(rate, number)| rates[number as usize] = Some(rate));
        let mut found: Vec<(Exact, Exact)> = vec![Default::default(); self.keys.len()];
        for ((group, rate), base) in self.sums {
            if let Some((list, billed)) = &rates[rate as usize] {
                let base = Exact::from_integer(base);
                found[group as usize].0 += &base * list;
                found[group as usize].1 += base * billed;
            }
        }
        for (group, list, billed) in self.beyond {
            found[group as usize].0 += list;
            found[group as usize].1 += billed;
        }
        groups.extend(self.keys.into_iter().zip(found));
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
