//! Uploaded bytes to a temporary file, counted as they come.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use futures::{Stream, StreamExt};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use crate::error::AppError;

/// How long a sender may say nothing, in seconds.
const IDLE_S: u64 = 60;

/// What a request may still send.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    limit_bytes: u64,
    left_bytes: u64,
    announced_bytes: Option<u64>,
}

impl Budget {
    /// So many bytes in all. A request that announces more is refused before it sends them.
    ///
    /// # Errors
    /// [`AppError::TooLarge`].
    pub fn new(limit_bytes: u64, headers: &HeaderMap) -> Result<Self, AppError> {
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|announced| announced > limit_bytes) {
            return Err(AppError::TooLarge { limit_bytes });
        }
        Ok(Self { limit_bytes, left_bytes: limit_bytes, announced_bytes: announced })
    }

    /// What the request has said it will send, in bytes.
    pub fn announced_bytes(&self) -> Option<u64> {
        self.announced_bytes
    }

    /// Counts bytes that have come.
    ///
    /// # Errors
    /// [`AppError::TooLarge`].
    pub fn take(&mut self, bytes: usize) -> Result<(), AppError> {
        let limit_bytes = self.limit_bytes;
        self.left_bytes = self.left_bytes.checked_sub(bytes as u64).ok_or(AppError::TooLarge { limit_bytes })?;
        Ok(())
    }
}

/// Writes a stream to a temporary file, which goes away with the value returned.
///
/// # Errors
/// [`AppError::TooLarge`], [`AppError::SenderGone`], [`AppError::BadBody`] when the connection breaks,
/// [`AppError::Internal`] when the file cannot be written.
pub async fn to_file<E: std::fmt::Display>(
    stream: impl Stream<Item = Result<Bytes, E>>,
    budget: &mut Budget,
) -> Result<NamedTempFile, AppError> {
    let temporary = NamedTempFile::with_prefix("paygrain-upload-").map_err(unwritable)?;
    let mut file = tokio::fs::File::from_std(temporary.reopen().map_err(unwritable)?);
    let mut stream = std::pin::pin!(stream);
    while let Some(chunk) = next_chunk(&mut stream).await? {
        budget.take(chunk.len())?;
        file.write_all(&chunk).await.map_err(unwritable)?;
    }
    file.flush().await.map_err(unwritable)?;
    Ok(temporary)
}

/// The next bytes of a body.
///
/// # Errors
/// [`AppError::SenderGone`], [`AppError::BadBody`] when the connection breaks.
pub async fn next_chunk<E: std::fmt::Display>(
    stream: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
) -> Result<Option<Bytes>, AppError> {
    match tokio::time::timeout(Duration::from_secs(IDLE_S), stream.next()).await {
        Ok(chunk) => chunk.transpose().map_err(|error| AppError::BadBody { problem: error.to_string() }),
        Err(_) => Err(AppError::SenderGone { idle_s: IDLE_S }),
    }
}

fn unwritable(error: std::io::Error) -> AppError {
    AppError::Internal { cause: format!("writing an upload to a temporary file: {error}") }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn chunks(count: usize) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
        stream::iter((0..count).map(|_| Ok(Bytes::from_static(b"0123456789"))))
    }

    #[tokio::test]
    async fn the_limit_holds_to_the_byte() {
        let mut budget = Budget::new(30, &HeaderMap::new()).unwrap();
        let file = to_file(chunks(3), &mut budget).await.unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap().len(), 30);
        let mut budget = Budget::new(29, &HeaderMap::new()).unwrap();
        let error = to_file(chunks(3), &mut budget).await.unwrap_err();
        assert!(matches!(error, AppError::TooLarge { limit_bytes: 29 }));
    }

    #[test]
    fn an_announced_excess_is_refused_at_once() {
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, "31".parse().unwrap())]);
        assert!(Budget::new(30, &headers).is_err());
        assert!(Budget::new(31, &headers).is_ok());
    }
}
