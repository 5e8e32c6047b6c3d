//! Units of expressions: every column and literal has one, and mixing them is an error
use super::{Binary, ExpressionError, Function, Node};
use crate::{
    exact::Exact,
    nearest::did_you_mean_or,
    table::{ColumnKind, Table},
    unit::{Dimensions, Unit},
};

/// What an expression yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Only null.
    Null,
    /// A condition.
    Condition,
    /// Text.
    Text,
    /// A number counting units of `scale` base units × month^`months`.
    Number { scale: Exact, months: i32, dimensions: Dimensions },
}

impl Type {
    fn plain() -> Self {
        Type::Number { scale: Exact::one(), months: 0, dimensions: Dimensions::default() }
    }

    fn of(unit: &Unit) -> Self {
        let (scale, months, dimensions) = unit.parts();
        Type::Number { scale: scale.clone(), months, dimensions }
    }
}

/// Checks a tree and brings its literals to the unit of what they meet.
pub(super) struct Checker<'a> {
    pub table: Table,
    /// Unit of the column `quantity`.
    pub quantity: Option<&'a Unit>,
}

fn meaning(message: String) -> ExpressionError {
    ExpressionError::Meaning { message, hint: None }
}

impl Checker<'_> {
    /// The type of the tree.
    ///
    /// # Errors
    /// Unknown columns and functions, and anything that mixes units or kinds of value.
    pub fn check(&self, node: &mut Node) -> Result<Type, ExpressionError> {
        let value_type = self.type_of(node)?;
        let mut fractional = None;
        node.visit(&mut |node| {
            if let Node::Literal { value, .. } = node
                && !value.is_integer()
            {
                fractional = Some(value.clone());
            }
        });
        match fractional {
            None => Ok(value_type),
            Some(value) => Err(meaning(format!("a literal is {value} in the unit of what it meets: not an integer"))),
        }
    }

    fn type_of(&self, node: &mut Node) -> Result<Type, ExpressionError> {
        match node {
            Node::Literal { value, unit, value_type } => {
                if let Some(unit) = unit.take() {
                    let (scale, _, dimensions) = unit.parts();
                    *value = &*value * scale;
                    *value_type = Some(Type::Number { scale: Exact::one(), months: 0, dimensions });
                }
                Ok(value_type.clone().unwrap_or_else(Type::plain))
            }
            Node::Text(_) => Ok(Type::Text),
            Node::Null => Ok(Type::Null),
            Node::Column(name) => self.column(name),
            Node::Negate(node) => self.number(node),
            Node::Not(node) => self.condition(node),
            Node::IsNull { node, .. } => self.type_of(node).map(|_| Type::Condition),
            Node::In { node, items } => {
                for item in items {
                    self.same(node, item)?;
                }
                Ok(Type::Condition)
            }
            Node::Binary { operator, left, right } => match operator {
                Binary::And | Binary::Or => {
                    self.condition(left)?;
                    self.condition(right)
                }
                Binary::Add | Binary::Subtract => {
                    self.same(left, right)?;
                    self.number(left)?;
                    self.number(right)
                }
                Binary::Multiply => match (self.number(left)?, self.number(right)?) {
                    (
                        Type::Number { scale: s1, months: m1, dimensions: d1 },
                        Type::Number { scale: s2, months: m2, dimensions: d2 },
                    ) => Ok(Type::Number { scale: s1 * s2, months: m1 + m2, dimensions: d1.times(d2) }),
                    _ => Ok(Type::Null),
                },
                _ => self.same(left, right).map(|_| Type::Condition),
            },
            Node::Call { function, arguments } => self.call(*function, arguments),
        }
    }

    fn column(&self, name: &str) -> Result<Type, ExpressionError> {
        match self.table.column(name).map(|column| column.kind) {
            None => Err(ExpressionError::Meaning {
                message: format!("no column `{name}` in the table {}", self.table),
                hint: did_you_mean_or(name, self.table.columns().iter().map(|column| column.name)),
            }),
            Some(ColumnKind::Text) => Ok(Type::Text),
            Some(ColumnKind::Number("")) => Ok(Type::plain()),
            Some(ColumnKind::Number(unit)) => {
                Unit::parse(unit).map(|unit| Type::of(&unit)).map_err(|error| meaning(error.to_string()))
            }
            Some(ColumnKind::Quantity) => Ok(self.quantity.map_or_else(Type::plain, Type::of)),
        }
    }

    fn number(&self, node: &mut Node) -> Result<Type, ExpressionError> {
        match self.type_of(node)? {
            Type::Text | Type::Condition => Err(meaning(format!("{} is not a number", shown(node)))),
            number => Ok(number),
        }
    }

    fn condition(&self, node: &mut Node) -> Result<Type, ExpressionError> {
        match self.type_of(node)? {
            Type::Condition | Type::Null => Ok(Type::Condition),
            _ => Err(meaning(format!("{} is not a condition", shown(node)))),
        }
    }

    /// The common type of two nodes; a literal is brought to the unit of the other side.
    fn same(&self, left: &mut Node, right: &mut Node) -> Result<Type, ExpressionError> {
        let (left_type, right_type) = (self.type_of(left)?, self.type_of(right)?);
        let left_type = adapt(left, left_type, &right_type);
        let right_type = adapt(right, right_type, &left_type);
        match (left_type, right_type) {
            (Type::Null, other) | (other, Type::Null) => Ok(other),
            (left_type, right_type) if left_type == right_type => Ok(left_type),
            _ => Err(meaning(format!("units differ: {} against {}", shown(left), shown(right)))),
        }
    }

    fn call(&self, function: Function, arguments: &mut [Node]) -> Result<Type, ExpressionError> {
        match (function, arguments) {
            (Function::CeilTo | Function::FloorTo | Function::CeilDiv, [value, step]) => {
                self.number(value)?;
                self.number(step)?;
                let common = self.same(value, step)?;
                if !matches!(step, Node::Literal { value, .. } if value.is_positive()) {
                    return Err(meaning(format!("the step {} is not a literal above 0", shown(step))));
                }
                Ok(if function == Function::CeilDiv { Type::plain() } else { common })
            }
            (Function::If, arguments) => {
                let count = arguments.len();
                let is_condition = |index: usize| index.is_multiple_of(2) && index + 1 < count;
                let (mut conditions, mut values) = (Vec::new(), Vec::new());
                for (index, argument) in arguments.iter_mut().enumerate() {
                    if is_condition(index) { conditions.push(argument) } else { values.push(argument) }
                }
                for condition in conditions {
                    self.condition(condition)?;
                }
                self.all_same(&mut values)
            }
            (_, arguments) => self.all_same(&mut arguments.iter_mut().collect::<Vec<_>>()),
        }
    }

    /// The common type of several nodes: literals take the unit of the first node that is none.
    fn all_same(&self, nodes: &mut [&mut Node]) -> Result<Type, ExpressionError> {
        let anchor = nodes.iter().position(|node| !matches!(node, Node::Literal { .. } | Node::Null)).unwrap_or(0);
        if let Some(first) = nodes.get_mut(..=anchor) {
            first.swap(0, anchor);
        }
        let Some((first, others)) = nodes.split_first_mut() else { return Ok(Type::Null) };
        let mut common = self.type_of(first)?;
        for other in others {
            common = self.same(first, other)?;
        }
        Ok(common)
    }
}

/// Brings a literal to the unit of what it meets, when the dimensions agree (0 fits every unit); gives its type.
fn adapt(node: &mut Node, own: Type, met: &Type) -> Type {
    let Node::Literal { value, value_type, .. } = node else { return own };
    let (
        Type::Number { scale, months, dimensions },
        Type::Number { scale: met_scale, months: met_months, dimensions: met_dimensions },
    ) = (&own, met)
    else {
        return own;
    };
    if value.is_zero() || (dimensions == met_dimensions && months == met_months) {
        if let Some(factor) = scale.checked_div(met_scale) {
            *value = &*value * factor;
        }
        *value_type = Some(met.clone());
        return met.clone();
    }
    own
}

fn shown(node: &Node) -> String {
    match node {
        Node::Column(name) => format!("`{name}`"),
        Node::Literal { value, .. } => format!("`{value}`"),
        Node::Text(text) => format!("'{text}'"),
        Node::Null => "null".to_owned(),
        Node::Call { function, .. } => format!("`{}(…)`", function.name()),
        Node::Binary { operator, .. } => format!("`… {} …`", super::sql::symbol(*operator)),
        Node::Negate(node) => format!("minus {}", shown(node)),
        Node::Not(_) | Node::IsNull { .. } | Node::In { .. } => "a condition".to_owned(),
    }
}
