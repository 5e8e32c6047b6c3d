//! A charge: one priced row, a SKU in one scope, tier and price period
use chrono::NaiveDate;
use serde::Serialize;

use crate::{exact::Exact, period::Period, scope::Scope};

/// One priced row: a SKU × scope × tier × price period × commitment.
///
/// `billed_cost` = `contracted_cost` − the contracted value of `free_quantity` − the credits of `allowances` +
/// `adjustment`, exactly; usage that a commitment covers is billed at 0. Amounts and quantities are exact, in JSON
/// decimal strings.
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
    /// FOCUS charge category: `Usage`, or `Purchase` for the fee of a commitment.
    pub charge_category: &'static str,
    /// FOCUS charge frequency: `Usage-Based`, or `Recurring` and `One-Time` for fees.
    pub charge_frequency: &'static str,
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
    /// Price of one `pricing_unit` after negotiated discounts.
    pub contracted_unit_price: Exact,
    /// `consumed_quantity` × `unit_price`: the cost without any allowance or discount.
    pub list_cost: Exact,
    /// `consumed_quantity` × `contracted_unit_price`: the cost without any allowance.
    pub contracted_cost: Exact,
    /// What is charged.
    pub billed_cost: Exact,
    /// What is charged, with the fees of commitments spread over the usage they cover: a fee itself has 0.
    pub effective_cost: Exact,
    /// Part of `billed_cost` that belongs to no slice: whole packages, minimum charge, volume pricing.
    pub adjustment: Exact,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// ISO 4217 code of the published price.
    pub pricing_currency: String,
    /// Units of `currency` for one of `pricing_currency`.
    pub exchange_rate: Exact,
    /// The negotiated discounts in the contracted price, by id.
    pub discounts: Vec<DiscountShare>,
    /// The commitment that covers the usage, or whose fee or unused part this is.
    pub commitment: Option<CommitmentShare>,
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

/// What one negotiated discount takes off a charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiscountShare {
    /// Its id in the agreement.
    pub id: String,
    /// Percent off the list price.
    pub percent: Exact,
}

/// A commitment's part in a charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommitmentShare {
    /// Its id in the agreement.
    pub id: String,
    /// The plan in the price book: `aws.ec2.reserved-1y`.
    pub plan: String,
    /// FOCUS commitment discount category: `Spend` (so much money an hour) or `Usage` (so many units an hour).
    pub category: &'static str,
    /// FOCUS commitment discount status of usage: `Used` or `Unused`; nothing for the fee.
    pub status: Option<&'static str>,
    /// Part of the commitment that the charge uses, buys or leaves unused, in `unit`.
    pub quantity: Exact,
    /// Unit of `quantity`: the currency for `Spend`.
    pub unit: String,
}
