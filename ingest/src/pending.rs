//! Uploads that fill more than one table: kept beside the tables until the last of their commits, so that a crash between
//! two of them is completed and never seen as half an upload.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::IngestError;
use crate::lake::{Lake, UploadRow};
use crate::table::Table;
use crate::upload::{Spooled, Staged};

/// Directory under the root of the lake.
const DIRECTORY: &str = "pending";
const FACTS_FILE: &str = "upload.json";

/// What is known of the rows beside them.
#[derive(Serialize, Deserialize)]
struct Facts {
    upload: UploadRow,
    tables: BTreeMap<String, TableFacts>,
}

#[derive(Serialize, Deserialize)]
struct TableFacts {
    exports: BTreeMap<String, bool>,
    part: u32,
}

/// An upload that a crash has left, with its ledger row and the rows of its tables.
pub(crate) type LeftBehind = (Pending, UploadRow, Vec<(Table, Staged)>);

/// An upload on disk, complete before anything of it is committed.
pub(crate) struct Pending {
    directory: PathBuf,
}

impl Pending {
    /// Writes an upload down, durably.
    pub(crate) fn write(lake: &Lake, upload: &UploadRow, staged: &[(Table, Staged)]) -> Result<Self, IngestError> {
        let parent = lake.local_path()?.join(DIRECTORY);
        let directory = parent.join(&upload.id);
        let failed = |source| IngestError::Io { what: format!("cannot write `{}`", directory.display()), source };
        std::fs::create_dir_all(&parent).map_err(failed)?;
        let unfinished = tempfile::tempdir_in(&parent).map_err(failed)?;
        let mut facts = Facts { upload: upload.clone(), tables: BTreeMap::new() };
        for (table, staged) in staged {
            staged.batches.copy_to(&unfinished.path().join(file_name(*table)))?;
            let own = TableFacts { exports: staged.exports.clone(), part: staged.part };
            facts.tables.insert(table.name().to_owned(), own);
        }
        let text = serde_json::to_vec(&facts).map_err(|error| failed(error.into()))?;
        let path = unfinished.path().join(FACTS_FILE);
        std::fs::write(&path, text).and_then(|()| File::open(&path)?.sync_all()).map_err(failed)?;
        // In the way is what another process left that is at the same upload, until it has landed: then there is room.
        let moved = std::fs::rename(unfinished.path(), &directory);
        let moved = moved.or_else(|_| std::fs::rename(unfinished.path(), &directory));
        match moved {
            // What was the temporary directory is the upload's now, and not to be cleared away.
            Ok(()) => drop(unfinished.keep()),
            // Another process is at the same upload; either's rows will do.
            Err(_) if directory.is_dir() => {}
            Err(error) => return Err(failed(error)),
        }
        File::open(&parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
        Ok(Self { directory })
    }

    /// Forgets an upload that has landed.
    pub(crate) fn done(self) {
        // What stays behind is found to have landed at the next start.
        let _ = std::fs::remove_dir_all(&self.directory);
    }

    /// Every upload that a crash has left behind.
    pub(crate) fn all(lake: &Lake) -> Result<Vec<LeftBehind>, IngestError> {
        let parent = lake.local_path()?.join(DIRECTORY);
        let Ok(entries) = std::fs::read_dir(&parent) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let directory = entry.path();
            // A directory without its facts was never complete: a crash, or a process that is still writing it.
            let Ok(text) = std::fs::read(directory.join(FACTS_FILE)) else { continue };
            let Ok(facts) = serde_json::from_slice::<Facts>(&text) else { continue };
            if directory.file_name().is_none_or(|name| name != facts.upload.id.as_str()) {
                continue;
            }
            let staged = facts.tables.into_iter().filter_map(|(name, own)| staged(&directory, &name, own)).collect();
            found.push((Self { directory }, facts.upload, staged));
        }
        Ok(found)
    }
}

fn file_name(table: Table) -> String {
    format!("{}.arrow", table.name())
}

/// The rows of one table again; nothing when another process has just finished with them.
fn staged(directory: &Path, name: &str, facts: TableFacts) -> Option<(Table, Staged)> {
    let table = Table::ALL.into_iter().find(|table| table.name() == name)?;
    let file = File::open(directory.join(file_name(table))).ok()?;
    let staged = Spooled::of(file).and_then(|batches| Staged::of(batches, facts.exports, facts.part)).ok()?;
    Some((table, staged))
}
