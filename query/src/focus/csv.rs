//! FOCUS as CSV: a header line, text in quotes, numbers with every digit, null as nothing.
//!
//! Text is in quotes even where it need not be, so that null is never taken for an empty text. A
//! whole number has `.0`, so that readers that guess types take a column for the same type in every file.

use std::io::Write;

use paygrain_pricing::exact::DISPLAY_PLACES;

use super::columns::{Cell, Column};
use super::rows::FocusRow;
use crate::error::QueryError;

/// Fractional digits of a number that no finite decimal writes.
pub(super) const CSV_PLACES: u32 = DISPLAY_PLACES;

/// Writes the rows.
pub(super) fn write(rows: &[FocusRow], columns: &[&Column], writer: &mut impl Write) -> Result<(), QueryError> {
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    writeln!(writer, "{}", names.join(","))?;
    for row in rows {
        for (index, column) in columns.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match (column.cell)(row) {
                Cell::Null => write!(writer, "{comma}"),
                Cell::Text(text) => write!(writer, "{comma}\"{}\"", text.replace('"', "\"\"")),
                Cell::Number(number) if number.is_integer() => write!(writer, "{comma}{number}.0"),
                Cell::Number(number) => write!(writer, "{comma}{number}"),
                Cell::Time(us) => write!(writer, "{comma}{}", time(us)),
            }?;
        }
        writeln!(writer)?;
    }
    Ok(writer.flush()?)
}

/// An instant as FOCUS writes it: `2026-10-31T00:00:00Z`.
fn time(us: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(us).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
