//! `/api/v1/metadata`: what logs do not say, supplied after they were ingested.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use paygrain_ingest::Defaults;
use paygrain_ingest::lake::{Declaration, DeclarationScope};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::AppError;
use crate::metadata::declare;
use crate::params::Params;

/// Entries in one request at most.
const ENTRIES_MAX: usize = 10_000;

/// What to supply, in the shape in which it is listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: Option<String>,
    service: Option<String>,
    upload_id: Option<String>,
    resource: Option<String>,
    values: Defaults,
    #[serde(default)]
    overrides: bool,
    /// Listed, but what is supplied now is supplied now.
    #[serde(default, rename = "declared_at_us")]
    _declared_at_us: Option<i64>,
}

/// `GET`: everything supplied so far, in the order it was.
pub async fn list(State(app): State<App>, params: Params) -> Result<Json<Value>, AppError> {
    params.only(&[])?;
    Ok(Json(json!({ "metadata": app.engine().lake().declarations().await? })))
}

/// `POST`: supplies values for rows of a scope, all of them or none. One entry, or `{"metadata": [entry, …]}`.
pub async fn create(State(app): State<App>, body: Result<Bytes, BytesRejection>) -> Result<Response, AppError> {
    let body = body.map_err(|rejection| AppError::BadBody { problem: rejection.body_text() })?;
    let unreadable = |error: serde_json::Error| AppError::BadBody { problem: error.to_string() };
    let mut body: Value = serde_json::from_slice(&body).map_err(unreadable)?;
    let entries: Vec<Entry> = match body.get_mut("metadata") {
        Some(entries) => serde_json::from_value(entries.take()).map_err(unreadable)?,
        None => vec![serde_json::from_value(body).map_err(unreadable)?],
    };
    if entries.is_empty() || entries.len() > ENTRIES_MAX {
        let problem = format!("it has {} entries, expected 1 to {ENTRIES_MAX}", entries.len());
        return Err(AppError::BadBody { problem });
    }
    let declared_at_us = chrono::Utc::now().timestamp_micros();
    let mut declarations = Vec::new();
    for entry in entries {
        let Entry { provider, service, upload_id, resource, values, overrides, .. } = entry;
        if !values.resources.is_empty() || values.held_days.is_some() {
            let problem = "`resources` and `held_days` count when a file is ingested, not later".to_owned();
            return Err(AppError::BadBody { problem });
        }
        let scope = DeclarationScope { provider, service, upload_id, resource };
        declarations.push(Declaration { scope, values, overrides, declared_at_us });
    }
    declare(&app, &declarations).await?;
    Ok((StatusCode::CREATED, Json(json!({ "metadata": declarations }))).into_response())
}
