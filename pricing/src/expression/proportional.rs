//! Whether a value is so many times one column: then a row held for a time can be cut without changing the sum
use super::{Binary, Function, Node, Value, evaluate::evaluate};

/// The steps to which the column is rounded in the value of a row that is otherwise so many times the column; nothing
/// when the value depends on it in another way.
pub(super) fn steps(node: &Node, column: &str, row: &dyn Fn(&str) -> Value) -> Option<Vec<i64>> {
    let free = |node: &Node| !mentions(node, column);
    match node {
        Node::Column(name) => (name == column).then(Vec::new),
        Node::Negate(node) => steps(node, column, row),
        Node::Binary { operator: Binary::Multiply, left, right } if free(right) => steps(left, column, row),
        Node::Binary { operator: Binary::Multiply, left, right } if free(left) => steps(right, column, row),
        Node::Binary { operator: Binary::Add | Binary::Subtract, left, right } => {
            Some([steps(left, column, row)?, steps(right, column, row)?].concat())
        }
        Node::Call { function, arguments } => call(*function, arguments, column, row),
        _ => None,
    }
}

fn call(function: Function, arguments: &[Node], column: &str, row: &dyn Fn(&str) -> Value) -> Option<Vec<i64>> {
    match (function, arguments) {
        (Function::CeilTo | Function::FloorTo, [Node::Column(name), Node::Literal { value, .. }]) if name == column => {
            let step = value.to_i128().and_then(|step| i64::try_from(step).ok());
            step.filter(|step| *step > 0).map(|step| vec![step])
        }
        (Function::Coalesce, arguments) => {
            let chosen = arguments.iter().find(|node| evaluate(node, row) != Value::Null)?;
            steps(chosen, column, row)
        }
        (Function::If, [condition, value, rest @ ..]) => {
            if mentions(condition, column) {
                return None;
            }
            match (evaluate(condition, row), rest) {
                (Value::Bool(true), _) => steps(value, column, row),
                (_, [last]) => steps(last, column, row),
                (_, rest) => call(Function::If, rest, column, row),
            }
        }
        // A minimum of nothing is none.
        (Function::Greatest, arguments) => {
            let none = |node: &&Node| match evaluate(node, row) {
                Value::Null => true,
                Value::Number(number) => number.is_zero(),
                _ => false,
            };
            let mut bounds = arguments.iter().filter(|node| mentions(node, column) || !none(node));
            let only = bounds.next().filter(|_| bounds.next().is_none())?;
            steps(only, column, row)
        }
        _ => None,
    }
}

fn mentions(node: &Node, column: &str) -> bool {
    let mut found = false;
    node.visit(&mut |node| found |= matches!(node, Node::Column(name) if name == column));
    found
}

#[cfg(test)]
mod tests {
    use crate::{
        exact::Exact,
        expression::{Expression, Value},
        table::Table,
        unit::Unit,
    };

    #[test]
    fn what_is_bounded_in_time_is_not_proportional_to_it() {
        let instance = Unit::parse("instance").unwrap();
        let row = |name: &str| match name {
            "variant" => Value::Text("a".to_owned()),
            "meter" => Value::Null,
            _ => Value::Number(Exact::from(7)),
        };
        for (text, expected) in [
            ("quantity * held_us", Some(vec![])),
            ("held_us * (quantity + 3)", Some(vec![])),
            ("quantity * memory_mb * held_us", Some(vec![])),
            ("if(variant = 'b', ceil_to(3 * held_us, 1h), variant = 'a', 2 * held_us, 0us)", Some(vec![])),
            ("if(variant = 'b', held_us, 0us)", None),
            ("quantity * held_us + held_us", Some(vec![])),
            ("quantity * ceil_to(held_us, 1s)", Some(vec![1_000_000])),
            ("coalesce(ceil_to(held_us, 1s), held_us)", Some(vec![1_000_000])),
            ("quantity * greatest(ceil_to(held_us, 1s), 1min)", None),
            ("quantity * greatest(ceil_to(held_us, 1s), if(variant = 'b', 1min, 0us))", Some(vec![1_000_000])),
            ("ceil_to(2 * held_us, 1h)", None),
            ("held_us * held_us", None),
            ("held_us + 5min", None),
            ("if(held_us > 5min, held_us, 0us)", None),
            ("quantity", None),
        ] {
            let expression = Expression::parse_with_quantity(text, Table::Metered, Some(&instance)).unwrap();
            assert_eq!(expression.proportional_steps("held_us", &row), expected, "{text}");
        }
    }
}
