//! Bands over sizes of memory: panels one below the other with the same horizontal axis of powers, and below them the sizes
//! that may be the choice. A value that is known is a line; one of which only bounds are known is the area between them.

use super::{Axis, Tick, WIDTH, label_room, pixel};
use crate::number::count;

const TOP: f64 = 26.0;
const PANEL_HEIGHT: f64 = 150.0;
/// Room for the title of a panel, above it.
const GAP: f64 = 36.0;
const CHOICE_HEIGHT: f64 = 24.0;
/// Room that a label of the horizontal axis needs.
const MARK_WIDTH: f64 = 46.0;
/// Distance of the outermost sizes from the edges.
const INSET: f64 = 26.0;

/// The lower and the upper bound of a value; absent where there is none.
pub type Bounds = (Option<f64>, Option<f64>);
/// A point of the drawing; absent where there is no value.
type Point = Option<(f64, f64)>;

/// What is drawn.
#[derive(Clone, Debug)]
pub struct BandsInput<'a> {
    /// Sizes, ascending, above 0.
    pub places: &'a [i64],
    /// Panels, from the top.
    pub panels: Vec<PanelInput>,
    /// Choices, from the top: name, and the sizes that may be it.
    pub choices: Vec<(&'static str, &'a [i64])>,
    /// What a screen reader says of each size.
    pub spoken: Vec<String>,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct PanelInput {
    /// What it shows, with its unit.
    pub title: &'static str,
    /// What stands before a number of its axis.
    pub symbol: String,
    /// Number of its colour.
    pub colour: usize,
    /// The bounds at each size; absent where there is no value.
    pub bounds: Vec<Bounds>,
    /// What was recorded: size and value.
    pub recorded: Vec<(i64, f64)>,
}

/// The chart, ready to be drawn.
#[derive(Clone, Debug)]
pub struct Bands {
    /// Box of the drawing.
    pub width: f64,
    /// Box of the drawing.
    pub height: f64,
    /// Left edge of the plot.
    pub left: f64,
    /// Right edge of the plot.
    pub right: f64,
    /// Top edge of the first panel.
    pub top: f64,
    /// Height from there to the end of the choices.
    pub plot_height: f64,
    /// Right edge of the labels of the vertical axes and of the choices.
    pub label_x: f64,
    /// Panels.
    pub panels: Vec<Panel>,
    /// Sizes with a label.
    pub marks: Vec<(f64, String)>,
    /// Base line of those labels.
    pub label_y: f64,
    /// Middle of the plot.
    pub middle: f64,
    /// Base line of the name of the horizontal axis.
    pub axis_y: f64,
    /// Choices.
    pub choices: Vec<Choice>,
    /// Places to point at.
    pub columns: Vec<Column>,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows.
    pub title: &'static str,
    /// Base line of its title.
    pub title_y: f64,
    /// Top edge.
    pub top: f64,
    /// Bottom edge.
    pub bottom: f64,
    /// Horizontal grid.
    pub ticks: Vec<Tick>,
    /// Its colour in the style sheet.
    pub class: String,
    /// Between the bounds; empty where they are the same everywhere.
    pub area: String,
    /// The lower bound, and the upper one where it is another.
    pub lines: Vec<String>,
    /// What was recorded.
    pub recorded: Vec<(f64, f64)>,
}

/// The sizes that may be a choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Its name.
    pub title: &'static str,
    /// Middle line.
    pub y: f64,
    /// Base line of its name.
    pub label_y: f64,
    /// Each size.
    pub places: Vec<f64>,
}

impl Choice {
    /// The first and the last size, where there are several.
    pub fn span(&self) -> Option<(f64, f64)> {
        match self.places.as_slice() {
            [first, .., last] => Some((*first, *last)),
            _ => None,
        }
    }
}

/// A size to point at: a row of the table.
#[derive(Clone, Debug)]
pub struct Column {
    /// What a screen reader says.
    pub spoken: String,
    /// Left edge.
    pub x: f64,
    /// Width.
    pub width: f64,
}

impl Bands {
    /// Lays a chart out; nothing for fewer than two sizes.
    pub fn new(input: BandsInput<'_>) -> Option<Self> {
        let &[first, .., last] = input.places else { return None };
        let axes: Vec<Axis> = input.panels.iter().map(axis_of).collect();
        let labels: Vec<(f64, String)> =
            axes.iter().zip(&input.panels).flat_map(|(axis, panel)| axis.labels(&panel.symbol)).collect();
        let names = input.choices.iter().map(|(title, _)| *title);
        let left = label_room(labels.iter().map(|(_, label)| label.as_str()).chain(names)) + 14.0;
        let (from, to) = ((first.max(1) as f64).ln(), (last as f64).ln());
        let x = |place: i64| {
            let share = ((place.max(1) as f64).ln() - from) / (to - from).max(f64::MIN_POSITIVE);
            pixel(left + INSET + share * (WIDTH - left - 2.0 * INSET))
        };
        let xs: Vec<f64> = input.places.iter().map(|place| x(*place)).collect();
        let panels: Vec<Panel> =
            (0_u32..).zip(input.panels).zip(axes).map(|((row, panel), axis)| draw(panel, row, axis, &xs, x)).collect();
        let end = panels.last().map_or(TOP, |panel| panel.bottom);
        let label_y = end + 18.0;
        let choices_top = label_y + 34.0;
        let choice = |(row, (title, sizes)): (u32, (&'static str, &[i64]))| {
            let y = choices_top + f64::from(row) * CHOICE_HEIGHT;
            Choice { title, y, label_y: y + 4.0, places: sizes.iter().map(|size| x(*size)).collect() }
        };
        let choices: Vec<Choice> = (0..).zip(input.choices).map(choice).collect();
        let bottom = choices.last().map_or(end, |choice| choice.y + CHOICE_HEIGHT / 2.0);
        let edge = |one: f64, other: f64| f64::midpoint(one, other);
        let columns = xs.iter().zip(input.spoken).enumerate().map(|(place, (at, spoken))| {
            let start = place.checked_sub(1).map_or(left, |before| edge(xs[before], *at));
            let end = xs.get(place + 1).map_or(WIDTH, |after| edge(*at, *after));
            Column { spoken, x: pixel(start), width: pixel(end - start) }
        });
        Some(Self {
            width: WIDTH,
            height: bottom + 8.0,
            left,
            right: WIDTH,
            top: TOP,
            plot_height: pixel(bottom - TOP),
            label_x: left - 8.0,
            columns: columns.collect(),
            marks: marks(input.places, &xs),
            label_y,
            middle: pixel(f64::midpoint(left, WIDTH)),
            axis_y: label_y + 16.0,
            panels,
            choices,
        })
    }
}

/// The vertical axis of a panel.
fn axis_of(panel: &PanelInput) -> Axis {
    let bounds = panel.bounds.iter().flat_map(|(low, high)| [*low, *high]).flatten();
    Axis::up_to(bounds.chain(panel.recorded.iter().map(|(_, value)| *value)).fold(0.0, f64::max))
}

fn draw(input: PanelInput, row: u32, axis: Axis, xs: &[f64], x: impl Fn(i64) -> f64) -> Panel {
    let top = TOP + f64::from(row) * (PANEL_HEIGHT + GAP);
    let bottom = top + PANEL_HEIGHT;
    let y = |value: f64| pixel(bottom - (value / axis.top()).clamp(0.0, 1.0) * PANEL_HEIGHT);
    let tick = |(value, label): (f64, String)| Tick::at(y(value), label);
    let bound = |choose: fn(&Bounds) -> Option<f64>| -> Vec<Point> {
        xs.iter().zip(&input.bounds).map(|(x, bounds)| Some((*x, y(choose(bounds)?)))).collect()
    };
    let (low, high) = (bound(|bounds| bounds.0), bound(|bounds| bounds.1));
    let is_known = low == high;
    let lines = if is_known { vec![path(&low)] } else { vec![path(&low), path(&high)] };
    Panel {
        title: input.title,
        title_y: top - 10.0,
        top,
        bottom,
        ticks: axis.labels(&input.symbol).map(tick).collect(),
        class: format!("s{}", input.colour),
        area: if is_known { String::new() } else { area(&low, &high) },
        lines,
        recorded: input.recorded.iter().map(|(place, value)| (x(*place), y(*value))).collect(),
    }
}

/// A line through the points there are; where one is missing it is interrupted.
fn path(points: &[Point]) -> String {
    let mut path = String::new();
    let mut is_down = false;
    for point in points {
        if let Some((x, y)) = point {
            path += &format!("{}{x} {y}", if is_down { 'L' } else { 'M' });
        }
        is_down = point.is_some();
    }
    path
}

/// The areas where both bounds are.
fn area(low: &[Point], high: &[Point]) -> String {
    let both: Vec<_> = low.iter().zip(high).map(|(low, high)| low.zip(*high)).collect();
    let mut areas = String::new();
    for part in both.split(Option::is_none).filter(|part| !part.is_empty()) {
        let lower = part.iter().flatten().map(|(low, _)| *low);
        let upper = part.iter().flatten().rev().map(|(_, high)| *high);
        let points: Vec<String> = lower.chain(upper).map(|(x, y)| format!("{x} {y}")).collect();
        areas += &format!("M{}Z", points.join("L"));
    }
    areas
}

/// As many labels as there is room for, the outermost always.
fn marks(places: &[i64], xs: &[f64]) -> Vec<(f64, String)> {
    let end = xs.last().copied().unwrap_or_default();
    let mut last = f64::NEG_INFINITY;
    let mut marks = Vec::new();
    for (place, x) in places.iter().zip(xs) {
        if *x >= end || (x - last >= MARK_WIDTH && end - x >= MARK_WIDTH) {
            last = *x;
            marks.push((*x, count(place.unsigned_abs())));
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(bounds: Vec<Bounds>) -> Option<Bands> {
        chart_with(bounds, vec![(512, 2.0)])
    }

    fn chart_with(bounds: Vec<Bounds>, recorded: Vec<(i64, f64)>) -> Option<Bands> {
        let places = [128, 256, 512, 1024];
        let spoken = places.map(|place| place.to_string()).into();
        let panel = PanelInput { title: "Cost", symbol: "$".into(), colour: 0, bounds, recorded };
        let choices = vec![("Cheapest", &places[1..3]), ("Fastest", &places[3..])];
        Bands::new(BandsInput { places: &places, panels: vec![panel], choices, spoken })
    }

    #[test]
    fn sizes_that_double_are_as_far_apart_and_their_places_meet() {
        let chart = chart(vec![(Some(4.0), Some(4.0)); 4]).unwrap();
        let xs: Vec<f64> = chart.marks.iter().map(|(x, _)| *x).collect();
        assert!(xs.windows(3).all(|three| (three[1] - three[0] - (three[2] - three[1])).abs() < 0.21), "{xs:?}");
        for pair in chart.columns.windows(2) {
            assert!((pair[0].x + pair[0].width - pair[1].x).abs() < 0.11);
        }
        assert_eq!(chart.columns[0].x, chart.left);
        let last = chart.columns.last().unwrap();
        assert!((last.x + last.width - chart.right).abs() < 0.11);
    }

    #[test]
    fn a_known_value_is_a_line_and_bounds_are_an_area_with_gaps() {
        let known = chart(vec![(Some(4.0), Some(4.0)), (Some(3.0), Some(3.0)), (Some(2.0), Some(2.0)), (None, None)]);
        let panel = &known.unwrap().panels[0];
        assert_eq!((panel.lines.len(), panel.area.as_str()), (1, ""));
        assert_eq!(panel.lines[0].matches('L').count(), 2);
        let bounds = vec![(Some(1.0), Some(4.0)), (Some(1.0), None), (Some(2.0), Some(3.0)), (Some(2.0), Some(2.0))];
        let panel = &chart(bounds).unwrap().panels[0];
        assert_eq!(panel.lines.len(), 2);
        assert_eq!(panel.area.matches('Z').count(), 2, "{}", panel.area);
        assert_eq!(panel.lines[1].matches('M').count(), 2, "the upper bound is interrupted");
        // What was recorded lies on the scale of the panel: half of 4.
        assert!((panel.recorded[0].1 - f64::midpoint(panel.top, panel.bottom)).abs() < 0.11);
    }

    #[test]
    fn several_sizes_that_may_be_a_choice_span_from_the_first_to_the_last() {
        let chart = chart_with(vec![(Some(0.0), Some(0.0)); 4], Vec::new()).unwrap();
        let [cheapest, fastest] = chart.choices.as_slice() else { panic!("{:?}", chart.choices) };
        assert_eq!(cheapest.span(), Some((chart.marks[1].0, chart.marks[2].0)));
        assert_eq!((fastest.span(), fastest.places.len()), (None, 1));
        assert_eq!(chart.panels[0].ticks.len(), 1, "an axis of nothing");
        assert!(Bands::new(BandsInput { places: &[128], panels: vec![], choices: vec![], spoken: vec![] }).is_none());
    }
}
