//! Lambda logs as text.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paygrain_fuzz::check_lines("aws-lambda-text", bytes);
});
