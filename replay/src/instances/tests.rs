//! Cases worked by hand, a simulation tick by tick, and the share of cold starts that theory has
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const ALONE: KeepAlive = KeepAlive { concurrency: 1, tail_us: 10, start_us: 0, minimum: 0, limit: None };

fn spans(of: &[(i64, i64)]) -> Vec<Span> {
    of.iter().map(|(start_us, end_us)| Span { start_us: *start_us, end_us: *end_us, pool: 0 }).collect()
}

fn window(start_us: i64, end_us: i64, repeats: u64, spans: &[Span]) -> SpanWindow<'_> {
    SpanWindow { start_us, end_us, repeats, items: spans }
}

fn use_of(of: &[(i64, i64)], rule: &KeepAlive) -> InstanceUse {
    replay_on_request(&[window(0, 100, 1, &spans(of))], rule)
}

#[test]
fn a_gap_longer_than_the_tail_is_a_cold_start() {
    // Busy 0-5, idle 5-15 (reused at the instant the tail is over), busy 15-20, idle 20-30 and gone; cold again at 31:
    // busy 31-40, idle 40-50.
    let used = use_of(&[(0, 5), (15, 20), (31, 40)], &ALONE);
    assert_eq!((used.cold_count, used.run_count), (2, 3));
    assert_eq!((used.busy_us, used.idle_us), (19, 30));
    assert_eq!((used.peak_instances, used.peak_concurrency, used.period_us), (1, 1, 100));
    // 49 of 100 microseconds.
    assert_eq!(used.mean_instances_milli(), Some(490));
}

#[test]
fn the_instance_used_last_serves_and_the_other_goes() {
    // Two at once, then one at a time every 8: the one that ended at 6 serves them all, the one of 5 goes at 15.
    // Busy 5 + 6 + 2 + 2 + 2 = 17. Idle: 5-15 = 10; 6-8, 10-16, 18-24 = 14, and 26-36 = 10.
    let used = use_of(&[(0, 5), (0, 6), (8, 10), (16, 18), (24, 26)], &ALONE);
    assert_eq!((used.cold_count, used.peak_instances, used.busy_us, used.idle_us), (2, 2, 17, 34));
}

#[test]
fn a_cold_execution_keeps_its_instance_while_it_starts() {
    // Cold at 0: starts until 3, executes until 8. At 7 there is no free place: a second one, cold, until 12. At 9 the
    // first serves until 11, and at 10 a third has to start: until 14.
    let used = use_of(&[(0, 5), (7, 9), (9, 11), (10, 11)], &KeepAlive { start_us: 3, ..ALONE });
    assert_eq!((used.cold_count, used.waited_count, used.wait_us), (3, 3, 9));
    // 8 + 5 + 2 + 4 busy. Idle: 8-9, then 10 after each of the ends at 12, 11 and 14.
    assert_eq!((used.busy_us, used.idle_us), (19, 31));
    assert_eq!((used.peak_instances, used.peak_concurrency), (3, 3));
}

#[test]
fn places_are_shared_and_joining_a_start_waits_for_the_rest_of_it() {
    // Places for two; a start takes 4. At 0 cold until 4, executes 4-6. At 1 joins: waits 3, executes 4-14. At 2 full:
    // a second one, cold, 2-6, executes 6-7. At 8 the first has a place (its latest came at 1), the second idles.
    let rule = KeepAlive { concurrency: 2, start_us: 4, tail_us: 5, ..ALONE };
    let used = use_of(&[(0, 2), (1, 11), (2, 3), (8, 9)], &rule);
    assert_eq!((used.cold_count, used.waited_count, used.wait_us), (2, 3, 4 + 3 + 4));
    // Busy 0-14 and 2-7; idle 7-12 and 14-19.
    assert_eq!((used.busy_us, used.idle_us, used.peak_instances, used.peak_concurrency), (19, 10, 2, 3));
}

#[test]
fn the_minimum_is_never_cold_and_up_to_the_end() {
    // One always up 0-100, busy 20-30 and 60-70; at 25 a second starts cold, until 27, and goes at 37.
    let used = use_of(&[(20, 30), (25, 27), (60, 70)], &KeepAlive { minimum: 1, ..ALONE });
    assert_eq!((used.cold_count, used.peak_instances), (1, 2));
    assert_eq!(used.busy_us, 10 + 2 + 10);
    assert_eq!(used.up_us(), 100 + 12);
    // Busy over the end: the tail runs out, 105-115.
    let used = use_of(&[(90, 105)], &KeepAlive { minimum: 1, ..ALONE });
    assert_eq!((used.cold_count, used.busy_us, used.up_us()), (0, 15, 115));
    // Every pool has its own, also where it has nothing to do for a whole window.
    let one = [Span { start_us: 0, end_us: 1, pool: 7 }];
    let other = [Span { start_us: 60, end_us: 61, pool: 3 }];
    let windows = [window(0, 50, 2, &one), window(50, 100, 3, &other)];
    let used = replay_on_request(&windows, &KeepAlive { minimum: 2, ..ALONE });
    assert_eq!((used.up_us(), used.peak_instances, used.cold_count), (4 * 50 * 5, 4, 0));
}

#[test]
fn executions_beyond_the_limit_are_refused() {
    // Two at once over all pools: the third at 2 and the fourth at 3 are refused, the one at 5 is not.
    let mut runs = spans(&[(0, 5), (1, 9), (2, 3), (3, 4), (5, 6)]);
    runs[1].pool = 1;
    let used = replay_on_request(&[window(0, 100, 1, &runs)], &KeepAlive { limit: Some(2), ..ALONE });
    assert_eq!((used.run_count, used.throttled_count, used.cold_count, used.peak_concurrency), (5, 2, 2, 2));
}

#[test]
fn a_window_that_repeats_is_cold_only_where_every_repetition_is() {
    // Every 100: busy 10-20 and 15-25, tail 50. After 25 nothing until 110: both cold each time, and idle 50 each.
    let runs = spans(&[(10, 20), (15, 25)]);
    let used = replay_on_request(&[window(0, 100, 30, &runs)], &KeepAlive { tail_us: 50, ..ALONE });
    assert_eq!((used.cold_count, used.busy_us, used.idle_us), (60, 600, 3000));
    assert_eq!(used.mean_instances_milli(), Some(1200));
    // At 110 the one that ended at 25 serves, at 115 the one that ended at 20: with a tail of 95 neither ever goes.
    let used = replay_on_request(&[window(0, 100, 30, &runs)], &KeepAlive { tail_us: 95, ..ALONE });
    assert_eq!((used.cold_count, used.busy_us, used.idle_us), (0, 600, 5400));
    // One microsecond less, and the other is gone at 114: of each pass one is cold, and idles 20-114 without use.
    let used = replay_on_request(&[window(0, 100, 30, &runs)], &KeepAlive { tail_us: 94, ..ALONE });
    assert_eq!((used.cold_count, used.busy_us, used.idle_us), (30, 600, (94 + 85) * 30));
    // Executions of four and a half windows: 4 or 5 at once, none cold.
    let used = replay_on_request(&[window(0, 100, 10, &spans(&[(0, 450)]))], &ALONE);
    assert_eq!((used.cold_count, used.busy_us, used.peak_concurrency), (10, 4500, 5));
    let used = replay_on_request(&[window(0, 100, 10, &spans(&[(0, 450)]))], &KeepAlive { tail_us: 50, ..ALONE });
    assert_eq!((used.cold_count, used.idle_us), (0, 500));
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(replay_on_request(&[], &ALONE), InstanceUse::default());
    assert_eq!(InstanceUse::default().mean_instances_milli(), None);
    let used = use_of(&[], &KeepAlive { minimum: 3, ..ALONE });
    // No pool is known, so none has a minimum.
    assert_eq!(used, InstanceUse { period_us: 100, ..InstanceUse::default() });
    let for_ever = use_of(&[(0, 0), (90, 95)], &KeepAlive { tail_us: i64::MAX, ..ALONE });
    assert_eq!((for_ever.cold_count, for_ever.busy_us, for_ever.peak_concurrency), (1, 5, 1));
}

/// An instance of the simulation.
struct Simulated {
    pool: u32,
    /// When each of its executions came and ends.
    runs: Vec<(i64, i64)>,
    ready: i64,
    last_end: i64,
    /// How many busy intervals of any instance began before its latest one.
    order: usize,
}

impl Simulated {
    fn in_flight(&self, tick: i64) -> u64 {
        self.runs.iter().filter(|(_, end)| tick < *end).count() as u64
    }
}

/// The same by looking at every instance at every tick: what they do in each `piece` of time.
fn simulate(runs: &[Span], end: i64, pools: u32, rule: &KeepAlive, piece: i64) -> Vec<InstanceUse> {
    let (mut pieces, mut used) = (Vec::new(), InstanceUse::default());
    let new = |pool, ready, order| Simulated { pool, runs: Vec::new(), ready, last_end: i64::MIN, order };
    let mut up: Vec<Simulated> = Vec::new();
    for pool in (0..pools).filter(|pool| runs.iter().any(|run| run.pool == *pool)) {
        up.extend((0..rule.minimum).map(|_| new(pool, 0, 0)));
    }
    let used_pools: Vec<u32> = (0..pools).filter(|pool| runs.iter().any(|run| run.pool == *pool)).collect();
    let mut orders = 0;
    for tick in 0..end + 400 {
        let minimum = if tick < end { rule.minimum } else { 0 };
        let is_over = |one: &Simulated, by: i64| {
            one.in_flight(tick) == 0 && one.last_end.saturating_add(rule.tail_us).saturating_add(by) <= tick
        };
        for pool in &used_pools {
            // Those that idle longest go first, unless the minimum needs them.
            while up.iter().filter(|one| one.pool == *pool).count() as u64 > minimum {
                let over = (0..up.len()).filter(|index| up[*index].pool == *pool && is_over(&up[*index], 1));
                let Some(index) = over.min_by_key(|index| up[*index].last_end) else { break };
                up.remove(index);
            }
        }
        for run in
            &runs[runs.partition_point(|run| run.start_us < tick)..runs.partition_point(|run| run.start_us <= tick)]
        {
            used.run_count += 1;
            if rule.limit.is_some_and(|limit| up.iter().map(|one| one.in_flight(tick)).sum::<u64>() >= limit) {
                used.throttled_count += 1;
                continue;
            }
            let of_pool = up.iter_mut().filter(|one| one.pool == run.pool && one.in_flight(tick) < rule.concurrency);
            let best = of_pool.max_by_key(|one| match one.in_flight(tick) {
                0 => (0, one.last_end, 0),
                _ => (1, one.runs.iter().map(|(came, _)| *came).max().unwrap(), one.order),
            });
            orders += 1;
            let one = match best {
                Some(one) => one,
                None => {
                    used.cold_count += 1;
                    up.push(new(run.pool, tick + rule.start_us, orders));
                    up.last_mut().unwrap()
                }
            };
            if one.in_flight(tick) == 0 {
                one.runs.clear();
                one.order = orders;
            }
            let wait = (one.ready - tick).max(0);
            used.waited_count += u64::from(wait > 0);
            used.wait_us += i128::from(wait);
            one.runs.push((tick, run.end_us + wait));
            one.last_end = one.last_end.max(run.end_us + wait);
        }
        let busy = up.iter().filter(|one| one.in_flight(tick) > 0).count() as u64;
        let idle = |pool: &u32| {
            let here: Vec<_> = up.iter().filter(|one| one.pool == *pool).collect();
            let busy = here.iter().filter(|one| one.in_flight(tick) > 0).count() as u64;
            let tails = here.iter().filter(|one| one.in_flight(tick) == 0 && !is_over(one, 0)).count() as u64;
            (busy + tails).max(minimum) - busy
        };
        let idle: u64 = used_pools.iter().map(idle).sum();
        used.busy_us += i128::from(busy);
        used.idle_us += i128::from(idle);
        used.peak_instances = used.peak_instances.max(busy + idle);
        used.peak_concurrency = used.peak_concurrency.max(up.iter().map(|one| one.in_flight(tick)).sum());
        if (tick + 1) % piece == 0 {
            pieces.push(InstanceUse { period_us: piece.into(), ..used });
            used = InstanceUse::default();
        }
    }
    pieces
}

fn runs(until: i64, pools: u32) -> impl Strategy<Value = Vec<Span>> {
    let run = (0..until, 0..25_i64, 0..pools);
    let run = run.prop_map(|(start_us, length, pool)| Span { start_us, end_us: start_us + length, pool });
    prop::collection::vec(run, 0..40).prop_map(|mut runs| {
        runs.sort_unstable();
        runs
    })
}

fn rules() -> impl Strategy<Value = KeepAlive> {
    (1..5_u64, 0..40_i64, 0..12_i64, prop_oneof![3 => Just(0), 1 => 0..4_u64], prop::option::weighted(0.2, 1..6_u64))
        .prop_map(|(concurrency, tail_us, start_us, minimum, limit)| KeepAlive {
            concurrency,
            tail_us,
            start_us,
            minimum,
            limit,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn instances_agree_with_a_simulation_tick_by_tick(runs in runs(120, 3), rule in rules()) {
        let simulated = &simulate(&runs, 120, 3, &rule, 520)[0];
        let used = replay_on_request(&[window(0, 120, 1, &runs)], &rule);
        let cold: u64 = used.cold.iter().map(|(_, times)| times).sum();
        prop_assert_eq!(cold, simulated.cold_count);
        prop_assert_eq!(InstanceUse { cold: Vec::new(), ..used }, InstanceUse { period_us: 120, ..simulated.clone() });
    }

    #[test]
    fn where_time_is_cut_into_windows_does_not_matter(runs in runs(120, 2), rule in rules(), cuts in [0..120_i64, 0..120]) {
        let (first, second) = (cuts[0].min(cuts[1]), cuts[0].max(cuts[1]));
        prop_assume!(0 < first && first < second);
        let part = |from: i64, to: i64| -> &[Span] {
            &runs[runs.partition_point(|run| run.start_us < from)..runs.partition_point(|run| run.start_us < to)]
        };
        let cut = [
            window(0, first, 1, part(0, first)),
            window(first, second, 1, part(first, second)),
            window(second, 120, 1, part(second, 120)),
        ];
        prop_assert_eq!(replay_on_request(&cut, &rule), replay_on_request(&[window(0, 120, 1, &runs)], &rule));
    }

    #[test]
    fn a_repeated_window_is_one_pass_of_many(runs in runs(60, 2), rule in rules()) {
        let many: Vec<Span> = (0..14)
            .flat_map(|pass| runs.iter().map(move |run| (pass * 60, *run)))
            .map(|(by, run)| Span { start_us: run.start_us + by, end_us: run.end_us + by, pool: run.pool })
            .collect();
        let passes = simulate(&many, 14 * 60, 2, &rule, 60);
        // Some never settle: a cold execution lasts longer, which makes the next ones cold in turn.
        prop_assume!(passes[10] == passes[11] && passes[11] == passes[12] && passes[12] == passes[13]);
        let mut seven = InstanceUse::default();
        seven.add(&passes[13], 7);
        let used = replay_on_request(&[window(0, 60, 7, &runs)], &rule);
        let cold: u64 = used.cold.iter().map(|(_, times)| times).sum();
        prop_assert_eq!(cold, seven.cold_count);
        prop_assert_eq!(InstanceUse { cold: Vec::new(), ..used }, seven);
    }
}

/// Arrivals at random, `rate` a second.
fn poisson(rate: f64, count: usize, duration_us: i64, seed: u64) -> Vec<Span> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut at = 0.0;
    let mut next = || {
        at += -(1.0 - random.random::<f64>()).ln() / rate * 1e6;
        Span { start_us: at as i64, end_us: at as i64 + duration_us, pool: 0 }
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn of_arrivals_at_random_as_many_are_cold_as_gaps_are_longer_than_the_tail() {
    // P(cold) = e^(−λT) where λd is small: here d = 1 ms.
    for (rate, tail_s) in [(0.01, 60), (0.002, 600), (0.001, 600), (0.0005, 600), (0.005, 600)] {
        let count = 40_000;
        let runs = poisson(rate, count, 1_000, 11);
        let rule = KeepAlive { tail_us: tail_s * 1_000_000, ..ALONE };
        let used = replay_on_request(&[window(0, runs[count - 1].end_us, 1, &runs)], &rule);
        let expected = (-rate * tail_s as f64).exp();
        let share = used.cold_count as f64 / count as f64;
        // Four standard deviations.
        let error = 4.0 * (expected * (1.0 - expected) / count as f64).sqrt();
        assert!((share - expected).abs() < error + rate * 0.001, "λ={rate}: {share} is not {expected} ± {error}");
    }
}

#[test]
fn one_instance_with_room_for_all_is_busy_as_the_theory_of_queues_has_it() {
    // Busy 1 − e^(−λd) of the time (M/G/∞), whatever comes together: λ = 2 a second, d = 400 ms.
    let runs = poisson(2.0, 40_000, 400_000, 12);
    let end = runs[39_999].end_us;
    let rule = KeepAlive { concurrency: u64::MAX, tail_us: 0, ..ALONE };
    let used = replay_on_request(&[window(0, end, 1, &runs)], &rule);
    let share = used.busy_us as f64 / end as f64;
    let expected = 1.0 - (-0.8_f64).exp();
    assert!((share - expected).abs() < 0.01, "{share} is not {expected}");
    assert_eq!(used.peak_instances, 1);
    // By Little's law L = λd are under way on average: each has an instance of its own where places are not shared.
    let alone = replay_on_request(&[window(0, end, 1, &runs)], &KeepAlive { tail_us: 0, ..ALONE });
    assert_eq!(alone.busy_us, 40_000 * 400_000);
}
