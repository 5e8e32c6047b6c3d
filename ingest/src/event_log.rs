//! Events as they come: acknowledged when they are on disk, landed in the tables soon after.
//!
//! Requests that wait at the same time are written to the log together, with one `fdatasync` for all, and then answered.
//! Behind them, about once a second, the written part of the log (a segment) is read again, as after a crash,
//! and lands in the tables in one commit each.
//!
//! Nothing is lost or doubled whenever a process dies. Each server process writes a log of its own, in a directory it
//! holds locked; segments land in order, each commit carrying the number of the segment as the version of an application
//! transaction of the writer, and a segment is removed after its last commit. What a dead process has left behind is
//! landed by the next one that starts, or by one that runs beside it.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::OptionFuture;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::{Notify, oneshot};

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::cloudevents::{self, Text};
use crate::lake::Lake;
use crate::mapping::Mapping;
use crate::record::RejectedRow;
use crate::table::Table;
use crate::upload::problem_of;

mod landing;
mod segment;

pub use crate::event_keys::RETENTION_DAYS;
pub(crate) use landing::is_of_events;
use segment::{Frame, Item, Segment, Writer};

/// How long a landing that failed waits for its next attempt at most.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// How often the logs of processes that have died are looked for.
const ORPHANS_EVERY: Duration = Duration::from_secs(10);

/// How events are taken.
#[derive(Clone, Debug)]
pub struct EventLogOptions {
    /// How they become usage, instead of by their type.
    pub mapping: Option<Mapping>,
    /// Most bytes of events that may wait to land; beyond, new ones are refused for the moment.
    pub backlog_bytes_max: u64,
    /// Size at which a part of the log is closed, in bytes.
    pub segment_bytes_max: u64,
    /// How long events wait for others to land with.
    pub land_every: Duration,
}

impl Default for EventLogOptions {
    fn default() -> Self {
        Self {
            mapping: None,
            backlog_bytes_max: 256 << 20,
            segment_bytes_max: 16 << 20,
            land_every: Duration::from_secs(1),
        }
    }
}

/// Why events were not taken.
#[derive(Debug, Error)]
pub enum SubmitError {
    /// Too many wait already.
    #[error("{backlog_bytes} bytes of events wait to land already")]
    Busy {
        /// How many bytes.
        backlog_bytes: u64,
    },
    /// They could not be written; none of them was taken.
    #[error("the event log cannot be written: {problem}")]
    Failed {
        /// The system's reason.
        problem: String,
    },
}

/// What became of some events: `received` = `accepted` + `duplicate` + `rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Events received.
    pub received: u64,
    /// Events taken, on disk by now.
    pub accepted: u64,
    /// Events that had been taken before.
    pub duplicate: u64,
    /// Events refused; they are in the table `rejected_rows`.
    pub rejected: u64,
}

impl std::ops::AddAssign for Receipt {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.rejected += other.rejected;
    }
}

/// Events read from a request, not yet taken.
#[derive(Debug, Default)]
pub struct EventBatch {
    items: Vec<Item>,
}

impl EventBatch {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds one that could not be read.
    pub fn reject(&mut self, row: RejectedRow) {
        self.items.push(Item::Rejected(row));
    }

    /// Moves the places of refused ones behind so many lines and bytes.
    pub fn shift(&mut self, lines: u64, bytes: u64) {
        for item in &mut self.items {
            if let Item::Rejected(row) = item {
                row.line = row.line.map(|line| line + lines);
                row.byte_offset += bytes;
            }
        }
    }

    fn bytes(&self) -> u64 {
        let event = |item: &Item| match item {
            Item::Event { json, .. } => json.len() as u64,
            Item::Rejected(row) => (row.reason.len() + row.excerpt.len()) as u64,
        };
        self.items.iter().map(event).sum()
    }

    /// Those that are refused: index and reason.
    pub fn rejected(&self) -> impl Iterator<Item = (usize, &str)> {
        self.items.iter().enumerate().filter_map(|(index, item)| match item {
            Item::Rejected(row) => Some((index, row.reason.as_str())),
            Item::Event { .. } => None,
        })
    }
}

/// The log of a server; cheap to clone.
#[derive(Clone)]
pub struct EventLog {
    inner: Arc<Inner>,
}

struct Inner {
    lake: Lake,
    options: EventLogOptions,
    state: Mutex<State>,
    /// Told when requests come, a landing ends, or the server stops.
    work: Condvar,
    /// Told when a segment waits to land.
    sealed: Notify,
    landing: Mutex<Option<tokio::task::JoinHandle<()>>>,
    /// The log of this process, held until all of it has landed.
    writer: Mutex<Option<Writer>>,
}

#[derive(Default)]
struct State {
    queue: Vec<Waiting>,
    /// Keys of events that were taken and have not landed.
    pending: HashSet<[u8; 16]>,
    /// Bytes of the queue and of segments that have not landed.
    backlog_bytes: u64,
    sealed: VecDeque<Segment>,
    landing: bool,
    stopping: bool,
    /// Nothing more will be written.
    written: bool,
}

/// A request that waits for its events to be on disk.
struct Waiting {
    frame: Vec<u8>,
    keys: Vec<[u8; 16]>,
    done: oneshot::Sender<Result<(), String>>,
}

impl EventLog {
    /// Opens the log: lands what a crash has left, and begins to take events. Writes nothing before the first event.
    ///
    /// # Errors
    /// When the lake cannot be read or written.
    pub async fn open(lake: Lake, options: EventLogOptions) -> Result<Self, IngestError> {
        lake.recover_events().await?;
        for table in Table::USAGE {
            lake.follow_events(table).await?;
        }
        let inner = Arc::new(Inner {
            lake,
            options,
            state: Mutex::default(),
            work: Condvar::new(),
            sealed: Notify::new(),
            landing: Mutex::default(),
            writer: Mutex::default(),
        });
        let (writing, landing) = (inner.clone(), inner.clone());
        let thread = std::thread::Builder::new().name("event-log".into());
        thread
            .spawn(move || writing.write())
            .map_err(|source| IngestError::Io { what: "cannot start a thread for the event log".into(), source })?;
        let landing = tokio::spawn(async move { landing.land().await });
        *inner.landing.lock().unwrap_or_else(PoisonError::into_inner) = Some(landing);
        Ok(Self { inner })
    }

    /// Reads events from the text of a request, which may be one event, a batch, or an event a line.
    pub fn read(&self, mut text: &[u8]) -> EventBatch {
        let mut batch = EventBatch::default();
        let mapping = self.inner.options.mapping.as_ref();
        let read = cloudevents::read(&mut text, &Defaults::default(), mapping, &mut |text, outcome| {
            batch.items.push(match outcome {
                Err(row) => Item::Rejected(row),
                Ok(record) => match problem_of(&record) {
                    None => Item::Event { key: record.key.0, json: text.json.to_vec() },
                    Some(reason) => Item::Rejected(text.rejected(reason)),
                },
            });
            Ok(())
        });
        if let Err(error) = read {
            batch.reject(Text { line: None, byte_offset: 0, json: text }.rejected(error.to_string()));
        }
        batch
    }

    /// Whether events would be taken now.
    pub fn has_room_for(&self, batch: &EventBatch) -> bool {
        // A frame is somewhat larger than its events.
        let bytes = batch.bytes() + 64 * (batch.len() as u64 + 1);
        self.inner.state().backlog_bytes + bytes <= self.inner.options.backlog_bytes_max
    }

    /// Takes events: they are on disk when it returns. An event that was taken before, here or by a landed segment of
    /// another process, is a duplicate.
    ///
    /// # Errors
    /// [`SubmitError`]; none of the events was taken then.
    pub async fn submit(&self, batch: EventBatch) -> Result<Receipt, SubmitError> {
        if batch.is_empty() {
            return Ok(Receipt::default());
        }
        let (receipt, done) = self.enqueue(batch)?;
        match done.await {
            Ok(Ok(())) => Ok(receipt),
            Ok(Err(problem)) => Err(SubmitError::Failed { problem }),
            Err(_) => Err(SubmitError::Failed { problem: "the server stops".into() }),
        }
    }

    #[allow(clippy::type_complexity, reason = "a receipt, and when it holds")]
    fn enqueue(&self, batch: EventBatch) -> Result<(Receipt, oneshot::Receiver<Result<(), String>>), SubmitError> {
        let failed = |error: std::io::Error| SubmitError::Failed { problem: error.to_string() };
        let mut receipt = Receipt { received: batch.len() as u64, ..Receipt::default() };
        let mut state = self.inner.state();
        if state.stopping {
            return Err(SubmitError::Failed { problem: "the server stops".into() });
        }
        // Under the lock: whoever is told of a duplicate waits behind the one that was first.
        let mut keys = Vec::new();
        let mut fresh = HashSet::new();
        let mut items = Vec::with_capacity(batch.items.len());
        for item in batch.items {
            match &item {
                Item::Rejected(_) => receipt.rejected += 1,
                Item::Event { key, .. } => {
                    let known = state.pending.contains(key)
                        || self.inner.lake.has_event(key).map_err(failed)?
                        || !fresh.insert(*key);
                    if known {
                        receipt.duplicate += 1;
                        continue;
                    }
                    receipt.accepted += 1;
                    keys.push(*key);
                }
            }
            items.push(item);
        }
        let frame =
            Frame { at_us: chrono::Utc::now().timestamp_micros(), duplicate: receipt.duplicate, items }.encode();
        let bytes = frame.len() as u64;
        if state.backlog_bytes + bytes > self.inner.options.backlog_bytes_max {
            return Err(SubmitError::Busy { backlog_bytes: state.backlog_bytes });
        }
        state.backlog_bytes += bytes;
        state.pending.extend(&keys);
        let (done, waiting) = oneshot::channel();
        state.queue.push(Waiting { frame, keys, done });
        drop(state);
        self.inner.work.notify_all();
        Ok((receipt, waiting))
    }

    /// Stops taking events and lands those that were taken.
    pub async fn close(&self) {
        self.inner.state().stopping = true;
        self.inner.work.notify_all();
        let landing = self.inner.landing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = OptionFuture::from(landing).await {
            tracing::error!(%error, "landing events failed");
        }
        // An orphan from here on, with nothing in it.
        drop(self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Err(error) = self.inner.lake.recover_events().await {
            tracing::error!(%error, "events could not be landed; the next start does");
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits, group by group, until the log is closed.
    fn write(&self) {
        let mut open: Option<Segment> = None;
        loop {
            let mut state = self.state();
            let group = loop {
                if let Some(segment) = &open {
                    let idle = state.sealed.is_empty() && !state.landing;
                    let due = segment.opened.elapsed() >= self.options.land_every && idle;
                    if due
                        || state.stopping && state.queue.is_empty()
                        || segment.bytes >= self.options.segment_bytes_max
                    {
                        state.sealed.extend(open.take());
                        self.sealed.notify_one();
                    }
                }
                if !state.queue.is_empty() {
                    break std::mem::take(&mut state.queue);
                }
                if state.stopping {
                    state.written = true;
                    self.sealed.notify_one();
                    return;
                }
                // An open segment falls due by itself, or when a landing ends, which is told.
                let left =
                    open.as_ref().map(|segment| self.options.land_every.saturating_sub(segment.opened.elapsed()));
                state = match left {
                    Some(left) if !left.is_zero() => {
                        self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                    }
                    _ => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                };
            };
            drop(state);
            match self.write_group(&group, &mut open) {
                Ok(()) => {
                    for waiting in group {
                        // Who has gone away needs no answer.
                        let _ = waiting.done.send(Ok(()));
                    }
                }
                Err(error) => self.refuse(group, &error),
            }
        }
    }

    fn write_group(&self, group: &[Waiting], open: &mut Option<Segment>) -> std::io::Result<()> {
        let mut own = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = match &mut *own {
            Some(writer) => writer,
            None => own.insert(Writer::create(&self.lake.event_log_directory()?)?),
        };
        let segment = match open {
            Some(segment) => segment,
            None => open.insert(writer.begin(self.options.mapping.as_ref())?),
        };
        let frames: Vec<u8> = group.iter().flat_map(|waiting| waiting.frame.iter().copied()).collect();
        if let Err(error) = segment.append(&frames) {
            // What stands behind the last whole group was promised to nobody; should it land all the same, a repetition is
            // a duplicate.
            if let Err(error) = segment.cut() {
                tracing::error!(%error, "the event log cannot be cut");
            }
            let segment = open.take().filter(|segment| segment.bytes > 0);
            self.state().sealed.extend(segment);
            self.sealed.notify_one();
            return Err(error);
        }
        segment.keys.extend(group.iter().flat_map(|waiting| waiting.keys.iter().copied()));
        Ok(())
    }

    /// Takes nothing of a group, nor of those behind it, which may have been told of duplicates in it.
    fn refuse(&self, group: Vec<Waiting>, error: &std::io::Error) {
        tracing::error!(%error, "the event log cannot be written");
        let mut state = self.state();
        let behind = std::mem::take(&mut state.queue);
        for waiting in group.into_iter().chain(behind) {
            state.backlog_bytes -= waiting.frame.len() as u64;
            for key in &waiting.keys {
                state.pending.remove(key);
            }
            let _ = waiting.done.send(Err(error.to_string()));
        }
    }

    /// Lands what was written, segment by segment, until the log is closed.
    async fn land(&self) {
        let mut looked_for_orphans = Instant::now();
        loop {
            let (next, over) = {
                let mut state = self.state();
                let next = state.sealed.pop_front();
                state.landing = next.is_some();
                (next, state.written && state.sealed.is_empty())
            };
            let Some(segment) = next else {
                if over {
                    return;
                }
                let _ = tokio::time::timeout(ORPHANS_EVERY, self.sealed.notified()).await;
                if looked_for_orphans.elapsed() >= ORPHANS_EVERY {
                    looked_for_orphans = Instant::now();
                    if let Err(error) = self.lake.recover_events().await {
                        tracing::error!(%error, "events that another process has left could not be landed");
                    }
                }
                continue;
            };
            if !self.land_until_done(&segment).await {
                return;
            }
            let mut state = self.state();
            state.landing = false;
            state.backlog_bytes -= segment.bytes;
            for key in &segment.keys {
                state.pending.remove(key);
            }
            drop(state);
            self.work.notify_all();
        }
    }

    /// Lands a segment, however often it takes. False when the server stops first: the next start lands it.
    async fn land_until_done(&self, segment: &Segment) -> bool {
        let mut wait = Duration::from_millis(100);
        while let Err(error) = self.lake.land_segment(&segment.place).await {
            tracing::error!(%error, segment = %segment.place.path().display(), "events could not be landed yet");
            if self.state().stopping {
                return false;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
        true
    }
}

impl Lake {
    /// Where the logs of events are.
    pub(crate) fn event_log_directory(&self) -> std::io::Result<PathBuf> {
        let root = self.local_path().ok().ok_or_else(|| std::io::Error::other("the lake is no local directory"))?;
        Ok(root.join("event_log"))
    }

    /// Whether an event has landed in a table.
    fn has_event(&self, key: &[u8; 16]) -> std::io::Result<bool> {
        for table in Table::USAGE {
            if self.events_of(table).contains(key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
