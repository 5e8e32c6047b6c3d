//! Manifests: which files are the parts of one delivery, as the provider wrote down beside them.

use std::cmp::Reverse;
use std::path::{Component, Path, PathBuf};

use crate::archive::InputFile;
use crate::format::aws_cur::CurManifest;
use crate::format::aws_s3_inventory::{self, AwsS3Inventory, InventoryManifest};
use crate::format::{Format, azure_cost};

/// No manifest is larger, in bytes.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// How much of a file is looked at to see whether it may be one, in bytes.
const BEGINNING_BYTES: usize = 64 << 10;

/// What a manifest says.
#[derive(Clone, Debug)]
enum Content {
    Cur(CurManifest),
    Azure(Box<azure_cost::Manifest>),
    Inventory(InventoryManifest),
}

/// A manifest among the files to ingest.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// The file itself.
    pub(crate) file: InputFile,
    /// Its text.
    pub(crate) text: Vec<u8>,
    content: Content,
}

impl Manifest {
    /// The manifest that a file is; nothing where it is none.
    pub(crate) fn of(file: &InputFile) -> Option<Self> {
        let bytes = std::fs::metadata(&file.path).ok()?.len();
        if bytes > MANIFEST_BYTES_MAX {
            return None;
        }
        let text = std::fs::read(&file.path).ok()?;
        let beginning = String::from_utf8_lossy(&text[..text.len().min(BEGINNING_BYTES)]);
        if !beginning.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
            return None;
        }
        // Cheap words first: most files are no manifests.
        let says = |words: &[&str]| words.iter().all(|word| beginning.contains(&format!("\"{word}\"")));
        let content = if says(&["reportKeys"]) || says(&["dataFiles"]) || says(&["assemblyId"]) {
            Content::Cur(CurManifest::parse(&text).ok()?)
        } else if says(&["blobs"]) {
            Content::Azure(Box::new(azure_cost::Manifest::parse(&text).ok()?))
        } else if says(&["fileSchema", "sourceBucket"]) {
            Content::Inventory(aws_s3_inventory::manifest(&text).ok()?)
        } else {
            return None;
        };
        let manifest = Self { file: file.clone(), text, content };
        (!manifest.keys().is_empty()).then_some(manifest)
    }

    /// The parts, by their paths where they were delivered.
    pub(crate) fn keys(&self) -> Vec<String> {
        match &self.content {
            Content::Cur(manifest) => manifest.report_keys.clone(),
            Content::Azure(manifest) => manifest.blobs.iter().map(|blob| blob.blob_name.clone()).collect(),
            Content::Inventory(manifest) => manifest.files.iter().map(|file| file.key.clone()).collect(),
        }
    }

    /// How the parts are read, where they do not say it themselves.
    pub(crate) fn format(&self) -> Option<Box<dyn Format>> {
        match &self.content {
            Content::Inventory(manifest) => Some(Box::new(AwsS3Inventory { manifest: Some(manifest.clone()) })),
            Content::Cur(_) | Content::Azure(_) => None,
        }
    }

    /// What a part is called on the way to its format, which may learn from the name.
    pub(crate) fn name_of(&self, key: &str) -> String {
        match &self.content {
            Content::Azure(manifest) => match &manifest.export_config.kind {
                Some(kind) => format!("{kind}/{key}"),
                None => key.to_owned(),
            },
            Content::Cur(_) | Content::Inventory(_) => key.to_owned(),
        }
    }

    /// When the delivery was made, as far as the manifest says: later ones replace earlier ones.
    pub(crate) fn made(&self) -> String {
        match &self.content {
            Content::Azure(manifest) => manifest.run_info.submitted_time.clone().unwrap_or_default(),
            Content::Inventory(manifest) => format!("{:0>20}", manifest.creation_timestamp),
            Content::Cur(_) => String::new(),
        }
    }

    /// Whether another manifest is of the same delivery or an earlier one: a copy beside the parts of a report, of which
    /// the one above is what counts.
    pub(crate) fn supersedes(&self, other: &Self) -> bool {
        let (Content::Cur(own), Content::Cur(others)) = (&self.content, &other.content) else { return false };
        let (above, below) = (directory(&self.file.name), directory(&other.file.name));
        let same = own.report_name == others.report_name && own.period_from_us == others.period_from_us;
        same && below.len() > above.len() && below.starts_with(&above)
    }
}

fn directory(name: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = name.split(['/', '\\']).collect();
    parts.pop();
    parts
}

fn components(name: &str) -> Vec<&str> {
    name.split(['/', '\\']).filter(|part| !part.is_empty()).collect()
}

/// The file of a part: of those with its name the one whose path agrees most with the part's, and of those the nearest to
/// the manifest.
pub(crate) fn file_of<'f>(key: &str, manifest: &str, files: &'f [InputFile]) -> Option<&'f InputFile> {
    let wanted = components(key);
    let near = directory(manifest);
    files
        .iter()
        .filter_map(|file| {
            let found = components(&file.name);
            let agreeing = wanted.iter().rev().zip(found.iter().rev()).take_while(|(one, other)| one == other).count();
            let shared = near.iter().zip(directory(&file.name)).take_while(|(one, other)| *one == other).count();
            (agreeing > 0).then_some((file, (agreeing, shared)))
        })
        // The first of equals.
        .min_by_key(|(_, rank)| Reverse(*rank))
        .map(|(file, _)| file)
}

/// The file of a part on disk, below the directory of its manifest or one above it: as much of the part's path as is there.
pub(crate) fn file_beside(key: &str, manifest: &Path) -> Option<PathBuf> {
    let relative = Path::new(key.trim_start_matches('/'));
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let parts: Vec<_> = relative.components().collect();
    let above: Vec<&Path> = manifest.parent()?.ancestors().take(parts.len()).collect();
    for begin in 0..parts.len() {
        let tail: PathBuf = parts[begin..].iter().collect();
        if let Some(found) = above.iter().map(|directory| directory.join(&tail)).find(|path| path.is_file()) {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_by_the_end_of_their_paths() {
        let files = ["x/2/000001.csv", "x/1/000001.csv", "y/1/000001.csv"].map(|name| InputFile::new(name, name));
        let found = |key: &str, manifest: &str| file_of(key, manifest, &files).map(|file| file.name.clone());
        assert_eq!(found("bucket/x/1/000001.csv", "x/1/manifest.json").as_deref(), Some("x/1/000001.csv"));
        assert_eq!(found("elsewhere/000001.csv", "y/1/manifest.json").as_deref(), Some("y/1/000001.csv"));
        assert_eq!(found("x/1/000002.csv", "x/1/manifest.json"), None);
    }

    #[test]
    fn parts_beside_a_manifest_are_found_and_nothing_outside() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("report/20261001-20261101");
        std::fs::create_dir_all(root.join("assembly")).unwrap();
        std::fs::write(root.join("assembly/report-1.csv"), "x").unwrap();
        std::fs::write(place.path().join("secret.csv"), "x").unwrap();
        let manifest = root.join("report-Manifest.json");
        let key = "/prefix/report/20261001-20261101/assembly/report-1.csv";
        assert_eq!(file_beside(key, &manifest), Some(root.join("assembly/report-1.csv")));
        for outside in ["../../secret.csv", "/../secret.csv", "report/../../secret.csv", "report-2.csv"] {
            assert_eq!(file_beside(outside, &manifest), None, "{outside}");
        }
    }
}
