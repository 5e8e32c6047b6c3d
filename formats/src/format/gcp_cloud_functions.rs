//! Logs of Cloud Functions of the first generation: the line with which the platform ends each execution.
//!
//! `Function execution took 426 ms, finished with status code: 200`, as text or in a log entry. Only that line is usage.
//! The log says neither memory nor CPU.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, Cursor, Read};

use crate::decompress::ingest_error;
use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::gcp_log_entry::{self, Missing, Service};
use crate::format::line::Lines;
use crate::format::{Format, Origin, Recognition, Sink, decimal, timestamp};
use crate::record::{EventTime, Invocation, Record, RecordKey, Usage};

/// Executions we remember between their start and their end; above it they are forgotten, and nothing is said of them.
const STARTED_MAX: usize = 50_000;

const MARKER: &str = "Function execution ";

/// How much of the beginning tells JSON from text, in bytes.
const HEAD_BYTES: u64 = 4096;

/// `gcp-cloud-functions`.
pub struct GcpCloudFunctions;

impl Format for GcpCloudFunctions {
    fn name(&self) -> &'static str {
        "gcp-cloud-functions"
    }

    fn description(&self) -> &'static str {
        "Cloud Functions (1st gen) logs: `gcloud functions logs read`, console copy, log entries as JSON"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if gcp_log_entry::is_json(head) {
            return gcp_log_entry::recognise(head, Service::Functions);
        }
        let mut lines = head.split(|byte| *byte == b'\n').enumerate();
        lines.find_map(|(index, line)| {
            let line = TextLine::parse(std::str::from_utf8(line).ok()?.trim())?;
            matches!(Message::parse(line.message), Ok(Some(_)))
                .then(|| Recognition { because: format!("line {} is an execution of a Cloud Function", index + 1) })
        })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        // What the input hands out at once may be white space alone.
        let mut head = Vec::new();
        (&mut *input).take(HEAD_BYTES).read_to_end(&mut head).map_err(ingest_error)?;
        let is_json = gcp_log_entry::is_json(&head);
        let mut input = Cursor::new(head).chain(input);
        if is_json {
            return gcp_log_entry::parse(&mut input, origin.defaults, sink);
        }
        let mut log = FunctionsLog::new(origin.defaults);
        let mut missing = Missing::default();
        let mut lines = Lines::new(&mut input);
        while let Some(line) = lines.next()? {
            if line.too_long {
                sink.reject(line.rejected_too_long())?;
                continue;
            }
            let text = String::from_utf8_lossy(line.bytes);
            let Some(parsed) = TextLine::parse(text.trim()) else { continue };
            let outcome = Message::parse(parsed.message).and_then(|message| {
                let Some(message) = message else { return Ok(None) };
                if let Some(zone) = parsed.zone {
                    return Err(format!("the time is in zone `{zone}`, expected UTC; export the log as JSON"));
                }
                let row = Invocation { resource: parsed.name.map(str::to_owned), ..Invocation::default() };
                Ok(log.message(row, parsed.execution_id, parsed.time, message))
            });
            match outcome {
                Ok(None) => {}
                Ok(Some(record)) => {
                    missing.look_at(&record);
                    sink.record(record)?;
                }
                Err(problem) => sink.reject(line.rejected(problem))?,
            }
        }
        log.finish(sink);
        missing.warn(sink);
        Ok(())
    }
}

/// What the platform says of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// It began.
    Started,
    /// It ended, with a status code of HTTP or with a word.
    Finished {
        /// In microseconds.
        duration_us: i64,
        /// `200`, `ok`, `timeout`, …
        status: &'a str,
        /// Whether a request of HTTP caused it.
        http: bool,
    },
}

impl<'a> Message<'a> {
    /// `None` for other text.
    pub(super) fn parse(text: &'a str) -> Result<Option<Self>, String> {
        let Some(rest) = text.strip_prefix(MARKER) else { return Ok(None) };
        if rest == "started" {
            return Ok(Some(Message::Started));
        }
        let Some(rest) = rest.strip_prefix("took ") else { return Ok(None) };
        let expected =
            || format!("expected `took N ms, finished with status code: 200` or `… status: 'ok'`, found `took {rest}`");
        let (number, rest) = rest.split_once(" ms").ok_or_else(expected)?;
        let duration_us = decimal::exact(number, 3).map_err(|problem| format!("the execution time {problem}"))?;
        let status = rest
            .strip_prefix([',', '.'])
            .and_then(|rest| rest.strip_prefix(' '))
            .and_then(|rest| rest.strip_prefix("finished ").or_else(|| rest.strip_prefix("Finished ")))
            .and_then(|rest| rest.strip_prefix("with status"))
            .ok_or_else(expected)?;
        if let Some(code) = status.strip_prefix(" code: ") {
            let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
            return if is_code {
                Ok(Some(Message::Finished { duration_us, status: code, http: true }))
            } else {
                Err(expected())
            };
        }
        let word = status.strip_prefix(": ").map(|word| word.trim_matches(['\'', '"'])).unwrap_or_default();
        if word.is_empty() || word.contains(['\'', '"']) {
            return Err(expected());
        }
        Ok(Some(Message::Finished { duration_us, status: word, http: false }))
    }
}

/// A line of text that is of the platform.
struct TextLine<'a> {
    time: Option<i64>,
    /// Zone other than UTC that the console wrote.
    zone: Option<&'a str>,
    name: Option<&'a str>,
    execution_id: Option<&'a str>,
    message: &'a str,
}

impl<'a> TextLine<'a> {
    /// Level, name, execution id and time in whatever order the tool puts them; `None` when more stands before the
    /// message or its level is that of application output.
    fn parse(line: &'a str) -> Option<Self> {
        let at = line.find(MARKER)?;
        let (before, message) = line.split_at(at);
        if !(before.is_empty() || before.ends_with(char::is_whitespace)) {
            return None;
        }
        let mut parsed = TextLine { time: None, zone: None, name: None, execution_id: None, message };
        let mut words = Vec::new();
        let mut rest = before.trim();
        while !rest.is_empty() {
            if parsed.time.is_none()
                && let Some((time, length)) = timestamp::iso_prefix(rest.as_bytes())
            {
                parsed.time = Some(time);
                rest = rest.get(length..)?.trim_start();
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let zone = &rest[..end];
                if (2..=5).contains(&zone.len()) && zone.bytes().all(|byte| byte.is_ascii_uppercase()) {
                    rest = rest[end..].trim_start();
                    parsed.zone = Some(zone).filter(|zone| !matches!(*zone, "UTC" | "GMT"));
                }
                continue;
            }
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(&rest[..end]);
            rest = rest[end..].trim_start();
        }
        if let Some(level) = words.first()
            && is_level(level)
        {
            if !matches!(*level, "D" | "DEBUG") {
                return None;
            }
            words.remove(0);
        }
        match words[..] {
            [] => {}
            [id] if is_execution_id(id) => parsed.execution_id = Some(id),
            [name] => parsed.name = Some(name),
            [name, id] => (parsed.name, parsed.execution_id) = (Some(name), Some(id)),
            _ => return None,
        }
        Some(parsed)
    }
}

fn is_level(word: &str) -> bool {
    matches!(word, "D" | "I" | "W" | "E" | "DEBUG" | "INFO" | "NOTICE" | "WARNING" | "ERROR" | "CRITICAL" | "DEFAULT")
}

/// Twelve letters and digits.
fn is_execution_id(word: &str) -> bool {
    word.len() == 12
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_digit())
}

/// Turns messages into records, whatever they came in.
pub(super) struct FunctionsLog<'a> {
    defaults: &'a Defaults,
    started: HashSet<String>,
    /// How often a line without id and time stood in the file.
    repeated: HashMap<[u8; 16], u64>,
    without_time: u64,
}

impl<'a> FunctionsLog<'a> {
    pub(super) fn new(defaults: &'a Defaults) -> Self {
        FunctionsLog { defaults, started: HashSet::new(), repeated: HashMap::new(), without_time: 0 }
    }

    /// Takes a message; `row` has what the envelope says of the function, `id` is that of the execution.
    ///
    /// The key is function, id, duration and status: a retry has the same id, and another time or duration. Times are
    /// compared in milliseconds, because the text envelopes have no more. A line with neither id nor time is one record
    /// for each time it stands in a file.
    pub(super) fn message(
        &mut self,
        mut row: Invocation,
        id: Option<&str>,
        time: Option<i64>,
        message: Message<'_>,
    ) -> Option<Record> {
        let Message::Finished { duration_us, status, http } = message else {
            if let Some(id) = id
                && self.started.len() < STARTED_MAX
            {
                self.started.insert(id.to_owned());
            }
            return None;
        };
        if let Some(id) = id {
            self.started.remove(id);
        }
        row.provider = "gcp".into();
        row.service = "functions".into();
        row.request_id = id.map(str::to_owned);
        row.duration_us = Some(duration_us);
        row.trigger = Some(if http { "http" } else { "event" }.into());
        let ended = match status {
            "timeout" => "timeout",
            "ok" => "success",
            code if http && !code.starts_with('5') => "success",
            _ => "error",
        };
        row.status = Some(ended.into());
        row.error_type = (ended == "error").then(|| status.to_owned());
        self.defaults.complete_invocation(&mut row);
        let duration = duration_us.to_string();
        let parts = [Some("gcp-functions"), row.resource.as_deref(), id, Some(&duration), Some(status)];
        let mut key = RecordKey::of(&parts);
        let time = match time {
            Some(time) => EventTime::Logged(time.div_euclid(1000).saturating_mul(1000).saturating_sub(duration_us)),
            None => {
                self.without_time += 1;
                EventTime::Assumed
            }
        };
        if id.is_none() && time == EventTime::Assumed {
            let count = self.repeated.entry(key.0).or_default();
            *count += 1;
            let count = count.to_string();
            key = RecordKey::of(&[parts[0], parts[1], parts[2], parts[3], parts[4], Some(&count)]);
        }
        Some(Record { time, key, usage: Usage::Invocation(Box::new(row)) })
    }

    /// Says what concerns the file as a whole.
    pub(super) fn finish(&self, sink: &mut dyn Sink) {
        if self.without_time > 0 {
            sink.warn(format!(
                "{} executions have no time in the log: the time of the upload stands in; `--at TIME` sets it",
                self.without_time
            ));
        }
        if !self.started.is_empty() {
            sink.warn(format!(
                "{} executions began whose end is not in the file: they are not counted",
                self.started.len()
            ));
        }
    }
}
