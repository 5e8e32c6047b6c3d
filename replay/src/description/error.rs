//! What is wrong with a description: where, what was expected, what to write instead
use std::fmt;

use paygrain_pricing::nearest;

use super::Description;

/// What is wrong with a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescriptionError {
    /// Name of the file; empty: none.
    pub file: String,
    /// Each mistake; at least one.
    pub mistakes: Vec<DescriptionMistake>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescriptionMistake {
    /// The path of the field: `function[0].duration.p95`, counted from 0; empty: the whole.
    pub path: String,
    /// Line of the text, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong, and what was expected.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl DescriptionError {
    /// What to do about the mistake, where there is one alone; of several each tells its own.
    pub fn hint(&self) -> Option<String> {
        match self.mistakes.as_slice() {
            [only] => only.hint.clone(),
            _ => None,
        }
    }
}

impl fmt::Display for DescriptionMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.path.as_str()) {
            (Some(line), "") => write!(f, "line {line}: ")?,
            (Some(line), path) => write!(f, "line {line}, {path}: ")?,
            (None, "") => {}
            (None, path) => write!(f, "{path}: ")?,
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for DescriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.mistakes.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            if !self.file.is_empty() {
                write!(f, "{}: ", self.file)?;
            }
            write!(f, "{mistake}")?;
            // The hint of the only mistake is told by whoever shows the error.
            if let (Some(hint), true) = (&mistake.hint, self.mistakes.len() > 1) {
                write!(f, " ({hint})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for DescriptionError {}

pub(super) fn toml(text: &str) -> Result<Description, DescriptionError> {
    let line = |error: &toml::de::Error| {
        let before = text.as_bytes().get(..error.span()?.start)?;
        Some(before.iter().filter(|byte| **byte == b'\n').count() + 1)
    };
    let reader = toml::Deserializer::parse(text)
        .map_err(|error| mistake(String::new(), line(&error), error.message().to_owned()))?;
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let inner = error.inner();
        mistake(path(error.path()), line(inner), inner.message().to_owned())
    })
}

pub(super) fn json(text: &str) -> Result<Description, DescriptionError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let fail = |path: String, error: &serde_json::Error| {
        let text = error.to_string();
        // Line and column are told apart from the message.
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned();
        mistake(path, Some(error.line()).filter(|line| *line > 0), message)
    };
    let description = serde_path_to_error::deserialize(&mut reader);
    let description = description.map_err(|error| fail(path(error.path()), error.inner()))?;
    reader.end().map_err(|error| fail(String::new(), &error))?;
    Ok(description)
}

fn path(path: &serde_path_to_error::Path) -> String {
    match path.to_string() {
        root if root == "." => String::new(),
        path => path,
    }
}

/// A mistake that `serde` found: unknown names are told with the one that is meant.
fn mistake(path: String, line: Option<usize>, message: String) -> DescriptionError {
    let mut words = message.split('`').skip(1).step_by(2);
    let hint = match (words.next(), message.starts_with("unknown ")) {
        (Some(unknown), true) => {
            let known: Vec<&str> = words.collect();
            nearest(unknown, known.iter().copied()).map(|near| format!("did you mean `{near}`?"))
        }
        (Some(_), false) if message.starts_with("missing field") => {
            Some("docs/workloads.md has every key, and which of them must be given".to_owned())
        }
        _ => None,
    };
    DescriptionError { file: String::new(), mistakes: vec![DescriptionMistake { path, line, message, hint }] }
}
