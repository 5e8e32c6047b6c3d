//! One upload: detect, parse, stage, commit.
//!
//! The file is parsed in one pass with bounded memory; its rows wait in a temporary Arrow file until the last byte is
//! read, because only then are the upload's id and its fate known. Then everything lands in one commit.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::decompress::{self, Limits};
use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::mapped::Mapped;
use crate::format::{self, Format, HEAD_BYTES_MAX, Origin, Sink};
use crate::lake::{Lake, UploadRow, days_of, upload_transaction};
use crate::mapping::Mapping;
use crate::record::{
    EventTime, Invocation, MeteredQuantity, Record, RecordKey, RejectedRow, Request, StoredBytes, Usage,
};
use crate::table::{RowFacts, Table, UsageRow, UsageRows, out_of_range, staged_schema};

/// Rows per staged batch.
const BATCH_ROWS: usize = 8192;
/// Refused rows repeated in the answer; all are in the table `rejected_rows`.
const FIRST_REJECTED_MAX: usize = 5;

/// How to read an upload.
#[derive(Clone, Debug, Default)]
pub struct IngestOptions {
    /// Format name; `None` detects it.
    pub format: Option<String>,
    /// How the file's columns become ours; the format is then `mapped`.
    pub mapping: Option<Mapping>,
    /// What the log does not say.
    pub defaults: Defaults,
    /// Time of records whose log has none, microseconds since 1970 UTC; the time of the upload if not given.
    pub at_us: Option<i64>,
    /// Limits on decompression.
    pub limits: Limits,
    /// Counts the bytes read from the file as they are read, for progress displays.
    pub bytes_read: Option<Arc<AtomicU64>>,
}

/// What became of an upload: `read` = `accepted` + `duplicate` + `rejected`.
#[derive(Clone, Debug, Serialize)]
pub struct UploadResult {
    /// File name.
    pub name: String,
    /// SHA-256 of the decompressed bytes and the declared source, in hex.
    pub id: String,
    /// Format it was read as.
    pub format: String,
    /// What in the content made it so.
    pub detected_because: String,
    /// Rows read.
    pub read: u64,
    /// Rows that landed.
    pub accepted: u64,
    /// Rows that were in the lake already.
    pub duplicate: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Whether the very same upload had landed before; nothing was changed then.
    pub already_loaded: bool,
    /// What the user should know about the file.
    pub warnings: Vec<String>,
    /// The first refused rows.
    pub first_rejected: Vec<RejectedRow>,
}

/// Brings a file into the lake, wholly or not at all.
///
/// # Errors
/// [`IngestError`] when the upload as a whole is refused; the lake is then as it was.
pub async fn ingest_file(
    lake: &Lake,
    name: &str,
    path: &Path,
    options: &IngestOptions,
) -> Result<UploadResult, IngestError> {
    let (owned_path, owned_name, owned_options) = (path.to_owned(), name.to_owned(), options.clone());
    let parsed = tokio::task::spawn_blocking(move || parse_file(&owned_path, &owned_name, &owned_options)).await;
    let parsed = parsed.map_err(|error| IngestError::Io {
        what: format!("reading `{}` was cut off", path.display()),
        source: std::io::Error::other(error),
    })??;
    land(lake, name, parsed).await
}

/// An upload read to its end, waiting to be committed.
struct Parsed {
    id: String,
    format: &'static str,
    detected_because: String,
    bytes: u64,
    uploaded_at_us: i64,
    staging: Staging,
}

async fn land(lake: &Lake, name: &str, parsed: Parsed) -> Result<UploadResult, IngestError> {
    let Parsed { id, format, detected_because, bytes, uploaded_at_us, staging } = parsed;
    let Staging { invocations, requests, storage, metered, rejected, read, rejected_count, warnings, first_rejected } =
        staging;
    let mut row = UploadRow {
        id,
        name: name.to_owned(),
        format: format.to_owned(),
        read,
        accepted: 0,
        duplicate: 0,
        rejected: rejected_count,
        bytes,
        uploaded_at_us,
        warnings,
    };
    let result = |row: UploadRow, already_loaded| UploadResult {
        name: row.name,
        id: row.id,
        format: row.format,
        detected_because: detected_because.clone(),
        read: row.read,
        accepted: row.accepted,
        duplicate: row.duplicate,
        rejected: row.rejected,
        already_loaded,
        warnings: row.warnings,
        first_rejected: first_rejected.clone(),
    };
    if let Some(landed) = lake.upload(&row.id).await? {
        return Ok(result(seen_again(UploadRow { name: row.name, ..landed }), true));
    }
    if rejected_count > 0 {
        // Before the records: a crash in between leaves refused rows without an upload, which nothing shows.
        let spooled = rejected.finish()?;
        let id = &row.id;
        let batches = || Ok(spooled.batches()?.map(move |batch| with_upload_id(&batch?, Table::RejectedRows, id)));
        lake.append_once(Table::RejectedRows, &upload_transaction(id), batches).await?;
    }
    let mut landed_before = false;
    let staged = [
        (Table::Invocations, invocations.finish()?),
        (Table::Requests, requests.finish()?),
        (Table::Storage, storage.finish()?),
        (Table::Metered, metered.finish()?),
    ];
    for (table, staged) in staged {
        if staged.rows.is_empty() {
            continue;
        }
        let appended = lake.append_usage(table, &row, &staged).await?;
        landed_before |= appended.already_loaded;
        row.accepted += appended.accepted;
        row.duplicate += appended.duplicate;
    }
    if landed_before {
        // Its rows were there, but not its ledger row: a crash cut it off, or another process is at it.
        lake.recover().await?;
        return Ok(result(seen_again(row), true));
    }
    lake.record_upload(&row).await?;
    Ok(result(row, false))
}

/// What a repetition of an upload did: every good row of it was there already.
fn seen_again(landed: UploadRow) -> UploadRow {
    UploadRow { accepted: 0, duplicate: landed.read - landed.rejected, ..landed }
}

fn parse_file(path: &Path, name: &str, options: &IngestOptions) -> Result<Parsed, IngestError> {
    let file = open_file(path)?;
    let counted = Counted { inner: file, count: options.bytes_read.clone() };
    parse(counted, name, options)
}

fn open_file(path: &Path) -> Result<File, IngestError> {
    let shown = path.display();
    let metadata =
        std::fs::metadata(path).map_err(|source| IngestError::Io { what: format!("cannot open `{shown}`"), source })?;
    if metadata.is_dir() {
        return Err(IngestError::NotAFile { path: shown.to_string(), what: "a directory" });
    }
    File::open(path).map_err(|source| IngestError::Io { what: format!("cannot open `{shown}`"), source })
}

fn parse(input: impl Read + Send + 'static, name: &str, options: &IngestOptions) -> Result<Parsed, IngestError> {
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_micros());
    let uploaded_at_us = i64::try_from(now_us).unwrap_or(i64::MAX);
    let opened = decompress::open(input, options.limits)?;
    let mut reader = BufReader::with_capacity(HEAD_BYTES_MAX, Hashing { inner: opened, hash: Sha256::new(), bytes: 0 });
    let head = read_head(&mut reader)?;
    if head.is_empty() {
        return Err(IngestError::Empty);
    }
    let mapped = options.mapping.clone().map(|mapping| Mapped { mapping });
    let (format, because): (&dyn Format, String) = match (&mapped, &options.format) {
        (Some(mapped), _) => (mapped, "a mapping was given".to_owned()),
        (None, Some(name)) => (format::by_name(name)?, "named by the user".to_owned()),
        (None, None) => {
            let (found, recognition) = format::detect(&head)?;
            (found, recognition.because)
        }
    };
    let mut staging = Staging::new(options.at_us.unwrap_or(uploaded_at_us));
    let origin = Origin { name, defaults: &options.defaults };
    format.parse(&mut std::io::Cursor::new(head).chain(&mut reader), &origin, &mut staging)?;
    std::io::copy(&mut reader, &mut std::io::sink()).map_err(decompress::ingest_error)?;
    let hashing = reader.into_inner();
    if hashing.inner.ignored_bytes() > 0 {
        staging.warn(format!(
            "{} bytes behind the end of the compressed data were ignored",
            hashing.inner.ignored_bytes()
        ));
    }
    let mut hash = hashing.hash;
    hash.update(declared_source(format.name(), options));
    Ok(Parsed {
        id: hex::encode(hash.finalize()),
        format: format.name(),
        detected_because: because,
        bytes: hashing.bytes,
        uploaded_at_us,
        staging,
    })
}

/// The first bytes of a file, as many as detection may look at.
fn read_head(reader: &mut impl Read) -> Result<Vec<u8>, IngestError> {
    let mut head = Vec::new();
    reader.take(HEAD_BYTES_MAX as u64).read_to_end(&mut head).map_err(decompress::ingest_error)?;
    Ok(head)
}

/// What the file was read as and what the user said about it, in one fixed form: the same bytes declared differently
/// are another upload. A default that is not given leaves no trace, so that new ones change no id.
fn declared_source(format: &str, options: &IngestOptions) -> String {
    let mut source = serde_json::json!({ "format": format, "defaults": options.defaults, "at_us": options.at_us });
    if let Some(mapping) = &options.mapping {
        source["mapping"] = serde_json::json!(mapping);
    }
    source.to_string()
}

/// Counts what is read, for progress.
struct Counted<R> {
    inner: R,
    count: Option<Arc<AtomicU64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if let Some(count) = &self.count {
            count.fetch_add(read as u64, Ordering::Relaxed);
        }
        Ok(read)
    }
}

/// Hashes and counts the decompressed bytes on their way to the parser.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Where parsed rows wait: the [`Sink`] of every format.
pub(crate) struct Staging {
    invocations: UsageSpool<Invocation>,
    requests: UsageSpool<Request>,
    storage: UsageSpool<StoredBytes>,
    metered: UsageSpool<MeteredQuantity>,
    rejected: RejectedSpool,
    pub(crate) read: u64,
    pub(crate) rejected_count: u64,
    pub(crate) warnings: Vec<String>,
    first_rejected: Vec<RejectedRow>,
}

impl Staging {
    /// From here on, rows without a time happened at this one.
    pub(crate) fn assume(&mut self, assumed_time_us: i64) {
        self.invocations.assumed_time_us = assumed_time_us;
        self.requests.assumed_time_us = assumed_time_us;
        self.storage.assumed_time_us = assumed_time_us;
        self.metered.assumed_time_us = assumed_time_us;
    }

    /// The rows of each usage table, and the refused ones.
    pub(crate) fn finish(self) -> Result<([(Table, Staged); 4], Spooled), IngestError> {
        let staged = [
            (Table::Invocations, self.invocations.finish()?),
            (Table::Requests, self.requests.finish()?),
            (Table::Storage, self.storage.finish()?),
            (Table::Metered, self.metered.finish()?),
        ];
        Ok((staged, self.rejected.finish()?))
    }

    pub(crate) fn new(assumed_time_us: i64) -> Self {
        Self {
            invocations: UsageSpool::new(assumed_time_us),
            requests: UsageSpool::new(assumed_time_us),
            storage: UsageSpool::new(assumed_time_us),
            metered: UsageSpool::new(assumed_time_us),
            rejected: RejectedSpool { rows: Vec::new(), spool: Spool::new(staged_schema(Table::RejectedRows)) },
            read: 0,
            rejected_count: 0,
            warnings: Vec::new(),
            first_rejected: Vec::new(),
        }
    }
}

/// Why a record that a format could read is refused all the same.
pub(crate) fn problem_of(usage: &Usage) -> Option<String> {
    match usage {
        Usage::Invocation(row) => out_of_range(&**row),
        Usage::Request(row) => out_of_range(&**row),
        Usage::StoredBytes(row) => out_of_range(&**row),
        Usage::MeteredQuantity(row) => out_of_range(&**row),
        Usage::BilledLine(_) => Some("lines of bills are not kept yet".to_owned()),
    }
}

impl Sink for Staging {
    fn record(&mut self, record: Record) -> Result<(), IngestError> {
        if let Some(reason) = problem_of(&record.usage) {
            // The format has read the row: which one it was, the record itself has to say.
            let excerpt = crate::error::excerpt(format!("{:?}", record.usage).as_bytes());
            return self.reject(RejectedRow { line: None, byte_offset: 0, reason, excerpt });
        }
        self.read += 1;
        match record.usage {
            Usage::Invocation(row) => self.invocations.push(record.time, record.key, *row),
            Usage::Request(row) => self.requests.push(record.time, record.key, *row),
            Usage::StoredBytes(row) => self.storage.push(record.time, record.key, *row),
            Usage::MeteredQuantity(row) => self.metered.push(record.time, record.key, *row),
            Usage::BilledLine(_) => Ok(()),
        }
    }

    fn reject(&mut self, row: RejectedRow) -> Result<(), IngestError> {
        self.read += 1;
        self.rejected_count += 1;
        if self.first_rejected.len() < FIRST_REJECTED_MAX {
            self.first_rejected.push(row.clone());
        }
        self.rejected.push(row)
    }

    fn warn(&mut self, message: String) {
        if !self.warnings.contains(&message) {
            self.warnings.push(message);
        }
    }
}

/// Rows of one usage table on their way into a temporary file.
struct UsageSpool<R> {
    rows: UsageRows<R>,
    assumed_time_us: i64,
    days: BTreeSet<i32>,
    has_assumed: bool,
    has_events: bool,
    only_events: bool,
    spool: Spool,
}

impl<R: UsageRow> UsageSpool<R> {
    fn new(assumed_time_us: i64) -> Self {
        let spool = Spool::new(staged_schema(R::TABLE));
        let (has_assumed, has_events, only_events) = (false, false, true);
        let rows = UsageRows::default();
        Self { rows, assumed_time_us, days: BTreeSet::new(), has_assumed, has_events, only_events, spool }
    }

    fn push(&mut self, time: EventTime, key: RecordKey, row: R) -> Result<(), IngestError> {
        let (time_us, logged) = match time {
            EventTime::Logged(time_us) => (time_us, true),
            EventTime::Assumed => (self.assumed_time_us, false),
        };
        let is_event = key.is_alone();
        self.has_assumed |= !logged && !is_event;
        self.has_events |= is_event;
        self.only_events &= is_event;
        self.rows.push(RowFacts { time_us, logged, key }, row);
        if self.rows.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IngestError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let batch = self.rows.take_batch().map_err(staging_error)?;
        self.days.extend(days_of(&batch));
        self.spool.write(&batch)
    }

    fn finish(mut self) -> Result<Staged, IngestError> {
        self.flush()?;
        let Self { days, has_assumed, has_events, only_events, spool, .. } = self;
        Ok(Staged { days, has_assumed, has_events, only_events, rows: spool.finish()? })
    }
}

/// Parsed rows of one usage table, ready to be committed, as often as a lost race asks for.
pub(crate) struct Staged {
    /// UTC days of the rows, as days since 1970.
    pub(crate) days: BTreeSet<i32>,
    /// Whether the log of some row gave no time, events apart.
    pub(crate) has_assumed: bool,
    /// Whether some row is an event, which its key names whatever its time says.
    pub(crate) has_events: bool,
    /// Whether all are.
    pub(crate) only_events: bool,
    /// The rows.
    pub(crate) rows: Spooled,
}

/// Refused rows on their way into a temporary file.
struct RejectedSpool {
    rows: Vec<RejectedRow>,
    spool: Spool,
}

impl RejectedSpool {
    fn push(&mut self, row: RejectedRow) -> Result<(), IngestError> {
        self.rows.push(row);
        if self.rows.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IngestError> {
        let rows = std::mem::take(&mut self.rows);
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let batch = RecordBatch::try_new(
            staged_schema(Table::RejectedRows),
            vec![
                Arc::new(rows.iter().map(|row| row.line.map(signed)).collect::<Int64Array>()),
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| signed(row.byte_offset)))),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.reason))),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.excerpt))),
            ],
        );
        self.spool.write(&batch.map_err(staging_error)?)
    }

    fn finish(mut self) -> Result<Spooled, IngestError> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        self.spool.finish()
    }
}

/// Batches on their way into an unnamed temporary file, made when the first one comes.
struct Spool {
    schema: SchemaRef,
    writer: Option<StreamWriter<BufWriter<File>>>,
}

impl Spool {
    fn new(schema: SchemaRef) -> Self {
        Self { schema, writer: None }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), IngestError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let file = BufWriter::new(tempfile::tempfile().map_err(temporary_error)?);
                self.writer.insert(StreamWriter::try_new(file, &self.schema).map_err(staging_error)?)
            }
        };
        writer.write(batch).map_err(staging_error)
    }

    fn finish(self) -> Result<Spooled, IngestError> {
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

/// A staged batch with the column `upload_id` in its place: last in usage tables, first in `rejected_rows`.
pub(crate) fn with_upload_id(batch: &RecordBatch, table: Table, id: &str) -> Result<RecordBatch, IngestError> {
    let schema = table.schema();
    let place = schema.index_of("upload_id").map_err(staging_error)?;
    let mut columns = batch.columns().to_vec();
    columns.insert(place, Arc::new(StringArray::from_iter_values(std::iter::repeat_n(id, batch.num_rows()))));
    RecordBatch::try_new(schema, columns).map_err(staging_error)
}

fn temporary_error(source: std::io::Error) -> IngestError {
    IngestError::Io { what: "cannot use a temporary file".into(), source }
}

fn staging_error(error: ArrowError) -> IngestError {
    match error {
        ArrowError::IoError(_, source) => temporary_error(source),
        other => IngestError::Storage { doing: "written".into(), source: Box::new(other) },
    }
}
