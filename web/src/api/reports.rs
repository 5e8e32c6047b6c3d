//! `/api/v1/reports`

use axum::Json;
use axum::extract::{Path, State};
use paygrain_query::{REPORTS, ReportAnswer, ReportInfo};

use crate::app::App;
use crate::error::AppError;
use crate::params::Params;

/// `GET`: the reports there are, with their parameters.
pub async fn list(params: Params) -> Result<Json<[ReportInfo; REPORTS.len()]>, AppError> {
    params.only(&[])?;
    Ok(Json(REPORTS))
}

/// `GET /{name}`: a report, in the shape of `paygrain report NAME --format json`.
pub async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Json<ReportAnswer>, AppError> {
    Ok(Json(app.engine().report(&name, &params.into_pairs()).await?))
}
