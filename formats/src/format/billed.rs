//! What formats of billing exports share: rows of CSV or of JSON objects, their columns by any spelling of their names,
//! amounts, times, tags, and keys of lines that have no id.
//!
//! A format says which columns it looks for when it sees the header ([`LineReader::columns`]) and makes a record of each
//! row ([`LineReader::line`]). What it does not ask a row for is kept by [`Row::others`].

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read};

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime};
use serde_json::value::RawValue;

use crate::decompress::ingest_error;
use crate::error::IngestError;
use crate::format::csv_table::{self, CsvRow, TableReader};
use crate::format::json_objects::{self, Found};
use crate::format::json_stream::Fields;
use crate::format::{Sink, decimal, timestamp};
use crate::record::{BilledLine, Record, RecordKey, RejectedRow};

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

/// The columns of an export.
#[derive(Default)]
pub(super) struct Columns {
    names: Vec<String>,
    plain: Vec<String>,
    /// How often each name is there as it is written.
    times: HashMap<String, usize>,
    /// The first column of each plain name.
    places: HashMap<String, usize>,
    /// Places in the order of their names, so that the order of columns does not matter.
    sorted: Vec<usize>,
}

impl Columns {
    /// The columns of a header.
    pub(super) fn of(names: &[String]) -> Self {
        let mut columns = Columns::default();
        for name in names {
            columns.push(name);
        }
        columns.sort();
        columns
    }

    fn push(&mut self, name: &str) -> usize {
        let place = self.names.len();
        let times = self.times.entry(name.to_owned()).or_default();
        *times += 1;
        self.names.push(if *times == 1 { name.to_owned() } else { format!("{name} ({times})") });
        self.plain.push(plain(name));
        self.places.entry(plain(name)).or_insert(place);
        place
    }

    fn sort(&mut self) {
        self.sorted = (0..self.names.len()).collect();
        self.sorted.sort_by(|left, right| self.names[*left].cmp(&self.names[*right]));
    }

    /// The places of the columns of these names, as far as there are such; the first that has a value counts.
    pub(super) fn find(&self, names: &[&str]) -> Places {
        Places(names.iter().filter_map(|name| self.places.get(&plain(name)).copied()).collect())
    }

    /// Whether there is a column of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.places.contains_key(&plain(name))
    }

    /// A column as the export writes its name.
    pub(super) fn name_of(&self, name: &str) -> Option<&str> {
        self.names.get(*self.places.get(&plain(name))?).map(String::as_str)
    }

    /// Places and names, as the export writes them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        self.names.iter().map(String::as_str).enumerate()
    }

    /// Names every column that is required and not there; each is given by its alternative names.
    ///
    /// # Errors
    /// When one is missing.
    pub(super) fn require(&self, what: &str, required: &[&[&str]]) -> Result<(), IngestError> {
        let missing: Vec<String> = required
            .iter()
            .filter(|names| !names.iter().any(|name| self.has(name)))
            .map(|names| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "))
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(IngestError::MissingColumns { what: what.to_owned(), missing }) }
    }
}

/// Where a value may stand: the places of a column and of its alternatives.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Vec<usize>);

impl Places {
    /// One place.
    pub(super) fn at(place: usize) -> Self {
        Places(vec![place])
    }

    /// Whether the file has none of the columns.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A column of [`BilledLine`] and the names it has in an export, best first.
pub(super) struct Column {
    target: &'static str,
    is_number: bool,
    names: &'static [&'static str],
}

/// A column of text.
pub(super) const fn text(target: &'static str, names: &'static [&'static str]) -> Column {
    Column { target, is_number: false, names }
}

/// A column of numbers.
pub(super) const fn number(target: &'static str, names: &'static [&'static str]) -> Column {
    Column { target, is_number: true, names }
}

/// Where a file has the columns that are copied.
#[derive(Default)]
pub(super) struct Copied(Vec<(&'static str, bool, Places)>);

impl Copied {
    /// Looks them up.
    pub(super) fn find(columns: &Columns, wanted: &[Column]) -> Self {
        let mut copied = Copied::default();
        for column in wanted {
            copied.add(columns, column.target, column.is_number, column.names);
        }
        copied
    }

    /// Adds a column.
    pub(super) fn add(&mut self, columns: &Columns, target: &'static str, is_number: bool, names: &[&str]) {
        let places = columns.find(names);
        if !places.0.is_empty() {
            self.0.push((target, is_number, places));
        }
    }

    /// Copies a row's values.
    ///
    /// # Errors
    /// When a number is none.
    pub(super) fn fill(&self, row: &Row<'_>, line: &mut BilledLine) -> Result<(), String> {
        for (target, is_number, places) in &self.0 {
            let Some(column) = line.column_mut(target) else { continue };
            *column = if *is_number { row.amount(places)? } else { row.text(places).map(str::to_owned) };
        }
        Ok(())
    }
}

/// One row. A value that is asked for is no longer one of the [others](Row::others).
pub(super) struct Row<'a> {
    columns: &'a Columns,
    line: Option<u64>,
    values: Vec<Option<Cow<'a, str>>>,
    asked: Vec<Cell<bool>>,
}

impl<'a> Row<'a> {
    fn new(
        columns: &'a Columns,
        line: Option<u64>,
        mut values: Vec<Option<Cow<'a, str>>>,
        null_word: Option<(&str, &Places)>,
    ) -> Self {
        let word = null_word.filter(|(word, sure)| {
            sure.0.iter().any(|place| values.get(*place).is_some_and(|value| value.as_deref() == Some(*word)))
        });
        for value in &mut values {
            let is_null = |text: &str| text.trim().is_empty() || word.is_some_and(|(word, _)| word == text);
            if value.as_deref().is_some_and(is_null) {
                *value = None;
            }
        }
        let asked = vec![Cell::new(false); values.len()];
        Row { columns, line, values, asked }
    }

    /// Whether it is the header again: files that were put together have one in the middle.
    pub(super) fn is_header(&self) -> bool {
        let repeats = |(place, name): (usize, &String)| self.value(place).is_some_and(|value| plain(value) == *name);
        self.columns.plain.iter().enumerate().all(repeats)
    }

    /// Where it begins in the file, from 1.
    pub(super) fn line(&self) -> Option<u64> {
        self.line
    }

    /// A value as it stands there; none where it is empty or the column is not there.
    pub(super) fn text(&self, places: &Places) -> Option<&str> {
        let (place, value) = places.0.iter().find_map(|place| Some((*place, self.value(*place)?)))?;
        self.asked.get(place)?.set(true);
        Some(value)
    }

    /// As [`text`](Self::text), without asking for it: it stays one of the others.
    pub(super) fn peek(&self, places: &Places) -> Option<&str> {
        places.0.iter().find_map(|place| self.value(*place))
    }

    fn value(&self, place: usize) -> Option<&str> {
        self.values.get(place)?.as_deref()
    }

    /// As [`amount`](Self::amount), without asking for it.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn peek_amount(&self, places: &Places) -> Result<Option<String>, String> {
        self.peek(places).map(|text| self.canonical(places, text)).transpose()
    }

    fn canonical(&self, places: &Places, text: &str) -> Result<String, String> {
        decimal::canonical(text.trim()).map_err(|problem| format!("`{}` {problem}", self.name(places)))
    }

    /// The name of the column that has the value, or of the first, for messages.
    pub(super) fn name(&self, places: &Places) -> &str {
        let place = places.0.iter().find(|place| self.value(**place).is_some()).or(places.0.first());
        place.and_then(|place| self.columns.names.get(*place)).map_or("", String::as_str)
    }

    /// A number as [`canonical`](decimal::canonical) writes it.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn amount(&self, places: &Places) -> Result<Option<String>, String> {
        self.text(places).map(|text| self.canonical(places, text)).transpose()
    }

    /// A time, microseconds since 1970 UTC.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn time(&self, places: &Places) -> Result<Option<i64>, String> {
        let Some(text) = self.text(places) else { return Ok(None) };
        match time(text) {
            Some(time) => Ok(Some(time)),
            None => Err(format!("`{}` is `{text}`, expected a time such as 2026-10-01T00:00:00Z", self.name(places))),
        }
    }

    /// The values that nobody asked for, as a JSON object of texts by the names of their columns.
    pub(super) fn others(&self) -> Option<String> {
        self.others_without("")
    }

    /// As [`others`](Self::others), without those that have a certain value.
    pub(super) fn others_without(&self, unwanted: &str) -> Option<String> {
        let rest = self.columns.sorted.iter().filter(|place| self.asked.get(**place).is_some_and(|asked| !asked.get()));
        let named = rest.filter_map(|place| Some((self.columns.names.get(*place)?.as_str(), self.value(*place)?)));
        json_object(named.filter(|(_, value)| *value != unwanted))
    }

    /// A hash of everything in the row, whatever the order of the columns.
    pub(super) fn hash(&self) -> RecordKey {
        let mut parts = Vec::with_capacity(2 * self.values.len());
        for place in &self.columns.sorted {
            if let (Some(name), Some(value)) = (self.columns.plain.get(*place), self.value(*place)) {
                parts.push(Some(name.as_str()));
                parts.push(Some(value));
            }
        }
        RecordKey::of(&parts)
    }
}

/// A time of an export: with or without `T`, seconds and zone (UTC), or a day.
pub(super) fn time(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    if let Some(time) = timestamp::iso(text) {
        return Some(time);
    }
    match text.len() {
        10 => timestamp::iso(&format!("{text}T00:00:00Z")),
        // `2023-11-13T10:00`, and a zone.
        16.. => timestamp::iso(&format!("{}:00{}", text.get(..16)?, text.get(16..)?)),
        _ => None,
    }
}

/// The calendar month in UTC around a time: its beginning and its end, microseconds since 1970.
pub(super) fn month_of(us: i64) -> Option<(i64, i64)> {
    let day = DateTime::from_timestamp_micros(us)?.date_naive().with_day(1)?;
    let begins = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
    Some((begins(day), begins(day.checked_add_months(Months::new(1))?)))
}

/// The short name of a provider: `aws` for `Amazon Web Services, Inc.`; the name in lower case where there is none.
pub(super) fn provider_of(name: &str) -> String {
    const SHORT: &[(&str, &str)] = &[
        ("amazon", "aws"),
        ("aws", "aws"),
        ("microsoft", "azure"),
        ("azure", "azure"),
        ("google", "gcp"),
        ("gcp", "gcp"),
        ("oracle", "oci"),
        ("alibaba", "alibaba"),
        ("tencent", "tencent"),
        ("huawei", "huawei"),
        ("ibm", "ibm"),
        ("onpremises", "onprem"),
        ("cloudgov", "cloudgov"),
    ];
    let plain = plain(name);
    let short = SHORT.iter().find(|(begins, _)| plain.starts_with(begins)).map(|(_, short)| (*short).to_owned());
    short.unwrap_or_else(|| name.trim().to_lowercase())
}

/// A JSON object of texts; none where it would be empty.
pub(super) fn json_object<'a>(values: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let mut out = Vec::new();
    for (name, value) in values {
        out.push(if out.is_empty() { b'{' } else { b',' });
        serde_json::to_writer(&mut out, name).ok()?;
        out.push(b':');
        serde_json::to_writer(&mut out, value).ok()?;
    }
    if out.is_empty() {
        return None;
    }
    out.push(b'}');
    String::from_utf8(out).ok()
}

/// Names and values of a JSON object, by name: strings as they are, anything else as its JSON text, without null.
///
/// # Errors
/// When it is none.
pub(super) fn entries_of(text: &str) -> Result<BTreeMap<String, String>, String> {
    let object: BTreeMap<String, Option<Box<RawValue>>> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
    let plain = |value: &RawValue| serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned());
    Ok(object.into_iter().filter_map(|(name, value)| Some((name, plain(&value?)))).collect())
}

/// Tags as a JSON object of texts, by name; none where there are none.
pub(super) fn tags(entries: &BTreeMap<String, String>) -> Option<String> {
    json_object(entries.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// What is said of tags that cannot be read.
pub(super) fn says_bad_tags(lines: u64, first_at: Option<u64>) -> String {
    let first = first_at.map_or(String::new(), |line| format!(", the first in line {line} of the file,"));
    format!("the tags of {lines} lines of the bill{first} are not a JSON object: they are kept as they are")
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

/// A JSON value as text: a string as it is, null as nothing, anything else as it is written, with all its digits.
fn json_value(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => Some(serde_json::from_str::<String>(json).map_or(Cow::Borrowed(json), Cow::Owned)),
        b'n' => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Columns, Occurrences, entries_of, plain, tags, time};
    use crate::record::RecordKey;

    #[test]
    fn names_of_columns_are_one_in_any_spelling() {
        for (one, other) in [
            ("lineItem/UnblendedCost", "line_item_unblended_cost"),
            ("CostInBillingCurrency", "costInBillingCurrency"),
            ("Abonnement-GUID (SubscriptionGuid)", "subscription guid"),
        ] {
            assert_eq!(plain(one), plain(other));
        }
        let columns = Columns::of(&["Cost".into(), "cost".into(), "Cost".into()]);
        assert_eq!(columns.iter().map(|(_, name)| name).collect::<Vec<_>>(), ["Cost", "cost", "Cost (2)"]);
    }

    #[test]
    fn times_of_exports() {
        let expected = Some(1_699_869_600_000_000);
        for text in [
            "2023-11-13T10:00Z",
            "2023-11-13T10:00:00.000Z",
            "2023-11-13 10:00:00",
            "2023-11-13 10:00:00 UTC",
            "2023-11-13T10:00",
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
        assert_eq!(time("2023-11-13"), Some(1_699_833_600_000_000));
        for text in ["", "2023-11", "2023-11-13T", "13.11.2023", "2023-11-13T10:0é", "2023-11-13T25:00Z"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn tags_are_texts_and_keep_digits() {
        let entries = entries_of(r#"{"b":"x","a":1.50,"c":null,"d":true,"e":{"f":1}}"#);
        assert_eq!(
            entries.ok().and_then(|entries| tags(&entries)).as_deref(),
            Some(r#"{"a":"1.50","b":"x","d":"true","e":"{\"f\":1}"}"#)
        );
        assert!(entries_of("[]").is_err() && entries_of("{'a': 1}").is_err());
    }

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
