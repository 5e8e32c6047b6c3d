//! The document of an issued bill: JSON in which every number is exact text.

use chrono::NaiveDate;
use paygrain_ingest::lake::{BillRow, sha256_hex};
use paygrain_pricing::{
    Agreement, AllowanceShare, Allowances, Charge, CommitmentShare, DiscountShare, Exact, RatingOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::line::{BillLine, CORRECTION, net};
use crate::bill::UnpricedUsage;
use crate::error::QueryError;
use crate::session::LakeVersions;

/// A price book that a bill was rated with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookUsed {
    /// Name: `aws/lambda`.
    pub name: String,
    /// Version of its data.
    pub version: String,
    /// SHA-256 of its text, in hex: its key in the table `price_books`.
    pub sha256: String,
}

/// How a bill was rated, in a form that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredOptions {
    /// `true`: all; `false`: none; a list: those.
    allowances: StoredAllowances,
    #[serde(default, skip_serializing_if = "is_zero")]
    used_allowance_percent: u32,
    account_opened: Option<NaiveDate>,
    agreement: Agreement,
}

/// What documents do not say.
fn is_zero(percent: &u32) -> bool {
    *percent == 0
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum StoredAllowances {
    All(bool),
    Only(std::collections::BTreeSet<String>),
}

impl Default for StoredAllowances {
    fn default() -> Self {
        Self::All(true)
    }
}

impl From<&RatingOptions> for StoredOptions {
    fn from(options: &RatingOptions) -> Self {
        // Every field by name: one that is not stored would change a bill silently.
        let RatingOptions { allowances, used_allowance_percent, account_opened, agreement } = options.clone();
        let allowances = match allowances {
            Allowances::All => StoredAllowances::All(true),
            Allowances::None => StoredAllowances::All(false),
            Allowances::Only(ids) => StoredAllowances::Only(ids),
        };
        Self { allowances, used_allowance_percent, account_opened, agreement }
    }
}

impl From<StoredOptions> for RatingOptions {
    fn from(stored: StoredOptions) -> Self {
        let StoredOptions { allowances, used_allowance_percent, account_opened, agreement } = stored;
        let allowances = match allowances {
            StoredAllowances::All(true) => Allowances::All,
            StoredAllowances::All(false) => Allowances::None,
            StoredAllowances::Only(ids) => Allowances::Only(ids),
        };
        Self { allowances, used_allowance_percent, account_opened, agreement }
    }
}

/// The document, member by member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Document {
    pub id: String,
    pub period: String,
    pub provider: Option<String>,
    pub revision: u32,
    pub issued_at: String,
    pub currency: String,
    pub total: String,
    pub rounded_total: String,
    pub sum_of_rounded_charges: String,
    pub list_total: String,
    pub record_count: u64,
    pub program_version: String,
    pub lake_versions: Value,
    pub options: Value,
    /// Those behind the charges; the row of `bills` has all that were in force.
    pub price_books: Vec<BookUsed>,
    pub charges: Vec<Value>,
    pub unpriced: Vec<UnpricedUsage>,
}

/// What a revision is made of: its facts and all lines up to it.
pub(super) struct Revision<'a> {
    /// Everything but total, currency, line count and hash, which follow from the rest.
    pub row: BillRow,
    pub lines: &'a [BillLine],
    pub books: &'a [BookUsed],
    pub unpriced: &'a [UnpricedUsage],
    /// The currency where no charge says one.
    pub currency: String,
}

impl Revision<'_> {
    /// The complete row and the text of the document.
    pub fn written(self) -> Result<(BillRow, String), QueryError> {
        let Self { mut row, lines, books, unpriced, currency } = self;
        let charges = net(lines);
        let sum = |cost: fn(&Charge) -> &Exact| charges.iter().map(cost).sum::<Exact>();
        let total = sum(|charge| &charge.billed_cost);
        let rounded: Exact = charges.iter().map(|charge| charge.billed_cost.rounded_half_up(2)).sum();
        row.currency = currency;
        row.total = total.to_exact_text();
        row.line_count = lines.iter().filter(|line| line.revision == row.revision).count() as u64;
        let is_used = |book: &&BookUsed| charges.iter().any(|charge| charge.price_book == book.name);
        let mut document = Document {
            id: row.id.clone(),
            period: row.period.clone(),
            provider: row.provider.clone(),
            revision: row.revision,
            issued_at: time_text(row.issued_at_us),
            currency: row.currency.clone(),
            total: row.total.clone(),
            rounded_total: total.round_half_up(2),
            sum_of_rounded_charges: rounded.round_half_up(2),
            list_total: sum(|charge| &charge.list_cost).to_exact_text(),
            record_count: row.record_count,
            program_version: row.program_version.clone(),
            lake_versions: read_json(&row.id, &row.lake_versions)?,
            options: read_json(&row.id, &row.options)?,
            price_books: books.iter().filter(is_used).cloned().collect(),
            charges: lines.iter().map(line_json).collect::<Result<_, _>>().map_err(|error| damaged(&row.id, error))?,
            unpriced: unpriced.to_vec(),
        };
        // One order of members, however the JSON library is built.
        for value in document.charges.iter_mut().chain([&mut document.lake_versions, &mut document.options]) {
            value.sort_all_objects();
        }
        let mut text = serde_json::to_string_pretty(&document).map_err(|error| damaged(&row.id, error))?;
        text.push('\n');
        row.document_sha256 = sha256_hex(&text);
        Ok((row, text))
    }
}

/// `2026-11-03T09:12:44.123456Z`
pub(super) fn time_text(us: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(us).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// JSON that a bill was stored with.
pub(super) fn read_json<'a, T: Deserialize<'a>>(bill: &str, text: &'a str) -> Result<T, QueryError> {
    serde_json::from_str(text).map_err(|error| damaged(bill, error))
}

/// JSON for a bill to be stored with.
pub(super) fn write_json(bill: &str, value: &impl Serialize) -> Result<String, QueryError> {
    serde_json::to_string(value).map_err(|error| damaged(bill, error))
}

pub(super) fn damaged(bill: &str, problem: impl ToString) -> QueryError {
    QueryError::DamagedBill { id: bill.to_owned(), problem: problem.to_string() }
}

/// The versions of the lake that a bill was rated on.
pub(super) fn lake_versions(row: &BillRow) -> Result<LakeVersions, QueryError> {
    read_json(&row.id, &row.lake_versions)
}

/// A line as JSON: the members of a charge, with every number as exact text.
pub(super) fn line_json(line: &BillLine) -> Result<Value, serde_json::Error> {
    let charge = &line.charge;
    let mut members = Map::new();
    members.insert("revision".into(), line.revision.into());
    members.insert("charge_class".into(), line.charge_class.into());
    if let Value::Object(fields) = serde_json::to_value(charge)? {
        members.extend(fields);
    }
    members.insert("record_count".into(), line.record_count.into());
    for (name, value) in [
        ("consumed_quantity", &charge.consumed_quantity),
        ("free_quantity", &charge.free_quantity),
        ("pricing_quantity", &charge.pricing_quantity),
        ("tier_from", &charge.tier_from),
        ("unit_price", &charge.unit_price),
        ("contracted_unit_price", &charge.contracted_unit_price),
        ("list_cost", &charge.list_cost),
        ("contracted_cost", &charge.contracted_cost),
        ("billed_cost", &charge.billed_cost),
        ("effective_cost", &charge.effective_cost),
        ("adjustment", &charge.adjustment),
        ("exchange_rate", &charge.exchange_rate),
    ] {
        members.insert(name.into(), value.to_exact_text().into());
    }
    members.insert("tier_to".into(), charge.tier_to.as_ref().map(Exact::to_exact_text).into());
    for (index, share) in charge.allowances.iter().enumerate() {
        members["allowances"][index]["quantity"] = share.quantity.to_exact_text().into();
        members["allowances"][index]["credit"] = share.credit.to_exact_text().into();
    }
    for (index, share) in charge.discounts.iter().enumerate() {
        members["discounts"][index]["percent"] = share.percent.to_exact_text().into();
    }
    if let Some(share) = &charge.commitment {
        members["commitment"]["quantity"] = share.quantity.to_exact_text().into();
    }
    Ok(Value::Object(members))
}

/// A line from its JSON; nothing where a member is missing or is not what it should be.
pub(super) fn line_from_json(line: &Value) -> Option<BillLine> {
    let record_count = line["record_count"].as_i64()?;
    let charge_class = one_of(&line["charge_class"], &[CORRECTION]);
    if charge_class.is_none() && !line["charge_class"].is_null() {
        return None;
    }
    let owned = |name: &str| text(&line[name]);
    let number = |name: &str| exact(&line[name]);
    let optional = |name: &str| if line[name].is_null() { Some(None) } else { exact(&line[name]).map(Some) };
    let shares = |name: &str| line[name].as_array().map(Vec::as_slice);
    let charge = Charge {
        id: owned("id")?,
        period: owned("period")?.parse().ok()?,
        provider: owned("provider")?,
        service: owned("service")?,
        sku: owned("sku")?,
        description: owned("description")?,
        scope: serde_json::from_value(line["scope"].clone()).ok()?,
        charge_category: one_of(&line["charge_category"], &["Usage", "Purchase", "Tax", "Credit", "Adjustment"])?,
        charge_frequency: one_of(&line["charge_frequency"], &["Usage-Based", "Recurring", "One-Time"])?,
        consumed_quantity: number("consumed_quantity")?,
        consumed_unit: owned("consumed_unit")?,
        free_quantity: number("free_quantity")?,
        pricing_quantity: number("pricing_quantity")?,
        pricing_unit: owned("pricing_unit")?,
        tier: u32::try_from(line["tier"].as_u64()?).ok()?,
        tier_from: number("tier_from")?,
        tier_to: optional("tier_to")?,
        unit_price: number("unit_price")?,
        published_price: owned("published_price")?,
        published_per: owned("published_per")?,
        contracted_unit_price: number("contracted_unit_price")?,
        list_cost: number("list_cost")?,
        contracted_cost: number("contracted_cost")?,
        billed_cost: number("billed_cost")?,
        effective_cost: number("effective_cost")?,
        adjustment: number("adjustment")?,
        currency: owned("currency")?,
        pricing_currency: owned("pricing_currency")?,
        exchange_rate: number("exchange_rate")?,
        discounts: shares("discounts")?
            .iter()
            .map(|share| Some(DiscountShare { id: text(&share["id"])?, percent: exact(&share["percent"])? }))
            .collect::<Option<_>>()?,
        commitment: match &line["commitment"] {
            Value::Null => None,
            share => Some(commitment(share)?),
        },
        allowances: shares("allowances")?
            .iter()
            .map(|share| {
                let (quantity, credit) = (exact(&share["quantity"])?, exact(&share["credit"])?);
                Some(AllowanceShare { id: text(&share["id"])?, quantity, credit })
            })
            .collect::<Option<_>>()?,
        record_count: record_count.unsigned_abs(),
        meter: owned("meter")?,
        filter: owned("filter")?,
        price_book: owned("price_book")?,
        price_book_version: owned("price_book_version")?,
        price_from: serde_json::from_value(line["price_from"].clone()).ok()?,
        source: owned("source")?,
        source_address: owned("source_address")?,
        mark: owned("mark")?,
    };
    Some(BillLine { revision: u32::try_from(line["revision"].as_u64()?).ok()?, charge_class, record_count, charge })
}

fn commitment(share: &Value) -> Option<CommitmentShare> {
    Some(CommitmentShare {
        id: text(&share["id"])?,
        plan: text(&share["plan"])?,
        category: one_of(&share["category"], &["Spend", "Usage"])?,
        status: match &share["status"] {
            Value::Null => None,
            status => Some(one_of(status, &["Used", "Unused"])?),
        },
        quantity: exact(&share["quantity"])?,
        unit: text(&share["unit"])?,
    })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn exact(value: &Value) -> Option<Exact> {
    Exact::from_exact_text(value.as_str()?).ok()
}

/// One of the words that FOCUS allows.
fn one_of(value: &Value, words: &[&'static str]) -> Option<&'static str> {
    words.iter().find(|word| value.as_str() == Some(word)).copied()
}
