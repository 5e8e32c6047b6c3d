//! The refused rows of every upload together: how many, why, and where they are.

use datafusion::prelude::SessionContext;
use serde::Serialize;

use crate::error::QueryError;
use crate::metering::{cell, literal};
use crate::rejected_rows::{RejectedRowView, rows_of};

/// Reasons that are listed, the most frequent first.
const REASONS_MAX: u64 = 20;

/// A reason without the value that was found: rows that are wrong in the same way are told together.
const KIND: &str = r"regexp_replace(reason, '^(`[^`]+` is )`[^`]*`', '\1`…`')";

/// Which refused rows are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantineRequest {
    /// Only those of this upload.
    pub upload_id: Option<String>,
    /// Only those that have each of these words in the reason or in their beginning, letter case apart.
    pub words: Option<String>,
    /// Rows to pass over.
    pub offset: u64,
    /// Most rows of the answer.
    pub limit: u64,
}

/// Refused rows, by upload and in file order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantine {
    /// Rows that fit.
    pub total: u64,
    /// The most frequent reasons among them.
    pub reasons: Vec<QuarantineReason>,
    /// The rows asked for.
    pub rows: Vec<QuarantinedRow>,
}

/// Why rows were refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantineReason {
    /// What was wrong; `…` stands for the value that was found.
    pub reason: String,
    /// Rows.
    pub rows: u64,
    /// Uploads that have such rows.
    pub uploads: u64,
}

/// A refused row with its upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantinedRow {
    /// The upload.
    pub upload_id: String,
    /// Its place, the reason and its beginning.
    #[serde(flatten)]
    pub row: RejectedRowView,
}

impl QuarantineRequest {
    fn condition(&self) -> String {
        let mut parts = vec!["true".to_owned()];
        parts.extend(self.upload_id.iter().map(|id| format!("upload_id = {}", literal(id))));
        for word in self.words.iter().flat_map(|words| words.split_whitespace()) {
            let word = literal(&word.to_lowercase());
            parts.push(format!("(strpos(lower(reason), {word}) > 0 OR strpos(lower(excerpt), {word}) > 0)"));
        }
        parts.join(" AND ")
    }
}

/// Refused rows of all uploads.
pub(crate) async fn quarantine(
    session: &SessionContext,
    request: &QuarantineRequest,
) -> Result<Quarantine, QueryError> {
    let condition = request.condition();
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut quarantine = Quarantine { total: 0, reasons: Vec::new(), rows: Vec::new() };
    let sql = format!("SELECT count(*) FROM rejected_rows WHERE {condition}");
    for batch in session.sql(&sql).await?.collect().await? {
        for row in 0..batch.num_rows() {
            quarantine.total = number(cell(&batch, 0, row)?);
        }
    }
    if quarantine.total == 0 {
        return Ok(quarantine);
    }
    let sql = format!(
        "SELECT {KIND} AS kind, count(*) AS rows, count(DISTINCT upload_id) FROM rejected_rows WHERE {condition} \
         GROUP BY kind ORDER BY rows DESC, kind LIMIT {REASONS_MAX}"
    );
    for batch in session.sql(&sql).await?.collect().await? {
        for row in 0..batch.num_rows() {
            quarantine.reasons.push(QuarantineReason {
                reason: cell(&batch, 0, row)?.unwrap_or_default(),
                rows: number(cell(&batch, 1, row)?),
                uploads: number(cell(&batch, 2, row)?),
            });
        }
    }
    let order = format!("ORDER BY upload_id, byte_offset, line LIMIT {} OFFSET {}", request.limit, request.offset);
    let rows = rows_of(session, &condition, &order).await?;
    quarantine.rows = rows.into_iter().map(|(upload_id, row)| QuarantinedRow { upload_id, row }).collect();
    Ok(quarantine)
}
