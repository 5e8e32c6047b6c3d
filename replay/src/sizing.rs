//! Instances that are sized: as many as a peak needs, on and off around the executions, or after the load
//!
//! An execution takes a share of an instance. The instances needed at a moment are the shares of the executions under
//! way, added up and rounded up; the target leaves room. Executions queue where they exceed the whole instances: the
//! target is a plan, not a limit. An execution of no length counts as one of a microsecond.
//!
//! - *Fixed*: as many as the peak needs, and nothing ever waits; or as a percentile of the time needs, and what finds no
//!   room waits in the order it came.
//! - *Scheduled*: instances boot so that they are up when an execution comes, and stop a margin after the last one.
//!   Intervals that touch are one, with what its own peak needs; nothing is up between them.
//! - *Autoscaled*: at the end of every second (counted from the start of the window) the mean shares of that second, of
//!   executions that are served and that wait, say how many instances are wanted. More are ordered at once, and serve
//!   after the start. Fewer stay when all the seconds of the scale-in delay wanted fewer: those ordered last go, first
//!   those that still start, then those that the executions under way do not need. An execution that finds nothing up
//!   nor ordered has one ordered at once, or one for each zone. Billed is from the order to the stop.
//!
//! Windows that come once are one course of time, from the start of the first to the end of the last; executions that
//! run past it are served to their end. A window that repeats follows itself, and what runs past its end is under way
//! when it comes again.
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::windows::{Stretch, WindowOf, stretches};

mod demand;
mod queue;
mod schedule;
#[cfg(test)]
mod tests;

/// One whole instance in the shares that executions take.
pub const WHOLE: u64 = 1 << 40;

/// What an execution asks of the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Load {
    /// When it comes, UTC microseconds.
    pub start_us: i64,
    /// How long it takes, microseconds.
    pub duration_us: i64,
    /// The share of an instance it takes, of [`WHOLE`]: rounded down from 1/slots, so that so many slots fit. Rounded up
    /// to instances it is exact while executions at once × slots is below 2^40: a million of each.
    pub share: u64,
}

/// A window with its executions by start.
pub type LoadWindow<'a> = WindowOf<'a, Load>;

/// How many instances are up when. As text: `fixed`, `fixed-p95`, `scheduled`, `autoscaled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Sizing {
    /// Always as many.
    Fixed {
        /// Percent of the time in which they are enough, 1 to 100; absent: always, so that nothing waits.
        percentile: Option<u32>,
    },
    /// On and off around the executions.
    Scheduled,
    /// After the load.
    Autoscaled,
}

/// How instances are sized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SizingRule {
    /// How far instances are filled, percent: 1 to 100.
    pub target_percent: u32,
    /// Instances that are up at least; of scheduled ones, while any is.
    pub minimum: u64,
    /// Zones instances are spread over: at least one in each while any is up.
    pub zones: u64,
    /// From the order of an instance until it serves, microseconds.
    pub start_us: i64,
    /// How long fewer must have been enough before autoscaling stops any, microseconds.
    pub scale_in_us: i64,
    /// How long scheduled instances stay up after the last execution, microseconds.
    pub stop_us: i64,
    /// Instances there may be.
    pub maximum: Option<u64>,
}

/// Instances up from one instant to another: what is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Up {
    /// First instant, UTC microseconds. Scheduled instances may boot before their window.
    pub start_us: i64,
    /// End, exclusive.
    pub end_us: i64,
    /// Instances.
    pub count: u64,
    /// How often it comes.
    pub repeats: u64,
}

/// Instances that serve a workload, and how they do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sized {
    /// Instances up over time, by time; neighbours in time differ in count.
    pub up: Vec<Up>,
    /// Most instances up at once.
    pub peak_instances: u64,
    /// Most executions under way at once; those that wait are not.
    pub peak_concurrency: u64,
    /// Executions in all.
    pub run_count: u64,
    /// Executions that waited.
    pub delayed_count: u64,
    /// How long all of them waited, microseconds.
    pub delay_us: i128,
    /// How long the one that waited longest did, microseconds.
    pub longest_delay_us: i64,
    /// Shares of the executions × their duration: of [`WHOLE`] × microseconds.
    pub busy: i128,
    /// Instances × the time they are up, microseconds.
    pub up_us: i128,
}

/// Why instances cannot be sized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizingError {
    /// A target that is none.
    #[error("instances cannot be filled to {percent} %")]
    Target {
        /// What was given.
        percent: u32,
    },
    /// A percentile that is none.
    #[error("there is no percentile {percentile}")]
    Percentile {
        /// What was given.
        percentile: u32,
    },
    /// An execution that no instance can take.
    #[error("an execution needs more than a whole instance")]
    TooLarge,
    /// More instances are asked for than there may be.
    #[error("{needed} instances are needed, and {maximum} allowed")]
    TooMany {
        /// What is needed.
        needed: u64,
        /// What is allowed.
        maximum: u64,
    },
    /// Executions come faster than they are served, for ever.
    #[error("{instances} instances never catch up with the executions that wait")]
    Overloaded {
        /// What there is at most.
        instances: u64,
    },
}

impl SizingError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Target { .. } => "give a percentage from 1 to 100".into(),
            Self::Percentile { .. } => {
                "give a percentage of the time from 1 to 100, or none: then nothing waits".into()
            }
            Self::TooLarge => "choose a larger instance, or give the function less memory".into(),
            Self::TooMany { .. } => "allow more instances, or choose larger ones".into(),
            Self::Overloaded { .. } => "allow more instances, or size for a higher percentile".into(),
        }
    }
}

impl fmt::Display for Sizing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed { percentile: None } => f.write_str("fixed"),
            Self::Fixed { percentile: Some(percentile) } => write!(f, "fixed-p{percentile}"),
            Self::Scheduled => f.write_str("scheduled"),
            Self::Autoscaled => f.write_str("autoscaled"),
        }
    }
}

impl FromStr for Sizing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fixed" => Ok(Self::Fixed { percentile: None }),
            "scheduled" => Ok(Self::Scheduled),
            "autoscaled" => Ok(Self::Autoscaled),
            _ => {
                let percentile = text.strip_prefix("fixed-p").and_then(|digits| digits.parse().ok());
                match percentile.filter(|percentile| (1..=100).contains(percentile)) {
                    Some(percentile) => Ok(Self::Fixed { percentile: Some(percentile) }),
                    None => Err(format!(
                        "`{text}` is no way to size instances: use `fixed`, `fixed-p95` (any percentile from 1 to 100), \
                         `scheduled` or `autoscaled`"
                    )),
                }
            }
        }
    }
}

impl TryFrom<String> for Sizing {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Sizing> for String {
    fn from(sizing: Sizing) -> Self {
        sizing.to_string()
    }
}

impl Load {
    fn length_us(&self) -> i64 {
        self.duration_us.max(1)
    }
}

impl SizingRule {
    /// Instances that so many shares need by the target alone.
    pub fn needed(&self, shares: i128) -> u64 {
        self.needed_over(shares, 1)
    }

    /// The same of shares × microseconds, on average over so many microseconds.
    fn needed_over(&self, shares: i128, length_us: i64) -> u64 {
        let full = i128::from(WHOLE) * i128::from(self.target_percent.max(1)) * i128::from(length_us);
        u64::try_from((shares.max(0) * 100 + full - 1) / full).unwrap_or(u64::MAX)
    }

    /// Instances to have up for so many that are needed, if any is up: the minimum and the zones too.
    fn at_least(&self, needed: u64) -> u64 {
        needed.max(self.minimum).max(self.zones).max(1)
    }

    /// The same without what a sizing does not read: rules that differ in nothing else size alike.
    pub(crate) fn for_sizing(self, sizing: Sizing) -> Self {
        match sizing {
            Sizing::Fixed { .. } => Self { start_us: 0, scale_in_us: 0, stop_us: 0, ..self },
            Sizing::Scheduled => Self { scale_in_us: 0, ..self },
            Sizing::Autoscaled => Self { stop_us: 0, ..self },
        }
    }

    fn most(&self) -> u64 {
        self.maximum.unwrap_or(u64::MAX)
    }

    fn check(&self) -> Result<(), SizingError> {
        if !(1..=100).contains(&self.target_percent) {
            return Err(SizingError::Target { percent: self.target_percent });
        }
        match self.maximum {
            Some(maximum) if self.at_least(0) > maximum => {
                Err(SizingError::TooMany { needed: self.at_least(0), maximum })
            }
            _ => Ok(()),
        }
    }
}

impl Sized {
    /// Instances up from an instant on, in the order of time.
    fn push_up(&mut self, start_us: i64, end_us: i64, count: u64, repeats: u64) {
        if start_us >= end_us || count == 0 {
            return;
        }
        self.up_us += (i128::from(end_us) - i128::from(start_us)) * i128::from(count) * i128::from(repeats);
        self.peak_instances = self.peak_instances.max(count);
        match self.up.last_mut() {
            // What repeats is apart from what comes before it.
            Some(last)
                if repeats == 1 && *last == (Up { start_us: last.start_us, end_us: start_us, count, repeats }) =>
            {
                last.end_us = end_us;
            }
            _ => self.up.push(Up { start_us, end_us, count, repeats }),
        }
    }
}

/// Sizes instances for executions; windows come by time.
///
/// # Errors
/// A target or percentile out of range, an execution larger than an instance, a maximum that is not enough: for the
/// minimum and the zones, for what a schedule needs, or for a window that repeats to be served at all.
pub fn size(windows: &[LoadWindow<'_>], sizing: Sizing, rule: &SizingRule) -> Result<Sized, SizingError> {
    rule.check()?;
    let rule = &SizingRule {
        start_us: rule.start_us.max(0),
        scale_in_us: rule.scale_in_us.max(0),
        stop_us: rule.stop_us.max(0),
        ..*rule
    };
    let stretches = stretches(windows);
    let mut sized = Sized::default();
    for stretch in &stretches {
        for load in stretch.items() {
            if load.share > WHOLE {
                return Err(SizingError::TooLarge);
            }
            sized.run_count += stretch.repeats;
            sized.busy += i128::from(load.share) * i128::from(load.length_us()) * i128::from(stretch.repeats);
        }
    }
    match sizing {
        Sizing::Fixed { percentile } => fixed(&stretches, percentile, rule, &mut sized)?,
        Sizing::Scheduled => {
            for stretch in &stretches {
                schedule::schedule(stretch, rule, &mut sized)?;
            }
        }
        Sizing::Autoscaled => {
            for stretch in &stretches {
                queue::serve(stretch, queue::Instances::Autoscaled(rule), &mut sized)?;
            }
        }
    }
    Ok(sized)
}

/// Most executions under way at once where none waits.
pub(crate) fn peak_concurrency(windows: &[LoadWindow<'_>]) -> u64 {
    demand::peak_concurrency(&stretches(windows))
}

fn fixed(
    stretches: &[Stretch<'_, Load>],
    percentile: Option<u32>,
    rule: &SizingRule,
    sized: &mut Sized,
) -> Result<(), SizingError> {
    if let Some(percentile) = percentile.filter(|percentile| !(1..=100).contains(percentile)) {
        return Err(SizingError::Percentile { percentile });
    }
    let demand = demand::Demand::of(stretches, rule);
    let needed = demand.needed(percentile.unwrap_or(100));
    let count = match sized.run_count {
        0 => needed.max(rule.minimum).max(rule.zones),
        _ => rule.at_least(needed).min(rule.most()),
    };
    let whole = i128::from(WHOLE) * i128::from(count);
    for stretch in stretches {
        sized.push_up(stretch.start_us, stretch.end_us, count, stretch.repeats);
        if demand.peak_shares > whole {
            queue::serve(stretch, queue::Instances::Fixed(count), sized)?;
        }
    }
    if demand.peak_shares <= whole {
        sized.peak_concurrency = demand.peak_concurrency;
    }
    Ok(())
}
