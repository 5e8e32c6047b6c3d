//! Prices as rows: one per tier, region set and period, with every digit and where it was published.

use chrono::NaiveDate;
use paygrain_pricing::book::in_force;
use paygrain_pricing::period::DAY_US;
use paygrain_pricing::{Exact, Price, PriceBook, Sku, Unit};
use serde::Serialize;

use crate::number;

/// One price: a tier of a SKU in a period and a set of regions. Serialises as the API answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PriceRow {
    /// Full name of the SKU: `aws.lambda.duration-x86`.
    pub sku: String,
    /// The key, of a SKU per key.
    pub key: Option<String>,
    /// Named set of regions; absent: every region that no other price names.
    pub region: Option<String>,
    /// First day, inclusive.
    pub from: Option<NaiveDate>,
    /// Last day, exclusive.
    pub to: Option<NaiveDate>,
    /// Whether it holds on the day asked for.
    pub in_force: bool,
    /// Number of the tier, from 1.
    pub tier: u64,
    /// Quantity at which the tier begins, in `tier_unit`.
    pub tier_from: Exact,
    /// Quantity at which it ends; the last is open.
    pub tier_to: Option<Exact>,
    /// Unit of the boundaries.
    pub tier_unit: String,
    /// ISO 4217 code.
    pub currency: String,
    /// The price of one `per`.
    pub price: Exact,
    /// What the price is for, with its number: `1_000_000 request`.
    pub per: String,
    /// The price of one unit of the SKU; absent where it depends on the length of a month.
    pub unit_price: Option<Exact>,
    /// `graduated`, or `volume`: all units at the price of the tier reached.
    pub model: &'static str,
    /// The month's quantity is rounded up to whole packages of this size.
    pub package: Option<String>,
    /// Least charge of a month with any usage.
    pub minimum_charge: Option<Exact>,
    /// How sure it is: `seen`, `derived`, `remembered` or `none`.
    pub mark: String,
    /// The price as its source prints it.
    pub published: String,
    /// Key of the source, and the place in it.
    pub source: String,
    /// Its address, or words where there is none.
    pub source_address: String,
}

impl PriceRow {
    /// When it holds, in words; the last day is inclusive.
    pub fn days(&self) -> String {
        days(self.from, self.to)
    }

    /// Which quantities it is for, in words; nothing where it is for all.
    pub fn quantities(&self) -> Option<String> {
        let unit = self.per_words_of(&self.tier_unit);
        let from = number::quantity(&self.tier_from);
        match (&self.tier_to, self.tier_from.is_zero()) {
            (None, true) => None,
            (Some(to), true) => Some(format!("first {} {unit}", number::quantity(to))),
            (Some(to), false) => Some(format!("{from} to {} {unit}", number::quantity(to))),
            (None, false) => Some(format!("above {from} {unit}")),
        }
    }

    /// The unit of the price as people read it: `1,000,000 request`.
    pub fn per_words(&self) -> String {
        self.per_words_of(&self.per)
    }

    fn per_words_of(&self, unit: &str) -> String {
        unit_words(unit)
    }

    /// What else the price depends on: packages, a minimum, volume prices.
    pub fn conditions(&self) -> Option<String> {
        let mut parts = Vec::new();
        parts.extend((self.model == "volume").then(|| "all units at the price of the tier reached".to_owned()));
        parts.extend(self.package.as_ref().map(|package| format!("in whole packages of {}", unit_words(package))));
        let minimum = self.minimum_charge.as_ref().map(|least| number::rate(least, &self.currency));
        parts.extend(minimum.map(|least| format!("at least {least} a month")));
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// The price by the million where it is for one unit and far below a cent: so many hours nobody has.
    pub fn per_million(&self) -> Option<Exact> {
        let is_of_one = self.per.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        let is_tiny = Exact::ratio(1, 1000).is_some_and(|least| self.price < least);
        (is_of_one && is_tiny).then(|| number::per_million(&self.price))?
    }
}

/// The prices of a SKU, tier by tier, in the order of the book.
pub fn of_sku(book: &PriceBook, sku: &Sku, on: NaiveDate) -> Vec<PriceRow> {
    sku.prices.iter().flat_map(|price| of_price(book, sku, price, on)).collect()
}

fn of_price(book: &PriceBook, sku: &Sku, price: &Price, on: NaiveDate) -> Vec<PriceRow> {
    let mut tier_from = Exact::zero();
    let mut rows = Vec::new();
    for (tier, number) in price.tiers.iter().zip(1..) {
        let begins = std::mem::replace(&mut tier_from, tier.up_to.clone().unwrap_or_default());
        rows.push(PriceRow {
            sku: sku.name.clone(),
            key: sku.key.as_ref().map(|key| key.value.clone()),
            region: price.region.clone(),
            from: price.from,
            to: price.to,
            in_force: in_force(price.from, price.to, on),
            tier: number,
            tier_from: begins,
            tier_to: tier.up_to.clone(),
            tier_unit: price.tier_unit.text().to_owned(),
            currency: book.currency.clone(),
            price: tier.price.clone(),
            per: price.per.text().to_owned(),
            unit_price: unit_factor(&price.per, &sku.unit).and_then(|factor| tier.price.checked_div(&factor)),
            model: if price.volume { "volume" } else { "graduated" },
            package: price.package.as_ref().map(|package| package.text().to_owned()),
            minimum_charge: price.minimum_charge.clone(),
            mark: tier.mark.clone(),
            published: price.published.clone(),
            source: price.source.clone(),
            source_address: book.source_address(&price.source).to_owned(),
        });
    }
    rows
}

/// Any length of a month serves where both units have one, or neither.
const ANY_MONTH_US: i64 = 30 * DAY_US;

/// How many of one unit another is, where that does not depend on the length of a month.
pub fn unit_factor(from: &Unit, to: &Unit) -> Option<Exact> {
    (from.has_month() == to.has_month()).then(|| from.factor(to, ANY_MONTH_US).ok())?
}

/// A half-open range of days in words, the last day inclusive.
pub fn days(from: Option<NaiveDate>, to: Option<NaiveDate>) -> String {
    let words = |day: NaiveDate| day.format("%-d %b %Y").to_string();
    let last = to.map(|to| words(to.pred_opt().unwrap_or(to)));
    match (from.map(words), last) {
        (None, None) => "always".into(),
        (Some(from), None) => format!("since {from}"),
        (None, Some(last)) => format!("until {last}"),
        (Some(from), Some(last)) => format!("{from} to {last}"),
    }
}

/// A unit of a book as people read it: `1_000_000 request` is `1,000,000 request`.
pub fn unit_words(unit: &str) -> String {
    match unit.split_once(' ') {
        Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') => {
            format!("{} {rest}", paygrain_pricing::grouped(&number.replace('_', "")))
        }
        _ => unit.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<NaiveDate> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_last_day_is_told_inclusive() {
        for (from, to, words) in [
            (None, None, "always"),
            (day("2022-08-08"), None, "since 8 Aug 2022"),
            (None, day("2020-01-01"), "until 31 Dec 2019"),
            (day("2020-01-01"), day("2022-08-08"), "1 Jan 2020 to 7 Aug 2022"),
        ] {
            assert_eq!(days(from, to), words);
        }
        let [first, next] = [day("2020-01-01"), day("2020-01-02")];
        assert!(in_force(first, next, first.unwrap()) && !in_force(first, next, next.unwrap()));
    }

    #[test]
    fn numbers_of_units_are_grouped() {
        for (unit, words) in
            [("1_000_000 request", "1,000,000 request"), ("128 MiB-s", "128 MiB-s"), ("GiB-month", "GiB-month")]
        {
            assert_eq!(unit_words(unit), words);
        }
    }
}
