//! Agreements: discounts, commitments, currencies, worked by hand
use crate::{
    agreement::Agreement,
    catalogue::Catalogue,
    estimate::{Estimate, EstimateRequest, estimate},
    exact::Exact,
};

/// Two machine sizes, a reserved and two money plans, and a metered thing with tiers.
const BOOK: &str = r#"provider = "x"
service = "vm"
[sources]
S = "s"
[[sku]]
id = "instance"
table = "metered"
filter = "meter = 'instance'"
by = "variant"
unit = "instance-h"
meter_unit = "instance"
quantity = "quantity * held_us"
price = [{ prices = { small = "0.10", large = "0.40" }, per = "instance-h", source = "S", mark = "seen" }]
[[sku]]
id = "work"
table = "requests"
unit = "request"
price = [{ per = "request", tiers = [{ up_to = "1_000", price = "0.02" }, { price = "0.01" }], source = "S", mark = "seen" }]
[[allowance]]
id = "free-work"
skus = ["work"]
quantity = "100"
unit = "request"
[[commitment]]
id = "reserved"
kind = "usage"
skus = ["instance"]
rates = { small = "0.06", large = "0.24" }
per = "instance-h"
upfronts = { large = "87.6" }
term_months = 12
source = "S"
mark = "seen"
[[commitment]]
id = "plan"
kind = "spend"
skus = ["instance", "work"]
percent = "25"
priority = 3
source = "S"
mark = "seen"
[[commitment]]
id = "family-plan"
kind = "spend"
skus = ["instance"]
rates = { small = "0.05", large = "0.30" }
per = "instance-h"
priority = 2
source = "S"
mark = "remembered"
"#;

fn estimated(agreement: &str, usage: &str) -> Estimate {
    let catalogue = Catalogue::with_files([("x/vm".to_owned(), BOOK.to_owned())]).unwrap();
    let text = format!(
        r#"{{"period": "2025-06", "provider": "x", "allowances": true, "agreement": {agreement}, "usage": [{usage}]}}"#
    );
    estimate(&catalogue, EstimateRequest::from_json(&text).unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

fn exact(text: &str) -> Exact {
    Exact::parse(text).unwrap()
}

/// Billed and effective cost of the charge whose id ends so.
fn cost(estimate: &Estimate, end: &str) -> (Exact, Exact) {
    let found: Vec<_> = estimate.charges.iter().filter(|charge| charge.id.ends_with(end)).collect();
    let ids: Vec<_> = estimate.charges.iter().map(|charge| &charge.id).collect();
    assert_eq!(found.len(), 1, "{end} in {ids:?}");
    (found[0].billed_cost.clone(), found[0].effective_cost.clone())
}

fn effective(estimate: &Estimate) -> Exact {
    estimate.charges.iter().map(|charge| &charge.effective_cost).sum()
}

#[test]
fn a_discount_lowers_the_price_of_every_tier() {
    // 1,500 requests, 100 free: 900 × 0.02 + 500 × 0.01 = 23, less 20 %: 18.4
    let work = r#"{"service": "vm", "count": 1500}"#;
    let found = estimated(r#"{"discounts": [{"id": "edp", "skus": ["x.vm.*"], "percent": "20"}]}"#, work);
    assert_eq!(found.total, exact("18.4"));
    let first = &found.charges[0];
    assert_eq!((&first.unit_price, &first.contracted_unit_price), (&exact("0.02"), &exact("0.016")));
    assert_eq!((&first.list_cost, &first.contracted_cost), (&exact("20"), &exact("16")));
    assert_eq!(first.billed_cost, exact("14.4"));
    assert_eq!(first.discounts[0].percent, exact("20"));
    // two multiply: 23 × 0.8 × 0.5
    let two = r#"{"discounts": [{"id": "a", "skus": ["x.vm.*"], "percent": "20"}, {"id": "b", "skus": ["x.vm.work"], "percent": "50"}]}"#;
    assert_eq!(estimated(two, work).total, exact("9.2"));
    // one that begins inside the period splits the charge
    let late = r#"{"discounts": [{"id": "late", "skus": ["x.vm.work"], "percent": "50", "from": "2025-06-16"}]}"#;
    let days =
        r#"{"service": "vm", "count": 300, "at": "2025-06-02"}, {"service": "vm", "count": 200, "at": "2025-06-20"}"#;
    let found = estimated(late, days);
    assert_eq!(cost(&found, "/tier-1").0, exact("4"));
    assert_eq!(cost(&found, "/tier-1+late").0, exact("2"));
}

#[test]
fn what_others_have_used_of_an_allowance_is_not_free() {
    let total = |percent: u32| {
        let usage = r#"{"service": "vm", "count": 1500}"#;
        let catalogue = Catalogue::with_files([("x/vm".to_owned(), BOOK.to_owned())]).unwrap();
        let text = format!(
            r#"{{"period": "2025-06", "provider": "x", "used_allowance_percent": {percent}, "usage": [{usage}]}}"#
        );
        estimate(&catalogue, EstimateRequest::from_json(&text).unwrap()).map(|found| found.total)
    };
    // 1,500 requests of which 100, 67 (33 % of 100 are gone) and none are free, in the first tier of 1,000.
    assert_eq!(total(0), Ok(exact("23")));
    assert_eq!(total(33), Ok(exact("23.66")));
    assert_eq!(total(100), Ok(exact("25")));
    let error = total(101).unwrap_err();
    assert_eq!(error.to_string(), "`used_allowance_percent` is 101: expected 0 to 100");
}

#[test]
fn reserved_units_cover_their_key_hour_by_hour() {
    // one large reserved all month (720 h), one used for 500 h: the other 220 h are lost; small is not covered
    let agreement = r#"{"commitments": [{"id": "ri", "plan": "x.vm.reserved", "key": "large", "quantity": "1", "from": "2025-06-01"}]}"#;
    let usage = r#"{"service": "vm", "meter": "instance", "variant": "large", "quantity": "1", "hours": "500"},
        {"service": "vm", "meter": "instance", "variant": "small", "quantity": "1", "hours": "10"}"#;
    let found = estimated(agreement, usage);
    let (billed, covered) = cost(&found, "instance:large/-/tier-1+ri");
    // 0.24 and a year's (8,760 h) share of 87.60: 0.25 an hour
    assert_eq!((billed, covered), (Exact::zero(), exact("125")));
    assert_eq!(cost(&found, "/ri/fee"), (exact("172.8"), Exact::zero()));
    assert_eq!(cost(&found, "/ri/upfront"), (exact("87.6"), Exact::zero()));
    assert_eq!(cost(&found, "/ri/unused"), (Exact::zero(), exact("55")));
    assert_eq!(cost(&found, "instance:small/-/tier-1").0, exact("1"));
    assert_eq!(found.total, exact("261.4"));
    // two at once: one covered, one on demand
    let two =
        r#"{"service": "vm", "resource": "a", "meter": "instance", "variant": "large", "quantity": "2", "hours": "3"}"#;
    let found = estimated(agreement, two);
    assert_eq!(cost(&found, "instance:large/-/tier-1").0, exact("1.2"));
    assert_eq!(cost(&found, "instance:large/-/tier-1+ri").1, exact("0.75"));
}

#[test]
fn money_goes_where_it_saves_most_and_plans_by_priority() {
    // an hour with a small (saves 50 %) and a large one (25 %): 0.20 pays the small's 0.05, then half a large at 0.30
    let agreement = r#"{"commitments": [{"id": "fam", "plan": "x.vm.family-plan", "quantity": "0.20"}]}"#;
    let usage = r#"{"service": "vm", "meter": "instance", "variant": "large", "quantity": "1", "from": "2025-06-03T05:00:00", "to": "2025-06-03T06:00:00"},
        {"service": "vm", "meter": "instance", "variant": "small", "quantity": "1", "from": "2025-06-03T05:00:00", "to": "2025-06-03T06:00:00"}"#;
    let found = estimated(agreement, usage);
    assert_eq!(cost(&found, "instance:small/-/tier-1+fam").1, exact("0.05"));
    assert_eq!(cost(&found, "instance:large/-/tier-1+fam").1, exact("0.15"));
    assert_eq!(cost(&found, "instance:large/-/tier-1").0, exact("0.2"));
    assert_eq!(cost(&found, "/fam/fee").0, exact("144"));
    assert_eq!(cost(&found, "/fam/unused").1, exact("143.8"));
    // every fee is spread over used and unused: effective and billed cost agree over the period
    assert_eq!(effective(&found), found.total);
    // the general plan, although bought first, comes after the family's: 0.30 of 0.15 + 0.05 … the rest at 25 % off
    let both = r#"{"commitments": [{"id": "all", "plan": "x.vm.plan", "quantity": "0.15"}, {"id": "fam", "plan": "x.vm.family-plan", "quantity": "0.20"}]}"#;
    let found = estimated(both, usage);
    assert_eq!(cost(&found, "instance:large/-/tier-1+fam").1, exact("0.15"));
    assert_eq!(cost(&found, "instance:large/-/tier-1+all").1, exact("0.15"));
    assert_eq!(effective(&found), found.total);
}

#[test]
fn allowances_come_before_commitments_and_usage_without_a_time_is_spread() {
    // 820 requests over 720 hours, 100 free at first; 0.015 an hour pays for one each at 0.015
    let agreement = r#"{"commitments": [{"id": "sp", "plan": "x.vm.plan", "quantity": "0.015"}]}"#;
    let found = estimated(agreement, r#"{"service": "vm", "count": 820}"#);
    let covered = found.charges.iter().find(|charge| charge.commitment.is_some()).unwrap();
    let free: Exact = found.charges.iter().map(|charge| &charge.free_quantity).sum();
    assert_eq!(free, exact("100"));
    let consumed: Exact =
        found.charges.iter().filter(|c| c.sku == "x.vm.work").map(|charge| &charge.consumed_quantity).sum();
    assert_eq!(consumed, exact("820"));
    // an hour has 820/720 requests: hours 1 to 87 are free, 585/720 of hour 88's too
    let hourly = Exact::ratio(820, 720).unwrap();
    let free_hours = Exact::from(100).checked_div(&hourly).unwrap();
    let whole = free_hours.floor_to_integer();
    let left_in_mixed = &hourly * (&whole + Exact::one()) - Exact::from(100);
    let expected = (Exact::from(719) - &whole) + left_in_mixed.min(Exact::one());
    assert_eq!(covered.consumed_quantity, expected);
    assert_eq!(effective(&found), found.total);
}

#[test]
fn a_bill_in_another_currency_is_converted_once_and_exactly() {
    let agreement = r#"{"billing_currency": "EUR", "exchange_rates": {"USD": "0.9"}}"#;
    let found = estimated(agreement, r#"{"service": "vm", "count": 1500}"#);
    assert_eq!((found.currency.as_str(), &found.total), ("EUR", &exact("20.7")));
    let first = &found.charges[0];
    assert_eq!((first.pricing_currency.as_str(), &first.unit_price), ("USD", &exact("0.018")));
    assert_eq!(first.list_cost, &first.consumed_quantity * &first.unit_price);
}

#[test]
fn what_no_book_has_is_refused_with_the_nearest_name() {
    let catalogue = Catalogue::with_files([("x/vm".to_owned(), BOOK.to_owned())]).unwrap();
    for (text, message, hint) in [
        ("discounts = [{ id = 'a', skus = ['x.vm.wrok'], percent = '1' }]", "no SKU is named `x.vm.wrok`", "x.vm.work"),
        ("discounts = [{ id = 'a', skus = ['x.vm.*'], percent = '101' }]", "outside 0 to 100", ""),
        (
            "commitments = [{ id = 'a', plan = 'x.vm.reservd', quantity = '1' }]",
            "no price book has the plan",
            "x.vm.reserved",
        ),
        (
            "commitments = [{ id = 'a', plan = 'x.vm.reserved', key = 'smal', quantity = '1' }]",
            "no `key` `smal`",
            "small",
        ),
        (
            "commitments = [{ id = 'a', plan = 'x.vm.reserved', key = 'large', quantity = '1' }]",
            "`from` is missing",
            "",
        ),
        ("commitments = [{ id = 'a', plan = 'x.vm.plan', quantity = '-1' }]", "below 0", ""),
        ("exchange_rates = { USD = '0.9' }", "without `billing_currency`", ""),
        ("billing_currency = 'EUR'\nexchange_rates = { USD = '0' }", "is 0", ""),
    ] {
        let error = Agreement::from_toml(text).unwrap().check(&catalogue).unwrap_err();
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(error.hint.unwrap_or_default().contains(hint), "{text}");
    }
    for text in ["discount = []", "discounts = [{ id = 'a', skus = ['*'], percent = 10.5 }]"] {
        assert!(Agreement::from_toml(text).is_err(), "{text}");
    }
}

#[test]
fn plans_that_cannot_work_are_problems_of_their_book() {
    for (from, to, message) in [
        ("skus = [\"instance\", \"work\"]", "skus = [\"wrok\"]", "no SKU `wrok` (did you mean `work`?)"),
        ("kind = \"usage\"", "kind = \"used\"", "unknown kind `used`"),
        (
            "rates = { small = \"0.06\", large = \"0.24\" }\nper = \"instance-h\"",
            "rate = \"1\"\nper = \"instance-month\"",
            "by the hour",
        ),
        ("percent = \"25\"", "percent = \"125\"", "above 100"),
        ("percent = \"25\"", "percent = \"25\"\nrate = \"1\"", "one of `rate`, `rates` and `percent`"),
        ("term_months = 12\n", "", "`term_months` is missing"),
        ("per = \"request\", tiers", "model = \"volume\", per = \"request\", tiers", "cannot be covered"),
        ("per = \"instance-h\"\npriority = 2", "per = \"GiB-h\"\npriority = 2", "dimension"),
    ] {
        assert!(BOOK.contains(from), "{from}");
        let error = Catalogue::with_files([("x/vm".to_owned(), BOOK.replace(from, to))]).unwrap_err();
        assert!(error.to_string().contains(message), "{to}: {error}");
    }
}
