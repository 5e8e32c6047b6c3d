//! Batches in temporary files.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;

use crate::error::IngestError;

/// Batches on their way into an unnamed temporary file, made when the first one comes.
pub(crate) struct Spool {
    schema: SchemaRef,
    writer: Option<StreamWriter<BufWriter<File>>>,
}

impl Spool {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self { schema, writer: None }
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), IngestError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let file = BufWriter::new(tempfile::tempfile().map_err(temporary_error)?);
                self.writer.insert(StreamWriter::try_new(file, &self.schema).map_err(staging_error)?)
            }
        };
        writer.write(batch).map_err(staging_error)
    }

    pub(crate) fn finish(self) -> Result<Spooled, IngestError> {
        let Some(mut writer) = self.writer else { return Ok(Spooled { file: None }) };
        writer.finish().map_err(staging_error)?;
        let mut buffered = writer.into_inner().map_err(staging_error)?;
        buffered.flush().map_err(temporary_error)?;
        let file = buffered.into_inner().map_err(|error| temporary_error(error.into_error()))?;
        Ok(Spooled { file: Some(file) })
    }
}

/// Batches in a temporary file, to be read any number of times.
pub(crate) struct Spooled {
    file: Option<File>,
}

impl Spooled {
    /// Batches that a file holds.
    pub(crate) fn of(file: File) -> Self {
        Self { file: Some(file) }
    }

    /// Copies the batches to a file, durably.
    pub(crate) fn copy_to(&self, path: &Path) -> std::io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| crate::pending::copy(file, path))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.file.is_none()
    }

    /// The batches, from the first.
    pub(crate) fn batches(
        &self,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, IngestError>> + use<>, IngestError> {
        let reader = match &self.file {
            None => None,
            Some(file) => {
                let mut file = file.try_clone().map_err(temporary_error)?;
                file.rewind().map_err(temporary_error)?;
                Some(StreamReader::try_new(BufReader::new(file), None).map_err(staging_error)?)
            }
        };
        Ok(reader.into_iter().flatten().map(|batch| batch.map_err(staging_error)))
    }
}

pub(super) fn temporary_error(source: std::io::Error) -> IngestError {
    IngestError::Io { what: "cannot use a temporary file".into(), source }
}

pub(crate) fn staging_error(error: ArrowError) -> IngestError {
    match error {
        ArrowError::IoError(_, source) => temporary_error(source),
        other => IngestError::Storage { doing: "written".into(), source: Box::new(other) },
    }
}
