//! One upload: detect, parse, stage, commit.
//!
//! The file is parsed in one pass with bounded memory; its rows wait in columns, in a temporary file when they are many,
//! until the last byte is read, because only then are the upload's id and its fate known. Then everything lands in one
//! commit.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use serde::Serialize;

use crate::decompress::{self, Limits};
use crate::defaults::Defaults;
use crate::duplicates::{Identities, SortedIdentities};
use crate::error::IngestError;
use crate::format::mapped::Mapped;
use crate::format::{self, Format, Origin, Sink};
use crate::lake::{Lake, UploadRow, upload_transaction};
use crate::mapping::Mapping;
use crate::record::{EventTime, Invocation, Record, RecordKey, RejectedRow, Request, Usage};
use crate::rows::{BATCH_ROWS, UsageRows, day_of};
use crate::spool::{Spool, Spooled, staging_error};
use crate::table::{RowFacts, Table, UsageRow, out_of_range, staged_schema};

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
    /// BLAKE3 of the decompressed bytes and the declared source, in hex.
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
        let batches = || Ok(spooled.batches().map(move |batch| with_upload_id(&batch?, Table::RejectedRows, id)));
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
        if staged.batches.is_empty() {
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
    let mut reader = Hashing { inner: opened, hash: blake3::Hasher::new(), hashed: 0, bytes: 0 };
    let head = reader.inner.head()?;
    if head.is_empty() {
        return Err(IngestError::Empty);
    }
    let mapped = options.mapping.clone().map(|mapping| Mapped { mapping });
    let (format, because): (&dyn Format, String) = match (&mapped, &options.format) {
        (Some(mapped), _) => (mapped, "a mapping was given".to_owned()),
        (None, Some(name)) => (format::by_name(name)?, "named by the user".to_owned()),
        (None, None) => {
            let (found, recognition) = format::detect(head)?;
            (found, recognition.because)
        }
    };
    let mut staging = Staging::new(options.at_us.unwrap_or(uploaded_at_us));
    let origin = Origin { name, defaults: &options.defaults };
    format.parse(&mut reader, &origin, &mut staging)?;
    reader.skip_rest().map_err(decompress::ingest_error)?;
    let Hashing { inner: opened, mut hash, bytes, .. } = reader;
    if opened.ignored_bytes() > 0 {
        staging.warn(format!("{} bytes behind the end of the compressed data were ignored", opened.ignored_bytes()));
    }
    hash.update(declared_source(format.name(), options).as_bytes());
    Ok(Parsed {
        id: hash.finalize().to_hex().to_string(),
        format: format.name(),
        detected_because: because,
        bytes,
        uploaded_at_us,
        staging,
    })
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

/// Hashes and counts the decompressed bytes on their way to the parser, each block as a whole: in the small pieces that
/// a parser takes, hashing is several times slower.
struct Hashing<R> {
    inner: R,
    hash: blake3::Hasher,
    /// How many of the bytes that wait in `inner` are hashed already.
    hashed: usize,
    bytes: u64,
}

impl<R: BufRead> Hashing<R> {
    /// Hashes what the parser did not read.
    fn skip_rest(&mut self) -> std::io::Result<()> {
        loop {
            let length = self.fill_buf()?.len();
            if length == 0 {
                return Ok(());
            }
            self.consume(length);
        }
    }
}

impl<R: BufRead> BufRead for Hashing<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        let available = self.inner.fill_buf()?;
        if let Some(fresh) = available.get(self.hashed..) {
            self.hash.update(fresh);
            self.hashed = available.len();
        }
        Ok(available)
    }

    fn consume(&mut self, amount: usize) {
        self.hashed -= amount.min(self.hashed);
        self.bytes += amount as u64;
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Hashing<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(out.len());
        out[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

/// Where parsed rows wait: the [`Sink`] of every format.
struct Staging {
    invocations: UsageSpool,
    requests: UsageSpool,
    storage: UsageSpool,
    metered: UsageSpool,
    rejected: RejectedSpool,
    read: u64,
    rejected_count: u64,
    warnings: Vec<String>,
    first_rejected: Vec<RejectedRow>,
}

impl Staging {
    fn new(assumed_time_us: i64) -> Self {
        let spool = |table| UsageSpool::new(table, assumed_time_us);
        Self {
            invocations: spool(Table::Invocations),
            requests: spool(Table::Requests),
            storage: spool(Table::Storage),
            metered: spool(Table::Metered),
            rejected: RejectedSpool::default(),
            read: 0,
            rejected_count: 0,
            warnings: Vec::new(),
            first_rejected: Vec::new(),
        }
    }

    /// Refuses a row of which a number cannot be. The format has read the row: which one it was, the record has to say.
    fn refuse(&mut self, reason: String, record: &dyn std::fmt::Debug) -> Result<(), IngestError> {
        let excerpt = crate::error::excerpt(format!("{record:?}").as_bytes());
        self.reject(RejectedRow { line: None, byte_offset: 0, reason, excerpt })
    }

    fn spool(&mut self, table: Table) -> &mut UsageSpool {
        match table {
            Table::Invocations => &mut self.invocations,
            Table::Requests => &mut self.requests,
            Table::Storage => &mut self.storage,
            _ => &mut self.metered,
        }
    }

    fn row<R: UsageRow + std::fmt::Debug>(
        &mut self,
        time: EventTime,
        key: RecordKey,
        row: &R,
    ) -> Result<(), IngestError> {
        if let Some(reason) = out_of_range(row) {
            return self.refuse(reason, row);
        }
        self.read += 1;
        self.spool(R::TABLE).push(time, key, row)
    }
}

impl Sink for Staging {
    fn record(&mut self, Record { time, key, usage }: Record) -> Result<(), IngestError> {
        match usage {
            Usage::Invocation(row) => self.row(time, key, &*row),
            Usage::Request(row) => self.row(time, key, &*row),
            Usage::StoredBytes(row) => self.row(time, key, &*row),
            Usage::MeteredQuantity(row) => self.row(time, key, &*row),
            Usage::BilledLine(row) => self.refuse("lines of bills are not kept yet".to_owned(), &row),
        }
    }

    fn invocation(&mut self, time: EventTime, key: RecordKey, row: &Invocation<&str>) -> Result<(), IngestError> {
        self.row(time, key, row)
    }

    fn request(&mut self, time: EventTime, key: RecordKey, row: &Request<&str>) -> Result<(), IngestError> {
        self.row(time, key, row)
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

/// Rows of one usage table on their way to the lake.
struct UsageSpool {
    rows: UsageRows,
    assumed_time_us: i64,
    count: u64,
    days: BTreeSet<i32>,
    last_day: Option<i32>,
    has_assumed: bool,
    columns: BTreeSet<String>,
    identities: Identities,
    spool: Spool,
}

impl UsageSpool {
    fn new(table: Table, assumed_time_us: i64) -> Self {
        Self {
            rows: UsageRows::new(table),
            assumed_time_us,
            count: 0,
            days: BTreeSet::new(),
            last_day: None,
            has_assumed: false,
            columns: BTreeSet::new(),
            identities: Identities::default(),
            spool: Spool::default(),
        }
    }

    fn push(&mut self, time: EventTime, key: RecordKey, row: &impl UsageRow) -> Result<(), IngestError> {
        let (time_us, logged) = match time {
            EventTime::Logged(time_us) => (time_us, true),
            EventTime::Assumed => (self.assumed_time_us, false),
        };
        self.has_assumed |= !logged;
        let day = day_of(time_us);
        if self.last_day != Some(day) {
            self.last_day = Some(day);
            self.days.insert(day);
        }
        self.identities.push(key.0, time_us, !logged, self.count)?;
        self.count += 1;
        self.rows.push(RowFacts { time_us, logged, key }, row);
        if self.rows.is_full() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IngestError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let batch = self.rows.take_batch().map_err(staging_error)?;
        for field in batch.schema_ref().fields() {
            if !self.columns.contains(field.name()) {
                self.columns.insert(field.name().clone());
            }
        }
        self.spool.write(batch)
    }

    fn finish(mut self) -> Result<Staged, IngestError> {
        self.flush()?;
        Ok(Staged {
            days: self.days,
            has_assumed: self.has_assumed,
            columns: self.columns,
            rows: self.count,
            identities: self.identities.finish(),
            batches: self.spool.finish()?,
        })
    }
}

/// Parsed rows of one usage table, ready to be committed, as often as a lost race asks for.
pub(crate) struct Staged {
    /// UTC days of the rows, as days since 1970.
    pub(crate) days: BTreeSet<i32>,
    /// Whether the log of some row gave no time.
    pub(crate) has_assumed: bool,
    /// Columns that some row has.
    pub(crate) columns: BTreeSet<String>,
    /// How many rows there are.
    pub(crate) rows: u64,
    /// What identifies them.
    pub(crate) identities: SortedIdentities,
    /// The rows.
    pub(crate) batches: Spooled,
}

/// Refused rows on their way to the lake.
#[derive(Default)]
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
        self.spool.write(batch.map_err(staging_error)?)
    }

    fn finish(mut self) -> Result<Spooled, IngestError> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        self.spool.finish()
    }
}

/// A batch of refused rows with the upload they are of.
fn with_upload_id(batch: &RecordBatch, table: Table, id: &str) -> Result<RecordBatch, IngestError> {
    let schema = table.schema();
    let place = schema.index_of("upload_id").map_err(staging_error)?;
    let mut columns = batch.columns().to_vec();
    columns.insert(place, Arc::new(StringArray::from_iter_values(std::iter::repeat_n(id, batch.num_rows()))));
    RecordBatch::try_new(schema, columns).map_err(staging_error)
}
