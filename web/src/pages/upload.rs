//! `/uploads/{id}`: what became of an upload, with the rows that were refused.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use paygrain_query::{RejectedRowView, UploadRow};

use super::Window;
use crate::app::App;
use crate::error::{AppError, html};
use crate::filters;
use crate::params::Params;

/// Rejected rows on one page.
const LIMIT: u64 = 100;

#[derive(Template)]
#[template(path = "upload.html")]
struct Page {
    upload: UploadRow,
    rejected: Vec<RejectedRowView>,
    window: Window,
}

/// `GET /uploads/{id}`
pub async fn page(State(app): State<App>, Path(id): Path<String>, params: Params) -> Result<Response, AppError> {
    let Some(upload) = app.engine().upload(&id).await? else { return Err(AppError::NoSuchUpload { id }) };
    let offset = params.number("offset")?.unwrap_or(0);
    let rejected = app.engine().rejected_rows(&id, offset, LIMIT).await?;
    let url = format!("/uploads/{}?offset=", filters::encode(&id));
    let window = Window { offset, limit: LIMIT, total: upload.rejected, url };
    html(&Page { upload, rejected, window })
}
