//! Quantities as people write them: durations `300ms`, memory `512MB`, vCPU `0.5`, intervals `5 minutes`, rates
//! `4000 per second`
use paygrain_pricing::{Exact, nearest, period::DAY_US};

/// Longest duration that can be asked for: 31 days.
pub(crate) const DURATION_US_MAX: i64 = 31 * DAY_US;
/// Largest memory that can be asked for, MB: 4 TiB.
const MEMORY_MB_MAX: i64 = 4 << 20;
/// Most vCPU that can be asked for, thousandths.
const VCPU_MILLI_MAX: i64 = 1_000_000;
/// Most bytes that one execution may receive, send or write.
pub(crate) const BYTES_MAX: i64 = 1_000_000_000_000_000;

/// Units of time: the singular, what they are shortened to, and their microseconds.
const UNITS: [(&str, &[&str], i64); 6] = [
    ("microsecond", &["us", "µs"], 1),
    ("millisecond", &["ms"], 1000),
    ("second", &["s", "sec"], 1_000_000),
    ("minute", &["m", "min"], 60_000_000),
    ("hour", &["h"], 3_600_000_000),
    ("day", &["d"], DAY_US),
];

/// A duration in microseconds, at least one and at most 31 days: `300ms`.
///
/// # Errors
/// What was expected.
pub(crate) fn parse_duration_us(text: &str) -> Result<i64, &'static str> {
    let unit_us = |unit: &str| {
        let is_short = |short: &&str| short.eq_ignore_ascii_case(unit);
        UNITS.iter().find(|(_, shorts, _)| shorts.iter().any(is_short)).map(|(.., unit_us)| *unit_us)
    };
    within(with_unit(text, unit_us), DURATION_US_MAX)
        .ok_or("a number with its unit (ms, s, min, h), above 0 and at most 31 days, such as `300ms`")
}

/// A memory in MB, at least one: `512MB`, `2GB`, `512`.
///
/// # Errors
/// What was expected.
pub(crate) fn parse_memory_mb(text: &str) -> Result<i64, &'static str> {
    let unit_mb = |unit: &str| match unit.to_ascii_uppercase().as_str() {
        "MB" | "MIB" | "M" => Some(1),
        "GB" | "GIB" | "G" => Some(1024),
        _ => None,
    };
    let plain = text.parse::<i64>().ok().map(Exact::from);
    within(plain.or_else(|| with_unit(text, unit_mb)), MEMORY_MB_MAX)
        .ok_or("MB, or a number with `MB` or `GB`, above 0 and at most 4,096 GB, such as `512MB`")
}

/// vCPU in thousandths, at least one: `0.5`.
///
/// # Errors
/// What was expected.
pub(crate) fn parse_vcpu_milli(text: &str) -> Result<i64, &'static str> {
    let milli = Exact::parse(text).ok().map(|vcpu| vcpu * Exact::from(1000));
    within(milli, VCPU_MILLI_MAX).ok_or("a number above 0 and at most 1,000, such as `0.5`")
}

/// A number with a unit behind it, in the base unit; nothing where it is none.
fn with_unit(text: &str, factor_of: impl Fn(&str) -> Option<i64>) -> Option<Exact> {
    let text = text.trim();
    let at = text.find(|character: char| !(character.is_ascii_digit() || character == '.'))?;
    let (digits, unit) = text.split_at(at);
    Some(Exact::parse(digits).ok()? * Exact::from(factor_of(unit.trim())?))
}

/// A number rounded up to a whole one, where that is from 1 to a most.
fn within(number: Option<Exact>, most: i64) -> Option<i64> {
    let whole = i64::try_from(number?.ceil_to_integer().to_i128()?).ok()?;
    (1..=most).contains(&whole).then_some(whole)
}

/// What an interval or a rate gets wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct QuantityError {
    /// What is wrong, and what was expected.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl QuantityError {
    fn new(message: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// Microseconds of an interval: a whole number and a unit, at least one microsecond, at most 366 days.
///
/// # Errors
/// No number, no unit, an unknown one, nothing or too much of it.
pub(crate) fn parse_interval_us(text: &str) -> Result<i64, QuantityError> {
    let shown = shown(text);
    let form = || QuantityError::new(format!("`{shown}` is not a span of time: a number and a unit"), example());
    let (number, unit) = number_and_rest(text.trim()).ok_or_else(form)?;
    let number: i64 = number.parse().map_err(|_| form())?;
    let unit_us = unit_us(unit)?;
    let span_us = number.checked_mul(unit_us).filter(|span_us| *span_us <= 366 * DAY_US);
    match span_us {
        Some(0) => Err(QuantityError::new(format!("`{shown}` is no time at all"), example())),
        Some(span_us) => Ok(span_us),
        None => Err(QuantityError::new(format!("`{shown}` is too long: at most 366 days"), None)),
    }
}

/// The number of a rate, and microseconds of the time it is in; nothing for a billing period: `4000 per second`.
///
/// # Errors
/// No number, no unit or an unknown one.
pub(crate) fn parse_rate(text: &str) -> Result<(Exact, Option<i64>), QuantityError> {
    let shown = shown(text);
    let form = || {
        let hint = "write a number, `per` and a unit: `4000 per second`, `2.5 per minute`, `3000000 per month`";
        QuantityError::new(format!("`{shown}` is not a rate"), hint.to_owned())
    };
    let (number, rest) = number_and_rest(text.trim()).ok_or_else(form)?;
    let rest = rest.strip_prefix('/').or_else(|| rest.strip_prefix("per ")).ok_or_else(form)?;
    let number = Exact::parse(number).map_err(|_| form())?;
    match rest.trim() {
        "month" => Ok((number, None)),
        unit => unit_us(unit).map(|unit_us| (number, Some(unit_us))),
    }
}

/// An interval in words: `5 minutes`, of the largest unit that divides it.
pub(crate) fn words(span_us: i64) -> String {
    let fitting = UNITS.iter().rev().find(|(.., unit_us)| span_us % unit_us == 0);
    let (name, _, unit_us) = fitting.unwrap_or(&UNITS[0]);
    match span_us / unit_us {
        1 => (*name).to_owned(),
        number => format!("{number} {name}s"),
    }
}

fn unit_us(text: &str) -> Result<i64, QuantityError> {
    let unit = text.trim();
    let singular = |(name, ..): &&(&str, &[&str], i64)| *name == unit || unit.strip_suffix('s') == Some(name);
    UNITS.iter().find(singular).map(|(.., unit_us)| *unit_us).ok_or_else(|| {
        let near = nearest(unit, UNITS.iter().map(|(name, ..)| *name));
        let hint = near.map_or_else(
            || "units: millisecond, second, minute, hour, day; for rates also month".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        QuantityError::new(format!("`{}` is not a unit of time", shown(unit)), hint)
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
    fn numbers_have_units() {
        for (text, us) in [("300ms", 300_000), ("1.5s", 1_500_000), ("2 min", 120_000_000), ("0.5h", 1_800_000_000)] {
            assert_eq!(parse_duration_us(text), Ok(us), "{text}");
        }
        for (text, mb) in [("512", 512), ("512MB", 512), ("2 GB", 2048), ("1.5gb", 1536)] {
            assert_eq!(parse_memory_mb(text), Ok(mb), "{text}");
        }
        assert_eq!(parse_vcpu_milli("0.25"), Ok(250));
    }

    #[test]
    fn intervals_and_rates_are_read() {
        for (text, span_us) in
            [("5 minutes", 300_000_000), ("1 hour", 3_600_000_000), ("250 milliseconds", 250_000), ("1day", DAY_US)]
        {
            assert_eq!(parse_interval_us(text), Ok(span_us), "{text}");
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
            let error = parse_interval_us(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error}");
            assert!(error.hint.unwrap_or_default().contains(hint), "{text}");
        }
        for text in ["", "many per second", "4000", "4000 second", "4000 per", "1.2.3 per second", "4000 per fortnight"]
        {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
