//! The time that sized instances are up, as it is billed: how long each is, from its order to its stop
use std::collections::BTreeMap;

use crate::{sizing::Up, workload::Workload};

/// The time that sized instances are up. Of several the one that came last goes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UpTime {
    /// Instances that are up all the period.
    pub whole_count: u64,
    /// Of the others, how long each time is, microseconds, and how many of them there are.
    pub lengths: Vec<(i64, u64)>,
    /// The time that the first, the second, … of the others is up, microseconds, and how many in a row are as long.
    pub by_place: Vec<(i64, u64)>,
}

impl UpTime {
    /// All instances that are told apart.
    pub fn place_count(&self) -> u64 {
        self.by_place.iter().map(|(_, count)| count).fold(self.whole_count, |all, count| all.saturating_add(*count))
    }

    /// The time of those that are not up all the period, together, microseconds.
    pub fn others_us(&self) -> i64 {
        let us = |(length_us, count): &(i64, u64)| length_us.saturating_mul(i64::try_from(*count).unwrap_or(i64::MAX));
        self.lengths.iter().map(us).fold(0, i64::saturating_add)
    }

    /// Adds a time that one more instance is up.
    pub fn add(&mut self, length_us: i64) {
        if length_us > 0 {
            self.lengths.push((length_us, 1));
            self.by_place.push((length_us, 1));
        }
    }

    /// From the instances up over time.
    pub fn of(up: &[Up], workload: &Workload) -> Self {
        let up: Vec<Up> = up.iter().filter(|one| one.count > 0).copied().collect();
        let courses: Vec<Course> =
            up.chunk_by(|one, next| one.repeats == next.repeats && one.end_us == next.start_us).map(Course).collect();
        let closed: Vec<bool> = courses.iter().map(|course| course.is_closed(workload)).collect();
        let period_us = workload.period.end_us() - workload.period.start_us();
        let is_whole = courses.iter().map(Course::all_us).sum::<i64>() == period_us
            && courses.iter().zip(&closed).all(|(course, closed)| *closed || course.repeats() == 1);
        let whole_count = if is_whole { courses.iter().map(Course::least).min().unwrap_or(0) } else { 0 };
        let mut lengths = Lengths::default();
        for (course, closed) in courses.iter().zip(closed) {
            course.add(whole_count, closed, &mut lengths);
        }
        let mut by_count: BTreeMap<u64, i64> = BTreeMap::new();
        for one in up.iter().filter(|one| one.count > whole_count) {
            let up_us = (one.end_us - one.start_us).saturating_mul(times(one.repeats));
            *by_count.entry(one.count - whole_count).or_default() += up_us;
        }
        // The nth is up whenever n or more are.
        let (mut by_place, mut up_us) = (Vec::new(), 0);
        let mut counts = by_count.into_iter().rev().peekable();
        while let Some((count, length_us)) = counts.next() {
            up_us += length_us;
            let next = counts.peek().map_or(0, |(next, _)| *next);
            by_place.push((up_us, count - next));
        }
        Self { whole_count, lengths: lengths.0.into_iter().collect(), by_place }
    }
}

fn times(repeats: u64) -> i64 {
    i64::try_from(repeats).unwrap_or(i64::MAX)
}

/// How many times are how long, microseconds.
#[derive(Default)]
struct Lengths(BTreeMap<i64, u64>);

impl Lengths {
    fn add(&mut self, length_us: i64, count: u64) {
        if count > 0 {
            *self.0.entry(length_us).or_default() += count;
        }
    }
}

/// Instances up without a gap, as often.
struct Course<'a>(&'a [Up]);

impl Course<'_> {
    fn repeats(&self) -> u64 {
        self.0.first().map_or(1, |one| one.repeats)
    }

    fn bounds_us(&self) -> (i64, i64) {
        (self.0.first().map_or(0, |one| one.start_us), self.0.last().map_or(0, |one| one.end_us))
    }

    fn once_us(&self) -> i64 {
        let (start_us, end_us) = self.bounds_us();
        end_us - start_us
    }

    fn all_us(&self) -> i64 {
        self.once_us().saturating_mul(times(self.repeats()))
    }

    fn least(&self) -> u64 {
        self.0.iter().map(|one| one.count).min().unwrap_or(0)
    }

    /// Whether it follows itself without a gap: it is as long as windows that repeat.
    fn is_closed(&self, workload: &Workload) -> bool {
        let (start_us, end_us) = self.bounds_us();
        let windows = || workload.windows.iter().filter(|window| window.repeats > 1);
        self.repeats() > 1
            && windows().any(|window| window.start_us == start_us)
            && windows().any(|window| window.end_us == end_us)
    }

    /// Adds how long each instance is up, beside those that are up all the period.
    fn add(&self, whole_count: u64, is_closed: bool, lengths: &mut Lengths) {
        let repeats = self.repeats();
        let base = if is_closed { self.least() } else { whole_count };
        lengths.add(self.all_us(), base - whole_count);
        // Around from where the fewest are up: nothing beside them is cut there.
        let from = if is_closed { self.0.iter().position(|one| one.count == base).unwrap_or(0) } else { 0 };
        let (before, after) = self.0.split_at(from);
        let mut now_us = 0;
        let mut came: Vec<(i64, u64)> = Vec::new();
        let mut up = 0;
        for one in after.iter().chain(before) {
            change(&mut came, (up, one.count - base), now_us, repeats, lengths);
            up = one.count - base;
            now_us += one.end_us - one.start_us;
        }
        change(&mut came, (up, 0), now_us, repeats, lengths);
    }
}

/// Other instances are up from an instant on: `came` is since when how many are.
fn change(came: &mut Vec<(i64, u64)>, (mut from, to): (u64, u64), now_us: i64, repeats: u64, lengths: &mut Lengths) {
    if to > from {
        came.push((now_us, to - from));
    }
    while from > to {
        let Some((since_us, count)) = came.pop() else { break };
        let going = count.min(from - to);
        lengths.add(now_us - since_us, going * repeats);
        if going < count {
            came.push((since_us, count - going));
        }
        from -= going;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Window;

    const S: i64 = 1_000_000;

    /// A month as windows (seconds, repeats) that follow each other.
    fn workload(windows: &[(i64, u64)]) -> Workload {
        let period: paygrain_pricing::Period = "2026-06".parse().unwrap();
        let mut start_us = period.start_us();
        let window = |(length_s, repeats): &(i64, u64)| {
            let end_us = start_us + length_s * S;
            let window = Window { start_us, end_us, repeats: *repeats, runs: Vec::new() };
            start_us = end_us;
            window
        };
        Workload { title: String::new(), period, functions: Vec::new(), windows: windows.iter().map(window).collect() }
    }

    fn up(workload: &Workload, of: &[(i64, i64, u64, u64)]) -> UpTime {
        let start_us = workload.period.start_us();
        let up = |(from_s, to_s, count, repeats): &(i64, i64, u64, u64)| Up {
            start_us: start_us + from_s * S,
            end_us: start_us + to_s * S,
            count: *count,
            repeats: *repeats,
        };
        UpTime::of(&of.iter().map(up).collect::<Vec<_>>(), workload)
    }

    const MONTH_S: i64 = 30 * 86_400;

    #[test]
    fn what_is_up_in_every_repetition_is_up_all_the_time() {
        let steady = workload(&[(5, 518_400)]);
        let found = up(&steady, &[(0, 5, 8, 518_400)]);
        assert_eq!(found, UpTime { whole_count: 8, lengths: vec![], by_place: vec![] });
        // Two more for two seconds of each window: each time is one of its own.
        let found = up(&steady, &[(0, 1, 8, 518_400), (1, 3, 10, 518_400), (3, 5, 8, 518_400)]);
        let twice_us = 2 * S * 518_400;
        assert_eq!(
            found,
            UpTime { whole_count: 8, lengths: vec![(2 * S, 2 * 518_400)], by_place: vec![(twice_us, 2)] }
        );
        // Across the end of the window it is one time, too.
        let found = up(&steady, &[(0, 1, 9, 518_400), (1, 4, 8, 518_400), (4, 5, 9, 518_400)]);
        assert_eq!((found.whole_count, found.lengths), (8, vec![(2 * S, 518_400)]));
    }

    #[test]
    fn windows_of_several_kinds_are_one_course() {
        let kinds = workload(&[(5, 100_000), (4, (MONTH_S as u64 - 500_000) / 4)]);
        let found = up(&kinds, &[(0, 5, 3, 100_000), (5, 9, 2, (MONTH_S as u64 - 500_000) / 4)]);
        let third_us = 500_000 * S;
        let expected = UpTime { whole_count: 2, lengths: vec![(third_us, 1)], by_place: vec![(third_us, 1)] };
        assert_eq!(found, expected);
    }

    #[test]
    fn an_instance_that_stays_is_not_cut_where_another_comes() {
        let once = workload(&[(MONTH_S, 1)]);
        let found = up(&once, &[(0, 10, 2, 1), (10, 30, 5, 1), (30, 60, 1, 1), (100, 110, 1, 1)]);
        let lengths = vec![(10 * S, 1), (20 * S, 3), (30 * S, 1), (60 * S, 1)];
        assert_eq!((found.whole_count, found.lengths.clone()), (0, lengths));
        assert_eq!(found.by_place, [(20 * S, 3), (30 * S, 1), (70 * S, 1)]);
        assert_eq!(found.others_us(), (10 + 60 + 30 + 60) * S);
        let found = up(&once, &[(0, 10, 2, 1), (10, MONTH_S, 1, 1)]);
        assert_eq!((found.whole_count, found.lengths), (1, vec![(10 * S, 1)]));
    }

    #[test]
    fn gaps_end_a_time() {
        let steady = workload(&[(5, 518_400)]);
        let found = up(&steady, &[(1, 3, 2, 518_400)]);
        assert_eq!((found.whole_count, found.lengths), (0, vec![(2 * S, 2 * 518_400)]));
    }
}
