//! Instances that start on request: who serves an execution, which of them start cold, how long they idle
//!
//! - An execution goes to the instance with a free place that was used last: among those with executions under way the
//!   one that got the latest, then among those without the one whose last execution ended latest. Where none is up, one
//!   starts.
//! - An instance is kept for the execution it starts for from the request on. Others that it has a place for wait for
//!   the rest of its start.
//! - An instance goes when it had nothing to do for a tail; a request at that very instant still finds it.
//! - Windows that come once are one course of time: instances stay what they are from one to the next. After the last
//!   window everything ends as it will: executions and tails that run past its end count in full.
//! - A window that repeats follows itself. It is passed through until the instances are at its end what they were at its
//!   start, and that pass counts, from its start to its end: the first instances of a month do not start again with
//!   every repetition.
use crate::windows::{WindowOf, stretches};

mod host;
pub(crate) use host::steps::steps;
#[cfg(test)]
mod tests;

/// What an execution is to the instances: its time, and who may share an instance with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Start, UTC microseconds.
    pub start_us: i64,
    /// End, exclusive; where the instance starts cold its start is not in it.
    pub end_us: i64,
    /// Executions of different pools never share an instance.
    pub pool: u32,
}

/// A window with its executions by start, at equal starts by end.
pub type SpanWindow<'a> = WindowOf<'a, Span>;

/// How instances take requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeepAlive {
    /// Executions an instance takes at once; at least 1.
    pub concurrency: u64,
    /// How long an instance stays up after its last execution, microseconds.
    pub tail_us: i64,
    /// From the request that finds no instance to the start of its execution, microseconds; the instance is kept for it
    /// from the request on.
    pub start_us: i64,
    /// Instances of each pool that are always up: from the start of a stretch of windows to its end.
    pub minimum: u64,
    /// Executions at once, over all pools, those that wait for an instance to start among them; those that come beyond
    /// are throttled, and do not execute.
    pub limit: Option<u64>,
}

/// What instances did in a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceUse {
    /// The executions for which instances started, each with how often it comes.
    pub cold: Vec<(Span, u64)>,
    /// Executions that found no instance, so that one had to start: as many as instances started.
    pub cold_count: u64,
    /// Executions that waited for an instance to start: the cold ones, and those that it took while it started.
    pub waited_count: u64,
    /// How long all of them waited, microseconds.
    pub wait_us: i128,
    /// Executions that were refused.
    pub throttled_count: u64,
    /// Executions in all, the refused ones among them.
    pub run_count: u64,
    /// Most instances up at once.
    pub peak_instances: u64,
    /// Most executions at once.
    pub peak_concurrency: u64,
    /// Time of instances with at least one execution, microseconds; their start is in it.
    pub busy_us: i128,
    /// Time of instances without one, while up, microseconds.
    pub idle_us: i128,
    /// Time of the windows, microseconds.
    pub period_us: i128,
}

impl InstanceUse {
    /// Time of instances while up, microseconds.
    pub fn up_us(&self) -> i128 {
        self.busy_us + self.idle_us
    }

    /// Instances up on average over the period, in thousandths, rounded to the nearest; none where there is no period.
    pub fn mean_instances_milli(&self) -> Option<i128> {
        (self.period_us > 0).then(|| (self.up_us() * 2000 + self.period_us) / (self.period_us * 2))
    }

    fn add(&mut self, other: &Self, times: u64) {
        self.cold_count += other.cold_count * times;
        self.cold.extend(other.cold.iter().map(|(span, _)| (*span, times)));
        self.waited_count += other.waited_count * times;
        self.wait_us += other.wait_us * i128::from(times);
        self.throttled_count += other.throttled_count * times;
        self.run_count += other.run_count * times;
        self.peak_instances = self.peak_instances.max(other.peak_instances);
        self.peak_concurrency = self.peak_concurrency.max(other.peak_concurrency);
        self.busy_us += other.busy_us * i128::from(times);
        self.idle_us += other.idle_us * i128::from(times);
        self.period_us += other.period_us * i128::from(times);
    }
}

/// Lets instances serve executions; windows come by time.
pub fn replay_on_request(windows: &[SpanWindow<'_>], rule: &KeepAlive) -> InstanceUse {
    let pools = host::Pools::of(windows);
    let mut total = InstanceUse::default();
    for stretch in stretches(windows) {
        let mut used = match stretch.repeats {
            1 => host::once(&stretch, rule, &pools),
            _ => host::again(&stretch, rule, &pools),
        };
        used.period_us = i128::from(stretch.length_us());
        total.add(&used, stretch.repeats);
    }
    total
}
