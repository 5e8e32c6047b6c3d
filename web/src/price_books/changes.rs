//! What changed in a book between two days: prices tier by tier, rules, allowances, plans.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use paygrain_pricing::book::{CommitmentPlan, in_force};
use paygrain_pricing::{Exact, Meter, Price, PriceBook, Sku, Tier};
use serde::Serialize;

use super::rows::{unit_factor, unit_words};
use super::views::AllowanceView;
use crate::number;

/// One thing that is not the same on the later day. Serialises as the API answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The SKU, allowance or plan, with provider and service in front.
    pub item: String,
    /// What of it: `price`, `price in tier1 above 6,000,000 request`, `rule`, `allowance`, `plan`.
    pub what: String,
    /// As it was on the earlier day; absent when it is new.
    pub before: Option<String>,
    /// As it is on the later day; absent when it is gone.
    pub after: Option<String>,
    /// How much a price rose, in percent, to two decimals; below 0 when it fell.
    pub percent: Option<Exact>,
    /// The day since which it is as it is on the later day, where the book says so.
    pub since: Option<NaiveDate>,
}

/// Everything of the SKUs, and of the book's allowances and plans, that is not the same on both days.
pub fn changes<'a>(
    book: &PriceBook,
    skus: impl IntoIterator<Item = &'a Sku>,
    whole_book: bool,
    from: NaiveDate,
    to: NaiveDate,
) -> Vec<Change> {
    let mut found = Vec::new();
    for sku in skus {
        prices(book, sku, from, to, &mut found);
        rules(sku, from, to, &mut found);
    }
    if whole_book {
        allowances(book, from, to, &mut found);
        plans(book, from, to, &mut found);
    }
    found
}

/// The price of a set of regions on a day.
fn price_on<'a>(sku: &'a Sku, region: Option<&String>, day: NaiveDate) -> Option<&'a Price> {
    sku.prices.iter().find(|price| price.region.as_ref() == region && in_force(price.from, price.to, day))
}

fn prices(book: &PriceBook, sku: &Sku, from: NaiveDate, to: NaiveDate, found: &mut Vec<Change>) {
    let regions: BTreeSet<Option<&String>> = sku.prices.iter().map(|price| price.region.as_ref()).collect();
    for region in regions {
        let (before, after) = (price_on(sku, region, from), price_on(sku, region, to));
        let place = region.map_or(String::new(), |set| format!(" in {set}"));
        let since = match (before, after) {
            (_, Some(after)) => after.from,
            (Some(_), None) => {
                let ends = sku.prices.iter().filter(|price| price.region.as_ref() == region);
                ends.filter_map(|price| price.to).filter(|end| *end <= to).max()
            }
            (None, None) => None,
        };
        let same_entry = match (before, after) {
            (None, None) => true,
            (Some(before), Some(after)) => std::ptr::eq(before, after),
            _ => false,
        };
        if same_entry {
            continue;
        }
        let mut note = |what: String, before: Option<String>, after: Option<String>, percent: Option<Exact>| {
            found.push(Change { item: sku.name.clone(), what, before, after, percent, since });
        };
        for start in starts(sku, [before, after]) {
            let at = |price: Option<&Price>| {
                price.and_then(|price| Some((price.per.clone(), tier_at(sku, price, &start)?.clone())))
            };
            let (old, new) = (at(before), at(after));
            let unit_price = |side: &Option<(_, Tier)>| {
                let (per, tier) = side.as_ref()?;
                tier.price.checked_div(&unit_factor(per, &sku.unit)?)
            };
            let text = |side: &Option<(paygrain_pricing::Unit, Tier)>| {
                side.as_ref().map(|(per, tier)| {
                    format!("{} per {}", number::rate(&tier.price, &book.currency), unit_words(per.text()))
                })
            };
            let (old_price, new_price) = (unit_price(&old), unit_price(&new));
            if old_price.is_some() && old_price == new_price || text(&old) == text(&new) {
                continue;
            }
            let above = match start.is_zero() {
                true => String::new(),
                false => format!(" above {} {}", number::quantity(&start), unit_words(sku.unit.text())),
            };
            let percent = old_price.zip(new_price).and_then(|(old, new)| percent(&old, &new));
            note(format!("price{place}{above}"), text(&old), text(&new), percent);
        }
        if let (Some(before), Some(after)) = (before, after)
            && conditions(before, &book.currency) != conditions(after, &book.currency)
        {
            let (before, after) = (conditions(before, &book.currency), conditions(after, &book.currency));
            note(format!("conditions{place}"), Some(before), Some(after), None);
        }
    }
}

/// Where any tier of the prices begins, in the SKU's unit.
fn starts(sku: &Sku, prices: [Option<&Price>; 2]) -> BTreeSet<Exact> {
    let mut starts = BTreeSet::from([Exact::zero()]);
    for price in prices.into_iter().flatten() {
        starts.extend(price.tiers.iter().filter_map(|tier| end_of(sku, price, tier)));
    }
    starts
}

/// Where a tier ends, in the SKU's unit.
fn end_of(sku: &Sku, price: &Price, tier: &Tier) -> Option<Exact> {
    let factor = unit_factor(&price.tier_unit, &sku.unit).unwrap_or_else(Exact::one);
    tier.up_to.as_ref().map(|bound| bound * &factor)
}

/// The tier that holds just above a quantity.
fn tier_at<'a>(sku: &Sku, price: &'a Price, quantity: &Exact) -> Option<&'a Tier> {
    price.tiers.iter().find(|tier| end_of(sku, price, tier).is_none_or(|end| *quantity < end))
}

fn conditions(price: &Price, currency: &str) -> String {
    let mut parts =
        vec![if price.volume { "all units at the price of the tier reached" } else { "tier by tier" }.to_owned()];
    parts.extend(price.package.as_ref().map(|package| format!("in whole packages of {}", unit_words(package.text()))));
    let least = price.minimum_charge.as_ref().map(|least| number::rate(least, currency));
    parts.extend(least.map(|least| format!("at least {least} a month")));
    parts.join(", ")
}

fn percent(old: &Exact, new: &Exact) -> Option<Exact> {
    (new - old).checked_div(old).map(|part| (part * Exact::from(100)).rounded_half_up(2))
}

fn rules(sku: &Sku, from: NaiveDate, to: NaiveDate, found: &mut Vec<Change>) {
    // One rule for all keys of a price table is told once.
    let item = match sku.key {
        Some(_) => format!("{}{}", &sku.name[..sku.name.len() - sku.id.len()], sku.base),
        None => sku.name.clone(),
    };
    if found.iter().any(|change| change.item == item && change.what == "rule") {
        return;
    }
    let text = |meter: Option<&Meter>| meter.map(|meter| meter.quantity.to_string());
    let (old, new) = (sku.meter_on(from), sku.meter_on(to));
    let (before, after) = (text(old), text(new));
    if before != after {
        let since = new.map_or_else(|| old.and_then(|meter| meter.to), |meter| meter.from);
        found.push(Change { item, what: "rule".into(), before, after, percent: None, since });
    }
}

fn allowances(book: &PriceBook, from: NaiveDate, to: NaiveDate, found: &mut Vec<Change>) {
    let mut seen = BTreeSet::new();
    for (place, allowance) in book.allowances.iter().enumerate() {
        if !seen.insert(&allowance.id) {
            continue;
        }
        let text = |day: NaiveDate| {
            let views = AllowanceView::all(book, day);
            let given: Vec<String> = views
                .iter()
                .filter(|view| view.id == allowance.id && view.in_force)
                .map(|view| {
                    let region = view.region.as_ref().map_or(String::new(), |set| format!(" in {set}"));
                    format!(
                        "{} a {} per {}{region}, {}",
                        view.gives_words(),
                        view.each,
                        view.scope.join(" and "),
                        view.given
                    )
                })
                .collect();
            (!given.is_empty()).then(|| given.join("; "))
        };
        let (before, after) = (text(from), text(to));
        if before != after {
            let known = &book.allowances[place..];
            let days = known.iter().filter(|other| other.id == allowance.id).flat_map(|other| [other.from, other.to]);
            let since = days.flatten().filter(|day| from < *day && *day <= to).max();
            let item = format!("{}.{}.{}", book.provider, book.service, allowance.id);
            found.push(Change { item, what: "allowance".into(), before, after, percent: None, since });
        }
    }
}

fn plans(book: &PriceBook, from: NaiveDate, to: NaiveDate, found: &mut Vec<Change>) {
    for plan in &book.commitments {
        let text = |plan: &CommitmentPlan, day| in_force(plan.from, plan.to, day).then(|| "can be bought".to_owned());
        let (before, after) = (text(plan, from), text(plan, to));
        if before != after {
            let since = if after.is_some() { plan.from } else { plan.to };
            found.push(Change { item: plan.name.clone(), what: "plan".into(), before, after, percent: None, since });
        }
    }
}

#[cfg(test)]
mod tests {
    use paygrain_pricing::Catalogue;

    use super::*;
    use crate::price_books::find;

    fn between(book: &str, from: &str, to: &str) -> Vec<String> {
        let catalogue = Catalogue::embedded().unwrap();
        let (provider, service) = book.split_once('/').unwrap();
        let book = find(&catalogue, provider, service).unwrap();
        let found = changes(book, &book.skus, true, from.parse().unwrap(), to.parse().unwrap());
        let side = |side: Option<String>| side.unwrap_or_else(|| "-".into());
        found
            .into_iter()
            .map(|one| {
                let percent = one.percent.map_or("-".into(), |percent| percent.to_string());
                let since = one.since.map_or("-".into(), |day| day.to_string());
                format!(
                    "{} | {} | {} | {} | {percent} | {since}",
                    one.item,
                    one.what,
                    side(one.before),
                    side(one.after)
                )
            })
            .collect()
    }

    #[test]
    fn tiers_that_came_are_told_where_they_begin() {
        // Lambda got tiers on 2022-08-08; below the first boundary nothing changed.
        let found = between("aws/lambda", "2022-08-07", "2022-08-08");
        assert_eq!(
            found,
            [
                "aws.lambda.duration-x86 | price above 6,000,000,000 GiB-s | $0.0000166667 per GiB-s | $0.000015 per GiB-s | -10 | 2022-08-08",
                "aws.lambda.duration-x86 | price above 15,000,000,000 GiB-s | $0.0000166667 per GiB-s | $0.0000133334 per GiB-s | -20 | 2022-08-08",
                "aws.lambda.duration-arm | price above 7,500,000,000 GiB-s | $0.0000133334 per GiB-s | $0.0000120001 per GiB-s | -10 | 2022-08-08",
                "aws.lambda.duration-arm | price above 18,750,000,000 GiB-s | $0.0000133334 per GiB-s | $0.0000106667 per GiB-s | -20 | 2022-08-08",
            ]
        );
    }

    #[test]
    fn rules_and_new_prices_are_told_with_their_day() {
        let found = between("aws/lambda", "2020-11-30", "2020-12-01");
        assert!(
            found.iter().any(|one| one.starts_with("aws.lambda.duration-x86 | rule | coalesce(billed_us, ceil_to(")),
            "{found:?}"
        );
        assert!(found.iter().all(|one| one.ends_with("2020-12-01")), "{found:?}");
        let found = between("aws/lambda", "2014-01-01", "2026-11-23");
        let requests: Vec<_> = found.iter().filter(|one| one.starts_with("aws.lambda.requests |")).collect();
        assert_eq!(requests, ["aws.lambda.requests | price | - | $0.20 per 1,000,000 request | - | 2014-11-13"]);
    }

    #[test]
    fn nothing_differs_from_itself_and_the_way_back_is_the_way() {
        let catalogue = Catalogue::embedded().unwrap();
        let [early, late]: [NaiveDate; 2] = ["2019-06-01".parse().unwrap(), "2026-11-23".parse().unwrap()];
        for book in catalogue.books() {
            assert_eq!(changes(book, &book.skus, true, late, late), [], "{}", book.name);
            let there = changes(book, &book.skus, true, early, late);
            let back = changes(book, &book.skus, true, late, early);
            let sides = |one: &Change| (one.item.clone(), one.what.clone(), one.before.clone(), one.after.clone());
            let turned = |one: &Change| (one.item.clone(), one.what.clone(), one.after.clone(), one.before.clone());
            let there: Vec<_> = there.iter().map(sides).collect();
            assert_eq!(there, back.iter().map(turned).collect::<Vec<_>>(), "{}", book.name);
        }
    }
}
