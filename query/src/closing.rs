//! Closing a period: its bill is issued once and never changes; a later rating that differs adds corrections.
//!
//! The document in the table `bills` is the truth, the table `charges` its lines as rows. A bill records what it was
//! rated from (versions of the usage tables, price books, options), so that [`Engine::verify`] can do it again.

mod document;
mod line;
#[cfg(test)]
mod tests;
mod verify;

use chrono::NaiveDate;
use datafusion::prelude::SessionContext;
use paygrain_ingest::lake::{BillRow, IssuedBills, sha256_hex};
use paygrain_pricing::{Agreement, Allowances, Charge, Exact, Period, RatingOptions};
use serde::Serialize;

use self::document::{Document, Revision, StoredOptions, damaged, line_from_json, read_json, time_text, write_json};
use self::line::difference;
use crate::bill::{Attribution, BillRequest, RatedUsage, UnpricedUsage};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::session::session_and_versions;

pub use self::document::BookUsed;
pub use self::line::{BillLine, CORRECTION};
pub use self::verify::{Mismatch, Verification};
pub(crate) use self::verify::{first_revision, verify};

/// How often a closing is worked out anew because another one of the period came first.
const ATTEMPTS_MAX: u32 = 20;

/// What to close, and how to rate it. An option that is absent is the engine's, or else stays as it was in the revision
/// before; in the first revision every allowance is given, the account's age is unknown, and there is no agreement.
#[derive(Clone, Debug)]
pub struct CloseRequest {
    /// The billing month.
    pub period: Period,
    /// Only this provider; absent: all together.
    pub provider: Option<String>,
    /// Which allowances apply.
    pub allowances: Option<Allowances>,
    /// Day the account was opened.
    pub account_opened: Option<NaiveDate>,
    /// What the account has agreed beyond the price list.
    pub agreement: Option<Agreement>,
    /// Work it out and store nothing.
    pub dry_run: bool,
}

impl CloseRequest {
    /// A period of all providers, rated as before.
    pub fn new(period: Period) -> Self {
        Self { period, provider: None, allowances: None, account_opened: None, agreement: None, dry_run: false }
    }

    fn rating(&self, engine: &Engine, before: RatingOptions) -> RatingOptions {
        let of_account = Some(engine.agreement()).filter(|agreement| **agreement != Agreement::default());
        RatingOptions {
            allowances: self.allowances.clone().unwrap_or(before.allowances),
            used_allowance_percent: before.used_allowance_percent,
            account_opened: self.account_opened.or(before.account_opened),
            agreement: self.agreement.as_ref().or(of_account).cloned().unwrap_or(before.agreement),
        }
    }
}

/// What became of a closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A revision was issued.
    Issued,
    /// It would be, but for `dry_run`.
    WouldIssue,
    /// The latest revision is what a rating gives today.
    NothingToCorrect,
}

/// The answer to a [`CloseRequest`].
#[derive(Clone, Debug, Serialize)]
pub struct Closing {
    /// What became of it.
    pub outcome: Outcome,
    /// The bill issued, the one that would be, or the latest.
    pub bill: BillSummary,
    /// The total of the revision before, exact; nothing before the first.
    pub previous_total: Option<Exact>,
    /// The lines that it adds or would add.
    pub lines: Vec<ClosingLine>,
    /// Usage without a price, on no line.
    pub unpriced: Vec<UnpricedUsage>,
}

/// A line of a [`Closing`], in short; the stored bill has it in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClosingLine {
    /// The charge's id.
    pub id: String,
    /// [`CORRECTION`] or nothing.
    pub charge_class: Option<&'static str>,
    /// Signed quantity in `consumed_unit`.
    pub consumed_quantity: Exact,
    /// Its unit.
    pub consumed_unit: String,
    /// Price of one unit.
    pub unit_price: Exact,
    /// Signed cost before allowances.
    pub list_cost: Exact,
    /// Signed cost.
    pub billed_cost: Exact,
    /// ISO 4217 code of the amounts.
    pub currency: String,
}

impl From<&BillLine> for ClosingLine {
    fn from(line: &BillLine) -> Self {
        let charge = &line.charge;
        Self {
            id: charge.id.clone(),
            charge_class: line.charge_class,
            consumed_quantity: charge.consumed_quantity.clone(),
            consumed_unit: charge.consumed_unit.clone(),
            unit_price: charge.unit_price.clone(),
            list_cost: charge.list_cost.clone(),
            billed_cost: charge.billed_cost.clone(),
            currency: charge.currency.clone(),
        }
    }
}

/// An issued bill in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BillSummary {
    /// Period, provider and revision: `2026-10-r1`, `2026-10-aws-r1`.
    pub id: String,
    /// The billing month.
    pub period: Period,
    /// The one provider it is for; absent: all.
    pub provider: Option<String>,
    /// From 1.
    pub revision: u32,
    /// When, RFC 3339 UTC.
    pub issued_at: String,
    /// ISO 4217 code of the total.
    pub currency: String,
    /// The sum of all lines up to this revision.
    pub total: Exact,
    /// Lines that this revision adds.
    pub line_count: u64,
    /// Usage records of the period when it was issued.
    pub record_count: u64,
    /// SHA-256 of the document, in hex.
    pub document_sha256: String,
}

impl BillSummary {
    fn of(row: &BillRow) -> Result<Self, QueryError> {
        Ok(Self {
            id: row.id.clone(),
            period: row.period.parse().map_err(|error| damaged(&row.id, error))?,
            provider: row.provider.clone(),
            revision: row.revision,
            issued_at: time_text(row.issued_at_us),
            currency: row.currency.clone(),
            total: Exact::from_exact_text(&row.total).map_err(|error| damaged(&row.id, error))?,
            line_count: row.line_count,
            record_count: row.record_count,
            document_sha256: row.document_sha256.clone(),
        })
    }
}

/// An issued bill.
#[derive(Clone, Debug)]
pub struct StoredBill {
    /// The bill in short.
    pub summary: BillSummary,
    /// The document, byte for byte as it was issued.
    pub document: String,
    /// Every line up to this revision, in the order of their revisions. They sum to the bill.
    pub lines: Vec<BillLine>,
    /// Price books behind the charges.
    pub price_books: Vec<BookUsed>,
    /// Usage without a price when it was issued.
    pub unpriced: Vec<UnpricedUsage>,
}

impl StoredBill {
    /// The charges as of this revision: the lines of each summed, those of nothing left out.
    pub fn charges(&self) -> Vec<Charge> {
        line::net(&self.lines)
    }
}

/// How a closed period compares with a rating of today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClosedState {
    /// The latest bill.
    pub bill: BillSummary,
    /// What a rating gives today, with the options of the bill.
    pub current_total: Exact,
    /// `current_total` less the bill's total; nothing where the currency has changed.
    pub difference: Option<Exact>,
    /// Lines that `close` would add.
    pub pending_corrections: u64,
}

/// The rows of one bill, by revision.
fn rows_of<'a>(issued: &'a IssuedBills, period: Period, provider: Option<&str>) -> Vec<&'a BillRow> {
    let period = period.to_string();
    let is_same = |row: &&BillRow| row.period == period && row.provider.as_deref() == provider;
    let mut rows: Vec<_> = issued.rows.iter().filter(is_same).collect();
    rows.sort_by_key(|row| row.revision);
    rows
}

/// A bill as people call it.
fn title(period: Period, provider: Option<&str>) -> String {
    provider.map_or_else(|| period.to_string(), |provider| format!("{period} of {provider}"))
}

/// `2026-10-r1`, `2026-10-aws-r1`: nothing that a URL would have to escape.
fn bill_id(period: Period, provider: Option<&str>, revision: u32) -> String {
    let mut id = format!("{period}-");
    for byte in provider.unwrap_or_default().bytes() {
        match byte {
            b'.' | b'_' | b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => id.push(char::from(byte)),
            _ => id += &format!("~{byte:02X}"),
        }
    }
    if provider.is_some() {
        id.push('-');
    }
    id + &format!("r{revision}")
}

/// Every issued bill, by period, provider and revision.
pub(crate) async fn bills(engine: &Engine) -> Result<Vec<BillSummary>, QueryError> {
    engine.lake().issued_bills().await?.rows.iter().map(BillSummary::of).collect()
}

/// An issued bill by its id.
pub(crate) async fn stored_bill(engine: &Engine, id: &str) -> Result<StoredBill, QueryError> {
    let issued = engine.lake().issued_bills().await?;
    let row = issued.rows.iter().find(|row| row.id == id);
    read(engine, &issued, row.ok_or_else(|| QueryError::NoSuchBill { id: id.to_owned() })?).await
}

/// An issued bill by its revision.
pub(crate) async fn revision(
    engine: &Engine,
    period: Period,
    provider: Option<&str>,
    revision: Option<u32>,
) -> Result<StoredBill, QueryError> {
    let issued = engine.lake().issued_bills().await?;
    read(engine, &issued, find(&issued, period, provider, revision)?).await
}

fn find<'a>(
    issued: &'a IssuedBills,
    period: Period,
    provider: Option<&str>,
    revision: Option<u32>,
) -> Result<&'a BillRow, QueryError> {
    let rows = rows_of(issued, period, provider);
    let bill = || title(period, provider);
    let latest = rows.last().ok_or_else(|| QueryError::NotClosed { bill: bill() })?;
    let revision = revision.unwrap_or(latest.revision);
    let no_such = || QueryError::NoSuchRevision { bill: bill(), revision, latest: latest.revision };
    rows.iter().find(|row| row.revision == revision).copied().ok_or_else(no_such)
}

/// The document of a bill, as it is stored.
async fn document_text(engine: &Engine, issued: &IssuedBills, row: &BillRow) -> Result<String, QueryError> {
    let text = engine.lake().bill_document(issued, &row.id).await?;
    text.ok_or_else(|| damaged(&row.id, "its document is missing"))
}

/// Reads a bill and makes sure that it is the one that was issued.
async fn read(engine: &Engine, issued: &IssuedBills, row: &BillRow) -> Result<StoredBill, QueryError> {
    let document = document_text(engine, issued, row).await?;
    let hash = sha256_hex(&document);
    if hash != row.document_sha256 {
        let problem = format!("the SHA-256 of its document is {hash}, it was issued as {}", row.document_sha256);
        return Err(damaged(&row.id, problem));
    }
    let parsed: Document = read_json(&row.id, &document)?;
    Ok(StoredBill {
        summary: BillSummary::of(row)?,
        lines: lines(&row.id, &parsed)?,
        document,
        price_books: parsed.price_books,
        unpriced: parsed.unpriced,
    })
}

fn lines(bill: &str, document: &Document) -> Result<Vec<BillLine>, QueryError> {
    let line =
        |(index, line)| line_from_json(line).ok_or_else(|| damaged(bill, format!("line {} cannot be read", index + 1)));
    document.charges.iter().enumerate().map(line).collect()
}

/// The latest revision of a bill, read, with the options it was rated by.
async fn latest(
    engine: &Engine,
    issued: &IssuedBills,
    period: Period,
    provider: Option<&str>,
) -> Result<Option<(StoredBill, RatingOptions)>, QueryError> {
    let Some(row) = rows_of(issued, period, provider).last().copied() else { return Ok(None) };
    let options: StoredOptions = read_json(&row.id, &row.options)?;
    Ok(Some((read(engine, issued, row).await?, options.into())))
}

fn bill_request(period: Period, provider: Option<String>, rating: RatingOptions) -> BillRequest {
    BillRequest { period, provider, by: Vec::new(), rating, attribution: Attribution::Time }
}

/// Closes a period.
pub(crate) async fn close(engine: &Engine, request: &CloseRequest) -> Result<Closing, QueryError> {
    let lake = engine.lake();
    let provider = request.provider.as_deref();
    if !request.dry_run {
        lake.recover().await?;
    }
    for _ in 0..ATTEMPTS_MAX {
        // What is stored is read first: whoever closes the period after this point makes the commit below fail.
        let issued = lake.issued_bills().await?;
        refuse_other_closing(&issued, request)?;
        let before = latest(engine, &issued, request.period, provider).await?;
        let (stored, options) =
            before.map_or((None, RatingOptions::default()), |(bill, options)| (Some(bill), options));
        let rating = request.rating(engine, options);
        let (session, versions) = session_and_versions(lake, Some(engine.kept())).await?;
        let rated = bill_request(request.period, request.provider.clone(), rating);
        let usage = RatedUsage::of(&session, engine.catalogue(), &rated).await?;
        if usage.record_count == 0 && usage.rated.charges.is_empty() && stored.is_none() {
            return Err(QueryError::NothingToClose { period: title(request.period, provider) });
        }
        let revision = stored.as_ref().map_or(1, |bill| bill.summary.revision + 1);
        let mut lines = stored.as_ref().map_or_else(Vec::new, |bill| bill.lines.clone());
        let new = difference(&lines, &usage.rated.charges, revision);
        let answer = |outcome, bill| Closing {
            outcome,
            bill,
            previous_total: stored.as_ref().map(|bill| bill.summary.total.clone()),
            lines: new.iter().map(ClosingLine::from).collect(),
            unpriced: usage.unpriced.clone(),
        };
        if let (Some(bill), true) = (&stored, new.is_empty()) {
            return Ok(answer(Outcome::NothingToCorrect, bill.summary.clone()));
        }
        lines.extend(new.iter().cloned());
        let id = bill_id(request.period, provider, revision);
        let books = books_in_force(engine);
        let row = BillRow {
            period: request.period.to_string(),
            provider: request.provider.clone(),
            revision,
            issued_at_us: chrono::Utc::now().timestamp_micros(),
            currency: String::new(),
            total: String::new(),
            line_count: 0,
            record_count: usage.record_count,
            lake_versions: write_json(&id, &versions)?,
            options: write_json(&id, &StoredOptions::from(&rated.rating))?,
            price_books: write_json(&id, &books)?,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            document_sha256: String::new(),
            id,
        };
        let unpriced = &usage.unpriced;
        let (row, document) =
            Revision { row, lines: &lines, books: &books, unpriced, currency: usage.currency()? }.written()?;
        if request.dry_run {
            return Ok(answer(Outcome::WouldIssue, BillSummary::of(&row)?));
        }
        lake.store_price_books(engine.catalogue().texts().map(|(book, text)| (book.name.as_str(), text))).await?;
        if lake.issue_bill(&issued, &row, &document).await? {
            return Ok(answer(Outcome::Issued, BillSummary::of(&row)?));
        }
    }
    Err(QueryError::ClosedMeanwhile { period: request.period.to_string(), attempts: ATTEMPTS_MAX })
}

/// A period is closed for all providers together or for each alone: otherwise a charge would be on two bills.
fn refuse_other_closing(issued: &IssuedBills, request: &CloseRequest) -> Result<(), QueryError> {
    let period = request.period.to_string();
    let name = |provider: Option<&str>| provider.unwrap_or("all providers together").to_owned();
    let is_other = |row: &&BillRow| row.period == period && row.provider.is_some() != request.provider.is_some();
    match issued.rows.iter().find(is_other) {
        None => Ok(()),
        Some(row) => {
            let (closed, asked) = (name(row.provider.as_deref()), name(request.provider.as_deref()));
            Err(QueryError::ClosedOtherwise { period, closed, asked })
        }
    }
}

fn books_in_force(engine: &Engine) -> Vec<BookUsed> {
    let books = engine.catalogue().texts();
    books
        .map(|(book, text)| BookUsed {
            name: book.name.clone(),
            version: book.version.clone(),
            sha256: sha256_hex(text),
        })
        .collect()
}

/// The issued bills that cover a request, each against a rating of today.
pub(crate) async fn closed_states(
    engine: &Engine,
    session: &SessionContext,
    request: &BillRequest,
    usage: &RatedUsage,
) -> Result<Vec<ClosedState>, QueryError> {
    let issued = engine.lake().issued_bills().await?;
    let period = request.period.to_string();
    let is_covered = |provider: Option<&str>| {
        request.provider.is_none() || provider.is_none() || provider == request.provider.as_deref()
    };
    let rows = issued.rows.iter().filter(|row| row.period == period && is_covered(row.provider.as_deref()));
    let providers: std::collections::BTreeSet<Option<String>> = rows.map(|row| row.provider.clone()).collect();
    let mut states = Vec::new();
    for provider in providers {
        let Some((stored, options)) = latest(engine, &issued, request.period, provider.as_deref()).await? else {
            continue;
        };
        let again;
        let current = match provider == request.provider && options == request.rating {
            true => usage,
            false => {
                let request = bill_request(request.period, provider, options);
                again = RatedUsage::of(session, engine.catalogue(), &request).await?;
                &again
            }
        };
        let charges = &current.rated.charges;
        let current_total: Exact = charges.iter().map(|charge| &charge.billed_cost).sum();
        let same_currency = current.currency().is_ok_and(|currency| currency == stored.summary.currency);
        states.push(ClosedState {
            difference: same_currency.then(|| &current_total - &stored.summary.total),
            current_total,
            pending_corrections: difference(&stored.lines, charges, stored.summary.revision + 1).len() as u64,
            bill: stored.summary,
        });
    }
    Ok(states)
}
