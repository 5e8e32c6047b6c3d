//! Finds the objects in a stream of JSON without holding more than one of them.
//!
//! It only knows where values begin and end, and that they follow each other as they must; what is in a value is for
//! `serde_json`. It notices a value that is cut off at the first byte of the next one, so that one bad row costs no other.

use std::borrow::Cow;
use std::io::BufRead;
use std::ops::Range;

use crate::decompress::available;
use crate::error::IngestError;

/// Largest object that is read, in bytes, without the events inside it.
pub(super) const OBJECT_BYTES_MAX: usize = 16 << 20;

/// Deepest nesting that is read; `serde_json` goes no deeper either.
const DEPTH_MAX: usize = 120;

/// Why a value could not be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// The upload is over.
    Fatal(IngestError),
    /// The text is not what it should be; the stream stands at the byte that was not expected.
    Malformed(&'static str),
}

impl From<IngestError> for Fault {
    fn from(error: IngestError) -> Self {
        Fault::Fatal(error)
    }
}

/// What is said of a file that stops in the middle.
pub(super) const ENDS_INSIDE: &str = "the file ends in the middle of it";

/// No writer breaks a line there, but a value that is cut off may end there; the next line is then another value.
const NO_VALUE_ON_LINE: &str = "expected a value after `:`";

const TOO_LARGE: &str = "it is larger than 16 MiB or nested deeper than 120 levels";

/// JSON text, byte by byte.
pub(super) struct JsonStream<'a> {
    input: &'a mut dyn BufRead,
    /// Bytes read so far.
    pub(super) offset: u64,
    /// Line of the next byte, from 1.
    pub(super) line: u64,
}

/// The fields of one object, as text.
#[derive(Default)]
pub(super) struct Fields {
    text: Vec<u8>,
    ranges: Vec<(Range<usize>, Range<usize>)>,
    overflow: bool,
}

impl Fields {
    /// The JSON text of a field.
    pub(super) fn raw(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.ranges.iter().find(|(key, _)| &self.text[key.clone()] == name.as_bytes())?;
        Some(&self.text[value.clone()])
    }

    /// The value of a field that is a string.
    pub(super) fn string(&self, name: &str) -> Option<String> {
        serde_json::from_slice(self.raw(name)?).ok()
    }

    /// Names and values of the fields: of a string its text, of anything else its JSON.
    pub(super) fn texts(&self) -> Vec<(String, String)> {
        let text = |range: &Range<usize>| String::from_utf8_lossy(&self.text[range.clone()]).into_owned();
        let value = |range: &Range<usize>| serde_json::from_slice(&self.text[range.clone()]).ok();
        self.ranges.iter().map(|(key, range)| (text(key), value(range).unwrap_or_else(|| text(range)))).collect()
    }

    /// Names and the JSON text of values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
        let text = |range: &Range<usize>| &self.text[range.clone()];
        self.ranges.iter().map(move |(key, value)| {
            let written = text(key);
            let name = match written.contains(&b'\\') {
                true => serde_json::from_slice([b"\"", written, b"\""].concat().as_slice()).ok().map(Cow::Owned),
                false => None,
            };
            (name.unwrap_or_else(|| String::from_utf8_lossy(written)), text(value))
        })
    }

    /// The object again, as text.
    pub(super) fn object(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (key, value) in &self.ranges {
            if out.len() > 1 {
                out.push(b',');
            }
            out.push(b'"');
            out.extend_from_slice(&self.text[key.clone()]);
            out.extend_from_slice(b"\":");
            out.extend_from_slice(&self.text[value.clone()]);
        }
        out.push(b'}');
        out
    }

    /// The beginning of an object that broke off.
    pub(super) fn beginning(&self) -> Vec<u8> {
        let mut out = self.object();
        let complete = self.ranges.last().map_or(0, |(_, value)| value.end);
        out.pop();
        out.extend_from_slice(self.text.get(complete..).unwrap_or_default());
        out
    }

    /// Why the object cannot be used although it could be passed over.
    pub(super) fn problem(&self) -> Option<&'static str> {
        self.overflow.then_some(TOO_LARGE)
    }

    fn push(&mut self, key: Range<usize>, value: Range<usize>) {
        if self.overflow {
            self.text.clear();
            self.ranges.clear();
        } else {
            self.ranges.push((key, value));
        }
    }
}

impl<'a> JsonStream<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        JsonStream { input, offset: 0, line: 1 }
    }

    fn fill(&mut self) -> Result<&[u8], IngestError> {
        available(self.input)
    }

    /// The next byte, which stays.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, IngestError> {
        Ok(self.fill()?.first().copied())
    }

    /// Takes one byte that was peeked at.
    pub(super) fn take(&mut self) -> Result<(), IngestError> {
        if let Some(byte) = self.peek()? {
            self.line += u64::from(byte == b'\n');
            self.offset += 1;
            self.input.consume(1);
        }
        Ok(())
    }

    /// The next byte that is no white space, which stays.
    pub(super) fn peek_after_space(&mut self) -> Result<Option<u8>, IngestError> {
        loop {
            let available = self.fill()?;
            if available.is_empty() {
                return Ok(None);
            }
            let space = available.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let next = available.get(space).copied();
            let lines = memchr::memchr_iter(b'\n', &available[..space]).count();
            self.line += lines as u64;
            self.offset += space as u64;
            self.input.consume(space);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    /// Goes to the end of the line, or behind the `{` of something that may be an object, whichever comes first.
    /// True for an object. What was passed over is added to `passed`, up to its capacity.
    pub(super) fn skip_to_object(&mut self, passed: &mut Vec<u8>) -> Result<bool, IngestError> {
        loop {
            let available = self.fill()?;
            if available.is_empty() {
                return Ok(false);
            }
            let end = memchr::memchr2(b'\n', b'{', available);
            let length = end.map_or(available.len(), |end| end + 1);
            let room = passed.capacity() - passed.len();
            passed.extend_from_slice(&available[..length.min(room)]);
            let stop = end.map(|end| available[end]);
            self.line += u64::from(stop == Some(b'\n'));
            self.offset += length as u64;
            self.input.consume(length);
            match stop {
                Some(b'\n') => return Ok(false),
                Some(_) if self.peek_after_space()? == Some(b'"') => return Ok(true),
                _ => {}
            }
        }
    }

    /// Reads the name of the next field, behind `{` or `,`; `None` at the end of the object, which is taken.
    /// `first` is whether nothing came before it.
    pub(super) fn key(&mut self, fields: &mut Fields, first: bool) -> Result<Option<Range<usize>>, Fault> {
        let mut next = self.peek_after_space()?;
        if next == Some(b'}') {
            self.take()?;
            return Ok(None);
        }
        if !first {
            if next != Some(b',') {
                return Err(unexpected(next, "expected `,` or `}` after a value"));
            }
            self.take()?;
            next = self.peek_after_space()?;
        }
        if next != Some(b'"') {
            return Err(unexpected(next, "expected the name of a field in quotes"));
        }
        let begin = fields.text.len();
        self.value(fields)?;
        let next = self.peek_after_space()?;
        if next != Some(b':') {
            return Err(unexpected(next, "expected `:` after the name of a field"));
        }
        self.take()?;
        while let Some(byte @ (b' ' | b'\t' | b'\n' | b'\r')) = self.peek()? {
            if byte == b'\n' {
                return Err(Fault::Malformed(NO_VALUE_ON_LINE));
            }
            self.take()?;
        }
        if fields.overflow {
            return Ok(Some(0..0));
        }
        Ok(Some(begin + 1..fields.text.len() - 1))
    }

    /// The text of a name that [`key`](Self::key) returned.
    pub(super) fn name<'f>(&self, fields: &'f Fields, key: &Range<usize>) -> &'f [u8] {
        fields.text.get(key.clone()).unwrap_or_default()
    }

    /// Reads the value of a field into the fields.
    pub(super) fn field(&mut self, fields: &mut Fields, key: Range<usize>) -> Result<(), Fault> {
        let begin = fields.text.len();
        self.value(fields)?;
        let end = fields.text.len();
        fields.push(key, begin..end);
        Ok(())
    }

    /// Reads one value of any kind and adds its text.
    fn value(&mut self, fields: &mut Fields) -> Result<(), Fault> {
        let mut scan = Scan::default();
        loop {
            let available = self.fill()?;
            if available.is_empty() {
                let scalar = scan.open.is_empty() && scan.depth == 0 && scan.in_scalar;
                return if scalar { Ok(()) } else { Err(Fault::Malformed(ENDS_INSIDE)) };
            }
            let (length, outcome) = scan.run(available);
            let part = &available[..length];
            if fields.text.len() + length > OBJECT_BYTES_MAX || scan.too_deep {
                fields.overflow = true;
                fields.text.clear();
                fields.ranges.clear();
            } else if !fields.overflow {
                fields.text.extend_from_slice(part);
            }
            let lines = memchr::memchr_iter(b'\n', part).count();
            self.line += lines as u64;
            self.offset += length as u64;
            self.input.consume(length);
            match outcome {
                Some(Ok(())) => return Ok(()),
                Some(Err(problem)) => return Err(Fault::Malformed(problem)),
                None => {}
            }
        }
    }
}

fn unexpected(next: Option<u8>, expected: &'static str) -> Fault {
    Fault::Malformed(if next.is_none() { ENDS_INSIDE } else { expected })
}

/// The state of going through one value.
#[derive(Default)]
struct Scan {
    /// What closes the containers that are open.
    open: Vec<u8>,
    /// Containers that are open beyond those.
    depth: u64,
    too_deep: bool,
    in_string: bool,
    escaped: bool,
    in_scalar: bool,
    /// Whether a value has just ended, so that no other may begin.
    after_value: bool,
    /// Whether the next value has to be the name of a field.
    before_key: bool,
    after_colon: bool,
}

impl Scan {
    /// Goes on in the next bytes: how many belong to the value, and whether it ended or went wrong there.
    fn run(&mut self, bytes: &[u8]) -> (usize, Option<Result<(), &'static str>>) {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                    at += 1;
                    continue;
                }
                let Some(stop) = memchr::memchr3(b'"', b'\\', b'\n', &bytes[at..]) else { return (bytes.len(), None) };
                at += stop;
                match bytes[at] {
                    b'\n' => return (at, Some(Err("a line ends inside a string"))),
                    b'\\' => self.escaped = true,
                    _ => {
                        self.in_string = false;
                        self.after_value = true;
                        if self.is_outside() {
                            return (at + 1, Some(Ok(())));
                        }
                    }
                }
                at += 1;
                continue;
            }
            match self.step(bytes[at]) {
                Step::Inside => at += 1,
                Step::Last => return (at + 1, Some(Ok(()))),
                Step::Before => return (at, Some(Ok(()))),
                Step::Wrong(problem) => return (at, Some(Err(problem))),
            }
        }
        (at, None)
    }

    fn is_outside(&self) -> bool {
        self.open.is_empty() && self.depth == 0
    }

    fn step(&mut self, byte: u8) -> Step {
        const NO_COMMA: &str = "expected `,` or the end between two values";
        const NO_KEY: &str = "expected the name of a field in quotes";
        let scalar = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if scalar {
            if self.after_value && !self.in_scalar {
                return Step::Wrong(NO_COMMA);
            }
            if self.before_key {
                return Step::Wrong(NO_KEY);
            }
            self.in_scalar = true;
            self.after_value = true;
            self.after_colon = false;
            return Step::Inside;
        }
        if self.in_scalar && self.is_outside() {
            return Step::Before;
        }
        self.in_scalar = false;
        let after_colon = std::mem::take(&mut self.after_colon);
        match byte {
            b'"' | b'{' | b'[' if self.after_value => Step::Wrong(NO_COMMA),
            b'{' | b'[' if self.before_key => Step::Wrong(NO_KEY),
            b'"' => {
                self.in_string = true;
                self.before_key = false;
                Step::Inside
            }
            b'{' => self.enter(b'}'),
            b'[' => self.enter(b']'),
            b'}' | b']' => self.leave(byte),
            b',' | b':' if self.is_outside() || !self.after_value => Step::Wrong("expected a value"),
            b',' | b':' => {
                self.after_value = false;
                self.before_key = byte == b',' && self.depth == 0 && self.open.last() == Some(&b'}');
                self.after_colon = byte == b':';
                Step::Inside
            }
            b'\n' if after_colon => Step::Wrong(NO_VALUE_ON_LINE),
            _ if byte.is_ascii_whitespace() && !self.is_outside() => {
                self.after_colon = after_colon;
                Step::Inside
            }
            _ => Step::Wrong("expected a JSON value"),
        }
    }

    fn enter(&mut self, closing: u8) -> Step {
        if self.open.len() < DEPTH_MAX {
            self.open.push(closing);
            self.before_key = closing == b'}';
        } else {
            self.too_deep = true;
            self.depth += 1;
        }
        Step::Inside
    }

    fn leave(&mut self, closing: u8) -> Step {
        if self.depth > 0 {
            self.depth -= 1;
        } else if self.open.pop() != Some(closing) {
            return Step::Wrong("expected another closing bracket");
        }
        self.after_value = true;
        self.before_key = false;
        if self.is_outside() { Step::Last } else { Step::Inside }
    }
}

enum Step {
    /// The byte belongs to the value, and more follow.
    Inside,
    /// The byte is the last of the value.
    Last,
    /// The value ended before the byte.
    Before,
    /// The byte cannot be there.
    Wrong(&'static str),
}
