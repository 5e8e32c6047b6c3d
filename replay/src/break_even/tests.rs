//! Crossings against formulas, intervals worked by hand, and a look at every place
use std::{collections::HashSet, convert::Infallible};

use proptest::prelude::*;

use super::*;

/// Evaluations that a search may take where it is not to be cut short.
const EVALUATIONS_MAX: usize = 10_000;

fn exact(text: &str) -> Exact {
    Exact::parse(text).unwrap()
}

fn times(unit: &str, count: i64) -> Exact {
    exact(unit) * Exact::from(count)
}

/// `⌈count / capacity⌉` machines at a price each, at least one.
fn machines(price: &str, capacity: i64, count: i64) -> Exact {
    times(price, ((count + capacity - 1) / capacity).max(1))
}

type Curve = Box<dyn Fn(i64) -> Option<Exact>>;

/// The intervals with how many evaluations they took; every curve is asked once for a place.
fn search(axis: RangeInclusive<i64>, hints: &[i64], limit: usize, curves: &[Curve]) -> (Vec<Interval>, usize) {
    let mut asked = HashSet::new();
    let cost = |curve: usize, at| {
        assert!(asked.insert((curve, at)), "curve {curve} was asked twice at {at}");
        Ok::<_, Infallible>(curves[curve](at))
    };
    let intervals = cheapest_intervals(axis, curves.len(), hints, limit, cost).unwrap();
    (intervals, asked.len())
}

/// From, to and the cheapest of settled intervals.
fn settled(intervals: &[Interval]) -> Vec<(i64, i64, &[usize])> {
    assert!(intervals.iter().all(|interval| !interval.uncertain), "{intervals:?}");
    intervals.iter().map(|interval| (interval.from, interval.to, &interval.cheapest[..])).collect()
}

fn cheapest_at(curves: &[Curve], at: i64) -> Vec<usize> {
    let costs: Vec<Option<Exact>> = curves.iter().map(|curve| curve(at)).collect();
    let least = costs.iter().flatten().min();
    (0..curves.len()).filter(|&curve| least.is_some() && costs[curve].as_ref() == least).collect()
}

/// The intervals by a look at every place.
fn everywhere(axis: RangeInclusive<i64>, curves: &[Curve]) -> Vec<Interval> {
    let one = |at| Interval { from: at, to: at, cheapest: cheapest_at(curves, at), uncertain: false };
    joined(axis.map(one).collect())
}

/// $0.20 a million requests and $0.0000166667 a GB-second, 512 MB for 200 ms.
const REQUEST: &str = "0.00000186667";

#[test]
fn a_virtual_machine_is_cheaper_from_6_19_requests_a_second() {
    let per_request = exact("0.0000002") + exact("0.0000166667") * exact("0.5") * exact("0.2");
    assert_eq!(per_request, exact(REQUEST));
    // Requests an hour against $0.0416 an hour; 24 requests a second fit in one machine, 86,400 an hour.
    let curves: [Curve; 2] = [
        Box::new(|requests| Some(times(REQUEST, requests))),
        Box::new(|requests| Some(machines("0.0416", 86_400, requests))),
    ];
    let (intervals, evaluations) = search(0..=1_000_000, &[], EVALUATIONS_MAX, &curves);
    assert_eq!(settled(&intervals), [(0, 22_285, &[0][..]), (22_286, 1_000_000, &[1])]);
    assert_eq!(Exact::ratio(22_286, 3600).unwrap().round_half_up(2), "6.19");
    assert!(evaluations <= 60, "{evaluations}");
}

#[test]
fn free_allowances_move_the_crossing_by_what_they_are_worth() {
    // 1,000,000 requests and 400,000 GB-seconds are free, by which N* = (C_vm + p_r·F_r + p_g·F_g) / f = 20,259,113.8.
    let faas = |requests: i64| {
        let requests_charged = (requests - 1_000_000).max(0);
        let gb_seconds = (exact("0.1") * Exact::from(requests) - exact("400000")).max(Exact::zero());
        Some(times("0.0000002", requests_charged) + gb_seconds * exact("0.0000166667"))
    };
    let curves: [Curve; 2] =
        [Box::new(faas), Box::new(|requests| Some(machines("30.9504", 24 * 3600 * 24 * 31, requests)))];
    let (intervals, evaluations) = search(0..=1_000_000_000, &[1_000_000, 4_000_000], EVALUATIONS_MAX, &curves);
    assert_eq!(settled(&intervals), [(0, 20_259_113, &[0][..]), (20_259_114, 1_000_000_000, &[1])]);
    assert!(evaluations <= 120, "{evaluations}");
}

#[test]
fn stairs_cross_a_line_once_a_step() {
    // A request is 1. At 11 for a machine of 10 requests the line is always below.
    let dear: [Curve; 2] = [Box::new(|at| Some(at.into())), Box::new(|at| Some(machines("11", 10, at)))];
    assert_eq!(settled(&search(0..=100_000, &[], EVALUATIONS_MAX, &dear).0), [(0, 100_000, &[0][..])]);
    // At 9, k machines cost 9k: equal at 9k requests, cheaper to 10k, where the next one comes; the 10th comes at 91
    // requests, which is beyond its 90 already.
    let cheap: [Curve; 2] = [Box::new(|at| Some(at.into())), Box::new(|at| Some(machines("9", 10, at)))];
    let (intervals, evaluations) = search(0..=100_000, &[], EVALUATIONS_MAX, &cheap);
    let mut expected: Vec<(i64, i64, &[usize])> = vec![(0, 8, &[0])];
    for k in 1..=8 {
        expected.extend([(9 * k, 9 * k, &[0, 1][..]), (9 * k + 1, 10 * k, &[1]), (10 * k + 1, 9 * k + 8, &[0])]);
    }
    expected.extend([(81, 81, &[0, 1][..]), (82, 100_000, &[1])]);
    // At 8 machines, 80 requests are followed by 81.
    expected.retain(|(from, to, _)| from <= to);
    assert_eq!(settled(&intervals), expected);
    assert!(evaluations <= 350, "{evaluations}");
}

#[test]
fn parallel_curves_do_not_cross() {
    let curves: [Curve; 2] = [Box::new(|at| Some((3 * at + 1000).into())), Box::new(|at| Some((3 * at + 990).into()))];
    assert_eq!(settled(&search(1..=1000, &[], EVALUATIONS_MAX, &curves).0), [(1, 1000, &[1][..])]);
}

#[test]
fn identical_curves_are_equal_and_not_proven_so_unless_every_place_is_looked_at() {
    let curve = |at: i64| Some(Exact::from(7 * at));
    let curves: [Curve; 2] = [Box::new(curve), Box::new(curve)];
    let (intervals, evaluations) = search(1..=1_000_000_000, &[], EVALUATIONS_MAX, &curves);
    assert_eq!(intervals, [Interval { from: 1, to: 1_000_000_000, cheapest: vec![0, 1], uncertain: true }]);
    assert!(evaluations <= EVALUATIONS_MAX / 8, "{evaluations}");
    assert_eq!(settled(&search(1..=500, &[], usize::MAX, &curves).0), [(1, 500, &[0, 1][..])]);
    // Flat ones are proven at once, and a third crosses them exactly.
    let flat: [Curve; 3] =
        [Box::new(|_| Some(70.into())), Box::new(|_| Some(70.into())), Box::new(|at| Some(at.into()))];
    let (intervals, evaluations) = search(1..=1_000_000_000, &[], EVALUATIONS_MAX, &flat);
    let expected = [(1, 69, &[2][..]), (70, 70, &[0, 1, 2]), (71, 1_000_000_000, &[0, 1])];
    assert_eq!(settled(&intervals), expected);
    assert!(evaluations <= 70, "{evaluations}");
    // Beside identical curves that rise, other crossings are still found to the integer.
    let beside: [Curve; 3] = [Box::new(curve), Box::new(curve), Box::new(|_| Some(700_000_003.into()))];
    let (intervals, _) = search(1..=1_000_000_000, &[], EVALUATIONS_MAX, &beside);
    let expected = [(1, 100_000_000, vec![0, 1], true), (100_000_001, 1_000_000_000, vec![2], false)];
    let found = intervals.into_iter().map(|found| (found.from, found.to, found.cheapest, found.uncertain));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_left_open_is_in_few_intervals() {
    // So close that a proof takes more evaluations than there may be. Where they are seen to cross is settled all the
    // same: both cost 100,100 there.
    let curves: [Curve; 2] =
        [Box::new(|at| Some((1000 * at).into())), Box::new(|at| Some((1001 * (at - 100).max(0)).into()))];
    let (intervals, evaluations) = search(50..=1_000_000_000, &[100], 400, &curves);
    let found: Vec<_> = intervals.iter().map(|found| (&found.cheapest[..], found.uncertain)).collect();
    let either = (&[0, 1][..], true);
    let expected = [(&[1][..], false), either, (&[1], false), (&[0, 1], false), (&[0], false), either];
    assert_eq!(found, expected, "{intervals:?}");
    assert_eq!((intervals[3].from, intervals[3].to), (100_100, 100_100));
    assert!(evaluations <= 400, "{evaluations}");
}

#[test]
fn where_a_curve_is_not_feasible_others_are_the_cheapest() {
    // A function may run 900 s, a task starts at 5,000 s and ends by 6,000 s.
    let curves: [Curve; 2] = [
        Box::new(|at| (at <= 900_000).then(|| at.into())),
        Box::new(|at| (5_000_000..=6_000_000).contains(&at).then(|| 1_000_000.into())),
    ];
    let (intervals, evaluations) = search(1..=10_000_000, &[5_500_000], EVALUATIONS_MAX, &curves);
    let expected =
        [(1, 900_000, &[0][..]), (900_001, 4_999_999, &[]), (5_000_000, 6_000_000, &[1]), (6_000_001, 10_000_000, &[])];
    assert_eq!(settled(&intervals), expected);
    assert!(evaluations <= 150, "{evaluations}");
    // One that falls may be the cheapest shortly before it ends.
    let falling: [Curve; 2] = [Box::new(|at| (at <= 900).then(|| (1000 - at).into())), Box::new(|_| Some(200.into()))];
    let (intervals, _) = search(1..=1000, &[], EVALUATIONS_MAX, &falling);
    let expected = [(1, 799, &[1][..]), (800, 800, &[0, 1]), (801, 900, &[0]), (901, 1000, &[1])];
    assert_eq!(settled(&intervals), expected);
    assert_eq!(settled(&search(3..=9, &[], 100, &[]).0), [(3, 9, &[][..])]);
    #[expect(clippy::reversed_empty_ranges)]
    let empty = search(9..=3, &[], 100, &curves).0;
    assert_eq!(empty, []);
}

#[test]
fn a_price_for_all_units_that_drops_is_found_by_its_hints() {
    // 10 a unit below 1,000 units, 8 from there on, against 9 a unit.
    let price = |at: i64| if at < 1000 { 10 } else { 8 };
    let curves: [Curve; 2] = [Box::new(move |at| Some((at * price(at)).into())), Box::new(|at| Some((at * 9).into()))];
    let (intervals, evaluations) = search(1..=4000, &[999, 1000], EVALUATIONS_MAX, &curves);
    assert_eq!(settled(&intervals), [(1, 999, &[1][..]), (1000, 4000, &[0])]);
    // A drop between hints is no sign of turns beyond them.
    assert!(evaluations <= 200, "{evaluations}");
}

#[test]
fn a_valley_that_shows_is_searched_without_hints() {
    // (at − 300)² is below 2,000 from 256 to 344: one of 1, 8, 64, 512 and 1,000 stands out, the rest is found.
    let curves: [Curve; 2] = [Box::new(|at| Some(((at - 300) * (at - 300)).into())), Box::new(|_| Some(exact("2000")))];
    let (intervals, evaluations) = search(1..=1000, &[], EVALUATIONS_MAX, &curves);
    assert_eq!(settled(&intervals), [(1, 255, &[1][..]), (256, 344, &[0]), (345, 1000, &[1])]);
    assert!(evaluations <= 100, "{evaluations}");
}

#[test]
fn either_of_two_curves_both_or_none_are_the_cheapest() {
    let curves: [Curve; 2] = [
        Box::new(|at| (at <= 4).then(|| at.into())),
        Box::new(|at| (at <= 7).then(|| Exact::from(at).max(Exact::zero()))),
    ];
    let expected = [(-10, -1, &[0][..]), (0, 4, &[0, 1]), (5, 7, &[1]), (8, 10, &[])];
    assert_eq!(settled(&search(-10..=10, &[], EVALUATIONS_MAX, &curves).0), expected);
}

#[test]
fn an_error_of_a_cost_ends_the_search() {
    let cost = |_, at| if at == 64 { Err("no price") } else { Ok(Some(Exact::one())) };
    assert_eq!(cheapest_intervals(1..=100, 1, &[], EVALUATIONS_MAX, cost), Err("no price"));
}

#[test]
fn the_ends_of_the_axis_may_be_the_ends_of_the_numbers() {
    let curves: [Curve; 2] = [Box::new(|at| Some(at.into())), Box::new(|_| Some(12_345.into()))];
    let (intervals, evaluations) = search(i64::MIN..=i64::MAX, &[], EVALUATIONS_MAX, &curves);
    let expected = [(i64::MIN, 12_344, &[0][..]), (12_345, 12_345, &[0, 1]), (12_346, i64::MAX, &[1])];
    assert_eq!(settled(&intervals), expected);
    assert!(evaluations <= 250, "{evaluations}");
}

#[test]
fn sixty_deployments_over_a_thousand_million_runs_take_few_evaluations() {
    // Machines of sizes from cheap and small to dear and large, among functions of several prices.
    let curves: Vec<Curve> = (1..=60)
        .map(|number: i64| -> Curve {
            match number % 3 {
                0 => Box::new(move |at| Some(times("0.0000002", at * number))),
                _ => Box::new(move |at| Some(machines("7.3", 40_000_000 * number, at) * Exact::from(number + 3))),
            }
        })
        .collect();
    let (intervals, evaluations) = search(1..=1_000_000_000, &[], EVALUATIONS_MAX, &curves);
    for interval in &intervals {
        for at in [interval.from, i64::midpoint(interval.from, interval.to), interval.to] {
            assert_eq!(interval.cheapest, cheapest_at(&curves, at), "at {at}");
        }
    }
    assert!(intervals.iter().all(|interval| !interval.uncertain) && intervals.len() > 3, "{intervals:?}");
    assert!(evaluations <= 2000, "{evaluations} for {} intervals", intervals.len());
}

/// A curve that never falls, or its mirror image: a start, a rise each place, steps, and up to where it is feasible.
#[derive(Clone, Debug)]
struct Stairs {
    start: i64,
    rise: i64,
    steps: Vec<(i64, i64)>,
    limit: Option<i64>,
    mirrored: bool,
}

const LAST: i64 = 600;

impl Stairs {
    fn curves(all: Vec<Self>) -> Vec<Curve> {
        all.into_iter().map(|stairs| -> Curve { Box::new(move |at| stairs.at(at)) }).collect()
    }

    fn at(&self, at: i64) -> Option<Exact> {
        let at = if self.mirrored { LAST - at } else { at };
        let climbed: i64 = self.steps.iter().filter(|(from, _)| *from <= at).map(|(_, height)| height).sum();
        self.limit.is_none_or(|limit| at <= limit).then(|| (self.start + self.rise * at + climbed).into())
    }
}

fn stairs(mirrored: impl Strategy<Value = bool>) -> impl Strategy<Value = Stairs> {
    let steps = prop::collection::vec((0..LAST, 0_i64..60), 0..6);
    (0_i64..200, 0_i64..4, steps, prop::option::of(0..LAST), mirrored)
        .prop_map(|(start, rise, steps, limit, mirrored)| Stairs { start, rise, steps, limit, mirrored })
}

proptest! {
    #[test]
    fn stairs_give_the_same_as_a_look_at_every_place(all in prop::collection::vec(stairs(any::<bool>()), 1..6)) {
        let curves = Stairs::curves(all);
        let (intervals, _) = search(0..=LAST, &[], usize::MAX, &curves);
        prop_assert_eq!(intervals, everywhere(0..=LAST, &curves));
    }

    #[test]
    fn a_search_cut_short_says_nothing_false(
        all in prop::collection::vec(stairs(any::<bool>()), 1..6),
        limit in 0_usize..200,
    ) {
        let curves = Stairs::curves(all);
        let (intervals, evaluations) = search(0..=LAST, &[], limit, &curves);
        let mut next = 0;
        for interval in intervals {
            prop_assert_eq!(interval.from, next);
            next = interval.to + 1;
            for at in interval.from..=interval.to {
                let cheapest = cheapest_at(&curves, at);
                match interval.uncertain {
                    true => prop_assert!(is_subset(&cheapest, &interval.cheapest)),
                    false => prop_assert_eq!(&cheapest, &interval.cheapest),
                }
            }
        }
        prop_assert_eq!(next, LAST + 1);
        // Always looked at: 0, 1, 8, 64, 512 and 600.
        prop_assert!(evaluations <= limit.max(6 * curves.len()), "{} evaluations", evaluations);
    }
}
