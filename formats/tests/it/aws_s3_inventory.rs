//! S3 inventories: sums by storage class, by manifest and by shape, bad rows.

use std::fs;
use std::io::BufRead;

use crate::lines::{Collected, parse, real, shared};
use paygrain_formats::Defaults;
use paygrain_formats::error::IngestError;
use paygrain_formats::format::aws_s3_inventory::{AwsS3Inventory, InventoryManifest, manifest};
use paygrain_formats::format::{self, Format, Origin};
use paygrain_formats::record::{EventTime, StoredBytes, Usage};
use proptest::prelude::*;

const INVENTORY: &str = "aws-s3-inventory";
const EXAMPLE: &str = include_str!("../files/aws-s3-inventory.csv");
const MANIFEST: &str = include_str!("../files/aws-s3-inventory-manifest.json");
const DAY_US: i64 = 86_400_000_000;

fn stored(collected: &Collected) -> Vec<&StoredBytes> {
    collected
        .records
        .iter()
        .map(|record| match &record.usage {
            Usage::StoredBytes(row) => &**row,
            other => panic!("not stored bytes: {other:?}"),
        })
        .collect()
}

fn read(
    by: Option<InventoryManifest>,
    name: &str,
    input: &mut dyn BufRead,
    defaults: &Defaults,
) -> Result<Collected, IngestError> {
    let mut collected = Collected::default();
    AwsS3Inventory { manifest: by }.parse(input, &Origin { name, defaults }, &mut collected)?;
    Ok(collected)
}

fn by_manifest(text: &str) -> Collected {
    read(Some(manifest(MANIFEST.as_bytes()).unwrap()), "", &mut text.as_bytes(), &Defaults::default()).unwrap()
}

fn sums(collected: &Collected) -> Vec<(Option<&str>, Option<i64>, Option<i64>)> {
    stored(collected).into_iter().map(|row| (row.storage_class.as_deref(), row.bytes, row.objects)).collect()
}

const EXPECTED: [(Option<&str>, Option<i64>, Option<i64>); 6] = [
    (Some("DEEP_ARCHIVE"), Some(5_000_000_000_000), Some(1)),
    (Some("GLACIER"), Some(0), Some(1)),
    (Some("INTELLIGENT_TIERING_FA"), Some(300), Some(1)),
    (Some("STANDARD"), Some(3000), Some(2)),
    // The class bills an object of 500 bytes as one of 128 KiB: it may not hide among larger ones.
    (Some("STANDARD_IA"), Some(200_000), Some(1)),
    (Some("STANDARD_IA"), Some(500), Some(1)),
];

#[test]
fn the_example_has_its_totals() {
    let inventory = by_manifest(EXAMPLE);
    assert_eq!(inventory.rejected, []);
    assert_eq!(sums(&inventory), EXPECTED);
    for (record, row) in inventory.records.iter().zip(stored(&inventory)) {
        assert_eq!(record.time, EventTime::Logged(1_791_158_400_000_000));
        assert_eq!((row.resource.as_deref(), row.held_us), (Some("example-photos"), Some(DAY_US)));
    }
    assert_eq!(inventory.warnings, ["1 delete markers hold no bytes and were not counted"]);
    let mut lines: Vec<&str> = EXAMPLE.lines().collect();
    lines.reverse();
    assert_eq!(by_manifest(&lines.join("\r\n")), inventory);
}

#[test]
fn a_data_file_alone_is_known_by_its_shape() {
    let (detected, _) = format::detect(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(detected.name(), INVENTORY);
    let inventory = parse(INVENTORY, EXAMPLE);
    assert_eq!(sums(&inventory), EXPECTED);
    assert!(inventory.records.iter().all(|record| record.time == EventTime::Assumed));
    assert!(inventory.warnings[0].contains("does not say when its snapshot was taken"), "{:?}", inventory.warnings);
    // The next snapshot is another one.
    let next = parse(INVENTORY, &EXAMPLE.replace("\"1000\"", "\"1001\""));
    assert!(inventory.key().iter().all(|key| !next.key().contains(key)));
    assert_eq!(parse(INVENTORY, EXAMPLE).key(), inventory.key());
    for text in [
        // No quotes, no class, no date, another bucket in each row, a header.
        EXAMPLE.replace('"', ""),
        EXAMPLE.replace("\"STANDARD\"", "\"WARM\""),
        EXAMPLE.replace("2026-10-", ""),
        EXAMPLE.replacen("example-photos", "example-videos", 1),
        EXAMPLE.replacen("\"1000\"", "\"a\"", 1),
        format!("\"Bucket\",\"Key\",\"Size\"\n{EXAMPLE}"),
        "\"a\",\"b\"\n".to_owned(),
    ] {
        assert!(matches!(format::detect(text.as_bytes()), Err(IngestError::UnknownFormat { .. })), "{text}");
        let outcome = read(None, "", &mut text.as_bytes(), &Defaults::default());
        let error = outcome.err().unwrap();
        assert!(error.hint().is_some_and(|hint| hint.contains("manifest.json")), "{error}");
    }
}

#[test]
fn what_surrounds_an_inventory_holds_no_usage() {
    let configuration = r#"{"InventoryConfigurationList":[{"Id":"all","Schedule":{"Frequency":"Daily"}}]}"#;
    for text in [MANIFEST, configuration] {
        assert_eq!(format::detect(text.as_bytes()).unwrap().0.name(), INVENTORY);
        let inventory = parse(INVENTORY, text);
        assert_eq!((inventory.records.len(), inventory.rejected.len(), inventory.warnings.len()), (0, 0, 1));
    }
    let Some(sample) = real("s3-inventory", "manifest_csv_sample.json", INVENTORY) else { return };
    assert!(sample.warnings[0].contains("together with its data files"), "{:?}", sample.warnings);
    let configuration = real("s3-inventory", "awscli_inventory_configuration_1.json", INVENTORY).unwrap();
    assert!(configuration.warnings[0].contains("configuration"), "{:?}", configuration.warnings);
    let sample = fs::read(shared().unwrap().join("s3-inventory/manifest_csv_sample.json")).unwrap();
    let sample = manifest(&sample).unwrap();
    assert_eq!(sample.files.iter().map(|file| file.size).sum::<u64>(), 21_999_232);
    let row = "\"example-source-bucket\",\"a%20b\",\"v\",\"5\",\"2016-11-06T21:32:00.000Z\",\"e\",\"STANDARD\",\"false\",\"\"\n";
    let inventory = read(Some(sample), "", &mut row.as_bytes(), &Defaults::default()).unwrap();
    assert_eq!(sums(&inventory), [(Some("STANDARD"), Some(5), Some(1))]);
    assert_eq!(inventory.records[0].time, EventTime::Logged(1_514_944_800_000_000));
}

#[test]
fn a_weekly_inventory_is_declared() {
    let defaults = Defaults::from_toml("d", "held_days = 7\naccount = \"123456789012\"\n").unwrap();
    let by = manifest(MANIFEST.as_bytes()).unwrap();
    let inventory = read(Some(by), "", &mut EXAMPLE.as_bytes(), &defaults).unwrap();
    assert!(stored(&inventory).iter().all(|row| row.held_us == Some(7 * DAY_US)));
    assert!(stored(&inventory).iter().all(|row| row.account.as_deref() == Some("123456789012")));
}

#[test]
fn several_data_files_of_one_inventory_do_not_replace_each_other() {
    let mut by = manifest(MANIFEST.as_bytes()).unwrap();
    let single = read(Some(by.clone()), "x.csv", &mut EXAMPLE.as_bytes(), &Defaults::default()).unwrap().key();
    let mut second = by.files[0].clone();
    second.key = "example-photos/all/data/second.csv.gz".into();
    by.files.push(second);
    let read = |name: &str| read(Some(by.clone()), name, &mut EXAMPLE.as_bytes(), &Defaults::default()).unwrap().key();
    let (one, two) = (read("/tmp/0b1e7a52-93c4-4d6f-8e21-5a7c9d3f1b60.csv.gz"), read("second.csv.gz"));
    assert!(one.iter().all(|key| !two.contains(key)));
    assert_eq!(read("somewhere/second.csv.gz"), two);
    assert_eq!(by_manifest(EXAMPLE).key(), single);
}

#[test]
fn bad_rows_cost_themselves_alone() {
    let line = EXAMPLE.lines().next().unwrap();
    for (bad, expected) in [
        (line.replace("\"1000\"", "\"-1\""), "`Size` is `-1`"),
        (line.replace("\"1000\"", "\"1,5\""), "`Size` is `1,5`"),
        (line.replace("\"1000\"", "\"\""), "`Size` is empty"),
        (line.replace("\"1000\"", "\"9223372036854775807\""), "which is too large"),
        (line.replace("2026-10-", "2026-13-"), "`LastModifiedDate` is"),
        (line.replace("STANDARD", "warm"), "`StorageClass` is `warm`"),
        (line[..40].to_owned() + "\"", "the row has"),
    ] {
        let inventory = by_manifest(&format!("{line}\n{bad}\n{line}\n"));
        assert_eq!(inventory.rejected.len(), 1, "{bad}");
        assert!(inventory.rejected[0].reason.contains(expected), "{bad}: {}", inventory.rejected[0].reason);
        assert_eq!((inventory.rejected[0].line, inventory.rejected[0].byte_offset), (Some(2), line.len() as u64 + 1));
        assert_eq!(sums(&inventory), [(Some("STANDARD"), Some(2000), Some(2))], "{bad}");
    }
}

#[test]
fn manifests_that_cannot_be_used_are_refused() {
    for (bad, expected) in [
        (MANIFEST.replace("1791158400000", "yesterday"), "`creationTimestamp` is `yesterday`"),
        (MANIFEST.replace("fileSchema", "schema"), "fileSchema"),
        ("[]".to_owned(), "cannot be used"),
        (String::new(), "cannot be used"),
    ] {
        let error = manifest(bad.as_bytes()).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some());
    }
    for (bad, expected) in [
        (MANIFEST.replace("CSV", "ORC"), "the inventory is in ORC"),
        (MANIFEST.replace(" Size,", ""), "no column `Size`"),
    ] {
        let by = manifest(bad.as_bytes()).unwrap();
        let error = read(Some(by), "", &mut EXAMPLE.as_bytes(), &Defaults::default()).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9)) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let by = manifest(MANIFEST.as_bytes()).unwrap();
        let _ = read(Some(by), "", &mut bytes.as_slice(), &Defaults::default());
        let _ = manifest(&bytes);
    }
}
