//! Metrics: a row of `metered` for each point, with what was measured between two points.
//!
//! Points of delta temporality are that already. Cumulative points are differenced by series (resource, scope, name,
//! attributes) and start: a new start, or a value that falls, is a reset. A row's time is the beginning of its interval.
//! Histograms and summaries are two meters, `NAME.count` and `NAME.sum`. Gauges, and sums that may fall, are levels: a
//! row for each point, as measured.
//!
//! **Several files.** Inside a file (or files put together, in any order) cumulative sums are exact. A file alone cannot
//! know the point before its first one, so the first counts as what there was since the start of the series, under a key
//! without the point's time: of several files that one lands once, that of the file ingested first. So when files are
//! ingested from the earliest on, nothing counts twice; missing is only what lies between the last point of a file and
//! the first of the next, and nothing if each file begins with the last export of the one before. Ingesting a later file
//! first makes its beginning and the earlier file overlap. A warning says so wherever a series counts from its start.

use std::collections::{BTreeMap, BTreeSet};

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::json_fields::Object;
use crate::format::line::Place;
use crate::format::otlp::{Attributes, architecture, elements, memory_mb, nanos, provider, reject};
use crate::format::{Sink, measured};
use crate::record::{EventTime, MeteredQuantity, Record, RecordKey, Usage};

/// Cumulative points that are kept until the end of the file.
const POINTS_MAX: usize = 1_000_000;
/// Series of such points.
const SERIES_MAX: usize = 100_000;
/// Metrics named in a warning.
const NAMES_MAX: usize = 5;
const NANOS_PER_MICRO: i64 = 1_000;
/// The flag of a point that says that there is no value.
const NO_RECORDED_VALUE: &str = "1";

/// How the points of a metric count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counting {
    Delta,
    Cumulative,
    Level,
}

/// One series of cumulative points.
struct Series {
    row: MeteredQuantity,
    points: Vec<CumulativePoint>,
}

/// Sorts by its start and time, in nanoseconds; no start is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CumulativePoint {
    start: i64,
    time: i64,
    value: i128,
    line: Option<u64>,
    offset: u64,
}

/// A metric with what is around it.
struct Metric<'o> {
    resource: &'o Attributes,
    /// Resource, scope and name as a key.
    key: String,
    name: String,
    unit: Option<String>,
    counting: Counting,
}

/// Reads metrics and remembers what to warn of.
pub(super) struct Metrics<'a> {
    defaults: &'a Defaults,
    series: BTreeMap<[u8; 16], Series>,
    points: usize,
    levels: BTreeSet<String>,
    rounded: bool,
}

impl<'a> Metrics<'a> {
    pub(super) fn new(defaults: &'a Defaults) -> Self {
        Metrics { defaults, series: BTreeMap::new(), points: 0, levels: BTreeSet::new(), rounded: false }
    }

    /// Reads the metrics of a request; the inner error is what is wrong with the request as a whole.
    pub(super) fn request(
        &mut self,
        request: &Object,
        place: Place,
        sink: &mut dyn Sink,
    ) -> Result<Result<(), String>, IngestError> {
        let around = match request.objects("resourceMetrics") {
            Ok(around) => around,
            Err(problem) => return Ok(Err(problem)),
        };
        for around in around {
            if let Err(problem) = self.resource(&around, place, sink)? {
                return Ok(Err(problem));
            }
        }
        Ok(Ok(()))
    }

    fn resource(
        &mut self,
        around: &Object,
        place: Place,
        sink: &mut dyn Sink,
    ) -> Result<Result<(), String>, IngestError> {
        let read = || -> Result<_, String> {
            let resource = Attributes::of(&around.object("resource").unwrap_or_default())?;
            let mut found = Vec::new();
            for scope in around.objects("scopeMetrics")? {
                let own = scope.object("scope").unwrap_or_default();
                let attributes = Attributes::of(&own)?.key();
                let (name, version) = (own.text("name"), own.text("version"));
                let parts = [Some(resource.key()), name, version, Some(attributes)];
                let parts: Vec<_> = parts.iter().map(Option::as_deref).collect();
                let key = hex::encode(RecordKey::of(&parts).0);
                found.extend(elements(&scope, "metrics")?.into_iter().map(|metric| (key.clone(), metric)));
            }
            Ok((resource, found))
        };
        let (resource, found) = match read() {
            Ok(found) => found,
            Err(problem) => return Ok(Err(problem)),
        };
        for (scope, json) in found {
            let read = Object::parse(json.get().as_bytes()).and_then(|object| metric(&resource, &scope, &object));
            match read {
                Ok(None) => {}
                Ok(Some((metric, points))) => {
                    for point in points {
                        match self.point(&metric, point.get(), place) {
                            Ok(records) => records.into_iter().try_for_each(|record| sink.record(record))?,
                            Err(problem) => reject(sink, place, problem, point.get())?,
                        }
                    }
                }
                Err(problem) => reject(sink, place, problem, json.get())?,
            }
        }
        Ok(Ok(()))
    }

    /// The records of a point that counts by itself; a cumulative one is kept.
    fn point(&mut self, metric: &Metric<'_>, json: &str, place: Place) -> Result<Vec<Record>, String> {
        let point =
            Object::parse(json.as_bytes()).map_err(|problem| format!("a point of `{}` is {problem}", metric.name))?;
        if point.text("flags").as_deref() == Some(NO_RECORDED_VALUE) {
            return Ok(Vec::new());
        }
        let wrong = |problem: String| format!("a point of `{}`: {problem}", metric.name);
        let attributes = Attributes::of(&point).map_err(wrong)?;
        let time =
            nanos(&point, "timeUnixNano").map_err(wrong)?.ok_or_else(|| wrong("there is no `timeUnixNano`".into()))?;
        let start = nanos(&point, "startTimeUnixNano").map_err(wrong)?.unwrap_or(0);
        if start > time {
            return Err(wrong("`startTimeUnixNano` is after `timeUnixNano`".into()));
        }
        let memory_mb = memory_mb(metric.resource, &attributes).map_err(wrong)?;
        let values = values(metric, &point).map_err(wrong)?;
        let full = self.points >= POINTS_MAX || self.series.len() >= SERIES_MAX;
        if metric.counting == Counting::Cumulative && full {
            return Err(wrong(format!(
                "the file has more than {POINTS_MAX} cumulative points or {SERIES_MAX} series: split it, so that each part begins with the last export of the one before"
            )));
        }
        let mut records = Vec::new();
        for (part, unit, (value, rounded)) in values {
            self.rounded |= rounded;
            let series = RecordKey::of(&[Some("otlp"), Some(&metric.key), Some(&attributes.key()), part]);
            let row = || self.row(metric, &attributes, memory_mb, part, unit);
            match metric.counting {
                Counting::Cumulative => {
                    let row = row();
                    let series = self.series.entry(series.0).or_insert_with(|| Series { row, points: Vec::new() });
                    let (line, offset) = (place.line, place.offset);
                    series.points.push(CumulativePoint { start, time, value, line, offset });
                    self.points += 1;
                }
                counting => {
                    let begins = if counting == Counting::Delta && start > 0 { start } else { time };
                    records.push(record(row(), value, begins, point_key(series.0, start, Some(time))));
                }
            }
        }
        if metric.counting == Counting::Level {
            self.levels.insert(metric.name.clone());
            if self.levels.len() > NAMES_MAX {
                self.levels.pop_last();
            }
        }
        Ok(records)
    }

    fn row(
        &self,
        metric: &Metric<'_>,
        attributes: &Attributes,
        memory_mb: Option<i64>,
        part: Option<&str>,
        unit: Option<&str>,
    ) -> MeteredQuantity {
        let resource = metric.resource;
        let mut row = MeteredQuantity {
            provider: provider(resource),
            service: resource.text(&["service.name", "faas.name"]).unwrap_or_else(|| "unknown_service".into()),
            account: resource.text(&["cloud.account.id"]),
            region: resource.text(&["cloud.region"]),
            resource: attributes.text(&["faas.name"]).or_else(|| resource.text(&["faas.name"])),
            meter: Some(part.map_or_else(|| metric.name.clone(), |part| format!("{}.{part}", metric.name))),
            unit: unit.map(str::to_owned),
            memory_mb,
            architecture: architecture(resource),
            ..MeteredQuantity::default()
        };
        self.defaults.complete_metered_quantity(&mut row);
        row
    }

    /// Hands over what lies between the cumulative points, and says what the user should know.
    pub(super) fn finish(self, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let (mut since_start, mut without_start, mut resets) = (0_u64, 0_u64, 0_u64);
        for (key, mut series) in self.series {
            series.points.sort_unstable();
            let mut before: Option<CumulativePoint> = None;
            for point in series.points {
                let place = Place { line: point.line, offset: point.offset };
                match before.filter(|before| before.start == point.start) {
                    Some(before) if before.time == point.time => {
                        if before.value != point.value {
                            let meter = series.row.meter.as_deref().unwrap_or_default();
                            let problem =
                                format!("a point of `{meter}`: the series has another value for the same time");
                            reject(sink, place, problem, "")?;
                        }
                        continue;
                    }
                    Some(before) => {
                        let fell = point.value < before.value;
                        resets += u64::from(fell);
                        let value = if fell { point.value } else { point.value - before.value };
                        if value > 0 {
                            let key = point_key(key, point.start, Some(point.time));
                            sink.record(record(series.row.clone(), value, before.time, key))?;
                        }
                    }
                    // The value of a start that is not known says nothing of the time before the point.
                    None if point.start == 0 || point.start == point.time => without_start += 1,
                    None => {
                        since_start += u64::from(before.is_none());
                        if point.value > 0 {
                            let key = point_key(key, point.start, None);
                            sink.record(record(series.row.clone(), point.value, point.start, key))?;
                        }
                    }
                }
                before = Some(point);
            }
        }
        if since_start > 0 {
            sink.warn(format!(
                "{since_start} cumulative series count from their start up to their first point: ingest files from the earliest on, each beginning with the last export of the one before, or put them into one file; what lies between the last point of a file and the first of the next is missing otherwise"
            ));
        }
        if without_start > 0 {
            sink.warn(format!(
                "{without_start} cumulative series do not say when they began: their first point is only what the next ones are measured from"
            ));
        }
        if resets > 0 {
            sink.warn(format!("{resets} cumulative values fell without a new start: they were counted from zero"));
        }
        if !self.levels.is_empty() {
            sink.warn(format!(
                "gauges, and sums that may fall, are levels: each point is a row as measured, and their sum means nothing ({})",
                self.levels.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            ));
        }
        if self.rounded {
            sink.warn(measured::ROUNDED.into());
        }
        Ok(())
    }
}

/// Points as they stand.
type Points = Vec<Box<serde_json::value::RawValue>>;

/// The metric in an object and its points; `None` where it has none.
fn metric<'o>(resource: &'o Attributes, scope: &str, object: &Object) -> Result<Option<(Metric<'o>, Points)>, String> {
    let name = object.text("name").ok_or("a metric has no `name`")?;
    const KINDS: [&str; 5] = ["sum", "gauge", "histogram", "exponentialHistogram", "summary"];
    let Some(kind) = KINDS.iter().find(|kind| object.has(kind)) else { return Ok(None) };
    let data = object.object(kind).ok_or_else(|| format!("`{kind}` of `{name}` is no object"))?;
    let temporality = data.text("aggregationTemporality");
    let temporality = match temporality.as_deref() {
        Some("1" | "AGGREGATION_TEMPORALITY_DELTA") => Some(Counting::Delta),
        Some("2" | "AGGREGATION_TEMPORALITY_CUMULATIVE") => Some(Counting::Cumulative),
        _ => None,
    };
    let counting = match *kind {
        "gauge" => Counting::Level,
        // What a client library counts from its start on.
        "summary" => Counting::Cumulative,
        "sum" if data.text("isMonotonic").as_deref() != Some("true") => Counting::Level,
        _ => temporality.ok_or_else(|| {
            format!("`aggregationTemporality` of `{name}` is none: expected 1 (delta) or 2 (cumulative)")
        })?,
    };
    let points = elements(&data, "dataPoints")?;
    let unit = object.text("unit").and_then(|unit| book_unit(&unit));
    let key = hex::encode(RecordKey::of(&[Some(scope), Some(&name)]).0);
    Ok(Some((Metric { resource, key, name, unit, counting }, points)))
}

/// Part, unit and value, which may have been rounded.
type Value<'m> = (Option<&'static str>, Option<&'m str>, (i128, bool));

/// The values of a point: one, or count and sum.
fn values<'m>(metric: &'m Metric<'_>, point: &Object) -> Result<Vec<Value<'m>>, String> {
    let value = |name: &str| -> Result<Option<(i128, bool)>, String> {
        let Some(text) = point.text(name) else { return Ok(None) };
        measured::quantity(&text).map(Some).map_err(|problem| format!("`{name}` {problem}"))
    };
    let unit = metric.unit.as_deref();
    for name in ["asInt", "asDouble"] {
        if let Some(value) = value(name)? {
            return Ok(vec![(None, unit, value)]);
        }
    }
    let count = value("count")?.ok_or("there is none of `asInt`, `asDouble` and `count`")?;
    let sum = value("sum")?.map(|sum| (Some("sum"), unit, sum));
    Ok([(Some("count"), None, count)].into_iter().chain(sum).collect())
}

/// A unit of UCUM as price books write it; nothing for a plain number.
fn book_unit(unit: &str) -> Option<String> {
    let known = match unit {
        "1" => return None,
        "d" => "day",
        "By" => "B",
        "kBy" => "KB",
        "MBy" => "MB",
        "GBy" => "GB",
        "TBy" => "TB",
        "KiBy" => "KiB",
        "MiBy" => "MiB",
        "GiBy" => "GiB",
        "TiBy" => "TiB",
        other => other.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(other),
    };
    Some(known.to_owned())
}

/// The key of what a point adds; without a time, of what a series had since its start.
fn point_key(series: [u8; 16], start: i64, time: Option<i64>) -> RecordKey {
    let (start, time) = (start.to_string(), time.map(|time| time.to_string()));
    RecordKey::of(&[Some("otlp-point"), Some(&hex::encode(series)), Some(&start), time.as_deref()])
}

fn record(mut row: MeteredQuantity, quantity: i128, begins: i64, key: RecordKey) -> Record {
    row.quantity = Some(quantity);
    let time = EventTime::Logged(begins.div_euclid(NANOS_PER_MICRO));
    Record { time, key, usage: Usage::MeteredQuantity(Box::new(row)) }
}
