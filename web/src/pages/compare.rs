//! `/compare`: recorded executions on every compute model.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use paygrain_pricing::{Exact, Period};
use paygrain_replay::{Comparison, Outcome};

use crate::app::App;
use crate::assumption_fields::AssumptionFields;
use crate::compare_query::{Address, Given};
use crate::comparing;
use crate::comparison_view::ComparisonView;
use crate::csv_text::{CsvText, words};
use crate::error::{AppError, Report, html};
use crate::filters;
use crate::params::Params;

const PATH: &str = "/compare";
/// Parameters that have a field in the form, besides assumptions.
const FIELDS: [&str; 5] = ["period", "from", "to", "provider", "resource"];

#[derive(Template)]
#[template(path = "compare.html")]
struct Page {
    address: Address,
    fields: AssumptionFields,
    periods: Vec<Period>,
    providers: Vec<String>,
    view: Option<ComparisonView>,
    report: Option<Report>,
    csv: String,
    json: String,
}

impl Page {
    async fn new(app: &App, params: &Params) -> Result<Self, AppError> {
        let address = Address::new(PATH, params);
        let deployments = app.engine().deployments();
        let mut providers: Vec<String> =
            app.engine().catalogue().books().iter().map(|book| book.provider.clone()).collect();
        providers.sort_unstable();
        providers.dedup();
        Ok(Self {
            fields: AssumptionFields::new(deployments.as_ref().map(|all| all.all()).unwrap_or_default(), &address),
            periods: app.engine().periods().await?,
            providers,
            view: None,
            report: None,
            csv: address.under("/compare.csv"),
            json: address.under("/api/v1/compare"),
            address,
        })
    }

    /// The month that is shown or was asked for; none for days of a month.
    fn period(&self) -> Option<Period> {
        let by_days = self.address.get("from").or(self.address.get("to")).is_some();
        let asked = self.address.get("period").and_then(|period| period.parse().ok());
        asked.or(self.view.as_ref().map(|view| view.workload.period).filter(|_| !by_days))
    }

    fn earlier(&self) -> Option<&Period> {
        let shown = self.period()?;
        self.periods.iter().filter(|period| **period < shown).max()
    }

    fn later(&self) -> Option<&Period> {
        let shown = self.period()?;
        self.periods.iter().filter(|period| **period > shown).min()
    }

    /// The same of another month.
    fn of_month(&self, period: &Period) -> String {
        self.address.with("period", &period.to_string())
    }

    /// What the URL asks besides the fields of the form.
    fn hidden(&self) -> Vec<(String, String)> {
        let mut fields = FIELDS.to_vec();
        fields.extend(AssumptionFields::names());
        self.address.besides(&fields).filter(|(name, _)| name != "show").cloned().collect()
    }

    fn filters(&self) -> Vec<&str> {
        self.address.values("filter").collect()
    }
}

/// `GET /compare`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let params = without_month_of_days(params);
    let mut page = Page::new(&app, &params).await?;
    match view(&app, &params, &page.address).await {
        Ok(view) => page.view = view,
        Err(error) => page.report = Some(error.report()),
    }
    let (status, headers) = page.report.as_ref().map(Report::head).unwrap_or_default();
    Ok((status, headers, html(&page)?).into_response())
}

async fn view(app: &App, params: &Params, address: &Address) -> Result<Option<ComparisonView>, AppError> {
    let given = Given::recorded(params, true)?;
    ComparisonView::check(address)?;
    let Some(compared) = comparing::recorded(app, given).await? else { return Ok(None) };
    let deployments = app.engine().deployments()?;
    ComparisonView::new(compared, deployments.all(), address.clone()).map(Some)
}

/// `GET /compare.csv`: every deployment, with every digit.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let given = Given::recorded(&without_month_of_days(params), false)?;
    let compared = comparing::recorded(&app, given).await?;
    download(compared.as_ref().map(|compared| &compared.comparison))
}

/// The form always sends its month. Days in it say more; days of another month are a mistake, which the engine tells.
fn without_month_of_days(params: Params) -> Params {
    let month = params.get("period").map(str::to_owned);
    let days: Vec<&str> = ["from", "to"].into_iter().filter_map(|name| params.get(name)).collect();
    let within = |month: &String| {
        let is_in = |day: &&str| day.parse::<NaiveDate>().is_ok_and(|day| day.format("%Y-%m").to_string() == *month);
        !days.is_empty() && days.iter().all(is_in)
    };
    match month.filter(within) {
        None => params,
        Some(_) => params.into_pairs().into_iter().filter(|(name, _)| name != "period").collect(),
    }
}

const COLUMNS: [&str; 31] = [
    "deployment",
    "title",
    "kind",
    "provider",
    "region",
    "period",
    "feasible",
    "reasons",
    "currency",
    "monthly_cost",
    "compute",
    "idle",
    "requests",
    "storage",
    "transfer",
    "extras",
    "cost_per_million",
    "sizing",
    "memory_mb",
    "vcpu_milli",
    "concurrency",
    "peak_instances",
    "mean_instances",
    "utilisation",
    "cold_starts",
    "cold_start_share",
    "cold_start_added_ms",
    "queued",
    "mean_wait_ms",
    "longest_wait_ms",
    "throttled",
];

/// The deployments of a comparison as a file, in its order.
pub fn download(comparison: Option<&Comparison>) -> Result<Response, AppError> {
    let mut text = CsvText::new(COLUMNS)?;
    let Some(comparison) = comparison else { return text.download("paygrain-compare.csv") };
    let period = comparison.workload.period;
    for outcome in &comparison.deployments {
        text.row(cells(outcome, period))?;
    }
    text.download(&format!("paygrain-compare-{period}.csv"))
}

fn cells(outcome: &Outcome, period: Period) -> [String; 31] {
    let exact = |value: &Option<Exact>| value.as_ref().map(Exact::to_string).unwrap_or_default();
    let reasons: Vec<&str> = outcome.reasons.iter().map(|reason| reason.message.as_str()).collect();
    let parts = &outcome.parts;
    [
        words(&outcome.name),
        words(&outcome.title),
        outcome.kind.word().to_owned(),
        words(&outcome.provider),
        outcome.region.as_deref().map(words).unwrap_or_default(),
        period.to_string(),
        outcome.feasible.to_string(),
        words(&reasons.join("; ")),
        words(&outcome.currency),
        exact(&outcome.monthly_cost),
        parts.compute.to_string(),
        parts.idle.to_string(),
        parts.requests.to_string(),
        parts.storage.to_string(),
        parts.transfer.to_string(),
        parts.extras.to_string(),
        exact(&outcome.cost_per_million),
        outcome.sizing.map(|sizing| sizing.to_string()).unwrap_or_default(),
        outcome.memory_mb.to_string(),
        outcome.vcpu_milli.to_string(),
        outcome.concurrency.to_string(),
        outcome.instances.peak.to_string(),
        outcome.instances.mean.to_string(),
        exact(&outcome.utilisation),
        outcome.cold_starts.count.to_string(),
        exact(&outcome.cold_starts.share),
        outcome.cold_starts.added_ms.to_string(),
        outcome.queueing.count.to_string(),
        outcome.queueing.mean_ms.to_string(),
        outcome.queueing.longest_ms.to_string(),
        outcome.throttled_count.to_string(),
    ]
}
