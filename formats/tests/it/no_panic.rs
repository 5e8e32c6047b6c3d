//! No bytes make a parser panic, and how they come in pieces changes nothing.

use std::io::{BufRead, BufReader, Cursor, Read};

use crate::bills::example;
use crate::lines::{Collected, envelopes, platform, s3_line};
use paygrain_formats::Defaults;
use paygrain_formats::decompress::{self, Limits};
use paygrain_formats::format::{FORMATS, Format, Origin};
use proptest::prelude::*;

/// What was read, and what ended it: a table may lack the columns it needs.
fn read(format: &dyn Format, input: &mut dyn BufRead) -> (Collected, Option<String>) {
    let mut collected = Collected::default();
    let defaults = Defaults::default();
    let ended = format.parse(input, &Origin { name: "", defaults: &defaults }, &mut collected);
    (collected, ended.err().map(|error| error.to_string()))
}

/// All envelopes, all kinds of lines: what mutations start from.
fn seeds() -> Vec<String> {
    let mut seeds: Vec<String> = envelopes().into_iter().map(|(_, _, text)| text).collect();
    seeds.push(s3_line("-", "REST.GET.OBJECT", "\"GET /?x=\"y\" HTTP/1.1\" 200 - 12 34 5 6", "\"\"q\" b\""));
    seeds.extend(["aws-cur.csv", "aws-cost-explorer.json", "focus.csv"].map(example));
    seeds.extend(
        ["azure-cost.csv", "azure-cost-pay-as-you-go.csv", "gcp-billing.csv", "gcp-billing.json"].map(beginning),
    );
    seeds.extend(["oci-cost.csv", "oci-usage.csv"].map(beginning));
    seeds.push(r#"{"manifestVersion":"1","blobs":[{"blobName":"a.csv"}]}"#.into());
    seeds.push(r#"{"line_item_usage_start_date":"2026-10-01T00:00:00Z","line_item_unblended_cost":1E-7,"resource_tags":{"user:a":"b"},"product":"{\"region\":\"eu-west-1\"}"}"#.into());
    seeds.push(r#"{"BilledCost":1.50,"ChargePeriodStart":"2026-10-01","BillingAccountId":"a","Tags":"{}","BillingCurrency":"USD","ChargeCategory":"NULL"}"#.into());
    seeds.push(r#"{"assemblyId":"a","reportKeys":["b"],"billingPeriod":{"start":"20261001T000000.000Z","end":"20261101T000000.000Z"}}"#.into());
    seeds.push(format!("{}\n{}\n[{}]", platform("one"), &platform("two")[..90], platform("three")));
    seeds
}

/// The header and a few rows of an example.
fn beginning(name: &str) -> String {
    example(name).lines().take(4).collect::<Vec<_>>().join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for format in FORMATS {
            format.recognises(&bytes);
            read(*format, &mut bytes.as_slice());
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
