//! The expression language of filters and per-record quantities: parsed, type-checked, evaluated, printed as SQL
//!
//! ```text
//! or    := and {"or" and}          and := not {"and" not}        not := ["not"] cmp
//! cmp   := sum [("=" | "!=" | "<" | "<=" | ">" | ">=") sum | "is" ["not"] "null" | "in" "(" atom {"," atom} ")"]
//! sum   := prod {("+" | "-") prod}                               prod := atom {"*" atom}
//! atom  := INTEGER [UNIT] | 'text' | "null" | column | function "(" or {"," or} ")" | "(" or ")" | "-" atom
//! ```
//! Functions: `ceil_to(x, step)`, `ceil_div(x, step)`, `floor_to(x, step)`, `greatest(…)`, `least(…)`, `coalesce(…)`,
//! `if(condition, value, …, else)`. No division, no text function. Nulls as in SQL: three-valued logic; arithmetic
//! and comparison with null give null; `greatest` and `least` ignore nulls.
use std::{collections::BTreeSet, fmt};

use thiserror::Error;

use crate::{
    exact::Exact,
    table::{ColumnKind, Table},
    unit::Unit,
};

mod bounds;
mod evaluate;
mod parse;
mod proportional;
mod split;
mod sql;
mod step;
#[cfg(test)]
mod tests;
mod typing;
mod unrounded;

pub use split::{Part, Term};
pub(crate) use typing::Type;
pub use unrounded::Unrounded;

/// Longest text of an expression, bytes.
pub const TEXT_BYTES_MAX: usize = 4_000;
/// Deepest nesting of an expression.
pub const DEPTH_MAX: usize = 40;

/// A value of a column or of an expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// No value.
    Null,
    /// A condition.
    Bool(bool),
    /// A number, in the unit of its column.
    Number(Exact),
    /// Text.
    Text(String),
}

/// A compiled expression over one usage table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    text: String,
    node: Node,
    value_type: Type,
}

/// Why a text is not an expression over its table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExpressionError {
    /// The text is longer than [`TEXT_BYTES_MAX`] or nested deeper than [`DEPTH_MAX`].
    #[error("the expression is too long or nested too deeply")]
    TooLarge,
    /// The text does not follow the grammar.
    #[error("{message} in `{text}`")]
    Syntax {
        /// What is wrong.
        message: String,
        /// The expression.
        text: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The text follows the grammar but has no meaning over the table.
    #[error("{message}")]
    Meaning {
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
}

impl ExpressionError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            ExpressionError::TooLarge => Some(format!("at most {TEXT_BYTES_MAX} bytes and {DEPTH_MAX} levels")),
            ExpressionError::Syntax { hint, .. } | ExpressionError::Meaning { hint, .. } => hint.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binary {
    Add,
    Subtract,
    Multiply,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    CeilTo,
    CeilDiv,
    FloorTo,
    Greatest,
    Least,
    Coalesce,
    If,
}

impl Function {
    const ALL: [Function; 7] = [
        Function::CeilTo,
        Function::CeilDiv,
        Function::FloorTo,
        Function::Greatest,
        Function::Least,
        Function::Coalesce,
        Function::If,
    ];

    /// The name in expressions.
    fn name(self) -> &'static str {
        match self {
            Function::CeilTo => "ceil_to",
            Function::CeilDiv => "ceil_div",
            Function::FloorTo => "floor_to",
            Function::Greatest => "greatest",
            Function::Least => "least",
            Function::Coalesce => "coalesce",
            Function::If => "if",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    /// A number; after type checking in the unit it meets.
    Literal {
        value: Exact,
        unit: Option<Unit>,
        value_type: Option<Type>,
    },
    Text(String),
    Null,
    Column(String),
    Negate(Box<Node>),
    Not(Box<Node>),
    IsNull {
        node: Box<Node>,
        negated: bool,
    },
    In {
        node: Box<Node>,
        items: Vec<Node>,
    },
    Binary {
        operator: Binary,
        left: Box<Node>,
        right: Box<Node>,
    },
    Call {
        function: Function,
        arguments: Vec<Node>,
    },
}

impl Expression {
    /// Compiles an expression over a table without a `quantity` unit of its own.
    ///
    /// # Errors
    /// When the text is not an expression, names an unknown column, function or unit, mixes units, or can leave the
    /// engine's integers.
    pub fn parse(text: &str, table: Table) -> Result<Self, ExpressionError> {
        Self::parse_with_quantity(text, table, None)
    }

    /// Compiles an expression over a table whose column `quantity` is in the unit given.
    ///
    /// # Errors
    /// As [`Expression::parse`].
    pub fn parse_with_quantity(text: &str, table: Table, quantity: Option<&Unit>) -> Result<Self, ExpressionError> {
        let mut node = parse::parse(text)?;
        let value_type = typing::Checker { table, quantity }.check(&mut node)?;
        bounds::check(&node, table)?;
        Ok(Self { text: text.to_owned(), node, value_type })
    }

    /// What the expression yields.
    pub(crate) fn value_type(&self) -> &Type {
        &self.value_type
    }

    /// The value over one row; `row` gives the value of a column.
    pub fn evaluate(&self, row: &dyn Fn(&str) -> Value) -> Value {
        evaluate::evaluate(&self.node, row)
    }

    /// Whether a filter lets the row pass: null is no.
    pub fn passes(&self, row: &dyn Fn(&str) -> Value) -> bool {
        self.evaluate(row) == Value::Bool(true)
    }

    /// The expression in SQL, over integer columns. Products are `DECIMAL(38,0)` from the first factor on, rounding to
    /// steps is integer arithmetic. `billed_us` reads the lake's `billed_ms`.
    pub fn to_sql(&self) -> String {
        sql::print(&self.node)
    }

    /// The columns whose absence makes the value null.
    pub fn missing(&self, table: Table, row: &dyn Fn(&str) -> Value) -> Vec<&str> {
        let any = |column: &str| match table.column(column).map(|column| column.kind) {
            Some(ColumnKind::Text) => Value::Text(String::new()),
            _ => Value::Number(Exact::one()),
        };
        let without = |missing: &str| {
            self.evaluate(&|column| match row(column) {
                Value::Null if column != missing => any(column),
                value => value,
            })
        };
        let mut columns: Vec<&str> = self.columns().into_iter().collect();
        columns.retain(|column| row(column) == Value::Null && without(column) == Value::Null);
        columns
    }

    /// The steps to which a column is rounded in a row's value that is otherwise so many times the column: cutting the
    /// row along it at multiples of them does not change the sum. Nothing when the value depends on it in another way.
    pub fn proportional_steps(&self, column: &str, row: &dyn Fn(&str) -> Value) -> Option<Vec<i64>> {
        proportional::steps(&self.node, column, row)
    }

    /// To what a column can be rounded up without a change of the value, for records that have the other columns as
    /// `row` gives them: 0 where the value does not depend on it, nothing where every value of it may matter.
    pub fn step_of(&self, column: &str, row: &dyn Fn(&str) -> Value) -> Option<i64> {
        match step::step(&self.node, column, row) {
            step::Step::Free => Some(0),
            step::Step::Of(step) => Some(step),
            step::Step::Exact => None,
        }
    }

    /// The texts that a column is compared with.
    pub fn words_of(&self, column: &str) -> BTreeSet<&str> {
        let is_column = |node: &Node| {
            let mut found = false;
            node.visit(&mut |node| found |= matches!(node, Node::Column(name) if name == column));
            found
        };
        let mut words = BTreeSet::new();
        self.node.visit(&mut |node| match node {
            Node::Binary { operator: Binary::Equal | Binary::NotEqual, left, right } => match (&**left, &**right) {
                (one, Node::Text(text)) | (Node::Text(text), one) if is_column(one) => {
                    words.insert(text.as_str());
                }
                _ => {}
            },
            Node::In { node, items } if is_column(node) => {
                words.extend(items.iter().filter_map(|item| match item {
                    Node::Text(text) => Some(text.as_str()),
                    _ => None,
                }));
            }
            _ => {}
        });
        words
    }

    /// Whether the absence of a column stands for something: it is replaced or asked for.
    pub fn stands_without(&self, column: &str) -> bool {
        let is_column = |node: &Node| matches!(node, Node::Column(name) if name == column);
        let mut found = false;
        self.node.visit(&mut |node| {
            found |= match node {
                Node::IsNull { node, .. } => is_column(node),
                Node::Call { function: Function::Coalesce, arguments } => arguments.first().is_some_and(is_column),
                _ => false,
            }
        });
        found
    }

    /// The expression with a text in place of a column.
    #[must_use]
    pub fn given(&self, column: &str, text: &str) -> Self {
        let mut given = self.clone();
        given.node.replace(column, text);
        given
    }

    /// The columns the expression reads.
    pub fn columns(&self) -> BTreeSet<&str> {
        let mut columns = BTreeSet::new();
        self.node.visit(&mut |node| {
            if let Node::Column(name) = node {
                columns.insert(name.as_str());
            }
        });
        columns
    }
}

impl Node {
    /// Puts a text in place of a column.
    fn replace(&mut self, column: &str, text: &str) {
        match self {
            Node::Column(name) if name == column => *self = Node::Text(text.to_owned()),
            Node::Literal { .. } | Node::Text(_) | Node::Null | Node::Column(_) => {}
            Node::Negate(node) | Node::Not(node) | Node::IsNull { node, .. } => node.replace(column, text),
            Node::In { node, items } => {
                node.replace(column, text);
                items.iter_mut().for_each(|item| item.replace(column, text));
            }
            Node::Binary { left, right, .. } => {
                left.replace(column, text);
                right.replace(column, text);
            }
            Node::Call { arguments, .. } => arguments.iter_mut().for_each(|argument| argument.replace(column, text)),
        }
    }

    /// Calls `see` on the node and everything below it.
    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Node)) {
        see(self);
        match self {
            Node::Literal { .. } | Node::Text(_) | Node::Null | Node::Column(_) => {}
            Node::Negate(node) | Node::Not(node) | Node::IsNull { node, .. } => node.visit(see),
            Node::In { node, items } => {
                node.visit(see);
                items.iter().for_each(|item| item.visit(see));
            }
            Node::Binary { left, right, .. } => {
                left.visit(see);
                right.visit(see);
            }
            Node::Call { arguments, .. } => arguments.iter().for_each(|argument| argument.visit(see)),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
