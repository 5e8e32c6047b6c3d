//! What a sender says about uploaded files, and their way into the lake.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderMap;
use futures::{Stream, StreamExt};
use paygrain_ingest::archive::InputFile;
use paygrain_ingest::deliveries::{self, Plan};
use paygrain_ingest::upload::Progress;
use paygrain_ingest::{Defaults, IngestError, IngestOptions};
use paygrain_query::Landed;
use tempfile::NamedTempFile;

use crate::app::App;
use crate::error::AppError;
use crate::params::{Params, bad};
use crate::receive::{Budget, to_file};
use crate::running::{FileView, Underway, is_ticket};

/// The parameters of a file that is sent by itself.
pub const PARAMETERS: [&str; 8] =
    ["format", "account", "region", "resource", "architecture", "package_type", "at", "ticket"];

/// Longest file name that is kept, in characters.
const NAME_CHARS_MAX: usize = 255;

/// What became of a file, or of a member of an archive.
pub struct Outcome {
    /// What it is called.
    pub name: String,
    /// What landed and what it still needs, or why nothing did.
    pub result: Result<Landed, AppError>,
}

/// Reads what the files themselves do not say.
pub fn options(params: &Params) -> Result<IngestOptions, AppError> {
    let defaults = Defaults {
        account: params.text("account"),
        region: params.text("region"),
        resource: params.text("resource"),
        architecture: params.text("architecture"),
        package_type: params.text("package_type"),
        ..Defaults::default()
    };
    let format = params.text("format").filter(|format| format != "auto");
    Ok(IngestOptions { format, defaults, at_us: params.time_us("at")?, ..IngestOptions::default() })
}

/// Takes one file as the body of a request, and submits it.
pub async fn receive<E: std::fmt::Display>(
    app: &App,
    name: &str,
    params: &Params,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Vec<Outcome>, AppError> {
    params.only(&PARAMETERS)?;
    let options = options(params)?;
    let ticket = params.text("ticket");
    if let Some(ticket) = ticket.as_deref().filter(|ticket| !is_ticket(ticket)) {
        return Err(bad("ticket", ticket, "up to 64 letters, digits and `-`"));
    }
    let mut budget = Budget::new(app.config().upload_bytes_max, headers)
        .inspect_err(|error| app.failures().note(&plain_name(name), error))?;
    let underway = app.running().begin(plain_name(name), ticket, budget.announced_bytes());
    let counted = body.inspect(|chunk| underway.received(chunk.as_ref().map_or(0, Bytes::len)));
    let attempt = app.failures().attempt(&plain_name(name));
    let file = match to_file(counted, &mut budget).await {
        Ok(file) => file,
        Err(error) => return Err(attempt.failed(error)),
    };
    attempt.arrived();
    Ok(submit(app, underway, name, file, &options).await)
}

/// Commits one file to the lake, or every member of an archive. What it was called elsewhere is kept as a name, never
/// used as a path. When the future is dropped, as it is when the sender goes away, the file that is read is given up.
pub async fn submit(
    app: &App,
    underway: Underway,
    name: &str,
    file: NamedTempFile,
    options: &IngestOptions,
) -> Vec<Outcome> {
    let _cancel = underway.cancelled_on_drop();
    let (app, name, options) = (app.clone(), plain_name(name), options.clone());
    let shown = name.clone();
    // In a task of its own: a sender who goes away must not cut off a commit.
    let task = tokio::spawn(async move {
        let outcomes = ingest(&app, &underway, name, &file, &options).await;
        for outcome in &outcomes {
            match &outcome.result {
                Ok(_) => app.failures().landed(&outcome.name),
                Err(error) => app.failures().note(&outcome.name, error),
            }
        }
        drop(underway);
        outcomes
    });
    task.await.unwrap_or_else(|error| {
        let cause = format!("ingesting an upload was cut off: {error}");
        vec![Outcome { name: shown, result: Err(AppError::Internal { cause }) }]
    })
}

async fn ingest(
    app: &App,
    underway: &Underway,
    name: String,
    file: &NamedTempFile,
    options: &IngestOptions,
) -> Vec<Outcome> {
    underway.opening();
    let engine = app.engine();
    let failed = |name: String, error: AppError| Outcome { name, result: Err(error) };
    let (input, owned) = (InputFile::new(name.clone(), file.path()), options.clone());
    let planned = tokio::task::spawn_blocking(move || deliveries::plan(vec![input], &owned)).await;
    let Plan { deliveries, failed: not_opened, .. } = match planned {
        Ok(plan) => plan,
        Err(error) => {
            return vec![failed(name, AppError::Internal { cause: format!("opening an upload was cut off: {error}") })];
        }
    };
    let declarations = match engine.lake().declarations().await {
        Ok(declarations) => declarations,
        Err(error) => return vec![failed(name, error.into())],
    };
    let mut outcomes = Vec::new();
    for outcome in not_opened {
        if let Err(error) = outcome.result {
            outcomes.push(failed(outcome.name, error.into()));
        }
    }
    let count = deliveries.len() as u64;
    for (place, delivery) in (1..).zip(&deliveries) {
        let progress = Arc::new(Progress::default());
        let file = FileView { name: delivery.name.clone(), place, count };
        if !underway.reading(file, delivery.bytes(), progress.clone()) {
            outcomes.push(failed(delivery.name.clone(), IngestError::Cancelled.into()));
            break;
        }
        let options = IngestOptions { progress, ..options.clone() };
        let result = deliveries::ingest(engine.lake(), delivery, &options).await;
        let result = result.map(|result| Landed::of(engine.catalogue(), result, &declarations));
        outcomes.push(Outcome { name: delivery.name.clone(), result: result.map_err(AppError::from) });
    }
    outcomes
}

/// The last part of a file name, without control characters.
pub fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let plain: String = last.chars().filter(|character| !character.is_control()).take(NAME_CHARS_MAX).collect();
    if plain.is_empty() { "upload".into() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn a_name_is_never_a_path() {
        for (sent, kept) in [
            ("lambda.log", "lambda.log"),
            ("../../etc/passwd", "passwd"),
            ("C:\\logs\\a.log", "a.log"),
            ("a\u{0}\nb", "ab"),
            ("dir/", "upload"),
            ("", "upload"),
        ] {
            assert_eq!(plain_name(sent), kept);
        }
    }
}
