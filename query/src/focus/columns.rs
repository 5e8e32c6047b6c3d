//! The columns of FOCUS: name, type, first version, whether null is allowed, and where the value comes from.

use super::FocusVersion::{self, V1_0, V1_1, V1_2};
use super::rows::{Account, FocusRow};
use super::terms::{CommitmentTerms, Terms};

/// A column.
pub struct Column {
    /// Its name in the specification.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// The first version that has it, of those we write.
    pub since: FocusVersion,
    /// Whether it may be null.
    pub nullable: bool,
    /// Its value in a row.
    pub cell: for<'a> fn(&'a FocusRow) -> Cell<'a>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// A decimal number.
    Decimal,
    /// An instant in UTC.
    Time,
    /// A flat JSON object.
    KeyValue,
}

/// A value of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// Text, of [`ColumnKind::Text`] or [`ColumnKind::KeyValue`].
    Text(&'a str),
    /// A number, exact.
    Number(&'a paygrain_pricing::Exact),
    /// Microseconds since 1970 UTC.
    Time(i64),
}

fn text(value: &str) -> Cell<'_> {
    Cell::Text(value)
}

fn perhaps(value: &Option<String>) -> Cell<'_> {
    value.as_deref().map_or(Cell::Null, Cell::Text)
}

fn word<'a>(value: Option<&'static str>) -> Cell<'a> {
    value.map_or(Cell::Null, Cell::Text)
}

fn number(value: &Option<paygrain_pricing::Exact>) -> Cell<'_> {
    value.as_ref().map_or(Cell::Null, Cell::Number)
}

/// A value of the commitment, where there is one.
fn of_commitment<'a>(terms: &'a Terms, cell: fn(&'a CommitmentTerms) -> Cell<'a>) -> Cell<'a> {
    terms.commitment.as_ref().map_or(Cell::Null, cell)
}

/// A value of the account within the organisation that is billed, where there is one.
fn of_sub_account<'a>(row: &'a FocusRow, cell: fn(&'a Account) -> Cell<'a>) -> Cell<'a> {
    row.place.sub_account.as_ref().map_or(Cell::Null, cell)
}

const fn required(
    name: &'static str,
    kind: ColumnKind,
    since: FocusVersion,
    cell: for<'a> fn(&'a FocusRow) -> Cell<'a>,
) -> Column {
    Column { name, kind, since, nullable: false, cell }
}

const fn optional(
    name: &'static str,
    kind: ColumnKind,
    since: FocusVersion,
    cell: for<'a> fn(&'a FocusRow) -> Cell<'a>,
) -> Column {
    Column { name, kind, since, nullable: true, cell }
}

use ColumnKind::{Decimal, KeyValue, Text, Time};

/// Every column of FOCUS 1.2, in the order of the file.
#[rustfmt::skip]
pub static COLUMNS: [Column; 57] = [
    optional("AvailabilityZone", Text, V1_0, |_| Cell::Null),
    required("BilledCost", Decimal, V1_0, |row| Cell::Number(&row.costs.billed)),
    required("BillingAccountId", Text, V1_0, |row| text(&row.place.billing_account.id)),
    optional("BillingAccountName", Text, V1_0, |row| text(&row.place.billing_account.name)),
    required("BillingAccountType", Text, V1_2, |row| text(row.place.billing_account.kind)),
    required("BillingCurrency", Text, V1_0, |row| text(&row.terms.billing_currency)),
    required("BillingPeriodEnd", Time, V1_0, |row| Cell::Time(row.terms.billing_period_us.1)),
    required("BillingPeriodStart", Time, V1_0, |row| Cell::Time(row.terms.billing_period_us.0)),
    optional("CapacityReservationId", Text, V1_1, |_| Cell::Null),
    optional("CapacityReservationStatus", Text, V1_1, |_| Cell::Null),
    required("ChargeCategory", Text, V1_0, |row| text(row.terms.charge_category)),
    optional("ChargeClass", Text, V1_0, |row| word(row.terms.charge_class)),
    optional("ChargeDescription", Text, V1_0, |row| text(&row.terms.charge_description)),
    required("ChargeFrequency", Text, V1_0, |row| text(row.terms.charge_frequency)),
    required("ChargePeriodEnd", Time, V1_0, |row| Cell::Time(row.charge_period_us.1)),
    required("ChargePeriodStart", Time, V1_0, |row| Cell::Time(row.charge_period_us.0)),
    optional("CommitmentDiscountCategory", Text, V1_0, |row| of_commitment(&row.terms, |it| text(it.category))),
    optional("CommitmentDiscountId", Text, V1_0, |row| of_commitment(&row.terms, |it| text(&it.id))),
    optional("CommitmentDiscountName", Text, V1_0, |row| of_commitment(&row.terms, |it| text(&it.id))),
    optional("CommitmentDiscountQuantity", Decimal, V1_1, |row| number(&row.commitment_quantity)),
    optional("CommitmentDiscountStatus", Text, V1_0, |row| of_commitment(&row.terms, |it| word(it.status))),
    optional("CommitmentDiscountType", Text, V1_0, |row| of_commitment(&row.terms, |it| text(&it.plan))),
    optional("CommitmentDiscountUnit", Text, V1_1, |row| match row.commitment_quantity {
        Some(_) => of_commitment(&row.terms, |it| text(&it.unit)),
        None => Cell::Null,
    }),
    optional("ConsumedQuantity", Decimal, V1_0, |row| number(&row.consumed_quantity)),
    optional("ConsumedUnit", Text, V1_0, |row| match row.consumed_quantity {
        Some(_) => text(&row.terms.consumed_unit),
        None => Cell::Null,
    }),
    required("ContractedCost", Decimal, V1_0, |row| Cell::Number(&row.costs.contracted)),
    optional("ContractedUnitPrice", Decimal, V1_0, |row| number(&row.terms.contracted_unit_price)),
    required("EffectiveCost", Decimal, V1_0, |row| Cell::Number(&row.costs.effective)),
    optional("InvoiceId", Text, V1_2, |row| perhaps(&row.terms.invoice_id)),
    required("InvoiceIssuerName", Text, V1_0, |row| text(&row.terms.provider_name)),
    required("ListCost", Decimal, V1_0, |row| Cell::Number(&row.costs.list)),
    optional("ListUnitPrice", Decimal, V1_0, |row| number(&row.terms.list_unit_price)),
    optional("PricingCategory", Text, V1_0, |row| word(row.terms.pricing_category)),
    optional("PricingCurrency", Text, V1_2, |row| text(&row.terms.pricing_currency)),
    optional("PricingCurrencyContractedUnitPrice", Decimal, V1_2, |row| number(&row.terms.pricing_currency_contracted_unit_price)),
    optional("PricingCurrencyEffectiveCost", Decimal, V1_2, |row| Cell::Number(&row.costs.pricing_currency_effective)),
    optional("PricingCurrencyListUnitPrice", Decimal, V1_2, |row| number(&row.terms.pricing_currency_list_unit_price)),
    optional("PricingQuantity", Decimal, V1_0, |row| number(&row.pricing_quantity)),
    optional("PricingUnit", Text, V1_0, |row| match row.pricing_quantity {
        Some(_) => text(&row.terms.pricing_unit),
        None => Cell::Null,
    }),
    required("ProviderName", Text, V1_0, |row| text(&row.terms.provider_name)),
    required("PublisherName", Text, V1_0, |row| text(&row.terms.provider_name)),
    optional("RegionId", Text, V1_0, |row| perhaps(&row.place.region)),
    optional("RegionName", Text, V1_0, |row| perhaps(&row.place.region)),
    optional("ResourceId", Text, V1_0, |row| perhaps(&row.place.resource_id)),
    optional("ResourceName", Text, V1_0, |row| perhaps(&row.place.resource_name)),
    optional("ResourceType", Text, V1_0, |row| perhaps(&row.place.resource_type)),
    required("ServiceCategory", Text, V1_0, |row| text(&row.terms.service_category)),
    required("ServiceName", Text, V1_0, |row| text(&row.terms.service_name)),
    required("ServiceSubcategory", Text, V1_1, |row| text(&row.terms.service_subcategory)),
    optional("SkuId", Text, V1_0, |row| text(&row.terms.sku_id)),
    optional("SkuMeter", Text, V1_1, |row| text(&row.terms.sku_meter)),
    optional("SkuPriceDetails", KeyValue, V1_1, |row| text(&row.terms.sku_price_details)),
    optional("SkuPriceId", Text, V1_0, |row| text(&row.terms.sku_price_id)),
    optional("SubAccountId", Text, V1_0, |row| of_sub_account(row, |it| text(&it.id))),
    optional("SubAccountName", Text, V1_0, |row| of_sub_account(row, |it| text(&it.name))),
    optional("SubAccountType", Text, V1_2, |row| of_sub_account(row, |it| text(it.kind))),
    optional("Tags", KeyValue, V1_0, |row| text(&row.terms.tags)),
];
