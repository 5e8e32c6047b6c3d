//! A workload that a file describes: functions, when they run, and which of them call others
//!
//! TOML or JSON; `docs/workloads.md` has every key. A description becomes a [`Workload`] with a seed: the same seed makes
//! the same executions everywhere.
use paygrain_pricing::Period;
use serde::Deserialize;

use crate::workload::{Trigger, Workload};

mod check;
mod error;
mod expand;
mod layout;
mod text;

#[cfg(test)]
mod tests;

pub use error::{DescriptionError, DescriptionMistake};
pub use text::Text;

/// A workload as a file describes it; nothing in it is checked yet but names of keys and kinds of values.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// What it is, in words.
    pub title: String,
    /// The billing month, `2026-10`; absent: the one that whoever reads it chooses.
    pub period: Option<Text>,
    /// What somebody published about it.
    pub published: Option<Published>,
    /// Its functions.
    #[serde(rename = "function")]
    pub functions: Vec<FunctionDescription>,
    /// Name of the file it was read from; empty: none.
    #[serde(skip)]
    pub file: String,
}

/// A figure that somebody published about a workload.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The amount, `25` or `"25.00"`.
    pub amount: Text,
    /// Its currency, `USD`.
    pub currency: String,
    /// What was published, in words.
    pub what: String,
    /// Where.
    pub source: String,
    /// Name of the deployment that it is of, which ours is shown of beside it.
    pub deployment: Option<String>,
    /// The parts of the cost that it has, by the names of [`Parts`](crate::Parts); empty: all.
    #[serde(default)]
    pub parts: Vec<String>,
}

/// A function, what it needs, and when it runs: by exactly one of `schedule`, `rate`, `runs` and `called_by`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionDescription {
    /// Its name; no other function of the file has it.
    pub name: String,
    /// Memory it is given, `512MB`.
    pub memory: Text,
    /// How long one execution takes of itself, without functions it waits for.
    pub duration: Option<DurationDescription>,
    /// Share of the duration that is work of the processor, in percent.
    pub cpu_percent: Option<i64>,
    /// Share of the duration that is waiting for disks, networks and others, in percent: what `cpu_percent` leaves.
    pub io_percent: Option<i64>,
    /// GPUs that one execution needs; absent: none.
    pub gpu: Option<i64>,
    /// vCPU it may use, `0.5`.
    pub vcpu: Option<Text>,
    /// How long a new instance initialises, `2s`.
    pub init: Option<Text>,
    /// Bytes of a request.
    pub request_bytes: Option<i64>,
    /// Bytes of a response.
    pub response_bytes: Option<i64>,
    /// Bytes that one execution writes to its log.
    pub log_bytes: Option<i64>,
    /// What starts it; absent: `schedule` with a schedule, `queue` where its caller does not wait, else `http`.
    pub trigger: Option<Trigger>,
    /// When it runs: a cron expression, `rate(5 minutes)`.
    pub schedule: Option<String>,
    /// Time zone of the schedule; absent: UTC.
    pub timezone: Option<String>,
    /// How often it runs: `4000 per second`.
    pub rate: Option<String>,
    /// How the runs of a rate are spread; absent: steady.
    pub arrivals: Option<Spread>,
    /// Of `diurnal`: runs of the busiest hour of the day over those of the mean hour; absent: 2.
    pub peak_factor: Option<Text>,
    /// Of `diurnal`: the busiest hour of the day, UTC, 0 to 23; absent: 14.
    pub peak_hour: Option<i64>,
    /// Of `burst`: runs that start at the same instant.
    pub burst_size: Option<i64>,
    /// Single runs.
    pub runs: Option<Vec<RunDescription>>,
    /// The function that calls it.
    pub called_by: Option<String>,
    /// Calls for each run of the caller, `3` or `"1/10"`; absent: 1.
    pub calls: Option<Text>,
    /// Whether the caller waits for it; absent: it does.
    pub wait: Option<bool>,
    /// The instant before which it does not run, RFC 3339.
    pub from: Option<Text>,
    /// The instant from which on it no longer runs, RFC 3339.
    pub to: Option<Text>,
}

/// How long an execution takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DurationDescription {
    /// Always as long: `300ms`.
    Fixed(Text),
    /// Log-normal, by two of its percentiles.
    LogNormal {
        /// Half are shorter.
        median: Text,
        /// 95 of 100 are shorter.
        p95: Text,
    },
    /// One of several, in the proportions of their weights.
    Choice {
        /// The durations.
        values: Vec<Text>,
        /// How often each comes among the sum of all; absent: all equally often.
        weights: Option<Vec<i64>>,
    },
}

/// Runs at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunDescription {
    /// The instant, RFC 3339.
    pub at: Text,
    /// How long each takes; absent: the duration of the function.
    pub duration: Option<Text>,
    /// How many; absent: 1.
    pub count: Option<i64>,
}

/// How the runs of a rate are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spread {
    /// Equally far apart.
    #[default]
    Steady,
    /// At random, independently of each other.
    Poisson,
    /// More by day than by night.
    Diurnal,
    /// Many at once, equally far apart.
    Burst,
}

impl Description {
    /// Reads a description written in TOML.
    ///
    /// # Errors
    /// The first that is no TOML, is missing, has an unknown name or a value of the wrong kind, with its line.
    pub fn from_toml(text: &str) -> Result<Self, DescriptionError> {
        error::toml(text)
    }

    /// Reads a description written in JSON.
    ///
    /// # Errors
    /// The first that is no JSON, is missing, has an unknown name or a value of the wrong kind, with its line.
    pub fn from_json(text: &str) -> Result<Self, DescriptionError> {
        error::json(text)
    }

    /// Reads the text of a file: JSON where its name ends with `.json`, else TOML.
    ///
    /// # Errors
    /// Those of [`Self::from_toml`] and [`Self::from_json`], with the name of the file.
    pub fn from_path_text(name: &str, text: &str) -> Result<Self, DescriptionError> {
        let is_json = name.to_ascii_lowercase().ends_with(".json");
        let read = if is_json { Self::from_json(text) } else { Self::from_toml(text) };
        match read {
            Ok(description) => Ok(Self { file: name.to_owned(), ..description }),
            Err(error) => Err(DescriptionError { file: name.to_owned(), ..error }),
        }
    }

    /// The executions of its period, or of another where it names none. Durations and random arrivals are drawn from
    /// the seed: the same gives the same.
    ///
    /// # Errors
    /// Every mistake, with the path of its field.
    pub fn workload(&self, seed: u64, default_period: Period) -> Result<Workload, DescriptionError> {
        let plan = check::plan(self, default_period)?;
        Ok(layout::workload(&plan, seed))
    }
}
