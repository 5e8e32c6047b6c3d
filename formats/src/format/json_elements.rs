//! The elements of arrays inside JSON objects, one by one, so that a page of any size takes no more memory than a row.

use std::io::{BufRead, Cursor, Read};

use crate::decompress::available;
use crate::error::IngestError;
use crate::format::json_stream::{ENDS_INSIDE, Fault, Fields, JsonStream};
use crate::format::line::Place;

/// Raw text between objects that is kept for the rejected row, in bytes.
const RAW_BYTES_MAX: usize = 256;

/// Arrays in each other that are entered.
const DEPTH_MAX: usize = 3;

/// What stands at a place of the file.
pub(super) enum Element<'a> {
    /// An object of the outermost level; of one with arrays that were entered there are only their elements.
    Object(&'a Fields),
    /// An element of an array that was entered: what came before it in the object around it, and its JSON text.
    Inner(&'a Fields, &'a [u8]),
    /// Something that is neither, with what is wrong and how it begins.
    Broken(String, &'a [u8]),
}

/// What takes the elements. True says that it is what was looked for, which counts behind something broken: what
/// follows there may be its rest, and that is no second loss.
type OnElement<'f> = dyn FnMut(Place, Element<'_>, bool) -> Result<bool, IngestError> + 'f;

/// Reads to the end and hands over every element of the arrays in fields of these names, every object of the outermost
/// level, and everything that is none.
pub(super) fn each(input: &mut dyn BufRead, enter: &[&str], on_element: &mut OnElement<'_>) -> Result<(), IngestError> {
    let mut stream = JsonStream::new(input);
    let mut array: Option<Place> = None;
    let mut arrays = 0_u64;
    let mut after_broken = false;
    while let Some(byte) = stream.peek_after_space()? {
        let place = Place { line: Some(stream.line), offset: stream.offset };
        match byte {
            b',' | b'}' => {
                stream.take()?;
                continue;
            }
            b'[' | b']' => {
                stream.take()?;
                if byte == b']' {
                    arrays = arrays.saturating_sub(1);
                } else if matches!(stream.peek_after_space()?, Some(b'{' | b'[' | b']')) {
                    arrays += 1;
                    array.get_or_insert(place);
                }
                continue;
            }
            b'{' => stream.take()?,
            _ => {
                let mut text = Vec::with_capacity(RAW_BYTES_MAX);
                let object = stream.skip_to_object(&mut text)?;
                if !after_broken {
                    on_element(place, Element::Broken("expected a JSON object".into(), &text), false)?;
                    after_broken = true;
                }
                if !object {
                    continue;
                }
            }
        }
        let mut fields = Fields::default();
        let mut walk = Walk { enter, entered: false, at: place, on_element };
        let outcome = walk.object(&mut stream, &mut fields, 0);
        let (entered, broke_at) = (walk.entered, walk.at);
        match outcome {
            Ok(_) => {
                if let Some(problem) = fields.problem() {
                    on_element(place, Element::Broken(problem.into(), b""), false)?;
                    after_broken = false;
                } else if entered || on_element(place, Element::Object(&fields), after_broken)? {
                    after_broken = false;
                }
            }
            Err(Fault::Fatal(error)) => return Err(error),
            Err(Fault::Malformed(problem)) => {
                let beginning = if entered { Vec::new() } else { fields.beginning() };
                let problem = format!("not valid JSON: {problem}");
                on_element(broke_at, Element::Broken(problem, &beginning), after_broken && !entered)?;
                after_broken = true;
            }
        }
    }
    match array {
        Some(place) if arrays > 0 && !after_broken => {
            let problem = "the file ends in the middle of an array: entries may be missing".to_owned();
            on_element(place, Element::Broken(problem, b"["), false).map(|_| ())
        }
        _ => Ok(()),
    }
}

struct Walk<'w, 'f> {
    enter: &'w [&'w str],
    /// Whether an array was entered.
    entered: bool,
    /// Where what is being read begins.
    at: Place,
    on_element: &'w mut OnElement<'f>,
}

impl Walk<'_, '_> {
    /// Reads the fields of an object behind its `{`; whether arrays in it were entered.
    fn object(&mut self, stream: &mut JsonStream<'_>, fields: &mut Fields, depth: usize) -> Result<bool, Fault> {
        let mut first = true;
        let mut entered = false;
        while let Some(key) = stream.key(fields, first)? {
            first = false;
            let name = stream.name(fields, &key);
            let enters = depth < DEPTH_MAX && self.enter.iter().any(|wanted| wanted.as_bytes() == name);
            if enters && stream.peek_after_space()? == Some(b'[') {
                stream.take()?;
                entered = true;
                self.entered = true;
                self.array(stream, fields, depth + 1)?;
            } else {
                stream.field(fields, key)?;
            }
        }
        Ok(entered)
    }

    /// Hands over the elements of an array behind its `[`; of an object with arrays that are entered, theirs instead.
    fn array(&mut self, stream: &mut JsonStream<'_>, around: &Fields, depth: usize) -> Result<(), Fault> {
        let mut first = true;
        loop {
            let mut next = stream.peek_after_space()?;
            if next == Some(b']') {
                stream.take()?;
                return Ok(());
            }
            if !std::mem::take(&mut first) {
                match next {
                    Some(b',') => stream.take()?,
                    Some(_) => return Err(Fault::Malformed("expected `,` or `]` behind an element of an array")),
                    None => return Err(Fault::Malformed(ENDS_INSIDE)),
                }
                next = stream.peek_after_space()?;
            }
            let at = Place { line: Some(stream.line), offset: stream.offset };
            self.at = at;
            let mut element = Fields::default();
            let value = if next == Some(b'{') {
                stream.take()?;
                if self.object(stream, &mut element, depth)? {
                    continue;
                }
                element.object()
            } else {
                stream.field(&mut element, 0..0)?;
                element.raw("").unwrap_or_default().to_vec()
            };
            match element.problem() {
                Some(problem) => (self.on_element)(at, Element::Broken(problem.into(), b""), false)?,
                None => (self.on_element)(at, Element::Inner(around, &value), false)?,
            };
        }
    }
}

/// White space and a byte order mark that are looked through for the first character of a file, in bytes.
const LEAD_BYTES_MAX: usize = 4096;

/// Whether a file is JSON, by its first character, and the file from its beginning. In front of JSON a byte order mark
/// becomes blanks, so that places stay what they are.
pub(super) fn is_json(input: &mut dyn BufRead) -> Result<(bool, impl BufRead), IngestError> {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    let mut lead = Vec::new();
    let first = loop {
        match available(input)?.first().copied() {
            Some(byte) if byte.is_ascii_whitespace() || MARK.get(lead.len()) == Some(&byte) => lead.push(byte),
            other => break other,
        }
        input.consume(1);
        if lead.len() == LEAD_BYTES_MAX {
            break None;
        }
    };
    let is_json = matches!(first, Some(b'{' | b'['));
    if is_json && lead.starts_with(MARK) {
        lead[..MARK.len()].fill(b' ');
    }
    Ok((is_json, Cursor::new(lead).chain(input)))
}

/// The same of the head of a file: the JSON behind white space and a byte order mark.
pub(super) fn json_in(head: &[u8]) -> Option<&[u8]> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    matches!(text.first(), Some(b'{' | b'[')).then_some(text)
}
