//! The tables of the lake: their columns, and which of them a usage record has.
//!
//! Times are UTC microseconds, sizes bytes (memory MB as the provider configures it), durations microseconds.
//! `date` is the UTC day of the event and the partition. Only text, 64-bit integers, decimals, booleans, dates,
//! timestamps and the 16-byte `record_key` are used: every engine that reads Delta tables reads these.

mod documentation;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::lake::{INTEGER_COLUMNS, TEXT_COLUMNS};
use crate::record::{BilledLine, Export, Invocation, MeteredQuantity, RecordKey, Request, StoredBytes};

pub use documentation::sql_type;

/// Microseconds of a day.
pub const DAY_US: i64 = 86_400_000_000;

/// A table of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Function executions and container tasks.
    Invocations,
    /// API and storage requests, events, messages.
    Requests,
    /// Bytes stored over an interval.
    Storage,
    /// Quantities that some meter already measured.
    Metered,
    /// Lines of the providers' own bills.
    Billed,
    /// One row per upload.
    Uploads,
    /// One row per refused row.
    RejectedRows,
    /// What was declared after the fact about resources whose logs do not say it.
    Declarations,
    /// One row per revision of an issued bill.
    Bills,
    /// One row per line of an issued bill.
    Charges,
    /// The texts of the price books that issued bills were rated with.
    PriceBooks,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 11] = [
        Self::Invocations,
        Self::Requests,
        Self::Storage,
        Self::Metered,
        Self::Billed,
        Self::Uploads,
        Self::RejectedRows,
        Self::Declarations,
        Self::Bills,
        Self::Charges,
        Self::PriceBooks,
    ];
    /// The tables that hold usage records.
    pub const USAGE: [Table; 4] = [Self::Invocations, Self::Requests, Self::Storage, Self::Metered];

    /// Its name in SQL and its directory in the lake.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invocations => "invocations",
            Self::Requests => "requests",
            Self::Storage => "storage",
            Self::Metered => "metered",
            Self::Billed => "billed",
            Self::Uploads => "uploads",
            Self::RejectedRows => "rejected_rows",
            Self::Declarations => "declarations",
            Self::Bills => "bills",
            Self::Charges => "charges",
            Self::PriceBooks => "price_books",
        }
    }

    /// The column with the time of the event, for usage tables.
    pub const fn time_column(self) -> &'static str {
        match self {
            Self::Invocations => "started_at",
            Self::Requests => "at",
            Self::Storage | Self::Metered => "held_from",
            Self::Billed => "charge_period_start",
            Self::Uploads | Self::RejectedRows => "uploaded_at",
            Self::Declarations => "declared_at",
            Self::Bills | Self::Charges | Self::PriceBooks => "issued_at",
        }
    }

    /// Partition columns.
    pub const fn partition_columns(self) -> &'static [&'static str] {
        match self {
            Self::Invocations | Self::Requests | Self::Storage | Self::Metered => &["date"],
            // What a later delivery replaces are whole files.
            Self::Billed => &["export_id", "part"],
            Self::Uploads
            | Self::RejectedRows
            | Self::Declarations
            | Self::Bills
            | Self::Charges
            | Self::PriceBooks => &[],
        }
    }

    /// Every column, in order.
    pub fn schema(self) -> SchemaRef {
        let fields = match self {
            Self::Invocations => usage_fields::<Invocation>(),
            Self::Requests => usage_fields::<Request>(),
            Self::Storage => usage_fields::<StoredBytes>(),
            Self::Metered => usage_fields::<MeteredQuantity>(),
            Self::Billed => usage_fields::<BilledLine>(),
            Self::Uploads => vec![
                text("id", false),
                text("name", false),
                text("format", false),
                integer("read", false),
                integer("accepted", false),
                integer("duplicate", false),
                integer("rejected", false),
                integer("bytes", false),
                timestamp("uploaded_at"),
                text("warnings", false),
                integer("replaced", true),
                text("summary", true),
            ],
            Self::RejectedRows => vec![
                text("upload_id", false),
                integer("line", true),
                integer("byte_offset", false),
                text("reason", false),
                text("excerpt", false),
                Field::new("original", DataType::Binary, true),
                Field::new("header", DataType::Binary, true),
            ],
            Self::Declarations => declaration_fields(),
            Self::Bills => vec![
                text("id", false),
                text("period", false),
                text("provider", true),
                integer("revision", false),
                timestamp("issued_at"),
                text("currency", false),
                text("total", false),
                integer("line_count", false),
                integer("record_count", false),
                text("lake_versions", false),
                text("options", false),
                text("price_books", false),
                text("program_version", false),
                text("document_sha256", false),
                text("document", false),
            ],
            Self::Charges => charge_fields(),
            Self::PriceBooks => vec![text("sha256", false), text("name", false), text("text", false)],
        };
        Arc::new(Schema::new(fields))
    }
}

/// What a usage record needs beside its own fields to become a row.
#[derive(Clone, Copy, Debug)]
pub struct RowFacts {
    /// Time of the event, microseconds since 1970 UTC.
    pub time_us: i64,
    /// Whether the log said so.
    pub logged: bool,
    /// Its natural key.
    pub key: RecordKey,
}

/// Takes the columns of a usage record, in the order of the table.
pub trait ColumnVisitor {
    /// A text.
    fn text(&mut self, name: &'static str, value: Option<&str>);
    /// A whole number.
    fn integer(&mut self, name: &'static str, value: Option<i64>);
    /// Yes or no.
    fn flag(&mut self, name: &'static str, value: Option<bool>);
    /// A decimal of [`MeteredQuantity::SCALE`] fractional digits.
    fn decimal(&mut self, name: &'static str, value: Option<i128>);
    /// Microseconds since 1970 UTC.
    fn time(&mut self, name: &'static str, value: Option<i64>);
}

/// A record type with a table of its own.
pub trait UsageRow {
    /// The table it goes to.
    const TABLE: Table;
    /// Hands over every column of the record itself: between the time and `time_source`.
    fn visit(&self, columns: &mut impl ColumnVisitor);
}

// Columns that filters use come first: Delta keeps statistics of the first 32.
impl<T: AsRef<str>> UsageRow for Invocation<T> {
    const TABLE: Table = Table::Invocations;

    #[inline]
    fn visit(&self, columns: &mut impl ColumnVisitor) {
        columns.text("provider", Some(self.provider.as_ref()));
        columns.text("service", Some(self.service.as_ref()));
        columns.text("account", self.account.as_ref().map(T::as_ref));
        columns.text("region", self.region.as_ref().map(T::as_ref));
        columns.text("resource", self.resource.as_ref().map(T::as_ref));
        columns.text("version", self.version.as_ref().map(T::as_ref));
        columns.integer("duration_us", self.duration_us);
        columns.integer("init_us", self.init_us);
        columns.integer("restore_us", self.restore_us);
        columns.integer("billed_ms", self.billed_ms);
        columns.integer("memory_mb", self.memory_mb);
        columns.integer("memory_used_mb", self.memory_used_mb);
        columns.integer("vcpu_milli", self.vcpu_milli);
        columns.integer("ephemeral_mb", self.ephemeral_mb);
        columns.integer("request_bytes", self.request_bytes);
        columns.integer("response_bytes", self.response_bytes);
        columns.text("architecture", self.architecture.as_ref().map(T::as_ref));
        columns.text("package_type", self.package_type.as_ref().map(T::as_ref));
        columns.text("runtime", self.runtime.as_ref().map(T::as_ref));
        columns.text("os", self.os.as_ref().map(T::as_ref));
        columns.text("capacity", self.capacity.as_ref().map(T::as_ref));
        columns.text("trigger", self.trigger.as_ref().map(T::as_ref));
        columns.text("invoke_mode", self.invoke_mode.as_ref().map(T::as_ref));
        columns.text("status", self.status.as_ref().map(T::as_ref));
        columns.text("error_type", self.error_type.as_ref().map(T::as_ref));
        columns.flag("cold_start", self.cold_start);
        columns.integer("cpu_us", self.cpu_us);
        columns.text("request_id", self.request_id.as_ref().map(T::as_ref));
        columns.text("variant", self.variant.as_ref().map(T::as_ref));
        columns.text("instance", self.instance.as_ref().map(T::as_ref));
        columns.integer("concurrency", self.concurrency);
    }
}

impl<T: AsRef<str>> UsageRow for Request<T> {
    const TABLE: Table = Table::Requests;

    #[inline]
    fn visit(&self, columns: &mut impl ColumnVisitor) {
        columns.text("provider", Some(self.provider.as_ref()));
        columns.text("service", Some(self.service.as_ref()));
        columns.text("account", self.account.as_ref().map(T::as_ref));
        columns.text("region", self.region.as_ref().map(T::as_ref));
        columns.text("resource", self.resource.as_ref().map(T::as_ref));
        columns.text("operation", self.operation.as_ref().map(T::as_ref));
        columns.text("variant", self.variant.as_ref().map(T::as_ref));
        columns.text("status", self.status.as_ref().map(T::as_ref));
        columns.integer("request_bytes", self.request_bytes);
        columns.integer("response_bytes", self.response_bytes);
        columns.integer("units", self.units);
        columns.text("storage_class", self.storage_class.as_ref().map(T::as_ref));
        columns.text("source", self.source.as_ref().map(T::as_ref));
        columns.text("request_id", self.request_id.as_ref().map(T::as_ref));
        columns.integer("duration_us", self.duration_us);
        columns.text("instance", self.instance.as_ref().map(T::as_ref));
        columns.integer("concurrency", self.concurrency);
    }
}

impl UsageRow for StoredBytes {
    const TABLE: Table = Table::Storage;

    #[inline]
    fn visit(&self, columns: &mut impl ColumnVisitor) {
        columns.text("provider", Some(&self.provider));
        columns.text("service", Some(&self.service));
        columns.text("account", self.account.as_deref());
        columns.text("region", self.region.as_deref());
        columns.text("resource", self.resource.as_deref());
        columns.text("variant", self.variant.as_deref());
        columns.text("storage_class", self.storage_class.as_deref());
        columns.integer("bytes", self.bytes);
        columns.integer("objects", self.objects);
        columns.integer("held_us", self.held_us);
    }
}

impl UsageRow for BilledLine {
    const TABLE: Table = Table::Billed;

    fn visit(&self, columns: &mut impl ColumnVisitor) {
        columns.text("provider", Some(&self.provider));
        columns.text("export_kind", Some(&self.export.kind));
        columns.text("billing_account_id", Some(self.export.account.as_str()).filter(|id| !id.is_empty()));
        columns.time("billing_period_start", Some(self.export.period_from_us));
        columns.time("billing_period_end", self.period_to_us);
        columns.time("charge_period_end", self.charged_to_us);
        for (name, get) in BilledLine::COLUMNS {
            columns.text(name, get(self));
        }
        columns.text("export_id", Some(&export_id(&self.provider, &self.export)));
        columns.integer("part", Some(i64::from(self.export.part)));
    }
}

impl UsageRow for MeteredQuantity {
    const TABLE: Table = Table::Metered;

    #[inline]
    fn visit(&self, columns: &mut impl ColumnVisitor) {
        columns.text("provider", Some(&self.provider));
        columns.text("service", Some(&self.service));
        columns.text("account", self.account.as_deref());
        columns.text("region", self.region.as_deref());
        columns.text("resource", self.resource.as_deref());
        columns.text("meter", self.meter.as_deref());
        columns.text("variant", self.variant.as_deref());
        columns.decimal("quantity", self.quantity);
        columns.text("unit", self.unit.as_deref());
        columns.integer("held_us", self.held_us);
        columns.integer("memory_mb", self.memory_mb);
        columns.integer("vcpu_milli", self.vcpu_milli);
        columns.integer("size_mb", self.size_mb);
        columns.text("architecture", self.architecture.as_deref());
        columns.text("os", self.os.as_deref());
        columns.text("runtime", self.runtime.as_deref());
    }
}

/// The id of what a later delivery replaces: provider, view, account, billing period and, where deliveries are windows of
/// days, the day.
pub(crate) fn export_id(provider: &str, export: &Export) -> String {
    let (period, day) = (export.period_from_us.to_string(), export.day.map(|day| day.to_string()));
    let parts =
        [Some(provider), Some(export.kind.as_str()), Some(export.account.as_str()), Some(&*period), day.as_deref()];
    hex::encode(RecordKey::of(&parts).0)
}

/// Type of quantities: 20 digits, a point, 18 digits.
#[expect(clippy::cast_possible_wrap, reason = "18 is positive")]
pub(crate) const QUANTITY_TYPE: DataType = DataType::Decimal128(38, MeteredQuantity::SCALE as i8);

/// Value of `time_source` where the log gives the time.
pub const LOGGED: &str = "logged";
/// Value of `time_source` where it does not.
pub const ASSUMED: &str = "assumed";

/// Largest integer a column takes, by what its name says it measures: 31 years of microseconds, a petabyte of memory, an
/// exabyte of data. Metering adds and multiplies such numbers without ever leaving its integers.
pub fn largest(column: &str) -> i64 {
    match column {
        name if name.ends_with("_us") || name.ends_with("_ms") => 10_i64.pow(15),
        name if name.ends_with("_mb") || name.ends_with("_milli") => 10_i64.pow(9),
        _ => 10_i64.pow(18),
    }
}

/// What is wrong with the first integer of a record that is below 0 or beyond what anything measures.
pub(crate) fn out_of_range(row: &impl UsageRow) -> Option<String> {
    struct Range {
        wrong: Option<(&'static str, i64)>,
    }
    impl ColumnVisitor for Range {
        fn text(&mut self, _: &'static str, _: Option<&str>) {}
        fn integer(&mut self, name: &'static str, value: Option<i64>) {
            // Nearly every number is within the smallest limit, whatever its name.
            const LARGEST_OF_ALL: std::ops::RangeInclusive<i64> = 0..=1_000_000_000;
            if let Some(value) = value
                && !LARGEST_OF_ALL.contains(&value)
                && (value < 0 || value > largest(name))
            {
                self.wrong.get_or_insert((name, value));
            }
        }
        fn flag(&mut self, _: &'static str, _: Option<bool>) {}
        fn decimal(&mut self, _: &'static str, _: Option<i128>) {}
        fn time(&mut self, _: &'static str, _: Option<i64>) {}
    }
    let mut range = Range { wrong: None };
    row.visit(&mut range);
    range.wrong.map(|(name, value)| format!("`{name}` is {value}, expected a number from 0 to {}", largest(name)))
}

/// The columns of a usage table before the upload's id is known.
pub fn staged_schema(table: Table) -> SchemaRef {
    let fields: Vec<_> = table.schema().fields().iter().filter(|f| f.name() != "upload_id").cloned().collect();
    Arc::new(Schema::new(fields))
}

fn usage_fields<R: UsageRow + Default>() -> Vec<Field> {
    struct Fields(Vec<Field>);
    impl ColumnVisitor for Fields {
        fn text(&mut self, name: &'static str, _: Option<&str>) {
            self.0.push(text(name, !matches!(name, "provider" | "service" | "export_id")));
        }
        fn integer(&mut self, name: &'static str, _: Option<i64>) {
            self.0.push(integer(name, true));
        }
        fn flag(&mut self, name: &'static str, _: Option<bool>) {
            self.0.push(Field::new(name, DataType::Boolean, true));
        }
        fn decimal(&mut self, name: &'static str, _: Option<i128>) {
            self.0.push(Field::new(name, QUANTITY_TYPE, true));
        }
        fn time(&mut self, name: &'static str, _: Option<i64>) {
            self.0.push(timestamp(name).with_nullable(true));
        }
    }
    let mut fields = Fields(vec![Field::new("date", DataType::Date32, false), timestamp(R::TABLE.time_column())]);
    R::default().visit(&mut fields);
    fields.0.extend([text("time_source", false), Field::new("record_key", DataType::Binary, false)]);
    fields.0.push(text("upload_id", false));
    fields.0
}

/// The columns of `declarations`: which rows it is about, and what is declared of them.
fn declaration_fields() -> Vec<Field> {
    let scope = ["of_provider", "of_service", "of_upload_id", "of_resource"];
    let mut fields: Vec<_> = scope.iter().chain(&TEXT_COLUMNS).map(|name| text(name, true)).collect();
    fields.extend(INTEGER_COLUMNS.map(|name| integer(name, true)));
    fields.extend([Field::new("overrides", DataType::Boolean, false), timestamp("declared_at")]);
    fields
}

/// The columns of `charges`: those of a charge in the pricing model, with the scope flattened. Quantities and amounts
/// are exact text: a decimal, or `numerator/denominator` where there is no finite one.
fn charge_fields() -> Vec<Field> {
    let mut fields =
        vec![text("bill_id", false), integer("revision", false), integer("line", false), text("charge_class", true)];
    fields.extend(["charge_id", "period", "provider", "service", "sku", "description"].map(|name| text(name, false)));
    fields.extend(["organisation", "account", "region", "resource"].map(|name| text(name, true)));
    fields.extend(
        [
            "charge_category",
            "charge_frequency",
            "consumed_quantity",
            "consumed_unit",
            "free_quantity",
            "pricing_quantity",
            "pricing_unit",
        ]
        .map(|name| text(name, false)),
    );
    fields.extend([integer("tier", false), text("tier_from", false), text("tier_to", true)]);
    fields.extend(
        [
            "unit_price",
            "published_price",
            "published_per",
            "contracted_unit_price",
            "list_cost",
            "contracted_cost",
            "billed_cost",
            "effective_cost",
            "adjustment",
            "currency",
            "pricing_currency",
            "exchange_rate",
        ]
        .map(|name| text(name, false)),
    );
    // JSON: lists of objects, and one object.
    fields.extend([text("discounts", false), text("commitment", true), text("allowances", false)]);
    fields.push(integer("record_count", false));
    fields.extend(["meter", "filter", "price_book", "price_book_version"].map(|name| text(name, false)));
    fields.push(text("price_from", true));
    fields.extend(["source", "source_address", "mark"].map(|name| text(name, false)));
    fields
}

fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

fn integer(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Int64, nullable)
}

fn timestamp(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::mapped::fields;
    use crate::record::UsageTable;

    #[test]
    fn a_mapping_can_set_every_column_of_a_usage_table() {
        for (table, usage) in Table::USAGE.into_iter().zip(UsageTable::ALL) {
            assert_eq!(table.name(), usage.name());
            let own = ["date", table.time_column(), "time_source", "record_key", "upload_id"];
            let schema = table.schema();
            let columns = schema.fields().iter().map(|field| field.name().as_str()).filter(|name| !own.contains(name));
            let columns: std::collections::BTreeSet<_> = columns.collect();
            let names: std::collections::BTreeSet<_> = fields::names(usage).iter().copied().collect();
            assert_eq!(names, columns, "{}", table.name());
        }
    }

    #[test]
    fn column_names_are_unique() {
        for table in Table::ALL {
            let schema = table.schema();
            let names: std::collections::BTreeSet<_> = schema.fields().iter().map(|f| f.name().clone()).collect();
            assert_eq!(names.len(), schema.fields().len(), "{}", table.name());
        }
    }
}
