//! Described usage with mistakes: a precise error with a suggestion, never a wrong bill.

use crate::harness::Workplace;

#[test]
fn a_mistake_is_told_with_its_row_and_what_to_write() {
    let place = Workplace::new();
    let estimate = |usage: &str| {
        let text = format!(r#"{{"period": "2026-10", "provider": "aws", "region": "us-east-1", "usage": [{usage}]}}"#);
        let file = place.file("usage.json", text);
        place.run(&["estimate", file.to_str().unwrap()])
    };
    for (usage, message, hint) in [
        (r#"{"service": "lamda", "count": 1}"#, "usage row 0: no price book for aws/lamda", "did you mean `lambda`?"),
        (
            r#"{"provider": "gpc", "service": "functions"}"#,
            "no price book is of the provider `gpc`",
            "did you mean `gcp`?",
        ),
        (
            r#"{"service": "lambda", "duration_ms": 1, "memory_md": 512}"#,
            "`memory_md` is not a word",
            "did you mean `memory_mb`?",
        ),
        (
            r#"{"service": "ec2", "meter": "instance", "quantity": 1, "unit": "instance-hs"}"#,
            "unknown unit `hs`",
            "did you mean",
        ),
        (r#"{"service": "lambda", "count": -5}"#, "`count` is -5, below 0", ""),
        (r#"{"service": "lambda", "count": "1e31"}"#, "beyond 10^30", ""),
        (r#"{"service": "lambda", "count": 1.5}"#, "outside quotes is not exact", ""),
        (r#"{"service": "lambda", "count": "1,5"}"#, "not a decimal number", ""),
        (r#"{"service": "lambda", "at": "2026-11-01"}"#, "outside the period 2026-10", ""),
    ] {
        let run = estimate(usage);
        assert_eq!(run.code, Some(1), "{usage}: {}", run.stdout);
        assert!(run.stderr.contains(message) && run.stderr.contains(hint), "{usage}: {}", run.stderr);
        assert!(run.stderr.contains("usage.json") && run.stdout.is_empty(), "{usage}: {}", run.stderr);
    }
    let digits = format!(r#"{{"service": "lambda", "count": "{}"}}"#, "9".repeat(10_000));
    assert_eq!(estimate(&digits).code, Some(1));
}

#[test]
fn a_row_that_no_price_fits_cannot_be_overlooked() {
    let place = Workplace::new();
    let file = place.file(
        "usage.json",
        r#"{"period": "2026-10", "provider": "aws", "region": "us-east-1", "usage": [
            {"service": "s3", "storage_class": "STANDART", "gb_months": "10"},
            {"service": "s3", "operation": "PUT", "count": 1000}]}"#,
    );
    let run = place.run(&["estimate", file.to_str().unwrap()]);
    assert!(run.stdout.contains("Total 0.01 USD (exact 0.005), WITHOUT 1 usage row"), "{}", run.stdout);
    assert!(run.stderr.contains("`storage_class` is `STANDART`, did you mean `STANDARD`?"), "{}", run.stderr);
    let answer = place.json(&["estimate", file.to_str().unwrap(), "--format", "json"]);
    assert_eq!(answer["unpriced"][0]["row"], 0);
}

#[test]
fn a_misspelt_word_that_loses_a_part_of_a_row_cannot_be_overlooked() {
    let place = Workplace::new();
    let file = place.file(
        "usage.json",
        r#"{"period": "2026-10", "provider": "aws", "region": "us-east-1", "allowances": false, "usage": [
            {"service": "lambda", "count": 1000000, "duration_ms": 100, "memory_mb": 1024, "architecture": "arm65"}]}"#,
    );
    let run = place.run(&["estimate", file.to_str().unwrap()]);
    assert!(run.stdout.contains("WITHOUT 1 usage row"), "{}", run.stdout);
    assert!(run.stderr.contains("`architecture` is `arm65`, did you mean `arm64`?"), "{}", run.stderr);
}
