//! Executions of a workload as usage: rows that are equal in all but time and duration, metered together
use std::collections::BTreeMap;

use super::{
    request::UsageRow,
    row::Row,
    slices::{Slices, scope_of},
};
use crate::{
    activity::{ActivityMeter, ActivityUsage, HourTime, Pool},
    book::Sku,
    catalogue::SkuIndex,
    exact::Exact,
    expression::{Expression, Value},
    rating::UsageSlice,
    scope::Scope,
    table::Table,
    unit::Window,
};

/// The column that differs between executions.
const DURATION: &str = "duration_us";
/// The column that differs between times that something is held.
const HELD: &str = "held_us";
/// The column that is a share of it.
const CPU: &str = "cpu_us";

/// What the spans of a row are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanColumn {
    /// Durations of executions: the column `duration_us`.
    #[default]
    Duration,
    /// How long something is held: the column `held_us`.
    Held,
}

impl SpanColumn {
    fn name(self) -> &'static str {
        match self {
            Self::Duration => DURATION,
            Self::Held => HELD,
        }
    }
}

/// Executions, or times that something is held, that are equal in all but time and duration.
#[derive(Clone, Debug)]
pub struct RunRow<'a> {
    /// The columns they share, without `count`, `at` and a duration.
    pub row: UsageRow,
    /// What the spans are.
    pub column: SpanColumn,
    /// Share of the duration that is work of the processor, in percent: the column `cpu_us`. Absent: not known.
    pub cpu_percent: Option<u32>,
    /// What every execution lasts longer than given, microseconds.
    pub added_us: i64,
    /// The executions, by time.
    pub windows: Vec<RunWindow<'a>>,
}

/// A span of time with executions, and how often it comes in the period.
#[derive(Clone, Copy, Debug)]
pub struct RunWindow<'a> {
    /// First instant, UTC microseconds.
    pub start_us: i64,
    /// End, exclusive.
    pub end_us: i64,
    /// How often it comes; what comes more than once follows itself.
    pub repeats: u64,
    /// When its spans are is not said: they count as spread over the period. Only `by_duration` is read then.
    pub is_spread: bool,
    /// Start and duration of each execution, microseconds, by start and then duration.
    pub spans: &'a [(i64, i64)],
    /// How many executions start in an hour and take so long: start of the hour, duration, number.
    pub by_hour: &'a [(i64, i64, u64)],
    /// The same without the hour.
    pub by_duration: &'a [(i64, u64)],
}

impl Slices<'_> {
    /// Meters executions for every SKU that their row feeds.
    pub(super) fn add_runs(&mut self, row: &Row, runs: &RunRow<'_>) {
        let catalogue = self.catalogue();
        let mut fed = self.add_activities(row, runs);
        for index in catalogue.fed_by(&row.provider, &row.service, row.table) {
            let counted = Counted { row, runs, sku: catalogue.sku(*index) };
            if !counted.may_pass() {
                continue;
            }
            let sensitive = self.is_sensitive(*index, counted.sku);
            for window in &runs.windows {
                let times = |(duration_us, count): &(i64, u64)| (*duration_us, count * window.repeats);
                let is_spread = window.repeats > 1 || window.is_spread;
                if !sensitive || is_spread {
                    let at_us = if is_spread { row.zone.start_us(self.period()) } else { window.start_us };
                    let durations = window.by_duration.iter().map(times);
                    fed |= self.add_counted(*index, &counted, at_us, sensitive, durations);
                    continue;
                }
                // Every hour by the rule and price of its day.
                for hour in window.by_hour.chunk_by(|one, other| one.0 == other.0) {
                    let durations = hour.iter().map(|(_, duration_us, count)| (*duration_us, *count));
                    let at_us = hour.first().map_or(window.start_us, |(hour_us, ..)| *hour_us);
                    fed |= self.add_counted(*index, &counted, at_us, false, durations);
                }
            }
        }
        if !fed && runs.windows.iter().any(|window| !window.by_duration.is_empty()) {
            let reason =
                format!("no SKU of {}/{} counts such executions of the table {}", row.provider, row.service, row.table);
            self.push_unpriced(row.index, &row.service, None, reason);
        }
    }

    /// Executions of one time as one slice, or spread over the period; whether a rule holds then.
    fn add_counted(
        &mut self,
        index: SkuIndex,
        counted: &Counted<'_>,
        at_us: i64,
        spread: bool,
        durations: impl Iterator<Item = (i64, u64)>,
    ) -> bool {
        let row = counted.row;
        let at_us = row.zone.within(self.period(), at_us);
        let Some(meter) = counted.sku.meter_on(row.zone.day_of(at_us)) else { return false };
        let (sum, record_count) = match counted.sum(&meter.quantity, durations) {
            Ok((_, 0)) => return true,
            Ok(sum) => sum,
            Err(reason) => {
                self.push_unpriced(row.index, &row.service, Some(index), reason);
                return true;
            }
        };
        let quantity = sum * counted.sku.factor(meter, self.period());
        let scope = scope_of(self.catalogue(), row, index, counted.sku);
        self.push_quantity(row, UsageSlice { sku: index, scope, at_us, quantity, record_count }, spread);
        true
    }

    /// A slice as it is, or spread over the period.
    fn push_quantity(&mut self, row: &Row, slice: UsageSlice, spread: bool) {
        match spread {
            true => self.spread(row, slice.sku, &slice.scope, &slice.quantity, slice.record_count),
            false => self.push_slice(row.index, slice),
        }
    }

    /// The time of instances that activities make of executions; whether one takes them.
    fn add_activities(&mut self, row: &Row, runs: &RunRow<'_>) -> bool {
        let catalogue = self.catalogue();
        let mut taken = false;
        for (book, activity) in catalogue.activities(&row.provider, &row.service, row.table) {
            let column = |name: &str| match (name, row.value(name)) {
                (DURATION, _) => Value::Number(Exact::zero()),
                ("organisation", _) => row.scope.organisation.clone().map_or(Value::Null, Value::Text),
                ("region", Value::Null) => book.default_region.clone().map_or(Value::Null, Value::Text),
                (_, value) => value,
            };
            let Some(record) = activity.record(&column) else { continue };
            taken = true;
            let takers = catalogue.fed_by(&book.provider, &row.service, Table::Metered);
            let told_apart = takers.iter().filter_map(|index| self.told_apart(*index, catalogue.sku(*index))).min();
            for window in &runs.windows {
                let mut meter = ActivityMeter::new(activity, window.start_us, window.end_us.max(window.start_us));
                let machine = meter.machine(&record);
                // What repeats follows itself: a pass before makes the state it begins with.
                let length_us = window.end_us - window.start_us;
                let before = (window.repeats > 1).then_some(-length_us);
                for shift_us in before.into_iter().chain([0]) {
                    for (start_us, duration_us) in window.spans {
                        let start_us = start_us + shift_us;
                        meter.add(machine, start_us, start_us.saturating_add(duration_us + runs.added_us));
                    }
                }
                let mut times = meter.finish();
                if window.repeats > 1 {
                    repeat(&mut times, window.repeats);
                }
                if told_apart != Some(Window::Hour) {
                    let of = |hour_us| told_apart.map(|window| row.zone.window(window, hour_us).0);
                    times.iter_mut().for_each(|(_, hours)| put_together(hours, of));
                }
                let (usage, untaken) =
                    catalogue.activity_usage(&book.provider, &row.service, activity, &times, self.period());
                // What repeats is not of the hours of the window.
                let mut sums: BTreeMap<(SkuIndex, Scope), (Exact, u64)> = BTreeMap::new();
                for one in usage {
                    let ActivityUsage { sku, scope, quantity, record_count, hour_us } = one;
                    if window.repeats > 1 {
                        let sum = sums.entry((sku, scope)).or_default();
                        sum.0 += quantity;
                        sum.1 += record_count;
                        continue;
                    }
                    let at_us = row.zone.within(self.period(), hour_us);
                    self.push_quantity(row, UsageSlice { sku, scope, at_us, quantity, record_count }, false);
                }
                for ((sku, scope), (quantity, record_count)) in sums {
                    let spread = self.is_sensitive(sku, catalogue.sku(sku));
                    let at_us = row.zone.start_us(self.period());
                    self.push_quantity(row, UsageSlice { sku, scope, at_us, quantity, record_count }, spread);
                }
                for one in untaken {
                    self.push_unpriced(row.index, &row.service, one.sku, one.reason);
                }
            }
        }
        taken
    }
}

/// The time of a window as often as it comes.
fn repeat(times: &mut [(Pool, BTreeMap<i64, HourTime>)], repeats: u64) {
    let times_of = i64::try_from(repeats).unwrap_or(i64::MAX);
    for time in times.iter_mut().flat_map(|(_, hours)| hours.values_mut()) {
        time.busy_us = time.busy_us.saturating_mul(times_of);
        time.idle_us = time.idle_us.saturating_mul(times_of);
        time.record_count = time.record_count.saturating_mul(repeats);
    }
}

/// The time of the hours of each window as that of its first hour.
fn put_together(hours: &mut BTreeMap<i64, HourTime>, window_of: impl Fn(i64) -> Option<i64>) {
    let mut together: Option<(Option<i64>, i64)> = None;
    for (hour_us, time) in std::mem::take(hours) {
        let window = window_of(hour_us);
        let first_us = together.filter(|(last, _)| *last == window).map_or(hour_us, |(_, first_us)| first_us);
        together = Some((window, first_us));
        let all = hours.entry(first_us).or_default();
        all.busy_us = all.busy_us.saturating_add(time.busy_us);
        all.idle_us = all.idle_us.saturating_add(time.idle_us);
        all.record_count = all.record_count.saturating_add(time.record_count);
    }
}

/// Executions and a SKU that may count them.
struct Counted<'a> {
    row: &'a Row,
    runs: &'a RunRow<'a>,
    sku: &'a Sku,
}

impl Counted<'_> {
    /// A column of an execution that takes so long.
    fn column(&self, name: &str, duration_us: i64) -> Value {
        match (name, self.runs.cpu_percent) {
            (name, _) if name == self.runs.column.name() => Value::Number(Exact::from(duration_us)),
            (CPU, Some(percent)) if self.runs.column == SpanColumn::Duration => {
                let share = Exact::ratio(i128::from(duration_us) * i128::from(percent), 100);
                share.map_or(Value::Null, |share| Value::Number(share.ceil_to_integer()))
            }
            _ => self.row.value(name),
        }
    }

    /// Whether the SKU may count some of the executions.
    fn may_pass(&self) -> bool {
        let Some(filter) = &self.sku.filter else { return true };
        self.differs(filter) || filter.passes(&|name| self.column(name, 0))
    }

    /// What so many executions of each duration are to a rule, and how many it counts.
    ///
    /// # Errors
    /// Which columns are missing.
    fn sum(&self, rule: &Expression, durations: impl Iterator<Item = (i64, u64)>) -> Result<(Exact, u64), String> {
        let filter = self.sku.filter.as_ref().filter(|filter| self.differs(filter));
        let (name, row) = (self.runs.column.name(), |name: &str| self.column(name, 0));
        let plain = filter.is_none() && !rule.columns().contains(CPU);
        if plain && rule.proportional_steps(name, &row).is_some_and(|steps| steps.is_empty()) {
            return self.sum_of_all(rule, durations);
        }
        let step = if plain { rule.step_of(name, &row) } else { None };
        // Those that the rule cannot tell apart are one.
        let mut alike: BTreeMap<i64, u64> = BTreeMap::new();
        for (duration_us, count) in durations {
            let duration_us = duration_us + self.runs.added_us;
            let duration_us = match step {
                None => duration_us,
                Some(0) => 0,
                Some(step) => duration_us.saturating_add(step - 1).div_euclid(step).saturating_mul(step),
            };
            *alike.entry(duration_us).or_default() += count;
        }
        let (mut sum, mut records) = (Exact::zero(), 0);
        for (duration_us, count) in alike {
            if filter.is_some_and(|filter| !filter.passes(&|name| self.column(name, duration_us))) {
                continue;
            }
            sum += self.quantity(rule, duration_us)? * Exact::from(count);
            records += count;
        }
        Ok((sum, records))
    }

    /// The same for a rule that is so many times the duration: what all of them together are.
    fn sum_of_all(
        &self,
        rule: &Expression,
        durations: impl Iterator<Item = (i64, u64)>,
    ) -> Result<(Exact, u64), String> {
        let (mut total_us, mut records) = (0_i128, 0_u64);
        for (duration_us, count) in durations {
            total_us += (i128::from(duration_us) + i128::from(self.runs.added_us)) * i128::from(count);
            records += count;
        }
        if records == 0 {
            return Ok((Exact::zero(), 0));
        }
        Ok((self.quantity(rule, 1)? * Exact::from_integer(total_us), records))
    }

    /// What one execution of a duration is to a rule.
    fn quantity(&self, rule: &Expression, duration_us: i64) -> Result<Exact, String> {
        let column = |name: &str| self.column(name, duration_us);
        match rule.evaluate(&column) {
            Value::Number(quantity) => Ok(quantity),
            _ => {
                let missing = rule.missing(self.sku.table, &column);
                Err(format!("the row does not give {}", missing.join(", ")))
            }
        }
    }

    /// Whether an expression reads what differs between executions.
    fn differs(&self, expression: &Expression) -> bool {
        let columns = expression.columns();
        columns.contains(self.runs.column.name()) || columns.contains(CPU)
    }
}

#[cfg(test)]
mod tests;
