//! What is assumed where the workload and the price books say nothing; every one may be changed
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::sizing::Sizing;

/// Assumptions of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Assumptions {
    /// Whether free tiers count.
    pub allowances: bool,
    /// What other workloads of the account use of each free tier, in percent of it.
    pub used_allowance_percent: u32,
    /// Load of an instance that is aimed at, in percent: the rest is room for what comes unexpected.
    pub target_percent: u32,
    /// How instances that are sized come and go; absent: the cheapest way for each deployment.
    pub sizing: Option<Sizing>,
    /// For a fixed size, the percentile of the load that it must carry; absent: the peak. Beyond it executions wait.
    pub percentile: Option<u32>,
    /// Instances that are always up; absent: what the deployment needs.
    pub minimum_instances: Option<u64>,
    /// At least two instances, in two zones, of what is sized.
    pub high_availability: bool,
    /// Executions that an instance takes at once; absent: what the deployment says, or memory and vCPU let.
    pub concurrency: Option<u64>,
    /// From the wish for an instance to its first request, milliseconds; absent: what the deployment assumes.
    pub start_ms: Option<i64>,
    /// How long an idle instance stays up, seconds; absent: what the deployment assumes.
    pub tail_s: Option<i64>,
    /// How long the load must be lower before instances stop, seconds.
    pub scale_in_s: i64,
    /// How long a scheduled instance stays up after the last execution, seconds.
    pub stop_s: i64,
    /// Executions at once that the provider grants; absent: what it grants to everyone.
    pub granted_concurrency: Option<u64>,
    /// How often in 1,000 hours an instance is taken back that may be; absent: what the deployment assumes.
    pub interruptions_per_thousand_hours: Option<i64>,
    /// For how long instances that are always up are committed to, where a price for it is known; absent: on demand.
    pub commitment: Option<Term>,
    /// Extras that do not count although they would.
    pub without: BTreeSet<String>,
    /// Extras that count although they would not.
    pub with: BTreeSet<String>,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            allowances: true,
            used_allowance_percent: 0,
            target_percent: 70,
            sizing: None,
            percentile: None,
            minimum_instances: None,
            high_availability: false,
            concurrency: None,
            start_ms: None,
            tail_s: None,
            scale_in_s: 300,
            stop_s: 60,
            granted_concurrency: None,
            interruptions_per_thousand_hours: None,
            commitment: None,
            without: BTreeSet::new(),
            with: BTreeSet::new(),
        }
    }
}

/// How long a commitment runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Term {
    /// Twelve months.
    #[serde(rename = "1-year")]
    OneYear,
    /// Thirty-six months.
    #[serde(rename = "3-year")]
    ThreeYears,
}

impl Term {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::OneYear, Self::ThreeYears];

    /// Its word in data and URLs.
    pub fn word(self) -> &'static str {
        match self {
            Self::OneYear => "1-year",
            Self::ThreeYears => "3-year",
        }
    }

    /// How long, in a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Self::OneYear => "1 year",
            Self::ThreeYears => "3 years",
        }
    }
}

/// Why assumptions mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is {value}: expected {expected}")]
pub struct AssumptionError {
    /// The assumption.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it can be.
    pub expected: &'static str,
}

/// A number that is assumed, and what it may be.
#[derive(Clone, Copy, Debug)]
pub struct AssumptionRange {
    /// Its name.
    pub name: &'static str,
    /// The least it may be.
    pub least: i64,
    /// The most it may be.
    pub most: i64,
    /// The same in words.
    expected: &'static str,
    /// Its value among assumptions; absent where they leave it to the deployment.
    pub value: fn(&Assumptions) -> Option<i64>,
}

const fn range(
    name: &'static str,
    (least, most): (i64, i64),
    expected: &'static str,
    value: fn(&Assumptions) -> Option<i64>,
) -> AssumptionRange {
    AssumptionRange { name, least, most, expected, value }
}

impl Assumptions {
    /// The numbers among them.
    pub const RANGES: [AssumptionRange; 11] = [
        range("target_percent", (1, 100), "1 to 100", |all| Some(all.target_percent.into())),
        range("used_allowance_percent", (0, 100), "0 to 100", |all| Some(all.used_allowance_percent.into())),
        range("percentile", (1, 100), "1 to 100", |all| all.percentile.map(Into::into)),
        range("minimum_instances", (0, 100_000), "0 to 100,000", |all| all.minimum_instances.map(clamped)),
        range("concurrency", (1, 100_000), "1 to 100,000", |all| all.concurrency.map(clamped)),
        range("granted_concurrency", (1, 10_000_000), "1 to 10,000,000", |all| all.granted_concurrency.map(clamped)),
        range("start_ms", (0, 3_600_000), "0 to 3,600,000 (an hour)", |all| all.start_ms),
        range("tail_s", (0, 86_400), "0 to 86,400 (a day)", |all| all.tail_s),
        range("scale_in_s", (0, 86_400), "0 to 86,400 (a day)", |all| Some(all.scale_in_s)),
        range("interruptions_per_thousand_hours", (0, 100_000), "0 to 100,000", |all| {
            all.interruptions_per_thousand_hours
        }),
        range("stop_s", (0, 86_400), "0 to 86,400 (a day)", |all| Some(all.stop_s)),
    ];

    /// # Errors
    /// The first that is out of its range.
    pub fn check(&self) -> Result<(), AssumptionError> {
        let extras =
            range("extras", (0, 100), "at most 100", |all| Some(clamped((all.with.len() + all.without.len()) as u64)));
        for AssumptionRange { name, least, most, expected, value } in Self::RANGES.into_iter().chain([extras]) {
            if let Some(value) = value(self).filter(|value| !(least..=most).contains(value)) {
                return Err(AssumptionError { name, value: value.to_string(), expected });
            }
        }
        Ok(())
    }
}

fn clamped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
