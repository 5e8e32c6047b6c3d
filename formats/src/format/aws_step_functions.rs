//! AWS Step Functions: the log records of executions, and histories of `get-execution-history`.
//!
//! A standard workflow is billed by state transitions: one for every state that is entered, one for every retry. A retry
//! has no event of its own, it is a task that is scheduled by a failure. An express workflow is billed by execution,
//! duration and memory, which stand in the event that ends it.

use std::collections::HashMap;
use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::cloudwatch::{self, Bare, Item, Service};
use crate::format::json_stream::Fields;
use crate::format::line::Place;
use crate::format::{Format, Origin, Recognition, Sink};
use crate::record::{EventTime, Invocation, Record, RecordKey, Request, Usage};

use event::{Event, Execution, Step};

mod event;

/// `aws-step-functions`.
pub struct AwsStepFunctions;

/// The service in the words of the price books.
const SERVICE: &str = "step-functions";

/// Events that are remembered, over all executions that go on, to see what a failure led to.
const EVENTS_MAX: usize = 200_000;

/// Tasks that wait for the event that scheduled them, in a log that goes backwards.
const PENDING_MAX: usize = 20_000;

/// Express executions whose beginning is remembered.
const STARTS_MAX: usize = 50_000;

impl Format for AwsStepFunctions {
    fn name(&self) -> &'static str {
        "aws-step-functions"
    }

    fn description(&self) -> &'static str {
        "AWS Step Functions log records (level ALL) as CloudWatch Logs hands them out, or a line each, and \
         `aws stepfunctions get-execution-history`"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let (service, because) = cloudwatch::recognise(head)?;
        (service == Service::StepFunctions).then_some(Recognition { because })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut log = Log::new(origin.defaults, sink);
        cloudwatch::read(input, &[], Bare::Lines, &mut |place, item, after_broken| match item {
            Item::Event(event) => {
                let Some(message) = event.messages().find(|message| message.first() == Some(&b'{')) else {
                    return log.reject(place, "not a record of Step Functions: expected `{`", event.message, false);
                };
                log.take(Event::of_log(message), place, message, false)
            }
            Item::Object(fields, outer) if is_history_event(fields) => {
                let declared = outer.and_then(|outer| outer.string("executionArn"));
                let declared = declared.as_deref().or(origin.defaults.resource.as_deref());
                log.take(Event::of_history(fields, declared), place, &fields.object(), after_broken)
            }
            Item::Object(fields, _) => {
                let object = fields.object();
                if after_broken && !is_record(&object) {
                    return Ok(false);
                }
                log.take(Event::of_log(&object), place, &object, after_broken)
            }
            Item::Broken(problem, beginning) => log.reject(place, &problem, beginning, after_broken),
        })?;
        log.finish()
    }
}

/// Whether the message of a log event is a record of Step Functions.
pub(super) fn is_record(message: &[u8]) -> bool {
    let has = |text: &str| memchr::memmem::find(message, text.as_bytes()).is_some();
    message.first() == Some(&b'{') && has("event_timestamp\"") && has("execution_arn\"") && has(":states:")
}

/// Whether an object is an event of a history, or an express execution as `start-sync-execution` returns it.
pub(super) fn is_history_event(fields: &Fields) -> bool {
    let has = |name: &str| fields.raw(name).is_some();
    (has("previousEventId") && has("id") && has("type") && has("timestamp")) || is_sync_result(fields)
}

fn is_sync_result(fields: &Fields) -> bool {
    ["executionArn", "billingDetails", "stopDate"].iter().all(|name| fields.raw(name).is_some())
}

/// The events of one file on their way to the sink.
struct Log<'a> {
    defaults: &'a Defaults,
    sink: &'a mut dyn Sink,
    /// Of executions that go on: whether the event of a number was a failure.
    failures: HashMap<String, HashMap<u64, bool>>,
    remembered: usize,
    /// By execution: what may be a retry, by the event before it.
    pending: HashMap<String, Vec<(u64, Record)>>,
    pending_count: usize,
    starts: HashMap<String, i64>,
    unresolved: u64,
    transitions: u64,
    ended: u64,
    without_name: bool,
    without_billing: u64,
}

impl<'a> Log<'a> {
    fn new(defaults: &'a Defaults, sink: &'a mut dyn Sink) -> Self {
        Log {
            defaults,
            sink,
            failures: HashMap::new(),
            remembered: 0,
            pending: HashMap::new(),
            pending_count: 0,
            starts: HashMap::new(),
            unresolved: 0,
            transitions: 0,
            ended: 0,
            without_name: false,
            without_billing: 0,
        }
    }

    fn reject(
        &mut self,
        place: Place,
        problem: &str,
        beginning: &[u8],
        after_broken: bool,
    ) -> Result<bool, IngestError> {
        let is_event = ["execution_arn", "previousEventId"];
        if !after_broken || is_event.iter().any(|name| memchr::memmem::find(beginning, name.as_bytes()).is_some()) {
            self.sink.reject(place.rejected(problem, beginning))?;
        }
        Ok(true)
    }

    fn take(
        &mut self,
        event: Result<Event, String>,
        place: Place,
        text: &[u8],
        after_broken: bool,
    ) -> Result<bool, IngestError> {
        match event {
            Ok(event) => self.event(event)?,
            Err(problem) => return self.reject(place, &problem, text, after_broken),
        }
        Ok(true)
    }

    fn event(&mut self, event: Event) -> Result<(), IngestError> {
        if event.execution.as_ref().is_some_and(|execution| execution.express) {
            return self.express(event);
        }
        self.without_name |= event.execution.is_none();
        let name = event.execution.as_ref().map_or(String::new(), |execution| execution.arn.clone());
        match event.step {
            Step::Entered => {
                self.transitions += 1;
                self.sink.record(self.transition(&event))?;
            }
            Step::Scheduled => match self.failures.get(&name).and_then(|events| events.get(&event.previous)) {
                Some(true) => self.sink.record(self.transition(&event))?,
                Some(false) => {}
                None if self.pending_count < PENDING_MAX => {
                    let record = self.transition(&event);
                    self.pending.entry(name.clone()).or_default().push((event.previous, record));
                    self.pending_count += 1;
                }
                None => self.unresolved += 1,
            },
            _ => {}
        }
        self.remember(&name, event.id, event.step == Step::Failure);
        if matches!(event.step, Step::Started | Step::Ended(_)) {
            self.ended += u64::from(event.step != Step::Started);
            self.resolve(&name)?;
            self.forget(&name);
        }
        Ok(())
    }

    fn remember(&mut self, name: &str, id: u64, failure: bool) {
        if self.remembered >= EVENTS_MAX {
            self.failures.clear();
            self.remembered = 0;
        }
        if self.failures.entry(name.to_owned()).or_default().insert(id, failure).is_none() {
            self.remembered += 1;
        }
    }

    fn forget(&mut self, name: &str) {
        self.remembered -= self.failures.remove(name).map_or(0, |events| events.len()).min(self.remembered);
    }

    /// Counts what waits in an execution and turned out to be a retry.
    fn resolve(&mut self, name: &str) -> Result<(), IngestError> {
        let Some(pending) = self.pending.remove(name) else { return Ok(()) };
        let mut waiting = Vec::new();
        self.pending_count -= pending.len().min(self.pending_count);
        for (previous, record) in pending {
            match self.failures.get(name).and_then(|events| events.get(&previous)) {
                Some(true) => self.sink.record(record)?,
                Some(false) => {}
                None => waiting.push((previous, record)),
            }
        }
        self.unresolved += waiting.len() as u64;
        Ok(())
    }

    /// A state transition of a standard workflow. The number of an event is unique in its execution.
    fn transition(&self, event: &Event) -> Record {
        let mut row = Request {
            provider: "aws".into(),
            service: SERVICE.into(),
            operation: Some("transition".into()),
            ..Request::default()
        };
        let id = event.id.to_string();
        let key = match &event.execution {
            Some(execution) => {
                row.account = Some(execution.account.clone());
                row.region = Some(execution.region.clone());
                row.resource = Some(execution.machine.clone());
                row.request_id = Some(execution.name.clone());
                RecordKey::of(&[Some("aws-step-functions"), Some(&execution.arn), Some(&id)])
            }
            None => {
                let parts = [Some("aws-step-functions"), None, Some(&id), Some(&event.kind), event.state.as_deref()];
                RecordKey::of(&parts)
            }
        };
        self.defaults.complete_request(&mut row);
        Record { time: EventTime::Logged(event.time_us), key, usage: Usage::Request(Box::new(row)) }
    }

    /// An event of an express workflow. There is one end of an execution, so its name is the key.
    fn express(&mut self, event: Event) -> Result<(), IngestError> {
        let Some(execution) = event.execution else { return Ok(()) };
        let Step::Ended(status) = event.step else {
            if event.step == Step::Started && self.starts.len() < STARTS_MAX {
                self.starts.insert(execution.arn, event.time_us);
            }
            return Ok(());
        };
        let logged_us = self.starts.remove(&execution.arn).and_then(|start| event.time_us.checked_sub(start));
        let billed_us = event.billed_ms.and_then(|ms| ms.checked_mul(1_000));
        let mut row = Invocation {
            provider: "aws".into(),
            service: SERVICE.into(),
            account: Some(execution.account),
            region: Some(execution.region),
            resource: Some(execution.machine),
            request_id: Some(execution.name),
            duration_us: billed_us.or(logged_us.filter(|us| *us >= 0)),
            billed_ms: event.billed_ms,
            memory_mb: event.memory_mb,
            status: Some(status.into()),
            ..Invocation::default()
        };
        self.defaults.complete_invocation(&mut row);
        self.without_billing += u64::from(row.duration_us.is_none() || row.memory_mb.is_none());
        let key = RecordKey::of(&[Some("aws-step-functions"), Some(&execution.arn)]);
        // What the event alone says: how a log is cut into files may not move a record.
        let time = EventTime::Logged(event.time_us.saturating_sub(billed_us.unwrap_or(0)));
        self.sink.record(Record { time, key, usage: Usage::Invocation(Box::new(row)) })
    }

    fn finish(mut self) -> Result<(), IngestError> {
        let names: Vec<String> = self.pending.keys().cloned().collect();
        for name in names {
            self.resolve(&name)?;
        }
        if self.unresolved > 0 {
            self.sink.warn(format!(
                "metering incomplete: {} tasks were scheduled by events that are not in this file; those that are retries were not counted",
                self.unresolved
            ));
        }
        if self.transitions == 0 && self.ended > 0 {
            self.sink.warn(
                "metering incomplete: executions ended, but no state was entered; state transitions are logged with the level ALL"
                    .into(),
            );
        }
        if self.without_name {
            self.sink.warn(
                "the history does not name its execution: declare its ARN as the resource, with a file for each execution, so that records of the log are recognised"
                    .into(),
            );
        }
        if self.without_billing > 0 {
            self.sink.warn(format!(
                "{} express executions have no billing details: declare `memory_mb` with `--defaults FILE`, or their time has no amount",
                self.without_billing
            ));
        }
        Ok(())
    }
}

/// The parts of an ARN such as `arn:aws:states:eu-west-1:123456789012:express:orders:run-1:0b1e7a52`.
impl Execution {
    fn of(arn: &str) -> Result<Self, String> {
        let parts: Vec<&str> = arn.splitn(8, ':').collect();
        match parts.as_slice() {
            ["arn", _, "states", region, account, kind @ ("execution" | "express"), machine, name] => Ok(Execution {
                arn: arn.to_owned(),
                region: (*region).to_owned(),
                account: (*account).to_owned(),
                machine: (*machine).to_owned(),
                name: (*name).to_owned(),
                express: *kind == "express",
            }),
            _ => Err(format!("the execution is `{}`, expected its ARN", crate::error::excerpt(arn.as_bytes()))),
        }
    }
}
