//! Log events that CloudWatch Logs hands out, whatever service wrote them: pages of `filter-log-events`, subscription
//! payloads, a line of text each.
//!
//! API Gateway, Step Functions and CloudTrail write one record a log event. The log of a Lambda function is for its own
//! format; here we only see to it that no file is of two.

use std::io::{BufRead, Cursor, Read};

use base64::Engine;

use crate::decompress::{self, Limits, ingest_error};
use crate::error::IngestError;
use crate::format::aws_lambda::Kind;
use crate::format::aws_lambda_text::Envelope;
use crate::format::json_records::{Found, each};
use crate::format::json_stream::Fields;
use crate::format::line::{Lines, Place};
use crate::format::{aws_api_gateway, aws_cloudtrail, aws_step_functions, timestamp};

/// How far we look for what a file is made of, in bytes.
const BEGINNING_BYTES: u64 = 64 * 1024;

/// Most bytes that one compressed payload inside the JSON may have, decompressed.
const PAYLOAD_BYTES_MAX: u64 = 64 << 20;

/// Arrays that hold log events.
const EVENT_ARRAYS: [&str; 2] = ["events", "logEvents"];

/// Names in objects that are no record of a line: envelopes, and what the API of Step Functions returns.
const OBJECT_NAMES: [&str; 6] = ["events", "logEvents", "awslogs", "message", "previousEventId", "billingDetails"];

/// One log event.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogEvent<'a> {
    /// When it was logged, in microseconds since 1970 UTC.
    pub(super) time: Option<i64>,
    /// Account that owns the log group.
    pub(super) account: Option<&'a str>,
    /// Log group.
    pub(super) group: Option<&'a str>,
    /// What the service wrote, without line end.
    pub(super) message: &'a [u8],
}

impl<'a> LogEvent<'a> {
    /// The message, and the message without a first word: `aws logs tail` puts the log stream there.
    pub(super) fn messages(&self) -> impl Iterator<Item = &'a [u8]> {
        let message = self.message;
        let space = memchr::memchr(b' ', message).filter(|_| self.time.is_some());
        [Some(message), space.map(|space| message[space..].trim_ascii_start())].into_iter().flatten()
    }
}

/// What stands at a place of the file.
pub(super) enum Item<'a> {
    /// A log event.
    Event(LogEvent<'a>),
    /// An object that is none, and the fields before it in the object around it.
    Object(&'a Fields, Option<&'a Fields>),
    /// Something that can not be read, with what is wrong and how it begins.
    Broken(String, &'a [u8]),
}

/// How records stand in a file without an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    /// As JSON, in any nesting.
    Objects,
    /// One a line: what is wrong with a line ends with it.
    Lines,
}

/// The services whose records come in log events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    ApiGateway,
    CloudTrail,
    StepFunctions,
}

/// Which service wrote the log events in the head of a file, and why we think so.
pub(super) fn recognise(head: &[u8]) -> Option<(Service, String)> {
    let mut found = None;
    let mut of_lambda = false;
    let mut input = head;
    read(&mut input, &[], Bare::Lines, &mut |_, item, _| {
        match item {
            Item::Event(event) => {
                of_lambda |= event.group.is_some_and(|group| group.starts_with("/aws/lambda/"))
                    || Kind::of(event.message) != Kind::Other;
                if found.is_none() {
                    found = event.messages().find_map(of_message);
                }
            }
            Item::Object(fields, _) if found.is_none() => {
                found = match aws_step_functions::is_history_event(fields) {
                    true => Some((Service::StepFunctions, "it has events of a Step Functions execution")),
                    false => of_message(&fields.object()),
                };
            }
            Item::Object(..) | Item::Broken(..) => {}
        }
        Ok(true)
    })
    .ok()?;
    let (service, because) = found.filter(|_| !of_lambda)?;
    Some((service, because.to_owned()))
}

fn of_message(message: &[u8]) -> Option<(Service, &'static str)> {
    if aws_step_functions::is_record(message) {
        return Some((Service::StepFunctions, "it has log records of Step Functions (execution_arn)"));
    }
    if aws_api_gateway::is_access(message) {
        return Some((Service::ApiGateway, "it has access log records of API Gateway (a request id, method or route)"));
    }
    let event = "it has CloudTrail events (eventID, eventSource, eventName) in log events";
    (aws_cloudtrail::is_event(message)).then_some((Service::CloudTrail, event))
}

/// Takes an item at its place; the last argument and the answer are those of [`json_records`](super::json_records).
pub(super) type OnItem<'a> = dyn FnMut(Place, Item<'_>, bool) -> Result<bool, IngestError> + 'a;

/// Reads a file to its end; `arrays_named` holds further arrays to look into.
pub(super) fn read(
    input: &mut dyn BufRead,
    arrays_named: &[&str],
    bare: Bare,
    on_item: &mut OnItem<'_>,
) -> Result<(), IngestError> {
    let mut beginning = Vec::new();
    (&mut *input).take(BEGINNING_BYTES).read_to_end(&mut beginning).map_err(ingest_error)?;
    let lines = is_lines(&beginning, bare);
    let mut input = Cursor::new(beginning).chain(input);
    if lines { read_lines(&mut input, on_item) } else { read_objects(&mut input, arrays_named, on_item) }
}

/// Whether every line is a record by itself.
fn is_lines(beginning: &[u8], bare: Bare) -> bool {
    let text = beginning.trim_ascii_start();
    match text.first() {
        Some(b'[') => false,
        Some(b'{') if bare == Bare::Objects => false,
        Some(b'{') => {
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
            let first = serde_json::Deserializer::from_slice(line).into_iter::<serde_json::Value>().next();
            match first.unwrap_or(Ok(serde_json::Value::Null)) {
                Ok(object) => !OBJECT_NAMES.iter().any(|name| object.get(name).is_some()),
                Err(_) => line.ends_with(b"}"),
            }
        }
        _ => true,
    }
}

fn read_lines(input: &mut dyn BufRead, on_item: &mut OnItem<'_>) -> Result<(), IngestError> {
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next()? {
        let place = Place { line: Some(line.number), offset: line.offset };
        if line.too_long {
            on_item(place, Item::Broken(line.rejected_too_long().reason, line.bytes), false)?;
            continue;
        }
        let envelope = Envelope::of(line.bytes);
        let message = envelope.message.trim_ascii();
        if message.is_empty() {
            continue;
        }
        let event = LogEvent { time: envelope.time, account: None, group: envelope.group, message };
        on_item(place, Item::Event(event), false)?;
    }
    Ok(())
}

fn read_objects(input: &mut dyn BufRead, arrays_named: &[&str], on_item: &mut OnItem<'_>) -> Result<(), IngestError> {
    let arrays: Vec<&str> = EVENT_ARRAYS.iter().chain(arrays_named).copied().collect();
    each(input, &arrays, &mut |place, found, after_broken| match found {
        Found::Object(fields, outer) => object(fields, outer, place, after_broken, on_item),
        Found::Broken(problem, beginning) => on_item(place, Item::Broken(problem, beginning), after_broken),
    })
}

fn object(
    fields: &Fields,
    outer: Option<&Fields>,
    place: Place,
    after_broken: bool,
    on_item: &mut OnItem<'_>,
) -> Result<bool, IngestError> {
    if let Some(awslogs) = fields.raw("awslogs") {
        return match payload(awslogs) {
            Err(problem) => on_item(place, Item::Broken(problem, awslogs), after_broken),
            Ok(text) => {
                each(&mut text.as_slice(), &EVENT_ARRAYS, &mut |_, found, after_broken| match found {
                    Found::Object(fields, outer) => log_event(fields, outer, place, after_broken, on_item),
                    Found::Broken(problem, beginning) => on_item(place, Item::Broken(problem, beginning), after_broken),
                })?;
                Ok(true)
            }
        };
    }
    log_event(fields, outer, place, after_broken, on_item)
}

fn log_event(
    fields: &Fields,
    outer: Option<&Fields>,
    place: Place,
    after_broken: bool,
    on_item: &mut OnItem<'_>,
) -> Result<bool, IngestError> {
    let (Some(message), Some(time)) = (fields.string("message"), fields.raw("timestamp")) else {
        // What CloudWatch sends to see whether the destination is there.
        let control = fields.string("messageType").as_deref() == Some("CONTROL_MESSAGE");
        return if control { Ok(true) } else { on_item(place, Item::Object(fields, outer), after_broken) };
    };
    let time = std::str::from_utf8(time).ok().and_then(|time| time.parse().ok()).and_then(timestamp::epoch_ms);
    let around = |names: [&str; 2]| outer.and_then(|outer| names.iter().find_map(|name| outer.string(name)));
    let account = around(["owner", "owner"]);
    let group = around(["logGroup", "logGroupName"]);
    let message = message.trim().as_bytes();
    let event = LogEvent { time, account: account.as_deref(), group: group.as_deref(), message };
    on_item(place, Item::Event(event), after_broken)
}

/// The text of a compressed payload, as a subscribed function gets it.
fn payload(awslogs: &[u8]) -> Result<Vec<u8>, String> {
    #[derive(serde::Deserialize)]
    struct AwsLogs {
        data: String,
    }
    let AwsLogs { data } = serde_json::from_slice(awslogs).map_err(|_| "there is no `awslogs.data`".to_owned())?;
    let compressed = base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|_| "`awslogs.data` is not valid base64".to_owned())?;
    let limits = Limits { decompressed_bytes_max: PAYLOAD_BYTES_MAX, ..Limits::default() };
    let mut text = Vec::new();
    decompress::open(Cursor::new(compressed), limits)
        .and_then(|mut payload| payload.read_to_end(&mut text).map_err(ingest_error))
        .map_err(|error| format!("`awslogs.data`: {error}"))?;
    Ok(text)
}
