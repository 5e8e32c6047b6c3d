//! `/api/v1/periods`

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::AppError;
use crate::params::Params;

/// `GET`: the months that have usage, latest first.
pub async fn list(State(app): State<App>, params: Params) -> Result<Json<Value>, AppError> {
    params.only(&[])?;
    Ok(Json(json!({ "periods": app.engine().periods().await? })))
}
