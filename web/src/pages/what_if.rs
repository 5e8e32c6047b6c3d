//! `/what-if`: a scheduled job that does not exist yet, on every compute model.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use paygrain_pricing::Period;
use paygrain_replay::{JOB_WORDS, JobTimes, ScheduledJob};

use crate::address::Address;
use crate::app::App;
use crate::assumption_fields::AssumptionFields;
use crate::compare_query::{CompareQuery, this_month};
use crate::comparing;
use crate::comparison_csv::download;
use crate::comparison_view::{ComparisonView, Sorting};
use crate::error::{AppError, Report, html};
use crate::filters;
use crate::params::Params;
use crate::staircase::{self, Subject};

const PATH: &str = "/what-if";
const STAIRCASE: &str = "/what-if/staircase.csv";

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
        AssumptionFields::hidden(&self.address, &JOB_WORDS.map(|(name, _)| name))
    }

    /// Whether a field beyond the usual ones is filled in.
    fn has_more(&self) -> bool {
        let mut more = JOB_WORDS.iter().filter(|(name, _)| USUAL.iter().all(|(usual, _)| usual != name));
        more.any(|(name, _)| self.address.get(name).is_some())
    }
}

/// `GET /what-if`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let address = Address::new(PATH, &params);
    let mut page = Page {
        fields: AssumptionFields::new(&app, &address),
        examples: EXAMPLES,
        this_month: this_month(),
        runs: None,
        view: None,
        report: None,
        csv: address.under("/what-if.csv"),
        json: address.under("/api/v1/what-if/cron"),
        address,
    };
    if !page.is_blank() {
        match CompareQuery::job(&params, true) {
            Ok((job, query)) => {
                page.runs = Some(runs(&job));
                match view(&app, job, query, &page.address).await {
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

async fn view(
    app: &App,
    job: ScheduledJob,
    query: CompareQuery,
    address: &Address,
) -> Result<ComparisonView, AppError> {
    let sorting = Sorting::of(address)?;
    let compared = comparing::job(app, job.clone(), query.clone()).await?.ok_or(AppError::NoExecutions)?;
    let deployments = app.engine().deployments()?;
    let mut view = ComparisonView::new(compared, deployments.all(), address.clone(), sorting);
    staircase::add(app, Subject::Job(Box::new(job)), &query, (&mut view, STAIRCASE)).await?;
    Ok(view)
}

fn runs(job: &ScheduledJob) -> Runs {
    let now_us = Utc::now().timestamp_micros();
    let times = job.times(now_us);
    let local = |at_us| (job.schedule.zone() != "UTC").then(|| job.schedule.local(at_us));
    let starts = job.schedule.next(now_us, times.next_runs.len());
    let next = times.next_runs.iter().cloned().zip(starts.into_iter().map(local)).collect();
    Runs { times, next }
}

/// `GET /what-if.csv`: every deployment, with every digit.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let (job, query) = CompareQuery::job(&params, false)?;
    download(comparing::job(&app, job, query).await?.as_ref())
}

/// `GET /what-if/staircase.csv`: executions and instances over time of the deployment in `show`.
pub async fn course(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let (job, query) = CompareQuery::job(&params, true)?;
    let compared = comparing::job(&app, job.clone(), query.clone()).await?;
    staircase::download(&app, Subject::Job(Box::new(job)), &query, (compared, &params)).await
}
