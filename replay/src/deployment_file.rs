//! Deployments read from their files, with every problem and its line
//!
//! A file is a service, and each of its sizes a deployment; `extras.toml` of a provider has lines that the deployments of
//! some kinds take over. The format is described in `deployments/README.md`.
use std::{collections::BTreeMap, fmt};

use paygrain_pricing::Catalogue;
use toml::de::DeTable;

use self::{
    line::ExtraLine,
    reader::{Entry, Reader},
};
use crate::deployment::Deployment;

mod figure;
mod line;
mod reader;
mod sample;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use sample::unpriced;

/// Name and text of the files that come with the program.
pub(crate) const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/deployments.rs"));

/// The file of a provider whose lines deployments take over.
const EXTRAS: &str = "extras";

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeploymentProblem {
    /// Name of the file: `aws/lambda`.
    pub file: String,
    /// Line of the file, from 1.
    pub line: usize,
    /// The size or line it is in, in words; empty: none.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for DeploymentProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for DeploymentProblem {}

/// Reads files.
///
/// # Errors
/// Every problem of every file, by file and line.
pub(crate) fn read<'a>(
    catalogue: &Catalogue,
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<Deployment>, Vec<DeploymentProblem>> {
    let mut problems = Vec::new();
    let mut parsed = Vec::new();
    for (file, text) in files {
        let mut reader = Reader { file, text, place: String::new(), problems: Vec::new() };
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            reader.problem(error.span().map_or(0, |span| span.start), error.message());
        }
        match reader.problems.is_empty() {
            true => parsed.push((file, text, document)),
            false => problems.extend(reader.problems),
        }
    }
    let is_extras = |file: &str| file.rsplit('/').next() == Some(EXTRAS);
    let mut extras: BTreeMap<String, Vec<ExtraLine>> = BTreeMap::new();
    let mut deployments: Vec<Deployment> = Vec::new();
    // Extras first: a service may leave some of them out by name.
    parsed.sort_by_key(|(file, ..)| !is_extras(file));
    for (file, text, document) in &parsed {
        let mut reader = Reader { file, text, place: String::new(), problems: Vec::new() };
        let root = Entry { table: document.get_ref(), start: 0 };
        if is_extras(file) {
            let (provider, lines) = line::read_extras(&mut reader, catalogue, root);
            extras.entry(provider).or_default().extend(lines);
        } else {
            for (at, deployment) in service::read(&mut reader, catalogue, root, &extras) {
                if deployments.iter().any(|other| other.name == deployment.name) {
                    reader.problem(at, format!("there is another deployment `{}`", deployment.name));
                }
                deployments.push(deployment);
            }
        }
        problems.extend(reader.problems);
    }
    problems.sort();
    if problems.is_empty() { Ok(deployments) } else { Err(problems) }
}
