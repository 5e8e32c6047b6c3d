//! A per-record quantity taken apart into what a group of records has in common and what differs from record to record
//!
//! `if(package_type = 'Image', duration_us + init_us, duration_us) * memory_mb`, for records of one package type and one
//! memory size, is a number times the sum of `duration_us + init_us` or of `duration_us`. Those sums can be kept; the
//! number may be known later, or change.
use std::collections::BTreeSet;

use super::{Binary, Function, Node, Value, evaluate::evaluate, sql};
use crate::exact::Exact;

/// More ways to take an expression apart than this are not worth keeping sums for.
const PARTS_MAX: usize = 16;

/// One way an expression looks for a group of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Conditions on what the group has in common, and whether they hold.
    conditions: Conditions,
    factors: Vec<Node>,
    term: Option<Term>,
}

/// What differs from record to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    node: Node,
}

impl Part {
    /// Whether it is how the expression looks for this group.
    pub fn applies(&self, group: &dyn Fn(&str) -> Value) -> bool {
        self.conditions.iter().all(|(condition, holds)| (evaluate(condition, group) == Value::Bool(true)) == *holds)
    }

    /// What the sum of the terms is multiplied by; nothing where the quantity of every record is null.
    pub fn factor(&self, group: &dyn Fn(&str) -> Value) -> Option<Exact> {
        self.factors.iter().try_fold(Exact::one(), |product, factor| match evaluate(factor, group) {
            Value::Number(number) => Some(product * number),
            _ => None,
        })
    }

    /// What is summed over the records; nothing where it is 1 for each.
    pub fn term(&self) -> Option<&Term> {
        self.term.as_ref()
    }
}

impl Term {
    /// Over the lake's columns, as [`super::Expression::to_sql`]. Equal terms have equal texts.
    pub fn to_sql(&self) -> String {
        sql::print(&self.node)
    }

    /// The columns it reads.
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

impl super::Expression {
    /// The expression taken apart for groups of records that have the named columns in common: exactly one part applies
    /// to a group. Nothing when there are too many ways.
    pub fn parts(&self, in_common: &dyn Fn(&str) -> bool) -> Option<Vec<Part>> {
        let splitter = Splitter { in_common };
        let mut parts = Vec::new();
        for (conditions, node) in splitter.choices(&self.node)? {
            let mut factors = Vec::new();
            let rest = splitter.factored(node, &mut factors);
            parts.push(Part { conditions, factors, term: rest.map(|node| Term { node }) });
        }
        Some(parts)
    }
}

impl super::Expression {
    /// Whether the value over records follows from the columns they have in common and from whether each other column
    /// is absent, 0 or above 0. Any number above 0 then gives the value of all.
    pub fn follows_from_signs(&self, in_common: &dyn Fn(&str) -> bool) -> bool {
        let splitter = Splitter { in_common };
        splitter.follows_from_signs(&self.node)
    }
}

struct Splitter<'a> {
    in_common: &'a dyn Fn(&str) -> bool,
}

/// Conditions and whether they hold.
type Conditions = Vec<(Node, bool)>;
/// A tree without choices that the group decides, and the conditions under which it is so.
type Choice = (Conditions, Node);

impl Splitter<'_> {
    /// Whether the group decides the value.
    fn is_common(&self, node: &Node) -> bool {
        let mut common = true;
        node.visit(&mut |node| common &= !matches!(node, Node::Column(name) if !(self.in_common)(name)));
        common
    }

    fn follows_from_signs(&self, node: &Node) -> bool {
        let is_zero = |node: &Node| matches!(node, Node::Literal { value, .. } if value.is_zero());
        let is_column = |node: &Node| matches!(node, Node::Column(_));
        match node {
            node if self.is_common(node) => true,
            Node::IsNull { node, .. } => is_column(node),
            Node::Not(inner) => self.follows_from_signs(inner),
            Node::Binary { operator: Binary::And | Binary::Or, left, right } => {
                self.follows_from_signs(left) && self.follows_from_signs(right)
            }
            Node::Binary { operator: Binary::Add | Binary::Subtract | Binary::Multiply, .. } => false,
            Node::Binary { left, right, .. } => {
                (is_column(left) && is_zero(right)) || (is_zero(left) && is_column(right))
            }
            _ => false,
        }
    }

    /// Every way a tree looks when the conditions that the group decides are decided.
    fn choices(&self, node: &Node) -> Option<Vec<Choice>> {
        if self.is_common(node) {
            return Some(vec![(Vec::new(), node.clone())]);
        }
        let rebuilt = |children: &[&Node], build: &dyn Fn(Vec<Node>) -> Node| {
            let mut found: Vec<(Conditions, Vec<Node>)> = vec![Default::default()];
            for child in children {
                let ways = self.choices(child)?;
                found = found
                    .iter()
                    .flat_map(|(conditions, done)| {
                        ways.iter().filter_map(|(more, node)| {
                            let conditions = joined(conditions, more)?;
                            Some((conditions, [&done[..], std::slice::from_ref(node)].concat()))
                        })
                    })
                    .collect();
                if found.len() > PARTS_MAX {
                    return None;
                }
            }
            Some(found.into_iter().map(|(conditions, children)| (conditions, build(children))).collect())
        };
        match node {
            Node::Literal { .. } | Node::Text(_) | Node::Null | Node::Column(_) => {
                Some(vec![(Vec::new(), node.clone())])
            }
            Node::Negate(inner) => rebuilt(&[inner], &|mut nodes| Node::Negate(nodes.remove(0).into())),
            Node::Not(inner) => rebuilt(&[inner], &|mut nodes| Node::Not(nodes.remove(0).into())),
            Node::IsNull { node: inner, negated } => {
                rebuilt(&[inner], &|mut nodes| Node::IsNull { node: nodes.remove(0).into(), negated: *negated })
            }
            Node::In { node: inner, items } => {
                rebuilt(&[inner], &|mut nodes| Node::In { node: nodes.remove(0).into(), items: items.clone() })
            }
            Node::Binary { operator, left, right } => rebuilt(&[left, right], &|mut nodes| {
                let right = nodes.remove(1);
                Node::Binary { operator: *operator, left: nodes.remove(0).into(), right: right.into() }
            }),
            Node::Call { function: Function::If, arguments } => self.branches(arguments),
            Node::Call { function, arguments } => rebuilt(&arguments.iter().collect::<Vec<_>>(), &|arguments| {
                Node::Call { function: *function, arguments }
            }),
        }
    }

    /// The ways of an `if(condition, value, …, else)`.
    fn branches(&self, arguments: &[Node]) -> Option<Vec<Choice>> {
        let [condition, value, rest @ ..] = arguments else { return self.choices(arguments.first()?) };
        let otherwise = self.branches(rest)?;
        let values = self.choices(value)?;
        let mut found = Vec::new();
        if self.is_common(condition) {
            for (holds, ways) in [(true, values), (false, otherwise)] {
                let decided = [(condition.clone(), holds)];
                found.extend(ways.into_iter().filter_map(|(more, node)| Some((joined(&decided, &more)?, node))));
            }
        } else {
            for (of_condition, condition) in self.choices(condition)? {
                for (of_value, value) in &values {
                    for (of_rest, rest) in &otherwise {
                        let decided = joined(&of_condition, of_value).and_then(|some| joined(&some, of_rest));
                        let arguments = vec![condition.clone(), value.clone(), rest.clone()];
                        found
                            .extend(decided.map(|decided| (decided, Node::Call { function: Function::If, arguments })));
                    }
                }
            }
        }
        (found.len() <= PARTS_MAX).then_some(found)
    }

    /// A tree without the factors that the group decides; nothing when it is made of these alone.
    fn factored(&self, node: Node, factors: &mut Vec<Node>) -> Option<Node> {
        if self.is_common(&node) {
            factors.push(node);
            return None;
        }
        match node {
            Node::Binary { operator: Binary::Multiply, left, right } => {
                match (self.factored(*left, factors), self.factored(*right, factors)) {
                    (Some(left), Some(right)) => {
                        Some(Node::Binary { operator: Binary::Multiply, left: left.into(), right: right.into() })
                    }
                    (left, right) => left.or(right),
                }
            }
            Node::Negate(inner) => {
                factors.push(Node::Literal { value: -Exact::one(), unit: None, value_type: None });
                self.factored(*inner, factors)
            }
            node => Some(node),
        }
    }
}

/// Both sets of conditions; nothing when they contradict each other.
fn joined(some: &[(Node, bool)], more: &[(Node, bool)]) -> Option<Conditions> {
    let mut all = some.to_vec();
    for (condition, holds) in more {
        match all.iter().find(|(known, _)| known == condition) {
            Some((_, known)) if known != holds => return None,
            Some(_) => {}
            None => all.push((condition.clone(), *holds)),
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Expression;
    use super::*;
    use crate::table::Table;

    const COMMON: [&str; 4] = ["package_type", "runtime", "memory_mb", "trigger"];

    fn parts(text: &str) -> (Expression, Vec<Part>) {
        let expression = Expression::parse(text, Table::Invocations).unwrap();
        let parts = expression.parts(&|name| COMMON.contains(&name)).unwrap();
        (expression, parts)
    }

    #[test]
    fn what_a_group_decides_is_taken_out() {
        let (_, found) = parts(
            "coalesce(billed_us, ceil_to(duration_us + if(coalesce(package_type, 'Zip') = 'Image' or \
             coalesce(runtime, '') in ('custom', 'provided'), coalesce(init_us, 0), 0), 1ms)) * memory_mb",
        );
        let terms: Vec<_> = found.iter().map(|part| part.term().unwrap().to_sql()).collect();
        assert_eq!(terms.len(), 2);
        assert!(terms.iter().all(|term| !term.contains("memory_mb") && !term.contains("package_type")), "{terms:?}");
        assert!(terms[0].contains("init_us") && !terms[1].contains("init_us"), "{terms:?}");
        let (_, found) = parts("memory_mb");
        assert_eq!(found.iter().map(Part::term).collect::<Vec<_>>(), [None]);
        // A quantity that mixes both in a rounding keeps both.
        let (_, found) = parts("ceil_to(coalesce(memory_used_mb, memory_mb), 128MiB) * duration_us");
        assert!(found[0].term().unwrap().columns().contains("memory_mb"));
    }

    #[test]
    fn filters_that_ask_for_signs() {
        for (filter, follows) in [
            ("memory_mb > 128MiB and request_bytes > 0", true),
            ("response_bytes is not null or not (0 < duration_us)", true),
            ("request_bytes > 1KiB", false),
            ("request_bytes + response_bytes > 0", false),
            ("coalesce(request_bytes, 1B) > 0", false),
        ] {
            let filter = Expression::parse(filter, Table::Invocations).unwrap();
            assert_eq!(filter.follows_from_signs(&|name| COMMON.contains(&name)), follows, "{filter}");
        }
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole(
            text in prop::sample::select(vec![
                "coalesce(billed_us, ceil_to(duration_us + if(package_type = 'Image', coalesce(init_us, 0), 0), 1ms)) * memory_mb",
                "if(trigger in ('s3', 'sns'), 1 + ceil_div(greatest(coalesce(request_bytes, 0) - 256KiB, 0), 64KiB), 1)",
                "greatest(ceil_to(duration_us, 1ms), 100ms) * greatest(ceil_to(coalesce(memory_used_mb, memory_mb), 128MiB), 128MiB)",
                "memory_mb * greatest(ceil_to(duration_us, 1s), 1min)",
                "if(duration_us > 5ms, if(trigger = 's3', duration_us, cpu_us), if(runtime is null, 2us, 3us)) * memory_mb",
                "-duration_us * memory_mb",
                "1",
            ]),
            texts in prop::collection::vec(prop::option::of(prop::sample::select(vec!["Image", "s3", "custom"])), 3),
            numbers in prop::collection::vec(prop::option::of(0_i64..2_000_000), 7),
        ) {
            let (expression, parts) = parts(text);
            let row = |name: &str| {
                let text = |place: usize| texts[place].map_or(Value::Null, |text| Value::Text(text.to_owned()));
                let number = |place: usize| numbers[place].map_or(Value::Null, |number| Value::Number(Exact::from(number)));
                match name {
                    "package_type" => text(0),
                    "runtime" => text(1),
                    "trigger" => text(2),
                    "memory_mb" => number(0),
                    "duration_us" => number(1),
                    "init_us" => number(2),
                    "billed_us" => number(3),
                    "cpu_us" => number(4),
                    "request_bytes" => number(5),
                    _ => number(6),
                }
            };
            let common = |name: &str| if COMMON.contains(&name) { row(name) } else { Value::Null };
            let applying: Vec<_> = parts.iter().filter(|part| part.applies(&common)).collect();
            prop_assert_eq!(applying.len(), 1);
            let of_record = applying[0].term().map_or(Value::Number(Exact::one()), |term| evaluate(&term.node, &row));
            let value = match (applying[0].factor(&common), of_record) {
                (Some(factor), Value::Number(term)) => Value::Number(factor * term),
                _ => Value::Null,
            };
            prop_assert_eq!(value, expression.evaluate(&row));
        }
    }
}
