//! Lines of two deployments, one that costs what it is used and one that does not
use super::*;

fn points(values: &[(i64, &str)]) -> Vec<(i64, Exact)> {
    values.iter().map(|(at, value)| (*at, value.parse().unwrap())).collect()
}

/// Functions that cost what they are used, and a machine.
fn chart(functions: &[(i64, &str)], machine: &[(i64, &str)], change: i64) -> Option<Lines> {
    let (functions, machine) = (points(functions), points(machine));
    let (first, second) = (["f".to_owned()], ["m".to_owned()]);
    let line = |name, title, points| LineInput { name, title, href: format!("?show={name}"), points };
    Lines::new(&LinesInput {
        unit: "executions a month",
        from: 1,
        to: 1_000_000,
        current: 20_000,
        lines: vec![line("f", "Functions", &functions), line("m", "A machine", &machine)],
        intervals: vec![
            IntervalInput { from: 1, to: change - 1, lowest: &first, is_uncertain: false },
            IntervalInput { from: change, to: 1_000_000, lowest: &second, is_uncertain: false },
        ],
        currency: "USD",
    })
}

const FUNCTIONS: [(i64, &str); 4] = [(1, "0"), (1000, "1"), (100_000, "100"), (1_000_000, "1000")];
const MACHINE: [(i64, &str); 2] = [(1, "10"), (1_000_000, "10")];

#[test]
fn powers_of_ten_are_as_far_apart_on_both_axes() {
    let chart = chart(&FUNCTIONS, &MACHINE, 10_000).unwrap();
    assert!(chart.is_logarithmic);
    let labels: Vec<_> = chart.ticks.iter().map(|tick| tick.label.as_str()).collect();
    assert_eq!(labels, ["$0", "$1", "$10", "$100", "$1,000"]);
    let gaps: Vec<f64> = chart.ticks[1..].windows(2).map(|pair| pair[0].y - pair[1].y).collect();
    assert!(gaps.iter().all(|gap| (gap - gaps[0]).abs() < 0.21), "{gaps:?}");
    assert!((chart.ticks[0].y - chart.bottom).abs() < 0.1 && (chart.ticks[4].y - chart.top).abs() < 0.1);
    let marks: Vec<_> = chart.marks.iter().map(|mark| mark.label.as_str()).collect();
    assert_eq!(marks, ["1", "10", "100", "1k", "10k", "100k", "1M"]);
    assert_eq!((chart.marks[0].x, chart.marks[6].x), (chart.left, chart.right));
    assert_eq!(chart.current.unwrap().label, "20k");
}

#[test]
fn a_crossing_lies_on_both_lines_and_the_caption_tells_its_place() {
    let chart = chart(&FUNCTIONS, &MACHINE, 10_000).unwrap();
    let [crossing] = chart.crossings.as_slice() else { panic!("{:?}", chart.crossings) };
    assert_eq!(crossing.label.as_deref(), Some("10k"));
    // Ten dollars, and four of six powers of ten.
    assert!((crossing.y - chart.ticks[2].y).abs() < 0.11);
    assert!((crossing.x - chart.marks[4].x).abs() < 0.11);
    assert_eq!(
        chart.caption,
        "Functions is the cheapest up to 9,999 executions a month; from 10,000 on A machine is the cheapest."
    );
}

#[test]
fn places_to_point_at_meet_and_have_the_values_of_the_table() {
    let chart = chart(&FUNCTIONS, &MACHINE, 10_000).unwrap();
    assert_eq!(chart.rows.len(), 4);
    assert_eq!(chart.rows[0].x, chart.left);
    for pair in chart.rows.windows(2) {
        assert!((pair[0].x + pair[0].width - pair[1].x).abs() < 0.21);
    }
    let last = &chart.rows[3];
    assert!((last.x + last.width - chart.right).abs() < 0.21);
    assert_eq!(last.spoken, "1,000,000 executions a month, Functions $1,000.00, A machine $10.00");
    assert_eq!(chart.rows[1].values[1], None, "no point, no value");
}

#[test]
fn costs_that_are_close_are_drawn_in_proportion() {
    let chart = chart(&[(1, "4"), (1_000_000, "12")], &MACHINE, 500_000).unwrap();
    assert!(!chart.is_logarithmic);
    assert_eq!(chart.ticks.len(), 6);
    assert_eq!(chart.ticks[5].label, "$12.50");
}

#[test]
fn what_costs_nothing_is_no_chart() {
    assert!(chart(&[(1, "0"), (1_000_000, "0")], &[(1, "0"), (1_000_000, "0")], 10).is_none());
    assert!(chart(&[], &[], 10).is_none());
}

#[test]
fn names_at_the_ends_do_not_run_into_each_other() {
    let moved = apart(&[100.0, 101.0, 99.0, HEIGHT]);
    let mut sorted = moved.clone();
    sorted.sort_by(f64::total_cmp);
    assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= NAME_HEIGHT), "{moved:?}");
    assert!(moved[2] < moved[0] && moved[0] < moved[1], "the order stays: {moved:?}");
    assert!(sorted[3] <= HEIGHT - BOTTOM);
}

#[test]
fn many_changes_are_counted() {
    let stretch = |from: &str, to: &str, lowest: &str| Stretch {
        from: from.into(),
        to: to.into(),
        lowest: String::new(),
        brief: format!("{lowest} is the cheapest"),
    };
    let one = [stretch("1", "9", "A")];
    assert_eq!(caption(&one, "runs"), "A is the cheapest from 1 to 9 runs.");
    let many: Vec<_> = ["A", "B", "A", "B", "A", "B"].map(|name| stretch("1", "2", name)).to_vec();
    assert!(caption(&many, "runs").ends_with("; then it changes 2 times more."));
    assert!(caption(&many[..5], "runs").ends_with("; then it changes once more."));
}

#[test]
fn numbers_on_the_axis_are_short() {
    for (value, shown) in [
        (1, "1"),
        (999, "999"),
        (1000, "1k"),
        (361_999, "362k"),
        (1_500_000, "1.5M"),
        (10_000_000_000, "10B"),
        (12_340, "12.3k"),
    ] {
        assert_eq!(short_count(value), shown);
    }
}
