//! Parquet files as a JSON object a row, so that every format that reads JSON lines reads them.
//!
//! Digits are kept: decimals are written as they are, times in RFC 3339, maps and structures as objects. The number of a
//! row stands for its line.

use std::fs::File;
use std::io::{self, Read};

use datafusion::arrow::json::LineDelimitedWriter;
use datafusion::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::error::IngestError;

/// What every Parquet file begins with.
pub(crate) const MAGIC: &[u8] = b"PAR1";
/// Rows that are turned into text at once.
const BATCH_ROWS: usize = 1024;

/// Rows as text, a batch at a time.
pub(crate) struct ParquetRows {
    batches: ParquetRecordBatchReader,
    text: Vec<u8>,
    at: usize,
}

impl ParquetRows {
    /// Rows of a file.
    pub(crate) fn open(file: File) -> Result<Self, IngestError> {
        let bad =
            |error: datafusion::parquet::errors::ParquetError| IngestError::BadParquet { problem: error.to_string() };
        let batches = ParquetRecordBatchReaderBuilder::try_new(file)
            .map_err(bad)?
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(bad)?;
        Ok(Self { batches, text: Vec::new(), at: 0 })
    }

    fn next_batch(&mut self) -> Result<bool, IngestError> {
        let bad = |problem: String| IngestError::BadParquet { problem };
        let Some(batch) = self.batches.next() else { return Ok(false) };
        let batch = batch.map_err(|error| bad(error.to_string()))?;
        self.text.clear();
        self.at = 0;
        let mut writer = LineDelimitedWriter::new(&mut self.text);
        writer.write(&batch).and_then(|()| writer.finish()).map_err(|error| bad(error.to_string()))?;
        Ok(true)
    }
}

impl Read for ParquetRows {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() {
            if !self.next_batch().map_err(io::Error::other)? {
                return Ok(0);
            }
        }
        let length = out.len().min(self.text.len() - self.at);
        out[..length].copy_from_slice(&self.text[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, Decimal128Array, Float64Array, MapBuilder, RecordBatch, StringArray, StringBuilder,
        TimestampMillisecondArray,
    };
    use datafusion::parquet::arrow::ArrowWriter;

    use super::*;
    use crate::Lake;
    use crate::mapping::Mapping;
    use crate::upload::{IngestOptions, ingest_file};

    fn tags() -> ArrayRef {
        let mut tags = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for team in ["web", "data"] {
            tags.keys().append_value("user_team");
            tags.values().append_value(team);
            tags.append(true).unwrap();
        }
        Arc::new(tags.finish())
    }

    fn parquet(columns: Vec<(&str, ArrayRef)>) -> tempfile::NamedTempFile {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = ArrowWriter::try_new(file.reopen().unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        file
    }

    fn text(values: [&str; 2]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    /// 2026-10-01T00:00:00Z.
    const OCTOBER_MS: i64 = 1_790_812_800_000;

    fn report() -> tempfile::NamedTempFile {
        let time = |ms: i64| -> ArrayRef { Arc::new(TimestampMillisecondArray::from(vec![ms, ms])) };
        parquet(vec![
            ("identity_line_item_id", text(["a", "b"])),
            ("identity_time_interval", text(["2026-10-01T00:00:00Z/2026-10-01T01:00:00Z"; 2])),
            ("bill_payer_account_id", text(["012345678901"; 2])),
            ("bill_billing_period_start_date", time(OCTOBER_MS)),
            ("bill_billing_period_end_date", time(OCTOBER_MS + 31 * 86_400_000)),
            ("line_item_usage_start_date", time(OCTOBER_MS)),
            ("line_item_usage_end_date", time(OCTOBER_MS + 3_600_000)),
            ("line_item_line_item_type", text(["Usage"; 2])),
            ("line_item_product_code", text(["AWSLambda"; 2])),
            ("line_item_usage_type", text(["Lambda-GB-Second"; 2])),
            ("line_item_currency_code", text(["USD"; 2])),
            ("line_item_usage_amount", Arc::new(Float64Array::from(vec![0.1, 1e-9]))),
            ("line_item_unblended_cost", Arc::new(Float64Array::from(vec![1.81e-8, 2.5]))),
            ("resource_tags", tags()),
        ])
    }

    #[tokio::test]
    async fn a_cost_and_usage_report_in_parquet_is_one_in_csv() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
        let file = report();
        let result =
            ingest_file(&lake, "cur-00001.snappy.parquet", file.path(), &IngestOptions::default()).await.unwrap();
        assert_eq!((result.format.as_str(), result.accepted, result.rejected), ("aws-cur", 2, 0), "{result:?}");
        let again =
            ingest_file(&lake, "cur-00001.snappy.parquet", file.path(), &IngestOptions::default()).await.unwrap();
        assert!(again.already_loaded);
        let mut rows = String::new();
        ParquetRows::open(file.reopen().unwrap()).unwrap().read_to_string(&mut rows).unwrap();
        for part in [r#""bill_payer_account_id":"012345678901""#, r#"{"user_team":"web"}"#, "2026-10-01T00:00:00"] {
            assert!(rows.contains(part), "{part}: {rows}");
        }
    }

    #[tokio::test]
    async fn a_mapping_reads_parquet_with_every_digit() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
        let quantity = Decimal128Array::from(vec![1_234_567_890_123_456_789_012_345_678, 1]);
        let file = parquet(vec![
            ("at", text(["2026-10-01T00:00:00Z", "2026-10-01T01:00:00Z"])),
            ("quantity", Arc::new(quantity.with_precision_and_scale(38, 18).unwrap())),
        ]);
        let mapping = "table = \"metered\"\n[time]\ncolumn = \"at\"\n[columns]\nprovider = { value = \"aws\" }\nservice = { value = \"x\" }\nquantity = \"quantity\"\n";
        let mapping = Some(Mapping::from_toml("m.toml", mapping).unwrap());
        let options = IngestOptions { mapping, ..IngestOptions::default() };
        let result = ingest_file(&lake, "usage.parquet", file.path(), &options).await.unwrap();
        assert_eq!((result.accepted, result.rejected), (2, 0), "{result:?}");
        let table = lake.table(crate::table::Table::Metered).await.unwrap().unwrap();
        let sql = "SELECT CAST(max(quantity) AS VARCHAR) AS quantity FROM t";
        let batches = lake.select(&table, sql).await.unwrap();
        let shown = crate::lake::text_cell(&batches[0], "quantity", 0).unwrap();
        assert_eq!(shown, "1234567890.123456789012345678");
    }

    #[tokio::test]
    async fn a_cut_file_is_refused_as_a_whole() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
        let bytes = std::fs::read(report().path()).unwrap();
        let cut = place.path().join("cut.parquet");
        std::fs::write(&cut, &bytes[..bytes.len() - 20]).unwrap();
        let error = ingest_file(&lake, "cut", &cut, &IngestOptions::default()).await.unwrap_err();
        assert!(matches!(error, IngestError::BadParquet { .. }), "{error}");
    }
}
