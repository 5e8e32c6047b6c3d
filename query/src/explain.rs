//! Why a charge is what it is, down to the records behind it.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::prelude::SessionContext;
use paygrain_ingest::table::Table;
use paygrain_pricing::{
    Agreement, BeforeRounding, Breakdown, Catalogue, Charge, Exact, Expression, MeteringRule, Sku, SkuIndex, TierLine,
};
use serde::Serialize;

use crate::activity::ActivityRecords;
use crate::bill::{BillRequest, RatedUsage, RowShare};
use crate::error::QueryError;
use crate::metering::{columns_of_rules, condition, literal, pricing_table, rows_with_every_column, timestamp, within};
use crate::sql::SqlAnswer;

/// Everything behind one charge.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The charge itself: SKU, price book, tier, allowance, meter.
    pub charge: Charge,
    /// The arithmetic in words, a step a line.
    pub steps: Vec<String>,
    /// The quantity before per-record rounding, of all tiers together; absent where no rule rounds.
    pub before_rounding: Option<BeforeRounding>,
    /// Every tier of the price and what fell in it.
    pub tiers: Vec<TierLine>,
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
        let shares = usage.shares_of(charge, request.attribution);
        let resource = |share: &RowShare| usage.scope(&usage.rows[share.row]).resource.clone().unwrap_or_default();
        let mut by_resource = sum_shares(&shares, resource);
        by_resource.sort_by(|a, b| (&b.list_cost, &a.name).cmp(&(&a.list_cost, &b.name)));
        let by_day = sum_shares(&shares, |share| usage.rows[share.row].day.to_string());
        let charges = &usage.rated.charges;
        let sku = shares.first().map(|share| usage.rows[share.row].sku);
        let metered =
            sku.and_then(|sku| MeteredRecords::of(catalogue, sku, &charges[charge], &request.rating.agreement));
        let (mut records, before) = match metered {
            Some(metered) => (metered.page(session, offset, limit).await?, metered.before_rounding(session).await?),
            None => (Records { columns: Vec::new(), rows: Vec::new(), offset, total: 0 }, None),
        };
        let Breakdown { mut steps, before_rounding, tiers } = Breakdown::of(catalogue, charges, charge, before);
        // Time of instances: what is behind it are the records of the requests they served.
        let is_metered = |sku: &SkuIndex| catalogue.sku(*sku).table == paygrain_pricing::Table::Metered;
        if let Some(index) = sku.filter(|sku| records.total == 0 && is_metered(sku)) {
            let (charge, sku, book) = (&charges[charge], catalogue.sku(index), catalogue.book_of(index));
            let bounds = (sku.zone.start_us(charge.period), sku.zone.end_us(charge.period));
            let scope = scope_conditions(sku, charge, &request.rating.agreement);
            let served = ActivityRecords::of(session, book, sku, bounds, &scope).await?;
            if !served.is_empty() {
                records = ActivityRecords::page(session, &served, offset, limit).await?;
                steps.splice(1..1, served.iter().map(ActivityRecords::words));
            }
        }
        Ok(Self { charge: charges[charge].clone(), steps, before_rounding, tiers, by_resource, by_day, records })
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

/// The records a charge's SKU meters in its scope, and the rules that meter them.
struct MeteredRecords<'a> {
    table: Table,
    /// First instant and end of the period in the provider's zone, UTC microseconds.
    bounds: (i64, i64),
    charge: &'a Charge,
    rules: Vec<MeteringRule<'a>>,
    /// What follows `FROM`.
    from: String,
}

impl<'a> MeteredRecords<'a> {
    /// Nothing where the SKU's rows are not in a table of the lake.
    fn of(catalogue: &'a Catalogue, sku: SkuIndex, charge: &'a Charge, agreement: &Agreement) -> Option<Self> {
        let table = Table::USAGE.into_iter().find(|table| pricing_table(*table) == catalogue.sku(sku).table)?;
        let mut rules = catalogue.metering(pricing_table(table), charge.period);
        rules.retain(|rule| rule.sku == sku);
        let zone = catalogue.sku(sku).zone;
        let bounds = (zone.start_us(charge.period), zone.end_us(charge.period));
        let inside = match table {
            Table::Storage | Table::Metered => format!(
                "{time} < {} AND CAST({time} AS BIGINT) + coalesce(held_us, 1) > {}",
                timestamp(bounds.1),
                bounds.0,
                time = table.time_column(),
            ),
            _ => within(table, bounds),
        };
        let mut conditions = vec![inside, format!("provider = {}", literal(&charge.provider))];
        let services: BTreeSet<String> =
            rules.iter().flat_map(|rule| rule.services).map(|service| literal(service)).collect();
        conditions.push(format!("service IN ({})", services.into_iter().collect::<Vec<_>>().join(", ")));
        conditions.extend(scope_conditions(catalogue.sku(sku), charge, agreement));
        // A row that began before the rule is cut where the rule begins.
        let cases: Vec<_> = match table {
            Table::Storage | Table::Metered => {
                rules.iter().map(|rule| rule.filter.map_or_else(|| "true".to_owned(), Expression::to_sql)).collect()
            }
            _ => rules.iter().map(|rule| condition(rule, table, bounds)).collect(),
        };
        conditions.push(format!("({})", cases.join(" OR ")));
        let named: Vec<&MeteringRule<'_>> = rules.iter().collect();
        let from =
            format!("{} WHERE {}", rows_with_every_column(table, columns_of_rules(&named)), conditions.join(" AND "));
        Some(Self { table, bounds, charge, rules, from })
    }

    /// A page of the records, in time order.
    async fn page(&self, session: &SessionContext, offset: u64, limit: u64) -> Result<Records, QueryError> {
        let (table, from) = (self.table, &self.from);
        let time = table.time_column();
        let metered: String = self
            .rules
            .iter()
            .map(|rule| format!(" WHEN {} THEN {}", condition(rule, table, self.bounds), rule.quantity.to_sql()))
            .collect();
        let schema = table.schema();
        let read: BTreeSet<&str> = self
            .rules
            .iter()
            .flat_map(|rule| rule.quantity.columns())
            .map(|column| if column == "billed_us" { "billed_ms" } else { column })
            .filter(|column| schema.index_of(column).is_ok())
            .collect();
        let read: Vec<_> = read.into_iter().map(|column| format!("\"{column}\"")).collect();
        let mut columns = vec![time.to_owned(), "resource".into()];
        columns.extend(schema.index_of("request_id").is_ok().then(|| "request_id".to_owned()));
        columns.extend(read);
        // What is held over an interval is cut at hours, and its quantity may be a decimal: no integer says it.
        if !self.is_held() {
            columns.push(format!("CASE{metered} END AS metered_quantity"));
        } else if table == Table::Metered {
            columns.push("unit".to_owned());
        }
        let page = format!(
            "SELECT {} FROM {from} ORDER BY {time}, resource, record_key LIMIT {limit} OFFSET {offset}",
            columns.join(", ")
        );
        let rows = SqlAnswer::of(session, &page).await?;
        let total = SqlAnswer::of(session, &format!("SELECT count(*) FROM {from}")).await?.text_rows()?;
        let total = total.first().and_then(|row| row.first()?.as_ref()?.parse().ok()).unwrap_or(0);
        Ok(Records { columns: rows.columns.clone(), rows: rows.text_rows()?, offset, total })
    }

    fn is_held(&self) -> bool {
        matches!(self.table, Table::Storage | Table::Metered)
    }

    /// What the quantity would be if no rule rounded, over every tier; nothing where no rule does, or where the
    /// maximum of a level counts.
    async fn before_rounding(&self, session: &SessionContext) -> Result<Option<BeforeRounding>, QueryError> {
        let unrounded: Vec<_> = self.rules.iter().map(|rule| rule.quantity.unrounded()).collect();
        if unrounded.iter().all(Option::is_none) || self.is_held() {
            return Ok(None);
        }
        let sums = self.rules.iter().zip(&unrounded).map(|(rule, unrounded)| {
            let condition = condition(rule, self.table, self.bounds);
            let value = unrounded.as_ref().map_or_else(|| rule.quantity.to_sql(), |rule| rule.numerator_sql());
            let reported = match unrounded.as_ref().is_some_and(|rule| rule.prefers_reported()) {
                true => format!("count(CASE WHEN {condition} AND billed_ms IS NOT NULL THEN 1 END)"),
                false => "0".to_owned(),
            };
            format!("sum(arrow_cast(CASE WHEN {condition} THEN {value} END, 'Decimal256(76, 0)')), {reported}")
        });
        let sql = format!("SELECT {} FROM {}", sums.collect::<Vec<_>>().join(", "), self.from);
        let rows = SqlAnswer::of(session, &sql).await?.text_rows()?;
        let mut before = BeforeRounding::default();
        for ((rule, unrounded), cells) in
            self.rules.iter().zip(&unrounded).zip(rows.iter().flat_map(|row| row.chunks(2)))
        {
            let number = |cell: usize| cells.get(cell).and_then(Option::as_deref).unwrap_or("0");
            let overflow = || QueryError::Overflow { sku: self.charge.sku.clone() };
            let sum = Exact::parse(number(0)).map_err(|_| overflow())?;
            let sum = unrounded.as_ref().map_or(Some(sum.clone()), |rule| sum.checked_div(rule.divisor()));
            before.quantity += sum.unwrap_or_default() * &rule.factor;
            before.reported_count += number(1).parse::<u64>().map_err(|_| overflow())?;
        }
        Ok(Some(before))
    }
}

/// The rows of a charge's scope, as SQL conditions.
fn scope_conditions(sku: &Sku, charge: &Charge, agreement: &Agreement) -> Vec<String> {
    let condition = |column: &String| {
        if column == "organisation" {
            return of_organisation(agreement, charge.scope.organisation.as_deref());
        }
        let value = charge.scope.get(column).map(literal);
        value.map_or(format!("{column} IS NULL"), |value| format!("{column} = {value}"))
    };
    sku.scope.iter().map(condition).collect()
}

/// The rows of an organisation's accounts, as SQL; without a name those of all accounts that no organisation has.
fn of_organisation(agreement: &Agreement, name: Option<&str>) -> String {
    let list = |accounts: &mut dyn Iterator<Item = &String>| {
        accounts.map(|account| literal(account)).collect::<Vec<_>>().join(", ")
    };
    match name.and_then(|name| agreement.organisations.get(name)) {
        Some(accounts) => format!("account IN ({})", list(&mut accounts.iter())),
        None if agreement.organisations.is_empty() => "true".to_owned(),
        None => {
            format!("(account IS NULL OR account NOT IN ({}))", list(&mut agreement.organisations.values().flatten()))
        }
    }
}
