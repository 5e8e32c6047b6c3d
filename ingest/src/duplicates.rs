//! Which records are in the lake already: by natural key and time, or by key alone where a log gave no time.
//!
//! Keys are compared a part at a time: equal keys are in one part, and what does not fit in memory waits in a temporary
//! file, sorted by parts. So the memory it takes does not grow with the file or the lake.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};

use datafusion::arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::arrow::error::ArrowError;
use foldhash::fast::RandomState;

use crate::error::IngestError;
use crate::event_keys::EventKeys;
use crate::record::RecordKey;
use crate::table::ASSUMED;
use crate::upload::temporary_error;

/// Parts the keys are divided into, by one byte.
const PARTS: usize = 256;
/// Place of the last byte of a key.
const KEY_END: usize = 15;
/// Records that wait in memory before they are written to a temporary file.
const CHUNK_RECORDS: usize = 1 << 20;
/// Bytes of a record in the temporary file.
const RECORD_BYTES: usize = 32;

/// What identifies a record, and which one of the upload it is.
#[derive(Clone, Copy, Debug)]
struct Identity {
    key: [u8; 16],
    time_us: i64,
    assumed: bool,
    /// Which row of the upload it is, from 0; has no meaning for records of the lake.
    row: u64,
}

impl Identity {
    /// Keys are hashes, but those of events begin alike.
    fn part(&self) -> usize {
        usize::from(if self.is_event() { self.key[KEY_END] } else { self.key[0] })
    }

    /// Whether the key names the record whatever its time says.
    fn is_event(&self) -> bool {
        RecordKey(self.key).is_alone()
    }

    fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..16].copy_from_slice(&self.key);
        bytes[16..24].copy_from_slice(&self.time_us.to_le_bytes());
        bytes[24..].copy_from_slice(&(self.row << 1 | u64::from(self.assumed)).to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |at: usize| u64::from_le_bytes(words[at]);
        let mut key = [0; 16];
        key.copy_from_slice(&bytes[..16]);
        Identity { key, time_us: word(2).cast_signed(), assumed: word(3) & 1 == 1, row: word(3) >> 1 }
    }
}

/// The identities of many records, in the order they came.
#[derive(Default)]
pub(crate) struct Identities {
    latest: Vec<Identity>,
    any_assumed: bool,
    /// Chunks sorted by parts.
    spilled: Option<File>,
    /// Where each part of each chunk begins, counted in records of the file, and where the chunk ends.
    chunks: Vec<[u64; PARTS + 1]>,
}

impl Identities {
    /// Adds the record of a row of the upload.
    pub(crate) fn push(&mut self, key: [u8; 16], time_us: i64, assumed: bool, row: u64) -> Result<(), IngestError> {
        self.any_assumed |= assumed && !RecordKey(key).is_alone();
        self.latest.push(Identity { key, time_us, assumed, row });
        if self.latest.len() >= CHUNK_RECORDS { self.spill() } else { Ok(()) }
    }

    /// Adds records of the lake, from a query that gives key, time and time source.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), IngestError> {
        let columns = KeyColumns::of(batch)?;
        for row in 0..batch.num_rows() {
            if let Some((key, time_us, assumed)) = columns.row(row) {
                self.push(key, time_us, assumed, 0)?;
            }
        }
        Ok(())
    }

    /// Sorts the latest records by parts, keeping their order within each.
    fn sort_latest(&mut self) -> [u64; PARTS + 1] {
        let mut begins = [0_u64; PARTS + 1];
        for record in &self.latest {
            begins[record.part() + 1] += 1;
        }
        for part in 0..PARTS {
            begins[part + 1] += begins[part];
        }
        let Some(any) = self.latest.first() else { return begins };
        let mut sorted = vec![*any; self.latest.len()];
        let mut next = begins.map(|begin| usize::try_from(begin).unwrap_or(usize::MAX));
        for record in &self.latest {
            let place = &mut next[record.part()];
            sorted[*place] = *record;
            *place += 1;
        }
        self.latest = sorted;
        begins
    }

    fn spill(&mut self) -> Result<(), IngestError> {
        let mut begins = self.sort_latest();
        let before = self.chunks.last().map_or(0, |chunk| chunk[PARTS]);
        begins.iter_mut().for_each(|begin| *begin += before);
        let file = match &mut self.spilled {
            Some(file) => file,
            None => self.spilled.insert(tempfile::tempfile().map_err(temporary_error)?),
        };
        let mut writer = BufWriter::with_capacity(1 << 18, file);
        for record in &self.latest {
            writer.write_all(&record.to_bytes()).map_err(temporary_error)?;
        }
        writer.flush().map_err(temporary_error)?;
        self.chunks.push(begins);
        self.latest.clear();
        Ok(())
    }

    /// Ends the adding.
    pub(crate) fn finish(mut self) -> SortedIdentities {
        let begins = self.sort_latest();
        SortedIdentities {
            latest: self.latest,
            begins,
            any_assumed: self.any_assumed,
            spilled: self.spilled,
            chunks: self.chunks,
        }
    }
}

/// The identities of many records, part by part.
pub(crate) struct SortedIdentities {
    latest: Vec<Identity>,
    begins: [u64; PARTS + 1],
    any_assumed: bool,
    spilled: Option<File>,
    chunks: Vec<[u64; PARTS + 1]>,
}

impl SortedIdentities {
    /// Hands over the records of one part in the order they came.
    fn each(&self, part: usize, mut take: impl FnMut(Identity)) -> Result<(), IngestError> {
        if let Some(file) = &self.spilled {
            let mut file = file;
            let mut bytes = Vec::new();
            for chunk in &self.chunks {
                let (begin, end) = (chunk[part], chunk[part + 1]);
                file.seek(SeekFrom::Start(begin * RECORD_BYTES as u64)).map_err(temporary_error)?;
                bytes.resize(usize::try_from(end - begin).unwrap_or_default() * RECORD_BYTES, 0);
                file.read_exact(&mut bytes).map_err(temporary_error)?;
                bytes.as_chunks::<RECORD_BYTES>().0.iter().map(Identity::from_bytes).for_each(&mut take);
            }
        }
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let latest = self.latest.get(place(self.begins[part])..place(self.begins[part + 1])).unwrap_or_default();
        latest.iter().copied().for_each(take);
        Ok(())
    }

    /// Which of `rows` rows of this upload are known already: to the lake, or from an earlier row. Events are looked up
    /// in `landed`.
    pub(crate) fn duplicates(
        &self,
        lake: &SortedIdentities,
        landed: &EventKeys,
        rows: usize,
    ) -> Result<BooleanBuffer, IngestError> {
        let mut duplicates = vec![0_u8; rows.div_ceil(8)];
        let mut known = Known::new(self.any_assumed);
        for part in 0..PARTS {
            known.clear();
            lake.each(part, |record| known.add(record))?;
            let mut failed = None;
            self.each(part, |record| {
                let fresh = if record.is_event() {
                    let landed = landed.contains(&record.key).map_err(|error| failed = Some(error)).unwrap_or(true);
                    !landed && known.events.insert(record.key)
                } else {
                    known.insert(record)
                };
                if !fresh {
                    let row = usize::try_from(record.row).unwrap_or(usize::MAX);
                    if let Some(byte) = duplicates.get_mut(row / 8) {
                        *byte |= 1 << (row % 8);
                    }
                }
            })?;
            if let Some(error) = failed {
                return Err(temporary_error(error));
            }
        }
        Ok(BooleanBuffer::new(duplicates.into(), 0, rows))
    }
}

/// Records seen so far.
struct Known {
    /// Logged records: key and time.
    logged: HashSet<([u8; 16], i64), RandomState>,
    /// Whether rows without a logged time are coming, which are compared by key alone.
    any_assumed: bool,
    /// Keys of logged records, kept only then.
    logged_keys: HashSet<[u8; 16], RandomState>,
    /// Keys of records without a logged time.
    assumed: HashSet<[u8; 16], RandomState>,
    /// Keys of events of the upload, which name them whatever their time says.
    events: HashSet<[u8; 16], RandomState>,
}

impl Known {
    fn new(any_assumed: bool) -> Self {
        Self {
            logged: HashSet::default(),
            any_assumed,
            logged_keys: HashSet::default(),
            assumed: HashSet::default(),
            events: HashSet::default(),
        }
    }

    fn clear(&mut self) {
        self.logged.clear();
        self.logged_keys.clear();
        self.assumed.clear();
        self.events.clear();
    }

    fn add(&mut self, Identity { key, time_us, assumed, .. }: Identity) {
        if assumed {
            self.assumed.insert(key);
            return;
        }
        self.logged.insert((key, time_us));
        if self.any_assumed {
            self.logged_keys.insert(key);
        }
    }

    /// Adds a record unless it is known; whether it was not.
    fn insert(&mut self, record: Identity) -> bool {
        let Identity { key, time_us, assumed, .. } = record;
        if !self.assumed.is_empty() && self.assumed.contains(&key) || assumed && self.logged_keys.contains(&key) {
            return false;
        }
        if assumed || self.any_assumed {
            let known = !assumed && self.logged.contains(&(key, time_us));
            self.add(record);
            return !known;
        }
        self.logged.insert((key, time_us))
    }
}

/// The three columns that identify a record.
struct KeyColumns {
    keys: BinaryArray,
    times: TimestampMicrosecondArray,
    sources: StringArray,
}

impl KeyColumns {
    fn of(batch: &RecordBatch) -> Result<Self, IngestError> {
        let as_type = |index: usize, wanted: &DataType| -> Result<ArrayRef, IngestError> {
            cast(batch.column(index), wanted).map_err(broken_batch)
        };
        let time_type = DataType::Timestamp(TimeUnit::Microsecond, None);
        Ok(Self {
            keys: BinaryArray::from(as_type(0, &DataType::Binary)?.to_data()),
            times: TimestampMicrosecondArray::from(as_type(1, &time_type)?.to_data()),
            sources: StringArray::from(as_type(2, &DataType::Utf8)?.to_data()),
        })
    }

    fn row(&self, row: usize) -> Option<([u8; 16], i64, bool)> {
        let key = <[u8; 16]>::try_from(self.keys.value(row)).ok()?;
        Some((key, self.times.value(row), self.sources.value(row) == ASSUMED))
    }
}

/// An internal batch that is not as we made it.
fn broken_batch(error: ArrowError) -> IngestError {
    IngestError::Storage { doing: "written".into(), source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(records: &[(u8, i64, bool)]) -> SortedIdentities {
        let mut identities = Identities::default();
        for (row, (key, time_us, assumed)) in records.iter().enumerate() {
            identities.push([*key; 16], *time_us, *assumed, row as u64).unwrap();
            if row % 3 == 2 {
                identities.spill().unwrap();
            }
        }
        identities.finish()
    }

    #[test]
    fn records_are_known_by_key_and_time_or_by_key_alone() {
        let lake = of(&[(1, 10, false), (2, 20, true), (200, -5, false), (200, 6, false)]);
        let upload = [
            (1, 10, false),   // in the lake
            (1, 11, false),   // another time: a retry
            (2, 99, false),   // the lake has it without a time
            (3, 30, false),   // new
            (3, 30, false),   // twice in the upload
            (1, 0, true),     // without a time: the key is enough
            (4, 0, true),     // new
            (4, 40, false),   // the same, now with a time
            (200, -5, false), // in the lake
            (200, 5, false),  // new
        ];
        let expected = [true, false, true, false, true, true, false, true, true, false];
        let found = of(&upload).duplicates(&lake, &EventKeys::default(), upload.len()).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn identities_come_back_from_a_file_as_they_were() {
        for (time_us, assumed, row) in [(i64::MIN, true, 0), (-1, false, u64::MAX >> 1), (i64::MAX, true, 7)] {
            let identity = Identity { key: [9; 16], time_us, assumed, row };
            let back = Identity::from_bytes(&identity.to_bytes());
            assert_eq!((back.key, back.time_us, back.assumed, back.row), ([9; 16], time_us, assumed, row));
        }
    }
}
