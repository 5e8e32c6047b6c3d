//! A charge taken apart: every rule that made it, in words and figures
use serde::Serialize;

use self::words::Words;
use crate::{
    book::{Price, PriceBook, Sku},
    catalogue::Catalogue,
    charge::Charge,
    exact::Exact,
    unit::Unit,
};

#[cfg(test)]
mod tests;
mod words;

/// What the quantity of a SKU in one scope was before the per-record rules rounded it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BeforeRounding {
    /// The sum without roundings, minimums and reported durations, in the SKU's unit.
    pub quantity: Exact,
    /// Records whose billed duration the provider reported: it counts instead of the rule.
    pub reported_count: u64,
}

/// Why a charge is what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Breakdown {
    /// The arithmetic in words, a step a line.
    pub steps: Vec<String>,
    /// The quantity before per-record rounding, of all tiers together; absent where nothing rounds or it is not known.
    pub before_rounding: Option<BeforeRounding>,
    /// Every tier of the price and what fell in it; one line where the price is flat.
    pub tiers: Vec<TierLine>,
}

/// One tier of a charge's price, and what fell in it in the charge's scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TierLine {
    /// The tier, from 1.
    pub tier: u32,
    /// Cumulative quantity at which it starts, in the pricing unit.
    pub from: Exact,
    /// Cumulative quantity at which it ends; the last is open.
    pub to: Option<Exact>,
    /// List price of one pricing unit, in the charge's currency.
    pub unit_price: Exact,
    /// The price as published.
    pub published_price: String,
    /// Quantity in the tier, free part included.
    pub consumed_quantity: Exact,
    /// Part of it that allowances made free.
    pub free_quantity: Exact,
    /// What the tier is billed; all of it when the month ended there.
    pub billed_cost: Exact,
    /// Whether it is the tier of the charge that is explained.
    pub is_explained: bool,
}

impl Breakdown {
    /// Takes one of the charges of a bill or an estimate apart. The other charges say what fell in the other tiers and
    /// who else drew on an allowance.
    ///
    /// # Panics
    /// When `charge` is not an index into `charges`.
    pub fn of(catalogue: &Catalogue, charges: &[Charge], charge: usize, before: Option<BeforeRounding>) -> Self {
        let charge = &charges[charge];
        let sku = catalogue.find_sku(&charge.sku);
        let known = sku.map(|index| (catalogue.sku(index), catalogue.book_of(index)));
        let price = known.and_then(|(sku, book)| price_of(sku, book, charge).map(|price| (sku, book, price)));
        let tiers = price.map_or_else(Vec::new, |(sku, _, price)| tier_lines(sku, price, charges, charge));
        let mut words = Words { charge, charges, known, price: price.map(|(.., price)| price), steps: Vec::new() };
        if is_of_plan(charge) {
            words.plan();
        } else {
            words.quantity(before.as_ref());
            words.allowances();
            words.tiers(&tiers);
        }
        words.price();
        words.cost();
        Self { steps: words.steps, before_rounding: before, tiers }
    }
}

/// Whether a charge is a commitment's own, its fee or what is unused of it, and not usage.
fn is_of_plan(charge: &Charge) -> bool {
    charge.commitment.as_ref().is_some_and(|commitment| commitment.plan == charge.sku)
}

/// The price of a charge in its book.
fn price_of<'a>(sku: &'a Sku, book: &PriceBook, charge: &Charge) -> Option<&'a Price> {
    let region = charge.scope.region.as_deref();
    let fits = |price: &&Price| {
        let tier = price.tiers.get(charge.tier as usize - 1);
        price.from == charge.price_from
            && price.source == charge.source
            && tier.is_some_and(|tier| tier.published == charge.published_price)
    };
    let ending = price_ending(charge);
    let in_set = |price: &&Price| match &price.region {
        // The set's name is at the end of the charge's id where the price is for one.
        Some(set) => ending == set || ending.ends_with(&format!("@{set}")) || book.region_in(set, region),
        None => !book.regions.keys().any(|set| ending == set || ending.ends_with(&format!("@{set}"))),
    };
    sku.prices.iter().filter(fits).find(in_set).or_else(|| sku.prices.iter().find(fits))
}

/// What a charge's id says of its price, after the tier: first day, region set; not the discounts and commitments.
fn price_ending(charge: &Charge) -> &str {
    let tier = charge.id.rsplit('/').next().and_then(|tier| tier.split('+').next()).unwrap_or_default();
    tier.split_once('@').map_or("", |(_, ending)| ending)
}

/// Whether two charges are tiers of one price in one scope.
fn is_sibling(one: &Charge, other: &Charge) -> bool {
    one.sku == other.sku
        && one.scope == other.scope
        && one.price_from == other.price_from
        && price_ending(one) == price_ending(other)
}

fn tier_lines(sku: &Sku, price: &Price, charges: &[Charge], charge: &Charge) -> Vec<TierLine> {
    let month_us = sku.month_us(charge.period);
    let in_sku_unit = |unit: &Unit| unit.factor(&sku.unit, month_us).unwrap_or_default();
    let (per, tier_unit) = (in_sku_unit(&price.per), in_sku_unit(&price.tier_unit));
    let mut from = Exact::zero();
    let lines = price.tiers.iter().enumerate().map(|(index, tier)| {
        let number = index as u32 + 1;
        let to = tier.up_to.as_ref().map(|bound| bound * &tier_unit);
        let start = std::mem::replace(&mut from, to.clone().unwrap_or_default());
        let in_tier = || charges.iter().filter(|other| is_sibling(charge, other) && other.tier == number);
        TierLine {
            tier: number,
            from: start,
            to,
            unit_price: tier.price.checked_div(&per).unwrap_or_default() * &charge.exchange_rate,
            published_price: tier.published.clone(),
            consumed_quantity: in_tier().map(|other| &other.consumed_quantity).sum(),
            free_quantity: in_tier().map(|other| &other.free_quantity).sum(),
            billed_cost: in_tier().map(|other| &other.billed_cost).sum(),
            is_explained: number == charge.tier,
        }
    });
    lines.collect()
}
