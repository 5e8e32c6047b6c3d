//! Standard logs of CloudFront: text with a `#Fields:` line, and version 2 as JSON or W3C text of any fields.
//!
//! The `#Fields:` line says which columns there are and in which order; files that were put together have several. A file
//! without one is read as the fields of the standard log, which only ever grew at its end. Values are URL-encoded, by
//! some agents twice.
//!
//! The log is delivered on a best effort, up to a day late: what is computed from it is an estimate.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, Read};

use percent_encoding::percent_decode_str;

use crate::decompress::ingest_error;
use crate::defaults::Defaults;
use crate::error::{IngestError, excerpt};
use crate::format::gcp_log_entry::is_json;
use crate::format::json_objects::{Found, each};
use crate::format::line::Lines;
use crate::format::{Format, Origin, Recognition, Sink, decimal, timestamp};
use crate::record::{EventTime, Record, RecordKey, Request, Usage};

mod edge;

/// Lines of the head that detection reads.
const DETECTION_LINES_MAX: usize = 20;
/// Bytes that tell JSON from text.
const HEAD_BYTES: u64 = 1024;
/// Most columns of a `#Fields:` line.
const COLUMNS_MAX: usize = 1_000;
/// Edge locations named in a warning.
const NAMES_MAX: usize = 5;

/// The fields of the standard log.
const STANDARD: [&str; 33] = [
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
    "cs-uri-query",
    "cs(Cookie)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "fle-status",
    "fle-encrypted-fields",
    "c-port",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
];
/// How many of them there were over the years.
const STANDARD_COUNTS: [usize; 4] = [23, 24, 26, 33];

/// `aws-cloudfront`.
pub struct AwsCloudfront;

impl Format for AwsCloudfront {
    fn name(&self) -> &'static str {
        "aws-cloudfront"
    }

    fn description(&self) -> &'static str {
        "CloudFront standard logs: text with `#Fields:` (or without, 23 to 33 fields), version 2 as W3C text or JSON"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if is_json(head) {
            return recognise_json(head);
        }
        for (index, line) in head.split(|byte| *byte == b'\n').take(DETECTION_LINES_MAX).enumerate() {
            let line = String::from_utf8_lossy(line);
            let line = line.trim_start_matches('\u{feff}').trim_end_matches('\r');
            if let Some(names) = line.strip_prefix("#Fields:") {
                let is_cloudfront = names.split_ascii_whitespace().any(|name| name.starts_with("x-edge-"));
                return is_cloudfront
                    .then(|| Recognition { because: "it has a `#Fields:` line with those of CloudFront".into() });
            }
            if is_standard_line(line) {
                let because = format!("line {} has the fields of a CloudFront log", index + 1);
                return Some(Recognition { because });
            }
        }
        None
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut unknown_edges = BTreeSet::new();
        let mut head = Vec::new();
        (&mut *input).take(HEAD_BYTES).read_to_end(&mut head).map_err(ingest_error)?;
        let mut input = head.as_slice().chain(input);
        if is_json(&head) {
            parse_json(&mut input, origin.defaults, &mut unknown_edges, sink)?;
        } else {
            parse_text(&mut input, origin.defaults, &mut unknown_edges, sink)?;
        }
        if !unknown_edges.is_empty() {
            let names = unknown_edges.into_iter().collect::<Vec<_>>().join(", ");
            sink.warn(format!(
                "edge locations {names} are of no price region that we know: their rows have no `variant`"
            ));
        }
        Ok(())
    }
}

/// Whether a line is of a standard log, for a file without a `#Fields:` line.
fn is_standard_line(line: &str) -> bool {
    let Some(columns) = Columns::standard(line) else { return false };
    let values: Vec<&str> = line.split('\t').collect();
    let value = |name: &str| values.get(columns.place(name)?).copied();
    value("x-edge-location").is_some_and(edge::is_edge) && entry(value, &Defaults::default()).is_ok()
}

/// The columns of the lines that follow.
struct Columns(Vec<String>);

impl Columns {
    /// Of a line without a `#Fields:` line before it.
    fn standard(line: &str) -> Option<Self> {
        let count = line.split('\t').count();
        let names = STANDARD.get(..count).filter(|_| STANDARD_COUNTS.contains(&count))?;
        Some(Columns(names.iter().map(|name| (*name).to_owned()).collect()))
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| column == name)
    }
}

fn parse_text(
    input: &mut dyn BufRead,
    defaults: &Defaults,
    unknown_edges: &mut BTreeSet<String>,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    let mut declared: Option<Columns> = None;
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next()? {
        if line.too_long {
            sink.reject(line.rejected_too_long())?;
            continue;
        }
        // A user agent may be in any encoding; it is not kept.
        let text = String::from_utf8_lossy(line.bytes);
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            continue;
        }
        if let Some(names) = text.strip_prefix("#Fields:") {
            let names: Vec<String> = names.split_ascii_whitespace().take(COLUMNS_MAX).map(str::to_owned).collect();
            if !names.iter().any(|name| name == REQUEST_ID) {
                let problem = format!("the `#Fields:` line has no `{REQUEST_ID}`, which tells requests apart");
                return Err(IngestError::WrongColumns { problem });
            }
            declared = Some(Columns(names));
            continue;
        }
        if text.starts_with('#') {
            continue;
        }
        match read_line(text, declared.as_ref(), defaults) {
            Ok(record) => {
                note_edge(&record, unknown_edges);
                sink.record(record)?;
            }
            Err(reason) => sink.reject(line.rejected(reason))?,
        }
    }
    Ok(())
}

fn read_line(text: &str, declared: Option<&Columns>, defaults: &Defaults) -> Result<Record, String> {
    let values: Vec<&str> = text.split('\t').collect();
    let count = values.len();
    let standard;
    let columns = match declared {
        Some(columns) if columns.0.len() == count => columns,
        Some(columns) => {
            return Err(format!("the line has {count} fields, `#Fields:` says {}", columns.0.len()));
        }
        None => {
            standard = Columns::standard(text);
            let problem = || format!("the line has {count} fields and there is no `#Fields:` line: expected 23 to 33");
            standard.as_ref().ok_or_else(problem)?
        }
    };
    entry(|name| values.get(columns.place(name)?).copied(), defaults)
}

fn recognise_json(head: &[u8]) -> Option<Recognition> {
    let mut found = false;
    let mut input = head;
    each(&mut input, &mut |_, what, _| {
        if let Found::Object(fields) = what {
            found |=
                fields.raw(REQUEST_ID).is_some() && (fields.raw("date").is_some() || fields.raw(TIME_MS).is_some());
        }
        Ok(true)
    })
    .ok()?;
    found.then(|| Recognition { because: "it has CloudFront log records as JSON".into() })
}

fn parse_json(
    input: &mut dyn BufRead,
    defaults: &Defaults,
    unknown_edges: &mut BTreeSet<String>,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    each(input, &mut |place, found, after_broken| {
        let (problem, beginning) = match found {
            Found::Broken(problem, beginning) => (problem, beginning.to_vec()),
            Found::Object(fields) => {
                let json = fields.object();
                match serde_json::from_slice::<HashMap<String, serde_json::Value>>(&json) {
                    Err(error) => (format!("not valid JSON: {error}"), json),
                    Ok(values) => {
                        let values: HashMap<String, String> =
                            values.into_iter().filter_map(|(name, value)| Some((name, text_of(value)?))).collect();
                        match entry(|name| values.get(name).map(String::as_str), defaults) {
                            Ok(record) => {
                                note_edge(&record, unknown_edges);
                                sink.record(record)?;
                                return Ok(true);
                            }
                            Err(problem) => (problem, json),
                        }
                    }
                }
            }
        };
        if after_broken && memchr::memmem::find(&beginning, REQUEST_ID.as_bytes()).is_none() {
            return Ok(false);
        }
        sink.reject(place.rejected(problem, &beginning))?;
        Ok(true)
    })
}

fn text_of(value: serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

const REQUEST_ID: &str = "x-edge-request-id";
const TIME_MS: &str = "timestamp(ms)";

/// The record of a request. A retry may have the id of the first attempt: the key is id and client, and the time is
/// compared beside it.
fn entry<'a>(value: impl Fn(&str) -> Option<&'a str>, defaults: &Defaults) -> Result<Record, String> {
    let value = |name: &str| value(name).filter(|text| !text.is_empty() && *text != "-");
    let number = |name: &str, scale: i32| {
        let parsed = value(name).map(|text| decimal::exact(text, scale)).transpose();
        parsed.map_err(|problem| format!("`{name}` {problem}"))
    };
    let request_id = decoded(value(REQUEST_ID).ok_or_else(|| format!("there is no `{REQUEST_ID}`"))?);
    let client = value("c-ip").map(decoded);
    let status = value("sc-status");
    if let Some(wrong) = status.filter(|text| text.len() != 3 || !text.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(format!("`sc-status` is `{}`, expected three digits", excerpt(wrong.as_bytes())));
    }
    let edge = value("x-edge-location");
    // A WebSocket begins with a request of its protocol.
    let operation = match value("cs-protocol") {
        Some("ws") => Some("http"),
        Some("wss") => Some("https"),
        other => other,
    };
    let mut row = Request {
        provider: "aws".into(),
        service: "cloudfront".into(),
        resource: value("cs(Host)").map(|host| decoded(host).into_owned()),
        operation: operation.map(str::to_owned),
        variant: edge.and_then(edge::price_region).map(str::to_owned),
        status: status.map(str::to_owned),
        request_bytes: number("cs-bytes", 0)?,
        response_bytes: number("sc-bytes", 0)?,
        source: edge.map(str::to_owned),
        request_id: Some(request_id.to_string()),
        duration_us: number("time-taken", 6)?,
        ..Request::default()
    };
    defaults.complete_request(&mut row);
    let key = RecordKey::of(&[Some("aws-cloudfront"), Some(&request_id), client.as_deref()]);
    Ok(Record { time: EventTime::Logged(time(&value)?), key, usage: Usage::Request(Box::new(row)) })
}

/// Date and time of day are in two fields; version 2 may have one instead.
fn time<'a>(value: &impl Fn(&str) -> Option<&'a str>) -> Result<i64, String> {
    if let (Some(date), Some(time)) = (value("date"), value("time")) {
        let text = format!("{date}T{time}");
        return timestamp::iso(&text).ok_or_else(|| {
            format!("`date` and `time` are `{}`, expected `2026-10-05` and `17:00:01`", excerpt(text.as_bytes()))
        });
    }
    let scaled = |name: &str, scale: i32| value(name).map(|text| (name.to_owned(), decimal::exact(text, scale)));
    let (name, ms) = scaled(TIME_MS, 0)
        .or_else(|| scaled("timestamp", 3))
        .ok_or("there is neither `date` and `time` nor `timestamp`")?;
    let ms = ms.map_err(|problem| format!("`{name}` {problem}"))?;
    timestamp::epoch_ms(ms).ok_or_else(|| format!("`{name}` is out of range"))
}

/// A value without its URL-encoding, of which there may be two layers.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let once = percent_decode_str(text).decode_utf8_lossy().into_owned();
    percent_decode_str(&once).decode_utf8_lossy().into_owned().into()
}

/// Remembers a few edge locations that we cannot place.
fn note_edge(record: &Record, unknown: &mut BTreeSet<String>) {
    let Usage::Request(row) = &record.usage else { return };
    if let (None, Some(edge)) = (&row.variant, &row.source)
        && unknown.len() < NAMES_MAX
    {
        unknown.insert(excerpt(edge.as_bytes()));
    }
}
