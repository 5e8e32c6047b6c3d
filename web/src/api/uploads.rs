//! `/api/v1/uploads`

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use paygrain_query::{Advice, UploadRow};
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::AppError;
use crate::params::Params;
use crate::submission;

/// In the place of an id: the uploads on their way. Ids are hexadecimal, so none is called so.
const RUNNING: &str = "running";
/// In the place of an id: files that did not land.
const FAILED: &str = "failed";
/// How many refused rows are not in the answer, because their bytes were not kept.
const LEFT_OUT: HeaderName = HeaderName::from_static("paygrain-rows-left-out");
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
    let (mut uploads, mut failed) = (Vec::new(), Vec::new());
    for outcome in submission::receive(&app, &name, &params, &headers, body.into_data_stream()).await? {
        match outcome.result {
            Ok(landed) => uploads.push(landed),
            Err(error) => failed.push((outcome.name, error)),
        }
    }
    let Some(first) = uploads.first() else {
        return match failed.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Err(AppError::NoFile),
        };
    };
    let status =
        if uploads.iter().all(|upload| upload.result.already_loaded) { StatusCode::OK } else { StatusCode::CREATED };
    let location = [(header::LOCATION, format!("/api/v1/uploads/{}", first.result.id))];
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

/// An upload as it is told: its row in the ledger, and what its rows still need.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    upload: UploadRow,
    advice: Advice,
}

/// `GET`: every upload, latest first, without what is in it.
pub async fn list(State(app): State<App>, params: Params) -> Result<Json<Value>, AppError> {
    params.only(&[])?;
    let mut uploads = app.engine().uploads().await?;
    uploads.iter_mut().for_each(|upload| upload.summary = None);
    Ok(Json(json!({ "uploads": uploads })))
}

/// `GET …/{id}`: one upload; `GET …/running`: those on their way; `GET …/failed`: files that did not land.
pub async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Response, AppError> {
    if id == RUNNING {
        return Ok(Json(json!({ "running": app.running().list() })).into_response());
    }
    if id == FAILED {
        return Ok(Json(json!({ "failed": app.failures().list() })).into_response());
    }
    let Some(upload) = app.engine().upload(&id).await? else { return Err(AppError::NoSuchUpload { id }) };
    let advice = app.engine().advice(&upload).await?;
    Ok(Json(Shown { upload, advice }).into_response())
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

/// `GET …/{id}/rejected/original`: the rows that were refused, as they were, to be mended and sent again.
pub async fn rejected_original(State(app): State<App>, Path(id): Path<String>) -> Result<Response, AppError> {
    let Some(upload) = app.engine().upload(&id).await? else { return Err(AppError::NoSuchUpload { id }) };
    let originals = app.engine().rejected_originals(&upload).await?;
    if originals.facts.kept == 0 {
        return Err(AppError::NothingKept { refused: originals.facts.rows });
    }
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", originals.file_name)),
        (LEFT_OUT, originals.facts.lost().to_string()),
    ];
    let pieces = stream::try_unfold(originals, |mut originals| async move {
        let piece = originals.next_piece().await.map_err(AppError::from)?;
        Ok::<_, AppError>(piece.map(|piece| (piece, originals)))
    });
    Ok((headers, Body::from_stream(pieces)).into_response())
}
