//! `/api/v1/what-if/cron`

use axum::Json;
use axum::extract::State;
use paygrain_query::ComparedJob;

use crate::app::App;
use crate::comparing;
use crate::error::AppError;
use crate::pages::what_if::{job, now_us};
use crate::params::Params;

/// `GET`: a scheduled job on every deployment, in the shape of `paygrain what-if cron --format json`.
pub async fn cron(State(app): State<App>, params: Params) -> Result<Json<ComparedJob>, AppError> {
    let (job, given) = job(&params, false)?;
    let schedule = job.times(now_us());
    let compared = comparing::job(&app, job, given).await?.ok_or(AppError::NoExecutions)?;
    Ok(Json(ComparedJob { schedule, compared }))
}
