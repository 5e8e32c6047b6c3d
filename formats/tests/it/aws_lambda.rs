//! The formats of Lambda logs: known totals of real files, one key in every envelope, and bad input.

use std::io::{BufReader, Cursor, Read};

use crate::lines::{ID, JSON, TEXT, envelopes, parse, parse_with, platform, real};
use paygrain_formats::Defaults;
use paygrain_formats::format;
use paygrain_formats::record::EventTime;

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
        assert_eq!(
            (row.duration_us, row.init_us, row.cold_start),
            (Some(101_250), Some(200_100), Some(true)),
            "{name}"
        );
        assert_eq!(row.status.as_deref(), Some("success"), "{name}");
        if text.contains("/aws/lambda/resize") {
            assert_eq!(row.resource.as_deref(), Some("resize"), "{name}");
        }
    }
}

#[test]
fn a_retry_with_the_same_id_is_another_record() {
    let line = |ms: &str| {
        format!(
            "2026-10-05T17:00:01.234Z REPORT RequestId: {ID}\tDuration: {ms} ms\tBilled Duration: 9 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\t\n"
        )
    };
    let keys = parse(TEXT, &format!("{}{}{}", line("8.01"), line("8.02"), line("8.01"))).key();
    assert_ne!(keys[0].1, keys[1].1);
    assert_eq!(keys[0].1, keys[2].1);
}

#[test]
fn short_ids_count_within_their_function_only() {
    let key = |group: &str| {
        let line =
            "REPORT RequestId: 1c2d Duration: 1.00 ms Billed Duration: 1 ms Memory Size: 128 MB Max Memory Used: 1 MB";
        parse(TEXT, &format!("/aws/lambda/{group} 2026/10/05/[$LATEST]c07f 2026-10-05T17:00:01.234Z {line}")).key()[0].1
    };
    assert_eq!(key("a"), key("a"));
    assert_ne!(key("a"), key("b"));
}

#[test]
fn reports_in_application_output_do_not_count() {
    let good = format!(
        "REPORT RequestId: {ID}\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\t"
    );
    for (name, text, records, warnings) in [
        ("quoted", format!("INFO {good}\n 2026-10-05T17:00:01.234Z INFO {good}\n  {good}\n"), 0, 0),
        ("after the id", format!("2026-10-05T17:00:01.234Z\t{ID}\tINFO\t{good}\n"), 0, 0),
        (
            "continued",
            format!(
                "2026-10-05T17:00:01.234Z START RequestId: {ID} Version: 1\n2026-10-05T17:00:01.234Z the bill:\n\n{good}\n"
            ),
            0,
            1,
        ),
        (
            "continued, then real",
            format!(
                "2026-10-05T17:00:01.234Z 2026-10-05T17:00:01.234Z\t{ID}\tINFO\tx {{\n{good}\n}}\n\n2026-10-05T17:00:02.234Z {good}\n"
            ),
            1,
            1,
        ),
        (
            "without a time, after an event of one line",
            format!("START RequestId: {ID} Version: 3\nmy output\n{good}\n"),
            1,
            1,
        ),
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
        ("REPORT RequestId: 4c9a7d10-66b2-4e0f-9d3a-0a1b", "no `Memory Size`"),
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

#[test]
fn bad_json_costs_one_row_and_no_other() {
    let (one, two) = (platform("one"), platform("two"));
    for (name, text, records, rejected) in [
        ("fine", format!("{one}\n{two}\n"), 2, 0),
        ("glued", format!("{one}{two}"), 2, 0),
        ("cut off at the end", format!("{one}\n{}", &two[..two.len() - 1]), 1, 1),
        ("array cut off", format!("[{one},{two}"), 2, 1),
        ("page cut off", r#"{"events":[{"timestamp":1791219601234,"message":"x","id":"1"},{"timest"#.into(), 0, 1),
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
    let report =
        |id: &str| event(&format!("REPORT RequestId: {id}\\tBilled Duration: 5 ms\\tMemory Size: 128 MB\\t\\n"));
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
    assert_eq!((rows[1].capacity.as_deref(), rows[1].duration_us), (Some("managed"), Some(7_125)));
    assert_eq!((rows[1].billed_ms, rows[1].memory_mb, rows[1].status.as_deref()), (None, None, Some("error")));
    assert_eq!(rows[1].error_type.as_deref(), Some("X"));

    let edge = "/aws/lambda/us-east-1.redirect 2026/10/05/[3]c07f 2026-10-05T17:00:01Z REPORT RequestId: e\tMemory Size: 128 MB\tStatus: error\tError Type: Runtime.ExitError";
    let collected = parse(TEXT, edge);
    let row = collected.invocations()[0].clone();
    assert_eq!((row.resource.as_deref(), row.capacity.as_deref()), (Some("redirect"), Some("edge")));
    assert_eq!((row.duration_us, row.billed_ms, row.error_type.as_deref()), (None, None, Some("Runtime.ExitError")));
}

#[test]
fn provisioned_concurrency_is_told_by_the_environment() {
    let event = |stream: &str, time: u32, kind: &str, record: &str| {
        let message =
            format!(r#"{{"time":"2026-10-05T10:00:{time:02}.000Z","type":"platform.{kind}","record":{record}}}"#);
        serde_json::json!({ "logStreamName": stream, "timestamp": 1_791_194_400_000_u64, "message": message })
    };
    let started = |kind: &str| format!(r#"{{"initializationType":"{kind}","phase":"init"}}"#);
    let report = |id: u32| {
        format!(
            r#"{{"requestId":"69594c41-8463-4f69-b9b4-{id:012}","metrics":{{"durationMs":1.5,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":64}},"status":"success"}}"#
        )
    };
    let events = [
        event("a", 1, "initStart", &started("provisioned-concurrency")),
        event("b", 2, "initStart", &started("on-demand")),
        event("a", 3, "report", &report(1)),
        event("b", 4, "report", &report(2)),
    ];
    let log = serde_json::json!({ "events": events }).to_string();
    let found = parse(JSON, &log);
    let capacity: Vec<_> = found.invocations().iter().map(|row| row.capacity.as_deref()).collect();
    assert_eq!(capacity, [Some("provisioned"), None]);
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
