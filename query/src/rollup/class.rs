//! What the records of a class have in common.

use std::collections::HashMap;
use std::sync::Arc;

use paygrain_ingest::table::Table;
use paygrain_pricing::expression::Value;
use paygrain_pricing::{Exact, Scope};

/// Columns of text that the records of a class have in common.
pub(crate) const fn text_columns(table: Table) -> &'static [&'static str] {
    match table {
        Table::Requests => &[
            "provider",
            "service",
            "account",
            "region",
            "resource",
            "upload_id",
            "operation",
            "variant",
            "status",
            "storage_class",
            "source",
        ],
        _ => &[
            "provider",
            "service",
            "account",
            "region",
            "resource",
            "upload_id",
            "version",
            "architecture",
            "package_type",
            "runtime",
            "os",
            "capacity",
            "trigger",
            "invoke_mode",
            "status",
            "variant",
        ],
    }
}

/// Place of a column in [`text_columns`], in every table.
pub(crate) const PROVIDER: usize = 0;
/// As [`PROVIDER`].
pub(crate) const SERVICE: usize = 1;
/// As [`PROVIDER`].
pub(crate) const ACCOUNT: usize = 2;
/// As [`PROVIDER`].
pub(crate) const REGION: usize = 3;
/// As [`PROVIDER`].
pub(crate) const RESOURCE: usize = 4;
/// As [`PROVIDER`].
pub(crate) const UPLOAD: usize = 5;

/// Columns of numbers that the records of a class have in common; a flag is 0 or 1.
pub(crate) const fn integer_columns(table: Table) -> &'static [&'static str] {
    match table {
        Table::Requests => &["concurrency"],
        _ => &["memory_mb", "vcpu_milli", "ephemeral_mb", "concurrency", "cold_start"],
    }
}

/// Columns of numbers that differ from record to record. The records of a class have in common whether each is absent, 0
/// or above 0.
pub(crate) const fn measure_columns(table: Table) -> &'static [&'static str] {
    match table {
        Table::Requests => &["request_bytes", "response_bytes", "units", "duration_us"],
        _ => &["duration_us", "billed_ms", "init_us", "restore_us", "cpu_us", "request_bytes", "response_bytes"],
    }
}

/// Whether the records of a class have a column of an expression in common. What the lake has no column for is null in
/// all of them.
pub(crate) fn is_common(table: Table, column: &str) -> bool {
    text_columns(table).contains(&column)
        || integer_columns(table).contains(&column)
        || (column != "billed_us" && table.schema().index_of(column).is_err())
}

/// Whether a measure is absent, 0 or above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Absent = 0,
    Zero = 1,
    Positive = 2,
}

/// What the records of a class have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Class {
    /// In the order of [`text_columns`].
    pub texts: Box<[Option<Arc<str>>]>,
    /// In the order of [`integer_columns`].
    pub integers: Box<[Option<i64>]>,
    /// Two bits for each of [`measure_columns`].
    pub signs: u32,
}

impl Class {
    /// A text, by its column.
    pub fn text(&self, table: Table, column: &str) -> Option<&str> {
        let place = text_columns(table).iter().position(|known| *known == column)?;
        self.texts[place].as_deref()
    }

    /// A number, by its column.
    pub fn integer(&self, table: Table, column: &str) -> Option<i64> {
        let place = integer_columns(table).iter().position(|known| *known == column)?;
        self.integers[place]
    }

    /// The sign of a measure, by its column.
    pub fn sign(&self, table: Table, column: &str) -> Option<Sign> {
        let column = if column == "billed_us" { "billed_ms" } else { column };
        let place = measure_columns(table).iter().position(|known| *known == column)?;
        Some(match (self.signs >> (2 * place)) & 3 {
            0 => Sign::Absent,
            1 => Sign::Zero,
            _ => Sign::Positive,
        })
    }

    /// The value of a column as expressions see it. Of what differs from record to record the sign is right.
    pub fn value(&self, table: Table, column: &str) -> Value {
        match self.sign(table, column) {
            Some(Sign::Positive) => return Value::Number(Exact::one()),
            Some(Sign::Zero) => return Value::Number(Exact::zero()),
            _ => {}
        }
        let number = || Some(Value::Number(Exact::from(self.integer(table, column)?)));
        self.text(table, column).map(|text| Value::Text(text.to_owned())).or_else(number).unwrap_or(Value::Null)
    }

    /// A column as text; flags as words.
    pub fn detail(&self, table: Table, column: &str) -> Option<String> {
        let number = |number: i64| match (column, number) {
            ("cold_start", 0) => "false".to_owned(),
            ("cold_start", _) => "true".to_owned(),
            _ => number.to_string(),
        };
        self.text(table, column).map(str::to_owned).or_else(|| self.integer(table, column).map(number))
    }

    /// Whose usage it is.
    pub fn scope(&self) -> Scope {
        let text = |place: usize| self.texts[place].as_deref().map(str::to_owned);
        Scope { organisation: None, account: text(ACCOUNT), region: text(REGION), resource: text(RESOURCE) }
    }
}

/// Classes by number; equal ones have one number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Classes {
    numbers: HashMap<Arc<Class>, u32>,
    classes: Vec<Arc<Class>>,
    texts: std::collections::HashSet<Arc<str>>,
}

impl Classes {
    /// The number of a class.
    pub fn number(&mut self, mut class: Class) -> u32 {
        if let Some(number) = self.numbers.get(&class) {
            return *number;
        }
        // The same few texts stand in thousands of classes.
        for text in class.texts.iter_mut().flatten() {
            match self.texts.get(text) {
                Some(known) => *text = known.clone(),
                None => drop(self.texts.insert(text.clone())),
            }
        }
        let number = u32::try_from(self.classes.len()).unwrap_or(u32::MAX);
        let class = Arc::new(class);
        self.classes.push(class.clone());
        self.numbers.insert(class, number);
        number
    }

    /// Every class, by number.
    pub fn all(&self) -> &[Arc<Class>] {
        &self.classes
    }
}
