//! Exact numbers as text that loses nothing, for storage
use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use super::{Exact, ParseExactError};

impl Exact {
    /// Text that [`Exact::from_exact_text`] reads back without loss: the plain decimal where there is a finite one,
    /// else `numerator/denominator` in lowest terms. Equal numbers give equal texts.
    pub fn to_exact_text(&self) -> String {
        match self.terminates() {
            true => self.to_string(),
            false => format!("{}/{}", self.0.numerator(), self.0.denominator()),
        }
    }

    /// Reads what [`Exact::to_exact_text`] writes, of any length.
    ///
    /// # Errors
    /// When the text is neither a plain decimal nor a fraction with a denominator above 0.
    pub fn from_exact_text(text: &str) -> Result<Self, ParseExactError> {
        let error = || ParseExactError::NotANumber(text.chars().take(80).collect());
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let value = match unsigned.split_once('/') {
            Some((numerator, denominator)) => {
                let denominator = digits(denominator).filter(|value| *value != UBig::ZERO).ok_or_else(error)?;
                RBig::from_parts(IBig::from(digits(numerator).ok_or_else(error)?), denominator)
            }
            None => {
                let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
                if whole.is_empty() || fraction.is_empty() {
                    return Err(error());
                }
                let magnitude = digits(&format!("{whole}{fraction}")).ok_or_else(error)?;
                RBig::from_parts(IBig::from(magnitude), UBig::from(10u8).pow(fraction.len()))
            }
        };
        Ok(Self(if negative { -value } else { value }))
    }
}

/// A number of nothing but decimal digits.
fn digits(text: &str) -> Option<UBig> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| UBig::from_str_radix(text, 10).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_from_its_text() {
        let third = Exact::ratio(-2, 6).unwrap();
        assert_eq!(third.to_exact_text(), "-1/3");
        assert_eq!(Exact::ratio(-25, 10).unwrap().to_exact_text(), "-2.5");
        // Longer than a number that a user may write.
        let mut long = Exact::parse("0.0000166667").unwrap();
        for _ in 0..5 {
            long = &long * &long;
        }
        for number in [Exact::zero(), Exact::one(), third.clone(), &long + &third, -&long, long] {
            assert_eq!(Exact::from_exact_text(&number.to_exact_text()), Ok(number));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "-", "1/0", "1/-3", "/3", "1/", "1.", ".5", "1e3", "1_0", "+1", " 1", "1/3/4", "0x1", "1.-5"] {
            assert!(Exact::from_exact_text(text).is_err(), "{text}");
        }
    }
}
