//! `/api/v1/reconcile`

use axum::Json;
use axum::extract::State;
use paygrain_query::Reconciliation;

use crate::app::App;
use crate::error::AppError;
use crate::pages::reconcile::{PARAMETERS, request};
use crate::params::Params;

/// `GET`: the bill of a month against its rating, in the shape of `paygrain reconcile --format json`.
pub async fn show(State(app): State<App>, params: Params) -> Result<Json<Reconciliation>, AppError> {
    params.only(&PARAMETERS)?;
    let expected = "a month as `YYYY-MM`, for example `2026-10`";
    let period = params.period()?.ok_or(AppError::MissingParameter { name: "period", expected })?;
    Ok(Json(app.engine().reconcile(&request(&params, period)?).await?))
}
