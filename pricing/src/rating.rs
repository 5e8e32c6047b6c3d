//! Rating: metered usage and price books to charges
//!
//! Slices are taken in time order (ties: provider, service, book order, scope). Each first takes what is left of its
//! allowances; the free part occupies its tier. The cost is F(position + quantity) − F(position + free), F the cost
//! curve of the price in force on that day, and the position runs on over a price change. Since that telescopes, any
//! split and order of the same usage gives the same total. Credits come off the cost of usage, not off what a package
//! or a minimum charge adds.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use serde::Serialize;

use self::{
    curve::Curve,
    pots::{Draw, Pots},
};
use crate::{
    agreement::Agreement,
    book::{PriceBook, Sku},
    catalogue::{Catalogue, SkuIndex},
    charge::Charge,
    exact::Exact,
    period::{Period, day_of},
    scope::Scope,
};

mod charges;
mod curve;
mod pots;

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
    /// Day the account was opened: without it no allowance that ends some months later is given.
    pub account_opened: Option<NaiveDate>,
    /// What the account has agreed beyond the price list.
    pub agreement: Agreement,
}

/// The result of [`rate`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rated {
    /// The charges, by SKU, scope, price and tier.
    pub charges: Vec<Charge>,
    /// What each slice costs: one per slice × charge, in the order of the slices.
    pub slice_costs: Vec<SliceCost>,
    /// Slices without a price.
    pub unpriced: Vec<UnpricedSlice>,
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
/// is priced as on its first or last day.
///
/// # Panics
/// When a slice's SKU is of another catalogue.
pub fn rate(catalogue: &Catalogue, period: Period, slices: &[UsageSlice], options: &RatingOptions) -> Rated {
    let scopes: Vec<ScopeKey<'_>> = slices.iter().map(|slice| scope_key(&slice.scope)).collect();
    let key = |index: usize| (slices[index].at_us, slices[index].sku, &scopes[index]);
    let mut order: Vec<usize> = (0..slices.len()).collect();
    order.sort_by(|a, b| key(*a).cmp(&key(*b)).then(a.cmp(b)));
    let plans = Plans { catalogue, period, options, plans: HashMap::new() };
    let mut rating = Rating {
        slices,
        plans,
        pots: Pots::default(),
        groups: Vec::new(),
        group_of: BTreeMap::new(),
        sums: Vec::new(),
        slice_costs: Vec::new(),
        unpriced: Vec::new(),
    };
    for equal in order.chunk_by(|a, b| key(*a) == key(*b)) {
        rating.add(equal, &scopes[equal[0]]);
    }
    rating.round_up_to_packages();
    rating.finish()
}

fn scope_key(scope: &Scope) -> ScopeKey<'_> {
    [&scope.organisation, &scope.account, &scope.region, &scope.resource]
        .map(|value| value.as_deref().filter(|value| !value.is_empty()))
}

/// What rating one SKU needs, computed once.
struct Plan<'a> {
    sku: &'a Sku,
    book: &'a PriceBook,
    /// A curve per price of the SKU.
    curves: Vec<Curve>,
    draws: Vec<Draw<'a>>,
    /// Which columns of a scope key the SKU is summed by.
    columns: [bool; 4],
    /// Tells the books apart.
    book_number: usize,
}

struct Plans<'a> {
    catalogue: &'a Catalogue,
    period: Period,
    options: &'a RatingOptions,
    plans: HashMap<SkuIndex, std::rc::Rc<Plan<'a>>>,
}

impl<'a> Plans<'a> {
    fn of(&mut self, index: SkuIndex) -> std::rc::Rc<Plan<'a>> {
        let (catalogue, period, options) = (self.catalogue, self.period, self.options);
        let plan = self.plans.entry(index).or_insert_with(|| {
            let (sku, book) = (catalogue.sku(index), catalogue.book_of(index));
            let month_us = sku.month.us(period);
            std::rc::Rc::new(Plan {
                sku,
                book,
                curves: sku.prices.iter().map(|price| Curve::new(sku, price, month_us)).collect(),
                draws: Draw::all(sku, book, period, options),
                columns: crate::scope::SCOPE_COLUMNS.map(|column| sku.scope.iter().any(|name| name == column)),
                book_number: catalogue.book_number(index),
            })
        });
        std::rc::Rc::clone(plan)
    }
}

/// A SKU in one scope: where the tiers run.
struct Group {
    sku: SkuIndex,
    scope: Scope,
    /// Quantity so far, free part included.
    position: Exact,
    /// Quantity so far, free part excluded.
    billable: Exact,
    /// Price of the latest slice.
    last_price: usize,
    /// Index into the sums, by price and tier.
    sums: BTreeMap<(usize, usize), usize>,
    /// What minimum charge and volume pricing add, by price.
    adjustments: BTreeMap<usize, Exact>,
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
    groups: Vec<Group>,
    group_of: BTreeMap<(SkuIndex, ScopeKey<'a>), usize>,
    sums: Vec<Sum>,
    /// The charge is still an index into `sums`.
    slice_costs: Vec<SliceCost>,
    unpriced: Vec<UnpricedSlice>,
}

impl<'a> Rating<'a> {
    /// Rates slices of one SKU, scope and time as one, and gives each its share.
    fn add(&mut self, equal: &[usize], scope: &ScopeKey<'a>) {
        let first = &self.slices[equal[0]];
        let plan = self.plans.of(first.sku);
        let period = self.plans.period;
        let at_us = first.at_us;
        let day = day_of(at_us.clamp(period.start_us(), period.end_us() - 1));
        let Some(price) = plan.sku.price_on(plan.book, day, scope[2]) else {
            let region = scope[2].map_or(String::new(), |region| format!(" in {region}"));
            return self.leave_unpriced(equal, &plan, &format!("no price on {day}{region}"));
        };
        if equal.iter().any(|index| self.slices[*index].quantity.is_negative()) {
            return self.leave_unpriced(equal, &plan, "the quantity is below 0");
        }
        let quantity: Exact = equal.iter().map(|index| &self.slices[*index].quantity).sum();
        let group = self.group(first.sku, &plan, scope);
        let position = self.groups[group].position.clone();
        if quantity.is_zero() {
            // Records that the meter counts as nothing still stand behind the charge.
            let records = self.records(equal);
            if records > 0 {
                let tier = plan.curves[price].tier_at(&position);
                let sum = self.sum(group, price, tier);
                sum.record_count = sum.record_count.saturating_add(records);
            }
            return;
        }
        let mut free = Exact::zero();
        let mut segments = Vec::new();
        for draw in plan.draws.iter().filter(|draw| !draw.is_credit() && draw.applies(plan.book, day, scope[2])) {
            let taken = self.pots.take(plan.book_number, draw, scope, at_us, &(&quantity - &free));
            if taken.is_positive() {
                segments.push((draw.index, &position + &free, &position + &free + &taken));
                free += taken;
            }
        }
        let end = &position + &quantity;
        let free_end = &position + &free;
        let curve = &plan.curves[price];
        let mut parts = split(curve, &position, &free_end, &end);
        for part in &parts {
            let sum = self.sum(group, price, part.tier);
            sum.consumed += &part.consumed;
            sum.free += &part.free;
            for (allowance, from, to) in &segments {
                let share = curve.tiers[part.tier].overlap(from, to);
                if share.is_positive() {
                    sum.allowances.entry(*allowance).or_default().0 += share;
                }
            }
        }
        let flat: Exact = parts.iter().map(|part| &part.billed_cost).sum();
        let mut creditable = flat.clone();
        if !curve.is_graduated() {
            let amount = curve.between(&free_end, &end);
            *self.groups[group].adjustments.entry(price).or_default() += &amount - flat;
            creditable = creditable.min(amount);
        }
        for draw in plan.draws.iter().filter(|draw| draw.is_credit() && draw.applies(plan.book, day, scope[2])) {
            let credit = self.pots.take(plan.book_number, draw, scope, at_us, &creditable);
            creditable -= &credit;
            self.give_credit(group, price, draw.index, credit, &mut parts);
        }
        let state = &mut self.groups[group];
        state.billable += &quantity - free;
        state.position = end;
        state.last_price = price;
        self.share_out(equal, group, price, &quantity, parts);
    }

    /// Takes a credit, not above what the parts cost, off them in tier order.
    fn give_credit(&mut self, group: usize, price: usize, allowance: usize, credit: Exact, parts: &mut [Part]) {
        let mut left = credit;
        for part in parts.iter_mut() {
            let share = left.clone().min(part.billed_cost.clone());
            if share.is_positive() {
                part.billed_cost -= &share;
                left -= &share;
                let sum = self.sum(group, price, part.tier);
                sum.credit += &share;
                sum.allowances.entry(allowance).or_default().1 += share;
            }
        }
    }

    fn records(&self, slices: &[usize]) -> u64 {
        slices.iter().fold(0, |sum, index| sum.saturating_add(self.slices[*index].record_count))
    }

    /// Gives every slice its share of the parts, by quantity.
    fn share_out(&mut self, equal: &[usize], group: usize, price: usize, quantity: &Exact, parts: Vec<Part>) {
        let records = self.records(equal);
        for part in parts {
            let charge = self.groups[group].sums[&(price, part.tier)];
            self.sums[charge].record_count = self.sums[charge].record_count.saturating_add(records);
            if let [slice] = equal {
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
            for slice in equal {
                let share = self.slices[*slice].quantity.checked_div(quantity).unwrap_or_default();
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
    fn group(&mut self, sku: SkuIndex, plan: &Plan<'_>, scope: &ScopeKey<'a>) -> usize {
        let mut key = *scope;
        for (value, counts) in key.iter_mut().zip(plan.columns) {
            if !counts {
                *value = None;
            }
        }
        let groups = &mut self.groups;
        *self.group_of.entry((sku, key)).or_insert_with(|| {
            let [organisation, account, region, resource] = key.map(|value| value.map(str::to_owned));
            groups.push(Group {
                sku,
                scope: Scope { organisation, account, region, resource },
                position: Exact::zero(),
                billable: Exact::zero(),
                last_price: 0,
                sums: BTreeMap::new(),
                adjustments: BTreeMap::new(),
            });
            groups.len() - 1
        })
    }

    /// The sum of a group's price and tier.
    fn sum(&mut self, group: usize, price: usize, tier: usize) -> &mut Sum {
        let sums = &mut self.sums;
        let index = *self.groups[group].sums.entry((price, tier)).or_insert_with(|| {
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
            let (price, position) = (group.last_price, group.position.clone());
            let curve = &plan.curves[price];
            let Some(package) = curve.package.as_ref().filter(|_| group.billable.is_positive()) else { continue };
            let packages = group.billable.checked_div(package).unwrap_or_default().ceil_to_integer();
            let end = &position + packages * package - &group.billable;
            let parts = split(curve, &position, &position, &end);
            if !curve.is_graduated() {
                let flat: Exact = parts.iter().map(|part| &part.billed_cost).sum();
                let difference = curve.between(&position, &end) - flat;
                *self.groups[index].adjustments.entry(price).or_default() += difference;
            }
            for part in parts {
                self.sum(index, price, part.tier).padding += part.consumed;
            }
        }
    }
}

/// Splits the quantities from `start` to `end`, free up to `free_end`, over the tiers of a curve.
fn split(curve: &Curve, start: &Exact, free_end: &Exact, end: &Exact) -> Vec<Part> {
    let mut parts = Vec::with_capacity(1);
    for (tier, bounds) in curve.tiers.iter().enumerate().skip(curve.tier_at(start)) {
        if bounds.from >= *end {
            break;
        }
        let consumed = bounds.overlap(start, end);
        let free = if free_end > start { bounds.overlap(start, free_end) } else { Exact::zero() };
        let list_cost = &consumed * &bounds.unit_price;
        let billed_cost = match free.is_zero() {
            true => list_cost.clone(),
            false => (&consumed - &free) * &bounds.unit_price,
        };
        if consumed.is_positive() {
            parts.push(Part { tier, consumed, free, list_cost, billed_cost });
        }
    }
    parts
}
