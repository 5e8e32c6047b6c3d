//! Horizontal bars, each of several parts: a row per deployment, a segment per part of its cost. A row is a link with its
//! name and its sum as text, so that it is of use at any width; the table under it has the same numbers.

use paygrain_pricing::Exact;

use super::pixel;
use crate::number::{approximate, money, sum};

/// Width of the longest bar, in units of the drawing, which is stretched to the room there is.
const WIDTH: f64 = 1000.0;

/// A bar of something is not thinner than this.
const WIDTH_MIN: f64 = 2.0;

/// A bar of more than so many times the middle one is cut, so that the others can be seen.
const CUT_TIMES: f64 = 20.0;

/// A part of every bar.
#[derive(Clone, Copy, Debug)]
pub struct PartInput {
    /// What it is called.
    pub title: &'static str,
    /// Number of its colour.
    pub colour: usize,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct BarInput<'a> {
    /// Its name.
    pub title: &'a str,
    /// What else there is to say of it.
    pub note: String,
    /// Where it leads.
    pub href: String,
    /// One value per part.
    pub values: Vec<Exact>,
    /// Whether it is the one to look at.
    pub is_best: bool,
}

/// The chart, ready to be drawn.
#[derive(Clone, Debug)]
pub struct StackedBars {
    /// Width of the drawing of a bar.
    pub width: f64,
    /// Parts that are in some bar.
    pub parts: Vec<Part>,
    /// The bars, in the order they were given.
    pub bars: Vec<Bar>,
    /// What is to be said of bars that are cut.
    pub cut: Option<String>,
}

/// An entry of the legend.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it is called.
    pub title: &'static str,
    /// Its colour in the style sheet.
    pub class: String,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Its name.
    pub title: String,
    /// What else there is to say of it.
    pub note: String,
    /// Where it leads.
    pub href: String,
    /// What a screen reader says.
    pub spoken: String,
    /// Its parts from the left; those of nothing are left out.
    pub segments: Vec<Segment>,
    /// One value per entry of the legend.
    pub values: Vec<Exact>,
    /// Their sum.
    pub total: Exact,
    /// Whether it is the one to look at.
    pub is_best: bool,
    /// Whether it is longer than there is room for.
    pub is_cut: bool,
}

/// A part of a bar.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its colour in the style sheet.
    pub class: String,
    /// Left edge.
    pub x: f64,
    /// Width.
    pub width: f64,
}

impl StackedBars {
    /// Lays out a chart; nothing when every bar would be empty.
    pub fn new(parts: &[PartInput], bars: &[BarInput<'_>], currency: &str) -> Option<Self> {
        let used = |place: &usize| bars.iter().any(|bar| bar.values.get(*place).is_some_and(|value| !value.is_zero()));
        let used: Vec<usize> = (0..parts.len()).filter(used).collect();
        let totals: Vec<Exact> = bars.iter().map(|bar| sum(&bar.values).unwrap_or_default()).collect();
        let longest = longest(totals.iter().map(approximate).filter(|total| *total > 0.0).collect())?;
        let entries: Vec<Part> = used
            .iter()
            .filter_map(|place| parts.get(*place))
            .map(|part| Part { title: part.title, class: format!("s{}", part.colour) })
            .collect();
        let drawn = bars.iter().zip(totals).map(|(bar, total)| {
            let values: Vec<Exact> = used.iter().filter_map(|place| bar.values.get(*place)).cloned().collect();
            let is_cut = approximate(&total) > longest;
            // A bar that is cut shows its parts in proportion.
            let whole = if is_cut { approximate(&total) } else { longest };
            let mut segments = Vec::new();
            let mut before = 0.0;
            for (part, value) in entries.iter().zip(&values) {
                let value = approximate(value).max(0.0) / whole * WIDTH;
                let (x, end) = (pixel(before), pixel(before + value));
                if end > x {
                    segments.push(Segment { class: part.class.clone(), x, width: pixel(end - x) });
                }
                before += value;
            }
            if before < WIDTH_MIN {
                let largest = entries.iter().zip(&values).max_by(|one, other| one.1.cmp(other.1));
                let largest = largest.filter(|(_, value)| !value.is_zero());
                let thin = |part: &Part| Segment { class: part.class.clone(), x: 0.0, width: WIDTH_MIN };
                segments = largest.map(|(part, _)| thin(part)).into_iter().collect();
            }
            let mut spoken = format!("{}: {} a month", bar.title, money(&total, currency));
            for (part, value) in entries.iter().zip(&values).filter(|(_, value)| !value.is_zero()) {
                spoken += &format!(", {} {}", part.title, money(value, currency));
            }
            Bar {
                title: bar.title.to_owned(),
                note: bar.note.clone(),
                href: bar.href.clone(),
                spoken,
                segments,
                values,
                total,
                is_best: bar.is_best,
                is_cut,
            }
        });
        let bars: Vec<Bar> = drawn.collect();
        let cut: Vec<&str> = bars.iter().filter(|bar| bar.is_cut).map(|bar| bar.title.as_str()).collect();
        let cut = match cut.as_slice() {
            [] => None,
            [one] => Some(format!("The bar of {one} is cut: it is far longer than the others.")),
            many => Some(format!("The bars of {} are cut: they are far longer than the others.", many.join("; "))),
        };
        Some(Self { width: WIDTH, parts: entries, bars, cut })
    }
}

/// The longest bar that is not cut; nothing where there is none.
fn longest(mut totals: Vec<f64>) -> Option<f64> {
    totals.sort_by(f64::total_cmp);
    let middle = totals.get(totals.len().checked_sub(1)? / 2)?;
    totals.iter().copied().filter(|total| *total <= middle * CUT_TIMES).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[[&str; 3]]) -> Option<StackedBars> {
        let parts =
            ["Compute", "Idle", "Requests"].into_iter().zip(0..).map(|(title, colour)| PartInput { title, colour });
        let bars: Vec<BarInput<'_>> = values
            .iter()
            .map(|values| BarInput {
                title: "A machine",
                note: String::new(),
                href: "?show=a".into(),
                values: values.iter().map(|value| value.parse().unwrap()).collect(),
                is_best: false,
            })
            .collect();
        StackedBars::new(&parts.collect::<Vec<_>>(), &bars, "USD")
    }

    #[test]
    fn segments_follow_each_other_and_the_longest_bar_fills_the_drawing() {
        let chart = chart(&[["1", "0", "1"], ["2", "0", "6"]]).unwrap();
        assert_eq!(chart.parts.iter().map(|part| part.title).collect::<Vec<_>>(), ["Compute", "Requests"]);
        let [short, long] = chart.bars.as_slice() else { panic!() };
        assert_eq!(
            long.segments.iter().map(|segment| (segment.x, segment.width)).collect::<Vec<_>>(),
            [(0.0, 250.0), (250.0, 750.0)]
        );
        assert_eq!(short.segments.last().map(|segment| segment.x + segment.width), Some(250.0));
        assert_eq!(long.segments[1].class, "s2", "a part keeps its colour");
        assert_eq!((short.values.len(), short.total.to_string()), (2, "2".to_owned()));
        assert_eq!(short.spoken, "A machine: $2.00 a month, Compute $1.00, Requests $1.00");
    }

    #[test]
    fn a_bar_of_little_is_thin_and_one_of_nothing_is_not_there() {
        let chart =
            chart(&[["0.0001", "0", "0.0002"], ["0", "0", "0"], ["9000", "0", "0"], ["8000", "0", "0"]]).unwrap();
        let [thin, nothing, long, _] = chart.bars.as_slice() else { panic!() };
        assert_eq!(chart.cut, None);
        assert_eq!((thin.segments.len(), thin.segments[0].width), (1, WIDTH_MIN));
        assert_eq!(thin.segments[0].class, "s2", "the largest part");
        assert!(nothing.segments.is_empty());
        assert_eq!(long.segments[0].width, WIDTH);
    }

    #[test]
    fn a_bar_that_is_far_longer_than_the_others_is_cut_and_that_is_said() {
        let chart = chart(&[["1", "0", "0"], ["4", "0", "0"], ["600", "200", "0"]]).unwrap();
        let ends: Vec<f64> =
            chart.bars.iter().map(|bar| bar.segments.iter().map(|segment| segment.width).sum()).collect();
        assert_eq!(ends, [250.0, WIDTH, WIDTH]);
        assert_eq!(chart.bars.iter().map(|bar| bar.is_cut).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(chart.bars[2].segments[0].width, 750.0, "its parts in proportion");
        assert!(chart.cut.unwrap().starts_with("The bar of A machine is cut"));
    }

    #[test]
    fn nothing_is_no_chart_and_tiny_amounts_are_one() {
        assert!(chart(&[["0", "0", "0"]]).is_none());
        assert!(chart(&[]).is_none());
        let tiny = chart(&[["0.0000166667", "0", "0"]]).unwrap();
        assert_eq!(tiny.bars[0].segments[0].width, WIDTH);
        assert!(tiny.bars[0].spoken.contains("$0.00001667"));
    }
}
