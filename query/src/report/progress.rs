//! How far a month has come, which says what of it is still to come.

use chrono::NaiveDate;
use datafusion::prelude::SessionContext;
use paygrain_pricing::period::DAY_US;
use paygrain_pricing::{Period, Zone};

use crate::engine::Engine;
use crate::error::QueryError;
use crate::overview::latest_us;

/// How far a month has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is over: there is usage after it.
    Over,
    /// The time of its latest record, microseconds since 1970 UTC.
    Until(i64),
}

impl Progress {
    /// How much of a month is behind us, at least a day of it, in microseconds.
    pub fn elapsed_us(self, start_us: i64, end_us: i64) -> i64 {
        match self {
            Self::Over => end_us - start_us,
            Self::Until(latest_us) => (latest_us - start_us).clamp(DAY_US, end_us - start_us),
        }
    }

    /// The last day that is surely complete: the one before the latest record, be it in the month before, or the last day
    /// of the month where that is on it.
    pub fn complete_until(self, period: Period) -> NaiveDate {
        match self {
            Self::Over => period.last_day(),
            Self::Until(latest_us) => {
                let latest = Zone::default().day_of(latest_us);
                match latest >= period.last_day() {
                    true => period.last_day(),
                    false => latest.pred_opt().unwrap_or(latest),
                }
            }
        }
    }
}

/// How far a month has come, by what the lake has: no clock is asked.
pub(crate) async fn progress(
    engine: &Engine,
    session: &SessionContext,
    period: Period,
) -> Result<Progress, QueryError> {
    if engine.periods().await?.first().is_some_and(|latest| *latest > period) {
        return Ok(Progress::Over);
    }
    let latest_us = latest_us(session, engine.catalogue().widest_period_us(period)).await?;
    Ok(latest_us.map_or(Progress::Over, Progress::Until))
}
