//! Durations and costs at other sizes of memory: what of a duration is waiting, and what is work of the processor
//!
//! A function with more memory has more of a processor, up to what its threads can use: `d(M) = a + b / min(M, limit)`,
//! where `a` is waiting and `b` is work. Durations recorded at two sizes give both. Those of one size do not tell them
//! apart, so there the answer is a band, from all waiting to all work.
use std::collections::BTreeMap;

use paygrain_pricing::Exact;
use serde::Serialize;
use thiserror::Error;

#[cfg(test)]
mod tests;
mod what_if;

pub use what_if::{SizeRow, WhatIf, what_if};

/// Durations recorded at one size of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// Memory, MB; above 0.
    pub memory_mb: i64,
    /// Mean duration, microseconds; 0 or more.
    pub mean_duration_us: i64,
    /// Executions; an observation of none is ignored.
    pub count: u64,
}

/// A duration of which only the bounds are known, both inclusive, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Band {
    /// The shortest it may be.
    pub low_us: i64,
    /// The longest it may be.
    pub high_us: i64,
}

/// How the duration of a function depends on its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryFit {
    limit_mb: i64,
    model: Model,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Model {
    /// Waiting, microseconds; work, microseconds × MB; how far the durations lie from this, microseconds.
    Fitted { waiting: Exact, work: Exact, residual_us: i64 },
    /// All durations were recorded with as much of a processor as goes with this memory.
    OneSize { memory_mb: i64, duration: Exact },
}

/// Why durations at other sizes cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MemoryFitError {
    /// There is no execution.
    #[error("there is no duration to tell others from")]
    NoObservations,
    /// A memory is not above 0.
    #[error("a memory of {0} MB is not above 0")]
    MemoryNotPositive(i64),
    /// A duration is below 0.
    #[error("a mean duration of {duration_us} µs at {memory_mb} MB is below 0")]
    DurationNegative {
        /// The memory it was recorded at.
        memory_mb: i64,
        /// The duration.
        duration_us: i64,
    },
}

impl MemoryFitError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoObservations => "give a range of time with executions, or a memory and a duration".to_owned(),
            Self::MemoryNotPositive(_) => "write the memory in MB, for example 512".to_owned(),
            Self::DurationNegative { .. } => "check the durations of the source".to_owned(),
        })
    }
}

impl MemoryFit {
    /// What recorded durations tell, by least squares weighted with their counts, neither waiting nor work below 0.
    ///
    /// Above `limit_mb` more memory brings nothing: [`MB_PER_VCPU`](crate::workload::MB_PER_VCPU) for each thread. So
    /// sizes above it count as one; with a single size the result is a band.
    ///
    /// # Errors
    /// When there is no execution, a memory or the limit is not above 0, or a duration is below 0.
    pub fn of(observations: &[Observation], limit_mb: i64) -> Result<Self, MemoryFitError> {
        let observations: Vec<Observation> = observations.iter().copied().filter(|one| one.count > 0).collect();
        for one in &observations {
            if one.mean_duration_us < 0 {
                let (memory_mb, duration_us) = (one.memory_mb, one.mean_duration_us);
                return Err(MemoryFitError::DurationNegative { memory_mb, duration_us });
            }
        }
        let memories = observations.iter().map(|one| one.memory_mb).chain([limit_mb]);
        if let Some(memory) = memories.into_iter().find(|memory| *memory <= 0) {
            return Err(MemoryFitError::MemoryNotPositive(memory));
        }
        // Count and sum of durations of each size that differs in its processor.
        let mut sizes: BTreeMap<i64, (Exact, Exact)> = BTreeMap::new();
        for one in &observations {
            let (count, sum) = sizes.entry(one.memory_mb.min(limit_mb)).or_default();
            *count += Exact::from(one.count);
            *sum += Exact::from(one.count) * Exact::from(one.mean_duration_us);
        }
        let model = match (sizes.first_key_value(), sizes.len()) {
            (None, _) => return Err(MemoryFitError::NoObservations),
            (Some((&memory_mb, (count, sum))), 1) => Model::OneSize { memory_mb, duration: quotient(sum, count) },
            _ => {
                let (waiting, work) = least_squares(&sizes);
                let residual_us = residual_us(&observations, limit_mb, &waiting, &work);
                Model::Fitted { waiting, work, residual_us }
            }
        };
        Ok(Self { limit_mb, model })
    }

    /// What a duration at one size tells when it is known which share of it, in percent up to 100, is work of the
    /// processor.
    ///
    /// # Errors
    /// When a memory or the limit is not above 0, or the duration is below 0.
    pub fn with_cpu_percent(observation: Observation, cpu_percent: u32, limit_mb: i64) -> Result<Self, MemoryFitError> {
        Ok(Self::of(&[observation], limit_mb)?.supposing(cpu_percent))
    }

    /// The fit if this percentage of the duration is work; what was fitted to several sizes stays as it is.
    fn supposing(&self, cpu_percent: u32) -> Self {
        let model = match &self.model {
            Model::OneSize { memory_mb, duration } => {
                let work = share(duration, cpu_percent.min(100));
                let waiting = duration - &work;
                Model::Fitted { waiting, work: work * Exact::from(*memory_mb), residual_us: 0 }
            }
            fitted @ Model::Fitted { .. } => fitted.clone(),
        };
        Self { limit_mb: self.limit_mb, model }
    }

    /// Whether the durations tell waiting from work.
    pub fn is_fitted(&self) -> bool {
        matches!(self.model, Model::Fitted { .. })
    }

    /// How far the recorded mean durations lie from the fit: the root of their mean square distance, rounded up to
    /// microseconds. Nothing where there is no fit, 0 where it goes through all.
    pub fn residual_us(&self) -> Option<i64> {
        match self.model {
            Model::Fitted { residual_us, .. } => Some(residual_us),
            Model::OneSize { .. } => None,
        }
    }

    /// The mean duration at a size: the fit, its residual less and more; without a fit, from all work to all waiting.
    pub fn duration_us(&self, memory_mb: i64) -> Band {
        match &self.model {
            Model::Fitted { waiting, work, residual_us } => {
                let fitted = whole(&(waiting + quotient(work, &self.useful(memory_mb))));
                Band { low_us: (fitted - residual_us).max(0), high_us: fitted.saturating_add(*residual_us) }
            }
            Model::OneSize { memory_mb: recorded_mb, duration } => {
                let work = quotient(&(duration * Exact::from(*recorded_mb)), &self.useful(memory_mb));
                Band::of(whole(duration), whole(&work))
            }
        }
    }

    /// The memory that counts at a size: up to the limit.
    fn useful(&self, memory_mb: i64) -> Exact {
        memory_mb.min(self.limit_mb).max(1).into()
    }
}

impl Band {
    fn of(one_us: i64, other_us: i64) -> Self {
        Self { low_us: one_us.min(other_us), high_us: one_us.max(other_us) }
    }
}

/// Waiting and work, neither below 0, with the least weighted squares from the mean durations of sizes.
///
/// Where the best of all has one below 0, the best with that one at 0 is the best that is allowed.
fn least_squares(sizes: &BTreeMap<i64, (Exact, Exact)>) -> (Exact, Exact) {
    // Weighted sums, with x = 1 / memory and y = duration.
    let [mut w, mut x, mut xx, mut y, mut xy] = std::array::from_fn(|_| Exact::zero());
    for (memory_mb, (count, sum)) in sizes {
        let memory = Exact::from(*memory_mb);
        let count_by_memory = quotient(count, &memory);
        xx += quotient(&count_by_memory, &memory);
        x += count_by_memory;
        xy += quotient(sum, &memory);
        w += count;
        y += sum;
    }
    let determinant = &w * &xx - &x * &x;
    let waiting = quotient(&(&xx * &y - &x * &xy), &determinant);
    let work = quotient(&(&w * &xy - &x * &y), &determinant);
    match (waiting.is_negative(), work.is_negative()) {
        (true, _) => (Exact::zero(), quotient(&xy, &xx)),
        (false, true) => (quotient(&y, &w), Exact::zero()),
        (false, false) => (waiting, work),
    }
}

/// The root of the weighted mean square distance of observations from a fit, rounded up.
fn residual_us(observations: &[Observation], limit_mb: i64, waiting: &Exact, work: &Exact) -> i64 {
    let square = |one: &Observation| {
        let fitted = waiting + quotient(work, &one.memory_mb.min(limit_mb).into());
        let distance = Exact::from(one.mean_duration_us) - fitted;
        &distance * &distance * Exact::from(one.count)
    };
    let squares: Exact = observations.iter().map(square).sum();
    let count: Exact = observations.iter().map(|one| Exact::from(one.count)).sum();
    let mean = quotient(&squares, &count).ceil_to_integer().to_i128().unwrap_or(i128::MAX);
    let root = mean.isqrt();
    i64::try_from(if root * root < mean { root + 1 } else { root }).unwrap_or(i64::MAX)
}

/// A quotient whose divisor is above 0, as counts, memories and sums of squares at two sizes are.
fn quotient(number: &Exact, divisor: &Exact) -> Exact {
    number.checked_div(divisor).unwrap_or_default()
}

fn share(number: &Exact, percent: u32) -> Exact {
    quotient(&(number * Exact::from(percent)), &Exact::from(100))
}

/// Whole microseconds, halves up.
fn whole(duration: &Exact) -> i64 {
    let rounded = duration.rounded_half_up(0).to_i128().unwrap_or(i128::MAX);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}
