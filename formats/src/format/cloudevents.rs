//! CloudEvents 1.0: usage as events, from any source: one event, a batch (a JSON array) or an event a line.
//!
//! An event becomes usage by a [mapping](crate::mapping) where one is declared, otherwise by its `type`: events of the
//! four types [`TYPES`] carry a row of a usage table in the words of its columns, and every other event with a number
//! in `data.value` (or `data.quantity`) is a metered quantity, as OpenMeter writes them.
//!
//! Source and id name an event, whatever its time says: a producer that sends it again, late or restamped, sends the
//! same one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::BufRead;

use base64::Engine;
use serde_json::value::RawValue;

use crate::defaults::Defaults;
use crate::error::{IngestError, excerpt};
use crate::format::gcp_log_entry::is_json;
use crate::format::json_objects::{Found, each};
use crate::format::line::Place;
use crate::format::mapped::fields::{self, Fields};
use crate::format::mapped::{EventMapping, json_rows};
use crate::format::{Format, Origin, Recognition, Sink, timestamp};
use crate::mapping::Mapping;
use crate::record::{
    EventTime, Invocation, MeteredQuantity, Record, RecordKey, RejectedRow, Request, StoredBytes, Usage, UsageTable,
};

/// Types of events whose `data` is a row of a usage table.
pub const TYPES: [(&str, UsageTable); 4] = [
    ("dev.paygrain.invocation.v1", UsageTable::Invocations),
    ("dev.paygrain.request.v1", UsageTable::Requests),
    ("dev.paygrain.stored.v1", UsageTable::Storage),
    ("dev.paygrain.metered.v1", UsageTable::Metered),
];

/// Provider and service of a metered quantity whose event names none.
const PROVIDER: &str = "custom";
const SERVICE: &str = "events";

/// Members of `data` that say where a metered quantity of any type belongs; whatever else is there is passed over.
const PLACES: [&str; 6] = ["provider", "service", "account", "region", "variant", "unit"];

/// `cloudevents`: events of the specification's JSON format.
pub struct CloudEvents;

impl Format for CloudEvents {
    fn name(&self) -> &'static str {
        "cloudevents"
    }

    fn description(&self) -> &'static str {
        "CloudEvents 1.0 as JSON: one event, a batch, or an event a line; metered quantities and usage rows"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii();
        if !is_json(text) {
            return None;
        }
        // A batch may be empty.
        if text
            .strip_prefix(b"[")
            .and_then(|rest| rest.strip_suffix(b"]"))
            .is_some_and(|rest| rest.trim_ascii().is_empty())
        {
            return Some(Recognition { because: "it is an empty batch of events".into() });
        }
        let mut first = None;
        let mut input = text;
        each(&mut input, &mut |_, found, _| {
            if let Found::Object(object) = found
                && first.is_none()
            {
                let has = |name: &str| object.string(name).is_some_and(|text| !text.is_empty());
                let is_event = object.string("specversion").is_some_and(|version| version.starts_with("1."));
                first = Some(is_event && ["type", "source", "id"].into_iter().all(has));
            }
            Ok(true)
        })
        .ok()?;
        first?.then(|| Recognition { because: "it has events with `specversion`, `source` and `id`".into() })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        parse(input, origin.defaults, None, sink)
    }
}

/// Reads events to the end, by a mapping where one is given.
pub(super) fn parse(
    input: &mut dyn BufRead,
    defaults: &Defaults,
    mapping: Option<&Mapping>,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    let mut untimed = 0_u64;
    read(input, defaults, mapping, &mut |_, outcome| match outcome {
        Ok(record) => {
            untimed += u64::from(record.time == EventTime::Assumed);
            sink.record(record)
        }
        Err(row) => sink.reject(row),
    })?;
    if untimed > 0 {
        sink.warn(format!("{untimed} events have no `time`: that of `--at`, or of the arrival, stands in"));
    }
    Ok(())
}

/// The text of an event and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// From 1.
    pub line: Option<u64>,
    /// In bytes.
    pub byte_offset: u64,
    /// The event, or the beginning of something that is none.
    pub json: &'a [u8],
}

impl Text<'_> {
    /// The event as a rejected row.
    pub fn rejected(&self, reason: impl Into<String>) -> RejectedRow {
        Place { line: self.line, offset: self.byte_offset }.rejected(reason, self.json)
    }
}

/// Takes an event and what became of it.
pub type OnEvent<'a> = dyn FnMut(Text<'_>, Result<Record, RejectedRow>) -> Result<(), IngestError> + 'a;

/// Reads events to the end and hands over each with its text, as a record or as a rejected row.
///
/// # Errors
/// When the input cannot be read, or `on_event` refuses.
pub fn read(
    input: &mut dyn BufRead,
    defaults: &Defaults,
    mapping: Option<&Mapping>,
    on_event: &mut OnEvent<'_>,
) -> Result<(), IngestError> {
    each(input, &mut |place: Place, found, after_broken| {
        let text = |json| Text { line: place.line, byte_offset: place.offset, json };
        match found {
            Found::Object(object) => {
                // The rest of a broken object is no event.
                if after_broken && object.raw("specversion").is_none() {
                    return Ok(false);
                }
                let json = object.object();
                let outcome = record(&json, defaults, mapping).map_err(|reason| text(&json).rejected(reason));
                on_event(text(&json), outcome)?;
            }
            Found::Broken(problem, beginning) if !after_broken => {
                on_event(text(beginning), Err(text(beginning).rejected(problem)))?;
            }
            Found::Broken(..) => {}
        }
        Ok(true)
    })
}

/// The record of one event.
///
/// # Errors
/// Says what is wrong with the event and what was expected.
pub fn record(json: &[u8], defaults: &Defaults, mapping: Option<&Mapping>) -> Result<Record, String> {
    let text = std::str::from_utf8(json).map_err(|_| "the event is not valid UTF-8".to_owned())?;
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| format!("not a valid event: {error}"))?;
    let decoded = decoded_data(&members)?;
    let mut event = Event { members };
    if let Some(decoded) = &decoded {
        let data = serde_json::from_str(decoded).map_err(|_| "`data_base64` is no JSON, expected usage".to_owned())?;
        event.members.insert("data".into(), data);
    }
    let version = event.required("specversion")?;
    if !version.starts_with("1.") {
        return Err(format!("`specversion` is `{}`, expected 1.0", excerpt(version.as_bytes())));
    }
    let (source, id, kind) = (event.required("source")?, event.required("id")?, event.required("type")?);
    let time = match event.attribute("time")? {
        None => EventTime::Assumed,
        Some(text) => EventTime::Logged(timestamp::iso(&text).ok_or_else(|| {
            format!("`time` is `{}`, expected a time like 2026-10-31T09:30:00Z", excerpt(text.as_bytes()))
        })?),
    };
    let key = RecordKey::alone(&[Some("cloudevent"), Some(&source), Some(&id)]);
    let (time, usage) = match mapping {
        Some(mapping) => {
            let (from_us, usage) = EventMapping { mapping, defaults }.usage(&|path| event.value(path))?;
            (from_us.map_or(time, EventTime::Logged), usage)
        }
        None => (time, event.usage(&kind, defaults)?),
    };
    check(&usage, &kind, mapping)?;
    Ok(Record { time, key, usage })
}

/// Whether there is usage in it: an amount, where the table is of amounts.
fn check(usage: &Usage, kind: &str, mapping: Option<&Mapping>) -> Result<(), String> {
    match usage {
        Usage::MeteredQuantity(row) if row.quantity.is_none() => {
            let from = mapping.map(|mapping| mapping.columns.get("quantity").and_then(|source| source.column()));
            Err(match from {
                Some(Some(column)) => format!("`{column}` is empty, expected a number"),
                _ => format!("`data` of `{}` has no `quantity`", excerpt(kind.as_bytes())),
            })
        }
        Usage::StoredBytes(row) if row.bytes.is_none() && row.objects.is_none() => {
            Err("neither `bytes` nor `objects` is given".to_owned())
        }
        _ => Ok(()),
    }
}

/// The data of an event that carries it as base64, where it is JSON.
fn decoded_data(members: &BTreeMap<String, &RawValue>) -> Result<Option<String>, String> {
    let given = |name: &str| members.get(name).filter(|raw| raw.get() != "null");
    let Some(raw) = given("data_base64") else { return Ok(None) };
    if given("data").is_some() {
        return Err("there are both `data` and `data_base64`, expected one".to_owned());
    }
    let wrong = || format!("`data_base64` is `{}`, expected base64", excerpt(raw.get().as_bytes()));
    let text: String = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| wrong())?;
    String::from_utf8(bytes).map(Some).map_err(|_| "`data_base64` is no JSON, expected usage".to_owned())
}

/// An event, member by member.
struct Event<'a> {
    members: BTreeMap<String, &'a RawValue>,
}

impl Event<'_> {
    /// The value at a path such as `data.value`: a text, or a number as it is written.
    fn value(&self, path: &str) -> Result<Option<String>, String> {
        json_rows::value(&self.members, path)
    }

    /// A context attribute that is text.
    fn attribute(&self, name: &str) -> Result<Option<String>, String> {
        let Some(raw) = self.members.get(name).filter(|raw| raw.get() != "null") else { return Ok(None) };
        serde_json::from_str(raw.get())
            .map(Some)
            .map_err(|_| format!("`{name}` is `{}`, expected a text", excerpt(raw.get().as_bytes())))
    }

    fn required(&self, name: &str) -> Result<String, String> {
        self.attribute(name)?.filter(|text| !text.is_empty()).ok_or_else(|| format!("there is no `{name}`"))
    }

    /// The usage that an event of this type carries.
    fn usage(&self, kind: &str, defaults: &Defaults) -> Result<Usage, String> {
        let table = TYPES.iter().find(|(name, _)| *name == kind).map(|(_, table)| *table);
        Ok(match table {
            Some(UsageTable::Invocations) => {
                let mut row: Invocation = self.row(kind, UsageTable::Invocations)?;
                row.resource = row.resource.or(self.attribute("subject")?);
                defaults.complete_invocation(&mut row);
                Usage::Invocation(Box::new(row))
            }
            Some(UsageTable::Requests) => {
                let mut row: Request = self.row(kind, UsageTable::Requests)?;
                row.resource = row.resource.or(self.attribute("subject")?);
                defaults.complete_request(&mut row);
                Usage::Request(Box::new(row))
            }
            Some(UsageTable::Storage) => {
                let mut row: StoredBytes = self.row(kind, UsageTable::Storage)?;
                row.resource = row.resource.or(self.attribute("subject")?);
                defaults.complete_stored_bytes(&mut row);
                Usage::StoredBytes(Box::new(row))
            }
            Some(UsageTable::Metered) | None => {
                let mut row = if table.is_some() { self.row(kind, UsageTable::Metered)? } else { self.metered(kind)? };
                row.resource = row.resource.or(self.attribute("subject")?);
                defaults.complete_metered_quantity(&mut row);
                Usage::MeteredQuantity(Box::new(row))
            }
        })
    }

    /// The members of `data`.
    fn data(&self) -> Result<BTreeMap<String, &RawValue>, String> {
        let expected = "expected an object with `value`, a number";
        let Some(raw) = self.members.get("data").filter(|raw| raw.get() != "null") else {
            return Err(format!("the event carries no usage: there is no `data`, {expected}"));
        };
        serde_json::from_str(raw.get()).map_err(|_| {
            format!("the event carries no usage: `data` is `{}`, {expected}", excerpt(raw.get().as_bytes()))
        })
    }

    /// A row whose columns are the members of `data`.
    fn row<R: Fields>(&self, kind: &str, table: UsageTable) -> Result<R, String> {
        let mut row = R::default();
        let known = fields::names(table);
        let data = self.data()?;
        for (name, raw) in &data {
            if !known.contains(&name.as_str()) {
                let name = excerpt(name.as_bytes());
                return Err(format!("`data.{name}` is no column of {}: {}", table.name(), known.join(", ")));
            }
            if let Some(text) = json_rows::text(raw, &format!("data.{name}"))? {
                row.set(name, &text, None).map_err(|problem| format!("`data.{name}` {problem}"))?;
            }
        }
        for name in ["provider", "service"] {
            let given = data.get(name).map(|raw| json_rows::text(raw, name)).transpose()?.flatten();
            if given.is_none() {
                return Err(format!("there is no `data.{name}`, which `{kind}` requires"));
            }
        }
        Ok(row)
    }

    /// The metered quantity of an event of any type: `type` is the meter, `subject` the resource.
    fn metered(&self, kind: &str) -> Result<MeteredQuantity, String> {
        let data = self.data()?;
        let number = |name: &'static str| {
            let text = data.get(name).map(|raw| json_rows::text(raw, &format!("data.{name}"))).transpose()?.flatten();
            Ok::<_, String>(text.map(|text| (name, text)))
        };
        let (name, text) = match (number("value")?, number("quantity")?) {
            (Some(_), Some(_)) => {
                return Err("there are both `data.value` and `data.quantity`, expected one".to_owned());
            }
            (Some(found), None) | (None, Some(found)) => found,
            (None, None) => {
                let types = TYPES.map(|(name, _)| name).join(", ");
                return Err(format!(
                    "the event carries no usage: expected a number in `data.value`, or one of the types {types}"
                ));
            }
        };
        let mut row =
            MeteredQuantity { provider: PROVIDER.into(), service: SERVICE.into(), ..MeteredQuantity::default() };
        row.set("quantity", &text, None).map_err(|problem| format!("`data.{name}` {problem}"))?;
        for name in PLACES {
            let text = data.get(name).map(|raw| json_rows::text(raw, &format!("data.{name}"))).transpose()?.flatten();
            if let Some(text) = text {
                row.set(name, &text, None).map_err(|problem| format!("`data.{name}` {problem}"))?;
            }
        }
        row.meter = Some(kind.to_owned());
        Ok(row)
    }
}

/// A structured event from the parts of one in binary mode: attributes as they stand in the headers, and the body.
///
/// # Errors
/// Says what is wrong with the body.
pub fn structured(
    attributes: &BTreeMap<String, String>,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Vec<u8>, String> {
    let mut event: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    let quoted = |text: &str| Cow::Owned(serde_json::Value::from(text).to_string());
    for (name, value) in attributes {
        event.insert(name, quoted(value));
    }
    if let Some(content_type) = content_type {
        event.insert("datacontenttype", quoted(content_type));
    }
    if !body.is_empty() {
        let media = content_type.unwrap_or("application/json").split(';').next().unwrap_or_default().trim();
        if media.ends_with("/json") || media.ends_with("+json") {
            let text = std::str::from_utf8(body).map_err(|_| "the body is not valid UTF-8".to_owned())?;
            let data: &RawValue =
                serde_json::from_str(text).map_err(|error| format!("the body is no JSON: {error}"))?;
            event.insert("data", Cow::Owned(data.get().to_owned()));
        } else {
            event.insert("data_base64", quoted(&base64::engine::general_purpose::STANDARD.encode(body)));
        }
    }
    let members: Vec<String> = event.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    Ok(format!("{{{}}}", members.join(",")).into_bytes())
}
