//! What `/explore` shows of what the engine found: chart, groups with their differences, charges, records.

use paygrain_pricing::{Catalogue, Exact, Period};
use paygrain_query::{Band, Dimension, Exploration, ExploredCharge, ExploredGroup, RecordsOf, Step};

use crate::address::url;
use crate::app::App;
use crate::chart::stacked_columns::{ColumnInput, SeriesInput, StackedColumns};
use crate::cost_kind::CostKind;
use crate::day_range::days_text;
use crate::difference::Difference;
use crate::error::AppError;
use crate::explore_query::ExploreQuery;
use crate::filters::encode;
use crate::pages::{Window, rows_of};
use crate::params::Params;
use crate::sorting::Sort;
use crate::{names, number};

/// Groups on one page.
const GROUPS: u64 = 50;
/// Records that a prepared query lists.
pub const RECORDS: u64 = 200;
/// Columns the groups can be sorted by.
const COLUMNS: [&str; 4] = ["cost", "before", "change", "name"];

/// A group of the table.
pub struct GroupRow {
    /// What people call it.
    pub name: String,
    /// The groups within it.
    pub href: String,
    /// The page of the resource, where it is one.
    pub resource: Option<String>,
    /// Part of the whole.
    pub share: Option<String>,
    /// Its cost.
    pub cost: Exact,
    /// Its cost in the time before.
    pub before: Option<Exact>,
    /// The difference.
    pub difference: Option<Difference>,
}

/// A charge with where it is explained.
pub struct ChargeRow {
    /// The charge.
    pub charge: ExploredCharge,
    /// What people call its service.
    pub service: String,
    /// Its explanation.
    pub href: String,
}

/// A query for records.
pub struct RecordsLink {
    /// The table.
    pub table: &'static str,
    /// The query, on the page for SQL.
    pub href: String,
}

impl RecordsLink {
    /// For records.
    pub fn new(records: &RecordsOf) -> Self {
        Self { table: records.table, href: sql_href(&records.sql(RECORDS)) }
    }
}

/// Where a query is run.
pub fn sql_href(query: &str) -> String {
    format!("/sql?query={}", encode(query))
}

/// Everything there is to see.
pub struct ExploreView {
    /// The days in words.
    pub days: String,
    /// The time before in words.
    pub before: String,
    /// Which cost is shown.
    pub kind: CostKind,
    /// Currency of every amount.
    pub currency: String,
    /// The cost that is shown.
    pub total: Exact,
    /// The other of the two.
    pub other_total: Exact,
    /// What allowances and discounts take off.
    pub saved: Exact,
    /// Whose cost it is.
    pub providers: Vec<String>,
    /// The difference of the first to the time before.
    pub difference: Option<Difference>,
    /// The group whose cost changed most, with its place in the whole list.
    pub largest_change: Option<GroupRow>,
    /// How many groups have cost now.
    pub group_count: u64,
    /// The chart; nothing where nothing was spent.
    pub chart: Option<StackedColumns>,
    /// What a column is.
    pub step: Step,
    /// The groups on this page.
    pub groups: Vec<GroupRow>,
    /// Which of them these are.
    pub window: Window,
    /// How they are sorted.
    pub sort: Sort,
    /// Whether the days are of several months.
    pub has_months: bool,
    /// Charges behind the cost.
    pub charges: Vec<ChargeRow>,
    /// How many there are.
    pub charge_count: u64,
    /// Where the records are.
    pub records: Vec<RecordsLink>,
    /// Records of the months without a price.
    pub unpriced_count: u64,
}

impl ExploreView {
    /// Of what the engine found.
    ///
    /// # Errors
    /// A column to sort by that there is not, or an offset that is no number.
    pub fn new(found: Exploration, query: &ExploreQuery, params: &Params, app: &App) -> Result<Self, AppError> {
        let catalogue = app.engine().catalogue();
        let kind = CostKind::of(query.cost, &found.cost.billed, &found.cost.list);
        let total = kind.pick(&found.cost).clone();
        let sort = Sort::read(params, &COLUMNS)?;
        let name = |value: &str| name_of(query.by, value, &found.providers, catalogue);
        let row = |group: &ExploredGroup| row(group, query, kind, &total, &name);
        let largest_change = largest_change(&found.groups, kind).map(row);
        let offset = params.number("offset")?.unwrap_or(0);
        let window = Window {
            offset,
            limit: GROUPS,
            total: found.groups.len() as u64,
            url: format!("{}offset=", joined(&query.address.without("offset"))),
        };
        let mut groups: Vec<&ExploredGroup> = found.groups.iter().collect();
        let before = |group: &ExploredGroup| group.before.as_ref().map(|before| kind.pick(before).clone());
        match sort.column {
            "name" => sort.apply(&mut groups, true, |group| {
                let name = name(&group.value);
                (name.to_lowercase(), name)
            }),
            "before" => sort.apply(&mut groups, false, |group| before(group)),
            // What changed most, in either direction.
            "change" => sort.apply(&mut groups, false, |group| {
                before(group).map(|before| (kind.pick(&group.cost) - &before).abs())
            }),
            _ => sort.apply(&mut groups, false, |group| (kind.pick(&group.cost).clone(), before(group))),
        }
        let groups = rows_of(groups, offset, GROUPS).map(row).collect();
        let charges = found.charges.iter().map(|charge| charge_row(charge, params, catalogue)).collect();
        Ok(Self {
            days: days_text(found.days),
            before: days_text(found.days_before),
            kind,
            saved: &found.cost.list - &found.cost.billed,
            other_total: kind.other().pick(&found.cost).clone(),
            difference: found.cost_before.as_ref().map(|before| Difference::new(&total, kind.pick(before))),
            largest_change,
            group_count: found.groups.iter().filter(|group| group.cost != Default::default()).count() as u64,
            chart: chart(&found, query, kind, catalogue),
            step: found.step,
            has_months: found.days.months().len() > 1,
            groups,
            window,
            sort,
            charges,
            charge_count: found.charge_count as u64,
            records: found.records.iter().map(RecordsLink::new).collect(),
            unpriced_count: found.unpriced_count,
            providers: found.providers,
            currency: found.currency,
            total,
        })
    }
}

/// A URL that more can be said in.
pub fn joined(url: &str) -> String {
    format!("{url}{}", if url.contains('?') { '&' } else { '?' })
}

fn row(
    group: &ExploredGroup,
    query: &ExploreQuery,
    kind: CostKind,
    total: &Exact,
    name: &impl Fn(&str) -> String,
) -> GroupRow {
    let cost = kind.pick(&group.cost).clone();
    let before = group.before.as_ref().map(|before| kind.pick(before).clone());
    let is_resource = query.by == Dimension::Resource && !group.value.is_empty();
    GroupRow {
        name: name(&group.value),
        href: query.inside(&group.value),
        resource: is_resource.then(|| resource_href(query, &group.value)),
        share: number::percent(&cost, total),
        difference: before.as_ref().map(|before| Difference::new(&cost, before)),
        cost,
        before,
    }
}

/// The page of a resource, over the same days and in the same account, region, ….
fn resource_href(query: &ExploreQuery, name: &str) -> String {
    let days = query.parameters.iter().filter(|(name, _)| matches!(name.as_str(), "period" | "from" | "to"));
    let days = days.map(|(name, value)| (name.as_str(), value.as_str()));
    let alone = |(dimension, value): &(&str, &str)| {
        matches!(*dimension, "provider" | "account" | "region")
            && !value.is_empty()
            && query.filters().filter(|(other, _)| other == dimension).count() == 1
    };
    url(&format!("/resources/{}", encode(name)), days.chain(query.filters().filter(alone)))
}

/// What people call a value of a dimension, of usage of these providers.
pub fn name_of(by: Dimension, value: &str, providers: &[String], catalogue: &Catalogue) -> String {
    match (by, providers) {
        _ if value.is_empty() => "(not stated)".to_owned(),
        (Dimension::Service, [provider]) => names::service(catalogue, provider, value),
        (Dimension::Service, _) => names::service_alone(catalogue, value),
        (Dimension::Memory, _) => format!("{value} MB"),
        (Dimension::ColdStart, _) if value == "true" => "cold".to_owned(),
        (Dimension::ColdStart, _) => "warm".to_owned(),
        _ => value.to_owned(),
    }
}

fn largest_change(groups: &[ExploredGroup], kind: CostKind) -> Option<&ExploredGroup> {
    let change = |group: &ExploredGroup| Some((kind.pick(&group.cost) - kind.pick(group.before.as_ref()?)).abs());
    let largest = groups
        .iter()
        .filter_map(|group| Some((change(group)?, group)))
        .reduce(|most, next| if next.0 > most.0 { next } else { most });
    largest.filter(|(amount, _)| !amount.is_zero()).map(|(_, group)| group)
}

fn charge_row(charge: &ExploredCharge, params: &Params, catalogue: &Catalogue) -> ChargeRow {
    let mut href = format!("/explain?charge={}", encode(&charge.id));
    for name in ["account_opened", "attribution"] {
        if let Some(value) = params.get(name) {
            href += &format!("&{name}={}", encode(value));
        }
    }
    // Reports say `all` and `none` where bills say `true` and `false`.
    href += &match params.get("allowances") {
        None | Some("all" | "true") => String::new(),
        Some("none" | "false") => "&allowances=false".to_owned(),
        Some(ids) => format!("&allowances={}", encode(ids)),
    };
    ChargeRow { service: names::service(catalogue, &charge.provider, &charge.service), href, charge: charge.clone() }
}

fn chart(found: &Exploration, query: &ExploreQuery, kind: CostKind, catalogue: &Catalogue) -> Option<StackedColumns> {
    let columns = found.columns.iter().map(|column| {
        let href = match found.step {
            Step::Hour => {
                let sql = found.records.first().and_then(|records| records.sql_of_hour(column, RECORDS));
                sql.map_or_else(|| "#groups".to_owned(), |sql| sql_href(&sql))
            }
            Step::Day => query.on_days(column, column),
            Step::Month => {
                let days = column
                    .parse::<Period>()
                    .map(|month| (month.first_day().max(found.days.from), month.last_day().min(found.days.to)));
                days.map_or_else(
                    |_| "#groups".to_owned(),
                    |(from, to)| {
                        query.address.changed(
                            &["period", "from", "to", "range", "step", "offset"],
                            &[("from", &from.to_string()), ("to", &to.to_string())],
                        )
                    },
                )
            }
        };
        column_input(found.step, column, href)
    });
    bands_chart(
        columns.collect(),
        &found.bands,
        kind,
        &found.currency,
        |value| name_of(query.by, value, &found.providers, catalogue),
        |value| query.inside(value),
    )
}

/// A column of some step.
pub fn column_input(step: Step, column: &str, href: String) -> ColumnInput {
    let hour = |pattern: &str| {
        let time = chrono::DateTime::parse_from_str(&column.replace('Z', "+0000"), "%Y-%m-%dT%H:%M%z");
        time.map_or_else(|_| column.to_owned(), |time| time.format(pattern).to_string())
    };
    let day = |text: &str, pattern: &str| {
        let day: Result<chrono::NaiveDate, _> = text.parse();
        day.map_or_else(|_| text.to_owned(), |day| day.format(pattern).to_string())
    };
    let (name, label) = match step {
        Step::Hour => (hour("%b %-d, %H:%M UTC"), hour("%H:%M")),
        Step::Day => (day(column, "%b %-d, %Y"), day(column, "%b %-d")),
        Step::Month => {
            let first = format!("{column}-01");
            (day(&first, "%B %Y"), day(&first, "%b %Y"))
        }
    };
    ColumnInput { name, label, href }
}

/// A chart of bands, the most expensive at the bottom and the rest on top.
pub fn bands_chart(
    columns: Vec<ColumnInput>,
    bands: &[Band],
    kind: CostKind,
    currency: &str,
    name: impl Fn(&str) -> String,
    href: impl Fn(&str) -> String,
) -> Option<StackedColumns> {
    let values: Vec<Vec<Exact>> =
        bands.iter().map(|band| band.costs.iter().map(|cost| kind.pick(cost).clone()).collect()).collect();
    let titles: Vec<String> = bands
        .iter()
        .map(|band| match &band.value {
            Some(value) => name(value),
            None => format!("Other ({})", number::count(band.group_count as u64)),
        })
        .collect();
    let series: Vec<SeriesInput<'_>> = bands
        .iter()
        .zip(&values)
        .zip(&titles)
        .enumerate()
        .map(|(colour, ((band, values), title))| SeriesInput {
            name: title,
            values,
            total: kind.pick(&band.cost),
            href: band.value.as_deref().map_or_else(|| "#groups".to_owned(), &href),
            colour,
            is_other: band.value.is_none(),
        })
        .filter(|series| !series.total.is_zero())
        .collect();
    StackedColumns::new(columns, &series, currency)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_by_their_step() {
        for (step, column, name, label) in [
            (Step::Hour, "2026-10-31T23:00Z", "Oct 31, 23:00 UTC", "23:00"),
            (Step::Day, "2026-10-31", "Oct 31, 2026", "Oct 31"),
            (Step::Month, "2026-10", "October 2026", "Oct 2026"),
        ] {
            let input = column_input(step, column, String::new());
            assert_eq!((input.name.as_str(), input.label.as_str()), (name, label));
        }
    }
}
