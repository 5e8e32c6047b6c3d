//! What holds for every format, whatever the bytes: checked by the targets and by the tests of found inputs.

use std::io::{BufRead, BufReader};

use paygrain_formats::Defaults;
use paygrain_formats::error::IngestError;
use paygrain_formats::format::{self, Format, Origin, Sink};
use paygrain_formats::record::{EventTime, Record, RejectedRow};

/// Rows that one byte of a file may become.
const ROWS_PER_BYTE_MAX: usize = 2;
/// More rows are not taken: a request that was sampled stands for up to 10,000 executions.
const ROWS_MAX: usize = 50_000;
/// Longest reason of a rejected row, in bytes.
const REASON_BYTES_MAX: usize = 2_000;
/// Longest excerpt of a rejected row: 60 characters, each at most escaped as `\u{10ffff}`.
const EXCERPT_BYTES_MAX: usize = 600;
/// Most different warnings about one file.
const WARNINGS_MAX: usize = 64;
/// The years 0 to 9999, in microseconds since 1970, with room for a zone and a duration in front.
const TIME_US: std::ops::RangeInclusive<i64> = -63_000_000_000_000_000..=253_500_000_000_000_000;

/// All that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Good rows.
    pub records: Vec<Record>,
    /// Bad rows.
    pub rejected: Vec<RejectedRow>,
    /// What is said of the file.
    pub warnings: Vec<String>,
    /// What ended it before its end.
    pub ended: Option<String>,
}

impl Sink for Collected {
    fn record(&mut self, record: Record) -> Result<(), IngestError> {
        self.records.push(record);
        if self.records.len() < ROWS_MAX { Ok(()) } else { Err(IngestError::TooLarge { limit_bytes: 0 }) }
    }

    fn reject(&mut self, row: RejectedRow) -> Result<(), IngestError> {
        self.rejected.push(row);
        Ok(())
    }

    fn warn(&mut self, message: String) {
        if !self.warnings.contains(&message) {
            self.warnings.push(message);
        }
    }
}

/// Reads a file to its end.
pub fn read(format: &dyn Format, name: &str, input: &mut dyn BufRead) -> Collected {
    let mut collected = Collected::default();
    let defaults = Defaults::default();
    let outcome = format.parse(input, &Origin { name, defaults: &defaults }, &mut collected);
    collected.ended = outcome.err().map(|error| error.to_string());
    collected
}

/// Reads some bytes as a format and checks what always holds: no panic, the same in pieces of one byte, places inside
/// the file, bounded output, times that can be kept.
pub fn check(format: &dyn Format, bytes: &[u8]) -> Collected {
    format.recognises(bytes);
    let whole = read(format, "", &mut &*bytes);
    let pieces = read(format, "", &mut BufReader::with_capacity(1, bytes));
    assert_eq!(whole, pieces, "{} in pieces of one byte", format.name());
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let length = bytes.len() as u64;
    for row in &whole.rejected {
        assert!(row.byte_offset <= length, "outside the {length} bytes: {row:?}");
        assert!(row.line.is_none_or(|line| (1..=lines).contains(&line)), "outside the {lines} lines: {row:?}");
        let end = row.byte_length.and_then(|length| row.byte_offset.checked_add(length));
        assert!(row.byte_length.is_none() || end.is_some_and(|end| end <= length), "ends outside: {row:?}");
        assert!(row.header_length.is_none_or(|header| header <= length), "the header ends outside: {row:?}");
        assert!(!row.reason.is_empty(), "no reason: {row:?}");
        assert!(row.reason.len() <= REASON_BYTES_MAX, "a reason of {} bytes", row.reason.len());
        assert!(row.excerpt.len() <= EXCERPT_BYTES_MAX, "an excerpt of {} bytes", row.excerpt.len());
    }
    let rows = whole.records.len() + whole.rejected.len();
    let sampled = format.name() == "azure-app-insights";
    assert!(sampled || rows <= ROWS_PER_BYTE_MAX * bytes.len(), "{rows} rows of {length} bytes");
    assert!(whole.warnings.len() <= WARNINGS_MAX, "{} warnings", whole.warnings.len());
    for record in &whole.records {
        if let EventTime::Logged(time_us) = record.time {
            assert!(TIME_US.contains(&time_us), "{time_us}: {record:?}");
        }
    }
    whole
}

/// As [`check`], of a format by its name.
pub fn check_named(name: &str, bytes: &[u8]) -> Collected {
    check(format::by_name(name).expect("a format of that name"), bytes)
}

/// As [`check_named`], of a format in which no line is more than one row.
pub fn check_lines(name: &str, bytes: &[u8]) -> Collected {
    let found = check_named(name, bytes);
    let lines = bytes.split(|byte| *byte == b'\n').count();
    let rows = found.records.len() + found.rejected.len();
    assert!(rows <= lines, "{rows} rows of {lines} lines");
    found
}
