//! The rows that an upload could not read.

use datafusion::prelude::SessionContext;
use serde::Serialize;

use crate::error::QueryError;
use crate::metering::{cell, literal};

/// One row of the table `rejected_rows`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedRowView {
    /// Line in the decompressed file, from 1.
    pub line: Option<u64>,
    /// Byte offset in the decompressed file.
    pub byte_offset: u64,
    /// What was wrong.
    pub reason: String,
    /// The beginning of the row.
    pub excerpt: String,
}

pub(crate) async fn rejected_rows(
    session: &SessionContext,
    upload_id: &str,
    offset: u64,
    limit: u64,
) -> Result<Vec<RejectedRowView>, QueryError> {
    let sql = format!(
        "SELECT line, byte_offset, reason, excerpt FROM rejected_rows WHERE upload_id = {} \
         ORDER BY byte_offset, line LIMIT {limit} OFFSET {offset}",
        literal(upload_id)
    );
    let mut rows = Vec::new();
    for batch in session.sql(&sql).await?.collect().await? {
        for row in 0..batch.num_rows() {
            let number = |column| cell(&batch, column, row).map(|text| text.and_then(|text| text.parse().ok()));
            rows.push(RejectedRowView {
                line: number(0)?,
                byte_offset: number(1)?.unwrap_or(0),
                reason: cell(&batch, 2, row)?.unwrap_or_default(),
                excerpt: cell(&batch, 3, row)?.unwrap_or_default(),
            });
        }
    }
    Ok(rows)
}
