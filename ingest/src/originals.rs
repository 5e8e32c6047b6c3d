//! The original bytes of refused rows: read once more, from their places, when a file had any.

use std::io::Read;

use crate::decompress::{UTF8_BOM, ingest_error};
use crate::error::IngestError;

/// Most bytes of a row that are kept.
const ROW_BYTES_MAX: usize = 16 << 20;
/// Most bytes of a row whose length the format does not say.
const UNKNOWN_BYTES_MAX: usize = 1 << 20;
/// Most bytes of all rows of an upload.
const UPLOAD_BYTES_MAX: u64 = 1 << 30;
const CHUNK_BYTES: usize = 1 << 16;

/// Goes through the decompressed bytes of an upload from row to row.
pub(crate) struct Originals<R> {
    source: R,
    /// Whether a byte order mark stood in front of it, which formats do not see.
    marked: bool,
    /// Bytes from `begins_at` on that may still be asked for.
    window: Vec<u8>,
    begins_at: u64,
    ended: bool,
    kept_bytes: u64,
}

impl<R: Read> Originals<R> {
    pub(crate) fn new(source: R, marked: bool) -> Self {
        Self { source, marked, window: Vec::new(), begins_at: 0, ended: false, kept_bytes: 0 }
    }

    /// The bytes in front of the rows, as they were: without the mark, programs for tables take the text for another
    /// encoding.
    pub(crate) fn header(&mut self, length: u64) -> Result<Option<Vec<u8>>, IngestError> {
        let header = self.row(0, Some(length))?;
        Ok(header.map(|header| if self.marked { [&UTF8_BOM[..], &header].concat() } else { header }))
    }

    /// The bytes of the row that begins at an offset: so many, or the JSON object or the line that stands there. Nothing
    /// for what lies behind an earlier row, or is more than is kept.
    pub(crate) fn row(&mut self, offset: u64, length: Option<u64>) -> Result<Option<Vec<u8>>, IngestError> {
        let Some(ahead) = offset.checked_sub(self.begins_at) else { return Ok(None) };
        self.skip(ahead)?;
        let row = match length {
            Some(length) => {
                let Some(length) = usize::try_from(length).ok().filter(|length| *length <= ROW_BYTES_MAX) else {
                    return Ok(None);
                };
                self.fill(length + 1)?;
                // A reader of CSV counts the line feed of `\r\n`, and empty lines, to what comes behind them.
                let end = length + usize::from(length > 0 && self.window.get(length - 1..=length) == Some(b"\r\n"));
                self.window.get(..end).map(|row| {
                    let empty = row.iter().take_while(|byte| b"\r\n".contains(byte)).count();
                    &row[empty..]
                })
            }
            None => {
                self.fill(UNKNOWN_BYTES_MAX)?;
                extent(&self.window[..self.window.len().min(UNKNOWN_BYTES_MAX)])
            }
        };
        let kept = row.filter(|row| !row.is_empty() && self.kept_bytes + row.len() as u64 <= UPLOAD_BYTES_MAX);
        let kept = kept.map(<[u8]>::to_vec);
        self.kept_bytes += kept.as_ref().map_or(0, |row| row.len() as u64);
        Ok(kept)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), IngestError> {
        let mut left = bytes;
        while left > 0 {
            if self.window.is_empty() {
                self.fill(1)?;
                if self.window.is_empty() {
                    break;
                }
            }
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(self.window.len());
            self.window.drain(..length);
            left -= length as u64;
        }
        self.begins_at += bytes;
        Ok(())
    }

    fn fill(&mut self, wanted: usize) -> Result<(), IngestError> {
        while !self.ended && self.window.len() < wanted {
            let before = self.window.len();
            self.window.resize(before + CHUNK_BYTES, 0);
            let read = match self.source.read(&mut self.window[before..]) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                    self.window.truncate(before);
                    continue;
                }
                Err(error) => return Err(ingest_error(error)),
            };
            self.window.truncate(before + read);
            self.ended = read == 0;
        }
        Ok(())
    }
}

/// The JSON object or the line at the beginning of some bytes; nothing where it does not end among them.
fn extent(bytes: &[u8]) -> Option<&[u8]> {
    let line = || match memchr::memchr(b'\n', bytes) {
        Some(end) => Some(&bytes[..=end]),
        None => (bytes.len() < UNKNOWN_BYTES_MAX).then_some(bytes),
    };
    if bytes.first() != Some(&b'{') {
        return line();
    }
    let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            // A string that a line ends in is broken off there.
            b'\n' if in_string => return Some(&bytes[..=at]),
            b'{' if !in_string => depth += 1,
            b'}' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Some(&bytes[..=at]);
                }
            }
            _ => {}
        }
    }
    line()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let text = b"head\nline one\n{\"a\": \"}{\\\"\",\n \"b\": {}} rest\n{\"cut\nlast";
        let mut originals = Originals::new(&text[..], false);
        let mut row =
            |offset, length| originals.row(offset, length).unwrap().map(|row| String::from_utf8(row).unwrap());
        assert_eq!(row(0, Some(4)).as_deref(), Some("head"));
        assert_eq!(row(5, None).as_deref(), Some("line one\n"));
        assert_eq!(row(14, None).as_deref(), Some("{\"a\": \"}{\\\"\",\n \"b\": {}}"));
        assert_eq!(row(5, None), None, "behind an earlier one");
        let cut = text.iter().rposition(|byte| *byte == b'{').unwrap() as u64;
        assert_eq!(row(cut, None).as_deref(), Some("{\"cut\n"));
        assert_eq!(row(cut + 6, None).as_deref(), Some("last"));
        assert_eq!(row(10_000, None), None, "behind the end");
    }

    #[test]
    fn rows_of_csv_begin_and_end_with_themselves() {
        let mut originals = Originals::new(&b"head\r\n\r\none\r\ntwo\n"[..], true);
        assert_eq!(originals.header(5).unwrap().as_deref(), Some(&b"\xef\xbb\xbfhead\r\n"[..]));
        let mut row =
            |offset, length| originals.row(offset, Some(length)).unwrap().map(|row| String::from_utf8(row).unwrap());
        assert_eq!(row(5, 7).as_deref(), Some("one\r\n"));
        assert_eq!(row(12, 5).as_deref(), Some("two\n"));
    }
}
