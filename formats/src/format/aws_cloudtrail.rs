//! AWS CloudTrail: data events, each a request to an object, a table, a function or the like.
//!
//! They come as files in S3 (`{"Records":[…]}`), by EventBridge (in `detail`), by CloudWatch Logs, out of CloudTrail Lake,
//! or one event a line. Management events and digest files are no usage. A trail of several regions, or of several
//! accounts that share a bucket, delivers an event more than once: its id is the key.

use std::collections::HashMap;
use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::aws_s3_access::{billed_as, is_inside};
use crate::format::cloudwatch::Bare;
use crate::format::json_records::{Found, each};
use crate::format::json_stream::Fields;
use crate::format::json_value::text;
use crate::format::line::Place;
use crate::format::{Format, Origin, Recognition, Sink, cloudwatch, decimal, timestamp};
use crate::record::{EventTime, Record, RecordKey, Request, Usage};

/// `aws-cloudtrail`.
pub struct AwsCloudTrail;

/// The array of events in a file of a trail.
const RECORDS: &str = "Records";

impl Format for AwsCloudTrail {
    fn name(&self) -> &'static str {
        "aws-cloudtrail"
    }

    fn description(&self) -> &'static str {
        "AWS CloudTrail data events: log files of a trail, EventBridge, CloudTrail Lake results, one event a line"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if let Some((service, because)) = cloudwatch::recognise(head) {
            return (service == cloudwatch::Service::CloudTrail).then_some(Recognition { because });
        }
        if !matches!(head.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return None;
        }
        let mut because = None;
        let mut input = head;
        each(&mut input, &[RECORDS], &mut |_, found, _| {
            if let Found::Object(fields, _) = found
                && because.is_none()
            {
                because = match Shape::of(fields) {
                    Some(Shape::Digest) => Some("it is a CloudTrail digest file".to_owned()),
                    Some(_) => Some("it has CloudTrail events (eventID, eventSource, eventName)".to_owned()),
                    None => None,
                };
            }
            Ok(true)
        })
        .ok()?;
        Some(Recognition { because: because? })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut trail = Trail { defaults: origin.defaults, sink, management: 0, digests: 0, invokes: 0, items: 0 };
        cloudwatch::read(input, &[RECORDS], Bare::Objects, &mut |place, item, after_broken| match item {
            cloudwatch::Item::Event(event) => match trail.event(event.message)? {
                Ok(()) => Ok(true),
                Err(problem) => trail.reject(place, problem, event.message, after_broken),
            },
            cloudwatch::Item::Object(fields, _) => trail.object(fields, place, after_broken),
            cloudwatch::Item::Broken(problem, beginning) => trail.reject(place, problem, beginning, after_broken),
        })?;
        trail.finish();
        Ok(())
    }
}

/// Whether the message of a log event is an event of CloudTrail.
pub(super) fn is_event(message: &[u8]) -> bool {
    message.first() == Some(&b'{')
        && ["\"eventID\"", "\"eventSource\"", "\"eventName\"", "\"eventTime\""]
            .iter()
            .all(|name| memchr::memmem::find(message, name.as_bytes()).is_some())
        && serde_json::from_slice::<Event<'_>>(message)
            .is_ok_and(|event| event.id.is_some() && event.source.is_some_and(|source| is_service(&source)))
}

/// What an object of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Event,
    EventBridge,
    LakeResults,
    Digest,
}

impl Shape {
    fn of(fields: &Fields) -> Option<Self> {
        let has = |name: &str| fields.raw(name).is_some();
        let source = || fields.string("eventSource").is_some_and(|source| is_service(&source));
        if has("eventID") && has("eventName") && source() {
            return Some(Shape::Event);
        }
        if has("detail-type") && has("detail") {
            let detail: Option<Event<'_>> = fields.raw("detail").and_then(|detail| serde_json::from_slice(detail).ok());
            let is_event = detail.is_some_and(|event| event.id.is_some() && event.source.is_some());
            return is_event.then_some(Shape::EventBridge);
        }
        if has("QueryResultRows") {
            return Some(Shape::LakeResults);
        }
        (has("digestStartTime") && has("digestEndTime") && has("logFiles")).then_some(Shape::Digest)
    }
}

/// `s3.amazonaws.com`; notifications and streams have `aws:s3` there.
fn is_service(source: &str) -> bool {
    source.ends_with(".amazonaws.com") || source.ends_with(".amazonaws.com.cn")
}

/// An event, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(rename = "eventID")]
    id: Option<String>,
    #[serde(rename = "sharedEventID")]
    shared_id: Option<String>,
    #[serde(rename = "eventTime")]
    time: Option<String>,
    #[serde(rename = "eventSource")]
    source: Option<String>,
    #[serde(rename = "eventName")]
    name: Option<String>,
    #[serde(rename = "eventCategory")]
    category: Option<String>,
    management_event: Option<bool>,
    aws_region: Option<String>,
    #[serde(rename = "sourceIPAddress")]
    address: Option<String>,
    user_agent: Option<String>,
    vpc_endpoint_id: Option<String>,
    error_code: Option<String>,
    #[serde(rename = "requestID")]
    request_id: Option<String>,
    recipient_account_id: Option<String>,
    #[serde(default)]
    user_identity: Value,
    #[serde(default)]
    request_parameters: Value,
    #[serde(borrow)]
    additional_event_data: Option<&'a RawValue>,
    #[serde(default)]
    resources: Value,
}

/// The events of one file on their way to the sink.
struct Trail<'a> {
    defaults: &'a Defaults,
    sink: &'a mut dyn Sink,
    management: u64,
    digests: u64,
    invokes: u64,
    items: u64,
}

impl Trail<'_> {
    fn reject(
        &mut self,
        place: Place,
        problem: String,
        beginning: &[u8],
        after_broken: bool,
    ) -> Result<bool, IngestError> {
        if !after_broken || memchr::memmem::find(beginning, b"\"eventID\"").is_some() {
            self.sink.reject(place.rejected(problem, beginning))?;
        }
        Ok(true)
    }

    fn object(&mut self, fields: &Fields, place: Place, after_broken: bool) -> Result<bool, IngestError> {
        let problem = match Shape::of(fields) {
            Some(Shape::Event) => self.event(&fields.object())?,
            Some(Shape::EventBridge) => self.event(fields.raw("detail").unwrap_or_default())?,
            Some(Shape::LakeResults) => return self.lake_results(fields, place),
            Some(Shape::Digest) => {
                self.digests += 1;
                Ok(())
            }
            None if after_broken => return Ok(false),
            None => Err("not a CloudTrail event: expected `eventID`, `eventSource` and `eventName`".to_owned()),
        };
        match problem {
            Ok(()) => Ok(true),
            Err(problem) => self.reject(place, problem, &fields.object(), after_broken),
        }
    }

    /// Takes an event; what is wrong with it is the inner result.
    fn event(&mut self, json: &[u8]) -> Result<Result<(), String>, IngestError> {
        let event: Event<'_> = match serde_json::from_slice(json) {
            Ok(event) => event,
            Err(error) => return Ok(Err(format!("not a valid CloudTrail event: {error}"))),
        };
        if !event.is_data() {
            self.management += 1;
            return Ok(Ok(()));
        }
        match event.record(self.defaults) {
            Ok(record) => {
                self.invokes += u64::from(event.source.as_deref() == Some("lambda.amazonaws.com"));
                self.items += u64::from(event.source.as_deref() == Some("dynamodb.amazonaws.com"));
                self.sink.record(record)?;
                Ok(Ok(()))
            }
            Err(problem) => Ok(Err(problem)),
        }
    }

    /// Rows of CloudTrail Lake: each an array of objects of one field, all values as text.
    fn lake_results(&mut self, fields: &Fields, place: Place) -> Result<bool, IngestError> {
        let rows = fields.raw("QueryResultRows").unwrap_or_default();
        let Ok(rows) = serde_json::from_slice::<Vec<Vec<HashMap<String, Option<String>>>>>(rows) else {
            let problem = "`QueryResultRows` is not an array of rows of one-field objects".to_owned();
            return self.reject(place, problem, &fields.object(), false);
        };
        for row in rows {
            let mut event = serde_json::Map::new();
            for (name, value) in row.into_iter().flatten() {
                if let Some(value) = value {
                    event.insert(lake_name(&name).to_owned(), lake_value(&name, value));
                }
            }
            let json = Value::Object(event).to_string();
            if let Err(problem) = self.event(json.as_bytes())? {
                self.sink.reject(place.rejected(problem, json.as_bytes()))?;
            }
        }
        Ok(true)
    }

    fn finish(self) {
        if self.management > 0 {
            self.sink.warn(format!(
                "{} events are no data events (management, insight or network activity events) and no usage: they were passed over",
                self.management
            ));
        }
        if self.digests > 0 {
            self.sink.warn(format!("{} digest files tell of log files and hold no events", self.digests));
        }
        if self.invokes > 0 {
            self.sink.warn(format!(
                "{} events are of AWS Lambda: they are kept as requests without an amount, because only the log of a function says what an execution is billed",
                self.invokes
            ));
        }
        if self.items > 0 {
            self.sink.warn(format!(
                "metering incomplete: {} events are of DynamoDB, without the size of items: each counts as the least that a request on demand is billed; requests to provisioned tables are not billed at all",
                self.items
            ));
        }
    }
}

/// Lake names columns in any case.
fn lake_name(name: &str) -> &str {
    const NAMES: [&str; 17] = [
        "eventID",
        "sharedEventID",
        "eventTime",
        "eventSource",
        "eventName",
        "eventCategory",
        "managementEvent",
        "awsRegion",
        "sourceIPAddress",
        "userAgent",
        "vpcEndpointId",
        "errorCode",
        "requestID",
        "recipientAccountId",
        "requestParameters",
        "additionalEventData",
        "resources",
    ];
    NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name)
}

/// A value of Lake as it is in an event: maps come as `{name=value, name=value}`.
fn lake_value(name: &str, value: String) -> Value {
    if name.eq_ignore_ascii_case("managementEvent") {
        return Value::Bool(value.eq_ignore_ascii_case("true"));
    }
    let Some(pairs) = value.strip_prefix('{').and_then(|value| value.strip_suffix('}')) else {
        return if value.is_empty() { Value::Null } else { Value::String(value) };
    };
    if let Ok(object) = serde_json::from_str(&value) {
        return object;
    }
    let pairs = pairs.split(", ").filter_map(|pair| pair.split_once('='));
    Value::Object(pairs.map(|(name, value)| (name.to_owned(), Value::String(value.to_owned()))).collect())
}

impl Event<'_> {
    /// Whether it is a data event. Events of before 2020 do not say so: then what they are about decides.
    fn is_data(&self) -> bool {
        if let Some(category) = &self.category {
            return category == "Data";
        }
        if let Some(management) = self.management_event {
            return !management;
        }
        let name = self.name.as_deref().unwrap_or_default();
        match self.source.as_deref() {
            Some("s3.amazonaws.com") => text(&self.request_parameters, "/key").is_some() || name.contains("Object"),
            Some("lambda.amazonaws.com") => name.starts_with("Invoke"),
            Some("dynamodb.amazonaws.com") => dynamodb_operation(name, &self.request_parameters) != name,
            _ => false,
        }
    }

    fn record(&self, defaults: &Defaults) -> Result<Record, String> {
        let id = self.shared_id.as_deref().or(self.id.as_deref()).filter(|id| !id.is_empty());
        let id = id.ok_or("there is no `eventID`")?;
        let time = self.time.as_deref().ok_or("there is no `eventTime`")?;
        let time = timestamp::iso(time).ok_or_else(|| format!("`eventTime` is `{time}`, expected an ISO 8601 time"))?;
        let name = self.name.as_deref().ok_or("there is no `eventName`")?;
        let source = self.source.as_deref().ok_or("there is no `eventSource`")?;
        let service = source.split('.').next().unwrap_or_default();
        let (resource, owner) = self.resource(service);
        let by_service = text(&self.user_identity, "/invokedBy").filter(|by| by.ends_with(".amazonaws.com"));
        let inside = by_service.is_some()
            || self.vpc_endpoint_id.is_some()
            || is_inside(self.address.as_deref(), self.user_agent.as_deref().unwrap_or_default());
        let account = owner.or_else(|| self.recipient_account_id.clone());
        let mut row = Request {
            provider: "aws".into(),
            service: service_name(service).into(),
            account,
            region: self.aws_region.clone(),
            resource,
            operation: Some(name.to_owned()),
            status: self.error_code.clone(),
            request_bytes: self.bytes("bytesTransferredIn")?,
            response_bytes: self.bytes("bytesTransferredOut")?,
            source: Some(if inside { "aws" } else { "internet" }.into()),
            request_id: self.request_id.clone(),
            ..Request::default()
        };
        match service {
            "s3" => {
                row.operation = Some(s3_operation(name));
                row.storage_class = text(&self.request_parameters, "/x-amz-storage-class").map(str::to_owned);
                row.variant = self.is_denied(row.account.as_deref()).then(|| "denied".into());
            }
            "dynamodb" => {
                row.operation = Some(dynamodb_operation(name, &self.request_parameters).to_owned());
                // Reads of a stream for a trigger are free.
                if by_service == Some("lambda.amazonaws.com") || self.address.as_deref() == Some("lambda.amazonaws.com")
                {
                    row.source = Some("lambda".into());
                }
            }
            _ => {}
        }
        defaults.complete_request(&mut row);
        let key = RecordKey::of(&[Some("aws-cloudtrail"), Some(id)]);
        Ok(Record { time: EventTime::Logged(time), key, usage: Usage::Request(Box::new(row)) })
    }

    /// A size in the additional data; some are written as `1024.0`.
    fn bytes(&self, name: &str) -> Result<Option<i64>, String> {
        let data: HashMap<&str, &RawValue> = match self.additional_event_data {
            Some(data) => serde_json::from_str(data.get()).unwrap_or_default(),
            None => return Ok(None),
        };
        match data.get(name).map(|value| value.get().trim_matches('"')) {
            None | Some("null" | "") => Ok(None),
            Some(text) => {
                decimal::exact(text, 0).map(Some).map_err(|problem| format!("`additionalEventData.{name}` {problem}"))
            }
        }
    }

    /// Bucket, table, function or the like, and the account that owns it.
    fn resource(&self, service: &str) -> (Option<String>, Option<String>) {
        let kind = match service {
            "s3" => "AWS::S3::Bucket",
            "dynamodb" => "AWS::DynamoDB::Table",
            "lambda" => "AWS::Lambda::Function",
            _ => "",
        };
        let resources = self.resources.as_array().map(Vec::as_slice).unwrap_or_default();
        let found = resources.iter().find(|resource| text(resource, "/type") == Some(kind)).or(resources.first());
        let arn = found.and_then(|resource| text(resource, "/ARN").or_else(|| text(resource, "/arn")));
        let parameter = ["/bucketName", "/tableName", "/functionName", "/streamName"]
            .iter()
            .find_map(|path| text(&self.request_parameters, path));
        let name = arn.filter(|_| service != "s3" || parameter.is_none()).or(parameter).map(name_of);
        (name.map(str::to_owned), found.and_then(|resource| text(resource, "/accountId")).map(str::to_owned))
    }

    /// Requests that S3 refuses to callers of other accounts are free since 2024-05-13.
    fn is_denied(&self, owner: Option<&str>) -> bool {
        let caller = text(&self.user_identity, "/accountId");
        self.error_code.as_deref() == Some("AccessDenied")
            && match (caller, owner) {
                (Some(caller), Some(owner)) => caller != owner,
                (None, _) => text(&self.user_identity, "/type") == Some("AWSAccount"),
                _ => false,
            }
    }
}

/// The last name in an ARN, without version or stream: `arn:aws:dynamodb:…:table/orders/stream/…` is `orders`.
fn name_of(arn: &str) -> &str {
    let Some(path) = arn.strip_prefix("arn:").and_then(|rest| rest.splitn(5, ':').nth(4)) else { return arn };
    if let Some(function) = path.strip_prefix("function:") {
        return function.split(':').next().unwrap_or(function);
    }
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or(path);
    match first {
        "table" | "stream" | "topic" | "queue" => parts.next().unwrap_or(first),
        _ => first,
    }
}

/// The service as price books name it.
fn service_name(source: &str) -> &str {
    match source {
        "states" => "step-functions",
        "events" => "eventbridge",
        "cognito-idp" | "cognito-identity" => "cognito",
        "apigateway" | "execute-api" => "api-gateway",
        "iot" | "iotdata" => "iot-core",
        other => other,
    }
}

/// What an S3 API call is billed as, by the operation that an access log has for it.
fn s3_operation(name: &str) -> String {
    let (verb, what) = match name {
        "ListParts" => ("GET", "UPLOAD"),
        "DeleteObjects" => ("POST", "MULTI_OBJECT_DELETE"),
        "CreateMultipartUpload"
        | "CompleteMultipartUpload"
        | "RestoreObject"
        | "PostObject"
        | "SelectObjectContent" => ("POST", "OBJECT"),
        "AbortMultipartUpload" => ("DELETE", "UPLOAD"),
        "UploadPart" => ("PUT", "PART"),
        "CopyObject" | "UploadPartCopy" => ("COPY", "OBJECT"),
        _ => ["Get", "Put", "Head", "Delete", "List"].into_iter().find(|verb| name.starts_with(verb)).map_or(
            (name, ""),
            |verb| match verb {
                "List" => ("GET", "BUCKET"),
                "Get" => ("GET", "OBJECT"),
                "Put" => ("PUT", "OBJECT"),
                "Head" => ("HEAD", "OBJECT"),
                _ => ("DELETE", "OBJECT"),
            },
        ),
    };
    if what.is_empty() {
        return name.to_owned();
    }
    billed_as(&format!("REST.{verb}.{what}")).0.to_owned()
}

/// Reads and writes of items in the words of the price book; sizes of items are in no event.
fn dynamodb_operation<'n>(name: &'n str, parameters: &Value) -> &'n str {
    match name {
        "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" => "write",
        "TransactWriteItems" => "transact-write",
        "TransactGetItems" => "transact-read",
        "GetItem" | "Query" | "Scan" | "BatchGetItem" => {
            if parameters.pointer("/consistentRead").and_then(Value::as_bool) == Some(true) {
                "read"
            } else {
                "read-eventual"
            }
        }
        _ => name,
    }
}
