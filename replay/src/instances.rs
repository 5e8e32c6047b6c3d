//! Instances that start on request: who serves an execution, which of them start cold, how long they idle
//!
//! An execution goes to the instance with a free place that was used last; where none is up, one starts. An instance goes
//! when it had nothing to do for a tail. A window that repeats follows itself: its second pass counts, so that the first
//! instances of a month do not start again with every repetition.

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

/// How instances take requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Executions an instance takes at once; at least 1.
    pub concurrency: u64,
    /// How long an instance stays up after its last execution, microseconds.
    pub tail_us: i64,
    /// From the request that finds no instance to the start of its execution, microseconds; the instance is kept for it
    /// from the request on.
    pub start_us: i64,
    /// Instances of each pool that are always up.
    pub minimum: u64,
    /// Executions at once, over all pools; those that come beyond are throttled, and do not execute.
    pub limit: Option<u64>,
}

/// What instances did in a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceUse {
    /// Executions that began on an instance that had to start.
    pub cold_count: u64,
    /// Executions that were refused.
    pub throttled_count: u64,
    /// Executions in all.
    pub run_count: u64,
    /// Most instances up at once.
    pub peak_instances: u64,
    /// Most executions at once.
    pub peak_concurrency: u64,
    /// Time of instances with at least one execution, microseconds.
    pub busy_us: i128,
    /// Time of instances without one, while up, microseconds.
    pub idle_us: i128,
}
/// x
#[derive(Clone, Copy, Debug)]
pub struct SpanWindow<'a> {
    /// x
    pub start_us: i64,
    /// x
    pub end_us: i64,
    /// x
    pub repeats: u64,
    /// x
    pub spans: &'a [Span],
}
impl InstanceUse {
    /// x
    pub fn up_us(&self) -> i128 {
        self.busy_us + self.idle_us
    }
}
/// x
pub fn replay_on_request(_: &[SpanWindow<'_>], _: &KeepAlive) -> InstanceUse {
    InstanceUse::default()
}
