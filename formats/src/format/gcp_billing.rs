//! Billing exports of Google Cloud: rows of the standard or detailed BigQuery export as CSV with dotted names or as JSON.
//!
//! A row has its cost and the credits against it; they become a line each, so that both show and their sum is what is
//! billed.

use std::collections::BTreeMap;
use std::io::BufRead;

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeZone};
use chrono_tz::America::Los_Angeles;
use serde_json::value::RawValue;

use crate::Defaults;
use crate::error::IngestError;
use crate::format::billed::{self, Column, Columns, Copied, LineReader, Occurrences, Places, Row, number, text};
use crate::format::{Format, Origin, Recognition, Sink, decimal};
use crate::record::{BilledLine, EventTime, Record, RecordKey, Usage};

mod repr;

const KIND: &str = "gcp-billing";

/// Columns that are taken as they are.
const COPIED: &[Column] = &[
    text("service_name", &["service.description"]),
    text("sku_id", &["sku.id"]),
    text("charge_description", &["sku.description"]),
    text("sub_account_id", &["project.id"]),
    text("sub_account_name", &["project.name"]),
    text("region_id", &["location.region"]),
    text("region_name", &["location.location"]),
    text("availability_zone", &["location.zone"]),
    text("resource_id", &["resource.global_name"]),
    text("resource_name", &["resource.name"]),
    text("billing_currency", &["currency"]),
    text("consumed_unit", &["usage.unit"]),
    text("pricing_unit", &["usage.pricing_unit"]),
    number("consumed_quantity", &["usage.amount"]),
    number("pricing_quantity", &["usage.amount_in_pricing_units"]),
    number("list_cost", &["cost_at_list"]),
    number("contracted_unit_price", &["price.effective_price"]),
    number("list_unit_price", &["price.list_price"]),
];

/// Billing exports of Google Cloud.
pub struct GcpBilling;

impl Format for GcpBilling {
    fn name(&self) -> &'static str {
        "gcp-billing"
    }

    fn description(&self) -> &'static str {
        "Google Cloud billing export (BigQuery, standard or detailed) as CSV or JSON"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let columns = Columns::of(&billed::names_of(head)?);
        let any = |names: &[&str]| names.iter().any(|name| columns.has(name));
        let is_billing = any(&["billing_account_id"])
            && any(&["usage_start_time"])
            && any(&["cost"])
            && any(&["sku.id", "sku"])
            && any(&["invoice.month", "invoice"]);
        is_billing.then(|| Recognition { because: "it has the columns of a Google Cloud billing export".into() })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut lines = Lines {
            defaults: origin.defaults,
            occurrences: Occurrences::default(),
            copied: Copied::default(),
            wanted: Wanted::default(),
            credits: Vec::new(),
        };
        billed::read(input, None, &mut lines, sink)
    }
}

/// Columns that are read one by one.
#[derive(Default)]
struct Wanted {
    account: Places,
    usage_start: Places,
    usage_end: Places,
    export_time: Places,
    invoice_month: Places,
    cost: Places,
    cost_type: Places,
    conversion_rate: Places,
    adjustment_mode: Places,
    credits: Places,
    labels: Places,
}

struct Lines<'a> {
    defaults: &'a Defaults,
    occurrences: Occurrences,
    copied: Copied,
    wanted: Wanted,
    /// Of the row at hand.
    credits: Vec<Record>,
}

impl LineReader for Lines<'_> {
    fn columns(&mut self, columns: &Columns, all: bool, _: &mut dyn Sink) -> Result<(), IngestError> {
        if all {
            let required = [&["usage_start_time"][..], &["cost"], &["invoice.month"]];
            columns.require("a Google Cloud billing export", &required)?;
        }
        self.copied = Copied::find(columns, COPIED);
        self.wanted = Wanted {
            account: columns.find(&["billing_account_id"]),
            usage_start: columns.find(&["usage_start_time"]),
            usage_end: columns.find(&["usage_end_time"]),
            export_time: columns.find(&["export_time"]),
            invoice_month: columns.find(&["invoice.month"]),
            cost: columns.find(&["cost"]),
            cost_type: columns.find(&["cost_type"]),
            conversion_rate: columns.find(&["currency_conversion_rate"]),
            adjustment_mode: columns.find(&["adjustment_info.mode"]),
            credits: columns.find(&["credits"]),
            labels: columns.find(&["labels"]),
        };
        Ok(())
    }

    fn line(&mut self, row: &Row<'_>, _: &mut dyn Sink) -> Result<Option<Record>, String> {
        self.credits.clear();
        let wanted = &self.wanted;
        if row.is_header() {
            return Ok(None);
        }
        let mut line = BilledLine { provider: "gcp".into(), ..BilledLine::default() };
        let time = row.time(&wanted.usage_start)?.ok_or("there is no `usage_start_time`")?;
        line.charged_to_us = row.time(&wanted.usage_end)?;
        let month = row.text(&wanted.invoice_month).ok_or("there is no `invoice.month`")?;
        let (from, to) =
            month_of(month).ok_or_else(|| format!("`invoice.month` is `{month}`, expected a month such as 202610"))?;
        let account = row.text(&wanted.account).map(str::to_owned).or_else(|| self.defaults.account.clone());
        line.export.kind = KIND.into();
        line.export.account = account.unwrap_or_default();
        line.export.period_from_us = from;
        // People extract windows of days; a later one replaces the days it has.
        line.export.day = day_of(time);
        line.period_to_us = Some(to);
        self.copied.fill(row, &mut line)?;
        line.billed_cost = Some(row.amount(&wanted.cost)?.ok_or("there is no `cost`")?);
        line.sku_meter.clone_from(&line.charge_description);
        line.provider_name = Some("Google Cloud".into());
        line.sub_account_type = line.sub_account_id.as_ref().map(|_| "Project".into());
        charge(wanted, row, &mut line);
        line.tags = match row.text(&wanted.labels) {
            Some(labels) => tags_of(labels).map_err(|problem| format!("`labels` cannot be read: {problem}"))?,
            None => None,
        };
        let credits = match row.text(&wanted.credits) {
            Some(credits) => objects_of(credits).map_err(|problem| format!("`credits` cannot be read: {problem}"))?,
            None => Vec::new(),
        };
        let others = others(wanted, row)?;
        line.other_columns = billed::tags(&others);
        let key = self.occurrences.key(KIND, content_of(time, &line, &credits));
        let lines: Result<Vec<_>, String> = credits.iter().map(|credit| credited(&line, credit, &others)).collect();
        for (place, line) in lines?.into_iter().enumerate() {
            let key = RecordKey::of(&[Some("credit"), Some(&hex::encode(key.0)), Some(&place.to_string())]);
            let usage = Usage::BilledLine(Box::new(line));
            self.credits.push(Record { time: EventTime::Logged(time), key, usage });
        }
        Ok(Some(Record { time: EventTime::Logged(time), key, usage: Usage::BilledLine(Box::new(line)) }))
    }

    fn further(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.credits)
    }

    fn flattens(&self) -> bool {
        true
    }
}

/// What kind of charge it is. `rounding_error` stays among the other columns.
fn charge(wanted: &Wanted, row: &Row<'_>, line: &mut BilledLine) {
    let category = match row.peek(&wanted.cost_type) {
        Some("regular") => {
            row.text(&wanted.cost_type);
            "Usage"
        }
        Some("tax") => "Tax",
        Some(_) => "Adjustment",
        None => return,
    };
    line.charge_category = Some(category.into());
    let corrects = matches!(row.peek(&wanted.adjustment_mode), Some("COMPLETE_NEGATION" | "PARTIAL_CORRECTION"));
    line.charge_class = corrects.then(|| "Correction".into());
}

/// One credit as a line beside that of the cost.
fn credited(
    line: &BilledLine,
    credit: &BTreeMap<String, String>,
    others: &BTreeMap<String, String>,
) -> Result<BilledLine, String> {
    let amount = credit.get("amount").ok_or("there is a credit without an `amount`")?;
    let amount = decimal::canonical(amount).map_err(|problem| format!("`credits.amount` {problem}"))?;
    let mut others = others.clone();
    others.extend(
        credit
            .iter()
            .filter(|(name, _)| *name != "amount")
            .map(|(name, value)| (format!("credit.{name}"), value.clone())),
    );
    Ok(BilledLine {
        billed_cost: Some(amount),
        charge_category: Some("Credit".into()),
        charge_description: credit.get("full_name").or_else(|| credit.get("name")).cloned(),
        list_cost: None,
        consumed_quantity: None,
        consumed_unit: None,
        pricing_quantity: None,
        pricing_unit: None,
        list_unit_price: None,
        contracted_unit_price: None,
        other_columns: billed::tags(&others),
        ..line.clone()
    })
}

/// The columns that nobody asked for, lists in one writing and without those that are empty.
fn others(wanted: &Wanted, row: &Row<'_>) -> Result<BTreeMap<String, String>, String> {
    let export_time = row.time(&wanted.export_time)?;
    let rate = row.amount(&wanted.conversion_rate)?;
    let mut others = row.others().map_or_else(|| Ok(BTreeMap::new()), |others| billed::entries_of(&others))?;
    others.retain(|_, value| value != "[]");
    for value in others.values_mut().filter(|value| value.starts_with('[')) {
        if let Ok(objects) = objects_of(value) {
            let objects: Vec<_> = objects.iter().filter_map(billed::tags).collect();
            *value = format!("[{}]", objects.join(","));
        }
    }
    let written = export_time.and_then(DateTime::from_timestamp_micros);
    let written = written.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    others.extend(written.map(|time| ("export_time".to_owned(), time)));
    others.extend(rate.map(|rate| ("currency_conversion_rate".to_owned(), rate)));
    Ok(others)
}

/// What is in a row, in whichever way it is written.
fn content_of(time: i64, line: &BilledLine, credits: &[BTreeMap<String, String>]) -> RecordKey {
    let times = [Some(time), line.charged_to_us, Some(line.export.period_from_us)].map(|time| format!("{time:?}"));
    let credits: Vec<_> = credits.iter().map(billed::tags).collect();
    let columns = BilledLine::COLUMNS.iter().map(|(_, value)| value(line));
    let parts = times.iter().map(|time| Some(time.as_str())).chain([Some(line.export.account.as_str())]);
    RecordKey::of(&parts.chain(columns).chain(credits.iter().map(Option::as_deref)).collect::<Vec<_>>())
}

/// The first midnight of a month and of the next, where Google's months begin.
fn month_of(text: &str) -> Option<(i64, i64)> {
    if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month): (i32, u32) = (text.get(..4)?.parse().ok()?, text.get(4..)?.parse().ok()?);
    let begins = |year: i32, month: u32| {
        Los_Angeles.with_ymd_and_hms(year, month, 1, 0, 0, 0).earliest().map(|time| time.timestamp_micros())
    };
    let next = if month == 12 { begins(year + 1, 1) } else { begins(year, month + 1) };
    Some((begins(year, month)?, next?))
}

/// The provider's day of an instant, in days since 1970.
fn day_of(time_us: i64) -> Option<i32> {
    let day = DateTime::from_timestamp_micros(time_us)?.with_timezone(&Los_Angeles).date_naive();
    i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Labels are a list of keys and values.
fn tags_of(labels: &str) -> Result<Option<String>, String> {
    let mut tags = BTreeMap::new();
    for mut label in objects_of(labels)? {
        let key = label.remove("key").ok_or("there is a label without a `key`")?;
        tags.insert(key, label.remove("value").unwrap_or_default());
    }
    Ok(billed::tags(&tags))
}

/// A list of objects, as JSON or as Python prints it.
fn objects_of(text: &str) -> Result<Vec<BTreeMap<String, String>>, String> {
    let json = match serde_json::from_str::<Vec<Box<RawValue>>>(text) {
        Ok(list) => list,
        Err(json_problem) => {
            let json = repr::json_of(text).map_err(|problem| format!("{problem} (as JSON: {json_problem})"))?;
            serde_json::from_str(&json).map_err(|error| error.to_string())?
        }
    };
    json.iter().map(|object| billed::entries_of(object.get())).collect()
}
