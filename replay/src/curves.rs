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
    workload::{Run, Window, Workload},
};

/// Executions that stand for those of a workload.
const SAMPLE: usize = 40;
/// Executions of a window at most.
const WINDOW_RUNS: i64 = 200;
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
        let sample = Sample::of(workload);
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

/// Executions that stand for those of a workload: function and duration of each.
struct Sample(Vec<(u32, i64)>);

impl Sample {
    /// As many from each part of the workload, by function and duration.
    fn of(workload: &Workload) -> Self {
        let mut runs: Vec<(u32, i64, u64)> = workload
            .windows
            .iter()
            .flat_map(|window| window.runs.iter().map(|run| (run.function, run.duration_us, window.repeats)))
            .collect();
        runs.sort_unstable();
        let total: u128 = runs.iter().map(|(_, _, times)| u128::from(*times)).sum();
        let alike = runs.first().zip(runs.last()).is_some_and(|(first, last)| (first.0, first.1) == (last.0, last.1));
        let count = if alike { 1 } else { (SAMPLE as u128).min(total) };
        let (mut seen, mut chosen) = (0_u128, Vec::new());
        for (function, duration_us, times) in runs {
            seen += u128::from(times);
            // The middle of each of so many equal parts.
            while (chosen.len() as u128) < count && (2 * chosen.len() as u128 + 1) * total < 2 * count * seen {
                chosen.push((function, duration_us));
            }
        }
        // Long and short ones take turns.
        let half = chosen.len().div_ceil(2);
        let order = (0..half).flat_map(|place| [Some(place), (place + half < chosen.len()).then_some(place + half)]);
        Self(order.flatten().map(|place| chosen[place]).collect())
    }

    /// A workload of so many executions, spread evenly over the period.
    fn workload(&self, like: &Workload, count: i64) -> Workload {
        let (start_us, end_us) = (like.period.start_us(), like.period.end_us());
        let length_us = end_us - start_us;
        let repeats = (count / WINDOW_RUNS).max(1);
        let each = if count > WINDOW_RUNS { WINDOW_RUNS } else { count };
        let rest = count - each * repeats;
        let part_us = |runs: i64| {
            i64::try_from(i128::from(length_us) * i128::from(runs) / i128::from(count.max(1))).unwrap_or(length_us)
        };
        let window = |start_us: i64, end_us: i64, repeats: i64, runs: i64| Window {
            start_us,
            end_us,
            repeats: u64::try_from(repeats).unwrap_or(1),
            runs: (0..runs)
                .filter_map(|number| {
                    let (function, duration_us) = *self.0.get(usize::try_from(number).ok()? % self.0.len().max(1))?;
                    let into_us = i128::from(end_us - start_us) * i128::from(number) / i128::from(runs.max(1));
                    Some(Run { start_us: start_us + i64::try_from(into_us).ok()?, duration_us, function })
                })
                .collect(),
        };
        let mut windows = Vec::new();
        match repeats {
            1 if rest == 0 => windows.push(window(start_us, end_us, 1, each)),
            _ => {
                let one_us = part_us(each).max(1);
                windows.push(window(start_us, start_us + one_us, repeats, each));
                if rest > 0 {
                    windows.push(window(end_us - part_us(rest).max(1), end_us, 1, rest));
                }
            }
        }
        Workload { title: like.title.clone(), period: like.period, functions: like.functions.clone(), windows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Function;

    fn workload(runs: &[(i64, u64)]) -> Workload {
        let period: paygrain_pricing::Period = "2026-10".parse().unwrap();
        let start_us = period.start_us();
        let window = |(duration_us, repeats): &(i64, u64)| Window {
            start_us,
            end_us: start_us + 1_000_000,
            repeats: *repeats,
            runs: vec![Run { start_us, duration_us: *duration_us, function: 0 }],
        };
        Workload {
            title: String::new(),
            period,
            functions: vec![Function::new("f", 512)],
            windows: runs.iter().map(window).collect(),
        }
    }

    #[test]
    fn any_number_of_executions_is_spread_evenly_in_full() {
        let like = workload(&[(100_000, 900), (5_000_000, 100)]);
        let sample = Sample::of(&like);
        // A tenth is long.
        assert_eq!(sample.0.iter().filter(|(_, duration_us)| *duration_us == 5_000_000).count(), SAMPLE / 10);
        for count in [1, 2, 7, 199, 200, 201, 399, 400, 1_000_003, 10_000_000_000] {
            let scaled = sample.workload(&like, count);
            assert_eq!(scaled.run_count(), u64::try_from(count).unwrap(), "{count}");
            let (start_us, end_us) = (like.period.start_us(), like.period.end_us());
            let covered: i128 = scaled
                .windows
                .iter()
                .map(|window| i128::from(window.end_us - window.start_us) * i128::from(window.repeats))
                .sum();
            let length = i128::from(end_us - start_us);
            assert!((covered - length).abs() <= length / 100, "{count}: {covered}");
            assert!(scaled.windows.iter().all(|window| window.start_us >= start_us && window.end_us <= end_us));
        }
    }

    #[test]
    fn one_duration_is_one_duration() {
        assert_eq!(Sample::of(&workload(&[(300_000, 30)])).0, [(0, 300_000)]);
    }
}
