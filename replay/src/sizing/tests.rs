//! Cases worked by hand, and plain simulations tick by tick
use proptest::prelude::*;

use super::*;

mod simulation;

/// One second.
const S: i64 = 1_000_000;

const RULE: SizingRule =
    SizingRule { target_percent: 100, minimum: 0, zones: 1, start_us: 0, scale_in_us: 0, stop_us: 0, maximum: None };
const FIXED: Sizing = Sizing::Fixed { percentile: None };

fn percentile(percentile: u32) -> Sizing {
    Sizing::Fixed { percentile: Some(percentile) }
}

/// Executions as start, duration and slots an instance has for such.
fn loads(of: &[(i64, i64, u64)]) -> Vec<Load> {
    of.iter()
        .map(|(start_us, duration_us, slots)| Load {
            start_us: *start_us,
            duration_us: *duration_us,
            share: WHOLE / slots,
        })
        .collect()
}

fn window(start_us: i64, end_us: i64, repeats: u64, loads: &[Load]) -> LoadWindow<'_> {
    LoadWindow { start_us, end_us, repeats, items: loads }
}

fn sized(of: &[(i64, i64, u64)], end_us: i64, sizing: Sizing, rule: &SizingRule) -> Result<Sized, SizingError> {
    size(&[window(0, end_us, 1, &loads(of))], sizing, rule)
}

fn ups(sized: &Sized) -> Vec<(i64, i64, u64)> {
    sized.up.iter().map(|up| (up.start_us, up.end_us, up.count)).collect()
}

#[test]
fn equal_slots_fill_instances_exactly() {
    for slots in (1..2000).chain([4096, 9_999, 65_537, 99_991, 333_333, 524_287, 524_289, 720_720, 999_983, 1_000_000])
    {
        let share = i128::from(WHOLE / slots);
        // Up to a million executions, and more as long as executions × slots is below 2^40.
        let instances = [1, 2, 3, 7, 1_000_000 / slots, 1_000_000];
        for instances in instances.into_iter().filter(|one| *one > 0 && u128::from(one * slots * slots) < 1 << 40) {
            let full = i128::from(slots * instances);
            assert_eq!(RULE.needed(full * share), instances, "{instances} × {slots}");
            assert_eq!(RULE.needed((full + 1) * share), instances + 1, "{instances} × {slots} + 1");
        }
    }
    // With a target of p percent so many executions fill n instances as ⌊n × slots × p / 100⌋.
    for slots in 1..500_u64 {
        for target_percent in [1, 33, 60, 70, 75, 99] {
            let rule = SizingRule { target_percent, ..RULE };
            for instances in [1, 2, 100, 1000] {
                let fit = i128::from(slots * instances * u64::from(target_percent) / 100);
                let share = i128::from(WHOLE / slots);
                assert!(rule.needed(fit * share) <= instances, "{instances} × {slots} at {target_percent} %");
                assert!(rule.needed((fit + 1) * share) > instances, "{instances} × {slots} + 1 at {target_percent} %");
            }
        }
    }
    assert_eq!((RULE.needed(0), RULE.needed(1)), (0, 1));
}

#[test]
fn fixed_for_the_peak() {
    // Slots of two: three at once from 10 to 15, so two instances always; 50 + 10 + 8 µs of half an instance.
    let runs = [(0, 50, 2), (5, 10, 2), (10, 8, 2)];
    let found = sized(&runs, 100, FIXED, &RULE).unwrap();
    assert_eq!(ups(&found), [(0, 100, 2)]);
    assert_eq!((found.peak_instances, found.peak_concurrency, found.run_count, found.up_us), (2, 3, 3, 200));
    assert_eq!((found.busy, found.delayed_count), (i128::from(WHOLE / 2) * 68, 0));
    // 1.5 instances filled to 60 %: 2.5, so three; the minimum and the zones.
    let of = |rule: SizingRule| sized(&runs, 100, FIXED, &rule).unwrap().peak_instances;
    assert_eq!(of(SizingRule { target_percent: 60, ..RULE }), 3);
    assert_eq!(of(SizingRule { minimum: 4, zones: 3, ..RULE }), 4);
    assert_eq!(of(SizingRule { zones: 3, ..RULE }), 3);
    // One that ends as the next comes shares no moment with it.
    assert_eq!(sized(&[(0, 10, 1), (10, 10, 1)], 100, FIXED, &RULE).unwrap().peak_instances, 1);
    // One of no length is there for a microsecond.
    let instant = sized(&[(0, 10, 1), (5, 0, 1)], 100, FIXED, &RULE).unwrap();
    assert_eq!((instant.peak_instances, instant.busy), (2, i128::from(WHOLE) * 11));
    // A month without executions keeps its minimum.
    let idle = sized(&[], 100, FIXED, &SizingRule { minimum: 2, ..RULE }).unwrap();
    assert_eq!((ups(&idle), idle.peak_concurrency), (vec![(0, 100, 2)], 0));
}

#[test]
fn fixed_windows_that_repeat_overlap_themselves() {
    // Every 100: 25 long at 90, so it is under way with the one at 10 (of 10) from 10 to 15, in every pass.
    let runs = loads(&[(10, 10, 1), (90, 25, 1)]);
    let found = size(&[window(0, 100, 7, &runs)], FIXED, &RULE).unwrap();
    assert_eq!((found.peak_instances, found.peak_concurrency, found.run_count), (2, 2, 14));
    assert_eq!(found.up, [Up { start_us: 0, end_us: 100, count: 2, repeats: 7 }]);
    assert_eq!((found.up_us, found.busy), (1400, i128::from(WHOLE) * 35 * 7));
    // Once, the end of the window is not its start.
    assert_eq!(size(&[window(0, 100, 1, &runs)], FIXED, &RULE).unwrap().peak_instances, 1);
    // Two and a half windows long: two or three at once.
    let long = loads(&[(20, 250, 1)]);
    assert_eq!(size(&[window(0, 100, 9, &long)], FIXED, &RULE).unwrap().peak_instances, 3);
    assert_eq!(
        size(&[window(0, 100, 9, &long)], percentile(50), &RULE).unwrap_err(),
        SizingError::Overloaded { instances: 2 }
    );
}

#[test]
fn fixed_for_a_percentile_lets_the_rest_wait() {
    // One at a time, but three at once at 50: 3 for 10 of 100, 1 for 20, none for 70. 70 % of the time none is needed,
    // but executions need one; 71 to 90 % one; more than that three.
    let runs = [(0, 20, 1), (50, 10, 1), (50, 10, 1), (50, 10, 1)];
    let count = |of| sized(&runs, 100, percentile(of), &RULE).unwrap().peak_instances;
    assert_eq!([count(1), count(70), count(71), count(90), count(91), count(100)], [1, 1, 1, 1, 3, 3]);
    // With one, the second waits 10 and the third 20.
    let found = sized(&runs, 100, percentile(90), &RULE).unwrap();
    assert_eq!((found.delayed_count, found.delay_us, found.longest_delay_us), (2, 30, 20));
    assert_eq!((found.peak_concurrency, ups(&found)), (1, vec![(0, 100, 1)]));
    // A maximum does the same.
    assert_eq!(sized(&runs, 100, FIXED, &SizingRule { maximum: Some(1), ..RULE }).unwrap(), found);
    // In the order they came: the half that would fit at 6 waits behind the whole that came before it, until 10 + 5.
    let mixed = [(0, 10, 2), (5, 5, 1), (6, 4, 2)];
    let found = sized(&mixed, 100, percentile(1), &RULE).unwrap();
    assert_eq!((found.delayed_count, found.delay_us), (2, 5 + 9));
}

#[test]
fn scheduled_boots_before_and_stops_after() {
    // Boot 5 before, stop 10 after. 20-30: up 15-40. 45 touches it: boots at 40, is up until 60. 100 does not: 95-115,
    // two at once.
    let rule = SizingRule { start_us: 5, stop_us: 10, ..RULE };
    let runs = [(20, 10, 1), (45, 5, 1), (100, 5, 1), (102, 3, 1)];
    let found = sized(&runs, 200, Sizing::Scheduled, &rule).unwrap();
    assert_eq!(ups(&found), [(15, 60, 1), (95, 115, 2)]);
    assert_eq!((found.up_us, found.peak_instances, found.peak_concurrency, found.delay_us), (45 + 40, 2, 2, 0));
    // At least one in each zone; and no more than there may be.
    let zones = sized(&runs, 200, Sizing::Scheduled, &SizingRule { zones: 3, ..rule }).unwrap();
    assert_eq!(ups(&zones), [(15, 60, 3), (95, 115, 3)]);
    let most = sized(&runs, 200, Sizing::Scheduled, &SizingRule { maximum: Some(1), ..rule });
    assert_eq!(most.unwrap_err(), SizingError::TooMany { needed: 2, maximum: 1 });
}

#[test]
fn scheduled_windows_that_repeat_touch_themselves() {
    let rule = SizingRule { start_us: 5, stop_us: 10, ..RULE };
    let up = |of: &[(i64, i64, u64)], period| {
        let loads = loads(of);
        ups(&size(&[window(0, period, 4, &loads)], Sizing::Scheduled, &rule).unwrap())
    };
    // At 95 for 3: up 90-108. At 2 it would boot at −3, so from 97: one interval, 90-117 of every 100.
    assert_eq!(up(&[(2, 5, 1), (95, 3, 1)], 100), [(90, 117, 1)]);
    // At 2 alone: boots at 97 of the pass before.
    assert_eq!(up(&[(2, 5, 1)], 100), [(97, 117, 1)]);
    // 15 + 5 long, every 20: always.
    assert_eq!(up(&[(2, 5, 1)], 20), [(0, 20, 1)]);
    // At 0 for 10: −5-20; at 25 for 10: 20-45, where the next begins: always. One less, and it is off 44-45.
    assert_eq!(up(&[(0, 10, 1), (25, 10, 1)], 50), [(0, 50, 1)]);
    assert_eq!(up(&[(0, 10, 1), (25, 9, 1)], 50), [(45, 94, 1)]);
}

#[test]
fn autoscaled_from_nothing_waits_for_a_start() {
    // Nothing is up. At 2.5 s the first comes: one is ordered, serves from 5.5 s, until 6.5 s: it waits 3 s. From 3 s on
    // one is wanted at the end of every second, at 7 s for the last time (half of it executed). Fewer for 4 s: at 11 s
    // the instance stops.
    let rule = SizingRule { start_us: 3 * S, scale_in_us: 4 * S, ..RULE };
    let found = sized(&[(5 * S / 2, S, 1)], 60 * S, Sizing::Autoscaled, &rule).unwrap();
    assert_eq!(ups(&found), [(5 * S / 2, 11 * S, 1)]);
    assert_eq!((found.delayed_count, found.delay_us, found.longest_delay_us), (1, (3 * S).into(), 3 * S));
    assert_eq!((found.peak_instances, found.peak_concurrency, found.busy), (1, 1, i128::from(WHOLE) * i128::from(S)));
}

#[test]
fn autoscaled_follows_the_load_with_delays() {
    // One always up, two slots, filled to 50 %. Four executions of 10 s at 1.0 s: two are served, two wait. At 2 s the
    // mean was 2 instances' worth, filled half: 4 wanted, three ordered, which serve from 4 s. The two that waited begin
    // then: 3 s late. Over at 11 s and 14 s. At 12 s one instance's worth: 2 wanted; at 15 s none: 1. Fewer than 4 were
    // wanted from 11 s on (last 4 at 11 s), so with a delay of 2 s: at 13 s down to 2; at 16 s (2 at 14 s) down to 1.
    let rule = SizingRule { minimum: 1, target_percent: 50, start_us: 2 * S, scale_in_us: 2 * S, ..RULE };
    let four = [(S, 10 * S, 2); 4];
    let found = sized(&four, 30 * S, Sizing::Autoscaled, &rule).unwrap();
    assert_eq!(ups(&found), [(0, 2 * S, 1), (2 * S, 13 * S, 4), (13 * S, 16 * S, 2), (16 * S, 30 * S, 1)]);
    assert_eq!((found.delayed_count, found.delay_us, found.longest_delay_us), (2, (6 * S).into(), 3 * S));
    // At most two: the same two wait until two serve.
    let most = sized(&four, 30 * S, Sizing::Autoscaled, &SizingRule { maximum: Some(2), ..rule }).unwrap();
    assert_eq!((most.peak_instances, most.delay_us), (2, (6 * S).into()));
}

#[test]
fn autoscaled_windows_that_repeat_go_on_as_they_were() {
    // Ten whole instances' work for 30 s of every 60 s; scale-in waits 10 s. Each pass: ordered at 1 s (the first second
    // shows ten), up at 3 s; the one that is always up takes one at a time until then.
    let rule = SizingRule { minimum: 1, start_us: 2 * S, scale_in_us: 10 * S, ..RULE };
    let ten = loads(&[(0, 30 * S, 1); 10]);
    let found = size(&[window(0, 60 * S, 100, &ten)], Sizing::Autoscaled, &rule).unwrap();
    // Nine wait 3 s; they end at 33 s. The one that did not ends at 30 s: nine wanted from 31 s, at 41 s one stops
    // (ten last at 30 s: at 40 s); one from 34 s on, nine last at 33 s: at 43 s.
    let expected = [(0, S, 1), (S, 40 * S, 10), (40 * S, 43 * S, 9), (43 * S, 60 * S, 1)];
    assert_eq!(ups(&found), expected);
    assert!(found.up.iter().all(|up| up.repeats == 100));
    assert_eq!((found.run_count, found.delayed_count, found.delay_us), (1000, 900, (2700 * S).into()));
    assert_eq!(found.up_us, i128::from(S) * (1 + 390 + 27 + 17) * 100);
    // Work for ten all the time, and at most nine: they never catch up.
    let all = loads(&[(0, 60 * S, 1); 10]);
    let never = size(&[window(0, 60 * S, 9, &all)], Sizing::Autoscaled, &SizingRule { maximum: Some(9), ..rule });
    assert_eq!(never.unwrap_err(), SizingError::Overloaded { instances: 9 });
}

#[test]
fn a_quiet_year_is_quick_and_right() {
    // One execution at noon of every day of a year: each has its own start, scale-in after 300 s.
    let noon = |day: i64| (day * 86_400 + 43_200) * S;
    let runs: Vec<_> = (0..365).map(|day| (noon(day), S / 2, 1)).collect();
    let rule = SizingRule { start_us: 30 * S, scale_in_us: 300 * S, ..RULE };
    let found = sized(&runs, 365 * 86_400 * S, Sizing::Autoscaled, &rule).unwrap();
    // Ordered at noon, serves from +30 s to +30.5 s; wanted last at +31 s, so it stops at +331 s.
    assert_eq!(found.up.len(), 365);
    assert_eq!((found.up[7].start_us, found.up[7].end_us), (noon(7), noon(7) + 331 * S));
    assert_eq!(found.delay_us, i128::from(30 * S) * 365);
}

#[test]
fn what_cannot_be_is_refused() {
    let of = |rule: SizingRule, sizing, runs: &[(i64, i64, u64)]| sized(runs, 100, sizing, &rule).unwrap_err();
    let error = of(SizingRule { target_percent: 0, ..RULE }, FIXED, &[]);
    assert_eq!(error.to_string(), "instances cannot be filled to 0 %");
    assert_eq!(of(SizingRule { target_percent: 101, ..RULE }, FIXED, &[]), SizingError::Target { percent: 101 });
    assert_eq!(of(RULE, percentile(0), &[]), SizingError::Percentile { percentile: 0 });
    let error = of(SizingRule { zones: 3, maximum: Some(2), ..RULE }, Sizing::Autoscaled, &[]);
    assert_eq!(error.to_string(), "3 instances are needed, and 2 allowed");
    assert_eq!(error.hint(), "allow more instances, or choose larger ones");
    let large = [Load { start_us: 0, duration_us: 1, share: WHOLE + 1 }];
    assert_eq!(size(&[window(0, 9, 1, &large)], FIXED, &RULE).unwrap_err(), SizingError::TooLarge);
}

#[test]
fn sizing_is_one_word() {
    for (text, sizing) in [
        ("fixed", FIXED),
        ("fixed-p95", percentile(95)),
        ("scheduled", Sizing::Scheduled),
        ("autoscaled", Sizing::Autoscaled),
    ] {
        assert_eq!((text.parse(), sizing.to_string()), (Ok(sizing), text.to_owned()));
        let json = serde_json::to_string(&sizing).unwrap();
        assert_eq!((json.clone(), serde_json::from_str::<Sizing>(&json).unwrap()), (format!("\"{text}\""), sizing));
    }
    for text in ["", "fixed-p0", "fixed-p101", "fixed-95", "Fixed"] {
        assert!(text.parse::<Sizing>().unwrap_err().contains("use `fixed`"), "{text}");
    }
}
