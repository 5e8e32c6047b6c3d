//! The ledger: one row for each upload that has landed, and what a commit says of the upload it is of.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::error::ArrowError;
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use super::{Appended, Lake, RECOVERY_COMMITS_MAX, UPLOAD_METADATA, integer_cell, text_cell};
use crate::error::IngestError;
use crate::event_log::is_of_events;
use crate::summary::Summary;
use crate::table::Table;

/// One row of the table `uploads`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRow {
    /// BLAKE3 of the decompressed bytes and the declared source, in hex.
    pub id: String,
    /// File name.
    pub name: String,
    /// Format name.
    pub format: String,
    /// Rows read.
    pub read: u64,
    /// Rows that landed.
    pub accepted: u64,
    /// Rows that were there already.
    pub duplicate: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Decompressed size, in bytes.
    pub bytes: u64,
    /// When, microseconds since 1970 UTC.
    pub uploaded_at_us: i64,
    /// What the user should know about the file.
    pub warnings: Vec<String>,
    /// Lines of earlier deliveries of the same billing exports, which its rows replaced.
    #[serde(default)]
    pub replaced: u64,
    /// Time span, resources, and what the log left unsaid; nothing for uploads of earlier versions of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

/// What a commit says about the upload it is of, for its ledger row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CommitNote {
    /// The ledger row, with the counts of this table.
    #[serde(flatten)]
    pub(super) upload: UploadRow,
    /// Every table that the upload fills.
    #[serde(default)]
    tables: Vec<String>,
}

impl Appended {
    pub(super) fn note(&self, upload: &UploadRow, tables: &[Table]) -> CommitNote {
        let Self { accepted, duplicate, replaced, .. } = *self;
        CommitNote {
            upload: UploadRow { accepted, duplicate, replaced, ..upload.clone() },
            tables: tables.iter().map(|table| table.name().to_owned()).collect(),
        }
    }
}

impl Lake {
    /// The ledger row of an upload, if it has landed.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn upload(&self, id: &str) -> Result<Option<UploadRow>, IngestError> {
        let condition = format!("WHERE id = '{}'", id.replace('\'', "''"));
        Ok(self.uploads_where(&condition).await?.into_iter().next())
    }

    /// Whether any upload has landed.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn has_uploads(&self) -> Result<bool, IngestError> {
        let Some(table) = self.table(Table::Uploads).await? else { return Ok(false) };
        let snapshot = table.snapshot().map_err(|error| self.storage_error("read".into(), error))?;
        Ok(snapshot.log_data().num_files() > 0)
    }

    /// Every upload that has landed, latest first.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn uploads(&self) -> Result<Vec<UploadRow>, IngestError> {
        self.uploads_where("").await
    }

    async fn uploads_where(&self, condition: &str) -> Result<Vec<UploadRow>, IngestError> {
        let Some(table) = self.table(Table::Uploads).await? else { return Ok(Vec::new()) };
        let schema = table.snapshot().map_err(|error| self.storage_error("read".into(), error))?.schema();
        // A lake of an earlier version lacks these until something is written to it.
        let late =
            |column: &str, sql: &str| schema.field(column).map_or(String::new(), |_| format!(", {sql} AS {column}"));
        // Events land part by part; what a server received on one day is one upload.
        let sql = format!(
            "SELECT id, max(name) AS name, max(format) AS format, sum(read) AS read, sum(accepted) AS accepted, \
             sum(duplicate) AS duplicate, sum(rejected) AS rejected, sum(bytes) AS bytes, \
             max(uploaded_at) AS uploaded_at, max(warnings) AS warnings{}{} FROM t {condition} GROUP BY id \
             ORDER BY uploaded_at DESC, name, id",
            late("replaced", "sum(replaced)"),
            late("summary", "max(summary)")
        );
        let batches = self.select(&table, &sql).await?;
        let mut rows = Vec::new();
        for batch in &batches {
            rows.extend((0..batch.num_rows()).filter_map(|row| upload_row(batch, row)));
        }
        Ok(rows)
    }

    /// Writes the ledger row of an upload whose rows have landed.
    pub(crate) async fn record_upload(&self, upload: &UploadRow) -> Result<(), IngestError> {
        let batch = upload_batch(upload).map_err(|error| self.storage_error("written".into(), error))?;
        self.append_once(Table::Uploads, &upload_transaction(&upload.id), || Ok(std::iter::once(Ok(batch.clone()))))
            .await
    }

    pub(super) async fn recover_uploads(&self) -> Result<(), IngestError> {
        let mut landed: BTreeMap<String, UploadRow> = BTreeMap::new();
        for table in Table::USAGE.into_iter().chain([Table::Billed]) {
            let Some(delta) = self.table(table).await? else { continue };
            let mut history = delta.history(Some(RECOVERY_COMMITS_MAX));
            while let Some(commit) = history.next().await {
                let commit = commit.map_err(|error| self.storage_error("read".into(), error))?;
                let Some(text) = commit.info.get(UPLOAD_METADATA).and_then(|value| value.as_str()) else { continue };
                // One of several tables is not the whole upload: that is completed from what it left pending. Events have
                // a log of their own to land again from.
                if let Ok(note) = serde_json::from_str::<CommitNote>(text)
                    && note.tables.len() <= 1
                    && !is_of_events(&note.upload.id)
                {
                    landed.insert(note.upload.id.clone(), note.upload);
                }
            }
        }
        if landed.is_empty() {
            return Ok(());
        }
        for row in self.uploads().await? {
            landed.remove(&row.id);
        }
        for row in landed.values() {
            tracing::info!(upload = row.id, "completing an upload that was cut off");
            self.record_upload(row).await?;
        }
        Ok(())
    }
}

/// The application transaction of an upload.
pub(crate) fn upload_transaction(upload_id: &str) -> String {
    format!("upload:{upload_id}")
}

pub(crate) fn upload_batch(row: &UploadRow) -> Result<RecordBatch, ArrowError> {
    let count = |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![i64::try_from(value).unwrap_or(i64::MAX)])) };
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let warnings = serde_json::Value::from(row.warnings.clone()).to_string();
    let summary = row.summary.as_ref().and_then(|summary| serde_json::to_string(summary).ok());
    RecordBatch::try_new(
        Table::Uploads.schema(),
        vec![
            text(&row.id),
            text(&row.name),
            text(&row.format),
            count(row.read),
            count(row.accepted),
            count(row.duplicate),
            count(row.rejected),
            count(row.bytes),
            Arc::new(TimestampMicrosecondArray::from(vec![row.uploaded_at_us]).with_timezone("UTC")),
            text(&warnings),
            count(row.replaced),
            Arc::new(StringArray::from(vec![summary])),
        ],
    )
}

fn upload_row(batch: &RecordBatch, row: usize) -> Option<UploadRow> {
    let text = |name: &str| text_cell(batch, name, row);
    let integer = |name: &str| integer_cell(batch, name, row);
    let count = |name: &str| integer(name).and_then(|value| u64::try_from(value).ok());
    Some(UploadRow {
        id: text("id")?,
        name: text("name")?,
        format: text("format")?,
        read: count("read")?,
        accepted: count("accepted")?,
        duplicate: count("duplicate")?,
        rejected: count("rejected")?,
        bytes: count("bytes")?,
        uploaded_at_us: integer("uploaded_at")?,
        warnings: serde_json::from_str(&text("warnings")?).ok()?,
        replaced: count("replaced").unwrap_or(0),
        summary: text("summary").and_then(|text| serde_json::from_str(&text).ok()),
    })
}
