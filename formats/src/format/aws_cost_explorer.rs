//! Answers of the AWS Cost Explorer API as JSON: `aws ce get-cost-and-usage`, one page or several behind each other, or
//! the periods of one alone (`jq '.ResultsByTime[]'`).
//!
//! A line is a group in a period; its key is the period and the values it is grouped by. The answer does not say which
//! account it is of, nor which part of the bill a filter left: `--account` names it.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::json_objects::{self, Found};
use crate::format::json_stream::Fields;
use crate::format::{Format, Origin, Recognition, Sink, billed, decimal, gcp_log_entry::is_json};
use crate::record::{BilledLine, EventTime, Export, Record, RecordKey, Usage};

const KIND: &str = "aws-cost-explorer";

/// Metrics in the order in which they stand for a cost.
const BILLED: &[&str] = &["UnblendedCost"];
const EFFECTIVE: &[&str] = &["NetAmortizedCost", "AmortizedCost"];

/// What groups are made by, and the column it is.
const DIMENSIONS: &[(&str, &str)] = &[
    ("SERVICE", "service_name"),
    ("REGION", "region_id"),
    ("AZ", "availability_zone"),
    ("LINKED_ACCOUNT", "sub_account_id"),
    ("LINKED_ACCOUNT_NAME", "sub_account_name"),
    ("USAGE_TYPE", "usage_type"),
    ("OPERATION", "operation"),
    ("RESOURCE_ID", "resource_id"),
    ("RESERVATION_ID", "commitment_discount_id"),
    ("SAVINGS_PLAN_ARN", "commitment_discount_id"),
    ("BILLING_ENTITY", "provider_name"),
    ("LEGAL_ENTITY_NAME", "publisher_name"),
    ("INVOICING_ENTITY", "invoice_issuer_name"),
];

/// `aws-cost-explorer`.
pub struct AwsCostExplorer;

impl Format for AwsCostExplorer {
    fn name(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "AWS Cost Explorer, the JSON of `aws ce get-cost-and-usage`"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        // The beginning of one large object is not read as JSON.
        let has = |name: &str| memchr::memmem::find(head, format!("\"{name}\"").as_bytes()).is_some();
        let is_one = is_json(head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head))
            && has("TimePeriod")
            && (has("ResultsByTime") || (has("Groups") && has("Estimated")));
        is_one.then(|| Recognition { because: "it has the costs of Cost Explorer by `TimePeriod`".into() })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut lines = Lines { defaults: origin.defaults, estimated: 0, not_billed: 0, ungrouped: 0 };
        json_objects::each(input, &mut |place, found, after_broken| {
            let (problem, beginning) = match found {
                Found::Broken(problem, beginning) => (problem, beginning.to_vec()),
                Found::Object(fields) => match Page::of(fields) {
                    Ok(Some(page)) => {
                        for period in page.results_by_time {
                            if let Err(problem) = lines.period(&period, &page.group_definitions, &page.names, sink)? {
                                sink.reject(place.rejected(problem, &fields.object()))?;
                            }
                        }
                        return Ok(true);
                    }
                    Ok(None) if after_broken => return Ok(false),
                    Ok(None) => ("expected `ResultsByTime` or `TimePeriod`".to_owned(), fields.object()),
                    Err(problem) => (problem, fields.object()),
                },
            };
            if !after_broken {
                sink.reject(place.rejected(problem, &beginning))?;
            }
            Ok(true)
        })?;
        lines.finish(sink);
        Ok(())
    }
}

/// An answer, or one period of it.
#[derive(Default)]
struct Page {
    group_definitions: Vec<GroupDefinition>,
    results_by_time: Vec<Period>,
    /// Names of accounts and the like, by the value they explain.
    names: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupDefinition {
    #[serde(rename = "Type")]
    kind: String,
    key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Period {
    time_period: TimePeriod,
    #[serde(default)]
    total: BTreeMap<String, Metric>,
    #[serde(default)]
    groups: Vec<Group>,
    #[serde(default)]
    estimated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimePeriod {
    start: String,
    end: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Group {
    keys: Vec<String>,
    metrics: BTreeMap<String, Metric>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    amount: String,
    unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Explained {
    value: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

impl Page {
    /// `None` for an object of another kind.
    fn of(fields: &Fields) -> Result<Option<Self>, String> {
        let read = |name: &str, error: serde_json::Error| format!("`{name}` cannot be read: {error}");
        if fields.raw("TimePeriod").is_some() {
            let period = serde_json::from_slice(&fields.object()).map_err(|error| read("TimePeriod", error))?;
            return Ok(Some(Page { results_by_time: vec![period], ..Page::default() }));
        }
        let Some(results) = fields.raw("ResultsByTime") else { return Ok(None) };
        let definitions = fields.raw("GroupDefinitions").map(serde_json::from_slice).transpose();
        let explained =
            fields.raw("DimensionValueAttributes").map(serde_json::from_slice::<Vec<Explained>>).transpose();
        let explained = explained.map_err(|error| read("DimensionValueAttributes", error))?.unwrap_or_default();
        let name = |mut one: Explained| Some((one.value, one.attributes.remove("description")?));
        Ok(Some(Page {
            results_by_time: serde_json::from_slice(results).map_err(|error| read("ResultsByTime", error))?,
            group_definitions: definitions.map_err(|error| read("GroupDefinitions", error))?.unwrap_or_default(),
            names: explained.into_iter().filter_map(name).collect(),
        }))
    }
}

/// Turns periods into lines.
struct Lines<'a> {
    defaults: &'a Defaults,
    estimated: u64,
    not_billed: u64,
    ungrouped: u64,
}

impl Lines<'_> {
    /// The lines of a period; what is wrong with it if they cannot be read, of which then none counts.
    fn period(
        &mut self,
        period: &Period,
        definitions: &[GroupDefinition],
        names: &BTreeMap<String, String>,
        sink: &mut dyn Sink,
    ) -> Result<Result<(), String>, IngestError> {
        let lines: Result<Vec<Record>, String> = if period.groups.is_empty() && !period.total.is_empty() {
            self.line(period, &[], &period.total, definitions, names).map(|line| vec![line])
        } else {
            let line = |group: &Group| self.line(period, &group.keys, &group.metrics, definitions, names);
            period.groups.iter().map(line).collect()
        };
        let lines = match lines {
            Ok(lines) => lines,
            Err(problem) => return Ok(Err(problem)),
        };
        self.estimated += u64::from(period.estimated);
        for line in lines {
            if let Usage::BilledLine(row) = &line.usage {
                self.not_billed += u64::from(row.billed_cost.is_none());
            }
            self.ungrouped += u64::from(definitions.is_empty() && !period.groups.is_empty());
            sink.record(line)?;
        }
        Ok(Ok(()))
    }

    fn line(
        &self,
        period: &Period,
        keys: &[String],
        metrics: &BTreeMap<String, Metric>,
        definitions: &[GroupDefinition],
        names: &BTreeMap<String, String>,
    ) -> Result<Record, String> {
        let TimePeriod { start, end } = &period.time_period;
        let time = |name: &str, text: &str| {
            billed::time(text).ok_or_else(|| format!("`TimePeriod.{name}` is `{text}`, expected a day or a time"))
        };
        let (from_us, to_us) = (time("Start", start)?, time("End", end)?);
        let (period_from_us, period_to_us) = billed::month_of(from_us).ok_or("`TimePeriod.Start` is out of range")?;
        let mut line = BilledLine {
            provider: "aws".into(),
            export: Export {
                // Answers by day, by hour and by month are views of one bill; each asks for a window of days.
                kind: format!("{KIND}-{}", granularity(from_us, to_us)),
                account: self.defaults.account.clone().unwrap_or_default(),
                period_from_us,
                day: i32::try_from(from_us.div_euclid(DAY_US)).ok(),
                ..Export::default()
            },
            period_to_us: Some(period_to_us),
            charged_to_us: Some(to_us),
            ..BilledLine::default()
        };
        let mut others = BTreeMap::new();
        measure(metrics, &mut line, &mut others)?;
        group(keys, definitions, names, &mut line, &mut others);
        line.other_columns = billed::tags(&others);
        let (from, to) = (from_us.to_string(), to_us.to_string());
        let mut key = vec![Some(KIND), Some(line.export.account.as_str()), Some(&from), Some(&to)];
        key.extend(definitions.iter().flat_map(|definition| [Some(definition.kind.as_str()), Some(&definition.key)]));
        key.push(None);
        key.extend(keys.iter().map(|key| Some(key.as_str())));
        let key = RecordKey::of(&key);
        Ok(Record { time: EventTime::Logged(from_us), key, usage: Usage::BilledLine(Box::new(line)) })
    }

    fn finish(self, sink: &mut dyn Sink) {
        if self.estimated > 0 {
            sink.warn(format!("the costs of {} periods are estimated: AWS will still change them", self.estimated));
        }
        if self.not_billed > 0 {
            sink.warn(format!(
                "{} lines have no billed cost: ask Cost Explorer for the metric UnblendedCost",
                self.not_billed
            ));
        }
        if self.ungrouped > 0 {
            sink.warn(format!(
                "{} lines do not say what they are grouped by: keep `GroupDefinitions` of the answer",
                self.ungrouped
            ));
        }
    }
}

/// Puts amounts where they belong.
fn measure(
    metrics: &BTreeMap<String, Metric>,
    line: &mut BilledLine,
    others: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    let amount = |name: &str, metric: &Metric| {
        decimal::canonical(&metric.amount).map_err(|problem| format!("`{name}.Amount` {problem}"))
    };
    let first = |names: &[&'static str]| names.iter().find_map(|name| Some((*name, metrics.get(*name)?)));
    for (names, column) in [(BILLED, &mut line.billed_cost), (EFFECTIVE, &mut line.effective_cost)] {
        if let Some((name, metric)) = first(names) {
            *column = Some(amount(name, metric)?);
        }
    }
    for (name, metric) in metrics {
        let number = amount(name, metric)?;
        let unit = metric.unit.as_deref().filter(|unit| !unit.is_empty() && *unit != "N/A");
        if name.ends_with("Cost") && line.billing_currency.is_none() {
            line.billing_currency = unit.map(str::to_owned);
        }
        match name.as_str() {
            "UsageQuantity" => {
                line.consumed_quantity = Some(number);
                line.consumed_unit = unit.map(str::to_owned);
            }
            name if BILLED.contains(&name) => {}
            name => {
                others.insert(name.to_owned(), number);
            }
        }
    }
    Ok(())
}

/// Puts the values that a group is of where they belong.
fn group(
    keys: &[String],
    definitions: &[GroupDefinition],
    names: &BTreeMap<String, String>,
    line: &mut BilledLine,
    others: &mut BTreeMap<String, String>,
) {
    let mut tags = BTreeMap::new();
    for (index, value) in keys.iter().enumerate() {
        let Some(definition) = definitions.get(index) else {
            others.insert(format!("Key {}", index + 1), value.clone());
            continue;
        };
        let column = DIMENSIONS.iter().find(|(key, _)| *key == definition.key).map(|(_, column)| *column);
        // Untagged is `Environment$`.
        let after_key = value.strip_prefix(&definition.key).and_then(|value| value.strip_prefix('$')).unwrap_or(value);
        match (definition.kind.as_str(), column.and_then(|column| line.column_mut(column))) {
            (_, _) if after_key.is_empty() => {}
            ("TAG", _) => {
                tags.insert(definition.key.clone(), after_key.to_owned());
            }
            ("DIMENSION", Some(column)) => {
                *column = Some(value.clone());
                if definition.key == "LINKED_ACCOUNT" {
                    line.sub_account_name = names.get(value).cloned();
                }
            }
            ("DIMENSION", None) if definition.key == "RECORD_TYPE" => {
                line.charge_category = category(value).map(str::to_owned);
                others.insert(definition.key.clone(), value.clone());
            }
            _ => {
                others.insert(definition.key.clone(), after_key.to_owned());
            }
        }
    }
    line.tags = billed::tags(&tags);
}

/// A charge type in the words of FOCUS.
fn category(record_type: &str) -> Option<&'static str> {
    Some(match record_type {
        "Usage" | "DiscountedUsage" | "SavingsPlanCoveredUsage" | "SavingsPlanNegation" => "Usage",
        "Recurring"
        | "Upfront"
        | "SavingsPlanRecurringFee"
        | "SavingsPlanUpfrontFee"
        | "Other out-of-cycle charges" => "Purchase",
        "Tax" => "Tax",
        "Credit" => "Credit",
        "Refund" => "Adjustment",
        other if other.ends_with("iscount") => "Adjustment",
        _ => return None,
    })
}

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

fn granularity(from_us: i64, to_us: i64) -> &'static str {
    match to_us.saturating_sub(from_us) {
        HOUR_US => "hourly",
        DAY_US => "daily",
        _ => "monthly",
    }
}
