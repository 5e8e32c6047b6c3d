//! What a session knows of the lake beside its tables: the rollups that may stand for records, and answers that were given
//! before.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use paygrain_ingest::Lake;
use paygrain_ingest::table::{DAY_US, Table};
use paygrain_pricing::Catalogue;

use crate::answers::Answers;
use crate::declared::Declared;
use crate::error::QueryError;
use crate::rollup::TABLES;
use crate::rollup::store::{Rollups, Source, View};
use crate::session::Tables;

/// The state of the lake that a session sees, and the rollups that may stand for its records.
pub(crate) struct LakeState {
    lake: Lake,
    tables: BTreeMap<Table, DeltaTable>,
    declared: Declared,
    /// The versions of everything that usage is made of.
    versions: String,
    kept: Kept,
}

impl LakeState {
    /// Of the tables that a session is going to see.
    pub fn new(lake: Lake, tables: &Tables, kept: Kept) -> Self {
        let (found, declared) = (tables.found.clone(), tables.declared.clone());
        Self { lake, tables: found, declared, versions: format!("{:?}", tables.versions), kept }
    }
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
