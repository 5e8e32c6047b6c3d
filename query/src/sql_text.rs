//! Rows of a query as JSON, CSV or Arrow, piece by piece.

use std::fmt::Write;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::QueryError;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlFormat {
    /// An array of objects: integers, floats and booleans as such, decimals and everything else as text.
    Json,
    /// A header line; text is safe to open in a spreadsheet, null is nothing.
    Csv,
    /// The stream format of Arrow IPC.
    Arrow,
}

impl SqlFormat {
    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// How names of files end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Arrow => "arrows",
        }
    }
}

/// An answer as it is written: [`SqlText::begin`], [`SqlText::rows`] for each batch, [`SqlText::end`].
pub struct SqlText {
    columns: Vec<Column>,
    kind: Kind,
}

enum Kind {
    Json { rows: u64 },
    Csv,
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

struct Column {
    name: String,
    is_text: bool,
}

impl SqlText {
    /// A writer of rows with these columns.
    ///
    /// # Errors
    /// For columns that Arrow IPC does not know.
    pub fn new(format: SqlFormat, schema: &SchemaRef) -> Result<Self, QueryError> {
        let kind = match format {
            SqlFormat::Json => Kind::Json { rows: 0 },
            SqlFormat::Csv => Kind::Csv,
            SqlFormat::Arrow => Kind::Arrow(Box::new(StreamWriter::try_new(Vec::new(), schema)?)),
        };
        let names = column_names(schema).into_iter();
        let columns = names.zip(schema.fields()).map(|(name, field)| Column {
            name,
            is_text: !field.data_type().is_numeric() && !field.data_type().is_temporal(),
        });
        Ok(Self { columns: columns.collect(), kind })
    }

    /// What comes before the rows.
    pub fn begin(&mut self) -> Vec<u8> {
        match &mut self.kind {
            Kind::Json { .. } => b"[".to_vec(),
            Kind::Csv => {
                let names: Vec<_> = self.columns.iter().map(|column| csv_text(&column.name)).collect();
                format!("{}\n", names.join(",")).into_bytes()
            }
            Kind::Arrow(writer) => std::mem::take(writer.get_mut()),
        }
    }

    /// Rows.
    ///
    /// # Errors
    /// For a type that has no text form.
    pub fn rows(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, QueryError> {
        match &mut self.kind {
            Kind::Json { rows } => json_rows(&self.columns, batch, rows),
            Kind::Csv => csv_rows(&self.columns, batch),
            Kind::Arrow(writer) => {
                writer.write(batch)?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }

    /// What comes after the rows. An answer that failed must not get it.
    ///
    /// # Errors
    /// Never in practice: memory does not refuse a write.
    pub fn end(&mut self) -> Result<Vec<u8>, QueryError> {
        match &mut self.kind {
            Kind::Json { rows: 0 } => Ok(b"]\n".to_vec()),
            Kind::Json { .. } => Ok(b"\n]\n".to_vec()),
            Kind::Csv => Ok(Vec::new()),
            Kind::Arrow(writer) => {
                writer.finish()?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }
}

/// The names of the columns, each once: a second `id` is `id_2`.
pub fn column_names(schema: &SchemaRef) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut count = 1;
        while names.contains(&name) {
            count += 1;
            name = format!("{}_{count}", field.name());
        }
        names.push(name);
    }
    names
}

/// The cells of a batch as text, by row; `None` is null.
///
/// # Errors
/// For a type that has no text form.
pub fn text_rows(batch: &RecordBatch) -> Result<Vec<Vec<Option<String>>>, QueryError> {
    let columns = formatters(batch)?;
    let cell = |place: usize, row: usize| {
        let column = batch.column(place);
        let value = || columns.get(place).map(|formatter| formatter.value(row).to_string());
        if column.is_null(row) { None } else { value() }
    };
    Ok((0..batch.num_rows()).map(|row| (0..batch.num_columns()).map(|place| cell(place, row)).collect()).collect())
}

fn formatters(batch: &RecordBatch) -> Result<Vec<ArrayFormatter<'_>>, QueryError> {
    const OPTIONS: FormatOptions<'static> =
        FormatOptions::new().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let columns = batch.columns().iter();
    Ok(columns.map(|column| ArrayFormatter::try_new(column.as_ref(), &OPTIONS)).collect::<Result<_, _>>()?)
}

fn json_rows(columns: &[Column], batch: &RecordBatch, rows: &mut u64) -> Result<Vec<u8>, QueryError> {
    let formatters = formatters(batch)?;
    let names: Vec<String> = columns.iter().map(|column| json_text(column.name.as_str())).collect();
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        text.push_str(if *rows == 0 { "\n{" } else { ",\n{" });
        *rows += 1;
        for (place, (name, formatter)) in names.iter().zip(&formatters).enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let column = batch.column(place);
            let _ = write!(text, "{comma}{name}:");
            if column.is_null(row) {
                text.push_str("null");
                continue;
            }
            let value = formatter.value(row).to_string();
            let bare = match column.data_type() {
                DataType::Boolean => true,
                kind if kind.is_integer() => true,
                // What JSON has no number for is text: NaN and infinities.
                kind if kind.is_floating() => serde_json::from_str::<serde_json::Number>(&value).is_ok(),
                _ => false,
            };
            text.push_str(&if bare { value } else { json_text(value) });
        }
        text.push('}');
    }
    Ok(text.into_bytes())
}

fn json_text(text: impl Into<serde_json::Value>) -> String {
    text.into().to_string()
}

fn csv_rows(columns: &[Column], batch: &RecordBatch) -> Result<Vec<u8>, QueryError> {
    let formatters = formatters(batch)?;
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        for (place, (column, formatter)) in columns.iter().zip(&formatters).enumerate() {
            if place > 0 {
                text.push(',');
            }
            if batch.column(place).is_null(row) {
                continue;
            }
            match column.is_text {
                true => text.push_str(&csv_text(&formatter.value(row).to_string())),
                false => {
                    let _ = write!(text, "{}", formatter.value(row));
                }
            }
        }
        // A line with nothing on it would be no row for many readers.
        if columns.len() == 1 && batch.column(0).is_null(row) {
            text.push_str("\"\"");
        }
        text.push('\n');
    }
    Ok(text.into_bytes())
}

/// Text that a spreadsheet does not take for a formula.
pub fn spreadsheet_safe(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

/// A cell of text.
fn csv_text(text: &str) -> String {
    let safe = spreadsheet_safe(text);
    match safe.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", safe.replace('"', "\"\"")),
        false => safe,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use datafusion::arrow::ipc::reader::StreamReader;
    use datafusion::prelude::SessionContext;

    use super::*;

    const QUERY: &str = "SELECT * FROM (VALUES
        (1, 'a,\"b\"', CAST('0.1' AS DECIMAL(38,18)), true, CAST('NaN' AS DOUBLE), CAST(1.5 AS DOUBLE), DATE '2026-10-01'),
        (-2, '=1+1', CAST('-7' AS DECIMAL(38,18)), NULL, NULL, NULL, NULL)) AS t (i, t, d, b, n, f, day)";

    async fn written(format: SqlFormat, query: &str) -> Vec<u8> {
        let frame = SessionContext::new().sql(query).await.unwrap();
        let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
        let mut text = SqlText::new(format, &schema).unwrap();
        let mut bytes = text.begin();
        for batch in frame.collect().await.unwrap() {
            bytes.extend(text.rows(&batch).unwrap());
        }
        bytes.extend(text.end().unwrap());
        bytes
    }

    #[tokio::test]
    async fn json_keeps_every_digit() {
        let bytes = written(SqlFormat::Json, QUERY).await;
        let rows: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let first = serde_json::json!({"i": 1, "t": "a,\"b\"", "d": "0.100000000000000000", "b": true, "n": "NaN", "f": 1.5, "day": "2026-10-01"});
        assert_eq!(rows[0], first);
        assert_eq!(rows[1]["d"], "-7.000000000000000000");
        assert_eq!(rows[1]["b"], serde_json::Value::Null);
        assert_eq!(written(SqlFormat::Json, "SELECT 1 AS a WHERE false").await, b"[]\n");
    }

    #[tokio::test]
    async fn csv_is_safe_and_numbers_stay_numbers() {
        let text = String::from_utf8(written(SqlFormat::Csv, QUERY).await).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "i,t,d,b,n,f,day");
        assert_eq!(lines[1], "1,\"a,\"\"b\"\"\",0.100000000000000000,true,NaN,1.5,2026-10-01");
        assert_eq!(lines[2], "-2,'=1+1,-7.000000000000000000,,,,");
    }

    #[tokio::test]
    async fn arrow_reads_back() {
        let bytes = written(SqlFormat::Arrow, QUERY).await;
        let batches: Vec<_> = StreamReader::try_new(Cursor::new(bytes), None).unwrap().map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
        assert_eq!(text_rows(&batches[0]).unwrap()[0][2].as_deref(), Some("0.100000000000000000"));
    }

    #[tokio::test]
    async fn no_column_hides_another() {
        let query = "SELECT * FROM (SELECT 1 AS id) a, (SELECT 2 AS id) b";
        assert_eq!(written(SqlFormat::Json, query).await, b"[\n{\"id\":1,\"id_2\":2}\n]\n");
    }
}
