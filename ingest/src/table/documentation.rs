//! What every table and column of the lake means: the one place that the SQL console, `column_documentation` and
//! `docs/sql.md` take it from.

use datafusion::arrow::datatypes::{DataType, TimeUnit};

use super::Table;

impl Table {
    /// What one row is.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Invocations => "One function execution, or one container task.",
            Self::Requests => "One API or storage request, event or message.",
            Self::Storage => "Bytes stored in one resource and class over an interval.",
            Self::Metered => "A quantity that some meter already measured, such as ACU-hours.",
            Self::Billed => "One line of a provider's own bill, in the columns of FOCUS.",
            Self::Uploads => "One upload: a file, a part of an archive, or events that landed together.",
            Self::RejectedRows => "One row of an upload that could not be read.",
            Self::Declarations => "What was supplied later about rows whose logs did not say it.",
            Self::Bills => "One revision of an issued bill.",
            Self::Charges => "One line of an issued bill; the lines of revisions 1 to N sum to the bill as of N.",
            Self::PriceBooks => "The text of a price book that an issued bill was rated with.",
        }
    }

    /// What a column means, with its unit; nothing for a column that the table does not have.
    pub fn column_description(self, column: &str) -> Option<&'static str> {
        let shared = if Self::USAGE.contains(&self) || self == Self::Billed { SHARED } else { &[] };
        self.own_columns().iter().chain(shared).find(|(name, _)| *name == column).map(|(_, text)| *text)
    }

    /// The columns that mean something of their own in this table.
    const fn own_columns(self) -> Texts {
        match self {
            Self::Invocations => INVOCATIONS,
            Self::Requests => REQUESTS,
            Self::Storage => STORAGE,
            Self::Metered => METERED,
            Self::Billed => BILLED,
            Self::Uploads => UPLOADS,
            Self::RejectedRows => REJECTED_ROWS,
            Self::Declarations => DECLARATIONS,
            Self::Bills => BILLS,
            Self::Charges => CHARGES,
            Self::PriceBooks => PRICE_BOOKS,
        }
    }
}

/// The name of a type in SQL, as `CAST` takes it.
pub fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "TIMESTAMP WITH TIME ZONE".into(),
        DataType::Timestamp(_, None) => "TIMESTAMP".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTEA".into(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("DECIMAL({precision},{scale})")
        }
        other => other.to_string(),
    }
}

type Texts = &'static [(&'static str, &'static str)];

/// Columns that mean the same in every usage table.
const SHARED: Texts = &[
    ("date", "UTC day of the event; the partition, so a condition on it reads less."),
    ("provider", "Provider: `aws`, `gcp`, `azure`, …"),
    ("service", "Service as price books name it, such as `lambda`."),
    ("account", "Billing account that owns the resource."),
    ("region", "Region of the provider, such as `us-east-1`."),
    ("variant", "Size, class or edition that picks the price."),
    ("request_bytes", "Size of the request's payload, in bytes."),
    ("response_bytes", "Size of the response's payload, in bytes."),
    ("memory_mb", "Configured memory, in MB as the provider configures it (binary)."),
    ("vcpu_milli", "Configured CPU, in thousandths of a virtual CPU."),
    ("architecture", "Instruction set: `x86_64` or `arm64`."),
    ("runtime", "Identifier of the runtime, such as `python3.13`."),
    ("os", "Operating system."),
    ("storage_class", "Storage class as price books name it, such as `STANDARD`."),
    ("instance", "Instance, replica or container that did the work."),
    ("concurrency", "How many requests that instance takes at once."),
    ("request_id", "The provider's id of the request."),
    ("time_source", "`logged` where the log says the time, `assumed` where it does not."),
    ("record_key", "Hash of the natural key: two rows with the same key and time are one record."),
    ("upload_id", "Upload that brought the row; `uploads.id`."),
];

const INVOCATIONS: Texts = &[
    ("started_at", "Time at which it started, UTC."),
    ("resource", "Name of the function or task."),
    ("version", "Version or qualifier of the function."),
    ("duration_us", "Length of the handler phase, in microseconds; null where a crash left none."),
    ("init_us", "Length of the initialisation on a cold start, in microseconds."),
    ("restore_us", "Length of a snapshot restore, in microseconds."),
    ("billed_ms", "Billed duration as the provider reports it, in milliseconds."),
    ("memory_used_mb", "Most memory that was used, in MB (binary)."),
    ("ephemeral_mb", "Configured temporary storage, in MB (binary)."),
    ("package_type", "`Zip` or `Image`."),
    ("capacity", "What it ran on: `on-demand`, `provisioned`, `edge`, …"),
    ("trigger", "What caused it: `http`, `timer`, `async`, …"),
    ("invoke_mode", "`buffered` or `stream`."),
    ("status", "`success`, `error` or `timeout`."),
    ("error_type", "The provider's name of the error."),
    ("cold_start", "Whether a new environment was started for it."),
    ("cpu_us", "CPU time used, in microseconds."),
    ("request_id", "The provider's id of the execution."),
];

const REQUESTS: Texts = &[
    ("at", "Time of the request, UTC."),
    ("resource", "Bucket, queue, API or table."),
    ("operation", "Normalised operation: `PUT`, `GET`, `LIST`, …, or the log's own word."),
    ("status", "Status as the provider reports it, such as `200`."),
    ("units", "Billable units, where the log counts them."),
    ("source", "Where the request came from, in the words of the format."),
    ("duration_us", "How long it was in work, in microseconds."),
];

const STORAGE: Texts = &[
    ("held_from", "Start of the interval, UTC."),
    ("resource", "Bucket, table or volume."),
    ("bytes", "Bytes held."),
    ("objects", "Objects held."),
    ("held_us", "Length of the interval, in microseconds."),
];

const METERED: Texts = &[
    ("held_from", "Start of the interval, UTC."),
    ("resource", "Cluster, stream, dyno or instance."),
    ("meter", "What was measured, in the words of the price book: `acu`, `instance`, `dyno`."),
    ("quantity", "How much, in `unit`, exact."),
    ("unit", "Unit of the quantity, such as `ACU-h`; null: the unit that the price book expects."),
    ("held_us", "Length of the interval, in microseconds, where the quantity is a level held for a time."),
    ("size_mb", "Configured size of something else, in MB (binary)."),
];

const BILLED: Texts = &[
    ("provider", "Provider that sent the bill: `aws`, `gcp`, `azure`, `oci`, …"),
    ("charge_period_start", "Start of the charge period, UTC."),
    ("charge_period_end", "End of the charge period, UTC."),
    (
        "export_kind",
        "Which view of the bill: `aws-cur`, `focus`, `azure-actual`, … Views are never added to each other.",
    ),
    ("billing_account_id", "Account that is billed."),
    ("billing_period_start", "Start of the billing period, UTC."),
    ("billing_period_end", "End of the billing period, UTC."),
    ("billed_cost", "What the line is billed at, in `billing_currency`, exact text."),
    ("effective_cost", "Cost with commitments spread over the usage they cover, in `billing_currency`, exact text."),
    ("list_cost", "Cost at public prices, in `billing_currency`, exact text."),
    ("contracted_cost", "Cost at negotiated prices, in `billing_currency`, exact text."),
    ("billing_currency", "Currency of the costs, ISO 4217."),
    ("charge_category", "`Usage`, `Purchase`, `Tax`, `Credit` or `Adjustment`."),
    ("charge_class", "`Correction`, or null."),
    ("charge_description", "What is charged, in the provider's words."),
    ("charge_frequency", "`Usage-Based`, `Recurring` or `One-Time`."),
    ("service_name", "Service as the provider names it."),
    ("service_category", "Category of the service."),
    ("service_subcategory", "Subcategory of the service."),
    ("region_id", "Region as the provider's API names it, such as `us-east-1`."),
    ("region_name", "Region in words."),
    ("availability_zone", "Availability zone."),
    ("resource_id", "Id of the resource, usually a path or an ARN."),
    ("resource_name", "Name of the resource."),
    ("resource_type", "Kind of the resource."),
    ("consumed_quantity", "Quantity that was measured, in `consumed_unit`, exact text."),
    ("consumed_unit", "Unit of `consumed_quantity`."),
    ("pricing_quantity", "Quantity that was priced, in `pricing_unit`, exact text."),
    ("pricing_unit", "Unit of `pricing_quantity`."),
    ("pricing_category", "`Standard`, `Committed`, `Dynamic` or `Other`."),
    ("list_unit_price", "Public price of one `pricing_unit`, exact text."),
    ("contracted_unit_price", "Negotiated price of one `pricing_unit`, exact text."),
    ("sku_id", "SKU as the provider names it."),
    ("sku_price_id", "Price of a SKU as the provider names it."),
    ("sku_meter", "What the SKU measures."),
    ("sku_price_details", "Details of the price, a JSON object."),
    ("usage_type", "The provider's usage type, such as `USE1-Lambda-GB-Second`."),
    ("operation", "The provider's operation, such as `Invoke`."),
    ("billing_account_name", "Name of the account that is billed."),
    ("billing_account_type", "Kind of the account that is billed."),
    ("sub_account_id", "Account that used it."),
    ("sub_account_name", "Name of the account that used it."),
    ("sub_account_type", "Kind of the account that used it."),
    ("provider_name", "Who sells it."),
    ("publisher_name", "Who makes it."),
    ("invoice_issuer_name", "Who invoices it."),
    ("invoice_id", "Id of the invoice; null until there is one."),
    ("commitment_discount_category", "`Spend` or `Usage`."),
    ("commitment_discount_id", "Id of the reservation or savings plan."),
    ("commitment_discount_name", "Name of the reservation or savings plan."),
    ("commitment_discount_status", "`Used` or `Unused`."),
    ("commitment_discount_type", "Kind of the reservation or savings plan."),
    ("commitment_discount_quantity", "How much of it, in `commitment_discount_unit`, exact text."),
    ("commitment_discount_unit", "Unit of `commitment_discount_quantity`."),
    ("capacity_reservation_id", "Id of the capacity reservation."),
    ("capacity_reservation_status", "`Used` or `Unused`."),
    ("pricing_currency", "Currency of the price list, where it is not that of the bill, ISO 4217."),
    ("pricing_currency_contracted_unit_price", "Negotiated price in `pricing_currency`, exact text."),
    ("pricing_currency_effective_cost", "Effective cost in `pricing_currency`, exact text."),
    ("pricing_currency_list_unit_price", "Public price in `pricing_currency`, exact text."),
    ("tags", "Tags, a JSON object of texts."),
    ("other_columns", "The other columns that are not empty, a JSON object by their names in the export."),
    ("line_id", "The provider's id of the line, where it has one."),
    ("export_id", "Hash of what a later delivery replaces: provider, view, account, billing period; the partition."),
    ("part", "Which of several files of one delivery; 0 where it is one file; the partition."),
    ("record_key", "Hash that tells lines of one export apart."),
];

const UPLOADS: Texts = &[
    ("id", "Hash of the decompressed bytes and of what was declared about them."),
    ("name", "Name of the file."),
    ("format", "Input format that read it."),
    ("read", "Rows read; accepted + duplicate + rejected."),
    ("accepted", "Rows that landed."),
    ("duplicate", "Rows that were known already."),
    ("rejected", "Rows that could not be read."),
    ("bytes", "Size when decompressed, in bytes."),
    ("uploaded_at", "Time at which it landed, UTC."),
    ("warnings", "What is worth knowing about it, a JSON list of texts."),
    ("replaced", "Lines of earlier deliveries of the same billing exports that its rows replaced."),
    ("summary", "What is in it and what its log left unsaid, a JSON object."),
];

const REJECTED_ROWS: Texts = &[
    ("upload_id", "Upload that had the row; `uploads.id`."),
    ("line", "Line in the decompressed file, from 1, where lines mean something."),
    ("byte_offset", "Place in the decompressed file, in bytes from 0."),
    ("reason", "What was wrong and what was expected."),
    ("excerpt", "Beginning of the row."),
    ("original", "The row as it was; null where it was too large to keep."),
    ("header", "Header of the file, without which the row cannot be read again."),
];

const DECLARATIONS: Texts = &[
    ("of_provider", "Only rows of this provider; null: of any."),
    ("of_service", "Only rows of this service; null: of any."),
    ("of_upload_id", "Only rows of this upload; null: of any."),
    ("of_resource", "Only rows of this resource; null: of any."),
    ("account", "Account that the rows get."),
    ("region", "Region that the rows get."),
    ("resource", "Resource that the rows get."),
    ("architecture", "Architecture that the rows get."),
    ("package_type", "Package type that the rows get."),
    ("runtime", "Runtime that the rows get."),
    ("storage_class", "Storage class that the rows get."),
    ("capacity", "Capacity that the rows get."),
    ("memory_mb", "Memory that the rows get, in MB (binary)."),
    ("vcpu_milli", "CPU that the rows get, in thousandths of a virtual CPU."),
    ("concurrency", "Concurrency that the rows get, in requests at once."),
    ("ephemeral_mb", "Temporary storage that the rows get, in MB (binary)."),
    ("overrides", "Whether it wins over what the log says."),
    ("declared_at", "Time at which it was declared, UTC."),
];

const BILLS: Texts = &[
    ("id", "Id of the bill: period, provider where it is one's alone, revision."),
    ("period", "Billing period, as `YYYY-MM`."),
    ("provider", "Provider of the bill; null: all together."),
    ("revision", "Revision, from 1; later ones hold corrections."),
    ("issued_at", "Time at which it was issued, UTC."),
    ("currency", "Currency of the amounts, ISO 4217."),
    ("total", "Total as of this revision, in `currency`, exact text."),
    ("line_count", "Lines that this revision added."),
    ("record_count", "Usage records behind the bill."),
    ("lake_versions", "Versions of the tables that it was rated on, a JSON object."),
    ("options", "Options of the rating, a JSON object."),
    ("price_books", "Price books that it was rated with, as JSON."),
    ("program_version", "Version of the program that issued it."),
    ("document_sha256", "SHA-256 of the document, in hex."),
    ("document", "The whole bill, a JSON document."),
];

const CHARGES: Texts = &[
    ("bill_id", "Bill that the line is on; `bills.id`."),
    ("revision", "Revision that added the line."),
    ("line", "Number of the line on the bill, from 1."),
    ("charge_class", "`Correction` for the line of a correction, otherwise null."),
    ("charge_id", "Id of the charge: period, SKU, scope, tier."),
    ("period", "Billing period, as `YYYY-MM`."),
    ("provider", "Provider of the price book."),
    ("service", "Service of the price book."),
    ("sku", "SKU, with provider and service in front."),
    ("description", "What is charged, in words."),
    ("organisation", "Organisation, where the SKU is summed by it."),
    ("account", "Account, where the SKU is summed by it."),
    ("region", "Region, where the SKU is summed by it."),
    ("resource", "Resource, where the SKU is summed by it."),
    ("charge_category", "`Usage`, or `Purchase` for the fee of a commitment."),
    ("charge_frequency", "`Usage-Based`, `Recurring` or `One-Time`."),
    ("consumed_quantity", "Quantity that was measured, free part included, in `consumed_unit`, exact text."),
    ("consumed_unit", "Unit of `consumed_quantity` and `free_quantity`."),
    ("free_quantity", "Part of `consumed_quantity` that allowances made free, exact text."),
    ("pricing_quantity", "Quantity that the price applies to, in `pricing_unit`, exact text."),
    ("pricing_unit", "Unit of `pricing_quantity`."),
    ("tier", "Tier, from 1."),
    ("tier_from", "Cumulative quantity at which the tier starts, in `pricing_unit`, exact text."),
    ("tier_to", "Cumulative quantity at which the tier ends, in `pricing_unit`, exact text; null: it is open."),
    ("unit_price", "Price of one `pricing_unit`, in `currency`, exact text."),
    ("published_price", "Price as it was published, in `pricing_currency`."),
    ("published_per", "Unit that the published price is for, with its number."),
    ("contracted_unit_price", "Price of one `pricing_unit` after negotiated discounts, in `currency`, exact text."),
    ("list_cost", "Cost without any allowance or discount, in `currency`, exact text."),
    ("contracted_cost", "Cost without any allowance, in `currency`, exact text."),
    ("billed_cost", "What is charged, in `currency`, exact text."),
    (
        "effective_cost",
        "What is charged, with fees of commitments spread over the usage they cover, in `currency`, exact text.",
    ),
    (
        "adjustment",
        "Part of `billed_cost` that whole packages, minimums and volume prices add, in `currency`, exact text.",
    ),
    ("currency", "Currency of all amounts, ISO 4217."),
    ("pricing_currency", "Currency of the published price, ISO 4217."),
    ("exchange_rate", "Units of `currency` for one of `pricing_currency`, exact text."),
    ("discounts", "Negotiated discounts in the price, a JSON list."),
    ("commitment", "Commitment that covers it, a JSON object, or null."),
    ("allowances", "Allowances that were used, a JSON list."),
    ("record_count", "Usage records behind it; negative where a correction takes some away."),
    ("meter", "Metering rules, as the price book writes them."),
    ("filter", "Which rows are metered, as the price book writes it."),
    ("price_book", "Price book: `aws/lambda`."),
    ("price_book_version", "Version of the price book."),
    ("price_from", "First day on which the price was in force."),
    ("source", "Key of the price's source, and the place in it."),
    ("source_address", "Address of the source."),
    ("mark", "How sure the price is: `seen`, `derived` or `remembered`."),
];

const PRICE_BOOKS: Texts =
    &[("sha256", "SHA-256 of the text, in hex."), ("name", "Price book: `aws/lambda`."), ("text", "The book, TOML.")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_documented_and_nothing_else() {
        for table in Table::ALL {
            let schema = table.schema();
            for field in schema.fields() {
                let text = table.column_description(field.name());
                let text = text.unwrap_or_else(|| panic!("{}.{} is not documented", table.name(), field.name()));
                let first = text.chars().next().unwrap();
                assert!(first.is_uppercase() || first == '`', "{}.{}: {text}", table.name(), field.name());
                assert!(text.ends_with('.') || text.ends_with('…') || text.ends_with('`'), "{text}");
                for (end, unit) in
                    [("_us", "microseconds"), ("_ms", "milliseconds"), ("_bytes", "bytes"), ("_mb", "MB")]
                {
                    assert!(!field.name().ends_with(end) || text.contains(unit), "{}: no unit", field.name());
                }
            }
            for (name, _) in table.own_columns() {
                assert!(schema.index_of(name).is_ok(), "{}.{name} does not exist", table.name());
            }
        }
    }
}
