//! One event of an execution, out of a log record or a history.

use serde::Deserialize;
use serde_json::Value;

use crate::format::json_stream::Fields;
use crate::format::json_value::{integer, text};
use crate::format::{decimal, timestamp};

use super::is_sync_result;

/// Which execution an event is of.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) arn: String,
    pub(super) region: String,
    pub(super) account: String,
    /// State machine.
    pub(super) machine: String,
    pub(super) name: String,
    pub(super) express: bool,
}

/// What an event is to metering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The execution began.
    Started,
    /// A state was entered.
    Entered,
    /// Work began, for the first time or again.
    Scheduled,
    /// Work failed; it may be tried again.
    Failure,
    /// The execution ended, and how.
    Ended(&'static str),
    /// Anything else.
    Other,
}

impl Step {
    fn of(kind: &str) -> Self {
        match kind {
            "ExecutionStarted" => Step::Started,
            // What a failed execution is redriven with is scheduled again without a state being entered.
            "ExecutionRedriven" => Step::Failure,
            "ExecutionSucceeded" => Step::Ended("success"),
            "ExecutionTimedOut" => Step::Ended("timeout"),
            "ExecutionFailed" | "ExecutionAborted" => Step::Ended("error"),
            "MapStateStarted" | "ParallelStateStarted" => Step::Scheduled,
            _ if kind.ends_with("StateEntered") => Step::Entered,
            _ if kind.ends_with("Scheduled") => Step::Scheduled,
            _ if kind.ends_with("Failed") || kind.ends_with("TimedOut") => Step::Failure,
            _ => Step::Other,
        }
    }
}

/// An event, as far as it matters here.
#[derive(Debug)]
pub(super) struct Event {
    /// Absent in a history by itself.
    pub(super) execution: Option<Execution>,
    pub(super) id: u64,
    pub(super) previous: u64,
    pub(super) kind: String,
    pub(super) step: Step,
    /// To the millisecond, as log records have it.
    pub(super) time_us: i64,
    /// Name of the state that was entered.
    pub(super) state: Option<String>,
    pub(super) billed_ms: Option<i64>,
    pub(super) memory_mb: Option<i64>,
}

/// A log record; numbers are text in it.
#[derive(Deserialize)]
struct LogRecord {
    id: Value,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    details: Value,
    #[serde(default)]
    previous_event_id: Value,
    event_timestamp: Value,
    execution_arn: String,
}

impl Event {
    /// Reads a log record. Some tools leave the quotes of input and output as they are inside the JSON: then the fields
    /// around them are found by their names, the first ones from the left and the last ones from the right.
    pub(super) fn of_log(message: &[u8]) -> Result<Self, String> {
        let record = match serde_json::from_slice::<LogRecord>(message) {
            Ok(record) => record,
            Err(error) => std::str::from_utf8(message)
                .ok()
                .and_then(salvage)
                .ok_or_else(|| format!("not a record of Step Functions: {error}"))?,
        };
        let time_ms = number(&record.event_timestamp, "event_timestamp")?;
        let time_us = timestamp::epoch_ms(time_ms)
            .ok_or_else(|| format!("`event_timestamp` is `{time_ms}`, expected milliseconds since 1970"))?;
        let previous = match record.previous_event_id {
            Value::Null => 0,
            value => unsigned(&value, "previous_event_id")?,
        };
        Ok(Event {
            execution: Some(Execution::of(&record.execution_arn)?),
            id: unsigned(&record.id, "id")?,
            previous,
            step: Step::of(&record.kind),
            time_us,
            state: text(&record.details, "/name").map(str::to_owned),
            billed_ms: integer(&record.details, "/billingDetails/billedDurationInMilliseconds")?,
            memory_mb: integer(&record.details, "/billingDetails/billedMemoryUsedInMB")?,
            kind: record.kind,
        })
    }

    /// Reads an event of a history; `declared` may be the ARN of its execution.
    pub(super) fn of_history(fields: &Fields, declared: Option<&str>) -> Result<Self, String> {
        if is_sync_result(fields) {
            return Self::of_sync_result(fields);
        }
        let kind = fields.string("type").ok_or("`type` is not text")?;
        let execution = match declared.filter(|declared| declared.starts_with("arn:")) {
            Some(arn) => Some(Execution::of(arn)?),
            None => None,
        };
        let details = fields.raw("stateEnteredEventDetails").and_then(|raw| serde_json::from_slice::<Value>(raw).ok());
        Ok(Event {
            execution,
            id: unsigned(&value(fields, "id"), "id")?,
            previous: unsigned(&value(fields, "previousEventId"), "previousEventId")?,
            step: Step::of(&kind),
            time_us: time_us(fields, "timestamp")?,
            state: details.as_ref().and_then(|details| text(details, "/name")).map(str::to_owned),
            billed_ms: None,
            memory_mb: None,
            kind,
        })
    }

    /// What `start-sync-execution` returns.
    fn of_sync_result(fields: &Fields) -> Result<Self, String> {
        let billing = value(fields, "billingDetails");
        let step = match fields.string("status").as_deref() {
            Some("SUCCEEDED") => "ExecutionSucceeded",
            Some("TIMED_OUT") => "ExecutionTimedOut",
            _ => "ExecutionFailed",
        };
        Ok(Event {
            execution: Some(Execution::of(&fields.string("executionArn").unwrap_or_default())?),
            id: 0,
            previous: 0,
            kind: step.to_owned(),
            step: Step::of(step),
            time_us: time_us(fields, "stopDate")?,
            state: None,
            billed_ms: integer(&billing, "/billedDurationInMilliseconds")?,
            memory_mb: integer(&billing, "/billedMemoryUsedInMB")?,
        })
    }
}

/// A time as text, or in seconds since 1970 with a fraction, cut to milliseconds.
fn time_us(fields: &Fields, name: &str) -> Result<i64, String> {
    let raw = fields.raw(name).and_then(|raw| std::str::from_utf8(raw).ok()).unwrap_or_default();
    let time = match fields.string(name) {
        Some(text) => timestamp::iso(&text),
        None => {
            let end = raw.find('.').map_or(raw.len(), |point| raw.len().min(point + 7));
            raw.get(..end).and_then(|seconds| decimal::exact(seconds, 6).ok())
        }
    };
    let time = time.ok_or_else(|| {
        let found = crate::error::excerpt(raw.as_bytes());
        format!("`{name}` is `{found}`, expected an ISO 8601 time or seconds since 1970")
    })?;
    Ok(time - time.rem_euclid(1_000))
}

fn value(fields: &Fields, name: &str) -> Value {
    fields.raw(name).and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> Result<i64, String> {
    let found = integer(value, "").map_err(|problem| problem.replacen("``", &format!("`{name}`"), 1))?;
    found.ok_or_else(|| format!("there is no `{name}`"))
}

fn unsigned(value: &Value, name: &str) -> Result<u64, String> {
    let number = number(value, name)?;
    u64::try_from(number).map_err(|_| format!("`{name}` is `{number}`, expected no negative number"))
}

/// The fields of a record whose details are no valid JSON.
fn salvage(message: &str) -> Option<LogRecord> {
    let quoted = |after: &str| after.split_once('"').map(|(value, _)| value.to_owned());
    // Id and type come before the details, so what an input pretends cannot stand in for them.
    let (beginning, _) = message.split_once("\"details\"")?;
    let first = |name: &str| {
        let (_, after) = beginning.split_once(&format!("\"{name}\":\""))?;
        quoted(after)
    };
    // A comma may have slipped inside the quotes of a name.
    let last = |name: &str| {
        let (_, after) = message.rsplit_once(&format!("{name}\":\""))?;
        quoted(after)
    };
    let billing = message.rsplit_once("\"billingDetails\":").and_then(|(_, after)| {
        let end = after.find('}')?;
        serde_json::from_str(after.get(..=end)?).ok()
    });
    Some(LogRecord {
        id: Value::String(first("id")?),
        kind: first("type")?,
        details: billing.map_or(Value::Null, |billing: Value| serde_json::json!({ "billingDetails": billing })),
        previous_event_id: last("previous_event_id").map_or(Value::Null, Value::String),
        event_timestamp: Value::String(last("event_timestamp")?),
        execution_arn: last("execution_arn")?,
    })
}
