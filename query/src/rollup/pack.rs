//! A rollup as a file: a line of JSON that says what it is, and its parts one after the other: four Parquet files, and starts
//! and ends by second in a code of their own.
//!
//! The name is made of what the rollup is of, so whoever writes it writes the same. A file that cannot be read, or that is
//! not what its first line says, is as good as none.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use paygrain_ingest::table::Table;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::class::{Class, integer_columns, text_columns};
use super::histogram::{Histogram, key};
use super::seconds::{ClassHours, Hours};
use super::{Histograms, Rollup, Terms};

/// Version of the file format, and of what is kept: another one is not read.
const VERSION: u32 = 3;
/// Compression level of everything.
const ZSTD_LEVEL: i32 = 1;
/// How the names of the files end.
const EXTENSION: &str = "rollup";

/// Parts of a file, in their order.
const PARTS: usize = 6;
/// Where the parts begin that are read when they are asked for: the two histograms are read together.
const HISTOGRAMS: usize = 2;
/// As [`HISTOGRAMS`].
const SECONDS: usize = 4;
/// As [`HISTOGRAMS`].
const CLASS_SECONDS: usize = 5;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    table: String,
    day: i32,
    files: BTreeSet<String>,
    terms: Vec<String>,
    /// Provider, service and the terms summed for their records, in hexadecimal.
    services: Vec<(String, String, String)>,
    /// When the last execution ends, in microseconds since the day began.
    last_end_us: Option<i64>,
    /// Lengths of the parts in bytes, and BLAKE3 of each.
    parts: [(usize, String); PARTS],
}

/// Why a file is not a rollup.
#[derive(Debug, Error)]
pub(crate) enum PackError {
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Its first line is not as expected.
    #[error(transparent)]
    Header(#[from] serde_json::Error),
    /// A part is not Parquet.
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// Its columns are not as expected.
    #[error(transparent)]
    Arrow(#[from] datafusion::arrow::error::ArrowError),
    /// It is of another version, or damaged.
    #[error("it is {0}")]
    Other(&'static str),
}

/// The file of a rollup of these data files.
pub(crate) fn path(directory: &Path, table: Table, day: i32, files: &BTreeSet<String>) -> PathBuf {
    let mut hash = blake3::Hasher::new();
    for file in files {
        hash.update(file.as_bytes()).update(b"\n");
    }
    let name = &hash.finalize().to_hex()[..32];
    directory.join(table.name()).join(day.to_string()).join(format!("{name}.{EXTENSION}"))
}

/// The files there are of a day.
pub(crate) fn of_day(directory: &Path, table: Table, day: i32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory.join(table.name()).join(day.to_string())) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
        .collect();
    found.sort();
    found
}

/// Writes a rollup: wholly or not at all.
pub(crate) fn write(directory: &Path, table: Table, rollup: &Rollup) -> Result<PathBuf, PackError> {
    let gone = || PackError::Other("without a part of it");
    let histograms = rollup.histograms().ok_or_else(gone)?;
    let parts: [Vec<u8>; PARTS] = [
        parquet(&classes_batch(table, rollup)?)?,
        parquet(&cells_batch(rollup)?)?,
        parquet(&histogram_batch(&histograms.durations)?)?,
        parquet(&histogram_batch(&histograms.memory_used)?)?,
        zstd::bulk::compress(rollup.seconds().ok_or_else(gone)?.bytes(), ZSTD_LEVEL)?,
        zstd::bulk::compress(&rollup.class_seconds().ok_or_else(gone)?.to_bytes(), ZSTD_LEVEL)?,
    ];
    let header = Header {
        version: VERSION,
        table: table.name().to_owned(),
        day: rollup.day,
        files: rollup.files.clone(),
        terms: rollup.terms.clone(),
        services: rollup
            .services
            .iter()
            .map(|(provider, service, terms)| (provider.clone(), service.clone(), format!("{terms:x}")))
            .collect(),
        last_end_us: rollup.last_end_us,
        parts: parts.each_ref().map(|part| (part.len(), hash_of(part))),
    };
    let path = path(directory, table, rollup.day, &rollup.files);
    let parent = path.parent().unwrap_or(directory);
    fs::create_dir_all(parent)?;
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    serde_json::to_writer(&mut file, &header)?;
    file.write_all(b"\n")?;
    for part in &parts {
        file.write_all(part)?;
    }
    file.persist(&path).map_err(|error| error.error)?;
    Ok(path)
}

/// What a file says it is a rollup of, without any sums: its first line alone is read.
pub(crate) fn facts(path: &Path, table: Table) -> Result<Rollup, PackError> {
    first_line(path, table)?.1.rollup()
}

/// A file of which the first line is read.
fn first_line(path: &Path, table: Table) -> Result<(BufReader<File>, Header), PackError> {
    let (mut file, mut line) = (BufReader::new(File::open(path)?), String::new());
    file.read_line(&mut line)?;
    Ok((file, checked(serde_json::from_str(&line)?, table)?))
}

/// Reads what a file says it is, and all of its parts, which are checked.
fn open(path: &Path, table: Table) -> Result<(Header, [Bytes; PARTS]), PackError> {
    let bytes = Bytes::from(fs::read(path)?);
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(PackError::Other("cut off"))?;
    let header = checked(serde_json::from_slice(&bytes[..end])?, table)?;
    let rest = bytes.slice(end + 1..);
    if rest.len() != header.parts.iter().map(|(length, _)| length).sum::<usize>() {
        return Err(PackError::Other("damaged"));
    }
    let mut from = 0;
    let parts = header.parts.each_ref().map(|(length, _)| {
        from += length;
        rest.slice(from - length..from)
    });
    match parts.iter().zip(&header.parts).all(|(part, (_, hash))| hash_of(part) == *hash) {
        true => Ok((header, parts)),
        false => Err(PackError::Other("damaged")),
    }
}

/// Reads some parts that are next to each other, which alone are checked.
fn parts<const N: usize>(path: &Path, table: Table, first: usize) -> Result<[Bytes; N], PackError> {
    let (mut file, header) = first_line(path, table)?;
    let before: usize = header.parts[..first].iter().map(|(length, _)| length).sum();
    file.seek_relative(i64::try_from(before).map_err(|_| PackError::Other("damaged"))?)?;
    let mut found = [const { Bytes::new() }; N];
    for (part, (length, hash)) in found.iter_mut().zip(&header.parts[first..]) {
        let mut bytes = vec![0; *length];
        file.read_exact(&mut bytes)?;
        if hash_of(&bytes) != *hash {
            return Err(PackError::Other("damaged"));
        }
        *part = bytes.into();
    }
    Ok(found)
}

fn hash_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Reads the histograms of a rollup.
pub(crate) fn read_histograms(path: &Path, table: Table) -> Result<Histograms, PackError> {
    let [durations, memory_used] = parts(path, table, HISTOGRAMS)?;
    Ok(Histograms { durations: histogram(durations)?, memory_used: histogram(memory_used)? })
}

/// Reads the starts and ends of a rollup.
pub(crate) fn read_seconds(path: &Path, table: Table) -> Result<Hours, PackError> {
    let [seconds] = parts(path, table, SECONDS)?;
    Ok(Hours::of(decompressed(&seconds)?))
}

/// Reads the starts and ends of each class of a rollup.
pub(crate) fn read_class_seconds(path: &Path, table: Table) -> Result<ClassHours, PackError> {
    let [seconds] = parts(path, table, CLASS_SECONDS)?;
    ClassHours::of(decompressed(&seconds)?).ok_or(PackError::Other("damaged"))
}

fn decompressed(bytes: &[u8]) -> Result<Bytes, PackError> {
    Ok(zstd::stream::decode_all(bytes)?.into())
}

/// Reads a rollup, without what is read when it is asked for.
pub(crate) fn read(path: &Path, table: Table) -> Result<Rollup, PackError> {
    let (header, [classes, cells, ..]) = open(path, table)?;
    let (classes, cells) = (&batch_of(classes)?, &batch_of(cells)?);
    let mut rollup = header.rollup()?;
    read_classes(table, classes, &mut rollup)?;
    let number = |name: &str| integers(cells, name);
    rollup.cell_classes = number("class")?.values().iter().map(|class| *class as u32).collect();
    rollup.hours = number("hour")?.values().iter().map(|hour| *hour as u8).collect();
    rollup.counts = number("count")?.values().iter().map(|count| *count as u64).collect();
    for term in 0..rollup.terms.len() {
        let name = format!("sum_{term}");
        let is_there = cells.column_by_name(&name).is_some();
        rollup.sums.push(if is_there { number(&name)?.values().to_vec() } else { Vec::new() });
    }
    rollup.file = Some((path.to_owned(), table));
    Ok(rollup)
}

impl Header {
    /// The rollup, without any sums.
    fn rollup(self) -> Result<Rollup, PackError> {
        let service = |(provider, service, terms): (String, String, String)| Ok((provider, service, terms_of(&terms)?));
        let services = self.services.into_iter().map(service).collect::<Result<_, PackError>>()?;
        Ok(Rollup {
            day: self.day,
            files: self.files,
            terms: self.terms,
            services,
            last_end_us: self.last_end_us,
            ..Rollup::default()
        })
    }
}

fn checked(header: Header, table: Table) -> Result<Header, PackError> {
    match header.version == VERSION && header.table == table.name() && header.terms.len() <= Terms::BITS as usize {
        true => Ok(header),
        false => Err(PackError::Other("of another version")),
    }
}

fn terms_of(text: &str) -> Result<Terms, PackError> {
    Terms::from_str_radix(text, 16).map_err(|_| PackError::Other("damaged"))
}

fn parquet(batch: &RecordBatch) -> Result<Vec<u8>, PackError> {
    let mut properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?));
    for field in batch.schema().fields().iter().filter(|field| field.data_type() == &DataType::Int64) {
        let column = datafusion::parquet::schema::types::ColumnPath::from(field.name().as_str());
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build()))?;
    writer.write(batch)?;
    Ok(writer.into_inner()?)
}

fn batch_of(bytes: Bytes) -> Result<RecordBatch, PackError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let schema = reader.schema().clone();
    let batches = reader.with_batch_size(1 << 20).build()?.collect::<Result<Vec<_>, _>>()?;
    Ok(concat_batches(&schema, &batches)?)
}

fn batch(columns: Vec<(String, ArrayRef)>) -> Result<RecordBatch, PackError> {
    let fields = columns.iter().map(|(name, column)| Field::new(name, column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(RecordBatch::try_new(schema, columns.into_iter().map(|(_, column)| column).collect())?)
}

fn integers(batch: &RecordBatch, name: &str) -> Result<Int64Array, PackError> {
    let column = batch.column_by_name(name).ok_or(PackError::Other("of another version"))?;
    match column.as_primitive_opt::<Int64Type>() {
        Some(column) => Ok(column.clone()),
        None => Err(PackError::Other("of another version")),
    }
}

#[expect(clippy::cast_possible_wrap, reason = "counts of records are far smaller")]
fn signed(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values.map(|value| value as i64)))
}

fn classes_batch(table: Table, rollup: &Rollup) -> Result<RecordBatch, PackError> {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (place, name) in text_columns(table).iter().enumerate() {
        let texts: StringArray = rollup.classes.iter().map(|class| class.texts[place].as_deref()).collect();
        columns.push(((*name).to_owned(), Arc::new(texts)));
    }
    for (place, name) in integer_columns(table).iter().enumerate() {
        let numbers: Int64Array = rollup.classes.iter().map(|class| class.integers[place]).collect();
        columns.push(((*name).to_owned(), Arc::new(numbers)));
    }
    columns.push(("signs".to_owned(), signed(rollup.classes.iter().map(|class| class.signs.into()))));
    for (name, sets) in [("known_terms", &rollup.known), ("absent_terms", &rollup.absent)] {
        let sets = StringArray::from_iter_values(sets.iter().map(|terms| format!("{terms:x}")));
        columns.push((name.to_owned(), Arc::new(sets)));
    }
    batch(columns)
}

fn read_classes(table: Table, batch: &RecordBatch, rollup: &mut Rollup) -> Result<(), PackError> {
    let column = |name: &str| batch.column_by_name(name).ok_or(PackError::Other("of another version"));
    let texts = |name: &str| Ok::<_, PackError>(cast(column(name)?, &DataType::Utf8)?);
    let text_columns = text_columns(table).iter().map(|name| texts(name)).collect::<Result<Vec<_>, _>>()?;
    let numbers = integer_columns(table).iter().map(|name| integers(batch, name)).collect::<Result<Vec<_>, _>>()?;
    let signs = integers(batch, "signs")?;
    let sets = [texts("known_terms")?, texts("absent_terms")?];
    for row in 0..batch.num_rows() {
        let text = |column: &ArrayRef| column.is_valid(row).then(|| Arc::from(column.as_string::<i32>().value(row)));
        rollup.classes.push(Class {
            texts: text_columns.iter().map(text).collect(),
            integers: numbers.iter().map(|column| column.is_valid(row).then(|| column.value(row))).collect(),
            signs: signs.value(row) as u32,
        });
        let set = |place: usize| terms_of(sets[place].as_string::<i32>().value(row));
        rollup.known.push(set(0)?);
        rollup.absent.push(set(1)?);
    }
    Ok(())
}

fn cells_batch(rollup: &Rollup) -> Result<RecordBatch, PackError> {
    let mut columns = vec![
        ("class".to_owned(), signed(rollup.cell_classes.iter().map(|class| (*class).into()))),
        ("hour".to_owned(), signed(rollup.hours.iter().map(|hour| (*hour).into()))),
        ("count".to_owned(), signed(rollup.counts.iter().copied())),
    ];
    for (term, sums) in rollup.sums.iter().enumerate().filter(|(_, sums)| !sums.is_empty()) {
        columns.push((format!("sum_{term}"), Arc::new(Int64Array::from(sums.clone()))));
    }
    batch(columns)
}

fn histogram_batch(histogram: &Histogram) -> Result<RecordBatch, PackError> {
    batch(vec![
        ("class".to_owned(), signed(histogram.entries().map(|(class, _, _)| class.into()))),
        ("value".to_owned(), signed(histogram.entries().map(|(_, value, _)| value))),
        ("count".to_owned(), signed(histogram.counts().iter().copied())),
    ])
}

fn histogram(bytes: Bytes) -> Result<Histogram, PackError> {
    let batch = batch_of(bytes)?;
    let [classes, values, counts] = ["class", "value", "count"].map(|name| integers(&batch, name));
    let (classes, values, counts) = (classes?, values?, counts?);
    let keys = classes.values().iter().zip(values.values()).map(|(class, value)| key(*class as u32, *value as u64));
    Ok(Histogram::of(keys.collect(), counts.values().iter().map(|count| *count as u64).collect()))
}
