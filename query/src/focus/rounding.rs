//! Rounding costs so that their sums stay right: each amount goes down, and what is lost goes to the largest remainders.
//!
//! First the sum of a currency is rounded, then the sums of its billing accounts so that they add up to it, then the
//! rows of each account so that they add up to theirs.

use std::collections::BTreeMap;

use paygrain_pricing::Exact;

use super::rows::{Costs, FocusRow};

/// Which amounts are rounded, and to how many fractional digits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Digits {
    /// All.
    All(u32),
    /// Those that no finite decimal writes.
    FiniteOr(u32),
}

/// The columns of costs.
const COSTS: [fn(&mut Costs) -> &mut Exact; 5] = [
    |costs| &mut costs.list,
    |costs| &mut costs.contracted,
    |costs| &mut costs.billed,
    |costs| &mut costs.effective,
    |costs| &mut costs.pricing_currency_effective,
];

/// Rounds every cost of the rows.
pub(super) fn round_costs(rows: &mut [FocusRow], digits: Digits) {
    for cost in COSTS {
        // Per currency and billing account the places of its rows.
        let mut accounts: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
        for (index, row) in rows.iter_mut().enumerate() {
            if matches!(digits, Digits::FiniteOr(_)) && cost(&mut row.costs).terminates() {
                continue;
            }
            let accounts = accounts.entry(row.terms.billing_currency.clone()).or_default();
            accounts.entry(row.place.billing_account.id.clone()).or_default().push(index);
        }
        for accounts in accounts.values() {
            let mut value = |row: &usize| cost(&mut rows[*row].costs).clone();
            let sums: Vec<Exact> = accounts.values().map(|members| members.iter().map(&mut value).sum()).collect();
            let places = match digits {
                Digits::All(places) => places,
                // A sum that is finite again is kept to its last digit.
                Digits::FiniteOr(places) => sums.iter().filter_map(Exact::decimal_places).fold(places, u32::max),
            };
            let total = units(&sums.iter().sum(), places).rounded_half_up(0);
            let sums = apportioned(&sums.iter().map(|sum| units(sum, places)).collect::<Vec<_>>(), &total);
            for (members, sum) in accounts.values().zip(sums) {
                let values: Vec<Exact> = members.iter().map(|row| units(cost(&mut rows[*row].costs), places)).collect();
                for (row, value) in members.iter().zip(apportioned(&values, &sum)) {
                    *cost(&mut rows[*row].costs) = value.checked_div(&power(places)).unwrap_or_default();
                }
            }
        }
    }
}

/// 10 to the power of `places`.
fn power(places: u32) -> Exact {
    let ten = Exact::from(10_u32);
    (0..places).fold(Exact::one(), |power, _| power * &ten)
}

/// A value in units of its last digit.
fn units(value: &Exact, places: u32) -> Exact {
    value * power(places)
}

/// Whole numbers next to the values that add up to `total`, which is their sum rounded up or down.
fn apportioned(values: &[Exact], total: &Exact) -> Vec<Exact> {
    let mut whole: Vec<Exact> = values.iter().map(Exact::floor_to_integer).collect();
    let missing = total - whole.iter().sum::<Exact>();
    let remainders: Vec<Exact> = values.iter().zip(&whole).map(|(value, whole)| value - whole).collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| remainders[*b].cmp(&remainders[*a]).then(a.cmp(b)));
    let missing = missing.to_i128().and_then(|missing| usize::try_from(missing).ok()).unwrap_or(0);
    for index in order.into_iter().take(missing) {
        whole[index] += Exact::one();
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirds_add_up_to_the_whole() {
        let third = Exact::ratio(10, 3).unwrap();
        let minus = Exact::ratio(-1, 2).unwrap();
        let whole = |values: &[Exact], total: i32| -> Vec<String> {
            apportioned(values, &Exact::from(total)).iter().map(Exact::to_string).collect()
        };
        assert_eq!(whole(&[third.clone(), third.clone(), third.clone()], 10), ["4", "3", "3"]);
        assert_eq!(whole(&[third.clone(), Exact::zero(), minus.clone()], 3), ["3", "0", "0"]);
        assert_eq!(whole(&[minus.clone(), minus], -1), ["0", "-1"]);
    }
}
