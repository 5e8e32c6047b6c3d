//! Amazon S3 event notifications: what a bucket sends to a queue, a topic, a function or EventBridge.
//!
//! Each tells of one request that changed an object, or of what a lifecycle rule did. Envelopes nest: a topic in a queue
//! carries the notification as text in text. The form of EventBridge has other names and a key that is not encoded; both
//! forms of one event have the same key here, and its time is kept to the second because EventBridge has no more.

use std::io::BufRead;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::aws_s3_access::is_inside;
use crate::format::json_records::{Found, each};
use crate::format::json_value::{integer, text};
use crate::format::{Format, Origin, Recognition, Sink, timestamp};
use crate::record::{EventTime, Record, RecordKey, Request, Usage};

/// `aws-s3-event`.
pub struct AwsS3Event;

/// Arrays that hold notifications, or messages around them.
const ARRAYS: [&str; 2] = ["Records", "Messages"];

/// Envelopes inside each other that are opened.
const DEPTH_MAX: u8 = 6;

impl Format for AwsS3Event {
    fn name(&self) -> &'static str {
        "aws-s3-event"
    }

    fn description(&self) -> &'static str {
        "Amazon S3 event notifications as JSON: direct, in SNS and SQS messages, from EventBridge"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if !matches!(head.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return None;
        }
        let mut found = false;
        let mut input = head;
        each(&mut input, &ARRAYS, &mut |_, object, _| {
            if let Found::Object(fields, _) = object
                && !found
                && let Ok(value) = serde_json::from_slice(&fields.object())
            {
                found = is_notification(value);
            }
            Ok(true)
        })
        .ok()?;
        found.then(|| Recognition { because: "it has event notifications of Amazon S3".into() })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut passed_over = 0_u64;
        let mut any = false;
        each(input, &ARRAYS, &mut |place, found, after_broken| {
            let (problems, beginning) = match found {
                Found::Broken(problem, beginning) => (vec![problem], beginning.to_vec()),
                Found::Object(fields, _) => {
                    let object = fields.object();
                    let mut parts = Vec::new();
                    match serde_json::from_slice(&object) {
                        Ok(value) => open(value, 0, &mut parts),
                        Err(error) => parts.push(Part::Other(format!("not valid JSON: {error}"))),
                    }
                    if after_broken && parts.iter().all(|part| matches!(part, Part::Other(_))) {
                        return Ok(false);
                    }
                    let mut problems = Vec::new();
                    for part in parts {
                        match part.record(origin.defaults) {
                            Ok(Some(record)) => {
                                any = true;
                                sink.record(record)?;
                            }
                            Ok(None) => passed_over += u64::from(!matches!(part, Part::Test)),
                            Err(problem) => problems.push(problem),
                        }
                    }
                    (problems, object)
                }
            };
            if !after_broken || memchr::memmem::find(&beginning, b"aws:s3").is_some() {
                for problem in problems {
                    sink.reject(place.rejected(problem, &beginning))?;
                }
            }
            Ok(true)
        })?;
        if passed_over > 0 {
            sink.warn(format!(
                "{passed_over} notifications tell of no request (replication, tiering, loss) and were passed over"
            ));
        }
        if any {
            sink.warn(
                "metering incomplete: notifications tell of changes alone, not of reads, listings and parts of uploads; the access log or CloudTrail has all requests, and would count these again"
                    .into(),
            );
        }
        Ok(())
    }
}

/// Whether there is a notification in a JSON value, in whatever envelope.
pub(super) fn is_notification(value: Value) -> bool {
    let mut parts = Vec::new();
    open(value, 0, &mut parts);
    parts.iter().any(|part| !matches!(part, Part::Other(_)))
}

/// What an envelope holds.
enum Part {
    /// A record of a notification.
    Record(Value),
    /// An event of EventBridge.
    EventBridge(Value),
    /// What S3 sends to see whether the destination is there.
    Test,
    /// Something else, and what was expected.
    Other(String),
}

/// Opens envelopes.
fn open(value: Value, depth: u8, out: &mut Vec<Part>) {
    const EXPECTED: &str = "not an S3 event notification: expected `eventSource` `aws:s3`, or a message with one";
    if depth > DEPTH_MAX {
        return out.push(Part::Other("envelopes are nested too deep".into()));
    }
    if let Value::Array(values) = value {
        return values.into_iter().for_each(|value| open(value, depth + 1, out));
    }
    let mut value = value;
    for name in ARRAYS {
        if let Some(Value::Array(values)) = value.get_mut(name).map(Value::take) {
            return values.into_iter().for_each(|value| open(value, depth + 1, out));
        }
    }
    if text(&value, "/eventSource") == Some("aws:s3") && value.get("s3").is_some() {
        return out.push(Part::Record(value));
    }
    if text(&value, "/source") == Some("aws.s3") && value.pointer("/detail/object").is_some() {
        return out.push(Part::EventBridge(value));
    }
    if text(&value, "/Event") == Some("s3:TestEvent") {
        return out.push(Part::Test);
    }
    let message = ["/body", "/Body", "/Sns/Message", "/Message"].iter().find_map(|path| text(&value, path));
    match message.map(serde_json::from_str::<Value>) {
        Some(Ok(inner @ (Value::Object(_) | Value::Array(_)))) => open(inner, depth + 1, out),
        _ => out.push(Part::Other(EXPECTED.into())),
    }
}

impl Part {
    /// The record of what was done; nothing where it was no request.
    fn record(&self, defaults: &Defaults) -> Result<Option<Record>, String> {
        match self {
            Part::Record(value) => Change::of_notification(value)?.record(defaults),
            Part::EventBridge(value) => Change::of_event_bridge(value)?.record(defaults),
            Part::Test => Ok(None),
            Part::Other(problem) => Err(problem.clone()),
        }
    }
}

/// What both forms say.
struct Change<'v> {
    /// Such as `ObjectCreated:Put`.
    name: String,
    time: Option<&'v str>,
    bucket: Option<&'v str>,
    key: String,
    version: Option<&'v str>,
    sequencer: Option<&'v str>,
    bytes: Option<i64>,
    /// Of a transition its destination, of a restored object the class it lies in.
    storage_class: Option<&'v str>,
    account: Option<&'v str>,
    region: Option<&'v str>,
    address: Option<&'v str>,
    request_id: Option<&'v str>,
}

impl<'v> Change<'v> {
    fn of_notification(value: &'v Value) -> Result<Self, String> {
        let name = text(value, "/eventName").ok_or("there is no `eventName`")?;
        let encoded = text(value, "/s3/object/key").ok_or("there is no `s3.object.key`")?;
        let spaced = encoded.replace('+', " ");
        let classes = [
            "/lifecycleEventData/transitionEventData/destinationStorageClass",
            "/glacierEventData/restoreEventData/lifecycleRestoreStorageClass",
        ];
        Ok(Change {
            name: name.strip_prefix("s3:").unwrap_or(name).to_owned(),
            time: text(value, "/eventTime"),
            bucket: text(value, "/s3/bucket/name"),
            key: percent_decode_str(&spaced).decode_utf8_lossy().into_owned(),
            version: text(value, "/s3/object/versionId"),
            sequencer: text(value, "/s3/object/sequencer"),
            bytes: integer(value, "/s3/object/size")?,
            storage_class: classes.iter().find_map(|path| text(value, path)),
            account: None,
            region: text(value, "/awsRegion"),
            address: text(value, "/requestParameters/sourceIPAddress"),
            request_id: text(value, "/responseElements/x-amz-request-id"),
        })
    }

    fn of_event_bridge(value: &'v Value) -> Result<Self, String> {
        let kind = text(value, "/detail-type").ok_or("there is no `detail-type`")?;
        let reason = text(value, "/detail/reason").unwrap_or_default();
        let marker = text(value, "/detail/deletion-type") == Some("Delete Marker Created");
        let removed = if marker { "DeleteMarkerCreated" } else { "Delete" };
        let name = match (kind, reason) {
            ("Object Created", "PutObject") => "ObjectCreated:Put".to_owned(),
            ("Object Created", "POST Object") => "ObjectCreated:Post".to_owned(),
            ("Object Created", "CopyObject") => "ObjectCreated:Copy".to_owned(),
            ("Object Created", other) => format!("ObjectCreated:{other}"),
            ("Object Deleted", "Lifecycle Expiration") => format!("LifecycleExpiration:{removed}"),
            ("Object Deleted", _) => format!("ObjectRemoved:{removed}"),
            ("Object Restore Initiated", _) => "ObjectRestore:Post".to_owned(),
            ("Object Restore Completed", _) => "ObjectRestore:Completed".to_owned(),
            ("Object Restore Expired", _) => "ObjectRestore:Delete".to_owned(),
            ("Object Storage Class Changed", _) => "LifecycleTransition".to_owned(),
            ("Object Access Tier Changed", _) => "IntelligentTiering".to_owned(),
            ("Object ACL Updated", _) => "ObjectAcl:Put".to_owned(),
            ("Object Tags Added", _) => "ObjectTagging:Put".to_owned(),
            ("Object Tags Deleted", _) => "ObjectTagging:Delete".to_owned(),
            (other, _) => other.to_owned(),
        };
        let classes = ["/detail/destination-storage-class", "/detail/source-storage-class"];
        Ok(Change {
            name,
            time: text(value, "/time"),
            bucket: text(value, "/detail/bucket/name"),
            key: text(value, "/detail/object/key").ok_or("there is no `detail.object.key`")?.to_owned(),
            version: text(value, "/detail/object/version-id"),
            sequencer: text(value, "/detail/object/sequencer"),
            bytes: integer(value, "/detail/object/size")?,
            storage_class: classes.iter().find_map(|path| text(value, path)),
            account: text(value, "/account"),
            region: text(value, "/region"),
            address: text(value, "/detail/source-ip-address"),
            request_id: text(value, "/detail/request-id"),
        })
    }

    fn record(&self, defaults: &Defaults) -> Result<Option<Record>, String> {
        let Some(operation) = operation_of(&self.name) else { return Ok(None) };
        let bucket = self.bucket.ok_or("there is no name of a bucket")?;
        let time = self.time.ok_or("there is no time of the event")?;
        let time = timestamp::iso(time).ok_or_else(|| format!("the time is `{time}`, expected an ISO 8601 time"))?;
        // What is restored is read out of its class; no request does that.
        let restored = operation == "RETRIEVAL";
        let inside = restored || is_inside(self.address, "");
        let mut row = Request {
            provider: "aws".into(),
            service: "s3".into(),
            account: self.account.map(str::to_owned),
            region: self.region.map(str::to_owned),
            resource: Some(bucket.to_owned()),
            operation: Some(operation.into()),
            request_bytes: self.bytes.filter(|_| !restored),
            response_bytes: self.bytes.filter(|_| restored),
            storage_class: self.storage_class.map(str::to_owned),
            source: Some(if inside { "aws" } else { "internet" }.into()),
            request_id: self.request_id.map(str::to_owned),
            ..Request::default()
        };
        defaults.complete_request(&mut row);
        // Sequencers are compared as if they had zeros at their end.
        let sequencer = self.sequencer.map(|sequencer| sequencer.trim_end_matches('0').to_ascii_uppercase());
        let key = RecordKey::of(&[
            Some("aws-s3-event"),
            Some(bucket),
            Some(&self.key),
            self.version,
            sequencer.as_deref(),
            Some(&self.name),
        ]);
        let time = EventTime::Logged(time - time.rem_euclid(1_000_000));
        Ok(Some(Record { time, key, usage: Usage::Request(Box::new(row)) }))
    }
}

/// The request behind an event, in the words of the price book; nothing where S3 did something that is none.
fn operation_of(name: &str) -> Option<&'static str> {
    let (kind, what) = name.split_once(':').unwrap_or((name, ""));
    Some(match (kind, what) {
        ("ObjectCreated", "Copy") => "COPY",
        ("ObjectCreated", "Post" | "CompleteMultipartUpload") => "POST",
        ("ObjectCreated", _) => "PUT",
        ("ObjectRemoved" | "LifecycleExpiration", _) | ("ObjectTagging" | "ObjectRestore", "Delete") => "DELETE",
        ("LifecycleTransition", _) => "TRANSITION",
        ("ObjectRestore", "Completed") => "RETRIEVAL",
        ("ObjectRestore", _) => "POST",
        ("ObjectAcl" | "ObjectTagging", _) => "PUT",
        _ => return None,
    })
}
