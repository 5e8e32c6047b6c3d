//! Usage rows completed by what was declared of their resources after they were ingested.

use std::collections::{BTreeSet, HashMap};
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
use crate::rollup::class::{Class, PROVIDER, RESOURCE, SERVICE, UPLOAD, integer_columns, text_columns};

/// Everything declared, ready to be looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    /// The columns of which something is declared.
    pub fn columns(&self) -> BTreeSet<&'static str> {
        self.declarations.iter().flat_map(Declaration::stated).map(|(column, _)| column).collect()
    }

    /// The same for what the rows of rollups have in common.
    pub fn completer(&self) -> Completer {
        let values = |column: &&'static str| {
            let [over, under] = [true, false].map(|overrides| self.values(column, overrides));
            (!over.is_empty() || !under.is_empty()).then_some((*column, over, under))
        };
        // The name of the resource comes first: it decides which other declarations are about the row.
        let columns = TEXT_COLUMNS.iter().chain(&INTEGER_COLUMNS).filter(|column| **column != "resource");
        Completer { columns: std::iter::once(&"resource").chain(columns).filter_map(values).collect() }
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
    fn values(&self, column: &str, overrides: bool) -> Values {
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

/// Completes classes of rows by what is declared.
pub(crate) struct Completer {
    /// Columns with what is declared of them: over what rows say, and where they say nothing.
    columns: Vec<(&'static str, Values, Values)>,
}

/// What is declared of a column, in the order in which it counts.
type Values = Vec<(DeclarationScope, Value)>;

impl Completer {
    /// What the rows of a class have in common with everything declared. Of which upload they are matters no more.
    pub fn class(&self, table: Table, class: &Class) -> Class {
        let mut completed = class.clone();
        for (column, over, under) in &self.columns {
            let scope = [PROVIDER, SERVICE, UPLOAD, RESOURCE].map(|place| completed.texts[place].as_deref());
            let find = |values: &Values| {
                values.iter().find(|(about, _)| is_about(about, &scope)).map(|(_, value)| value.clone())
            };
            let (over, under) = (find(over), find(under));
            if let Some(place) = text_columns(table).iter().position(|known| known == column) {
                let text = |value| match value {
                    Some(Value::Text(text)) => Some(Arc::<str>::from(text)),
                    _ => None,
                };
                completed.texts[place] = text(over).or(completed.texts[place].take()).or(text(under));
            } else if let Some(place) = integer_columns(table).iter().position(|known| known == column) {
                let number = |value| match value {
                    Some(Value::Integer(number)) => Some(number),
                    _ => None,
                };
                completed.integers[place] = number(over).or(completed.integers[place]).or(number(under));
            }
        }
        completed.texts[UPLOAD] = None;
        completed
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
