//! `unit-economics`: what one of something costs, by resource or service.

use std::collections::BTreeMap;

use paygrain_ingest::table::Table;
use paygrain_pricing::{Catalogue, Exact, Unit};
use serde::Serialize;

use super::costs::{Cost, Costs, Part};
use super::parameters::{FROM, Given, PERIOD, Parameter, TO, cost_parameters};
use super::source::{Records, Resource};
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::engine::Engine;
use crate::error::QueryError;

const BY: Parameter = Parameter { name: "by", meaning: "`resource` (the default) or `service`" };

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "unit-economics",
    meaning: "what a million invocations or requests, a GB-second, a GB cost, by resource or service",
    method: "The basis `invocations` or `requests` sets the whole cost of the resource against its records, per million. Any other basis is a SKU: its cost against its quantity, in the unit its price is published for, free quantities included. Every quotient is exact.",
    estimate: false,
    parameters: &cost_parameters![PERIOD, FROM, TO, BY],
    run: |engine, given| Box::pin(run(engine, given)),
};

/// What counted records are put to.
const MILLION: i128 = 1_000_000;

/// What one unit costs a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct UnitRow {
    #[serde(flatten)]
    resource: Resource,
    basis: String,
    unit: String,
    quantity: Exact,
    list_cost: Exact,
    billed_cost: Exact,
    list_cost_per_unit: Option<Exact>,
    billed_cost_per_unit: Option<Exact>,
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let by_service = match given.text("by") {
        None | Some("resource") => false,
        Some("service") => true,
        Some(other) => {
            let known = vec!["resource", "service"];
            return Err(QueryError::NoSuchChoice { what: "grouping", name: other.to_owned(), known });
        }
    };
    let selection = given.selection(engine).await?;
    let mut columns = Resource::columns();
    columns.extend([
        column("basis", ColumnKind::Text, "`invocations`, `requests`, or the SKU"),
        column("unit", ColumnKind::Text, "what the cost per unit is for"),
        column("quantity", ColumnKind::Quantity, "how many of the unit"),
        column("list_cost", ColumnKind::Amount, "cost of the basis before allowances and discounts"),
        column("billed_cost", ColumnKind::Amount, "what is billed for it"),
        column("list_cost_per_unit", ColumnKind::Amount, "the first cost per unit; null without quantity"),
        column("billed_cost_per_unit", ColumnKind::Amount, "the billed cost per unit; null without quantity"),
    ]);
    let Some(days) = selection.days else { return Ok(Body::without_rows(None, columns)) };
    let session = engine.session().await?;
    let costs = Costs::of(engine, &session, &selection, days).await?;
    let currency = costs.currency()?;
    let mut counts = Vec::new();
    for table in [Table::Invocations, Table::Requests] {
        let records = Records::of(table, engine.catalogue(), &selection, days)?;
        counts.push((table.name(), records.counts(&session).await?));
    }
    let key = |resource: Resource| match by_service {
        true => Resource { provider: resource.provider, service: resource.service, ..Resource::default() },
        false => resource,
    };
    let rows = limited(rows(engine.catalogue(), costs.parts(), counts, key), selection.limit);
    Ok(Body::new(days, columns, &rows).in_currency(currency))
}

/// By resource, the most expensive first; counted records before SKUs.
fn rows<'a>(
    catalogue: &Catalogue,
    parts: impl Iterator<Item = Part<'a>>,
    counts: Vec<(&'static str, BTreeMap<Resource, u64>)>,
    key: impl Fn(Resource) -> Resource,
) -> Vec<UnitRow> {
    let mut whole: BTreeMap<Resource, Cost> = BTreeMap::new();
    let mut of_sku: BTreeMap<(Resource, String, String), (Exact, Cost)> = BTreeMap::new();
    for part in parts {
        let Some(((row, quantity), resource)) = part.row.zip(part.consumed_quantity).zip(part.resource()) else {
            continue;
        };
        let resource = key(resource);
        whole.entry(resource.clone()).or_default().add(&part);
        let sku = catalogue.sku(row.sku);
        let month_us = sku.month_us(part.charge.period);
        let per = Unit::parse(&part.charge.published_per).ok().and_then(|unit| unit.factor(&sku.unit, month_us).ok());
        let (unit, quantity) = match per.and_then(|per| quantity.checked_div(&per)) {
            Some(quantity) => (part.charge.published_per.clone(), quantity),
            None => (part.charge.consumed_unit.clone(), quantity.clone()),
        };
        let (sum, cost) = of_sku.entry((resource, part.charge.sku.clone(), unit)).or_default();
        *sum += quantity;
        cost.add(&part);
    }
    let mut rows = Vec::new();
    for (table, counts) in counts {
        let mut by_key: BTreeMap<Resource, u64> = BTreeMap::new();
        counts.into_iter().for_each(|(resource, count)| *by_key.entry(key(resource)).or_default() += count);
        let unit = format!("{MILLION} {}", table.trim_end_matches('s'));
        for (resource, count) in by_key {
            let cost = whole.get(&resource).cloned().unwrap_or_default();
            let quantity = Exact::ratio(count.into(), MILLION).unwrap_or_default();
            rows.push(row(resource, table.to_owned(), unit.clone(), quantity, cost));
        }
    }
    for ((resource, sku, unit), (quantity, cost)) in of_sku {
        rows.push(row(resource, sku, unit, quantity, cost));
    }
    let rank = |row: &UnitRow| whole.get(&row.resource).map(|cost| (cost.billed.clone(), cost.list.clone()));
    // The sort is stable: records stay before SKUs.
    rows.sort_by_cached_key(|row| (std::cmp::Reverse(rank(row)), row.resource.clone()));
    rows
}

fn row(resource: Resource, basis: String, unit: String, quantity: Exact, cost: Cost) -> UnitRow {
    UnitRow {
        resource,
        basis,
        unit: unit.replace('_', ""),
        list_cost_per_unit: cost.list.checked_div(&quantity),
        billed_cost_per_unit: cost.billed.checked_div(&quantity),
        quantity,
        list_cost: cost.list,
        billed_cost: cost.billed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Usage, billed_ms, selection};

    #[tokio::test]
    async fn a_million_invocations_cost_what_is_worked_by_hand() {
        let catalogue = Catalogue::embedded().unwrap();
        let usage = Usage::random(31, 120);
        let selection = selection("2026-10");
        let days = selection.days.unwrap();
        let costs = Costs::of_months(vec![usage.rated("2026-10").await], &selection, days);
        let records = Records::of(Table::Invocations, &catalogue, &selection, days).unwrap();
        let counts = vec![("invocations", records.counts(&usage.session()).await.unwrap())];
        let rows = rows(&catalogue, costs.parts(), counts, |resource| resource);
        for resource in ["f0", "f1", "f2"] {
            for account in ["1", "2"] {
                let own = |row: &&UnitRow| row.resource.resource == resource && row.resource.account == account;
                let of = |basis: &str| rows.iter().filter(own).find(|row| row.basis == basis).unwrap();
                let mut mb_ms = 0;
                let mut count = 0;
                for one in usage.of(&of("invocations").resource) {
                    mb_ms += i128::from(billed_ms(one) * one.memory_mb.unwrap());
                    count += 1;
                }
                // 0.0000166667 a GB-second, 0.20 a million requests.
                let gb_s = Exact::ratio(mb_ms, 1_024_000).unwrap();
                let duration = of("aws.lambda.duration-x86");
                assert_eq!((&duration.quantity, duration.unit.as_str()), (&gb_s, "GiB-s"));
                assert_eq!(duration.billed_cost_per_unit, Some("0.0000166667".parse().unwrap()));
                let requests = of("aws.lambda.requests");
                assert_eq!(requests.unit, "1000000 request");
                assert_eq!(requests.billed_cost_per_unit, Some("0.2".parse().unwrap()));
                let cost =
                    gb_s * "0.0000166667".parse::<Exact>().unwrap() + Exact::ratio(count * 2, 10_000_000).unwrap();
                let expected = cost.checked_div(&Exact::ratio(count, 1_000_000).unwrap());
                assert_eq!(of("invocations").billed_cost_per_unit, expected, "{resource} {account}");
            }
        }
        assert_eq!(rows[0].basis, "invocations");
    }
}
