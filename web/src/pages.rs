//! The pages, one file each: extract, ask the engine, build the page, render.

pub mod api;
pub mod bill;
pub mod compare;
pub mod explain;
pub mod explore;
pub mod overview;
pub mod price_book;
pub mod price_books;
pub mod quarantine;
pub mod reconcile;
pub mod resource;
pub mod resources;
pub mod samples;
pub mod scenarios;
pub mod settings;
pub mod sql;
pub mod upload;
pub mod uploads;
pub mod what_if;
pub mod what_if_memory;

/// So many of the rows of a list, from one on.
pub fn rows_of<T>(rows: impl IntoIterator<Item = T>, offset: u64, limit: u64) -> impl Iterator<Item = T> {
    let at = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    rows.into_iter().skip(at(offset)).take(at(limit))
}

/// A window on a long list, with the links to the windows beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows before it.
    pub offset: u64,
    /// Rows it has room for.
    pub limit: u64,
    /// Rows in all.
    pub total: u64,
    /// The URL up to the value of `offset`.
    pub url: String,
}

impl Window {
    /// Number of the first row shown, from 1.
    pub fn first(&self) -> u64 {
        (self.offset + 1).min(self.total)
    }

    /// Number of the last row shown.
    pub fn last(&self) -> u64 {
        self.offset.saturating_add(self.limit).min(self.total)
    }

    /// Where the window before begins.
    pub fn earlier(&self) -> Option<u64> {
        (self.offset > 0).then(|| self.offset.saturating_sub(self.limit))
    }

    /// Where the window after begins.
    pub fn later(&self) -> Option<u64> {
        (self.last() < self.total).then(|| self.last())
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn windows_meet_without_gap_or_overlap() {
        let window = |offset, total| Window { offset, limit: 50, total, url: String::new() };
        assert_eq!((window(0, 120).earlier(), window(0, 120).later()), (None, Some(50)));
        assert_eq!((window(50, 120).first(), window(50, 120).last()), (51, 100));
        assert_eq!((window(100, 120).last(), window(100, 120).later()), (120, None));
        assert_eq!((window(20, 120).earlier(), window(0, 50).later()), (Some(0), None));
        assert_eq!((window(0, 0).first(), window(0, 0).last()), (0, 0));
    }
}
