//! Issued bills: appended, never changed.
//!
//! The commit of a row of `bills` decides. It holds the whole bill as one document, so that it is there wholly or not at
//! all, and it advances one transaction per period: of two writers that close a period on the same state, the second is
//! refused. Before it go the texts of the price books, which are named by content and harmless alone; after it go the
//! lines as rows of `charges`, which the next writer completes where a crash cut them off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use deltalake::kernel::{Action, Transaction};
use deltalake::writer::{DeltaWriter, RecordBatchWriter};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{ATTEMPTS_MAX, Lake, commit, integer_cell, lost_a_race, text_cell, transaction_version};
use crate::error::IngestError;
use crate::table::Table;

/// One row of the table `bills`, its document apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillRow {
    /// Period, provider and revision: `2026-10-r1`, `2026-10-aws-r1`.
    pub id: String,
    /// The billing month.
    pub period: String,
    /// The one provider it is for; absent: all.
    pub provider: Option<String>,
    /// From 1.
    pub revision: u32,
    /// When, microseconds since 1970 UTC.
    pub issued_at_us: i64,
    /// ISO 4217 code of the total.
    pub currency: String,
    /// The sum of all lines up to this revision, as exact text.
    pub total: String,
    /// Lines that this revision adds.
    pub line_count: u64,
    /// Usage records of the period when it was issued.
    pub record_count: u64,
    /// Versions of the usage tables it was rated on, as JSON: null for a table that was never written.
    pub lake_versions: String,
    /// Rating options, as JSON.
    pub options: String,
    /// Price books in force, as JSON: name, version and SHA-256 of the text.
    pub price_books: String,
    /// The version of the program that issued it.
    pub program_version: String,
    /// SHA-256 of the document, in hex.
    pub document_sha256: String,
}

/// One state of the table `bills`: what the next bill is issued against.
#[derive(Debug)]
pub struct IssuedBills {
    delta: Option<DeltaTable>,
    /// Every bill, by period, provider and revision.
    pub rows: Vec<BillRow>,
}

/// SHA-256 in hex.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Lake {
    /// A table as it was at a version.
    ///
    /// # Errors
    /// [`IngestError::NoSuchVersion`] when its log or its files are no longer all there.
    pub async fn table_at(&self, table: Table, version: u64) -> Result<DeltaTable, IngestError> {
        let gone = |error: DeltaTableError| IngestError::NoSuchVersion {
            table: table.name(),
            version,
            source: Box::new(error),
        };
        let builder = DeltaTableBuilder::from_url(self.url(table)?).map_err(gone)?;
        let found = builder.with_version(version).load().await.map_err(gone)?;
        self.check_version(table, &found)?;
        Ok(found)
    }

    /// Every bill issued so far.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn issued_bills(&self) -> Result<IssuedBills, IngestError> {
        match self.table(Table::Bills).await? {
            Some(delta) => self.issued_in(delta).await,
            None => Ok(IssuedBills { delta: None, rows: Vec::new() }),
        }
    }

    async fn issued_in(&self, delta: DeltaTable) -> Result<IssuedBills, IngestError> {
        let schema = Table::Bills.schema();
        let columns = schema.fields().iter().map(|field| field.name().as_str()).filter(|name| *name != "document");
        let columns = columns.collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT {columns} FROM t ORDER BY period, provider NULLS FIRST, revision");
        let mut rows = Vec::new();
        for batch in self.select(&delta, &sql).await? {
            for row in 0..batch.num_rows() {
                let unreadable = || self.storage_error("read (table `bills`)".into(), "a row has an unknown shape");
                rows.push(bill_row(&batch, row).ok_or_else(unreadable)?);
            }
        }
        Ok(IssuedBills { delta: Some(delta), rows })
    }

    /// The document of an issued bill, as it is stored.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn bill_document(&self, issued: &IssuedBills, id: &str) -> Result<Option<String>, IngestError> {
        let Some(delta) = &issued.delta else { return Ok(None) };
        let sql = format!("SELECT document FROM t WHERE id = '{}'", id.replace('\'', "''"));
        let batches = self.select(delta, &sql).await?;
        Ok(batches.iter().find(|batch| batch.num_rows() > 0).and_then(|batch| text_cell(batch, "document", 0)))
    }

    /// Issues a bill that was worked out against `issued`. Gives whether it was: not, when another bill of the period
    /// was issued since.
    ///
    /// # Errors
    /// [`IngestError::Storage`] when it cannot be written.
    pub async fn issue_bill(&self, issued: &IssuedBills, bill: &BillRow, document: &str) -> Result<bool, IngestError> {
        let doing = || "written (table `bills`)".to_owned();
        let failed = |error| self.storage_error(doing(), error);
        let created;
        let delta = match &issued.delta {
            Some(delta) => delta,
            None => {
                created = self.table_or_create(Table::Bills).await?;
                if !self.issued_in(created.clone()).await?.rows.is_empty() {
                    return Ok(false);
                }
                &created
            }
        };
        let application = format!("period:{}", bill.period);
        let closings = transaction_version(delta, &application).await.map_err(failed)?.unwrap_or(0);
        let batch = bill_batch(bill, document).map_err(|error| self.storage_error(doing(), error))?;
        let mut writer = RecordBatchWriter::for_table(delta).map_err(failed)?;
        writer.write(batch).await.map_err(failed)?;
        let actions: Vec<_> = writer.flush().await.map_err(failed)?.into_iter().map(Action::Add).collect();
        match commit(delta, Table::Bills, actions, vec![Transaction::new(&application, closings + 1)], None).await {
            Ok(()) => {}
            Err(error) if lost_a_race(&error) => return Ok(false),
            Err(error) => return Err(failed(error)),
        }
        self.append_lines(&bill.id, document).await?;
        Ok(true)
    }

    /// Completes bills that a crash cut off between their commit and that of their lines.
    pub(super) async fn recover_bills(&self) -> Result<(), IngestError> {
        let issued = self.issued_bills().await?;
        if issued.rows.is_empty() {
            return Ok(());
        }
        let mut complete = BTreeSet::new();
        if let Some(charges) = self.table(Table::Charges).await? {
            for batch in self.select(&charges, "SELECT DISTINCT bill_id FROM t").await? {
                complete.extend((0..batch.num_rows()).filter_map(|row| text_cell(&batch, "bill_id", row)));
            }
        }
        for row in issued.rows.iter().filter(|row| row.line_count > 0 && !complete.contains(&row.id)) {
            tracing::info!(bill = row.id, "completing a bill that was cut off");
            if let Some(document) = self.bill_document(&issued, &row.id).await? {
                self.append_lines(&row.id, &document).await?;
            }
        }
        Ok(())
    }

    async fn append_lines(&self, bill_id: &str, document: &str) -> Result<(), IngestError> {
        let lines = charge_rows(bill_id, document)?;
        if lines.num_rows() == 0 {
            return Ok(());
        }
        let application = format!("bill:{bill_id}");
        self.append_once(Table::Charges, &application, || Ok(std::iter::once(Ok(lines.clone())))).await
    }

    /// Stores the texts of price books (name and text), each once; a text is known by its SHA-256.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn store_price_books<'a>(
        &self,
        books: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), IngestError> {
        let doing = || "written (table `price_books`)".to_owned();
        let failed = |error| self.storage_error(doing(), error);
        let books: Vec<[String; 3]> =
            books.into_iter().map(|(name, text)| [sha256_hex(text), name.to_owned(), text.to_owned()]).collect();
        let mut delta = self.table_or_create(Table::PriceBooks).await?;
        for _ in 0..ATTEMPTS_MAX {
            delta.update_incremental(None).await.map_err(failed)?;
            let mut known: BTreeSet<String> = self.stored_texts(&delta).await?.into_keys().collect();
            let missing: Vec<_> = books.iter().filter(|[hash, ..]| known.insert(hash.clone())).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let column = |index: usize| -> ArrayRef {
                Arc::new(StringArray::from_iter_values(missing.iter().map(|book| &book[index])))
            };
            let batch = RecordBatch::try_new(Table::PriceBooks.schema(), (0..3).map(column).collect())
                .map_err(|error| self.storage_error(doing(), error))?;
            let mut writer = RecordBatchWriter::for_table(&delta).map_err(failed)?;
            writer.write(batch).await.map_err(failed)?;
            let actions: Vec<_> = writer.flush().await.map_err(failed)?.into_iter().map(Action::Add).collect();
            let transactions = missing.iter().map(|[hash, ..]| Transaction::new(format!("book:{hash}"), 1)).collect();
            match commit(&delta, Table::PriceBooks, actions, transactions, None).await {
                Ok(()) => return Ok(()),
                Err(error) if lost_a_race(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(IngestError::Contention { table: Table::PriceBooks.name(), attempts: ATTEMPTS_MAX })
    }

    /// Every stored price-book text, by its SHA-256 in hex.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn price_book_texts(&self) -> Result<BTreeMap<String, String>, IngestError> {
        match self.table(Table::PriceBooks).await? {
            Some(delta) => self.stored_texts(&delta).await,
            None => Ok(BTreeMap::new()),
        }
    }

    async fn stored_texts(&self, delta: &DeltaTable) -> Result<BTreeMap<String, String>, IngestError> {
        let mut texts = BTreeMap::new();
        for batch in self.select(delta, "SELECT sha256, text FROM t").await? {
            for row in 0..batch.num_rows() {
                texts.extend(text_cell(&batch, "sha256", row).zip(text_cell(&batch, "text", row)));
            }
        }
        Ok(texts)
    }
}

/// The lines that a bill's own revision adds, as rows of `charges`, from its document.
///
/// # Errors
/// [`IngestError::Storage`] when the document has another shape.
pub fn charge_rows(bill_id: &str, document: &str) -> Result<RecordBatch, IngestError> {
    let broken = |source: Box<dyn std::error::Error + Send + Sync>| IngestError::Storage {
        doing: format!("read (the document of bill {bill_id})"),
        source,
    };
    let document: Value = serde_json::from_str(document).map_err(|error| broken(error.into()))?;
    let lines = document["charges"].as_array().ok_or_else(|| broken("it has no `charges`".into()))?;
    let own: Vec<_> = lines.iter().filter(|line| line["revision"] == document["revision"]).collect();
    let schema = Table::Charges.schema();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for field in schema.fields() {
        let member = |line: &Value| match field.name().as_str() {
            "bill_id" => Value::from(bill_id),
            "charge_id" => line["id"].clone(),
            name @ ("organisation" | "account" | "region" | "resource") => line["scope"][name].clone(),
            name => line[name].clone(),
        };
        columns.push(match (field.name().as_str(), field.data_type()) {
            ("line", _) => Arc::new(Int64Array::from_iter_values((1..).take(own.len()))),
            (_, DataType::Int64) => Arc::new(own.iter().map(|line| member(line).as_i64()).collect::<Int64Array>()),
            _ => Arc::new(own.iter().map(|line| text(member(line))).collect::<StringArray>()),
        });
    }
    RecordBatch::try_new(schema, columns).map_err(|error| broken(error.into()))
}

/// A member of a line as a cell: what is no text is written as JSON.
fn text(member: Value) -> Option<String> {
    match member {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn bill_batch(bill: &BillRow, document: &str) -> Result<RecordBatch, ArrowError> {
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let count = |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![i64::try_from(value).unwrap_or(i64::MAX)])) };
    RecordBatch::try_new(
        Table::Bills.schema(),
        vec![
            text(&bill.id),
            text(&bill.period),
            Arc::new(StringArray::from(vec![bill.provider.as_deref()])),
            count(bill.revision.into()),
            Arc::new(TimestampMicrosecondArray::from(vec![bill.issued_at_us]).with_timezone("UTC")),
            text(&bill.currency),
            text(&bill.total),
            count(bill.line_count),
            count(bill.record_count),
            text(&bill.lake_versions),
            text(&bill.options),
            text(&bill.price_books),
            text(&bill.program_version),
            text(&bill.document_sha256),
            text(document),
        ],
    )
}

fn bill_row(batch: &RecordBatch, row: usize) -> Option<BillRow> {
    let text = |name: &str| text_cell(batch, name, row);
    let count = |name: &str| integer_cell(batch, name, row).and_then(|value| u64::try_from(value).ok());
    Some(BillRow {
        id: text("id")?,
        period: text("period")?,
        provider: text("provider"),
        revision: u32::try_from(count("revision")?).ok()?,
        issued_at_us: integer_cell(batch, "issued_at", row)?,
        currency: text("currency")?,
        total: text("total")?,
        line_count: count("line_count")?,
        record_count: count("record_count")?,
        lake_versions: text("lake_versions")?,
        options: text("options")?,
        price_books: text("price_books")?,
        program_version: text("program_version")?,
        document_sha256: text("document_sha256")?,
    })
}
