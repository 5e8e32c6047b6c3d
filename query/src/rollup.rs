//! Rollups: sums over usage records from which questions are answered without reading the records again.
//!
//! Records that have everything in common but their times, durations and sizes are of one [`Class`]. Per class are kept
//! - by hour: how many records, and the sum of every *term* of the price books' rules: the part of a per-record quantity
//!   that differs from record to record (`ceil_to(duration_us, 1ms)`), see [`paygrain_pricing::expression::Part`];
//! - by day: how many records took how many whole milliseconds (rounded up), and used how much memory;
//! - by second: how many executions start and how many end, see [`seconds`].
//!
//! All of it is integers that are added, so a sum over rollups is the sum over their records, to the last digit.
//!
//! A [`Rollup`] is of data files of one day of one table, and says which. Data files never change, so it is never wrong;
//! and a question about a state of the lake takes rollups of exactly the files of that state: what a rollup is missing
//! for is read and kept. Dropped rollups come back by themselves.

pub(crate) mod build;
pub(crate) mod class;
pub(crate) mod histogram;
mod merge;
pub(crate) mod meter;
mod pack;
pub(crate) mod seconds;
pub(crate) mod store;
pub(crate) mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use paygrain_ingest::table::{DAY_US, Table};
use paygrain_pricing::Catalogue;
use paygrain_pricing::expression::{Expression, Term};
use paygrain_pricing::period::HOUR_US;

use self::class::{Class, is_common, measure_columns};
use self::histogram::Histogram;
use self::pack::PackError;
use self::seconds::{ClassHours, Hours};
use crate::metering::pricing_table;

/// Hours of a day.
pub(crate) const DAY_HOURS: i64 = DAY_US / HOUR_US;
/// As [`DAY_HOURS`], for what has a place for each.
pub(crate) const HOURS: usize = DAY_HOURS as usize;
/// The tables that have rollups: those with a row for each event.
pub(crate) const TABLES: [Table; 2] = [Table::Invocations, Table::Requests];

/// Sums over the records of data files of one day.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rollup {
    /// UTC day, days since 1970.
    pub day: i32,
    /// The data files.
    pub files: BTreeSet<String>,
    /// What is summed, as SQL over the table; at most as many as a [`Terms`] has bits.
    pub terms: Vec<String>,
    /// Provider and service of its records, and the terms that were summed for them.
    pub services: Vec<(String, String, Terms)>,
    /// What each class has in common.
    pub classes: Vec<Class>,
    /// For each class, the terms whose sums are known.
    pub known: Vec<Terms>,
    /// For each class, the terms that no record has a value of.
    pub absent: Vec<Terms>,
    /// Class of each cell.
    pub cell_classes: Vec<u32>,
    /// Hour of each cell, 0 to 23.
    pub hours: Vec<u8>,
    /// Records of each cell.
    pub counts: Vec<u64>,
    /// For each term, its sum in each cell; nothing where all are 0.
    pub sums: Vec<Vec<i64>>,
    /// When the last execution ends, in microseconds since the day began; nothing where none takes any time.
    pub last_end_us: Option<i64>,
    /// Histograms, once they were asked for.
    histograms: OnceLock<Histograms>,
    /// Starts and ends of all executions, once they were asked for.
    seconds: OnceLock<Hours>,
    /// The same by class.
    class_seconds: OnceLock<ClassHours>,
    /// The file they are in.
    file: Option<(PathBuf, Table)>,
}

/// How often each value occurs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histograms {
    /// Records by class and duration in whole milliseconds, rounded up.
    pub durations: Histogram,
    /// Records by class and memory used, in MB.
    pub memory_used: Histogram,
}

impl Rollup {
    /// When its day begins, in microseconds since 1970.
    pub fn start_us(&self) -> i64 {
        i64::from(self.day) * DAY_US
    }

    /// When the hour of a cell begins, in microseconds since 1970.
    #[inline]
    pub fn hour_us(&self, cell: usize) -> i64 {
        self.start_us() + i64::from(self.hours[cell]) * HOUR_US
    }

    /// For each class, whether it has records in hours that begin between two instants.
    pub fn classes_between(&self, (from_us, to_us): (i64, i64)) -> Vec<bool> {
        let mut found = vec![false; self.classes.len()];
        for (cell, class) in self.cell_classes.iter().enumerate() {
            found[*class as usize] |= (from_us..to_us).contains(&self.hour_us(cell));
        }
        found
    }

    /// The place of a term, by its SQL.
    pub fn place_of(&self, term: &str) -> Option<usize> {
        self.terms.iter().position(|known| known == term)
    }

    /// Whether the sums of some terms are known of a class.
    #[inline]
    pub fn knows(&self, class: usize, terms: Terms) -> bool {
        self.known[class] & terms == terms
    }

    /// The sum of a term in a cell.
    #[inline]
    pub fn sum(&self, term: usize, cell: usize) -> i64 {
        self.sums[term].get(cell).copied().unwrap_or(0)
    }

    /// Its histograms; nothing where their file has gone meanwhile.
    pub fn histograms(&self) -> Option<&Histograms> {
        self.read_once(&self.histograms, pack::read_histograms)
    }

    /// Starts and ends of its executions by second; nothing where their file has gone meanwhile.
    pub fn seconds(&self) -> Option<&Hours> {
        self.read_once(&self.seconds, pack::read_seconds)
    }

    /// The same by class.
    pub fn class_seconds(&self) -> Option<&ClassHours> {
        self.read_once(&self.class_seconds, pack::read_class_seconds)
    }

    fn read_once<'a, T>(
        &'a self,
        kept: &'a OnceLock<T>,
        read: impl Fn(&Path, Table) -> Result<T, PackError>,
    ) -> Option<&'a T> {
        if let Some(known) = kept.get() {
            return Some(known);
        }
        let (path, table) = self.file.as_ref()?;
        match read(path, *table) {
            Ok(found) => Some(kept.get_or_init(|| found)),
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "a part of a rollup could not be read");
                None
            }
        }
    }

    /// How many numbers it is made of, about.
    pub fn weight(&self) -> usize {
        let sums: usize = self.sums.iter().map(Vec::len).sum();
        let histograms = self.histograms.get();
        let entries = histograms.map_or(0, |found| found.durations.len() + found.memory_used.len());
        let seconds = self.seconds.get().map_or(0, |hours| hours.bytes().len());
        let class_seconds = self.class_seconds.get().map_or(0, ClassHours::len);
        sums + 2 * (self.counts.len() + entries) + (seconds + class_seconds) / 8
    }
}

/// A set of the terms of a rollup, by bits.
pub(crate) type Terms = u128;

/// A rule's quantity that is summed for the records of a service.
#[derive(Clone, Debug)]
pub(crate) struct NeededTerm {
    /// As SQL over the table: what it is known by.
    pub sql: String,
    /// The columns it reads, as expressions name them.
    pub columns: Vec<String>,
}

/// The terms that the rules of a service need, and nothing for those that cannot be taken apart.
pub(crate) fn terms_of(catalogue: &Catalogue, table: Table, provider: &str, service: &str) -> Vec<NeededTerm> {
    let fed = catalogue.skus().filter(|(index, sku)| {
        let book = catalogue.book_of(*index);
        sku.table == pricing_table(table) && book.provider == provider && sku.services.iter().any(|fed| fed == service)
    });
    let mut terms: Vec<NeededTerm> = Vec::new();
    let rules = fed.flat_map(|(_, sku)| &sku.meters).flat_map(|meter| parts_of(table, &meter.quantity));
    for term in rules.flatten().filter_map(|part| part.term().cloned()).collect::<Vec<Term>>() {
        let sql = term.to_sql();
        if terms.iter().all(|known| known.sql != sql) {
            let columns = term.columns().into_iter().map(str::to_owned).collect();
            terms.push(NeededTerm { sql, columns });
        }
    }
    terms
}

/// The roundings by which functions and tasks are billed: what each makes of a workload is known without its records.
pub(crate) const ROUNDINGS: [&str; 4] = [
    "ceil_to(duration_us, 1ms)",
    "ceil_to(duration_us, 100ms)",
    "ceil_to(duration_us, 1s)",
    "greatest(ceil_to(duration_us, 1s), 1min)",
];

/// What is summed of every record, whatever the rules of its service: what is measured, and durations by the usual
/// [`ROUNDINGS`].
pub(crate) fn usual_terms(table: Table) -> Vec<NeededTerm> {
    let measured = measure_columns(table)
        .iter()
        .map(|column| NeededTerm { sql: format!("\"{column}\""), columns: vec![(*column).to_owned()] });
    let roundings = rounding_terms().filter(|_| table == Table::Invocations);
    measured.chain(roundings.map(|sql| NeededTerm { sql, columns: vec!["duration_us".to_owned()] })).collect()
}

/// The [`ROUNDINGS`] as SQL over invocations.
pub(crate) fn rounding_terms() -> impl Iterator<Item = String> {
    let sql = |text| Some(Expression::parse(text, paygrain_pricing::Table::Invocations).ok()?.to_sql());
    ROUNDINGS.into_iter().filter_map(sql)
}

/// Puts things of one key together, in the order of their keys.
pub(crate) fn put_together<T, K: Ord>(all: &mut Vec<T>, key: impl Fn(&T) -> K, mut add: impl FnMut(&mut T, &T)) {
    all.sort_unstable_by_key(&key);
    all.dedup_by(|next, sum| {
        let same = key(next) == key(sum);
        if same {
            add(sum, next);
        }
        same
    });
}

/// A rule taken apart for classes.
pub(crate) fn parts_of(table: Table, quantity: &Expression) -> Option<Vec<paygrain_pricing::expression::Part>> {
    quantity.parts(&|column| is_common(table, column))
}
