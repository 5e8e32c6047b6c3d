//! What rating one SKU needs, computed once
use std::collections::HashMap;
use std::rc::Rc;

use chrono::NaiveDate;

use super::{Discounts, RatingOptions, curve::Curve, pots::Draw};
use crate::{
    agreement::{Agreement, Commitment, Discount},
    book::{PriceBook, Sku, in_force},
    catalogue::{Catalogue, SkuIndex},
    exact::Exact,
    period::Period,
};

/// One SKU with its curves, allowances and discounts.
pub(super) struct Plan<'a> {
    pub sku: &'a Sku,
    pub book: &'a PriceBook,
    /// A curve per price of the SKU.
    pub curves: Vec<Curve>,
    pub draws: Vec<Draw<'a>>,
    /// Which columns of a scope key the SKU is summed by.
    pub columns: [bool; 4],
    /// Tells the books apart.
    pub book_number: usize,
    agreement: &'a Agreement,
    /// The discounts on the SKU, by their place in the agreement.
    discounts: Discounts,
}

impl Plan<'_> {
    /// The discounts in force on a day.
    pub fn discounts_on(&self, day: NaiveDate) -> Discounts {
        let applies = |index: &usize| in_force(self.discount(*index).from, self.discount(*index).to, day);
        self.discounts.iter().copied().filter(applies).collect()
    }

    /// What discounts leave of the list price: several multiply.
    pub fn discount_factor(&self, discounts: &[usize]) -> Exact {
        let left = |index: &usize| Exact::one() - &self.discount(*index).percent * percent();
        discounts.iter().fold(Exact::one(), |factor, index| factor * left(index))
    }

    /// A discount by its place in the agreement.
    pub fn discount(&self, index: usize) -> &Discount {
        &self.agreement.discounts[index]
    }

    /// The discounts on the SKU at any time.
    pub fn discounts(&self) -> impl Iterator<Item = &Discount> {
        self.discounts.iter().map(|index| self.discount(*index))
    }

    /// A commitment by its place in the agreement.
    pub fn commitment(&self, index: usize) -> Option<&Commitment> {
        self.agreement.commitments.get(index)
    }
}

/// A hundredth.
pub(super) fn percent() -> Exact {
    Exact::ratio(1, 100).unwrap_or_default()
}

/// The plans of all SKUs met so far.
pub(super) struct Plans<'a> {
    pub catalogue: &'a Catalogue,
    pub period: Period,
    pub options: &'a RatingOptions,
    plans: HashMap<SkuIndex, Rc<Plan<'a>>>,
}

impl<'a> Plans<'a> {
    pub fn new(catalogue: &'a Catalogue, period: Period, options: &'a RatingOptions) -> Self {
        Self { catalogue, period, options, plans: HashMap::new() }
    }

    pub fn of(&mut self, index: SkuIndex) -> Rc<Plan<'a>> {
        let (catalogue, period, options) = (self.catalogue, self.period, self.options);
        let plan = self.plans.entry(index).or_insert_with(|| {
            let (sku, book) = (catalogue.sku(index), catalogue.book_of(index));
            let month_us = sku.month_us(period);
            let agreement = &options.agreement;
            let named = |(index, discount): (usize, &Discount)| discount.names(&sku.name).then_some(index);
            Rc::new(Plan {
                sku,
                book,
                curves: sku.prices.iter().map(|price| Curve::new(sku, price, month_us)).collect(),
                draws: Draw::all(sku, book, period, options),
                columns: crate::scope::SCOPE_COLUMNS.map(|column| sku.scope.iter().any(|name| name == column)),
                book_number: catalogue.book_number(index),
                agreement,
                discounts: agreement.discounts.iter().enumerate().filter_map(named).collect(),
            })
        });
        Rc::clone(plan)
    }
}
