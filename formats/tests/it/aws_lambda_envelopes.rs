//! What is special about each envelope of Lambda logs; that they agree is in `aws_lambda`.

use std::io::{Cursor, Read};

use crate::lines::{Collected, ID, INSIGHTS, JSON, TEXT, base64_gzip, envelopes, gzip, parse, platform};
use paygrain_formats::Defaults;
use paygrain_formats::decompress::{self, Limits};
use paygrain_formats::format::{self, Origin};
use paygrain_formats::record::EventTime;

/// A file of a name, whatever it is.
fn detected(name: &str, bytes: &[u8]) -> (&'static str, Collected) {
    let mut text = Vec::new();
    decompress::open(Cursor::new(bytes.to_vec()), Limits::default()).unwrap().read_to_end(&mut text).unwrap();
    let (format, _) = format::detect(&text).unwrap();
    let mut collected = Collected::default();
    let origin = Origin { name, defaults: &Defaults::default() };
    format.parse(&mut text.as_slice(), &origin, &mut collected).unwrap();
    (format.name(), collected)
}

fn report(id: &str) -> String {
    format!(
        "REPORT RequestId: {id}\tDuration: 1.50 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 7 MB\t"
    )
}

fn subscription(id: &str) -> String {
    format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/lambda/resize","logStream":"2026/10/05/[7]ab","logEvents":[{{"id":"1","timestamp":1791219601234,"message":"{}\n"}}]}}"#,
        report(id).replace('\t', "\\t")
    )
}

/// The event of [`envelopes`](crate::lines::envelopes) as its message, in text and in JSON.
fn messages() -> (String, String) {
    let report = format!(
        "REPORT RequestId: {ID}\tDuration: 101.25 ms\tBilled Duration: 102 ms\tMemory Size: 512 MB\tMax Memory Used: 77 MB\tInit Duration: 200.10 ms\t"
    );
    let platform = format!(
        r#"{{"time":"2026-10-05T17:00:01.234Z","type":"platform.report","record":{{"requestId":"{ID}","metrics":{{"durationMs":101.250,"billedDurationMs":102,"memorySizeMB":512,"maxMemoryUsedMB":77,"initDurationMs":200.1}},"status":"success"}}}}"#
    );
    (report, platform)
}

/// That event in the results of a query.
pub fn of_insights() -> Vec<(&'static str, &'static str, String)> {
    let (report, platform) = messages();
    let at = 1_791_219_601_234_i64;
    let escaped = report.replace('\t', "\\t");
    let csv_platform = platform.replace('"', "\"\"");
    let fields =
        "@timestamp,@requestId,@type,@duration,@billedDuration,@memorySize,@maxMemoryUsed,@initDuration,@log,@ptr";
    let values = format!(
        "2026-10-05 17:00:01.234,{ID},REPORT,101.25,102.0,5.12E8,7.7E7,200.1,123456789012:/aws/lambda/resize,CnAK"
    );
    let row = |line: &str| format!("| {} |", line.replace(',', " | "));
    let title = "**CloudWatch Logs Insights**    \nregion: eu-west-1    \nlog-group-names: /aws/lambda/resize    \nstart-time: -3600s    \nend-time: 0s    \nquery-string:\n  ```\n  fields @timestamp, @message\n| sort @timestamp desc\n| limit 20\n  ```\n---\n";
    vec![
        (
            "log stream as CSV",
            INSIGHTS,
            format!("timestamp,message\n{at},\"START RequestId: {ID} Version: 7\n\"\n{at},\"{report}\n\"\n"),
        ),
        ("Insights as CSV", INSIGHTS, format!("@timestamp,@message\n2026-10-05 17:00:01.234,\"{report}\n\"\n")),
        (
            "Insights as CSV, other order",
            INSIGHTS,
            format!(
                "@message,@log,@timestamp\r\n{report},123456789012:/aws/lambda/resize,2026-10-05T17:00:01.234Z\r\n"
            ),
        ),
        ("Insights as CSV, fields", INSIGHTS, format!("{fields}\n{values}\n")),
        (
            "Insights as CSV, JSON message",
            INSIGHTS,
            format!("@timestamp,@message\n2026-10-05 17:00:09.999,\"{csv_platform}\"\n"),
        ),
        (
            "Insights as Markdown",
            INSIGHTS,
            format!(
                "{title}| @timestamp | @message |\n| --- | --- |\n| 2026-10-05 17:00:01.234 | {report}  |\n| 2026-10-05 17:00:01.000 | a | b |\n---\n"
            ),
        ),
        (
            "Insights as Markdown, fields",
            INSIGHTS,
            format!("{}\n|{}\n{}\n", row(fields), " --- |".repeat(10), row(&values)),
        ),
        (
            "Insights as Markdown, line end in the message",
            INSIGHTS,
            format!("| @message | @timestamp |\n| --- | --- |\n| {report}\n | 2026-10-05 17:00:01.234 |\n"),
        ),
        (
            "Insights as JSON of the console",
            JSON,
            format!(r#"[{{"@timestamp":"2026-10-05 17:00:01.234","@message":"{escaped}\n"}}]"#),
        ),
        (
            "Insights as JSON of the console, JSON message",
            JSON,
            format!(r#"[{{"@timestamp":"2026-10-05 17:00:01.300","@message":{platform}}}]"#),
        ),
        (
            "Insights, fields of a JSON message",
            JSON,
            format!(
                r#"{{"results":[[{{"field":"@timestamp","value":"2026-10-05 17:00:01.234"}},{{"field":"type","value":"platform.report"}},{{"field":"record.requestId","value":"{ID}"}},{{"field":"record.status","value":"success"}},{{"field":"record.metrics.durationMs","value":"101.25"}},{{"field":"record.metrics.billedDurationMs","value":"102"}},{{"field":"record.metrics.memorySizeMB","value":"512"}},{{"field":"record.metrics.maxMemoryUsedMB","value":"77"}},{{"field":"record.metrics.initDurationMs","value":"200.1"}}]]}}"#
            ),
        ),
    ]
}

/// That event on its way through streams.
pub fn of_streams() -> Vec<(&'static str, &'static str, String)> {
    let escaped = messages().0.replace('\t', "\\t");
    let (at, stream) = (1_791_219_601_234_i64, "2026/10/05/[$LATEST]c07fd1e2b3a495867768594a3b2c1d0e");
    let subscription = format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/lambda/resize","logStream":"{stream}","logEvents":[{{"id":"3","timestamp":{at},"message":"{escaped}\n"}}]}}"#
    );
    let control = r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1791219601000,"message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}"#;
    let data = base64_gzip(&subscription);
    let sorted = base64_gzip(&format!(
        r#"{{"logEvents":[{{"id":"3","message":"{escaped}\n","timestamp":{at}}}],"logGroup":"/aws/lambda/resize","logStream":"{stream}","messageType":"DATA_MESSAGE","owner":"123456789012"}}"#
    ));
    vec![
        (
            "stream of payloads sorted by name",
            JSON,
            format!(
                r#"{{"MillisBehindLatest":0,"Records":[{{"Data":"{sorted}","PartitionKey":"1","SequenceNumber":"4"}}]}}"#
            ),
        ),
        ("Firehose to S3", JSON, format!("{control}{subscription}{control}")),
        ("subscribed function", JSON, format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#)),
        (
            "function behind Kinesis",
            JSON,
            format!(
                r#"{{"Records":[{{"kinesis":{{"partitionKey":"1","data":"SGVsbG8gV29ybGQ=","sequenceNumber":"4"}},"eventSource":"aws:kinesis"}},{{"kinesis":{{"partitionKey":"1","data":"{data}","sequenceNumber":"5"}},"eventSource":"aws:kinesis"}}]}}"#
            ),
        ),
        (
            "aws kinesis get-records",
            JSON,
            format!(
                r#"{{"Records":[{{"SequenceNumber":"4","ApproximateArrivalTimestamp":1791219602.5,"Data":"{}","PartitionKey":"1"}},{{"SequenceNumber":"5","ApproximateArrivalTimestamp":1791219602.5,"Data":"{data}","PartitionKey":"1"}}],"NextShardIterator":"A","MillisBehindLatest":0}}"#,
                base64_gzip(control)
            ),
        ),
        (
            "function behind Firehose",
            JSON,
            format!(
                r#"{{"invocationId":"i","deliveryStreamArn":"arn:aws:firehose:eu-west-1:123456789012:deliverystream/logs","region":"eu-west-1","records":[{{"recordId":"4","approximateArrivalTimestamp":1791219602500,"data":"{data}"}}]}}"#
            ),
        ),
        (
            "not delivered by Firehose",
            JSON,
            format!(r#"{{"attemptsMade":4,"errorCode":"Lambda.FunctionError","rawData":"{data}","dataFormat":"x"}}"#),
        ),
    ]
}

#[test]
fn queries_and_streams_keep_the_key() {
    let all = envelopes();
    let expected = parse(all[0].1, &all[0].2).key();
    let streams = of_streams().into_iter().map(|envelope| (envelope, true));
    for ((name, format, text), streamed) in of_insights().into_iter().map(|envelope| (envelope, false)).chain(streams) {
        let (found, collected) = detected(name, text.as_bytes());
        assert_eq!((found, collected.key()), (format, expected.clone()), "{name}");
        assert_eq!((&collected.rejected, &collected.warnings), (&vec![], &vec![]), "{name}");
        let row = collected.invocations()[0].clone();
        assert_eq!((row.billed_ms, row.memory_mb, row.memory_used_mb), (Some(102), Some(512), Some(77)), "{name}");
        assert_eq!((row.duration_us, row.init_us), (Some(101_250), Some(200_100)), "{name}");
        assert_eq!((row.cold_start, row.status.as_deref()), (Some(true), Some("success")), "{name}");
        if streamed || text.contains("/aws/lambda/resize") {
            assert_eq!(row.resource.as_deref(), Some("resize"), "{name}");
        }
    }
}

#[test]
fn exports_to_s3_are_named_by_their_path() {
    let log = format!(
        "2026-10-05T17:00:01.000Z 2026-10-05T17:00:00.999Z\t{ID}\tINFO\tthe bill {{\n  a: 1,\n{}\n}}\n\n2026-10-05T17:00:01.234Z {}\n\n",
        report("11111111-1111-4111-8111-111111111111"),
        report(ID)
    );
    for (name, function, version) in [
        ("exports/0b1e7a52-93c4-4d6f-8e21-5a7c9d3f1b60/2026-10-05-[$LATEST]c07f/000000.gz", None, Some("$LATEST")),
        ("exports/0b1e7a52/2026-10-05-web-api[7]c07f/000000", Some("web-api"), Some("7")),
        ("exports/aws/lambda/resize/0b1e7a52/2026-10-05-[7]c07f/000000.gz", Some("resize"), Some("7")),
        ("000000.gz", None, None),
    ] {
        let (format, collected) = detected(name, &gzip(&log));
        assert_eq!(format, TEXT);
        assert_eq!((collected.records.len(), &collected.rejected), (1, &vec![]), "{name}");
        let row = collected.invocations()[0].clone();
        assert_eq!((row.resource.as_deref(), row.version.as_deref()), (function, version), "{name}");
        assert_eq!(collected.records[0].time, EventTime::Logged(1_791_219_601_234_000 - 1_500), "{name}");
        assert_eq!(collected.key(), parse(TEXT, &log).key(), "{name}");
        assert!(collected.warnings[0].starts_with("1 lines look like REPORT lines"), "{:?}", collected.warnings);
    }
}

#[test]
fn the_test_object_of_an_export_is_no_log() {
    let (format, collected) = detected("exports/aws-logs-write-test", b"Permission Check Successful");
    assert_eq!(format, TEXT);
    assert_eq!((collected.records.len(), collected.rejected.len(), collected.warnings.len()), (0, 0, 1));
    assert!(collected.warnings[0].contains("aws-logs-write-test"), "{:?}", collected.warnings);
    // The words in a log are a line like any other.
    let log = parse(TEXT, &format!("START RequestId: {ID} Version: 1\nPermission Check Successful\n"));
    assert_eq!(log.warnings, [""; 0]);
}

#[test]
fn times_of_whole_seconds_are_told() {
    let short = parse(TEXT, &format!("2026-10-05T17:00:01 {}\n", report(ID)));
    assert_eq!(short.records.len(), 1);
    assert!(short.warnings[0].contains("--format short"), "{:?}", short.warnings);
    assert_eq!(parse(TEXT, &format!("2026-10-05T17:00:01.000Z {}\n", report(ID))).warnings, [""; 0]);
}

#[test]
fn firehose_objects_hold_payloads_in_any_wrapping() {
    let ids = ["one", "two", "three"];
    let expected = parse(JSON, &ids.map(subscription).join("\n")).key();
    assert_eq!(expected.len(), 3);
    let glued = ids.map(subscription).concat();
    let members = ids.map(|id| gzip(&subscription(id))).concat();
    let mut twice = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut twice, &members).unwrap();
    for (name, bytes) in [
        ("glued", glued.as_bytes().to_vec()),
        ("compressed as a whole", gzip(&glued)),
        ("each compressed", members),
        ("each compressed, and the object", twice.finish().unwrap()),
    ] {
        let (format, collected) = detected(name, &bytes);
        assert_eq!((format, collected.key()), (JSON, expected.clone()), "{name}");
        assert_eq!((&collected.rejected, &collected.warnings), (&vec![], &vec![]), "{name}");
    }
}

#[test]
fn records_of_streams_are_read_or_told() {
    let record = |data: &str| format!(r#"{{"kinesis":{{"sequenceNumber":"4","data":"{data}"}}}}"#);
    let good = record(&base64_gzip(&subscription("one")));
    let event = |records: &[String]| format!(r#"{{"Records":[{}]}}"#, records.join(","));
    let damaged = base64_gzip(&subscription("two"))[..80].to_owned();
    for (name, text, records, rejected) in [
        ("two records", event(&[good.clone(), record(&base64_gzip(&subscription("two")))]), 2, None),
        ("of another kind", event(&[good.clone(), record("SGVsbG8gV29ybGQ="), record("eyJhIjoxfQ==")]), 1, None),
        ("no base64", event(&[good.clone(), record("%%%")]), 1, Some("`kinesis.data` is not valid base64")),
        ("damaged", event(&[good.clone(), record(&damaged)]), 1, Some("`kinesis.data`: ")),
        ("cut off", event(&[good.clone(), good[..40].to_owned()]), 1, Some("not valid JSON")),
        ("a line each", format!("{good}\n{}\n", record(&base64_gzip(&subscription("two")))), 2, None),
        (
            "payload cut off",
            event(&[good.clone(), record(&base64_gzip(&subscription("two")[..200]))]),
            1,
            Some("not valid JSON"),
        ),
    ] {
        let collected = parse(JSON, &text);
        assert_eq!(collected.records.len(), records, "{name}: {:?}", collected.rejected);
        assert_eq!(collected.rejected.len(), usize::from(rejected.is_some()), "{name}: {:?}", collected.rejected);
        if let (Some(row), Some(reason)) = (collected.rejected.first(), rejected) {
            assert!(row.reason.contains(reason), "{name}: {}", row.reason);
            let offset = if name == "cut off" { 0 } else { 13 + good.len() as u64 };
            assert_eq!(row.byte_offset, offset, "{name}: the place is that of the record");
        }
    }
    // What carries no log events is not ours.
    for text in [
        event(&[record("SGVsbG8gV29ybGQ=")]),
        event(&[record(&base64_gzip(r#"{"level":"INFO","timestamp":"2026-10-05T17:00:01Z","requestId":"1"}"#))]),
        r#"{"Records":[{"eventSource":"aws:s3","s3":{}}]}"#.into(),
        r#"{"records":[{"time":"2026-10-05T17:00:01Z","level":"Informational","timestamp":1,"requestId":"x","type":"platform.start"}]}"#.into(),
    ] {
        let claimed = format::by_name(JSON).unwrap().recognises(text.as_bytes());
        assert!(claimed.is_none(), "{text}");
    }
}

#[test]
fn batches_of_the_telemetry_api_are_read() {
    let function = format!(
        r#"{{"time":"2026-10-05T17:00:01.234Z","type":"function","record":"{}"}}"#,
        report("fake").replace('\t', "\\t")
    );
    let fault = r#"{"time":"2026-10-05T17:00:01.234Z","type":"platform.fault","record":"RequestId: x Process exited"}"#;
    let end = r#"{"time":"2026-10-05T17:00:01.234Z","type":"platform.end","record":{"requestId":"one"}}"#;
    let dropped = r#"{"time":"2026-10-05T17:00:01Z","type":"platform.logsDropped","record":{"droppedRecords":12,"droppedBytes":9,"reason":"x"}}"#;
    let batch = format!("[{function},{fault},{end},{}]\n[{dropped},{}]\n", platform("one"), platform("two"));
    let (format, collected) = detected("batches", batch.as_bytes());
    assert_eq!((format, collected.records.len(), &collected.rejected), (JSON, 2, &vec![]));
    assert_eq!(collected.warnings.len(), 1);
    assert!(collected.warnings[0].starts_with("metering incomplete: 12 log records"), "{:?}", collected.warnings);
    // As Python prints them: nothing is read, and the reason is said once a line.
    let python = format!("[{},{}]\n[{}]\n", platform("one"), platform("two"), platform("three"))
        .replace("\":", "': ")
        .replace('"', "'");
    let (format, collected) = detected("batches", python.as_bytes());
    assert_eq!((format, collected.records.len(), collected.rejected.len()), (JSON, 0, 2), "{:?}", collected.rejected);
    assert!(
        collected.rejected.iter().all(|row| row.reason.contains("as Python prints it")),
        "{:?}",
        collected.rejected
    );
    assert_eq!(collected.rejected[1].line, Some(2));
}

#[test]
fn expanded_copies_of_the_console_count_once() {
    let compact = platform(ID);
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&compact).unwrap()).unwrap();
    let expected = parse(JSON, &compact).key();
    for text in [
        format!("{pretty}\n{compact}\n"),
        format!("2026-10-05T17:00:01.300Z\n{pretty}\n\n{compact}\n"),
        format!("2026-10-05T17:00:01.300Z\t{compact}\n\n{pretty}\n"),
        format!(
            "2026-10-05T17:00:01.300Z {compact}\n{{\"time\":\"2026-10-05T17:00:02Z\",\"type\":\"platform.end\"}}\n{pretty}\n"
        ),
    ] {
        let (_, collected) = detected("copy", text.as_bytes());
        assert_eq!(collected.rejected, [], "{text}");
        let mut keys = collected.key();
        keys.dedup();
        assert_eq!(keys, expected, "{text}");
    }
}

#[test]
fn managed_instances_have_no_billed_duration() {
    let managed = |id: &str| {
        format!(
            r#"{{"time":"2026-10-05T17:00:01Z","type":"platform.report","record":{{"requestId":"{id}","metrics":{{"durationMs":7.125}},"status":"success"}}}}"#
        )
    };
    let collected = parse(JSON, &format!("{}\n{}\n{}\n", managed("a"), managed("b"), platform("c")));
    assert_eq!((collected.records.len(), &collected.rejected), (3, &vec![]));
    let rows = collected.invocations();
    assert_eq!((rows[0].billed_ms, rows[0].memory_mb, rows[0].capacity.as_deref()), (None, None, Some("managed")));
    assert_eq!(rows[2].capacity, None);
    assert_eq!(collected.warnings.len(), 1, "once for the file");
    assert!(collected.warnings[0].starts_with("2 invocations ran on Managed Instances"), "{:?}", collected.warnings);
}

#[test]
fn tables_of_insights_say_where_they_are_from() {
    let (format, collected) = detected(
        "results.md",
        format!(
            "# Reports\n\n**CloudWatch Logs Insights**    \r\nregion: eu-west-1    \r\nlog-group-names: /aws/lambda/resize    \r\nquery-string:\r\n  ```\r\n  filter @type = \"REPORT\"\r\n| limit 1\r\n  ```\r\n---\r\n| @timestamp | @message |\r\n| --- | --- |\r\n| 2026-10-05 17:00:01.234 | {} |\r\n---\r\n\r\n**CloudWatch Logs Insights**\nregion: us-east-1\nlog-group-names: /aws/lambda/a, /aws/lambda/b\n---\n| @timestamp | @message | @log | @aws.region |\n| --- | --- | --- | --- |\n| 2026-10-05 17:00:01.234 | {} | 123456789012:/aws/lambda/b |  |\n",
            report("11111111-1111-4111-8111-111111111111"),
            report("22222222-2222-4222-8222-222222222222")
        )
        .as_bytes(),
    );
    assert_eq!((format, &collected.rejected), (INSIGHTS, &vec![]));
    let found: Vec<_> = collected
        .invocations()
        .iter()
        .map(|row| (row.region.clone(), row.resource.clone(), row.account.clone()))
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        found,
        [(text("eu-west-1"), text("resize"), None), (text("us-east-1"), text("b"), text("123456789012"))]
    );
}

#[test]
fn rows_of_insights_that_cannot_be_read_are_kept() {
    let good = format!("2026-10-05 17:00:01.234,{}", report("one"));
    for (bad, reason) in [
        (format!("10/5/2026 17:00,{}", report("two")), Some("the time is `10/5/2026 17:00`")),
        ("2026-10-05 17:00:01.234,REPORT RequestId: 4c9a7d10-66b2".into(), Some("no `Memory Size`")),
        (format!("2026-10-05 17:00:01.234,{},x", report("two")), Some("the row has 3 columns")),
        ("10/5/2026 17:00,my output".into(), None),
        ("2026-10-05 17:00:01.234,".into(), None),
    ] {
        let csv = parse(INSIGHTS, &format!("@timestamp,@message\n{good}\n{bad}\n{good}\n"));
        assert_eq!((csv.records.len(), csv.rejected.len()), (2, usize::from(reason.is_some())), "{bad}");
        if let (Some(row), Some(reason)) = (csv.rejected.first(), reason) {
            assert!(row.reason.contains(reason), "{bad}: {}", row.reason);
            assert_eq!(row.line, Some(3), "{bad}");
        }
    }
    let markdown = |row: &str| parse(INSIGHTS, &format!("| @timestamp | @type |\n| --- | --- |\n{row}\n| x | END |"));
    for (row, reason) in [
        ("| 2026-10-05 17:00:01.234 | REPORT |", Some("neither `@message` nor `@requestId`")),
        ("| 2026-10-05 17:00:01.234 |", Some("the row has 1 cells, the header has 2")),
        ("| 2026-10-05 17:00:01.234 | REP", Some("the row does not end in `|`")),
        ("| a | END |", None),
    ] {
        let collected = markdown(row);
        assert_eq!(collected.records, []);
        let found: Vec<_> = collected.rejected.iter().map(|row| row.reason.as_str()).collect();
        assert_eq!(found.len(), usize::from(reason.is_some()), "{row}: {found:?}");
        assert!(reason.is_none_or(|reason| found[0].contains(reason)), "{row}: {found:?}");
    }
    let full = "2026-10-05 17:00:01.234,x\n".repeat(10_000);
    assert!(parse(INSIGHTS, &format!("@timestamp,@message\n{full}")).warnings[0].contains("its limit"));
    assert_eq!(parse(INSIGHTS, &format!("@timestamp,@message\nx,y\n{full}")).warnings, [""; 0]);
}

#[test]
fn other_tables_are_not_of_insights() {
    for text in [
        "@timestamp,hits\n2026-10-05 17:00:01.234,5\n",
        "a,b\n@message,@timestamp\n",
        "| a | b |\n| --- | --- |\n| @message | x |\n",
        "| @timestamp | @message |\n| x | y |\n",
        "# Notes\n\nA query:\n\n| @timestamp | @message |\n| --- | --- |\n",
        "sum(@billedDuration),@log\n5,x\n",
        "timestamp,message\n1791219601234,hello\n",
    ] {
        assert!(format::detect(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn the_example_of_insights_has_its_totals() {
    let text = include_str!("../files/aws-lambda-insights.csv");
    let (format, collected) = detected("aws-lambda-insights.csv", text.as_bytes());
    assert_eq!((format, collected.records.len(), collected.rejected.len()), (INSIGHTS, 6, 1));
    assert_eq!(collected.billed_ms(), 12 + 1_403 + 95 + 3_000 + 8 + 20);
    let functions: Vec<_> = collected.invocations().iter().filter_map(|row| row.resource.clone()).collect();
    assert_eq!(functions, ["resize", "resize", "web-api", "web-api", "resize", "redirect"]);
}
