//! A workload on many deployments side by side: outcomes, the cheapest, and a verdict in one sentence
use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread::available_parallelism,
};

use paygrain_pricing::{Catalogue, Exact, Period, period::HOUR_US};
use serde::Serialize;

use crate::{
    assumptions::{AssumptionError, Assumptions},
    curves::{Axis, BreakEven},
    deployment::{Deployment, Kind},
    outcome::Outcome,
    prepared::Prepared,
    replay::{ReplayError, replay},
    robustness::Robustness,
    shown,
    workload::Workload,
};

/// A workload on many deployments.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The workload.
    pub workload: Summary,
    /// What was assumed.
    pub assumptions: Assumptions,
    /// The outcomes: feasible ones first, the cheapest first.
    pub deployments: Vec<Outcome>,
    /// What follows from them.
    pub verdict: Verdict,
    /// Where which of the cheapest of each kind is the cheapest; absent where fewer than two can run the workload.
    pub break_even: Option<BreakEven>,
    /// What the verdict rests on, where it was asked for.
    pub robustness: Option<Robustness>,
}

/// What a comparison is asked for beside the outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompareOptions {
    /// What the break-even is asked over.
    pub axis: Axis,
    /// Whether what the verdict rests on is asked for: that takes some ten times as long.
    pub robustness: bool,
}

/// A workload in figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What it is, in words.
    pub title: String,
    /// The billing period.
    pub period: Period,
    /// Executions.
    pub run_count: u64,
    /// Functions.
    pub function_count: usize,
    /// The memory that the largest function is given, MB.
    pub memory_mb: i64,
    /// Mean duration, milliseconds; absent without executions.
    pub mean_duration_ms: Option<Exact>,
    /// Longest duration, milliseconds.
    pub longest_ms: Exact,
    /// Time of all executions, hours.
    pub busy_hours: Exact,
}

/// What follows from the outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// In one sentence.
    pub sentence: String,
    /// Name of the cheapest deployment.
    pub cheapest: Option<String>,
    /// The cheapest of each kind: kind, name, cost.
    pub by_kind: Vec<KindVerdict>,
}

/// The cheapest of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KindVerdict {
    /// How it runs executions.
    pub kind: Kind,
    /// Name of the deployment.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its cost.
    pub monthly_cost: Exact,
    /// So many times the cost of the cheapest of all; absent where that is nothing.
    pub times_cheapest: Option<Exact>,
}

/// Why there is no comparison.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// An assumption is out of its range.
    #[error("the assumption {0}")]
    Assumption(#[from] AssumptionError),
    /// A deployment's usage is not understood.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// There is nothing to compare.
    #[error("the workload has no executions in {0}")]
    Empty(Period),
}

/// Compares deployments.
///
/// # Errors
/// An assumption out of its range, a workload without executions, a deployment whose usage its price book refuses.
pub fn compare<'d>(
    catalogue: &Catalogue,
    workload: &Workload,
    deployments: impl IntoIterator<Item = &'d Deployment>,
    assumptions: &Assumptions,
    options: CompareOptions,
) -> Result<Comparison, CompareError> {
    assumptions.check()?;
    if workload.run_count() == 0 {
        return Err(CompareError::Empty(workload.period));
    }
    let prepared = Prepared::of(workload);
    let deployments: Vec<&Deployment> = deployments.into_iter().collect();
    let mut outcomes = replay_all(catalogue, &prepared, &deployments, assumptions)?;
    outcomes.sort_by(|one, other| {
        let key = |outcome: &Outcome| (outcome.monthly_cost.is_none(), outcome.monthly_cost.clone());
        key(one).cmp(&key(other)).then_with(|| one.name.cmp(&other.name))
    });
    let verdict = Verdict::of(&outcomes);
    let best: Vec<(&Deployment, &Outcome)> = verdict
        .by_kind
        .iter()
        .filter_map(|best| {
            let deployment = deployments.iter().find(|deployment| deployment.name == best.name)?;
            Some((*deployment, outcomes.iter().find(|outcome| outcome.name == best.name)?))
        })
        .collect();
    let several = best.len() > 1;
    let of: Vec<&Deployment> = best.iter().map(|(deployment, _)| *deployment).collect();
    let break_even = several.then(|| BreakEven::of(catalogue, workload, &of, assumptions, options.axis)).transpose()?;
    let robustness =
        (several && options.robustness).then(|| Robustness::of(catalogue, workload, &best, assumptions)).transpose()?;
    Ok(Comparison {
        workload: Summary::of(workload),
        assumptions: assumptions.clone(),
        deployments: outcomes,
        verdict,
        break_even,
        robustness,
    })
}

/// A workload on each deployment, on as many threads as there are cores.
fn replay_all(
    catalogue: &Catalogue,
    workload: &Prepared<'_>,
    deployments: &[&Deployment],
    assumptions: &Assumptions,
) -> Result<Vec<Outcome>, ReplayError> {
    let threads = available_parallelism().map_or(1, NonZero::get).min(deployments.len().max(1));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(deployment) = deployments.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push(replay(catalogue, workload, deployment, assumptions)?);
        }
        Ok(done)
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut outcomes = work()?;
        for other in others {
            match other.join() {
                Ok(done) => outcomes.extend(done?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(outcomes)
    })
}

impl Summary {
    /// The figures of a workload.
    pub fn of(workload: &Workload) -> Self {
        let run_count = workload.run_count();
        let busy = Exact::from(workload.busy_us());
        let ratio = |us: &Exact, unit: i64| us.checked_div(&Exact::from(unit)).unwrap_or_default();
        Self {
            title: workload.title.clone(),
            period: workload.period,
            run_count,
            function_count: workload.functions.len(),
            memory_mb: workload.memory_mb(),
            mean_duration_ms: ratio(&busy, 1000).checked_div(&Exact::from(run_count)),
            longest_ms: ratio(&Exact::from(workload.longest_us()), 1000),
            busy_hours: ratio(&busy, HOUR_US),
        }
    }
}

impl Verdict {
    /// The verdict on outcomes that are sorted by cost.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let costs = |outcome: &Outcome| outcome.monthly_cost.clone();
        let Some((first, least)) = outcomes.iter().find_map(|outcome| Some((outcome, costs(outcome)?))) else {
            let sentence = "No deployment can run this workload; each says why.".to_owned();
            return Self { sentence, cheapest: None, by_kind: Vec::new() };
        };
        let mut by_kind: Vec<KindVerdict> = Vec::new();
        for outcome in outcomes {
            let Some(cost) = costs(outcome) else { continue };
            if by_kind.iter().all(|verdict| verdict.kind != outcome.kind) {
                by_kind.push(KindVerdict {
                    kind: outcome.kind,
                    name: outcome.name.clone(),
                    title: outcome.title.clone(),
                    times_cheapest: cost.checked_div(&least),
                    monthly_cost: cost,
                });
            }
        }
        let others: Vec<String> = by_kind
            .iter()
            .filter(|verdict| verdict.kind != first.kind)
            .map(|verdict| {
                format!("{} {}", shown::amount(&first.currency, &verdict.monthly_cost), verdict.kind.cheapest_words())
            })
            .collect();
        let alike = outcomes.iter().filter(|outcome| outcome.monthly_cost.as_ref() == Some(&least)).count();
        let beside = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
        let cost = shown::amount(&first.currency, &least);
        let sentence = match (alike, least.is_zero()) {
            (1, false) => format!("{} is the cheapest at {cost} a month{beside}.", first.title),
            (1, true) => format!("{} costs nothing: all of it is within its free tier{beside}.", first.title),
            (alike, false) => {
                format!("{} and {} more are the cheapest at {cost} a month{beside}.", first.title, alike - 1)
            }
            (alike, true) => format!(
                "{} and {} more cost nothing: all of it is within their free tiers{beside}.",
                first.title,
                alike - 1
            ),
        };
        Self { sentence, cheapest: Some(first.name.clone()), by_kind }
    }
}
