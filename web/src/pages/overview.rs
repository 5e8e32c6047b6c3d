//! `/`: what the month cost, day by day, and what cost most.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use paygrain_pricing::{Catalogue, Exact, Period};
use paygrain_query::{CostGroup, Overview, Series};

use crate::app::App;
use crate::chart::sparkline::Sparkline;
use crate::chart::stacked_columns::{ColumnInput, SeriesInput, StackedColumns};
use crate::cost_kind::CostKind;
use crate::csv_text::{CsvText, words};
use crate::difference::Difference;
use crate::error::{AppError, html};
use crate::filters;
use crate::params::Params;
use crate::{names, number};

/// Name of the series of everything that has no band of its own.
const OTHER: &str = "Other";

/// What was asked for, or what there is.
fn cost_of(params: &Params, overview: &Overview) -> Result<CostKind, AppError> {
    Ok(CostKind::of(CostKind::read(params)?, &overview.total, &overview.list_total))
}

fn of_days(cost: CostKind, series: &Series) -> &[Exact] {
    cost.choose(&series.billed_cost, &series.list_cost)
}

fn of_month(cost: CostKind, series: &Series) -> &Exact {
    cost.choose(&series.total, &series.list_total)
}

/// How the month compares with the one before.
struct Change {
    /// `up`, `down` or `same`, for the colour.
    class: &'static str,
    /// Sign, amount and percentage.
    words: String,
}

impl Change {
    fn new(now: &Exact, before: Option<&Exact>, currency: &str) -> Self {
        let Some(before) = before else { return Self { class: "same", words: "no usage in the month before".into() } };
        let Difference { amount, class, arrow, percent } = Difference::new(now, before);
        if amount.is_zero() {
            return Self { class, words: "the same as the month before".into() };
        }
        let percent = percent.trim_start_matches('+');
        Self { class, words: format!("{arrow}{} ({percent})", number::money(&amount, currency)) }
    }
}

/// The service that costs most.
struct TopService {
    name: String,
    cost: Exact,
    share: Option<String>,
    spark: Option<Sparkline>,
}

/// A row of the list of resources.
struct Resource {
    service: String,
    name: String,
    href: String,
    share: Option<String>,
    group: CostGroup,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    overview: Overview,
    change: Change,
    saved: Exact,
    saved_share: Option<String>,
    spark: Option<Sparkline>,
    list_spark: Option<Sparkline>,
    top_service: Option<TopService>,
    resources: Vec<Resource>,
    unpriced_count: u64,
    cost: CostKind,
    chart: Option<StackedColumns>,
}

impl Page {
    fn new(overview: Overview, cost: CostKind, catalogue: &Catalogue) -> Self {
        let daily = |of: fn(&Series) -> &[Exact]| {
            let days = 0..overview.days.len();
            let totals: Vec<Exact> = days
                .filter_map(|day| number::sum(overview.series.iter().filter_map(|series| of(series).get(day))))
                .collect();
            Sparkline::new(&totals)
        };
        let saved = &overview.list_total - &overview.total;
        Self {
            change: Change::new(&overview.total, overview.previous_total.as_ref(), &overview.currency),
            saved_share: number::percent(&saved, &overview.list_total),
            saved,
            spark: daily(|series| &series.billed_cost),
            list_spark: daily(|series| &series.list_cost),
            top_service: top_service(&overview, cost, catalogue),
            resources: resources(&overview, cost, catalogue),
            unpriced_count: overview.unpriced.iter().map(|usage| usage.record_count).sum(),
            chart: chart(&overview, cost, catalogue),
            cost,
            overview,
        }
    }

    fn href_of_cost(&self, cost: &str) -> String {
        format!("/?period={}&cost={cost}", self.overview.period)
    }

    fn is_list(&self) -> bool {
        self.cost == CostKind::List
    }

    /// The months around this one, where they have usage.
    fn earlier(&self) -> Option<&Period> {
        self.overview.periods.iter().filter(|period| **period < self.overview.period).max()
    }

    fn later(&self) -> Option<&Period> {
        self.overview.periods.iter().filter(|period| **period > self.overview.period).min()
    }
}

fn top_service(overview: &Overview, cost: CostKind, catalogue: &Catalogue) -> Option<TopService> {
    let named = overview.series.iter().filter(|series| series.name != OTHER);
    let top = named.reduce(|best, series| if of_month(cost, series) > of_month(cost, best) { series } else { best })?;
    let whole = cost.choose(&overview.total, &overview.list_total);
    Some(TopService {
        name: names::service_alone(catalogue, &top.name),
        cost: of_month(cost, top).clone(),
        share: number::percent(of_month(cost, top), whole),
        spark: Sparkline::new(of_days(cost, top)),
    })
}

fn resources(overview: &Overview, cost: CostKind, catalogue: &Catalogue) -> Vec<Resource> {
    let row = |group: &CostGroup| {
        let part = |place: usize| group.key.get(place).cloned().unwrap_or_default();
        let (service, name) = (part(0), part(1));
        let period = overview.period;
        let mut href = format!("/bill?period={period}&by=service,resource,sku");
        for (dimension, value) in [("service", &service), ("resource", &name)] {
            if !value.is_empty() {
                href += &format!("&{dimension}={}", filters::encode(value));
            }
        }
        let whole = cost.choose(&overview.total, &overview.list_total);
        let share = number::percent(cost.choose(&group.billed_cost, &group.list_cost), whole);
        Resource { service: names::service_alone(catalogue, &service), name, href, share, group: group.clone() }
    };
    let mut groups: Vec<&CostGroup> = overview.top_resources.iter().collect();
    if cost == CostKind::List {
        groups.sort_by(|one, other| other.list_cost.cmp(&one.list_cost));
    }
    groups.into_iter().map(row).collect()
}

fn chart(overview: &Overview, cost: CostKind, catalogue: &Catalogue) -> Option<StackedColumns> {
    let period = overview.period;
    let columns = overview.days.iter().map(|day| ColumnInput {
        name: day.format("%b %-d, %Y").to_string(),
        label: day.format("%b %-d").to_string(),
        href: format!("/bill?period={period}&by=day,service&day={day}"),
    });
    let titles: Vec<String> =
        overview.series.iter().map(|series| names::service_alone(catalogue, &series.name)).collect();
    let mut series: Vec<SeriesInput<'_>> = overview
        .series
        .iter()
        .zip(&titles)
        .enumerate()
        .map(|(colour, (series, title))| {
            let is_other = series.name == OTHER;
            let mut href = format!("/bill?period={period}&by=service");
            if !is_other {
                href += &format!(",sku&service={}", filters::encode(&series.name));
            }
            SeriesInput {
                name: title,
                values: of_days(cost, series),
                total: of_month(cost, series),
                href,
                colour,
                is_other,
            }
        })
        .filter(|series| !series.total.is_zero())
        .collect();
    // The most expensive at the bottom, the rest of the rest on top.
    series.sort_by(|one, other| (one.is_other, other.total).cmp(&(other.is_other, one.total)));
    StackedColumns::new(columns.collect(), &series, &overview.currency)
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    origin: String,
}

/// `GET /`
pub async fn page(
    State(app): State<App>,
    headers: axum::http::HeaderMap,
    params: Params,
) -> Result<Response, AppError> {
    let Some(overview) = app.engine().overview(params.period()?).await? else {
        let host = headers.get(axum::http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        return html(&Welcome { origin: format!("http://{host}") });
    };
    let cost = cost_of(&params, &overview)?;
    html(&Page::new(overview, cost, app.engine().catalogue()))
}

/// `GET /overview.csv`: the table under the chart.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let Some(overview) = app.engine().overview(params.period()?).await? else {
        return CsvText::new(["day", "total"])?.download("paygrain-daily-cost.csv");
    };
    let cost = cost_of(&params, &overview)?;
    let names = overview.series.iter().map(|series| series.name.as_str());
    let mut text = CsvText::new(["day", "currency"].into_iter().chain(names).chain(["total"]))?;
    for (place, day) in overview.days.iter().enumerate() {
        let values: Vec<&Exact> =
            overview.series.iter().filter_map(|series| of_days(cost, series).get(place)).collect();
        let total = number::sum(values.iter().copied()).map_or_else(|| "0".to_owned(), |total| total.to_string());
        let head = [day.to_string(), words(&overview.currency)];
        text.row(head.into_iter().chain(values.into_iter().map(Exact::to_string)).chain([total]))?;
    }
    text.download(&format!("paygrain-daily-{}-cost-{}.csv", cost.name(), overview.period))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Exact {
        text.parse().unwrap()
    }

    #[test]
    fn a_change_has_sign_amount_and_percentage() {
        let change =
            |now: &str, before: Option<&str>| Change::new(&exact(now), before.map(exact).as_ref(), "USD").words;
        assert_eq!(change("110", Some("100")), "▲ +$10.00 (10.0 %)");
        assert_eq!(change("75", Some("100")), "▼ \u{2212}$25.00 (\u{2212}25.0 %)");
        assert_eq!(change("5", Some("0")), "▲ +$5.00 (new)");
        assert_eq!(change("5", Some("5")), "the same as the month before");
        assert_eq!(change("5", None), "no usage in the month before");
    }
}
