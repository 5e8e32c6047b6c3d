//! Values that are written as text or as a number, and durations with their three forms
use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::DurationDescription;

/// The key under which the `toml` crate hands out a date.
const TOML_DATE: &str = "$__toml_private_datetime";

/// A value as it is written: a text, a number, or a date of TOML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl Text {
    /// What is written, without spaces around it.
    pub fn as_str(&self) -> &str {
        self.0.trim()
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        match map.next_entry::<String, String>()? {
            Some((key, date)) if key == TOML_DATE => Ok(Text(date)),
            _ => Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A duration written as a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    median: Option<Text>,
    p95: Option<Text>,
    values: Option<Vec<Text>>,
    weights: Option<Vec<i64>>,
}

struct DurationVisitor;

impl<'de> Visitor<'de> for DurationVisitor {
    type Value = DurationDescription;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a duration such as \"300ms\", { median = \"120ms\", p95 = \"900ms\" } or { values = [\"12ms\", \
             \"450ms\"], weights = [90, 10] }",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        TextVisitor.visit_str(text).map(DurationDescription::Fixed)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        TextVisitor.visit_i64(number).map(DurationDescription::Fixed)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        TextVisitor.visit_u64(number).map(DurationDescription::Fixed)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        match Table::deserialize(MapAccessDeserializer::new(map))? {
            Table { median: Some(median), p95: Some(p95), values: None, weights: None } => {
                Ok(DurationDescription::LogNormal { median, p95 })
            }
            Table { values: Some(values), weights, median: None, p95: None } => {
                Ok(DurationDescription::Choice { values, weights })
            }
            _ => {
                Err(de::Error::custom("a table of durations has either `median` and `p95`, or `values` and `weights`"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for DurationDescription {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}
