//! Access logs, router logs and trace events.

use std::fs;
use std::path::PathBuf;

use crate::lines::Collected;
use paygrain_formats::Defaults;
use paygrain_formats::format::{self, Origin};
use paygrain_formats::record::{EventTime, Request, Usage};

mod alb;
mod azure_storage;
mod cloudfront;
mod gcs;
mod heroku;
mod workers;

const EXAMPLES: [&str; 8] = [
    "aws-alb.log",
    "aws-cloudfront.tsv",
    "gcp-gcs-usage.csv",
    "gcp-gcs-usage_storage_2026_10_05_07_00_00_0a1b2c_v0.csv",
    "azure-storage-analytics.log",
    "azure-storage-analytics.json",
    "heroku-router.log",
    "cloudflare-workers-trace.ndjson",
];

fn example(name: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)).unwrap()
}

fn parse_named(format: &str, name: &str, text: &str) -> Collected {
    let mut collected = Collected::default();
    let defaults = Defaults::default();
    let origin = Origin { name, defaults: &defaults };
    format::by_name(format).unwrap().parse(&mut text.as_bytes(), &origin, &mut collected).unwrap();
    collected
}

/// An example file, which is of the format, and of which nothing is rejected.
fn parse_example(name: &str, format: &str) -> Collected {
    let text = example(name);
    assert_eq!(format::detect(text.as_bytes()).map(|(found, _)| found.name()).unwrap(), format, "{name}");
    let collected = parse_named(format, name, &text);
    assert_eq!(collected.rejected, [], "{name}");
    collected
}

/// Those of the rows that are requests.
fn requests(collected: &Collected) -> Vec<&Request> {
    let rows = collected.records.iter().filter_map(|record| match &record.usage {
        Usage::Request(row) => Some(&**row),
        _ => None,
    });
    rows.collect()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Keys with times, in an order of their own.
fn sorted_keys(collected: &[Collected]) -> Vec<(i64, [u8; 16])> {
    let mut keys: Vec<_> = collected
        .iter()
        .flat_map(Collected::key)
        .map(|(time, key)| match time {
            EventTime::Logged(time) => (time, key),
            EventTime::Assumed => panic!("no time"),
        })
        .collect();
    keys.sort_unstable();
    keys
}

/// Lines one by one, from the last to the first, give the same records as all together, and no two are one.
fn assert_order_does_not_matter(format: &str, lines: &[&str]) {
    let together = parse_named(format, "", &lines.join("\n"));
    assert_eq!(together.rejected, []);
    let alone: Vec<_> = lines.iter().rev().map(|line| parse_named(format, "", &format!("{line}\n"))).collect();
    let keys = sorted_keys(&[together]);
    assert_eq!(sorted_keys(&alone), keys);
    assert!(keys.windows(2).all(|two| two[0] != two[1]), "two records are one");
}

#[test]
fn every_example_is_of_one_format() {
    for name in EXAMPLES {
        let found = format::detect(example(name).as_bytes()).map(|(found, _)| found.name()).unwrap();
        assert!(name.starts_with(found), "{name} is {found}");
    }
}

#[test]
fn what_strangers_send_is_read_to_its_end() {
    // Up to the longest line there may be, of what each parser looks for.
    let alb = example("aws-alb.log");
    let alb = alb.lines().next().unwrap();
    let classic = "2026-10-05T17:00:04Z old-shop 203.0.113.9:40006 10.0.1.6:80 0.1 0.1 0.1 200 200 0 57 \"GET ";
    let router = "2026-10-05T17:00:01.1+00:00 heroku[router]: at=info path=\"";
    let azure = example("azure-storage-analytics.log");
    let azure = azure.lines().next().unwrap();
    for (format, begin, repeated, end) in [
        ("aws-alb", alb.split_once("Mozilla").unwrap().0, "\" - - - \"", " x\n"),
        ("aws-alb", alb.split_once("Mozilla").unwrap().0, "\" - - - \"- a b c 2", "\n"),
        ("aws-alb", classic, "\" ", "\n"),
        ("aws-alb", classic, "\" HTTP/", "\n"),
        ("heroku-router", router, "\" a=\"", "\n"),
        ("heroku-router", "", "7 <1>1 ", "\n"),
        ("heroku-router", router, "a b=", "\n"),
        ("azure-storage-analytics", azure.split_once("Agent").unwrap().0, "\";\"", "\n"),
        ("aws-cloudfront", "", "\t", "\n"),
        ("gcp-gcs-usage", "time_micros,s_request_id,cs_operation,cs_bucket\n", "\"\"", "\n"),
    ] {
        let text = format!("{begin}{}{end}", repeated.repeat(((1 << 20) - 2_000) / repeated.len()));
        parse_named(format, "", &text);
        for other in format::FORMATS {
            other.recognises(&text.as_bytes()[..text.len().min(format::HEAD_BYTES_MAX)]);
        }
    }
}
