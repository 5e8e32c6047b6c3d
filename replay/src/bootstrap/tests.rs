//! Resamples against closed forms, and integers against exact numbers
use proptest::prelude::*;

use super::*;

fn days(costs: &[i64]) -> Vec<Exact> {
    costs.iter().copied().map(Exact::from).collect()
}

fn run(costs: &[Vec<Exact>], resampling: Resampling) -> Resampled {
    bootstrap(costs, resampling).unwrap()
}

#[test]
fn what_is_cheaper_every_day_always_is() {
    let found = run(&[days(&[5, 6, 7]), days(&[4, 5, 6]), days(&[9, 9, 9])], Resampling::default());
    assert_eq!(found.cheapest_count, [0, 1000, 0]);
    assert_eq!(found.share(1), Some(Exact::one()));
    let closest = found.closest.unwrap();
    assert_eq!((closest.best, closest.second), (1, 0));
    // 1 a day, whichever the days.
    for amount in [closest.difference, closest.low, closest.high] {
        assert_eq!(amount, 3);
    }
}

#[test]
fn one_day_in_five_decides_as_often_as_it_is_not_drawn() {
    // The second costs nothing but 100 on one day of five; the first costs 1 a day. So the second is the cheapest where
    // that day is not drawn: (4/5)^5 = 32.768 %. The difference is 100 k − 5 where it is drawn k times: at most -5 in
    // 32.8 % of resamples, 95 in 73.7 %, 195 in 94.2 %, 295 in 99.3 %.
    let costs = [days(&[1, 1, 1, 1, 1]), days(&[0, 0, 100, 0, 0])];
    let found = run(&costs, Resampling { seed: 7, resamples: 100_000 });
    let share = f64::from(found.cheapest_count[1]) / 100_000.0;
    // Five standard deviations of a share of 100,000.
    assert!((share - 0.32768).abs() < 5.0 * 0.001_484, "{share}");
    assert_eq!(found.cheapest_count[0], 100_000 - found.cheapest_count[1]);
    let closest = found.closest.unwrap();
    assert_eq!((closest.best, closest.second), (0, 1));
    assert_eq!((closest.difference, closest.low, closest.high), (95.into(), Exact::from(-5), 295.into()));
}

#[test]
fn equals_are_both_the_cheapest_and_one_has_no_rival() {
    let found = run(&[days(&[1, 2]), days(&[1, 2])], Resampling::default());
    assert_eq!(found.cheapest_count, [1000, 1000]);
    assert_eq!(found.closest.map(|closest| (closest.best, closest.second, closest.high)), Some((0, 1, 0.into())));
    let alone = run(&[days(&[1, 2])], Resampling { seed: 1, resamples: 10 });
    assert_eq!((alone.cheapest_count, alone.closest), (vec![10], None));
}

#[test]
fn the_bounds_are_differences_that_were_drawn() {
    // One deployment is free, so the difference is what two days of the other cost.
    for seed in 0..20 {
        let single = Resampling { seed, resamples: 1 };
        let closest = run(&[days(&[0, 0]), days(&[1, 10])], single).closest.unwrap();
        assert_eq!(closest.low, closest.high);
        assert!([2, 11, 20].iter().any(|sum| closest.low == *sum), "{}", closest.low);
    }
}

#[test]
fn a_seed_gives_the_same_and_another_gives_others() {
    let costs = [days(&[1, 5, 9, 2, 40]), days(&[11, 12, 13, 11, 10])];
    let of = |seed| run(&costs, Resampling { seed, resamples: 200 });
    assert_eq!(of(3), of(3));
    assert_ne!(of(3), of(4));
}

#[test]
fn days_without_a_counterpart_are_refused() {
    assert_eq!(bootstrap(&[], Resampling::default()), None);
    assert_eq!(bootstrap(&[Vec::new()], Resampling::default()), None);
    assert_eq!(bootstrap(&[days(&[1])], Resampling { seed: 0, resamples: 0 }), None);
    assert_eq!(bootstrap(&[days(&[1, 2]), days(&[1])], Resampling::default()), None);
}

#[test]
fn amounts_that_do_not_fit_in_integers_are_as_exact() {
    let large = Exact::parse("1e59").unwrap();
    let third = Exact::ratio(1, 3).unwrap();
    let costs = [vec![&large + &third, large.clone()], vec![large.clone(), &large + &third]];
    assert_eq!(scaled(&costs, 2), None);
    let closest = run(&costs, Resampling::default()).closest.unwrap();
    // Both days once: equal; one of them twice: two thirds, either way.
    let two_thirds = Exact::ratio(2, 3).unwrap();
    assert_eq!((closest.low, closest.high, closest.difference), (-&two_thirds, two_thirds, Exact::zero()));
    // A sum that would not fit, of days that do.
    let most = Exact::from_integer(i128::MAX / 4);
    assert_eq!(scaled(&[vec![most.clone(); 3]], 3), None);
    assert!(scaled(&[vec![most; 2]], 2).is_some());
}

proptest! {
    #[test]
    fn integers_and_exact_numbers_say_the_same(
        costs in prop::collection::vec(prop::collection::vec((-1000_i128..1000, 1_i128..3600), 5), 1..6),
        seed in any::<u64>(),
        resamples in 1_u32..60,
    ) {
        let ratio = |(numerator, denominator): &(i128, i128)| Exact::ratio(*numerator, *denominator).unwrap();
        let costs: Vec<Vec<Exact>> = costs.iter().map(|days| days.iter().map(ratio).collect()).collect();
        let resampling = Resampling { seed, resamples };
        let exactly = resample(&costs, 5, resampling, Exact::clone);
        prop_assert_eq!(&run(&costs, resampling), &exactly);
        prop_assert!(exactly.cheapest_count.iter().sum::<u32>() >= resamples);
        if let Some(closest) = exactly.closest {
            let total = |deployment: usize| costs[deployment].iter().sum::<Exact>();
            let mut totals: Vec<Exact> = (0..costs.len()).map(total).collect();
            prop_assert_eq!(&closest.difference, &(total(closest.second) - total(closest.best)));
            totals.sort();
            prop_assert_eq!((total(closest.best), total(closest.second)), (totals[0].clone(), totals[1].clone()));
            prop_assert!(closest.low <= closest.high);
        }
    }
}
