//! Expressions as DataFusion SQL over integer columns
use super::{Binary, Function, Node};

/// The SQL of a tree, in parentheses where an operator could bind otherwise.
pub(super) fn print(node: &Node) -> String {
    match node {
        Node::Literal { value, .. } if value.is_negative() => format!("({value})"),
        Node::Literal { value, .. } => value.to_string(),
        Node::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Node::Null => "NULL".to_owned(),
        Node::Column(name) if name == "billed_us" => "(\"billed_ms\" * 1000)".to_owned(),
        Node::Column(name) => format!("\"{}\"", name.replace('"', "\"\"")),
        Node::Negate(node) => format!("(-{})", print(node)),
        Node::Not(node) => format!("(NOT {})", print(node)),
        Node::IsNull { node, negated: false } => format!("({} IS NULL)", print(node)),
        Node::IsNull { node, negated: true } => format!("({} IS NOT NULL)", print(node)),
        Node::In { node, items } => format!("({} IN ({}))", print(node), list(items)),
        Node::Binary { operator: Binary::Multiply, left, right } => {
            format!("({} * {})", widened(left), print(right))
        }
        Node::Binary { operator, left, right } => {
            format!("({} {} {})", print(left), symbol(*operator), print(right))
        }
        Node::Call { function, arguments } => call(*function, arguments),
    }
}

fn list(nodes: &[Node]) -> String {
    nodes.iter().map(print).collect::<Vec<_>>().join(", ")
}

/// The operator in SQL.
pub(super) fn symbol(operator: Binary) -> &'static str {
    match operator {
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::Multiply => "*",
        Binary::Equal => "=",
        Binary::NotEqual => "<>",
        Binary::Less => "<",
        Binary::LessOrEqual => "<=",
        Binary::Greater => ">",
        Binary::GreaterOrEqual => ">=",
        Binary::And => "AND",
        Binary::Or => "OR",
    }
}

/// Whether the value is a decimal and not a 64-bit integer: a product, or made of the decimal column `quantity`.
fn is_decimal(node: &Node) -> bool {
    let mut decimal = false;
    node.visit(&mut |node| match node {
        Node::Binary { operator: Binary::Multiply, .. } => decimal = true,
        Node::Column(name) if name == "quantity" => decimal = true,
        _ => {}
    });
    decimal
}

/// The first factor of a product, wide enough for what follows.
fn widened(node: &Node) -> String {
    match is_decimal(node) {
        true => print(node),
        false => format!("CAST({} AS DECIMAL(38,0))", print(node)),
    }
}

fn call(function: Function, arguments: &[Node]) -> String {
    match (function, arguments) {
        (Function::If, arguments) => {
            let (branches, otherwise) = arguments.split_at(arguments.len().saturating_sub(1));
            let when: String = branches
                .chunks(2)
                .filter_map(|branch| Some(format!(" WHEN {} THEN {}", print(branch.first()?), print(branch.get(1)?))))
                .collect();
            format!("(CASE{when} ELSE {} END)", list(otherwise))
        }
        (Function::CeilTo | Function::CeilDiv | Function::FloorTo, [value, step]) => stepped(function, value, step),
        (function, arguments) => format!("{}({})", function.name(), list(arguments)),
    }
}

/// Rounding to steps: integer division where the value is an integer, remainders (exact) where it is a decimal.
fn stepped(function: Function, value: &Node, step: &Node) -> String {
    let decimal = is_decimal(value) || is_decimal(step);
    let (value, step) = (print(value), print(step));
    match (function, decimal) {
        (Function::CeilDiv, false) => format!("((CAST({value} AS BIGINT) + {step} - 1) / {step})"),
        (Function::FloorTo, false) => format!("(CAST({value} AS BIGINT) / {step} * {step})"),
        (_, false) => format!("((CAST({value} AS BIGINT) + {step} - 1) / {step} * {step})"),
        (Function::CeilDiv, true) => {
            format!("CAST(({value} + ({step} - {value} % {step}) % {step}) / {step} AS DECIMAL(38,0))")
        }
        (Function::FloorTo, true) => format!("({value} - {value} % {step})"),
        (_, true) => format!("({value} + ({step} - {value} % {step}) % {step})"),
    }
}
