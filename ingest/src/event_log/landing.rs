//! A segment of the event log lands in the tables: all of it, once, however often it is tried and by whom.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use deltalake::kernel::Action;
use deltalake::logstore::get_actions;
use deltalake::{DeltaTable, Path as ObjectPath};

use super::segment::{self, Item, Orphan, Place};
use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::{Sink, cloudevents};
use crate::lake::{Lake, UPLOAD_METADATA, UploadRow, upload_batch};
use crate::table::Table;
use crate::upload::{Staging, with_upload_id};

/// How the ids of uploads of events begin; those of files are hexadecimal.
const ID: &str = "events-";
/// Commits that are searched for that of a segment.
const COMMITS_MAX: u64 = 1_000;

/// Whether an upload is of events that a server received.
pub(crate) fn is_of_events(upload_id: &str) -> bool {
    upload_id.starts_with(ID)
}

/// The data files that a commit adds, below the directory of the table.
fn files_of(actions: &[Action]) -> Vec<String> {
    let path = |action: &Action| match action {
        Action::Add(add) => Some(ObjectPath::from_url_path(&add.path).ok()?.to_string()),
        _ => None,
    };
    actions.iter().filter_map(path).collect()
}

/// Writes a commit and its files through to the disk: the Delta library leaves that to the system, and the event log is
/// removed next.
fn sync(root: &Path, version: u64, files: &[String]) -> std::io::Result<()> {
    let log = root.join("_delta_log");
    let mut paths: BTreeSet<PathBuf> = BTreeSet::from([log.join(format!("{version:020}.json")), log, root.to_owned()]);
    for file in files {
        let path = root.join(file);
        paths.extend(path.parent().map(Path::to_owned));
        paths.insert(path);
    }
    paths.iter().try_for_each(|path| std::fs::File::open(path)?.sync_all())
}

/// A segment read to its end.
struct Read {
    staging: Staging,
    duplicate: u64,
    bytes: u64,
    first_us: Option<i64>,
    last_us: i64,
}

fn read(path: &Path) -> Result<Read, IngestError> {
    let mut read = Read {
        staging: Staging::new(0, 0, std::sync::Arc::default()),
        duplicate: 0,
        bytes: 0,
        first_us: None,
        last_us: 0,
    };
    let defaults = Defaults::default();
    segment::read(path, &mut |header, frame| {
        read.first_us.get_or_insert(frame.at_us);
        read.last_us = frame.at_us;
        read.duplicate += frame.duplicate;
        read.staging.assume(frame.at_us);
        for item in frame.items {
            match item {
                Item::Rejected(row) => read.staging.reject(row)?,
                Item::Event { json, .. } => {
                    read.bytes += json.len() as u64;
                    match cloudevents::record(&json, &defaults, header.mapping.as_ref()) {
                        Ok(record) => read.staging.record(record)?,
                        // Another version of the program took it.
                        Err(reason) => {
                            let text = cloudevents::Text { line: None, byte_offset: 0, json: &json };
                            read.staging.reject(text.rejected(reason))?;
                        }
                    }
                }
            }
        }
        Ok(())
    })?;
    Ok(read)
}

impl Lake {
    /// Lands a segment and removes it.
    pub(super) async fn land_segment(&self, place: &Place) -> Result<(), IngestError> {
        let path = place.path();
        let removed = |source| IngestError::Io { what: format!("cannot remove `{}`", path.display()), source };
        let owned = path.clone();
        let read = tokio::task::spawn_blocking(move || read(&owned)).await.map_err(|error| IngestError::Io {
            what: format!("reading `{}` was cut off", path.display()),
            source: std::io::Error::other(error),
        })??;
        let Read { staging, duplicate, bytes, first_us: Some(first_us), last_us } = read else {
            return std::fs::remove_file(&path).map_err(removed);
        };
        let day = DateTime::from_timestamp_micros(first_us).map(|time| time.date_naive()).unwrap_or_default();
        let mut row = UploadRow {
            id: format!("{ID}{}-{}", place.writer, day.format("%Y%m%d")),
            name: format!("events of {day}"),
            format: "cloudevents".into(),
            read: staging.read + duplicate,
            accepted: 0,
            duplicate,
            rejected: staging.rejected_count,
            bytes,
            uploaded_at_us: last_us,
            warnings: Vec::new(),
            replaced: 0,
            summary: None,
        };
        let application = format!("segments:{}", place.writer);
        let (staged, rejected) = staging.finish()?;
        if row.rejected > 0 {
            let (rejected, id) = (rejected.finish(None)?, &row.id);
            let batches = || Ok(rejected.batches().map(move |batch| with_upload_id(&batch?, Table::RejectedRows, id)));
            self.append_once_as(Table::RejectedRows, &application, place.number, batches).await?;
            self.persist(Table::RejectedRows, &application, place.number).await?;
        }
        for (table, staged) in staged {
            let own = UploadRow { read: 0, rejected: 0, ..row.clone() };
            let appended = self.append_usage_as(table, &own, &[table], (&application, place.number), &staged).await?;
            let persisted = self.persist(table, &application, place.number).await?;
            // If it had landed before, a crash came between its commit and the removal of the segment.
            let before = persisted.filter(|_| appended.already_loaded);
            let (accepted, duplicate) = before.unwrap_or((appended.accepted, appended.duplicate));
            row.accepted += accepted;
            row.duplicate += duplicate;
            self.follow_events(table).await?;
        }
        let batch =
            upload_batch(&row).map_err(|error| self.storage_error("written (table `uploads`)".into(), error))?;
        let ledger = || Ok(std::iter::once(Ok(batch.clone())));
        self.append_once_as(Table::Uploads, &application, place.number, ledger).await?;
        self.persist(Table::Uploads, &application, place.number).await?;
        std::fs::remove_file(&path).map_err(removed)
    }

    /// The commit of a segment to a table is on disk when it returns. Gives the rows accepted and duplicate, if there was
    /// such a commit.
    async fn persist(&self, table: Table, application: &str, number: i64) -> Result<Option<(u64, u64)>, IngestError> {
        let failed = |error| self.storage_error(format!("read (table `{}`)", table.name()), error);
        let Some(delta) = self.table(table).await? else { return Ok(None) };
        let latest = delta.version().unwrap_or(0);
        for version in (latest.saturating_sub(COMMITS_MAX)..=latest).rev() {
            let Some(bytes) = delta.log_store().read_commit_entry(version).await.map_err(failed)? else { continue };
            let actions = get_actions(version, &bytes).map_err(failed)?;
            let is_its = |action: &Action| matches!(action, Action::Txn(own) if own.app_id == application && own.version == number);
            if !actions.iter().any(is_its) {
                continue;
            }
            if let Some(root) = self.local_path().ok().map(|root| root.join(table.name())) {
                let synced = tokio::task::spawn_blocking({
                    let files = files_of(&actions);
                    move || sync(&root, version, &files)
                });
                let synced = synced.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                synced.map_err(|source| IngestError::Io { what: "cannot write the lake to disk".into(), source })?;
            }
            let text = actions.iter().find_map(|action| match action {
                Action::CommitInfo(info) => info.info.get(UPLOAD_METADATA)?.as_str(),
                _ => None,
            });
            let row = text.and_then(|text| serde_json::from_str::<UploadRow>(text).ok());
            return Ok(row.map(|row| (row.accepted, row.duplicate)));
        }
        Ok(None)
    }

    /// Takes in the events that have landed in a usage table, also by other processes.
    pub(super) async fn follow_events(&self, table: Table) -> Result<(), IngestError> {
        let delta: Option<DeltaTable> = self.table(table).await?;
        let Some(delta) = delta else { return Ok(()) };
        let failed = |error| self.storage_error(format!("read (table `{}`)", table.name()), error);
        self.events_of(table).follow(&delta).await.map_err(failed)
    }

    /// Lands the events that processes have left which ended before they could.
    pub(crate) async fn recover_events(&self) -> Result<(), IngestError> {
        let io = |source| IngestError::Io { what: "cannot read the event log".into(), source };
        let logs = self.event_log_directory().map_err(io)?;
        for orphan in Orphan::all(&logs).map_err(io)? {
            for place in orphan.segments().map_err(io)? {
                tracing::info!(segment = %place.path().display(), "landing events that another process has left");
                self.land_segment(&place).await?;
            }
            // Nothing of it is needed any more; what somebody else has put there may stay.
            if let Err(error) = orphan.remove() {
                tracing::warn!(%error, "the log of a process that has ended could not be removed");
            }
        }
        Ok(())
    }
}
