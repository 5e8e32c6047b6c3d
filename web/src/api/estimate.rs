//! `/api/v1/estimate`

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use paygrain_pricing::{Estimate, EstimateRequest, estimate};

use crate::app::App;
use crate::error::AppError;

/// `POST`: what described usage would cost.
pub async fn create(State(app): State<App>, body: Result<Bytes, BytesRejection>) -> Result<Json<Estimate>, AppError> {
    let body = body.map_err(|rejection| AppError::BadBody { problem: rejection.body_text() })?;
    let text = str::from_utf8(&body).map_err(|error| AppError::BadBody { problem: error.to_string() })?;
    let request = EstimateRequest::from_json(text)?;
    Ok(Json(estimate(app.engine().catalogue(), request)?))
}
