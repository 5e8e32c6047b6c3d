//! The same histograms from rollups, which is quick whatever the number of records.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::prelude::SessionContext;
use paygrain_pricing::{Catalogue, Zone};

use super::{HistogramRow, Records, Resource};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::lake_state::{services_of, view_of};
use crate::report::costs::passes;
use crate::report::parameters::Selection;
use crate::rollup::Histograms;
use crate::rollup::class::{Class, PROVIDER, is_common};
use crate::rollup::histogram::Histogram;
use crate::rollup::store::View;

impl Records<'_> {
    /// [`Records::duration_histogram`], from rollups where they say it.
    pub async fn durations(&self, engine: &Engine) -> Result<Vec<HistogramRow>, QueryError> {
        let session = engine.session().await?;
        match self.rolled(&session, engine.catalogue(), |found| &found.durations).await? {
            Some(found) => Ok(found),
            None => self.duration_histogram(&session).await,
        }
    }

    /// [`Records::memory_histogram`], from rollups where they say it.
    pub async fn memory_used(&self, engine: &Engine) -> Result<Vec<HistogramRow>, QueryError> {
        let session = engine.session().await?;
        match self.rolled(&session, engine.catalogue(), |found| &found.memory_used).await? {
            Some(found) => Ok(found),
            None => self.memory_histogram(&session).await,
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
    async fn view_in_utc(
        &self,
        session: &SessionContext,
        catalogue: &Catalogue,
    ) -> Result<Option<Arc<View>>, QueryError> {
        let utc = Zone::default();
        let Some(services) = services_of(session, catalogue, self.table).await? else { return Ok(None) };
        let is_asked = |name: &str| self.selection.provider.as_deref().is_none_or(|provider| provider == name);
        let mut asked = services.iter().filter(|(provider, _)| is_asked(provider));
        if !asked.all(|(provider, service)| catalogue.zone(provider, service) == utc) || !self.is_of_classes() {
            return Ok(None);
        }
        view_of(session, catalogue, self.table, self.days.bounds_us(utc)).await
    }

    /// A histogram from rollups; nothing where they do not say it.
    async fn rolled(
        &self,
        session: &SessionContext,
        catalogue: &Catalogue,
        histogram: impl Fn(&Histograms) -> &Histogram,
    ) -> Result<Option<Vec<HistogramRow>>, QueryError> {
        let Some(view) = self.view_in_utc(session, catalogue).await? else { return Ok(None) };
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
