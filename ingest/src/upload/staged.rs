//! The rows of one table of an upload, on their way from its format to the lake.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::UInt16Type;

use super::spool::{Spool, Spooled, staging_error};
use crate::duplicates::{Identities, SortedIdentities};
use crate::error::IngestError;
use crate::event_keys::EventKeys;
use crate::record::{EventTime, RecordKey};
use crate::rows::{UsageRows, day_of, times_of};
use crate::table::{ASSUMED, RowFacts, Table, UsageRow};

/// Rows of one table as they come.
pub(crate) struct UsageSpool {
    rows: UsageRows,
    /// Stands in where the log gives no time.
    pub(crate) assumed_time_us: i64,
    count: u64,
    days: BTreeSet<i32>,
    last_day: Option<i32>,
    has_assumed: bool,
    has_events: bool,
    only_events: bool,
    columns: BTreeSet<String>,
    identities: Identities,
    /// The exports of billed lines, and whether their deliveries add to each other.
    pub(crate) exports: BTreeMap<String, bool>,
    /// Which part of a delivery the file is; 0 for all of it.
    pub(crate) part: u32,
    spool: Spool,
}

impl UsageSpool {
    /// None yet; `assumed_time_us` stands in where the log gives no time.
    pub(crate) fn new(table: Table, assumed_time_us: i64) -> Self {
        Self {
            rows: UsageRows::new(table),
            assumed_time_us,
            count: 0,
            days: BTreeSet::new(),
            last_day: None,
            has_assumed: false,
            has_events: false,
            only_events: true,
            columns: BTreeSet::new(),
            identities: Identities::default(),
            exports: BTreeMap::new(),
            part: 0,
            spool: Spool::default(),
        }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, time: EventTime, key: RecordKey, row: &impl UsageRow) -> Result<(), IngestError> {
        let (time_us, logged) = match time {
            EventTime::Logged(time_us) => (time_us, true),
            EventTime::Assumed => (self.assumed_time_us, false),
        };
        let is_event = key.is_alone();
        self.has_assumed |= !logged && !is_event;
        self.has_events |= is_event;
        self.only_events &= is_event;
        let day = day_of(time_us);
        if self.last_day != Some(day) {
            self.last_day = Some(day);
            self.days.insert(day);
        }
        self.identities.push(key.0, time_us, !logged, self.count)?;
        self.count += 1;
        self.rows.push(RowFacts { time_us, logged, key }, row);
        if self.rows.is_full() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IngestError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let batch = self.rows.take_batch().map_err(staging_error)?;
        add_columns(&mut self.columns, &batch);
        self.spool.write(batch)
    }

    /// Ends the adding.
    pub(crate) fn finish(mut self) -> Result<Staged, IngestError> {
        self.flush()?;
        Ok(Staged {
            days: self.days,
            has_assumed: self.has_assumed,
            has_events: self.has_events,
            only_events: self.only_events,
            exports: self.exports,
            part: self.part,
            columns: self.columns,
            rows: self.count,
            identities: self.identities.finish(),
            batches: self.spool.finish()?,
        })
    }
}

fn add_columns(columns: &mut BTreeSet<String>, batch: &RecordBatch) {
    for field in batch.schema_ref().fields() {
        if !columns.contains(field.name()) {
            columns.insert(field.name().clone());
        }
    }
}

/// Rows of one table, ready to be committed, as often as a lost race asks for.
pub(crate) struct Staged {
    /// UTC days of the rows, as days since 1970.
    pub(crate) days: BTreeSet<i32>,
    /// Whether the log of some row gave no time, events apart.
    pub(crate) has_assumed: bool,
    /// Whether some row is an event, which its key names whatever its time says.
    pub(crate) has_events: bool,
    /// Whether all are.
    pub(crate) only_events: bool,
    /// The exports of billed lines, and whether their deliveries add to each other.
    pub(crate) exports: BTreeMap<String, bool>,
    /// Which part of a delivery the file is; 0 for all of it.
    pub(crate) part: u32,
    /// Columns that some row has.
    pub(crate) columns: BTreeSet<String>,
    /// How many rows there are.
    pub(crate) rows: u64,
    /// What identifies them.
    identities: SortedIdentities,
    /// The rows.
    pub(crate) batches: Spooled,
}

impl Staged {
    /// Rows that were staged before, in another run of the program.
    pub(crate) fn of(batches: Spooled, exports: BTreeMap<String, bool>, part: u32) -> Result<Self, IngestError> {
        let (mut days, mut columns, mut identities) = (BTreeSet::new(), BTreeSet::new(), Identities::default());
        let (mut rows, mut has_assumed, mut has_events, mut only_events) = (0, false, false, true);
        for batch in batches.batches() {
            let batch = batch?;
            add_columns(&mut columns, &batch);
            let keys = batch.column_by_name("record_key").and_then(|keys| keys.as_fixed_size_binary_opt());
            let sources =
                batch.column_by_name("time_source").and_then(|sources| sources.as_dictionary_opt::<UInt16Type>());
            let Some((keys, sources)) = keys.zip(sources) else { continue };
            let words = sources.values().as_string_opt::<i32>();
            for (row, time_us) in times_of(&batch).iter().enumerate() {
                let assumed = words.zip(sources.key(row)).is_some_and(|(words, word)| words.value(word) == ASSUMED);
                let Ok(key) = <[u8; 16]>::try_from(keys.value(row)) else { continue };
                identities.push(key, *time_us, assumed, rows)?;
                days.insert(day_of(*time_us));
                let is_event = RecordKey(key).is_alone();
                has_assumed |= assumed && !is_event;
                has_events |= is_event;
                only_events &= is_event;
                rows += 1;
            }
        }
        let identities = identities.finish();
        Ok(Self { days, has_assumed, has_events, only_events, exports, part, columns, rows, identities, batches })
    }

    /// Which rows are known already: among these, or from an earlier row; events are looked up in `landed`.
    pub(crate) fn duplicates(&self, lake: &SortedIdentities, landed: &EventKeys) -> Result<BooleanBuffer, IngestError> {
        self.identities.duplicates(lake, landed, usize::try_from(self.rows).unwrap_or(usize::MAX))
    }
}
