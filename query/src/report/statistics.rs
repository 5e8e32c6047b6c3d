//! Order statistics over whole numbers and exact rationals: nothing is interpolated and nothing is a float.

use std::collections::BTreeMap;

use paygrain_pricing::Exact;

/// Whole numbers and how often each occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    counts: BTreeMap<i64, u64>,
    total: u64,
}

impl Histogram {
    /// Counts a value some times more.
    pub fn add(&mut self, value: i64, count: u64) {
        if count > 0 {
            *self.counts.entry(value).or_default() += count;
            self.total += count;
        }
    }

    /// How many values.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Values and how often each occurs, in order.
    pub fn entries(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        self.counts.iter().map(|(value, count)| (*value, *count))
    }

    /// The least value.
    pub fn least(&self) -> Option<i64> {
        self.counts.keys().next().copied()
    }

    /// The greatest value.
    pub fn greatest(&self) -> Option<i64> {
        self.counts.keys().next_back().copied()
    }

    /// The percentile by nearest rank.
    pub fn percentile(&self, percent: u64) -> Option<i64> {
        nearest_rank(self.counts.iter().map(|(value, count)| (*value, *count)), self.total, percent)
    }
}

/// The least value that at least so many of a hundred values do not exceed, of sorted values with their counts, which add
/// up to `total`; nothing of nothing.
pub(crate) fn nearest_rank<V>(sorted: impl IntoIterator<Item = (V, u64)>, total: u64, percent: u64) -> Option<V> {
    let rank = (u128::from(total) * u128::from(percent)).div_ceil(100).max(1);
    let mut seen = 0;
    sorted.into_iter().find_map(|(value, count)| {
        seen += u128::from(count);
        (seen >= rank).then_some(value)
    })
}

/// The middle value, or the mean of the two middle ones; nothing of nothing.
pub(crate) fn median(values: &[Exact]) -> Option<Exact> {
    let mut sorted: Vec<&Exact> = values.iter().collect();
    sorted.sort();
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => Some(sorted[middle].clone()),
        _ => (sorted.get(middle.checked_sub(1)?)? as &Exact + sorted[middle]).checked_div(&Exact::from(2)),
    }
}

/// The median of the distances from a value.
pub(crate) fn median_distance(values: &[Exact], from: &Exact) -> Option<Exact> {
    median(&values.iter().map(|value| (value - from).abs()).collect::<Vec<_>>())
}

/// The square root of a whole number in millionths, rounded down.
pub(crate) fn root_in_millionths(number: u64) -> Exact {
    let root = (u128::from(number) * 1_000_000_000_000).isqrt();
    Exact::from(root).checked_div(&Exact::from(1_000_000)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::Random;

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let mut random = Random(1);
        for case in 0..300 {
            let count = 1 + random.below(60) as usize;
            let mut values: Vec<i64> = (0..count).map(|_| random.below(25) as i64).collect();
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.add(*value, 1));
            values.sort_unstable();
            for percent in [1, 50, 95, 99, 100] {
                // The least value v with #(values <= v) * 100 >= percent * n.
                let not_above = |limit: i64| values.iter().filter(|value| **value <= limit).count();
                let expected = values.iter().find(|value| not_above(**value) * 100 >= percent as usize * count);
                assert_eq!(histogram.percentile(percent), expected.copied(), "case {case}, p{percent}: {values:?}");
            }
            assert_eq!((histogram.least(), histogram.greatest()), (values.first().copied(), values.last().copied()));
            assert_eq!(histogram.total(), count as u64);
        }
        assert_eq!(Histogram::default().percentile(50), None);
    }

    #[test]
    fn weights_are_repetitions() {
        let mut weighted = Histogram::default();
        let mut repeated = Histogram::default();
        for (value, count) in [(7, 3), (1, 990), (9, 7), (4, 0)] {
            weighted.add(value, count);
            (0..count).for_each(|_| repeated.add(value, 1));
        }
        assert_eq!(weighted, repeated);
        assert_eq!([50, 99, 100].map(|percent| weighted.percentile(percent)), [Some(1), Some(1), Some(9)]);
    }

    #[test]
    fn medians_are_exact() {
        let numbers = |values: &[i64]| values.iter().map(|value| Exact::from(*value)).collect::<Vec<_>>();
        assert_eq!(median(&numbers(&[3, 1, 2])), Some(Exact::from(2)));
        assert_eq!(median(&numbers(&[4, 1, 2, 3])), Exact::ratio(5, 2));
        assert_eq!(median(&[]), None);
        assert_eq!(median_distance(&numbers(&[1, 1, 2, 10]), &Exact::from(1)), Exact::ratio(1, 2));
        assert_eq!(root_in_millionths(2).to_string(), "1.414213");
        assert_eq!(root_in_millionths(9), 3);
    }
}
