//! CSV with a header, by a mapping.

use std::io::BufRead;

use super::{Row, RowReader, Values};
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
    csv_table::read(input, delimiter, &mut MappedTable { reader, places: Vec::new() }, sink)
}

struct MappedTable<'a, 'm> {
    reader: &'a mut RowReader<'m>,
    /// Where in the file the columns of the reader are.
    places: Vec<usize>,
}

impl TableReader for MappedTable<'_, '_> {
    fn header(&mut self, names: &[String], _: &mut dyn Sink) -> Result<(), IngestError> {
        self.reader.check_columns(names)?;
        let place = |column: &&str| names.iter().position(|name| name == column);
        self.places = self.reader.columns.iter().filter_map(place).collect();
        Ok(())
    }

    fn row(&mut self, row: &CsvRow<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        self.reader.take(&MappedRow { row, places: &self.places }, sink)
    }
}

struct MappedRow<'a> {
    row: &'a CsvRow<'a>,
    places: &'a [usize],
}

impl Values for MappedRow<'_> {
    fn value(&self, place: usize) -> Option<&str> {
        self.row.text(*self.places.get(place)?).map(csv_table::trimmed).filter(|text| !text.is_empty())
    }
}

impl Row for MappedRow<'_> {
    fn rejected(&self, reason: String) -> RejectedRow {
        self.row.rejected(reason)
    }
}
