//! Trace events of Cloudflare Workers: executions, objects, keys, wrong events.

use super::{assert_order_does_not_matter, example, parse_example, requests, text};
use crate::lines::parse;
use paygrain_formats::format;
use paygrain_formats::record::{EventTime, Invocation, Usage};

const WORKERS: &str = "cloudflare-workers-trace";

fn invocation(usage: &Usage) -> Option<&Invocation> {
    match usage {
        Usage::Invocation(row) => Some(row),
        _ => None,
    }
}

#[test]
fn the_example_has_its_totals() {
    let log = parse_example("cloudflare-workers-trace.ndjson", WORKERS);
    let rows: Vec<_> = log.records.iter().filter_map(|record| invocation(&record.usage)).collect();
    assert_eq!(rows.len(), 8);
    assert_eq!(rows.iter().filter_map(|row| row.cpu_us).sum::<i64>(), 30_066_000);
    assert_eq!(rows.iter().filter_map(|row| row.duration_us).sum::<i64>(), 33_738_000);
    let triggers: Vec<_> = rows.iter().map(|row| row.trigger.as_deref().unwrap()).collect();
    assert_eq!(triggers, ["http", "http", "http", "http", "timer", "queue", "queue", "http"]);
    let errors: Vec<_> = rows.iter().filter_map(|row| row.error_type.as_deref()).collect();
    assert_eq!(errors, ["exceededCpu", "exception", "canceled"]);
    assert_eq!(
        (&rows[0].version, &rows[0].request_id),
        (&text("00000000-0000-0000-0000-000000000001"), &text("8c0000000000a001"))
    );
    assert_eq!(log.records[0].time, EventTime::Logged(1_791_219_601_001_000));
    // An alarm is a request to an object; how long that was active does not follow from the log.
    let of_objects = requests(&log);
    assert_eq!(of_objects.len(), 1);
    assert_eq!((&of_objects[0].operation, of_objects[0].duration_us), (&text("do-request"), None));
    let warnings = log.warnings.join("\n");
    assert_eq!(log.warnings.len(), 3, "{warnings}");
    assert!(warnings.contains("1 events have no `CPUTimeMs`") && warnings.contains("1 executions are calls"));
}

#[test]
fn workers_share_a_ray_and_events_have_none() {
    let text = example("cloudflare-workers-trace.ndjson");
    assert_order_does_not_matter(WORKERS, &text.lines().collect::<Vec<_>>());
    let array = format!("[{}]", text.trim().replace('\n', ","));
    assert_eq!(parse(WORKERS, &array).key(), parse(WORKERS, &text).key());
    // Delivered again, an event is the same even if the object is written in another order.
    let one = r#"{"EventTimestampMs":1,"EventType":"queue","Event":{"Queue":"q","BatchSize":1},"Outcome":"ok","ScriptName":"s"}"#;
    let other = r#"{"ScriptName":"s","Outcome":"ok","Event":{"BatchSize":1,"Queue":"q"},"EventType":"queue","EventTimestampMs":"1"}"#;
    assert_eq!(parse(WORKERS, one).key(), parse(WORKERS, other).key());
    let third = one.replace("\"BatchSize\":1", "\"BatchSize\":2");
    assert_ne!(parse(WORKERS, one).key(), parse(WORKERS, &third).key());
}

#[test]
fn broken_events_cost_themselves_alone() {
    let text = example("cloudflare-workers-trace.ndjson");
    let lines: Vec<&str> = text.lines().collect();
    for (bad, expected) in [
        (lines[1].replace("1791219601050", "-5"), "`EventTimestampMs`"),
        (lines[1].replace("1791219601050", "1791219601050000"), "out of range"),
        (lines[1].replace("1791219601050", "null"), "there is no `EventTimestampMs`"),
        (lines[1].replace("\"CPUTimeMs\":2", "\"CPUTimeMs\":0.00001"), "`CPUTimeMs`"),
        (lines[1].replace("\"CPUTimeMs\":2", "\"CPUTimeMs\":[]"), "`CPUTimeMs` is no number"),
        (lines[1].replace("\"auth\"", "\"\""), "there is no `ScriptName`"),
        (lines[1].replace("\"Outcome\":\"ok\"", "\"Outcome\":5"), "there is no `Outcome`"),
        (lines[1][..150].to_owned(), "not valid JSON"),
    ] {
        let log = parse(WORKERS, &format!("{}\n{bad}\n{}\n", lines[0], lines[2]));
        assert_eq!((log.records.len(), log.rejected.len()), (2, 1), "{bad}: {:?}", log.rejected);
        assert!(log.rejected[0].reason.contains(expected), "{bad}: {}", log.rejected[0].reason);
        assert_eq!(log.rejected[0].line, Some(2), "{bad}");
    }
    let log = parse(WORKERS, &format!("{}\n{}", lines[0], &lines[1][..100]));
    assert_eq!((log.records.len(), log.rejected.len()), (1, 1));
}

#[test]
fn other_json_is_not_claimed() {
    for other in ["{}", "[]", r#"{"ScriptName":"s","Outcome":"ok"}"#, r#"{"EventTimestampMs":1,"Outcome":"ok"}"#] {
        assert!(format::by_name(WORKERS).unwrap().recognises(other.as_bytes()).is_none(), "{other}");
    }
}
