//! The same histograms from rollups, which is quick whatever the number of records.

use std::collections::HashMap;

use datafusion::prelude::SessionContext;
use paygrain_pricing::{Catalogue, Zone};

use super::{HistogramRow, Records, Resource};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::lake_state::{services_of, view_of};
use crate::report::costs::passes;
use crate::report::parameters::Selection;
use crate::rollup::Histograms;
use crate::rollup::class::{Class, is_common};
use crate::rollup::histogram::Histogram;

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

    /// A histogram from rollups. They are of UTC days: nothing where a service has others, or a filter asks for more.
    async fn rolled(
        &self,
        session: &SessionContext,
        catalogue: &Catalogue,
        histogram: impl Fn(&Histograms) -> &Histogram,
    ) -> Result<Option<Vec<HistogramRow>>, QueryError> {
        let (table, utc) = (self.table, Zone::default());
        let Selection { provider, only, .. } = self.selection;
        let is_asked = |name: &str| provider.as_deref().is_none_or(|provider| provider == name);
        let Some(services) = services_of(session, catalogue, table).await? else { return Ok(None) };
        let mut asked = services.iter().filter(|(provider, _)| is_asked(provider));
        let in_utc = asked.all(|(provider, service)| catalogue.zone(provider, service) == utc);
        if !in_utc || !only.iter().all(|(dimension, _)| is_common(table, dimension.name())) {
            return Ok(None);
        }
        let Some(view) = view_of(session, catalogue, table, self.days.bounds_us(utc)).await? else { return Ok(None) };
        let key = |class: &Class| {
            let text = |column: &str| class.text(table, column).unwrap_or_default().to_owned();
            let resource = Resource {
                provider: text("provider"),
                service: text("service"),
                account: text("account"),
                region: text("region"),
                resource: text("resource"),
            };
            let chosen = is_asked(&resource.provider)
                && passes(only, |dimension| class.detail(table, dimension.name()).unwrap_or_default());
            chosen.then(|| (resource, class.integer(table, "memory_mb").unwrap_or(0)))
        };
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
