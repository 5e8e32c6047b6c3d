//! CloudTrail: what data events are billed as, one key in every envelope, bad events.

use std::collections::BTreeMap;

use crate::lines::{Collected, parse, parse_with};
use paygrain_formats::Defaults;
use paygrain_formats::format;
use paygrain_formats::record::EventTime;

const CLOUDTRAIL: &str = "aws-cloudtrail";
const EXAMPLE: &str = include_str!("../files/aws-cloudtrail.json");

/// One data event in one line.
fn event(name: &str, id: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.11","userIdentity":{{"type":"IAMUser","accountId":"123456789012"}},"eventTime":"2026-10-05T17:00:01Z","eventSource":"s3.amazonaws.com","eventName":"{name}","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.9","userAgent":"x","requestParameters":{{"bucketName":"photos","key":"a.jpg"}},"additionalEventData":{{"bytesTransferredIn":0,"bytesTransferredOut":1.5E3}},"requestID":"A1B2","eventID":"{id}","eventCategory":"Data","managementEvent":false,"recipientAccountId":"123456789012"}}"#
    )
}

fn operations(collected: &Collected) -> Vec<(String, String)> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    collected.requests().iter().map(|row| (row.service.clone(), text(&row.operation))).collect()
}

#[test]
fn the_example_has_its_totals() {
    let (detected, _) = format::detect(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(detected.name(), CLOUDTRAIL);
    let trail = parse(CLOUDTRAIL, EXAMPLE);
    assert_eq!(trail.rejected, []);
    let expected = [
        ("s3", "PUT"),
        ("s3", "GET"),
        ("s3", "LIST"),
        ("s3", "COPY"),
        ("s3", "DELETE"),
        ("s3", "GET"),
        ("lambda", "Invoke"),
        ("dynamodb", "read"),
        ("dynamodb", "write"),
    ];
    let expected: Vec<_> = expected.iter().map(|(service, name)| (service.to_string(), name.to_string())).collect();
    assert_eq!(operations(&trail), expected);
    let rows = trail.requests();
    assert_eq!(rows.iter().filter_map(|row| row.request_bytes).sum::<i64>(), 2048);
    assert_eq!(rows.iter().filter_map(|row| row.response_bytes).sum::<i64>(), 2048 + 512 + 243);
    assert_eq!(rows[0].storage_class.as_deref(), Some("STANDARD_IA"));
    assert_eq!((rows[5].variant.as_deref(), rows[5].status.as_deref()), (Some("denied"), Some("AccessDenied")));
    let resources: Vec<_> = rows.iter().filter_map(|row| row.resource.as_deref()).collect();
    assert_eq!(resources[5..], ["example-photos", "resize", "orders", "orders"]);
    assert!(rows.iter().all(|row| row.account.as_deref() == Some("123456789012")));
    assert!(trail.warnings.iter().any(|warning| warning.starts_with("2 events are no data events")));
    assert!(trail.warnings.iter().any(|warning| warning.contains("AWS Lambda")));
    assert!(trail.warnings.iter().any(|warning| warning.contains("2 events are of DynamoDB")));
}

#[test]
fn one_event_has_one_key_in_every_envelope() {
    let one = event("GetObject", "0b1e7a52-93c4-4d6f-8e21-5a7c9d3f1b60");
    let escaped = one.replace('"', "\\\"");
    let expected = parse(CLOUDTRAIL, &one).key();
    assert_eq!(expected[0].0, EventTime::Logged(1_791_219_601_000_000));
    let lake: Vec<String> = [
        ("eventID", "0b1e7a52-93c4-4d6f-8e21-5a7c9d3f1b60"),
        ("eventTime", "2026-10-05 17:00:01.000"),
        ("eventSource", "s3.amazonaws.com"),
        ("eventName", "GetObject"),
        ("eventCategory", "Data"),
        ("additionalEventData", "{bytesTransferredIn=0.0, bytesTransferredOut=1500.0, x=y}"),
    ]
    .iter()
    .map(|(name, value)| format!(r#"{{"{name}":"{value}"}}"#))
    .collect();
    for (name, text) in [
        ("a file of a trail", format!(r#"{{"Records":[{one}]}}"#)),
        ("an array", format!("[{one}]")),
        ("files behind each other", format!(r#"{{"Records":[]}}{{"Records":[{one}]}}"#)),
        (
            "EventBridge",
            format!(
                r#"{{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.s3","account":"123456789012","time":"2026-10-05T17:00:09Z","region":"eu-west-1","detail":{one}}}"#
            ),
        ),
        (
            "subscription",
            format!(
                r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"CloudTrail/logs","logStream":"s","logEvents":[{{"id":"3","timestamp":1791219700000,"message":"{escaped}"}}]}}"#
            ),
        ),
        ("export", format!("2026-10-05T17:01:40.000Z {one}\n")),
        ("Lake", format!(r#"{{"QueryStatus":"FINISHED","QueryResultRows":[[{}]]}}"#, lake.join(","))),
    ] {
        let (detected, _) = format::detect(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(detected.name(), CLOUDTRAIL, "{name}");
        let trail = parse(CLOUDTRAIL, &text);
        assert_eq!(trail.rejected, [], "{name}");
        assert_eq!(trail.key(), expected, "{name}");
        assert_eq!(trail.requests()[0].response_bytes, Some(1500), "{name}");
    }
}

#[test]
fn an_action_that_two_accounts_share_is_one() {
    let shared =
        |id: &str| event("GetObject", id).replace("\"eventCategory\"", "\"sharedEventID\":\"s\",\"eventCategory\"");
    let keys = parse(CLOUDTRAIL, &format!("{}\n{}\n{}\n", shared("a"), shared("b"), event("GetObject", "a"))).key();
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[0], keys[2]);
}

#[test]
fn s3_calls_are_billed_as_the_access_log_has_them() {
    for (name, expected) in [
        ("GetObject", "GET"),
        ("GetObjectAcl", "GET"),
        ("HeadObject", "HEAD"),
        ("HeadBucket", "HEAD"),
        ("PutObject", "PUT"),
        ("PutObjectTagging", "PUT"),
        ("UploadPart", "PUT"),
        ("CreateMultipartUpload", "POST"),
        ("CompleteMultipartUpload", "POST"),
        ("RestoreObject", "POST"),
        ("CopyObject", "COPY"),
        ("UploadPartCopy", "COPY"),
        ("ListObjects", "LIST"),
        ("ListObjectVersions", "LIST"),
        ("ListParts", "LIST"),
        ("DeleteObject", "DELETE"),
        ("DeleteObjects", "DELETE"),
        ("AbortMultipartUpload", "DELETE"),
        ("SomethingNew", "SomethingNew"),
    ] {
        let trail = parse(CLOUDTRAIL, &event(name, "a"));
        assert_eq!(trail.requests()[0].operation.as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn what_is_no_data_event_is_counted_and_passed_over() {
    let management = event("GetBucketAcl", "b").replace("\"Data\"", "\"Management\"");
    let old = event("CreateBucket", "c")
        .replace(",\"eventCategory\":\"Data\",\"managementEvent\":false", "")
        .replace(",\"key\":\"a.jpg\"", "");
    let old_data = event("GetObject", "d").replace(",\"eventCategory\":\"Data\",\"managementEvent\":false", "");
    let trail = parse(CLOUDTRAIL, &format!("{{\"Records\":[{management},{old},{old_data}]}}"));
    assert_eq!((trail.records.len(), trail.rejected.len()), (1, 0));
    assert!(trail.warnings[0].starts_with("2 events are no data events"), "{:?}", trail.warnings);
    let digest = r#"{"awsAccountId":"123456789012","digestStartTime":"2026-10-05T16:00:00Z","digestEndTime":"2026-10-05T17:00:00Z","logFiles":[]}"#;
    assert_eq!(format::detect(digest.as_bytes()).unwrap().0.name(), CLOUDTRAIL);
    let digest = parse(CLOUDTRAIL, digest);
    assert_eq!((digest.records.len(), digest.rejected.len(), digest.warnings.len()), (0, 0, 1));
}

#[test]
fn bad_events_cost_themselves_alone() {
    let (one, two) = (event("GetObject", "a"), event("PutObject", "b"));
    let bad = event("GetObject", "c");
    for (bad, expected) in [
        (bad.replace("2026-10-05", "2026-13-05"), "`eventTime` is"),
        (bad.replace("1.5E3", "1.5"), "`additionalEventData.bytesTransferredOut` is `1.5`"),
        (bad.replace("1.5E3", "-1"), "`additionalEventData.bytesTransferredOut`"),
        (bad.replace("1.5E3", "99999999999999999999"), "too large"),
        (bad.replace("\"eventTime\":\"2026-10-05T17:00:01Z\",", ""), "there is no `eventTime`"),
        (bad.replace("\"eventName\":\"GetObject\",", "\"eventName\":7,"), "not a valid CloudTrail event"),
        ("{\"a\":1}".to_owned(), "not a CloudTrail event"),
        (bad[..200].to_owned(), "not valid JSON"),
        (bad.replacen(':', "", 3), "not valid JSON"),
    ] {
        for text in [format!("{{\"Records\":[{one},\n{bad}\n,{two}]}}"), format!("{one}\n{bad}\n{two}\n")] {
            let trail = parse(CLOUDTRAIL, &text);
            assert_eq!((trail.records.len(), trail.rejected.len()), (2, 1), "{bad}: {:?}", trail.rejected);
            assert!(trail.rejected[0].reason.contains(expected), "{bad}: {}", trail.rejected[0].reason);
            assert_eq!(trail.rejected[0].line, Some(2), "{bad}");
        }
    }
    let cut = parse(CLOUDTRAIL, &format!("{{\"Records\":[{one},{}", &two[..300]));
    assert_eq!((cut.records.len(), cut.rejected.len()), (1, 1));
    let cut = parse(CLOUDTRAIL, &format!("{{\"Records\":[{one},"));
    assert_eq!((cut.records.len(), cut.rejected.len()), (1, 1), "{:?}", cut.rejected);
}

#[test]
fn a_file_with_very_many_events_takes_one_at_a_time() {
    // The array is longer than the longest object that is read.
    let mut text = "{\"Records\":[".to_owned();
    let count = (17 << 20) / event("GetObject", "a").len();
    let events: Vec<String> = (0..count).map(|id| event("GetObject", &id.to_string())).collect();
    text.push_str(&events.join(","));
    text.push_str("]}");
    let trail = parse(CLOUDTRAIL, &text);
    assert_eq!((trail.records.len(), trail.rejected.len()), (count, 0));
}

#[test]
fn defaults_fill_what_an_event_lacks() {
    let text = event("GetObject", "a").replace(",\"recipientAccountId\":\"123456789012\"", "");
    let defaults = Defaults { account: Some("999999999999".into()), ..Defaults::default() };
    let trail = parse_with(CLOUDTRAIL, &mut text.as_bytes(), &defaults);
    assert_eq!(trail.requests()[0].account.as_deref(), Some("999999999999"));
    let trail = parse(CLOUDTRAIL, EXAMPLE);
    let reversed: BTreeMap<_, _> = parse(CLOUDTRAIL, &EXAMPLE.replace(",\n{", "\n]}{\"Records\":[{"))
        .key()
        .into_iter()
        .map(|(_, key)| (key, ()))
        .collect();
    assert!(trail.key().iter().all(|(_, key)| reversed.contains_key(key)));
}
