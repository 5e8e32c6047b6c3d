//! `/bill`: every charge of a month, and its cost by any dimensions.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use paygrain_pricing::{Catalogue, Charge, Exact, Period};
use paygrain_query::{Bill, CostGroup, Dimension};

use crate::app::App;
use crate::bill_query::BillQuery;
use crate::csv_text::{CsvText, words};
use crate::error::{AppError, html};
use crate::filters;
use crate::params::Params;
use crate::{names, number};

/// The charges of one service.
struct Section {
    provider: String,
    service: String,
    title: String,
    charges: Vec<Charge>,
    list_cost: Exact,
    billed_cost: Exact,
}

/// A row of cost by dimensions.
struct GroupRow {
    /// The values as people call them.
    names: Vec<String>,
    list_cost: Exact,
    billed_cost: Exact,
}

/// Cost by dimensions, as far as it was asked for.
struct Groups {
    rows: Vec<GroupRow>,
    list_cost: Exact,
    billed_cost: Exact,
}

#[derive(Template)]
#[template(path = "bill.html")]
struct Page {
    query: BillQuery,
    periods: Vec<Period>,
    sections: Vec<Section>,
    groups: Option<Groups>,
    bill: Bill,
}

impl Page {
    fn dimensions(&self) -> [Dimension; Dimension::ALL.len()] {
        Dimension::ALL
    }

    fn earlier(&self) -> Option<&Period> {
        self.periods.iter().filter(|period| **period < self.bill.period).max()
    }

    fn later(&self) -> Option<&Period> {
        self.periods.iter().filter(|period| **period > self.bill.period).min()
    }

    /// The URL of the charges alone.
    fn charges_query(&self) -> String {
        let mut query = self.query.clone();
        query.request.by.clear();
        query.only.clear();
        query.url_query()
    }

    fn per_million(&self, charge: &Charge) -> Option<Exact> {
        number::per_million(&charge.unit_price)
    }

    /// The sum of rounded charges as a number, to be written like the others.
    fn sum_of_rounded(&self) -> Exact {
        self.bill.sum_of_rounded_charges.parse().unwrap_or_else(|_| self.bill.total.clone())
    }
}

fn sections(bill: &mut Bill, app: &App) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for charge in std::mem::take(&mut bill.charges) {
        let place = sections
            .iter()
            .position(|section| section.provider == charge.provider && section.service == charge.service);
        match place {
            Some(place) => {
                let section = &mut sections[place];
                section.list_cost = &section.list_cost + &charge.list_cost;
                section.billed_cost = &section.billed_cost + &charge.billed_cost;
                section.charges.push(charge);
            }
            None => sections.push(Section {
                title: names::service(app.engine().catalogue(), &charge.provider, &charge.service),
                provider: charge.provider.clone(),
                service: charge.service.clone(),
                list_cost: charge.list_cost.clone(),
                billed_cost: charge.billed_cost.clone(),
                charges: vec![charge],
            }),
        }
    }
    sections
}

/// The groups of the bill that the query asks for.
fn chosen(bill: &mut Bill, query: &BillQuery) -> Vec<CostGroup> {
    std::mem::take(&mut bill.groups).into_iter().filter(|group| query.shows(group)).collect()
}

fn groups(bill: &mut Bill, query: &BillQuery, catalogue: &Catalogue) -> Option<Groups> {
    if bill.by.is_empty() {
        return None;
    }
    let chosen = chosen(bill, query);
    let list_cost = chosen.iter().map(|group| &group.list_cost).sum();
    let billed_cost = chosen.iter().map(|group| &group.billed_cost).sum();
    let name = |(value, dimension): (String, &Dimension)| match dimension {
        Dimension::Service => names::service_alone(catalogue, &value),
        _ => value,
    };
    let row = |group: CostGroup| GroupRow {
        names: group.key.into_iter().zip(&query.request.by).map(name).collect(),
        list_cost: group.list_cost,
        billed_cost: group.billed_cost,
    };
    Some(Groups { rows: chosen.into_iter().map(row).collect(), list_cost, billed_cost })
}

#[derive(Template)]
#[template(path = "bill_empty.html")]
struct Empty;

/// `GET /bill`
pub async fn page(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let Some(query) = BillQuery::read_or_latest(&params, &app).await? else { return html(&Empty) };
    let periods = app.engine().periods().await?;
    let mut bill = app.engine().bill(&query.request).await?;
    let groups = groups(&mut bill, &query, app.engine().catalogue());
    let sections = sections(&mut bill, &app);
    html(&Page { query, periods, sections, groups, bill })
}

/// `GET /bill.csv`: the groups when there are any, else the charges.
pub async fn csv(State(app): State<App>, params: Params) -> Result<Response, AppError> {
    let Some(query) = BillQuery::read_or_latest(&params, &app).await? else {
        return CsvText::new(CHARGE_COLUMNS)?.download("paygrain-bill.csv");
    };
    let mut bill = app.engine().bill(&query.request).await?;
    if bill.by.is_empty() {
        let mut text = CsvText::new(CHARGE_COLUMNS)?;
        for charge in &bill.charges {
            text.row(charge_row(charge, bill.period))?;
        }
        return text.download(&format!("paygrain-bill-{}.csv", bill.period));
    }
    let mut text = CsvText::new(bill.by.iter().copied().chain(["currency", "list_cost", "billed_cost"]))?;
    for group in chosen(&mut bill, &query) {
        let key = group.key.iter().map(|value| words(value));
        let costs = [words(&bill.currency), group.list_cost.to_string(), group.billed_cost.to_string()];
        text.row(key.chain(costs))?;
    }
    text.download(&format!("paygrain-bill-{}-by-{}.csv", bill.period, bill.by.join("-")))
}

const CHARGE_COLUMNS: [&str; 25] = [
    "period",
    "provider",
    "service",
    "sku",
    "description",
    "organisation",
    "account",
    "region",
    "resource",
    "consumed_quantity",
    "consumed_unit",
    "free_quantity",
    "pricing_quantity",
    "pricing_unit",
    "tier",
    "unit_price",
    "currency",
    "list_cost",
    "billed_cost",
    "adjustment",
    "record_count",
    "price_book",
    "price_book_version",
    "price_from",
    "charge_id",
];

fn charge_row(charge: &Charge, period: Period) -> [String; 25] {
    let scope = |value: &Option<String>| value.as_deref().map(words).unwrap_or_default();
    [
        period.to_string(),
        words(&charge.provider),
        words(&charge.service),
        words(&charge.sku),
        words(&charge.description),
        scope(&charge.scope.organisation),
        scope(&charge.scope.account),
        scope(&charge.scope.region),
        scope(&charge.scope.resource),
        charge.consumed_quantity.to_string(),
        words(&charge.consumed_unit),
        charge.free_quantity.to_string(),
        charge.pricing_quantity.to_string(),
        words(&charge.pricing_unit),
        charge.tier.to_string(),
        charge.unit_price.to_string(),
        words(&charge.currency),
        charge.list_cost.to_string(),
        charge.billed_cost.to_string(),
        charge.adjustment.to_string(),
        charge.record_count.to_string(),
        words(&charge.price_book),
        words(&charge.price_book_version),
        charge.price_from.map(|day| day.to_string()).unwrap_or_default(),
        words(&charge.id),
    ]
}
