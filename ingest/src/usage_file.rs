//! Parquet files of usage records.
//!
//! The records are in columns already, with their texts as dictionaries, so the columns are encoded here as they are: low
//! cardinality as indices, numbers as differences, ids one after the other. The library writes pages, statistics and the
//! rest of the file. Its own encoding of the same columns takes nine times as long (`benches/compare/RESULTS.md`).
//! Columns that no record of an upload has are left out of its files; readers take them as null.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::parquet::arrow::ArrowSchemaConverter;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::file::writer::SerializedFileWriter;

use chunk::Chunk;
use values::{Present, Values};

mod chunk;
mod encoding;
#[cfg(test)]
mod tests;
mod values;

/// Compression level: higher ones cost much and bring little for columns encoded like this.
const ZSTD_LEVEL: i32 = 1;

/// Rows of a batch.
pub(crate) struct Segment {
    /// Which batch.
    pub(crate) batch: RecordBatch,
    /// Which of its rows, ascending.
    pub(crate) rows: Vec<u32>,
}

/// The least and the largest value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Extent {
    /// Of whole numbers and times.
    Integer(i64, i64),
    /// Of texts.
    Text(String, String),
}

/// What is known of a column of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnFacts {
    /// Rows without a value.
    pub(crate) nulls: u64,
    /// Least and largest value, where they say something.
    pub(crate) extent: Option<Extent>,
    /// Whether some row group had values and no extent.
    unbounded: bool,
}

/// A file that is being written, in memory.
pub(crate) struct UsageFile {
    schema: Arc<Schema>,
    constant: Option<(String, String)>,
    writer: SerializedFileWriter<Vec<u8>>,
    written: Vec<Bytes>,
    bytes: usize,
    rows: u64,
    facts: Vec<ColumnFacts>,
    compressor: zstd::bulk::Compressor<'static>,
}

/// A finished file.
pub(crate) struct FinishedFile {
    /// Its bytes.
    pub(crate) parts: Vec<Bytes>,
    /// How many they are.
    pub(crate) bytes: usize,
    /// Rows.
    pub(crate) rows: u64,
    /// Its columns.
    pub(crate) columns: Vec<(String, ColumnFacts)>,
}

impl UsageFile {
    /// A file of these columns; one of them may have the same text in every row.
    pub(crate) fn new(schema: Arc<Schema>, constant: Option<(String, String)>) -> Result<Self, ParquetError> {
        let parquet = ArrowSchemaConverter::new().convert(&schema)?;
        let properties = WriterProperties::builder().set_created_by("paygrain".to_owned()).build();
        let writer = SerializedFileWriter::new(Vec::new(), parquet.root_schema_ptr(), Arc::new(properties))?;
        let facts = vec![ColumnFacts::default(); schema.fields().len()];
        let compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        Ok(Self { schema, constant, writer, written: Vec::new(), bytes: 0, rows: 0, facts, compressor })
    }

    /// Adds a row group.
    pub(crate) fn add(&mut self, segments: &[Segment]) -> Result<(), ParquetError> {
        let rows: usize = segments.iter().map(|segment| segment.rows.len()).sum();
        if rows == 0 {
            return Ok(());
        }
        let descriptors = self.writer.schema_descr().columns().to_vec();
        let mut group = self.writer.next_row_group()?;
        for ((field, descriptor), facts) in self.schema.fields().iter().zip(descriptors).zip(&mut self.facts) {
            let name = field.name().as_str();
            let (values, present) = match &self.constant {
                Some((constant, text)) if constant == name => {
                    (Values::Texts(vec![0; rows], vec![text.as_bytes()]), Present::all(rows))
                }
                _ => (Values::gather(segments, name, field.data_type())?, Present::of(segments, name, rows)),
            };
            let mut chunk = Chunk::new(descriptor, &mut self.compressor, present);
            let extent = chunk.write(values)?;
            facts.nulls += chunk.nulls();
            facts.take(extent, chunk.nulls() == rows as u64);
            let (bytes, close) = chunk.close()?;
            group.append_column(&bytes, close)?;
        }
        group.close()?;
        self.rows += rows as u64;
        self.writer.flush()?;
        let written = Bytes::from(std::mem::take(self.writer.inner_mut()));
        self.bytes += written.len();
        self.written.push(written);
        Ok(())
    }

    /// Bytes written so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ends the file.
    pub(crate) fn finish(mut self) -> Result<FinishedFile, ParquetError> {
        self.writer.finish()?;
        let rest = Bytes::from(std::mem::take(self.writer.inner_mut()));
        self.bytes += rest.len();
        self.written.push(rest);
        let names = self.schema.fields().iter().map(|field| field.name().clone());
        let columns = names.zip(self.facts).collect();
        Ok(FinishedFile { parts: self.written, bytes: self.bytes, rows: self.rows, columns })
    }
}

impl ColumnFacts {
    fn take(&mut self, extent: Option<Extent>, empty: bool) {
        if empty || self.unbounded {
            return;
        }
        self.extent = match (self.extent.take(), extent) {
            (None, extent) => extent,
            (Some(Extent::Integer(low, high)), Some(Extent::Integer(other_low, other_high))) => {
                Some(Extent::Integer(low.min(other_low), high.max(other_high)))
            }
            (Some(Extent::Text(low, high)), Some(Extent::Text(other_low, other_high))) => {
                Some(Extent::Text(low.min(other_low), high.max(other_high)))
            }
            _ => None,
        };
        self.unbounded = self.extent.is_none();
    }
}
