//! Types of line items: what they are in FOCUS, and what they cost with commitments spread over their usage.

use crate::format::billed::{Columns, Places, Row};
use crate::format::decimal::Number;
use crate::record::BilledLine;

/// A type of line item in the words of FOCUS.
pub(super) struct Charge {
    category: &'static str,
    class: Option<&'static str>,
    frequency: Option<&'static str>,
    pricing: Option<&'static str>,
}

impl Charge {
    /// `None` for a type that is not known.
    pub(super) fn of(line_item_type: &str) -> Option<Self> {
        let charge = |category, frequency| Charge { category, class: None, frequency, pricing: None };
        Some(match line_item_type {
            "Usage" => charge("Usage", Some("Usage-Based")),
            "DiscountedUsage" | "SavingsPlanCoveredUsage" => {
                Charge { pricing: Some("Committed"), ..charge("Usage", Some("Usage-Based")) }
            }
            // It takes away the price of usage that a plan covers.
            "SavingsPlanNegation" => charge("Usage", Some("Usage-Based")),
            "RIFee" | "SavingsPlanRecurringFee" => charge("Purchase", Some("Recurring")),
            "SavingsPlanUpfrontFee" => charge("Purchase", Some("One-Time")),
            "Fee" => charge("Purchase", None),
            "Tax" => charge("Tax", None),
            "Credit" => charge("Credit", None),
            "Refund" => Charge { class: Some("Correction"), ..charge("Adjustment", None) },
            other if is_discount(other) => charge("Adjustment", None),
            _ => return None,
        })
    }

    pub(super) fn describe(&self, line: &mut BilledLine) {
        line.charge_category = Some(self.category.into());
        line.charge_class = self.class.map(str::to_owned);
        line.charge_frequency = self.frequency.map(str::to_owned);
        line.pricing_category = self.pricing.map(str::to_owned);
    }
}

/// `BundledDiscount`, `EdpDiscount`, `PrivateRateDiscount`, `RiVolumeDiscount`, …
fn is_discount(line_item_type: &str) -> bool {
    line_item_type.ends_with("Discount")
}

/// Where the columns of commitments are.
#[derive(Default)]
pub(super) struct Found {
    term: Places,
    net_cost: Places,
    reservation: Places,
    reservation_effective: Places,
    reservation_unused_upfront: Places,
    reservation_unused_recurring: Places,
    savings_plan: Places,
    savings_plan_effective: Places,
    savings_plan_total: Places,
    savings_plan_used: Places,
}

impl Found {
    /// Net columns, which are there where discounts are, win.
    pub(super) fn of(columns: &Columns) -> Self {
        Found {
            term: columns.find(&["pricing/term"]),
            net_cost: columns.find(&["lineItem/NetUnblendedCost"]),
            reservation: columns.find(&["reservation/ReservationARN"]),
            reservation_effective: columns.find(&["reservation/NetEffectiveCost", "reservation/EffectiveCost"]),
            reservation_unused_upfront: columns.find(&[
                "reservation/NetUnusedAmortizedUpfrontFeeForBillingPeriod",
                "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod",
            ]),
            reservation_unused_recurring: columns
                .find(&["reservation/NetUnusedRecurringFee", "reservation/UnusedRecurringFee"]),
            savings_plan: columns.find(&["savingsPlan/SavingsPlanARN"]),
            savings_plan_effective: columns
                .find(&["savingsPlan/NetSavingsPlanEffectiveCost", "savingsPlan/SavingsPlanEffectiveCost"]),
            savings_plan_total: columns.find(&["savingsPlan/TotalCommitmentToDate"]),
            savings_plan_used: columns.find(&["savingsPlan/UsedCommitment"]),
        }
    }

    /// The commitment of a line, and how its usage is priced where no commitment is.
    pub(super) fn commitment(&self, row: &Row<'_>, line_item_type: &str, line: &mut BilledLine) {
        let plan = row.text(&self.savings_plan).map(|id| (id, "Spend", "Savings Plan"));
        let commitment = plan.or_else(|| row.text(&self.reservation).map(|id| (id, "Usage", "Reserved Instance")));
        if let Some((id, category, kind)) = commitment {
            line.commitment_discount_id = Some(id.to_owned());
            line.commitment_discount_category = Some(category.into());
            line.commitment_discount_type = Some(kind.into());
            let is_used = matches!(line_item_type, "DiscountedUsage" | "SavingsPlanCoveredUsage");
            line.commitment_discount_status = is_used.then(|| "Used".into());
        }
        if line_item_type == "Usage" {
            line.pricing_category = match row.peek(&self.term) {
                Some("OnDemand") => Some("Standard".into()),
                Some("Spot") => Some("Dynamic".into()),
                _ => None,
            };
        }
    }

    /// What a line costs with upfront and recurring fees spread over the usage that they cover, so that fees count with
    /// what was not used. All columns that it comes from stay among the others.
    pub(super) fn effective_cost(
        &self,
        row: &Row<'_>,
        line_item_type: &str,
        billed_cost: Option<&str>,
    ) -> Result<Option<String>, String> {
        let nothing = || Ok(Some("0".to_owned()));
        match line_item_type {
            "SavingsPlanCoveredUsage" => row.peek_amount(&self.savings_plan_effective),
            "SavingsPlanNegation" | "SavingsPlanUpfrontFee" => nothing(),
            "SavingsPlanRecurringFee" => {
                let total = row.peek_amount(&self.savings_plan_total)?;
                let used = row.peek_amount(&self.savings_plan_used)?;
                total.zip(used).map(|(total, used)| computed(&total, &used, Number::minus)).transpose()
            }
            "DiscountedUsage" => row.peek_amount(&self.reservation_effective),
            "RIFee" => {
                let upfront = row.peek_amount(&self.reservation_unused_upfront)?;
                let recurring = row.peek_amount(&self.reservation_unused_recurring)?;
                upfront
                    .zip(recurring)
                    .map(|(upfront, recurring)| computed(&upfront, &recurring, Number::plus))
                    .transpose()
            }
            "Fee" if row.peek(&self.reservation).is_some() => nothing(),
            _ => match row.peek_amount(&self.net_cost)? {
                Some(net) => Ok(Some(net)),
                // The net costs of the usage are already without it.
                None if is_discount(line_item_type) && !self.net_cost.is_empty() => nothing(),
                None => Ok(billed_cost.map(str::to_owned)),
            },
        }
    }
}

/// What is computed from two amounts, as text.
fn computed(one: &str, other: &str, how: fn(Number, Number) -> Option<Number>) -> Result<String, String> {
    let result = Number::of(one).zip(Number::of(other)).and_then(|(one, other)| how(one, other));
    result.ok_or_else(|| format!("`{one}` and `{other}` have more digits than can be computed with"))?.text()
}
