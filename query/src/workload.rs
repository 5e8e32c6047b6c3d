//! A recorded workload: what invocations add up to by day, by hour and by duration, for every group that has memory,
//! function, status and the like in common.
//!
//! It is made from rollups, so it costs the same whether a month has a million invocations or fifty. Every number is a
//! whole one and exact.

use std::ops::RangeInclusive;
use std::sync::Arc;

use datafusion::prelude::SessionContext;
use paygrain_ingest::table::{DAY_US, Table};
use paygrain_pricing::Catalogue;

use crate::error::QueryError;
use crate::lake_state::{answer, view_of};
use crate::report::statistics::nearest_rank;
use crate::rollup::class::Class;
use crate::rollup::histogram::{Counting, Histogram};
use crate::rollup::store::{Day, View};
use crate::rollup::{DAY_HOURS, HOURS, ROUNDINGS, put_together, rounding_terms};

/// Roundings of durations that sums are kept of: to 1 ms, to 100 ms, to 1 s, and to 1 s and at least 1 minute.
pub const ROUNDINGS_COUNT: usize = ROUNDINGS.len();

/// Invocations of some days added up.
#[derive(Debug)]
pub struct Workload {
    groups: Vec<Group>,
    by_day: Vec<DaySum>,
    by_hour: Vec<HourSum>,
    /// Invocations by group and duration in whole milliseconds, rounded up.
    durations: Histogram,
    view: Arc<View>,
}

/// What a group of invocations has in common.
#[derive(Clone, Debug)]
pub struct Group {
    class: Arc<Class>,
}

/// A group on a UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySum {
    /// Days since 1970.
    pub day: i32,
    /// Place in [`Workload::groups`].
    pub group: u32,
    /// Invocations.
    pub count: u64,
    /// Sum of their durations, in microseconds.
    pub duration_us: i64,
    /// Sum of their durations by each rounding, in microseconds.
    pub rounded_us: [i64; ROUNDINGS_COUNT],
}

/// All groups in an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourSum {
    /// Hours since 1970 at the start of the invocations.
    pub hour: i64,
    /// Invocations.
    pub count: u64,
    /// Sum of their durations, in microseconds.
    pub duration_us: i64,
}

impl Group {
    /// A column of text that the group has in common, such as `resource` or `status`; nothing where the log does not say.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.class.text(Table::Invocations, column)
    }

    /// A column of numbers that the group has in common, such as `memory_mb`; a flag is 0 or 1.
    pub fn integer(&self, column: &str) -> Option<i64> {
        self.class.integer(Table::Invocations, column)
    }
}

impl Workload {
    /// The invocations that a session sees of some UTC days; nothing where their rollups do not say all.
    pub(crate) async fn of(
        session: &SessionContext,
        catalogue: &Catalogue,
        days: RangeInclusive<i32>,
    ) -> Result<Arc<Option<Self>>, QueryError> {
        let question = format!("workload {days:?}");
        answer(session, catalogue, |kept| &kept.workloads, &question, async {
            let bounds = (i64::from(*days.start()) * DAY_US, (i64::from(*days.end()) + 1) * DAY_US);
            let view = view_of(session, catalogue, Table::Invocations, bounds).await?;
            let workload = view.and_then(Self::summed);
            let weight = workload.as_ref().map_or(1, |workload| workload.durations.len() / 4 + workload.by_day.len());
            Ok((workload, weight))
        })
        .await
    }

    fn summed(view: Arc<View>) -> Option<Self> {
        let mut workload = Self {
            groups: view.classes.iter().map(|class| Group { class: class.clone() }).collect(),
            by_day: Vec::new(),
            by_hour: Vec::new(),
            durations: Histogram::default(),
            view: view.clone(),
        };
        let mut durations = Counting::default();
        for day in &view.days {
            workload.add(day, &mut durations)?;
        }
        workload.durations = durations.finish();
        // Several rollups can be of one day, and several classes of one group.
        let mut fits = true;
        let mut add = |sum: &mut i64, next: i64| match sum.checked_add(next) {
            Some(both) => *sum = both,
            None => fits = false,
        };
        put_together(
            &mut workload.by_day,
            |sum| (sum.day, sum.group),
            |sum, next| {
                sum.count += next.count;
                add(&mut sum.duration_us, next.duration_us);
                sum.rounded_us.iter_mut().zip(next.rounded_us).for_each(|(sum, next)| add(sum, next));
            },
        );
        put_together(
            &mut workload.by_hour,
            |sum| sum.hour,
            |sum, next| {
                sum.count += next.count;
                add(&mut sum.duration_us, next.duration_us);
            },
        );
        fits.then_some(workload)
    }

    fn add(&mut self, day: &Day, durations: &mut Counting) -> Option<()> {
        let rollup = &day.rollup;
        let duration = rollup.place_of("\"duration_us\"")?;
        let rounded: Vec<usize> = rounding_terms().map(|term| rollup.place_of(&term)).collect::<Option<_>>()?;
        let terms = rounded.iter().fold(1 << duration, |terms, place| terms | 1 << place);
        // A class without durations has none to add.
        if (0..rollup.classes.len()).any(|class| !rollup.knows(class, terms)) {
            return None;
        }
        let first_hour = i64::from(rollup.day) * DAY_HOURS;
        let mut hours = [HourSum::default(); HOURS];
        let mut from = 0;
        while from < rollup.counts.len() {
            let class = rollup.cell_classes[from];
            let to = from + rollup.cell_classes[from..].partition_point(|other| *other <= class);
            let mut sum = DaySum {
                day: rollup.day,
                group: day.numbers[class as usize],
                count: 0,
                duration_us: 0,
                rounded_us: [0; ROUNDINGS_COUNT],
            };
            for cell in from..to {
                let hour = &mut hours[usize::from(rollup.hours[cell])];
                hour.count += rollup.counts[cell];
                hour.duration_us = hour.duration_us.checked_add(rollup.sum(duration, cell))?;
                sum.count += rollup.counts[cell];
                sum.duration_us = sum.duration_us.checked_add(rollup.sum(duration, cell))?;
                for (sum, term) in sum.rounded_us.iter_mut().zip(&rounded) {
                    *sum = sum.checked_add(rollup.sum(*term, cell))?;
                }
            }
            self.by_day.push(sum);
            from = to;
        }
        let hours = (first_hour..).zip(hours).map(|(hour, sum)| HourSum { hour, ..sum });
        self.by_hour.extend(hours.filter(|sum| sum.count > 0));
        for (class, value, count) in rollup.histograms()?.durations.entries() {
            durations.add_many(day.numbers[class as usize], value, count);
        }
        Some(())
    }

    /// Every group, by number.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Each group on each day it has invocations, by day and group.
    pub fn by_day(&self) -> &[DaySum] {
        &self.by_day
    }

    /// The hours with invocations, in order.
    pub fn by_hour(&self) -> &[HourSum] {
        &self.by_hour
    }

    /// How many invocations of a group took how many milliseconds, rounded up, in order. Those without a duration are
    /// not among them.
    pub fn durations(&self, group: u32) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.durations.of_class(group)
    }

    /// How many invocations of some groups have a duration, and its percentiles (1 to 100) in whole milliseconds, rounded
    /// up: the nearest rank, the duration at place ⌈count · percentile / 100⌉ in order; 0 where there is none.
    pub fn percentiles<const N: usize>(&self, groups: &[u32], percentiles: [u64; N]) -> (u64, [u64; N]) {
        ranked(groups.iter().flat_map(|group| self.durations(*group)).collect(), percentiles)
    }

    /// The same on one of the days.
    pub fn percentiles_of_day<const N: usize>(
        &self,
        day: i32,
        groups: &[u32],
        percentiles: [u64; N],
    ) -> (u64, [u64; N]) {
        let mut found = Vec::new();
        for part in self.view.days.iter().filter(|part| part.rollup.day == day) {
            for (class, _) in (0..).zip(&part.numbers).filter(|(_, group)| groups.contains(group)) {
                found.extend(part.rollup.histograms().into_iter().flat_map(|found| found.durations.of_class(class)));
            }
        }
        ranked(found, percentiles)
    }
}

/// The percentiles of values with their counts.
fn ranked<const N: usize>(mut counts: Vec<(u64, u64)>, percentiles: [u64; N]) -> (u64, [u64; N]) {
    counts.sort_unstable();
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    (all, percentiles.map(|percent| nearest_rank(counts.iter().copied(), all, percent).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_values(values in prop::collection::vec(0_u64..50, 1..200), at in 1_u64..=100) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = (sorted.len() * usize::try_from(at).unwrap()).div_ceil(100);
            let counts = values.iter().map(|value| (*value, 1)).collect();
            prop_assert_eq!(ranked(counts, [at]), (values.len() as u64, [sorted[rank - 1]]));
        }
    }
}
