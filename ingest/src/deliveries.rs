//! What belongs together: archives opened, the parts of a delivery found by its manifest, all else file by file.
//!
//! Each delivery lands wholly or not at all.

use std::collections::BTreeSet;

use crate::IngestOptions;
use crate::archive::{InputFile, expand};
use crate::error::IngestError;
use crate::lake::Lake;
use crate::manifest::{Manifest, file_beside, file_of};
use crate::upload::{UploadResult, ingest_file, ingest_parts};

/// Something to ingest as one upload.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What it is called.
    pub name: String,
    /// Its files, in order.
    files: Vec<InputFile>,
    manifest: Option<Manifest>,
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

/// What is to be ingested.
#[derive(Debug, Default)]
pub struct Plan {
    /// The deliveries, in the order to ingest them.
    pub deliveries: Vec<Delivery>,
    /// What cannot be one.
    pub failed: Vec<Outcome>,
    /// Files that are passed over, and why.
    pub passed_over: Vec<(String, String)>,
}

/// Sorts files into deliveries. Opens archives, which takes time and temporary space.
pub fn plan(files: Vec<InputFile>, options: &IngestOptions) -> Plan {
    let mut plan = Plan::default();
    let mut found = Vec::new();
    for file in files {
        let name = file.name.clone();
        match expand(file, options.limits) {
            Err(error) => plan.failed.push(Outcome { name, result: Err(error) }),
            Ok(members) => {
                for (name, member) in members {
                    match member {
                        Ok(file) => found.push(file),
                        Err(error) => plan.failed.push(Outcome { name, result: Err(error) }),
                    }
                }
            }
        }
    }
    // Whoever says what the files are has no use for manifests.
    let manifests = if options.format.is_none() && options.mapping.is_none() {
        found.iter().filter_map(Manifest::of).collect()
    } else {
        Vec::new()
    };
    let taken = by_manifests(manifests, &found, &mut plan);
    let alone = found.into_iter().filter(|file| !taken.contains(&file.name));
    let single = |file: InputFile| Delivery { name: file.name.clone(), files: vec![file], manifest: None };
    plan.deliveries.extend(alone.map(single));
    plan
}

/// Adds the deliveries of manifests; gives the names of all files that they account for.
fn by_manifests(manifests: Vec<Manifest>, files: &[InputFile], plan: &mut Plan) -> BTreeSet<String> {
    let mut taken: BTreeSet<String> = manifests.iter().map(|manifest| manifest.file.name.clone()).collect();
    let (mut current, mut old) = (Vec::new(), Vec::new());
    for (at, manifest) in manifests.iter().enumerate() {
        let superseded = manifests.iter().any(|other| other.supersedes(manifest));
        if superseded { old.push(at) } else { current.push(at) }
    }
    for at in &old {
        let manifest = &manifests[*at];
        let why = "the manifest above it says which delivery counts".to_owned();
        plan.passed_over.push((manifest.file.name.clone(), why));
    }
    let stale: Vec<InputFile> = old
        .iter()
        .flat_map(|at| parts_of(&manifests[*at], files).into_iter().flatten())
        .map(|(_, file)| file)
        .collect();
    let mut chosen = BTreeSet::new();
    let mut ordered: Vec<Manifest> = current.iter().map(|at| manifests[*at].clone()).collect();
    ordered.sort_by_key(Manifest::made);
    for manifest in ordered {
        let name = manifest.file.name.clone();
        let keys = manifest.keys();
        let parts = parts_of(&manifest, files);
        let missing: Vec<String> =
            keys.iter().zip(&parts).filter(|(_, part)| part.is_none()).map(|(key, _)| key.clone()).collect();
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        chosen.extend(parts.iter().map(|(_, file)| file.name.clone()));
        if missing.is_empty() {
            let files = parts.into_iter().map(|(key, file)| file.named(manifest.name_of(&key))).collect();
            plan.deliveries.push(Delivery { name, files, manifest: Some(manifest) });
        } else {
            let error = IngestError::PartsMissing { count: keys.len(), missing };
            plan.failed.push(Outcome { name, result: Err(error) });
        }
    }
    for file in stale {
        if !chosen.contains(&file.name) && taken.insert(file.name.clone()) {
            plan.passed_over.push((file.name, "it is of a delivery that a later one replaces".to_owned()));
        }
    }
    taken.extend(chosen);
    taken
}

/// The parts that a manifest names, with their files where they are found.
fn parts_of(manifest: &Manifest, files: &[InputFile]) -> Vec<Option<(String, InputFile)>> {
    let of = |key: String| {
        let found = file_of(&key, &manifest.file.name, files).cloned();
        let found = found.or_else(|| {
            let path = file_beside(&key, &manifest.file.path)?;
            Some(InputFile::new(path.display().to_string(), path))
        });
        found.map(|file| (key, file))
    };
    manifest.keys().into_iter().map(of).collect()
}

/// Brings a delivery into the lake, wholly or not at all.
///
/// # Errors
/// As [`ingest_file`].
pub async fn ingest(lake: &Lake, delivery: &Delivery, options: &IngestOptions) -> Result<UploadResult, IngestError> {
    match (&delivery.manifest, &delivery.files[..]) {
        (Some(manifest), files) => {
            let said = (manifest.text.clone(), manifest.format());
            ingest_parts(lake, &delivery.name, files.to_vec(), said, options).await
        }
        (None, [file]) => ingest_file(lake, &delivery.name, &file.path, options).await,
        (None, _) => Err(IngestError::Empty),
    }
}
