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
