//! The words of an estimate's usage rows: the columns of the usage tables, other units for them, and what describes a row
use crate::table::{Column, Table};

/// Words that describe a row, in every table.
pub(super) const ROW_WORDS: &[&str] = &[
    "account",
    "at",
    "count",
    "days",
    "every_ms",
    "every_s",
    "from",
    "organisation",
    "provider",
    "region",
    "resource",
    "service",
    "table",
    "to",
];

/// Words for a column in another unit: word, column, exact factor to the column.
const ALIASES: &[(&str, &str, i64)] = &[
    ("duration_ms", "duration_us", 1_000),
    ("duration_s", "duration_us", 1_000_000),
    ("init_ms", "init_us", 1_000),
    ("billed_ms", "billed_us", 1_000),
    ("cpu_ms", "cpu_us", 1_000),
    ("cpu_s", "cpu_us", 1_000_000),
    ("memory_gb", "memory_mb", 1_024),
    ("ephemeral_gb", "ephemeral_mb", 1_024),
    ("size_gb", "size_mb", 1_024),
    ("vcpu", "vcpu_milli", 1_000),
    ("seconds", "held_us", 1_000_000),
    ("minutes", "held_us", 60_000_000),
    ("hours", "held_us", 3_600_000_000),
    ("held_days", "held_us", 86_400_000_000),
    ("request_kb", "request_bytes", 1_000),
    ("request_gb", "request_bytes", 1_000_000_000),
    ("request_kib", "request_bytes", 1 << 10),
    ("request_mib", "request_bytes", 1 << 20),
    ("request_gib", "request_bytes", 1 << 30),
    ("request_tib", "request_bytes", 1 << 40),
    ("response_kb", "response_bytes", 1_000),
    ("response_gb", "response_bytes", 1_000_000_000),
    ("response_kib", "response_bytes", 1 << 10),
    ("response_mib", "response_bytes", 1 << 20),
    ("response_gib", "response_bytes", 1 << 30),
    ("response_tib", "response_bytes", 1 << 40),
    ("gb", "bytes", 1_000_000_000),
    ("gib", "bytes", 1 << 30),
    ("tib", "bytes", 1 << 40),
];

/// The column a word stands for, and the factor to its unit.
pub(super) fn column_of(word: &str) -> (&str, i64) {
    ALIASES.iter().find(|(alias, ..)| *alias == word).map_or((word, 1), |(_, column, factor)| (column, *factor))
}

/// The table a row is of, by its words, when it does not say.
pub(super) fn table_of<'a>(words: impl Iterator<Item = &'a str> + Clone) -> Table {
    let has = |wanted: &str| words.clone().any(|word| column_of(word).0 == wanted);
    if has("meter") {
        Table::Metered
    } else if has("gb_months") || has("bytes") {
        Table::Storage
    } else if has("duration_us") {
        Table::Invocations
    } else {
        Table::Requests
    }
}

/// Words that describe a row of one table besides its columns: both stand for a measured quantity.
pub(super) fn own_words(table: Table) -> &'static [&'static str] {
    match table {
        Table::Storage => &["gb_months"],
        Table::Metered => &["unit"],
        Table::Invocations | Table::Requests => &[],
    }
}

/// The column of a table that a word stands for, and the factor to its unit.
pub(super) fn column(table: Table, word: &str) -> Option<(&'static Column, i64)> {
    let (name, factor) = column_of(word);
    table.column(name).map(|column| (column, factor))
}

/// Every word a row of a table may have.
pub(super) fn words(table: Table) -> Vec<&'static str> {
    let columns = table.columns().iter().map(|column| column.name);
    let aliases = ALIASES.iter().filter(|(_, column, _)| table.column(column).is_some()).map(|(alias, ..)| *alias);
    let mut words: Vec<_> =
        columns.chain(aliases).chain(ROW_WORDS.iter().copied()).chain(own_words(table).iter().copied()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_names_a_column_and_no_column_is_an_alias() {
        for (alias, column, _) in ALIASES {
            assert!(Table::ALL.iter().any(|table| table.column(column).is_some()), "{alias} → {column}");
            assert!(Table::ALL.iter().all(|table| table.column(alias).is_none()), "{alias}");
        }
    }
}
