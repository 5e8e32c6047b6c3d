//! Lines of a file with their place, in bounded memory.

use std::io::BufRead;

use crate::decompress::ingest_error;
use crate::error::{self, IngestError, excerpt};
use crate::record::RejectedRow;

/// Longest line that is read, in bytes. No log service accepts an event of more than 1 MiB.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Reads an input line by line.
pub struct Lines<'a> {
    input: &'a mut dyn BufRead,
    buffer: Vec<u8>,
    number: u64,
    offset: u64,
}

/// One line, without its end.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// From 1.
    pub number: u64,
    /// Where it begins, in bytes from the beginning of the text.
    pub offset: u64,
    /// Its content; only the beginning when it is too long.
    pub bytes: &'a [u8],
    /// Longer than [`LINE_BYTES_MAX`]: the rest was skipped.
    pub too_long: bool,
    /// Whether a line end followed; if not, the file may be cut off here.
    pub ended: bool,
}

impl<'a> Lines<'a> {
    /// Lines of an input, from where it stands.
    pub fn new(input: &'a mut dyn BufRead) -> Self {
        Lines { input, buffer: Vec::new(), number: 0, offset: 0 }
    }

    /// The next line, or `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read.
    #[allow(clippy::should_implement_trait)] // An iterator could not lend its buffer.
    pub fn next(&mut self) -> Result<Option<Line<'_>>, IngestError> {
        self.buffer.clear();
        let offset = self.offset;
        let mut too_long = false;
        let mut ended = false;
        while !ended {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ingest_error(error)),
            };
            if available.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', available);
            let part = &available[..end.unwrap_or(available.len())];
            // One byte more than the limit, for the carriage return that does not count.
            let room = (LINE_BYTES_MAX + 1).saturating_sub(self.buffer.len());
            too_long |= part.len() > room;
            self.buffer.extend_from_slice(&part[..part.len().min(room)]);
            ended = end.is_some();
            let consumed = part.len() + usize::from(ended);
            self.input.consume(consumed);
            self.offset += consumed as u64;
        }
        if self.offset == offset {
            return Ok(None);
        }
        self.number += 1;
        if !too_long && self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        too_long |= self.buffer.len() > LINE_BYTES_MAX;
        Ok(Some(Line { number: self.number, offset, bytes: &self.buffer, too_long, ended }))
    }
}

/// Where a row is in a file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// From 1.
    pub(super) line: Option<u64>,
    /// In bytes.
    pub(super) offset: u64,
}

impl Place {
    /// The row that is there as a rejected one.
    pub(super) fn rejected(self, reason: impl Into<String>, bytes: &[u8]) -> RejectedRow {
        RejectedRow {
            line: self.line,
            byte_offset: self.offset,
            byte_length: None,
            header_length: None,
            reason: error::reason(&reason.into()),
            excerpt: excerpt(bytes),
        }
    }
}

impl Line<'_> {
    /// The line as a rejected row.
    pub fn rejected(&self, reason: impl Into<String>) -> RejectedRow {
        RejectedRow {
            line: Some(self.number),
            byte_offset: self.offset,
            byte_length: None,
            header_length: None,
            reason: error::reason(&reason.into()),
            excerpt: excerpt(self.bytes),
        }
    }

    /// The line as a rejected row because of its length.
    pub fn rejected_too_long(&self) -> RejectedRow {
        self.rejected(format!("the line is longer than {LINE_BYTES_MAX} bytes"))
    }
}
