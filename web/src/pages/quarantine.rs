//! `/quarantine`: the rows that were refused, of every upload: why, where, and their original bytes to mend.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use paygrain_ingest::lake::UploadRow;
use paygrain_query::{Quarantine, QuarantineReason, QuarantineRequest, RejectedRowView};

use super::Window;
use crate::app::App;
use crate::csv_text::{CsvText, words};
use crate::error::{AppError, html};
use crate::filters::{self, encode};
use crate::params::Params;

/// Rows of an answer when the URL does not say.
const LIMIT_DEFAULT: u64 = 100;
/// Rows of an answer at most.
const LIMIT_MAX: u64 = 10_000;

/// What is asked, and the answer.
pub struct Answer {
    /// What was asked.
    pub request: QuarantineRequest,
    /// The rows.
    pub found: Quarantine,
    /// Uploads with refused rows, latest first.
    pub uploads: Vec<UploadRow>,
}

impl Answer {
    /// The answer to a URL.
    pub async fn of(app: &App, params: &Params) -> Result<Self, AppError> {
        params.only(&["upload", "q", "offset", "limit"])?;
        let (offset, limit) = params.window(LIMIT_DEFAULT, LIMIT_MAX)?;
        let request = QuarantineRequest { upload_id: params.text("upload"), words: params.text("q"), offset, limit };
        if let Some(id) = &request.upload_id
            && app.engine().upload(id).await?.is_none()
        {
            return Err(AppError::NoSuchUpload { id: id.clone() });
        }
        let mut uploads = app.engine().uploads().await?;
        uploads.retain(|upload| upload.rejected > 0);
        let found = match uploads.is_empty() {
            true => Quarantine { total: 0, reasons: Vec::new(), rows: Vec::new() },
            false => app.engine().quarantine(&request).await?,
        };
        Ok(Self { request, found, uploads })
    }
}

/// A row as it is shown.
struct Row {
    upload_id: String,
    file: String,
    /// The column or member that the reason is about, where it begins with one.
    column: Option<String>,
    row: RejectedRowView,
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct Page {
    query: String,
    typed: String,
    /// The upload asked for.
    upload: Option<UploadRow>,
    reasons: Vec<QuarantineReason>,
    rows: Vec<Row>,
    total: u64,
    uploads: Vec<UploadRow>,
    window: Window,
}

impl Page {
    fn reason_url(&self, reason: &QuarantineReason) -> String {
        let upload = self.upload.as_ref().map_or(String::new(), |upload| format!("upload={}&", encode(&upload.id)));
        // Reasons are long; their first words are enough, and each must fit.
        let words = reason.reason.split_whitespace().filter(|word| !word.contains('…')).take(20);
        format!("/quarantine?{upload}q={}", encode(&words.collect::<Vec<_>>().join(" ")))
    }

    /// Refused rows of all uploads.
    fn refused(&self) -> u64 {
        self.uploads.iter().map(|upload| upload.rejected).sum()
    }
}

/// The name that a reason begins with: `Duration` of "`Duration` is `7,x`, expected a decimal number".
fn column_of(reason: &str) -> Option<String> {
    let (name, rest) = reason.strip_prefix('`')?.split_once('`')?;
    let is_about = [" is ", " cannot ", " has ", " must "].iter().any(|verb| rest.starts_with(verb));
    (is_about && !name.is_empty()).then(|| name.to_owned())
}

fn url_query(request: &QuarantineRequest) -> String {
    let part = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}={}", encode(value)));
    let parts = [part("upload", &request.upload_id), part("q", &request.words)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("&")
}

/// `GET /quarantine`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let Answer { request, found, mut uploads } = Answer::of(&app, &params).await?;
    let names: BTreeMap<String, String> =
        uploads.iter().map(|upload| (upload.id.clone(), upload.name.clone())).collect();
    let file = |id: &str| names.get(id).cloned().unwrap_or_else(|| id.chars().take(12).collect());
    let rows = found.rows.into_iter().map(|one| Row {
        file: file(&one.upload_id),
        upload_id: one.upload_id,
        column: column_of(&one.row.reason),
        row: one.row,
    });
    let query = url_query(&request);
    let mut url = format!("/quarantine?{query}{}", if query.is_empty() { "" } else { "&" });
    if request.limit != LIMIT_DEFAULT {
        url += &format!("limit={}&", request.limit);
    }
    let upload = match &request.upload_id {
        Some(id) => uploads.iter().find(|upload| upload.id == *id).cloned().or(app.engine().upload(id).await?),
        None => None,
    };
    if let Some(asked) = &upload {
        uploads.retain(|upload| upload.id == asked.id);
    }
    html(&Page {
        rows: rows.collect(),
        query,
        typed: request.words.unwrap_or_default(),
        upload,
        reasons: found.reasons,
        total: found.total,
        uploads,
        window: Window {
            offset: request.offset,
            limit: request.limit,
            total: found.total,
            url: format!("{url}offset="),
        },
    })
}

/// `GET /quarantine.csv`: as many rows as fit an answer.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let limit = [("limit".to_owned(), params.get("limit").map_or(LIMIT_MAX.to_string(), str::to_owned))];
    let params = params.into_pairs().into_iter().filter(|(name, _)| name != "limit").chain(limit).collect();
    let answer = Answer::of(&app, &params).await?;
    let name = |id: &str| answer.uploads.iter().find(|upload| upload.id == id).map(|upload| upload.name.as_str());
    let mut text = CsvText::new(["upload", "file", "line", "byte_offset", "column", "reason", "excerpt"])?;
    for one in &answer.found.rows {
        text.row([
            words(&one.upload_id),
            words(name(&one.upload_id).unwrap_or_default()),
            one.row.line.map(|line| line.to_string()).unwrap_or_default(),
            one.row.byte_offset.to_string(),
            column_of(&one.row.reason).as_deref().map(words).unwrap_or_default(),
            words(&one.row.reason),
            words(&one.row.excerpt),
        ])?;
    }
    text.download("paygrain-quarantine.csv")
}

#[cfg(test)]
mod tests {
    use super::column_of;

    #[test]
    fn the_column_is_what_the_reason_is_about() {
        for (reason, column) in [
            ("`Duration` is `7,x`, expected a decimal number", Some("Duration")),
            ("`credits` cannot be read: expected `,` or `}`", Some("credits")),
            ("expected an ISO 8601 time", None),
            ("`", None),
            ("``is", None),
            ("`a` and `b` differ", None),
        ] {
            assert_eq!(column_of(reason).as_deref(), column, "{reason}");
        }
    }
}
