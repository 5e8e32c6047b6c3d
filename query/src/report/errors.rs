//! `errors`: what failed invocations cost, and what is paid for and not used.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use datafusion::prelude::SessionContext;
use paygrain_ingest::table::Table;
use paygrain_pricing::{Catalogue, Exact, SkuIndex, Table as PricingTable};
use serde::Serialize;

use super::costs::{Cost, Costs, Part};
use super::parameters::{self, Given};
use super::source::{Outcomes, Records, Resource};
use super::what_if::what_if;
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::bill::Dimension;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::session::session;
use crate::sql::SqlAnswer;

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "errors",
    meaning: "how many invocations fail and what they cost, and what is paid for without being used, by resource",
    method: "An invocation fails when its log gives it a status other than success; the share is of those with a status, the cost is their part of the bill. Idle cost: what is metered as idle time, by a record or by the price book. Unused commitments: what commitments of the agreement cost in hours that did not use them, which belongs to no resource.",
    estimate: false,
    parameters: &parameters::COST,
    run: |engine, given| Box::pin(run(engine, given)),
};

/// One resource; the one without names is what belongs to none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ErrorRow {
    #[serde(flatten)]
    resource: Resource,
    invocation_count: u64,
    known_count: u64,
    failed_count: u64,
    failed_share: Option<Exact>,
    failed_list_cost: Exact,
    failed_billed_cost: Exact,
    idle_list_cost: Exact,
    idle_billed_cost: Exact,
    unused_commitment_cost: Exact,
}

#[derive(Serialize)]
struct Summary {
    failed_count: u64,
    failed_billed_cost: Exact,
    idle_billed_cost: Exact,
    unused_commitment_cost: Exact,
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let selection = given.selection_by(engine, &[Dimension::Status]).await?;
    let mut columns = Resource::columns();
    columns.extend([
        column("invocation_count", ColumnKind::Count, "invocations"),
        column("known_count", ColumnKind::Count, "those whose log says how they ended"),
        column("failed_count", ColumnKind::Count, "those that failed"),
        column("failed_share", ColumnKind::Share, "`failed_count` of `known_count`; null where the log never says"),
        column("failed_list_cost", ColumnKind::Amount, "cost of failed invocations before allowances"),
        column("failed_billed_cost", ColumnKind::Amount, "what is billed for failed invocations"),
        column("idle_list_cost", ColumnKind::Amount, "cost of idle time before allowances"),
        column("idle_billed_cost", ColumnKind::Amount, "what is billed for idle time"),
        column("unused_commitment_cost", ColumnKind::Amount, "cost of commitments that nothing used"),
    ]);
    let Some(days) = selection.days else { return Ok(Body::without_rows(None, columns)) };
    let records = Records::of(Table::Invocations, engine.catalogue(), &selection, days)?;
    let rolled_up = engine.session().await?;
    let outcomes = records.outcomes(&rolled_up).await?;
    let rated = match measures_idle(&rolled_up).await? {
        true => marked_idle(session(engine.lake()).await?).await?,
        false => rolled_up,
    };
    let costs = Costs::of(engine, &rated, &selection, days).await?;
    let currency = costs.currency()?;
    let rows = rows(engine.catalogue(), outcomes, &costs);
    let sum = |amount: fn(&ErrorRow) -> &Exact| rows.iter().map(amount).sum::<Exact>();
    let summary = Summary {
        failed_count: rows.iter().map(|row| row.failed_count).sum(),
        failed_billed_cost: sum(|row| &row.failed_billed_cost),
        idle_billed_cost: sum(|row| &row.idle_billed_cost),
        unused_commitment_cost: sum(|row| &row.unused_commitment_cost),
    };
    let rows = limited(rows, selection.limit);
    Ok(Body::new(days, columns, &rows).in_currency(currency).with_summary(&summary))
}

/// Whether any record measures idle time.
async fn measures_idle(session: &SessionContext) -> Result<bool, QueryError> {
    let sql = format!("SELECT 1 FROM metered WHERE meter LIKE '%{IDLE}%' LIMIT 1");
    Ok(SqlAnswer::of(session, &sql).await?.row_count() > 0)
}

/// Measured idle time marked, whichever SKU charges it.
async fn marked_idle(session: SessionContext) -> Result<SessionContext, QueryError> {
    let mark = format!("CASE WHEN meter LIKE '%{IDLE}%' THEN '{IDLE}' ELSE '' END");
    what_if(session, Table::Metered, &[], Some(&mark)).await
}

/// Whether a part is of failed invocations.
fn has_failed(catalogue: &Catalogue, part: &Part<'_>) -> bool {
    let of_invocations = part.row.is_some_and(|row| catalogue.sku(row.sku).table == PricingTable::Invocations);
    of_invocations && !matches!(part.value(Dimension::Status).as_str(), "" | "success")
}

/// What meters of idle time are called, in price books and records.
const IDLE: &str = "idle";

/// Whether a SKU charges idle time: of its meters, all are called so.
fn is_idle(catalogue: &Catalogue, index: SkuIndex) -> bool {
    let sku = catalogue.sku(index);
    let idle = |meter: &str| meter.contains(IDLE);
    match sku.key.as_ref().filter(|key| key.column == "meter") {
        Some(key) => idle(&key.value),
        None => {
            let meters = sku.filter.as_ref().map(|filter| filter.words_of("meter")).unwrap_or_default();
            !meters.is_empty() && meters.into_iter().all(idle)
        }
    }
}

/// Every resource with invocations or such costs, the most expensive first.
fn rows(catalogue: &Catalogue, outcomes: BTreeMap<Resource, Outcomes>, costs: &Costs) -> Vec<ErrorRow> {
    let failed = costs.by_resource(|part| has_failed(catalogue, part));
    let mut idle: BTreeMap<Resource, Cost> = BTreeMap::new();
    let mut unused = Exact::zero();
    for part in costs.parts() {
        unused += part.unused_cost.unwrap_or(&Exact::zero());
        if let Some((_, resource)) =
            part.row.zip(part.resource()).filter(|(row, _)| part.mark() == IDLE || is_idle(catalogue, row.sku))
        {
            idle.entry(resource).or_default().add(&part);
        }
    }
    let names: BTreeSet<&Resource> = outcomes.keys().chain(failed.keys()).chain(idle.keys()).collect();
    let cost = |costs: &BTreeMap<Resource, Cost>, resource: &Resource| costs.get(resource).cloned().unwrap_or_default();
    let row = |resource: &Resource| {
        let ended = outcomes.get(resource).cloned().unwrap_or_default();
        let (failed, idle) = (cost(&failed, resource), cost(&idle, resource));
        ErrorRow {
            resource: resource.clone(),
            failed_share: Exact::from(ended.failed_count).checked_div(&Exact::from(ended.known_count)),
            invocation_count: ended.invocation_count,
            known_count: ended.known_count,
            failed_count: ended.failed_count,
            failed_list_cost: failed.list,
            failed_billed_cost: failed.billed,
            idle_list_cost: idle.list,
            idle_billed_cost: idle.billed,
            unused_commitment_cost: Exact::zero(),
        }
    };
    let mut rows: Vec<ErrorRow> = names.into_iter().map(row).collect();
    if !unused.is_zero() {
        rows.push(ErrorRow { unused_commitment_cost: unused, ..row(&Resource::default()) });
    }
    rows.sort_by_cached_key(|row| {
        let billed = &row.failed_billed_cost + &row.idle_billed_cost + &row.unused_commitment_cost;
        let list = &row.failed_list_cost + &row.idle_list_cost;
        (Reverse(billed), Reverse(list), Reverse(row.failed_count), row.resource.clone())
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Usage, billed_ms, costs, selection};
    use paygrain_ingest::record::MeteredQuantity;

    #[test]
    fn idle_skus_are_those_of_idle_meters() {
        let catalogue = Catalogue::embedded().unwrap();
        let names: Vec<_> = catalogue
            .skus()
            .filter(|(index, _)| is_idle(&catalogue, *index))
            .map(|(_, sku)| sku.name.as_str())
            .collect();
        for name in ["gcp.functions.memory-idle", "gcp.cloud-run.vcpu-idle", "azure.container-apps.vcpu:idle"] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        assert!(!names.contains(&"azure.container-apps.vcpu:active"), "{names:?}");
    }

    #[tokio::test]
    async fn failed_invocations_and_idle_time_cost_what_is_worked_by_hand() {
        let usage = Usage::random(71, 300);
        let idle = MeteredQuantity {
            provider: "azure".into(),
            service: "container-apps".into(),
            resource: Some("app".into()),
            meter: Some("idle".into()),
            quantity: Some(10_i128.pow(MeteredQuantity::SCALE.into())),
            held_us: Some(3_600_000_000),
            vcpu_milli: Some(1000),
            memory_mb: Some(2048),
            ..MeteredQuantity::default()
        };
        let at = usage.0[0].0;
        let lake = || {
            crate::testing::session(vec![
                crate::testing::batch(usage.0.clone()),
                crate::testing::batch(vec![(at, idle.clone())]),
            ])
        };
        let selection = selection("2026-10");
        let days = selection.days.unwrap();
        let catalogue = Catalogue::embedded().unwrap();
        let costs = costs(&marked_idle(lake()).await.unwrap(), &[Dimension::Status]).await;
        let records = Records::of(Table::Invocations, &catalogue, &selection, days).unwrap();
        let rows = rows(&catalogue, records.outcomes(&lake()).await.unwrap(), &costs);
        assert_eq!(rows.len(), 7);
        let price: Exact = "0.0000166667".parse().unwrap();
        for row in rows {
            if row.resource.resource == "app" {
                // The example of the price book: a vCPU and 2 GB idle, 0.000003 each a second.
                assert_eq!(row.idle_billed_cost, Exact::from(3600 * 3) * "0.000003".parse::<Exact>().unwrap());
                assert_eq!((row.invocation_count, row.failed_share), (0, None));
                continue;
            }
            let (mut all, mut count, mut mb_ms) = (0, 0, 0);
            for one in usage.of(&row.resource) {
                all += 1;
                if one.status.as_deref() != Some("success") {
                    count += 1;
                    mb_ms += i128::from(billed_ms(one) * one.memory_mb.unwrap());
                }
            }
            assert_eq!((row.invocation_count, row.known_count, row.failed_count), (all, all, count));
            assert_eq!(row.failed_share, Exact::ratio(count.into(), all.into()));
            let requests = Exact::ratio(i128::from(count) * 2, 10_000_000).unwrap();
            assert_eq!(row.failed_billed_cost, Exact::ratio(mb_ms, 1_024_000).unwrap() * &price + requests);
        }
    }
}
