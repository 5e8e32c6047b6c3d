//! What the tests of formats share: a sink that keeps everything, the collection of real files, and made-up lines.
use std::fs;
use std::io::{BufRead, Write};
use std::path::PathBuf;

use paygrain_formats::Defaults;
use paygrain_formats::error::IngestError;
use paygrain_formats::format::{self, Origin, Sink};
use paygrain_formats::record::{EventTime, Invocation, MeteredQuantity, Record, RejectedRow, Request, Usage};

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub records: Vec<Record>,
    pub rejected: Vec<RejectedRow>,
    pub warnings: Vec<String>,
}

impl Sink for Collected {
    fn record(&mut self, record: Record) -> Result<(), IngestError> {
        self.records.push(record);
        Ok(())
    }

    fn reject(&mut self, row: RejectedRow) -> Result<(), IngestError> {
        self.rejected.push(row);
        Ok(())
    }

    fn warn(&mut self, message: String) {
        self.warnings.push(message);
    }
}

impl Collected {
    pub fn invocations(&self) -> Vec<&Invocation> {
        self.records
            .iter()
            .map(|record| match &record.usage {
                Usage::Invocation(row) => &**row,
                other => panic!("not an invocation: {other:?}"),
            })
            .collect()
    }

    pub fn requests(&self) -> Vec<&Request> {
        self.records
            .iter()
            .map(|record| match &record.usage {
                Usage::Request(row) => &**row,
                other => panic!("not a request: {other:?}"),
            })
            .collect()
    }

    pub fn metered(&self) -> Vec<&MeteredQuantity> {
        self.records
            .iter()
            .map(|record| match &record.usage {
                Usage::MeteredQuantity(row) => &**row,
                other => panic!("not a metered quantity: {other:?}"),
            })
            .collect()
    }

    pub fn billed_ms(&self) -> i64 {
        self.invocations().iter().filter_map(|row| row.billed_ms).sum()
    }

    pub fn key(&self) -> Vec<(EventTime, [u8; 16])> {
        self.records.iter().map(|record| (record.time, record.key.0)).collect()
    }
}

pub fn parse_with(format: &str, input: &mut dyn BufRead, defaults: &Defaults) -> Collected {
    let (collected, outcome) = try_parse(format, input, defaults);
    outcome.unwrap();
    collected
}

/// As [`parse_with`], of a file that may be refused as a whole.
pub fn try_parse_with(format: &str, input: &mut dyn BufRead, defaults: &Defaults) -> Result<Collected, String> {
    let (collected, outcome) = try_parse(format, input, defaults);
    outcome.map(|()| collected).map_err(|error| error.to_string())
}

/// As [`parse_with`], also where the file as a whole is refused.
pub fn try_parse(format: &str, input: &mut dyn BufRead, defaults: &Defaults) -> (Collected, Result<(), IngestError>) {
    let mut collected = Collected::default();
    let outcome = format::by_name(format).unwrap().parse(input, &Origin { name: "", defaults }, &mut collected);
    (collected, outcome)
}

pub fn parse(format: &str, text: &str) -> Collected {
    parse_with(format, &mut text.as_bytes(), &Defaults::default())
}

pub const TEXT: &str = "aws-lambda-text";
pub const JSON: &str = "aws-lambda-json";
pub const INSIGHTS: &str = "aws-lambda-insights";
pub const S3: &str = "aws-s3-access";

pub fn shared() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/formats");
    if !folder.is_dir() {
        // Past the test runner, which keeps what passing tests print.
        let _ = writeln!(std::io::stderr(), "skipped: no collection of real files at {}", folder.display());
        return None;
    }
    Some(folder)
}

pub fn real(folder: &str, name: &str, format: &str) -> Option<Collected> {
    let bytes = fs::read(shared()?.join(folder).join(name)).unwrap();
    let (detected, _) = format::detect(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(detected.name(), format, "{name}");
    Some(parse_with(format, &mut bytes.as_slice(), &Defaults::default()))
}

pub const ID: &str = "0b1e7a52-93c4-4d6f-8e21-5a7c9d3f1b60";

/// The same event in every envelope: a cold start of `resize` in account 123456789012, logged at 2026-10-05T17:00:01.234Z.
pub fn envelopes() -> Vec<(&'static str, &'static str, String)> {
    let report = format!(
        "REPORT RequestId: {ID}\tDuration: 101.25 ms\tBilled Duration: 102 ms\tMemory Size: 512 MB\tMax Memory Used: 77 MB\tInit Duration: 200.10 ms\t"
    );
    let escaped = report.replace('\t', "\\t");
    let twice = report.replace('\t', "\\\\t");
    let platform = format!(
        r#"{{"time":"2026-10-05T17:00:01.234Z","type":"platform.report","record":{{"requestId":"{ID}","metrics":{{"durationMs":101.250,"billedDurationMs":102,"memorySizeMB":512,"maxMemoryUsedMB":77,"initDurationMs":200.1}},"status":"success"}}}}"#
    );
    let at = 1_791_219_601_234_i64;
    let stream = "2026/10/05/[$LATEST]c07fd1e2b3a495867768594a3b2c1d0e";
    let event = |message: &str| {
        format!(
            r#"{{"logStreamName":"{stream}","timestamp":{at},"message":"{message}","ingestionTime":{at},"eventId":"1"}}"#
        )
    };
    let (one, two) = (event(&format!("{escaped}\\n")), event("END RequestId: x\\n"));
    let in_event = event(&platform.replace('"', "\\\""));
    vec![
        ("console", TEXT, format!("2026-10-05T17:00:01.234Z {report}\n")),
        ("console, spaces", TEXT, format!("2026-10-05T17:00:01.234Z\t{}", report.replace('\t', " "))),
        ("literal tabs", TEXT, format!("2026-10-05T17:00:01.234Z {escaped}\r\n")),
        ("aws logs tail", TEXT, format!("2026-10-05T17:00:01.234000+00:00 {stream} {report}\n")),
        ("sam logs", TEXT, format!("\x1b[36m{stream}\x1b[0m \x1b[33m2026-10-05T17:00:01.234000\x1b[0m {report}\n")),
        ("group first", TEXT, format!("/aws/lambda/resize {stream} 2026-10-05T17:00:01.234Z {report}\n")),
        ("another zone", TEXT, format!("2026-10-05T19:00:01.234+02:00 {report}\n")),
        ("aws logs tail, JSON format", TEXT, format!("2026-10-05T17:00:01.234000+00:00 {stream} {platform}\n")),
        (
            "export with X-Ray",
            TEXT,
            format!("2026-10-05T17:00:01.234Z {report}\nXRAY TraceId: 1-00000000\tSegmentId: 07\n\n"),
        ),
        ("filter-log-events", JSON, format!(r#"{{"events":[{two},{one}],"searchedLogStreams":[],"nextToken":"x"}}"#)),
        ("pages", JSON, format!(r#"{{"events":[{two}]}}{{"events":[{one}]}}"#)),
        ("array", JSON, format!("[{two},\n{one}]")),
        ("lines", JSON, format!("{two}\n{one}\n")),
        ("twice escaped", JSON, format!(r#"{{"events":[{}]}}"#, event(&format!("{twice}\\\\n")))),
        ("JSON in an event", JSON, format!(r#"{{"events":[{in_event}]}}"#)),
        (
            "subscription",
            JSON,
            format!(
                r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/lambda/resize","logStream":"{stream}","logEvents":[{{"id":"3","timestamp":{at},"message":"{escaped}\n"}}]}}"#
            ),
        ),
        (
            "subscription, sorted by name",
            JSON,
            format!(
                r#"{{"logEvents":[{{"id":"3","timestamp":{at},"message":"{escaped}\n"}}],"logGroup":"/aws/lambda/resize","logStream":"{stream}","messageType":"DATA_MESSAGE","owner":"123456789012"}}"#
            ),
        ),
        (
            "JSON log format",
            JSON,
            format!(
                "{{\"timestamp\":\"2026-10-05T17:00:01Z\",\"level\":\"INFO\",\"requestId\":\"{ID}\",\"message\":\"{escaped}\"}}\nEXTENSION\tName: agent{platform}\n"
            ),
        ),
        ("Logs API", JSON, format!("[{platform}]")),
        (
            "Insights",
            JSON,
            format!(
                r#"{{"status":"Complete","results":[[{{"field":"@timestamp","value":"2026-10-05 17:00:01.234"}},{{"field":"@message","value":"{escaped}"}}]]}}"#
            ),
        ),
        (
            "Insights without the message",
            JSON,
            format!(
                r#"{{"results":[[{{"field":"@timestamp","value":"2026-10-05 17:00:01.234"}},{{"field":"@requestId","value":"{ID}"}},{{"field":"@type","value":"REPORT"}},{{"field":"@duration","value":"101.25"}},{{"field":"@billedDuration","value":"102.0"}},{{"field":"@memorySize","value":"5.12E8"}},{{"field":"@maxMemoryUsed","value":"7.7E7"}},{{"field":"@initDuration","value":"200.1"}}]]}}"#
            ),
        ),
    ]
}

/// Text as it is carried by streams: compressed, in base64.
pub fn base64_gzip(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(gzip(text))
}

/// Text as one gzip member.
pub fn gzip(text: &str) -> Vec<u8> {
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    member.write_all(text.as_bytes()).unwrap();
    member.finish().unwrap()
}

/// One line of the JSON log format.
pub fn platform(id: &str) -> String {
    format!(
        r#"{{"time":"2026-10-05T17:00:01.234Z","type":"platform.report","record":{{"requestId":"{id}","metrics":{{"durationMs":1.5,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":7}},"status":"success"}}}}"#
    )
}

pub const OWNER: &str = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";

/// One line of an access log.
pub fn s3_line(requester: &str, operation: &str, middle: &str, agent: &str) -> String {
    format!(
        "{OWNER} photos [05/Oct/2026:17:00:01 +0000] 203.0.113.9 {requester} A1B2C3D4E5F60718 {operation} a%2520b.jpg {middle} \"-\" {agent} - hostid= SigV4 TLS_AES_128_GCM_SHA256 AuthHeader photos.s3.amazonaws.com TLSv1.3 - -"
    )
}
