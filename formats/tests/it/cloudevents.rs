//! CloudEvents: the specification's examples, usage by convention and by a mapping, and what is no usage.

use paygrain_formats::format::cloudevents::{TYPES, record, structured};
use paygrain_formats::format::mapped::Mapped;
use paygrain_formats::format::{Format, Origin, detect};
use paygrain_formats::record::{EventTime, MeteredQuantity, Record, Usage};
use paygrain_formats::{Defaults, Mapping};

use crate::lines::{Collected, parse, real};

const EVENTS: &str = "cloudevents";
const EXAMPLE: &str = include_str!("../files/cloudevents.ndjson");
/// 2026-10-05T10:00:00Z
const TEN_US: i64 = 1_791_194_400_000_000;

fn metered(record: &Record) -> &MeteredQuantity {
    match &record.usage {
        Usage::MeteredQuantity(row) => row,
        other => panic!("not metered: {other:?}"),
    }
}

fn event(rest: &str) -> String {
    format!(r#"{{"specversion":"1.0","type":"tokens","source":"/g","id":"1"{rest}}}"#)
}

fn read(json: &str) -> Result<Record, String> {
    record(json.as_bytes(), &Defaults::default(), None)
}

#[test]
fn the_examples_of_the_specification_are_recognised() {
    for (name, count) in [("batch_0", 0), ("batch_2", 2)].into_iter().chain((1..=6).map(|n| {
        (["structured_1", "structured_2", "structured_3", "structured_4", "structured_5", "structured_6"][n - 1], 1)
    })) {
        let Some(found) = real(EVENTS, &format!("spec_{name}.json"), EVENTS) else { return };
        // None of them carries usage, and each says so.
        assert_eq!((found.records.len(), found.rejected.len()), (0, count), "{name}");
        for row in &found.rejected {
            assert!(row.reason.contains("expected"), "{name}: {}", row.reason);
        }
    }
}

#[test]
fn the_example_has_its_totals() {
    assert_eq!(detect(EXAMPLE.as_bytes()).unwrap().0.name(), EVENTS);
    let found = parse(EVENTS, EXAMPLE);
    assert_eq!((found.records.len(), found.rejected.len()), (9, 1));
    let row = &found.rejected[0];
    assert_eq!(row.line, Some(10));
    assert!(row.reason.contains("expected a number in `data.value`"), "{}", row.reason);
    assert!(found.warnings[0].starts_with("1 events have no `time`"), "{:?}", found.warnings);

    let first = metered(&found.records[0]);
    assert_eq!((first.meter.as_deref(), first.resource.as_deref()), (Some("tokens"), Some("team-a")));
    assert_eq!((first.provider.as_str(), first.service.as_str(), first.unit.as_deref()), ("custom", "events", None));
    assert_eq!(first.quantity, Some(1_500_250_000_000_000_000_000));
    assert_eq!(found.records[0].time, EventTime::Logged(TEN_US));
    let second = metered(&found.records[1]);
    assert_eq!((second.provider.as_str(), second.service.as_str()), ("acme", "gateway"));
    assert_eq!((second.account.as_deref(), second.region.as_deref()), (Some("123456789012"), Some("eu-1")));
    assert_eq!((second.unit.as_deref(), second.quantity), (Some("token"), Some(100_000_000_000_000_000)));
    assert_eq!(found.records[1].time, EventTime::Logged(TEN_US));
    assert_eq!(found.records[2].time, EventTime::Assumed);
    // Source and id are the event, whatever its time says; the id alone is not.
    assert_eq!(found.records[0].key, found.records[3].key);
    assert_ne!(found.records[0].key, found.records[2].key);
    assert!(found.records.iter().all(|record| record.key.is_alone()));

    let Usage::Invocation(run) = &found.records[4].usage else { panic!() };
    assert_eq!((run.resource.as_deref(), run.duration_us, run.cold_start), (Some("resize"), Some(12_300), Some(true)));
    let Usage::Request(request) = &found.records[5].usage else { panic!() };
    assert_eq!((request.resource.as_deref(), request.operation.as_deref()), (Some("photos"), Some("PUT")));
    let Usage::StoredBytes(stored) = &found.records[6].usage else { panic!() };
    assert_eq!((stored.bytes, stored.held_us), (Some(1 << 30), Some(86_400_000_000)));
    assert_eq!(metered(&found.records[7]).quantity, Some(2_500_000_000_000_000_000));
    assert_eq!(metered(&found.records[8]).quantity, Some(7_000_000_000_000_000_000), "data in base64");
}

#[test]
fn an_event_is_the_same_alone_in_a_batch_and_on_a_line() {
    let lines: Vec<&str> = EXAMPLE.lines().take(9).collect();
    let by_line = parse(EVENTS, EXAMPLE).key();
    let batch = format!("\u{feff}[\n{}\n]", lines.join(",\n"));
    let batch = batch.trim_start_matches('\u{feff}');
    assert_eq!(detect(batch.as_bytes()).unwrap().0.name(), EVENTS);
    assert_eq!(parse(EVENTS, batch).key(), by_line);
    let backwards: Vec<&str> = lines.iter().rev().copied().collect();
    let mut keys = parse(EVENTS, &backwards.join("\n")).key();
    keys.reverse();
    assert_eq!(keys, by_line);
    let alone: Vec<_> = lines.iter().flat_map(|line| parse(EVENTS, line).key()).collect();
    assert_eq!(alone, by_line);
}

#[test]
fn what_is_no_usage_is_told_with_what_was_expected() {
    for (rest, words) in [
        ("", "there is no `data`"),
        (r#","data":null"#, "there is no `data`"),
        (r#","data":1.5"#, "`data` is `1.5`, expected an object"),
        (r#","data":{"value":null}"#, "expected a number in `data.value`"),
        (r#","data":{"value":"many"}"#, "`data.value` is `many`, expected a decimal number"),
        (r#","data":{"value":-1}"#, "expected no negative number"),
        (r#","data":{"value":1e-19}"#, "more decimals than can be kept"),
        (r#","data":{"value":1,"quantity":2}"#, "both `data.value` and `data.quantity`"),
        (r#","data":{"value":[1]}"#, "`data.value` is an object or a list"),
        (r#","data":{"value":1,"region":{}}"#, "`data.region` is an object or a list"),
        (r#","data":{"value":1},"data_base64":"eyJ2YWx1ZSI6IDd9""#, "both `data` and `data_base64`"),
        (r#","data_base64":"%%""#, "expected base64"),
        (r#","data_base64":"PHhtbC8+""#, "`data_base64` is no JSON"),
        (r#","time":"yesterday","data":{"value":1}"#, "`time` is `yesterday`"),
        (r#","time":5,"data":{"value":1}"#, "`time` is `5`, expected a text"),
    ] {
        let error = read(&event(rest)).unwrap_err();
        assert!(error.contains(words), "{rest}: {error}");
    }
    for (from, to, words) in [
        (r#""1.0""#, r#""0.3""#, "`specversion` is `0.3`, expected 1.0"),
        (r#""id":"1""#, r#""id":"""#, "there is no `id`"),
        (r#""source":"/g","#, "", "there is no `source`"),
        (r#""tokens""#, "7", "`type` is `7`, expected a text"),
    ] {
        let error = read(&event(r#","data":{"value":1}"#).replace(from, to)).unwrap_err();
        assert!(error.contains(words), "{to}: {error}");
    }
    for (kind, _) in TYPES {
        let row = |data: &str| read(&event(&format!(r#","data":{data}"#)).replace("tokens", kind)).unwrap_err();
        assert!(row(r#"{"provider":"aws"}"#).contains("there is no `data.service`"));
        assert!(row(r#"{"provider":"aws","service":"x","colour":1}"#).contains("`data.colour` is no column of"));
    }
    let stored = event(r#","data":{"provider":"aws","service":"s3"}"#).replace("tokens", TYPES[2].0);
    assert!(read(&stored).unwrap_err().contains("neither `bytes` nor `objects`"));
    let quantity = event(r#","data":{"provider":"aws","service":"s3"}"#).replace("tokens", TYPES[3].0);
    assert!(read(&quantity).unwrap_err().contains("no `quantity`"));
}

#[test]
fn one_bad_event_costs_no_other() {
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    for bad in ["{\"specversion\":\"1.0\",\"type\":", "no event", "{\"a\":{\"b\":1}}", "[1, 2"] {
        let found = parse(EVENTS, &format!("{}\n{bad}\n{}\n", lines[0], lines[1]));
        assert_eq!((found.records.len(), found.rejected.len()), (2, 1), "{bad}: {:?}", found.rejected);
        assert_eq!(found.rejected[0].line, Some(2), "{bad}");
    }
    let cut = &EXAMPLE[..EXAMPLE.find('\n').unwrap() - 20];
    let found = parse(EVENTS, cut);
    assert_eq!((found.records.len(), found.rejected.len()), (0, 1));
}

#[test]
fn other_json_is_not_claimed() {
    for text in [
        "[1]",
        "[[]]",
        "{}",
        "{\"specversion\":\"1.0\"}",
        "[{\"id\":\"1\",\"source\":\"aws.s3\",\"version\":\"0\"}]",
        "",
    ] {
        assert!(detect(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(detect(b" [ \n ]").unwrap().0.name(), EVENTS);
    let old = event("").replace("1.0", "0.3");
    assert!(detect(old.as_bytes()).is_err());
}

#[test]
fn a_mapping_reads_events_by_paths() {
    let mapping = "table = 'metered'\n[columns]\nprovider = { value = 'acme' }\nservice = 'source'\nmeter = 'type'\n\
                   resource = 'subject'\nquantity = 'data.usage.count'\nvariant = 'data.model'\n";
    let lines = [
        event(r#","subject":"a","time":"2026-10-05T10:00:00Z","data":{"usage":{"count":"2.5"},"model":"m"}"#),
        event(r#","subject":"a","data":{"usage":{"count":2.5}}"#),
        event(r#","subject":"a","data":{"usage":{}}"#),
    ];
    let mapped = |mapping: &str, text: &str| {
        let format = Mapped { mapping: Mapping::from_toml("m.toml", mapping).unwrap() };
        let defaults = Defaults { region: Some("eu-1".into()), ..Defaults::default() };
        let mut found = Collected::default();
        format.parse(&mut text.as_bytes(), &Origin { name: "", defaults: &defaults }, &mut found).unwrap();
        found
    };
    for text in [lines.join("\n"), format!("[{}]", lines.join(","))] {
        let found = mapped(mapping, &text);
        assert_eq!((found.records.len(), found.rejected.len()), (2, 1));
        assert!(found.rejected[0].reason.contains("`data.usage.count` is empty, expected a number"));
        let row = metered(&found.records[0]);
        assert_eq!((row.provider.as_str(), row.service.as_str()), ("acme", "/g"));
        assert_eq!((row.variant.as_deref(), row.region.as_deref()), (Some("m"), Some("eu-1")));
        assert_eq!(row.quantity, Some(2_500_000_000_000_000_000));
        assert_eq!(found.records[0].time, EventTime::Logged(TEN_US));
        assert_eq!(found.records[1].time, EventTime::Assumed);
        // The key is that of the event, as without a mapping.
        let own = read(&event(r#","data":{"value":1}"#)).unwrap().key;
        assert!(found.records.iter().all(|record| record.key == own));
    }
    // The mapping may name another time.
    let timed = mapping.replace("[columns]", "[time]\ncolumn = 'data.at'\nformat = 'unix_s'\n[columns]");
    let found = mapped(&timed, &event(r#","data":{"usage":{"count":1},"at":1791194400}"#));
    assert_eq!(found.records[0].time, EventTime::Logged(TEN_US));
}

#[test]
fn binary_mode_becomes_the_same_event() {
    let attributes = [("specversion", "1.0"), ("type", "tokens"), ("source", "/g"), ("id", "\"1\"\n")];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let made = structured(&attributes, Some("application/json; charset=utf-8"), br#"{"value": 1.50}"#).unwrap();
    let from_binary = record(&made, &Defaults::default(), None).unwrap();
    let json = event(r#","data":{"value":"1.5"}"#).replace(r#""id":"1""#, r#""id":"\"1\"\n""#);
    assert_eq!(from_binary, read(&json).unwrap());
    assert!(structured(&attributes, None, b"{").unwrap_err().contains("the body is no JSON"));
    let other = structured(&attributes, Some("text/plain"), b"7 tokens").unwrap();
    assert!(record(&other, &Defaults::default(), None).unwrap_err().contains("`data_base64` is no JSON"));
}
