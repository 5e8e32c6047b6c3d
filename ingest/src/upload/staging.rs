//! Where parsed rows wait until the last byte of their upload is read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::staged::{Staged, UsageSpool};
use super::{FIRST_REJECTED_MAX, Progress};
use crate::error::IngestError;
use crate::format::Sink;
use crate::record::{EventTime, Invocation, Record, RecordKey, RejectedRow, Request, Usage};
use crate::rejected::RejectedSpool;
use crate::summary::{Collector, Facts};
use crate::table::{Table, UsageRow, export_id, out_of_range};
use crate::times::{self, Times};

/// Rows after which progress is told.
const PROGRESS_ROWS: u64 = 256;

/// Where parsed rows wait: the [`Sink`] of every format.
pub(crate) struct Staging {
    pub(crate) invocations: UsageSpool,
    pub(crate) requests: UsageSpool,
    pub(crate) storage: UsageSpool,
    pub(crate) metered: UsageSpool,
    pub(crate) billed: UsageSpool,
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
    pub(crate) fn finish(self) -> Result<(Vec<(Table, Staged)>, RejectedSpool), IngestError> {
        let Self { invocations, requests, storage, metered, billed, rejected, .. } = self;
        let rows = [invocations.finish()?, requests.finish()?, storage.finish()?, metered.finish()?, billed.finish()?];
        let tables = Table::USAGE.into_iter().chain([Table::Billed]);
        Ok((tables.zip(rows).filter(|(_, staged)| staged.rows > 0).collect(), rejected))
    }

    pub(crate) fn new(assumed_time_us: i64, part: u32, progress: Arc<Progress>) -> Self {
        let spool = |table| UsageSpool::new(table, assumed_time_us);
        let mut billed = spool(Table::Billed);
        billed.part = part;
        Self {
            invocations: spool(Table::Invocations),
            requests: spool(Table::Requests),
            storage: spool(Table::Storage),
            metered: spool(Table::Metered),
            billed,
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
        if self.read.is_multiple_of(PROGRESS_ROWS) {
            self.progress.rows.fetch_add(PROGRESS_ROWS, Ordering::Relaxed);
            self.progress.check()?;
        }
        Ok(())
    }

    /// Tells the rows after the last that were told.
    pub(crate) fn tell_rest(&self) {
        self.progress.rows.fetch_add(self.read % PROGRESS_ROWS, Ordering::Relaxed);
    }

    fn spool(&mut self, table: Table) -> &mut UsageSpool {
        match table {
            Table::Invocations => &mut self.invocations,
            Table::Requests => &mut self.requests,
            Table::Storage => &mut self.storage,
            Table::Billed => &mut self.billed,
            _ => &mut self.metered,
        }
    }

    fn row<R: UsageRow + Facts + std::fmt::Debug>(
        &mut self,
        time: EventTime,
        key: RecordKey,
        row: &R,
    ) -> Result<(), IngestError> {
        if let Some(reason) = problem_of_row(time, row) {
            // The format has read the row: which one it was, the record itself has to say.
            let excerpt = crate::error::excerpt(format!("{row:?}").as_bytes());
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
        let logged_us = match time {
            EventTime::Logged(time_us) => Some(time_us),
            EventTime::Assumed => None,
        };
        self.summary.add(logged_us, row);
        if let Some(time_us) = logged_us {
            self.times.look_at(time_us);
        }
        self.spool(R::TABLE).push(time, key, row)
    }
}

/// Why a record that a format could read is refused all the same.
pub(crate) fn problem_of(record: &Record) -> Option<String> {
    match &record.usage {
        Usage::Invocation(row) => problem_of_row(record.time, &**row),
        Usage::Request(row) => problem_of_row(record.time, &**row),
        Usage::StoredBytes(row) => problem_of_row(record.time, &**row),
        Usage::MeteredQuantity(row) => problem_of_row(record.time, &**row),
        Usage::BilledLine(row) => problem_of_row(record.time, &**row),
    }
}

fn problem_of_row(time: EventTime, row: &impl UsageRow) -> Option<String> {
    out_of_range(row).or_else(|| match time {
        EventTime::Logged(time_us) => times::unrepresentable(time_us),
        EventTime::Assumed => None,
    })
}

impl Sink for Staging {
    fn record(&mut self, Record { time, key, usage }: Record) -> Result<(), IngestError> {
        match usage {
            Usage::Invocation(row) => self.row(time, key, &*row),
            Usage::Request(row) => self.row(time, key, &*row),
            Usage::StoredBytes(row) => self.row(time, key, &*row),
            Usage::MeteredQuantity(row) => self.row(time, key, &*row),
            Usage::BilledLine(mut row) => {
                if let EventTime::Logged(time_us) = time {
                    self.times.look_at_line(time_us, &row);
                }
                row.export.part = self.part;
                let export = export_id(&row.provider, &row.export);
                // Equal lines without an id are told apart by counting them, in each file anew.
                let file = row.line_id.is_none().then(|| self.files.to_string());
                let key = RecordKey::of(&[Some(&export), Some(&hex::encode(key.0)), file.as_deref()]);
                self.billed.exports.insert(export, row.export.adds);
                self.row(time, key, &*row)
            }
        }
    }

    fn invocation(&mut self, time: EventTime, key: RecordKey, row: &Invocation<&str>) -> Result<(), IngestError> {
        self.row(time, key, row)
    }

    fn request(&mut self, time: EventTime, key: RecordKey, row: &Request<&str>) -> Result<(), IngestError> {
        self.row(time, key, row)
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
