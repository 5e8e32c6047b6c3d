//! API Gateway access logs and the events of its functions: all templates, one key in every envelope, hostile values.

use crate::lines::{Collected, parse, parse_with, real};
use paygrain_formats::Defaults;
use paygrain_formats::format;
use paygrain_formats::record::EventTime;

const API_GATEWAY: &str = "aws-api-gateway";
const PAYLOAD: &str = "aws-event-payload";
const EXAMPLE: &str = include_str!("../files/aws-api-gateway.log");
const PAYLOADS: &str = include_str!("../files/aws-event-payload.json");
const ID: &str = "0b1e7a52-93c4-4d6f-8e21-5a7c9d3f1b60";
const EXTENDED: &str = "TWegAcC4EowCHnA=";

type Facts<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<i64>);

fn facts(collected: &Collected) -> Vec<Facts<'_>> {
    let rows = collected.requests().into_iter();
    rows.map(|row| (row.variant.as_deref(), row.operation.as_deref(), row.status.as_deref(), row.response_bytes))
        .collect()
}

#[test]
fn the_example_has_its_totals() {
    assert_eq!(format::detect(EXAMPLE.as_bytes()).unwrap().0.name(), API_GATEWAY);
    let log = parse(API_GATEWAY, EXAMPLE);
    let (rest, http, socket) = (Some("rest"), Some("http"), Some("websocket"));
    assert_eq!(
        facts(&log),
        [
            (rest, Some("GET"), Some("200"), Some(49)),
            (rest, Some("POST"), Some("429"), None),
            (http, Some("GET"), Some("200"), Some(49)),
            (socket, Some("MESSAGE"), Some("200"), None),
            (Some("websocket-connection"), Some("CONNECT"), Some("200"), None),
            (rest, Some("GET"), Some("200"), Some(49)),
            (http, Some("GET"), Some("200"), Some(49)),
            (rest, Some("GET"), Some("403"), Some(26)),
            (rest, Some("GET"), Some("200"), Some(49)),
        ]
    );
    assert_eq!(log.requests()[2].request_bytes, Some(600_000));
    // The quote in a user agent costs its own row.
    assert_eq!(log.rejected.len(), 1);
    assert_eq!(log.rejected[0].line, Some(3));
    assert!(log.rejected[0].reason.contains("does not escape quotes"), "{}", log.rejected[0].reason);
    assert!(log.warnings.iter().any(|warning| warning.contains("512 KB")), "{:?}", log.warnings);
    assert!(log.warnings.iter().any(|warning| warning.contains("connection minutes")), "{:?}", log.warnings);
    let mut keys = log.key();
    keys.dedup();
    assert_eq!(keys.len(), 9);
}

#[test]
fn one_request_has_one_key_in_every_template_and_envelope() {
    let json = format!(
        r#"{{"requestId":"{ID}","extendedRequestId":"{EXTENDED}","ip":"203.0.113.9","requestTime":"05/Oct/2026:17:00:01 +0000","httpMethod":"GET","resourcePath":"/pets/{{id}}","status":"200","protocol":"HTTP/1.1","responseLength":"49"}}"#
    );
    let epoch =
        json.replace("\"requestTime\":\"05/Oct/2026:17:00:01 +0000\"", "\"requestTimeEpoch\":\"1791219601999\"");
    let escaped = json.replace('"', "\\\"");
    let event =
        format!(r#"{{"timestamp":1791219601999,"message":"{escaped}","ingestionTime":1791219602000,"eventId":"1"}}"#);
    let clf =
        format!("203.0.113.9 - - [05/Oct/2026:17:00:01 +0000]\"GET /pets/{{id}} HTTP/1.1\" 200 49 {ID} {EXTENDED}");
    let expected = parse(API_GATEWAY, &json).key();
    assert_eq!(expected[0].0, EventTime::Logged(1_791_219_601_000_000));
    for (name, text) in [
        ("epoch", epoch.clone()),
        ("other names", json.replace("requestId", "request_id").replace("extendedRequestId", "extended-request-id")),
        ("an array", format!("[{json}]")),
        ("CLF", clf.clone()),
        ("CLF, spaced and signed", clf.replace(" - - ", " caller user ").replace("]\"", "] \"")),
        ("CSV", format!("203.0.113.9,-,-,05/Oct/2026:17:00:01 +0000,GET,/pets/{{id}},HTTP/1.1,200,49,{ID},{EXTENDED}")),
        (
            "CSV with a header",
            format!(
                "requestId,extendedRequestId,requestTime,httpMethod,resourcePath,status,responseLength\r\n{ID},{EXTENDED},05/Oct/2026:17:00:01 +0000,GET,\"/pets/{{id}}\",200,49\r\n"
            ),
        ),
        (
            "XML",
            format!(
                "<request id=\"{ID}\"> <extendedRequestId>{EXTENDED}</extendedRequestId><requestTime>05/Oct/2026:17:00:01 +0000</requestTime><httpMethod>GET</httpMethod><resourcePath>/pets/{{id}}</resourcePath><status>200</status><protocol>HTTP/1.1</protocol><responseLength>49</responseLength></request>"
            ),
        ),
        ("export", format!("2026-10-05T17:00:02.345Z {json}\n")),
        ("export of CLF", format!("2026-10-05T17:00:02.345Z {clf}\n")),
        ("tail", format!("2026-10-05T17:00:02.345000+00:00 a1d0c6e83f027327d8461063f4ac58a6 {json}\n")),
        ("tail of CLF", format!("2026-10-05T17:00:02.345000+00:00 a1d0c6e83f027327d8461063f4ac58a6 {clf}\n")),
        ("filter-log-events", format!(r#"{{"events":[{event}],"searchedLogStreams":[]}}"#)),
        ("pages", format!(r#"{{"events":[]}}{{"events":[{event}],"nextToken":"x"}}"#)),
        ("lines of events", format!("{event}\n")),
        (
            "subscription",
            format!(
                r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"API-Gateway-Access-Logs","logStream":"s","logEvents":[{{"id":"3","timestamp":1791219601999,"message":"{escaped}"}}]}}"#
            ),
        ),
    ] {
        let (detected, _) = format::detect(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(detected.name(), API_GATEWAY, "{name}");
        let log = parse(API_GATEWAY, &text);
        assert_eq!(log.rejected, [], "{name}");
        assert_eq!(log.key(), expected, "{name}");
        assert_eq!(facts(&log), [(Some("rest"), Some("GET"), Some("200"), Some(49))], "{name}");
        let account = (name == "subscription").then_some("123456789012");
        assert_eq!(log.requests()[0].account.as_deref(), account, "{name}");
    }
    let proxy = format!(
        r#"{{"resource":"/pets/{{id}}","path":"/pets/7","httpMethod":"GET","requestContext":{{"accountId":"123456789012","apiId":"a","requestId":"{ID}","extendedRequestId":"{EXTENDED}","requestTimeEpoch":1791219601693}},"body":null}}"#
    );
    assert_eq!(format::detect(proxy.as_bytes()).unwrap().0.name(), PAYLOAD);
    assert_eq!(parse(PAYLOAD, &proxy).key(), expected);
}

#[test]
fn the_kind_of_api_is_told_by_what_its_log_has() {
    let line = |fields: &str| format!("{{\"requestTime\":\"05/Oct/2026:17:00:01 +0000\",\"status\":\"200\",{fields}}}");
    for (fields, expected) in [
        (format!("\"requestId\":\"{ID}\",\"httpMethod\":\"GET\""), Some("rest")),
        ("\"requestId\":\"GQIVriFLIAMEMsA=\",\"httpMethod\":\"GET\",\"path\":\"/a\"".to_owned(), Some("http")),
        ("\"requestId\":\"x\",\"routeKey\":\"$default\"".to_owned(), Some("http")),
        (format!("\"requestId\":\"x\",\"extendedRequestId\":\"{EXTENDED}\",\"httpMethod\":\"GET\""), Some("rest")),
        ("\"requestId\":\"x\",\"connectionId\":\"y\",\"eventType\":\"MESSAGE\"".to_owned(), Some("websocket")),
        ("\"requestId\":\"x\",\"httpMethod\":\"GET\"".to_owned(), None),
    ] {
        let log = parse(API_GATEWAY, &line(&fields));
        assert_eq!(log.rejected, [], "{fields}");
        assert_eq!(facts(&log)[0].0, expected, "{fields}");
    }
}

#[test]
fn requests_without_an_id_of_their_own_stay_apart() {
    let line = |path: &str| {
        format!(
            "{{\"requestId\":\"UUID_REPLACED_INVALID_REQUEST_ID\",\"requestTime\":\"05/Oct/2026:17:00:01 +0000\",\"httpMethod\":\"GET\",\"resourcePath\":\"{path}\",\"status\":\"200\"}}"
        )
    };
    let log = parse(API_GATEWAY, &format!("{}\n{}\n{}\n", line("/a"), line("/b"), line("/a")));
    let keys = log.key();
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[0], keys[2]);
    assert!(log.warnings[0].contains("extendedRequestId"), "{:?}", log.warnings);
}

#[test]
fn the_log_says_when_where_a_template_does_not() {
    let json = format!(r#"{{"requestId":"{ID}","httpMethod":"GET","status":"200","responseLength":"-"}}"#);
    let assumed = parse(API_GATEWAY, &json);
    assert_eq!(assumed.records[0].time, EventTime::Assumed);
    let logged = parse(API_GATEWAY, &format!("2026-10-05T17:00:02.345Z {json}"));
    assert_eq!(logged.records[0].time, EventTime::Logged(1_791_219_602_000_000));
    assert_eq!(assumed.records[0].key, logged.records[0].key);
}

#[test]
fn other_web_logs_and_application_lines_are_not_taken() {
    for text in [
        "203.0.113.9 - - [05/Oct/2026:17:00:01 +0000] \"GET / HTTP/1.1\" 200 49\n",
        "203.0.113.9 - - [05/Oct/2026:17:00:01 +0000] \"GET / HTTP/1.1\" 200 49 \"-\" \"Mozilla/5.0 (X11)\"\n",
        "203.0.113.9,05/Oct/2026:17:00:01 +0000,GET,/,200\n",
        "{\"requestId\":\"1\",\"message\":\"hello\",\"level\":\"info\",\"timestamp\":\"2026-10-05T17:00:01Z\"}\n",
        "{\"requestId\":\"1\",\"httpMethod\":\"GET\"}\n",
        "<html><body>403</body></html>\n",
        "id,method,time\n1,GET,2026-10-05\n",
    ] {
        let detected = format::detect(text.as_bytes()).map(|(format, _)| format.name());
        assert!(!matches!(detected, Ok(name) if name == API_GATEWAY), "{text}");
    }
    // A function that writes such lines has a log of its own format.
    let json = format!(r#"{{"requestId":"{ID}","httpMethod":"GET","status":"200","protocol":"HTTP/1.1"}}"#);
    let report = format!(
        "REPORT RequestId: {ID}\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 9 MB\t"
    );
    let log = format!("2026-10-05T17:00:01.000Z {json}\n2026-10-05T17:00:01.001Z {report}\n");
    assert_eq!(format::detect(log.as_bytes()).unwrap().0.name(), "aws-lambda-text");
}

#[test]
fn bad_records_cost_themselves_alone() {
    let line = |id: &str| {
        format!(
            r#"{{"requestId":"{id}","requestTime":"05/Oct/2026:17:00:01 +0000","httpMethod":"GET","routeKey":"GET /","status":"200","responseLength":"49","dataProcessed":"1"}}"#
        )
    };
    let bad = line("c");
    for (bad, expected) in [
        (bad.replace("GET /", "GET /\"x"), "not valid JSON"),
        (bad.replace("05/Oct", "45/Oct"), "`requestTime` is"),
        (bad.replace("\"200\"", "\"2000\""), "`status` is `2000`"),
        (bad.replace("\"49\"", "\"49 B\""), "`responseLength` is `49 B`"),
        (bad.replace("\"1\"", "\"-1\""), "`dataProcessed` is `-1`"),
        (bad.replace("\"c\"", "\"-\""), "there is neither `requestId`"),
        (bad[..60].to_owned(), "not valid JSON"),
        ("<request id=\"x\"><ip>1</ip>".to_owned(), "not valid XML"),
        ("<a/>".to_owned(), "there is neither `requestId`"),
        ("<a></a>".to_owned(), "is no access log record"),
        ("hello".to_owned(), "not an access log record"),
    ] {
        let log = parse(API_GATEWAY, &format!("{}\n{bad}\n{}\n", line("a"), line("b")));
        assert_eq!((log.records.len(), log.rejected.len()), (2, 1), "{bad}: {:?}", log.rejected);
        assert!(log.rejected[0].reason.contains(expected), "{bad}: {}", log.rejected[0].reason);
        assert_eq!(log.rejected[0].line, Some(2), "{bad}");
    }
    let table =
        format!("requestId,requestTime,httpMethod,status,protocol\n{ID},05/Oct/2026:17:00:01 +0000,GET,20,x\n{ID},x\n");
    assert_eq!(parse(API_GATEWAY, &table).rejected.len(), 2);
}

#[test]
fn events_of_functions_are_requests_where_they_are_any() {
    let events = parse(PAYLOAD, PAYLOADS);
    assert_eq!(events.rejected, []);
    let rows: Vec<_> = events
        .requests()
        .into_iter()
        .map(|row| (row.variant.as_deref(), row.operation.as_deref(), row.request_bytes, row.region.as_deref()))
        .collect();
    assert_eq!(
        rows,
        [
            (Some("rest"), Some("GET"), Some(7), Some("eu-west-1")),
            (Some("http"), Some("GET"), Some(5), None),
            (Some("websocket"), Some("MESSAGE"), Some(2), Some("eu-west-1")),
        ]
    );
    // They are the first requests of the access log.
    let log = parse(API_GATEWAY, EXAMPLE).key();
    assert_eq!(events.key(), [log[0], log[2], log[3]]);
    assert!(
        events.warnings[0].starts_with("2 records of a DynamoDB stream, Kinesis are no usage"),
        "{:?}",
        events.warnings
    );
    assert!(events.warnings[1].starts_with("1 calls of function URLs"), "{:?}", events.warnings);
}

#[test]
fn real_events_of_functions_are_counted_or_told() {
    let Some(proxy) = real("events", "aws-lambda-go_apigw-request.json", PAYLOAD) else { return };
    let row = proxy.requests()[0].clone();
    assert_eq!(
        (row.variant.as_deref(), row.operation.as_deref(), row.request_bytes),
        (Some("rest"), Some("POST"), Some(13))
    );
    assert_eq!((row.account.as_deref(), row.resource.as_deref()), (Some("12345678912"), Some("gy415nuibc")));
    assert_eq!(proxy.records[0].time, EventTime::Logged(1_589_522_469_000_000));
    for name in ["aws-lambda-go_dynamodb-event.json", "aws-lambda-go_kinesis-event.json"] {
        let records = real("events", name, PAYLOAD).unwrap();
        assert_eq!((records.records.len(), records.rejected.len(), records.warnings.len()), (0, 0, 1), "{name}");
        assert!(records.warnings[0].contains("no usage"), "{name}");
    }
}

#[test]
fn compressed_log_events_in_kinesis_are_for_another_format() {
    let event = |data: &str| {
        format!(r#"{{"Records":[{{"kinesis":{{"data":"{data}"}},"eventSource":"aws:kinesis","eventID":"shard:1"}}]}}"#)
    };
    assert_eq!(format::detect(event("aGVsbG8=").as_bytes()).unwrap().0.name(), PAYLOAD);
    let compressed = event("H4sIAAAAAAAA");
    let payload = format::by_name(PAYLOAD).unwrap();
    assert_eq!(payload.recognises(compressed.as_bytes()), None);
}

#[test]
fn bad_events_of_functions_cost_themselves_alone() {
    let one = r#"{"requestContext":{"requestId":"GQIVriFLIAMEMsA=","timeEpoch":1791219604123}}"#;
    for (bad, expected) in [
        (one.replace("1791219604123", "-5"), "`requestContext.timeEpoch` is `-5`"),
        (one.replace("1791219604123", "9999999999999999"), "expected milliseconds since 1970"),
        (one.replace("}}", "},\"body\":\"%\",\"isBase64Encoded\":true}"), "`body` is not valid base64"),
        ("{\"a\":1}".to_owned(), "not an event of AWS Lambda"),
        (one[..40].to_owned(), "not valid JSON"),
    ] {
        let events = parse(PAYLOAD, &format!("{one}\n{bad}\n{one}\n"));
        assert_eq!((events.records.len(), events.rejected.len()), (2, 1), "{bad}: {:?}", events.rejected);
        assert!(events.rejected[0].reason.contains(expected), "{bad}: {}", events.rejected[0].reason);
    }
    let defaults = Defaults { region: Some("eu-west-1".into()), ..Defaults::default() };
    let events = parse_with(PAYLOAD, &mut one.as_bytes(), &defaults);
    assert_eq!(events.requests()[0].region.as_deref(), Some("eu-west-1"));
}
