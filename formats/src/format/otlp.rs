//! OpenTelemetry in JSON (OTLP): metrics become metered quantities, spans of functions become invocations.
//!
//! The module `metrics` says how cumulative points are counted, and what holds when they come in several files. Logs and
//! profiles are recognised and are no usage.

use std::io::BufRead;

use serde_json::value::RawValue;

use crate::error::IngestError;
use crate::format::json_elements::{is_json, json_in};
use crate::format::json_fields::{Object, Scalar};
use crate::format::json_objects::{Found, each};
use crate::format::line::Place;
use crate::format::{Format, Origin, Recognition, Sink, decimal};
use crate::record::RecordKey;

mod metrics;
mod spans;

/// What a request of OTLP may hold, with words for it.
const SIGNALS: [(&str, &str); 4] = [
    ("resourceMetrics", "metrics"),
    ("resourceSpans", "spans"),
    ("resourceLogs", "log records"),
    ("resourceProfiles", "profiles"),
];

/// `otlp-json`.
pub struct OtlpJson;

impl Format for OtlpJson {
    fn name(&self) -> &'static str {
        "otlp-json"
    }

    fn description(&self) -> &'static str {
        "OpenTelemetry as JSON (OTLP): metrics, and spans of functions (faas.*); bodies of requests, the Collector's \
         file exporter"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let mut json = json_in(head)?;
        let mut found = None;
        each(&mut json, &mut |_, element, _| {
            let is_array = |json: &[u8]| json.first() == Some(&b'[');
            let signal = match element {
                Found::Object(fields) => SIGNALS.iter().find(|(field, _)| fields.raw(field).is_some_and(is_array)),
                // A request that is larger than the head.
                Found::Broken(_, beginning) => SIGNALS.iter().find(|(field, _)| begins_with(beginning, field)),
            };
            found = found.or(signal);
            Ok(true)
        })
        .ok()?;
        let (field, signal) = found?;
        Some(Recognition { because: format!("it has OpenTelemetry {signal} ({field})") })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut metrics = metrics::Metrics::new(origin.defaults);
        let mut spans = spans::Spans::new(origin.defaults);
        let mut others = [false; SIGNALS.len()];
        let (_, mut input) = is_json(input)?;
        each(&mut input, &mut |place, found, after_broken| {
            let (object, json) = match found {
                Found::Broken(problem, beginning) => (Err(problem), beginning.to_vec()),
                Found::Object(fields) => (Object::parse(&fields.object()), fields.object()),
            };
            let known = |object: &Object| SIGNALS.iter().any(|(field, _)| object.has(field));
            let object = object.and_then(|object| {
                let what = "not a request of OTLP: expected `resourceMetrics` or `resourceSpans`";
                if known(&object) || object.is_empty() { Ok(object) } else { Err(what.to_owned()) }
            });
            let outcome = match &object {
                Ok(object) => {
                    for (index, (field, _)) in SIGNALS.iter().enumerate().skip(2) {
                        others[index] |= object.has(field);
                    }
                    let mut outcome = metrics.request(object, place, sink)?;
                    if outcome.is_ok() {
                        outcome = spans.request(object, place, sink)?;
                    }
                    outcome
                }
                Err(problem) => Err(problem.clone()),
            };
            match outcome {
                Ok(()) => Ok(true),
                Err(_) if after_broken => Ok(false),
                Err(problem) => {
                    sink.reject(place.rejected(problem, &json))?;
                    Ok(true)
                }
            }
        })?;
        metrics.finish(sink)?;
        spans.finish(sink);
        for (index, (_, signal)) in SIGNALS.iter().enumerate() {
            if others[index] {
                sink.warn(format!("{signal} of OpenTelemetry are no usage: they were passed over"));
            }
        }
        Ok(())
    }
}

/// Whether the text of an object begins with a field of this name that is an array.
fn begins_with(json: &[u8], field: &str) -> bool {
    let begins = json.strip_prefix(format!("{{\"{field}\":").as_bytes());
    begins.is_some_and(|value| value.trim_ascii_start().first() == Some(&b'['))
}

/// Attributes of a resource, scope, point or span, sorted by name.
#[derive(Clone, Debug, Default)]
struct Attributes(Vec<(String, String)>);

impl Attributes {
    fn of(object: &Object) -> Result<Self, String> {
        let mut attributes = Vec::new();
        for attribute in object.objects("attributes")? {
            let Some(key) = attribute.text("key") else { continue };
            // An `AnyValue` has one field, named by its type.
            let value = attribute.object("value").unwrap_or_default();
            let text = value.fields().next().map(|(_, json)| Scalar::of(json).unwrap_or_else(|| json.to_owned()));
            attributes.push((key, text.unwrap_or_default()));
        }
        attributes.sort();
        Ok(Attributes(attributes))
    }

    /// The first of several names that has a value.
    fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
            (!value.is_empty()).then_some(value.as_str())
        })
    }

    fn text(&self, names: &[&str]) -> Option<String> {
        self.get(names).map(str::to_owned)
    }

    /// Names and values as one key.
    fn key(&self) -> String {
        let parts: Vec<_> = self.0.iter().flat_map(|(key, value)| [Some(key.as_str()), Some(value.as_str())]).collect();
        hex::encode(RecordKey::of(&parts).0)
    }
}

/// The provider in the words of price books; OpenTelemetry measures anywhere, so that there may be none.
fn provider(resource: &Attributes) -> String {
    match resource.get(&["cloud.provider"]) {
        Some("ibm_cloud") => "ibm".into(),
        Some("oracle_cloud") => "oracle".into(),
        Some("huawei_cloud") => "huawei".into(),
        Some(other) => other.to_owned(),
        None => "opentelemetry".into(),
    }
}

/// Names that stand for the processor in price books.
fn architecture(resource: &Attributes) -> Option<String> {
    match resource.get(&["host.arch"]) {
        Some("amd64") => Some("x86_64".into()),
        Some("arm64") => Some("arm64".into()),
        _ => None,
    }
}

/// Configured memory: the attribute is in bytes.
fn memory_mb(resource: &Attributes, own: &Attributes) -> Result<Option<i64>, String> {
    const NAME: &str = "faas.max_memory";
    const MIB: i64 = 1 << 20;
    let Some(text) = own.get(&[NAME]).or_else(|| resource.get(&[NAME])) else { return Ok(None) };
    let bytes = decimal::exact(text, 0).map_err(|problem| format!("`{NAME}` {problem}"))?;
    if bytes == 0 || bytes % MIB != 0 {
        return Err(format!("`{NAME}` is `{text}`, expected bytes, a multiple of 1048576"));
    }
    Ok(Some(bytes / MIB))
}

/// A time in nanoseconds since 1970; nothing where it is absent or 0, which means unknown.
fn nanos(object: &Object, name: &str) -> Result<Option<i64>, String> {
    let Some(text) = object.text(name) else { return Ok(None) };
    let nanos = decimal::exact(&text, 0).map_err(|problem| format!("`{name}` {problem}"))?;
    Ok(Some(nanos).filter(|nanos| *nanos > 0))
}

/// The elements of an array as they stand, so that a bad one costs itself alone.
fn elements(object: &Object, name: &str) -> Result<Vec<Box<RawValue>>, String> {
    let Some(raw) = object.raw(name).filter(|raw| *raw != "null") else { return Ok(Vec::new()) };
    serde_json::from_str(raw).map_err(|_| format!("`{name}` is no array"))
}

/// Hands a bad element over as a rejected row, with the place of its request.
fn reject(sink: &mut dyn Sink, place: Place, problem: String, json: &str) -> Result<(), IngestError> {
    sink.reject(place.rejected(problem, json.as_bytes()))
}
