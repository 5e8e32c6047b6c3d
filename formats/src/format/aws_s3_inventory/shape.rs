//! What a file of an inventory is, by its content alone.

use csv::{ByteRecord, ReaderBuilder};
use serde_json::Value;

use crate::format::timestamp;

/// Rows that are looked at.
const ROWS_MAX: usize = 100;

const CLASSES: [&str; 9] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "GLACIER_IR",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
];

/// Tiers that an object of Intelligent-Tiering lies in.
const TIERS: [&str; 4] = ["FREQUENT", "INFREQUENT", "ARCHIVE_INSTANT_ACCESS", "ARCHIVE"];

pub(super) enum Shape {
    Manifest,
    Configuration,
    /// Data, with names for its columns.
    Data(Vec<String>),
    Other,
}

pub(super) fn of(head: &[u8]) -> Shape {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    match head.trim_ascii_start().first() {
        Some(b'{') => json(head),
        Some(b'"') => data(head).map_or(Shape::Other, Shape::Data),
        _ => Shape::Other,
    }
}

fn json(head: &[u8]) -> Shape {
    let first = serde_json::Deserializer::from_slice(head).into_iter::<Value>().next();
    let Some(Ok(value)) = first else {
        // The manifest of a large bucket lists more files than the head of it holds.
        let has = |name: &str| memchr::memmem::find(head, name.as_bytes()).is_some();
        let manifest = has("\"sourceBucket\"") && has("\"fileSchema\"") && has("\"creationTimestamp\"");
        return if manifest { Shape::Manifest } else { Shape::Other };
    };
    let has = |name: &str| value.get(name).is_some();
    if has("fileSchema") && has("sourceBucket") && has("creationTimestamp") {
        Shape::Manifest
    } else if has("InventoryConfiguration") || has("InventoryConfigurationList") {
        Shape::Configuration
    } else {
        Shape::Other
    }
}

/// Names for the columns of data in which every row is of the same bucket and has a size, a date and a class where an
/// inventory has them. The order of columns is always the same; which there are is not.
fn data(head: &[u8]) -> Option<Vec<String>> {
    // The last line may be cut off.
    let end = memchr::memrchr(b'\n', head).map_or(head.len(), |end| end + 1);
    let mut lines = head.get(..end)?.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let quoted = |line: &[u8]| line.trim_ascii_end().ends_with(b"\"") && line.starts_with(b"\"");
    if !lines.all(quoted) {
        return None;
    }
    let mut rows = ReaderBuilder::new().flexible(true).has_headers(false).from_reader(head.get(..end)?);
    let mut record = ByteRecord::new();
    let mut first: Option<(usize, usize, String)> = None;
    let mut classes = Vec::new();
    let mut sized = false;
    for _ in 0..ROWS_MAX {
        if !rows.read_byte_record(&mut record).ok()? {
            break;
        }
        let fields: Vec<&str> = record.iter().map(|field| std::str::from_utf8(field).unwrap_or_default()).collect();
        if fields.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let date = fields.iter().position(|field| is_date(field))?;
        let bucket = fields.first().filter(|bucket| is_bucket(bucket))?;
        let (columns, date_of_first, bucket_of_first) =
            first.get_or_insert_with(|| (fields.len(), date, (*bucket).to_owned()));
        if *columns != fields.len() || *date_of_first != date || bucket_of_first != bucket || date < 3 {
            return None;
        }
        let size = fields.get(date - 1)?;
        // A delete marker has no size.
        if !size.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        sized |= !size.is_empty();
        let class = fields.iter().skip(date + 1).position(|field| CLASSES.contains(field));
        classes.extend(class.map(|place| date + 1 + place));
        if class.is_none() && !size.is_empty() {
            return None;
        }
    }
    let (columns, date, _) = first?;
    let class = *classes.first()?;
    if !sized || classes.iter().any(|other| *other != class) {
        return None;
    }
    let mut names: Vec<String> = (1..=columns).map(|number| format!("column {number}")).collect();
    let marker = (date == 6).then_some(4);
    let known = [Some(0), marker, Some(date - 1), Some(date), Some(class)];
    let texts = ["Bucket", "IsDeleteMarker", "Size", "LastModifiedDate", "StorageClass"];
    for (place, name) in known.into_iter().zip(texts) {
        if let Some(field) = place.and_then(|place| names.get_mut(place)) {
            name.clone_into(field);
        }
    }
    let tier = tier_column(head, class, columns);
    if let Some(field) = tier.and_then(|tier| names.get_mut(tier)) {
        "IntelligentTieringAccessTier".clone_into(field);
    }
    Some(names)
}

/// The column behind the class that has a tier in it.
fn tier_column(head: &[u8], class: usize, columns: usize) -> Option<usize> {
    let mut rows = ReaderBuilder::new().flexible(true).has_headers(false).from_reader(head);
    let mut record = ByteRecord::new();
    for _ in 0..ROWS_MAX {
        if !rows.read_byte_record(&mut record).ok()? {
            break;
        }
        let is_tier =
            |place: &usize| record.get(*place).is_some_and(|field| TIERS.iter().any(|tier| tier.as_bytes() == field));
        if let Some(place) = (class + 1..columns).find(is_tier) {
            return Some(place);
        }
    }
    None
}

fn is_date(field: &str) -> bool {
    field.len() >= 19 && timestamp::iso(field).is_some()
}

fn is_bucket(field: &str) -> bool {
    (3..=63).contains(&field.len())
        && field.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
}
