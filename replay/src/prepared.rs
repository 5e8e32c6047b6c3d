//! A workload laid out once for all deployments: executions by function, and how many take how long
use std::{
    collections::HashMap,
    convert::Infallible,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use paygrain_pricing::{Estimate, RunWindow, period::HOUR_US};

use crate::{
    instances::{InstanceUse, KeepAlive, Span},
    sizing::{Sized, Sizing, SizingRule},
    workload::{Run, Window, Workload},
};

/// A workload and its executions in the orders that replaying needs.
#[derive(Debug)]
pub struct Prepared<'a> {
    /// The workload.
    pub workload: &'a Workload,
    /// By function, then by window.
    functions: Vec<Vec<Counted>>,
    /// Of each function.
    totals: Vec<Total>,
    /// What instances did that start on request: many deployments have the same rule.
    used: Mutex<HashMap<KeepAlive, Arc<InstanceUse>>>,
    /// What instances did that were sized, by how, by the rule, and by how many executions of each function one takes.
    sized: Mutex<HashMap<SizedKey, Arc<Sized>>>,
    /// What requests cost, by what is asked of the price books.
    priced: Mutex<HashMap<String, Arc<Estimate>>>,
}

/// What the work of sized instances depends on.
type SizedKey = (Sizing, SizingRule, Vec<u64>);

/// The executions of each function in each window that started an instance, and those that did not.
#[derive(Debug)]
pub(crate) struct Split {
    cold: Vec<Vec<Counted>>,
    warm: Vec<Vec<Counted>>,
}

/// The executions of a function in the whole period.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    run_count: u64,
    /// Their time, microseconds.
    busy_us: i128,
}

/// The executions of one function in one window.
#[derive(Debug, Default)]
struct Counted {
    spans: Vec<(i64, i64)>,
    by_hour: Vec<(i64, i64, u64)>,
    by_duration: Vec<(i64, u64)>,
}

impl<'a> Prepared<'a> {
    /// Lays a workload out.
    pub fn of(workload: &'a Workload) -> Self {
        let mut functions: Vec<Vec<Counted>> = Vec::new();
        functions.resize_with(workload.functions.len(), Vec::new);
        for window in &workload.windows {
            let mut spans: Vec<Vec<(i64, i64)>> = vec![Vec::new(); workload.functions.len()];
            for Run { start_us, duration_us, function } in &window.runs {
                if let Some(own) = spans.get_mut(*function as usize) {
                    own.push((*start_us, *duration_us));
                }
            }
            for (own, spans) in functions.iter_mut().zip(spans) {
                own.push(Counted::of(spans));
            }
        }
        let total = |own: &Vec<Counted>| {
            own.iter().zip(&workload.windows).fold(Total::default(), |total, (counted, Window { repeats, .. })| {
                let busy_us = |(us, count): &(i64, u64)| i128::from(*us) * i128::from(*count);
                Total {
                    run_count: total.run_count + counted.spans.len() as u64 * repeats,
                    busy_us: total.busy_us
                        + counted.by_duration.iter().map(busy_us).sum::<i128>() * i128::from(*repeats),
                }
            })
        };
        let totals = functions.iter().map(total).collect();
        Self { workload, functions, totals, used: Mutex::default(), sized: Mutex::default(), priced: Mutex::default() }
    }

    /// What instances did under a rule, worked out once.
    pub(crate) fn used(&self, rule: &KeepAlive, work: impl FnOnce() -> InstanceUse) -> Arc<InstanceUse> {
        let Ok(used) = once(&self.used, *rule, || Ok::<_, Infallible>(work()));
        used
    }

    /// What sized instances did, worked out once.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) fn sized<E>(&self, key: SizedKey, work: impl FnOnce() -> Result<Sized, E>) -> Result<Arc<Sized>, E> {
        once(&self.sized, key, work)
    }

    /// What requests cost, worked out once.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) fn priced<E>(
        &self,
        key: String,
        work: impl FnOnce() -> Result<Estimate, E>,
    ) -> Result<Arc<Estimate>, E> {
        once(&self.priced, key, work)
    }

    /// The executions of a function, window by window.
    pub fn windows(&self, function: usize) -> Vec<RunWindow<'_>> {
        windows(self.workload, &self.functions, function)
    }

    /// The executions apart by whether they started an instance.
    pub(crate) fn split(&self, cold: &[(Span, u64)]) -> Split {
        let mut started: HashMap<(u32, i64, i64), u64> = HashMap::new();
        for (span, _) in cold {
            *started.entry((span.pool, span.start_us, span.end_us - span.start_us)).or_default() += 1;
        }
        let mut split = Split { cold: Vec::new(), warm: Vec::new() };
        for (function, own) in (0_u32..).zip(&self.functions) {
            let (mut of_cold, mut of_warm) = (Vec::new(), Vec::new());
            for counted in own {
                let (cold, warm): (Vec<_>, Vec<_>) = counted.spans.iter().partition(|(start_us, duration_us)| {
                    let left = started.get_mut(&(function, *start_us, *duration_us)).filter(|left| **left > 0);
                    left.map(|left| *left -= 1).is_some()
                });
                of_cold.push(Counted::of(cold));
                of_warm.push(Counted::of(warm));
            }
            split.cold.push(of_cold);
            split.warm.push(of_warm);
        }
        split
    }

    /// Time of the executions of each function, microseconds.
    pub fn busy_us(&self) -> impl Iterator<Item = i128> {
        self.totals.iter().map(|total| total.busy_us)
    }

    /// Executions of a function in the whole period.
    pub fn run_count(&self, function: usize) -> u64 {
        self.totals.get(function).map_or(0, |total| total.run_count)
    }
}

/// What is known of a key; what is not is worked out and kept. Two at once may work out the same: that costs time alone.
fn once<K: Eq + Hash, V, E>(
    kept: &Mutex<HashMap<K, Arc<V>>>,
    key: K,
    work: impl FnOnce() -> Result<V, E>,
) -> Result<Arc<V>, E> {
    // What a panic elsewhere has left behind is as good as ever.
    let locked = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    let known = locked().get(&key).cloned();
    if let Some(known) = known {
        return Ok(known);
    }
    let made = Arc::new(work()?);
    locked().insert(key, made.clone());
    Ok(made)
}

impl Split {
    /// The executions of a function that started an instance, window by window.
    pub fn cold(&self, workload: &Workload, function: usize) -> Vec<RunWindow<'_>> {
        windows(workload, &self.cold, function)
    }

    /// Those that did not.
    pub fn warm(&self, workload: &Workload, function: usize) -> Vec<RunWindow<'_>> {
        windows(workload, &self.warm, function)
    }
}

/// The executions of a function, window by window.
fn windows<'c>(workload: &Workload, functions: &'c [Vec<Counted>], function: usize) -> Vec<RunWindow<'c>> {
    let own = functions.get(function).map(Vec::as_slice).unwrap_or_default();
    own.iter()
        .zip(&workload.windows)
        .map(|(counted, Window { start_us, end_us, repeats, .. })| RunWindow {
            start_us: *start_us,
            end_us: *end_us,
            repeats: *repeats,
            is_spread: false,
            spans: &counted.spans,
            by_hour: &counted.by_hour,
            by_duration: &counted.by_duration,
        })
        .collect()
}

impl Counted {
    fn of(spans: Vec<(i64, i64)>) -> Self {
        let mut hours: HashMap<(i64, i64), u64> = HashMap::new();
        for (start_us, duration_us) in &spans {
            *hours.entry((start_us.div_euclid(HOUR_US) * HOUR_US, *duration_us)).or_default() += 1;
        }
        let mut durations: HashMap<i64, u64> = HashMap::new();
        for ((_, duration_us), count) in &hours {
            *durations.entry(*duration_us).or_default() += count;
        }
        let mut by_hour: Vec<_> = hours.into_iter().map(|((hour, duration), count)| (hour, duration, count)).collect();
        by_hour.sort_unstable();
        let mut by_duration: Vec<_> = durations.into_iter().collect();
        by_duration.sort_unstable();
        Self { spans, by_hour, by_duration }
    }
}
