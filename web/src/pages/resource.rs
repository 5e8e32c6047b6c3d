//! `/resources/{name}`: one resource: what it costs, how long it takes, what memory it uses, how it starts and ends, when.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use paygrain_pricing::Exact;
use paygrain_query::{ResourceDetail, SizeAdvice, Step, WeekHour};
use serde_json::Value;

use super::resources::{place, resource_href};
use crate::address::Address;
use crate::app::App;
use crate::chart::heat_map::{CellInput, HeatMap};
use crate::chart::histogram::{Histogram, HistogramInput};
use crate::chart::stacked_columns::StackedColumns;
use crate::cost_kind::CostKind;
use crate::day_range::{DAY_PARAMETERS, DayControls, day_pairs, days_query, days_text, today};
use crate::difference::Difference;
use crate::error::{AppError, html};
use crate::explore_view::{RECORDS, RecordsLink, bands_chart, column_input, sql_href};
use crate::filters::encode;
use crate::params::{Params, bad};
use crate::{filters, names, number};

/// Parameters besides those that say which days.
const OTHER_PARAMETERS: [&str; 10] = [
    "provider",
    "service",
    "account",
    "region",
    "cost",
    "heat",
    "saving",
    "allowances",
    "account_opened",
    "attribution",
];
/// Parameters that the engine reads as they are.
const PASSED_ON: [&str; 3] = ["allowances", "account_opened", "attribution"];
/// Parameters that say which of several resources of a name.
const WHICH: [&str; 3] = ["provider", "account", "region"];

/// A resource of the name, and the page of it alone.
struct One {
    service: String,
    place: String,
    href: String,
}

/// What less memory would save, where that was asked for.
struct Saving {
    memory_mb: i64,
    proposed_mb: i64,
    amount: Exact,
    list_amount: Exact,
}

#[derive(Template)]
#[template(path = "resource.html")]
struct Page {
    name: String,
    address: Address,
    controls: DayControls,
    /// The names that the page is narrowed to, each with the page without it.
    chips: Vec<(String, String)>,
    hidden: Vec<(String, String)>,
    view: Option<View>,
    back: String,
    days: String,
}

/// What is shown of it.
struct View {
    ones: Vec<One>,
    before: String,
    kind: CostKind,
    currency: String,
    total: Exact,
    other_total: Exact,
    difference: Option<Difference>,
    per_million: Option<Exact>,
    cold_cost: Exact,
    cold_cost_share: Option<String>,
    failed_cost: Exact,
    failed_cost_share: Option<String>,
    chart: Option<StackedColumns>,
    step: Step,
    histogram: Option<Histogram>,
    heat_map: Option<HeatMap>,
    is_heat_of_cost: bool,
    savings: Option<Vec<Saving>>,
    can_save: bool,
    records: Vec<RecordsLink>,
    slowest: Option<String>,
    failed: Option<String>,
    explore: String,
    compare: String,
    what_if: String,
    detail: ResourceDetail,
}

impl Page {
    fn with(&self, name: &str, value: &str) -> String {
        self.address.with(name, value)
    }

    fn is_list(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.kind == CostKind::List)
    }
}

/// What a URL asks of the engine.
fn parameters(params: &Params) -> Result<Vec<(String, String)>, AppError> {
    let known: Vec<&'static str> = DAY_PARAMETERS.into_iter().chain(OTHER_PARAMETERS).collect();
    params.only(&known)?;
    let mut parameters = day_pairs(params, today())?;
    parameters.extend(params.of(&PASSED_ON));
    parameters.extend(params.of(&WHICH).map(|(name, value)| ("filter".to_owned(), format!("{name}={value}"))));
    Ok(parameters)
}

/// `GET /resources/{name}`
pub async fn page(State(app): State<App>, Path(name): Path<String>, params: Params) -> Result<Response, AppError> {
    let asked = parameters(&params)?;
    let address = Address::new(format!("/resources/{}", encode(&name)), &params);
    let periods = app.engine().periods().await?;
    let detail = app.engine().resource(&name, params.get("service"), &asked).await?;
    let days = detail.as_ref().map(|detail| detail.days);
    let view = match detail {
        Some(detail) => Some(View::new(detail, &name, &asked, &address, &params, &app).await?),
        None => None,
    };
    let narrowed = [WHICH.as_slice(), &["service"]].concat();
    let chips = narrowed
        .into_iter()
        .filter_map(|which| Some((format!("{which} = {}", params.get(which)?), address.without(which))));
    let back: String = asked
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "period" | "from" | "to"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&");
    html(&Page {
        controls: DayControls::new(&address, days, &periods),
        chips: chips.collect(),
        hidden: address.besides(&["period", "from", "to", "range"]).cloned().collect(),
        back: if back.is_empty() { "/resources".into() } else { format!("/resources?{back}") },
        days: days.map(days_text).unwrap_or_default(),
        name,
        address,
        view,
    })
}

impl View {
    fn heat_what(&self) -> &'static str {
        if self.is_heat_of_cost { "Cost" } else { "Executions" }
    }

    async fn new(
        detail: ResourceDetail,
        name: &str,
        asked: &[(String, String)],
        address: &Address,
        params: &Params,
        app: &App,
    ) -> Result<Self, AppError> {
        let catalogue = app.engine().catalogue();
        let kind = CostKind::of(CostKind::read(params)?, &detail.cost.billed, &detail.cost.list);
        let total = kind.pick(&detail.cost).clone();
        let executed = &detail.executed;
        let is_heat_of_cost = match params.get("heat") {
            None => executed.count == 0,
            Some("executions") => false,
            Some("cost") => true,
            Some(other) => return Err(bad("heat", other, "`executions` or `cost`")),
        };
        let (cold_cost, failed_cost) = (kind.pick(&detail.cold_cost).clone(), kind.pick(&detail.failed_cost).clone());
        let days = days_query(detail.days);
        let filters: String = WHICH
            .iter()
            .filter_map(|which| Some(format!("&filter={}", encode(&format!("{which}={}", params.get(which)?)))))
            .collect();
        let resource = encode(name);
        let slowest = executed.p99_ms.and_then(|p99_ms| {
            let condition = format!("(duration_us + 999) / 1000 >= {p99_ms}");
            Some(sql_href(&invocations(&detail)?.sql_where(&condition, RECORDS)))
        });
        let failed = (executed.failed_count > 0)
            .then(|| Some(sql_href(&invocations(&detail)?.sql_where("status <> 'success'", RECORDS))))
            .flatten();
        let can_save = detail.sizes.iter().any(|size| size.proposed_mb.is_some());
        let savings = match params.get("saving") {
            Some("true") if can_save => Some(savings(app, name, asked, params).await?),
            None | Some("true") => None,
            Some(other) => return Err(bad("saving", other, "`true`")),
        };
        let ones = detail.resources.iter().map(|one| One {
            service: names::service(catalogue, &one.provider, &one.service),
            place: place(one),
            href: resource_href(one, detail.days).unwrap_or_default(),
        });
        Ok(Self {
            ones: ones.collect(),
            before: days_text(detail.days_before),
            kind,
            other_total: kind.other().pick(&detail.cost).clone(),
            difference: detail.cost_before.as_ref().map(|before| Difference::new(&total, kind.pick(before))),
            per_million: executed.per_million(&total),
            cold_cost_share: number::percent(&cold_cost, &total),
            cold_cost,
            failed_cost_share: number::percent(&failed_cost, &total),
            failed_cost,
            chart: chart(&detail, kind, &days, &resource, &filters),
            step: detail.step,
            histogram: histogram(&detail),
            heat_map: heat_map(&detail, kind, is_heat_of_cost),
            is_heat_of_cost,
            savings,
            can_save,
            records: detail.records.iter().map(RecordsLink::new).collect(),
            slowest,
            failed,
            explore: format!("/explore?{days}&filter=resource%3D{resource}{filters}&by=sku"),
            compare: format!("/compare?{days}&resource={resource}{filters}"),
            what_if: {
                let days = if address.get("range").is_some() { String::new() } else { format!("{days}&") };
                format!("/what-if/memory?{days}resource={resource}{filters}")
            },
            currency: detail.currency.clone(),
            total,
            detail,
        })
    }
}

/// The most memory that was used, in percent of what is configured.
pub fn used(size: &SizeAdvice) -> i64 {
    size.max_used_mb.unwrap_or(0).saturating_mul(100).checked_div(size.memory_mb).unwrap_or(0)
}

fn invocations(detail: &ResourceDetail) -> Option<&paygrain_query::RecordsOf> {
    detail.records.iter().find(|records| records.table == "invocations")
}

fn chart(detail: &ResourceDetail, kind: CostKind, days: &str, resource: &str, filters: &str) -> Option<StackedColumns> {
    let explore = |days: &str| format!("/explore?{days}&filter=resource%3D{resource}{filters}&by=sku");
    let columns = detail.columns.iter().map(|column| {
        let href = match detail.step {
            Step::Month => explore(&format!("period={column}")),
            _ => explore(&format!("from={column}&to={column}")),
        };
        column_input(detail.step, column, href)
    });
    let of_sku = |sku: &str| format!("{}&filter=sku%3D{}", explore(days), encode(sku));
    bands_chart(columns.collect(), &detail.skus, kind, &detail.currency, str::to_owned, of_sku)
}

fn histogram(detail: &ResourceDetail) -> Option<Histogram> {
    let executed = &detail.executed;
    let marks: Vec<(&'static str, i64)> =
        [("p50", executed.p50_ms), ("p95", executed.p95_ms), ("p99", executed.p99_ms)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
    Histogram::new(&HistogramInput {
        counted: "invocations",
        what: "duration",
        values: &detail.durations,
        marks: &marks,
        unit: "ms",
    })
}

fn heat_map(detail: &ResourceDetail, kind: CostKind, is_of_cost: bool) -> Option<HeatMap> {
    let cell = |hour: &WeekHour| match is_of_cost {
        true => {
            let cost = kind.pick(&hour.cost);
            CellInput { weight: number::approximate(cost), value: number::money(cost, &detail.currency) }
        }
        false => CellInput { weight: hour.count as f64, value: number::count(hour.count) },
    };
    let cells: Vec<CellInput> = detail.week.iter().map(cell).collect();
    HeatMap::new(if is_of_cost { "cost" } else { "executions" }, &cells)
}

/// What the report `right-sizing` says the proposed sizes save.
async fn savings(app: &App, name: &str, asked: &[(String, String)], params: &Params) -> Result<Vec<Saving>, AppError> {
    let mut asked = asked.to_vec();
    asked.push(("resource".to_owned(), name.to_owned()));
    asked.extend(params.text("service").map(|service| ("filter".to_owned(), format!("service={service}"))));
    let answer = app.engine().report("right-sizing", &asked).await?;
    let saving = |row: &serde_json::Map<String, Value>| {
        let amount = |name: &str| row.get(name)?.as_str()?.parse().ok();
        Some(Saving {
            memory_mb: row.get("memory_mb")?.as_i64()?,
            proposed_mb: row.get("proposed_mb")?.as_i64()?,
            amount: amount("billed_saving")?,
            list_amount: amount("list_saving")?,
        })
    };
    Ok(answer.rows.iter().filter_map(saving).collect())
}
