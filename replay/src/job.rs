//! A scheduled job that does not exist yet: a schedule, a duration and a memory, as a workload
use paygrain_pricing::{Exact, Period};
use serde::Serialize;

use crate::{
    schedule::{Schedule, ScheduleError},
    workload::{Function, Run, Trigger, Window, Workload},
};

/// Longest duration that can be asked for: 31 days.
pub(crate) const DURATION_US_MAX: i64 = 31 * 86_400 * 1_000_000;
/// Largest memory that can be asked for, MB: 4 TiB.
const MEMORY_MB_MAX: i64 = 4 << 20;
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
        let mut function = Function::new("job", memory_mb(memory)?);
        function.trigger = Trigger::Schedule;
        function.cpu_percent = number("cpu_percent", text("cpu_percent"), 0, 100, "a whole number from 0 to 100")?
            .and_then(|percent| u32::try_from(percent).ok());
        function.vcpu_milli = text("vcpu").map(vcpu_milli).transpose()?;
        function.init_us = text("init").map(|text| span_us("init", text)).transpose()?;
        let bytes = "a whole number of bytes, at most 10^15";
        for (name, field) in [("response_bytes", &mut function.response_bytes), ("log_bytes", &mut function.log_bytes)]
        {
            *field = number(name, text(name), 0, 1_000_000_000_000_000, bytes)?.unwrap_or(0);
        }
        let period = match text("period") {
            None => this_month,
            Some(month) => month.parse().map_err(|_| JobError::Value {
                name: "period",
                value: month.to_owned(),
                expected: "a month as YYYY-MM, for example 2026-10",
            })?,
        };
        Ok(Self { schedule, period, duration_us: span_us("duration", duration)?, function })
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

fn value(name: &'static str, value: &str, expected: &'static str) -> JobError {
    JobError::Value { name, value: value.chars().take(60).collect(), expected }
}

fn number(
    name: &'static str,
    text: Option<&str>,
    least: i64,
    most: i64,
    expected: &'static str,
) -> Result<Option<i64>, JobError> {
    let Some(text) = text else { return Ok(None) };
    let number = text.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
    number.map(Some).ok_or_else(|| value(name, text, expected))
}

/// A number with one of some units behind it, in the base unit; nothing where it is none.
fn with_unit(text: &str, units: &[(&str, i64)]) -> Option<Exact> {
    let text = text.trim();
    let at = text.find(|character: char| !(character.is_ascii_digit() || character == '.'))?;
    let (digits, unit) = text.split_at(at);
    let unit = unit.trim();
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    Some(Exact::parse(digits).ok()? * Exact::from(*factor))
}

/// A duration in microseconds, at least one and at most 31 days.
pub(crate) fn span_us(name: &'static str, text: &str) -> Result<i64, JobError> {
    let units = [
        ("us", 1),
        ("µs", 1),
        ("ms", 1_000),
        ("s", 1_000_000),
        ("sec", 1_000_000),
        ("m", 60_000_000),
        ("min", 60_000_000),
        ("h", 3_600_000_000),
        ("d", 86_400_000_000),
    ];
    let us = with_unit(text, &units).and_then(|us| i64::try_from(us.ceil_to_integer().to_i128()?).ok());
    us.filter(|us| (1..=DURATION_US_MAX).contains(us)).ok_or_else(|| {
        value(name, text, "a number with its unit (ms, s, min, h), above 0 and at most 31 days, such as `300ms`")
    })
}

/// A memory in MB, at least one.
pub(crate) fn memory_mb(text: &str) -> Result<i64, JobError> {
    let units = [("MB", 1), ("MiB", 1), ("M", 1), ("GB", 1024), ("GiB", 1024), ("G", 1024)];
    let plain = text.parse::<i64>().ok().map(Exact::from);
    let mb =
        plain.or_else(|| with_unit(text, &units)).and_then(|mb| i64::try_from(mb.ceil_to_integer().to_i128()?).ok());
    mb.filter(|mb| (1..=MEMORY_MB_MAX).contains(mb)).ok_or_else(|| {
        value("memory", text, "MB, or a number with `MB` or `GB`, above 0 and at most 4,096 GB, such as `512MB`")
    })
}

/// vCPU in thousandths, at least one.
pub(crate) fn vcpu_milli(text: &str) -> Result<i64, JobError> {
    let milli = Exact::parse(text).ok().map(|vcpu| (vcpu * Exact::from(1000)).ceil_to_integer());
    let milli = milli.and_then(|milli| i64::try_from(milli.to_i128()?).ok());
    milli
        .filter(|milli| (1..=1_000_000).contains(milli))
        .ok_or_else(|| value("vcpu", text, "a number above 0 and at most 1,000, such as `0.5`"))
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

    #[test]
    fn numbers_have_units() {
        for (text, us) in [("300ms", 300_000), ("1.5s", 1_500_000), ("2 min", 120_000_000), ("0.5h", 1_800_000_000)] {
            assert_eq!(span_us("duration", text), Ok(us), "{text}");
        }
        for (text, mb) in [("512", 512), ("512MB", 512), ("2 GB", 2048), ("1.5gb", 1536)] {
            assert_eq!(memory_mb(text), Ok(mb), "{text}");
        }
        assert_eq!(vcpu_milli("0.25"), Ok(250));
    }
}
