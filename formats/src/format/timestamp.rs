//! Times as logs write them, to microseconds since 1970 UTC.

const MICROS_PER_MILLI: i64 = 1_000;
const MICROS_PER_MINUTE: i64 = 60_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// The last millisecond of the year 9999.
const EPOCH_MS_MAX: i64 = 253_402_300_799_999;

/// An ISO 8601 time at the beginning of some bytes, and how many of them it takes.
///
/// Between date and time is a `T` or a space; fractions of any length are cut to microseconds; a time without a zone is
/// UTC, as log tools print it.
pub fn iso_prefix(bytes: &[u8]) -> Option<(i64, usize)> {
    const SECONDS_LENGTH: usize = 19;
    let head: &[u8; SECONDS_LENGTH] = bytes.first_chunk()?;
    let marked = head[4] == b'-' && head[7] == b'-' && head[13] == b':' && head[16] == b':';
    if !marked || !(head[10] == b'T' || head[10] == b' ') {
        return None;
    }
    let mut digits_only = true;
    let mut two = |at: usize| {
        let (high, low) = (head[at].wrapping_sub(b'0'), head[at + 1].wrapping_sub(b'0'));
        digits_only &= high <= 9 && low <= 9;
        u32::from(high) * 10 + u32::from(low)
    };
    let (year, month, day) = (two(0) * 100 + two(2), two(5), two(8));
    let (hour, minute, second) = (two(11), two(14), two(17));
    if !digits_only || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let day = i64::from(days_since_1970(year, month, day)?);
    let mut at = SECONDS_LENGTH;
    let mut micros = 0;
    if after(bytes, at, b".,").is_some() {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for place in 0..6 {
            micros = micros * 10 + if place < digits { i64::from(bytes[at + 1 + place] - b'0') } else { 0 };
        }
        at += 1 + digits;
    }
    let seconds = i64::from((hour * 60 + minute) * 60 + second);
    let local = (day * SECONDS_PER_DAY + seconds) * MICROS_PER_SECOND + micros;
    let (offset_minutes, length) = zone(&bytes[at..]);
    Some((local - offset_minutes * MICROS_PER_MINUTE, at + length))
}

/// The day of a date of the years 0 to 9999, counted from 1970-01-01; nothing where there is no such date.
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<i32> {
    const LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    /// Days from the beginning of March of the year 0 to the beginning of 1970.
    const TO_1970: i32 = 719_468;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = *LENGTHS.get(usize::try_from(month).ok()?.checked_sub(1)?)? + u32::from(leap && month == 2);
    if day == 0 || day > length {
        return None;
    }
    // Years that begin in March end with the leap day. One cycle of 400 years more keeps everything above 0.
    let (year, month) = if month > 2 { (year + 400, month - 3) } else { (year + 399, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    const CYCLE: i32 = 146_097;
    Some(days.cast_signed() - CYCLE - TO_1970)
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
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let bytes = text.as_bytes();
    let name = bytes.get(3..6)?;
    let month = u32::try_from(MONTHS.iter().position(|month| *month == name)?).ok()? + 1;
    let year = after(bytes, 6, b"/").and_then(|at| number(bytes, at, 4))?;
    let day = after(bytes, 2, b"/").and_then(|_| number(bytes, 0, 2))?;
    let day = i64::from(days_since_1970(year, month, day)?);
    let hour = after(bytes, 11, b":").and_then(|at| number(bytes, at, 2))?;
    let minute = after(bytes, 14, b":").and_then(|at| number(bytes, at, 2))?;
    let second = after(bytes, 17, b":").and_then(|at| number(bytes, at, 2))?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from((hour * 60 + minute) * 60 + second);
    let local = (day * SECONDS_PER_DAY + seconds) * MICROS_PER_SECOND;
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
    use chrono::{Datelike, NaiveDate};

    use super::{days_since_1970, iso, iso_prefix, web_server};

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

    #[test]
    fn every_date_is_the_day_it_is() {
        let mut date = NaiveDate::from_ymd_opt(0, 1, 1).unwrap();
        let end = NaiveDate::from_ymd_opt(9999, 12, 31).unwrap();
        let first = date.signed_duration_since(NaiveDate::from_ymd_opt(1970, 1, 1).unwrap()).num_days();
        for day in first.. {
            let (year, month) = (u32::try_from(date.year()).unwrap(), date.month());
            assert_eq!(days_since_1970(year, month, date.day()).map(i64::from), Some(day), "{date}");
            let next = date.succ_opt().unwrap();
            if next.month() != date.month() {
                assert_eq!(days_since_1970(year, month, date.day() + 1), None, "{date}");
            }
            if date == end {
                break;
            }
            date = next;
        }
        assert_eq!(days_since_1970(2026, 0, 1), None);
        assert_eq!(days_since_1970(2026, 13, 1), None);
        assert_eq!(days_since_1970(2026, 1, 0), None);
    }
}
