//! Days of Azure exports: ISO or with slashes, of which the file as a whole must say whether the month or the day is first.

use chrono::NaiveDate;

use crate::format::billed;

/// Which of two numbers is the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// `09/21/2026`, which is how Azure writes days.
    MonthFirst,
    /// `21/09/2026`, from a portal in another language.
    DayFirst,
}

/// The order that a day proves, where one of its numbers is no month.
pub(super) fn proof(text: &str) -> Option<Order> {
    let (first, second, _) = numbers(text)?;
    match (month(first), month(second)) {
        (true, false) if second <= 31 => Some(Order::MonthFirst),
        (false, true) if first <= 31 => Some(Order::DayFirst),
        _ => None,
    }
}

/// Whether a day is another one in the other order.
pub(super) fn is_either(text: &str) -> bool {
    numbers(text).is_some_and(|(first, second, _)| month(first) && month(second) && first != second)
}

/// The beginning of a day, microseconds since 1970 UTC.
pub(super) fn day(text: &str, order: Order) -> Option<i64> {
    let Some((first, second, year)) = numbers(text) else {
        return dotted(text).or_else(|| billed::time(text));
    };
    let (month, day) = match order {
        Order::MonthFirst => (first, second),
        Order::DayFirst => (second, first),
    };
    midnight(year, month, day)
}

fn month(number: u32) -> bool {
    (1..=12).contains(&number)
}

/// `21.09.2026` has the day first wherever it is written.
fn dotted(text: &str) -> Option<i64> {
    let (day, month, year) = parts(text, '.')?;
    midnight(year, month, day)
}

fn numbers(text: &str) -> Option<(u32, u32, i32)> {
    parts(text, '/')
}

/// Three numbers, the last of which is a year, before nothing or a midnight.
fn parts(text: &str, separator: char) -> Option<(u32, u32, i32)> {
    let (day, time) = text.trim().split_once([' ', 'T']).unwrap_or((text.trim(), ""));
    let is_midnight = time.is_empty()
        || time.eq_ignore_ascii_case("12:00:00 AM")
        || time.chars().all(|character| matches!(character, '0' | ':' | '.' | 'Z'));
    let mut numbers = day.split(separator);
    let (first, second, year) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let is_number = |text: &str, longest: usize| {
        (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let known = is_midnight && numbers.next().is_none() && is_number(first, 2) && is_number(second, 2);
    if !known || !is_number(year, 4) {
        return None;
    }
    let year = match (year.len(), year.parse::<i32>().ok()?) {
        (4, year) => year,
        (2, year) => 2000 + year,
        _ => return None,
    };
    Some((first.parse().ok()?, second.parse().ok()?, year))
}

fn midnight(year: i32, month: u32, day: u32) -> Option<i64> {
    Some(NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::{Order, day, is_either, proof};

    #[test]
    fn days_of_every_style() {
        let expected = Some(1_695_254_400_000_000);
        for text in [
            "09/21/2023",
            "9/21/23",
            "09/21/2023 00:00:00",
            "9/21/2023 12:00:00 AM",
            "2023-09-21",
            "2023-09-21 00:00:00",
            "2023-09-21T00:00:00.0000000Z",
            "21.09.2023",
        ] {
            assert_eq!(day(text, Order::MonthFirst), expected, "{text}");
        }
        assert_eq!(day("21/9/2023", Order::DayFirst), expected);
        assert_eq!(day("3/1/21", Order::MonthFirst), Some(1_614_556_800_000_000));
        assert_eq!(day("3/1/21", Order::DayFirst), Some(1_609_632_000_000_000));
        for bad in
            ["", "13/13/2023", "02/30/2023", "9/21/2023 5:00:00 PM", "9/21", "9/21/123", "9/21/2023/1", "+9/1/2023"]
        {
            assert_eq!(day(bad, Order::MonthFirst), None, "{bad}");
        }
    }

    #[test]
    fn only_a_number_that_is_no_month_proves_anything() {
        assert_eq!(proof("09/21/2023"), Some(Order::MonthFirst));
        assert_eq!(proof("21/09/2023"), Some(Order::DayFirst));
        for text in ["09/12/2023", "13/13/2023", "40/09/2023", "2023-09-21", "21.09.2023", "00/21/2023", ""] {
            assert_eq!(proof(text), None, "{text}");
            assert_eq!(is_either(text), text == "09/12/2023", "{text}");
        }
        assert!(!is_either("9/09/2023"));
    }
}
