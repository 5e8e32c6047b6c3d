//! `cost`: cost over time by any dimensions.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use paygrain_pricing::Exact;
use serde::Serialize;

use super::costs::{Cost, Costs, key_columns, key_of};
use super::parameters::{BY, FROM, Given, PERIOD, TO, cost_parameters};
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::bill::Dimension;
use crate::engine::Engine;
use crate::error::QueryError;

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "cost",
    meaning: "cost over time, by any dimensions",
    method: "The bill of each month, shared among its usage and summed by the dimensions; the rows sum to the bill exactly. Fees that no usage is behind belong to no resource.",
    estimate: false,
    parameters: &cost_parameters![PERIOD, FROM, TO, BY],
    run: |engine, given| Box::pin(run(engine, given)),
};

/// Cost of one combination of values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct CostRow {
    #[serde(flatten)]
    key: BTreeMap<&'static str, String>,
    list_cost: Exact,
    billed_cost: Exact,
}

#[derive(Serialize)]
struct Summary {
    list_cost: Exact,
    billed_cost: Exact,
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let by = given.dimensions(&[Dimension::Day, Dimension::Service])?;
    let selection = given.selection_by(engine, &by).await?;
    let mut columns = key_columns(&by);
    columns.extend([
        column("list_cost", ColumnKind::Amount, "before allowances and discounts"),
        column("billed_cost", ColumnKind::Amount, "what is billed"),
    ]);
    let Some(days) = selection.days else { return Ok(Body::without_rows(None, columns)) };
    let costs = Costs::of(engine, &engine.session().await?, &selection, days).await?;
    let currency = costs.currency()?;
    let total = costs.total();
    let rows = limited(rows(&costs, &by), selection.limit);
    let summary = Summary { list_cost: total.list, billed_cost: total.billed };
    Ok(Body::new(days, columns, &rows).in_currency(currency).with_summary(&summary))
}

/// In time order, and most expensive first at any one time.
fn rows(costs: &Costs, by: &[Dimension]) -> Vec<CostRow> {
    let mut groups: Vec<(Vec<String>, Cost)> = costs.group(by).into_iter().collect();
    let time = |key: &[String]| -> Vec<String> {
        let values = by.iter().zip(key).filter(|(dimension, _)| is_time(**dimension));
        values.map(|(_, value)| value.clone()).collect()
    };
    groups.sort_by_cached_key(|(key, cost)| {
        (time(key), Reverse(cost.billed.clone()), Reverse(cost.list.clone()), key.clone())
    });
    let row = |(key, cost): (Vec<String>, Cost)| CostRow {
        key: key_of(by, &key),
        list_cost: cost.list,
        billed_cost: cost.billed,
    };
    groups.into_iter().map(row).collect()
}

/// Whether a dimension's values are times, which sort as texts.
pub(super) fn is_time(dimension: Dimension) -> bool {
    matches!(dimension, Dimension::Month | Dimension::Day | Dimension::Hour)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Usage, selection};

    #[tokio::test]
    async fn rows_sum_to_the_bill_by_any_dimensions() {
        let usage = Usage::random(11, 200).rated("2026-10").await;
        let total: Exact = usage.rated.charges.iter().map(|charge| &charge.billed_cost).sum();
        let list: Exact = usage.rated.charges.iter().map(|charge| &charge.list_cost).sum();
        assert!(total.is_positive());
        let selection = selection("2026-10");
        let costs = Costs::of_months(vec![usage], &selection, selection.days.unwrap());
        for by in Dimension::ALL.map(|one| vec![one]).into_iter().chain([Dimension::ALL.to_vec()]) {
            let rows = rows(&costs, &by);
            assert_eq!(rows.iter().map(|row| &row.billed_cost).sum::<Exact>(), total, "{by:?}");
            assert_eq!(rows.iter().map(|row| &row.list_cost).sum::<Exact>(), list, "{by:?}");
        }
    }

    #[tokio::test]
    async fn filters_choose_among_values_and_days() {
        let usage = Usage::random(12, 200);
        let whole = selection("2026-10");
        let all = Costs::of_months(vec![usage.rated("2026-10").await], &whole, whole.days.unwrap());
        let by = [Dimension::Resource, Dimension::Day];
        let mut chosen = whole.clone();
        chosen.only = ["f0", "f1"].map(|name| (Dimension::Resource, name.to_owned())).to_vec();
        chosen.days.as_mut().unwrap().to = "2026-10-15".parse().unwrap();
        let some = Costs::of_months(vec![usage.rated("2026-10").await], &chosen, chosen.days.unwrap());
        let mut expected = rows(&all, &by);
        expected.retain(|row| row.key["resource"].as_str() <= "f1" && row.key["day"].as_str() <= "2026-10-15");
        assert!(!expected.is_empty());
        assert_eq!(rows(&some, &by), expected);
        assert!(expected.windows(2).all(|pair| pair[0].key["day"] <= pair[1].key["day"]));
    }
}
