//! `top-resources`: the most expensive resources.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use paygrain_pricing::Exact;
use serde::Serialize;

use super::costs::{Cost, Costs, key_columns, key_of};
use super::parameters::{self, Given};
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::bill::Dimension;
use crate::engine::Engine;
use crate::error::QueryError;

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "top-resources",
    meaning: "the most expensive resources, their shares, and their change against the time before",
    method: "Billed cost by resource, highest first. `share` is of the billed cost of everything that passes the filters, `running_share` sums it from the top. The time before is the month before, or as many days right before a range.",
    estimate: false,
    parameters: &parameters::COST,
    run: |engine, given| Box::pin(run(engine, given)),
};

const BY: [Dimension; 5] =
    [Dimension::Provider, Dimension::Service, Dimension::Account, Dimension::Region, Dimension::Resource];
/// Rows unless `limit` says otherwise.
const ROWS: usize = 20;

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ResourceRow {
    #[serde(flatten)]
    key: BTreeMap<&'static str, String>,
    list_cost: Exact,
    billed_cost: Exact,
    share: Option<Exact>,
    running_share: Option<Exact>,
    previous_billed_cost: Exact,
    change: Exact,
}

#[derive(Serialize)]
struct Summary {
    list_cost: Exact,
    billed_cost: Exact,
    previous_billed_cost: Exact,
    resource_count: usize,
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let selection = given.selection(engine).await?;
    let mut columns = key_columns(&BY);
    columns.extend([
        column("list_cost", ColumnKind::Amount, "before allowances and discounts"),
        column("billed_cost", ColumnKind::Amount, "what is billed"),
        column("share", ColumnKind::Share, "part of the billed cost of all; null when that is 0"),
        column("running_share", ColumnKind::Share, "the same, summed from the top"),
        column("previous_billed_cost", ColumnKind::Amount, "what was billed in the time before"),
        column("change", ColumnKind::Amount, "the difference"),
    ]);
    let Some(days) = selection.days else { return Ok(Body::without_rows(None, columns)) };
    let session = engine.session().await?;
    let now = Costs::of(engine, &session, &selection, days).await?;
    let before = Costs::of(engine, &session, &selection, days.before()).await?;
    let currency = before.currency_of_both(&now)?;
    let rows = rows(now.group(&BY), before.group(&BY));
    let total = now.total();
    let summary = Summary {
        list_cost: total.list,
        billed_cost: total.billed,
        previous_billed_cost: before.total().billed,
        resource_count: rows.len(),
    };
    let rows = limited(rows, selection.limit.or(Some(ROWS)));
    Ok(Body::new(days, columns, &rows).in_currency(currency).with_summary(&summary))
}

/// Every resource with cost now, most expensive first.
fn rows(now: BTreeMap<Vec<String>, Cost>, before: BTreeMap<Vec<String>, Cost>) -> Vec<ResourceRow> {
    let total: Exact = now.values().map(|cost| &cost.billed).sum();
    let mut sorted: Vec<(Vec<String>, Cost)> = now.into_iter().collect();
    sorted.sort_by_cached_key(|(key, cost)| (Reverse(cost.billed.clone()), Reverse(cost.list.clone()), key.clone()));
    let mut running = Exact::zero();
    let row = |(key, cost): (Vec<String>, Cost)| {
        running += &cost.billed;
        let previous = before.get(&key).map(|cost| cost.billed.clone()).unwrap_or_default();
        ResourceRow {
            key: key_of(&BY, &key),
            share: cost.billed.checked_div(&total),
            running_share: running.checked_div(&total),
            change: &cost.billed - &previous,
            previous_billed_cost: previous,
            list_cost: cost.list,
            billed_cost: cost.billed,
        }
    };
    sorted.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(costs: &[(&str, i64)]) -> BTreeMap<Vec<String>, Cost> {
        let key = |name: &str| ["aws", "lambda", "", "", name].map(str::to_owned).to_vec();
        let cost = |billed: i64| Cost { list: Exact::from(billed + 1), billed: Exact::from(billed) };
        costs.iter().map(|(name, billed)| (key(name), cost(*billed))).collect()
    }

    #[test]
    fn shares_run_up_to_the_whole() {
        let rows = rows(groups(&[("a", 1), ("b", 6), ("c", 2)]), groups(&[("b", 7), ("gone", 5)]));
        let names: Vec<_> = rows.iter().map(|row| row.key["resource"].as_str()).collect();
        assert_eq!(names, ["b", "c", "a"]);
        let running: Vec<_> = rows.iter().map(|row| row.running_share.clone()).collect();
        assert_eq!(running, [Exact::ratio(2, 3), Exact::ratio(8, 9), Some(Exact::one())]);
        let changes: Vec<_> = rows.iter().map(|row| row.change.to_string()).collect();
        assert_eq!(changes, ["-1", "2", "1"]);
    }

    #[test]
    fn nothing_billed_has_no_shares() {
        let rows = rows(groups(&[("a", 0)]), BTreeMap::new());
        assert_eq!((rows[0].share.clone(), rows[0].list_cost.clone()), (None, Exact::one()));
    }
}
