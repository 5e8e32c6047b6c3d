//! Usage that a file describes, through the command line.

use serde_json::{Value, json};

use crate::harness::{Workplace, scaled};

/// Published examples: request and exact total. All of them are checked in the tests of `pricing`.
fn examples() -> Vec<(Value, &'static str)> {
    let lambda = |period: &str, allowances: bool, row: Value| json!({"period": period, "provider": "aws", "region": "us-east-1", "allowances": allowances, "usage": [row]});
    vec![
        // https://aws.amazon.com/lambda/pricing/, before and after 1 ms steps
        (
            lambda(
                "2019-06",
                true,
                json!({"service": "lambda", "count": 3000000, "duration_ms": 1000, "memory_mb": 512}),
            ),
            "18.737",
        ),
        (
            lambda(
                "2025-06",
                true,
                json!({"service": "lambda", "count": 3000000, "duration_ms": 120, "memory_mb": 1536}),
            ),
            "2.733338",
        ),
        // https://aws.amazon.com/s3/faqs/
        (lambda("2025-06", false, json!({"service": "s3", "operation": "PUT", "count": 310000})), "1.55"),
        // https://cloud.google.com/storage/pricing
        (
            json!({"period": "2024-06", "provider": "gcp", "allowances": false, "usage": [
                {"service": "storage", "gb_months": 50}, {"service": "storage", "operation": "class-a", "count": 10000},
                {"service": "storage", "operation": "class-b", "count": 50000},
                {"service": "storage", "operation": "egress", "response_gib": 1}]}),
            "1.19",
        ),
    ]
}

#[test]
fn published_examples_come_out() {
    let place = Workplace::new();
    for (request, total) in examples() {
        let file = place.file("usage.json", request.to_string());
        let answer = place.json(&["estimate", file.to_str().unwrap(), "--format", "json"]);
        assert_eq!(scaled(answer["total"].as_str().unwrap()), scaled(total), "{request}");
        let charges = answer["charges"].as_array().unwrap();
        let sum: i128 = charges.iter().map(|charge| scaled(charge["billed_cost"].as_str().unwrap())).sum();
        assert_eq!(sum, scaled(total), "{request}");
    }
}

#[test]
fn an_estimate_explains_itself() {
    let place = Workplace::new();
    let request = json!({"period": "2025-06", "provider": "aws", "region": "us-east-1", "allowances": false, "usage": [
        {"service": "data-transfer", "operation": "internet-out", "response_gib": 57000},
        {"service": "sqs", "operation": "SendMessage", "count": 1000000, "request_kib": 96}]});
    let file = place.file("usage.json", request.to_string());
    let file = file.to_str().unwrap();
    let plain = place.json(&["estimate", file, "--format", "json"]);
    assert!(plain["charges"][0]["steps"].is_null());
    let answer = place.json(&["estimate", file, "--explain", "--format", "json"]);
    assert_eq!(answer["total"], plain["total"]);
    let charges = answer["charges"].as_array().unwrap();
    assert_eq!(charges.len(), plain["charges"].as_array().unwrap().len());
    for (explained, plain) in charges.iter().zip(plain["charges"].as_array().unwrap()) {
        assert_eq!((&explained["id"], &explained["billed_cost"]), (&plain["id"], &plain["billed_cost"]));
        let last = explained["steps"].as_array().unwrap().last().unwrap().as_str().unwrap().replace(',', "");
        assert!(last.starts_with(&format!("billed cost {} USD", plain["billed_cost"].as_str().unwrap())), "{last}");
    }
    // 57,000 GiB fall in three tiers, and each charge shows all of them.
    let tiers = |charge: &Value| -> Vec<String> {
        let tiers = charge["tiers"].as_array().unwrap();
        tiers.iter().map(|tier| tier["consumed_quantity"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(tiers(&charges[0]), ["10240", "40960", "5800", "0"]);
    let queue = charges.iter().find(|charge| charge["sku"] == "aws.sqs.requests:standard").unwrap();
    assert_eq!(queue["before_rounding"]["quantity"], "1500000");
    assert_eq!(queue["consumed_quantity"], "2000000");
    let table = place.run(&["estimate", file, "--explain"]);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    for part in [
        "before rounding 1,500,000 request, after 2,000,000 request (+33.3 %)",
        "tier 2, from 10,240 to 51,200 GiB",
        "Total ",
    ] {
        assert!(table.stdout.contains(part), "{part}: {}", table.stdout);
    }
    let csv = place.run(&["estimate", file, "--explain", "--format", "csv"]);
    assert!(csv.stdout.starts_with("charge,step,text\n"), "{}", csv.stdout);
}
