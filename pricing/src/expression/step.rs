//! Which values of a column an expression cannot tell apart: then many records are metered as one
use super::{Binary, Function, Node, Value, evaluate::evaluate};

/// What the value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Not on the column.
    Free,
    /// On the column rounded up to so much.
    Of(i64),
    /// On the column itself, and at least on its sum with others.
    Exact,
}

/// What the value of a row depends on, of a column: `row` gives the other columns, which are the same for all records.
pub(super) fn step(node: &Node, column: &str, row: &dyn Fn(&str) -> Value) -> Step {
    match node {
        Node::Column(name) if name == column => Step::Exact,
        Node::Column(_) | Node::Literal { .. } | Node::Text(_) | Node::Null => Step::Free,
        Node::Negate(node) | Node::Not(node) | Node::IsNull { node, .. } => step(node, column, row),
        Node::In { node, items } => {
            items.iter().chain([&**node]).map(|node| step(node, column, row)).fold(Step::Free, both)
        }
        Node::Binary { left, right, .. } => both(step(left, column, row), step(right, column, row)),
        Node::Call { function: Function::CeilTo, arguments } => match arguments.as_slice() {
            [value, Node::Literal { value: to, .. }] => match (step(value, column, row), to.to_i128()) {
                (Step::Exact, Some(to)) => {
                    i64::try_from(to).ok().map_or(Step::Exact, |to| of_sum(value, column, to, row))
                }
                (other, _) => other,
            },
            arguments => arguments.iter().map(|node| step(node, column, row)).fold(Step::Free, both),
        },
        // What is taken first decides, where it has a value.
        Node::Call { function: Function::Coalesce, arguments } => {
            let absent = |node: &&Node| step(node, column, row) == Step::Free && evaluate(node, row) == Value::Null;
            let rest = arguments.iter().skip_while(absent);
            let mut seen = Step::Free;
            for node in rest {
                seen = both(seen, step(node, column, row));
                if seen == Step::Free && evaluate(node, row) != Value::Null {
                    break;
                }
            }
            seen
        }
        Node::Call { arguments, .. } => arguments.iter().map(|node| step(node, column, row)).fold(Step::Free, both),
    }
}

/// The step of a sum of the column and what is the same for all records, rounded up to `to`.
fn of_sum(node: &Node, column: &str, to: i64, row: &dyn Fn(&str) -> Value) -> Step {
    match node {
        Node::Column(name) if name == column => Step::Of(to),
        Node::Binary { operator: Binary::Add, left, right } => {
            let (inner, free) = match (step(left, column, row), step(right, column, row)) {
                (Step::Exact, Step::Free) => (left, right),
                (Step::Free, Step::Exact) => (right, left),
                _ => return Step::Exact,
            };
            let Value::Number(added) = evaluate(free, row) else { return Step::Exact };
            let Some(added) = added.to_i128().and_then(|added| i64::try_from(added).ok()) else { return Step::Exact };
            of_sum(inner, column, common(to, added), row)
        }
        _ => Step::Exact,
    }
}

fn both(one: Step, other: Step) -> Step {
    match (one, other) {
        (Step::Exact, _) | (_, Step::Exact) => Step::Exact,
        (Step::Free, step) | (step, Step::Free) => step,
        (Step::Of(one), Step::Of(other)) => Step::Of(common(one, other)),
    }
}

/// The greatest common divisor.
fn common(one: i64, other: i64) -> i64 {
    let (mut one, mut other) = (one.abs(), other.abs());
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one.max(1)
}

#[cfg(test)]
mod tests {
    use crate::{
        exact::Exact,
        expression::{Expression, Value},
        table::Table,
    };

    #[test]
    fn records_that_a_rule_cannot_tell_apart_have_one_value() {
        let row = |name: &str| match name {
            "memory_mb" => Value::Number(Exact::from(512 * 1_048_576)),
            "init_us" => Value::Number(Exact::from(250_000)),
            _ => Value::Null,
        };
        for (text, expected) in [
            ("memory_mb * ceil_to(duration_us, 100ms)", Some(100_000)),
            ("greatest(ceil_to(duration_us, 1ms), 100ms) * memory_mb", Some(1_000)),
            ("ceil_to(duration_us + coalesce(init_us, 0), 100ms) * memory_mb", Some(50_000)),
            ("coalesce(billed_us, ceil_to(duration_us, 1ms)) * memory_mb", Some(1_000)),
            ("memory_mb * duration_us", None),
            ("ceil_to(duration_us, 100ms) + ceil_to(duration_us, 30ms)", Some(10_000)),
            ("if(duration_us > 5min, memory_mb * 1h, memory_mb * ceil_to(duration_us, 1s))", None),
            ("if(memory_mb is null, memory_mb * 1h, memory_mb * ceil_to(duration_us, 1s))", Some(1_000_000)),
            ("floor_to(duration_us, 1s) * memory_mb", None),
            ("ceil_to(duration_us + duration_us, 1s) * memory_mb", None),
        ] {
            let expression = Expression::parse(text, Table::Invocations).unwrap();
            assert_eq!(expression.step_of("duration_us", &row), expected, "{text}");
            let step = expected.unwrap_or(1);
            for duration_us in [1, 999, 1_000, 99_999, 100_000, 100_001, 1_234_567, 300_000_001] {
                let value = |duration_us: i64| {
                    expression.evaluate(&|name| match name {
                        "duration_us" => Value::Number(Exact::from(duration_us)),
                        name => row(name),
                    })
                };
                assert_eq!(
                    value(duration_us),
                    value((duration_us + step - 1) / step * step),
                    "{text} at {duration_us}"
                );
            }
        }
        let free = Expression::parse("memory_mb * 1h", Table::Invocations).unwrap();
        assert_eq!(free.step_of("duration_us", &row), Some(0));
    }
}
