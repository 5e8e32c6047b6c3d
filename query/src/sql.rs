//! SQL of our own over the lake: one query, nothing that changes anything. That of others is for [`sandbox`](crate::sandbox).

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;

use crate::error::QueryError;
use crate::sql_text::text_rows;

/// What every query is held to, ours and those of others: nothing that changes the lake or the session.
pub(crate) fn read_only() -> SQLOptions {
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false)
}

/// The rows a query gave.
#[derive(Clone, Debug)]
pub struct SqlAnswer {
    /// Column names, in order.
    pub columns: Vec<String>,
    batches: Vec<RecordBatch>,
}

impl SqlAnswer {
    pub(crate) async fn of(session: &SessionContext, text: &str) -> Result<Self, QueryError> {
        let bad = |error: datafusion::error::DataFusionError| QueryError::BadSql {
            problem: error.strip_backtrace(),
            hint: None,
        };
        let frame = session.sql_with_options(text, read_only()).await.map_err(bad)?;
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
        let batches = self.batches.iter().map(text_rows).collect::<Result<Vec<_>, _>>()?;
        Ok(batches.into_iter().flatten().collect())
    }
}
