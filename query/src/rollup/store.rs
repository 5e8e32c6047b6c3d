//! Rollups of a state of the lake: kept in memory and in files, worked out where they are missing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use futures::TryStreamExt;
use paygrain_ingest::Lake;
use paygrain_ingest::lake::UsageDataFile;
use paygrain_ingest::table::{DAY_US, Table};
use paygrain_pricing::Catalogue;
use tokio::sync::Mutex;

use super::build::{Builder, columns};
use super::class::{Class, Classes};
use super::pack;
use super::{Rollup, terms_of};
use crate::declared::Declared;
use crate::error::QueryError;

/// Rollups of one day beyond which they are put together.
const ROLLUPS_OF_A_DAY_MAX: usize = 8;
/// How many numbers of rollups are kept in memory beside those of one view, about: half a gigabyte.
const WEIGHT_MAX: usize = 64_000_000;
/// Age from which on a file that is of no use to the latest state may go: others may be at an earlier one.
const UNUSED_FOR: Duration = Duration::from_secs(600);
/// Views that are kept.
const VIEWS_MAX: usize = 16;

/// The rollups of a lake; shared by every question.
#[derive(Default)]
pub(crate) struct Rollups {
    state: Mutex<State>,
}

impl fmt::Debug for Rollups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rollups")
    }
}

#[derive(Default)]
struct State {
    /// What was declared when the classes were completed.
    declared: Declared,
    classes: HashMap<Table, Classes>,
    days: HashMap<(Table, i32), Vec<Arc<Day>>>,
    /// Files of each day, and what their rollups say in their first lines.
    facts: HashMap<(Table, i32), (Vec<UsageDataFile>, Facts)>,
    /// Data files that cannot be rolled up.
    refused: BTreeSet<(Table, String)>,
    views: Vec<(ViewKey, Arc<View>)>,
}

/// Providers and services.
pub(crate) type Services = BTreeSet<(String, String)>;

/// What is known of the records of a day without reading any sums.
#[derive(Debug, Default)]
struct Facts {
    services: Services,
    /// When the last execution ends, in microseconds since the day began.
    last_end_us: Option<i64>,
}

/// Table, version, first and last day.
type ViewKey = (Table, Option<u64>, i32, i32);

/// A rollup whose classes are numbered.
#[derive(Debug)]
pub(crate) struct Day {
    /// The rollup.
    pub rollup: Rollup,
    /// For each class of the rollup, the number of what it is with everything declared.
    pub numbers: Vec<u32>,
}

/// The rollups of all rows of a table in some days, in one state of the lake.
#[derive(Debug)]
pub(crate) struct View {
    /// Classes by number, completed by what was declared.
    pub classes: Vec<Arc<Class>>,
    /// By day; several rollups can be of one day.
    pub days: Vec<Arc<Day>>,
    /// Columns of which something is declared: sums were made of what the records say.
    pub declared: BTreeSet<&'static str>,
}

/// What the rollups of a table are of.
pub(crate) struct Source<'a> {
    pub lake: &'a Lake,
    pub table: Table,
    /// The state of the table.
    pub delta: &'a DeltaTable,
    /// Its data files, by day.
    pub files: &'a [UsageDataFile],
    pub declared: &'a Declared,
    pub catalogue: &'a Catalogue,
    pub session: &'a SessionContext,
    /// Whether what is worked out is kept in files.
    pub keeps: bool,
}

impl Rollups {
    /// The rollups of some days of a table; nothing where its rows cannot be rolled up.
    ///
    /// # Errors
    /// When data files cannot be read.
    pub async fn view(&self, source: &Source<'_>, days: RangeInclusive<i32>) -> Result<Option<Arc<View>>, QueryError> {
        self.state.lock().await.view(source, &days).await
    }

    /// The rollups of some days of a table, with those of all days before from which an execution runs into them; nothing
    /// where the rows cannot be rolled up.
    ///
    /// # Errors
    /// When data files cannot be read.
    pub async fn view_under_way(
        &self,
        source: &Source<'_>,
        days: RangeInclusive<i32>,
    ) -> Result<Option<View>, QueryError> {
        let mut state = self.state.lock().await;
        let Some(view) = state.view(source, &days).await? else { return Ok(None) };
        let mut found = Vec::new();
        for files in source.by_day().take_while(|files| files[0].day < *days.start()) {
            let before_us = (i64::from(*days.start()) - i64::from(files[0].day)) * DAY_US;
            let Some(facts) = state.facts_of_day(source, files).await? else { return Ok(None) };
            if facts.last_end_us.is_some_and(|end_us| end_us > before_us) {
                let Some(of_day) = state.of_day(source, files).await? else { return Ok(None) };
                found.extend(of_day);
            }
        }
        found.extend(view.days.iter().cloned());
        let classes = state.classes.entry(source.table).or_default().all().to_vec();
        Ok(Some(View { classes, days: found, declared: view.declared.clone() }))
    }

    /// As [`Rollups::view`], of some data files of these days, whichever were asked for before.
    ///
    /// # Errors
    /// When data files cannot be read.
    pub async fn view_of_files(
        &self,
        source: &Source<'_>,
        days: RangeInclusive<i32>,
    ) -> Result<Option<Arc<View>>, QueryError> {
        let mut state = self.state.lock().await;
        state.views.clear();
        state.view(source, &days).await
    }

    /// Works out and keeps the rollups of a table that are missing, a day at a time; how many data files they are of.
    /// `done` is told days done and days in all.
    ///
    /// # Errors
    /// When data files cannot be read.
    pub async fn catch_up(
        &self,
        source: &Source<'_>,
        done: &(dyn Fn(usize, usize) + Send + Sync),
    ) -> Result<u64, QueryError> {
        let (mut count, days) = (0, source.by_day().count());
        for (number, files) in source.by_day().enumerate() {
            if self.state.lock().await.facts_of_day(source, files).await?.is_some() {
                count += files.len() as u64;
            }
            done(number + 1, days);
        }
        Ok(count)
    }

    /// Provider and service of all records of a table; nothing where its rows cannot be rolled up.
    ///
    /// # Errors
    /// When data files cannot be read.
    pub async fn services(&self, source: &Source<'_>) -> Result<Option<Services>, QueryError> {
        let mut found = BTreeSet::new();
        let mut state = self.state.lock().await;
        for files in source.by_day() {
            match state.facts_of_day(source, files).await? {
                Some(facts) => found.extend(facts.services.iter().cloned()),
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// Forgets every rollup, in memory and in files.
    ///
    /// # Errors
    /// When the files cannot be removed.
    pub async fn drop_all(&self, lake: &Lake) -> Result<(), QueryError> {
        *self.state.lock().await = State::default();
        match std::fs::remove_dir_all(lake.derived_directory()?) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl<'a> Source<'a> {
    /// The data files of each day.
    fn by_day(&self) -> impl Iterator<Item = &'a [UsageDataFile]> + use<'a> {
        self.files.chunk_by(|a, b| a.day == b.day)
    }
}

impl State {
    /// How many numbers are in memory.
    fn weight(&self) -> usize {
        self.days.values().flatten().map(|day| day.rollup.weight()).sum()
    }

    /// As [`Rollups::view`].
    async fn view(&mut self, source: &Source<'_>, days: &RangeInclusive<i32>) -> Result<Option<Arc<View>>, QueryError> {
        let key = (source.table, source.delta.version(), *days.start(), *days.end());
        if self.declared != *source.declared {
            *self = State { declared: source.declared.clone(), ..State::default() };
        }
        if let Some((_, view)) = self.views.iter().find(|(known, _)| *known == key) {
            return Ok(Some(view.clone()));
        }
        let mut found = Vec::new();
        for files in source.by_day().filter(|files| days.contains(&files[0].day)) {
            let Some(of_day) = self.of_day(source, files).await? else { return Ok(None) };
            found.extend(of_day);
        }
        let classes = self.classes.entry(source.table).or_default().all().to_vec();
        let view = Arc::new(View { classes, days: found, declared: source.declared.columns() });
        if self.weight() > WEIGHT_MAX {
            let State { days: kept, views, .. } = self;
            kept.retain(|(table, day), _| *table == source.table && days.contains(day));
            views.clear();
        }
        if self.views.len() >= VIEWS_MAX {
            self.views.remove(0);
        }
        self.views.push((key, view.clone()));
        Ok(Some(view))
    }

    /// What the rollups of a day say in their first lines: nobody may ask more of it.
    async fn facts_of_day(
        &mut self,
        source: &Source<'_>,
        files: &[UsageDataFile],
    ) -> Result<Option<&Facts>, QueryError> {
        let key = (source.table, files[0].day);
        if self.facts.get(&key).is_none_or(|(known, _)| known != files) {
            let is_in_memory = self.days.contains_key(&key);
            let written = if is_in_memory { None } else { written(source, files)? };
            let facts = match written {
                Some(facts) => facts,
                None => {
                    let Some(found) = self.of_day(source, files).await? else { return Ok(None) };
                    if !is_in_memory {
                        self.days.remove(&key);
                    }
                    let mut facts = Facts::default();
                    found.iter().for_each(|day| facts.add(&day.rollup));
                    facts
                }
            };
            self.facts.insert(key, (files.to_vec(), facts));
        }
        Ok(self.facts.get(&key).map(|(_, facts)| facts))
    }

    /// Rollups of exactly these files of a day.
    async fn of_day(
        &mut self,
        source: &Source<'_>,
        files: &[UsageDataFile],
    ) -> Result<Option<Vec<Arc<Day>>>, QueryError> {
        let day = files[0].day;
        if files.iter().any(|file| self.refused.contains(&(source.table, file.path.clone()))) {
            return Ok(None);
        }
        let directory = source.lake.derived_directory()?;
        let mut missing: BTreeMap<&str, &UsageDataFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
        let mut found = self.days.remove(&(source.table, day)).unwrap_or_default();
        let all = missing.len();
        found.retain(|known| take(&mut missing, &known.rollup.files));
        if !missing.is_empty() {
            for path in pack::of_day(&directory, source.table, day) {
                match read(&path, source, &mut missing) {
                    Ok(Some(rollup)) => found.push(self.numbered(source.table, rollup)),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(path = %path.display(), %error, "a rollup is of no use"),
                }
            }
        }
        let changed = !missing.is_empty();
        if changed {
            let missing: Vec<&UsageDataFile> = missing.into_values().collect();
            match build(source, day, &missing).await? {
                Some(rollup) => {
                    if source.keeps {
                        keep(&directory, source.table, &rollup);
                    }
                    found.push(self.numbered(source.table, rollup));
                }
                None => {
                    self.refused.extend(missing.into_iter().map(|file| (source.table, file.path.clone())));
                    return Ok(None);
                }
            }
        }
        if source.keeps
            && found.len() > ROLLUPS_OF_A_DAY_MAX
            && let Some(merged) = Rollup::merged(found.iter().map(|known| &known.rollup))
        {
            debug_assert_eq!(merged.files.len(), all);
            if keep(&directory, source.table, &merged) {
                for known in &found {
                    let path = pack::path(&directory, source.table, day, &known.rollup.files);
                    // Whoever looks for it works it out again.
                    let _ = std::fs::remove_file(path);
                }
            }
            found = vec![self.numbered(source.table, merged)];
        }
        if changed && source.keeps {
            sweep(&directory, source.table, day, &found);
        }
        self.days.insert((source.table, day), found.clone());
        Ok(Some(found))
    }

    fn numbered(&mut self, table: Table, rollup: Rollup) -> Arc<Day> {
        let completed = self.declared.completer();
        let classes = self.classes.entry(table).or_default();
        let numbers = rollup.classes.iter().map(|class| classes.number(completed.class(table, class))).collect();
        Arc::new(Day { rollup, numbers })
    }
}

/// Takes the files of a rollup off those that are missing, where all of them are.
fn take(missing: &mut BTreeMap<&str, &UsageDataFile>, files: &BTreeSet<String>) -> bool {
    let fits = files.iter().all(|file| missing.contains_key(file.as_str()));
    if fits {
        missing.retain(|file, _| !files.contains(*file));
    }
    fits
}

impl Facts {
    fn add(&mut self, rollup: &Rollup) {
        let services = rollup.services.iter().map(|(provider, service, _)| (provider.clone(), service.clone()));
        self.services.extend(services);
        self.last_end_us = self.last_end_us.max(rollup.last_end_us);
    }
}

/// What the first lines of the rollups of a day say; nothing where one is missing.
fn written(source: &Source<'_>, files: &[UsageDataFile]) -> Result<Option<Facts>, QueryError> {
    let directory = source.lake.derived_directory()?;
    let mut missing: BTreeMap<&str, &UsageDataFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut found = Facts::default();
    for path in pack::of_day(&directory, source.table, files[0].day) {
        if let Ok(facts) = pack::facts(&path, source.table)
            && is_complete(source, &facts)
            && take(&mut missing, &facts.files)
        {
            found.add(&facts);
        }
    }
    Ok(missing.is_empty().then_some(found))
}

/// Whether a rollup sums all that the rules of its services need: a rule may have come that needs something else.
fn is_complete(source: &Source<'_>, rollup: &Rollup) -> bool {
    rollup.services.iter().all(|(provider, service, summed)| {
        terms_of(source.catalogue, source.table, provider, service)
            .iter()
            .all(|term| rollup.place_of(&term.sql).is_some_and(|place| (summed >> place) & 1 == 1))
    })
}

/// Reads a rollup from its file where it is of use.
fn read(
    path: &Path,
    source: &Source<'_>,
    missing: &mut BTreeMap<&str, &UsageDataFile>,
) -> Result<Option<Rollup>, pack::PackError> {
    let facts = pack::facts(path, source.table)?;
    let is_missing = !facts.files.is_empty() && facts.files.iter().all(|file| missing.contains_key(file.as_str()));
    if !is_missing || !is_complete(source, &facts) {
        return Ok(None);
    }
    let rollup = pack::read(path, source.table)?;
    Ok(take(missing, &rollup.files).then_some(rollup))
}

/// Works a rollup out; nothing where the files cannot be rolled up.
async fn build(source: &Source<'_>, day: i32, files: &[&UsageDataFile]) -> Result<Option<Rollup>, QueryError> {
    let columns = columns(source.table);
    let mut builder = Builder::new(source.table, day, source.catalogue, source.session);
    for file in files {
        let mut rows = Box::pin(source.lake.read_usage_data_file(source.delta, file, &columns).await?);
        while let Some(batch) = rows.try_next().await? {
            if !builder.add(&batch)? {
                return Ok(None);
            }
        }
    }
    Ok(Some(builder.finish(files.iter().map(|file| file.path.clone()).collect())))
}

/// Removes the files of a day that were of use some time ago and are not now: of data files that were put together. A
/// question about an earlier state works its rollups out again.
fn sweep(directory: &Path, table: Table, day: i32, found: &[Arc<Day>]) {
    let used: BTreeSet<_> = found.iter().map(|known| pack::path(directory, table, day, &known.rollup.files)).collect();
    let is_old = |path: &Path| {
        let modified = std::fs::metadata(path).and_then(|facts| facts.modified());
        modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > UNUSED_FOR))
    };
    for path in pack::of_day(directory, table, day) {
        if !used.contains(&path) && is_old(&path) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Writes a rollup to its file. Where that is not possible it is worked out again another time.
fn keep(directory: &Path, table: Table, rollup: &Rollup) -> bool {
    let written = pack::write(directory, table, rollup);
    if let Err(error) = &written {
        tracing::warn!(directory = %directory.display(), %error, "a rollup could not be kept");
    }
    written.is_ok()
}
