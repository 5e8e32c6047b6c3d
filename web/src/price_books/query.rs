//! The questions of the pages about price books: a URL to a query and back.

use chrono::{NaiveDate, Utc};
use paygrain_pricing::{Catalogue, PriceBook, Sku, nearest};

use super::search::fit;
use crate::error::AppError;
use crate::filters::encode;
use crate::params::{Params, bad};
use crate::search_words::SearchWords;

/// Rows of a list when the URL does not say.
const LIST_LIMIT_DEFAULT: u64 = 100;
/// SKUs of a book on one page when the URL does not say.
const BOOK_LIMIT_DEFAULT: u64 = 20;
/// Rows of an answer at most.
const LIMIT_MAX: u64 = 1000;

/// What is asked of all books.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Only books of this provider.
    pub provider: Option<String>,
    /// Words that SKUs are searched for.
    pub words: Option<String>,
    /// The day whose prices are shown, where the URL names one.
    on: Option<NaiveDate>,
    /// Rows to skip.
    pub offset: u64,
    /// Rows to show.
    pub limit: u64,
}

impl ListQuery {
    /// Reads a URL.
    pub fn read(params: &Params, catalogue: &Catalogue) -> Result<Self, AppError> {
        params.only(&["provider", "q", "on", "offset", "limit"])?;
        let provider = params.text("provider");
        if let Some(name) = &provider
            && !catalogue.books().iter().any(|book| book.provider == *name)
        {
            let mut known: Vec<&str> = catalogue.books().iter().map(|book| book.provider.as_str()).collect();
            known.dedup();
            let near =
                nearest(name, known.iter().copied()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return Err(bad("provider", name, &format!("one of {}{near}", known.join(", "))));
        }
        let (offset, limit) = params.window(LIST_LIMIT_DEFAULT, LIMIT_MAX)?;
        Ok(Self { provider, words: params.text("q"), on: params.day("on")?, offset, limit })
    }

    /// The day whose prices are shown: today in UTC where the URL names none.
    pub fn day(&self) -> NaiveDate {
        self.on.unwrap_or_else(|| Utc::now().date_naive())
    }

    /// The words as they were typed.
    pub fn typed(&self) -> &str {
        self.words.as_deref().unwrap_or_default()
    }

    /// Whether the list is of this provider.
    pub fn is_of(&self, provider: &str) -> bool {
        self.provider.as_deref() == Some(provider)
    }

    /// The question without its window, as the query of a URL.
    pub fn url_query(&self) -> String {
        let mut parts = Parts::default();
        parts.add("provider", self.provider.as_deref());
        parts.add("q", self.words.as_deref());
        parts.add("on", self.on.map(|day| day.to_string()).as_deref());
        parts.0
    }

    /// The same of every provider.
    pub fn url_query_of_all(&self) -> String {
        Self { provider: None, ..self.clone() }.url_query()
    }

    /// The query up to the value of `offset`.
    pub fn window_url(&self) -> String {
        let mut parts = Parts(self.url_query());
        parts.add("limit", (self.limit != LIST_LIMIT_DEFAULT).then(|| self.limit.to_string()).as_deref());
        parts.add("offset", Some(""));
        format!("/price-books?{}", parts.0)
    }
}

/// What is asked of one book.
#[derive(Clone, Debug, Default)]
pub struct BookQuery {
    /// Words that its SKUs are searched for.
    pub words: Option<String>,
    /// Only this SKU, by its id without key.
    pub sku: Option<String>,
    /// Only prices that hold in this region.
    pub region: Option<String>,
    /// The day whose prices are shown, where the URL names one.
    pub on: Option<NaiveDate>,
    /// The two days to be compared.
    pub between: Option<(NaiveDate, NaiveDate)>,
    /// SKUs to skip.
    pub offset: u64,
    /// SKUs to show.
    pub limit: u64,
}

impl BookQuery {
    /// Reads a URL.
    pub fn read(params: &Params, book: &PriceBook) -> Result<Self, AppError> {
        params.only(&["q", "sku", "region", "on", "from", "to", "offset", "limit"])?;
        let sku = params.text("sku");
        if let Some(id) = &sku
            && !book.skus.iter().any(|known| known.base == *id)
        {
            let near = nearest(id, book.skus.iter().map(|sku| sku.base.as_str()));
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return Err(bad("sku", id, &format!("the id of a SKU of the book{near}")));
        }
        let on = params.day("on")?;
        let between = match (params.day("from")?, params.day("to")?) {
            (None, None) => None,
            (Some(from), to) => Some((from, to.or(on).unwrap_or_else(|| Utc::now().date_naive()))),
            (None, Some(_)) => {
                let expected = "the earlier of two days to be compared, as `YYYY-MM-DD`";
                return Err(AppError::MissingParameter { name: "from", expected });
            }
        };
        if let Some((from, to)) = between
            && from > to
        {
            return Err(bad("from", &from.to_string(), &format!("a day up to `to`, which is {to}")));
        }
        let (offset, limit) = params.window(BOOK_LIMIT_DEFAULT, LIMIT_MAX)?;
        Ok(Self { words: params.text("q"), sku, region: params.text("region"), on, between, offset, limit })
    }

    /// The day whose prices are shown: today in UTC where the URL names none.
    pub fn day(&self) -> NaiveDate {
        self.on.unwrap_or_else(|| Utc::now().date_naive())
    }

    /// The words as they were typed.
    pub fn typed(&self) -> &str {
        self.words.as_deref().unwrap_or_default()
    }

    /// Whether the whole book is asked for.
    pub fn is_of_whole_book(&self) -> bool {
        self.words.is_none() && self.sku.is_none()
    }

    /// The SKUs asked for.
    pub fn skus<'a>(&self, book: &'a PriceBook) -> Vec<&'a Sku> {
        let words = SearchWords::new(self.typed());
        let asked = |sku: &&Sku| self.sku.as_ref().is_none_or(|id| sku.base == *id) && fit(&words, book, sku);
        book.skus.iter().filter(asked).collect()
    }

    /// The question without its window, as the query of a URL.
    pub fn url_query(&self) -> String {
        let mut parts = Parts::default();
        parts.add("q", self.words.as_deref());
        parts.add("sku", self.sku.as_deref());
        parts.add("region", self.region.as_deref());
        parts.add("on", self.on.map(|day| day.to_string()).as_deref());
        if let Some((from, to)) = self.between {
            parts.add("from", Some(&from.to_string()));
            parts.add("to", Some(&to.to_string()));
        }
        parts.0
    }

    /// The same of one SKU.
    pub fn url_query_of_sku(&self, id: &str) -> String {
        Self { sku: Some(id.to_owned()), words: None, ..self.clone() }.url_query()
    }

    /// The same of every SKU.
    pub fn url_query_of_all_skus(&self) -> String {
        Self { sku: None, words: None, ..self.clone() }.url_query()
    }

    /// What changed on a day: from the day before to it.
    pub fn url_query_on_day(&self, day: &NaiveDate) -> String {
        Self { between: Some((day.pred_opt().unwrap_or(*day), *day)), ..self.clone() }.url_query()
    }

    /// The query up to the value of `offset`, with what cuts a list short.
    pub fn window_query(&self) -> String {
        let mut parts = Parts(self.url_query());
        parts.add("limit", (self.limit != BOOK_LIMIT_DEFAULT).then(|| self.limit.to_string()).as_deref());
        parts.add("offset", Some(""));
        parts.0
    }
}

/// The query of a URL as it grows.
#[derive(Default)]
struct Parts(String);

impl Parts {
    fn add(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        let joint = if self.0.is_empty() { "" } else { "&" };
        self.0 += &format!("{joint}{name}={}", encode(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price_books::find;

    fn read(url: &str) -> Result<BookQuery, AppError> {
        let pairs = url.split('&').map(|pair| pair.split_once('=').unwrap());
        let params: Params = pairs.map(|(name, value)| (name.to_owned(), value.replace("%20", " "))).collect();
        let catalogue = Catalogue::embedded().unwrap();
        BookQuery::read(&params, find(&catalogue, "aws", "lambda")?)
    }

    #[test]
    fn a_url_survives_reading_and_writing() {
        for url in [
            "q=duration%20arm&region=eu-west-1&on=2022-08-08",
            "sku=requests&from=2020-01-01&to=2022-08-08",
            "on=2020-01-01",
        ] {
            assert_eq!(read(url).unwrap().url_query(), url);
        }
        assert_eq!(
            read("from=2020-01-01&on=2021-01-01").unwrap().url_query(),
            "on=2021-01-01&from=2020-01-01&to=2021-01-01"
        );
        assert_eq!(read("limit=5&offset=5&q=x").unwrap().window_query(), "q=x&limit=5&offset=");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (url, words) in [
            ("on=soon", "expected a day"),
            ("to=2022-08-08", "`from` is missing"),
            ("from=2022-08-09&to=2022-08-08", "a day up to `to`, which is 2022-08-08"),
            ("sku=request", "did you mean `requests`?"),
            ("skus=requests", "there is no parameter `skus`"),
        ] {
            let error = read(url).unwrap_err().to_string();
            assert!(error.contains(words), "{url}: {error}");
        }
    }
}
