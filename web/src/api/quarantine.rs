//! `/api/v1/quarantine`

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::AppError;
use crate::pages::quarantine::Answer;
use crate::params::Params;

/// `GET`: the rows that were refused, of every upload.
pub async fn show(State(app): State<App>, params: Params) -> Result<Json<Value>, AppError> {
    let Answer { request, found, .. } = Answer::of(&app, &params).await?;
    Ok(Json(json!({
        "offset": request.offset, "total": found.total, "reasons": found.reasons, "rejected": found.rows,
    })))
}
