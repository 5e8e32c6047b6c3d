//! Lines of a deployment as rows of usage
use std::collections::BTreeMap;

use paygrain_pricing::{Exact, RowValue, UsageRow};

use crate::deployment::{Deployment, Line};

/// What the placeholders of a line stand for.
pub(crate) type Words = BTreeMap<&'static str, Exact>;

/// A row with its placeholders filled and the deployment's provider and region in it.
pub(crate) fn row(deployment: &Deployment, line: &Line, words: &Words) -> UsageRow {
    let mut row: UsageRow =
        line.row.iter().filter_map(|(word, value)| Some((word.clone(), filled(value, words)?))).collect();
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

/// A value with what its placeholder stands for; nothing where that is not known.
fn filled(value: &RowValue, words: &Words) -> Option<RowValue> {
    let RowValue::Text(text) = value else { return Some(value.clone()) };
    match text.strip_prefix('$') {
        None => Some(value.clone()),
        Some(name) => words.get(name).map(|number| RowValue::Number(number.clone())),
    }
}
