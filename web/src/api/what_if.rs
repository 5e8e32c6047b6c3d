//! `/api/v1/what-if/cron`

use axum::Json;
use axum::extract::State;
use paygrain_query::Compared;
use paygrain_replay::JobTimes;
use serde::Serialize;

use crate::app::App;
use crate::comparing;
use crate::error::AppError;
use crate::pages::what_if::{job, now_us};
use crate::params::Params;

/// A comparison, and when the job runs.
#[derive(Serialize)]
pub struct Answer {
    schedule: JobTimes,
    #[serde(flatten)]
    compared: Compared,
}

/// `GET`: a scheduled job on every deployment, in the shape of `paygrain what-if cron --format json`.
pub async fn cron(State(app): State<App>, params: Params) -> Result<Json<Answer>, AppError> {
    let (job, given) = job(&params, false)?;
    let schedule = job.times(now_us());
    let compared = comparing::job(&app, job, given).await?.ok_or(AppError::NoExecutions)?;
    Ok(Json(Answer { schedule, compared }))
}
