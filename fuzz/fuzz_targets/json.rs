//! The readers of JSON objects, of records inside objects and of elements inside arrays, each through formats that use
//! it. What `serde_json` reads is never told to be no JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Objects, records in `{"Records":[…]}`, elements at several depths, lines with events.
const FORMATS: [&str; 7] = [
    "aws-cloudtrail",
    "aws-emf",
    "aws-s3-event",
    "azure-metrics",
    "cloudflare-workers-trace",
    "gcp-cloud-run",
    "otlp-json",
];

fuzz_target!(|bytes: &[u8]| {
    for name in FORMATS {
        paygrain_fuzz::check_named(name, bytes);
    }
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    if !matches!(&value, Value::Object(_)) && !value.as_array().is_some_and(|all| all.iter().all(Value::is_object)) {
        return;
    }
    // As programs write it: people break lines in places that only a cut file has.
    let plain = value.to_string();
    for name in FORMATS {
        for row in paygrain_fuzz::check_named(name, plain.as_bytes()).rejected {
            assert!(!row.reason.starts_with("not valid JSON"), "{name}: {plain}: {row:?}");
        }
    }
});
