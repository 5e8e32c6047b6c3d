//! Deployments read from their files, with every problem and its line
use paygrain_pricing::Catalogue;

use crate::deployment::Deployment;

/// Name and text of the files that come with the program.
pub(crate) const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/deployments.rs"));

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {message}")]
pub struct DeploymentProblem {
    /// Name of the file: `aws/lambda`.
    pub file: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Reads files.
pub(crate) fn read<'a>(
    _catalogue: &Catalogue,
    _files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<Deployment>, Vec<DeploymentProblem>> {
    Ok(Vec::new())
}
