//! Uploads that are on their way: how far each has come, for those who watch, and their end for those who turn away.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use paygrain_ingest::upload::Progress;
use serde::Serialize;

/// Uploads that are listed at once; those beyond go on unlisted.
const LISTED_MAX: usize = 256;
/// Longest ticket, in characters.
const TICKET_CHARS_MAX: usize = 64;

/// The uploads on their way; cheap to clone.
#[derive(Clone, Default)]
pub struct Running {
    uploads: Arc<Mutex<Vec<Arc<Upload>>>>,
}

/// One upload. Kept in the list for as long as its [`Underway`] lives.
pub struct Upload {
    ticket: Option<String>,
    name: String,
    announced_bytes: Option<u64>,
    received_bytes: AtomicU64,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    cancelled: bool,
}

enum Stage {
    Receiving,
    Opening,
    Reading(Reading),
}

struct Reading {
    file: FileView,
    bytes_total: u64,
    since: Instant,
    progress: Arc<Progress>,
}

/// Which file of an upload is read: the upload itself, or a member of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileView {
    /// What it is called.
    pub name: String,
    /// Its place among the files of the upload, from 1.
    pub place: u64,
    /// How many files the upload has.
    pub count: u64,
}

/// An upload as it is told. Serialises as the API answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UploadView {
    /// What its sender calls it, to find it again.
    pub ticket: Option<String>,
    /// File name.
    pub name: String,
    /// `receiving`, `opening`, `reading` or `committing`.
    pub stage: &'static str,
    /// Bytes that have arrived.
    pub received_bytes: u64,
    /// Bytes that were announced; more than the file where several are in one form.
    pub announced_bytes: Option<u64>,
    /// Which file is read.
    pub file: Option<FileView>,
    /// Bytes of that file that are read.
    pub bytes: u64,
    /// Size of that file.
    pub bytes_total: u64,
    /// Rows of that file that are read.
    pub rows: u64,
    /// Rows a second, on average.
    pub rows_per_s: u64,
    /// How long reading the file will take, in milliseconds, if it goes on so.
    pub left_ms: Option<u64>,
}

impl Running {
    /// An upload begins.
    pub fn begin(&self, name: String, ticket: Option<String>, announced_bytes: Option<u64>) -> Underway {
        let state = Mutex::new(State { stage: Stage::Receiving, cancelled: false });
        let upload = Arc::new(Upload { ticket, name, announced_bytes, received_bytes: AtomicU64::new(0), state });
        let mut uploads = locked(&self.uploads);
        if uploads.len() < LISTED_MAX {
            uploads.push(upload.clone());
        }
        drop(uploads);
        Underway { running: self.clone(), upload }
    }

    /// Every upload on its way, in the order they began.
    pub fn list(&self) -> Vec<UploadView> {
        locked(&self.uploads).iter().map(|upload| upload.view()).collect()
    }
}

/// Whether a sender may call an upload so.
pub fn is_ticket(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=TICKET_CHARS_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// Takes an upload off the list when it ends, however it does.
pub struct Underway {
    running: Running,
    upload: Arc<Upload>,
}

impl Underway {
    /// Bytes have arrived.
    pub fn received(&self, bytes: usize) {
        self.upload.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// It has arrived, and is looked into.
    pub fn opening(&self) {
        locked(&self.upload.state).stage = Stage::Opening;
    }

    /// One of its files is read from now on; false where the upload was cancelled.
    pub fn reading(&self, file: FileView, bytes_total: u64, progress: Arc<Progress>) -> bool {
        let mut state = locked(&self.upload.state);
        state.stage = Stage::Reading(Reading { file, bytes_total, since: Instant::now(), progress });
        !state.cancelled
    }

    /// What cancels it when it is dropped; nothing happens to an upload that has ended, or to what is being committed.
    pub fn cancelled_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.upload.clone())
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        locked(&self.running.uploads).retain(|other| !Arc::ptr_eq(other, &self.upload));
    }
}

/// Held by whoever waits for an upload: it ends when nobody does.
pub struct CancelOnDrop(Arc<Upload>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let mut state = locked(&self.0.state);
        state.cancelled = true;
        if let Stage::Reading(reading) = &state.stage {
            reading.progress.cancel();
        }
    }
}

impl Upload {
    fn view(&self) -> UploadView {
        let mut view = UploadView {
            ticket: self.ticket.clone(),
            name: self.name.clone(),
            stage: "receiving",
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            announced_bytes: self.announced_bytes,
            file: None,
            bytes: 0,
            bytes_total: 0,
            rows: 0,
            rows_per_s: 0,
            left_ms: None,
        };
        match &locked(&self.state).stage {
            Stage::Receiving => {}
            Stage::Opening => view.stage = "opening",
            Stage::Reading(reading) => {
                let Reading { file, bytes_total, since, progress } = reading;
                let elapsed_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
                view.stage = if progress.committing.load(Ordering::Relaxed) { "committing" } else { "reading" };
                view.file = Some(file.clone());
                view.bytes = progress.bytes.load(Ordering::Relaxed);
                view.bytes_total = *bytes_total;
                view.rows = progress.rows.load(Ordering::Relaxed);
                view.rows_per_s = view.rows.saturating_mul(1000) / elapsed_ms;
                let left = bytes_total.saturating_sub(view.bytes);
                view.left_ms = elapsed_ms.saturating_mul(left).checked_div(view.bytes);
            }
        }
        view
    }
}

/// What a panic elsewhere has left behind is as good as ever: every change is one assignment.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> FileView {
        FileView { name: "a.log".into(), place: 1, count: 1 }
    }

    #[test]
    fn an_upload_is_listed_from_its_beginning_to_its_end() {
        let running = Running::default();
        let underway = running.begin("a.log".into(), Some("t-1".into()), Some(10));
        underway.received(4);
        let [view] = &running.list()[..] else { panic!() };
        assert_eq!((view.stage, view.received_bytes, view.ticket.as_deref()), ("receiving", 4, Some("t-1")));
        underway.opening();
        assert_eq!(running.list()[0].stage, "opening");
        let progress = Arc::new(Progress::default());
        assert!(underway.reading(file(), 100, progress.clone()));
        progress.bytes.store(50, Ordering::Relaxed);
        progress.rows.store(7, Ordering::Relaxed);
        let view = running.list().remove(0);
        assert_eq!((view.stage, view.bytes, view.bytes_total, view.rows), ("reading", 50, 100, 7));
        assert!(view.left_ms.is_some());
        progress.committing.store(true, Ordering::Relaxed);
        assert_eq!(running.list()[0].stage, "committing");
        drop(underway);
        assert!(running.list().is_empty());
    }

    #[test]
    fn whoever_turns_away_cancels() {
        let running = Running::default();
        let underway = running.begin("a.log".into(), None, None);
        drop(underway.cancelled_on_drop());
        assert!(!underway.reading(file(), 1, Arc::default()), "no further file is begun");
        assert_eq!(running.list().len(), 1, "listed until it has ended");
    }

    #[test]
    fn the_list_is_bounded() {
        let running = Running::default();
        let all: Vec<_> = (0..LISTED_MAX + 3).map(|at| running.begin(at.to_string(), None, None)).collect();
        assert_eq!(running.list().len(), LISTED_MAX);
        drop(all);
        assert!(running.list().is_empty());
        assert!(is_ticket("0a-Z") && !is_ticket("") && !is_ticket("a b") && !is_ticket(&"a".repeat(65)));
    }
}
