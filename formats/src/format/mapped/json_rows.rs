//! A JSON object a line; numbers keep the digits they are written with.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::BufRead;

use serde_json::value::RawValue;

use super::{Row, RowReader, Values};
use crate::error::IngestError;
use crate::format::Sink;
use crate::format::csv_table::trimmed;
use crate::format::line::{Line, Lines};
use crate::record::RejectedRow;

/// Reads lines up to the end.
pub(super) fn read(
    input: &mut dyn BufRead,
    sink: &mut dyn Sink,
    reader: &mut RowReader<'_>,
) -> Result<(), IngestError> {
    let columns = reader.columns.clone();
    let mut layout = Layout::new(&columns);
    Lines::new(input).each(|line| {
        if line.too_long {
            return sink.reject(line.rejected_too_long());
        }
        if line.bytes.trim_ascii().is_empty() {
            return Ok(());
        }
        let row = match layout.flat_row(line) {
            Some(row) => Ok(row),
            None => JsonRow::read(line, &columns),
        };
        match row {
            Ok(row) => reader.take(&row, sink),
            Err(reason) => sink.reject(line.rejected(reason)),
        }
    })
}

struct JsonRow<'a> {
    line: Line<'a>,
    /// By the places of the columns.
    values: Vec<Option<Cow<'a, str>>>,
}

impl<'a> JsonRow<'a> {
    fn read(line: Line<'a>, columns: &[&str]) -> Result<Self, String> {
        let text = std::str::from_utf8(line.bytes).map_err(|_| "the line is not valid UTF-8".to_owned())?;
        let object: BTreeMap<String, &RawValue> =
            serde_json::from_str(text).map_err(|error| format!("expected a JSON object: {error}"))?;
        let values = columns.iter().map(|column| found(&object, column));
        Ok(Self { line, values: values.collect::<Result<_, _>>()? })
    }
}

/// The value at a name, or at a path of names with points between them.
pub(in crate::format) fn value(object: &BTreeMap<String, &RawValue>, path: &str) -> Result<Option<String>, String> {
    Ok(found(object, path)?.map(Cow::into_owned))
}

fn found<'a>(object: &BTreeMap<String, &'a RawValue>, path: &str) -> Result<Option<Cow<'a, str>>, String> {
    if let Some(raw) = object.get(path) {
        return borrowed_text(raw, path);
    }
    let Some((first, rest)) = path.split_once('.') else { return Ok(None) };
    let Some(inner) = object.get(first) else { return Ok(None) };
    match serde_json::from_str::<BTreeMap<String, &RawValue>>(inner.get()) {
        Ok(inner) => found(&inner, rest),
        Err(_) => Ok(None),
    }
}

/// A text, or a number as it is written; nothing where it is null or empty.
pub(in crate::format) fn text(raw: &RawValue, path: &str) -> Result<Option<String>, String> {
    Ok(borrowed_text(raw, path)?.map(Cow::into_owned))
}

fn borrowed_text<'a>(raw: &'a RawValue, path: &str) -> Result<Option<Cow<'a, str>>, String> {
    let raw = raw.get();
    match raw.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(raw).map_err(|error| format!("`{path}`: {error}"))?;
            Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()).map(Cow::from))
        }
        Some(b'n') => Ok(None),
        Some(b'{' | b'[') => Err(format!("`{path}` is an object or a list, expected a text or a number")),
        _ => Ok(Some(raw.into())),
    }
}

impl Values for JsonRow<'_> {
    fn value(&self, place: usize) -> Option<&str> {
        self.values.get(place)?.as_deref()
    }
}

impl Row for JsonRow<'_> {
    fn rejected(&self, reason: String) -> RejectedRow {
        self.line.rejected(reason)
    }
}

/// How the objects of a file look: most are flat, and have the same names in the same order as the one before.
struct Layout<'a> {
    columns: &'a [&'a str],
    /// Whether a path may lead into an object.
    has_paths: bool,
    /// The names of the last object, as written with quotes and colon, and the places of the columns they are.
    members: Vec<(Vec<u8>, Option<usize>)>,
}

impl<'a> Layout<'a> {
    fn new(columns: &'a [&'a str]) -> Self {
        Self { columns, has_paths: columns.iter().any(|column| column.contains('.')), members: Vec::new() }
    }

    /// Reads an object without inner ones, without escapes and without space between its parts. `None` where anything
    /// is different or wrong: the library then reads the line or says what is wrong with it.
    fn flat_row<'l>(&mut self, line: Line<'l>) -> Option<JsonRow<'l>> {
        if self.has_paths || line.bytes.iter().any(|byte| *byte < 0x20) {
            return None;
        }
        let text = std::str::from_utf8(line.bytes).ok()?;
        let mut values: Vec<Option<Cow<'l, str>>> = vec![None; self.columns.len()];
        let mut rest = text.strip_prefix('{')?;
        let mut member = 0;
        loop {
            let place = self.name(member, &mut rest)?;
            let value = flat_value(&mut rest)?;
            if let Some(slot) = place.and_then(|place| values.get_mut(place)) {
                *slot = value.map(Cow::Borrowed);
            }
            member += 1;
            let (next, after) = rest.split_at_checked(1)?;
            rest = after;
            match next {
                "," => {}
                "}" if rest.is_empty() => return Some(JsonRow { line, values }),
                _ => return None,
            }
        }
    }

    /// Takes the next name off the text; the place of its column, if it is one.
    fn name(&mut self, member: usize, rest: &mut &str) -> Option<Option<usize>> {
        if let Some((name, place)) = self.members.get(member)
            && rest.as_bytes().starts_with(name)
        {
            *rest = rest.get(name.len()..)?;
            return Some(*place);
        }
        let end = memchr::memchr2(b'"', b'\\', rest.strip_prefix('"')?.as_bytes())?;
        let name = rest.get(1..end + 1)?;
        let written = rest.get(..end + 3)?;
        // The same name twice is for the library to judge.
        let known = &self.members[..member.min(self.members.len())];
        if !written.ends_with("\":") || known.iter().any(|(known, _)| known.as_slice() == written.as_bytes()) {
            return None;
        }
        let place = self.columns.iter().position(|column| *column == name);
        self.members.truncate(member);
        self.members.push((written.as_bytes().to_vec(), place));
        *rest = rest.get(written.len()..)?;
        Some(place)
    }
}

/// Takes the next value off the text: a text, a plain number, or one of the three words.
fn flat_value<'l>(rest: &mut &'l str) -> Option<Option<&'l str>> {
    let bytes = rest.as_bytes();
    let (value, length) = match bytes.first()? {
        b'"' => {
            let end = memchr::memchr2(b'"', b'\\', &bytes[1..])?;
            if bytes[end + 1] == b'\\' {
                return None;
            }
            (Some(trimmed(&rest[1..end + 1])).filter(|text| !text.is_empty()), end + 2)
        }
        b'0'..=b'9' => {
            let whole = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let fraction = match bytes.get(whole) {
                Some(b'.') => bytes[whole + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count() + 1,
                _ => 0,
            };
            let length = whole + fraction;
            // What JSON does not allow, and exponents, are for the library.
            if fraction == 1 || (whole > 1 && bytes[0] == b'0') || matches!(bytes.get(length), Some(b'e' | b'E')) {
                return None;
            }
            (Some(&rest[..length]), length)
        }
        b'n' if bytes.starts_with(b"null") => (None, 4),
        b't' if bytes.starts_with(b"true") => (Some(&rest[..4]), 4),
        b'f' if bytes.starts_with(b"false") => (Some(&rest[..5]), 5),
        _ => return None,
    };
    *rest = rest.get(length..)?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> Line<'_> {
        Line { number: 1, offset: 0, bytes: text.as_bytes(), too_long: false, ended: true }
    }

    /// What is read without the library is what the library reads.
    fn agree(layout: &mut Layout<'_>, text: &str) -> bool {
        let Some(flat) = layout.flat_row(line(text)) else { return false };
        let read = JsonRow::read(line(text), layout.columns).expect(text);
        assert_eq!(flat.values, read.values, "{text}");
        true
    }

    #[test]
    fn flat_objects_are_read_as_the_library_reads_them() {
        let mut layout = Layout::new(&["a", "b", "c"]);
        for text in [
            r#"{"a":"x","b":1.50,"c":null}"#,
            r#"{"a":" x ","b":0,"c":""}"#,
            r#"{"b":true,"x":false,"a":"é","c":12345678901234567890}"#,
            r#"{"a":"x","b":1.50,"c":null,"d":0.10}"#,
        ] {
            assert!(agree(&mut layout, text), "{text}");
        }
        for text in [
            "",
            "{}",
            "{",
            r#"{"a":"x","a":"y"}"#,
            r#"{"a":"x\n"}"#,
            r#"{"a": 1}"#,
            r#"{"a":1} "#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":1e5}"#,
            r#"{"a":-1}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":[1]}"#,
            r#"{"a":nul}"#,
            r#"{"a":1,}"#,
            r#"{"a":1"b":2}"#,
            r#"{"a":"x"#,
            r#"{a:1}"#,
            "{\"a\":\"\t\"}",
        ] {
            assert!(layout.flat_row(line(text)).is_none(), "{text}");
        }
        assert!(Layout::new(&["a.b"]).flat_row(line(r#"{"a":1}"#)).is_none(), "a path may lead into an object");
    }

    proptest! {
        #[test]
        fn whatever_is_taken_for_flat_is_json(text in r#"\{("[abc]":("[ x\\"é]{0,3}"|[0-9.e-]{1,4}|true|null|\{\}),?){0,4}\}?"#) {
            let mut layout = Layout::new(&["a", "b", "c"]);
            agree(&mut layout, r#"{"a":1,"b":2,"c":3}"#);
            agree(&mut layout, &text);
        }
    }
}
