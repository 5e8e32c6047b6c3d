//! `/explore`: cost over time by any dimension, down to days, resources, charges and records.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use paygrain_pricing::{Catalogue, Exact};
use paygrain_query::{CurrencyPart, Days, Dimension, Explored, Step};
use serde_json::Value;

use crate::app::App;
use crate::cost_kind::CostKind;
use crate::csv_text::{CsvText, words};
use crate::day_range::{DayControls, days_text, today};
use crate::error::{AppError, Report, html};
use crate::explore_query::{ExploreQuery, dimensions};
use crate::explore_view::{ExploreView, name_of};
use crate::filters;
use crate::params::Params;

/// Fields of the form; what else is in the URL goes along unseen.
const FIELDS: [&str; 8] = ["period", "from", "to", "range", "by", "offset", "sort", "step"];

/// A filter, and the page without it.
struct Chip {
    text: String,
    href: String,
}

/// One of several currencies.
pub struct CurrencyChoice {
    /// Its code.
    pub currency: String,
    /// The cost in it, before allowances.
    pub list_cost: Exact,
    /// What is billed in it.
    pub billed_cost: Exact,
    /// Whose cost it is.
    pub who: String,
    /// The page with that alone.
    pub href: String,
}

#[derive(Template)]
#[template(path = "explore.html")]
struct Page {
    controls: DayControls,
    by: Dimension,
    chips: Vec<Chip>,
    hidden: Vec<(String, String)>,
    view: Option<ExploreView>,
    /// The days, where there are several currencies.
    days: String,
    choices: Vec<CurrencyChoice>,
    report: Option<Report>,
    has_usage: bool,
    csv: String,
    json: String,
    query: ExploreQuery,
}

impl Page {
    fn dimensions(&self) -> Vec<Dimension> {
        dimensions().collect()
    }

    fn href_of_cost(&self, cost: &str) -> String {
        self.query.address.changed(&["cost", "offset"], &[("cost", cost)])
    }

    fn without_filters(&self) -> String {
        self.query.address.changed(&["filter", "offset"], &[])
    }

    fn is_list(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.kind == CostKind::List)
    }

    fn sort_href(&self, view: &ExploreView, column: &str) -> String {
        format!("{}#groups", view.sort.href(&self.query.address, column))
    }
}

/// The parts in each currency, each with a link to it alone.
fn choices(parts: Vec<CurrencyPart>, query: &ExploreQuery) -> Vec<CurrencyChoice> {
    let choice = |part: CurrencyPart| {
        let filters: Vec<String> = part
            .providers
            .iter()
            .map(|provider| format!("provider={provider}"))
            .chain(part.services.iter().map(|service| format!("service={service}")))
            .chain(
                query
                    .filters()
                    .filter(|(name, _)| !matches!(*name, "provider" | "service"))
                    .map(|(name, value)| format!("{name}={value}")),
            )
            .collect();
        let filters: Vec<(&str, &str)> = filters.iter().map(|filter| ("filter", filter.as_str())).collect();
        CurrencyChoice {
            href: query.address.changed(&["filter", "offset"], &filters),
            who: part.providers.into_iter().collect::<Vec<_>>().join(", "),
            currency: part.currency,
            list_cost: part.cost.list,
            billed_cost: part.cost.billed,
        }
    };
    parts.into_iter().map(choice).collect()
}

fn chips(query: &ExploreQuery, providers: &[String], catalogue: &Catalogue) -> Vec<Chip> {
    let chip = |(name, value): (&str, &str)| {
        let shown =
            name.parse().map_or_else(|_| value.to_owned(), |dimension| name_of(dimension, value, providers, catalogue));
        Chip {
            text: format!("{name} = {shown}"),
            href: query.address.without_value("filter", &format!("{name}={value}")),
        }
    };
    query.filters().map(chip).collect()
}

/// `GET /explore`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let query = ExploreQuery::read(&params, today())?;
    let periods = app.engine().periods().await?;
    let (mut view, mut found_choices, mut report, mut days) = (None, Vec::new(), None, None::<Days>);
    match explored(&app, &query, &params, &mut days).await {
        Ok(Found::View(found)) => view = Some(*found),
        Ok(Found::Choices(found)) => found_choices = found,
        Ok(Found::Nothing) => {}
        Err(error) => report = Some(error.report()),
    }
    let step = view.as_ref().map_or(Step::Day, |view: &ExploreView| view.step);
    let page = Page {
        controls: DayControls::new(&query.address, days, &periods),
        by: query.by,
        chips: chips(&query, view.as_ref().map_or(&[], |view| &view.providers), app.engine().catalogue()),
        hidden: query.address.besides(&FIELDS).cloned().collect(),
        view,
        days: days.map(days_text).unwrap_or_default(),
        choices: found_choices,
        has_usage: !periods.is_empty(),
        csv: query.csv(step),
        json: query.report("/api/v1/reports/cost", step),
        report,
        query,
    };
    let (status, headers) = page.report.as_ref().map(Report::head).unwrap_or_default();
    Ok((status, headers, html(&page)?).into_response())
}

enum Found {
    Nothing,
    Choices(Vec<CurrencyChoice>),
    View(Box<ExploreView>),
}

async fn explored(
    app: &App,
    query: &ExploreQuery,
    params: &Params,
    days: &mut Option<Days>,
) -> Result<Found, AppError> {
    Ok(match app.engine().explore(&query.request()).await? {
        Explored::NoUsage => Found::Nothing,
        Explored::Currencies(shown, parts) => {
            *days = Some(shown);
            Found::Choices(choices(parts, query))
        }
        Explored::Cost(found) => {
            *days = Some(found.days);
            Found::View(Box::new(ExploreView::new(*found, query, params, app)?))
        }
    })
}

/// `GET /explore.csv`: cost by time and group, every group and every digit: the rows of the report `cost`.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let query = ExploreQuery::read(&params, today())?;
    let step = query.step.unwrap_or(Step::Day);
    let mut asked = query.parameters.clone();
    asked.push(("by".to_owned(), format!("{},{}", step.name(), query.by.name())));
    let answer = app.engine().report("cost", &asked).await?;
    let key = [step.name(), query.by.name()];
    let mut text = CsvText::new(key.into_iter().chain(["currency", "list_cost", "billed_cost"]))?;
    let currency = words(answer.currency.as_deref().unwrap_or_default());
    for row in &answer.rows {
        let cell = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let named = key.map(|name| words(cell(name)));
        let costs = [currency.clone(), cell("list_cost").to_owned(), cell("billed_cost").to_owned()];
        text.row(named.into_iter().chain(costs))?;
    }
    text.download(&format!("paygrain-cost-by-{}-and-{}.csv", step.name(), query.by.name()))
}
