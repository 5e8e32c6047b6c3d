//! Whether quantity × price is the cost, unit by unit. Where it is off by the same power of ten, one of the two counts
//! in blocks (`10K`) and the other does not.

use std::collections::BTreeMap;

/// Most units that are watched; exports have a few dozen.
const UNITS_MAX: usize = 1_000;
/// Digits that are compared.
const DIGITS: usize = 12;

/// The check of one file.
#[derive(Default)]
pub(super) struct Blocks {
    /// By unit: by power of ten, the rows that are off by it; 0 where quantity × price is the cost.
    units: BTreeMap<String, BTreeMap<i64, u64>>,
}

impl Blocks {
    /// Takes a row of plain decimals.
    pub(super) fn take(&mut self, unit: &str, quantity: &str, price: &str, cost: &str) {
        let Some(power) = power_of(quantity, price, cost) else { return };
        if self.units.len() >= UNITS_MAX && !self.units.contains_key(unit) {
            return;
        }
        let powers = self.units.entry(unit.to_owned()).or_default();
        if powers.len() < UNITS_MAX {
            *powers.entry(power).or_default() += 1;
        }
    }

    /// What to tell of units that are off by one power in every row.
    pub(super) fn warnings(&self) -> Vec<String> {
        let off = self.units.iter().filter_map(|(unit, powers)| {
            let (power, rows) = powers.first_key_value().filter(|(power, _)| powers.len() == 1 && **power != 0)?;
            let factor = match usize::try_from(*power) {
                Ok(power) => format!("1{}", "0".repeat(power)),
                Err(_) => format!("1/1{}", "0".repeat(usize::try_from(power.unsigned_abs()).unwrap_or_default())),
            };
            Some(format!(
                "quantity × effective price is {factor} times the cost in all {rows} rows with the unit `{unit}`: one of them is per block of units, the other is not; both are kept as they are given"
            ))
        });
        off.collect()
    }
}

/// By which power of ten quantity × price is larger than the cost, if by one at all.
fn power_of(quantity: &str, price: &str, cost: &str) -> Option<i64> {
    let ((quantity, by_quantity), (price, by_price), (cost, by_cost)) =
        (digits(quantity)?, digits(price)?, digits(cost)?);
    // Both numbers have 23 or 24 digits; the product may have one less than the cost.
    let product = quantity.checked_mul(price)?;
    let cost = cost.checked_mul(10_u128.pow(DIGITS as u32))?;
    let power = by_quantity + by_price - by_cost + DIGITS as i64;
    [(product, power), (product.checked_mul(10)?, power - 1), (product / 10, power + 1)]
        .into_iter()
        .find(|(product, _)| product.abs_diff(cost) <= cost / 1_000_000)
        .map(|(_, power)| power)
}

/// The first digits of a plain decimal, `0.075` being 750000000000 × 10^-13; none for zero.
fn digits(text: &str) -> Option<(u128, i64)> {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    if significant.is_empty() {
        return None;
    }
    let mut first: String = significant.chars().take(DIGITS).collect();
    let dropped = i64::try_from(significant.len()).ok()? - i64::try_from(first.len()).ok()?;
    let added = DIGITS.checked_sub(first.len())?;
    first.push_str(&"0".repeat(added));
    let exponent = dropped - i64::try_from(added).ok()? - i64::try_from(fraction.len()).ok()?;
    Some((first.parse().ok()?, exponent))
}

#[cfg(test)]
mod tests {
    use super::{Blocks, power_of};

    #[test]
    fn a_power_of_ten_is_found_and_nothing_else() {
        for (quantity, price, cost, expected) in [
            ("3", "0.025", "0.075", Some(0)),
            ("0.0004", "0.1", "0.00004", Some(0)),
            ("0.32085564", "0.0187", "0.006000000468", Some(0)),
            ("4", "0.1", "0.00004", Some(4)),
            ("50000", "0.0036", "0.018", Some(4)),
            ("5", "0.0036", "180", Some(-4)),
            ("-2", "3.5", "-7", Some(0)),
            ("3", "0.3333333333", "1", Some(0)),
            ("22", "0.17475", "3.455664", None),
            ("10", "1.2", "0", None),
            ("0", "1", "1", None),
            ("1", "1", "999999999999999999999999999999", None),
        ] {
            assert_eq!(power_of(quantity, price, cost), expected, "{quantity} × {price} = {cost}");
        }
    }

    #[test]
    fn a_unit_is_told_of_when_all_its_rows_are_off() {
        let mut blocks = Blocks::default();
        blocks.take("10K", "4", "0.1", "0.00004");
        blocks.take("10K", "50000", "0.0036", "0.018");
        blocks.take("1 Hour", "2", "3", "6");
        blocks.take("1 GB", "2", "3", "60");
        blocks.take("1 GB", "2", "3", "6");
        let warnings = blocks.warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("10000 times the cost in all 2 rows with the unit `10K`"), "{warnings:?}");
    }
}
