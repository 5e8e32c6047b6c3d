//! CSV with a header, row by row: found separator, bounded records, ragged rows rejected.

use std::io::{BufRead, Cursor, Read};

use csv::{ByteRecord, ReaderBuilder};

use crate::decompress::ingest_error;
use crate::error::{self, IngestError, excerpt};
use crate::format::Sink;
use crate::record::RejectedRow;

/// Longest record, in bytes, line ends in quotes included.
const RECORD_BYTES_MAX: u64 = 16 << 20;
/// Most columns.
const COLUMNS_MAX: usize = 10_000;
/// How much is looked at for the first line, in bytes.
const BEGINNING_BYTES_MAX: usize = 1 << 20;
/// A byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";
/// Separators that are tried, in this order at equal counts.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// What takes the rows of a table.
pub(super) trait TableReader {
    /// The names of the columns, before any row.
    ///
    /// # Errors
    /// When rows with such columns cannot be read.
    fn header(&mut self, names: &[String], sink: &mut dyn Sink) -> Result<(), IngestError>;
    /// Whether a row of so many values can be read.
    fn takes(&mut self, values: usize, columns: usize, _: &mut dyn Sink) -> bool {
        values == columns
    }
    /// A row of as many values as [`takes`](Self::takes) allows.
    ///
    /// # Errors
    /// What ends the upload.
    fn row(&mut self, row: &CsvRow<'_>, sink: &mut dyn Sink) -> Result<(), IngestError>;
    /// A row of another number of values; false for one that is only to be rejected.
    ///
    /// # Errors
    /// What ends the upload.
    fn ragged(&mut self, _row: &CsvRow<'_>, _sink: &mut dyn Sink) -> Result<bool, IngestError> {
        Ok(false)
    }
}

/// Reads a table up to its end. Nothing at all is no error: the table has no header and no row.
pub(super) fn read(
    input: &mut dyn BufRead,
    delimiter: Option<u8>,
    reader: &mut dyn TableReader,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    let beginning = beginning(input)?;
    let head = beginning.strip_prefix(MARK).unwrap_or(&beginning);
    let begins_at = (beginning.len() - head.len()) as u64;
    let delimiter = delimiter.unwrap_or_else(|| delimiter_of(head));
    let mut input = Cursor::new(head).chain(input);
    let mut rows = rows_of(&mut input, delimiter);
    let mut record = ByteRecord::new();
    // Blank lines in front are no header.
    while is_blank(&record) {
        if !rows.read_byte_record(&mut record).map_err(broken)? {
            return Ok(());
        }
    }
    if record.len() > COLUMNS_MAX {
        let problem = format!("the header has {} columns, more than {COLUMNS_MAX}", record.len());
        return Err(IngestError::WrongColumns { problem });
    }
    let names = names_of(&record);
    reader.header(&names, sink)?;
    let header_length = begins_at + rows.position().byte();
    let table = Table { names: &names, begins_at, header_length: Some(header_length) };
    take_rows(&mut rows, &table, reader, sink)
}

/// Reads a table without a header up to its end, separated by commas.
pub(super) fn read_without_header(
    input: &mut dyn BufRead,
    names: &[String],
    reader: &mut dyn TableReader,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    let beginning = beginning(input)?;
    let head = beginning.strip_prefix(MARK).unwrap_or(&beginning);
    let begins_at = (beginning.len() - head.len()) as u64;
    let mut input = Cursor::new(head).chain(input);
    take_rows(&mut rows_of(&mut input, b','), &Table { names, begins_at, header_length: None }, reader, sink)
}

/// What the rows of a table have in common.
struct Table<'a> {
    names: &'a [String],
    /// Byte of the file at which the CSV begins.
    begins_at: u64,
    header_length: Option<u64>,
}

fn rows_of(input: &mut dyn BufRead, delimiter: u8) -> csv::Reader<Limited<'_>> {
    ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .buffer_capacity(1 << 16)
        .from_reader(Limited { inner: input, since_record: 0, quotes: 0, last: b'\n', ended: false })
}

fn take_rows(
    rows: &mut csv::Reader<Limited<'_>>,
    table: &Table<'_>,
    reader: &mut dyn TableReader,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    let names = table.names;
    let mut record = ByteRecord::new();
    while rows.read_byte_record(&mut record).map_err(broken)? {
        rows.get_mut().since_record = 0;
        let cut_off = rows.get_mut().is_cut_off();
        let row = CsvRow { table, record: &record, ends_at: table.begins_at + rows.position().byte() };
        if is_blank(&record) {
            continue;
        }
        if cut_off {
            sink.reject(row.rejected("the file ends inside quotes: the row is cut off".to_owned()))?;
            continue;
        }
        if !reader.takes(record.len(), names.len(), sink) {
            if reader.ragged(&row, sink)? {
                continue;
            }
            let reason = format!("the row has {} columns, the header has {}", record.len(), names.len());
            sink.reject(row.rejected(reason))?;
            continue;
        }
        if let Some(place) = (0..record.len()).find(|place| row.text(*place).is_none()) {
            sink.reject(row.rejected(format!("`{}` is not valid UTF-8", names.get(place).map_or("", String::as_str))))?;
            continue;
        }
        reader.row(&row, sink)?;
    }
    Ok(())
}

/// Whether a line has nothing on it.
fn is_blank(record: &ByteRecord) -> bool {
    record.len() <= 1 && record.iter().all(|field| field.trim_ascii().is_empty())
}

/// The names in the first row of the head of a file, for detection; nothing where it is no table.
pub(super) fn header_of(head: &[u8]) -> Option<Vec<String>> {
    let delimiter = delimiter_of(head);
    let mut rows = ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(head);
    let mut record = ByteRecord::new();
    while is_blank(&record) {
        if !rows.read_byte_record(&mut record).ok()? {
            return None;
        }
    }
    (2..=COLUMNS_MAX).contains(&record.len()).then(|| names_of(&record))
}

fn names_of(record: &ByteRecord) -> Vec<String> {
    let plain = |name: &[u8]| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_owned();
    record.iter().map(plain).collect()
}

/// A file up to the end of its first line that is not blank, however its bytes come.
fn beginning(input: &mut dyn BufRead) -> Result<Vec<u8>, IngestError> {
    let mut beginning = Vec::new();
    let mut blank = true;
    while beginning.len() < BEGINNING_BYTES_MAX && (blank || !beginning.ends_with(b"\n")) {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ingest_error(error)),
        };
        if available.is_empty() {
            break;
        }
        let length = memchr::memchr(b'\n', available).map_or(available.len(), |end| end + 1);
        blank &= available[..length].trim_ascii().is_empty();
        beginning.extend_from_slice(&available[..length]);
        input.consume(length);
    }
    Ok(beginning)
}

/// The separator that stands most often in the first line that is not blank.
fn delimiter_of(head: &[u8]) -> u8 {
    let line = head.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let count = |delimiter: u8| line.iter().filter(|byte| **byte == delimiter).count();
    let mut best = DELIMITERS[0];
    for delimiter in DELIMITERS {
        if count(delimiter) > count(best) {
            best = delimiter;
        }
    }
    best
}

/// One row.
pub(super) struct CsvRow<'a> {
    table: &'a Table<'a>,
    record: &'a ByteRecord,
    /// Byte of the file behind the row.
    ends_at: u64,
}

impl CsvRow<'_> {
    /// The value at a place, from 0, as it stands there.
    pub(super) fn text(&self, place: usize) -> Option<&str> {
        std::str::from_utf8(self.record.get(place)?).ok()
    }

    /// The value of a column, trimmed; nothing where it is empty or there is no such column.
    pub(super) fn value(&self, column: &str) -> Option<&str> {
        let place = self.table.names.iter().position(|name| name == column)?;
        self.text(place).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Whether it is the header once more, as in tables that were put together.
    pub(super) fn is_header(&self) -> bool {
        self.record.iter().map(<[u8]>::trim_ascii).eq(self.table.names.iter().map(String::as_bytes))
    }

    /// Where it begins, from 1.
    pub(super) fn line(&self) -> Option<u64> {
        self.record.position().map(csv::Position::line)
    }

    /// Names of columns and their values.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.table.names.iter().enumerate().filter_map(|(place, name)| Some((name.as_str(), self.text(place)?)))
    }

    /// The row as a rejected one.
    pub(super) fn rejected(&self, reason: String) -> RejectedRow {
        let position = self.record.position();
        let text = self.record.iter().collect::<Vec<_>>().join(&b","[..]);
        let byte_offset = self.table.begins_at + position.map_or(0, csv::Position::byte);
        RejectedRow {
            line: self.line(),
            byte_offset,
            byte_length: Some(self.ends_at.saturating_sub(byte_offset)),
            header_length: self.table.header_length,
            reason: error::reason(&reason),
            excerpt: excerpt(&text),
        }
    }
}

fn broken(error: csv::Error) -> IngestError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ingest_error(error),
        other => IngestError::WrongColumns { problem: format!("the CSV cannot be read: {other:?}") },
    }
}

/// Stops a record that never ends, such as one with a quote that is never closed.
struct Limited<'a> {
    inner: &'a mut dyn BufRead,
    since_record: u64,
    quotes: usize,
    last: u8,
    ended: bool,
}

impl Limited<'_> {
    /// Whether everything was read and a quote is still open.
    fn is_cut_off(&self) -> bool {
        self.ended && self.quotes % 2 == 1 && self.last != b'\n'
    }
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.since_record > RECORD_BYTES_MAX {
            return Err(std::io::Error::other(IngestError::NotReadable {
                problem: format!("a row is longer than {RECORD_BYTES_MAX} bytes"),
                hint: "look for a quote that is never closed, or export the table again",
            }));
        }
        let read = self.inner.read(buffer)?;
        self.ended |= read == 0;
        if let Some(bytes) = buffer.get(..read) {
            self.quotes += memchr::memchr_iter(b'"', bytes).count();
            self.last = bytes.last().copied().unwrap_or(self.last);
        }
        self.since_record += read as u64;
        Ok(read)
    }
}
