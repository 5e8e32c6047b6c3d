//! What a worker is asked, and how it says that it ended.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{SqlLimits, SqlQuery};
use crate::error::QueryError;

/// The line on the standard input of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// Name of the lake.
    pub lake: String,
    /// What to run.
    pub query: SqlQuery,
    /// Within what.
    pub limits: SqlLimits,
    /// Where temporary files go; whoever asks removes it.
    pub spill_directory: PathBuf,
}

/// The last line on the standard error of a worker. Without one it was stopped from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// Every row was written.
    Done {
        /// How many.
        rows: u64,
        /// Whether there were more.
        truncated: bool,
    },
    /// The answer is not whole.
    Failed(Failure),
}

/// Why an answer is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// Whose fault it is.
    pub kind: FailureKind,
    /// What happened.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Whose fault it is that an answer is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FailureKind {
    /// The query.
    BadSql,
    /// It needs more than it may have.
    TooLarge,
    /// The lake or the engine.
    Engine,
}

impl Failure {
    /// As an error of the query.
    pub fn into_error(self) -> QueryError {
        let Self { kind, problem, hint } = self;
        match kind {
            FailureKind::BadSql => QueryError::BadSql { problem, hint },
            FailureKind::TooLarge => QueryError::SqlTooLarge { problem },
            FailureKind::Engine => QueryError::SqlFailed { problem, hint },
        }
    }
}
