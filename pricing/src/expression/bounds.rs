//! How large an expression can get: what the engine's integers cannot hold is refused when it is compiled
//!
//! Filters and rules over `invocations` and `requests` run in SQL: sums and steps in 64-bit integers, which would wrap,
//! products in decimals of 38 digits, which would fail on some record of a bill. Recorded columns have limits
//! ([`Column::largest`]), so the range of every part follows, and no record can reach either. Rows of the other tables
//! are metered with exact numbers of any size.
use super::{Binary, ExpressionError, Function, Node};
use crate::{exact::Exact, table::Table};

/// Digits of the engine's decimals.
const DECIMAL_DIGITS: u32 = 38;
/// Digits that a quotient of decimals takes besides its own.
const QUOTIENT_DIGITS: u32 = 5;

/// The values that a number can have, and what the engine computes it in.
#[derive(Clone)]
struct Range {
    least: Exact,
    most: Exact,
    /// A decimal, not a 64-bit integer.
    decimal: bool,
    /// Whether it has a value in every row.
    always: bool,
}

/// Checks every number in a tree.
///
/// # Errors
/// When one can leave the engine's integers, or a number that is rounded can be below 0.
pub(super) fn check(node: &Node, table: Table) -> Result<(), ExpressionError> {
    match table {
        Table::Invocations | Table::Requests => Bounds { table }.range(node).map(|_| ()),
        Table::Storage | Table::Metered => Ok(()),
    }
}

struct Bounds {
    table: Table,
}

impl Bounds {
    /// The range of a number; nothing for texts, conditions and null.
    fn range(&self, node: &Node) -> Result<Option<Range>, ExpressionError> {
        let range = match node {
            Node::Literal { value, .. } => {
                Range { least: value.clone(), most: value.clone(), decimal: false, always: true }
            }
            Node::Text(_) | Node::Null => return Ok(None),
            Node::Column(name) => match self.table.column(name).and_then(|column| column.largest()) {
                Some(most) => Range { least: Exact::zero(), most: Exact::from(most), decimal: false, always: false },
                None => return Ok(None),
            },
            Node::Negate(inner) => match self.range(inner)? {
                Some(range) => Range { least: -&range.most, most: -&range.least, ..range },
                None => return Ok(None),
            },
            Node::Not(inner) | Node::IsNull { node: inner, .. } => return self.range(inner).map(|_| None),
            Node::In { node: inner, items } => {
                self.range(inner)?;
                return items.iter().try_for_each(|item| self.range(item).map(|_| ())).map(|()| None);
            }
            Node::Binary { operator, left, right } => {
                let (Some(left), Some(right)) = (self.range(left)?, self.range(right)?) else { return Ok(None) };
                match arithmetic(*operator, &left, &right) {
                    Some(range) => range,
                    None => return Ok(None),
                }
            }
            Node::Call { function, arguments } => match self.call(*function, arguments)? {
                Some(range) => range,
                None => return Ok(None),
            },
        };
        within(&range, &range.most, 0).map(|()| Some(range))
    }

    fn call(&self, function: Function, arguments: &[Node]) -> Result<Option<Range>, ExpressionError> {
        let mut ranges = Vec::new();
        let mut may_be_null = false;
        for (index, argument) in arguments.iter().enumerate() {
            let range = self.range(argument)?;
            let is_condition = function == Function::If && index % 2 == 0 && index + 1 < arguments.len();
            if !is_condition {
                may_be_null |= range.as_ref().is_none_or(|range| !range.always);
                ranges.extend(range);
            }
        }
        let stepped = matches!(function, Function::CeilTo | Function::CeilDiv | Function::FloorTo);
        if let (true, [value, step]) = (stepped, &ranges[..]) {
            return rounded(function, value, &step.most).map(Some);
        }
        let Some(first) = ranges.first() else { return Ok(None) };
        let mut all = first.clone();
        for range in &ranges[1..] {
            all.least = all.least.min(range.least.clone());
            all.most = all.most.max(range.most.clone());
            all.decimal |= range.decimal;
        }
        // A value that is always there bounds the extreme of all: nulls are ignored.
        let sure = ranges.iter().filter(|range| range.always);
        match function {
            Function::Greatest => all.least = sure.map(|range| range.least.clone()).max().unwrap_or(all.least),
            Function::Least => all.most = sure.map(|range| range.most.clone()).min().unwrap_or(all.most),
            _ => {}
        }
        all.always = match function {
            Function::If => !may_be_null,
            _ => ranges.iter().any(|range| range.always),
        };
        Ok(Some(all))
    }
}

fn arithmetic(operator: Binary, left: &Range, right: &Range) -> Option<Range> {
    let (decimal, always) = (left.decimal || right.decimal, left.always && right.always);
    Some(match operator {
        Binary::Add => Range { least: &left.least + &right.least, most: &left.most + &right.most, decimal, always },
        Binary::Subtract => {
            Range { least: &left.least - &right.most, most: &left.most - &right.least, decimal, always }
        }
        Binary::Multiply => {
            let corners = [
                &left.least * &right.least,
                &left.least * &right.most,
                &left.most * &right.least,
                &left.most * &right.most,
            ];
            let (least, most) = (corners.iter().min()?.clone(), corners.iter().max()?.clone());
            Range { least, most, decimal: true, always }
        }
        _ => return None,
    })
}

/// A number rounded to steps; on the way there it is up to one step larger.
fn rounded(function: Function, value: &Range, step: &Exact) -> Result<Range, ExpressionError> {
    if value.least.is_negative() {
        return Err(ExpressionError::Meaning {
            message: format!("`{}` of what can be below 0", function.name()),
            hint: Some(format!("write `{}(greatest(…, 0), …)`", function.name())),
        });
    }
    let quotient = value.decimal && function == Function::CeilDiv;
    within(value, &(&value.most + step), if quotient { QUOTIENT_DIGITS } else { 0 })?;
    let steps = |number: &Exact| number.checked_div(step).unwrap_or_default();
    let most = match function {
        Function::CeilDiv => steps(&value.most).ceil_to_integer(),
        Function::FloorTo => value.most.clone(),
        _ => steps(&value.most).ceil_to_integer() * step,
    };
    Ok(Range { least: Exact::zero(), most, ..value.clone() })
}

/// Refuses a range beyond what its kind of number holds, less some digits.
fn within(range: &Range, most: &Exact, digits: u32) -> Result<(), ExpressionError> {
    let limit = match range.decimal {
        true => Exact::from_integer(10_i128.pow(DECIMAL_DIGITS - digits) - 1),
        false => Exact::from(i64::MAX),
    };
    let size = most.clone().max(-&range.least);
    if size <= limit {
        return Ok(());
    }
    let digits = size.floor_to_integer().to_string().len();
    let (kind, hint) = match range.decimal {
        true => (format!("the {DECIMAL_DIGITS} digits of a product"), "multiply fewer columns, or use `scale`"),
        false => ("a 64-bit integer".to_owned(), "use smaller numbers, or `scale`"),
    };
    let message = format!("a number of {digits} digits is possible, beyond {kind}");
    Err(ExpressionError::Meaning { message, hint: Some(hint.to_owned()) })
}
