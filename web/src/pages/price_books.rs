//! `/price-books`: every price book in force, and a search over their SKUs.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{Window, rows_of};
use crate::app::App;
use crate::csv_text::{CsvText, words};
use crate::error::{AppError, html};
use crate::filters;
use crate::params::Params;
use crate::price_books::{BookSummary, ListQuery, SkuHit, hits};

/// Books, and SKUs where words are searched for.
pub struct Answer {
    /// What was asked.
    pub query: ListQuery,
    /// Books of the provider; where words are searched for, those with a SKU that fits.
    pub books: Vec<BookSummary>,
    /// SKUs that fit, within the window.
    pub skus: Vec<SkuHit>,
    /// SKUs that fit, or books where no words are searched for.
    pub total: u64,
}

impl Answer {
    /// The answer to a URL.
    pub fn of(app: &App, params: &Params) -> Result<Self, AppError> {
        let catalogue = app.engine().catalogue();
        let query = ListQuery::read(params, catalogue)?;
        let of_provider = |book: &BookSummary| query.provider.as_ref().is_none_or(|name| book.provider == *name);
        let mut books: Vec<_> = catalogue.books().iter().map(BookSummary::of).filter(of_provider).collect();
        let Some(text) = &query.words else {
            let total = books.len() as u64;
            let books = rows_of(books, query.offset, query.limit).collect();
            return Ok(Self { query, books, skus: Vec::new(), total });
        };
        let found = hits(catalogue, text, query.provider.as_deref(), query.day());
        books.retain(|book| found.iter().any(|hit| hit.price_book == book.price_book));
        let total = found.len() as u64;
        Ok(Self { books, skus: rows_of(found, query.offset, query.limit).collect(), total, query })
    }
}

/// A provider to choose.
struct Provider {
    name: String,
    title: String,
}

#[derive(Template)]
#[template(path = "price_books.html")]
struct Page {
    answer: Answer,
    providers: Vec<Provider>,
    window: Window,
}

/// `GET /price-books`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let answer = Answer::of(&app, &params)?;
    let mut providers: Vec<Provider> = Vec::new();
    for book in app.engine().catalogue().books() {
        if providers.last().is_none_or(|last| last.name != book.provider) {
            providers.push(Provider { name: book.provider.clone(), title: book.provider_title.clone() });
        }
    }
    let (offset, limit, total) = (answer.query.offset, answer.query.limit, answer.total);
    let window = Window { offset, limit, total, url: answer.query.window_url() };
    html(&Page { answer, providers, window })
}

/// `GET /price-books.csv`: the SKUs where words are searched for, else the books.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let answer = Answer::of(&app, &params)?;
    if answer.query.words.is_some() {
        let mut text = CsvText::new(super::price_book::PRICE_COLUMNS)?;
        for row in answer.skus.iter().flat_map(|hit| &hit.prices) {
            text.row(super::price_book::price_cells(row))?;
        }
        return text.download("paygrain-prices.csv");
    }
    let mut text = CsvText::new([
        "price_book",
        "provider",
        "service",
        "title",
        "category",
        "subcategory",
        "version",
        "currency",
        "is_own",
        "skus",
        "allowances",
        "commitments",
        "prices",
        "first_day",
        "last_change",
        "seen",
        "derived",
        "remembered",
        "none",
    ])?;
    for book in &answer.books {
        let day = |day: Option<chrono::NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
        text.row([
            words(&book.price_book),
            words(&book.provider),
            words(&book.service),
            words(&book.title),
            words(&book.category),
            words(&book.subcategory),
            words(&book.version),
            words(&book.currency),
            book.is_own.to_string(),
            book.skus.to_string(),
            book.allowances.to_string(),
            book.commitments.to_string(),
            book.prices.to_string(),
            day(book.first_day),
            day(book.last_change),
            book.marks.seen.to_string(),
            book.marks.derived.to_string(),
            book.marks.remembered.to_string(),
            book.marks.none.to_string(),
        ])?;
    }
    text.download("paygrain-price-books.csv")
}
