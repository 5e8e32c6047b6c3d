//! What changed between two sets of price books: SKUs, prices, rules, allowances, plans
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    book::{Allowance, CommitmentKind, CommitmentPlan, CommittedRates, Grant, PriceBook, Sku},
    catalogue::Catalogue,
    exact::Exact,
    unit::Window,
};

/// One thing that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// The SKU, allowance or plan, with provider and service in front: `aws.lambda.requests`.
    pub item: String,
    /// What of it: `price`, `price in tier1 from 2024-01-01, tier 2`, `rule`, `unit`, …
    pub what: String,
    /// As it was; absent when it is new.
    pub before: Option<String>,
    /// As it is; absent when it is gone.
    pub after: Option<String>,
    /// How much a price rose, in percent; below 0 when it fell.
    pub percent: Option<Exact>,
}

/// A value of an item, and the price of one unit where it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact {
    text: String,
    unit_price: Option<Exact>,
}

impl Fact {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), unit_price: None }
    }
}

type Facts = BTreeMap<(String, String), Fact>;

/// Everything that differs between two catalogues, by item.
pub fn differences(before: &Catalogue, after: &Catalogue) -> Vec<Difference> {
    let (before, after) = (facts(before), facts(after));
    let names: BTreeSet<&(String, String)> = before.keys().chain(after.keys()).collect();
    let of = |facts: &Facts, item: &str| facts.keys().any(|(known, _)| known == item);
    let mut found = Vec::new();
    let mut whole = BTreeSet::new();
    for name in names {
        let (item, what) = name;
        let (old, new) = (before.get(name), after.get(name));
        if old == new {
            continue;
        }
        // An item that is only on one side is told once, not fact by fact.
        if !of(&before, item) || !of(&after, item) {
            if whole.insert(item) {
                let there = Some("there".to_owned());
                let (before, after) = if of(&after, item) { (None, there) } else { (there, None) };
                found.push(Difference {
                    item: item.clone(),
                    what: "all of it".to_owned(),
                    before,
                    after,
                    percent: None,
                });
            }
            continue;
        }
        let price = |fact: Option<&Fact>| fact.and_then(|fact| fact.unit_price.clone());
        let percent = price(old).zip(price(new)).and_then(|(old, new)| {
            (new - &old).checked_div(&old).map(|part| (part * Exact::from(100)).rounded_half_up(2))
        });
        found.push(Difference {
            item: item.clone(),
            what: what.clone(),
            before: old.map(|fact| fact.text.clone()),
            after: new.map(|fact| fact.text.clone()),
            percent,
        });
    }
    found
}

fn facts(catalogue: &Catalogue) -> Facts {
    let mut facts = Facts::new();
    for book in catalogue.books() {
        let book_name = format!("{}.{}", book.provider, book.service);
        let mut put = |what: &str, text: &str| {
            facts.insert((book_name.clone(), what.to_owned()), Fact::text(text));
        };
        put("currency", &book.currency);
        put("time zone", &book.zone.to_string());
        for sku in &book.skus {
            sku_facts(book, sku, &mut facts);
        }
        for allowance in &book.allowances {
            let skus = book
                .skus
                .iter()
                .filter(|sku| sku.allowances.iter().any(|place| book.allowances[*place].id == allowance.id));
            let skus: BTreeSet<&str> = skus.map(|sku| sku.base.as_str()).collect();
            let item = format!("{book_name}.{}", allowance.id);
            facts.insert((item, "allowance".to_owned()), Fact::text(allowance_text(allowance, &skus)));
        }
        for plan in &book.commitments {
            plan_facts(plan, &mut facts);
        }
    }
    facts
}

fn sku_facts(book: &PriceBook, sku: &Sku, facts: &mut Facts) {
    let mut put = |what: String, fact: Fact| drop(facts.insert((sku.name.clone(), what), fact));
    put("table".into(), Fact::text(sku.table.name()));
    put("services".into(), Fact::text(sku.services.join(", ")));
    put("filter".into(), Fact::text(sku.filter.as_ref().map_or_else(|| "every row".to_owned(), ToString::to_string)));
    put("unit".into(), Fact::text(sku.unit.text()));
    put("scope".into(), Fact::text(sku.scope.join(", ")));
    put("month".into(), Fact::text(format!("{:?}", sku.month)));
    if sku.scale != Exact::one() {
        put("scale".into(), Fact::text(sku.scale.to_string()));
    }
    if let Some(window) = sku.maximum_per {
        put("maximum per".into(), Fact::text(window.name()));
    }
    for meter in &sku.meters {
        let since = meter.from.map_or(String::new(), |day| format!(" from {day}"));
        put(format!("rule{since}"), Fact::text(meter.quantity.to_string()));
    }
    for price in &sku.prices {
        let region = price.region.as_ref().map_or(String::new(), |set| format!(" in {set}"));
        let since = price.from.map_or(String::new(), |day| format!(" from {day}"));
        let name = format!("price{region}{since}");
        let regions = price.region.as_ref().and_then(|set| book.regions.get(set));
        if let Some(regions) = regions {
            put(format!("{name}: regions"), Fact::text(regions.iter().cloned().collect::<Vec<_>>().join(", ")));
        }
        put(format!("{name}: until"), Fact::text(price.to.map_or("open".to_owned(), |day| day.to_string())));
        let mut extras = Vec::new();
        extras.extend(price.volume.then(|| "volume".to_owned()));
        extras.extend(price.package.as_ref().map(|package| format!("in packages of {package}")));
        extras.extend(price.minimum_charge.as_ref().map(|minimum| format!("at least {minimum}")));
        put(
            format!("{name}: model"),
            Fact::text(if extras.is_empty() { "graduated".to_owned() } else { extras.join(", ") }),
        );
        for (number, tier) in price.tiers.iter().enumerate() {
            let what = if price.tiers.len() == 1 { name.clone() } else { format!("{name}, tier {}", number + 1) };
            let up_to =
                tier.up_to.as_ref().map_or(String::new(), |bound| format!(" up to {bound} {}", price.tier_unit));
            // Any month will do: both sides have the same.
            let per = price.per.factor(&sku.unit, 2_592_000_000_000).unwrap_or_default();
            let text = format!("{} {} per {}{up_to} ({})", tier.published, book.currency, price.per, tier.mark);
            put(what, Fact { text, unit_price: tier.price.checked_div(&per) });
        }
    }
}

fn allowance_text(allowance: &Allowance, skus: &BTreeSet<&str>) -> String {
    let grant = match &allowance.grant {
        Grant::Quantity { quantity, unit } => format!("{quantity} {unit}"),
        Grant::Credit(credit) => format!("credit {credit}"),
    };
    let window = allowance.window.map_or("month", Window::name);
    let mut text = format!("{grant} a {window} per {}", allowance.scope.join(", "));
    let day = |name: &str, day: Option<chrono::NaiveDate>| day.map_or(String::new(), |day| format!(", {name} {day}"));
    text += &(day("from", allowance.from) + &day("until", allowance.to));
    if let Some(region) = &allowance.region {
        text += &format!(", in {region}");
    }
    if let Some(months) = allowance.expires_months {
        text += &format!(", for {months} months");
    }
    text += &day("for accounts opened before", allowance.opened_before);
    if allowance.always {
        text += ", always";
    }
    if allowance.on_request {
        text += ", on request";
    }
    text + ", for " + &skus.iter().copied().collect::<Vec<_>>().join(", ")
}

fn plan_facts(plan: &CommitmentPlan, facts: &mut Facts) {
    let mut put = |what: String, fact: Fact| drop(facts.insert((plan.name.clone(), what), fact));
    let kind = if plan.kind == CommitmentKind::Usage { "usage" } else { "spend" };
    put("kind".into(), Fact::text(format!("{kind}, priority {}", plan.priority)));
    put("covers".into(), Fact::text(plan.skus.join(", ")));
    let per = plan.per.as_ref().map_or(String::new(), |per| format!(" per {per}"));
    let mut rate = |key: &str, rate: &Exact, text: &str| {
        let what = if key.is_empty() { "rate".to_owned() } else { format!("rate of {key}") };
        put(what, Fact { text: format!("{text}{per}"), unit_price: Some(rate.clone()) });
    };
    match &plan.rates {
        CommittedRates::One(amount, text) => rate("", amount, text),
        CommittedRates::ByKey(rates) => rates.iter().for_each(|(key, (amount, text))| rate(key, amount, text)),
        CommittedRates::Percent(percent) => put("rate".into(), Fact::text(format!("{percent} % off"))),
    }
    for (key, fee) in &plan.upfront {
        put(format!("upfront {key}"), Fact { text: fee.to_string(), unit_price: Some(fee.clone()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: &str = r#"provider = "x"
service = "y"
[sources]
S = "s"
[regions]
near = ["a", "b"]
[[sku]]
id = "runs"
table = "requests"
unit = "request"
quantity = "1"
price = [{ per = "1_000 request", tiers = [{ up_to = "10", price = "4" }, { price = "2" }], source = "S", mark = "seen" }]
[[sku]]
id = "gone"
table = "requests"
filter = "operation = 'gone'"
unit = "request"
price = [{ price = "1", per = "request", source = "S", mark = "seen" }]
[[allowance]]
id = "free"
skus = ["runs"]
quantity = "5"
unit = "request"
"#;

    fn catalogue(text: &str) -> Catalogue {
        Catalogue::of_files([("x/y".to_owned(), text.to_owned())]).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn nothing_differs_from_itself() {
        assert_eq!(differences(&catalogue(BOOK), &catalogue(BOOK)), []);
        let words = BOOK.replace("S = \"s\"", "S = \"another address\"");
        assert_eq!(differences(&catalogue(BOOK), &catalogue(&words)), []);
    }

    #[test]
    fn prices_rules_allowances_and_whole_skus_are_told() {
        let after = BOOK
            .replace("price = \"2\" }]", "price = \"2.5\" }]")
            .replace("quantity = \"1\"", "quantity = \"coalesce(units, 1)\"")
            .replace("quantity = \"5\"", "quantity = \"6\"")
            .replace("id = \"gone\"", "id = \"new\"");
        let found = differences(&catalogue(BOOK), &catalogue(&after));
        let texts: Vec<String> = found
            .iter()
            .map(|one| {
                let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
                format!(
                    "{} | {} | {} | {} | {:?}",
                    one.item,
                    one.what,
                    text(&one.before),
                    text(&one.after),
                    one.percent.as_ref().map(Exact::to_string)
                )
            })
            .collect();
        assert_eq!(
            texts,
            [
                "x.y.free | allowance | 5 request a month per account, for runs | 6 request a month per account, for runs | None",
                "x.y.gone | all of it | there | - | None",
                "x.y.new | all of it | - | there | None",
                "x.y.runs | price, tier 2 | 2 USD per 1_000 request (seen) | 2.5 USD per 1_000 request (seen) | Some(\"25\")",
                "x.y.runs | rule | 1 | coalesce(units, 1) | None",
            ]
        );
        // The same price for another number is no difference in money.
        let other = BOOK.replace(
            "per = \"1_000 request\", tiers = [{ up_to = \"10\", price = \"4\" }, { price = \"2\" }]",
            "per = \"2_000 request\", tiers = [{ up_to = \"10\", price = \"8\" }, { price = \"4\" }]",
        );
        let found = differences(&catalogue(BOOK), &catalogue(&other));
        assert!(found.iter().all(|one| one.percent == Some(Exact::zero())), "{found:?}");
    }
}
