//! Usage of AWS, invented: every envelope of every log.

use serde_json::{Value, json};

use super::aws_calls;
use super::family::{Family, base64_gzip, iso, lines, shown};
use crate::harness::{Invocation, Random, filter_log_events, platform_reports, text_log};

pub const ACCOUNT: &str = "123456789012";
const STREAM: &str = "2026/10/05/[$LATEST]0123456789abcdef0123456789abcdef";
/// Request ids of invocations whose times some envelope does not say.
pub const WITHOUT_TIME: &str = "00000000-";
/// Name of their family.
pub const LAMBDA_WITHOUT_TIME: &str = "lambda-without-time";

pub fn families(random: &mut Random) -> Vec<Family> {
    vec![
        lambda(random),
        lambda_without_time(random),
        s3_access(random),
        s3_event(random),
        cloudtrail(random),
        aws_calls::api_gateway(random),
        aws_calls::api_gateway_clf(random),
        aws_calls::step_functions(random),
        aws_calls::load_balancer(random),
        aws_calls::cloudfront(random),
        aws_calls::metrics_in_logs(random),
    ]
}

// Lambda

fn invocations(random: &mut Random) -> Vec<Invocation> {
    let count = random.between(10, 30) as usize;
    let mut all = Invocation::many(random.next(), count);
    for one in &mut all {
        // Behind its duration, so that it begins in the three days.
        one.reported_ms = random.time_ms() + 10_000;
    }
    // A retry: the same id and numbers at another time.
    let again = Invocation { reported_ms: all[0].reported_ms + 61_000, ..all[0].clone() };
    all.push(again);
    all
}

fn lambda(random: &mut Random) -> Family {
    Family::new(
        "lambda",
        invocations(random),
        vec![
            ("console", text_log),
            ("tail", |all| {
                lines(all.iter().map(|one| {
                    format!("{} {STREAM} {}", shown(one.reported_ms, "%Y-%m-%dT%H:%M:%S%.6f+00:00"), one.report())
                }))
            }),
            ("filter-log-events", filter_log_events),
            ("pages", |all| {
                let (first, second) = all.split_at(all.len() / 2);
                filter_log_events(first) + &filter_log_events(second)
            }),
            ("platform", platform_reports),
            ("subscription", |all| all.chunks(3).map(|some| subscription(some).to_string()).collect()),
            ("subscribed function", |all| {
                lines(
                    all.chunks(4).map(|some| {
                        json!({"awslogs": {"data": base64_gzip(&subscription(some).to_string())}}).to_string()
                    }),
                )
            }),
            ("kinesis", |all| {
                let record = |some: &[Invocation]| json!({"SequenceNumber": "1", "PartitionKey": "1", "Data": base64_gzip(&subscription(some).to_string())});
                json!({"Records": all.chunks(5).map(record).collect::<Vec<_>>(), "MillisBehindLatest": 0}).to_string()
            }),
            ("insights", |all| {
                let row = |one: &Invocation| {
                    json!([
                        {"field": "@timestamp", "value": shown(one.reported_ms, "%Y-%m-%d %H:%M:%S%.3f")},
                        {"field": "@message", "value": one.report() + "\n"},
                        {"field": "@ptr", "value": one.request_id},
                    ])
                };
                json!({"status": "Complete", "results": all.iter().map(row).collect::<Vec<_>>()}).to_string()
            }),
            ("insights table", |all| {
                let row = |one: &Invocation| {
                    format!(
                        "{},\"{}\n\",{ACCOUNT}:/aws/lambda/f",
                        shown(one.reported_ms, "%Y-%m-%d %H:%M:%S%.3f"),
                        one.report()
                    )
                };
                format!("@timestamp,@message,@log\n{}", lines(all.iter().map(row)))
            }),
        ],
    )
}

fn subscription(some: &[Invocation]) -> Value {
    let events: Vec<_> = some
        .iter()
        .map(|one| json!({"id": one.request_id, "timestamp": one.reported_ms, "message": one.report() + "\n"}))
        .collect();
    json!({
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": "/aws/lambda/f",
        "logStream": STREAM,
        "subscriptionFilters": ["all"],
        "logEvents": events,
    })
}

/// Lines that were copied without their times, and the same with them.
fn lambda_without_time(random: &mut Random) -> Family {
    let mut all = invocations(random);
    // What has the id and the numbers of another is told from it by its time alone.
    all.pop();
    for one in &mut all {
        one.request_id = format!("{WITHOUT_TIME}{}", &one.request_id[9..]);
    }
    Family::new(
        LAMBDA_WITHOUT_TIME,
        all,
        vec![
            ("console", text_log),
            ("without times", |all| lines(all.iter().map(Invocation::report))),
            ("filter-log-events", filter_log_events),
        ],
    )
    .broken("REPORT RequestId: 15d1b730-7d3f-4b46-b28e-b76b97fc\n")
}

// S3

#[derive(Clone)]
struct Access {
    at_ms: i64,
    id: String,
    operation: &'static str,
    key: String,
    status: &'static str,
    bytes: u64,
}

fn s3_access(random: &mut Random) -> Family {
    let mut all = random.many(|random| Access {
        at_ms: random.time_ms(),
        id: random.hex(16).to_uppercase(),
        operation: random.word(&["REST.GET.OBJECT", "REST.PUT.OBJECT", "REST.HEAD.OBJECT", "REST.GET.BUCKET"]),
        key: format!("a{}.jpg", random.below(5)),
        status: random.word(&["200", "206", "304"]),
        bytes: random.below(1 << 30),
    });
    // One request, logged with two statuses, and one that deleted two objects.
    let mut other = all[0].clone();
    other.status = "404";
    let delete = |key: &str| Access { operation: "BATCH.DELETE.OBJECT", key: key.into(), ..all[1].clone() };
    let deletes = [delete("x"), delete("y")];
    all.push(other);
    all.extend(deletes);
    fn line(one: &Access, behind: &str) -> String {
        format!(
            "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be photos [{}] 203.0.113.9 - {} {} {} \"GET /{} HTTP/1.1\" {} - {} {} 12 9 \"-\" \"curl/8.0 \"x\"\" -{behind}",
            shown(one.at_ms, "%d/%b/%Y:%H:%M:%S +0000"),
            one.id,
            one.operation,
            one.key,
            one.key,
            one.status,
            one.bytes,
            one.bytes,
        )
    }
    Family::new(
        "s3-access",
        all,
        vec![
            ("26 fields", |all| {
                lines(all.iter().map(|one| {
                    line(one, " hostid= SigV4 TLS_AES_128_GCM_SHA256 AuthHeader photos.s3.amazonaws.com TLSv1.3 - -")
                }))
            }),
            ("18 fields", |all| lines(all.iter().map(|one| line(one, "")))),
        ],
    )
    .broken("79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be photos [05/Oct\n")
}

#[derive(Clone)]
struct ObjectEvent {
    at_ms: i64,
    id: String,
    key: String,
    sequencer: String,
    bytes: u64,
}

impl ObjectEvent {
    fn record(&self) -> Value {
        json!({
            "eventVersion": "2.3", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventTime": iso(self.at_ms),
            "eventName": "ObjectCreated:Put",
            "requestParameters": {"sourceIPAddress": "203.0.113.9"},
            "responseElements": {"x-amz-request-id": self.id},
            "s3": {
                "bucket": {"name": "photos", "arn": "arn:aws:s3:::photos"},
                "object": {"key": self.key.replace(' ', "+"), "size": self.bytes, "sequencer": self.sequencer},
            },
        })
    }

    fn event_bridge(&self) -> Value {
        json!({
            "version": "0", "id": self.id, "detail-type": "Object Created", "source": "aws.s3", "account": ACCOUNT,
            "time": shown(self.at_ms, "%Y-%m-%dT%H:%M:%SZ"), "region": "eu-west-1",
            "detail": {
                "bucket": {"name": "photos"}, "request-id": self.id, "requester": ACCOUNT,
                "source-ip-address": "203.0.113.9", "reason": "PutObject",
                "object": {"key": self.key, "size": self.bytes, "sequencer": self.sequencer},
            },
        })
    }
}

fn s3_event(random: &mut Random) -> Family {
    let all = random.many(|random| ObjectEvent {
        at_ms: random.time_ms(),
        id: random.hex(16).to_uppercase(),
        key: format!("holiday photos/{}.jpg", random.below(4)),
        sequencer: format!("00{}", random.hex(16).to_uppercase()),
        bytes: random.below(1 << 40),
    });
    fn notification(some: &[ObjectEvent]) -> Value {
        json!({"Records": some.iter().map(ObjectEvent::record).collect::<Vec<_>>()})
    }
    fn topic(some: &[ObjectEvent]) -> Value {
        json!({"Type": "Notification", "Subject": "Amazon S3 Notification", "Message": notification(some).to_string()})
    }
    fn queue(bodies: impl Iterator<Item = Value>) -> String {
        let message = |body: Value| {
            json!({"messageId": "1", "body": body.to_string(), "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:photos", "awsRegion": "eu-west-1"})
        };
        json!({"Records": bodies.map(message).collect::<Vec<_>>()}).to_string()
    }
    Family::new(
        "s3-event",
        all,
        vec![
            ("notification", |all| notification(all).to_string()),
            ("lines", |all| lines(all.chunks(2).map(|some| notification(some).to_string()))),
            ("topic", |all| lines(all.chunks(2).map(|some| topic(some).to_string()))),
            ("queue", |all| queue(all.chunks(3).map(notification))),
            ("queue behind topic", |all| queue(all.chunks(3).map(topic))),
            ("EventBridge", |all| lines(all.iter().map(|one| one.event_bridge().to_string()))),
        ],
    )
}

fn cloudtrail(random: &mut Random) -> Family {
    let all = random.many(|random| {
        json!({
            "eventVersion": "1.11", "userIdentity": {"type": "AssumedRole", "accountId": ACCOUNT},
            "eventTime": shown(random.time_ms(), "%Y-%m-%dT%H:%M:%SZ"), "eventSource": "s3.amazonaws.com",
            "eventName": *random.pick(&["PutObject", "GetObject", "HeadObject"]), "awsRegion": "eu-west-1",
            "sourceIPAddress": "203.0.113.9", "requestParameters": {"bucketName": "photos", "key": "a.jpg"},
            "responseElements": null, "requestID": random.hex(16), "eventID": random.uuid(),
            "resources": [{"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::photos"}],
            "eventType": "AwsApiCall", "managementEvent": false, "recipientAccountId": ACCOUNT,
            "eventCategory": "Data",
            "additionalEventData": {"bytesTransferredIn": random.below(1 << 20), "bytesTransferredOut": random.below(1 << 20)},
        })
    });
    Family::new(
        "cloudtrail",
        all,
        vec![
            ("file", |all| json!({"Records": all}).to_string()),
            ("lines", |all| lines(all.iter().map(Value::to_string))),
            ("files", |all| lines(all.chunks(4).map(|some| json!({"Records": some}).to_string()))),
            ("EventBridge", |all| {
                lines(all.iter().map(|one| {
                    json!({"version": "0", "id": one["eventID"], "detail-type": "AWS API Call via CloudTrail",
                        "source": "aws.s3", "account": ACCOUNT, "time": one["eventTime"], "region": "eu-west-1",
                        "resources": [], "detail": one})
                    .to_string()
                }))
            }),
        ],
    )
}
