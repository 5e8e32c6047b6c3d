//! A line without axes: the course of a number, beside the number.

use paygrain_pricing::Exact;

use super::pixel;
use crate::number::approximate;

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 32.0;

/// Two paths in a box of 120 by 32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sparkline {
    /// The line.
    pub line: String,
    /// The surface below it.
    pub area: String,
}

impl Sparkline {
    /// A line from 0 at the bottom; nothing for fewer than two points or without any value.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a Exact>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().map(approximate).collect();
        let max = values.iter().copied().fold(0.0, f64::max);
        if values.len() < 2 || max <= 0.0 {
            return None;
        }
        let step = WIDTH / (values.len() - 1) as f64;
        let mut line = String::new();
        for (place, value) in values.iter().enumerate() {
            let command = if place == 0 { 'M' } else { 'L' };
            let y = HEIGHT - 2.0 - value.max(0.0) / max * (HEIGHT - 4.0);
            line += &format!("{command}{} {}", pixel(place as f64 * step), pixel(y));
        }
        let area = format!("{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z");
        Some(Self { line, area })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_spans_the_box() {
        let values: Vec<Exact> = ["0", "1", "2"].map(|value| value.parse().unwrap()).to_vec();
        let line = Sparkline::new(&values).unwrap();
        assert_eq!(line.line, "M0 30L60 16L120 2");
        assert_eq!(line.area, "M0 30L60 16L120 2L120 32L0 32Z");
        assert_eq!(Sparkline::new(&values[..1]), None);
        assert_eq!(Sparkline::new(&["0", "0"].map(|value| value.parse().unwrap())), None);
    }
}
