//! Log entries of Google Cloud as JSON: `gcloud logging read --format=json`, files of a Cloud Storage sink, Pub/Sub.
//!
//! One file may hold entries of several services, so that both formats read what either of them knows. An entry of
//! another log is no usage and is passed over.

use std::collections::{BTreeSet, HashMap};
use std::io::BufRead;

use base64::Engine;
use serde::Deserialize;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::gcp_cloud_functions::{FunctionsLog, Message};
use crate::format::json_objects::{Found, each};
use crate::format::line::Place;
use crate::format::{Recognition, Sink, decimal, gcp_cloud_run, timestamp};
use crate::record::{Invocation, Record, RejectedRow};

/// Resources named in a warning.
const NAMES_MAX: usize = 5;

/// An entry, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogEntry {
    pub(super) insert_id: Option<String>,
    pub(super) log_name: Option<String>,
    pub(super) timestamp: Option<String>,
    pub(super) severity: Option<String>,
    pub(super) text_payload: Option<String>,
    #[serde(default)]
    pub(super) labels: HashMap<String, String>,
    pub(super) resource: Resource,
    pub(super) http_request: Option<HttpRequest>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) labels: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpRequest {
    pub(super) status: Option<Number>,
    pub(super) request_size: Option<Number>,
    pub(super) response_size: Option<Number>,
    pub(super) latency: Option<String>,
}

/// 64-bit integers are strings in the JSON of protocol buffers; some tools write them as numbers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Number(serde_json::Number),
    Text(String),
}

impl Number {
    pub(super) fn integer(&self, name: &str) -> Result<i64, String> {
        let text = match self {
            Number::Number(number) => &number.to_string(),
            Number::Text(text) => text,
        };
        decimal::exact(text, 0).map_err(|problem| format!("`{name}` {problem}"))
    }
}

impl LogEntry {
    /// Time of the entry, in microseconds since 1970 UTC; digits beyond are cut.
    pub(super) fn time_us(&self) -> Result<i64, String> {
        let text = self.timestamp.as_deref().ok_or("there is no `timestamp`")?;
        timestamp::iso(text).ok_or_else(|| format!("`timestamp` is `{text}`, expected an RFC 3339 time"))
    }

    /// Copies what the labels say of the resource: its project, its region.
    pub(super) fn place_in(&self, row: &mut Invocation) {
        let label = |name: &str| self.resource.labels.get(name).filter(|value| !value.is_empty()).cloned();
        row.account = label("project_id");
        row.region = label("region").or_else(|| label("location"));
        row.resource = label("function_name").or_else(|| label("service_name"));
        row.version = label("revision_name");
    }
}

/// Which service an entry is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Functions,
    Run,
}

impl Service {
    fn of(resource_type: &str) -> Option<Self> {
        match resource_type {
            "cloud_function" => Some(Service::Functions),
            "cloud_run_revision" => Some(Service::Run),
            _ => None,
        }
    }
}

/// Whether the head of a file is of JSON.
pub(super) fn is_json(head: &[u8]) -> bool {
    matches!(head.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// The format of a file of log entries is that of its first entry of a service we know.
pub(super) fn recognise(head: &[u8], service: Service) -> Option<Recognition> {
    if !is_json(head) {
        return None;
    }
    let mut first = None;
    let mut input = head;
    each(&mut input, &mut |_, found, _| {
        if let Found::Object(fields) = found
            && first.is_none()
        {
            first = entry_of(&fields.object())
                .ok()
                .flatten()
                .and_then(|entry| Some((Service::of(&entry.resource.kind)?, entry.resource.kind)));
        }
        Ok(true)
    })
    .ok()?;
    let (found, kind) = first?;
    (found == service).then(|| Recognition { because: format!("it has Google Cloud log entries of a `{kind}`") })
}

/// The entry in an object, also in a Pub/Sub message; `None` for an object of another kind.
fn entry_of(json: &[u8]) -> Result<Option<LogEntry>, String> {
    #[derive(Deserialize)]
    struct Signs {
        message: Option<serde_json::Value>,
        #[serde(rename = "logName")]
        log_name: Option<serde_json::Value>,
        resource: Option<serde_json::Value>,
    }
    let signs: Signs = serde_json::from_slice(json).map_err(|error| format!("not valid JSON: {error}"))?;
    if signs.log_name.is_some() && signs.resource.is_some() {
        return serde_json::from_slice(json).map(Some).map_err(|error| format!("not a valid log entry: {error}"));
    }
    let data = signs.message.as_ref().and_then(|message| message.get("data")?.as_str());
    let Some(data) = data else { return Ok(None) };
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|_| "`message.data` is not valid base64".to_owned())?;
    match serde_json::from_slice::<LogEntry>(&decoded) {
        Ok(entry) => Ok(Some(entry)),
        Err(error) => Err(format!("`message.data` is not a valid log entry: {error}")),
    }
}

/// Reads a JSON file to its end.
pub(super) fn parse(input: &mut dyn BufRead, defaults: &Defaults, sink: &mut dyn Sink) -> Result<(), IngestError> {
    let mut functions = FunctionsLog::new(defaults);
    let mut missing = Missing::default();
    let (mut usage, mut others) = (false, 0_u64);
    each(input, &mut |place: Place, found, after_broken| {
        let (problem, beginning) = match found {
            Found::Broken(problem, beginning) => (problem, beginning.to_vec()),
            Found::Object(fields) => {
                let json = fields.object();
                match entry_of(&json) {
                    Ok(None) if after_broken => return Ok(false),
                    Ok(None) => ("not a log entry: expected `logName` and `resource`".to_owned(), json),
                    Err(problem) => (problem, json),
                    Ok(Some(entry)) => match record(&entry, &mut functions, defaults) {
                        Ok(None) => {
                            others += 1;
                            return Ok(true);
                        }
                        Ok(Some(record)) => {
                            usage = true;
                            missing.look_at(&record);
                            sink.record(record)?;
                            return Ok(true);
                        }
                        Err(problem) => (problem, json),
                    },
                }
            }
        };
        if !after_broken || memchr::memmem::find(&beginning, b"\"logName\"").is_some() {
            let row: RejectedRow = place.rejected(problem, &beginning);
            sink.reject(row)?;
        }
        Ok(true)
    })?;
    if !usage && others > 0 {
        sink.warn(format!(
            "none of the {others} log entries is of a request or of the end of an execution: export the log `run.googleapis.com/requests`, or `cloudfunctions.googleapis.com/cloud-functions` of a function"
        ));
    }
    functions.finish(sink);
    missing.warn(sink);
    Ok(())
}

/// The record of an entry, if it is usage.
fn record(entry: &LogEntry, functions: &mut FunctionsLog<'_>, defaults: &Defaults) -> Result<Option<Record>, String> {
    match Service::of(&entry.resource.kind) {
        Some(Service::Functions) => {
            // What a function prints has another severity.
            let by_platform = entry.severity.as_deref().is_none_or(|severity| severity == "DEBUG");
            let Some(text) = entry.text_payload.as_deref().filter(|_| by_platform) else { return Ok(None) };
            let Some(message) = Message::parse(text.trim_end())? else { return Ok(None) };
            let mut row = Invocation::default();
            entry.place_in(&mut row);
            let id = entry.labels.get("execution_id").or(entry.insert_id.as_ref());
            Ok(functions.message(row, id.map(String::as_str), Some(entry.time_us()?), message))
        }
        Some(Service::Run) => gcp_cloud_run::record(entry, defaults),
        None => Ok(None),
    }
}

/// What the log did not say, and nobody declared, although amounts depend on it.
#[derive(Default)]
pub(super) struct Missing {
    sizes: BTreeSet<String>,
    concurrency: BTreeSet<String>,
}

impl Missing {
    pub(super) fn look_at(&mut self, record: &Record) {
        let crate::record::Usage::Invocation(row) = &record.usage else { return };
        let name = || row.resource.clone().unwrap_or_else(|| "(no name)".into());
        let run = row.service == gcp_cloud_run::SERVICE;
        if row.memory_mb.is_none() || (run && row.vcpu_milli.is_none()) {
            self.sizes.insert(name());
        }
        if run && row.concurrency.is_none() {
            self.concurrency.insert(name());
        }
        for names in [&mut self.sizes, &mut self.concurrency] {
            if names.len() > NAMES_MAX {
                names.pop_last();
            }
        }
    }

    pub(super) fn warn(&self, sink: &mut dyn Sink) {
        let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        if !self.sizes.is_empty() {
            sink.warn(format!(
                "the log does not say memory and CPU: declare `memory_mb` and `vcpu_milli` for {} with `--defaults FILE`, or their time has no amount",
                list(&self.sizes)
            ));
        }
        if !self.concurrency.is_empty() {
            sink.warn(format!(
                "Cloud Run bills the time of instances: for {} the time of each request is taken, which is right with a concurrency of 1 and too much above; declare `concurrency` with `--defaults FILE`",
                list(&self.concurrency)
            ));
        }
    }
}
