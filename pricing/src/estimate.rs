//! Estimates: usage described in words instead of recorded, through the same meters and the same rating
use serde::Serialize;
use thiserror::Error;

use self::{activity::Activities, row::Row, slices::Slices};
use crate::{
    agreement::AgreementError,
    catalogue::Catalogue,
    charge::Charge,
    exact::Exact,
    period::Period,
    rating::{RatingOptions, rate},
};

mod activity;
mod breakdown;
mod request;
mod row;
mod runs;
mod slices;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use breakdown::explain_estimate;
pub use request::{EstimateRequest, RowValue, UsageRow};
pub use runs::{RunRow, RunWindow, SpanColumn};

/// Fractional digits of a rounded amount.
const CENT_PLACES: u32 = 2;

/// What described usage would cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// The billing period.
    pub period: Period,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// Sum of the charges, exact.
    pub total: Exact,
    /// The total rounded half up to cents.
    pub rounded_total: String,
    /// The sum of the charges, each rounded half up to cents.
    pub sum_of_rounded_charges: String,
    /// The charges.
    pub charges: Vec<Charge>,
    /// Usage no price applies to.
    pub unpriced: Vec<Unpriced>,
}

/// Described usage no price applies to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unpriced {
    /// Index of the usage row, from 0.
    pub row: usize,
    /// The row's service.
    pub service: String,
    /// The SKU without a price, when a SKU counts the row.
    pub sku: Option<String>,
    /// Quantity in `unit`, when it can be told.
    pub quantity: Option<Exact>,
    /// The SKU's unit.
    pub unit: Option<String>,
    /// Why there is no price.
    pub reason: String,
}

/// Why a request cannot be estimated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EstimateError {
    /// The request is not of the documented shape.
    #[error("the request cannot be read: {0}")]
    Unreadable(String),
    /// A usage row has a word or a value that has no meaning.
    #[error("usage row {row}: {message}")]
    Row {
        /// Index of the row, from 0.
        row: usize,
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The agreement names what no price book has.
    #[error("the agreement: {0}")]
    Agreement(#[from] AgreementError),
    /// More of the allowances is used than there is.
    #[error("`used_allowance_percent` is {0}: expected 0 to 100")]
    UsedAllowance(u32),
    /// The price books involved are in several currencies.
    #[error("the usage is priced in {0}: amounts of several currencies have no total")]
    SeveralCurrencies(String),
}

impl EstimateError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            EstimateError::Unreadable(_) => Some(
                "expected `period`, optionally `provider`, `region`, `account`, `allowances`, `used_allowance_percent`, and `usage`, a list of rows"
                    .to_owned(),
            ),
            EstimateError::Row { hint, .. } => hint.clone(),
            EstimateError::UsedAllowance(_) => Some("say what others use of each allowance, in percent of it".to_owned()),
            EstimateError::Agreement(error) => error.hint.clone(),
            EstimateError::SeveralCurrencies(_) => Some(
                "estimate the services of each currency apart, or give `billing_currency` and `exchange_rates` in `agreement`"
                    .to_owned(),
            ),
        }
    }
}

/// What described usage would cost, exact.
///
/// # Errors
/// A row with a word its usage table does not know, a value its word cannot have, or a time outside the period.
pub fn estimate(catalogue: &Catalogue, request: EstimateRequest) -> Result<Estimate, EstimateError> {
    estimate_with_runs(catalogue, request, &[])
}

/// What described usage and executions would cost together, exact. The rows of executions are numbered after those of
/// the request.
///
/// # Errors
/// As [`estimate`].
pub fn estimate_with_runs(
    catalogue: &Catalogue,
    request: EstimateRequest,
    runs: &[RunRow<'_>],
) -> Result<Estimate, EstimateError> {
    request.agreement.check(catalogue)?;
    if request.used_allowance_percent > 100 {
        return Err(EstimateError::UsedAllowance(request.used_allowance_percent));
    }
    let mut slices = Slices::new(catalogue, request.period, request.agreement.covered(catalogue));
    let mut activities = Activities::new(catalogue, request.period);
    for (index, raw) in request.usage.iter().enumerate() {
        let row = Row::read(catalogue, &request, index, raw)?;
        let taken = activities.take(&row)?;
        slices.add(&row, taken)?;
    }
    for (index, runs) in runs.iter().enumerate() {
        let row = Row::read(catalogue, &request, request.usage.len() + index, &runs.row)?;
        slices.add_runs(&row, runs);
    }
    slices.finish();
    activities.finish(&mut slices);
    let Slices { slices, rows, mut unpriced, .. } = slices;
    let EstimateRequest { allowances, used_allowance_percent, account_opened, agreement, .. } = request;
    let options = RatingOptions { allowances, used_allowance_percent, account_opened, agreement };
    let rated = rate(catalogue, request.period, &slices, &options);
    unpriced.extend(rated.unpriced.into_iter().map(|slice| Unpriced {
        row: rows[slice.slice],
        service: catalogue.book_of(slices[slice.slice].sku).service.clone(),
        sku: Some(slice.sku),
        quantity: Some(slice.quantity),
        unit: Some(slice.unit),
        reason: slice.reason,
    }));
    unpriced.sort();
    unpriced.dedup();
    let mut currencies: Vec<&str> = rated.charges.iter().map(|charge| charge.currency.as_str()).collect();
    currencies.sort_unstable();
    currencies.dedup();
    if currencies.len() > 1 {
        return Err(EstimateError::SeveralCurrencies(currencies.join(" and ")));
    }
    let total: Exact = rated.charges.iter().map(|charge| &charge.billed_cost).sum();
    let rounded = rated.charges.iter().map(|charge| charge.billed_cost.rounded_half_up(CENT_PLACES));
    Ok(Estimate {
        period: request.period,
        currency: currencies.first().map_or("USD", |currency| currency).to_owned(),
        rounded_total: total.round_half_up(CENT_PLACES),
        sum_of_rounded_charges: rounded.sum::<Exact>().round_half_up(CENT_PLACES),
        total,
        charges: rated.charges,
        unpriced,
    })
}
