//! `[[commitment]]`: plans that accounts can commit to
use std::collections::BTreeMap;

use super::{
    BookContext, check,
    price::{read_mark, read_marks},
    reader::{Entry, Reader},
};
use crate::{
    book::{CommitmentKind, CommitmentPlan, CommittedRates},
    exact::Exact,
};

const COMMITMENT_KEYS: &[&str] = &[
    "id",
    "description",
    "kind",
    "skus",
    "rate",
    "rates",
    "percent",
    "per",
    "upfront",
    "upfronts",
    "term_months",
    "priority",
    "from",
    "to",
    "source",
    "mark",
    "marks",
    "note",
];

/// Reads a plan; whether its SKUs exist is known only with all books.
pub(super) fn read<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, book: &BookContext) -> Option<CommitmentPlan> {
    reader.place.clear();
    let id = reader.required(entry, "id").to_owned();
    reader.place = format!("commitment `{id}`");
    reader.known_keys(entry, COMMITMENT_KEYS);
    let kind = match reader.required(entry, "kind") {
        "usage" => Some(CommitmentKind::Usage),
        "spend" => Some(CommitmentKind::Spend),
        "" => None,
        other => {
            reader.known_word(entry.start, "kind", other, &["usage", "spend"]);
            None
        }
    };
    let skus = reader.texts(entry, "skus").unwrap_or_default();
    if skus.is_empty() {
        reader.problem(entry.start, "`skus` is missing or empty");
    }
    let source = reader.required(entry, "source").to_owned();
    check::source(reader, entry, &book.sources);
    let per = reader.unit(entry, "per");
    let rates = read_rates(reader, entry, kind)?;
    let by_percent = matches!(rates, CommittedRates::Percent(_));
    if per.is_none() && !by_percent && !entry.has("per") {
        reader.problem(entry.start, "`per` is missing");
    }
    let by_the_hour = per.as_ref().is_none_or(|per| per.text().split('-').any(|atom| atom == "h"));
    if kind == Some(CommitmentKind::Usage) && !by_the_hour {
        reader.problem(entry.start, "usage is committed by the hour: `per` has `h` in it, such as `instance-h`");
    }
    let mut upfront = BTreeMap::new();
    if let Some((fee, _)) = reader.decimal(entry, "upfront") {
        upfront.insert(String::new(), fee);
    }
    for (key, value) in reader.table(entry, "upfronts").map(Entry::in_order).unwrap_or_default() {
        if let Some((fee, _)) = reader.decimal_value(key, value) {
            upfront.insert(key.to_owned(), fee);
        }
    }
    let term_months = reader.count(entry, "term_months");
    if !upfront.is_empty() && term_months.is_none() {
        reader.problem(entry.start, "an upfront fee is spread over the term: `term_months` is missing");
    }
    let mark = read_mark(reader, entry).unwrap_or_default();
    let (from, to) = check::read_days(reader, entry);
    Some(CommitmentPlan {
        name: format!("{}.{}.{id}", book.provider, book.service),
        description: reader.text(entry, "description").unwrap_or(&id).to_owned(),
        id,
        line: reader.line(entry.start),
        kind: kind?,
        skus,
        rates,
        per,
        upfront,
        term_months,
        priority: reader.count(entry, "priority").unwrap_or(1),
        from,
        to,
        source,
        marks: read_marks(reader, entry),
        mark,
    })
}

/// Exactly one of `rate`, `rates` and `percent`.
fn read_rates<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, kind: Option<CommitmentKind>) -> Option<CommittedRates> {
    let given = ["rate", "rates", "percent"].iter().filter(|key| entry.has(key)).count();
    if given != 1 {
        reader.problem(entry.start, "a commitment has one of `rate`, `rates` and `percent`");
        return None;
    }
    if let Some((rate, text)) = reader.decimal(entry, "rate") {
        return Some(CommittedRates::One(rate, text.to_owned()));
    }
    if let Some((percent, text)) = reader.decimal(entry, "percent") {
        if percent > Exact::from(100) {
            reader.problem(entry.start, format!("`percent` is {text}, above 100"));
        }
        if kind == Some(CommitmentKind::Usage) {
            reader.problem(entry.start, "`percent` is for commitments of the kind `spend`");
        }
        return Some(CommittedRates::Percent(percent));
    }
    let table = reader.table(entry, "rates")?;
    let mut rates = BTreeMap::new();
    for (key, value) in table.in_order() {
        if let Some((rate, text)) = reader.decimal_value(key, value) {
            rates.insert(key.to_owned(), (rate, text.to_owned()));
        }
    }
    Some(CommittedRates::ByKey(rates))
}
