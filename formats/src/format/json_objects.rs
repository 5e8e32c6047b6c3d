//! The objects of a JSON file one by one: an array, an object a line, or objects behind each other.

use std::io::BufRead;

use crate::error::IngestError;
use crate::format::json_stream::{Fault, Fields, JsonStream};
use crate::format::line::Place;

/// Raw text between objects that is kept for the rejected row, in bytes.
const RAW_BYTES_MAX: usize = 256;

/// What stands at a place of the file.
pub(super) enum Found<'a> {
    /// An object.
    Object(&'a Fields),
    /// Something that is none, with what is wrong and how it begins.
    Broken(String, &'a [u8]),
}

/// Reads to the end and hands over every object and everything that is none. What follows a broken object and may be
/// its rest is no second loss: objects there count only if `on_found` says that they are what it looks for.
pub(super) fn each(
    input: &mut dyn BufRead,
    on_found: &mut dyn FnMut(Place, Found<'_>, bool) -> Result<bool, IngestError>,
) -> Result<(), IngestError> {
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
                    on_found(place, Found::Broken("expected a JSON object".into(), &text), false)?;
                    after_broken = true;
                }
                if !object {
                    continue;
                }
            }
        }
        let mut fields = Fields::default();
        match object(&mut stream, &mut fields) {
            Ok(()) => {
                if let Some(problem) = fields.problem() {
                    on_found(place, Found::Broken(problem.into(), b""), false)?;
                    after_broken = false;
                } else if on_found(place, Found::Object(&fields), after_broken)? {
                    after_broken = false;
                }
            }
            Err(Fault::Fatal(error)) => return Err(error),
            Err(Fault::Malformed(problem)) => {
                let beginning = fields.beginning();
                // The rest of a broken object is not one more, unless it is seen to be an entry itself.
                on_found(place, Found::Broken(format!("not valid JSON: {problem}"), &beginning), after_broken)?;
                after_broken = true;
            }
        }
    }
    match array {
        Some(place) if arrays > 0 && !after_broken => {
            let problem = "the file ends in the middle of an array: entries may be missing".to_owned();
            on_found(place, Found::Broken(problem, b"["), false).map(|_| ())
        }
        _ => Ok(()),
    }
}

/// Reads the fields of an object behind its `{`.
fn object(stream: &mut JsonStream<'_>, fields: &mut Fields) -> Result<(), Fault> {
    let mut first = true;
    while let Some(key) = stream.key(fields, first)? {
        first = false;
        stream.field(fields, key)?;
    }
    Ok(())
}
