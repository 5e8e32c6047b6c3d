//! CloudFront logs: W3C, JSON and parameters.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paygrain_fuzz::check_lines("aws-cloudfront", bytes);
});
