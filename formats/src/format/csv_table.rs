//! CSV with a header, row by row: found separator, bounded records, ragged rows rejected.

use std::io::{BufRead, Cursor, Read};

use csv::{ByteRecord, ReaderBuilder};

use crate::decompress::{available, ingest_error};
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
    let mut table = Table { names: Vec::new(), has_header: false, header_length: None, reader, sink };
    table.read(&mut input, delimiter, Place { line: 1, byte: begins_at })
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
    let mut table = Table { names: names.to_vec(), has_header: true, header_length: None, reader, sink };
    table.read(&mut input, b',', Place { line: 1, byte: begins_at })
}

/// Where a row begins.
#[derive(Clone, Copy)]
struct Place {
    /// From 1.
    line: u64,
    /// From the beginning of the file.
    byte: u64,
}

/// A table that is being read.
struct Table<'a> {
    names: Vec<String>,
    has_header: bool,
    /// Length in bytes of all up to the first row.
    header_length: Option<u64>,
    reader: &'a mut dyn TableReader,
    sink: &'a mut dyn Sink,
}

/// How a row stands in the file.
#[derive(Clone, Copy)]
struct Extent {
    begins: Place,
    /// Byte of the file behind the row.
    ends_at: u64,
    /// Whether the file ends inside quotes.
    cut_off: bool,
}

impl Table<'_> {
    fn read(&mut self, input: &mut dyn BufRead, delimiter: u8, mut place: Place) -> Result<(), IngestError> {
        match self.read_plain(input, delimiter, &mut place)? {
            None => Ok(()),
            Some(begun) => self.read_quoted(&mut Cursor::new(begun).chain(input), delimiter, &place),
        }
    }

    /// Reads rows as long as nothing is in quotes: then a row is a line, and no more is needed than to find its
    /// separators. Gives what was taken of the first row that is not like that, or nothing at the end.
    fn read_plain(
        &mut self,
        input: &mut dyn BufRead,
        delimiter: u8,
        place: &mut Place,
    ) -> Result<Option<Vec<u8>>, IngestError> {
        let mut begun = Vec::new();
        let mut ends = Vec::new();
        loop {
            let available = available(input)?;
            if available.is_empty() {
                break;
            }
            let mut begin = 0;
            for end in memchr::memchr_iter(b'\n', available) {
                let line = if begun.is_empty() {
                    &available[begin..end]
                } else {
                    begun.extend_from_slice(&available[begin..end]);
                    &begun[..]
                };
                if !self.plain_line(line, true, delimiter, place, &mut ends)? {
                    let taken = if begun.is_empty() { begin } else { end };
                    input.consume(taken);
                    return Ok(Some(begun));
                }
                begin = end + 1;
                begun.clear();
            }
            begun.extend_from_slice(&available[begin..]);
            let length = available.len();
            input.consume(length);
            if begun.len() as u64 > RECORD_BYTES_MAX {
                // It may be one of quotes that ends; the other way of reading has the same limit.
                return Ok(Some(begun));
            }
        }
        let is_row = begun.is_empty() || self.plain_line(&begun, false, delimiter, place, &mut ends)?;
        Ok((!is_row).then_some(begun))
    }

    /// Takes one line without its end; whether it is a row by itself.
    fn plain_line(
        &mut self,
        line: &[u8],
        ended: bool,
        delimiter: u8,
        place: &mut Place,
        ends: &mut Vec<usize>,
    ) -> Result<bool, IngestError> {
        let row = match memchr::memchr2(b'"', b'\r', line) {
            None => line,
            Some(at) if line[at] == b'\r' && at + 1 == line.len() => &line[..at],
            Some(_) => return Ok(false),
        };
        ends.clear();
        ends.extend(memchr::memchr_iter(delimiter, row));
        ends.push(row.len());
        let begins = *place;
        place.line += 1;
        place.byte += line.len() as u64 + u64::from(ended);
        if !row.is_empty() {
            let cells = Cells::Line { text: std::str::from_utf8(row).ok(), bytes: row, ends };
            self.take(cells, Extent { begins, ends_at: place.byte, cut_off: false })?;
        }
        Ok(true)
    }

    /// Reads rows of any kind.
    fn read_quoted(&mut self, input: &mut dyn BufRead, delimiter: u8, place: &Place) -> Result<(), IngestError> {
        let limited = Limited { inner: input, since_record: 0, quotes: 0, last: b'\n', ended: false };
        let mut rows = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .buffer_capacity(1 << 16)
            .from_reader(limited);
        let mut record = ByteRecord::new();
        while rows.read_byte_record(&mut record).map_err(broken)? {
            rows.get_mut().since_record = 0;
            let cut_off = rows.get_mut().is_cut_off();
            let begins = record.position().map_or(*place, |position| Place {
                line: place.line - 1 + position.line(),
                byte: place.byte + position.byte(),
            });
            let ends_at = place.byte + rows.position().byte();
            self.take(Cells::Record(&record), Extent { begins, ends_at, cut_off })?;
        }
        Ok(())
    }

    /// Takes the header, or a row.
    fn take(&mut self, cells: Cells<'_>, extent: Extent) -> Result<(), IngestError> {
        // Blank lines are no rows, nor a header.
        if cells.len() <= 1 && cells.get(0).is_none_or(|cell| cell.trim_ascii().is_empty()) {
            return Ok(());
        }
        if !self.has_header {
            if cells.len() > COLUMNS_MAX {
                let problem = format!("the header has {} columns, more than {COLUMNS_MAX}", cells.len());
                return Err(IngestError::WrongColumns { problem });
            }
            self.has_header = true;
            self.header_length = Some(extent.ends_at);
            self.names = (0..cells.len()).map(|at| name_of(cells.get(at).unwrap_or_default())).collect();
            return self.reader.header(&self.names, self.sink);
        }
        let row = CsvRow { names: &self.names, header_length: self.header_length, cells, extent };
        let count = row.cells.len();
        if extent.cut_off {
            return self.sink.reject(row.rejected("the file ends inside quotes: the row is cut off".to_owned()));
        }
        if !self.reader.takes(count, self.names.len(), self.sink) {
            if self.reader.ragged(&row, self.sink)? {
                return Ok(());
            }
            let reason = format!("the row has {count} columns, the header has {}", self.names.len());
            return self.sink.reject(row.rejected(reason));
        }
        if !row.cells.is_text()
            && let Some(wrong) = (0..count).find(|at| row.text(*at).is_none())
        {
            let name = self.names.get(wrong).map_or("", String::as_str);
            return self.sink.reject(row.rejected(format!("`{name}` is not valid UTF-8")));
        }
        self.reader.row(&row, self.sink)
    }
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
    record.iter().map(name_of).collect()
}

fn name_of(name: &[u8]) -> String {
    String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_owned()
}

/// A file up to the end of its first line that is not blank, however its bytes come.
fn beginning(input: &mut dyn BufRead) -> Result<Vec<u8>, IngestError> {
    let mut beginning = Vec::new();
    let mut blank = true;
    while beginning.len() < BEGINNING_BYTES_MAX && (blank || !beginning.ends_with(b"\n")) {
        let available = available(input)?;
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
    names: &'a [String],
    header_length: Option<u64>,
    cells: Cells<'a>,
    extent: Extent,
}

/// The values of a row.
enum Cells<'a> {
    /// A line, and where each value ends.
    Line { text: Option<&'a str>, bytes: &'a [u8], ends: &'a [usize] },
    /// A record that was in quotes or may have been.
    Record(&'a ByteRecord),
}

impl Cells<'_> {
    fn len(&self) -> usize {
        match self {
            Cells::Line { ends, .. } => ends.len(),
            Cells::Record(record) => record.len(),
        }
    }

    /// Whether every value is known to be text.
    fn is_text(&self) -> bool {
        matches!(self, Cells::Line { text: Some(_), .. })
    }

    fn get(&self, place: usize) -> Option<&[u8]> {
        match self {
            Cells::Line { bytes, ends, .. } => bytes.get(begin_of(ends, place)?..*ends.get(place)?),
            Cells::Record(record) => record.get(place),
        }
    }
}

fn begin_of(ends: &[usize], place: usize) -> Option<usize> {
    match place.checked_sub(1) {
        None => Some(0),
        Some(before) => Some(ends.get(before)? + 1),
    }
}

impl CsvRow<'_> {
    /// The value at a place, from 0, as it stands there.
    pub(super) fn text(&self, place: usize) -> Option<&str> {
        match &self.cells {
            Cells::Line { text: Some(text), ends, .. } => text.get(begin_of(ends, place)?..*ends.get(place)?),
            cells => std::str::from_utf8(cells.get(place)?).ok(),
        }
    }

    /// The value of a column, trimmed; nothing where it is empty or there is no such column.
    pub(super) fn value(&self, column: &str) -> Option<&str> {
        let place = self.names.iter().position(|name| name == column)?;
        self.text(place).map(trimmed).filter(|text| !text.is_empty())
    }

    /// Whether it is the header once more, as in tables that were put together.
    pub(super) fn is_header(&self) -> bool {
        let cells = (0..self.cells.len()).filter_map(|at| self.cells.get(at));
        cells.map(<[u8]>::trim_ascii).eq(self.names.iter().map(String::as_bytes))
    }

    /// Where it begins, from 1.
    pub(super) fn line(&self) -> Option<u64> {
        Some(self.extent.begins.line)
    }

    /// Names of columns and their values.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().enumerate().filter_map(|(place, name)| Some((name.as_str(), self.text(place)?)))
    }

    /// The row as a rejected one.
    pub(super) fn rejected(&self, reason: String) -> RejectedRow {
        let cells: Vec<&[u8]> = (0..self.cells.len()).filter_map(|at| self.cells.get(at)).collect();
        let byte_offset = self.extent.begins.byte;
        RejectedRow {
            line: self.line(),
            byte_offset,
            byte_length: Some(self.extent.ends_at.saturating_sub(byte_offset)),
            header_length: self.header_length,
            reason: error::reason(&reason),
            excerpt: excerpt(&cells.join(&b","[..])),
        }
    }
}

/// A text without space around it: nearly all have none.
pub(super) fn trimmed(text: &str) -> &str {
    let visible = |byte: Option<&u8>| byte.is_none_or(|byte| byte.is_ascii_graphic());
    if visible(text.as_bytes().first()) && visible(text.as_bytes().last()) { text } else { text.trim() }
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

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;
    use crate::record::Record;

    #[derive(Default)]
    struct Found {
        names: Vec<String>,
        rows: Vec<(Vec<String>, RejectedRow)>,
    }

    impl TableReader for Found {
        fn header(&mut self, names: &[String], _: &mut dyn Sink) -> Result<(), IngestError> {
            self.names = names.to_vec();
            Ok(())
        }

        fn row(&mut self, row: &CsvRow<'_>, _: &mut dyn Sink) -> Result<(), IngestError> {
            let texts = (0..self.names.len()).map(|at| row.text(at).unwrap().to_owned()).collect();
            self.rows.push((texts, row.rejected(String::new())));
            Ok(())
        }
    }

    #[derive(Default)]
    struct Rejected(Vec<RejectedRow>);

    impl Sink for Rejected {
        fn record(&mut self, _: Record) -> Result<(), IngestError> {
            Ok(())
        }

        fn reject(&mut self, row: RejectedRow) -> Result<(), IngestError> {
            self.0.push(row);
            Ok(())
        }

        fn warn(&mut self, _: String) {}
    }

    /// Reads with the plain way as far as it goes, or without it.
    fn found(text: &str, capacity: usize, plain: bool) -> (Found, Vec<RejectedRow>) {
        let (mut found, mut rejected) = (Found::default(), Rejected::default());
        let mut input = BufReader::with_capacity(capacity, text.as_bytes());
        if plain {
            read(&mut input, Some(b','), &mut found, &mut rejected).unwrap();
        } else {
            let (reader, sink) = (&mut found, &mut rejected);
            let mut table = Table { names: Vec::new(), has_header: false, header_length: None, reader, sink };
            table.read_quoted(&mut input, b',', &Place { line: 1, byte: 0 }).unwrap();
        }
        (found, rejected.0)
    }

    fn agree(text: &str, capacity: usize) {
        let (plain, quoted) = (found(text, capacity, true), found(text, capacity, false));
        assert_eq!(plain.0.names, quoted.0.names, "{text:?}");
        let texts = |found: &Found| found.rows.iter().map(|(texts, _)| texts.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&plain.0), texts(&quoted.0), "{text:?}");
        let reasons = |rows: &[RejectedRow]| rows.iter().map(|row| row.reason.clone()).collect::<Vec<_>>();
        assert_eq!(reasons(&plain.1), reasons(&quoted.1), "{text:?}");
        // The library counts empty lines in front of a record to it, so places are compared where there are none.
        if !text.contains("\n\n") && !text.contains('\r') && !text.starts_with('\n') {
            assert_eq!(plain.1, quoted.1, "{text:?}");
            let rows = |found: Found| found.rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>();
            assert_eq!(rows(plain.0), rows(quoted.0), "{text:?}");
        }
    }

    #[test]
    fn lines_are_read_as_the_library_reads_them() {
        for text in [
            "",
            "a,b",
            "a,b\n1,2\n3,4",
            "a,b\r\n1,2\r\n\r\n3\r\n",
            "a,b\n1,2\n\"3\n3\",4\n5,6\n7\n",
            "\"a\",b\n1,2\n",
            "a,b\n1,2\r3,4\n5,6\n",
            "a,b\n,\n1,\n,2,\n",
            "a\n\n1\n",
            "\n\na,b\n1,2\n",
        ] {
            for capacity in [1, 2, 5, 1 << 16] {
                agree(text, capacity);
            }
        }
    }

    proptest! {
        #[test]
        fn any_table_is_read_as_the_library_reads_it(text in "a,b\n([a1,]{0,4}[\n\r\"]?){0,8}", capacity in 1_usize..20) {
            agree(&text, capacity);
        }
    }
}
