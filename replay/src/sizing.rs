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
