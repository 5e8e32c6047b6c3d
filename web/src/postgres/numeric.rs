//! Decimals as `numeric`, digit by digit: the crate's own encoding ends at 96 bits.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, UInt64Type,
};
use datafusion_postgres::pgwire::types::ToSqlText;
use datafusion_postgres::pgwire::types::format::FormatOptions;
use postgres_types::{IsNull, ToSql, Type, to_sql_checked};

/// A number as its decimal digits: `-12.50`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numeric(pub(super) String);

/// Whether values of a type are sent as [`Numeric`].
pub(super) fn is_numeric(kind: &DataType) -> bool {
    kind.is_decimal() || *kind == DataType::UInt64
}

/// The value in a row of such a column.
pub(super) fn numeric(array: &dyn Array, row: usize) -> Option<Numeric> {
    if array.is_null(row) {
        return None;
    }
    Some(Numeric(match array.data_type() {
        DataType::Decimal32(precision, scale) => {
            Decimal32Type::format_decimal(array.as_primitive::<Decimal32Type>().value(row), *precision, *scale)
        }
        DataType::Decimal64(precision, scale) => {
            Decimal64Type::format_decimal(array.as_primitive::<Decimal64Type>().value(row), *precision, *scale)
        }
        DataType::Decimal128(precision, scale) => {
            Decimal128Type::format_decimal(array.as_primitive::<Decimal128Type>().value(row), *precision, *scale)
        }
        DataType::Decimal256(precision, scale) => {
            Decimal256Type::format_decimal(array.as_primitive::<Decimal256Type>().value(row), *precision, *scale)
        }
        _ => array.as_primitive::<UInt64Type>().value(row).to_string(),
    }))
}

impl ToSqlText for Numeric {
    fn to_sql_text(
        &self,
        _: &Type,
        out: &mut BytesMut,
        _: &FormatOptions,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

/// Digits of a number in groups of four, the point between two groups.
impl ToSql for Numeric {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let (negative, digits) = match self.0.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, self.0.as_str()),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let padded_whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
        let padded_fraction = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
        let mut groups = Vec::new();
        for group in padded_whole.as_bytes().chunks(4).chain(padded_fraction.as_bytes().chunks(4)) {
            groups.push(std::str::from_utf8(group)?.parse::<i16>()?);
        }
        let mut weight = i16::try_from(padded_whole.len() / 4)? - 1;
        let leading = groups.iter().take_while(|group| **group == 0).count();
        groups.drain(..leading);
        weight -= i16::try_from(leading)?;
        while groups.last() == Some(&0) {
            groups.pop();
        }
        out.put_i16(i16::try_from(groups.len())?);
        out.put_i16(if groups.is_empty() { 0 } else { weight });
        out.put_u16(if negative && !groups.is_empty() { 0x4000 } else { 0 });
        out.put_u16(u16::try_from(fraction.len())?);
        for group in groups {
            out.put_i16(group);
        }
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::NUMERIC
    }

    to_sql_checked!();
}

/// The digits of a `numeric` in its binary form; nothing for `NaN`, infinities and what is none.
pub(super) fn from_binary(bytes: &[u8]) -> Option<String> {
    let word = |place: usize| Some(i16::from_be_bytes(bytes.get(2 * place..2 * place + 2)?.try_into().ok()?));
    let (count, weight, sign) = (usize::try_from(word(0)?).ok()?, i32::from(word(1)?), word(2)?);
    let scale = usize::try_from(word(3)?).ok()?;
    if bytes.len() != 8 + 2 * count || !matches!(sign, 0 | 0x4000) || weight.abs() > 1000 || scale > 1000 {
        return None;
    }
    let group = |place: i32| match usize::try_from(weight - place) {
        Ok(index) if index < count => word(4 + index).filter(|group| (0..10_000).contains(group)),
        _ => Some(0),
    };
    let mut whole = String::new();
    for place in (0..=weight.max(0)).rev() {
        whole.push_str(&format!("{:04}", group(place)?));
    }
    let mut fraction = String::new();
    for place in 1..=scale.div_ceil(4) {
        fraction.push_str(&format!("{:04}", group(-i32::try_from(place).ok()?)?));
    }
    fraction.truncate(scale);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{}{whole}{point}{fraction}", if sign == 0 { "" } else { "-" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_form_keeps_every_digit() {
        for (text, words) in [
            ("0", &[0, 0, 0, 0][..]),
            ("0.00", &[0, 0, 0, 2]),
            ("1", &[1, 0, 0, 0, 1]),
            ("-12345.678", &[3, 1, 0x4000, 3, 1, 2345, 6780]),
            ("10000", &[1, 1, 0, 0, 1]),
            ("0.00001", &[1, -2, 0, 5, 1000]),
            ("-0.5", &[1, -1, 0x4000, 1, 5000]),
        ] {
            let mut out = BytesMut::new();
            Numeric(text.into()).to_sql(&Type::NUMERIC, &mut out).unwrap();
            let expected: Vec<u8> = words.iter().flat_map(|word: &i16| word.to_be_bytes()).collect();
            assert_eq!(out[..], expected[..], "{text}");
            assert_eq!(from_binary(&out).as_deref(), Some(text));
        }
        let long = format!("-{}.{}", "9".repeat(38), "0123456789".repeat(3) + "12345678");
        let mut out = BytesMut::new();
        Numeric(long.clone()).to_sql(&Type::NUMERIC, &mut out).unwrap();
        assert_eq!(from_binary(&out), Some(long));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let bytes = |words: &[i16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        let nan = i16::from_be_bytes([0xc0, 0]);
        for words in
            [&[0, 0, nan, 0][..], &[2, 0, 0, 0, 1], &[1, 0, 0, 0, 10_000], &[1, 32_000, 0, 0, 1], &[-1, 0, 0, 0], &[]]
        {
            assert_eq!(from_binary(&bytes(words)), None, "{words:?}");
        }
    }
}
