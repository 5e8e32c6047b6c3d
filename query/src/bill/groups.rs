//! Cost by group: what the rows of slices bear, added in whole numbers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::NaiveDate;
use paygrain_pricing::{Exact, SliceCost};

use super::{Attribution, CostGroup, Dimension, RatedUsage, fee_value, proportion};
use crate::metering::MeteredRow;

impl RatedUsage {
    /// Cost by the given dimensions, most expensive first; the groups sum to the bill exactly.
    pub fn group(&self, by: &[Dimension], attribution: Attribution) -> Vec<CostGroup> {
        self.grouped(by, false, attribution)
    }

    /// The same, apart also by the service that the records name, which is the last value of each key: the service of a
    /// charge is that of its price book. A fee has none.
    pub fn group_by_records(&self, by: &[Dimension], attribution: Attribution) -> Vec<CostGroup> {
        self.grouped(by, true, attribution)
    }

    fn grouped(&self, by: &[Dimension], by_service: bool, attribution: Attribution) -> Vec<CostGroup> {
        let mut groups: BTreeMap<Vec<String>, (Exact, Exact)> = BTreeMap::new();
        let mut sums = GroupSums::new(self, by, by_service);
        for cost in &self.rated.slice_costs {
            let (whole, charge) = (&self.slice_quantities[cost.slice], &self.rated.charges[cost.charge]);
            let (list, billed) = match attribution {
                Attribution::Time => {
                    let adjustment = proportion(&cost.consumed_quantity, &charge.consumed_quantity, &charge.adjustment);
                    (cost.list_cost.clone(), &cost.billed_cost + adjustment)
                }
                Attribution::Proportional => {
                    let part = |amount| proportion(&cost.consumed_quantity, &charge.consumed_quantity, amount);
                    (part(&charge.list_cost), part(&charge.billed_cost))
                }
            };
            let one = Exact::one();
            sums.add(cost, proportion(&one, whole, &list), proportion(&one, whole, &billed));
        }
        sums.into_groups(&mut groups);
        for fee in &self.rated.fee_days {
            let charge = &self.rated.charges[fee.charge];
            let values = by.iter().map(|dimension| fee_value(*dimension, charge, fee.day));
            let key = values.chain(by_service.then(String::new)).collect();
            let (list, billed) = groups.entry(key).or_default();
            *list += &charge.list_cost * &fee.share;
            *billed += &charge.billed_cost * &fee.share;
        }
        let mut groups: Vec<_> = groups
            .into_iter()
            .map(|(key, (list_cost, billed_cost))| CostGroup { key, list_cost, billed_cost })
            .collect();
        groups.sort_by(|a, b| (&b.billed_cost, &b.list_cost, &a.key).cmp(&(&a.billed_cost, &a.list_cost, &b.key)));
        groups
    }
}

/// What tells the group of what a row bears of a charge.
#[derive(PartialEq, Eq, Hash)]
struct RowKey {
    scope: u32,
    service: u32,
    charge: Option<usize>,
    day: Option<NaiveDate>,
    hour_us: Option<i64>,
}

/// Costs that are being summed by group, in whole numbers as long as that goes: many rows bear cost at few rates.
struct GroupSums<'a> {
    usage: &'a RatedUsage,
    by: &'a [Dimension],
    /// Whether the service of the records tells groups apart.
    by_service: bool,
    /// Which of the charge, the day and the hour tell groups apart, beside whose usage it is.
    by_charge: bool,
    by_day: bool,
    by_hour: bool,
    groups: HashMap<RowKey, u32>,
    keys: Vec<Vec<String>>,
    numbers: HashMap<Vec<String>, u32>,
    rates: HashMap<(Exact, Exact), u32>,
    /// Base units by group and rate.
    sums: HashMap<(u32, u32), i128>,
    /// What no longer went into one of them.
    beyond: Vec<(u32, Exact, Exact)>,
}

impl<'a> GroupSums<'a> {
    fn new(usage: &'a RatedUsage, by: &'a [Dimension], by_service: bool) -> Self {
        let has = |dimensions: &[Dimension]| by.iter().any(|dimension| dimensions.contains(dimension));
        Self {
            usage,
            by,
            by_service,
            by_charge: has(&[Dimension::Provider, Dimension::Service, Dimension::Sku]),
            by_day: has(&[Dimension::Day, Dimension::Month]),
            by_hour: has(&[Dimension::Hour]),
            groups: HashMap::new(),
            keys: Vec::new(),
            numbers: HashMap::new(),
            rates: HashMap::new(),
            sums: HashMap::new(),
            beyond: Vec::new(),
        }
    }

    /// Adds what the rows of a slice bear of a charge, at a cost per pricing unit.
    fn add(&mut self, cost: &SliceCost, list: Exact, billed: Exact) {
        let usage = self.usage;
        let mut rate: Option<(&Arc<Exact>, u32)> = None;
        for index in &usage.slice_rows[cost.slice] {
            let row = &usage.rows[*index];
            let factor = &row.quantity.factor;
            let number = match rate {
                Some((known, number)) if Arc::ptr_eq(known, factor) => number,
                _ => {
                    let next = u32::try_from(self.rates.len()).unwrap_or(u32::MAX);
                    let per_base = (factor.as_ref() * &list, factor.as_ref() * &billed);
                    *self.rates.entry(per_base).or_insert(next)
                }
            };
            rate = Some((factor, number));
            let group = self.group(row, cost.charge);
            let sum = self.sums.entry((group, number)).or_default();
            match sum.checked_add(row.quantity.base) {
                Some(more) => *sum = more,
                None => {
                    let quantity = row.quantity.exact();
                    self.beyond.push((group, &quantity * &list, quantity * &billed));
                }
            }
        }
    }

    /// The group of what a row bears of a charge.
    fn group(&mut self, row: &MeteredRow, charge: usize) -> u32 {
        let key = RowKey {
            scope: row.scope,
            service: row.service,
            charge: self.by_charge.then_some(charge),
            day: self.by_day.then_some(row.day),
            hour_us: self.by_hour.then_some(row.hour_us),
        };
        if let Some(group) = self.groups.get(&key) {
            return *group;
        }
        let values = self.by.iter().map(|dimension| self.usage.value(*dimension, row, charge));
        let service = self.by_service.then(|| self.usage.service(row).to_owned());
        let values: Vec<String> = values.chain(service).collect();
        let next = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let group = *self.numbers.entry(values.clone()).or_insert(next);
        if group == next {
            self.keys.push(values);
        }
        self.groups.insert(key, group);
        group
    }

    fn into_groups(self, groups: &mut BTreeMap<Vec<String>, (Exact, Exact)>) {
        let mut rates = vec![None; self.rates.len()];
        self.rates.into_iter().for_each(|(rate, number)| rates[number as usize] = Some(rate));
        let mut found: Vec<(Exact, Exact)> = vec![Default::default(); self.keys.len()];
        for ((group, rate), base) in self.sums {
            if let Some((list, billed)) = &rates[rate as usize] {
                let base = Exact::from_integer(base);
                found[group as usize].0 += &base * list;
                found[group as usize].1 += base * billed;
            }
        }
        for (group, list, billed) in self.beyond {
            found[group as usize].0 += list;
            found[group as usize].1 += billed;
        }
        groups.extend(self.keys.into_iter().zip(found));
    }
}
