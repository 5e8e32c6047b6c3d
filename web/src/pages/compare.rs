//! `/compare`: recorded executions on every compute model.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use paygrain_pricing::Period;

use crate::app::App;
use crate::assumption_fields::AssumptionFields;
use crate::compare_query::{Address, CompareQuery};
use crate::comparing;
use crate::comparison_csv::download;
use crate::comparison_view::{ComparisonView, Sorting};
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
        let mut providers: Vec<String> =
            app.engine().catalogue().books().iter().map(|book| book.provider.clone()).collect();
        providers.sort_unstable();
        providers.dedup();
        Ok(Self {
            fields: AssumptionFields::new(app, &address),
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
        AssumptionFields::hidden(&self.address, &FIELDS)
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
    let query = CompareQuery::recorded(params, true)?;
    let sorting = Sorting::of(address)?;
    let Some(compared) = comparing::recorded(app, query).await? else { return Ok(None) };
    let deployments = app.engine().deployments()?;
    Ok(Some(ComparisonView::new(compared, deployments.all(), address.clone(), sorting)))
}

/// `GET /compare.csv`: every deployment, with every digit.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let query = CompareQuery::recorded(&without_month_of_days(params), false)?;
    download(comparing::recorded(&app, query).await?.as_ref())
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
