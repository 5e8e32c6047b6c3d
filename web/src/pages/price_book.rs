//! `/price-books/{provider}/{service}`: one book: its SKUs with rules, prices and sources, and what changed between days.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use paygrain_pricing::PriceBook;
use serde_json::{Value, json};

use super::{Window, rows_of};
use crate::app::App;
use crate::csv_text::{CsvText, words};
use crate::error::{AppError, html};
use crate::filters;
use crate::params::Params;
use crate::price_books::{
    AllowanceView, BookQuery, BookSummary, Change, CommitmentView, PriceRow, SkuView, changes, days_of_change, find,
};

/// Rows of a SKU that are shown among others; a page of its own has all of them.
const ROWS_MAX: usize = 24;

/// What is asked of a book, answered.
pub struct Answer {
    /// What was asked.
    pub query: BookQuery,
    /// The book in short.
    pub summary: BookSummary,
    /// SKUs, within the window.
    pub skus: Vec<SkuView>,
    /// SKUs that fit.
    pub total: u64,
    /// What changed between the two days, where two are asked for.
    pub changes: Option<Vec<Change>>,
}

impl Answer {
    /// The answer to a URL.
    pub fn of(book: &PriceBook, params: &Params) -> Result<Self, AppError> {
        let query = BookQuery::read(params, book)?;
        let skus = query.skus(book);
        let changes =
            query.between.map(|(from, to)| changes(book, skus.iter().copied(), query.is_of_whole_book(), from, to));
        let views = SkuView::all(book, skus, query.region.as_deref(), query.day());
        let total = views.len() as u64;
        let skus = rows_of(views, query.offset, query.limit).collect();
        Ok(Self { summary: BookSummary::of(book), skus, total, changes, query })
    }

    /// As the API answers.
    pub fn document(&self, book: &PriceBook) -> Value {
        let on = self.query.day();
        let mut document = json!({
            "book": self.summary,
            "time_zone": book.zone.to_string(),
            "note": book.note,
            "default_region": book.default_region,
            "regions": book.regions,
            "sources": book.sources,
            "on": on,
            "offset": self.query.offset,
            "total": self.total,
            "skus": self.skus,
            "allowances": AllowanceView::all(book, on),
            "commitments": CommitmentView::all(book),
            "days_of_change": days_of_change(book),
        });
        if let (Some(changes), Some((from, to))) = (&self.changes, self.query.between) {
            document["between"] = json!({ "from": from, "to": to, "changes": changes });
        }
        document
    }
}

#[derive(Template)]
#[template(path = "price_book.html")]
struct Page<'a> {
    book: &'a PriceBook,
    answer: Answer,
    allowances: Vec<AllowanceView>,
    commitments: Vec<CommitmentView>,
    regions: BTreeSet<&'a str>,
    days: Vec<NaiveDate>,
    window: Window,
}

impl Page<'_> {
    /// The page without query.
    fn url(&self) -> String {
        format!("/price-books/{}", self.answer.summary.price_book)
    }

    /// As many rows as are shown among other SKUs.
    fn cut<'r>(&self, rows: &'r [&'r PriceRow]) -> &'r [&'r PriceRow] {
        match self.answer.query.sku {
            Some(_) => rows,
            None => &rows[..rows.len().min(ROWS_MAX)],
        }
    }

    fn is_region(&self, region: &str) -> bool {
        self.answer.query.region.as_deref() == Some(region)
    }

    /// The days in the form: those asked for, else the last change.
    fn between(&self) -> (String, String) {
        let last = || self.days.iter().rev().find(|day| **day <= self.answer.query.day()).copied();
        let asked = self.answer.query.between.or_else(|| last().and_then(|day| Some((day.pred_opt()?, day))));
        asked.map(|(from, to)| (from.to_string(), to.to_string())).unwrap_or_default()
    }
}

/// `GET /price-books/{provider}/{service}`
pub async fn page(
    State(app): State<App>,
    Path((provider, service)): Path<(String, String)>,
    params: Params,
) -> Result<Response, AppError> {
    let book = find(app.engine().catalogue(), &provider, &service)?;
    let answer = Answer::of(book, &params)?;
    let on = answer.query.day();
    let (offset, limit, total) = (answer.query.offset, answer.query.limit, answer.total);
    let url = format!("/price-books/{}?{}", answer.summary.price_book, answer.query.window_query());
    let named = book.regions.values().flatten().map(String::as_str);
    html(&Page {
        allowances: AllowanceView::all(book, on),
        commitments: CommitmentView::all(book),
        regions: named.chain(book.default_region.as_deref()).collect(),
        days: days_of_change(book).into_iter().collect(),
        window: Window { offset, limit, total, url },
        book,
        answer,
    })
}

/// `GET /price-books/{provider}/{service}/{file}`: `prices.csv`, `changes.csv`, or the file of the book itself.
pub async fn file(
    State(app): State<App>,
    Path((provider, service, file)): Path<(String, String, String)>,
    params: Params,
) -> Result<Response, AppError> {
    let book = find(app.engine().catalogue(), &provider, &service)?;
    let name = format!("{provider}-{service}-{file}");
    match file.as_str() {
        "prices.csv" => {
            let query = BookQuery::read(&params, book)?;
            let mut text = CsvText::new(PRICE_COLUMNS)?;
            let views = SkuView::all(book, query.skus(book), query.region.as_deref(), query.day());
            for row in views.iter().flat_map(|view| &view.prices) {
                text.row(price_cells(row))?;
            }
            text.download(&name)
        }
        "changes.csv" => {
            let answer = Answer::of(book, &params)?;
            let expected = "the earlier of two days to be compared, as `YYYY-MM-DD`";
            let found = answer.changes.ok_or(AppError::MissingParameter { name: "from", expected })?;
            let mut text = CsvText::new(["item", "what", "before", "after", "percent", "since"])?;
            for change in &found {
                let side = |side: &Option<String>| side.as_deref().map(words).unwrap_or_default();
                text.row([
                    words(&change.item),
                    words(&change.what),
                    side(&change.before),
                    side(&change.after),
                    change.percent.as_ref().map(ToString::to_string).unwrap_or_default(),
                    change.since.map(|day| day.to_string()).unwrap_or_default(),
                ])?;
            }
            text.download(&name)
        }
        _ if file == format!("{service}.toml") => {
            let headers = [
                (header::CONTENT_TYPE, "application/toml; charset=utf-8".to_owned()),
                (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{provider}-{file}\"")),
            ];
            Ok((headers, book.text.clone()).into_response())
        }
        _ => Err(AppError::NoSuchPage { path: format!("/price-books/{provider}/{service}/{file}") }),
    }
}

/// The columns of prices in CSV.
pub const PRICE_COLUMNS: [&str; 20] = [
    "sku",
    "key",
    "region",
    "from",
    "to",
    "in_force",
    "tier",
    "tier_from",
    "tier_to",
    "tier_unit",
    "currency",
    "price",
    "per",
    "model",
    "package",
    "minimum_charge",
    "mark",
    "published",
    "source",
    "source_address",
];

/// A price in CSV.
pub fn price_cells(row: &PriceRow) -> [String; 20] {
    let text = |text: &Option<String>| text.as_deref().map(words).unwrap_or_default();
    let day = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
    [
        words(&row.sku),
        text(&row.key),
        text(&row.region),
        day(row.from),
        day(row.to),
        row.in_force.to_string(),
        row.tier.to_string(),
        row.tier_from.to_string(),
        row.tier_to.as_ref().map(ToString::to_string).unwrap_or_default(),
        words(&row.tier_unit),
        words(&row.currency),
        row.price.to_string(),
        words(&row.per),
        row.model.to_owned(),
        text(&row.package),
        row.minimum_charge.as_ref().map(ToString::to_string).unwrap_or_default(),
        words(&row.mark),
        words(&row.published),
        words(&row.source),
        words(&row.source_address),
    ]
}
