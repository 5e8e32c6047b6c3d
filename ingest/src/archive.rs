//! Archives: what a `.zip` or a tar file, compressed or not, holds, as files to ingest one by one.
//!
//! Members are unpacked under numbers: their names are shown, never used as paths. Archives inside archives are opened
//! one level deep, within the same limits.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use zip::CompressionMethod;
use zip::result::ZipError;

use crate::decompress::{self, Limits};
use crate::error::IngestError;

/// Members of one archive, those of archives inside it included.
const MEMBERS_MAX: usize = 100_000;
/// Archives inside archives that are opened.
const DEPTH_MAX: usize = 1;
const ZIP_MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
const PARQUET_MAGIC: &[u8] = b"PAR1";
const TAR_BLOCK_BYTES: usize = 512;

/// A file to ingest.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// What it is called: its path, behind that of the archive it is in.
    pub name: String,
    /// Where its bytes are.
    pub path: PathBuf,
    /// Keeps an unpacked file for as long as it is needed.
    _unpacked: Option<Arc<TempDir>>,
}

impl InputFile {
    /// The same file by another name.
    pub(crate) fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// A file on disk.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), path: path.into(), _unpacked: None }
    }
}

/// What became of a member: a file, or why it is none.
pub type Member = (String, Result<InputFile, IngestError>);

/// The members of an archive; the file itself when it is none.
///
/// # Errors
/// [`IngestError::BadArchive`], [`IngestError::TooLarge`], [`IngestError::Bomb`], and what opening the file gives.
pub fn expand(file: InputFile, limits: Limits) -> Result<Vec<Member>, IngestError> {
    let mut unpacker = Unpacker {
        limits,
        compressed_bytes: 0,
        unpacked_bytes: 0,
        members: Vec::new(),
        unpacked_files: 0,
        directory: None,
    };
    if unpacker.open(&file, 0)? {
        return Ok(unpacker.members);
    }
    Ok(vec![(file.name.clone(), Ok(file))])
}

#[derive(Clone, Copy)]
enum Kind {
    Zip,
    Tar,
    /// A Parquet file inside a compressed stream: it has to be a file to be read.
    Parquet,
}

fn kind(path: &Path, limits: Limits) -> Result<Option<Kind>, IngestError> {
    let mut file = open(path)?;
    let mut head = Vec::new();
    (&mut file).take(4).read_to_end(&mut head).map_err(|source| unreadable(path, source))?;
    if ZIP_MAGIC.contains(&head.as_slice()) {
        return Ok(Some(Kind::Zip));
    }
    if head == PARQUET_MAGIC {
        return Ok(None);
    }
    file.rewind().map_err(|source| unreadable(path, source))?;
    // What is wrong with a compressed file is told when it is ingested.
    let Ok(mut opened) = decompress::open(file, limits) else { return Ok(None) };
    let mut block = Vec::new();
    if (&mut opened).take(TAR_BLOCK_BYTES as u64).read_to_end(&mut block).is_err() {
        return Ok(None);
    }
    let is_tar = block.len() == TAR_BLOCK_BYTES && block.get(257..262) == Some(b"ustar");
    let is_parquet = block.starts_with(PARQUET_MAGIC);
    Ok(if is_tar { Some(Kind::Tar) } else { is_parquet.then_some(Kind::Parquet) })
}

struct Unpacker {
    limits: Limits,
    compressed_bytes: u64,
    unpacked_bytes: u64,
    members: Vec<Member>,
    unpacked_files: u64,
    directory: Option<Arc<TempDir>>,
}

impl Unpacker {
    /// Whether a file is an archive; its members are added then.
    fn open(&mut self, archive: &InputFile, depth: usize) -> Result<bool, IngestError> {
        let Some(kind) = kind(&archive.path, self.limits)? else { return Ok(false) };
        if depth > DEPTH_MAX {
            let problem = format!("`{}` is an archive in an archive in an archive", archive.name);
            return Err(IngestError::BadArchive { archive: "zip", problem });
        }
        if depth == 0 {
            self.compressed_bytes = std::fs::metadata(&archive.path).map_or(0, |metadata| metadata.len());
        }
        match kind {
            Kind::Zip => self.zip(archive, depth)?,
            Kind::Tar => self.tar(archive, depth)?,
            Kind::Parquet => {
                let mut source = decompress::open(open(&archive.path)?, self.limits)?;
                let file = self.unpack(archive.name.clone(), &mut source, "gzip")?;
                self.members.push((archive.name.clone(), Ok(file)));
            }
        }
        Ok(true)
    }

    fn zip(&mut self, archive: &InputFile, depth: usize) -> Result<(), IngestError> {
        let bad = |error: ZipError| IngestError::BadArchive { archive: "zip", problem: error.to_string() };
        let mut zip = zip::ZipArchive::new(BufReader::new(open(&archive.path)?)).map_err(bad)?;
        if zip.has_duplicate_names() {
            // The library keeps the last of them: the others would be lost unseen.
            let problem = "two of its members have the same name".to_owned();
            return Err(IngestError::BadArchive { archive: "zip", problem });
        }
        for at in 0..zip.len() {
            let listed = zip.name_for_index(at).and_then(Result::ok).unwrap_or_default().into_owned();
            let mut member = match zip.by_index(at) {
                Ok(member) => member,
                // One that is encrypted costs no other.
                Err(error @ (ZipError::UnsupportedArchive(_) | ZipError::InvalidPassword)) => {
                    self.members.push((format!("{}/{listed}", archive.name), Err(bad(error))));
                    continue;
                }
                Err(error) => return Err(bad(error)),
            };
            let name = member.name().map_err(bad)?.into_owned();
            let packed = member.compression();
            if member.is_file() && !matches!(packed, CompressionMethod::Stored | CompressionMethod::Deflated) {
                let problem = format!("`{name}` is packed with {packed}, expected Deflate");
                let error = IngestError::BadArchive { archive: "zip", problem };
                self.members.push((format!("{}/{name}", archive.name), Err(error)));
            } else if member.is_file() {
                self.member(archive, &name, &mut member, "zip", depth)?;
            }
        }
        Ok(())
    }

    fn tar(&mut self, archive: &InputFile, depth: usize) -> Result<(), IngestError> {
        let bad = |error: std::io::Error| match decompress::ingest_error(error) {
            IngestError::Io { source, .. } => IngestError::BadArchive { archive: "tar", problem: source.to_string() },
            other => other,
        };
        let mut tar = tar::Archive::new(decompress::open(open(&archive.path)?, self.limits)?);
        for member in tar.entries().map_err(bad)? {
            let mut member = member.map_err(bad)?;
            let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
            // Links and devices are no files, whatever they point at.
            if member.header().entry_type().is_file() {
                self.member(archive, &name, &mut member, "tar", depth)?;
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        archive: &InputFile,
        name: &str,
        source: &mut dyn Read,
        what: &'static str,
        depth: usize,
    ) -> Result<(), IngestError> {
        if self.members.len() == MEMBERS_MAX {
            let problem = format!("it has more than {MEMBERS_MAX} members");
            return Err(IngestError::BadArchive { archive: what, problem });
        }
        let shown = format!("{}/{}", archive.name, name.trim_start_matches("./"));
        if leads_outside(name) {
            self.members.push((shown, Err(IngestError::OutsideArchive { member: name.to_owned() })));
            return Ok(());
        }
        // What desktops leave in archives, as in directories.
        if name.split('/').any(|part| part.starts_with('.') && part != "." || part == "__MACOSX") {
            return Ok(());
        }
        let file = self.unpack(shown.clone(), source, what)?;
        if !self.open(&file, depth + 1)? {
            self.members.push((shown, Ok(file)));
        }
        Ok(())
    }

    /// Copies one member to a file of its own, within the limits of the whole archive.
    fn unpack(&mut self, name: String, source: &mut dyn Read, what: &'static str) -> Result<InputFile, IngestError> {
        let directory = match &self.directory {
            Some(directory) => directory.clone(),
            None => {
                let made = tempfile::Builder::new().prefix("paygrain-archive-").tempdir().map_err(unwritable)?;
                self.directory.insert(Arc::new(made)).clone()
            }
        };
        let path = directory.path().join(self.unpacked_files.to_string());
        self.unpacked_files += 1;
        let mut out = File::create(&path).map_err(unwritable)?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let length = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(match decompress::ingest_error(error) {
                        IngestError::Io { source, .. } => {
                            let problem = format!("`{name}` is damaged or cut off: {source}");
                            IngestError::BadArchive { archive: what, problem }
                        }
                        other => other,
                    });
                }
            };
            self.unpacked_bytes += length as u64;
            self.check()?;
            out.write_all(&buffer[..length]).map_err(unwritable)?;
        }
        Ok(InputFile { name, path, _unpacked: Some(directory) })
    }

    fn check(&self) -> Result<(), IngestError> {
        let Limits { decompressed_bytes_max, ratio_max, ratio_free_bytes } = self.limits;
        if self.unpacked_bytes > decompressed_bytes_max {
            return Err(IngestError::TooLarge { limit_bytes: decompressed_bytes_max });
        }
        if self.unpacked_bytes > ratio_free_bytes
            && self.unpacked_bytes > self.compressed_bytes.saturating_mul(ratio_max)
        {
            return Err(IngestError::Bomb {
                compressed_bytes: self.compressed_bytes,
                decompressed_bytes: self.unpacked_bytes,
                ratio_max,
            });
        }
        Ok(())
    }
}

/// Whether a name would leave the directory it is unpacked in, on any system.
fn leads_outside(name: &str) -> bool {
    let drive = name.as_bytes().get(1) == Some(&b':');
    name.starts_with(['/', '\\']) || drive || name.split(['/', '\\']).any(|part| part == "..")
}

fn open(path: &Path) -> Result<File, IngestError> {
    File::open(path).map_err(|source| IngestError::Io { what: format!("cannot open `{}`", path.display()), source })
}

fn unreadable(path: &Path, source: std::io::Error) -> IngestError {
    IngestError::Io { what: format!("cannot read `{}`", path.display()), source }
}

fn unwritable(source: std::io::Error) -> IngestError {
    IngestError::Io { what: "cannot unpack the archive into a temporary directory".into(), source }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in members {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(*name, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = tar::Header::new_ustar();
            // Written past the library, which refuses names such as `../x`.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append(&header, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    type Content = (String, Result<Vec<u8>, String>);

    fn expanded(bytes: &[u8], limits: Limits) -> Result<Vec<Content>, IngestError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let members = expand(InputFile::new("a", file.path()), limits)?;
        let content = |member: Result<InputFile, IngestError>| match member {
            Ok(file) => Ok(std::fs::read(file.path).unwrap()),
            Err(error) => Err(error.to_string()),
        };
        Ok(members.into_iter().map(|(name, member)| (name, content(member))).collect())
    }

    #[test]
    fn archives_are_their_members() {
        let members: [(&str, &[u8]); 4] =
            [("x.log", b"one"), ("deep/y.log", b"two"), ("__MACOSX/._x.log", b"no"), ("deep/.hidden", b"no")];
        let expected: Vec<(String, Result<Vec<u8>, String>)> =
            vec![("a/x.log".into(), Ok(b"one".into())), ("a/deep/y.log".into(), Ok(b"two".into()))];
        for bytes in [zip_of(&members), tar_of(&members), gzip(&tar_of(&members))] {
            assert_eq!(expanded(&bytes, Limits::default()).unwrap(), expected);
        }
        let nested = zip_of(&[("b.tar.gz", &gzip(&tar_of(&[("c", b"three")])))]);
        assert_eq!(
            expanded(&nested, Limits::default()).unwrap(),
            [("a/b.tar.gz/c".to_owned(), Ok::<_, String>(b"three".to_vec()))]
        );
        for (bytes, name) in [(b"plain".to_vec(), "a"), (gzip(b"compressed"), "a"), (Vec::new(), "a")] {
            assert_eq!(expanded(&bytes, Limits::default()).unwrap(), [(name.to_owned(), Ok(bytes))]);
        }
    }

    #[test]
    fn two_members_of_one_name_are_refused_in_a_zip_and_both_read_in_a_tar() {
        let mut zip = zip_of(&[("x.log", b"one"), ("y.log", b"two")]);
        // The library writes no such archive, other tools do.
        while let Some(at) = zip.windows(5).position(|name| name == b"y.log") {
            zip[at] = b'x';
        }
        let refused = expanded(&zip, Limits::default());
        assert!(
            matches!(&refused, Err(IngestError::BadArchive { problem, .. }) if problem.contains("same name")),
            "{refused:?}"
        );
        let both = expanded(&tar_of(&[("x.log", b"one"), ("x.log", b"two")]), Limits::default()).unwrap();
        let name = "a/x.log".to_owned();
        assert_eq!(both, [(name.clone(), Ok::<_, String>(b"one".to_vec())), (name, Ok(b"two".to_vec()))]);
    }

    #[test]
    fn members_that_cannot_be_opened_cost_no_other() {
        let plain = zip_of(&[("x.log", b"one"), ("y.log", b"two")]);
        let headers = |magic: &[u8; 4]| {
            let places = plain.windows(4).enumerate().filter(|(_, bytes)| *bytes == magic);
            places.map(|(at, _)| at).collect::<Vec<_>>()
        };
        let (local, central) = (headers(b"PK\x03\x04"), headers(b"PK\x01\x02"));
        // Bit 0 of the flags says that it is encrypted; 97 is a way to pack that nobody has.
        let (mut encrypted, mut packed) = (plain.clone(), plain.clone());
        encrypted[local[0] + 6] |= 1;
        encrypted[central[0] + 8] |= 1;
        packed[local[0] + 8] = 97;
        packed[central[0] + 10] = 97;
        for bytes in [encrypted, packed] {
            let found = expanded(&bytes, Limits::default()).unwrap();
            assert_eq!(found.len(), 2, "{found:?}");
            assert!(found[0].0 == "a/x.log" && found[0].1.is_err(), "{found:?}");
            assert_eq!(found[1], ("a/y.log".to_owned(), Ok(b"two".to_vec())));
        }
    }

    #[test]
    fn links_and_devices_in_a_tar_are_no_files() {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind) in [
            ("hard", tar::EntryType::Link),
            ("soft", tar::EntryType::Symlink),
            ("character", tar::EntryType::Char),
            ("block", tar::EntryType::Block),
            ("pipe", tar::EntryType::Fifo),
            ("directory", tar::EntryType::Directory),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_path(name).unwrap();
            header.set_link_name("/etc/passwd").unwrap();
            header.set_size(0);
            header.set_cksum();
            tar.append(&header, &b""[..]).unwrap();
        }
        let mut header = tar::Header::new_ustar();
        header.set_path("x.log").unwrap();
        header.set_size(3);
        header.set_cksum();
        tar.append(&header, &b"one"[..]).unwrap();
        let found = expanded(&tar.into_inner().unwrap(), Limits::default()).unwrap();
        assert_eq!(found, [("a/x.log".to_owned(), Ok(b"one".to_vec()))]);
    }

    #[test]
    fn large_zips_have_other_headers() {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().large_file(true);
        zip.start_file("x.log", options).unwrap();
        zip.write_all(b"one").unwrap();
        let found = expanded(&zip.finish().unwrap().into_inner(), Limits::default()).unwrap();
        assert_eq!(found, [("a/x.log".to_owned(), Ok(b"one".to_vec()))]);
    }

    #[test]
    fn names_that_lead_outside_are_told_and_the_rest_lands() {
        let members: [(&str, &[u8]); 4] =
            [("../evil", b"no"), ("/etc/passwd", b"no"), ("C:\\evil", b"no"), ("good", b"yes")];
        for bytes in [zip_of(&members), tar_of(&members)] {
            let found = expanded(&bytes, Limits::default()).unwrap();
            assert_eq!(found.len(), 4);
            for (name, outcome) in found {
                let good = name == "a/good";
                assert_eq!(outcome.is_ok(), good, "{name}: {outcome:?}");
            }
        }
    }

    #[test]
    fn bombs_and_broken_archives_are_refused() {
        let zeros = vec![0; 3 << 20];
        let limits = Limits { decompressed_bytes_max: 2 << 20, ..Limits::default() };
        let bomb = zip_of(&[("zeros", &zeros)]);
        assert!(matches!(expanded(&bomb, limits), Err(IngestError::TooLarge { .. })));
        let limits = Limits { ratio_max: 10, ratio_free_bytes: 1 << 20, ..Limits::default() };
        assert!(matches!(expanded(&bomb, limits), Err(IngestError::Bomb { .. })));
        assert!(matches!(expanded(&gzip(&tar_of(&[("zeros", &zeros)])), limits), Err(IngestError::Bomb { .. })));
        let levels = zip_of(&[("b", &zip_of(&[("c", &zip_of(&[("d", b"x")]))]))]);
        assert!(matches!(expanded(&levels, Limits::default()), Err(IngestError::BadArchive { .. })));
        let cut = &bomb[..bomb.len() / 2];
        assert!(matches!(expanded(cut, Limits::default()), Err(IngestError::BadArchive { .. })));
        let tar = tar_of(&[("zeros", &zeros)]);
        assert!(matches!(expanded(&tar[..tar.len() / 2], Limits::default()), Err(IngestError::BadArchive { .. })));
    }
}
