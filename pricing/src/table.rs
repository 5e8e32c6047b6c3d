//! The usage tables that meters read, and the unit of each column
use std::fmt;

/// A usage table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// One function execution or container task a row.
    Invocations,
    /// One request, event or message a row.
    Requests,
    /// Bytes stored over an interval.
    Storage,
    /// A quantity some meter already measured.
    Metered,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// An integer in this unit (the text of a [`crate::Unit`]; empty: a plain number).
    Number(&'static str),
    /// A number in the unit the SKU says (`meter_unit`, or else its pricing unit).
    Quantity,
}

/// A column of a usage table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name, with its unit at the end where it has one.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
}

impl Column {
    /// The largest number a recorded row has in the column (ingestion refuses larger ones); nothing for text and for
    /// `quantity`. 31 years of microseconds, a petabyte of memory, an exabyte of data; `billed_us` is recorded in
    /// milliseconds.
    pub fn largest(&self) -> Option<i128> {
        match self.kind {
            ColumnKind::Text | ColumnKind::Quantity => None,
            ColumnKind::Number("us") if self.name != "billed_us" => Some(10_i128.pow(15)),
            ColumnKind::Number("MiB" | "0.001") => Some(10_i128.pow(9)),
            ColumnKind::Number(_) => Some(10_i128.pow(18)),
        }
    }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: ColumnKind::Text }
}

const fn number(name: &'static str, unit: &'static str) -> Column {
    Column { name, kind: ColumnKind::Number(unit) }
}

/// Columns every table has, in front of its own.
macro_rules! columns {
    ($($column:expr),* $(,)?) => {
        &[
            text("provider"), text("service"), text("account"), text("region"), text("resource"),
            text("operation"), text("status"), text("tier"), text("variant"), $($column),*
        ]
    };
}

const INVOCATIONS: &[Column] = columns![
    number("duration_us", "us"),
    number("init_us", "us"),
    number("restore_us", "us"),
    number("billed_us", "us"),
    number("cpu_us", "us"),
    number("memory_mb", "MiB"),
    number("memory_used_mb", "MiB"),
    number("ephemeral_mb", "MiB"),
    number("vcpu_milli", "0.001"),
    number("request_bytes", "B"),
    number("response_bytes", "B"),
    number("calls", ""),
    text("architecture"),
    text("package_type"),
    text("runtime"),
    text("capacity"),
    text("os"),
    text("invoke_mode"),
    text("trigger"),
    text("instance"),
    number("concurrency", ""),
];

const REQUESTS: &[Column] = columns![
    number("request_bytes", "B"),
    number("response_bytes", "B"),
    number("units", ""),
    number("duration_us", "us"),
    text("storage_class"),
    text("source"),
    text("instance"),
    number("concurrency", ""),
];

const STORAGE: &[Column] =
    columns![number("bytes", "B"), number("objects", ""), number("held_us", "us"), text("storage_class")];

const METERED: &[Column] = columns![
    text("meter"),
    Column { name: "quantity", kind: ColumnKind::Quantity },
    number("held_us", "us"),
    number("memory_mb", "MiB"),
    number("vcpu_milli", "0.001"),
    number("size_mb", "MiB"),
    text("architecture"),
    text("os"),
    text("runtime"),
];

impl Table {
    /// All tables.
    pub const ALL: [Table; 4] = [Table::Invocations, Table::Requests, Table::Storage, Table::Metered];

    /// The name in price books and in the lake.
    pub fn name(self) -> &'static str {
        match self {
            Table::Invocations => "invocations",
            Table::Requests => "requests",
            Table::Storage => "storage",
            Table::Metered => "metered",
        }
    }

    /// The table of that name.
    pub fn from_name(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The columns an expression may read. `held_us` is the length of the row's interval, `billed_us` the billed
    /// duration the provider reported (the lake stores it in milliseconds).
    pub fn columns(self) -> &'static [Column] {
        match self {
            Table::Invocations => INVOCATIONS,
            Table::Requests => REQUESTS,
            Table::Storage => STORAGE,
            Table::Metered => METERED,
        }
    }

    /// The column of that name.
    pub fn column(self, name: &str) -> Option<&'static Column> {
        self.columns().iter().find(|column| column.name == name)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
