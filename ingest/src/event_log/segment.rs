//! A part of the event log: a file of frames, each one request's events, behind a header that says how to read them.
//!
//! A frame is its length and its CRC-32 (both 32 bits, little endian) and its content; so is the header. A frame that is
//! cut off or damaged ends the file: a crash cut it, and nobody was told that it is there.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::format::cloudevents::Text;
use crate::mapping::Mapping;
use crate::record::RejectedRow;

/// Name of the file that a running process holds locked.
const LOCK: &str = "lock";
/// Ending of the names of segments.
const SEGMENT: &str = "segment";
/// How the names of directories begin that are not yet complete.
const INCOMPLETE: &str = ".new-";
/// No frame is larger: bodies of requests are limited far below.
const FRAME_BYTES_MAX: u64 = 1 << 30;

/// One event of a request.
#[derive(Debug)]
pub(super) enum Item {
    /// It can be read.
    Event { key: [u8; 16], json: Vec<u8> },
    /// It cannot.
    Rejected(RejectedRow),
}

/// What one request brought.
#[derive(Debug)]
pub(super) struct Frame {
    /// When it came, microseconds since 1970 UTC.
    pub(super) at_us: i64,
    /// Events of it that were known already, and are not in it.
    pub(super) duplicate: u64,
    pub(super) items: Vec<Item>,
}

/// How the events of a segment are to be read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    version: u32,
    pub(super) mapping: Option<Mapping>,
}

#[derive(Serialize, Deserialize)]
struct Rejection {
    line: Option<u64>,
    byte_offset: u64,
    reason: String,
    excerpt: String,
}

impl Frame {
    /// The frame as it stands in the file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut content = Vec::new();
        content.extend(self.at_us.to_le_bytes());
        content.extend(self.duplicate.to_le_bytes());
        for item in &self.items {
            let (kind, bytes) = match item {
                Item::Event { json, .. } => (b'e', json.clone()),
                Item::Rejected(row) => (b'r', serde_json::to_vec(row).unwrap_or_default()),
            };
            content.push(kind);
            content.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
            content.extend(bytes);
        }
        framed(&content)
    }
}

fn framed(content: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(content.len() + 8);
    frame.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
    frame.extend(checksum(content).to_le_bytes());
    frame.extend(content);
    frame
}

fn checksum(content: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    crc.sum()
}

/// A process's own log.
pub(super) struct Writer {
    directory: PathBuf,
    name: String,
    last: i64,
    /// Held until the process ends.
    _lock: File,
}

impl Writer {
    /// Makes a directory of its own, which is locked before anyone can see it.
    pub(super) fn create(logs: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(logs)?;
        let incomplete = tempfile::Builder::new().prefix(INCOMPLETE).rand_bytes(8).tempdir_in(logs)?;
        let lock = File::create(incomplete.path().join(LOCK))?;
        lock.lock()?;
        let incomplete = incomplete.keep();
        let random = incomplete.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let random = random.trim_start_matches(INCOMPLETE);
        // Never used again: the time tells it from every process of before, the rest from those of now.
        let name = format!("{}-{random}", chrono::Utc::now().format("%Y%m%dT%H%M%S"));
        let directory = logs.join(&name);
        std::fs::rename(incomplete, &directory)?;
        for path in [logs, logs.parent().unwrap_or(logs)] {
            File::open(path)?.sync_all()?;
        }
        Ok(Self { directory, name, last: 0, _lock: lock })
    }

    /// Begins a segment.
    pub(super) fn begin(&mut self, mapping: Option<&Mapping>) -> std::io::Result<Segment> {
        // A number is used once, also when its segment could not be made.
        self.last += 1;
        let place = Place { directory: self.directory.clone(), writer: self.name.clone(), number: self.last };
        let mut file = File::create_new(place.path())?;
        let header = serde_json::to_vec(&Header { version: 1, mapping: mapping.cloned() })?;
        let header = framed(&header);
        file.write_all(&header)?;
        File::open(&self.directory)?.sync_all()?;
        let length = header.len() as u64;
        Ok(Segment { place, file, length, bytes: 0, keys: Vec::new(), opened: Instant::now() })
    }
}

/// Where a segment is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(super) directory: PathBuf,
    /// Whose it is.
    pub(super) writer: String,
    /// From 1.
    pub(super) number: i64,
}

impl Place {
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(format!("{:010}.{SEGMENT}", self.number))
    }
}

/// A segment that is being written, or waits to land.
pub(super) struct Segment {
    pub(super) place: Place,
    file: File,
    /// Bytes up to the end of the last whole group.
    length: u64,
    /// Bytes of frames.
    pub(super) bytes: u64,
    pub(super) keys: Vec<[u8; 16]>,
    pub(super) opened: Instant,
}

impl Segment {
    /// Writes frames; they are on disk when it returns.
    pub(super) fn append(&mut self, frames: &[u8]) -> std::io::Result<()> {
        self.file.write_all(frames)?;
        self.file.sync_data()?;
        self.length += frames.len() as u64;
        self.bytes += frames.len() as u64;
        Ok(())
    }

    /// Cuts off what was not written wholly.
    pub(super) fn cut(&mut self) -> std::io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.sync_data()
    }
}

/// Reads a segment frame by frame. Gives nothing when it has no header: then it was never written to.
pub(super) fn read(
    path: &Path,
    on_frame: &mut dyn FnMut(&Header, Frame) -> Result<(), crate::error::IngestError>,
) -> Result<(), crate::error::IngestError> {
    let failed = |source| crate::error::IngestError::Io { what: format!("cannot read `{}`", path.display()), source };
    let file = File::open(path).map_err(failed)?;
    let mut left = file.metadata().map_err(failed)?.len();
    let mut reader = BufReader::with_capacity(1 << 18, file);
    reader.seek(SeekFrom::Start(0)).map_err(failed)?;
    let header = next(&mut reader, &mut left).map_err(failed)?;
    let Some(header) = header.and_then(|bytes| serde_json::from_slice::<Header>(&bytes).ok()) else { return Ok(()) };
    if header.version != 1 {
        return Err(failed(std::io::Error::other(format!("it is of version {}, expected 1", header.version))));
    }
    while let Some(content) = next(&mut reader, &mut left).map_err(failed)? {
        let Some(frame) = decode(&content) else {
            return Err(failed(std::io::Error::other("a frame has another shape than expected")));
        };
        on_frame(&header, frame)?;
    }
    Ok(())
}

/// The next frame that is whole.
fn next(reader: &mut impl Read, left: &mut u64) -> std::io::Result<Option<Vec<u8>>> {
    let Some(behind) = left.checked_sub(8) else { return Ok(None) };
    let mut head = [0; 8];
    reader.read_exact(&mut head)?;
    let [a, b, c, d, crc @ ..] = head;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    let Some(behind) = behind.checked_sub(length).filter(|_| length <= FRAME_BYTES_MAX) else { return Ok(None) };
    let mut content = vec![0; usize::try_from(length).unwrap_or(0)];
    reader.read_exact(&mut content)?;
    *left = behind;
    Ok((checksum(&content) == u32::from_le_bytes(crc)).then_some(content))
}

fn decode(content: &[u8]) -> Option<Frame> {
    let (at_us, rest) = content.split_first_chunk()?;
    let (duplicate, mut rest) = rest.split_first_chunk()?;
    let mut items = Vec::new();
    while let Some((kind, behind)) = rest.split_first() {
        let (length, behind) = behind.split_first_chunk()?;
        let (bytes, behind) = behind.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        rest = behind;
        items.push(match kind {
            b'e' => Item::Event { key: [0; 16], json: bytes.to_vec() },
            b'r' => {
                let Rejection { line, byte_offset, reason, excerpt } = serde_json::from_slice(bytes).ok()?;
                let row = Text { line, byte_offset, json: b"" }.rejected(reason);
                Item::Rejected(RejectedRow { excerpt, ..row })
            }
            _ => return None,
        });
    }
    Some(Frame { at_us: i64::from_le_bytes(*at_us), duplicate: u64::from_le_bytes(*duplicate), items })
}

/// The directory of a process that has died, held as long as the value is.
pub(super) struct Orphan {
    directory: PathBuf,
    _lock: File,
}

impl Orphan {
    /// Every log whose process has died.
    pub(super) fn all(logs: &Path) -> std::io::Result<Vec<Self>> {
        let mut found = Vec::new();
        let entries = match std::fs::read_dir(logs) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
            entries => entries?,
        };
        for entry in entries {
            let directory = entry?.path();
            let hidden = directory.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if hidden || !directory.is_dir() {
                continue;
            }
            // Without a lock somebody else has just landed all of it.
            let Ok(lock) = File::open(directory.join(LOCK)) else { continue };
            if lock.try_lock().is_ok() {
                found.push(Self { directory, _lock: lock });
            }
        }
        found.sort_by(|one, other| one.directory.cmp(&other.directory));
        Ok(found)
    }

    /// Its segments, in order.
    pub(super) fn segments(&self) -> std::io::Result<Vec<Place>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == SEGMENT) {
                numbers.extend(path.file_stem().and_then(|stem| stem.to_str()?.parse::<i64>().ok()));
            }
        }
        numbers.sort_unstable();
        let writer = self.directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let place = |number| Place { directory: self.directory.clone(), writer: writer.clone(), number };
        Ok(numbers.into_iter().map(place).collect())
    }

    /// Removes the directory, when all of it has landed.
    pub(super) fn remove(self) -> std::io::Result<()> {
        std::fs::remove_file(self.directory.join(LOCK))?;
        std::fs::remove_dir(&self.directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(at_us: i64) -> Frame {
        let row = RejectedRow {
            line: Some(3),
            byte_offset: 7,
            byte_length: None,
            header_length: None,
            reason: "why".into(),
            excerpt: "{".into(),
        };
        let event = Item::Event { key: [1; 16], json: b"{\"a\":1}".to_vec() };
        Frame { at_us, duplicate: 2, items: vec![event, Item::Rejected(row)] }
    }

    fn times(path: &Path) -> Vec<i64> {
        let mut times = Vec::new();
        read(path, &mut |_, frame| {
            assert_eq!((frame.duplicate, frame.items.len()), (2, 2));
            assert!(matches!(&frame.items[0], Item::Event { json, .. } if json == b"{\"a\":1}"));
            assert!(matches!(&frame.items[1], Item::Rejected(row) if row.line == Some(3) && row.reason == "why"));
            times.push(frame.at_us);
            Ok(())
        })
        .unwrap();
        times
    }

    #[test]
    fn a_segment_reads_as_far_as_it_is_whole() {
        let place = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(place.path()).unwrap();
        let mut segment = writer.begin(None).unwrap();
        let begun = segment.length;
        for at_us in 1..=3 {
            segment.append(&frame(at_us).encode()).unwrap();
        }
        let path = segment.place.path();
        assert_eq!(times(&path), [1, 2, 3]);
        let whole = std::fs::read(&path).unwrap();
        let one = (whole.len() as u64 - begun) / 3;
        for length in 0..whole.len() as u64 {
            std::fs::write(&path, &whole[..usize::try_from(length).unwrap()]).unwrap();
            let expected = length.saturating_sub(begun) / one;
            assert_eq!(times(&path).len() as u64, expected, "{length}");
        }
        let mut damaged = whole.clone();
        let at = damaged.len() - 5;
        damaged[at] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(times(&path), [1, 2]);
    }

    #[test]
    fn a_log_is_an_orphan_when_its_process_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(place.path()).unwrap();
        let segment = writer.begin(None).unwrap();
        assert!(Orphan::all(place.path()).unwrap().is_empty());
        drop(writer);
        let mut orphans = Orphan::all(place.path()).unwrap();
        assert!(Orphan::all(place.path()).unwrap().is_empty(), "held by the first");
        let orphan = orphans.remove(0);
        let segments = orphan.segments().unwrap();
        assert_eq!((segments.len(), segments[0].number), (1, 1));
        std::fs::remove_file(segment.place.path()).unwrap();
        orphan.remove().unwrap();
        assert!(Orphan::all(place.path()).unwrap().is_empty());
    }
}
