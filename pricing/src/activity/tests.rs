//! The machine against a simulation tick by tick, and what holds for any requests
use proptest::prelude::*;

use super::*;
use crate::catalogue::Catalogue;

fn timing(tail_us: i64, minimum_us: i64, step_us: i64) -> Timing {
    Timing { tail_us, minimum_us, step_us, tail_is_busy: false }
}

fn total(intervals: &[Interval], kind: IntervalKind) -> i64 {
    intervals.iter().filter(|interval| interval.kind == kind).map(|interval| interval.end_us - interval.start_us).sum()
}

fn busy(timing: Timing, concurrency: Option<u64>, requests: &[(i64, i64)]) -> i64 {
    total(&intervals(timing, concurrency, requests), IntervalKind::Busy)
}

/// An instance of the simulation: everything is worked out anew from its requests.
struct Simulated {
    /// Requests of the busy interval that runs or ran last.
    run: Vec<(i64, i64)>,
    /// The latest end of any request.
    last_end: i64,
    /// How many busy intervals of any instance began before this one's.
    order: usize,
}

impl Simulated {
    fn in_flight(&self, tick: i64) -> usize {
        self.run.iter().filter(|(start, end)| *start <= tick && tick < *end).count()
    }

    fn charged_until(&self, timing: Timing) -> i64 {
        let start = self.run.iter().map(|(start, _)| *start).min().unwrap();
        let hold = if timing.tail_is_busy { timing.tail_us } else { 0 };
        let end = self.run.iter().map(|(_, end)| *end).max().unwrap() + hold;
        let length = (end - start).max(timing.minimum_us);
        start + (length + timing.step_us - 1) / timing.step_us * timing.step_us
    }

    fn up_until(&self, timing: Timing) -> i64 {
        let tail = if timing.tail_is_busy { 0 } else { timing.tail_us };
        self.charged_until(timing).max(self.last_end + tail)
    }
}

/// Busy and idle instances of every tick, by walking through the ticks and looking at every instance ever started.
fn simulate(timing: Timing, concurrency: usize, requests: &[(i64, i64)], ticks: i64) -> Vec<(i64, i64)> {
    let mut requests = requests.to_vec();
    requests.sort_unstable();
    let mut instances: Vec<Simulated> = Vec::new();
    let (mut counts, mut runs) = (Vec::new(), 0);
    for tick in 0..ticks {
        for &(start, end) in requests.iter().filter(|(start, _)| *start == tick) {
            let best = instances
                .iter_mut()
                .filter(|instance| instance.in_flight(tick) < concurrency && instance.up_until(timing) >= tick)
                .max_by_key(|instance| match instance.in_flight(tick) {
                    0 if instance.charged_until(timing) >= tick => (1, instance.last_end, instance.order),
                    0 => (0, instance.last_end, instance.order),
                    _ => (2, instance.run.iter().map(|(start, _)| *start).max().unwrap(), instance.order),
                });
            match best {
                Some(instance) => {
                    if instance.in_flight(tick) == 0 && instance.charged_until(timing) < tick {
                        instance.run.clear();
                        (instance.order, runs) = (runs, runs + 1);
                    }
                    instance.run.push((start, end));
                    instance.last_end = instance.last_end.max(end);
                }
                None => {
                    instances.push(Simulated { run: vec![(start, end)], last_end: end, order: runs });
                    runs += 1;
                }
            }
        }
        let busy = instances.iter().filter(|one| tick < one.charged_until(timing)).count() as i64;
        let up = instances.iter().filter(|one| tick < one.up_until(timing)).count() as i64;
        counts.push((busy, up - busy));
    }
    counts
}

fn counts(intervals: &[Interval], ticks: i64) -> Vec<(i64, i64)> {
    let of = |kind, tick| {
        intervals.iter().filter(|one| one.kind == kind && (one.start_us..one.end_us).contains(&tick)).count() as i64
    };
    (0..ticks).map(|tick| (of(IntervalKind::Busy, tick), of(IntervalKind::Idle, tick))).collect()
}

fn requests() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((0..120_i64, 0..25_i64).prop_map(|(start, length)| (start, start + length)), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_machine_agrees_with_a_simulation_tick_by_tick(
        requests in requests(),
        concurrency in 1..5_u64,
        tail_us in 0..40_i64,
        minimum_us in 0..20_i64,
        step_us in 1..9_i64,
        tail_is_busy in any::<bool>(),
    ) {
        let timing = Timing { tail_us, minimum_us, step_us, tail_is_busy };
        let found = intervals(timing, Some(concurrency), &requests);
        prop_assert_eq!(counts(&found, 300), simulate(timing, concurrency as usize, &requests, 300));
        // The intervals of one instance follow each other.
        for (index, one) in found.iter().enumerate() {
            for other in found[index + 1..].iter().filter(|other| other.instance == one.instance) {
                prop_assert!(one.end_us <= other.start_us, "{:?} {:?}", one, other);
            }
        }
    }

    #[test]
    fn alone_in_its_instance_a_request_counts_its_duration(requests in requests()) {
        let sum: i64 = requests.iter().map(|(start, end)| end - start).sum();
        prop_assert_eq!(busy(Timing::default(), Some(1), &requests), sum);
    }

    #[test]
    fn without_limit_the_union_of_the_requests_counts(requests in requests()) {
        let union = (0..200).filter(|tick| requests.iter().any(|(start, end)| start <= tick && tick < end)).count();
        prop_assert_eq!(busy(Timing::default(), None, &requests), union as i64);
    }

    #[test]
    fn the_order_of_reading_does_not_matter(requests in requests(), seed in any::<u64>(), concurrency in 1..4_u64) {
        let mut shuffled = requests.clone();
        let mut state = seed | 1;
        for index in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(index, (state >> 33) as usize % (index + 1));
        }
        let timing = timing(9, 7, 5);
        prop_assert_eq!(
            intervals(timing, Some(concurrency), &requests),
            intervals(timing, Some(concurrency), &shuffled)
        );
    }

    #[test]
    fn there_are_never_more_instances_than_requests_at_once(requests in requests(), concurrency in 1..4_u64) {
        let at_once = |tick| requests.iter().filter(|(start, end)| *start <= tick && tick < *end).count() as u64;
        // A request without length is alone at its tick.
        let peak = (0..200).map(at_once).max().unwrap_or(0).max(u64::from(!requests.is_empty()));
        let instant = requests.iter().any(|(start, end)| start == end);
        let forever = timing(1_000, 0, 1);
        let started = intervals(forever, Some(concurrency), &requests).iter().map(|one| one.instance + 1).max();
        prop_assert!(started.unwrap_or(0) <= peak + u64::from(instant));
        if concurrency == 1 && !instant {
            prop_assert_eq!(started.unwrap_or(0), peak, "a place each, and not one more");
        }
    }

    #[test]
    fn a_longer_tail_never_means_less_time_up_and_never_other_busy_time(
        requests in requests(),
        concurrency in 1..4_u64,
        tail_us in 0..30_i64,
        more_us in 0..30_i64,
        minimum_us in 0..20_i64,
        step_us in 1..9_i64,
    ) {
        let short = intervals(timing(tail_us, minimum_us, step_us), Some(concurrency), &requests);
        let long = intervals(timing(tail_us + more_us, minimum_us, step_us), Some(concurrency), &requests);
        prop_assert_eq!(total(&short, IntervalKind::Busy), total(&long, IntervalKind::Busy));
        prop_assert!(total(&short, IntervalKind::Idle) <= total(&long, IntervalKind::Idle));
        let charged = |tail_us| Timing { tail_us, tail_is_busy: true, ..Timing::default() };
        prop_assert!(
            busy(charged(tail_us), Some(concurrency), &requests)
                <= busy(charged(tail_us + more_us), Some(concurrency), &requests)
        );
    }

    #[test]
    fn an_instance_is_never_charged_for_more_time_than_passes(requests in requests(), step_us in 1..30_i64) {
        let Some(first) = requests.iter().map(|(start, _)| *start).min() else { return Ok(()) };
        let last = requests.iter().map(|(_, end)| *end).max().unwrap_or(0);
        let timing = timing(0, 12, step_us);
        prop_assert!(busy(timing, None, &requests) <= last - first + 12 + step_us);
    }
}

/// The worked example of a provider: up 30 minutes, down 10, up 60: 115 minutes in all, not 30 + 15 + 60 + 15, for time
/// is never charged twice (<https://www.mail-archive.com/google-appengine@googlegroups.com/msg44407.html>).
#[test]
fn the_published_example_of_blended_intervals() {
    const MINUTE: i64 = 60_000_000;
    let rule = Timing { tail_us: 15 * MINUTE, tail_is_busy: true, ..Timing::default() };
    assert_eq!(busy(rule, Some(1), &[(0, 30 * MINUTE)]), 45 * MINUTE);
    assert_eq!(busy(rule, Some(1), &[(0, 30 * MINUTE), (40 * MINUTE, 100 * MINUTE)]), 115 * MINUTE);
    // Down for longer than the tail: 45 + 75.
    assert_eq!(busy(rule, Some(1), &[(0, 30 * MINUTE), (50 * MINUTE, 110 * MINUTE)]), 120 * MINUTE);
}

#[test]
fn minimum_step_and_tail_of_one_instance() {
    // 30 ms, rounded to 100: the request at 60 ms falls into the rounded time and continues it to 90 → 100 ms; the one at
    // 250 ms starts anew: 10 → 100 ms.
    let step = timing(0, 0, 100);
    let found = intervals(step, Some(1), &[(0, 30), (60, 90), (250, 260)]);
    let times: Vec<_> = found.iter().map(|one| (one.start_us, one.end_us, one.kind)).collect();
    assert_eq!(times, [(0, 100, IntervalKind::Busy), (250, 350, IntervalKind::Busy)]);
    // Least 1,000; idle runs from the end of the charged time to the end of the tail after the last request.
    let found = intervals(timing(2_000, 1_000, 1), Some(1), &[(0, 100), (1_500, 3_500)]);
    let times: Vec<_> = found.iter().map(|one| (one.start_us, one.end_us, one.kind, one.instance)).collect();
    assert_eq!(
        times,
        [
            (0, 1_000, IntervalKind::Busy, 0),
            (1_000, 1_500, IntervalKind::Idle, 0),
            (1_500, 3_500, IntervalKind::Busy, 0),
            (3_500, 5_500, IntervalKind::Idle, 0),
        ]
    );
}

/// A book with one activity, to read it as every book is read.
fn activity(rule: &str) -> Activity {
    let book = format!(
        r#"provider = "x"
service = "y"
[sources]
S = "s"
[[sku]]
id = "time"
table = "metered"
unit = "instance-h"
meter_unit = "instance"
quantity = "quantity * held_us"
price = [{{ price = "1", per = "instance-h", source = "S", mark = "seen" }}]
[[activity]]
id = "a"
busy = "busy"
idle = "idle"
source = "S"
mark = "seen"
{rule}
"#
    );
    let catalogue = Catalogue::with_files([("x/y".to_owned(), book)]).unwrap();
    let found = catalogue.books().iter().find(|book| book.provider == "x").unwrap();
    found.activities[0].clone()
}

/// A record and when it starts and ends.
#[derive(Clone)]
struct At {
    start_us: i64,
    end_us: i64,
    record: ActivityRecord,
}

fn record(start_us: i64, end_us: i64, resource: &str, instance: Option<&str>) -> At {
    let pool = POOL_COLUMNS.map(|name| match name {
        "resource" => Value::Text(resource.to_owned()),
        _ => Value::Null,
    });
    let instance = instance.map(str::to_owned);
    let concurrency = instance.is_none().then_some(2);
    At { start_us, end_us, record: ActivityRecord { duration_us: end_us - start_us, instance, concurrency, pool } }
}

/// Sums over pools by hour, without hours in which nothing is.
type Sums = BTreeMap<i64, HourTime>;

fn metered(activity: &Activity, records: &[At], from_us: i64, to_us: i64) -> Sums {
    sums(fed(ActivityMeter::new(activity, from_us, to_us), records))
}

fn fed(mut meter: ActivityMeter, records: &[At]) -> ActivityMeter {
    for at in records {
        let machine = meter.machine(&at.record);
        meter.add(machine, at.start_us, at.end_us);
    }
    meter
}

fn sums(meter: ActivityMeter) -> Sums {
    let mut sums = Sums::new();
    for (hour_us, time) in meter.finish().into_iter().flat_map(|(_, hours)| hours) {
        let sum = sums.entry(hour_us).or_default();
        sum.busy_us += time.busy_us;
        sum.idle_us += time.idle_us;
        sum.record_count += time.record_count;
    }
    sums.retain(|_, time| *time != HourTime::default());
    sums
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit) as i64
    }
}

#[test]
fn two_periods_sum_to_both_in_one() {
    const HOUR: i64 = HOUR_US;
    let rules =
        ["tail = \"15min\"\nminimum = \"10min\"\nstep = \"1min\"", "step = \"7min\"", "tail = \"40min\""].map(activity);
    let (mut settled, mut unsettled, mut differ) = (0, 0, 0);
    for seed in 0..1_500 {
        let activity = &rules[seed as usize % rules.len()];
        let mut random = Random(seed);
        let density = 20 + random.below(600) as u64;
        let mut records: Vec<_> = (0..density)
            .map(|_| {
                let start = random.below(48 * 3_600) * 1_000_000 + random.below(1_000_000);
                let resource = ["f", "g"][random.below(2) as usize];
                let instance = [None, None, Some("i"), Some("j")][random.below(4) as usize];
                record(start, start + random.below(2_400) * 1_000_000, resource, instance)
            })
            .collect();
        records.sort_by_key(|record| (record.start_us, record.end_us));
        let (border, end) = (24 * HOUR, 50 * HOUR);
        let mut first = metered(activity, &records, 0, border);
        let second = metered(activity, &records, border, end);
        first.extend(second.clone());
        assert_eq!(first, metered(activity, &records, 0, end), "seed {seed}");
        let count: u64 = first.values().map(|time| time.record_count).sum();
        assert_eq!(count, records.len() as u64);

        // With records from some hours before the border only, whenever the meter says that this is enough.
        let reach_back = border - (1 + random.below(4)) * HOUR;
        let known: Vec<_> = records.iter().filter(|record| record.start_us >= reach_back).cloned().collect();
        let meter = ActivityMeter::new(activity, border, end).without_records_before(reach_back, 2_400_000_000);
        let meter = fed(meter, &known);
        let enough = meter.is_settled();
        let found = sums(meter);
        if enough {
            assert_eq!(found, second, "seed {seed}");
            settled += 1;
        } else {
            unsettled += 1;
            differ += usize::from(found != second);
        }
    }
    assert!(settled > 100 && unsettled > 100 && differ > 0, "{settled} settled, {unsettled} not, {differ} differ");
}

#[test]
fn what_the_log_says_about_instances_wins() {
    let activity = activity("concurrency = 10");
    // Three requests at once on two named instances: 100 s and 60 s, not the 100 s of one that could take all three.
    let second = 1_000_000;
    let records = [
        record(0, 60 * second, "f", Some("a")),
        record(0, 60 * second, "f", Some("b")),
        record(10 * second, 100 * second, "f", Some("a")),
    ];
    let found = metered(&activity, &records, 0, HOUR_US);
    assert_eq!(found[&0], HourTime { busy_us: 160 * second, idle_us: 0, record_count: 3 });
}

#[test]
fn rules_that_cannot_be_are_told() {
    let book = |activity: &str| {
        format!(
            r#"provider = "x"
service = "y"
[sources]
S = "s"
[[sku]]
id = "time"
table = "metered"
filter = "meter = 'active'"
unit = "instance-h"
meter_unit = "instance"
quantity = "quantity * held_us"
price = [{{ price = "1", per = "instance-h", source = "S", mark = "seen" }}]
[[sku]]
id = "level"
table = "metered"
filter = "meter = 'level'"
unit = "instance-h"
meter_unit = "instance"
aggregate = {{ max = "h" }}
price = [{{ price = "1", per = "instance-h", source = "S", mark = "seen" }}]
[[sku]]
id = "starts"
table = "metered"
filter = "meter = 'start'"
unit = "instance"
price = [{{ price = "1", per = "instance", source = "S", mark = "seen" }}]
[[activity]]
id = "a"
source = "S"
mark = "seen"
{activity}
"#
        )
    };
    assert_eq!(Catalogue::check([("x/y".to_owned(), book("busy = \"active\""))]), []);
    for (activity, expected) in [
        ("", "`busy` is missing"),
        ("busy = \"activ\"", "no SKU of the table metered takes the meter `activ`, did you mean `active`?"),
        ("busy = \"active\"\nidle = \"resting\"", "takes the meter `resting`"),
        ("busy = \"level\"", "counts a maximum"),
        ("busy = \"start\"", "counts no time"),
        ("busy = \"active\"\ntable = \"storage\"", "`storage` is not a table of an activity: invocations or requests"),
        ("busy = \"active\"\nfilter = \"capacity = 1\"", "units differ"),
        ("busy = \"active\"\nfilter = \"memory_mb\"", "`filter` is not a condition"),
        ("busy = \"active\"\nfilter = \"instanse = 'a'\"", "instanse"),
        ("busy = \"active\"\nduration = \"memory_mb\"", "`memory_mb` is not a time"),
        ("busy = \"active\"\nconcurrency = 0", "`concurrency` is not a whole number above 0"),
        ("busy = \"active\"\nconcurrency = \"memory_mb\"", "units differ"),
        ("busy = \"active\"\nconcurrency = \"any\"", "any"),
        ("busy = \"active\"\ntail = \"15 minutes\"", "`tail` is `15 minutes`, not a duration: unknown unit `minutes`"),
        ("busy = \"active\"\ntail = 15", "`tail` is not a text in quotes"),
        ("busy = \"active\"\nstep = \"0s\"", "`step` is 0"),
        ("busy = \"active\"\ntale = \"15min\"", "unknown key `tale`"),
    ] {
        let problems = Catalogue::check([("x/y".to_owned(), book(activity))]);
        assert!(
            problems.iter().any(|problem| problem.message.contains(expected)
                && problem.place == "activity `a`"
                && problem.line > 0),
            "{activity}: {problems:?}"
        );
    }
}
