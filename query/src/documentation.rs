//! What queries can ask for: the tables with their columns, and the functions of our own.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use paygrain_ingest::table::{Table, sql_type};
use serde::Serialize;

use crate::rollup::tables::RollupTable;

/// The table that describes the columns of all others.
pub const COLUMN_DOCUMENTATION: &str = "column_documentation";

const DESCRIPTIONS: [(&str, &str); 4] = [
    ("table_name", "Name of the table."),
    ("column_name", "Name of the column."),
    ("data_type", "Type of the column, as `CAST` takes it."),
    ("description", "What the column means, with its unit."),
];

/// A table that queries can name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentedTable {
    /// Its name.
    pub name: String,
    /// What one row is.
    pub description: String,
    /// Its columns, in order.
    pub columns: Vec<DocumentedColumn>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentedColumn {
    /// Its name.
    pub name: String,
    /// Its type in SQL.
    pub data_type: String,
    /// What it means, with its unit.
    pub description: String,
}

/// Every table that a session has. A table that is added to sessions is added here.
pub fn tables() -> Vec<DocumentedTable> {
    let mut tables: Vec<_> = Table::ALL
        .into_iter()
        .map(|table| {
            documented(table.name(), table.description(), &table.schema(), |column| table.column_description(column))
        })
        .collect();
    tables.extend(RollupTable::ALL.map(|table| {
        documented(table.name(), table.description(), &table.schema(), |column| table.column_description(column))
    }));
    let text = |column: &str| DESCRIPTIONS.iter().find(|(name, _)| *name == column).map(|(_, text)| *text);
    tables.push(documented(COLUMN_DOCUMENTATION, "One column of a table, and what it means.", &schema(), text));
    tables
}

fn documented(
    name: &str,
    description: &str,
    schema: &SchemaRef,
    text: impl Fn(&str) -> Option<&'static str>,
) -> DocumentedTable {
    let column = |field: &Arc<Field>| DocumentedColumn {
        name: field.name().clone(),
        data_type: sql_type(field.data_type()),
        description: text(field.name()).unwrap_or_default().to_owned(),
    };
    let columns = schema.fields().iter().map(column).collect();
    DocumentedTable { name: name.to_owned(), description: description.to_owned(), columns }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(DESCRIPTIONS.map(|(name, _)| Field::new(name, DataType::Utf8, false)).to_vec()))
}

/// Registers the table [`COLUMN_DOCUMENTATION`].
pub(crate) fn register(session: &SessionContext) -> Result<(), DataFusionError> {
    let tables = tables();
    let rows = || tables.iter().flat_map(|table| table.columns.iter().map(move |column| (table, column)));
    let texts: [Arc<StringArray>; 4] = [
        Arc::new(rows().map(|(table, _)| Some(table.name.as_str())).collect()),
        Arc::new(rows().map(|(_, column)| Some(column.name.as_str())).collect()),
        Arc::new(rows().map(|(_, column)| Some(column.data_type.as_str())).collect()),
        Arc::new(rows().map(|(_, column)| Some(column.description.as_str())).collect()),
    ];
    let batch = RecordBatch::try_new(schema(), texts.map(|text| text as _).to_vec())?;
    session.register_table(COLUMN_DOCUMENTATION, Arc::new(MemTable::try_new(schema(), vec![vec![batch]])?))?;
    Ok(())
}
