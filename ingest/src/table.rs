//! The tables of the lake: their columns, and usage records turned into Arrow batches.
//!
//! Times are UTC microseconds, sizes bytes (memory MB as the provider configures it), durations microseconds.
//! `date` is the UTC day of the event and the partition. Only text, 64-bit integers, decimals, booleans, dates,
//! timestamps and the 16-byte `record_key` are used: every engine that reads Delta tables reads these.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;

use crate::lake::{INTEGER_COLUMNS, TEXT_COLUMNS};
use crate::record::{BilledLine, Export, Invocation, MeteredQuantity, RecordKey, Request, StoredBytes};

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
            Self::Invocations => usage_fields(self, &INVOCATION_COLUMNS),
            Self::Requests => usage_fields(self, &REQUEST_COLUMNS),
            Self::Storage => usage_fields(self, &STORAGE_COLUMNS),
            Self::Metered => usage_fields(self, &METERED_COLUMNS),
            Self::Billed => usage_fields(self, &BILLED_COLUMNS),
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

/// How a column is read from a record.
enum Column<R> {
    Text(&'static str, fn(&R) -> Option<&str>),
    Integer(&'static str, fn(&R) -> Option<i64>),
    Flag(&'static str, fn(&R) -> Option<bool>),
    /// A decimal of [`MeteredQuantity::SCALE`] fractional digits.
    Decimal(&'static str, fn(&R) -> Option<i128>),
    /// Microseconds since 1970 UTC.
    Time(&'static str, fn(&R) -> Option<i64>),
    /// Text that the record does not hold as such.
    Derived(&'static str, fn(&R) -> String),
}

// Columns that filters use come first: Delta keeps statistics of the first 32.
static INVOCATION_COLUMNS: [Column<Invocation>; 31] = [
    Column::Text("provider", |r| Some(&r.provider)),
    Column::Text("service", |r| Some(&r.service)),
    Column::Text("account", |r| r.account.as_deref()),
    Column::Text("region", |r| r.region.as_deref()),
    Column::Text("resource", |r| r.resource.as_deref()),
    Column::Text("version", |r| r.version.as_deref()),
    Column::Integer("duration_us", |r| r.duration_us),
    Column::Integer("init_us", |r| r.init_us),
    Column::Integer("restore_us", |r| r.restore_us),
    Column::Integer("billed_ms", |r| r.billed_ms),
    Column::Integer("memory_mb", |r| r.memory_mb),
    Column::Integer("memory_used_mb", |r| r.memory_used_mb),
    Column::Integer("vcpu_milli", |r| r.vcpu_milli),
    Column::Integer("ephemeral_mb", |r| r.ephemeral_mb),
    Column::Integer("request_bytes", |r| r.request_bytes),
    Column::Integer("response_bytes", |r| r.response_bytes),
    Column::Text("architecture", |r| r.architecture.as_deref()),
    Column::Text("package_type", |r| r.package_type.as_deref()),
    Column::Text("runtime", |r| r.runtime.as_deref()),
    Column::Text("os", |r| r.os.as_deref()),
    Column::Text("capacity", |r| r.capacity.as_deref()),
    Column::Text("trigger", |r| r.trigger.as_deref()),
    Column::Text("invoke_mode", |r| r.invoke_mode.as_deref()),
    Column::Text("status", |r| r.status.as_deref()),
    Column::Text("error_type", |r| r.error_type.as_deref()),
    Column::Flag("cold_start", |r| r.cold_start),
    Column::Integer("cpu_us", |r| r.cpu_us),
    Column::Text("request_id", |r| r.request_id.as_deref()),
    Column::Text("variant", |r| r.variant.as_deref()),
    Column::Text("instance", |r| r.instance.as_deref()),
    Column::Integer("concurrency", |r| r.concurrency),
];

static REQUEST_COLUMNS: [Column<Request>; 17] = [
    Column::Text("provider", |r| Some(&r.provider)),
    Column::Text("service", |r| Some(&r.service)),
    Column::Text("account", |r| r.account.as_deref()),
    Column::Text("region", |r| r.region.as_deref()),
    Column::Text("resource", |r| r.resource.as_deref()),
    Column::Text("operation", |r| r.operation.as_deref()),
    Column::Text("variant", |r| r.variant.as_deref()),
    Column::Text("status", |r| r.status.as_deref()),
    Column::Integer("request_bytes", |r| r.request_bytes),
    Column::Integer("response_bytes", |r| r.response_bytes),
    Column::Integer("units", |r| r.units),
    Column::Text("storage_class", |r| r.storage_class.as_deref()),
    Column::Text("source", |r| r.source.as_deref()),
    Column::Text("request_id", |r| r.request_id.as_deref()),
    Column::Integer("duration_us", |r| r.duration_us),
    Column::Text("instance", |r| r.instance.as_deref()),
    Column::Integer("concurrency", |r| r.concurrency),
];

static STORAGE_COLUMNS: [Column<StoredBytes>; 10] = [
    Column::Text("provider", |r| Some(&r.provider)),
    Column::Text("service", |r| Some(&r.service)),
    Column::Text("account", |r| r.account.as_deref()),
    Column::Text("region", |r| r.region.as_deref()),
    Column::Text("resource", |r| r.resource.as_deref()),
    Column::Text("variant", |r| r.variant.as_deref()),
    Column::Text("storage_class", |r| r.storage_class.as_deref()),
    Column::Integer("bytes", |r| r.bytes),
    Column::Integer("objects", |r| r.objects),
    Column::Integer("held_us", |r| r.held_us),
];

static METERED_COLUMNS: [Column<MeteredQuantity>; 16] = [
    Column::Text("provider", |r| Some(&r.provider)),
    Column::Text("service", |r| Some(&r.service)),
    Column::Text("account", |r| r.account.as_deref()),
    Column::Text("region", |r| r.region.as_deref()),
    Column::Text("resource", |r| r.resource.as_deref()),
    Column::Text("meter", |r| r.meter.as_deref()),
    Column::Text("variant", |r| r.variant.as_deref()),
    Column::Decimal("quantity", |r| r.quantity),
    Column::Text("unit", |r| r.unit.as_deref()),
    Column::Integer("held_us", |r| r.held_us),
    Column::Integer("memory_mb", |r| r.memory_mb),
    Column::Integer("vcpu_milli", |r| r.vcpu_milli),
    Column::Integer("size_mb", |r| r.size_mb),
    Column::Text("architecture", |r| r.architecture.as_deref()),
    Column::Text("os", |r| r.os.as_deref()),
    Column::Text("runtime", |r| r.runtime.as_deref()),
];

static BILLED_COLUMNS: LazyLock<Vec<Column<BilledLine>>> = LazyLock::new(|| {
    let mut columns: Vec<Column<BilledLine>> = vec![
        Column::Text("provider", |r| Some(&r.provider)),
        Column::Text("export_kind", |r| Some(&r.export.kind)),
        Column::Text("billing_account_id", |r| Some(&r.export.account).filter(|id| !id.is_empty()).map(String::as_str)),
        Column::Time("billing_period_start", |r| Some(r.export.period_from_us)),
        Column::Time("billing_period_end", |r| r.period_to_us),
        Column::Time("charge_period_end", |r| r.charged_to_us),
    ];
    columns.extend(BilledLine::COLUMNS.iter().map(|(name, get)| Column::Text(name, *get)));
    columns.push(Column::Derived("export_id", |r| export_id(&r.provider, &r.export)));
    columns.push(Column::Integer("part", |r| Some(i64::from(r.export.part))));
    columns
});

/// The id of what a later delivery replaces: provider, view, account, billing period and, where deliveries are windows of
/// days, the day.
pub(crate) fn export_id(provider: &str, export: &Export) -> String {
    let (period, day) = (export.period_from_us.to_string(), export.day.map(|day| day.to_string()));
    let parts =
        [Some(provider), Some(export.kind.as_str()), Some(export.account.as_str()), Some(&*period), day.as_deref()];
    hex::encode(RecordKey::of(&parts).0)
}

/// Rows of one usage table, not yet a batch. The upload's id is not known before its last byte, so it is added at
/// the commit.
#[derive(Debug)]
pub struct UsageRows<R> {
    facts: Vec<RowFacts>,
    rows: Vec<R>,
}

impl<R> Default for UsageRows<R> {
    fn default() -> Self {
        Self { facts: Vec::new(), rows: Vec::new() }
    }
}

impl<R: UsageRow> UsageRows<R> {
    /// Adds a row.
    pub fn push(&mut self, facts: RowFacts, row: R) {
        self.facts.push(facts);
        self.rows.push(row);
    }

    /// How many rows wait.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows as a batch of [`staged_schema`], leaving none.
    ///
    /// # Errors
    /// Never for rows of these types; Arrow's own checks are passed on.
    pub fn take_batch(&mut self) -> Result<RecordBatch, ArrowError> {
        let facts = std::mem::take(&mut self.facts);
        let rows = std::mem::take(&mut self.rows);
        let days = facts.iter().map(|f| i32::try_from(f.time_us.div_euclid(DAY_US)).unwrap_or(i32::MAX));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Date32Array::from_iter_values(days)),
            Arc::new(TimestampMicrosecondArray::from_iter_values(facts.iter().map(|f| f.time_us)).with_timezone("UTC")),
        ];
        for column in R::columns() {
            columns.push(column.array(&rows)?);
        }
        columns.push(Arc::new(StringArray::from_iter_values(
            facts.iter().map(|f| if f.logged { LOGGED } else { ASSUMED }),
        )));
        columns.push(Arc::new(BinaryArray::from_iter_values(facts.iter().map(|f| f.key.0))));
        RecordBatch::try_new(staged_schema(R::TABLE), columns)
    }
}

/// Type of quantities: 20 digits, a point, 18 digits.
#[expect(clippy::cast_possible_wrap, reason = "18 is positive")]
const QUANTITY_TYPE: DataType = DataType::Decimal128(38, MeteredQuantity::SCALE as i8);

/// Value of `time_source` where the log gives the time.
pub const LOGGED: &str = "logged";
/// Value of `time_source` where it does not.
pub const ASSUMED: &str = "assumed";

/// A record type with a table of its own.
pub trait UsageRow: Sized + 'static {
    /// The table it goes to.
    const TABLE: Table;
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "implemented here only")]
    fn columns() -> &'static [Column<Self>];
}

impl UsageRow for Invocation {
    const TABLE: Table = Table::Invocations;
    #[expect(private_interfaces, reason = "implemented here only")]
    fn columns() -> &'static [Column<Self>] {
        &INVOCATION_COLUMNS
    }
}

impl UsageRow for Request {
    const TABLE: Table = Table::Requests;
    #[expect(private_interfaces, reason = "implemented here only")]
    fn columns() -> &'static [Column<Self>] {
        &REQUEST_COLUMNS
    }
}

impl UsageRow for StoredBytes {
    const TABLE: Table = Table::Storage;
    #[expect(private_interfaces, reason = "implemented here only")]
    fn columns() -> &'static [Column<Self>] {
        &STORAGE_COLUMNS
    }
}

impl UsageRow for BilledLine {
    const TABLE: Table = Table::Billed;
    #[expect(private_interfaces, reason = "implemented here only")]
    fn columns() -> &'static [Column<Self>] {
        &BILLED_COLUMNS
    }
}

impl UsageRow for MeteredQuantity {
    const TABLE: Table = Table::Metered;
    #[expect(private_interfaces, reason = "implemented here only")]
    fn columns() -> &'static [Column<Self>] {
        &METERED_COLUMNS
    }
}

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
pub(crate) fn out_of_range<R: UsageRow>(row: &R) -> Option<String> {
    R::columns().iter().find_map(|column| {
        let Column::Integer(name, get) = column else { return None };
        let value = get(row)?;
        (value < 0 || value > largest(name))
            .then(|| format!("`{name}` is {value}, expected a number from 0 to {}", largest(name)))
    })
}

/// The columns of a usage table before the upload's id is known.
pub fn staged_schema(table: Table) -> SchemaRef {
    let fields: Vec<_> = table.schema().fields().iter().filter(|f| f.name() != "upload_id").cloned().collect();
    Arc::new(Schema::new(fields))
}

impl<R> Column<R> {
    fn field(&self) -> Field {
        match self {
            Self::Text(name, _) => text(name, !matches!(*name, "provider" | "service")),
            Self::Integer(name, _) => integer(name, true),
            Self::Flag(name, _) => Field::new(*name, DataType::Boolean, true),
            Self::Decimal(name, _) => Field::new(*name, QUANTITY_TYPE, true),
            Self::Time(name, _) => {
                Field::new(*name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true)
            }
            Self::Derived(name, _) => text(name, false),
        }
    }

    fn array(&self, rows: &[R]) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(_, get) => Arc::new(rows.iter().map(get).collect::<StringArray>()),
            Self::Integer(_, get) => Arc::new(rows.iter().map(get).collect::<Int64Array>()),
            Self::Time(_, get) => {
                Arc::new(rows.iter().map(get).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
            Self::Derived(_, get) => Arc::new(StringArray::from_iter_values(rows.iter().map(get))),
            Self::Flag(_, get) => Arc::new(rows.iter().map(get).collect::<BooleanArray>()),
            Self::Decimal(_, get) => {
                Arc::new(rows.iter().map(get).collect::<Decimal128Array>().with_data_type(QUANTITY_TYPE))
            }
        })
    }
}

fn usage_fields<R>(table: Table, columns: &[Column<R>]) -> Vec<Field> {
    let mut fields = vec![Field::new("date", DataType::Date32, false), timestamp(table.time_column())];
    fields.extend(columns.iter().map(Column::field));
    fields.extend([text("time_source", false), Field::new("record_key", DataType::Binary, false)]);
    fields.push(text("upload_id", false));
    fields
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
    fn rows_become_a_batch_of_the_staged_schema() {
        let mut rows = UsageRows::<Invocation>::default();
        let facts = RowFacts { time_us: -1, logged: true, key: RecordKey([7; 16]) };
        rows.push(facts, Invocation { provider: "aws".into(), service: "lambda".into(), ..Invocation::default() });
        let batch = rows.take_batch().unwrap();
        assert_eq!(batch.num_rows(), 1);
        assert_eq!(batch.schema(), staged_schema(Table::Invocations));
        let date = batch.column(0).as_any().downcast_ref::<Date32Array>().unwrap();
        assert_eq!(date.value(0), -1, "a microsecond before 1970 is the day before");
        assert!(rows.is_empty());
    }

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
