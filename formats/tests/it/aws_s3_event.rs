//! S3 event notifications: known totals of real files, one key in both forms and every envelope, bad events.

use crate::lines::{Collected, parse, real};
use paygrain_formats::format;

const S3_EVENT: &str = "aws-s3-event";
const EXAMPLE: &str = include_str!("../files/aws-s3-event.json");

fn operations(collected: &Collected) -> Vec<(&str, Option<i64>, Option<&str>)> {
    let rows = collected.requests();
    rows.into_iter()
        .map(|row| {
            let bytes = row.request_bytes.or(row.response_bytes);
            (row.operation.as_deref().unwrap_or_default(), bytes, row.storage_class.as_deref())
        })
        .collect()
}

#[test]
fn real_events_are_what_they_are() {
    for (folder, name, expected) in [
        ("events", "aws-lambda-go_s3-event.json", ("PUT", Some(1024), None)),
        ("events", "aws-lambda-go_s3-event-with-decoded.json", ("PUT", Some(1024), None)),
        ("events", "aws-lambda-go_s3-glacier-event.json", ("RETRIEVAL", Some(1024), Some("STANDARD"))),
        ("events", "aws-lambda-go_s3-lifecycle-event.json", ("TRANSITION", Some(10_485_760), Some("GLACIER"))),
        ("events", "powertools_s3Event.json", ("PUT", Some(1_305_107), None)),
        ("events", "powertools_s3EventBridgeNotificationObjectCreatedEvent.json", ("PUT", Some(184_662), None)),
        ("events", "powertools_s3EventBridgeNotificationObjectDeletedEvent.json", ("DELETE", None, None)),
        ("s3-events", "datadog_event_sqs_s3.json", ("PUT", Some(1234), None)),
        ("s3-events", "datadog_event_sqs_sns_s3.json", ("PUT", Some(1234), None)),
    ] {
        let Some(events) = real(folder, name, S3_EVENT) else { return };
        assert_eq!(events.rejected, [], "{name}");
        assert_eq!(operations(&events), [expected], "{name}");
    }
    let key = |name: &str| real("events", name, S3_EVENT).unwrap().key();
    assert_eq!(key("aws-lambda-go_s3-event.json"), key("aws-lambda-go_s3-event-with-decoded.json"));
    let key = |name: &str| real("s3-events", name, S3_EVENT).unwrap().key();
    assert_eq!(key("datadog_event_sqs_s3.json"), key("datadog_event_sqs_sns_s3.json"));
}

#[test]
fn the_example_has_its_totals() {
    assert_eq!(format::detect(EXAMPLE.as_bytes()).unwrap().0.name(), S3_EVENT);
    let events = parse(S3_EVENT, EXAMPLE);
    assert_eq!(events.rejected, []);
    assert_eq!(
        operations(&events),
        [
            ("PUT", Some(2048), None),
            ("COPY", Some(2048), None),
            ("POST", Some(73_400_320), None),
            ("DELETE", None, None),
            ("TRANSITION", Some(1_048_576), Some("GLACIER")),
            ("RETRIEVAL", Some(1_048_576), Some("GLACIER")),
            ("PUT", Some(2048), None),
            ("DELETE", None, None),
        ]
    );
    // The same event from EventBridge, whose key is not encoded and whose time has no milliseconds.
    let keys = events.key();
    assert_eq!(keys[0], keys[6]);
    assert!(events.warnings[0].starts_with("1 notifications tell of no request"), "{:?}", events.warnings);
    assert!(events.warnings[1].starts_with("metering incomplete"), "{:?}", events.warnings);
    let mut lines: Vec<&str> = EXAMPLE.lines().collect();
    lines.reverse();
    let mut other: Vec<_> = lines.iter().flat_map(|line| parse(S3_EVENT, line).key()).map(|(_, key)| key).collect();
    let mut keys: Vec<_> = keys.into_iter().map(|(_, key)| key).collect();
    keys.sort_unstable();
    other.sort_unstable();
    assert_eq!(keys, other);
}

fn notification(name: &str, key: &str, sequencer: &str) -> String {
    format!(
        r#"{{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-10-05T17:00:01.999Z","eventName":"{name}","s3":{{"bucket":{{"name":"photos"}},"object":{{"key":"{key}","size":12,"versionId":"v1","sequencer":"{sequencer}"}}}}}}"#
    )
}

#[test]
fn one_event_has_one_key_in_every_envelope() {
    let record = notification("ObjectCreated:Post", "a+b%2Bc/%C3%A9.jpg", "0A1B2C");
    let records = format!(r#"{{"Records":[{record}]}}"#);
    let text = |json: &str| serde_json::to_string(json).unwrap();
    let sns = format!(r#"{{"Type":"Notification","MessageId":"m","Message":{}}}"#, text(&records));
    let sqs =
        |body: &str| format!(r#"{{"Records":[{{"messageId":"m","eventSource":"aws:sqs","body":{}}}]}}"#, text(body));
    let bridge = r#"{"version":"0","id":"1","detail-type":"Object Created","source":"aws.s3","account":"123456789012","time":"2026-10-05T17:00:01Z","region":"eu-west-1","detail":{"bucket":{"name":"photos"},"object":{"key":"a b+c/é.jpg","size":12,"version-id":"v1","sequencer":"0a1b2c00"},"reason":"POST Object"}}"#;
    let expected = parse(S3_EVENT, &record).key();
    assert_eq!(expected.len(), 1);
    for (name, envelope) in [
        ("direct", records.clone()),
        ("an array", format!("[{record}]")),
        ("SNS", sns.clone()),
        ("SNS to a function", format!(r#"{{"Records":[{{"EventSource":"aws:sns","Sns":{sns}}}]}}"#)),
        ("SQS", sqs(&records)),
        ("SNS in SQS", sqs(&sns)),
        ("receive-message", format!(r#"{{"Messages":[{{"MessageId":"m","Body":{}}}]}}"#, text(&sns))),
        ("EventBridge", bridge.to_owned()),
        ("EventBridge in SQS", sqs(bridge)),
    ] {
        let (detected, _) = format::detect(envelope.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(detected.name(), S3_EVENT, "{name}");
        let events = parse(S3_EVENT, &envelope);
        assert_eq!(events.rejected, [], "{name}");
        assert_eq!(events.key(), expected, "{name}");
        assert_eq!(operations(&events), [("POST", Some(12), None)], "{name}");
    }
    for other in [
        notification("ObjectCreated:Put", "a+b%2Bc/%C3%A9.jpg", "0A1B2C"),
        notification("ObjectCreated:Post", "a+b+c/%C3%A9.jpg", "0A1B2C"),
        notification("ObjectCreated:Post", "a+b%2Bc/%C3%A9.jpg", "0A1B2D"),
    ] {
        assert_ne!(parse(S3_EVENT, &other).key(), expected, "{other}");
    }
}

#[test]
fn events_are_billed_as_the_request_behind_them() {
    for (name, expected) in [
        ("ObjectCreated:Put", Some("PUT")),
        ("s3:ObjectCreated:Put", Some("PUT")),
        ("ObjectCreated:Post", Some("POST")),
        ("ObjectCreated:Copy", Some("COPY")),
        ("ObjectCreated:CompleteMultipartUpload", Some("POST")),
        ("ObjectRemoved:Delete", Some("DELETE")),
        ("ObjectRemoved:DeleteMarkerCreated", Some("DELETE")),
        ("LifecycleExpiration:Delete", Some("DELETE")),
        ("LifecycleTransition", Some("TRANSITION")),
        ("ObjectRestore:Post", Some("POST")),
        ("ObjectRestore:Completed", Some("RETRIEVAL")),
        ("ObjectRestore:Delete", Some("DELETE")),
        ("ObjectTagging:Put", Some("PUT")),
        ("ObjectTagging:Delete", Some("DELETE")),
        ("ObjectAcl:Put", Some("PUT")),
        ("IntelligentTiering", None),
        ("Replication:OperationMissedThreshold", None),
        ("ReducedRedundancyLostObject", None),
    ] {
        let events = parse(S3_EVENT, &notification(name, "a", "1"));
        assert_eq!(events.rejected, [], "{name}");
        assert_eq!(operations(&events).first().map(|row| row.0), expected, "{name}");
    }
}

#[test]
fn a_test_event_is_no_usage() {
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-10-05T16:00:00Z","Bucket":"photos"}"#;
    assert_eq!(format::detect(test.as_bytes()).unwrap().0.name(), S3_EVENT);
    assert_eq!(parse(S3_EVENT, test), Collected::default());
}

#[test]
fn bad_notifications_cost_themselves_alone() {
    let (one, two) = (notification("ObjectCreated:Put", "a", "1"), notification("ObjectCreated:Put", "b", "2"));
    let bad = notification("ObjectCreated:Put", "c", "3");
    for (bad, expected) in [
        (bad.replace("\"size\":12", "\"size\":-1"), "`s3.object.size` is `-1`"),
        (bad.replace("\"size\":12", "\"size\":[]"), "`s3.object.size` is `[]`"),
        (bad.replace("2026-10-05", "2026-10-32"), "the time is"),
        (bad.replace("\"key\":\"c\",", ""), "there is no `s3.object.key`"),
        (bad.replace("\"name\":\"photos\"", ""), "there is no name of a bucket"),
        (bad.replace("aws:s3", "aws:x"), "not an S3 event notification"),
        (bad[..150].to_owned(), "not valid JSON"),
        (r#"{"eventSource":"aws:sqs","body":"hello"}"#.to_owned(), "not an S3 event notification"),
    ] {
        let events = parse(S3_EVENT, &format!("{{\"Records\":[{one},\n{bad}\n,{two}]}}\n"));
        assert_eq!((events.records.len(), events.rejected.len()), (2, 1), "{bad}: {:?}", events.rejected);
        assert!(events.rejected[0].reason.contains(expected), "{bad}: {}", events.rejected[0].reason);
        assert_eq!(events.rejected[0].line, Some(2), "{bad}");
    }
    // Envelopes nested beyond reason.
    let mut text = one;
    for _ in 0..9 {
        text = format!(r#"{{"Message":{}}}"#, serde_json::to_string(&text).unwrap());
    }
    let events = parse(S3_EVENT, &text);
    assert_eq!((events.records.len(), events.rejected.len()), (0, 1));
}
