//! One upload: detect, parse, stage, commit.
//!
//! The file is parsed in one pass with bounded memory; its rows wait in a temporary Arrow file until the last byte is
//! read, because only then are the upload's id and its fate known. Then everything lands in one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use datafusion::arrow::array::{RecordBatch, StringArray};
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
use crate::parquet_rows::{MAGIC, ParquetRows};
use crate::pending::Pending;
use crate::record::{
    BilledLine, EventTime, Invocation, MeteredQuantity, Record, RecordKey, RejectedRow, Request, StoredBytes, Usage,
};
use crate::rejected::RejectedSpool;
use crate::summary::{Collector, Summary};
use crate::table::{RowFacts, Table, UsageRow, UsageRows, export_id, out_of_range, staged_schema};
use crate::times::{self, Times};

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
    /// Counts what is read as it is read, for progress displays.
    pub progress: Arc<Progress>,
}

/// How far an upload has been read.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of its files, as they are.
    pub bytes: AtomicU64,
    /// Rows, good and bad.
    pub rows: AtomicU64,
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
    /// Lines of earlier deliveries of the same billing exports, which these rows replace.
    pub replaced: u64,
    /// Whether the very same upload had landed before; nothing was changed then.
    pub already_loaded: bool,
    /// What the user should know about the file.
    pub warnings: Vec<String>,
    /// Time span, resources, and what the log left unsaid.
    pub summary: Summary,
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
    /// Opens the file again.
    again: Option<(PathBuf, Limits)>,
}

async fn land(lake: &Lake, name: &str, parsed: Parsed) -> Result<UploadResult, IngestError> {
    let Parsed { id, format, detected_because, bytes, uploaded_at_us, staging, again } = parsed;
    let Staging {
        invocations,
        requests,
        storage,
        metered,
        billed,
        rejected,
        read,
        rejected_count,
        mut warnings,
        first_rejected,
        summary,
        ..
    } = staging;
    let summary = summary.finish();
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
        warnings: std::mem::take(&mut warnings),
    };
    let result = |row: UploadRow, replaced, already_loaded| UploadResult {
        name: row.name,
        id: row.id,
        format: row.format,
        detected_because: detected_because.clone(),
        read: row.read,
        accepted: row.accepted,
        duplicate: row.duplicate,
        rejected: row.rejected,
        replaced,
        already_loaded,
        warnings: row.warnings,
        summary: summary.clone(),
        first_rejected: first_rejected.clone(),
    };
    if let Some(landed) = lake.upload(&row.id).await? {
        return Ok(result(seen_again(UploadRow { name: row.name, ..landed }), 0, true));
    }
    if rejected_count > 0 {
        // Before the records: a crash in between leaves refused rows without an upload, which nothing shows.
        // What can no longer be read is kept by its place and its beginning.
        let source = again.and_then(|(path, limits)| decompressed(&path, limits).ok());
        let spooled = tokio::task::spawn_blocking(move || rejected.finish(source));
        let spooled = spooled.await.map_err(|error| temporary_error(std::io::Error::other(error)))??;
        let id = &row.id;
        let batches = || Ok(spooled.batches()?.map(move |batch| with_upload_id(&batch?, Table::RejectedRows, id)));
        lake.append_once(Table::RejectedRows, &upload_transaction(id), batches).await?;
    }
    let staged =
        filled([invocations.finish()?, requests.finish()?, storage.finish()?, metered.finish()?, billed.finish()?]);
    let pending = if staged.len() > 1 { Some(Pending::write(lake, &row, &staged)?) } else { None };
    let appended = lake.append_all(&row, &staged).await?;
    if let Some(pending) = pending {
        pending.done();
    }
    if appended.already_loaded {
        // Its rows were there, but not its ledger row: a crash cut it off, or another process is at it.
        return Ok(result(seen_again(row), 0, true));
    }
    row.accepted = appended.accepted;
    row.duplicate = appended.duplicate;
    if appended.replaced > 2 * appended.accepted {
        row.warnings.push(format!(
            "{} lines of an earlier delivery were replaced by {}: if this file is only a part of the billing period, ingest the whole export",
            appended.replaced, appended.accepted
        ));
    }
    Ok(result(row, appended.replaced, false))
}

/// The tables that have rows.
fn filled(rows: [Staged; 5]) -> Vec<(Table, Staged)> {
    let tables = Table::USAGE.into_iter().chain([Table::Billed]);
    tables.zip(rows).filter(|(_, staged)| !staged.rows.is_empty()).collect()
}

/// What a repetition of an upload did: every good row of it was there already.
fn seen_again(landed: UploadRow) -> UploadRow {
    UploadRow { accepted: 0, duplicate: landed.read - landed.rejected, ..landed }
}

fn parse_file(path: &Path, name: &str, options: &IngestOptions) -> Result<Parsed, IngestError> {
    let mut file = open_file(path)?;
    let unreadable = |source| IngestError::Io { what: format!("cannot read `{}`", path.display()), source };
    let mut magic = Vec::new();
    (&mut file).take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    if magic == MAGIC {
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        let parsed = parse(ParquetRows::open(file)?, name, options);
        options.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        return Ok(Parsed { again: Some((path.to_owned(), options.limits)), ..parsed? });
    }
    let parsed = parse(Counted { inner: file, progress: options.progress.clone() }, name, options)?;
    Ok(Parsed { again: Some((path.to_owned(), options.limits)), ..parsed })
}

/// The text of a file, as formats see it.
fn decompressed(path: &Path, limits: Limits) -> Result<Box<dyn Read + Send>, IngestError> {
    let mut file = open_file(path)?;
    let mut magic = Vec::new();
    (&mut file).take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(temporary_error)?;
    file.rewind().map_err(temporary_error)?;
    Ok(if magic == MAGIC { Box::new(ParquetRows::open(file)?) } else { Box::new(decompress::open(file, limits)?) })
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
    let mut staging = Staging::new(options.at_us.unwrap_or(uploaded_at_us), part_of(name), options.progress.clone());
    staging.times.uploaded_at_us = uploaded_at_us;
    let origin = Origin { name, defaults: &options.defaults };
    format.parse(&mut std::io::Cursor::new(head).chain(&mut reader), &origin, &mut staging)?;
    staging.times.warnings().into_iter().for_each(|warning| staging.warn(warning));
    std::io::copy(&mut reader, &mut std::io::sink()).map_err(decompress::ingest_error)?;
    let hashing = reader.into_inner();
    if hashing.inner.ignored_bytes() > 0 {
        staging.warn(format!(
            "{} bytes behind the end of the compressed data were ignored",
            hashing.inner.ignored_bytes()
        ));
    }
    let mut hash = hashing.hash;
    hash.update(declared_source(format.name(), format.told_by_name(name), options));
    Ok(Parsed {
        id: hex::encode(hash.finalize()),
        format: format.name(),
        detected_because: because,
        bytes: hashing.bytes,
        uploaded_at_us,
        staging,
        again: None,
    })
}

/// Which part of a delivery a file is, by the names that providers give: `report-00001.csv.gz`, `report-2.snappy.parquet`,
/// `part_1_0001.csv`, `export-000000000012.csv`. 0 for any other name: dates are no parts.
fn part_of(name: &str) -> u32 {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
    let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    if let Some((set, part)) = stem.strip_prefix("part_").and_then(|rest| rest.split_once('_')) {
        return number(set)
            .zip(number(part))
            .map_or(0, |(set, part): (u32, u32)| set.saturating_mul(10_000).saturating_add(part).saturating_add(1));
    }
    let Some((before, digits)) = stem.rsplit_once('-') else { return 0 };
    let is_date = before.rsplit(['-', '_']).next().is_some_and(|word| number(word).is_some());
    let is_part = match digits.len() {
        5 | 12 => true,
        1..=3 => !digits.starts_with('0') && !is_date,
        _ => false,
    };
    // The first of a numbered kind may be 0, which is the name of the whole.
    number(digits).filter(|_| is_part).map_or(0, |part: u32| part.saturating_add(u32::from(digits.len() == 12)))
}

/// The first bytes of a file, as many as detection may look at.
fn read_head(reader: &mut impl Read) -> Result<Vec<u8>, IngestError> {
    let mut head = Vec::new();
    reader.take(HEAD_BYTES_MAX as u64).read_to_end(&mut head).map_err(decompress::ingest_error)?;
    Ok(head)
}

/// What the file was read as and what its name and the user said about it, in one fixed form: the same bytes declared
/// differently are another upload. What is not given leaves no trace, so that new options change no id.
fn declared_source(format: &str, told_by_name: Option<String>, options: &IngestOptions) -> String {
    let mut source = serde_json::json!({ "format": format, "defaults": options.defaults, "at_us": options.at_us });
    if let Some(mapping) = &options.mapping {
        source["mapping"] = serde_json::json!(mapping);
    }
    if let Some(told) = told_by_name {
        source["name"] = told.into();
    }
    source.to_string()
}

/// Counts what is read, for progress.
struct Counted<R> {
    inner: R,
    progress: Arc<Progress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.bytes.fetch_add(read as u64, Ordering::Relaxed);
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
struct Staging {
    invocations: UsageSpool<Invocation>,
    requests: UsageSpool<Request>,
    storage: UsageSpool<StoredBytes>,
    metered: UsageSpool<MeteredQuantity>,
    billed: UsageSpool<BilledLine>,
    /// Which part of a delivery the file is, by its name.
    part: u32,
    progress: Arc<Progress>,
    summary: Collector,
    times: Times,
    rejected: RejectedSpool,
    read: u64,
    rejected_count: u64,
    warnings: Vec<String>,
    first_rejected: Vec<RejectedRow>,
}

impl Staging {
    fn new(assumed_time_us: i64, part: u32, progress: Arc<Progress>) -> Self {
        Self {
            invocations: UsageSpool::new(assumed_time_us),
            requests: UsageSpool::new(assumed_time_us),
            storage: UsageSpool::new(assumed_time_us),
            metered: UsageSpool::new(assumed_time_us),
            billed: UsageSpool { part, ..UsageSpool::new(assumed_time_us) },
            part,
            progress,
            summary: Collector::default(),
            times: Times::default(),
            rejected: RejectedSpool::new(),
            read: 0,
            rejected_count: 0,
            warnings: Vec::new(),
            first_rejected: Vec::new(),
        }
    }
}

impl Staging {
    fn count_row(&mut self) {
        self.read += 1;
        self.progress.rows.fetch_add(1, Ordering::Relaxed);
    }
}

impl Sink for Staging {
    fn record(&mut self, record: Record) -> Result<(), IngestError> {
        let wrong = match &record.usage {
            Usage::Invocation(row) => out_of_range(&**row),
            Usage::Request(row) => out_of_range(&**row),
            Usage::StoredBytes(row) => out_of_range(&**row),
            Usage::MeteredQuantity(row) => out_of_range(&**row),
            Usage::BilledLine(row) => out_of_range(&**row),
        };
        let wrong = wrong.or_else(|| match record.time {
            EventTime::Logged(time_us) => times::unrepresentable(time_us),
            EventTime::Assumed => None,
        });
        if let Some(reason) = wrong {
            // The format has read the row: which one it was, the record itself has to say.
            let excerpt = crate::error::excerpt(format!("{:?}", record.usage).as_bytes());
            return self.reject(RejectedRow {
                line: None,
                byte_offset: 0,
                byte_length: None,
                header_length: None,
                reason,
                excerpt,
            });
        }
        self.count_row();
        let logged_us = match record.time {
            EventTime::Logged(time_us) => Some(time_us),
            EventTime::Assumed => None,
        };
        self.summary.add(logged_us, &record.usage);
        if let Some(time_us) = logged_us {
            self.times.look_at(time_us);
            if let Usage::BilledLine(line) = &record.usage {
                self.times.look_at_line(time_us, line);
            }
        }
        match record.usage {
            Usage::Invocation(row) => self.invocations.push(record.time, record.key, *row),
            Usage::Request(row) => self.requests.push(record.time, record.key, *row),
            Usage::StoredBytes(row) => self.storage.push(record.time, record.key, *row),
            Usage::MeteredQuantity(row) => self.metered.push(record.time, record.key, *row),
            Usage::BilledLine(mut row) => {
                row.export.part = self.part;
                let export = export_id(&row.provider, &row.export);
                let key = RecordKey::of(&[Some(&export), Some(&hex::encode(record.key.0))]);
                self.billed.exports.insert(export, row.export.adds);
                self.billed.push(record.time, key, *row)
            }
        }
    }

    fn reject(&mut self, row: RejectedRow) -> Result<(), IngestError> {
        self.count_row();
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
    exports: BTreeMap<String, bool>,
    part: u32,
    spool: Spool,
}

impl<R: UsageRow> UsageSpool<R> {
    fn new(assumed_time_us: i64) -> Self {
        let spool = Spool::new(staged_schema(R::TABLE));
        Self {
            rows: UsageRows::default(),
            assumed_time_us,
            days: BTreeSet::new(),
            has_assumed: false,
            exports: BTreeMap::new(),
            part: 0,
            spool,
        }
    }

    fn push(&mut self, time: EventTime, key: RecordKey, row: R) -> Result<(), IngestError> {
        let (time_us, logged) = match time {
            EventTime::Logged(time_us) => (time_us, true),
            EventTime::Assumed => (self.assumed_time_us, false),
        };
        self.has_assumed |= !logged;
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
        let Self { days, has_assumed, exports, part, spool, .. } = self;
        Ok(Staged { days, has_assumed, exports, part, rows: spool.finish()? })
    }
}

/// Parsed rows of one usage table, ready to be committed, as often as a lost race asks for.
pub(crate) struct Staged {
    /// UTC days of the rows, as days since 1970.
    pub(crate) days: BTreeSet<i32>,
    /// Whether the log of some row gave no time.
    pub(crate) has_assumed: bool,
    /// The exports of billed lines, and whether their deliveries add to each other.
    pub(crate) exports: BTreeMap<String, bool>,
    /// Which part of a delivery the file is; 0 for all of it.
    pub(crate) part: u32,
    /// The rows.
    pub(crate) rows: Spooled,
}

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

pub(crate) fn staging_error(error: ArrowError) -> IngestError {
    match error {
        ArrowError::IoError(_, source) => temporary_error(source),
        other => IngestError::Storage { doing: "written".into(), source: Box::new(other) },
    }
}

/// Brings records into a lake as an upload of its own, for tests of what becomes of them.
#[cfg(test)]
pub(crate) async fn land_records(lake: &Lake, name: &str, records: Vec<Record>) -> Result<UploadResult, IngestError> {
    let id = hex::encode(Sha256::digest(format!("{name} {records:?}")));
    let mut staging = Staging::new(0, part_of(name), Arc::default());
    for record in records {
        staging.record(record)?;
    }
    let parsed = Parsed {
        id,
        format: "test",
        detected_because: String::new(),
        bytes: 0,
        uploaded_at_us: 1,
        staging,
        again: None,
    };
    land(lake, name, parsed).await
}

/// Records staged, with the ledger row of their upload.
#[cfg(test)]
pub(crate) fn stage_records(records: Vec<Record>) -> (UploadRow, Vec<(Table, Staged)>) {
    let mut staging = Staging::new(0, 0, Arc::default());
    let read = records.len() as u64;
    for record in records {
        staging.record(record).unwrap();
    }
    let row = UploadRow {
        id: "cut off".into(),
        name: "cut off".into(),
        format: "test".into(),
        read,
        accepted: 0,
        duplicate: 0,
        rejected: 0,
        bytes: 0,
        uploaded_at_us: 1,
        warnings: Vec::new(),
    };
    let Staging { invocations, requests, storage, metered, billed, .. } = staging;
    let rows = [invocations.finish(), requests.finish(), storage.finish(), metered.finish(), billed.finish()];
    (row, filled(rows.map(Result::unwrap)))
}

#[cfg(test)]
mod tests {
    use super::part_of;

    #[test]
    fn parts_of_deliveries_by_their_names() {
        for (name, part) in [
            ("cost-00001.csv.gz", 1),
            ("data/BILLING_PERIOD=2026-10/cost-00012.snappy.parquet", 12),
            ("report-2.csv.gz", 2),
            ("part_0_0001.csv", 2),
            ("part_1_0001.csv.gz", 10_002),
            ("billing-000000000000.csv", 1),
            ("billing-000000000012.json", 13),
            ("koku_2023-06-01.csv", 0),
            ("koku_2023-06-01-not-final.csv", 0),
            ("bill-2026-10.csv", 0),
            ("report.csv", 0),
            ("part_x.csv", 0),
            ("a-99999999999999999999.csv", 0),
            ("", 0),
        ] {
            assert_eq!(part_of(name), part, "{name}");
        }
    }
}
