//! Rows of lines with sample values: whether their words mean something, and whether a price applies
use paygrain_pricing::{
    Agreement, Allowances, Catalogue, Estimate, EstimateError, EstimateRequest, Exact, Period, RowValue, UsageRow,
    estimate,
};

use super::line::Context;
use crate::deployment::{Deployment, Each, Line};

/// A month of which only the words of rows are checked.
const SAMPLE_PERIOD: &str = "2026-10";

/// What is wrong with the row of a line, and what to write instead.
pub(super) fn check(context: &Context<'_>, line: &Line) -> Result<(), (String, Option<String>)> {
    let Ok(period) = SAMPLE_PERIOD.parse() else { return Ok(()) };
    let told = |usage| match estimated(context.catalogue, period, (context.provider, context.region), usage) {
        Err(EstimateError::Row { message, hint, .. }) => Err((message, hint)),
        Err(error) => Err((error.to_string(), error.hint())),
        Ok(_) => Ok(()),
    };
    // Its own words first: a mistake in one of them is not to be told of a word that the replay adds.
    if !matches!(line.each, Each::Run | Each::Task) {
        told(with_samples(line).0)?;
    }
    told(filled(period, line)).map_err(|(message, hint)| {
        let hint = match line.each {
            Each::Run | Each::Task if !line.row.contains_key("meter") => return (message, hint),
            Each::Run | Each::Task => "a run or a task is a row of `invocations`, with a duration",
            Each::Request => "a request is a row that may have a `count`",
            Each::Instance | Each::Period => {
                "instances and the period are held for a time: rows of `metered` with a `meter`, of stored `gib`, or with `$up_us`"
            }
        };
        (format!("the row does not go with its `each`: {message}"), Some(hint.to_owned()))
    })
}

/// Why no price applies to a line in a month.
pub(crate) fn unpriced(catalogue: &Catalogue, period: Period, deployment: &Deployment, line: &Line) -> Option<String> {
    match estimated(catalogue, period, (&deployment.provider, deployment.region.as_deref()), filled(period, line)) {
        Err(error) => Some(error.to_string()),
        Ok(Estimate { unpriced, .. }) if !unpriced.is_empty() => Some(unpriced[0].reason.clone()),
        Ok(Estimate { charges, .. }) => charges.is_empty().then(|| "nothing is charged".to_owned()),
    }
}

fn estimated(
    catalogue: &Catalogue,
    period: Period,
    (provider, region): (&str, Option<&str>),
    usage: UsageRow,
) -> Result<Estimate, EstimateError> {
    let request = EstimateRequest {
        period,
        provider: Some(provider.to_owned()),
        organisation: None,
        account: None,
        region: region.map(str::to_owned),
        account_opened: None,
        allowances: Allowances::None,
        used_allowance_percent: 0,
        agreement: Agreement::default(),
        usage: vec![usage],
    };
    estimate(catalogue, request)
}

fn number(number: i64) -> RowValue {
    RowValue::Number(Exact::from(number))
}

/// The row with sample values for what the replay supplies, and whether it says itself how long.
fn with_samples(line: &Line) -> (UsageRow, bool) {
    let sample = |name: &str| match name {
        "memory_mb" => 1024,
        "vcpu_milli" => 500,
        "up_us" => 3_600_000_000,
        "init_us" => 300_000,
        "request_bytes" | "response_bytes" | "log_bytes" => 10_000,
        _ => 1,
    };
    let mut says_how_long = false;
    let mut row = line.row.clone();
    for value in row.values_mut() {
        let RowValue::Text(text) = value else { continue };
        let Some(name) = text.strip_prefix('$') else { continue };
        says_how_long |= matches!(name, "up_us" | "up_hours");
        *value = number(sample(name));
    }
    (row, says_how_long)
}

/// The row as the replay would fill it for one execution or an hour of one instance.
fn filled(period: Period, line: &Line) -> UsageRow {
    let (mut row, says_how_long) = with_samples(line);
    match line.each {
        Each::Run | Each::Task => {
            row.insert("duration_us".to_owned(), number(1_000_000));
            row.insert("cpu_us".to_owned(), number(500_000));
            row.insert("at".to_owned(), RowValue::Text(format!("{}T12:00:00", period.first_day())));
        }
        Each::Request => drop(row.insert("count".to_owned(), number(1))),
        Each::Instance | Each::Period if says_how_long => {}
        Each::Instance | Each::Period => drop(row.insert("held_us".to_owned(), number(3_600_000_000))),
    }
    row
}
