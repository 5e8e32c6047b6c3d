//! Usage logs and storage logs of Cloud Storage: CSV with a header, an object an hour of requests, one a day of bytes.
//!
//! Both are delivered on a best effort, late and now and then twice. A storage log does not say its day: that is in the
//! name of the file.

use std::io::BufRead;
use std::net::IpAddr;

use crate::error::IngestError;
use crate::format::csv_table::{self, CsvRow, TableReader};
use crate::format::{Format, Origin, Recognition, Sink, aws_s3_access, decimal, timestamp};
use crate::record::{EventTime, Record, RecordKey, Request, StoredBytes, Usage};

/// The service in the words of the price books.
const SERVICE: &str = "storage";

/// Columns that only usage logs have.
const USAGE_COLUMNS: [&str; 4] = ["time_micros", "s_request_id", "cs_operation", "cs_bucket"];
/// All columns of a storage log.
const STORAGE_COLUMNS: [&str; 2] = ["bucket", "storage_byte_hours"];

const HOURS_PER_DAY: i64 = 24;
const DAY_US: i64 = 86_400_000_000;

/// `gcp-gcs-usage`.
pub struct GcpGcsUsage;

impl Format for GcpGcsUsage {
    fn name(&self) -> &'static str {
        "gcp-gcs-usage"
    }

    fn description(&self) -> &'static str {
        "Cloud Storage usage logs and storage logs: CSV as Cloud Storage delivers it into a log bucket"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let because = match Log::of(&csv_table::header_of(head)?)? {
            Log::Usage => "it has the columns of a Cloud Storage usage log",
            Log::Storage => "it has the columns of a Cloud Storage storage log",
        };
        Some(Recognition { because: because.into() })
    }

    /// The storage logs of two days have the same bytes if nothing changed in between.
    fn told_by_name(&self, name: &str) -> Option<String> {
        day_of(name).map(|day_us| day_us.to_string())
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut reader = Reader { origin, log: Log::Usage, columns: Vec::new(), day_us: None, logs: 1 };
        csv_table::read(input, Some(b','), &mut reader, sink)
    }
}

/// Which log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Usage,
    Storage,
}

impl Log {
    fn of(names: &[String]) -> Option<Self> {
        if USAGE_COLUMNS.iter().all(|column| names.iter().any(|name| name == column)) {
            return Some(Log::Usage);
        }
        (names == STORAGE_COLUMNS).then_some(Log::Storage)
    }
}

struct Reader<'a> {
    origin: &'a Origin<'a>,
    log: Log,
    columns: Vec<String>,
    /// When the day of a storage log began.
    day_us: Option<i64>,
    /// Logs that were put together in the file so far.
    logs: u64,
}

impl TableReader for Reader<'_> {
    fn header(&mut self, names: &[String], sink: &mut dyn Sink) -> Result<(), IngestError> {
        self.log = Log::of(names).ok_or_else(|| {
            let usage = USAGE_COLUMNS.join("`, `");
            let problem = format!("expected the columns `{usage}` of a usage log, or `bucket`, `storage_byte_hours`");
            IngestError::WrongColumns { problem }
        })?;
        self.columns = names.to_vec();
        if self.log == Log::Storage {
            self.day_us = day_of(self.origin.name);
            if self.day_us.is_none() {
                sink.warn("the day of a storage log is in its name, such as `…_storage_2026_10_05_07_00_00_….csv`; this name has none".into());
            }
        }
        Ok(())
    }

    fn row(&mut self, row: &CsvRow<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let is_header = self.columns.iter().enumerate().all(|(place, name)| row.text(place) == Some(name));
        if is_header {
            self.logs += 1;
            return Ok(());
        }
        let record = match self.log {
            Log::Usage => self.usage(row),
            Log::Storage => self.storage(row, row.text(1).unwrap_or_default()),
        };
        match record {
            Ok(record) => sink.record(record),
            Err(reason) => sink.reject(row.rejected(reason)),
        }
    }

    /// Logs have no line end at their end: where several were put together, a row goes on with the next header.
    fn ragged(&mut self, row: &CsvRow<'_>, sink: &mut dyn Sink) -> Result<bool, IngestError> {
        let Some((first, others)) = self.columns.split_first() else { return Ok(false) };
        let last = others.len();
        let glued = format!("\"{first}");
        let Some(value) = row.text(last).and_then(|text| text.strip_suffix(&glued)) else { return Ok(false) };
        let follows = others.iter().enumerate().all(|(place, name)| row.text(last + 1 + place) == Some(name));
        if !follows || row.text(2 * last + 1).is_some() {
            return Ok(false);
        }
        let record = match self.log {
            Log::Usage => self.usage(row),
            Log::Storage => self.storage(row, value),
        };
        self.logs += 1;
        match record {
            Ok(record) => sink.record(record)?,
            Err(reason) => sink.reject(row.rejected(reason))?,
        }
        Ok(true)
    }
}

impl Reader<'_> {
    /// A request. The key is its id; what the system does by itself may have none, and is told apart by its object.
    fn usage(&self, row: &CsvRow<'_>) -> Result<Record, String> {
        let number = |name: &str| {
            let parsed = row.value(name).map(|text| decimal::exact(text, 0)).transpose();
            parsed.map_err(|problem| format!("`{name}` {problem}"))
        };
        let time = number("time_micros")?.ok_or("`time_micros` is empty")?;
        if timestamp::epoch_ms(time / 1_000).is_none() {
            return Err(format!("`time_micros` is `{time}`, which is out of range"));
        }
        let status = row.value("sc_status");
        let bucket = row.value("cs_bucket");
        let operation = row.value("cs_operation");
        let request_id = row.value("s_request_id");
        let mut request = Request {
            provider: "gcp".into(),
            service: SERVICE.into(),
            resource: bucket.map(str::to_owned),
            operation: operation.map(|operation| billed_as(operation, status).to_owned()),
            status: status.map(str::to_owned),
            request_bytes: number("cs_bytes")?,
            response_bytes: number("sc_bytes")?,
            source: Some(source(row.value("c_ip")).into()),
            request_id: request_id.map(str::to_owned),
            duration_us: number("time_taken_micros")?,
            ..Request::default()
        };
        self.origin.defaults.complete_request(&mut request);
        let key = match request_id {
            Some(id) => RecordKey::of(&[Some("gcs-usage"), Some(id)]),
            None => RecordKey::of(&[Some("gcs-usage"), None, bucket, operation, row.value("cs_uri")]),
        };
        Ok(Record { time: EventTime::Logged(time), key, usage: Usage::Request(Box::new(request)) })
    }

    /// What a bucket held over a day, as byte-hours.
    fn storage(&self, row: &CsvRow<'_>, byte_hours: &str) -> Result<Record, String> {
        if self.logs > 1 {
            return Err(
                "another storage log begins here, and its day was in the name of its own file: ingest them one by one"
                    .into(),
            );
        }
        let bucket = row.value("bucket").ok_or("`bucket` is empty")?;
        let byte_hours =
            decimal::exact(byte_hours.trim(), 0).map_err(|problem| format!("`storage_byte_hours` {problem}"))?;
        let mut stored = StoredBytes {
            provider: "gcp".into(),
            service: SERVICE.into(),
            resource: Some(bucket.to_owned()),
            // The log is an average already: it is kept to the nearest byte.
            bytes: Some(byte_hours / HOURS_PER_DAY + i64::from(byte_hours % HOURS_PER_DAY * 2 >= HOURS_PER_DAY)),
            held_us: Some(DAY_US),
            ..StoredBytes::default()
        };
        self.origin.defaults.complete_stored_bytes(&mut stored);
        let key = RecordKey::of(&[Some("gcs-storage"), Some(bucket)]);
        let time = self.day_us.map_or(EventTime::Assumed, EventTime::Logged);
        Ok(Record { time, key, usage: Usage::StoredBytes(Box::new(stored)) })
    }
}

/// When the day began that `…_storage_2026_10_05_07_00_00_….csv` is of: logs are named after the beginning of what they
/// are of, a day of theirs begins at midnight on the Pacific coast.
fn day_of(name: &str) -> Option<i64> {
    let (_, stamp) = name.rsplit_once("_storage_")?;
    let parts: Vec<&str> = stamp.split(['_', '.']).take(6).collect();
    let [year, month, day, hour, minute, second] = parts[..] else { return None };
    timestamp::iso(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

/// `internet` for requests from outside, `gcp` for those of the system and from private addresses.
fn source(client: Option<&str>) -> &'static str {
    match client.map(str::parse::<IpAddr>) {
        Some(Ok(ip)) if !aws_s3_access::is_private(ip) => "internet",
        _ => "gcp",
    }
}

/// The class an operation is billed as: `class-a`, `class-b` or `free`.
///
/// Answers of 307, 4xx and 5xx are not billed. The exception cannot be seen here: 404 of a bucket that is a website with
/// a page for it.
fn billed_as<'a>(operation: &'a str, status: Option<&str>) -> &'a str {
    if status.is_some_and(|status| status == "307" || status.starts_with('4') || status.starts_with('5')) {
        return "free";
    }
    if let Some(method) = operation.strip_prefix("storage.") {
        return billed_as_json(method);
    }
    let (verb, what) = operation.split_once('_').unwrap_or((operation, ""));
    match (verb, what) {
        ("GET", "Bucket" | "Service") | ("PUT" | "POST", _) => "class-a",
        ("GET" | "HEAD", _) => "class-b",
        ("DELETE" | "OPTIONS", _) => "free",
        _ => operation,
    }
}

/// The class of an operation of the JSON API, without its `storage.`.
fn billed_as_json(method: &str) -> &'static str {
    let (what, verb) = method.rsplit_once('.').unwrap_or(("", method));
    let is_rule = what.ends_with("AccessControls") || what == "notifications";
    match verb {
        "get" | "getIamPolicy" | "testIamPermissions" => "class-b",
        "list" if is_rule => "class-b",
        "delete" if !is_rule => "free",
        "stop" => "free",
        _ => "class-a",
    }
}
