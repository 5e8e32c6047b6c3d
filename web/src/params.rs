//! The query of a URL, read so that a mistake is answered with what was expected.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use chrono::{DateTime, NaiveDate};
use paygrain_pricing::Period;

use crate::error::AppError;

/// The parameters of a URL, in order. An empty value counts as absent: forms send every field.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map(|query| query.0).unwrap_or_default();
        Ok(pairs.into_iter().collect())
    }
}

impl FromIterator<(String, String)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name, value.trim().to_owned()))
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        )
    }
}

impl Params {
    /// Every name and value, in order.
    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// Names and values of some names, in order: what is passed on as it is.
    pub fn of(&self, names: &[&str]) -> impl Iterator<Item = (String, String)> {
        self.0.iter().filter(|(name, _)| names.contains(&name.as_str())).cloned()
    }

    /// Rows to pass over, and how many to show: so many unless it says another number, up to a most.
    pub fn window(&self, usual: u64, most: u64) -> Result<(u64, u64), AppError> {
        Ok((self.number("offset")?.unwrap_or(0), self.number("limit")?.unwrap_or(usual).clamp(1, most)))
    }

    /// The last value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// An owned copy of the last value of a name.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// Refuses names that nothing reads: a misspelt filter must not be a wider answer.
    pub fn only(&self, known: &[&'static str]) -> Result<(), AppError> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(AppError::NoSuchParameter { name: name.clone(), known: known.to_vec() }),
            None => Ok(()),
        }
    }

    /// The billing period of `period`.
    pub fn period(&self) -> Result<Option<Period>, AppError> {
        self.parsed("period", "a month as `YYYY-MM`, for example `2026-10`")
    }

    /// A whole number.
    pub fn number(&self, name: &'static str) -> Result<Option<u64>, AppError> {
        self.parsed(name, "a whole number from 0")
    }

    /// A UTC day.
    pub fn day(&self, name: &'static str) -> Result<Option<NaiveDate>, AppError> {
        self.parsed(name, "a day as `YYYY-MM-DD`")
    }

    /// A day (its beginning) or an RFC 3339 time, in microseconds since 1970 UTC.
    pub fn time_us(&self, name: &str) -> Result<Option<i64>, AppError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let time = value
            .parse::<NaiveDate>()
            .map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc())
            .or_else(|_| DateTime::parse_from_rfc3339(value).map(|time| time.to_utc()));
        match time {
            Ok(time) => Ok(Some(time.timestamp_micros())),
            Err(_) => Err(bad(name, value, "a day as `YYYY-MM-DD` or a time as `2026-10-31T12:00:00Z`")),
        }
    }

    fn parsed<T: FromStr>(&self, name: &'static str, expected: &'static str) -> Result<Option<T>, AppError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| bad(name, value, expected))
    }
}

/// A value that cannot be read.
pub fn bad(name: &str, value: &str, expected: &str) -> AppError {
    AppError::BadParameter { name: name.to_owned(), value: value.to_owned(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::Params;

    fn params(pairs: &[(&str, &str)]) -> Params {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_bad_value_is_told_with_what_was_expected() {
        let error = params(&[("period", "October")]).period().unwrap_err().to_string();
        assert_eq!(error, "`period` is `October`, expected a month as `YYYY-MM`, for example `2026-10`");
        assert!(params(&[("offset", "-1")]).number("offset").is_err());
        assert!(params(&[("at", "yesterday")]).time_us("at").is_err());
    }

    #[test]
    fn an_empty_value_is_absent_and_the_last_of_several_wins() {
        let given = params(&[("a", " "), ("b", "1"), ("b", "2")]);
        assert_eq!(given.get("a"), None);
        assert_eq!(given.get("b"), Some("2"));
        assert_eq!(given.all("b").count(), 2);
    }

    #[test]
    fn a_day_is_its_beginning() {
        let day = params(&[("at", "1970-01-02")]).time_us("at").unwrap();
        let time = params(&[("at", "1970-01-02T01:00:00+01:00")]).time_us("at").unwrap();
        assert_eq!((day, time), (Some(86_400_000_000), Some(86_400_000_000)));
    }

    #[test]
    fn a_misspelt_name_is_refused() {
        let error = params(&[("perod", "2026-10")]).only(&["period", "by"]).unwrap_err().to_string();
        assert_eq!(error, "there is no parameter `perod`; there are period, by");
    }
}
