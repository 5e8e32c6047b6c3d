//! Platform metrics of Azure Monitor that Azure Functions are billed by: `FunctionExecutionUnits`, `FunctionExecutionCount`.
//!
//! A blob of an hour is written anew as the hour grows, and the same minute comes from the Event Hub, from the blob and
//! from `az monitor metrics list`: the key is resource, metric, length of the interval and dimensions, the time is beside
//! it, so that it counts once. A minute of zero is no row, so that it can still grow. A minute of which two files have
//! different values keeps the one that came first, because the lake adds and never replaces; inside one file the second
//! is rejected, and says so. Intervals of different lengths are different quantities: a minute and the hour around it are
//! both counted.

use std::collections::{BTreeSet, HashMap};
use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::azure_app_insights::subscription;
use crate::format::json_elements::{Element, each, is_json, json_in};
use crate::format::json_fields::Object;
use crate::format::{Format, Origin, Recognition, Sink, measured, timestamp};
use crate::record::{EventTime, MeteredQuantity, Record, RecordKey, Usage};

/// Intervals of which the value is remembered to notice another one in the same file.
const REMEMBERED_MAX: usize = 100_000;
/// Metrics named in a warning.
const NAMES_MAX: usize = 5;

/// `azure-metrics`.
pub struct AzureMetrics;

impl Format for AzureMetrics {
    fn name(&self) -> &'static str {
        "azure-metrics"
    }

    fn description(&self) -> &'static str {
        "Azure Monitor metrics of Azure Functions (execution units and count): Event Hub records, PT1H.json blobs, \
         `az monitor metrics list`"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let json = json_in(head)?;
        let has = |name: &str| memchr::memmem::find(json, format!("\"{name}\"").as_bytes()).is_some();
        let because = if has("metricName") && has("timeGrain") && has("resourceId") {
            "it has metrics of Azure Monitor (metricName, timeGrain, resourceId)"
        } else if has("timeseries") && has("metadatavalues") && has("timeStamp") {
            "it has a result of `az monitor metrics list` (timeseries, timeStamp)"
        } else {
            return None;
        };
        Some(Recognition { because: because.into() })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut metrics = Metrics {
            defaults: origin.defaults,
            seen: HashMap::new(),
            others: BTreeSet::new(),
            rounded: false,
            any: false,
        };
        let (_, mut input) = is_json(input)?;
        each(&mut input, &["records"], &mut |place, element, after_broken| {
            let (object, json) = match element {
                Element::Broken(problem, beginning) => (Err(problem), beginning.to_vec()),
                Element::Object(fields) => (Object::parse(&fields.object()), fields.object()),
                Element::Inner(_, json) => (Object::parse(json), json.to_vec()),
            };
            match object.and_then(|object| metrics.object(&object)) {
                Ok(points) => {
                    for point in points {
                        match metrics.record(&point) {
                            Ok(Some(record)) => sink.record(record)?,
                            Ok(None) => {}
                            Err(problem) => sink.reject(place.rejected(problem, point.excerpt().as_bytes()))?,
                        }
                    }
                    Ok(true)
                }
                Err(_) if after_broken => Ok(false),
                Err(problem) => {
                    sink.reject(place.rejected(problem, &json))?;
                    Ok(true)
                }
            }
        })?;
        metrics.finish(sink);
        Ok(())
    }
}

/// One value of one metric.
#[derive(Clone, Default)]
struct Point {
    resource_id: Option<String>,
    region: Option<String>,
    metric: String,
    grain: Option<String>,
    dimensions: Vec<String>,
    time: Option<String>,
    total: Option<String>,
}

impl Point {
    fn excerpt(&self) -> String {
        format!(
            "{} {} {}",
            self.metric,
            self.time.as_deref().unwrap_or("(no time)"),
            self.total.as_deref().unwrap_or("(no total)")
        )
    }
}

/// Reads points and remembers what to warn of.
struct Metrics<'a> {
    defaults: &'a Defaults,
    /// Quantities by key and time.
    seen: HashMap<(RecordKey, i64), i128>,
    others: BTreeSet<String>,
    rounded: bool,
    any: bool,
}

impl Metrics<'_> {
    /// The points in an object: a record of the Event Hub, a metric of `az`, or its whole result.
    fn object(&mut self, object: &Object) -> Result<Vec<Point>, String> {
        if let Some(metric) = object.text("metricName") {
            return Ok(vec![Point {
                resource_id: object.text("resourceId"),
                metric,
                grain: object.text("timeGrain"),
                time: object.text("time"),
                total: object.text("total"),
                ..Point::default()
            }]);
        }
        let around = Point {
            region: object.text("resourceregion"),
            grain: object.text("interval").map(|interval| iso_interval(&interval)),
            ..Point::default()
        };
        if object.has("timeseries") {
            return series(object, &around);
        }
        if !object.has("value") {
            // Logs share blobs and hubs with metrics.
            let is_log = object.has("category") || object.has("operationName");
            return if is_log {
                Ok(Vec::new())
            } else {
                Err("not a metric: expected `metricName` or `timeseries`".into())
            };
        }
        let mut points = Vec::new();
        for metric in object.objects("value")? {
            points.extend(series(&metric, &around)?);
        }
        Ok(points)
    }

    /// The record of a point; `None` for what is no usage.
    fn record(&mut self, point: &Point) -> Result<Option<Record>, String> {
        let (meter, unit) = match point.metric.to_ascii_lowercase().as_str() {
            "functionexecutionunits" => ("execution-units", "MiB-ms"),
            "functionexecutioncount" => ("execution-count", "execution"),
            _ => {
                self.others.insert(point.metric.clone());
                if self.others.len() > NAMES_MAX {
                    self.others.pop_last();
                }
                return Ok(None);
            }
        };
        let time = point.time.as_deref().ok_or("there is no `time` or `timeStamp`")?;
        let time_us = timestamp::iso(time).ok_or_else(|| format!("the time is `{time}`, expected an ISO 8601 time"))?;
        let Some(total) = point.total.as_deref() else { return Ok(None) };
        let (quantity, rounded) = measured::quantity(total).map_err(|problem| format!("`total` {problem}"))?;
        self.rounded |= rounded;
        if quantity == 0 {
            return Ok(None);
        }
        let resource_id = point.resource_id.as_deref().ok_or("there is no `resourceId`")?.to_lowercase();
        let mut parts = vec![Some("azure-metric"), Some(&resource_id), Some(meter), point.grain.as_deref()];
        parts.extend(point.dimensions.iter().map(|dimension| Some(dimension.as_str())));
        let key = RecordKey::of(&parts);
        if let Some(before) = self.seen.get(&(key, time_us))
            && *before != quantity
        {
            return Err(format!(
                "`total` is `{total}`, but the file has another value for the same interval before it"
            ));
        }
        if self.seen.len() < REMEMBERED_MAX {
            self.seen.insert((key, time_us), quantity);
        }
        self.any = true;
        let mut row = MeteredQuantity {
            provider: "azure".into(),
            service: "functions".into(),
            account: subscription(&resource_id),
            region: point.region.clone(),
            resource: app(&resource_id),
            meter: Some(meter.into()),
            quantity: Some(quantity),
            unit: Some(unit.into()),
            ..MeteredQuantity::default()
        };
        self.defaults.complete_metered_quantity(&mut row);
        Ok(Some(Record { time: EventTime::Logged(time_us), key, usage: Usage::MeteredQuantity(Box::new(row)) }))
    }

    fn finish(&self, sink: &mut dyn Sink) {
        if self.any {
            sink.warn(
                "these metrics count the same executions as the requests of Application Insights: ingest one of them for an app, or they are billed twice; on a Premium or Dedicated plan they are not billed at all".into(),
            );
        }
        if !self.others.is_empty() {
            let names: Vec<_> = self.others.iter().map(String::as_str).collect();
            sink.warn(format!("metrics that are no usage we know were passed over: {}", names.join(", ")));
        }
        if self.rounded {
            sink.warn(measured::ROUNDED.into());
        }
    }
}

/// The points of one metric of `az monitor metrics list`.
fn series(metric: &Object, around: &Point) -> Result<Vec<Point>, String> {
    let id = metric.text("id").unwrap_or_default();
    let end = id.to_lowercase().find("/providers/microsoft.insights/metrics/");
    let resource_id = end.and_then(|end| id.get(..end)).map(str::to_owned);
    let name = metric.object("name").and_then(|name| name.text("value")).or_else(|| metric.text("name"));
    let metric_name = name.ok_or("a metric has no `name.value`")?;
    let mut points = Vec::new();
    for one in metric.objects("timeseries")? {
        let mut dimensions = Vec::new();
        for dimension in one.objects("metadatavalues")? {
            let name = dimension.object("name").and_then(|name| name.text("value")).unwrap_or_default();
            dimensions.push(format!("{}={}", name.to_lowercase(), dimension.text("value").unwrap_or_default()));
        }
        dimensions.sort();
        for point in one.objects("data")? {
            points.push(Point {
                resource_id: resource_id.clone(),
                metric: metric_name.clone(),
                dimensions: dimensions.clone(),
                time: point.text("timeStamp"),
                total: point.text("total"),
                ..around.clone()
            });
        }
    }
    Ok(points)
}

/// The interval of `az` as records write it: `0:01:00` is `PT1M`.
fn iso_interval(text: &str) -> String {
    match text {
        "0:01:00" | "00:01:00" => "PT1M",
        "0:05:00" | "00:05:00" => "PT5M",
        "0:15:00" | "00:15:00" => "PT15M",
        "0:30:00" | "00:30:00" => "PT30M",
        "1:00:00" | "01:00:00" => "PT1H",
        "1 day, 0:00:00" => "P1D",
        other => other,
    }
    .to_owned()
}

/// The app in a resource id in lower case, with its slot.
fn app(resource_id: &str) -> Option<String> {
    let (_, sites) = resource_id.split_once("/providers/microsoft.web/sites/")?;
    Some(sites.trim_end_matches('/').to_owned()).filter(|name| !name.is_empty())
}
