//! `/api/v1/bills`: bills that were issued, and issuing one.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use paygrain_query::{CloseRequest, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::AppError;
use crate::params::{Params, bad};

/// `GET`: every bill, by period, provider and revision.
pub async fn list(State(app): State<App>, params: Params) -> Result<Json<Value>, AppError> {
    params.only(&[])?;
    Ok(Json(json!({ "bills": app.engine().bills().await? })))
}

/// `GET …/{id}`: the document of a bill, byte for byte as it was issued.
pub async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Response, AppError> {
    let bill = app.engine().stored_bill(&id).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bill.document).into_response())
}

/// What to close.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    period: String,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

/// `POST`: closes a period. 201 with the bill's address; 200 when there was nothing to correct, or with `dry_run`.
pub async fn create(State(app): State<App>, body: Result<Bytes, BytesRejection>) -> Result<Response, AppError> {
    let body = body.map_err(|rejection| AppError::BadBody { problem: rejection.body_text() })?;
    let body: Body = serde_json::from_slice(&body).map_err(|error| AppError::BadBody { problem: error.to_string() })?;
    let expected = "a month as `YYYY-MM`, for example `2026-10`";
    let period = body.period.parse().map_err(|_| bad("period", &body.period, expected))?;
    let request = CloseRequest { provider: body.provider, dry_run: body.dry_run, ..CloseRequest::new(period) };
    let closing = app.engine().close(&request).await?;
    let location = [(header::LOCATION, format!("/api/v1/bills/{}", closing.bill.id))];
    match closing.outcome {
        Outcome::Issued => Ok((StatusCode::CREATED, location, Json(closing)).into_response()),
        Outcome::WouldIssue | Outcome::NothingToCorrect => Ok(Json(closing).into_response()),
    }
}
