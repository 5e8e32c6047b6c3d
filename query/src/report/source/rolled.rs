//! The same histograms, counts and sums from rollups, which is quick whatever the number of records.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::prelude::SessionContext;
use paygrain_pricing::Zone;
use paygrain_pricing::period::HOUR_US;

use super::{HistogramRow, Records, Resource};
use crate::error::QueryError;
use crate::lake_state::{services_of, view_of};
use crate::report::costs::passes;
use crate::report::parameters::Selection;
use crate::rollup::Histograms;
use crate::rollup::class::{Class, PROVIDER, SERVICE, is_common};
use crate::rollup::histogram::Histogram;
use crate::rollup::store::View;

impl Records<'_> {
    /// [`Records::duration_histogram`], from rollups where they say it.
    pub async fn durations(&self, session: &SessionContext) -> Result<Vec<HistogramRow>, QueryError> {
        match self.rolled(session, |found| &found.durations).await? {
            Some(found) => Ok(found),
            None => self.duration_histogram(session).await,
        }
    }

    /// [`Records::memory_histogram`], from rollups where they say it.
    pub async fn memory_used(&self, session: &SessionContext) -> Result<Vec<HistogramRow>, QueryError> {
        match self.rolled(session, |found| &found.memory_used).await? {
            Some(found) => Ok(found),
            None => self.memory_histogram(session).await,
        }
    }

    /// Whether the filters only ask for what the records of a class have in common.
    pub(super) fn is_of_classes(&self) -> bool {
        self.selection.only.iter().all(|(dimension, _)| is_common(self.table, dimension.name()))
    }

    /// Whether the filters let a class pass.
    pub(super) fn chooses(&self, class: &Class) -> bool {
        let Selection { provider, only, .. } = self.selection;
        let own = class.texts[PROVIDER].as_deref().unwrap_or_default();
        provider.as_deref().is_none_or(|provider| provider == own)
            && passes(only, |dimension| class.detail(self.table, dimension.name()).unwrap_or_default())
    }

    /// The rollups of the days. They are of UTC days: nothing where a service has others, or a filter asks for more.
    async fn view_in_utc(&self, session: &SessionContext) -> Result<Option<Arc<View>>, QueryError> {
        let utc = Zone::default();
        let Some(zones) = self.zones(session).await? else { return Ok(None) };
        if zones.iter().any(|zone| *zone != utc) || !self.is_of_classes() {
            return Ok(None);
        }
        view_of(session, self.catalogue, self.table, self.days.bounds_us(utc)).await
    }

    /// The zones of the services that may be asked for; nothing where only the records say.
    async fn zones(&self, session: &SessionContext) -> Result<Option<Vec<Zone>>, QueryError> {
        let Some(services) = services_of(session, self.catalogue, self.table).await? else { return Ok(None) };
        let is_asked = |name: &str| self.selection.provider.as_deref().is_none_or(|provider| provider == name);
        let asked = services.iter().filter(|(provider, _)| is_asked(provider));
        Ok(Some(asked.map(|(provider, service)| self.catalogue.zone(provider, service)).collect()))
    }

    /// Sums by resource over the hours of the days in each service's zone: `add` is given the class, its records of an hour
    /// and their sums of the terms. Nothing where rollups do not say it.
    pub(crate) async fn summed<T: Default>(
        &self,
        session: &SessionContext,
        terms: &[&str],
        add: impl Fn(&mut T, &Class, u64, &[i64]),
    ) -> Result<Option<BTreeMap<Resource, T>>, QueryError> {
        self.summed_by_hour(session, terms, |sum, class, _, count, sums| add(sum, class, count, sums)).await
    }

    /// The same; `add` is also given when the hour begins, in microseconds since 1970.
    pub(crate) async fn summed_by_hour<T: Default>(
        &self,
        session: &SessionContext,
        terms: &[&str],
        add: impl Fn(&mut T, &Class, i64, u64, &[i64]),
    ) -> Result<Option<BTreeMap<Resource, T>>, QueryError> {
        let Some(zones) = self.zones(session).await? else { return Ok(None) };
        let bounds = || zones.iter().map(|zone| self.days.bounds_us(*zone));
        // A zone whose day begins within an hour needs the records.
        let is_whole = |(from_us, to_us): (i64, i64)| from_us % HOUR_US == 0 && to_us % HOUR_US == 0;
        if !bounds().all(is_whole) || !self.is_of_classes() {
            return Ok(None);
        }
        let (Some(from_us), Some(to_us)) =
            (bounds().map(|(from_us, _)| from_us).min(), bounds().map(|(_, to_us)| to_us).max())
        else {
            return Ok(Some(BTreeMap::new()));
        };
        let Some(view) = view_of(session, self.catalogue, self.table, (from_us, to_us)).await? else { return Ok(None) };
        let chosen = |class: &Class| {
            let text = |place: usize| class.texts[place].as_deref().unwrap_or_default();
            let bounds = self.days.bounds_us(self.catalogue.zone(text(PROVIDER), text(SERVICE)));
            self.chooses(class).then(|| (Resource::of(self.table, class), bounds))
        };
        let chosen: Vec<Option<(Resource, (i64, i64))>> = view.classes.iter().map(|class| chosen(class)).collect();
        let mut found: BTreeMap<Resource, T> = BTreeMap::new();
        for day in &view.days {
            let rollup = &day.rollup;
            let places = terms.iter().map(|term| rollup.place_of(term));
            let Some(places) = places.collect::<Option<Vec<usize>>>() else { return Ok(None) };
            let needed = places.iter().fold(0, |terms, place| terms | 1 << place);
            let mut sums = vec![0; places.len()];
            for cell in 0..rollup.counts.len() {
                let class = rollup.cell_classes[cell] as usize;
                let number = day.numbers[class] as usize;
                let Some((resource, (from_us, to_us))) = &chosen[number] else { continue };
                if !(*from_us..*to_us).contains(&rollup.hour_us(cell)) {
                    continue;
                }
                if !rollup.knows(class, needed) {
                    return Ok(None);
                }
                sums.iter_mut().zip(&places).for_each(|(sum, place)| *sum = rollup.sum(*place, cell));
                let sum = match found.get_mut(resource) {
                    Some(sum) => sum,
                    None => found.entry(resource.clone()).or_default(),
                };
                add(sum, &view.classes[number], rollup.hour_us(cell), rollup.counts[cell], &sums);
            }
        }
        Ok(Some(found))
    }

    /// A histogram from rollups; nothing where they do not say it.
    async fn rolled(
        &self,
        session: &SessionContext,
        histogram: impl Fn(&Histograms) -> &Histogram,
    ) -> Result<Option<Vec<HistogramRow>>, QueryError> {
        let Some(view) = self.view_in_utc(session).await? else { return Ok(None) };
        let memory_mb = |class: &Class| class.integer(self.table, "memory_mb").unwrap_or(0);
        let key = |class: &Class| self.chooses(class).then(|| (Resource::of(self.table, class), memory_mb(class)));
        let keys: Vec<Option<(Resource, i64)>> = view.classes.iter().map(|class| key(class)).collect();
        // Classes with the same key are counted as the first of them.
        let mut firsts: HashMap<&(Resource, i64), usize> = HashMap::new();
        let numbered = keys.iter().enumerate();
        let counted_as: Vec<Option<usize>> =
            numbered.map(|(class, key)| Some(*firsts.entry(key.as_ref()?).or_insert(class))).collect();
        let mut counts: HashMap<(usize, u64), u64> = HashMap::new();
        for day in &view.days {
            let Some(found) = day.rollup.histograms() else { return Ok(None) };
            for (class, value, count) in histogram(found).entries() {
                if let Some(first) = counted_as[day.numbers[class as usize] as usize] {
                    *counts.entry((first, value)).or_default() += count;
                }
            }
        }
        let row = |((first, value), count): ((usize, u64), u64)| {
            let (resource, memory_mb) = keys[first].clone()?;
            Some(HistogramRow { resource, memory_mb, value: i64::try_from(value).unwrap_or(i64::MAX), count })
        };
        Ok(Some(counts.into_iter().filter_map(row).collect()))
    }
}
