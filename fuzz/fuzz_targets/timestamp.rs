//! Times as logs write them: what the calendar library reads means the same here.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use paygrain_formats::format::timestamp;

fuzz_target!(|bytes: &[u8]| {
    let prefix = timestamp::iso_prefix(bytes);
    if let Some((_, length)) = prefix {
        assert!(length <= bytes.len());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let time = timestamp::iso(text);
    let known = DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros());
    // The 61st second of a minute is no time here, nor are small letters.
    let usual = text.as_bytes().get(17..19).is_some_and(|seconds| seconds != b"60") && !text.contains('t');
    if let Some(known) = known.filter(|_| usual) {
        assert_eq!(time, Some(known), "{text}");
    }
    if let Some(written) = time.and_then(DateTime::from_timestamp_micros).map(|time| time.to_rfc3339()) {
        // Years that are not of four digits only come of zones.
        assert!(timestamp::iso(&written) == time || written.find('-') != Some(4), "{text} is {written}");
    }
    timestamp::web_server(text);
});
