//! Checks that the parts of a price book share
use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    BookContext,
    reader::{Entry, Reader},
};
use crate::{expression::Expression, nearest::did_you_mean_or, table::Table, unit::Unit};

/// FOCUS service categories.
const CATEGORIES: &[&str] = &[
    "AI and Machine Learning",
    "Analytics",
    "Business Applications",
    "Compute",
    "Databases",
    "Developer Tools",
    "Multicloud",
    "Identity",
    "Integration",
    "Internet of Things",
    "Management and Governance",
    "Media",
    "Migration",
    "Mobile",
    "Networking",
    "Security",
    "Storage",
    "Web",
    "Other",
];
/// What names the book: words that SKU names, addresses and FOCUS columns are made of.
pub(super) fn identity<'t>(reader: &mut Reader<'t>, root: Entry<'t>) {
    for key in ["provider", "service"] {
        name(reader, root, key);
    }
    let at = |key: &str| root.get(key).map_or(root.start, |value| value.span().start);
    if let Some(version) = reader.text(root, "version")
        && version.parse::<NaiveDate>().is_err()
    {
        reader.problem(at("version"), format!("`version` is `{version}`, not a day such as 2026-10-01"));
    }
    if let Some(currency) = reader.text(root, "currency")
        && (currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        reader.problem(at("currency"), format!("`currency` is `{currency}`, not an ISO 4217 code such as USD"));
    }
    if let Some(category) = reader.text(root, "category") {
        reader.known_word(at("category"), "category", category, CATEGORIES);
    }
}

/// A name that others are made of holds no point, colon, slash, quote or space.
pub(super) fn name<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, key: &str) {
    let Some(value) = entry.get(key) else { return };
    let name = value.get_ref().as_str().unwrap_or_default();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        let message = format!("`{key}` is `{name}`: letters, digits, `-` and `_` make a name");
        reader.problem(value.span().start, message);
    }
}

/// A rule that counts nothing but the column `quantity`, over a time, counts the things the unit says.
pub(super) fn things_counted(reader: &mut Reader<'_>, at: usize, rule: &Expression, quantity: &Unit, unit: &Unit) {
    let columns = rule.columns();
    let alone = columns.contains("quantity") && columns.iter().all(|name| ["quantity", "held_us"].contains(name));
    if alone && !unit.labels().is_empty() && quantity.labels() != unit.labels() {
        let message = format!("the rule counts `{quantity}` (`meter_unit`), the SKU is in `{unit}`");
        reader.problem(at, message);
    }
}

/// `from` and `to`: the first day and the first day after.
pub(super) fn read_days<'t>(reader: &mut Reader<'t>, entry: Entry<'t>) -> (Option<NaiveDate>, Option<NaiveDate>) {
    let (from, to) = (reader.day(entry, "from"), reader.day(entry, "to"));
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        reader.problem(entry.start, format!("the period ends on {to}, before it starts on {from}"));
    }
    (from, to)
}

/// `source`, where it is given, names a source of the book.
pub(super) fn source<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, sources: &BTreeMap<String, String>) {
    let Some(source) = reader.text(entry, "source") else { return };
    let key = source.split(':').next().unwrap_or_default();
    if !sources.contains_key(key) {
        let at = entry.get("source").map_or(entry.start, |value| value.span().start);
        let hint = did_you_mean_or(key, sources.keys().map(String::as_str));
        reader.problem_with_hint(at, format!("unknown source `{source}`"), hint);
    }
}

/// `region`, where it is given, names a region set of the book.
pub(super) fn read_region<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, book: &BookContext) -> Option<String> {
    let set = reader.text(entry, "region")?;
    if !book.regions.contains_key(set) {
        let at = entry.get("region").map_or(entry.start, |value| value.span().start);
        let hint = did_you_mean_or(set, book.regions.keys().map(String::as_str));
        reader.problem_with_hint(at, format!("unknown region set `{set}`"), hint);
    }
    Some(set.to_owned())
}

/// What a SKU is made of, each by itself.
pub(super) fn sku<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, table: Option<Table>) {
    name(reader, entry, "id");
    if reader.texts(entry, "services").is_some_and(|services| services.is_empty()) {
        reader.problem(entry.start, "`services` is empty: no rows feed the SKU");
    }
    if entry.has("meter_unit") && table.is_some_and(|table| table != Table::Metered) {
        reader.problem(entry.start, "`meter_unit` is for the table metered alone");
    }
}

/// `default` is one of the keys that have a price.
pub(super) fn default_key(reader: &mut Reader<'_>, entry: Entry<'_>, keys: &[Option<String>]) {
    let Some(default) = entry.get("default") else { return };
    let at = default.span().start;
    let known: Vec<&str> = keys.iter().flatten().map(String::as_str).collect();
    match (default.get_ref().as_str(), entry.has("by")) {
        (_, false) => reader.problem(at, "`default` without `by`"),
        (Some(default), true) if !known.is_empty() => drop(reader.known_word(at, "key in `default`:", default, &known)),
        _ => {}
    }
}
