//! Seconds are those of the executions that were counted, alone and put together

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Class, start and length in fifths of a second: so that much falls on the full second.
fn executions() -> impl Strategy<Value = Vec<(u32, i64, i64)>> {
    prop::collection::vec((0_u32..3, 0_i64..40_000, prop_oneof![0_i64..12, 0_i64..20_000, 0_i64..2_000_000]), 0..60)
}

const STEP_US: i64 = SECOND_US / 5;

fn counted(executions: &[(u32, i64, i64)]) -> Seconds {
    let mut counting = SecondsCounting::default();
    executions.iter().for_each(|(class, start, length)| {
        counting.add(*class, start * STEP_US, (start + length) * STEP_US);
    });
    counting.finish().0
}

fn read(hours: &Hours) -> (BTreeMap<i64, Second>, BTreeMap<i64, i64>) {
    let (mut seconds, mut later_us) = (BTreeMap::new(), BTreeMap::new());
    for hour in hours.read() {
        later_us.insert(hour.hour, hour.later_us);
        for second in hour.seconds {
            seconds.insert(hour.hour * HOUR_S + i64::from(second.second), second);
        }
    }
    (seconds, later_us)
}

/// Starts, ends and rise, by second.
type Expected = BTreeMap<i64, (u64, u64, u64)>;

/// The same by looking at every fifth of a second.
fn expected(executions: &[(u32, i64, i64)]) -> (Expected, BTreeMap<i64, i64>) {
    let mut found = Expected::new();
    let mut later_us: BTreeMap<i64, i64> = BTreeMap::new();
    for (_, start, length) in executions.iter().filter(|(_, _, length)| *length > 0) {
        let (first, last) = (start / 5, (start + length - 1) / 5);
        found.entry(first).or_default().0 += 1;
        found.entry(last).or_default().1 += 1;
        *later_us.entry(first / HOUR_S).or_default() -= (start - first * 5) * STEP_US;
        *later_us.entry(last / HOUR_S).or_default() += (start + length - last * 5) * STEP_US;
    }
    let running = |at: i64| {
        let count = executions.iter().filter(|(_, start, length)| *start <= at && at < start + length).count();
        i64::try_from(count).unwrap()
    };
    for (second, (_, _, rise)) in &mut found {
        let before =
            executions.iter().filter(|(_, start, length)| *start < second * 5 && second * 5 < start + length).count();
        let most = (0..5).map(|step| running(second * 5 + step)).max().unwrap();
        *rise = (most - i64::try_from(before).unwrap()).max(0).unsigned_abs();
    }
    (found, later_us)
}

proptest! {
    #[test]
    fn seconds_are_those_of_the_executions(some in executions(), more in executions()) {
        let all: Vec<_> = some.iter().chain(&more).copied().collect();
        let (found, later_us) = read(&counted(&all).all);
        let (seconds, expected_us) = expected(&all);
        let flat = found.iter().map(|(at, second)| (*at, (second.starts, second.ends, second.rise)));
        prop_assert!(found.values().all(|second| second.exact));
        prop_assert_eq!(flat.collect::<BTreeMap<_, _>>(), seconds.clone());
        prop_assert_eq!(later_us, expected_us.clone());
        // In two parts, after each went through a file.
        let parts = [counted(&some), counted(&more)];
        let parts = parts.map(|part| (part.all, ClassHours::of(part.classes.to_bytes().into()).unwrap()));
        let numbers = |classes: &ClassHours| (0..u32::try_from(classes.ends.len()).unwrap()).collect();
        let merged = Seconds::merged(&parts.each_ref().map(|(all, classes)| (all, classes, numbers(classes))), 3);
        let (found, later_us) = read(&merged.all);
        prop_assert_eq!(later_us, expected_us);
        prop_assert_eq!(found.len(), seconds.len());
        for (at, second) in found {
            let (starts, ends, rise) = seconds[&at];
            prop_assert!(second.fall <= ends);
            prop_assert_eq!((second.starts, second.ends), (starts, ends));
            let fits = if second.exact { second.rise == rise } else { second.rise >= rise };
            prop_assert!(fits, "{:?} of {}", second, rise);
        }
        for class in 0..3 {
            let own: Vec<_> = all.iter().filter(|(of, _, _)| *of == class).copied().collect();
            let (found, _) = read(&merged.classes.of_class(class as usize));
            let flat = found.iter().map(|(at, second)| (*at, (second.starts, second.ends)));
            let (expected, _) = expected(&own);
            prop_assert_eq!(
                flat.collect::<Vec<_>>(),
                expected.into_iter().map(|(at, (starts, ends, _))| (at, (starts, ends))).collect::<Vec<_>>()
            );
        }
    }
}
