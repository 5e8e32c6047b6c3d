//! Usage rows completed by what was declared of their resources after they were ingested.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Int64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::datasource::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::{ColumnarValue, Expr, Volatility, create_udf, ident};
use datafusion::prelude::SessionContext;
use paygrain_ingest::lake::{Declaration, DeclarationScope, INTEGER_COLUMNS, TEXT_COLUMNS};
use paygrain_ingest::table::Table;

use crate::error::QueryError;

/// Everything declared, ready to be looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    /// From the latest to the first.
    declarations: Arc<[Declaration]>,
}

/// The columns that say which declarations are about a row.
const SCOPE_COLUMNS: [&str; 4] = ["provider", "service", "upload_id", "resource"];

impl Declared {
    /// Of declarations in the order they were made.
    pub fn of(declarations: Vec<Declaration>) -> Self {
        Self { declarations: declarations.into_iter().rev().collect() }
    }

    /// The table with its gaps filled; itself where nothing is declared.
    pub fn complete(
        &self,
        session: &SessionContext,
        table: Table,
        provider: Arc<dyn TableProvider>,
    ) -> Result<Arc<dyn TableProvider>, QueryError> {
        if self.declarations.is_empty() || !Table::USAGE.contains(&table) {
            return Ok(provider);
        }
        let schema = table.schema();
        let columns = schema.fields().iter().map(|field| self.column(field.name()));
        Ok(session.read_table(provider)?.select(columns.collect::<Vec<_>>())?.into_view())
    }

    /// A column with what is declared of it.
    fn column(&self, name: &str) -> Expr {
        let own = ident(name);
        if self.values(name, true).is_empty() && self.values(name, false).is_empty() {
            return own;
        }
        // A declared name of the resource decides which other declarations are about the row.
        let scope = SCOPE_COLUMNS
            .map(|scope| if scope == "resource" && name != scope { self.column(scope) } else { ident(scope) });
        let mut choices = Vec::new();
        for overrides in [true, false] {
            if !overrides {
                choices.push(own.clone());
            }
            let values = self.values(name, overrides);
            if !values.is_empty() {
                choices.push(function(name, overrides, values).call(scope.to_vec()));
            }
        }
        coalesce(choices).alias(name)
    }

    /// What is declared of a column, the most specific first and of those the latest.
    fn values(&self, column: &str, overrides: bool) -> Vec<(DeclarationScope, Value)> {
        let mut values: Vec<_> = self
            .declarations
            .iter()
            .filter(|declaration| declaration.overrides == overrides)
            .filter_map(|declaration| {
                let text = || declaration.text(column).map(|text| Value::Text(text.to_owned()));
                let value = declaration.integer(column).map(Value::Integer).or_else(text)?;
                Some((declaration.scope.clone(), value))
            })
            .collect();
        values.sort_by_key(|(scope, _)| std::cmp::Reverse(specificity(scope)));
        values
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    Integer(i64),
}

/// Of two declarations about a row the one about fewer rows wins.
fn specificity(scope: &DeclarationScope) -> (bool, bool, bool, bool) {
    (scope.upload_id.is_some(), scope.resource.is_some(), scope.service.is_some(), scope.provider.is_some())
}

/// The function from a row's scope to what is declared of a column.
fn function(
    column: &str,
    overrides: bool,
    values: Vec<(DeclarationScope, Value)>,
) -> datafusion::logical_expr::ScalarUDF {
    let integer = INTEGER_COLUMNS.contains(&column);
    debug_assert!(integer || TEXT_COLUMNS.contains(&column));
    let kind = if integer { DataType::Int64 } else { DataType::Utf8 };
    let name = format!("declared_{}{column}", if overrides { "over_" } else { "" });
    let look_up = move |arguments: &[ColumnarValue]| {
        let rows = arguments.iter().find_map(|argument| match argument {
            ColumnarValue::Array(array) => Some(array.len()),
            ColumnarValue::Scalar(_) => None,
        });
        let count = rows.unwrap_or(1);
        let columns = arguments.iter().map(|argument| text_column(argument, count)).collect::<Result<Vec<_>, _>>()?;
        let mut known: HashMap<[Option<&str>; 4], Option<&Value>> = HashMap::new();
        let found: Vec<Option<&Value>> = (0..count)
            .map(|row| {
                let at = |place: usize| {
                    columns.get(place).filter(|column| column.is_valid(row)).map(|column| column.value(row))
                };
                let scope = [at(0), at(1), at(2), at(3)];
                *known
                    .entry(scope)
                    .or_insert_with(|| values.iter().find(|(about, _)| is_about(about, &scope)).map(|(_, value)| value))
            })
            .collect();
        let array: ArrayRef = if integer {
            Arc::new(
                found
                    .iter()
                    .map(|value| match value {
                        Some(Value::Integer(value)) => Some(*value),
                        _ => None,
                    })
                    .collect::<Int64Array>(),
            )
        } else {
            Arc::new(
                found
                    .iter()
                    .map(|value| match value {
                        Some(Value::Text(value)) => Some(value.as_str()),
                        _ => None,
                    })
                    .collect::<StringArray>(),
            )
        };
        Ok(match rows {
            Some(_) => ColumnarValue::Array(array),
            None => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
        })
    };
    create_udf(&name, vec![DataType::Utf8; SCOPE_COLUMNS.len()], kind, Volatility::Immutable, Arc::new(look_up))
}

fn is_about(about: &DeclarationScope, row: &[Option<&str>; 4]) -> bool {
    let wanted = [&about.provider, &about.service, &about.upload_id, &about.resource];
    wanted.iter().zip(row).all(|(wanted, found)| wanted.as_ref().is_none_or(|wanted| Some(wanted.as_str()) == *found))
}

fn text_column(argument: &ColumnarValue, count: usize) -> Result<StringArray, DataFusionError> {
    let array = argument.to_array(count)?;
    Ok(StringArray::from(cast(&array, &DataType::Utf8)?.to_data()))
}
