//! A comparison as a file: a row per deployment, with every digit.

use axum::response::Response;
use paygrain_pricing::{Exact, Period};
use paygrain_query::Compared;
use paygrain_replay::Outcome;

use crate::csv_text::{CsvText, words};
use crate::error::AppError;

const COLUMNS: [&str; 31] = [
    "deployment",
    "title",
    "kind",
    "provider",
    "region",
    "period",
    "feasible",
    "reasons",
    "currency",
    "monthly_cost",
    "compute",
    "idle",
    "requests",
    "storage",
    "transfer",
    "extras",
    "cost_per_million",
    "sizing",
    "memory_mb",
    "vcpu_milli",
    "concurrency",
    "peak_instances",
    "mean_instances",
    "utilisation",
    "cold_starts",
    "cold_start_share",
    "cold_start_added_ms",
    "queued",
    "mean_wait_ms",
    "longest_wait_ms",
    "throttled",
];

/// The deployments of a comparison as a file, in its order; none where there is nothing to compare.
///
/// # Errors
/// When a row cannot be written.
pub fn download(compared: Option<&Compared>) -> Result<Response, AppError> {
    let mut text = CsvText::new(COLUMNS)?;
    let Some(Compared { comparison, .. }) = compared else { return text.download("paygrain-compare.csv") };
    let period = comparison.workload.period;
    for outcome in &comparison.deployments {
        text.row(cells(outcome, period))?;
    }
    text.download(&format!("paygrain-compare-{period}.csv"))
}

fn cells(outcome: &Outcome, period: Period) -> [String; 31] {
    let exact = |value: &Option<Exact>| value.as_ref().map(Exact::to_string).unwrap_or_default();
    let reasons: Vec<&str> = outcome.reasons.iter().map(|reason| reason.message.as_str()).collect();
    let parts = &outcome.parts;
    [
        words(&outcome.name),
        words(&outcome.title),
        outcome.kind.word().to_owned(),
        words(&outcome.provider),
        outcome.region.as_deref().map(words).unwrap_or_default(),
        period.to_string(),
        outcome.feasible.to_string(),
        words(&reasons.join("; ")),
        words(&outcome.currency),
        exact(&outcome.monthly_cost),
        parts.compute.to_string(),
        parts.idle.to_string(),
        parts.requests.to_string(),
        parts.storage.to_string(),
        parts.transfer.to_string(),
        parts.extras.to_string(),
        exact(&outcome.cost_per_million),
        outcome.sizing.map(|sizing| sizing.to_string()).unwrap_or_default(),
        outcome.memory_mb.to_string(),
        outcome.vcpu_milli.to_string(),
        outcome.concurrency.to_string(),
        outcome.instances.peak.to_string(),
        outcome.instances.mean.to_string(),
        exact(&outcome.utilisation),
        outcome.cold_starts.count.to_string(),
        exact(&outcome.cold_starts.share),
        outcome.cold_starts.added_ms.to_string(),
        outcome.queueing.count.to_string(),
        outcome.queueing.mean_ms.to_string(),
        outcome.queueing.longest_ms.to_string(),
        outcome.throttled_count.to_string(),
    ]
}
