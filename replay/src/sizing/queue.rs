//! Executions that wait where they find no room, in the order they came, and instances that follow them
//!
//! At one instant executions end first, then ordered instances begin to serve, then autoscaling decides, then those that
//! wait begin, then new ones come.
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{Load, Sized, SizingError, SizingRule, WHOLE, demand::Demand};
use crate::windows::Stretch;

/// How long the load is taken together before autoscaling decides, microseconds.
const BUCKET_US: i64 = 1_000_000;
/// Passes through a window that repeats, at most, and executions in all of them, of which at least a few are made.
const PASSES_MAX: usize = 300;
const PASSES_MIN: usize = 6;
const LOADS_MAX: usize = 20_000_000;

/// The instances that serve.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instances<'a> {
    /// Always as many.
    Fixed(u64),
    /// After the load.
    Autoscaled(&'a SizingRule),
}

impl Instances<'_> {
    fn most(self) -> u64 {
        match self {
            Self::Fixed(count) => count,
            Self::Autoscaled(rule) => rule.most(),
        }
    }
}

/// Serves a stretch; adds the delays, and of autoscaled instances when they are up.
pub(super) fn serve(
    stretch: &Stretch<'_, Load>,
    instances: Instances<'_>,
    sized: &mut Sized,
) -> Result<(), SizingError> {
    let mut queue = Queue::new(instances, stretch.start_us);
    let passes = if stretch.repeats == 1 {
        for load in stretch.items() {
            queue.take(load);
        }
        queue.finish(stretch.end_us);
        vec![Pass { counted: queue.counted, times: 1 }]
    } else {
        again(stretch, instances, &mut queue)?
    };
    let all: u64 = passes.iter().map(|pass| pass.times).sum();
    let upto = |times: u64| u128::from(stretch.repeats) * u128::from(times) / u128::from(all.max(1));
    let mut passed = 0;
    for Pass { counted, times } in passes {
        let repeats = u64::try_from(upto(passed + times) - upto(passed)).unwrap_or(0);
        passed += times;
        sized.add(&counted, repeats);
    }
    Ok(())
}

/// A pass through a window, and how often it comes in a row.
struct Pass {
    counted: Counted,
    times: u64,
}

/// Passes through a window until what is under way after one is what was before it or an earlier one: from there on all
/// passes are as these, in turn.
fn again(
    stretch: &Stretch<'_, Load>,
    instances: Instances<'_>,
    queue: &mut Queue<'_>,
) -> Result<Vec<Pass>, SizingError> {
    let period_us = stretch.length_us();
    let work = stretch.items().map(|load| i128::from(load.share) * i128::from(load.length_us()));
    let overloaded = SizingError::Overloaded { instances: instances.most() };
    let room = i128::from(WHOLE).saturating_mul(i128::from(instances.most())).saturating_mul(i128::from(period_us));
    if work.sum::<i128>() > room {
        return Err(overloaded);
    }
    let loads = stretch.items().count().max(1);
    let most = (LOADS_MAX / loads).clamp(PASSES_MIN, PASSES_MAX);
    // Where a start takes longer than the window, all of several passes would wait for the first: what that calls for is
    // more than any pass needs, and it is long until it is gone. There enough are up at first.
    if let Instances::Autoscaled(rule) = instances
        && rule.start_us > period_us
    {
        let peak_shares = Demand::of(std::slice::from_ref(stretch), rule).peak_shares;
        queue.serving = rule.at_least(rule.needed(peak_shares)).min(rule.most());
        queue.wanted = VecDeque::from([(queue.now_us, queue.serving)]);
    }
    let (mut passes, mut states) = (Vec::new(), Vec::new());
    let (mut before, mut shift_us) = (queue.state(), 0);
    loop {
        queue.counted = Counted::default();
        for load in stretch.items() {
            queue.take(Load { start_us: load.start_us + shift_us, ..load });
        }
        queue.run_until(stretch.end_us + shift_us);
        queue.note_up();
        let mut counted = std::mem::take(&mut queue.counted);
        for (start_us, end_us, _) in &mut counted.up {
            (*start_us, *end_us) = (*start_us - shift_us, *end_us - shift_us);
        }
        let mut after = queue.state();
        let more = if after.without_wanted() == before.without_wanted() { queue.passes_alike(period_us) } else { 0 };
        if more > 0 {
            queue.skip(more * period_us, stretch.start_us + shift_us);
            after = queue.state();
        }
        shift_us += (1 + more) * period_us;
        states.push(before.digest());
        passes.push(Pass { counted, times: 1 + more.unsigned_abs() });
        let reached = after.digest();
        if let Some(at) = states.iter().position(|state| *state == reached) {
            return Ok(passes.split_off(at));
        }
        if passes.len() >= most {
            // Whatever it comes to: the last pass stands for all.
            let waits_longer = after.waiting.len() > before.waiting.len();
            return if waits_longer { Err(overloaded) } else { Ok(passes.split_off(most - 1)) };
        }
        before = after;
    }
}

#[derive(Debug, Default)]
struct Counted {
    delayed_count: u64,
    delay_us: i128,
    longest_delay_us: i64,
    peak_concurrency: u64,
    /// Start, end and number of instances, of autoscaled ones.
    up: Vec<(i64, i64, u64)>,
}

/// What is under way at one moment, relative to it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct State {
    waiting: Vec<Load>,
    served: Vec<(i64, u64)>,
    serving: u64,
    starting: Vec<i64>,
    wanted: Vec<(i64, u64)>,
    bucket_us: i64,
    load: i128,
}

impl Sized {
    fn add(&mut self, counted: &Counted, repeats: u64) {
        self.delayed_count += counted.delayed_count * repeats;
        self.delay_us += counted.delay_us * i128::from(repeats);
        self.longest_delay_us = self.longest_delay_us.max(counted.longest_delay_us);
        self.peak_concurrency = self.peak_concurrency.max(counted.peak_concurrency);
        for (start_us, end_us, count) in &counted.up {
            self.push_up(*start_us, *end_us, *count, repeats);
        }
    }
}

impl State {
    /// What tells states apart, and is kept instead of them: many executions may wait.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// All but what was wanted when.
    fn without_wanted(&self) -> impl PartialEq + '_ {
        let Self { waiting, served, serving, starting, wanted: _, bucket_us, load } = self;
        (waiting, served, serving, starting, bucket_us, load)
    }
}

struct Queue<'a> {
    instances: Instances<'a>,
    now_us: i64,
    /// Executions that are served: end and share.
    served: BinaryHeap<Reverse<(i64, u64)>>,
    used: i128,
    waiting: VecDeque<Load>,
    waiting_shares: i128,
    /// Instances that serve.
    serving: u64,
    /// Instances that were ordered: when they serve, ascending.
    starting: VecDeque<i64>,
    /// Since when as many are up.
    up_since_us: i64,
    /// End of the current bucket.
    bucket_us: i64,
    /// Shares × microseconds in the current bucket.
    load: i128,
    /// How many instances were wanted when, descending in both since a later larger number counts for earlier ones.
    wanted: VecDeque<(i64, u64)>,
    counted: Counted,
}

impl<'a> Queue<'a> {
    fn new(instances: Instances<'a>, now_us: i64) -> Self {
        let serving = match instances {
            Instances::Fixed(count) => count,
            Instances::Autoscaled(rule) => resting(rule),
        };
        Self {
            instances,
            now_us,
            served: BinaryHeap::new(),
            used: 0,
            waiting: VecDeque::new(),
            waiting_shares: 0,
            serving,
            starting: VecDeque::new(),
            up_since_us: now_us,
            bucket_us: now_us.saturating_add(BUCKET_US),
            load: 0,
            wanted: VecDeque::from([(now_us, serving)]),
            counted: Counted::default(),
        }
    }

    fn up(&self) -> u64 {
        self.serving + self.starting.len() as u64
    }

    /// Takes an execution; they come in order of start.
    fn take(&mut self, load: Load) {
        self.run_until(load.start_us);
        if let Instances::Autoscaled(rule) = self.instances
            && self.up() == 0
        {
            self.want(rule.at_least(1));
            self.order(rule, rule.at_least(1));
        }
        self.waiting.push_back(load);
        self.waiting_shares += i128::from(load.share);
        self.run_until(load.start_us);
    }

    /// Everything that happens until an instant, and at it.
    fn run_until(&mut self, to_us: i64) {
        loop {
            self.begin();
            let Some(next_us) = self.next_us(to_us) else { break };
            self.advance(next_us);
            while let Some(Reverse((_, share))) =
                self.served.peek().copied().filter(|Reverse((end, _))| *end <= next_us)
            {
                self.served.pop();
                self.used -= i128::from(share);
            }
            while self.starting.front().is_some_and(|ready_us| *ready_us <= next_us) {
                self.starting.pop_front();
                self.serving += 1;
            }
            if let Instances::Autoscaled(rule) = self.instances
                && self.bucket_us == next_us
            {
                self.decide(rule);
            }
        }
        self.advance(to_us);
    }

    /// When the next thing happens, if that is not after an instant.
    fn next_us(&mut self, to_us: i64) -> Option<i64> {
        let end_us = self.served.peek().map(|Reverse((end_us, _))| *end_us);
        let ready_us = self.starting.front().copied();
        let bucket_us = match self.instances {
            Instances::Fixed(_) => None,
            Instances::Autoscaled(rule) => {
                let is_at_rest = self.load == 0 && self.waiting.is_empty() && end_us.is_none() && ready_us.is_none();
                if is_at_rest && self.serving == resting(rule) && self.bucket_us < to_us {
                    // Nothing would be decided before the last of the buckets.
                    self.bucket_us += (to_us - self.bucket_us) / BUCKET_US * BUCKET_US;
                }
                Some(self.bucket_us)
            }
        };
        end_us.into_iter().chain(ready_us).chain(bucket_us).min().filter(|next_us| *next_us <= to_us)
    }

    fn advance(&mut self, to_us: i64) {
        let passed_us = to_us.saturating_sub(self.now_us);
        if passed_us > 0 {
            self.load += (self.used + self.waiting_shares) * i128::from(passed_us);
            self.counted.peak_concurrency = self.counted.peak_concurrency.max(self.served.len() as u64);
            self.now_us = to_us;
        }
    }

    /// Those that wait begin while there is room.
    fn begin(&mut self) {
        let room = i128::from(WHOLE) * i128::from(self.serving);
        while let Some(load) = self.waiting.pop_front_if(|load| self.used + i128::from(load.share) <= room) {
            self.waiting_shares -= i128::from(load.share);
            self.used += i128::from(load.share);
            self.served.push(Reverse((self.now_us.saturating_add(load.length_us()), load.share)));
            let delay_us = self.now_us - load.start_us;
            self.counted.delayed_count += u64::from(delay_us > 0);
            self.counted.delay_us += i128::from(delay_us);
            self.counted.longest_delay_us = self.counted.longest_delay_us.max(delay_us);
        }
    }

    /// A bucket is over: more instances, or fewer.
    fn decide(&mut self, rule: &SizingRule) {
        let needed = rule.needed_over(self.load, BUCKET_US);
        let wanted = if needed == 0 { resting(rule) } else { rule.at_least(needed).min(rule.most()) };
        self.load = 0;
        self.bucket_us = self.bucket_us.saturating_add(BUCKET_US);
        self.want(wanted);
        let since_us = self.now_us.saturating_sub(rule.scale_in_us);
        while self.wanted.len() > 1 && self.wanted.front().is_some_and(|(at_us, _)| *at_us <= since_us) {
            self.wanted.pop_front();
        }
        self.order(rule, wanted);
        let enough = self.wanted.front().map_or(wanted, |(_, wanted)| *wanted);
        while self.up() > enough {
            self.note_up();
            if self.starting.pop_back().is_some() {
                continue;
            }
            if self.used > i128::from(WHOLE) * i128::from(self.serving - 1) {
                break;
            }
            self.serving -= 1;
        }
    }

    /// Of passes that differ in nothing but how long ago what is wanted most was wanted: how many more there are until
    /// that is forgotten.
    fn passes_alike(&self, period_us: i64) -> i64 {
        let (Instances::Autoscaled(rule), Some((at_us, _))) = (self.instances, self.wanted.front()) else { return 0 };
        (at_us.saturating_add(rule.scale_in_us) - self.now_us - 1).div_euclid(period_us).max(0)
    }

    /// Passes over a time in which everything comes to be as it is, but what was wanted before an instant is longer ago.
    fn skip(&mut self, by_us: i64, before_us: i64) {
        self.now_us += by_us;
        self.up_since_us += by_us;
        self.bucket_us += by_us;
        self.served = self.served.drain().map(|Reverse((end_us, share))| Reverse((end_us + by_us, share))).collect();
        self.waiting.iter_mut().for_each(|load| load.start_us += by_us);
        self.starting.iter_mut().for_each(|ready_us| *ready_us += by_us);
        self.wanted.iter_mut().filter(|(at_us, _)| *at_us > before_us).for_each(|(at_us, _)| *at_us += by_us);
    }

    /// So many instances are wanted now.
    fn want(&mut self, wanted: u64) {
        while self.wanted.back().is_some_and(|(_, earlier)| *earlier <= wanted) {
            self.wanted.pop_back();
        }
        self.wanted.push_back((self.now_us, wanted));
    }

    fn order(&mut self, rule: &SizingRule, wanted: u64) {
        while self.up() < wanted {
            self.note_up();
            self.starting.push_back(self.now_us.saturating_add(rule.start_us));
        }
    }

    /// Writes down how many were up until now, before that changes or all is over.
    fn note_up(&mut self) {
        let (from_us, count) = (self.up_since_us, self.up());
        self.up_since_us = self.now_us;
        if from_us >= self.now_us || count == 0 || matches!(self.instances, Instances::Fixed(_)) {
            return;
        }
        match self.counted.up.last_mut() {
            Some((_, end_us, last)) if *end_us == from_us && *last == count => *end_us = self.now_us,
            _ => self.counted.up.push((from_us, self.now_us, count)),
        }
    }

    /// Serves until nothing waits and nothing is under way; instances are up until then, or to an instant after it.
    fn finish(&mut self, end_us: i64) {
        self.run_until(end_us);
        while !(self.served.is_empty() && self.waiting.is_empty()) {
            let Some(next_us) = self.next_us(i64::MAX) else { break };
            self.run_until(next_us);
        }
        self.note_up();
    }

    fn state(&self) -> State {
        let since = |at_us: i64| at_us - self.now_us;
        let mut served: Vec<_> = self.served.iter().map(|Reverse((end_us, share))| (since(*end_us), *share)).collect();
        served.sort_unstable();
        // Only in the scale-in delay does it matter since when the largest number is not wanted any more.
        let delay_us = match self.instances {
            Instances::Fixed(_) => 0,
            Instances::Autoscaled(rule) => rule.scale_in_us,
        };
        State {
            waiting: self.waiting.iter().map(|load| Load { start_us: since(load.start_us), ..*load }).collect(),
            served,
            serving: self.serving,
            starting: self.starting.iter().map(|ready_us| since(*ready_us)).collect(),
            wanted: self.wanted.iter().map(|(at_us, wanted)| (since(*at_us).max(-delay_us), *wanted)).collect(),
            bucket_us: since(self.bucket_us),
            load: self.load,
        }
    }
}

/// Instances that are up where nothing is asked for.
fn resting(rule: &SizingRule) -> u64 {
    if rule.minimum == 0 { 0 } else { rule.at_least(0) }
}
