//! What is wrong with a schedule: `croner` judges, field by field and entry by entry, and this says where and why
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use paygrain_pricing::nearest;

use crate::{
    quantities::{QuantityError, shown},
    schedule::{read, wrapped},
};

/// Why a text is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", place(.text, .field, .column))]
pub struct ScheduleError {
    /// The text, or the name of the zone.
    pub text: String,
    /// The field: `second`, `minute`, `hour`, `day of month`, `month`, `day of week`, `year` or `time zone`; absent: the
    /// whole.
    pub field: Option<&'static str>,
    /// The column of the text at which the mistake begins, from 1.
    pub column: Option<usize>,
    /// What is wrong, and what was expected.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

fn place(text: &str, field: &Option<&'static str>, column: &Option<usize>) -> String {
    let column = column.map_or(String::new(), |column| format!(", column {column}"));
    let field = field.map_or(String::new(), |field| format!(" ({field})"));
    format!("schedule `{}`{column}{field}: ", shown(text))
}

impl ScheduleError {
    fn new(text: &str, message: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        let (message, hint) = (message.into(), hint.into());
        Self { text: shown(text), field: None, column: None, message, hint }
    }

    fn at(mut self, field: &Field, column: usize) -> Self {
        self.field = Some(field.name);
        self.column = Some(column);
        self
    }

    /// A schedule without a day.
    pub(super) fn never(text: &str) -> Self {
        let hint = "look at the day of month and the month: February has no day 30, April no day 31";
        Self::new(text, "never comes: no year has such a day", hint.to_owned())
    }
}

/// What a field may hold.
struct Field {
    name: &'static str,
    /// With its article, in messages.
    a: &'static str,
    least: u16,
    most: u16,
    /// Names that stand for numbers, and letters with a meaning of their own.
    names: &'static [&'static str],
    letters: &'static [&'static str],
}

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const NICKNAMES: &[&str] = &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"];

const fn field(name: &'static str, a: &'static str, least: u16, most: u16) -> Field {
    Field { name, a, least, most, names: &[], letters: &[] }
}

const SECOND: Field = field("second", "a second", 0, 59);
const MINUTE: Field = field("minute", "a minute", 0, 59);
const HOUR: Field = field("hour", "an hour", 0, 23);
const DAY_OF_MONTH: Field = Field { letters: &["L", "W", "LW"], ..field("day of month", "a day of a month", 1, 31) };
const MONTH: Field = Field { names: MONTHS, ..field("month", "a month", 1, 12) };
const DAY_OF_WEEK: Field =
    Field { names: WEEKDAYS, letters: &["L"], ..field("day of week", "a day of the week", 0, 7) };
const YEAR: Field = field("year", "a year", 1, 5000);

/// A time zone of the IANA database.
pub(super) fn zone(text: &str, name: &str) -> Result<Tz, ScheduleError> {
    name.trim().parse().map_err(|_| {
        let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
        let city = |zone: &&str| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name.trim()));
        let near = names().find(city).or_else(|| nearest(name, names()));
        let hint = near.map_or_else(
            || "write a name of the IANA time zone database, such as `Europe/Zurich` or `UTC`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let mut error = ScheduleError::new(text, format!("`{}` is not a time zone", shown(name)), hint);
        error.field = Some("time zone");
        error
    })
}

/// What is wrong with the interval of `rate(…)`.
pub(super) fn rate(text: &str, error: &QuantityError) -> ScheduleError {
    let hint = error.hint.clone().or_else(|| Some("write such as `rate(5 minutes)`".to_owned()));
    let mut wrong = ScheduleError::new(text, error.message.clone(), hint);
    wrong.column = text.find('(').map(|at| text[..at].chars().count() + 2);
    wrong
}

/// Reads a cron expression.
pub(super) fn cron(text: &str) -> Result<Cron, ScheduleError> {
    if let Some(inner) = wrapped(text.trim(), "cron") {
        return eventbridge(text, inner);
    }
    let trimmed = text.trim();
    if trimmed.starts_with('@') {
        return nickname(text, trimmed);
    }
    let words = words(text, text);
    let fields: &[&Field] = match words.len() {
        5 => &[&MINUTE, &HOUR, &DAY_OF_MONTH, &MONTH, &DAY_OF_WEEK],
        6 => &[&SECOND, &MINUTE, &HOUR, &DAY_OF_MONTH, &MONTH, &DAY_OF_WEEK],
        7 => &[&SECOND, &MINUTE, &HOUR, &DAY_OF_MONTH, &MONTH, &DAY_OF_WEEK, &YEAR],
        count => return Err(number_of_fields(text, count)),
    };
    check(text, fields, &words, false)?;
    read(trimmed, false).map_err(|error| ScheduleError::new(text, error.to_string(), None))
}

/// Reads the six fields of EventBridge, from the minute to the year.
fn eventbridge(text: &str, inner: &str) -> Result<Cron, ScheduleError> {
    let words = words(text, inner);
    let fields: &[&Field] = &[&MINUTE, &HOUR, &DAY_OF_MONTH, &MONTH, &Field { least: 1, ..DAY_OF_WEEK }, &YEAR];
    if words.len() != fields.len() {
        let hint = "EventBridge has six fields: minute, hour, day of month, month, day of week, year, such as \
                    `cron(0 17 * * ? *)`";
        let message = format!("{} in cron(…), expected six", number(words.len()));
        return Err(ScheduleError::new(text, message, hint.to_owned()));
    }
    check(text, fields, &words, true)?;
    let (days, weekdays) = (words[2].1, words[4].1);
    if (days == "?") == (weekdays == "?") {
        let hint = "EventBridge wants `?` in exactly one of day of month and day of week: `cron(0 17 * * ? *)`";
        let wrong =
            ScheduleError::new(text, format!("`{days}` as day of month with `{weekdays}` as day of week"), None);
        return Err(ScheduleError { hint: Some(hint.to_owned()), ..wrong.at(&DAY_OF_MONTH, words[2].0) });
    }
    read(&format!("0 {inner}"), true).map_err(|error| ScheduleError::new(text, error.to_string(), None))
}

fn nickname(text: &str, trimmed: &str) -> Result<Cron, ScheduleError> {
    let known = NICKNAMES.iter().any(|name| name.eq_ignore_ascii_case(trimmed));
    match read(trimmed, false) {
        Ok(cron) if known => Ok(cron),
        _ => {
            let hint = match trimmed.to_ascii_lowercase().as_str() {
                "@midnight" => "write `@daily`: it comes at midnight".to_owned(),
                other => nearest(other, NICKNAMES.iter().copied()).map_or_else(
                    || format!("known: {}", NICKNAMES.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                ),
            };
            let mut wrong =
                ScheduleError::new(text, format!("`{}` is not the name of a schedule", shown(trimmed)), hint);
            wrong.column = Some(1 + text.chars().take_while(|c| c.is_whitespace()).count());
            Err(wrong)
        }
    }
}

/// The words of a part of a text (a slice of it), with their columns in the whole.
fn words<'a>(text: &str, part: &'a str) -> Vec<(usize, &'a str)> {
    let before = |word: &str| text.get(..word.as_ptr() as usize - text.as_ptr() as usize).unwrap_or_default();
    part.split_whitespace().map(|word| (before(word).chars().count() + 1, word)).collect()
}

fn number_of_fields(text: &str, count: usize) -> ScheduleError {
    let hint = match count {
        0 => "write such as `0 17 * * *` (every day at 17:00)",
        1..=4 => "write minute, hour, day of month, month and day of week, with `*` for every: `0 17 * * *`",
        _ => "write minute, hour, day of month, month and day of week; seconds may stand before them, years behind",
    };
    let given = if count == 0 { "nothing".to_owned() } else { number(count) };
    ScheduleError::new(text, format!("{given} given, expected five fields (six with seconds)"), hint.to_owned())
}

fn number(count: usize) -> String {
    let word = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"].get(count);
    let word = word.map_or_else(|| count.to_string(), |word| (*word).to_owned());
    format!("{word} field{}", if count == 1 { "" } else { "s" })
}

/// The first entry of a field that cannot be read, and why.
fn check(text: &str, fields: &[&Field], words: &[(usize, &str)], eventbridge: bool) -> Result<(), ScheduleError> {
    for (index, (field, (column, word))) in fields.iter().zip(words).enumerate() {
        let (skip, entries) = match word.strip_prefix('+') {
            Some(rest) if field.name == DAY_OF_WEEK.name => (1, rest),
            _ => (0, *word),
        };
        let mut entry_column = column + skip;
        for entry in entries.split(',') {
            let wrong = wrong_entry(field, entry).or_else(|| {
                // `croner` reads the entry alone, every other field being `*`.
                let mut alone = vec!["*"; fields.len()];
                alone[index] = entry;
                let prefix = if eventbridge { "0 " } else { "" };
                let refused = read(&format!("{prefix}{}", alone.join(" ")), eventbridge).err();
                refused.map(|_| explain(field, entry, eventbridge))
            });
            if let Some((message, hint)) = wrong {
                let hint = hint.or_else(|| (fields.len() == 6 && !eventbridge).then(seconds_first));
                return Err(ScheduleError::new(text, message, hint).at(field, entry_column));
            }
            entry_column += entry.chars().count() + 1;
        }
    }
    Ok(())
}

fn seconds_first() -> String {
    "six fields were given, of which the first is seconds; leave it away for minutes first, or write `cron(…)` around \
     an expression of EventBridge"
        .to_owned()
}

/// What `croner` would take, but what nobody means: empty entries, names of another field, steps that never step.
fn wrong_entry(field: &Field, entry: &str) -> Option<(String, Option<String>)> {
    if entry.is_empty() {
        let hint = "take out the comma, or write what is missing".to_owned();
        return Some((format!("an empty entry: expected {}", expected(field)), Some(hint)));
    }
    let upper = entry.to_ascii_uppercase();
    for run in upper.split(|c: char| !c.is_alphabetic()).filter(|run| !run.is_empty()) {
        let name = run.strip_suffix('L').filter(|name| field.letters.contains(&"L") && field.names.contains(name));
        if !field.names.contains(&name.unwrap_or(run)) && !field.letters.contains(&run) {
            return Some(wrong_name(field, entry, run));
        }
    }
    let glued = |name: &&&str| {
        let mut parts = upper.split(**name).peekable();
        let mut last = ' ';
        let mut glued = false;
        while let Some(part) = parts.next() {
            last = part.chars().last().unwrap_or(last);
            let next = parts.peek().and_then(|next| next.chars().next()).unwrap_or(' ');
            glued |= parts.peek().is_some() && (last.is_ascii_digit() || next.is_ascii_digit());
        }
        glued
    };
    if let Some(name) = field.names.iter().find(glued) {
        return Some((
            format!("`{}` is not {}: a name or a number", shown(entry), field.a),
            Some(format!("write `{name}`")),
        ));
    }
    let step = upper.split_once('/').and_then(|(_, step)| step.parse::<u64>().ok());
    match step {
        Some(step) if step > u64::from(field.most - field.least) && field.name != YEAR.name => {
            let whole = format!("write `{}` for once, or the numbers that are meant", field.least);
            let message = format!("a step of {step} leaves {} {} to {} at once", field.name, field.least, field.most);
            Some((message, Some(whole)))
        }
        _ => None,
    }
}

fn wrong_name(field: &Field, entry: &str, name: &str) -> (String, Option<String>) {
    let message = format!("`{}` is not {}: expected {}", shown(entry), field.a, expected(field));
    // MONDAY is MON written out; TEU is nearly TUE.
    let written_out = || field.names.iter().find(|known| name.starts_with(**known)).copied();
    if let Some(near) = written_out().or_else(|| nearest(name, field.names.iter().copied())) {
        return (message, Some(format!("did you mean `{near}`?")));
    }
    let elsewhere = [&MONTH, &DAY_OF_WEEK].into_iter().find(|other| other.names.contains(&name));
    (message, elsewhere.map(|other| format!("`{name}` is {}, which is another field", other.a)))
}

/// Why `croner` refuses an entry.
fn explain(field: &Field, entry: &str, eventbridge: bool) -> (String, Option<String>) {
    let entry = shown(entry);
    let expected = expected(field);
    if entry.contains('?') {
        let hint = format!("write `*` for every {}; `?` stands only for a day of month or a day of week", field.name);
        return (format!("`{entry}` is not {}", field.a), Some(hint));
    }
    if let Some((range, step)) = entry.split_once('/') {
        let hint = match (range, step.parse::<u16>()) {
            (_, Ok(0)) => "a step is at least 1".to_owned(),
            ("" | "*", _) => format!("write a number after the slash: `*/{}`", field.least + 5),
            (start, Ok(step)) if !start.contains('-') && !eventbridge && start.parse::<u16>().is_ok() => {
                format!("write `{start}-{}/{step}`", field.most)
            }
            _ => format!("write `*/2`, or a range and a step: `{}-{}/2`", field.least, field.most),
        };
        return (format!("`{entry}` is not a step over {}s", field.name), Some(hint));
    }
    if let Some((_, nth)) = entry.split_once('#') {
        let message = match field.name == DAY_OF_WEEK.name {
            true => format!("`#{nth}` is not one of the weeks of a month: 1 to 5, or L"),
            false => format!("`{entry}` is not {}: expected {expected}", field.a),
        };
        return (message, Some("write `MON#2` as day of week for the second Monday of the month".to_owned()));
    }
    if let Some((from, to)) = entry.split_once('-') {
        let bounds = [from, to].map(|bound| bound.parse::<u16>());
        return match bounds {
            [Ok(from), Ok(to)] if from > to && to >= field.least && from <= field.most => {
                let hint = format!("write `{from}-{},{}-{to}` to go past the end", field.most, field.least);
                (format!("`{entry}` goes backwards"), Some(hint))
            }
            _ => (format!("`{entry}` is not a range of {}s: expected {expected}", field.name), None),
        };
    }
    let hint = (field.name == HOUR.name && entry == "24").then(|| "midnight is hour 0".to_owned());
    let hint =
        hint.or_else(|| (entry == "60").then(|| format!("a whole round is `*`, the beginning `{}`", field.least)));
    (format!("`{entry}` is not {}: {expected}", field.a), hint)
}

/// What a field holds, for messages.
fn expected(field: &Field) -> String {
    match field.names {
        [] => format!("{} to {}", field.least, field.most),
        [first, .., last] => format!("{} to {} or {first} to {last}", field.least, field.most),
        [only] => (*only).to_owned(),
    }
}
