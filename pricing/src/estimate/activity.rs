//! Described records that activities take: laid out in time, followed through their instances, priced as instance time
use std::collections::BTreeMap;

use super::{EstimateError, row::Row, slices::Slices};
use crate::{
    activity::{Activity, ActivityMeter, ActivityRecord},
    book::PriceBook,
    catalogue::Catalogue,
    expression::Value,
    period::Period,
    rating::UsageSlice,
};

/// Most described records that are laid out one by one, over all rows of a request.
const RECORDS_MAX: usize = 5_000_000;

/// The records of a request that activities take.
pub(super) struct Activities<'a> {
    catalogue: &'a Catalogue,
    period: Period,
    /// By the activity's name and the service of the records.
    taken: BTreeMap<(&'a str, String), Taken<'a>>,
    record_count: usize,
}

/// What one activity takes of one service.
struct Taken<'a> {
    book: &'a PriceBook,
    activity: &'a Activity,
    /// By row: what its records are.
    rows: Vec<(usize, ActivityRecord)>,
    /// Start, end and place in `rows` of each record.
    records: Vec<(i64, i64, usize)>,
}

impl<'a> Activities<'a> {
    pub fn new(catalogue: &'a Catalogue, period: Period) -> Self {
        Self { catalogue, period, taken: BTreeMap::new(), record_count: 0 }
    }

    /// Whether an activity takes the row, and if so its records.
    ///
    /// # Errors
    /// When the row does not say when each of its records starts, or they are too many.
    pub fn take(&mut self, row: &Row) -> Result<bool, EstimateError> {
        let mut fed = false;
        let catalogue = self.catalogue;
        for (book, activity) in catalogue.activities(&row.provider, &row.service, row.table) {
            if let Some(record) = activity.record(&|name| column(book, row, name)) {
                self.lay_out(row, book, activity, record)?;
                fed = true;
            }
        }
        Ok(fed)
    }

    fn lay_out(
        &mut self,
        row: &Row,
        book: &'a PriceBook,
        activity: &'a Activity,
        record: ActivityRecord,
    ) -> Result<(), EstimateError> {
        let error =
            |message: String, hint: &str| EstimateError::Row { row: row.index, message, hint: Some(hint.to_owned()) };
        let missing = activity.duration.missing(row.table, &|name| row.value(name));
        if !missing.is_empty() {
            let message = format!("the activity {} needs {} of every record", activity.name, missing.join(", "));
            return Err(error(message, "write how long a request takes, such as `duration_ms`"));
        }
        let count = row.count.to_i128().ok_or_else(|| {
            let message = format!("`count` is {}, and the activity {} takes whole records", row.count, activity.name);
            error(message, "write a whole number")
        })?;
        let measured = format!(
            "write `at`, the time of the first, and `every_ms` or `every_s`, the time from one start to the next; or \
             describe measured instance time: `meter = \"{}\"`",
            activity.busy
        );
        let (Some(at_us), true) = (row.at_us, count <= 1 || row.every_us.is_some()) else {
            let records =
                if count == 1 { "its record starts".to_owned() } else { format!("each of its {count} records starts") };
            let message = format!(
                "{}/{} charges the time of instances that serve several requests (activity {}), and the row does not \
                 say when {records}",
                book.provider, row.service, activity.id
            );
            return Err(error(message, &measured));
        };
        let total = usize::try_from(count).ok().and_then(|count| count.checked_mul(usize::try_from(row.days).ok()?));
        let total = total.and_then(|total| total.checked_add(self.record_count)).filter(|total| *total <= RECORDS_MAX);
        self.record_count = total.ok_or_else(|| {
            let message = format!(
                "the activity {} would have to follow {count} records: at most {RECORDS_MAX} in one estimate",
                activity.name
            );
            error(
                message,
                &format!(
                    "describe a shorter time and multiply, or {}",
                    &measured[measured.find("describe").unwrap_or(0)..]
                ),
            )
        })?;
        let key = (activity.name.as_str(), row.service.clone());
        let new = || Taken { book, activity, rows: Vec::new(), records: Vec::new() };
        let taken = self.taken.entry(key).or_insert_with(new);
        let own = taken.rows.len();
        for day in 0..row.days {
            let first_us = row.zone.days_later_us(at_us, day);
            for start_us in (0..count as i64).map(|number| first_us + number * row.every_us.unwrap_or(0)) {
                taken.records.push((start_us, start_us.saturating_add(record.duration_us), own));
            }
        }
        taken.rows.push((row.index, record));
        Ok(())
    }

    /// Every record is known: instance time becomes slices.
    pub fn finish(self, slices: &mut Slices<'_>) {
        for ((_, service), mut taken) in self.taken {
            let (book, activity) = (taken.book, taken.activity);
            taken.records.sort_unstable();
            let mut meter =
                ActivityMeter::new(activity, book.zone.start_us(self.period), book.zone.end_us(self.period));
            let machines: Vec<_> = taken.rows.iter().map(|(_, record)| meter.machine(record)).collect();
            for (start_us, end_us, row) in taken.records {
                meter.add(machines[row], start_us, end_us);
            }
            let times = meter.finish();
            let (usage, untaken) =
                self.catalogue.activity_usage(&book.provider, &service, activity, &times, self.period);
            let row = taken.rows.first().map_or(0, |(row, _)| *row);
            for one in usage {
                slices.push_slice(
                    row,
                    UsageSlice {
                        sku: one.sku,
                        scope: one.scope,
                        at_us: one.hour_us,
                        quantity: one.quantity,
                        record_count: one.record_count,
                    },
                );
            }
            for one in untaken {
                slices.push_unpriced(row, &service, one.sku, one.reason);
            }
        }
    }
}

/// A column of a described row, with the book's region where the row names none.
fn column(book: &PriceBook, row: &Row, name: &str) -> Value {
    let text = |value: &Option<String>| value.clone().map_or(Value::Null, Value::Text);
    match (name, row.value(name)) {
        ("organisation", _) => text(&row.scope.organisation),
        ("region", Value::Null) => text(&book.default_region),
        (_, value) => value,
    }
}
