//! The objects of a JSON file one by one, also those in an array inside an object: `{"Records":[…]}`, `{"events":[…]}`.
//!
//! Only the object at hand is in memory, however long the array around it is.

use std::io::BufRead;

use crate::error::IngestError;
use crate::format::json_stream::{Fault, Fields, JsonStream};
use crate::format::line::Place;

/// Raw text between objects that is kept for the rejected row, in bytes.
const RAW_BYTES_MAX: usize = 256;

/// What stands at a place of the file.
pub(super) enum Found<'a> {
    /// An object, and the fields that stand before it in the object around it, if there is one.
    Object(&'a Fields, Option<&'a Fields>),
    /// Something that is none, with what is wrong and how it begins.
    Broken(String, &'a [u8]),
}

/// Takes what is found at a place. What follows a broken object may be its rest (the last argument): an object there
/// counts only if it is of the kind that is looked for, which is what the answer says.
pub(super) type OnFound<'a> = dyn FnMut(Place, Found<'_>, bool) -> Result<bool, IngestError> + 'a;

/// Reads to the end. An object with an array of one of these names is not handed over itself, but what is in the array.
pub(super) fn each(
    input: &mut dyn BufRead,
    arrays_named: &[&str],
    on_found: &mut OnFound<'_>,
) -> Result<(), IngestError> {
    let mut walk = Walk { arrays_named, on_found, after_broken: false, lost: false };
    let mut stream = JsonStream::new(input);
    let mut array: Option<Place> = None;
    let mut arrays = 0_u64;
    while let Some(byte) = stream.peek_after_space()? {
        let place = Place { line: Some(stream.line), offset: stream.offset };
        match byte {
            b',' | b'}' => {
                stream.take()?;
                walk.lost &= byte == b',';
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
                // Behind an array that was left in the middle come the other fields of the object around it.
                if !walk.after_broken && !walk.lost {
                    (walk.on_found)(place, Found::Broken("expected a JSON object".into(), &text), false)?;
                    walk.after_broken = true;
                }
                walk.lost &= !text.trim_ascii_end().ends_with(b"}");
                if !object {
                    continue;
                }
            }
        }
        let mut fields = Fields::default();
        let outcome = walk.object(&mut stream, &mut fields, place, None);
        walk.ended(outcome, &fields, place)?;
    }
    match array {
        Some(place) if arrays > 0 && !walk.after_broken => {
            (walk.on_found)(place, Found::Broken(ARRAY_ENDS.into(), b"["), false).map(|_| ())
        }
        _ => Ok(()),
    }
}

struct Walk<'w, 'f> {
    arrays_named: &'w [&'w str],
    on_found: &'w mut OnFound<'f>,
    after_broken: bool,
    /// Whether an array was left in the middle, and the object around it goes on.
    lost: bool,
}

impl Walk<'_, '_> {
    /// Reads an object behind its `{` and hands it over.
    fn object(
        &mut self,
        stream: &mut JsonStream<'_>,
        fields: &mut Fields,
        place: Place,
        outer: Option<&Fields>,
    ) -> Result<(), Fault> {
        let mut first = true;
        let mut has_array = false;
        while let Some(key) = stream.key(fields, first)? {
            first = false;
            let name = stream.name(fields, &key);
            let named = outer.is_none() && self.arrays_named.iter().any(|array| array.as_bytes() == name);
            if named && stream.peek()? == Some(b'[') {
                has_array = true;
                self.array(stream, fields)?;
            } else {
                stream.field(fields, key)?;
            }
        }
        if let Some(problem) = fields.problem() {
            (self.on_found)(place, Found::Broken(problem.into(), b""), false)?;
            self.after_broken = false;
        } else if !has_array && (self.on_found)(place, Found::Object(fields, outer), self.after_broken)? {
            self.after_broken = false;
        }
        Ok(())
    }

    /// Reads the objects of an array inside an object.
    fn array(&mut self, stream: &mut JsonStream<'_>, outer: &Fields) -> Result<(), Fault> {
        stream.take()?;
        loop {
            let next = stream.peek_after_space()?;
            let place = Place { line: Some(stream.line), offset: stream.offset };
            match next {
                Some(b'{') => {
                    stream.take()?;
                    let mut fields = Fields::default();
                    let outcome = self.object(stream, &mut fields, place, Some(outer));
                    if let Err(fault) = outcome {
                        self.ended(Err(fault), &fields, place)?;
                        self.lost = true;
                        return Err(Fault::Malformed(LEFT));
                    }
                }
                Some(b',') => stream.take()?,
                Some(b']') => {
                    stream.take()?;
                    return Ok(());
                }
                None => return Err(Fault::Malformed(ARRAY_ENDS)),
                Some(_) => return Err(Fault::Malformed("expected an object in the array")),
            }
        }
    }

    /// Tells of an object that broke off.
    fn ended(&mut self, outcome: Result<(), Fault>, fields: &Fields, place: Place) -> Result<(), IngestError> {
        match outcome {
            Ok(()) => Ok(()),
            Err(Fault::Fatal(error)) => Err(error),
            // The object inside the array has been told of.
            Err(Fault::Malformed(LEFT)) => Ok(()),
            Err(Fault::Malformed(problem)) => {
                let beginning = fields.beginning();
                let problem = match problem {
                    ARRAY_ENDS => problem.to_owned(),
                    _ => format!("not valid JSON: {problem}"),
                };
                (self.on_found)(place, Found::Broken(problem, &beginning), self.after_broken)?;
                self.after_broken = true;
                Ok(())
            }
        }
    }
}

const ARRAY_ENDS: &str = "the file ends in the middle of an array: entries may be missing";

/// Stands for what has been told.
const LEFT: &str = "left an array in the middle";
