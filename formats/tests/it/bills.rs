//! What the tests of billing exports share: the lines of a bill and their exact totals.

use std::fs;
use std::path::PathBuf;

use crate::lines::{Collected, shared};
use paygrain_formats::decompress::{self, Limits};
use paygrain_formats::format;
use paygrain_formats::record::{BilledLine, Usage};

const PLACES: usize = 30;

pub fn lines(bill: &Collected) -> Vec<&BilledLine> {
    bill.records
        .iter()
        .map(|record| match &record.usage {
            Usage::BilledLine(line) => &**line,
            other => panic!("not a line of a bill: {other:?}"),
        })
        .collect()
}

/// The exact sum of a column, as plain decimal text.
pub fn total(bill: &Collected, column: &str) -> String {
    let (_, value) = BilledLine::COLUMNS.iter().find(|(name, _)| *name == column).unwrap();
    let sum: i128 = lines(bill).into_iter().filter_map(value).map(scaled).sum();
    let digits = format!("{:0>width$}", sum.unsigned_abs(), width = PLACES + 1);
    let (whole, fraction) = digits.split_at(digits.len() - PLACES);
    let text = format!("{}{whole}.{fraction}", if sum < 0 { "-" } else { "" });
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn scaled(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<PLACES$}").parse().unwrap()
}

pub fn example(name: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)).unwrap()
}

/// Bytes of a real file, decompressed.
pub fn real_bytes(folder: &str, name: &str) -> Option<Vec<u8>> {
    let file = fs::File::open(shared()?.join(folder).join(name)).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut decompress::open(file, Limits::default()).unwrap(), &mut bytes).unwrap();
    Some(bytes)
}

#[test]
fn bills_are_recognised_and_nothing_else_is_taken_for_one() {
    let Some(folder) = shared() else { return };
    for (format, own) in [("aws-cur", "aws-cur"), ("aws-cost-explorer", "aws-cur"), ("focus", "focus")] {
        let format = format::by_name(format).unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap().path();
            let Ok(files) = fs::read_dir(&entry) else { continue };
            for file in files {
                let file = file.unwrap().path();
                let expected = match (format.name(), entry.ends_with(own)) {
                    (_, false) => false,
                    ("aws-cost-explorer", _) => file.ends_with("awscli_ce_get_cost_and_usage_1.json"),
                    ("aws-cur", _) => !file.ends_with("awscli_ce_get_cost_and_usage_1.json"),
                    _ => true,
                };
                let mut bytes = Vec::new();
                let Ok(mut open) = decompress::open(fs::File::open(&file).unwrap(), Limits::default()) else {
                    continue;
                };
                std::io::Read::read_to_end(&mut open, &mut bytes).unwrap();
                let head = &bytes[..bytes.len().min(format::HEAD_BYTES_MAX)];
                assert_eq!(format.recognises(head).is_some(), expected, "{} {}", format.name(), file.display());
            }
        }
    }
}
