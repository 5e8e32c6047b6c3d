//! What a sender says about uploaded files, and their way into the lake.

use std::path::Path;

use paygrain_ingest::archive::InputFile;
use paygrain_ingest::deliveries::{self, Outcome};
use paygrain_ingest::{Defaults, IngestOptions};

use crate::app::App;
use crate::error::AppError;
use crate::params::Params;

/// The parameters that [`options`] understands.
pub const PARAMETERS: [&str; 7] = ["format", "account", "region", "resource", "architecture", "package_type", "at"];

/// Longest file name that is kept, in characters.
const NAME_CHARS_MAX: usize = 255;

/// Reads what the files themselves do not say.
pub fn options(params: &Params) -> Result<IngestOptions, AppError> {
    let defaults = Defaults {
        account: params.text("account"),
        region: params.text("region"),
        resource: params.text("resource"),
        architecture: params.text("architecture"),
        package_type: params.text("package_type"),
        ..Defaults::default()
    };
    let format = params.text("format").filter(|format| format != "auto");
    Ok(IngestOptions { format, defaults, at_us: params.time_us("at")?, ..IngestOptions::default() })
}

/// Commits one file to the lake, or every member of an archive. What it was called elsewhere is kept as a name, never
/// used as a path.
pub async fn submit(app: &App, name: &str, file: &Path, options: &IngestOptions) -> Vec<Outcome> {
    let file = InputFile::new(plain_name(name), file);
    deliveries::ingest_files(app.engine().lake(), vec![file], options).await
}

/// The last part of a file name, without control characters.
pub fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let plain: String = last.chars().filter(|character| !character.is_control()).take(NAME_CHARS_MAX).collect();
    if plain.is_empty() { "upload".into() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn a_name_is_never_a_path() {
        for (sent, kept) in [
            ("lambda.log", "lambda.log"),
            ("../../etc/passwd", "passwd"),
            ("C:\\logs\\a.log", "a.log"),
            ("a\u{0}\nb", "ab"),
            ("dir/", "upload"),
            ("", "upload"),
        ] {
            assert_eq!(plain_name(sent), kept);
        }
    }
}
