//! Rating: metered usage and price books to charges
//!
//! Slices are taken in time order (ties: provider, service, book order, scope). Each first takes what is left of its
//! allowances; the free part occupies its tier. The cost is F(position + quantity) − F(position + free), F the cost
//! curve of the price in force on that day, and the position runs on over a price change. Since that telescopes, any
//! split and order of the same usage gives the same total. Credits come off the cost of usage, not off what a package
//! or a minimum charge adds.
//!
//! What an account has agreed comes in two places: a discount lowers the price of every unit, and commitments cover
//! what allowances leave of an hour's usage before the rest is priced; covered usage occupies its tier as well.
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chrono::NaiveDate;
use serde::Serialize;

use self::{
    commitments::Commitments,
    curve::Curve,
    plan::{Plan, Plans},
    pots::Pots,
};
use crate::{
    agreement::Agreement,
    catalogue::{Catalogue, SkuIndex},
    charge::Charge,
    exact::Exact,
    period::Period,
    scope::Scope,
};

mod charges;
mod commitments;
mod curve;
mod plan;
mod pots;
#[cfg(test)]
mod tests;

/// The values of [`crate::scope::SCOPE_COLUMNS`]; an empty text is no value.
type ScopeKey<'a> = [Option<&'a str>; 4];

/// Usage of one SKU in one scope and hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageSlice {
    /// The SKU.
    pub sku: SkuIndex,
    /// Whose usage; the columns of the SKU's `scope_columns` matter, more detail is kept apart in the slice costs.
    pub scope: Scope,
    /// Start of its hour, UTC microseconds.
    pub at_us: i64,
    /// Quantity in the SKU's unit.
    pub quantity: Exact,
    /// Usage records summed.
    pub record_count: u64,
}

/// Which allowances are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Allowances {
    /// All.
    #[default]
    All,
    /// None but those that belong to a plan.
    None,
    /// Those with these ids, and those that belong to a plan.
    Only(BTreeSet<String>),
}

/// What rating depends on besides usage and prices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RatingOptions {
    /// Which allowances are given.
    pub allowances: Allowances,
    /// What usage that is not rated here has taken of each allowance beforehand, in percent of it: 0 to 100, above that
    /// all. Allowances that every resource has of its own are left whole.
    pub used_allowance_percent: u32,
    /// Day the account was opened: without it no allowance that ends some months later is given.
    pub account_opened: Option<NaiveDate>,
    /// What the account has agreed beyond the price list.
    pub agreement: Agreement,
}

/// The result of [`rate`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rated {
    /// The charges, by SKU, scope, price and tier; then the fees and unused parts of commitments.
    pub charges: Vec<Charge>,
    /// What each slice costs: one per slice × charge, in the order of the slices.
    pub slice_costs: Vec<SliceCost>,
    /// The days of charges that no slice is behind, the fees of commitments.
    pub fee_days: Vec<FeeDay>,
    /// Slices without a price.
    pub unpriced: Vec<UnpricedSlice>,
    /// What each allowance gave that was drawn on, by book, allowance, scope and window.
    pub allowances: Vec<AllowanceUse>,
}

/// What one allowance gave in one scope and window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowanceUse {
    /// The price book: `aws/lambda`.
    pub price_book: String,
    /// The allowance's id in it.
    pub allowance: String,
    /// Whose it is: the columns of the allowance's scope.
    pub scope: Scope,
    /// Start of the hour or day it is given for, UTC microseconds; nothing for the billing period.
    pub window_from_us: Option<i64>,
    /// All of it, in `unit`, less what other usage has taken.
    pub granted: Exact,
    /// What was taken, in `unit`.
    pub used: Exact,
    /// Unit of the quantities: the book's currency for money.
    pub unit: String,
    /// The hour whose usage took the last of it, UTC microseconds.
    pub exhausted_at_us: Option<i64>,
}

/// The part of a fee that belongs to one day; the parts of a charge sum to 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeDay {
    /// Index into [`Rated::charges`].
    pub charge: usize,
    /// The day, in the provider's zone.
    pub day: NaiveDate,
    /// Part of the charge.
    pub share: Exact,
}

/// The part of a slice that belongs to one charge.
///
/// Over all slices of a charge these sum exactly to the charge, its adjustment apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceCost {
    /// Index into the slices given.
    pub slice: usize,
    /// Index into [`Rated::charges`].
    pub charge: usize,
    /// Quantity in the SKU's unit, free part included.
    pub consumed_quantity: Exact,
    /// Part that allowances made free.
    pub free_quantity: Exact,
    /// Cost without any allowance.
    pub list_cost: Exact,
    /// Cost after allowances.
    pub billed_cost: Exact,
}

/// A slice no price applies to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnpricedSlice {
    /// Index into the slices given.
    pub slice: usize,
    /// The SKU's name.
    pub sku: String,
    /// Quantity in the SKU's unit.
    pub quantity: Exact,
    /// The SKU's unit.
    pub unit: String,
    /// Usage records behind it.
    pub record_count: u64,
    /// Why there is no price.
    pub reason: String,
}

/// Rates the usage of a billing period: slices in, charges out, exact, whatever the order and split of the slices.
///
/// Slices of quantity 0 cost nothing and appear nowhere; a negative quantity is unpriced. A slice outside the period
/// is priced as on its first or last day. Of the agreement, what the price books do not know is passed over:
/// [`Agreement::check`] tells of it.
///
/// # Panics
/// When a slice's SKU is of another catalogue.
pub fn rate(catalogue: &Catalogue, period: Period, slices: &[UsageSlice], options: &RatingOptions) -> Rated {
    let scopes: Vec<ScopeKey<'_>> = slices.iter().map(|slice| scope_key(&slice.scope)).collect();
    let key = |index: usize| (slices[index].at_us, slices[index].sku, &scopes[index]);
    let mut order: Vec<usize> = (0..slices.len()).collect();
    order.sort_by(|a, b| key(*a).cmp(&key(*b)).then(a.cmp(b)));
    let mut rating = Rating {
        slices,
        plans: Plans::new(catalogue, period, options),
        pots: Pots::default(),
        commitments: Commitments::new(catalogue, period, &options.agreement),
        groups: Vec::new(),
        group_of: BTreeMap::new(),
        sums: Vec::new(),
        slice_costs: Vec::new(),
        unpriced: Vec::new(),
    };
    for hour in order.chunk_by(|a, b| slices[*a].at_us == slices[*b].at_us) {
        let equal = hour.chunk_by(|a, b| key(*a) == key(*b));
        let mut usage: Vec<Usage<'_>> = equal.filter_map(|equal| rating.open(equal, &scopes[equal[0]])).collect();
        rating.commitments.cover(slices[hour[0]].at_us, &mut usage);
        for one in usage {
            rating.price(one);
        }
    }
    rating.round_up_to_packages();
    rating.finish()
}

fn scope_key(scope: &Scope) -> ScopeKey<'_> {
    [&scope.organisation, &scope.account, &scope.region, &scope.resource]
        .map(|value| value.as_deref().filter(|value| !value.is_empty()))
}

/// Slices of one SKU, scope and time, on their way to charges.
struct Usage<'a> {
    slices: &'a [usize],
    scope: ScopeKey<'a>,
    sku: SkuIndex,
    plan: Rc<Plan<'a>>,
    at_us: i64,
    day: NaiveDate,
    /// The price in force, as an index into the SKU's.
    price: usize,
    /// The negotiated discounts in force.
    discounts: Discounts,
    quantity: Exact,
    /// What is made free, by allowance of the book.
    free: Vec<(usize, Exact)>,
    /// What is covered, by commitment of the agreement.
    covered: Vec<Covered>,
    /// What is neither.
    rest: Exact,
}

/// A quantity that a commitment covers.
struct Covered {
    /// Place in the agreement.
    commitment: usize,
    /// In the SKU's unit.
    quantity: Exact,
    /// Part of the commitment it uses: units, or money.
    used: Exact,
}

/// The negotiated discounts that apply to a charge, as indexes into the agreement.
type Discounts = Vec<usize>;

/// A SKU in one scope: where the tiers run.
struct Group {
    sku: SkuIndex,
    scope: Scope,
    /// Quantity so far, free and covered parts included.
    position: Exact,
    /// Quantity so far, free and covered parts excluded.
    billable: Exact,
    /// Price and discounts of the latest slice.
    latest: (usize, Discounts),
    /// Index into the sums.
    sums: BTreeMap<SumKey, usize>,
    /// What minimum charge and volume pricing add.
    adjustments: BTreeMap<(usize, Discounts), Exact>,
}

/// What tells the charges of a group apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SumKey {
    price: usize,
    discounts: Discounts,
    tier: usize,
    commitment: Option<usize>,
}

/// What a charge is summed from.
#[derive(Default)]
struct Sum {
    consumed: Exact,
    free: Exact,
    credit: Exact,
    /// Quantity rounding up to packages adds.
    padding: Exact,
    record_count: u64,
    /// Part of the commitment used.
    used: Exact,
    /// Quantity and credit per allowance of the book.
    allowances: BTreeMap<usize, (Exact, Exact)>,
}

/// The part of a slice in one tier.
#[derive(Default)]
struct Part {
    tier: usize,
    consumed: Exact,
    free: Exact,
    list_cost: Exact,
    billed_cost: Exact,
}

struct Rating<'a> {
    slices: &'a [UsageSlice],
    plans: Plans<'a>,
    pots: Pots<'a>,
    commitments: Commitments<'a>,
    groups: Vec<Group>,
    group_of: BTreeMap<(SkuIndex, ScopeKey<'a>), usize>,
    sums: Vec<Sum>,
    /// The charge is still an index into `sums`.
    slice_costs: Vec<SliceCost>,
    unpriced: Vec<UnpricedSlice>,
}

impl<'a> Rating<'a> {
    /// Finds price and discounts of slices of one SKU, scope and time, and takes their allowances.
    fn open(&mut self, equal: &'a [usize], scope: &ScopeKey<'a>) -> Option<Usage<'a>> {
        let (sku, at_us) = (self.slices[equal[0]].sku, self.slices[equal[0]].at_us);
        let plan = self.plans.of(sku);
        let day = plan.book.zone.day_of(plan.book.zone.within(self.plans.period, at_us));
        let Some(price) = plan.sku.price_on(plan.book, day, scope[2]) else {
            let region = scope[2].map_or(String::new(), |region| format!(" in {region}"));
            self.leave_unpriced(equal, &plan, &format!("no price on {day}{region}"));
            return None;
        };
        if equal.iter().any(|index| self.slices[*index].quantity.is_negative()) {
            self.leave_unpriced(equal, &plan, "the quantity is below 0");
            return None;
        }
        let quantity: Exact = equal.iter().map(|index| &self.slices[*index].quantity).sum();
        let mut rest = quantity.clone();
        let mut free = Vec::new();
        for draw in plan.draws.iter().filter(|draw| !draw.is_credit() && draw.applies(plan.book, day, scope[2])) {
            let taken = self.pots.take(plan.book_number, draw, scope, at_us, &rest);
            if taken.is_positive() {
                rest -= &taken;
                free.push((draw.index, taken));
            }
        }
        let discounts = plan.discounts_on(day);
        let (slices, scope, covered) = (equal, *scope, Vec::new());
        Some(Usage { slices, scope, sku, plan, at_us, day, price, discounts, quantity, free, covered, rest })
    }

    /// Prices what allowances and commitments leave, and adds it to the charges.
    fn price(&mut self, usage: Usage<'a>) {
        let (plan, price) = (Rc::clone(&usage.plan), usage.price);
        let curve = &plan.curves[price];
        let group = self.group(&usage);
        let position = self.groups[group].position.clone();
        let key = |tier: usize, commitment| SumKey { price, discounts: usage.discounts.clone(), tier, commitment };
        if usage.quantity.is_zero() {
            // Records that the meter counts as nothing still stand behind the charge.
            let records = self.records(usage.slices);
            if records > 0 {
                let sum = self.sum(group, key(curve.tier_at(&position), None));
                sum.record_count = sum.record_count.saturating_add(records);
            }
            return;
        }
        let mut end = position.clone();
        let mut segment = |quantity: &Exact| {
            let start = end.clone();
            end += quantity;
            (start, end.clone())
        };
        let free: Vec<_> = usage.free.iter().map(|(allowance, quantity)| (*allowance, segment(quantity))).collect();
        let covered: Vec<_> = usage.covered.iter().map(|covered| (covered, segment(&covered.quantity))).collect();
        let free_end = free.last().map_or(&position, |(_, (_, end))| end).clone();
        let rest_start = covered.last().map_or(&free_end, |(_, (_, end))| end).clone();
        let end = &rest_start + &usage.rest;
        for (covered, (from, to)) in &covered {
            let used_per_unit = covered.used.checked_div(&covered.quantity).unwrap_or_default();
            let mut parts = split(curve, (from, from), (from, to), &Exact::one());
            for part in &mut parts {
                part.billed_cost = Exact::zero();
                let sum = self.sum(group, key(part.tier, Some(covered.commitment)));
                sum.consumed += &part.consumed;
                sum.used += &part.consumed * &used_per_unit;
            }
            self.share_out(&usage, group, Some(covered.commitment), parts);
        }
        let factor = plan.discount_factor(&usage.discounts);
        let mut parts = split(curve, (&position, &free_end), (&rest_start, &end), &factor);
        for part in &parts {
            let sum = self.sum(group, key(part.tier, None));
            sum.consumed += &part.consumed;
            sum.free += &part.free;
            for (allowance, (from, to)) in &free {
                let share = curve.tiers[part.tier].overlap(from, to);
                if share.is_positive() {
                    sum.allowances.entry(*allowance).or_default().0 += share;
                }
            }
        }
        let flat: Exact = parts.iter().map(|part| &part.billed_cost).sum();
        let mut creditable = flat.clone();
        if !curve.is_graduated() {
            let amount = curve.between(&rest_start, &end) * &factor;
            let adjustments = &mut self.groups[group].adjustments;
            *adjustments.entry((price, usage.discounts.clone())).or_default() += &amount - flat;
            creditable = creditable.min(amount);
        }
        let (day, region) = (usage.day, usage.scope[2]);
        for draw in plan.draws.iter().filter(|draw| draw.is_credit() && draw.applies(plan.book, day, region)) {
            let credit = self.pots.take(plan.book_number, draw, &usage.scope, usage.at_us, &creditable);
            creditable -= &credit;
            self.give_credit(group, &key, draw.index, credit, &mut parts);
        }
        let state = &mut self.groups[group];
        state.billable += &usage.rest;
        state.position = end;
        state.latest = (price, usage.discounts.clone());
        self.share_out(&usage, group, None, parts);
    }

    /// Takes a credit, not above what the parts cost, off them in tier order.
    fn give_credit(
        &mut self,
        group: usize,
        key: &impl Fn(usize, Option<usize>) -> SumKey,
        allowance: usize,
        credit: Exact,
        parts: &mut [Part],
    ) {
        let mut left = credit;
        for part in parts.iter_mut() {
            let share = left.clone().min(part.billed_cost.clone());
            if share.is_positive() {
                part.billed_cost -= &share;
                left -= &share;
                let sum = self.sum(group, key(part.tier, None));
                sum.credit += &share;
                sum.allowances.entry(allowance).or_default().1 += share;
            }
        }
    }

    fn records(&self, slices: &[usize]) -> u64 {
        slices.iter().fold(0, |sum, index| sum.saturating_add(self.slices[*index].record_count))
    }

    /// Gives every slice its share of the parts, by quantity.
    fn share_out(&mut self, usage: &Usage<'_>, group: usize, commitment: Option<usize>, parts: Vec<Part>) {
        let records = self.records(usage.slices);
        for part in parts {
            let (price, discounts) = (usage.price, usage.discounts.clone());
            let charge = self.groups[group].sums[&SumKey { price, discounts, tier: part.tier, commitment }];
            self.sums[charge].record_count = self.sums[charge].record_count.saturating_add(records);
            if let [slice] = usage.slices {
                self.slice_costs.push(SliceCost {
                    slice: *slice,
                    charge,
                    consumed_quantity: part.consumed,
                    free_quantity: part.free,
                    list_cost: part.list_cost,
                    billed_cost: part.billed_cost,
                });
                continue;
            }
            for slice in usage.slices {
                let share = self.slices[*slice].quantity.checked_div(&usage.quantity).unwrap_or_default();
                self.slice_costs.push(SliceCost {
                    slice: *slice,
                    charge,
                    consumed_quantity: &part.consumed * &share,
                    free_quantity: &part.free * &share,
                    list_cost: &part.list_cost * &share,
                    billed_cost: &part.billed_cost * &share,
                });
            }
        }
    }

    fn leave_unpriced(&mut self, equal: &[usize], plan: &Plan<'_>, reason: &str) {
        for index in equal.iter().filter(|index| !self.slices[**index].quantity.is_zero()) {
            self.unpriced.push(UnpricedSlice {
                slice: *index,
                sku: plan.sku.name.clone(),
                quantity: self.slices[*index].quantity.clone(),
                unit: plan.sku.unit.text().to_owned(),
                record_count: self.slices[*index].record_count,
                reason: reason.to_owned(),
            });
        }
    }

    /// The group of a SKU and scope.
    fn group(&mut self, usage: &Usage<'a>) -> usize {
        let mut key = usage.scope;
        for (value, counts) in key.iter_mut().zip(usage.plan.columns) {
            if !counts {
                *value = None;
            }
        }
        let groups = &mut self.groups;
        *self.group_of.entry((usage.sku, key)).or_insert_with(|| {
            let [organisation, account, region, resource] = key.map(|value| value.map(str::to_owned));
            groups.push(Group {
                sku: usage.sku,
                scope: Scope { organisation, account, region, resource },
                position: Exact::zero(),
                billable: Exact::zero(),
                latest: (0, Vec::new()),
                sums: BTreeMap::new(),
                adjustments: BTreeMap::new(),
            });
            groups.len() - 1
        })
    }

    /// The sum of a charge of a group.
    fn sum(&mut self, group: usize, key: SumKey) -> &mut Sum {
        let sums = &mut self.sums;
        let index = *self.groups[group].sums.entry(key).or_insert_with(|| {
            sums.push(Sum::default());
            sums.len() - 1
        });
        &mut self.sums[index]
    }

    /// End of the period: billable quantities go up to whole packages, as one more slice without usage.
    fn round_up_to_packages(&mut self) {
        for index in 0..self.groups.len() {
            let plan = self.plans.of(self.groups[index].sku);
            let group = &self.groups[index];
            let ((price, discounts), position) = (group.latest.clone(), group.position.clone());
            let curve = &plan.curves[price];
            let Some(package) = curve.package.as_ref().filter(|_| group.billable.is_positive()) else { continue };
            let packages = group.billable.checked_div(package).unwrap_or_default().ceil_to_integer();
            let end = &position + packages * package - &group.billable;
            let factor = plan.discount_factor(&discounts);
            let parts = split(curve, (&position, &position), (&position, &end), &factor);
            if !curve.is_graduated() {
                let flat: Exact = parts.iter().map(|part| &part.billed_cost).sum();
                let difference = curve.between(&position, &end) * &factor - flat;
                *self.groups[index].adjustments.entry((price, discounts.clone())).or_default() += difference;
            }
            for part in parts {
                let key = SumKey { price, discounts: discounts.clone(), tier: part.tier, commitment: None };
                self.sum(index, key).padding += part.consumed;
            }
        }
    }
}

/// Splits the quantities of two ranges, the first one free, over the tiers of a curve; `factor` is what discounts
/// leave of the price.
fn split(curve: &Curve, free: (&Exact, &Exact), rest: (&Exact, &Exact), factor: &Exact) -> Vec<Part> {
    let mut parts = Vec::with_capacity(1);
    for (tier, bounds) in curve.tiers.iter().enumerate().skip(curve.tier_at(free.0)) {
        if bounds.from >= *rest.1 {
            break;
        }
        let free = if free.1 > free.0 { bounds.overlap(free.0, free.1) } else { Exact::zero() };
        let billable = bounds.overlap(rest.0, rest.1);
        let consumed = &free + &billable;
        if consumed.is_positive() {
            let list_cost = &consumed * &bounds.unit_price;
            let billed_cost = match free.is_zero() && *factor == Exact::one() {
                true => list_cost.clone(),
                false => billable * &bounds.unit_price * factor,
            };
            parts.push(Part { tier, consumed, free, list_cost, billed_cost });
        }
    }
    parts
}
