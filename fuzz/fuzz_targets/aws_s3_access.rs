//! S3 server access logs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paygrain_fuzz::check_lines("aws-s3-access", bytes);
});
