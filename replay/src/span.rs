//! Spans of time and rates as people write them: `5 minutes`, `4000 per second`
use paygrain_pricing::{Exact, nearest, period::DAY_US};

/// Units of time, in the singular, and their microseconds.
const UNITS: [(&str, i64); 6] = [
    ("microsecond", 1),
    ("millisecond", 1000),
    ("second", 1_000_000),
    ("minute", 60_000_000),
    ("hour", 3_600_000_000),
    ("day", DAY_US),
];

/// What a text gets wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SpanError {
    /// What is wrong, and what was expected.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl SpanError {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// Microseconds of a span: a whole number and a unit, at least one microsecond, at most 366 days.
///
/// # Errors
/// No number, no unit, an unknown one, nothing or too much of it.
pub(crate) fn parse_us(text: &str) -> Result<i64, SpanError> {
    let shown = shown(text);
    let form = || SpanError::new(format!("`{shown}` is not a span of time: a number and a unit"), example());
    let (number, unit) = number_and_rest(text.trim()).ok_or_else(form)?;
    let number: i64 = number.parse().map_err(|_| form())?;
    let unit_us = unit_us(unit)?;
    let span_us = number.checked_mul(unit_us).filter(|span_us| *span_us <= 366 * DAY_US);
    match span_us {
        Some(0) => Err(SpanError::new(format!("`{shown}` is no time at all"), example())),
        Some(span_us) => Ok(span_us),
        None => Err(SpanError::new(format!("`{shown}` is too long: at most 366 days"), None)),
    }
}

/// The number of a rate, and microseconds of the time it is in; nothing for a billing period: `4000 per second`.
///
/// # Errors
/// No number, no unit or an unknown one.
pub(crate) fn parse_rate(text: &str) -> Result<(Exact, Option<i64>), SpanError> {
    let shown = shown(text);
    let form = || {
        let hint = "write a number, `per` and a unit: `4000 per second`, `2.5 per minute`, `3000000 per month`";
        SpanError::new(format!("`{shown}` is not a rate"), hint.to_owned())
    };
    let (number, rest) = number_and_rest(text.trim()).ok_or_else(form)?;
    let rest = rest.strip_prefix('/').or_else(|| rest.strip_prefix("per ")).ok_or_else(form)?;
    let number = Exact::parse(number).map_err(|_| form())?;
    match rest.trim() {
        "month" => Ok((number, None)),
        unit => unit_us(unit).map(|unit_us| (number, Some(unit_us))),
    }
}

/// A span in words: `5 minutes`, of the largest unit that divides it.
pub(crate) fn words(span_us: i64) -> String {
    let fitting = UNITS.iter().rev().find(|(_, unit_us)| span_us % unit_us == 0);
    let (name, unit_us) = fitting.unwrap_or(&UNITS[0]);
    match span_us / unit_us {
        1 => (*name).to_owned(),
        number => format!("{number} {name}s"),
    }
}

fn unit_us(text: &str) -> Result<i64, SpanError> {
    let unit = text.trim();
    let singular = |(name, _): &&(&str, i64)| *name == unit || unit.strip_suffix('s') == Some(name);
    UNITS.iter().find(singular).map(|(_, unit_us)| *unit_us).ok_or_else(|| {
        let near = nearest(unit, UNITS.iter().map(|(name, _)| *name));
        let hint = near.map_or_else(
            || "units: millisecond, second, minute, hour, day; for rates also month".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        SpanError::new(format!("`{}` is not a unit of time", shown(unit)), hint)
    })
}

/// A number in front and what follows it, without the space between.
fn number_and_rest(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (!number.is_empty()).then(|| (number, rest.trim_start()))
}

fn example() -> Option<String> {
    Some("write such as `5 minutes` or `1 hour`".to_owned())
}

/// A text as messages show it: not too much of it.
pub(crate) fn shown(text: &str) -> String {
    text.trim().chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_rates_are_read() {
        for (text, span_us) in
            [("5 minutes", 300_000_000), ("1 hour", 3_600_000_000), ("250 milliseconds", 250_000), ("1day", DAY_US)]
        {
            assert_eq!(parse_us(text), Ok(span_us), "{text}");
        }
        assert_eq!(words(300_000_000), "5 minutes");
        assert_eq!(words(3_600_000_000), "hour");
        for (text, number, unit_us) in [
            ("4000 per second", "4000", Some(1_000_000)),
            ("2.5/minute", "2.5", Some(60_000_000)),
            ("75_000_000_000 per day", "75000000000", Some(DAY_US)),
            ("3 per month", "3", None),
        ] {
            assert_eq!(parse_rate(text), Ok((Exact::parse(number).unwrap(), unit_us)), "{text}");
        }
    }

    #[test]
    fn others_are_refused_with_what_to_write() {
        for (text, message, hint) in [
            ("", "not a span", "5 minutes"),
            ("minutes", "not a span", "5 minutes"),
            ("5", "not a unit", "minute"),
            ("5 minuets", "not a unit", "did you mean `minute`?"),
            ("0 hours", "no time at all", "1 hour"),
            ("400 days", "at most 366 days", ""),
            ("9223372036854775807 days", "at most 366 days", ""),
            ("99999999999999999999 days", "not a span", ""),
        ] {
            let error = parse_us(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error}");
            assert!(error.hint.unwrap_or_default().contains(hint), "{text}");
        }
        for text in ["", "many per second", "4000", "4000 second", "4000 per", "1.2.3 per second", "4000 per fortnight"]
        {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
