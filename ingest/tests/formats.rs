//! The formats: known totals of real files, one key in every envelope, bad input, and no panic on anything.

use std::fs;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::PathBuf;

use paygrain_ingest::decompress::{self, Compression, Limits};
use paygrain_ingest::error::IngestError;
use paygrain_ingest::format::{self, FORMATS, Sink};
use paygrain_ingest::record::{EventTime, Invocation, Record, RejectedRow, Request, Usage};
use paygrain_ingest::Defaults;
use proptest::prelude::*;

#[derive(Debug, Default, PartialEq, Eq)]
struct Collected {
    records: Vec<Record>,
    rejected: Vec<RejectedRow>,
    warnings: Vec<String>,
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
    fn invocations(&self) -> Vec<&Invocation> {
        self.records
            .iter()
            .map(|record| match &record.usage {
                Usage::Invocation(row) => &**row,
                Usage::Request(row) => panic!("a request: {row:?}"),
            })
            .collect()
    }

    fn requests(&self) -> Vec<&Request> {
        self.records
            .iter()
            .map(|record| match &record.usage {
                Usage::Request(row) => &**row,
                Usage::Invocation(row) => panic!("an invocation: {row:?}"),
            })
            .collect()
    }

    fn billed_ms(&self) -> i64 {
        self.invocations().iter().filter_map(|row| row.billed_ms).sum()
    }

    fn key(&self) -> Vec<(EventTime, [u8; 16])> {
        self.records.iter().map(|record| (record.time, record.key.0)).collect()
    }
}

fn parse_with(format: &str, input: &mut dyn BufRead, defaults: &Defaults) -> Collected {
    let mut collected = Collected::default();
    format::by_name(format).unwrap().parse(input, defaults, &mut collected).unwrap();
    collected
}

fn parse(format: &str, text: &str) -> Collected {
    parse_with(format, &mut text.as_bytes(), &Defaults::default())
}

const TEXT: &str = "aws-lambda-text";
const JSON: &str = "aws-lambda-json";
const S3: &str = "aws-s3-access";

fn shared() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/formats");
    if !folder.is_dir() {
        eprintln!("skipped: no collection of real files at {}", folder.display());
        return None;
    }
    Some(folder)
}

fn real(folder: &str, name: &str, format: &str) -> Option<Collected> {
    let bytes = fs::read(shared()?.join(folder).join(name)).unwrap();
    let (detected, _) = format::detect(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(detected.name(), format, "{name}");
    Some(parse_with(format, &mut bytes.as_slice(), &Defaults::default()))
}

#[test]
fn real_lambda_logs_have_their_known_totals() {
    // File, format, records, rejected rows, billed ms.
    for (name, format, records, rejected, billed_ms) in [
        ("report_variants.log", TEXT, 13, 1, 39_293),
        ("aws_logs_tail_2026-05.txt", TEXT, 1, 0, 19_611),
        ("sam_tail_snapstart.txt", TEXT, 1, 0, 2_521),
        ("init_failure_run_2024-04.txt", TEXT, 1, 0, 3_000),
        ("cloudwatch_s3_export_multiline_2024-02.txt", TEXT, 0, 0, 0),
        ("datadog_event_cloudwatch_logs.json", JSON, 1, 0, 700),
        ("datadog_snapshot_cloudwatch_log_coldstart.json", JSON, 1, 0, 100),
        ("datadog_snapshot_cloudwatch_log_timeout.json", JSON, 1, 0, 3_000),
        ("datadog_snapshot_cloudwatch_customized_log_group_lambda_invocation.json", JSON, 0, 0, 0),
        ("datadog_snapshot_step_functions_log.json", JSON, 0, 0, 0),
        ("awscli_get_log_events_1.json", JSON, 0, 0, 0),
        ("embr_insights_results_retrievedData.json", JSON, 12, 0, 189),
    ] {
        let Some(collected) = real("aws-lambda-logs", name, format) else { return };
        assert_eq!(collected.records.len(), records, "{name}");
        assert_eq!(collected.rejected.len(), rejected, "{name}: {:?}", collected.rejected);
        assert_eq!(collected.billed_ms(), billed_ms, "{name}");
    }
}

#[test]
fn real_lambda_logs_have_their_details() {
    let Some(tail) = real("aws-lambda-logs", "aws_logs_tail_2026-05.txt", TEXT) else { return };
    let row = tail.invocations()[0].clone();
    assert_eq!((row.duration_us, row.init_us, row.memory_mb), (Some(18_711_650), Some(898_450), Some(128)));
    assert_eq!((row.version.as_deref(), row.cold_start), (Some("$LATEST"), Some(true)));
    // 16:10:29.574, less 18.71165 s.
    assert_eq!(tail.records[0].time, EventTime::Logged(1_778_775_029_574_000 - 18_711_650));

    let snap_start = real("aws-lambda-logs", "sam_tail_snapstart.txt", TEXT).unwrap();
    let row = snap_start.invocations()[0].clone();
    assert_eq!((row.restore_us, row.memory_mb, row.version.as_deref()), (Some(398_970), Some(3009), Some("72")));

    let timeout = real("aws-lambda-logs", "init_failure_run_2024-04.txt", TEXT).unwrap();
    assert_eq!(timeout.invocations()[0].status.as_deref(), Some("timeout"));
    assert_eq!(timeout.records[0].time, EventTime::Assumed);
    assert_eq!(timeout.warnings.len(), 1);

    let cold = real("aws-lambda-logs", "datadog_snapshot_cloudwatch_log_coldstart.json", JSON).unwrap();
    let row = cold.invocations()[0].clone();
    assert_eq!(row.account.as_deref(), Some("601427279990"));
    assert_eq!(row.resource.as_deref(), Some("storms-cloudwatch-event"));
    assert_eq!((row.init_us, row.version.as_deref()), (Some(120_960), Some("$LATEST")));

    let insights = real("aws-lambda-logs", "embr_insights_results_retrievedData.json", JSON).unwrap();
    assert_eq!(insights.invocations().iter().filter(|row| row.cold_start == Some(true)).count(), 1);
    assert!(insights.invocations().iter().all(|row| row.memory_mb == Some(128)));
}

#[test]
fn compressed_subscription_payloads_are_read() {
    for name in ["powertools_cloudWatchLogEvent.json", "aws-lambda-go_cloudwatch-logs-event.json"] {
        let Some(collected) = real("events", name, JSON) else { return };
        assert_eq!((collected.records.len(), collected.rejected.len()), (0, 0), "{name}");
    }
}

#[test]
fn real_s3_logs_have_their_known_totals() {
    // File, records, bytes sent with status 2xx.
    for (name, records, bytes) in [
        ("dandi_2020-01-01-05-06-35-0123456789ABCDEF.log", 3, 6_286_489),
        ("dandi_parser_2020-01-01.log", 3, 512 + 1_526_223 + 1_443),
        ("dandi_parser_2022-04-06.log", 5, 6_616_308 + 512 + 1_443),
        ("logstash_s3_access_samples.log", 3, 113),
    ] {
        let Some(collected) = real("s3-access", name, S3) else { return };
        assert_eq!((collected.records.len(), collected.rejected.len()), (records, 0), "{name}");
        let good = collected.requests().into_iter().filter(|row| row.status.as_ref().is_some_and(|s| s.starts_with('2')));
        assert_eq!(good.filter_map(|row| row.response_bytes).sum::<i64>(), bytes, "{name}");
    }
}

#[test]
fn real_s3_rows_are_those_that_another_parser_published() {
    let Some(collected) = real("s3-access", "dandi_parser_2022-04-06.log", S3) else { return };
    let expected = fs::read_to_string(shared().unwrap().join("s3-access/dandi_parser_2022-04-06_expected.tsv")).unwrap();
    let expected: Vec<(i64, i64)> = expected
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            (format::timestamp::iso(fields[0]).unwrap(), fields[3].parse().unwrap())
        })
        .collect();
    let found: Vec<(i64, i64)> = collected
        .records
        .iter()
        .zip(collected.requests())
        .filter(|(_, row)| row.status.as_ref().is_some_and(|status| status.starts_with('2')))
        .map(|(record, row)| match record.time {
            EventTime::Logged(time) => (time, row.response_bytes.unwrap()),
            EventTime::Assumed => panic!("no time"),
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn every_other_real_file_is_recognised_by_nothing() {
    let Some(folder) = shared() else { return };
    let ours = ["aws-lambda-logs", "s3-access"];
    let mut pending = vec![folder];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !ours.contains(&name.as_str()) {
                    pending.push(path);
                }
                continue;
            }
            // The two that carry log events, and the pages that quote lines of every format.
            if name.to_lowercase().contains("cloudwatchlog") || name.contains("cloudwatch-logs") || name.ends_with(".md") {
                continue;
            }
            let mut bytes = decompress::open(fs::File::open(&path).unwrap(), Limits::default()).unwrap();
            let detected = format::detect(bytes.head().unwrap()).map(|(format, _)| format.name());
            assert!(matches!(detected, Err(IngestError::UnknownFormat { .. })), "{name}: {detected:?}");
        }
    }
}

const ID: &str = "0b1e7a52-93c4-4d6f-8e21-5a7c9d3f1b60";

/// The same event in every envelope: a cold start of `resize` in account 123456789012, logged at 2026-10-05T17:00:01.234Z.
fn envelopes() -> Vec<(&'static str, &'static str, String)> {
    let report = format!(
        "REPORT RequestId: {ID}\tDuration: 101.25 ms\tBilled Duration: 102 ms\tMemory Size: 512 MB\tMax Memory Used: 77 MB\tInit Duration: 200.10 ms\t"
    );
    let escaped = report.replace('\t', "\\t");
    let twice = report.replace('\t', "\\\\t");
    let platform = format!(
        r#"{{"time":"2026-10-05T17:00:01.234Z","type":"platform.report","record":{{"requestId":"{ID}","metrics":{{"durationMs":101.250,"billedDurationMs":102,"memorySizeMB":512,"maxMemoryUsedMB":77,"initDurationMs":200.1}},"status":"success"}}}}"#
    );
    let at = 1_791_219_601_234_i64;
    let stream = "2026/10/05/[$LATEST]88ab219a63d343d294d0a9947e8ab36a";
    let event = |message: &str| {
        format!(r#"{{"logStreamName":"{stream}","timestamp":{at},"message":"{message}","ingestionTime":{at},"eventId":"1"}}"#)
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
        ("export with X-Ray", TEXT, format!("2026-10-05T17:00:01.234Z {report}\nXRAY TraceId: 1-5e61292c\tSegmentId: 07\n\n")),
        ("filter-log-events", JSON, format!(r#"{{"events":[{two},{one}],"searchedLogStreams":[],"nextToken":"x"}}"#)),
        ("pages", JSON, format!(r#"{{"events":[{two}]}}{{"events":[{one}]}}"#)),
        ("array", JSON, format!("[{two},\n{one}]")),
        ("lines", JSON, format!("{two}\n{one}\n")),
        ("twice escaped", JSON, format!(r#"{{"events":[{}]}}"#, event(&format!("{twice}\\\\n")))),
        ("JSON in an event", JSON, format!(r#"{{"events":[{in_event}]}}"#)),
        (
            "subscription",
            JSON,
            format!(r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/lambda/resize","logStream":"{stream}","logEvents":[{{"id":"3","timestamp":{at},"message":"{escaped}\n"}}]}}"#),
        ),
        (
            "subscription, sorted by name",
            JSON,
            format!(r#"{{"logEvents":[{{"id":"3","timestamp":{at},"message":"{escaped}\n"}}],"logGroup":"/aws/lambda/resize","logStream":"{stream}","messageType":"DATA_MESSAGE","owner":"123456789012"}}"#),
        ),
        ("JSON log format", JSON, format!("{{\"timestamp\":\"2026-10-05T17:00:01Z\",\"level\":\"INFO\",\"requestId\":\"{ID}\",\"message\":\"{escaped}\"}}\nEXTENSION\tName: agent{platform}\n")),
        ("Logs API", JSON, format!("[{platform}]")),
        (
            "Insights",
            JSON,
            format!(r#"{{"status":"Complete","results":[[{{"field":"@timestamp","value":"2026-10-05 17:00:01.234"}},{{"field":"@message","value":"{escaped}"}}]]}}"#),
        ),
        (
            "Insights without the message",
            JSON,
            format!(r#"{{"results":[[{{"field":"@timestamp","value":"2026-10-05 17:00:01.234"}},{{"field":"@requestId","value":"{ID}"}},{{"field":"@type","value":"REPORT"}},{{"field":"@duration","value":"101.25"}},{{"field":"@billedDuration","value":"102.0"}},{{"field":"@memorySize","value":"5.12E8"}},{{"field":"@maxMemoryUsed","value":"7.7E7"}},{{"field":"@initDuration","value":"200.1"}}]]}}"#),
        ),
    ]
}

#[test]
fn one_event_has_one_key_in_every_envelope() {
    let envelopes = envelopes();
    let expected = parse(envelopes[0].1, &envelopes[0].2).key();
    assert_eq!(expected.len(), 1);
    assert_eq!(expected[0].0, EventTime::Logged(1_791_219_601_234_000 - 101_250));
    for (name, format, text) in &envelopes {
        let (detected, recognition) = format::detect(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(detected.name(), *format, "{name}: {}", recognition.because);
        let collected = parse(format, text);
        assert_eq!(collected.key(), expected, "{name}");
        assert_eq!(collected.rejected, [], "{name}");
        let row = collected.invocations()[0].clone();
        assert_eq!((row.billed_ms, row.memory_mb, row.memory_used_mb), (Some(102), Some(512), Some(77)), "{name}");
        assert_eq!((row.duration_us, row.init_us, row.cold_start), (Some(101_250), Some(200_100), Some(true)), "{name}");
        assert_eq!(row.status.as_deref(), Some("success"), "{name}");
        if text.contains("/aws/lambda/resize") {
            assert_eq!(row.resource.as_deref(), Some("resize"), "{name}");
        }
    }
}

#[test]
fn a_retry_with_the_same_id_is_another_record() {
    let line = |ms: &str| {
        format!("2026-10-05T17:00:01.234Z REPORT RequestId: {ID}\tDuration: {ms} ms\tBilled Duration: 9 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\t\n")
    };
    let keys = parse(TEXT, &format!("{}{}{}", line("8.01"), line("8.02"), line("8.01"))).key();
    assert_ne!(keys[0].1, keys[1].1);
    assert_eq!(keys[0].1, keys[2].1);
}

#[test]
fn short_ids_count_within_their_function_only() {
    let key = |group: &str| {
        let line = "REPORT RequestId: 1c2d Duration: 1.00 ms Billed Duration: 1 ms Memory Size: 128 MB Max Memory Used: 1 MB";
        parse(TEXT, &format!("/aws/lambda/{group} 2026/10/05/[$LATEST]88ab 2026-10-05T17:00:01.234Z {line}")).key()[0].1
    };
    assert_eq!(key("a"), key("a"));
    assert_ne!(key("a"), key("b"));
}

#[test]
fn reports_in_application_output_do_not_count() {
    let good = format!("REPORT RequestId: {ID}\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\t");
    for (name, text, records, warnings) in [
        ("quoted", format!("INFO {good}\n 2026-10-05T17:00:01.234Z INFO {good}\n  {good}\n"), 0, 0),
        ("after the id", format!("2026-10-05T17:00:01.234Z\t{ID}\tINFO\t{good}\n"), 0, 0),
        (
            "continued",
            format!("2026-10-05T17:00:01.234Z START RequestId: {ID} Version: 1\n2026-10-05T17:00:01.234Z the bill:\n\n{good}\n"),
            0,
            1,
        ),
        (
            "continued, then real",
            format!("2026-10-05T17:00:01.234Z 2026-10-05T17:00:01.234Z\t{ID}\tINFO\tx {{\n{good}\n}}\n\n2026-10-05T17:00:02.234Z {good}\n"),
            1,
            1,
        ),
        ("without a time, after an event of one line", format!("START RequestId: {ID} Version: 3\nmy output\n{good}\n"), 1, 1),
    ] {
        let collected = parse(TEXT, &text);
        assert_eq!(collected.records.len(), records, "{name}");
        assert_eq!(collected.rejected, [], "{name}");
        assert_eq!(collected.warnings.len(), warnings, "{name}: {:?}", collected.warnings);
    }
    let line = format!(r#"{{"timestamp":1791219601234,"level":"info","message":"{}"}}"#, good.replace('\t', "\\t"));
    assert_eq!(parse(JSON, &line).records, []);
}

#[test]
fn bad_reports_are_rejected_with_their_place_and_reason() {
    for (line, reason) in [
        ("REPORT RequestId: 15d1b730-7d3f-4b46-b28e-b76b97fc", "no `Memory Size`"),
        ("REPORT RequestId:", "no request id"),
        ("REPORT RequestId: a\tDuration: 1.0", "no `Memory Size`"),
        ("REPORT RequestId: a\tDuration: 12,5 ms\tMemory Size: 128 MB", "`Duration` is `12,5`"),
        ("REPORT RequestId: a\tDuration: 1.2345 ms\tMemory Size: 128 MB", "more decimals"),
        ("REPORT RequestId: a\tDuration: -1 ms\tMemory Size: 128 MB", "negative"),
        ("REPORT RequestId: a\tDuration: NaN ms\tMemory Size: 128 MB", "decimal number"),
        ("REPORT RequestId: a\tDuration: 1 s\tMemory Size: 128 MB", "expected a number of ms"),
        ("REPORT RequestId: a\tBilled Duration: 99999999999999999999 ms\tMemory Size: 128 MB", "too large"),
        ("REPORT RequestId: a\tBilled Duration: 9000000000000000000 ms\tMemory Size: 128 MB", "more than there can be"),
        ("REPORT RequestId: a\tBilled Duration: 1 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB", "twice"),
        ("REPORT RequestId: a\tBilled Duration: 1.5 ms\tMemory Size: 128 MB", "more decimals"),
        ("REPORT RequestId: a\tMemory Size: 12", "expected a number of MB"),
        ("REPORT Reque", "middle of a REPORT"),
    ] {
        let collected = parse(TEXT, &format!("first\n{line}"));
        assert_eq!(collected.records, [], "{line}");
        assert_eq!(collected.rejected.len(), 1, "{line}");
        let row = &collected.rejected[0];
        assert!(row.reason.contains(reason), "{line}: {}", row.reason);
        assert_eq!((row.line, row.byte_offset), (Some(2), 6), "{line}");
    }
    let mut bytes = b"2026-10-05T17:00:01.234Z app \xff output\n2026-10-05T17:00:01.234Z REPORT RequestId: ".to_vec();
    bytes.extend_from_slice(b"\xff Memory Size: 128 MB\n");
    let collected = parse_with(TEXT, &mut bytes.as_slice(), &Defaults::default());
    assert_eq!((collected.records.len(), collected.rejected.len()), (0, 1));
}

fn platform(id: &str) -> String {
    format!(
        r#"{{"time":"2026-10-05T17:00:01.234Z","type":"platform.report","record":{{"requestId":"{id}","metrics":{{"durationMs":1.5,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":7}},"status":"success"}}}}"#
    )
}

#[test]
fn bad_json_costs_one_row_and_no_other() {
    let (one, two) = (platform("one"), platform("two"));
    for (name, text, records, rejected) in [
        ("fine", format!("{one}\n{two}\n"), 2, 0),
        ("glued", format!("{one}{two}"), 2, 0),
        ("cut off at the end", format!("{one}\n{}", &two[..two.len() - 1]), 1, 1),
        ("array cut off", format!("[{one},{two}"), 2, 1),
        ("page cut off", format!(r#"{{"events":[{{"timestamp":1791219601234,"message":"x","id":"1"}},{{"timest"#), 0, 1),
        ("bad number", format!("{}\n{two}\n", one.replace("1.5", "1.5.5")), 1, 1),
        ("bad time", format!("{}\n{two}\n", one.replace("17:00", "27:00")), 1, 1),
        ("bad bracket", format!("{}\n{two}\n", one.replace("7}", "7]")), 1, 1),
        ("no metrics", format!("{}\n{two}\n", one.replace("\"metrics\"", "\"metric\"")), 1, 1),
        ("python", format!("{}\n{two}\n", one.replace('"', "'")), 1, 1),
        ("too deep", format!("{{\"a\":{}1{}}}\n{two}\n", "[".repeat(5000), "]".repeat(5000)), 1, 1),
        ("unclosed depth", format!("{}\n{two}", "[".repeat(100_000)), 1, 1),
        ("nothing but quotes", "\"\"\"\"\"\n\"".into(), 0, 2),
        ("NUL bytes", format!("{}{two}", "\0".repeat(500)), 1, 0),
    ] {
        let collected = parse(JSON, &text);
        assert_eq!(collected.records.len(), records, "{name}: {:?}", collected.rejected);
        assert_eq!(collected.rejected.len(), rejected, "{name}: {:?}", collected.rejected);
    }
    // Cut off after any byte: the row before and the row behind survive.
    for cut in 1..one.len() {
        let text = format!("{two}\n{}\n{}\n", &one[..cut], platform("three"));
        let collected = parse(JSON, &text);
        assert_eq!(collected.records.len(), 2, "cut after {cut} bytes: {}", &one[..cut]);
        assert_eq!(collected.rejected.len(), 1, "cut after {cut} bytes: {:?}", collected.rejected);
    }
}

#[test]
fn one_bad_event_of_a_page_costs_no_other() {
    let event = |message: &str| format!(r#"{{"timestamp":1791219601234,"id":"1","message":"{message}"}}"#);
    let report = |id: &str| event(&format!("REPORT RequestId: {id}\\tBilled Duration: 5 ms\\tMemory Size: 128 MB\\t\\n"));
    let bad = r#"{"timestamp":1791219601234,"message":"x" "y"}"#;
    let text = format!(r#"{{"logGroup":"/aws/lambda/f","logEvents":[{},{bad},{}]}}"#, report("a"), report("b"));
    for text in [text.clone(), text.replace('{', "{\n ").replace("\",", "\",\n ").replace('}', "\n}")] {
        let collected = parse(JSON, &text);
        assert_eq!((collected.records.len(), collected.rejected.len()), (2, 1), "{text}\n{:?}", collected.rejected);
    }
}

#[test]
fn events_of_the_platform_say_what_is_special() {
    let dropped = r#"{"time":"2026-10-05T17:00:01Z","type":"platform.logsDropped","record":{"reason":"x","droppedRecords":12,"droppedBytes":9}}"#;
    let start = format!(
        r#"{{"time":"2026-10-05T17:00:01Z","type":"platform.start","record":{{"requestId":"{ID}","version":"7","functionArn":"arn:aws:lambda:eu-west-1:123456789012:function:web-api"}}}}"#
    );
    let managed = r#"{"time":"2026-10-05T17:00:01Z","type":"platform.report","record":{"requestId":"m","metrics":{"durationMs":7.125},"status":"failure","errorType":"X"}}"#;
    let collected = parse(JSON, &format!("{dropped}\n{start}\n{}\n{managed}\n", platform(ID)));
    assert_eq!(collected.rejected, []);
    assert!(collected.warnings[0].contains("12 log records"), "{:?}", collected.warnings);
    let rows = collected.invocations();
    assert_eq!(rows[0].region.as_deref(), Some("eu-west-1"));
    assert_eq!(rows[0].account.as_deref(), Some("123456789012"));
    assert_eq!((rows[0].resource.as_deref(), rows[0].version.as_deref()), (Some("web-api"), Some("7")));
    assert_eq!((rows[1].capacity.as_deref(), rows[1].duration_us), (Some("managed-instances"), Some(7_125)));
    assert_eq!((rows[1].billed_ms, rows[1].memory_mb, rows[1].status.as_deref()), (None, None, Some("error")));
    assert_eq!(rows[1].error_type.as_deref(), Some("X"));

    let edge = "/aws/lambda/us-east-1.redirect 2026/10/05/[3]88ab 2026-10-05T17:00:01Z REPORT RequestId: e\tMemory Size: 128 MB\tStatus: error\tError Type: Runtime.ExitError";
    let collected = parse(TEXT, edge);
    let row = collected.invocations()[0].clone();
    assert_eq!((row.resource.as_deref(), row.capacity.as_deref()), (Some("redirect"), Some("edge")));
    assert_eq!((row.duration_us, row.billed_ms, row.error_type.as_deref()), (None, None, Some("Runtime.ExitError")));
}

#[test]
fn detection_needs_no_report() {
    for (text, expected) in [
        (format!("START RequestId: {ID} Version: $LATEST\nhello\n"), Ok(TEXT)),
        ("2026-10-05T17:00:01Z INIT_START Runtime Version: nodejs:20.v15\n".into(), Ok(TEXT)),
        (format!("{{\"level\":\"info\",\"msg\":\"x\"}}\nSTART RequestId: {ID} Version: 1\n"), Ok(TEXT)),
        (r#"{"time":"2026-10-05T17:00:01Z","type":"platform.initStart","record":{}}"#.into(), Ok(JSON)),
        (r#"{"timestamp":"2026-10-05T17:00:01Z","level":"INFO","message":"x","requestId":"1"}"#.into(), Ok(JSON)),
        (r#"{"events":[],"searchedLogStreams":[]}"#.into(), Ok(JSON)),
        (String::new(), Err(())),
        ("hello\n".into(), Err(())),
        (r#"{"events":[]}"#.into(), Err(())),
        (r#"{"Records":[]}"#.into(), Err(())),
        ("a,b\n1,2\n".into(), Err(())),
    ] {
        let detected = format::detect(text.as_bytes()).map(|(format, _)| format.name()).map_err(|_| ());
        assert_eq!(detected, expected, "{text}");
    }
}

const OWNER: &str = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";

fn s3_line(requester: &str, operation: &str, middle: &str, agent: &str) -> String {
    format!(
        "{OWNER} photos [05/Oct/2026:17:00:01 +0000] 203.0.113.9 {requester} A1B2C3D4E5F60718 {operation} a%2520b.jpg {middle} \"-\" {agent} - hostid= SigV4 TLS_AES_128_GCM_SHA256 AuthHeader photos.s3.amazonaws.com TLSv1.3 - -"
    )
}

#[test]
fn s3_requests_are_billed_as_what_they_are() {
    for (operation, expected, class) in [
        ("REST.GET.OBJECT", "GET", None),
        ("WEBSITE.GET.OBJECT", "GET", None),
        ("REST.GET.ACL", "GET", None),
        ("REST.GET.BUCKET", "LIST", None),
        ("REST.GET.BUCKETVERSIONS", "LIST", None),
        ("REST.GET.BUCKETPOLICY", "GET", None),
        ("REST.HEAD.OBJECT", "HEAD", None),
        ("REST.PUT.OBJECT", "PUT", None),
        ("REST.PUT.PART", "PUT", None),
        ("REST.POST.UPLOADS", "POST", None),
        ("REST.POST.MULTI_OBJECT_DELETE", "DELETE", None),
        ("BATCH.DELETE.OBJECT", "DELETE", None),
        ("REST.DELETE.OBJECT", "DELETE", None),
        ("REST.COPY.OBJECT", "COPY", None),
        ("REST.COPY.OBJECT_GET", "RETRIEVAL", None),
        ("REST.OPTIONS.PREFLIGHT", "OPTIONS", None),
        ("S3.EXPIRE.OBJECT", "DELETE", None),
        ("S3.CREATE.DELETEMARKER", "DELETE", None),
        ("S3.TRANSITION.OBJECT", "TRANSITION", Some("GLACIER")),
        ("S3.TRANSITION_SIA.OBJECT", "TRANSITION", Some("STANDARD_IA")),
        ("S3.TRANSITION_GDA.OBJECT", "TRANSITION", Some("DEEP_ARCHIVE")),
    ] {
        let line = s3_line("-", operation, "\"GET /a HTTP/1.1\" 200 - 12 34 5 6", "\"curl\"");
        let collected = parse(S3, &line);
        assert_eq!(collected.rejected, [], "{operation}");
        let row = collected.requests()[0].clone();
        assert_eq!((row.operation.as_deref(), row.storage_class.as_deref()), (Some(expected), class), "{operation}");
        assert_eq!(row.request_bytes, (expected == "PUT").then_some(34), "{operation}");
    }
}

#[test]
fn s3_lines_of_all_shapes() {
    let normal = "\"GET /a HTTP/1.1\" 200 - 12 34 5 6";
    let arn = "arn:aws:iam::999999999999:user/x";
    let forged = "\"x HTTP/1.1\" 200 - 999999 1 1 1 \"-\" \"y\"";
    // Requester, operation, the middle, user agent; then status, bytes sent, source, variant.
    for (requester, operation, middle, agent, status, bytes, source, variant) in [
        ("-", "REST.GET.OBJECT", normal, "\"curl\"", Some("200"), Some(12), "internet", None),
        (" -", "REST.GET.OBJECT", normal, "\"curl\"", Some("200"), Some(12), "internet", None),
        ("svc:cloudfront.amazonaws.com", "REST.GET.OBJECT", normal, "\"x\"", Some("200"), Some(12), "aws", None),
        ("-", "REST.GET.OBJECT", normal, "\"a exec-env/AWS_Lambda_x\"", Some("200"), Some(12), "aws", None),
        ("-", "REST.GET.OBJECT", "\"GET /a HTTP/1.1\" 304 - - 34 5 -", "\"\"q\" b\"", Some("304"), None, "internet", None),
        ("-", "REST.GET.OBJECT", normal, forged, Some("200"), Some(12), "internet", None),
        ("-", "REST.GET.OBJECT", "\"GET /?x=\"y\"&z HTTP/1.1\" 404 NoSuchKey 9 - 5 -", "\"-\"", Some("404"), Some(9), "internet", None),
        ("-", "REST.GET.OBJECT", "\"GET /a HTTP/1.1\" 403 AccessDenied 243 - 5 -", "\"c\"", Some("403"), Some(243), "internet", Some("denied")),
        (OWNER, "REST.GET.OBJECT", "\"GET /a HTTP/1.1\" 403 AccessDenied 243 - 5 -", "\"c\"", Some("403"), Some(243), "internet", None),
        (arn, "REST.GET.OBJECT", "\"GET /a HTTP/1.1\" 403 AccessDenied 243 - 5 -", "\"c\"", Some("403"), Some(243), "internet", None),
        ("-", "BATCH.DELETE.OBJECT", "- 204 - - 34 - -", "-", Some("204"), None, "internet", None),
        ("AmazonS3", "S3.EXPIRE.OBJECT", "\"-\" - - - 34 - -", "\"-\"", None, None, "aws", None),
    ] {
        let line = s3_line(requester, operation, middle, agent);
        let collected = parse(S3, &line);
        assert_eq!(collected.rejected, [], "{line}");
        let row = collected.requests()[0].clone();
        assert_eq!((row.status.as_deref(), row.response_bytes), (status, bytes), "{line}");
        assert_eq!((row.source.as_deref(), row.variant.as_deref()), (Some(source), variant), "{line}");
    }
    let line = s3_line(arn, "REST.GET.OBJECT", "\"GET /a HTTP/1.1\" 403 AccessDenied 243 - 5 -", "\"c\"");
    let defaults = Defaults { account: Some("123456789012".into()), ..Defaults::default() };
    let collected = parse_with(S3, &mut line.as_bytes(), &defaults);
    assert_eq!(collected.requests()[0].variant.as_deref(), Some("denied"));
}

#[test]
fn bad_s3_lines_are_rejected() {
    let good = s3_line("-", "REST.GET.OBJECT", "\"GET /a HTTP/1.1\" 200 - 12 34 5 6", "\"curl\"");
    let tail = good.find(" - hostid").unwrap();
    for cut in 1..=tail {
        let collected = parse(S3, &good[..cut]);
        assert_eq!((collected.records.len(), collected.rejected.len()), (0, 1), "{}", &good[..cut]);
    }
    for bad in [
        good.replace("[05/Oct", "[35/Oct"),
        good.replace("200 - 12", "200 - -12"),
        good.replace("200 - 12", "20 - 12"),
        good.replace("200 - 12", "200 - 99999999999999999999"),
        good.replace("REST.GET.OBJECT", "hello"),
        "\u{0}\u{0}".into(),
    ] {
        let collected = parse(S3, &format!("\n{bad}\r\n{good}\n"));
        assert_eq!((collected.records.len(), collected.rejected.len()), (1, 1), "{bad}");
        assert_eq!((collected.rejected[0].line, collected.rejected[0].byte_offset), (Some(2), 1));
    }
    let mut bytes = good.clone().into_bytes();
    let agent = good.find("curl").unwrap();
    bytes[agent] = 0xe9;
    assert_eq!(parse_with(S3, &mut bytes.as_slice(), &Defaults::default()).records.len(), 1);
    let bucket = good.find("photos").unwrap();
    bytes[bucket] = 0xe9;
    assert_eq!(parse_with(S3, &mut bytes.as_slice(), &Defaults::default()).rejected.len(), 1);
}

#[test]
fn an_endless_line_takes_bounded_memory() {
    let good = format!("REPORT RequestId: {ID}\tMemory Size: 128 MB\n");
    let endless = std::io::repeat(b'x').take(64 << 20).chain(Cursor::new(format!("\n{good}")));
    let collected = parse_with(TEXT, &mut BufReader::new(endless), &Defaults::default());
    assert_eq!((collected.records.len(), collected.rejected.len()), (1, 1));
    assert_eq!(collected.rejected[0].reason, "the line is longer than 1048576 bytes");
    let endless = Cursor::new("{\"a\":\"").chain(std::io::repeat(b'x').take(64 << 20));
    let endless = endless.chain(Cursor::new(format!("\"}}\n{}", platform("one"))));
    let collected = parse_with(JSON, &mut BufReader::new(endless), &Defaults::default());
    assert_eq!((collected.records.len(), collected.rejected.len()), (1, 1), "{:?}", collected.rejected);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::fast());
    let mut out = Vec::new();
    encoder.read_to_end(&mut out).unwrap();
    out
}

fn decompressed(bytes: Vec<u8>, limits: Limits) -> Result<(Vec<u8>, Compression, u64), IngestError> {
    let mut input = decompress::open(Cursor::new(bytes), limits)?;
    input.head()?;
    let mut out = Vec::new();
    input.read_to_end(&mut out).map_err(decompress::ingest_error)?;
    Ok((out, input.compression(), input.ignored_bytes()))
}

#[test]
fn compression_is_found_by_content() {
    let text = "hello ".repeat(100_000).into_bytes();
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let bom = |bytes: &[u8]| [b"\xef\xbb\xbf".as_slice(), bytes].concat();
    let halves = text.split_at(1000);
    for (name, bytes, compression, ignored) in [
        ("plain", text.clone(), Compression::Plain, 0),
        ("BOM", bom(&text), Compression::Plain, 0),
        ("gzip", gzip(&text), Compression::Gzip, 0),
        ("members", [gzip(halves.0), gzip(b""), gzip(halves.1)].concat(), Compression::Gzip, 0),
        ("padding", [gzip(&text), vec![0; 5000]].concat(), Compression::Gzip, 0),
        ("rubbish", [gzip(&text), b"rubbish".to_vec()].concat(), Compression::Gzip, 7),
        ("zstd", zstd(&text), Compression::Zstd, 0),
        ("frames", [zstd(halves.0), b"\x50\x2a\x4d\x18\x01\0\0\0x".to_vec(), zstd(halves.1)].concat(), Compression::Zstd, 0),
        ("gzip twice", gzip(&gzip(&text)), Compression::Gzip, 0),
        ("BOM in gzip in zstd", zstd(&gzip(&bom(&text))), Compression::Zstd, 0),
    ] {
        let (out, found, rest) = decompressed(bytes, Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(out == text, "{name}");
        assert_eq!((found, rest), (compression, ignored), "{name}");
    }
    assert_eq!(decompressed(Vec::new(), Limits::default()).unwrap().0, b"");
    assert_eq!(decompressed(gzip(b""), Limits::default()).unwrap().0, b"");
}

#[test]
fn damaged_and_dangerous_input_is_refused() {
    let text: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for whole in [gzip(&text), zstd::encode_all(text.as_slice(), 1).unwrap()] {
        for cut in [5, 12, whole.len() / 2, whole.len() - 1] {
            let outcome = decompressed(whole[..cut].to_vec(), Limits::default());
            assert!(matches!(outcome, Err(IngestError::BadCompression { .. })), "cut at {cut}");
        }
    }
    let mut damaged = gzip(&text);
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 0xff;
    assert!(matches!(decompressed(damaged, Limits::default()), Err(IngestError::BadCompression { .. })));
    let bomb = gzip(&vec![0; 8 << 20]);
    let limits = Limits { decompressed_bytes_max: 1 << 20, ..Limits::default() };
    assert!(matches!(decompressed(bomb.clone(), limits), Err(IngestError::TooLarge { limit_bytes: 1_048_576 })));
    assert!(matches!(decompressed(vec![b'x'; 2 << 20], limits), Err(IngestError::TooLarge { .. })));
    let limits = Limits { ratio_max: 100, ratio_free_bytes: 1 << 20, ..Limits::default() };
    assert!(matches!(decompressed(bomb.clone(), limits), Err(IngestError::Bomb { ratio_max: 100, .. })));
    assert!(matches!(decompressed(gzip(&bomb), limits), Err(IngestError::Bomb { .. })));
    assert!(decompressed(bomb, Limits::default()).is_ok());
    for text in [b"\xff\xfeR\0E\0".to_vec(), b"\xfe\xff\0R".to_vec(), gzip(b"\xff\xfeR\0")] {
        assert!(matches!(decompressed(text, Limits::default()), Err(IngestError::NotUtf8Text { .. })));
    }
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let head = gzip(&text)[..1000].to_vec();
    let outcome = decompress::open(Cursor::new(head).chain(Failing), Limits::default()).and_then(|mut input| {
        let mut out = Vec::new();
        input.read_to_end(&mut out).map_err(decompress::ingest_error)
    });
    assert!(matches!(outcome, Err(IngestError::Io { .. })));
}

/// All envelopes, all kinds of lines: what mutations start from.
fn seeds() -> Vec<String> {
    let mut seeds: Vec<String> = envelopes().into_iter().map(|(_, _, text)| text).collect();
    seeds.push(s3_line("-", "REST.GET.OBJECT", "\"GET /?x=\"y\" HTTP/1.1\" 200 - 12 34 5 6", "\"\"q\" b\""));
    seeds.push(format!("{}\n{}\n[{}]", platform("one"), &platform("two")[..90], platform("three")));
    seeds
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for format in FORMATS {
            format.recognises(&bytes);
            parse_with(format.name(), &mut bytes.as_slice(), &Defaults::default());
        }
        let _ = decompressed(bytes, Limits::default());
    }

    #[test]
    fn mutations_never_panic_and_buffers_do_not_matter(
        seed in 0_usize..23,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..8),
        capacity in 1_usize..40,
    ) {
        let mut bytes = seeds()[seed].clone().into_bytes();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at.min(bytes.len()), b"{}[]\",:\\\n\t 0"[usize::from(byte) % 12]),
                2 if at < bytes.len() => { bytes.remove(at); }
                _ => bytes.truncate(at.max(1)),
            }
        }
        for format in FORMATS {
            format.recognises(&bytes);
            let whole = parse_with(format.name(), &mut bytes.as_slice(), &Defaults::default());
            let mut pieces = BufReader::with_capacity(capacity, bytes.as_slice());
            let pieces = parse_with(format.name(), &mut pieces, &Defaults::default());
            prop_assert_eq!(whole, pieces);
        }
    }
}
