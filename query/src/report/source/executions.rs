//! Executions under way: from the starts and ends of each second that rollups have, and from the records of those seconds
//! of which that does not say all; or from the records alone.

mod sweep;
mod under_way;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::{Catalogue, Zone};

use self::sweep::{HourLoad, Sweep};
use self::under_way::{Part, UnderWay, Wanted};
use super::Records;
use crate::error::QueryError;
use crate::lake_state::{utc_days, view_under_way};
use crate::metering::timestamp;
use crate::rollup::DAY_HOURS;
use crate::rollup::store::Day;

/// When an execution starts, and how long it takes, in microseconds.
const START: &str = "CAST(started_at AS BIGINT)";
/// As [`START`].
const LENGTH: &str = "coalesce(duration_us, 0) + coalesce(init_us, 0)";

/// What was under way in some UTC days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Executions {
    /// The hours in which anything was, by their start.
    pub hours: BTreeMap<i64, HourLoad>,
    /// The highest peak and when it was first reached.
    pub peak: Option<(u64, i64)>,
    /// How many started in these days, or before and were under way when they began.
    pub count: u64,
}

impl Records<'_> {
    /// Every execution, initialisation included, that is under way at some moment of the UTC days.
    pub async fn executions(&self, session: &SessionContext) -> Result<Executions, QueryError> {
        match self.counted_executions(session).await? {
            Some(found) => Ok(found),
            None => self.swept_executions(session).await,
        }
    }

    /// The same from the records alone, in one sweep.
    pub async fn swept_executions(&self, session: &SessionContext) -> Result<Executions, QueryError> {
        let (from_us, to_us) = self.days.bounds_us(Zone::default());
        // Those that began before the first day and run into it count, however long ago that was.
        let sql = format!(
            "SELECT {START} AS start_us, {START} + {LENGTH} AS end_us FROM {} WHERE date <= DATE '{}' AND started_at < {} AND ({START} >= {from_us} OR {START} + {LENGTH} > {from_us}){} ORDER BY start_us",
            self.table.name(),
            self.days.to,
            timestamp(to_us),
            self.filters,
        );
        let mut sweep = Sweep::new(from_us, to_us);
        let count = each_interval(session, &sql, |start_us, end_us| sweep.add(start_us, end_us)).await?;
        let (hours, peak) = sweep.finish();
        Ok(Executions { hours, peak, count })
    }

    /// The same from rollups; nothing where they do not say it.
    pub async fn counted_executions(&self, session: &SessionContext) -> Result<Option<Executions>, QueryError> {
        if !self.is_of_classes() {
            return Ok(None);
        }
        let days = utc_days(self.days.bounds_us(Zone::default()));
        let Some(view) = view_under_way(session, self.catalogue, days.clone()).await? else { return Ok(None) };
        let is_chosen: Vec<bool> = view.classes.iter().map(|class| self.chooses(class)).collect();
        let (mut parts, mut started) = (Vec::new(), 0);
        for of_day in &view.days {
            let rollup = &of_day.rollup;
            let chosen = |class: usize| is_chosen[of_day.numbers[class] as usize];
            if (0..rollup.classes.len()).all(chosen) {
                let Some(hours) = rollup.seconds() else { return Ok(None) };
                parts.push(Part { day: rollup.day, hours: hours.clone() });
            } else if (0..rollup.classes.len()).any(chosen) {
                let Some(hours) = rollup.class_seconds() else { return Ok(None) };
                let of_class = |class: usize| Part { day: rollup.day, hours: hours.of_class(class) };
                parts.extend((0..rollup.classes.len()).filter(|class| chosen(*class)).map(of_class));
            }
            if days.contains(&rollup.day) {
                let counts = rollup.cell_classes.iter().zip(&rollup.counts);
                started += counts.filter(|(class, _)| chosen(**class as usize)).map(|(_, count)| count).sum::<u64>();
            }
        }
        let under_way = UnderWay::of(&parts, hours_of(&days), Wanted::Everything);
        if under_way.is_mostly_open() {
            return Ok(None);
        }
        let events = events(session, &under_way, &self.filters).await?;
        let count = started + under_way.running_at_first;
        Ok(under_way.finish(events).map(|(hours, peak)| Executions { hours, peak, count }))
    }
}

/// The most executions at one moment of each hour of some UTC days, hours since 1970; nothing where rollups do not say it.
pub(crate) async fn hourly_peaks(
    session: &SessionContext,
    catalogue: &Catalogue,
    days: RangeInclusive<i32>,
) -> Result<Option<Vec<(i64, u64)>>, QueryError> {
    let hours = hours_of(&days);
    let Some(view) = view_under_way(session, catalogue, days).await? else { return Ok(None) };
    let part = |of_day: &Arc<Day>| Some(Part { day: of_day.rollup.day, hours: of_day.rollup.seconds()?.clone() });
    let Some(parts) = view.days.iter().map(part).collect::<Option<Vec<Part>>>() else { return Ok(None) };
    let under_way = UnderWay::of(&parts, hours, Wanted::Peaks);
    let events = events(session, &under_way, "").await?;
    let Some((found, _)) = under_way.finish(events) else { return Ok(None) };
    let peak = |hour: i64| (hour, found.get(&(hour * HOUR_US)).map_or(0, |load| load.peak));
    Ok(Some((hours.0..hours.1).map(peak).collect()))
}

/// The first of the hours of some UTC days, and the one after the last.
fn hours_of(days: &RangeInclusive<i32>) -> (i64, i64) {
    (i64::from(*days.start()) * DAY_HOURS, (i64::from(*days.end()) + 1) * DAY_HOURS)
}

/// What records that pass filters, each after ` AND `, tell of the seconds that are to be looked at.
async fn events(session: &SessionContext, under_way: &UnderWay, filters: &str) -> Result<Vec<(i64, bool)>, QueryError> {
    let mut events = Vec::new();
    if !under_way.is_known() {
        let date = |day: &i32| NaiveDate::from_epoch_days(*day).map(|date| format!("DATE '{date}'"));
        let dates = under_way.days.iter().filter_map(date).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT {START} AS start_us, {START} + {LENGTH} AS end_us FROM invocations WHERE date IN ({dates}){filters}"
        );
        each_interval(session, &sql, |start_us, end_us| under_way.take(start_us, end_us, &mut events)).await?;
    }
    Ok(events)
}

/// Hands on start and end of each row; how many there are.
async fn each_interval(session: &SessionContext, sql: &str, mut take: impl FnMut(i64, i64)) -> Result<u64, QueryError> {
    let mut batches = session.sql(sql).await?.execute_stream().await?;
    let mut count = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let (starts, ends) = (cast(batch.column(0), &DataType::Int64)?, cast(batch.column(1), &DataType::Int64)?);
        let (starts, ends) = (starts.as_primitive::<Int64Type>(), ends.as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            take(starts.value(row), ends.value(row));
        }
        count += batch.num_rows() as u64;
    }
    Ok(count)
}
