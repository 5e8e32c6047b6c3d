//! Courses worked by hand, and peaks against the outcomes of all deployments
use paygrain_pricing::{Catalogue, Period, period::SECOND_US};

use super::*;
use crate::{
    deployment::Deployments,
    description::Description,
    prepared::Prepared,
    replay::replay,
    workload::{Function, Window},
};

fn october() -> Period {
    "2026-10".parse().unwrap()
}

/// Executions of one function in October: seconds after its begin, and how many seconds each takes.
fn workload(runs: &[(i64, i64)]) -> Workload {
    let start_us = october().start_us();
    let run = |(at_s, takes_s): &(i64, i64)| Run {
        start_us: start_us + at_s * SECOND_US,
        duration_us: takes_s * SECOND_US,
        function: 0,
    };
    let window = Window { start_us, end_us: october().end_us(), repeats: 1, runs: runs.iter().map(run).collect() };
    let functions = vec![Function::new("f", 512)];
    Workload { title: String::new(), period: october(), functions, windows: vec![window] }
}

fn described(rows: &str) -> Workload {
    let text = format!("title = \"t\"\n[[function]]\nname = \"f\"\nmemory = \"512MB\"\nduration = \"200ms\"\n{rows}\n");
    Description::from_toml(&text).unwrap().workload(1, october()).unwrap()
}

fn deployments(catalogue: &Catalogue) -> Deployments {
    Deployments::embedded(catalogue).unwrap()
}

/// Buckets with something in them, by their place.
fn filled_buckets(found: &Staircase, value: fn(&Bucket) -> u64) -> Vec<(usize, u64)> {
    let all = found.buckets.iter().enumerate();
    all.map(|(place, bucket)| (place, value(bucket))).filter(|(_, value)| *value > 0).collect()
}

#[test]
fn a_month_is_186_buckets_of_four_hours_and_a_day_is_144_of_ten_minutes() {
    let catalogue = Catalogue::embedded().unwrap();
    let all = deployments(&catalogue);
    let lambda = all.find("aws-lambda-arm").unwrap();
    let of = |workload: &Workload| staircase(workload, lambda, &Assumptions::default(), None).unwrap();
    let month = of(&workload(&[(0, 1)]));
    assert_eq!((month.bucket_us, month.buckets.len(), month.is_pattern), (4 * HOUR_US, 186, false));
    let mut day = workload(&[(0, 1)]);
    day.windows[0].end_us = day.windows[0].start_us + DAY_US;
    let day = of(&day);
    assert_eq!((day.bucket_us, day.buckets.len()), (10 * MINUTE_US, 144));
    assert_eq!(day.timed().last().unwrap().0, october().start_us() + DAY_US - 10 * MINUTE_US);
}

#[test]
fn instances_on_request_stay_up_for_their_tail_and_no_longer() {
    let catalogue = Catalogue::embedded().unwrap();
    let all = deployments(&catalogue);
    let lambda = all.find("aws-lambda-arm").unwrap();
    // Two at once at the begin, and one more in the fifth hour; instances idle for an hour.
    let assumptions = Assumptions { tail_s: Some(3600), start_ms: Some(0), ..Assumptions::default() };
    let runs = workload(&[(0, 10), (5, 10), (4 * 3600 + 60, 30)]);
    let found = staircase(&runs, lambda, &assumptions, None).unwrap();
    assert_eq!(filled_buckets(&found, |bucket| bucket.peak_concurrency), [(0, 2), (1, 1)]);
    assert_eq!(filled_buckets(&found, |bucket| bucket.peak_instances), [(0, 2), (1, 1)]);
    // With a tail of five hours the first two are still up in the second bucket, and gone in the third.
    let assumptions = Assumptions { tail_s: Some(5 * 3600), ..assumptions };
    let found = staircase(&runs, lambda, &assumptions, None).unwrap();
    assert_eq!(filled_buckets(&found, |bucket| bucket.peak_instances), [(0, 2), (1, 2), (2, 1)]);
}

#[test]
fn sized_instances_are_up_all_the_time_or_around_the_executions() {
    let catalogue = Catalogue::embedded().unwrap();
    let all = deployments(&catalogue);
    let vm = all.find("aws-ec2-t3.micro").unwrap();
    let runs = workload(&[(100, 10), (9 * 3600, 10)]);
    let of = |sizing| staircase(&runs, vm, &Assumptions::default(), Some(sizing)).unwrap();
    let fixed = of(Sizing::Fixed { percentile: None });
    assert!(fixed.buckets.iter().all(|bucket| bucket.peak_instances == 1));
    let scheduled = of(Sizing::Scheduled);
    assert_eq!(filled_buckets(&scheduled, |bucket| bucket.peak_instances), [(0, 1), (2, 1)]);
}

#[test]
fn the_highest_step_is_the_peak_of_the_outcome_on_every_deployment() {
    let catalogue = Catalogue::embedded().unwrap();
    let assumptions = Assumptions::default();
    let bursts: Vec<(i64, i64)> = (0..400).map(|place| (place / 9 * 2000 + place % 9, 3 + place * 7 % 40)).collect();
    for workload in [
        workload(&bursts),
        described("rate = \"20000 per day\"\narrivals = \"burst\"\nburst_size = 50"),
        described("rate = \"50 per second\""),
        described("rate = \"5 per second\"\narrivals = \"diurnal\"\npeak_factor = 8\npeak_hour = 20"),
    ] {
        let prepared = Prepared::of(&workload);
        for deployment in deployments(&catalogue).all() {
            let outcome = replay(&catalogue, &prepared, deployment, &assumptions).unwrap();
            if outcome.monthly_cost.is_none() {
                continue;
            }
            let found = staircase(&workload, deployment, &assumptions, outcome.sizing).unwrap();
            let most = |value: fn(&Bucket) -> u64| found.buckets.iter().map(value).max().unwrap();
            let name = &outcome.name;
            assert_eq!(most(|bucket| bucket.peak_instances), outcome.instances.peak, "{name}");
            let at_once = most(|bucket| bucket.peak_concurrency);
            match outcome.sizing {
                Some(_) if outcome.queueing.count == 0 => {
                    assert_eq!(at_once, outcome.instances.peak_concurrency, "{name}")
                }
                // Those that wait are among them, and what starts cold takes longer.
                Some(_) => assert!(at_once >= outcome.instances.peak_concurrency, "{name}"),
                None => assert!(at_once <= outcome.instances.peak_concurrency.max(1), "{name}"),
            }
        }
    }
}

#[test]
fn what_repeats_by_the_hour_of_the_day_has_its_busiest_hour_every_day() {
    let catalogue = Catalogue::embedded().unwrap();
    let all = deployments(&catalogue);
    let lambda = all.find("aws-lambda-arm").unwrap();
    let day = described(
        "rate = \"5 per second\"\narrivals = \"diurnal\"\npeak_factor = 8\npeak_hour = 20\nfrom = 2026-10-04T00:00:00Z\n\
         to = 2026-10-18T00:00:00Z",
    );
    let found = staircase(&day, lambda, &Assumptions::default(), None).unwrap();
    assert!(found.is_pattern);
    // Six buckets a day, and the busiest one is that from 20:00 on.
    for (number, of_day) in found.buckets.chunks(6).enumerate() {
        let most = of_day.iter().map(|bucket| bucket.peak_concurrency).max().unwrap();
        match (3..17).contains(&number) {
            true => {
                assert!(most > 0 && of_day[5].peak_concurrency == most && of_day[1].peak_concurrency < most, "{number}")
            }
            false => assert_eq!(most, 0, "day {number}"),
        }
    }
    let steady = staircase(&described("rate = \"50 per second\""), lambda, &Assumptions::default(), None).unwrap();
    assert!(steady.is_pattern && steady.buckets.iter().all(|bucket| *bucket == steady.buckets[0]));
}
