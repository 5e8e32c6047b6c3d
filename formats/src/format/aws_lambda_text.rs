//! AWS Lambda logs as text: from the console, `aws logs tail`, `sam logs`, or a CloudWatch export to S3.
//!
//! An event begins with whatever the tool puts in front (log group, log stream, time, in any order), then its message.
//! An export says its log stream in the path of the file, and nothing of the log group.
//!
//! In files whose events have such a beginning, a line without one continues the event before it: what looks like a
//! REPORT in application output is not one.

use std::borrow::Cow;
use std::io::BufRead;

use crate::error::IngestError;
use crate::format::aws_lambda::{Event, Kind, LambdaLog, is_cut_report};
use crate::format::line::{Line, Lines, Place};
use crate::format::{Format, Origin, Recognition, Sink, aws_lambda_insights, aws_lambda_json, timestamp};

/// All that is in the object `aws-logs-write-test`, with which CloudWatch Logs tries a bucket before it exports to it.
const WRITE_TEST: &[u8] = b"Permission Check Successful";

/// `aws-lambda-text`.
pub struct AwsLambdaText;

impl Format for AwsLambdaText {
    fn name(&self) -> &'static str {
        "aws-lambda-text"
    }

    fn description(&self) -> &'static str {
        "AWS Lambda log text with REPORT lines: console copy, `aws logs tail`, `sam logs`, CloudWatch export to S3"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if head.trim_ascii() == WRITE_TEST {
            return Some(Recognition { because: "it is the test object of a CloudWatch export to S3".into() });
        }
        let because = recognise(head)?;
        let other = aws_lambda_json::recognise(head).is_some() || aws_lambda_insights::recognise(head).is_some();
        (!other).then_some(Recognition { because })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut reader = Reader {
            log: LambdaLog::new(origin, sink),
            prefixed: false,
            in_application: false,
            fakes: 0,
            whole_seconds: 0,
        };
        let mut write_test = false;
        Lines::new(input).each(|line| {
            write_test = line.number == 1 && line.bytes == WRITE_TEST;
            reader.line(&line)
        })?;
        if write_test {
            reader.log.warn(
                "this is `aws-logs-write-test`, with which CloudWatch Logs tries a bucket before an export: no log"
                    .into(),
            );
        }
        if reader.whole_seconds > 0 {
            reader.log.warn(format!(
                "{} invocations have times of whole seconds (`aws logs tail --format short`): from an export with \
                 milliseconds they would count again",
                reader.whole_seconds
            ));
        }
        if reader.fakes > 0 {
            reader.log.warn(format!(
                "{} lines look like REPORT lines but are part of application output, and were not counted",
                reader.fakes
            ));
        }
        reader.log.finish();
        Ok(())
    }
}

/// What in the head makes it a Lambda log in text.
pub(super) fn recognise(head: &[u8]) -> Option<String> {
    for (index, line) in head.split(|byte| *byte == b'\n').enumerate() {
        let line = without_colours(line.strip_suffix(b"\r").unwrap_or(line));
        let envelope = Envelope::of(&line);
        match Kind::of(envelope.message) {
            Kind::Platform("XRAY" | "EXTENSION" | "LOGS") | Kind::Other => {}
            Kind::PlatformJson if !envelope.is_present() => {}
            Kind::Platform(word) => return Some(format!("line {} is an event `{word}` of Lambda", index + 1)),
            Kind::PlatformJson => return Some(format!("line {} is a platform event of Lambda", index + 1)),
        }
    }
    None
}

struct Reader<'a> {
    log: LambdaLog<'a>,
    /// Whether events of this file begin with more than their message.
    prefixed: bool,
    /// Whether an event of the application may still go on.
    in_application: bool,
    fakes: u64,
    /// Reports whose time has no fraction of a second.
    whole_seconds: u64,
}

impl Reader<'_> {
    fn line(&mut self, line: &Line<'_>) -> Result<(), IngestError> {
        if line.too_long {
            return self.log.reject(line.rejected_too_long());
        }
        let bytes = without_colours(line.bytes);
        let envelope = Envelope::of(&bytes);
        let kind = Kind::of(envelope.message);
        if envelope.is_present() {
            let twice = envelope.time.is_some() && timestamp::iso_prefix(envelope.message).is_some();
            self.prefixed |= kind != Kind::Other || twice;
            self.in_application = self.prefixed && kind == Kind::Other;
        } else if self.in_application {
            self.fakes += u64::from(kind == Kind::Platform("REPORT"));
            return Ok(());
        }
        if kind == Kind::Other && !line.ended && is_cut_report(envelope.message) {
            return self.log.reject(line.rejected("the file ends in the middle of a REPORT line"));
        }
        self.whole_seconds += u64::from(envelope.whole_second && kind == Kind::Platform("REPORT"));
        let event = Event {
            time: envelope.time,
            group: envelope.group,
            stream: envelope.stream,
            place: Place { line: Some(line.number), offset: line.offset },
            ..Event::default()
        };
        self.log.message_of_kind(&event, kind, envelope.message)
    }
}

/// What tools put before a message.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    pub(super) time: Option<i64>,
    /// Whether the time has no fraction of a second.
    whole_second: bool,
    pub(super) group: Option<&'a str>,
    pub(super) stream: Option<&'a str>,
    pub(super) message: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        let mut envelope = Envelope { message: line, ..Envelope::default() };
        loop {
            let rest = envelope.message;
            // Times and streams begin with a digit, groups with a slash.
            let is_digit = match rest.first() {
                Some(b'0'..=b'9') => true,
                Some(b'/') => false,
                _ => return envelope,
            };
            if is_digit
                && envelope.time.is_none()
                && let Some((time, length)) = timestamp::iso_prefix(rest)
                && let Some(message) = after_space(&rest[length..])
            {
                envelope.time = Some(time);
                envelope.whole_second = rest.get(19).is_none_or(|byte| !matches!(byte, b'.' | b','));
                envelope.message = message;
                continue;
            }
            let end = memchr::memchr3(b' ', b'\t', b'\r', rest).unwrap_or(rest.len());
            let Some(message) = after_space(&rest[end..]) else { return envelope };
            let Ok(word) = std::str::from_utf8(&rest[..end]) else { return envelope };
            if is_digit && envelope.stream.is_none() && is_stream(word) {
                envelope.stream = Some(word);
            } else if !is_digit && envelope.group.is_none() && is_group(word, message) {
                envelope.group = Some(word);
            } else {
                return envelope;
            }
            envelope.message = message;
        }
    }

    fn is_present(&self) -> bool {
        self.time.is_some() || self.group.is_some() || self.stream.is_some()
    }
}

/// What follows some white space, if any does.
fn after_space(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.trim_ascii_start();
    (rest.len() < bytes.len()).then_some(rest)
}

/// A log group of a service, or one of another name before a stream or a time: any other path is application output.
fn is_group(word: &str, next: &[u8]) -> bool {
    let next_word = || next.split(u8::is_ascii_whitespace).next().and_then(|word| std::str::from_utf8(word).ok());
    word.starts_with("/aws/")
        || (word.starts_with('/') && (timestamp::iso_prefix(next).is_some() || next_word().is_some_and(is_stream)))
}

/// `2023/06/02/[72]c07fd1e2b3a495867768594a3b2c1d0e`, perhaps with a function name before the bracket.
fn is_stream(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() > 11
        && bytes[..11].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 | 10 => *byte == b'/',
            _ => byte.is_ascii_digit(),
        })
        && word.contains('[')
        && word.contains(']')
}

/// A line without the escape sequences that colour it on a terminal.
fn without_colours(line: &[u8]) -> Cow<'_, [u8]> {
    const ESCAPE: u8 = 0x1b;
    if memchr::memchr(ESCAPE, line).is_none() {
        return Cow::Borrowed(line);
    }
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = memchr::memchr(ESCAPE, rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if rest.first() == Some(&b'[') {
            let end = rest[1..].iter().position(|byte| (0x40..=0x7e).contains(byte));
            rest = end.map_or(&[], |end| &rest[end + 2..]);
        }
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}
