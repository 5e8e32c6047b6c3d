//! Price books: what a provider charges for one service, as data
use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::{
    activity::Activity,
    billed_as::{BilledAs, Pattern},
    estimate::EstimateRequest,
    exact::Exact,
    expression::Expression,
    period::Period,
    table::Table,
    unit::{MonthLength, Unit, Window},
    zone::Zone,
};

/// One price book: a provider's service with its SKUs, prices and allowances.
#[derive(Clone, Debug)]
pub struct PriceBook {
    /// File name without extension: `aws/lambda`.
    pub name: String,
    /// The file's text.
    pub text: String,
    /// The provider.
    pub provider: String,
    /// The service.
    pub service: String,
    /// The service's name as people write it.
    pub title: String,
    /// The provider's name as people write it.
    pub provider_title: String,
    /// FOCUS service category: `Compute`, `Storage`, …
    pub category: String,
    /// FOCUS service subcategory: `Serverless Compute`, `Object Storage`, …
    pub subcategory: String,
    /// The version of the data, a date.
    pub version: String,
    /// What else is to be known about the data; empty: nothing.
    pub note: String,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// Zone of days and months, as the provider bills.
    pub zone: Zone,
    /// Sources by key: an address, or words where none is known.
    pub sources: BTreeMap<String, String>,
    /// Named sets of regions.
    pub regions: BTreeMap<String, BTreeSet<String>>,
    /// Region of usage that names none.
    pub default_region: Option<String>,
    /// What the provider's own bill calls the service; empty: lines of any service can be of the book.
    pub billed_services: Vec<Pattern>,
    /// The SKUs, in the order of the file: that order decides who draws first from a shared allowance.
    pub skus: Vec<Sku>,
    /// The allowances.
    pub allowances: Vec<Allowance>,
    /// Usage and what it costs, to prove the book by: see [`crate::Catalogue::check_examples`].
    pub examples: Vec<Example>,
    /// The plans that accounts can commit to.
    pub commitments: Vec<CommitmentPlan>,
    /// The activities, in the order of the file.
    pub activities: Vec<Activity>,
}

/// Usage as in the file of an estimate, and what it costs by the book.
#[derive(Clone, Debug)]
pub struct Example {
    /// What it shows.
    pub title: String,
    /// Line of the book at which it starts, from 1.
    pub line: usize,
    /// The usage; rows that name no service are the book's.
    pub request: EstimateRequest,
    /// The exact total, in the book's currency.
    pub total: Exact,
    /// Key of the source that publishes the figure, and the place in it; empty: worked by hand.
    pub source: String,
}

/// A SKU: what is counted, how, in which unit, at which prices.
#[derive(Clone, Debug)]
pub struct Sku {
    /// Id within the book: `duration-x86`; of a SKU per key: `instance:t3.nano`.
    pub id: String,
    /// Id as written in the file: that of [`Sku::id`] without key.
    pub base: String,
    /// Id with provider and service in front: `aws.lambda.duration-x86`.
    pub name: String,
    /// What is charged, in words.
    pub description: String,
    /// The usage table.
    pub table: Table,
    /// Services whose rows feed the SKU.
    pub services: Vec<String>,
    /// SKUs of the book, by base, that charge the same rows in the same unit on purpose.
    pub also: Vec<String>,
    /// Which rows; absent: every row.
    pub filter: Option<Expression>,
    /// The part of the filter that all keys of a `by` SKU share; [`Sku::filter`] is this and the key.
    pub base_filter: Option<Expression>,
    /// The key, of a SKU per key.
    pub key: Option<SkuKey>,
    /// The per-record rules, by era, in time order.
    pub meters: Vec<Meter>,
    /// Pricing unit: the unit of quantities, tiers and `unit_price`.
    pub unit: Unit,
    /// Unit of the column `quantity` of metered rows.
    pub quantity_unit: Unit,
    /// The rule yields a level whose maximum per window × window length is summed.
    pub maximum_per: Option<Window>,
    /// Exact factor on the rule's integer.
    pub scale: Exact,
    /// Columns within which quantities are summed and tiers run.
    pub scope: Vec<String>,
    /// Whether each usage row without a resource is a scope of its own.
    pub scope_per_row: bool,
    /// Length of a month in units.
    pub month: MonthLength,
    /// Zone of days and months: the book's.
    pub zone: Zone,
    /// Prices by period and region set.
    pub prices: Vec<Price>,
    /// The prices are parts of another SKU's.
    pub percent: Option<PercentPrices>,
    /// Allowances the SKU draws on, as indexes into [`PriceBook::allowances`].
    pub allowances: Vec<usize>,
    /// Window slices must not cross: that of the maximum, or the shortest of the allowances.
    pub window: Option<Window>,
    /// What a usage slice must be grouped by: scope, the allowances' scopes, region.
    pub scope_columns: Vec<String>,
    /// The lines of the provider's own bill that charge the SKU.
    pub billed_as: Vec<BilledAs>,
}

/// The key of one SKU among those that a price table with `by` makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkuKey {
    /// The column that holds it.
    pub column: String,
    /// What an absent value stands for.
    pub default: Option<String>,
    /// The value.
    pub value: String,
}

/// Prices that are a percentage of another SKU's.
#[derive(Clone, Debug)]
pub struct PercentPrices {
    /// The column that holds the key and what an absent value stands for, of a SKU per key of the other.
    pub by: Option<(String, Option<String>)>,
    /// The periods, in time order.
    pub periods: Vec<PercentPeriod>,
}

/// A percentage of another SKU's prices, for some time.
#[derive(Clone, Debug)]
pub struct PercentPeriod {
    /// Name of the other SKU with provider and service, or its base: all its keys.
    pub of: String,
    /// How many hundredths of its price.
    pub percent: Exact,
    /// The percentage as written.
    pub percent_text: String,
    /// First day, inclusive.
    pub from: Option<NaiveDate>,
    /// Last day, exclusive.
    pub to: Option<NaiveDate>,
    /// Key of the source.
    pub source: String,
    /// How sure the percentage is.
    pub mark: String,
    /// Line of the file.
    pub line: usize,
}

/// A per-record rule in one era.
#[derive(Clone, Debug)]
pub struct Meter {
    /// First day, inclusive.
    pub from: Option<NaiveDate>,
    /// Last day, exclusive.
    pub to: Option<NaiveDate>,
    /// The rule: an integer per row.
    pub quantity: Expression,
    /// Multiplies the rule's value, for a month of so many microseconds; see [`Sku::factor`].
    pub(crate) unit: Unit,
    /// Key of the source.
    pub source: String,
    /// How sure the rule is.
    pub mark: String,
}

/// Prices of a SKU in one period and region set.
#[derive(Clone, Debug)]
pub struct Price {
    /// First day, inclusive.
    pub from: Option<NaiveDate>,
    /// Last day, exclusive.
    pub to: Option<NaiveDate>,
    /// Region set; absent: every region no other entry names.
    pub region: Option<String>,
    /// What the published price is for.
    pub per: Unit,
    /// The tiers, ascending, the last one open; a flat price is one tier.
    pub tiers: Vec<Tier>,
    /// Unit of the tiers' boundaries.
    pub tier_unit: Unit,
    /// Whether all units are at the price of the tier reached.
    pub volume: bool,
    /// The period's billable quantity is rounded up to whole packages of this size.
    pub package: Option<Unit>,
    /// Least charge of a period with any usage, in the book's currency.
    pub minimum_charge: Option<Exact>,
    /// The price as the provider prints it.
    pub published: String,
    /// Key of the source, and the place in it.
    pub source: String,
}

/// One tier of a price.
#[derive(Clone, Debug)]
pub struct Tier {
    /// Cumulative quantity at which the tier ends, in [`Price::tier_unit`]; the last is open.
    pub up_to: Option<Exact>,
    /// Price for [`Price::per`], factor applied.
    pub price: Exact,
    /// The price as published, with its factor if it has one.
    pub published: String,
    /// How sure the price is: `seen`, `derived` or `remembered`.
    pub mark: String,
}

/// What an allowance gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A free quantity.
    Quantity {
        /// How much.
        quantity: Exact,
        /// Of what.
        unit: Unit,
    },
    /// Money, in the book's currency.
    Credit(Exact),
}

/// A free quantity or a credit per period and scope, shared by SKUs.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// Id within the book.
    pub id: String,
    /// What it gives.
    pub grant: Grant,
    /// How often it is given anew; absent: per billing period.
    pub window: Option<Window>,
    /// Columns whose values each have an allowance of their own.
    pub scope: Vec<String>,
    /// Region set it is limited to.
    pub region: Option<String>,
    /// First day, inclusive.
    pub from: Option<NaiveDate>,
    /// Last day, exclusive.
    pub to: Option<NaiveDate>,
    /// Given only so many months after the account was opened.
    pub expires_months: Option<u32>,
    /// Given only to accounts opened before that day.
    pub opened_before: Option<NaiveDate>,
    /// Part of a plan: cannot be switched off.
    pub always: bool,
    /// Not everyone's: given only where it is asked for by name.
    pub on_request: bool,
    /// Key of the source.
    pub source: String,
    /// How sure it is.
    pub mark: String,
}

/// A plan that accounts can commit to: so much usage or so much money every hour.
#[derive(Clone, Debug)]
pub struct CommitmentPlan {
    /// Id within the book.
    pub id: String,
    /// Line of the book at which it starts, from 1.
    pub line: usize,
    /// Id with provider and service in front: `aws.ec2.reserved-1y`.
    pub name: String,
    /// What is bought, in words.
    pub description: String,
    /// What is committed.
    pub kind: CommitmentKind,
    /// The SKUs it covers, as written: ids, bases of `by` SKUs, or full names.
    pub skus: Vec<String>,
    /// The committed prices.
    pub rates: CommittedRates,
    /// What a rate is for; nothing with a percentage.
    pub per: Option<Unit>,
    /// One-time fee of one unit, by key; under the empty key where it is the same for all.
    pub upfront: BTreeMap<String, Exact>,
    /// How long it runs.
    pub term_months: Option<u32>,
    /// Plans of a lower number are used first.
    pub priority: u32,
    /// First day it can be bought, inclusive.
    pub from: Option<NaiveDate>,
    /// Last day, exclusive.
    pub to: Option<NaiveDate>,
    /// Key of the source.
    pub source: String,
    /// How sure it is.
    pub mark: String,
    /// How sure single keys are.
    pub marks: BTreeMap<String, String>,
}

/// What a commitment is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitmentKind {
    /// So many units every hour, covered at no further cost.
    Usage,
    /// So much money every hour, from which usage is paid at the committed rate.
    Spend,
}

/// Committed prices, with the published texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommittedRates {
    /// One for all.
    One(Exact, String),
    /// By the keys of a `by` SKU.
    ByKey(BTreeMap<String, (Exact, String)>),
    /// Percent off the list price.
    Percent(Exact),
}

impl CommitmentPlan {
    /// The rate of a key, as published.
    pub fn rate(&self, key: Option<&str>) -> Option<(&Exact, &str)> {
        match &self.rates {
            CommittedRates::One(rate, text) => Some((rate, text)),
            CommittedRates::ByKey(rates) => rates.get(key?).map(|(rate, text)| (rate, text.as_str())),
            CommittedRates::Percent(_) => None,
        }
    }

    /// The one-time fee of one unit.
    pub fn upfront(&self, key: Option<&str>) -> Exact {
        self.upfront.get(key.unwrap_or_default()).or_else(|| self.upfront.get("")).cloned().unwrap_or_default()
    }

    /// How sure the rate of a key is.
    pub fn mark(&self, key: Option<&str>) -> &str {
        key.and_then(|key| self.marks.get(key)).unwrap_or(&self.mark)
    }
}

/// Whether a day is in a half-open range of days.
pub fn in_force(from: Option<NaiveDate>, to: Option<NaiveDate>, day: NaiveDate) -> bool {
    from.is_none_or(|from| from <= day) && to.is_none_or(|to| day < to)
}

impl PriceBook {
    /// Address of a source key such as `IC:lambda_function`; empty when there is none.
    pub fn source_address(&self, source: &str) -> &str {
        let key = source.split(':').next().unwrap_or_default();
        self.sources.get(key).map_or("", String::as_str)
    }

    /// Whether a region is in a named set.
    pub(crate) fn region_in(&self, set: &str, region: Option<&str>) -> bool {
        region.is_some_and(|region| self.regions.get(set).is_some_and(|regions| regions.contains(region)))
    }
}

impl Sku {
    /// What a meter's value is multiplied by to be in the SKU's unit, in a billing period.
    pub fn factor(&self, meter: &Meter, period: Period) -> Exact {
        let month_us = self.month_us(period);
        match meter.unit.factor(&self.unit, month_us) {
            Ok(factor) => factor * &self.scale,
            Err(_) => Exact::zero(), // unreachable: the book's check has converted the unit once
        }
    }

    /// Microseconds of one `month` of units in a billing period.
    pub fn month_us(&self, period: Period) -> i64 {
        self.month.us(period, self.zone)
    }

    /// The meter in force on a day.
    pub fn meter_on(&self, day: NaiveDate) -> Option<&Meter> {
        self.meters.iter().find(|meter| in_force(meter.from, meter.to, day))
    }

    /// Whether any region has a price on a day.
    pub fn is_priced_on(&self, day: NaiveDate) -> bool {
        self.prices.iter().any(|price| in_force(price.from, price.to, day))
    }

    /// The price in force on a day in a region, as an index into [`Sku::prices`]: an entry for a set of regions wins.
    pub(crate) fn price_on(&self, book: &PriceBook, day: NaiveDate, region: Option<&str>) -> Option<usize> {
        let mut found = None;
        for (index, price) in self.prices.iter().enumerate().filter(|(_, price)| in_force(price.from, price.to, day)) {
            match &price.region {
                Some(set) if book.region_in(set, region) => return Some(index),
                Some(_) => {}
                None => found = found.or(Some(index)),
            }
        }
        found
    }
}
