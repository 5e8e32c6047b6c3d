//! `cold-starts`: how often environments are started anew, and what that costs.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use datafusion::prelude::SessionContext;
use paygrain_ingest::table::Table;
use paygrain_pricing::Exact;
use serde::Serialize;

use super::costs::{Cost, Costs};
use super::parameters::{self, Given};
use super::source::{Records, Resource, Starts};
use super::what_if::what_if;
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::bill::Dimension;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::session::session;

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "cold-starts",
    meaning: "how many invocations start an environment, how long that takes, and what it costs, by resource",
    method: "The share is of the invocations whose log says whether they were cold. Cost of cold invocations: their part of the bill. Cost of initialisation: the bill less the same usage rated again without it, by the rules of the price book; where initialisation is not billed that is 0. A free tier that covers it makes what is billed 0 as well, so the cost before allowances is given too.",
    estimate: false,
    parameters: &parameters::COST,
    run: |engine, given| Box::pin(run(engine, given)),
};

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ColdRow {
    #[serde(flatten)]
    resource: Resource,
    invocation_count: u64,
    known_count: u64,
    cold_count: u64,
    cold_share: Option<Exact>,
    init_us: i64,
    mean_init_ms: Option<Exact>,
    cold_list_cost: Exact,
    cold_billed_cost: Exact,
    init_list_cost: Exact,
    init_billed_cost: Exact,
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let selection = given.selection_by(engine, &[Dimension::ColdStart]).await?;
    let mut columns = Resource::columns();
    columns.extend([
        column("invocation_count", ColumnKind::Count, "invocations"),
        column("known_count", ColumnKind::Count, "those whose log says whether they were cold"),
        column("cold_count", ColumnKind::Count, "those that started an environment"),
        column("cold_share", ColumnKind::Share, "`cold_count` of `known_count`; null where the log never says"),
        column("init_us", ColumnKind::Count, "time that initialisation added, in microseconds"),
        column("mean_init_ms", ColumnKind::Quantity, "that time per invocation that has it, in milliseconds"),
        column("cold_list_cost", ColumnKind::Amount, "cost of cold invocations before allowances"),
        column("cold_billed_cost", ColumnKind::Amount, "what is billed for cold invocations"),
        column("init_list_cost", ColumnKind::Amount, "cost of initialisation before allowances, a part of the bill"),
        column("init_billed_cost", ColumnKind::Amount, "what would not be billed without initialisation"),
    ]);
    let Some(days) = selection.days else { return Ok(Body::without_rows(None, columns)) };
    let records = Records::of(Table::Invocations, engine.catalogue(), &selection, days)?;
    let rolled_up = engine.session().await?;
    let starts = records.starts(&rolled_up).await?;
    let as_is = Costs::of(engine, &rolled_up, &selection, days).await?;
    let without = without_init(session(engine.lake()).await?).await?;
    let without = Costs::of(engine, &without, &selection, days).await?;
    let currency = as_is.currency()?;
    let rows = rows(starts, &as_is, &without);
    Ok(Body::new(days, columns, &limited(rows, selection.limit)).in_currency(currency))
}

/// As if nothing had been initialised. A billed duration that has the initialisation in it gives way to the price
/// book's own rule; any other stays.
async fn without_init(session: SessionContext) -> Result<SessionContext, QueryError> {
    let billed = "CASE WHEN init_us > 0 AND billed_ms * 1000 >= duration_us + init_us THEN CAST(NULL AS BIGINT) ELSE billed_ms END";
    what_if(session, Table::Invocations, &[("init_us", "CAST(NULL AS BIGINT)"), ("billed_ms", billed)], None).await
}

/// Every resource with invocations, most cold ones first.
fn rows(starts: BTreeMap<Resource, Starts>, as_is: &Costs, without: &Costs) -> Vec<ColdRow> {
    let cold = as_is.by_resource(|part| part.value(Dimension::ColdStart) == "true");
    let (whole, without) = (as_is.by_resource(|_| true), without.by_resource(|_| true));
    let none = Cost::default();
    let row = |(resource, starts): (Resource, Starts)| {
        let cold = cold.get(&resource).unwrap_or(&none);
        let init = whole.get(&resource).unwrap_or(&none).less(without.get(&resource).unwrap_or(&none));
        ColdRow {
            cold_share: Exact::from(starts.cold_count).checked_div(&Exact::from(starts.known_count)),
            mean_init_ms: Exact::ratio(starts.init_us.into(), i128::from(starts.init_count) * 1000),
            invocation_count: starts.invocation_count,
            known_count: starts.known_count,
            cold_count: starts.cold_count,
            init_us: starts.init_us,
            cold_list_cost: cold.list.clone(),
            cold_billed_cost: cold.billed.clone(),
            init_list_cost: init.list,
            init_billed_cost: init.billed,
            resource,
        }
    };
    let mut rows: Vec<ColdRow> = starts.into_iter().map(row).collect();
    rows.sort_by_key(|row| Reverse(row.cold_count));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Usage, billed_ms, costs, selection};
    use paygrain_pricing::Catalogue;

    #[tokio::test]
    async fn cold_invocations_and_initialisation_cost_what_is_worked_by_hand() {
        let mut usage = Usage::random(51, 300);
        // Half of the logs print the billed duration, which has the initialisation in it.
        for (_, one) in usage.0.iter_mut().step_by(2) {
            one.billed_ms = Some(billed_ms(one));
        }
        let selection = selection("2026-10");
        let catalogue = Catalogue::embedded().unwrap();
        let records = Records::of(Table::Invocations, &catalogue, &selection, selection.days.unwrap()).unwrap();
        let starts = records.starts(&usage.session()).await.unwrap();
        let as_is = costs(&usage.session(), &[Dimension::ColdStart]).await;
        let without = costs(&without_init(usage.session()).await.unwrap(), &[Dimension::ColdStart]).await;
        let rows = rows(starts, &as_is, &without);
        assert_eq!(rows.len(), 6);
        let price: Exact = "0.0000166667".parse().unwrap();
        for row in rows {
            let own: Vec<_> = usage.of(&row.resource).collect();
            let (mut cold_count, mut init_us, mut cold_mb_ms, mut init_mb_ms) = (0, 0, 0, 0);
            for one in own.iter().filter(|one| one.cold_start == Some(true)) {
                let (duration, init) = (one.duration_us.unwrap(), one.init_us.unwrap());
                let (with, alone) = (billed_ms(one), (duration + 999) / 1000);
                cold_count += 1;
                init_us += init;
                cold_mb_ms += i128::from(with * one.memory_mb.unwrap());
                init_mb_ms += i128::from((with - alone) * one.memory_mb.unwrap());
            }
            assert_eq!((row.cold_count, row.known_count), (cold_count, own.len() as u64));
            assert_eq!(row.cold_share, Exact::ratio(cold_count.into(), own.len() as i128));
            assert_eq!(
                (row.init_us, row.mean_init_ms),
                (init_us, Exact::ratio(init_us.into(), cold_count as i128 * 1000))
            );
            let gb_s = |mb_ms| Exact::ratio(mb_ms, 1_024_000).unwrap();
            let requests = Exact::ratio(i128::from(cold_count) * 2, 10_000_000).unwrap();
            assert_eq!(row.cold_billed_cost, gb_s(cold_mb_ms) * &price + requests);
            assert_eq!(
                (&row.init_billed_cost, &row.init_list_cost),
                (&(gb_s(init_mb_ms) * &price), &row.init_billed_cost)
            );
        }
    }
}
