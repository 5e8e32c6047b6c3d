//! When executions start: at instants that are known, or by a rate that is spread in one of four ways
//!
//! A stretch of time is cut into pieces, each piece gets its batches (how many arrive at once, and how often), and each
//! batch is placed. What is counted is exact: pieces of any length together have every execution of the rate once.
use std::ops::Range;

use paygrain_pricing::period::{DAY_US, HOUR_US};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};

#[cfg(test)]
mod tests;

/// Hours of a day.
const HOURS: usize = 24;
/// What the weights of hours are multiples of, of the weight of the mean hour.
const WEIGHT: f64 = 1_000_000.0;

/// When a function is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrivals {
    /// From and to (exclusive), UTC microseconds; not empty.
    pub range: Range<i64>,
    /// What arrives in it.
    pub source: Source,
}

/// What executions are given by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Instants, ascending.
    At(Vec<At>),
    /// So many, spread.
    Rate {
        /// Executions of the range; of `Poisson` the number that is expected.
        count: u64,
        /// How they are spread.
        pattern: Pattern,
    },
}

/// Executions at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    /// The instant, UTC microseconds.
    pub at_us: i64,
    /// How many.
    pub count: u64,
    /// How long each takes; absent: as long as the function does.
    pub duration_us: Option<i64>,
}

/// How executions are spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Equally far apart.
    Steady,
    /// At random, independently of each other.
    Poisson,
    /// By hour of the day (UTC), with the weight of each hour; at random within an hour.
    Diurnal(Box<[u64; HOURS]>),
    /// So many at once, equally far apart.
    Burst(u64),
}

/// What arrives in a piece of time: `count` times `size` executions at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Batch {
    /// Executions that arrive at once; at least 1.
    pub size: u64,
    /// Their duration, microseconds; absent: that of the function.
    pub duration_us: Option<i64>,
    /// Whether they come at random rather than equally far apart.
    pub random: bool,
    /// How often.
    pub count: u64,
}

/// An execution that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrival {
    /// Start, UTC microseconds.
    pub start_us: i64,
    /// Duration, microseconds; absent: that of the function.
    pub duration_us: Option<i64>,
}

impl Pattern {
    /// More by day than by night: the busiest hour (UTC, 0 to 23) has so many times the executions of the mean hour, 1 to 24 times.
    /// Up to 2 it is a sinusoid, above that a power of one, so that the night keeps less.
    pub fn diurnal(peak_factor: f64, peak_hour: usize) -> Self {
        let wave = |hour: usize| {
            let hours = hour as f64 - peak_hour as f64;
            (hours / HOURS as f64 * std::f64::consts::TAU).cos()
        };
        let power = |exponent: f64| -> [f64; HOURS] { std::array::from_fn(|h| ((1.0 + wave(h)) / 2.0).powf(exponent)) };
        let factor = |weights: &[f64; HOURS]| HOURS as f64 / weights.iter().sum::<f64>();
        let weights = if peak_factor <= 2.0 {
            std::array::from_fn(|hour| 1.0 + (peak_factor - 1.0) * wave(hour))
        } else {
            // The factor grows with the exponent: halved until it is met.
            let (mut low, mut high) = (1.0, 4096.0);
            for _ in 0..100 {
                let middle = (low + high) / 2.0;
                if factor(&power(middle)) < peak_factor { low = middle } else { high = middle }
            }
            power(high)
        };
        let sum: f64 = weights.iter().sum();
        Self::Diurnal(Box::new(weights.map(|weight| (weight * HOURS as f64 / sum * WEIGHT).round() as u64)))
    }

    /// How much of the executions a piece of time gets, in proportion to others.
    fn weight(&self, piece: &Range<i64>) -> u128 {
        let Self::Diurnal(weights) = self else { return length_us(piece).into() };
        let mut weight = 0;
        let mut at_us = piece.start;
        while at_us < piece.end {
            let next_us = ((at_us.div_euclid(HOUR_US) + 1) * HOUR_US).min(piece.end);
            weight += u128::from(length_us(&(at_us..next_us))) * u128::from(weights[hour_of_day(at_us)]);
            at_us = next_us;
        }
        weight
    }
}

impl Arrivals {
    /// Executions, or those that are expected.
    pub fn count(&self) -> u64 {
        match &self.source {
            Source::At(instants) => instants.iter().map(|at| at.count).sum(),
            Source::Rate { count, .. } => *count,
        }
    }

    /// Whether it matters which hour of the day it is.
    pub fn is_by_hour(&self) -> bool {
        matches!(&self.source, Source::At(_) | Source::Rate { pattern: Pattern::Diurnal(_), .. })
    }

    /// All of them, one by one, by time.
    pub fn all(&self, random: &mut ChaCha8Rng) -> Vec<Arrival> {
        let (pattern, count) = match &self.source {
            Source::At(instants) => return of_instants(instants),
            Source::Rate { pattern, count } => (pattern, *count),
        };
        if let Pattern::Burst(size) = pattern {
            let size = (*size).max(1);
            let bursts = batch(1, count.div_ceil(size), false).place(&self.range, random);
            let of_each = bursts.into_iter().flat_map(|burst| (0..size).map(move |_| burst));
            return of_each.take(usize::try_from(count).unwrap_or(usize::MAX)).collect();
        }
        let pieces = match pattern {
            Pattern::Diurnal(_) => hours(&self.range),
            _ => vec![self.range.clone()],
        };
        let batches = self.batches(&pieces, random);
        let mut all = Vec::new();
        for (piece, batches) in pieces.iter().zip(batches) {
            for batch in batches {
                all.extend(batch.place(piece, random));
            }
        }
        all.sort_unstable();
        all
    }

    /// What arrives in each of some pieces of time; the pieces come by time, do not overlap, and cover the range.
    pub fn batches(&self, pieces: &[Range<i64>], random: &mut ChaCha8Rng) -> Vec<Vec<Batch>> {
        match &self.source {
            Source::At(instants) => {
                let mut left = instants.as_slice();
                pieces.iter().map(|piece| batches_at(&mut left, piece)).collect()
            }
            Source::Rate { count, pattern: Pattern::Burst(size) } => {
                let size = (*size).max(1);
                let mut batches =
                    self.spread(pieces, count / size, &Pattern::Steady, |count| batch(size, count, false));
                // What is left makes a smaller burst, the last.
                let last = pieces.iter().rposition(|piece| length_us(&overlap(piece, &self.range)) > 0);
                if let (Some(last), true) = (last, count % size > 0) {
                    batches[last].push(batch(count % size, 1, false));
                }
                batches
            }
            Source::Rate { count, pattern: Pattern::Poisson } => {
                let drawn = poisson(*count as f64, random);
                let mut at =
                    pieces.iter().map(|piece| (length_us(&overlap(piece, &self.range)), 0)).collect::<Vec<_>>();
                spread_at_random(&mut at, drawn, random);
                at.into_iter().map(|(_, count)| Vec::from_iter((count > 0).then(|| batch(1, count, true)))).collect()
            }
            Source::Rate { count, pattern } => {
                let random = matches!(pattern, Pattern::Diurnal(_));
                self.spread(pieces, *count, pattern, |count| batch(1, count, random))
            }
        }
    }

    /// So many over pieces of time, each of them once.
    fn spread(
        &self,
        pieces: &[Range<i64>],
        count: u64,
        pattern: &Pattern,
        batch: impl Fn(u64) -> Batch,
    ) -> Vec<Vec<Batch>> {
        let weights: Vec<u128> = pieces.iter().map(|piece| pattern.weight(&overlap(piece, &self.range))).collect();
        let total: u128 = weights.iter().sum();
        let (mut seen, mut given) = (0, 0);
        let of = |weight: u128| {
            seen += weight;
            let upto = share(count, seen, total);
            let own = upto - given;
            given = upto;
            Vec::from_iter((own > 0).then(|| batch(own)))
        };
        weights.into_iter().map(of).collect()
    }
}

impl Batch {
    /// Executions.
    pub fn run_count(&self) -> u64 {
        self.size * self.count
    }

    /// When they arrive in a piece of time.
    pub fn place(&self, piece: &Range<i64>, random: &mut ChaCha8Rng) -> Vec<Arrival> {
        let length_us = length_us(piece);
        let mut arrivals = Vec::new();
        for number in 0..self.count {
            let into_us = match self.random {
                true => random.random_range(0..length_us.max(1)),
                false => share(length_us, number.into(), self.count.into()),
            };
            let start_us = piece.start.saturating_add_unsigned(into_us);
            arrivals.extend((0..self.size).map(|_| Arrival { start_us, duration_us: self.duration_us }));
        }
        arrivals
    }
}

fn of_instants(instants: &[At]) -> Vec<Arrival> {
    let arrivals = |at: &At| {
        let arrival = Arrival { start_us: at.at_us, duration_us: at.duration_us };
        (0..at.count).map(move |_| arrival)
    };
    instants.iter().flat_map(arrivals).collect()
}

fn batch(size: u64, count: u64, random: bool) -> Batch {
    Batch { size, duration_us: None, random, count }
}

/// Takes the instants of a piece from the front, those of the same kind together.
fn batches_at(left: &mut &[At], piece: &Range<i64>) -> Vec<Batch> {
    let (own, rest) = left.split_at(left.partition_point(|at| at.at_us < piece.end));
    *left = rest;
    let mut batches: Vec<Batch> =
        own.iter().map(|at| Batch { size: at.count, duration_us: at.duration_us, random: false, count: 1 }).collect();
    merge(&mut batches);
    batches
}

/// Puts batches of the same kind together.
pub(crate) fn merge(batches: &mut Vec<Batch>) {
    batches.sort_unstable();
    batches.dedup_by(|next, kept| {
        let alike = (next.size, next.duration_us, next.random) == (kept.size, kept.duration_us, kept.random);
        if alike {
            kept.count += next.count;
        }
        alike
    });
}

/// The hours a stretch of time touches, the first and the last cut where it begins and ends.
pub(crate) fn hours(range: &Range<i64>) -> Vec<Range<i64>> {
    let (first, end) = (range.start.div_euclid(HOUR_US), range.end.div_euclid(HOUR_US) + 1);
    let hour = |hour: i64| (hour * HOUR_US).max(range.start)..((hour + 1) * HOUR_US).min(range.end);
    (first..end).map(hour).filter(|piece| piece.start < piece.end).collect()
}

/// Which hour of the day (UTC) an instant is in, 0 to 23.
pub(crate) fn hour_of_day(at_us: i64) -> usize {
    usize::try_from(at_us.rem_euclid(DAY_US) / HOUR_US).unwrap_or(0) % HOURS
}

/// Microseconds of a stretch of time.
pub(crate) fn length_us(range: &Range<i64>) -> u64 {
    u64::try_from(range.end.saturating_sub(range.start)).unwrap_or(0)
}

pub(crate) fn overlap(one: &Range<i64>, other: &Range<i64>) -> Range<i64> {
    one.start.max(other.start)..one.end.min(other.end)
}

/// `whole × part ÷ of`, rounded down; 0 of nothing.
pub(crate) fn share(whole: u64, part: u128, of: u128) -> u64 {
    match of {
        0 => 0,
        // Weights of a month are below 2^62 and counts below 2^47: their product fits.
        of => u64::try_from(u128::from(whole).saturating_mul(part) / of).unwrap_or(u64::MAX),
    }
}

/// A number of events of which so many are expected.
fn poisson(mean: f64, random: &mut ChaCha8Rng) -> u64 {
    Poisson::new(mean).map_or(0, |distribution| distribution.sample(random) as u64)
}

/// Gives each of so many events to one of some pieces (length, events) at random: halves them until one piece is left.
fn spread_at_random(pieces: &mut [(u64, u64)], count: u64, random: &mut ChaCha8Rng) {
    match pieces {
        [] => {}
        [only] => only.1 = count,
        more => {
            let (left, right) = more.split_at_mut(more.len() / 2);
            let length = |pieces: &[(u64, u64)]| pieces.iter().map(|(length, _)| *length as f64).sum::<f64>();
            let share = length(left) / (length(left) + length(right)).max(1.0);
            let of_left = rand_distr::Binomial::new(count, share).map_or(0, |left| left.sample(random)).min(count);
            spread_at_random(left, of_left, random);
            spread_at_random(right, count - of_left, random);
        }
    }
}
