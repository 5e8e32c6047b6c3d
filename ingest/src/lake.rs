//! The lake: Delta tables under one root, appended to exactly once.
//!
//! Two levels keep a record from counting twice. An *upload* commits under an application transaction named after its
//! id, so that its repetition is seen. *Records* that overlap between uploads are dropped by natural key against the
//! very snapshot the commit is based on, and every commit advances one transaction per day it touches: of two writers
//! on one day the second is refused, reads again, and drops what the first brought.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use datafusion::arrow::array::{Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::{Action, StructType, Transaction};
use deltalake::protocol::SaveMode;
use deltalake::writer::{DeltaWriter, RecordBatchWriter};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use futures::StreamExt;
use tokio::sync::Mutex;
use url::Url;

use crate::duplicates::{Identities, SortedIdentities};
use crate::error::IngestError;
use crate::event_keys::EventKeys;
use crate::pending::Pending;
use crate::table::{ASSUMED, Table};
use crate::upload::Staged;

mod billed;
mod bills;
mod columns;
mod commit;
mod compaction;
mod data_files;
mod declarations;
mod opened;
#[cfg(test)]
mod tests;
mod uploads;
mod usage_files;

use opened::{LogFacts, Opened};
use usage_files::UsageFiles;

pub use bills::{BillRow, IssuedBills, charge_rows, sha256_hex};
pub use compaction::{Compacted, Compaction, TableStatus};
pub use data_files::UsageDataFile;
pub use declarations::{Declaration, DeclarationProblem, DeclarationScope, INTEGER_COLUMNS, TEXT_COLUMNS};
pub use uploads::UploadRow;

pub(crate) use commit::transaction_version;
use commit::{commit, lost_a_race};
use uploads::CommitNote;
pub(crate) use uploads::{upload_batch, upload_transaction};

/// Version of the lake's layout, kept as a property of every table. A lake of a higher one is refused.
pub const LAKE_VERSION: u32 = 1;
const VERSION_PROPERTY: &str = "paygrain.lake_version";
pub(crate) const UPLOAD_METADATA: &str = "paygrain_upload";

/// How often a commit that lost against other writers is tried again.
const ATTEMPTS_MAX: u32 = 200;
/// How many of the last commits are searched for uploads whose ledger row a crash has cost.
const RECOVERY_COMMITS_MAX: usize = 64;
/// Rows of a data file that are looked at together.
const ROWS_AT_ONCE: usize = 64 * 1024;
/// Size at which a Parquet file is closed and the next begun, in bytes.
const FILE_BYTES_TARGET: u64 = 128 * 1024 * 1024;

/// A lake at a root directory.
#[derive(Clone, Debug)]
pub struct Lake {
    root: Url,
    name: Arc<str>,
    /// Tables that were read before: what is new in their logs alone has to be read.
    opened: Arc<Mutex<HashMap<Table, Opened>>>,
    /// The events in each usage table, in the order of [`Table::USAGE`].
    events: Arc<[EventKeys; Table::USAGE.len()]>,
}

/// What became of the rows of an upload in one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Rows that landed.
    pub accepted: u64,
    /// Rows that were there already.
    pub duplicate: u64,
    /// Lines of earlier deliveries that went.
    pub replaced: u64,
    /// Whether the same upload had landed before, from this or another process.
    pub already_loaded: bool,
}

impl Lake {
    /// The lake at an address: a local directory, made when something is first written to it.
    ///
    /// # Errors
    /// [`IngestError::BadLake`] when it cannot be a lake.
    pub fn open(address: &str) -> Result<Self, IngestError> {
        let bad = |problem: String| IngestError::BadLake { lake: address.to_owned(), problem };
        let path = match address.split_once("://") {
            Some(("file", rest)) => Path::new(rest),
            Some((scheme, _)) => {
                return Err(bad(format!("`{scheme}` addresses are not supported, only local directories")));
            }
            None => Path::new(address),
        };
        let path = std::path::absolute(path).map_err(|error| bad(error.to_string()))?;
        if path.exists() && !path.is_dir() {
            return Err(bad("it is a file, expected a directory".into()));
        }
        let root = Url::from_directory_path(&path).map_err(|()| bad("the path is not absolute".into()))?;
        Ok(Self { root, name: address.into(), opened: Arc::default(), events: Arc::default() })
    }

    /// The address it was opened with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The latest state of a table, or `None` when nothing was ever written to it.
    ///
    /// # Errors
    /// [`IngestError::NewerLake`], or [`IngestError::Storage`] when it cannot be read.
    pub async fn table(&self, table: Table) -> Result<Option<DeltaTable>, IngestError> {
        let failed = |error| self.storage_error(format!("read (table `{}`)", table.name()), error);
        let path = self.directory(table).and_then(|url| url.to_file_path().ok()).map(|path| path.join("_delta_log"));
        // Before the log is read: what comes while it is read changes the time again.
        let Some(path) = path else { return Ok(None) };
        let Some(log) = LogFacts::of(&path) else { return Ok(None) };
        let known = self.opened.lock().await.get(&table).filter(|known| known.log.made == log.made).cloned();
        if let Some(mut known) = known {
            if known.is_latest(&path, log) {
                return Ok(Some(known.delta));
            }
            if known.delta.update_incremental(None).await.is_ok() {
                self.check_version(table, &known.delta)?;
                let delta = known.delta;
                self.opened.lock().await.insert(table, Opened { log, delta: delta.clone() });
                return Ok(Some(delta));
            }
        }
        let url = self.url(table)?;
        match DeltaTableBuilder::from_url(url).map_err(failed)?.load().await {
            Ok(found) => {
                self.check_version(table, &found)?;
                self.opened.lock().await.insert(table, Opened { log, delta: found.clone() });
                Ok(Some(found))
            }
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn table_or_create(&self, table: Table) -> Result<DeltaTable, IngestError> {
        let failed = |error| self.storage_error(format!("written (table `{}`)", table.name()), error);
        for _ in 0..ATTEMPTS_MAX {
            if let Some(found) = self.table(table).await? {
                if let Some(complete) = self.with_every_column(table, found).await? {
                    return Ok(complete);
                }
                continue;
            }
            let path = self.url(table)?.to_file_path().map_err(|()| IngestError::BadLake {
                lake: self.name.to_string(),
                problem: "the path is not local".into(),
            })?;
            std::fs::create_dir_all(&path)
                .map_err(|source| IngestError::Io { what: format!("cannot make `{}`", path.display()), source })?;
            let schema: StructType = table
                .schema()
                .as_ref()
                .try_into_kernel()
                .map_err(|error| self.storage_error("written".into(), error))?;
            let created = DeltaTableBuilder::from_url(self.url(table)?)
                .and_then(DeltaTableBuilder::build)
                .map_err(failed)?
                .create()
                .with_table_name(table.name())
                .with_columns(schema.fields().cloned())
                .with_partition_columns(table.partition_columns().iter().copied())
                .with_configuration([
                    (VERSION_PROPERTY, Some(LAKE_VERSION.to_string())),
                    ("delta.checkpointInterval", Some("20".to_owned())),
                    ("delta.enableExpiredLogCleanup", Some("false".to_owned())),
                    // Every checkpoint lists the files that compaction replaced within this time. They stay in any case.
                    ("delta.deletedFileRetentionDuration", Some("interval 1 hours".to_owned())),
                ])
                .with_raise_if_key_not_exists(false)
                .with_save_mode(SaveMode::Ignore)
                .await;
            match created {
                Ok(_) | Err(DeltaTableError::VersionAlreadyExists(_) | DeltaTableError::Transaction { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(IngestError::Contention { table: table.name(), attempts: ATTEMPTS_MAX })
    }

    fn check_version(&self, table: Table, found: &DeltaTable) -> Result<(), IngestError> {
        let newer = |problem| IngestError::NewerLake { lake: self.name.to_string(), problem };
        let snapshot = found.snapshot().map_err(|error| self.storage_error("read".into(), error))?;
        match snapshot.metadata().configuration().get(VERSION_PROPERTY) {
            None => Err(newer(format!("table `{}` carries no `{VERSION_PROPERTY}`", table.name()))),
            Some(version) => match version.parse::<u32>() {
                Ok(version) if version <= LAKE_VERSION => Ok(()),
                _ => Err(newer(format!(
                    "table `{}` has lake version {version}, this program knows up to {LAKE_VERSION}",
                    table.name()
                ))),
            },
        }
    }

    /// Where it is on this machine.
    pub(crate) fn local_path(&self) -> Result<PathBuf, IngestError> {
        self.root
            .to_file_path()
            .map_err(|()| IngestError::BadLake { lake: self.name.to_string(), problem: "the path is not local".into() })
    }

    fn directory(&self, table: Table) -> Option<Url> {
        self.root.join(&format!("{}/", table.name())).ok()
    }

    fn url(&self, table: Table) -> Result<Url, IngestError> {
        self.directory(table).ok_or_else(|| IngestError::BadLake {
            lake: self.name.to_string(),
            problem: format!("no place for table `{}`", table.name()),
        })
    }

    pub(crate) fn storage_error(&self, doing: String, error: impl Into<Box<dyn Error + Send + Sync>>) -> IngestError {
        let error = error.into();
        let words = error.to_string();
        if words.contains("nsupported") && (words.contains("version") || words.contains("feature")) {
            return IngestError::NewerLake { lake: self.name.to_string(), problem: words };
        }
        IngestError::Storage { doing, source: error }
    }

    pub(crate) async fn select(&self, table: &DeltaTable, sql: &str) -> Result<Vec<RecordBatch>, IngestError> {
        let failed = |error: DataFusionError| self.storage_error("read".into(), error);
        self.query(table, sql).await?.collect().await.map_err(failed)
    }

    async fn query(&self, table: &DeltaTable, sql: &str) -> Result<DataFrame, IngestError> {
        let failed = |error: DataFusionError| self.storage_error("read".into(), error);
        let session = session();
        let provider = table.table_provider().await.map_err(failed)?;
        session.register_table("t", provider).map_err(failed)?;
        session.sql(sql).await.map_err(failed)
    }

    /// Commits the staged rows of an upload to a usage table: all of them or none, each record once.
    pub(crate) async fn append_usage(
        &self,
        table: Table,
        upload: &UploadRow,
        tables: &[Table],
        staged: &Staged,
    ) -> Result<Appended, IngestError> {
        self.append_usage_as(table, upload, tables, (&upload_transaction(&upload.id), 1), staged).await
    }

    /// The same for one of a series of appends: `application` counts them, and one that was counted is not done again.
    pub(crate) async fn append_usage_as(
        &self,
        table: Table,
        upload: &UploadRow,
        tables: &[Table],
        (application, number): (&str, i64),
        staged: &Staged,
    ) -> Result<Appended, IngestError> {
        let failed = |error| self.storage_error(format!("written (table `{}`)", table.name()), error);
        let mut delta = self.table_or_create(table).await?;
        let landed = self.events_of(table);
        for _ in 0..ATTEMPTS_MAX {
            delta.update_incremental(None).await.map_err(failed)?;
            if transaction_version(&delta, application).await.map_err(failed)?.is_some_and(|done| done >= number) {
                return self.landed_before(&delta, &upload.id).await;
            }
            if staged.has_events {
                landed.follow(&delta).await.map_err(failed)?;
            }
            let known = self.known_records(&delta, table, staged).await?;
            let duplicates = staged.duplicates(&known, landed)?;
            let duplicate = duplicates.count_set_bits() as u64;
            let appended = Appended { accepted: staged.rows - duplicate, duplicate, ..Appended::default() };
            if appended.accepted == 0 {
                return Ok(appended);
            }
            let store = delta.log_store().object_store(None);
            let mut files = UsageFiles::new(table, &upload.id, store, staged);
            let mut from = 0;
            for batch in staged.batches.batches() {
                let batch = batch?;
                let next = from + batch.num_rows();
                files.add(batch, &duplicates, from).await?;
                from = next;
            }
            let mut actions: Vec<_> = files.finish().await?.into_iter().map(Action::Add).collect();
            if staged.has_assumed {
                // Such a row may be one that somebody else is writing under another day. A commit with metadata is made on
                // this very snapshot or not at all, and sends everybody who is under way back to look again.
                let metadata = delta.snapshot().map_err(failed)?.metadata().clone();
                actions.push(Action::Metadata(metadata));
            }
            let own = Transaction::new(application, number);
            let transactions = self.transactions(&delta, table, own, staged).await?;
            match commit(&delta, table, actions, transactions, Some(&appended.note(upload, tables))).await {
                Ok(()) => return Ok(appended),
                Err(error) if lost_a_race(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(IngestError::Contention { table: table.name(), attempts: ATTEMPTS_MAX })
    }

    /// What an upload that is known to have landed in a table did there.
    async fn landed_before(&self, delta: &DeltaTable, upload_id: &str) -> Result<Appended, IngestError> {
        let mut appended = Appended { already_loaded: true, ..Appended::default() };
        // It is in one of the commits, usually of the latest.
        let mut history = delta.history(None);
        while let Some(commit) = history.next().await {
            let commit = commit.map_err(|error| self.storage_error("read".into(), error))?;
            let Some(text) = commit.info.get(UPLOAD_METADATA).and_then(|value| value.as_str()) else { continue };
            let Ok(note) = serde_json::from_str::<CommitNote>(text) else { continue };
            if note.upload.id == upload_id {
                appended.accepted = note.upload.accepted;
                appended.duplicate = note.upload.duplicate;
                appended.replaced = note.upload.replaced;
                break;
            }
        }
        Ok(appended)
    }

    /// Commits an upload to every table it fills, and its ledger row.
    pub(crate) async fn append_all(
        &self,
        upload: &UploadRow,
        staged: &[(Table, Staged)],
    ) -> Result<Appended, IngestError> {
        let tables: Vec<Table> = staged.iter().map(|(table, _)| *table).collect();
        let mut total = Appended { already_loaded: !staged.is_empty(), ..Appended::default() };
        for (table, staged) in staged {
            let appended = match table {
                Table::Billed => self.append_billed(upload, &tables, staged).await?,
                _ => self.append_usage(*table, upload, &tables, staged).await?,
            };
            total.accepted += appended.accepted;
            total.duplicate += appended.duplicate;
            total.replaced += appended.replaced;
            total.already_loaded &= appended.already_loaded;
        }
        let Appended { accepted, duplicate, replaced, .. } = total;
        self.record_upload(&UploadRow { accepted, duplicate, replaced, ..upload.clone() }).await?;
        Ok(total)
    }

    /// The upload's own transaction, and the next version of each touched day's.
    async fn transactions(
        &self,
        delta: &DeltaTable,
        table: Table,
        own: Transaction,
        staged: &Staged,
    ) -> Result<Vec<Transaction>, IngestError> {
        let mut transactions = vec![own];
        let days = staged.days.iter().map(|day| format!("day:{}:{}", table.name(), date_text(*day)));
        let untimed = staged.has_assumed.then(|| format!("untimed:{}", table.name()));
        // An event is compared with every other: of two writers of any, the second has to look again.
        let events = staged.has_events.then(|| format!("events:{}", table.name()));
        for name in days.chain(untimed).chain(events) {
            let version = transaction_version(delta, &name)
                .await
                .map_err(|error| self.storage_error(format!("read (table `{}`)", table.name()), error))?;
            transactions.push(Transaction::new(&name, version.unwrap_or(0) + 1));
        }
        Ok(transactions)
    }

    /// The events that have landed in a usage table.
    pub(crate) fn events_of(&self, table: Table) -> &EventKeys {
        let index = Table::USAGE.iter().position(|known| *known == table).unwrap_or(0);
        &self.events[index]
    }

    /// The records of the snapshot that a staged row could be a duplicate of.
    async fn known_records(
        &self,
        delta: &DeltaTable,
        table: Table,
        staged: &Staged,
    ) -> Result<SortedIdentities, IngestError> {
        let mut known = Identities::default();
        // Events are looked up in an index of their own.
        if delta.version() == Some(0) || staged.days.is_empty() || staged.only_events {
            return Ok(known.finish());
        }
        let days: Vec<_> = staged.days.iter().map(|day| format!("DATE '{}'", date_text(*day))).collect();
        // A row without a logged time may stand under any day, so it is compared with all of them.
        let condition = if staged.has_assumed {
            "true".to_owned()
        } else {
            format!("date IN ({}) OR time_source = '{ASSUMED}'", days.join(", "))
        };
        let sql = format!("SELECT record_key, {}, time_source FROM t WHERE {condition}", table.time_column());
        let failed = |error: DataFusionError| self.storage_error("read".into(), error);
        let mut batches = self.query(delta, &sql).await?.execute_stream().await.map_err(failed)?;
        while let Some(batch) = batches.next().await {
            known.add(&batch.map_err(failed)?)?;
        }
        Ok(known.finish())
    }

    /// Appends rows once per application transaction, whoever asks how often.
    pub(crate) async fn append_once<B>(
        &self,
        table: Table,
        application: &str,
        batches: impl Fn() -> Result<B, IngestError>,
    ) -> Result<(), IngestError>
    where
        B: Iterator<Item = Result<RecordBatch, IngestError>>,
    {
        self.append_once_as(table, application, 1, batches).await
    }

    /// The same for one of a series of appends, as in [`Lake::append_usage_as`].
    pub(crate) async fn append_once_as<B>(
        &self,
        table: Table,
        application: &str,
        number: i64,
        batches: impl Fn() -> Result<B, IngestError>,
    ) -> Result<(), IngestError>
    where
        B: Iterator<Item = Result<RecordBatch, IngestError>>,
    {
        let failed = |error| self.storage_error(format!("written (table `{}`)", table.name()), error);
        let mut delta = self.table_or_create(table).await?;
        for _ in 0..ATTEMPTS_MAX {
            delta.update_incremental(None).await.map_err(failed)?;
            if transaction_version(&delta, application).await.map_err(failed)?.is_some_and(|done| done >= number) {
                return Ok(());
            }
            let mut writer = RecordBatchWriter::for_table(&delta).map_err(failed)?;
            for batch in batches()? {
                writer.write(batch?).await.map_err(failed)?;
            }
            let actions: Vec<_> = writer.flush().await.map_err(failed)?.into_iter().map(Action::Add).collect();
            match commit(&delta, table, actions, vec![Transaction::new(application, number)], None).await {
                Ok(()) => return Ok(()),
                Err(error) if lost_a_race(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(IngestError::Contention { table: table.name(), attempts: ATTEMPTS_MAX })
    }

    /// Completes what a crash cut off: uploads between the commit of their rows and their ledger row, and bills
    /// between their commit and that of their lines.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn recover(&self) -> Result<(), IngestError> {
        for (pending, upload, staged) in Pending::all(self)? {
            tracing::info!(upload = upload.id, "completing an upload that was cut off between two tables");
            self.append_all(&upload, &staged).await?;
            pending.done();
        }
        self.recover_uploads().await?;
        self.recover_bills().await?;
        self.recover_events().await
    }
}

/// A session for the lake's own small questions.
fn session() -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2))
}

/// A cell as text; nothing where it is null.
pub(crate) fn text_cell(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = cast(batch.column_by_name(name)?, &DataType::Utf8).ok()?;
    let column = StringArray::from(column.to_data());
    column.is_valid(row).then(|| column.value(row).to_owned())
}

/// A cell as a number, times in microseconds; nothing where it is null.
fn integer_cell(batch: &RecordBatch, name: &str, row: usize) -> Option<i64> {
    let column = cast(batch.column_by_name(name)?, &DataType::Int64).ok()?;
    let column = Int64Array::from(column.to_data());
    column.is_valid(row).then(|| column.value(row))
}

fn date_text(day: i32) -> String {
    DateTime::<Utc>::from_timestamp(i64::from(day) * 86_400, 0)
        .map_or_else(|| NaiveDate::MIN.to_string(), |time| time.date_naive().to_string())
}
