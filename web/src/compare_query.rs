//! The question behind `/compare`, `/what-if` and their API counterparts: a URL taken apart into what chooses the workload,
//! what is asked of the comparison and how its table is shown; and links that change one thing of it.

use chrono::Utc;
use paygrain_pricing::Period;
use paygrain_query::{COMPARE_PARAMETERS, RECORDED_PARAMETERS, memory_parameters};
use paygrain_replay::{JOB_WORDS, ScheduledJob};

use crate::error::AppError;
use crate::filters::encode;
use crate::params::Params;
use crate::scenarios::Scenario;

/// How the page shows its table: a column to sort by, and the deployment whose charges are shown.
const VIEW: [&str; 2] = ["sort", "show"];

/// Names and texts, as the engine takes them.
type Pairs = Vec<(String, String)>;

/// What a comparison is asked with, by what it is for, each in the order of the URL.
#[derive(Clone, Debug)]
pub struct CompareQuery {
    /// What chooses the workload.
    pub workload: Pairs,
    /// What is asked of the comparison.
    pub compared: Pairs,
}

impl CompareQuery {
    /// Takes the parameters of a recorded workload apart.
    ///
    /// # Errors
    /// A name that nothing reads.
    pub fn recorded(params: &Params, is_page: bool) -> Result<Self, AppError> {
        Self::read(params, &RECORDED_PARAMETERS.map(|parameter| parameter.name), is_page)
    }

    /// Takes the parameters of sizes of memory apart.
    ///
    /// # Errors
    /// A name that nothing reads.
    pub fn memory(params: &Params) -> Result<Self, AppError> {
        let recorded = RECORDED_PARAMETERS.map(|parameter| parameter.name);
        let asked = memory_parameters().map(|parameter| parameter.name);
        params.only(&recorded.into_iter().chain(asked).collect::<Vec<_>>())?;
        let pairs = params.clone().into_pairs().into_iter();
        let (workload, compared) = pairs.partition(|(name, _)| recorded.contains(&name.as_str()));
        Ok(Self { workload, compared })
    }

    /// The job that a URL describes, with the prices of this month unless it says another, and what is asked of it.
    ///
    /// # Errors
    /// A name that nothing reads, or a value that means nothing.
    pub fn job(params: &Params, is_page: bool) -> Result<(ScheduledJob, Self), AppError> {
        let query = Self::read(params, &JOB_WORDS.map(|(name, _)| name), is_page)?;
        let job = ScheduledJob::read(&query.workload, this_month())?;
        Ok((job, query))
    }

    /// The month that a URL asks for a described workload in, this one unless it says another, and what is asked of it.
    /// A description with a month of its own takes none.
    ///
    /// # Errors
    /// A name that nothing reads, or no month.
    pub fn scenario(scenario: &Scenario, params: &Params, is_page: bool) -> Result<(Period, Self), AppError> {
        let workload: &[&'static str] = if scenario.description.period.is_none() { &["period"] } else { &[] };
        let query = Self::read(params, workload, is_page)?;
        Ok((params.period()?.unwrap_or_else(this_month), query))
    }

    /// Takes parameters apart, those that choose the workload by their names.
    ///
    /// # Errors
    /// A name that nothing reads.
    pub fn read(params: &Params, workload: &[&'static str], is_page: bool) -> Result<Self, AppError> {
        let compared = COMPARE_PARAMETERS.map(|parameter| parameter.name);
        let shown = if is_page { &VIEW[..] } else { &[] };
        let mut known: Vec<&'static str> = workload.to_vec();
        known.extend(compared);
        known.extend(shown);
        params.only(&known)?;
        let asked = params.clone().into_pairs().into_iter().filter(|(name, _)| !shown.contains(&name.as_str()));
        let (compared, workload) = asked.partition(|(name, _)| compared.contains(&name.as_str()));
        Ok(Self { workload, compared })
    }
}

/// The month that has begun.
pub fn this_month() -> Period {
    Period::containing(Utc::now().timestamp_micros())
}

/// The address of a page, for links that change one thing of it.
#[derive(Clone, Debug)]
pub struct Address {
    /// The path of the page.
    path: String,
    /// The query.
    pairs: Pairs,
}

impl Address {
    /// The address of a page with its parameters.
    pub fn new(path: impl Into<String>, params: &Params) -> Self {
        Self { path: path.into(), pairs: params.clone().into_pairs() }
    }

    /// The path of the page.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a name, those in a list one by one.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(name).flat_map(|value| value.split(',')).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Names and values that are not among those of a form.
    pub fn besides<'a>(&'a self, fields: &'a [&'a str]) -> impl Iterator<Item = &'a (String, String)> {
        self.pairs.iter().filter(move |(name, _)| !fields.contains(&name.as_str()))
    }

    /// The address itself.
    pub fn url(&self) -> String {
        self.under(&self.path)
    }

    /// The same at another path; the order of a table stays behind.
    pub fn at(&self, path: &str) -> Self {
        let pairs = self.pairs.iter().filter(|(name, _)| name != "sort").cloned().collect();
        Self { path: path.to_owned(), pairs }
    }

    /// The same question to another path, without how the page shows it.
    pub fn under(&self, path: &str) -> String {
        let is_view = |name: &str| path != self.path && VIEW.contains(&name);
        let pairs = self.pairs.iter().filter(|(name, _)| !is_view(name));
        let pairs: Vec<String> = pairs.map(|(name, value)| format!("{}={}", encode(name), part(value))).collect();
        if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
    }

    /// The same with one value for a name.
    pub fn with(&self, name: &str, value: &str) -> String {
        let mut changed = self.clone();
        changed.pairs.retain(|(key, _)| key != name);
        changed.pairs.push((name.to_owned(), value.to_owned()));
        changed.url()
    }

    /// The same without a name.
    pub fn without(&self, name: &str) -> String {
        let mut changed = self.clone();
        changed.pairs.retain(|(key, _)| key != name);
        changed.url()
    }

    /// The same without one value of a name that may come several times.
    pub fn without_value(&self, name: &str, value: &str) -> String {
        let mut changed = self.clone();
        changed.pairs.retain(|(key, one)| key != name || one != value);
        changed.url()
    }

    /// The same without some names and with more names and values, which may come several times.
    pub fn changed(&self, without: &[&str], with: &[(&str, &str)]) -> String {
        let mut changed = self.clone();
        changed.pairs.retain(|(name, _)| !without.contains(&name.as_str()));
        changed.pairs.extend(with.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        changed.url()
    }

    /// The same with a value of a list added, or removed where it is in it.
    pub fn toggled(&self, name: &str, value: &str) -> String {
        let mut list: Vec<&str> = self.list(name).filter(|one| *one != value).collect();
        if self.list(name).all(|one| one != value) {
            list.push(value);
        }
        if list.is_empty() { self.without(name) } else { self.with(name, &list.join(",")) }
    }
}

/// A value in a URL; lists and schedules stay legible.
fn part(value: &str) -> String {
    encode(value).replace("%2C", ",").replace("%2F", "/").replace("%3A", ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn parameters_are_told_apart_and_unknown_ones_refused() {
        let given = params(&[("period", "2026-10"), ("kind", "vm"), ("sort", "-idle"), ("filter", "region=a")]);
        let page = CompareQuery::recorded(&given, true).unwrap();
        let names = |pairs: &Pairs| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&page.workload), ["period", "filter"]);
        assert_eq!(names(&page.compared), ["kind"]);
        let error = CompareQuery::recorded(&given, false).unwrap_err().to_string();
        assert!(error.starts_with("there is no parameter `sort`; there are period, from"), "{error}");
    }

    #[test]
    fn links_change_one_thing() {
        let address = Address::new("/compare", &params(&[("kind", "vm,faas"), ("filter", "a=b c"), ("sort", "idle")]));
        assert_eq!(address.with("sort", "name"), "/compare?kind=vm,faas&filter=a%3Db%20c&sort=name");
        assert_eq!(address.without_value("filter", "a=b c"), "/compare?kind=vm,faas&sort=idle");
        assert_eq!(address.toggled("kind", "vm"), "/compare?filter=a%3Db%20c&sort=idle&kind=faas");
        assert_eq!(address.toggled("kind", "paas"), "/compare?filter=a%3Db%20c&sort=idle&kind=vm,faas,paas");
        assert_eq!(address.under("/compare.csv"), "/compare.csv?kind=vm,faas&filter=a%3Db%20c");
        assert_eq!(
            address.changed(&["kind", "sort"], &[("filter", "d=e"), ("by", "sku")]),
            "/compare?filter=a%3Db%20c&filter=d%3De&by=sku"
        );
        let one = Address::new("/compare", &params(&[("kind", "vm")]));
        assert_eq!(one.toggled("kind", "vm"), "/compare");
    }
}
