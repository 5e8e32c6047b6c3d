//! The sample files, ingested as a user would.

use std::io::Write;

use super::{SEED, files};
use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::lake::Lake;
use crate::upload::{IngestOptions, UploadResult, ingest_file};

/// Name of the file of defaults among the samples.
const DEFAULTS_FILE: &str = "defaults.toml";

/// Brings the sample files into a lake; a second time changes nothing.
///
/// # Errors
/// As [`ingest_file`].
pub async fn load(lake: &Lake) -> Result<Vec<UploadResult>, IngestError> {
    let files = files(SEED);
    let text = files.iter().find(|(name, _)| name == DEFAULTS_FILE).map(|(_, bytes)| String::from_utf8_lossy(bytes));
    let defaults = text.map_or_else(|| Ok(Defaults::default()), |text| Defaults::from_toml(DEFAULTS_FILE, &text))?;
    let options = IngestOptions { defaults, ..IngestOptions::default() };
    let mut results = Vec::new();
    for (name, bytes) in &files {
        // The notification in the folder of events is of an upload that the access log has, too: it would count twice.
        if name == DEFAULTS_FILE || name.contains('/') {
            continue;
        }
        let failed =
            |source| IngestError::Io { what: format!("cannot keep sample `{name}` in a temporary file"), source };
        let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
        file.write_all(bytes).and_then(|()| file.flush()).map_err(failed)?;
        results.push(ingest_file(lake, name, file.path(), &options).await?);
    }
    Ok(results)
}
