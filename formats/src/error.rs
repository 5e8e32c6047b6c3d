//! What can end an upload, and what to do about it.

use thiserror::Error;

/// Why an upload as a whole was refused. A bad row is not one of these: it is a
/// [rejected row](crate::record::RejectedRow).
#[derive(Debug, Error)]
pub enum IngestError {
    /// No format recognises the content.
    #[error("no known format recognises the content; it begins with `{begins}`")]
    UnknownFormat {
        /// The beginning of the file, made printable.
        begins: String,
    },
    /// Several formats do.
    #[error("the content fits more than one format: {}", candidates.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))]
    AmbiguousFormat {
        /// Names for `--format`, each with what in the content speaks for it.
        candidates: Vec<(&'static str, String)>,
    },
    /// `--format` names nothing we know.
    #[error("there is no format `{name}`; there are {}", known.join(", "))]
    NoSuchFormat {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// Nothing in the file.
    #[error("the file is empty")]
    Empty,
    /// Text in an encoding that no log service writes.
    #[error("the content is {encoding} text, expected UTF-8")]
    NotUtf8Text {
        /// What it is.
        encoding: &'static str,
    },
    /// The compressed stream ends early or is damaged.
    #[error("the {compression} data is damaged or cut off after {decompressed_bytes} decompressed bytes: {problem}")]
    BadCompression {
        /// `gzip` or `zstd`.
        compression: &'static str,
        /// How far it could be read, in bytes.
        decompressed_bytes: u64,
        /// The decoder's words.
        problem: String,
    },
    /// More than the limit of decompressed bytes.
    #[error("the decompressed data is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// Far more decompressed than compressed bytes.
    #[error(
        "{compressed_bytes} compressed bytes expand to more than {decompressed_bytes}, over {ratio_max} times: refused as a decompression bomb"
    )]
    Bomb {
        /// Compressed bytes read so far.
        compressed_bytes: u64,
        /// Decompressed bytes so far.
        decompressed_bytes: u64,
        /// The limit.
        ratio_max: u64,
    },
    /// An archive that cannot be opened, or not all of it.
    #[error("the {archive} archive cannot be read: {problem}")]
    BadArchive {
        /// `zip` or `tar`.
        archive: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A member of an archive whose name leads out of it.
    #[error("the archive has a member `{member}`, whose name leads out of the archive: it was passed over")]
    OutsideArchive {
        /// Its name.
        member: String,
    },
    /// A manifest names files that are not there.
    #[error("the manifest names {count} files, of which {} are not here: {}", missing.len(), missing.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))]
    PartsMissing {
        /// Files that it names.
        count: usize,
        /// Those that are missing.
        missing: Vec<String>,
    },
    /// A table of a column format that cannot be read.
    #[error("the Parquet file cannot be read: {problem}")]
    BadParquet {
        /// The reader's words.
        problem: String,
    },
    /// The file could not be read or written.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A directory where a file was expected, or nothing at all.
    #[error("`{path}` is {what}, expected a file")]
    NotAFile {
        /// The path.
        path: String,
        /// What it is instead.
        what: &'static str,
    },
    /// The defaults file cannot be read.
    #[error("defaults file `{name}`: {problem}")]
    BadDefaults {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The mapping cannot be used.
    #[error("mapping `{name}`: {problem}")]
    BadMapping {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file does not have the columns that its mapping names.
    #[error("{problem}")]
    WrongColumns {
        /// What is wrong with them.
        problem: String,
    },
    /// The file is written in two ways that contradict each other.
    #[error("{problem}")]
    Contradiction {
        /// What contradicts what, and where.
        problem: String,
    },
    /// A bill lacks columns without which its lines cannot be read.
    #[error("{what} needs columns that the file does not have: {}", missing.join(", "))]
    MissingColumns {
        /// What kind of bill it is.
        what: String,
        /// The columns, each with its other names.
        missing: Vec<String>,
    },
    /// The file does not say what it measures, and nobody declared it.
    #[error("{problem}")]
    NeedsMapping {
        /// What is not known.
        problem: String,
        /// How it is declared.
        example: String,
    },
    /// The format is known, but a file like this cannot be read.
    #[error("{problem}")]
    NotReadable {
        /// Why not.
        problem: String,
        /// What the user can do.
        hint: &'static str,
    },
    /// The lake is of a version we do not know.
    #[error("the lake at `{lake}` was written by a newer version: {problem}")]
    NewerLake {
        /// Where the lake is.
        lake: String,
        /// What we do not know.
        problem: String,
    },
    /// There is no lake at the address.
    #[error("`{lake}` cannot be used as a lake: {problem}")]
    BadLake {
        /// Where it should be.
        lake: String,
        /// Why not.
        problem: String,
    },
    /// A table can no longer be read as it was.
    #[error("table `{table}` cannot be read as it was at version {version}: {source}")]
    NoSuchVersion {
        /// The table.
        table: &'static str,
        /// The version asked for.
        version: u64,
        /// The engine's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Other writers kept winning.
    #[error("the commit to `{table}` lost against other writers {attempts} times")]
    Contention {
        /// The table.
        table: &'static str,
        /// How often it was tried.
        attempts: u32,
    },
    /// The user ended it before it was read.
    #[error("the upload was cancelled; nothing of it was kept")]
    Cancelled,
    /// The storage engine failed.
    #[error("the lake could not be {doing}: {source}")]
    Storage {
        /// `read` or `written`, and which table.
        doing: String,
        /// The engine's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl IngestError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownFormat { .. } => {
                "`paygrain ingest --format help` lists the formats; name one with `--format NAME` if it is one of them".into()
            }
            Self::AmbiguousFormat { candidates } => {
                let reasons: Vec<_> = candidates.iter().map(|(name, because)| format!("{name} ({because})")).collect();
                format!("choose one with `--format NAME`: {}", reasons.join(" or "))
            }
            Self::NoSuchFormat { .. } => "`paygrain ingest --format help` describes them".into(),
            Self::Empty => "check the export; an empty file may mean that it has not been delivered yet".into(),
            Self::NotUtf8Text { .. } => {
                "convert it, for example with `iconv -f UTF-16 -t UTF-8`, or download it again as it is".into()
            }
            Self::BadCompression { .. } => {
                "copy or download the file again; nothing of it was kept, so it can simply be ingested once it is whole".into()
            }
            Self::BadArchive { .. } => {
                "copy or download it again, or unpack it and ingest what is in it; an encrypted one has to be unpacked first".into()
            }
            Self::OutsideArchive { .. } => "if you trust the archive, unpack it yourself and ingest that file".into(),
            Self::PartsMissing { .. } => {
                "download the whole delivery and name its directory or an archive of it; nothing of it was kept".into()
            }
            Self::BadParquet { .. } => "copy or download the file again; nothing of it was kept".into(),
            Self::TooLarge { .. } => "split the file, or raise the limit with `--max-bytes`".into(),
            Self::Bomb { .. } => "if the file is what you expect, decompress it first and ingest the result".into(),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => "check the path".into(),
                std::io::ErrorKind::PermissionDenied => "check who may read and write there".into(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    "free some space and ingest the file again; nothing of it was kept".into()
                }
                _ => return None,
            },
            Self::NotAFile { .. } => "name the files, for example with `DIRECTORY/*`".into(),
            Self::BadDefaults { .. } => {
                "known keys: account, region, resource, architecture, package_type, runtime, memory_mb, vcpu_milli, concurrency, ephemeral_mb, capacity, storage_class, held_days, and tables `[resources.NAME]` of the same".into()
            }
            Self::BadMapping { .. } => "a mapping has `table`, `[time]`, `[end]`, `[key]` and `[columns]`, or `[metric.…]` for CloudWatch: see docs/mappings.md".into(),
            Self::WrongColumns { .. } => {
                "name the columns as the header of the file does; `delimiter` in the mapping sets what stands between them".into()
            }
            Self::Contradiction { .. } => {
                "export it again in one language; if several exports were put together, ingest each file by itself".into()
            }
            Self::MissingColumns { .. } => "export the bill again with these columns".into(),
            Self::NeedsMapping { example, .. } => {
                format!("declare it with `--mapping FILE.toml` (see docs/mappings.md), for example\n\n{example}")
            }
            Self::NotReadable { hint, .. } => (*hint).into(),
            Self::NewerLake { .. } => "use the version of paygrain that wrote it, or another `--lake`".into(),
            Self::BadLake { .. } => "name another place with `--lake`".into(),
            Self::NoSuchVersion { table, .. } => {
                format!("every version stays as long as nothing in the lake's directory `{table}` is removed: restore what is missing from a backup")
            }
            Self::Contention { .. } => "ingest the file again; nothing of it was kept".into(),
            Self::Cancelled => "send the file again if it is wanted after all".into(),
            Self::Storage { source, .. } => {
                if !is_storage_full(source.as_ref()) {
                    return None;
                }
                "free some space and ingest the file again; nothing of it was kept".into()
            }
        })
    }
}

/// Whether a full disk is at the root of an error, however deep.
fn is_storage_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded))
        || error.to_string().contains("No space left on device")
        || error.source().is_some_and(is_storage_full)
}

/// The beginning of some bytes, made printable: at most 60 characters, control characters escaped.
pub fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(240)]);
    let mut out = String::new();
    for character in text.chars().take(60) {
        if character.is_control() { out.extend(character.escape_default()) } else { out.push(character) }
    }
    out
}

/// A reason as it is kept and shown: about 1,000 bytes of it at most, whatever of the file stands in it, and no control
/// characters.
pub(crate) fn reason(text: &str) -> String {
    const BYTES_MAX: usize = 1_000;
    let mut out = String::with_capacity(text.len().min(BYTES_MAX));
    for character in text.chars() {
        if out.len() >= BYTES_MAX {
            out.push('…');
            break;
        }
        if character.is_control() { out.extend(character.escape_default()) } else { out.push(character) }
    }
    out
}
