//! All price books in force: the shipped ones, replaced and extended by files given at run time
use std::{collections::BTreeMap, fmt};

use crate::{
    book::{PriceBook, Sku},
    book_file,
    exact::Exact,
    expression::Expression,
    period::{Period, day_start_us},
    table::Table,
    unit::{Unit, Window},
};

/// The shipped price books: name and text, sorted by name.
const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/price_books.rs"));

/// A SKU of one [`Catalogue`]: its place among all SKUs, books sorted by provider and service, SKUs in book order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SkuIndex(pub u32);

/// All price books in force.
#[derive(Clone, Debug)]
pub struct Catalogue {
    books: Vec<PriceBook>,
    /// Per book the text it was read from.
    texts: Vec<String>,
    /// Per SKU its book and its place in it.
    skus: Vec<(usize, usize)>,
    /// The SKUs fed by the rows of a provider's service, per table.
    fed_by: BTreeMap<(String, String, Table), Vec<SkuIndex>>,
}

/// One thing that is wrong with a price book.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Name of the book.
    pub book: String,
    /// Where: a SKU or an allowance, and the line where it is known.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => write!(f, "{}: {}", self.book, self.message),
            place => write!(f, "{}: {place}: {}", self.book, self.message),
        }
    }
}

/// Price books that cannot be used: every problem of every book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueError {
    /// The problems, by book.
    pub problems: Vec<Problem>,
}

impl CatalogueError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some("correct the price book; `paygrain prices check FILE` lists every problem of a book at once".to_owned())
    }
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} problems in the price books", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

impl std::error::Error for CatalogueError {}

/// How one SKU is metered in one era, within a billing period.
#[derive(Clone, Debug)]
pub struct MeteringRule<'a> {
    /// The SKU.
    pub sku: SkuIndex,
    /// Rows of this provider feed it.
    pub provider: &'a str,
    /// Rows of these services feed it.
    pub services: &'a [String],
    /// Which rows; absent: every row.
    pub filter: Option<&'a Expression>,
    /// The per-record rule: an integer.
    pub quantity: &'a Expression,
    /// First instant, UTC microseconds, inclusive: the later of era and period.
    pub from_us: i64,
    /// End, UTC microseconds, exclusive: the earlier of era and period.
    pub to_us: i64,
    /// The sum of the rule × this = quantity in the SKU's unit in that period.
    pub factor: Exact,
    /// What slices must be grouped by.
    pub scope_columns: &'a [String],
    /// Unit the column `quantity` of metered rows is to be converted to before the rule.
    pub quantity_unit: &'a Unit,
    /// The rule yields a level: per window its maximum counts, × 1 (the factor holds the window's length).
    pub maximum_per: Option<Window>,
    /// Window slices must not cross: hours always serve.
    pub window: Option<Window>,
}

impl Catalogue {
    /// The shipped price books.
    ///
    /// # Errors
    /// Never with unchanged data: a test checks every shipped book.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Self::with_files([])
    }

    /// The shipped price books and the files given (name and text): a file for the same provider and service replaces
    /// the shipped book.
    ///
    /// # Errors
    /// Every problem of every book, at once.
    pub fn with_files(files: impl IntoIterator<Item = (String, String)>) -> Result<Self, CatalogueError> {
        Self::read(SHIPPED, files)
    }

    /// The given price books (name and text) and no shipped ones: those that a stored bill was rated with.
    ///
    /// # Errors
    /// As [`Catalogue::with_files`].
    pub fn of_texts(books: impl IntoIterator<Item = (String, String)>) -> Result<Self, CatalogueError> {
        Self::read(&[], books)
    }

    fn read(
        shipped: &[(&str, &str)],
        files: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, CatalogueError> {
        let mut books = BTreeMap::new();
        let mut problems = Vec::new();
        let mut given = BTreeMap::new();
        for (name, text) in shipped {
            match book_file::read(name, text) {
                Ok(book) => {
                    books.insert((book.provider.clone(), book.service.clone()), (book, (*text).to_owned()));
                }
                Err(found) => problems.extend(found),
            }
        }
        for (name, text) in files {
            match book_file::read(&name, &text) {
                Ok(book) => {
                    let key = (book.provider.clone(), book.service.clone());
                    if let Some(other) = given.insert(key.clone(), name.clone()) {
                        let message = format!("`{other}` is a book for {}/{} too", key.0, key.1);
                        problems.push(Problem { book: name, place: String::new(), message });
                    }
                    books.insert(key, (book, text));
                }
                Err(found) => problems.extend(found),
            }
        }
        match problems.is_empty() {
            true => Ok(Self::of(books.into_values().collect())),
            false => Err(CatalogueError { problems }),
        }
    }

    /// A catalogue of checked books, sorted by provider and service.
    fn of(books: Vec<(PriceBook, String)>) -> Self {
        let (books, texts) = books.into_iter().unzip();
        let mut catalogue = Self { books, texts, skus: Vec::new(), fed_by: BTreeMap::new() };
        for (book_index, book) in catalogue.books.iter().enumerate() {
            for (sku_index, sku) in book.skus.iter().enumerate() {
                let index = SkuIndex(catalogue.skus.len() as u32);
                catalogue.skus.push((book_index, sku_index));
                for service in &sku.services {
                    let key = (book.provider.clone(), service.clone(), sku.table);
                    catalogue.fed_by.entry(key).or_default().push(index);
                }
            }
        }
        catalogue
    }

    /// Every problem of a price book at once; none: the book can be used.
    pub fn check(name: &str, text: &str) -> Vec<Problem> {
        book_file::read(name, text).err().unwrap_or_default()
    }

    /// The books, sorted by provider and service.
    pub fn books(&self) -> &[PriceBook] {
        &self.books
    }

    /// Each book with the text it was read from.
    pub fn texts(&self) -> impl Iterator<Item = (&PriceBook, &str)> {
        self.books.iter().zip(self.texts.iter().map(String::as_str))
    }

    /// A SKU.
    ///
    /// # Panics
    /// When the index is of another catalogue and beyond this one.
    pub fn sku(&self, index: SkuIndex) -> &Sku {
        let (book, sku) = self.skus[index.0 as usize];
        &self.books[book].skus[sku]
    }

    /// The book of a SKU.
    ///
    /// # Panics
    /// As [`Catalogue::sku`].
    pub fn book_of(&self, index: SkuIndex) -> &PriceBook {
        &self.books[self.skus[index.0 as usize].0]
    }

    /// The place of a SKU's book in [`Catalogue::books`].
    pub(crate) fn book_number(&self, index: SkuIndex) -> usize {
        self.skus[index.0 as usize].0
    }

    /// All SKUs, in order.
    pub fn skus(&self) -> impl Iterator<Item = (SkuIndex, &Sku)> {
        self.skus.iter().enumerate().map(|(index, (book, sku))| (SkuIndex(index as u32), &self.books[*book].skus[*sku]))
    }

    /// The SKU of that name, such as `aws.lambda.duration-x86`.
    pub fn find_sku(&self, name: &str) -> Option<SkuIndex> {
        self.skus().find(|(_, sku)| sku.name == name).map(|(index, _)| index)
    }

    /// Whether any book names the provider and service as one whose rows it prices.
    pub fn prices_service(&self, provider: &str, service: &str) -> bool {
        Table::ALL.iter().any(|table| !self.fed_by(provider, service, *table).is_empty())
    }

    /// The SKUs the rows of a service feed.
    pub(crate) fn fed_by(&self, provider: &str, service: &str, table: Table) -> &[SkuIndex] {
        let key = (provider.to_owned(), service.to_owned(), table);
        self.fed_by.get(&key).map_or(&[], Vec::as_slice)
    }

    /// How the rows of a table are metered in a billing period: one rule per SKU and era.
    pub fn metering(&self, table: Table, period: Period) -> Vec<MeteringRule<'_>> {
        let mut rules = Vec::new();
        for (index, sku) in self.skus().filter(|(_, sku)| sku.table == table) {
            for meter in &sku.meters {
                let from_us = meter.from.map_or(period.start_us(), |day| day_start_us(day).max(period.start_us()));
                let to_us = meter.to.map_or(period.end_us(), |day| day_start_us(day).min(period.end_us()));
                if from_us >= to_us {
                    continue;
                }
                rules.push(MeteringRule {
                    sku: index,
                    provider: &self.book_of(index).provider,
                    services: &sku.services,
                    filter: sku.filter.as_ref(),
                    quantity: &meter.quantity,
                    from_us,
                    to_us,
                    factor: sku.factor(meter, period),
                    scope_columns: &sku.scope_columns,
                    quantity_unit: &sku.quantity_unit,
                    maximum_per: sku.maximum_per,
                    window: sku.window,
                });
            }
        }
        rules
    }
}
