//! Metrics of CloudWatch: the embedded metric format, and responses of its API.

use crate::lines::{base64_gzip, parse, parse_with, real};
use paygrain_formats::Defaults;
use paygrain_formats::format;
use paygrain_formats::record::EventTime;

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
