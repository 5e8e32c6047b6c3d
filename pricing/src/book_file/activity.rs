//! `[[activity]]`: which records become the time of instances, and how that time is counted
use std::collections::BTreeSet;

use super::{
    price,
    reader::{Entry, Reader},
};
use crate::{
    activity::{Activity, Timing, instances},
    book::{PriceBook, Sku},
    exact::Exact,
    expression::{Expression, Type},
    nearest::nearest,
    period::{DAY_US, HOUR_US},
    table::Table,
    unit::Dimensions,
};

const ACTIVITY_KEYS: &[&str] = &[
    "id",
    "table",
    "services",
    "filter",
    "duration",
    "concurrency",
    "tail",
    "minimum",
    "step",
    "busy",
    "idle",
    "source",
    "mark",
    "note",
];
/// Units of a duration: as written, in words, in microseconds.
const TIME_UNITS: [(&str, &str, i64); 6] = [
    ("us", "microseconds", 1),
    ("ms", "milliseconds", 1_000),
    ("s", "seconds", 1_000_000),
    ("min", "minutes", 60_000_000),
    ("h", "hours", HOUR_US),
    ("day", "days", DAY_US),
];
/// Longest duration of a rule.
const DURATION_US_MAX: i64 = 366 * DAY_US;
/// The word for a number of requests without limit.
const UNLIMITED: &str = "unlimited";

/// Reads the activities of a book whose SKUs are known.
pub(super) fn read<'t>(reader: &mut Reader<'t>, root: Entry<'t>, book: &PriceBook) -> Vec<Activity> {
    let entries = reader.tables(root, "activity");
    let mut ids = BTreeSet::new();
    let mut activities = Vec::new();
    for entry in entries {
        reader.place.clear();
        let id = reader.required(entry, "id").to_owned();
        reader.place = format!("activity `{id}`");
        reader.known_keys(entry, ACTIVITY_KEYS);
        if !ids.insert(id.clone()) {
            reader.problem(entry.start, format!("two activities with the id `{id}`"));
        }
        activities.extend(read_one(reader, entry, book, id));
    }
    reader.place.clear();
    activities
}

fn read_one<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, book: &PriceBook, id: String) -> Option<Activity> {
    let table = read_table(reader, entry);
    let source = reader.required(entry, "source").to_owned();
    if !source.is_empty() && !book.sources.contains_key(source.split(':').next().unwrap_or_default()) {
        reader.problem(entry.start, format!("unknown source `{source}`"));
    }
    if !entry.has("mark") {
        reader.problem(entry.start, "`mark` is missing");
    }
    let mark = price::read_mark(reader, entry).unwrap_or_default();
    let busy = reader.required(entry, "busy").to_owned();
    let idle = reader.text(entry, "idle").map(str::to_owned);
    let services = reader.texts(entry, "services").unwrap_or_else(|| vec![book.service.clone()]);
    if services.is_empty() {
        reader.problem(at(entry, "services"), "`services` is empty: the activity takes no records");
    }
    for service in &services {
        check_meter(reader, entry, (book, service), "busy", &busy);
        if let Some(idle) = &idle {
            check_meter(reader, entry, (book, service), "idle", idle);
        }
    }
    let timing = Timing {
        tail_us: read_duration(reader, entry, "tail").unwrap_or(0),
        minimum_us: read_duration(reader, entry, "minimum").unwrap_or(0),
        step_us: read_duration(reader, entry, "step").unwrap_or(1),
        tail_is_busy: idle.as_ref() == Some(&busy),
    };
    if timing.step_us == 0 {
        reader.problem(at(entry, "step"), "`step` is 0: leave it out when busy time is not rounded");
    }
    if idle.is_some() && timing.tail_us == 0 && entry.has("tail") {
        reader.problem(at(entry, "tail"), "`idle` without a `tail`: an instance is never idle");
    }
    let table = table?;
    let filter = read_expression(reader, entry, table, "filter", None);
    if filter.as_ref().is_some_and(|filter| *filter.value_type() != Type::Condition) {
        reader.problem(at(entry, "filter"), "`filter` is not a condition");
    }
    let duration = match table {
        Table::Requests => "coalesce(duration_us, 0)",
        _ => "duration_us + coalesce(init_us, 0)",
    };
    let duration = read_expression(reader, entry, table, "duration", Some(duration))?;
    let time = Dimensions { time: 1, ..Dimensions::default() };
    if !matches!(duration.value_type(), Type::Number { scale, months: 0, dimensions } if *dimensions == time && *scale == Exact::one())
    {
        reader.problem(at(entry, "duration"), format!("`{duration}` is not a time in µs, such as `duration_us`"));
    }
    let concurrency = read_concurrency(reader, entry, table)?;
    let name = format!("{}.{}.{id}", book.provider, book.service);
    Some(Activity { id, name, table, services, filter, duration, concurrency, timing, busy, idle, source, mark })
}

fn at(entry: Entry<'_>, key: &str) -> usize {
    entry.get(key).map_or(entry.start, |value| value.span().start)
}

fn read_table<'t>(reader: &mut Reader<'t>, entry: Entry<'t>) -> Option<Table> {
    let name = reader.text(entry, "table").unwrap_or(Table::Invocations.name());
    let table = Table::from_name(name).filter(|table| matches!(table, Table::Invocations | Table::Requests));
    if table.is_none() {
        reader.problem(at(entry, "table"), format!("`{name}` is not a table of an activity: invocations or requests"));
    }
    table
}

fn read_expression<'t>(
    reader: &mut Reader<'t>,
    entry: Entry<'t>,
    table: Table,
    key: &str,
    default: Option<&str>,
) -> Option<Expression> {
    let text = reader.text(entry, key).or(default)?;
    reader.ok(at(entry, key), Expression::parse(text, table))
}

/// A whole number, an expression or `unlimited`; the record's own column comes first.
fn read_concurrency<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, table: Table) -> Option<Expression> {
    let place = at(entry, "concurrency");
    let value = entry.get("concurrency").map(|value| value.get_ref());
    let text = match value {
        None => "coalesce(concurrency, 1)".to_owned(),
        Some(value) => match value.as_str() {
            Some(UNLIMITED) => "concurrency".to_owned(),
            Some(expression) => format!("coalesce(concurrency, {expression})"),
            None => format!("coalesce(concurrency, {})", reader.count(entry, "concurrency")?),
        },
    };
    let concurrency = reader.ok(place, Expression::parse(&text, table))?;
    let plain = Expression::parse("concurrency", table).is_ok_and(|own| own.value_type() == concurrency.value_type());
    if !plain {
        let message = format!("`{text}` is not a number of requests: a whole number, an expression or `{UNLIMITED}`");
        reader.problem(place, message);
    }
    Some(concurrency)
}

/// A duration such as `15min`, in microseconds.
fn read_duration<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, key: &str) -> Option<i64> {
    let text = reader.text(entry, key)?;
    match duration_us(text) {
        Ok(us) => Some(us),
        Err(problem) => {
            reader.problem(at(entry, key), format!("`{key}` is `{text}`, not a duration: {problem}"));
            None
        }
    }
}

fn duration_us(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim());
    let known = || TIME_UNITS.map(|(unit, ..)| unit).join(", ");
    if number.is_empty() || unit.is_empty() {
        return Err(format!("expected a number and a unit ({}), such as `15min`", known()));
    }
    let Some((.., unit_us)) = TIME_UNITS.iter().find(|(known, ..)| *known == unit) else {
        let near = nearest_unit(unit).map(|unit| format!(", did you mean `{number}{unit}`?")).unwrap_or_default();
        return Err(format!("unknown unit `{unit}`{near} (units: {})", known()));
    };
    let us = Exact::parse(number).map_err(|error| error.to_string())? * Exact::from(*unit_us);
    match us.to_i128().filter(|_| us.is_integer()).and_then(|us| i64::try_from(us).ok()) {
        Some(us) if us <= DURATION_US_MAX => Ok(us),
        Some(_) => Err("longer than a year".to_owned()),
        None => Err("not a whole number of microseconds".to_owned()),
    }
}

/// The unit most like a word: by its beginning, or else by its letters.
fn nearest_unit(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let begin: Vec<_> = TIME_UNITS.iter().filter(|(_, words, _)| words.starts_with(&word)).collect();
    if let [(unit, ..)] = begin[..] {
        return Some(unit);
    }
    let begun = TIME_UNITS.iter().map(|(unit, ..)| *unit).filter(|unit| unit.len() > 1 && word.starts_with(unit));
    if let Some(unit) = begun.max_by_key(|unit| unit.len()) {
        return Some(unit);
    }
    let near = nearest(&word, TIME_UNITS.iter().flat_map(|(unit, words, _)| [*unit, *words]))?;
    TIME_UNITS.iter().find(|(unit, words, _)| [*unit, *words].contains(&near)).map(|(unit, ..)| *unit)
}

/// A meter must have a SKU of the book that takes it, and the SKU must count time.
fn check_meter<'t>(
    reader: &mut Reader<'t>,
    entry: Entry<'t>,
    (book, service): (&PriceBook, &str),
    key: &str,
    meter: &str,
) {
    if meter.is_empty() {
        return;
    }
    let of_service = |sku: &&Sku| sku.table == Table::Metered && sku.services.iter().any(|own| own == service);
    let metered = || book.skus.iter().filter(of_service);
    let filters = |sku: &Sku| sku.filter.as_ref().is_some_and(|filter| filter.columns().contains("meter"));
    let takes = |sku: &&Sku| {
        !filters(sku) || sku.filter.as_ref().is_some_and(|filter| filter.words_of("meter").contains(meter))
    };
    let takers: Vec<&Sku> = metered().filter(takes).collect();
    if takers.is_empty() {
        let known: BTreeSet<&str> =
            metered().filter_map(|sku| sku.filter.as_ref()).flat_map(|f| f.words_of("meter")).collect();
        let hint = nearest(meter, known).map_or_else(String::new, |known| format!(", did you mean `{known}`?"));
        let whose = if service == book.service { String::new() } else { format!(" of the service `{service}`") };
        reader.problem(at(entry, key), format!("no SKU of the table metered takes the meter `{meter}`{whose}{hint}"));
    }
    for sku in takers {
        let (_, _, dimensions) = sku.unit.parts();
        let problem = if sku.maximum_per.is_some() {
            "counts a maximum, an activity gives intervals"
        } else if dimensions.time != 1 {
            "counts no time"
        } else if instances(&sku.quantity_unit).is_none() {
            "measures a quantity that is neither a number of instances nor their time"
        } else {
            continue;
        };
        let message = format!("the SKU `{}` takes the meter `{meter}`, but {problem}: `{}`", sku.id, sku.unit);
        reader.problem(at(entry, key), message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, expected) in [
            ("0s", 0),
            ("15min", 900_000_000),
            ("1_000ms", 1_000_000),
            ("0.5 s", 500_000),
            ("1us", 1),
            ("2h", 7_200_000_000),
            ("366day", DURATION_US_MAX),
        ] {
            assert_eq!(duration_us(text), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("15 minutes", "did you mean `15min`?"),
            ("15m", "unknown unit `m`"),
            ("3sec", "did you mean `3s`?"),
            ("2hours", "did you mean `2h`?"),
            ("100msec", "did you mean `100ms`?"),
            ("10 fortnights", "(units: us, ms, s, min, h, day)"),
            ("s", "such as `15min`"),
            ("15", "such as `15min`"),
            ("", "such as `15min`"),
            ("0.5us", "whole number of microseconds"),
            ("400day", "longer than a year"),
        ] {
            let problem = duration_us(text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
