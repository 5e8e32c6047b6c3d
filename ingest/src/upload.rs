//! One upload: detect, parse, stage, commit.
//!
//! The file is parsed in one pass with bounded memory; its rows wait in columns, in a temporary file when they are many,
//! until the last byte is read, because only then are the upload's id and its fate known. Then everything lands in one
//! commit.

use std::fs::File;
use std::io::{BufRead, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use serde::Serialize;

use crate::decompress::{self, Limits};
use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::mapped::Mapped;
use crate::format::{self, Format, Origin, Sink};
use crate::lake::{Lake, UploadRow, upload_transaction};
use crate::mapping::Mapping;
use crate::parquet_rows::{MAGIC, ParquetRows};
use crate::pending::Pending;
use crate::record::{EventTime, Invocation, Record, RecordKey, RejectedRow, Request, Usage};
use crate::rows::BATCH_ROWS;
use crate::spool::{Spool, Spooled, staging_error};
use crate::staged::{Staged, UsageSpool};
use crate::summary::{Collector, Facts, Summary};
use crate::table::{Table, UsageRow, export_id, out_of_range, staged_schema};

/// Rows after which progress is told.
const PROGRESS_ROWS: u64 = 256;
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
}

async fn land(lake: &Lake, name: &str, parsed: Parsed) -> Result<UploadResult, IngestError> {
    let Parsed { id, format, detected_because, bytes, uploaded_at_us, staging } = parsed;
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
        let spooled = rejected.finish()?;
        let id = &row.id;
        let batches = || Ok(spooled.batches().map(move |batch| with_upload_id(&batch?, Table::RejectedRows, id)));
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
    tables.zip(rows).filter(|(_, staged)| staged.rows > 0).collect()
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
        return parsed;
    }
    parse(Counted { inner: file, progress: options.progress.clone() }, name, options)
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
    let mut staging = Staging::new(options.at_us.unwrap_or(uploaded_at_us), part_of(name), options.progress.clone());
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
    progress: Arc<Progress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.bytes.fetch_add(read as u64, Ordering::Relaxed);
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
    billed: UsageSpool,
    /// Which part of a delivery the file is, by its name.
    part: u32,
    progress: Arc<Progress>,
    summary: Collector,
    rejected: RejectedSpool,
    read: u64,
    rejected_count: u64,
    warnings: Vec<String>,
    first_rejected: Vec<RejectedRow>,
}

impl Staging {
    fn new(assumed_time_us: i64, part: u32, progress: Arc<Progress>) -> Self {
        let spool = |table| UsageSpool::new(table, assumed_time_us);
        let mut billed = spool(Table::Billed);
        billed.part = part;
        Self {
            invocations: spool(Table::Invocations),
            requests: spool(Table::Requests),
            storage: spool(Table::Storage),
            metered: spool(Table::Metered),
            billed,
            part,
            progress,
            summary: Collector::default(),
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
            Table::Billed => &mut self.billed,
            _ => &mut self.metered,
        }
    }

    fn row<R: UsageRow + Facts + std::fmt::Debug>(
        &mut self,
        time: EventTime,
        key: RecordKey,
        row: &R,
    ) -> Result<(), IngestError> {
        if let Some(reason) = out_of_range(row) {
            return self.refuse(reason, row);
        }
        self.count_row();
        let logged_us = match time {
            EventTime::Logged(time_us) => Some(time_us),
            EventTime::Assumed => None,
        };
        self.summary.add(logged_us, row);
        self.spool(R::TABLE).push(time, key, row)
    }
}

impl Staging {
    fn count_row(&mut self) {
        self.read += 1;
        if self.read.is_multiple_of(PROGRESS_ROWS) {
            self.progress.rows.fetch_add(PROGRESS_ROWS, Ordering::Relaxed);
        }
    }
}

impl Sink for Staging {
    fn record(&mut self, Record { time, key, usage }: Record) -> Result<(), IngestError> {
        match usage {
            Usage::Invocation(row) => self.row(time, key, &*row),
            Usage::Request(row) => self.row(time, key, &*row),
            Usage::StoredBytes(row) => self.row(time, key, &*row),
            Usage::MeteredQuantity(row) => self.row(time, key, &*row),
            Usage::BilledLine(mut row) => {
                row.export.part = self.part;
                let export = export_id(&row.provider, &row.export);
                let key = RecordKey::of(&[Some(&export), Some(&hex::encode(key.0))]);
                self.billed.exports.insert(export, row.export.adds);
                self.row(time, key, &*row)
            }
        }
    }

    fn invocation(&mut self, time: EventTime, key: RecordKey, row: &Invocation<&str>) -> Result<(), IngestError> {
        self.row(time, key, row)
    }

    fn request(&mut self, time: EventTime, key: RecordKey, row: &Request<&str>) -> Result<(), IngestError> {
        self.row(time, key, row)
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

/// Brings records into a lake as an upload of its own, for tests of what becomes of them.
#[cfg(test)]
pub(crate) async fn land_records(lake: &Lake, name: &str, records: Vec<Record>) -> Result<UploadResult, IngestError> {
    let id = blake3::hash(format!("{name} {records:?}").as_bytes()).to_hex().to_string();
    let mut staging = Staging::new(0, part_of(name), Arc::default());
    for record in records {
        staging.record(record)?;
    }
    let parsed = Parsed { id, format: "test", detected_because: String::new(), bytes: 0, uploaded_at_us: 1, staging };
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
