//! `anomalies`: days that cost other than such days did.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Weekday};
use paygrain_pricing::Exact;
use serde::Serialize;

use super::cost::is_time;
use super::costs::{Cost, Costs, key_columns, key_of};
use super::parameters::{BY, Days, FROM, Given, PERIOD, Parameter, TO, usage_parameters};
use super::progress::progress;
use super::statistics::{median, median_distance};
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::bill::Dimension;
use crate::engine::Engine;
use crate::error::QueryError;

const THRESHOLD: Parameter =
    Parameter { name: "threshold", meaning: "how many deviations off a day must be; 5 if not given" };
const MINIMUM: Parameter =
    Parameter { name: "minimum", meaning: "least difference in the currency of the bill; 1 if not given" };

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "anomalies",
    meaning: "days whose cost is far off what such days cost before",
    method: "An estimate of what is usual. The list cost of a day is compared with the median of the days of its kind (Monday to Friday, or weekend) in the 56 days before it. It is told if the difference is more than `threshold` deviations, at least `minimum`, and at least a tenth of the median. A deviation is 1.4826 times the median distance from the median (MAD), which for normal noise is its standard deviation. Fewer than eight days of the kind since the first usage tell nothing. List cost, since a free tier that is used up changes what is billed and not what is used. A day that is not over is left out.",
    estimate: true,
    parameters: &usage_parameters![PERIOD, FROM, TO, BY, THRESHOLD, MINIMUM],
    run: |engine, given| Box::pin(run(engine, given)),
};

/// Days looked back: eight weeks.
const HISTORY_DAYS: i64 = 56;
/// Fewest days of a kind that tell what is usual.
const HISTORY_LEAST: usize = 8;

/// A day that is off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct AnomalyRow {
    #[serde(flatten)]
    key: BTreeMap<&'static str, String>,
    day: NaiveDate,
    kind_of_day: &'static str,
    list_cost: Exact,
    usual_list_cost: Exact,
    difference: Exact,
    deviation: Exact,
    deviations: Option<Exact>,
    history_days: usize,
}

/// How far off a day must be.
#[derive(Clone, Debug)]
struct Limits {
    threshold: Exact,
    minimum: Exact,
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let mut by = given.dimensions(&[Dimension::Provider, Dimension::Service, Dimension::Resource])?;
    by.retain(|dimension| !is_time(*dimension));
    let limits = Limits {
        threshold: given.decimal("threshold")?.unwrap_or_else(|| Exact::from(5)),
        minimum: given.decimal("minimum")?.unwrap_or_else(Exact::one),
    };
    let selection = given.selection_by(engine, &by).await?;
    let mut columns = key_columns(&by);
    columns.extend([
        column("day", ColumnKind::Text, "the day"),
        column("kind_of_day", ColumnKind::Text, "`workday` or `weekend`"),
        column("list_cost", ColumnKind::Amount, "what it cost before allowances and discounts"),
        column("usual_list_cost", ColumnKind::Amount, "the median of such days before it"),
        column("difference", ColumnKind::Amount, "the first less the second"),
        column("deviation", ColumnKind::Amount, "1.4826 times the median distance of such days from their median"),
        column("deviations", ColumnKind::Quantity, "the difference in deviations; null where all such days were alike"),
        column("history_days", ColumnKind::Count, "how many such days it was compared with"),
    ]);
    let Some(days) = selection.days else { return Ok(Body::without_rows(None, columns)) };
    let session = engine.session().await?;
    let mut complete = days;
    if let Some(month) = days.months().last() {
        complete.to = days.to.min(progress(engine, &session, *month).await?.complete_until(*month));
    }
    let first = days.from - chrono::Duration::days(HISTORY_DAYS);
    let costs =
        Costs::of(engine, &session, &selection, Days { from: first, to: complete.to.max(first), period: None }).await?;
    let currency = costs.currency()?;
    let mut dimensions = by.clone();
    dimensions.push(Dimension::Day);
    let rows = rows(&by, costs.group(&dimensions), complete, &limits);
    Ok(Body::new(days, columns, &limited(rows, selection.limit)).in_currency(currency))
}

/// The days that are off, the largest difference first. The last part of a key is the day.
fn rows(by: &[Dimension], costs: BTreeMap<Vec<String>, Cost>, days: Days, limits: &Limits) -> Vec<AnomalyRow> {
    let mut series: BTreeMap<Vec<String>, BTreeMap<NaiveDate, Exact>> = BTreeMap::new();
    for (mut key, cost) in costs {
        let Some(day) = key.pop().and_then(|day| day.parse().ok()) else { continue };
        series.entry(key).or_default().insert(day, cost.list);
    }
    let mut rows = Vec::new();
    for (key, costs) in &series {
        let judged = days.each().filter_map(|day| judge(costs, day, limits));
        rows.extend(judged.map(|row| AnomalyRow { key: key_of(by, key), ..row }));
    }
    rows.sort_by_cached_key(|row| (Reverse(row.difference.abs()), row.day, row.key.clone()));
    rows
}

/// The day, if it is off. Days without usage cost nothing, from the first day with usage on.
fn judge(costs: &BTreeMap<NaiveDate, Exact>, day: NaiveDate, limits: &Limits) -> Option<AnomalyRow> {
    let first = *costs.keys().next()?;
    let cost = |day: NaiveDate| costs.get(&day).cloned().unwrap_or_default();
    let from = first.max(day - chrono::Duration::days(HISTORY_DAYS));
    let before = from.iter_days().take_while(|known| *known < day);
    let history: Vec<Exact> = before.filter(|known| is_weekend(*known) == is_weekend(day)).map(cost).collect();
    if history.len() < HISTORY_LEAST {
        return None;
    }
    let usual = median(&history)?;
    let deviation = median_distance(&history, &usual)? * Exact::ratio(7413, 5000)?;
    let list_cost = cost(day);
    let difference = &list_cost - &usual;
    let distance = difference.abs();
    let is_off = distance > &deviation * &limits.threshold
        && distance >= limits.minimum
        && distance >= &usual * Exact::ratio(1, 10)?
        && distance.is_positive();
    is_off.then(|| AnomalyRow {
        key: BTreeMap::new(),
        day,
        kind_of_day: if is_weekend(day) { "weekend" } else { "workday" },
        deviations: difference.checked_div(&deviation),
        list_cost,
        usual_list_cost: usual,
        difference,
        deviation,
        history_days: history.len(),
    })
}

fn is_weekend(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::Random;

    fn limits(minimum: i64) -> Limits {
        Limits { threshold: Exact::from(5), minimum: Exact::from(minimum) }
    }

    fn october() -> Days {
        Days::of("2026-10".parse().unwrap())
    }

    /// A hundred a workday and 40 on weekends, with noise that is nearly normal (a sum of twelve), from August on.
    fn noisy(seed: u64) -> BTreeMap<NaiveDate, Exact> {
        let mut random = Random(seed);
        let first: NaiveDate = "2026-08-01".parse().unwrap();
        first
            .iter_days()
            .take(92)
            .map(|day| {
                let noise: i64 = (0..12).map(|_| random.below(1001) as i64 - 500).sum::<i64>();
                let level = if is_weekend(day) { 40_000 } else { 100_000 };
                (day, Exact::ratio(i128::from(level + noise * 5), 1000).unwrap())
            })
            .collect()
    }

    fn found(costs: &BTreeMap<NaiveDate, Exact>, limits: &Limits) -> Vec<AnomalyRow> {
        october().each().filter_map(|day| judge(costs, day, limits)).collect()
    }

    #[test]
    fn planted_anomalies_are_found_and_hardly_anything_else() {
        let spike: NaiveDate = "2026-10-14".parse().unwrap();
        let dip: NaiveDate = "2026-10-24".parse().unwrap();
        let (mut planted, mut others, mut judged) = (0, 0, 0);
        for seed in 0..60 {
            let mut costs = noisy(seed);
            *costs.get_mut(&spike).unwrap() += Exact::from(60);
            costs.insert(dip, Exact::zero());
            for row in found(&costs, &limits(1)) {
                if row.day == spike || row.day == dip {
                    planted += 1;
                } else {
                    others += 1;
                }
            }
            judged += 31 - 2;
        }
        assert_eq!(planted, 120, "each spike and each dip");
        // At five deviations, even those of small samples: fewer than one clean day in 200.
        assert!(others * 200 < judged, "{others} of {judged} clean days are told");
    }

    #[test]
    fn small_differences_and_short_histories_are_not_told() {
        let level: BTreeMap<NaiveDate, Exact> = noisy(1).into_keys().map(|day| (day, Exact::from(100))).collect();
        assert!(found(&level, &limits(0)).is_empty(), "nothing differs");
        let changed = |by: i64| {
            let mut costs = level.clone();
            *costs.get_mut(&october().from).unwrap() += Exact::from(by);
            found(&costs, &limits(15))
        };
        assert!(changed(9).is_empty(), "less than a tenth");
        assert!(changed(14).is_empty(), "less than the minimum");
        let row = &changed(-15)[0];
        assert_eq!((row.difference.clone(), row.deviations.clone()), (Exact::from(-15), None));
        assert_eq!((row.history_days, row.kind_of_day), (40, "workday"));
        // A function that began on the 20th of September has seven workdays before the 1st... of 28 September on.
        let young: BTreeMap<NaiveDate, Exact> =
            level.into_iter().filter(|(day, _)| *day >= "2026-09-22".parse().unwrap()).collect();
        let mut costs = young.clone();
        *costs.get_mut(&october().from).unwrap() += Exact::from(500);
        assert!(found(&costs, &limits(1)).is_empty());
    }

    #[test]
    fn what_is_usual_is_worked_out_by_hand() {
        // Workdays before Monday the 5th: eight, of 1 to 8. Median 4.5, distances 0.5 to 3.5, their median 2.
        let mut costs = BTreeMap::new();
        let mut next = 1;
        for day in "2026-09-23".parse::<NaiveDate>().unwrap().iter_days().take(12) {
            if !is_weekend(day) {
                costs.insert(day, Exact::from(next));
                next += 1;
            }
        }
        costs.insert("2026-10-05".parse().unwrap(), Exact::from(40));
        let row = found(&costs, &limits(1)).into_iter().find(|row| row.day.day() == 5).unwrap();
        assert_eq!(row.usual_list_cost, Exact::ratio(9, 2).unwrap());
        assert_eq!(row.deviation, Exact::ratio(2 * 7413, 5000).unwrap());
        assert_eq!(row.deviations, Exact::ratio(71, 2).unwrap().checked_div(&row.deviation));
    }
}
