//! What the tables of the public Azure Functions traces have in common.
//!
//! They are anonymised recordings of a real platform, for load and what-if: their service is one of its own, which no
//! price book knows, so that they never mix with a bill.

use std::collections::HashMap;

use crate::format::Sink;
use crate::format::csv_table::CsvRow;
use crate::record::RecordKey;

/// The service of all of their records.
pub(super) const SERVICE: &str = "azure-trace";

/// Rows of which the occurrences are counted; the largest public table has two million.
const ROWS_MAX: usize = 4_000_000;

/// Says what every trace is.
pub(super) fn warn(sink: &mut dyn Sink) {
    sink.warn(
        "this is a public trace of Azure Functions: for load and what-if, not for billing; its service is azure-trace"
            .into(),
    );
}

/// Where the columns of a table are that may stand in any order.
pub(super) struct Columns(pub(super) Vec<String>);

impl Columns {
    /// The names of a header in lower case.
    pub(super) fn of(names: &[String]) -> Self {
        Columns(names.iter().map(|name| name.to_lowercase()).collect())
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| column == name)
    }

    pub(super) fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.place(name).is_some())
    }

    /// The value in a column; nothing where it is empty or there is no such column.
    pub(super) fn value<'r>(&self, row: &'r CsvRow<'_>, name: &str) -> Option<&'r str> {
        row.text(self.place(name)?).map(str::trim).filter(|text| !text.is_empty())
    }

    /// As [`Columns::value`], of a column that is needed.
    pub(super) fn needed<'r>(&self, row: &'r CsvRow<'_>, name: &str) -> Result<&'r str, String> {
        self.value(row, name).ok_or_else(|| format!("`{name}` is empty"))
    }
}

/// How often equal rows have occurred: rows of a trace have no ids.
#[derive(Default)]
pub(super) struct Occurrences(HashMap<[u8; 8], u32>);

impl Occurrences {
    /// The number of this row among its equals, from 1.
    pub(super) fn next(&mut self, row: RecordKey) -> Result<u32, String> {
        let [a, b, c, d, e, f, g, h, ..] = row.0;
        let full = self.0.len() >= ROWS_MAX;
        let count = match self.0.entry([a, b, c, d, e, f, g, h]) {
            std::collections::hash_map::Entry::Vacant(_) if full => {
                return Err(format!("the file has more than {ROWS_MAX} different rows: split it"));
            }
            entry => entry.or_default(),
        };
        *count += 1;
        Ok(*count)
    }
}
