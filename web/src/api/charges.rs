//! `/api/v1/charges`

use axum::Json;
use axum::extract::State;
use paygrain_query::Bill;

use crate::app::App;
use crate::bill_query::{BillQuery, PARAMETERS};
use crate::error::AppError;
use crate::params::Params;

/// `GET`: the bill of a month, in the shape of `paygrain bill --format json`.
pub async fn list(State(app): State<App>, params: Params) -> Result<Json<Bill>, AppError> {
    params.only(&PARAMETERS)?;
    let expected = "a month as `YYYY-MM`, for example `2026-10`";
    let period = params.period()?.ok_or(AppError::MissingParameter { name: "period", expected })?;
    let query = BillQuery::read(&params, period)?;
    let mut bill = app.engine().bill(&query.request).await?;
    bill.groups.retain(|group| query.shows(group));
    Ok(Json(bill))
}
