//! `/uploads/{id}`: what became of an upload, what its rows still need, and the rows that were refused.

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use paygrain_ingest::Defaults;
use paygrain_ingest::lake::{Declaration, DeclarationScope};
use paygrain_query::{Advice, RejectedFacts, RejectedRowView, UploadRow};

use super::Window;
use crate::app::App;
use crate::error::{AppError, Report, html};
use crate::filters;
use crate::metadata::declare;
use crate::params::{Params, bad};

/// Rejected rows on one page.
const LIMIT: u64 = 100;

#[derive(Template)]
#[template(path = "upload.html")]
struct Page {
    upload: UploadRow,
    advice: Advice,
    rejected: Vec<RejectedRowView>,
    facts: RejectedFacts,
    window: Window,
    /// What was supplied for this upload, in words.
    supplied: Vec<String>,
    /// Whether something was supplied just now.
    saved: bool,
    /// What was filled in and could not be taken, and why.
    form: Params,
    problem: Option<Report>,
}

/// `GET /uploads/{id}`
pub async fn page(State(app): State<App>, Path(id): Path<String>, params: Params) -> Result<Response, AppError> {
    html(&Page::of(&app, id, &params).await?)
}

/// `POST /uploads/{id}/metadata`: supplies values for the rows of the upload.
pub async fn set_metadata(
    State(app): State<App>,
    Path(id): Path<String>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, AppError> {
    let form: Params =
        form.map_err(|rejection| AppError::BadBody { problem: rejection.body_text() })?.0.into_iter().collect();
    let declared = match declaration(&id, &form) {
        Ok(declaration) => declare(&app, &[declaration]).await,
        Err(error) => Err(error),
    };
    match declared {
        Ok(()) => Ok(Redirect::to(&format!("/uploads/{}?saved=1#metadata", filters::encode(&id))).into_response()),
        Err(error @ AppError::NoSuchUpload { .. }) => Err(error),
        Err(error) => {
            let report = error.report();
            let (status, headers) = report.head();
            let page = Page { form, problem: Some(report), ..Page::of(&app, id, &Params::default()).await? };
            Ok((status, headers, html(&page)?).into_response())
        }
    }
}

/// What the form says.
fn declaration(upload_id: &str, form: &Params) -> Result<Declaration, AppError> {
    form.only(&["resource", "account", "region", "architecture", "package_type", "memory_mb", "overrides"])?;
    let memory_mb = match form.get("memory_mb") {
        Some(text) => Some(text.parse().map_err(|_| bad("memory_mb", text, "a whole number of MB"))?),
        None => None,
    };
    let values = Defaults {
        resource: form.text("resource"),
        account: form.text("account"),
        region: form.text("region"),
        architecture: form.text("architecture"),
        package_type: form.text("package_type"),
        memory_mb,
        ..Defaults::default()
    };
    let scope = DeclarationScope { upload_id: Some(upload_id.to_owned()), ..DeclarationScope::default() };
    Ok(Declaration {
        scope,
        values,
        overrides: form.get("overrides").is_some(),
        declared_at_us: chrono::Utc::now().timestamp_micros(),
    })
}

impl Page {
    async fn of(app: &App, id: String, params: &Params) -> Result<Self, AppError> {
        let engine = app.engine();
        let Some(upload) = engine.upload(&id).await? else { return Err(AppError::NoSuchUpload { id }) };
        let offset = params.number("offset")?.unwrap_or(0);
        let (rejected, facts) = match upload.rejected {
            0 => (Vec::new(), RejectedFacts::default()),
            _ => (engine.rejected_rows(&id, offset, LIMIT).await?, engine.rejected_facts(&id).await?),
        };
        let url = format!("/uploads/{}?offset=", filters::encode(&id));
        let window = Window { offset, limit: LIMIT, total: upload.rejected, url };
        let mut declarations = engine.lake().declarations().await?;
        declarations.retain(|declaration| declaration.scope.upload_id.as_ref() == Some(&id));
        Ok(Self {
            advice: engine.advice(&upload).await?,
            upload,
            rejected,
            facts,
            window,
            supplied: declarations.iter().map(supplied).collect(),
            saved: params.get("saved").is_some(),
            form: Params::default(),
            problem: None,
        })
    }

    /// What was filled in.
    fn filled(&self, name: &str) -> &str {
        self.form.get(name).unwrap_or_default()
    }

    /// Rows that were refused and whose bytes cannot be downloaded.
    fn lost(&self) -> u64 {
        self.facts.lost()
    }
}

/// `region eu-west-1, memory_mb 512`.
fn supplied(declaration: &Declaration) -> String {
    let stated = declaration.stated().map(|(column, value)| format!("{column} `{value}`"));
    let over = if declaration.overrides { ", also where the log says otherwise" } else { "" };
    format!("{}{over}", stated.collect::<Vec<_>>().join(", "))
}
