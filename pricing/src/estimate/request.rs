//! The request of an estimate as it is written, in JSON or TOML
use std::{collections::BTreeMap, fmt};

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, de};

use super::EstimateError;
use crate::{agreement::Agreement, exact::Exact, period::Period, rating::Allowances};

/// Described usage of a billing period.
///
/// `provider`, `organisation`, `account` and `region` hold for every row that names none of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstimateRequest {
    /// The billing period.
    pub period: Period,
    /// The provider.
    #[serde(default)]
    pub provider: Option<String>,
    /// The organisation.
    #[serde(default)]
    pub organisation: Option<String>,
    /// The account.
    #[serde(default)]
    pub account: Option<String>,
    /// The region.
    #[serde(default)]
    pub region: Option<String>,
    /// Day the account was opened; without it no allowance that ends some months later is given.
    #[serde(default, deserialize_with = "day")]
    pub account_opened: Option<NaiveDate>,
    /// `true`, `false` or a list of ids.
    #[serde(default)]
    pub allowances: Allowances,
    /// What other workloads of the account have taken of each allowance, in percent of it, 0 to 100.
    #[serde(default)]
    pub used_allowance_percent: u32,
    /// What the account has agreed beyond the price list.
    #[serde(default)]
    pub agreement: Agreement,
    /// The usage.
    pub usage: Vec<UsageRow>,
}

/// One row of described usage: words and values.
pub type UsageRow = BTreeMap<String, RowValue>;

/// A value of a usage row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowValue {
    /// As if the word were absent.
    Null,
    /// An integer.
    Number(Exact),
    /// A text, a decimal in quotes, or a time.
    Text(String),
}

impl EstimateRequest {
    /// Reads a request in JSON.
    ///
    /// # Errors
    /// When it is not of the documented shape, or has a number with a point outside quotes.
    pub fn from_json(text: &str) -> Result<Self, EstimateError> {
        serde_json::from_str(text).map_err(|error| EstimateError::Unreadable(error.to_string()))
    }

    /// Reads a request in TOML.
    ///
    /// # Errors
    /// As [`EstimateRequest::from_json`].
    pub fn from_toml(text: &str) -> Result<Self, EstimateError> {
        toml::from_str(text).map_err(|error| EstimateError::Unreadable(error.to_string().trim_end().to_owned()))
    }
}

impl fmt::Display for RowValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowValue::Null => f.write_str("null"),
            RowValue::Number(number) => number.fmt(f),
            RowValue::Text(text) => write!(f, "\"{}\"", text.chars().take(80).collect::<String>()),
        }
    }
}

impl<'de> Deserialize<'de> for RowValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = RowValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an integer, a text, or a decimal in quotes (a number with a point outside quotes is not exact)",
                )
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<RowValue, E> {
                Ok(RowValue::Number(value.into()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<RowValue, E> {
                Ok(RowValue::Number(value.into()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RowValue, E> {
                Ok(RowValue::Text(text.to_owned()))
            }

            fn visit_unit<E: de::Error>(self) -> Result<RowValue, E> {
                Ok(RowValue::Null)
            }

            /// A TOML date or time: a map with one text.
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<RowValue, A::Error> {
                match map.next_entry::<String, String>()? {
                    Some((key, text)) if key.contains("datetime") => Ok(RowValue::Text(text)),
                    _ => Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDate>, D::Error> {
    match RowValue::deserialize(deserializer)? {
        RowValue::Null => Ok(None),
        RowValue::Text(text) => text
            .parse()
            .map(Some)
            .map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&text), &"a day such as 2019-06-01")),
        RowValue::Number(_) => Err(de::Error::custom("a number is not a day such as \"2019-06-01\"")),
    }
}

impl<'de> Deserialize<'de> for Allowances {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Allowances;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a list of allowance ids")
            }

            fn visit_bool<E: de::Error>(self, all: bool) -> Result<Allowances, E> {
                Ok(if all { Allowances::All } else { Allowances::None })
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Allowances, A::Error> {
                let mut ids = std::collections::BTreeSet::new();
                while let Some(id) = seq.next_element::<String>()? {
                    ids.insert(id);
                }
                Ok(Allowances::Only(ids))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
