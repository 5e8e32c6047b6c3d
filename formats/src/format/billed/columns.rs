//! Columns of an export by any spelling of their names, and the values of its rows.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use crate::error::IngestError;
use crate::format::billed::plain;
use crate::format::billed::values::{json_object, time};
use crate::format::decimal;
use crate::record::{BilledLine, RecordKey};

/// The columns of an export.
#[derive(Default)]
pub(in crate::format) struct Columns {
    pub(super) names: Vec<String>,
    plain: Vec<String>,
    /// How often each name is there as it is written.
    times: HashMap<String, usize>,
    /// The first column of each plain name.
    places: HashMap<String, usize>,
    /// Places in the order of their names, so that the order of columns does not matter.
    sorted: Vec<usize>,
}

impl Columns {
    /// The columns of a header.
    pub(in crate::format) fn of(names: &[String]) -> Self {
        let mut columns = Columns::default();
        for name in names {
            columns.push(name);
        }
        columns.sort();
        columns
    }

    pub(super) fn push(&mut self, name: &str) -> usize {
        let place = self.names.len();
        let times = self.times.entry(name.to_owned()).or_default();
        *times += 1;
        self.names.push(if *times == 1 { name.to_owned() } else { format!("{name} ({times})") });
        self.plain.push(plain(name));
        self.places.entry(plain(name)).or_insert(place);
        place
    }

    pub(super) fn sort(&mut self) {
        self.sorted = (0..self.names.len()).collect();
        self.sorted.sort_by(|left, right| self.names[*left].cmp(&self.names[*right]));
    }

    /// The places of the columns of these names, as far as there are such; the first that has a value counts.
    pub(in crate::format) fn find(&self, names: &[&str]) -> Places {
        Places(names.iter().filter_map(|name| self.places.get(&plain(name)).copied()).collect())
    }

    /// Whether there is a column of this name.
    pub(in crate::format) fn has(&self, name: &str) -> bool {
        self.places.contains_key(&plain(name))
    }

    /// A column as the export writes its name.
    pub(in crate::format) fn name_of(&self, name: &str) -> Option<&str> {
        self.names.get(*self.places.get(&plain(name))?).map(String::as_str)
    }

    /// Places and names, as the export writes them.
    pub(in crate::format) fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        self.names.iter().map(String::as_str).enumerate()
    }

    /// Names every column that is required and not there; each is given by its alternative names.
    ///
    /// # Errors
    /// When one is missing.
    pub(in crate::format) fn require(&self, what: &str, required: &[&[&str]]) -> Result<(), IngestError> {
        let missing: Vec<String> = required
            .iter()
            .filter(|names| !names.iter().any(|name| self.has(name)))
            .map(|names| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "))
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(IngestError::MissingColumns { what: what.to_owned(), missing }) }
    }
}

/// Where a value may stand: the places of a column and of its alternatives.
#[derive(Clone, Debug, Default)]
pub(in crate::format) struct Places(Vec<usize>);

impl Places {
    /// One place.
    pub(in crate::format) fn at(place: usize) -> Self {
        Places(vec![place])
    }

    /// Whether the file has none of the columns.
    pub(in crate::format) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A column of [`BilledLine`] and the names it has in an export, best first.
pub(in crate::format) struct Column {
    target: &'static str,
    is_number: bool,
    names: &'static [&'static str],
}

/// A column of text.
pub(in crate::format) const fn text(target: &'static str, names: &'static [&'static str]) -> Column {
    Column { target, is_number: false, names }
}

/// A column of numbers.
pub(in crate::format) const fn number(target: &'static str, names: &'static [&'static str]) -> Column {
    Column { target, is_number: true, names }
}

/// Where a file has the columns that are copied.
#[derive(Default)]
pub(in crate::format) struct Copied(Vec<(&'static str, bool, Places)>);

impl Copied {
    /// Looks them up.
    pub(in crate::format) fn find(columns: &Columns, wanted: &[Column]) -> Self {
        let mut copied = Copied::default();
        for column in wanted {
            copied.add(columns, column.target, column.is_number, column.names);
        }
        copied
    }

    /// Adds a column.
    pub(in crate::format) fn add(&mut self, columns: &Columns, target: &'static str, is_number: bool, names: &[&str]) {
        let places = columns.find(names);
        if !places.0.is_empty() {
            self.0.push((target, is_number, places));
        }
    }

    /// Copies a row's values.
    ///
    /// # Errors
    /// When a number is none.
    pub(in crate::format) fn fill(&self, row: &Row<'_>, line: &mut BilledLine) -> Result<(), String> {
        for (target, is_number, places) in &self.0 {
            let Some(column) = line.column_mut(target) else { continue };
            *column = if *is_number { row.amount(places)? } else { row.text(places).map(str::to_owned) };
        }
        Ok(())
    }
}

/// One row. A value that is asked for is no longer one of the [others](Row::others).
pub(in crate::format) struct Row<'a> {
    columns: &'a Columns,
    line: Option<u64>,
    values: Vec<Option<Cow<'a, str>>>,
    asked: Vec<Cell<bool>>,
}

impl<'a> Row<'a> {
    pub(super) fn new(
        columns: &'a Columns,
        line: Option<u64>,
        mut values: Vec<Option<Cow<'a, str>>>,
        null_word: Option<(&str, &Places)>,
    ) -> Self {
        let word = null_word.filter(|(word, sure)| {
            sure.0.iter().any(|place| values.get(*place).is_some_and(|value| value.as_deref() == Some(*word)))
        });
        for value in &mut values {
            let is_null = |text: &str| text.trim().is_empty() || word.is_some_and(|(word, _)| word == text);
            if value.as_deref().is_some_and(is_null) {
                *value = None;
            }
        }
        let asked = vec![Cell::new(false); values.len()];
        Row { columns, line, values, asked }
    }

    /// Whether it is the header again: files that were put together have one in the middle.
    pub(in crate::format) fn is_header(&self) -> bool {
        let repeats = |(place, name): (usize, &String)| self.value(place).is_some_and(|value| plain(value) == *name);
        !self.columns.plain.is_empty() && self.columns.plain.iter().enumerate().all(repeats)
    }

    /// Where it begins in the file, from 1.
    pub(in crate::format) fn line(&self) -> Option<u64> {
        self.line
    }

    /// A value as it stands there; none where it is empty or the column is not there.
    pub(in crate::format) fn text(&self, places: &Places) -> Option<&str> {
        let (place, value) = places.0.iter().find_map(|place| Some((*place, self.value(*place)?)))?;
        self.asked.get(place)?.set(true);
        Some(value)
    }

    /// As [`text`](Self::text), without asking for it: it stays one of the others.
    pub(in crate::format) fn peek(&self, places: &Places) -> Option<&str> {
        places.0.iter().find_map(|place| self.value(*place))
    }

    fn value(&self, place: usize) -> Option<&str> {
        self.values.get(place)?.as_deref()
    }

    /// As [`amount`](Self::amount), without asking for it.
    ///
    /// # Errors
    /// When it is none.
    pub(in crate::format) fn peek_amount(&self, places: &Places) -> Result<Option<String>, String> {
        self.peek(places).map(|text| self.canonical(places, text)).transpose()
    }

    fn canonical(&self, places: &Places, text: &str) -> Result<String, String> {
        decimal::canonical(text.trim()).map_err(|problem| format!("`{}` {problem}", self.name(places)))
    }

    /// The name of the column that has the value, or of the first, for messages.
    pub(in crate::format) fn name(&self, places: &Places) -> &str {
        let place = places.0.iter().find(|place| self.value(**place).is_some()).or(places.0.first());
        place.and_then(|place| self.columns.names.get(*place)).map_or("", String::as_str)
    }

    /// A number as [`canonical`](decimal::canonical) writes it.
    ///
    /// # Errors
    /// When it is none.
    pub(in crate::format) fn amount(&self, places: &Places) -> Result<Option<String>, String> {
        self.text(places).map(|text| self.canonical(places, text)).transpose()
    }

    /// A time, microseconds since 1970 UTC.
    ///
    /// # Errors
    /// When it is none.
    pub(in crate::format) fn time(&self, places: &Places) -> Result<Option<i64>, String> {
        let Some(text) = self.text(places) else { return Ok(None) };
        match time(text) {
            Some(time) => Ok(Some(time)),
            None => Err(format!("`{}` is `{text}`, expected a time such as 2026-10-01T00:00:00Z", self.name(places))),
        }
    }

    /// The values that nobody asked for, as a JSON object of texts by the names of their columns.
    pub(in crate::format) fn others(&self) -> Option<String> {
        self.others_without("")
    }

    /// As [`others`](Self::others), without those that have a certain value.
    pub(in crate::format) fn others_without(&self, unwanted: &str) -> Option<String> {
        let rest = self.columns.sorted.iter().filter(|place| self.asked.get(**place).is_some_and(|asked| !asked.get()));
        let named = rest.filter_map(|place| Some((self.columns.names.get(*place)?.as_str(), self.value(*place)?)));
        json_object(named.filter(|(_, value)| *value != unwanted))
    }

    /// A hash of everything in the row, whatever the order of the columns.
    pub(in crate::format) fn hash(&self) -> RecordKey {
        let mut parts = Vec::with_capacity(2 * self.values.len());
        for place in &self.columns.sorted {
            if let (Some(name), Some(value)) = (self.columns.plain.get(*place), self.value(*place)) {
                parts.push(Some(name.as_str()));
                parts.push(Some(value));
            }
        }
        RecordKey::of(&parts)
    }
}

#[cfg(test)]
mod tests {
    use super::Columns;
    use crate::format::billed::plain;

    #[test]
    fn names_of_columns_are_one_in_any_spelling() {
        for (one, other) in [
            ("lineItem/UnblendedCost", "line_item_unblended_cost"),
            ("CostInBillingCurrency", "costInBillingCurrency"),
            ("Abonnement-GUID (SubscriptionGuid)", "subscription guid"),
        ] {
            assert_eq!(plain(one), plain(other));
        }
        let columns = Columns::of(&["Cost".into(), "cost".into(), "Cost".into()]);
        assert_eq!(columns.iter().map(|(_, name)| name).collect::<Vec<_>>(), ["Cost", "cost", "Cost (2)"]);
    }
}
