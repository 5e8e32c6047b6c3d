//! The month a case is rated in, from the era its file names in words
//!
//! `2024`, `2013-02 - 2014-03`, `from 2020-12-01 (1 ms)`, `until 2024-03-01 (legacy)`, `2021 onwards`, `2020s`. The usual
//! month where the era has it; otherwise the month after an era begins, the middle of one with two ends, half a year
//! before the end of one without beginning.
use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate};
use paygrain_pricing::Period;

/// The month of cases whose era allows it.
const USUAL: (i32, u32) = (2025, 6);

/// A stretch of time an era's text names: first month and the month after the last, counted from year 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Months {
    from: i32,
    to: i32,
}

/// The month of an era; the nearest one with as many days as are asked for.
pub fn month_of(era: &str, days: RangeInclusive<u32>) -> Period {
    let outside = era.split(" (").next().unwrap_or_default();
    let text = match era.split_once("ms.date ") {
        Some((_, dated)) => dated, // the day an article was written
        None if dates(outside).is_empty() => era,
        None => outside,
    };
    let (from, to) = bounds(text);
    let usual = USUAL.0 * 12 + USUAL.1 as i32 - 1;
    let month = match (from, to) {
        _ if from.is_none_or(|from| from <= usual) && to.is_none_or(|to| usual < to) => usual,
        (Some(from), Some(to)) => from.midpoint(to - 1),
        (Some(from), None) => from + 1,
        (None, Some(to)) => to - 6,
        (None, None) => usual,
    };
    let period = |month: i32| Period::new(month.div_euclid(12), month.rem_euclid(12) as u32 + 1).unwrap();
    let inside = |month: &i32| from.is_none_or(|from| from <= *month) && to.is_none_or(|to| *month < to);
    let nearest = (0..=6).flat_map(|distance| [month - distance, month + distance]).filter(inside);
    let fits = |month: &i32| days.contains(&period(*month).days());
    period(nearest.into_iter().find(fits).unwrap_or(month))
}

/// First month and end of an era, where it has them.
fn bounds(text: &str) -> (Option<i32>, Option<i32>) {
    let dates = dates(text);
    let (Some((_, first)), Some((last_at, last))) = (dates.first(), dates.last()) else { return (None, None) };
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphabetic()).collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(word));
    let before_last = &text[..*last_at];
    let ends = ["until", "before", "till", "through"].iter().any(|word| before_last.contains(word));
    let begins = has(&["from", "since", "after", "onward", "onwards", "later"]);
    match (dates.len(), ends, begins) {
        (1, true, _) => (None, Some(last.from)),
        (1, false, true) => (Some(first.from), None),
        (_, true, _) => (Some(first.from), Some(last.from)),
        (_, false, true) if !text.contains(" - ") => (Some(first.from), None),
        _ => (Some(first.from), Some(last.to)),
    }
}

/// The dates in a text and where they are: `2020`, `2020s`, `2020-12`, `2020-12-01`.
fn dates(text: &str) -> Vec<(usize, Months)> {
    let bytes = text.as_bytes();
    let digits = |at: usize| bytes.get(at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = digits(at);
        if length != 4 || !matches!(&text[at..at + 2], "19" | "20") {
            at += length.max(1);
            continue;
        }
        let year: i32 = text[at..at + 4].parse().unwrap();
        let part =
            |at: usize| (bytes.get(at) == Some(&b'-') && digits(at + 1) == 2).then(|| text[at + 1..at + 3].parse());
        let (start, mut end) = (at, at + 4);
        let month = part(end).and_then(Result::ok).filter(|month| (1..=12).contains(month));
        let months = match month {
            Some(month) => {
                end += 3;
                if part(end).is_some() {
                    end += 3;
                }
                Months { from: year * 12 + month - 1, to: year * 12 + month }
            }
            None if bytes.get(end) == Some(&b's') => Months { from: year * 12, to: (year + 10) * 12 },
            None => Months { from: year * 12, to: (year + 1) * 12 },
        };
        found.push((start, months));
        at = end;
    }
    found
}

/// The first day of a period's month, as an estimate takes it.
pub fn first_day(period: Period) -> NaiveDate {
    let day = period.first_day();
    NaiveDate::from_ymd_opt(day.year(), day.month(), 1).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras_have_months() {
        for (era, days, month) in [
            ("2019-2022 article (ms.date 2022-03-31)", None, "2022-03"),
            ("2024", None, "2024-06"),
            ("2013-2026 rates", None, "2025-06"),
            ("2013-02 - 2014-03", Some(31), "2013-08"),
            ("2016-12 - 2026", Some(31), "2025-05"),
            ("from 2025-12", None, "2026-01"),
            ("2021 onwards (rates since 2019-01)", None, "2025-06"),
            ("until 2024-03-01 (legacy)", None, "2023-09"),
            ("100 ms era (last day before 2020-12-01)", None, "2020-06"),
            ("2020s on-demand", None, "2025-06"),
            ("2012", None, "2012-06"),
            ("2022-04 - 2024-11 (0.5 ACU floor; 0 ACU possible since)", None, "2023-07"),
            ("until 2024-11-22 for new pools; kept by earlier accounts", None, "2024-05"),
            ("1 ms era", None, "2025-06"),
            ("2021 onwards (page captured 2026; this example on the page since 2021/22)", None, "2025-06"),
        ] {
            let days = days.map_or(28..=31, |days| days..=days);
            assert_eq!(month_of(era, days).to_string(), month, "{era}");
        }
    }
}
