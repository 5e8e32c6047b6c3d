//! A heat map of the week: a cell for each hour of each weekday, the darker the more. The table under it has the same
//! values, and the caption is worked out from them.

use super::{WIDTH, pixel};

const LEFT: f64 = 92.0;
const TOP: f64 = 24.0;
const CELL_HEIGHT: f64 = 30.0;
/// Hours of a day, and weekdays.
pub const HOURS: usize = 24;
const DAYS: usize = 7;
/// Shades besides that of nothing.
pub const SHADES: u32 = 6;
const DAY_NAMES: [&str; DAYS] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// One hour of the week.
#[derive(Clone, Debug)]
pub struct CellInput {
    /// How much, for the shade.
    pub weight: f64,
    /// The same for people.
    pub value: String,
}

/// The chart, ready to be drawn.
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// Box of the drawing.
    pub width: f64,
    /// Box of the drawing.
    pub height: f64,
    /// Names of the days.
    pub days: Vec<Label>,
    /// Names of the hours.
    pub hours: Vec<Label>,
    /// Cells, day by day from Monday.
    pub cells: Vec<Cell>,
    /// What the chart says, in words.
    pub caption: String,
}

/// A text beside the cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Distance from the left.
    pub x: f64,
    /// Its base line.
    pub y: f64,
    /// What it says.
    pub text: String,
}

/// One hour of the week and a row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// `Monday 07:00`.
    pub name: String,
    /// What a screen reader says.
    pub spoken: String,
    /// The value for people.
    pub value: String,
    /// Whether it is nothing.
    pub is_zero: bool,
    /// Its shade in the style sheet.
    pub class: String,
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl HeatMap {
    /// Lays out 7 days of 24 hours, from Monday; nothing for another number, or where all are nothing. `what` is what the
    /// values are, in the plural.
    pub fn new(what: &str, input: &[CellInput]) -> Option<Self> {
        let most = input.iter().map(|cell| cell.weight).fold(0.0, f64::max);
        if input.len() != DAYS * HOURS || most <= 0.0 {
            return None;
        }
        let width = (WIDTH - LEFT) / HOURS as f64;
        let cell = |(place, input): (usize, &CellInput)| {
            let (day, hour) = (place / HOURS, place % HOURS);
            let name = format!("{} {hour:02}:00", DAY_NAMES[day]);
            Cell {
                spoken: format!("{name}: {}", input.value),
                class: format!("heat{}", shade(input.weight, most)),
                is_zero: input.weight <= 0.0,
                value: input.value.clone(),
                x: pixel(LEFT + hour as f64 * width),
                y: TOP + day as f64 * CELL_HEIGHT,
                width: pixel(width - 2.0),
                height: CELL_HEIGHT - 2.0,
                name,
            }
        };
        let cells: Vec<Cell> = input.iter().enumerate().map(cell).collect();
        let hour =
            |hour: usize| Label { x: pixel(LEFT + hour as f64 * width), y: TOP - 8.0, text: format!("{hour:02}") };
        let day = |(day, name): (usize, &&str)| Label {
            x: LEFT - 8.0,
            y: pixel(TOP + day as f64 * CELL_HEIGHT + CELL_HEIGHT / 2.0 + 3.0),
            text: (*name).to_owned(),
        };
        Some(Self {
            width: WIDTH,
            height: TOP + DAYS as f64 * CELL_HEIGHT,
            days: DAY_NAMES.iter().enumerate().map(day).collect(),
            hours: (0..HOURS).step_by(3).map(hour).collect(),
            caption: caption(what, input, &cells),
            cells,
        })
    }
}

/// From 1 to the darkest; nothing is 0.
fn shade(weight: f64, most: f64) -> u32 {
    match weight <= 0.0 {
        true => 0,
        false => ((weight / most * f64::from(SHADES)).ceil() as u32).clamp(1, SHADES),
    }
}

fn caption(what: &str, input: &[CellInput], cells: &[Cell]) -> String {
    let busiest =
        (0..input.len()).reduce(|best, next| if input[next].weight > input[best].weight { next } else { best });
    let quiet = cells.iter().filter(|cell| cell.is_zero).count();
    let mut text = match busiest.map(|place| &cells[place]) {
        Some(cell) => format!("Most {what} in the hour from {} UTC: {}.", cell.name, cell.value),
        None => String::new(),
    };
    if quiet > 0 {
        text += &format!(" None in {quiet} of {} hours of the week.", cells.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(weights: &[(usize, f64)]) -> Option<HeatMap> {
        let weight = |place| weights.iter().find(|(at, _)| *at == place).map_or(0.0, |(_, weight)| *weight);
        let cell = |place| CellInput { weight: weight(place), value: weight(place).to_string() };
        HeatMap::new("executions", &(0..DAYS * HOURS).map(cell).collect::<Vec<_>>())
    }

    #[test]
    fn the_more_the_darker_and_something_is_never_the_shade_of_nothing() {
        let map = map(&[(0, 600.0), (25, 0.001), (26, 100.0), (27, 101.0)]).unwrap();
        let shade = |place: usize| map.cells[place].class.as_str();
        assert_eq!(
            [shade(0), shade(1), shade(25), shade(26), shade(27)],
            ["heat6", "heat0", "heat1", "heat1", "heat2"]
        );
        assert_eq!(map.cells[25].name, "Tuesday 01:00");
        assert_eq!(
            map.caption,
            "Most executions in the hour from Monday 00:00 UTC: 600. None in 164 of 168 hours of the week."
        );
        assert!(map.cells.iter().all(|cell| cell.x + cell.width <= WIDTH && cell.y + cell.height <= map.height));
    }

    #[test]
    fn a_week_of_nothing_is_no_chart() {
        assert!(map(&[]).is_none());
        assert!(HeatMap::new("x", &[CellInput { weight: 1.0, value: "1".into() }]).is_none());
    }
}
