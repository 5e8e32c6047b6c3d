//! `forecast`: the bill of the month as it will be if usage goes on as it did.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Datelike, NaiveDate};
use paygrain_pricing::{Catalogue, Exact, Period};
use serde::Serialize;

use super::cost::is_time;
use super::costs::{Cost, Costs, UsageRow, bill_request, key_columns, key_of, rate_rows, usage_rows};
use super::parameters::{BY, Days, Given, PERIOD, Parameter, bad, cost_parameters};
use super::progress::progress;
use super::statistics::root_in_millionths;
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::bill::{BillRequest, Dimension, RatedUsage};
use crate::engine::Engine;
use crate::error::QueryError;

const AS_OF: Parameter = Parameter {
    name: "as_of",
    meaning: "last day whose usage is complete (YYYY-MM-DD); the day before the latest record if not given",
};

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "forecast",
    meaning: "an estimate of the month's bill, if usage goes on as it did",
    method: "An estimate. Every day still to come gets the mean usage of the same weekday in the 28 days up to `as_of`, hour by hour (of all those days, where there are fewer than two of the weekday). The recorded and the expected usage of the whole month are rated together, so allowances, tiers and commitments apply as on a bill. The band is the same with the expected usage smaller and larger by twice the mean absolute deviation of the days' list cost from the mean of their weekday, relative to it, divided by the square root of the days to come. It assumes that days vary independently, and is no promise.",
    estimate: true,
    parameters: &cost_parameters![PERIOD, AS_OF, BY],
    run: |engine, given| Box::pin(run(engine, given)),
};

/// Days looked back: four of each weekday.
const HISTORY_DAYS: i64 = 28;
/// How many relative deviations the band is wide, to each side.
const BAND: u32 = 2;

/// What a combination of values will cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ForecastRow {
    #[serde(flatten)]
    key: BTreeMap<&'static str, String>,
    billed_cost_to_date: Exact,
    forecast_low: Exact,
    forecast: Exact,
    forecast_high: Exact,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Summary {
    as_of: NaiveDate,
    history_from: NaiveDate,
    days_to_come: i64,
    band_share: Exact,
    billed_cost_to_date: Exact,
    forecast_low: Exact,
    forecast: Exact,
    forecast_high: Exact,
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let by = given.dimensions(&[Dimension::Provider, Dimension::Service])?;
    if let Some(time) = by.iter().find(|dimension| is_time(**dimension)) {
        let known = Dimension::ALL.into_iter().filter(|known| !is_time(*known)).map(Dimension::name).collect();
        return Err(QueryError::NoSuchChoice { what: "dimension of a forecast", name: time.name().to_owned(), known });
    }
    let selection = given.selection_by(engine, &by).await?;
    let mut columns = key_columns(&by);
    columns.extend([
        column("billed_cost_to_date", ColumnKind::Amount, "billed for the days up to `as_of`"),
        column("forecast_low", ColumnKind::Amount, "estimate for the month, at the lower end of the band"),
        column("forecast", ColumnKind::Amount, "estimate for the month"),
        column("forecast_high", ColumnKind::Amount, "estimate for the month, at the upper end of the band"),
    ]);
    let (Some(days), Some(period)) = (selection.days, selection.days.and_then(|days| days.period)) else {
        return Ok(Body::without_rows(selection.days, columns));
    };
    let session = engine.session().await?;
    let as_of = match given.day("as_of")? {
        Some(day) if !days.contains(day) && day.succ_opt() != Some(days.from) => {
            return Err(bad("as_of", &day.to_string(), "a day of the month that is forecast, or the one before it"));
        }
        Some(day) => day,
        None => progress(engine, &session, period).await?.complete_until(period),
    };
    let request = bill_request(engine, &selection, period);
    let request_before = bill_request(engine, &selection, period.previous());
    let months = [
        RatedUsage::of(&session, engine.catalogue(), &request_before).await?,
        RatedUsage::of(&session, engine.catalogue(), &request).await?,
    ];
    let Some(projection) = Projection::of(engine.catalogue(), &months, as_of, period) else {
        return Ok(Body::without_rows(Some(days), columns));
    };
    let as_of = projection.as_of;
    let history = Days { from: projection.history_from, to: as_of, period: None };
    let daily = Costs::of_months(months.to_vec(), &selection, history).group(&[Dimension::Day]);
    let daily: BTreeMap<NaiveDate, Exact> =
        daily.into_iter().filter_map(|(day, cost)| Some((day.first()?.parse().ok()?, cost.list))).collect();
    let band = band(&daily, history, projection.days_to_come.len());
    let rated = |factor: &Exact| projection.rated(engine.catalogue(), &request, factor);
    let costs = |usage: Arc<RatedUsage>, days: Days| Costs::of_months(vec![usage], &selection, days);
    let one = Exact::one();
    let low = costs(rated(&(&one - &band).max(Exact::zero())), days);
    let high = costs(rated(&(&one + &band)), days);
    let usage = rated(&one);
    let to_date = costs(usage.clone(), Days { to: as_of, ..days });
    let middle = costs(usage, days);
    let currency = middle.currency()?;
    let rows = rows_of(&by, [&to_date, &low, &middle, &high].map(|costs| costs.group(&by)));
    let sum = |amount: fn(&ForecastRow) -> &Exact| rows.iter().map(amount).sum::<Exact>();
    let summary = Summary {
        as_of,
        history_from: projection.history_from,
        days_to_come: projection.days_to_come.len() as i64,
        band_share: band,
        billed_cost_to_date: sum(|row| &row.billed_cost_to_date),
        forecast_low: sum(|row| &row.forecast_low),
        forecast: sum(|row| &row.forecast),
        forecast_high: sum(|row| &row.forecast_high),
    };
    let rows = limited(rows, selection.limit);
    Ok(Body::new(days, columns, &rows).in_currency(currency).with_summary(&summary))
}

/// The usage of a month: what was recorded, and what is expected.
struct Projection {
    recorded: Vec<UsageRow>,
    expected: Vec<UsageRow>,
    history_from: NaiveDate,
    as_of: NaiveDate,
    days_to_come: Vec<NaiveDate>,
    /// The columns of the rows' details.
    details: Vec<&'static str>,
}

impl Projection {
    /// Expects of each day to come what its weekday had; nothing where there is no usage to go by.
    fn of(catalogue: &Catalogue, months: &[Arc<RatedUsage>], as_of: NaiveDate, period: Period) -> Option<Self> {
        let rows: Vec<UsageRow> = months.iter().flat_map(|month| usage_rows(month)).collect();
        let first = rows.iter().map(|row| row.day).min()?;
        // On the first day of all, that is what there is to go by.
        let as_of = as_of.max(first);
        let history_from = first.max(as_of - chrono::Duration::days(HISTORY_DAYS - 1));
        let history = Days { from: history_from, to: as_of, period: None };
        let mut by_day: BTreeMap<NaiveDate, Vec<&UsageRow>> = BTreeMap::new();
        for row in rows.iter().filter(|row| history.contains(row.day)) {
            by_day.entry(row.day).or_default().push(row);
        }
        let days_to_come: Vec<NaiveDate> =
            as_of.iter_days().skip(1).take_while(|day| *day <= period.last_day()).collect();
        let mut expected = Vec::new();
        for day in &days_to_come {
            let alike = days_like(*day, history);
            let part = Exact::ratio(1, alike.len() as i128).unwrap_or_default();
            for row in alike.iter().flat_map(|known| by_day.get(known)).flatten() {
                let zone = catalogue.sku(row.sku).zone;
                let hour_us = zone.days_later_us(row.hour_us, (*day - row.day).num_days());
                expected.push(UsageRow { hour_us, day: *day, quantity: &row.quantity * &part, ..(*row).clone() });
            }
        }
        let in_month = |row: &UsageRow| period.first_day() <= row.day && row.day <= as_of;
        let recorded = rows.into_iter().filter(in_month).collect();
        let details = months.first()?.details.clone();
        Some(Self { recorded, expected, history_from, as_of, days_to_come, details })
    }

    /// The whole month rated, with so much of the expected usage.
    fn rated(&self, catalogue: &Catalogue, request: &BillRequest, factor: &Exact) -> Arc<RatedUsage> {
        let scaled = |row: &UsageRow| UsageRow { quantity: &row.quantity * factor, ..row.clone() };
        let rows = self.recorded.iter().cloned().chain(self.expected.iter().map(scaled));
        rate_rows(catalogue, request, &self.details, rows.collect())
    }
}

/// The days of a range of the same weekday; all of them where there are fewer than two.
fn days_like(day: NaiveDate, history: Days) -> Vec<NaiveDate> {
    let alike: Vec<NaiveDate> = history.each().filter(|known| known.weekday() == day.weekday()).collect();
    if alike.len() < 2 { history.each().collect() } else { alike }
}

/// How far the expected usage may be off, as a part of it: see the method.
fn band(daily: &BTreeMap<NaiveDate, Exact>, history: Days, days_to_come: usize) -> Exact {
    let zero = Exact::zero();
    let cost = |day: NaiveDate| daily.get(&day).unwrap_or(&zero);
    let (mut deviation, mut whole) = (Exact::zero(), Exact::zero());
    for day in history.each() {
        let alike = days_like(day, history);
        let sum: Exact = alike.iter().map(|day| cost(*day)).sum();
        let mean = sum.checked_div(&Exact::from(alike.len() as u64)).unwrap_or_default();
        deviation += (cost(day) - &mean).abs();
        whole += mean;
    }
    let relative = deviation.checked_div(&whole).unwrap_or_default();
    (relative * Exact::from(BAND)).checked_div(&root_in_millionths(days_to_come as u64)).unwrap_or_default()
}

/// By forecast, highest first.
fn rows_of(by: &[Dimension], groups: [BTreeMap<Vec<String>, Cost>; 4]) -> Vec<ForecastRow> {
    let billed = |groups: &BTreeMap<Vec<String>, Cost>, key: &Vec<String>| {
        groups.get(key).map(|cost| cost.billed.clone()).unwrap_or_default()
    };
    let row = |key: &Vec<String>| {
        let [to_date, low, middle, high] = [0, 1, 2, 3].map(|place: usize| billed(&groups[place], key));
        ForecastRow {
            key: key_of(by, key),
            billed_cost_to_date: to_date,
            // Where a group comes first or last at an allowance depends on the others: the band still holds the middle.
            forecast_low: low.clone().min(middle.clone()).min(high.clone()),
            forecast_high: low.max(middle.clone()).max(high),
            forecast: middle,
        }
    };
    let mut rows: Vec<ForecastRow> = groups[2].keys().map(row).collect();
    rows.sort_by_cached_key(|row| (std::cmp::Reverse(row.forecast.clone()), row.key.clone()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Usage, selection};
    use paygrain_ingest::record::Invocation;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// So many seconds at 1 GB each day of a range, spread over three hours.
    fn usage(from: &str, to: &str, seconds: impl Fn(NaiveDate) -> i64) -> Usage {
        let mut rows = Vec::new();
        for day in day(from).iter_days().take_while(|known| *known <= day(to)) {
            for hour in [3, 9, 22] {
                let row = Invocation {
                    provider: "aws".into(),
                    service: "lambda".into(),
                    account: Some("1".into()),
                    region: Some("us-east-1".into()),
                    resource: Some(format!("f{hour}")),
                    duration_us: Some(seconds(day) * 1_000_000),
                    memory_mb: Some(1024),
                    ..Invocation::default()
                };
                rows.push((day.and_hms_opt(hour, 0, 0).unwrap().and_utc().timestamp_micros(), row));
            }
        }
        Usage(rows)
    }

    async fn rated(usage: &Usage, request: &BillRequest) -> Arc<RatedUsage> {
        RatedUsage::of(&usage.session(), &Catalogue::embedded().unwrap(), request).await.unwrap()
    }

    fn total(usage: &RatedUsage) -> Exact {
        usage.rated.charges.iter().map(|charge| &charge.billed_cost).sum()
    }

    /// 20,000 s on workdays, 3,000 s on Saturdays, 1,000 s on Sundays, three times.
    fn weekly(day: NaiveDate) -> i64 {
        match day.weekday() {
            chrono::Weekday::Sat => 3_000,
            chrono::Weekday::Sun => 1_000,
            _ => 20_000,
        }
    }

    #[tokio::test]
    async fn what_repeats_every_week_is_forecast_to_the_last_digit() {
        let catalogue = Catalogue::embedded().unwrap();
        // With the free tier, which is used up in the month whatever is to come.
        let request = BillRequest::new("2026-10".parse().unwrap());
        let truth = total(rated(&usage("2026-10-01", "2026-10-31", weekly), &request).await.as_ref());
        assert!(truth.is_positive());
        let september = BillRequest::new("2026-09".parse().unwrap());
        for as_of in ["2026-09-30", "2026-10-01", "2026-10-11", "2026-10-30", "2026-10-31"] {
            let recorded = usage("2026-09-03", as_of, weekly);
            let months = [rated(&recorded, &september).await, rated(&recorded, &request).await];
            let projection = Projection::of(&catalogue, &months, day(as_of), request.period).unwrap();
            assert_eq!(total(&projection.rated(&catalogue, &request, &Exact::one())), truth, "{as_of}");
            assert_eq!(projection.history_from, day(as_of) - chrono::Duration::days(27));
        }
    }

    #[tokio::test]
    async fn allowances_are_applied_to_the_expected_usage() {
        // 30,000 GB-s a day: 400,000 are free, so the first 13 days cost hardly anything; money scaled up would miss it.
        let catalogue = Catalogue::embedded().unwrap();
        let request = BillRequest::new("2026-10".parse().unwrap());
        let recorded = usage("2026-10-01", "2026-10-10", |_| 10_000);
        let rated = rated(&recorded, &request).await;
        assert_eq!(total(&rated), Exact::zero());
        let projection = Projection::of(&catalogue, &[rated], day("2026-10-10"), request.period).unwrap();
        let forecast = total(&projection.rated(&catalogue, &request, &Exact::one()));
        // (31 * 30,000 - 400,000) * 0.0000166667
        assert_eq!(forecast, Exact::from(530_000) * "0.0000166667".parse::<Exact>().unwrap());
    }

    #[test]
    fn a_band_is_as_wide_as_days_differ() {
        let history = Days { from: day("2026-10-01"), to: day("2026-10-28"), period: None };
        let daily = |cost: &dyn Fn(NaiveDate) -> i64| {
            history.each().map(|day| (day, Exact::from(cost(day)))).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(band(&daily(&weekly), history, 3), Exact::zero());
        // Weeks of 9 and of 11 each day: a tenth off the mean of 10; twice that, over the root of 4 days.
        let alternating = daily(&|day| 9 + i64::from(day.day0() / 7 % 2) * 2);
        assert_eq!(band(&alternating, history, 4), Exact::ratio(1, 10).unwrap());
        assert_eq!(band(&alternating, history, 0), Exact::zero(), "nothing to come is certain");
        assert_eq!(band(&BTreeMap::new(), history, 4), Exact::zero());
    }

    #[test]
    fn a_weekday_seen_once_is_taken_from_all_days() {
        let history = Days { from: day("2026-10-01"), to: day("2026-10-10"), period: None };
        assert_eq!(days_like(day("2026-10-16"), history), [day("2026-10-02"), day("2026-10-09")]);
        assert_eq!(days_like(day("2026-10-12"), history).len(), 10);
    }

    #[tokio::test]
    async fn rows_hold_their_middle() {
        let selection = selection("2026-10");
        let request = BillRequest { rating: selection.rating.clone(), ..BillRequest::new("2026-10".parse().unwrap()) };
        let catalogue = Catalogue::embedded().unwrap();
        let months = [rated(&usage("2026-10-01", "2026-10-10", weekly), &request).await];
        let projection = Projection::of(&catalogue, &months, day("2026-10-10"), request.period).unwrap();
        let by = [Dimension::Resource];
        let group = |factor: Exact| {
            let usage = projection.rated(&catalogue, &request, &factor);
            Costs::of_months(vec![usage], &selection, selection.days.unwrap()).group(&by)
        };
        let [half, one, two] = [Exact::ratio(1, 2).unwrap(), Exact::one(), Exact::from(2)].map(group);
        let rows = rows_of(&by, [BTreeMap::new(), half, one, two]);
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| row.forecast_low < row.forecast && row.forecast < row.forecast_high));
    }
}
