//! Usage records to Delta tables.
//!
//! The [formats](mod@format) turn bytes into [records](record); an [upload] stages them, and the [lake] commits them exactly
//! once. Nothing here knows a price.

mod data_file;
mod duplicates;
mod event_keys;
pub mod event_log;
pub mod lake;
pub mod samples;
pub mod table;
pub mod upload;

pub use event_log::{EventLog, EventLogOptions};
pub use lake::Lake;
pub use paygrain_formats::{Defaults, IngestError, Mapping, decompress, defaults, error, format, mapping, record};
pub use upload::{IngestOptions, UploadResult};
