//! Resource logs of Azure Monitor as JSON: an entry a line in a storage account, `records` from an event hub.

use std::io::BufRead;

use serde_json::Value;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::json_objects::{Found, each};
use crate::format::{Recognition, Sink};
use crate::record::Record;

use super::{Entry, Seen};

const CATEGORIES: [&str; 3] = ["StorageRead", "StorageWrite", "StorageDelete"];

/// What an object is.
enum Kind<'a> {
    /// One entry.
    Entry(&'a Value),
    /// Several.
    Records(&'a [Value]),
    /// Something else.
    Other,
}

impl<'a> Kind<'a> {
    fn of(object: &'a Value) -> Self {
        if let Some(records) = object.get("records").and_then(Value::as_array) {
            return Kind::Records(records);
        }
        if is_entry(object) { Kind::Entry(object) } else { Kind::Other }
    }
}

fn is_entry(object: &Value) -> bool {
    object.get("category").and_then(Value::as_str).is_some_and(|category| CATEGORIES.contains(&category))
        && object.get("operationName").is_some()
}

/// By the first object that is an entry.
pub(super) fn recognise(head: &[u8]) -> Option<Recognition> {
    let mut found = false;
    let mut input = head;
    each(&mut input, &mut |_, what, _| {
        if let Found::Object(fields) = what
            && !found
            && let Ok(object) = serde_json::from_slice::<Value>(&fields.object())
        {
            found = match Kind::of(&object) {
                Kind::Entry(_) => true,
                Kind::Records(records) => records.iter().any(is_entry),
                Kind::Other => false,
            };
        }
        Ok(true)
    })
    .ok()?;
    found.then(|| Recognition { because: "it has resource logs of Azure Storage".into() })
}

/// Reads a JSON file to its end. An entry of another category is no request to storage and is passed over.
pub(super) fn parse(
    input: &mut dyn BufRead,
    defaults: &Defaults,
    seen: &mut Seen,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    each(input, &mut |place, found, after_broken| {
        let (problem, beginning) = match found {
            Found::Broken(problem, beginning) => (problem, beginning.to_vec()),
            Found::Object(fields) => {
                let json = fields.object();
                let object = match serde_json::from_slice::<Value>(&json) {
                    Ok(object) => object,
                    Err(error) => {
                        sink.reject(place.rejected(format!("not valid JSON: {error}"), &json))?;
                        return Ok(true);
                    }
                };
                let entries = match Kind::of(&object) {
                    Kind::Entry(entry) => std::slice::from_ref(entry),
                    Kind::Records(records) => records,
                    Kind::Other if after_broken => return Ok(false),
                    Kind::Other if object.get("category").is_some() => return Ok(true),
                    Kind::Other => {
                        let problem = "not a resource log: expected `category` and `operationName`, or `records`";
                        sink.reject(place.rejected(problem, &json))?;
                        return Ok(true);
                    }
                };
                for entry in entries.iter().filter(|entry| is_entry(entry)) {
                    match record(entry, defaults) {
                        Ok(record) => {
                            seen.look_at(&record);
                            sink.record(record)?;
                        }
                        Err(reason) => sink.reject(place.rejected(reason, entry.to_string().as_bytes()))?,
                    }
                }
                return Ok(true);
            }
        };
        if !after_broken || memchr::memmem::find(&beginning, b"\"category\"").is_some() {
            sink.reject(place.rejected(problem, &beginning))?;
        }
        Ok(true)
    })
}

fn record(object: &Value, defaults: &Defaults) -> Result<Record, String> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let property = |name: &str| object.get("properties").and_then(|properties| properties.get(name));
    // Numbers are written as numbers or as text.
    let scalar = |value: Option<&Value>| match value {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    // /subscriptions/ID/resourceGroups/NAME/providers/Microsoft.Storage/storageAccounts/NAME/blobServices/default
    let path: Vec<&str> = text("resourceId").unwrap_or_default().split('/').collect();
    let after = |name: &str| {
        let place = path.iter().position(|part| part.eq_ignore_ascii_case(name))?;
        path.get(place + 1).copied()
    };
    let of_path = |service: &&str| path.iter().any(|part| part.eq_ignore_ascii_case(&format!("{service}Services")));
    let service = ["blob", "queue", "table", "file"].into_iter().find(of_path);
    let service = service.or_else(|| property("serviceType").and_then(Value::as_str));
    let (status, duration) = (scalar(object.get("statusCode")), scalar(object.get("durationMs")));
    let operation_count = scalar(property("operationCount")).unwrap_or_else(|| "0".into());
    let (request_bytes, response_bytes) = (scalar(property("requestBodySize")), scalar(property("responseBodySize")));
    Entry {
        time: text("time").ok_or("there is no `time`")?,
        service: service.ok_or("`resourceId` names no service such as `blobServices`")?,
        resource: property("accountName").and_then(Value::as_str).or_else(|| after("storageAccounts")),
        account: after("subscriptions"),
        region: text("location"),
        operation: text("operationName").ok_or("there is no `operationName`")?,
        status_text: text("statusText").unwrap_or_default(),
        status: status.as_deref(),
        duration_ms: duration.as_deref(),
        client: text("callerIpAddress"),
        request_id: text("correlationId").ok_or("there is no `correlationId`")?,
        operation_count: &operation_count,
        request_bytes: request_bytes.as_deref(),
        response_bytes: response_bytes.as_deref(),
        tier: property("accessTier").and_then(Value::as_str).map(str::to_lowercase),
    }
    .record(defaults)
}
