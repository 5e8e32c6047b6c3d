//! `/reconcile`: the bill of the provider against the rating of the logs.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use paygrain_pricing::{Exact, Period};
use paygrain_query::{BillView, Class, Parts, ReconcileBy, ReconcileRequest, ReconcileRow, Reconciliation};

use crate::app::App;
use crate::bill_query::rating;
use crate::csv_text::{CsvText, words};
use crate::error::{AppError, html};
use crate::filters;
use crate::number;
use crate::params::Params;

/// The parameters that [`request`] understands.
pub const PARAMETERS: [&str; 8] =
    ["period", "provider", "account", "view", "sku", "by", "allowances", "account_opened"];

/// What a URL asks.
pub fn request(params: &Params, period: Period) -> Result<ReconcileRequest, AppError> {
    let mut by = Vec::new();
    for name in params.all("by").flat_map(|names| names.split(',')).filter(|name| !name.trim().is_empty()) {
        by.push(name.parse::<ReconcileBy>()?);
    }
    if by.is_empty() {
        by.push(ReconcileBy::Sku);
    }
    Ok(ReconcileRequest {
        provider: params.text("provider"),
        account: params.text("account"),
        view: params.text("view"),
        sku: params.text("sku"),
        by,
        rating: rating(params)?,
        ..ReconcileRequest::new(period)
    })
}

/// The month asked for, or the latest with a bill, or the latest with usage.
async fn period(params: &Params, app: &App) -> Result<Option<Period>, AppError> {
    if let Some(period) = params.period()? {
        return Ok(Some(period));
    }
    match app.engine().billed_periods().await?.first() {
        Some(billed) => Ok(Some(*billed)),
        None => Ok(app.engine().periods().await?.first().copied()),
    }
}

#[derive(Template)]
#[template(path = "reconcile.html")]
struct Page {
    answer: Reconciliation,
    verdict: Vec<String>,
    periods: Vec<Period>,
    request: ReconcileRequest,
    /// How the logs are rated, as parts of the query of a URL.
    rating: String,
}

impl Page {
    fn earlier(&self) -> Option<&Period> {
        self.periods.iter().filter(|period| **period < self.answer.period).max()
    }

    fn later(&self) -> Option<&Period> {
        self.periods.iter().filter(|period| **period > self.answer.period).min()
    }

    fn classes(&self) -> [Class; 7] {
        Class::ALL
    }

    fn part<'a>(&self, parts: &'a Parts, class: &Class) -> &'a Exact {
        parts.of(*class)
    }

    fn by(&self, name: &str) -> bool {
        self.answer.by.contains(&name)
    }

    /// Views that are there and not compared.
    fn others(&self) -> impl Iterator<Item = &BillView> {
        self.answer.views.iter().filter(|view| !view.compared)
    }

    fn compared(&self) -> impl Iterator<Item = &BillView> {
        self.answer.views.iter().filter(|view| view.compared)
    }

    /// The same question, of a month.
    fn query(&self, period: &Period) -> String {
        self.url(*period, self.request.sku.as_deref(), self.request.view.as_deref(), &self.answer.by.join(","))
    }

    fn query_by(&self, by: &str) -> String {
        self.url(self.answer.period, self.request.sku.as_deref(), self.request.view.as_deref(), by)
    }

    /// The days of a SKU.
    fn days_of(&self, name: &str) -> String {
        self.url(self.answer.period, Some(name), self.request.view.as_deref(), "sku,day")
    }

    fn all_skus(&self) -> String {
        self.url(self.answer.period, None, self.request.view.as_deref(), "sku")
    }

    fn with_view(&self, view: &str) -> String {
        self.url(self.answer.period, self.request.sku.as_deref(), Some(view), &self.answer.by.join(","))
    }

    fn url(&self, period: Period, sku: Option<&str>, view: Option<&str>, by: &str) -> String {
        let mut url = format!("period={period}");
        let parts = [
            ("provider", self.request.provider.as_deref()),
            ("account", self.request.account.as_deref()),
            ("view", view),
            ("sku", sku),
        ];
        for (name, value) in parts {
            if let Some(value) = value {
                url += &format!("&{name}={}", filters::encode(value));
            }
        }
        if by != "sku" {
            url += &format!("&by={by}");
        }
        url + &self.rating
    }
}

#[derive(Template)]
#[template(path = "reconcile_empty.html")]
struct Empty {
    /// The month that has usage and no bill.
    period: Option<Period>,
}

/// `GET /reconcile`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let Some(period) = period(&params, &app).await? else { return html(&Empty { period: None }) };
    let request = request(&params, period)?;
    let answer = app.engine().reconcile(&request).await?;
    if !answer.has_bill() {
        return html(&Empty { period: Some(period) });
    }
    let mut rating = String::new();
    for name in ["allowances", "account_opened"] {
        if let Some(value) = params.get(name) {
            rating += &format!("&{name}={}", filters::encode(value));
        }
    }
    // A line must not end between the sign and the amount.
    let verdict =
        answer.verdict(|value, currency| number::money(value, currency).replace('\u{2212}', "\u{2212}\u{2060}"));
    let periods = app.engine().billed_periods().await?;
    html(&Page { answer, verdict, periods, request, rating })
}

/// `GET /reconcile.csv`: the rows, with every digit.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let classes = Class::ALL.map(Class::name);
    let mut text = CsvText::new(COLUMNS.into_iter().chain(classes))?;
    let Some(period) = period(&params, &app).await? else { return text.download("paygrain-reconcile.csv") };
    for row in &app.engine().reconcile(&request(&params, period)?).await?.rows {
        let parts = Class::ALL.map(|class| row.parts.of(class).to_string());
        text.row(cells(row).into_iter().chain(parts))?;
    }
    text.download(&format!("paygrain-reconcile-{period}.csv"))
}

const COLUMNS: [&str; 16] = [
    "provider",
    "service",
    "sku",
    "description",
    "day",
    "rated_quantity",
    "rated_unit",
    "billed_quantity",
    "printed_quantity",
    "printed_unit",
    "record_count",
    "line_count",
    "currency",
    "rated_cost",
    "billed_cost",
    "difference",
];

fn cells(row: &ReconcileRow) -> [String; 16] {
    let quantity = |quantity: &Option<Exact>| quantity.as_ref().map(Exact::to_string).unwrap_or_default();
    let unit = |unit: &Option<String>| unit.as_deref().map(words).unwrap_or_default();
    [
        words(&row.provider),
        words(&row.service),
        words(&row.name),
        words(&row.description),
        row.day.map(|day| day.to_string()).unwrap_or_default(),
        quantity(&row.rated_quantity),
        unit(&row.rated_unit),
        quantity(&row.billed_quantity),
        quantity(&row.printed_quantity),
        unit(&row.printed_unit),
        row.record_count.to_string(),
        row.line_count.to_string(),
        words(&row.currency),
        row.rated_cost.to_string(),
        row.billed_cost.to_string(),
        row.difference.to_string(),
    ]
}
