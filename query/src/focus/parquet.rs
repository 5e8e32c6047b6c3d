//! FOCUS as Parquet: text, decimals of 38 digits, UTC timestamps.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Decimal128Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use paygrain_pricing::Exact;

use super::columns::{Cell, Column, ColumnKind};
use super::rows::FocusRow;
use crate::error::QueryError;

/// Fractional digits of every decimal; 18 are left in front of the point.
pub const PARQUET_PLACES: u32 = 20;
const PRECISION: u8 = 38;
/// Rows converted at once.
const BATCH_ROWS: usize = 16_384;

/// Writes the rows.
pub(super) fn write(
    rows: &[FocusRow],
    columns: &[&Column],
    writer: &mut (impl Write + Send),
) -> Result<(), QueryError> {
    let schema = schema(columns);
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut parquet = ArrowWriter::try_new(writer, Arc::clone(&schema), Some(properties)).map_err(failed)?;
    for rows in rows.chunks(BATCH_ROWS) {
        let arrays = columns.iter().map(|column| array(rows, column)).collect::<Result<Vec<_>, _>>()?;
        parquet.write(&RecordBatch::try_new(Arc::clone(&schema), arrays)?).map_err(failed)?;
    }
    parquet.close().map_err(failed)?;
    Ok(())
}

fn schema(columns: &[&Column]) -> SchemaRef {
    let field = |column: &&Column| Field::new(column.name, data_type(column.kind), column.nullable);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Text | ColumnKind::KeyValue => DataType::Utf8,
        ColumnKind::Decimal => DataType::Decimal128(PRECISION, PARQUET_PLACES as i8),
        ColumnKind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

fn array(rows: &[FocusRow], column: &Column) -> Result<ArrayRef, QueryError> {
    let cells = rows.iter().map(column.cell);
    Ok(match column.kind {
        ColumnKind::Text | ColumnKind::KeyValue => {
            let mut values = StringBuilder::new();
            cells.for_each(|cell| values.append_option(if let Cell::Text(text) = cell { Some(text) } else { None }));
            Arc::new(values.finish())
        }
        ColumnKind::Time => {
            let mut values = TimestampMicrosecondBuilder::new().with_timezone("UTC");
            cells.for_each(|cell| values.append_option(if let Cell::Time(us) = cell { Some(us) } else { None }));
            Arc::new(values.finish())
        }
        ColumnKind::Decimal => {
            let mut values = Decimal128Builder::new().with_data_type(data_type(column.kind));
            for cell in cells {
                values.append_option(match cell {
                    Cell::Number(number) => Some(unscaled(column, number)?),
                    _ => None,
                });
            }
            Arc::new(values.finish())
        }
    })
}

/// A number in units of its last digit.
fn unscaled(column: &Column, number: &Exact) -> Result<i128, QueryError> {
    let scale = Exact::from(10_i128.pow(PARQUET_PLACES));
    let units = (number * scale).rounded_half_up(0).to_i128();
    units.filter(|units| units.unsigned_abs() < 10_u128.pow(PRECISION.into())).ok_or_else(|| QueryError::TooLarge {
        column: column.name,
        value: number.round_half_up(0),
        digits: u32::from(PRECISION) - PARQUET_PLACES,
    })
}

fn failed(error: ParquetError) -> QueryError {
    match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => (*error).into(),
            Err(error) => std::io::Error::other(error).into(),
        },
        other => std::io::Error::other(other).into(),
    }
}
