//! Billing zones: whose midnight begins a provider's days and months
use std::fmt;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};
use chrono_tz::Tz;
use thiserror::Error;

use crate::{
    period::{DAY_US, HOUR_US, Period},
    unit::Window,
};

/// The zone in which a provider counts days and months. Its offset from UTC is whole hours, since usage is summed by the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

/// Why a text is not a billing zone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ZoneError {
    /// The time zone database does not have it.
    #[error("unknown time zone `{name}`{}", .nearest.as_ref().map_or(String::new(), |near| format!(": did you mean `{near}`?")))]
    Unknown {
        /// The text.
        name: String,
        /// The name most like it.
        nearest: Option<&'static str>,
    },
    /// Its days do not begin on a whole hour of UTC.
    #[error("the time zone `{0}` is not whole hours from UTC: usage is summed by the hours of UTC")]
    PartOfAnHour(String),
}

impl Default for Zone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Zone {
    /// The zone of that name in the IANA database: `America/Los_Angeles`.
    ///
    /// # Errors
    /// A name the database does not have, or a zone whose days do not begin on a whole hour of UTC.
    pub fn from_name(name: &str) -> Result<Self, ZoneError> {
        let zone: Tz = name.parse().map_err(|_| ZoneError::Unknown {
            name: name.chars().take(60).collect(),
            nearest: crate::nearest::nearest(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())),
        })?;
        let zone = Self(zone);
        let whole_hours = |day: NaiveDate| zone.day_start_us(day) % HOUR_US == 0;
        let days = (1990..2040).flat_map(|year| [1, 7].map(|month| NaiveDate::from_ymd_opt(year, month, 1)));
        match days.flatten().all(whole_hours) {
            true => Ok(zone),
            false => Err(ZoneError::PartOfAnHour(name.to_owned())),
        }
    }

    /// The day an instant (UTC microseconds) falls in; instants no calendar holds give 1970-01-01.
    pub fn day_of(self, instant_us: i64) -> NaiveDate {
        let instant = DateTime::from_timestamp_micros(instant_us);
        instant.map(|instant| instant.with_timezone(&self.0).date_naive()).unwrap_or_default()
    }

    /// First instant of a day, UTC microseconds: where the clock jumps over midnight, the instant after the jump.
    pub fn day_start_us(self, day: NaiveDate) -> i64 {
        let midnight = day.and_time(NaiveTime::MIN);
        if let Some(start_us) = self.instant_us(midnight) {
            return start_us;
        }
        // No such midnight: the offset of the day before still holds at the jump.
        let before = self.0.offset_from_utc_datetime(&(midnight - chrono::Duration::days(1)));
        midnight.and_utc().timestamp_micros() - i64::from(before.fix().local_minus_utc()) * 1_000_000
    }

    /// A local date and time, UTC microseconds; the earlier one where the clock goes back, none where it jumps ahead.
    pub fn instant_us(self, local: NaiveDateTime) -> Option<i64> {
        self.0.from_local_datetime(&local).earliest().map(|instant| instant.timestamp_micros())
    }

    /// The same hour some days later, UTC microseconds.
    pub fn days_later_us(self, instant_us: i64, days: i64) -> i64 {
        let day = self.day_of(instant_us);
        let later = u64::try_from(days).ok().and_then(|days| day.checked_add_days(Days::new(days))).unwrap_or(day);
        let next = later.succ_opt().unwrap_or(later);
        let at_us = self.day_start_us(later) + instant_us - self.day_start_us(day);
        // A day may be an hour shorter: what is beyond it is in its last hour.
        let beyond_us = (at_us - self.day_start_us(next) + HOUR_US).max(0);
        at_us - beyond_us.div_euclid(HOUR_US) * HOUR_US
    }

    /// First instant of a billing month, UTC microseconds.
    pub fn start_us(self, period: Period) -> i64 {
        self.day_start_us(period.first_day())
    }

    /// End of a billing month, UTC microseconds, exclusive: the first instant of the next.
    pub fn end_us(self, period: Period) -> i64 {
        self.day_start_us(period.next().first_day())
    }

    /// The instant, or the first or last of the period for an instant outside it.
    pub fn within(self, period: Period, instant_us: i64) -> i64 {
        // No zone is two days from UTC: most instants need no look at its clock.
        if (period.start_us() + 2 * DAY_US..period.end_us() - 2 * DAY_US).contains(&instant_us) {
            return instant_us;
        }
        instant_us.clamp(self.start_us(period), self.end_us(period) - 1)
    }

    /// Start and end of the window an instant falls in, UTC microseconds, half open.
    pub fn window(self, window: Window, instant_us: i64) -> (i64, i64) {
        match window {
            Window::Hour => {
                let start = instant_us.div_euclid(HOUR_US) * HOUR_US;
                (start, start + HOUR_US)
            }
            Window::Day => {
                let day = self.day_of(instant_us);
                (self.day_start_us(day), self.day_start_us(day.succ_opt().unwrap_or(day)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacific() -> Zone {
        Zone::from_name("America/Los_Angeles").unwrap()
    }

    fn utc(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
    }

    #[test]
    fn months_begin_at_the_midnight_of_the_zone() {
        for (period, start, end, hours) in [
            ("2025-01", "2025-01-01T08:00:00Z", "2025-02-01T08:00:00Z", 744),
            ("2025-03", "2025-03-01T08:00:00Z", "2025-04-01T07:00:00Z", 743),
            ("2025-06", "2025-06-01T07:00:00Z", "2025-07-01T07:00:00Z", 720),
            ("2025-11", "2025-11-01T07:00:00Z", "2025-12-01T08:00:00Z", 721),
        ] {
            let period: Period = period.parse().unwrap();
            assert_eq!((pacific().start_us(period), pacific().end_us(period)), (utc(start), utc(end)), "{period}");
            assert_eq!(pacific().end_us(period) - pacific().start_us(period), hours * HOUR_US, "{period}");
            assert_eq!(Zone::default().start_us(period), period.start_us());
            assert_eq!(Zone::default().end_us(period), period.end_us());
        }
    }

    #[test]
    fn days_follow_each_other_over_clock_changes() {
        // 2025-03-09 has 23 hours, 2025-11-02 has 25
        for (day, hours) in [("2025-03-08", 24), ("2025-03-09", 23), ("2025-11-02", 25), ("2025-11-03", 24)] {
            let day: NaiveDate = day.parse().unwrap();
            let start = pacific().day_start_us(day);
            let (from, to) = pacific().window(Window::Day, start + 5 * HOUR_US);
            assert_eq!((from, to - from), (start, hours * HOUR_US), "{day}");
            assert_eq!(pacific().day_of(start), day);
            assert_eq!(pacific().day_of(to - 1), day);
        }
        let start = utc("2025-11-01T07:00:00Z");
        let days: Vec<String> =
            (0..4).map(|days| pacific().day_of(pacific().days_later_us(start, days)).to_string()).collect();
        assert_eq!(days, ["2025-11-01", "2025-11-02", "2025-11-03", "2025-11-04"]);
        let late = utc("2025-03-09T06:00:00Z"); // 22:00 on the 8th
        assert_eq!(pacific().day_of(pacific().days_later_us(late, 1)).to_string(), "2025-03-09");
        // Minutes stay what they are, in the last hour of a day too.
        let late = utc("2025-06-02T23:49:19Z");
        assert_eq!(Zone::default().days_later_us(late, 0), late);
        assert_eq!(Zone::default().days_later_us(late, 3), utc("2025-06-05T23:49:19Z"));
        // a midnight that the clock jumps over: Cuba's 2025-03-09 begins at 01:00
        let cuba = Zone::from_name("America/Havana").unwrap();
        assert_eq!(cuba.day_start_us("2025-03-09".parse().unwrap()), utc("2025-03-09T05:00:00Z"));
    }

    #[test]
    fn other_texts_are_refused_with_the_nearest_name() {
        let error = Zone::from_name("America/Los_Angles").unwrap_err();
        assert!(error.to_string().contains("did you mean `America/Los_Angeles`?"), "{error}");
        let error = Zone::from_name("Asia/Kolkata").unwrap_err();
        assert!(error.to_string().contains("not whole hours"), "{error}");
    }
}
