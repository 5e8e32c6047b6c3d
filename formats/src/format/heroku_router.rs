//! Logs of Heroku: what its router served, and how long dynos were up.
//!
//! They come from `heroku logs` and as the body of a log drain, which is syslog, framed by its length or not. What an app
//! prints is passed over. The log does not say how long a dyno is billed: it is taken from when it starts to when it goes
//! down, if the log has both, and its size from the last line that scaled it.

use std::collections::BTreeMap;
use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::line::{Lines, Place};
use crate::format::{Format, Origin, Recognition, Sink, decimal};
use crate::record::{EventTime, Record, RecordKey, Request, Usage};

mod dynos;
mod frame;

use dynos::Dynos;
use frame::{Message, Parsed};

/// `heroku-router`.
pub struct HerokuRouter;

impl Format for HerokuRouter {
    fn name(&self) -> &'static str {
        "heroku-router"
    }

    fn description(&self) -> &'static str {
        "Heroku logs: router lines and dyno states, from `heroku logs` or a log drain (framed or not)"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        for (index, line) in head.split(|byte| *byte == b'\n').enumerate() {
            for (_, frame) in frame::split(line.trim_ascii_end()) {
                if let Parsed::Heroku(message) = frame::parse(&String::from_utf8_lossy(frame)) {
                    let because = format!("line {} is of Heroku's `{}`", index + 1, message.process);
                    return Some(Recognition { because });
                }
            }
        }
        None
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut log = Log { defaults: origin.defaults, dynos: Dynos::default(), dropped: 0, last_field: None };
        let mut lines = Lines::new(input);
        while let Some(line) = lines.next()? {
            if line.too_long {
                sink.reject(line.rejected_too_long())?;
                continue;
            }
            // Frames by bytes: bytes that are no text keep their places.
            let bytes = line.bytes.trim_ascii_end();
            for (at, frame) in frame::split(bytes) {
                let is_last = !line.ended && at + frame.len() == bytes.len();
                let record = match frame::parse(&String::from_utf8_lossy(frame)) {
                    Parsed::Heroku(message) => log.message(&message, is_last),
                    Parsed::CutOff(reason) if is_last => Err(reason.into()),
                    Parsed::NoTime(reason) => Err(reason),
                    Parsed::CutOff(_) | Parsed::Other => Ok(None),
                };
                match record {
                    Ok(Some(record)) => sink.record(record)?,
                    Ok(None) => {}
                    Err(reason) => {
                        let place = Place { line: Some(line.number), offset: line.offset + at as u64 };
                        sink.reject(place.rejected(reason, frame))?;
                    }
                }
            }
        }
        log.finish(sink);
        Ok(())
    }
}

/// What is known so far.
struct Log<'a> {
    defaults: &'a Defaults,
    dynos: Dynos,
    dropped: u64,
    /// Name of the last field of the last line of the router: all have the same.
    last_field: Option<String>,
}

impl Log<'_> {
    /// The record that a message of the platform gives, if any.
    fn message(&mut self, message: &Message<'_>, is_last: bool) -> Result<Option<Record>, String> {
        match message.process {
            "router" => self.request(message, is_last).map(Some),
            "logplex" => {
                self.dropped = self.dropped.saturating_add(dropped(message.text).unwrap_or(0));
                Ok(None)
            }
            "api" => {
                self.dynos.scaled(message.text);
                Ok(None)
            }
            _ => Ok(self.dynos.state(message, self.defaults)),
        }
    }

    /// The key is the id of the request; a line from before there were ids has what it says as its key.
    fn request(&mut self, message: &Message<'_>, is_last: bool) -> Result<Record, String> {
        let fields = frame::fields(message.text)?;
        let last_field = fields.last().map(|(name, _)| (*name).to_owned());
        if is_last && self.last_field.is_some() && last_field != self.last_field {
            return Err("the line ends before its last field: it is cut off".into());
        }
        self.last_field = last_field;
        // A path or an address is what a stranger sent: what the router adds stands behind it.
        let present = |name: &str| fields.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let value = |name: &str| present(name).filter(|value| !value.is_empty());
        let status = value("status").ok_or("there is no `status`: the line is cut off")?;
        if status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("`status` is `{}`, expected three digits", crate::error::excerpt(status.as_bytes())));
        }
        present("bytes").ok_or("there is no `bytes`: the line is cut off")?;
        let duration = |name: &str| {
            let digits = value(name).map(|text| text.strip_suffix("ms").unwrap_or(text));
            let parsed = digits.map(|text| decimal::exact(text, 3)).transpose();
            parsed.map_err(|problem| format!("`{name}` {problem}"))
        };
        let (connect, service) = (duration("connect")?, duration("service")?);
        let bytes = value("bytes").map(|text| decimal::exact(text, 0)).transpose();
        let request_id = value("request_id");
        let mut row = Request {
            provider: "heroku".into(),
            service: "router".into(),
            resource: value("host").map(str::to_owned),
            operation: value("method").map(str::to_owned),
            // H12 and the like: why the router answered itself.
            variant: value("code").map(str::to_owned),
            status: Some(status.to_owned()),
            response_bytes: bytes.map_err(|problem| format!("`bytes` {problem}"))?,
            request_id: request_id.map(str::to_owned),
            duration_us: service.and_then(|service| service.checked_add(connect.unwrap_or(0))),
            instance: value("dyno").map(str::to_owned),
            ..Request::default()
        };
        self.defaults.complete_request(&mut row);
        let key = match request_id {
            Some(id) => RecordKey::of(&[Some("heroku-router"), Some(id)]),
            None => {
                let names = ["method", "path", "host", "fwd", "dyno", "connect", "service", "status", "bytes"];
                let parts = [Some("heroku-router"), None].into_iter().chain(names.into_iter().map(value));
                RecordKey::of(&parts.collect::<Vec<_>>())
            }
        };
        Ok(Record { time: EventTime::Logged(message.time), key, usage: Usage::Request(Box::new(row)) })
    }

    fn finish(self, sink: &mut dyn Sink) {
        if self.dropped > 0 {
            sink.warn(format!("Logplex dropped {} messages: metering is incomplete", self.dropped));
        }
        self.dynos.finish(sink);
    }
}

/// `Error L10 (output buffer overflow): 491 messages dropped since …`.
fn dropped(text: &str) -> Option<u64> {
    if !text.starts_with("Error L1") || !text.contains("dropped") {
        return None;
    }
    let (before, _) = text.split_once(" message")?;
    before.rsplit(' ').next()?.parse().ok()
}

/// Names and how many of them there are, for a warning: at most a few.
fn names_of(counts: &BTreeMap<String, u64>) -> String {
    const NAMES_MAX: usize = 5;
    counts.keys().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ")
}
