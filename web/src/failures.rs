//! Files that did not land since the server started: whoever comes back later should find why.
//!
//! The ledger of the lake has what landed. This list is in memory, short, and gone with the server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use serde::Serialize;

use crate::error::AppError;

/// Failures that are kept; of more the latest are.
const KEPT_MAX: usize = 100;

/// The failures; cheap to clone.
#[derive(Clone, Default)]
pub struct Failures(Arc<Mutex<VecDeque<Failure>>>);

/// A file that did not land. Serialises as the API answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// File name.
    pub name: String,
    /// When, microseconds since 1970 UTC.
    pub failed_at_us: i64,
    /// What happened.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failures {
    /// A file did not land.
    pub fn note(&self, name: &str, error: &AppError) {
        // What the user turned away from is no news to them.
        if matches!(error, AppError::Ingest(paygrain_ingest::IngestError::Cancelled)) {
            return;
        }
        let (problem, hint) = error.told();
        self.push(name, problem, hint);
    }

    /// A file landed: an earlier failure of one of that name is done with.
    pub fn landed(&self, name: &str) {
        self.locked().retain(|failure| failure.name != name);
    }

    /// The failures, latest first.
    pub fn list(&self) -> Vec<Failure> {
        self.locked().iter().rev().cloned().collect()
    }

    /// A file begins to arrive: if its sender goes away, that is noted.
    pub fn attempt(&self, name: &str) -> Attempt {
        Attempt { failures: self.clone(), name: name.to_owned(), is_open: true }
    }

    fn push(&self, name: &str, problem: String, hint: Option<String>) {
        let mut failures = self.locked();
        failures.retain(|failure| failure.name != name);
        if failures.len() == KEPT_MAX {
            failures.pop_front();
        }
        failures.push_back(Failure {
            name: name.to_owned(),
            failed_at_us: Utc::now().timestamp_micros(),
            problem,
            hint,
        });
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file on its way here.
pub struct Attempt {
    failures: Failures,
    name: String,
    is_open: bool,
}

impl Attempt {
    /// All of it is here.
    pub fn arrived(mut self) {
        self.is_open = false;
    }

    /// It was refused, or broke off; the error comes back.
    pub fn failed(mut self, error: AppError) -> AppError {
        self.is_open = false;
        self.failures.note(&self.name, &error);
        error
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_open {
            let hint = "send the file again; nothing of it was kept".to_owned();
            self.failures.push(&self.name, "its sender went away before all of it had come".into(), Some(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_failures_are_kept_until_the_file_lands() {
        let failures = Failures::default();
        for place in 0..KEPT_MAX + 5 {
            failures.note(&place.to_string(), &AppError::NoFile);
        }
        let list = failures.list();
        assert_eq!((list.len(), list[0].name.as_str()), (KEPT_MAX, "104"));
        failures.note("104", &AppError::TooLarge { limit_bytes: 7 });
        assert_eq!(failures.list()[0].problem, "the upload is larger than 7 bytes");
        assert_eq!(failures.list().len(), KEPT_MAX, "one entry for a name");
        failures.landed("104");
        assert_eq!(failures.list()[0].name, "103");
    }

    #[test]
    fn a_sender_who_goes_away_is_noted() {
        let failures = Failures::default();
        failures.attempt("a.log").arrived();
        assert_eq!(failures.list(), []);
        drop(failures.attempt("a.log"));
        assert!(failures.list()[0].problem.contains("went away"));
    }
}
