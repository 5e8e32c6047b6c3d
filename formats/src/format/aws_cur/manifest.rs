//! Manifests of Cost and Usage Reports: which files are the current delivery of a month.

use chrono::{NaiveDate, NaiveDateTime};
use serde::Deserialize;

use crate::format::billed::{self, Columns, Places, Row};

/// The manifest of a report: the legacy one of a month, or that of CUR 2.0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurManifest {
    /// Which delivery it is: `assemblyId`, or `executionId` of CUR 2.0.
    pub assembly_id: String,
    /// Account that is billed; CUR 2.0 does not say.
    pub account: Option<String>,
    /// Name of the report.
    pub report_name: Option<String>,
    /// Beginning of the billing period, microseconds since 1970 UTC.
    pub period_from_us: Option<i64>,
    /// End of the billing period, microseconds since 1970 UTC.
    pub period_to_us: Option<i64>,
    /// The files, by their keys in the bucket; those of CUR 2.0 are whole addresses, `s3://…`. No other file in the
    /// report's directories is of this delivery.
    pub report_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(alias = "executionId")]
    assembly_id: String,
    account: Option<String>,
    #[serde(alias = "exportName")]
    report_name: Option<String>,
    billing_period: Option<Period>,
    #[serde(alias = "dataFiles")]
    report_keys: Vec<String>,
}

#[derive(Deserialize)]
struct Period {
    start: String,
    end: String,
}

impl CurManifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let json = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json);
        let written: Written = serde_json::from_slice(json)
            .map_err(|error| format!("not the manifest of a Cost and Usage Report: {error}"))?;
        let period = match &written.billing_period {
            Some(period) => (Some(time(&period.start)?), Some(time(&period.end)?)),
            None => written.report_keys.first().and_then(|key| month_in(key)).unzip(),
        };
        Ok(CurManifest {
            assembly_id: written.assembly_id,
            account: written.account,
            report_name: written.report_name,
            period_from_us: period.0,
            period_to_us: period.1,
            report_keys: written.report_keys,
        })
    }

    /// What it names, for somebody who took it for the report.
    pub(super) fn says(&self) -> String {
        const SHOWN_MAX: usize = 3;
        let mut files = self.report_keys.iter().take(SHOWN_MAX).map(|key| format!("`{key}`")).collect::<Vec<_>>();
        if self.report_keys.len() > SHOWN_MAX {
            files.push(format!("{} more", self.report_keys.len() - SHOWN_MAX));
        }
        let files = if files.is_empty() { "no file".to_owned() } else { files.join(", ") };
        format!(
            "this is the manifest of a Cost and Usage Report and has no lines: its delivery `{}` is {files}",
            self.assembly_id
        )
    }
}

/// `20261001T000000.000Z`, or any other time of an export.
fn time(text: &str) -> Result<i64, String> {
    let compact = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S%.fZ").ok();
    compact
        .map(|time| time.and_utc().timestamp_micros())
        .or_else(|| billed::time(text))
        .ok_or_else(|| format!("`billingPeriod` has `{text}`, expected a time such as 20261001T000000.000Z"))
}

/// The month in a path of CUR 2.0: `…/BILLING_PERIOD=2026-10/…`.
fn month_in(path: &str) -> Option<(i64, i64)> {
    let (_, rest) = path.split_once("BILLING_PERIOD=")?;
    let day = NaiveDate::parse_from_str(&format!("{}-01", rest.get(..7)?), "%Y-%m-%d").ok()?;
    billed::month_of(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

const FILES: &[&str] = &["reportKeys", "dataFiles"];
const DELIVERY: &[&str] = &["assemblyId", "executionId"];

/// Whether the fields of an object are those of a manifest.
pub(super) fn is_one(columns: &Columns) -> bool {
    FILES.iter().zip(DELIVERY).any(|(files, delivery)| columns.has(files) && columns.has(delivery))
}

/// Where the fields of a manifest are.
#[derive(Default)]
pub(super) struct Found {
    files: Places,
    delivery: Places,
    others: Vec<(&'static str, Places)>,
}

impl Found {
    pub(super) fn of(columns: &Columns) -> Self {
        const OTHERS: [&str; 4] = ["account", "reportName", "exportName", "billingPeriod"];
        if !is_one(columns) {
            return Found::default();
        }
        Found {
            files: columns.find(FILES),
            delivery: columns.find(DELIVERY),
            others: OTHERS.iter().map(|name| (*name, columns.find(&[name]))).collect(),
        }
    }

    /// The manifest that an object is; none where it is none.
    pub(super) fn read(&self, row: &Row<'_>) -> Option<Result<CurManifest, String>> {
        let (files, delivery) = (row.peek(&self.files)?, row.peek(&self.delivery)?);
        let mut json = format!("{{\"reportKeys\":{files},\"assemblyId\":{}", quoted(delivery));
        for (name, places) in &self.others {
            if let Some(value) = row.peek(places) {
                let value = if value.starts_with('{') { value.to_owned() } else { quoted(value) };
                json.push_str(&format!(",\"{name}\":{value}"));
            }
        }
        json.push('}');
        Some(CurManifest::parse(json.as_bytes()))
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
