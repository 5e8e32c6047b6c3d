//! A JSON object a line; numbers keep the digits they are written with
use std::collections::BTreeMap;
use std::io::BufRead;

use serde_json::value::RawValue;

use super::{Row, RowReader, Values, columns_of};
use crate::error::IngestError;
use crate::format::Sink;
use crate::format::line::{Line, Lines};
use crate::record::RejectedRow;

/// Reads lines up to the end.
pub(super) fn read(
    input: &mut dyn BufRead,
    sink: &mut dyn Sink,
    reader: &mut RowReader<'_>,
) -> Result<(), IngestError> {
    let columns: Vec<&str> = columns_of(reader.mapping).collect();
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next()? {
        if line.too_long {
            sink.reject(line.rejected_too_long())?;
            continue;
        }
        if line.bytes.trim_ascii().is_empty() {
            continue;
        }
        match JsonRow::read(line, &columns) {
            Ok(row) => reader.take(&row, sink)?,
            Err(reason) => sink.reject(line.rejected(reason))?,
        }
    }
    Ok(())
}

struct JsonRow<'a> {
    line: Line<'a>,
    values: BTreeMap<&'a str, String>,
}

impl<'a> JsonRow<'a> {
    fn read(line: Line<'a>, columns: &[&'a str]) -> Result<Self, String> {
        let text = std::str::from_utf8(line.bytes).map_err(|_| "the line is not valid UTF-8".to_owned())?;
        let object: BTreeMap<String, &RawValue> =
            serde_json::from_str(text).map_err(|error| format!("expected a JSON object: {error}"))?;
        let mut values = BTreeMap::new();
        for column in columns {
            if let Some(value) = value(&object, column)? {
                values.insert(*column, value);
            }
        }
        Ok(Self { line, values })
    }
}

/// The value at a name, or at a path of names with points between them.
pub(in crate::format) fn value(object: &BTreeMap<String, &RawValue>, path: &str) -> Result<Option<String>, String> {
    if let Some(raw) = object.get(path) {
        return text(raw, path);
    }
    let Some((first, rest)) = path.split_once('.') else { return Ok(None) };
    let Some(inner) = object.get(first) else { return Ok(None) };
    match serde_json::from_str::<BTreeMap<String, &RawValue>>(inner.get()) {
        Ok(inner) => value(&inner, rest),
        Err(_) => Ok(None),
    }
}

/// A text, or a number as it is written; nothing where it is null or empty.
pub(in crate::format) fn text(raw: &RawValue, path: &str) -> Result<Option<String>, String> {
    let raw = raw.get();
    match raw.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(raw).map_err(|error| format!("`{path}`: {error}"))?;
            Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
        }
        Some(b'n') => Ok(None),
        Some(b'{' | b'[') => Err(format!("`{path}` is an object or a list, expected a text or a number")),
        _ => Ok(Some(raw.to_owned())),
    }
}

impl Values for JsonRow<'_> {
    fn value(&self, column: &str) -> Option<&str> {
        self.values.get(column).map(String::as_str)
    }
}

impl Row for JsonRow<'_> {
    fn rejected(&self, reason: String) -> RejectedRow {
        self.line.rejected(reason)
    }
}
