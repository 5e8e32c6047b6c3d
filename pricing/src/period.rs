//! Billing periods: calendar months in UTC, half open, counted in microseconds
use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, Months, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Microseconds of a second.
pub const SECOND_US: i64 = 1_000_000;
/// Microseconds of an hour.
pub const HOUR_US: i64 = 3_600 * SECOND_US;
/// Microseconds of a day.
pub const DAY_US: i64 = 24 * HOUR_US;

/// A billing month, from its first instant (inclusive) to the first instant of the next (exclusive), UTC.
///
/// Written "2019-06". Years 1970 to 9998.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    year: i32,
    month: u32,
}

/// Why a text is not a billing period.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a billing period: expected a year and a month, such as 2019-06")]
pub struct ParsePeriodError(String);

impl ParsePeriodError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        Some("write four digits, a hyphen and two digits: 2019-06".to_owned())
    }
}

impl Period {
    /// The month of a year; nothing outside 1970 to 9998 or 1 to 12.
    pub fn new(year: i32, month: u32) -> Option<Self> {
        ((1970..=9998).contains(&year) && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// The month an instant (UTC microseconds) falls in; instants before 1970 or after 9998 give the first or last month.
    pub fn containing(instant_us: i64) -> Self {
        let date = DateTime::from_timestamp_micros(instant_us).map(|instant| instant.date_naive());
        let fallback = if instant_us < 0 { Self { year: 1970, month: 1 } } else { Self { year: 9998, month: 12 } };
        date.and_then(|date| Self::new(date.year(), date.month())).unwrap_or(fallback)
    }

    /// The first day.
    pub fn first_day(self) -> NaiveDate {
        NaiveDate::from_ymd_opt(self.year, self.month, 1).unwrap_or_default()
    }

    /// The last day.
    pub fn last_day(self) -> NaiveDate {
        self.day_after().pred_opt().unwrap_or_default()
    }

    /// The first day of the next month.
    fn day_after(self) -> NaiveDate {
        self.first_day().checked_add_months(Months::new(1)).unwrap_or_default()
    }

    /// First instant, UTC microseconds, inclusive.
    pub fn start_us(self) -> i64 {
        day_start_us(self.first_day())
    }

    /// End, UTC microseconds, exclusive: the first instant of the next month.
    pub fn end_us(self) -> i64 {
        day_start_us(self.day_after())
    }

    /// Days of the month: 28 to 31.
    pub fn days(self) -> u32 {
        self.last_day().day()
    }

    /// Hours of the month: 672 to 744.
    pub fn hours(self) -> u32 {
        self.days() * 24
    }

    /// The month after this one; the last representable month gives itself.
    #[must_use]
    pub fn next(self) -> Self {
        let date = self.day_after();
        Self::new(date.year(), date.month()).unwrap_or(self)
    }

    /// The month before this one; 1970-01 gives itself.
    #[must_use]
    pub fn previous(self) -> Self {
        let date = self.first_day().pred_opt().unwrap_or_default();
        Self::new(date.year(), date.month()).unwrap_or(self)
    }
}

/// First instant of a day, UTC microseconds.
pub(crate) fn day_start_us(day: NaiveDate) -> i64 {
    let days = day.signed_duration_since(NaiveDate::default()).num_days();
    days * DAY_US
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04}-{:02}", self.year, self.month))
    }
}

impl FromStr for Period {
    type Err = ParsePeriodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParsePeriodError(text.chars().take(40).collect());
        let (year, month) = text.split_once('-').ok_or_else(error)?;
        let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return Err(error());
        }
        let (Ok(year), Ok(month)) = (year.parse(), month.parse()) else { return Err(error()) };
        Self::new(year, month).ok_or_else(error)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_half_open_and_follow_each_other() {
        for (text, days, next, previous) in [
            ("2019-06", 30, "2019-07", "2019-05"),
            ("2024-02", 29, "2024-03", "2024-01"),
            ("2017-12", 31, "2018-01", "2017-11"),
            ("1970-01", 31, "1970-02", "1970-01"),
            ("9998-12", 31, "9998-12", "9998-11"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.to_string(), text);
            assert_eq!((period.days(), period.hours()), (days, days * 24));
            assert_eq!((period.next().to_string(), period.previous().to_string()), (next.into(), previous.into()));
            assert_eq!(period.end_us() - period.start_us(), i64::from(days) * DAY_US);
            assert_eq!(Period::containing(period.start_us()), period);
            assert_eq!(Period::containing(period.end_us() - 1), period);
        }
        assert_eq!("2019-06".parse::<Period>().unwrap().start_us(), 1_559_347_200_000_000);
        assert_eq!(Period::containing(i64::MIN).to_string(), "1970-01");
        assert_eq!(Period::containing(i64::MAX).to_string(), "9998-12");
    }

    #[test]
    fn other_texts_are_refused_with_the_expected_form() {
        for text in ["", "2019", "2019-6", "2019-13", "2019-00", "19-06", "2019-06-01", "+019-06", "1969-12"] {
            let error = text.parse::<Period>().unwrap_err();
            assert!(error.to_string().contains("such as 2019-06"), "{error}");
        }
    }
}
