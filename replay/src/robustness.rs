//! What a verdict rests on: single days, and each assumption
use paygrain_pricing::{Catalogue, Exact, period::DAY_US};
use serde::Serialize;

use crate::{
    assumptions::Assumptions,
    bootstrap::{Resampling, bootstrap},
    deployment::Deployment,
    outcome::Outcome,
    prepared::Prepared,
    replay::{ReplayError, replay},
    sensitivity::{Assumption, Cheapest, Sensitivity, sensitivity},
    workload::{Window, Workload},
};

/// Fewer days say nothing of others.
const DAYS_MIN: usize = 7;

/// What a verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Robustness {
    /// Months put together from days drawn at random; absent where the executions are not of at least 7 days, or one of
    /// the days has no cost.
    pub days: Option<DayResamples>,
    /// What each assumption does to the cheapest, and where it makes another one the cheapest.
    pub assumptions: Sensitivity,
}

/// Months put together from days of the workload, drawn at random with replacement. Days are priced one by one without
/// free tiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayResamples {
    /// Days that were drawn from.
    pub day_count: usize,
    /// Months that were put together.
    pub resamples: u32,
    /// How often each deployment was the cheapest.
    pub shares: Vec<CheapestShare>,
    /// The cheapest and the next, and what the next costs more; absent with one deployment.
    pub closest: Option<Closest>,
}

/// How often a deployment was the cheapest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheapestShare {
    /// Its name.
    pub name: String,
    /// Of all months.
    pub share: Exact,
}

/// The cheapest and the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Closest {
    /// Name of the cheapest.
    pub cheapest: String,
    /// Name of the next.
    pub next: String,
    /// What the next costs more.
    pub difference: Exact,
    /// 90 % of the months are between this and `high`.
    pub low: Exact,
    /// 90 % of the months are between `low` and this.
    pub high: Exact,
}

impl Robustness {
    /// The robustness of a verdict on some deployments; `outcomes` are theirs.
    ///
    /// # Errors
    /// As [`replay`].
    pub fn of(
        catalogue: &Catalogue,
        workload: &Workload,
        deployments: &[(&Deployment, &Outcome)],
        assumptions: &Assumptions,
    ) -> Result<Self, ReplayError> {
        Ok(Self {
            days: day_resamples(catalogue, workload, deployments, assumptions)?,
            assumptions: of_assumptions(catalogue, workload, deployments, assumptions)?,
        })
    }
}

fn day_resamples(
    catalogue: &Catalogue,
    workload: &Workload,
    deployments: &[(&Deployment, &Outcome)],
    assumptions: &Assumptions,
) -> Result<Option<DayResamples>, ReplayError> {
    let days = days(workload);
    if days.len() < DAYS_MIN {
        return Ok(None);
    }
    let mut costs: Vec<Vec<Exact>> = vec![Vec::new(); deployments.len()];
    for day in &days {
        let prepared = Prepared::of(day);
        for ((deployment, outcome), costs) in deployments.iter().zip(&mut costs) {
            let assumptions = Assumptions { allowances: false, sizing: outcome.sizing, ..assumptions.clone() };
            let Some(cost) = replay(catalogue, &prepared, deployment, &assumptions)?.monthly_cost else {
                return Ok(None);
            };
            costs.push(cost);
        }
    }
    let Some(drawn) = bootstrap(&costs, Resampling::default()) else { return Ok(None) };
    let name = |place: usize| deployments.get(place).map_or_else(String::new, |(one, _)| one.name.clone());
    let shares = (0..deployments.len())
        .map(|place| CheapestShare { name: name(place), share: drawn.share(place).unwrap_or_default() });
    Ok(Some(DayResamples {
        day_count: days.len(),
        resamples: drawn.resamples,
        shares: shares.collect(),
        closest: drawn.closest.as_ref().map(|closest| Closest {
            cheapest: name(closest.best),
            next: name(closest.second),
            difference: closest.difference.clone(),
            low: closest.low.clone(),
            high: closest.high.clone(),
        }),
    }))
}

/// The UTC days of a workload whose executions come once, each with what starts on it.
fn days(workload: &Workload) -> Vec<Workload> {
    let mut days = Vec::new();
    for window in workload.windows.iter().filter(|window| window.repeats == 1) {
        let mut start_us = window.start_us;
        while start_us < window.end_us {
            let end_us = (start_us.div_euclid(DAY_US) * DAY_US + DAY_US).min(window.end_us);
            let from = window.runs.partition_point(|run| run.start_us < start_us);
            let to = window.runs.partition_point(|run| run.start_us < end_us);
            let runs = window.runs.get(from..to).unwrap_or_default().to_vec();
            days.push(Workload {
                windows: vec![Window { start_us, end_us, repeats: 1, runs }],
                functions: workload.functions.clone(),
                title: workload.title.clone(),
                period: workload.period,
            });
            start_us = end_us;
        }
    }
    days
}

/// The assumptions that are varied: name, least, usual, most, and how a value is set.
type Varied = (&'static str, i64, i64, i64, fn(&mut Assumptions, i64));

fn of_assumptions(
    catalogue: &Catalogue,
    workload: &Workload,
    deployments: &[(&Deployment, &Outcome)],
    assumptions: &Assumptions,
) -> Result<Sensitivity, ReplayError> {
    let prepared = Prepared::of(workload);
    let varied: [Varied; 7] = [
        ("target_percent", 40, assumptions.target_percent.into(), 95, |to, value| {
            to.target_percent = u32::try_from(value).unwrap_or(100);
        }),
        ("used_allowance_percent", 0, assumptions.used_allowance_percent.into(), 100, |to, value| {
            to.used_allowance_percent = u32::try_from(value).unwrap_or(100);
        }),
        ("start_ms", 0, assumptions.start_ms.unwrap_or(30_000), 300_000, |to, value| to.start_ms = Some(value)),
        ("tail_s", 0, assumptions.tail_s.unwrap_or(600), 3_600, |to, value| to.tail_s = Some(value)),
        ("scale_in_s", 0, assumptions.scale_in_s, 1_800, |to, value| to.scale_in_s = value),
        (
            "interruptions_per_thousand_hours",
            0,
            assumptions.interruptions_per_thousand_hours.unwrap_or(4),
            40,
            |to, value| to.interruptions_per_thousand_hours = Some(value),
        ),
        ("stop_s", 0, assumptions.stop_s, 900, |to, value| to.stop_s = value),
    ];
    let usual: Vec<i64> = varied.iter().map(|(_, _, usual, ..)| *usual).collect();
    let asked: Vec<Assumption> = varied
        .iter()
        .map(|(name, low, usual, high, _)| Assumption {
            name: (*name).to_owned(),
            low: *low.min(usual),
            usual: *usual,
            high: *high.max(usual),
        })
        .collect();
    sensitivity(&asked, |values| {
        let mut changed = assumptions.clone();
        // What keeps its usual value stays what each deployment assumes.
        for ((value, usual), (.., set)) in values.iter().zip(&usual).zip(&varied) {
            if value != usual {
                set(&mut changed, *value);
            }
        }
        let mut best: Option<Cheapest> = None;
        for (deployment, _) in deployments {
            let Some(cost) = replay(catalogue, &prepared, deployment, &changed)?.monthly_cost else { continue };
            if best.as_ref().is_none_or(|best| cost < best.cost) {
                best = Some(Cheapest { name: deployment.name.clone(), cost });
            }
        }
        Ok(best)
    })
}
