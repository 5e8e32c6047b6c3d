//! Logs of four small applications, made up from a seed: the same seed makes the same bytes everywhere.
//!
//! All numbers are integers, all times are fixed, and nothing depends on the order of a hash table.

use std::io::Write;

use chrono::{DateTime, NaiveDate};

mod election_results;
mod load;
mod nightly_report;
mod resize_image;
mod web_api;

pub use load::load;

/// Seed of the files in `samples/`.
pub const SEED: u64 = 7;

/// Account of all samples.
const ACCOUNT: &str = "123456789012";
/// Region of all samples.
const REGION: &str = "us-east-1";

const MILLISECOND_US: i64 = 1_000;
const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

const DEFAULTS: &str = "\
# What the logs beside this file do not say.
account = \"123456789012\"
region = \"us-east-1\"

[resources.nightly-report]
architecture = \"x86_64\"

[resources.resize-image]
architecture = \"arm64\"

[resources.web-api]
architecture = \"arm64\"

[resources.election-results]
architecture = \"x86_64\"
";

/// Names and contents of the sample files.
pub fn files(seed: u64) -> Vec<(String, Vec<u8>)> {
    // Each story has its own numbers, so that a change in one leaves the others as they are.
    let random = |story: u64| Random(seed.wrapping_mul(1_000).wrapping_add(story));
    let photos = resize_image::files(&mut random(2));
    vec![
        ("defaults.toml".into(), DEFAULTS.into()),
        ("nightly-report.log".into(), nightly_report::log(&mut random(1)).into()),
        ("resize-image.json".into(), photos.log_events.into()),
        ("photos-access.log".into(), photos.access_log.into()),
        ("events/s3-event-notification-2.1.json".into(), photos.notification.into()),
        ("web-api.ndjson.gz".into(), gzip(&web_api::log(&mut random(3)))),
        ("election-results.log.gz".into(), gzip(&election_results::log(&mut random(4)))),
    ]
}

/// Numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).unwrap_or(0) + 1;
        low + i64::try_from(self.next() % span).unwrap_or(0)
    }

    /// Mostly near `low`, seldom near `high`, as durations are.
    fn skewed(&mut self, low: i64, high: i64) -> i64 {
        let upper = self.between(low, high);
        let upper = self.between(low, upper);
        self.between(low, upper)
    }

    /// True once in `n` times.
    fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut out = String::new();
        while out.len() < digits {
            out.push_str(&format!("{:016x}", self.next()));
        }
        out.truncate(digits);
        out
    }

    /// A random UUID (version 4).
    fn uuid(&mut self) -> String {
        let hex = self.hex(32);
        let variant = ['8', '9', 'a', 'b'][usize::from(self.next() as u8 % 4)];
        format!("{}-{}-4{}-{variant}{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }
}

/// Midnight of a day in 2026, in microseconds since 1970 UTC.
fn day(month: u32, day: u32) -> i64 {
    let midnight = NaiveDate::from_ymd_opt(2026, month, day).and_then(|date| date.and_hms_opt(0, 0, 0));
    midnight.map_or(0, |time| time.and_utc().timestamp_micros())
}

/// A time to the millisecond, as CloudWatch writes it.
fn iso_ms(time_us: i64) -> String {
    format_time(time_us, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

fn format_time(time_us: i64, format: &str) -> String {
    DateTime::from_timestamp_micros(time_us).unwrap_or_default().format(format).to_string()
}

/// The name of a log stream that began at a time; `function` where the log group is shared.
fn log_stream(random: &mut Random, time_us: i64, function: &str) -> String {
    format!("{}/{function}[$LATEST]{}", format_time(time_us, "%Y/%m/%d"), random.hex(32))
}

/// What a REPORT line says.
struct Report<'a> {
    request_id: &'a str,
    duration_us: i64,
    init_us: Option<i64>,
    billed_ms: i64,
    memory_mb: i64,
    used_mb: i64,
    status: &'a str,
}

impl Report<'_> {
    /// The message, with microseconds cut to the two decimals that there are.
    fn message(&self) -> String {
        let mut out = format!(
            "REPORT RequestId: {}\tDuration: {} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
            self.request_id,
            hundredths(self.duration_us),
            self.billed_ms,
            self.memory_mb,
            self.used_mb
        );
        if let Some(init_us) = self.init_us {
            out.push_str(&format!("Init Duration: {} ms\t", hundredths(init_us)));
        }
        out.push_str(self.status);
        out
    }
}

/// Milliseconds with two decimals.
fn hundredths(us: i64) -> String {
    format!("{}.{:02}", us / 1000, us % 1000 / 10)
}

/// A duration as REPORT lines can say it.
fn in_hundredths(us: i64) -> i64 {
    us / 10 * 10
}

/// What Lambda bills since August 2025: handler and initialisation together, rounded up to a millisecond.
fn billed_ms(duration_us: i64, init_us: Option<i64>) -> i64 {
    let us = duration_us + init_us.unwrap_or(0);
    (us + MILLISECOND_US - 1) / MILLISECOND_US
}

/// Lines in order of their times, each with its end.
fn in_order(mut lines: Vec<(i64, String)>) -> String {
    lines.sort_by_key(|(time, _)| *time);
    let mut out = String::new();
    for (_, line) in lines {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Compressed without a time, so that the bytes depend on the text only.
fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::best());
    // Writing to memory does not fail.
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}
