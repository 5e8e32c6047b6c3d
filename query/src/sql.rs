//! SQL over the lake: one query, nothing that changes anything.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use serde_json::{Map, Value};

use crate::error::QueryError;
use crate::metering::cell;

/// The rows a query gave.
#[derive(Clone, Debug)]
pub struct SqlAnswer {
    /// Column names, in order.
    pub columns: Vec<String>,
    batches: Vec<RecordBatch>,
}

impl SqlAnswer {
    pub(crate) async fn of(session: &SessionContext, text: &str) -> Result<Self, QueryError> {
        let bad = |error: datafusion::error::DataFusionError| QueryError::BadSql { problem: error.strip_backtrace(), hint: None };
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let frame = session.sql_with_options(text, read_only).await.map_err(bad)?;
        let columns = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
        Ok(Self { columns, batches: frame.collect().await.map_err(bad)? })
    }

    /// How many rows.
    pub fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The rows as text; `None` is null.
    ///
    /// # Errors
    /// For a type that has no text form.
    pub fn text_rows(&self) -> Result<Vec<Vec<Option<String>>>, QueryError> {
        let mut rows = Vec::with_capacity(self.row_count());
        for batch in &self.batches {
            for row in 0..batch.num_rows() {
                rows.push((0..batch.num_columns()).map(|column| cell(batch, column, row)).collect::<Result<_, _>>()?);
            }
        }
        Ok(rows)
    }

    /// The rows as JSON objects: whole numbers and booleans as such, decimals and everything else as text.
    ///
    /// # Errors
    /// For a type that has no text form.
    pub fn json_rows(&self) -> Result<Vec<Value>, QueryError> {
        let mut rows = Vec::with_capacity(self.row_count());
        for batch in &self.batches {
            for row in 0..batch.num_rows() {
                let mut object = Map::new();
                for (column, name) in self.columns.iter().enumerate() {
                    object.insert(name.clone(), json_cell(batch, column, row)?);
                }
                rows.push(Value::Object(object));
            }
        }
        Ok(rows)
    }
}

fn json_cell(batch: &RecordBatch, column: usize, row: usize) -> Result<Value, QueryError> {
    let array = batch.column(column);
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        kind if kind.is_integer() && kind != &DataType::UInt64 => {
            let one = cast(&array.slice(row, 1), &DataType::Int64)?;
            Value::from(one.as_primitive::<Int64Type>().value(0))
        }
        DataType::Float64 | DataType::Float32 | DataType::UInt64 => {
            let text = cell(batch, column, row)?.unwrap_or_default();
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        _ => cell(batch, column, row)?.map_or(Value::Null, Value::String),
    })
}
