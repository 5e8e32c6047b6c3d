//! The question behind `/compare`, `/what-if` and their API counterparts: a URL taken apart into what chooses the workload,
//! what is asked of the comparison and how its table is shown.

use chrono::Utc;
use paygrain_pricing::Period;
use paygrain_query::{COMPARE_PARAMETERS, RECORDED_PARAMETERS, memory_parameters};
use paygrain_replay::{JOB_WORDS, ScheduledJob};

use crate::address::{Pairs, VIEW};
use crate::error::AppError;
use crate::params::Params;
use crate::scenarios::Scenario;

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
}
