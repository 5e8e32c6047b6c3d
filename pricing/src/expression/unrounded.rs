//! A meter without its roundings and minimums: what a quantity was before the provider's rule rounded it
use super::{Binary, Expression, Function, Node, Value, evaluate, sql};
use crate::exact::Exact;

/// The column that holds what the provider reported as billed; where it is known no rule is applied.
const REPORTED: &str = "billed_us";

/// A per-record rule without what rounds it: its value over a row is that of a numerator ÷ `divisor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrounded {
    numerator: Node,
    divisor: Exact,
    prefers_reported: bool,
}

impl Unrounded {
    /// What divides the numerator: how many units of the record make one of the rule, where it counts started steps.
    pub fn divisor(&self) -> &Exact {
        &self.divisor
    }

    /// Whether the rule takes a billed duration that the provider reported instead of rounding the measured one.
    pub fn prefers_reported(&self) -> bool {
        self.prefers_reported
    }

    /// The value over one row, in the unit of the rule; null where the rule has none.
    pub fn evaluate(&self, row: &dyn Fn(&str) -> Value) -> Value {
        match evaluate::evaluate(&self.numerator, row) {
            Value::Number(number) => number.checked_div(&self.divisor).map_or(Value::Null, Value::Number),
            _ => Value::Null,
        }
    }

    /// The numerator in SQL, as [`Expression::to_sql`].
    pub fn numerator_sql(&self) -> String {
        sql::print(&self.numerator)
    }
}

impl Expression {
    /// The rule without roundings to steps, minimums and reported durations; nothing when it has none of them.
    ///
    /// `ceil_to(x, s)`, `floor_to(x, s)` and `greatest(x, constant)` become x, `ceil_div(x, s)` becomes x ÷ s. A
    /// `greatest(x, 0)` keeps a difference from falling below nothing, and `least` takes a band out of a level: both
    /// are what is counted, not how it is rounded, and stay.
    pub fn unrounded(&self) -> Option<Unrounded> {
        let mut found = Found::default();
        let (numerator, divisor) = found.strip(&self.node);
        found.rounds.then_some(Unrounded { numerator, divisor, prefers_reported: found.reported })
    }
}

/// What a walk over a rule has met.
#[derive(Default)]
struct Found {
    rounds: bool,
    reported: bool,
}

impl Found {
    /// A node without its roundings, and what divides it.
    fn strip(&mut self, node: &Node) -> (Node, Exact) {
        match node {
            Node::Negate(inner) => {
                let (inner, divisor) = self.strip(inner);
                (Node::Negate(inner.into()), divisor)
            }
            Node::Binary { operator: Binary::Multiply, left, right } => {
                let ((left, by_left), (right, by_right)) = (self.strip(left), self.strip(right));
                (product(left, right), by_left * by_right)
            }
            Node::Binary { operator: operator @ (Binary::Add | Binary::Subtract), left, right } => {
                let (mut sides, divisor) = self.common(&[left, right]);
                match (sides.pop(), sides.pop()) {
                    (Some(right), Some(left)) => {
                        (Node::Binary { operator: *operator, left: left.into(), right: right.into() }, divisor)
                    }
                    _ => (node.clone(), Exact::one()),
                }
            }
            Node::Call { function, arguments } => self.strip_call(*function, arguments),
            _ => (node.clone(), Exact::one()),
        }
    }

    fn strip_call(&mut self, function: Function, arguments: &[Node]) -> (Node, Exact) {
        match (function, arguments) {
            (Function::CeilTo | Function::FloorTo, [value, _]) => {
                self.rounds = true;
                self.strip(value)
            }
            (Function::CeilDiv, [value, Node::Literal { value: step, .. }]) => {
                self.rounds = true;
                let (value, divisor) = self.strip(value);
                (value, divisor * step)
            }
            (Function::Greatest, arguments) if arguments.iter().any(is_minimum) => {
                self.rounds = true;
                let kept: Vec<&Node> = arguments.iter().filter(|argument| !is_minimum(argument)).collect();
                self.call(function, &kept)
            }
            (Function::Coalesce, [Node::Column(name), rest @ ..]) if name == REPORTED && !rest.is_empty() => {
                (self.rounds, self.reported) = (true, true);
                self.call(function, &rest.iter().collect::<Vec<_>>())
            }
            (Function::If, arguments) => {
                let count = arguments.len();
                let is_condition = |index: usize| index.is_multiple_of(2) && index + 1 < count;
                let values: Vec<&Node> =
                    (0..count).filter(|index| !is_condition(*index)).map(|index| &arguments[index]).collect();
                let (values, divisor) = self.common(&values);
                let mut values = values.into_iter();
                let stripped = arguments.iter().enumerate().map(|(index, argument)| match is_condition(index) {
                    true => argument.clone(),
                    false => values.next().unwrap_or_else(|| argument.clone()),
                });
                (Node::Call { function, arguments: stripped.collect() }, divisor)
            }
            (function, arguments) => self.call(function, &arguments.iter().collect::<Vec<_>>()),
        }
    }

    /// A function of stripped arguments; of a single one it is that one.
    fn call(&mut self, function: Function, arguments: &[&Node]) -> (Node, Exact) {
        if let [single] = arguments {
            return self.strip(single);
        }
        let (arguments, divisor) = self.common(arguments);
        (Node::Call { function, arguments }, divisor)
    }

    /// Stripped nodes, brought to one divisor.
    fn common(&mut self, nodes: &[&Node]) -> (Vec<Node>, Exact) {
        let stripped: Vec<(Node, Exact)> = nodes.iter().map(|node| self.strip(node)).collect();
        let mut divisor = Exact::one();
        for (_, own) in &stripped {
            let fits = divisor.checked_div(own).is_some_and(|times| times.is_integer());
            if !fits {
                let wider = own.checked_div(&divisor).is_some_and(|times| times.is_integer());
                divisor = if wider { own.clone() } else { divisor * own };
            }
        }
        let scaled = stripped.into_iter().map(|(node, own)| {
            let times = divisor.checked_div(&own).unwrap_or_else(Exact::one);
            match (times == Exact::one(), node) {
                (true, node) => node,
                (false, Node::Literal { value, unit, value_type }) => {
                    Node::Literal { value: value * times, unit, value_type }
                }
                (false, node) => product(node, Node::Literal { value: times, unit: None, value_type: None }),
            }
        });
        (scaled.collect(), divisor)
    }
}

fn product(left: Node, right: Node) -> Node {
    Node::Binary { operator: Binary::Multiply, left: left.into(), right: right.into() }
}

/// Whether a node is a constant above 0, or a choice among constants of which one is.
fn is_minimum(node: &Node) -> bool {
    match node {
        Node::Literal { value, .. } => value.is_positive(),
        Node::Call { function: Function::If, arguments } => {
            let count = arguments.len();
            let values = || arguments.iter().enumerate().filter(|(index, _)| index % 2 == 1 || index + 1 == count);
            values().all(|(_, value)| matches!(value, Node::Literal { .. }))
                && values().any(|(_, value)| is_minimum(value))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    fn number(value: i64) -> Value {
        Value::Number(Exact::from(value))
    }

    #[test]
    fn roundings_and_minimums_are_taken_out() {
        // Rule, columns, its value, the value without rounding.
        for (table, rule, columns, rounded, unrounded) in [
            (
                Table::Invocations,
                "ceil_to(duration_us, 100ms) * memory_mb",
                &[("duration_us", 1), ("memory_mb", 128)][..],
                12_800_000,
                "128",
            ),
            (
                Table::Invocations,
                "coalesce(billed_us, ceil_to(duration_us + coalesce(init_us, 0), 1ms)) * memory_mb",
                &[("billed_us", 2000), ("duration_us", 1500), ("init_us", 100), ("memory_mb", 2)],
                4000,
                "3200",
            ),
            (
                Table::Invocations,
                "vcpu_milli * greatest(ceil_to(duration_us, 1s), 1min)",
                &[("duration_us", 5), ("vcpu_milli", 250)],
                15_000_000_000,
                "1250",
            ),
            (
                Table::Requests,
                "greatest(ceil_div(coalesce(request_bytes, 0), 64KiB), 1)",
                &[("request_bytes", 98_304)],
                2,
                "1.5",
            ),
            (Table::Requests, "greatest(ceil_div(coalesce(request_bytes, 0), 64KiB), 1)", &[], 1, "0"),
            (
                Table::Requests,
                "coalesce(units, ceil_div(greatest(request_bytes, 1B), 1KiB) * 2)",
                &[("units", 3)],
                3,
                "3",
            ),
            (
                Table::Requests,
                "coalesce(units, ceil_div(greatest(request_bytes, 1B), 1KiB) * 2)",
                &[("request_bytes", 1536)],
                4,
                "3",
            ),
            (Table::Requests, "1 + ceil_div(request_bytes, 4KiB)", &[("request_bytes", 1024)], 2, "1.25"),
            (
                Table::Requests,
                "if(units = 1, ceil_div(request_bytes, 4KiB), ceil_div(request_bytes, 1KiB))",
                &[("units", 2), ("request_bytes", 512)],
                1,
                "0.5",
            ),
            (
                Table::Metered,
                "quantity * greatest(ceil_to(held_us, 1s), if(variant = 'v1', 5min, 0))",
                &[("quantity", 2), ("held_us", 1_500_000)],
                4_000_000,
                "3000000",
            ),
        ] {
            let rule = Expression::parse(rule, table).unwrap();
            let row = |name: &str| {
                columns.iter().find(|(known, _)| *known == name).map_or(Value::Null, |(_, value)| number(*value))
            };
            assert_eq!(rule.evaluate(&row), number(rounded), "{rule}");
            let stripped = rule.unrounded().unwrap();
            assert_eq!(stripped.evaluate(&row), Value::Number(Exact::parse(unrounded).unwrap()), "{rule}");
            assert_eq!(stripped.prefers_reported(), rule.columns().contains("billed_us"));
            assert!(!["/", "%", "billed"].iter().any(|sign| stripped.numerator_sql().contains(sign)), "{rule}");
        }
    }

    #[test]
    fn what_does_not_round_stays() {
        for (table, rule) in [
            (Table::Invocations, "duration_us * memory_mb"),
            (Table::Requests, "1"),
            (Table::Requests, "greatest(response_bytes - 6MiB, 0)"),
            (Table::Metered, "least(quantity, 32000) * held_us"),
            (Table::Storage, "greatest(bytes, objects * 128KiB) * held_us"),
        ] {
            assert_eq!(Expression::parse(rule, table).unwrap().unrounded(), None, "{rule}");
        }
    }
}
