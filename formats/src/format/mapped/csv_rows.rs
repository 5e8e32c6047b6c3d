//! CSV with a header, by a mapping.

use std::io::BufRead;

use super::{Row, RowReader, Values, check_columns};
use crate::error::IngestError;
use crate::format::Sink;
use crate::format::csv_table::{self, CsvRow, TableReader};
use crate::record::RejectedRow;

/// Reads rows up to the end.
pub(super) fn read(
    input: &mut dyn BufRead,
    sink: &mut dyn Sink,
    reader: &mut RowReader<'_>,
) -> Result<(), IngestError> {
    let delimiter = reader.mapping.delimiter.and_then(|delimiter| u8::try_from(delimiter).ok());
    csv_table::read(input, delimiter, reader, sink)
}

impl TableReader for RowReader<'_> {
    fn header(&mut self, names: &[String], _: &mut dyn Sink) -> Result<(), IngestError> {
        check_columns(self.mapping, names)
    }

    fn row(&mut self, row: &CsvRow<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        self.take(row, sink)
    }
}

impl Values for CsvRow<'_> {
    fn value(&self, column: &str) -> Option<&str> {
        CsvRow::value(self, column)
    }
}

impl Row for CsvRow<'_> {
    fn rejected(&self, reason: String) -> RejectedRow {
        CsvRow::rejected(self, reason)
    }
}
