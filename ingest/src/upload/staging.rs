//! Where parsed rows wait until the last byte of their upload is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::spool::{Spool, Spooled};
use super::{FIRST_REJECTED_MAX, Progress, staging_error};
use crate::error::IngestError;
use crate::format::Sink;
use crate::lake::days_of;
use crate::record::{
    BilledLine, EventTime, Invocation, MeteredQuantity, Record, RecordKey, RejectedRow, Request, StoredBytes, Usage,
};
use crate::rejected::RejectedSpool;
use crate::summary::Collector;
use crate::table::{RowFacts, Table, UsageRow, UsageRows, export_id, out_of_range, staged_schema};
use crate::times::{self, Times};

/// Rows per staged batch.
const BATCH_ROWS: usize = 8192;

/// Where parsed rows wait: the [`Sink`] of every format.
pub(crate) struct Staging {
    pub(crate) invocations: UsageSpool<Invocation>,
    pub(crate) requests: UsageSpool<Request>,
    pub(crate) storage: UsageSpool<StoredBytes>,
    pub(crate) metered: UsageSpool<MeteredQuantity>,
    pub(crate) billed: UsageSpool<BilledLine>,
    /// Which part of a delivery the file is, by its name.
    pub(crate) part: u32,
    /// Files of the upload read before.
    pub(crate) files: u32,
    pub(crate) progress: Arc<Progress>,
    pub(crate) summary: Collector,
    pub(crate) times: Times,
    pub(crate) rejected: RejectedSpool,
    pub(crate) read: u64,
    pub(crate) rejected_count: u64,
    pub(crate) warnings: Vec<String>,
    pub(crate) first_rejected: Vec<RejectedRow>,
}

impl Staging {
    /// From here on, rows without a time happened at this one.
    pub(crate) fn assume(&mut self, assumed_time_us: i64) {
        self.invocations.assumed_time_us = assumed_time_us;
        self.requests.assumed_time_us = assumed_time_us;
        self.storage.assumed_time_us = assumed_time_us;
        self.metered.assumed_time_us = assumed_time_us;
    }

    /// The rows of each table that has some, and the refused ones.
    pub(crate) fn finish(self) -> Result<(Vec<(Table, Staged)>, Spooled), IngestError> {
        let Self { invocations, requests, storage, metered, billed, rejected, .. } = self;
        let rows = [invocations.finish()?, requests.finish()?, storage.finish()?, metered.finish()?, billed.finish()?];
        Ok((filled(rows), rejected.finish(None)?))
    }

    pub(crate) fn new(assumed_time_us: i64, part: u32, progress: Arc<Progress>) -> Self {
        Self {
            invocations: UsageSpool::new(assumed_time_us),
            requests: UsageSpool::new(assumed_time_us),
            storage: UsageSpool::new(assumed_time_us),
            metered: UsageSpool::new(assumed_time_us),
            billed: UsageSpool { part, ..UsageSpool::new(assumed_time_us) },
            part,
            files: 0,
            progress,
            summary: Collector::default(),
            times: Times::default(),
            rejected: RejectedSpool::new(),
            read: 0,
            rejected_count: 0,
            warnings: Vec::new(),
            first_rejected: Vec::new(),
        }
    }
}

impl Staging {
    fn count_row(&mut self) -> Result<(), IngestError> {
        self.read += 1;
        self.progress.rows.fetch_add(1, Ordering::Relaxed);
        self.progress.check()
    }
}

/// Why a record that a format could read is refused all the same.
pub(crate) fn problem_of(record: &Record) -> Option<String> {
    let out_of_range = match &record.usage {
        Usage::Invocation(row) => out_of_range(&**row),
        Usage::Request(row) => out_of_range(&**row),
        Usage::StoredBytes(row) => out_of_range(&**row),
        Usage::MeteredQuantity(row) => out_of_range(&**row),
        Usage::BilledLine(row) => out_of_range(&**row),
    };
    out_of_range.or_else(|| match record.time {
        EventTime::Logged(time_us) => times::unrepresentable(time_us),
        EventTime::Assumed => None,
    })
}

impl Sink for Staging {
    fn record(&mut self, record: Record) -> Result<(), IngestError> {
        if let Some(reason) = problem_of(&record) {
            // The format has read the row: which one it was, the record itself has to say.
            let excerpt = crate::error::excerpt(format!("{:?}", record.usage).as_bytes());
            return self.reject(RejectedRow {
                line: None,
                byte_offset: 0,
                byte_length: None,
                header_length: None,
                reason,
                excerpt,
            });
        }
        self.count_row()?;
        let logged_us = match record.time {
            EventTime::Logged(time_us) => Some(time_us),
            EventTime::Assumed => None,
        };
        self.summary.add(logged_us, &record.usage);
        if let Some(time_us) = logged_us {
            self.times.look_at(time_us);
            if let Usage::BilledLine(line) = &record.usage {
                self.times.look_at_line(time_us, line);
            }
        }
        match record.usage {
            Usage::Invocation(row) => self.invocations.push(record.time, record.key, *row),
            Usage::Request(row) => self.requests.push(record.time, record.key, *row),
            Usage::StoredBytes(row) => self.storage.push(record.time, record.key, *row),
            Usage::MeteredQuantity(row) => self.metered.push(record.time, record.key, *row),
            Usage::BilledLine(mut row) => {
                row.export.part = self.part;
                let export = export_id(&row.provider, &row.export);
                // Equal lines without an id are told apart by counting them, in each file anew.
                let file = row.line_id.is_none().then(|| self.files.to_string());
                let key = RecordKey::of(&[Some(&export), Some(&hex::encode(record.key.0)), file.as_deref()]);
                self.billed.exports.insert(export, row.export.adds);
                self.billed.push(record.time, key, *row)
            }
        }
    }

    fn reject(&mut self, row: RejectedRow) -> Result<(), IngestError> {
        self.count_row()?;
        self.rejected_count += 1;
        if self.first_rejected.len() < FIRST_REJECTED_MAX {
            self.first_rejected.push(row.clone());
        }
        self.rejected.push(row)
    }

    fn warn(&mut self, message: String) {
        if !self.warnings.contains(&message) {
            self.warnings.push(message);
        }
    }
}

/// Rows of one usage table on their way into a temporary file.
pub(crate) struct UsageSpool<R> {
    rows: UsageRows<R>,
    assumed_time_us: i64,
    days: BTreeSet<i32>,
    has_assumed: bool,
    exports: BTreeMap<String, bool>,
    part: u32,
    has_events: bool,
    only_events: bool,
    spool: Spool,
}

impl<R: UsageRow> UsageSpool<R> {
    fn new(assumed_time_us: i64) -> Self {
        let spool = Spool::new(staged_schema(R::TABLE));
        Self {
            rows: UsageRows::default(),
            assumed_time_us,
            days: BTreeSet::new(),
            has_assumed: false,
            has_events: false,
            only_events: true,
            exports: BTreeMap::new(),
            part: 0,
            spool,
        }
    }

    fn push(&mut self, time: EventTime, key: RecordKey, row: R) -> Result<(), IngestError> {
        let (time_us, logged) = match time {
            EventTime::Logged(time_us) => (time_us, true),
            EventTime::Assumed => (self.assumed_time_us, false),
        };
        let is_event = key.is_alone();
        self.has_assumed |= !logged && !is_event;
        self.has_events |= is_event;
        self.only_events &= is_event;
        self.rows.push(RowFacts { time_us, logged, key }, row);
        if self.rows.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IngestError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let batch = self.rows.take_batch().map_err(staging_error)?;
        self.days.extend(days_of(&batch));
        self.spool.write(&batch)
    }

    pub(super) fn finish(mut self) -> Result<Staged, IngestError> {
        self.flush()?;
        let Self { days, has_assumed, has_events, only_events, exports, part, spool, .. } = self;
        Ok(Staged { days, has_assumed, has_events, only_events, exports, part, rows: spool.finish()? })
    }
}

/// Parsed rows of one usage table, ready to be committed, as often as a lost race asks for.
pub(crate) struct Staged {
    /// UTC days of the rows, as days since 1970.
    pub(crate) days: BTreeSet<i32>,
    /// Whether the log of some row gave no time, events apart.
    pub(crate) has_assumed: bool,
    /// The exports of billed lines, and whether their deliveries add to each other.
    pub(crate) exports: BTreeMap<String, bool>,
    /// Which part of a delivery the file is; 0 for all of it.
    pub(crate) part: u32,
    /// Whether some row is an event, which its key names whatever its time says.
    pub(crate) has_events: bool,
    /// Whether all are.
    pub(crate) only_events: bool,
    /// The rows.
    pub(crate) rows: Spooled,
}

/// The tables that have rows.
pub(super) fn filled(rows: [Staged; 5]) -> Vec<(Table, Staged)> {
    let tables = Table::USAGE.into_iter().chain([Table::Billed]);
    tables.zip(rows).filter(|(_, staged)| !staged.rows.is_empty()).collect()
}
