//! The embedded metric format of CloudWatch: log events that say which of their fields are metrics.
//!
//! Each metric of an event is one row of `metered`: the sum of its values, whatever the number of dimension sets, which
//! are views of the same fact. The meter is the name of the metric and the service is the namespace in the words of
//! price books (`ServerlessAirline` becomes `serverless-airline`); the resource is the function, service or log group
//! that the dimensions name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{IngestError, excerpt};
use crate::format::json_objects::{Found, each};
use crate::format::line::Place;
use crate::format::{Format, Origin, Recognition, Sink, aws_lambda_json, aws_lambda_text, decimal, timestamp};
use crate::record::{EventTime, MeteredQuantity, Record, RecordKey, Usage};

/// Dimensions that name a resource, without case and underscores, the best ones first.
const RESOURCES: [&str; 5] = ["functionname", "service", "servicename", "resource", "loggroup"];

/// `aws-emf`.
pub struct AwsEmf;

impl Format for AwsEmf {
    fn name(&self) -> &'static str {
        "aws-emf"
    }

    fn description(&self) -> &'static str {
        "CloudWatch embedded metric format (_aws.CloudWatchMetrics) as JSON; named with `--format`, also out of the \
         messages of CloudWatch log events"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if !matches!(head.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return None;
        }
        let mut found = false;
        let mut input = head;
        each(&mut input, &mut |_, object, _| {
            if let Found::Object(fields) = object {
                found |= fields.raw("_aws").is_some_and(|aws| serde_json::from_slice::<Metadata<'_>>(aws).is_ok());
            }
            Ok(true)
        })
        .ok()?;
        let lambda =
            found && (aws_lambda_json::recognise(head).is_some() || aws_lambda_text::recognise(head).is_some());
        (found && !lambda)
            .then(|| Recognition { because: "it has embedded metrics of CloudWatch (_aws.CloudWatchMetrics)".into() })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        each(input, &mut |place, found, after_broken| {
            let (problem, beginning) = match found {
                Found::Broken(problem, beginning) => (problem, beginning.to_vec()),
                Found::Object(fields) => {
                    let json = fields.object();
                    if fields.raw("_aws").is_some() {
                        metrics(&json, &Event { place, ..Event::default() }, origin, sink)?;
                        return Ok(true);
                    }
                    // Other lines of a log are no metrics.
                    return match serde_json::from_slice::<Carrier>(&json) {
                        Ok(carrier) => Ok(carrier.events(place, origin, sink)? || !after_broken),
                        Err(_) => Ok(!after_broken),
                    };
                }
            };
            if !after_broken || memchr::memmem::find(&beginning, b"\"CloudWatchMetrics\"").is_some() {
                sink.reject(place.rejected(problem, &beginning))?;
            }
            Ok(true)
        })
    }
}

/// What an envelope says of an event.
#[derive(Clone, Copy, Debug, Default)]
struct Event<'a> {
    id: Option<&'a str>,
    time: Option<i64>,
    account: Option<&'a str>,
    group: Option<&'a str>,
    place: Place,
}

/// Log events of CloudWatch, whole pages of them or one by itself.
#[derive(Debug, Deserialize)]
struct Carrier {
    #[serde(default, alias = "logEvents")]
    events: Vec<LogEvent>,
    owner: Option<String>,
    #[serde(rename = "logGroup", alias = "logGroupName")]
    log_group: Option<String>,
    #[serde(flatten)]
    event: LogEvent,
}

#[derive(Debug, Default, Deserialize)]
struct LogEvent {
    message: Option<String>,
    #[serde(alias = "eventId")]
    id: Option<String>,
    timestamp: Option<i64>,
}

impl Carrier {
    /// Reads the events whose messages are metrics; whether there was any.
    fn events(&self, place: Place, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<bool, IngestError> {
        let mut found = false;
        for event in self.events.iter().chain([&self.event]) {
            let Some(message) = event.message.as_deref().map(str::trim) else { continue };
            if !message.starts_with('{') || !message.contains("\"CloudWatchMetrics\"") {
                continue;
            }
            found = true;
            let around = Event {
                id: event.id.as_deref().filter(|id| !id.is_empty()),
                time: event.timestamp.and_then(timestamp::epoch_ms),
                account: self.owner.as_deref(),
                group: self.log_group.as_deref(),
                place,
            };
            metrics(message.as_bytes(), &around, origin, sink)?;
        }
        Ok(found)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    cloud_watch_metrics: Vec<Directive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: String,
    #[serde(default)]
    dimensions: Vec<DimensionSet>,
    metrics: Vec<Metric>,
}

/// Some writers leave out the inner brackets.
#[derive(Deserialize)]
#[serde(untagged)]
enum DimensionSet {
    Names(Vec<String>),
    Name(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: String,
    unit: Option<String>,
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Reads the metrics of one event.
fn metrics(json: &[u8], event: &Event<'_>, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
    let reject = |reason: String| event.place.rejected(reason, json);
    let parsed = std::str::from_utf8(json).map_err(|error| error.to_string());
    let parsed = parsed.and_then(|text| serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}")));
    let members: Members<'_> = match parsed {
        Ok(members) => members,
        Err(reason) => return sink.reject(reject(reason)),
    };
    let metadata = members.get("_aws").ok_or("not an event with metrics: expected `_aws`".to_owned());
    let metadata = metadata
        .and_then(|aws| serde_json::from_str::<Metadata<'_>>(aws.get()).map_err(|error| format!("`_aws`: {error}")));
    let time = metadata.and_then(|metadata| Ok((time(&metadata, event)?, metadata)));
    let (time, metadata) = match time {
        Ok(both) => both,
        Err(reason) => return sink.reject(reject(reason)),
    };
    let content = content(json);
    let mut counted = BTreeSet::new();
    for directive in &metadata.cloud_watch_metrics {
        for metric in &directive.metrics {
            // Another directive for the same metric only adds dimensions.
            if !counted.insert((&directive.namespace, &metric.name)) {
                continue;
            }
            let value = members.get(&metric.name).ok_or("is not in the event".to_owned());
            let quantity = match value.and_then(|value| quantity(value)) {
                Ok(quantity) => quantity,
                Err(problem) => {
                    sink.reject(reject(format!("metric `{}` {problem}", excerpt(metric.name.as_bytes()))))?;
                    continue;
                }
            };
            let mut row = MeteredQuantity {
                provider: "aws".into(),
                service: words(&directive.namespace),
                account: event.account.map(str::to_owned),
                resource: resource(directive, &members).or_else(|| event.group.map(function_or_group)),
                meter: Some(metric.name.clone()),
                quantity: Some(quantity),
                unit: metric.unit.as_deref().and_then(unit),
                ..MeteredQuantity::default()
            };
            origin.defaults.complete_metered_quantity(&mut row);
            // The id that CloudWatch gave the event tells equal ones apart; without it, they are one.
            let id = event.id.unwrap_or(&content);
            let key = RecordKey::of(&[Some("aws-emf"), Some(id), Some(&directive.namespace), Some(&metric.name)]);
            sink.record(Record { time, key, usage: Usage::MeteredQuantity(Box::new(row)) })?;
        }
    }
    Ok(())
}

fn time(metadata: &Metadata<'_>, event: &Event<'_>) -> Result<EventTime, String> {
    let Some(text) = metadata.timestamp.map(RawValue::get) else {
        return Ok(event.time.map_or(EventTime::Assumed, EventTime::Logged));
    };
    let time = text.parse().ok().and_then(timestamp::epoch_ms).map(EventTime::Logged);
    time.ok_or_else(|| format!("`_aws.Timestamp` is `{}`, expected milliseconds since 1970", excerpt(text.as_bytes())))
}

/// What is in an event, however it is laid out.
fn content(json: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    hex::encode(RecordKey::of(&[Some(&value.to_string())]).0)
}

/// The sum of the values of a metric: a number, an array of numbers, or values and how often each occurred.
fn quantity(value: &RawValue) -> Result<i128, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Counted<'a> {
        #[serde(borrow)]
        values: Vec<&'a RawValue>,
        #[serde(borrow)]
        counts: Vec<&'a RawValue>,
    }
    let exact = |number: &RawValue, scale: u8| decimal::exact_wide(number.get(), i32::from(scale));
    let text = value.get();
    let mut sum: i128 = 0;
    let mut add = |number: i128| {
        sum = sum.checked_add(number).ok_or("has values whose sum is too large")?;
        Ok::<(), String>(())
    };
    match text.as_bytes().first() {
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| error.to_string())?;
            for value in values {
                add(exact(value, MeteredQuantity::SCALE)?)?;
            }
        }
        Some(b'{') => {
            let counted: Counted<'_> = serde_json::from_str(text)
                .map_err(|error| format!("is an object, expected `Values` and `Counts`: {error}"))?;
            if counted.values.len() != counted.counts.len() {
                return Err(format!("has {} values and {} counts", counted.values.len(), counted.counts.len()));
            }
            for (value, count) in counted.values.iter().zip(&counted.counts) {
                let product = exact(value, MeteredQuantity::SCALE)?.checked_mul(exact(count, 0)?);
                add(product.ok_or("has values whose sum is too large")?)?;
            }
        }
        _ => add(exact(value, MeteredQuantity::SCALE)?)?,
    }
    Ok(sum)
}

/// The resource that the dimensions name.
fn resource(directive: &Directive, members: &Members<'_>) -> Option<String> {
    let names: Vec<&String> = directive
        .dimensions
        .iter()
        .flat_map(|set| match set {
            DimensionSet::Names(names) => names.as_slice(),
            DimensionSet::Name(name) => std::slice::from_ref(name),
        })
        .collect();
    RESOURCES.iter().find_map(|wanted| {
        let name = names.iter().find(|name| name.replace('_', "").eq_ignore_ascii_case(wanted))?;
        let value: String = serde_json::from_str(members.get(name.as_str())?.get()).ok()?;
        Some(value).filter(|value| !value.is_empty())
    })
}

fn function_or_group(group: &str) -> String {
    group.strip_prefix("/aws/lambda/").unwrap_or(group).to_owned()
}

/// A namespace as price books write the names of services: `AWS/ApiGateway` is `aws-api-gateway`.
fn words(namespace: &str) -> String {
    let mut out = String::new();
    let characters: Vec<char> = namespace.chars().collect();
    for (at, character) in characters.iter().enumerate() {
        if !character.is_alphanumeric() {
            if !out.is_empty() && !out.ends_with('-') {
                out.push('-');
            }
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| characters.get(at));
        let after_small = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
        let begins_word = before.is_some_and(|before| before.is_uppercase())
            && characters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if character.is_uppercase() && (after_small || begins_word) && !out.ends_with('-') {
            out.push('-');
        }
        out.extend(character.to_lowercase());
    }
    out.truncate(out.trim_end_matches('-').len());
    out
}

/// A unit of CloudWatch as price books write it; counts are in the unit that a price book expects.
fn unit(cloudwatch: &str) -> Option<String> {
    let ours = match cloudwatch {
        "Count" | "None" | "" => return None,
        "Seconds" => "s",
        "Milliseconds" => "ms",
        "Microseconds" => "us",
        "Bytes" => "B",
        "Kilobytes" => "KB",
        "Megabytes" => "MB",
        "Gigabytes" => "GB",
        "Terabytes" => "TB",
        other => other,
    };
    Some(ours.to_owned())
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn namespaces_become_names_of_services() {
        for (namespace, expected) in [
            ("ServerlessAirline", "serverless-airline"),
            ("AWS/ApiGateway", "aws-api-gateway"),
            ("AWSLambda", "aws-lambda"),
            ("my_app Metrics/v2", "my-app-metrics-v2"),
            ("S3Reads", "s3-reads"),
            ("/x/", "x"),
            ("", ""),
        ] {
            assert_eq!(words(namespace), expected, "{namespace}");
        }
    }
}
