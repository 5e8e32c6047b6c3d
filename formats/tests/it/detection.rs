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

/// What is no export, beside pages in Markdown: the totals that a project publishes for a log beside it.
const NO_EXPORTS: [&str; 1] = ["dandi_parser_2022-04-06_expected.tsv"];

#[test]
fn every_real_file_is_of_exactly_one_format() {
    let Some(folder) = shared() else { return };
    let mut files = Vec::new();
    files_in(&folder, &mut files);
    files.sort();
    let mut wrong = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_none_or(|ext| ext != "md")) {
        let claims = claims(path);
        let wanted = usize::from(!NO_EXPORTS.iter().any(|name| path.ends_with(name)));
        if claims.len() != wanted {
            wrong.push(format!("{}: {claims:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn our_own_examples_are_of_the_format_they_are_named_after() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let mut files = Vec::new();
    files_in(&folder, &mut files);
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let claims = claims(&path);
        if claims.len() != 1 || !name.starts_with(claims[0]) {
            wrong.push(format!("{name}: {claims:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
