//! Executions and instances over time of the one deployment that a comparison shows: for its page, and as a file.

use axum::response::Response;
use paygrain_pricing::Period;
use paygrain_query::{CompareRequest, Compared, Engine};
use paygrain_replay::{Outcome, ScheduledJob, Staircase};

use crate::app::App;
use crate::chart::staircase::StaircaseChart;
use crate::compare_query::CompareQuery;
use crate::comparing::{drawn, job_name, scenario_name, to_its_end};
use crate::comparison_view::ComparisonView;
use crate::csv_text::{CsvText, words};
use crate::error::AppError;
use crate::params::Params;
use crate::scenarios::Scenario;

/// What is executed.
pub enum Subject {
    /// Recorded executions, as the query chooses them.
    Recorded,
    /// A described job.
    Job(Box<ScheduledJob>),
    /// A described workload, in a month.
    Scenario(&'static Scenario, Period),
}

/// Adds the course of the deployment whose charges are asked for to a page.
///
/// # Errors
/// A workload that cannot be read.
pub async fn add(
    app: &App,
    subject: Subject,
    query: &CompareQuery,
    (view, path): (&mut ComparisonView, &str),
) -> Result<(), AppError> {
    let Some(name) = view.address.get("show").map(str::to_owned) else { return Ok(()) };
    let Some(shown) = view.shown.as_ref().filter(|shown| shown.outcome.feasible) else { return Ok(()) };
    let found = course(app, subject, query, &shown.outcome).await?;
    view.staircase = found.as_ref().and_then(StaircaseChart::new);
    view.staircase_csv = view.address.at(path).with("show", &name);
    Ok(())
}

/// The same as a file.
///
/// # Errors
/// No deployment that is asked for, or as [`add`].
pub async fn download(
    app: &App,
    subject: Subject,
    query: &CompareQuery,
    (compared, params): (Option<Compared>, &Params),
) -> Result<Response, AppError> {
    let expected = "the name of a deployment, for example `aws-lambda-arm`";
    let name = params.get("show").ok_or(AppError::MissingParameter { name: "show", expected })?;
    let mut text = CsvText::new(["deployment", "start", "peak_concurrency", "peak_instances"])?;
    let Some(compared) = compared else { return text.download("paygrain-staircase.csv") };
    let outcome = compared.comparison.deployments.iter().find(|one| one.name == name);
    let outcome = outcome.ok_or_else(|| crate::params::bad("show", name, "a deployment of the comparison"))?;
    let found = if outcome.feasible { course(app, subject, query, outcome).await? } else { None };
    for row in found.as_ref().and_then(StaircaseChart::new).iter().flat_map(|chart| &chart.rows) {
        text.row([words(name), row.start.clone(), row.executions.to_string(), row.instances.to_string()])?;
    }
    text.download(&format!("paygrain-staircase-{}.csv", compared.comparison.workload.period))
}

async fn course(
    app: &App,
    subject: Subject,
    query: &CompareQuery,
    outcome: &Outcome,
) -> Result<Option<Staircase>, AppError> {
    let assumptions = CompareRequest::read(&query.compared)?.assumptions;
    let outcome = outcome.clone();
    match subject {
        Subject::Recorded => {
            let given = query.workload.clone();
            let work = async move |engine: Engine| engine.staircase_recorded(&given, &assumptions, &outcome).await;
            to_its_end(app, work).await
        }
        Subject::Job(job) => {
            let name = job_name(&job, query);
            let work = async move |engine: Engine| {
                engine.staircase_described(&name, move || job.workload(), &assumptions, &outcome).await
            };
            to_its_end(app, work).await
        }
        Subject::Scenario(scenario, month) => {
            let workload = drawn(scenario.description.clone(), month).await?;
            let name = scenario_name(scenario, month);
            let work = async move |engine: Engine| {
                engine.staircase_described(&name, move || workload, &assumptions, &outcome).await
            };
            to_its_end(app, work).await
        }
    }
}
