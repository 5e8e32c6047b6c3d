//! Every kind of rule says what it did
use serde_json::json;

use super::*;
use crate::{
    charge::{AllowanceShare, CommitmentShare, DiscountShare},
    estimate::{EstimateRequest, explain_estimate},
};

/// A SKU per kind of rule.
const BOOK: &str = r#"
provider = "x"
service = "y"
version = "2026-01-01"
[sources]
S = "https://example.com/prices"
R = "remembered"
[[sku]]
id = "stepped"
table = "invocations"
unit = "GiB-s"
[[sku.meter]]
to = 2025-01-01
quantity = "ceil_to(duration_us, 100ms) * memory_mb"
source = "S:old"
mark = "seen"
[[sku.meter]]
from = 2025-01-01
quantity = "coalesce(billed_us, ceil_to(duration_us, 1s)) * memory_mb"
source = "S:new"
mark = "derived"
[[sku.price]]
from = 2024-01-01
to = 2027-01-01
price = "0.00002"
per = "GiB-s"
source = "S"
mark = "seen"
[[sku]]
id = "minimum"
table = "invocations"
filter = "variant = 'minimum'"
quantity = "greatest(duration_us, 1min)"
unit = "s"
price = [{ price = "0.01", per = "s", source = "R", mark = "remembered" }]
[[sku]]
id = "chunked"
table = "requests"
filter = "operation = 'chunked'"
quantity = "greatest(ceil_div(request_bytes, 64KiB), 1)"
unit = "request"
price = [{ price = "0.4", per = "1_000_000 request", source = "S", mark = "seen" }]
[[sku]]
id = "graduated"
table = "requests"
filter = "operation in ('graduated', 'other')"
unit = "request"
price = [{ tiers = [{ up_to = "100", price = "3" }, { up_to = "1_000", price = "2" }, { price = "1" }], per = "request", source = "S", mark = "seen" }]
[[sku]]
id = "sharing"
table = "requests"
filter = "operation = 'sharing'"
unit = "request"
price = [{ price = "3", per = "request", source = "S", mark = "seen" }]
[[sku]]
id = "volume"
table = "requests"
filter = "operation = 'volume'"
unit = "request"
price = [{ model = "volume", tiers = [{ up_to = "100", price = "3" }, { price = "2" }], per = "request", source = "S", mark = "seen" }]
[[sku]]
id = "packaged"
table = "requests"
filter = "operation = 'packaged'"
unit = "request"
price = [{ price = "5", per = "1_000 request", package = "1_000 request", source = "S", mark = "seen" }]
[[sku]]
id = "at-least"
table = "requests"
filter = "operation = 'at-least'"
unit = "request"
price = [{ price = "0.001", per = "request", minimum_charge = "2", source = "S", mark = "seen" }]
[[sku]]
id = "capped"
table = "metered"
filter = "meter = 'capped'"
unit = "h"
meter_unit = "h"
quantity = "quantity"
price = [{ price = "0.01", tiers = [{ up_to = "1_000", factor = "1" }, { factor = "0" }], per = "h", source = "S", mark = "seen" }]
[[sku]]
id = "highest"
table = "metered"
filter = "meter = 'level'"
unit = "RU-h"
meter_unit = "RU"
quantity = "ceil_to(quantity, 100)"
aggregate = { max = "h" }
price = [{ price = "0.008", per = "100 RU-h", source = "S", mark = "seen" }]
[[sku]]
id = "daily"
table = "requests"
filter = "operation = 'daily'"
unit = "request"
price = [{ price = "1", per = "request", source = "S", mark = "seen" }]
[[sku]]
id = "credited"
table = "requests"
filter = "operation = 'credited'"
unit = "request"
price = [{ price = "1", per = "request", source = "S", mark = "seen" }]
[[allowance]]
id = "free"
skus = ["graduated", "sharing"]
quantity = "50"
unit = "request"
source = "S"
mark = "seen"
[[allowance]]
id = "every-day"
skus = ["daily"]
quantity = "10"
unit = "request"
period = "day"
always = true
[[allowance]]
id = "welcome"
skus = ["credited"]
credit = "7.5"
expires_months = 12
"#;

/// The book in a catalogue.
fn catalogue() -> Catalogue {
    Catalogue::with_files([("x/y".to_owned(), BOOK.to_owned())]).unwrap_or_else(|error| panic!("{error}"))
}

/// The charges of described usage and their breakdowns.
fn explained(usage: serde_json::Value) -> (Vec<Charge>, Vec<Breakdown>) {
    let request = json!({"period": "2025-06", "provider": "x", "account_opened": "2025-01-01", "usage": usage});
    let request = EstimateRequest::from_json(&request.to_string()).unwrap();
    let (estimate, breakdowns) = explain_estimate(&catalogue(), request).unwrap();
    assert_eq!(estimate.unpriced, []);
    assert_eq!(estimate.charges.len(), breakdowns.len());
    (estimate.charges, breakdowns)
}

fn row(operation: &str, count: u32) -> serde_json::Value {
    json!({"service": "y", "operation": operation, "count": count})
}

/// Each text is a step, or part of one, and they come in this order.
fn assert_says(breakdown: &Breakdown, parts: &[&str]) {
    let mut steps = breakdown.steps.iter();
    for part in parts {
        assert!(steps.any(|step| step.contains(part)), "`{part}` is missing or out of place in {:#?}", breakdown.steps);
    }
}

/// The breakdown of the only charge.
fn only(usage: serde_json::Value) -> Breakdown {
    let (charges, mut breakdowns) = explained(usage);
    assert_eq!(charges.len(), 1, "{charges:#?}");
    let breakdown = breakdowns.remove(0);
    let billed =
        format!("billed cost {} USD, shown as {}", charges[0].billed_cost, charges[0].billed_cost.round_half_up(2));
    assert_eq!(breakdown.steps.last(), Some(&billed));
    breakdown
}

#[test]
fn rounding_to_steps_says_before_and_after_and_who_reported() {
    let (_, breakdowns) = explained(json!([
        {"service": "y", "count": 3, "duration_ms": 1500, "memory_mb": 1024},
        {"service": "y", "count": 2, "duration_ms": 1500, "billed_ms": 1501, "memory_mb": 1024}]));
    assert_says(
        &breakdowns[0],
        &[
            "5 usage records match: every row of the service",
            "each is metered as coalesce(billed_us, ceil_to(duration_us, 1s)) * memory_mb (rule: from 2025-01-01 on, source S:new, derived from what it prints)",
            "before rounding 7.5 GiB-s, after 9.002 GiB-s (+20.0 %)",
            "of 2 records the provider reports the billed duration, which wins over the rule",
            "the sum over 2025-06 is 9.002 GiB-s",
            "the price is flat",
            "list price 0.00002 USD per GiB-s, published as 0.00002 USD per GiB-s, in force from 2024-01-01 until 2027-01-01",
            "price book x/y version 2026-01-01, source S, https://example.com/prices, seen there",
            "9.002 GiB-s × 0.00002 USD = 0.00018004 USD",
            "billed cost 0.00018004 USD, shown as 0.00",
        ],
    );
    let even = only(json!([{"service": "y", "duration_s": 2, "memory_mb": 1024}]));
    assert_says(&even, &["1 usage record matches", "rounding per record changes nothing: 2 GiB-s before and after"]);
    let hardly = only(json!([{"service": "y", "duration_ms": 9_999_990, "memory_mb": 1024}]));
    assert_says(&hardly, &["before rounding 9,999.99 GiB-s, after 10,000 GiB-s (less than 0.1 %)"]);
    assert_eq!(breakdowns[0].before_rounding.as_ref().map(|before| before.reported_count), Some(2));
}

#[test]
fn a_minimum_of_each_record_and_started_chunks() {
    let (charges, breakdowns) = explained(json!([
        {"service": "y", "variant": "minimum", "duration_s": 45, "memory_mb": 0}]));
    let place = charges.iter().position(|charge| charge.sku == "x.y.minimum").unwrap();
    assert_says(
        &breakdowns[place],
        &[
            "before rounding 45 s, after 60 s (+33.3 %)",
            "source R, remembered: not found in a source",
            "60 s × 0.01 USD = 0.6 USD",
        ],
    );
    let chunked = only(json!([{"service": "y", "operation": "chunked", "count": 4, "request_kib": 96}]));
    assert_says(
        &chunked,
        &[
            "before rounding 6 request, after 8 request (+33.3 %)",
            "published as 0.4 USD per 1,000,000 request",
            "8 request × 0.0000004 USD = 0.0000032 USD",
        ],
    );
}

#[test]
fn graduated_tiers_are_told_one_by_one_with_the_allowance_in_the_first() {
    let (charges, breakdowns) = explained(json!([row("graduated", 400), row("sharing", 5)]));
    let ids: Vec<&str> = charges.iter().map(|charge| charge.id.rsplit('/').next().unwrap()).collect();
    assert_eq!(ids, ["tier-1", "tier-2", "tier-1"]);
    assert_says(
        &breakdowns[0],
        &[
            "400 usage records match: operation in ('graduated', 'other')",
            "the sum over 2025-06 is 400 request; 100 of it are in this charge",
            "allowance free gives 50 request a month per account (source S, seen there): it covers 50 request here; x.y.sharing shares it and took none",
            "the price has 3 tiers, over the sum of the month; what is free occupies its tier",
            "tier 1, from 0 to 100 request, at 3 USD per request: 100 request, 50 of it free (this charge)",
            "tier 2, from 100 to 1,000 request, at 2 USD per request: 300 request",
            "tier 3, from 1,000 request on, at 1 USD per request: nothing",
            "50 request (100 less 50 free) × 3 USD = 150 USD",
            "billed cost 150 USD, shown as 150.00",
        ],
    );
    assert_says(
        &breakdowns[1],
        &[
            "300 of it are in this charge",
            "tier 1,",
            "tier 2, from 100 to 1,000 request, at 2 USD per request: 300 request (this charge)",
        ],
    );
    let quantities: Vec<String> = breakdowns[1].tiers.iter().map(|tier| tier.consumed_quantity.to_string()).collect();
    assert_eq!(quantities, ["100", "300", "0"]);
    assert!(!breakdowns[1].steps.iter().any(|step| step.starts_with("before rounding")), "nothing is rounded");
    // Who used the rest of a shared allowance.
    let (charges, breakdowns) = explained(json!([row("graduated", 30), row("sharing", 25)]));
    assert_eq!(charges.len(), 2);
    assert_says(
        &breakdowns[1],
        &["it covers 20 request here; of the others that share it, x.y.graduated, tier 1, took 30 request"],
    );
}

#[test]
fn volume_packages_minimum_charge_and_cap_are_named_apart() {
    let (charges, breakdowns) = explained(json!([row("volume", 150)]));
    assert_eq!(charges.len(), 2);
    assert_says(
        &breakdowns[0],
        &[
            "100 request × 3 USD = 300 USD",
            "volume pricing: all 150 request cost what tier 2 costs, which changes the sum of the tiers by -100 USD",
            "billed cost 200 USD",
        ],
    );
    assert_says(
        &breakdowns[1],
        &[
            "volume pricing: all 150 request cost what tier 2 costs; what that changes is in tier 1",
            "billed cost 100 USD",
        ],
    );
    assert_says(
        &only(json!([row("packaged", 2500)])),
        &[
            "2,500 request × 0.005 USD = 12.5 USD",
            "sold in whole packages of 1,000 request: 500 request are added, × 0.005 USD = 2.5 USD",
            "billed cost 15 USD",
        ],
    );
    assert_says(
        &only(json!([row("packaged", 2000)])),
        &["sold in whole packages of 1,000 request: nothing is added here"],
    );
    assert_says(
        &only(json!([row("at-least", 300)])),
        &[
            "300 request × 0.001 USD = 0.3 USD",
            "minimum charge of a month with usage: 2 USD, which adds 1.7 USD",
            "billed cost 2 USD",
        ],
    );
    assert_says(
        &only(json!([row("at-least", 3000)])),
        &["minimum charge of a month with usage: 2 USD, passed", "billed cost 3 USD"],
    );
    let (_, capped) = explained(json!([{"service": "y", "meter": "capped", "quantity": 1500}]));
    assert_says(
        &capped[1],
        &[
            "tier 2, from 1,000 h on, at 0 USD per h: 500 h (this charge)",
            "the last tier costs nothing: a cap of 10 USD a month, reached",
            "billed cost 0 USD",
        ],
    );
    assert_says(
        &only(json!([{"service": "y", "meter": "capped", "quantity": 5}])),
        &["a cap of 10 USD a month, not reached"],
    );
}

#[test]
fn hourly_maximum_daily_allowance_and_credit() {
    assert_says(
        &only(json!([{"service": "y", "meter": "level", "quantity": 450, "minutes": 75}])),
        &[
            "of every hour its maximum counts, times the hour",
            "the sum over 2025-06 is 1,000 RU-h",
            "1,000 RU-h × 0.00008 USD = 0.08 USD",
        ],
    );
    assert_says(
        &only(json!([{"service": "y", "operation": "daily", "count": 12, "days": 3}])),
        &[
            "allowance every-day gives 10 request a day per account, part of the plan: it covers 30 request here",
            "6 request (36 less 30 free) × 1 USD = 6 USD",
        ],
    );
    assert_says(
        &only(json!([row("credited", 20)])),
        &[
            "20 request × 1 USD = 20 USD",
            "credit welcome of 7.5 USD a month per account, for 12 months after an account is opened takes off 7.5 USD",
            "billed cost 12.5 USD",
        ],
    );
}

/// Discounts, commitments and exchange rates, with charges as an agreement makes them.
#[test]
fn what_an_agreement_does_is_said() {
    let (mut charges, _) = explained(json!([row("sharing", 60)]));
    let exact = |text: &str| Exact::parse(text).unwrap();
    let charge = &mut charges[0];
    charge.allowances = vec![AllowanceShare { id: "free".to_owned(), quantity: exact("50"), credit: Exact::zero() }];
    charge.discounts = vec![DiscountShare { id: "enterprise".to_owned(), percent: exact("10") }];
    charge.currency = "EUR".to_owned();
    charge.exchange_rate = exact("0.9");
    charge.unit_price = exact("2.7");
    charge.contracted_unit_price = exact("2.43");
    charge.billed_cost = exact("24.3");
    charge.effective_cost = exact("24.3");
    assert_says(
        &Breakdown::of(&catalogue(), &charges, 0, None),
        &[
            "list price 2.7 EUR per request, published as 3 USD per request",
            "exchange rate: 0.9 EUR for one USD",
            "discount enterprise takes 10 % off the list price",
            "contracted price 2.43 EUR per request (-10.0 % against the list price)",
            "10 request (60 less 50 free) × 2.43 EUR = 24.3 EUR",
            "billed cost 24.3 EUR, shown as 24.30",
        ],
    );
    let mut covered = charges[0].clone();
    covered.commitment = Some(CommitmentShare {
        id: "plan-2025".to_owned(),
        plan: "x.y.spend-1y".to_owned(),
        category: "Spend",
        status: Some("Used"),
        quantity: exact("12.5"),
        unit: "EUR".to_owned(),
    });
    covered.billed_cost = Exact::zero();
    covered.effective_cost = exact("12.5");
    let says = |charge: &Charge, parts: &[&str]| {
        assert_says(&Breakdown::of(&catalogue(), std::slice::from_ref(charge), 0, None), parts)
    };
    says(
        &covered,
        &[
            "commitment plan-2025 (plan x.y.spend-1y, by spend) covers this usage with 12.5 EUR: it is paid by the commitment's fee and billed at 0",
            "billed cost 0 EUR, shown as 0.00",
            "effective cost 12.5 EUR: with the fees of commitments spread over the usage they cover",
        ],
    );
    let mut fee = covered.clone();
    fee.sku = "x.y.spend-1y".to_owned();
    fee.meter = "12.5 every hour for 720 hours".to_owned();
    fee.charge_category = "Purchase";
    fee.description = "Spend plan, 1 year".to_owned();
    fee.billed_cost = exact("9000");
    fee.effective_cost = Exact::zero();
    fee.pricing_quantity = exact("9000");
    fee.consumed_quantity = exact("9000");
    (fee.unit_price, fee.contracted_unit_price) = (Exact::one(), Exact::one());
    fee.pricing_unit = "EUR".to_owned();
    fee.allowances = Vec::new();
    fee.free_quantity = Exact::zero();
    if let Some(commitment) = &mut fee.commitment {
        commitment.status = None;
    }
    says(
        &fee,
        &[
            "this is a purchase, not usage: Spend plan, 1 year",
            "the fee of 12.5 EUR",
            "billed cost 9,000 EUR, shown as 9,000.00",
        ],
    );
    let mut unused = covered;
    if let Some(commitment) = &mut unused.commitment {
        commitment.status = Some("Unused");
    }
    says(&unused, &["leaves 12.5 EUR unused; what is not used in an hour is lost"]);
}

/// The book may have been replaced since.
#[test]
fn a_charge_without_its_book_still_explains_itself() {
    let (charges, _) = explained(json!([row("graduated", 400)]));
    let elsewhere = Catalogue::embedded().unwrap();
    let breakdown = Breakdown::of(&elsewhere, &charges, 1, None);
    assert_eq!(breakdown.tiers, []);
    assert_says(
        &breakdown,
        &[
            "of the period's quantity this is tier 2, from 100 to 1,000 request",
            "300 request × 2 USD = 600 USD",
            "billed cost 600 USD",
        ],
    );
}
