//! Sizes of memory as `/what-if/memory` shows them, and as a file.

use axum::response::Response;
use paygrain_pricing::Exact;
use paygrain_query::MemoryWhatIf;
use paygrain_replay::RightSize;
use paygrain_replay::memory::{Observation, SizeRow};

use crate::chart::bands::{Bands, BandsInput, PanelInput};
use crate::csv_text::{CsvText, words};
use crate::error::AppError;
use crate::number::{approximate, count, money, rounded, symbol};

/// Words of the choices in files.
const CHOICES: [&str; 3] = ["cheapest", "fastest", "balanced"];
/// The same for people.
const TITLES: [&str; 3] = ["Cheapest", "Fastest", "Balanced"];

/// A choice as a card.
pub struct Card {
    /// What it is the choice of.
    pub title: &'static str,
    /// The size, or from which to which: `512 MB`, `256 to 1,024 MB`.
    pub size: String,
    /// What it takes and costs, or between which sizes it is not decided.
    pub note: String,
}

/// A size of the table.
pub struct Row {
    /// MB.
    pub memory_mb: u64,
    /// Shortest mean duration, milliseconds.
    pub low_ms: Exact,
    /// Longest mean duration.
    pub high_ms: Exact,
    /// Cost at the shortest duration.
    pub cost_low: Option<Exact>,
    /// Cost at the longest duration.
    pub cost_high: Option<Exact>,
    /// What it may be the choice of, and whether it is for sure.
    pub choices: Vec<(&'static str, bool)>,
    /// Executions that were recorded at this size.
    pub recorded: Option<u64>,
}

/// Sizes of memory as a page shows them.
pub struct MemoryView {
    /// The sizes.
    pub answer: RightSize,
    /// What the records do not say.
    pub assumed: Vec<String>,
    /// The choices.
    pub cards: Vec<Card>,
    /// The table.
    pub rows: Vec<Row>,
    /// The chart.
    pub bands: Option<Bands>,
    /// What the chart shows, from its numbers.
    pub caption: String,
    /// Whether no size costs anything.
    pub is_free: bool,
    /// How far the recorded durations lie from the fit, milliseconds.
    pub residual_ms: Option<Exact>,
}

impl MemoryView {
    /// Lays sizes out.
    pub fn new(sizes: MemoryWhatIf) -> Self {
        let MemoryWhatIf { right_size: answer, assumed } = sizes;
        let rows: Vec<Row> = answer.sizes.rows.iter().map(|row| Row::of(row, &answer)).collect();
        let cards = TITLES.into_iter().zip(chosen(&answer)).map(|(title, sizes)| card(title, sizes, &answer)).collect();
        Self {
            cards,
            bands: bands(&answer, &rows),
            caption: caption(&answer, &rows),
            is_free: rows.iter().all(|row| row.cost_high.as_ref().is_some_and(Exact::is_zero)),
            rows,
            residual_ms: answer.residual_us.map(ms),
            assumed,
            answer,
        }
    }
}

impl Row {
    fn of(row: &SizeRow, answer: &RightSize) -> Self {
        let choices = TITLES.into_iter().zip(chosen(answer)).filter(|(_, sizes)| sizes.contains(&row.memory_mb));
        let recorded = answer.observations.iter().find(|one| one.memory_mb == row.memory_mb);
        Self {
            memory_mb: row.memory_mb.unsigned_abs(),
            low_ms: ms(row.duration.low_us),
            high_ms: ms(row.duration.high_us),
            cost_low: row.cost_low.clone(),
            cost_high: row.cost_high.clone(),
            choices: choices.map(|(title, sizes)| (title, sizes.len() == 1)).collect(),
            recorded: recorded.map(|one| one.count),
        }
    }

    /// The duration in words.
    fn duration(&self) -> String {
        let shown = |ms: &Exact| rounded(ms, 1);
        if self.low_ms == self.high_ms {
            return format!("{} ms", shown(&self.low_ms));
        }
        format!("{} to {} ms", shown(&self.low_ms), shown(&self.high_ms))
    }

    /// The cost in words.
    fn cost(&self, currency: &str) -> String {
        match (&self.cost_low, &self.cost_high) {
            (Some(low), Some(high)) if low == high => money(low, currency),
            (Some(low), Some(high)) => format!("{} to {}", money(low, currency), money(high, currency)),
            (Some(low), None) => format!("{} or more", money(low, currency)),
            _ => "cannot run it".to_owned(),
        }
    }
}

/// The sizes of the choices, in the order of their words.
fn chosen(answer: &RightSize) -> [&[i64]; 3] {
    [&answer.sizes.cheapest, &answer.sizes.fastest, &answer.sizes.balanced]
}

fn ms(us: i64) -> Exact {
    Exact::ratio(us.into(), 1000).unwrap_or_default()
}

fn mb(size: i64) -> String {
    count(size.unsigned_abs())
}

fn card(title: &'static str, sizes: &[i64], answer: &RightSize) -> Card {
    let (size, note) = match sizes {
        [] => ("None".to_owned(), "no size can run it".to_owned()),
        [one] => {
            let row = answer.sizes.rows.iter().find(|row| row.memory_mb == *one).map(|row| Row::of(row, answer));
            let told = |row: Row| format!("{} a month, {}", row.cost(&answer.currency), row.duration());
            (format!("{} MB", mb(*one)), row.map(told).unwrap_or_default())
        }
        [first, .., last] => (
            format!("{} to {} MB", mb(*first), mb(*last)),
            format!("not decided: it may be any of {} sizes", sizes.len()),
        ),
    };
    Card { title, size, note }
}

fn bands(answer: &RightSize, rows: &[Row]) -> Option<Bands> {
    let places: Vec<i64> = answer.sizes.rows.iter().map(|row| row.memory_mb).collect();
    let value = |exact: &Option<Exact>| exact.as_ref().map(approximate);
    let spoken = rows
        .iter()
        .map(|row| format!("{} MB: {} a month, {}", count(row.memory_mb), row.cost(&answer.currency), row.duration()));
    let recorded = |one: &Observation| (one.memory_mb, approximate(&ms(one.mean_duration_us)));
    let within = |one: &&Observation| places.first() <= Some(&one.memory_mb) && Some(&one.memory_mb) <= places.last();
    let panels = vec![
        PanelInput {
            title: "Cost of the month",
            symbol: symbol(&answer.currency),
            colour: 0,
            bounds: rows.iter().map(|row| (value(&row.cost_low), value(&row.cost_high))).collect(),
            recorded: Vec::new(),
        },
        PanelInput {
            title: "Mean duration, ms",
            symbol: String::new(),
            colour: 1,
            bounds: rows.iter().map(|row| (Some(approximate(&row.low_ms)), Some(approximate(&row.high_ms)))).collect(),
            recorded: answer.observations.iter().filter(within).map(recorded).collect(),
        },
    ];
    let choices = TITLES.into_iter().zip(chosen(answer)).collect();
    Bands::new(BandsInput { places: &places, panels, choices, spoken: spoken.collect() })
}

fn caption(answer: &RightSize, rows: &[Row]) -> String {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return String::new() };
    let end = |row: &Row| {
        format!("{} MB {} a month and {}", count(row.memory_mb), row.cost(&answer.currency), row.duration())
    };
    let area = if answer.is_fitted {
        ""
    } else {
        " The areas are what is possible: from all work of the processor to all waiting."
    };
    format!("With {}; with {}. Circles are what was recorded.{area}", end(first), end(last))
}

const COLUMNS: [&str; 10] = [
    "deployment",
    "period",
    "memory_mb",
    "duration_low_ms",
    "duration_high_ms",
    "currency",
    "cost_low",
    "cost_high",
    "choice",
    "recorded_count",
];

/// The sizes as a file, with every digit; none where there is nothing to size.
///
/// # Errors
/// When a row cannot be written.
pub fn download(sizes: Option<&MemoryWhatIf>) -> Result<Response, AppError> {
    let mut text = CsvText::new(COLUMNS)?;
    let Some(MemoryWhatIf { right_size: answer, .. }) = sizes else { return text.download("paygrain-memory.csv") };
    let exact = |value: Option<Exact>| value.map(|value| value.to_string()).unwrap_or_default();
    for size in &answer.sizes.rows {
        let row = Row::of(size, answer);
        let choice = CHOICES.into_iter().zip(chosen(answer)).filter(|(_, sizes)| sizes.contains(&size.memory_mb));
        // A question mark, where others may be it too.
        let choice = choice.map(|(word, sizes)| if sizes.len() > 1 { format!("{word}?") } else { word.to_owned() });
        text.row([
            words(&answer.deployment),
            answer.period.to_string(),
            row.memory_mb.to_string(),
            row.low_ms.to_string(),
            row.high_ms.to_string(),
            words(&answer.currency),
            exact(row.cost_low),
            exact(row.cost_high),
            choice.collect::<Vec<_>>().join(", "),
            row.recorded.unwrap_or(0).to_string(),
        ])?;
    }
    text.download(&format!("paygrain-memory-{}.csv", answer.period))
}
