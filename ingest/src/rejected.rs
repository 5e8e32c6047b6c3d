//! Refused rows on their way to the table `rejected_rows`, with their original bytes.

use std::io::Read;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use crate::error::IngestError;
use crate::originals::Originals;
use crate::record::RejectedRow;
use crate::table::{Table, staged_schema};
use crate::upload::{Spool, Spooled, staging_error};

/// Rows per batch: their original bytes are in memory while one is made.
const BATCH_ROWS: usize = 256;

/// Refused rows in a temporary file.
pub(crate) struct RejectedSpool {
    rows: Vec<RejectedRow>,
    spool: Spool,
}

/// What is known while the file is read; the original bytes come after that.
fn noted_schema() -> SchemaRef {
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let places = [number("line"), number("byte_offset"), number("byte_length"), number("header_length")];
    Arc::new(Schema::new(places.into_iter().chain([text("reason"), text("excerpt")]).collect::<Vec<_>>()))
}

impl RejectedSpool {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new(), spool: Spool::default() }
    }

    pub(crate) fn push(&mut self, row: RejectedRow) -> Result<(), IngestError> {
        self.rows.push(row);
        if self.rows.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IngestError> {
        let rows = std::mem::take(&mut self.rows);
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let numbers = |get: fn(&RejectedRow) -> Option<u64>| -> ArrayRef {
            Arc::new(rows.iter().map(|row| get(row).map(signed)).collect::<Int64Array>())
        };
        let columns: Vec<ArrayRef> = vec![
            numbers(|row| row.line),
            numbers(|row| Some(row.byte_offset)),
            numbers(|row| row.byte_length),
            numbers(|row| row.header_length),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.reason))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.excerpt))),
        ];
        self.spool.write(RecordBatch::try_new(noted_schema(), columns).map_err(staging_error)?)
    }

    /// The rows for the table, with their original bytes from a second reading of the upload where there is one.
    pub(crate) fn finish(
        mut self,
        mut originals: Option<Originals<Box<dyn Read + Send>>>,
    ) -> Result<Spooled, IngestError> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        let noted = self.spool.finish()?;
        let mut spool = Spool::default();
        let mut header: Option<Vec<u8>> = None;
        for batch in noted.batches() {
            let batch = batch?;
            let numbers = |place: usize| batch.column(place).as_primitive::<Int64Type>();
            let number = |place: usize, row: usize| {
                let column = numbers(place);
                column.is_valid(row).then(|| column.value(row).unsigned_abs())
            };
            let (mut rows, mut headers) = (BinaryBuilder::new(), BinaryBuilder::new());
            for row in 0..batch.num_rows() {
                let (length, header_length) = (number(2, row), number(3, row));
                if let (None, Some(length), Some(originals)) = (&header, header_length, &mut originals) {
                    header = Some(originals.header(length)?.unwrap_or_default());
                }
                let original = match &mut originals {
                    // A row that was refused after it had been read has no place.
                    Some(originals) if number(0, row).is_some() || number(1, row) != Some(0) => {
                        originals.row(number(1, row).unwrap_or(0), length)?
                    }
                    _ => None,
                };
                rows.append_option(original);
                headers.append_option(header_length.and(header.as_ref()).filter(|header| !header.is_empty()));
            }
            let columns: Vec<ArrayRef> = vec![
                batch.column(0).clone(),
                batch.column(1).clone(),
                batch.column(4).clone(),
                batch.column(5).clone(),
                Arc::new(rows.finish()),
                Arc::new(headers.finish()),
            ];
            spool.write(RecordBatch::try_new(staged_schema(Table::RejectedRows), columns).map_err(staging_error)?)?;
        }
        spool.finish()
    }
}
