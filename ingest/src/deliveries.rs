//! What belongs together: files as they are named, archives opened.
//!
//! Each delivery lands wholly or not at all.

use crate::IngestOptions;
use crate::archive::{InputFile, expand};
use crate::error::IngestError;
use crate::lake::Lake;
use crate::upload::{UploadResult, ingest_file};

/// Something to ingest as one upload.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What it is called.
    pub name: String,
    /// Its files, in order.
    pub files: Vec<InputFile>,
}

impl Delivery {
    /// Size of its files, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().filter_map(|file| Some(std::fs::metadata(&file.path).ok()?.len())).sum()
    }
}

/// What became of a delivery, or of something that is none.
#[derive(Debug)]
pub struct Outcome {
    /// What it is called.
    pub name: String,
    /// What landed, or why nothing did.
    pub result: Result<UploadResult, IngestError>,
}

/// The deliveries in some files, and what in them cannot be one. Opens archives, which takes time and temporary space.
pub fn plan(files: Vec<InputFile>, options: &IngestOptions) -> (Vec<Delivery>, Vec<Outcome>) {
    let (mut deliveries, mut failed) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.name.clone();
        match expand(file, options.limits) {
            Err(error) => failed.push(Outcome { name, result: Err(error) }),
            Ok(members) => {
                for (name, member) in members {
                    match member {
                        Ok(file) => deliveries.push(Delivery { name, files: vec![file] }),
                        Err(error) => failed.push(Outcome { name, result: Err(error) }),
                    }
                }
            }
        }
    }
    (deliveries, failed)
}

/// Brings a delivery into the lake, wholly or not at all.
///
/// # Errors
/// As [`ingest_file`].
pub async fn ingest(lake: &Lake, delivery: &Delivery, options: &IngestOptions) -> Result<UploadResult, IngestError> {
    match &delivery.files[..] {
        [file] => ingest_file(lake, &delivery.name, &file.path, options).await,
        _ => Err(IngestError::Empty),
    }
}

/// Brings everything in some files into the lake, one delivery after the other.
pub async fn ingest_files(lake: &Lake, files: Vec<InputFile>, options: &IngestOptions) -> Vec<Outcome> {
    let owned = options.clone();
    let planned = tokio::task::spawn_blocking(move || plan(files, &owned)).await;
    let (deliveries, mut outcomes) = match planned {
        Ok(planned) => planned,
        Err(error) => {
            let source = std::io::Error::other(error);
            let error = IngestError::Io { what: "opening the files was cut off".into(), source };
            return vec![Outcome { name: "files".into(), result: Err(error) }];
        }
    };
    for delivery in &deliveries {
        let result = ingest(lake, delivery, options).await;
        outcomes.push(Outcome { name: delivery.name.clone(), result });
    }
    outcomes
}
