//! Price books as pages and the API show them: views of the catalogue in force, and what changed between two days.

mod changes;
mod query;
mod rows;
mod search;
mod views;

pub use changes::{Change, changes};
pub use query::{BookQuery, ListQuery};
pub use rows::PriceRow;
pub use search::{SkuHit, hits};
pub use views::{AllowanceView, BookSummary, CommitmentView, SkuView, days_of_change, is_own};

use paygrain_pricing::{Catalogue, PriceBook, nearest};

use crate::error::AppError;

/// The book of a provider's service.
///
/// # Errors
/// [`AppError::NoSuchPriceBook`], with the nearest name.
pub fn find<'a>(catalogue: &'a Catalogue, provider: &str, service: &str) -> Result<&'a PriceBook, AppError> {
    let books = catalogue.books();
    if let Some(book) = books.iter().find(|book| book.provider == provider && book.service == service) {
        return Ok(book);
    }
    let name = format!("{provider}/{service}");
    let names: Vec<String> = books.iter().map(name_of).collect();
    let same_service = books.iter().find(|book| book.service == service).map(name_of);
    let near = nearest(&name, names.iter().map(String::as_str)).map(str::to_owned).or(same_service);
    Err(AppError::NoSuchPriceBook { name, near })
}

/// `aws/lambda`.
pub fn name_of(book: &PriceBook) -> String {
    format!("{}/{}", book.provider, book.service)
}
