//! `/api/v1/settings`

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::App;
use crate::declared::{limits, own_books};
use crate::error::AppError;
use crate::params::Params;

/// `GET`: what this server was told when it started. Metadata has a resource of its own.
pub async fn show(State(app): State<App>, params: Params) -> Result<Json<Value>, AppError> {
    params.only(&[])?;
    let engine = app.engine();
    Ok(Json(json!({
        "lake": engine.lake().name(),
        "limits": limits(&app),
        "own_price_books": own_books(engine.catalogue()),
        "agreement": engine.agreement(),
    })))
}
