//! Described usage to usage slices: meters applied, levels laid into hours and days
use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use super::{EstimateError, Unpriced, row::Row};
use crate::{
    book::Sku,
    catalogue::{Catalogue, SkuIndex},
    exact::Exact,
    expression::Value,
    period::{DAY_US, HOUR_US, Period},
    rating::UsageSlice,
    scope::Scope,
    table::Table,
    unit::Window,
};

/// Longest a level may be held, days: bounds the windows one row can fill.
const HELD_DAYS_MAX: i64 = 366;

/// What tells the levels of one thing from those of another: service, resource, meter, region, variant, storage class.
type LevelKey = [Value; 6];

/// Slices of a request and the rows they come from.
pub(super) struct Slices<'a> {
    catalogue: &'a Catalogue,
    period: Period,
    /// SKUs that a commitment may cover, which is done hour by hour.
    covered: BTreeSet<SkuIndex>,
    pub slices: Vec<UsageSlice>,
    /// Per slice the row and its service.
    pub rows: Vec<usize>,
    pub unpriced: Vec<Unpriced>,
    /// Where the next level of a thing without times starts, UTC microseconds.
    ends: BTreeMap<(SkuIndex, String), Exact>,
    /// The largest level of a thing per window, with its row and count.
    levels: BTreeMap<(SkuIndex, Scope, i64, String), (Exact, usize)>,
}

impl<'a> Slices<'a> {
    pub fn new(catalogue: &'a Catalogue, period: Period, covered: BTreeSet<SkuIndex>) -> Self {
        Self {
            catalogue,
            period,
            covered,
            slices: Vec::new(),
            rows: Vec::new(),
            unpriced: Vec::new(),
            ends: BTreeMap::new(),
            levels: BTreeMap::new(),
        }
    }

    /// Meters one row for every SKU it feeds; `taken`: an activity takes it besides.
    ///
    /// # Errors
    /// A quantity in a unit the SKU does not measure; a level held too long.
    pub fn add(&mut self, row: &Row, taken: bool) -> Result<(), EstimateError> {
        let catalogue = self.catalogue;
        let mut fed = taken;
        for (sku, word) in catalogue.lost_to_unknown_words(row.source(), row.texts(), &|name| row.value(name)) {
            let reason = format!("{} does not count the row: {word}", catalogue.sku(sku).name);
            self.leave_unpriced(row, None, reason);
        }
        for index in catalogue.fed_by(&row.provider, &row.service, row.table) {
            let sku = catalogue.sku(*index);
            let (quantity, conversion) = quantity_column(row, sku, self.period);
            let column = |name: &str| if name == "quantity" { quantity.clone() } else { row.value(name) };
            if sku.filter.as_ref().is_some_and(|filter| !filter.passes(&column)) {
                continue;
            }
            let day = self.day(row, row.at_us.or(row.from_us).unwrap_or_else(|| row.zone.start_us(self.period)));
            if sku.meter_on(day).is_none() {
                continue; // a rule of another era: other SKUs count such rows on that day
            }
            fed = true;
            if let Some(message) = conversion {
                return Err(EstimateError::Row { row: row.index, message, hint: None });
            }
            self.meter(row, *index, sku, &column)?;
        }
        if !fed {
            let reason = format!(
                "no SKU of {}/{} counts such a row of the table {}{}",
                row.provider,
                row.service,
                row.table,
                catalogue.unknown_word(row.source(), row.texts()).map_or_else(String::new, |word| format!(": {word}"))
            );
            self.leave_unpriced(row, None, reason);
        }
        Ok(())
    }

    /// The day whose rules hold at an instant: the first or last of the period for instants outside.
    fn day(&self, row: &Row, at_us: i64) -> NaiveDate {
        row.zone.day_of(row.zone.within(self.period, at_us))
    }

    /// The quantity of one record on a day, in the SKU's unit; nothing when no rule holds, or (with a note) no value.
    fn quantity(&mut self, row: &Row, sku: &Sku, day_us: i64, column: &dyn Fn(&str) -> Value) -> Option<Exact> {
        if let Some(gb_months) = row.gb_months.as_ref().filter(|_| sku.table == Table::Storage && sku.unit.has_month())
        {
            return Some(gb_months * &row.count);
        }
        let meter = sku.meter_on(self.day(row, day_us))?;
        match meter.quantity.evaluate(column) {
            Value::Number(value) => Some(value * &row.count * sku.factor(meter, self.period)),
            _ => {
                let missing = meter.quantity.missing(sku.table, column);
                self.leave_unpriced(row, Some(sku), format!("the row does not give {}", missing.join(", ")));
                None
            }
        }
    }

    fn meter(
        &mut self,
        row: &Row,
        index: SkuIndex,
        sku: &Sku,
        column: &dyn Fn(&str) -> Value,
    ) -> Result<(), EstimateError> {
        let scope = scope_of(self.catalogue, row, index, sku);
        let at_us = row.at_us.or(row.from_us).unwrap_or_else(|| row.zone.start_us(self.period));
        let held = row.held_us().filter(|_| matches!(sku.table, Table::Metered | Table::Storage));
        let covered = self.covered.contains(&index);
        let window = match covered {
            true => Some(Window::Hour),
            false => sku.window.or_else(|| self.changes(row, sku, column).then_some(Window::Day)),
        };
        if let (Some(window), Some(held)) = (window, held) {
            return self.meter_windows(row, index, sku, (window, held), &scope, column);
        }
        if let Some(every_us) = row.every_us {
            return self.meter_arrivals(row, index, sku, (at_us, every_us), &scope, column);
        }
        let Some(quantity) = self.quantity(row, sku, at_us, column) else { return Ok(()) };
        if covered && row.at_us.is_none() {
            self.spread(row, index, &scope, &quantity, records(&row.count));
            return Ok(());
        }
        let (hour_us, _) = row.zone.window(Window::Hour, at_us);
        for day in 0..row.days {
            let at_us = row.zone.days_later_us(hour_us, day);
            self.push(row.index, index, &scope, at_us, quantity.clone(), records(&row.count));
        }
        Ok(())
    }

    /// Whether a row's time must be cut at midnight: its price or rule changes inside the period, and cutting changes
    /// nothing else.
    fn changes(&self, row: &Row, sku: &Sku, column: &dyn Fn(&str) -> Value) -> bool {
        let whole = |steps: Vec<i64>| {
            let held = row.held_us().and_then(Exact::to_i128);
            let from_us = i128::from(row.from_us.unwrap_or(0));
            steps.into_iter().map(i128::from).all(|step| {
                held.is_some_and(|held| held % step == 0) && from_us % step == 0 && i128::from(HOUR_US) % step == 0
            })
        };
        let proportional = |day| {
            sku.meter_on(day).and_then(|meter| meter.quantity.proportional_steps("held_us", column)).is_some_and(whole)
        };
        row.held_us().is_some() && self.changes_of(sku).any(proportional)
    }

    /// The books.
    pub fn catalogue(&self) -> &'a Catalogue {
        self.catalogue
    }

    /// The billing period.
    pub fn period(&self) -> Period {
        self.period
    }

    /// Whether it matters when in the period a SKU's usage is.
    pub fn is_sensitive(&self, index: SkuIndex, sku: &Sku) -> bool {
        self.told_apart(index, sku).is_some()
    }

    /// How closely it matters when in the period a SKU's usage is: a commitment may cover it, an allowance is given anew,
    /// a price or rule changes.
    pub fn told_apart(&self, index: SkuIndex, sku: &Sku) -> Option<Window> {
        let covered = self.covered.contains(&index).then_some(Window::Hour);
        let changes = || self.changes_of(sku).next().map(|_| Window::Day);
        covered.or(sku.window).or_else(changes)
    }

    /// The days inside the period on which a price or rule changes.
    fn changes_of(&self, sku: &Sku) -> impl Iterator<Item = NaiveDate> {
        let inside = self.period.first_day() + Days::new(1)..=self.period.last_day();
        let days = sku.prices.iter().map(|price| price.from).chain(sku.meters.iter().map(|meter| meter.from));
        days.flatten().filter(move |day| inside.contains(day))
    }

    /// Spreads usage without a time evenly over the hours of its days, or of the period: a commitment covers so much
    /// of every hour.
    pub fn spread(&mut self, row: &Row, sku: SkuIndex, scope: &Scope, quantity: &Exact, mut records: u64) {
        let start_us = row.zone.start_us(self.period);
        let end_us = match row.days {
            1 => row.zone.end_us(self.period),
            days => row.zone.days_later_us(start_us, days),
        };
        let hours = (end_us - start_us) / HOUR_US;
        let times = if row.days == 1 { Exact::one() } else { Exact::from(row.days) };
        let share = (quantity * times).checked_div(&Exact::from(hours)).unwrap_or_default();
        for hour in 0..hours {
            self.push(row.index, sku, scope, start_us + hour * HOUR_US, share.clone(), std::mem::take(&mut records));
        }
    }

    /// Spreads records that start so far apart over the hours they start in.
    fn meter_arrivals(
        &mut self,
        row: &Row,
        index: SkuIndex,
        sku: &Sku,
        (at_us, every_us): (i64, i64),
        scope: &Scope,
        column: &dyn Fn(&str) -> Value,
    ) -> Result<(), EstimateError> {
        let count = i64::try_from(records(&row.count)).unwrap_or(i64::MAX);
        for day in 0..row.days {
            let mut next = 0;
            while next < count {
                let start_us = row.zone.days_later_us(at_us, day) + next * every_us;
                let (hour_us, _) = row.zone.window(Window::Hour, start_us);
                let rest_us = hour_us + HOUR_US - start_us;
                let in_hour = ((rest_us + every_us - 1) / every_us).min(count - next);
                let one = Row { count: Exact::from(in_hour), ..row.clone() };
                let Some(quantity) = self.quantity(&one, sku, start_us, column) else { return Ok(()) };
                self.push(row.index, index, scope, hour_us, quantity, in_hour as u64);
                next += in_hour;
            }
        }
        Ok(())
    }

    /// Cuts a level held for a time at the borders of windows.
    fn meter_windows(
        &mut self,
        row: &Row,
        index: SkuIndex,
        sku: &Sku,
        (window, held): (Window, &Exact),
        scope: &Scope,
        column: &dyn Fn(&str) -> Value,
    ) -> Result<(), EstimateError> {
        let period_start_us = row.zone.start_us(self.period);
        let thing = level_key(row);
        let next = self.ends.get(&(index, thing.clone())).cloned().unwrap_or_else(|| Exact::from(period_start_us));
        let start = row.from_us.map_or(next, Exact::from);
        let end = &start + held;
        if end > Exact::from(period_start_us + HELD_DAYS_MAX * DAY_US) {
            let message = format!("held beyond {HELD_DAYS_MAX} days from the start of the period");
            return Err(EstimateError::Row { row: row.index, message, hint: None });
        }
        self.ends.insert((index, thing.clone()), end.clone());
        let first_us =
            start.floor_to_integer().to_i128().and_then(|us| i64::try_from(us).ok()).unwrap_or(period_start_us);
        let mut records = records(&row.count);
        let mut next_us = row.zone.window(window, first_us).0;
        while Exact::from(next_us) < end {
            let (at_us, closes_us) = row.zone.window(window, next_us);
            next_us = closes_us;
            let part = Value::Number(end.clone().min(Exact::from(closes_us)) - start.clone().max(Exact::from(at_us)));
            let in_window = |name: &str| if name == "held_us" { part.clone() } else { column(name) };
            let column: &dyn Fn(&str) -> Value = if sku.maximum_per.is_some() { column } else { &in_window };
            let Some(quantity) = self.quantity(row, sku, at_us, column) else { return Ok(()) };
            if sku.maximum_per.is_some() {
                let key = (index, scope.clone(), at_us, thing.clone());
                let level = self.levels.entry(key).or_insert_with(|| (Exact::zero(), row.index));
                level.0 = quantity.max(level.0.clone());
            } else {
                self.push(row.index, index, scope, at_us, quantity, std::mem::take(&mut records));
            }
        }
        Ok(())
    }

    /// All levels are known: their maxima become slices.
    pub fn finish(&mut self) {
        for ((index, scope, at_us, _), (quantity, row)) in std::mem::take(&mut self.levels) {
            self.push(row, index, &scope, at_us, quantity, 1);
        }
    }

    fn push(&mut self, row: usize, sku: SkuIndex, scope: &Scope, at_us: i64, quantity: Exact, record_count: u64) {
        self.slices.push(UsageSlice { sku, scope: scope.clone(), at_us, quantity, record_count });
        self.rows.push(row);
    }

    /// A slice that an activity made of a row and perhaps others.
    pub fn push_slice(&mut self, row: usize, slice: UsageSlice) {
        self.slices.push(slice);
        self.rows.push(row);
    }

    /// Instance time that no price applies to.
    pub fn push_unpriced(&mut self, row: usize, service: &str, sku: Option<SkuIndex>, reason: String) {
        let sku = sku.map(|sku| self.catalogue.sku(sku));
        self.unpriced.push(Unpriced {
            row,
            service: service.to_owned(),
            sku: sku.map(|sku| sku.name.clone()),
            quantity: None,
            unit: sku.map(|sku| sku.unit.text().to_owned()),
            reason,
        });
    }

    fn leave_unpriced(&mut self, row: &Row, sku: Option<&Sku>, reason: String) {
        self.unpriced.push(Unpriced {
            row: row.index,
            service: row.service.clone(),
            sku: sku.map(|sku| sku.name.clone()),
            quantity: None,
            unit: sku.map(|sku| sku.unit.text().to_owned()),
            reason,
        });
    }
}

/// The column `quantity` in the unit the SKU measures in, or why it cannot be.
pub(super) fn quantity_column(row: &Row, sku: &Sku, period: Period) -> (Value, Option<String>) {
    match (row.value("quantity"), &row.unit) {
        (Value::Number(quantity), Some(unit)) => match unit.factor(&sku.quantity_unit, sku.month_us(period)) {
            Ok(factor) => (Value::Number(quantity * factor), None),
            Err(error) => (Value::Null, Some(error.to_string())),
        },
        (value, _) => (value, None),
    }
}

/// Whose usage a row is, for a SKU.
pub(super) fn scope_of(catalogue: &Catalogue, row: &Row, index: SkuIndex, sku: &Sku) -> Scope {
    let mut scope = row.scope.clone();
    if scope.region.is_none() {
        scope.region = catalogue.book_of(index).default_region.clone();
    }
    if sku.scope_per_row && scope.resource.is_none() {
        scope.resource = Some(format!("row-{}", row.index));
    }
    scope
}

/// Whole records in a described count.
pub(super) fn records(count: &Exact) -> u64 {
    count.floor_to_integer().to_i128().and_then(|count| u64::try_from(count).ok()).unwrap_or(u64::MAX)
}

/// The identity of what a level belongs to.
fn level_key(row: &Row) -> String {
    let key: LevelKey =
        ["service", "resource", "meter", "region", "variant", "storage_class"].map(|column| row.value(column));
    format!("{key:?}")
}
