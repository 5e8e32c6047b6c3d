//! `/what-if`: a scheduled job that does not exist yet, on every compute model.

use std::time::{SystemTime, UNIX_EPOCH};

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use paygrain_pricing::Period;
use paygrain_replay::{JOB_WORDS, JobTimes, ScheduledJob};

use super::compare::download;
use crate::app::App;
use crate::assumption_fields::AssumptionFields;
use crate::compare_query::{Address, Given};
use crate::comparing;
use crate::comparison_view::ComparisonView;
use crate::error::{AppError, Report, html};
use crate::filters;
use crate::params::Params;

const PATH: &str = "/what-if";

/// A job to begin with.
struct Example {
    title: &'static str,
    /// Names and texts, as the URL has them.
    query: &'static str,
}

const EXAMPLES: [Example; 4] = [
    Example {
        title: "A report every day at 17:00",
        query: "schedule=0%2017%20*%20*%20*&timezone=Europe/Zurich&duration=300ms&memory=512MB",
    },
    Example {
        title: "A check every minute",
        query: "schedule=*/1%20*%20*%20*%20*&timezone=UTC&duration=2s&memory=256MB",
    },
    Example {
        title: "A batch of 40 minutes every night",
        query: "schedule=30%202%20*%20*%20*&timezone=Europe/Berlin&duration=40min&memory=8GB",
    },
    Example {
        title: "Office hours, every 5 minutes",
        query: "schedule=*/5%208-17%20*%20*%20MON-FRI&timezone=America/New_York&duration=45s&memory=2GB",
    },
];

/// What the form says before anything was asked.
const USUAL: [(&str, &str); 4] =
    [("schedule", "0 17 * * *"), ("timezone", "Europe/Zurich"), ("duration", "300ms"), ("memory", "512MB")];

/// When the job runs, as the page tells it.
struct Runs {
    times: JobTimes,
    /// The next runs, in UTC and where that is another, on the clock of the schedule.
    next: Vec<(String, Option<String>)>,
}

#[derive(Template)]
#[template(path = "what_if.html")]
struct Page {
    address: Address,
    fields: AssumptionFields,
    examples: [Example; 4],
    this_month: Period,
    runs: Option<Runs>,
    view: Option<ComparisonView>,
    report: Option<Report>,
    csv: String,
    json: String,
}

impl Page {
    /// The value of a field: as asked, or to begin with.
    fn value(&self, name: &str) -> &str {
        let usual = || USUAL.iter().find(|(known, _)| *known == name && self.is_blank()).map(|(_, value)| *value);
        self.address.get(name).or_else(usual).unwrap_or_default()
    }

    /// Whether nothing was asked yet.
    fn is_blank(&self) -> bool {
        JOB_WORDS.iter().all(|(name, _)| self.address.get(name).is_none())
    }

    /// What the URL asks besides the fields of the form.
    fn hidden(&self) -> Vec<(String, String)> {
        let mut fields: Vec<&str> = JOB_WORDS.iter().map(|(name, _)| *name).collect();
        fields.extend(AssumptionFields::names());
        self.address.besides(&fields).filter(|(name, _)| name != "show").cloned().collect()
    }

    /// Whether a field beyond the usual ones is filled in.
    fn has_more(&self) -> bool {
        ["cpu_percent", "vcpu", "init", "response_bytes", "log_bytes", "period"]
            .iter()
            .any(|name| self.address.get(name).is_some())
    }
}

/// `GET /what-if`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let address = Address::new(PATH, &params);
    let deployments = app.engine().deployments();
    let all = deployments.as_ref().map(|all| all.all()).unwrap_or_default();
    let mut page = Page {
        fields: AssumptionFields::new(all, &address),
        examples: EXAMPLES,
        this_month: Period::containing(now_us()),
        runs: None,
        view: None,
        report: None,
        csv: address.under("/what-if.csv"),
        json: address.under("/api/v1/what-if/cron"),
        address,
    };
    if !page.is_blank() {
        match job(&params, true) {
            Ok((job, given)) => {
                page.runs = Some(runs(&job));
                match view(&app, job, given, &page.address).await {
                    Ok(view) => page.view = Some(view),
                    Err(error) => page.report = Some(error.report()),
                }
            }
            Err(error) => page.report = Some(error.report()),
        }
    }
    let (status, headers) = page.report.as_ref().map(Report::head).unwrap_or_default();
    Ok((status, headers, html(&page)?).into_response())
}

async fn view(app: &App, job: ScheduledJob, given: Given, address: &Address) -> Result<ComparisonView, AppError> {
    ComparisonView::check(address)?;
    let compared = comparing::job(app, job, given).await?.ok_or(AppError::NoExecutions)?;
    let deployments = app.engine().deployments()?;
    ComparisonView::new(compared, deployments.all(), address.clone())
}

fn runs(job: &ScheduledJob) -> Runs {
    let now_us = now_us();
    let times = job.times(now_us);
    let local = |at_us| (job.schedule.zone() != "UTC").then(|| job.schedule.local(at_us));
    let starts = job.schedule.next(now_us, times.next_runs.len());
    let next = times.next_runs.iter().cloned().zip(starts.into_iter().map(local)).collect();
    Runs { times, next }
}

/// The job that a URL describes, and what is asked of it.
///
/// # Errors
/// A name that nothing reads, or a value that means nothing.
pub fn job(params: &Params, is_page: bool) -> Result<(ScheduledJob, Given), AppError> {
    let given = Given::read(params, &JOB_WORDS.map(|(name, _)| name), is_page)?;
    let job = ScheduledJob::read(&given.workload, Period::containing(now_us()))?;
    Ok((job, given))
}

/// Microseconds since 1970 UTC.
pub fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// `GET /what-if.csv`: every deployment, with every digit.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let (job, given) = job(&params, false)?;
    let compared = comparing::job(&app, job, given).await?;
    download(compared.as_ref().map(|compared| &compared.comparison))
}
