//! Trace events of Cloudflare Workers as Logpush delivers them: JSON, an event a line.
//!
//! An event is an execution. Older jobs carry no CPU time, which is what Workers are billed by beside requests; a warning
//! says so. Events that only Durable Objects have are requests of those.

use std::collections::HashSet;
use std::io::BufRead;

use serde_json::Value;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::gcp_log_entry::is_json;
use crate::format::json_objects::{Found, each};
use crate::format::{Format, Origin, Recognition, Sink, decimal, timestamp};
use crate::record::{EventTime, Invocation, Record, RecordKey, Request, Usage};

/// Requests of which the scripts are compared.
const RAYS_MAX: usize = 100_000;

/// `cloudflare-workers-trace`.
pub struct CloudflareWorkersTrace;

impl Format for CloudflareWorkersTrace {
    fn name(&self) -> &'static str {
        "cloudflare-workers-trace"
    }

    fn description(&self) -> &'static str {
        "Cloudflare Workers trace events, as Logpush delivers them (NDJSON)"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if !is_json(head) {
            return None;
        }
        let mut found = false;
        let mut input = head;
        each(&mut input, &mut |_, what, _| {
            if let Found::Object(fields) = what {
                found |= NAMES.iter().all(|name| fields.raw(name).is_some());
            }
            Ok(true)
        })
        .ok()?;
        found.then(|| Recognition { because: "it has trace events of Cloudflare Workers".into() })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut seen = Seen::default();
        each(input, &mut |place, found, after_broken| {
            let (problem, beginning) = match found {
                Found::Broken(problem, beginning) => (problem, beginning.to_vec()),
                Found::Object(fields) => {
                    let json = fields.object();
                    let is_event = NAMES.iter().all(|name| fields.raw(name).is_some());
                    let event =
                        serde_json::from_slice::<Value>(&json).map_err(|error| format!("not valid JSON: {error}"));
                    match event.and_then(|event| record(&event, origin.defaults).map(|record| (event, record))) {
                        Ok((event, record)) => {
                            seen.look_at(&event, &record);
                            sink.record(record)?;
                            return Ok(true);
                        }
                        Err(_) if after_broken && !is_event => return Ok(false),
                        Err(problem) => (problem, json),
                    }
                }
            };
            if !after_broken || memchr::memmem::find(&beginning, b"\"EventTimestampMs\"").is_some() {
                sink.reject(place.rejected(problem, &beginning))?;
            }
            Ok(true)
        })?;
        seen.warn(sink);
        Ok(())
    }
}

/// Fields that every event has.
const NAMES: [&str; 3] = ["EventTimestampMs", "Outcome", "ScriptName"];

/// The record of an event. Workers that call each other share the id of the request (`RayID`): the key is that with the
/// script, and the time is compared beside it. Events that no request caused have no id: what the event says stands for
/// it.
fn record(event: &Value, defaults: &Defaults) -> Result<Record, String> {
    let text = |name: &str| event.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let number = |name: &str, scale: i32| {
        let digits = match event.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => return Err(format!("`{name}` is no number")),
        };
        decimal::exact(&digits, scale).map(Some).map_err(|problem| format!("`{name}` {problem}"))
    };
    let script = text("ScriptName").ok_or("there is no `ScriptName`")?;
    let outcome = text("Outcome").ok_or("there is no `Outcome`")?;
    let kind = text("EventType").unwrap_or("fetch");
    let time = number("EventTimestampMs", 0)?.ok_or("there is no `EventTimestampMs`")?;
    let time =
        timestamp::epoch_ms(time).ok_or_else(|| format!("`EventTimestampMs` is `{time}`, which is out of range"))?;
    let (cpu_us, wall_us) = (number("CPUTimeMs", 3)?, number("WallTimeMs", 3)?);
    let details = event.get("Event").filter(|details| !details.is_null());
    let ray_id = details.and_then(|details| details.get("RayID")?.as_str()).filter(|id| !id.is_empty());
    let details = details.filter(|_| ray_id.is_none()).map(Value::to_string);
    let key = RecordKey::of(&[
        Some("cloudflare-workers"),
        ray_id,
        text("DispatchNamespace"),
        Some(script),
        text("Entrypoint"),
        Some(kind),
        details.as_deref(),
    ]);
    let usage = match kind {
        "alarm" | "hibernatable_web_socket" => {
            Usage::Request(Box::new(object_request(script, kind, outcome, defaults)))
        }
        _ => {
            let version = event.get("ScriptVersion");
            let version = version.and_then(|version| ["Id", "ID", "id"].iter().find_map(|name| version.get(name)));
            let mut row = Invocation {
                provider: "cloudflare".into(),
                service: "workers".into(),
                resource: Some(script.to_owned()),
                version: version.and_then(Value::as_str).map(str::to_owned),
                request_id: ray_id.map(str::to_owned),
                duration_us: wall_us,
                cpu_us,
                trigger: Some(trigger(kind).to_owned()),
                status: Some(if outcome == "ok" { "success" } else { "error" }.to_owned()),
                error_type: (outcome != "ok").then(|| outcome.to_owned()),
                ..Invocation::default()
            };
            defaults.complete_invocation(&mut row);
            Usage::Invocation(Box::new(row))
        }
    };
    Ok(Record { time: EventTime::Logged(time), key, usage })
}

/// A request to a Durable Object. The log names its script and not the object, so that how long objects were active does
/// not follow from it.
fn object_request(script: &str, kind: &str, outcome: &str, defaults: &Defaults) -> Request {
    let mut row = Request {
        provider: "cloudflare".into(),
        service: "durable-objects".into(),
        resource: Some(script.to_owned()),
        operation: Some(if kind == "alarm" { "do-request" } else { "do-websocket-message" }.to_owned()),
        status: Some(outcome.to_owned()),
        ..Request::default()
    };
    defaults.complete_request(&mut row);
    row
}

fn trigger(kind: &str) -> &str {
    match kind {
        "fetch" => "http",
        "scheduled" => "timer",
        other => other,
    }
}

/// What makes metering incomplete or too much.
#[derive(Default)]
struct Seen {
    rays: HashSet<RecordKey>,
    without_cpu: u64,
    calls: u64,
    of_objects: u64,
}

impl Seen {
    fn look_at(&mut self, event: &Value, record: &Record) {
        let Usage::Invocation(row) = &record.usage else {
            self.of_objects += 1;
            return;
        };
        self.without_cpu += u64::from(row.cpu_us.is_none());
        let is_call = event.get("EventType").and_then(Value::as_str) == Some("worker_rpc");
        let is_second = row.request_id.as_deref().is_some_and(|id| {
            let ray = RecordKey::of(&[Some(id)]);
            if self.rays.len() < RAYS_MAX { !self.rays.insert(ray) } else { self.rays.contains(&ray) }
        });
        self.calls += u64::from(is_call || is_second);
    }

    fn warn(&self, sink: &mut dyn Sink) {
        if self.without_cpu > 0 {
            sink.warn(format!(
                "{} events have no `CPUTimeMs`, by which Workers are billed: add the field to the Logpush job",
                self.without_cpu
            ));
        }
        if self.calls > 0 {
            sink.warn(format!(
                "{} executions are calls from one Worker to another: they are counted as requests, which the Standard plan does not bill",
                self.calls
            ));
        }
        if self.of_objects > 0 {
            sink.warn(format!(
                "{} events are of Durable Objects, which the log does not name: the time that they were active is not metered",
                self.of_objects
            ));
        }
    }
}
