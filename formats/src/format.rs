//! Every format we read: the [`Format`] trait, the registry, and detection by content.

use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::record::{EventTime, Invocation, Record, RecordKey, RejectedRow, Request, Usage};

pub mod aws_alb;
pub mod aws_api_gateway;
pub mod aws_cloudfront;
pub mod aws_cloudtrail;
pub mod aws_cloudwatch_metrics;
pub mod aws_cost_explorer;
pub mod aws_cur;
pub mod aws_emf;
pub mod aws_event_payload;
mod aws_lambda;
pub mod aws_lambda_insights;
pub mod aws_lambda_json;
pub mod aws_lambda_text;
pub mod aws_s3_access;
pub mod aws_s3_event;
pub mod aws_s3_inventory;
pub mod aws_step_functions;
pub mod azure_app_insights;
pub mod azure_cost;
pub mod azure_metrics;
pub mod azure_storage_analytics;
mod azure_trace;
pub mod azure_trace_2019;
pub mod azure_trace_2021;
mod billed;
pub mod cloudevents;
pub mod cloudflare_workers_trace;
mod cloudwatch;
mod csv_table;
pub mod decimal;
pub mod focus;
pub mod gcp_billing;
pub mod gcp_cloud_functions;
pub mod gcp_cloud_run;
pub mod gcp_gcs_usage;
mod gcp_log_entry;
pub mod heroku_router;
mod json_elements;
mod json_fields;
mod json_objects;
mod json_records;
mod json_stream;
mod json_value;
pub mod line;
pub mod mapped;
mod measured;
pub mod oci_cost;
pub mod opencost;
pub mod otlp;
pub mod timestamp;

/// Every format we read, in the order `--format help` lists them.
pub const FORMATS: &[&dyn Format] = &[
    &aws_lambda_text::AwsLambdaText,
    &aws_lambda_json::AwsLambdaJson,
    &aws_lambda_insights::AwsLambdaInsights,
    &aws_emf::AwsEmf,
    &aws_cloudwatch_metrics::AwsCloudwatchMetrics,
    &aws_s3_access::AwsS3Access,
    &aws_s3_event::AwsS3Event,
    &aws_s3_inventory::AwsS3Inventory { manifest: None },
    &aws_cloudtrail::AwsCloudTrail,
    &aws_step_functions::AwsStepFunctions,
    &aws_api_gateway::AwsApiGateway,
    &aws_event_payload::AwsEventPayload,
    &gcp_cloud_functions::GcpCloudFunctions,
    &gcp_cloud_run::GcpCloudRun,
    &aws_cur::AwsCur,
    &aws_cost_explorer::AwsCostExplorer,
    &focus::Focus,
    &azure_cost::AzureCost,
    &gcp_billing::GcpBilling,
    &oci_cost::OciCost,
    &azure_app_insights::AzureAppInsights,
    &azure_metrics::AzureMetrics,
    &azure_trace_2019::AzureTrace2019,
    &azure_trace_2021::AzureTrace2021,
    &opencost::OpenCost,
    &otlp::OtlpJson,
    &aws_alb::AwsAlb,
    &aws_cloudfront::AwsCloudfront,
    &gcp_gcs_usage::GcpGcsUsage,
    &azure_storage_analytics::AzureStorageAnalytics,
    &heroku_router::HerokuRouter,
    &cloudflare_workers_trace::CloudflareWorkersTrace,
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
    /// What the name of a file says that its content does not, such as its day: the same bytes under a name that says
    /// something else are another upload.
    fn told_by_name(&self, _name: &str) -> Option<String> {
        None
    }
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
    /// A good row of `invocations` whose texts are borrowed: the way for formats that come in gigabytes.
    ///
    /// # Errors
    /// As [`Sink::record`].
    fn invocation(&mut self, time: EventTime, key: RecordKey, row: &Invocation<&str>) -> Result<(), IngestError> {
        let usage = Usage::Invocation(Box::new(row.to_owned_texts()));
        self.record(Record { time, key, usage })
    }
    /// A good row of `requests` whose texts are borrowed.
    ///
    /// # Errors
    /// As [`Sink::record`].
    fn request(&mut self, time: EventTime, key: RecordKey, row: &Request<&str>) -> Result<(), IngestError> {
        let usage = Usage::Request(Box::new(row.to_owned_texts()));
        self.record(Record { time, key, usage })
    }
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
        _ => {
            let candidates = found.into_iter().map(|(format, recognition)| (format.name(), recognition.because));
            Err(IngestError::AmbiguousFormat { candidates: candidates.collect() })
        }
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
