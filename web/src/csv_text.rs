//! CSV answers: every digit, no currency signs, and safe to open in a spreadsheet.

use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::error::AppError;

/// A cell of text. A spreadsheet runs a cell that begins like a formula, and resource names come from logs.
pub use paygrain_query::sql_text::spreadsheet_safe as words;

/// A CSV file as it grows.
pub struct CsvText(csv::Writer<Vec<u8>>);

impl CsvText {
    /// A file that begins with the column names.
    ///
    /// # Errors
    /// Never in practice: memory does not refuse a write.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Result<Self, AppError> {
        let mut text = Self(csv::Writer::from_writer(Vec::new()));
        text.row(columns.into_iter().map(words))?;
        Ok(text)
    }

    /// One row. Pass text through [`words`]; numbers go as they are, so that a negative amount stays a number.
    ///
    /// # Errors
    /// As for [`CsvText::new`], or when the row is not as long as the others.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) -> Result<(), AppError> {
        self.0.write_record(cells.into_iter().collect::<Vec<_>>()).map_err(failed)
    }

    /// The file as a download.
    ///
    /// # Errors
    /// As for [`CsvText::new`].
    pub fn download(self, name: &str) -> Result<Response, AppError> {
        let bytes = self.0.into_inner().map_err(failed)?;
        let disposition = format!("attachment; filename=\"{name}\"");
        let headers =
            [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
        Ok((headers, bytes).into_response())
    }
}

fn failed(error: impl std::fmt::Display) -> AppError {
    AppError::Internal { cause: format!("writing CSV: {error}") }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn no_cell_begins_like_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(words(text), format!("'{text}"));
        }
        assert_eq!(words("resize-image"), "resize-image");
        assert_eq!(words(""), "");
    }
}
