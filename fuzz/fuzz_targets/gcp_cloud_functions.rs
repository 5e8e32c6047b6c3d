//! Logs of Cloud Functions, as text and as JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paygrain_fuzz::check_named("gcp-cloud-functions", bytes);
});
