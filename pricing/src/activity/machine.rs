//! The instances of one pool through time: who takes a request, and from when to when each instance is busy and up
//!
//! - A request goes to the instance with a free place that was used last: among those with requests in flight the one
//!   that got the latest, then among those without the one whose last request ended latest (at equal times the one whose
//!   busy interval began last); instances whose busy interval is still charged come before idle ones. When no instance that is up has a free place, a new one starts.
//! - A busy interval lasts from the first request to the end of the last that overlaps or touches it, and is lengthened
//!   at its end to the minimum and to a whole number of steps. A request that arrives while the lengthened interval
//!   still runs continues it: an instance is never charged twice for one moment, and never for more time than passes.
//! - An instance is up until its tail after the last request is over, at least until its busy interval is. An interval
//!   of no length is none.
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use super::Timing;

/// What an instance does in an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IntervalKind {
    /// At least one request is in flight, or the minimum, the step or a tail charged as busy still runs.
    Busy,
    /// Up without a request.
    Idle,
}

/// A time one instance is busy or idle, UTC microseconds, half open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// First instant.
    pub start_us: i64,
    /// End, exclusive; after the start.
    pub end_us: i64,
    /// What the instance does.
    pub kind: IntervalKind,
    /// Number of the instance in its machine, from 0 in the order they start.
    pub instance: u64,
}

/// An instance in its busy interval, or idle after it.
#[derive(Debug)]
struct Instance {
    /// Its number in the machine.
    number: u64,
    /// Start of the busy interval.
    busy_from_us: i64,
    /// Start of the latest request.
    last_start_us: i64,
    /// End of the request that ends last, of those that have ended.
    last_end_us: i64,
    /// End of the busy interval, once no request is in flight.
    busy_until_us: i64,
    in_flight: u64,
}

/// The instances of one pool, fed with requests in order of their start.
#[derive(Debug)]
pub struct Machine {
    timing: Timing,
    /// Requests one instance takes at once.
    concurrency: u64,
    /// Instances started so far.
    started: u64,
    /// Busy intervals begun so far. Instances go by the number of their latest one: which it is does not depend on the
    /// tail, so neither does who wins a tie.
    runs: u64,
    instances: BTreeMap<u64, Instance>,
    /// Requests in flight: when each ends, and in which run.
    ends: BinaryHeap<Reverse<(i64, u64)>>,
    /// Runs with requests in flight and a free place, by their latest start.
    open: BTreeSet<(i64, u64)>,
    /// Runs without requests that are still charged, by their last end.
    lingering: BTreeSet<(i64, u64)>,
    /// The same, by the end of the busy interval.
    closing: BTreeSet<(i64, u64)>,
    /// Runs that are over, of instances that are idle, by their last end.
    idle: BTreeSet<(i64, u64)>,
}

impl Machine {
    /// A machine in which nothing is up; `concurrency` absent: an instance takes any number of requests at once.
    pub fn new(timing: Timing, concurrency: Option<u64>) -> Self {
        Self {
            timing: Timing { step_us: timing.step_us.max(1), ..timing },
            concurrency: concurrency.unwrap_or(u64::MAX).max(1),
            started: 0,
            runs: 0,
            instances: BTreeMap::new(),
            ends: BinaryHeap::new(),
            open: BTreeSet::new(),
            lingering: BTreeSet::new(),
            closing: BTreeSet::new(),
            idle: BTreeSet::new(),
        }
    }

    /// Takes a request from `start_us` to `end_us`. Requests come in order of start, at equal starts in order of end: then
    /// the intervals do not depend on the order in which they were read. `give` gets every interval that is over.
    pub fn add(&mut self, start_us: i64, end_us: i64, give: &mut dyn FnMut(Interval)) {
        self.advance(start_us, give);
        let run = self.route(start_us, give);
        if let Some(instance) = self.instances.get_mut(&run) {
            instance.in_flight += 1;
            instance.last_start_us = start_us;
            if instance.in_flight < self.concurrency {
                self.open.insert((start_us, run));
            }
        }
        self.ends.push(Reverse((end_us.max(start_us), run)));
    }

    /// Everything that is over before an instant.
    fn advance(&mut self, now_us: i64, give: &mut dyn FnMut(Interval)) {
        while let Some(Reverse((end_us, run))) = self.ends.peek().copied().filter(|Reverse((end, _))| *end <= now_us) {
            self.ends.pop();
            self.end_request(run, end_us);
        }
        while let Some((until_us, run)) = self.closing.first().copied().filter(|(until_us, _)| *until_us < now_us) {
            self.closing.pop_first();
            let Some(instance) = self.instances.get(&run) else { continue };
            self.lingering.remove(&(instance.last_end_us, run));
            push(give, instance.busy_from_us, until_us, IntervalKind::Busy, instance.number);
            match self.up_until_us(instance) > until_us {
                true => drop(self.idle.insert((instance.last_end_us, run))),
                false => drop(self.instances.remove(&run)),
            }
        }
        let tail_us = self.timing.tail_us;
        let is_over = |last_end_us: i64| last_end_us.saturating_add(tail_us) < now_us;
        while let Some((_, run)) = self.idle.first().copied().filter(|(last_end_us, _)| is_over(*last_end_us)) {
            self.idle.pop_first();
            if let Some(instance) = self.instances.remove(&run) {
                push(give, instance.busy_until_us, self.up_until_us(&instance), IntervalKind::Idle, instance.number);
            }
        }
    }

    /// Lets every request end and every tail run out.
    pub fn finish(mut self, give: &mut dyn FnMut(Interval)) {
        self.advance(i64::MAX, give);
    }

    /// The end of an instance's tail; of one whose tail is charged as busy, its busy interval tells.
    fn up_until_us(&self, instance: &Instance) -> i64 {
        match self.timing.tail_is_busy {
            true => instance.busy_until_us,
            false => instance.last_end_us.saturating_add(self.timing.tail_us),
        }
    }

    fn end_request(&mut self, run: u64, end_us: i64) {
        let Some(instance) = self.instances.get_mut(&run) else { return };
        self.open.remove(&(instance.last_start_us, run));
        instance.in_flight -= 1;
        instance.last_end_us = end_us;
        if instance.in_flight > 0 {
            self.open.insert((instance.last_start_us, run));
            return;
        }
        let Timing { tail_us, minimum_us, step_us, tail_is_busy } = self.timing;
        let hold_us = if tail_is_busy { tail_us } else { 0 };
        let length_us = end_us.saturating_add(hold_us).saturating_sub(instance.busy_from_us).max(minimum_us);
        let excess_us = length_us % step_us;
        let rounded_us = if excess_us == 0 { length_us } else { length_us.saturating_add(step_us - excess_us) };
        instance.busy_until_us = instance.busy_from_us.saturating_add(rounded_us);
        self.lingering.insert((end_us, run));
        self.closing.insert((instance.busy_until_us, run));
    }

    /// The run for a request that arrives now, taken out of the sets it was in; perhaps a new one.
    fn route(&mut self, now_us: i64, give: &mut dyn FnMut(Interval)) -> u64 {
        if let Some((_, run)) = self.open.pop_last() {
            return run;
        }
        if let Some((_, run)) = self.lingering.pop_last() {
            if let Some(instance) = self.instances.get(&run) {
                self.closing.remove(&(instance.busy_until_us, run));
            }
            return run;
        }
        let idle = self.idle.pop_last().and_then(|(_, run)| self.instances.remove(&run));
        let number = match idle {
            Some(instance) => {
                push(give, instance.busy_until_us, now_us, IntervalKind::Idle, instance.number);
                instance.number
            }
            None => {
                self.started += 1;
                self.started - 1
            }
        };
        let run = self.runs;
        self.runs += 1;
        let instance = Instance {
            number,
            busy_from_us: now_us,
            last_start_us: now_us,
            last_end_us: now_us,
            busy_until_us: now_us,
            in_flight: 0,
        };
        self.instances.insert(run, instance);
        run
    }
}

fn push(give: &mut dyn FnMut(Interval), start_us: i64, end_us: i64, kind: IntervalKind, instance: u64) {
    if start_us < end_us {
        give(Interval { start_us, end_us, kind, instance });
    }
}

/// The intervals of requests given in any order as start and end, by start and instance.
pub fn intervals(timing: Timing, concurrency: Option<u64>, requests: &[(i64, i64)]) -> Vec<Interval> {
    let mut requests: Vec<(i64, i64)> = requests.iter().map(|(start, end)| (*start, *end.max(start))).collect();
    requests.sort_unstable();
    let mut found = Vec::new();
    let mut machine = Machine::new(timing, concurrency);
    for (start_us, end_us) in requests {
        machine.add(start_us, end_us, &mut |interval| found.push(interval));
    }
    machine.finish(&mut |interval| found.push(interval));
    found.sort_unstable();
    found
}
