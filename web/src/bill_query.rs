//! The question behind `/bill`, `/explain` and their API counterparts: a URL to a [`BillRequest`] and back.

use paygrain_pricing::{Allowances, Period, RatingOptions};
use paygrain_query::{Attribution, BillRequest, CostGroup, Dimension};

use crate::app::App;
use crate::error::AppError;
use crate::filters::encode;
use crate::params::{Params, bad};

/// The parameters that [`BillQuery::read`] understands.
pub const PARAMETERS: [&str; 12] = [
    "period",
    "provider",
    "by",
    "allowances",
    "account_opened",
    "attribution",
    "service",
    "account",
    "region",
    "resource",
    "sku",
    "day",
];

/// What a URL asks about a bill.
#[derive(Clone, Debug)]
pub struct BillQuery {
    /// The question for the engine.
    pub request: BillRequest,
    /// Groups to show, by the value of a dimension: `day=2026-10-18`.
    pub only: Vec<(Dimension, String)>,
}

impl BillQuery {
    /// Reads a URL; `period` where it names none.
    pub fn read(params: &Params, period: Period) -> Result<Self, AppError> {
        let mut request = BillRequest::new(params.period()?.unwrap_or(period));
        request.provider = params.text("provider");
        request.rating = rating(params)?;
        request.attribution = attribution(params)?;
        for name in params.all("by").flat_map(|names| names.split(',')).filter(|name| !name.trim().is_empty()) {
            let dimension = name.parse()?;
            if !request.by.contains(&dimension) {
                request.by.push(dimension);
            }
        }
        let mut only = Vec::new();
        for dimension in Dimension::ALL.into_iter().filter(|dimension| *dimension != Dimension::Provider) {
            let Some(value) = params.text(dimension.name()) else { continue };
            only.push((dimension, value));
            if !request.by.contains(&dimension) {
                request.by.push(dimension);
            }
        }
        Ok(Self { request, only })
    }

    /// The same for a page, which without `period` shows the latest month that has usage.
    pub async fn read_or_latest(params: &Params, app: &App) -> Result<Option<Self>, AppError> {
        let period = match params.period()? {
            Some(period) => Some(period),
            None => app.engine().periods().await?.first().copied(),
        };
        period.map(|period| Self::read(params, period)).transpose()
    }

    /// Whether a group is one of those asked for.
    pub fn shows(&self, group: &CostGroup) -> bool {
        self.only.iter().all(|(dimension, value)| {
            let place = self.request.by.iter().position(|by| by == dimension);
            place.and_then(|place| group.key.get(place)) == Some(value)
        })
    }

    /// Whether cost is grouped by a dimension.
    pub fn groups_by(&self, dimension: &Dimension) -> bool {
        self.request.by.contains(dimension)
    }

    /// Which allowances apply: `true`, `false` or a list of ids.
    pub fn allowances(&self) -> String {
        match &self.request.rating.allowances {
            Allowances::All => "true".into(),
            Allowances::None => "false".into(),
            Allowances::Only(ids) => ids.iter().map(String::as_str).collect::<Vec<_>>().join(","),
        }
    }

    /// Whether free quantities go to everyone alike instead of to whoever came first.
    pub fn is_proportional(&self) -> bool {
        self.request.attribution == Attribution::Proportional
    }

    /// The question as the query of a URL.
    pub fn url_query(&self) -> String {
        self.url_query_of(self.request.period, &self.only)
    }

    /// The same question about another month.
    pub fn url_query_in(&self, period: &Period) -> String {
        let only: Vec<_> = self.only.iter().filter(|(dimension, _)| *dimension != Dimension::Day).cloned().collect();
        self.url_query_of(*period, &only)
    }

    /// The same question without one of its [`BillQuery::only`].
    pub fn url_query_without(&self, dimension: &Dimension) -> String {
        let only: Vec<_> = self.only.iter().filter(|(kept, _)| kept != dimension).cloned().collect();
        self.url_query_of(self.request.period, &only)
    }

    /// The same question about every provider.
    pub fn url_query_of_all_providers(&self) -> String {
        let mut query = self.clone();
        query.request.provider = None;
        query.url_query()
    }

    /// The same executions on other compute models: what of the question a comparison understands.
    pub fn compare_query(&self) -> String {
        let day = self.only.iter().find(|(dimension, _)| *dimension == Dimension::Day).map(|(_, day)| day);
        let mut url = match day {
            Some(day) => format!("from={day}&to={day}"),
            None => format!("period={}", self.request.period),
        };
        if let Some(provider) = &self.request.provider {
            url += &part("provider", provider);
        }
        for (dimension, value) in &self.only {
            if matches!(dimension, Dimension::Service | Dimension::Account | Dimension::Region | Dimension::Resource) {
                url += &part("filter", &format!("{}={value}", dimension.name()));
            }
        }
        if matches!(self.request.rating.allowances, Allowances::None) {
            url += "&allowances=none";
        }
        url
    }

    fn url_query_of(&self, period: Period, only: &[(Dimension, String)]) -> String {
        let mut url = format!("period={period}");
        if let Some(provider) = &self.request.provider {
            url += &part("provider", provider);
        }
        if !self.request.by.is_empty() {
            url += &part("by", &self.request.by.iter().map(|by| by.name()).collect::<Vec<_>>().join(","));
        }
        url += &self.rating_query();
        for (dimension, value) in only {
            url += &part(dimension.name(), value);
        }
        url
    }

    /// How the bill is rated, as further parts of the query of a URL: a charge is explained under the same rules.
    pub fn rating_query(&self) -> String {
        let mut url = String::new();
        if !matches!(self.request.rating.allowances, Allowances::All) {
            url += &part("allowances", &self.allowances());
        }
        if let Some(day) = self.request.rating.account_opened {
            url += &part("account_opened", &day.to_string());
        }
        if self.is_proportional() {
            url += &part("attribution", "proportional");
        }
        url
    }
}

fn part(name: &str, value: &str) -> String {
    format!("&{name}={}", encode(value).replace("%2C", ","))
}

/// How a bill is rated.
pub fn rating(params: &Params) -> Result<RatingOptions, AppError> {
    let allowances = match params.get("allowances") {
        None | Some("true") => Allowances::All,
        Some("false") => Allowances::None,
        Some(ids) => Allowances::Only(ids.split(',').map(|id| id.trim().to_owned()).collect()),
    };
    Ok(RatingOptions { allowances, account_opened: params.day("account_opened")?, ..RatingOptions::default() })
}

fn attribution(params: &Params) -> Result<Attribution, AppError> {
    match params.get("attribution") {
        None | Some("time") => Ok(Attribution::Time),
        Some("proportional") => Ok(Attribution::Proportional),
        Some(other) => Err(bad("attribution", other, "`time` or `proportional`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<BillQuery, AppError> {
        let pairs = url.split('&').map(|pair| pair.split_once('=').unwrap());
        let params: Params = pairs.map(|(name, value)| (name.to_owned(), value.replace("%20", " "))).collect();
        BillQuery::read(&params, "2026-09".parse().unwrap())
    }

    #[test]
    fn a_url_survives_reading_and_writing() {
        for url in [
            "period=2026-10",
            "period=2026-10&provider=aws&by=service,day&allowances=false",
            "period=2026-10&by=day,service&attribution=proportional&day=2026-10-18",
            "period=2026-10&by=service&allowances=a,b&account_opened=2026-01-31&service=AWS%20Lambda",
        ] {
            assert_eq!(read(url).unwrap().url_query(), url);
        }
    }

    #[test]
    fn asking_for_a_value_groups_by_its_dimension() {
        let query = read("day=2026-09-02").unwrap();
        let group = |day: &str| CostGroup {
            key: vec![day.to_owned()],
            list_cost: "1".parse().unwrap(),
            billed_cost: "1".parse().unwrap(),
        };
        assert!(query.shows(&group("2026-09-02")));
        assert!(!query.shows(&group("2026-09-03")));
        assert_eq!(query.url_query_in(&"2026-08".parse().unwrap()), "period=2026-08&by=day");
    }

    #[test]
    fn a_comparison_is_asked_of_the_same_executions() {
        for (url, compared) in [
            ("period=2026-10&provider=aws&sku=a.b&allowances=false", "period=2026-10&provider=aws&allowances=none"),
            (
                "period=2026-10&day=2026-10-02&service=lambda&resource=a%20b",
                "from=2026-10-02&to=2026-10-02&filter=service%3Dlambda&filter=resource%3Da%20b",
            ),
        ] {
            assert_eq!(read(url).unwrap().compare_query(), compared);
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for url in ["period=10-2026", "by=colour", "attribution=fair", "account_opened=soon"] {
            assert!(read(url).is_err(), "{url}");
        }
    }
}
