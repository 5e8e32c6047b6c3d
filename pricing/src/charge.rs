//! A charge: one priced row, a SKU in one scope, tier and price period
use chrono::NaiveDate;
use serde::Serialize;

use crate::{exact::Exact, period::Period, scope::Scope};

/// One priced row: a SKU × scope × tier × price period.
///
/// `billed_cost` = `list_cost` − the list value of `free_quantity` − the credits of `allowances` + `adjustment`,
/// exactly. Amounts and quantities are exact, in JSON decimal strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// Readable and stable: `2019-06/aws.lambda.duration-x86/<scope>/tier-1`.
    pub id: String,
    /// The billing period.
    pub period: Period,
    /// The provider.
    pub provider: String,
    /// The service of the price book.
    pub service: String,
    /// The SKU, with provider and service in front: `aws.lambda.duration-x86`.
    pub sku: String,
    /// What is charged, in words.
    pub description: String,
    /// The scope tiers run in: only the columns the SKU is summed by.
    pub scope: Scope,
    /// FOCUS charge category: always `Usage`.
    pub charge_category: &'static str,
    /// Measured quantity in `consumed_unit`, free part included.
    pub consumed_quantity: Exact,
    /// Unit of `consumed_quantity` and `free_quantity`.
    pub consumed_unit: String,
    /// Part of `consumed_quantity` that allowances made free.
    pub free_quantity: Exact,
    /// What the price applies to: consumed − free, plus what rounding up to whole packages adds.
    pub pricing_quantity: Exact,
    /// Unit of `pricing_quantity`.
    pub pricing_unit: String,
    /// The tier, from 1.
    pub tier: u32,
    /// Cumulative quantity at which the tier starts, in `pricing_unit`.
    pub tier_from: Exact,
    /// Cumulative quantity at which the tier ends, in `pricing_unit`; the last tier is open.
    pub tier_to: Option<Exact>,
    /// Price of one `pricing_unit`.
    pub unit_price: Exact,
    /// The price as published.
    pub published_price: String,
    /// The unit the published price is for, with its number: `1_000_000 request`.
    pub published_per: String,
    /// `consumed_quantity` × `unit_price`: the cost without any allowance.
    pub list_cost: Exact,
    /// What is charged.
    pub billed_cost: Exact,
    /// Part of `billed_cost` that belongs to no slice: whole packages, minimum charge, volume pricing.
    pub adjustment: Exact,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// The allowances used, by id.
    pub allowances: Vec<AllowanceShare>,
    /// Usage records behind the charge; a record on a tier boundary counts in both tiers.
    pub record_count: u64,
    /// The metering rules, as written in the price book, with their eras.
    pub meter: String,
    /// Which rows are metered, as written in the price book; empty: every row of the service.
    pub filter: String,
    /// The price book: `aws/lambda`.
    pub price_book: String,
    /// Version of the price book.
    pub price_book_version: String,
    /// First day the price was in force.
    pub price_from: Option<NaiveDate>,
    /// Key of the price's source, and the place in it.
    pub source: String,
    /// Address of the source.
    pub source_address: String,
    /// How sure the price is: `seen`, `derived` or `remembered`.
    pub mark: String,
}

/// What one allowance gave to a charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AllowanceShare {
    /// The allowance's id in its price book.
    pub id: String,
    /// Quantity made free, in the charge's `consumed_unit`.
    pub quantity: Exact,
    /// Money taken off, in the charge's currency.
    pub credit: Exact,
}
