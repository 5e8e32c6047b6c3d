//! `/api/v1/sql`

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use paygrain_query::{SqlFormat, SqlLimits, SqlQuery};
use serde::Deserialize;

use crate::app::App;
use crate::error::AppError;
use crate::params::{Params, bad};
use crate::sql_answer::respond;

/// A query as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    query: String,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    max_rows: Option<u64>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// `POST`: the rows of one read-only query, streamed.
pub async fn run(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, AppError> {
    let body = body.map_err(|rejection| AppError::BadBody { problem: rejection.body_text() })?;
    let asked = asked(&params, &headers, &body)?;
    let format = format(asked.format.as_deref(), &headers)?;
    let sandbox = app.sql()?;
    let limits = narrowed(sandbox.limits(), asked.max_rows, asked.timeout_ms)?;
    let must_be_whole = asked.max_rows.is_none();
    let rows = sandbox.run_within(&SqlQuery::from(asked.query.as_str()), &limits).await?;
    respond(rows, format, must_be_whole).await
}

/// The query and its options: in JSON, or as text with the options in the URL.
fn asked(params: &Params, headers: &HeaderMap, body: &[u8]) -> Result<Asked, AppError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "application/json" => {
            params.only(&[])?;
            serde_json::from_slice(body).map_err(|error| AppError::BadBody { problem: error.to_string() })
        }
        "application/sql" | "text/plain" => {
            params.only(&["format", "max_rows", "timeout_ms"])?;
            let query = String::from_utf8(body.to_vec());
            let query = query.map_err(|_| AppError::BadBody { problem: "the query is not UTF-8".into() })?;
            let (max_rows, timeout_ms) = (params.number("max_rows")?, params.number("timeout_ms")?);
            Ok(Asked { query, format: params.text("format"), max_rows, timeout_ms })
        }
        _ => Err(AppError::UnsupportedMedia { what: "content type of the query", found: content_type.to_owned() }),
    }
}

/// The format that is named, else the first that `Accept` names, else JSON.
fn format(named: Option<&str>, headers: &HeaderMap) -> Result<SqlFormat, AppError> {
    match named {
        Some("json") => return Ok(SqlFormat::Json),
        Some("csv") => return Ok(SqlFormat::Csv),
        Some("arrow") => return Ok(SqlFormat::Arrow),
        Some(other) => return Err(bad("format", other, "`json`, `csv` or `arrow`")),
        None => {}
    }
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = |media_type: &str| match media_type.split(';').next().unwrap_or_default().trim() {
        "application/json" | "application/*" => Some(SqlFormat::Json),
        "text/csv" => Some(SqlFormat::Csv),
        "application/vnd.apache.arrow.stream" => Some(SqlFormat::Arrow),
        _ => None,
    };
    Ok(accepted.split(',').find_map(known).unwrap_or(SqlFormat::Json))
}

/// The limits of the server, or less where less is asked for.
fn narrowed(limits: &SqlLimits, max_rows: Option<u64>, timeout_ms: Option<u64>) -> Result<SqlLimits, AppError> {
    let mut narrowed = limits.clone();
    if let Some(rows) = max_rows {
        let most = limits.rows_max.unwrap_or(u64::MAX);
        if rows > most {
            return Err(bad("max_rows", &rows.to_string(), &format!("a whole number from 0 to {most}")));
        }
        narrowed.rows_max = Some(rows);
    }
    if let Some(asked_ms) = timeout_ms {
        let most_ms = limits.timeout.as_millis();
        if asked_ms == 0 || u128::from(asked_ms) > most_ms {
            return Err(bad("timeout_ms", &asked_ms.to_string(), &format!("a whole number from 1 to {most_ms}")));
        }
        narrowed.timeout = Duration::from_millis(asked_ms);
    }
    Ok(narrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_named_one_or_the_first_that_is_accepted() {
        let accepting = |accept: &str| HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        for (named, accept, expected) in [
            (Some("csv"), "application/json", SqlFormat::Csv),
            (None, "text/html, text/csv;q=0.9, application/json", SqlFormat::Csv),
            (None, "application/vnd.apache.arrow.stream", SqlFormat::Arrow),
            (None, "*/*", SqlFormat::Json),
        ] {
            assert_eq!(format(named, &accepting(accept)).unwrap(), expected, "{named:?} {accept}");
        }
        assert!(format(Some("xml"), &HeaderMap::new()).is_err());
    }

    #[test]
    fn limits_can_only_be_narrowed() {
        let limits = SqlLimits::default();
        let narrow = narrowed(&limits, Some(10), Some(500)).unwrap();
        assert_eq!((narrow.rows_max, narrow.timeout), (Some(10), Duration::from_millis(500)));
        assert_eq!(narrow.memory_bytes, limits.memory_bytes);
        assert!(narrowed(&limits, Some(1_000_001), None).is_err());
        assert!(narrowed(&limits, None, Some(30_001)).is_err());
        assert!(narrowed(&limits, None, Some(0)).is_err());
    }
}
