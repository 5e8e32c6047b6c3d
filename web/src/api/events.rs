//! `/api/v1/events`: CloudEvents, acknowledged when they are on disk.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use paygrain_ingest::event_log::{EventBatch, EventLog, Receipt, SubmitError};
use paygrain_ingest::format::cloudevents::{Text, structured};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::app::App;
use crate::error::AppError;
use crate::params::Params;
use crate::receive::{Budget, next_chunk};

/// Refused events that are named in an answer; all are in the table `rejected_rows`.
const ERRORS_MAX: usize = 1000;
/// Longest line of a stream, in bytes.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Bytes of a stream that are taken together.
const PART_BYTES: usize = 256 << 10;
/// How long a stream that has begun waits for events before it to land.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// How the names of headers begin that carry attributes in binary mode.
const BINARY: &str = "ce-";

/// How the body is to be read.
enum Mode {
    /// One event or a batch, as JSON.
    Structured,
    /// An event a line, of any length.
    Stream,
    /// Attributes in headers, the body is the data.
    Binary,
}

/// `POST`: events, single, in a batch, or streamed.
pub async fn create(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, AppError> {
    params.only(&[])?;
    let log = app.events().ok_or(AppError::NoEvents)?;
    let mode = mode(&headers)?;
    let mut answer = Answer::default();
    if matches!(mode, Mode::Stream) {
        let _permit = admitted(&app, &headers, 2 * LINE_BYTES_MAX)?;
        stream(log, body, &mut answer).await?;
    } else {
        let limit_bytes = app.config().event_bytes_max;
        let mut budget = Budget::new(limit_bytes, &headers)?;
        let _permit = admitted(&app, &headers, usize::try_from(limit_bytes).unwrap_or(usize::MAX))?;
        let mut text = Vec::new();
        let mut body = body.into_data_stream();
        while let Some(chunk) = next_chunk(&mut body).await? {
            budget.take(chunk.len())?;
            text.extend_from_slice(&chunk);
        }
        if matches!(mode, Mode::Binary) {
            text = binary(&headers, &text)?;
        }
        if text.trim_ascii().is_empty() {
            return Err(AppError::BadBody { problem: "it is empty, expected one event or a batch".into() });
        }
        let batch = log.read(&text);
        answer.submit(log, batch).await?;
    }
    Ok(Json(answer.json()).into_response())
}

/// What the media type, or a header of binary mode, says.
fn mode(headers: &HeaderMap) -> Result<Mode, AppError> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encoding = text(header::CONTENT_ENCODING);
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        return Err(AppError::UnsupportedMedia { what: "content encoding", found: encoding.to_owned() });
    }
    let given = text(header::CONTENT_TYPE);
    let media = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "application/cloudevents+json" | "application/cloudevents-batch+json" => Ok(Mode::Structured),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Mode::Stream),
        _ if headers.contains_key("ce-specversion") => Ok(Mode::Binary),
        "application/json" => Ok(Mode::Structured),
        _ => Err(AppError::UnsupportedMedia { what: "content type", found: given.to_owned() }),
    }
}

/// The event in headers and body.
fn binary(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, AppError> {
    let mut attributes = BTreeMap::new();
    for (name, value) in headers {
        if let Some(attribute) = name.as_str().strip_prefix(BINARY) {
            let value = percent_encoding::percent_decode(value.as_bytes()).decode_utf8();
            let value =
                value.map_err(|_| AppError::BadBody { problem: format!("the header `{name}` is not UTF-8") })?;
            attributes.insert(attribute.to_owned(), value.into_owned());
        }
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    structured(&attributes, content_type, body).map_err(|problem| AppError::BadBody { problem })
}

/// Room in memory for a body, as large as it announces or may be; it is given back with the value returned.
fn admitted(app: &App, headers: &HeaderMap, bytes_max: usize) -> Result<OwnedSemaphorePermit, AppError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let bytes = announced.map_or(bytes_max, |announced| announced.min(bytes_max));
    let busy = |_| AppError::Busy { what: "too many requests bring events at this moment".into() };
    let units = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
    app.event_memory().clone().try_acquire_many_owned(units).map_err(busy)
}

/// Takes an event a line, part by part, as the lines come.
async fn stream(log: &EventLog, body: Body, answer: &mut Answer) -> Result<(), AppError> {
    let mut body = body.into_data_stream();
    let mut lines = Lines::default();
    while let Some(chunk) = next_chunk(&mut body).await? {
        lines.text.extend_from_slice(&chunk);
        if lines.text.len() >= PART_BYTES {
            lines.take_whole(log, answer).await?;
        }
    }
    lines.take_rest(log, answer).await
}

/// Lines that have come and were not taken.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    /// Bytes and lines before the text.
    offset: u64,
    count: u64,
    /// Whether the text begins inside a line that is too long, and was refused.
    skipping: bool,
}

impl Lines {
    async fn take_whole(&mut self, log: &EventLog, answer: &mut Answer) -> Result<(), AppError> {
        if let Some(end) = self.text.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.text.split_off(end + 1);
            let whole = std::mem::replace(&mut self.text, rest);
            return self.take(log, answer, &whole).await;
        }
        if self.text.len() > LINE_BYTES_MAX {
            let begin = std::mem::take(&mut self.text);
            if !self.skipping {
                let text = Text { line: Some(self.count + 1), byte_offset: self.offset, json: &begin };
                let row = text.rejected(format!("the line is longer than {LINE_BYTES_MAX} bytes"));
                let mut batch = EventBatch::default();
                batch.reject(row);
                answer.submit_patiently(log, batch).await?;
            }
            self.skipping = true;
            self.offset += begin.len() as u64;
        }
        Ok(())
    }

    async fn take_rest(&mut self, log: &EventLog, answer: &mut Answer) -> Result<(), AppError> {
        let rest = std::mem::take(&mut self.text);
        self.take(log, answer, &rest).await
    }

    async fn take(&mut self, log: &EventLog, answer: &mut Answer, mut text: &[u8]) -> Result<(), AppError> {
        if std::mem::take(&mut self.skipping) {
            let end = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
            self.count += u64::from(text[..end].ends_with(b"\n"));
            self.offset += end as u64;
            text = &text[end..];
        }
        let mut batch = log.read(text);
        batch.shift(self.count, self.offset);
        self.count += text.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.offset += text.len() as u64;
        if batch.is_empty() {
            return Ok(());
        }
        answer.submit_patiently(log, batch).await
    }
}

/// What is answered.
#[derive(Default)]
struct Answer {
    receipt: Receipt,
    errors: Vec<Value>,
}

impl Answer {
    async fn submit(&mut self, log: &EventLog, batch: EventBatch) -> Result<(), AppError> {
        let before = self.receipt.received;
        let mut errors = Vec::new();
        for (index, reason) in batch.rejected().take(ERRORS_MAX.saturating_sub(self.errors.len())) {
            errors.push(json!({ "index": before + index as u64, "reason": reason }));
        }
        let receipt = log.submit(batch).await.map_err(|error| match error {
            SubmitError::Busy { .. } => AppError::Busy { what: format!("{error}{}", self.taken()) },
            SubmitError::Failed { .. } => AppError::NotWritten { problem: error.to_string() },
        })?;
        self.receipt += receipt;
        self.errors.extend(errors);
        Ok(())
    }

    /// Waits for room when the stream has begun: its sender then waits too, as its bytes are not taken.
    async fn submit_patiently(&mut self, log: &EventLog, batch: EventBatch) -> Result<(), AppError> {
        let until = Instant::now() + BUSY_WAIT;
        while self.receipt.received > 0 && !log.has_room_for(&batch) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.submit(log, batch).await
    }

    fn taken(&self) -> String {
        match self.receipt.received {
            0 => String::new(),
            received => format!("; the first {received} events of this request were taken"),
        }
    }

    fn json(&self) -> Value {
        let Receipt { received, accepted, duplicate, rejected } = self.receipt;
        json!({
            "received": received,
            "accepted": accepted,
            "duplicate": duplicate,
            "rejected": rejected,
            "errors": self.errors,
        })
    }
}
