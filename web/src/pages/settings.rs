//! `/settings`: what this server has been told: prices of one's own, the agreement, accounts, metadata, allowances, limits.
//!
//! Only metadata can be added here; everything else is given when the server starts, and the page says how.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::Utc;
use paygrain_ingest::Defaults;
use paygrain_ingest::lake::{Declaration, DeclarationScope};
use paygrain_pricing::Agreement;

use super::{Window, rows_of};
use crate::app::App;
use crate::declared::{Account, AccountUse, Limit, OwnBook, accounts, limits, own_books, set_metadata_command};
use crate::error::{AppError, Report, html};
use crate::filters;
use crate::metadata::declare;
use crate::params::{Params, bad};
use crate::price_books::AllowanceView;

/// Entries of metadata on one page.
const LIMIT: u64 = 50;

/// The fields of the form.
const FIELDS: [&str; 17] = [
    "of_provider",
    "of_service",
    "of_upload",
    "of_resource",
    "account",
    "region",
    "resource",
    "architecture",
    "package_type",
    "runtime",
    "capacity",
    "storage_class",
    "memory_mb",
    "vcpu_milli",
    "concurrency",
    "ephemeral_mb",
    "overrides",
];

/// A field that holds text: its name, what people call it, an example.
struct Field {
    name: &'static str,
    title: &'static str,
    example: &'static str,
}

const fn field(name: &'static str, title: &'static str, example: &'static str) -> Field {
    Field { name, title, example }
}

const SCOPE_FIELDS: [Field; 4] = [
    field("of_provider", "Provider", "aws"),
    field("of_service", "Service", "lambda"),
    field("of_resource", "Function, bucket or other resource", "resize-image"),
    field("of_upload", "Upload, by its whole id", ""),
];

const VALUE_FIELDS: [Field; 10] = [
    field("account", "Account", "123456789012"),
    field("region", "Region", "eu-west-1"),
    field("resource", "Name of the resource, for an upload without", "nightly-report"),
    field("runtime", "Runtime", "nodejs22.x"),
    field("capacity", "Capacity", "on-demand"),
    field("storage_class", "Storage class", "STANDARD_IA"),
    field("memory_mb", "Memory, in MB", "512"),
    field("vcpu_milli", "CPU, in thousandths of a vCPU", "1000"),
    field("concurrency", "Requests an instance takes at once", "80"),
    field("ephemeral_mb", "Temporary storage, in MB", "1024"),
];

/// An entry of metadata as it is listed.
struct Entry {
    about: String,
    values: Vec<(&'static str, String)>,
    overrides: bool,
    declared_at_us: i64,
    command: String,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Page<'a> {
    lake: &'a str,
    limits: Vec<Limit>,
    own_books: Vec<OwnBook>,
    agreement: &'a Agreement,
    accounts: Result<Option<AccountUse>, Report>,
    allowances: Vec<AllowanceView>,
    entries: Vec<Entry>,
    window: Window,
    saved: bool,
    /// What was filled in.
    form: Params,
    /// The command for it, where it was asked for.
    command: Option<String>,
    problem: Option<Report>,
}

/// `GET /settings`; with `preview` the command for what is filled in, and nothing is saved.
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let known: Vec<&'static str> = FIELDS.into_iter().chain(["preview", "saved", "offset"]).collect();
    params.only(&known)?;
    let mut page = Page::of(&app, &params).await?;
    if params.get("preview").is_some() {
        match declaration(&params).and_then(checked) {
            Ok(declaration) => page.command = Some(set_metadata_command(page.lake, &declaration)),
            Err(error) => page.problem = Some(error.report()),
        }
        page.form = params;
    }
    page.respond()
}

/// `POST /settings/metadata`
pub async fn set_metadata(
    State(app): State<App>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, AppError> {
    let form: Params =
        form.map_err(|rejection| AppError::BadBody { problem: rejection.body_text() })?.0.into_iter().collect();
    let declared = match form.only(&FIELDS).and_then(|()| declaration(&form)) {
        Ok(declaration) => declare(&app, &[declaration]).await,
        Err(error) => Err(error),
    };
    match declared {
        Ok(()) => Ok(Redirect::to("/settings?saved=1#metadata").into_response()),
        Err(error) => {
            let problem = Some(error.report());
            Page { form, problem, ..Page::of(&app, &Params::default()).await? }.respond()
        }
    }
}

/// What the form says.
fn declaration(form: &Params) -> Result<Declaration, AppError> {
    let number = |name: &str, what: &str| match form.get(name) {
        Some(text) => text.parse().map(Some).map_err(|_| bad(name, text, what)),
        None => Ok(None),
    };
    let values = Defaults {
        account: form.text("account"),
        region: form.text("region"),
        resource: form.text("resource"),
        architecture: form.text("architecture"),
        package_type: form.text("package_type"),
        runtime: form.text("runtime"),
        capacity: form.text("capacity"),
        storage_class: form.text("storage_class"),
        memory_mb: number("memory_mb", "a whole number of MB")?,
        vcpu_milli: number("vcpu_milli", "a whole number of thousandths")?,
        concurrency: number("concurrency", "a whole number")?,
        ephemeral_mb: number("ephemeral_mb", "a whole number of MB")?,
        ..Defaults::default()
    };
    let scope = DeclarationScope {
        provider: form.text("of_provider"),
        service: form.text("of_service"),
        upload_id: form.text("of_upload"),
        resource: form.text("of_resource"),
    };
    if values.resource.is_some() && scope.upload_id.is_none() {
        let expected = "the id of an upload: only rows of one upload can be given a resource";
        return Err(AppError::MissingParameter { name: "of_upload", expected });
    }
    let declared_at_us = Utc::now().timestamp_micros();
    Ok(Declaration { scope, values, overrides: form.get("overrides").is_some(), declared_at_us })
}

/// What makes no sense is told before it is shown as a command.
fn checked(declaration: Declaration) -> Result<Declaration, AppError> {
    if declaration.values == Defaults::default() {
        return Err(AppError::NothingToSet);
    }
    match declaration.problem() {
        Some(problem) => Err(bad(problem.column, &problem.value, &problem.expected)),
        None => Ok(declaration),
    }
}

impl<'a> Page<'a> {
    async fn of(app: &'a App, params: &Params) -> Result<Self, AppError> {
        let engine = app.engine();
        let today = Utc::now().date_naive();
        let books = engine.catalogue().books();
        let allowances = books.iter().flat_map(|book| AllowanceView::all(book, today));
        let offset = params.number("offset")?.unwrap_or(0);
        let mut declarations = engine.lake().declarations().await?;
        declarations.reverse();
        let shown = rows_of(&declarations, offset, LIMIT);
        let lake = engine.lake().name();
        Ok(Self {
            lake,
            limits: limits(app),
            own_books: own_books(engine.catalogue()),
            agreement: engine.agreement(),
            accounts: accounts(app).await.map_err(|error| error.report()),
            allowances: allowances.filter(|one| one.in_force).collect(),
            entries: shown.map(|declaration| Entry::of(lake, declaration)).collect(),
            window: Window { offset, limit: LIMIT, total: declarations.len() as u64, url: "/settings?offset=".into() },
            saved: params.get("saved").is_some(),
            form: Params::default(),
            command: None,
            problem: None,
        })
    }

    fn respond(&self) -> Result<Response, AppError> {
        let (status, headers) = self.problem.as_ref().map(Report::head).unwrap_or_default();
        Ok((status, headers, html(self)?).into_response())
    }

    fn scope_fields(&self) -> &'static [Field] {
        &SCOPE_FIELDS
    }

    fn value_fields(&self) -> &'static [Field] {
        &VALUE_FIELDS
    }

    /// What was filled in.
    fn filled(&self, name: &str) -> &str {
        self.form.get(name).unwrap_or_default()
    }

    fn has_agreement(&self) -> bool {
        *self.agreement != Agreement::default()
    }

    fn account_list(&self) -> &[Account] {
        match &self.accounts {
            Ok(Some(found)) => &found.accounts,
            _ => &[],
        }
    }
}

impl Entry {
    fn of(lake: &str, declaration: &Declaration) -> Self {
        let DeclarationScope { provider, service, upload_id, resource } = &declaration.scope;
        let about: Vec<String> = [("provider", provider), ("service", service), ("resource", resource)]
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}")))
            .chain(upload_id.as_ref().map(|id| format!("upload {}", id.chars().take(12).collect::<String>())))
            .collect();
        Self {
            about: if about.is_empty() { "every row".into() } else { about.join(", ") },
            values: declaration.stated().collect(),
            overrides: declaration.overrides,
            declared_at_us: declaration.declared_at_us,
            command: set_metadata_command(lake, declaration),
        }
    }
}
