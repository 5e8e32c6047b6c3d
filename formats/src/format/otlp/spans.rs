//! Spans of functions: the entry of an invocation, by its `faas.*` attributes.

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::Sink;
use crate::format::json_fields::Object;
use crate::format::line::Place;
use crate::format::otlp::{Attributes, architecture, elements, memory_mb, nanos, provider, reject};
use crate::record::{EventTime, Invocation, Record, RecordKey, Usage};

const INVOCATION_ID: &[&str] = &["faas.invocation_id", "faas.execution"];
const NANOS_PER_MICRO: i64 = 1_000;

/// Reads spans and remembers what to warn of.
pub(super) struct Spans<'a> {
    defaults: &'a Defaults,
    invocations: u64,
    without_memory: u64,
    others: u64,
}

impl<'a> Spans<'a> {
    pub(super) fn new(defaults: &'a Defaults) -> Self {
        Spans { defaults, invocations: 0, without_memory: 0, others: 0 }
    }

    /// Reads the spans of a request; the inner error is what is wrong with the request as a whole.
    pub(super) fn request(
        &mut self,
        request: &Object,
        place: Place,
        sink: &mut dyn Sink,
    ) -> Result<Result<(), String>, IngestError> {
        let mut found = Vec::new();
        let outcome = collect(request, &mut found);
        for (resource, span) in found {
            match self.record(&resource, span.get()) {
                Ok(Some(record)) => {
                    self.invocations += 1;
                    sink.record(record)?;
                }
                Ok(None) => self.others += 1,
                Err(problem) => reject(sink, place, problem, span.get())?,
            }
        }
        Ok(outcome)
    }

    /// The invocation of a span; `None` for a span inside of one, and for what is no function.
    fn record(&mut self, resource: &Attributes, json: &str) -> Result<Option<Record>, String> {
        let span = Object::parse(json.as_bytes())?;
        let own = Attributes::of(&span)?;
        let kind = span.text("kind").unwrap_or_default();
        let is_entry = matches!(kind.as_str(), "2" | "5" | "SPAN_KIND_SERVER" | "SPAN_KIND_CONSUMER");
        let is_call = matches!(kind.as_str(), "3" | "4" | "SPAN_KIND_CLIENT" | "SPAN_KIND_PRODUCER");
        let invocation_id = own.text(INVOCATION_ID);
        let of_function = own.0.iter().any(|(name, _)| name.starts_with("faas."));
        if is_call || !(invocation_id.is_some() || (is_entry && of_function)) {
            return Ok(None);
        }
        let start = nanos(&span, "startTimeUnixNano")?.ok_or("there is no `startTimeUnixNano`")?;
        let end = nanos(&span, "endTimeUnixNano")?.ok_or("there is no `endTimeUnixNano`")?;
        if end < start {
            return Err("`endTimeUnixNano` is before `startTimeUnixNano`".into());
        }
        // Rounded up, as every step of billing rounds.
        let length = end - start;
        let duration_us = length / NANOS_PER_MICRO + i64::from(length % NANOS_PER_MICRO > 0);
        let status = span.object("status").unwrap_or_default();
        let failed = matches!(status.text("code").as_deref(), Some("2" | "STATUS_CODE_ERROR"));
        let key = match &invocation_id {
            Some(id) => RecordKey::of(&[Some("faas-invocation"), Some(id)]),
            None => {
                let (trace, id) = (span.text("traceId"), span.text("spanId"));
                let id = id.ok_or("there is neither `faas.invocation_id` nor `spanId`")?;
                let lower = |id: String| id.to_ascii_lowercase();
                RecordKey::of(&[Some("otlp-span"), trace.map(lower).as_deref(), Some(&lower(id))])
            }
        };
        let cold_start = own.get(&["faas.coldstart", "faas.cold_start"]);
        let mut row = Invocation {
            provider: provider(resource),
            service: service(resource),
            account: resource.text(&["cloud.account.id"]),
            region: resource.text(&["cloud.region"]),
            resource: own.text(&["faas.name"]).or_else(|| resource.text(&["faas.name"])),
            version: resource.text(&["faas.version"]),
            request_id: invocation_id,
            duration_us: Some(duration_us),
            memory_mb: memory_mb(resource, &own)?,
            architecture: architecture(resource),
            trigger: own.text(&["faas.trigger"]).or_else(|| resource.text(&["faas.trigger"])),
            status: Some(if failed { "error" } else { "success" }.into()),
            error_type: own.text(&["error.type", "exception.type"]).filter(|_| failed),
            cold_start: cold_start.map(|text| text == "true"),
            instance: own.text(&["faas.instance", "faas.id"]).or_else(|| resource.text(&["faas.instance"])),
            ..Invocation::default()
        };
        self.defaults.complete_invocation(&mut row);
        self.without_memory += u64::from(row.memory_mb.is_none());
        let time = EventTime::Logged(start.div_euclid(NANOS_PER_MICRO));
        Ok(Some(Record { time, key, usage: Usage::Invocation(Box::new(row)) }))
    }

    pub(super) fn finish(&self, sink: &mut dyn Sink) {
        if self.invocations > 0 {
            sink.warn(
                "invocations of spans are those that were traced, and sampling traces few; the provider's own log of the same functions has them too: ingest one of them".into(),
            );
        }
        if self.without_memory > 0 {
            sink.warn(format!(
                "{} invocations do not say how much memory they have (faas.max_memory): declare `memory_mb` with `--defaults FILE`",
                self.without_memory
            ));
        }
        if self.others > 0 {
            sink.warn(format!(
                "{} spans are no function invocations (faas.invocation_id) and were passed over",
                self.others
            ));
        }
    }
}

/// The spans of a request with the attributes of their resource.
fn collect(request: &Object, found: &mut Vec<(Attributes, Box<serde_json::value::RawValue>)>) -> Result<(), String> {
    for around in request.objects("resourceSpans")? {
        let resource = Attributes::of(&around.object("resource").unwrap_or_default())?;
        for scope in around.objects("scopeSpans")? {
            found.extend(elements(&scope, "spans")?.into_iter().map(|span| (resource.clone(), span)));
        }
    }
    Ok(())
}

/// The service in the words of the price books, by the platform; else the program's own name for itself.
fn service(resource: &Attributes) -> String {
    match resource.get(&["cloud.platform"]) {
        Some("aws_lambda") => "lambda".into(),
        Some("azure_functions" | "azure.functions" | "gcp_cloud_functions" | "gcp.cloud_functions") => {
            "functions".into()
        }
        Some("gcp_cloud_run" | "gcp.cloud_run") => "cloud-run".into(),
        _ => resource.text(&["service.name", "faas.name"]).unwrap_or_else(|| "unknown_service".into()),
    }
}
