//! From arrivals to executions: durations are drawn, and functions call functions
use std::ops::Range;

use paygrain_pricing::Period;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{
    arrivals::{Arrival, Arrivals, length_us, share},
    durations::Durations,
    workload::{Function, Run},
};

/// A description that has been checked.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub title: String,
    pub period: Period,
    /// In the order of the file.
    pub functions: Vec<Planned>,
    /// Places of all functions, callers before those they call.
    pub order: Vec<usize>,
}

/// A function, when it runs, and what it calls.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub function: Function,
    pub durations: Durations,
    /// Absent: it is called.
    pub arrivals: Option<Arrivals>,
    pub calls: Vec<Call>,
}

/// That a function calls another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Place of the one that is called.
    pub function: usize,
    /// Calls of each run.
    pub each: u64,
    /// And so many more of so many runs: `(1, 10)` for one call of ten runs.
    pub more: (u64, u64),
    /// Whether the caller waits.
    pub waits: bool,
}

/// Calls beyond those that each run makes: place of the caller, of the call in its list, and how many.
pub(super) type More = (usize, usize, u64);

impl Plan {
    /// Executions of each function by what arrives of each, and the calls that only some runs make, after so many
    /// executions of each function: one call of ten runs is one call however they are cut.
    pub fn totals(&self, arriving: impl Fn(usize) -> u64, before: &[u64]) -> (Vec<u64>, Vec<More>) {
        let mut totals: Vec<u64> = (0..self.functions.len()).map(arriving).collect();
        let mut more = Vec::new();
        for caller in &self.order {
            for (place, call) in self.functions[*caller].calls.iter().enumerate() {
                let upto = |count: u64| share(count, call.more.0.into(), call.more.1.into());
                let earlier = before.get(*caller).copied().unwrap_or(0);
                let of_some = upto(earlier.saturating_add(totals[*caller])) - upto(earlier);
                let called = totals[*caller].saturating_mul(call.each).saturating_add(of_some);
                totals[call.function] = totals[call.function].saturating_add(called);
                more.extend((of_some > 0).then_some((*caller, place, of_some)));
            }
        }
        (totals, more)
    }

    /// A generator for each function: what one draws does not depend on another.
    pub fn generators(&self, seed: u64) -> Vec<ChaCha8Rng> {
        let generator = |function: u64| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(function);
            random
        };
        (0..self.functions.len() as u64).map(generator).collect()
    }

    /// The executions of a window, by start: what arrives of each function, and what that calls. What would start after
    /// the end of the window starts as long after its beginning.
    pub fn runs(
        &self,
        window: &Range<i64>,
        arriving: &[Vec<Arrival>],
        more: &[More],
        random: &mut [ChaCha8Rng],
    ) -> Vec<Run> {
        let mut totals: Vec<u64> = arriving.iter().map(|own| own.len() as u64).collect();
        totals.resize(self.functions.len(), 0);
        for caller in &self.order {
            for (place, call) in self.functions[*caller].calls.iter().enumerate() {
                totals[call.function] += totals[*caller] * call.each + of_some(more, *caller, place);
            }
        }
        let drawn = |(function, random): (usize, &mut ChaCha8Rng)| {
            let count = usize::try_from(totals[function]).unwrap_or(0);
            self.functions[function].durations.draw(count, random)
        };
        let durations = random.iter_mut().enumerate().map(drawn).collect();
        let capacity = usize::try_from(totals.iter().sum::<u64>()).unwrap_or(0);
        let mut work = Expansion {
            plan: self,
            more,
            totals,
            seen: vec![0; self.functions.len()],
            durations,
            runs: Vec::with_capacity(capacity),
        };
        for (function, arrivals) in arriving.iter().enumerate() {
            for arrival in arrivals {
                work.execute(function, arrival.start_us, arrival.duration_us);
            }
        }
        let mut runs = work.runs;
        let length_us = i64::try_from(length_us(window)).unwrap_or(i64::MAX).max(1);
        for run in &mut runs {
            run.start_us = window.start + (run.start_us - window.start).rem_euclid(length_us);
        }
        runs.sort_unstable();
        runs
    }
}

fn of_some(more: &[More], caller: usize, place: usize) -> u64 {
    more.iter().filter(|(one, other, _)| (*one, *other) == (caller, place)).map(|(.., count)| count).sum()
}

/// Executions in the making.
struct Expansion<'p> {
    plan: &'p Plan,
    more: &'p [More],
    /// Executions of each function, in all and so far.
    totals: Vec<u64>,
    seen: Vec<u64>,
    durations: Vec<Vec<i64>>,
    runs: Vec<Run>,
}

impl Expansion<'_> {
    /// Executes a function and what it calls: functions it waits for one after the other once its own work is done,
    /// others when it ends. Gives its end.
    fn execute(&mut self, function: usize, start_us: i64, duration_us: Option<i64>) -> i64 {
        let plan = self.plan;
        let number = self.seen[function];
        self.seen[function] += 1;
        let drawn_us = self.durations[function].pop().unwrap_or(1);
        let mut end_us = start_us.saturating_add(duration_us.unwrap_or(drawn_us));
        let times = |this: &Self, place: usize, call: &Call| {
            let some = of_some(this.more, function, place);
            let upto = |number: u64| share(some, number.into(), this.totals[function].into());
            call.each + upto(number + 1) - upto(number)
        };
        let calls = &plan.functions[function].calls;
        for (place, call) in calls.iter().enumerate().filter(|(_, call)| call.waits) {
            for _ in 0..times(self, place, call) {
                end_us = self.execute(call.function, end_us, None);
            }
        }
        let run = Run {
            start_us,
            duration_us: end_us.saturating_sub(start_us),
            function: u32::try_from(function).unwrap_or(u32::MAX),
        };
        self.runs.push(run);
        for (place, call) in calls.iter().enumerate().filter(|(_, call)| !call.waits) {
            for _ in 0..times(self, place, call) {
                self.execute(call.function, end_us, None);
            }
        }
        end_us
    }
}
