//! House rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        // Without dependencies: those of other platforms need not be here.
        .args(["metadata", "--format-version", "1", "--offline", "--no-deps"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn sources() -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for part in ["src", "formats", "ingest", "pricing", "query", "replay", "web", "tests"] {
        walk(&root().join(part), &mut found);
    }
    found
}

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("paygrain", &["paygrain-web", "paygrain-query", "paygrain-replay", "paygrain-ingest", "paygrain-pricing"][..]),
        ("paygrain-web", &["paygrain-query", "paygrain-replay", "paygrain-ingest", "paygrain-pricing"]),
        ("paygrain-query", &["paygrain-replay", "paygrain-ingest", "paygrain-pricing"]),
        ("paygrain-replay", &["paygrain-pricing"]),
        ("paygrain-ingest", &["paygrain-formats"]),
        ("paygrain-formats", &[]),
        ("paygrain-pricing", &[]),
        ("paygrain-browser-tests", &[]),
    ]);
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let mut seen = 0;
    for package in packages {
        let Some(allowed) = allowed.get(package["name"].as_str().unwrap()) else { continue };
        seen += 1;
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            assert!(!name.starts_with("paygrain") || allowed.contains(&name), "{} uses {name}", package["name"]);
        }
    }
    assert_eq!(seen, allowed.len());
}

#[test]
fn pricing_is_pure() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let pricing = packages.iter().find(|package| package["name"] == "paygrain-pricing").unwrap();
    let used: BTreeSet<_> = pricing["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().unwrap())
        .collect();
    let known = ["chrono", "chrono-tz", "dashu-int", "dashu-ratio", "serde", "serde_json", "thiserror", "toml"];
    assert_eq!(used, BTreeSet::from(known), "no input or output, no async, no Arrow");
    let lints = std::fs::read_to_string(root().join("pricing/clippy.toml")).unwrap();
    for float in ["f32", "f64"] {
        assert!(lints.contains(&format!("\"{float}\"")), "{float} is not banned in pricing/clippy.toml");
    }
}

#[test]
fn there_is_one_arrow_and_one_datafusion() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in ["arrow", "datafusion", "parquet", "object_store"] {
        let line = format!("name = \"{name}\"");
        assert_eq!(lock.lines().filter(|known| *known == line).count(), 1, "{name}");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not begin with `//!`", path.display());
        assert!(text.lines().count() <= 700, "{} is too long", path.display());
        for banned in ["todo!(", "unimplemented!(", "dbg!("] {
            let here = path.ends_with("tests/it/tidy.rs");
            assert!(here || !text.contains(banned), "{}: {banned}", path.display());
        }
    }
}
