//! What all envelopes of AWS Lambda logs share: one log event in, at most one invocation out.
//!
//! Only REPORT events are usage. START, END, INIT_REPORT and the like are never billed: their time is inside a REPORT or
//! free. Billed durations are taken as reported and never recomputed; there is no date at which the rules changed for
//! everybody.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::defaults::Defaults;
use crate::error::{IngestError, excerpt};
use crate::format::line::Place;
use crate::format::{Origin, Sink, timestamp};
use crate::record::{EventTime, Invocation, RecordKey, RejectedRow};

use report::Report;
use source::FunctionArn;

mod report;
mod source;

/// How many executions we remember between their START and their REPORT. Above it all are forgotten: they only add the
/// version and how it ended, never an amount.
const NOTES_MAX: usize = 50_000;

/// Logs Insights returns no more rows than this, without saying that there were more.
const INSIGHTS_ROWS_MAX: u64 = 10_000;

/// How the message of an event begins when it is a REPORT.
const REPORT_BEGINS: &[u8] = b"REPORT RequestId:";
/// And when it is a START.
const START_BEGINS: &[u8] = b"START RequestId: ";

/// What the envelope says about an event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Event<'a> {
    /// When it was logged, in microseconds since 1970 UTC.
    pub(super) time: Option<i64>,
    /// Log group.
    pub(super) group: Option<&'a str>,
    /// Log stream.
    pub(super) stream: Option<&'a str>,
    /// Account that owns the log group.
    pub(super) account: Option<&'a str>,
    /// Region of the log group.
    pub(super) region: Option<&'a str>,
    /// Where it is in the file.
    pub(super) place: Place,
}

/// What a message is, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A line of the platform, with the word it begins with.
    Platform(&'static str),
    /// An event of the platform as JSON.
    PlatformJson,
    /// Written by the function, or anything else.
    Other,
}

impl Kind {
    /// Looks at the beginning only: text of this shape inside application output is not of the platform.
    pub(super) fn of(message: &[u8]) -> Self {
        const BEGINNINGS: [(&str, &[u8]); 10] = [
            ("REPORT", REPORT_BEGINS),
            ("START", START_BEGINS),
            ("END", b"END RequestId: "),
            ("INIT_START", b"INIT_START Runtime Version: "),
            ("INIT_REPORT", b"INIT_REPORT Init Duration: "),
            ("RESTORE_START", b"RESTORE_START Runtime Version: "),
            ("RESTORE_REPORT", b"RESTORE_REPORT Restore Duration: "),
            ("XRAY", b"XRAY TraceId: "),
            ("EXTENSION", b"EXTENSION\tName: "),
            ("LOGS", b"LOGS\tName: "),
        ];
        let Some(first) = message.first() else { return Kind::Other };
        if *first == b'{' {
            let platform = memchr::memmem::find(message, b"\"platform.").is_some();
            return if platform { Kind::PlatformJson } else { Kind::Other };
        }
        let mut candidates = BEGINNINGS.iter().filter(|(_, beginning)| beginning.first() == Some(first));
        let found = candidates.find(|(_, beginning)| message.starts_with(beginning));
        found.map_or(Kind::Other, |(word, _)| Kind::Platform(word))
    }
}

/// Whether a message that the end of the file cuts off would have become a REPORT.
pub(super) fn is_cut_report(message: &[u8]) -> bool {
    message.starts_with(b"REPORT") && REPORT_BEGINS.starts_with(message)
}

/// Turns the events of one file into records.
pub(super) struct LambdaLog<'a> {
    defaults: &'a Defaults,
    sink: &'a mut dyn Sink,
    notes: HashMap<String, Note>,
    /// The last START, which the REPORT of the same execution mostly follows; it is not among the notes yet.
    latest: Latest,
    /// Log streams whose environment was started for provisioned concurrency.
    provisioned: HashSet<String>,
    /// Log group and log stream by the path of the file.
    path: source::OfPath,
    without_time: u64,
    dropped: u64,
    managed: u64,
}

/// What earlier events said about an execution.
#[derive(Default)]
struct Note {
    version: Option<String>,
    arn: Option<String>,
    ended: Option<&'static str>,
}

/// The last START, kept where the one before it was.
#[derive(Default)]
struct Latest {
    request_id: String,
    version: String,
    has_version: bool,
}

impl Latest {
    fn note(&self) -> Note {
        Note { version: self.has_version.then(|| self.version.clone()), ..Note::default() }
    }
}

/// An event of the platform in JSON.
#[derive(Deserialize)]
struct PlatformEvent<'a> {
    #[serde(rename = "type")]
    kind: String,
    time: Option<String>,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct PlatformStart {
    #[serde(rename = "requestId")]
    request_id: String,
    version: Option<String>,
    #[serde(rename = "functionArn")]
    function_arn: Option<String>,
}

#[derive(Deserialize)]
struct PlatformInitStart<'a> {
    #[serde(rename = "initializationType")]
    initialization_type: &'a str,
}

#[derive(Deserialize)]
struct LogsDropped {
    #[serde(rename = "droppedRecords")]
    dropped_records: Option<u64>,
}

impl<'a> LambdaLog<'a> {
    pub(super) fn new(origin: &Origin<'a>, sink: &'a mut dyn Sink) -> Self {
        LambdaLog {
            defaults: origin.defaults,
            sink,
            notes: HashMap::new(),
            latest: Latest::default(),
            provisioned: HashSet::new(),
            path: source::of_path(origin.name),
            without_time: 0,
            dropped: 0,
            managed: 0,
        }
    }

    /// Hands over a row that is no event.
    pub(super) fn reject(&mut self, row: RejectedRow) -> Result<(), IngestError> {
        self.sink.reject(row)
    }

    /// Something to know about the whole file.
    pub(super) fn warn(&mut self, message: String) {
        self.sink.warn(message);
    }

    /// Takes one log event.
    pub(super) fn message(&mut self, event: &Event<'_>, message: &[u8]) -> Result<(), IngestError> {
        self.message_of_kind(event, Kind::of(message), message)
    }

    /// Takes one log event that has been looked at.
    pub(super) fn message_of_kind(&mut self, event: &Event<'_>, kind: Kind, message: &[u8]) -> Result<(), IngestError> {
        match kind {
            Kind::Platform("REPORT") => {
                let report = std::str::from_utf8(message)
                    .map_err(|_| "the REPORT line is not valid UTF-8".to_owned())
                    .and_then(|text| Report::from_text(&text[REPORT_BEGINS.len()..]));
                match report {
                    Ok(report) => self.report(event, report),
                    Err(reason) => self.sink.reject(event.place.rejected(reason, message)),
                }
            }
            Kind::Platform("START") => {
                self.started(message);
                Ok(())
            }
            Kind::Platform(_) => Ok(()),
            Kind::PlatformJson => self.platform_json(event, message),
            Kind::Other => {
                self.ended(message);
                Ok(())
            }
        }
    }

    /// Takes an event of the platform in JSON; its own time wins over the envelope's, so that it is the same with and
    /// without one.
    pub(super) fn platform_json(&mut self, event: &Event<'_>, json: &[u8]) -> Result<(), IngestError> {
        let parsed: PlatformEvent<'_> = match serde_json::from_slice(json) {
            Ok(parsed) => parsed,
            // Application output may well mention the platform; only a report that we cannot read is a loss.
            Err(_) if memchr::memmem::find(json, b"\"platform.report\"").is_none() => return Ok(()),
            Err(error) => {
                return self.sink.reject(event.place.rejected(format!("not a valid platform.report: {error}"), json));
            }
        };
        let record = parsed.record.map_or("null", RawValue::get);
        match parsed.kind.as_str() {
            "platform.report" => {
                let report = Report::from_json(record).and_then(|report| match &parsed.time {
                    None => Ok((report, event.time)),
                    Some(text) => match timestamp::iso(text) {
                        Some(time) => Ok((report, Some(time))),
                        None => Err(format!("`time` is `{text}`, expected an ISO 8601 time")),
                    },
                });
                match report {
                    Ok((report, time)) => self.report(&Event { time, ..*event }, report),
                    Err(reason) => self.sink.reject(event.place.rejected(reason, json)),
                }
            }
            "platform.start" => {
                if let Ok(start) = serde_json::from_str::<PlatformStart>(record) {
                    let note = Note { version: start.version, arn: start.function_arn, ended: None };
                    self.remember_latest();
                    self.note(start.request_id, note);
                }
                Ok(())
            }
            "platform.initStart" => {
                self.environment(event, record);
                Ok(())
            }
            "platform.logsDropped" => {
                let dropped = serde_json::from_str(record).unwrap_or(LogsDropped { dropped_records: None });
                self.dropped = self.dropped.saturating_add(dropped.dropped_records.unwrap_or(1));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes a row of Logs Insights by its fields, also of a query that leaves out the message. `around` is what stands
    /// around the table.
    pub(super) fn insights<'f>(
        &mut self,
        around: &Event<'f>,
        field: impl Fn(&str) -> Option<&'f str>,
    ) -> Result<(), IngestError> {
        // `@log` is the account and the log group.
        let (account, group) = field("@log").and_then(|log| log.split_once(':')).unzip();
        let message = field("@message");
        // Of the message of a JSON log format, Logs Insights makes fields as well.
        let platform_report = field("type") == Some("platform.report");
        let time = platform_report.then(|| field("time")).flatten().or_else(|| field("@timestamp"));
        let event = Event {
            time: time.and_then(|text| timestamp::iso(text).or_else(|| timestamp::epoch_ms(text.parse().ok()?))),
            group: group.or(around.group),
            stream: field("@logStream"),
            account: account.or_else(|| field("@aws.account")),
            region: field("@aws.region").or(around.region),
            place: around.place,
        };
        let is_report = match message {
            Some(message) => Kind::of(message.as_bytes()) == Kind::Platform("REPORT"),
            None => platform_report || field("@type") == Some("REPORT") || field("@billedDuration").is_some(),
        };
        if let (true, Some(text), None) = (is_report, time, event.time) {
            let reason =
                format!("the time is `{}`, expected one like `2026-10-31 09:30:00.000`", excerpt(text.as_bytes()));
            return self.sink.reject(event.place.rejected(reason, message.unwrap_or_default().as_bytes()));
        }
        match message {
            Some(message) => self.message(&event, message.as_bytes()),
            None if is_report => match Report::from_insights(field) {
                Ok(report) => self.report(&event, report),
                Err(reason) => self.sink.reject(event.place.rejected(reason, b"")),
            },
            None => Ok(()),
        }
    }

    /// Ends the answer to one query of Logs Insights.
    pub(super) fn insights_end(&mut self, rows: u64) {
        if rows == INSIGHTS_ROWS_MAX {
            self.sink.warn(format!(
                "metering incomplete: Logs Insights returned {INSIGHTS_ROWS_MAX} rows, its limit; there may be more"
            ));
        }
    }

    /// Says what concerns the file as a whole.
    pub(super) fn finish(self) {
        if self.without_time > 0 {
            self.sink.warn(format!(
                "{} invocations have no time in the log: the time of the upload stands in; `--at TIME` sets it",
                self.without_time
            ));
        }
        if self.dropped > 0 {
            self.sink.warn(format!(
                "metering incomplete: {} log records were dropped before they reached this file (platform.logsDropped)",
                self.dropped
            ));
        }
        if self.managed > 0 {
            self.sink.warn(format!(
                "{} invocations ran on Managed Instances, whose reports have neither billed duration nor memory: they \
                 count as requests; the instances are billed by the hour and are not in this log",
                self.managed
            ));
        }
    }

    /// Remembers what an environment was started for; its log stream holds nothing but its executions.
    fn environment(&mut self, event: &Event<'_>, record: &str) {
        let started = serde_json::from_str::<PlatformInitStart<'_>>(record);
        let stream = event.stream.or(self.path.stream.as_deref());
        let (Some(stream), Ok(started)) = (stream, started) else { return };
        if started.initialization_type == "provisioned-concurrency" && self.provisioned.len() < NOTES_MAX {
            self.provisioned.insert(stream.to_owned());
        }
    }

    /// Remembers the version of `START RequestId: <id> Version: <version>`.
    fn started(&mut self, message: &[u8]) {
        let Ok(text) = std::str::from_utf8(&message[START_BEGINS.len()..]) else { return };
        // Twice-escaped JSON leaves a literal `\n` behind the version.
        let text = text.split('\\').next().unwrap_or_default();
        let mut words = text.split_ascii_whitespace();
        let Some(request_id) = words.next() else { return };
        let version = (words.next() == Some("Version:")).then(|| words.next()).flatten();
        self.remember_latest();
        if !self.notes.is_empty() {
            self.notes.remove(request_id);
        }
        self.latest.request_id.push_str(request_id);
        self.latest.has_version = version.is_some();
        self.latest.version.clear();
        self.latest.version.push_str(version.unwrap_or_default());
    }

    /// Puts the last START among the notes.
    fn remember_latest(&mut self) {
        if !self.latest.request_id.is_empty() {
            let request_id = std::mem::take(&mut self.latest.request_id);
            let note = self.latest.note();
            self.note(request_id, note);
        }
    }

    /// Remembers how an execution ended, for REPORTs from before they said so themselves.
    fn ended(&mut self, message: &[u8]) {
        let (ended, id) = if memchr::memmem::find(message, b" Task timed out after ").is_some() {
            let time = timestamp::iso_prefix(message).map_or(0, |(_, length)| length);
            ("timeout", message[time..].trim_ascii_start())
        } else if let Some(rest) = message.strip_prefix(b"RequestId: ") {
            let failed = memchr::memmem::find(rest, b" Error: ").is_some()
                || memchr::memmem::find(rest, b" Process exited before completing request").is_some();
            if !failed {
                return;
            }
            ("error", rest)
        } else {
            return;
        };
        let id = id.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        let Ok(id) = std::str::from_utf8(id) else { return };
        self.remember_latest();
        if let Some(note) = self.notes.get_mut(id) {
            note.ended = Some(ended);
        } else if is_uuid(id) {
            self.note(id.to_owned(), Note { ended: Some(ended), ..Note::default() });
        }
    }

    fn note(&mut self, request_id: String, note: Note) {
        if self.notes.len() >= NOTES_MAX {
            self.notes.clear();
        }
        self.notes.insert(request_id, note);
    }

    /// Makes the record of a REPORT.
    fn report(&mut self, event: &Event<'_>, report: Report<'_>) -> Result<(), IngestError> {
        let request_id: &str = &report.request_id;
        let is_latest = !request_id.is_empty() && self.latest.request_id == request_id;
        let note = if is_latest || self.notes.is_empty() {
            Note::default()
        } else {
            self.notes.remove(request_id).unwrap_or_default()
        };
        let noted_version = if is_latest {
            Some(self.latest.version.as_str()).filter(|_| self.latest.has_version)
        } else {
            note.version.as_deref()
        };
        let arn = report.function_arn.as_deref().or(note.arn.as_deref()).and_then(FunctionArn::parse);
        let stream = event.stream.or(self.path.stream.as_deref());
        let group = event.group.or(self.path.group.as_deref());
        let (stream_function, stream_version) = stream.map_or((None, None), source::stream_parts);
        let group_function = group.and_then(|group| group.strip_prefix("/aws/lambda/"));
        let mut row = Invocation {
            provider: "aws",
            service: "lambda",
            account: event.account.or(arn.as_ref().map(|arn| arn.account)),
            region: arn.as_ref().map(|arn| arn.region).or(event.region),
            // A log group of another name may hold several functions; then only the stream tells them apart.
            resource: arn.as_ref().map(|arn| arn.function).or(group_function).or(stream_function),
            version: noted_version.or(stream_version),
            request_id: Some(request_id),
            duration_us: report.duration_us,
            init_us: report.init_us,
            restore_us: report.restore_us,
            billed_ms: report.billed_ms,
            memory_mb: report.memory_mb,
            memory_used_mb: report.memory_used_mb,
            capacity: match () {
                () if report.managed_instance => Some("managed"),
                () if stream.is_some_and(|stream| self.provisioned.contains(stream)) => Some("provisioned"),
                () => None,
            },
            status: report.status.as_deref().or(note.ended).or(Some("success")),
            error_type: report.error_type.as_deref(),
            cold_start: (!report.managed_instance).then_some(report.init_us.is_some() || report.restore_us.is_some()),
            ..Invocation::default()
        };
        self.managed += u64::from(report.managed_instance);
        // Lambda@Edge logs wherever it runs, under the name of the function in its home region.
        if let Some(function) = row.resource.and_then(|name| name.strip_prefix("us-east-1.")) {
            row.resource = Some(function);
            row.capacity = Some("edge");
        }
        self.defaults.complete_invocation(&mut row);
        let time = match event.time {
            // The REPORT is written at the end; the execution belongs to the time at which it began.
            Some(logged) => EventTime::Logged(logged.saturating_sub(row.duration_us.unwrap_or(0))),
            None => {
                self.without_time += 1;
                EventTime::Assumed
            }
        };
        let key = invocation_key(&row, request_id);
        let outcome = self.sink.invocation(time, key, &row);
        if is_latest {
            self.latest.request_id.clear();
        }
        outcome
    }
}

/// The natural key of an invocation, without its time.
///
/// The request id of the platform is unique in the world, so that the same event in envelopes that know more or less
/// (account, function) has one key. A retry reuses the id: then the durations, or else the time, differ. Ids of another
/// shape come from emulators and tests, and only count within their function.
fn invocation_key(row: &Invocation<&str>, request_id: &str) -> RecordKey {
    let mut texts = [itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new()];
    let [duration, billed, memory] = &mut texts;
    let numbers = [
        row.duration_us.map(|number| duration.format(number)),
        row.billed_ms.map(|number| billed.format(number)),
        row.memory_mb.map(|number| memory.format(number)),
    ];
    if is_uuid(request_id) {
        let lower_case;
        let id = if request_id.bytes().fold(false, |any, byte| any | byte.is_ascii_uppercase()) {
            lower_case = request_id.to_ascii_lowercase();
            &lower_case
        } else {
            request_id
        };
        RecordKey::of(&[Some("aws-lambda"), Some(id), numbers[0], numbers[1], numbers[2]])
    } else {
        RecordKey::of(&[
            Some("aws-lambda"),
            Some(request_id),
            numbers[0],
            numbers[1],
            numbers[2],
            row.account,
            row.region,
            row.resource,
        ])
    }
}

fn is_uuid(text: &str) -> bool {
    const DASHES: [usize; 4] = [8, 13, 18, 23];
    let Ok(mut digits) = <[u8; 36]>::try_from(text.as_bytes()) else { return false };
    let mut right = true;
    for at in DASHES {
        right &= digits[at] == b'-';
        digits[at] = b'0';
    }
    // Without an early end, so that many are looked at at once.
    digits
        .iter()
        .fold(right, |right, byte| right & (byte.wrapping_sub(b'0') <= 9 || (byte | 0x20).wrapping_sub(b'a') <= 5))
}
