//! `movers`: what changed most between two times, and whether usage, prices or allowances did it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use paygrain_pricing::Exact;
use serde::Serialize;

use super::costs::{Costs, key_columns, key_of};
use super::parameters::{BY, FROM, Given, PERIOD, Parameter, TO, cost_parameters};
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::bill::Dimension;
use crate::engine::Engine;
use crate::error::QueryError;

const AGAINST: Parameter = Parameter {
    name: "against",
    meaning: "month to compare with (YYYY-MM); the month before, or as many days right before a range, if not given",
};
const AGAINST_FROM: Parameter = Parameter { name: "against_from", meaning: "first day of a range to compare with" };
const AGAINST_TO: Parameter = Parameter { name: "against_to", meaning: "last day of a range to compare with" };

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "movers",
    meaning: "the biggest increases and decreases between two times, split into usage, price and allowances",
    method: "Per SKU, with q the quantity and l the average list price (list cost / q) before (0) and after (1): usage_change = (q1 - q0) * l0, price_change = q1 * (l1 - l0), reduction_change = the change of what allowances, discounts and commitments take off. The three sum to the change exactly. What is new or gone is usage. Tiers are part of the average price.",
    estimate: false,
    parameters: &cost_parameters![PERIOD, FROM, TO, AGAINST, AGAINST_FROM, AGAINST_TO, BY],
    run: |engine, given| Box::pin(run(engine, given)),
};

/// Rows unless `limit` says otherwise.
const ROWS: usize = 20;

/// How one combination of values moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct MoverRow {
    #[serde(flatten)]
    key: BTreeMap<&'static str, String>,
    state: &'static str,
    billed_cost_before: Exact,
    billed_cost: Exact,
    change: Exact,
    change_share: Option<Exact>,
    usage_change: Exact,
    price_change: Exact,
    reduction_change: Exact,
}

#[derive(Serialize)]
struct Summary {
    before_from: NaiveDate,
    before_to: NaiveDate,
    billed_cost_before: Exact,
    billed_cost: Exact,
    change: Exact,
    usage_change: Exact,
    price_change: Exact,
    reduction_change: Exact,
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let by = given.dimensions(&[Dimension::Provider, Dimension::Service, Dimension::Resource, Dimension::Sku])?;
    let selection = given.selection_by(engine, &by).await?;
    let mut columns = key_columns(&by);
    columns.extend([
        column("state", ColumnKind::Text, "`new`, `gone` or `changed`"),
        column("billed_cost_before", ColumnKind::Amount, "billed in the time before"),
        column("billed_cost", ColumnKind::Amount, "billed in the time itself"),
        column("change", ColumnKind::Amount, "the difference, which the next three sum to"),
        column(
            "change_share",
            ColumnKind::Share,
            "the difference as a part of what was billed before; null when that is 0",
        ),
        column("usage_change", ColumnKind::Amount, "what more or less usage did, at the list price of before"),
        column("price_change", ColumnKind::Amount, "what other list prices did, tiers included"),
        column("reduction_change", ColumnKind::Amount, "what allowances, discounts and commitments did"),
    ]);
    let expected = "either `against` or `against_from` and `against_to`, not both";
    let against = given.month_or_range(["against", "against_from", "against_to"], expected)?;
    let Some(days) = selection.days else { return Ok(Body::without_rows(None, columns)) };
    let days_before = against.unwrap_or_else(|| days.before());
    let session = engine.session().await?;
    let before = Costs::of(engine, &session, &selection, days_before).await?;
    let after = Costs::of(engine, &session, &selection, days).await?;
    let currency = before.currency_of_both(&after)?;
    let rows = rows(&before, &after, &by);
    let sum = |amount: fn(&MoverRow) -> &Exact| rows.iter().map(amount).sum::<Exact>();
    let summary = Summary {
        before_from: days_before.from,
        before_to: days_before.to,
        billed_cost_before: sum(|row| &row.billed_cost_before),
        billed_cost: sum(|row| &row.billed_cost),
        change: sum(|row| &row.change),
        usage_change: sum(|row| &row.usage_change),
        price_change: sum(|row| &row.price_change),
        reduction_change: sum(|row| &row.reduction_change),
    };
    let rows = limited(rows, selection.limit.or(Some(ROWS)));
    Ok(Body::new(days, columns, &rows).in_currency(currency).with_summary(&summary))
}

/// A SKU's usage and cost in one of the two times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Side {
    quantity: Exact,
    list: Exact,
    billed: Exact,
    /// Whether there was any.
    present: bool,
}

/// What the change of one SKU is made of.
#[derive(Debug, PartialEq, Eq)]
struct Effects {
    usage: Exact,
    price: Exact,
    reduction: Exact,
}

impl Effects {
    fn of(before: &Side, after: &Side) -> Self {
        let list_change = &after.list - &before.list;
        let usage = match before.list.checked_div(&before.quantity) {
            Some(list_price) if after.quantity.is_positive() => (&after.quantity - &before.quantity) * list_price,
            // New or gone: there is no other price. What is no usage at all, a fee, has another price.
            _ if before.quantity != after.quantity => list_change.clone(),
            _ => Exact::zero(),
        };
        let reduction = (&after.billed - &after.list) - (&before.billed - &before.list);
        Self { price: list_change - &usage, usage, reduction }
    }
}

/// Every combination of values whose cost differs, the biggest difference first.
fn rows(before: &Costs, after: &Costs, by: &[Dimension]) -> Vec<MoverRow> {
    let mut sides: BTreeMap<Vec<String>, BTreeMap<String, [Side; 2]>> = BTreeMap::new();
    for (place, costs) in [before, after].into_iter().enumerate() {
        for part in costs.parts() {
            let of_sku = sides.entry(part.key(by)).or_default();
            let side = &mut of_sku.entry(part.charge.sku.clone()).or_default()[place];
            side.quantity += part.consumed_quantity.unwrap_or(&Exact::zero());
            side.list += part.list_cost;
            side.billed += part.billed_cost;
            side.present = true;
        }
    }
    let mut rows: Vec<MoverRow> = sides.iter().map(|(key, of_sku)| mover(by, key, of_sku)).collect();
    rows.retain(|row| [&row.change, &row.usage_change, &row.price_change].iter().any(|change| !change.is_zero()));
    rows.sort_by_cached_key(|row| (Reverse(row.change.abs()), Reverse(row.usage_change.abs()), row.key.clone()));
    rows
}

fn mover(by: &[Dimension], key: &[String], of_sku: &BTreeMap<String, [Side; 2]>) -> MoverRow {
    let billed = |place: usize| of_sku.values().map(|sides| &sides[place].billed).sum::<Exact>();
    let present = |place: usize| of_sku.values().any(|sides| sides[place].present);
    let (billed_cost_before, billed_cost) = (billed(0), billed(1));
    let change = &billed_cost - &billed_cost_before;
    let mut row = MoverRow {
        key: key_of(by, key),
        state: match (present(0), present(1)) {
            (false, _) => "new",
            (_, false) => "gone",
            _ => "changed",
        },
        change_share: change.checked_div(&billed_cost_before),
        billed_cost_before,
        billed_cost,
        change,
        usage_change: Exact::zero(),
        price_change: Exact::zero(),
        reduction_change: Exact::zero(),
    };
    for [before, after] in of_sku.values() {
        let effects = Effects::of(before, after);
        row.usage_change += effects.usage;
        row.price_change += effects.price;
        row.reduction_change += effects.reduction;
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Usage, selection};

    fn side(quantity: i64, list: i64, billed: i64) -> Side {
        Side { quantity: quantity.into(), list: list.into(), billed: billed.into(), present: true }
    }

    #[test]
    fn effects_are_those_worked_by_hand() {
        let effects = |before, after| {
            let Effects { usage, price, reduction } = Effects::of(&before, &after);
            [usage, price, reduction].map(|effect| effect.to_string())
        };
        // 10 units at 2 become 15 at 3; 5 and 8 of it were free.
        assert_eq!(effects(side(10, 20, 15), side(15, 45, 37)), ["10", "15", "-3"]);
        assert_eq!(effects(Side::default(), side(3, 9, 8)), ["9", "0", "-1"]);
        assert_eq!(effects(side(3, 9, 8), Side::default()), ["-9", "0", "1"]);
        // A fee is no usage.
        assert_eq!(effects(side(0, 4, 4), side(0, 6, 5)), ["0", "2", "-1"]);
    }

    #[tokio::test]
    async fn effects_sum_to_the_change_and_rows_to_the_change_of_the_bill() {
        let (october, september) = (selection("2026-10"), selection("2026-09"));
        let mut usage = Usage::random(21, 150);
        usage.extend(Usage::random_in(22, 90, "2026-09"));
        let (before, after) = (usage.rated("2026-09").await, usage.rated("2026-10").await);
        let total = |usage: &crate::bill::RatedUsage| -> Exact {
            usage.rated.charges.iter().map(|charge| &charge.billed_cost).sum()
        };
        let change = total(&after) - total(&before);
        let before = Costs::of_months(vec![before], &september, september.days.unwrap());
        let after = Costs::of_months(vec![after], &october, october.days.unwrap());
        for by in [vec![Dimension::Service], vec![Dimension::Resource, Dimension::Sku], vec![Dimension::Account]] {
            let rows = rows(&before, &after, &by);
            assert_eq!(rows.iter().map(|row| &row.change).sum::<Exact>(), change, "{by:?}");
            for row in rows {
                assert_eq!(&row.usage_change + &row.price_change + &row.reduction_change, row.change, "{row:?}");
            }
        }
    }
}
