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
    match estimated(context.catalogue, period, (context.provider, context.region), line) {
        Err(EstimateError::Row { message, hint, .. }) => Err((message, hint)),
        Err(error) => Err((error.to_string(), error.hint())),
        Ok(_) => Ok(()),
    }
}

/// Why no price applies to a line in a month.
pub(crate) fn unpriced(catalogue: &Catalogue, period: Period, deployment: &Deployment, line: &Line) -> Option<String> {
    match estimated(catalogue, period, (&deployment.provider, deployment.region.as_deref()), line) {
        Err(error) => Some(error.to_string()),
        Ok(Estimate { unpriced, .. }) if !unpriced.is_empty() => Some(unpriced[0].reason.clone()),
        Ok(Estimate { charges, .. }) => charges.is_empty().then(|| "nothing is charged".to_owned()),
    }
}

fn estimated(
    catalogue: &Catalogue,
    period: Period,
    (provider, region): (&str, Option<&str>),
    line: &Line,
) -> Result<Estimate, EstimateError> {
    let request = EstimateRequest {
        period,
        provider: Some(provider.to_owned()),
        organisation: None,
        account: None,
        region: region.map(str::to_owned),
        account_opened: None,
        allowances: Allowances::None,
        agreement: Agreement::default(),
        usage: vec![filled(period, line)],
    };
    estimate(catalogue, request)
}

/// The row as the replay would fill it for one execution or an hour of one instance.
fn filled(period: Period, line: &Line) -> UsageRow {
    let number = |number: i64| RowValue::Number(Exact::from(number));
    let sample = |name: &str| match name {
        "memory_mb" => 1024,
        "vcpu_milli" => 500,
        "up_us" => 3_600_000_000,
        "init_us" => 300_000,
        "request_bytes" | "response_bytes" | "log_bytes" => 10_000,
        _ => 1,
    };
    let mut says_how_long = false;
    let mut row = UsageRow::new();
    for (word, value) in &line.row {
        let value = match value {
            RowValue::Text(text) => text.strip_prefix('$').map(|name| {
                says_how_long |= name.starts_with("up_");
                number(sample(name))
            }),
            _ => None,
        };
        row.insert(word.clone(), value.unwrap_or_else(|| line.row[word].clone()));
    }
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
