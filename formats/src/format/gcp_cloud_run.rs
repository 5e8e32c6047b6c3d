//! Request logs of Cloud Run, which are also those of functions of the second generation.
//!
//! The log says how long each request took and which instance served it; Cloud Run bills how long instances were busy.
//! Both are the same where an instance serves one request at a time; a warning asks for the concurrency where it is not
//! declared.

use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::gcp_log_entry::{self, LogEntry, Service};
use crate::format::{Format, Origin, Recognition, Sink, decimal};
use crate::record::{EventTime, Invocation, Record, RecordKey, Usage};

/// The service in the words of the price books.
pub(super) const SERVICE: &str = "cloud-run";

/// Digits of a second that are kept.
const MICRO_DIGITS: usize = 6;

/// `gcp-cloud-run`.
pub struct GcpCloudRun;

impl Format for GcpCloudRun {
    fn name(&self) -> &'static str {
        "gcp-cloud-run"
    }

    fn description(&self) -> &'static str {
        "Cloud Run request log entries as JSON: `gcloud logging read --format=json`, Cloud Storage sink, Pub/Sub"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        gcp_log_entry::recognise(head, Service::Run)
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        gcp_log_entry::parse(input, origin.defaults, sink)
    }
}

/// The record of a request; `None` for what a container prints.
///
/// The time of the entry is when the request began. The key is log and insert id: the id alone is not unique, and the
/// time is compared beside the key.
pub(super) fn record(entry: &LogEntry, defaults: &Defaults) -> Result<Option<Record>, String> {
    let log = entry.log_name.as_deref().unwrap_or_default();
    let is_request_log = log.ends_with("run.googleapis.com%2Frequests") || log.ends_with("run.googleapis.com/requests");
    if !is_request_log {
        return Ok(None);
    }
    let request = entry.http_request.as_ref().ok_or("there is no `httpRequest` in an entry of the request log")?;
    let insert_id = entry.insert_id.as_deref().ok_or("there is no `insertId`")?;
    let size = |number: &Option<gcp_log_entry::Number>, name: &str| {
        number.as_ref().map(|number| number.integer(name)).transpose()
    };
    let mut row = Invocation {
        provider: "gcp".into(),
        service: SERVICE.into(),
        request_id: Some(insert_id.to_owned()),
        duration_us: request.latency.as_deref().map(latency_us).transpose()?,
        request_bytes: size(&request.request_size, "httpRequest.requestSize")?,
        response_bytes: size(&request.response_size, "httpRequest.responseSize")?,
        trigger: Some("http".into()),
        instance: entry.labels.get("instanceId").cloned(),
        ..Invocation::default()
    };
    entry.place_in(&mut row);
    if let Some(status) = size(&request.status, "httpRequest.status")? {
        row.status = Some(
            match status {
                504 => "timeout",
                500.. => "error",
                _ => "success",
            }
            .into(),
        );
        row.error_type = (status >= 500).then(|| status.to_string());
    }
    let time = EventTime::Logged(entry.time_us()?);
    defaults.complete_invocation(&mut row);
    let key = RecordKey::of(&[Some("gcp-log"), Some(&log.replace("%2F", "/")), Some(insert_id)]);
    Ok(Some(Record { time, key, usage: Usage::Invocation(Box::new(row)) }))
}

/// `60.369159188s` in microseconds, rounded up: rounding up again to any step of billing then gives the same.
fn latency_us(text: &str) -> Result<i64, String> {
    let wrong = |problem: &str| format!("`httpRequest.latency` is `{text}`, {problem}");
    let digits = text.strip_suffix('s').ok_or_else(|| wrong("expected seconds such as `0.060s`"))?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(wrong("expected seconds such as `0.060s`"));
    }
    let cut = digits.find('.').map_or(digits.len(), |point| digits.len().min(point + 1 + MICRO_DIGITS));
    let (kept, beyond) = digits.split_at(cut);
    if beyond.contains('.') {
        return Err(wrong("expected seconds such as `0.060s`"));
    }
    let micros = decimal::exact(kept, 6).map_err(|problem| format!("`httpRequest.latency` {problem}"))?;
    let up = i64::from(beyond.bytes().any(|byte| byte != b'0'));
    micros.checked_add(up).ok_or_else(|| wrong("which is too large"))
}
