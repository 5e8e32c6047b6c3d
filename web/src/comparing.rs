//! Workloads compared for pages and API. A comparison goes on where nobody waits for it any more, so that whoever asks again
//! finds it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use paygrain_pricing::Period;
use paygrain_query::{CompareRequest, Compared, Engine, MemoryWhatIf, QueryError};
use paygrain_replay::description::Description;
use paygrain_replay::{ScheduledJob, Workload};

use crate::app::App;
use crate::compare_query::CompareQuery;
use crate::error::AppError;
use crate::scenarios::Scenario;

/// Of what is drawn at random in a described workload: the same description is the same workload.
const SEED: u64 = 1;

/// The recorded executions that a URL chooses, on every deployment it asks for; nothing where the lake has no usage.
///
/// # Errors
/// A parameter that cannot be read, a workload that cannot be compared, or a lake that cannot be read.
pub async fn recorded(app: &App, query: CompareQuery) -> Result<Option<Compared>, AppError> {
    let request = CompareRequest::read(&query.compared)?;
    to_its_end(app, async move |engine: Engine| engine.compare_recorded(&query.workload, &request).await).await
}

/// The recorded executions that a URL chooses, at all sizes of memory of one deployment; nothing where the lake has no
/// usage.
///
/// # Errors
/// As [`recorded`], or executions of several functions.
pub async fn memory(app: &App, query: CompareQuery) -> Result<Option<MemoryWhatIf>, AppError> {
    let request = CompareRequest::read(&query.compared)?;
    to_its_end(app, async move |engine: Engine| engine.memory_what_if(&query.workload, &request).await).await
}

/// A described job on every deployment that a URL asks for.
///
/// # Errors
/// As [`recorded`].
pub async fn job(app: &App, job: ScheduledJob, query: CompareQuery) -> Result<Option<Compared>, AppError> {
    let request = CompareRequest::read(&query.compared)?;
    let name = job_name(&job, &query);
    to_its_end(app, async move |engine: Engine| engine.compare_described(&name, move || job.workload(), &request).await)
        .await
}

/// A workload described in TOML or JSON, on every deployment that a URL asks for; of a month unless it names one.
///
/// # Errors
/// A description that cannot be read, or as [`recorded`].
pub async fn described(
    app: &App,
    (headers, body): (&HeaderMap, &Bytes),
    month: Period,
    query: CompareQuery,
) -> Result<Option<Compared>, AppError> {
    let request = CompareRequest::read(&query.compared)?;
    let text = str::from_utf8(body).map_err(|error| AppError::BadBody { problem: error.to_string() })?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_toml =
        content_type.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("application/toml"));
    let description = if is_toml { Description::from_toml(text) } else { Description::from_json(text) };
    let description = description.map_err(Box::new)?;
    of_description(app, (format!("{month} {is_toml} {text}"), description), month, request).await
}

/// A described workload that comes with the program, on every deployment that a URL asks for.
///
/// # Errors
/// As [`recorded`].
pub async fn scenario(
    app: &App,
    scenario: &Scenario,
    month: Period,
    query: CompareQuery,
) -> Result<Option<Compared>, AppError> {
    let request = CompareRequest::read(&query.compared)?;
    let named = (scenario_name(scenario, month), scenario.description.clone());
    of_description(app, named, month, request).await
}

async fn of_description(
    app: &App,
    (name, description): (String, Description),
    month: Period,
    request: CompareRequest,
) -> Result<Option<Compared>, AppError> {
    let workload = drawn(description, month).await?;
    to_its_end(app, async move |engine: Engine| engine.compare_described(&name, move || workload, &request).await).await
}

/// The workload of a description in a month, unless it names one.
///
/// # Errors
/// A description that cannot be read.
pub async fn drawn(description: Description, month: Period) -> Result<Workload, AppError> {
    let drawn = tokio::task::spawn_blocking(move || description.workload(SEED, month)).await;
    Ok(drawn.map_err(|error| AppError::Internal { cause: error.to_string() })?.map_err(Box::new)?)
}

/// What tells a job from any other.
pub fn job_name(job: &ScheduledJob, query: &CompareQuery) -> String {
    format!("{} {:?}", job.period, query.workload)
}

/// What tells a described workload that comes with the program from any other.
pub fn scenario_name(scenario: &Scenario, month: Period) -> String {
    format!("{month} scenario {}", scenario.name)
}

/// Works an answer out to its end, also where whoever asked for it has left meanwhile.
pub async fn to_its_end<T, F>(app: &App, work: impl FnOnce(Engine) -> F) -> Result<Option<T>, AppError>
where
    T: Clone + Send + Sync + 'static,
    F: Future<Output = Result<Arc<Option<T>>, QueryError>> + Send + 'static,
{
    let worked = tokio::spawn(work(app.engine().clone())).await;
    let worked = worked.map_err(|error| AppError::Internal { cause: format!("a comparison ended: {error}") })?;
    Ok(worked?.as_ref().clone())
}
