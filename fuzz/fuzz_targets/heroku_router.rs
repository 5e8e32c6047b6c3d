//! Heroku and syslog frames.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paygrain_fuzz::check_named("heroku-router", bytes);
});
