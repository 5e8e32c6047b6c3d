//! Quantities that a program computed in floating point, as decimal text.
//!
//! Such a number may have more decimals than a quantity keeps (a double below 0.01 has up to 17 digits behind its
//! zeros). It is rounded half up there, in decimal; whether it was is told, so that a warning can say so.

use crate::format::decimal;
use crate::record::MeteredQuantity;

/// What is said once of a file with rounded numbers.
pub(super) const ROUNDED: &str = "numbers with more than 18 decimals were rounded to 18";

/// A number in units of 10⁻¹⁸, and whether it was rounded.
///
/// # Errors
/// As [`decimal::exact`].
pub(super) fn quantity(text: &str) -> Result<(i128, bool), String> {
    const SCALE: i32 = MeteredQuantity::SCALE as i32;
    decimal::exact_wide(text, SCALE).map(|value| (value, false)).or_else(|problem| {
        // A number that is wrong in another way than by its decimals is wrong for its whole part, too.
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let Ok(exponent) = exponent.parse::<i16>() else { return Err(problem) };
        let digits = format!("{whole}{fraction}");
        let behind = fraction.len() as i64 - i64::from(exponent) - i64::from(SCALE);
        let dropped = match usize::try_from(behind) {
            Ok(dropped @ 1..) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => dropped,
            _ => return Err(problem),
        };
        let kept = digits.len().saturating_sub(dropped);
        let value = if kept == 0 { 0 } else { decimal::exact_wide(&digits[..kept], 0).map_err(|_| problem.clone())? };
        let next = if dropped <= digits.len() { digits.as_bytes().get(kept) } else { None };
        Ok((value + i128::from(next.is_some_and(|digit| *digit >= b'5')), true))
    })
}

#[cfg(test)]
mod tests {
    use super::quantity;

    #[test]
    fn doubles_are_kept_to_eighteen_decimals() {
        for (text, expected) in [
            ("24.0", Some((24 * 10_i128.pow(18), false))),
            ("17179869184000.0", Some((17_179_869_184_000 * 10_i128.pow(18), false))),
            ("1.2345678901234567E-2", Some((12_345_678_901_234_567, false))),
            ("1.2345678901234565E-3", Some((1_234_567_890_123_457, true))),
            ("0.0012345678901234564", Some((1_234_567_890_123_456, true))),
            ("4e-19", Some((0, true))),
            ("5e-19", Some((1, true))),
            ("9.99e-19", Some((1, true))),
            ("9e-20", Some((0, true))),
            ("1E-300", Some((0, true))),
            ("1E300", None),
            ("-1", None),
            ("-1e-30", None),
            ("NaN", None),
            ("1e", None),
            ("", None),
            ("1.2.3e-30", None),
        ] {
            assert_eq!(quantity(text).ok(), expected, "{text}");
        }
    }
}
