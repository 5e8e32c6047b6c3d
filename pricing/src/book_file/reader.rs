//! Typed access to a TOML document that notes what is wrong, with its line, and goes on
use chrono::NaiveDate;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    catalogue::Problem,
    exact::{Exact, ParseExactError},
    expression::ExpressionError,
    nearest::did_you_mean_or,
    unit::{Unit, UnitError},
    zone::ZoneError,
};

/// A table of the document and where it is.
#[derive(Clone, Copy)]
pub(super) struct Entry<'t> {
    pub table: &'t DeTable<'t>,
    /// Byte at which it starts.
    pub start: usize,
}

impl<'t> Entry<'t> {
    /// The value of a key.
    pub fn get(self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.iter().find(|(name, _)| name.get_ref().as_ref() == key).map(|(_, value)| value)
    }

    /// Whether the key is there.
    pub fn has(self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Keys and the bytes they stand at, in the order of the file.
    pub fn keys(self) -> Vec<(&'t str, usize)> {
        let mut keys: Vec<_> = self.table.keys().map(|name| (name.get_ref().as_ref(), name.span().start)).collect();
        keys.sort_by_key(|(_, start)| *start);
        keys
    }

    /// Keys and values in the order of the file.
    pub fn in_order(self) -> Vec<(&'t str, &'t Spanned<DeValue<'t>>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        entries.into_iter().map(|(name, value)| (name.get_ref().as_ref(), value)).collect()
    }
}

/// An error that may say what to write instead.
pub(super) trait Told: std::fmt::Display {
    /// What to write instead.
    fn hint(&self) -> Option<String>;
}

impl Told for UnitError {
    fn hint(&self) -> Option<String> {
        self.hint()
    }
}

impl Told for ExpressionError {
    fn hint(&self) -> Option<String> {
        self.hint()
    }
}

impl Told for ZoneError {
    fn hint(&self) -> Option<String> {
        None
    }
}

impl Told for ParseExactError {
    fn hint(&self) -> Option<String> {
        self.hint()
    }
}

/// Reads values and collects problems.
pub(super) struct Reader<'t> {
    /// Name of the book.
    pub book: &'t str,
    /// Text of the book.
    pub text: &'t str,
    /// The SKU or allowance being read, in words.
    pub place: String,
    /// What has been found wrong.
    pub problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    /// The line a byte of the text is in, from 1.
    pub fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// Notes a problem at a byte of the text.
    pub fn problem(&mut self, at: usize, message: impl Into<String>) {
        self.problem_with_hint(at, message, None);
    }

    /// Notes a problem at a byte of the text, and what to write instead.
    pub fn problem_with_hint(&mut self, at: usize, message: impl Into<String>, hint: Option<String>) {
        let (line, place) = (self.line(at), self.place.clone());
        let problem = Problem { book: self.book.to_owned(), line, place, message: message.into(), hint };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Notes an error and gives nothing.
    pub fn ok<T, E: Told>(&mut self, at: usize, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.problem_with_hint(at, error.to_string(), error.hint())).ok()
    }

    /// Notes every key that is not one of those known.
    pub fn known_keys(&mut self, entry: Entry<'t>, known: &[&str]) {
        for (name, at) in entry.keys() {
            if !known.contains(&name) {
                let hint = did_you_mean_or(name, known.iter().copied());
                self.problem_with_hint(at, format!("unknown key `{name}`"), hint);
            }
        }
    }

    /// Notes a word that is not one of those known.
    pub fn known_word(&mut self, at: usize, what: &str, word: &str, known: &[&str]) -> bool {
        let is_known = known.contains(&word);
        if !is_known {
            let hint = did_you_mean_or(word, known.iter().copied());
            self.problem_with_hint(at, format!("unknown {what} `{word}`"), hint);
        }
        is_known
    }

    /// A text, when the key is there.
    pub fn text(&mut self, entry: Entry<'t>, key: &str) -> Option<&'t str> {
        let value = entry.get(key)?;
        if value.get_ref().as_str().is_none() {
            self.problem(value.span().start, format!("`{key}` is not a text in quotes"));
        }
        value.get_ref().as_str()
    }

    /// A text that must be there; empty when it is not.
    pub fn required(&mut self, entry: Entry<'t>, key: &str) -> &'t str {
        if !entry.has(key) {
            self.problem(entry.start, format!("`{key}` is missing"));
        }
        self.text(entry, key).unwrap_or_default()
    }

    /// A decimal in quotes that is not below 0.
    pub fn decimal(&mut self, entry: Entry<'t>, key: &str) -> Option<(Exact, &'t str)> {
        let value = entry.get(key)?;
        self.decimal_value(key, value)
    }

    /// As [`Reader::decimal`], of a value.
    pub fn decimal_value(&mut self, key: &str, value: &'t Spanned<DeValue<'t>>) -> Option<(Exact, &'t str)> {
        let at = value.span().start;
        let Some(text) = value.get_ref().as_str() else {
            let written = self.text.get(value.span()).unwrap_or_default();
            let hint = Exact::parse(written).ok().map(|number| format!("write \"{number}\""));
            self.problem_with_hint(at, format!("`{key}` is not a decimal in quotes"), hint);
            return None;
        };
        match plain_decimal(text) {
            Ok(number) if number.is_negative() => {
                self.problem(at, format!("`{key}` is {number}, below 0"));
                None
            }
            Ok(number) => Some((number, text)),
            Err((message, hint)) => {
                self.problem_with_hint(at, format!("`{key}` {message}"), hint);
                None
            }
        }
    }

    /// A whole number of at least 1.
    pub fn count(&mut self, entry: Entry<'t>, key: &str) -> Option<u32> {
        let value = entry.get(key)?;
        let count = value.get_ref().as_integer().and_then(|integer| integer.as_str().parse().ok());
        if count.is_none_or(|count: u32| count == 0) {
            self.problem(value.span().start, format!("`{key}` is not a whole number above 0"));
        }
        count
    }

    /// A flag; no when the key is absent.
    pub fn flag(&mut self, entry: Entry<'t>, key: &str) -> bool {
        let Some(value) = entry.get(key) else { return false };
        if value.get_ref().as_bool().is_none() {
            self.problem(value.span().start, format!("`{key}` is neither true nor false"));
        }
        value.get_ref().as_bool().unwrap_or_default()
    }

    /// A day.
    pub fn day(&mut self, entry: Entry<'t>, key: &str) -> Option<NaiveDate> {
        let value = entry.get(key)?;
        let text = match value.get_ref() {
            DeValue::Datetime(datetime) => datetime.to_string(),
            DeValue::String(text) => text.to_string(),
            _ => String::new(),
        };
        let day = text.parse().ok();
        if day.is_none() {
            self.problem(value.span().start, format!("`{key}` is not a day such as 2019-06-01"));
        }
        day
    }

    /// A unit.
    pub fn unit(&mut self, entry: Entry<'t>, key: &str) -> Option<Unit> {
        let at = entry.get(key).map_or(entry.start, |value| value.span().start);
        let text = self.text(entry, key)?;
        self.ok(at, Unit::parse(text))
    }

    /// A list of texts, when the key is there.
    pub fn texts(&mut self, entry: Entry<'t>, key: &str) -> Option<Vec<String>> {
        let value = entry.get(key)?;
        let texts: Option<Vec<String>> = value
            .get_ref()
            .as_array()
            .map(|items| items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect())
            .unwrap_or_default();
        if texts.is_none() {
            self.problem(value.span().start, format!("`{key}` is not a list of texts"));
        }
        texts
    }

    /// A table, when the key is there.
    pub fn table(&mut self, entry: Entry<'t>, key: &str) -> Option<Entry<'t>> {
        let value = entry.get(key)?;
        let start = value.span().start;
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.problem(start, format!("`{key}` is not a table"));
        }
        table.map(|table| Entry { table, start })
    }

    /// The tables of a list; none when the key is absent.
    pub fn tables(&mut self, entry: Entry<'t>, key: &str) -> Vec<Entry<'t>> {
        let Some(value) = entry.get(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.problem(value.span().start, format!("`{key}` is not a list of tables"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_table() {
                Some(table) => tables.push(Entry { table, start: item.span().start }),
                None => self.problem(item.span().start, format!("`{key}` holds something else than tables")),
            }
        }
        tables
    }
}

/// Reads a decimal as a price book may write it: digits, `_` between digits, a point. What is wrong with it, and what
/// to write instead.
fn plain_decimal(text: &str) -> Result<Exact, (String, Option<String>)> {
    let shown: String = text.chars().take(80).collect();
    let instead = |text: &str| Exact::parse(text).ok().map(|number| format!("write \"{number}\""));
    if text.contains(',') {
        // A single comma with other than 3 digits after it can only be a decimal comma.
        let decimal = text.split_once(',').filter(|(_, rest)| rest.len() != 3 && !rest.contains([',', '.']));
        let hint = match decimal {
            Some((whole, rest)) => instead(&format!("{whole}.{rest}")),
            None => instead(&text.replace(',', "")).map(|hint| format!("{hint}, or a point if the comma is decimal")),
        };
        return Err((format!("is `{shown}`, with a comma"), hint));
    }
    let stripped = text.trim_start_matches(['$', '€', '£', '¥', '+', ' ']).trim_end();
    if stripped.contains(['e', 'E']) && Exact::parse(stripped).is_ok() {
        return Err((format!("is `{shown}`, with an exponent"), instead(stripped)));
    }
    if stripped != text {
        let message = format!("is `{shown}`: only digits, a point and `_` between digits");
        return Err((message, instead(stripped)));
    }
    Exact::parse(text).map_err(|error| (format!("is wrong: {error}"), error.hint()))
}
