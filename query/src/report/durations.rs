//! `durations`: percentiles of durations, by resource and memory size.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use paygrain_ingest::table::Table;
use serde::Serialize;

use super::parameters::{self, Given};
use super::source::{HistogramRow, Records, Resource};
use super::statistics::Histogram;
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::engine::Engine;
use crate::error::QueryError;

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "durations",
    meaning: "p50, p95 and p99 of durations, by resource and memory size",
    method: "Durations of the handler, without initialisation, in whole milliseconds, rounded up. A percentile is the nearest rank: the least duration that so many of a hundred invocations do not exceed. It is one of the durations, exact over all invocations.",
    estimate: false,
    parameters: &parameters::USAGE,
    run: |engine, given| Box::pin(run(engine, given)),
};

/// Durations of one resource at one memory size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct DurationRow {
    #[serde(flatten)]
    resource: Resource,
    memory_mb: Option<i64>,
    invocation_count: u64,
    min_ms: Option<i64>,
    p50_ms: Option<i64>,
    p95_ms: Option<i64>,
    p99_ms: Option<i64>,
    max_ms: Option<i64>,
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let selection = given.selection(engine).await?;
    let mut columns = Resource::columns();
    columns.extend([
        column("memory_mb", ColumnKind::Count, "configured memory; null where the log does not say"),
        column("invocation_count", ColumnKind::Count, "invocations whose log has a duration"),
        column("min_ms", ColumnKind::Count, "the shortest"),
        column("p50_ms", ColumnKind::Count, "half take no longer"),
        column("p95_ms", ColumnKind::Count, "95 of 100 take no longer"),
        column("p99_ms", ColumnKind::Count, "99 of 100 take no longer"),
        column("max_ms", ColumnKind::Count, "the longest"),
    ]);
    let Some(days) = selection.days else { return Ok(Body::without_rows(None, columns)) };
    let records = Records::of(Table::Invocations, engine.catalogue(), &selection, days)?;
    let found = records.durations(&engine.session().await?).await?;
    Ok(Body::new(days, columns, &limited(rows(found), selection.limit)))
}

/// By number of invocations, most first.
fn rows(found: Vec<HistogramRow>) -> Vec<DurationRow> {
    let mut histograms: BTreeMap<(Resource, i64), Histogram> = BTreeMap::new();
    for row in found {
        histograms.entry((row.resource, row.memory_mb)).or_default().add(row.value, row.count);
    }
    let row = |((resource, memory_mb), durations): ((Resource, i64), Histogram)| DurationRow {
        resource,
        memory_mb: Some(memory_mb).filter(|memory_mb| *memory_mb > 0),
        invocation_count: durations.total(),
        min_ms: durations.least(),
        p50_ms: durations.percentile(50),
        p95_ms: durations.percentile(95),
        p99_ms: durations.percentile(99),
        max_ms: durations.greatest(),
    };
    let mut rows: Vec<DurationRow> = histograms.into_iter().map(row).collect();
    rows.sort_by_key(|row| Reverse(row.invocation_count));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Usage, selection};
    use paygrain_pricing::Catalogue;

    #[tokio::test]
    async fn percentiles_are_those_of_the_sorted_durations() {
        let usage = Usage::random(41, 700);
        let selection = selection("2026-10");
        let catalogue = Catalogue::embedded().unwrap();
        let records = Records::of(Table::Invocations, &catalogue, &selection, selection.days.unwrap()).unwrap();
        let rows = rows(records.duration_histogram(&usage.session()).await.unwrap());
        assert_eq!(rows.iter().map(|row| row.invocation_count).sum::<u64>(), 700);
        assert_eq!(rows.len(), 18, "three functions, two accounts, three sizes");
        for row in rows {
            let own = usage.of(&row.resource).filter(|one| one.memory_mb == row.memory_mb);
            let mut sorted: Vec<i64> = own.map(|one| (one.duration_us.unwrap() + 999) / 1000).collect();
            sorted.sort_unstable();
            let rank = |percent: usize| Some(sorted[(percent * sorted.len()).div_ceil(100) - 1]);
            assert_eq!(
                [row.min_ms, row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms],
                [sorted.first().copied(), rank(50), rank(95), rank(99), sorted.last().copied()]
            );
        }
    }
}
