//! The question behind `/explore`: a URL to what the engine explores, and links that change one thing of it.

use chrono::NaiveDate;
use paygrain_query::{Dimension, ExploreRequest, QueryError, Step};

use crate::address::{Address, url};
use crate::cost_kind::CostKind;
use crate::day_range::{DAY_PARAMETERS, day_pairs};
use crate::error::AppError;
use crate::params::{Params, bad};

/// Where the page is.
pub const PATH: &str = "/explore";
/// Parameters besides those that say which days.
const OTHER_PARAMETERS: [&str; 11] = [
    "by",
    "step",
    "cost",
    "filter",
    "provider",
    "resource",
    "sort",
    "offset",
    "allowances",
    "account_opened",
    "attribution",
];
/// Parameters that the engine reads as they are.
const PASSED_ON: [&str; 4] = ["filter", "allowances", "account_opened", "attribution"];
/// What a group is looked at by next, the first that is not chosen already.
const NEXT: [Dimension; 6] = [
    Dimension::Service,
    Dimension::Resource,
    Dimension::Sku,
    Dimension::Region,
    Dimension::Account,
    Dimension::Operation,
];

/// What a URL asks.
pub struct ExploreQuery {
    /// The address, with every filter as `filter`.
    pub address: Address,
    /// What cost is grouped by.
    pub by: Dimension,
    /// How long columns are, if that was asked for.
    pub step: Option<Step>,
    /// Which cost is shown, if that was asked for.
    pub cost: Option<CostKind>,
    /// Days, filters and rating, as the engine takes them.
    pub parameters: Vec<(String, String)>,
}

impl ExploreQuery {
    /// Reads a URL on a day.
    ///
    /// # Errors
    /// A name that nothing reads, or a value that means nothing.
    pub fn read(params: &Params, today: NaiveDate) -> Result<Self, AppError> {
        let known: Vec<&'static str> = DAY_PARAMETERS.into_iter().chain(OTHER_PARAMETERS).collect();
        params.only(&known)?;
        let params = with_filters_alike(params);
        let by = match params.get("by") {
            None => Dimension::Service,
            Some(name) => name.parse()?,
        };
        if is_time(by) {
            let known = dimensions().map(Dimension::name).collect();
            return Err(QueryError::NoSuchDimension { name: by.name().to_owned(), known }.into());
        }
        let step = match params.get("step") {
            None => None,
            Some("hour") => Some(Step::Hour),
            Some("day") => Some(Step::Day),
            Some("month") => Some(Step::Month),
            Some(other) => return Err(bad("step", other, "`hour`, `day` or `month`")),
        };
        let mut parameters = day_pairs(&params, today)?;
        parameters.extend(params.of(&PASSED_ON));
        Ok(Self { address: Address::new(PATH, &params), by, step, cost: CostKind::read(&params)?, parameters })
    }

    /// The question for the engine.
    pub fn request(&self) -> ExploreRequest {
        ExploreRequest {
            by: self.by,
            step: self.step,
            by_list_cost: self.cost == Some(CostKind::List),
            parameters: self.parameters.clone(),
        }
    }

    /// The filters, as `dimension=value`.
    pub fn filters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.address.values("filter").filter_map(|filter| filter.split_once('='))
    }

    /// The groups within a group: its value is a filter, and the next dimension is looked at.
    pub fn inside(&self, value: &str) -> String {
        let filter = format!("{}={value}", self.by.name());
        let mut changed = Vec::from([("filter", filter.as_str())]);
        let next = self.next();
        changed.push(("by", next.name()));
        self.address.changed(&["by", "sort", "offset"], &changed)
    }

    /// The same days by days alone, looked at by resource unless one is chosen.
    pub fn on_days(&self, from: &str, to: &str) -> String {
        let has_resource = self.filters().any(|(name, _)| name == "resource");
        let by = match (self.by, has_resource) {
            (Dimension::Resource, true) => Dimension::Sku,
            (by, true) => by,
            (_, false) => Dimension::Resource,
        };
        let changed = [("from", from), ("to", to), ("by", by.name())];
        self.address.changed(&["period", "from", "to", "range", "by", "step", "sort", "offset"], &changed)
    }

    fn next(&self) -> Dimension {
        let chosen = |dimension: &Dimension| self.filters().any(|(name, _)| name == dimension.name());
        let from = NEXT.iter().position(|dimension| *dimension == self.by).map_or(0, |place| place + 1);
        let rest = NEXT[from..].iter().chain(&NEXT[..from]);
        rest.copied().find(|dimension| *dimension != self.by && !chosen(dimension)).unwrap_or(self.by)
    }

    /// The report with the same rows, under a path.
    pub fn report(&self, path: &str, step: Step) -> String {
        let by = format!("{},{}", step.name(), self.by.name());
        url(path, [("by", by.as_str())].into_iter().chain(self.pairs()))
    }

    /// The CSV file with the same rows.
    pub fn csv(&self, step: Step) -> String {
        let asked = [("by", self.by.name()), ("step", step.name())];
        url("/explore.csv", asked.into_iter().chain(self.pairs()))
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// What cost can be grouped by here: every dimension but time, which is the other axis.
pub fn dimensions() -> impl Iterator<Item = Dimension> {
    Dimension::ALL.into_iter().filter(|dimension| !is_time(*dimension))
}

fn is_time(dimension: Dimension) -> bool {
    matches!(dimension, Dimension::Month | Dimension::Day | Dimension::Hour)
}

/// `provider` and `resource` are filters by another name, for links from other pages; a filter given twice counts once.
fn with_filters_alike(params: &Params) -> Params {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in params.clone().into_pairs() {
        let pair = match name.as_str() {
            "provider" | "resource" => ("filter".to_owned(), format!("{name}={value}")),
            _ => (name, value),
        };
        if pair.0 != "filter" || !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<ExploreQuery, AppError> {
        let pairs = url.split('&').filter_map(|pair| pair.split_once('='));
        let params: Params = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        ExploreQuery::read(&params, "2026-10-31".parse().unwrap())
    }

    #[test]
    fn a_group_becomes_a_filter_and_the_next_dimension_is_looked_at() {
        for (url, value, inside) in [
            ("period=2026-10", "lambda", "/explore?period=2026-10&filter=service%3Dlambda&by=resource"),
            (
                "period=2026-10&by=resource&filter=service=lambda&sort=name&offset=50",
                "a b",
                "/explore?period=2026-10&filter=service%3Dlambda&filter=resource%3Da%20b&by=sku",
            ),
            ("by=status", "", "/explore?filter=status%3D&by=service"),
        ] {
            assert_eq!(read(url).unwrap().inside(value), inside);
        }
    }

    #[test]
    fn a_day_is_looked_at_by_resource() {
        let day = read("period=2026-10&step=day&filter=service=lambda").unwrap().on_days("2026-10-18", "2026-10-18");
        assert_eq!(day, "/explore?filter=service%3Dlambda&from=2026-10-18&to=2026-10-18&by=resource");
        let one = read("resource=f&by=resource").unwrap();
        assert_eq!(
            one.on_days("2026-10-18", "2026-10-18"),
            "/explore?filter=resource%3Df&from=2026-10-18&to=2026-10-18&by=sku"
        );
    }

    #[test]
    fn every_filter_is_one_and_rows_are_those_of_the_report() {
        let query = read("period=2026-10&provider=aws&filter=provider=aws&allowances=none&by=sku").unwrap();
        assert_eq!(query.filters().collect::<Vec<_>>(), [("provider", "aws")]);
        assert_eq!(
            query.report("/api/v1/reports/cost", Step::Day),
            "/api/v1/reports/cost?by=day,sku&period=2026-10&filter=provider%3Daws&allowances=none"
        );
    }

    #[test]
    fn time_is_no_group_and_mistakes_are_refused() {
        for url in ["by=day", "by=hour", "by=colour", "step=week", "cost=net", "perod=2026-10"] {
            assert!(read(url).is_err(), "{url}");
        }
    }
}
