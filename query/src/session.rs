//! The SQL session over one consistent state of the lake.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::datasource::{MemTable, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{cast, ident, lit};
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use deltalake::DeltaTable;
use paygrain_ingest::Lake;
use paygrain_ingest::table::Table;

use crate::declared::Declared;
use crate::error::QueryError;
use crate::lake_state::{Kept, LakeState};
use crate::rollup::tables;
use crate::{documentation, functions};

/// Name of the catalogue, which Postgres calls a database.
pub(crate) const CATALOG: &str = "paygrain";
/// Name of the schema of our tables.
pub(crate) const SCHEMA: &str = "public";

/// Versions of the usage tables and of the declarations that complete them, by name; nothing for a table that was never written.
pub type LakeVersions = BTreeMap<String, Option<u64>>;

/// A session that sees every table of the lake as it is now; tables that were never written are empty.
///
/// # Errors
/// When the lake cannot be read.
pub async fn session(lake: &Lake) -> Result<SessionContext, QueryError> {
    Ok(session_and_versions(lake, None).await?.0)
}

/// The same, with the versions of the usage tables that it sees.
///
/// # Errors
/// As [`session`].
pub(crate) async fn session_and_versions(
    lake: &Lake,
    kept: Option<&Kept>,
) -> Result<(SessionContext, LakeVersions), QueryError> {
    let tables = Tables::of(lake).await?;
    let versions = tables.versions.clone();
    let mut config = config();
    if let Some(kept) = kept {
        config = config.with_extension(Arc::new(LakeState::new(lake.clone(), &tables, kept.clone())));
    }
    let session = context(config, Arc::default());
    functions::register(&session);
    tables.register(&session).await?;
    Ok((session, versions))
}

/// A session for queries that others write: within the limits of an environment, on so many threads.
///
/// # Errors
/// As [`session`].
pub(crate) async fn session_with(
    lake: &Lake,
    environment: Arc<RuntimeEnv>,
    threads: usize,
) -> Result<SessionContext, QueryError> {
    let mut config = config().with_target_partitions(threads.max(1));
    // Errors name the place in the query.
    config.options_mut().sql_parser.collect_spans = true;
    let session = context(config, environment);
    functions::register(&session);
    documentation::register(&session)?;
    let tables = Tables::of(lake).await?;
    tables::register(&session, lake, &tables)?;
    tables.register(&session).await?;
    Ok(session)
}

/// The tables of the lake as they are now.
pub(crate) struct Tables {
    pub found: BTreeMap<Table, DeltaTable>,
    pub declared: Declared,
    pub versions: LakeVersions,
}

impl Tables {
    async fn of(lake: &Lake) -> Result<Self, QueryError> {
        let mut tables = Self { found: BTreeMap::new(), declared: Declared::default(), versions: LakeVersions::new() };
        for table in Table::ALL {
            let delta = lake.table(table).await?;
            if Table::USAGE.contains(&table) {
                tables.versions.insert(table.name().to_owned(), delta.as_ref().and_then(|delta| delta.version()));
            }
            tables.found.extend(delta.map(|delta| (table, delta)));
        }
        if let Some(table) = tables.found.get(&Table::Declarations) {
            tables.declared = Declared::of(lake.declarations_in(table).await?);
            tables.versions.insert(Table::Declarations.name().to_owned(), table.version());
        }
        Ok(tables)
    }

    async fn register(mut self, session: &SessionContext) -> Result<(), QueryError> {
        for table in Table::ALL {
            let provider = match self.found.remove(&table) {
                Some(delta) => Some(delta.table_provider().await.map_err(boxed)?),
                None => None,
            };
            register(session, table, provider, &self.declared)?;
        }
        Ok(())
    }
}

/// A session that sees the usage tables as they were, and nothing else.
///
/// # Errors
/// When the lake no longer has those versions.
pub(crate) async fn session_at(lake: &Lake, versions: &LakeVersions) -> Result<SessionContext, QueryError> {
    let session = empty_session();
    let declarations = match versions.get(Table::Declarations.name()).copied().flatten() {
        Some(version) => Declared::of(lake.declarations_in(&lake.table_at(Table::Declarations, version).await?).await?),
        None => Declared::default(),
    };
    for table in Table::USAGE {
        let provider = match versions.get(table.name()).copied().flatten() {
            Some(version) => Some(lake.table_at(table, version).await?.table_provider().await.map_err(boxed)?),
            None => None,
        };
        register(&session, table, provider, &declarations)?;
    }
    Ok(session)
}

/// A session without tables, with the functions of our own.
pub(crate) fn empty_session() -> SessionContext {
    let session = context(config(), Arc::default());
    functions::register(&session);
    session
}

/// A session without tables.
fn context(config: SessionConfig, environment: Arc<RuntimeEnv>) -> SessionContext {
    // A scan of Delta that reads nothing but the log says that it keeps limits, and does not: with limits pushed into it,
    // `SELECT date FROM invocations LIMIT 1` gives every row.
    let rules = PhysicalOptimizer::new().rules.into_iter().filter(|rule| rule.name() != "LimitPushdown");
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(environment)
        .with_default_features()
        .with_physical_optimizer_rules(rules.collect())
        .build();
    SessionContext::new_with_state(state)
}

fn config() -> SessionConfig {
    let mut config =
        SessionConfig::new().with_information_schema(true).with_default_catalog_and_schema(CATALOG, SCHEMA);
    let options = config.options_mut();
    // A literal such as 0.1 is a decimal: money must not meet floats.
    options.sql_parser.parse_float_as_decimal = true;
    options.execution.parquet.pushdown_filters = true;
    options.execution.time_zone = Some("+00:00".into());
    config
}

fn register(
    session: &SessionContext,
    table: Table,
    found: Option<Arc<dyn TableProvider>>,
    declared: &Declared,
) -> Result<(), QueryError> {
    let provider = match found {
        Some(provider) => declared.complete(session, table, with_every_column(session, table, provider)?)?,
        None => Arc::new(MemTable::try_new(table.schema(), vec![vec![]])?),
    };
    session.register_table(table.name(), provider)?;
    Ok(())
}

/// The table with every column of its schema: a lake of an earlier version may lack some, which are null then.
fn with_every_column(
    session: &SessionContext,
    table: Table,
    found: Arc<dyn TableProvider>,
) -> Result<Arc<dyn TableProvider>, QueryError> {
    let known = found.schema();
    let schema = table.schema();
    if schema.fields().iter().all(|field| known.index_of(field.name()).is_ok()) {
        return Ok(found);
    }
    let columns = schema.fields().iter().map(|field| match known.index_of(field.name()) {
        Ok(_) => ident(field.name()),
        Err(_) => cast(lit(ScalarValue::Null), field.data_type().clone()).alias(field.name()),
    });
    Ok(session.read_table(found)?.select(columns.collect::<Vec<_>>())?.into_view())
}

fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;

    use super::*;
    use crate::sql::SqlAnswer;

    #[tokio::test]
    async fn columns_that_an_older_lake_lacks_are_null() {
        let (_, rows) = crate::testing::batch(vec![(0, <paygrain_ingest::record::Invocation>::default())]);
        let old: Vec<usize> = (0..rows.num_columns())
            .filter(|place| {
                !["variant", "instance", "concurrency"].contains(&rows.schema().field(*place).name().as_str())
            })
            .collect();
        let schema: Schema = rows.schema().project(&old).unwrap();
        let table = MemTable::try_new(Arc::new(schema), vec![vec![rows.project(&old).unwrap()]]).unwrap();
        let session = empty_session();
        register(&session, Table::Invocations, Some(Arc::new(table)), &Declared::default()).unwrap();
        let sql = "SELECT variant, instance, concurrency, time_source FROM invocations WHERE instance IS NULL";
        let found = SqlAnswer::of(&session, sql).await.unwrap().text_rows().unwrap();
        assert_eq!(found, [[None, None, None, Some("logged".to_owned())]]);
        let provider = session.table_provider("invocations").await.unwrap();
        assert_eq!(provider.schema().fields().len(), Table::Invocations.schema().fields().len());
    }
}
