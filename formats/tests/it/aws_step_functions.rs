//! Step Functions: transitions and retries of standard workflows, executions of express ones, one key in every envelope.

use std::collections::BTreeSet;

use crate::lines::{Collected, parse, parse_with, real};
use paygrain_formats::Defaults;
use paygrain_formats::format;
use paygrain_formats::record::{EventTime, Invocation, Record, Usage};

const STEP_FUNCTIONS: &str = "aws-step-functions";
const EXAMPLE: &str = include_str!("../files/aws-step-functions.log");
const STANDARD: &str = "arn:aws:states:eu-west-1:123456789012:execution:orders:run-1";
const EXPRESS: &str = "arn:aws:states:eu-west-1:123456789012:express:quotes:q-1:0b1e7a52";

fn transitions(collected: &Collected) -> usize {
    collected.records.iter().filter(|record| matches!(&record.usage, Usage::Request(_))).count()
}

fn express(collected: &Collected) -> Vec<&Invocation> {
    let invocation = |record| match record {
        &Record { usage: Usage::Invocation(ref row), .. } => Some(&**row),
        _ => None,
    };
    collected.records.iter().filter_map(invocation).collect()
}

/// Times and keys, in no order.
fn set(collected: &Collected) -> BTreeSet<(i64, [u8; 16])> {
    let micros = |time| if let EventTime::Logged(micros) = time { micros } else { 0 };
    collected.key().into_iter().map(|(time, key)| (micros(time), key)).collect()
}

fn record(arn: &str, id: u64, kind: &str, previous: u64, details: &str) -> String {
    let at = 1_791_219_601_000 + id * 10;
    format!(
        r#"{{"id":"{id}","type":"{kind}","details":{details},"previous_event_id":"{previous}","event_timestamp":"{at}","execution_arn":"{arn}"}}"#
    )
}

#[test]
fn the_real_record_is_read_although_its_quotes_are_not_escaped() {
    let folder = "aws-lambda-logs";
    let Some(log) = real(folder, "datadog_snapshot_step_functions_log.json", STEP_FUNCTIONS) else { return };
    // The beginning of an express execution: nothing is billed yet.
    assert_eq!((log.records.len(), log.rejected.len()), (0, 0), "{:?}", log.rejected);
}

#[test]
fn the_example_has_its_totals() {
    assert_eq!(format::detect(EXAMPLE.as_bytes()).unwrap().0.name(), STEP_FUNCTIONS);
    let log = parse(STEP_FUNCTIONS, EXAMPLE);
    assert_eq!(log.rejected, []);
    // Two states entered, and one retry.
    assert_eq!(transitions(&log), 3);
    let row = express(&log)[0].clone();
    assert_eq!((row.billed_ms, row.memory_mb, row.duration_us), (Some(200), Some(64), Some(200_000)));
    assert_eq!((row.resource.as_deref(), row.status.as_deref()), (Some("quotes"), Some("success")));
    assert_eq!((row.account.as_deref(), row.region.as_deref()), (Some("123456789012"), Some("eu-west-1")));
    assert_eq!(log.warnings, Vec::<String>::new());
}

#[test]
fn order_does_not_matter() {
    let expected = set(&parse(STEP_FUNCTIONS, EXAMPLE));
    assert_eq!(expected.len(), 4);
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    let reversed: Vec<&str> = lines.iter().rev().copied().collect();
    for order in [reversed, lines.iter().skip(7).chain(lines.iter().take(7)).copied().collect()] {
        let log = parse(STEP_FUNCTIONS, &order.join("\n"));
        assert_eq!(set(&log), expected);
    }
    // Cut where the failure and its retry are in two files: the retry is told of.
    let (one, two) = (lines[..5].join("\n"), lines[5..].join("\n"));
    let (one, two) = (parse(STEP_FUNCTIONS, &one), parse(STEP_FUNCTIONS, &two));
    assert_eq!(transitions(&one) + transitions(&two), 2);
    assert!(two.warnings[0].starts_with("metering incomplete: 1 tasks"), "{:?}", two.warnings);
}

#[test]
fn one_record_has_one_key_in_every_envelope() {
    let one = record(STANDARD, 2, "TaskStateEntered", 0, r#"{"name":"Charge","input":"{\"a\": \"b\"}"}"#);
    let unescaped = one.replace("\\\"", "\"");
    let escaped = |record: &str| record.replace('\\', "\\\\").replace('"', "\\\"");
    let expected = parse(STEP_FUNCTIONS, &one).key();
    assert_eq!(expected[0].0, EventTime::Logged(1_791_219_601_020_000));
    let event = |record: &str| {
        format!(
            r#"{{"logStreamName":"states/orders","timestamp":1791219601020,"message":"{}","ingestionTime":1791219602000,"eventId":"1"}}"#,
            escaped(record)
        )
    };
    let history = |time: &str| {
        format!(
            r#"{{"executionArn":"{STANDARD}","events":[{{"timestamp":{time},"type":"TaskStateEntered","id":2,"previousEventId":0,"stateEnteredEventDetails":{{"name":"Charge","input":"{{}}"}}}}]}}"#
        )
    };
    for (name, text) in [
        ("bare, unescaped", unescaped.clone()),
        ("export", format!("2026-10-05T17:00:01.020Z {one}\n")),
        ("tail", format!("2026-10-05T17:00:01.020000+00:00 states/orders/2026-10-05-17-00/0b1e7a52 {one}\n")),
        ("export, unescaped", format!("2026-10-05T17:00:01.020Z {unescaped}\n")),
        ("filter-log-events", format!(r#"{{"events":[{}],"searchedLogStreams":[]}}"#, event(&one))),
        ("filter-log-events, unescaped", format!(r#"{{"events":[{}],"nextToken":"x"}}"#, event(&unescaped))),
        ("lines", format!("{}\n", event(&one))),
        (
            "subscription",
            format!(
                r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/vendedlogs/states/orders","logStream":"s","logEvents":[{{"id":"3","timestamp":1791219601020,"message":"{}"}}]}}"#,
                escaped(&one)
            ),
        ),
        ("an array", format!("[{one}]")),
        ("history", history("\"2026-10-05T19:00:01.020000+02:00\"")),
        ("history, seconds", history("1791219601.020")),
    ] {
        let (detected, _) = format::detect(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(detected.name(), STEP_FUNCTIONS, "{name}");
        let log = parse(STEP_FUNCTIONS, &text);
        assert_eq!(log.rejected, [], "{name}");
        assert_eq!(log.key(), expected, "{name}");
        assert_eq!(log.requests()[0].operation.as_deref(), Some("transition"), "{name}");
    }
    // What an input pretends is none of the record.
    let forged = unescaped.replace("\"a\": \"b\"", "\"execution_arn\":\"x\",\"event_timestamp\":\"1\",\"id\":\"9\"");
    assert_eq!(parse(STEP_FUNCTIONS, &forged).key(), expected);
}

#[test]
fn a_history_by_itself_counts_and_says_what_it_lacks() {
    let event = |id: u64, kind: &str, previous: u64| {
        format!(
            r#"{{"timestamp":"2026-10-05T17:00:01.{id:03}Z","type":"{kind}","id":{id},"previousEventId":{previous},"stateEnteredEventDetails":{{"name":"S{id}"}}}}"#
        )
    };
    let events = [
        event(1, "ExecutionStarted", 0),
        event(2, "TaskStateEntered", 0),
        event(3, "LambdaFunctionScheduled", 2),
        event(4, "LambdaFunctionFailed", 3),
        event(5, "LambdaFunctionScheduled", 4),
        event(6, "LambdaFunctionTimedOut", 5),
        event(7, "LambdaFunctionScheduled", 6),
        event(8, "LambdaFunctionSucceeded", 7),
        event(9, "TaskStateExited", 8),
        event(10, "ExecutionSucceeded", 9),
    ];
    let mut backwards = events.to_vec();
    backwards.reverse();
    let mut keys = Vec::new();
    for events in [events.to_vec(), backwards] {
        let text = format!("{{\"events\":[{}]}}", events.join(",\n"));
        assert_eq!(format::detect(text.as_bytes()).unwrap().0.name(), STEP_FUNCTIONS);
        let history = parse(STEP_FUNCTIONS, &text);
        assert_eq!((transitions(&history), history.rejected.len()), (3, 0));
        assert!(history.warnings[0].contains("does not name its execution"), "{:?}", history.warnings);
        keys.push(set(&history));
    }
    assert_eq!(keys[0], keys[1]);
    // With the ARN declared its events are those of the log.
    let defaults = Defaults { resource: Some(STANDARD.into()), ..Defaults::default() };
    let named = parse_with(STEP_FUNCTIONS, &mut format!("{{\"events\":[{}]}}", events[1]).as_bytes(), &defaults);
    assert_eq!(named.warnings, Vec::<String>::new());
    assert_eq!(named.requests()[0].resource.as_deref(), Some("orders"));
    let logged = parse(STEP_FUNCTIONS, &record(STANDARD, 2, "TaskStateEntered", 0, "{}"));
    assert_eq!(named.records[0].key, logged.records[0].key);
}

#[test]
fn express_executions_are_billed_by_what_ends_them() {
    for (kind, status) in [
        ("ExecutionSucceeded", "success"),
        ("ExecutionFailed", "error"),
        ("ExecutionAborted", "error"),
        ("ExecutionTimedOut", "timeout"),
    ] {
        let started = record(EXPRESS, 1, "ExecutionStarted", 0, "{}");
        let ended = record(EXPRESS, 25, kind, 24, "{}");
        let log = parse(STEP_FUNCTIONS, &format!("{started}\n{ended}\n"));
        let row = express(&log)[0].clone();
        assert_eq!((row.status.as_deref(), row.duration_us, row.memory_mb), (Some(status), Some(240_000), None));
        assert!(log.warnings[0].contains("no billing details"), "{:?}", log.warnings);
        // How the log is cut moves no record.
        assert_eq!(parse(STEP_FUNCTIONS, &ended).key(), log.key());
        let defaults = Defaults { memory_mb: Some(64), ..Defaults::default() };
        let log = parse_with(STEP_FUNCTIONS, &mut format!("{started}\n{ended}\n").as_bytes(), &defaults);
        assert_eq!((express(&log)[0].memory_mb, log.warnings.len()), (Some(64), 0));
    }
    let billing = r#"{"output":"{\"a\": \"b\"}","billingDetails":{"billedMemoryUsedInMB":128,"billedDurationInMilliseconds":300}}"#;
    let ended = record(EXPRESS, 25, "ExecutionSucceeded", 24, billing);
    let unescaped = parse(STEP_FUNCTIONS, &ended.replace("\\\"", "\""));
    assert_eq!(express(&unescaped)[0].billed_ms, Some(300));
    let sync = format!(
        r#"{{"executionArn":"{EXPRESS}","name":"q-1","startDate":"2026-10-05T17:00:01.010Z","stopDate":"2026-10-05T17:00:01.250Z","status":"SUCCEEDED","output":"{{}}","billingDetails":{{"billedMemoryUsedInMB":128,"billedDurationInMilliseconds":300}}}}"#
    );
    let sync = parse(STEP_FUNCTIONS, &sync);
    assert_eq!((sync.rejected.len(), express(&sync)[0].memory_mb), (0, Some(128)));
    assert_eq!(sync.key(), parse(STEP_FUNCTIONS, &ended).key());
}

#[test]
fn a_log_of_errors_alone_is_told_to_be_incomplete() {
    let log = parse(STEP_FUNCTIONS, &record(STANDARD, 9, "ExecutionFailed", 8, "{}"));
    assert_eq!(log.records.len(), 0);
    assert!(log.warnings[0].contains("level ALL"), "{:?}", log.warnings);
}

#[test]
fn bad_records_cost_themselves_alone() {
    let (one, two) =
        (record(STANDARD, 2, "PassStateEntered", 0, "{}"), record(STANDARD, 4, "PassStateEntered", 3, "{}"));
    let bad = record(STANDARD, 3, "PassStateExited", 2, "{}");
    for (bad, expected) in [
        (bad.replace("\"17912196", "\"x"), "`event_timestamp` is"),
        (bad.replace("\"id\":\"3\"", "\"id\":\"-3\""), "`id` is `-3`"),
        (bad.replace("arn:aws:states", "arn:aws:lambda"), "the execution is"),
        (bad.replace("\"event_timestamp\"", "\"time\""), "not a record of Step Functions"),
        ("hello".to_owned(), "not a record of Step Functions"),
        ("{\"a\":1}".to_owned(), "not a record of Step Functions"),
        (bad[..120].to_owned(), "not a record of Step Functions"),
    ] {
        let log = parse(STEP_FUNCTIONS, &format!("{one}\n{bad}\n{two}\n"));
        assert_eq!((log.records.len(), log.rejected.len()), (2, 1), "{bad}: {:?}", log.rejected);
        assert!(log.rejected[0].reason.contains(expected), "{bad}: {}", log.rejected[0].reason);
        assert_eq!((log.rejected[0].line, log.rejected[0].byte_offset), (Some(2), one.len() as u64 + 1), "{bad}");
    }
}
