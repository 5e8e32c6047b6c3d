//! OpenTelemetry: temporality, resets, files that split a series, spans of functions.

use std::collections::HashMap;

use crate::azure::{ONE, example, metered, sum};
use crate::lines::{Collected, parse, real};
use paygrain_formats::record::{EventTime, Usage};

const OTLP: &str = "otlp-json";

#[test]
fn the_official_examples_are_read() {
    let Some(metrics) = real("otlp", "opentelemetry-proto_metrics.json", OTLP) else { return };
    assert_eq!(metrics.rejected, []);
    let rows: Vec<_> = metered(&metrics)
        .into_iter()
        .map(|row| (row.meter.as_deref().unwrap(), row.quantity.unwrap() / ONE, row.service.as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            ("my.counter", 5, "my.service"),
            ("my.gauge", 10, "my.service"),
            ("my.histogram.count", 2, "my.service"),
            ("my.histogram.sum", 2, "my.service"),
            ("my.exponential.histogram.count", 3, "my.service"),
            ("my.exponential.histogram.sum", 10, "my.service"),
        ]
    );
    assert_eq!(metrics.key()[0].0, EventTime::Logged(1_544_712_660_300_000));
    assert!(metrics.warnings[0].contains("levels"), "{:?}", metrics.warnings);
    for (name, warning) in [
        ("opentelemetry-proto_trace.json", "1 spans are no function invocations"),
        ("opentelemetry-proto_logs.json", "log records of OpenTelemetry are no usage"),
        ("opentelemetry-proto_events.json", "log records of OpenTelemetry are no usage"),
    ] {
        let log = real("otlp", name, OTLP).unwrap();
        assert_eq!((log.records.len(), log.rejected.len()), (0, 0), "{name}");
        assert!(log.warnings[0].starts_with(warning), "{name}: {:?}", log.warnings);
    }
}

#[test]
fn the_example_has_its_totals() {
    let log = example("otlp-json.jsonl", OTLP);
    let invocation = log.records.iter().find_map(|record| match &record.usage {
        Usage::Invocation(row) => Some(row.clone()),
        _ => None,
    });
    let row = invocation.unwrap();
    assert_eq!((row.service.as_str(), row.duration_us, row.memory_mb), ("lambda", Some(101_251), Some(512)));
    assert_eq!(
        (row.cold_start, row.status.as_deref(), row.trigger.as_deref()),
        (Some(true), Some("error"), Some("http"))
    );
    let metered: Vec<_> =
        log.records.iter().filter(|record| matches!(record.usage, Usage::MeteredQuantity(_))).collect();
    let metrics = Collected { records: metered.into_iter().cloned().collect(), ..Collected::default() };
    assert_eq!(sum(&metrics, "faas.invocations"), 10 * ONE);
    assert_eq!(sum(&metrics, "faas.invoke_duration.count"), 10 * ONE);
    assert_eq!(sum(&metrics, "faas.invoke_duration.sum"), 3 * ONE / 2);
    assert_eq!(sum(&metrics, "faas.net_io"), 1_048_576 * ONE);
    let row = crate::azure::metered(&metrics)[0].clone();
    assert_eq!(
        (row.provider.as_str(), row.service.as_str(), row.resource.as_deref()),
        ("aws", "shop", Some("checkout"))
    );
    assert_eq!(
        (row.account.as_deref(), row.region.as_deref(), row.memory_mb),
        (Some("123456789012"), Some("eu-west-1"), Some(512))
    );
    assert_eq!(log.rejected.iter().map(|row| row.line).collect::<Vec<_>>(), [Some(2), Some(3)]);
    assert!(log.rejected[0].reason.contains("`asInt` is `-1`"), "{:?}", log.rejected);
    assert!(log.rejected[1].reason.contains("is before"), "{:?}", log.rejected);
}

const START: u64 = 1_791_219_600;

/// One export: points of one series, seconds after its start, and its values.
fn export(start: u64, points: &[(u64, &str)]) -> String {
    let points: Vec<String> = points
        .iter()
        .map(|(after, value)| {
            let start = if start == 0 { String::new() } else { format!("\"startTimeUnixNano\":\"{start}000000000\",") };
            format!("{{{start}\"timeUnixNano\":\"{}000000000\",\"asDouble\":{value}}}", START + after)
        })
        .collect();
    format!(
        "{{\"resourceMetrics\":[{{\"resource\":{{}},\"scopeMetrics\":[{{\"metrics\":[{{\"name\":\"m\",\"sum\":{{\"aggregationTemporality\":2,\"isMonotonic\":true,\"dataPoints\":[{}]}}}}]}}]}}]}}\n",
        points.join(",")
    )
}

/// What the lake keeps of files that come one after the other.
fn total(files: &[String]) -> i128 {
    let mut lake = HashMap::new();
    for file in files {
        let log = parse(OTLP, file);
        assert_eq!(log.rejected, []);
        for (key, row) in log.key().into_iter().zip(metered(&log)) {
            lake.entry((format!("{:?}", key.0), key.1)).or_insert(row.quantity.unwrap());
        }
    }
    lake.values().sum()
}

#[test]
fn cumulative_points_are_differenced() {
    let points = [(60, "3"), (120, "3"), (180, "10.5"), (240, "11")];
    let all = export(START, &points);
    assert_eq!(total(std::slice::from_ref(&all)), 11 * ONE);
    let log = parse(OTLP, &all);
    // A row begins where the point before it was, and a point that added nothing is no row.
    let times: Vec<_> = log.key().into_iter().map(|(time, _)| time).collect();
    let at = |after: i64| EventTime::Logged((START as i64 + after) * 1_000_000);
    assert_eq!(times, [at(0), at(120), at(180)]);
    // In any order and number of requests, twice or once.
    let single = |index: usize| export(START, &points[index..=index]);
    let shuffled = [single(2), single(0), single(3), single(0), single(1)].concat();
    assert_eq!(parse(OTLP, &shuffled).records, log.records);
}

#[test]
fn resets_are_found_by_start_and_by_value() {
    let restarted = export(START, &[(60, "3"), (120, "5")]) + &export(START + 150, &[(180, "2"), (240, "6")]);
    assert_eq!(total(&[restarted]), 11 * ONE);
    let fell = export(START, &[(60, "3"), (120, "5"), (180, "2"), (240, "6")]);
    assert_eq!(total(std::slice::from_ref(&fell)), 11 * ONE);
    assert!(parse(OTLP, &fell).warnings.iter().any(|warning| warning.starts_with("1 cumulative values fell")));
    // No start, or one in the instant of the point: what was before is not known.
    for unknown in [export(0, &[(60, "3"), (120, "5")]), export(START + 60, &[(60, "3"), (120, "5")])] {
        assert_eq!(total(std::slice::from_ref(&unknown)), 2 * ONE);
        assert!(parse(OTLP, &unknown).warnings[0].starts_with("1 cumulative series do not say"));
    }
    let torn = export(START, &[(60, "3"), (60, "4")]);
    assert_eq!(parse(OTLP, &torn).rejected.len(), 1);
}

#[test]
fn what_holds_when_a_series_comes_in_several_files() {
    let points = [(60, "3"), (120, "5"), (180, "10"), (240, "11")];
    let part = |range: std::ops::RangeInclusive<usize>| export(START, &points[range]);
    // Each file begins with the last export of the one before: the same sum as in one file.
    assert_eq!(total(&[part(0..=1), part(1..=3)]), 11 * ONE);
    assert_eq!(total(&[part(0..=1), part(1..=2), part(2..=3)]), 11 * ONE);
    // The same file again, and a file that holds the whole of another: nothing twice.
    assert_eq!(total(&[part(0..=3), part(0..=1), part(0..=3)]), 11 * ONE);
    // Apart: what lies between the files is missing, and a warning says so.
    assert_eq!(total(&[part(0..=1), part(2..=3)]), (11 - 5) * ONE);
    assert_eq!(total(&[part(0..=0), part(1..=1), part(2..=2)]), 3 * ONE);
    assert!(parse(OTLP, &part(2..=3)).warnings[0].starts_with("1 cumulative series count from their start"));
    // A later file first: what it had since the start overlaps with the earlier file.
    assert_eq!(total(&[part(2..=3), part(0..=1)]), (11 + 2) * ONE);
}

#[test]
fn delta_points_count_once_in_any_split() {
    let delta = |after: u64, value: u64| {
        export(START + after, &[(after + 60, &value.to_string())])
            .replace("aggregationTemporality\":2", "aggregationTemporality\":1")
    };
    let (one, two, three) = (delta(0, 3), delta(60, 4), delta(120, 0));
    assert_eq!(total(&[[one.clone(), two.clone(), three.clone()].concat()]), 7 * ONE);
    assert_eq!(total(&[[two.clone(), three].concat(), one.clone(), two, one]), 7 * ONE);
}

#[test]
fn bad_points_cost_themselves_alone() {
    for (bad, expected) in [
        (export(START, &[(60, "\"NaN\"")]), "a point of `m`: `asDouble` is `NaN`"),
        (export(START, &[(60, "-4")]), "expected no negative number"),
        (export(START + 90, &[(60, "4")]), "`startTimeUnixNano` is after `timeUnixNano`"),
        (export(START, &[(60, "4")]).replace("timeUnixNano\":\"1", "timeUnixNano\":\"x1"), "`timeUnixNano` is `x1"),
        (export(START, &[(60, "4")]).replace("\"timeUnixNano\"", "\"t\""), "there is no `timeUnixNano`"),
        (export(START, &[(60, "4")]).replace("asDouble", "as"), "there is none of `asInt`"),
        (
            export(START, &[(60, "4")]).replace("aggregationTemporality\":2", "a\":2"),
            "`aggregationTemporality` of `m` is none",
        ),
        (export(START, &[(60, "4")]).replace("\"name\"", "\"n\""), "a metric has no `name`"),
        (
            export(START, &[(60, "4")]).replace("\"scopeMetrics\":[", "\"scopeMetrics\":[7,"),
            "`scopeMetrics` is no array of objects",
        ),
        ("{\"a\":1}\n".to_owned(), "not a request of OTLP"),
        (export(START, &[(60, "4")])[..80].to_owned() + "\n", "not valid JSON"),
        (
            export(START, &[(60, "4")]).replace(
                "\"resource\":{}",
                "\"resource\":{\"attributes\":[{\"key\":\"faas.max_memory\",\"value\":{\"intValue\":\"128\"}}]}",
            ),
            "`faas.max_memory` is `128`, expected bytes",
        ),
    ] {
        let text = format!("{}{bad}{}", export(START, &[(60, "3")]), export(START, &[(120, "5")]));
        let log = parse(OTLP, &text);
        assert_eq!(log.rejected.len(), 1, "{bad}: {:?}", log.rejected);
        assert!(log.rejected[0].reason.contains(expected), "{bad}: {}", log.rejected[0].reason);
        assert_eq!(log.rejected[0].line, Some(2), "{bad}");
        assert_eq!(sum(&log, "m"), 5 * ONE, "{bad}");
    }
    let no_value = export(START, &[(60, "4")]).replace("\"asDouble\":4", "\"flags\":1");
    assert_eq!(parse(OTLP, &no_value), Collected::default());
}

#[test]
fn spans_of_functions_are_invocations() {
    let span = |kind: &str, attributes: &str| {
        format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"s"}}}}]}},"scopeSpans":[{{"spans":[{{"traceId":"AB","spanId":"CD","kind":{kind},"startTimeUnixNano":"1791219600000000000","endTimeUnixNano":"1791219600000000000","attributes":[{attributes}]}}]}}]}}]}}"#
        )
    };
    let attribute = |name: &str| format!(r#"{{"key":"{name}","value":{{"stringValue":"i1"}}}}"#);
    for (kind, name, count) in [
        ("2", "faas.invocation_id", 1),
        ("1", "faas.execution", 1),
        ("\"SPAN_KIND_CONSUMER\"", "faas.trigger", 1),
        ("1", "faas.trigger", 0),
        ("3", "faas.invocation_id", 0),
        ("2", "http.route", 0),
    ] {
        let log = parse(OTLP, &span(kind, &attribute(name)));
        assert_eq!((log.records.len(), log.rejected.len()), (count, 0), "{kind} {name}");
    }
    let id = parse(OTLP, &span("2", &attribute("faas.invocation_id")));
    assert_eq!((id.invocations()[0].request_id.as_deref(), id.invocations()[0].service.as_str()), (Some("i1"), "s"));
    assert_eq!(id.key(), parse(OTLP, &span("2", &attribute("faas.execution"))).key());
    // Without an id of the invocation it is that of the span, which some tools write in capitals.
    let trigger = span("2", &attribute("faas.trigger"));
    let lower = trigger.replace("\"AB\"", "\"ab\"").replace("\"CD\"", "\"cd\"");
    assert_eq!(parse(OTLP, &trigger).key(), parse(OTLP, &lower).key());
}
