//! Bytes to usage records to Delta tables.
//!
//! [`detect`](format::detect) picks the format by content, the format turns lines into [records](record), and the
//! [lake] commits them exactly once. Nothing here knows a price.

pub mod decompress;
pub mod defaults;
mod duplicates;
pub mod error;
pub mod format;
pub mod lake;
pub mod mapping;
pub mod record;
pub mod samples;
pub mod table;
pub mod upload;

pub use defaults::Defaults;
pub use error::IngestError;
pub use lake::Lake;
pub use mapping::Mapping;
pub use upload::{IngestOptions, UploadResult};
