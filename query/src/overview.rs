//! The overview page: total, daily cost by service, top resources.

use chrono::NaiveDate;
use datafusion::prelude::SessionContext;
use paygrain_ingest::table::Table;
use paygrain_pricing::{Exact, Period};
use serde::Serialize;

use crate::bill::{Attribution, BillRequest, CostGroup, Dimension, RatedUsage, UnpricedUsage};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::lake_state::answer;
use crate::metering::{cell, within};

/// Answers of the overview page.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// The month shown.
    pub period: Period,
    /// Months that have usage, latest first.
    pub periods: Vec<Period>,
    /// Currency of every amount.
    pub currency: String,
    /// Billed cost of the month, exact.
    pub total: Exact,
    /// Before allowances, exact.
    pub list_total: Exact,
    /// Billed cost of the month before, if there was usage.
    pub previous_total: Option<Exact>,
    /// Days of the month, in order.
    pub days: Vec<NaiveDate>,
    /// Billed cost per day, one series per service, most expensive first; at most nine and `Other`.
    pub series: Vec<Series>,
    /// Most expensive resources: key is service, resource.
    pub top_resources: Vec<CostGroup>,
    /// Usage that no SKU prices.
    pub unpriced: Vec<UnpricedUsage>,
    /// Usage records of the month.
    pub record_count: u64,
    /// Uploads in the lake.
    pub upload_count: u64,
    /// Time of the latest record in the month, microseconds since 1970 UTC.
    pub latest_us: Option<i64>,
}

/// One band of the daily chart.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// Service.
    pub name: String,
    /// Billed cost per day of [`Overview::days`].
    pub billed_cost: Vec<Exact>,
    /// Cost before allowances per day.
    pub list_cost: Vec<Exact>,
    /// Sum of the billed cost.
    pub total: Exact,
    /// Sum of the list cost.
    pub list_total: Exact,
}

/// Services with a band of their own in the daily chart; the rest is one more band.
const SERIES_MAX: usize = 9;
/// Rows of the list of most expensive resources.
const TOP_RESOURCES: usize = 10;
/// Name of the band of all other services.
pub const OTHER: &str = "Other";

impl Overview {
    pub(crate) async fn of(engine: &Engine, period: Period, periods: Vec<Period>) -> Result<Self, QueryError> {
        let session = engine.session().await?;
        let request = engine.agreed(&BillRequest::new(period));
        let usage = RatedUsage::of(&session, engine.catalogue(), &request).await?;
        let bill = usage.bill(&request)?;
        let previous_total = match periods.contains(&period.previous()) {
            true => Some(engine.bill(&BillRequest::new(period.previous())).await?.total),
            false => None,
        };
        let days: Vec<NaiveDate> = period.first_day().iter_days().take(period.days() as usize).collect();
        let by_day = usage.group(&[Dimension::Service, Dimension::Day], Attribution::Time);
        let mut top_resources = usage.group(&[Dimension::Service, Dimension::Resource], Attribution::Time);
        top_resources.truncate(TOP_RESOURCES);
        Ok(Self {
            period,
            periods,
            currency: bill.currency,
            total: bill.total,
            list_total: bill.list_total,
            previous_total,
            series: series(&by_day, &days),
            days,
            top_resources,
            unpriced: bill.unpriced,
            record_count: bill.record_count,
            upload_count: engine.lake().uploads().await?.len() as u64,
            latest_us: *answer(&session, engine.catalogue(), |kept| &kept.latest, &format!("latest {period}"), async {
                Ok((latest_us(&session, engine.catalogue().widest_period_us(period)).await?, 1))
            })
            .await?,
        })
    }
}

/// The daily bands, most expensive service first.
fn series(by_day: &[CostGroup], days: &[NaiveDate]) -> Vec<Series> {
    let mut bands: Vec<Series> = Vec::new();
    for group in by_day {
        let [service, day] = &group.key[..] else { continue };
        let Some(place) = days.iter().position(|known| known.to_string() == *day) else { continue };
        let band = match bands.iter().position(|band| band.name == *service) {
            Some(band) => &mut bands[band],
            None => {
                bands.push(Series::empty(service, days.len()));
                let last = bands.len() - 1;
                &mut bands[last]
            }
        };
        band.add(place, &group.billed_cost, &group.list_cost);
    }
    bands.sort_by(|a, b| (&b.total, &b.list_total, &a.name).cmp(&(&a.total, &a.list_total, &b.name)));
    if bands.len() > SERIES_MAX + 1 {
        let mut other = Series::empty(OTHER, days.len());
        for band in bands.split_off(SERIES_MAX) {
            for (place, (billed, list)) in band.billed_cost.iter().zip(&band.list_cost).enumerate() {
                other.add(place, billed, list);
            }
        }
        bands.push(other);
    }
    bands
}

impl Series {
    fn empty(name: &str, days: usize) -> Self {
        let zeros = vec![Exact::zero(); days];
        Self {
            name: name.to_owned(),
            billed_cost: zeros.clone(),
            list_cost: zeros,
            total: Exact::zero(),
            list_total: Exact::zero(),
        }
    }

    fn add(&mut self, place: usize, billed: &Exact, list: &Exact) {
        self.billed_cost[place] += billed;
        self.list_cost[place] += list;
        self.total += billed;
        self.list_total += list;
    }
}

/// Time of the latest record of a period.
pub(crate) async fn latest_us(session: &SessionContext, bounds: (i64, i64)) -> Result<Option<i64>, QueryError> {
    let mut latest = None;
    for table in Table::USAGE {
        let time = table.time_column();
        let sql = format!("SELECT CAST(max({time}) AS BIGINT) FROM {} WHERE {}", table.name(), within(table, bounds));
        for batch in session.sql(&sql).await?.collect().await? {
            let found = cell(&batch, 0, 0)?.and_then(|text| text.parse::<i64>().ok());
            latest = latest.max(found);
        }
    }
    Ok(latest)
}
