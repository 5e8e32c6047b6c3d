//! When a function runs: by exactly one of `schedule`, `rate`, `runs` and `called_by`
use std::ops::Range;

use chrono::DateTime;
use paygrain_pricing::{Exact, Period};

use super::{Mistakes, RUNS_MAX};
use crate::{
    arrivals::{Arrivals, At, Pattern, Source, length_us},
    description::{FunctionDescription, RunDescription, Spread, Text, layout::SINGLE_RUNS},
    quantities::{parse_duration_us, parse_rate, shown},
    schedule::Schedule,
};

/// Most executions at the same instant of a burst.
const BURST_MAX: i64 = 10_000;
/// Most times the mean hour that the busiest hour may have.
const PEAK_FACTOR_MAX: i128 = 20;
/// The busiest hour of a day where none is given, UTC.
const PEAK_HOUR: i64 = 14;

/// When a function runs; nothing where it is called, or where something is wrong.
pub(super) fn arrivals(
    own: &FunctionDescription,
    path: &str,
    period: Period,
    mistakes: &mut Mistakes,
) -> Option<Arrivals> {
    let given = [
        ("schedule", own.schedule.is_some()),
        ("rate", own.rate.is_some()),
        ("runs", own.runs.is_some()),
        ("called_by", own.called_by.is_some()),
    ];
    let given: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    let [source] = given.as_slice() else {
        let message = match given.as_slice() {
            [] => "it is not said when it runs: `schedule`, `rate`, `runs` or `called_by` is expected".to_owned(),
            more => format!("`{}` are given, exactly one of them is expected", more.join("`, `")),
        };
        mistakes.add(path, message, "write such as `rate = \"100 per second\"` or `schedule = \"0 17 * * *\"`");
        return None;
    };
    misplaced(own, source, path, mistakes);
    let range = range(own, path, period, mistakes)?;
    let source = match *source {
        "schedule" => schedule(own, &range, path, period, mistakes)?,
        "rate" => rate(own, &range, path, period, mistakes)?,
        "runs" => runs(own, &range, path, period, mistakes)?,
        _ => return None,
    };
    Some(Arrivals { range, source })
}

/// Keys that mean nothing beside what the function runs by.
fn misplaced(own: &FunctionDescription, source: &str, path: &str, mistakes: &mut Mistakes) {
    let spread = own.arrivals.unwrap_or_default();
    for (name, given, with, belongs) in [
        ("timezone", own.timezone.is_some(), "`schedule`", source == "schedule"),
        ("arrivals", own.arrivals.is_some(), "`rate`", source == "rate"),
        ("peak_factor", own.peak_factor.is_some(), "`arrivals = \"diurnal\"`", spread == Spread::Diurnal),
        ("peak_hour", own.peak_hour.is_some(), "`arrivals = \"diurnal\"`", spread == Spread::Diurnal),
        ("burst_size", own.burst_size.is_some(), "`arrivals = \"burst\"`", spread == Spread::Burst),
        ("calls", own.calls.is_some(), "`called_by`", source == "called_by"),
        ("wait", own.wait.is_some(), "`called_by`", source == "called_by"),
        ("from", own.from.is_some(), "`schedule`, `rate` or `runs`", source != "called_by"),
        ("to", own.to.is_some(), "`schedule`, `rate` or `runs`", source != "called_by"),
    ] {
        if given && !belongs {
            mistakes.add(format!("{path}.{name}"), format!("is expected only beside {with}"), "take it out");
        }
    }
}

/// The time in which a function runs.
fn range(own: &FunctionDescription, path: &str, period: Period, mistakes: &mut Mistakes) -> Option<Range<i64>> {
    let mut limit = |field: &str, text: &Option<Text>, default: i64| match text {
        None => Some(default),
        Some(text) => instant(&format!("{path}.{field}"), text, mistakes),
    };
    let from_us = limit("from", &own.from, period.start_us());
    let to_us = limit("to", &own.to, period.end_us());
    let (from_us, to_us) = (from_us?, to_us?);
    if own.from.is_some() && own.to.is_some() && from_us >= to_us {
        mistakes.add(
            format!("{path}.to"),
            "is not after `from`",
            "`to` is the first instant at which it no longer runs",
        );
        return None;
    }
    let range = from_us.max(period.start_us())..to_us.min(period.end_us());
    if range.start >= range.end {
        let field = if own.from.is_some() { "from" } else { "to" };
        let hint = format!("choose instants of {period}, or another `period`");
        mistakes.add(format!("{path}.{field}"), format!("leaves nothing of the period {period}"), hint);
        return None;
    }
    Some(range)
}

/// An instant, UTC microseconds.
fn instant(path: &str, text: &Text, mistakes: &mut Mistakes) -> Option<i64> {
    let parsed = DateTime::parse_from_rfc3339(text.as_str()).map(|at| at.timestamp_micros());
    if parsed.is_err() {
        let message = format!("`{}` is not an instant", shown(text.as_str()));
        let hint = "write date, time and offset, such as `2026-10-03T10:00:00Z` or `2026-10-03T12:00:00+02:00`";
        mistakes.add(path, message, hint);
    }
    parsed.ok()
}

fn schedule(
    own: &FunctionDescription,
    range: &Range<i64>,
    path: &str,
    period: Period,
    mistakes: &mut Mistakes,
) -> Option<Source> {
    let zone = own.timezone.as_deref().unwrap_or("UTC");
    let schedule = match Schedule::parse(own.schedule.as_deref()?, zone) {
        Ok(schedule) => schedule,
        Err(error) => {
            let field = if error.field == Some("time zone") { "timezone" } else { "schedule" };
            mistakes.add(format!("{path}.{field}"), error.to_string(), error.hint.unwrap_or_default());
            return None;
        }
    };
    let runs = schedule.runs(period).into_iter().filter(|at_us| range.contains(at_us));
    let instants: Vec<At> = runs.map(|at_us| At { at_us, count: 1, duration_us: None }).collect();
    if instants.is_empty() {
        let message = format!("`{}` does not come in {period}, or not between `from` and `to`", schedule);
        mistakes.add(format!("{path}.schedule"), message, "choose another schedule or another `period`");
        return None;
    }
    Some(Source::At(instants))
}

fn rate(
    own: &FunctionDescription,
    range: &Range<i64>,
    path: &str,
    period: Period,
    mistakes: &mut Mistakes,
) -> Option<Source> {
    let text = own.rate.as_deref()?;
    let field = format!("{path}.rate");
    let (number, unit_us) = match parse_rate(text) {
        Ok(rate) => rate,
        Err(error) => {
            mistakes.add(field, error.message, error.hint.unwrap_or_default());
            return None;
        }
    };
    let unit_us = unit_us.unwrap_or(period.end_us() - period.start_us());
    let count = (number * Exact::from(length_us(range))).checked_div(&Exact::from(unit_us))?;
    let count = count.rounded_half_up(0).to_i128().and_then(|count| u64::try_from(count).ok());
    let pattern = pattern(own, path, mistakes)?;
    match count {
        Some(0) => {
            let message = format!("`{}` is not one run in the time it runs", shown(text));
            mistakes.add(field, message, "give a higher rate");
            None
        }
        Some(count) if count <= RUNS_MAX => Some(Source::Rate { count, pattern }),
        _ => {
            let message = format!("`{}` is more than {RUNS_MAX} runs in {period}", shown(text));
            mistakes.add(field, message, "give a lower rate");
            None
        }
    }
}

fn pattern(own: &FunctionDescription, path: &str, mistakes: &mut Mistakes) -> Option<Pattern> {
    match own.arrivals.unwrap_or_default() {
        Spread::Steady => Some(Pattern::Steady),
        Spread::Poisson => Some(Pattern::Poisson),
        Spread::Diurnal => {
            let field = format!("{path}.peak_factor");
            let factor = match &own.peak_factor {
                None => Exact::from(2),
                Some(text) => mistakes.exact(&field, text)?,
            };
            if !(Exact::one()..=Exact::from(PEAK_FACTOR_MAX)).contains(&factor) {
                let message = format!("`{factor}` is not a number from 1 to {PEAK_FACTOR_MAX}");
                let hint = "it says how many times the mean hour of the day the busiest one has";
                mistakes.add(field, message, hint);
                return None;
            }
            let hour = mistakes.number(&format!("{path}.peak_hour"), own.peak_hour, 0, 23, PEAK_HOUR);
            let thousandths = (factor * Exact::from(1000)).floor_to_integer().to_i128()?;
            let factor = f64::from(i32::try_from(thousandths).ok()?) / 1000.0;
            Some(Pattern::diurnal(factor, usize::try_from(hour).ok()?))
        }
        Spread::Burst => {
            let field = format!("{path}.burst_size");
            let Some(size) = own.burst_size else {
                mistakes.add(field, "is missing: runs that start at once are expected", "write such as `100`");
                return None;
            };
            let size = mistakes.number(&field, Some(size), 1, BURST_MAX, 1);
            Some(Pattern::Burst(size.unsigned_abs()))
        }
    }
}

fn runs(
    own: &FunctionDescription,
    range: &Range<i64>,
    path: &str,
    period: Period,
    mistakes: &mut Mistakes,
) -> Option<Source> {
    let runs = own.runs.as_ref()?;
    if runs.is_empty() {
        mistakes.add(format!("{path}.runs"), "is empty: at least one run is expected", "");
        return None;
    }
    let mut instants = Vec::new();
    for (number, RunDescription { at, duration, count }) in runs.iter().enumerate() {
        let field = |name: &str| format!("{path}.runs[{number}].{name}");
        let most = i64::try_from(SINGLE_RUNS).unwrap_or(i64::MAX);
        let count = mistakes.number(&field("count"), *count, 1, most, 1);
        let duration_us = match duration {
            None => None,
            Some(text) => Some(mistakes.quantity(&field("duration"), text, parse_duration_us)?),
        };
        let at_us = instant(&field("at"), at, mistakes)?;
        if !(period.start_us()..period.end_us()).contains(&at_us) {
            let message = format!("`{}` is not in the period {period}", at.as_str());
            mistakes.add(field("at"), message, "choose an instant of the period, or another `period`");
        } else if range.contains(&at_us) {
            instants.push(At { at_us, count: count.unsigned_abs(), duration_us });
        }
    }
    let total: u64 = instants.iter().map(|at| at.count).sum();
    if total > SINGLE_RUNS {
        let message = format!("{total} runs, at most {SINGLE_RUNS} are expected one by one");
        mistakes.add(format!("{path}.runs"), message, "write `rate` with `from` and `to` instead");
        return None;
    }
    instants.sort_by_key(|at| at.at_us);
    Some(Source::At(instants))
}
