//! Instances that are sized: as many as a peak needs, on and off around the executions, or after the load
//!
//! An execution takes a share of an instance. The instances needed at a moment are the shares of the executions under
//! way, added up and rounded up; the target leaves room.

/// One whole instance in the shares that executions take.
pub const WHOLE: u64 = 1 << 40;

/// What an execution asks of the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load {
    /// When it comes, UTC microseconds.
    pub start_us: i64,
    /// How long it takes, microseconds.
    pub duration_us: i64,
    /// The share of an instance it takes, of [`WHOLE`]: rounded down from 1/slots, so that so many slots fit.
    pub share: u64,
}
/// x
#[derive(Clone, Copy, Debug)]
pub struct LoadWindow<'a> {
    /// x
    pub start_us: i64,
    /// x
    pub end_us: i64,
    /// x
    pub repeats: u64,
    /// x
    pub loads: &'a [Load],
}
/// x
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sizing {
    /// x
    Fixed {
        /// x
        percentile: Option<u32>,
    },
    /// x
    Scheduled,
    /// x
    Autoscaled,
}
/// x
pub struct SizingRule {
    /// x
    pub target_percent: u32,
    /// x
    pub minimum: u64,
    /// x
    pub zones: u64,
    /// x
    pub start_us: i64,
    /// x
    pub scale_in_us: i64,
    /// x
    pub stop_us: i64,
    /// x
    pub maximum: Option<u64>,
}
/// x
#[derive(Clone, Debug)]
pub struct Up {
    /// x
    pub start_us: i64,
    /// x
    pub end_us: i64,
    /// x
    pub count: u64,
    /// x
    pub repeats: u64,
}
/// x
#[derive(Default)]
pub struct Sized {
    /// x
    pub up: Vec<Up>,
    /// x
    pub peak_instances: u64,
    /// x
    pub peak_concurrency: u64,
    /// x
    pub run_count: u64,
    /// x
    pub delayed_count: u64,
    /// x
    pub delay_us: i128,
    /// x
    pub longest_delay_us: i64,
    /// x
    pub busy: i128,
    /// x
    pub up_us: i128,
}
/// x
pub fn size(_: &[LoadWindow<'_>], _: Sizing, _: &SizingRule) -> Result<Sized, std::fmt::Error> {
    Ok(Sized::default())
}
