//! Typed access to a TOML document that notes what is wrong, with its line, and goes on
use std::fmt::Display;

use paygrain_pricing::nearest;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::DeploymentProblem;

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

    /// Keys, the bytes they stand at, and values, in the order of the file.
    pub fn in_order(self) -> Vec<(&'t str, usize, &'t Spanned<DeValue<'t>>)> {
        let entries = self.table.iter();
        let mut entries: Vec<_> =
            entries.map(|(name, value)| (name.get_ref().as_ref(), name.span().start, value)).collect();
        entries.sort_by_key(|(_, start, _)| *start);
        entries
    }
}

/// Reads values and collects problems.
pub(super) struct Reader<'t> {
    /// Name of the file.
    pub file: &'t str,
    /// Its text.
    pub text: &'t str,
    /// The size or line being read, in words.
    pub place: String,
    /// What has been found wrong.
    pub problems: Vec<DeploymentProblem>,
}

impl<'t> Reader<'t> {
    /// Notes a problem at a byte of the text.
    pub fn problem(&mut self, at: usize, message: impl Display) {
        self.problem_with_hint(at, message, None);
    }

    /// Notes a problem at a byte of the text, and what to write instead.
    pub fn problem_with_hint(&mut self, at: usize, message: impl Display, hint: Option<String>) {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let (file, place) = (self.file.to_owned(), self.place.clone());
        let problem = DeploymentProblem { file, line, place, message: message.to_string(), hint };
        // What all sizes share is read once for each.
        let known = |other: &DeploymentProblem| other.line == problem.line && other.message == problem.message;
        if !self.problems.iter().any(known) {
            self.problems.push(problem);
        }
    }

    /// Notes every key that is not one of those known.
    pub fn known_keys(&mut self, entry: Entry<'t>, known: &[&str]) {
        for (name, at, _) in entry.in_order() {
            if !known.contains(&name) {
                self.problem_with_hint(at, format!("unknown key `{name}`"), did_you_mean(name, known));
            }
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&mut self, entry: Entry<'t>, key: &str, known: &[(&str, T)]) -> Option<T> {
        let at = self.at(entry, key);
        let word = self.text(entry, key)?;
        let found = known.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.problem_with_hint(at, format!("unknown {key} `{word}`"), did_you_mean(word, &names));
        }
        found
    }

    /// As [`Reader::word`], of a word that must be there.
    pub fn required_word<T: Copy>(&mut self, entry: Entry<'t>, key: &str, known: &[(&str, T)]) -> Option<T> {
        self.must_have(entry, key);
        self.word(entry, key, known)
    }

    /// Where a value stands, or else its table.
    pub fn at(&self, entry: Entry<'t>, key: &str) -> usize {
        entry.get(key).map_or(entry.start, |value| value.span().start)
    }

    /// Notes that a key is missing.
    pub fn must_have(&mut self, entry: Entry<'t>, key: &str) {
        if entry.get(key).is_none() {
            self.problem(entry.start, format!("`{key}` is missing"));
        }
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
        self.must_have(entry, key);
        self.text(entry, key).unwrap_or_default()
    }

    /// A whole number that is not below a least one.
    pub fn integer(&mut self, entry: Entry<'t>, key: &str, least: i64) -> Option<i64> {
        let value = entry.get(key)?;
        let number = integer(value.get_ref()).filter(|number| *number >= least);
        if number.is_none() {
            self.problem(value.span().start, format!("`{key}` is not a whole number of at least {least}"));
        }
        number
    }

    /// A flag; no when the key is absent.
    pub fn flag(&mut self, entry: Entry<'t>, key: &str) -> bool {
        let Some(value) = entry.get(key) else { return false };
        if value.get_ref().as_bool().is_none() {
            self.problem(value.span().start, format!("`{key}` is neither true nor false"));
        }
        value.get_ref().as_bool().unwrap_or_default()
    }

    /// A number with its unit, such as `"15min"`, in the smallest of the units.
    pub fn measure(&mut self, entry: Entry<'t>, key: &str, units: &[(&str, i64)]) -> Option<i64> {
        let at = self.at(entry, key);
        let text = self.text(entry, key)?;
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let factor = units.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor);
        let measure =
            number.parse().ok().zip(factor).and_then(|(number, factor): (i64, i64)| number.checked_mul(factor));
        if measure.is_none() {
            let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
            let message = format!("`{text}` is not a whole number and a unit such as \"15{}\"", names[names.len() / 2]);
            self.problem_with_hint(at, message, Some(format!("units: {}", names.join(", "))));
        }
        measure
    }

    /// A list of texts; none when the key is absent.
    pub fn texts(&mut self, entry: Entry<'t>, key: &str) -> Vec<(&'t str, usize)> {
        let Some(value) = entry.get(key) else { return Vec::new() };
        let items = value.get_ref().as_array();
        let texts = items.map(|items| {
            items.iter().map(|item| Some((item.get_ref().as_str()?, item.span().start))).collect::<Option<Vec<_>>>()
        });
        texts.flatten().unwrap_or_else(|| {
            self.problem(value.span().start, format!("`{key}` is not a list of texts"));
            Vec::new()
        })
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
        let items = value.get_ref().as_array();
        let tables = items.map(|items| {
            let table = |item: &'t Spanned<DeValue<'t>>| {
                Some(Entry { table: item.get_ref().as_table()?, start: item.span().start })
            };
            items.iter().map(table).collect::<Option<Vec<_>>>()
        });
        tables.flatten().unwrap_or_else(|| {
            self.problem(value.span().start, format!("`{key}` is not a list of tables"));
            Vec::new()
        })
    }
}

/// A whole number.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    value.as_integer().and_then(|integer| integer.as_str().parse().ok())
}

/// A question that names the nearest known word, or else all of them.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    let near = nearest(word, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    near.or_else(|| (!known.is_empty()).then(|| format!("known: {}", known.join(", "))))
}
