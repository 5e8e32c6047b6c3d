//! Short ways to what the tests of billing exports ask of their lines.

use std::collections::BTreeSet;

use crate::bills::{lines, total};
use crate::lines::Collected;
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
    paygrain_formats::format::timestamp::iso(&format!("{day}T00:00:00Z")).unwrap()
}
