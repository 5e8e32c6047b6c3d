//! A commit on a snapshot, and whether one was lost to another writer.

use deltalake::kernel::transaction::{CommitBuilder, CommitConflictError, CommitProperties, TransactionError};
use deltalake::kernel::{Action, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableError};

use super::UPLOAD_METADATA;
use super::uploads::CommitNote;
use crate::table::Table;

/// The last version of an application's transaction.
pub(crate) async fn transaction_version(delta: &DeltaTable, application: &str) -> Result<Option<i64>, DeltaTableError> {
    delta.snapshot()?.transaction_version(delta.log_store().as_ref(), application).await
}

/// Commits actions with their transactions, as one.
pub(super) async fn commit(
    delta: &DeltaTable,
    table: Table,
    actions: Vec<Action>,
    transactions: Vec<Transaction>,
    note: Option<&CommitNote>,
) -> Result<(), DeltaTableError> {
    let on_this_snapshot_only = actions.iter().any(|action| matches!(action, Action::Metadata(_)));
    // Bills are rated again at the versions they were issued at, so the log of no version may go.
    let mut properties = CommitProperties::default()
        .with_application_transactions(transactions)
        .with_max_retries(if on_this_snapshot_only { 0 } else { 100 })
        .with_cleanup_expired_logs(Some(false));
    if let Some(note) = note {
        let text = serde_json::to_string(note).map_err(|error| DeltaTableError::generic(error.to_string()))?;
        properties = properties.with_metadata([(UPLOAD_METADATA.to_owned(), serde_json::Value::String(text))]);
    }
    let partition_by: Vec<_> = table.partition_columns().iter().map(|&name| name.to_owned()).collect();
    let operation = DeltaOperation::Write {
        mode: SaveMode::Append,
        partition_by: (!partition_by.is_empty()).then_some(partition_by),
        predicate: None,
    };
    CommitBuilder::from(properties)
        .with_actions(actions)
        .build(Some(delta.snapshot()?), delta.log_store(), operation)
        .await?;
    Ok(())
}

/// Whether a commit failed only because another writer was first, so that reading again and retrying is right.
pub(super) fn lost_a_race(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::Transaction {
            source: TransactionError::CommitConflict(
                CommitConflictError::ConcurrentTransaction
                    | CommitConflictError::ConcurrentDeleteDelete
                    | CommitConflictError::ConcurrentDeleteRead
                    | CommitConflictError::ConcurrentAppend
                    | CommitConflictError::MetadataChanged
            ) | TransactionError::MaxCommitAttempts(_)
                | TransactionError::VersionAlreadyExists(_)
        } | DeltaTableError::VersionAlreadyExists(_)
    )
}
