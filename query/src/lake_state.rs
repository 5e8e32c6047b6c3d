//! What a session knows of the lake beside its tables: the rollups that may stand for records, and answers that were given
//! before.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use paygrain_ingest::Lake;
use paygrain_ingest::lake::UsageDataFile;
use paygrain_ingest::table::{DAY_US, Table};
use paygrain_pricing::Catalogue;
use paygrain_replay::{DeploymentProblem, Deployments, Staircase};

use crate::answers::Answers;
use crate::bill::RatedUsage;
use crate::compared::Compared;
use crate::declared::Declared;
use crate::error::QueryError;
use crate::memory_what_if::MemoryWhatIf;
use crate::places::Places;
use crate::rollup::TABLES;
use crate::rollup::store::{Rollups, Services, Source, View};
use crate::session::Tables;
use crate::workload::Workload;

/// The state of the lake that a session sees, and the rollups that may stand for its records.
pub(crate) struct LakeState {
    lake: Lake,
    tables: BTreeMap<Table, TableState>,
    declared: Declared,
    /// The versions of everything that usage is made of.
    versions: String,
    kept: Kept,
}

/// A usage table as a session sees it.
struct TableState {
    delta: DeltaTable,
    /// Its data files by day, once they were asked for; nothing where they are not its rows.
    files: OnceLock<Option<Vec<UsageDataFile>>>,
}

impl LakeState {
    /// Of the tables that a session is going to see.
    pub fn new(lake: Lake, tables: &Tables, kept: Kept) -> Self {
        let usage = Table::USAGE.into_iter().filter_map(|table| Some((table, tables.found.get(&table)?.clone())));
        let usage = usage.map(|(table, delta)| (table, TableState { delta, files: OnceLock::new() }));
        let (tables, declared, versions) = (usage.collect(), tables.declared.clone(), format!("{:?}", tables.versions));
        Self { lake, tables, declared, versions, kept }
    }

    /// What a session has been told of the lake; nothing where it may only see records.
    fn of(session: &SessionContext) -> Option<Arc<Self>> {
        session.state().config().get_extension::<Self>()
    }

    /// The data files of a table by day: none where it was never written, nothing where only the records say.
    fn files(&self, table: Table) -> Result<Option<&[UsageDataFile]>, QueryError> {
        let Some(TableState { delta, files }) = self.tables.get(&table) else { return Ok(Some(&[])) };
        if let Some(files) = files.get() {
            return Ok(files.as_deref());
        }
        let found = self.lake.usage_data_files(delta)?;
        Ok(files.get_or_init(|| found).as_deref())
    }

    /// Where the rollups of a table come from; nothing where only the records say.
    fn source<'a>(
        &'a self,
        table: Table,
        catalogue: &'a Catalogue,
        session: &'a SessionContext,
    ) -> Result<Option<Source<'a>>, QueryError> {
        let (Some(TableState { delta, .. }), Some(files)) = (self.tables.get(&table), self.files(table)?) else {
            return Ok(None);
        };
        Ok(Some(Source {
            lake: &self.lake,
            table,
            delta,
            files,
            declared: &self.declared,
            catalogue,
            session,
            keeps: true,
        }))
    }
}

/// What is kept of a lake from question to question.
#[derive(Clone)]
pub(crate) struct Kept {
    /// The price books that answers are of.
    pub catalogue: Arc<Catalogue>,
    pub rollups: Arc<Rollups>,
    /// For answers that are worked out.
    pub places: Arc<Places>,
    pub rated: Arc<Answers<RatedUsage>>,
    pub workloads: Arc<Answers<Option<Workload>>>,
    /// Times of latest records, microseconds since 1970 UTC.
    pub latest: Arc<Answers<Option<i64>>>,
    pub comparisons: Arc<Answers<Option<Compared>>>,
    pub memory_what_ifs: Arc<Answers<Option<MemoryWhatIf>>>,
    pub staircases: Arc<Answers<Option<Staircase>>>,
    /// What workloads are compared on.
    pub deployments: Arc<OnceLock<Result<Arc<Deployments>, Vec<DeploymentProblem>>>>,
}

impl Kept {
    /// Nothing yet, of what will be answered with some price books.
    pub fn of(catalogue: Catalogue) -> Self {
        Self {
            catalogue: Arc::new(catalogue),
            rollups: Arc::default(),
            places: Arc::default(),
            rated: Arc::default(),
            workloads: Arc::default(),
            latest: Arc::default(),
            comparisons: Arc::default(),
            memory_what_ifs: Arc::default(),
            staircases: Arc::default(),
            deployments: Arc::default(),
        }
    }
}

/// An answer about usage, which is kept for as long as there is no other usage.
///
/// # Errors
/// Those of making it.
pub(crate) async fn answer<T>(
    session: &SessionContext,
    catalogue: &Catalogue,
    answers: impl Fn(&Kept) -> &Answers<T>,
    question: &str,
    make: impl Future<Output = Result<(T, usize), QueryError>>,
) -> Result<Arc<T>, QueryError> {
    match LakeState::of(session) {
        Some(state) if std::ptr::eq(state.kept.catalogue.as_ref(), catalogue) => {
            let key = format!("{} {question}", state.versions);
            answers(&state.kept).get(key, &state.kept.places, make).await
        }
        _ => Ok(Arc::new(make.await?.0)),
    }
}

/// The rollups of what a session sees of a table between two instants; nothing where the records are to be read.
pub(crate) async fn view_of(
    session: &SessionContext,
    catalogue: &Catalogue,
    table: Table,
    bounds: (i64, i64),
) -> Result<Option<Arc<View>>, QueryError> {
    let Some(state) = LakeState::of(session) else { return Ok(None) };
    let Some(source) = state.source(table, catalogue, session)? else { return Ok(None) };
    state.kept.rollups.view(&source, utc_days(bounds)).await
}

/// The UTC days between two instants, days since 1970.
pub(crate) fn utc_days((from_us, to_us): (i64, i64)) -> RangeInclusive<i32> {
    let day = |us: i64| i32::try_from(us.div_euclid(DAY_US)).unwrap_or(i32::MAX);
    day(from_us)..=day(to_us - 1)
}

/// The rollups of what a session sees of the invocations of some UTC days, with those of days before from which one runs
/// into them; nothing where the records are to be read.
pub(crate) async fn view_under_way(
    session: &SessionContext,
    catalogue: &Catalogue,
    days: RangeInclusive<i32>,
) -> Result<Option<View>, QueryError> {
    let Some(state) = LakeState::of(session) else { return Ok(None) };
    let Some(source) = state.source(Table::Invocations, catalogue, session)? else { return Ok(None) };
    state.kept.rollups.view_under_way(&source, days).await
}

/// Provider and service of all records of a table that a session sees; nothing where only the records say.
pub(crate) async fn services_of(
    session: &SessionContext,
    catalogue: &Catalogue,
    table: Table,
) -> Result<Option<Services>, QueryError> {
    let Some(state) = LakeState::of(session) else { return Ok(None) };
    if !state.tables.contains_key(&table) {
        return Ok(Some(Services::new()));
    }
    let Some(source) = state.source(table, catalogue, session)? else { return Ok(None) };
    state.kept.rollups.services(&source).await
}

/// Whether a session sees no row of a table.
pub(crate) fn is_empty(session: &SessionContext, table: Table) -> Result<bool, QueryError> {
    let Some(state) = LakeState::of(session) else { return Ok(false) };
    Ok(state.files(table)?.is_some_and(<[_]>::is_empty))
}

/// The UTC days with usage; nothing where only the records say.
pub(crate) fn days_with_usage(session: &SessionContext) -> Result<Option<BTreeSet<i32>>, QueryError> {
    let Some(state) = LakeState::of(session) else { return Ok(None) };
    let mut days = BTreeSet::new();
    for table in Table::USAGE {
        let Some(files) = state.files(table)? else { return Ok(None) };
        days.extend(files.iter().map(|file| file.day));
    }
    Ok(Some(days))
}

/// Works out the rollups that are missing of what a session sees; how many data files there are rollups of.
pub(crate) async fn catch_up(
    session: &SessionContext,
    catalogue: &Catalogue,
    done: &(dyn Fn(Table, usize, usize) + Send + Sync),
) -> Result<u64, QueryError> {
    let Some(state) = LakeState::of(session) else { return Ok(0) };
    let mut count = 0;
    for table in TABLES {
        if let Some(source) = state.source(table, catalogue, session)? {
            count += state.kept.rollups.catch_up(&source, &|days, all| done(table, days, all)).await?;
        }
    }
    Ok(count)
}
