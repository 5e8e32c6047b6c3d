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
pub(crate) mod under_way;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use paygrain_ingest::table::Table;
use paygrain_pricing::Catalogue;
use paygrain_pricing::expression::{Expression, Term};

use self::class::{Class, is_common, measure_columns};
use self::histogram::Histogram;
use self::pack::PackError;
use self::seconds::{ClassHours, Hours};
use crate::metering::pricing_table;

/// Hours of a day.
pub(crate) const HOURS: usize = 24;
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

/// A rule taken apart for classes.
pub(crate) fn parts_of(table: Table, quantity: &Expression) -> Option<Vec<paygrain_pricing::expression::Part>> {
    quantity.parts(&|column| is_common(table, column))
}
