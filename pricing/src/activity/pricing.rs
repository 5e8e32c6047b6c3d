//! Instance time to quantities of the SKUs that take its meters
use std::collections::BTreeMap;

use super::{Activity, HourTime, POOL_COLUMNS, Pool};
use crate::{
    book::PriceBook,
    catalogue::{Catalogue, SkuIndex},
    exact::Exact,
    expression::Value,
    period::{HOUR_US, Period},
    scope::{SCOPE_COLUMNS, Scope},
    table::Table,
    unit::Unit,
};

/// The time of an activity's instances in one hour, as a quantity of one SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityUsage {
    /// The SKU.
    pub sku: SkuIndex,
    /// Whose usage.
    pub scope: Scope,
    /// Start of the hour, UTC microseconds.
    pub hour_us: i64,
    /// Quantity in the SKU's unit.
    pub quantity: Exact,
    /// Records the activity took that start in the hour.
    pub record_count: u64,
}

/// Time of an activity's instances that no SKU can count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntakenTime {
    /// The SKU, when one takes the meter but cannot count the row.
    pub sku: Option<SkuIndex>,
    /// Records the activity took.
    pub record_count: u64,
    /// Why, in words.
    pub reason: String,
}

/// What a meter's rows of a pool are.
struct Rows<'a> {
    provider: &'a str,
    service: &'a str,
    meter: &'a str,
    pool: &'a Pool,
}

impl Rows<'_> {
    /// A column of a row held for one hour. `quantity` is one instance: of a SKU that measures instance time itself (its
    /// quantity has the dimension of time) the hour.
    fn column(&self, name: &str, quantity_unit: &Unit) -> Value {
        match name {
            "provider" => Value::Text(self.provider.to_owned()),
            "service" => Value::Text(self.service.to_owned()),
            "meter" => Value::Text(self.meter.to_owned()),
            "held_us" => Value::Number(Exact::from(HOUR_US)),
            "quantity" => instances(quantity_unit).map_or(Value::Null, Value::Number),
            _ => POOL_COLUMNS
                .iter()
                .position(|column| *column == name)
                .map_or(Value::Null, |index| self.pool[index].clone()),
        }
    }
}

/// One instance for one hour in the unit of a column `quantity`; nothing where that measures something else.
pub(crate) fn instances(quantity_unit: &Unit) -> Option<Exact> {
    let hour = Unit::parse("h").ok()?;
    let (_, months, dimensions) = quantity_unit.parts();
    match (dimensions == hour.parts().2, dimensions == Default::default()) {
        (true, _) if months == 0 => hour.factor(quantity_unit, HOUR_US).ok(),
        (_, true) => Some(Exact::one()),
        _ => None,
    }
}

impl Catalogue {
    /// The activities that take records of a table of a service, each with its book.
    pub fn activities(
        &self,
        provider: &str,
        service: &str,
        table: Table,
    ) -> impl Iterator<Item = (&PriceBook, &Activity)> {
        let books = self.books().iter().filter(move |book| book.provider == provider);
        let all = books.flat_map(|book| book.activities.iter().map(move |activity| (book, activity)));
        all.filter(move |(_, own)| own.table == table && own.services.iter().any(|own| own == service))
    }

    /// What the time of an activity's instances is in the SKUs that take its meters: by SKU, hour and scope.
    ///
    /// A SKU's rule is taken as a rate, its value for one hour of one instance, so that hours and periods cut time
    /// exactly: the activity has rounded already, and a rounding or minimum in the SKU's rule is not applied again.
    pub fn activity_usage(
        &self,
        provider: &str,
        service: &str,
        activity: &Activity,
        times: &[(Pool, BTreeMap<i64, HourTime>)],
        period: Period,
    ) -> (Vec<ActivityUsage>, Vec<UntakenTime>) {
        let mut sums: BTreeMap<(SkuIndex, i64, Scope), (Exact, u64)> = BTreeMap::new();
        let mut untaken = Vec::new();
        let busy = Some(activity.busy.as_str());
        let idle = activity.idle.as_deref().filter(|_| !activity.timing.tail_is_busy);
        for (pool, hours) in times {
            let scope = scope_of(pool);
            // The records stand behind every SKU that takes any of the time, once.
            let mut counted: Vec<SkuIndex> = Vec::new();
            for (meter, is_busy) in [(busy, true), (idle, false)] {
                let Some(meter) = meter else { continue };
                let of = |time: &HourTime| if is_busy { time.busy_us } else { time.idle_us };
                let rows = Rows { provider, service, meter, pool };
                let takers = self.takers(&rows);
                let records = hours.values().map(|time| time.record_count).sum();
                if takers.is_empty() && hours.values().any(|time| of(time) > 0) {
                    let reason = format!(
                        "no SKU takes the time of its instances (activity {}, meter `{meter}`{})",
                        activity.id,
                        without(pool)
                    );
                    untaken.push(UntakenTime { sku: None, record_count: records, reason });
                }
                for index in takers {
                    let counts = !counted.contains(&index);
                    counted.push(index);
                    let mut rates = Rates { catalogue: self, index, rows: &rows, period, by_meter: BTreeMap::new() };
                    let mut missing = false;
                    for (hour_us, time) in hours {
                        let records = if counts { time.record_count } else { 0 };
                        if of(time) == 0 && records == 0 {
                            continue;
                        }
                        let Some(rate) = rates.on(*hour_us) else {
                            missing |= of(time) > 0;
                            continue;
                        };
                        let sum = sums.entry((index, *hour_us, scope.clone())).or_default();
                        sum.0 += rate * Exact::from(of(time));
                        sum.1 += records;
                    }
                    if missing {
                        let reason = rates.missing(activity);
                        untaken.push(UntakenTime { sku: Some(index), record_count: records, reason });
                    }
                }
            }
        }
        let usage = sums.into_iter().map(|((sku, hour_us, scope), (quantity, record_count))| ActivityUsage {
            sku,
            scope,
            hour_us,
            quantity,
            record_count,
        });
        (usage.collect(), untaken)
    }

    /// The SKUs that take rows.
    fn takers(&self, rows: &Rows<'_>) -> Vec<SkuIndex> {
        let mut takers = self.fed_by(rows.provider, rows.service, Table::Metered).to_vec();
        takers.retain(|index| {
            let sku = self.sku(*index);
            let column = |name: &str| rows.column(name, &sku.quantity_unit);
            sku.maximum_per.is_none() && sku.filter.as_ref().is_none_or(|filter| filter.passes(&column))
        });
        takers
    }
}

/// What one µs of an instance is in a SKU, by the rule in force.
struct Rates<'a> {
    catalogue: &'a Catalogue,
    index: SkuIndex,
    rows: &'a Rows<'a>,
    period: Period,
    /// By the index of the SKU's meter.
    by_meter: BTreeMap<usize, Option<Exact>>,
}

impl Rates<'_> {
    /// Quantity of one µs in an hour, in the SKU's unit; nothing where no rule holds or the row lacks a value.
    fn on(&mut self, hour_us: i64) -> Option<Exact> {
        let sku = self.catalogue.sku(self.index);
        let meter = sku.meter_on(sku.zone.day_of(hour_us))?;
        let place = sku.meters.iter().position(|own| std::ptr::eq(own, meter))?;
        let (rows, period) = (self.rows, self.period);
        let rate = self.by_meter.entry(place).or_insert_with(|| {
            match meter.quantity.evaluate(&|name| rows.column(name, &sku.quantity_unit)) {
                Value::Number(value) => (value * sku.factor(meter, period)).checked_div(&Exact::from(HOUR_US)),
                _ => None,
            }
        });
        rate.clone()
    }

    /// Why there is no rate, in words.
    fn missing(&self, activity: &Activity) -> String {
        let sku = self.catalogue.sku(self.index);
        let column = |name: &str| self.rows.column(name, &sku.quantity_unit);
        let mut columns: Vec<&str> =
            sku.meters.iter().flat_map(|meter| meter.quantity.missing(Table::Metered, &column)).collect();
        columns.sort_unstable();
        columns.dedup();
        match columns.is_empty() {
            true => format!("no rule for the time of its instances on some day (activity {})", activity.id),
            false => format!("its records do not give {} (activity {})", columns.join(", "), activity.id),
        }
    }
}

fn scope_of(pool: &Pool) -> Scope {
    let mut scope = Scope::default();
    for (name, value) in POOL_COLUMNS.iter().zip(pool) {
        if let Value::Text(text) = value {
            scope.set(name, Some(text.clone()));
        }
    }
    scope
}

/// The columns of a pool that its records do not give, in words.
fn without(pool: &Pool) -> String {
    let missing = POOL_COLUMNS.iter().zip(pool).filter(|(_, value)| **value == Value::Null).map(|(name, _)| *name);
    let missing: Vec<&str> = missing.filter(|name| !SCOPE_COLUMNS.contains(name)).collect();
    if missing.is_empty() { String::new() } else { format!("; not given: {}", missing.join(", ")) }
}
