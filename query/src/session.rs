//! The SQL session over one consistent state of the lake.

use std::sync::Arc;

use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};
use paygrain_ingest::Lake;
use paygrain_ingest::table::Table;

use crate::error::QueryError;

/// A session that sees every table of the lake as it is now; tables that were never written are empty.
///
/// # Errors
/// When the lake cannot be read.
pub async fn session(lake: &Lake) -> Result<SessionContext, QueryError> {
    let mut config = SessionConfig::new().with_information_schema(true);
    let options = config.options_mut();
    // A literal such as 0.1 is a decimal: money must not meet floats.
    options.sql_parser.parse_float_as_decimal = true;
    options.execution.parquet.pushdown_filters = true;
    options.execution.time_zone = Some("+00:00".into());
    let session = SessionContext::new_with_config(config);
    for table in Table::ALL {
        match lake.table(table).await? {
            Some(delta) => session.register_table(table.name(), delta.table_provider().await.map_err(boxed)?)?,
            None => {
                let empty = MemTable::try_new(table.schema(), vec![vec![]])?;
                session.register_table(table.name(), Arc::new(empty))?
            }
        };
    }
    Ok(session)
}

fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
