//! Values inside the JSON of log records.

use serde_json::Value;

use crate::format::decimal;

/// The text at a path such as `/detail/bucket/name`, if it is one and not empty.
pub(super) fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value.pointer(path)?.as_str().filter(|text| !text.is_empty())
}

/// The integer at a path, written as a number or as text; nothing where there is none.
///
/// # Errors
/// Names the path and says what is wrong.
pub(super) fn integer(value: &Value, path: &str) -> Result<Option<i64>, String> {
    let name = || path.trim_start_matches('/').replace('/', ".");
    let text = match value.pointer(path) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(other) => return Err(format!("`{}` is `{}`, expected a number", name(), cut(&other.to_string()))),
    };
    decimal::exact(&text, 0).map(Some).map_err(|problem| format!("`{}` {problem}", name()))
}

fn cut(text: &str) -> String {
    crate::error::excerpt(text.as_bytes())
}
