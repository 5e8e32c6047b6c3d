//! All price books in force: the shipped ones, replaced and extended by files given at run time
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    book::{CommitmentPlan, Price, PriceBook, Sku},
    book_file,
    exact::Exact,
    expression::Expression,
    nearest::did_you_mean,
    period::{HOUR_US, Period},
    table::Table,
    unit::{Unit, Window},
    zone::Zone,
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
    /// Per SKU its book and its place in it.
    skus: Vec<(usize, usize)>,
    /// The SKUs fed by the rows of a provider's service, per table.
    fed_by: BTreeMap<(String, String, Table), Vec<SkuIndex>>,
}

/// One thing that is wrong with a price book, shown as `book:line: place: message`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Name of the book, or path of its file.
    pub book: String,
    /// Line of the file, from 1; 1 for what is wrong with the file as a whole.
    pub line: usize,
    /// The SKU, allowance or example it is in, in words; empty: none.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where that can be told.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of a file as a whole.
    pub fn of_file(book: impl Into<String>, message: impl Into<String>) -> Self {
        Self { book: book.into(), line: 1, place: String::new(), message: message.into(), hint: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.book, self.line)?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
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
        Some("correct the price books; `paygrain prices check FILE|DIRECTORY` lists every problem at once".to_owned())
    }
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "{count} problem{} in the price books", if count == 1 { "" } else { "s" })?;
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

/// Books by provider and service.
type Books = BTreeMap<(String, String), PriceBook>;

fn key(book: &PriceBook) -> (String, String) {
    (book.provider.clone(), book.service.clone())
}

/// The shipped books, and what is wrong with them.
fn shipped() -> (Books, Vec<Problem>) {
    let (mut books, mut problems) = (BTreeMap::new(), Vec::new());
    for (name, text) in SHIPPED {
        match book_file::read(name, text) {
            Ok(book) => drop(books.insert(key(&book), book)),
            Err(found) => problems.extend(found),
        }
    }
    (books, problems)
}

/// Adds and replaces books; gives the names of those added by provider and service.
fn add_files(
    books: &mut Books,
    files: impl IntoIterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<(String, String), String> {
    let mut given = BTreeMap::new();
    for (name, text) in files {
        match book_file::read(&name, &text) {
            Ok(book) => {
                let key = key(&book);
                if let Some(other) = given.insert(key.clone(), name.clone()) {
                    let message = format!("`{other}` is a book for {}/{} too", key.0, key.1);
                    problems.push(Problem::of_file(name, message));
                }
                books.insert(key, book);
            }
            Err(found) => problems.extend(found),
        }
    }
    given
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
        let (books, problems) = shipped();
        Self::adding(books, problems, files)
    }

    /// The files given and no shipped price book.
    ///
    /// # Errors
    /// As [`Catalogue::with_files`].
    pub fn of_files(files: impl IntoIterator<Item = (String, String)>) -> Result<Self, CatalogueError> {
        Self::adding(Books::new(), Vec::new(), files)
    }

    fn adding(
        mut books: Books,
        mut problems: Vec<Problem>,
        files: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, CatalogueError> {
        add_files(&mut books, files, &mut problems);
        problems.extend(book_file::percent::resolve(&mut books));
        let catalogue = Self::of(books.into_values().collect());
        problems.extend(catalogue.check_commitments());
        match problems.is_empty() {
            true => Ok(catalogue),
            false => Err(CatalogueError { problems }),
        }
    }

    /// Plans that name a SKU no book has, or one whose prices a commitment cannot cover.
    fn check_commitments(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (number, book) in self.books.iter().enumerate() {
            for plan in &book.commitments {
                let mut note = |message: String, hint: Option<String>| {
                    let place = format!("commitment `{}`", plan.id);
                    problems.push(Problem { book: book.name.clone(), line: plan.line, place, message, hint });
                };
                for name in &plan.skus {
                    let covered = self.named(number, name);
                    if covered.is_empty() {
                        let names = self.skus().flat_map(|(_, sku)| [sku.name.as_str(), sku.id.as_str()]);
                        note(format!("no SKU `{name}`"), did_you_mean(name, names));
                    }
                    for sku in covered.into_iter().map(|index| self.sku(index)) {
                        let plain =
                            |price: &Price| !price.volume && price.package.is_none() && price.minimum_charge.is_none();
                        if !sku.prices.iter().all(plain) {
                            let what = "has packages, a minimum or volume prices: it cannot be covered";
                            note(format!("`{}` {what}", sku.id), None);
                        }
                        if let Some(Err(error)) = plan.per.as_ref().map(|per| per.factor(&sku.unit, HOUR_US)) {
                            note(error.to_string(), error.hint());
                        }
                    }
                }
            }
        }
        problems
    }

    /// The SKUs of a name as a book's plan writes it: an id or base of the book, or a full name.
    fn named(&self, book: usize, name: &str) -> Vec<SkuIndex> {
        let full_base = |sku: &Sku| format!("{}{}", &sku.name[..sku.name.len() - sku.id.len()], sku.base);
        let own = |index: SkuIndex, sku: &Sku| self.book_number(index) == book && (sku.id == name || sku.base == name);
        let found = self.skus().filter(|(index, sku)| own(*index, sku) || sku.name == name || full_base(sku) == name);
        found.map(|(index, _)| index).collect()
    }

    /// A plan by its full name, with its book and the SKUs it covers, in the order it names them.
    pub(crate) fn plan(&self, name: &str) -> Option<(&PriceBook, &CommitmentPlan, Vec<SkuIndex>)> {
        self.books.iter().enumerate().find_map(|(number, book)| {
            let plan = book.commitments.iter().find(|plan| plan.name == name)?;
            Some((book, plan, plan.skus.iter().flat_map(|sku| self.named(number, sku)).collect()))
        })
    }

    /// A catalogue of checked books, sorted by provider and service.
    fn of(books: Vec<PriceBook>) -> Self {
        let mut catalogue = Self { books, skus: Vec::new(), fed_by: BTreeMap::new() };
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

    /// Every problem of the price books given (name and text) at once, wrong examples included; none: they can be used.
    pub fn check(files: impl IntoIterator<Item = (String, String)>) -> Vec<Problem> {
        let (mut books, mut problems) = shipped();
        let given = add_files(&mut books, files, &mut problems);
        let between = book_file::percent::resolve(&mut books);
        let catalogue = Self::of(books.into_values().collect());
        let names: BTreeSet<&String> = given.values().collect();
        let between = between.into_iter().chain(catalogue.check_commitments());
        problems.extend(between.filter(|problem| names.contains(&problem.book)));
        for book in catalogue.books.iter().filter(|book| given.get(&key(book)) == Some(&book.name)) {
            problems.extend(catalogue.check_overlaps(book));
            problems.extend(catalogue.check_examples(book));
        }
        problems
    }

    /// The books, sorted by provider and service.
    pub fn books(&self) -> &[PriceBook] {
        &self.books
    }

    /// Each book with the text it was read from.
    pub fn texts(&self) -> impl Iterator<Item = (&PriceBook, &str)> {
        self.books.iter().map(|book| (book, book.text.as_str()))
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

    /// Every provider and service whose rows feed a SKU.
    pub fn services(&self) -> BTreeSet<(&str, &str)> {
        self.fed_by.keys().map(|(provider, service, _)| (provider.as_str(), service.as_str())).collect()
    }

    /// Whether any book names the provider and service as one whose rows it prices.
    pub fn prices_service(&self, provider: &str, service: &str) -> bool {
        Table::ALL.iter().any(|table| !self.fed_by(provider, service, *table).is_empty())
    }

    /// The columns that the rules for rows of a service in a table read; none where no rule takes them.
    pub fn columns_read(&self, provider: &str, service: &str, table: Table) -> BTreeSet<&str> {
        let skus = self.fed_by(provider, service, table).iter().map(|index| self.sku(*index));
        skus.flat_map(|sku| {
            let filters = sku.filter.iter().chain(&sku.base_filter);
            let expressions = filters.chain(sku.meters.iter().map(|meter| &meter.quantity));
            let key = sku.key.iter().map(|key| key.column.as_str());
            expressions.flat_map(Expression::columns).chain(key).chain(sku.scope_columns.iter().map(String::as_str))
        })
        .collect()
    }

    /// The zone in which a service's days and months are billed: that of its book, UTC where there is none.
    pub fn zone(&self, provider: &str, service: &str) -> Zone {
        let own = self.books.iter().find(|book| book.provider == provider && book.service == service);
        let feeding = || Table::ALL.iter().find_map(|table| self.fed_by(provider, service, *table).first());
        own.map(|book| book.zone).or_else(|| feeding().map(|sku| self.book_of(*sku).zone)).unwrap_or_default()
    }

    /// First instant and end of a billing month over all zones of the books, UTC microseconds, half open.
    pub fn widest_period_us(&self, period: Period) -> (i64, i64) {
        let zones = self.books.iter().map(|book| book.zone);
        zones.fold((period.start_us(), period.end_us()), |(start_us, end_us), zone| {
            (start_us.min(zone.start_us(period)), end_us.max(zone.end_us(period)))
        })
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
                let (start_us, end_us) = (sku.zone.start_us(period), sku.zone.end_us(period));
                let from_us = meter.from.map_or(start_us, |day| sku.zone.day_start_us(day).max(start_us));
                let to_us = meter.to.map_or(end_us, |day| sku.zone.day_start_us(day).min(end_us));
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
