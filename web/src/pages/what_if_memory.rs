//! `/what-if/memory`: a recorded function at all sizes of memory.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use paygrain_query::{MEMORY_DEPLOYMENT, QueryError};
use paygrain_replay::RightSizeError;
use paygrain_replay::deployment::Memory;

use crate::address::Address;
use crate::app::App;
use crate::assumption_fields::AssumptionFields;
use crate::compare_query::CompareQuery;
use crate::comparing;
use crate::error::{AppError, Report, html};
use crate::filters;
use crate::memory_view::{MemoryView, download};
use crate::params::Params;
use crate::recorded_fields::{RecordedFields, without_month_of_days};

const PATH: &str = "/what-if/memory";
/// Resources that are offered.
const RESOURCES_MAX: &str = "100";

/// Deployments of a provider: name and title of each.
type Choices = Vec<(String, Vec<(String, String)>)>;

#[derive(Template)]
#[template(path = "what_if_memory.html")]
struct Page {
    address: Address,
    recorded: RecordedFields,
    fields: AssumptionFields,
    /// Deployments whose memory can be chosen, by provider.
    deployments: Choices,
    /// Whether one of them has to be chosen.
    is_of_several: bool,
    view: Option<MemoryView>,
    report: Option<Report>,
    csv: String,
    json: String,
}

impl Page {
    /// The deployment that is asked for.
    fn deployment(&self) -> &str {
        self.address.get("deployment").unwrap_or(MEMORY_DEPLOYMENT)
    }

    /// Whether what is asked for is none of those to choose from.
    fn is_other(&self) -> bool {
        self.deployments.iter().flat_map(|(_, all)| all).all(|(name, _)| name != self.deployment())
    }

    /// What the URL asks besides the fields of the form.
    fn hidden(&self) -> Vec<(String, String)> {
        let fields: Vec<&str> = RecordedFields::NAMES.into_iter().chain(["deployment"]).collect();
        AssumptionFields::hidden(&self.address, &fields)
    }

    /// The same of one resource.
    fn of_resource(&self, name: &str) -> String {
        self.address.with("resource", name)
    }
}

/// `GET /what-if/memory`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let params = without_month_of_days(params);
    let address = Address::new(PATH, &params);
    let mut page = Page {
        recorded: RecordedFields::new(&app, &address).await?,
        fields: AssumptionFields::new(&app, &address),
        deployments: choices(&app),
        is_of_several: false,
        view: None,
        report: None,
        csv: address.under("/what-if/memory.csv"),
        json: address.under("/api/v1/what-if/memory"),
        address,
    };
    match sizes(&app, &params).await {
        Ok(view) => page.view = view,
        // Nobody has chosen yet.
        Err(error) if params.get("resource").is_none() && is_of_several(&error) => page.is_of_several = true,
        Err(error) => page.report = Some(error.report()),
    }
    page.recorded.shown = page.view.as_ref().map(|view| view.answer.period);
    page.recorded.resources = resources(&app, &params).await;
    let (status, headers) = page.report.as_ref().map(Report::head).unwrap_or_default();
    Ok((status, headers, html(&page)?).into_response())
}

async fn sizes(app: &App, params: &Params) -> Result<Option<MemoryView>, AppError> {
    let query = CompareQuery::memory(params)?;
    Ok(comparing::memory(app, query).await?.map(MemoryView::new))
}

fn is_of_several(error: &AppError) -> bool {
    let AppError::Query(QueryError::RightSize(error)) = error else { return false };
    matches!(**error, RightSizeError::SeveralFunctions { .. })
}

/// Deployments whose memory can be chosen. Why there are none, the answer tells.
fn choices(app: &App) -> Choices {
    let Ok(deployments) = app.engine().deployments() else { return Vec::new() };
    let mut choices: Choices = Vec::new();
    for one in deployments.all().iter().filter(|one| matches!(one.memory, Memory::OfFunction(_))) {
        let choice = (one.name.clone(), one.title.clone());
        match choices.iter_mut().find(|(provider, _)| *provider == one.provider) {
            Some((_, of_provider)) => of_provider.push(choice),
            None => choices.push((one.provider.clone(), vec![choice])),
        }
    }
    choices
}

/// The resources that the other parameters choose, with their executions. They are a convenience: where they cannot be
/// told, the answer says why.
async fn resources(app: &App, params: &Params) -> Vec<(String, u64)> {
    let Ok(query) = CompareQuery::memory(params) else { return Vec::new() };
    let mut given: Vec<(String, String)> = query.workload.into_iter().filter(|(name, _)| name != "resource").collect();
    given.push(("limit".to_owned(), RESOURCES_MAX.to_owned()));
    let Ok(report) = app.engine().report("durations", &given).await else { return Vec::new() };
    let mut resources: Vec<(String, u64)> = Vec::new();
    for row in &report.rows {
        let (Some(name), Some(count)) = (row["resource"].as_str(), row["invocation_count"].as_u64()) else { continue };
        match resources.iter_mut().find(|(known, _)| known == name) {
            Some((_, all)) => *all += count,
            None => resources.push((name.to_owned(), count)),
        }
    }
    resources
}

/// `GET /what-if/memory.csv`: every size, with every digit.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let query = CompareQuery::memory(&without_month_of_days(params))?;
    download(comparing::memory(&app, query).await?.as_ref())
}
