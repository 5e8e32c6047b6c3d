//! Short ways to what the tests of billing exports ask of their lines.

use std::collections::BTreeSet;
use std::fs;

use crate::bills::{lines, total};
use crate::lines::{Collected, shared};
use paygrain_formats::decompress::{self, Limits};
use paygrain_formats::format;
use paygrain_formats::record::BilledLine;

impl Collected {
    pub fn bill(&self) -> Vec<&BilledLine> {
        lines(self)
    }

    pub fn billed(&self) -> String {
        total(self, "billed_cost")
    }

    pub fn effective(&self) -> String {
        total(self, "effective_cost")
    }

    /// The keys, each once.
    pub fn distinct(&self) -> BTreeSet<[u8; 16]> {
        self.records.iter().map(|record| record.key.0).collect()
    }
}

pub fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Midnight UTC of a day, in microseconds since 1970.
pub fn midnight(day: &str) -> i64 {
    format::timestamp::iso(&format!("{day}T00:00:00Z")).unwrap()
}

#[test]
fn exports_are_recognised_and_nothing_else_is_taken_for_one() {
    let Some(shared) = shared() else { return };
    for folder in fs::read_dir(&shared).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            let Ok(mut open) = decompress::open(fs::File::open(&file).unwrap(), Limits::default()) else { continue };
            let Ok(head) = open.head() else { continue };
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let is_azure = folder.ends_with("azure") && (name.ends_with(".csv") || name.contains("manifest"));
            let is_gcp = folder.ends_with("gcp") && name.starts_with("koku_");
            for (format, expected) in [("azure-cost", is_azure), ("gcp-billing", is_gcp), ("oci-cost", false)] {
                let recognised = format::by_name(format).unwrap().recognises(head).is_some();
                assert_eq!(recognised, expected, "{format} {}", file.display());
            }
        }
    }
}
