//! Tables for people, JSON and CSV for programs, all on standard output.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};
use paygrain_pricing::{Exact, grouped};
use paygrain_query::sql_text::spreadsheet_safe;
use serde::Serialize;

use crate::failure::Failure;

/// How to print an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Table,
    /// One document of a stable shape.
    Json,
    /// Full precision, a header line.
    Csv,
}

/// A table to print or to write as CSV: amounts and quantities as exact decimal text.
#[derive(Debug, Default)]
pub struct Rows {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

#[derive(Debug)]
struct Column {
    name: String,
    numeric: bool,
}

impl Rows {
    /// A table with these columns; a name ending in `#` is a column of numbers, aligned to the right.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        let column = |name: &str| Column { name: name.trim_end_matches('#').to_owned(), numeric: name.ends_with('#') };
        Self { columns: columns.into_iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each row as an object of texts, by column.
    pub fn objects(&self) -> Vec<BTreeMap<&str, &str>> {
        let names = || self.columns.iter().map(|column| column.name.as_str());
        self.rows.iter().map(|row| names().zip(row.iter().map(String::as_str)).collect()).collect()
    }

    /// Prints the table for people.
    pub fn print(&self) -> Result<(), Failure> {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        for line in [TableComponent::HeaderLines, TableComponent::MiddleHeaderIntersections] {
            table.set_style(line, '─');
        }
        table.set_header(self.columns.iter().map(|column| column.name.clone()));
        table.add_rows(self.rows.iter());
        for (index, column) in self.columns.iter().enumerate() {
            if let (true, Some(column)) = (column.numeric, table.column_mut(index)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        print_text(&format!("{table}\n"))
    }

    /// Writes the table as CSV that is safe to open in a spreadsheet.
    pub fn print_csv(&self) -> Result<(), Failure> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns.iter().map(|column| &column.name))?;
        for row in &self.rows {
            writer.write_record(
                row.iter().zip(&self.columns).map(
                    |(value, column)| {
                        if column.numeric { value.clone() } else { spreadsheet_safe(value) }
                    },
                ),
            )?;
        }
        let bytes = writer.into_inner().map_err(|error| Failure::new(error, None))?;
        print_text(&String::from_utf8_lossy(&bytes))
    }
}

/// Prints a document as JSON.
pub fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    print_text(&format!("{}\n", serde_json::to_string_pretty(document)?))
}

/// Prints text; a reader that has seen enough (`| head`) is no failure.
pub fn print_text(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Prints a file, as [`print_text`] does text.
pub fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// A temporary file beside one that is to be written, to take its place when it is whole.
pub fn file_beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: the umask takes off what it does.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.prefix(".paygrain-export-").tempfile_in(directory)
}

/// An amount for people: two decimals from 1 on, four significant digits below, never a false zero.
pub fn shown_amount(amount: &Exact) -> String {
    let size = amount.abs();
    if size.is_zero() || size >= Exact::one() {
        return grouped(&amount.round_half_up(2));
    }
    let significant = |text: &str| text.trim_start_matches(['-', '0', '.']).len();
    let places = (4..=24).find(|&places| significant(&amount.round_half_up(places)) >= 4).unwrap_or(24);
    amount.round_half_up(places).trim_end_matches('0').to_owned()
}

/// A quantity for people: whole if it is whole, else three decimals.
pub fn shown_quantity(quantity: &Exact) -> String {
    grouped(&if quantity.is_integer() { quantity.to_string() } else { quantity.round_half_up(3) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_amounts_are_no_zeros() {
        for (exact, shown) in [
            ("0", "0.00"),
            ("1234.567", "1,234.57"),
            ("0.5", "0.5"),
            ("0.01", "0.01"),
            ("0.00189264", "0.001893"),
            ("-0.0000166667", "-0.00001667"),
            ("0.000000000000000000000000001", "0."),
        ] {
            assert_eq!(
                shown_amount(&Exact::parse(exact).unwrap()).trim_end_matches('.'),
                shown.trim_end_matches('.'),
                "{exact}"
            );
        }
    }

    #[test]
    fn formulas_do_not_survive_in_csv() {
        assert_eq!(spreadsheet_safe("=1+1"), "'=1+1");
        assert_eq!(spreadsheet_safe("lambda"), "lambda");
    }
}
