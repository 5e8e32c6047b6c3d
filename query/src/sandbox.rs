//! SQL of people who are not trusted with the machine: each query runs in a process of its own.
//!
//! Limits inside a process do not hold: a scalar function allocates what no memory pool sees, and a join that does not
//! yield cannot be cancelled. So [`SqlSandbox`] starts this program again as a worker ([`worker_main`]) that limits its own
//! address space, computing time and file size, and kills it at the deadline, or when nobody reads the answer any more.
//!
//! The worker gets one line of JSON on its standard input, which stays open as long as somebody waits. Its standard output
//! is an Arrow IPC stream, the last line of its standard error says how it ended.

mod message;
mod stream;
mod worker;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use paygrain_ingest::Lake;
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::error::QueryError;
use crate::postgres::PostgresClient;

pub use stream::{SqlEnd, SqlStream};
pub use worker::worker_main;

/// The first argument that makes the program a worker.
pub const WORKER_ARGUMENT: &str = "sql-worker";
/// Longest text of a query, in bytes.
pub const QUERY_BYTES_MAX: usize = 256 * 1024;
/// Stack of a thread of the worker, in bytes: query plans recurse deeply in unoptimised builds.
const STACK_BYTES: usize = 16 << 20;
/// Threads of the worker that read files, beside those that compute.
const FILE_THREADS: usize = 4;
/// What the allocator reserves of the address space for a thread, used or not, in bytes.
const ARENA_BYTES: u64 = 64 << 20;

/// What a query may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlLimits {
    /// Address space beyond what the program needs to start, in bytes. Operators that can spill begin at half of it.
    pub memory_bytes: u64,
    /// From the start of the worker to the last row, the time that the reader takes included.
    pub timeout: Duration,
    /// Rows of the answer; what is beyond is cut off, and said to be. `None`: all.
    pub rows_max: Option<u64>,
    /// Temporary files of sorts, joins and groupings, in bytes.
    pub spill_bytes: u64,
    /// Threads that compute.
    pub threads: usize,
}

impl Default for SqlLimits {
    /// For strangers: 1 GiB, 30 seconds, a million rows, 1 GiB of temporary files, two threads.
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            timeout: Duration::from_secs(30),
            rows_max: Some(1_000_000),
            spill_bytes: 1 << 30,
            threads: 2,
        }
    }
}

impl SqlLimits {
    /// Threads that compute, at least one.
    fn computing_threads(&self) -> usize {
        self.threads.max(1)
    }

    /// What threads reserve of the address space before they do anything, in bytes.
    fn reserved_bytes(&self) -> u64 {
        let threads = self.computing_threads() as u64;
        (threads + FILE_THREADS as u64 + 2) * STACK_BYTES as u64 + threads * ARENA_BYTES
    }
}

/// A query with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlQuery {
    /// The text.
    pub text: String,
    /// Values of `$1`, `$2`, … in order.
    #[serde(default)]
    pub parameters: Vec<SqlParameter>,
    /// Only plan it: the answer has a schema and no row. The schema's metadata then has [`PARAMETER_TYPES`].
    #[serde(default)]
    pub plan_only: bool,
    /// Read as Postgres reads SQL, with its catalogue, for this client.
    #[serde(default)]
    pub postgres: Option<PostgresClient>,
}

/// Key in the metadata of a planned query's schema: a JSON object from the name of each parameter (`$1`) to its Arrow type,
/// `null` where the query does not say.
pub const PARAMETER_TYPES: &str = "paygrain.parameter_types";

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlParameter {
    /// Arrow type as `DataType` prints it: `Int64`, `Utf8`, `Decimal128(38, 10)`. A value of `Null` is of the type that the
    /// query makes of it, and text where it makes none.
    pub data_type: String,
    /// As text; `None` is null.
    pub value: Option<String>,
}

impl From<&str> for SqlQuery {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

/// Runs queries of strangers over a lake, each in a worker; cheap to clone.
#[derive(Clone, Debug)]
pub struct SqlSandbox {
    program: PathBuf,
    lake: String,
    limits: SqlLimits,
    places: Arc<Semaphore>,
    place_count: usize,
    patience: Duration,
}

impl SqlSandbox {
    /// Over a lake, with this very program as the worker, [`SqlLimits::default`], and four queries at once.
    ///
    /// # Errors
    /// [`QueryError::Write`] when the system does not say which program this is.
    pub fn new(lake: &Lake) -> Result<Self, QueryError> {
        let itself = PathBuf::from("/proc/self/exe");
        // That name stays right when another version of the program takes its place on the disk.
        let program = if itself.exists() { itself } else { std::env::current_exe()? };
        let (place_count, patience) = (4, Duration::from_secs(5));
        let places = Arc::new(Semaphore::new(place_count));
        let limits = SqlLimits::default();
        Ok(Self { program, lake: lake.name().to_owned(), limits, places, place_count, patience })
    }

    /// With another program as the worker.
    #[must_use]
    pub fn with_program(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(self, limits: SqlLimits) -> Self {
        Self { limits, ..self }
    }

    /// So many queries at once; a further one waits so long for one of them to end.
    #[must_use]
    pub fn with_places(self, count: usize, patience: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(count)), place_count: count, patience, ..self }
    }

    /// What a query may take.
    pub fn limits(&self) -> &SqlLimits {
        &self.limits
    }

    /// Runs one query within the limits of the sandbox.
    ///
    /// # Errors
    /// As [`SqlSandbox::run_within`].
    pub async fn run(&self, text: &str) -> Result<SqlStream, QueryError> {
        self.run_within(&text.into(), &self.limits).await
    }

    /// Runs one query within limits of its own. When this returns, the schema is known and the first rows are there, so
    /// that most of what can go wrong is an error here and not within the rows.
    ///
    /// # Errors
    /// [`QueryError::BadSql`] for anything but a query and for one that fails, [`QueryError::SqlTimeout`],
    /// [`QueryError::SqlTooLarge`], [`QueryError::SqlBusy`], [`QueryError::SqlFailed`].
    pub async fn run_within(&self, query: &SqlQuery, limits: &SqlLimits) -> Result<SqlStream, QueryError> {
        if query.text.len() > QUERY_BYTES_MAX {
            let problem = format!("the query has {} bytes, and may have {QUERY_BYTES_MAX}", query.text.len());
            return Err(QueryError::BadSql { problem, hint: None });
        }
        let place = tokio::time::timeout(self.patience, self.places.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(QueryError::SqlBusy { running: self.place_count }) };
        let spill = tempfile::Builder::new().prefix("paygrain-sql-").tempdir()?;
        let request = message::Request {
            lake: self.lake.clone(),
            query: query.clone(),
            limits: limits.clone(),
            spill_directory: spill.path().to_owned(),
        };
        let mut command = Command::new(&self.program);
        command
            .arg(WORKER_ARGUMENT)
            // No credentials, no settings; and no more arenas of the allocator than threads, as each takes address space.
            .env_clear()
            .env("MALLOC_ARENA_MAX", limits.computing_threads().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.arg0("paygrain");
        let child = command.spawn().map_err(|error| QueryError::SqlFailed {
            problem: format!("the process of the query did not start: {error}"),
            hint: None,
        })?;
        SqlStream::open(child, &request, spill, place).await
    }
}
