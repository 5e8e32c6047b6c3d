//! The files of an upload, read one after the other: found format, hashed bytes, staged rows.

use std::fs::File;
use std::io::{BufRead, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{IngestOptions, Parsed, Progress, Staging, temporary_error};
use crate::decompress::{self, Limits};
use crate::error::IngestError;
use crate::format::mapped::Mapped;
use crate::format::{self, Format, Origin, Sink};
use crate::originals::Originals;
use crate::parquet_rows::{MAGIC, ParquetRows};

pub(super) fn parse_file(path: &Path, name: &str, options: &IngestOptions) -> Result<Parsed, IngestError> {
    let mut reading = Reading::new(part_of(name), options);
    reading.file(path, name, None, options)?;
    let parsed = reading.finish(options)?;
    Ok(Parsed { again: Some((path.to_owned(), options.limits)), ..parsed })
}

/// A second reading of a file, for the original bytes of its rows.
pub(super) fn originals(path: &Path, limits: Limits) -> Result<Originals<Box<dyn Read + Send>>, IngestError> {
    let mut file = open_file(path)?;
    let mut magic = Vec::new();
    (&mut file).take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(temporary_error)?;
    file.rewind().map_err(temporary_error)?;
    if magic == MAGIC {
        return Ok(Originals::new(Box::new(ParquetRows::open(file)?), false));
    }
    let opened = decompress::open(file, limits)?;
    let marked = opened.has_byte_order_mark();
    Ok(Originals::new(Box::new(opened), marked))
}

fn open_file(path: &Path) -> Result<File, IngestError> {
    let shown = path.display();
    let metadata =
        std::fs::metadata(path).map_err(|source| IngestError::Io { what: format!("cannot open `{shown}`"), source })?;
    if metadata.is_dir() {
        return Err(IngestError::NotAFile { path: shown.to_string(), what: "a directory" });
    }
    File::open(path).map_err(|source| IngestError::Io { what: format!("cannot open `{shown}`"), source })
}

/// An upload while its files are read, one after the other.
pub(super) struct Reading {
    uploaded_at_us: i64,
    pub(super) hash: blake3::Hasher,
    bytes: u64,
    /// Name of the format of the files so far, why it was that, and what their names told.
    format: Option<(&'static str, String, Option<String>)>,
    pub(super) staging: Staging,
}

impl Reading {
    pub(super) fn new(part: u32, options: &IngestOptions) -> Self {
        let uploaded_at_us = chrono::Utc::now().timestamp_micros();
        let assumed_time_us = options.at_us.unwrap_or(uploaded_at_us);
        let mut staging = Staging::new(assumed_time_us, part, options.progress.clone());
        staging.times.uploaded_at_us = uploaded_at_us;
        Self { uploaded_at_us, hash: blake3::Hasher::new(), bytes: 0, format: None, staging }
    }

    pub(super) fn file(
        &mut self,
        path: &Path,
        name: &str,
        declared: Option<&dyn Format>,
        options: &IngestOptions,
    ) -> Result<(), IngestError> {
        let mut file = open_file(path)?;
        let unreadable = |source| IngestError::Io { what: format!("cannot read `{}`", path.display()), source };
        let mut magic = Vec::new();
        (&mut file).take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        if magic != MAGIC {
            return self.text(Counted { inner: file, progress: options.progress.clone() }, name, declared, options);
        }
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        self.text(ParquetRows::open(file)?, name, declared, options)?;
        options.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn text(
        &mut self,
        input: impl Read + Send + 'static,
        name: &str,
        declared: Option<&dyn Format>,
        options: &IngestOptions,
    ) -> Result<(), IngestError> {
        let opened = decompress::open(input, options.limits)?;
        let hash = std::mem::take(&mut self.hash);
        let mut reader = Hashing { inner: opened, hash, hashed: 0, bytes: 0 };
        let head = reader.inner.head()?;
        if head.is_empty() {
            return Err(IngestError::Empty);
        }
        let mapped = options.mapping.clone().map(|mapping| Mapped { mapping });
        let (format, because): (&dyn Format, String) = match (declared, &mapped, &options.format) {
            (Some(declared), ..) => (declared, "its manifest says so".to_owned()),
            (None, Some(mapped), _) => (mapped, "a mapping was given".to_owned()),
            (None, None, Some(name)) => (format::by_name(name)?, "named by the user".to_owned()),
            (None, None, None) => {
                let (found, recognition) = format::detect(head)?;
                (found, recognition.because)
            }
        };
        if let Some((before, ..)) = &self.format
            && *before != format.name()
        {
            let problem = format!("`{name}` is {}, the parts before it are {before}", format.name());
            return Err(IngestError::Contradiction { problem });
        }
        let origin = Origin { name, defaults: &options.defaults };
        format.parse(&mut reader, &origin, &mut self.staging)?;
        reader.skip_rest().map_err(decompress::ingest_error)?;
        let Hashing { inner, hash, bytes, .. } = reader;
        if inner.ignored_bytes() > 0 {
            let bytes = inner.ignored_bytes();
            self.staging.warn(format!("{bytes} bytes behind the end of the compressed data were ignored"));
        }
        self.hash = hash;
        self.bytes += bytes;
        self.format.get_or_insert_with(|| (format.name(), because, format.told_by_name(name)));
        Ok(())
    }

    pub(super) fn finish(self, options: &IngestOptions) -> Result<Parsed, IngestError> {
        let Some((format, detected_because, told_by_name)) = self.format else { return Err(IngestError::Empty) };
        let mut staging = self.staging;
        staging.tell_rest();
        staging.times.warnings().into_iter().for_each(|warning| staging.warn(warning));
        let mut hash = self.hash;
        hash.update(declared_source(format, told_by_name, options).as_bytes());
        Ok(Parsed {
            id: hash.finalize().to_hex().to_string(),
            format,
            detected_because,
            bytes: self.bytes,
            uploaded_at_us: self.uploaded_at_us,
            staging,
            again: None,
        })
    }
}

/// Which part of a delivery a file is, by the names that providers give: `report-00001.csv.gz`, `report-2.snappy.parquet`,
/// `part_1_0001.csv`, `export-000000000012.csv`. 0 for any other name: dates are no parts.
pub(super) fn part_of(name: &str) -> u32 {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
    let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    if let Some((set, part)) = stem.strip_prefix("part_").and_then(|rest| rest.split_once('_')) {
        return number(set)
            .zip(number(part))
            .map_or(0, |(set, part): (u32, u32)| set.saturating_mul(10_000).saturating_add(part).saturating_add(1));
    }
    let Some((before, digits)) = stem.rsplit_once('-') else { return 0 };
    let is_date = before.rsplit(['-', '_']).next().is_some_and(|word| number(word).is_some());
    let is_part = match digits.len() {
        5 | 12 => true,
        1..=3 => !digits.starts_with('0') && !is_date,
        _ => false,
    };
    // The first of a numbered kind may be 0, which is the name of the whole.
    number(digits).filter(|_| is_part).map_or(0, |part: u32| part.saturating_add(u32::from(digits.len() == 12)))
}

/// What the file was read as and what its name and the user said about it, in one fixed form: the same bytes declared
/// differently are another upload. What is not given leaves no trace, so that new options change no id.
fn declared_source(format: &str, told_by_name: Option<String>, options: &IngestOptions) -> String {
    let mut source = serde_json::json!({ "format": format, "defaults": options.defaults, "at_us": options.at_us });
    if let Some(mapping) = &options.mapping {
        source["mapping"] = serde_json::json!(mapping);
    }
    if let Some(told) = told_by_name {
        source["name"] = told.into();
    }
    source.to_string()
}

/// Counts what is read, for progress.
struct Counted<R> {
    inner: R,
    progress: Arc<Progress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Hashes and counts the decompressed bytes on their way to the parser, each block as a whole: in the small pieces that
/// a parser takes, hashing is several times slower.
struct Hashing<R> {
    inner: R,
    hash: blake3::Hasher,
    /// How many of the bytes that wait in `inner` are hashed already.
    hashed: usize,
    bytes: u64,
}

impl<R: BufRead> Hashing<R> {
    /// Hashes what the parser did not read.
    fn skip_rest(&mut self) -> std::io::Result<()> {
        loop {
            let length = self.fill_buf()?.len();
            if length == 0 {
                return Ok(());
            }
            self.consume(length);
        }
    }
}

impl<R: BufRead> BufRead for Hashing<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        let available = self.inner.fill_buf()?;
        if let Some(fresh) = available.get(self.hashed..) {
            self.hash.update(fresh);
            self.hashed = available.len();
        }
        Ok(available)
    }

    fn consume(&mut self, amount: usize) {
        self.hashed -= amount.min(self.hashed);
        self.bytes += amount as u64;
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Hashing<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(out.len());
        out[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::part_of;

    #[test]
    fn parts_of_deliveries_by_their_names() {
        for (name, part) in [
            ("cost-00001.csv.gz", 1),
            ("data/BILLING_PERIOD=2026-10/cost-00012.snappy.parquet", 12),
            ("report-2.csv.gz", 2),
            ("part_0_0001.csv", 2),
            ("part_1_0001.csv.gz", 10_002),
            ("billing-000000000000.csv", 1),
            ("billing-000000000012.json", 13),
            ("koku_2023-06-01.csv", 0),
            ("koku_2023-06-01-not-final.csv", 0),
            ("bill-2026-10.csv", 0),
            ("report.csv", 0),
            ("part_x.csv", 0),
            ("a-99999999999999999999.csv", 0),
            ("", 0),
        ] {
            assert_eq!(part_of(name), part, "{name}");
        }
    }
}
