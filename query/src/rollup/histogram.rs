//! Counts by class and value.

/// Largest value that is counted by itself; what is larger counts as it.
const VALUE_MAX: u64 = (1 << VALUE_BITS) - 1;
/// 34 years of milliseconds: more than a record can take.
const VALUE_BITS: u32 = 40;
/// Most classes.
pub(crate) const CLASSES_MAX: usize = 1 << (64 - VALUE_BITS);
/// Values that are gathered before they are sorted.
const GATHERED_MAX: usize = 1 << 21;

/// How many records of a class have a value, sorted by class and value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    /// Class and value in one.
    keys: Vec<u64>,
    counts: Vec<u64>,
}

impl Histogram {
    /// From sorted keys and their counts.
    pub fn of(keys: Vec<u64>, counts: Vec<u64>) -> Self {
        debug_assert!(keys.is_sorted_by(|a, b| a < b));
        Self { keys, counts }
    }

    /// Classes with values and counts, sorted.
    pub fn entries(&self) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
        self.keys.iter().zip(&self.counts).map(|(key, count)| {
            let (class, value) = parts(*key);
            (class, value, *count)
        })
    }

    /// Values and counts of a class, sorted.
    pub fn of_class(&self, class: u32) -> impl Iterator<Item = (u64, u64)> + '_ {
        let from = self.keys.partition_point(|found| *found < key(class, 0));
        let to = from + self.keys[from..].partition_point(|found| *found <= key(class, VALUE_MAX));
        (from..to).map(|place| (parts(self.keys[place]).1, self.counts[place]))
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Records of each key.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Both together.
    fn merged(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.pairs().peekable(), other.pairs().peekable());
        summed(std::iter::from_fn(move || match (a.peek(), b.peek()) {
            (Some(one), Some(two)) if one.0 <= two.0 => a.next(),
            (_, Some(_)) => b.next(),
            _ => a.next(),
        }))
    }

    fn pairs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.keys.iter().copied().zip(self.counts.iter().copied())
    }
}

/// Class and value in one.
pub(crate) const fn key(class: u32, value: u64) -> u64 {
    ((class as u64) << VALUE_BITS) | if value > VALUE_MAX { VALUE_MAX } else { value }
}

/// The class and the value of a key.
const fn parts(key: u64) -> (u32, u64) {
    ((key >> VALUE_BITS) as u32, key & VALUE_MAX)
}

/// Equal neighbours as one.
fn summed(sorted: impl Iterator<Item = (u64, u64)>) -> Histogram {
    let mut found = Histogram::default();
    for (key, count) in sorted {
        match (found.keys.last(), found.counts.last_mut()) {
            (Some(last), Some(sum)) if *last == key => *sum += count,
            _ => {
                found.keys.push(key);
                found.counts.push(count);
            }
        }
    }
    found
}

/// A histogram that is being counted.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    /// Keys and counts.
    gathered: Vec<(u64, u64)>,
    counted: Histogram,
}

impl Counting {
    /// Counts records.
    #[inline]
    pub fn add_many(&mut self, class: u32, value: u64, count: u64) {
        if self.gathered.len() >= GATHERED_MAX {
            self.settle();
        }
        self.gathered.push((key(class, value), count));
    }

    /// Counts one record.
    #[inline]
    pub fn add(&mut self, class: u32, value: u64) {
        self.add_many(class, value, 1);
    }

    fn settle(&mut self) {
        self.gathered.sort_unstable();
        let fresh = summed(self.gathered.drain(..));
        self.counted = if self.counted.len() == 0 { fresh } else { self.counted.merged(&fresh) };
    }

    /// What was counted.
    pub fn finish(mut self) -> Histogram {
        self.settle();
        self.counted
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_are_those_of_the_records(
            some in prop::collection::vec((0_u32..4, 0_u64..6), 0..60),
            more in prop::collection::vec((0_u32..4, 0_u64..6), 0..60),
        ) {
            let count = |records: &[(u32, u64)]| {
                let mut counting = Counting::default();
                records.iter().for_each(|(class, value)| counting.add(*class, *value));
                counting.finish()
            };
            let all = count(&some).merged(&count(&more));
            let mut expected: BTreeMap<(u32, u64), u64> = BTreeMap::new();
            for (class, value) in some.iter().chain(&more) {
                *expected.entry((*class, *value)).or_default() += 1;
            }
            let flat = |map: BTreeMap<(u32, u64), u64>| map.into_iter().map(|((class, value), count)| (class, value, count)).collect::<Vec<_>>();
            prop_assert_eq!(all.entries().collect::<Vec<_>>(), flat(expected));
        }
    }
}
