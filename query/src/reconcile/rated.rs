//! The rating by SKU, account and day, and the hours that have records.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::{Catalogue, Exact, SkuIndex, Zone};

use super::classes::RatedSide;
use crate::bill::{Attribution, RatedUsage, proportion};

/// Where rated usage belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RatedKey {
    pub sku: SkuIndex,
    pub account: Option<String>,
    pub currency: String,
    pub day: NaiveDate,
}

/// A rated period.
#[derive(Default)]
pub(super) struct Rated {
    pub cells: BTreeMap<RatedKey, RatedSide>,
    /// Quantity of every hour that has a record.
    pub hours: BTreeMap<(SkuIndex, Option<String>), BTreeMap<i64, Exact>>,
    /// SKUs with usage and no price, and the days.
    pub unpriced: BTreeSet<(SkuIndex, NaiveDate)>,
}

impl Rated {
    /// Sums what was rated; only the usage of an account where one is named.
    pub fn of(catalogue: &Catalogue, usage: &RatedUsage, asked: Option<&str>) -> Self {
        let mut rated = Self::default();
        let is_asked = |account: Option<&str>| asked.is_none_or(|asked| account == Some(asked));
        for row in &usage.rows {
            let of = account(&usage.scope(row).account);
            if is_asked(of) {
                let hours = rated.hours.entry((row.sku, of.map(str::to_owned))).or_default();
                *hours.entry(row.hour_us).or_default() += row.quantity.exact();
            }
        }
        let mut records = BTreeSet::new();
        for share in usage.shares(Attribution::Time) {
            let (row, charge) = (&usage.rows[share.row], &usage.rated.charges[share.charge]);
            let account = account(&usage.scope(row).account);
            if !is_asked(account) {
                continue;
            }
            let account = account.map(str::to_owned);
            let cell = rated.cell(row.sku, account, charge.currency.clone(), row.day);
            let adjustment = proportion(&share.consumed_quantity, &charge.consumed_quantity, &charge.adjustment);
            let charged = &share.billed_cost - &adjustment;
            cell.quantity += &share.consumed_quantity;
            cell.free += &share.free_quantity;
            cell.list += &share.list_cost;
            cell.cost += &share.billed_cost;
            match &charge.commitment {
                Some(_) => cell.discount += &charged - &share.list_cost,
                None => {
                    let paid = &share.consumed_quantity - &share.free_quantity;
                    let contracted = &paid * &charge.contracted_unit_price;
                    cell.free_value += &share.free_quantity * &charge.unit_price;
                    cell.discount += &contracted - paid * &charge.unit_price;
                    cell.credit += contracted - charged;
                }
            }
            if records.insert(share.row) {
                cell.records += row.record_count;
            }
        }
        for fee in &usage.rated.fee_days {
            let charge = &usage.rated.charges[fee.charge];
            let Some(sku) = catalogue.find_sku(&charge.sku).filter(|_| is_asked(account(&charge.scope.account))) else {
                continue;
            };
            let account = account(&charge.scope.account).map(str::to_owned);
            let cost = &charge.billed_cost * &fee.share;
            let cell = rated.cell(sku, account, charge.currency.clone(), fee.day);
            // The fee pays for what the commitment takes off.
            cell.discount += &cost;
            cell.cost += cost;
        }
        for slice in &usage.rated.unpriced {
            let rows = usage.slice_rows[slice.slice].iter().map(|row| &usage.rows[*row]);
            rated.unpriced.extend(rows.map(|row| (row.sku, row.day)));
        }
        rated
    }

    fn cell(&mut self, sku: SkuIndex, account: Option<String>, currency: String, day: NaiveDate) -> &mut RatedSide {
        self.cells.entry(RatedKey { sku, account, currency, day }).or_default()
    }
}

fn account(account: &Option<String>) -> Option<&str> {
    account.as_deref().filter(|account| !account.is_empty())
}

impl RatedSide {
    /// Adds another side.
    pub fn add(&mut self, other: &Self) {
        self.quantity += &other.quantity;
        self.free += &other.free;
        self.list += &other.list;
        self.free_value += &other.free_value;
        self.credit += &other.credit;
        self.discount += &other.discount;
        self.cost += &other.cost;
        self.records += other.records;
    }
}

/// When the usage of a SKU has records: what hours without one may hide.
pub(super) struct Recorded {
    quantities: BTreeMap<i64, Exact>,
    /// On how many days each hour of the day has records.
    days_with_hour: [usize; 24],
    /// Days with records.
    days: usize,
    busiest: Exact,
}

impl Recorded {
    /// From the quantity of every hour with records.
    pub fn of(quantities: BTreeMap<i64, Exact>) -> Self {
        let mut days_with_hour = [0; 24];
        let mut days = BTreeSet::new();
        for hour in quantities.keys() {
            days_with_hour[hour_of_day(*hour)] += 1;
            days.insert(hour.div_euclid(24 * HOUR_US));
        }
        let busiest = quantities.values().max().cloned().unwrap_or_default();
        Self { quantities, days_with_hour, days: days.len(), busiest }
    }

    /// Whether there is any record.
    pub fn is_empty(&self) -> bool {
        self.quantities.is_empty()
    }

    /// Hours of some days without a record that ought to have some, and the most they can hold.
    ///
    /// Where the bill has hours, those with usage ought to have records, and hold just that. Where it has days, an hour
    /// ought to have records if it has on at least half of the days with any, and holds as much as the busiest hour at
    /// most; without a record on any of the days, all of them are missing and can hold anything (`whole`).
    pub fn missing(
        &self,
        zone: Zone,
        from: NaiveDate,
        to: NaiveDate,
        billed_hours: &BTreeMap<i64, Exact>,
        whole: &Exact,
    ) -> (u32, Exact) {
        let (from_us, to_us) = (zone.day_start_us(from), zone.day_start_us(to.succ_opt().unwrap_or(to)));
        let hours = || (from_us..to_us).step_by(HOUR_US as usize);
        if self.quantities.range(from_us..to_us).next().is_none() {
            return (hours().count() as u32, whole.clone());
        }
        if !billed_hours.is_empty() {
            let without = billed_hours
                .iter()
                .filter(|(hour, quantity)| !self.quantities.contains_key(hour) && quantity.is_positive());
            return (without.clone().count() as u32, without.map(|(_, quantity)| quantity).sum());
        }
        let expected = |hour: &i64| 2 * self.days_with_hour[hour_of_day(*hour)] >= self.days;
        let count = hours().filter(|hour| !self.quantities.contains_key(hour) && expected(hour)).count() as u32;
        (count, Exact::from(u64::from(count)) * &self.busiest)
    }
}

fn hour_of_day(hour_us: i64) -> usize {
    usize::try_from(hour_us.div_euclid(HOUR_US).rem_euclid(24)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Exact {
        text.parse().unwrap()
    }

    /// Records from 8 to 17 o'clock of the first ten days of October 2026, one unit in each hour, without some hours.
    fn recorded(without: &[(i64, i64)]) -> Recorded {
        let start = "2026-10".parse::<paygrain_pricing::Period>().unwrap().start_us();
        let hours = (0..10).flat_map(|day| (8..18).map(move |hour| (day, hour))).filter(|hour| !without.contains(hour));
        Recorded::of(hours.map(|(day, hour)| (start + (24 * day + hour) * HOUR_US, exact("1"))).collect())
    }

    fn missing(recorded: &Recorded, day: u32) -> (u32, String) {
        let day = NaiveDate::from_ymd_opt(2026, 10, day).unwrap();
        let (hours, quantity) = recorded.missing(Zone::default(), day, day, &BTreeMap::new(), &exact("7"));
        (hours, quantity.to_string())
    }

    #[test]
    fn hours_that_never_have_records_are_not_missing() {
        let all = recorded(&[]);
        assert_eq!(missing(&all, 3), (0, "0".into()), "nights are quiet");
        assert_eq!(missing(&recorded(&[(2, 9), (2, 10)]), 3), (2, "2".into()));
        assert_eq!(missing(&all, 20), (24, "7".into()), "a day without any record can hold anything");
    }

    #[test]
    fn hours_of_the_bill_are_compared_with_hours() {
        let recorded = recorded(&[(2, 9)]);
        let day = NaiveDate::from_ymd_opt(2026, 10, 3).unwrap();
        let start = Zone::default().day_start_us(day);
        let billed = [(3, "0.5"), (9, "2"), (10, "9"), (4, "0")];
        let billed = billed.map(|(hour, quantity)| (start + hour * HOUR_US, exact(quantity))).into();
        let (hours, quantity) = recorded.missing(Zone::default(), day, day, &billed, &exact("100"));
        assert_eq!((hours, quantity.to_string()), (2, "2.5".into()));
    }
}
