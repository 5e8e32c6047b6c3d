//! Corrections of earlier billing periods: the difference between a charge as it was billed and as it is rated now.

use paygrain_pricing::{Charge, Exact};

use crate::closing::BillLine;

/// A difference to a charge of an earlier billing period, billed in a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The charge, as it is rated now or, when it is gone, as it was billed.
    pub charge: Charge,
    /// What is consumed more, free part included; below 0 when it is less.
    pub consumed_quantity: Exact,
    /// What the price applies to more.
    pub priced_quantity: Exact,
    /// What it costs more at list prices.
    pub list_cost: Exact,
    /// What it costs more at contracted prices.
    pub contracted_cost: Exact,
    /// What is billed more.
    pub billed_cost: Exact,
    /// What is billed more with the fees of commitments spread.
    pub effective_cost: Exact,
}

impl Correction {
    /// A line of an issued bill that corrects an earlier revision: its quantities and amounts are differences.
    pub fn of_line(line: &BillLine) -> Self {
        let charge = &line.charge;
        Self {
            consumed_quantity: charge.consumed_quantity.clone(),
            priced_quantity: priced(charge),
            list_cost: priced(charge) * &charge.unit_price,
            contracted_cost: priced(charge) * &charge.contracted_unit_price,
            billed_cost: charge.billed_cost.clone(),
            effective_cost: charge.effective_cost.clone(),
            charge: charge.clone(),
        }
    }

    /// The difference between a charge as billed and as rated now; one of them may be absent. Nothing when they are equal.
    pub fn between(billed: Option<&Charge>, now: Option<&Charge>) -> Option<Self> {
        let difference =
            |of: fn(&Charge) -> Exact| now.map(of).unwrap_or_default() - billed.map(of).unwrap_or_default();
        let correction = Self {
            charge: now.or(billed)?.clone(),
            consumed_quantity: difference(|charge| charge.consumed_quantity.clone()),
            priced_quantity: difference(priced),
            list_cost: difference(|charge| priced(charge) * &charge.unit_price),
            contracted_cost: difference(|charge| priced(charge) * &charge.contracted_unit_price),
            billed_cost: difference(|charge| charge.billed_cost.clone()),
            effective_cost: difference(|charge| charge.effective_cost.clone()),
        };
        let numbers = [
            &correction.consumed_quantity,
            &correction.priced_quantity,
            &correction.list_cost,
            &correction.contracted_cost,
            &correction.billed_cost,
            &correction.effective_cost,
        ];
        numbers.iter().any(|number| !number.is_zero()).then_some(correction)
    }
}

/// What the price applies to, without what whole packages add.
fn priced(charge: &Charge) -> Exact {
    &charge.consumed_quantity - &charge.free_quantity
}
