//! What a worker is asked, how it says that it ended, and the words for its limits.

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

/// What a query that fills the disk is told.
pub(super) fn spilled(limits: &SqlLimits) -> String {
    format!("the query needs more than {} of temporary files", shown_bytes(limits.spill_bytes))
}

/// What a query that fills the memory is told.
pub(super) fn out_of_memory(limits: &SqlLimits) -> String {
    format!("the query needs more memory than {}", shown_bytes(limits.memory_bytes))
}

/// A limit for people, exact: in the largest unit that leaves no fraction.
pub(super) fn shown_bytes(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(size, _)| bytes >= *size && bytes.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{} {unit}", bytes / size),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::shown_bytes;

    #[test]
    fn sizes_are_told_in_units_that_fit() {
        for (bytes, shown) in [(1 << 30, "1 GiB"), (1536 << 20, "1536 MiB"), (100, "100 bytes")] {
            assert_eq!(shown_bytes(bytes), shown);
        }
    }
}
