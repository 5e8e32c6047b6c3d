//! Why each charge of an estimate is what it is
use std::collections::BTreeMap;

use super::{Estimate, EstimateError, EstimateRequest, estimate, row::Row, slices};
use crate::{
    catalogue::{Catalogue, SkuIndex},
    exact::Exact,
    explanation::{BeforeRounding, Breakdown},
    expression::Value,
    scope::Scope,
};

/// Quantities before rounding, by SKU and the columns it is summed by; nothing where a rule does not round.
type Unrounded = BTreeMap<(SkuIndex, Scope), Option<BeforeRounding>>;

/// What described usage would cost, and why: one breakdown per charge, in their order.
///
/// # Errors
/// As [`estimate()`].
pub fn explain_estimate(
    catalogue: &Catalogue,
    request: EstimateRequest,
) -> Result<(Estimate, Vec<Breakdown>), EstimateError> {
    let unrounded = unrounded(catalogue, &request)?;
    let estimate = estimate(catalogue, request)?;
    let breakdowns = (0..estimate.charges.len()).map(|index| {
        let charge = &estimate.charges[index];
        let before =
            catalogue.find_sku(&charge.sku).and_then(|sku| unrounded.get(&(sku, charge.scope.clone()))?.clone());
        Breakdown::of(catalogue, &estimate.charges, index, before)
    });
    let breakdowns = breakdowns.collect();
    Ok((estimate, breakdowns))
}

/// Every row through the rules of every SKU it feeds, with nothing rounded.
fn unrounded(catalogue: &Catalogue, request: &EstimateRequest) -> Result<Unrounded, EstimateError> {
    let mut found = Unrounded::new();
    for (number, raw) in request.usage.iter().enumerate() {
        let row = Row::read(catalogue, request, number, raw)?;
        let at_us = row.at_us.or(row.from_us).unwrap_or_else(|| row.zone.start_us(request.period));
        let day = row.zone.day_of(row.zone.within(request.period, at_us));
        for index in catalogue.fed_by(&row.provider, &row.service, row.table) {
            let sku = catalogue.sku(*index);
            let (quantity, _) = slices::quantity_column(&row, sku, request.period);
            let column = |name: &str| if name == "quantity" { quantity.clone() } else { row.value(name) };
            let Some(meter) = sku.meter_on(day) else { continue };
            if sku.filter.as_ref().is_some_and(|filter| !filter.passes(&column)) {
                continue;
            }
            let key = (*index, slices::scope_of(catalogue, &row, *index, sku).only(&sku.scope));
            let before = found.entry(key).or_insert_with(|| Some(BeforeRounding::default()));
            // A quantity given in the SKU's unit was measured by someone else; a rule that ends is followed by another.
            let plain = row.gb_months.is_none() && sku.maximum_per.is_none();
            let ends = meter.to.is_some_and(|to| to <= request.period.last_day()) && row.held_us().is_some();
            let rule = meter.quantity.unrounded().filter(|_| plain && !ends);
            let (Some(sum), Some(rule)) = (before.as_mut(), rule) else {
                *before = None;
                continue;
            };
            let records = &row.count * Exact::from(row.days);
            if let Value::Number(value) = rule.evaluate(&column) {
                sum.quantity += value * &records * sku.factor(meter, request.period);
            }
            if rule.prefers_reported() && row.value("billed_us") != Value::Null {
                sum.reported_count = sum.reported_count.saturating_add(slices::records(&records));
            }
        }
    }
    Ok(found)
}
