//! Why a charge is what it is, down to the records behind it.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::prelude::SessionContext;
use paygrain_ingest::table::Table;
use paygrain_pricing::{Catalogue, Charge, Exact, SkuIndex, grouped};
use serde::Serialize;

use crate::bill::{BillRequest, RatedUsage, RowShare};
use crate::error::QueryError;
use crate::metering::{condition, literal, pricing_table, rows_with_every_column, within};
use crate::sql::SqlAnswer;

/// Everything behind one charge.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The charge itself: SKU, price book, tier, allowance, meter.
    pub charge: Charge,
    /// The arithmetic in words, a step a line.
    pub steps: Vec<String>,
    /// Shares by resource, largest first; they sum to the charge.
    pub by_resource: Vec<Share>,
    /// Shares by UTC day, in time order; they sum to the charge.
    pub by_day: Vec<Share>,
    /// A page of the usage records, in time order.
    pub records: Records,
}

/// A part of a charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Resource name or day.
    pub name: String,
    /// Consumed quantity, in the charge's consumed unit.
    pub consumed_quantity: Exact,
    /// How much of it an allowance covered.
    pub free_quantity: Exact,
    /// Cost before allowances.
    pub list_cost: Exact,
    /// What is billed.
    pub billed_cost: Exact,
}

/// A page of usage records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Records {
    /// Column names; the last one is the metered quantity in base units.
    pub columns: Vec<String>,
    /// Values as text; `None` is null.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows before this page.
    pub offset: u64,
    /// Rows in all.
    pub total: u64,
}

impl Explanation {
    /// Explains one charge of a rated period.
    pub(crate) async fn of(
        session: &SessionContext,
        catalogue: &Catalogue,
        usage: &RatedUsage,
        charge: usize,
        request: &BillRequest,
        offset: u64,
        limit: u64,
    ) -> Result<Self, QueryError> {
        let shares: Vec<_> =
            usage.shares(request.attribution).into_iter().filter(|share| share.charge == charge).collect();
        let resource = |share: &RowShare| usage.rows[share.row].scope.resource.clone().unwrap_or_default();
        let mut by_resource = sum_shares(&shares, resource);
        by_resource.sort_by(|a, b| (&b.list_cost, &a.name).cmp(&(&a.list_cost, &b.name)));
        let by_day = sum_shares(&shares, |share| usage.rows[share.row].day.to_string());
        let charge = usage.rated.charges[charge].clone();
        let sku = shares.first().map(|share| usage.rows[share.row].sku);
        let records = match sku {
            Some(sku) => records(session, catalogue, sku, &charge, offset, limit).await?,
            None => Records { columns: Vec::new(), rows: Vec::new(), offset, total: 0 },
        };
        Ok(Self { steps: steps(&charge), charge, by_resource, by_day, records })
    }
}

fn sum_shares(shares: &[RowShare], name: impl Fn(&RowShare) -> String) -> Vec<Share> {
    let mut sums: BTreeMap<String, Share> = BTreeMap::new();
    for share in shares {
        let name = name(share);
        let sum = sums.entry(name.clone()).or_insert_with(|| Share {
            name,
            consumed_quantity: Exact::zero(),
            free_quantity: Exact::zero(),
            list_cost: Exact::zero(),
            billed_cost: Exact::zero(),
        });
        sum.consumed_quantity += &share.consumed_quantity;
        sum.free_quantity += &share.free_quantity;
        sum.list_cost += &share.list_cost;
        sum.billed_cost += &share.billed_cost;
    }
    sums.into_values().collect()
}

/// The arithmetic of a charge, a step a line.
fn steps(charge: &Charge) -> Vec<String> {
    let (unit, currency) = (&charge.pricing_unit, &charge.currency);
    let filter = if charge.filter.is_empty() { "every row of the service" } else { &charge.filter };
    let range = match &charge.tier_to {
        Some(end) => format!("from {} to {} {unit}", shown(&charge.tier_from), shown(end)),
        None => format!("from {} {unit} on", shown(&charge.tier_from)),
    };
    let mut steps = vec![
        format!("{} usage records match: {filter}", shown(&Exact::from_integer(charge.record_count.into()))),
        format!(
            "each is metered as {} and the sum is {} {}",
            charge.meter,
            shown(&charge.consumed_quantity),
            charge.consumed_unit
        ),
        format!("of the period's quantity this is tier {}, {range}", charge.tier),
    ];
    for allowance in charge.allowances.iter().filter(|allowance| !allowance.quantity.is_zero()) {
        let quantity = shown(&allowance.quantity);
        steps.push(format!("allowance {} covers {quantity} {}", allowance.id, charge.consumed_unit));
    }
    steps.push(format!(
        "{} {unit} × {} {currency} per {unit} (published as {} per {}) = {} {currency}",
        shown(&charge.pricing_quantity),
        charge.unit_price,
        charge.published_price,
        charge.published_per.replace('_', ","),
        shown(&(&charge.pricing_quantity * &charge.unit_price)),
    ));
    for allowance in charge.allowances.iter().filter(|allowance| !allowance.credit.is_zero()) {
        steps.push(format!("allowance {} takes off {} {currency}", allowance.id, shown(&allowance.credit)));
    }
    if !charge.adjustment.is_zero() {
        let amount = shown(&charge.adjustment);
        steps.push(format!("whole packages, a minimum or volume pricing account for {amount} {currency} of it"));
    }
    let rounded = charge.billed_cost.round_half_up(2);
    steps.push(format!("billed cost {} {currency}, shown as {rounded}", shown(&charge.billed_cost)));
    steps
}

/// An exact number with commas between thousands.
fn shown(number: &Exact) -> String {
    grouped(&number.to_string())
}

/// A page of the records a charge's SKU meters in its scope, in time order.
async fn records(
    session: &SessionContext,
    catalogue: &Catalogue,
    sku: SkuIndex,
    charge: &Charge,
    offset: u64,
    limit: u64,
) -> Result<Records, QueryError> {
    let found = Table::USAGE.into_iter().find(|table| pricing_table(*table) == catalogue.sku(sku).table);
    let Some(table) = found else { return Ok(Records { columns: Vec::new(), rows: Vec::new(), offset, total: 0 }) };
    let rules = catalogue.metering(pricing_table(table), charge.period);
    let rules: Vec<_> = rules.iter().filter(|rule| rule.sku == sku).collect();
    let time = table.time_column();
    let zone = catalogue.sku(sku).zone;
    let bounds = (zone.start_us(charge.period), zone.end_us(charge.period));
    let mut conditions = vec![within(table, bounds), format!("provider = {}", literal(&charge.provider))];
    let services: BTreeSet<String> =
        rules.iter().flat_map(|rule| rule.services).map(|service| literal(service)).collect();
    conditions.push(format!("service IN ({})", services.into_iter().collect::<Vec<_>>().join(", ")));
    for column in &catalogue.sku(sku).scope {
        // The lake knows no organisations: every account is of the same one.
        if column != "organisation" {
            let value = charge.scope.get(column).map(literal);
            conditions.push(value.map_or(format!("{column} IS NULL"), |value| format!("{column} = {value}")));
        }
    }
    let cases: Vec<_> = rules.iter().map(|rule| condition(rule, table, bounds)).collect();
    conditions.push(format!("({})", cases.join(" OR ")));
    let metered: String = rules
        .iter()
        .map(|rule| format!(" WHEN {} THEN {}", condition(rule, table, bounds), rule.quantity.to_sql()))
        .collect();
    let schema = table.schema();
    let read: BTreeSet<&str> = rules
        .iter()
        .flat_map(|rule| rule.quantity.columns())
        .map(|column| if column == "billed_us" { "billed_ms" } else { column })
        .filter(|column| schema.index_of(column).is_ok())
        .collect();
    let read: Vec<_> = read.into_iter().map(|column| format!("\"{column}\"")).collect();
    let mut columns = vec![time.to_owned(), "resource".into(), "request_id".into()];
    columns.extend(read);
    columns.push(format!("CASE{metered} END AS metered_quantity"));
    let from = format!("{} WHERE {}", rows_with_every_column(table, &rules), conditions.join(" AND "));
    let page = format!(
        "SELECT {} FROM {from} ORDER BY {time}, request_id, record_key LIMIT {limit} OFFSET {offset}",
        columns.join(", ")
    );
    let rows = SqlAnswer::of(session, &page).await?;
    let total = SqlAnswer::of(session, &format!("SELECT count(*) FROM {from}")).await?.text_rows()?;
    let total = total.first().and_then(|row| row.first()?.as_ref()?.parse().ok()).unwrap_or(0);
    Ok(Records { columns: rows.columns.clone(), rows: rows.text_rows()?, offset, total })
}
