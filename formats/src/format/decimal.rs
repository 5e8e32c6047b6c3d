//! Decimal text to integers, exactly or not at all: no float ever stands between a log and a quantity.

/// Digits of a number that we are willing to read; the longest real ones have a few dozen.
const TEXT_BYTES_MAX: usize = 64;

/// `text` times ten to the power of `scale` as an integer: `"14.97"` milliseconds with a scale of 3 are 14,970
/// microseconds. Exponents are read (`1.28E8`); zeros past the scale are fine, other digits there are not.
///
/// # Errors
/// Says what is wrong with the text, to follow its name.
pub fn exact(text: &str, scale: i32) -> Result<i64, String> {
    if let Some(value) = plain_exact(text.as_bytes(), scale) {
        return Ok(value);
    }
    let parsed = parse(text, scale).and_then(|value| i64::try_from(value).map_err(|_| TOO_LARGE));
    parsed.map_err(|problem| wrong(text, problem))
}

/// As [`exact`], of a number as nearly all are: up to 15 digits and at most one point, nothing to be rounded. `None` is
/// no error: it may be a number of another form.
fn plain_exact(text: &[u8], scale: i32) -> Option<i64> {
    const DIGITS_MAX: usize = 15;
    const POWERS: [i64; 4] = [1, 10, 100, 1000];
    if text.is_empty() || text.len() > DIGITS_MAX || text[0] == b'.' {
        return None;
    }
    let (mut value, mut behind_point) = (0_i64, None);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + i64::from(digit);
            behind_point = behind_point.map(|digits| digits + 1);
        } else if *byte == b'.' && behind_point.is_none() {
            behind_point = Some(0);
        } else {
            return None;
        }
    }
    let power = usize::try_from(scale - behind_point.unwrap_or(0)).ok()?;
    value.checked_mul(*POWERS.get(power)?)
}

/// As [`exact`], of up to 38 digits.
///
/// # Errors
/// As [`exact`].
pub fn exact_wide(text: &str, scale: i32) -> Result<i128, String> {
    let parsed = parse(text, scale).and_then(|value| if value < WIDE_END { Ok(value) } else { Err(TOO_LARGE) });
    parsed.map_err(|problem| wrong(text, problem))
}

/// A number as plain decimal text, whatever its digits: `1.81E-8` is `0.0000000181`, `-0.50` is `-0.5`.
///
/// # Errors
/// As [`exact`], and beyond [`WHOLE_DIGITS_MAX`] digits in front of the point or [`FRACTION_DIGITS_MAX`] behind it.
pub fn canonical(text: &str) -> Result<String, String> {
    plain(text).map_err(|problem| wrong(text, problem))
}

/// Most digits in front of the point of an amount.
pub const WHOLE_DIGITS_MAX: usize = 30;
/// Most digits behind the point of an amount.
pub const FRACTION_DIGITS_MAX: usize = 40;

fn plain(text: &str) -> Result<String, &'static str> {
    const NOT_A_NUMBER: &str = "expected a decimal number";
    if text.len() > 2 * TEXT_BYTES_MAX {
        return Err(NOT_A_NUMBER);
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], digits[at + 1..].parse::<i16>().map_err(|_| NOT_A_NUMBER)?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NOT_A_NUMBER);
    }
    if all.bytes().all(|byte| byte == b'0') {
        return Ok("0".to_owned());
    }
    // Where the point goes among the digits.
    let mut point = i64::try_from(whole.len()).map_err(|_| TOO_LARGE)? + i64::from(exponent);
    if point.unsigned_abs() > 2 * TEXT_BYTES_MAX as u64 {
        return Err(if point > 0 { TOO_LARGE } else { TOO_FINE });
    }
    while point <= 0 {
        all.insert(0, '0');
        point += 1;
    }
    let point = usize::try_from(point).map_err(|_| TOO_LARGE)?;
    while all.len() < point {
        all.push('0');
    }
    let whole = all[..point].trim_start_matches('0');
    let fraction = all[point..].trim_end_matches('0');
    if whole.len() > WHOLE_DIGITS_MAX {
        return Err(TOO_LARGE);
    }
    if fraction.len() > FRACTION_DIGITS_MAX {
        return Err(TOO_FINE);
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Ok(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// A number of up to 38 digits, for what is computed from amounts of a bill.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    digits: i128,
    places: u32,
}

impl Number {
    /// Of the text that [`canonical`] writes; nothing beyond 38 digits.
    pub fn of(canonical: &str) -> Option<Self> {
        let (whole, fraction) = canonical.split_once('.').unwrap_or((canonical, ""));
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some(Number { digits, places: u32::try_from(fraction.len()).ok()? })
    }

    fn digits_at(self, places: u32) -> Option<i128> {
        self.digits.checked_mul(10_i128.checked_pow(places.checked_sub(self.places)?)?)
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        Some(Number { digits: self.digits_at(places)?.checked_add(other.digits_at(places)?)?, places })
    }

    /// The difference.
    pub fn minus(self, other: Self) -> Option<Self> {
        self.plus(Number { digits: other.digits.checked_neg()?, ..other })
    }

    /// The product.
    pub fn times(self, other: Self) -> Option<Self> {
        Some(Number { digits: self.digits.checked_mul(other.digits)?, places: self.places.checked_add(other.places)? })
    }

    /// Whether it is the same number.
    pub fn is(self, other: Self) -> bool {
        self.minus(other).is_some_and(|difference| difference.digits == 0)
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// As [`canonical`] writes it.
    ///
    /// # Errors
    /// As [`canonical`].
    pub fn text(self) -> Result<String, String> {
        canonical(&format!("{}E-{}", self.digits, self.places))
    }
}

const TOO_FINE: &str = "which has more decimals than can be kept exactly";
const TOO_LARGE: &str = "which is too large";
/// The first integer of 39 digits.
const WIDE_END: i128 = 10_i128.pow(38);

fn wrong(text: &str, problem: &str) -> String {
    format!("is `{}`, {problem}", crate::error::excerpt(text.as_bytes()))
}

fn parse(text: &str, scale: i32) -> Result<i128, &'static str> {
    const NOT_A_NUMBER: &str = "expected a decimal number";
    if text.len() > TEXT_BYTES_MAX {
        return Err(NOT_A_NUMBER);
    }
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i16>().map_err(|_| NOT_A_NUMBER)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.starts_with('-') {
        return Err("expected no negative number");
    }
    if whole.is_empty() {
        return Err(NOT_A_NUMBER);
    }
    let fraction = fraction.trim_end_matches('0');
    let mut value: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return Err(NOT_A_NUMBER);
        }
        value = value.checked_mul(10).and_then(|value| value.checked_add(i128::from(byte - b'0'))).ok_or(TOO_LARGE)?;
    }
    if value == 0 {
        return Ok(0);
    }
    let mut shift = i32::from(exponent) + scale - i32::try_from(fraction.len()).map_err(|_| NOT_A_NUMBER)?;
    while shift > 0 {
        value = value.checked_mul(10).ok_or(TOO_LARGE)?;
        shift -= 1;
    }
    while shift < 0 {
        if value % 10 != 0 {
            return Err(TOO_FINE);
        }
        value /= 10;
        shift += 1;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::{Number, canonical, exact};

    #[test]
    fn numbers_are_computed_exactly_or_not_at_all() {
        let number = |text: &str| Number::of(text).unwrap_or(Number { digits: 7, places: 7 });
        let sum = |one: &str, other: &str| number(one).plus(number(other)).map(|sum| sum.text());
        assert_eq!(sum("0.1", "0.20"), Some(Ok("0.3".into())));
        assert_eq!(sum("-0.5", "0.000000000000000000001"), Some(Ok("-0.499999999999999999999".into())));
        assert_eq!(sum("99999999999999999999", "0.00000000000000000000001"), None);
        assert!(number("2").times(number("-0.5")).is_some_and(|product| product.is(number("-1"))));
        assert!(number("1").minus(number("1.0")).is_some_and(Number::is_zero));
        assert!(Number::of("x").is_none() && Number::of("").is_none());
    }

    #[test]
    fn amounts_keep_every_digit() {
        for (text, expected) in [
            ("1.81E-8", Some("0.0000000181")),
            ("6.266090E-12", Some("0.00000000000626609")),
            ("-0.50", Some("-0.5")),
            ("+7", Some("7")),
            (".5", Some("0.5")),
            ("5.", Some("5")),
            ("-0.0", Some("0")),
            ("0E-400", Some("0")),
            ("1.5e3", Some("1500")),
            ("007.10", Some("7.1")),
            ("143227.763678187615017991050", Some("143227.76367818761501799105")),
            ("1E29", Some("100000000000000000000000000000")),
            ("1E30", None),
            ("1E-40", Some("0.0000000000000000000000000000000000000001")),
            ("1E-41", None),
            ("1E-30000", None),
            ("1E30000", None),
            ("", None),
            (".", None),
            ("-", None),
            ("--1", None),
            ("1,5", None),
            ("NaN", None),
            ("1e", None),
            ("1.2.3", None),
            ("\u{661}", None),
        ] {
            assert_eq!(canonical(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, scale, expected) in [
            ("14.97", 3, Some(14_970)),
            ("14.970000", 3, Some(14_970)),
            ("14.9701", 3, None),
            ("15.0", 0, Some(15)),
            ("1.28E8", -6, Some(128)),
            ("1.28E+8", -6, Some(128)),
            ("1.281E5", -6, None),
            ("0", 3, Some(0)),
            ("0.0E-400", 3, Some(0)),
            ("9223372036854775807", 0, Some(i64::MAX)),
            ("9223372036854775808", 0, None),
            ("1E300", 0, None),
            ("", 0, None),
            (".5", 3, None),
            ("-1", 0, None),
            ("1,5", 3, None),
            ("0x10", 0, None),
            ("NaN", 0, None),
            ("1e", 0, None),
            ("1.2.3", 3, None),
        ] {
            assert_eq!(exact(text, scale).ok(), expected, "{text} at {scale}");
        }
    }
}
