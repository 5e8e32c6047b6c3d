//! The answer to a query as a body: streamed, so that the server never holds more than a piece of it.

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse, Response};
use futures::stream;
use paygrain_query::{QueryError, SqlEnd, SqlFormat, SqlStream, SqlText};

use crate::error::AppError;

/// How much of an answer is held back before it begins, in bytes: what fails until then is told by its status, and a
/// short answer says in its headers how many rows it has.
const HELD_BYTES: usize = 1 << 20;

const ROW_COUNT: HeaderName = HeaderName::from_static("paygrain-row-count");
const TRUNCATED: HeaderName = HeaderName::from_static("paygrain-truncated");

/// An answer on its way out.
struct Outgoing {
    rows: SqlStream,
    text: SqlText,
    /// Whether an answer that is cut off must not pass for a whole one.
    must_be_whole: bool,
}

impl Outgoing {
    /// The next piece; nothing after the last.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, QueryError> {
        match self.rows.next().await? {
            Some(batch) => self.text.rows(&batch).map(Some),
            None => Ok(None),
        }
    }

    /// What comes after the last piece.
    fn end(&mut self) -> Result<(SqlEnd, Vec<u8>), QueryError> {
        let Some(end) = self.rows.end() else {
            return Err(QueryError::SqlFailed { problem: "the answer is not whole".into(), hint: None });
        };
        Ok((end, self.text.end()?))
    }
}

/// The rows of a query, streamed. An answer that fails on its way, or is cut off at the server's own limit where its
/// headers could not say so any more, breaks off: the client sees a transfer that is not complete.
///
/// # Errors
/// When it fails before anything was sent.
pub async fn respond(rows: SqlStream, format: SqlFormat, must_be_whole: bool) -> Result<Response, AppError> {
    let text = SqlText::new(format, &rows.schema())?;
    let mut outgoing = Outgoing { rows, text, must_be_whole };
    let mut held = outgoing.text.begin();
    let content_type = [(header::CONTENT_TYPE, format.content_type())];
    while held.len() < HELD_BYTES {
        if let Some(piece) = outgoing.next().await? {
            held.extend(piece);
            continue;
        }
        let (end, last) = outgoing.end()?;
        held.extend(last);
        let mut response = (content_type, held).into_response();
        response.headers_mut().insert(ROW_COUNT, end.row_count.into());
        let truncated = if end.truncated { "true" } else { "false" };
        response.headers_mut().insert(TRUNCATED, HeaderValue::from_static(truncated));
        return Ok(response);
    }
    let body = stream::unfold((Some(outgoing), Some(held)), |(outgoing, held)| async move {
        let mut outgoing = outgoing?;
        if let Some(held) = held {
            return Some((Ok(Bytes::from(held)), (Some(outgoing), None)));
        }
        match outgoing.next().await {
            Ok(Some(piece)) => Some((Ok(Bytes::from(piece)), (Some(outgoing), None))),
            Ok(None) => Some((last_piece(&mut outgoing), (None, None))),
            Err(error) => Some((Err(broken_off(error)), (None, None))),
        }
    });
    Ok((content_type, Body::from_stream(body)).into_response())
}

fn last_piece(outgoing: &mut Outgoing) -> Result<Bytes, QueryError> {
    match outgoing.end() {
        Ok((end, _)) if end.truncated && outgoing.must_be_whole => {
            let problem = format!("there are more than {} rows", end.row_count);
            Err(broken_off(QueryError::SqlTooLarge { problem }))
        }
        Ok((_, last)) => Ok(Bytes::from(last)),
        Err(error) => Err(broken_off(error)),
    }
}

fn broken_off(error: QueryError) -> QueryError {
    tracing::info!(%error, "the answer to a query broke off");
    error
}
