//! Metrics of CloudWatch: the embedded metric format, and responses of its API.

use crate::lines::{Collected, base64_gzip, parse, parse_with, real, shared};
use paygrain_formats::format::mapped::Mapped;
use paygrain_formats::format::{self, Format, Origin};
use paygrain_formats::record::{EventTime, Usage};
use paygrain_formats::{Defaults, IngestError, Mapping};

const EMF: &str = "aws-emf";

/// Quantities are kept in units of 10⁻¹⁸.
const ONE: i128 = 10_i128.pow(18);

#[test]
fn real_embedded_metrics_have_their_known_totals() {
    for (name, meter, resource, time_ms, sum) in [
        ("powertools_add_metadata_output.json", "SuccessfulBooking", "booking", 1_656_688_250_155, 1),
        ("powertools_add_multi_value_metrics_output.json", "TurbineReads", "booking", 1_656_685_750_622, 9),
        ("powertools_capture_cold_start_metric_output.json", "ColdStart", "test", 1_656_687_493_142, 1),
        ("powertools_log_metrics_output.json", "SuccessfulBooking", "booking", 1_656_686_788_803, 1),
        ("powertools_single_metric_output.json", "MySingleMetric", "booking", 1_656_689_267_834, 1),
    ] {
        let Some(collected) = real("emf", name, EMF) else { return };
        assert_eq!((collected.records.len(), collected.rejected.len()), (1, 0), "{name}");
        let row = collected.metered()[0].clone();
        assert_eq!((row.provider.as_str(), row.service.as_str()), ("aws", "serverless-airline"), "{name}");
        assert_eq!((row.meter.as_deref(), row.resource.as_deref()), (Some(meter), Some(resource)), "{name}");
        assert_eq!((row.quantity, row.unit, row.held_us), (Some(sum * ONE), None, None), "{name}");
        assert_eq!(collected.records[0].time, EventTime::Logged(time_ms * 1_000), "{name}");
    }
}

#[test]
fn the_example_of_embedded_metrics_has_its_totals() {
    let text = include_str!("../files/aws-emf.json");
    assert_eq!(format::detect(text.as_bytes()).unwrap().0.name(), EMF);
    let collected = parse(EMF, text);
    let rows = collected.metered();
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            let word = |text: &Option<String>| text.clone().unwrap_or_default();
            (word(&row.meter), row.service.clone(), word(&row.resource), row.quantity.unwrap_or(0), word(&row.unit))
        })
        .collect();
    let row = |meter: &str, service: &str, resource: &str, quantity: i128, unit: &str| {
        (meter.to_owned(), service.to_owned(), resource.to_owned(), quantity, unit.to_owned())
    };
    assert_eq!(
        found,
        [
            row("ColdStart", "picture-shop", "resize", ONE, ""),
            row("Pictures", "picture-shop", "pictures", 3 * ONE, ""),
            row("PictureBytes", "picture-shop", "pictures", 3_145_728 * ONE + ONE / 2, "B"),
            row("Latency", "picture-shop", "pictures", 46 * ONE + ONE / 2, "ms"),
            row("Tokens", "picture-shop", "ask", 1_234 * ONE, ""),
            row("Tokens", "picture-shop-billing", "", 1_234 * ONE, ""),
        ]
    );
    assert_eq!(collected.rejected.len(), 1);
    assert!(collected.rejected[0].reason.contains("metric `Missing` is not in the event"), "{:?}", collected.rejected);
    assert_eq!(collected.rejected[0].line, Some(18));
}

fn event(name: &str, value: &str) -> String {
    format!(
        r#"{{"_aws":{{"Timestamp":1791219600000,"CloudWatchMetrics":[{{"Namespace":"N","Dimensions":[["service"]],"Metrics":[{{"Name":"{name}"}}]}}]}},"service":"s","{name}":{value}}}"#
    )
}

#[test]
fn embedded_metrics_are_read_out_of_log_events() {
    let escaped = event("A", "2").replace('"', "\\\"");
    let log_event = |id: &str| format!(r#"{{"{id}":"77","timestamp":1791219600001,"message":"{escaped}\n"}}"#);
    let page = format!(
        r#"{{"events":[{},{{"timestamp":1,"message":"hello","eventId":"1"}}],"searchedLogStreams":[]}}"#,
        log_event("eventId")
    );
    let payload = format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/lambda/f","logStream":"s","logEvents":[{}]}}"#,
        log_event("id")
    );
    let expected = parse(EMF, &page).key();
    assert_eq!(expected.len(), 1);
    for text in [log_event("eventId"), log_event("id"), payload.clone(), format!("{payload}{page}")] {
        let collected = parse(EMF, &text);
        assert_eq!(
            (collected.key().iter().all(|key| *key == expected[0]), collected.rejected.len()),
            (true, 0),
            "{text}"
        );
        assert_eq!(collected.metered()[0].quantity, Some(2 * ONE));
    }
    let row = parse(EMF, &payload).metered()[0].clone();
    assert_eq!((row.account.as_deref(), row.resource.as_deref()), (Some("123456789012"), Some("s")));
    // The content is the key where there is no id, however it is laid out.
    let pretty =
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&event("A", "2")).unwrap()).unwrap();
    assert_eq!(parse(EMF, &pretty).key(), parse(EMF, &event("A", "2")).key());
    assert_ne!(parse(EMF, &event("A", "2")).key(), parse(EMF, &event("A", "3")).key());
    // Log events as such are those of Lambda, whatever their messages are.
    for text in [page, format!(r#"{{"awslogs":{{"data":"{}"}}}}"#, base64_gzip(&payload))] {
        assert_eq!(format::detect(text.as_bytes()).unwrap().0.name(), "aws-lambda-json");
    }
}

#[test]
fn embedded_metrics_that_cannot_be_read_are_kept() {
    let good = event("A", "2");
    for (bad, reason) in [
        (event("B", "\"2\""), "metric `B` is"),
        (event("B", "-2"), "no negative number"),
        (event("B", "[1,null]"), "expected a decimal number"),
        (event("B", "1e300"), "too large"),
        (event("B", "1e-30"), "more decimals"),
        (event("B", r#"{"Values":[1,2],"Counts":[1]}"#), "2 values and 1 counts"),
        (event("B", r#"{"min":1}"#), "expected `Values` and `Counts`"),
        (event("B", &format!("[{}]", ["99999999999999999999"; 20].join(","))), "sum is too large"),
        (event("B", "1").replace("1791219600000", "\"yesterday\""), "`_aws.Timestamp` is"),
        (event("B", "1").replace("\"Namespace\":\"N\",", ""), "`_aws`: missing field `Namespace`"),
        (event("B", "1").replace("1}", "1"), "not valid JSON"),
    ] {
        let collected = parse(EMF, &format!("{good}\n{bad}\n{good}\n"));
        assert_eq!((collected.records.len(), collected.rejected.len()), (2, 1), "{bad}: {:?}", collected.rejected);
        assert!(collected.rejected[0].reason.contains(reason), "{bad}: {}", collected.rejected[0].reason);
        assert_eq!((collected.rejected[0].line, collected.rejected[0].byte_offset), (Some(2), good.len() as u64 + 1));
    }
    let mut cut = parse_with(EMF, &mut &good.as_bytes()[..good.len() - 5], &Defaults::default());
    assert_eq!((cut.records.len(), cut.rejected.len()), (0, 1));
    cut.rejected.clear();
    // No metrics, but no loss either.
    for text in [r#"{"level":"INFO","timestamp":"2026-10-05T17:00:01Z","message":{"a":1}}"#, "[]", r#"{"events":[]}"#] {
        assert_eq!(parse(EMF, text), cut, "{text}");
    }
}

const METRICS: &str = "aws-cloudwatch-metrics";

pub const DECLARED: &str = r#"
    [metric.m1]
    table = "metered"
    namespace = "AWS/DynamoDB"
    name = "ProvisionedWriteCapacityUnits"
    dimensions = { TableName = "orders" }
    stat = "Average"
    period_s = 300
    service = "dynamodb"
    meter = "wcu"
    unit = "WCU"
    resource = "orders"

    [metric.m2]
    table = "requests"
    namespace = "AWS/Logs"
    name = "IncomingBytes"
    dimensions = { LogGroupName = "/aws/lambda/resize" }
    stat = "Sum"
    period_s = 3600
    value = "request_bytes"
    service = "cloudwatch"
    operation = "PutLogEvents"

    [metric.m3]
    table = "storage"
    namespace = "AWS/S3"
    name = "BucketSizeBytes"
    dimensions = { StorageType = "StandardIAStorage", BucketName = "photos" }
    stat = "Average"
    period_s = 86400
    service = "s3"
    resource = "photos"
    storage_class = "STANDARD_IA"

    [metric.m4]
    table = "storage"
    namespace = "AWS/S3"
    name = "NumberOfObjects"
    dimensions = { StorageType = "AllStorageTypes", BucketName = "photos" }
    stat = "Average"
    period_s = 86400
    value = "objects"
    service = "s3"
    resource = "photos"
    storage_class = "STANDARD_IA"

    [metric.m5]
    table = "requests"
    namespace = "AWS/SQS"
    name = "NumberOfMessagesSent"
    dimensions = { QueueName = "queue" }
    stat = "Sum"
    period_s = 300
    service = "sqs"
"#;

fn mapped(mapping: &str, text: &str) -> Result<Collected, IngestError> {
    let mapping = Mapping::from_toml("m.toml", mapping).unwrap();
    let mut collected = Collected::default();
    let origin = Origin { name: "", defaults: &Defaults::default() };
    Mapped { mapping }.parse(&mut text.as_bytes(), &origin, &mut collected)?;
    Ok(collected)
}

fn without_mapping(text: &str, defaults: &Defaults) -> Result<Collected, IngestError> {
    let mut collected = Collected::default();
    let format = format::by_name(METRICS).unwrap();
    format.parse(&mut text.as_bytes(), &Origin { name: "", defaults }, &mut collected)?;
    Ok(collected)
}

/// One declared metric.
fn declared(name: &str, stat: &str, period_s: u32) -> String {
    format!(
        "[metric.{name}]\ntable = 'metered'\nnamespace = 'AWS/RDS'\nname = 'x'\ndimensions = {{}}\nstat = '{stat}'\nperiod_s = {period_s}\nservice = 'aurora-serverless'\nmeter = 'acu'\n"
    )
}

#[test]
fn real_metrics_have_their_known_totals_once_declared() {
    let Some(folder) = shared() else { return };
    for (file, name, stat, period_s, points, sum) in [
        ("awscli_get_metric_data_1.json", "m3", "Average", 300, 1, 96_850),
        ("awscli_get_metric_data_2.json", "EstimatedCharges", "Maximum", 21_600, 1, 542_380),
        ("awscli_get_metric_statistics_1.json", "CPUUtilization", "Maximum", 3_600, 23, 1_137_590),
    ] {
        let text = std::fs::read_to_string(folder.join("cloudwatch-metrics").join(file)).unwrap();
        assert_eq!(format::detect(text.as_bytes()).unwrap().0.name(), METRICS, "{file}");
        let error = without_mapping(&text, &Defaults::default()).unwrap_err();
        assert!(error.to_string().contains("does not say what"), "{file}: {error}");
        let collected = mapped(&declared(name, stat, period_s), &text).unwrap();
        assert_eq!((collected.records.len(), &collected.rejected), (points, &vec![]), "{file}");
        let total: i128 = collected.metered().iter().filter_map(|row| row.quantity).sum();
        assert_eq!(total * 1_000 / ONE, sum, "{file}");
        assert!(collected.metered().iter().all(|row| row.held_us == Some(i64::from(period_s) * 1_000_000)), "{file}");
    }
}

#[test]
fn the_example_of_metrics_has_its_totals() {
    let text = include_str!("../files/aws-cloudwatch-metrics.json");
    assert_eq!(format::detect(text.as_bytes()).unwrap().0.name(), METRICS);
    let collected = mapped(DECLARED, text).unwrap();
    assert_eq!((collected.records.len(), collected.rejected.len(), collected.warnings.len()), (7, 0, 0));
    let mut found = Vec::new();
    for record in &collected.records {
        found.push(match &record.usage {
            Usage::MeteredQuantity(row) => (row.service.clone(), row.quantity.unwrap() * 10 / ONE, None, row.held_us),
            Usage::Request(row) => (row.service.clone(), row.request_bytes.unwrap().into(), None, None),
            Usage::StoredBytes(row) => (row.service.clone(), row.bytes.unwrap().into(), row.objects, row.held_us),
            other => panic!("{other:?}"),
        });
    }
    let (minutes, day) = (Some(300_000_000), Some(86_400_000_000));
    let row = |service: &str, value: i128, objects: Option<i64>, held_us: Option<i64>| {
        (service.to_owned(), value, objects, held_us)
    };
    assert_eq!(
        found,
        [
            row("dynamodb", 100, None, minutes),
            row("dynamodb", 125, None, minutes),
            row("dynamodb", 200, None, minutes),
            row("cloudwatch", 2_048, None, None),
            row("cloudwatch", 1_048_576, None, None),
            row("s3", 400_000_000_000, Some(1_200), day),
            row("s3", 422_868_123_111, Some(1_202), day),
        ]
    );
    // 2026-10-05T17:00:00Z
    assert_eq!(collected.records[0].time, EventTime::Logged(1_791_219_600_000_000));
    // Whatever is on a page, and in which order, a datapoint has one key; another statistic is another datapoint.
    let alone = r#"{"MetricDataResults":[{"Id":"m1","Label":"x","Timestamps":["2026-10-05T17:00:00Z",1791220200],"Values":[10,20],"StatusCode":"Complete"}]}"#;
    let alone = mapped(DECLARED, alone).unwrap();
    assert_eq!(alone.key(), [collected.key()[0], collected.key()[2]]);
    let statistics = r#"{"Label":"ProvisionedWriteCapacityUnits","Datapoints":[{"Timestamp":"2026-10-05T17:00:00+00:00","Average":10.0,"Unit":"Count"}]}"#;
    let by_label = DECLARED.replace("metric.m1", "metric.ProvisionedWriteCapacityUnits");
    assert_eq!(mapped(&by_label, statistics).unwrap().key(), [collected.key()[0]]);
    let maximum = DECLARED.replacen("Average", "Maximum", 1);
    assert_ne!(mapped(&maximum, text).unwrap().key()[0], collected.key()[0]);
}

#[test]
fn sizes_of_a_bucket_need_its_name_and_class() {
    let series = |id: &str, label: &str, value: &str| {
        format!(
            r#"{{"Id":"{id}","Label":"{label}","Timestamps":["2026-10-05T00:00:00+00:00"],"Values":[{value}],"StatusCode":"Complete"}}"#
        )
    };
    let (sizes, objects) = (series("a", "BucketSizeBytes", "1.5E9"), series("b", "NumberOfObjects", "30.0"));
    let page = |series: &[&str]| format!(r#"{{"MetricDataResults":[{}],"Messages":[]}}"#, series.join(","));
    let defaults = Defaults::from_toml(
        "d",
        "resource = 'photos'\nregion = 'eu-west-1'\n[resources.photos]\nstorage_class = 'STANDARD_IA'",
    )
    .unwrap();
    let collected = without_mapping(&page(&[&objects, &sizes]), &defaults).unwrap();
    assert_eq!((collected.records.len(), collected.rejected.len()), (1, 0));
    let Usage::StoredBytes(row) = &collected.records[0].usage else { panic!("{collected:?}") };
    assert_eq!((row.bytes, row.objects, row.held_us), (Some(1_500_000_000), Some(30), Some(86_400_000_000)));
    assert_eq!(
        (row.service.as_str(), row.resource.as_deref(), row.storage_class.as_deref()),
        ("s3", Some("photos"), Some("STANDARD_IA"))
    );
    // The same day again, as statistics and without the objects.
    let statistics = r#"{"Label":"BucketSizeBytes","Datapoints":[{"Timestamp":"2026-10-05T00:00:00Z","Average":1500000000.0,"Unit":"Bytes"}]}"#;
    assert_eq!(without_mapping(statistics, &defaults).unwrap().key(), collected.key());
    // A number of objects by itself would be counted beside the bytes.
    let alone = without_mapping(&page(&[&objects]), &defaults).unwrap();
    assert_eq!((alone.records.len(), alone.rejected.len()), (0, 1));
    assert!(alone.rejected[0].reason.contains("without the bytes of the same time"), "{:?}", alone.rejected);
    for defaults in [Defaults::default(), Defaults { resource: Some("photos".into()), ..Defaults::default() }] {
        let error = without_mapping(&page(&[&sizes]), &defaults).unwrap_err();
        assert!(error.to_string().contains("`resource` and `storage_class`"), "{error}");
    }
}

#[test]
fn what_to_declare_is_told() {
    for (text, section) in [
        (r#"{"MetricDataResults":[{"Id":"e1","Label":"rate","Timestamps":[],"Values":[]}]}"#, "[metric.e1]"),
        (r#"{"Label":"CPU Utilization","Datapoints":[]}"#, "[metric.\"CPU Utilization\"]"),
        (r#"{"Label":"BucketSizeBytes","Datapoints":[]}"#, "[metric.BucketSizeBytes]"),
    ] {
        let error = mapped(DECLARED, text).unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains("--mapping FILE.toml") && hint.contains(section), "{hint}");
        let (_, example) = hint.split_once("\n\n").unwrap();
        assert!(Mapping::from_toml("example", example).is_ok(), "the example is a mapping: {example}");
    }
}

#[test]
fn mappings_of_the_guide_are_mappings() {
    let guide = include_str!("../../../docs/mappings.md");
    let mappings: Vec<_> = guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(mappings.len(), 2);
    for mapping in mappings {
        assert!(Mapping::from_toml("guide", mapping).is_ok(), "{:?}", Mapping::from_toml("guide", mapping));
    }
}

#[test]
fn what_makes_metrics_incomplete_is_told() {
    let page = |status: &str, rest: &str| {
        format!(
            r#"{{"MetricDataResults":[{{"Id":"m1","Label":"x","Timestamps":["2026-10-05T17:00:00Z"],"Values":[1],"StatusCode":"{status}"}}]{rest}}}"#
        )
    };
    for (text, expected) in [
        (page("Complete", ""), None),
        (page("PartialData", r#","NextToken":"x""#), Some("`m1` is `PartialData`")),
        (page("InternalError", ""), Some("`m1` is `InternalError`")),
        (page("Complete", r#","NextToken":"x""#), Some("the last page has a `NextToken`")),
        (page("PartialData", r#","NextToken":"x""#) + &page("Complete", ""), None),
        (
            page("Complete", r#","Messages":[{"Code":"MaxMetricsExceeded","Value":"more than 500"}]"#),
            Some("CloudWatch says: MaxMetricsExceeded: more than 500"),
        ),
    ] {
        let collected = mapped(DECLARED, &text).unwrap();
        assert_eq!(collected.rejected, [], "{text}");
        assert!(!collected.records.is_empty());
        assert_eq!(collected.warnings.len(), usize::from(expected.is_some()), "{text}: {:?}", collected.warnings);
        assert!(expected.is_none_or(|words| collected.warnings[0].contains(words)), "{:?}", collected.warnings);
    }
}

#[test]
fn metrics_that_cannot_be_read_are_kept() {
    let series = |times: &str, values: &str| {
        format!(
            r#"{{"MetricDataResults":[{{"Id":"m1","Label":"x","Timestamps":[{times}],"Values":[{values}],"StatusCode":"Complete"}}]}}"#
        )
    };
    let good = series("\"2026-10-05T17:00:00Z\"", "1");
    let statistics = |datapoint: &str| format!(r#"{{"Label":"m1","Datapoints":[{datapoint}]}}"#);
    for (bad, reason) in [
        (series("\"2026-10-05T17:00:00Z\"", "1,2"), "1 timestamps and 2 values"),
        (series("\"yesterday\"", "1"), "a timestamp is"),
        (series("\"2026-10-05T17:00:00Z\"", "-1"), "no negative number"),
        (series("\"2026-10-05T17:00:00Z\"", "null"), "expected a decimal number"),
        (series("\"2026-10-05T17:00:00Z\"", "\"1\""), "expected a decimal number"),
        (series("\"2026-10-05T17:00:00Z\",\"2026-10-05T17:01:00Z\"", "1,2"), "60 s apart"),
        (
            statistics(r#"{"Timestamp":"2026-10-05T17:00:00Z","Sum":1,"Unit":"Count"}"#),
            "no `Average`, the declared `stat`; it has Sum",
        ),
        (statistics(r#"{"Average":1}"#), "no `Timestamp`"),
        (r#"{"MetricDataResults":[1]}"#.into(), "not a valid element of `MetricDataResults`"),
        (r#"{"Metrics":[]}"#.into(), "expected `MetricDataResults` or `Datapoints`"),
        (good[..good.len() - 4].to_owned(), "not valid JSON"),
    ] {
        let collected = mapped(DECLARED, &format!("{good}\n{bad}\n{good}\n")).unwrap();
        assert_eq!((collected.records.len(), collected.rejected.len()), (2, 1), "{bad}: {:?}", collected.rejected);
        assert!(collected.rejected[0].reason.contains(reason), "{bad}: {}", collected.rejected[0].reason);
        assert_eq!(collected.rejected[0].line, Some(2), "{bad}");
    }
    let kilobytes = r#"{"Label":"m2","Datapoints":[{"Timestamp":"2026-10-05T17:00:00Z","Sum":1,"Unit":"Kilobytes"}]}"#;
    let collected = mapped(DECLARED, kilobytes).unwrap();
    assert!(collected.rejected[0].reason.contains("`Unit` is `Kilobytes`, expected Bytes"), "{:?}", collected.rejected);
    let half =
        r#"{"MetricDataResults":[{"Id":"m5","Label":"x","Timestamps":["2026-10-05T17:00:00Z"],"Values":[0.5]}]}"#;
    let collected = mapped(DECLARED, half).unwrap();
    assert!(collected.rejected[0].reason.contains("the value for `units` is `0.5`"), "{:?}", collected.rejected);
}

#[test]
fn long_responses_are_recognised_by_their_beginning() {
    let times = ["\"2026-10-05T17:00:00+00:00\""; 20_000].join(",");
    let long = format!(r#"{{"MetricDataResults":[{{"Id":"m1","Label":"x","Timestamps":[{times}],"Values":[]}}]}}"#);
    let datapoints = [r#"{"Timestamp":"2026-10-05T17:00:00Z","Sum":1.0,"Unit":"Count"}"#; 9_000].join(",");
    for text in [long, format!(r#"{{"Datapoints":[{datapoints}],"Label":"x"}}"#)] {
        assert!(text.len() > format::HEAD_BYTES_MAX);
        let (format, recognition) = format::detect(&text.as_bytes()[..format::HEAD_BYTES_MAX]).unwrap();
        assert_eq!(format.name(), METRICS, "{}", recognition.because);
    }
    for text in [r#"{"Datapoints":[],"x":1}"#, r#"{"MetricDataResults":1}"#, r#"{"Label":"x"}"#] {
        assert!(format::detect(text.as_bytes()).is_err(), "{text}");
    }
}
