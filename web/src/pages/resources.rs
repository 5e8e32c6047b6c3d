//! `/resources`: every resource with what it costs and how it runs.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use paygrain_pricing::Exact;
use paygrain_query::{Days, Resource, ResourceFigures, ResourceList, Resources};

use super::explore::CurrencyChoice;
use super::{Window, rows_of};
use crate::address::Address;
use crate::app::App;
use crate::chart::sparkline::Sparkline;
use crate::cost_kind::CostKind;
use crate::csv_text::{CsvText, words};
use crate::day_range::{DAY_PARAMETERS, DayControls, day_pairs, days_query, days_text, today};
use crate::error::{AppError, Report, html};
use crate::explore_view::joined;
use crate::filters::encode;
use crate::params::Params;
use crate::sorting::Sort;
use crate::{filters, names, number};

/// Where the page is.
const PATH: &str = "/resources";
/// Parameters besides those that say which days.
const OTHER_PARAMETERS: [&str; 9] =
    ["provider", "service", "q", "cost", "sort", "offset", "allowances", "account_opened", "attribution"];
/// Parameters that the engine reads as they are.
const PASSED_ON: [&str; 4] = ["provider", "allowances", "account_opened", "attribution"];
/// Fields of the form; what else is in the URL goes along unseen.
const FIELDS: [&str; 7] = ["period", "from", "to", "range", "service", "q", "offset"];
/// Resources on one page.
const ROWS: u64 = 50;
/// A column that the table can be sorted by.
struct Column {
    /// Its name in the URL.
    name: &'static str,
    title: &'static str,
    is_text: bool,
    /// What it means, where the title does not say it all.
    meaning: &'static str,
}

const fn numbers(name: &'static str, title: &'static str, meaning: &'static str) -> Column {
    Column { name, title, is_text: false, meaning }
}

const COLUMNS: [Column; 9] = [
    Column { name: "name", title: "Resource", is_text: true, meaning: "" },
    numbers("cost", "Cost", ""),
    numbers("executions", "Executions", "Invocations and requests"),
    numbers("per-million", "Per million", "Cost of a million executions"),
    numbers("p50", "p50, ms", "Half take no longer"),
    numbers("p95", "p95, ms", "95 of 100 take no longer"),
    numbers("p99", "p99, ms", "99 of 100 take no longer"),
    numbers("cold", "Cold", "Part of the invocations whose log says whether they were cold"),
    numbers("errors", "Errors", "Part of the invocations whose log says how they ended"),
];

/// How the table is sorted; the most expensive first if the URL does not say.
fn sort_of(params: &Params) -> Result<Sort, AppError> {
    let mut names = COLUMNS.map(|column| column.name);
    names.swap(0, 1);
    Sort::read(params, &names)
}

/// A row of the table.
struct Row {
    service: String,
    place: String,
    href: Option<String>,
    cost: Exact,
    share: Option<String>,
    per_million: Option<Exact>,
    spark: Option<Sparkline>,
    percentiles_ms: [Option<i64>; 3],
    figures: ResourceFigures,
}

/// What is shown of them.
struct View {
    days: String,
    currency: String,
    kind: CostKind,
    rows: Vec<Row>,
    window: Window,
    sort: Sort,
    /// Cost of those that fit the search.
    found_cost: Exact,
    /// Cost of all.
    cost: Exact,
    count: u64,
    services: BTreeSet<String>,
}

#[derive(Template)]
#[template(path = "resources.html")]
struct Page {
    address: Address,
    controls: DayControls,
    hidden: Vec<(String, String)>,
    view: Option<View>,
    days: String,
    choices: Vec<CurrencyChoice>,
    report: Option<Report>,
    has_usage: bool,
    csv: String,
    json: String,
}

impl Page {
    fn href_of_cost(&self, cost: &str) -> String {
        self.address.changed(&["cost", "offset"], &[("cost", cost)])
    }

    fn sort_href(&self, view: &View, column: &str) -> String {
        view.sort.href(&self.address, column)
    }

    fn without_search(&self) -> String {
        self.address.changed(&["q", "service", "offset"], &[])
    }

    fn order(&self, view: &View, column: &Column) -> Option<&'static str> {
        view.sort.aria(column.name, column.is_text)
    }

    fn columns(&self) -> [Column; COLUMNS.len()] {
        COLUMNS
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
    Ok(parameters)
}

/// Whether a resource is of the service and has the text somewhere in its names.
fn fits(resource: &Resource, params: &Params) -> bool {
    let text = params.get("q").map(str::to_lowercase).unwrap_or_default();
    let Resource { service, account, region, resource: name, .. } = resource;
    params.get("service").is_none_or(|wanted| wanted == service)
        && [name, service, account, region].iter().any(|own| own.to_lowercase().contains(&text))
}

/// The account and the region of a resource, as far as its usage says.
pub fn place(resource: &Resource) -> String {
    let names = [&resource.account, &resource.region].into_iter().filter(|name| !name.is_empty());
    names.map(String::as_str).collect::<Vec<_>>().join(" · ")
}

/// The page of a resource, over some days.
pub fn resource_href(resource: &Resource, days: Days) -> Option<String> {
    // What does not say whose it is has no page of its own.
    if resource.resource.is_empty() {
        return None;
    }
    let mut href = format!("{PATH}/{}?{}", encode(&resource.resource), days_query(days));
    for (name, value) in [
        ("provider", &resource.provider),
        ("service", &resource.service),
        ("account", &resource.account),
        ("region", &resource.region),
    ] {
        if !value.is_empty() {
            href += &format!("&{name}={}", encode(value));
        }
    }
    Some(href)
}

impl View {
    fn new(list: ResourceList, address: &Address, params: &Params, app: &App) -> Result<Self, AppError> {
        let catalogue = app.engine().catalogue();
        let sort = sort_of(params)?;
        let whole: paygrain_query::Cost = list.resources.iter().map(|one| &one.cost).sum();
        let kind = CostKind::of(CostKind::read(params)?, &whole.billed, &whole.list);
        let cost = kind.pick(&whole).clone();
        let services: BTreeSet<String> = list.resources.iter().map(|one| one.resource.service.clone()).collect();
        let count = list.resources.len() as u64;
        let (days, all_days) = (list.days, list.days.each().collect::<Vec<_>>());
        let mut found: Vec<ResourceFigures> =
            list.resources.into_iter().filter(|one| fits(&one.resource, params)).collect();
        let found_cost: Exact = found.iter().map(|one| kind.pick(&one.cost)).sum();
        apply(&sort, &mut found, kind);
        let offset = params.number("offset")?.unwrap_or(0);
        let window = Window {
            offset,
            limit: ROWS,
            total: found.len() as u64,
            url: format!("{}offset=", joined(&address.without("offset"))),
        };
        let row = |figures: ResourceFigures| {
            let resource = &figures.resource;
            let of_day = |day| {
                let place = figures.by_day.binary_search_by_key(day, |one| one.day);
                place.map(|place| kind.pick(&figures.by_day[place].cost).clone()).unwrap_or_default()
            };
            let daily: Vec<Exact> = all_days.iter().map(of_day).collect();
            Row {
                service: names::service(catalogue, &resource.provider, &resource.service),
                place: place(resource),
                href: resource_href(resource, days),
                cost: kind.pick(&figures.cost).clone(),
                share: number::percent(kind.pick(&figures.cost), &cost),
                per_million: figures.executed.per_million(kind.pick(&figures.cost)),
                spark: Sparkline::new(&daily),
                percentiles_ms: [figures.executed.p50_ms, figures.executed.p95_ms, figures.executed.p99_ms],
                figures,
            }
        };
        let rows = rows_of(found, offset, ROWS).map(row).collect();
        Ok(Self {
            days: days_text(days),
            currency: list.currency,
            kind,
            rows,
            window,
            sort,
            found_cost,
            cost,
            count,
            services,
        })
    }
}

fn apply(sort: &Sort, found: &mut [ResourceFigures], kind: CostKind) {
    let is_text = COLUMNS.iter().any(|column| column.name == sort.column && column.is_text);
    match sort.column {
        "name" => sort.apply(found, is_text, |one| (one.resource.resource.to_lowercase(), one.resource.clone())),
        "executions" => sort.apply(found, is_text, |one| one.executed.count),
        "per-million" => sort.apply(found, is_text, |one| one.executed.per_million(kind.pick(&one.cost))),
        "p50" => sort.apply(found, is_text, |one| one.executed.p50_ms),
        "p95" => sort.apply(found, is_text, |one| one.executed.p95_ms),
        "p99" => sort.apply(found, is_text, |one| one.executed.p99_ms),
        "cold" => sort.apply(found, is_text, |one| one.executed.cold_share()),
        "errors" => sort.apply(found, is_text, |one| one.executed.failed_share()),
        _ => sort.apply(found, is_text, |one| kind.pick(&one.cost).clone()),
    }
}

/// `GET /resources`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let asked = parameters(&params)?;
    let address = Address::new(PATH, &params);
    let periods = app.engine().periods().await?;
    let (mut view, mut choices, mut report, mut days) = (None, Vec::new(), None, None);
    match app.engine().resources(&asked).await {
        Ok(Resources::NoUsage) => {}
        Ok(Resources::Currencies(shown, parts)) => {
            days = Some(shown);
            choices = parts
                .into_iter()
                .flat_map(|part| {
                    // One provider is what the engine can be asked for.
                    let one = |provider: &String| CurrencyChoice {
                        currency: part.currency.clone(),
                        list_cost: part.cost.list.clone(),
                        billed_cost: part.cost.billed.clone(),
                        who: provider.clone(),
                        href: address.changed(&["provider", "offset"], &[("provider", provider)]),
                    };
                    part.providers.iter().map(one).collect::<Vec<_>>()
                })
                .collect();
        }
        Ok(Resources::List(list)) => {
            days = Some(list.days);
            view = Some(View::new(*list, &address, &params, &app)?);
        }
        Err(error) => report = Some(AppError::from(error).report()),
    }
    let query: String = asked.iter().map(|(name, value)| format!("&{name}={}", encode(value))).collect();
    let page = Page {
        controls: DayControls::new(&address, days, &periods),
        hidden: address.besides(&FIELDS).cloned().collect(),
        csv: address.changed(&["offset"], &[]).replacen(PATH, "/resources.csv", 1),
        json: format!("/api/v1/reports/top-resources?limit=10000{query}"),
        has_usage: !periods.is_empty(),
        days: days.map(days_text).unwrap_or_default(),
        address,
        view,
        choices,
        report,
    };
    let (status, headers) = page.report.as_ref().map(Report::head).unwrap_or_default();
    Ok((status, headers, html(&page)?).into_response())
}

const CSV_COLUMNS: [&str; 19] = [
    "provider",
    "service",
    "account",
    "region",
    "resource",
    "currency",
    "list_cost",
    "billed_cost",
    "execution_count",
    "list_cost_per_million",
    "billed_cost_per_million",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "cold_known_count",
    "cold_count",
    "status_known_count",
    "failed_count",
    "days_with_cost",
];

/// `GET /resources.csv`: every resource that fits the search, in the order of the page, with every digit.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let mut text = CsvText::new(CSV_COLUMNS)?;
    let list = match app.engine().resources(&parameters(&params)?).await? {
        Resources::List(list) => list,
        Resources::NoUsage => return text.download("paygrain-resources.csv"),
        Resources::Currencies(_, parts) => {
            let currencies = parts.into_iter().map(|part| part.currency).collect();
            return Err(paygrain_query::QueryError::ManyCurrencies { currencies }.into());
        }
    };
    let sort = sort_of(&params)?;
    let whole: paygrain_query::Cost = list.resources.iter().map(|one| &one.cost).sum();
    let kind = CostKind::of(CostKind::read(&params)?, &whole.billed, &whole.list);
    let mut found: Vec<ResourceFigures> =
        list.resources.into_iter().filter(|one| fits(&one.resource, &params)).collect();
    apply(&sort, &mut found, kind);
    for one in found {
        let ResourceFigures { resource, cost, by_day, executed } = one;
        let exact = |value: Option<Exact>| value.map(|value| value.to_string()).unwrap_or_default();
        let ms = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
        text.row([
            words(&resource.provider),
            words(&resource.service),
            words(&resource.account),
            words(&resource.region),
            words(&resource.resource),
            words(&list.currency),
            cost.list.to_string(),
            cost.billed.to_string(),
            executed.count.to_string(),
            exact(executed.per_million(&cost.list)),
            exact(executed.per_million(&cost.billed)),
            ms(executed.p50_ms),
            ms(executed.p95_ms),
            ms(executed.p99_ms),
            executed.cold_known_count.to_string(),
            executed.cold_count.to_string(),
            executed.status_known_count.to_string(),
            executed.failed_count.to_string(),
            by_day.len().to_string(),
        ])?;
    }
    text.download("paygrain-resources.csv")
}
