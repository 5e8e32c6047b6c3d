//! No bytes make a parser panic, and how they come in pieces changes nothing.

use std::io::{BufRead, BufReader, Cursor, Read};

use crate::lines::{Collected, envelopes, platform, s3_line};
use paygrain_formats::Defaults;
use paygrain_formats::decompress::{self, Limits};
use paygrain_formats::format::{FORMATS, Format, Origin};
use proptest::prelude::*;

/// All envelopes, all kinds of lines: what mutations start from.
fn seeds() -> Vec<String> {
    let mut seeds: Vec<String> = envelopes().into_iter().map(|(_, _, text)| text).collect();
    seeds.push(s3_line("-", "REST.GET.OBJECT", "\"GET /?x=\"y\" HTTP/1.1\" 200 - 12 34 5 6", "\"\"q\" b\""));
    seeds.push(format!("{}\n{}\n[{}]", platform("one"), &platform("two")[..90], platform("three")));
    seeds.extend(EXAMPLES.map(str::to_owned));
    seeds
}

/// Examples of our own.
const EXAMPLES: [&str; 7] = [
    include_str!("../files/aws-api-gateway.log"),
    include_str!("../files/aws-cloudtrail.json"),
    include_str!("../files/aws-event-payload.json"),
    include_str!("../files/aws-s3-event.json"),
    include_str!("../files/aws-s3-inventory-manifest.json"),
    include_str!("../files/aws-s3-inventory.csv"),
    include_str!("../files/aws-step-functions.log"),
];

/// What a format makes of an input, or why it refuses the whole of it.
fn read(format: &dyn Format, input: &mut dyn BufRead) -> Result<Collected, String> {
    let mut collected = Collected::default();
    let defaults = Defaults::default();
    let outcome = format.parse(input, &Origin { name: "", defaults: &defaults }, &mut collected);
    outcome.map(|()| collected).map_err(|error| error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for format in FORMATS {
            format.recognises(&bytes);
            let _ = read(*format, &mut bytes.as_slice());
        }
        if let Ok(mut input) = decompress::open(Cursor::new(bytes), Limits::default()) {
            let _ = input.read_to_end(&mut Vec::new());
        }
    }

    #[test]
    fn mutations_never_panic_and_buffers_do_not_matter(
        seed in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..8),
        capacity in 1_usize..40,
    ) {
        let mut bytes = seed.get(&seeds()).clone().into_bytes();
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
            let whole = read(*format, &mut bytes.as_slice());
            let mut pieces = BufReader::with_capacity(capacity, bytes.as_slice());
            let pieces = read(*format, &mut pieces);
            prop_assert_eq!(whole, pieces);
        }
    }
}
