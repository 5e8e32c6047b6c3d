//! Cost of deployments over the number of executions, their duration, memory or price: which is the cheapest where
//!
//! The executions of each point are spread evenly over the period; their durations and functions are those of the
//! workload, in proportion.
use std::collections::{HashMap, hash_map::Entry};

use paygrain_pricing::{Catalogue, Exact};
use serde::{Deserialize, Serialize};

use crate::{
    assumptions::Assumptions,
    break_even::cheapest_intervals,
    deployment::Deployment,
    prepared::Prepared,
    replay::{ReplayError, replay},
    sample::Sample,
    workload::Workload,
};

/// Executions that stand for those of a workload.
const SAMPLE: usize = 40;
/// Evaluations of costs beyond those of the chart.
const EVALUATIONS_MAX: usize = 400;

/// Cost of deployments over one figure of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreakEven {
    /// What varies.
    pub axis: Axis,
    /// Its unit.
    pub unit: &'static str,
    /// First place.
    pub from: i64,
    /// Last place.
    pub to: i64,
    /// Where the workload is.
    pub current: i64,
    /// One for each deployment, in the order of [`CheapestStretch::cheapest`].
    pub curves: Vec<Curve>,
    /// Which are the cheapest where, without gaps.
    pub intervals: Vec<CheapestStretch>,
}

/// The cost of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Curve {
    /// Name of the deployment.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Place and cost, where the workload can run.
    pub points: Vec<(i64, Exact)>,
}

/// A stretch of the axis in which the same deployments are the cheapest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheapestStretch {
    /// First place.
    pub from: i64,
    /// Last place, inclusive.
    pub to: i64,
    /// Names of the deployments: several where they cost the same, none where no one can run it.
    pub cheapest: Vec<String>,
    /// Which of them is the cheapest was not settled.
    pub uncertain: bool,
}

/// What a break-even is asked over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// Executions in the month.
    #[default]
    RunsPerMonth,
    /// Mean duration, milliseconds: all durations become longer or shorter alike.
    DurationMs,
    /// Memory of every function, MB.
    MemoryMb,
    /// What the first deployment costs, in thousandths of its list prices.
    PricePermille,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RunsPerMonth, Self::DurationMs, Self::MemoryMb, Self::PricePermille];

    /// Its word in data and URLs.
    pub fn word(self) -> &'static str {
        match self {
            Self::RunsPerMonth => "runs-per-month",
            Self::DurationMs => "duration-ms",
            Self::MemoryMb => "memory-mb",
            Self::PricePermille => "price-permille",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::RunsPerMonth => "executions",
            Self::DurationMs => "ms",
            Self::MemoryMb => "MB",
            Self::PricePermille => "thousandths of the list price",
        }
    }

    /// First and last place, and where the workload is.
    fn range(self, workload: &Workload, sample: &Sample) -> (i64, i64, i64) {
        match self {
            Self::RunsPerMonth => {
                let current = count_of(workload);
                (1, current.saturating_mul(1_000).clamp(1_000_000, 10_000_000_000), current)
            }
            Self::DurationMs => (1, 3_600_000, (sample.mean_us() / 1_000).clamp(1, 3_600_000)),
            Self::MemoryMb => (128, 32_768, workload.memory_mb().clamp(128, 32_768)),
            Self::PricePermille => (1, 10_000, 1_000),
        }
    }

    /// The workload at a place.
    fn workload(self, like: &Workload, sample: &Sample, at: i64) -> Workload {
        match self {
            Self::RunsPerMonth => sample.workload(like, at),
            Self::DurationMs => {
                sample.scaled(at.saturating_mul(1_000), sample.mean_us().max(1)).workload(like, count_of(like))
            }
            Self::MemoryMb => {
                let mut workload = sample.workload(like, count_of(like));
                workload.functions.iter_mut().for_each(|function| function.memory_mb = at);
                workload
            }
            Self::PricePermille => sample.workload(like, count_of(like)),
        }
    }
}

fn count_of(workload: &Workload) -> i64 {
    i64::try_from(workload.run_count()).unwrap_or(i64::MAX).max(1)
}

impl BreakEven {
    /// The curves of some deployments.
    ///
    /// # Errors
    /// As [`replay`].
    pub fn of(
        catalogue: &Catalogue,
        workload: &Workload,
        deployments: &[&Deployment],
        assumptions: &Assumptions,
        axis: Axis,
    ) -> Result<Self, ReplayError> {
        let sample = Sample::of(workload, SAMPLE);
        let (from, to, current) = axis.range(workload, &sample);
        let places = places(from, to, current);
        let mut known: HashMap<(usize, i64), Option<Exact>> = HashMap::new();
        let mut cost = |curve: usize, at: i64| -> Result<Option<Exact>, ReplayError> {
            // All other places have the same workload.
            let place = if axis == Axis::PricePermille { current } else { at };
            let cost = match known.entry((curve, place)) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(unknown) => {
                    let Some(deployment) = deployments.get(curve) else { return Ok(None) };
                    let scaled = axis.workload(workload, &sample, place);
                    let cost = replay(catalogue, &Prepared::of(&scaled), deployment, assumptions)?.monthly_cost;
                    unknown.insert(cost).clone()
                }
            };
            Ok(match (axis, curve) {
                (Axis::PricePermille, 0) => cost.map(|cost| cost * Exact::ratio(at.into(), 1_000).unwrap_or_default()),
                _ => cost,
            })
        };
        let mut curves = Vec::new();
        for (index, deployment) in deployments.iter().enumerate() {
            let mut points = Vec::new();
            for at in &places {
                points.extend(cost(index, *at)?.map(|cost| (*at, cost)));
            }
            curves.push(Curve { name: deployment.name.clone(), title: deployment.title.clone(), points });
        }
        let found = cheapest_intervals(from..=to, deployments.len(), &[current], EVALUATIONS_MAX, &mut cost)?;
        let name = |index: usize| deployments.get(index).map_or_else(String::new, |one| one.name.clone());
        let intervals = found.into_iter().map(|one| CheapestStretch {
            from: one.from,
            to: one.to,
            cheapest: one.cheapest.into_iter().map(name).collect(),
            uncertain: one.uncertain,
        });
        let intervals = intervals.collect();
        Ok(Self { axis, unit: axis.unit(), from, to, current, curves, intervals })
    }
}

/// Places of the chart: a few in each power of ten, and where the workload is.
fn places(from: i64, to: i64, current: i64) -> Vec<i64> {
    let mut places = vec![from, to, current];
    let mut power = 1_i64;
    while power <= to {
        places.extend([1, 2, 5].map(|times| power.saturating_mul(times)));
        power = power.saturating_mul(10);
    }
    places.retain(|place| (from..=to).contains(place));
    places.sort_unstable();
    places.dedup();
    places
}
