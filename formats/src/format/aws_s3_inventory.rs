//! Amazon S3 inventories: lists of all objects of a bucket, daily or weekly, as CSV.
//!
//! A data file has neither a header nor the time of its snapshot: both are in the manifest beside it. What counts is how
//! much lies in each storage class, so a file becomes one row for each class, however many objects it lists.
//!
//! Some classes bill a small object as one of 128 KiB, which sums alone would hide: the small objects of these classes
//! are a row of their own.

use std::collections::BTreeMap;
use std::io::{BufRead, Cursor, Read};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::decompress::ingest_error;
use crate::error::IngestError;
use crate::format::csv_table::{self, CsvRow, TableReader};
use crate::format::{Format, Origin, Recognition, Sink, decimal, timestamp};
use crate::record::{EventTime, Record, RecordKey, StoredBytes, Usage};

mod shape;

/// `aws-s3-inventory`; with a manifest it reads the data files of that, without one it needs luck with their shape.
pub struct AwsS3Inventory {
    /// What says how the data files are to be read.
    pub manifest: Option<InventoryManifest>,
}

/// The manifest of one inventory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryManifest {
    /// Bucket that is listed.
    pub source_bucket: String,
    /// When the snapshot was begun, in milliseconds since 1970, as text.
    pub creation_timestamp: String,
    /// `CSV`, `ORC` or `Parquet`.
    pub file_format: String,
    /// Names of the columns, separated by commas.
    pub file_schema: String,
    /// The data files.
    pub files: Vec<InventoryFile>,
}

/// A data file of an inventory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InventoryFile {
    /// Its key in the destination bucket.
    pub key: String,
    /// Compressed size, in bytes.
    pub size: u64,
    /// MD5 of the compressed bytes, in hexadecimal digits.
    #[serde(rename = "MD5checksum")]
    pub md5: Option<String>,
}

const DAY_US: i64 = 86_400_000_000;

/// Buckets and classes in one file; a real one has one bucket and a dozen classes.
const GROUPS_MAX: usize = 1_000;

/// How much is looked at for what a file is, in bytes.
const BEGINNING_BYTES: u64 = 64 * 1024;

/// Below it some classes bill an object as this large, in bytes.
const SMALL_BYTES: i64 = 128 * 1024;

/// What is said of a file that needs its manifest.
const GIVE_MANIFEST: &str = "ingest the manifest.json of the inventory together with its data files";

/// Reads a manifest: `manifest.json` beside the data files.
///
/// # Errors
/// [`IngestError::NotReadable`] when it is none, or lacks what the data files need.
pub fn manifest(json: &[u8]) -> Result<InventoryManifest, IngestError> {
    let wrong = |problem: String| IngestError::NotReadable {
        problem: format!("the inventory's manifest cannot be used: {problem}"),
        hint: "copy or download it again as S3 wrote it",
    };
    let manifest: InventoryManifest = serde_json::from_slice(json).map_err(|error| wrong(error.to_string()))?;
    manifest.created_us().map_err(wrong)?;
    Ok(manifest)
}

impl InventoryManifest {
    /// When the snapshot was begun, in microseconds since 1970 UTC.
    fn created_us(&self) -> Result<i64, String> {
        let text = &self.creation_timestamp;
        let time = text.parse().ok().and_then(timestamp::epoch_ms);
        time.ok_or_else(|| format!("`creationTimestamp` is `{text}`, expected milliseconds since 1970"))
    }

    fn columns(&self) -> Vec<String> {
        self.file_schema.split(',').map(|name| name.trim().to_owned()).collect()
    }

    /// The data file of a name, where there are several.
    fn file_of(&self, name: &str) -> Option<&str> {
        let last = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
        let name = last(name);
        let several = self.files.len() > 1;
        self.files.iter().map(|file| file.key.as_str()).find(|key| several && last(key) == name)
    }
}

impl Format for AwsS3Inventory {
    fn name(&self) -> &'static str {
        "aws-s3-inventory"
    }

    fn description(&self) -> &'static str {
        "Amazon S3 inventory in CSV: the data files by their manifest.json, stored bytes and objects by storage class"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let because = match shape::of(head) {
            shape::Shape::Manifest => "it is the manifest of an S3 inventory (fileSchema, sourceBucket)".to_owned(),
            shape::Shape::Configuration => "it is the configuration of an S3 inventory".to_owned(),
            shape::Shape::Data(columns) => {
                format!("it has quoted rows of bucket, key, size, date and storage class ({} columns)", columns.len())
            }
            shape::Shape::Other => return None,
        };
        Some(Recognition { because })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut beginning = Vec::new();
        (&mut *input).take(BEGINNING_BYTES).read_to_end(&mut beginning).map_err(ingest_error)?;
        let shape = shape::of(&beginning);
        let mut input = Cursor::new(beginning).chain(input);
        let columns = match (&self.manifest, shape) {
            (_, shape::Shape::Manifest) => {
                sink.warn(format!("a manifest lists the files of an inventory and holds no usage: {GIVE_MANIFEST}"));
                return Ok(());
            }
            (_, shape::Shape::Configuration) => {
                sink.warn(
                    "the configuration of an inventory holds no usage: ingest what the inventory delivered".into(),
                );
                return Ok(());
            }
            (Some(manifest), _) => {
                if !manifest.file_format.eq_ignore_ascii_case("csv") {
                    return Err(IngestError::NotReadable {
                        problem: format!("the inventory is in {}, expected CSV", manifest.file_format),
                        hint: "configure the inventory to be delivered as CSV",
                    });
                }
                manifest.columns()
            }
            (None, shape::Shape::Data(columns)) => columns,
            (None, shape::Shape::Other) => {
                return Err(IngestError::NotReadable {
                    problem: "the columns of an inventory file cannot be told from its content".into(),
                    hint: GIVE_MANIFEST,
                });
            }
        };
        let mut totals = Totals::of(self.manifest.as_ref(), &columns)?;
        csv_table::read_without_header(&mut input, &columns, &mut totals, sink)?;
        totals.finish(self.manifest.as_ref(), origin, sink)
    }
}

/// What lies in one class of a bucket.
#[derive(Default)]
struct Sum {
    bytes: i64,
    objects: i64,
}

/// Bucket, storage class, and whether it is of small objects that the class bills as larger ones.
type Group = (String, Option<String>, bool);

/// The sums of one data file.
struct Totals {
    groups: BTreeMap<Group, Sum>,
    markers: u64,
    latest: String,
    bucket: Option<String>,
}

impl Totals {
    fn of(manifest: Option<&InventoryManifest>, columns: &[String]) -> Result<Self, IngestError> {
        if !columns.iter().any(|name| name == "Size") {
            return Err(IngestError::NotReadable {
                problem: format!("the inventory has no column `Size`; it has {}", columns.join(", ")),
                hint: "add the object metadata `Size` and `StorageClass` to the configuration of the inventory",
            });
        }
        Ok(Totals {
            groups: BTreeMap::new(),
            markers: 0,
            latest: String::new(),
            bucket: manifest.map(|manifest| manifest.source_bucket.clone()),
        })
    }

    /// Adds an object; the error is what is wrong with the row.
    fn add(&mut self, row: &CsvRow<'_>) -> Result<(), String> {
        if row.value("IsDeleteMarker").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            self.markers += 1;
            return Ok(());
        }
        let size = row.value("Size").ok_or("`Size` is empty, expected bytes")?;
        let bytes = decimal::exact(size, 0).map_err(|problem| format!("`Size` {problem}"))?;
        let bucket = row.value("Bucket").or(self.bucket.as_deref()).ok_or("`Bucket` is empty")?;
        let class = class_of(row)?;
        if let Some(date) = row.value("LastModifiedDate") {
            if timestamp::iso(date).is_none() {
                return Err(format!("`LastModifiedDate` is `{date}`, expected an ISO 8601 time"));
            }
            if date > self.latest.as_str() {
                date.clone_into(&mut self.latest);
            }
        }
        let billed_larger = matches!(class.as_deref(), Some("STANDARD_IA" | "ONEZONE_IA" | "GLACIER_IR"));
        let group = (bucket.to_owned(), class, billed_larger && bytes < SMALL_BYTES);
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&group) {
            return Err(format!(
                "the file is of more than {GROUPS_MAX} buckets and classes, expected an inventory of one bucket"
            ));
        }
        let sum = self.groups.entry(group).or_default();
        let total = sum.bytes.checked_add(bytes).ok_or_else(|| format!("`Size` is `{size}`, which is too large"))?;
        sum.bytes = total;
        sum.objects += 1;
        Ok(())
    }

    fn finish(
        self,
        manifest: Option<&InventoryManifest>,
        origin: &Origin<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), IngestError> {
        let wrong = |problem| IngestError::NotReadable { problem, hint: GIVE_MANIFEST };
        let created = manifest.map(InventoryManifest::created_us).transpose().map_err(wrong)?;
        // Without the time of the snapshot the sums themselves tell it from the next one.
        let snapshot = match manifest {
            Some(manifest) => manifest.creation_timestamp.clone(),
            None => self.content(),
        };
        let file = manifest.and_then(|manifest| manifest.file_of(origin.name));
        let mut without_class = 0;
        for ((bucket, class, small), sum) in self.groups {
            let small = small.then_some("small");
            let key = RecordKey::of(&[
                Some("aws-s3-inventory"),
                Some(&bucket),
                Some(&snapshot),
                class.as_deref(),
                small,
                file,
            ]);
            let mut row = StoredBytes {
                provider: "aws".into(),
                service: "s3".into(),
                resource: Some(bucket),
                storage_class: class,
                bytes: Some(sum.bytes),
                objects: Some(sum.objects),
                ..StoredBytes::default()
            };
            origin.defaults.complete_stored_bytes(&mut row);
            row.held_us = row.held_us.or(Some(DAY_US));
            without_class += u64::from(row.storage_class.is_none());
            let time = created.map_or(EventTime::Assumed, EventTime::Logged);
            sink.record(Record { time, key, usage: Usage::StoredBytes(Box::new(row)) })?;
        }
        if manifest.is_none() {
            sink.warn(format!(
                "the file does not say when its snapshot was taken, so that it stands for the day of the upload or of `--at`: {GIVE_MANIFEST}"
            ));
        }
        if without_class > 0 {
            sink.warn("the inventory has no storage classes: declare `storage_class` with `--defaults FILE`, or all of it counts as Standard".into());
        }
        if self.markers > 0 {
            sink.warn(format!("{} delete markers hold no bytes and were not counted", self.markers));
        }
        Ok(())
    }

    /// A name of what the file holds.
    fn content(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.latest.as_bytes());
        for ((bucket, class, small), sum) in &self.groups {
            hash.update(format!("\n{bucket} {class:?} {small} {} {}", sum.bytes, sum.objects));
        }
        hex::encode(hash.finalize())
    }
}

impl TableReader for Totals {
    fn header(&mut self, _: &[String], _: &mut dyn Sink) -> Result<(), IngestError> {
        Ok(())
    }

    fn row(&mut self, row: &CsvRow<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        match self.add(row) {
            Ok(()) => Ok(()),
            Err(problem) => sink.reject(row.rejected(problem)),
        }
    }
}

/// The class in the words of the price book, which has one for each tier of Intelligent-Tiering.
fn class_of(row: &CsvRow<'_>) -> Result<Option<String>, String> {
    let Some(class) = row.value("StorageClass") else { return Ok(None) };
    if !class.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err(format!("`StorageClass` is `{class}`, expected a class such as `STANDARD_IA`"));
    }
    let tier = match row.value("IntelligentTieringAccessTier") {
        Some("FREQUENT") => "_FA",
        Some("INFREQUENT") => "_IA",
        Some("ARCHIVE_INSTANT_ACCESS") => "_AIA",
        Some("ARCHIVE") => "_AA",
        Some("DEEP_ARCHIVE") => "_DAA",
        _ => "",
    };
    Ok(Some(if class == "INTELLIGENT_TIERING" { format!("{class}{tier}") } else { class.to_owned() }))
}
