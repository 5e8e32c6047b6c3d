//! Lambda logs as a stream of JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paygrain_fuzz::check_named("aws-lambda-json", bytes);
});
