//! No bytes make a parser panic, and how they come in pieces changes nothing.

use std::io::{BufReader, Cursor, Read};

use crate::lines::{envelopes, parse_with, platform, s3_line};
use paygrain_formats::Defaults;
use paygrain_formats::decompress::{self, Limits};
use paygrain_formats::format::FORMATS;
use proptest::prelude::*;

/// All envelopes, all kinds of lines: what mutations start from.
fn seeds() -> Vec<String> {
    let mut seeds: Vec<String> = envelopes().into_iter().map(|(_, _, text)| text).collect();
    seeds.push(s3_line("-", "REST.GET.OBJECT", "\"GET /?x=\"y\" HTTP/1.1\" 200 - 12 34 5 6", "\"\"q\" b\""));
    seeds.push(format!("{}\n{}\n[{}]", platform("one"), &platform("two")[..90], platform("three")));
    seeds.push(include_str!("../files/cloudevents.ndjson").to_owned());
    seeds
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for format in FORMATS {
            format.recognises(&bytes);
            parse_with(format.name(), &mut bytes.as_slice(), &Defaults::default());
        }
        if let Ok(mut input) = decompress::open(Cursor::new(bytes), Limits::default()) {
            let _ = input.read_to_end(&mut Vec::new());
        }
    }

    #[test]
    fn mutations_never_panic_and_buffers_do_not_matter(
        seed in 0_usize..24,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..8),
        capacity in 1_usize..40,
    ) {
        let mut bytes = seeds()[seed].clone().into_bytes();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at.min(bytes.len()), b"{}[]\",:\\\n\t 0"[usize::from(byte) % 12]),
                2 if at < bytes.len() => { bytes.remove(at); }
                _ => bytes.truncate(at.max(1)),
            }
        }
        for format in FORMATS {
            format.recognises(&bytes);
            let whole = parse_with(format.name(), &mut bytes.as_slice(), &Defaults::default());
            let mut pieces = BufReader::with_capacity(capacity, bytes.as_slice());
            let pieces = parse_with(format.name(), &mut pieces, &Defaults::default());
            prop_assert_eq!(whole, pieces);
        }
    }
}
