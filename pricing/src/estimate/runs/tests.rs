//! Executions metered together cost what they cost one by one.
use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::{
    Catalogue, Estimate, EstimateRequest, estimate, estimate_with_runs,
    period::{DAY_US, HOUR_US, Period},
};

/// What executions of a service are given.
const SERVICES: [(&str, &str, &str); 16] = [
    ("aws", "lambda", r#"{"memory_mb": 640, "architecture": "arm64"}"#),
    ("aws", "lambda", r#"{"memory_mb": 640, "architecture": "x86_64", "init_us": 30000, "ephemeral_mb": 1024}"#),
    ("aws", "fargate", r#"{"vcpu": 1, "memory_gb": 2}"#),
    ("azure", "functions", r#"{"memory_mb": 384}"#),
    ("gcp", "functions", r#"{"memory_mb": 512}"#),
    ("gcp", "cloud-run", r#"{"memory_mb": 512, "vcpu": 1}"#),
    ("gcp", "cloud-run", r#"{"memory_mb": 512, "vcpu": 1, "concurrency": 80}"#),
    ("gcp", "app-engine", r#"{"variant": "F2"}"#),
    ("azure", "container-apps", r#"{"memory_gb": 1, "vcpu": "0.5", "concurrency": 10}"#),
    ("aws", "app-runner", r#"{"memory_gb": 1, "vcpu": "0.5", "concurrency": 10}"#),
    ("cloudflare", "workers", r#"{"memory_mb": 128}"#),
    ("ibm", "functions", r#"{"memory_mb": 256}"#),
    ("oracle", "functions", r#"{"memory_mb": 256}"#),
    ("huawei", "functiongraph", r#"{"memory_mb": 256}"#),
    ("digitalocean", "functions", r#"{"memory_mb": 256}"#),
    ("onprem", "functions", r#"{"memory_mb": 256}"#),
];

fn row(provider: &str, service: &str, words: &str) -> UsageRow {
    let mut row: UsageRow = serde_json::from_str(words).unwrap();
    for (word, value) in [("provider", provider), ("service", service), ("table", "invocations")] {
        row.insert(word.to_owned(), serde_json::from_value(json!(value)).unwrap());
    }
    row
}

fn request(period: &str, usage: Vec<UsageRow>) -> EstimateRequest {
    let mut request = EstimateRequest::from_json(&json!({"period": period, "usage": []}).to_string()).unwrap();
    request.usage = usage;
    request
}

/// The next of a series of numbers without a pattern.
fn next(state: &mut u64) -> i64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    i64::try_from(*state >> 33).unwrap()
}

/// Executions without a pattern: many alike, some long, spread over a time; those of the first and last hours of the
/// month in UTC are left out, which are of another month in other zones.
fn spans(seed: u64, count: usize, start_us: i64, length_us: i64) -> Vec<(i64, i64)> {
    let mut state = seed;
    let mut spans: Vec<_> = (0..count)
        .map(|number| {
            let duration_us = match number % 4 {
                0 => 100_000,
                1 => next(&mut state) % 400_000,
                2 => next(&mut state) % 5_000_000,
                _ => 1 + next(&mut state) % 90_000_000,
            };
            (start_us + next(&mut state) * 1000 % length_us, duration_us)
        })
        .collect();
    spans.sort_unstable();
    spans
}

struct Counts {
    spans: Vec<(i64, i64)>,
    by_hour: Vec<(i64, i64, u64)>,
    by_duration: Vec<(i64, u64)>,
}

impl Counts {
    fn of(spans: Vec<(i64, i64)>) -> Self {
        let (mut by_hour, mut by_duration) = (BTreeMap::new(), BTreeMap::new());
        for (start_us, duration_us) in &spans {
            *by_hour.entry((start_us.div_euclid(HOUR_US) * HOUR_US, *duration_us)).or_insert(0) += 1;
            *by_duration.entry(*duration_us).or_insert(0) += 1;
        }
        Self {
            spans,
            by_hour: by_hour.into_iter().map(|((hour, duration), count)| (hour, duration, count)).collect(),
            by_duration: by_duration.into_iter().collect(),
        }
    }

    fn window(&self, start_us: i64, end_us: i64, repeats: u64) -> RunWindow<'_> {
        let Self { spans, by_hour, by_duration } = self;
        RunWindow { start_us, end_us, repeats, is_spread: false, spans, by_hour, by_duration }
    }
}

fn sums(estimate: &Estimate) -> BTreeMap<(String, Exact), (Exact, u64)> {
    let mut sums: BTreeMap<_, (Exact, u64)> = BTreeMap::new();
    for charge in &estimate.charges {
        let sum = sums.entry((charge.sku.clone(), charge.unit_price.clone())).or_default();
        sum.0 = &sum.0 + &charge.billed_cost;
        sum.1 += charge.record_count;
    }
    sums
}

#[test]
fn executions_together_cost_what_they_cost_one_by_one() {
    let catalogue = Catalogue::embedded().unwrap();
    for (number, (provider, service, words)) in SERVICES.into_iter().enumerate() {
        // In December 2020 and October 2017 rules changed.
        for period in ["2026-10", "2020-12"] {
            let month: Period = period.parse().unwrap();
            let start_us = month.start_us() + DAY_US;
            let counts = Counts::of(spans(number as u64, 400, start_us, 28 * DAY_US));
            let shared = row(provider, service, words);
            let one_by_one: Vec<_> = counts
                .spans
                .iter()
                .map(|(start_us, duration_us)| {
                    let mut row = shared.clone();
                    let at = chrono::DateTime::from_timestamp_micros(*start_us).unwrap().to_rfc3339();
                    row.insert("at".to_owned(), serde_json::from_value(json!(at)).unwrap());
                    row.insert("duration_us".to_owned(), serde_json::from_value(json!(duration_us)).unwrap());
                    row
                })
                .collect();
            let expected = estimate(&catalogue, request(period, one_by_one)).unwrap();
            let windows = vec![counts.window(month.start_us(), month.end_us(), 1)];
            let runs = RunRow { row: shared, column: SpanColumn::Duration, cpu_percent: None, added_us: 0, windows };
            let found = estimate_with_runs(&catalogue, request(period, Vec::new()), &[runs]).unwrap();
            let name = format!("{provider}/{service} {words} {period}");
            assert_eq!(sums(&found), sums(&expected), "{name}");
            assert_eq!(found.total, expected.total, "{name}");
            assert_eq!(sums(&found), sums(&expected), "{name}");
            assert_eq!(found.unpriced.is_empty(), expected.unpriced.is_empty(), "{name}: {:?}", found.unpriced);
        }
    }
}

#[test]
fn what_repeats_costs_as_often_and_what_is_added_is_charged() {
    let catalogue = Catalogue::embedded().unwrap();
    let start_us = "2026-10".parse::<Period>().unwrap().start_us() + DAY_US;
    let hour = Counts::of(spans(7, 500, start_us, HOUR_US));
    let many = Counts::of(
        (0..200)
            .flat_map(|number| {
                let later = |(start_us, duration_us): &(i64, i64)| (start_us + number * HOUR_US, *duration_us);
                hour.spans.iter().map(later).collect::<Vec<_>>()
            })
            .collect(),
    );
    let more =
        Counts::of(many.spans.iter().map(|(start_us, duration_us)| (*start_us, duration_us + 1_234_567)).collect());
    let cost = |provider: &str, service: &str, words: &str, added_us: i64, window: RunWindow<'_>| {
        let mut runs = RunRow {
            row: row(provider, service, words),
            column: SpanColumn::Duration,
            cpu_percent: None,
            added_us,
            windows: vec![window],
        };
        runs.row.insert("account".to_owned(), serde_json::from_value(json!("a")).unwrap());
        let mut request = request("2026-10", Vec::new());
        request.allowances = crate::Allowances::None;
        estimate_with_runs(&catalogue, request, &[runs]).unwrap().total
    };
    for (provider, service, words) in SERVICES {
        if words.contains("concurrency") || words.contains("variant") {
            continue; // instances of the first hour start before it
        }
        let name = format!("{provider}/{service} {words}");
        let unrolled = cost(provider, service, words, 0, many.window(start_us, start_us + 200 * HOUR_US, 1));
        let repeated = cost(provider, service, words, 0, hour.window(start_us, start_us + HOUR_US, 200));
        assert_eq!(repeated, unrolled, "{name}");
        let longer = cost(provider, service, words, 0, more.window(start_us, start_us + 200 * HOUR_US, 1));
        let added = cost(provider, service, words, 1_234_567, many.window(start_us, start_us + 200 * HOUR_US, 1));
        assert_eq!(added, longer, "{name}");
    }
    // Of instances that stay up: the hour in the middle of a long time, so often.
    let (provider, service, words) = ("gcp", "cloud-run", r#"{"memory_mb": 512, "vcpu": 1, "concurrency": 80}"#);
    let repeated = cost(provider, service, words, 0, hour.window(start_us, start_us + HOUR_US, 1000));
    let two = Counts::of(many.spans[..1000].to_vec());
    let second = cost(provider, service, words, 0, two.window(start_us, start_us + 2 * HOUR_US, 1))
        - cost(provider, service, words, 0, hour.window(start_us, start_us + HOUR_US, 1));
    assert_eq!(repeated, second * Exact::from(1000));
}

#[test]
fn work_of_the_processor_is_a_share_of_the_duration() {
    let catalogue = Catalogue::embedded().unwrap();
    let start_us = "2026-10".parse::<Period>().unwrap().start_us();
    let counts = Counts::of(vec![(start_us, 1_000_000); 40]);
    let runs = RunRow {
        row: row("cloudflare", "workers", r#"{"variant": "standard"}"#),
        column: SpanColumn::Duration,
        cpu_percent: Some(25),
        added_us: 0,
        windows: vec![counts.window(start_us, start_us + HOUR_US, 1_000_000)],
    };
    let found = estimate_with_runs(&catalogue, request("2026-10", Vec::new()), &[runs]).unwrap();
    // 40 million executions of 250 ms: (40 - 10) x 0.30 + (10,000 - 30) x 0.02
    let expected: Exact = "208.4".parse().unwrap();
    let usage: Exact = found
        .charges
        .iter()
        .filter(|charge| charge.sku != "cloudflare.workers.base")
        .map(|charge| &charge.billed_cost)
        .sum();
    assert_eq!((usage, found.unpriced.as_slice()), (expected, [].as_slice()), "{:#?}", found.charges);
}

#[test]
fn times_held_together_cost_what_they_cost_one_by_one() {
    let catalogue = Catalogue::embedded().unwrap();
    let month: Period = "2026-10".parse().unwrap();
    let counts = Counts::of(spans(3, 300, month.start_us() + DAY_US, 28 * DAY_US));
    for (provider, service, words) in [
        ("aws", "ec2", r#"{"meter": "instance", "variant": "t3.micro", "quantity": 1}"#),
        ("aws", "ec2", r#"{"storage_class": "gp3", "gib": 8}"#),
        ("aws", "ec2", r#"{"meter": "public-ipv4", "quantity": 1}"#),
        ("gcp", "compute-engine", r#"{"meter": "instance", "variant": "n1-standard-1", "quantity": 1}"#),
        ("azure", "virtual-machines", r#"{"meter": "vm", "variant": "Standard_B1s", "quantity": 2}"#),
        ("heroku", "dynos", r#"{"meter": "dyno", "variant": "basic", "quantity": 1}"#),
    ] {
        let mut shared = row(provider, service, words);
        shared.remove("table");
        let held: Vec<UsageRow> = counts
            .by_duration
            .iter()
            .map(|(held_us, count)| {
                let mut row = shared.clone();
                row.insert("held_us".to_owned(), serde_json::from_value(json!(held_us)).unwrap());
                row.insert("count".to_owned(), serde_json::from_value(json!(count)).unwrap());
                row
            })
            .collect();
        let expected = estimate(&catalogue, request("2026-10", held)).unwrap();
        let windows = vec![RunWindow {
            is_spread: true,
            spans: &[],
            by_hour: &[],
            ..counts.window(month.start_us(), month.end_us(), 1)
        }];
        let runs = RunRow { row: shared, column: SpanColumn::Held, cpu_percent: None, added_us: 0, windows };
        let found = estimate_with_runs(&catalogue, request("2026-10", Vec::new()), &[runs]).unwrap();
        let name = format!("{provider}/{service} {words}");
        assert_eq!((found.unpriced, expected.unpriced), (Vec::new(), Vec::new()), "{name}");
        assert!(found.total > Exact::zero(), "{name}");
        assert_eq!(found.total, expected.total, "{name}");
    }
}
