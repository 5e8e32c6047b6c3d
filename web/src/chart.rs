//! Geometry of the charts. Floats are fine here and only here: they are pixels.

pub mod bands;
pub mod heat_map;
pub mod histogram;
pub mod lines;
pub mod sparkline;
pub mod stacked_bars;
pub mod stacked_columns;
pub mod staircase;

/// A tenth of a pixel is as fine as it gets; the markup stays short.
fn pixel(value: f64) -> f64 {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded == 0.0 { 0.0 } else { rounded }
}

/// Width of the charts that fill a page.
const WIDTH: f64 = 1100.0;
/// Room that a character of a label needs.
const LABEL_WIDTH: f64 = 7.4;

/// Room that the longest of some labels needs.
fn label_room<'l>(labels: impl IntoIterator<Item = &'l str>) -> f64 {
    let longest = labels.into_iter().map(|label| label.chars().count()).max().unwrap_or(0);
    (longest as f64 * LABEL_WIDTH).ceil()
}

/// A line of the grid with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Distance from the top.
    pub y: f64,
    /// Where the text stands.
    pub label_y: f64,
    /// What it says.
    pub label: String,
}

impl Tick {
    fn at(y: f64, label: String) -> Self {
        Self { y, label_y: pixel(y + 4.0), label }
    }
}

/// A vertical axis from zero, in steps of a round number.
#[derive(Clone, Copy, Debug)]
struct Axis {
    step: f64,
    times: u32,
}

impl Axis {
    /// Up to a value; of nothing it is without a step.
    fn up_to(max: f64) -> Self {
        if max <= 0.0 {
            return Self { step: 1.0, times: 0 };
        }
        let (step, times) = steps(max);
        Self { step, times }
    }

    /// The same of what is counted: no step ends within one.
    fn of_count(max: u64) -> Self {
        let max = max.max(1) as f64;
        let step = steps(max).0.ceil();
        Self { step, times: (max / step).ceil() as u32 }
    }

    /// Its end.
    fn top(self) -> f64 {
        self.step * f64::from(self.times.max(1))
    }

    /// Values with what stands beside them.
    fn labels(self, symbol: &str) -> impl Iterator<Item = (f64, String)> {
        (0..=self.times).map(move |place| {
            let value = f64::from(place) * self.step;
            (value, axis_label(value, self.step, symbol))
        })
    }
}

/// Steps of a round number that reach the maximum: the step, and how many.
fn steps(max: f64) -> (f64, u32) {
    let raw = max / 5.0;
    let magnitude = 10f64.powf(raw.log10().floor());
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * magnitude).into_iter().find(|step| *step >= raw * 0.999);
    let step = step.unwrap_or(magnitude * 10.0);
    (step, (max / step - 1e-9).ceil().max(1.0) as u32)
}

/// A number on an axis: as many decimals as the step needs, thousands separators.
fn axis_label(value: f64, step: f64, symbol: &str) -> String {
    if value == 0.0 {
        return format!("{symbol}0");
    }
    let decimals = (0..18).find(|decimals| {
        let scaled = step * 10f64.powi(*decimals);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    let decimals = decimals.map_or(18, |decimals| usize::try_from(decimals).unwrap_or(0));
    // An amount of money with one decimal looks like a mistake.
    let decimals = if decimals == 1 { 2 } else { decimals };
    let digits = format!("{value:.decimals$}");
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), crate::number::count);
    format!("{symbol}{whole}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_steps_that_reach_the_top() {
        for (max, step, count) in
            [(159.5, 50.0, 4), (5.0, 1.0, 5), (0.000_02, 0.000_005, 4), (1.0, 0.2, 5), (7e6, 2e6, 4)]
        {
            let (got, times) = steps(max);
            assert!((got - step).abs() < step * 1e-9, "{max}: {got}");
            assert_eq!(times, count, "{max}");
            assert!(got * f64::from(times) >= max * 0.999_999);
        }
    }

    #[test]
    fn axis_labels_have_the_decimals_of_the_step() {
        assert_eq!(axis_label(1500.0, 500.0, "$"), "$1,500");
        assert_eq!(axis_label(0.4, 0.2, "$"), "$0.40");
        assert_eq!(axis_label(0.000_015, 0.000_005, "$"), "$0.000015");
        assert_eq!(axis_label(0.0, 2.5, "€"), "€0");
    }
}
