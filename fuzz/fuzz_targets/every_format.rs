//! Detection and every format over any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paygrain_formats::format::{self, FORMATS};

fuzz_target!(|bytes: &[u8]| {
    let _ = format::detect(bytes);
    for format in FORMATS {
        paygrain_fuzz::check(*format, bytes);
    }
});
