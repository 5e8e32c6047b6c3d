//! A function at all sizes of memory on one deployment: what its executions would take and cost
use std::collections::{BTreeMap, BTreeSet};

use paygrain_pricing::{Catalogue, Exact, Period};
use serde::Serialize;

use crate::{
    assumptions::Assumptions,
    deployment::{Deployment, Memory},
    memory::{MemoryFit, MemoryFitError, Observation, WhatIf, what_if},
    prepared::Prepared,
    replay::{ReplayError, replay},
    sample::Sample,
    shown,
    workload::{MB_PER_VCPU, Workload},
};

/// Executions that stand for those of a workload.
const SAMPLE: usize = 200;
/// Sizes that are tried, MB, as far as the deployment has them.
const SIZES_MB: [i64; 16] = [128, 192, 256, 384, 512, 768, 1024, 1536, 1769, 2048, 3008, 4096, 5120, 6144, 8192, 10240];

/// A function at all sizes of memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RightSize {
    /// What is executed.
    pub title: String,
    /// The billing period.
    pub period: Period,
    /// Name of the deployment.
    pub deployment: String,
    /// Its title.
    pub deployment_title: String,
    /// ISO 4217 code of the amounts.
    pub currency: String,
    /// Executions in the period.
    pub run_count: u64,
    /// What is known: memory, mean duration, executions.
    pub observations: Vec<Observation>,
    /// Whether durations at several sizes tell what is waiting and what is work.
    pub is_fitted: bool,
    /// How far the known durations lie from the fit, microseconds.
    pub residual_us: Option<i64>,
    /// The sizes and the choices.
    #[serde(flatten)]
    pub sizes: WhatIf,
    /// In one sentence.
    pub sentence: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RightSizeError {
    /// The durations tell nothing.
    #[error(transparent)]
    Fit(#[from] MemoryFitError),
    /// A size cannot be priced.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Durations of several functions tell nothing of memory.
    #[error("the executions are of {count} functions: sizes of memory are compared for one")]
    SeveralFunctions {
        /// How many.
        count: usize,
    },
    /// Its memory cannot be chosen.
    #[error("the memory of {0} cannot be chosen: it is one of a few machines")]
    FixedMemory(String),
}

impl RightSizeError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fit(error) => error.hint(),
            Self::Replay(_) => None,
            Self::SeveralFunctions { .. } => Some("choose one resource".to_owned()),
            Self::FixedMemory(_) => Some("choose functions, such as `aws-lambda-arm`".to_owned()),
        }
    }
}

/// A workload at all sizes of memory of a deployment. How durations depend on memory is known from the sizes it was
/// executed at, or from the share of work of its functions; else only bounds of it are.
///
/// # Errors
/// When nothing is known, the workload is of several functions, or the memory of the deployment cannot be chosen.
pub fn right_size(
    catalogue: &Catalogue,
    workload: &Workload,
    deployment: &Deployment,
    assumptions: &Assumptions,
) -> Result<RightSize, RightSizeError> {
    if matches!(deployment.memory, Memory::Fixed(_)) {
        return Err(RightSizeError::FixedMemory(deployment.title.clone()));
    }
    // A function that was given other memory is one function.
    let names: BTreeSet<&str> = workload.functions.iter().map(|function| function.name.as_str()).collect();
    if names.len() > 1 {
        return Err(RightSizeError::SeveralFunctions { count: names.len() });
    }
    let observations = observations(workload);
    let cpu_percent = workload.functions.first().and_then(|function| function.cpu_percent);
    let fit = match (observations.as_slice(), cpu_percent) {
        ([one], Some(percent)) => MemoryFit::with_cpu_percent(*one, percent, MB_PER_VCPU)?,
        _ => MemoryFit::of(&observations, MB_PER_VCPU)?,
    };
    let mut sizes: Vec<i64> = SIZES_MB.into_iter().chain(observations.iter().map(|one| one.memory_mb)).collect();
    sizes.retain(|size| deployment.memory.for_function(*size) == Some(*size));
    sizes.sort_unstable();
    sizes.dedup();
    let sample = Sample::of(workload, SAMPLE);
    let run_count = workload.run_count();
    let count = i64::try_from(run_count).unwrap_or(i64::MAX).max(1);
    let mut currency = "USD".to_owned();
    let found = what_if(&sizes, &fit, |memory_mb, duration_us| -> Result<Option<Exact>, ReplayError> {
        let mut like = sample.scaled(duration_us, sample.mean_us().max(1)).workload(workload, count);
        for function in &mut like.functions {
            function.memory_mb = memory_mb;
        }
        let outcome = replay(catalogue, &Prepared::of(&like), deployment, assumptions)?;
        if outcome.monthly_cost.is_some() {
            currency = outcome.currency;
        }
        Ok(outcome.monthly_cost)
    })?;
    Ok(RightSize {
        title: workload.title.clone(),
        period: workload.period,
        deployment: deployment.name.clone(),
        deployment_title: deployment.title.clone(),
        sentence: sentence(&found, &currency),
        currency,
        run_count,
        observations,
        is_fitted: fit.is_fitted(),
        residual_us: fit.residual_us(),
        sizes: found,
    })
}

/// Mean durations by the memory that functions are given.
fn observations(workload: &Workload) -> Vec<Observation> {
    let mut sums: BTreeMap<i64, (i128, u64)> = BTreeMap::new();
    for window in &workload.windows {
        for run in &window.runs {
            let Some(function) = workload.functions.get(run.function as usize) else { continue };
            let (sum_us, count) = sums.entry(function.memory_mb).or_default();
            *sum_us += i128::from(run.duration_us) * i128::from(window.repeats);
            *count += window.repeats;
        }
    }
    let mean = |sum_us: i128, count: u64| i64::try_from(sum_us / i128::from(count.max(1))).unwrap_or(i64::MAX);
    let observation =
        |(memory_mb, (sum_us, count))| Observation { memory_mb, mean_duration_us: mean(sum_us, count), count };
    sums.into_iter().map(observation).collect()
}

fn sentence(found: &WhatIf, currency: &str) -> String {
    let named = |sizes: &[i64]| match sizes {
        [] => "none".to_owned(),
        [one] => format!("{one} MB"),
        [first, .., last] => format!("somewhere from {first} to {last} MB"),
    };
    let cost = match found.cheapest.as_slice() {
        [one] => {
            let row = found.rows.iter().find(|row| row.memory_mb == *one);
            match row.and_then(|row| row.cost_low.clone().zip(row.cost_high.clone())) {
                Some((low, high)) if low == high => format!(" ({} a month)", shown::amount(currency, &low)),
                Some((low, high)) => {
                    format!(" ({} to {} a month)", shown::amount(currency, &low), shown::amount(currency, &high))
                }
                None => String::new(),
            }
        }
        _ => String::new(),
    };
    format!(
        "Cheapest: {}{cost}; fastest: {}; balanced: {}.",
        named(&found.cheapest),
        named(&found.fastest),
        named(&found.balanced)
    )
}
