//! What an account has agreed beyond the price list, and months in the provider's zone, through the command line.

use serde_json::Value;

use crate::harness::{Invocation, Workplace, scaled, text_log};

const FLAGS: [&str; 6] = ["--account", "123456789012", "--region", "us-east-1", "--resource", "f"];

/// A plan on what the shipped Lambda book charges.
const PLAN: &str = r#"provider = "aws"
service = "plans"
title = "Plans"
[sources]
S = "made for a test"
[[sku]]
id = "none"
table = "metered"
unit = "plan"
price = [{ price = "0", per = "plan", source = "S", mark = "none" }]
[[commitment]]
id = "compute"
description = "Compute plan"
kind = "spend"
skus = ["aws.lambda.duration-x86"]
percent = "20"
source = "S"
mark = "seen"
"#;

fn sum<'a>(values: impl IntoIterator<Item = &'a Value>, key: &str) -> i128 {
    values.into_iter().map(|value| scaled(value[key].as_str().unwrap())).sum()
}

#[test]
fn discounts_and_commitments_reach_the_bill_its_groups_and_its_explanation() {
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&Invocation::many(40, 200)));
    place.ingest(&FLAGS, &[&log]);
    place.file("books/aws/plans.toml", PLAN);
    let list = place.json(&["bill", "--allowances", "none", "--format", "json"]);
    let agreement =
        place.file("agreement.toml", r#"discounts = [{ id = "edp", skus = ["aws.lambda.*"], percent = "25" }]"#);
    let agreement = agreement.to_str().unwrap();
    let bill = place.json(&["bill", "--agreement", agreement, "--allowances", "none", "--format", "json"]);
    assert_eq!(scaled(bill["total"].as_str().unwrap()) * 4, scaled(list["total"].as_str().unwrap()) * 3);
    assert_eq!(bill["list_total"], list["total"]);
    assert_eq!(bill["charges"][0]["discounts"][0]["percent"], "25");

    // 0.0000001 an hour: some hours use all of it, most none. The fee is paid for all 31 × 24 hours.
    let committed = place
        .file("committed.toml", r#"commitments = [{ id = "sp", plan = "aws.plans.compute", quantity = "0.000001" }]"#);
    let arguments = [
        "--agreement",
        committed.to_str().unwrap(),
        "--price-books",
        "books",
        "--allowances",
        "none",
        "--format",
        "json",
    ];
    let with = |first: &[&str]| place.json(&[first, &arguments[..]].concat());
    let bill = with(&["bill", "--by", "service,day"]);
    let charges = bill["charges"].as_array().unwrap();
    let total = scaled(bill["total"].as_str().unwrap());
    assert_eq!(sum(charges, "billed_cost"), total);
    assert_eq!(sum(charges, "effective_cost"), total);
    assert_eq!(sum(bill["groups"].as_array().unwrap(), "billed_cost"), total);
    let fee = charges.iter().find(|charge| charge["charge_category"] == "Purchase").unwrap();
    assert_eq!(fee["billed_cost"], "0.000744");
    let used = charges.iter().find(|charge| charge["commitment"]["status"] == "Used").unwrap();
    assert_eq!(used["billed_cost"], "0");
    assert!(scaled(used["effective_cost"].as_str().unwrap()) < scaled(used["list_cost"].as_str().unwrap()));
    let id = used["id"].as_str().unwrap();
    assert!(id.ends_with("+sp"), "{id}");
    let explained = with(&["explain", id]);
    assert_eq!(explained["charge"], *used);
    let explained = with(&["explain", fee["id"].as_str().unwrap()]);
    assert_eq!(explained["records"]["total"], 0);
}

#[test]
fn a_bill_in_another_currency() {
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&Invocation::many(41, 50)));
    place.ingest(&FLAGS, &[&log]);
    let list = place.json(&["bill", "--allowances", "none", "--format", "json"]);
    let agreement = place.file("eur.toml", "billing_currency = 'EUR'\nexchange_rates = { USD = '0.5' }");
    let bill = place.json(&[
        "bill",
        "--agreement",
        agreement.to_str().unwrap(),
        "--allowances",
        "none",
        "--by",
        "resource",
        "--format",
        "json",
    ]);
    assert_eq!(bill["currency"], "EUR");
    let total = scaled(bill["total"].as_str().unwrap());
    assert_eq!(total * 2, scaled(list["total"].as_str().unwrap()));
    assert_eq!(sum(bill["groups"].as_array().unwrap(), "billed_cost"), total);
}

#[test]
fn an_agreement_with_a_mistake_is_refused() {
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&Invocation::many(42, 5)));
    place.ingest(&FLAGS, &[&log]);
    for (text, expected) in [
        ("discounts = [{ id = 'a', skus = ['aws.lamda.duration-x86'], percent = '5' }]", "aws.lambda.duration-x86"),
        ("discounts = [{ id = 'a', skus = ['aws.*'], percent = '5%' }]", "percent"),
        ("commitments = [{ id = 'a', plan = 'aws.plans.computer', quantity = '1' }]", "no price book has the plan"),
        ("discount = 5", "expected `discounts`"),
    ] {
        let file = place.file("wrong.toml", text);
        let run = place.run(&["bill", "--agreement", file.to_str().unwrap()]);
        assert_eq!(run.code, Some(1), "{text}: {}", run.stdout);
        assert!(run.stderr.contains(expected), "{text}: {}", run.stderr);
    }
}

#[test]
fn a_month_begins_at_midnight_of_the_providers_zone() {
    let report = |id: u32, reported_ms: i64| Invocation {
        request_id: format!("69594c41-8463-4f69-b9b4-{id:012}"),
        reported_ms,
        duration_centi_ms: 10_000,
        billed_ms: 100,
        memory_mb: 128,
    };
    // 2026-11-01T03:00Z is still October in Los Angeles; 08:00Z is November everywhere.
    let (late_october, november) = (1_793_502_000_000, 1_793_520_000_000);
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&[report(1, late_october), report(2, november)]));
    place.ingest(&FLAGS, &[&log]);
    let book = |zone: &str| {
        format!(
            "provider = 'aws'\nservice = 'lambda'\ntitle = 'Lambda'\ntime_zone = '{zone}'\n[sources]\nS = 's'\n[[sku]]\n\
             id = 'runs'\ntable = 'invocations'\nunit = 'request'\n\
             price = [{{ price = '1', per = 'request', source = 'S', mark = 'none' }}]\n"
        )
    };
    let bill = |zone: &str, month: &str| {
        place.file("books/lambda.toml", book(zone));
        place.json(&["bill", "--price-books", "books", "--period", month, "--by", "day", "--format", "json"])
    };
    let pacific = bill("America/Los_Angeles", "2026-11");
    assert_eq!((&pacific["total"], &pacific["record_count"]), (&"1".into(), &1.into()));
    let utc = bill("UTC", "2026-11");
    assert_eq!((&utc["total"], &utc["record_count"]), (&"2".into(), &2.into()));
    // The lake's days are UTC days: there is usage in October only where the zone says so.
    let log = place.file("b.log", text_log(&[report(3, late_october - 86_400_000)]));
    place.ingest(&FLAGS, &[&log]);
    let pacific = bill("America/Los_Angeles", "2026-10");
    assert_eq!((&pacific["total"], &pacific["record_count"]), (&"2".into(), &2.into()));
    let days: Vec<_> = pacific["groups"].as_array().unwrap().iter().map(|group| group["key"][0].clone()).collect();
    assert!(days.contains(&"2026-10-31".into()) && days.contains(&"2026-10-30".into()), "{days:?}");
    assert_eq!(bill("UTC", "2026-10")["record_count"], 1);
}

#[test]
fn the_guide_holds() {
    let guide = include_str!("../../docs/agreements.md");
    let (_, rest) = guide.split_once("```toml\n").unwrap();
    let (toml, _) = rest.split_once("```").unwrap();
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&Invocation::many(43, 20)));
    place.ingest(&FLAGS, &[&log]);
    let other = place.file("b.log", text_log(&Invocation::many(44, 30)));
    place.ingest(&["--account", "210987654321", "--region", "us-east-1", "--resource", "g"], &[&other]);
    let outside = place.file("c.log", text_log(&Invocation::many(45, 10)));
    place.ingest(&["--account", "5", "--region", "us-east-1", "--resource", "h"], &[&outside]);
    place.file("agreement.toml", toml);
    let list = place.json(&["bill", "--allowances", "none", "--format", "json"]);
    let bill = place.json(&["bill", "--agreement", "agreement.toml", "--allowances", "none", "--format", "json"]);
    let of = |bill: &Value, sku: &str, key: &str| {
        sum(bill["charges"].as_array().unwrap().iter().filter(|charge| charge["sku"] == sku), key)
    };
    let (requests, duration) = ("aws.lambda.requests", "aws.lambda.duration-x86");
    assert_eq!(of(&bill, requests, "billed_cost") * 10_000, of(&list, requests, "billed_cost") * 8_075);
    assert_eq!(of(&bill, duration, "billed_cost") * 100, of(&list, duration, "billed_cost") * 85);
    // Lambda's duration tiers run over an organisation and region.
    let charges = bill["charges"].as_array().unwrap();
    let tier = |organisation: Option<&str>| {
        charges.iter().find(|c| c["sku"] == duration && c["scope"]["organisation"].as_str() == organisation).unwrap()
    };
    for (organisation, records) in [(Some("acme"), 50), (None, 10)] {
        let id = tier(organisation)["id"].as_str().unwrap();
        let arguments = ["explain", id, "--agreement", "agreement.toml", "--allowances", "none", "--format", "json"];
        let explained = place.json(&arguments);
        assert_eq!(explained["records"]["total"], records, "{organisation:?}");
    }
}
