//! What a request can end with instead of an answer, and how it is told: a page for people, problem details for programs.
//!
//! Handlers return [`AppError`]; [`render_errors`] words it once, for whoever asked. The cause of a 500 goes to the log
//! with an id, and only the id to the user.

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use paygrain_ingest::IngestError;
use paygrain_pricing::EstimateError;
use paygrain_query::QueryError;
use paygrain_replay::description::DescriptionError;
use paygrain_replay::{CompareError, JobError};
use serde::Serialize;
use thiserror::Error;

use crate::filters;

/// When to come again where too much was asked at once, in seconds.
const RETRY_AFTER_S: &str = "1";

/// Why a request has no answer.
#[derive(Debug, Error)]
pub enum AppError {
    #[error("there is no page `{path}`")]
    NoSuchPage { path: String },
    #[error("there is no scenario `{name}`")]
    NoSuchScenario { name: String, near: Option<String> },
    #[error("there is no upload `{id}`")]
    NoSuchUpload { id: String },
    #[error("there is no price book `{name}`")]
    NoSuchPriceBook { name: String, near: Option<String> },
    #[error("{}", if *refused == 0 { "no row of the upload was refused".into() } else { format!("the original bytes of the {refused} refused rows were not kept") })]
    NothingKept { refused: u64 },
    #[error("`{path}` does not answer to {method}")]
    MethodNotAllowed { method: String, path: String },
    #[error("`{name}` is `{value}`, expected {expected}")]
    BadParameter { name: String, value: String, expected: String },
    #[error("`{name}` is missing, expected {expected}")]
    MissingParameter { name: &'static str, expected: &'static str },
    #[error("there is no parameter `{name}`; there are {}", known.join(", "))]
    NoSuchParameter { name: String, known: Vec<&'static str> },
    #[error("the request cannot be read: {problem}")]
    BadBody { problem: String },
    #[error("the form names no file")]
    NoFile,
    #[error("there are no recorded executions to compare")]
    NoExecutions,
    #[error("no value was given")]
    NothingToSet,
    #[error("the upload is larger than {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("no bytes of the upload came for {idle_s} seconds")]
    SenderGone { idle_s: u64 },
    #[error("{what}")]
    Busy { what: String },
    #[error("{problem}")]
    NotWritten { problem: String },
    #[error("this server takes no events")]
    NoEvents,
    #[error("the {what} is `{found}`")]
    UnsupportedMedia { what: &'static str, found: String },
    #[error("the answer took longer than {limit_ms} ms")]
    Timeout { limit_ms: u64 },
    #[error("a request from another site was refused")]
    CrossSite,
    #[error("`{host}` is not a name of this server")]
    WrongHost { host: String },
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error(transparent)]
    Description(#[from] Box<DescriptionError>),
    #[error(transparent)]
    Ingest(#[from] IngestError),
    #[error(transparent)]
    Estimate(#[from] EstimateError),
    #[error("{cause}")]
    Internal { cause: String },
}

/// An error as it is told. Serialises as the members of RFC 9457 problem details.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Identifies the kind of problem; we give no more than the status does.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The kind of problem in a few words.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What happened, with the value and what was expected.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Of an internal error: find its cause in the log with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl AppError {
    /// The error as it is told. The cause of an internal error is logged here, once.
    pub fn report(&self) -> Report {
        let status = self.status();
        let title = title(status);
        let (kind, status) = ("about:blank", status.as_u16());
        if status == 500 {
            let id = uuid::Uuid::new_v4().simple().to_string();
            tracing::error!(error_id = %id, cause = %self, "a request failed");
            let detail = "something went wrong on our side".into();
            let hint = Some(format!("the log of the server has the cause under the id {id}"));
            return Report { kind, title, status, detail, hint, id: Some(id) };
        }
        Report { kind, title, status, detail: self.to_string(), hint: self.hint(), id: None }
    }

    /// What happened and what to do, in words for people; nothing is logged.
    pub fn told(&self) -> (String, Option<String>) {
        match self.status() {
            StatusCode::INTERNAL_SERVER_ERROR => ("something went wrong on our side".into(), None),
            _ => (self.to_string(), self.hint()),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPage { .. }
            | Self::NoSuchScenario { .. }
            | Self::NoSuchUpload { .. }
            | Self::NoSuchPriceBook { .. }
            | Self::NothingKept { .. }
            | Self::NoExecutions
            | Self::Query(
                QueryError::NoSuchCharge { .. }
                | QueryError::NoSuchBill { .. }
                | QueryError::NoSuchRevision { .. }
                | QueryError::NotClosed { .. }
                | QueryError::NoSuchView { .. },
            ) => StatusCode::NOT_FOUND,
            Self::Query(QueryError::ClosedOtherwise { .. } | QueryError::ClosedMeanwhile { .. }) => {
                StatusCode::CONFLICT
            }
            Self::Query(QueryError::NothingToClose { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadParameter { .. }
            | Self::MissingParameter { .. }
            | Self::NoSuchParameter { .. }
            | Self::BadBody { .. }
            | Self::NoFile
            | Self::NothingToSet
            | Self::Job(_)
            | Self::Description(_)
            | Self::Query(
                QueryError::NoSuchDimension { .. }
                | QueryError::NoSuchChoice { .. }
                | QueryError::BadValue { .. }
                | QueryError::NoSuchName { .. }
                | QueryError::NoDeployment
                | QueryError::BadSql { .. },
            ) => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SenderGone { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Busy { .. }
            | Self::Query(QueryError::Busy { .. } | QueryError::BusyTooLong { .. } | QueryError::SqlBusy { .. }) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Query(QueryError::SqlTimeout { .. }) => StatusCode::GATEWAY_TIMEOUT,
            Self::Query(QueryError::SqlTooLarge { .. }) => StatusCode::INSUFFICIENT_STORAGE,
            Self::UnsupportedMedia { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Timeout { .. } | Self::NotWritten { .. } | Self::NoEvents => StatusCode::SERVICE_UNAVAILABLE,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::WrongHost { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::Query(QueryError::Compare(error)) if matches!(**error, CompareError::Assumption(_)) => {
                StatusCode::BAD_REQUEST
            }
            Self::Query(
                QueryError::ManyCurrencies { .. }
                | QueryError::Overflow { .. }
                | QueryError::TooLarge { .. }
                | QueryError::TooManyRuns { .. }
                | QueryError::Compare(_)
                | QueryError::RightSize(_)
                | QueryError::Deployments { .. },
            )
            | Self::Estimate(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Ingest(error) | Self::Query(QueryError::Lake(error)) => ingest_status(error),
            Self::Query(_) | Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoSuchPage { .. } => {
                "there are the overview `/`, cost `/explore`, resources `/resources`, the bill `/bill`, the reconciliation `/reconcile`, the comparisons `/compare`, `/what-if`, `/what-if/memory` and `/scenarios`, uploads `/uploads`, price books `/price-books`, the settings `/settings`, SQL `/sql` and the API `/api`".into()
            }
            Self::NoSuchScenario { near: Some(near), .. } => format!("did you mean `{near}`?"),
            Self::NoSuchScenario { .. } => "the list at `/scenarios` has the names of those that exist".into(),
            Self::NoSuchUpload { .. } => "the list of uploads has the ids of those that exist".into(),
            Self::NoSuchPriceBook { near: Some(near), .. } => format!("did you mean `{near}`?"),
            Self::NoSuchPriceBook { .. } => "the list `/price-books` has those in force".into(),
            Self::NothingKept { refused: 0 } => return None,
            Self::NothingKept { .. } => {
                "they are too large, or came in a way that keeps only their beginning; the page of the upload has their places in the file".into()
            }
            Self::BadBody { .. } => return None,
            Self::NoFile => "choose at least one file and send the form again".into(),
            Self::NoExecutions => "bring logs in with `PUT /api/v1/uploads/{name}`, or describe a workload with `POST`".into(),
            Self::NothingToSet => "fill in at least one field, for example a region".into(),
            Self::TooLarge { .. } => {
                "split or compress the file, or use `paygrain ingest` on the machine itself".into()
            }
            Self::SenderGone { .. } => "send the file again; nothing of it was kept".into(),
            Self::Busy { .. } => "send the request again after the time in `Retry-After`; repeating events is harmless".into(),
            Self::NotWritten { .. } => "none of these events was taken; see to the disk of the lake, then send them again".into(),
            Self::NoEvents => "`paygrain serve` takes events".into(),
            Self::UnsupportedMedia { what: "content type of the query", .. } => "send `application/json`, `application/sql` or `text/plain`".into(),
            Self::UnsupportedMedia { what: "content type", .. } => "send `application/cloudevents+json`, `application/cloudevents-batch+json`, `application/x-ndjson` or `application/json`, or attributes in `ce-` headers".into(),
            Self::UnsupportedMedia { .. } => "send the body uncompressed".into(),
            Self::Timeout { .. } => "ask for less at once, for example fewer dimensions".into(),
            Self::CrossSite => "open the page on this server itself and repeat the action there".into(),
            Self::WrongHost { .. } => "use the address that the server printed when it started".into(),
            Self::Query(QueryError::NoSuchCharge { .. }) => {
                "the bill of the month links to every charge that exists".into()
            }
            Self::Query(QueryError::ManyCurrencies { .. }) => "ask for one provider at a time with `provider=`".into(),
            Self::Query(QueryError::Lake(error)) | Self::Ingest(error) => return ingest_hint(error),
            Self::Query(error) => return error.hint(),
            Self::Estimate(error) => return error.hint(),
            Self::Job(error) => return error.hint(),
            Self::Description(error) => return error.hint(),
            Self::MethodNotAllowed { .. }
            | Self::BadParameter { .. }
            | Self::MissingParameter { .. }
            | Self::NoSuchParameter { .. }
            | Self::Internal { .. } => return None,
        })
    }
}

fn ingest_status(error: &IngestError) -> StatusCode {
    match error {
        IngestError::NoSuchFormat { .. } | IngestError::BadDefaults { .. } => StatusCode::BAD_REQUEST,
        IngestError::UnknownFormat { .. }
        | IngestError::AmbiguousFormat { .. }
        | IngestError::Empty
        | IngestError::WrongColumns { .. }
        | IngestError::BadArchive { .. }
        | IngestError::OutsideArchive { .. }
        | IngestError::BadParquet { .. }
        | IngestError::PartsMissing { .. }
        | IngestError::NeedsMapping { .. }
        | IngestError::NotReadable { .. }
        | IngestError::BadCompression { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        IngestError::TooLarge { .. } | IngestError::Bomb { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        IngestError::Cancelled => StatusCode::CONFLICT,
        IngestError::Contention { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The hints of `ingest` name flags of the command; here the same choice is a field or a parameter.
fn ingest_hint(error: &IngestError) -> Option<String> {
    Some(match error {
        IngestError::UnknownFormat { .. } => {
            "the upload page lists the formats; if it is one of them, choose it there or add `?format=NAME`".into()
        }
        IngestError::AmbiguousFormat { candidates } => {
            let reasons: Vec<_> = candidates.iter().map(|(name, because)| format!("{name} ({because})")).collect();
            format!("choose one on the upload page, or add `?format=NAME`: {}", reasons.join(" or "))
        }
        IngestError::NoSuchFormat { .. } => "the upload page describes them".into(),
        IngestError::TooLarge { .. } => "split the file".into(),
        IngestError::BadCompression { .. } => {
            "copy or download the file again; nothing of it was kept, so it can simply be uploaded once it is whole"
                .into()
        }
        IngestError::Bomb { .. } => "if the file is what you expect, decompress it first and upload the result".into(),
        IngestError::Contention { .. } => "upload the file again; nothing of it was kept".into(),
        other => return other.hint(),
    })
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "That request makes no sense to us",
        StatusCode::FORBIDDEN => "Refused",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::METHOD_NOT_ALLOWED => "Method not allowed",
        StatusCode::REQUEST_TIMEOUT => "The upload stopped",
        StatusCode::PAYLOAD_TOO_LARGE => "Too large",
        StatusCode::MISDIRECTED_REQUEST => "Wrong address",
        StatusCode::TOO_MANY_REQUESTS => "Too many at once",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "Not a type we read",
        StatusCode::UNPROCESSABLE_ENTITY => "That cannot be processed",
        StatusCode::SERVICE_UNAVAILABLE => "Not possible right now",
        StatusCode::GATEWAY_TIMEOUT => "Not done in time",
        StatusCode::INSUFFICIENT_STORAGE => "Needs more than it may have",
        _ => "Something went wrong",
    }
}

impl Report {
    /// Status and headers of the response that tells it.
    pub fn head(&self) -> (StatusCode, HeaderMap) {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::new();
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        (status, headers)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let report = self.report();
        let mut response = report.head().into_response();
        response.extensions_mut().insert(report);
        response
    }
}

/// Words the error of a response, if it has one, for whoever asked.
pub async fn render_errors(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let Some(report) = response.extensions_mut().remove::<Report>() else { return response };
    let (content_type, body) = if is_api { ("application/problem+json", problem(&report)) } else { page(&report) };
    let mut told = (response.status(), body).into_response();
    told.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = response.headers_mut().remove(&name) {
            told.headers_mut().insert(name, value);
        }
    }
    told
}

fn problem(report: &Report) -> String {
    serde_json::to_string_pretty(report).unwrap_or_default()
}

fn page(report: &Report) -> (&'static str, String) {
    match (ErrorPage { report }).render() {
        Ok(html) => ("text/html; charset=utf-8", html),
        Err(_) => ("text/plain; charset=utf-8", format!("{}: {}\n", report.title, report.detail)),
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    report: &'a Report,
}

/// A page, rendered.
///
/// # Errors
/// When the template fails, which only our own mistake can cause.
pub fn html(page: &impl Template) -> Result<Response, AppError> {
    match page.render() {
        Ok(html) => Ok(Html(html).into_response()),
        Err(error) => Err(AppError::Internal { cause: format!("a template failed: {error}") }),
    }
}
