//! `/api/v1/uploads`

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use paygrain_query::UploadRow;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::AppError;
use crate::params::Params;
use crate::receive::{Budget, to_file};
use crate::submission;

/// Rejected rows in one answer when the URL does not say.
const LIMIT_DEFAULT: u64 = 100;
/// Rejected rows in one answer at most.
const LIMIT_MAX: u64 = 10_000;

/// `PUT …/{name}`: the raw bytes of one file or archive. 201 with its address; 200 when the lake had all of it already.
/// Members of an archive that do not land are listed; when nothing lands, the first reason is the answer.
pub async fn create(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, AppError> {
    params.only(&submission::PARAMETERS)?;
    let options = submission::options(&params)?;
    let mut budget = Budget::new(app.config().upload_bytes_max, &headers)?;
    let file = to_file(body.into_data_stream(), &mut budget).await?;
    let (mut uploads, mut failed) = (Vec::new(), Vec::new());
    for outcome in submission::submit(&app, &name, file.path(), &options).await {
        match outcome.result {
            Ok(result) => uploads.push(result),
            Err(error) => failed.push((outcome.name, AppError::from(error))),
        }
    }
    let Some(first) = uploads.first() else {
        return match failed.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Err(AppError::NoFile),
        };
    };
    let status = if uploads.iter().all(|upload| upload.already_loaded) { StatusCode::OK } else { StatusCode::CREATED };
    let location = [(header::LOCATION, format!("/api/v1/uploads/{}", first.id))];
    let mut answer = json!({ "uploads": uploads });
    if !failed.is_empty() {
        let shown = |(name, error): (String, AppError)| {
            let report = error.report();
            json!({ "name": name, "error": report.detail, "hint": report.hint })
        };
        answer["failed"] = failed.into_iter().map(shown).collect();
    }
    Ok((status, location, Json(answer)).into_response())
}

/// `GET`: every upload, latest first.
pub async fn list(State(app): State<App>, params: Params) -> Result<Json<Value>, AppError> {
    params.only(&[])?;
    Ok(Json(json!({ "uploads": app.engine().uploads().await? })))
}

/// `GET …/{id}`: one upload.
pub async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Json<UploadRow>, AppError> {
    match app.engine().upload(&id).await? {
        Some(upload) => Ok(Json(upload)),
        None => Err(AppError::NoSuchUpload { id }),
    }
}

/// `GET …/{id}/rejected`: the rows that were refused.
pub async fn rejected(State(app): State<App>, Path(id): Path<String>, params: Params) -> Result<Json<Value>, AppError> {
    params.only(&["offset", "limit"])?;
    let Some(upload) = app.engine().upload(&id).await? else { return Err(AppError::NoSuchUpload { id }) };
    let offset = params.number("offset")?.unwrap_or(0);
    let limit = params.number("limit")?.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let rows = app.engine().rejected_rows(&id, offset, limit).await?;
    Ok(Json(json!({ "offset": offset, "total": upload.rejected, "rejected": rows })))
}
