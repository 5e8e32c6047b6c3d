//! `/scenarios`: described workloads that come with the program, and each of them on every compute model.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use paygrain_pricing::{Exact, Period};

use crate::address::Address;
use crate::app::App;
use crate::assumption_fields::AssumptionFields;
use crate::compare_query::{CompareQuery, this_month};
use crate::comparing;
use crate::comparison_csv::download;
use crate::comparison_view::{ComparisonView, Sorting};
use crate::error::{AppError, Report, html};
use crate::filters;
use crate::params::Params;
use crate::scenarios::{Ours, Scenario};
use crate::staircase::{self, Subject};

/// The part of the time for an answer after which the page shows itself without the comparison, in percent.
const PATIENCE_PERCENT: u64 = 75;

#[derive(Template)]
#[template(path = "scenarios.html")]
struct Index {
    scenarios: &'static [Scenario],
}

/// `GET /scenarios`
pub async fn list(params: Params) -> Result<Response, AppError> {
    params.only(&[])?;
    html(&Index { scenarios: Scenario::all()? })
}

#[derive(Template)]
#[template(path = "scenario.html")]
struct Page {
    scenario: &'static Scenario,
    address: Address,
    fields: AssumptionFields,
    this_month: Period,
    /// The published amount.
    published: Option<Exact>,
    ours: Option<Ours>,
    view: Option<ComparisonView>,
    /// Whether the comparison goes on.
    is_under_way: bool,
    report: Option<Report>,
    csv: String,
    json: String,
}

impl Page {
    /// What the URL asks besides the fields of the form.
    fn hidden(&self) -> Vec<(String, String)> {
        AssumptionFields::hidden(&self.address, &["period"])
    }

    /// Currency of the published figure.
    fn currency(&self) -> &str {
        self.scenario.description.published.as_ref().map_or("", |published| published.currency.as_str())
    }
}

/// `GET /scenarios/{name}`; with `.toml` the file itself, with `.csv` every deployment with every digit.
pub async fn page(State(app): State<App>, Path(file): Path<String>, params: Params) -> Result<Response, AppError> {
    match file.rsplit_once('.') {
        Some((name, "toml")) => source(Scenario::find(name)?, &params),
        Some((name, "csv")) => {
            let scenario = Scenario::find(name)?;
            let (month, query) = CompareQuery::scenario(scenario, &params, false)?;
            download(comparing::scenario(&app, scenario, month, query).await?.as_ref())
        }
        _ => comparison(&app, Scenario::find(&file)?, &params).await,
    }
}

fn source(scenario: &Scenario, params: &Params) -> Result<Response, AppError> {
    params.only(&[])?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], scenario.text).into_response())
}

async fn comparison(app: &App, scenario: &'static Scenario, params: &Params) -> Result<Response, AppError> {
    let address = Address::new(scenario.path(), params);
    let published = scenario.description.published.as_ref();
    let mut page = Page {
        scenario,
        fields: AssumptionFields::new(app, &address),
        this_month: this_month(),
        published: published.and_then(|published| published.amount.as_str().parse().ok()),
        ours: None,
        view: None,
        is_under_way: false,
        report: None,
        csv: address.under(&format!("{}.csv", scenario.path())),
        json: address.under(&format!("/api/v1{}", scenario.path())),
        address,
    };
    let patience = Duration::from_millis(app.config().request_timeout_ms * PATIENCE_PERCENT / 100);
    match tokio::time::timeout(patience, compared(app, scenario, params, &page.address)).await {
        Ok(Ok((view, ours))) => (page.view, page.ours) = (Some(view), ours),
        Ok(Err(error)) => page.report = Some(error.report()),
        // Whoever asks again finds it, once it is done.
        Err(_) => page.is_under_way = true,
    }
    let (mut status, headers) = page.report.as_ref().map(Report::head).unwrap_or_default();
    if page.is_under_way {
        status = StatusCode::ACCEPTED;
    }
    Ok((status, headers, html(&page)?).into_response())
}

/// The comparison, and our figure beside the published one.
async fn compared(
    app: &App,
    scenario: &'static Scenario,
    params: &Params,
    address: &Address,
) -> Result<(ComparisonView, Option<Ours>), AppError> {
    let (month, query) = CompareQuery::scenario(scenario, params, true)?;
    let sorting = Sorting::of(address)?;
    let compared = comparing::scenario(app, scenario, month, query.clone()).await?.ok_or(AppError::NoExecutions)?;
    let ours = scenario.ours(&compared.comparison.deployments);
    let deployments = app.engine().deployments()?;
    let mut view = ComparisonView::new(compared, deployments.all(), address.clone(), sorting);
    let path = format!("{}/staircase.csv", scenario.path());
    staircase::add(app, Subject::Scenario(scenario, month), &query, (&mut view, &path)).await?;
    Ok((view, ours))
}

/// `GET /scenarios/{name}/staircase.csv`: executions and instances over time of the deployment in `show`.
pub async fn course(State(app): State<App>, Path(name): Path<String>, params: Params) -> Result<Response, AppError> {
    let scenario = Scenario::find(&name)?;
    let (month, query) = CompareQuery::scenario(scenario, &params, true)?;
    let compared = comparing::scenario(&app, scenario, month, query.clone()).await?;
    staircase::download(&app, Subject::Scenario(scenario, month), &query, (compared, &params)).await
}
