//! The process that runs one query: limits itself, plans, and writes what comes.

use std::io::{BufRead, BufReader, Read, Stdin, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use paygrain_ingest::Lake;

use super::message::{Failure, FailureKind, Report, Request, out_of_memory, shown_bytes, spilled};
use super::{FILE_THREADS, PARAMETER_TYPES, STACK_BYTES, SqlLimits, SqlParameter, SqlQuery};
use crate::error::QueryError;
use crate::session::session_with;
use crate::sql::read_only;

/// Bytes of a batch at most; larger ones are written in parts, so that whoever reads holds no more than this.
pub(super) const BATCH_BYTES_MAX: usize = 16 << 20;
/// Bytes of a batch that are aimed at.
const BATCH_BYTES: usize = 2 << 20;
/// Exit code of a query that failed; the report says why.
const FAILED: u8 = 1;

/// What `paygrain sql-worker` does: reads a request from standard input, limits this process, runs the query, writes the
/// answer to standard output as an Arrow IPC stream and how it ended to standard error, as the last line. Call it before
/// anything else in the process: threads and memory that are there already are not under the limits.
pub fn worker_main() -> ExitCode {
    // What panics is told in the report.
    std::panic::set_hook(Box::new(|_| {}));
    let report = match run() {
        Ok(report) => report,
        Err(failure) => Report::Failed(failure),
    };
    let mut line = serde_json::to_vec(&report).unwrap_or_default();
    line.push(b'\n');
    let told = std::io::stderr().write_all(&line);
    let done = told.is_ok() && matches!(report, Report::Done { .. });
    if done { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn run() -> Result<Report, Failure> {
    let mut input = BufReader::new(std::io::stdin());
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line).map_err(|error| engine_failure(&error))?;
    let request: Request = serde_json::from_slice(&line).map_err(|error| Failure {
        kind: FailureKind::Engine,
        problem: format!("standard input has no request: {error}"),
        hint: Some("this command is for the program itself; `paygrain sql` runs queries".into()),
    })?;
    confine(&request.limits).map_err(|error| engine_failure(&error))?;
    std::thread::spawn(move || end_with(input));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(request.limits.computing_threads())
        .max_blocking_threads(FILE_THREADS)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| engine_failure(&error))?;
    let work = runtime.spawn(answer(request));
    let ended = runtime.block_on(work);
    // What still runs is of no use to anyone.
    runtime.shutdown_background();
    ended.unwrap_or_else(|error| {
        let problem = match error.try_into_panic() {
            Ok(words) => panic_words(words.as_ref()),
            Err(error) => error.to_string(),
        };
        Err(Failure {
            kind: FailureKind::BadSql,
            problem: format!("the query engine cannot run this: {problem}"),
            hint: None,
        })
    })
}

fn panic_words(words: &(dyn std::any::Any + Send)) -> String {
    let text = words.downcast_ref::<String>().map(String::as_str).or_else(|| words.downcast_ref::<&str>().copied());
    text.unwrap_or("no reason given").to_owned()
}

/// Ends this process when nobody waits for it any more.
fn end_with(mut input: BufReader<Stdin>) {
    let _ = std::io::copy(&mut input.by_ref(), &mut std::io::sink());
    std::process::exit(i32::from(FAILED));
}

/// Sets the limits of this process, for good: of what it has already, they are beyond.
#[cfg(unix)]
fn confine(limits: &SqlLimits) -> std::io::Result<()> {
    use rlimit::Resource;
    let set = |resource: Resource, value: u64| {
        let (_, hard) = resource.get()?;
        resource.set(value.min(hard), value.min(hard))
    };
    let memory = own_address_space() + limits.reserved_bytes() + limits.memory_bytes;
    // Where a system does not limit the address space, the deadline and the memory pool are left.
    #[cfg(target_os = "linux")]
    set(Resource::AS, memory)?;
    #[cfg(not(target_os = "linux"))]
    let _ = set(Resource::AS, memory);
    let threads = (limits.computing_threads() + FILE_THREADS) as u64;
    set(Resource::CPU, (limits.timeout.as_secs() + 2).saturating_mul(threads))?;
    set(Resource::FSIZE, limits.spill_bytes)?;
    set(Resource::CORE, 0)
}

#[cfg(not(unix))]
fn confine(_: &SqlLimits) -> std::io::Result<()> {
    Ok(())
}

/// Address space that this process has now, in bytes: mostly the program itself.
#[cfg(unix)]
fn own_address_space() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let known = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = known.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    pages.map_or(1 << 30, |pages| pages * PAGE_BYTES)
}

async fn answer(request: Request) -> Result<Report, Failure> {
    let limits = &request.limits;
    let failed = |error: DataFusionError| query_failure(error, limits);
    let lake = Lake::open(&request.lake).map_err(|error| lake_failure(error.into()))?;
    let pool = usize::try_from(limits.memory_bytes / 2).unwrap_or(usize::MAX);
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![request.spill_directory.clone()]))
        .with_max_temp_directory_size(limits.spill_bytes);
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(pool), NonZeroUsize::MIN)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(failed)?;
    let session = session_with(&lake, environment, limits.threads).await.map_err(lake_failure)?;
    let plan = plan(&session, &request.query).await.map_err(failed)?;
    if request.query.plan_only {
        return described(&plan).map_err(failed);
    }
    let frame = session.execute_logical_plan(plan).await.map_err(failed)?;
    let mut batches = frame.execute_stream().await.map_err(failed)?;
    let schema = plain_schema(&batches.schema());
    let mut output = Output::new(schema, limits).map_err(|error| failed(error.into()))?;
    while let Some(batch) = batches.next().await {
        if !output.write(&batch.map_err(failed)?)? {
            break;
        }
    }
    output.finish().map_err(|error| failed(error.into()))
}

/// The plan of a query that only reads, with its parameters.
async fn plan(session: &SessionContext, query: &SqlQuery) -> Result<LogicalPlan, DataFusionError> {
    let plan = match &query.postgres {
        Some(client) => crate::postgres::plan(session, &query.text, client).await?,
        None => session.state().create_logical_plan(&query.text).await?,
    };
    read_only().verify_plan(&plan)?;
    plan.apply_with_subqueries(|node| match node {
        LogicalPlan::TableScan(scan) if scan.table_name.table() == "df_settings" => {
            Err(DataFusionError::Plan("settings cannot be queried".into()))
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    if query.parameters.is_empty() {
        return Ok(plan);
    }
    let implied = plan.get_parameter_types()?;
    let values = query.parameters.iter().enumerate().map(|(place, parameter)| {
        let implied = implied.get(&format!("${}", place + 1)).cloned().flatten();
        value(parameter, implied)
    });
    plan.with_param_values(values.collect::<Result<Vec<_>, _>>()?)
}

fn value(parameter: &SqlParameter, implied: Option<DataType>) -> Result<ScalarValue, DataFusionError> {
    let data_type = match parameter.data_type.parse()? {
        DataType::Null => implied.unwrap_or(DataType::Utf8),
        known => known,
    };
    match &parameter.value {
        Some(text) => ScalarValue::try_from_string(text.clone(), &data_type),
        None => ScalarValue::try_from(&data_type),
    }
}

/// Writes the columns of a plan and no row.
fn described(plan: &LogicalPlan) -> Result<Report, DataFusionError> {
    let types = plan.get_parameter_types()?;
    let types: std::collections::BTreeMap<_, _> =
        types.into_iter().map(|(name, known)| (name, known.map(|data_type| data_type.to_string()))).collect();
    let types = serde_json::to_string(&types).map_err(|error| DataFusionError::External(error.into()))?;
    let schema = plain_schema(&Arc::new(plan.schema().as_arrow().clone()));
    let schema = schema.as_ref().clone().with_metadata([(PARAMETER_TYPES.to_owned(), types)].into());
    StreamWriter::try_new(std::io::stdout(), &schema)?.finish()?;
    Ok(Report::Done { rows: 0, truncated: false })
}

/// The answer on its way to standard output.
struct Output {
    writer: StreamWriter<std::io::BufWriter<std::io::Stdout>>,
    schema: SchemaRef,
    written: u64,
    rows_max: u64,
    truncated: bool,
}

impl Output {
    fn new(schema: SchemaRef, limits: &SqlLimits) -> Result<Self, datafusion::arrow::error::ArrowError> {
        let writer = StreamWriter::try_new_buffered(std::io::stdout(), &schema)?;
        Ok(Self { writer, schema, written: 0, rows_max: limits.rows_max.unwrap_or(u64::MAX), truncated: false })
    }

    /// Writes rows; says whether more are wanted.
    fn write(&mut self, batch: &RecordBatch) -> Result<bool, Failure> {
        let left = usize::try_from(self.rows_max - self.written).unwrap_or(usize::MAX);
        self.truncated = batch.num_rows() > left;
        let batch =
            plain(&batch.slice(0, batch.num_rows().min(left)), &self.schema).map_err(|error| engine_failure(&error))?;
        if batch.num_rows() > 0 {
            self.write_parts(&batch)?;
            self.written += batch.num_rows() as u64;
        }
        Ok(!self.truncated)
    }

    fn write_parts(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let bytes = bytes_of(batch);
        let rows = batch.num_rows();
        if bytes > BATCH_BYTES && rows > 1 {
            self.write_parts(&batch.slice(0, rows / 2))?;
            return self.write_parts(&batch.slice(rows / 2, rows - rows / 2));
        }
        if bytes > BATCH_BYTES_MAX {
            let limit = shown_bytes(BATCH_BYTES_MAX as u64);
            let problem = format!("a row of the answer has {bytes} bytes, and may have {limit}");
            return Err(Failure { kind: FailureKind::TooLarge, problem, hint: None });
        }
        self.writer.write(batch).and_then(|()| self.writer.flush()).map_err(|error| engine_failure(&error))
    }

    fn finish(mut self) -> Result<Report, datafusion::arrow::error::ArrowError> {
        self.writer.finish()?;
        self.writer.flush()?;
        Ok(Report::Done { rows: self.written, truncated: self.truncated })
    }
}

/// Bytes of the rows of a batch, not of what its buffers share with others.
fn bytes_of(batch: &RecordBatch) -> usize {
    let bytes = |column: &ArrayRef| {
        let data = column.to_data();
        data.get_slice_memory_size().unwrap_or_else(|_| data.get_array_memory_size())
    };
    batch.columns().iter().map(bytes).sum()
}

/// The columns as every reader of Arrow knows them: no dictionaries, no views.
fn plain_schema(schema: &SchemaRef) -> SchemaRef {
    let plain = |field: &Arc<Field>| field.as_ref().clone().with_data_type(plain_type(field.data_type()));
    Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>()))
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, datafusion::arrow::error::ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()));
    let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<Vec<_>, _>>()?, &options)
}

/// An error of the engine in its own words, with the place in the query where it is known.
fn query_failure(error: DataFusionError, limits: &SqlLimits) -> Failure {
    let root = error.find_root();
    let words = match root {
        DataFusionError::SQL(error, _) => error.to_string(),
        other => other.strip_backtrace(),
    };
    let too_large = |problem: String| Failure { kind: FailureKind::TooLarge, problem, hint: None };
    match root {
        _ if words.contains("disk space during the spilling") => too_large(spilled(limits)),
        DataFusionError::ResourcesExhausted(_) => too_large(out_of_memory(limits)),
        _ if words.contains("memory allocation failed") => too_large(out_of_memory(limits)),
        DataFusionError::External(_) | DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => {
            Failure { kind: FailureKind::Engine, problem: words, hint: None }
        }
        DataFusionError::NotImplemented(_) if words.contains("single SQL statement") => bad_sql(&error, ONE_QUERY),
        _ => bad_sql(&error, &words),
    }
}

const ONE_QUERY: &str = "there are several statements, expected one query";

fn bad_sql(error: &DataFusionError, words: &str) -> Failure {
    let mut problem = without_stage(words).to_owned();
    let (mut hint, mut place) = (None, None);
    if let Some(diagnostic) = error.diagnostic() {
        hint = diagnostic.helps.first().map(|help| help.message.clone());
        place = diagnostic.span.map(|span| (span.start.line, span.start.column));
    }
    if let Some((line, column)) = place.filter(|(line, _)| *line > 0) {
        problem = format!("line {line}, column {column}: {problem}");
    }
    Failure { kind: FailureKind::BadSql, problem, hint }
}

/// The words without what only names the stage of the engine.
fn without_stage(words: &str) -> &str {
    let stages = ["Error during planning: ", "sql parser error: ", "Schema error: ", "Execution error: "];
    stages.iter().find_map(|stage| words.strip_prefix(stage)).unwrap_or(words)
}

/// An error of the lake, outside the query.
fn lake_failure(error: QueryError) -> Failure {
    Failure { kind: FailureKind::Engine, problem: error.to_string(), hint: error.hint() }
}

fn engine_failure(error: &dyn std::fmt::Display) -> Failure {
    Failure { kind: FailureKind::Engine, problem: error.to_string(), hint: None }
}
