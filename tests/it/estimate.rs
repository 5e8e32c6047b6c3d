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
