//! `/uploads`: send files, and what was sent before. Works without scripts: the form is a plain one.

use askama::Template;
use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartError, MultipartRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use paygrain_ingest::format::FORMATS;
use paygrain_query::{Landed, UploadRow};
use tempfile::NamedTempFile;

use super::{Window, rows_of};
use crate::app::App;
use crate::error::{AppError, Report, html};
use crate::failures::Failure;
use crate::filters;
use crate::params::Params;
use crate::receive::{Budget, to_file};
use crate::running::UploadView;
use crate::search_words::SearchWords;
use crate::submission;

/// Files in one form at most.
const FILE_COUNT_MAX: usize = 1000;
/// Uploads of the list on one page when the URL does not say.
const LIMIT_DEFAULT: u64 = 50;
/// Uploads of the list on one page at most.
const LIMIT_MAX: u64 = 1000;
/// Longest text in a field of the form, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// A format to choose.
struct FormatChoice {
    name: &'static str,
    description: &'static str,
}

#[derive(Template)]
#[template(path = "uploads.html")]
struct Page {
    formats: Vec<FormatChoice>,
    running: Vec<UploadView>,
    failures: Vec<Failure>,
    history: History,
    upload_bytes_max: u64,
    origin: String,
}

/// Uploads so far, as many as were asked for.
struct History {
    uploads: Vec<UploadRow>,
    /// Uploads in all.
    count: u64,
    /// Refused rows of all of them.
    rejected: u64,
    /// Words that were searched for in names and formats.
    words: String,
    /// Only uploads with refused rows.
    only_rejected: bool,
    window: Window,
}

impl History {
    async fn of(app: &App, params: &Params) -> Result<Self, AppError> {
        params.only(&["q", "rejected", "offset", "limit"])?;
        let words = params.text("q").unwrap_or_default();
        let only_rejected = params.get("rejected").is_some();
        let (offset, limit) = params.window(LIMIT_DEFAULT, LIMIT_MAX)?;
        let mut uploads = app.engine().uploads().await?;
        let (count, rejected) = (uploads.len() as u64, uploads.iter().map(|upload| upload.rejected).sum());
        let wanted = SearchWords::new(&words);
        uploads.retain(|upload| {
            (!only_rejected || upload.rejected > 0) && wanted.fit(&format!("{} {}", upload.name, upload.format))
        });
        let total = uploads.len() as u64;
        let uploads = rows_of(uploads, offset, limit).collect();
        let mut url = "/uploads?".to_owned();
        for (name, value) in [("q", &words), ("rejected", &params.text("rejected").unwrap_or_default())] {
            if !value.is_empty() {
                url += &format!("{name}={}&", filters::encode(value));
            }
        }
        if limit != LIMIT_DEFAULT {
            url += &format!("limit={limit}&");
        }
        let window = Window { offset, limit, total, url: format!("{url}offset=") };
        Ok(Self { uploads, count, rejected, words, only_rejected, window })
    }

    /// Whether not all uploads are asked for.
    fn is_narrowed(&self) -> bool {
        self.only_rejected || !self.words.is_empty()
    }
}

/// What became of one file, as it is shown.
struct Shown {
    name: String,
    result: Result<Landed, Report>,
}

#[derive(Template)]
#[template(path = "upload_results.html")]
struct Results {
    outcomes: Vec<Shown>,
}

/// The same without the page around it.
#[derive(Template)]
#[template(path = "outcomes.html")]
struct Outcomes {
    outcomes: Vec<Shown>,
}

/// `GET /uploads`
pub async fn page(State(app): State<App>, params: Params, headers: HeaderMap) -> Result<Response, AppError> {
    let formats =
        FORMATS.iter().map(|format| FormatChoice { name: format.name(), description: format.description() }).collect();
    let host = headers.get(axum::http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    html(&Page {
        formats,
        running: app.running().list(),
        failures: app.failures().list(),
        history: History::of(&app, &params).await?,
        upload_bytes_max: app.config().upload_bytes_max,
        origin: format!("http://{host}"),
    })
}

/// `PUT /uploads/{name}`: one file, as the script of the page sends it; what became of it as a piece of a page, whatever
/// it was.
pub async fn create(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, AppError> {
    let outcomes = match submission::receive(&app, &name, &params, &headers, body.into_data_stream()).await {
        Ok(outcomes) => shown(outcomes),
        Err(error) => vec![Shown { name: submission::plain_name(&name), result: Err(error.report()) }],
    };
    Ok((status(&outcomes), html(&Outcomes { outcomes })?).into_response())
}

/// `POST /uploads`: first the whole form to temporary files, then one file after the other into the lake, so that the
/// order of the fields does not matter.
pub async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, AppError> {
    let mut form = form.map_err(|rejection| AppError::BadBody { problem: rejection.body_text() })?;
    let mut budget = Budget::new(app.config().upload_bytes_max, &headers)?;
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut files: Vec<(String, NamedTempFile)> = Vec::new();
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        let Some(name) = field.file_name().map(str::to_owned) else {
            let field_name = field.name().unwrap_or_default().to_owned();
            fields.push((field_name, short_text(&mut field).await?));
            continue;
        };
        let file = to_file(field, &mut budget).await.inspect_err(|error| {
            app.failures().note(&submission::plain_name(&name), error);
        })?;
        // A browser sends a file without name for a field left empty.
        if name.is_empty() {
            continue;
        }
        if files.len() == FILE_COUNT_MAX {
            return Err(AppError::BadBody { problem: format!("more than {FILE_COUNT_MAX} files in one form") });
        }
        files.push((name, file));
    }
    if files.is_empty() {
        return Err(AppError::NoFile);
    }
    let options = submission::options(&fields.into_iter().collect::<Params>())?;
    let mut outcomes = Vec::new();
    for (name, file) in files {
        let underway = app.running().begin(submission::plain_name(&name), None, None);
        outcomes.extend(shown(submission::submit(&app, underway, &name, file, &options).await));
    }
    Ok((status(&outcomes), html(&Results { outcomes })?).into_response())
}

fn shown(outcomes: Vec<submission::Outcome>) -> Vec<Shown> {
    let shown = |outcome: submission::Outcome| Shown {
        name: outcome.name,
        result: outcome.result.map_err(|error| error.report()),
    };
    outcomes.into_iter().map(shown).collect()
}

/// That of the first failure where nothing landed.
fn status(outcomes: &[Shown]) -> StatusCode {
    if outcomes.iter().any(|outcome| outcome.result.is_ok()) {
        return StatusCode::OK;
    }
    let failed = outcomes.iter().find_map(|outcome| outcome.result.as_ref().err());
    let status = failed.and_then(|report| StatusCode::from_u16(report.status).ok());
    status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY)
}

async fn short_text(field: &mut Field<'_>) -> Result<String, AppError> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        text.extend_from_slice(&chunk);
        if text.len() > TEXT_BYTES_MAX {
            return Err(AppError::BadBody { problem: format!("a field is longer than {TEXT_BYTES_MAX} bytes") });
        }
    }
    String::from_utf8(text).map_err(|_| AppError::BadBody { problem: "a field is not UTF-8".into() })
}

fn broken(error: MultipartError) -> AppError {
    AppError::BadBody { problem: error.body_text() }
}
