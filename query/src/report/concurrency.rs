//! `concurrency`: how many executions of a set of resources are under way at once.

use chrono::DateTime;
use paygrain_ingest::table::Table;
use paygrain_pricing::Exact;
use paygrain_pricing::period::HOUR_US;
use serde::Serialize;

use super::parameters::{self, Given};
use super::source::Records;
use super::source::executions::Executions;
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::engine::Engine;
use crate::error::QueryError;

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "concurrency",
    meaning: "how many executions of the chosen resources are under way at once, by hour",
    method: "Executions last from their start for their duration and initialisation, the end not included: one that ends when another starts is not under way with it. What runs over an hour counts in both hours, also what began before the first day. Days are those of UTC. Hours without any execution are left out.",
    estimate: false,
    parameters: &parameters::USAGE,
    run: |engine, given| Box::pin(run(engine, given)),
};

/// One hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct HourRow {
    hour: String,
    peak: u64,
    busy_us: i64,
    average: Exact,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Summary {
    peak: u64,
    /// RFC 3339, when it was first reached.
    peak_at: Option<String>,
    busy_us: i64,
    execution_us: Exact,
    execution_count: u64,
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let selection = given.selection(engine).await?;
    let columns = vec![
        column("hour", ColumnKind::Text, "start of the hour, UTC"),
        column("peak", ColumnKind::Count, "most executions at one moment"),
        column("busy_us", ColumnKind::Count, "microseconds with at least one execution"),
        column("average", ColumnKind::Quantity, "executions under way, averaged over the hour"),
    ];
    let Some(days) = selection.days else { return Ok(Body::without_rows(None, columns)) };
    let records = Records::of(Table::Invocations, engine.catalogue(), &selection, days)?;
    let (rows, summary) = rows(records.executions(&engine.session().await?).await?);
    Ok(Body::new(days, columns, &limited(rows, selection.limit)).with_summary(&summary))
}

/// The hours in order.
fn rows(Executions { hours, peak, count }: Executions) -> (Vec<HourRow>, Summary) {
    let execution_us: i128 = hours.values().map(|load| load.open_us).sum();
    let summary = Summary {
        peak: peak.map_or(0, |(peak, _)| peak),
        peak_at: peak.map(|(_, at_us)| time_text(at_us)),
        busy_us: hours.values().map(|load| load.busy_us).sum(),
        execution_us: Exact::from(execution_us),
        execution_count: count,
    };
    let rows = hours.into_iter().map(|(hour_us, load)| HourRow {
        hour: time_text(hour_us),
        peak: load.peak,
        busy_us: load.busy_us,
        average: Exact::ratio(load.open_us, HOUR_US.into()).unwrap_or_default(),
    });
    (rows.collect(), summary)
}

/// An instant as RFC 3339, as short as it is exact.
fn time_text(us: i64) -> String {
    let time = DateTime::from_timestamp_micros(us);
    time.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Usage, selection};
    use paygrain_ingest::record::Invocation;
    use paygrain_pricing::Catalogue;

    fn us(time: &str) -> i64 {
        DateTime::parse_from_rfc3339(time).unwrap().timestamp_micros()
    }

    #[tokio::test]
    async fn executions_that_run_into_the_first_day_count_there() {
        let one = |start: &str, seconds: i64, init_ms: i64| {
            let row = Invocation {
                provider: "aws".into(),
                service: "lambda".into(),
                resource: Some("f".into()),
                duration_us: Some(seconds * 1_000_000),
                init_us: Some(init_ms * 1000),
                ..Invocation::default()
            };
            (us(start), row)
        };
        let usage = Usage(vec![
            one("2026-09-29T00:00:00Z", 2 * 86_400 + 60, 0), // until 00:01:00 of the first
            one("2026-09-30T23:59:59Z", 1, 0),               // ends where October begins
            one("2026-10-01T00:00:30Z", 29, 1000),           // until 00:01:00
            one("2026-10-01T00:01:00Z", 3600, 0),            // until 01:01:00
            one("2026-10-31T23:59:59Z", 5, 0),               // into November
            one("2026-11-01T00:00:00Z", 5, 0),
        ]);
        let selection = selection("2026-10");
        let days = selection.days.unwrap();
        let catalogue = Catalogue::embedded().unwrap();
        let records = Records::of(Table::Invocations, &catalogue, &selection, days).unwrap();
        let (rows, summary) = rows(records.executions(&usage.session()).await.unwrap());
        let hours: Vec<_> = rows.iter().map(|row| (row.hour.as_str(), row.peak, row.busy_us / 1_000_000)).collect();
        assert_eq!(
            hours,
            [("2026-10-01T00:00:00Z", 2, 3600), ("2026-10-01T01:00:00Z", 1, 60), ("2026-10-31T23:00:00Z", 1, 1)]
        );
        // 60 + 30 + 3,540 seconds of an hour.
        assert_eq!(rows[0].average, Exact::ratio(3630, 3600).unwrap());
        assert_eq!((summary.peak, summary.peak_at.as_deref()), (2, Some("2026-10-01T00:00:30Z")));
        assert_eq!((summary.busy_us, summary.execution_count), (3661 * 1_000_000, 4));
    }
}
