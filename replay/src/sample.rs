//! A few executions that stand for those of a workload, and workloads of any number of them
use paygrain_pricing::period::SECOND_US;

use crate::workload::{Run, Window, Workload};

/// Executions of a window, as far as a window has a second.
const WINDOW_RUNS: i64 = 200;

/// Executions that stand for those of a workload: function and duration of each.
pub(crate) struct Sample(Vec<(u32, i64)>);

impl Sample {
    /// So many at most, as many from each part of the workload, by function and duration.
    pub fn of(workload: &Workload, most: usize) -> Self {
        let mut runs: Vec<(u32, i64, u64)> = workload
            .windows
            .iter()
            .flat_map(|window| window.runs.iter().map(|run| (run.function, run.duration_us, window.repeats)))
            .collect();
        runs.sort_unstable();
        let total: u128 = runs.iter().map(|(_, _, times)| u128::from(*times)).sum();
        let alike = runs.first().zip(runs.last()).is_some_and(|(first, last)| (first.0, first.1) == (last.0, last.1));
        let count = if alike { 1 } else { (most as u128).min(total) };
        let (mut seen, mut chosen) = (0_u128, Vec::new());
        for (function, duration_us, times) in runs {
            seen += u128::from(times);
            // The middle of each of so many equal parts.
            while (chosen.len() as u128) < count && (2 * chosen.len() as u128 + 1) * total < 2 * count * seen {
                chosen.push((function, duration_us));
            }
        }
        // Long and short ones take turns.
        let half = chosen.len().div_ceil(2);
        let order = (0..half).flat_map(|place| [Some(place), (place + half < chosen.len()).then_some(place + half)]);
        Self(order.flatten().map(|place| chosen[place]).collect())
    }

    /// A workload of so many executions, spread evenly over the period. Many of them are short windows that repeat, each of
    /// whole seconds: some a second longer and some with one execution more, so that all of the period is covered and every
    /// execution counted.
    pub fn workload(&self, like: &Workload, count: i64) -> Workload {
        let start_us = like.period.start_us();
        let seconds = (like.period.end_us() - start_us) / SECOND_US;
        let repeats = (count / WINDOW_RUNS).clamp(1, seconds);
        let (long_s, short_s) = (seconds / repeats + 1, seconds / repeats);
        let (more, fewer) = (count / repeats + 1, count / repeats);
        let (long, full) = (seconds % repeats, count % repeats);
        let kinds = [
            (long_s, more, long.min(full)),
            (long_s, fewer, (long - full).max(0)),
            (short_s, more, (full - long).max(0)),
            (short_s, fewer, repeats - long.max(full)),
        ];
        let mut windows = Vec::new();
        let mut start_us = start_us;
        for (length_s, runs, repeats) in kinds.into_iter().filter(|(.., repeats)| *repeats > 0) {
            let end_us = start_us + length_s * SECOND_US;
            windows.push(self.window(start_us, end_us, repeats, runs));
            start_us = end_us;
        }
        Workload { title: like.title.clone(), period: like.period, functions: like.functions.clone(), windows }
    }

    fn window(&self, start_us: i64, end_us: i64, repeats: i64, runs: i64) -> Window {
        let run = |number: i64| {
            let (function, duration_us) = *self.0.get(usize::try_from(number).ok()? % self.0.len().max(1))?;
            let into_us = i128::from(end_us - start_us) * i128::from(number) / i128::from(runs.max(1));
            Some(Run { start_us: start_us + i64::try_from(into_us).ok()?, duration_us, function })
        };
        let repeats = u64::try_from(repeats).unwrap_or(1);
        Window { start_us, end_us, repeats, runs: (0..runs).filter_map(run).collect() }
    }

    /// With every duration so many times as long: a fraction of two durations.
    pub fn scaled(&self, times: i64, of: i64) -> Self {
        let scale = |duration_us: i64| {
            let scaled = (i128::from(duration_us) * i128::from(times) + i128::from(of) / 2) / i128::from(of.max(1));
            i64::try_from(scaled).unwrap_or(i64::MAX)
        };
        Self(self.0.iter().map(|(function, duration_us)| (*function, scale(*duration_us))).collect())
    }

    /// Mean duration, microseconds; 0 without executions.
    pub fn mean_us(&self) -> i64 {
        let sum: i128 = self.0.iter().map(|(_, duration_us)| i128::from(*duration_us)).sum();
        i64::try_from(sum / (self.0.len() as i128).max(1)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Function;

    const SAMPLE: usize = 40;

    fn workload(runs: &[(i64, u64)]) -> Workload {
        let period: paygrain_pricing::Period = "2026-10".parse().unwrap();
        let start_us = period.start_us();
        let window = |(duration_us, repeats): &(i64, u64)| Window {
            start_us,
            end_us: start_us + 1_000_000,
            repeats: *repeats,
            runs: vec![Run { start_us, duration_us: *duration_us, function: 0 }],
        };
        Workload {
            title: String::new(),
            period,
            functions: vec![Function::new("f", 512)],
            windows: runs.iter().map(window).collect(),
        }
    }

    #[test]
    fn any_number_of_executions_is_spread_evenly_in_full() {
        let like = workload(&[(100_000, 900), (5_000_000, 100)]);
        let sample = Sample::of(&like, SAMPLE);
        // A tenth is long.
        assert_eq!(sample.0.iter().filter(|(_, duration_us)| *duration_us == 5_000_000).count(), SAMPLE / 10);
        for count in [1, 2, 7, 199, 200, 201, 399, 400, 1_000_003, 10_000_000_000] {
            let scaled = sample.workload(&like, count);
            assert_eq!(scaled.run_count(), u64::try_from(count).unwrap(), "{count}");
            let (start_us, end_us) = (like.period.start_us(), like.period.end_us());
            let covered: i128 = scaled
                .windows
                .iter()
                .map(|window| i128::from(window.end_us - window.start_us) * i128::from(window.repeats))
                .sum();
            let length = i128::from(end_us - start_us);
            assert_eq!(covered, length, "{count}");
            assert!(scaled.windows.iter().all(|window| window.start_us >= start_us && window.end_us <= end_us));
        }
    }

    #[test]
    fn one_duration_is_one_duration() {
        assert_eq!(Sample::of(&workload(&[(300_000, 30)]), SAMPLE).0, [(0, 300_000)]);
    }
}
