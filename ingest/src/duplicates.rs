//! Which records are in the lake already: by natural key and time, or by key alone where a log gave no time.

use std::collections::HashSet;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::{cast, filter_record_batch};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::arrow::error::ArrowError;

use crate::error::IngestError;
use crate::event_keys::EventKeys;
use crate::record::RecordKey;
use crate::table::{ASSUMED, Table};

/// Records already in the table, and those of the upload at hand as they pass.
#[derive(Default)]
pub(crate) struct KnownRecords {
    /// Logged records: key and time.
    logged: HashSet<([u8; 16], i64)>,
    /// Whether rows without a logged time are coming, which are compared by key alone.
    any_assumed: bool,
    /// Keys of logged records, kept only then.
    logged_keys: HashSet<[u8; 16]>,
    /// Keys of records without a logged time.
    assumed: HashSet<[u8; 16]>,
    /// Keys of events of the upload, which name them whatever their time says.
    events: HashSet<[u8; 16]>,
}

impl KnownRecords {
    /// Nothing known yet; `any_assumed` says whether rows without a logged time are coming.
    pub(crate) fn new(any_assumed: bool) -> Self {
        Self { any_assumed, ..Self::default() }
    }

    /// Adds rows of a query that gives key, time and time source.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), IngestError> {
        let columns = KeyColumns::of(batch, 0, 1, 2)?;
        for row in 0..batch.num_rows() {
            if let Some((key, time_us, assumed)) = columns.row(row) {
                self.insert(key, time_us, assumed);
            }
        }
        Ok(())
    }

    fn insert(&mut self, key: [u8; 16], time_us: i64, assumed: bool) {
        if assumed {
            self.assumed.insert(key);
        } else {
            self.logged.insert((key, time_us));
            if self.any_assumed {
                self.logged_keys.insert(key);
            }
        }
    }

    /// Whether a row is new; it is known afterwards. Events are looked up in `landed`.
    fn take(&mut self, key: [u8; 16], time_us: i64, assumed: bool, landed: &EventKeys) -> Result<bool, IngestError> {
        if RecordKey(key).is_alone() {
            let found = landed
                .contains(&key)
                .map_err(|source| IngestError::Io { what: "cannot read a temporary file".into(), source })?;
            return Ok(!found && self.events.insert(key));
        }
        let fresh = !self.contains(key, time_us, assumed);
        if fresh {
            self.insert(key, time_us, assumed);
        }
        Ok(fresh)
    }

    fn contains(&self, key: [u8; 16], time_us: i64, assumed: bool) -> bool {
        self.assumed.contains(&key)
            || if assumed { self.logged_keys.contains(&key) } else { self.logged.contains(&(key, time_us)) }
    }

    /// The rows of a staged batch that are not known yet; they are known afterwards.
    pub(crate) fn keep_fresh(
        &mut self,
        batch: &RecordBatch,
        table: Table,
        landed: &EventKeys,
    ) -> Result<RecordBatch, IngestError> {
        let at = |name: &str| batch.schema().index_of(name).map_err(broken_batch);
        let columns = KeyColumns::of(batch, at("record_key")?, at(table.time_column())?, at("time_source")?)?;
        let keep = (0..batch.num_rows()).map(|row| match columns.row(row) {
            Some((key, time_us, assumed)) => self.take(key, time_us, assumed, landed).map(Some),
            None => Ok(None),
        });
        let keep: BooleanArray = keep.collect::<Result<_, _>>()?;
        filter_record_batch(batch, &keep).map_err(broken_batch)
    }
}

/// The three columns that identify a record.
struct KeyColumns {
    keys: BinaryArray,
    times: TimestampMicrosecondArray,
    sources: StringArray,
}

impl KeyColumns {
    fn of(batch: &RecordBatch, key: usize, time: usize, source: usize) -> Result<Self, IngestError> {
        let as_type = |index: usize, wanted: &DataType| -> Result<ArrayRef, IngestError> {
            cast(batch.column(index), wanted).map_err(broken_batch)
        };
        let time_type = DataType::Timestamp(TimeUnit::Microsecond, None);
        Ok(Self {
            keys: BinaryArray::from(as_type(key, &DataType::Binary)?.to_data()),
            times: TimestampMicrosecondArray::from(as_type(time, &time_type)?.to_data()),
            sources: StringArray::from(as_type(source, &DataType::Utf8)?.to_data()),
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
