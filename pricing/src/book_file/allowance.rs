//! `[[allowance]]`: free quantities and credits
use std::collections::BTreeSet;

use super::{
    BookContext, check,
    price::read_mark,
    read_scope,
    reader::{Entry, Reader},
};
use crate::{
    book::{Allowance, Grant, PriceBook, Sku},
    nearest::did_you_mean,
    scope::SCOPE_COLUMNS,
    unit::Window,
};

const ALLOWANCE_KEYS: &[&str] = &[
    "id",
    "skus",
    "quantity",
    "unit",
    "credit",
    "period",
    "scope",
    "expires_months",
    "opened_before",
    "region",
    "from",
    "to",
    "source",
    "mark",
    "note",
    "always",
    "on_request",
];

/// Reads an allowance and the names of its SKUs.
pub(super) fn read<'t>(
    reader: &mut Reader<'t>,
    entry: Entry<'t>,
    book: &BookContext,
    skus: &[Sku],
) -> Option<(Allowance, Vec<String>)> {
    reader.place.clear();
    let id = reader.required(entry, "id").to_owned();
    reader.place = format!("allowance `{id}`");
    reader.known_keys(entry, ALLOWANCE_KEYS);
    let names = reader.texts(entry, "skus").unwrap_or_default();
    if names.is_empty() {
        reader.problem(entry.start, "`skus` is missing or empty");
    }
    let credit = reader.decimal(entry, "credit").map(|(credit, _)| Grant::Credit(credit));
    let quantity = reader.decimal(entry, "quantity");
    let unit = reader.unit(entry, "unit");
    for name in &names {
        let fed: Vec<&Sku> = skus.iter().filter(|sku| sku.id == *name || sku.base == *name).collect();
        if fed.is_empty() {
            let known: Vec<&str> = skus.iter().flat_map(|sku| [sku.base.as_str(), sku.id.as_str()]).collect();
            reader.problem_with_hint(entry.start, format!("no SKU `{name}`"), did_you_mean(name, known));
        }
        for (sku, unit) in fed.iter().zip(unit.iter().cycle()) {
            reader.ok(entry.start, unit.same_things(&sku.unit));
        }
    }
    let grant = match (credit, quantity, unit) {
        (Some(credit), None, None) => Some(credit),
        (None, Some((quantity, _)), Some(unit)) => Some(Grant::Quantity { quantity, unit }),
        _ => {
            reader.problem(entry.start, "an allowance has either `quantity` and `unit` or `credit`");
            None
        }
    };
    let window = match reader.text(entry, "period") {
        None | Some("month") => None,
        Some(name) => {
            let window = Window::from_name(name);
            if window.is_none() {
                reader.known_word(entry.start, "period", name, &["month", "day", "hour"]);
            }
            window
        }
    };
    let region = check::read_region(reader, entry, book);
    let source = reader.text(entry, "source").unwrap_or_default().to_owned();
    check::source(reader, entry, &book.sources);
    let (from, to) = check::read_days(reader, entry);
    let allowance = Allowance {
        id,
        grant: grant?,
        window,
        scope: read_scope(reader, entry, &[]),
        region,
        from,
        to,
        expires_months: reader.count(entry, "expires_months"),
        opened_before: reader.day(entry, "opened_before"),
        always: reader.flag(entry, "always"),
        on_request: reader.flag(entry, "on_request"),
        source,
        mark: read_mark(reader, entry).unwrap_or_default(),
    };
    Some((allowance, names))
}

/// Gives every SKU its allowances, and what follows from them.
pub(super) fn link(book: &mut PriceBook, allowances: Vec<(Allowance, Vec<String>)>) {
    for sku in &mut book.skus {
        let mut columns: BTreeSet<&str> = sku.scope.iter().map(String::as_str).collect();
        columns.insert("region");
        for (index, (allowance, names)) in allowances.iter().enumerate() {
            if names.contains(&sku.id) || names.contains(&sku.base) {
                sku.allowances.push(index);
                columns.extend(allowance.scope.iter().map(String::as_str));
                sku.window = match (sku.window, allowance.window) {
                    (Some(own), Some(other)) => Some(own.min(other)),
                    (own, other) => own.or(other),
                };
            }
        }
        sku.scope_columns =
            SCOPE_COLUMNS.into_iter().filter(|column| columns.contains(column)).map(str::to_owned).collect();
    }
    book.allowances = allowances.into_iter().map(|(allowance, _)| allowance).collect();
}
