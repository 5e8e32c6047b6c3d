//! The columns of the usage tables by name: how a mapping sets them, and the units it may give their numbers in
use std::borrow::Cow;

use crate::format::decimal;
use crate::mapping::DescribedColumn;
use crate::record::{Invocation, MeteredQuantity, Request, StoredBytes, UsageTable};

/// A field of a record, to be set from a text of the row; `'v` is how long the row is there.
pub(super) enum Field<'r, 'v> {
    Text(&'r mut Option<&'v str>),
    OwnText(&'r mut Option<String>),
    Name(&'r mut &'v str),
    OwnName(&'r mut String),
    Integer(&'r mut Option<i64>),
    Flag(&'r mut Option<bool>),
    Decimal(&'r mut Option<i128>),
}

/// A record whose fields have places: those of their names in [`names`].
pub(super) trait Places<'v>: Default {
    /// The field at a place.
    fn field(&mut self, place: usize) -> Option<Field<'_, 'v>>;
}

/// A record whose fields have names.
pub(in crate::format) trait Fields: Default {
    /// Sets a field from a text of the file.
    ///
    /// # Errors
    /// What is wrong with the text, to follow its name.
    fn set(&mut self, name: &str, text: &str, described: Option<&DescribedColumn>) -> Result<(), String>;
}

macro_rules! places {
    ($record:ty, $text:ident, $name:ident, text: [$($texts:ident),*], integer: [$($integers:ident),*], flag: [$($flags:ident),*], decimal: [$($decimals:ident),*]) => {
        impl<'v> Places<'v> for $record {
            fn field(&mut self, place: usize) -> Option<Field<'_, 'v>> {
                #[allow(non_camel_case_types)]
                enum Place { provider, service, $($texts,)* $($integers,)* $($flags,)* $($decimals,)* }
                Some(match place {
                    at if at == Place::provider as usize => Field::$name(&mut self.provider),
                    at if at == Place::service as usize => Field::$name(&mut self.service),
                    $(at if at == Place::$texts as usize => Field::$text(&mut self.$texts),)*
                    $(at if at == Place::$integers as usize => Field::Integer(&mut self.$integers),)*
                    $(at if at == Place::$flags as usize => Field::Flag(&mut self.$flags),)*
                    $(at if at == Place::$decimals as usize => Field::Decimal(&mut self.$decimals),)*
                    _ => return None,
                })
            }
        }
    };
}

macro_rules! fields {
    ($record:ty, $names:ident, $($kind:ident: [$($fields:ident),*]),*) => {
        const $names: &[&str] = &["provider", "service", $($(stringify!($fields),)*)*];

        places!($record, OwnText, OwnName, $($kind: [$($fields),*]),*);

        impl Fields for $record {
            fn set(&mut self, name: &str, text: &str, described: Option<&DescribedColumn>) -> Result<(), String> {
                let place = $names.iter().position(|known| *known == name);
                match place.and_then(|place| self.field(place)) {
                    Some(field) => field.set(name, text, described),
                    None => Ok(()),
                }
            }
        }
    };
}

fields!(Invocation, INVOCATION, text: [account, region, resource, version, request_id, architecture, package_type, runtime, os, capacity, trigger, invoke_mode, status, error_type, variant, instance], integer: [concurrency, duration_us, init_us, restore_us, billed_ms, memory_mb, memory_used_mb, vcpu_milli, ephemeral_mb, request_bytes, response_bytes, cpu_us], flag: [cold_start], decimal: []);
places!(Invocation<&'v str>, Text, Name, text: [account, region, resource, version, request_id, architecture, package_type, runtime, os, capacity, trigger, invoke_mode, status, error_type, variant, instance], integer: [concurrency, duration_us, init_us, restore_us, billed_ms, memory_mb, memory_used_mb, vcpu_milli, ephemeral_mb, request_bytes, response_bytes, cpu_us], flag: [cold_start], decimal: []);
fields!(Request, REQUEST, text: [account, region, resource, operation, variant, status, storage_class, source, request_id, instance], integer: [request_bytes, response_bytes, units, duration_us, concurrency], flag: [], decimal: []);
places!(Request<&'v str>, Text, Name, text: [account, region, resource, operation, variant, status, storage_class, source, request_id, instance], integer: [request_bytes, response_bytes, units, duration_us, concurrency], flag: [], decimal: []);
fields!(StoredBytes, STORED_BYTES, text: [account, region, resource, variant, storage_class], integer: [bytes, objects, held_us], flag: [], decimal: []);
fields!(MeteredQuantity, METERED_QUANTITY, text: [account, region, resource, meter, variant, unit, architecture, os, runtime], integer: [held_us, memory_mb, vcpu_milli, size_mb], flag: [], decimal: [quantity]);

/// The columns of a usage table that a mapping may set.
pub fn names(table: UsageTable) -> &'static [&'static str] {
    match table {
        UsageTable::Invocations => INVOCATION,
        UsageTable::Requests => REQUEST,
        UsageTable::Storage => STORED_BYTES,
        UsageTable::Metered => METERED_QUANTITY,
    }
}

impl<'v> Field<'_, 'v> {
    /// Sets the field.
    ///
    /// # Errors
    /// What is wrong with the text, to follow its name.
    pub(super) fn set(self, name: &str, text: &'v str, described: Option<&DescribedColumn>) -> Result<(), String> {
        match self {
            Field::Name(field) => *field = text,
            Field::OwnName(field) => text.clone_into(field),
            Field::Text(field) => *field = Some(text),
            Field::OwnText(field) => *field = Some(text.to_owned()),
            Field::Flag(field) => *field = Some(flag(text)?),
            Field::Integer(field) => *field = Some(integer(name, text, described)?),
            Field::Decimal(field) => {
                let places = i32::from(MeteredQuantity::SCALE);
                *field = Some(decimal::exact_wide(&plain(text, described), places)?);
            }
        }
        Ok(())
    }
}

fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(format!("is `{}`, expected true or false", crate::error::excerpt(text.as_bytes()))),
    }
}

/// The number with a point as its decimal mark and nothing between its digits.
fn plain<'t>(text: &'t str, described: Option<&DescribedColumn>) -> Cow<'t, str> {
    let Some(described) = described else { return text.into() };
    if described.thousands.is_none() && described.decimal.is_none_or(|mark| mark == '.') {
        return text.into();
    }
    let mut plain: String = text.chars().filter(|character| Some(*character) != described.thousands).collect();
    if let Some(mark) = described.decimal.filter(|mark| *mark != '.') {
        // A point is then no part of a number, and must not pass as one.
        plain = plain
            .chars()
            .map(|character| {
                if character == '.' {
                    '?'
                } else if character == mark {
                    '.'
                } else {
                    character
                }
            })
            .collect();
    }
    plain.into()
}

/// The number in the unit of the column, which is whole.
fn integer(name: &str, text: &str, described: Option<&DescribedColumn>) -> Result<i64, String> {
    let plain = plain(text, described);
    let unit = described.and_then(|described| described.unit.as_deref());
    let Some((numerator, denominator)) = unit.and_then(|unit| unit_factor(name, unit)) else {
        return decimal::exact(&plain, 0);
    };
    // Milliseconds as microseconds and the like: the point moves, and nothing else.
    if (numerator, denominator) == (1_000, 1)
        && let Ok(number) = decimal::exact(&plain, 3)
    {
        return Ok(number);
    }
    let scaled = decimal::exact_wide(&plain, SCALE)?;
    let wrong = |why: &str| format!("is `{}`, {why}", crate::error::excerpt(text.as_bytes()));
    let too_large = || wrong("which is too large");
    let numerator = scaled.checked_mul(numerator).ok_or_else(too_large)?;
    let denominator = 10_i128.pow(SCALE.unsigned_abs()).checked_mul(denominator).ok_or_else(too_large)?;
    if numerator % denominator != 0 {
        return Err(wrong(&format!("which is not a whole number in the unit of `{name}`")));
    }
    i64::try_from(numerator / denominator).map_err(|_| too_large())
}

/// Fractional digits kept while a unit is converted.
const SCALE: i32 = 12;

/// Units of time, as so many of the column's own.
const MICROSECONDS: &[(&str, i128, i128)] = &[
    ("us", 1, 1),
    ("ms", 1_000, 1),
    ("s", 1_000_000, 1),
    ("min", 60_000_000, 1),
    ("h", 3_600_000_000, 1),
    ("day", 86_400_000_000, 1),
];
const MILLISECONDS: &[(&str, i128, i128)] = &[("ms", 1, 1), ("s", 1_000, 1), ("min", 60_000, 1)];
const BYTES: &[(&str, i128, i128)] = &[
    ("B", 1, 1),
    ("KB", 1_000, 1),
    ("MB", 1_000_000, 1),
    ("GB", 1_000_000_000, 1),
    ("TB", 1_000_000_000_000, 1),
    ("KiB", 1 << 10, 1),
    ("MiB", 1 << 20, 1),
    ("GiB", 1 << 30, 1),
    ("TiB", 1 << 40, 1),
];
/// Memory is configured in MB that are binary.
const MEBIBYTES: &[(&str, i128, i128)] =
    &[("MB", 1, 1), ("MiB", 1, 1), ("GB", 1_024, 1), ("GiB", 1_024, 1), ("B", 1, 1 << 20)];
const THOUSANDTHS: &[(&str, i128, i128)] = &[("milli", 1, 1), ("vCPU", 1_000, 1)];

fn units(column: &str) -> &'static [(&'static str, i128, i128)] {
    match column {
        "vcpu_milli" => THOUSANDTHS,
        name if name.ends_with("_us") => MICROSECONDS,
        name if name.ends_with("_ms") => MILLISECONDS,
        name if name.ends_with("_mb") => MEBIBYTES,
        name if name.ends_with("bytes") => BYTES,
        _ => &[],
    }
}

/// How many of a column's own unit another unit is, as a fraction.
pub(crate) fn unit_factor(column: &str, unit: &str) -> Option<(i128, i128)> {
    units(column).iter().find(|(name, ..)| *name == unit).map(|(_, numerator, denominator)| (*numerator, *denominator))
}

/// The units a column's numbers may be given in.
pub(crate) fn unit_names(column: &str) -> String {
    let names: Vec<_> = units(column).iter().map(|(name, ..)| *name).collect();
    if names.is_empty() { "it has none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_converted_exactly_or_refused() {
        let described = |unit: &str, mark: char| DescribedColumn {
            column: "c".into(),
            unit: Some(unit.into()),
            decimal: Some(mark),
            thousands: (mark == ',').then_some('.'),
        };
        for (name, text, unit, mark, expected) in [
            ("duration_us", "1.5", "ms", '.', Ok(1_500)),
            ("duration_us", "1.234,5", "ms", ',', Ok(1_234_500)),
            ("duration_us", "0.0000001", "s", '.', Err("not a whole number")),
            ("memory_mb", "0.5", "GB", '.', Ok(512)),
            ("memory_mb", "134217728", "B", '.', Ok(128)),
            ("memory_mb", "134217729", "B", '.', Err("not a whole number")),
            ("bytes", "1.5", "GiB", '.', Ok(1_610_612_736)),
            ("bytes", "99999999999999999", "TiB", '.', Err("too large")),
            ("vcpu_milli", "0.25", "vCPU", '.', Ok(250)),
            ("duration_us", "-1", "ms", '.', Err("no negative")),
            ("duration_us", "NaN", "ms", '.', Err("expected a decimal")),
            ("duration_us", "1.5", "ms", ',', Ok(15_000)),
        ] {
            let found = integer(name, text, Some(&described(unit, mark)));
            match expected {
                Ok(value) => assert_eq!(found, Ok(value), "{text} {unit}"),
                Err(words) => assert!(found.as_ref().is_err_and(|error| error.contains(words)), "{text}: {found:?}"),
            }
        }
        let comma = DescribedColumn { column: "c".into(), unit: None, decimal: Some(','), thousands: None };
        assert!(integer("duration_us", "1.5", Some(&comma)).is_err(), "a point is no decimal mark there");
    }
}
