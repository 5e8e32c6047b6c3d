//! Executions at once and instances up over time, in a few buckets: what a chart of a deployment shows
//!
//! What comes once is followed as it comes. Windows that repeat stand for a time in which they come again and again, by the
//! hour of the day where they differ by it: there each hour has the peak of its windows.
use std::{cmp::Reverse, collections::BinaryHeap};

use paygrain_pricing::period::{DAY_US, HOUR_US};

use crate::{
    assumptions::Assumptions,
    deployment::Deployment,
    instances::{KeepAlive, Span, replay_on_request, steps},
    load::load,
    outcome::Reason,
    sizing::{Load, Sizing, SizingError, SizingRule, peak_concurrency, size},
    windows::{Stretch, WindowOf, stretches},
    workload::{Run, Workload},
};

#[cfg(test)]
mod tests;

const MINUTE_US: i64 = HOUR_US / 60;
/// Buckets at most.
const BUCKETS_MAX: i64 = 200;
/// Lengths of a bucket, microseconds: the first of which there are not too many is taken.
const LENGTHS_US: [i64; 13] = [
    MINUTE_US,
    2 * MINUTE_US,
    5 * MINUTE_US,
    10 * MINUTE_US,
    15 * MINUTE_US,
    30 * MINUTE_US,
    HOUR_US,
    2 * HOUR_US,
    3 * HOUR_US,
    4 * HOUR_US,
    6 * HOUR_US,
    12 * HOUR_US,
    DAY_US,
];

/// Executions and instances over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staircase {
    /// Begin of the first bucket, UTC microseconds.
    pub start_us: i64,
    /// End of the last one, exclusive; it may be shorter than the others.
    pub end_us: i64,
    /// Length of a bucket, microseconds.
    pub bucket_us: i64,
    /// The buckets, by time.
    pub buckets: Vec<Bucket>,
    /// Whether some of them are what repeats, and not a course that was followed.
    pub is_pattern: bool,
}

/// A bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Most executions under way at once in it, whether they are served or wait.
    pub peak_concurrency: u64,
    /// Most instances up at once in it.
    pub peak_instances: u64,
}

/// How instances come and go.
enum How {
    OnRequest(KeepAlive),
    Sized { sizing: Sizing, rule: SizingRule, filled: Vec<u64> },
}

/// Executions and instances of a workload on a deployment over time; `sizing` as its outcome says it.
///
/// # Errors
/// Why the deployment cannot carry it.
pub fn staircase(
    workload: &Workload,
    deployment: &Deployment,
    assumptions: &Assumptions,
    sizing: Option<Sizing>,
) -> Result<Staircase, Reason> {
    let functions = workload.functions.iter();
    let slots = functions
        .map(|function| Ok(deployment.shape(function, assumptions)?.slots))
        .collect::<Result<Vec<u64>, Reason>>()?;
    let how = match sizing {
        None => How::OnRequest(deployment.keep_alive(assumptions, &slots)),
        Some(sizing) => How::Sized {
            sizing,
            rule: deployment.sizing_rule(assumptions),
            filled: slots.iter().map(|slots| assumptions.filled(*slots)).collect(),
        },
    };
    let windows: Vec<_> = workload.windows.iter().map(|window| WindowOf::of(window, window.runs.as_slice())).collect();
    let blocks = blocks(stretches(&windows));
    let mut found = Staircase::over(workload, &blocks);
    how.fill(&blocks, &mut found).map_err(|error| Reason {
        code: "sizing",
        blocks: true,
        message: error.to_string(),
    })?;
    Ok(found)
}

/// Stretches that together stand for a time: one that comes once, or those that repeat, taking turns in it.
struct Block<'a> {
    start_us: i64,
    end_us: i64,
    stretches: Vec<Stretch<'a, Run>>,
}

impl Block<'_> {
    fn is_once(&self) -> bool {
        matches!(self.stretches.as_slice(), [one] if one.repeats == 1)
    }
}

/// The stretches by the time they stand for: one that begins before all of those before it have come so often as they do
/// takes turns with them.
fn blocks(stretches: Vec<Stretch<'_, Run>>) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for stretch in stretches {
        let all_us = stretch.length_us().saturating_mul(i64::try_from(stretch.repeats).unwrap_or(i64::MAX));
        match blocks.last_mut() {
            Some(last) if stretch.start_us < last.end_us => {
                last.end_us = last.end_us.saturating_add(all_us);
                last.stretches.push(stretch);
            }
            _ => blocks.push(Block {
                start_us: stretch.start_us,
                end_us: stretch.start_us.saturating_add(all_us),
                stretches: vec![stretch],
            }),
        }
    }
    blocks
}

impl Staircase {
    /// Empty buckets over the time of a workload, within its period.
    fn over(workload: &Workload, blocks: &[Block<'_>]) -> Self {
        let (first_us, last_us) = (workload.period.start_us(), workload.period.end_us());
        let within = |at_us: i64| at_us.clamp(first_us, last_us);
        let start_us = blocks.first().map_or(first_us, |block| within(block.start_us));
        let end_us = blocks.iter().map(|block| within(block.end_us)).max().unwrap_or(last_us).max(start_us + 1);
        let count_of = |bucket_us: i64| (end_us - start_us + bucket_us - 1) / bucket_us;
        let bucket_us = LENGTHS_US.into_iter().find(|length_us| count_of(*length_us) <= BUCKETS_MAX).unwrap_or(DAY_US);
        Self {
            start_us,
            end_us,
            bucket_us,
            buckets: vec![Bucket::default(); usize::try_from(count_of(bucket_us)).unwrap_or(0)],
            is_pattern: blocks.iter().any(|block| !block.is_once()),
        }
    }

    /// The buckets of a time.
    fn within(&mut self, from_us: i64, to_us: i64) -> &mut [Bucket] {
        let (from_us, to_us) = (from_us.max(self.start_us), to_us.min(self.end_us));
        if from_us >= to_us {
            return &mut [];
        }
        let place = |at_us: i64| usize::try_from((at_us - self.start_us) / self.bucket_us).unwrap_or(0);
        let (first, last) = (place(from_us), place(to_us - 1));
        self.buckets.get_mut(first..=last).unwrap_or_default()
    }

    /// So many executions are under way for a time.
    fn run(&mut self, from_us: i64, to_us: i64, count: u64) {
        for bucket in self.within(from_us, to_us) {
            bucket.peak_concurrency = bucket.peak_concurrency.max(count);
        }
    }

    /// So many instances are up for a time.
    fn up(&mut self, from_us: i64, to_us: i64, count: u64) {
        for bucket in self.within(from_us, to_us) {
            bucket.peak_instances = bucket.peak_instances.max(count);
        }
    }

    /// The begin of each bucket, UTC microseconds, with what is in it.
    pub fn timed(&self) -> impl Iterator<Item = (i64, Bucket)> {
        let starts = (0..).map(|place| self.start_us + place * self.bucket_us);
        starts.zip(self.buckets.iter().copied())
    }
}

impl How {
    fn fill(&self, blocks: &[Block<'_>], found: &mut Staircase) -> Result<(), SizingError> {
        // What is always up is as many in all blocks.
        let always = match self {
            Self::Sized { sizing: sizing @ Sizing::Fixed { .. }, rule, filled } => {
                let all: Vec<&Stretch<'_, Run>> = blocks.iter().flat_map(|block| &block.stretches).collect();
                let loads: Vec<Vec<Load>> = all.iter().map(|stretch| loads(stretch, filled)).collect();
                let windows: Vec<_> =
                    all.iter().zip(&loads).map(|(stretch, loads)| window_of(stretch, loads)).collect();
                Some(size(&windows, *sizing, rule)?.peak_instances)
            }
            _ => None,
        };
        for block in blocks {
            if let Some(count) = always {
                found.up(block.start_us, block.end_us, count);
            }
            match block.stretches.as_slice() {
                [once] if block.is_once() => {
                    at_once(once, &mut |from_us, to_us, count| found.run(from_us, to_us, count));
                    if always.is_none() {
                        self.follow(once, found)?;
                    }
                }
                _ => self.repeat(block, always, found)?,
            }
        }
        Ok(())
    }

    /// The instances of what comes once.
    fn follow(&self, once: &Stretch<'_, Run>, found: &mut Staircase) -> Result<(), SizingError> {
        match self {
            Self::OnRequest(rule) => {
                let spans = spans(once);
                steps(&[window_of(once, &spans)], rule, &mut |from_us, to_us, count| found.up(from_us, to_us, count));
            }
            Self::Sized { sizing, rule, filled } => {
                let loads = loads(once, filled);
                for up in size(&[window_of(once, &loads)], *sizing, rule)?.up {
                    found.up(up.start_us, up.end_us, up.count);
                }
            }
        }
        Ok(())
    }

    /// The peaks of what repeats, hour by hour.
    fn repeat(&self, block: &Block<'_>, always: Option<u64>, found: &mut Staircase) -> Result<(), SizingError> {
        let hour = |at_us: i64| at_us.rem_euclid(DAY_US) / HOUR_US;
        let peaks = block.stretches.iter().map(|stretch| Ok((hour(stretch.start_us), self.peaks(stretch, always)?)));
        let peaks = peaks.collect::<Result<Vec<_>, SizingError>>()?;
        let mut from_us = block.start_us.max(found.start_us);
        while from_us < block.end_us.min(found.end_us) {
            let to_us = ((from_us.div_euclid(HOUR_US) + 1) * HOUR_US).min(block.end_us);
            let is_of_hour = |of: &i64| *of == hour(from_us);
            let any = !peaks.iter().any(|(of, _)| is_of_hour(of));
            for (_, bucket) in peaks.iter().filter(|(of, _)| any || is_of_hour(of)) {
                found.run(from_us, to_us, bucket.peak_concurrency);
                found.up(from_us, to_us, bucket.peak_instances);
            }
            from_us = to_us;
        }
        Ok(())
    }

    /// The peaks of a stretch that repeats.
    fn peaks(&self, stretch: &Stretch<'_, Run>, always: Option<u64>) -> Result<Bucket, SizingError> {
        let peak_instances = match (self, always) {
            (_, Some(count)) => count,
            (Self::OnRequest(rule), None) => {
                let spans = spans(stretch);
                replay_on_request(&[window_of(stretch, &spans)], rule).peak_instances
            }
            (Self::Sized { sizing, rule, filled }, None) => {
                let loads = loads(stretch, filled);
                size(&[window_of(stretch, &loads)], *sizing, rule)?.peak_instances
            }
        };
        let loads = loads(stretch, &[]);
        Ok(Bucket { peak_concurrency: peak_concurrency(&[window_of(stretch, &loads)]), peak_instances })
    }
}

fn window_of<'a, T>(stretch: &Stretch<'_, Run>, items: &'a [T]) -> WindowOf<'a, T> {
    WindowOf { start_us: stretch.start_us, end_us: stretch.end_us, repeats: stretch.repeats, items }
}

fn spans(stretch: &Stretch<'_, Run>) -> Vec<Span> {
    stretch.items().map(|run| Span::from(&run)).collect()
}

fn loads(stretch: &Stretch<'_, Run>, filled: &[u64]) -> Vec<Load> {
    stretch.items().map(|run| load(&run, filled)).collect()
}

/// Gives from when to when how many executions are under way, by time; one of no length takes a microsecond.
fn at_once(stretch: &Stretch<'_, Run>, give: &mut dyn FnMut(i64, i64, u64)) {
    let mut ends: BinaryHeap<Reverse<i64>> = BinaryHeap::new();
    let mut since_us = stretch.start_us;
    let mut end_until = |ends: &mut BinaryHeap<Reverse<i64>>, to_us: i64| {
        while let Some(Reverse(end_us)) = ends.peek().copied().filter(|Reverse(end_us)| *end_us <= to_us) {
            give(since_us, end_us, ends.len() as u64);
            since_us = end_us;
            ends.pop();
        }
        give(since_us, to_us, ends.len() as u64);
        since_us = to_us;
    };
    for run in stretch.items() {
        end_until(&mut ends, run.start_us);
        ends.push(Reverse(run.start_us.saturating_add(run.duration_us.max(1))));
    }
    end_until(&mut ends, i64::MAX);
}
