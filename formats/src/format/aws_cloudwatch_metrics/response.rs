//! Responses of CloudWatch metrics as they are: pages of series, or the datapoints of one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::excerpt;
use crate::format::json_stream::Fields;
use crate::format::{decimal, timestamp};
use crate::mapping::DeclaredMetric;

/// Decimal places between seconds and microseconds.
const S_TO_US: i32 = 6;

/// What kind of response an object is.
pub(super) fn is_response(fields: &Fields) -> Option<&'static str> {
    let array = |name: &str| fields.raw(name).is_some_and(|value| value.first() == Some(&b'['));
    if array("MetricDataResults") {
        return Some("MetricDataResults");
    }
    (array("Datapoints") && fields.raw("Label").is_some()).then_some("Datapoints")
}

/// What kind of response an object that is cut off has begun to be.
pub(super) fn begins_response(beginning: &[u8]) -> Option<&'static str> {
    let has = |name: &str| memchr::memmem::find(beginning, name.as_bytes()).is_some();
    if has("\"MetricDataResults\"") && has("\"Timestamps\"") && has("\"Id\"") {
        return Some("MetricDataResults");
    }
    (has("\"Datapoints\"") && has("\"Timestamp\"")).then_some("Datapoints")
}

/// One response.
pub(super) struct Page {
    pub(super) series: Vec<Series>,
    /// Messages of CloudWatch about the whole.
    pub(super) messages: Vec<String>,
    /// Whether another page follows.
    pub(super) next_page: bool,
}

/// The datapoints of one metric.
pub(super) struct Series {
    pub(super) id: Option<String>,
    pub(super) label: Option<String>,
    pub(super) status: Option<String>,
    /// How it begins in the file.
    pub(super) text: String,
    values: Values,
}

/// One datapoint.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) time_us: i64,
    /// The number as it stands there.
    pub(super) value: String,
}

enum Values {
    /// Of get-metric-data: times and values side by side.
    Parallel(Vec<Box<RawValue>>, Vec<Box<RawValue>>),
    /// Of get-metric-statistics: the statistics by name.
    Statistics(Vec<BTreeMap<String, Box<RawValue>>>),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    metric_data_results: Option<Vec<Box<RawValue>>>,
    #[serde(default)]
    messages: Vec<Message>,
    next_token: Option<String>,
    label: Option<String>,
    datapoints: Option<Vec<BTreeMap<String, Box<RawValue>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(default)]
    code: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDataResult {
    id: Option<String>,
    label: Option<String>,
    #[serde(default)]
    timestamps: Vec<Box<RawValue>>,
    #[serde(default)]
    values: Vec<Box<RawValue>>,
    status_code: Option<String>,
}

impl Page {
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        let response: Response =
            serde_json::from_slice(json).map_err(|error| format!("not a response of CloudWatch metrics: {error}"))?;
        let mut series = Vec::new();
        for result in response.metric_data_results.unwrap_or_default() {
            let parsed: MetricDataResult = serde_json::from_str(result.get())
                .map_err(|error| format!("not a valid element of `MetricDataResults`: {error}"))?;
            series.push(Series {
                id: parsed.id,
                label: parsed.label,
                status: parsed.status_code,
                text: excerpt(result.get().as_bytes()),
                values: Values::Parallel(parsed.timestamps, parsed.values),
            });
        }
        if let Some(datapoints) = response.datapoints {
            let label = response.label;
            let text = label.clone().unwrap_or_default();
            series.push(Series { id: None, label, status: None, text, values: Values::Statistics(datapoints) });
        }
        let messages =
            response.messages.into_iter().map(|message| format!("{}: {}", message.code, message.value)).collect();
        Ok(Page { series, messages, next_page: response.next_token.is_some_and(|token| !token.is_empty()) })
    }
}

impl Series {
    /// The name that a mapping declares it by, best of all.
    pub(super) fn name(&self) -> &str {
        self.id.as_deref().or(self.label.as_deref()).unwrap_or_default()
    }

    /// The datapoints in the order of their times.
    pub(super) fn points(&self, metric: &DeclaredMetric) -> Result<Vec<Point>, String> {
        let mut points = match &self.values {
            Values::Parallel(times, values) if times.len() != values.len() => {
                return Err(format!("{} timestamps and {} values", times.len(), values.len()));
            }
            Values::Parallel(times, values) => {
                let mut points = Vec::with_capacity(times.len());
                for (time, value) in times.iter().zip(values) {
                    points.push(Point { time_us: time_us(time)?, value: value.get().to_owned() });
                }
                points
            }
            Values::Statistics(datapoints) => {
                datapoints.iter().map(|datapoint| statistic(datapoint, metric)).collect::<Result<Vec<_>, String>>()?
            }
        };
        points.sort_by_key(|point| point.time_us);
        let period_us = metric.period_us();
        for pair in points.windows(2) {
            // Another period than declared would be held too long, or count again under another key.
            let apart = pair[1].time_us.saturating_sub(pair[0].time_us);
            if apart % period_us != 0 {
                return Err(format!(
                    "datapoints are {} s apart, which is no multiple of the declared `period_s` of {}",
                    apart / 1_000_000,
                    metric.period_s
                ));
            }
        }
        Ok(points)
    }
}

/// The declared statistic of a datapoint.
fn statistic(datapoint: &BTreeMap<String, Box<RawValue>>, metric: &DeclaredMetric) -> Result<Point, String> {
    let time = datapoint.get("Timestamp").ok_or("a datapoint has no `Timestamp`")?;
    let extended: BTreeMap<String, Box<RawValue>> = datapoint
        .get("ExtendedStatistics")
        .and_then(|extended| serde_json::from_str(extended.get()).ok())
        .unwrap_or_default();
    let value = datapoint.get(&metric.stat).or_else(|| extended.get(&metric.stat)).ok_or_else(|| {
        let there: Vec<_> = datapoint
            .keys()
            .chain(extended.keys())
            .filter(|name| !matches!(name.as_str(), "Timestamp" | "Unit" | "ExtendedStatistics"))
            .map(String::as_str)
            .collect();
        format!("a datapoint has no `{}`, the declared `stat`; it has {}", metric.stat, there.join(", "))
    })?;
    let unit: Option<String> = datapoint.get("Unit").and_then(|unit| serde_json::from_str(unit.get()).ok());
    let expected = match metric.value_column() {
        "quantity" => None,
        "units" | "objects" => Some("Count"),
        _ => Some("Bytes"),
    };
    match (unit.as_deref(), expected) {
        (Some(unit), Some(expected)) if unit != expected && unit != "None" => {
            Err(format!("`Unit` is `{}`, expected {expected}", excerpt(unit.as_bytes())))
        }
        _ => Ok(Point { time_us: time_us(time)?, value: value.get().to_owned() }),
    }
}

/// A time as text, or as seconds since 1970.
fn time_us(value: &RawValue) -> Result<i64, String> {
    let text = value.get();
    let wrong = || format!("a timestamp is `{}`, expected an ISO 8601 time", excerpt(text.as_bytes()));
    if text.starts_with('"') {
        return serde_json::from_str::<String>(text).ok().and_then(|text| timestamp::iso(&text)).ok_or_else(wrong);
    }
    decimal::exact(text, S_TO_US).map_err(|_| wrong())
}
