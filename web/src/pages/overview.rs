//! `/`: what the month cost, day by day, and what cost most.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use paygrain_pricing::{Catalogue, Exact, Period};
use paygrain_query::{CostGroup, Overview, Series};

use crate::app::App;
use crate::chart::sparkline::Sparkline;
use crate::chart::stacked_columns::{ColumnInput, SeriesInput, StackedColumns};
use crate::csv_text::{CsvText, words};
use crate::error::{AppError, html};
use crate::filters;
use crate::params::{Params, bad};
use crate::{names, number};

/// Name of the series of everything that has no band of its own.
const OTHER: &str = "Other";

/// Which of the two costs the chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    Billed,
    List,
}

impl Cost {
    /// What was asked for; else what is billed, unless allowances cover everything and the chart would be blank.
    fn read(params: &Params, overview: &Overview) -> Result<Self, AppError> {
        match params.get("cost") {
            Some("billed") => Ok(Self::Billed),
            Some("list") => Ok(Self::List),
            Some(other) => Err(bad("cost", other, "`billed` or `list`")),
            None if overview.total.is_zero() && !overview.list_total.is_zero() => Ok(Self::List),
            None => Ok(Self::Billed),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Billed => "billed",
            Self::List => "list",
        }
    }

    fn of_days(self, series: &Series) -> &[Exact] {
        match self {
            Self::Billed => &series.billed_cost,
            Self::List => &series.list_cost,
        }
    }

    fn of_month(self, series: &Series) -> &Exact {
        match self {
            Self::Billed => &series.total,
            Self::List => &series.list_total,
        }
    }
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
        let difference = now - before;
        if difference.is_zero() {
            return Self { class: "same", words: "the same as the month before".into() };
        }
        let (class, arrow) = if difference.is_negative() { ("down", "▼ ") } else { ("up", "▲ +") };
        let amount = number::money(&difference, currency);
        match number::percent(&difference, before) {
            Some(percent) => Self { class, words: format!("{arrow}{amount} ({percent})") },
            None => Self { class, words: format!("{arrow}{amount} (new)") },
        }
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
    cost: Cost,
    chart: Option<StackedColumns>,
}

impl Page {
    fn new(overview: Overview, cost: Cost, catalogue: &Catalogue) -> Self {
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

    fn is_list(&self) -> bool {
        self.cost == Cost::List
    }

    /// The months around this one, where they have usage.
    fn earlier(&self) -> Option<&Period> {
        self.overview.periods.iter().filter(|period| **period < self.overview.period).max()
    }

    fn later(&self) -> Option<&Period> {
        self.overview.periods.iter().filter(|period| **period > self.overview.period).min()
    }
}

fn top_service(overview: &Overview, cost: Cost, catalogue: &Catalogue) -> Option<TopService> {
    let named = overview.series.iter().filter(|series| series.name != OTHER);
    let top = named.reduce(|best, series| if cost.of_month(series) > cost.of_month(best) { series } else { best })?;
    let whole = if cost == Cost::List { &overview.list_total } else { &overview.total };
    Some(TopService {
        name: names::service_alone(catalogue, &top.name),
        cost: cost.of_month(top).clone(),
        share: number::percent(cost.of_month(top), whole),
        spark: Sparkline::new(cost.of_days(top)),
    })
}

fn resources(overview: &Overview, cost: Cost, catalogue: &Catalogue) -> Vec<Resource> {
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
        let share = match cost {
            Cost::List => number::percent(&group.list_cost, &overview.list_total),
            Cost::Billed => number::percent(&group.billed_cost, &overview.total),
        };
        Resource { service: names::service_alone(catalogue, &service), name, href, share, group: group.clone() }
    };
    let mut groups: Vec<&CostGroup> = overview.top_resources.iter().collect();
    if cost == Cost::List {
        groups.sort_by(|one, other| other.list_cost.cmp(&one.list_cost));
    }
    groups.into_iter().map(row).collect()
}

fn chart(overview: &Overview, cost: Cost, catalogue: &Catalogue) -> Option<StackedColumns> {
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
                values: cost.of_days(series),
                total: cost.of_month(series),
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
    let cost = Cost::read(&params, &overview)?;
    html(&Page::new(overview, cost, app.engine().catalogue()))
}

/// `GET /overview.csv`: the table under the chart.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let Some(overview) = app.engine().overview(params.period()?).await? else {
        return CsvText::new(["day", "total"])?.download("paygrain-daily-cost.csv");
    };
    let cost = Cost::read(&params, &overview)?;
    let names = overview.series.iter().map(|series| series.name.as_str());
    let mut text = CsvText::new(["day", "currency"].into_iter().chain(names).chain(["total"]))?;
    for (place, day) in overview.days.iter().enumerate() {
        let values: Vec<&Exact> = overview.series.iter().filter_map(|series| cost.of_days(series).get(place)).collect();
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
