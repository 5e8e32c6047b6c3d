//! Usage records to Delta tables.
//!
//! The [formats](mod@format) turn bytes into [records](record); an [upload] stages them, and the [lake] commits them exactly
//! once. Nothing here knows a price.

pub mod archive;
mod data_file;
pub mod deliveries;
mod duplicates;
mod event_keys;
pub mod event_log;
pub mod lake;
mod manifest;
mod originals;
mod parquet_rows;
mod pending;
mod rejected;
pub mod rows;
pub mod samples;
pub mod summary;
pub mod table;
mod times;
pub mod upload;
mod usage_file;

pub use event_log::{EventLog, EventLogOptions};
pub use lake::Lake;
pub use paygrain_formats::{
    Defaults, IngestError, Mapping, decompress, defaults, error, format, mapping, record, resource_list,
};
pub use summary::Summary;
pub use upload::{IngestOptions, UploadResult};
