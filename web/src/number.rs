//! How amounts and quantities are written for people. The exact value is always in reach: see the filters.
//!
//! Money of 1 and more has two decimals and thousands separators, money below 1 has four significant digits, a rate is
//! exact, a minus is U+2212.

use paygrain_pricing::{Exact, grouped};

/// Digits after the point that are looked at in search of the first one that is not zero.
const DIGITS_MAX: u32 = 24;

/// An amount of money: `$1,234.57`, `$0.00001667`, `−€3.00`, `CHF 5.00`.
pub fn money(value: &Exact, currency: &str) -> String {
    signed(value, currency, magnitude(value))
}

/// A sum of money, always with two decimals: `$1,234.57`, and `< $0.01` for something that would round to nothing.
pub fn total(value: &Exact, currency: &str) -> String {
    let rounded = unsigned(value.round_half_up(2));
    if !value.is_zero() && rounded == "0.00" {
        let sign = if value.is_negative() { "> \u{2212}" } else { "< " };
        return format!("{sign}{}0.01", symbol(currency));
    }
    signed(value, currency, grouped(&rounded))
}

/// A price per unit: every digit of it, and at least two decimals.
pub fn rate(value: &Exact, currency: &str) -> String {
    let exact = unsigned(value.to_string());
    let decimals = exact.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let digits = if decimals < 2 { unsigned(value.round_half_up(2)) } else { exact };
    signed(value, currency, grouped(&digits))
}

/// A quantity with thousands separators and at most six decimals.
pub fn quantity(value: &Exact) -> String {
    let exact = unsigned(value.to_string());
    let decimals = exact.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let shown = if decimals > 6 || exact.contains('/') { trimmed(&unsigned(value.round_half_up(6)), 0) } else { exact };
    if shown == "0" && !value.is_zero() {
        return "< 0.000001".into();
    }
    format!("{}{}", if value.is_negative() { "\u{2212}" } else { "" }, grouped(&shown))
}

/// A measured quantity for people: at most so many decimals, and something is never rounded to nothing.
pub fn rounded(value: &Exact, decimals: u32) -> String {
    let shown = trimmed(&unsigned(value.round_half_up(decimals)), 0);
    if shown == "0" && !value.is_zero() {
        let least = Exact::ratio(1, 10_i128.pow(decimals)).unwrap_or_default();
        return format!("< {least}");
    }
    format!("{}{}", if value.is_negative() { "\u{2212}" } else { "" }, grouped(&shown))
}

/// A number of things, with thousands separators.
pub fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// A size in bytes, with the unit that suits it: `123.5 MB`.
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if value < 1000 {
        return format!("{value} bytes");
    }
    let mut size = value as f64 / 1000.0;
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// `part` of `whole` in percent with one decimal; nothing where the whole is zero.
pub fn percent(part: &Exact, whole: &Exact) -> Option<String> {
    if whole.is_zero() {
        return None;
    }
    let percent = approximate(part) / approximate(whole) * 100.0;
    let sign = if percent <= -0.05 { "\u{2212}" } else { "" };
    Some(match percent.abs() {
        size if size > 0.0 && size < 0.05 => "< 0.1 %".into(),
        size => format!("{sign}{} %", grouped(&format!("{size:.1}"))),
    })
}

/// A price below a cent by the million, since that is how people know it.
pub fn per_million(unit_price: &Exact) -> Option<Exact> {
    let cent: Exact = "0.01".parse().ok()?;
    let million: Exact = "1000000".parse().ok()?;
    (!unit_price.is_zero() && *unit_price < cent).then(|| unit_price * &million)
}

/// The nearest float: for pixels and percentages, never for money.
pub fn approximate(value: &Exact) -> f64 {
    value.round_half_up(DIGITS_MAX).parse().unwrap_or(0.0)
}

/// The sum of some amounts; nothing for none.
pub fn sum<'a>(values: impl IntoIterator<Item = &'a Exact>) -> Option<Exact> {
    let mut values = values.into_iter();
    let first = values.next()?.clone();
    Some(values.fold(first, |sum, value| &sum + value))
}

/// What stands before an amount of the currency.
pub fn symbol(currency: &str) -> String {
    match currency {
        "USD" => "$".into(),
        "EUR" => "€".into(),
        "GBP" => "£".into(),
        other => format!("{other} "),
    }
}

fn signed(value: &Exact, currency: &str, magnitude: String) -> String {
    let is_nothing = magnitude.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let sign = if value.is_negative() && !is_nothing { "\u{2212}" } else { "" };
    format!("{sign}{}{magnitude}", symbol(currency))
}

fn magnitude(value: &Exact) -> String {
    let cents = unsigned(value.round_half_up(2));
    let precise = unsigned(value.round_half_up(DIGITS_MAX));
    let (whole, fraction) = precise.split_once('.').unwrap_or((&precise, ""));
    if whole != "0" {
        return grouped(&cents);
    }
    let Some(first) = (0u32..).zip(fraction.bytes()).find(|(_, digit)| *digit != b'0').map(|(place, _)| place) else {
        return if value.is_zero() { cents } else { unsigned(value.to_string()) };
    };
    let significant = unsigned(value.round_half_up(first + 4));
    trimmed(&significant, 2)
}

/// Without trailing zeros, but with at least so many decimals.
fn trimmed(digits: &str, decimals_min: usize) -> String {
    let Some((whole, fraction)) = digits.split_once('.') else { return digits.to_owned() };
    let kept = fraction.trim_end_matches('0').len().max(decimals_min.min(fraction.len()));
    if kept == 0 { whole.to_owned() } else { format!("{whole}.{}", &fraction[..kept]) }
}

fn unsigned(digits: String) -> String {
    digits.strip_prefix('-').map(str::to_owned).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use paygrain_pricing::Exact;

    use super::*;

    fn exact(text: &str) -> Exact {
        text.parse().unwrap()
    }

    #[test]
    fn money_has_two_decimals_from_one_on_and_four_digits_below() {
        for (value, shown) in [
            ("0", "$0.00"),
            ("18.735", "$18.74"),
            ("1234567.891", "$1,234,567.89"),
            ("1", "$1.00"),
            ("0.5", "$0.50"),
            ("0.05", "$0.05"),
            ("0.123456", "$0.1235"),
            ("0.0000166667", "$0.00001667"),
            ("0.99999", "$1.00"),
            ("0.0000000000002", "$0.0000000000002"),
            ("-3", "\u{2212}$3.00"),
            ("-0.00012345", "\u{2212}$0.0001235"),
            ("999.995", "$1,000.00"),
        ] {
            assert_eq!(money(&exact(value), "USD"), shown, "{value}");
        }
        assert_eq!(money(&exact("5"), "CHF"), "CHF 5.00");
        assert_eq!(money(&exact("5"), "EUR"), "€5.00");
    }

    #[test]
    fn a_total_never_rounds_something_to_nothing() {
        for (value, shown) in
            [("0", "$0.00"), ("0.004", "< $0.01"), ("0.005", "$0.01"), ("1234.5", "$1,234.50"), ("-7", "\u{2212}$7.00")]
        {
            assert_eq!(total(&exact(value), "USD"), shown, "{value}");
        }
    }

    #[test]
    fn a_rate_has_every_digit() {
        for (value, shown) in [("0.0000166667", "$0.0000166667"), ("0.20", "$0.20"), ("12000", "$12,000.00")] {
            assert_eq!(rate(&exact(value), "USD"), shown, "{value}");
        }
    }

    #[test]
    fn quantities_are_grouped_and_short() {
        for (value, shown) in [
            ("2318440.125", "2,318,440.125"),
            ("12000000", "12,000,000"),
            ("0", "0"),
            ("0.123456789", "0.123457"),
            ("0.0000000001", "< 0.000001"),
        ] {
            assert_eq!(quantity(&exact(value)), shown, "{value}");
        }
    }

    #[test]
    fn measured_quantities_are_short_and_never_nothing() {
        for (value, decimals, shown) in
            [("1234.56", 1, "1,234.6"), ("0.04", 1, "< 0.1"), ("0", 1, "0"), ("2.0", 2, "2"), ("0.3", 0, "< 1")]
        {
            assert_eq!(rounded(&exact(value), decimals), shown, "{value}");
        }
    }

    #[test]
    fn percentages_say_when_there_is_no_base() {
        assert_eq!(percent(&exact("1"), &exact("3")).as_deref(), Some("33.3 %"));
        assert_eq!(percent(&exact("-1"), &exact("4")).as_deref(), Some("\u{2212}25.0 %"));
        assert_eq!(percent(&exact("1"), &exact("100000")).as_deref(), Some("< 0.1 %"));
        assert_eq!(percent(&exact("1"), &exact("0")), None);
    }

    #[test]
    fn sizes_take_the_unit_that_suits_them() {
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(123_456_789), "123.5 MB");
        assert_eq!(bytes(10 * 1024 * 1024 * 1024), "10.7 GB");
    }
}
