//! Prices that are a percentage of another SKU's: read with their book, resolved when all books are read
use std::collections::BTreeMap;

use super::{
    BookContext, MARKS, check,
    price::read_mark,
    reader::{Entry, Reader},
    sku::key_filter_text,
};
use crate::{
    book::{PercentPeriod, PercentPrices, Price, PriceBook, Sku, SkuKey},
    catalogue::Problem,
    exact::Exact,
    expression::Expression,
    nearest::did_you_mean,
};

/// Books by provider and service.
type Books = BTreeMap<(String, String), PriceBook>;

const KEYS: &[&str] = &["percent_of", "percent", "from", "to", "source", "mark", "published", "note"];

/// Reads the price periods of a SKU whose prices are parts of another's; nothing when it has prices of its own.
pub(super) fn read<'t>(reader: &mut Reader<'t>, sku: Entry<'t>, book: &BookContext) -> Option<PercentPrices> {
    let entries = match sku.has("price") {
        true => reader.tables(sku, "price"),
        false => Vec::new(),
    };
    if !entries.iter().any(|entry| entry.has("percent_of")) {
        return None;
    }
    let mut periods: Vec<PercentPeriod> =
        entries.into_iter().filter_map(|entry| read_period(reader, entry, book)).collect();
    periods.sort_by_key(|period| period.from);
    for pair in periods.windows(2).filter(|pair| pair[0].to.is_none() || pair[0].to != pair[1].from) {
        let message = format!("`percent_of` at line {}: gap or overlap with the period before", pair[1].line);
        let hint = Some("a period starts on the day (`from`) the one before ends (`to`)".to_owned());
        reader.problem_with_hint(sku.start, message, hint);
    }
    let by = reader.text(sku, "by").map(|column| (column.to_owned(), reader.text(sku, "default").map(str::to_owned)));
    Some(PercentPrices { by, periods })
}

fn read_period<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, book: &BookContext) -> Option<PercentPeriod> {
    if !entry.has("percent_of") {
        reader.problem(entry.start, "a SKU has prices of its own or, with `percent_of`, parts of another's, not both");
        return None;
    }
    reader.known_keys(entry, KEYS);
    let of = reader.required(entry, "percent_of").to_owned();
    if !entry.has("percent") {
        reader.problem(entry.start, "`percent` is missing");
    }
    let source = reader.required(entry, "source").to_owned();
    check::source(reader, entry, &book.sources);
    if !entry.has("mark") {
        reader.problem(entry.start, "`mark` is missing");
    }
    let mark = read_mark(reader, entry).unwrap_or_default();
    let (from, to) = check::read_days(reader, entry);
    let (percent, percent_text) = reader.decimal(entry, "percent")?;
    Some(PercentPeriod {
        of,
        percent,
        percent_text: percent_text.to_owned(),
        from,
        to,
        source,
        mark,
        line: reader.line(entry.start),
    })
}

/// Gives the SKUs whose prices are parts of others' their prices, and one SKU per key where those have keys.
pub(crate) fn resolve(books: &mut Books) -> Vec<Problem> {
    let mut problems = Vec::new();
    let with_parts = books.iter().filter(|(_, book)| book.skus.iter().any(|sku| sku.percent.is_some()));
    for name in with_parts.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
        let Some(mut book) = books.get(&name).cloned() else { continue };
        let mut skus = Vec::with_capacity(book.skus.len());
        for sku in std::mem::take(&mut book.skus) {
            match sku.percent.clone() {
                Some(percent) => skus.extend(resolve_sku(&mut book, &sku, &percent, books, &mut problems)),
                None => skus.push(sku),
            }
        }
        book.skus = skus;
        books.insert(name, book);
    }
    problems
}

fn resolve_sku(
    book: &mut PriceBook,
    sku: &Sku,
    percent: &PercentPrices,
    books: &Books,
    problems: &mut Vec<Problem>,
) -> Vec<Sku> {
    let mut resolved: Vec<Sku> = Vec::new();
    for period in &percent.periods {
        let note = |message: String, hint: Option<String>| Problem {
            book: book.name.clone(),
            line: period.line,
            place: format!("SKU `{}`", sku.base),
            message,
            hint,
        };
        let (others, own_skus): (Vec<(&PriceBook, &Sku)>, _) = (named(books, &period.of), sku);
        let Some((other_book, first)) = others.first().copied() else {
            let known: Vec<String> = books.values().flat_map(|book| book.skus.iter().map(base_name)).collect();
            let hint = did_you_mean(&period.of, known.iter().map(String::as_str));
            problems.push(note(format!("no SKU `{}`", period.of), hint));
            continue;
        };
        let wrong = if first.percent.is_some() {
            Some(format!("`{}` is itself a percentage of another SKU", period.of))
        } else if other_book.currency != book.currency {
            Some(format!("`{}` is in {}, this book in {}", period.of, other_book.currency, book.currency))
        } else if percent.by.is_none() && first.key.is_some() && others.len() > 1 {
            Some(format!("`{}` has a price by key: name one, such as `{}`, or write `by`", period.of, first.name))
        } else if percent.by.is_some() && first.key.is_none() {
            Some(format!("`{}` has one price and no keys for `by`", period.of))
        } else {
            None
        };
        if let Some(message) = wrong {
            problems.push(note(message, None));
            continue;
        }
        let different = others.iter().flat_map(|(_, other)| &other.prices).find_map(|price| {
            let units =
                price.per.same_things(&own_skus.unit).and_then(|()| price.tier_unit.same_things(&own_skus.unit));
            units.err()
        });
        if let Some(error) = different {
            problems.push(note(error.to_string(), error.hint()));
            continue;
        }
        let regions = other_book.regions.clone();
        for (_, other) in &others {
            let key = percent.by.as_ref().and(other.key.as_ref()).map(|key| key.value.as_str());
            let place = match resolved.iter().position(|own| own.key.as_ref().map(|key| key.value.as_str()) == key) {
                Some(place) => place,
                None => {
                    resolved.push(of_key(sku, percent, key, problems, &book.name, period.line));
                    resolved.len() - 1
                }
            };
            for price in &other.prices {
                let Some(mut price) = part(price, period) else { continue };
                if let Some(set) = &mut price.region
                    && let Some(regions) = regions.get(set)
                {
                    // A set of the same name may hold other regions here.
                    if book.regions.get(set).is_some_and(|own| own != regions) {
                        *set = format!("{set} of {}/{}", other_book.provider, other_book.service);
                    }
                    book.regions.insert(set.clone(), regions.clone());
                }
                resolved[place].prices.push(price);
            }
        }
    }
    resolved
}

/// Provider, service and base of a SKU.
fn base_name(sku: &Sku) -> String {
    format!("{}{}", &sku.name[..sku.name.len() - sku.id.len()], sku.base)
}

/// The SKUs of a full name: one, or all keys of a base.
fn named<'a>(books: &'a Books, name: &str) -> Vec<(&'a PriceBook, &'a Sku)> {
    let all = books.values().flat_map(|book| book.skus.iter().map(move |sku| (book, sku)));
    all.filter(|(_, sku)| sku.name == name || base_name(sku) == name).collect()
}

/// The SKU of one key, without prices.
fn of_key(
    sku: &Sku,
    percent: &PercentPrices,
    key: Option<&str>,
    problems: &mut Vec<Problem>,
    book: &str,
    line: usize,
) -> Sku {
    let mut own = sku.clone();
    own.prices.clear();
    let (Some((column, default)), Some(key)) = (&percent.by, key) else { return own };
    own.id = format!("{}:{key}", sku.base);
    own.name = format!("{}:{key}", sku.name);
    let text = key_filter_text(sku.base_filter.as_ref(), column, default.as_deref(), key);
    match Expression::parse_with_quantity(&text, sku.table, Some(&sku.quantity_unit)) {
        Ok(filter) => own.filter = Some(filter),
        Err(error) => problems.push(Problem {
            book: book.to_owned(),
            line,
            place: format!("SKU `{}`", sku.base),
            message: error.to_string(),
            hint: error.hint(),
        }),
    }
    own.key = Some(SkuKey { column: column.clone(), default: default.clone(), value: key.to_owned() });
    own
}

/// The part of a price that falls in a period, times its percentage.
fn part(price: &Price, period: &PercentPeriod) -> Option<Price> {
    let mut part = price.clone();
    part.from = price.from.max(period.from);
    part.to = match (price.to, period.to) {
        (Some(own), Some(other)) => Some(own.min(other)),
        (own, other) => own.or(other),
    };
    if let (Some(from), Some(to)) = (part.from, part.to)
        && from >= to
    {
        return None;
    }
    let factor = &period.percent * &Exact::ratio(1, 100)?;
    for tier in &mut part.tiers {
        tier.price = &tier.price * &factor;
        tier.published = format!("{} × {} %", tier.published, period.percent_text);
        // No surer than the less sure of the two.
        let rank = |mark: &str| MARKS.iter().position(|known| *known == mark);
        if rank(&period.mark) > rank(&tier.mark) {
            tier.mark.clone_from(&period.mark);
        }
    }
    part.minimum_charge = part.minimum_charge.map(|charge| &charge * &factor);
    part.published = format!("{} % of {}", period.percent_text, period.of);
    part.source.clone_from(&period.source);
    Some(part)
}
