//! How a command fails: a message, a hint, an exit code.

use std::fmt::Display;
use std::process::ExitCode;

use paygrain_ingest::IngestError;
use paygrain_query::QueryError;
use paygrain_replay::CompareError;

/// A failure on its way to the user.
#[derive(Debug)]
pub struct Failure {
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    exit_code: u8,
}

impl Failure {
    /// The command ran and failed: exit code 1.
    pub fn new(message: impl Display, hint: Option<String>) -> Self {
        Self { message: message.to_string(), hint, exit_code: 1 }
    }

    /// The command line asks for something that does not exist: exit code 2.
    pub fn usage(message: impl Display, hint: Option<String>) -> Self {
        Self { exit_code: 2, ..Self::new(message, hint) }
    }

    /// Already reported line by line; only the exit code is left.
    pub fn reported() -> Self {
        Self::new("", None)
    }

    /// Prints the failure to standard error.
    pub fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("error: {}", self.message);
        }
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
        ExitCode::from(self.exit_code)
    }
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::NoSuchFormat { .. } => Self::usage(&error, error.hint()),
            _ => Self::new(&error, error.hint()),
        }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Compare(ref wrong) if matches!(**wrong, CompareError::Assumption(_)) => {
                Self::usage(&error, error.hint())
            }
            QueryError::NoSuchDimension { .. }
            | QueryError::NoSuchChoice { .. }
            | QueryError::NoSuchName { .. }
            | QueryError::BadValue { .. } => Self::usage(&error, error.hint()),
            _ => Self::new(&error, error.hint()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error, None)
    }
}

impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        Self::new(error, None)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(error, None)
    }
}
