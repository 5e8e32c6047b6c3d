//! AWS Lambda logs as JSON: what CloudWatch returns or delivers, and what functions with the JSON log format write.
//!
//! All shapes are one stream of objects here, whole pages, arrays, lines or objects glued to each other; an object is
//! recognised by its fields. Only the object at hand is in memory.

use std::io::{BufRead, BufReader, Read};

use base64::Engine;

use crate::decompress::{self, Limits};
use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::aws_lambda::{Event, Kind, LambdaLog};
use crate::format::aws_lambda_text::{self, Envelope};
use crate::format::json_stream::{ENDS_INSIDE, Fault, Fields, JsonStream};
use crate::format::line::Place;
use crate::format::{Format, Origin, Recognition, Sink, aws_lambda_insights, cloudwatch, timestamp};
use crate::record::{Record, RejectedRow};

use carried::Carried;

mod carried;

/// Raw text between objects is looked at so far, in bytes: enough for any REPORT line.
const RAW_BYTES_MAX: usize = 4096;

/// Events kept until the name of their log group has been read, when it comes after them.
const HELD_MAX: usize = 20_000;

/// Most bytes that one compressed payload inside the JSON may have, decompressed.
const PAYLOAD_BYTES_MAX: u64 = 64 << 20;

/// What is said of an event as Python prints it.
const PYTHON: &str = "single quotes, as Python prints it, expected double quotes: write events with `json.dumps`";

/// `aws-lambda-json`.
pub struct AwsLambdaJson;

impl Format for AwsLambdaJson {
    fn name(&self) -> &'static str {
        "aws-lambda-json"
    }

    fn description(&self) -> &'static str {
        "AWS Lambda log events as JSON: `aws logs filter-log-events` and `get-log-events`, subscription payloads, also in \
         Kinesis and Firehose records, Logs Insights results, the JSON log format and Telemetry API (platform.report)"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if cloudwatch::recognise(head).is_some() {
            return None;
        }
        Some(Recognition { because: recognise(head)? })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut log = LambdaLog::new(origin, sink);
        Reader::new(&mut log).run(&mut JsonStream::new(input))?;
        log.finish();
        Ok(())
    }
}

/// What in the head makes it a Lambda log in JSON.
pub(super) fn recognise(mut head: &[u8]) -> Option<String> {
    let begins_as_json = matches!(head.trim_ascii_start().first(), Some(b'{' | b'[' | b'"'));
    let text = head;
    let defaults = Defaults::default();
    let mut sink = Ignore;
    let mut log = LambdaLog::new(&Origin { name: "", defaults: &defaults }, &mut sink);
    let mut reader = Reader::new(&mut log);
    reader.run(&mut JsonStream::new(&mut head)).ok()?;
    let Some(sign) = reader.sign else { return python(text) };
    if aws_lambda_insights::recognise(text).is_some() {
        return None;
    }
    // Application output in a text log may be JSON, too.
    let sure = sign != Sign::ApplicationLine && begins_as_json;
    (sure || aws_lambda_text::recognise(text).is_none()).then(|| format!("it has {}", sign.described()))
}

/// Whether these are platform events in the notation of Python: they cannot be read, but it can be said why.
fn python(text: &[u8]) -> Option<String> {
    let text = text.trim_ascii_start();
    let begins = text.starts_with(b"{'") || text.starts_with(b"[{'");
    let platform = memchr::memmem::find(text, b"'type': 'platform.").is_some();
    (begins && platform).then(|| "it has platform events of Lambda, as Python prints them".to_owned())
}

/// What makes a file one of ours, by how sure it makes us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    ApplicationLine,
    Platform,
    Insights,
    Payload,
    Subscription,
    Events,
}

impl Sign {
    fn described(self) -> &'static str {
        match self {
            Sign::ApplicationLine => "lines of the JSON log format of Lambda (timestamp, level, requestId)",
            Sign::Platform => "platform events of Lambda (type platform.*)",
            Sign::Insights => "rows of CloudWatch Logs Insights (fields @…)",
            Sign::Payload => "a compressed CloudWatch Logs payload (awslogs.data, or in a record of a stream)",
            Sign::Subscription => "a CloudWatch Logs subscription payload (logGroup, logEvents)",
            Sign::Events => "CloudWatch log events (timestamp, message)",
        }
    }
}

/// Where events come from, as the object around them says.
#[derive(Clone, Debug, Default)]
struct Source {
    group: Option<String>,
    stream: Option<String>,
    account: Option<String>,
}

impl Source {
    fn of(fields: &Fields) -> Self {
        let group = ["logGroup", "logGroupName"].iter().find_map(|name| fields.string(name));
        let stream = ["logStream", "logStreamName"].iter().find_map(|name| fields.string(name));
        Source { group, stream, account: fields.string("owner") }
    }

    fn or(self, other: &Source) -> Self {
        Source {
            group: self.group.or_else(|| other.group.clone()),
            stream: self.stream.or_else(|| other.stream.clone()),
            account: self.account.or_else(|| other.account.clone()),
        }
    }
}

/// What an object is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// Nothing that we know.
    Nothing,
    /// An array of events.
    Events,
    /// An array of records of a stream.
    Records,
}

struct Held {
    time: Option<i64>,
    source: Source,
    place: Place,
    message: Vec<u8>,
}

struct Reader<'r, 'a> {
    log: &'r mut LambdaLog<'a>,
    sign: Option<Sign>,
    /// Whether there was a payload of a subscription.
    subscription: bool,
    /// Of the events being read.
    source: Source,
    /// Events that wait for the rest of their source; `None` when there is nothing to wait for.
    held: Option<Vec<Held>>,
    /// The row of Logs Insights being read, and its place.
    row: Vec<(String, String)>,
    row_place: Place,
    row_count: u64,
    /// What there was of the object that broke off.
    broken: Vec<u8>,
    /// The place of the object that carries this payload, if it is one.
    carrier: Option<Place>,
}

impl<'r, 'a> Reader<'r, 'a> {
    fn new(log: &'r mut LambdaLog<'a>) -> Self {
        Reader {
            log,
            sign: None,
            subscription: false,
            source: Source::default(),
            held: None,
            row: Vec::new(),
            row_place: Place::default(),
            row_count: 0,
            broken: Vec::new(),
            carrier: None,
        }
    }

    /// Reads to the end.
    fn run(&mut self, stream: &mut JsonStream<'_>) -> Result<(), IngestError> {
        let strings = stream.peek_after_space()? == Some(b'"');
        let mut array: Option<Place> = None;
        let mut arrays = 0_u64;
        // Behind a broken object the rest of its line may be more of it: what does not fit there is no second loss.
        let mut broken_line = None;
        while let Some(byte) = stream.peek_after_space()? {
            let place = self.place(stream);
            let mut glued = false;
            match byte {
                b'{' => stream.take()?,
                b',' | b'}' => {
                    stream.take()?;
                    continue;
                }
                b']' => {
                    stream.take()?;
                    arrays = arrays.saturating_sub(1);
                    self.end_row()?;
                    continue;
                }
                b'[' => {
                    stream.take()?;
                    if matches!(stream.peek_after_space()?, Some(b'{' | b'[')) {
                        arrays += 1;
                        array.get_or_insert(place);
                        self.row_place = place;
                    }
                    continue;
                }
                b'"' if strings => {
                    if let Err(fault) = self.string(stream, place) {
                        self.broken(fault, place, false)?;
                        self.raw(stream, place)?;
                    }
                    continue;
                }
                _ if !self.raw(stream, place)? => continue,
                _ => glued = true,
            }
            let on_broken_line = broken_line == place.line;
            match self.object(stream, place, Within::Nothing) {
                Ok(()) => {}
                Err(Fault::Malformed(_)) if stream.peek()? == Some(b'\'') => {
                    // All of its line is skipped, with the end of an array that it may have begun.
                    self.broken(Fault::Malformed(PYTHON), place, glued || on_broken_line)?;
                    broken_line = Some(stream.line);
                    arrays = 0;
                }
                Err(fault) => {
                    self.broken(fault, place, glued || on_broken_line)?;
                    broken_line = Some(stream.line);
                }
            }
        }
        self.end_row()?;
        match array {
            Some(place) if arrays > 0 => {
                self.log.reject(place.rejected("the file ends in the middle of an array: events may be missing", b"["))
            }
            _ => Ok(()),
        }
    }

    /// Where the stream stands in the file.
    fn place(&self, stream: &JsonStream<'_>) -> Place {
        self.carrier.unwrap_or(Place { line: Some(stream.line), offset: stream.offset })
    }

    /// A value that cannot be read. Nothing is said where it may be application output, or more of one already told.
    fn broken(&mut self, fault: Fault, place: Place, expected: bool) -> Result<(), IngestError> {
        self.release()?;
        self.row.clear();
        let beginning = std::mem::take(&mut self.broken);
        match fault {
            Fault::Fatal(error) => Err(error),
            Fault::Malformed(_) if expected && memchr::memmem::find(&beginning, b"platform.report").is_none() => Ok(()),
            Fault::Malformed(problem) => {
                self.log.reject(place.rejected(format!("not valid JSON: {problem}"), &beginning))
            }
        }
    }

    /// Text that is no JSON, to the end of its line or the beginning of an object in it (true): lines of extensions,
    /// and events from before the function was set to JSON.
    fn raw(&mut self, stream: &mut JsonStream<'_>, place: Place) -> Result<bool, IngestError> {
        let mut text = Vec::with_capacity(RAW_BYTES_MAX);
        let object = stream.skip_to_object(&mut text)?;
        let envelope = Envelope::of(text.trim_ascii_end());
        let (time, group, stream) = (envelope.time, envelope.group, envelope.stream);
        if matches!(Kind::of(envelope.message), Kind::Platform(_)) {
            self.log.message(&Event { time, group, stream, place, ..Event::default() }, envelope.message)?;
        }
        Ok(object)
    }

    /// A message by itself, as `jq '.events[].message'` leaves it.
    fn string(&mut self, stream: &mut JsonStream<'_>, place: Place) -> Result<(), Fault> {
        let mut text = Fields::default();
        stream.field(&mut text, 0..0)?;
        let message = text.string("").unwrap_or_default();
        if Kind::of(message.as_bytes()) != Kind::Other {
            self.sign = self.sign.max(Some(Sign::Events));
        }
        Ok(self.log.message(&Event { place, ..Event::default() }, message.as_bytes())?)
    }

    /// Reads an object behind its `{`.
    fn object(&mut self, stream: &mut JsonStream<'_>, place: Place, within: Within) -> Result<(), Fault> {
        let mut fields = Fields::default();
        let outcome = self.object_into(stream, &mut fields, place, within);
        if matches!(outcome, Err(Fault::Malformed(_))) && self.broken.is_empty() {
            self.broken = fields.beginning();
        }
        outcome
    }

    fn object_into(
        &mut self,
        stream: &mut JsonStream<'_>,
        fields: &mut Fields,
        place: Place,
        within: Within,
    ) -> Result<(), Fault> {
        let mut around_events = false;
        let mut of_subscription = false;
        let mut first = true;
        while let Some(key) = stream.key(fields, first)? {
            first = false;
            let array = within == Within::Nothing && stream.peek()? == Some(b'[');
            let name = stream.name(fields, &key);
            if array && matches!(name, b"Records" | b"records") {
                self.events(stream, Within::Records, false)?;
            } else if array && matches!(name, b"events" | b"logEvents" | b"results") {
                let subscription = name == b"logEvents";
                let insights = name == b"results";
                around_events = true;
                self.source = Source::of(fields);
                if subscription && self.source.group.is_none() {
                    self.held = Some(Vec::new());
                }
                self.look_at_subscription(subscription, fields);
                self.events(stream, Within::Events, insights)?;
                of_subscription |= subscription;
            } else {
                stream.field(fields, key)?;
            }
        }
        if around_events {
            // What says whose events they are may stand behind them.
            self.look_at_subscription(of_subscription, fields);
            let events = ["searchedLogStreams", "nextToken", "nextForwardToken"];
            if events.iter().any(|name| fields.raw(name).is_some()) {
                self.sign = self.sign.max(Some(Sign::Events));
            }
            self.source = Source::of(fields).or(&self.source);
            return Ok(self.release()?);
        }
        if let Some(problem) = fields.problem() {
            return Ok(self.log.reject(place.rejected(problem, b""))?);
        }
        Ok(self.fact(fields, place, within)?)
    }

    /// Notes that an object with events is the payload of a subscription, if its fields say so.
    fn look_at_subscription(&mut self, has_log_events: bool, fields: &Fields) {
        if has_log_events && fields.raw("messageType").or(fields.raw("logGroup")).is_some() {
            self.subscription = true;
            self.sign = self.sign.max(Some(Sign::Subscription));
        }
    }

    /// Reads the array of events or records of an object, or the array of arrays of Logs Insights.
    fn events(&mut self, stream: &mut JsonStream<'_>, within: Within, insights: bool) -> Result<(), Fault> {
        stream.take()?;
        self.row_count = 0;
        let mut arrays = 1;
        loop {
            let next = stream.peek_after_space()?;
            let place = self.place(stream);
            match next {
                None => return Err(Fault::Malformed(ENDS_INSIDE)),
                Some(b'{') => {
                    stream.take()?;
                    self.object(stream, place, within)?;
                }
                Some(b',') => stream.take()?,
                Some(b'[') if insights && arrays == 1 => {
                    stream.take()?;
                    arrays += 1;
                    self.row_place = place;
                }
                Some(b']') => {
                    stream.take()?;
                    arrays -= 1;
                    self.end_row()?;
                    if arrays == 0 {
                        break;
                    }
                }
                Some(_) => return Err(Fault::Malformed("expected an event")),
            }
        }
        if insights {
            self.log.insights_end(self.row_count);
        }
        Ok(())
    }

    /// Takes an object that is complete, by what its fields are.
    fn fact(&mut self, fields: &Fields, place: Place, within: Within) -> Result<(), IngestError> {
        let inside = within == Within::Events;
        if !inside
            && self.carrier.is_none()
            && let Some(carried) = Carried::of(fields)
        {
            return self.payload(&carried, place);
        }
        if within == Within::Records {
            return Ok(());
        }
        if let (Some(field), Some(value)) = (fields.string("field"), fields.string("value")) {
            self.row.push((field, value));
            return Ok(());
        }
        if ["@ptr", "@message", "@requestId", "@billedDuration"].iter().any(|name| fields.raw(name).is_some()) {
            self.row = fields.texts();
            self.row_place = place;
            return self.end_row();
        }
        let kind = fields.string("type").unwrap_or_default();
        if kind.starts_with("platform.") && fields.raw("time").is_some() {
            self.sign = self.sign.max(Some(Sign::Platform));
            return self.log.platform_json(&Event { place, ..Event::default() }, &fields.object());
        }
        if fields.raw("level").is_some() {
            if fields.raw("timestamp").is_some() && fields.raw("requestId").is_some() {
                self.sign = self.sign.max(Some(Sign::ApplicationLine));
            }
            return Ok(());
        }
        let Some(message) = fields.raw("message") else { return Ok(()) };
        let time = fields.raw("timestamp").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        let time = time.and_then(timestamp::epoch_ms);
        if time.is_none() && !inside {
            return Ok(());
        }
        let message = fields.string("message").map_or_else(|| message.to_vec(), String::into_bytes);
        let ids = ["ingestionTime", "eventId", "logStreamName", "id"];
        if time.is_some() && (ids.iter().any(|name| fields.raw(name).is_some()) || Kind::of(&message) != Kind::Other) {
            self.sign = self.sign.max(Some(Sign::Events));
        }
        if time.is_none() && fields.raw("timestamp").is_some() && Kind::of(&message) == Kind::Platform("REPORT") {
            let reason = "`timestamp` is not a number of milliseconds since 1970";
            return self.log.reject(place.rejected(reason, &fields.object()));
        }
        let source = if inside { Source::of(fields).or(&self.source) } else { Source::of(fields) };
        self.event(Held { time, source, place, message })
    }

    /// Takes an event now, or once its source is known.
    fn event(&mut self, event: Held) -> Result<(), IngestError> {
        if let Some(held) = &mut self.held {
            held.push(event);
            return if held.len() < HELD_MAX { Ok(()) } else { self.release() };
        }
        let Held { time, source, place, message } = &event;
        let event = Event {
            time: *time,
            group: source.group.as_deref(),
            stream: source.stream.as_deref(),
            account: source.account.as_deref(),
            place: *place,
            ..Event::default()
        };
        self.log.message(&event, message)
    }

    fn release(&mut self) -> Result<(), IngestError> {
        for mut event in self.held.take().unwrap_or_default() {
            event.source = event.source.or(&self.source);
            self.event(event)?;
        }
        Ok(())
    }

    /// Takes the row of Logs Insights that has been read, if there is one.
    fn end_row(&mut self) -> Result<(), IngestError> {
        let row = std::mem::take(&mut self.row);
        if row.is_empty() {
            return Ok(());
        }
        self.row_count += 1;
        if row.iter().any(|(name, _)| name.starts_with('@')) {
            self.sign = self.sign.max(Some(Sign::Insights));
        }
        let field = |name: &str| row.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
        self.log.insights(&Event { place: self.row_place, ..Event::default() }, field)
    }

    /// Reads the events that another object carries.
    fn payload(&mut self, carried: &Carried, place: Place) -> Result<(), IngestError> {
        let subscribed = carried.name == "awslogs.data";
        if subscribed {
            self.sign = self.sign.max(Some(Sign::Payload));
        }
        let rejected = |reason: String| place.rejected(reason, carried.base64.as_bytes());
        let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(&carried.base64) else {
            return self.log.reject(rejected(format!("`{}` is not valid base64", carried.name)));
        };
        // A stream may carry anything: only what is compressed or an object can be log events.
        if !subscribed && !matches!(bytes.first(), Some(0x1f | 0x28 | b'{')) {
            return Ok(());
        }
        let limits = Limits { decompressed_bytes_max: PAYLOAD_BYTES_MAX, ..Limits::default() };
        let mut text = Vec::new();
        let outcome = decompress::open(std::io::Cursor::new(bytes), limits)
            .and_then(|mut payload| payload.read_to_end(&mut text).map_err(decompress::ingest_error));
        if let Err(error) = outcome {
            return self.log.reject(rejected(format!("`{}`: {error}", carried.name)));
        }
        let mut reader = Reader::new(&mut *self.log);
        reader.carrier = Some(place);
        reader.run(&mut JsonStream::new(&mut BufReader::new(text.as_slice())))?;
        if reader.subscription || reader.sign == Some(Sign::Platform) {
            self.sign = self.sign.max(Some(Sign::Payload));
        }
        Ok(())
    }
}

/// Takes nothing: for a look at the head.
struct Ignore;

impl Sink for Ignore {
    fn record(&mut self, _: Record) -> Result<(), IngestError> {
        Ok(())
    }

    fn reject(&mut self, _: RejectedRow) -> Result<(), IngestError> {
        Ok(())
    }

    fn warn(&mut self, _: String) {}
}
