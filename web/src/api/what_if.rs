//! `/api/v1/what-if/cron` and `/api/v1/what-if/memory`

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use paygrain_query::{ComparedJob, MemoryWhatIf};

use crate::app::App;
use crate::compare_query::CompareQuery;
use crate::comparing;
use crate::error::AppError;
use crate::params::Params;

/// `GET`: a scheduled job on every deployment, in the shape of `paygrain what-if cron --format json`.
pub async fn cron(State(app): State<App>, params: Params) -> Result<Json<ComparedJob>, AppError> {
    let (job, query) = CompareQuery::job(&params, false)?;
    let schedule = job.times(Utc::now().timestamp_micros());
    let compared = comparing::job(&app, job, query).await?.ok_or(AppError::NoExecutions)?;
    Ok(Json(ComparedJob { schedule, compared }))
}

/// `GET`: recorded executions at all sizes of memory, in the shape of `paygrain what-if memory --format json`.
pub async fn memory(State(app): State<App>, params: Params) -> Result<Json<MemoryWhatIf>, AppError> {
    let query = CompareQuery::memory(&params)?;
    comparing::memory(&app, query).await?.map(Json).ok_or(AppError::NoExecutions)
}
