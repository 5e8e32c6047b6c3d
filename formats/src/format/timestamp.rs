//! Times as logs write them, to microseconds since 1970 UTC.

use chrono::NaiveDate;

const MICROS_PER_MILLI: i64 = 1_000;
const MICROS_PER_MINUTE: i64 = 60_000_000;

/// The last millisecond of the year 9999.
const EPOCH_MS_MAX: i64 = 253_402_300_799_999;

/// An ISO 8601 time at the beginning of some bytes, and how many of them it takes.
///
/// Between date and time is a `T` or a space; fractions of any length are cut to microseconds; a time without a zone is
/// UTC, as log tools print it.
pub fn iso_prefix(bytes: &[u8]) -> Option<(i64, usize)> {
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(number(bytes, 0, 4)?).ok()?,
        after(bytes, 4, b"-").and_then(|at| number(bytes, at, 2))?,
        after(bytes, 7, b"-").and_then(|at| number(bytes, at, 2))?,
    )?;
    let hour = after(bytes, 10, b"T ").and_then(|at| number(bytes, at, 2))?;
    let minute = after(bytes, 13, b":").and_then(|at| number(bytes, at, 2))?;
    let second = after(bytes, 16, b":").and_then(|at| number(bytes, at, 2))?;
    let mut at = 19;
    let mut micros = 0;
    if after(bytes, at, b".,").is_some() {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for place in 0..6 {
            micros = micros * 10 + if place < digits { u32::from(bytes[at + 1 + place] - b'0') } else { 0 };
        }
        at += 1 + digits;
    }
    let local = date.and_hms_micro_opt(hour, minute, second, micros)?.and_utc().timestamp_micros();
    let (offset_minutes, length) = zone(&bytes[at..]);
    Some((local - offset_minutes * MICROS_PER_MINUTE, at + length))
}

/// An ISO 8601 time and nothing else.
pub fn iso(text: &str) -> Option<i64> {
    let (time, length) = iso_prefix(text.as_bytes())?;
    (length == text.len()).then_some(time)
}

/// Milliseconds since 1970.
pub fn epoch_ms(ms: i64) -> Option<i64> {
    (0..=EPOCH_MS_MAX).contains(&ms).then(|| ms * MICROS_PER_MILLI)
}

/// A time of the web server kind: `06/Feb/2019:00:00:38 +0000`.
pub fn web_server(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let bytes = text.as_bytes();
    let month = MONTHS.iter().position(|name| bytes.get(3..6) == Some(name.as_bytes()))? + 1;
    let year = after(bytes, 6, b"/").and_then(|at| number(bytes, at, 4))?;
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(year).ok()?,
        u32::try_from(month).ok()?,
        after(bytes, 2, b"/").and_then(|_| number(bytes, 0, 2))?,
    )?;
    let hour = after(bytes, 11, b":").and_then(|at| number(bytes, at, 2))?;
    let minute = after(bytes, 14, b":").and_then(|at| number(bytes, at, 2))?;
    let second = after(bytes, 17, b":").and_then(|at| number(bytes, at, 2))?;
    let local = date.and_hms_opt(hour, minute, second)?.and_utc().timestamp_micros();
    let (offset_minutes, length) = zone(after(bytes, 20, b" ").map(|at| &bytes[at..])?);
    (length > 0 && 21 + length == bytes.len()).then_some(local - offset_minutes * MICROS_PER_MINUTE)
}

/// Minutes east of UTC and the bytes it takes to say so; none for no zone.
fn zone(bytes: &[u8]) -> (i64, usize) {
    let sign = match bytes.first() {
        Some(b'Z' | b'z') => return (0, 1),
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return (0, 0),
    };
    let Some(hours) = number(bytes, 1, 2) else { return (0, 0) };
    let colon = usize::from(bytes.get(3) == Some(&b':'));
    let Some(minutes) = number(bytes, 3 + colon, 2) else { return (0, 0) };
    (sign * (i64::from(hours) * 60 + i64::from(minutes)), 5 + colon)
}

/// The position after `at` if one of the bytes stands there.
fn after(bytes: &[u8], at: usize, expected: &[u8]) -> Option<usize> {
    expected.contains(bytes.get(at)?).then_some(at + 1)
}

fn number(bytes: &[u8], at: usize, digits: usize) -> Option<u32> {
    let mut value = 0;
    for byte in bytes.get(at..at + digits)? {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(byte - b'0');
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::{iso, iso_prefix, web_server};

    #[test]
    fn times_of_every_tool() {
        let expected = Some(1_778_775_029_574_000);
        assert_eq!(iso("2026-05-14T16:10:29.574Z"), expected);
        assert_eq!(iso("2026-05-14T16:10:29.574000+00:00"), expected);
        assert_eq!(iso("2026-05-14 16:10:29.574"), expected);
        assert_eq!(iso("2026-05-14T18:10:29.574+0200"), expected);
        assert_eq!(iso("2026-05-14T16:10:29.574000999Z"), expected);
        assert_eq!(iso_prefix(b"2026-05-14T16:10:29.574Z REPORT"), expected.map(|time| (time, 24)));
        assert_eq!(web_server("14/May/2026:16:10:29 +0000"), Some(1_778_775_029_000_000));
        assert_eq!(web_server("14/May/2026:18:10:29 +0200"), Some(1_778_775_029_000_000));
        for bad in ["2026-02-30T00:00:00Z", "2026-05-14", "2026-05-14T25:00:00Z", "2026-05-14T16:10:29.Z", "", "x"] {
            assert_eq!(iso(bad), None, "{bad}");
            assert_eq!(web_server(bad), None, "{bad}");
        }
    }
}
