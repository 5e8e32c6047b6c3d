//! The shares that executions ask for over time, where none waits
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use super::{Load, SizingRule};
use crate::windows::Stretch;

/// What executions ask for.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// Most shares at once.
    pub peak_shares: i128,
    /// Most executions at once.
    pub peak_concurrency: u64,
    /// For how long so many instances are needed, microseconds.
    time_us: BTreeMap<u64, i128>,
}

impl Demand {
    pub fn of(stretches: &[Stretch<'_, Load>], rule: &SizingRule) -> Self {
        let mut demand = Self::default();
        for stretch in stretches {
            let repeats = i128::from(stretch.repeats);
            levels(stretch, &mut |length_us, shares, count| {
                demand.peak_shares = demand.peak_shares.max(shares);
                demand.peak_concurrency = demand.peak_concurrency.max(count);
                *demand.time_us.entry(rule.needed(shares)).or_default() += i128::from(length_us) * repeats;
            });
        }
        demand
    }

    /// The least number of instances that is enough for so many percent of the time.
    pub fn needed(&self, percentile: u32) -> u64 {
        let total_us: i128 = self.time_us.values().sum();
        let mut enough_us = 0;
        for (needed, time_us) in &self.time_us {
            enough_us += time_us;
            if enough_us * 100 >= total_us * i128::from(percentile) {
                return *needed;
            }
        }
        0
    }
}

/// Most executions at once.
pub(super) fn peak_concurrency(stretches: &[Stretch<'_, Load>]) -> u64 {
    let mut peak = 0;
    for stretch in stretches {
        levels(stretch, &mut |_, _, count| peak = peak.max(count));
    }
    peak
}

/// Gives how long how many shares and executions are asked for, by time: until all is over, or once around a window that
/// repeats.
fn levels(stretch: &Stretch<'_, Load>, give: &mut dyn FnMut(i64, i128, u64)) {
    let repeats = stretch.repeats > 1;
    let period_us = stretch.length_us();
    let part_us = |load: &Load| match repeats {
        true => load.length_us() % period_us,
        false => load.length_us(),
    };
    let (mut shares, mut count) = (0_i128, 0_u64);
    // Of those under way; in a window that repeats, at its start those of the pass before.
    let mut ends: BinaryHeap<Reverse<(i64, u64)>> = BinaryHeap::new();
    for load in stretch.items().filter(|_| repeats) {
        // Whole windows are under way all the time.
        let times = load.length_us() / period_us;
        shares += i128::from(load.share) * i128::from(times);
        count += times.unsigned_abs();
        let end_us = load.start_us.saturating_add(part_us(&load));
        if end_us > stretch.end_us {
            ends.push(Reverse((end_us - period_us, load.share)));
            shares += i128::from(load.share);
            count += 1;
        }
    }
    let mut starts = stretch.items().filter(|load| part_us(load) > 0).peekable();
    let mut now_us = stretch.start_us;
    loop {
        let start_us = starts.peek().map(|load| load.start_us);
        let end_us = ends.peek().map(|Reverse((end_us, _))| *end_us);
        let Some(next_us) = start_us.into_iter().chain(end_us).min() else { break };
        if next_us > now_us {
            give(next_us - now_us, shares, count);
            now_us = next_us;
        }
        while let Some(Reverse((_, share))) = ends.peek().copied().filter(|Reverse((end_us, _))| *end_us <= next_us) {
            ends.pop();
            shares -= i128::from(share);
            count -= 1;
        }
        while let Some(load) = starts.next_if(|load| load.start_us <= next_us) {
            shares += i128::from(load.share);
            count += 1;
            let end_us = load.start_us.saturating_add(part_us(&load));
            // Beyond a window that repeats it was counted from its start.
            if !repeats || end_us <= stretch.end_us {
                ends.push(Reverse((end_us, load.share)));
            }
        }
    }
    if stretch.end_us > now_us {
        give(stretch.end_us - now_us, shares, count);
    }
}
