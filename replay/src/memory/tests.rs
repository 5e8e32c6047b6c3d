//! Fits that go through known points, bands of one size, and choices by formulas and by hand
use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::workload::MB_PER_VCPU;

const SIZES: [i64; 7] = [128, 256, 512, 1024, 1769, 3008, 10_240];

fn seen(memory_mb: i64, mean_duration_us: i64, count: u64) -> Observation {
    Observation { memory_mb, mean_duration_us, count }
}

fn fit(observations: &[Observation]) -> MemoryFit {
    MemoryFit::of(observations, MB_PER_VCPU).unwrap()
}

fn at(duration_us: i64) -> Band {
    Band { low_us: duration_us, high_us: duration_us }
}

/// The part of each duration that no memory shortens.
fn waiting_us(fit: &MemoryFit) -> Band {
    match &fit.model {
        Model::Fitted { waiting, .. } => at(whole(waiting)),
        Model::OneSize { duration, .. } => Band { low_us: 0, high_us: whole(duration) },
    }
}

/// What memory × time costs, without rounding.
fn by_gb_time(memory_mb: i64, duration_us: i64) -> Result<Option<Exact>, Infallible> {
    Ok(Some(Exact::from(memory_mb) * Exact::from(duration_us)))
}

#[test]
fn two_sizes_tell_waiting_from_work() {
    // 100 ms of waiting and 102.4 s × MB of work: 200 ms at 1,024 MB, 500 ms at 256 MB.
    let fit = fit(&[seen(1024, 200_000, 1), seen(256, 500_000, 1_000_000)]);
    assert!(fit.is_fitted());
    assert_eq!(fit.residual_us(), Some(0));
    assert_eq!(waiting_us(&fit), at(100_000));
    for (memory_mb, duration_us) in [(128, 900_000), (512, 300_000), (1024, 200_000), (256, 500_000)] {
        assert_eq!(fit.duration_us(memory_mb), at(duration_us), "{memory_mb} MB");
    }
    // 102,400,000 / 1769 = 57,885.8; more memory is no faster.
    assert_eq!(fit.duration_us(1769), at(157_886));
    assert_eq!(fit.duration_us(10_240), at(157_886));
    // With two threads it is: 102,400,000 / 3538 = 28,942.9.
    let two = MemoryFit::of(&[seen(1024, 200_000, 1), seen(256, 500_000, 1)], 2 * MB_PER_VCPU).unwrap();
    assert_eq!(two.duration_us(10_240), at(128_943));
}

#[test]
fn neither_waiting_nor_work_is_below_zero() {
    // Slower with more memory: all waiting, the mean is (3 × 100 + 1 × 140) / 4 = 110 ms, 10 and 30 ms away:
    // √((3 × 100 + 900) / 4) = √300 = 17.3 ms.
    let waiting = fit(&[seen(128, 100_000, 3), seen(1024, 140_000, 1)]);
    assert_eq!(waiting.residual_us(), Some(17_321));
    assert_eq!(waiting_us(&waiting), at(110_000));
    assert_eq!(waiting.duration_us(512), Band { low_us: 110_000 - 17_321, high_us: 110_000 + 17_321 });
    // More than in proportion: all work. x = 8 and 1 (per 1,024 MB), y = 1,000 and 60: b = (8,000 + 60) / 65 = 124 ms.
    let work = fit(&[seen(128, 1_000_000, 1), seen(1024, 60_000, 1)]);
    assert_eq!(waiting_us(&work), at(0));
    // 992 and 124 ms are 8 and 64 ms away: √((64 + 4,096) / 2) = 45.6 ms.
    assert_eq!(work.residual_us(), Some(45_608));
    assert_eq!(work.duration_us(128), Band { low_us: 992_000 - 45_608, high_us: 992_000 + 45_608 });
    // The residual is longer than the mean of 10.9 ms.
    assert_eq!(fit(&[seen(128, 1000, 100), seen(1024, 1_000_000, 1)]).duration_us(128).low_us, 0);
}

#[test]
fn one_size_gives_a_band_from_all_work_to_all_waiting() {
    let fit = fit(&[seen(512, 300_000, 2), seen(512, 330_000, 1), seen(2048, 1, 0)]);
    assert!(!fit.is_fitted());
    assert_eq!(fit.residual_us(), None);
    assert_eq!(waiting_us(&fit), Band { low_us: 0, high_us: 310_000 });
    assert_eq!(fit.duration_us(512), at(310_000));
    assert_eq!(fit.duration_us(1024), Band { low_us: 155_000, high_us: 310_000 });
    assert_eq!(fit.duration_us(128), Band { low_us: 310_000, high_us: 1_240_000 });
    assert_eq!(fit.duration_us(10_240), fit.duration_us(1769));
    // A share that is known makes it a fit: 62 ms of work at 512 MB.
    let known = MemoryFit::with_cpu_percent(seen(512, 310_000, 1), 20, MB_PER_VCPU).unwrap();
    assert_eq!(known.duration_us(1024), at(279_000));
}

#[test]
fn sizes_above_the_limit_are_one() {
    let fit = fit(&[seen(2048, 100_000, 1), seen(3008, 110_000, 1)]);
    assert!(!fit.is_fitted());
    assert_eq!(fit.duration_us(10_240), at(105_000));
}

#[test]
fn what_tells_nothing_is_refused() {
    let of = |observations: &[Observation]| MemoryFit::of(observations, MB_PER_VCPU).unwrap_err();
    assert_eq!(of(&[]), MemoryFitError::NoObservations);
    assert_eq!(of(&[seen(128, 5, 0)]), MemoryFitError::NoObservations);
    assert_eq!(of(&[seen(0, 5, 1)]), MemoryFitError::MemoryNotPositive(0));
    assert_eq!(of(&[seen(128, -5, 1)]), MemoryFitError::DurationNegative { memory_mb: 128, duration_us: -5 });
    assert_eq!(MemoryFit::of(&[seen(128, 5, 1)], 0), Err(MemoryFitError::MemoryNotPositive(0)));
    assert!(of(&[]).hint().is_some());
}

#[test]
fn the_cheapest_the_fastest_and_the_balanced_size() {
    // M × d = M·a + b grows with M: the smallest is the cheapest. M × d² is least at M = b / a = 1,024.
    let fit = fit(&[seen(1024, 200_000, 1), seen(256, 500_000, 1)]);
    let found = what_if(&SIZES, &fit, by_gb_time).unwrap();
    assert_eq!((found.cheapest, found.balanced), (vec![128], vec![1024]));
    // 1,769 MB and above are equally fast; the cheapest of them counts.
    assert_eq!(found.fastest, [1769]);
    let row = SizeRow {
        memory_mb: 512,
        duration: at(300_000),
        cost_low: Some(Exact::from(512 * 300_000)),
        cost_high: Some(Exact::from(512 * 300_000)),
    };
    assert_eq!(found.rows[2], row);
    assert_eq!(found.rows.iter().map(|row| row.memory_mb).collect::<Vec<_>>(), SIZES);
}

#[test]
fn one_size_leaves_open_what_the_share_of_work_decides() {
    let found = what_if(&SIZES, &fit(&[seen(512, 300_000, 1)]), by_gb_time).unwrap();
    // All work: every size up to the limit costs the same, and the fastest is chosen; 1,769 MB would take 86,829.85 µs,
    // which is rounded up.
    assert_eq!(found.cheapest, [128, 1024]);
    // All waiting: every size is as fast, and the cheapest of them is chosen.
    assert_eq!(found.fastest, [128, 1769]);
    // M = 512 × share / (1 − share): 57 at 10 %, 128 at 20 %, 219 and 341, 512 at 50 %, 768, 1,195, 2,048 at 80 %.
    assert_eq!(found.balanced, [128, 256, 512, 1024, 1769]);
    assert_eq!(found.rows[3].duration, Band { low_us: 150_000, high_us: 300_000 });
    assert_eq!(found.rows[3].cost_low, Some(Exact::from(1024 * 150_000)));
}

#[test]
fn a_residual_leaves_sizes_open_that_are_close() {
    // At 512 / M = 4, 2 and 1 the best is 110 ms + 200 ms × 512 / M; 10, 30 and 20 ms are left: √(1,400 / 3) = 21.6 ms.
    let fit = fit(&[seen(128, 900_000, 1), seen(256, 540_000, 1), seen(512, 290_000, 1)]);
    assert_eq!((waiting_us(&fit), fit.residual_us()), (at(110_000), Some(21_603)));
    // 223.8, 212.4 and 170.2 ms: the second may be below the third, the first may not.
    let found = what_if(&[900, 1000, 1700], &fit, |_, duration_us| by_gb_time(1, duration_us)).unwrap();
    assert_eq!((found.cheapest, found.fastest), (vec![1000, 1700], vec![1000, 1700]));
    // Where the third is not feasible at its longest, it rules out nothing.
    let limited = |memory_mb, duration_us| match memory_mb == 1700 && duration_us > 180_000 {
        true => Ok(None),
        false => by_gb_time(1, duration_us),
    };
    let found = what_if(&[900, 1000, 1700], &fit, limited).unwrap();
    assert_eq!((found.cheapest, found.fastest), (vec![900, 1000, 1700], vec![900, 1000, 1700]));
    let apart = what_if(&[128, 1700], &fit, |_, duration_us| by_gb_time(1, duration_us)).unwrap();
    assert_eq!((apart.cheapest, apart.fastest, apart.balanced), (vec![1700], vec![1700], vec![1700]));
}

#[test]
fn a_size_that_is_not_feasible_is_not_chosen() {
    let fit = fit(&[seen(1024, 200_000, 1), seen(256, 500_000, 1)]);
    let cost = |memory_mb, duration_us| match duration_us > 600_000 || memory_mb == 1769 {
        true => Ok(None),
        false => by_gb_time(memory_mb, duration_us),
    };
    let found = what_if(&SIZES, &fit, cost).unwrap();
    assert_eq!((found.cheapest, found.fastest, found.balanced), (vec![256], vec![3008], vec![1024]));
    assert_eq!((&found.rows[0].cost_low, found.rows[0].duration), (&None, at(900_000)));
    // Feasible only if most is waiting: it may be chosen, and rules nothing out.
    let one = MemoryFit::of(&[seen(512, 300_000, 1)], MB_PER_VCPU).unwrap();
    let found = what_if(&[128, 512], &one, cost).unwrap();
    assert_eq!((&found.rows[0].cost_low.is_some(), &found.rows[0].cost_high), (&true, &None));
    assert_eq!((found.cheapest, found.fastest), (vec![128, 512], vec![128, 512]));
    let none = what_if(&SIZES, &one, |_, _| Ok::<_, Infallible>(None)).unwrap();
    assert!(none.cheapest.is_empty() && none.fastest.is_empty() && none.balanced.is_empty());
}

#[test]
fn each_cost_is_asked_once() {
    let mut asked = std::collections::HashSet::new();
    let cost = |memory_mb, duration_us| {
        assert!(asked.insert((memory_mb, duration_us)));
        by_gb_time(memory_mb, duration_us)
    };
    what_if(&SIZES, &fit(&[seen(512, 300_000, 1)]), cost).unwrap();
    assert_eq!(what_if(&[128], &fit(&[seen(512, 3, 1)]), |_, _| Err("no price")), Err("no price"));
}

/// The weighted sum of squares of a fit with these parts.
fn squares(observations: &[Observation], waiting: f64, work: f64) -> f64 {
    let square = |one: &Observation| {
        let distance = one.mean_duration_us as f64 - waiting - work / one.memory_mb.min(MB_PER_VCPU) as f64;
        distance * distance * one.count as f64
    };
    observations.iter().map(square).sum()
}

proptest! {
    #[test]
    fn known_parts_are_found_again(waiting in 0_i64..1_000_000, work in 0_i64..1000, counts in prop::collection::vec(1_u64..1_000_000, 4)) {
        // Work in whole microseconds at each of the sizes.
        let sizes = [128, 256, 512, 1024];
        let duration = |memory_mb: i64| waiting + work * 1024 * 1024 / memory_mb;
        let observations: Vec<_> = sizes.iter().zip(&counts).map(|(&size, &count)| seen(size, duration(size), count)).collect();
        let fit = fit(&observations);
        prop_assert_eq!(fit.residual_us(), Some(0));
        prop_assert_eq!(waiting_us(&fit), at(waiting));
        for size in [64, 128, 256, 512, 1024] {
            prop_assert_eq!(fit.duration_us(size), at(duration(size)));
        }
    }

    #[test]
    fn no_other_parts_fit_better(
        durations in prop::collection::vec((128_i64..3000, 1_i64..1_000_000, 1_u64..100), 2..6),
        waiting in 0.0..1_000_000.0_f64,
        work in 0.0..1e9_f64,
    ) {
        let observations: Vec<_> = durations.iter().map(|&(size, duration, count)| seen(size, duration, count)).collect();
        let fit = fit(&observations);
        let Some(residual_us) = fit.residual_us() else { return Ok(()) };
        let count: u64 = observations.iter().map(|one| one.count).sum();
        let least = ((residual_us - 1).max(0) as f64).powi(2) * count as f64;
        prop_assert!(squares(&observations, waiting, work) >= least * (1.0 - 1e-9));
        // Nor do the parts of the fit, moved a little.
        let fitted = waiting_us(&fit).low_us as f64;
        let at = |memory_mb| { let Band { low_us, high_us } = fit.duration_us(memory_mb); low_us.midpoint(high_us) as f64 };
        if fit.duration_us(128).low_us > 0 {
            let work = (at(128) - fitted) * 128.0;
            for (a, b) in [(1.05, 1.0), (0.95, 1.0), (1.0, 1.05), (1.0, 0.95)] {
                prop_assert!(squares(&observations, fitted * a, work * b) >= least * (1.0 - 1e-6));
            }
        }
    }

    #[test]
    fn more_memory_is_never_slower_and_bands_hold_their_ends(
        durations in prop::collection::vec((128_i64..3000, 0_i64..1_000_000, 1_u64..100), 1..5),
        small in 128_i64..10_240,
        more in 0_i64..5000,
    ) {
        let observations: Vec<_> = durations.iter().map(|&(size, duration, count)| seen(size, duration, count)).collect();
        let fit = fit(&observations);
        let (at_small, at_large) = (fit.duration_us(small), fit.duration_us(small + more));
        prop_assert!(at_small.low_us <= at_small.high_us && at_large.low_us <= at_large.high_us);
        prop_assert!(at_large.high_us <= at_small.high_us && at_large.low_us <= at_small.low_us);
        for cpu_percent in [0, 35, 100] {
            if !fit.is_fitted() {
                let inside = fit.supposing(cpu_percent).duration_us(small);
                prop_assert!(at_small.low_us <= inside.low_us && inside.high_us <= at_small.high_us);
            }
        }
    }
}
