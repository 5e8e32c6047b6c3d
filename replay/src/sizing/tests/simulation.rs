//! The same by looking at every execution and every instance at every tick
use super::*;

/// A tick of autoscaling is a tenth of a second.
const TICK_US: i64 = S / 10;

/// What a tick of the simulation saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tick {
    up: u64,
    served: u64,
    /// How long those that began at it had waited, ticks.
    delays: Vec<i64>,
}

/// Serves executions given in ticks, with as many instances or after the load, a bucket of ten ticks: all its times are
/// ticks too.
fn simulate(loads: &[Load], end: i64, fixed: Option<u64>, rule: &SizingRule) -> Vec<Tick> {
    let rest = if rule.minimum == 0 { 0 } else { rule.minimum.max(rule.zones) };
    // When each instance serves.
    let mut instances: Vec<i64> = vec![0; fixed.unwrap_or(rest) as usize];
    let mut wanted: Vec<(i64, u64)> = Vec::new();
    // End and share of what is served.
    let mut served: Vec<(i64, u64)> = Vec::new();
    let mut waiting: Vec<Load> = Vec::new();
    let (mut asked, mut ticks): (Vec<u128>, Vec<Tick>) = Default::default();
    let mut coming = loads.iter().peekable();
    let mut tick = 0;
    loop {
        served.retain(|(end, _)| *end > tick);
        if tick >= end && served.is_empty() && waiting.is_empty() {
            return ticks;
        }
        if fixed.is_none() && tick > 0 && tick % 10 == 0 {
            let sum: u128 = asked[asked.len() - 10..].iter().sum();
            let mut want = (sum * 100).div_ceil(10 * u128::from(rule.target_percent) * u128::from(WHOLE)) as u64;
            want = if want == 0 { rest } else { want.max(rule.minimum).max(rule.zones) };
            want = want.min(rule.maximum.unwrap_or(u64::MAX));
            wanted.push((tick, want));
            while (instances.len() as u64) < want {
                instances.push(tick + rule.start_us);
            }
            let recent = wanted.iter().filter(|(at, _)| *at > tick - rule.scale_in_us).map(|(_, want)| *want).max();
            while instances.len() as u64 > recent.unwrap_or(0).max(want) {
                let last = instances.last().copied().unwrap();
                let used: u128 = served.iter().map(|(_, share)| u128::from(*share)).sum();
                let serving = instances.iter().filter(|ready| **ready <= tick).count() as u128;
                if last <= tick && used > (serving - 1) * u128::from(WHOLE) {
                    break;
                }
                instances.pop();
            }
        }
        let mut delays = Vec::new();
        loop {
            let room = instances.iter().filter(|ready| **ready <= tick).count() as u128 * u128::from(WHOLE);
            let used: u128 = served.iter().map(|(_, share)| u128::from(*share)).sum();
            if waiting.first().is_some_and(|load| used + u128::from(load.share) <= room) {
                let load = waiting.remove(0);
                delays.push(tick - load.start_us);
                served.push((tick + load.duration_us, load.share));
                served.retain(|(end, _)| *end > tick);
            } else if let Some(load) = coming.next_if(|load| load.start_us == tick) {
                if fixed.is_none() && instances.is_empty() {
                    let want = rule.zones.max(rule.minimum).max(1);
                    wanted.push((tick, want));
                    instances.resize(want as usize, tick + rule.start_us);
                }
                waiting.push(*load);
            } else {
                break;
            }
        }
        let shares = served.iter().map(|(_, share)| *share).chain(waiting.iter().map(|load| load.share));
        asked.push(shares.map(u128::from).sum());
        ticks.push(Tick { up: instances.len() as u64, served: served.len() as u64, delays });
        tick += 1;
    }
}

/// Instances up at every tick.
fn up_at(sized: &Sized, from_us: i64, ticks: i64, tick_us: i64) -> Vec<u64> {
    let at =
        |at_us: i64| sized.up.iter().filter(|up| (up.start_us..up.end_us).contains(&at_us)).map(|up| up.count).sum();
    (0..ticks).map(|tick| at(from_us + tick * tick_us)).collect()
}

fn check(sized: &Sized, ticks: &[Tick], tick_us: i64, repeats: i128) -> Result<(), TestCaseError> {
    let delays: Vec<i64> = ticks.iter().flat_map(|tick| tick.delays.iter().copied()).collect();
    let delayed = delays.iter().filter(|delay| **delay > 0).count() as i128;
    let sum: i128 = delays.iter().map(|delay| i128::from(delay * tick_us)).sum();
    prop_assert_eq!(i128::from(sized.delayed_count), delayed * repeats);
    prop_assert_eq!(sized.delay_us, sum * repeats);
    prop_assert_eq!(sized.longest_delay_us, delays.iter().max().copied().unwrap_or(0) * tick_us);
    prop_assert_eq!(sized.peak_concurrency, ticks.iter().map(|tick| tick.served).max().unwrap_or(0));
    Ok(())
}

fn some_loads(until: i64, longest: i64) -> impl Strategy<Value = Vec<Load>> {
    let load = (0..until, 1..longest, 1..5_u64);
    let load = load.prop_map(|(start_us, duration_us, slots)| Load { start_us, duration_us, share: WHOLE / slots });
    prop::collection::vec(load, 0..40).prop_map(|mut loads| {
        loads.sort_unstable();
        loads
    })
}

fn rules() -> impl Strategy<Value = SizingRule> {
    let counts = (prop_oneof![Just(100_u32), 20..100_u32], 0..3_u64, 0..4_u64, prop::option::weighted(0.4, 3..8_u64));
    (counts, 0..35_i64, 0..45_i64, 0..30_i64).prop_map(
        |((target_percent, minimum, zones, maximum), start, scale_in, stop)| SizingRule {
            target_percent,
            minimum,
            zones,
            start_us: start,
            scale_in_us: scale_in,
            stop_us: stop,
            maximum,
        },
    )
}

/// The same with ticks as long as autoscaling's.
fn scaled(rule: &SizingRule) -> SizingRule {
    SizingRule { start_us: rule.start_us * TICK_US, scale_in_us: rule.scale_in_us * TICK_US, ..*rule }
}

fn scaled_loads(loads: &[Load]) -> Vec<Load> {
    let scale =
        |load: &Load| Load { start_us: load.start_us * TICK_US, duration_us: load.duration_us * TICK_US, ..*load };
    loads.iter().map(scale).collect()
}

fn unrolled(loads: &[Load], passes: i64, period: i64) -> Vec<Load> {
    let pass = |pass: i64| loads.iter().map(move |load| Load { start_us: load.start_us + pass * period, ..*load });
    (0..passes).flat_map(pass).collect()
}

/// Executions and shares under way at every tick, if none waits.
fn levels(loads: &[Load], ticks: std::ops::Range<i64>) -> Vec<(u64, i128)> {
    let at = |tick: i64| {
        let under_way =
            loads.iter().filter(move |load| load.start_us <= tick && tick < load.start_us + load.duration_us);
        (under_way.clone().count() as u64, under_way.map(|load| i128::from(load.share)).sum())
    };
    ticks.map(at).collect()
}

/// Scheduled instances at every tick.
fn scheduled(loads: &[Load], ticks: std::ops::Range<i64>, rule: &SizingRule) -> Vec<u64> {
    let levels = levels(loads, ticks.clone());
    let covers = |load: &Load, tick: i64| {
        load.start_us - rule.start_us <= tick && tick < load.start_us + load.duration_us + rule.stop_us
    };
    let is_up: Vec<bool> = ticks.map(|tick| loads.iter().any(|load| covers(load, tick))).collect();
    let mut counts = vec![0; is_up.len()];
    let mut from = 0;
    for part in is_up.chunk_by(|one, other| one == other) {
        let to = from + part.len();
        if part[0] {
            let peak = levels[from..to].iter().map(|(_, shares)| *shares).max().unwrap();
            let target = i128::from(WHOLE) * i128::from(rule.target_percent);
            let needed = ((peak * 100 + target - 1) / target) as u64;
            counts[from..to].fill(needed.max(rule.minimum).max(rule.zones).max(1));
        }
        from = to;
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn fixed_instances_are_enough_for_the_percentile(
        loads in some_loads(60, 40),
        rule in rules(),
        percent in 1..=100_u32,
        repeats in 1..4_u64,
    ) {
        let rule = SizingRule { maximum: None, ..rule };
        // Once: until all is over. Again: the tenth pass, in which all that can be under way is.
        let ticks = match repeats {
            1 => levels(&loads, 0..loads.iter().map(|load| load.start_us + load.duration_us).max().unwrap_or(0).max(60)),
            _ => levels(&unrolled(&loads, 10, 60), 540..600),
        };
        let mut needed: Vec<u64> = ticks.iter().map(|(_, shares)| rule.needed(*shares)).collect();
        needed.sort_unstable();
        let rank = (needed.len() * percent as usize).div_ceil(100);
        let mut count = needed[rank - 1].max(rule.minimum).max(rule.zones);
        if !loads.is_empty() {
            count = count.max(1);
        }
        let Ok(found) = size(&[window(0, 60, repeats, &loads)], percentile(percent), &rule) else {
            // It never catches up only where the work is more than there is room for, or comes in pieces that leave some.
            let work: i128 = loads.iter().map(|load| i128::from(load.share) * i128::from(load.duration_us)).sum();
            let largest = loads.iter().map(|load| i128::from(load.share)).max().unwrap_or(0);
            prop_assert!(repeats > 1 && work > (i128::from(WHOLE) * i128::from(count) - largest) * 60);
            return Ok(());
        };
        prop_assert_eq!(up_at(&found, 0, 60, 1), vec![count; 60]);
        prop_assert_eq!(found.up_us, i128::from(count) * 60 * i128::from(repeats));
        if repeats == 1 {
            check(&found, &simulate(&loads, 60, Some(count), &rule), 1, 1)?;
        } else {
            let passes = simulate(&unrolled(&loads, 24, 60), 24 * 60, Some(count), &rule);
            let pass = |number: usize| &passes[number * 60..(number + 1) * 60];
            prop_assume!(pass(20) == pass(21) && pass(21) == pass(22));
            check(&found, pass(22), 1, repeats.into())?;
        }
    }

    #[test]
    fn scheduled_instances_are_up_around_executions(loads in some_loads(300, 30), rule in rules(), repeats in 1..4_u64) {
        let rule = SizingRule { maximum: None, ..rule };
        let found = size(&[window(0, 300, repeats, &loads)], Sizing::Scheduled, &rule).unwrap();
        if repeats == 1 {
            prop_assert_eq!(up_at(&found, -50, 450, 1), scheduled(&loads, -50..400, &rule));
            return Ok(());
        }
        // The fourth of eight passes: what is up at its ticks, of every pass of the answer.
        let expected = &scheduled(&unrolled(&loads, 8, 300), -50..2400, &rule)[950..1250];
        let mut counts = vec![0; 300];
        for up in &found.up {
            prop_assert_eq!(up.repeats, repeats);
            (up.start_us..up.end_us).for_each(|tick| counts[tick.rem_euclid(300) as usize] += up.count);
        }
        prop_assert_eq!(&counts[..], expected);
        prop_assert_eq!(found.up_us, i128::from(counts.iter().sum::<u64>()) * i128::from(repeats));
    }

    #[test]
    fn autoscaled_instances_follow_a_simulation_tick_by_tick(loads in some_loads(150, 60), rule in rules(), cut in 1..150_i64) {
        let whole = scaled_loads(&loads);
        let found = size(&[window(0, 200 * TICK_US, 1, &whole)], Sizing::Autoscaled, &scaled(&rule)).unwrap();
        let ticks = simulate(&loads, 200, None, &rule);
        prop_assert_eq!(up_at(&found, 0, ticks.len() as i64 + 10, TICK_US), ticks.iter().map(|tick| tick.up).chain([0; 10]).collect::<Vec<_>>());
        check(&found, &ticks, TICK_US, 1)?;
        // Where time is cut does not matter.
        let (first, second) = whole.split_at(loads.partition_point(|load| load.start_us < cut));
        let cut = [window(0, cut * TICK_US, 1, first), window(cut * TICK_US, 200 * TICK_US, 1, second)];
        prop_assert_eq!(size(&cut, Sizing::Autoscaled, &scaled(&rule)).unwrap(), found);
    }

    #[test]
    fn autoscaled_windows_that_repeat_are_one_pass_of_many(loads in some_loads(60, 30), rule in rules()) {
        let ticks = simulate(&unrolled(&loads, 60, 60), 3600, None, &rule);
        let pass = |number: usize| &ticks[number * 60..(number + 1) * 60];
        // Where there is not enough they never settle; some never do so for other reasons.
        prop_assume!(pass(55) == pass(56) && pass(56) == pass(57) && pass(57) == pass(58));
        let scaled_loads = scaled_loads(&loads);
        let found = size(&[window(0, 60 * TICK_US, 5, &scaled_loads)], Sizing::Autoscaled, &scaled(&rule)).unwrap();
        prop_assert_eq!(up_at(&found, 0, 60, TICK_US), pass(58).iter().map(|tick| tick.up).collect::<Vec<_>>());
        check(&found, pass(58), TICK_US, 5)?;
    }

    #[test]
    fn what_never_settles_is_up_as_long_as_it_is_on_average(loads in some_loads(60, 30), rule in rules()) {
        let scaled_loads = scaled_loads(&loads);
        let repeats = 1_000_000;
        let found = size(&[window(0, 60 * TICK_US, repeats, &scaled_loads)], Sizing::Autoscaled, &scaled(&rule));
        // Where there is not enough they wait for ever.
        let Ok(found) = found else { return Ok(()) };
        let ticks = simulate(&unrolled(&loads, 240, 60), 14_400, None, &rule);
        let up: u64 = ticks[7200..14_400].iter().map(|tick| tick.up).sum();
        let mean = |up: i128, of: i128| (up * 1000) / of;
        let expected = mean(i128::from(up), 7200);
        let found = mean(found.up_us, i128::from(repeats) * 60 * i128::from(TICK_US));
        prop_assert!((found - expected).abs() <= 100 + expected / 10, "{found} {expected}");
    }
}
