//! Events that functions receive and that people keep as files: API Gateway, DynamoDB streams, Kinesis, SQS, SNS.
//!
//! The event of an API is a request, which the access log has, too: both have one key. A record of a stream or a queue
//! says that something was written, neither by which request nor how it is billed, and a file holds what one function was
//! once shown: nothing is counted, and a warning says so.

use std::io::BufRead;

use base64::Engine;
use serde_json::Value;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::aws_api_gateway;
use crate::format::json_records::{Found, each};
use crate::format::json_value::{integer, text};
use crate::format::{Format, Origin, Recognition, Sink, aws_s3_event, timestamp};
use crate::record::{EventTime, Record, Usage};

/// `aws-event-payload`.
pub struct AwsEventPayload;

const RECORDS: [&str; 1] = ["Records"];

impl Format for AwsEventPayload {
    fn name(&self) -> &'static str {
        "aws-event-payload"
    }

    fn description(&self) -> &'static str {
        "Events as AWS Lambda functions get them: API Gateway proxy requests (counted), records of DynamoDB streams, Kinesis, \
         SQS and SNS (not counted)"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if !matches!(head.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return None;
        }
        // The first event decides; what is inside may belong to another format.
        let mut first = None;
        let mut foreign = false;
        let mut input = head;
        each(&mut input, &RECORDS, &mut |_, found, _| {
            if let Found::Object(fields, _) = found
                && let Ok(value) = serde_json::from_slice::<Value>(&fields.object())
            {
                foreign |= first.is_none() && Payload::of(&value).is_none();
                foreign |= holds_logs(&value);
                first = first.or_else(|| Payload::of(&value));
                foreign |= matches!(first, Some(Payload::Records(_))) && aws_s3_event::is_notification(value);
            }
            Ok(true)
        })
        .ok()?;
        let because = match first.filter(|_| !foreign)? {
            Payload::Api => "it has events of API Gateway as a function gets them (requestContext)".to_owned(),
            Payload::Records(of) => format!("it has records of {of} as a function gets them"),
        };
        Some(Recognition { because })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut not_counted: Vec<&'static str> = Vec::new();
        let mut count = 0_u64;
        let mut calls = 0_u64;
        each(input, &RECORDS, &mut |place, found, after_broken| {
            let (problem, beginning) = match found {
                Found::Broken(problem, beginning) => (problem, beginning.to_vec()),
                Found::Object(fields, _) => {
                    let object = fields.object();
                    let value: Value = serde_json::from_slice(&object).unwrap_or_default();
                    match Payload::of(&value) {
                        Some(Payload::Api) => match api_request(&value, origin.defaults) {
                            Ok(Some(record)) => {
                                sink.record(record)?;
                                return Ok(true);
                            }
                            Ok(None) => {
                                calls += 1;
                                return Ok(true);
                            }
                            Err(problem) => (problem, object),
                        },
                        Some(Payload::Records(of)) => {
                            count += 1;
                            if !not_counted.contains(&of) {
                                not_counted.push(of);
                            }
                            return Ok(true);
                        }
                        None if after_broken => return Ok(false),
                        None => {
                            ("not an event of AWS Lambda: expected `requestContext` or `eventSource`".into(), object)
                        }
                    }
                }
            };
            if !after_broken || memchr::memmem::find(&beginning, b"\"requestContext\"").is_some() {
                sink.reject(place.rejected(problem, &beginning))?;
            }
            Ok(true)
        })?;
        if count > 0 {
            sink.warn(format!(
                "{count} records of {} are no usage: they say that something was written, not how it is billed, and were not counted",
                not_counted.join(", ")
            ));
        }
        if calls > 0 {
            sink.warn(format!(
                "{calls} calls of function URLs or load balancers have no charge by request: the log of the function says what they cost"
            ));
        }
        Ok(())
    }
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Payload {
    /// A request to an API, a function URL or a load balancer.
    Api,
    /// A record of what is named.
    Records(&'static str),
}

impl Payload {
    fn of(value: &Value) -> Option<Self> {
        let context = value.get("requestContext");
        if context.is_some_and(|context| context.get("requestId").or(context.get("elb")).is_some()) {
            return Some(Payload::Api);
        }
        match text(value, "/eventSource").or_else(|| text(value, "/EventSource"))? {
            "aws:dynamodb" if value.get("dynamodb").is_some() => Some(Payload::Records("a DynamoDB stream")),
            "aws:kinesis" if value.get("kinesis").is_some() => Some(Payload::Records("Kinesis")),
            "aws:sqs" if value.get("body").is_some() => Some(Payload::Records("SQS")),
            "aws:sns" if value.get("Sns").is_some() => Some(Payload::Records("SNS")),
            _ => None,
        }
    }
}

/// Whether a record of Kinesis carries log events, which come compressed.
fn holds_logs(value: &Value) -> bool {
    const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
    // Four characters are three bytes.
    let Some(data) = text(value, "/kinesis/data").and_then(|data| data.get(..4)) else { return false };
    base64::engine::general_purpose::STANDARD.decode(data).is_ok_and(|data| data.starts_with(&GZIP_MAGIC))
}

/// The request to an API; nothing for those of others, which have events of the same shape.
fn api_request(value: &Value, defaults: &Defaults) -> Result<Option<Record>, String> {
    let domain = text(value, "/requestContext/domainName").unwrap_or_default();
    if value.pointer("/requestContext/elb").is_some() || domain.contains(".lambda-url.") {
        return Ok(None);
    }
    let id = text(value, "/requestContext/extendedRequestId").or_else(|| text(value, "/requestContext/requestId"));
    let id = id.ok_or("there is no `requestContext.requestId`")?;
    let event_type = text(value, "/requestContext/eventType");
    let variant = match event_type {
        Some("CONNECT" | "DISCONNECT") => "websocket-connection",
        Some(_) => "websocket",
        // Only HTTP APIs say which version the event has.
        None if value.get("version").is_some() || value.get("routeKey").is_some() => "http",
        None => "rest",
    };
    let time_ms = match integer(value, "/requestContext/requestTimeEpoch")? {
        None => integer(value, "/requestContext/timeEpoch")?,
        known => known,
    };
    let time = match time_ms {
        Some(ms) => {
            let time = timestamp::epoch_ms(ms)
                .ok_or_else(|| format!("`requestTimeEpoch` is `{ms}`, expected milliseconds since 1970"))?;
            EventTime::Logged(time - time.rem_euclid(1_000_000))
        }
        None => EventTime::Assumed,
    };
    let mut row = aws_api_gateway::request(Some(variant));
    let copy = |path: &str| text(value, path).map(str::to_owned);
    row.account = copy("/requestContext/accountId");
    row.resource = copy("/requestContext/apiId");
    row.region = region_of(domain).map(str::to_owned);
    row.request_id = copy("/requestContext/requestId");
    row.operation = event_type
        .map(str::to_owned)
        .or_else(|| copy("/requestContext/httpMethod"))
        .or_else(|| copy("/requestContext/http/method"))
        .or_else(|| copy("/httpMethod"));
    row.request_bytes = body_bytes(value)?;
    defaults.complete_request(&mut row);
    Ok(Some(Record { time, key: aws_api_gateway::key(id), usage: Usage::Request(Box::new(row)) }))
}

/// Size of the body as it was sent.
fn body_bytes(value: &Value) -> Result<Option<i64>, String> {
    let Some(body) = value.pointer("/body").and_then(Value::as_str) else { return Ok(None) };
    let encoded = value.get("isBase64Encoded").and_then(Value::as_bool) == Some(true);
    let length = match encoded {
        false => body.len(),
        true => base64::engine::general_purpose::STANDARD
            .decode(body)
            .map_err(|_| "`body` is not valid base64 although `isBase64Encoded` says so".to_owned())?
            .len(),
    };
    Ok(i64::try_from(length).ok())
}

/// `eu-west-1` in `a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com`.
fn region_of(domain: &str) -> Option<&str> {
    let (_, after) = domain.split_once(".execute-api.")?;
    after.split('.').next()
}
