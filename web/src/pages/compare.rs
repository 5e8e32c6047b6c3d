//! `/compare`: recorded executions on every compute model.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::address::Address;
use crate::app::App;
use crate::assumption_fields::AssumptionFields;
use crate::compare_query::CompareQuery;
use crate::comparing;
use crate::comparison_csv::download;
use crate::comparison_view::{ComparisonView, Sorting};
use crate::error::{AppError, Report, html};
use crate::filters;
use crate::params::Params;
use crate::recorded_fields::{RecordedFields, without_month_of_days};
use crate::staircase::{self, Subject};

const PATH: &str = "/compare";
const STAIRCASE: &str = "/compare/staircase.csv";

#[derive(Template)]
#[template(path = "compare.html")]
struct Page {
    address: Address,
    fields: AssumptionFields,
    recorded: RecordedFields,
    view: Option<ComparisonView>,
    report: Option<Report>,
    csv: String,
    json: String,
}

impl Page {
    async fn new(app: &App, params: &Params) -> Result<Self, AppError> {
        let address = Address::new(PATH, params);
        Ok(Self {
            fields: AssumptionFields::new(app, &address),
            recorded: RecordedFields::new(app, &address).await?,
            view: None,
            report: None,
            csv: address.under("/compare.csv"),
            json: address.under("/api/v1/compare"),
            address,
        })
    }

    /// What the URL asks besides the fields of the form.
    fn hidden(&self) -> Vec<(String, String)> {
        AssumptionFields::hidden(&self.address, &RecordedFields::NAMES)
    }
}

/// `GET /compare`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let params = without_month_of_days(params);
    let mut page = Page::new(&app, &params).await?;
    match view(&app, &params, &page.address).await {
        Ok(view) => {
            page.recorded.shown = view.as_ref().map(|view| view.workload.period);
            page.view = view;
        }
        Err(error) => page.report = Some(error.report()),
    }
    let (status, headers) = page.report.as_ref().map(Report::head).unwrap_or_default();
    Ok((status, headers, html(&page)?).into_response())
}

async fn view(app: &App, params: &Params, address: &Address) -> Result<Option<ComparisonView>, AppError> {
    let query = CompareQuery::recorded(params, true)?;
    let sorting = Sorting::of(address)?;
    let Some(compared) = comparing::recorded(app, query.clone()).await? else { return Ok(None) };
    let deployments = app.engine().deployments()?;
    let mut view = ComparisonView::new(compared, deployments.all(), address.clone(), sorting);
    staircase::add(app, Subject::Recorded, &query, (&mut view, STAIRCASE)).await?;
    Ok(Some(view))
}

/// `GET /compare.csv`: every deployment, with every digit.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let query = CompareQuery::recorded(&without_month_of_days(params), false)?;
    download(comparing::recorded(&app, query).await?.as_ref())
}

/// `GET /compare/staircase.csv`: executions and instances over time of the deployment in `show`.
pub async fn course(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let params = without_month_of_days(params);
    let query = CompareQuery::recorded(&params, true)?;
    let compared = comparing::recorded(&app, query.clone()).await?;
    staircase::download(&app, Subject::Recorded, &query, (compared, &params)).await
}
