//! Arrivals: exact counts, the shapes of a day, and the same for the same seed
use rand::SeedableRng;

use super::*;

const START_US: i64 = 1_790_812_800_000_000; // 2026-10-01

const PEAK_HOUR: usize = 14;

fn arrivals(days: i64, count: u64, pattern: Pattern) -> Arrivals {
    Arrivals { range: START_US..START_US + days * DAY_US, source: Source::Rate { count, pattern } }
}

fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

#[test]
fn steady_arrivals_are_equally_far_apart() {
    let all = arrivals(1, 86_400, Pattern::Steady).all(&mut random(0));
    let expected = (0..86_400).map(|second| START_US + second * 1_000_000);
    assert!(all.iter().map(|arrival| arrival.start_us).eq(expected));
}

#[test]
fn pieces_of_any_length_have_every_arrival_once() {
    let range = START_US..START_US + 10 * DAY_US;
    let mut cuts: Vec<i64> = (0..500).map(|_| random(3).random_range(range.clone())).collect();
    cuts.extend([range.start, range.end]);
    cuts.sort_unstable();
    let pieces: Vec<Range<i64>> = cuts.windows(2).map(|cut| cut[0]..cut[1]).collect();
    for pattern in [Pattern::Steady, Pattern::diurnal(3.5, 20), Pattern::Burst(7)] {
        for count in [1, 6, 7, 1000, 123_456_789_012] {
            let batches = arrivals(10, count, pattern.clone()).batches(&pieces, &mut random(1));
            assert_eq!(batches.iter().flatten().map(Batch::run_count).sum::<u64>(), count, "{pattern:?}");
        }
    }
}

#[test]
fn a_day_has_its_busiest_hour_and_its_factor() {
    for factor in [1.0, 1.5, 2.0, 2.001, 3.0, 8.0, 20.0] {
        let Pattern::Diurnal(weights) = Pattern::diurnal(factor, PEAK_HOUR) else { panic!() };
        let sum: u64 = weights.iter().sum();
        let found = weights[PEAK_HOUR] as f64 * 24.0 / sum as f64;
        assert!((found - factor).abs() < 0.001, "{factor}: {found}");
        assert_eq!(weights.iter().max(), Some(&weights[PEAK_HOUR]));
        assert_eq!(weights.iter().min(), Some(&weights[(PEAK_HOUR + 12) % 24]));
    }
    let all = arrivals(10, 240_000, Pattern::diurnal(2.0, PEAK_HOUR)).all(&mut random(1));
    assert_eq!(all.len(), 240_000);
    let mut hours = [0; 24];
    all.iter().for_each(|arrival| hours[hour_of_day(arrival.start_us)] += 1);
    assert_eq!((hours[14], hours[8], hours[2]), (20_000, 10_000, 0));
    assert!(all.is_sorted());
}

#[test]
fn random_arrivals_have_the_gaps_of_a_poisson_process() {
    let all = arrivals(10, 100_000, Pattern::Poisson).all(&mut random(4));
    let count = all.len() as f64;
    assert!((count - 100_000.0).abs() < 4.0 * 100_000_f64.sqrt(), "{count}");
    let mean_us = 10.0 * DAY_US as f64 / count;
    // Of gaps that are exponential e⁻¹ are longer than the mean, and e⁻³ longer than three times it.
    for times in [1.0, 3.0] {
        let longer = all.windows(2).filter(|two| (two[1].start_us - two[0].start_us) as f64 > times * mean_us).count();
        let expected = (-times).exp();
        let error = 4.0 * (expected * (1.0 - expected) / count).sqrt();
        assert!((longer as f64 / count - expected).abs() < error, "{times}: {longer}");
    }
}

#[test]
fn random_arrivals_are_drawn_for_pieces_by_their_length() {
    let range = START_US..START_US + 10 * DAY_US;
    let pieces = [range.start..range.start + DAY_US, range.start + DAY_US..range.end];
    let of = |seed| {
        let drawn = arrivals(10, 1_000_000, Pattern::Poisson).batches(&pieces, &mut random(seed));
        drawn.iter().map(|batches| batches[0].count).collect::<Vec<_>>()
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    for (seed, counts) in (0..20).map(|seed| (seed, of(seed))) {
        let near = |count: u64, mean: f64| (count as f64 - mean).abs() < 5.0 * mean.sqrt();
        assert!(near(counts[0], 100_000.0) && near(counts[1], 900_000.0), "{seed}: {counts:?}");
    }
}
