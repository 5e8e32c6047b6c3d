//! Instances that may be taken back: what is expected to be cut off and run again
//!
//! Times at which an instance is taken back are equally likely at every moment. An execution (of a task: with its start)
//! that takes D is cut off where one of them, after a notice of N, falls into it at x, N < x < D; x is lost then. At a
//! rate r that is r · (D − N) of executions and r · (D² − N²) / 2 of time: expected values, as exact fractions. That what
//! is run again is cut off again is left out; where it would matter, because r · (D − N) is 1 or more, the deployment is
//! refused.
use paygrain_pricing::{Exact, period::HOUR_US};

use crate::{
    assumptions::Assumptions,
    deployment::{Deployment, Scaling},
    load::Carried,
    outcome::Reason,
    prepared::Prepared,
    shown::{count, time},
    sizing::Sizing,
};

/// How often an instance is taken back, and how long before it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interruptions {
    /// How often in 1,000 hours of an instance.
    pub per_thousand_hours: i64,
    /// The time between the notice and the end, microseconds.
    pub notice_us: i64,
}

/// What is expected to be run again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Expected {
    /// Executions that are cut off.
    cut_count: Exact,
    /// Time that is lost, of each function, microseconds.
    lost_us: Vec<Exact>,
}

impl Interruptions {
    /// The rate, as a fraction of microseconds.
    fn rate(self) -> Exact {
        Exact::ratio(self.per_thousand_hours.into(), i128::from(HOUR_US) * 1000).unwrap_or_default()
    }

    /// What is expected, with so much before each execution that is lost with it.
    fn expected(self, prepared: &Prepared<'_>, before_us: i64) -> Expected {
        let (rate, half) = (self.rate(), Exact::ratio(1, 2).unwrap_or_default());
        let mut expected = Expected::default();
        for function in 0..prepared.workload.functions.len() {
            let (mut cut_us, mut squares) = (Exact::zero(), Exact::zero());
            for window in prepared.windows(function) {
                for (duration_us, times) in window.by_duration {
                    let whole_us = i128::from(duration_us.saturating_add(before_us));
                    let notice_us = i128::from(self.notice_us);
                    if whole_us > notice_us {
                        let times = Exact::from(i128::from(*times) * i128::from(window.repeats));
                        squares += Exact::from(whole_us * whole_us - notice_us * notice_us) * &times;
                        cut_us += Exact::from(whole_us - notice_us) * times;
                    }
                }
            }
            expected.cut_count += cut_us * &rate;
            expected.lost_us.push(squares * &half * &rate);
        }
        expected
    }
}

/// Adds what is expected to be run again to what instances did, and says so.
pub(crate) fn repeat(
    deployment: &Deployment,
    prepared: &Prepared<'_>,
    assumptions: &Assumptions,
    sizing: Option<Sizing>,
    carried: &mut Carried,
) -> Option<Reason> {
    let known = deployment.interruptions?;
    let per_thousand_hours = assumptions.interruptions_per_thousand_hours.unwrap_or(known.per_thousand_hours);
    let interruptions = Interruptions { per_thousand_hours, ..known };
    let before_us = if deployment.scaling == Scaling::Task { carried.start_us } else { 0 };
    let notice = time(known.notice_us);
    let reason = |blocks: bool, message: String| Some(Reason { code: "interruptions", blocks, message });
    let over_us = prepared.workload.longest_us().saturating_add(before_us).saturating_sub(known.notice_us);
    if over_us <= 0 {
        return reason(false, format!("may be taken back at a notice of {notice}: every execution ends before"));
    }
    if interruptions.rate() * Exact::from(over_us) >= Exact::one() {
        let message = format!(
            "instances are taken back {} times in 1,000 hours: the longest execution is not expected to end before",
            count(per_thousand_hours)
        );
        return reason(true, message);
    }
    let Expected { cut_count, lost_us } = interruptions.expected(prepared, before_us);
    let mut again_us: Exact = lost_us.iter().sum();
    let charged = match sizing {
        Some(Sizing::Fixed { .. }) => "in the time that is paid anyway",
        Some(_) => {
            // Those that share an instance are run again together, after the start of another one.
            again_us += &cut_count * Exact::from(carried.start_us);
            let together = carried.executions_at_once(prepared).max(Exact::one());
            again_us = again_us.checked_div(&together).unwrap_or_default();
            carried.up.add(whole_us(&again_us));
            "which is charged"
        }
        None => {
            carried.repeated = lost_us.iter().map(|lost_us| [(whole_us(lost_us), 1)]).collect();
            "which is charged"
        }
    };
    let seconds = Exact::ratio(1, 1_000_000).unwrap_or_default() * again_us;
    reason(
        false,
        format!(
            "may be taken back at a notice of {notice}, {} times in 1,000 hours: executions that take longer are lost then; {} of {} are expected to be run again, {} s in all, {charged}",
            count(per_thousand_hours),
            cut_count.round_half_up(2),
            count(prepared.workload.run_count()),
            count(seconds.round_half_up(0)),
        ),
    )
}

/// A time, up to whole microseconds.
fn whole_us(us: &Exact) -> i64 {
    us.ceil_to_integer().to_i128().and_then(|us| i64::try_from(us).ok()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
