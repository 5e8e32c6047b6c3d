//! Reconciliation: the bill of the provider against the rating of the logs, by SKU and day, every difference named.
//!
//! `view` says which of the alternative exports of a bill is compared, `lines` reads it, `rated` sums the rating,
//! `cells` brings both together by what the price books say a line charges, and `classes` takes a difference apart. The
//! parts of every row sum to its difference exactly, and the rows to the totals.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use chrono::NaiveDate;
use datafusion::prelude::SessionContext;
use paygrain_pricing::{Exact, Period, RatingOptions};
use serde::Serialize;

use crate::bill::{BillRequest, RatedUsage};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::metering::cell;

mod cells;
mod classes;
mod lines;
mod rated;
mod view;

pub use classes::{Class, Parts};
pub use view::{BillView, PREFERENCE};

/// What to reconcile.
#[derive(Clone, Debug)]
pub struct ReconcileRequest {
    /// The billing month.
    pub period: Period,
    /// Only this provider.
    pub provider: Option<String>,
    /// Only usage and lines of this account.
    pub account: Option<String>,
    /// The view of the bill to compare, instead of the best one: see [`PREFERENCE`].
    pub view: Option<String>,
    /// Only rows of this name.
    pub sku: Option<String>,
    /// What a row is of; nothing stands for the SKU.
    pub by: Vec<ReconcileBy>,
    /// How the logs are rated.
    pub rating: RatingOptions,
}

impl ReconcileRequest {
    /// Everything in a period, by SKU.
    pub fn new(period: Period) -> Self {
        Self {
            period,
            provider: None,
            account: None,
            view: None,
            sku: None,
            by: vec![ReconcileBy::Sku],
            rating: RatingOptions::default(),
        }
    }
}

/// What a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReconcileBy {
    /// A SKU, or what the bill names where no SKU is known for it.
    Sku,
    /// A day of the provider's billing zone.
    Day,
}

impl ReconcileBy {
    /// Its name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Day => "day",
        }
    }
}

impl FromStr for ReconcileBy {
    type Err = QueryError;

    fn from_str(name: &str) -> Result<Self, QueryError> {
        match name.trim() {
            "sku" => Ok(Self::Sku),
            "day" => Ok(Self::Day),
            _ => Err(QueryError::NoSuchDimension { name: name.to_owned(), known: vec!["sku", "day"] }),
        }
    }
}

/// A bill against its rating.
#[derive(Clone, Debug, Serialize)]
pub struct Reconciliation {
    /// The billing month.
    pub period: Period,
    /// What a row is of.
    pub by: Vec<&'static str>,
    /// Every view of the period's bills; those that are not compared say the same once more.
    pub views: Vec<BillView>,
    /// One for each currency: amounts of different currencies are never added.
    pub totals: Vec<ReconcileTotal>,
    /// By SKU the largest difference first, by day in order.
    pub rows: Vec<ReconcileRow>,
    /// Rated or billed, and without the other side to compare it with; in no total.
    pub not_compared: Vec<NotCompared>,
    /// Usage records of the period in the logs.
    pub record_count: u64,
}

/// The sum of the rows of a currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReconcileTotal {
    /// Currency.
    pub currency: String,
    /// By the rating.
    pub rated_cost: Exact,
    /// By the bill.
    pub billed_cost: Exact,
    /// Billed less rated.
    pub difference: Exact,
    /// The difference by class.
    pub parts: Parts,
}

/// A SKU, a day or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReconcileRow {
    /// Provider.
    pub provider: String,
    /// Service of the price book, or as the bill names it where no SKU is known; empty for a day.
    pub service: String,
    /// The SKU, several joined by ` + ` where the bill does not tell them apart; what the bill says where none is known.
    pub name: String,
    /// Whether a SKU is known for it.
    pub is_sku: bool,
    /// In words.
    pub description: String,
    /// The day; nothing by SKU, and for what the bill gives for the month as a whole.
    pub day: Option<NaiveDate>,
    /// Currency of the amounts.
    pub currency: String,
    /// Metered, in `rated_unit`.
    pub rated_quantity: Option<Exact>,
    /// The SKU's unit.
    pub rated_unit: Option<String>,
    /// On the bill, in `rated_unit`; nothing where a line does not say.
    pub billed_quantity: Option<Exact>,
    /// On the bill, as printed; nothing where lines have different units.
    pub printed_quantity: Option<Exact>,
    /// The unit the bill prints.
    pub printed_unit: Option<String>,
    /// By the rating.
    pub rated_cost: Exact,
    /// By the bill.
    pub billed_cost: Exact,
    /// Billed less rated.
    pub difference: Exact,
    /// The difference by class.
    pub parts: Parts,
    /// Hours without a record that ought to have some.
    pub hours_missing: u32,
    /// Usage records.
    pub record_count: u64,
    /// Lines of the bill.
    pub line_count: u64,
}

/// What has nothing to be compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotCompared {
    /// Provider.
    pub provider: String,
    /// Account; empty where it is not stated.
    pub account: String,
    /// Currency of the amounts.
    pub currency: String,
    /// By the rating.
    pub rated_cost: Exact,
    /// By the bill.
    pub billed_cost: Exact,
    /// Why.
    pub reason: String,
}

impl Reconciliation {
    pub(crate) async fn of(engine: &Engine, request: &ReconcileRequest) -> Result<Self, QueryError> {
        let (session, catalogue) = (engine.session().await?, engine.catalogue());
        let views = view::views(&session, catalogue, request).await?;
        let bill = BillRequest {
            provider: request.provider.clone(),
            rating: request.rating.clone(),
            ..BillRequest::new(request.period)
        };
        let usage = RatedUsage::of(&session, catalogue, &engine.agreed(&bill)).await?;
        let account = request.account.as_deref();
        let rated = rated::Rated::of(catalogue, &usage, account);
        let lines = lines::Lines::read(&session, catalogue, request.period, &views, account).await?;
        let compared = cells::compare(catalogue, request.period, rated, lines);
        let mut rows = compared.rows;
        rows.retain(|row| request.sku.as_ref().is_none_or(|name| *name == row.name));
        let by = if request.by.is_empty() { &[ReconcileBy::Sku][..] } else { &request.by };
        Ok(Self {
            period: request.period,
            by: by.iter().map(|by| by.name()).collect(),
            views,
            totals: totals(&rows),
            rows: grouped(rows, by),
            not_compared: compared.not_compared,
            record_count: usage.record_count,
        })
    }

    /// Whether any bill of the period is there.
    pub fn has_bill(&self) -> bool {
        !self.views.is_empty()
    }

    /// The classes that have an amount in some row, and the unexplained remainder in any case.
    pub fn classes(&self) -> Vec<Class> {
        let occurs = |class: Class| self.rows.iter().any(|row| !row.parts.of(class).is_zero());
        Class::ALL.into_iter().filter(|class| *class == Class::Unexplained || occurs(*class)).collect()
    }

    /// What came out, in a sentence for each currency, with amounts written by `money`.
    pub fn verdict(&self, money: impl Fn(&Exact, &str) -> String) -> Vec<String> {
        self.totals.iter().map(|total| total.verdict(&money)).collect()
    }
}

impl ReconcileTotal {
    fn verdict(&self, money: &impl Fn(&Exact, &str) -> String) -> String {
        let size = |amount: &Exact| money(&amount.abs(), &self.currency);
        let mut text = format!("The bill is {}, ", money(&self.billed_cost, &self.currency));
        if self.difference.is_zero() {
            text += "exactly what the logs give";
        } else {
            let side = if self.difference.is_negative() { "less" } else { "more" };
            text += &format!(
                "{} {side} than the logs give ({})",
                size(&self.difference),
                money(&self.rated_cost, &self.currency)
            );
        }
        let explained = Class::ALL.into_iter().filter(|class| *class != Class::Unexplained);
        let mut explained: Vec<(Class, &Exact)> = explained.map(|class| (class, self.parts.of(class))).collect();
        explained.retain(|(_, part)| !part.is_zero());
        if !explained.is_empty() {
            let parts =
                explained.iter().map(|(class, part)| format!("{} {}", class.title(), money(part, &self.currency)));
            text += &format!(": {}", parts.collect::<Vec<_>>().join(", "));
        }
        text += &match self.parts.unexplained.is_zero() {
            true => "; nothing is unexplained.".to_owned(),
            false => format!("; {} is unexplained.", money(&self.parts.unexplained, &self.currency)),
        };
        text
    }
}

/// Months with a line of a bill, latest first.
pub(crate) async fn periods(session: &SessionContext) -> Result<Vec<Period>, QueryError> {
    let mut found = BTreeSet::new();
    let sql = "SELECT DISTINCT CAST(billing_period_start AS BIGINT) FROM billed";
    for batch in session.sql(sql).await?.collect().await? {
        for row in 0..batch.num_rows() {
            let start_us = cell(&batch, 0, row)?.and_then(|text| text.parse::<i64>().ok());
            found.extend(start_us.map(|start_us| Period::containing(start_us.saturating_add(lines::ZONES_AHEAD_US))));
        }
    }
    Ok(found.into_iter().rev().collect())
}

fn totals(rows: &[ReconcileRow]) -> Vec<ReconcileTotal> {
    let mut totals: BTreeMap<&str, ReconcileTotal> = BTreeMap::new();
    for row in rows {
        let total = totals.entry(&row.currency).or_default();
        total.currency.clone_from(&row.currency);
        total.rated_cost += &row.rated_cost;
        total.billed_cost += &row.billed_cost;
        total.difference += &row.difference;
        total.parts.add(&row.parts);
    }
    totals.into_values().collect()
}

/// Rows of SKU and day as rows of what is asked for.
fn grouped(rows: Vec<ReconcileRow>, by: &[ReconcileBy]) -> Vec<ReconcileRow> {
    let (by_sku, by_day) = (by.contains(&ReconcileBy::Sku), by.contains(&ReconcileBy::Day));
    let mut groups: BTreeMap<_, ReconcileRow> = BTreeMap::new();
    for mut row in rows {
        if !by_sku {
            row = ReconcileRow {
                provider: row.provider,
                day: row.day,
                currency: row.currency,
                rated_cost: row.rated_cost,
                billed_cost: row.billed_cost,
                difference: row.difference,
                parts: row.parts,
                record_count: row.record_count,
                line_count: row.line_count,
                ..ReconcileRow::default()
            };
        }
        if !by_day {
            row.day = None;
        }
        let key =
            (row.provider.clone(), row.service.clone(), row.name.clone(), row.is_sku, row.currency.clone(), row.day);
        match groups.get_mut(&key) {
            Some(group) => group.add(row),
            None => drop(groups.insert(key, row)),
        }
    }
    let mut rows: Vec<_> = groups.into_values().collect();
    if !by_day {
        rows.sort_by(|a, b| (b.difference.abs(), &b.billed_cost).cmp(&(a.difference.abs(), &a.billed_cost)));
    }
    rows
}

impl ReconcileRow {
    fn add(&mut self, other: Self) {
        let sum = |own: &Option<Exact>, other: &Option<Exact>| Some(own.as_ref()? + other.as_ref()?);
        self.rated_quantity = sum(&self.rated_quantity, &other.rated_quantity);
        // A side without lines has nothing to say of units.
        self.billed_quantity = sum(&self.billed_quantity, &other.billed_quantity);
        if self.printed_unit == other.printed_unit || other.line_count == 0 {
            self.printed_quantity = match (&self.printed_quantity, &other.printed_quantity) {
                (own, None) if other.line_count == 0 => own.clone(),
                (own, other) => sum(own, other),
            };
        } else if self.line_count == 0 {
            self.printed_quantity = other.printed_quantity;
            self.printed_unit = other.printed_unit;
        } else {
            (self.printed_quantity, self.printed_unit) = (None, None);
        }
        self.rated_cost += &other.rated_cost;
        self.billed_cost += &other.billed_cost;
        self.difference += &other.difference;
        self.parts.add(&other.parts);
        self.hours_missing += other.hours_missing;
        self.record_count += other.record_count;
        self.line_count += other.line_count;
    }
}
