//! `/explain`: why a charge is what it is, down to the records behind it.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use paygrain_pricing::{Exact, Period};
use paygrain_query::{BillRequest, Explanation, Share};

use super::Window;
use crate::app::App;
use crate::bill_query::BillQuery;
use crate::error::{AppError, html};
use crate::filters;
use crate::params::Params;
use crate::{names, number};

/// Records on one page when the URL does not say.
const LIMIT_DEFAULT: u64 = 50;
/// Records on one page at most.
pub const LIMIT_MAX: u64 = 1000;

/// What of a charge is asked for.
pub struct ExplainQuery {
    /// Its id.
    pub charge_id: String,
    /// The bill it is on.
    pub bill: BillQuery,
    /// Records to skip.
    pub offset: u64,
    /// Records to show.
    pub limit: u64,
}

impl ExplainQuery {
    /// Reads a URL. The id of a charge begins with its month.
    pub fn read(params: &Params) -> Result<Self, AppError> {
        let expected = "the id of a charge, as the bill has it";
        let charge_id = params.text("charge").ok_or(AppError::MissingParameter { name: "charge", expected })?;
        let no_such_charge = || paygrain_query::QueryError::NoSuchCharge { id: charge_id.clone() };
        let period: Period =
            charge_id.split('/').next().and_then(|month| month.parse().ok()).ok_or_else(no_such_charge)?;
        let mut bill = BillQuery::read(params, period)?;
        bill.request = BillRequest { period, ..bill.request };
        let (offset, limit) = params.window(LIMIT_DEFAULT, LIMIT_MAX)?;
        Ok(Self { bill, charge_id, offset, limit })
    }

    /// The answer.
    pub async fn answer(&self, app: &App) -> Result<Explanation, AppError> {
        Ok(app.engine().explain(&self.charge_id, &self.bill.request, self.offset, self.limit).await?)
    }
}

/// A share with the length of its bar.
struct Row {
    share: Share,
    /// In percent of the charge.
    percent: Option<String>,
    /// From 0 to 100, relative to the largest share.
    bar: f64,
}

fn rows(shares: Vec<Share>, whole: &Exact, of: fn(&Share) -> &Exact) -> Vec<Row> {
    let largest = shares.iter().map(|share| number::approximate(of(share))).fold(0.0, f64::max);
    let bar = |share: &Share| match largest {
        largest if largest > 0.0 => (number::approximate(of(share)) / largest * 1000.0).round() / 10.0,
        _ => 0.0,
    };
    let row = |share: Share| Row { percent: number::percent(of(&share), whole), bar: bar(&share), share };
    shares.into_iter().map(row).collect()
}

#[derive(Template)]
#[template(path = "explain.html")]
struct Page {
    service: String,
    period: Period,
    bill_href: String,
    per_million: Option<Exact>,
    explanation: Explanation,
    by_resource: Vec<Row>,
    by_day: Vec<Row>,
    window: Window,
}

impl Page {
    fn new(mut explanation: Explanation, query: &ExplainQuery, app: &App) -> Self {
        let charge = &explanation.charge;
        // Where allowances cover everything, the shares of the list cost say more than a column of zeros.
        let is_free = charge.billed_cost.is_zero();
        let whole = if is_free { &charge.list_cost } else { &charge.billed_cost };
        let of: fn(&Share) -> &Exact = if is_free { |share| &share.list_cost } else { |share| &share.billed_cost };
        let by_resource = rows(std::mem::take(&mut explanation.by_resource), whole, of);
        let by_day = rows(std::mem::take(&mut explanation.by_day), whole, of);
        let mut url = format!("/explain?charge={}", filters::encode(&query.charge_id));
        url += &query.bill.rating_query();
        if query.limit != LIMIT_DEFAULT {
            url += &format!("&limit={}", query.limit);
        }
        let window = Window {
            offset: query.offset,
            limit: query.limit,
            total: explanation.records.total,
            url: format!("{url}&offset="),
        };
        Self {
            service: names::service(app.engine().catalogue(), &charge.provider, &charge.service),
            period: query.bill.request.period,
            bill_href: format!("/bill?{}", query.bill.url_query()),
            per_million: number::per_million(&charge.unit_price),
            by_resource,
            by_day,
            window,
            explanation,
        }
    }

    /// How sure the price is, in words.
    fn mark(&self) -> &str {
        match self.explanation.charge.mark.as_str() {
            "seen" => "seen: read in the source itself",
            "derived" => "derived: worked out from published prices",
            "remembered" => "remembered: not yet checked against the source",
            other => other,
        }
    }
}

/// `GET /explain`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let query = ExplainQuery::read(&params)?;
    let explanation = query.answer(&app).await?;
    html(&Page::new(explanation, &query, &app))
}
