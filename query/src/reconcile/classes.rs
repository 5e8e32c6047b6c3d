//! The difference of one SKU on one day, taken apart: pure arithmetic whose parts sum to the difference exactly.
//!
//! A bill is what the rating says, but for the quantity, for what allowances take off, for discounts, for tax and for
//! the digits that are printed. Each of these is known by itself from both sides, so each part is a difference of like
//! with like; what is left is within the printed digits, or unexplained.

use paygrain_pricing::Exact;
use serde::Serialize;

/// Why a bill differs from the rating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// One side gives a free quantity or credit that the other does not, or gives it on another day.
    Allowance,
    /// Within the digits that the bill prints.
    Rounding,
    /// The bill has usage in hours without any record.
    MissingHours,
    /// Negotiated prices, credits, refunds and commitments.
    Discount,
    /// Tax.
    Tax,
    /// No SKU is known for the line, or the SKU has no price.
    Unpriced,
    /// None of these.
    Unexplained,
}

impl Class {
    /// Every class, in the order answers list them.
    pub const ALL: [Class; 7] = [
        Self::Allowance,
        Self::Rounding,
        Self::MissingHours,
        Self::Discount,
        Self::Tax,
        Self::Unpriced,
        Self::Unexplained,
    ];

    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowance => "allowance",
            Self::Rounding => "rounding",
            Self::MissingHours => "missing_hours",
            Self::Discount => "discount",
            Self::Tax => "tax",
            Self::Unpriced => "unpriced",
            Self::Unexplained => "unexplained",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::MissingHours => "missing hours",
            other => other.name(),
        }
    }

    /// What it means, as a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Allowance => {
                "the bill gives less free usage than the price list (above zero) or more, or gives it on another day"
            }
            Self::Rounding => "less than half a unit of the last digit that each line of the bill prints",
            Self::MissingHours => "usage of hours in which the logs have no record",
            Self::Discount => "negotiated prices, credits, refunds, reservations and savings plans",
            Self::Tax => "tax on the bill; a rating has none",
            Self::Unpriced => "no price book has a SKU or a price for it",
            Self::Unexplained => "nothing here explains it",
        }
    }
}

/// A difference by class; the parts sum to it exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// [`Class::Allowance`].
    pub allowance: Exact,
    /// [`Class::Rounding`].
    pub rounding: Exact,
    /// [`Class::MissingHours`].
    pub missing_hours: Exact,
    /// [`Class::Discount`].
    pub discount: Exact,
    /// [`Class::Tax`].
    pub tax: Exact,
    /// [`Class::Unpriced`].
    pub unpriced: Exact,
    /// [`Class::Unexplained`].
    pub unexplained: Exact,
}

impl Parts {
    /// The part of a class.
    pub fn of(&self, class: Class) -> &Exact {
        match class {
            Class::Allowance => &self.allowance,
            Class::Rounding => &self.rounding,
            Class::MissingHours => &self.missing_hours,
            Class::Discount => &self.discount,
            Class::Tax => &self.tax,
            Class::Unpriced => &self.unpriced,
            Class::Unexplained => &self.unexplained,
        }
    }

    /// The whole difference.
    pub fn sum(&self) -> Exact {
        Class::ALL.into_iter().map(|class| self.of(class)).sum()
    }

    /// Adds another difference.
    pub fn add(&mut self, other: &Self) {
        self.allowance += &other.allowance;
        self.rounding += &other.rounding;
        self.missing_hours += &other.missing_hours;
        self.discount += &other.discount;
        self.tax += &other.tax;
        self.unpriced += &other.unpriced;
        self.unexplained += &other.unexplained;
    }
}

/// What the rating has of a SKU on a day. Quantities are in the SKU's unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RatedSide {
    /// Metered.
    pub quantity: Exact,
    /// Of it free.
    pub free: Exact,
    /// Before allowances and discounts.
    pub list: Exact,
    /// What free quantities take off the list cost.
    pub free_value: Exact,
    /// What credits of allowances take off.
    pub credit: Exact,
    /// What negotiated prices and commitments add; usually below 0.
    pub discount: Exact,
    /// Billed cost.
    pub cost: Exact,
    /// Usage records.
    pub records: u64,
}

/// What the bill has. Quantities are in the SKU's unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BilledSide {
    /// All of the lines.
    pub cost: Exact,
    /// Quantity of the usage lines; nothing where one does not say.
    pub quantity: Option<Exact>,
    /// Of it on lines that cost nothing.
    pub at_no_cost: Exact,
    /// Most that lines at no cost may have cost before they were rounded.
    pub at_no_cost_error: Exact,
    /// Lines of tax.
    pub tax: Exact,
    /// Discounts, credits and refunds; usually below 0.
    pub discount: Exact,
    /// What credits for free usage take off.
    pub credit: Exact,
    /// Lines that say that they round.
    pub rounding: Exact,
    /// Lines that no SKU is known for.
    pub unpriced: Exact,
    /// Half a unit of the last digit of each cost.
    pub cost_error: Exact,
    /// Half a unit of the last digit of each quantity.
    pub quantity_error: Exact,
}

/// What is known of the SKU beyond the day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Circumstances {
    /// List price of a unit; nothing where no price book has one.
    pub price: Option<Exact>,
    /// Whether the logs have a record of the SKU at all in the period.
    pub has_records: bool,
    /// Whether the bill leaves free quantities out instead of listing them at no cost.
    pub omits_free: bool,
    /// Most that the hours without a record can hold.
    pub missing_quantity: Exact,
}

/// Takes the difference between a bill and its rating apart.
pub(super) fn classify(rated: &RatedSide, billed: &BilledSide, known: &Circumstances) -> Parts {
    let mut parts = Parts {
        tax: billed.tax.clone(),
        discount: &billed.discount - &rated.discount,
        rounding: billed.rounding.clone(),
        unpriced: billed.unpriced.clone(),
        ..Parts::default()
    };
    if !rated.discount.is_zero() && within(&parts.discount, &billed.cost_error) {
        parts.discount = Exact::zero(); // the same discount, up to its digits
    }
    let rest = &billed.cost - &rated.cost - parts.sum();
    let Some(price) = &known.price else {
        parts.unpriced += &rest;
        return parts;
    };
    if !known.has_records {
        parts.missing_hours += &rest;
        return parts;
    }
    match &billed.quantity {
        Some(quantity) => by_quantity(rated, billed, known, price, quantity, &rest, &mut parts),
        None if within(&rest, &billed.cost_error) => parts.rounding += &rest,
        None if within(&(&rest - &rated.free_value), &billed.cost_error) => parts.allowance += &rest,
        None => parts.unexplained += &rest,
    }
    parts
}

fn by_quantity(
    rated: &RatedSide,
    billed: &BilledSide,
    known: &Circumstances,
    price: &Exact,
    quantity: &Exact,
    rest: &Exact,
    parts: &mut Parts,
) {
    // A bill that leaves free quantities out is compared by what both sides charge.
    let listed = if known.omits_free { quantity + &rated.free } else { quantity.clone() };
    let surplus = &listed - &rated.quantity;
    let same_quantity = within(&surplus, &billed.quantity_error);
    if same_quantity && within(rest, &billed.cost_error) {
        parts.rounding += rest;
        return;
    }
    let error = &billed.cost_error + price * &billed.quantity_error;
    let mut allowance = &rated.free_value - free_value(rated, billed, known, price) + (&rated.credit - &billed.credit);
    if within(&allowance, &error) {
        allowance = Exact::zero();
    }
    let (mut missing, mut changed) = (Exact::zero(), Exact::zero());
    if !same_quantity {
        let held =
            if surplus.is_positive() { surplus.clone().min(known.missing_quantity.clone()) } else { Exact::zero() };
        missing = price * &held;
        changed = price * (&surplus - &held);
    }
    let mut left = rest - &allowance - &missing - &changed;
    if !within(&left, &error) && within(&(&left + &allowance), &error) {
        // The cost of the line is already without what is free.
        left += &allowance;
        allowance = Exact::zero();
    }
    parts.allowance += &allowance;
    parts.missing_hours += &missing;
    parts.unexplained += &changed;
    match within(&left, &error) {
        true => parts.rounding += &left,
        false => parts.unexplained += &left,
    }
}

/// What the free quantities of the bill are worth.
fn free_value(rated: &RatedSide, billed: &BilledSide, known: &Circumstances, price: &Exact) -> Exact {
    if known.omits_free {
        return rated.free_value.clone();
    }
    // A line at no cost is free, unless its cost may have been rounded away: then it is what the rating says.
    let rounded_away = price * &billed.at_no_cost <= billed.at_no_cost_error;
    let free = match rounded_away {
        true => billed.at_no_cost.clone().min(rated.free.clone()),
        false => billed.at_no_cost.clone(),
    };
    // The same quantity is worth the same, whatever tiers it is of.
    match within(&(&free - &rated.free), &billed.quantity_error) {
        true => rated.free_value.clone(),
        false => price * &free,
    }
}

fn within(amount: &Exact, error: &Exact) -> bool {
    amount.abs() <= *error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Exact {
        text.parse().unwrap()
    }

    /// 100 units at 0.01, 40 of them free.
    fn rated() -> RatedSide {
        RatedSide {
            quantity: exact("100"),
            free: exact("40"),
            list: exact("1"),
            free_value: exact("0.4"),
            cost: exact("0.6"),
            records: 10,
            ..RatedSide::default()
        }
    }

    /// The bill of it.
    fn billed() -> BilledSide {
        BilledSide {
            cost: exact("0.6"),
            quantity: Some(exact("100")),
            at_no_cost: exact("40"),
            cost_error: exact("0.0000005"),
            at_no_cost_error: exact("0.0000005"),
            ..BilledSide::default()
        }
    }

    fn known() -> Circumstances {
        Circumstances { price: Some(exact("0.01")), has_records: true, ..Circumstances::default() }
    }

    /// The classes that are not zero.
    fn named(rated: &RatedSide, billed: &BilledSide, known: &Circumstances) -> Vec<(&'static str, String)> {
        let parts = classify(rated, billed, known);
        assert_eq!(parts.sum(), &billed.cost - &rated.cost);
        let parts = Class::ALL.into_iter().map(|class| (class.name(), parts.of(class).clone()));
        parts.filter(|(_, part)| !part.is_zero()).map(|(name, part)| (name, part.to_string())).collect()
    }

    fn one(name: &'static str, part: &str) -> Vec<(&'static str, String)> {
        vec![(name, part.to_owned())]
    }

    #[test]
    fn nothing_differs() {
        assert_eq!(named(&rated(), &billed(), &known()), []);
    }

    #[test]
    fn an_allowance_that_is_not_given_or_given_elsewhere() {
        let none = BilledSide { cost: exact("1"), at_no_cost: exact("0"), ..billed() };
        assert_eq!(named(&rated(), &none, &known()), one("allowance", "0.4"));
        let more = BilledSide { cost: exact("0.5"), at_no_cost: exact("50"), ..billed() };
        assert_eq!(named(&rated(), &more, &known()), one("allowance", "-0.1"));
        let by_credit = BilledSide { at_no_cost: exact("0"), credit: exact("0.4"), ..billed() };
        assert_eq!(named(&rated(), &by_credit, &known()), []);
    }

    #[test]
    fn a_bill_may_leave_free_quantities_out_or_take_them_off_within_a_line() {
        let omitted = BilledSide { quantity: Some(exact("60")), at_no_cost: exact("0"), ..billed() };
        assert_eq!(named(&rated(), &omitted, &Circumstances { omits_free: true, ..known() }), []);
        let within_a_line = BilledSide { at_no_cost: exact("0"), ..billed() };
        assert_eq!(named(&rated(), &within_a_line, &known()), []);
        let more = BilledSide { quantity: Some(exact("110")), cost: exact("0.7"), ..within_a_line };
        assert_eq!(named(&rated(), &more, &known()), one("unexplained", "0.1"));
    }

    #[test]
    fn digits_that_are_not_printed() {
        let printed = BilledSide { cost: exact("0.604"), cost_error: exact("0.005"), ..billed() };
        assert_eq!(named(&rated(), &printed, &known()), one("rounding", "0.004"));
        let beyond = BilledSide { cost: exact("0.606"), cost_error: exact("0.005"), ..billed() };
        assert_eq!(named(&rated(), &beyond, &known()), one("unexplained", "0.006"));
        let small =
            RatedSide { quantity: exact("0.3"), list: exact("0.003"), cost: exact("0.003"), ..RatedSide::default() };
        let rounded_away = BilledSide {
            cost: exact("0"),
            quantity: Some(exact("0.3")),
            at_no_cost: exact("0.3"),
            cost_error: exact("0.005"),
            at_no_cost_error: exact("0.005"),
            ..BilledSide::default()
        };
        assert_eq!(named(&small, &rounded_away, &known()), one("rounding", "-0.003"));
    }

    #[test]
    fn hours_without_records_explain_as_much_as_they_can_hold() {
        let more = BilledSide { quantity: Some(exact("130")), cost: exact("0.9"), ..billed() };
        assert_eq!(named(&rated(), &more, &known()), one("unexplained", "0.3"));
        let hours = |held: &str| Circumstances { missing_quantity: exact(held), ..known() };
        assert_eq!(named(&rated(), &more, &hours("40")), one("missing_hours", "0.3"));
        let both = vec![("missing_hours", "0.2".to_owned()), ("unexplained", "0.1".to_owned())];
        assert_eq!(named(&rated(), &more, &hours("20")), both);
        let less = BilledSide { quantity: Some(exact("90")), cost: exact("0.5"), ..billed() };
        assert_eq!(named(&rated(), &less, &hours("40")), one("unexplained", "-0.1"));
    }

    #[test]
    fn discounts_and_tax_are_what_the_lines_say() {
        let side = BilledSide { cost: exact("0.64"), discount: exact("-0.06"), tax: exact("0.1"), ..billed() };
        let both = vec![("discount", "-0.06".to_owned()), ("tax", "0.1".to_owned())];
        assert_eq!(named(&rated(), &side, &known()), both);
        let agreed = RatedSide { discount: exact("-0.06"), cost: exact("0.54"), ..rated() };
        assert_eq!(named(&agreed, &side, &known()), one("tax", "0.1"));
    }

    #[test]
    fn what_has_no_price_and_what_has_no_record() {
        let alone = RatedSide::default();
        assert_eq!(named(&alone, &billed(), &Circumstances::default()), one("unpriced", "0.6"));
        let no_records = Circumstances { has_records: false, ..known() };
        assert_eq!(named(&alone, &billed(), &no_records), one("missing_hours", "0.6"));
    }

    #[test]
    fn causes_that_come_together_are_told_apart() {
        // No free tier, ten units of missing hours, five too many, cents, a discount and tax.
        let side = BilledSide {
            cost: exact("1.15") + exact("0.003") - exact("0.1") + exact("0.2"),
            quantity: Some(exact("115")),
            at_no_cost: exact("0"),
            discount: exact("-0.1"),
            tax: exact("0.2"),
            cost_error: exact("0.005"),
            ..BilledSide::default()
        };
        let known = Circumstances { missing_quantity: exact("10"), ..known() };
        let parts = classify(&rated(), &side, &known);
        let expected = ["0.4", "0.003", "0.1", "-0.1", "0.2", "0", "0.05"];
        assert_eq!(Class::ALL.map(|class| parts.of(class).to_string()), expected);
    }
}
