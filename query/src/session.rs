//! The SQL session over one consistent state of the lake.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::datasource::{MemTable, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};
use paygrain_ingest::Lake;
use paygrain_ingest::table::Table;

use crate::error::QueryError;

/// Versions of the usage tables, by name; nothing for a table that was never written.
pub type LakeVersions = BTreeMap<String, Option<u64>>;

/// A session that sees every table of the lake as it is now; tables that were never written are empty.
///
/// # Errors
/// When the lake cannot be read.
pub async fn session(lake: &Lake) -> Result<SessionContext, QueryError> {
    Ok(session_and_versions(lake).await?.0)
}

/// The same, with the versions of the usage tables that it sees.
///
/// # Errors
/// As [`session`].
pub(crate) async fn session_and_versions(lake: &Lake) -> Result<(SessionContext, LakeVersions), QueryError> {
    let (session, mut versions) = (empty_session(), LakeVersions::new());
    for table in Table::ALL {
        let delta = lake.table(table).await?;
        if Table::USAGE.contains(&table) {
            versions.insert(table.name().to_owned(), delta.as_ref().and_then(|delta| delta.version()));
        }
        let provider = match delta {
            Some(delta) => Some(delta.table_provider().await.map_err(boxed)?),
            None => None,
        };
        register(&session, table, provider)?;
    }
    Ok((session, versions))
}

/// A session that sees the usage tables as they were, and nothing else.
///
/// # Errors
/// When the lake no longer has those versions.
pub(crate) async fn session_at(lake: &Lake, versions: &LakeVersions) -> Result<SessionContext, QueryError> {
    let session = empty_session();
    for table in Table::USAGE {
        let provider = match versions.get(table.name()).copied().flatten() {
            Some(version) => Some(lake.table_at(table, version).await?.table_provider().await.map_err(boxed)?),
            None => None,
        };
        register(&session, table, provider)?;
    }
    Ok(session)
}

fn empty_session() -> SessionContext {
    let mut config = SessionConfig::new().with_information_schema(true);
    let options = config.options_mut();
    // A literal such as 0.1 is a decimal: money must not meet floats.
    options.sql_parser.parse_float_as_decimal = true;
    options.execution.parquet.pushdown_filters = true;
    options.execution.time_zone = Some("+00:00".into());
    SessionContext::new_with_config(config)
}

fn register(session: &SessionContext, table: Table, found: Option<Arc<dyn TableProvider>>) -> Result<(), QueryError> {
    let provider = match found {
        Some(provider) => provider,
        None => Arc::new(MemTable::try_new(table.schema(), vec![vec![]])?),
    };
    session.register_table(table.name(), provider)?;
    Ok(())
}

fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
