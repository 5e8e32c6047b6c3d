//! What was declared after the fact about resources whose logs do not say it: account, region, architecture, memory, …
//!
//! Rows stay as they were ingested; a declaration completes them when they are read, so that it holds for the past, too.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::DataType;
use deltalake::DeltaTable;
use serde::Serialize;

use super::{Lake, integer_cell, text_cell};
use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::record::RecordKey;
use crate::table::{Table, largest};

/// Longest text that can be declared, in characters.
const TEXT_CHARS_MAX: usize = 1024;

/// Columns of text that can be declared.
pub const TEXT_COLUMNS: [&str; 8] =
    ["account", "region", "resource", "architecture", "package_type", "runtime", "storage_class", "capacity"];
/// Columns of numbers that can be declared.
pub const INTEGER_COLUMNS: [&str; 4] = ["memory_mb", "vcpu_milli", "concurrency", "ephemeral_mb"];

/// Which rows a declaration is about: those of one upload, or of one resource, or all of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeclarationScope {
    /// Only rows of this provider.
    pub provider: Option<String>,
    /// Only rows of this service.
    pub service: Option<String>,
    /// Only rows of this upload.
    pub upload_id: Option<String>,
    /// Only rows of this function, bucket or other resource.
    pub resource: Option<String>,
}

/// Something declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Declaration {
    /// The rows it is about.
    #[serde(flatten)]
    pub scope: DeclarationScope,
    /// The values; those not given are left to other declarations.
    pub values: Defaults,
    /// Whether it wins over what rows say, and does not only fill their gaps.
    pub overrides: bool,
    /// When, microseconds since 1970 UTC; of two about the same rows the later wins.
    pub declared_at_us: i64,
}

impl Declaration {
    /// A column of text.
    pub fn text(&self, column: &str) -> Option<&str> {
        let Defaults {
            account, region, resource, architecture, package_type, runtime, capacity, storage_class, ..
        } = &self.values;
        match column {
            "account" => account,
            "region" => region,
            "resource" => resource,
            "architecture" => architecture,
            "package_type" => package_type,
            "runtime" => runtime,
            "storage_class" => storage_class,
            "capacity" => capacity,
            _ => &None,
        }
        .as_deref()
    }

    /// A column of numbers.
    pub fn integer(&self, column: &str) -> Option<i64> {
        match column {
            "memory_mb" => self.values.memory_mb,
            "vcpu_milli" => self.values.vcpu_milli,
            "concurrency" => self.values.concurrency,
            "ephemeral_mb" => self.values.ephemeral_mb,
            _ => None,
        }
    }

    /// Every column that is declared, with its value as text.
    pub fn stated(&self) -> impl Iterator<Item = (&'static str, String)> {
        let texts = TEXT_COLUMNS.into_iter().filter_map(|column| Some((column, self.text(column)?.to_owned())));
        let numbers =
            INTEGER_COLUMNS.into_iter().filter_map(|column| Some((column, self.integer(column)?.to_string())));
        texts.chain(numbers)
    }

    /// The first thing in it that makes no sense: a column, what it holds and what was expected.
    pub fn problem(&self) -> Option<DeclarationProblem> {
        let problem = |column, value: String, expected: String| Some(DeclarationProblem { column, value, expected });
        for column in INTEGER_COLUMNS {
            let largest = largest(column);
            if let Some(value) = self.integer(column).filter(|value| !(1..=largest).contains(value)) {
                return problem(column, value.to_string(), format!("a whole number from 1 to {largest}"));
            }
        }
        for column in TEXT_COLUMNS {
            let sensible = |text: &str| {
                !text.trim().is_empty() && text.chars().count() <= TEXT_CHARS_MAX && !text.contains(char::is_control)
            };
            if let Some(text) = self.text(column).filter(|text| !sensible(text)) {
                let shown = text.chars().take(80).collect();
                return problem(column, shown, format!("1 to {TEXT_CHARS_MAX} characters in one line"));
            }
        }
        None
    }
}

/// A value that cannot be declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclarationProblem {
    /// The column.
    pub column: &'static str,
    /// What was given.
    pub value: String,
    /// What was expected.
    pub expected: String,
}

impl fmt::Display for DeclarationProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is `{}`, expected {}", self.column, self.value, self.expected)
    }
}

impl Lake {
    /// Declares something, all of it or nothing.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn declare(&self, declarations: &[Declaration]) -> Result<(), IngestError> {
        if declarations.is_empty() {
            return Ok(());
        }
        let batch = batch(declarations).map_err(|error| self.storage_error("written".into(), error))?;
        let content = RecordKey::of(&[Some(&format!("{declarations:?}"))]);
        let application = format!("declaration:{}", hex::encode(content.0));
        self.append_once(Table::Declarations, &application, || Ok(std::iter::once(Ok(batch.clone())))).await
    }

    /// Everything declared so far, in the order it was.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn declarations(&self) -> Result<Vec<Declaration>, IngestError> {
        match self.table(Table::Declarations).await? {
            Some(table) => self.declarations_in(&table).await,
            None => Ok(Vec::new()),
        }
    }

    /// Everything that was declared in a state of the table.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn declarations_in(&self, table: &DeltaTable) -> Result<Vec<Declaration>, IngestError> {
        let batches = self.select(table, "SELECT * FROM t ORDER BY declared_at").await?;
        let rows = |batch| (0..RecordBatch::num_rows(batch)).map(move |row| declaration(batch, row));
        Ok(batches.iter().flat_map(rows).collect())
    }
}

fn declaration(batch: &RecordBatch, row: usize) -> Declaration {
    let text = |name: &str| text_cell(batch, name, row);
    let integer = |name: &str| integer_cell(batch, name, row);
    Declaration {
        scope: DeclarationScope {
            provider: text("of_provider"),
            service: text("of_service"),
            upload_id: text("of_upload_id"),
            resource: text("of_resource"),
        },
        values: Defaults {
            account: text("account"),
            region: text("region"),
            resource: text("resource"),
            architecture: text("architecture"),
            package_type: text("package_type"),
            runtime: text("runtime"),
            memory_mb: integer("memory_mb"),
            vcpu_milli: integer("vcpu_milli"),
            concurrency: integer("concurrency"),
            ephemeral_mb: integer("ephemeral_mb"),
            capacity: text("capacity"),
            storage_class: text("storage_class"),
            ..Defaults::default()
        },
        overrides: text("overrides").as_deref() == Some("true"),
        declared_at_us: integer("declared_at").unwrap_or(0),
    }
}

fn batch(declarations: &[Declaration]) -> Result<RecordBatch, datafusion::arrow::error::ArrowError> {
    let schema = Table::Declarations.schema();
    let column = |name: &str, kind: &DataType| -> ArrayRef {
        let rows = declarations.iter();
        match (name, kind) {
            ("of_provider", _) => Arc::new(rows.map(|row| row.scope.provider.clone()).collect::<StringArray>()),
            ("of_service", _) => Arc::new(rows.map(|row| row.scope.service.clone()).collect::<StringArray>()),
            ("of_upload_id", _) => Arc::new(rows.map(|row| row.scope.upload_id.clone()).collect::<StringArray>()),
            ("of_resource", _) => Arc::new(rows.map(|row| row.scope.resource.clone()).collect::<StringArray>()),
            (_, DataType::Boolean) => Arc::new(rows.map(|row| Some(row.overrides)).collect::<BooleanArray>()),
            (_, DataType::Timestamp(..)) => {
                let times = TimestampMicrosecondArray::from_iter_values(rows.map(|row| row.declared_at_us));
                Arc::new(times.with_timezone("UTC"))
            }
            (name, DataType::Int64) => Arc::new(rows.map(|row| row.integer(name)).collect::<Int64Array>()),
            (name, _) => Arc::new(rows.map(|row| row.text(name)).collect::<StringArray>()),
        }
    };
    let columns = schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect();
    RecordBatch::try_new(schema.clone(), columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_declared_comes_back_once() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
        assert!(lake.declarations().await.unwrap().is_empty());
        let values = Defaults {
            account: Some("1".into()),
            region: Some("eu-west-1".into()),
            resource: Some("g".into()),
            architecture: Some("arm64".into()),
            package_type: Some("Image".into()),
            runtime: Some("custom".into()),
            memory_mb: Some(512),
            vcpu_milli: Some(250),
            concurrency: Some(80),
            ephemeral_mb: Some(1024),
            capacity: Some("edge".into()),
            storage_class: Some("STANDARD".into()),
            ..Defaults::default()
        };
        let scope = DeclarationScope {
            provider: Some("aws".into()),
            service: Some("lambda".into()),
            upload_id: Some("u".into()),
            resource: Some("f".into()),
        };
        let first = Declaration { scope, values, overrides: true, declared_at_us: 1 };
        let second = Declaration {
            scope: DeclarationScope::default(),
            values: Defaults::default(),
            overrides: false,
            declared_at_us: 2,
        };
        lake.declare(&[second.clone(), first.clone()]).await.unwrap();
        lake.declare(&[second.clone(), first.clone()]).await.unwrap();
        assert_eq!(lake.declarations().await.unwrap(), [first, second]);
    }
}
