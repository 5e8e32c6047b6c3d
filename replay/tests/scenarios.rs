//! The descriptions under `samples/scenarios` are read, and are as many executions as their stories tell
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]
use std::{collections::BTreeMap, path::PathBuf};

use paygrain_pricing::{Catalogue, Period};
use paygrain_replay::{Assumptions, Deployments, Description, Prepared, Workload, replay};

/// Seconds of October.
const SECONDS: u64 = 31 * 86_400;

/// Name of each file, its executions in October, and the longest that are under way at once, at least.
const STORIES: [(&str, u64, usize); 14] = [
    ("chain-queue", 50 * 4 * SECONDS, 20),
    ("chain-waiting", 50 * 4 * SECONDS, 20),
    ("daily-reconcile", 31, 1),
    ("election-night", 75 * 86_400 / 2 + 3000, 3000),
    ("game-screenshots", 31 * 100_000 * 11 / 5, 2),
    ("git-push-to-chat", 31 * 600, 2),
    ("image-resize", 31 * 48_000, 2),
    ("iot-telemetry", 7_440_000, 5),
    ("market-events", 31 * 75_000_000, 4340),
    ("mobile-backend", 3_000_000, 1),
    ("push-notification", 31 * 20_000, 50),
    ("stream-10000", 10_000 * SECONDS, 100),
    ("stream-4000", 4000 * SECONDS, 40),
    ("workflow", 31 * 24 * 1000 * 4 + 31 * 24 * 1000 / 50, 2),
];

fn files() -> BTreeMap<String, String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../samples/scenarios");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(read).collect()
}

fn workload(name: &str, text: &str) -> Workload {
    let period: Period = "2026-10".parse().unwrap();
    let description = Description::from_path_text(&format!("{name}.toml"), text);
    description.unwrap_or_else(|error| panic!("{error}")).workload(1, period).unwrap_or_else(|error| panic!("{error}"))
}

/// Most executions under way at once among those that start in one window.
fn most_at_once(workload: &Workload) -> usize {
    let of = |runs: &[paygrain_replay::Run]| {
        let mut ends = std::collections::BinaryHeap::new();
        let mut most = 0;
        for run in runs {
            while ends.peek().is_some_and(|std::cmp::Reverse(end)| *end <= run.start_us) {
                ends.pop();
            }
            ends.push(std::cmp::Reverse(run.end_us()));
            most = most.max(ends.len());
        }
        most
    };
    workload.windows.iter().map(|window| of(&window.runs)).max().unwrap_or(0)
}

#[test]
fn every_story_is_a_workload_of_as_many_executions() {
    let files = files();
    assert!(files.keys().map(String::as_str).eq(STORIES.map(|(name, ..)| name)), "{:?}", files.keys());
    for (name, run_count, at_once) in STORIES {
        let workload = workload(name, &files[name]);
        assert_eq!(workload.run_count(), run_count, "{name}");
        assert!(most_at_once(&workload) >= at_once, "{name}: {}", most_at_once(&workload));
    }
}

#[test]
fn who_waits_is_longer_by_those_it_waits_for() {
    let files = files();
    let busy_us = |name: &str| workload(name, &files[name]).busy_us();
    // 40 ms of its own and 30, 120 and 250 ms of others: those count once more where the caller waits.
    assert_eq!(busy_us("chain-queue"), 440_000 * 50 * i128::from(SECONDS));
    assert_eq!(busy_us("chain-waiting"), (440_000 + 400_000) * 50 * i128::from(SECONDS));
}

#[test]
fn what_was_published_has_its_source() {
    for (name, text) in files() {
        if let Some(published) = Description::from_toml(&text).unwrap().published {
            assert!(published.source.starts_with("https://") && published.currency == "USD", "{name}");
            assert!(!published.what.is_empty(), "{name}");
        }
    }
}

#[test]
fn what_was_published_is_what_it_costs() {
    let catalogue = Catalogue::embedded().unwrap();
    let deployments = Deployments::embedded(&catalogue).unwrap();
    let files = files();
    // Of the telemetry what is published beside the snapshot, which no deployment has.
    for (name, amount) in [("mobile-backend", "2.73"), ("iot-telemetry", "242.62")] {
        let workload = workload(name, &files[name]);
        let lambda = deployments.find("aws-lambda-x86").unwrap();
        let found = replay(&catalogue, &Prepared::of(&workload), lambda, &Assumptions::default()).unwrap();
        assert_eq!((found.parts.compute + found.parts.requests).round_half_up(2), amount, "{name}");
    }
}

#[test]
fn a_machine_that_is_always_up_is_paid_for_every_hour_once() {
    let catalogue = Catalogue::embedded().unwrap();
    let deployments = Deployments::embedded(&catalogue).unwrap();
    let text = &files()["stream-4000"];
    let workload = workload("stream-4000", text);
    // Windows of seconds that repeat, on machines that are paid for at least a minute from each start.
    assert!(workload.windows.iter().all(|window| window.end_us - window.start_us < 60_000_000));
    let fixed = Assumptions { sizing: Some("fixed".parse().unwrap()), ..Assumptions::default() };
    let machine = deployments.find("aws-ec2-c5.large").unwrap();
    let found = replay(&catalogue, &Prepared::of(&workload), machine, &fixed).unwrap();
    assert_eq!(found.instances.peak, 8);
    let charge = found.charges.iter().find(|charge| charge.sku == "aws.ec2.instance:c5.large").unwrap();
    assert_eq!(charge.consumed_quantity.to_string(), (8 * 31 * 24).to_string());
}
