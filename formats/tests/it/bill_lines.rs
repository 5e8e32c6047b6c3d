//! What the tests of billing exports share: their lines, exact sums, example files.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::lines::Collected;
use paygrain_formats::record::{BilledLine, Usage};

/// Digits behind the point that sums keep.
const SCALE: usize = 34;

impl Collected {
    pub fn bill(&self) -> Vec<&BilledLine> {
        self.records
            .iter()
            .map(|record| match &record.usage {
                Usage::BilledLine(line) => &**line,
                other => panic!("not a line of a bill: {other:?}"),
            })
            .collect()
    }

    pub fn billed(&self) -> String {
        sum(self.bill().iter().filter_map(|line| line.billed_cost.as_deref()))
    }

    /// The keys, each once.
    pub fn distinct(&self) -> BTreeSet<[u8; 16]> {
        self.records.iter().map(|record| record.key.0).collect()
    }

    pub fn effective(&self) -> String {
        sum(self.bill().iter().filter_map(|line| line.effective_cost.as_deref()))
    }
}

/// The exact sum of plain decimals, as a plain decimal.
pub fn sum<'a>(amounts: impl Iterator<Item = &'a str>) -> String {
    let total: i128 = amounts
        .map(|amount| {
            let digits = amount.trim_start_matches('-');
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            let value: i128 = format!("{whole}{fraction:0<SCALE$}").parse().unwrap();
            if amount.starts_with('-') { -value } else { value }
        })
        .sum();
    let digits = format!("{:0>width$}", total.unsigned_abs(), width = SCALE + 1);
    let (whole, fraction) = digits.split_at(digits.len() - SCALE);
    let plain = format!("{whole}.{fraction}");
    let plain = plain.trim_end_matches('0').trim_end_matches('.');
    if total < 0 { format!("-{plain}") } else { plain.to_owned() }
}

/// An example file of our own.
pub fn example(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Midnight UTC of a day, in microseconds since 1970.
pub fn midnight(day: &str) -> i64 {
    paygrain_formats::format::timestamp::iso(&format!("{day}T00:00:00Z")).unwrap()
}
