//! Every file is of one format at most, whatever it is called.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lines::shared;
use paygrain_formats::decompress::{self, Limits};
use paygrain_formats::format::FORMATS;

fn files_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_in(&path, found) } else { found.push(path) }
    }
}

fn claims(path: &Path) -> Vec<&'static str> {
    let mut input = decompress::open(fs::File::open(path).unwrap(), Limits::default()).unwrap();
    let head = input.head().unwrap().to_vec();
    FORMATS.iter().filter(|format| format.recognises(&head).is_some()).map(|format| format.name()).collect()
}

#[test]
fn no_real_file_is_of_two_formats() {
    let Some(folder) = shared() else { return };
    let mut files = Vec::new();
    files_in(&folder, &mut files);
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_none_or(|ext| ext != "md")) {
        let claims = claims(path);
        println!("{:?} {}", claims, path.display());
        assert!(claims.len() <= 1, "{}: {claims:?}", path.display());
    }
}

#[test]
fn every_event_of_a_function_is_of_one_format() {
    let Some(folder) = shared() else { return };
    let mut files = Vec::new();
    for folder in ["events", "s3-events", "s3-inventory"] {
        files_in(&shared().unwrap_or_else(|| PathBuf::from(folder)).join(folder), &mut files);
    }
    assert!(!files.is_empty(), "{}", folder.display());
    for path in files {
        assert_eq!(claims(&path).len(), 1, "{}: {:?}", path.display(), claims(&path));
    }
}

#[test]
fn our_own_examples_are_of_the_format_they_are_named_after() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let mut files = Vec::new();
    files_in(&folder, &mut files);
    assert!(!files.is_empty());
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let claims = claims(&path);
        assert!(claims.len() == 1 && name.starts_with(claims[0]), "{name}: {claims:?}");
    }
}
