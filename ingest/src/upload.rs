//! One upload: detect, parse, stage, commit.
//!
//! The file is parsed in one pass with bounded memory; its rows wait in columns, in a temporary file when they are many,
//! until the last byte is read, because only then are the upload's id and its fate known. Then everything lands in one
//! commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use datafusion::arrow::array::{RecordBatch, StringArray};
use serde::Serialize;

use crate::archive::InputFile;
use crate::decompress::Limits;
use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::Format;
#[cfg(test)]
use crate::format::Sink;
use crate::lake::{Lake, UploadRow, upload_transaction};
use crate::mapping::Mapping;
use crate::pending::Pending;
#[cfg(test)]
use crate::record::Record;
use crate::record::RejectedRow;
use crate::summary::Summary;
use crate::table::Table;

mod reading;
mod spool;
mod staged;
mod staging;

use reading::{Reading, originals, parse_file};
pub(crate) use spool::{Spool, Spooled, staging_error, temporary_error};
pub(crate) use staged::Staged;
pub(crate) use staging::{Staging, problem_of};

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
    /// Whether it is read to its end and being committed: what lands now lands wholly.
    pub committing: AtomicBool,
    cancelled: AtomicBool,
}

impl Progress {
    /// Ends the upload at its next row, unless it is being committed already.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), IngestError> {
        if self.cancelled.load(Ordering::Relaxed) { Err(IngestError::Cancelled) } else { Ok(()) }
    }

    fn commit(&self) -> Result<(), IngestError> {
        self.check()?;
        self.committing.store(true, Ordering::Relaxed);
        Ok(())
    }
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
    options.progress.commit()?;
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
    let Parsed { id, format, detected_because, bytes, uploaded_at_us, mut staging, again } = parsed;
    let summary = std::mem::take(&mut staging.summary).finish();
    let first_rejected = std::mem::take(&mut staging.first_rejected);
    let mut row = UploadRow {
        id,
        name: name.to_owned(),
        format: format.to_owned(),
        read: staging.read,
        accepted: 0,
        duplicate: 0,
        rejected: staging.rejected_count,
        bytes,
        uploaded_at_us,
        warnings: std::mem::take(&mut staging.warnings),
        replaced: 0,
        summary: Some(summary.clone()),
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
    let (staged, rejected) = staging.finish()?;
    if row.rejected > 0 {
        // Before the records: a crash in between leaves refused rows without an upload, which nothing shows.
        // What can no longer be read is kept by its place and its beginning.
        let originals = again.and_then(|(path, limits)| originals(&path, limits).ok());
        let spooled = tokio::task::spawn_blocking(move || rejected.finish(originals));
        let spooled = spooled.await.map_err(|error| temporary_error(std::io::Error::other(error)))??;
        let id = &row.id;
        let batches = || Ok(spooled.batches().map(move |batch| with_upload_id(&batch?, Table::RejectedRows, id)));
        lake.append_once(Table::RejectedRows, &upload_transaction(id), batches).await?;
    }
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

/// What a repetition of an upload did: every good row of it was there already.
fn seen_again(landed: UploadRow) -> UploadRow {
    UploadRow { accepted: 0, duplicate: landed.read - landed.rejected, ..landed }
}

/// Brings several files into the lake as one upload, wholly or not at all: the parts of one delivery, as its manifest
/// names them. `manifest` is its text, and `format` what it says of how to read the parts.
pub(crate) async fn ingest_parts(
    lake: &Lake,
    name: &str,
    parts: Vec<InputFile>,
    (manifest, format): (Vec<u8>, Option<Box<dyn Format>>),
    options: &IngestOptions,
) -> Result<UploadResult, IngestError> {
    let owned = options.clone();
    let parsed = tokio::task::spawn_blocking(move || {
        let mut reading = Reading::new(0, &owned);
        reading.hash.update(&manifest);
        for part in &parts {
            reading.file(&part.path, &part.name, format.as_deref(), &owned)?;
            reading.staging.files += 1;
        }
        reading.finish(&owned)
    });
    let parsed = parsed.await.map_err(|error| IngestError::Io {
        what: format!("reading `{name}` was cut off"),
        source: std::io::Error::other(error),
    })??;
    options.progress.commit()?;
    land(lake, name, parsed).await
}

/// A staged batch with the column `upload_id` in its place: last in usage tables, first in `rejected_rows`.
pub(crate) fn with_upload_id(batch: &RecordBatch, table: Table, id: &str) -> Result<RecordBatch, IngestError> {
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
    let mut staging = Staging::new(0, reading::part_of(name), Arc::default());
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
        replaced: 0,
        summary: Some(std::mem::take(&mut staging.summary).finish()),
    };
    (row, staging.finish().unwrap().0)
}
