//! Cost and Usage Reports of AWS: the legacy report (`lineItem/UnblendedCost`) and CUR 2.0 of Data Exports
//! (`line_item_unblended_cost`), CSV or objects of Parquet rows, whatever columns they have.
//!
//! A report is delivered again and again until the month is final: a line is of the export of its payer and billing
//! period. Its key is the line item and the time interval, as a line item alone is there once for each hour; a line that
//! has neither is told apart by its content.
//!
//! The sum of `billed_cost` over all lines is the bill: usage that a savings plan covers is there at its full price, its
//! negation takes that away again, and the fee is what is paid.

use std::collections::BTreeSet;
use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::billed::{self, Columns, Copied, LineReader, Occurrences, Places, Row, number, text};
use crate::format::{Format, Origin, Recognition, Sink};
use crate::record::{BilledLine, EventTime, Export, Record, RecordKey, Usage};

mod charge;
mod manifest;

pub use manifest::CurManifest;

const KIND: &str = "aws-cur";

/// Columns of which two make a report.
const SIGNS: &[&str] = &[
    "lineItem/UnblendedCost",
    "lineItem/LineItemType",
    "lineItem/UsageAccountId",
    "lineItem/ProductCode",
    "lineItem/UsageStartDate",
    "lineItem/UsageAmount",
    "lineItem/BlendedCost",
    "identity/LineItemId",
    "bill/PayerAccountId",
];
const SIGNS_MIN: usize = 2;

/// Without these a line has no cost or no time.
const REQUIRED: &[&[&str]] = &[
    &["lineItem/UnblendedCost"],
    &["lineItem/UsageStartDate", "identity/TimeInterval", "bill/BillingPeriodStartDate"],
];

const COPIED: &[billed::Column] = &[
    number("billed_cost", &["lineItem/UnblendedCost"]),
    number("list_cost", &["pricing/publicOnDemandCost"]),
    number("list_unit_price", &["pricing/publicOnDemandRate"]),
    number("pricing_quantity", &["lineItem/UsageAmount"]),
    text("pricing_unit", &["pricing/unit"]),
    text("billing_currency", &["lineItem/CurrencyCode"]),
    text("charge_description", &["lineItem/LineItemDescription"]),
    text("service_name", &["product/ProductName", "product/servicename"]),
    text("region_id", &["product/regionCode", "product/region"]),
    text("region_name", &["product/location"]),
    text("availability_zone", &["lineItem/AvailabilityZone"]),
    text("resource_id", &["lineItem/ResourceId"]),
    text("sku_id", &["product/sku"]),
    text("sku_price_id", &["pricing/RateCode"]),
    text("usage_type", &["lineItem/UsageType"]),
    text("operation", &["lineItem/Operation"]),
    text("billing_account_name", &["bill/PayerAccountName"]),
    text("sub_account_id", &["lineItem/UsageAccountId"]),
    text("sub_account_name", &["lineItem/UsageAccountName"]),
    text("provider_name", &["bill/BillingEntity"]),
    text("publisher_name", &["lineItem/LegalEntity"]),
    text("invoice_issuer_name", &["bill/InvoicingEntity"]),
    text("invoice_id", &["bill/InvoiceId"]),
    text("capacity_reservation_id", &["capacityReservation/CapacityReservationArn"]),
    text("line_id", &["identity/LineItemId"]),
];

/// Values of the map `product` of CUR 2.0, where the columns of the legacy report are not there.
const OF_PRODUCT: &[(&str, &[&str])] = &[
    ("service_name", &["product_name", "servicename"]),
    ("region_id", &["region"]),
    ("region_name", &["location"]),
    ("sku_id", &["sku"]),
];

/// Names of unknown things that a warning lists.
const NAMES_MAX: usize = 5;

/// `aws-cur`.
pub struct AwsCur;

impl Format for AwsCur {
    fn name(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "AWS Cost and Usage Report, legacy or 2.0 (Data Exports): the bill line by line, CSV or Parquet"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let columns = Columns::of(&billed::names_of(head)?);
        if manifest::is_one(&columns) {
            return Some(Recognition { because: "it has the files of a Cost and Usage Report as its manifest".into() });
        }
        let found: Vec<&str> = SIGNS.iter().filter_map(|sign| columns.name_of(sign)).collect();
        let [first, second, ..] = *found.as_slice() else { return None };
        let because = format!("it has the columns `{first}` and `{second}` of a Cost and Usage Report");
        (found.len() >= SIGNS_MIN).then_some(Recognition { because })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut lines = Lines::new(origin.defaults);
        billed::read(input, None, &mut lines, sink)?;
        lines.finish(sink)
    }
}

/// Turns rows into lines.
struct Lines<'a> {
    defaults: &'a Defaults,
    places: Found,
    occurrences: Occurrences,
    /// Columns that no object has had so far.
    missing: Option<IngestError>,
    has_lines: bool,
    unknown_types: BTreeSet<String>,
    not_amortised: u64,
    bad_tags: u64,
    /// The first line of the file with such tags.
    bad_tags_at: Option<u64>,
}

/// Where the columns are.
#[derive(Default)]
struct Found {
    copied: Copied,
    payer: Places,
    period_from: Places,
    period_to: Places,
    used_from: Places,
    used_to: Places,
    interval: Places,
    line_item: Places,
    line_item_type: Places,
    split_of: Places,
    resource: Places,
    product_code: Places,
    product: Places,
    tag_map: Places,
    /// Columns of single tags and their keys.
    tags: Vec<(Places, String)>,
    charge: charge::Found,
    manifest: manifest::Found,
}

impl Found {
    fn of(columns: &Columns) -> Self {
        Found {
            copied: Copied::find(columns, COPIED),
            payer: columns.find(&["bill/PayerAccountId"]),
            period_from: columns.find(&["bill/BillingPeriodStartDate"]),
            period_to: columns.find(&["bill/BillingPeriodEndDate"]),
            used_from: columns.find(&["lineItem/UsageStartDate"]),
            used_to: columns.find(&["lineItem/UsageEndDate"]),
            interval: columns.find(&["identity/TimeInterval"]),
            line_item: columns.find(&["identity/LineItemId"]),
            line_item_type: columns.find(&["lineItem/LineItemType"]),
            split_of: columns.find(&["splitLineItem/ParentResourceId"]),
            resource: columns.find(&["lineItem/ResourceId"]),
            product_code: columns.find(&["lineItem/ProductCode"]),
            product: columns.find(&["product"]),
            tag_map: columns.find(&["resource_tags"]),
            tags: columns.iter().filter_map(|(place, name)| Some((Places::at(place), tag_key(name)?))).collect(),
            charge: charge::Found::of(columns),
            manifest: manifest::Found::of(columns),
        }
    }
}

/// The key of a tag in the name of its column: `resourceTags/user:team`, `resource_tags_user_team`,
/// `resource_tags.user_team`.
fn tag_key(name: &str) -> Option<String> {
    let rest = name.strip_prefix("resourceTags/").or_else(|| {
        let rest = name.strip_prefix("resource_tags")?;
        rest.strip_prefix(['_', '.', '/']).or_else(|| rest.strip_prefix("['")?.strip_suffix("']"))
    })?;
    (!rest.is_empty()).then(|| rest.to_owned())
}

impl LineReader for Lines<'_> {
    fn columns(&mut self, columns: &Columns, all: bool, _: &mut dyn Sink) -> Result<(), IngestError> {
        self.places = Found::of(columns);
        self.missing = columns.require("a Cost and Usage Report", REQUIRED).err();
        if all { self.missing.take().map_or(Ok(()), Err) } else { Ok(()) }
    }

    fn line(&mut self, row: &Row<'_>, sink: &mut dyn Sink) -> Result<Option<Record>, String> {
        if let Some(manifest) = self.places.manifest.read(row) {
            sink.warn(manifest?.says());
            return Ok(None);
        }
        if row.is_header() {
            return Ok(None);
        }
        let found = &self.places;
        let interval = row.peek(&found.interval).map(str::to_owned);
        let (interval_from, interval_to) = interval.as_deref().map_or((None, None), interval_of);
        let period_from = row.time(&found.period_from)?;
        let used_from = row.time(&found.used_from)?;
        let time = used_from.or(interval_from).or(period_from).ok_or_else(|| {
            "there is no time: expected a value in `lineItem/UsageStartDate`, `identity/TimeInterval` or `bill/BillingPeriodStartDate`".to_owned()
        })?;
        // A selection of columns may leave out the billing period: AWS bills calendar months in UTC.
        let month = billed::month_of(time);
        let period_from_us = period_from.or(month.map(|(from, _)| from)).ok_or("the time is out of range")?;
        let period_to_us = row.time(&found.period_to)?.or(month.filter(|_| period_from.is_none()).map(|(_, to)| to));
        let payer = row.text(&found.payer).or(self.defaults.account.as_deref()).unwrap_or_default().to_owned();
        let mut line = BilledLine {
            provider: "aws".into(),
            export: Export { kind: KIND.into(), account: payer, period_from_us, ..Export::default() },
            period_to_us,
            charged_to_us: row.time(&found.used_to)?.or(interval_to),
            ..BilledLine::default()
        };
        let key = match (row.peek(&found.line_item), interval.as_deref()) {
            (Some(line_item), Some(interval)) => RecordKey::of(&[
                Some(KIND),
                Some(&line.export.account),
                Some(&period_from_us.to_string()),
                Some(line_item),
                Some(&interval_key(interval)),
                // The parts that a line is split into, for each container of an instance.
                row.peek(&found.split_of).and(row.peek(&found.resource)),
            ]),
            _ => self.occurrences.key(KIND, row.hash()),
        };
        found.copied.fill(row, &mut line)?;
        self.complete(row, &mut line)?;
        self.has_lines = true;
        Ok(Some(Record { time: EventTime::Logged(time), key, usage: Usage::BilledLine(Box::new(line)) }))
    }
}

impl<'a> Lines<'a> {
    fn new(defaults: &'a Defaults) -> Self {
        Lines {
            defaults,
            places: Found::default(),
            occurrences: Occurrences::default(),
            missing: None,
            has_lines: false,
            unknown_types: BTreeSet::new(),
            not_amortised: 0,
            bad_tags: 0,
            bad_tags_at: None,
        }
    }

    /// What is not only copied.
    fn complete(&mut self, row: &Row<'_>, line: &mut BilledLine) -> Result<(), String> {
        let found = &self.places;
        // The type stays among the other columns: FOCUS has fewer of them.
        let line_item_type = row.peek(&found.line_item_type).unwrap_or_default();
        match charge::Charge::of(line_item_type) {
            Some(charge) => charge.describe(line),
            None if line_item_type.is_empty() => {}
            None => {
                self.unknown_types.insert(line_item_type.to_owned());
                if self.unknown_types.len() > NAMES_MAX {
                    self.unknown_types.pop_last();
                }
            }
        }
        found.charge.commitment(row, line_item_type, line);
        line.effective_cost = found.charge.effective_cost(row, line_item_type, line.billed_cost.as_deref())?;
        self.not_amortised += u64::from(line.effective_cost.is_none() && line.billed_cost.is_some());
        if line.charge_category.as_deref() == Some("Usage") {
            line.consumed_quantity.clone_from(&line.pricing_quantity);
            line.consumed_unit.clone_from(&line.pricing_unit);
        }
        if let Some(product) = row.peek(&found.product).and_then(|text| billed::entries_of(text).ok()) {
            for (target, keys) in OF_PRODUCT {
                if let Some(column) = line.column_mut(target).filter(|column| column.is_none()) {
                    *column = keys.iter().find_map(|key| product.get(*key)).filter(|value| !value.is_empty()).cloned();
                }
            }
        }
        if line.service_name.is_none() {
            line.service_name = row.peek(&found.product_code).map(str::to_owned);
        }
        if line.region_id.is_none() {
            line.region_id = line.availability_zone.as_deref().and_then(region_of_zone).map(str::to_owned);
        }
        match self.tags(row) {
            Ok(tags) => line.tags = tags,
            Err(_) => {
                self.bad_tags += 1;
                self.bad_tags_at = self.bad_tags_at.or(row.line());
            }
        }
        // Maps of nothing are no values.
        line.other_columns = row.others_without("{}");
        Ok(())
    }

    fn tags(&self, row: &Row<'_>) -> Result<Option<String>, String> {
        let mut tags = row.peek(&self.places.tag_map).map(billed::entries_of).transpose()?.unwrap_or_default();
        row.text(&self.places.tag_map);
        for (place, key) in &self.places.tags {
            if let Some(value) = row.text(place) {
                tags.insert(key.clone(), value.to_owned());
            }
        }
        Ok(billed::tags(&tags))
    }

    fn finish(self, sink: &mut dyn Sink) -> Result<(), IngestError> {
        if !self.unknown_types.is_empty() {
            let names: Vec<&str> = self.unknown_types.iter().map(String::as_str).collect();
            sink.warn(format!("line item types that are not known have no charge category: {}", names.join(", ")));
        }
        if self.not_amortised > 0 {
            sink.warn(format!(
                "{} lines of reservations and savings plans have no effective cost: the export lacks the columns that say it",
                self.not_amortised
            ));
        }
        if self.bad_tags > 0 {
            sink.warn(billed::says_bad_tags(self.bad_tags, self.bad_tags_at));
        }
        // A manifest has no lines and needs no columns.
        self.missing.filter(|_| self.has_lines).map_or(Ok(()), Err)
    }
}

/// Both ends of `2026-10-01T00:00:00Z/2026-10-01T01:00:00Z`.
fn interval_of(text: &str) -> (Option<i64>, Option<i64>) {
    let Some((from, to)) = text.split_once('/') else { return (None, None) };
    (billed::time(from), billed::time(to))
}

/// The same interval is one however it is written.
fn interval_key(text: &str) -> String {
    match interval_of(text) {
        (Some(from), Some(to)) => format!("{from}/{to}"),
        _ => text.to_owned(),
    }
}

/// `us-east-1` of `us-east-1a`. A local zone such as `us-west-2-lax-1a` does not say which region it is of.
fn region_of_zone(zone: &str) -> Option<&str> {
    let region = zone.strip_suffix(|last: char| last.is_ascii_lowercase())?;
    let (words, number) = region.rsplit_once('-')?;
    let is_number = number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && words.contains('-') && words.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
        .then_some(region)
}

#[cfg(test)]
mod tests {
    use super::{interval_key, region_of_zone, tag_key};

    #[test]
    fn zones_tell_their_region_or_nothing() {
        for (zone, region) in [
            ("us-east-1a", Some("us-east-1")),
            ("ap-southeast-2c", Some("ap-southeast-2")),
            ("us-gov-west-1b", Some("us-gov-west-1")),
            ("us-west-2-lax-1a", None),
            ("us-east-1", None),
            ("eastus", None),
            ("", None),
        ] {
            assert_eq!(region_of_zone(zone), region, "{zone}");
        }
    }

    #[test]
    fn columns_of_tags_have_their_keys() {
        for (name, key) in [
            ("resourceTags/user:Team A", Some("user:Team A")),
            ("resource_tags_user_team", Some("user_team")),
            ("resource_tags.user_team", Some("user_team")),
            ("resource_tags['user_team']", Some("user_team")),
            ("resource_tags", None),
            ("resourceTags/", None),
            ("costCategory/Team", None),
        ] {
            assert_eq!(tag_key(name).as_deref(), key, "{name}");
        }
    }

    #[test]
    fn an_interval_is_one_in_any_spelling() {
        let one = interval_key("2026-10-01T00:00:00Z/2026-10-01T01:00:00Z");
        assert_eq!(one, interval_key("2026-10-01T00:00:00.000Z/2026-10-01T01:00:00.000Z"));
        assert_eq!(interval_key("x/y"), "x/y");
    }
}
