//! Access logs of Amazon API Gateway, in the templates that its documentation offers: JSON, Common Log Format, CSV, XML.
//!
//! A template is text with values put into it, and the values are not escaped: a quote in one breaks its own line and no
//! other, so lines are read one by one. Every value is text, `-` where there is none.
//!
//! The key is the extended request id, which no client can choose; a template without it leaves the request id. The time
//! is kept to the second: most templates write no more, and one request has to have one time in every template.

use std::io::{BufRead, Cursor, Read};

use crate::decompress::ingest_error;
use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::cloudwatch::{self, Bare, Item, LogEvent, Service};
use crate::format::csv_table::{self, CsvRow, TableReader};
use crate::format::{Format, Origin, Recognition, Sink};
use crate::record::{EventTime, Record, RecordKey, Request, Usage};

use access::Access;

mod access;
mod templates;

/// `aws-api-gateway`.
pub struct AwsApiGateway;

/// How much of a file may be looked at for the header of a table, in bytes.
const HEADER_BYTES: u64 = 64 * 1024;

/// What API Gateway writes where a client sent a request id that cannot be used.
const REPLACED_ID: &str = "UUID_REPLACED_INVALID_REQUEST_ID";

impl Format for AwsApiGateway {
    fn name(&self) -> &'static str {
        "aws-api-gateway"
    }

    fn description(&self) -> &'static str {
        "Amazon API Gateway access log of REST, HTTP and WebSocket APIs: the JSON, CLF, CSV and XML templates, as lines or \
         as CloudWatch Logs hands them out"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if is_table(head) {
            let because = "it has a header with a request id, a method or route and a time of API Gateway".to_owned();
            return Some(Recognition { because });
        }
        let (service, because) = cloudwatch::recognise(head)?;
        (service == Service::ApiGateway).then_some(Recognition { because })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut head = Vec::new();
        (&mut *input).take(HEADER_BYTES).read_to_end(&mut head).map_err(ingest_error)?;
        let table = is_table(&head);
        let mut input = Cursor::new(head).chain(input);
        let mut log = Log { defaults: origin.defaults, without_size: false, connections: false, replaced: 0 };
        if table {
            csv_table::read(&mut input, None, &mut log, sink)?;
        } else {
            cloudwatch::read(&mut input, &[], Bare::Lines, &mut |place, item, after_broken| {
                let (problem, text) = match item {
                    Item::Event(event) => match log.event(&event) {
                        Ok(record) => {
                            sink.record(record)?;
                            return Ok(true);
                        }
                        Err(problem) => (problem, event.message.to_vec()),
                    },
                    Item::Object(fields, _) => {
                        let message = fields.object();
                        if after_broken && !is_access(&message) {
                            return Ok(false);
                        }
                        match log.event(&LogEvent { time: None, account: None, group: None, message: &message }) {
                            Ok(record) => {
                                sink.record(record)?;
                                return Ok(true);
                            }
                            Err(problem) => (problem, message),
                        }
                    }
                    Item::Broken(problem, beginning) => (problem, beginning.to_vec()),
                };
                if !after_broken || memchr::memmem::find(&text, b"equestId").is_some() {
                    sink.reject(place.rejected(problem, &text))?;
                }
                Ok(true)
            })?;
        }
        log.finish(sink);
        Ok(())
    }
}

/// Whether a message is an access log record in one of the templates.
pub(super) fn is_access(message: &[u8]) -> bool {
    std::str::from_utf8(message)
        .is_ok_and(|text| templates::read(text).is_ok_and(|access| access.is_sure() && access.request(None).is_ok()))
}

/// Whether the first line is a header with names of an access log.
fn is_table(head: &[u8]) -> bool {
    csv_table::header_of(head).is_some_and(|names| {
        let mut access = Access::default();
        for name in &names {
            access.set(name, "x");
        }
        access.is_sure() && access.has_time()
    })
}

/// What has been seen of one file.
struct Log<'a> {
    defaults: &'a Defaults,
    without_size: bool,
    connections: bool,
    replaced: u64,
}

impl Log<'_> {
    fn event(&mut self, event: &LogEvent<'_>) -> Result<Record, String> {
        let mut first_problem = None;
        for message in event.messages() {
            let text = std::str::from_utf8(message).map_err(|_| "the record is not valid UTF-8".to_owned())?;
            let access = templates::read(text);
            match access.and_then(|access| self.record(&access, text, event)) {
                Ok(record) => return Ok(record),
                Err(problem) => first_problem = first_problem.or(Some(problem)),
            }
        }
        Err(first_problem.unwrap_or_else(|| "the record is empty".to_owned()))
    }

    fn record(&mut self, access: &Access, text: &str, event: &LogEvent<'_>) -> Result<Record, String> {
        let (mut row, time) = access.request(event.account)?;
        let time = match time.or(event.time) {
            Some(time) => EventTime::Logged(time - time.rem_euclid(1_000_000)),
            None => EventTime::Assumed,
        };
        match row.variant.as_deref() {
            Some("http") => self.without_size |= row.request_bytes.is_none(),
            Some("websocket" | "websocket-connection") => self.connections = true,
            _ => {}
        }
        let key = match access.key() {
            Some(id) => key(id),
            None => {
                self.replaced += 1;
                RecordKey::of(&[Some("aws-api-gateway"), None, Some(text)])
            }
        };
        self.defaults.complete_request(&mut row);
        Ok(Record { time, key, usage: Usage::Request(Box::new(row)) })
    }

    fn finish(self, sink: &mut dyn Sink) {
        if self.without_size {
            sink.warn(
                "metering incomplete: calls of HTTP APIs are metered per 512 KB, and the log does not say how large they are; add `$context.dataProcessed` to its template"
                    .into(),
            );
        }
        if self.connections {
            sink.warn(
                "metering incomplete: messages that the server sends and connection minutes of WebSocket APIs are in no access log"
                    .into(),
            );
        }
        if self.replaced > 0 {
            sink.warn(format!(
                "{} requests have no id of their own because the client sent one that cannot be used; add `$context.extendedRequestId` to the template",
                self.replaced
            ));
        }
    }
}

/// The key of a request, in an access log and in the event that a function got.
pub(super) fn key(id: &str) -> RecordKey {
    RecordKey::of(&[Some("aws-api-gateway"), Some(id)])
}

/// Reads the rows of a table.
impl TableReader for Log<'_> {
    fn header(&mut self, _: &[String], _: &mut dyn Sink) -> Result<(), IngestError> {
        Ok(())
    }

    fn row(&mut self, row: &CsvRow<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut access = Access::default();
        let mut text = String::new();
        for (name, value) in row.pairs() {
            access.set(name, value);
            text.push_str(value);
            text.push(',');
        }
        let event = LogEvent { time: None, account: None, group: None, message: b"" };
        match self.record(&access, &text, &event) {
            Ok(record) => sink.record(record),
            Err(problem) => sink.reject(row.rejected(problem)),
        }
    }
}

/// A request to an API, without what its kind of log says.
pub(super) fn request(variant: Option<&str>) -> Request {
    Request {
        provider: "aws".into(),
        service: "api-gateway".into(),
        variant: variant.map(str::to_owned),
        ..Request::default()
    }
}
