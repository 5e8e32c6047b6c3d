//! Bytes to usage records: decompression, detection by content, and one file per format.
//!
//! [`detect`](format::detect) picks the format by content; the format turns bytes into [records](record) and rejected
//! rows. Nothing here knows where records are kept, or a price.

pub mod decompress;
pub mod defaults;
pub mod error;
pub mod format;
pub mod mapping;
pub mod record;
pub mod resource_list;

pub use defaults::Defaults;
pub use error::IngestError;
pub use mapping::Mapping;
