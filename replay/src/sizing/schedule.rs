//! Instances that boot before executions and stop after them
use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Load, Sized, SizingError, SizingRule, demand::Demand};
use crate::windows::Stretch;

/// A time in which instances are up.
#[derive(Clone, Copy, Debug)]
struct Interval {
    start_us: i64,
    end_us: i64,
    peak_shares: i128,
    peak_concurrency: u64,
}

pub(super) fn schedule(stretch: &Stretch<'_, Load>, rule: &SizingRule, sized: &mut Sized) -> Result<(), SizingError> {
    let mut found = Vec::new();
    if stretch.repeats == 1 {
        intervals(stretch.items(), rule, &mut |interval| found.push(interval));
    } else {
        let period_us = stretch.length_us();
        // An execution as long as the window is under way in every pass; of shorter ones the pass before and the pass
        // after the window are all that touch it.
        let mut lengths = stretch.items().map(|load| load.length_us().saturating_add(rule.start_us + rule.stop_us));
        let mut is_always_up = lengths.any(|length_us| length_us >= period_us);
        if !is_always_up {
            let pass = |by_us: i64| stretch.items().map(move |load| Load { start_us: load.start_us + by_us, ..load });
            intervals(pass(-period_us).chain(pass(0)).chain(pass(period_us)), rule, &mut |interval| {
                is_always_up |= interval.end_us - interval.start_us >= period_us;
                // Those that begin in the window: the ones before it come again in it.
                if (stretch.start_us..stretch.end_us).contains(&interval.start_us) {
                    found.push(interval);
                }
            });
        }
        if is_always_up {
            let Demand { peak_shares, peak_concurrency, .. } = Demand::of(std::slice::from_ref(stretch), rule);
            let (start_us, end_us) = (stretch.start_us, stretch.end_us);
            found = vec![Interval { start_us, end_us, peak_shares, peak_concurrency }];
        }
    }
    for interval in found {
        let needed = rule.at_least(rule.needed(interval.peak_shares));
        if needed > rule.most() {
            return Err(SizingError::TooMany { needed, maximum: rule.most() });
        }
        sized.push_up(interval.start_us, interval.end_us, needed, stretch.repeats);
        sized.peak_concurrency = sized.peak_concurrency.max(interval.peak_concurrency);
    }
    Ok(())
}

/// The intervals of executions in order of start, by time; those that touch are one.
fn intervals(loads: impl Iterator<Item = Load>, rule: &SizingRule, give: &mut dyn FnMut(Interval)) {
    let mut ends: BinaryHeap<Reverse<(i64, u64)>> = BinaryHeap::new();
    let mut shares = 0_i128;
    let mut current: Option<Interval> = None;
    for load in loads {
        let end_us = load.start_us.saturating_add(load.length_us());
        let boot_us = load.start_us.saturating_sub(rule.start_us);
        let stop_us = end_us.saturating_add(rule.stop_us);
        while let Some(Reverse((_, share))) = ends.peek().copied().filter(|Reverse((end, _))| *end <= load.start_us) {
            ends.pop();
            shares -= i128::from(share);
        }
        ends.push(Reverse((end_us, load.share)));
        shares += i128::from(load.share);
        let interval = match current.take() {
            Some(interval) if boot_us <= interval.end_us => interval,
            other => {
                other.into_iter().for_each(&mut *give);
                Interval { start_us: boot_us, end_us: stop_us, peak_shares: 0, peak_concurrency: 0 }
            }
        };
        current = Some(Interval {
            end_us: interval.end_us.max(stop_us),
            peak_shares: interval.peak_shares.max(shares),
            peak_concurrency: interval.peak_concurrency.max(ends.len() as u64),
            ..interval
        });
    }
    current.into_iter().for_each(give);
}
