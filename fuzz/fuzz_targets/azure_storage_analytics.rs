//! Logs of Azure Storage Analytics.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paygrain_fuzz::check_named("azure-storage-analytics", bytes);
});
