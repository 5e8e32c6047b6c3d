//! Rollups of one day put together, and in order.

use std::collections::HashMap;

use super::histogram::Counting;
use super::seconds::Seconds;
use super::{Histograms, Rollup, Terms};

impl Rollup {
    /// The rollup of everything that some rollups of one day are of; nothing where a part of theirs has gone.
    pub fn merged<'a>(rollups: impl IntoIterator<Item = &'a Rollup>) -> Option<Self> {
        let mut merged = Self::default();
        let mut classes = HashMap::new();
        let mut cells = HashMap::new();
        let (mut durations, mut memory_used) = (Counting::default(), Counting::default());
        let mut seconds = Vec::new();
        for rollup in rollups {
            merged.day = rollup.day;
            merged.files.extend(rollup.files.iter().cloned());
            let places: Vec<usize> = rollup.terms.iter().map(|term| merged.place_or_new(term)).collect();
            let moved = |terms: Terms| {
                let set = places.iter().enumerate().filter(|(own, _)| (terms >> own) & 1 == 1);
                set.fold(0, |moved: Terms, (_, place)| moved | (1 << place))
            };
            for (provider, service, terms) in &rollup.services {
                let same = |(of, name, _): &&mut (String, String, Terms)| of == provider && name == service;
                match merged.services.iter_mut().find(same) {
                    // What was not summed for all is not summed.
                    Some((_, _, known)) => *known &= moved(*terms),
                    None => merged.services.push((provider.clone(), service.clone(), moved(*terms))),
                }
            }
            let mut numbers = Vec::with_capacity(rollup.classes.len());
            for (class, (known, absent)) in rollup.classes.iter().zip(rollup.known.iter().zip(&rollup.absent)) {
                let number = *classes.entry(class).or_insert_with(|| {
                    merged.classes.push(class.clone());
                    merged.known.push(Terms::MAX);
                    merged.absent.push(Terms::MAX);
                    merged.classes.len() - 1
                });
                // A term that one has of a class and another has not is not known of both.
                merged.known[number] &= moved(*known);
                merged.absent[number] &= moved(*absent);
                numbers.push(u32::try_from(number).unwrap_or(u32::MAX));
            }
            for cell in 0..rollup.counts.len() {
                let class = numbers[rollup.cell_classes[cell] as usize];
                let place = *cells.entry((class, rollup.hours[cell])).or_insert_with(|| {
                    merged.cell_classes.push(class);
                    merged.hours.push(rollup.hours[cell]);
                    merged.counts.push(0);
                    merged.sums.iter_mut().for_each(|sums| sums.push(0));
                    merged.counts.len() - 1
                });
                merged.counts[place] += rollup.counts[cell];
                for (own, term) in places.iter().enumerate() {
                    match merged.sums[*term][place].checked_add(rollup.sum(own, cell)) {
                        Some(sum) => merged.sums[*term][place] = sum,
                        None => merged.known[class as usize] &= !(1 << term),
                    }
                }
            }
            merged.last_end_us = merged.last_end_us.max(rollup.last_end_us);
            let found = rollup.histograms()?;
            for (histogram, merged) in [(&found.durations, &mut durations), (&found.memory_used, &mut memory_used)] {
                for (class, value, count) in histogram.entries() {
                    merged.add_many(numbers[class as usize], value, count);
                }
            }
            seconds.push((rollup.seconds()?, rollup.class_seconds()?, numbers));
        }
        let seconds = Seconds::merged(&seconds, merged.classes.len());
        (merged.seconds, merged.class_seconds) = (seconds.all.into(), seconds.classes.into());
        let (durations, memory_used) = (durations.finish(), memory_used.finish());
        merged.histograms = Histograms { durations, memory_used }.into();
        merged.services.sort();
        Some(merged.sorted())
    }

    /// Where a term is summed; a new one is summed from now on.
    fn place_or_new(&mut self, term: &str) -> usize {
        self.place_of(term).unwrap_or_else(|| {
            self.terms.push(term.to_owned());
            self.sums.push(vec![0; self.counts.len()]);
            self.terms.len() - 1
        })
    }

    /// The same with its cells by class and hour.
    pub fn sorted(mut self) -> Self {
        let mut order: Vec<usize> = (0..self.counts.len()).collect();
        order.sort_unstable_by_key(|cell| (self.cell_classes[*cell], self.hours[*cell]));
        self.cell_classes = order.iter().map(|cell| self.cell_classes[*cell]).collect();
        self.hours = order.iter().map(|cell| self.hours[*cell]).collect();
        self.counts = order.iter().map(|cell| self.counts[*cell]).collect();
        for sums in &mut self.sums {
            *sums = order.iter().map(|cell| sums[*cell]).collect();
        }
        self.without_zeros()
    }

    /// The same without the sums of terms that are 0 everywhere.
    pub fn without_zeros(mut self) -> Self {
        for sums in self.sums.iter_mut().filter(|sums| sums.iter().all(|sum| *sum == 0)) {
            *sums = Vec::new();
        }
        self
    }
}
