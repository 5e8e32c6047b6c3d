//! One line of a provider's own bill: the columns of FOCUS 1.2, and which export it came in.

/// The export a line belongs to: a provider delivers the bill of a period again and again until it is final, and the
/// last delivery replaces the earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Export {
    /// Which of the alternative views of one bill: `aws-cur`, `focus`, `azure-actual`, `azure-amortized`, …
    /// Views are never added to each other.
    pub kind: String,
    /// Account that is billed; empty where the export does not say.
    pub account: String,
    /// Beginning of the billing period, microseconds since 1970 UTC.
    pub period_from_us: i64,
}

macro_rules! billed_line {
    ($($(#[doc = $doc:literal])* $field:ident),* $(,)?) => {
        /// One line of a bill: a row of the table `billed`. Numbers are exact plain decimals as
        /// [`canonical`](crate::format::decimal::canonical) writes them; its charge period begins at the record's time.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct BilledLine {
            /// `aws`, `gcp`, `azure`, `oci`, … or the name that the export gives, in lower case.
            pub provider: String,
            /// The export it belongs to.
            pub export: Export,
            /// End of the billing period, microseconds since 1970 UTC.
            pub period_to_us: Option<i64>,
            /// End of the charge period, microseconds since 1970 UTC.
            pub charged_to_us: Option<i64>,
            $($(#[doc = $doc])* pub $field: Option<String>,)*
        }

        impl BilledLine {
            /// The columns of text and numbers: name and value.
            pub const COLUMNS: &'static [(&'static str, fn(&BilledLine) -> Option<&str>)] =
                &[$((stringify!($field), |line| line.$field.as_deref()),)*];

            /// A column of text or a number, to be set.
            pub fn column_mut(&mut self, name: &str) -> Option<&mut Option<String>> {
                match name {
                    $(stringify!($field) => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

billed_line! {
    /// What the line is billed at, in the billing currency.
    billed_cost,
    /// With commitments and upfront payments spread over the usage they cover.
    effective_cost,
    /// At public prices.
    list_cost,
    /// At negotiated prices.
    contracted_cost,
    /// Currency of the costs.
    billing_currency,
    /// `Usage`, `Purchase`, `Tax`, `Credit` or `Adjustment`.
    charge_category,
    /// `Correction`, or nothing.
    charge_class,
    /// In the provider's words.
    charge_description,
    /// `Usage-Based`, `Recurring` or `One-Time`.
    charge_frequency,
    /// Service as the provider names it.
    service_name,
    /// Category of the service.
    service_category,
    /// Subcategory of the service.
    service_subcategory,
    /// Region as the provider names it in its API, such as `us-east-1`.
    region_id,
    /// Region in words.
    region_name,
    /// Availability zone.
    availability_zone,
    /// Resource, usually a path or an ARN.
    resource_id,
    /// Resource in words.
    resource_name,
    /// Kind of resource.
    resource_type,
    /// Measured.
    consumed_quantity,
    /// Unit of it.
    consumed_unit,
    /// Priced.
    pricing_quantity,
    /// Unit of it.
    pricing_unit,
    /// `Standard`, `Committed`, `Dynamic` or `Other`.
    pricing_category,
    /// Public price of a pricing unit.
    list_unit_price,
    /// Negotiated price of a pricing unit.
    contracted_unit_price,
    /// SKU as the provider names it.
    sku_id,
    /// Price of a SKU as the provider names it.
    sku_price_id,
    /// What the SKU measures.
    sku_meter,
    /// JSON object.
    sku_price_details,
    /// The provider's usage type, such as `USE1-Lambda-GB-Second`.
    usage_type,
    /// The provider's operation, such as `Invoke`.
    operation,
    /// Name of the account that is billed.
    billing_account_name,
    /// Kind of it.
    billing_account_type,
    /// Account that used it.
    sub_account_id,
    /// Name of that.
    sub_account_name,
    /// Kind of that.
    sub_account_type,
    /// Who sells it.
    provider_name,
    /// Who makes it.
    publisher_name,
    /// Who invoices it.
    invoice_issuer_name,
    /// Invoice; empty until there is one.
    invoice_id,
    /// `Spend` or `Usage`.
    commitment_discount_category,
    /// Reservation or savings plan.
    commitment_discount_id,
    /// Name of it.
    commitment_discount_name,
    /// `Used` or `Unused`.
    commitment_discount_status,
    /// Kind of it.
    commitment_discount_type,
    /// How much of it.
    commitment_discount_quantity,
    /// Unit of that.
    commitment_discount_unit,
    /// Capacity reservation.
    capacity_reservation_id,
    /// `Used` or `Unused`.
    capacity_reservation_status,
    /// Currency of the price list, where it is not that of the bill.
    pricing_currency,
    /// Negotiated price in that currency.
    pricing_currency_contracted_unit_price,
    /// Effective cost in that currency.
    pricing_currency_effective_cost,
    /// Public price in that currency.
    pricing_currency_list_unit_price,
    /// JSON object of texts.
    tags,
    /// JSON object of the other columns that are not empty, by their names in the export.
    other_columns,
    /// The provider's id of the line, where it has one.
    line_id,
}
