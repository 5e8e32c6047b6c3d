//! Published worked examples, through the command line.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Workplace, scaled};

#[test]
fn published_lambda_and_s3_examples_come_out() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("pricing/tests/cases/aws_lambda_s3.json");
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(cases).unwrap()).unwrap();
    assert!(cases.len() >= 27);
    let place = Workplace::new();
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let file = place.file("usage.json", case["request"].to_string());
        let answer = place.json(&["estimate", file.to_str().unwrap(), "--format", "json"]);
        // Some examples price one dimension of their usage alone.
        let only = case["only"].as_str().unwrap_or_default();
        let charges = answer["charges"].as_array().unwrap();
        let charges = charges.iter().filter(|charge| charge["sku"].as_str().unwrap().contains(only));
        if case["measure"]["unit"] == "GiB-ms" {
            let sku = format!("aws.lambda.{}", case["measure"]["sku"].as_str().unwrap());
            let metered =
                charges.filter(|charge| charge["sku"] == sku).map(|charge| charge["consumed_quantity"].as_str());
            let metered: i128 = metered.map(|quantity| scaled(quantity.unwrap())).sum();
            assert_eq!(metered * 1000, scaled(case["exact_total"].as_str().unwrap()), "{id}");
            continue;
        }
        let total: i128 = charges.map(|charge| scaled(charge["billed_cost"].as_str().unwrap())).sum();
        assert_eq!(total, scaled(case["exact_total"].as_str().unwrap()), "{id}");
        if only.is_empty() {
            assert_eq!(scaled(answer["total"].as_str().unwrap()), total, "{id}");
        }
        assert!(case["published"].is_string() && case["source"].is_string(), "{id}");
    }
}
