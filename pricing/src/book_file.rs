//! Price-book files: TOML to a checked book, or every problem at once
use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use self::reader::{Entry, Reader};
use crate::{
    book::PriceBook, catalogue::Problem, nearest::did_you_mean_or, period::HOUR_US, scope::SCOPE_COLUMNS,
    unit::MonthLength, zone::Zone,
};

mod activity;
mod allowance;
mod billed_as;
mod category;
mod check;
mod commitment;
mod example;
pub(crate) mod percent;
#[cfg(test)]
mod percent_tests;
mod price;
mod reader;
mod sku;
#[cfg(test)]
mod tests;

/// How sure a price or rule is.
const MARKS: &[&str] = &["seen", "derived", "remembered", "none"];
/// Length of a month while units are checked: only dimensions matter then.
const CHECK_MONTH_US: i64 = 720 * HOUR_US;

/// Names of month lengths.
const MONTHS: &[&str] = &["calendar", "30d", "31d", "720h", "730h", "744h"];

const BOOK_KEYS: &[&str] = &[
    "provider",
    "service",
    "title",
    "provider_title",
    "category",
    "subcategory",
    "version",
    "currency",
    "time_zone",
    "month",
    "default_region",
    "billed_services",
    "sources",
    "regions",
    "sku",
    "allowance",
    "commitment",
    "example",
    "activity",
    "note",
];
/// What SKUs and allowances take from their book.
struct BookContext {
    provider: String,
    service: String,
    month: MonthLength,
    zone: Zone,
    sources: BTreeMap<String, String>,
    regions: BTreeMap<String, BTreeSet<String>>,
}

/// Reads and checks a book.
///
/// # Errors
/// Every problem of the book, by line.
pub(crate) fn read(name: &str, text: &str) -> Result<PriceBook, Vec<Problem>> {
    let mut reader = Reader { book: name, text, place: String::new(), problems: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reader.problem(error.span().map_or(0, |span| span.start), error.message());
    }
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    let book = read_book(&mut reader, Entry { table: document.get_ref(), start: 0 });
    match reader.problems.is_empty() {
        true => Ok(book),
        false => {
            reader.problems.sort();
            Err(reader.problems)
        }
    }
}

fn read_book<'t>(reader: &mut Reader<'t>, root: Entry<'t>) -> PriceBook {
    reader.known_keys(root, BOOK_KEYS);
    let mut sources = BTreeMap::new();
    for (key, value) in reader.table(root, "sources").map(Entry::in_order).unwrap_or_default() {
        match value.get_ref().as_str() {
            Some(address) => drop(sources.insert(key.to_owned(), address.to_owned())),
            None => reader.problem(value.span().start, format!("the source `{key}` is not a text in quotes")),
        }
    }
    let mut regions = BTreeMap::new();
    if let Some(table) = reader.table(root, "regions") {
        for (key, value) in table.in_order() {
            let names = reader.texts(table, key).unwrap_or_default();
            let set: BTreeSet<String> = names.iter().cloned().collect();
            if set.is_empty() || set.len() < names.len() {
                let wrong = if set.is_empty() { "is empty" } else { "names a region twice" };
                reader.problem(value.span().start, format!("the region set `{key}` {wrong}"));
            }
            regions.insert(key.to_owned(), set);
        }
    }
    check::identity(reader, root);
    let month = read_month(reader, root).unwrap_or(MonthLength::Calendar);
    let (provider, service) =
        (reader.required(root, "provider").to_owned(), reader.required(root, "service").to_owned());
    let zone = reader.text(root, "time_zone").map(|name| {
        let at = root.get("time_zone").map_or(0, |value| value.span().start);
        reader.ok(at, Zone::from_name(name)).unwrap_or_default()
    });
    let context = BookContext { provider, service, month, zone: zone.unwrap_or_default(), sources, regions };
    let mut skus = Vec::new();
    if reader.tables(root, "sku").is_empty() {
        reader.problem(root.start, "the book has no `[[sku]]`");
    }
    let mut ids = BTreeMap::new();
    for entry in reader.tables(root, "sku") {
        let id = entry.get("id").and_then(|id| id.get_ref().as_str()).unwrap_or_default();
        reader.place.clear();
        if let Some(line) = ids.insert(id, reader.line(entry.start)) {
            reader.problem(entry.start, format!("two SKUs with the id `{id}`: the other is at line {line}"));
        }
        sku::read(reader, entry, &context, &mut skus);
    }
    let commitments =
        reader.tables(root, "commitment").into_iter().filter_map(|entry| commitment::read(reader, entry, &context));
    let commitments = commitments.collect();
    reader.place.clear();
    let entries = reader.tables(root, "allowance");
    let allowances = entries.into_iter().filter_map(|entry| allowance::read(reader, entry, &context, &skus)).collect();
    let examples = reader.tables(root, "example");
    let examples = examples.into_iter().filter_map(|entry| example::read(reader, entry, &context)).collect();
    let (category, subcategory) = category::read(reader, root);
    let mut book = PriceBook {
        name: reader.book.to_owned(),
        text: reader.text.to_owned(),
        provider: context.provider,
        service: context.service,
        title: reader.text(root, "title").unwrap_or_default().to_owned(),
        provider_title: String::new(),
        category,
        subcategory,
        version: reader.text(root, "version").unwrap_or("unversioned").to_owned(),
        note: reader.text(root, "note").unwrap_or_default().to_owned(),
        currency: reader.text(root, "currency").unwrap_or("USD").to_owned(),
        zone: context.zone,
        sources: context.sources,
        regions: context.regions,
        default_region: reader.text(root, "default_region").map(str::to_owned),
        billed_services: billed_as::read_services(reader, root),
        skus,
        allowances: Vec::new(),
        examples,
        commitments,
        activities: Vec::new(),
    };
    book.activities = activity::read(reader, root, &book);
    book.provider_title = reader.text(root, "provider_title").unwrap_or(&book.provider).to_owned();
    allowance::link(&mut book, allowances);
    book
}

fn read_month<'t>(reader: &mut Reader<'t>, entry: Entry<'t>) -> Option<MonthLength> {
    let name = reader.text(entry, "month")?;
    let month = MonthLength::from_name(name);
    if month.is_none() {
        reader.known_word(entry.start, "month", name, MONTHS);
    }
    month
}

fn read_scope<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, also: &[&str]) -> Vec<String> {
    let scope = reader.texts(entry, "scope").unwrap_or_else(|| vec!["account".to_owned()]);
    for column in scope.iter().filter(|name| !SCOPE_COLUMNS.contains(&name.as_str()) && !also.contains(&name.as_str()))
    {
        let hint = did_you_mean_or(column, SCOPE_COLUMNS);
        reader.problem_with_hint(entry.start, format!("`{column}` is not a scope"), hint);
    }
    scope
}
