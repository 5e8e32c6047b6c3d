//! The data files of one state of a usage table, for what is derived from them file by file.
//!
//! A data file never changes, and the files of a state hold each of its rows once. What is additive over rows can thus be
//! worked out for each file alone, kept, and summed over the files of any state.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use deltalake::{DeltaTable, Path};
use futures::{Stream, TryStreamExt};

use super::Lake;
use crate::data_file::DataFile;
use crate::error::IngestError;

/// Where a lake keeps what can be worked out again from its tables.
const DERIVED: &str = "rollups";

/// A data file of a usage table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageDataFile {
    /// UTC day of all its rows, days since 1970.
    pub day: i32,
    /// Its path within the table: the name of its content, for ever.
    pub path: String,
    /// Rows.
    pub rows: u64,
}

impl Lake {
    /// The data files of a state of a usage table, by day; nothing when another program has marked rows of a file as
    /// deleted, so that the files are not the rows.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn usage_data_files(&self, delta: &DeltaTable) -> Result<Option<Vec<UsageDataFile>>, IngestError> {
        let snapshot = delta.snapshot().map_err(|error| self.storage_error("read".into(), error))?;
        let mut files = Vec::new();
        for file in snapshot.log_data() {
            let date = file.partition_values_map().remove("date").flatten();
            let day = date.and_then(|date| date.parse::<NaiveDate>().ok());
            let (Some(day), None) = (day, file.deletion_vector_descriptor()) else { return Ok(None) };
            files.push(UsageDataFile {
                day: day.to_epoch_days(),
                path: file.object_store_path().to_string(),
                rows: file.num_records().unwrap_or(0) as u64,
            });
        }
        files.sort();
        Ok(Some(files))
    }

    /// The rows of a data file, with those of the named columns that it has. Texts come as dictionaries.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn read_usage_data_file(
        &self,
        delta: &DeltaTable,
        file: &UsageDataFile,
        columns: &[&str],
    ) -> Result<impl Stream<Item = Result<RecordBatch, IngestError>> + use<>, IngestError> {
        let failed = |error| IngestError::Storage { doing: "read".into(), source: Box::new(error) };
        let builder = DataFile::open(delta, Path::from(file.path.as_str())).await.map_err(failed)?;
        let fields = builder.schema().fields().iter().map(|field| match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                let texts = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
                Arc::new(Field::new(field.name(), texts, field.is_nullable()))
            }
            _ => field.clone(),
        });
        let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields.collect::<Vec<_>>())));
        let metadata = ArrowReaderMetadata::try_new(builder.metadata().clone(), options).map_err(failed)?;
        let builder = DataFile::open_with(delta, Path::from(file.path.as_str()), metadata);
        let wanted: Vec<usize> = columns.iter().filter_map(|name| builder.schema().index_of(name).ok()).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let stream = builder.with_projection(mask).with_batch_size(super::ROWS_AT_ONCE).build().map_err(failed)?;
        Ok(stream.map_err(failed))
    }

    /// Where what is derived from the tables may be kept.
    ///
    /// # Errors
    /// When the lake is not on this machine.
    pub fn derived_directory(&self) -> Result<PathBuf, IngestError> {
        Ok(self.local_path()?.join(DERIVED))
    }
}
