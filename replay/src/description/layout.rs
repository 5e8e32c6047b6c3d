//! The windows of a described workload: one for the period, or short ones that repeat and hold all functions
//!
//! What happens at the same time is in the same window, so that peaks of different functions add up. Above
//! [`SINGLE_RUNS`] the period is cut where functions begin and end, and by the hour of the day where that matters; each
//! part is a window that repeats. Windows of a part differ by one execution of a function, or by one unit of time, so
//! that together they have every execution and cover all of the part.
use std::{collections::BTreeMap, ops::Range};

use rand_chacha::ChaCha8Rng;

use super::expand::{More, Plan};
use crate::{
    arrivals::{Arrivals, Batch, hour_of_day, hours, length_us, merge, overlap},
    windows::divided,
    workload::{Window, Workload},
};

/// Executions of a period that are laid out one by one.
pub(super) const SINGLE_RUNS: u64 = 300_000;
/// Executions in all windows that repeat, where seconds allow.
const WINDOW_RUNS: u64 = 60_000;
/// Executions in all windows that repeat: where seconds have more, windows are shorter.
pub(super) const WINDOW_RUNS_MAX: u64 = 300_000;
const SECOND_US: u64 = 1_000_000;

/// A part of the period: pieces of time that are alike.
struct Part {
    /// The longest piece, which stands for all.
    piece: Range<i64>,
    /// How many pieces there are.
    pieces: u64,
    /// Time of all, microseconds.
    length_us: u64,
    /// What arrives in all, by function.
    batches: Vec<Vec<Batch>>,
}

/// The executions of a plan.
pub(super) fn workload(plan: &Plan, seed: u64) -> Workload {
    let mut random = plan.generators(seed);
    let arrivals = |function: usize| plan.functions[function].arrivals.as_ref();
    let (totals, _) = plan.totals(|function| arrivals(function).map_or(0, Arrivals::count), &[]);
    let windows = match totals.iter().fold(0_u64, |sum, count| sum.saturating_add(*count)) {
        0..=SINGLE_RUNS => vec![single(plan, &mut random)],
        _ => {
            let parts = parts(plan, &mut random);
            let share = parts.len() as u64;
            let mut before = vec![0; plan.functions.len()];
            parts.iter().flat_map(|part| part.windows(plan, share, &mut before, &mut random)).collect()
        }
    };
    let functions = plan.functions.iter().map(|planned| planned.function.clone()).collect();
    Workload { title: plan.title.clone(), period: plan.period, functions, windows }
}

/// The whole period, execution by execution.
fn single(plan: &Plan, random: &mut [ChaCha8Rng]) -> Window {
    let (start_us, end_us) = (plan.period.start_us(), plan.period.end_us());
    let all = plan.functions.iter().zip(random.iter_mut());
    let arriving: Vec<_> = all
        .map(|(planned, random)| planned.arrivals.as_ref().map(|arrivals| arrivals.all(random)).unwrap_or_default())
        .collect();
    let (_, more) = plan.totals(|function| arriving[function].len() as u64, &[]);
    let runs = plan.runs(&(start_us..end_us), &arriving, &more, random);
    Window { start_us, end_us, repeats: 1, runs }
}

/// The parts of the period, by time.
fn parts(plan: &Plan, random: &mut [ChaCha8Rng]) -> Vec<Part> {
    let period = plan.period.start_us()..plan.period.end_us();
    let sources: Vec<(usize, &Arrivals)> =
        plan.functions.iter().enumerate().filter_map(|(at, own)| Some((at, own.arrivals.as_ref()?))).collect();
    let mut cuts: Vec<i64> = sources.iter().flat_map(|(_, own)| [own.range.start, own.range.end]).collect();
    cuts.extend([period.start, period.end]);
    cuts.sort_unstable();
    cuts.dedup();
    let by_hour = sources.iter().any(|(_, own)| own.is_by_hour());
    let mut pieces: Vec<(Range<i64>, (usize, usize))> = Vec::new();
    for (number, cut) in cuts.windows(2).enumerate() {
        let span = overlap(&(cut[0]..cut[1]), &period);
        match by_hour {
            true => pieces.extend(hours(&span).into_iter().map(|piece| {
                let hour = hour_of_day(piece.start);
                (piece, (number, hour))
            })),
            false => pieces.push((span, (number, 0))),
        }
    }
    let times: Vec<Range<i64>> = pieces.iter().map(|(piece, _)| piece.clone()).collect();
    let mut parts: BTreeMap<(usize, usize), Part> = BTreeMap::new();
    for (piece, key) in &pieces {
        let part = parts.entry(*key).or_insert_with(|| Part {
            piece: piece.clone(),
            pieces: 0,
            length_us: 0,
            batches: vec![Vec::new(); plan.functions.len()],
        });
        if length_us(piece) > length_us(&part.piece) {
            part.piece = piece.clone();
        }
        part.pieces += 1;
        part.length_us += length_us(piece);
    }
    for (function, own) in sources {
        for ((_, key), batches) in pieces.iter().zip(own.batches(&times, &mut random[function])) {
            if let Some(part) = parts.get_mut(key) {
                part.batches[function].extend(batches);
            }
        }
    }
    let mut parts: Vec<Part> = parts.into_values().collect();
    parts.iter_mut().flat_map(|part| &mut part.batches).for_each(merge);
    parts.sort_by_key(|part| part.piece.start);
    parts
}

impl Part {
    /// Windows that together are this part; it is one of so many, and comes after so many executions of each function.
    fn windows(&self, plan: &Plan, parts: u64, before: &mut [u64], random: &mut [ChaCha8Rng]) -> Vec<Window> {
        let arriving = |function: usize| self.batches[function].iter().map(Batch::run_count).sum();
        let (totals, more) = plan.totals(arriving, before);
        before.iter_mut().zip(&totals).for_each(|(before, count)| *before += count);
        let total: u64 = totals.iter().fold(0, |sum, count| sum.saturating_add(*count));
        let counts = self.batches.iter().flatten().map(|batch| batch.count);
        let counts: Vec<u64> = counts.chain(more.iter().map(|(.., count)| *count)).collect();
        let (repeats, unit_us) = self.repeats(total, counts.len() as u64 + 2, parts);
        let units = self.length_us / unit_us;
        let (mut start_us, mut windows) = (self.piece.start, Vec::new());
        for alike in divided(repeats, counts.into_iter().chain([units])) {
            let of = |count: u64| alike.share_of(count);
            let end_us = start_us.saturating_add_unsigned(of(units) * unit_us);
            let window = start_us..end_us;
            let placed = self.batches.iter().zip(random.iter_mut()).map(|(own, random)| {
                let one = |batch: &Batch| Batch { count: of(batch.count), ..*batch };
                let mut arrivals: Vec<_> = own.iter().flat_map(|batch| one(batch).place(&window, random)).collect();
                arrivals.sort_unstable();
                arrivals
            });
            let placed: Vec<_> = placed.collect();
            let more: Vec<More> = more.iter().map(|(caller, call, count)| (*caller, *call, of(*count))).collect();
            let runs = plan.runs(&window, &placed, &more, random);
            windows.push(Window { start_us, end_us, repeats: alike.repeats, runs });
            start_us = end_us;
        }
        windows
    }

    /// How many windows make this part, and the unit their lengths are multiples of, microseconds.
    fn repeats(&self, total: u64, kinds: u64, parts: u64) -> (u64, u64) {
        let whole_seconds = self.length_us.is_multiple_of(SECOND_US);
        if total == 0 {
            return (
                self.pieces,
                if whole_seconds && self.length_us / SECOND_US >= self.pieces { SECOND_US } else { 1 },
            );
        }
        // All kinds of windows fit into a piece, one after the other.
        let least = self.pieces * kinds;
        let of = |runs: u64| {
            let windows = (u128::from(total) * u128::from(kinds) * u128::from(parts)).div_ceil(runs.into());
            u64::try_from(windows).unwrap_or(u64::MAX).clamp(least.min(self.length_us), self.length_us)
        };
        let seconds = self.length_us / SECOND_US;
        if !whole_seconds || least > seconds || of(WINDOW_RUNS_MAX) > seconds {
            return (of(WINDOW_RUNS), 1);
        }
        let wanted = of(WINDOW_RUNS).min(seconds);
        // Windows of the same length are of fewer kinds.
        let even = (wanted..=wanted.saturating_mul(2).min(seconds)).find(|repeats| seconds.is_multiple_of(*repeats));
        (even.unwrap_or(wanted), SECOND_US)
    }
}
