//! The rows that an upload could not read, and their original bytes as a file.

use std::ops::Deref;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use paygrain_ingest::lake::UploadRow;
use serde::Serialize;

use crate::error::QueryError;
use crate::metering::{cell, literal};

/// Bytes of a piece of a file of refused rows, more or less.
const PIECE_BYTES: u64 = 32 << 20;
/// Longest name of a file of refused rows, in characters.
const NAME_CHARS_MAX: usize = 100;

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
    /// Bytes of the original row, where they were kept.
    pub original_bytes: Option<u64>,
}

/// How much of the refused rows of an upload was kept as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RejectedFacts {
    /// Refused rows.
    pub rows: u64,
    /// Those whose original bytes were kept.
    pub kept: u64,
    /// How many bytes those are.
    pub kept_bytes: u64,
}

impl RejectedFacts {
    /// Rows whose original bytes were not kept.
    pub fn lost(&self) -> u64 {
        self.rows.saturating_sub(self.kept)
    }
}

/// The original bytes of the refused rows of an upload, as a file that can be mended and ingested.
pub struct RejectedOriginals {
    /// A name for the file, of plain characters.
    pub file_name: String,
    /// What is in it and what is not.
    pub facts: RejectedFacts,
    session: SessionContext,
    upload_id: String,
    /// Where the last row that was handed out begins.
    last_offset: Option<i64>,
}

impl RejectedOriginals {
    pub(crate) async fn of(session: SessionContext, upload: &UploadRow) -> Result<Self, QueryError> {
        let facts = rejected_facts(&session, &upload.id).await?;
        Ok(Self { file_name: file_name(&upload.name), facts, session, upload_id: upload.id.clone(), last_offset: None })
    }

    /// The next piece of the file; nothing at its end. The header comes first, if the rows need one, and the rows in the
    /// order of the upload, each ended by a new line. Where several refused rows are of one object in the file, the
    /// object stands there once.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn next_piece(&mut self) -> Result<Option<Vec<u8>>, QueryError> {
        // So many rows that a piece has about the size wanted: sorting keeps that much in memory, and no more.
        let rows_max = (self.facts.kept.saturating_mul(PIECE_BYTES) / self.facts.kept_bytes.max(1)).max(1);
        let behind = self.last_offset.map_or_else(String::new, |last| format!("AND byte_offset > {last}"));
        let sql = format!(
            "SELECT byte_offset, header, original FROM rejected_rows \
             WHERE upload_id = {} AND original IS NOT NULL {behind} ORDER BY byte_offset LIMIT {rows_max}",
            literal(&self.upload_id)
        );
        let mut piece = Vec::new();
        for batch in self.session.sql(&sql).await?.collect().await? {
            let offsets = batch.column(0).as_primitive::<Int64Type>();
            let (headers, rows) = (binary(batch.column(1))?, binary(batch.column(2))?);
            for row in 0..batch.num_rows() {
                let offset = Some(offsets.value(row));
                if offset == self.last_offset {
                    continue;
                }
                if self.last_offset.is_none() && headers.is_valid(row) {
                    add_line(&mut piece, headers.value(row));
                }
                add_line(&mut piece, rows.value(row));
                self.last_offset = offset;
            }
        }
        Ok((!piece.is_empty()).then_some(piece))
    }
}

fn add_line(piece: &mut Vec<u8>, row: &[u8]) {
    piece.extend_from_slice(row);
    if !row.ends_with(b"\n") {
        piece.push(b'\n');
    }
}

fn binary(column: &ArrayRef) -> Result<BinaryArray, QueryError> {
    let cast = cast(column, &DataType::Binary).map_err(DataFusionError::from)?;
    Ok(cast.as_binary::<i32>().clone())
}

/// What a file of refused rows is called after the file they are from: `logs/a b.csv.gz` gives `a_b.rejected.csv`.
fn file_name(upload_name: &str) -> String {
    let last = upload_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let last = [".gz", ".zst", ".zip", ".tgz"].iter().find_map(|end| last.strip_suffix(end)).unwrap_or(last);
    let plain =
        |character: char| if character.is_ascii_alphanumeric() || "-._".contains(character) { character } else { '_' };
    let plain: String = last.chars().map(plain).collect();
    let (stem, extension) = match plain.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= 10 => (stem, format!(".{extension}")),
        _ => (plain.deref(), String::new()),
    };
    let stem: String = stem.trim_start_matches('.').chars().take(NAME_CHARS_MAX).collect();
    format!("{}.rejected{extension}", if stem.is_empty() { "upload" } else { &stem })
}

pub(crate) async fn rejected_facts(session: &SessionContext, upload_id: &str) -> Result<RejectedFacts, QueryError> {
    let sql = format!(
        "SELECT count(*), count(original), coalesce(sum(byte_length(arrow_cast(original, 'Binary'))), 0) FROM rejected_rows WHERE upload_id = {}",
        literal(upload_id)
    );
    session.register_udf(byte_length());
    let mut facts = RejectedFacts::default();
    for batch in session.sql(&sql).await?.collect().await? {
        for row in 0..batch.num_rows() {
            let number =
                |column| cell(&batch, column, row).map(|text| text.and_then(|text| text.parse().ok()).unwrap_or(0));
            facts = RejectedFacts { rows: number(0)?, kept: number(1)?, kept_bytes: number(2)? };
        }
    }
    Ok(facts)
}

pub(crate) async fn rejected_rows(
    session: &SessionContext,
    upload_id: &str,
    offset: u64,
    limit: u64,
) -> Result<Vec<RejectedRowView>, QueryError> {
    let condition = format!("upload_id = {}", literal(upload_id));
    let order = format!("ORDER BY byte_offset, line LIMIT {limit} OFFSET {offset}");
    Ok(rows_of(session, &condition, &order).await?.into_iter().map(|(_, row)| row).collect())
}

/// Refused rows, each with the id of its upload.
pub(crate) async fn rows_of(
    session: &SessionContext,
    condition: &str,
    order: &str,
) -> Result<Vec<(String, RejectedRowView)>, QueryError> {
    let sql = format!(
        "SELECT line, byte_offset, reason, excerpt, byte_length(arrow_cast(original, 'Binary')), upload_id \
         FROM rejected_rows WHERE {condition} {order}"
    );
    session.register_udf(byte_length());
    let mut rows = Vec::new();
    for batch in session.sql(&sql).await?.collect().await? {
        for row in 0..batch.num_rows() {
            let number = |column| cell(&batch, column, row).map(|text| text.and_then(|text| text.parse().ok()));
            let view = RejectedRowView {
                line: number(0)?,
                byte_offset: number(1)?.unwrap_or(0),
                reason: cell(&batch, 2, row)?.unwrap_or_default(),
                excerpt: cell(&batch, 3, row)?.unwrap_or_default(),
                original_bytes: number(4)?,
            };
            rows.push((cell(&batch, 5, row)?.unwrap_or_default(), view));
        }
    }
    Ok(rows)
}

/// How many bytes a binary value has; the engine's own `octet_length` takes text only.
fn byte_length() -> ScalarUDF {
    let measure = |arguments: &[ColumnarValue]| match arguments {
        [ColumnarValue::Array(values)] => Ok(ColumnarValue::Array(length(values)?)),
        [ColumnarValue::Scalar(value)] => {
            let lengths = length(&value.to_array()?)?;
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&lengths, 0)?))
        }
        _ => Err(DataFusionError::Internal("byte_length takes one argument".into())),
    };
    let (from, to) = (vec![DataType::Binary], DataType::Int32);
    create_udf("byte_length", from, to, Volatility::Immutable, Arc::new(measure))
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_are_plain() {
        for (upload, name) in [
            ("usage.csv", "usage.rejected.csv"),
            ("logs.zip/a b/c.csv.gz", "c.rejected.csv"),
            ("lambda", "lambda.rejected"),
            ("a\"; filename=\"x.exe\r\n", "a___filename__x.rejected.exe__"),
            ("..", "upload.rejected."),
            ("héllo.log.gz", "h_llo.rejected.log"),
            ("", "upload.rejected"),
        ] {
            assert_eq!(file_name(upload), name, "{upload}");
        }
    }
}
