//! All instances through time: they take executions, idle and go
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
};

pub(super) mod steps;

use super::{InstanceUse, KeepAlive, Span, SpanWindow};
use crate::windows::Stretch;

/// Passes through a window that repeats, at most; only one much shorter than its executions or tails comes near.
const PASSES_MAX: i64 = 1000;
/// Executions in all passes beyond those that it takes anyway, of which at least a few are made.
const SPANS_MAX: usize = 20_000_000;
/// Passes without a cold start after which what none of them used is taken as never used, where they are not all alike.
const WARM_PASSES: u32 = 4;
/// Longest tail, microseconds: longer than any period, and far from the end of time.
const TAIL_MAX_US: i64 = 1 << 60;

/// The pools of a workload, in order: their place is what instances know them by.
pub(super) struct Pools(Vec<u32>);

impl Pools {
    pub fn of(windows: &[SpanWindow<'_>]) -> Self {
        let mut found: Vec<u32> = Vec::new();
        for span in windows.iter().flat_map(|window| window.items) {
            if let Err(place) = found.binary_search(&span.pool) {
                found.insert(place, span.pool);
            }
        }
        Self(found)
    }

    fn place(&self, pool: u32) -> usize {
        self.0.binary_search(&pool).unwrap_or_default()
    }
}

/// Windows that come once: from nothing but the minimum until all is over.
pub(super) fn once(stretch: &Stretch<'_, Span>, rule: &KeepAlive, pools: &Pools) -> InstanceUse {
    let mut host = Host::new(rule, pools.0.len(), stretch.start_us);
    for span in stretch.items() {
        host.take_counted(pools, span, 0);
    }
    host.finish(stretch.end_us);
    host.counted
}

/// A window that repeats: its pass once the instances are after it what they were before it. Those that the first passes
/// called for, while all of them started at once, are gone by then.
pub(super) fn again(stretch: &Stretch<'_, Span>, rule: &KeepAlive, pools: &Pools) -> InstanceUse {
    let mut host = Host::new(rule, pools.0.len(), stretch.start_us);
    let period_us = stretch.length_us();
    let longest_us = stretch.items().map(|span| span.end_us.saturating_sub(span.start_us)).max().unwrap_or(0);
    let lasting = [longest_us, host.rule.start_us].map(|time_us| (time_us / period_us).min(PASSES_MAX));
    // Where executions that start cold make the next ones cold in turn it takes longer, or for ever.
    let more = (SPANS_MAX / stretch.items().count().max(1)).clamp(8, 32) as i64;
    let passes = PASSES_MAX.min(2 * lasting.iter().sum::<i64>() + more);
    let mut before = host.state();
    let mut warm_passes = 0;
    for pass in 0..passes {
        host.counted = InstanceUse::default();
        let shift_us = pass * period_us;
        for span in stretch.items() {
            host.take_counted(pools, span, shift_us);
        }
        host.settle(stretch.end_us + shift_us);
        let mut after = host.state();
        if after == before {
            break;
        }
        warm_passes = if host.counted.cold_count == 0 { warm_passes + 1 } else { 0 };
        if warm_passes == 0 || host.rule.tail_us < period_us {
            host.watch_idle();
        } else if warm_passes >= WARM_PASSES || after.busy == before.busy {
            // What every pass uses never idles for a tail; the others would go when theirs is over.
            host.let_unused_go();
            host.watch_idle();
            warm_passes = 0;
            after = host.state();
        }
        before = after;
    }
    host.counted
}

/// An instance with executions under way.
#[derive(Clone, Copy, Debug)]
struct Instance {
    pool: usize,
    in_flight: u64,
    /// When its latest execution came.
    last_start_us: i64,
    /// Number of its busy interval: the later one wins a tie.
    run: u64,
    /// When its start is over.
    ready_us: i64,
}

#[derive(Debug, Default)]
struct Pool {
    up: u64,
    /// When the last execution of each idle instance ended, ascending. Which of them is which makes no difference.
    idle: VecDeque<i64>,
    /// The fewest that idled at once while they were watched: so many of the first were not used.
    least_idle: usize,
    /// Instances with executions under way and a free place: when their latest execution came, number of the busy
    /// interval, place in [`Host::instances`].
    open: BTreeSet<(i64, u64, usize)>,
}

/// Instances up at one moment, all times relative to it: two moments with equal ones go on in the same way.
#[derive(PartialEq, Eq)]
struct State {
    /// Pool, when the latest execution came, when the start is over, when each execution ends; by pool and
    /// begin of the busy interval.
    busy: Vec<(usize, i64, i64, Vec<i64>)>,
    /// Since when the idle instances of each pool idle.
    idle: Vec<Vec<i64>>,
}

struct Host {
    rule: KeepAlive,
    concurrency: u64,
    /// Instances of a pool that stay up whatever their tail.
    minimum: u64,
    now_us: i64,
    runs: u64,
    up: u64,
    busy: u64,
    in_flight: u64,
    pools: Vec<Pool>,
    /// Busy instances, and places for more.
    instances: Vec<Instance>,
    free: Vec<usize>,
    /// When executions under way end, and the instance of each.
    ends: BinaryHeap<Reverse<(i64, usize)>>,
    /// Since when instances idle, and their pool, by time; some have been used again since.
    idling: VecDeque<(i64, usize)>,
    counted: InstanceUse,
}

impl Host {
    fn new(rule: &KeepAlive, pools: usize, now_us: i64) -> Self {
        let pool = || Pool {
            up: rule.minimum,
            idle: (0..rule.minimum).map(|_| i64::MIN).collect(),
            least_idle: 0,
            open: BTreeSet::new(),
        };
        Self {
            rule: KeepAlive { tail_us: rule.tail_us.clamp(0, TAIL_MAX_US), start_us: rule.start_us.max(0), ..*rule },
            concurrency: rule.concurrency.max(1),
            minimum: rule.minimum,
            now_us,
            runs: 0,
            up: rule.minimum * pools as u64,
            busy: 0,
            in_flight: 0,
            pools: (0..pools).map(|_| pool()).collect(),
            instances: Vec::new(),
            free: Vec::new(),
            ends: BinaryHeap::new(),
            idling: VecDeque::new(),
            counted: InstanceUse::default(),
        }
    }

    /// Takes an execution and notes whether it found no instance.
    fn take_counted(&mut self, pools: &Pools, span: Span, shift_us: i64) {
        let before = self.counted.cold_count;
        self.take(pools.place(span.pool), span.start_us + shift_us, span.end_us + shift_us);
        if self.counted.cold_count > before {
            self.counted.cold.push((span, 1));
        }
    }

    /// Takes an execution; they come in order of start.
    fn take(&mut self, pool: usize, start_us: i64, end_us: i64) {
        self.settle(start_us);
        self.counted.run_count += 1;
        if self.rule.limit.is_some_and(|limit| self.in_flight >= limit) {
            self.counted.throttled_count += 1;
            return;
        }
        let place = self.route(pool);
        let Some(instance) = self.instances.get_mut(place) else { return };
        instance.in_flight += 1;
        instance.last_start_us = start_us;
        if instance.in_flight < self.concurrency {
            self.pools[pool].open.insert((start_us, instance.run, place));
        }
        let wait_us = instance.ready_us.saturating_sub(start_us).max(0);
        self.counted.waited_count += u64::from(wait_us > 0);
        self.counted.wait_us += i128::from(wait_us);
        self.in_flight += 1;
        self.ends.push(Reverse((end_us.max(start_us).saturating_add(wait_us), place)));
    }

    /// The busy instance for an execution that comes now.
    fn route(&mut self, pool: usize) -> usize {
        let of = &mut self.pools[pool];
        if let Some((_, _, place)) = of.open.pop_last() {
            return place;
        }
        let mut ready_us = self.now_us;
        let is_cold = of.idle.pop_back().is_none();
        of.least_idle = of.least_idle.min(of.idle.len());
        if is_cold {
            of.up += 1;
            self.up += 1;
            self.counted.cold_count += 1;
            ready_us = ready_us.saturating_add(self.rule.start_us);
        }
        self.busy += 1;
        self.runs += 1;
        let instance = Instance { pool, in_flight: 0, last_start_us: self.now_us, run: self.runs, ready_us };
        match self.free.pop() {
            Some(place) => {
                self.instances[place] = instance;
                place
            }
            None => {
                self.instances.push(instance);
                self.instances.len() - 1
            }
        }
    }

    /// Everything that happens until an instant, at the instant the ends of executions too.
    fn settle(&mut self, now_us: i64) {
        loop {
            let end = self.ends.peek().map(|Reverse((end_us, _))| *end_us).filter(|end_us| *end_us <= now_us);
            let gone = self.idling.front().map(|(since_us, _)| since_us.saturating_add(self.rule.tail_us));
            let gone = gone.filter(|gone_us| *gone_us < now_us);
            match (end, gone) {
                (_, Some(gone_us)) if end.is_none_or(|end_us| gone_us < end_us) => {
                    self.advance(gone_us);
                    self.expire();
                }
                (Some(end_us), _) => {
                    self.advance(end_us);
                    self.end_one();
                }
                _ => break,
            }
        }
        self.advance(now_us);
    }

    fn advance(&mut self, to_us: i64) {
        if to_us <= self.now_us {
            return;
        }
        let counted = &mut self.counted;
        let passed_us = i128::from(to_us) - i128::from(self.now_us);
        counted.busy_us += i128::from(self.busy) * passed_us;
        counted.idle_us += i128::from(self.up - self.busy) * passed_us;
        counted.peak_instances = counted.peak_instances.max(self.up);
        counted.peak_concurrency = counted.peak_concurrency.max(self.in_flight);
        self.now_us = to_us;
    }

    fn end_one(&mut self) {
        let Some(Reverse((end_us, place))) = self.ends.pop() else { return };
        self.in_flight -= 1;
        let instance = &mut self.instances[place];
        let pool = &mut self.pools[instance.pool];
        let was_full = instance.in_flight >= self.concurrency;
        let open = (instance.last_start_us, instance.run, place);
        instance.in_flight -= 1;
        if instance.in_flight == 0 {
            if !was_full {
                pool.open.remove(&open);
            }
            self.busy -= 1;
            self.free.push(place);
            pool.idle.push_back(end_us);
            self.idling.push_back((end_us, instance.pool));
        } else if was_full {
            pool.open.insert(open);
        }
    }

    /// The tail of the instance that idles longest is over.
    fn expire(&mut self) {
        let Some((since_us, pool)) = self.idling.pop_front() else { return };
        let pool = &mut self.pools[pool];
        // Where the minimum keeps it, it stays until it is used: no instance starts before that.
        if pool.up > self.minimum && pool.idle.front() == Some(&since_us) {
            pool.idle.pop_front();
            pool.least_idle = pool.least_idle.min(pool.idle.len());
            pool.up -= 1;
            self.up -= 1;
        }
    }

    /// Watches from now on which instances are used.
    fn watch_idle(&mut self) {
        for pool in &mut self.pools {
            pool.least_idle = pool.idle.len();
        }
    }

    /// Instances that were not used while they were watched go, as far as no minimum keeps them.
    fn let_unused_go(&mut self) {
        for pool in &mut self.pools {
            let unused = (pool.least_idle.min(pool.idle.len()) as u64).min(pool.up - self.minimum);
            for _ in 0..unused {
                pool.idle.pop_front();
            }
            pool.up -= unused;
            self.up -= unused;
        }
    }

    /// Lets every execution end and every tail run out; the minimum is up until an instant.
    fn finish(&mut self, end_us: i64) {
        self.settle(end_us);
        self.minimum = 0;
        for pool in &mut self.pools {
            while pool.idle.front().is_some_and(|since_us| since_us.saturating_add(self.rule.tail_us) <= end_us) {
                pool.idle.pop_front();
                pool.up -= 1;
                self.up -= 1;
            }
        }
        while !(self.ends.is_empty() && self.idling.is_empty()) {
            let end_us = self.ends.peek().map(|Reverse((end_us, _))| *end_us);
            let gone_us = self.idling.front().map(|(since_us, _)| since_us.saturating_add(self.rule.tail_us));
            let next_us = end_us.into_iter().chain(gone_us).min().unwrap_or(self.now_us);
            self.settle(next_us.saturating_add(1));
        }
    }

    /// What is up now.
    fn state(&self) -> State {
        let since = |at_us: i64| at_us.saturating_sub(self.now_us);
        // Those that only the minimum keeps are all alike.
        let tail_us = self.rule.tail_us;
        let idle =
            |pool: &Pool| pool.idle.iter().map(|at_us| since(*at_us).max((-1_i64).saturating_sub(tail_us))).collect();
        let mut ends: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
        for Reverse((end_us, place)) in &self.ends {
            ends.entry(*place).or_default().push(since(*end_us));
        }
        let mut busy: Vec<(Instance, Vec<i64>)> =
            ends.into_iter().map(|(place, ends)| (self.instances[place], ends)).collect();
        // The order in which busy intervals began decides ties to come.
        busy.sort_unstable_by_key(|(one, _)| (one.pool, one.run));
        let of = |(one, mut ends): (Instance, Vec<i64>)| {
            ends.sort_unstable();
            (one.pool, since(one.last_start_us), since(one.ready_us).max(0), ends)
        };
        State { busy: busy.into_iter().map(of).collect(), idle: self.pools.iter().map(idle).collect() }
    }
}
