//! Mappings: how a table that no format of ours knows becomes usage records, declared in a TOML file
//!
//! ```toml
//! table = "metered"                  # invocations, requests, storage or metered
//! delimiter = ";"                    # of CSV; detected when absent
//!
//! [time]
//! column = "Start"
//! format = "%d.%m.%Y %H:%M"          # absent: ISO 8601; or unix_s, unix_ms, unix_us
//! zone = "Europe/Berlin"             # of times without an offset; default UTC
//!
//! [end]                              # absent: nothing is held for a time
//! column = "End"
//!
//! [key]
//! columns = ["Id"]                   # absent: the whole row, and how often it has occurred
//!
//! [columns]
//! provider = { value = "aws" }       # the same for every row
//! service = { value = "aurora-serverless" }
//! meter = { value = "acu" }
//! resource = "Cluster"               # a column of the file; in JSON `a.b` reaches into objects
//! quantity = { column = "Usage", decimal = "," }
//! memory_mb = { column = "Memory", unit = "GB" }
//! ```
//!
//! Responses of CloudWatch metrics need a [section for each metric](DeclaredMetric) instead.
use std::collections::BTreeMap;

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::error::IngestError;
use crate::format::mapped::fields;
use crate::format::timestamp;
use crate::record::UsageTable;

mod metric;

pub use metric::DeclaredMetric;

/// A declared mapping.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The usage table the rows go to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub table: String,
    /// Separator of a CSV file: one character.
    #[serde(default)]
    pub delimiter: Option<char>,
    /// When a row happened, or began.
    #[serde(default)]
    pub time: Option<TimeColumn>,
    /// When it ended.
    #[serde(default)]
    pub end: Option<TimeColumn>,
    /// What tells a row from every other one.
    #[serde(default)]
    pub key: Key,
    /// Our columns and where they come from.
    #[serde(default)]
    pub columns: BTreeMap<String, Source>,
    /// Metrics of CloudWatch, by the id or label that a response gives them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metric: BTreeMap<String, DeclaredMetric>,
}

/// A column with times.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TimeColumn {
    /// Its name.
    pub column: String,
    /// How times are written.
    #[serde(default)]
    pub format: Option<String>,
    /// Zone of times without an offset.
    #[serde(default)]
    pub zone: Option<String>,
}

/// Columns that identify a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Their names; none: the whole row and how often it has occurred.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// Where the value of a column of ours comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Source {
    /// A column of the file.
    Column(String),
    /// A column of the file, and how its numbers are written.
    Described(DescribedColumn),
    /// The same value in every row.
    Value(ConstantValue),
}

/// A column of the file, and how its numbers are written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DescribedColumn {
    /// Its name.
    pub column: String,
    /// Unit of its numbers, when not that of our column: `s`, `GiB`, …
    #[serde(default)]
    pub unit: Option<String>,
    /// Decimal mark, when not a point.
    #[serde(default)]
    pub decimal: Option<char>,
    /// Mark between groups of digits, left out before reading.
    #[serde(default)]
    pub thousands: Option<char>,
}

/// The same value in every row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantValue {
    /// The value.
    pub value: String,
}

impl Source {
    /// The column of the file it reads.
    pub fn column(&self) -> Option<&str> {
        match self {
            Source::Column(column) => Some(column),
            Source::Described(described) => Some(&described.column),
            Source::Value(_) => None,
        }
    }
}

impl Mapping {
    /// Reads and checks a mapping.
    ///
    /// # Errors
    /// [`IngestError::BadMapping`] with what is wrong and what was expected.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, IngestError> {
        let bad = |problem: String| IngestError::BadMapping { name: name.to_owned(), problem };
        let mapping: Self = toml::from_str(text).map_err(|error| bad(error.to_string().trim_end().to_owned()))?;
        mapping.check().map_err(bad)?;
        Ok(mapping)
    }

    /// The usage table.
    pub fn usage_table(&self) -> Option<UsageTable> {
        UsageTable::ALL.into_iter().find(|table| table.name() == self.table)
    }

    fn check(&self) -> Result<(), String> {
        if !self.metric.is_empty() {
            if !self.table.is_empty() || !self.columns.is_empty() || self.time.is_some() {
                return Err(
                    "`[metric.…]` is for responses of CloudWatch: it goes with no `table`, `time` or `columns`".into(),
                );
            }
            return self.metric.iter().try_for_each(|(name, metric)| {
                metric.check().map_err(|problem| format!("`metric.{name}`: {problem}"))
            });
        }
        let names = || UsageTable::ALL.map(UsageTable::name).join(", ");
        let table = self.usage_table().ok_or_else(|| format!("no usage table `{}`: {}", self.table, names()))?;
        for required in ["provider", "service"] {
            if !self.columns.contains_key(required) {
                return Err(format!("`columns.{required}` is missing: a column, or {{ value = \"…\" }}"));
            }
        }
        for (column, source) in &self.columns {
            let known = fields::names(table);
            if !known.contains(&column.as_str()) {
                return Err(format!("the table {} has no column `{column}`: {}", table.name(), known.join(", ")));
            }
            if let Source::Described(DescribedColumn { unit: Some(unit), .. }) = source
                && fields::unit_factor(column, unit).is_none()
            {
                return Err(format!("`columns.{column}`: no unit `{unit}` fits: {}", fields::unit_names(column)));
            }
        }
        for time in self.time.iter().chain(&self.end) {
            time.zone()?;
        }
        if self.delimiter.is_some_and(|delimiter| !delimiter.is_ascii() || delimiter == '"') {
            return Err("`delimiter` is one ASCII character other than a quote".to_owned());
        }
        if self.end.is_some() && (self.time.is_none() || !fields::names(table).contains(&"held_us")) {
            return Err(format!("`end` goes with `time`, for what is held: {} has no intervals", table.name()));
        }
        Ok(())
    }
}

impl TimeColumn {
    fn zone(&self) -> Result<Tz, String> {
        match &self.zone {
            None => Ok(Tz::UTC),
            Some(name) => {
                name.parse().map_err(|_| format!("unknown time zone `{name}`: expected one like `Europe/Berlin`"))
            }
        }
    }

    /// The instant a text says, microseconds since 1970 UTC.
    ///
    /// # Errors
    /// Says what is wrong, to follow the column's name.
    pub fn read(&self, text: &str) -> Result<i64, String> {
        let expected = self.format.as_deref().unwrap_or("2026-10-31T09:30:00Z");
        let wrong = || format!("is `{}`, expected a time like `{expected}`", crate::error::excerpt(text.as_bytes()));
        let text = text.trim();
        if let Some(factor) = match self.format.as_deref() {
            Some("unix_s") => Some(6),
            Some("unix_ms") => Some(3),
            Some("unix_us") => Some(0),
            _ => None,
        } {
            let us = crate::format::decimal::exact(text, factor)?;
            return DateTime::from_timestamp_micros(us).map(|_| us).ok_or_else(wrong);
        }
        let local = match &self.format {
            // As nearly all are written.
            None if text.ends_with('Z') && text.len() <= 30 && timestamp::iso(text).is_some() => {
                return timestamp::iso(text).ok_or_else(wrong);
            }
            None => {
                let with_t = text.replacen(' ', "T", 1);
                if let Ok(instant) = DateTime::parse_from_rfc3339(&with_t) {
                    return Ok(instant.timestamp_micros());
                }
                let day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0);
                ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
                    .iter()
                    .find_map(|format| NaiveDateTime::parse_from_str(&with_t, format).ok())
                    .or_else(day)
            }
            Some(format) => {
                if let Ok(instant) = DateTime::parse_from_str(text, format) {
                    return Ok(instant.timestamp_micros());
                }
                let day = || NaiveDate::parse_from_str(text, format).ok()?.and_hms_opt(0, 0, 0);
                NaiveDateTime::parse_from_str(text, format).ok().or_else(day)
            }
        };
        let local = local.ok_or_else(wrong)?;
        match self.zone()?.from_local_datetime(&local) {
            LocalResult::Single(instant) => Ok(instant.timestamp_micros()),
            LocalResult::Ambiguous(..) => Err(format!(
                "is `{text}`, which {} has twice when its clocks go back: export times in UTC or with an offset",
                self.zone.as_deref().unwrap_or("UTC")
            )),
            LocalResult::None => Err(format!(
                "is `{text}`, which {} does not have: its clocks go forward then",
                self.zone.as_deref().unwrap_or("UTC")
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPING: &str = r#"
        table = "metered"
        [time]
        column = "Start"
        [columns]
        provider = { value = "aws" }
        service = { value = "aurora-serverless" }
        quantity = { column = "Usage", decimal = "," }
        held_us = { column = "Minutes", unit = "min" }
    "#;

    #[test]
    fn mistakes_are_told_with_what_was_expected() {
        assert!(Mapping::from_toml("m.toml", MAPPING).is_ok());
        for (from, to, expected) in [
            ("table = \"metered\"", "", "no usage table ``"),
            ("\"metered\"", "\"metred\"", "no usage table `metred`: invocations, requests, storage, metered"),
            ("provider = { value = \"aws\" }", "", "`columns.provider` is missing"),
            ("held_us", "held_ms", "has no column `held_ms`"),
            ("unit = \"min\"", "unit = \"GiB\"", "no unit `GiB` fits: us, ms, s, min, h, day"),
            ("column = \"Start\"", "column = \"Start\"\nzone = \"Mars\"", "unknown time zone `Mars`"),
            ("[columns]", "colour = 1\n[columns]", "unknown field `colour`"),
            ("table =", "delimiter = \"é\"\ntable =", "one ASCII character"),
            ("\"metered\"", "\"requests\"\nend = { column = \"End\" }", "has no intervals"),
        ] {
            assert!(MAPPING.contains(from), "{from}");
            let text = MAPPING.replace(from, to).replace(
                if to.contains("requests") { "held_us = { column = \"Minutes\", unit = \"min\" }" } else { "\u{0}" },
                "",
            );
            let text = if to.contains("requests") {
                text.replace("quantity = { column = \"Usage\", decimal = \",\" }", "")
            } else {
                text
            };
            let error = Mapping::from_toml("m.toml", &text).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn times_in_any_form_and_zone() {
        let column = |format: Option<&str>, zone: Option<&str>| TimeColumn {
            column: "t".into(),
            format: format.map(str::to_owned),
            zone: zone.map(str::to_owned),
        };
        let expected = Ok(1_778_775_000_000_000); // 2026-05-14T16:10:00Z
        for (text, format, zone) in [
            ("2026-05-14T16:10:00Z", None, Some("Europe/Berlin")),
            ("2026-05-14 16:10", None, None),
            ("2026-05-14 18:10:00.000", None, Some("Europe/Berlin")),
            ("2026-05-14T18:10:00+02:00", None, None),
            ("14.05.2026 18:10", Some("%d.%m.%Y %H:%M"), Some("Europe/Berlin")),
            ("05/14/2026 04:10 PM", Some("%m/%d/%Y %I:%M %p"), None),
            ("1778775000", Some("unix_s"), None),
            ("1778775000000", Some("unix_ms"), None),
            ("1778775000.000", Some("unix_s"), None),
        ] {
            assert_eq!(column(format, zone).read(text), expected, "{text}");
        }
        let berlin = column(None, Some("Europe/Berlin"));
        assert!(berlin.read("2026-10-25T02:30:00").unwrap_err().contains("twice"));
        assert!(berlin.read("2026-03-29T02:30:00").unwrap_err().contains("does not have"));
        for text in ["", "yesterday", "2026-13-01", "1e400"] {
            assert!(berlin.read(text).is_err(), "{text}");
            assert!(column(Some("unix_ms"), None).read(text).is_err(), "{text}");
        }
    }
}
