//! Every format we read: the [`Format`] trait, the registry, and detection by content.

use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::record::{Record, RejectedRow};

mod aws_lambda;
pub mod aws_lambda_json;
pub mod aws_lambda_text;
pub mod aws_s3_access;
pub mod cloudevents;
mod csv_table;
pub mod decimal;
pub mod gcp_cloud_functions;
pub mod gcp_cloud_run;
mod gcp_log_entry;
mod json_objects;
mod json_stream;
pub mod line;
pub mod mapped;
pub mod timestamp;

/// Every format we read, in the order `--format help` lists them.
pub const FORMATS: &[&dyn Format] = &[
    &aws_lambda_text::AwsLambdaText,
    &aws_lambda_json::AwsLambdaJson,
    &aws_s3_access::AwsS3Access,
    &gcp_cloud_functions::GcpCloudFunctions,
    &gcp_cloud_run::GcpCloudRun,
    &cloudevents::CloudEvents,
];

/// How much of the (decompressed) beginning detection may look at, in bytes.
pub const HEAD_BYTES_MAX: usize = 256 * 1024;

/// One input format. A format is one file beside this one, plus its line in [`FORMATS`] and its samples.
pub trait Format: Send + Sync {
    /// Name for `--format`, for example `aws-lambda-text`.
    fn name(&self) -> &'static str;
    /// One line for `--format help`: what it is and how people get such a file.
    fn description(&self) -> &'static str;
    /// Whether the head of a decompressed file is of this format, and why we think so.
    fn recognises(&self, head: &[u8]) -> Option<Recognition>;
    /// Reads a decompressed file to its end, handing over records and rejected rows as they come.
    ///
    /// # Errors
    /// Only what ends the whole upload: the reader fails, a limit is passed, the sink refuses.
    /// A bad row is a [`Sink::reject`], not an error.
    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError>;
}

/// What is known of a file beside its content.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Its name or path, as the user gave it; exports carry days, parts and log streams in theirs.
    pub name: &'a str,
    /// What the log does not say.
    pub defaults: &'a Defaults,
}

/// A format's claim to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognition {
    /// What in the content made it so, for `--explain-detection`.
    pub because: String,
}

/// Where a format hands over what it read.
pub trait Sink {
    /// A good row.
    ///
    /// # Errors
    /// When the consumer is gone or full.
    fn record(&mut self, record: Record) -> Result<(), IngestError>;
    /// A bad row.
    ///
    /// # Errors
    /// When the consumer is gone or full.
    fn reject(&mut self, row: RejectedRow) -> Result<(), IngestError>;
    /// Something the user should know about the file as a whole, once each: dropped log records, lines without a time.
    fn warn(&mut self, message: String);
}

/// The one format that recognises the head of a decompressed file.
///
/// # Errors
/// [`IngestError::UnknownFormat`] when none does, [`IngestError::AmbiguousFormat`] when several do.
pub fn detect(head: &[u8]) -> Result<(&'static dyn Format, Recognition), IngestError> {
    let mut found: Vec<(&'static dyn Format, Recognition)> =
        FORMATS.iter().filter_map(|format| Some((*format, format.recognises(head)?))).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(IngestError::UnknownFormat { begins: crate::error::excerpt(head) }),
        _ => Err(IngestError::AmbiguousFormat { candidates: found.iter().map(|(format, _)| format.name()).collect() }),
    }
}

/// The format of a name given with `--format`.
///
/// # Errors
/// [`IngestError::NoSuchFormat`] with the list of names.
pub fn by_name(name: &str) -> Result<&'static dyn Format, IngestError> {
    FORMATS.iter().copied().find(|format| format.name() == name).ok_or_else(|| IngestError::NoSuchFormat {
        name: name.to_owned(),
        known: FORMATS.iter().map(|format| format.name()).collect(),
    })
}
