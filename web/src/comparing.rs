//! Workloads compared for pages and API: as many at once as there is room for.

use std::sync::Arc;

use paygrain_query::{CompareRequest, Engine};
use paygrain_replay::{Comparison, ScheduledJob};
use serde::Serialize;

use crate::app::App;
use crate::compare_query::Given;
use crate::error::AppError;

/// A comparison, and what had to be assumed of its workload.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// The comparison.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// What the records or the description do not say, in words.
    pub assumed: Vec<String>,
}

/// The recorded executions that a URL chooses, on every deployment it asks for; nothing where the lake has no usage.
///
/// # Errors
/// A parameter that cannot be read, a workload that cannot be compared, or a lake that cannot be read.
pub async fn recorded(app: &App, given: Given) -> Result<Option<Compared>, AppError> {
    let request = CompareRequest::read(&given.compared)?;
    in_its_place(app, async move |engine: Engine| {
        let Some(recorded) = engine.recorded(&given.workload).await? else { return Ok(None) };
        let comparison = engine.compare(Arc::new(recorded.workload), &request).await?;
        Ok(Some(Compared { comparison, assumed: recorded.assumed }))
    })
    .await
}

/// A described job on every deployment that a URL asks for.
///
/// # Errors
/// As [`recorded`].
pub async fn described(app: &App, job: ScheduledJob, given: Given) -> Result<Compared, AppError> {
    let request = CompareRequest::read(&given.compared)?;
    in_its_place(app, async move |engine: Engine| {
        let workload = tokio::task::spawn_blocking(move || Arc::new(job.workload())).await;
        let workload = workload.map_err(|error| AppError::Internal { cause: error.to_string() })?;
        let comparison = engine.compare(workload, &request).await?;
        Ok(Compared { comparison, assumed: Vec::new() })
    })
    .await
}

/// Waits for a place, and keeps it until the work is done: whoever stops waiting for the answer does not end the work.
async fn in_its_place<T, F>(app: &App, work: impl FnOnce(Engine) -> F) -> Result<T, AppError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, AppError>> + Send + 'static,
{
    let place = app.comparisons().clone().acquire_owned().await;
    let place = place.map_err(|error| AppError::Internal { cause: error.to_string() })?;
    let work = work(app.engine().clone());
    let worked = tokio::spawn(async move {
        let answer = work.await;
        drop(place);
        answer
    });
    worked.await.map_err(|error| AppError::Internal { cause: format!("a comparison ended: {error}") })?
}
