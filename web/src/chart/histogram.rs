//! A histogram: how often values fall into which range, with the percentiles marked. Where values are far apart the ranges
//! grow with them. The table under the chart has the same counts, and the caption is worked out from them.

use super::{Axis, Tick, WIDTH, label_room, pixel};
use crate::number::count;

const HEIGHT: f64 = 280.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 46.0;
/// Ranges at most, about.
const RANGES: i64 = 24;
/// Values further apart than this have ranges that grow.
const GROWING_RATIO: i64 = 50;
/// Room that a label under a range needs.
const RANGE_LABEL_WIDTH: f64 = 64.0;
/// Room that the name of a percentile needs.
const MARK_WIDTH: f64 = 108.0;
/// Where growing ranges begin, within a power of ten.
const GROWING: [i64; 6] = [10, 15, 20, 30, 50, 70];

/// What is drawn.
#[derive(Clone, Debug)]
pub struct HistogramInput<'a> {
    /// What is counted, in the plural: `invocations`.
    pub counted: &'a str,
    /// What the values are: `duration`.
    pub what: &'a str,
    /// Values, not negative, and how often each occurs, in order.
    pub values: &'a [(i64, u64)],
    /// Marked values with their names: `p95`.
    pub marks: &'a [(&'static str, i64)],
    /// Unit of the values.
    pub unit: &'a str,
}

/// The chart, ready to be drawn.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Box of the drawing.
    pub width: f64,
    /// Box of the drawing.
    pub height: f64,
    /// Left edge of the plot.
    pub left: f64,
    /// Top edge of the plot.
    pub top: f64,
    /// Bottom edge of the plot.
    pub bottom: f64,
    /// Height of the plot.
    pub plot_height: f64,
    /// Right edge of the labels of the vertical axis.
    pub label_x: f64,
    /// Base line of the labels of the horizontal axis.
    pub label_y: f64,
    /// Middle of the plot, for the name of the horizontal axis.
    pub middle: f64,
    /// Base line of that name.
    pub axis_y: f64,
    /// Its name.
    pub axis: String,
    /// Grid.
    pub ticks: Vec<Tick>,
    /// Ranges, without gaps.
    pub bars: Vec<Bar>,
    /// Marked values, those that have room for their names.
    pub marks: Vec<Mark>,
    /// What is counted.
    pub counted: String,
    /// What the chart says, in words.
    pub caption: String,
    /// Whether ranges grow with the values.
    pub is_growing: bool,
}

/// A range of values and a row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// First value of it.
    pub from: i64,
    /// Last value of it.
    pub to: i64,
    /// Both, with the unit.
    pub name: String,
    /// Where it begins, below the axis, where there is room.
    pub label: Option<String>,
    /// What a screen reader says.
    pub spoken: String,
    /// How many values.
    pub count: u64,
    /// Their part of all, in percent.
    pub share: String,
    /// How many values up to its end, in percent of all.
    pub up_to: String,
    /// Left edge of its place.
    pub x: f64,
    /// Width of its place.
    pub width: f64,
    /// Top of the bar.
    pub y: f64,
    /// Height of the bar.
    pub bar_height: f64,
}

/// A marked value.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Distance from the left.
    pub x: f64,
    /// Its name and value, where there is room.
    pub label: Option<String>,
    /// `start` or `end`, so that the label is not cut off.
    pub anchor: &'static str,
}

impl Histogram {
    /// Lays out a chart; nothing for no values.
    pub fn new(input: &HistogramInput<'_>) -> Option<Self> {
        let total: u64 = input.values.iter().map(|(_, count)| count).sum();
        let (least, most) = (input.values.first()?.0.max(0), input.values.last()?.0.max(0));
        if total == 0 {
            return None;
        }
        let is_growing = most / least.max(1) > GROWING_RATIO;
        let edges = if is_growing { growing(least, most) } else { even(least, most) };
        let counts: Vec<u64> = edges
            .windows(2)
            .map(|edge| {
                let from = input.values.partition_point(|(value, _)| *value < edge[0]);
                let to = input.values.partition_point(|(value, _)| *value < edge[1]);
                input.values[from..to].iter().map(|(_, count)| count).sum()
            })
            .collect();
        let vertical = Axis::of_count(counts.iter().copied().max().unwrap_or(1));
        let plot_height = HEIGHT - TOP - BOTTOM;
        let per_unit = plot_height / vertical.top();
        let y = |value: f64| pixel(TOP + plot_height - value * per_unit);
        let labels: Vec<(f64, String)> = vertical.labels("").collect();
        let left = label_room(labels.iter().map(|(_, label)| label.as_str())) + 12.0;
        let place_width = (WIDTH - left) / counts.len() as f64;
        let label_every = (RANGE_LABEL_WIDTH / place_width).ceil().max(1.0) as usize;
        let mut so_far = 0;
        let bars: Vec<Bar> = counts
            .iter()
            .zip(edges.windows(2))
            .enumerate()
            .map(|(place, (own, edge))| {
                so_far += own;
                let (from, to) = (edge[0], edge[1] - 1);
                let name = range_name(from, to, input.unit);
                let x = left + place as f64 * place_width;
                let share = percent(*own, total);
                Bar {
                    spoken: format!("{name}: {} {}, {share}", count(*own), input.counted),
                    label: place.is_multiple_of(label_every).then(|| number(from)),
                    up_to: percent(so_far, total),
                    x: pixel(x),
                    width: pixel(place_width),
                    y: y(*own as f64),
                    bar_height: pixel(TOP + plot_height - y(*own as f64)),
                    count: *own,
                    share,
                    name,
                    from,
                    to,
                }
            })
            .collect();
        let marks = marks(input, &edges, left, place_width);
        Some(Self {
            width: WIDTH,
            height: HEIGHT,
            left,
            top: TOP,
            bottom: pixel(TOP + plot_height),
            plot_height,
            label_x: left - 8.0,
            label_y: HEIGHT - BOTTOM + 18.0,
            middle: pixel(f64::midpoint(left, WIDTH)),
            axis_y: HEIGHT - 6.0,
            axis: format!("{}, {}", input.what, input.unit),
            ticks: labels.into_iter().map(|(value, label)| Tick::at(y(value), label)).collect(),
            caption: caption(input, &bars, total, least, most),
            bars,
            marks,
            counted: input.counted.to_owned(),
            is_growing,
        })
    }
}

/// Edges of ranges of one width, round numbers, from below the least to above the most.
fn even(least: i64, most: i64) -> Vec<i64> {
    let raw = ((most - least) / RANGES).max(1);
    let magnitude = 10_i64.pow(raw.ilog10());
    let step = [1, 2, 5, 10].into_iter().map(|factor| factor * magnitude).find(|step| *step >= raw).unwrap_or(raw);
    let first = least / step * step;
    let count = (most - first) / step + 1;
    (0..=count).map(|place| first + place * step).collect()
}

/// Edges of ranges that grow with the values: 1, 1.5, 2, 3, 5, 7 of each power of ten, whole numbers.
fn growing(least: i64, most: i64) -> Vec<i64> {
    let powers = std::iter::successors(Some(1_i64), |power| power.checked_mul(10)).take(17);
    let places = powers.flat_map(|power| GROWING.iter().filter_map(move |edge| Some(edge.checked_mul(power)? / 10)));
    let mut edges: Vec<i64> = std::iter::once(0).chain(places).collect();
    edges.dedup();
    let from = edges.partition_point(|edge| *edge <= least).saturating_sub(1);
    let to = edges.partition_point(|edge| *edge <= most).min(edges.len() - 1);
    edges[from..=to].to_vec()
}

fn marks(input: &HistogramInput<'_>, edges: &[i64], left: f64, place_width: f64) -> Vec<Mark> {
    let mut last = f64::NEG_INFINITY;
    let mut marks = Vec::new();
    for (name, value) in input.marks {
        let place = edges.partition_point(|edge| edge <= value).saturating_sub(1).min(edges.len().saturating_sub(2));
        let (from, to) = (edges[place] as f64, edges[place + 1] as f64);
        let within = ((*value as f64 - from) / (to - from)).clamp(0.0, 1.0);
        let x = left + (place as f64 + within) * place_width;
        let anchor = if x + MARK_WIDTH > WIDTH { "end" } else { "start" };
        let begins = if anchor == "end" { x - MARK_WIDTH } else { x };
        let label = (begins >= last).then(|| format!("{name} {} {}", number(*value), input.unit));
        if label.is_some() {
            last = begins + MARK_WIDTH;
        }
        marks.push(Mark { x: pixel(x), label, anchor });
    }
    marks
}

fn caption(input: &HistogramInput<'_>, bars: &[Bar], total: u64, least: i64, most: i64) -> String {
    let unit = input.unit;
    let mut text = format!("{} {} took {} to {} {unit}.", count(total), input.counted, number(least), number(most));
    if let Some(highest) = bars.iter().reduce(|best, bar| if bar.count > best.count { bar } else { best }) {
        text += &format!(" Most often {}: {}.", highest.name, highest.share);
    }
    let named: Vec<String> =
        input.marks.iter().map(|(name, value)| format!("{name} {} {unit}", number(*value))).collect();
    if !named.is_empty() {
        text += &format!(" {}.", named.join(", "));
    }
    text
}

fn range_name(from: i64, to: i64, unit: &str) -> String {
    match from == to {
        true => format!("{} {unit}", number(from)),
        false => format!("{} – {} {unit}", number(from), number(to)),
    }
}

fn number(value: i64) -> String {
    count(u64::try_from(value).unwrap_or(0))
}

fn percent(part: u64, whole: u64) -> String {
    crate::number::percent(&part.into(), &whole.into()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[(i64, u64)]) -> Histogram {
        let marks = [("p50", values[values.len() / 2].0), ("p99", values[values.len() - 1].0)];
        let input = HistogramInput { counted: "invocations", what: "duration", values, marks: &marks, unit: "ms" };
        Histogram::new(&input).unwrap()
    }

    #[test]
    fn every_value_is_in_one_range_however_far_apart_they_are() {
        let cases: [&[(i64, u64)]; 6] = [
            &[(0, 1)],
            &[(7, 3)],
            &[(100, 2), (101, 5), (140, 1)],
            &[(0, 4), (1, 2), (900_000, 1)],
            &[(1, 1), (12, 9), (150, 3), (151, 1), (70_000, 2)],
            &[(9_999, 1), (1_000_000_000_000, 1)],
        ];
        for values in cases {
            let chart = histogram(values);
            let total: u64 = values.iter().map(|(_, count)| count).sum();
            assert_eq!(chart.bars.iter().map(|bar| bar.count).sum::<u64>(), total, "{values:?}");
            assert!(chart.bars.windows(2).all(|pair| pair[0].to + 1 == pair[1].from), "{values:?}");
            assert!(chart.bars.len() <= 60, "{values:?}: {}", chart.bars.len());
            assert!(chart.bars[0].from <= values[0].0 && chart.bars.last().unwrap().to >= values.last().unwrap().0);
            assert!(chart.bars.iter().all(|bar| bar.y >= TOP - 0.1 && bar.x + bar.width <= WIDTH + 0.2), "{values:?}");
            assert_eq!(chart.bars.last().unwrap().up_to, "100.0 %");
        }
    }

    #[test]
    fn the_caption_says_what_the_bars_are() {
        let chart = histogram(&[(100, 2), (101, 6), (140, 2)]);
        assert!(!chart.is_growing);
        assert_eq!(
            chart.caption,
            "10 invocations took 100 to 140 ms. Most often 101 ms: 60.0 %. p50 101 ms, p99 140 ms."
        );
        assert!(histogram(&[(1, 1), (500, 1)]).is_growing);
        let input = HistogramInput { counted: "x", what: "y", values: &[], marks: &[], unit: "ms" };
        assert!(Histogram::new(&input).is_none());
    }
}
