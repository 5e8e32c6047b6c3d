//! Schedules: cron expressions in a time zone, and which instants of a period they name
//!
//! Expressions are read and searched by the `croner` crate; what is written here says where a mistake is, and answers for
//! whole periods. Three forms are taken:
//!
//! | form | fields |
//! |---|---|
//! | `0 17 * * *` | five; six begin with seconds, seven also end with years; also `@daily` and its like |
//! | `cron(0 17 * * ? *)` | Amazon EventBridge: six, from the minute to the year, days of the week from 1 (Sunday) to 7 |
//! | `rate(5 minutes)` | Amazon EventBridge: counted from 1970-01-01 00:00 UTC, since a description has no moment of creation |
//!
//! Where clocks change, `croner` has the rule of Vixie cron. A schedule of one time of day (one second, one minute and
//! one hour) whose time does not exist comes at the first instant after the gap, and one whose time exists twice comes
//! once, at the earlier of the two. Every other schedule leaves out times that do not exist and comes twice at times that
//! exist twice.
use std::fmt;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use croner::{Cron, JobType, Weekday, parser::CronParser};
use paygrain_pricing::{
    Period,
    period::{DAY_US, SECOND_US},
};

mod mistake;

pub use mistake::ScheduleError;

use crate::quantities;

/// Years that are searched for a day that a schedule names: all there are of the Gregorian calendar.
const CALENDAR_YEARS: std::ops::Range<i32> = 1970..2370;

/// When something is executed: a cron expression in a time zone, or every so often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    zone: Tz,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Cron(Box<Cron>),
    /// Microseconds from one run to the next.
    Every(i64),
}

/// A run whose local time the clock leaves out or repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockChange {
    /// The time the schedule names, on the clock of its zone.
    pub local: NaiveDateTime,
    /// What becomes of the run.
    pub effect: ClockEffect,
}

/// What becomes of a run where clocks change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockEffect {
    /// The time does not exist, and there is no run.
    Skipped,
    /// The time does not exist; the run is at this instant instead (UTC microseconds), the first after the gap.
    Moved(i64),
    /// The time exists twice; the run is at the earlier instant alone (UTC microseconds).
    Once(i64),
    /// The time exists twice, and so does the run (UTC microseconds of both).
    Twice(i64, i64),
}

impl fmt::Display for ClockChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.local.format("%Y-%m-%d %H:%M:%S"))?;
        match self.effect {
            ClockEffect::Skipped => f.write_str("does not exist: no run"),
            ClockEffect::Moved(at_us) => write!(f, "does not exist: the run is at {}", utc_text(at_us)),
            ClockEffect::Once(at_us) => write!(f, "exists twice: the run is once, at {}", utc_text(at_us)),
            ClockEffect::Twice(first_us, second_us) => {
                write!(f, "exists twice: runs at {} and {}", utc_text(first_us), utc_text(second_us))
            }
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Schedule {
    /// Reads an expression and the name of a time zone of the IANA database.
    ///
    /// # Errors
    /// The first mistake, with its field and column; a zone that is not known; days that never come.
    pub fn parse(text: &str, zone: &str) -> Result<Self, ScheduleError> {
        let zone = mistake::zone(text, zone)?;
        let trimmed = text.trim();
        let form = match wrapped(trimmed, "rate") {
            Some(inner) => {
                Form::Every(quantities::parse_interval_us(inner).map_err(|error| mistake::rate(text, &error))?)
            }
            None => Form::Cron(Box::new(mistake::cron(text)?)),
        };
        let schedule = Self { text: trimmed.to_owned(), zone, form };
        match &schedule.form {
            Form::Cron(cron) if !comes(cron) => Err(ScheduleError::never(text)),
            _ => Ok(schedule),
        }
    }

    /// The name of the time zone.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }

    /// All starts in a billing period, UTC microseconds, ascending: at most one a second.
    pub fn runs(&self, period: Period) -> Vec<i64> {
        let (start_us, end_us) = (period.start_us(), period.end_us());
        match &self.form {
            Form::Every(every_us) => {
                let first = start_us.div_euclid(*every_us) + i64::from(start_us.rem_euclid(*every_us) != 0);
                (first..).map(|number| number * every_us).take_while(|at_us| *at_us < end_us).collect()
            }
            Form::Cron(cron) => {
                let mut runs = Vec::new();
                for day in self.days(period) {
                    self.runs_of_day(cron, day, &mut runs);
                }
                runs.retain(|at_us| (start_us..end_us).contains(at_us));
                runs
            }
        }
    }

    /// The next runs after an instant (UTC microseconds), ascending, at most `count`; fewer where the schedule ends.
    pub fn next(&self, after_us: i64, count: usize) -> Vec<i64> {
        let mut runs = Vec::new();
        let mut at_us = after_us;
        while runs.len() < count {
            let next = match &self.form {
                Form::Every(every_us) => {
                    at_us.div_euclid(*every_us).checked_add(1).map(|n| n.saturating_mul(*every_us))
                }
                Form::Cron(cron) => self.after(cron, at_us),
            };
            let Some(next_us) = next else { break };
            runs.push(next_us);
            at_us = next_us;
        }
        runs
    }

    /// The runs of a billing period whose local time is left out or repeated by a change of the clock, by time.
    pub fn clock_changes(&self, period: Period) -> Vec<ClockChange> {
        let Form::Cron(cron) = &self.form else { return Vec::new() };
        let (start_us, end_us) = (period.start_us(), period.end_us());
        let mut changes = Vec::new();
        let mut hour_us = start_us;
        while hour_us < end_us {
            let next_us = (hour_us + 3600 * SECOND_US).min(end_us);
            if self.offset_s(hour_us) != self.offset_s(next_us) {
                self.changes_at(cron, self.change_us(hour_us, next_us), &mut changes);
            }
            hour_us = next_us;
        }
        changes
    }

    /// An instant (UTC microseconds) on the clock of the zone, with the name of its time: `Tue 24 Nov 2026, 17:00 CET`.
    pub fn local(&self, at_us: i64) -> String {
        let at = DateTime::from_timestamp_micros(at_us).unwrap_or_default().with_timezone(&self.zone);
        at.format("%a %-d %b %Y, %H:%M %Z").to_string()
    }

    /// The schedule in words: `Every day at 17:00 in Europe/Zurich`.
    pub fn words(&self) -> String {
        match &self.form {
            Form::Every(every_us) => format!("Every {}", quantities::words(*every_us)),
            Form::Cron(cron) => {
                let pattern = &cron.pattern;
                let words = cron.describe();
                let words = words.trim_end_matches('.');
                let daily = pattern.is_dom_wildcard() && pattern.is_dow_wildcard() && pattern.months.from_wildcard;
                let words = match (words.strip_prefix("At every "), words.strip_prefix("At ")) {
                    (Some(rest), _) => format!("Every {rest}"),
                    (None, Some(rest)) if daily && self.is_of_one_time() => format!("Every day at {rest}"),
                    _ => words.to_owned(),
                };
                format!("{words} in {}", self.zone.name())
            }
        }
    }

    /// Whether the schedule names one time of day: those come once however the clock changes.
    fn is_of_one_time(&self) -> bool {
        matches!(&self.form, Form::Cron(cron) if cron.determine_job_type() == JobType::FixedTime)
    }

    /// The first run after an instant. One at the very end of a gap is found from before the gap alone: to search from an
    /// instant on, search after the microsecond before it.
    fn after(&self, cron: &Cron, at_us: i64) -> Option<i64> {
        let from = DateTime::from_timestamp(at_us.div_euclid(SECOND_US), 0)?.with_timezone(&self.zone);
        cron.find_next_occurrence(&from, false).ok().map(|run| run.timestamp() * SECOND_US)
    }

    /// The days of the zone that a period touches.
    fn days(&self, period: Period) -> impl Iterator<Item = NaiveDate> {
        let first = period.first_day().checked_sub_days(Days::new(1)).unwrap_or_default();
        first.iter_days().take(period.days() as usize + 3)
    }

    /// Adds the runs of a day: what `croner` finds one by one where the clock changes, what it names where it does not.
    fn runs_of_day(&self, cron: &Cron, day: NaiveDate, runs: &mut Vec<i64>) {
        let (Some(start_us), Some(end_us)) =
            (self.day_start_us(day), day.succ_opt().and_then(|d| self.day_start_us(d)))
        else {
            return;
        };
        let hours = (start_us..=end_us).step_by(3600 * SECOND_US as usize);
        let offset_s = self.offset_s(start_us);
        if end_us - start_us != DAY_US || hours.into_iter().any(|at_us| self.offset_s(at_us) != offset_s) {
            let mut next = self.after(cron, start_us - 1);
            while let Some(at_us) = next.filter(|at_us| *at_us < end_us) {
                runs.push(at_us);
                next = self.after(cron, at_us);
            }
        } else if names_day(cron, day) {
            for hour in cron.pattern.hours.values() {
                for minute in cron.pattern.minutes.values() {
                    let minute_us = start_us + (i64::from(hour) * 60 + i64::from(minute)) * 60 * SECOND_US;
                    let seconds = cron.pattern.seconds.values().into_iter();
                    runs.extend(seconds.map(|second| minute_us + i64::from(second) * SECOND_US));
                }
            }
        }
    }

    /// First instant of a day of the zone, UTC microseconds: where midnight does not exist, the instant after the gap.
    fn day_start_us(&self, day: NaiveDate) -> Option<i64> {
        let midnight = day.and_time(NaiveTime::MIN);
        if let Some(start) = self.zone.from_local_datetime(&midnight).earliest() {
            return Some(start.timestamp_micros());
        }
        let before = self.zone.offset_from_utc_datetime(&(midnight - TimeDelta::days(1)));
        Some((midnight.and_utc().timestamp() - i64::from(before.fix().local_minus_utc())) * SECOND_US)
    }

    /// Seconds that the clock of the zone is ahead of UTC.
    fn offset_s(&self, at_us: i64) -> i64 {
        let utc = DateTime::from_timestamp_micros(at_us).unwrap_or_default().naive_utc();
        i64::from(self.zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
    }

    /// The instant between two, with different offsets, at which the clock changes.
    fn change_us(&self, mut before_us: i64, mut after_us: i64) -> i64 {
        let offset_s = self.offset_s(before_us);
        while after_us - before_us > SECOND_US {
            let middle_us = before_us + (after_us - before_us) / 2 / SECOND_US * SECOND_US;
            if self.offset_s(middle_us) == offset_s { before_us = middle_us } else { after_us = middle_us }
        }
        after_us
    }

    /// Adds what becomes of the runs around one change of the clock.
    fn changes_at(&self, cron: &Cron, change_us: i64, changes: &mut Vec<ClockChange>) {
        let (before_s, after_s) = (self.offset_s(change_us - SECOND_US), self.offset_s(change_us));
        let (low_s, high_s) = (before_s.min(after_s), before_s.max(after_s));
        let of_one_time = self.is_of_one_time();
        let runs_at = |at_us: i64| self.after(cron, at_us - 1) == Some(at_us);
        for offset_s in low_s..high_s {
            let local = DateTime::from_timestamp(change_us / SECOND_US + offset_s, 0);
            let Some(local) = local.map(|local| local.naive_utc()) else { continue };
            if !names_day(cron, local.date()) || !cron.is_time_matching(&local).unwrap_or(false) {
                continue;
            }
            let effect = if after_s > before_s {
                match of_one_time && runs_at(change_us) {
                    true => ClockEffect::Moved(change_us),
                    false => ClockEffect::Skipped,
                }
            } else {
                let later_us = change_us + (offset_s - low_s) * SECOND_US;
                let earlier_us = later_us - (high_s - low_s) * SECOND_US;
                match of_one_time {
                    true => ClockEffect::Once(earlier_us),
                    false => ClockEffect::Twice(earlier_us, later_us),
                }
            };
            changes.push(ClockChange { local, effect });
        }
    }
}

/// What is between the brackets of `name(…)`, whatever the letter case of the name.
fn wrapped<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (head, rest) = text.split_once('(')?;
    head.trim().eq_ignore_ascii_case(name).then(|| rest.strip_suffix(')')).flatten()
}

/// Reads an expression, with the numbers of EventBridge where it is one of theirs.
fn read(text: &str, eventbridge: bool) -> Result<Cron, croner::errors::CronError> {
    CronParser::builder().alternative_weekdays(eventbridge).sloppy_ranges(eventbridge).build().parse(text)
}

/// Whether an expression names a day, whatever the time.
fn names_day(cron: &Cron, day: NaiveDate) -> bool {
    let pattern = &cron.pattern;
    let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
    pattern.year_match(day.year()).unwrap_or(false)
        && pattern.month_match(day.month()).unwrap_or(false)
        && pattern.day_match(day.year(), day.month(), day.day(), weekday).unwrap_or(false)
}

/// Whether an expression names any day at all.
fn comes(cron: &Cron) -> bool {
    let first = NaiveDate::from_ymd_opt(CALENDAR_YEARS.start, 1, 1).unwrap_or_default();
    first.iter_days().take_while(|day| day.year() < CALENDAR_YEARS.end).any(|day| names_day(cron, day))
}

/// An instant for people: `2026-03-29T01:00:00Z`.
fn utc_text(at_us: i64) -> String {
    DateTime::from_timestamp_micros(at_us).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
