//! Described usage to usage slices: meters applied, levels laid into hours and days
use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{EstimateError, Unpriced, row::Row};
use crate::{
    book::Sku,
    catalogue::{Catalogue, SkuIndex},
    exact::Exact,
    expression::Value,
    period::{DAY_US, HOUR_US, Period, day_of},
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
    pub slices: Vec<UsageSlice>,
    /// Per slice the row and its service.
    pub rows: Vec<usize>,
    pub unpriced: Vec<Unpriced>,
    /// Where the next level of a thing without times starts, microseconds into the period.
    ends: BTreeMap<(SkuIndex, String), Exact>,
    /// The largest level of a thing per window, with its row and count.
    levels: BTreeMap<(SkuIndex, Scope, i64, String), (Exact, usize)>,
}

impl<'a> Slices<'a> {
    pub fn new(catalogue: &'a Catalogue, period: Period) -> Self {
        Self {
            catalogue,
            period,
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
        for index in catalogue.fed_by(&row.provider, &row.service, row.table) {
            let sku = catalogue.sku(*index);
            let (quantity, conversion) = self.quantity_column(row, sku);
            let column = |name: &str| if name == "quantity" { quantity.clone() } else { row.value(name) };
            if sku.filter.as_ref().is_some_and(|filter| !filter.passes(&column)) {
                continue;
            }
            let day = self.day(row.at_us.or(row.from_us).unwrap_or(self.period.start_us()));
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
            let known = catalogue.prices_service(&row.provider, &row.service);
            let reason = match known {
                true => {
                    format!("no SKU of {}/{} counts such a row of the table {}", row.provider, row.service, row.table)
                }
                false => format!("no price book for {}/{}", row.provider, row.service),
            };
            self.leave_unpriced(row, None, reason);
        }
        Ok(())
    }

    /// The column `quantity` in the unit the SKU measures in, or why it cannot be.
    fn quantity_column(&self, row: &Row, sku: &Sku) -> (Value, Option<String>) {
        match (row.value("quantity"), &row.unit) {
            (Value::Number(quantity), Some(unit)) => match unit.factor(&sku.quantity_unit, sku.month.us(self.period)) {
                Ok(factor) => (Value::Number(quantity * factor), None),
                Err(error) => (Value::Null, Some(error.to_string())),
            },
            (value, _) => (value, None),
        }
    }

    /// The day whose rules hold at an instant: the first or last of the period for instants outside.
    fn day(&self, at_us: i64) -> NaiveDate {
        day_of(at_us.clamp(self.period.start_us(), self.period.end_us() - 1))
    }

    /// The quantity of one record on a day, in the SKU's unit; nothing when no rule holds, or (with a note) no value.
    fn quantity(&mut self, row: &Row, sku: &Sku, day_us: i64, column: &dyn Fn(&str) -> Value) -> Option<Exact> {
        if let Some(gb_months) = row.gb_months.as_ref().filter(|_| sku.table == Table::Storage && sku.unit.has_month())
        {
            return Some(gb_months * &row.count);
        }
        let meter = sku.meter_on(self.day(day_us))?;
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
        let scope = self.scope(row, index, sku);
        let start_us = self.period.start_us();
        let at_us = row.at_us.or(row.from_us).unwrap_or(start_us);
        let held = row.held_us().filter(|_| matches!(sku.table, Table::Metered | Table::Storage));
        if let (Some(window), Some(held)) = (sku.window, held) {
            return self.meter_windows(row, index, sku, (window, held), &scope, column);
        }
        if let Some(every_us) = row.every_us {
            return self.meter_arrivals(row, index, sku, (at_us, every_us), &scope, column);
        }
        let Some(quantity) = self.quantity(row, sku, at_us, column) else { return Ok(()) };
        let hour_us = at_us.div_euclid(HOUR_US) * HOUR_US;
        for day in 0..row.days {
            self.push(row.index, index, &scope, hour_us + day * DAY_US, quantity.clone(), records(&row.count));
        }
        Ok(())
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
                let start_us = at_us + day * DAY_US + next * every_us;
                let hour_us = start_us.div_euclid(HOUR_US) * HOUR_US;
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

    fn scope(&self, row: &Row, index: SkuIndex, sku: &Sku) -> Scope {
        let mut scope = row.scope.clone();
        if scope.region.is_none() {
            scope.region = self.catalogue.book_of(index).default_region.clone();
        }
        if sku.scope_per_row && scope.resource.is_none() {
            scope.resource = Some(format!("row-{}", row.index));
        }
        scope
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
        let limit = Exact::from(HELD_DAYS_MAX * DAY_US);
        let thing = level_key(row);
        let next = self.ends.get(&(index, thing.clone())).cloned().unwrap_or_default();
        let start = row.from_us.map_or(next, |from_us| Exact::from(from_us - self.period.start_us()));
        let end = &start + held;
        if end > limit {
            let message = format!("held beyond {HELD_DAYS_MAX} days from the start of the period");
            return Err(EstimateError::Row { row: row.index, message, hint: None });
        }
        self.ends.insert((index, thing.clone()), end.clone());
        let step = Exact::from(window.us());
        let first =
            start.checked_div(&step).map_or(0, |windows| windows.floor_to_integer().to_i128().unwrap_or(0) as i64);
        let mut records = records(&row.count);
        for number in first.. {
            let (opens, closes) = (Exact::from(number * window.us()), Exact::from((number + 1) * window.us()));
            if opens >= end {
                break;
            }
            let at_us = self.period.start_us() + number * window.us();
            let part = Value::Number(end.clone().min(closes) - start.clone().max(opens));
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

/// Whole records in a described count.
fn records(count: &Exact) -> u64 {
    count.floor_to_integer().to_i128().and_then(|count| u64::try_from(count).ok()).unwrap_or(u64::MAX)
}

/// The identity of what a level belongs to.
fn level_key(row: &Row) -> String {
    let key: LevelKey =
        ["service", "resource", "meter", "region", "variant", "storage_class"].map(|column| row.value(column));
    format!("{key:?}")
}
