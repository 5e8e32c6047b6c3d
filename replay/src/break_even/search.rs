//! The search for the places where another curve becomes the cheapest
use std::{
    borrow::Cow,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::RangeInclusive,
};

use paygrain_pricing::Exact;

use super::Interval;

/// Distance of the places that are always looked at, as a factor.
const GRID: i64 = 8;
/// The part of all evaluations that may go into gaps at whose ends the cheapest curves are equal: one in so many.
const EQUAL_PART: usize = 16;

/// A search under way: every place looked at, and what every curve cost there where that was asked.
pub(super) struct Search<F> {
    cost: F,
    evaluations: usize,
    /// Of each curve, by place.
    samples: Vec<BTreeMap<i64, Option<Exact>>>,
    /// Whether a curve was seen to fall.
    falls: Vec<bool>,
    hints: BTreeSet<i64>,
    /// The cheapest curves at each place looked at.
    places: BTreeMap<i64, Vec<usize>>,
}

/// Between what a curve lies at some places. Absent: no bound is known.
enum Bounds<'a> {
    Infeasible,
    Within(Option<Cow<'a, Exact>>, Option<Cow<'a, Exact>>),
}

/// What is known of the curves at all places of a gap.
enum Gap {
    /// These are the cheapest everywhere.
    Settled(Vec<usize>),
    /// These may be the cheapest somewhere.
    Open(Vec<usize>),
}

/// Gaps to divide, the most promising first.
#[derive(Default)]
struct Queue {
    /// Other curves are the cheapest at one end than at the other: there is a crossing.
    crossing: VecDeque<(i64, i64)>,
    /// There may be two crossings, widest first.
    same: VecDeque<(i64, i64)>,
    /// The curves in question are equal at both ends.
    equal: VecDeque<(i64, i64)>,
}

impl<E, F: FnMut(usize, i64) -> Result<Option<Exact>, E>> Search<F> {
    /// Looks at both ends, the powers of 8 and the hints, for every curve.
    pub(super) fn new(axis: RangeInclusive<i64>, curves: usize, hints: &[i64], cost: F) -> Result<Self, E> {
        let hints: BTreeSet<i64> = hints.iter().copied().filter(|hint| axis.contains(hint)).collect();
        let powers = std::iter::successors(Some(1_i64), |power| power.checked_mul(GRID));
        let mut places: BTreeSet<i64> = powers.filter(|power| axis.contains(power)).collect();
        places.extend([*axis.start(), *axis.end()]);
        places.extend(&hints);
        let mut search = Self {
            cost,
            evaluations: 0,
            samples: vec![BTreeMap::new(); curves],
            falls: vec![false; curves],
            hints,
            places: BTreeMap::new(),
        };
        for at in places {
            for curve in 0..curves {
                search.evaluate(curve, at)?;
            }
            search.look(at)?;
        }
        Ok(search)
    }

    /// Divides gaps until all are settled, or so many evaluations were made.
    pub(super) fn settle(&mut self, evaluations_max: usize) -> Result<(), E> {
        let mut equal_left = evaluations_max / EQUAL_PART;
        loop {
            // A curve that turned out to turn leaves places and gaps open that seemed settled.
            for at in self.places.keys().copied().collect::<Vec<_>>() {
                self.look(at)?;
            }
            let mut queue = Queue::default();
            for (from, to) in self.gaps() {
                self.enqueue(&mut queue, from, to);
            }
            let evaluations_before = self.evaluations;
            while let Some((from, to, equal)) = queue.next(equal_left > 0) {
                let Gap::Open(curves) = self.gap(from, to) else { continue };
                if self.evaluations + curves.len() > evaluations_max {
                    return Ok(());
                }
                let middle = middle(from, to);
                let before = self.evaluations;
                for curve in curves {
                    self.evaluate(curve, middle)?;
                }
                self.look(middle)?;
                if equal {
                    equal_left = equal_left.saturating_sub(self.evaluations - before);
                }
                self.enqueue(&mut queue, from, middle);
                self.enqueue(&mut queue, middle, to);
            }
            if self.evaluations == evaluations_before {
                return Ok(());
            }
        }
    }

    /// Asks for the cost of a curve at a place, unless it is known.
    fn evaluate(&mut self, curve: usize, at: i64) -> Result<(), E> {
        if self.samples[curve].contains_key(&at) {
            return Ok(());
        }
        let cost = (self.cost)(curve, at)?;
        self.evaluations += 1;
        let samples = &mut self.samples[curve];
        if let Some(cost) = &cost {
            let feasible = |(_, sample): (&i64, &Option<Exact>)| sample.clone();
            let before = samples.range(..at).next_back().and_then(feasible);
            let after = samples.range(at..).next().and_then(feasible);
            self.falls[curve] |=
                before.is_some_and(|before| before > *cost) || after.is_some_and(|after| after < *cost);
        }
        samples.insert(at, cost);
        Ok(())
    }

    /// Evaluates at a place every curve that may be the cheapest there, and notes which are.
    fn look(&mut self, at: i64) -> Result<(), E> {
        loop {
            match self.gap(at, at) {
                Gap::Settled(cheapest) => {
                    self.places.insert(at, cheapest);
                    return Ok(());
                }
                Gap::Open(curves) => {
                    for curve in curves {
                        self.evaluate(curve, at)?;
                    }
                }
            }
        }
    }
}

impl<F> Search<F> {
    /// Every place and every gap, by place.
    pub(super) fn pieces(&self) -> Vec<Interval> {
        let mut pieces = Vec::new();
        for ((&at, cheapest), next) in self.places.iter().zip(self.places.keys().skip(1).map(Some).chain([None])) {
            pieces.push(Interval { from: at, to: at, cheapest: cheapest.clone(), uncertain: false });
            let Some(&next) = next.filter(|&&next| has_interior(at, next)) else { continue };
            let (cheapest, uncertain) = match self.gap(at, next) {
                Gap::Settled(cheapest) => (cheapest, false),
                Gap::Open(curves) => (curves, true),
            };
            pieces.push(Interval { from: at + 1, to: next - 1, cheapest, uncertain });
        }
        pieces
    }

    /// Neighbouring places with others between them.
    fn gaps(&self) -> Vec<(i64, i64)> {
        let ends = self.places.keys().copied().zip(self.places.keys().copied().skip(1));
        ends.filter(|&(from, to)| has_interior(from, to)).collect()
    }

    fn enqueue(&self, queue: &mut Queue, from: i64, to: i64) {
        if !has_interior(from, to) {
            return;
        }
        let Gap::Open(curves) = self.gap(from, to) else { return };
        let (first, last) = (&self.places[&from], &self.places[&to]);
        let line = match () {
            () if first != last => &mut queue.crossing,
            () if *first == curves => &mut queue.equal,
            () => &mut queue.same,
        };
        line.push_back((from, to));
    }

    /// What is known of the curves from a place to another.
    fn gap(&self, from: i64, to: i64) -> Gap {
        let mut bounds = Vec::new();
        for curve in 0..self.samples.len() {
            if let Bounds::Within(low, high) = self.bounds(curve, from, to) {
                bounds.push((curve, low, high));
            }
        }
        // Some curve is feasible everywhere and costs no more than this.
        let ceiling = bounds.iter().filter_map(|(_, _, high)| high.as_ref()).min().cloned();
        if let Some(ceiling) = &ceiling {
            bounds.retain(|(_, low, _)| low.as_ref().is_none_or(|low| low <= ceiling));
        }
        let curves = bounds.iter().map(|(curve, ..)| *curve).collect();
        let equal = bounds.iter().all(|(_, low, high)| low.is_some() && low == high);
        match equal || bounds.len() == 1 && ceiling.is_some() {
            true => Gap::Settled(curves),
            false => Gap::Open(curves),
        }
    }

    /// Between what a curve lies from a place to another, by the nearest places where it was evaluated.
    fn bounds(&self, curve: usize, from: i64, to: i64) -> Bounds<'_> {
        let samples = &self.samples[curve];
        let mut before = samples.range(..=from).rev();
        let mut after = samples.range(to..);
        let (Some((left, first)), Some((right, last))) = (before.next(), after.next()) else {
            return Bounds::Within(None, None);
        };
        let (first, last) = match (first, last) {
            (None, None) => return Bounds::Infeasible,
            (Some(first), None) => {
                return Bounds::Within((!self.falls[curve]).then_some(Cow::Borrowed(first)), None);
            }
            (None, Some(_)) => return Bounds::Within(None, None),
            (Some(first), Some(last)) => (first, last),
        };
        let (low, high) = if first <= last { (first, last) } else { (last, first) };
        let beyond = |end: &i64, next: Option<(&i64, &'_ Option<Exact>)>| {
            next.filter(|_| !self.hints.contains(end)).and_then(|(_, sample)| sample.clone())
        };
        let turn = match left == right {
            true => None,
            false => turn(beyond(left, before.next()).as_ref(), first, last, beyond(right, after.next()).as_ref()),
        };
        match turn {
            None => Bounds::Within(Some(Cow::Borrowed(low)), Some(Cow::Borrowed(high))),
            Some(turn) => Bounds::Within(Some(Cow::Owned(low - &turn)), Some(Cow::Owned(high + &turn))),
        }
    }
}

impl Queue {
    /// The next gap to divide, and whether the curves in question are equal at its ends.
    fn next(&mut self, take_equal: bool) -> Option<(i64, i64, bool)> {
        if let Some((from, to)) = self.crossing.pop_front().or_else(|| self.same.pop_front()) {
            return Some((from, to, false));
        }
        let (from, to) = self.equal.pop_front().filter(|_| take_equal)?;
        Some((from, to, true))
    }
}

/// By how much a curve moved around a gap, when it shows that it both rises and falls there.
fn turn(earlier: Option<&Exact>, first: &Exact, last: &Exact, later: Option<&Exact>) -> Option<Exact> {
    let steps = [earlier.map(|earlier| (earlier, first)), Some((first, last)), later.map(|later| (last, later))];
    let shows = |order| steps.iter().flatten().any(|(one, other)| one.cmp(other) == order);
    (shows(Ordering::Less) && shows(Ordering::Greater))
        .then(|| steps.iter().flatten().map(|(one, other)| (*other - *one).abs()).max())
        .flatten()
}

fn has_interior(from: i64, to: i64) -> bool {
    from.checked_add(1).is_some_and(|next| next < to)
}

/// A place amid two others that have one between them: by their ratio while they are far apart.
fn middle(from: i64, to: i64) -> i64 {
    let (low, high) = (i128::from(from), i128::from(to));
    let middle = match from >= 0 && high > 2 * low.max(1) {
        true => (low.max(1) * high).isqrt().clamp(low + 1, high - 1),
        false => (low + high).div_euclid(2),
    };
    // Between two numbers of 64 bits.
    i64::try_from(middle).unwrap_or(from)
}
