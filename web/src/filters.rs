//! The filters of the templates: a number, a date or a name looks the same on every page.

use std::fmt::Display;

use askama::filters::Safe;
use askama::{Result, Values};
use chrono::{DateTime, NaiveDate};
use paygrain_pricing::{Exact, Period};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::number;

/// What may stand in a part of a query as it is.
const QUERY_SET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Money for people, with the exact value behind it.
#[askama::filter_fn]
pub fn money(value: &Exact, _: &dyn Values, currency: &str) -> Result<Safe<String>> {
    Ok(behind(value, currency, number::money(value, currency)))
}

/// A sum for people, with the exact value behind it.
#[askama::filter_fn]
pub fn total(value: &Exact, _: &dyn Values, currency: &str) -> Result<Safe<String>> {
    Ok(behind(value, currency, number::total(value, currency)))
}

/// A price per unit, exact.
#[askama::filter_fn]
pub fn rate(value: &Exact, _: &dyn Values, currency: &str) -> Result<String> {
    Ok(number::rate(value, currency))
}

/// A quantity for people, with the exact value behind it where it differs.
#[askama::filter_fn]
pub fn quantity(value: &Exact, _: &dyn Values) -> Result<Safe<String>> {
    Ok(behind(value, "", number::quantity(value)))
}

/// A measured quantity with at most so many decimals, with the exact value behind it.
#[askama::filter_fn]
pub fn rounded(value: &Exact, _: &dyn Values, decimals: u32) -> Result<Safe<String>> {
    Ok(behind(value, "", number::rounded(value, decimals)))
}

/// A share of 1 in percent.
#[askama::filter_fn]
pub fn percent(value: &Exact, _: &dyn Values) -> Result<String> {
    Ok(number::percent(value, &Exact::from(1)).unwrap_or_default())
}

/// A number of things.
#[askama::filter_fn]
pub fn count(value: &u64, _: &dyn Values) -> Result<String> {
    Ok(number::count(*value))
}

/// A whole number that is not negative.
#[askama::filter_fn]
pub fn whole(value: &i64, _: &dyn Values) -> Result<String> {
    Ok(number::count(u64::try_from(*value).unwrap_or(0)))
}

/// A size in bytes.
#[askama::filter_fn]
pub fn bytes(value: &u64, _: &dyn Values) -> Result<String> {
    Ok(number::bytes(*value))
}

/// `October 2026`.
#[askama::filter_fn]
pub fn month(value: &Period, _: &dyn Values) -> Result<String> {
    Ok(month_name(*value))
}

/// `31 October 2026`.
#[askama::filter_fn]
pub fn day(value: &NaiveDate, _: &dyn Values) -> Result<String> {
    Ok(value.format("%-d %B %Y").to_string())
}

/// Microseconds since 1970 UTC as `31 Oct 2026, 23:59 UTC`.
#[askama::filter_fn]
pub fn timestamp(value: &i64, _: &dyn Values) -> Result<String> {
    Ok(DateTime::from_timestamp_micros(*value)
        .map_or_else(|| "at an unknown time".into(), |time| time.format("%-d %b %Y, %H:%M UTC").to_string()))
}

/// An RFC 3339 time as `31 Oct 2026, 23:59 UTC`.
#[askama::filter_fn]
pub fn moment(value: &str, _: &dyn Values) -> Result<String> {
    Ok(DateTime::parse_from_rfc3339(value)
        .map_or_else(|_| value.to_owned(), |time| time.to_utc().format("%-d %b %Y, %H:%M UTC").to_string()))
}

/// A value as a part of the query of a URL.
#[askama::filter_fn]
pub fn query_part(value: &dyn Display, _: &dyn Values) -> Result<String> {
    Ok(encode(&value.to_string()))
}

/// A message of ours as a sentence on a page: capital first, names between backticks as code.
#[askama::filter_fn]
pub fn prose(value: &str, _: &dyn Values) -> Result<Safe<String>> {
    let mut out = String::with_capacity(value.len() + 16);
    let parts: Vec<&str> = value.split('`').collect();
    for (place, part) in parts.iter().enumerate() {
        // A last part behind an opening backtick was never closed: text like any other.
        match (place % 2 == 1, place + 1 < parts.len()) {
            (true, true) => out += &format!("<code>{}</code>", escape(part)),
            (true, false) => out += &format!("`{}", escape(part)),
            (false, _) if place == 0 => out += &escape(&capital(part)),
            (false, _) => out += &escape(part),
        }
    }
    Ok(Safe(out))
}

/// A dimension as a heading.
#[askama::filter_fn]
pub fn heading(value: &str, _: &dyn Values) -> Result<String> {
    Ok(match value {
        "sku" => "SKU".into(),
        "memory_mb" => "Memory (MB)".into(),
        _ => capital(&value.replace('_', " ")),
    })
}

/// The beginning of an id.
#[askama::filter_fn]
pub fn short(value: &str, _: &dyn Values) -> Result<String> {
    Ok(value.chars().take(12).collect())
}

/// A value of a dimension; usage that does not say has a word for it.
#[askama::filter_fn]
pub fn or_none(value: &str, _: &dyn Values) -> Result<String> {
    Ok(if value.is_empty() { "(not stated)".into() } else { value.to_owned() })
}

/// A value as a part of the query of a URL.
pub fn encode(value: &str) -> String {
    utf8_percent_encode(value, QUERY_SET).to_string()
}

/// The address of a source, if a link can lead there.
pub fn href(address: &str) -> Option<&str> {
    (address.starts_with("https://") || address.starts_with("http://")).then_some(address)
}

/// The site of an address: `aws.amazon.com`.
pub fn site(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split(['/', '?', '#', ' ']).next().unwrap_or(rest)
}

/// `October 2026`.
pub fn month_name(period: Period) -> String {
    period.first_day().format("%B %Y").to_string()
}

/// A text with a capital first.
pub fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// The exact value rides along: in `value` for programs, in `title` for people. `shown` has only our own characters but
/// the currency comes from a price book.
fn behind(value: &Exact, currency: &str, shown: String) -> Safe<String> {
    let exact = value.to_string();
    let title = if currency.is_empty() { exact.clone() } else { format!("{exact} {currency}") };
    Safe(format!(r#"<data value="{exact}" title="{}">{}</data>"#, escape(&title), escape(&shown)))
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use crate::filters;

    #[derive(Template)]
    #[template(source = "{{ text|prose }}", ext = "html")]
    struct Prose<'a> {
        text: &'a str,
    }

    #[test]
    fn messages_become_sentences_and_stay_harmless() {
        for (text, html) in [
            ("there is no page `/nope`", "There is no page <code>/nope</code>"),
            ("`a` is `<b>`, expected \"c\"", "<code>a</code> is <code>&lt;b&gt;</code>, expected &quot;c&quot;"),
            ("a ` <script>", "A ` &lt;script&gt;"),
            ("", ""),
        ] {
            assert_eq!(Prose { text }.render().unwrap(), html);
        }
    }
}
