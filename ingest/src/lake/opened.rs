//! Tables that were read, and whether they are still the latest: what is new in their logs alone has to be read.

use std::path::Path;
use std::time::SystemTime;

use deltalake::DeltaTable;

/// A table that was read.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// Of before it was read.
    pub log: LogFacts,
    pub delta: DeltaTable,
}

/// What the directory of a table's log says without being listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogFacts {
    /// A table that was removed and made again is another one.
    pub made: SystemTime,
    /// When a file in it last came or went.
    changed: SystemTime,
}

impl LogFacts {
    /// Of a directory; nothing where there is none.
    pub fn of(log: &Path) -> Option<Self> {
        let facts = std::fs::metadata(log).ok().filter(std::fs::Metadata::is_dir)?;
        let made = facts.created().unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Self { made, changed: facts.modified().unwrap_or(SystemTime::UNIX_EPOCH) })
    }
}

impl Opened {
    /// Whether there is nothing newer. Two changes within a tick of the clock have the same time, so the next version is
    /// looked for as well; and versions may be cleared away, which changes the time.
    pub fn is_latest(&self, path: &Path, log: LogFacts) -> bool {
        let next = self.delta.version().map(|version| path.join(format!("{:020}.json", version + 1)));
        self.log == log && next.is_some_and(|next| matches!(next.try_exists(), Ok(false)))
    }
}
