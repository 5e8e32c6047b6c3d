//! The SQL session over one consistent state of the lake.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use datafusion::datasource::{MemTable, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{cast, ident, lit};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use deltalake::DeltaTable;
use paygrain_ingest::Lake;
use paygrain_ingest::table::{DAY_US, Table};
use paygrain_pricing::Catalogue;

use crate::answers::Answers;
use crate::declared::Declared;
use crate::error::QueryError;
use crate::rollup::TABLES;
use crate::rollup::store::{Rollups, Source, View};

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
    let mut versions = LakeVersions::new();
    let declared = lake.table(Table::Declarations).await?;
    let declarations = match &declared {
        Some(table) => Declared::of(lake.declarations_in(table).await?),
        None => Declared::default(),
    };
    versions.extend(declared.map(|table| (Table::Declarations.name().to_owned(), table.version())));
    let mut tables = BTreeMap::new();
    for table in Table::ALL {
        let delta = lake.table(table).await?;
        if Table::USAGE.contains(&table) {
            versions.insert(table.name().to_owned(), delta.as_ref().and_then(|delta| delta.version()));
        }
        tables.extend(delta.map(|delta| (table, delta)));
    }
    let mut config = config();
    if let Some(kept) = kept {
        let (lake, kept, versions) = (lake.clone(), kept.clone(), format!("{versions:?}"));
        let state = LakeState { lake, tables: tables.clone(), declared: declarations.clone(), versions, kept };
        config = config.with_extension(Arc::new(state));
    }
    let session = SessionContext::new_with_config(config);
    for table in Table::ALL {
        let delta = tables.remove(&table);
        let provider = match delta {
            Some(delta) => Some(delta.table_provider().await.map_err(boxed)?),
            None => None,
        };
        register(&session, table, provider, &declarations)?;
    }
    Ok((session, versions))
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

/// The state of the lake that a session sees, and the rollups that may stand for its records.
struct LakeState {
    lake: Lake,
    tables: BTreeMap<Table, DeltaTable>,
    declared: Declared,
    /// The versions of everything that usage is made of.
    versions: String,
    kept: Kept,
}

/// What is kept of a lake from question to question.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub rollups: Arc<Rollups>,
    pub answers: Arc<Answers>,
    /// Which catalogue answers are of: its address, for as long as it is kept beside this.
    pub catalogue: usize,
}

/// An answer about usage that is kept for as long as there is no other usage.
///
/// # Errors
/// Those of making it.
pub(crate) async fn answer<T: Any + Send + Sync>(
    session: &SessionContext,
    catalogue: &Catalogue,
    question: &str,
    make: impl Future<Output = Result<(T, usize), QueryError>>,
) -> Result<Arc<T>, QueryError> {
    match session.state().config().get_extension::<LakeState>() {
        Some(state) if state.kept.catalogue == std::ptr::from_ref(catalogue).addr() => {
            state.kept.answers.get(format!("{} {question}", state.versions), make).await
        }
        _ => Ok(Arc::new(make.await?.0)),
    }
}

/// The rollups of what a session sees of a table between two instants; nothing where the records are to be read.
pub(crate) async fn view_of(
    session: &SessionContext,
    catalogue: &Catalogue,
    table: Table,
    (from_us, to_us): (i64, i64),
) -> Result<Option<Arc<View>>, QueryError> {
    let Some(state) = session.state().config().get_extension::<LakeState>() else { return Ok(None) };
    let Some(delta) = state.tables.get(&table) else { return Ok(None) };
    let source = Source { lake: &state.lake, table, delta, declared: &state.declared, catalogue, session };
    let day = |us: i64| i32::try_from(us.div_euclid(DAY_US)).unwrap_or(i32::MAX);
    state.kept.rollups.view(&source, day(from_us)..=day(to_us - 1)).await
}

/// Provider and service of all records of a table that a session sees; nothing where only the records say.
pub(crate) async fn services_of(
    session: &SessionContext,
    catalogue: &Catalogue,
    table: Table,
) -> Result<Option<BTreeSet<(String, String)>>, QueryError> {
    let Some(state) = session.state().config().get_extension::<LakeState>() else { return Ok(None) };
    let Some(delta) = state.tables.get(&table) else { return Ok(Some(BTreeSet::new())) };
    let source = Source { lake: &state.lake, table, delta, declared: &state.declared, catalogue, session };
    state.kept.rollups.services(&source).await
}

/// Whether a session sees no row of a table.
pub(crate) fn is_empty(session: &SessionContext, table: Table) -> Result<bool, QueryError> {
    let Some(state) = session.state().config().get_extension::<LakeState>() else { return Ok(false) };
    let Some(delta) = state.tables.get(&table) else { return Ok(true) };
    Ok(state.lake.usage_data_files(delta)?.is_some_and(|files| files.is_empty()))
}

/// The UTC days with usage; nothing where only the records say.
pub(crate) fn days_with_usage(session: &SessionContext) -> Result<Option<BTreeSet<i32>>, QueryError> {
    let Some(state) = session.state().config().get_extension::<LakeState>() else { return Ok(None) };
    let mut days = BTreeSet::new();
    for table in Table::USAGE {
        let Some(delta) = state.tables.get(&table) else { continue };
        let Some(files) = state.lake.usage_data_files(delta)? else { return Ok(None) };
        days.extend(files.into_iter().map(|file| file.day));
    }
    Ok(Some(days))
}

/// Works out the rollups that are missing of what a session sees; how many data files there are rollups of.
pub(crate) async fn catch_up(
    session: &SessionContext,
    catalogue: &Catalogue,
    done: &(dyn Fn(Table, usize, usize) + Send + Sync),
) -> Result<u64, QueryError> {
    let Some(state) = session.state().config().get_extension::<LakeState>() else { return Ok(0) };
    let mut count = 0;
    for table in TABLES {
        let Some(delta) = state.tables.get(&table) else { continue };
        let source = Source { lake: &state.lake, table, delta, declared: &state.declared, catalogue, session };
        count += state.kept.rollups.catch_up(&source, &|days, all| done(table, days, all)).await?;
    }
    Ok(count)
}

fn empty_session() -> SessionContext {
    SessionContext::new_with_config(config())
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new().with_information_schema(true);
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
