//! Whose usage it is: the columns within which quantities are summed, tiers run and allowances are shared
use serde::{Deserialize, Serialize};

/// Columns a scope may name, in the order they are compared.
pub const SCOPE_COLUMNS: [&str; 4] = ["organisation", "account", "region", "resource"];

/// The values of the scope columns; an absent value is a scope of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The organisation that pays for several accounts together.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub organisation: Option<String>,
    /// The account, subscription or project.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
    /// The function, bucket, instance, …
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource: Option<String>,
}

impl Scope {
    /// The value of a column of [`SCOPE_COLUMNS`]; nothing for any other column.
    pub fn get(&self, column: &str) -> Option<&str> {
        match column {
            "organisation" => self.organisation.as_deref(),
            "account" => self.account.as_deref(),
            "region" => self.region.as_deref(),
            "resource" => self.resource.as_deref(),
            _ => None,
        }
    }

    /// Sets a column of [`SCOPE_COLUMNS`]; any other column is ignored.
    pub fn set(&mut self, column: &str, value: Option<String>) {
        match column {
            "organisation" => self.organisation = value,
            "account" => self.account = value,
            "region" => self.region = value,
            "resource" => self.resource = value,
            _ => {}
        }
    }

    /// The scope with nothing but the named columns.
    #[must_use]
    pub fn only(&self, columns: &[String]) -> Self {
        let mut scope = Self::default();
        for column in columns {
            scope.set(column, self.get(column).map(str::to_owned));
        }
        scope
    }
}
