//! Reports: questions about cost and usage that are asked again and again, one file each.
//!
//! A report is a typed request and typed rows. [`REPORTS`] lists them with their parameters; [`Engine::report`] reads the
//! parameters as texts, so that the command line and the API answer the same question with the same document.

use chrono::NaiveDate;
use futures::future::BoxFuture;
use paygrain_pricing::Period;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::engine::Engine;
use crate::error::QueryError;

mod allowance;
mod anomalies;
mod cold_starts;
mod concurrency;
mod cost;
mod costs;
mod durations;
mod errors;
mod exploration;
mod forecast;
mod movers;
pub(crate) mod parameters;
mod progress;
mod records_of;
mod resources;
mod right_sizing;
pub(crate) mod source;
pub(crate) mod statistics;
#[cfg(test)]
mod testing;
mod top_resources;
mod unit_economics;
mod what_if;

pub use costs::{Cost, CurrencyPart};
pub use exploration::{Band, Exploration, ExploreRequest, Explored, ExploredCharge, ExploredGroup, Step};
use parameters::Given;
pub use parameters::{Days, Parameter};
pub use records_of::RecordsOf;
pub use resources::{
    CostOfDay, Executed, ResourceDetail, ResourceFigures, ResourceList, Resources, SizeAdvice, WeekHour,
};
pub use source::Resource;

/// What a report is, before it is asked.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ReportInfo {
    /// Its name in commands and addresses: `top-resources`.
    pub name: &'static str,
    /// What it answers, in a line.
    pub meaning: &'static str,
    /// How its numbers are made, in a few sentences.
    pub method: &'static str,
    /// Whether it tells more than what was recorded and rated.
    pub estimate: bool,
    /// The parameters it takes.
    pub parameters: &'static [Parameter],
    #[serde(skip)]
    run: for<'a> fn(&'a Engine, Given<'a>) -> BoxFuture<'a, Result<Body, QueryError>>,
}

/// Every report, in the order they are listed.
pub const REPORTS: [ReportInfo; 12] = [
    cost::INFO,
    top_resources::INFO,
    movers::INFO,
    unit_economics::INFO,
    durations::INFO,
    cold_starts::INFO,
    right_sizing::INFO,
    concurrency::INFO,
    errors::INFO,
    allowance::INFO,
    forecast::INFO,
    anomalies::INFO,
];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnKind {
    /// A text, a day or a time.
    Text,
    /// A whole number.
    Count,
    /// Money in the report's currency, exact.
    Amount,
    /// A quantity, exact.
    Quantity,
    /// A part of a whole, 1 being all of it, exact.
    Share,
}

/// A column of a report's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReportColumn {
    /// Its key in the rows.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// What it means, with its unit where the name does not say it.
    pub meaning: &'static str,
}

/// The answer of a report.
///
/// Amounts, quantities and shares are decimal texts: exact, or with 34 fractional digits where no finite decimal exists.
/// What is not known is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportAnswer {
    /// The report's name.
    pub report: &'static str,
    /// The billing month, where one was asked for or taken.
    pub period: Option<Period>,
    /// First day; null when the lake has no usage.
    pub from: Option<NaiveDate>,
    /// Last day; null when the lake has no usage.
    pub to: Option<NaiveDate>,
    /// Currency of every amount; null where the report has none.
    pub currency: Option<String>,
    /// Whether it tells more than what was recorded and rated.
    pub estimate: bool,
    /// How its numbers are made.
    pub method: &'static str,
    /// The columns of the rows, in order.
    pub columns: Vec<ReportColumn>,
    /// The rows; every row has every column.
    pub rows: Vec<Map<String, Value>>,
    /// Figures of the whole, before `limit` cuts the rows: what they are depends on the report.
    pub summary: Map<String, Value>,
}

/// What a report found.
pub(crate) struct Body {
    days: Option<Days>,
    currency: Option<String>,
    columns: Vec<ReportColumn>,
    rows: Vec<Map<String, Value>>,
    summary: Map<String, Value>,
}

impl Body {
    /// Nothing was found.
    fn without_rows(days: Option<Days>, columns: Vec<ReportColumn>) -> Self {
        Self { days, currency: None, columns, rows: Vec::new(), summary: Map::new() }
    }

    /// Typed rows as an answer.
    fn new(days: Days, columns: Vec<ReportColumn>, rows: &[impl Serialize]) -> Self {
        Self { rows: rows.iter().map(object).collect(), ..Self::without_rows(Some(days), columns) }
    }

    /// With amounts in this currency.
    fn in_currency(self, currency: Option<String>) -> Self {
        Self { currency, ..self }
    }

    /// With figures of the whole.
    fn with_summary(self, summary: &impl Serialize) -> Self {
        Self { summary: object(summary), ..self }
    }
}

/// A row or a summary as an object: those are plain structs, which always have one.
fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// A column.
const fn column(name: &'static str, kind: ColumnKind, meaning: &'static str) -> ReportColumn {
    ReportColumn { name, kind, meaning }
}

/// The rows up to a limit.
fn limited<R>(mut rows: Vec<R>, limit: Option<usize>) -> Vec<R> {
    rows.truncate(limit.unwrap_or(usize::MAX));
    rows
}

/// Answers a report by its name.
pub(crate) async fn answer(
    engine: &Engine,
    name: &str,
    given: &[(String, String)],
) -> Result<ReportAnswer, QueryError> {
    let known = || REPORTS.iter().map(|info| info.name).collect();
    let info = REPORTS.iter().find(|info| info.name == name.trim()).ok_or_else(|| QueryError::NoSuchChoice {
        what: "report",
        name: name.to_owned(),
        known: known(),
    })?;
    let given = Given::new("parameter of the report", given, info.parameters)?;
    let body = (info.run)(engine, given).await?;
    Ok(ReportAnswer {
        report: info.name,
        period: body.days.and_then(|days| days.period),
        from: body.days.map(|days| days.from),
        to: body.days.map(|days| days.to),
        currency: body.currency,
        estimate: info.estimate,
        method: info.method,
        columns: body.columns,
        rows: body.rows,
        summary: body.summary,
    })
}
