//! Parquet files as a JSON object a row, so that every format that reads JSON lines reads them.
//!
//! Digits are kept: decimals are written as they are, times in RFC 3339, maps and structures as objects. The number of a
//! row stands for its line.

use std::fs::File;
use std::io::{self, Read};

use datafusion::arrow::json::LineDelimitedWriter;
use datafusion::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::error::IngestError;

/// What every Parquet file begins with.
pub(crate) const MAGIC: &[u8] = b"PAR1";
/// Rows that are turned into text at once.
const BATCH_ROWS: usize = 1024;

/// Rows as text, a batch at a time.
pub(crate) struct ParquetRows {
    batches: ParquetRecordBatchReader,
    text: Vec<u8>,
    at: usize,
}

impl ParquetRows {
    /// Rows of a file.
    pub(crate) fn open(file: File) -> Result<Self, IngestError> {
        let bad =
            |error: datafusion::parquet::errors::ParquetError| IngestError::BadParquet { problem: error.to_string() };
        let batches = ParquetRecordBatchReaderBuilder::try_new(file)
            .map_err(bad)?
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(bad)?;
        Ok(Self { batches, text: Vec::new(), at: 0 })
    }

    fn next_batch(&mut self) -> Result<bool, IngestError> {
        let bad = |problem: String| IngestError::BadParquet { problem };
        let Some(batch) = self.batches.next() else { return Ok(false) };
        let batch = batch.map_err(|error| bad(error.to_string()))?;
        self.text.clear();
        self.at = 0;
        let mut writer = LineDelimitedWriter::new(&mut self.text);
        writer.write(&batch).and_then(|()| writer.finish()).map_err(|error| bad(error.to_string()))?;
        Ok(true)
    }
}

impl Read for ParquetRows {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() {
            if !self.next_batch().map_err(io::Error::other)? {
                return Ok(0);
            }
        }
        let length = out.len().min(self.text.len() - self.at);
        out[..length].copy_from_slice(&self.text[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}
