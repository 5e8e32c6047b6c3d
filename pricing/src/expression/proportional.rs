//! Whether a value is so many times one column: then a row held for a time can be cut without changing the sum
use super::{Binary, Function, Node};

/// Whether the node's value is the column times something that does not depend on it.
pub(super) fn is_proportional(node: &Node, column: &str) -> bool {
    let free = |node: &Node| !mentions(node, column);
    match node {
        Node::Column(name) => name == column,
        Node::Negate(node) => is_proportional(node, column),
        Node::Binary { operator: Binary::Multiply, left, right } => {
            (is_proportional(left, column) && free(right)) || (free(left) && is_proportional(right, column))
        }
        Node::Binary { operator: Binary::Add | Binary::Subtract, left, right } => {
            is_proportional(left, column) && is_proportional(right, column)
        }
        Node::Call { function: Function::Coalesce, arguments } => arguments.iter().all(|one| is_zero_or(one, column)),
        Node::Call { function: Function::If, arguments } => {
            let last = arguments.len().saturating_sub(1);
            let is_condition = |place: usize| place % 2 == 0 && place < last;
            arguments.iter().enumerate().all(|(place, one)| match is_condition(place) {
                true => free(one),
                false => is_zero_or(one, column),
            })
        }
        _ => false,
    }
}

fn is_zero_or(node: &Node, column: &str) -> bool {
    match node {
        Node::Literal { value, .. } => value.is_zero(),
        Node::Null => true,
        node => is_proportional(node, column),
    }
}

fn mentions(node: &Node, column: &str) -> bool {
    let mut found = false;
    node.visit(&mut |node| found |= matches!(node, Node::Column(name) if name == column));
    found
}

#[cfg(test)]
mod tests {
    use crate::{expression::Expression, table::Table, unit::Unit};

    #[test]
    fn what_is_rounded_or_bounded_in_time_is_not_proportional_to_it() {
        let instance = Unit::parse("instance").unwrap();
        for (text, expected) in [
            ("quantity * held_us", true),
            ("held_us * (quantity + 3)", true),
            ("quantity * memory_mb * held_us", true),
            ("if(variant = 'a', quantity * held_us, variant = 'b', 2 * held_us, 0)", true),
            ("quantity * held_us + held_us", true),
            ("quantity * greatest(ceil_to(held_us, 1s), 1min)", false),
            ("ceil_to(held_us, 1h)", false),
            ("held_us * held_us", false),
            ("held_us + 5min", false),
            ("if(held_us > 5min, held_us, 0us)", false),
            ("quantity", false),
        ] {
            let expression = Expression::parse_with_quantity(text, Table::Metered, Some(&instance)).unwrap();
            assert_eq!(expression.is_proportional_to("held_us"), expected, "{text}");
        }
    }
}
