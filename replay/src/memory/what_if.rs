//! Sizes of memory side by side, and which of them are the cheapest, the fastest and the best balanced
use std::collections::BTreeMap;

use paygrain_pricing::Exact;
use serde::Serialize;

use super::{Band, MemoryFit};

/// Shares of work, in percent, that are tried where the durations do not tell it.
const CPU_PERCENTS: [u32; 11] = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100];

/// Sizes of memory side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhatIf {
    /// The sizes, as they were given.
    pub rows: Vec<SizeRow>,
    /// The sizes, MB, ascending, that may be the one of the least cost; at equal costs the faster.
    pub cheapest: Vec<i64>,
    /// The sizes that may be the one of the shortest duration; at equal durations the cheaper.
    pub fastest: Vec<i64>,
    /// The sizes that may be the one whose cost times its duration is the least: so that a percent of either counts the
    /// same, whatever both are measured against.
    pub balanced: Vec<i64>,
}

/// A size of memory, with its duration and its cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SizeRow {
    /// Memory, MB.
    pub memory_mb: i64,
    /// Mean duration.
    pub duration: Band,
    /// Cost at the shortest duration; absent: not feasible.
    pub cost_low: Option<Exact>,
    /// Cost at the longest duration; absent: not feasible.
    pub cost_high: Option<Exact>,
}

/// Between what a number of a size lies; absent: beyond all others.
type Bounds = (Exact, Option<Exact>);

/// What sizes of memory would take and cost, and which to choose.
///
/// `cost` gives the cost at a memory (MB) and a mean duration (µs); `None`: not feasible. It must not fall as the
/// duration grows. A choice with one size is decided by the data; with several each of them may be it. Where there is a
/// fit, each duration lies in its band, whatever the others do. Where there is none, one share of work holds for all
/// sizes: it is tried from 0 to 100 percent in steps of 10.
///
/// # Errors
/// When `cost` fails.
pub fn what_if<E>(
    sizes_mb: &[i64],
    fit: &MemoryFit,
    mut cost: impl FnMut(i64, i64) -> Result<Option<Exact>, E>,
) -> Result<WhatIf, E> {
    let mut known = BTreeMap::new();
    let mut rows_of = |fit: &MemoryFit| -> Result<Vec<SizeRow>, E> {
        let mut cost_of = |memory_mb, duration_us| -> Result<Option<Exact>, E> {
            if let Some(cost) = known.get(&(memory_mb, duration_us)) {
                return Ok(Option::clone(cost));
            }
            let cost = cost(memory_mb, duration_us)?;
            known.insert((memory_mb, duration_us), cost.clone());
            Ok(cost)
        };
        let mut rows = Vec::new();
        for &memory_mb in sizes_mb {
            let duration = fit.duration_us(memory_mb);
            let (cost_low, cost_high) = (cost_of(memory_mb, duration.low_us)?, cost_of(memory_mb, duration.high_us)?);
            rows.push(SizeRow { memory_mb, duration, cost_low, cost_high });
        }
        Ok(rows)
    };
    let mut result = WhatIf { rows: rows_of(fit)?, cheapest: Vec::new(), fastest: Vec::new(), balanced: Vec::new() };
    match fit.is_fitted() {
        true => {
            let rows = result.rows.clone();
            result.choose(&rows);
        }
        false => {
            for cpu_percent in CPU_PERCENTS {
                result.choose(&rows_of(&fit.supposing(cpu_percent))?);
            }
        }
    }
    for sizes in [&mut result.cheapest, &mut result.fastest, &mut result.balanced] {
        sizes.sort_unstable();
        sizes.dedup();
    }
    Ok(result)
}

impl WhatIf {
    /// Adds the sizes that may be chosen among the rows.
    fn choose(&mut self, rows: &[SizeRow]) {
        let sizes: Vec<(i64, Bounds, Bounds)> = rows
            .iter()
            .filter_map(|row| {
                let duration_high = row.cost_high.is_some().then(|| row.duration.high_us.into());
                let duration = (row.duration.low_us.into(), duration_high);
                Some((row.memory_mb, (row.cost_low.clone()?, row.cost_high.clone()), duration))
            })
            .collect();
        let product = |(low, high): &Bounds, (other_low, other_high): &Bounds| {
            (low * other_low, high.as_ref().zip(other_high.as_ref()).map(|(high, other)| high * other))
        };
        self.cheapest.extend(least(sizes.iter().map(|(size, cost, duration)| (*size, cost.clone(), duration.clone()))));
        self.fastest.extend(least(sizes.iter().map(|(size, cost, duration)| (*size, duration.clone(), cost.clone()))));
        let balanced = sizes.iter().map(|(size, cost, duration)| (*size, product(cost, duration), cost.clone()));
        self.balanced.extend(least(balanced));
    }
}

/// The sizes that may have the least first number; of those whose first number is the same, the ones with the least
/// second.
fn least(sizes: impl Iterator<Item = (i64, Bounds, Bounds)>) -> Vec<i64> {
    let mut sizes: Vec<_> = sizes.collect();
    if let Some(ceiling) = sizes.iter().filter_map(|(_, (_, high), _)| high.clone()).min() {
        sizes.retain(|(_, (low, _), _)| *low <= ceiling);
    }
    let order = |(low, high): &Bounds| (low.clone(), high.is_none(), high.clone());
    let beaten = |(_, first, second): &(i64, Bounds, Bounds)| {
        sizes.iter().any(|(_, other, other_second)| first == other && order(other_second) < order(second))
    };
    sizes.iter().filter(|size| !beaten(size)).map(|(memory_mb, ..)| *memory_mb).collect()
}
