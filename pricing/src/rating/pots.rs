//! What is left of each allowance, by scope and window
use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};

use super::{AllowanceUse, Allowances, RatingOptions, ScopeKey, plan::percent};
use crate::{
    book::{Allowance, Grant, PriceBook, Sku, in_force},
    exact::Exact,
    period::Period,
    scope::{SCOPE_COLUMNS, Scope},
    zone::Zone,
};

/// One allowance as one SKU draws on it.
pub(super) struct Draw<'a> {
    /// Index in the book.
    pub index: usize,
    pub allowance: &'a Allowance,
    /// Which columns of a scope key have a pot each.
    columns: [bool; 4],
    /// The part of the allowance that other usage has left.
    left_share: Exact,
    /// What is left of it: in base units, or money.
    full: Exact,
    /// Whose midnight begins a day's allowance.
    zone: Zone,
    /// Base units in one unit of the SKU; nothing for money.
    base_per_unit: Option<Exact>,
}

/// A pot: book (by its first SKU), allowance, scope, window.
type PotKey<'a> = (usize, usize, ScopeKey<'a>, i64);

/// What is left of the allowances. Quantities are kept in base units, so that SKUs with different units can share.
#[derive(Default)]
pub(super) struct Pots<'a> {
    pots: HashMap<PotKey<'a>, Pot>,
}

/// One allowance in one scope and window.
struct Pot {
    left_share: Exact,
    full: Exact,
    left: Exact,
    exhausted_at_us: Option<i64>,
}

/// Whether the options of a rating give an allowance in a period at all.
fn is_given(allowance: &Allowance, period: Period, options: &RatingOptions) -> bool {
    let chosen = match &options.allowances {
        Allowances::All => !allowance.on_request,
        Allowances::None => false,
        Allowances::Only(ids) => ids.contains(&allowance.id),
    };
    let months = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
    let expired = allowance.expires_months.is_some_and(|limit| {
        options.account_opened.is_none_or(|opened| months(period.first_day()) - months(opened) >= i64::from(limit))
    });
    let too_new = allowance.opened_before.is_some_and(|day| options.account_opened.is_none_or(|opened| opened >= day));
    (chosen || allowance.always) && !expired && !too_new
}

/// The part of an allowance that usage which is not rated has left. What every resource has is not shared.
fn left_share(allowance: &Allowance, options: &RatingOptions) -> Exact {
    let is_shared = !allowance.scope.iter().any(|column| column == "resource");
    let used_percent = if is_shared { options.used_allowance_percent.min(100) } else { 0 };
    Exact::from(i64::from(100 - used_percent)) * percent()
}

impl<'a> Draw<'a> {
    /// The allowances a SKU draws on in a period, in book order.
    pub fn all(sku: &Sku, book: &'a PriceBook, period: Period, options: &RatingOptions) -> Vec<Self> {
        let month_us = sku.month_us(period);
        let given = sku.allowances.iter().filter_map(|index| Some((*index, book.allowances.get(*index)?)));
        given
            .filter(|(_, allowance)| is_given(allowance, period, options))
            .map(|(index, allowance)| {
                let (full, base_per_unit) = match &allowance.grant {
                    Grant::Credit(credit) => (credit.clone(), None),
                    Grant::Quantity { quantity, unit } => {
                        (quantity * unit.scale(month_us), Some(sku.unit.scale(month_us)))
                    }
                };
                let columns = SCOPE_COLUMNS.map(|column| allowance.scope.iter().any(|name| name == column));
                let left_share = left_share(allowance, options);
                let full = full * &left_share;
                Self { index, allowance, columns, left_share, full, zone: book.zone, base_per_unit }
            })
            .collect()
    }

    /// Whether the allowance is in force on a day in a region.
    pub fn applies(&self, book: &PriceBook, day: NaiveDate, region: Option<&str>) -> bool {
        in_force(self.allowance.from, self.allowance.to, day)
            && self.allowance.region.as_ref().is_none_or(|set| book.region_in(set, region))
    }

    /// Whether it is money.
    pub fn is_credit(&self) -> bool {
        self.base_per_unit.is_none()
    }
}

impl<'a> Pots<'a> {
    /// Takes as much of `wanted` as is left: a quantity in the SKU's unit, or money.
    pub fn take(&mut self, book: usize, draw: &Draw<'_>, scope: &ScopeKey<'a>, at_us: i64, wanted: &Exact) -> Exact {
        if !wanted.is_positive() {
            return Exact::zero();
        }
        let mut key_scope = *scope;
        for (value, counts) in key_scope.iter_mut().zip(draw.columns) {
            if !counts {
                *value = None;
            }
        }
        let window = draw.allowance.window.map_or(0, |window| draw.zone.window(window, at_us).0);
        let pot = self.pots.entry((book, draw.index, key_scope, window)).or_insert_with(|| Pot {
            left_share: draw.left_share.clone(),
            full: draw.full.clone(),
            left: draw.full.clone(),
            exhausted_at_us: None,
        });
        let left = &mut pot.left;
        if left.is_zero() {
            return Exact::zero();
        }
        let one = Exact::one();
        let base_per_unit = draw.base_per_unit.as_ref().unwrap_or(&one);
        let wanted_base = wanted * base_per_unit;
        if wanted_base < *left {
            *left -= wanted_base;
            return wanted.clone();
        }
        pot.exhausted_at_us = Some(at_us);
        let all = std::mem::take(left);
        if wanted_base == all { wanted.clone() } else { all.checked_div(base_per_unit).unwrap_or_default() }
    }

    /// What each allowance that was drawn on gave, by book, allowance, scope and window.
    pub fn uses(&self, books: &[PriceBook]) -> Vec<AllowanceUse> {
        let mut pots: Vec<_> = self.pots.iter().collect();
        pots.sort_by_key(|(key, _)| **key);
        let one = |((number, index, scope, window), pot): (&PotKey<'_>, &Pot)| {
            let book = books.get(*number)?;
            let allowance = book.allowances.get(*index)?;
            let (granted, unit) = match &allowance.grant {
                Grant::Credit(credit) => (credit, book.currency.as_str()),
                Grant::Quantity { quantity, unit } => (quantity, unit.text()),
            };
            let granted = granted * &pot.left_share;
            let [organisation, account, region, resource] = scope.map(|value| value.map(str::to_owned));
            Some(AllowanceUse {
                price_book: book.name.clone(),
                allowance: allowance.id.clone(),
                scope: Scope { organisation, account, region, resource },
                window_from_us: allowance.window.map(|_| *window),
                used: (&pot.full - &pot.left).checked_div(&pot.full).unwrap_or_default() * &granted,
                granted,
                unit: unit.to_owned(),
                exhausted_at_us: pot.exhausted_at_us,
            })
        };
        pots.into_iter().filter_map(one).collect()
    }
}
