//! Issuing a bill again from what it records, and comparing every byte.

use std::sync::Arc;

use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;
use paygrain_ingest::lake::{BillRow, charge_rows, sha256_hex};
use paygrain_pricing::{Catalogue, Period};
use serde::Serialize;
use serde_json::Value;

use super::document::{BookUsed, Revision, StoredOptions, lake_versions, read_json};
use super::line::{BillLine, difference};
use super::{BillSummary, bill_request, document_text, find, rows_of};
use crate::bill::{BillRequest, RatedUsage};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::metering::{cell, literal};
use crate::session::{session, session_at};

/// Whether an issued bill is what its records give today.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// The bill.
    pub bill: BillSummary,
    /// SHA-256 of the document that rating it again gives, in hex.
    pub rerun_sha256: String,
    /// Where the two differ; nothing: every byte is the same.
    pub mismatches: Vec<Mismatch>,
}

/// One place where a stored bill is not what its records give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Where: a member of the document, a line and its member, or a row and column of the table `charges`.
    pub place: String,
    /// What is stored.
    pub stored: String,
    /// What it should be.
    pub rerun: String,
}

/// Rates every revision up to one again, and compares with what is stored.
pub(crate) async fn verify(
    engine: &Engine,
    period: Period,
    provider: Option<&str>,
    revision: u32,
) -> Result<Verification, QueryError> {
    let issued = engine.lake().issued_bills().await?;
    let row = find(&issued, period, provider, Some(revision))?;
    let stored = document_text(engine, &issued, row).await?;
    let rows: Vec<_> = rows_of(&issued, period, provider).into_iter().filter(|row| row.revision <= revision).collect();
    let texts = engine.lake().price_book_texts().await?;
    let mut lines: Vec<BillLine> = Vec::new();
    let mut mismatches = Vec::new();
    let mut rerun = String::new();
    for row in rows {
        let again = rate_again(engine, row, period, &texts, &mut lines).await?;
        let (written, document) = again;
        mismatches.extend(table_mismatches(engine, &row.id, &document).await?);
        for (place, stored, rerun) in
            [("total", &row.total, &written.total), ("currency", &row.currency, &written.currency)]
        {
            if stored != rerun {
                mismatches.push(mismatch(format!("table bills, {}: {place}", row.id), stored, rerun));
            }
        }
        rerun = document;
    }
    let hash = sha256_hex(&stored);
    if hash != row.document_sha256 {
        mismatches.push(mismatch("SHA-256 of the document as issued".into(), &row.document_sha256, &hash));
    }
    let rerun_sha256 = sha256_hex(&rerun);
    if stored != rerun {
        let found = document_mismatches(&stored, &rerun);
        match found.is_empty() {
            true => mismatches.push(mismatch("bytes of the document".into(), &hash, &rerun_sha256)),
            false => mismatches.extend(found),
        }
    }
    Ok(Verification { bill: BillSummary::of(row)?, rerun_sha256, mismatches })
}

/// Issues one revision again, on top of the lines of those before it.
async fn rate_again(
    engine: &Engine,
    row: &BillRow,
    period: Period,
    texts: &BTreeMap<String, String>,
    lines: &mut Vec<BillLine>,
) -> Result<(BillRow, String), QueryError> {
    let books: Vec<BookUsed> = read_json(&row.id, &row.price_books)?;
    let catalogue = catalogue(row, &books, texts)?;
    let options: StoredOptions = read_json(&row.id, &row.options)?;
    let session = session_at(engine.lake(), &lake_versions(row)?).await?;
    let request = bill_request(period, row.provider.clone(), options.into());
    let usage = RatedUsage::of(&session, &catalogue, &request).await?;
    let new = difference(lines, &usage.rated.charges, row.revision);
    lines.extend(new);
    let row = BillRow { record_count: usage.record_count, ..row.clone() };
    Revision { row, lines, books: &books, unpriced: &usage.unpriced, currency: usage.currency()? }.written()
}

/// The first revision of a bill rated again on the lake as it was then, and the price books it was rated with.
pub(crate) async fn first_revision(
    engine: &Engine,
    request: &BillRequest,
) -> Result<(Catalogue, BillRequest, Arc<RatedUsage>), QueryError> {
    let provider = request.provider.as_deref();
    let issued = engine.lake().issued_bills().await?;
    let row = find(&issued, request.period, provider, Some(1))?;
    let books: Vec<BookUsed> = read_json(&row.id, &row.price_books)?;
    let catalogue = catalogue(row, &books, &engine.lake().price_book_texts().await?)?;
    let options: StoredOptions = read_json(&row.id, &row.options)?;
    let session = session_at(engine.lake(), &lake_versions(row)?).await?;
    let rated = bill_request(request.period, row.provider.clone(), options.into());
    let rated = BillRequest { attribution: request.attribution, ..rated };
    let usage = RatedUsage::of(&session, &catalogue, &rated).await?;
    Ok((catalogue, rated, usage))
}

/// The price books of a bill, from their stored texts.
fn catalogue(row: &BillRow, books: &[BookUsed], texts: &BTreeMap<String, String>) -> Result<Catalogue, QueryError> {
    let unusable = |problem: String| QueryError::BillBooks { id: row.id.clone(), problem };
    let mut files = Vec::new();
    for book in books {
        let text = texts.get(&book.sha256);
        let text =
            text.ok_or_else(|| unusable(format!("the text of {} ({}) is not stored", book.name, book.sha256)))?;
        if sha256_hex(text) != book.sha256 {
            return Err(unusable(format!(
                "the stored text of {} is not the one with SHA-256 {}",
                book.name, book.sha256
            )));
        }
        files.push((book.name.clone(), text.clone()));
    }
    Catalogue::of_files(files).map_err(|error| unusable(error.to_string()))
}

fn mismatch(place: String, stored: impl ToString, rerun: impl ToString) -> Mismatch {
    Mismatch { place, stored: stored.to_string(), rerun: rerun.to_string() }
}

/// Where two documents differ, member by member.
fn document_mismatches(stored: &str, rerun: &str) -> Vec<Mismatch> {
    let (Ok(stored), Ok(rerun)) = (serde_json::from_str::<Value>(stored), serde_json::from_str::<Value>(rerun)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    compare(&stored, &rerun, "", "charges", &mut found);
    let none = Vec::new();
    let lines = |document: &'_ Value| document["charges"].as_array().cloned().unwrap_or_else(|| none.clone());
    let (stored, rerun) = (lines(&stored), lines(&rerun));
    for index in 0..stored.len().max(rerun.len()) {
        let (stored, rerun) = (stored.get(index), rerun.get(index));
        let id = stored.or(rerun).and_then(|line| line["id"].as_str()).unwrap_or_default();
        let place = format!("line {} ({id})", index + 1);
        match (stored, rerun) {
            (Some(stored), Some(rerun)) => compare(stored, rerun, &format!("{place}: "), "", &mut found),
            (Some(_), None) => found.push(mismatch(place, "there", "missing")),
            _ => found.push(mismatch(place, "missing", "there")),
        }
    }
    found
}

/// The members of two objects that differ, one left out.
fn compare(stored: &Value, rerun: &Value, place: &str, without: &str, found: &mut Vec<Mismatch>) {
    let (Some(stored), Some(rerun)) = (stored.as_object(), rerun.as_object()) else { return };
    let names = stored.keys().chain(rerun.keys().filter(|name| !stored.contains_key(*name)));
    for name in names.filter(|name| *name != without) {
        let (stored, rerun) = (stored.get(name), rerun.get(name));
        if stored != rerun {
            let shown = |value: Option<&Value>| value.map_or_else(|| "missing".to_owned(), Value::to_string);
            found.push(mismatch(format!("{place}{name}"), shown(stored), shown(rerun)));
        }
    }
}

/// Where the rows of the table `charges` are not the lines of a bill.
async fn table_mismatches(engine: &Engine, bill_id: &str, document: &str) -> Result<Vec<Mismatch>, QueryError> {
    let expected = charge_rows(bill_id, document)?;
    let names: Vec<_> = expected.schema().fields().iter().map(|field| field.name().clone()).collect();
    let session = session(engine.lake()).await?;
    let sql = format!("SELECT {} FROM charges WHERE bill_id = {} ORDER BY line", quoted(&names), literal(bill_id));
    let mut stored: Vec<Vec<String>> = Vec::new();
    for batch in session.sql(&sql).await?.collect().await? {
        stored.extend(texts(&batch)?);
    }
    let expected = texts(&expected)?;
    let mut found = Vec::new();
    if stored.len() != expected.len() {
        found.push(mismatch(format!("table charges, {bill_id}: rows"), stored.len(), expected.len()));
    }
    for (index, (stored, expected)) in stored.iter().zip(&expected).enumerate() {
        for (column, name) in names.iter().enumerate().filter(|(column, _)| stored[*column] != expected[*column]) {
            let place = format!("table charges, {bill_id} line {}: {name}", index + 1);
            found.push(mismatch(place, &stored[column], &expected[column]));
        }
    }
    Ok(found)
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

fn texts(batch: &RecordBatch) -> Result<Vec<Vec<String>>, QueryError> {
    let columns = 0..batch.num_columns();
    let row = |row| columns.clone().map(|column| Ok(cell(batch, column, row)?.unwrap_or_default())).collect();
    (0..batch.num_rows()).map(row).collect()
}
