//! A scheduled job that does not exist yet: a schedule, a duration and a memory, as a workload
use paygrain_pricing::Period;
use serde::Serialize;

use crate::{
    quantities::{BYTES_MAX, parse_duration_us, parse_memory_mb, parse_vcpu_milli, shown},
    schedule::{Schedule, ScheduleError},
    workload::{Function, Run, Trigger, Window, Workload},
};

/// Runs that are shown.
const NEXT_RUNS: usize = 5;

/// Names of what a job is asked with, and what each says.
pub const JOB_WORDS: [(&str, &str); 10] = [
    ("schedule", "cron expression, such as `0 17 * * *`, or `rate(5 minutes)`"),
    ("timezone", "time zone of the schedule, such as `Europe/Zurich`; UTC if not given"),
    ("duration", "how long a run takes, such as `300ms`, `2s` or `15min`"),
    ("memory", "memory that a run is given, such as `512MB` or `2GB`"),
    ("cpu_percent", "share of the duration that is work of the processor, in percent"),
    ("vcpu", "vCPU that a run may use, such as `0.5`; the share that goes with its memory if not given"),
    ("init", "how long a new instance initialises, such as `2s`; what each deployment assumes if not given"),
    ("response_bytes", "bytes that leave with each run"),
    ("log_bytes", "bytes that each run writes to its log"),
    ("period", "billing month (YYYY-MM) whose prices hold; this month if not given"),
];

/// A scheduled job.
#[derive(Clone, Debug)]
pub struct ScheduledJob {
    /// When it runs.
    pub schedule: Schedule,
    /// The billing period.
    pub period: Period,
    /// How long a run takes, microseconds.
    pub duration_us: i64,
    /// What a run needs.
    pub function: Function,
}

/// When a job runs, for those who check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobTimes {
    /// The schedule in words.
    pub words: String,
    /// The next runs, RFC 3339 in UTC.
    pub next_runs: Vec<String>,
    /// Runs of the period whose local time the clock leaves out or repeats, in words.
    pub clock_changes: Vec<String>,
}

/// Why a job cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Its schedule.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Something that must be given.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A name that is none.
    #[error("a job has no `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A value that means nothing.
    #[error("`{name}` is `{value}`, expected {expected}")]
    Value {
        /// Its name.
        name: &'static str,
        /// What was given.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
}

impl JobError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Schedule(error) => error.hint.clone(),
            Self::Missing(name) | Self::Value { name, .. } => {
                JOB_WORDS.iter().find(|(word, _)| word == name).map(|(_, meaning)| (*meaning).to_owned())
            }
            Self::Unknown { .. } => Some(format!("there are {}", JOB_WORDS.map(|(word, _)| word).join(", "))),
        }
    }
}

impl ScheduledJob {
    /// Reads a job from names and texts: those of [`JOB_WORDS`]. `this_month` is taken where no period is given.
    ///
    /// # Errors
    /// The first that is missing or means nothing.
    pub fn read(given: &[(String, String)], this_month: Period) -> Result<Self, JobError> {
        if let Some((name, _)) = given.iter().find(|(name, _)| JOB_WORDS.iter().all(|(word, _)| word != name)) {
            return Err(JobError::Unknown { name: name.clone() });
        }
        let text = |name: &str| {
            let last = given.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.trim());
            last.filter(|value| !value.is_empty())
        };
        let schedule =
            Schedule::parse(text("schedule").ok_or(JobError::Missing("schedule"))?, text("timezone").unwrap_or("UTC"))?;
        let duration = text("duration").ok_or(JobError::Missing("duration"))?;
        let memory = text("memory").ok_or(JobError::Missing("memory"))?;
        let mut function = Function::new("job", quantity("memory", memory, parse_memory_mb)?);
        function.trigger = Trigger::Schedule;
        function.cpu_percent = number("cpu_percent", text("cpu_percent"), 100, "a whole number from 0 to 100")?
            .and_then(|percent| u32::try_from(percent).ok());
        function.vcpu_milli = text("vcpu").map(|text| quantity("vcpu", text, parse_vcpu_milli)).transpose()?;
        function.init_us = text("init").map(|text| quantity("init", text, parse_duration_us)).transpose()?;
        let bytes = "a whole number of bytes, at most 10^15";
        for (name, field) in [("response_bytes", &mut function.response_bytes), ("log_bytes", &mut function.log_bytes)]
        {
            *field = number(name, text(name), BYTES_MAX, bytes)?.unwrap_or(0);
        }
        let period = match text("period") {
            None => this_month,
            Some(month) => month.parse().map_err(|_| JobError::Value {
                name: "period",
                value: month.to_owned(),
                expected: "a month as YYYY-MM, for example 2026-10",
            })?,
        };
        Ok(Self { schedule, period, duration_us: quantity("duration", duration, parse_duration_us)?, function })
    }

    /// The job as a workload of its period.
    pub fn workload(&self) -> Workload {
        let run = |start_us: i64| Run { start_us, duration_us: self.duration_us, function: 0 };
        let runs = self.schedule.runs(self.period).into_iter().map(run).collect();
        Workload {
            title: format!("{}, in {}", self.schedule.words(), self.period),
            period: self.period,
            functions: vec![self.function.clone()],
            windows: vec![Window { start_us: self.period.start_us(), end_us: self.period.end_us(), repeats: 1, runs }],
        }
    }

    /// When it runs after an instant, UTC microseconds.
    pub fn times(&self, after_us: i64) -> JobTimes {
        let text = |at_us: i64| chrono::DateTime::from_timestamp_micros(at_us).map(|at| at.to_rfc3339());
        JobTimes {
            words: self.schedule.words(),
            next_runs: self.schedule.next(after_us, NEXT_RUNS).into_iter().filter_map(text).collect(),
            clock_changes: self.schedule.clock_changes(self.period).iter().map(ToString::to_string).collect(),
        }
    }
}

/// What a text says, or what was expected in its place.
fn quantity(name: &'static str, text: &str, parse: fn(&str) -> Result<i64, &'static str>) -> Result<i64, JobError> {
    parse(text).map_err(|expected| JobError::Value { name, value: shown(text), expected })
}

/// A whole number from 0 to a most.
fn number(name: &'static str, text: Option<&str>, most: i64, expected: &'static str) -> Result<Option<i64>, JobError> {
    let Some(text) = text else { return Ok(None) };
    let number = text.parse::<i64>().ok().filter(|number| (0..=most).contains(number));
    number.map(Some).ok_or_else(|| JobError::Value { name, value: shown(text), expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<ScheduledJob, JobError> {
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ScheduledJob::read(&given, "2026-10".parse().unwrap())
    }

    const DAILY: [(&str, &str); 4] =
        [("schedule", "0 17 * * *"), ("timezone", "Europe/Zurich"), ("duration", "300ms"), ("memory", "512")];

    #[test]
    fn a_job_is_a_run_at_each_time_of_its_schedule() {
        let job = read(&DAILY).unwrap();
        let workload = job.workload();
        assert_eq!(workload.run_count(), 31);
        assert_eq!(workload.title, "Every day at 17:00 in Europe/Zurich, in 2026-10");
        let text = |at_us: i64| chrono::DateTime::from_timestamp_micros(at_us).unwrap().to_rfc3339();
        let runs = &workload.windows[0].runs;
        // Winter time from the 25th on.
        assert_eq!(text(runs[23].start_us), "2026-10-24T15:00:00+00:00");
        assert_eq!(text(runs[24].start_us), "2026-10-25T16:00:00+00:00");
        assert_eq!((runs[0].duration_us, workload.functions[0].memory_mb), (300_000, 512));
    }

    #[test]
    fn runs_that_a_change_of_the_clock_touches_are_told() {
        let mut given = DAILY;
        given[0].1 = "30 2 * * *";
        let times = read(&given).unwrap().times("2026-10".parse::<Period>().unwrap().start_us());
        assert_eq!(times.next_runs.len(), 5);
        assert_eq!(times.clock_changes.len(), 1, "{:?}", times.clock_changes);
        assert!(times.clock_changes[0].starts_with("2026-10-25 02:30:00 exists twice"), "{:?}", times.clock_changes);
    }

    #[test]
    fn what_means_nothing_is_refused_with_what_was_expected() {
        for (name, given, expected) in [
            ("duration", "300", "`duration` is `300`, expected a number with its unit"),
            ("duration", "0ms", "`duration` is `0ms`"),
            ("duration", "40d", "`duration` is `40d`"),
            ("memory", "-1", "`memory` is `-1`"),
            ("memory", "99999999999999999999", "`memory` is"),
            ("memory", "", "`memory` is missing"),
            ("schedule", "", "`schedule` is missing"),
            ("cpu_percent", "101", "`cpu_percent` is `101`"),
            ("vcpu", "0", "`vcpu` is `0`"),
            ("period", "2026-13", "`period` is `2026-13`"),
            ("colour", "red", "a job has no `colour`"),
        ] {
            let mut all: Vec<_> = DAILY.into_iter().filter(|(other, _)| *other != name).collect();
            all.push((name, given));
            let error = read(&all).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{name}={given}: {error}");
            assert!(error.hint().is_some(), "{name}={given}");
        }
        let error = read(&[("schedule", "0 25 * * *"), ("duration", "1s"), ("memory", "1GB")]).unwrap_err();
        assert!(error.to_string().contains("25"), "{error}");
    }
}
