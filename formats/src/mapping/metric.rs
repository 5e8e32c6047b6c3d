//! Metrics of CloudWatch: what a response leaves out, declared.
//!
//! ```toml
//! [metric.m1]                        # the id of the query; of get-metric-statistics: the label
//! table = "metered"                  # requests, storage or metered
//! namespace = "AWS/DynamoDB"
//! name = "ProvisionedWriteCapacityUnits"
//! dimensions = { TableName = "orders" }
//! stat = "Average"
//! period_s = 300
//! value = "quantity"                 # the column of the table that gets the values
//! service = "dynamodb"               # and columns of the table, as texts
//! meter = "wcu"
//! unit = "WCU"
//! resource = "orders"
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::format::mapped::fields;
use crate::record::UsageTable;

/// Longest period of CloudWatch that we believe, in seconds: 31 days.
const PERIOD_S_MAX: i64 = 31 * 86_400;

/// What a response of CloudWatch metrics leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct DeclaredMetric {
    /// The usage table the datapoints go to.
    pub table: String,
    /// Namespace, for example `AWS/DynamoDB`.
    pub namespace: String,
    /// Name of the metric.
    pub name: String,
    /// All dimensions that were asked for.
    pub dimensions: BTreeMap<String, String>,
    /// Statistic that was asked for, for example `Sum`.
    pub stat: String,
    /// Period that was asked for, in seconds.
    pub period_s: i64,
    /// The column that gets the values; absent: `quantity`, `units` or `bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Other columns of the table.
    #[serde(flatten)]
    pub columns: BTreeMap<String, String>,
}

impl DeclaredMetric {
    /// The usage table.
    pub fn usage_table(&self) -> Option<UsageTable> {
        UsageTable::ALL.into_iter().find(|table| table.name() == self.table)
    }

    /// The columns of a table that can get the values, the usual one first.
    fn value_columns(table: UsageTable) -> &'static [&'static str] {
        match table {
            UsageTable::Metered => &["quantity"],
            UsageTable::Storage => &["bytes", "objects"],
            UsageTable::Requests => &["units", "request_bytes", "response_bytes"],
            UsageTable::Invocations => &[],
        }
    }

    /// The column that gets the values.
    pub fn value_column(&self) -> &str {
        let usual = self.usage_table().and_then(|table| Self::value_columns(table).first());
        self.value.as_deref().or(usual.copied()).unwrap_or_default()
    }

    /// Whether a value is an amount of the whole period; if not, it is a level that is held for the period.
    pub fn is_amount(&self) -> bool {
        matches!(self.stat.as_str(), "Sum" | "SampleCount")
    }

    /// The period, in microseconds.
    pub fn period_us(&self) -> i64 {
        self.period_s.saturating_mul(1_000_000)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let values = self.usage_table().map(Self::value_columns).unwrap_or_default();
        let Some(table) = self.usage_table().filter(|_| !values.is_empty()) else {
            return Err(format!("`table` is `{}`, expected requests, storage or metered", self.table));
        };
        if !values.contains(&self.value_column()) {
            return Err(format!("`value` is `{}`, expected one of {}", self.value_column(), values.join(", ")));
        }
        if !(1..=PERIOD_S_MAX).contains(&self.period_s) {
            return Err(format!("`period_s` is {}, expected 1 to {PERIOD_S_MAX}", self.period_s));
        }
        if table == UsageTable::Requests && !self.is_amount() {
            return Err(format!("`stat` is `{}`: of requests only `Sum` or `SampleCount` is an amount", self.stat));
        }
        if table == UsageTable::Storage && self.is_amount() {
            return Err(format!("`stat` is `{}`: what is stored is a level, such as an `Average`", self.stat));
        }
        if !self.columns.contains_key("service") {
            return Err("`service` is missing, a service of the price books".to_owned());
        }
        let known = fields::names(table);
        let set_by_us = |column: &str| column == "held_us" || values.contains(&column);
        match self.columns.keys().find(|column| set_by_us(column) || !known.contains(&column.as_str())) {
            None => Ok(()),
            Some(column) if set_by_us(column) => Err(format!("`{column}` comes from the response")),
            Some(column) => Err(format!("the table {} has no column `{column}`: {}", table.name(), known.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::Mapping;

    const MAPPING: &str = r#"
        [metric.m1]
        table = "metered"
        namespace = "AWS/DynamoDB"
        name = "ProvisionedWriteCapacityUnits"
        dimensions = { TableName = "orders" }
        stat = "Average"
        period_s = 300
        service = "dynamodb"
        meter = "wcu"
    "#;

    #[test]
    fn mistakes_are_told_with_what_was_expected() {
        let mapping = Mapping::from_toml("m.toml", MAPPING).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(mapping.metric["m1"].value_column(), "quantity");
        for (from, to, expected) in [
            ("\"metered\"", "\"meters\"", "`metric.m1`: `table` is `meters`, expected requests, storage or metered"),
            ("\"metered\"", "\"invocations\"", "expected requests, storage or metered"),
            ("\"metered\"", "\"requests\"", "`stat` is `Average`"),
            ("\"Average\"", "\"Sum\"\nvalue = \"bytes\"", "`value` is `bytes`, expected one of quantity"),
            ("300", "0", "`period_s` is 0"),
            ("service = \"dynamodb\"", "", "`service` is missing"),
            ("meter =", "metre =", "has no column `metre`"),
            ("meter =", "held_us =", "`held_us` comes from the response"),
            ("meter =", "quantity =", "`quantity` comes from the response"),
            ("namespace = \"AWS/DynamoDB\"", "", "missing field `namespace`"),
            ("dimensions = { TableName = \"orders\" }", "", "missing field `dimensions`"),
            ("[metric.m1]", "table = \"metered\"\n[metric.m1]", "it goes with no `table`"),
        ] {
            assert!(MAPPING.contains(from), "{from}");
            let error = Mapping::from_toml("m.toml", &MAPPING.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
        let storage =
            MAPPING.replace("metered", "storage").replace("meter =", "storage_class =").replace("300", "86400");
        let mapping = Mapping::from_toml("m.toml", &storage).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(mapping.metric["m1"].value_column(), "bytes");
        let error = Mapping::from_toml("m.toml", &storage.replace("Average", "Sum")).unwrap_err().to_string();
        assert!(error.contains("what is stored is a level"), "{error}");
    }
}
