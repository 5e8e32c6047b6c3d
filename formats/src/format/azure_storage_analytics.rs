//! Logs of requests to Azure Storage: Storage Analytics 1.0 and 2.0, and the resource logs that took their place
//! (`StorageRead`, `StorageWrite`, `StorageDelete`) as JSON.
//!
//! A request in both is one record. Which tier a blob is in, and so what an operation costs, a Storage Analytics log does
//! not say: it is declared by account.

use std::io::{BufRead, Read};

use crate::decompress::ingest_error;
use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::gcp_log_entry::is_json;
use crate::format::line::Lines;
use crate::format::{Format, Origin, Recognition, Sink, aws_s3_access, decimal, timestamp};
use crate::record::{EventTime, Record, RecordKey, Request, Usage};

mod analytics;
mod diagnostics;
mod operation;

/// Lines of the head that detection reads: a few bad ones do not hide the format.
const DETECTION_LINES_MAX: usize = 20;
/// Bytes that tell JSON from text.
const HEAD_BYTES: u64 = 1024;

/// `azure-storage-analytics`.
pub struct AzureStorageAnalytics;

impl Format for AzureStorageAnalytics {
    fn name(&self) -> &'static str {
        "azure-storage-analytics"
    }

    fn description(&self) -> &'static str {
        "Azure Storage request logs: Storage Analytics 1.0 and 2.0, StorageRead/Write/Delete resource logs as JSON"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if is_json(head) {
            return diagnostics::recognise(head);
        }
        for (index, line) in head.split(|byte| *byte == b'\n').take(DETECTION_LINES_MAX).enumerate() {
            let line = String::from_utf8_lossy(line);
            if analytics::entry(plain(&line)).and_then(|entry| entry.record(&Defaults::default())).is_ok() {
                let because = format!("line {} is a Storage Analytics record", index + 1);
                return Some(Recognition { because });
            }
        }
        None
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut head = Vec::new();
        (&mut *input).take(HEAD_BYTES).read_to_end(&mut head).map_err(ingest_error)?;
        let mut input = head.as_slice().chain(input);
        let mut seen = Seen::default();
        if is_json(&head) {
            diagnostics::parse(&mut input, origin.defaults, &mut seen, sink)?;
        } else {
            parse_lines(&mut input, origin.defaults, &mut seen, sink)?;
        }
        if seen.without_tier {
            sink.warn("the log does not say the tier of blobs: declare `storage_class` (`hot`, `cool`) by account with `--defaults FILE`, or their operations have no amount".into());
        }
        Ok(())
    }
}

fn parse_lines(
    input: &mut dyn BufRead,
    defaults: &Defaults,
    seen: &mut Seen,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next()? {
        if line.too_long {
            sink.reject(line.rejected_too_long())?;
            continue;
        }
        // A user agent may be in any encoding; it is not kept.
        let text = String::from_utf8_lossy(line.bytes);
        let text = plain(&text);
        if text.is_empty() {
            continue;
        }
        match analytics::entry(text).and_then(|entry| entry.record(defaults)) {
            Ok(record) => {
                seen.look_at(&record);
                sink.record(record)?;
            }
            Err(reason) => sink.reject(line.rejected(reason))?,
        }
    }
    Ok(())
}

fn plain(line: &str) -> &str {
    line.trim_start_matches('\u{feff}').trim_end()
}

/// What the log did not say although amounts depend on it.
#[derive(Default)]
struct Seen {
    without_tier: bool,
}

impl Seen {
    fn look_at(&mut self, record: &Record) {
        if let Usage::Request(row) = &record.usage {
            self.without_tier |= row.service == "blob" && row.storage_class.is_none();
        }
    }
}

/// A request, as either log says it.
#[derive(Debug, Default)]
struct Entry<'a> {
    time: &'a str,
    /// `blob`, `queue`, `table`, `file`.
    service: &'a str,
    /// Storage account.
    resource: Option<&'a str>,
    /// Subscription.
    account: Option<&'a str>,
    region: Option<&'a str>,
    operation: &'a str,
    status_text: &'a str,
    status: Option<&'a str>,
    duration_ms: Option<&'a str>,
    /// Address and port.
    client: Option<&'a str>,
    request_id: &'a str,
    /// Which operation of a batch.
    operation_count: &'a str,
    request_bytes: Option<&'a str>,
    response_bytes: Option<&'a str>,
    tier: Option<String>,
}

impl Entry<'_> {
    /// Operations of a batch have one request id: the key is that and which of them.
    fn record(&self, defaults: &Defaults) -> Result<Record, String> {
        let number = |name: &str, text: Option<&str>, scale: i32| {
            let parsed = text.map(|text| decimal::exact(text, scale)).transpose();
            parsed.map_err(|problem| format!("`{name}` {problem}"))
        };
        let time = timestamp::iso(self.time).ok_or_else(|| {
            let found = crate::error::excerpt(self.time.as_bytes());
            format!("the time of the request is `{found}`, expected one such as `2026-10-05T17:00:01.2345678Z`")
        })?;
        if self.request_id.is_empty() {
            return Err("there is no id of the request".into());
        }
        number("operation count", Some(self.operation_count), 0)?;
        let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let mut row = Request {
            provider: "azure".into(),
            service: self.service.into(),
            account: text(self.account),
            region: text(self.region),
            resource: text(self.resource),
            operation: Some(operation::billed_as(self.service, self.operation, self.status_text, self.status).into()),
            status: text(self.status),
            request_bytes: number("request body size", self.request_bytes, 0)?,
            response_bytes: number("response body size", self.response_bytes, 0)?,
            storage_class: self.tier.clone(),
            source: self.client.map(source).map(str::to_owned),
            request_id: Some(self.request_id.into()),
            duration_us: number("latency", self.duration_ms, 3)?,
            ..Request::default()
        };
        defaults.complete_request(&mut row);
        let key = RecordKey::of(&[Some("azure-storage"), Some(self.request_id), Some(self.operation_count)]);
        Ok(Record { time: EventTime::Logged(time), key, usage: Usage::Request(Box::new(row)) })
    }
}

/// `azure` for a private address, else `internet`: addresses of Azure itself cannot be told apart.
fn source(client: &str) -> &'static str {
    let address = match client.rsplit_once(':') {
        Some((address, port)) if port.parse::<u16>().is_ok() && !address.ends_with(':') => address,
        _ => client,
    };
    let address = address.trim_start_matches('[').trim_end_matches(']');
    if address.parse().is_ok_and(aws_s3_access::is_private) { "azure" } else { "internet" }
}
