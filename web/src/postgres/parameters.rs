//! Values of parameters, as drivers send them: text or binary, with or without a type. Made into texts for the process of
//! the query here, and not by `pgwire`, whose numbers end at 96 bits.

use chrono::{DateTime, Days, NaiveDate};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion_postgres::pgwire::api::Type;
use paygrain_query::SqlParameter;

use super::failure::{Failure, code, shown};
use super::numeric::from_binary;

/// Most digits of a number, as our widest decimal has.
const DIGITS_MAX: usize = 76;
/// Most digits of the narrower decimal.
const NARROW_DIGITS_MAX: usize = 38;

/// One value. Without a known type it is what the query makes of its text.
///
/// # Errors
/// For bytes that are no value of the type, and types that are not taken.
pub(super) fn parameter(bytes: Option<&[u8]>, binary: bool, kind: Option<&Type>) -> Result<SqlParameter, Failure> {
    let known = kind.filter(|kind| **kind != Type::UNKNOWN);
    if let Some(kind) = known.filter(|kind| !is_taken(kind)) {
        let problem = format!("a parameter of type `{}` is not supported", kind.name());
        return Err(Failure::new(code::FEATURE_NOT_SUPPORTED, problem)
            .with_hint("send it as text, or one parameter for each element"));
    }
    let text = match (bytes, known) {
        (None, _) => None,
        (Some(bytes), Some(kind)) if binary => Some(binary_text(bytes, kind).ok_or_else(|| {
            let problem = format!("a parameter has {} bytes that are no binary `{}`", bytes.len(), kind.name());
            Failure::new(code::INVALID_BINARY, problem)
        })?),
        (Some(bytes), _) => Some(
            std::str::from_utf8(bytes)
                .map_err(|_| Failure::new(code::INVALID_TEXT, "a parameter is not UTF-8"))?
                .to_owned(),
        ),
    };
    let (data_type, value) = match known {
        Some(kind) if *kind == Type::NUMERIC => {
            let written = text.as_deref().unwrap_or("0");
            let (number, data_type) = decimal(written).ok_or_else(|| no_value(written, kind))?;
            (data_type, text.is_some().then_some(number))
        }
        Some(kind) => {
            let value = match text {
                Some(text) => Some(plain(&text, kind).ok_or_else(|| no_value(&text, kind))?),
                None => None,
            };
            (data_type(kind), value)
        }
        None => (DataType::Null, text),
    };
    Ok(SqlParameter { data_type: data_type.to_string(), value })
}

fn no_value(text: &str, kind: &Type) -> Failure {
    let problem = format!("a parameter is `{}`, expected a value of type `{}`", shown(text), kind.name());
    Failure::new(code::INVALID_TEXT, problem)
}

fn is_text(kind: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UUID, Type::JSON].contains(kind)
}

fn is_integer(kind: &Type) -> bool {
    [Type::INT2, Type::INT4, Type::INT8, Type::OID].contains(kind)
}

fn is_taken(kind: &Type) -> bool {
    let others =
        [Type::BOOL, Type::FLOAT4, Type::FLOAT8, Type::NUMERIC, Type::DATE, Type::TIMESTAMP, Type::TIMESTAMPTZ];
    is_text(kind) || is_integer(kind) || others.contains(kind)
}

/// The type of the engine; for text what the query makes of it, as drivers send many things as text.
fn data_type(kind: &Type) -> DataType {
    match *kind {
        Type::BOOL => DataType::Boolean,
        Type::FLOAT4 | Type::FLOAT8 => DataType::Float64,
        Type::DATE => DataType::Date32,
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        _ if is_integer(kind) => DataType::Int64,
        _ => DataType::Null,
    }
}

/// A text as the engine reads it.
fn plain(text: &str, kind: &Type) -> Option<String> {
    let trimmed = text.trim();
    Some(match *kind {
        Type::BOOL => match trimmed.to_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => "true".into(),
            "f" | "false" | "n" | "no" | "off" | "0" => "false".into(),
            _ => return None,
        },
        Type::FLOAT4 | Type::FLOAT8 => trimmed.parse::<f64>().ok()?.to_string(),
        _ if is_integer(kind) => trimmed.parse::<i64>().ok()?.to_string(),
        _ if is_text(kind) => text.to_owned(),
        _ => trimmed.to_owned(),
    })
}

/// A number without exponent, and the decimal type that just holds it.
fn decimal(text: &str) -> Option<(String, DataType)> {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (mut digits, mut scale) = (format!("{whole}{fraction}"), i32::try_from(fraction.len()).ok()? - exponent);
    if scale < 0 {
        let zeros = usize::try_from(-scale).ok().filter(|zeros| *zeros <= DIGITS_MAX)?;
        digits.push_str(&"0".repeat(zeros));
        scale = 0;
    }
    let scale = usize::try_from(scale).ok().filter(|scale| *scale <= DIGITS_MAX)?;
    let digits = digits.trim_start_matches('0');
    let digits = format!("{}{digits}", "0".repeat((scale + 1).saturating_sub(digits.len())));
    if digits.len() > DIGITS_MAX {
        return None;
    }
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    let (precision, scale) = (u8::try_from(digits.len()).ok()?, i8::try_from(scale).ok()?);
    let data_type = match digits.len() <= NARROW_DIGITS_MAX {
        true => DataType::Decimal128(precision, scale),
        false => DataType::Decimal256(precision, scale),
    };
    Some((format!("{sign}{whole}{point}{fraction}"), data_type))
}

/// The text of a binary value.
fn binary_text(bytes: &[u8], kind: &Type) -> Option<String> {
    Some(match *kind {
        Type::BOOL => match bytes {
            [0] => "false".into(),
            [1] => "true".into(),
            _ => return None,
        },
        Type::INT2 => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Type::INT4 => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Type::INT8 => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Type::OID => u32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Type::FLOAT4 => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Type::FLOAT8 => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Type::NUMERIC => from_binary(bytes)?,
        Type::UUID => uuid::Uuid::from_slice(bytes).ok()?.to_string(),
        Type::DATE => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            let (epoch, distance) = (NaiveDate::from_ymd_opt(2000, 1, 1)?, Days::new(u64::from(days.unsigned_abs())));
            let date = if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) };
            date?.to_string()
        }
        Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            /// From 1970 to 2000.
            const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;
            let microseconds = i64::from_be_bytes(bytes.try_into().ok()?).checked_add(EPOCH_MICROSECONDS)?;
            let time = DateTime::from_timestamp_micros(microseconds)?.format("%Y-%m-%dT%H:%M:%S%.6f");
            format!("{time}{}", if *kind == Type::TIMESTAMPTZ { "Z" } else { "" })
        }
        _ => std::str::from_utf8(bytes).ok()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], binary: bool, kind: &Type) -> (String, String) {
        let parameter = parameter(Some(bytes), binary, Some(kind)).unwrap();
        (parameter.value.unwrap(), parameter.data_type)
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (text, number, data_type) in [
            ("12.50", "12.50", "Decimal128(4, 2)"),
            ("-0.001", "-0.001", "Decimal128(4, 3)"),
            ("1E+3", "1000", "Decimal128(4, 0)"),
            ("1.5e-3", "0.0015", "Decimal128(5, 4)"),
            ("007", "7", "Decimal128(1, 0)"),
            ("0", "0", "Decimal128(1, 0)"),
        ] {
            assert_eq!(read(text.as_bytes(), false, &Type::NUMERIC), (number.into(), data_type.into()), "{text}");
        }
        let long = "1".repeat(40);
        assert_eq!(read(long.as_bytes(), false, &Type::NUMERIC), (long.clone(), "Decimal256(40, 0)".into()));
        for text in ["NaN", "", ".", "1e99", "1e-99", "1x", "--1"] {
            parameter(Some(text.as_bytes()), false, Some(&Type::NUMERIC)).unwrap_err();
        }
    }

    #[test]
    fn binary_values_are_read() {
        assert_eq!(read(&(-5_i16).to_be_bytes(), true, &Type::INT2), ("-5".into(), "Int64".into()));
        assert_eq!(read(&[1], true, &Type::BOOL), ("true".into(), "Boolean".into()));
        assert_eq!(read(&9770_i32.to_be_bytes(), true, &Type::DATE), ("2026-10-01".into(), "Date32".into()));
        let time = read(&844_128_000_000_000_i64.to_be_bytes(), true, &Type::TIMESTAMPTZ).0;
        assert_eq!(time, "2026-10-01T00:00:00.000000Z");
        for (bytes, kind) in [(&[1_u8, 2, 3][..], Type::INT4), (&[2], Type::BOOL), (&[0xff; 8], Type::NUMERIC)] {
            parameter(Some(bytes), true, Some(&kind)).unwrap_err();
        }
        assert_eq!(parameter(None, true, Some(&Type::INT4)).unwrap().value, None);
        parameter(Some(b"{1}"), false, Some(&Type::INT4_ARRAY)).unwrap_err();
    }

    #[test]
    fn text_is_what_the_query_makes_of_it() {
        assert_eq!(read(b"2026-10-01", false, &Type::TEXT), ("2026-10-01".into(), "Null".into()));
        assert_eq!(parameter(Some(b"x"), false, None).unwrap().data_type, "Null");
    }
}
