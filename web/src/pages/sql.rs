//! `/sql`: questions that no other page answers. The query is in the URL: it cannot change anything, and it has limits.

use std::time::Instant;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use paygrain_query::documentation::{self, DocumentedTable};
use paygrain_query::functions::{DocumentedFunction, FUNCTIONS};
use paygrain_query::sql_text::{column_names, text_rows};
use paygrain_query::{SqlFormat, SqlLimits, SqlQuery, SqlSandbox};

use crate::app::App;
use crate::error::{AppError, Report, html};
use crate::filters;
use crate::params::Params;
use crate::sql_answer::respond;

/// Rows on the page at most.
const ROWS_MAX: u64 = 1000;
/// Text on the page at most, in bytes.
const TEXT_BYTES_MAX: usize = 4 << 20;
/// Characters of a cell that are shown.
const CELL_CHARS_MAX: usize = 500;

/// A query to begin with.
struct Example {
    title: &'static str,
    query: &'static str,
}

const EXAMPLES: [Example; 6] = [
    Example {
        title: "Busiest resources",
        query: "SELECT service, resource, count(*) AS invocations, sum(billed_ms) AS billed_ms\nFROM invocations\nGROUP BY service, resource\nORDER BY billed_ms DESC\nLIMIT 20",
    },
    Example {
        title: "Memory that is never used",
        query: "SELECT resource, max(memory_mb) AS memory_mb, max(memory_used_mb) AS memory_used_mb, count(*) AS invocations\nFROM invocations\nGROUP BY resource\nHAVING max(memory_used_mb) * 2 < max(memory_mb)\nORDER BY invocations DESC",
    },
    Example {
        title: "Errors by day",
        query: "SELECT date, resource, status, count(*) AS invocations\nFROM invocations\nWHERE status <> 'success'\nGROUP BY date, resource, status\nORDER BY date DESC, invocations DESC",
    },
    Example {
        title: "Requests by operation",
        query: "SELECT service, operation, count(*) AS requests, sum(response_bytes) AS response_bytes\nFROM requests\nGROUP BY service, operation\nORDER BY requests DESC",
    },
    Example {
        title: "Why rows were refused",
        query: "SELECT name, reason, count(*) AS rows\nFROM rejected_rows JOIN uploads ON upload_id = id\nGROUP BY name, reason\nORDER BY rows DESC",
    },
    Example { title: "Every column", query: "SELECT * FROM column_documentation" },
];

/// A column of the answer.
struct Column {
    name: String,
    numeric: bool,
}

/// A cell, no longer than can be read.
struct Cell {
    text: String,
    is_null: bool,
    cut: bool,
}

/// The answer, as much of it as a page takes.
struct Answer {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    truncated: bool,
    elapsed_ms: u64,
}

#[derive(Template)]
#[template(path = "sql.html")]
struct Page {
    query: String,
    answer: Option<Answer>,
    report: Option<Report>,
    /// A link elsewhere brought the query: it is shown and not run.
    from_elsewhere: bool,
    is_empty: bool,
    tables: Vec<DocumentedTable>,
    functions: [DocumentedFunction; FUNCTIONS.len()],
    examples: [Example; EXAMPLES.len()],
    timeout_s: f64,
    memory_mib: u64,
}

/// `GET /sql`
pub async fn page(State(app): State<App>, params: Params, headers: HeaderMap) -> Result<Response, AppError> {
    params.only(&["query"])?;
    let query = params.text("query").unwrap_or_default();
    let sandbox = app.sql()?;
    let from_elsewhere = is_cross_site(&headers) && !query.is_empty();
    let (mut answer, mut report) = (None, None);
    if !query.is_empty() && !from_elsewhere {
        match answer_of(sandbox, &query).await {
            Ok(found) => answer = Some(found),
            Err(error) => report = Some(error.report()),
        }
    }
    let (status, told) = report.as_ref().map(Report::head).unwrap_or_default();
    let limits = sandbox.limits();
    let page = Page {
        query,
        answer,
        report,
        from_elsewhere,
        is_empty: !app.engine().lake().has_uploads().await?,
        tables: documentation::tables(),
        functions: FUNCTIONS,
        examples: EXAMPLES,
        timeout_s: limits.timeout.as_secs_f64(),
        memory_mib: limits.memory_bytes >> 20,
    };
    Ok((status, told, html(&page)?).into_response())
}

/// `GET /sql/answer.csv`, `…json`, `…arrows`: the whole answer as a file.
pub async fn file(
    State(app): State<App>,
    Path(file): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let known = [SqlFormat::Csv, SqlFormat::Json, SqlFormat::Arrow];
    let Some(format) = known.into_iter().find(|format| file == format!("answer.{}", format.extension())) else {
        return Err(AppError::NoSuchPage { path: format!("/sql/{file}") });
    };
    params.only(&["query"])?;
    let query = params.get("query").ok_or(AppError::MissingParameter { name: "query", expected: "one query" })?;
    if is_cross_site(&headers) {
        return Err(AppError::CrossSite);
    }
    let answer = respond(app.sql()?.run(query).await?, format, true).await?;
    Ok(([(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\""))], answer).into_response())
}

/// Whether another site sent the browser here: what it chose is not run for it.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

async fn answer_of(sandbox: &SqlSandbox, query: &str) -> Result<Answer, AppError> {
    let begun = Instant::now();
    let limits = SqlLimits { rows_max: Some(ROWS_MAX), ..sandbox.limits().clone() };
    let mut stream = sandbox.run_within(&SqlQuery::from(query), &limits).await?;
    let schema = stream.schema();
    let columns = column_names(&schema).into_iter().zip(schema.fields());
    let columns = columns.map(|(name, field)| Column { name, numeric: field.data_type().is_numeric() }).collect();
    let (mut rows, mut bytes, mut truncated) = (Vec::new(), 0, false);
    'batches: while let Some(batch) = stream.next().await? {
        for row in text_rows(&batch)? {
            let cells: Vec<Cell> = row.into_iter().map(cell).collect();
            bytes += cells.iter().map(|cell| cell.text.len()).sum::<usize>();
            if bytes > TEXT_BYTES_MAX {
                truncated = true;
                break 'batches;
            }
            rows.push(cells);
        }
    }
    truncated |= stream.end().is_some_and(|end| end.truncated);
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Answer { columns, rows, truncated, elapsed_ms })
}

fn cell(value: Option<String>) -> Cell {
    let is_null = value.is_none();
    let whole = value.unwrap_or_default();
    match whole.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => Cell { text: whole[..end].to_owned(), is_null, cut: true },
        None => Cell { text: whole, is_null, cut: false },
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_long_cell_is_cut_between_characters() {
        let long = cell(Some("ä".repeat(501)));
        assert_eq!((long.text.chars().count(), long.cut), (500, true));
        assert!(!cell(Some("ä".repeat(500))).cut);
        assert!(cell(None).is_null);
    }
}
