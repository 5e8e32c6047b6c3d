//! Bills against hand-worked amounts and an oracle that shares no code with the product.

use serde_json::Value;

use crate::harness::{Invocation, Random, Workplace, filter_log_events, scaled, text_log};

const FLAGS: [&str; 6] = ["--account", "123456789012", "--region", "us-east-1", "--resource", "f"];

/// `numerator` / `denominator` as a plain decimal; the division must come out.
fn decimal(numerator: i128, denominator: i128) -> String {
    let mut text = format!("{}", numerator / denominator);
    let mut rest = numerator % denominator;
    if rest > 0 {
        text.push('.');
    }
    for _ in 0..60 {
        if rest == 0 {
            return text;
        }
        rest *= 10;
        text.push(char::from(b'0' + u8::try_from(rest / denominator).unwrap()));
        rest %= denominator;
    }
    panic!("{numerator} / {denominator} does not come out");
}

/// Sums decimal texts of an array exactly, in units of 1e-30.
fn sum(values: &[Value], key: &str) -> i128 {
    values.iter().map(|value| scaled(value[key].as_str().unwrap())).sum()
}

#[test]
fn the_total_is_what_the_oracle_says() {
    // From 2022-08-08 the first tier is 0.0000166667 a GB-second; a million requests are 0.20.
    for seed in 20..23 {
        let events = Invocation::many(seed, 150);
        let place = Workplace::new();
        let log = place.file("a.log", text_log(&events));
        place.ingest(&FLAGS, &[&log]);
        let bill = place.json(&["bill", "--period", "2026-10", "--allowances", "none", "--format", "json"]);
        let mb_ms: i128 = events.iter().map(|event| i128::from(event.billed_ms * event.memory_mb)).sum();
        let requests = events.len() as i128;
        // mb_ms / 1,024,000 GB-s × 166,667e-10 + requests × 2e-7, over one denominator.
        let numerator = mb_ms * 166_667 + requests * 2 * 1_024_000 * 1_000;
        assert_eq!(bill["total"], decimal(numerator, 1_024_000 * 10_000_000_000), "seed {seed}");
        assert_eq!(bill["record_count"], 150);
        assert_eq!(bill["unpriced"], Value::Array(Vec::new()));
    }
}

#[test]
fn a_month_of_the_100_ms_era_is_billed_as_it_was_reported() {
    // 2019: 89.34 ms is billed as 100 ms; a timeout at 3003.16 ms as the 3000 ms reported.
    let at = 1_560_000_000_000; // 2019-06-08
    let event = |id: u32, duration_centi_ms, billed_ms| Invocation {
        request_id: format!("69594c41-8463-4f69-b9b4-{id:012}"),
        reported_ms: at + i64::from(id) * 1000,
        duration_centi_ms,
        billed_ms,
        memory_mb: 128,
    };
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&[event(1, 8934, 100), event(2, 300_316, 3000)]));
    place.ingest(&FLAGS, &[&log]);
    let bill = place.json(&["bill", "--period", "2019-06", "--allowances", "none", "--format", "json"]);
    // 3,100 ms × 128 MB = 0.3875 GB-s × 0.00001667 + 2 × 0.0000002
    assert_eq!(bill["total"], decimal(3_875 * 1_667 + 4 * 100_000, 1_000_000_000_000));
}

#[test]
fn the_free_tier_is_taken_off_and_shown() {
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&Invocation::many(30, 10)));
    place.ingest(&FLAGS, &[&log]);
    let bill = place.json(&["bill", "--period", "2026-10", "--format", "json"]);
    assert_eq!(bill["total"], "0");
    assert_ne!(bill["list_total"], "0");
    for charge in bill["charges"].as_array().unwrap() {
        assert_eq!(charge["free_quantity"], charge["consumed_quantity"]);
        assert_eq!(charge["pricing_quantity"], "0");
        assert_ne!(charge["allowances"][0]["id"], Value::Null);
    }
}

#[test]
fn every_grouping_sums_to_the_bill_to_the_last_digit() {
    let place = Workplace::new();
    let mut random = Random(31);
    for resource in ["web", "cron", "resize"] {
        let count = 20 + random.below(40) as usize;
        let log = place.file(resource, filter_log_events(&Invocation::many(random.next(), count)));
        place.ingest(&["--account", "1", "--region", "us-east-1", "--resource", resource], &[&log]);
    }
    for attribution in ["time", "proportional"] {
        for by in ["service,day", "resource", "provider,account,region,resource,sku,day"] {
            let arguments = ["bill", "--period", "2026-10", "--allowances", "none", "--attribution", attribution];
            let bill = place.json(&[&arguments[..], &["--by", by, "--format", "json"]].concat());
            let groups = bill["groups"].as_array().unwrap();
            assert!(!groups.is_empty());
            assert_eq!(sum(groups, "billed_cost"), scaled(bill["total"].as_str().unwrap()), "{attribution} {by}");
            assert_eq!(sum(groups, "list_cost"), scaled(bill["list_total"].as_str().unwrap()), "{attribution} {by}");
            assert_eq!(
                sum(bill["charges"].as_array().unwrap(), "billed_cost"),
                scaled(bill["total"].as_str().unwrap())
            );
        }
    }
}

#[test]
fn explain_goes_down_to_the_records() {
    let place = Workplace::new();
    let events = Invocation::many(32, 25);
    let log = place.file("a.log", text_log(&events));
    place.ingest(&FLAGS, &[&log]);
    let bill = place.json(&["bill", "--period", "2026-10", "--allowances", "none", "--format", "json"]);
    let charge =
        bill["charges"].as_array().unwrap().iter().find(|charge| charge["sku"] == "aws.lambda.duration-x86").unwrap();
    let id = charge["id"].as_str().unwrap();
    let explanation = place.json(&["explain", id, "--allowances", "none", "--records", "100", "--format", "json"]);
    assert_eq!(explanation["charge"], *charge);
    for part in ["by_resource", "by_day"] {
        let shares = explanation[part].as_array().unwrap();
        assert_eq!(sum(shares, "billed_cost"), scaled(charge["billed_cost"].as_str().unwrap()), "{part}");
    }
    let records = &explanation["records"];
    assert_eq!(records["total"], 25);
    let rows = records["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 25);
    // The metered quantities are µs × MB; they sum to the consumed quantity in GB-s.
    let metered: i128 =
        rows.iter().map(|row| row.as_array().unwrap().last().unwrap().as_str().unwrap().parse::<i128>().unwrap()).sum();
    assert_eq!(charge["consumed_quantity"], decimal(metered, 1_024_000_000));
    assert_eq!(charge["price_book"], "aws/lambda");
    // Before rounding: the measured durations; afterwards the reported ones, which round up to whole milliseconds.
    let measured: i128 =
        events.iter().map(|event| event.duration_centi_ms as i128 * 10 * event.memory_mb as i128).sum();
    assert_eq!(explanation["before_rounding"]["quantity"], decimal(measured, 1_024_000_000));
    assert_eq!(explanation["before_rounding"]["reported_count"], 25);
    let steps: Vec<&str> = explanation["steps"].as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
    for part in
        ["before rounding", "25 records the provider reports", "the price has", "list price", "source ", "billed cost"]
    {
        assert!(steps.iter().any(|step| step.contains(part)), "{part}: {steps:#?}");
    }
    assert_eq!(explanation["tiers"][0]["consumed_quantity"], charge["consumed_quantity"]);
    for named in ["price_book_version", "source_address", "meter", "mark"] {
        assert!(charge[named].as_str().is_some_and(|text| !text.is_empty()), "{named}");
    }
    let table = place.run(&["explain", id, "--allowances", "none"]);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    for part in ["aws/lambda", "By resource", "By day", "Usage records 1 to 10 of 25", &events[0].request_id[..0]] {
        assert!(table.stdout.contains(part), "{part}: {}", table.stdout);
    }
}

#[test]
fn what_has_no_price_is_told() {
    // Arm was not sold in 2019.
    let place = Workplace::new();
    let mut event = Invocation::many(33, 1).remove(0);
    event.reported_ms = 1_560_000_000_000;
    let log = place.file("a.log", text_log(&[event]));
    place.ingest(&[&FLAGS[..], &["--architecture", "arm64"]].concat(), &[&log]);
    let bill = place.json(&["bill", "--period", "2019-06", "--format", "json"]);
    let unpriced = bill["unpriced"].as_array().unwrap();
    assert_eq!(unpriced.len(), 1, "{unpriced:?}");
    assert_eq!(unpriced[0]["record_count"], 1);
    let table = place.run(&["bill", "--period", "2019-06"]);
    assert!(table.stdout.contains("Not priced"), "{}", table.stdout);
}

#[test]
fn recorded_and_described_usage_cost_the_same() {
    let place = Workplace::new();
    let events = Invocation::many(34, 40);
    let log = place.file("a.log", text_log(&events));
    place.ingest(&FLAGS, &[&log]);
    let described: Vec<_> = events
        .iter()
        .map(|event| {
            serde_json::json!({
                "service": "lambda", "account": "123456789012", "resource": "f", "memory_mb": event.memory_mb,
                "duration_us": event.duration_centi_ms * 10, "billed_us": event.billed_ms * 1000,
            })
        })
        .collect();
    let usage = serde_json::json!({
        "period": "2026-10", "provider": "aws", "region": "us-east-1", "allowances": false, "usage": described,
    });
    let file = place.file("usage.json", usage.to_string());
    let estimate = place.json(&["estimate", file.to_str().unwrap(), "--format", "json"]);
    let bill = place.json(&["bill", "--period", "2026-10", "--allowances", "none", "--format", "json"]);
    assert_eq!(estimate["total"], bill["total"]);
    let costs = |answer: &Value| -> Vec<(String, String)> {
        let charges = answer["charges"].as_array().unwrap();
        charges.iter().map(|charge| (charge["sku"].to_string(), charge["billed_cost"].to_string())).collect()
    };
    assert_eq!(costs(&estimate), costs(&bill));
}

#[test]
fn an_s3_log_is_priced_request_by_request() {
    let line = |id: u32, requester: &str, address: &str, operation: &str, status: &str, sent: &str| {
        let status = if status.contains(' ') { status.to_owned() } else { format!("{status} -") };
        format!(
            "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be bucket [05/Oct/2026:10:00:{id:02} +0000] {address} \
             {requester} REQUEST{id:08} {operation} key \"GET /bucket/key HTTP/1.1\" {status} {sent} 4096 10 9 \"-\" \"agent\" - \
             host+id= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader bucket.s3.amazonaws.com TLSv1.3 - -\n"
        )
    };
    let own = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
    let log = [
        line(1, own, "203.0.113.7", "REST.PUT.OBJECT", "200", "-"),
        line(2, own, "203.0.113.7", "REST.GET.OBJECT", "200", "4096"),
        line(3, own, "203.0.113.7", "REST.GET.BUCKET", "200", "300"),
        line(4, own, "203.0.113.7", "REST.DELETE.OBJECT", "204", "-"),
        line(5, own, "10.0.0.5", "REST.GET.OBJECT", "200", "4096"),
        line(6, own, "203.0.113.7", "REST.COPY.OBJECT", "200", "200"),
        line(7, own, "203.0.113.7", "REST.COPY.OBJECT_GET", "200", "-"),
        line(8, own, "203.0.113.7", "S3.EXPIRE.OBJECT", "-", "-"),
        line(9, "-", "198.51.100.9", "REST.GET.OBJECT", "403 AccessDenied", "243"),
    ]
    .concat();
    let place = Workplace::new();
    let file = place.file("access.log", log);
    let upload = place.ingest(&["--account", "1", "--region", "us-east-1"], &[&file]).remove(0);
    assert_eq!(upload["accepted"], 9, "{upload}");
    let bill = place.json(&["bill", "--period", "2026-10", "--allowances", "none", "--format", "json"]);
    assert_eq!(bill["unpriced"], serde_json::json!([]));
    for charge in bill["charges"].as_array().unwrap() {
        let id = charge["id"].as_str().unwrap();
        let explanation = place.json(&["explain", id, "--allowances", "none", "--format", "json"]);
        assert_eq!(explanation["records"]["total"], charge["record_count"], "{id}");
    }
    let quantity = |sku: &str| {
        let charges = bill["charges"].as_array().unwrap();
        charges
            .iter()
            .find(|charge| charge["sku"] == sku)
            .map(|charge| charge["consumed_quantity"].as_str().unwrap().to_owned())
    };
    assert_eq!(quantity("aws.s3.requests-put:STANDARD").as_deref(), Some("3"), "PUT, LIST, COPY");
    assert_eq!(quantity("aws.s3.requests-get:STANDARD").as_deref(), Some("2"), "a stranger who is refused is free");
    assert_eq!(quantity("aws.s3.requests-delete").as_deref(), Some("2"));
    // What a private address reads stays inside: 4096 + 300 + 200 bytes went out.
    let gib = decimal(4596, 1 << 30);
    assert_eq!(quantity("aws.data-transfer.internet-out"), Some(gib));
}
