//! The samples are what the generator makes, and have the totals that their README gives.

// What is only called by tests may panic like one.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use paygrain_ingest::decompress::{self, Limits};
use paygrain_ingest::error::IngestError;
use paygrain_ingest::format::{self, Origin, Sink};
use paygrain_ingest::record::{EventTime, Record, RejectedRow, Usage};
use paygrain_ingest::{Defaults, samples};

/// The seed of the files in the repository.
const SEED: u64 = 7;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples")
}

fn decompressed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    decompress::open(Cursor::new(bytes.to_vec()), Limits::default()).unwrap().read_to_end(&mut out).unwrap();
    out
}

#[test]
fn the_folder_is_what_the_generator_makes() {
    let made: BTreeMap<String, Vec<u8>> = samples::files(SEED).into_iter().collect();
    let mut found = BTreeMap::new();
    let mut pending = vec![folder()];
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("scenarios") {
                // Workloads that are described: written, not made.
            } else if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(folder()).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found.remove("README.md");
    assert_eq!(made.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (name, bytes) in made {
        // Another version of the compressor may find other bytes for the same text.
        assert!(decompressed(&bytes) == decompressed(&found[&name]), "{name} differs: run `paygrain samples`");
        assert!(name.ends_with(".gz") || bytes == found[&name], "{name} differs: run `paygrain samples`");
    }
    assert_eq!(samples::files(SEED), samples::files(SEED));
    assert_ne!(samples::files(SEED), samples::files(SEED + 1));
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    records: usize,
    rejected: usize,
    warnings: usize,
    billed_ms: i64,
    cold_starts: usize,
    bytes_out: i64,
    keys: std::collections::BTreeSet<[u8; 16]>,
    without_time: usize,
    resources: std::collections::BTreeSet<Option<String>>,
    peak: usize,
    spans: Vec<(i64, i64)>,
}

impl Sink for Totals {
    fn record(&mut self, record: Record) -> Result<(), IngestError> {
        self.records += 1;
        self.keys.insert(record.key.0);
        self.without_time += usize::from(record.time == EventTime::Assumed);
        match record.usage {
            Usage::Invocation(row) => {
                self.billed_ms += row.billed_ms.unwrap();
                self.cold_starts += usize::from(row.cold_start == Some(true));
                self.resources.insert(row.resource);
                assert!(row.account.is_some() && row.region.is_some() && row.architecture.is_some());
                if let EventTime::Logged(start) = record.time {
                    self.spans.push((start, start + row.duration_us.unwrap()));
                }
            }
            Usage::Request(row) => {
                self.bytes_out += row.response_bytes.filter(|_| row.source.as_deref() == Some("internet")).unwrap_or(0);
                self.resources.insert(row.resource);
            }
            other => panic!("not in the samples: {other:?}"),
        }
        Ok(())
    }

    fn reject(&mut self, row: RejectedRow) -> Result<(), IngestError> {
        self.rejected += 1;
        panic!("{row:?}");
    }

    fn warn(&mut self, message: String) {
        self.warnings += 1;
        panic!("{message}");
    }
}

fn peak(spans: &[(i64, i64)]) -> usize {
    let mut edges: Vec<(i64, i64)> = spans.iter().flat_map(|(start, end)| [(*start, 1), (*end, -1)]).collect();
    edges.sort_unstable();
    let mut running = 0;
    let most = edges
        .iter()
        .map(|(_, change)| {
            running += change;
            running
        })
        .max();
    usize::try_from(most.unwrap_or(0)).unwrap()
}

#[test]
fn the_samples_have_their_known_totals() {
    let defaults = fs::read_to_string(folder().join("defaults.toml")).unwrap();
    let defaults = Defaults::from_toml("defaults.toml", &defaults).unwrap();
    // File, format, resource; then records, billed ms, cold starts, bytes to the internet, most at once.
    for (name, format, resource, expected) in [
        ("nightly-report.log", "aws-lambda-text", "nightly-report", (62, 37_381, 62, 0, 1)),
        ("resize-image.json", "aws-lambda-json", "resize-image", (150, 134_495, 112, 0, 1)),
        ("photos-access.log", "aws-s3-access", "example-photos", (1_113, 0, 0, 350_263_889_711, 0)),
        ("web-api.ndjson.gz", "aws-lambda-json", "web-api", (2_250, 951_433, 2_087, 0, 400)),
        ("election-results.log.gz", "aws-lambda-text", "election-results", (4_000, 6_846_671, 3_000, 0, 3_000)),
    ] {
        let bytes = fs::read(folder().join(name)).unwrap();
        let mut input = decompress::open(Cursor::new(bytes), Limits::default()).unwrap();
        let (found, _) = format::detect(input.head().unwrap()).unwrap();
        assert_eq!(found.name(), format, "{name}");
        let mut totals = Totals::default();
        found.parse(&mut input, &Origin { name: "", defaults: &defaults }, &mut totals).unwrap();
        assert_eq!(totals.resources, [Some(resource.to_owned())].into(), "{name}");
        assert_eq!((totals.without_time, totals.keys.len()), (0, totals.records), "{name}");
        let found = (totals.records, totals.billed_ms, totals.cold_starts, totals.bytes_out, peak(&totals.spans));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn the_event_notification_is_one_request() {
    let bytes = fs::read(folder().join("events/s3-event-notification-2.1.json")).unwrap();
    assert_eq!(format::detect(&bytes).unwrap().0.name(), "aws-s3-event");
}
