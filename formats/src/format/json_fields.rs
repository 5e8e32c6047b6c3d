//! JSON objects by the names of their fields, with numbers as they stand: no float comes between a file and a quantity.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A number, a truth value or a text, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar(pub(super) String);

impl Scalar {
    /// The text of a JSON value; `None` for `null`, arrays and objects.
    pub(super) fn of(json: &str) -> Option<String> {
        match json.as_bytes().first()? {
            b'"' => serde_json::from_str(json).ok(),
            b'{' | b'[' | b'n' => None,
            _ => Some(json.to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Scalar::of(json.get())
            .map(Scalar)
            .ok_or_else(|| serde::de::Error::custom(format!("`{}` is no number and no text", json.get())))
    }
}

/// A name in lower case, without `[UTC]` behind it.
pub(super) fn plain_name(name: &str) -> String {
    let lower = name.trim().to_lowercase();
    lower.strip_suffix("[utc]").map_or_else(|| lower.clone(), |plain| plain.trim_end().to_owned())
}

/// An object.
#[derive(Debug, Default)]
pub(super) struct Object(HashMap<String, Box<RawValue>>);

impl Object {
    /// Reads an object.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map(Object).map_err(|error| format!("not valid JSON: {error}"))
    }

    /// An object of names and values that stand apart.
    pub(super) fn zip(names: &[String], values: Vec<Box<RawValue>>) -> Self {
        Object(names.iter().cloned().zip(values).collect())
    }

    /// The same with names in lower case and without the zone that exports write behind them (`timestamp [UTC]`).
    pub(super) fn with_plain_names(self) -> Self {
        Object(self.0.into_iter().map(|(name, value)| (plain_name(&name), value)).collect())
    }

    /// Whether there is such a field, whatever its value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether it has no fields.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The JSON text of a field.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        Some(self.0.get(name)?.get())
    }

    /// Names and JSON texts, in no order.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get()))
    }

    /// The value of a field that is no container, as text; nothing where it is empty, `null` or absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        Scalar::of(self.raw(name)?).filter(|text| !text.is_empty())
    }

    /// The first of several names that has a value.
    pub(super) fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    /// The object in a field, also one that is written as a string.
    pub(super) fn object(&self, name: &str) -> Option<Object> {
        let raw = self.raw(name)?;
        match Scalar::of(raw) {
            Some(text) => Object::parse(text.as_bytes()).ok(),
            None => Object::parse(raw.as_bytes()).ok(),
        }
    }

    /// The objects of the array in a field; nothing where there is none.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Object>, String> {
        let Some(raw) = self.raw(name).filter(|raw| *raw != "null") else { return Ok(Vec::new()) };
        let objects: Vec<HashMap<String, Box<RawValue>>> =
            serde_json::from_str(raw).map_err(|_| format!("`{name}` is no array of objects"))?;
        Ok(objects.into_iter().map(Object).collect())
    }
}
