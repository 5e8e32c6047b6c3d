//! Activities: the time of instances that serve several requests, made from the records of the requests
//!
//! Some services charge how long an instance is busy or up, not the sum of its requests. [`Machine`] follows the
//! instances of one pool through time; [`ActivityMeter`] gives every record its pool and sums busy and idle time by
//! hour; [`Catalogue::activity_usage`](crate::Catalogue::activity_usage) prices it by the SKUs that take the meters.
//!
//! Everything is half open and in whole microseconds, so hours, days and months cut an interval anywhere without
//! rounding, and the parts sum to the whole.
use std::collections::BTreeMap;

use crate::{
    exact::Exact,
    expression::{Expression, Value},
    period::HOUR_US,
    table::Table,
};

mod machine;
mod pricing;
#[cfg(test)]
mod tests;

pub use machine::{Interval, IntervalKind, Machine, intervals};
pub(crate) use pricing::instances;
pub use pricing::{ActivityUsage, UntakenTime};

/// Columns that tell the instances of one pool from those of another and that their rows carry, besides provider and
/// service: instances of a pool are of one size and serve one resource.
pub const POOL_COLUMNS: [&str; 10] = [
    "organisation",
    "account",
    "region",
    "resource",
    "variant",
    "memory_mb",
    "vcpu_milli",
    "architecture",
    "os",
    "runtime",
];

/// The values of [`POOL_COLUMNS`].
pub type Pool = [Value; POOL_COLUMNS.len()];

/// A rule that turns usage records into the time of instances: `[[activity]]` of a price book.
#[derive(Clone, Debug)]
pub struct Activity {
    /// Id within the book.
    pub id: String,
    /// Id with provider and service in front: `gcp.cloud-run.request-based`.
    pub name: String,
    /// Table of the records.
    pub table: Table,
    /// Services whose records it takes.
    pub services: Vec<String>,
    /// Which records; absent: every record of the services.
    pub filter: Option<Expression>,
    /// How long a record keeps its place in its instance, in µs.
    pub duration: Expression,
    /// Requests that one instance takes at once; no value: any number.
    pub concurrency: Expression,
    /// How instances are timed.
    pub timing: Timing,
    /// `meter` of the rows for time with at least one request in flight.
    pub busy: String,
    /// `meter` of the rows for time without one while the instance is up; absent: that time is not charged.
    pub idle: Option<String>,
    /// Key of the source.
    pub source: String,
    /// How sure the rule is.
    pub mark: String,
}

/// How the instances of an activity are timed, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long an instance stays up after its last request.
    pub tail_us: i64,
    /// Least length of a busy interval.
    pub minimum_us: i64,
    /// Busy intervals are rounded up to a multiple of it; at least 1.
    pub step_us: i64,
    /// Whether the tail is charged as busy time: busy and idle time have the same meter, and one interval runs from the
    /// first request to the end of the tail.
    pub tail_is_busy: bool,
}

impl Default for Timing {
    fn default() -> Self {
        Self { tail_us: 0, minimum_us: 0, step_us: 1, tail_is_busy: false }
    }
}

/// What an activity reads from a record it takes, besides its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityRecord {
    /// How long it keeps its place, microseconds; 0 for a record without a duration, which starts an instance and ends.
    pub duration_us: i64,
    /// The instance it ran on, where that is known.
    pub instance: Option<String>,
    /// How many requests its instance takes at once; absent: any number.
    pub concurrency: Option<u64>,
    /// The pool of its instance.
    pub pool: Pool,
}

impl Activity {
    /// The longest an instance can be up, or charged as busy, after its last request, microseconds.
    pub fn reach_us(&self) -> i64 {
        let Timing { tail_us, minimum_us, step_us, .. } = self.timing;
        tail_us.saturating_add(minimum_us).saturating_add(step_us)
    }

    /// The meters of its rows: busy, and idle where that is another one and charged.
    pub fn meters(&self) -> impl Iterator<Item = &str> {
        let idle = self.idle.as_deref().filter(|_| !self.timing.tail_is_busy);
        std::iter::once(self.busy.as_str()).chain(idle)
    }

    /// What it makes of its records, in words.
    pub fn words(&self) -> String {
        let seconds = |us: i64| Exact::ratio(i128::from(us), 1_000_000).unwrap_or_default();
        let Timing { tail_us, minimum_us, step_us, tail_is_busy } = self.timing;
        let mut words = format!("activity {} makes the time of instances of them", self.id);
        words += &format!(": an instance takes {} at once", self.concurrency);
        if tail_us > 0 {
            let charged = if tail_is_busy { ", charged as busy" } else { "" };
            words += &format!(", and stays up {} s after its last request{charged}", seconds(tail_us));
        }
        if minimum_us > 0 {
            words += &format!(", a busy interval lasts at least {} s", seconds(minimum_us));
        }
        if step_us > 1 {
            words += &format!(", rounded up to steps of {} s", seconds(step_us));
        }
        words + &format!(" (rule: source {}, {})", self.source, self.mark)
    }

    /// What a row with these columns is to the activity; nothing when the filter does not take it.
    pub fn record(&self, row: &dyn Fn(&str) -> Value) -> Option<ActivityRecord> {
        if self.filter.as_ref().is_some_and(|filter| !filter.passes(row)) {
            return None;
        }
        let whole = |value: Value| match value {
            Value::Number(number) => number.ceil_to_integer().to_i128(),
            _ => None,
        };
        let duration_us = whole(self.duration.evaluate(row)).and_then(|us| i64::try_from(us).ok()).unwrap_or(0);
        let concurrency = whole(self.concurrency.evaluate(row));
        let instance = match row("instance") {
            Value::Text(name) if !name.is_empty() => Some(name),
            _ => None,
        };
        Some(ActivityRecord {
            duration_us: duration_us.max(0),
            // The log says which instance: then how many requests it can take does not matter.
            concurrency: concurrency
                .filter(|_| instance.is_none())
                .map(|concurrency| u64::try_from(concurrency).unwrap_or(1).max(1)),
            instance,
            pool: POOL_COLUMNS.map(row),
        })
    }
}

/// Busy and idle time of one hour, summed over instances, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourTime {
    /// Time with at least one request in flight, minimum and step applied.
    pub busy_us: i64,
    /// Time up without one.
    pub idle_us: i64,
    /// Records that start in the hour.
    pub record_count: u64,
}

/// The machine that a record goes to, in one [`ActivityMeter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineIndex(usize);

/// What tells machines apart: a named instance has one of its own.
type MachineKey = (usize, Option<String>, Option<u64>);
/// The values of a pool, comparable: which kind, a number, a text.
type PoolKey = [(Option<Exact>, Option<String>); POOL_COLUMNS.len()];

/// Sums the time of an activity's instances by pool and hour of a span of time, from records in order of start.
///
/// Records from before the span make the state the span begins with; time outside the span is left out. So the sums
/// of two spans that follow each other are those of both together.
#[derive(Debug)]
pub struct ActivityMeter {
    timing: Timing,
    reach_us: i64,
    from_us: i64,
    to_us: i64,
    pools: Vec<(Pool, BTreeMap<i64, HourTime>)>,
    pool_of: BTreeMap<PoolKey, usize>,
    machines: Vec<PoolMachine>,
    machine_of: BTreeMap<MachineKey, usize>,
    /// From when on no record that was not given can be in flight; absent: every record is given.
    known_from_us: Option<i64>,
}

#[derive(Debug)]
struct PoolMachine {
    machine: Machine,
    pool: usize,
    /// When the reach of its latest record before the span ends.
    reach_end_us: i64,
    /// Whether its state is certain: it had a moment without an instance since every record is known.
    settled: bool,
}

impl ActivityMeter {
    /// A meter of a span of time, UTC microseconds, half open.
    pub fn new(activity: &Activity, from_us: i64, to_us: i64) -> Self {
        Self {
            timing: activity.timing,
            reach_us: activity.reach_us(),
            from_us,
            to_us,
            pools: Vec::new(),
            pool_of: BTreeMap::new(),
            machines: Vec::new(),
            machine_of: BTreeMap::new(),
            known_from_us: None,
        }
    }

    /// Says that records which started before `first_us` exist but are not given, none of them longer than
    /// `longest_us`: [`ActivityMeter::is_settled`] then tells whether they could matter.
    #[must_use]
    pub fn without_records_before(mut self, first_us: i64, longest_us: i64) -> Self {
        self.known_from_us = Some(first_us.saturating_add(longest_us).saturating_add(self.reach_us));
        self
    }

    /// The machine of a record.
    pub fn machine(&mut self, record: &ActivityRecord) -> MachineIndex {
        let key = record.pool.clone().map(|value| match value {
            Value::Null => (None, None),
            Value::Number(number) => (Some(number), None),
            Value::Text(text) => (None, Some(text)),
            Value::Bool(value) => (None, Some(value.to_string())),
        });
        let pools = &mut self.pools;
        let pool = *self.pool_of.entry(key).or_insert_with(|| {
            pools.push((record.pool.clone(), BTreeMap::new()));
            pools.len() - 1
        });
        let (machines, timing) = (&mut self.machines, self.timing);
        let key = (pool, record.instance.clone(), record.concurrency);
        MachineIndex(*self.machine_of.entry(key).or_insert_with(|| {
            let machine = Machine::new(timing, record.concurrency);
            machines.push(PoolMachine { machine, pool, reach_end_us: i64::MIN, settled: true });
            machines.len() - 1
        }))
    }

    /// Takes the next record: records come in order of start, and at equal starts in order of end. Those that start at
    /// or after the end of the span count nothing.
    pub fn add(&mut self, index: MachineIndex, start_us: i64, end_us: i64) {
        let (from_us, to_us) = (self.from_us, self.to_us);
        if start_us >= to_us {
            return;
        }
        let end_us = end_us.max(start_us);
        let Some(own) = self.machines.get_mut(index.0) else { return };
        let Some((_, hours)) = self.pools.get_mut(own.pool) else { return };
        if start_us >= from_us {
            hours.entry(hour_of(start_us)).or_default().record_count += 1;
        } else if let Some(known_from_us) = self.known_from_us {
            if start_us < known_from_us {
                own.settled = false;
            } else if own.reach_end_us < start_us {
                own.settled = true;
            }
            own.reach_end_us = own.reach_end_us.max(end_us.saturating_add(self.reach_us));
        }
        own.machine.add(start_us, end_us, &mut |interval| sum(hours, interval, from_us, to_us));
    }

    /// Whether the state at the beginning of the span does not depend on records that were not given: every machine
    /// had a moment without an instance after the last of them could matter.
    pub fn is_settled(&self) -> bool {
        let Some(known_from_us) = self.known_from_us else { return true };
        let settled = |own: &PoolMachine| own.settled || own.reach_end_us < self.from_us;
        known_from_us <= self.from_us && self.machines.iter().all(settled)
    }

    /// The time of each pool by the start of the hour.
    pub fn finish(mut self) -> Vec<(Pool, BTreeMap<i64, HourTime>)> {
        let (from_us, to_us) = (self.from_us, self.to_us);
        for own in self.machines {
            if let Some((_, hours)) = self.pools.get_mut(own.pool) {
                own.machine.finish(&mut |interval| sum(hours, interval, from_us, to_us));
            }
        }
        self.pools
    }
}

/// The start of the hour of an instant.
fn hour_of(instant_us: i64) -> i64 {
    instant_us.div_euclid(HOUR_US) * HOUR_US
}

/// Adds an interval to the hours it is in, as far as it lies in a span.
fn sum(hours: &mut BTreeMap<i64, HourTime>, interval: Interval, from_us: i64, to_us: i64) {
    let (mut start_us, end_us) = (interval.start_us.max(from_us), interval.end_us.min(to_us));
    while start_us < end_us {
        let hour_us = hour_of(start_us);
        let part_end_us = end_us.min(hour_us + HOUR_US);
        let time = hours.entry(hour_us).or_default();
        match interval.kind {
            IntervalKind::Busy => time.busy_us += part_end_us - start_us,
            IntervalKind::Idle => time.idle_us += part_end_us - start_us,
        }
        start_us = part_end_us;
    }
}
