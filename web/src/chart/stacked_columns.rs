//! Stacked columns: a column per day, a band per series. Each column is a link, and the table under the chart has the
//! same numbers; the tooltip is read from that table.

use paygrain_pricing::Exact;

use super::{Axis, Tick, WIDTH, label_room, pixel};
use crate::number::{approximate, money, sum, symbol};

const HEIGHT: f64 = 330.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 28.0;
/// The share of its place that a column fills.
const FILL: f64 = 0.72;
/// Room that a label under a column needs.
const COLUMN_LABEL_WIDTH: f64 = 84.0;
/// Half the width of such a label: it must not be cut off at the edge.
const LABEL_HALF_MAX: f64 = 22.0;
/// Colours that the style sheet has; further series share the last one.
const COLOUR_COUNT: usize = 10;

/// One band.
#[derive(Clone, Debug)]
pub struct SeriesInput<'a> {
    /// What it shows.
    pub name: &'a str,
    /// One value per column.
    pub values: &'a [Exact],
    /// Their sum.
    pub total: &'a Exact,
    /// Where the legend leads.
    pub href: String,
    /// Number of its colour, so that it keeps it when the order changes.
    pub colour: usize,
    /// The rest of what has no band of its own: grey.
    pub is_other: bool,
}

/// One column.
#[derive(Clone, Debug)]
pub struct ColumnInput {
    /// Its name in full, for the table.
    pub name: String,
    /// Its name below the axis.
    pub label: String,
    /// Where it leads.
    pub href: String,
}

/// The chart, ready to be drawn.
#[derive(Clone, Debug)]
pub struct StackedColumns {
    /// Box of the drawing.
    pub width: f64,
    /// Box of the drawing.
    pub height: f64,
    /// Left edge of the plot.
    pub left: f64,
    /// Right edge of the labels of the vertical axis.
    pub label_x: f64,
    /// Top edge of the plot.
    pub top: f64,
    /// Height of the plot.
    pub plot_height: f64,
    /// Base line of the labels of the horizontal axis.
    pub label_y: f64,
    /// Grid.
    pub ticks: Vec<Tick>,
    /// Legend.
    pub series: Vec<Series>,
    /// Columns.
    pub columns: Vec<Column>,
    /// Sum of everything.
    pub total: Exact,
    /// The most expensive column.
    pub peak: usize,
}

/// An entry of the legend.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it shows.
    pub name: String,
    /// Its colour in the style sheet.
    pub class: String,
    /// Sum over the columns.
    pub total: Exact,
    /// Where it leads.
    pub href: String,
}

/// A column of the chart and a row of the table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name in full.
    pub name: String,
    /// Its name below the axis, where there is room.
    pub label: Option<String>,
    /// What a screen reader says.
    pub spoken: String,
    /// Where it leads.
    pub href: String,
    /// Left edge of its place.
    pub place_x: f64,
    /// Width of its place.
    pub place_width: f64,
    /// Left edge.
    pub x: f64,
    /// Width.
    pub width: f64,
    /// Middle.
    pub middle: f64,
    /// Bands from the bottom up; those of nothing are left out.
    pub bars: Vec<Bar>,
    /// One value per series.
    pub values: Vec<Exact>,
    /// Their sum.
    pub total: Exact,
}

/// A band of a column.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Its colour in the style sheet.
    pub class: String,
    /// Distance from the top.
    pub y: f64,
    /// Height.
    pub height: f64,
}

impl StackedColumns {
    /// Lays out a chart; nothing when there is nothing to show.
    pub fn new(columns: Vec<ColumnInput>, series: &[SeriesInput<'_>], currency: &str) -> Option<Self> {
        let total = sum(series.iter().map(|series| series.total))?;
        let totals: Vec<Exact> = (0..columns.len())
            .map(|place| sum(series.iter().filter_map(|series| series.values.get(place))))
            .collect::<Option<_>>()?;
        let peak = (0..totals.len()).reduce(|best, place| if totals[place] > totals[best] { place } else { best })?;
        let max = approximate(&totals[peak]);
        if max <= 0.0 {
            return None;
        }
        let axis = Axis::up_to(max);
        let plot_height = HEIGHT - TOP - BOTTOM;
        let scale = Scale { base: TOP + plot_height, per_unit: plot_height / axis.top() };
        let labels: Vec<(f64, String)> = axis.labels(&symbol(currency)).collect();
        let left = label_room(labels.iter().map(|(_, label)| label.as_str())) + 12.0;
        let ticks = labels.into_iter().map(|(value, label)| Tick::at(scale.y(value), label)).collect();
        let classes: Vec<String> = series.iter().map(class).collect();
        let shape = Shape { left, place_width: (WIDTH - left) / columns.len() as f64, scale, currency };
        let columns = columns
            .into_iter()
            .zip(totals)
            .enumerate()
            .map(|(place, (input, total))| shape.column(place, input, total, series, &classes))
            .collect();
        let series = series
            .iter()
            .zip(classes)
            .map(|(series, class)| Series {
                name: series.name.to_owned(),
                class,
                total: series.total.clone(),
                href: series.href.clone(),
            })
            .collect();
        let (label_x, label_y) = (left - 8.0, HEIGHT - 6.0);
        let (width, height, top) = (WIDTH, HEIGHT, TOP);
        Some(Self { width, height, left, label_x, top, plot_height, label_y, ticks, series, columns, total, peak })
    }

    /// The most expensive column.
    pub fn peak(&self) -> &Column {
        &self.columns[self.peak]
    }
}

fn class(series: &SeriesInput<'_>) -> String {
    if series.is_other { "s-other".into() } else { format!("s{}", series.colour.min(COLOUR_COUNT - 1)) }
}

#[derive(Clone, Copy)]
struct Scale {
    base: f64,
    per_unit: f64,
}

impl Scale {
    fn y(self, value: f64) -> f64 {
        pixel(self.base - value * self.per_unit)
    }
}

/// What the columns have in common.
struct Shape<'a> {
    left: f64,
    place_width: f64,
    scale: Scale,
    currency: &'a str,
}

impl Shape<'_> {
    fn column(
        &self,
        place: usize,
        input: ColumnInput,
        total: Exact,
        series: &[SeriesInput<'_>],
        classes: &[String],
    ) -> Column {
        let place_x = self.left + place as f64 * self.place_width;
        let label_every = (COLUMN_LABEL_WIDTH / self.place_width).ceil() as usize;
        let middle = place_x + self.place_width / 2.0;
        let mut bars = Vec::new();
        let mut below = 0.0;
        for (band, class) in series.iter().zip(classes) {
            let value = band.values.get(place).map_or(0.0, approximate).max(0.0);
            let (bottom, y) = (self.scale.y(below), self.scale.y(below + value));
            if bottom - y > 0.0 {
                bars.push(Bar { class: class.clone(), y, height: pixel(bottom - y) });
            }
            below += value;
        }
        Column {
            spoken: self.spoken(place, &input, &total, series),
            name: input.name,
            label: (place.is_multiple_of(label_every.max(1)) && middle + LABEL_HALF_MAX < WIDTH).then_some(input.label),
            href: input.href,
            place_x: pixel(place_x),
            place_width: pixel(self.place_width),
            x: pixel(place_x + self.place_width * (1.0 - FILL) / 2.0),
            width: pixel(self.place_width * FILL),
            middle: pixel(middle),
            bars,
            values: series.iter().filter_map(|series| series.values.get(place)).cloned().collect(),
            total,
        }
    }

    /// The total, and the two bands that matter most.
    fn spoken(&self, place: usize, input: &ColumnInput, total: &Exact, series: &[SeriesInput<'_>]) -> String {
        let mut parts: Vec<(&str, &Exact)> =
            series.iter().filter_map(|band| Some((band.name, band.values.get(place)?))).collect();
        parts.retain(|(_, value)| !value.is_zero());
        parts.sort_by(|(_, one), (_, other)| other.cmp(one));
        let mut spoken = format!("{}: {} total", input.name, money(total, self.currency));
        for (name, value) in parts.into_iter().take(2) {
            spoken += &format!(", {name} {}", money(value, self.currency));
        }
        spoken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(values: &[&str]) -> Vec<Exact> {
        values.iter().map(|value| value.parse().unwrap()).collect()
    }

    fn chart(one: &[&str], other: &[&str]) -> Option<StackedColumns> {
        let (one, other) = (exact(one), exact(other));
        let (total, other_total) = (sum(&one).unwrap(), sum(&other).unwrap());
        let columns = (1..=one.len()).map(|day| ColumnInput {
            name: format!("Oct {day}"),
            label: format!("Oct {day}"),
            href: format!("/{day}"),
        });
        let series = [
            SeriesInput { name: "A", values: &one, total: &total, href: String::new(), colour: 0, is_other: false },
            SeriesInput {
                name: "Other",
                values: &other,
                total: &other_total,
                href: String::new(),
                colour: 1,
                is_other: true,
            },
        ];
        StackedColumns::new(columns.collect(), &series, "USD")
    }

    #[test]
    fn bands_stand_on_each_other_and_reach_their_total() {
        let chart = chart(&["3", "1"], &["2", "0"]).unwrap();
        assert_eq!(chart.peak, 0);
        assert_eq!(chart.total.to_string(), "6");
        let first = &chart.columns[0];
        assert_eq!(first.bars.len(), 2);
        assert_eq!(first.bars[1].class, "s-other");
        assert!((first.bars[1].y + first.bars[1].height - first.bars[0].y).abs() < 0.11);
        assert!((first.bars[0].y + first.bars[0].height - (TOP + chart.plot_height)).abs() < 0.11);
        assert_eq!(chart.columns[1].bars.len(), 1);
        assert_eq!(first.spoken, "Oct 1: $5.00 total, A $3.00, Other $2.00");
        assert_eq!(chart.columns[1].spoken, "Oct 2: $1.00 total, A $1.00");
    }

    #[test]
    fn nothing_is_no_chart_and_tiny_amounts_are_one() {
        assert!(chart(&["0"], &["0"]).is_none());
        let tiny = chart(&["0.0000166667"], &["0"]).unwrap();
        assert!(tiny.columns[0].bars[0].height > 200.0);
        assert_eq!(tiny.ticks[1].label, "$0.000005");
    }
}
