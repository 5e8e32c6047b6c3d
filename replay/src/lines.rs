//! Lines of a deployment as rows of usage
use std::collections::BTreeMap;

use paygrain_pricing::{Exact, RowValue, UsageRow};

use crate::deployment::{Deployment, Line};

/// What the placeholders of a line stand for.
pub(crate) type Words = BTreeMap<&'static str, Exact>;

/// A row with its placeholders filled and the deployment's provider and region in it.
pub(crate) fn row(deployment: &Deployment, line: &Line, words: &Words) -> UsageRow {
    let mut row: UsageRow = line
        .row
        .iter()
        .map(|(word, value)| (word.clone(), filled(deployment, value, words)))
        .filter(|(_, value)| *value != RowValue::Null)
        .collect();
    row.entry("provider".to_owned()).or_insert_with(|| RowValue::Text(deployment.provider.clone()));
    if let Some(region) = &deployment.region {
        row.entry("region".to_owned()).or_insert_with(|| RowValue::Text(region.clone()));
    }
    row
}

/// Whether a line says itself for how long an instance is up: by `$up_us` or `$up_hours`.
pub(crate) fn says_how_long(line: &Line) -> bool {
    line.row.values().any(|value| matches!(value, RowValue::Text(text) if text.starts_with("$up_")))
}

/// Whether a line is for hours that are added up: they have no step.
pub(crate) fn counts_hours(line: &Line) -> bool {
    line.row.values().any(|value| matches!(value, RowValue::Text(text) if text == "$up_hours"))
}

/// An integer of a row.
pub(crate) fn integer(value: impl Into<i128>) -> RowValue {
    RowValue::Number(value.into().into())
}

fn filled(deployment: &Deployment, value: &RowValue, words: &Words) -> RowValue {
    let RowValue::Text(text) = value else { return value.clone() };
    let Some(name) = text.strip_prefix('$') else { return value.clone() };
    match (words.get(name), deployment.words.get(name)) {
        (Some(number), _) => RowValue::Number(number.clone()),
        (None, Some(word)) => RowValue::Text(word.clone()),
        (None, None) => RowValue::Null,
    }
}
