//! Cost of deployments over the number of executions: which is the cheapest where, and the lines of a chart
//!
//! The executions of each point are spread evenly over the period; their durations and functions are those of the
//! workload, in proportion.
use std::collections::HashMap;

use paygrain_pricing::{Catalogue, Exact};
use serde::Serialize;

use crate::{
    assumptions::Assumptions,
    break_even::cheapest_intervals_within,
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

/// Cost of deployments over the number of executions in a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreakEven {
    /// What varies: `runs-per-month`.
    pub axis: &'static str,
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
    ) -> Result<Self, ReplayError> {
        let sample = Sample::of(workload, SAMPLE);
        let current = i64::try_from(workload.run_count()).unwrap_or(i64::MAX).max(1);
        let (from, to) = (1, current.saturating_mul(1_000).clamp(1_000_000, 10_000_000_000));
        let places = places(from, to, current);
        let mut known: HashMap<(usize, i64), Option<Exact>> = HashMap::new();
        let mut cost = |curve: usize, at: i64| -> Result<Option<Exact>, ReplayError> {
            if let Some(known) = known.get(&(curve, at)) {
                return Ok(known.clone());
            }
            let Some(deployment) = deployments.get(curve) else { return Ok(None) };
            let scaled = sample.workload(workload, at);
            let cost = replay(catalogue, &Prepared::of(&scaled), deployment, assumptions)?.monthly_cost;
            known.insert((curve, at), cost.clone());
            Ok(cost)
        };
        let mut curves = Vec::new();
        for (index, deployment) in deployments.iter().enumerate() {
            let mut points = Vec::new();
            for at in &places {
                points.extend(cost(index, *at)?.map(|cost| (*at, cost)));
            }
            curves.push(Curve { name: deployment.name.clone(), title: deployment.title.clone(), points });
        }
        let found = cheapest_intervals_within(from..=to, deployments.len(), &[current], EVALUATIONS_MAX, &mut cost)?;
        let name = |index: usize| deployments.get(index).map_or_else(String::new, |one| one.name.clone());
        let intervals = found.into_iter().map(|one| CheapestStretch {
            from: one.from,
            to: one.to,
            cheapest: one.cheapest.into_iter().map(name).collect(),
            uncertain: one.uncertain,
        });
        let intervals = intervals.collect();
        Ok(Self { axis: "runs-per-month", unit: "executions", from, to, current, curves, intervals })
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
