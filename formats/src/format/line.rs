//! Lines of a file with their place, in bounded memory.

use std::io::BufRead;

use crate::decompress::available;
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
    /// Bytes of the line at hand that are not kept.
    skipped: u64,
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
        Lines { input, buffer: Vec::new(), number: 0, offset: 0, skipped: 0 }
    }

    /// Hands over every line up to the end. Lines are where they were read to, unless a block of the input ends within
    /// one: several times faster than [`Lines::next`] for short lines.
    ///
    /// # Errors
    /// When the input cannot be read, or what `take` says.
    pub fn each(mut self, mut take: impl FnMut(Line<'_>) -> Result<(), IngestError>) -> Result<(), IngestError> {
        let mut too_long = false;
        loop {
            let available = available(self.input)?;
            if available.is_empty() {
                break;
            }
            let mut begin = 0;
            for end in memchr::memchr_iter(b'\n', available) {
                let part = &available[begin..end];
                begin = end + 1;
                self.number += 1;
                let length = self.buffer.len() as u64 + part.len() as u64;
                if self.buffer.is_empty() && !too_long {
                    take(line_of(self.number, self.offset, part, false, true))?;
                    self.offset += length + 1;
                } else {
                    let (offset, whole) = (self.offset, length);
                    too_long |= add_bounded(&mut self.buffer, part);
                    let skipped = std::mem::take(&mut self.skipped);
                    take(line_of(self.number, offset, &self.buffer, too_long, true))?;
                    self.offset += whole + skipped + 1;
                    self.buffer.clear();
                    too_long = false;
                }
            }
            let rest = &available[begin..];
            let before = self.buffer.len();
            too_long |= add_bounded(&mut self.buffer, rest);
            self.skipped += (rest.len() - (self.buffer.len() - before)) as u64;
            let length = available.len();
            self.input.consume(length);
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        take(line_of(self.number + 1, self.offset, &self.buffer, too_long, false))
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
            let available = available(self.input)?;
            if available.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', available);
            let part = &available[..end.unwrap_or(available.len())];
            too_long |= add_bounded(&mut self.buffer, part);
            ended = end.is_some();
            let consumed = part.len() + usize::from(ended);
            self.input.consume(consumed);
            self.offset += consumed as u64;
        }
        if self.offset == offset {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(line_of(self.number, offset, &self.buffer, too_long, ended)))
    }
}

/// Adds a part of a line as far as a line may be long; whether it was too long.
fn add_bounded(line: &mut Vec<u8>, part: &[u8]) -> bool {
    // One byte more than the limit, for the carriage return that does not count.
    let room = (LINE_BYTES_MAX + 1).saturating_sub(line.len());
    line.extend_from_slice(&part[..part.len().min(room)]);
    part.len() > room
}

fn line_of(number: u64, offset: u64, bytes: &[u8], too_long: bool, ended: bool) -> Line<'_> {
    let bytes = match bytes {
        [line @ .., b'\r'] if !too_long => line,
        _ => bytes,
    };
    let (bytes, too_long) = match bytes.get(..LINE_BYTES_MAX) {
        Some(beginning) if bytes.len() > LINE_BYTES_MAX => (beginning, true),
        _ => (bytes, too_long),
    };
    Line { number, offset, bytes, too_long, ended }
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

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    type Found = (u64, u64, Vec<u8>, bool, bool);

    fn of(line: Line<'_>) -> Found {
        (line.number, line.offset, line.bytes.to_vec(), line.too_long, line.ended)
    }

    #[test]
    fn lines_are_the_same_one_by_one_and_all_at_once_however_the_blocks_fall() {
        let long = [vec![b'x'; LINE_BYTES_MAX], b"\r\n".to_vec()].concat();
        let too_long = [vec![b'x'; LINE_BYTES_MAX + 1], b"\nafter\n".to_vec()].concat();
        let far_too_long = [vec![b'x'; LINE_BYTES_MAX * 2 + 70_000], b"\nafter".to_vec()].concat();
        let texts: [&[u8]; 9] =
            [b"", b"\n", b"a", b"a\r\n\r\nb\r", b"one\ntwo\n\nthree", b"\n\n\n", &long, &too_long, &far_too_long];
        for text in texts {
            for capacity in [1, 2, 3, 7, 1 << 16, 1 << 22] {
                if text.len() > 1000 && capacity < 1000 {
                    continue;
                }
                let mut input = BufReader::with_capacity(capacity, text);
                let mut one_by_one: Vec<Found> = Vec::new();
                let mut lines = Lines::new(&mut input);
                while let Some(line) = lines.next().unwrap() {
                    one_by_one.push(of(line));
                }
                let mut input = BufReader::with_capacity(capacity, text);
                let mut at_once: Vec<Found> = Vec::new();
                let each = |line: Line<'_>| {
                    at_once.push(of(line));
                    Ok(())
                };
                Lines::new(&mut input).each(each).unwrap();
                let shown = String::from_utf8_lossy(&text[..text.len().min(20)]);
                assert!(one_by_one == at_once, "{shown} in blocks of {capacity}");
            }
        }
    }
}
