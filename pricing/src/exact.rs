//! Exact numbers: every quantity, price and amount is a rational number, rounded only where it is shown
use std::{
    cmp::Ordering,
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign},
};

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

mod text;

/// Most digits a number given as text may have.
pub const DIGITS_MAX: usize = 60;
/// Largest exponent, up or down, of a number given as text.
pub const EXPONENT_MAX: u32 = 60;
/// Fractional digits shown of a number that has no finite decimal form.
pub const DISPLAY_PLACES: u32 = 34;

/// An exact rational number without unit: what holds a quantity, a price or an amount says which unit it is in.
///
/// Nothing is ever rounded but by [`Exact::round_half_up`], [`Exact::ceil_to_integer`] and [`Exact::floor_to_integer`].
/// `Display` writes the exact decimal, without exponent and without trailing zeros, when there is one;
/// otherwise it rounds half up to [`DISPLAY_PLACES`] fractional digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact(RBig);

/// Why a text is not a number.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseExactError {
    /// The text has no digits, or a character that no number has.
    #[error("`{0}` is not a decimal number such as 12, -0.5 or 1_000_000")]
    NotANumber(String),
    /// The number is longer than [`DIGITS_MAX`] digits.
    #[error("a number may have {DIGITS_MAX} digits, this one has {0}")]
    TooLong(usize),
    /// The exponent is beyond [`EXPONENT_MAX`].
    #[error("the exponent of `{0}` is beyond {EXPONENT_MAX}")]
    ExponentTooLarge(String),
}

impl ParseExactError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        Some("write an integer or a decimal with a point, for example \"0.0000166667\"".to_owned())
    }
}

impl Exact {
    /// 0.
    pub fn zero() -> Self {
        Self(RBig::ZERO)
    }

    /// 1.
    pub fn one() -> Self {
        Self(RBig::ONE)
    }

    /// The integer itself.
    pub fn from_integer(value: i128) -> Self {
        Self(RBig::from(IBig::from(value)))
    }

    /// `numerator` / `denominator`; nothing when the denominator is 0.
    pub fn ratio(numerator: i128, denominator: i128) -> Option<Self> {
        (denominator != 0).then(|| Self(RBig::from_parts_signed(numerator.into(), denominator.into())))
    }

    /// Reads a decimal: optional sign, digits, optional fraction, optional `e` exponent; `_` may stand between digits.
    ///
    /// # Errors
    /// When the text is not such a number, has more than [`DIGITS_MAX`] digits or an exponent beyond [`EXPONENT_MAX`].
    pub fn parse(text: &str) -> Result<Self, ParseExactError> {
        let shown = || text.chars().take(80).collect::<String>();
        let trimmed = text.trim();
        let (negative, unsigned) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let well_formed = |part: &str| {
            !part.starts_with('_') && !part.ends_with('_') && part.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        };
        if whole.is_empty() || !well_formed(whole) || !well_formed(fraction) || mantissa.ends_with('.') {
            return Err(ParseExactError::NotANumber(shown()));
        }
        let digits: String = whole.chars().chain(fraction.chars()).filter(|c| *c != '_').collect();
        if digits.len() > DIGITS_MAX {
            return Err(ParseExactError::TooLong(digits.len()));
        }
        let fraction_digits = fraction.bytes().filter(u8::is_ascii_digit).count();
        let exponent = match exponent {
            None => 0,
            Some(exponent) => {
                parse_exponent(exponent).ok_or_else(|| match exponent.trim_start_matches(['+', '-']) {
                    digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                        ParseExactError::ExponentTooLarge(shown())
                    }
                    _ => ParseExactError::NotANumber(shown()),
                })?
            }
        };
        let Ok(magnitude) = UBig::from_str_radix(&digits, 10) else {
            return Err(ParseExactError::NotANumber(shown()));
        };
        let shift = exponent - fraction_digits as i64;
        let power = UBig::from(10u8).pow(shift.unsigned_abs() as usize);
        let value = match shift >= 0 {
            true => RBig::from(IBig::from(magnitude * power)),
            false => RBig::from_parts(magnitude.into(), power),
        };
        Ok(Self(if negative { -value } else { value }))
    }

    /// Whether the number is 0.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Whether the number is below 0.
    pub fn is_negative(&self) -> bool {
        self.0 < RBig::ZERO
    }

    /// Whether the number is above 0.
    pub fn is_positive(&self) -> bool {
        self.0 > RBig::ZERO
    }

    /// The number without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        if self.is_negative() { -self } else { self.clone() }
    }

    /// Whether the number is an integer.
    pub fn is_integer(&self) -> bool {
        self.0.is_int()
    }

    /// The number when it is an integer that fits.
    pub fn to_i128(&self) -> Option<i128> {
        self.is_integer().then(|| i128::try_from(self.0.numerator().clone()).ok()).flatten()
    }

    /// Numerator and denominator in lowest terms, the denominator above 0, when both fit.
    pub fn to_fraction(&self) -> Option<(i128, i128)> {
        let numerator = i128::try_from(self.0.numerator().clone()).ok()?;
        Some((numerator, i128::try_from(self.0.denominator().clone()).ok()?))
    }

    /// The smallest integer that is not below the number.
    #[must_use]
    pub fn ceil_to_integer(&self) -> Self {
        if self.is_integer() { self.clone() } else { Self(RBig::from(self.0.ceil())) }
    }

    /// The largest integer that is not above the number.
    #[must_use]
    pub fn floor_to_integer(&self) -> Self {
        if self.is_integer() { self.clone() } else { Self(RBig::from(self.0.floor())) }
    }

    /// `self` / `divisor`; nothing when the divisor is 0.
    pub fn checked_div(&self, divisor: &Self) -> Option<Self> {
        (!divisor.is_zero()).then(|| Self(&self.0 / &divisor.0))
    }

    /// Whether a finite decimal writes the number exactly.
    pub fn terminates(&self) -> bool {
        self.decimal_places().is_some()
    }

    /// The nearest multiple of 10^-`places`, half away from zero.
    #[must_use]
    pub fn rounded_half_up(&self, places: u32) -> Self {
        let rounded: IBig = self.rounded_units(places).into();
        let value = RBig::from_parts(rounded, UBig::from(10u8).pow(places as usize));
        Self(if self.is_negative() { -value } else { value })
    }

    /// The absolute value in units of 10^-`places`, rounded half up.
    fn rounded_units(&self, places: u32) -> UBig {
        let numerator = self.0.numerator();
        let scaled = UBig::from(10u8).pow(places as usize) * unsigned(numerator) * 2u8 + self.0.denominator();
        scaled / (self.0.denominator() * UBig::from(2u8))
    }

    /// The decimal with exactly `places` fractional digits, rounded half away from zero ("18.74", never "-0.00").
    pub fn round_half_up(&self, places: u32) -> String {
        let rounded = self.rounded_units(places);
        let sign = if self.is_negative() && rounded != UBig::ZERO { "-" } else { "" };
        let places = places as usize;
        let digits = format!("{:0>width$}", rounded.to_string(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        match places {
            0 => format!("{sign}{whole}"),
            _ => format!("{sign}{whole}.{fraction}"),
        }
    }

    /// Fractional digits of the finite decimal form, when there is one.
    pub fn decimal_places(&self) -> Option<u32> {
        let mut rest = self.0.denominator().clone();
        let twos = rest.trailing_zeros().unwrap_or(0);
        rest >>= twos;
        let five = UBig::from(5u8);
        let mut fives = 0;
        while rest != UBig::ONE {
            if &rest % &five != UBig::ZERO {
                return None;
            }
            rest /= &five;
            fives += 1;
        }
        u32::try_from(twos.max(fives)).ok()
    }
}

/// The absolute value.
fn unsigned(value: &IBig) -> UBig {
    value.clone().into_parts().1
}

/// An exponent between minus and plus [`EXPONENT_MAX`].
fn parse_exponent(text: &str) -> Option<i64> {
    let value: i64 = text.parse().ok()?;
    (value.unsigned_abs() <= u64::from(EXPONENT_MAX)).then_some(value)
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decimal_places() {
            Some(places) => f.pad(&self.round_half_up(places)),
            None => f.pad(&self.round_half_up(DISPLAY_PLACES)),
        }
    }
}

impl std::str::FromStr for Exact {
    type Err = ParseExactError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

macro_rules! from_integers {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Exact {
            fn from(value: $integer) -> Self {
                Self(RBig::from(IBig::from(value)))
            }
        }
    )*};
}
from_integers!(i32, u32, i64, u64, i128, u128);

macro_rules! operators {
    ($($operator:ident, $method:ident);*) => {$(
        impl $operator for Exact {
            type Output = Exact;
            fn $method(self, other: Exact) -> Exact {
                Exact(self.0.$method(other.0))
            }
        }
        impl $operator<&Exact> for Exact {
            type Output = Exact;
            fn $method(self, other: &Exact) -> Exact {
                Exact(self.0.$method(&other.0))
            }
        }
        impl $operator<Exact> for &Exact {
            type Output = Exact;
            fn $method(self, other: Exact) -> Exact {
                Exact((&self.0).$method(other.0))
            }
        }
        impl $operator for &Exact {
            type Output = Exact;
            fn $method(self, other: &Exact) -> Exact {
                Exact((&self.0).$method(&other.0))
            }
        }
    )*};
}
operators!(Add, add; Sub, sub; Mul, mul);

impl AddAssign for Exact {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl AddAssign<&Exact> for Exact {
    fn add_assign(&mut self, other: &Exact) {
        self.0 += &other.0;
    }
}

impl SubAssign for Exact {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl SubAssign<&Exact> for Exact {
    fn sub_assign(&mut self, other: &Exact) {
        self.0 -= &other.0;
    }
}

impl Neg for Exact {
    type Output = Exact;

    fn neg(self) -> Exact {
        Exact(-self.0)
    }
}

impl Neg for &Exact {
    type Output = Exact;

    fn neg(self) -> Exact {
        Exact(-&self.0)
    }
}

impl Sum for Exact {
    fn sum<I: Iterator<Item = Exact>>(values: I) -> Exact {
        values.fold(Exact::zero(), |total, value| total + value)
    }
}

impl<'a> Sum<&'a Exact> for Exact {
    fn sum<I: Iterator<Item = &'a Exact>>(values: I) -> Exact {
        values.fold(Exact::zero(), |total, value| total + value)
    }
}

impl PartialEq<i128> for Exact {
    fn eq(&self, other: &i128) -> bool {
        *self == Exact::from_integer(*other)
    }
}

impl PartialOrd<i128> for Exact {
    fn partial_cmp(&self, other: &i128) -> Option<Ordering> {
        self.partial_cmp(&Exact::from_integer(*other))
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Exact;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer or a decimal in quotes (a number with a point outside quotes is not exact)")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Exact, E> {
                Ok(value.into())
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Exact, E> {
                Ok(value.into())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Exact, E> {
                Exact::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A plain decimal text with commas between thousands, for people: `-1234567.89` becomes `-1,234,567.89`.
pub fn grouped(digits: &str) -> String {
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let (sign, whole) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Exact {
        Exact::parse(text).unwrap()
    }

    #[test]
    fn decimals_are_read_and_written_exactly() {
        for (text, shown) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.0000166667", "0.0000166667"),
            ("1_000_000", "1000000"),
            ("-12.50", "-12.5"),
            ("+3e-2", "0.03"),
            ("1.5E3", "1500"),
            (" 7 ", "7"),
            ("1e60", &format!("1{}", "0".repeat(60))),
        ] {
            assert_eq!(exact(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "-", ".5", "5.", "1e", "1e5.0", "0x10", "1__", "_1", "1,000", "NaN", "inf", "١", "--1", "1 2"]
        {
            assert!(matches!(Exact::parse(text), Err(ParseExactError::NotANumber(_))), "{text}");
        }
        assert!(matches!(Exact::parse("1e61"), Err(ParseExactError::ExponentTooLarge(_))));
        assert!(matches!(Exact::parse("1e-99999999999999999999"), Err(ParseExactError::ExponentTooLarge(_))));
        assert_eq!(Exact::parse(&"9".repeat(61)), Err(ParseExactError::TooLong(61)));
    }

    #[test]
    fn halves_round_away_from_zero_and_zero_has_no_sign() {
        for (text, places, rounded) in [
            ("18.737", 2, "18.74"),
            ("16.425", 2, "16.43"),
            ("135001.125", 2, "135001.13"),
            ("-0.5", 2, "-0.50"),
            ("-0.005", 2, "-0.01"),
            ("-0.004", 2, "0.00"),
            ("0.5", 0, "1"),
            ("2.4999", 0, "2"),
            ("9.999", 2, "10.00"),
        ] {
            assert_eq!(exact(text).round_half_up(places), rounded, "{text}");
            assert_eq!(exact(text).rounded_half_up(places), exact(rounded), "{text}");
        }
    }

    #[test]
    fn a_number_without_end_is_shown_with_34_digits() {
        let third = Exact::ratio(-2, 3).unwrap();
        assert!(!third.terminates() && Exact::ratio(7, 80).unwrap().terminates());
        assert_eq!(third.to_string(), format!("-0.{}7", "6".repeat(33)));
        assert_eq!(third.ceil_to_integer(), 0);
        assert_eq!(third.floor_to_integer(), -1);
        assert_eq!(third.to_fraction(), Some((-2, 3)));
        assert_eq!(exact("12.50").to_fraction(), Some((25, 2)));
        assert_eq!(exact("1e39").to_fraction(), None);
        assert_eq!(exact("1e-39").to_fraction(), None);
        assert_eq!(Exact::ratio(1, 0), None);
        assert_eq!(Exact::one().checked_div(&Exact::zero()), None);
    }

    #[test]
    fn json_takes_integers_and_texts_but_no_floats() {
        assert_eq!(serde_json::from_str::<Exact>("18").unwrap(), 18);
        assert_eq!(serde_json::from_str::<Exact>("\"18.5\"").unwrap(), exact("18.5"));
        assert_eq!(serde_json::to_string(&exact("18.50")).unwrap(), "\"18.5\"");
        let error = serde_json::from_str::<Exact>("18.5").unwrap_err().to_string();
        assert!(error.contains("decimal in quotes"), "{error}");
    }

    #[test]
    fn thousands_are_grouped_and_fractions_are_not() {
        for (plain, shown) in
            [("0", "0"), ("999", "999"), ("1000", "1,000"), ("-1234567.8912", "-1,234,567.8912"), ("-999", "-999")]
        {
            assert_eq!(grouped(plain), shown);
        }
    }
}
