//! The days that a page is about: a month, a range, or words for one that moves with time. All of it is in the URL.

use chrono::{Datelike, NaiveDate, TimeDelta, Utc};
use paygrain_pricing::Period;
use paygrain_query::Days;

use crate::address::Address;
use crate::error::AppError;
use crate::params::{Params, bad};

/// The parameters that say which days.
pub const DAY_PARAMETERS: [&str; 4] = ["period", "from", "to", "range"];

/// Ranges that move with time: the value in the URL, and what people call it.
const PRESETS: [(&str, &str); 4] =
    [("this-month", "This month"), ("last-month", "Last month"), ("7d", "Last 7 days"), ("30d", "Last 30 days")];

/// The day that it is, UTC.
pub fn today() -> NaiveDate {
    Utc::now().date_naive()
}

/// The days of a URL as the engine takes them; none where the URL says nothing, which means the latest month with usage.
///
/// # Errors
/// A value that means nothing, or two that contradict each other.
pub fn day_pairs(params: &Params, today: NaiveDate) -> Result<Vec<(String, String)>, AppError> {
    let month = |period: Period| vec![("period".to_owned(), period.to_string())];
    let days = |from: NaiveDate, to: NaiveDate| match whole_month(from, to) {
        Some(period) => month(period),
        None => vec![("from".to_owned(), from.to_string()), ("to".to_owned(), to.to_string())],
    };
    let (from, to) = (params.day("from")?, params.day("to")?);
    if let Some(range) = params.get("range") {
        if params.get("period").is_some() || from.is_some() || to.is_some() {
            return Err(bad("range", range, "either `range`, or `period`, or `from` and `to`"));
        }
        let back = |count: i64| today - TimeDelta::days(count);
        let first = today.with_day(1).unwrap_or(today);
        return Ok(match range {
            "this-month" => days(first, today),
            "last-month" => days(
                first.pred_opt().and_then(|day| day.with_day(1)).unwrap_or(first),
                first.pred_opt().unwrap_or(first),
            ),
            "7d" => days(back(6), today),
            "30d" => days(back(29), today),
            other => return Err(bad("range", other, "`this-month`, `last-month`, `7d` or `30d`")),
        });
    }
    let mut pairs: Vec<(String, String)> = params.period()?.map(month).unwrap_or_default();
    match (from, to) {
        (Some(from), Some(to)) => pairs.extend(days(from, to)),
        (from, to) => {
            pairs.extend(from.map(|from| ("from".to_owned(), from.to_string())));
            pairs.extend(to.map(|to| ("to".to_owned(), to.to_string())));
        }
    }
    if pairs.len() > 1 && pairs[0].0 == "period" {
        return Err(bad("from", &pairs[1].1, "either `period`, or `from` and `to`"));
    }
    Ok(pairs)
}

/// The month that two days are the first and the last of.
fn whole_month(from: NaiveDate, to: NaiveDate) -> Option<Period> {
    let period = Period::new(from.year(), from.month())?;
    (period.first_day() == from && period.last_day() == to).then_some(period)
}

/// Days as the query of a URL: `period=2026-10`, or `from=2026-10-02&to=2026-10-08`.
pub fn days_query(days: Days) -> String {
    match days.period {
        Some(period) => format!("period={period}"),
        None => format!("from={}&to={}", days.from, days.to),
    }
}

/// `1 – 31 October 2026`, as short as it is clear.
pub fn days_text(days: Days) -> String {
    let (from, to) = (days.from, days.to);
    let full = |day: NaiveDate| day.format("%-d %B %Y").to_string();
    if from == to {
        return full(to);
    }
    if whole_month(from, to).is_some() {
        return to.format("%B %Y").to_string();
    }
    match (from.year() == to.year(), from.month() == to.month()) {
        (true, true) => format!("{} – {}", from.day(), full(to)),
        (true, false) => format!("{} – {}", from.format("%-d %B"), full(to)),
        _ => format!("{} – {}", full(from), full(to)),
    }
}

/// Links and fields for the days of a page.
pub struct DayControls {
    /// Ranges that move with time.
    pub presets: Vec<Preset>,
    /// The month with usage before the days, and where it is shown.
    pub earlier: Option<MonthLink>,
    /// The one after.
    pub later: Option<MonthLink>,
    /// The latest month with usage, where it is not shown.
    pub latest: Option<MonthLink>,
    /// The first day, for a field.
    pub from: String,
    /// The last day, for a field.
    pub to: String,
}

/// A range that moves with time.
pub struct Preset {
    /// What people call it.
    pub title: &'static str,
    /// Where it is shown.
    pub href: String,
    /// Whether it is shown.
    pub is_current: bool,
}

/// A month, and where it is shown.
pub struct MonthLink {
    /// The month.
    pub period: Period,
    /// Where it is shown.
    pub href: String,
}

impl DayControls {
    /// For a page at an address that shows some days, of a lake with usage in some months.
    pub fn new(address: &Address, days: Option<Days>, periods: &[Period]) -> Self {
        let to = |with: (&str, &str)| address.changed(&["period", "from", "to", "range", "offset"], &[with]);
        let preset = |(name, title): (&'static str, &'static str)| Preset {
            title,
            href: to(("range", name)),
            is_current: address.get("range") == Some(name),
        };
        let month = |period: &Period| MonthLink { period: *period, href: to(("period", &period.to_string())) };
        let first = days.and_then(|days| Period::new(days.from.year(), days.from.month()));
        let last = days.and_then(|days| Period::new(days.to.year(), days.to.month()));
        let latest = periods.iter().max().filter(|latest| Some(**latest) != last);
        Self {
            presets: PRESETS.into_iter().map(preset).collect(),
            earlier: periods.iter().filter(|period| first.is_some_and(|first| **period < first)).max().map(month),
            later: periods.iter().filter(|period| last.is_some_and(|last| **period > last)).min().map(month),
            latest: latest.map(month),
            from: days.map(|days| days.from.to_string()).unwrap_or_default(),
            to: days.map(|days| days.to.to_string()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(given: &[(&str, &str)]) -> Result<String, AppError> {
        let params: Params = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let pairs = day_pairs(&params, "2026-03-05".parse().unwrap())?;
        Ok(pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"))
    }

    #[test]
    fn words_are_days_and_whole_months_are_months() {
        for (given, expected) in [
            (&[][..], ""),
            (&[("range", "this-month")], "from=2026-03-01&to=2026-03-05"),
            (&[("range", "last-month")], "period=2026-02"),
            (&[("range", "7d")], "from=2026-02-27&to=2026-03-05"),
            (&[("range", "30d")], "from=2026-02-04&to=2026-03-05"),
            (&[("from", "2026-02-01"), ("to", "2026-02-28")], "period=2026-02"),
            (&[("from", "2026-02-01"), ("to", "2026-02-27")], "from=2026-02-01&to=2026-02-27"),
            (&[("from", "2026-02-10")], "from=2026-02-10"),
            (&[("period", "2026-02")], "period=2026-02"),
        ] {
            assert_eq!(pairs(given).unwrap(), expected, "{given:?}");
        }
        for given in [
            &[("range", "year")][..],
            &[("range", "7d"), ("period", "2026-02")],
            &[("period", "2026-02"), ("from", "2026-02-01")],
            &[("from", "soon")],
        ] {
            assert!(pairs(given).is_err(), "{given:?}");
        }
    }

    #[test]
    fn days_are_told_as_short_as_they_are_clear() {
        for (from, to, text) in [
            ("2026-10-01", "2026-10-31", "October 2026"),
            ("2026-10-18", "2026-10-18", "18 October 2026"),
            ("2026-10-02", "2026-10-31", "2 – 31 October 2026"),
            ("2026-09-30", "2026-10-02", "30 September – 2 October 2026"),
            ("2025-12-31", "2026-01-01", "31 December 2025 – 1 January 2026"),
        ] {
            let days = Days { from: from.parse().unwrap(), to: to.parse().unwrap(), period: None };
            assert_eq!(days_text(days), text);
        }
    }
}
