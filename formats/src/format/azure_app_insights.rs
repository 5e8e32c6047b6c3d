//! Executions of Azure Functions as Application Insights records them: its requests of the category `Host.Results`.
//!
//! A sampled row stands for `ItemCount` executions. The lake has a row for each execution, so such a row lands that many
//! times, counted in its key: the number of executions and the sum of their times are then the estimates that Azure's own
//! queries give (`sum(itemCount)`). A warning says so, and a weight that no sampling gives is rejected.

use std::collections::BTreeSet;
use std::io::BufRead;

use chrono::NaiveDateTime;
use serde_json::value::RawValue;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::csv_table::{self, CsvRow, TableReader};
use crate::format::json_elements::{Element, each, is_json, json_in};
use crate::format::json_fields::{Object, plain_name};
use crate::format::json_stream::Fields;
use crate::format::{Format, Origin, Recognition, Sink, measured, timestamp};
use crate::record::{EventTime, Invocation, Record, RecordKey, Usage};

/// Executions that one row may stand for. Sampling under heavy load reaches some hundreds.
const ITEM_COUNT_MAX: u32 = 10_000;
/// Executions that all samples of a file may stand for: each is a record.
const SAMPLED_MAX: u64 = 20_000_000;
/// Apps named in a warning.
const NAMES_MAX: usize = 5;
/// Microseconds are kept of milliseconds in units of 10⁻¹⁸.
const MICRO: i128 = 10_i128.pow(15);

const TIME: &[&str] = &["timegenerated", "time", "timestamp"];
const KIND: &[&str] = &["type", "category", "itemtype"];
const PROPERTIES: &[&str] = &["properties", "customdimensions"];
const DURATION: &[&str] = &["durationms", "duration"];

/// `azure-app-insights`.
pub struct AzureAppInsights;

impl Format for AzureAppInsights {
    fn name(&self) -> &'static str {
        "azure-app-insights"
    }

    fn description(&self) -> &'static str {
        "Azure Functions executions in Application Insights (AppRequests, requests): Event Hub and storage records, \
         Log Analytics query results, the portal's CSV, a JSON object a line"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let what = match json_in(head) {
            Some(json) => recognise_json(json)?,
            None => {
                let names: Vec<String> = csv_table::header_of(head)?.iter().map(|name| plain_name(name)).collect();
                let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
                (has(TIME) && has(PROPERTIES) && has(DURATION) && has(&["itemcount"]))
                    .then_some("the columns of requests in Application Insights (itemCount, customDimensions)")?
            }
        };
        Some(Recognition { because: format!("it has {what}") })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut requests = Requests::new(origin.defaults);
        let (json, mut input) = is_json(input)?;
        if json {
            read_json(&mut input, &mut requests, sink)?;
        } else {
            let mut rows = Rows { names: Vec::new(), requests: &mut requests };
            csv_table::read(&mut input, None, &mut rows, sink)?;
        }
        requests.finish(sink);
        Ok(())
    }
}

/// What in the head of a JSON file makes it one of requests.
fn recognise_json(head: &[u8]) -> Option<&'static str> {
    let has = |name: &str| memchr::memmem::find(head, format!("\"{name}\"").as_bytes()).is_some();
    let is_query = has("tables") && has("columns") && (has("itemCount") || has("ItemCount"));
    if is_query && (has("customDimensions") || has("Properties")) && (has("duration") || has("DurationMs")) {
        return Some("a Log Analytics result with the columns of requests (itemCount, customDimensions)");
    }
    let mut found = None;
    let mut input = head;
    each(&mut input, &["records"], &mut |_, element, _| {
        let row = match element {
            Element::Object(fields) => Object::parse(&fields.object()),
            Element::Inner(_, json) => Object::parse(json),
            Element::Broken(..) => return Ok(true),
        };
        if let Ok(row) = row
            && let row = row.with_plain_names()
            && row.has("itemcount")
            && is_request(&row) == Some(true)
        {
            found = Some("requests of Application Insights (ItemCount, Properties)");
        }
        Ok(true)
    })
    .ok()?;
    found
}

/// Whether a row is a request, or else another kind of telemetry; `None` for what is neither.
fn is_request(row: &Object) -> Option<bool> {
    let has = |wanted: &[&str]| wanted.iter().any(|name| row.has(name));
    if row.has("metricname") {
        return Some(false);
    }
    match row.first(KIND) {
        Some(kind) if ["AppRequests", "request", "requests"].contains(&kind.as_str()) => Some(true),
        Some(_) => Some(false),
        None => (has(PROPERTIES) && has(DURATION)).then_some(true),
    }
}

fn read_json(input: &mut dyn BufRead, requests: &mut Requests<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
    each(input, &["records", "tables", "rows"], &mut |place, element, after_broken| {
        let (row, json) = match element {
            Element::Broken(problem, beginning) => (Err(problem), beginning.to_vec()),
            Element::Object(fields) => (Object::parse(&fields.object()), fields.object()),
            Element::Inner(around, json) => (inner_row(around, json), json.to_vec()),
        };
        let outcome = row.and_then(|row| requests.row(&row.with_plain_names()));
        match outcome {
            Ok(Some(executions)) => {
                executions.each(&mut |record| sink.record(record))?;
                Ok(true)
            }
            Ok(None) => Ok(true),
            Err(_) if after_broken => Ok(false),
            Err(problem) => {
                sink.reject(place.rejected(problem, &json))?;
                Ok(true)
            }
        }
    })
}

/// The row in an element: an object, or the values of a table whose columns are described in front of them.
fn inner_row(around: &Fields, json: &[u8]) -> Result<Object, String> {
    if json.first() != Some(&b'[') {
        return Object::parse(json);
    }
    let names: Vec<String> = Object::parse(&around.object())?
        .objects("columns")?
        .iter()
        .map(|column| column.first(&["name", "ColumnName"]).unwrap_or_default())
        .collect();
    let values: Vec<Box<RawValue>> =
        serde_json::from_slice(json).map_err(|error| format!("not valid JSON: {error}"))?;
    if names.len() != values.len() {
        return Err(format!("the row has {} values, `columns` in front of it has {}", values.len(), names.len()));
    }
    Ok(Object::zip(&names, values))
}

/// The portal's CSV.
struct Rows<'r, 'd> {
    names: Vec<String>,
    requests: &'r mut Requests<'d>,
}

impl TableReader for Rows<'_, '_> {
    fn header(&mut self, names: &[String], _: &mut dyn Sink) -> Result<(), IngestError> {
        let plain: Vec<String> = names.iter().map(|name| plain_name(name)).collect();
        if !plain.iter().any(|name| TIME.contains(&name.as_str())) {
            let problem = "there is no column `timestamp [UTC]` or `TimeGenerated [UTC]`: set the portal to UTC".into();
            return Err(IngestError::WrongColumns { problem });
        }
        self.names = plain;
        Ok(())
    }

    fn row(&mut self, row: &CsvRow<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let value = |place| serde_json::value::to_raw_value(row.text(place).unwrap_or_default()).ok();
        let values = (0..self.names.len()).filter_map(value).collect();
        match self.requests.row(&Object::zip(&self.names, values)) {
            Ok(Some(executions)) => executions.each(&mut |record| sink.record(record)),
            Ok(None) => Ok(()),
            Err(problem) => sink.reject(row.rejected(problem)),
        }
    }
}

/// The executions that one row stands for.
struct Executions {
    time: EventTime,
    id: [Option<String>; 3],
    row: Invocation,
    count: u32,
}

impl Executions {
    fn each(self, on_record: &mut dyn FnMut(Record) -> Result<(), IngestError>) -> Result<(), IngestError> {
        let usage = Usage::Invocation(Box::new(self.row));
        for number in 1..=self.count {
            let number = number.to_string();
            let [kind, first, second] = &self.id;
            let key = RecordKey::of(&[kind.as_deref(), first.as_deref(), second.as_deref(), Some(&number)]);
            on_record(Record { time: self.time, key, usage: usage.clone() })?;
        }
        Ok(())
    }
}

/// Reads rows and remembers what to warn of.
struct Requests<'a> {
    defaults: &'a Defaults,
    sampled_rows: u64,
    sampled_executions: u64,
    others: u64,
    without_memory: BTreeSet<String>,
}

impl<'a> Requests<'a> {
    fn new(defaults: &'a Defaults) -> Self {
        Requests { defaults, sampled_rows: 0, sampled_executions: 0, others: 0, without_memory: BTreeSet::new() }
    }

    /// The executions of a row with plain names; `None` for a request that is none, and for other telemetry.
    fn row(&mut self, row: &Object) -> Result<Option<Executions>, String> {
        match is_request(row) {
            None => return Err("not a request: expected `Properties` or `customDimensions`, and a duration".into()),
            Some(false) => return Ok(None),
            Some(true) => {}
        }
        let properties = match PROPERTIES.iter().find(|name| row.text(name).is_some() || row.object(name).is_some()) {
            None => Object::default(),
            Some(name) => row.object(name).ok_or_else(|| format!("`{name}` is no JSON object"))?,
        };
        if properties.text("Category").as_deref() != Some("Host.Results") {
            self.others += 1;
            return Ok(None);
        }
        let time = row.first(TIME).ok_or("there is no `timestamp` or `TimeGenerated`")?;
        let time_us = time_us(&time).ok_or_else(|| {
            format!("the time is `{time}`, expected such as `2026-10-05T17:00:01.234Z` or `10/5/2026, 5:00:01.234 PM`")
        })?;
        let count = row.text("itemcount").map_or(Ok(1), |text| item_count(&text))?;
        let invocation_id = properties.text("InvocationId");
        let (id, operation_id) = (row.text("id"), row.first(&["operationid", "operation_id"]));
        let key = match (&invocation_id, id) {
            (Some(invocation_id), _) => [Some("azure-function".into()), Some(invocation_id.clone()), None],
            (None, Some(id)) => [Some("azure-request".into()), operation_id, Some(id)],
            (None, None) => return Err("there is no `InvocationId` in its properties, and no `id`".into()),
        };
        let mut invocation = execution(row, &properties)?;
        invocation.request_id = invocation_id;
        self.defaults.complete_invocation(&mut invocation);
        if count > 1 && self.sampled_executions + u64::from(count) > SAMPLED_MAX {
            return Err(format!(
                "the samples of this file stand for more than {SAMPLED_MAX} executions: split it, or ingest the metrics FunctionExecutionCount and FunctionExecutionUnits instead"
            ));
        }
        self.remember(&invocation, count);
        Ok(Some(Executions { time: EventTime::Logged(time_us), id: key, row: invocation, count }))
    }

    fn remember(&mut self, row: &Invocation, count: u32) {
        if count > 1 {
            self.sampled_rows += 1;
            self.sampled_executions += u64::from(count);
        }
        if row.memory_mb.is_none() {
            self.without_memory.insert(row.resource.clone().unwrap_or_else(|| "(no name)".into()));
            if self.without_memory.len() > NAMES_MAX {
                self.without_memory.pop_last();
            }
        }
    }

    fn finish(&self, sink: &mut dyn Sink) {
        if self.sampled_rows > 0 {
            sink.warn(format!(
                "{} rows are samples that stand for {} executions by their item count: number and time of executions are estimates; the metrics FunctionExecutionCount and FunctionExecutionUnits are exact",
                self.sampled_rows, self.sampled_executions
            ));
        }
        if self.others > 0 {
            sink.warn(format!(
                "{} requests are no function executions (category Host.Results) and were passed over",
                self.others
            ));
        }
        if !self.without_memory.is_empty() {
            sink.warn(format!(
                "the log does not say how much memory an execution used: declare `memory_mb` for {} with `--defaults FILE`, or its time has no amount",
                self.without_memory.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            ));
        }
    }
}

/// What a row says of its execution.
fn execution(row: &Object, properties: &Object) -> Result<Invocation, String> {
    // Billed is the execution; the request around it is longer.
    let of_execution = properties.text("FunctionExecutionTimeMs").map(|text| ("FunctionExecutionTimeMs", text));
    let duration = of_execution.or_else(|| DURATION.iter().find_map(|name| Some((*name, row.text(name)?))));
    let success = row.text("success").map(|text| text.eq_ignore_ascii_case("true"));
    let failed = success == Some(false);
    let app = row.first(&["approlename", "cloud_rolename"]);
    let function = row.first(&["name", "operationname", "operation_name"]);
    let is_http = properties.has("HttpMethod") || row.text("url").is_some();
    Ok(Invocation {
        provider: "azure".into(),
        service: "functions".into(),
        account: row.text("_subscriptionid").or_else(|| subscription(&row.first(&["resourceid", "_resourceid"])?)),
        resource: match (app, function) {
            (Some(app), Some(function)) => Some(format!("{app}/{function}")),
            (app, function) => app.or(function),
        },
        duration_us: duration.map(|(name, text)| duration_us(name, &text)).transpose()?,
        trigger: is_http.then(|| "http".into()),
        status: success.map(|success| if success { "success" } else { "error" }.into()),
        error_type: row.text("resultcode").filter(|code| failed && code != "0"),
        instance: properties.text("HostInstanceId"),
        ..Invocation::default()
    })
}

/// The subscription in a resource id, whose case differs by where it comes from.
pub(super) fn subscription(resource_id: &str) -> Option<String> {
    let lower = resource_id.to_lowercase();
    let (_, rest) = lower.split_once("/subscriptions/")?;
    rest.split('/').next().filter(|id| !id.is_empty()).map(str::to_owned)
}

/// Milliseconds in microseconds, rounded up: rounding up again to any step of billing then gives the same.
fn duration_us(name: &str, text: &str) -> Result<i64, String> {
    let (value, _) = measured::quantity(text).map_err(|problem| format!("`{name}` {problem}"))?;
    let micros = value / MICRO + i128::from(value % MICRO > 0);
    i64::try_from(micros).map_err(|_| format!("`{name}` is `{text}`, which is too large"))
}

fn item_count(text: &str) -> Result<u32, String> {
    let whole = text.strip_suffix(".0").unwrap_or(text);
    whole.parse().ok().filter(|count| (1..=ITEM_COUNT_MAX).contains(count)).ok_or_else(|| {
        format!("`itemCount` is `{text}`, expected the executions a sample stands for, 1 to {ITEM_COUNT_MAX}")
    })
}

/// The time of a request, to the millisecond: the portal's CSV has no more, and it is the same request everywhere.
fn time_us(text: &str) -> Option<i64> {
    const PORTAL: &str = "%m/%d/%Y, %I:%M:%S%.f %p";
    let micros = timestamp::iso(text)
        .or_else(|| Some(NaiveDateTime::parse_from_str(text, PORTAL).ok()?.and_utc().timestamp_micros()))?;
    Some(micros - micros.rem_euclid(1_000))
}

#[cfg(test)]
mod tests {
    use super::{Object, Requests, SAMPLED_MAX};
    use crate::defaults::Defaults;

    #[test]
    fn samples_of_one_file_have_a_limit() {
        let row = |count: u32| {
            let json = format!(
                r#"{{"type":"AppRequests","time":"2026-10-05T17:00:00Z","itemcount":{count},"properties":{{"Category":"Host.Results","InvocationId":"i"}}}}"#
            );
            Object::parse(json.as_bytes()).unwrap_or_default()
        };
        let defaults = Defaults::default();
        let mut requests = Requests::new(&defaults);
        requests.sampled_executions = SAMPLED_MAX - 5;
        assert!(requests.row(&row(6)).is_err());
        assert!(requests.row(&row(1)).is_ok_and(|executions| executions.is_some()));
        assert!(requests.row(&row(5)).is_ok_and(|executions| executions.is_some()));
        assert!(requests.row(&row(2)).is_err());
    }
}
