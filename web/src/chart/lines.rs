//! Lines over an axis of powers of ten, with the places where another line becomes the lowest. The lines differ by dash as
//! well as by colour, the table under the chart has the same numbers, and the caption is worked out from them.

use paygrain_pricing::Exact;

use super::{Tick, WIDTH, axis_label, label_room, pixel, steps};
use crate::filters::capital;
use crate::number::{approximate, count, money, symbol};

const HEIGHT: f64 = 360.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 46.0;
/// Room for the names at the ends of the lines.
const NAMES_WIDTH: f64 = 204.0;
/// Characters of a name that fit there.
const NAME_CHARS: usize = 24;
/// Distance of two names.
const NAME_HEIGHT: f64 = 17.0;
/// Distance of two labels of crossings, so that they can be read.
const CROSSING_WIDTH: f64 = 64.0;
/// Dashes that the style sheet has.
const DASH_COUNT: usize = 6;
/// Costs that are further apart than this are drawn by powers of ten.
const LINEAR_RATIO: f64 = 50.0;
/// Powers of ten that are drawn; what is less is drawn in proportion below them.
const DECADES_MAX: i32 = 6;
/// Height of what is less than the lowest power of ten, in powers of ten.
const BELOW: f64 = 0.6;
/// Changes that the caption tells.
const CHANGES_TOLD: usize = 3;

/// What is drawn.
#[derive(Clone, Debug)]
pub struct LinesInput<'a> {
    /// What the horizontal axis counts, in the plural: `executions a month`.
    pub unit: &'a str,
    /// First place, at least 1.
    pub from: i64,
    /// Last place.
    pub to: i64,
    /// Where the reader is.
    pub current: i64,
    /// The lines.
    pub lines: Vec<LineInput<'a>>,
    /// Which of them are the lowest where, without gaps.
    pub intervals: Vec<IntervalInput<'a>>,
    /// Currency of the values.
    pub currency: &'a str,
}

/// One line.
#[derive(Clone, Debug)]
pub struct LineInput<'a> {
    /// Its name in data.
    pub name: &'a str,
    /// Its name for people.
    pub title: &'a str,
    /// Where it leads.
    pub href: String,
    /// Place and value, by place.
    pub points: &'a [(i64, Exact)],
}

/// A stretch of the axis.
#[derive(Clone, Debug)]
pub struct IntervalInput<'a> {
    /// First place.
    pub from: i64,
    /// Last place, inclusive.
    pub to: i64,
    /// Names of the lowest lines; none where there is no line.
    pub lowest: &'a [String],
    /// Whether it is not settled which of them.
    pub is_uncertain: bool,
}

/// The chart, ready to be drawn.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Box of the drawing.
    pub width: f64,
    /// Box of the drawing.
    pub height: f64,
    /// Left edge of the plot.
    pub left: f64,
    /// Right edge of the plot.
    pub right: f64,
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
    /// What the horizontal axis counts, in the plural.
    pub unit: String,
    /// Whether the vertical axis is one of powers of ten.
    pub is_logarithmic: bool,
    /// Horizontal grid.
    pub ticks: Vec<Tick>,
    /// Places of the horizontal axis.
    pub marks: Vec<Mark>,
    /// The lines.
    pub lines: Vec<Line>,
    /// Where the lowest changes.
    pub crossings: Vec<Crossing>,
    /// Where the reader is.
    pub current: Option<Mark>,
    /// Places to point at, and the rows of the table.
    pub rows: Vec<Row>,
    /// What follows from the stretches, in sentences.
    pub caption: String,
    /// The stretches for a table.
    pub stretches: Vec<Stretch>,
}

/// A place of the horizontal axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Distance from the left.
    pub x: f64,
    /// What it says.
    pub label: String,
    /// `start`, `middle` or `end`, so that the label is not cut off.
    pub anchor: &'static str,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name for people.
    pub title: String,
    /// The same, as long as there is room for.
    pub short: String,
    /// Where it leads.
    pub href: String,
    /// Its colour in the style sheet.
    pub class: String,
    /// Its dash in the style sheet.
    pub dash: String,
    /// The line as a path.
    pub path: String,
    /// Where its name stands.
    pub name_y: f64,
}

/// Where another line becomes the lowest.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossing {
    /// Distance from the left.
    pub x: f64,
    /// Distance from the top.
    pub y: f64,
    /// The place in a few characters, where there is room for it.
    pub label: Option<String>,
    /// `start`, `middle` or `end`.
    pub anchor: &'static str,
}

/// A place with the values of all lines.
#[derive(Clone, Debug)]
pub struct Row {
    /// The place with thousands separators.
    pub name: String,
    /// What a screen reader says.
    pub spoken: String,
    /// Left edge of what is pointed at.
    pub x: f64,
    /// Width of what is pointed at.
    pub width: f64,
    /// One value per line; absent where the line is not.
    pub values: Vec<Option<Exact>>,
}

/// A stretch in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// First place.
    pub from: String,
    /// Last place.
    pub to: String,
    /// The lowest.
    pub lowest: String,
    /// The same for the caption, where many that cost the same are counted.
    brief: String,
}

impl Lines {
    /// Lays out a chart; nothing when there is no line with two points.
    pub fn new(input: &LinesInput<'_>) -> Option<Self> {
        if input.from < 1 || input.to <= input.from || input.lines.iter().all(|line| line.points.len() < 2) {
            return None;
        }
        let vertical = Vertical::new(input)?;
        let labels = vertical.labels(input.currency);
        let left = label_room(labels.iter().map(|(_, label)| label.as_str())) + 12.0;
        let right = WIDTH - NAMES_WIDTH;
        let bottom = HEIGHT - BOTTOM;
        let plot = Plot { left, right, from: (input.from as f64).log10(), to: (input.to as f64).log10(), vertical };
        let ticks = labels.into_iter().map(|(value, label)| Tick::at(plot.vertical.y(value), label)).collect();
        let stretches: Vec<Stretch> = input.intervals.iter().map(|interval| input.stretch(interval)).collect();
        Some(Self {
            width: WIDTH,
            height: HEIGHT,
            left,
            right,
            top: TOP,
            bottom,
            plot_height: bottom - TOP,
            label_x: left - 8.0,
            label_y: bottom + 18.0,
            middle: pixel(f64::midpoint(left, right)),
            axis_y: HEIGHT - 6.0,
            unit: input.unit.to_owned(),
            is_logarithmic: plot.vertical.floor.is_some(),
            ticks,
            marks: plot.marks(input),
            lines: plot.lines(input),
            crossings: plot.crossings(input),
            current: (input.from..=input.to).contains(&input.current).then(|| plot.mark(input.current)),
            rows: plot.rows(input),
            caption: caption(&stretches, input.unit),
            stretches,
        })
    }
}

/// The vertical axis.
#[derive(Clone, Copy, Debug)]
struct Vertical {
    /// The highest value.
    top: f64,
    /// The lowest power of ten; absent: all of the axis is in proportion.
    floor: Option<f64>,
    /// The step of a proportional axis.
    step: f64,
}

impl Vertical {
    fn new(input: &LinesInput<'_>) -> Option<Self> {
        let values = input.lines.iter().flat_map(|line| line.points).map(|(_, value)| approximate(value));
        let (least, most) = values
            .filter(|value| *value > 0.0)
            .fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
        if most <= 0.0 {
            return None;
        }
        if most / least <= LINEAR_RATIO {
            let (step, times) = steps(most);
            return Some(Self { top: step * f64::from(times), floor: None, step });
        }
        let high = (most.log10() - 1e-9).ceil() as i32;
        let low = (least.log10().floor() as i32).max(high - DECADES_MAX).min(high - 1);
        Some(Self { top: 10f64.powi(high), floor: Some(10f64.powi(low)), step: 0.0 })
    }

    /// Distance from the top.
    fn y(&self, value: f64) -> f64 {
        let share = match self.floor {
            None => value / self.top,
            Some(floor) => {
                let height = |value: f64| match value / floor {
                    below if below <= 1.0 => BELOW * below.max(0.0),
                    above => BELOW + above.log10(),
                };
                height(value) / height(self.top)
            }
        };
        let bottom = HEIGHT - BOTTOM;
        pixel(bottom - share.clamp(0.0, 1.0) * (bottom - TOP))
    }

    fn labels(&self, currency: &str) -> Vec<(f64, String)> {
        let symbol = symbol(currency);
        match self.floor {
            None => {
                let times = (self.top / self.step).round() as u32;
                let values = (0..=times).map(|place| f64::from(place) * self.step);
                values.map(|value| (value, axis_label(value, self.step, &symbol))).collect()
            }
            Some(floor) => {
                let times = (self.top / floor).log10().round() as i32;
                let powers = (0..=times).map(|place| floor * 10f64.powi(place));
                let powers = powers.map(|value| (value, axis_label(value, value, &symbol)));
                std::iter::once((0.0, format!("{symbol}0"))).chain(powers).collect()
            }
        }
    }
}

/// Where things are.
struct Plot {
    left: f64,
    right: f64,
    /// Logarithm of the first place.
    from: f64,
    /// Logarithm of the last place.
    to: f64,
    vertical: Vertical,
}

impl Plot {
    fn x(&self, place: i64) -> f64 {
        let share = ((place.max(1) as f64).log10() - self.from) / (self.to - self.from);
        pixel(self.left + share * (self.right - self.left))
    }

    /// A label near an edge must not be cut off, or run into the labels there.
    fn anchor(&self, x: f64) -> &'static str {
        match x {
            x if x < self.left + 24.0 => "start",
            x if x > self.right - 24.0 => "end",
            _ => "middle",
        }
    }

    fn mark(&self, place: i64) -> Mark {
        let x = self.x(place);
        Mark { x, label: short_count(place), anchor: self.anchor(x) }
    }

    /// Powers of ten; on a short axis also those between.
    fn marks(&self, input: &LinesInput<'_>) -> Vec<Mark> {
        let times: &[i64] = if self.to - self.from < 3.0 { &[1, 2, 5] } else { &[1] };
        let powers = std::iter::successors(Some(1_i64), |power| power.checked_mul(10)).take_while(|at| *at <= input.to);
        let places = powers.flat_map(|power| times.iter().filter_map(move |times| power.checked_mul(*times)));
        places.filter(|place| (input.from..=input.to).contains(place)).map(|place| self.mark(place)).collect()
    }

    fn lines(&self, input: &LinesInput<'_>) -> Vec<Line> {
        let ends: Vec<f64> = input
            .lines
            .iter()
            .map(|line| line.points.last().map_or(TOP, |(_, value)| self.vertical.y(approximate(value))))
            .collect();
        let lines = input.lines.iter().zip(apart(&ends)).enumerate();
        let line = |(place, (line, name_y)): (usize, (&LineInput<'_>, f64))| {
            let mut path = String::new();
            for (point, (at, value)) in line.points.iter().enumerate() {
                let command = if point == 0 { 'M' } else { 'L' };
                path += &format!("{command}{} {}", self.x(*at), self.vertical.y(approximate(value)));
            }
            Line {
                title: line.title.to_owned(),
                short: shortened(line.title),
                href: line.href.clone(),
                class: format!("s{}", place % 10),
                dash: format!("dash{}", place % DASH_COUNT),
                path,
                name_y: pixel(name_y + 4.0),
            }
        };
        lines.map(line).collect()
    }

    fn crossings(&self, input: &LinesInput<'_>) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        let mut last_label = f64::NEG_INFINITY;
        for pair in input.intervals.windows(2) {
            let [before, after] = pair else { continue };
            // Where nothing can be had before or after, no two lines cross.
            let Some(y) = after.lowest.first().filter(|_| !before.lowest.is_empty()) else { continue };
            let Some(y) = input.lines.iter().find(|line| line.name == y).and_then(|line| self.y_at(line, after.from))
            else {
                continue;
            };
            let x = self.x(after.from);
            let label = (x - last_label >= CROSSING_WIDTH).then(|| short_count(after.from));
            if label.is_some() {
                last_label = x;
            }
            crossings.push(Crossing { x, y, label, anchor: self.anchor(x) });
        }
        crossings
    }

    /// Height of a line at a place, as it is drawn.
    fn y_at(&self, line: &LineInput<'_>, place: i64) -> Option<f64> {
        let point = |(at, value): &(i64, Exact)| (self.x(*at), self.vertical.y(approximate(value)));
        let after = line.points.iter().position(|(at, _)| *at >= place)?;
        let (right_x, right_y) = point(&line.points[after]);
        let Some((left_x, left_y)) = after.checked_sub(1).map(|before| point(&line.points[before])) else {
            return Some(right_y);
        };
        let share = if right_x > left_x { (self.x(place) - left_x) / (right_x - left_x) } else { 1.0 };
        Some(pixel(left_y + share * (right_y - left_y)))
    }

    fn rows(&self, input: &LinesInput<'_>) -> Vec<Row> {
        let mut places: Vec<i64> = input.lines.iter().flat_map(|line| line.points).map(|(at, _)| *at).collect();
        places.sort_unstable();
        places.dedup();
        let edge = |one: i64, other: i64| f64::midpoint(self.x(one), self.x(other));
        let row = |(number, at): (usize, &i64)| {
            let value = |line: &LineInput<'_>| {
                let found = line.points.iter().find(|(place, _)| place == at);
                found.map(|(_, value)| value.clone())
            };
            let values: Vec<Option<Exact>> = input.lines.iter().map(value).collect();
            let first = number.checked_sub(1).map_or(self.left, |before| edge(places[before], *at));
            let last = places.get(number + 1).map_or(self.right, |after| edge(*at, *after));
            let mut spoken = format!("{} {}", count(at.unsigned_abs()), input.unit);
            for (line, value) in input.lines.iter().zip(&values) {
                let Some(value) = value else { continue };
                spoken += &format!(", {} {}", line.title, money(value, input.currency));
            }
            let name = count(at.unsigned_abs());
            Row { name, spoken, x: pixel(first), width: pixel(last - first), values }
        };
        places.iter().enumerate().map(row).collect()
    }
}

impl LinesInput<'_> {
    fn stretch(&self, interval: &IntervalInput<'_>) -> Stretch {
        let title = |name: &String| {
            let line = self.lines.iter().find(|line| line.name == name);
            line.map_or_else(|| name.clone(), |line| line.title.to_owned())
        };
        let titles: Vec<String> = interval.lowest.iter().map(title).collect();
        let lowest = match titles.as_slice() {
            [] => "nothing can run it".to_owned(),
            [one] => format!("{one} is the cheapest"),
            many if interval.is_uncertain => format!("{} is the cheapest", listed(many, "or")),
            many => format!("{} cost the same", listed(many, "and")),
        };
        let brief = match titles.as_slice() {
            [first, rest @ ..] if rest.len() > 1 && !interval.is_uncertain => {
                format!("{first} and {} others cost the same", rest.len())
            }
            _ => lowest.clone(),
        };
        Stretch { from: count(interval.from.unsigned_abs()), to: count(interval.to.unsigned_abs()), lowest, brief }
    }
}

/// The stretches as one sentence; many of them as the first few, and how many more there are.
fn caption(stretches: &[Stretch], unit: &str) -> String {
    let mut changes = stretches.iter();
    let Some(first) = changes.next() else { return String::new() };
    if stretches.len() == 1 {
        return format!("{} from {} to {} {unit}.", capital(&first.brief), first.from, first.to);
    }
    let mut sentence = format!("{} up to {} {unit}", capital(&first.brief), first.to);
    for stretch in changes.by_ref().take(CHANGES_TOLD) {
        sentence += &format!("; from {} on {}", stretch.from, stretch.brief);
    }
    match changes.count() {
        0 => sentence + ".",
        1 => sentence + "; then it changes once more.",
        more => format!("{sentence}; then it changes {more} times more."),
    }
}

fn listed(names: &[String], word: &str) -> String {
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// A number on an axis: `20k`, `1.5M`, `3B`, three digits at most.
fn short_count(value: i64) -> String {
    let size = value as f64;
    let (unit, sign) = match value {
        ..1_000 => return value.to_string(),
        1_000..1_000_000 => (1e3, "k"),
        1_000_000..1_000_000_000 => (1e6, "M"),
        _ => (1e9, "B"),
    };
    let scaled = size / unit;
    let decimals = if scaled < 9.995 { 2 } else { usize::from(scaled < 99.95) };
    let digits = format!("{scaled:.decimals$}");
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits}{sign}")
}

fn shortened(title: &str) -> String {
    match title.char_indices().nth(NAME_CHARS) {
        None => title.to_owned(),
        Some(_) => title.chars().take(NAME_CHARS - 1).collect::<String>().trim_end().to_owned() + "…",
    }
}

/// The same heights, far enough apart for a line of text each, within the drawing.
fn apart(heights: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|one, other| heights[*one].total_cmp(&heights[*other]));
    let mut moved = heights.to_vec();
    let mut least = TOP;
    for place in &order {
        moved[*place] = moved[*place].max(least);
        least = moved[*place] + NAME_HEIGHT;
    }
    let mut most = HEIGHT - BOTTOM;
    for place in order.iter().rev() {
        moved[*place] = moved[*place].min(most);
        most = moved[*place] - NAME_HEIGHT;
    }
    moved
}

#[cfg(test)]
mod tests;
