//! The value of an expression over one row, exact
use super::{Binary, Function, Node, Value};
use crate::exact::Exact;

/// The value of a tree; a kind of value that type checking would have refused gives null.
pub(super) fn evaluate(node: &Node, row: &dyn Fn(&str) -> Value) -> Value {
    match node {
        Node::Literal { value, .. } => Value::Number(value.clone()),
        Node::Text(text) => Value::Text(text.clone()),
        Node::Null => Value::Null,
        Node::Column(name) => row(name),
        Node::Negate(node) => match evaluate(node, row) {
            Value::Number(number) => Value::Number(-number),
            _ => Value::Null,
        },
        Node::Not(node) => match evaluate(node, row) {
            Value::Bool(value) => Value::Bool(!value),
            _ => Value::Null,
        },
        Node::IsNull { node, negated } => Value::Bool((evaluate(node, row) == Value::Null) != *negated),
        Node::In { node, items } => match evaluate(node, row) {
            Value::Null => Value::Null,
            value => Value::Bool(items.iter().any(|item| evaluate(item, row) == value)),
        },
        Node::Binary { operator: operator @ (Binary::And | Binary::Or), left, right } => {
            logic(*operator == Binary::Or, evaluate(left, row), || evaluate(right, row))
        }
        Node::Binary { operator, left, right } => binary(*operator, evaluate(left, row), evaluate(right, row)),
        Node::Call { function, arguments } => call(*function, arguments, row),
    }
}

/// Three-valued `or` (`decides` = true) and `and` (`decides` = false).
fn logic(decides: bool, left: Value, right: impl FnOnce() -> Value) -> Value {
    if left == Value::Bool(decides) {
        return left;
    }
    let right = right();
    match (left, right) {
        (_, right) if right == Value::Bool(decides) => right,
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        _ => Value::Bool(!decides),
    }
}

fn binary(operator: Binary, left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match operator {
            Binary::Add => Value::Number(left + right),
            Binary::Subtract => Value::Number(left - right),
            Binary::Multiply => Value::Number(left * right),
            _ => compare(operator, &left, &right),
        },
        (Value::Text(left), Value::Text(right)) => compare(operator, &left, &right),
        (Value::Bool(left), Value::Bool(right)) => compare(operator, &left, &right),
        _ => Value::Null,
    }
}

fn compare<T: Ord>(operator: Binary, left: &T, right: &T) -> Value {
    match operator {
        Binary::Equal => Value::Bool(left == right),
        Binary::NotEqual => Value::Bool(left != right),
        Binary::Less => Value::Bool(left < right),
        Binary::LessOrEqual => Value::Bool(left <= right),
        Binary::Greater => Value::Bool(left > right),
        Binary::GreaterOrEqual => Value::Bool(left >= right),
        _ => Value::Null,
    }
}

fn call(function: Function, arguments: &[Node], row: &dyn Fn(&str) -> Value) -> Value {
    match function {
        Function::If => {
            let (branches, otherwise) = arguments.split_at(arguments.len().saturating_sub(1));
            let taken = branches.chunks(2).find(|branch| evaluate(&branch[0], row) == Value::Bool(true));
            let node = taken.and_then(|branch| branch.get(1)).or(otherwise.first());
            node.map_or(Value::Null, |node| evaluate(node, row))
        }
        Function::Coalesce => {
            arguments.iter().map(|node| evaluate(node, row)).find(|value| *value != Value::Null).unwrap_or(Value::Null)
        }
        Function::Greatest => extreme(arguments, row, |candidate, best| candidate > best),
        Function::Least => extreme(arguments, row, |candidate, best| candidate < best),
        Function::CeilTo => stepped(arguments, row, |steps, step| steps.ceil_to_integer() * step),
        Function::FloorTo => stepped(arguments, row, |steps, step| steps.floor_to_integer() * step),
        Function::CeilDiv => stepped(arguments, row, |steps, _| steps.ceil_to_integer()),
    }
}

/// The first number no other beats; nulls are ignored.
fn extreme(arguments: &[Node], row: &dyn Fn(&str) -> Value, beats: fn(&Exact, &Exact) -> bool) -> Value {
    let mut best: Option<Exact> = None;
    for node in arguments {
        if let Value::Number(candidate) = evaluate(node, row)
            && best.as_ref().is_none_or(|best| beats(&candidate, best))
        {
            best = Some(candidate);
        }
    }
    best.map_or(Value::Null, Value::Number)
}

/// `rounded(x / step, step)`; null when x or the step is null or the step 0.
fn stepped(arguments: &[Node], row: &dyn Fn(&str) -> Value, rounded: fn(Exact, &Exact) -> Exact) -> Value {
    let [value, step] = arguments else { return Value::Null };
    let (Value::Number(value), Value::Number(step)) = (evaluate(value, row), evaluate(step, row)) else {
        return Value::Null;
    };
    value.checked_div(&step).map_or(Value::Null, |steps| Value::Number(rounded(steps, &step)))
}
