//! Windows of time with what is in them: put together to stretches, and totals divided over those that repeat
use crate::workload::Window;

/// A span of time with its executions, and how often it comes: a [`Window`] as instances see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowOf<'a, T> {
    /// First instant, UTC microseconds.
    pub start_us: i64,
    /// End, exclusive.
    pub end_us: i64,
    /// How often it comes; what comes more than once follows itself.
    pub repeats: u64,
    /// What is in it, by start.
    pub items: &'a [T],
}

impl<'a, T> WindowOf<'a, T> {
    /// A window with what its executions are to the instances.
    pub(crate) fn of(window: &Window, items: &'a [T]) -> Self {
        Self { start_us: window.start_us, end_us: window.end_us, repeats: window.repeats, items }
    }
}

/// Windows through which instances stay what they are.
#[derive(Debug)]
pub(crate) struct Stretch<'a, T> {
    /// First instant, UTC microseconds.
    pub start_us: i64,
    /// End, exclusive; after the start.
    pub end_us: i64,
    /// How often it comes. More than once: its end touches its start.
    pub repeats: u64,
    /// What is in it, by time.
    pub parts: Vec<&'a [T]>,
}

impl<T: Copy> Stretch<'_, T> {
    pub fn length_us(&self) -> i64 {
        self.end_us - self.start_us
    }

    pub fn items(&self) -> impl Iterator<Item = T> {
        self.parts.iter().flat_map(|part| part.iter().copied())
    }
}

/// Stretches of windows that come by time. Windows that come once are one stretch until one that repeats comes in between;
/// what is between them is time in which nothing comes. A window that never comes is none, and one without a length has
/// one of a microsecond.
pub(crate) fn stretches<'a, T>(windows: &[WindowOf<'a, T>]) -> Vec<Stretch<'a, T>> {
    let mut found: Vec<Stretch<'a, T>> = Vec::new();
    for window in windows {
        let (start_us, repeats, items) = (window.start_us, window.repeats, window.items);
        let end_us = window.end_us.max(start_us.saturating_add(1));
        match (repeats, found.last_mut()) {
            (0, _) => {}
            (1, Some(last)) if last.repeats == 1 => {
                last.end_us = last.end_us.max(end_us);
                last.parts.push(items);
            }
            _ => found.push(Stretch { start_us, end_us, repeats, parts: vec![items] }),
        }
    }
    found
}

/// Windows that follow each other and have the same of every total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alike {
    /// How many windows there are in all.
    windows: u64,
    /// How many come before these.
    before: u64,
    /// How many these are; at least 1.
    pub repeats: u64,
}

impl Alike {
    /// What each of these has of a total.
    pub fn share_of(self, total: u64) -> u64 {
        total / self.windows + u64::from(self.before < total % self.windows)
    }
}

/// So many windows (at least 1) among which totals are divided as evenly as whole numbers are, those that are alike
/// together: where some total does not divide, the first ones have one more of it.
pub(crate) fn divided(windows: u64, totals: impl IntoIterator<Item = u64>) -> Vec<Alike> {
    let mut ends: Vec<u64> = totals.into_iter().map(|total| total % windows).chain([0, windows]).collect();
    ends.sort_unstable();
    ends.dedup();
    ends.windows(2).map(|ends| Alike { windows, before: ends[0], repeats: ends[1] - ends[0] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_divided_in_full_over_few_kinds_of_windows() {
        // 7 over 5: two have 2, three have 1; 3 over 5: three have 1, two have none; 10 over 5: all have 2.
        let shares = divided(5, [7, 3, 10]).into_iter();
        let shares = shares.map(|alike| (alike.repeats, [7, 3, 10].map(|total| alike.share_of(total))));
        assert_eq!(shares.collect::<Vec<_>>(), [(2, [2, 1, 2]), (1, [1, 1, 2]), (2, [1, 0, 2])]);
        for windows in 1..40 {
            let found = divided(windows, [0, 1, 39, 1000]);
            assert_eq!(found.iter().map(|alike| alike.repeats).sum::<u64>(), windows);
            for total in [0, 1, 39, 1000] {
                let shares = found.iter().map(|alike| alike.repeats * alike.share_of(total));
                assert_eq!(shares.sum::<u64>(), total, "over {windows}");
            }
        }
    }
}
