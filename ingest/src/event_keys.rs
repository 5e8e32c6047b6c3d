//! Which events have landed: the keys that name a record whatever its time says, of one usage table.
//!
//! The table itself is the authority. This index follows it commit by commit, so that a look-up reads neither the table
//! nor its log again. New keys wait in memory; many become sorted runs in unnamed temporary files, one set of runs per
//! week of arrival. Keys are hashes, spread evenly, so that a look-up in a run goes to about the right page at once:
//! memory stays within some tens of megabytes however many events there are.
//!
//! Keys of weeks that ended more than [`RETENTION_DAYS`] ago are forgotten.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array, BinaryArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::parquet::arrow::ProjectionMask;
use deltalake::kernel::Action;
use deltalake::logstore::get_actions;
use deltalake::{DeltaTable, DeltaTableError, Path};
use futures::StreamExt;

use crate::data_file::DataFile;
use crate::record::RecordKey;

/// How long an event is known at least after its first arrival, in days.
pub const RETENTION_DAYS: i64 = 32;

const DAY_MS: i64 = 86_400_000;
const WEEK_MS: i64 = 7 * DAY_MS;
/// Keys in memory before they become a run.
const RECENT_MAX: usize = 500_000;
/// Commits to follow one by one; beyond, the whole table is read again.
const COMMITS_MAX: u64 = 2_000;
/// Bytes of a key that differ from key to key.
const TAIL_BYTES: usize = 12;
/// Keys read at once in a run.
const PAGE_KEYS: u64 = 340;

type Tail = [u8; TAIL_BYTES];

/// The keys of one usage table; cheap to share.
#[derive(Debug, Default)]
pub(crate) struct EventKeys {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The version of the table that is indexed.
    version: Option<u64>,
    recent: HashSet<Tail>,
    /// When the newest of them came, in weeks since 1970.
    recent_week: i64,
    weeks: BTreeMap<i64, Vec<Run>>,
}

fn tail(key: &[u8]) -> Option<Tail> {
    let key = RecordKey(key.try_into().ok()?);
    key.is_alone().then(|| key.0.last_chunk().copied())?
}

impl EventKeys {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic in between leaves a set that lacks keys at worst, and its version is set last.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an event has landed, as far as [`EventKeys::follow`] has come.
    ///
    /// # Errors
    /// When a temporary file cannot be read.
    pub(crate) fn contains(&self, key: &[u8; 16]) -> std::io::Result<bool> {
        let Some(tail) = tail(key) else { return Ok(false) };
        let known = self.lock();
        if known.recent.contains(&tail) {
            return Ok(true);
        }
        for run in known.weeks.values().rev().flatten() {
            if run.contains(&tail)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes in what was committed up to the state of a table.
    ///
    /// # Errors
    /// When the table or a temporary file cannot be read or written.
    pub(crate) async fn follow(&self, delta: &DeltaTable) -> Result<(), DeltaTableError> {
        let Some(wanted) = delta.version() else { return Ok(()) };
        let from = self.lock().version;
        let files = match from {
            Some(version) if version >= wanted => return Ok(()),
            Some(version) if wanted - version <= COMMITS_MAX => added_files(delta, version + 1, wanted).await?,
            _ => {
                let oldest_ms = now_ms() - RETENTION_DAYS * DAY_MS;
                let files = delta.snapshot()?.log_data();
                let files = files.into_iter().filter(|file| file.modification_time() >= oldest_ms);
                files.map(|file| (file.object_store_path(), file.modification_time())).collect()
            }
        };
        for (path, modified_ms) in files {
            let mut stream = keys_of(delta, path).await?;
            while let Some(keys) = stream.next().await {
                self.lock().add(keys?, modified_ms)?;
            }
        }
        let mut known = self.lock();
        known.version = known.version.max(Some(wanted));
        known.forget(now_ms());
        Ok(())
    }
}

impl Known {
    fn add(&mut self, keys: Vec<Tail>, arrived_ms: i64) -> std::io::Result<()> {
        let week = arrived_ms.div_euclid(WEEK_MS);
        // The keys of a run are kept as long as the newest of them.
        if !self.recent.is_empty() && week != self.recent_week {
            self.flush()?;
        }
        self.recent_week = week;
        self.recent.extend(keys);
        if self.recent.len() >= RECENT_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let mut keys: Vec<Tail> = self.recent.iter().copied().collect();
        keys.sort_unstable();
        let runs = self.weeks.entry(self.recent_week).or_default();
        runs.push(Run::write(keys.into_iter().map(Ok))?);
        // Runs of like size become one, so that there are few and each key is written again only a few times.
        while let [.., before, last] = runs.as_slice()
            && before.count <= 2 * last.count
        {
            let merged = Run::merge(before, last)?;
            runs.truncate(runs.len() - 2);
            runs.push(merged);
        }
        self.recent.clear();
        Ok(())
    }

    fn forget(&mut self, now_ms: i64) {
        self.weeks.retain(|week, _| (week + 1) * WEEK_MS + RETENTION_DAYS * DAY_MS > now_ms);
    }
}

/// Sorted keys in an unnamed temporary file.
#[derive(Debug)]
struct Run {
    file: File,
    count: u64,
}

impl Run {
    fn write(keys: impl Iterator<Item = std::io::Result<Tail>>) -> std::io::Result<Self> {
        let mut writer = BufWriter::new(tempfile::tempfile()?);
        let mut count = 0;
        for key in keys {
            writer.write_all(&key?)?;
            count += 1;
        }
        Ok(Self { file: writer.into_inner().map_err(|error| error.into_error())?, count })
    }

    fn merge(first: &Run, second: &Run) -> std::io::Result<Self> {
        let (mut first, mut second) = (first.keys()?.peekable(), second.keys()?.peekable());
        Self::write(std::iter::from_fn(move || match (first.peek(), second.peek()) {
            (Some(Ok(one)), Some(Ok(other))) => match one.cmp(other) {
                std::cmp::Ordering::Less => first.next(),
                std::cmp::Ordering::Greater => second.next(),
                std::cmp::Ordering::Equal => {
                    second.next();
                    first.next()
                }
            },
            (Some(_), _) => first.next(),
            (None, _) => second.next(),
        }))
    }

    fn keys(&self) -> std::io::Result<impl Iterator<Item = std::io::Result<Tail>> + use<>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        let (mut reader, mut left) = (BufReader::with_capacity(1 << 16, file), self.count);
        Ok(std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let mut key = [0; TAIL_BYTES];
            Some(reader.read_exact(&mut key).map(|()| key))
        }))
    }

    /// Looks where the key would stand if keys were spread evenly, and narrows down from there.
    fn contains(&self, key: &Tail) -> std::io::Result<bool> {
        let place = |key: &Tail| key.first_chunk().map_or(0, |head: &[u8; 8]| u64::from_be_bytes(*head));
        let (wanted, mut low, mut high) = (place(key), 0, self.count);
        let (mut low_place, mut high_place) = (0, u64::MAX);
        let mut page = Vec::new();
        let mut attempts = 0_u32;
        while low < high {
            attempts += 1;
            // Should the keys be spread otherwise, halving ends it.
            let guess = if attempts > 8 || high_place <= low_place {
                low + (high - low) / 2
            } else {
                let share = u128::from(wanted.saturating_sub(low_place)) * u128::from(high - low);
                low + u64::try_from(share / u128::from(high_place - low_place)).unwrap_or(0).min(high - low - 1)
            };
            let begin = guess.saturating_sub(PAGE_KEYS / 2).max(low);
            let end = (begin + PAGE_KEYS).min(high);
            self.read(begin, end, &mut page)?;
            let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(false) };
            if key < first {
                (high, high_place) = (begin, place(first));
            } else if key > last {
                (low, low_place) = (end, place(last));
            } else {
                return Ok(page.binary_search(key).is_ok());
            }
        }
        Ok(false)
    }

    fn read(&self, begin: u64, end: u64, page: &mut Vec<Tail>) -> std::io::Result<()> {
        let mut bytes = vec![0; usize::try_from(end - begin).unwrap_or(0) * TAIL_BYTES];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(begin * TAIL_BYTES as u64))?;
        file.read_exact(&mut bytes)?;
        page.clear();
        page.extend(bytes.as_chunks().0);
        Ok(())
    }
}

/// The files that commits brought, the rewriting of others apart.
async fn added_files(delta: &DeltaTable, from: u64, to: u64) -> Result<Vec<(Path, i64)>, DeltaTableError> {
    let mut files = Vec::new();
    for version in from..=to {
        let Some(bytes) = delta.log_store().read_commit_entry(version).await? else { continue };
        for action in get_actions(version, &bytes)? {
            if let Action::Add(add) = action
                && add.data_change
            {
                let path =
                    Path::from_url_path(&add.path).map_err(|error| DeltaTableError::generic(error.to_string()))?;
                files.push((path, add.modification_time));
            }
        }
    }
    Ok(files)
}

/// The keys of events in a file, batch by batch; nothing is read of one whose statistics say that it has none.
async fn keys_of(
    delta: &DeltaTable,
    path: Path,
) -> Result<impl futures::Stream<Item = Result<Vec<Tail>, DeltaTableError>> + Unpin, DeltaTableError> {
    let failed = |error| DeltaTableError::Parquet { source: error };
    let builder = DataFile::open(delta, path).await.map_err(failed)?;
    let schema = builder.parquet_schema();
    let column = schema.columns().iter().position(|column| column.name() == "record_key");
    let groups: Vec<usize> = match column {
        None => Vec::new(),
        Some(column) => builder
            .metadata()
            .row_groups()
            .iter()
            .enumerate()
            .filter(|(_, group)| {
                let largest = group.column(column).statistics().and_then(|statistics| statistics.max_bytes_opt());
                // Without statistics it may be any.
                largest.is_none_or(|largest| largest >= &[0xff; 4][..])
            })
            .map(|(index, _)| index)
            .collect(),
    };
    let mask = ProjectionMask::columns(schema, ["record_key"]);
    let stream = builder.with_row_groups(groups).with_projection(mask).build().map_err(failed)?;
    Ok(stream.map(move |batch| {
        let batch = batch.map_err(failed)?;
        let keys = cast(batch.column(0), &DataType::Binary).map_err(|source| DeltaTableError::Arrow { source })?;
        let keys = BinaryArray::from(keys.to_data());
        Ok(keys.iter().flatten().filter_map(tail).collect())
    }))
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> [u8; 16] {
        RecordKey::alone(&[Some(&number.to_string())]).0
    }

    #[test]
    fn keys_are_found_in_memory_and_in_runs_and_no_others() {
        let mut known = Known::default();
        let now_ms = 100 * WEEK_MS;
        for part in 0..9_u64 {
            let keys = (part * 1_000..part * 1_000 + 1_000).filter_map(|number| tail(&key(number))).collect();
            known.add(keys, now_ms - i64::try_from(part).unwrap() / 3 * WEEK_MS).unwrap();
            if part != 4 {
                known.flush().unwrap();
            }
        }
        assert!(known.weeks.values().all(|runs| runs.len() <= 2), "runs of like size become one");
        let known = EventKeys { known: Mutex::new(known) };
        for number in 0..9_000 {
            assert!(known.contains(&key(number)).unwrap(), "{number}");
            assert!(!known.contains(&key(number + 9_000)).unwrap(), "{number}");
        }
        for edge in [[0xff; 16], [0; 16]] {
            assert!(!known.contains(&edge).unwrap());
        }
    }

    #[test]
    fn keys_spread_unevenly_are_found_too() {
        let keys: Vec<Tail> = (0..5_000_u64)
            .map(|number| {
                let mut key = [0; TAIL_BYTES];
                key[4..].copy_from_slice(&number.to_be_bytes());
                key
            })
            .collect();
        let run = Run::write(keys.iter().copied().map(Ok)).unwrap();
        for key in &keys {
            assert!(run.contains(key).unwrap());
        }
        assert!(!run.contains(&[1; TAIL_BYTES]).unwrap());
    }

    #[test]
    fn weeks_long_past_are_forgotten() {
        let mut known = Known::default();
        known.add(tail(&key(1)).into_iter().collect(), 0).unwrap();
        known.add(tail(&key(2)).into_iter().collect(), 5 * WEEK_MS).unwrap();
        known.flush().unwrap();
        known.forget(WEEK_MS + RETENTION_DAYS * DAY_MS - 1);
        assert_eq!(known.weeks.len(), 2);
        known.forget(WEEK_MS + RETENTION_DAYS * DAY_MS);
        assert_eq!(known.weeks.len(), 1);
        let known = EventKeys { known: Mutex::new(known) };
        assert!(!known.contains(&key(1)).unwrap() && known.contains(&key(2)).unwrap());
    }
}
