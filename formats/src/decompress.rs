//! Compressed or plain bytes to a bounded stream of decompressed ones, by what they are and never by their name.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::IngestError;
use crate::format::HEAD_BYTES_MAX;
use ahead::ReadAhead;

mod ahead;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Zstandard frames that carry no data begin with one of sixteen values; the low half of the first byte varies.
const ZSTD_SKIPPABLE_MAGIC: [u8; 3] = [0x2a, 0x4d, 0x18];
/// A byte order mark, as it stands in front of UTF-8.
pub const UTF8_BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A log shipper that compresses what was already compressed makes two layers; more than that is an attack.
const LAYERS_MAX: usize = 2;

/// How much is taken from the decoder at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// What an input may expand to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most decompressed bytes.
    pub decompressed_bytes_max: u64,
    /// Most decompressed bytes for each compressed one.
    pub ratio_max: u64,
    /// The ratio is not looked at before this many decompressed bytes: small repetitive logs compress very well.
    pub ratio_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { decompressed_bytes_max: 64 << 30, ratio_max: 1000, ratio_free_bytes: 64 << 20 }
    }
}

/// What the bytes were found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not compressed.
    Plain,
    /// One or more gzip members.
    Gzip,
    /// One or more Zstandard frames.
    Zstd,
}

impl Compression {
    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Plain => "plain",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    fn of(magic: &[u8]) -> Self {
        if magic.starts_with(&GZIP_MAGIC) {
            Compression::Gzip
        } else if magic.starts_with(&ZSTD_MAGIC)
            || (magic.len() >= 4 && magic[0] & 0xf0 == 0x50 && magic[1..4] == ZSTD_SKIPPABLE_MAGIC)
        {
            Compression::Zstd
        } else {
            Compression::Plain
        }
    }
}

/// The decompressed bytes of an input, without a byte order mark.
///
/// Errors that come out of [`Read`] and [`BufRead`] carry an [`IngestError`]: [`ingest_error`] gets it back.
pub struct Decompressed {
    source: Box<dyn Read + Send>,
    /// What waits is from `start` to `end`; the room behind it is kept, so that it need not be cleared every time.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    has_byte_order_mark: bool,
    compression: Compression,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    compressed: AtomicU64,
    decompressed: AtomicU64,
    ignored: AtomicU64,
}

/// Begins to read an input, whatever it is compressed with.
///
/// # Errors
/// [`IngestError::NotUtf8Text`] for UTF-16, and whatever already goes wrong with the first bytes.
pub fn open<R: Read + Send + 'static>(input: R, limits: Limits) -> Result<Decompressed, IngestError> {
    let counts = Arc::new(Counts::default());
    let mut source: Box<dyn Read + Send> = Box::new(Raw { input, counts: counts.clone() });
    let mut compression = Compression::Plain;
    let mut layers = 0;
    loop {
        let mut reader = Prefixed::new(BufReader::with_capacity(CHUNK_BYTES, source));
        reader.peek(4).map_err(ingest_error)?;
        let layer = Compression::of(&reader.prefix);
        if layer == Compression::Plain || layers == LAYERS_MAX {
            source = Box::new(reader);
            break;
        }
        if layers == 0 {
            compression = layer;
        }
        layers += 1;
        let decoder = match layer {
            Compression::Zstd => zstd_layer(reader).map_err(ingest_error)?,
            _ => {
                Box::new(GzipMembers { decoder: Some(flate2::bufread::GzDecoder::new(reader)), counts: counts.clone() })
            }
        };
        source = Box::new(Limited { source: decoder, name: layer.name(), bytes: 0, limits, counts: counts.clone() });
    }
    if layers == 0 {
        // The size limit holds for plain input as well; the ratio cannot be passed.
        source = Box::new(Limited { source, name: "plain", bytes: 0, limits, counts: counts.clone() });
    } else {
        let no_thread = |source| IngestError::Io { what: "no thread to decompress in".into(), source };
        source = Box::new(ReadAhead::new(source).map_err(no_thread)?);
    }
    let mut decompressed = Decompressed {
        source,
        buffer: Vec::new(),
        start: 0,
        end: 0,
        ended: false,
        has_byte_order_mark: false,
        compression,
        counts,
    };
    decompressed.skip_byte_order_mark()?;
    Ok(decompressed)
}

/// The error of an upload behind an error of a reader that [`open`] made.
pub fn ingest_error(error: io::Error) -> IngestError {
    match error.downcast::<IngestError>() {
        Ok(error) => error,
        Err(source) => IngestError::Io { what: "the input could not be read".into(), source },
    }
}

/// What an input has at hand, read anew when that is nothing; nothing at its end.
pub(crate) fn available(input: &mut dyn BufRead) -> Result<&[u8], IngestError> {
    // The buffer is asked for twice because a loop may not keep what it returns.
    while let Err(error) = input.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(ingest_error(error));
        }
    }
    input.fill_buf().map_err(ingest_error)
}

impl Decompressed {
    /// What the outermost layer of the input was.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Whether a byte order mark stood in front of the text.
    pub fn has_byte_order_mark(&self) -> bool {
        self.has_byte_order_mark
    }

    /// Bytes read from the input so far.
    pub fn compressed_bytes(&self) -> u64 {
        self.counts.compressed.load(Ordering::Relaxed)
    }

    /// Bytes decompressed so far: up to some megabytes more than were handed out, as they are read ahead.
    pub fn decompressed_bytes(&self) -> u64 {
        self.counts.decompressed.load(Ordering::Relaxed)
    }

    /// Bytes behind the last gzip member that are neither padding nor another member, so far.
    ///
    /// `gzip` itself ignores them too, but they may be what is left of a damaged part: worth a warning.
    pub fn ignored_bytes(&self) -> u64 {
        self.counts.ignored.load(Ordering::Relaxed)
    }

    /// The beginning, up to [`HEAD_BYTES_MAX`] bytes, for [`detect`](crate::format::detect); it stays to be read.
    ///
    /// # Errors
    /// As reading does.
    pub fn head(&mut self) -> Result<&[u8], IngestError> {
        self.buffer_at_least(HEAD_BYTES_MAX).map_err(ingest_error)?;
        let end = self.end.min(self.start + HEAD_BYTES_MAX);
        Ok(&self.buffer[self.start..end])
    }

    fn skip_byte_order_mark(&mut self) -> Result<(), IngestError> {
        self.buffer_at_least(UTF8_BOM.len()).map_err(ingest_error)?;
        let beginning = &self.buffer[..self.end];
        if beginning.starts_with(&UTF8_BOM) {
            self.start = UTF8_BOM.len();
            self.has_byte_order_mark = true;
        } else if beginning.starts_with(&[0xff, 0xfe]) {
            return Err(IngestError::NotUtf8Text { encoding: "UTF-16 (little endian)" });
        } else if beginning.starts_with(&[0xfe, 0xff]) {
            return Err(IngestError::NotUtf8Text { encoding: "UTF-16 (big endian)" });
        }
        Ok(())
    }

    /// Reads ahead until so many bytes are there or the input ends.
    fn buffer_at_least(&mut self, wanted: usize) -> io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        while !self.ended && self.end - self.start < wanted {
            if self.buffer.len() - self.end < CHUNK_BYTES {
                self.buffer.resize(self.end + CHUNK_BYTES, 0);
            }
            let length = self.source.read(&mut self.buffer[self.end..])?;
            self.end += length;
            self.ended = length == 0;
        }
        Ok(())
    }
}

impl BufRead for Decompressed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.buffer_at_least(1)?;
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.end);
    }
}

impl Read for Decompressed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(out.len());
        out[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

/// The input itself: counts, and marks its errors so that they are not taken for those of a decoder.
struct Raw<R> {
    input: R,
    counts: Arc<Counts>,
}

impl<R: Read> Read for Raw<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.input.read(out) {
                Ok(length) => {
                    self.counts.compressed.fetch_add(length as u64, Ordering::Relaxed);
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io::Error::other(ingest_error(error))),
            }
        }
    }
}

/// A decoder whose output is counted and bounded, and whose errors say what they mean.
struct Limited {
    source: Box<dyn Read + Send>,
    name: &'static str,
    bytes: u64,
    limits: Limits,
    counts: Arc<Counts>,
}

impl Read for Limited {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = match self.source.read(out) {
            Ok(length) => length,
            Err(error) if error.get_ref().is_some_and(|inner| inner.is::<IngestError>()) => return Err(error),
            Err(error) => {
                return Err(io::Error::other(IngestError::BadCompression {
                    compression: self.name,
                    decompressed_bytes: self.bytes,
                    problem: error.to_string(),
                }));
            }
        };
        self.bytes += length as u64;
        self.counts.decompressed.store(self.bytes, Ordering::Relaxed);
        let limit_bytes = self.limits.decompressed_bytes_max;
        if self.bytes > limit_bytes {
            return Err(io::Error::other(IngestError::TooLarge { limit_bytes }));
        }
        let compressed_bytes = self.counts.compressed.load(Ordering::Relaxed);
        if self.bytes > self.limits.ratio_free_bytes
            && self.bytes > compressed_bytes.saturating_mul(self.limits.ratio_max)
        {
            return Err(io::Error::other(IngestError::Bomb {
                compressed_bytes,
                decompressed_bytes: self.bytes,
                ratio_max: self.limits.ratio_max,
            }));
        }
        Ok(length)
    }
}

type Layer = Prefixed<BufReader<Box<dyn Read + Send>>>;

fn zstd_layer(reader: Layer) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(zstd::stream::read::Decoder::with_buffer(reader)?))
}

/// One gzip member after the other. Unlike the multi-member reader of the library, padding and rubbish behind the last
/// one end the data instead of failing it, as in `gzip` itself.
struct GzipMembers {
    decoder: Option<flate2::bufread::GzDecoder<Layer>>,
    counts: Arc<Counts>,
}

impl Read for GzipMembers {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while let Some(decoder) = &mut self.decoder {
            let length = decoder.read(out)?;
            if length > 0 {
                return Ok(length);
            }
            let Some(decoder) = self.decoder.take() else { break };
            let mut reader = decoder.into_inner();
            reader.skip_zeros()?;
            reader.peek(GZIP_MAGIC.len())?;
            if reader.prefix.starts_with(&GZIP_MAGIC) {
                self.decoder = Some(flate2::bufread::GzDecoder::new(reader));
            } else {
                let ignored = io::copy(&mut reader, &mut io::sink())?;
                self.counts.ignored.fetch_add(ignored, Ordering::Relaxed);
            }
        }
        Ok(0)
    }
}

/// A reader with some bytes put back in front.
struct Prefixed<R> {
    prefix: Vec<u8>,
    inner: R,
}

impl<R: BufRead> Prefixed<R> {
    fn new(inner: R) -> Self {
        Prefixed { prefix: Vec::new(), inner }
    }

    /// Makes sure that the prefix has so many bytes, or all there are.
    fn peek(&mut self, wanted: usize) -> io::Result<()> {
        while self.prefix.len() < wanted {
            let Some(byte) = self.inner.fill_buf()?.first().copied() else { return Ok(()) };
            self.prefix.push(byte);
            self.inner.consume(1);
        }
        Ok(())
    }

    fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let available = self.fill_buf()?;
            let zeros = available.iter().take_while(|byte| **byte == 0).count();
            let all = zeros == available.len();
            self.consume(zeros);
            if !all || zeros == 0 {
                return Ok(());
            }
        }
    }
}

impl<R: BufRead> BufRead for Prefixed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.prefix.is_empty() { self.inner.fill_buf() } else { Ok(&self.prefix) }
    }

    fn consume(&mut self, amount: usize) {
        if self.prefix.is_empty() {
            self.inner.consume(amount);
        } else {
            self.prefix.drain(..amount.min(self.prefix.len()));
        }
    }
}

impl<R: BufRead> Read for Prefixed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.prefix.is_empty() {
            return self.inner.read(out);
        }
        let length = self.prefix.len().min(out.len());
        out[..length].copy_from_slice(&self.prefix[..length]);
        self.prefix.drain(..length);
        Ok(length)
    }
}
