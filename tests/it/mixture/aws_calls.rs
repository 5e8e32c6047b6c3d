//! Calls to AWS that have an id, a time, a status and a size, invented, in the logs of what they went through.

use serde_json::{Value, json};

use super::aws::ACCOUNT;
use super::family::{Family, iso, lines, shown};
use crate::harness::Random;

#[derive(Clone)]
struct Call {
    at_ms: i64,
    id: String,
    status: &'static str,
    bytes: u64,
}

impl Call {
    fn many(random: &mut Random) -> Vec<Self> {
        random.many(|random| Call {
            at_ms: random.time_ms(),
            id: random.uuid(),
            status: random.word(&["200", "201", "404", "502"]),
            bytes: random.below(1 << 20),
        })
    }
}

pub fn api_gateway(random: &mut Random) -> Family {
    fn record(one: &Call) -> Value {
        json!({"requestId": one.id, "extendedRequestId": format!("{}=", &one.id[..15]), "ip": "203.0.113.9", "caller": "-",
            "user": "-", "requestTime": shown(one.at_ms, "%d/%b/%Y:%H:%M:%S +0000"), "httpMethod": "GET",
            "resourcePath": "/pets/{id}", "status": one.status, "protocol": "HTTP/1.1",
            "responseLength": one.bytes.to_string()})
    }
    fn event(one: &Call) -> Value {
        json!({"id": one.id, "timestamp": one.at_ms + 7, "message": record(one).to_string()})
    }
    Family::new(
        "api-gateway",
        Call::many(random),
        vec![
            ("lines", |all| lines(all.iter().map(|one| record(one).to_string()))),
            ("filter-log-events", |all| {
                let event = |one: &Call| json!({"logStreamName": "s", "timestamp": one.at_ms + 7, "message": record(one).to_string(), "eventId": one.id});
                json!({"events": all.iter().map(event).collect::<Vec<_>>()}).to_string()
            }),
            ("subscription", |all| {
                json!({"messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logGroup": "apis", "logStream": "s",
                    "logEvents": all.iter().map(event).collect::<Vec<_>>()})
                .to_string()
            }),
        ],
    )
}

pub fn api_gateway_clf(random: &mut Random) -> Family {
    Family::new(
        "api-gateway-clf",
        Call::many(random),
        vec![("lines", |all| {
            lines(all.iter().map(|one| {
                format!(
                    "203.0.113.9 - - [{}]\"GET /pets HTTP/1.1\" {} {} {}",
                    shown(one.at_ms, "%d/%b/%Y:%H:%M:%S +0000"),
                    one.status,
                    one.bytes,
                    one.id
                )
            }))
        })],
    )
}

/// A record is an execution with all its events: a retry is seen by the failure before it.
pub fn step_functions(random: &mut Random) -> Family {
    fn events(one: &Call) -> Vec<Value> {
        let express = one.bytes.is_multiple_of(2);
        let arn = if express {
            format!("arn:aws:states:eu-west-1:{ACCOUNT}:express:quotes:q:{}", one.id)
        } else {
            format!("arn:aws:states:eu-west-1:{ACCOUNT}:execution:orders:{}", one.id)
        };
        let kinds: &[&str] = if express {
            &["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
        } else {
            &[
                "ExecutionStarted",
                "TaskStateEntered",
                "TaskScheduled",
                "TaskFailed",
                "TaskScheduled",
                "TaskSucceeded",
                "TaskStateExited",
                "ExecutionSucceeded",
            ]
        };
        let each = |(before, kind): (usize, &&str)| {
            let details = if express && *kind == "ExecutionSucceeded" {
                json!({"output": "{}", "billingDetails": {"billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": 200}})
            } else {
                json!({"name": "Charge"})
            };
            json!({"id": (before + 1).to_string(), "type": kind, "details": details,
                "previous_event_id": before.to_string(),
                "event_timestamp": (one.at_ms + 1_000 + 100 * before as i64).to_string(), "execution_arn": arn})
        };
        kinds.iter().enumerate().map(each).collect()
    }
    Family::new(
        "step-functions",
        Call::many(random),
        vec![
            ("export", |all| {
                lines(all.iter().flat_map(|one| {
                    events(one)
                        .into_iter()
                        .map(|event| format!("{} {event}", iso(one.at_ms + 2_000)))
                        .collect::<Vec<_>>()
                }))
            }),
            ("lines", |all| lines(all.iter().flat_map(events).map(|event| event.to_string()))),
            ("filter-log-events", |all| {
                let event = |event: Value| json!({"logStreamName": "s", "timestamp": 1_791_219_601_500_i64, "message": event.to_string(), "eventId": "1"});
                json!({"events": all.iter().flat_map(events).map(event).collect::<Vec<_>>()}).to_string()
            }),
        ],
    )
}

pub fn load_balancer(random: &mut Random) -> Family {
    Family::new(
        "alb",
        Call::many(random),
        vec![("lines", |all| {
            lines(all.iter().map(|one| {
                format!(
                    "https {} app/shop/0123456789abcdef 203.0.113.9:{} 10.0.1.5:8080 0.001 0.248 0.000 {} 200 250 {} \"GET https://shop.example.com:443/list?q=a b HTTP/1.1\" \"Mozilla/5.0 (X11; \"quoted\" Linux)\" TLS_AES_128_GCM_SHA256 TLSv1.3 arn:aws:elasticloadbalancing:eu-west-1:{ACCOUNT}:targetgroup/shop/0011223344556677 \"Root=1-{}\" \"shop.example.com\" \"-\" 1 {} \"forward\" \"-\" \"-\" \"10.0.1.5:8080\" \"200\" \"-\" \"-\" TID_{}",
                    shown(one.at_ms + 250, "%Y-%m-%dT%H:%M:%S%.6fZ"),
                    1024 + one.bytes % 50_000,
                    one.status,
                    one.bytes,
                    one.id,
                    shown(one.at_ms, "%Y-%m-%dT%H:%M:%S%.6fZ"),
                    one.id.replace('-', ""),
                )
            }))
        })],
    )
    .broken("https 2026-10-05T17:00:01.250000Z app/shop/0123456789abcdef 203.0.113.9:1 10.0.1.5\n")
}

pub fn cloudfront(random: &mut Random) -> Family {
    fn day(one: &Call) -> String {
        shown(one.at_ms, "%Y-%m-%d")
    }
    fn time(one: &Call) -> String {
        shown(one.at_ms, "%H:%M:%S")
    }
    Family::new(
        "cloudfront",
        Call::many(random),
        vec![
            ("standard", |all| {
                let row = |one: &Call| {
                    format!(
                        "{}\t{}\tFRA56-P2\t{}\t203.0.113.9\tGET\td111111abcdef8.cloudfront.net\t/a.jpg\t{}\t-\tcurl\t-\t-\tHit\t{}\twww.example.com\thttps\t100\t0.025\t-\t-\t-\tHit\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-",
                        day(one),
                        time(one),
                        one.bytes,
                        one.status,
                        one.id
                    )
                };
                let names = "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end";
                format!("#Version: 1.0\n#Fields: {names}\n{}", lines(all.iter().map(row)))
            }),
            ("other fields", |all| {
                let row = |one: &Call| {
                    format!(
                        "{}\thttps\t{}\t{}\tFRA56-P2\t203.0.113.9\t{}\t{}\td111111abcdef8.cloudfront.net\tGET\t100\t0.025",
                        one.id,
                        day(one),
                        time(one),
                        one.status,
                        one.bytes
                    )
                };
                let names = "x-edge-request-id cs-protocol date time x-edge-location c-ip sc-status sc-bytes cs(Host) cs-method cs-bytes time-taken";
                format!("#Version: 1.0\n#Fields: {names}\n{}", lines(all.iter().map(row)))
            }),
            ("JSON", |all| {
                lines(all.iter().map(|one| {
                    json!({"date": day(one), "time": time(one), "x-edge-location": "FRA56-P2",
                        "sc-bytes": one.bytes.to_string(), "c-ip": "203.0.113.9", "cs-method": "GET",
                        "cs(Host)": "d111111abcdef8.cloudfront.net", "sc-status": one.status,
                        "x-edge-request-id": one.id, "cs-protocol": "https", "cs-bytes": "100", "time-taken": "0.025"})
                    .to_string()
                }))
            }),
        ],
    )
}

/// Metrics in what a function logs; without the events they were logged with, their content is their key.
pub fn metrics_in_logs(random: &mut Random) -> Family {
    fn message(one: &Call) -> Value {
        json!({
            "_aws": {"Timestamp": one.at_ms, "CloudWatchMetrics": [{"Namespace": "PictureShop", "Dimensions": [["service"]],
                "Metrics": [{"Name": "Pictures", "Unit": "Count"}, {"Name": "PictureBytes", "Unit": "Bytes"}]}]},
            "service": "pictures", "Pictures": 3, "PictureBytes": [one.bytes, 7], "request": one.id,
        })
    }
    Family::new(
        "emf",
        Call::many(random),
        vec![
            ("lines", |all| lines(all.iter().map(|one| message(one).to_string()))),
            ("laid out", |all| lines(all.iter().map(|one| serde_json::to_string_pretty(&message(one)).unwrap()))),
        ],
    )
}
