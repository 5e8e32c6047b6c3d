//! How many executions are under way, from the starts and ends of each second.
//!
//! The number at the end of every second is a running sum. Within a second it is known where the rise is exact and nobody
//! else has executions there; of the others only those seconds can matter whose sum of rises is above what the hour reaches
//! for sure. Those few, and seconds at whose end or beginning nothing may be under way, are named, so that whoever has the
//! records looks at them alone.

use std::collections::{BTreeMap, BTreeSet};

use paygrain_pricing::period::HOUR_US;

use super::sweep::{HourLoad, Swept};
use crate::rollup::DAY_HOURS;
use crate::rollup::seconds::{HOUR_S, Hours, HoursReader, SECOND_US, Second};

/// Starts and ends that may be looked at whatever there is.
const OPEN_MAX: u64 = 500_000;

/// Starts and ends of some records of a day.
pub(crate) struct Part {
    /// UTC day on which they start, days since 1970.
    pub day: i32,
    pub hours: Hours,
}

/// A second of which the records have to tell more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    /// Since 1970.
    second: i64,
    /// Under way when it begins, but for what starts in it.
    before: u64,
    /// Whether its busy time is not known.
    is_partly_busy: bool,
    /// What there is in it, for whoever checks what was read.
    starts: u64,
    ends: u64,
}

/// What was under way hour by hour, as far as starts and ends tell.
pub(crate) struct UnderWay {
    hours: BTreeMap<i64, HourLoad>,
    /// Under way when the first hour begins, since before.
    pub running_at_first: u64,
    first_us: i64,
    /// Seconds to look at, in order.
    open: Vec<Open>,
    /// UTC days on which the executions in them start, days since 1970.
    pub days: BTreeSet<i32>,
    /// Second by second, from the first hour on.
    is_open: Vec<u64>,
    /// Starts and ends in all seconds.
    event_count: u64,
}

/// What is wanted of each hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Its peak.
    Peaks,
    /// Its peak, its busy time, and the moment of the highest peak.
    Everything,
}

/// An hour whose seconds are put together.
struct HourSums {
    sums: Vec<Sum>,
    /// Places of the sums that are something, in any order.
    touched: Vec<u16>,
    /// Seconds with executions of days before, in order once the hour is put together.
    earlier: Vec<(u16, i32)>,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    starts: u64,
    ends: u64,
    rise: u64,
    fall: u64,
    parts: u8,
}

impl UnderWay {
    /// What is under way from one hour to before another, hours since 1970.
    pub fn of(parts: &[Part], (from, to): (i64, i64), wanted: Wanted) -> Self {
        let seconds = usize::try_from((to - from) * HOUR_S).unwrap_or(0);
        let mut found = Self {
            hours: BTreeMap::new(),
            running_at_first: 0,
            first_us: from * HOUR_US,
            open: Vec::new(),
            days: BTreeSet::new(),
            is_open: vec![0; seconds.div_ceil(64)],
            event_count: 0,
        };
        let mut next: BTreeMap<i64, Vec<(i32, HoursReader)>> = BTreeMap::new();
        for part in parts {
            let reader = part.hours.read();
            if let Some(hour) = reader.peek() {
                next.entry(i64::from(part.day) * DAY_HOURS + hour).or_default().push((part.day, reader));
            }
        }
        let mut running = 0_u64;
        let mut sums = HourSums::new();
        // The highest number that is reached for sure, and where it is reached first.
        let (mut highest, mut first_highest) = (0, Vec::new());
        for hour in next.keys().next().copied().unwrap_or(from).min(from)..to {
            if hour == from {
                found.running_at_first = running;
            }
            let mut later_us = 0;
            for (day, mut reader) in next.remove(&hour).unwrap_or_default() {
                let is_earlier = i64::from(day) != hour.div_euclid(DAY_HOURS);
                let read = reader.next_into(|second| sums.add(second, is_earlier.then_some(day)));
                later_us += read.map_or(0, |(_, later_us)| later_us);
                if let Some(hour) = reader.peek() {
                    next.entry(i64::from(day) * DAY_HOURS + hour).or_default().push((day, reader));
                }
            }
            if hour < from {
                running = sums.after(running);
            } else {
                let (after, load, reached) = found.hour(&mut sums, hour, running, later_us, wanted);
                if load.peak > highest && wanted == Wanted::Everything {
                    (highest, first_highest) = (load.peak, reached);
                }
                if load.open_us > 0 {
                    found.hours.insert(hour * HOUR_US, load);
                }
                running = after;
            }
            sums.clear();
        }
        for (open, days) in first_highest {
            found.look_at(open, days);
        }
        found.open.sort_unstable_by_key(|open| (open.second, !open.is_partly_busy));
        found.open.dedup_by_key(|open| open.second);
        found
    }

    /// An hour: what is under way after it, what it adds up to, and the seconds in which its peak may be reached first.
    fn hour(
        &mut self,
        sums: &mut HourSums,
        hour: i64,
        before: u64,
        later_us: i64,
        wanted: Wanted,
    ) -> (u64, HourLoad, Vec<(Open, Vec<i32>)>) {
        sums.touched.sort_unstable();
        sums.earlier.sort_unstable();
        let (mut running, mut peak) = (before, before);
        let (mut busy_s, mut until) = (0_i64, 0_i64);
        let mut open_us = i128::from(before) * i128::from(HOUR_US) + i128::from(later_us);
        let mut partly = Vec::new();
        for place in &sums.touched {
            let sum = sums.sums[usize::from(*place)];
            let second = i64::from(*place);
            busy_s += if running > 0 { second - until } else { 0 };
            until = second + 1;
            let after = (running + sum.starts).saturating_sub(sum.ends);
            peak = peak.max(if sum.parts == 1 { running + sum.rise } else { running.max(after) });
            self.event_count += sum.starts + sum.ends;
            let left_us = i128::from((HOUR_S - second) * SECOND_US);
            open_us += (i128::from(sum.starts) - i128::from(sum.ends)) * left_us;
            if running > sum.fall {
                busy_s += 1;
            } else if wanted == Wanted::Everything {
                partly.push((*place, running));
            }
            running = after;
        }
        busy_s += if running > 0 { HOUR_S - until } else { 0 };
        let load = HourLoad { peak, busy_us: busy_s * SECOND_US, open_us };
        for (place, before) in partly {
            self.look_at(sums.open(hour, place, before, true), sums.days(hour, place));
        }
        // Where it may be higher, and where the peak is reached first.
        let (mut now, mut reached, mut is_reached) = (before, Vec::new(), before == peak);
        for place in &sums.touched {
            let sum = sums.sums[usize::from(*place)];
            let most = now + sum.rise;
            let open = || sums.open(hour, *place, now, false);
            if most > peak {
                self.look_at(open(), sums.days(hour, *place));
            } else if most == peak && !is_reached {
                reached.push((open(), sums.days(hour, *place).collect()));
            }
            let after = (now + sum.starts).saturating_sub(sum.ends);
            is_reached |= (sum.parts == 1 && most == peak) || after == peak;
            now = after;
        }
        (running, load, reached)
    }

    fn look_at(&mut self, open: Open, days: impl IntoIterator<Item = i32>) {
        let place = open.second - self.first_us / SECOND_US;
        if let Some(word) = usize::try_from(place / 64).ok().and_then(|place| self.is_open.get_mut(place)) {
            *word |= 1 << (place % 64);
            self.open.push(open);
            self.days.extend(days);
        }
    }

    /// Whether the records of a second have to be looked at.
    #[inline]
    fn is_open(&self, second: i64) -> bool {
        let place = second - self.first_us / SECOND_US;
        let word = usize::try_from(place).ok().and_then(|place| self.is_open.get(place / 64));
        word.is_some_and(|word| (word >> (place % 64)) & 1 == 1)
    }

    /// Whether so much of what there is would have to be looked at that a sweep over all of it takes less.
    pub fn is_mostly_open(&self) -> bool {
        let open: u64 = self.open.iter().map(|open| open.starts + open.ends).sum();
        open > OPEN_MAX && 2 * open > self.event_count
    }

    /// Nothing more is to be looked at.
    pub fn is_known(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes what matters of an execution: its events in the seconds that are to be looked at.
    #[inline]
    pub fn take(&self, start_us: i64, end_us: i64, events: &mut Vec<(i64, bool)>) {
        if end_us <= start_us {
            return;
        }
        if self.is_open(start_us.div_euclid(SECOND_US)) {
            events.push((start_us, true));
        }
        if self.is_open((end_us - 1).div_euclid(SECOND_US)) {
            events.push((end_us, false));
        }
    }

    /// The hours in which anything was under way, by their start, and the highest peak with the moment when it was first
    /// reached, from what was taken; nothing where that is not what there is.
    pub fn finish(mut self, mut events: Vec<(i64, bool)>) -> Option<Swept> {
        // Ends come before starts of the same moment.
        events.sort_unstable();
        let mut reached: Vec<(i64, u64)> = Vec::new();
        let mut at = 0;
        for open in &self.open {
            let (begin_us, end_us) = (open.second * SECOND_US, (open.second + 1) * SECOND_US);
            let (mut running, mut peak, mut peak_us) = (open.before, open.before, begin_us);
            let (mut busy_us, mut since_us) = (0, begin_us);
            let (mut starts, mut ends) = (0, 0);
            while let Some((time_us, is_start)) = events.get(at).copied() {
                let is_own = if is_start { time_us < end_us } else { time_us <= end_us };
                if !is_own {
                    break;
                }
                at += 1;
                busy_us += if running > 0 { time_us - since_us } else { 0 };
                since_us = time_us;
                if is_start {
                    (running, starts) = (running + 1, starts + 1);
                    if running > peak {
                        (peak, peak_us) = (running, time_us);
                    }
                } else {
                    (running, ends) = (running.checked_sub(1)?, ends + 1);
                }
            }
            busy_us += if running > 0 { end_us - since_us } else { 0 };
            if (starts, ends) != (open.starts, open.ends) {
                return None;
            }
            let hour = self.hours.get_mut(&(begin_us.div_euclid(HOUR_US) * HOUR_US))?;
            hour.peak = hour.peak.max(peak);
            hour.busy_us += if open.is_partly_busy { busy_us } else { 0 };
            reached.push((peak_us, peak));
        }
        let peak = self.hours.values().map(|hour| hour.peak).max().unwrap_or(0);
        let first = match peak == self.running_at_first {
            true => Some(self.first_us),
            false => reached.into_iter().find(|(_, reached)| *reached == peak).map(|(peak_us, _)| peak_us),
        };
        Some((self.hours, first.filter(|_| peak > 0).map(|first_us| (peak, first_us))))
    }
}

impl HourSums {
    fn new() -> Self {
        Self { sums: vec![Sum::default(); HOUR_S as usize], touched: Vec::new(), earlier: Vec::new() }
    }

    #[inline]
    fn add(&mut self, second: Second, earlier: Option<i32>) {
        let sum = &mut self.sums[usize::from(second.second)];
        if sum.parts == 0 {
            self.touched.push(second.second);
        }
        sum.starts += second.starts;
        sum.ends += second.ends;
        sum.rise += second.rise;
        sum.fall += second.fall;
        sum.parts = sum.parts.saturating_add(if second.exact { 1 } else { 2 });
        self.earlier.extend(earlier.map(|day| (second.second, day)));
    }

    fn clear(&mut self) {
        for place in self.touched.drain(..) {
            self.sums[usize::from(place)] = Sum::default();
        }
        self.earlier.clear();
    }

    /// How many are under way after it.
    fn after(&self, before: u64) -> u64 {
        let sum =
            |of: fn(&Sum) -> u64| self.touched.iter().map(|place| of(&self.sums[usize::from(*place)])).sum::<u64>();
        (before + sum(|sum| sum.starts)).saturating_sub(sum(|sum| sum.ends))
    }

    fn open(&self, hour: i64, place: u16, before: u64, is_partly_busy: bool) -> Open {
        let Sum { starts, ends, .. } = self.sums[usize::from(place)];
        Open { second: hour * HOUR_S + i64::from(place), before, is_partly_busy, starts, ends }
    }

    /// Days on which executions of a second start.
    fn days(&self, hour: i64, place: u16) -> impl Iterator<Item = i32> + '_ {
        let own = i32::try_from(hour.div_euclid(DAY_HOURS)).unwrap_or(i32::MAX);
        let from = self.earlier.partition_point(|(second, _)| *second < place);
        let earlier = self.earlier[from..].iter().take_while(move |(second, _)| *second == place).map(|(_, day)| *day);
        std::iter::once(own).chain(earlier)
    }
}

#[cfg(test)]
mod tests {
    use paygrain_ingest::table::DAY_US;
    use proptest::prelude::*;

    use super::*;
    use crate::report::source::executions::sweep::Sweep;
    use crate::rollup::seconds::{Seconds, SecondsCounting};

    const STEP_US: i64 = SECOND_US / 5;

    /// Part, and start and length in fifths of a second, which begin close together around a midnight.
    fn executions() -> impl Strategy<Value = Vec<(u8, i64, i64)>> {
        let start = prop_oneof![-60_i64..60, -600_i64..600, -18_000_i64..18_000, -1_000_000_i64..1_000_000];
        let length = prop_oneof![0_i64..6, 0_i64..60, 0_i64..20_000, 0_i64..1_500_000];
        prop::collection::vec((0_u8..3, start, length), 0..80)
    }

    fn parts(executions: &[(i64, i64)]) -> Vec<Part> {
        let mut by_day: BTreeMap<i64, SecondsCounting> = BTreeMap::new();
        for (start_us, end_us) in executions {
            let day = start_us.div_euclid(DAY_US);
            let counting = by_day.entry(day).or_default();
            counting.add(0, start_us - day * DAY_US, end_us - day * DAY_US);
        }
        let part = |(day, counting): (i64, SecondsCounting)| {
            let Seconds { all, .. } = counting.finish().0;
            Part { day: i32::try_from(day).unwrap(), hours: all }
        };
        by_day.into_iter().map(part).collect()
    }

    proptest! {
        #[test]
        fn what_is_under_way_is_that_of_a_sweep(executions in executions(), from_day in -2_i64..2, days in 1_i64..3) {
            // The midnight that begins day 3.
            let us = |(part, start, length): &(u8, i64, i64)| {
                let start_us = 3 * DAY_US + start * STEP_US;
                (*part, start_us, start_us + length * STEP_US)
            };
            let mut intervals: Vec<(u8, i64, i64)> = executions.iter().map(us).collect();
            intervals.sort_unstable_by_key(|(_, start_us, _)| *start_us);
            let (from_us, to_us) = ((3 + from_day) * DAY_US, (3 + from_day + days) * DAY_US);
            let parts: Vec<Part> = (0..3)
                .flat_map(|part| {
                    let own = intervals.iter().filter(|(of, _, _)| *of == part).map(|(_, start, end)| (*start, *end));
                    parts(&own.filter(|(start_us, _)| *start_us < to_us).collect::<Vec<_>>())
                })
                .collect();
            let hours = (from_us / HOUR_US, to_us / HOUR_US);
            for wanted in [Wanted::Everything, Wanted::Peaks] {
                let under_way = UnderWay::of(&parts, hours, wanted);
                let mut events = Vec::new();
                for (_, start_us, end_us) in &intervals {
                    let day = i32::try_from(start_us.div_euclid(DAY_US)).unwrap();
                    if under_way.days.contains(&day) {
                        under_way.take(*start_us, *end_us, &mut events);
                    }
                }
                let found = under_way.finish(events).unwrap();
                let mut sweep = Sweep::new(from_us, to_us);
                intervals.iter().for_each(|(_, start_us, end_us)| sweep.add(*start_us, *end_us));
                let expected = sweep.finish();
                match wanted {
                    Wanted::Everything => prop_assert_eq!(found, expected),
                    Wanted::Peaks => {
                        let peaks = |hours: BTreeMap<i64, HourLoad>| {
                            hours.into_iter().map(|(hour, load)| (hour, load.peak, load.open_us)).collect::<Vec<_>>()
                        };
                        prop_assert_eq!(peaks(found.0), peaks(expected.0));
                    }
                }
            }
        }
    }
}
