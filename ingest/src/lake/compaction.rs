//! Many small files become few: without a change to any row, and beside everything else that goes on.
//!
//! Files of a partition that are of like size are put together when there are enough of them, so that a row is written
//! again only a few times in its life, however many commits bring rows. The commit replaces files by others and says that
//! no data changed; writers that append meanwhile do not notice. Two compactions of one table would both put the same
//! rows in a new file, so each advances one application transaction, and the second gives up.
//!
//! Files that were replaced stay where they are: issued bills are rated again at the versions they were issued at.

use std::collections::BTreeMap;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use datafusion::arrow::compute::cast;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake::kernel::{Action, Remove, Transaction};
use deltalake::protocol::DeltaOperation;
use deltalake::writer::{DeltaWriter, RecordBatchWriter};
use deltalake::{DeltaTable, DeltaTableError, Path};
use futures::TryStreamExt;
use serde::Serialize;

use super::usage_files::UPLOAD_FILE_BYTES;
use super::{FILE_BYTES_TARGET, Lake, lost_a_race, transaction_version};
use crate::data_file::DataFile;
use crate::error::IngestError;
use crate::table::Table;

/// Files of one partition and of like size that are put together.
const FILES_MIN: usize = 8;
/// Size from which on a file is left alone, in bytes: a full file of an upload is not written twice.
const SMALL_BYTES: u64 = UPLOAD_FILE_BYTES as u64;
/// Size of the smallest class of files, in bytes, and how much larger the next one is.
const CLASS_BYTES: u64 = 256 * 1024;
const CLASS_FACTOR: u64 = 8;

/// How eagerly files are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compaction {
    /// Where there are many of like size, as a server does all the time.
    Gradual,
    /// Wherever a partition has more than one small file.
    Full,
}

/// What a compaction did to a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Files before, all of the table.
    pub files_before: u64,
    /// Files after.
    pub files_after: u64,
    /// Bytes that were written again.
    pub bytes_rewritten: u64,
}

/// The state of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableStatus {
    /// Its name.
    pub table: &'static str,
    /// Latest version, from 0.
    pub version: u64,
    /// Rows.
    pub rows: u64,
    /// Files of the latest version.
    pub files: u64,
    /// Those of them that compaction may still put together.
    pub small_files: u64,
    /// Their size, in bytes.
    pub bytes: u64,
    /// Size of everything in its directory, in bytes: also what earlier versions need, and the log.
    pub stored_bytes: u64,
}

/// Values of the partition columns, as the log writes them.
type Partition = BTreeMap<String, Option<String>>;

/// A file to be put together with others.
struct Small {
    path: Path,
    bytes: u64,
    remove: Remove,
}

impl Lake {
    /// The state of every table that was ever written.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn status(&self) -> Result<Vec<TableStatus>, IngestError> {
        let mut found = Vec::new();
        for table in Table::ALL {
            let Some(delta) = self.table(table).await? else { continue };
            let failed = |error| self.storage_error(format!("read (table `{}`)", table.name()), error);
            let mut status = TableStatus {
                table: table.name(),
                version: delta.version().unwrap_or(0),
                rows: 0,
                files: 0,
                small_files: 0,
                bytes: 0,
                stored_bytes: self
                    .directory(table)
                    .and_then(|url| url.to_file_path().ok())
                    .map_or(0, |path| size_of(&path)),
            };
            for file in delta.snapshot().map_err(failed)?.log_data() {
                let bytes = u64::try_from(file.size()).unwrap_or(0);
                status.files += 1;
                status.small_files += u64::from(bytes < SMALL_BYTES);
                status.bytes += bytes;
                status.rows += file.num_records().unwrap_or(0) as u64;
            }
            found.push(status);
        }
        Ok(found)
    }

    /// Puts small files of a table together. Nothing when there is nothing to do, or another compaction is at it.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn compact(&self, table: Table, compaction: Compaction) -> Result<Option<Compacted>, IngestError> {
        let Some(delta) = self.table(table).await? else { return Ok(None) };
        self.compact_files(table, &delta, compaction)
            .await
            .map_err(|error| self.storage_error(format!("compacted (table `{}`)", table.name()), error))
    }

    async fn compact_files(
        &self,
        table: Table,
        delta: &DeltaTable,
        compaction: Compaction,
    ) -> Result<Option<Compacted>, DeltaTableError> {
        let application = format!("compaction:{}", table.name());
        let done = transaction_version(delta, &application).await?.unwrap_or(0);
        let groups = plan(delta, compaction)?;
        if groups.is_empty() {
            return Ok(None);
        }
        let files_before = delta.snapshot()?.log_data().num_files() as u64;
        let mut compacted = Compacted { files_before, files_after: files_before, bytes_rewritten: 0 };
        let mut actions = Vec::new();
        let mut transactions = BTreeMap::from([(application, done)]);
        for Group { partition, files } in groups {
            // Who replaces the files of a partition advances its transaction. Delta itself would let that go through
            // beside a compaction of the same files, and both the old rows and the new would stand.
            if let Some(Some(export)) = partition.get("export_id") {
                let name = format!("export:{export}");
                let version = transaction_version(delta, &name).await?.unwrap_or(0);
                transactions.insert(name, version);
            }
            // A writer of its own for each group: it keeps what it writes in memory until it is whole.
            let mut writer = RecordBatchWriter::for_table(delta)?.with_target_file_size(FILE_BYTES_TARGET);
            for file in &files {
                rewrite(delta, &partition, file, &mut writer).await?;
                compacted.bytes_rewritten += file.bytes;
            }
            let added = writer.flush().await?;
            compacted.files_after = (compacted.files_after + added.len() as u64).saturating_sub(files.len() as u64);
            actions.extend(added.into_iter().map(|mut add| {
                add.data_change = false;
                Action::Add(add)
            }));
            actions.extend(files.into_iter().map(|file| Action::Remove(file.remove)));
        }
        let properties = CommitProperties::default()
            .with_application_transactions(
                transactions.iter().map(|(name, done)| Transaction::new(name, done + 1)).collect(),
            )
            .with_max_retries(100)
            .with_cleanup_expired_logs(Some(false));
        let target_size = i64::try_from(FILE_BYTES_TARGET).unwrap_or(i64::MAX);
        let operation = DeltaOperation::Optimize { predicate: None, target_size };
        let snapshot = delta.snapshot()?;
        match CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(snapshot), delta.log_store(), operation)
            .await
        {
            Ok(_) => Ok(Some(compacted)),
            Err(error) if lost_a_race(&error) => Ok(None),
            Err(DeltaTableError::Transaction { source: TransactionError::CommitConflict(_) }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Files of one partition to put together: they become one file, or a few large ones.
struct Group {
    partition: Partition,
    files: Vec<Small>,
}

fn plan(delta: &DeltaTable, compaction: Compaction) -> Result<Vec<Group>, DeltaTableError> {
    let mut classes: BTreeMap<(Partition, u32), Vec<Small>> = BTreeMap::new();
    for file in delta.snapshot()?.log_data() {
        let bytes = u64::try_from(file.size()).unwrap_or(0);
        // Another program's deletion vectors are not ours to apply.
        if bytes >= SMALL_BYTES || file.deletion_vector_descriptor().is_some() {
            continue;
        }
        let partition = file.partition_values_map().into_iter().collect();
        let class = match compaction {
            Compaction::Gradual => class_of(bytes),
            Compaction::Full => 0,
        };
        let small = Small { path: file.object_store_path(), bytes, remove: file.remove_action(false) };
        classes.entry((partition, class)).or_default().push(small);
    }
    let enough = if compaction == Compaction::Full { 2 } else { FILES_MIN };
    let mut groups = Vec::new();
    for ((partition, _), mut files) in classes {
        if files.len() < enough {
            continue;
        }
        while !files.is_empty() {
            let mut bytes = 0;
            let full = files.iter().position(|file| {
                bytes += file.bytes;
                bytes >= FILE_BYTES_TARGET
            });
            let rest = files.split_off(full.map_or(files.len(), |last| last + 1));
            if files.len() > 1 {
                groups.push(Group { partition: partition.clone(), files });
            }
            files = rest;
        }
    }
    Ok(groups)
}

fn class_of(bytes: u64) -> u32 {
    let (mut class, mut limit) = (0, CLASS_BYTES);
    while bytes >= limit {
        class += 1;
        limit *= CLASS_FACTOR;
    }
    class
}

/// Writes the rows of a file again, with every column of the table.
async fn rewrite(
    delta: &DeltaTable,
    partition: &Partition,
    file: &Small,
    writer: &mut RecordBatchWriter,
) -> Result<(), DeltaTableError> {
    let failed = |source| DeltaTableError::Parquet { source };
    let arrow = |source| DeltaTableError::Arrow { source };
    let schema = writer.arrow_schema();
    let mut batches = DataFile::open(delta, file.path.clone()).await.map_err(failed)?.build().map_err(failed)?;
    while let Some(batch) = batches.try_next().await.map_err(failed)? {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let rows = batch.num_rows();
            columns.push(match (batch.column_by_name(field.name()), partition.get(field.name())) {
                (Some(column), _) => cast(column, field.data_type()).map_err(arrow)?,
                (None, Some(value)) => {
                    let values = StringArray::from(vec![value.as_deref(); rows]);
                    cast(&values, field.data_type()).map_err(arrow)?
                }
                // The file is older than the column.
                (None, None) => new_null_array(field.data_type(), rows),
            });
        }
        writer.write(RecordBatch::try_new(schema.clone(), columns).map_err(arrow)?).await?;
    }
    Ok(())
}

/// Size of everything below a directory, in bytes.
fn size_of(directory: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_like_size_are_of_one_class() {
        assert_eq!([0, 262_143, 262_144, 2_097_151, 2_097_152, 16_777_216].map(class_of), [0, 0, 1, 1, 2, 3]);
    }
}
