//! No bytes make a parser panic, and how they come in pieces changes nothing.

use std::fs;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::sync::LazyLock;

use crate::aws_cloudwatch::DECLARED;
use crate::aws_lambda_envelopes::{of_insights, of_streams};
use crate::lines::{Collected, envelopes, platform, s3_line};
use paygrain_formats::decompress::{self, Limits};
use paygrain_formats::format::mapped::Mapped;
use paygrain_formats::format::{FORMATS, Format, Origin};
use paygrain_formats::{Defaults, Mapping};
use proptest::prelude::*;

/// How much of an example is mutated: enough for every kind of row, little enough for many tries.
const EXAMPLE_BYTES: usize = 2500;

/// What mutations start from: all envelopes, all kinds of lines, and the beginning of every example.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut seeds: Vec<String> = envelopes().into_iter().map(|(_, _, text)| text).collect();
    seeds.extend(of_insights().into_iter().chain(of_streams()).map(|(_, _, text)| text));
    seeds.push(s3_line("-", "REST.GET.OBJECT", "\"GET /?x=\"y\" HTTP/1.1\" 200 - 12 34 5 6", "\"\"q\" b\""));
    seeds.push(format!("{}\n{}\n[{}]", platform("one"), &platform("two")[..90], platform("three")));
    seeds.extend([
        r#"{"manifestVersion":"1","blobs":[{"blobName":"a.csv"}]}"#.to_owned(),
        r#"{"line_item_usage_start_date":"2026-10-01T00:00:00Z","line_item_unblended_cost":1E-7,"resource_tags":{"user:a":"b"},"product":"{\"region\":\"eu-west-1\"}"}"#.to_owned(),
        r#"{"BilledCost":1.50,"ChargePeriodStart":"2026-10-01","BillingAccountId":"a","Tags":"{}","BillingCurrency":"USD","ChargeCategory":"NULL"}"#.to_owned(),
        r#"{"assemblyId":"a","reportKeys":["b"],"billingPeriod":{"start":"20261001T000000.000Z","end":"20261101T000000.000Z"}}"#.to_owned(),
    ]);
    let mut seeds: Vec<Vec<u8>> = seeds.into_iter().map(String::into_bytes).collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files");
    for entry in fs::read_dir(folder).unwrap() {
        let mut example = fs::read(entry.unwrap().path()).unwrap();
        example.truncate(EXAMPLE_BYTES);
        seeds.push(example);
    }
    seeds
});

/// Metrics of CloudWatch by a mapping.
fn declared_metrics() -> Mapped {
    Mapped { mapping: Mapping::from_toml("m.toml", DECLARED).unwrap() }
}

/// What was read, and what ended it: a table may lack the columns it needs.
fn read(format: &dyn Format, input: &mut dyn BufRead) -> (Collected, Option<String>) {
    let mut collected = Collected::default();
    let defaults = Defaults::default();
    let ended = format.parse(input, &Origin { name: "", defaults: &defaults }, &mut collected);
    (collected, ended.err().map(|error| error.to_string()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for format in FORMATS {
            format.recognises(&bytes);
            read(*format, &mut bytes.as_slice());
        }
        read(&declared_metrics(), &mut bytes.as_slice());
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
        let mut bytes = seed.get(&SEEDS).clone();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at.min(bytes.len()), b"{}[]\",:\\\n\t 0"[usize::from(byte) % 12]),
                2 if at < bytes.len() => { bytes.remove(at); }
                _ => bytes.truncate(at.max(1)),
            }
        }
        let metrics = declared_metrics();
        for format in FORMATS.iter().copied().chain([&metrics as &dyn Format]) {
            format.recognises(&bytes);
            let whole = read(format, &mut bytes.as_slice());
            let mut pieces = BufReader::with_capacity(capacity, bytes.as_slice());
            prop_assert_eq!(whole, read(format, &mut pieces), "{}", format.name());
        }
    }
}
