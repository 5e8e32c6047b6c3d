//! Executions at once as an area and instances up as a staircase, over time. Where they are of one order they share an axis,
//! else each has its own, one below the other. The table under the chart has the same numbers, and the caption is worked out
//! from them.

use chrono::DateTime;
use paygrain_pricing::period::{DAY_US, HOUR_US};
use paygrain_replay::Staircase;

use super::{Axis, Tick, WIDTH, label_room, pixel};
use crate::number::count;

const TOP: f64 = 26.0;
/// Height of the plot, all panels together.
const PLOT_HEIGHT: f64 = 230.0;
/// Room for the title of the second panel.
const GAP: f64 = 34.0;
const BOTTOM: f64 = 28.0;
/// Executions for an instance up to which they share an axis.
const SHARED_RATIO: u64 = 6;
/// Labels of the time axis.
const LABELS_MAX: i64 = 12;
/// Distances of labels.
const LABEL_STEPS_US: [i64; 9] =
    [HOUR_US / 6, HOUR_US, 2 * HOUR_US, 3 * HOUR_US, 6 * HOUR_US, 12 * HOUR_US, DAY_US, 2 * DAY_US, 7 * DAY_US];

/// The chart, ready to be drawn.
#[derive(Clone, Debug)]
pub struct StaircaseChart {
    /// Box of the drawing.
    pub width: f64,
    /// Box of the drawing.
    pub height: f64,
    /// Left edge of the plot.
    pub left: f64,
    /// Right edge of the labels of the vertical axes.
    pub label_x: f64,
    /// Top edge of the first panel.
    pub top: f64,
    /// Height from there to the end of the last.
    pub plot_height: f64,
    /// Panels: one or two.
    pub panels: Vec<Panel>,
    /// Labels of the time axis.
    pub marks: Vec<Mark>,
    /// Base line of those labels.
    pub label_y: f64,
    /// Buckets to point at, and the rows of the table.
    pub rows: Vec<Row>,
    /// What it shows, in sentences.
    pub caption: String,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows.
    pub title: &'static str,
    /// Base line of its title.
    pub title_y: f64,
    /// Horizontal grid.
    pub ticks: Vec<Tick>,
    /// Executions as an area; empty: not in this panel.
    pub area: String,
    /// Instances as a line; empty: not in this panel.
    pub line: String,
}

/// A label of the time axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Distance from the left.
    pub x: f64,
    /// What it says.
    pub label: String,
    /// `start` or `middle`, so that the label is not cut off.
    pub anchor: &'static str,
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct Row {
    /// When it begins, for people.
    pub name: String,
    /// The same for programs.
    pub start: String,
    /// What a screen reader says.
    pub spoken: String,
    /// Left edge of what is pointed at.
    pub x: f64,
    /// Width of what is pointed at.
    pub width: f64,
    /// Most executions at once.
    pub executions: u64,
    /// Most instances up.
    pub instances: u64,
}

impl StaircaseChart {
    /// Lays a chart out; nothing where there is no bucket.
    pub fn new(found: &Staircase) -> Option<Self> {
        let of = |value: fn(&Row) -> u64, rows: &[Row]| rows.iter().map(value).max();
        let mut rows: Vec<Row> = found
            .timed()
            .map(|(at_us, bucket)| {
                let (name, executions, instances) =
                    (time(at_us, "%-d %b, %H:%M"), bucket.peak_concurrency, bucket.peak_instances);
                let spoken = format!(
                    "From {name}: {} at once, {} up",
                    counted(executions, "execution"),
                    counted(instances, "instance")
                );
                Row {
                    name,
                    start: time(at_us, "%Y-%m-%dT%H:%M:%SZ"),
                    spoken,
                    x: 0.0,
                    width: 0.0,
                    executions,
                    instances,
                }
            })
            .collect();
        let executions = of(|row| row.executions, &rows)?;
        let instances = of(|row| row.instances, &rows)?;
        let shares = executions.max(1) <= instances.max(1).saturating_mul(SHARED_RATIO)
            && instances <= executions.max(1) * SHARED_RATIO;
        let tops: Vec<(&'static str, u64)> = match shares {
            true => vec![("Executions at once, and instances up", executions.max(instances))],
            false => vec![("Executions at once", executions), ("Instances up", instances)],
        };
        let axes: Vec<Axis> = tops.iter().map(|(_, top)| Axis::of_count(*top)).collect();
        let labels: Vec<(f64, String)> = axes.iter().flat_map(|axis| axis.labels("")).collect();
        let left = label_room(labels.iter().map(|(_, label)| label.as_str())) + 14.0;
        let length = (found.end_us - found.start_us).max(1) as f64;
        let x = |at_us: i64| pixel(left + ((at_us - found.start_us) as f64 / length).clamp(0.0, 1.0) * (WIDTH - left));
        for (place, row) in (0_i64..).zip(&mut rows) {
            let at_us = found.start_us + place * found.bucket_us;
            row.x = x(at_us);
            row.width = pixel(x(at_us + found.bucket_us) - row.x);
        }
        let height = (PLOT_HEIGHT - if shares { 0.0 } else { GAP }) / tops.len() as f64;
        let panels = tops.iter().zip(&axes).enumerate().map(|(place, ((title, _), axis))| {
            let top = TOP + place as f64 * (height + GAP);
            let y = |value: f64| pixel(top + height - (value / axis.top()).min(1.0) * height);
            let course = |value: fn(&Row) -> u64| stairs(&rows, |row| y(value(row) as f64));
            let end = rows.last().map_or(left, |row| pixel(row.x + row.width));
            let area = || format!("M{left} {0}L{1}L{end} {0}Z", y(0.0), course(|row| row.executions));
            Panel {
                title,
                title_y: top - 10.0,
                ticks: axis.labels("").map(|(value, label)| Tick::at(y(value), label)).collect(),
                area: if place == 0 { area() } else { String::new() },
                line: if place + 1 == tops.len() { format!("M{}", course(|row| row.instances)) } else { String::new() },
            }
        });
        Some(Self {
            width: WIDTH,
            height: TOP + PLOT_HEIGHT + BOTTOM,
            left,
            label_x: left - 8.0,
            top: TOP,
            plot_height: PLOT_HEIGHT,
            panels: panels.collect(),
            marks: marks(found, x),
            label_y: TOP + PLOT_HEIGHT + 18.0,
            caption: caption(found, &rows),
            rows,
        })
    }
}

/// Corners of a staircase, without the first command; neighbours of one height are one step.
fn stairs(rows: &[Row], y: impl Fn(&Row) -> f64) -> String {
    let mut corners: Vec<String> = Vec::new();
    let mut last: Option<f64> = None;
    for row in rows {
        let height = y(row);
        if last != Some(height) {
            if let Some(before) = last {
                corners.push(format!("{} {before}", row.x));
            }
            corners.push(format!("{} {height}", row.x));
            last = Some(height);
        }
    }
    if let (Some(row), Some(height)) = (rows.last(), last) {
        corners.push(format!("{} {height}", pixel(row.x + row.width)));
    }
    corners.join("L")
}

fn time(at_us: i64, format: &str) -> String {
    DateTime::from_timestamp_micros(at_us).map_or_else(String::new, |at| at.format(format).to_string())
}

fn counted(value: u64, what: &str) -> String {
    format!("{} {what}{}", count(value), if value == 1 { "" } else { "s" })
}

fn marks(found: &Staircase, x: impl Fn(i64) -> f64) -> Vec<Mark> {
    let length_us = found.end_us - found.start_us;
    let step_us = LABEL_STEPS_US.into_iter().find(|step_us| length_us / step_us <= LABELS_MAX).unwrap_or(7 * DAY_US);
    let format = if step_us >= DAY_US { "%-d %b" } else { "%H:%M" };
    let places = (0..).map(|place| found.start_us + place * step_us).take_while(|at_us| *at_us < found.end_us);
    let mark = |at_us: i64| Mark {
        x: x(at_us),
        label: time(at_us, if at_us == found.start_us { "%-d %b" } else { format }),
        anchor: if at_us == found.start_us { "start" } else { "middle" },
    };
    places.map(mark).collect()
}

/// How long a bucket is, in words.
fn length(bucket_us: i64) -> String {
    match bucket_us {
        DAY_US => "a day".to_owned(),
        HOUR_US => "an hour".to_owned(),
        us if us > HOUR_US => format!("{} hours", us / HOUR_US),
        us => format!("{} minutes", us / 60_000_000),
    }
}

fn caption(found: &Staircase, rows: &[Row]) -> String {
    let most = |value: fn(&Row) -> u64| {
        // The first of equals.
        rows.iter().rev().max_by_key(|row| value(row)).map(|row| (value(row), row.name.as_str()))
    };
    let (Some((executions, at)), Some((instances, up_at))) = (most(|row| row.executions), most(|row| row.instances))
    else {
        return String::new();
    };
    let least = rows.iter().map(|row| row.instances).min().unwrap_or(0);
    let none = rows.iter().filter(|row| row.instances == 0).count();
    let instances = match (least == instances, instances) {
        (true, 0) => "no instance is ever up".to_owned(),
        (true, count) => format!("{} up all the time", counted(count, "instance")),
        (false, count) => format!("at most {} up, from {up_at}", counted(count, "instance")),
    };
    let idle = match none {
        0 => String::new(),
        none if none == rows.len() => String::new(),
        none => format!(" No instance is up in {} of {} such times.", count(none as u64), count(rows.len() as u64)),
    };
    let pattern = if found.is_pattern { " What repeats is drawn by the peak of its hour." } else { "" };
    format!(
        "At most {} at once, from {at}; {instances}. Each step is the most within {}, UTC.{idle}{pattern}",
        counted(executions, "execution"),
        length(found.bucket_us)
    )
}

#[cfg(test)]
mod tests {
    use paygrain_replay::staircase::Bucket;

    use super::*;

    fn found(values: &[(u64, u64)]) -> Staircase {
        let bucket = |(peak_concurrency, peak_instances): &(u64, u64)| Bucket {
            peak_concurrency: *peak_concurrency,
            peak_instances: *peak_instances,
        };
        Staircase {
            start_us: 0,
            end_us: values.len() as i64 * HOUR_US,
            bucket_us: HOUR_US,
            buckets: values.iter().map(bucket).collect(),
            is_pattern: false,
        }
    }

    #[test]
    fn one_axis_for_what_is_of_one_order_else_one_each() {
        let shared = StaircaseChart::new(&found(&[(0, 1), (4, 4), (2, 2)])).unwrap();
        assert_eq!(shared.panels.len(), 1);
        assert!(!shared.panels[0].area.is_empty() && !shared.panels[0].line.is_empty());
        let labels: Vec<&str> = shared.panels[0].ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(labels, ["0", "1", "2", "3", "4"]);
        let apart = StaircaseChart::new(&found(&[(0, 1), (3000, 2), (2, 1)])).unwrap();
        assert_eq!(apart.panels.len(), 2);
        assert!(apart.panels[0].line.is_empty() && apart.panels[1].area.is_empty());
        let labels: Vec<&str> = apart.panels[1].ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(labels, ["0", "1", "2"], "no half an instance");
    }

    #[test]
    fn a_staircase_has_level_steps_that_meet() {
        let chart = StaircaseChart::new(&found(&[(1, 1), (1, 1), (3, 3), (0, 0)])).unwrap();
        let corners: Vec<(f64, f64)> = chart.panels[0].line[1..]
            .split('L')
            .map(|corner| corner.split_once(' ').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap())
            .collect();
        // Six corners for three steps; from corner to corner only one of both changes.
        assert_eq!(corners.len(), 6, "{corners:?}");
        assert!(corners.windows(2).all(|pair| (pair[0].0 == pair[1].0) != (pair[0].1 == pair[1].1)), "{corners:?}");
        assert_eq!((corners[0].0, corners[5].0), (chart.left, chart.width));
        assert!(chart.rows.windows(2).all(|pair| (pair[0].x + pair[0].width - pair[1].x).abs() < 0.11));
    }

    #[test]
    fn the_caption_tells_the_peaks_and_what_is_never_up() {
        let chart = StaircaseChart::new(&found(&[(1, 1), (0, 0), (1200, 30)])).unwrap();
        assert_eq!(
            chart.caption,
            "At most 1,200 executions at once, from 1 Jan, 02:00; at most 30 instances up, from 1 Jan, 02:00. Each step is \
             the most within an hour, UTC. No instance is up in 1 of 3 such times."
        );
        let always = StaircaseChart::new(&found(&[(1, 2), (5, 2)])).unwrap();
        assert!(always.caption.contains("; 2 instances up all the time."), "{}", always.caption);
    }
}
