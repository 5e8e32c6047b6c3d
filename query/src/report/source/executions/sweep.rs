//! How many intervals are open at once: one pass over them in order of their starts.
//!
//! An interval is half open: one that ends when another starts is not open with it, and one of no length is never open.
//! Memory is what is open at once, not what there is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use paygrain_pricing::period::HOUR_US;

/// What was open in one hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HourLoad {
    /// Most intervals open at one moment, those open since before the hour included.
    pub peak: u64,
    /// Time with at least one open, in microseconds.
    pub busy_us: i64,
    /// Sum of the time of all that were open, in microseconds.
    pub open_us: i128,
}

/// The hours in which anything was open, by their start, and the highest peak with the moment when it was first reached.
pub(crate) type Swept = (BTreeMap<i64, HourLoad>, Option<(u64, i64)>);

/// A sweep over intervals between two instants.
pub(crate) struct Sweep {
    from_us: i64,
    to_us: i64,
    now_us: i64,
    /// Ends of what is open.
    ends: BinaryHeap<Reverse<i64>>,
    hours: BTreeMap<i64, HourLoad>,
    /// Most open at one moment, and since when.
    peak: (u64, i64),
}

impl Sweep {
    /// A sweep from one instant to another; what is outside does not count.
    pub fn new(from_us: i64, to_us: i64) -> Self {
        Self { from_us, to_us, now_us: from_us, ends: BinaryHeap::new(), hours: BTreeMap::new(), peak: (0, from_us) }
    }

    /// Takes the next interval; starts must not decrease.
    pub fn add(&mut self, start_us: i64, end_us: i64) {
        let (start_us, end_us) = (start_us.max(self.from_us), end_us.min(self.to_us));
        if start_us >= end_us {
            return;
        }
        self.move_to(start_us);
        self.ends.push(Reverse(end_us));
    }

    /// What was open.
    pub fn finish(mut self) -> Swept {
        self.move_to(self.to_us);
        (self.hours, Some(self.peak).filter(|(peak, _)| *peak > 0))
    }

    /// Goes on in time: what ends by then ends before what starts then.
    fn move_to(&mut self, time_us: i64) {
        while let Some(Reverse(end_us)) = self.ends.peek().copied().filter(|Reverse(end_us)| *end_us <= time_us) {
            self.account(end_us);
            self.ends.pop();
        }
        self.account(time_us);
    }

    /// Books what is open from now to a time on the hours.
    fn account(&mut self, until_us: i64) {
        let open = self.ends.len() as u64;
        if open > self.peak.0 && until_us > self.now_us {
            self.peak = (open, self.now_us);
        }
        while self.now_us < until_us {
            let hour_us = self.now_us.div_euclid(HOUR_US) * HOUR_US;
            let piece_end_us = until_us.min(hour_us + HOUR_US);
            if open > 0 {
                let length_us = piece_end_us - self.now_us;
                let hour = self.hours.entry(hour_us).or_default();
                hour.peak = hour.peak.max(open);
                hour.busy_us += length_us;
                hour.open_us += i128::from(open) * i128::from(length_us);
                self.now_us = piece_end_us;
            } else {
                self.now_us = until_us;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::Random;

    /// Instants are multiples of `STEP_US` here, so that every moment can be tried.
    const STEP_US: i64 = HOUR_US / 4;

    fn swept(intervals: &[(i64, i64)], from_us: i64, to_us: i64) -> Swept {
        let mut sorted = intervals.to_vec();
        sorted.sort_unstable();
        let mut sweep = Sweep::new(from_us, to_us);
        sorted.iter().for_each(|(start, end)| sweep.add(*start, *end));
        sweep.finish()
    }

    #[test]
    fn every_moment_tried_gives_the_same() {
        let mut random = Random(7);
        for case in 0..400 {
            let intervals: Vec<(i64, i64)> = (0..random.below(12))
                .map(|_| {
                    let start = random.below(40) as i64 - 8;
                    (start * STEP_US, (start + random.below(10) as i64) * STEP_US)
                })
                .collect();
            let (from, to) = (0, 24);
            let (hours, peak) = swept(&intervals, from * STEP_US, to * STEP_US);
            let mut expected: BTreeMap<i64, HourLoad> = BTreeMap::new();
            let mut highest: Option<(u64, i64)> = None;
            for step in from..to {
                let at = step * STEP_US;
                let open = intervals.iter().filter(|(start, end)| *start <= at && at < *end).count() as u64;
                if open > 0 {
                    let hour = expected.entry(at.div_euclid(HOUR_US) * HOUR_US).or_default();
                    hour.peak = hour.peak.max(open);
                    hour.busy_us += STEP_US;
                    hour.open_us += i128::from(open) * i128::from(STEP_US);
                }
                if open > highest.map_or(0, |(peak, _)| peak) {
                    highest = Some((open, at));
                }
            }
            assert_eq!(hours, expected, "case {case}: {intervals:?}");
            assert_eq!(peak, highest, "case {case}: {intervals:?}");
        }
    }

    #[test]
    fn what_ends_when_another_starts_is_not_open_with_it() {
        let (hours, peak) = swept(&[(0, 10), (10, 20), (10, 10)], 0, HOUR_US);
        assert_eq!(peak, Some((1, 0)));
        assert_eq!(hours[&0], HourLoad { peak: 1, busy_us: 20, open_us: 20 });
    }

    #[test]
    fn what_is_open_over_the_hour_counts_in_both() {
        let (hours, _) = swept(&[(HOUR_US - 5, HOUR_US + 5), (HOUR_US - 5, HOUR_US)], 0, 2 * HOUR_US);
        assert_eq!(hours[&0], HourLoad { peak: 2, busy_us: 5, open_us: 10 });
        assert_eq!(hours[&HOUR_US], HourLoad { peak: 1, busy_us: 5, open_us: 5 });
        // Open since before the first instant.
        let (hours, peak) = swept(&[(-50, 10), (-50, -10)], 0, HOUR_US);
        assert_eq!((hours[&0].peak, peak), (1, Some((1, 0))));
    }
}
