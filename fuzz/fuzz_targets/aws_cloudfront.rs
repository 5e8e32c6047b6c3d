//! CloudFront logs: W3C, JSON and parameters.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let is_json = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
    // In JSON, a line may be many rows.
    if is_json {
        paygrain_fuzz::check_named("aws-cloudfront", bytes);
    } else {
        paygrain_fuzz::check_lines("aws-cloudfront", bytes);
    }
});
