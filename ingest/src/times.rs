//! Times of records that cannot be, or cannot be true.
//!
//! A record whose time is beyond what the lake can hold is refused. One whose clock was wrong is kept where its log says
//! that it was, because nobody else knows better, and told: it is on no bill that anyone looks at.

use chrono::DateTime;

use crate::record::BilledLine;

/// The beginning of the year 1, in microseconds since 1970 UTC.
const YEAR_1_US: i64 = -62_135_596_800_000_000;
/// The end of the year 9999.
const YEAR_10000_US: i64 = 253_402_300_800_000_000;
/// The beginning of 1990: no service that is billed by use is older.
const YEAR_1990_US: i64 = 631_152_000_000_000;
/// How far a clock may go ahead, and how far ahead of it another zone, before it is told: three days.
const AHEAD_US: i64 = 3 * 86_400_000_000;

/// How far a line of a bill may be outside its billing period, which begins in the provider's zone: a day.
const ZONE_US: i64 = 86_400_000_000;

/// Why a time cannot be kept.
pub(crate) fn unrepresentable(time_us: i64) -> Option<String> {
    let fits = (YEAR_1_US..YEAR_10000_US).contains(&time_us);
    (!fits).then(|| format!("the time is {time_us} microseconds after 1970, expected one of the years 1 to 9999"))
}

/// Counts times that cannot be true.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// The clock of this machine when the upload began, in microseconds since 1970 UTC; before 1990 it is not trusted.
    pub(crate) uploaded_at_us: i64,
    ancient: Strange,
    future: Strange,
    out_of_period: Strange,
}

/// How many records, and the one that is furthest off.
#[derive(Debug, Default)]
struct Strange {
    count: u64,
    furthest_us: Option<i64>,
}

impl Times {
    /// Looks at the time of one record.
    pub(crate) fn look_at(&mut self, time_us: i64) {
        if time_us < YEAR_1990_US {
            self.ancient.add(time_us, i64::min);
        } else if self.uploaded_at_us >= YEAR_1990_US && time_us > self.uploaded_at_us.saturating_add(AHEAD_US) {
            self.future.add(time_us, i64::max);
        }
    }

    /// Looks at when a line of a bill was charged for.
    pub(crate) fn look_at_line(&mut self, time_us: i64, line: &BilledLine) {
        let from_us = line.export.period_from_us.saturating_sub(ZONE_US);
        let to_us = line.period_to_us.map_or(i64::MAX, |to_us| to_us.saturating_add(ZONE_US));
        if !(from_us..to_us).contains(&time_us) {
            self.out_of_period.add(time_us, i64::min);
        }
    }

    /// What is said of them.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let ancient = self.ancient.furthest_us.map(|time_us| {
            let records = self.ancient.records();
            format!("{records} before 1990, the first at {}: check the clock or the time format", shown(time_us))
        });
        let future = self.future.furthest_us.map(|time_us| {
            let records = self.future.records();
            format!(
                "{records} more than three days after this upload, the last at {}: check the clocks and the time format; until then they are on no current bill",
                shown(time_us)
            )
        });
        let out_of_period = self.out_of_period.furthest_us.map(|time_us| {
            let records = self.out_of_period.records();
            format!(
                "{records} outside the billing period of the line, the first at {}: providers correct earlier months so; otherwise the export is of several periods",
                shown(time_us)
            )
        });
        ancient.into_iter().chain(future).chain(out_of_period).collect()
    }
}

impl Strange {
    fn add(&mut self, time_us: i64, further: fn(i64, i64) -> i64) {
        self.count += 1;
        self.furthest_us = Some(self.furthest_us.map_or(time_us, |furthest| further(furthest, time_us)));
    }

    fn records(&self) -> String {
        if self.count == 1 { "1 record has a time".to_owned() } else { format!("{} records have times", self.count) }
    }
}

fn shown(time_us: i64) -> String {
    DateTime::from_timestamp_micros(time_us)
        .map_or_else(|| time_us.to_string(), |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
    }

    #[test]
    fn only_the_years_1_to_9999_can_be_kept() {
        for text in ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"] {
            assert_eq!(unrepresentable(micros(text)), None, "{text}");
        }
        for time_us in [micros("0001-01-01T00:00:00Z") - 1, YEAR_10000_US, i64::MIN, i64::MAX] {
            assert!(unrepresentable(time_us).is_some_and(|reason| reason.contains("expected")), "{time_us}");
        }
    }

    #[test]
    fn wrong_clocks_are_told_with_their_number_and_the_furthest() {
        let mut times = Times { uploaded_at_us: micros("2026-10-05T12:00:00Z"), ..Times::default() };
        for text in ["1990-01-01T00:00:00Z", "2026-10-05T17:00:00Z", "2026-10-08T12:00:00Z"] {
            times.look_at(micros(text));
        }
        assert_eq!(times.warnings(), Vec::<String>::new());
        for text in [
            "1970-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "2026-10-08T12:00:01Z",
            "9999-12-31T00:00:00Z",
            "2031-01-01T00:00:00Z",
        ] {
            times.look_at(micros(text));
        }
        let warnings = times.warnings();
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].starts_with("2 records have times before 1990, the first at 0001-01-01T00:00:00Z:"));
        assert!(
            warnings[1]
                .starts_with("3 records have times more than three days after this upload, the last at 9999-12-31")
        );
    }

    #[test]
    fn lines_outside_their_billing_period_are_told() {
        let mut line = BilledLine { period_to_us: Some(micros("2026-11-01T00:00:00Z")), ..BilledLine::default() };
        line.export.period_from_us = micros("2026-10-01T00:00:00Z");
        let mut times = Times::default();
        for text in ["2026-09-30T15:00:00Z", "2026-10-05T17:00:00Z", "2026-11-01T10:00:00Z"] {
            times.look_at_line(micros(text), &line);
        }
        assert_eq!(times.warnings(), Vec::<String>::new());
        times.look_at_line(micros("2026-08-05T17:00:00Z"), &line);
        times.look_at_line(micros("2026-12-05T17:00:00Z"), &line);
        let warnings = times.warnings();
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].starts_with(
                "2 records have times outside the billing period of the line, the first at 2026-08-05T17:00:00Z:"
            ),
            "{warnings:?}"
        );
    }

    #[test]
    fn a_machine_without_a_clock_calls_nothing_the_future() {
        let mut times = Times::default();
        times.look_at(micros("2026-10-05T17:00:00Z"));
        assert_eq!(times.warnings(), Vec::<String>::new());
    }
}
