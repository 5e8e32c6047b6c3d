//! Batches that wait until an upload is read to its end: in memory as long as they are few, then in a temporary file.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;

use crate::error::IngestError;

/// What waits in memory before it is written to a file, in bytes: a million rows or more.
const MEMORY_BYTES_MAX: usize = 128 << 20;
/// The same once there is a file: the memory is needed for what comes after.
const LATER_BYTES_MAX: usize = 16 << 20;

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
        let most = if self.file.is_none() { MEMORY_BYTES_MAX } else { LATER_BYTES_MAX };
        if self.memory_bytes > most { self.spill() } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn batches_come_back_from_memory_and_files_in_their_order() {
        let numbers = |from: i64| Arc::new(Int64Array::from_iter_values(from..from + 10)) as ArrayRef;
        let texts = Arc::new(StringArray::from_iter_values((0..10).map(|at| at.to_string()))) as ArrayRef;
        // They differ in their columns.
        let batches = [
            RecordBatch::try_from_iter([("a", numbers(0))]).unwrap(),
            RecordBatch::try_from_iter([("a", numbers(10)), ("b", texts.clone())]).unwrap(),
            RecordBatch::try_from_iter([("b", texts)]).unwrap(),
        ];
        for spilled in 0..=batches.len() {
            let mut spool = Spool::default();
            for (at, batch) in batches.iter().enumerate() {
                spool.write(batch.clone()).unwrap();
                if at < spilled {
                    spool.spill().unwrap();
                }
            }
            let spooled = spool.finish().unwrap();
            for _ in 0..2 {
                let read: Vec<_> = spooled.batches().map(Result::unwrap).collect();
                assert_eq!(read, batches, "{spilled} of them in a file");
            }
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("copy");
            spooled.copy_to(&path).unwrap();
            let read: Vec<_> = Spooled::of(File::open(&path).unwrap()).unwrap().batches().map(Result::unwrap).collect();
            assert_eq!(read, batches);
        }
        assert!(Spool::default().finish().unwrap().batches().next().is_none());
    }
}
