//! Compressed and plain bytes: bounded, the same in pieces, and what was compressed comes back.
#![no_main]

use std::io::{Cursor, Read, Write};

use flate2::{Compression as Level, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use paygrain_formats::decompress::{self, Compression, Limits};

const LIMITS: Limits = Limits { decompressed_bytes_max: 1 << 20, ratio_max: 1000, ratio_free_bytes: 1 << 16 };
/// How much more than the limit may have been handed out when it is noticed: one chunk.
const CHUNK_BYTES: usize = 1 << 16;

/// Hands out one byte at a time.
struct Pieces(Cursor<Vec<u8>>);

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let length = out.len().min(1);
        self.0.read(&mut out[..length])
    }
}

/// What comes out before the end or an error, and whether it was an error.
fn read(input: impl Read + Send + 'static) -> Option<(Compression, Vec<u8>, bool)> {
    let mut opened = decompress::open(input, LIMITS).ok()?;
    let mut out = Vec::new();
    let failed = opened.read_to_end(&mut out).is_err();
    assert!(out.len() <= LIMITS.decompressed_bytes_max as usize + CHUNK_BYTES);
    Some((opened.compression(), out, failed))
}

fuzz_target!(|bytes: &[u8]| {
    let whole = read(Cursor::new(bytes.to_vec()));
    let pieces = read(Pieces(Cursor::new(bytes.to_vec())));
    match (&whole, &pieces) {
        // How much comes before an error depends on how it is read.
        (Some((one, _, true)), Some((other, _, true))) => assert_eq!(one, other),
        (Some((_, _, true)), None) | (None, Some((_, _, true))) => {}
        _ => assert_eq!(whole, pieces),
    }
    let Some((Compression::Plain, plain, false)) = whole else { return };
    assert_eq!(plain, bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(bytes).expect("memory");
    let packed = encoder.finish().expect("memory");
    assert_eq!(read(Cursor::new(packed)), Some((Compression::Gzip, plain, false)));
});
