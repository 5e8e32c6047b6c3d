//! Values of billing exports: times, months, providers, JSON objects of texts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime};
use serde_json::value::RawValue;

use crate::format::{billed::plain, timestamp};

/// A time of an export: with or without `T`, seconds and zone (UTC), or a day.
pub(in crate::format) fn time(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    if let Some(time) = timestamp::iso(text) {
        return Some(time);
    }
    match text.len() {
        10 => timestamp::iso(&format!("{text}T00:00:00Z")),
        // `2023-11-13T10:00`, and a zone.
        16.. => timestamp::iso(&format!("{}:00{}", text.get(..16)?, text.get(16..)?)),
        _ => None,
    }
}

/// The calendar month in UTC around a time: its beginning and its end, microseconds since 1970.
pub(in crate::format) fn month_of(us: i64) -> Option<(i64, i64)> {
    let day = DateTime::from_timestamp_micros(us)?.date_naive().with_day(1)?;
    let begins = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
    Some((begins(day), begins(day.checked_add_months(Months::new(1))?)))
}

/// The short name of a provider: `aws` for `Amazon Web Services, Inc.`; the name in lower case where there is none.
pub(in crate::format) fn provider_of(name: &str) -> String {
    const SHORT: &[(&str, &str)] = &[
        ("amazon", "aws"),
        ("aws", "aws"),
        ("microsoft", "azure"),
        ("azure", "azure"),
        ("google", "gcp"),
        ("gcp", "gcp"),
        ("oracle", "oci"),
        ("alibaba", "alibaba"),
        ("tencent", "tencent"),
        ("huawei", "huawei"),
        ("ibm", "ibm"),
        ("onpremises", "onprem"),
        ("cloudgov", "cloudgov"),
    ];
    let plain = plain(name);
    let short = SHORT.iter().find(|(begins, _)| plain.starts_with(begins)).map(|(_, short)| (*short).to_owned());
    short.unwrap_or_else(|| name.trim().to_lowercase())
}

/// A JSON object of texts; none where it would be empty.
pub(in crate::format) fn json_object<'a>(values: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let mut out = Vec::new();
    for (name, value) in values {
        out.push(if out.is_empty() { b'{' } else { b',' });
        serde_json::to_writer(&mut out, name).ok()?;
        out.push(b':');
        serde_json::to_writer(&mut out, value).ok()?;
    }
    if out.is_empty() {
        return None;
    }
    out.push(b'}');
    String::from_utf8(out).ok()
}

/// Names and values of a JSON object, by name: strings as they are, anything else as its JSON text, without null.
///
/// # Errors
/// When it is none.
pub(in crate::format) fn entries_of(text: &str) -> Result<BTreeMap<String, String>, String> {
    let object: BTreeMap<String, Option<Box<RawValue>>> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
    let plain = |value: &RawValue| serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned());
    Ok(object.into_iter().filter_map(|(name, value)| Some((name, plain(&value?)))).collect())
}

/// Tags as a JSON object of texts, by name; none where there are none.
pub(in crate::format) fn tags(entries: &BTreeMap<String, String>) -> Option<String> {
    json_object(entries.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// What is said of tags that cannot be read.
pub(in crate::format) fn says_bad_tags(lines: u64, first_at: Option<u64>) -> String {
    let first = first_at.map_or(String::new(), |line| format!(", the first in line {line} of the file,"));
    format!("the tags of {lines} lines of the bill{first} are not a JSON object: they are kept as they are")
}

/// A JSON value as text: a string as it is, null as nothing, anything else as it is written, with all its digits.
pub(super) fn json_value(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => Some(serde_json::from_str::<String>(json).map_or(Cow::Borrowed(json), Cow::Owned)),
        b'n' => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

#[cfg(test)]
mod tests {
    use super::{entries_of, tags, time};

    #[test]
    fn times_of_exports() {
        let expected = Some(1_699_869_600_000_000);
        for text in [
            "2023-11-13T10:00Z",
            "2023-11-13T10:00:00.000Z",
            "2023-11-13 10:00:00",
            "2023-11-13 10:00:00 UTC",
            "2023-11-13T10:00",
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
        assert_eq!(time("2023-11-13"), Some(1_699_833_600_000_000));
        for text in ["", "2023-11", "2023-11-13T", "13.11.2023", "2023-11-13T10:0é", "2023-11-13T25:00Z"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn tags_are_texts_and_keep_digits() {
        let entries = entries_of(r#"{"b":"x","a":1.50,"c":null,"d":true,"e":{"f":1}}"#);
        assert_eq!(
            entries.ok().and_then(|entries| tags(&entries)).as_deref(),
            Some(r#"{"a":"1.50","b":"x","d":"true","e":"{\"f\":1}"}"#)
        );
        assert!(entries_of("[]").is_err() && entries_of("{'a': 1}").is_err());
    }
}
