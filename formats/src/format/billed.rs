//! What formats of billing exports share: rows of CSV or of JSON objects, their columns by any spelling of their names,
//! amounts, times, tags, and keys of lines that have no id.
//!
//! A format says which columns it looks for when it sees the header ([`LineReader::columns`]) and makes a record of each
//! row ([`LineReader::line`]). What it does not ask a row for is kept by [`Row::others`].

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read};

use serde_json::value::RawValue;

use crate::decompress::ingest_error;
use crate::error::IngestError;
use crate::format::Sink;
use crate::format::csv_table::{self, CsvRow, TableReader};
use crate::format::json_objects::{self, Found};
use crate::format::json_stream::Fields;
use crate::record::{Record, RecordKey, RejectedRow};

mod columns;
mod values;

pub(super) use columns::{Column, Columns, Copied, Places, Row, number, text};
use values::json_value;
pub(super) use values::{entries_of, month_of, provider_of, says_bad_tags, tags, time};

/// Longest first line that is looked at before reading begins, in bytes.
const FIRST_LINE_BYTES_MAX: u64 = 1 << 20;
/// Most columns that the objects of a file may have together.
const COLUMNS_MAX: usize = 4_000;
/// Lines without an id whose occurrences are counted: about 90 MB.
const COUNTED_LINES_MAX: usize = 3_500_000;

/// What turns the rows of an export into records.
pub(super) trait LineReader {
    /// A word that stands for no value, beside nothing at all, and columns in which it cannot be anything else: in a row
    /// where it is in none of them it is text, as a bucket may be called `NULL`.
    fn null_word(&self) -> Option<(&'static str, &Places)> {
        None
    }
    /// Looks up columns; called again when JSON objects bring new ones. `all` says that there will be no others, so that
    /// what is required can be missed.
    ///
    /// # Errors
    /// When lines with such columns cannot be read.
    fn columns(&mut self, columns: &Columns, all: bool, sink: &mut dyn Sink) -> Result<(), IngestError>;
    /// The record of a row; none for a row that is no line of the bill.
    ///
    /// # Errors
    /// What is wrong with the row, naming the column.
    fn line(&mut self, row: &Row<'_>, sink: &mut dyn Sink) -> Result<Option<Record>, String>;
    /// Further records of the row whose record was just handed over.
    fn further(&mut self) -> Vec<Record> {
        Vec::new()
    }
    /// Whether the fields of objects in JSON are columns of their own: `service.id`.
    fn flattens(&self) -> bool {
        false
    }
}

/// Reads an export up to its end: CSV with a header, or JSON objects in any arrangement.
pub(super) fn read(
    input: &mut dyn BufRead,
    delimiter: Option<u8>,
    reader: &mut dyn LineReader,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    // So that what is decided by the first line does not depend on how the file comes in pieces.
    let mut first = Vec::new();
    let mut first_line = Read::take(&mut *input, FIRST_LINE_BYTES_MAX);
    first_line.read_until(b'\n', &mut first).map_err(ingest_error)?;
    let marked = if first.starts_with(MARK) { MARK.len() } else { 0 };
    let begins = first[marked..].trim_ascii_start().first().copied();
    let mut whole = first.as_slice().chain(input);
    match begins {
        Some(b'{' | b'[') => {
            whole.consume(marked);
            Objects { columns: Columns::default(), reader }.read(&mut whole, sink)
        }
        _ => {
            let mut table = Table { columns: Columns::default(), values: None, reader };
            csv_table::read(&mut whole, delimiter, &mut table, sink)
        }
    }
}

const MARK: &[u8] = b"\xEF\xBB\xBF";

/// The names of the columns at the head of a file, for detection: the header of a CSV, or the names in the first object.
pub(super) fn names_of(head: &[u8]) -> Option<Vec<String>> {
    let head = head.strip_prefix(MARK).unwrap_or(head);
    if !matches!(head.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return csv_table::header_of(head);
    }
    let mut names = None;
    let mut input = head;
    let read = json_objects::each(&mut input, &mut |_, found, _| {
        match found {
            Found::Object(fields) if names.is_none() => {
                names = Some(fields.iter().map(|(name, _)| name.into_owned()).collect());
            }
            _ => {}
        }
        Ok(true)
    });
    read.ok().and(names)
}

/// A name without case and separators: `lineItem/UnblendedCost` and `line_item_unblended_cost` are one. Of a name in
/// another language the English one in brackets: `Abonnement-GUID (SubscriptionGuid)`.
pub(super) fn plain(name: &str) -> String {
    let name = match name.trim().strip_suffix(')').and_then(|name| name.rsplit_once('(')) {
        Some((_, inner)) if !inner.is_empty() => inner,
        _ => name,
    };
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Keys of lines that have no id: their content, and how often it has occurred in the file, as equal lines are
/// legitimate. At most 3.5 million are remembered, in about 90 MB; behind them another count begins, whose keys differ
/// from those before.
#[derive(Default)]
pub(super) struct Occurrences {
    seen: HashMap<[u8; 16], u32>,
    round: u32,
}

impl Occurrences {
    /// The key of the next line of this content.
    pub(super) fn key(&mut self, kind: &str, content: RecordKey) -> RecordKey {
        if self.seen.len() >= COUNTED_LINES_MAX && !self.seen.contains_key(&content.0) {
            self.seen.clear();
            self.round += 1;
        }
        let occurrence = self.seen.entry(content.0).or_default();
        *occurrence += 1;
        let (occurrence, round) = (occurrence.to_string(), self.round.to_string());
        RecordKey::of(&[Some(kind), Some("row"), Some(&hex::encode(content.0)), Some(&occurrence), Some(&round)])
    }
}

/// Reads CSV.
struct Table<'a> {
    columns: Columns,
    /// How many values the first row has.
    values: Option<usize>,
    reader: &'a mut dyn LineReader,
}

impl TableReader for Table<'_> {
    fn header(&mut self, names: &[String], sink: &mut dyn Sink) -> Result<(), IngestError> {
        self.columns = Columns::of(names);
        self.reader.columns(&self.columns, true, sink)
    }

    /// Some exports have the name of a column that is in no row. A row that is shorter than the first is cut off.
    fn takes(&mut self, values: usize, all: usize, sink: &mut dyn Sink) -> bool {
        let first = *self.values.get_or_insert_with(|| {
            if values + 1 == all {
                sink.warn(format!(
                    "the rows have {values} values, the header {all} columns: the last one is taken as empty"
                ));
            }
            values
        });
        values == all || (values == first && values + 1 == all)
    }

    fn row(&mut self, csv_row: &CsvRow<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let values = (0..self.columns.names.len()).map(|place| csv_row.text(place).map(Cow::Borrowed)).collect();
        let row = Row::new(&self.columns, csv_row.line(), values, self.reader.null_word());
        match self.reader.line(&row, sink) {
            Ok(Some(record)) => {
                sink.record(record)?;
                self.reader.further().into_iter().try_for_each(|record| sink.record(record))
            }
            Ok(None) => Ok(()),
            Err(reason) => sink.reject(csv_row.rejected(reason)),
        }
    }
}

/// Reads JSON objects, each of which may leave out columns.
struct Objects<'a> {
    columns: Columns,
    reader: &'a mut dyn LineReader,
}

impl Objects<'_> {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> Result<(), IngestError> {
        // The place of each name as it is written.
        let mut places: HashMap<String, usize> = HashMap::new();
        json_objects::each(input, &mut |place, found, after_broken| {
            let fields = match found {
                Found::Broken(problem, beginning) => {
                    if !after_broken {
                        sink.reject(place.rejected(problem, beginning))?;
                    }
                    return Ok(true);
                }
                Found::Object(fields) => fields,
            };
            let before = self.columns.names.len();
            let values_of = values_of(fields, self.reader.flattens());
            for (name, _) in &values_of {
                if !places.contains_key(name.as_ref()) {
                    places.insert(name.to_string(), self.columns.push(name));
                }
            }
            if self.columns.names.len() > COLUMNS_MAX {
                let problem = format!("the objects have more than {COLUMNS_MAX} different fields");
                return Err(IngestError::WrongColumns { problem });
            }
            if self.columns.names.len() > before {
                self.columns.sort();
                self.reader.columns(&self.columns, false, sink)?;
            }
            let mut values = vec![None; self.columns.names.len()];
            for (name, json) in &values_of {
                if let Some(value) = places.get(name.as_ref()).and_then(|place| values.get_mut(*place)) {
                    *value = json_value(json);
                }
            }
            let row = Row::new(&self.columns, place.line, values, self.reader.null_word());
            match self.reader.line(&row, sink) {
                Ok(Some(record)) => {
                    sink.record(record)?;
                    self.reader.further().into_iter().try_for_each(|record| sink.record(record))?;
                }
                Ok(None) => {}
                // The rest of a broken object is not one more loss.
                Err(_) if after_broken => return Ok(false),
                Err(reason) => {
                    let rejected: RejectedRow = place.rejected(reason, &fields.object());
                    sink.reject(rejected)?;
                }
            }
            Ok(true)
        })
    }
}

/// Deepest objects whose fields become columns.
const FLAT_DEPTH_MAX: usize = 8;

/// Names and JSON values of the fields of an object, if wanted with those of the objects in it.
fn values_of(fields: &Fields, flattens: bool) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let mut values = Vec::new();
    for (name, raw) in fields.iter() {
        let Ok(json) = std::str::from_utf8(raw) else { continue };
        if flattens && json.starts_with('{') {
            flatten(&name, json, 0, &mut values);
        } else {
            values.push((name, Cow::Borrowed(json)));
        }
    }
    values
}

fn flatten(name: &str, json: &str, depth: usize, values: &mut Vec<(Cow<'_, str>, Cow<'_, str>)>) {
    let object = if depth < FLAT_DEPTH_MAX && json.starts_with('{') {
        serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(json).ok()
    } else {
        None
    };
    match object {
        Some(object) => {
            for (inner, value) in &object {
                flatten(&format!("{name}.{inner}"), value.get(), depth + 1, values);
            }
        }
        None => values.push((Cow::Owned(name.to_owned()), Cow::Owned(json.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::Occurrences;
    use crate::record::RecordKey;

    #[test]
    fn equal_lines_are_counted() {
        let mut occurrences = Occurrences::default();
        let content = RecordKey::of(&[Some("a")]);
        assert_ne!(occurrences.key("focus", content), occurrences.key("focus", content));
        assert_eq!(occurrences.key("focus", content), {
            let mut again = Occurrences::default();
            again.key("focus", content);
            again.key("focus", content);
            again.key("focus", content)
        });
    }
}
