//! The answer of a worker, batch by batch.

use std::process::ExitStatus;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamDecoder;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::SqlLimits;
use super::message::{Report, Request, out_of_memory, spilled};
use super::worker::BATCH_BYTES_MAX;
use crate::error::QueryError;

/// How much is read from a worker at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// Most bytes of one message: a batch as large as a worker makes them, and its frame.
const MESSAGE_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;
/// What is kept of a worker's standard error, in bytes.
const REPORT_BYTES_MAX: u64 = 256 * 1024;
/// How long a worker that has closed its output may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlEnd {
    /// Rows in the answer.
    pub row_count: u64,
    /// Whether there were more, cut off at [`SqlLimits::rows_max`].
    pub truncated: bool,
}

/// The answer to a query while its worker runs. Dropping it kills the worker.
#[derive(Debug)]
pub struct SqlStream {
    schema: SchemaRef,
    first: Option<RecordBatch>,
    worker: Worker,
}

impl SqlStream {
    /// Asks a worker, and waits for its schema and its first rows.
    pub(super) async fn open(
        child: Child,
        request: &Request,
        spill: TempDir,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, QueryError> {
        let mut worker = Worker::of(child, request.limits.clone(), spill, place)?;
        let first = worker.within_deadline(async |worker| {
            worker.ask(request).await?;
            worker.read().await
        });
        let first = first.await?;
        let Some(schema) = worker.decoder.schema() else {
            return Err(failed("the process of the query gave no columns".into()));
        };
        Ok(Self { schema, first, worker })
    }

    /// The columns of the answer.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The next rows; nothing when there are no more, and then [`SqlStream::end`] is known.
    ///
    /// # Errors
    /// As [`SqlSandbox::run_within`](super::SqlSandbox::run_within). What came before is not the whole answer then.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        self.worker.within_deadline(async |worker| worker.read().await).await
    }

    /// How the answer ended; nothing before it has.
    pub fn end(&self) -> Option<SqlEnd> {
        if self.first.is_some() { None } else { self.worker.end }
    }
}

/// The process, and what is known of it.
#[derive(Debug)]
struct Worker {
    child: Option<Child>,
    /// Open as long as somebody waits: a worker ends when it closes.
    input: Option<ChildStdin>,
    output: ChildStdout,
    report: JoinHandle<Vec<u8>>,
    decoder: StreamDecoder,
    pending: Buffer,
    /// Bytes of the message that is being read.
    message_bytes: usize,
    limits: SqlLimits,
    deadline: Instant,
    end: Option<SqlEnd>,
    spill: Option<TempDir>,
    place: Option<OwnedSemaphorePermit>,
}

impl Worker {
    fn of(
        mut child: Child,
        limits: SqlLimits,
        spill: TempDir,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, QueryError> {
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(output), Some(errors)) = (output, errors) else {
            return Err(failed("the process of the query has no output".into()));
        };
        let deadline = Instant::now() + limits.timeout;
        Ok(Self {
            child: Some(child),
            input,
            output,
            report: tokio::spawn(report_of(errors)),
            decoder: StreamDecoder::new(),
            pending: Buffer::default(),
            message_bytes: 0,
            limits,
            deadline,
            end: None,
            spill: Some(spill),
            place: Some(place),
        })
    }

    async fn ask(&mut self, request: &Request) -> Result<(), QueryError> {
        let mut line = serde_json::to_vec(request).map_err(|error| failed(error.to_string()))?;
        line.push(b'\n');
        if let Some(input) = &mut self.input {
            // A worker that is gone already says why on its standard error.
            let _ = input.write_all(&line).await;
            let _ = input.flush().await;
        }
        Ok(())
    }

    async fn within_deadline<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        match tokio::time::timeout_at(self.deadline, work(self)).await {
            Ok(done) => done,
            Err(_) => {
                self.stop();
                Err(QueryError::SqlTimeout { limit: self.limits.timeout })
            }
        }
    }

    /// The next batch.
    async fn read(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        loop {
            if self.child.is_none() {
                return Ok(None);
            }
            if !self.pending.is_empty() {
                let before = self.pending.len();
                let batch = self.decoder.decode(&mut self.pending)?;
                self.message_bytes += before - self.pending.len();
                if batch.is_some() {
                    self.message_bytes = 0;
                    return Ok(batch);
                }
                if self.message_bytes > MESSAGE_BYTES_MAX {
                    self.stop();
                    return Err(QueryError::SqlTooLarge { problem: "a row of the answer is too long".into() });
                }
                continue;
            }
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            if self.output.read_buf(&mut chunk).await? == 0 {
                return self.finish().await.map(|()| None);
            }
            self.pending = Buffer::from_vec(chunk);
        }
    }

    /// Output has ended: why?
    async fn finish(&mut self) -> Result<(), QueryError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let status = match tokio::time::timeout(END_TIMEOUT, child.wait()).await {
            Ok(status) => status?,
            Err(_) => {
                child.kill().await?;
                return Err(failed("the process of the query did not end".into()));
            }
        };
        let report = (&mut self.report).await.unwrap_or_default();
        self.release();
        match last_report(&report) {
            Some(Report::Done { rows, truncated }) => {
                self.end = Some(SqlEnd { row_count: rows, truncated });
                Ok(())
            }
            Some(Report::Failed(failure)) => Err(failure.into_error()),
            None => Err(self.death(status, &String::from_utf8_lossy(&report))),
        }
    }

    /// Why a worker ended without a word of its own.
    fn death(&self, status: ExitStatus, words: &str) -> QueryError {
        let too_large = |problem: String| QueryError::SqlTooLarge { problem };
        if words.contains("overflowed its stack") {
            return too_large("the query is nested too deeply".into());
        }
        if words.contains("memory allocation of") || words.contains("can't spawn worker thread") {
            return too_large(out_of_memory(&self.limits));
        }
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt;
            match status.signal() {
                // SIGXCPU
                Some(24) => return QueryError::SqlTimeout { limit: self.limits.timeout },
                // SIGXFSZ
                Some(25) => return too_large(spilled(&self.limits)),
                // SIGABRT, SIGBUS, SIGSEGV: what an allocation that is refused ends with where nobody expects it.
                Some(6 | 7 | 11) => {
                    return too_large(format!("{}, or is nested too deeply", out_of_memory(&self.limits)));
                }
                _ => {}
            }
        }
        let words: String = words.chars().take(500).collect();
        failed(format!("the process of the query ended with {status}: {}", words.trim()))
    }

    /// Kills the process, and then gives back its place and removes its files.
    fn stop(&mut self) {
        self.input = None;
        let Some(mut child) = self.child.take() else { return self.release() };
        let _ = child.start_kill();
        let (spill, place) = (self.spill.take(), self.place.take());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Its files cannot be removed for good while it may still write.
            runtime.spawn(async move {
                let _ = child.wait().await;
                drop((spill, place));
            });
        }
    }

    fn release(&mut self) {
        self.input = None;
        self.spill = None;
        self.place = None;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn failed(problem: String) -> QueryError {
    QueryError::SqlFailed { problem, hint: None }
}

/// All that a worker says beside its answer; no more of it than can be wanted.
async fn report_of(errors: ChildStderr) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut beginning = errors.take(REPORT_BYTES_MAX);
    let _ = beginning.read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut beginning.into_inner(), &mut tokio::io::sink()).await;
    kept
}

fn last_report(words: &[u8]) -> Option<Report> {
    words.split(|byte| *byte == b'\n').rev().find_map(|line| serde_json::from_slice(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_found_behind_other_words() {
        let words = b"warning: nothing\n{\"done\":{\"rows\":3,\"truncated\":true}}\n";
        assert_eq!(last_report(words), Some(Report::Done { rows: 3, truncated: true }));
        assert_eq!(last_report(b"memory allocation of 9 bytes failed\n"), None);
    }
}
