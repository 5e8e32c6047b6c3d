//! Batches that wait until an upload is read to its end: in memory as long as they are few, then in a temporary file.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;

use crate::error::IngestError;

/// What waits in memory before it is written to a file, in bytes.
const MEMORY_BYTES_MAX: usize = 96 << 20;

/// Batches on their way; they may differ in their columns.
#[derive(Default)]
pub(crate) struct Spool {
    batches: Vec<RecordBatch>,
    memory_bytes: usize,
    file: Option<BufWriter<File>>,
    /// Where each batch of the file begins: each is a stream of its own.
    begins: Vec<u64>,
}

impl Spool {
    /// Adds a batch.
    pub(crate) fn write(&mut self, batch: RecordBatch) -> Result<(), IngestError> {
        self.memory_bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        if self.memory_bytes > MEMORY_BYTES_MAX { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), IngestError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BufWriter::with_capacity(1 << 18, tempfile::tempfile().map_err(temporary_error)?)),
        };
        for batch in self.batches.drain(..) {
            self.begins.push(file.stream_position().map_err(temporary_error)?);
            write(&batch, file)?;
        }
        self.memory_bytes = 0;
        Ok(())
    }

    /// Ends the adding.
    pub(crate) fn finish(self) -> Result<Spooled, IngestError> {
        let file = match self.file {
            None => None,
            Some(mut file) => {
                file.flush().map_err(temporary_error)?;
                Some(file.into_inner().map_err(|error| temporary_error(error.into_error()))?)
            }
        };
        Ok(Spooled { file, begins: self.begins, batches: self.batches })
    }
}

/// Batches that wait, to be read any number of times.
pub(crate) struct Spooled {
    file: Option<File>,
    begins: Vec<u64>,
    batches: Vec<RecordBatch>,
}

impl Spooled {
    /// Batches that were written with [`Spooled::copy_to`].
    pub(crate) fn of(file: File) -> Result<Self, IngestError> {
        let mut begins = Vec::new();
        let mut reader = BufReader::with_capacity(1 << 18, &file);
        while !reader.fill_buf().map_err(temporary_error)?.is_empty() {
            begins.push(reader.stream_position().map_err(temporary_error)?);
            for batch in StreamReader::try_new(&mut reader, None).map_err(staging_error)? {
                batch.map_err(staging_error)?;
            }
        }
        Ok(Self { file: Some(file), begins, batches: Vec::new() })
    }

    /// Writes the batches to a file, durably.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), IngestError> {
        let mut file = BufWriter::with_capacity(1 << 18, File::create(path).map_err(temporary_error)?);
        for batch in self.batches() {
            write(&batch?, &mut file)?;
        }
        file.into_inner().map_err(|error| temporary_error(error.into_error()))?.sync_all().map_err(temporary_error)
    }

    /// The batches, from the first.
    pub(crate) fn batches(&self) -> impl Iterator<Item = Result<RecordBatch, IngestError>> {
        let from_file = self.begins.iter().filter_map(|begin| self.read(*begin).transpose());
        from_file.chain(self.batches.iter().cloned().map(Ok))
    }

    fn read(&self, begin: u64) -> Result<Option<RecordBatch>, IngestError> {
        let Some(mut file) = self.file.as_ref() else { return Ok(None) };
        file.seek(SeekFrom::Start(begin)).map_err(temporary_error)?;
        let mut stream = StreamReader::try_new(BufReader::with_capacity(1 << 18, file), None).map_err(staging_error)?;
        stream.next().transpose().map_err(staging_error)
    }
}

/// Writes a batch as a stream of its own.
fn write(batch: &RecordBatch, file: &mut impl Write) -> Result<(), IngestError> {
    let mut writer = StreamWriter::try_new(file, &batch.schema()).map_err(staging_error)?;
    writer.write(batch).and_then(|()| writer.finish()).map_err(staging_error)
}

/// What went wrong with a temporary file.
pub(crate) fn temporary_error(source: std::io::Error) -> IngestError {
    IngestError::Io { what: "cannot use a temporary file".into(), source }
}

/// What went wrong with a batch.
pub(crate) fn staging_error(error: ArrowError) -> IngestError {
    match error {
        ArrowError::IoError(_, source) => temporary_error(source),
        other => IngestError::Storage { doing: "written".into(), source: Box::new(other) },
    }
}
