//! What reports are asked with: parameters as texts, read so that a mistake is answered with what was expected.

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use paygrain_pricing::{Allowances, Exact, Period, RatingOptions, Zone};
use serde::Serialize;

use crate::bill::{Attribution, Dimension};
use crate::engine::Engine;
use crate::error::QueryError;

/// A parameter of a report or a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Its name in an address; on the command line with `--` and hyphens.
    pub name: &'static str,
    /// What it says, and what holds without it.
    pub meaning: &'static str,
}

const fn parameter(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter { name, meaning }
}

pub(crate) const PERIOD: Parameter = parameter("period", "billing month (YYYY-MM); the latest with usage if not given");
pub(crate) const FROM: Parameter = parameter(
    "from",
    "first day (YYYY-MM-DD) of a range instead of a month; the first of the month of `to` if not given",
);
pub(crate) const TO: Parameter = parameter("to", "last day of the range; the last of the month of `from` if not given");
pub(crate) const PROVIDER: Parameter = parameter("provider", "only this provider");
pub(crate) const RESOURCE: Parameter = parameter("resource", "only this resource");
pub(crate) const FILTER: Parameter = parameter(
    "filter",
    "`dimension=value`, repeatable: values of one dimension are alternatives, several dimensions must all fit",
);
pub(super) const LIMIT: Parameter = parameter("limit", "most rows to give");
pub(super) const BY: Parameter = parameter("by", "dimensions to group by, separated by commas");
pub(super) const ALLOWANCES: Parameter =
    parameter("allowances", "allowances that apply: `all` (the default), `none`, or ids separated by commas");
pub(super) const ACCOUNT_OPENED: Parameter = parameter(
    "account_opened",
    "day the account was opened (YYYY-MM-DD): allowances of the first 12 months are given only with it",
);
pub(super) const ATTRIBUTION: Parameter =
    parameter("attribution", "how a charge is shared among days and resources: `time` (the default) or `proportional`");

/// Parameters of a report over recorded usage: these, and those that choose among it.
macro_rules! usage_parameters {
    ($($own:expr),+) => {{
        use $crate::report::parameters::{FILTER, LIMIT, PROVIDER, RESOURCE};
        [$($own,)+ PROVIDER, RESOURCE, FILTER, LIMIT]
    }};
}
/// The same, and what rating depends on.
macro_rules! cost_parameters {
    ($($own:expr),+) => {{
        use $crate::report::parameters::{ACCOUNT_OPENED, ALLOWANCES, ATTRIBUTION, FILTER, LIMIT, PROVIDER, RESOURCE};
        [$($own,)+ PROVIDER, RESOURCE, FILTER, LIMIT, ALLOWANCES, ACCOUNT_OPENED, ATTRIBUTION]
    }};
}
pub(super) use {cost_parameters, usage_parameters};

/// Parameters of a report over recorded usage that has none of its own.
pub(super) const USAGE: [Parameter; 7] = usage_parameters![PERIOD, FROM, TO];
/// The same of a report that rates it.
pub(super) const COST: [Parameter; 10] = cost_parameters![PERIOD, FROM, TO];

/// Longest range of days, in months it touches: each is rated.
const MONTHS_MAX: usize = 36;

/// Days from the first to the last, in the zone of each provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// The billing month, where it is exactly one that was asked for or taken.
    pub period: Option<Period>,
}

impl Days {
    /// The days of a month.
    pub fn of(period: Period) -> Self {
        Self { from: period.first_day(), to: period.last_day(), period: Some(period) }
    }

    /// Whether a day is one of them.
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.from <= day && day <= self.to
    }

    /// How many.
    pub fn count(&self) -> i64 {
        (self.to - self.from).num_days() + 1
    }

    /// Each day.
    pub fn each(&self) -> impl Iterator<Item = NaiveDate> + use<> {
        self.from.iter_days().take(usize::try_from(self.count()).unwrap_or(0))
    }

    /// Their first instant and end in a zone, in microseconds.
    pub fn bounds_us(&self, zone: Zone) -> (i64, i64) {
        (zone.day_start_us(self.from), zone.day_start_us(self.to.succ_opt().unwrap_or(self.to)))
    }

    /// The billing months they touch, in order.
    pub fn months(&self) -> Vec<Period> {
        let mut months = Vec::new();
        let mut month = month_of(self.from);
        while let Some(period) = month.filter(|period| period.first_day() <= self.to && months.last() != Some(period)) {
            months.push(period);
            month = Some(period.next());
        }
        months
    }

    /// As many days right before; of a month, the month before.
    pub fn before(&self) -> Self {
        if let Some(period) = self.period {
            return Self::of(period.previous());
        }
        let days = chrono::Duration::days(self.count());
        Self { from: self.from - days, to: self.to - days, period: None }
    }
}

/// What a cost report is of.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// The days; absent when none were asked for and the lake has no usage.
    pub days: Option<Days>,
    /// Only this provider.
    pub provider: Option<String>,
    /// Dimensions that the answer will ask for.
    pub by: Vec<Dimension>,
    /// Only these values; those of one dimension are alternatives.
    pub only: Vec<(Dimension, String)>,
    /// Most rows to give.
    pub limit: Option<usize>,
    /// Which allowances apply.
    pub rating: RatingOptions,
    /// How a charge is shared.
    pub attribution: Attribution,
}

/// The parameters given, each a known one. An empty value counts as absent; of several the last counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a>(&'a [(String, String)]);

impl<'a> Given<'a> {
    /// Refuses names that are none: a misspelt filter must not be a wider answer. `what` is one of the parameters:
    /// `parameter of the report`.
    pub fn new(
        what: &'static str,
        given: &'a [(String, String)],
        parameters: &[Parameter],
    ) -> Result<Self, QueryError> {
        let known = |name: &str| parameters.iter().any(|parameter| parameter.name == name);
        match given.iter().find(|(name, _)| !known(name)) {
            None => Ok(Self(given)),
            Some((name, _)) => Err(QueryError::NoSuchChoice {
                what,
                name: name.clone(),
                known: parameters.iter().map(|parameter| parameter.name).collect(),
            }),
        }
    }

    /// Every value of a name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let of_name = self.0.iter().filter(move |(key, _)| key == name);
        of_name.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The last value of a name.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.all(name).last()
    }

    pub fn parsed<T: FromStr>(&self, name: &'static str, expected: &'static str) -> Result<Option<T>, QueryError> {
        let Some(value) = self.text(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| bad(name, value, expected))
    }

    /// A whole number from 1.
    pub fn number(&self, name: &'static str) -> Result<Option<usize>, QueryError> {
        let expected = "a whole number from 1";
        match self.parsed(name, expected)? {
            Some(0) => Err(bad(name, "0", expected)),
            number => Ok(number),
        }
    }

    /// A day.
    pub fn day(&self, name: &'static str) -> Result<Option<NaiveDate>, QueryError> {
        let day: Option<NaiveDate> = self.parsed(name, "a day as YYYY-MM-DD, for example 2026-10-31")?;
        match day {
            Some(day) if month_of(day).is_none() => Err(bad(name, &day.to_string(), "a day of the years 1970 to 9998")),
            day => Ok(day),
        }
    }

    /// A month.
    pub fn month(&self, name: &'static str) -> Result<Option<Period>, QueryError> {
        self.parsed(name, "a month as YYYY-MM, for example 2026-10")
    }

    /// A decimal that is not negative.
    pub fn decimal(&self, name: &'static str) -> Result<Option<Exact>, QueryError> {
        let expected = "a decimal from 0, for example 0.5";
        match self.parsed::<Exact>(name, expected)? {
            Some(number) if number.is_negative() => Err(bad(name, &number.to_string(), expected)),
            number => Ok(number),
        }
    }

    /// The dimensions of `by`.
    pub fn dimensions(&self, default: &[Dimension]) -> Result<Vec<Dimension>, QueryError> {
        let mut found = Vec::new();
        for name in self.all("by").flat_map(|names| names.split(',')).filter(|name| !name.trim().is_empty()) {
            let dimension = name.parse()?;
            if !found.contains(&dimension) {
                found.push(dimension);
            }
        }
        Ok(if found.is_empty() { default.to_vec() } else { found })
    }

    /// The days from and to two parameters; nothing where neither is given.
    pub fn range(&self, from: &'static str, to: &'static str) -> Result<Option<Days>, QueryError> {
        let (first, last) = match (self.day(from)?, self.day(to)?) {
            (None, None) => return Ok(None),
            (Some(first), Some(last)) => (first, last),
            (Some(first), None) => (first, month_of(first).map_or(first, Period::last_day)),
            (None, Some(last)) => (month_of(last).map_or(last, Period::first_day), last),
        };
        let days = Days { from: first, to: last, period: None };
        if last < first {
            return Err(bad(to, &last.to_string(), "a day that is not before the first"));
        }
        match days.months().len() > MONTHS_MAX {
            true => Err(bad(to, &last.to_string(), "a range over at most 36 months")),
            false => Ok(Some(days)),
        }
    }

    /// The days of a month, or those from and to two parameters; nothing where none of the three is given.
    pub fn month_or_range(
        &self,
        [month, from, to]: [&'static str; 3],
        expected: &'static str,
    ) -> Result<Option<Days>, QueryError> {
        match (self.month(month)?, self.range(from, to)?) {
            (Some(_), Some(days)) => Err(bad(from, &days.from.to_string(), expected)),
            (Some(period), None) => Ok(Some(Days::of(period))),
            (None, days) => Ok(days),
        }
    }

    /// The days asked for, or the latest month with usage; nothing when there is no usage.
    async fn days(&self, engine: &Engine) -> Result<Option<Days>, QueryError> {
        let expected = "either `period` or `from` and `to`, not both";
        match self.month_or_range(["period", "from", "to"], expected)? {
            Some(days) => Ok(Some(days)),
            None => Ok(engine.periods().await?.first().copied().map(Days::of)),
        }
    }

    /// What the report is of, by what it will ask for.
    pub async fn selection_by(&self, engine: &Engine, by: &[Dimension]) -> Result<Selection, QueryError> {
        Ok(Selection { by: by.to_vec(), ..self.selection(engine).await? })
    }

    /// What the report is of.
    pub async fn selection(&self, engine: &Engine) -> Result<Selection, QueryError> {
        let mut only: Vec<(Dimension, String)> = Vec::new();
        for filter in self.all("filter") {
            let expected = "`dimension=value`, for example `region=us-east-1`";
            let (name, value) = filter.split_once('=').ok_or_else(|| bad("filter", filter, expected))?;
            only.push((name.parse()?, value.to_owned()));
        }
        only.extend(self.text("resource").map(|name| (Dimension::Resource, name.to_owned())));
        let named: BTreeSet<&str> =
            only.iter().filter(|(by, _)| *by == Dimension::Provider).map(|(_, value)| value.as_str()).collect();
        // One provider is all that is metered; with several, all are, and the filter chooses.
        let alone = named.first().filter(|_| named.len() == 1).map(|name| (*name).to_owned());
        let provider = self.text("provider").map(str::to_owned).or(alone);
        Ok(Selection {
            days: self.days(engine).await?,
            provider,
            by: Vec::new(),
            only,
            limit: self.number("limit")?,
            rating: self.rating()?,
            attribution: match self.text("attribution") {
                None | Some("time") => Attribution::Time,
                Some("proportional") => Attribution::Proportional,
                Some(other) => return Err(bad("attribution", other, "`time` or `proportional`")),
            },
        })
    }

    fn rating(&self) -> Result<RatingOptions, QueryError> {
        let allowances = match self.text("allowances") {
            None | Some("all" | "true") => Allowances::All,
            Some("none" | "false") => Allowances::None,
            Some(ids) => Allowances::Only(ids.split(',').map(|id| id.trim().to_owned()).collect()),
        };
        Ok(RatingOptions { allowances, account_opened: self.day("account_opened")?, ..RatingOptions::default() })
    }
}

fn month_of(day: NaiveDate) -> Option<Period> {
    Period::new(day.year(), day.month())
}

/// A value that cannot be read.
pub(super) fn bad(name: &'static str, value: &str, expected: &'static str) -> QueryError {
    QueryError::BadValue { name, value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn range(text: &str) -> Result<Option<Days>, QueryError> {
        Given::new("parameter of the report", &pairs(text), &COST)?.range("from", "to")
    }

    #[test]
    fn a_range_that_lacks_an_end_takes_that_of_the_month() {
        let days = |text: &str| {
            let days = range(text).unwrap().unwrap();
            format!("{} {} {}", days.from, days.to, days.count())
        };
        assert_eq!(days("from=2026-02-10"), "2026-02-10 2026-02-28 19");
        assert_eq!(days("to=2026-02-10"), "2026-02-01 2026-02-10 10");
        assert_eq!(days("from=2026-02-10&to=2026-02-10"), "2026-02-10 2026-02-10 1");
        assert!(range("").unwrap().is_none());
        let long = range("from=2025-12-31&to=2026-02-01").unwrap().unwrap();
        let months: Vec<_> = long.months().iter().map(Period::to_string).collect();
        assert_eq!(months, ["2025-12", "2026-01", "2026-02"]);
        assert_eq!(long.before().to, "2025-12-30".parse().unwrap());
        assert_eq!(long.each().count(), 33);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_was_expected() {
        for (text, told) in [
            ("from=soon", "`from` is `soon`, expected a day"),
            ("from=2026-02-10&to=2026-02-09", "not before the first"),
            ("from=2020-01-01&to=2026-01-01", "at most 36 months"),
            ("fromm=2026-02-10", "there is no parameter of the report `fromm`; there are period, from"),
        ] {
            let error = range(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
        let given = pairs("limit=0&minimum=-1&minimum=");
        let given = Given(&given);
        assert!(given.number("limit").is_err() && given.decimal("minimum").is_err());
    }
}
