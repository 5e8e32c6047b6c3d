//! Compression found by content, and what is refused.

use std::io::{Cursor, Read};

use paygrain_formats::decompress::{self, Compression, Limits};
use paygrain_formats::error::IngestError;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::fast());
    let mut out = Vec::new();
    encoder.read_to_end(&mut out).unwrap();
    out
}

fn decompressed(bytes: Vec<u8>, limits: Limits) -> Result<(Vec<u8>, Compression, u64), IngestError> {
    let mut input = decompress::open(Cursor::new(bytes), limits)?;
    input.head()?;
    let mut out = Vec::new();
    input.read_to_end(&mut out).map_err(decompress::ingest_error)?;
    Ok((out, input.compression(), input.ignored_bytes()))
}

#[test]
fn compression_is_found_by_content() {
    let text = "hello ".repeat(100_000).into_bytes();
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let bom = |bytes: &[u8]| [b"\xef\xbb\xbf".as_slice(), bytes].concat();
    let halves = text.split_at(1000);
    for (name, bytes, compression, ignored) in [
        ("plain", text.clone(), Compression::Plain, 0),
        ("BOM", bom(&text), Compression::Plain, 0),
        ("gzip", gzip(&text), Compression::Gzip, 0),
        ("members", [gzip(halves.0), gzip(b""), gzip(halves.1)].concat(), Compression::Gzip, 0),
        ("padding", [gzip(&text), vec![0; 5000]].concat(), Compression::Gzip, 0),
        ("rubbish", [gzip(&text), b"rubbish".to_vec()].concat(), Compression::Gzip, 7),
        ("zstd", zstd(&text), Compression::Zstd, 0),
        (
            "frames",
            [zstd(halves.0), b"\x50\x2a\x4d\x18\x01\0\0\0x".to_vec(), zstd(halves.1)].concat(),
            Compression::Zstd,
            0,
        ),
        ("gzip twice", gzip(&gzip(&text)), Compression::Gzip, 0),
        ("BOM in gzip in zstd", zstd(&gzip(&bom(&text))), Compression::Zstd, 0),
    ] {
        let (out, found, rest) =
            decompressed(bytes, Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(out == text, "{name}");
        assert_eq!((found, rest), (compression, ignored), "{name}");
    }
    assert_eq!(decompressed(Vec::new(), Limits::default()).unwrap().0, b"");
    assert_eq!(decompressed(gzip(b""), Limits::default()).unwrap().0, b"");
}

#[test]
fn damaged_and_dangerous_input_is_refused() {
    let text: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for whole in [gzip(&text), zstd::encode_all(text.as_slice(), 1).unwrap()] {
        for cut in [5, 12, whole.len() / 2, whole.len() - 1] {
            let outcome = decompressed(whole[..cut].to_vec(), Limits::default());
            assert!(matches!(outcome, Err(IngestError::BadCompression { .. })), "cut at {cut}");
        }
    }
    let mut damaged = gzip(&text);
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 0xff;
    assert!(matches!(decompressed(damaged, Limits::default()), Err(IngestError::BadCompression { .. })));
    let bomb = gzip(&vec![0; 8 << 20]);
    let limits = Limits { decompressed_bytes_max: 1 << 20, ..Limits::default() };
    assert!(matches!(decompressed(bomb.clone(), limits), Err(IngestError::TooLarge { limit_bytes: 1_048_576 })));
    assert!(matches!(decompressed(vec![b'x'; 2 << 20], limits), Err(IngestError::TooLarge { .. })));
    let limits = Limits { ratio_max: 100, ratio_free_bytes: 1 << 20, ..Limits::default() };
    assert!(matches!(decompressed(bomb.clone(), limits), Err(IngestError::Bomb { ratio_max: 100, .. })));
    assert!(matches!(decompressed(gzip(&bomb), limits), Err(IngestError::Bomb { .. })));
    assert!(decompressed(bomb, Limits::default()).is_ok());
    for text in [b"\xff\xfeR\0E\0".to_vec(), b"\xfe\xff\0R".to_vec(), gzip(b"\xff\xfeR\0")] {
        assert!(matches!(decompressed(text, Limits::default()), Err(IngestError::NotUtf8Text { .. })));
    }
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let head = gzip(&text)[..1000].to_vec();
    let outcome = decompress::open(Cursor::new(head).chain(Failing), Limits::default()).and_then(|mut input| {
        let mut out = Vec::new();
        input.read_to_end(&mut out).map_err(decompress::ingest_error)
    });
    assert!(matches!(outcome, Err(IngestError::Io { .. })));
}
