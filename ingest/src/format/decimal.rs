//! Decimal text to integers, exactly or not at all: no float ever stands between a log and a quantity.

/// Digits of a number that we are willing to read; the longest real ones have a few dozen.
const TEXT_BYTES_MAX: usize = 64;

/// `text` times ten to the power of `scale` as an integer: `"14.97"` milliseconds with a scale of 3 are 14,970
/// microseconds. Exponents are read (`1.28E8`); zeros past the scale are fine, other digits there are not.
///
/// # Errors
/// Says what is wrong with the text, to follow its name.
pub fn exact(text: &str, scale: i32) -> Result<i64, String> {
    let parsed = parse(text, scale).and_then(|value| i64::try_from(value).map_err(|_| TOO_LARGE));
    parsed.map_err(|problem| wrong(text, problem))
}

/// As [`exact`], of up to 38 digits.
///
/// # Errors
/// As [`exact`].
pub fn exact_wide(text: &str, scale: i32) -> Result<i128, String> {
    let parsed = parse(text, scale).and_then(|value| if value < WIDE_END { Ok(value) } else { Err(TOO_LARGE) });
    parsed.map_err(|problem| wrong(text, problem))
}

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
            return Err("which has more decimals than can be kept exactly");
        }
        value /= 10;
        shift += 1;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::exact;

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
