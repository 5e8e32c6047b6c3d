//! SQL functions of our own: the rounding of price books, exact.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::prelude::SessionContext;
use serde::Serialize;

/// A function as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentedFunction {
    /// How it is called.
    pub call: &'static str,
    /// What it gives.
    pub description: &'static str,
}

/// Every function of our own.
pub const FUNCTIONS: [DocumentedFunction; 3] = [
    DocumentedFunction {
        call: "ceil_to(x, step)",
        description: "x rounded up to a multiple of step, exact: `ceil_to(101, 100)` is 200.",
    },
    DocumentedFunction {
        call: "floor_to(x, step)",
        description: "x rounded down to a multiple of step, exact: `floor_to(199, 100)` is 100.",
    },
    DocumentedFunction {
        call: "ceil_div(x, step)",
        description: "How many whole steps hold x, exact: `ceil_div(101, 100)` is 2.",
    },
];

/// Registers every function of our own.
pub(crate) fn register(session: &SessionContext) {
    for rounding in [Rounding::CeilTo, Rounding::FloorTo, Rounding::CeilDiv] {
        session.register_udf(ScalarUDF::from(Stepped::of(rounding)));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Rounding {
    CeilTo,
    FloorTo,
    CeilDiv,
}

/// Rounding to steps: of integers an integer, of decimals a decimal with the digits of both.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Stepped {
    rounding: Rounding,
    signature: Signature,
}

impl Stepped {
    fn of(rounding: Rounding) -> Self {
        Self { rounding, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// Of numbers in the same unit: 10 to the power of `-scale`.
    fn apply(&self, value: i128, step: i128) -> Result<i128> {
        if step <= 0 {
            return exec_err!("{}: the step must be more than 0", self.name());
        }
        let steps = value.div_euclid(step);
        let up = i128::from(value.rem_euclid(step) != 0);
        let result = match self.rounding {
            Rounding::CeilDiv => Some(steps + up),
            Rounding::CeilTo => (steps + up).checked_mul(step),
            Rounding::FloorTo => steps.checked_mul(step),
        };
        match result {
            Some(result) => Ok(result),
            None => self.does_not_fit(),
        }
    }

    /// Row by row; null where either is.
    fn apply_to<T>(&self, values: &ArrayRef, steps: &ArrayRef) -> Result<PrimitiveArray<T>>
    where
        T: ArrowPrimitiveType<Native: Into<i128> + TryFrom<i128>>,
    {
        let rows = values.as_primitive::<T>().iter().zip(steps.as_primitive::<T>());
        let rounded = rows.map(|row| match row {
            (Some(value), Some(step)) => match T::Native::try_from(self.apply(value.into(), step.into())?) {
                Ok(fits) => Ok(Some(fits)),
                Err(_) => self.does_not_fit(),
            },
            _ => Ok(None),
        });
        rounded.collect()
    }

    fn does_not_fit<T>(&self) -> Result<T> {
        exec_err!("{}: the result does not fit", self.name())
    }
}

impl ScalarUDFImpl for Stepped {
    fn name(&self) -> &str {
        match self.rounding {
            Rounding::CeilTo => "ceil_to",
            Rounding::FloorTo => "floor_to",
            Rounding::CeilDiv => "ceil_div",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [value, step] = types else {
            return plan_err!("{} takes a number and a step, not {} arguments", self.name(), types.len());
        };
        let scale = |data_type: &DataType| match data_type {
            DataType::Decimal128(_, scale) | DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => {
                Some(*scale)
            }
            kind if kind.is_integer() || kind.is_null() => Some(0),
            _ => None,
        };
        let (Some(left), Some(right)) = (scale(value), scale(step)) else {
            return plan_err!(
                "{} takes integers and decimals, not {value} and {step}; floats are refused because they are not exact: CAST(x AS DECIMAL(38,9))",
                self.name()
            );
        };
        let exact = match value.is_decimal() || step.is_decimal() {
            true => DataType::Decimal128(DECIMAL128_MAX_PRECISION, left.max(right)),
            false => DataType::Int64,
        };
        Ok(vec![exact.clone(), exact])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.rounding, types) {
            (Rounding::CeilDiv, [DataType::Decimal128(..), _]) => Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)),
            (_, [same, _]) => Ok(same.clone()),
            _ => plan_err!("{} takes a number and a step", self.name()),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [values, steps] = &arrays[..] else { return exec_err!("{} takes a number and a step", self.name()) };
        let result: ArrayRef = match (values.data_type(), arguments.return_field.data_type()) {
            (DataType::Decimal128(..), DataType::Decimal128(precision, scale)) => {
                let rounded = self.apply_to::<Decimal128Type>(values, steps)?;
                let rounded = rounded.with_precision_and_scale(*precision, *scale)?;
                rounded.validate_decimal_precision(*precision)?;
                Arc::new(rounded)
            }
            _ => Arc::new(self.apply_to::<Int64Type>(values, steps)?),
        };
        Ok(match scalar {
            true => ColumnarValue::Scalar(datafusion::scalar::ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::SqlAnswer;

    async fn value(expression: &str) -> std::result::Result<Option<String>, String> {
        let session = crate::session::empty_session();
        match SqlAnswer::of(&session, &format!("SELECT {expression}")).await {
            Ok(answer) => Ok(answer.text_rows().unwrap().remove(0).remove(0)),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn rounding_is_exact() {
        for (expression, expected) in [
            ("ceil_to(101, 100)", "200"),
            ("ceil_to(100, 100)", "100"),
            ("ceil_to(0, 100)", "0"),
            ("ceil_to(-101, 100)", "-100"),
            ("floor_to(199, 100)", "100"),
            ("floor_to(-1, 100)", "-100"),
            ("ceil_div(101, 100)", "2"),
            ("ceil_to(0.30, 0.1)", "0.30"),
            ("ceil_to(0.31, 0.1)", "0.40"),
            ("ceil_to(1, 0.3)", "1.2"),
            ("ceil_div(0.31, 0.1)", "4"),
            ("ceil_to(12345678901234567890123456789.01, 1)", "12345678901234567890123456790.00"),
        ] {
            assert_eq!(value(expression).await, Ok(Some(expected.into())), "{expression}");
        }
        assert_eq!(value("ceil_to(CAST(NULL AS BIGINT), 100)").await, Ok(None));
        assert_eq!(value("ceil_to(NULL, 100)").await, Ok(None));
        for (expression, words) in [
            ("ceil_to(1, 0)", "more than 0"),
            ("ceil_to(9223372036854775807, 2)", "does not fit"),
            ("ceil_to(CAST(1 AS DOUBLE), 1)", "floats are refused"),
            ("ceil_to(1)", "takes a number and a step"),
            ("ceil_to('a', 1)", "takes integers and decimals"),
        ] {
            let error = value(expression).await.unwrap_err();
            assert!(error.contains(words), "{expression}: {error}");
        }
    }

    #[tokio::test]
    async fn the_examples_of_the_documentation_hold() {
        for function in FUNCTIONS {
            let (call, result) = function.description.split_once(": `").unwrap().1.split_once("` is ").unwrap();
            assert_eq!(value(call).await, Ok(Some(result.trim_end_matches('.').to_owned())), "{call}");
        }
    }
}
