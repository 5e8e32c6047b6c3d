//! Cost and usage reports of Oracle Cloud. Cost reports are lines of the bill; usage reports, which Oracle has stopped
//! writing, have quantities alone.

use std::collections::BTreeMap;
use std::io::BufRead;

use crate::Defaults;
use crate::error::IngestError;
use crate::format::billed::{self, Column, Columns, Copied, LineReader, Occurrences, Places, Row, number, text};
use crate::format::{Format, Origin, Recognition, Sink, decimal};
use crate::record::{BilledLine, EventTime, MeteredQuantity, Record, RecordKey, Usage};

const KIND: &str = "oci-cost";

/// Columns that are taken as they are.
const COPIED: &[Column] = &[
    text("service_name", &["product/service"]),
    text("usage_type", &["product/resource"]),
    text("charge_description", &["product/Description"]),
    text("sub_account_id", &["product/compartmentId"]),
    text("sub_account_name", &["product/compartmentName"]),
    text("region_id", &["product/region"]),
    text("availability_zone", &["product/availabilityDomain"]),
    text("resource_id", &["product/resourceId"]),
    text("sku_id", &["cost/productSku"]),
    text("billing_currency", &["cost/currencyCode"]),
    text("pricing_unit", &["cost/skuUnitDescription", "cost/billingUnitReadable"]),
    text("consumed_unit", &["usage/consumedQuantityUnits"]),
    number("pricing_quantity", &["usage/billedQuantity"]),
    number("consumed_quantity", &["usage/consumedQuantity"]),
    number("contracted_unit_price", &["cost/unitPrice"]),
];

/// Cost and usage reports of Oracle Cloud.
pub struct OciCost;

impl Format for OciCost {
    fn name(&self) -> &'static str {
        "oci-cost"
    }

    fn description(&self) -> &'static str {
        "Oracle Cloud cost reports (CSV), and the usage reports of before"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        if matches!(head.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return None;
        }
        let columns = Columns::of(&billed::names_of(head)?);
        let is_report = columns.has("lineItem/intervalUsageStart") && columns.has("product/service");
        is_report.then(|| Recognition { because: "it has the columns of an Oracle Cloud cost report".into() })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut lines = Lines {
            defaults: origin.defaults,
            occurrences: Occurrences::default(),
            copied: Copied::default(),
            wanted: Wanted::default(),
            has_cost: false,
        };
        billed::read(input, None, &mut lines, sink)
    }
}

/// Columns that are read one by one.
#[derive(Default)]
struct Wanted {
    reference: Places,
    tenant: Places,
    start: Places,
    end: Places,
    cost: Places,
    is_correction: Places,
    quantity: Places,
    tags: Vec<(String, Places)>,
}

struct Lines<'a> {
    defaults: &'a Defaults,
    occurrences: Occurrences,
    copied: Copied,
    wanted: Wanted,
    has_cost: bool,
}

impl LineReader for Lines<'_> {
    fn columns(&mut self, columns: &Columns, all: bool, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let amounts = ["cost/myCost", "usage/consumedQuantity", "usage/billedQuantity"];
        columns.require("an Oracle Cloud report", &[&["lineItem/intervalUsageStart"], &amounts])?;
        self.has_cost = columns.has("cost/myCost");
        if all && !self.has_cost {
            let problem =
                "this is a usage report, which has quantities and no costs: they are kept as metered quantities";
            sink.warn(format!("{problem}; ingest the cost reports for what Oracle bills"));
        }
        self.copied = Copied::find(columns, COPIED);
        let tag = |(place, name): (usize, &str)| {
            let begins = name.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case("tags/"));
            begins.then(|| (name.get(5..).unwrap_or_default().to_owned(), Places::at(place)))
        };
        self.wanted = Wanted {
            reference: columns.find(&["lineItem/referenceNo"]),
            tenant: columns.find(&["lineItem/tenantId"]),
            start: columns.find(&["lineItem/intervalUsageStart"]),
            end: columns.find(&["lineItem/intervalUsageEnd"]),
            cost: columns.find(&["cost/myCost"]),
            is_correction: columns.find(&["lineItem/isCorrection"]),
            quantity: columns.find(&["usage/consumedQuantity", "usage/billedQuantity"]),
            tags: columns.iter().filter_map(tag).collect(),
        };
        Ok(())
    }

    fn line(&mut self, row: &Row<'_>, _: &mut dyn Sink) -> Result<Option<Record>, String> {
        let wanted = &self.wanted;
        if row.is_header() {
            return Ok(None);
        }
        let time = row.time(&wanted.start)?.ok_or("there is no `lineItem/intervalUsageStart`")?;
        let end = row.time(&wanted.end)?;
        let mut line = BilledLine { provider: "oci".into(), charged_to_us: end, ..BilledLine::default() };
        self.copied.fill(row, &mut line)?;
        let account = row.text(&wanted.tenant).map(str::to_owned).or_else(|| self.defaults.account.clone());
        line.line_id = row.text(&wanted.reference).map(str::to_owned);
        let key = match &line.line_id {
            Some(reference) => RecordKey::of(&[Some(KIND), Some("line"), Some(reference)]),
            None => self.occurrences.key(KIND, row.hash()),
        };
        let usage = if self.has_cost {
            self.billed(row, time, account, &mut line)?;
            Usage::BilledLine(Box::new(line))
        } else {
            Usage::MeteredQuantity(Box::new(self.metered(row, account, line)?))
        };
        Ok(Some(Record { time: EventTime::Logged(time), key, usage }))
    }
}

impl Lines<'_> {
    fn billed(&self, row: &Row<'_>, time: i64, account: Option<String>, line: &mut BilledLine) -> Result<(), String> {
        let wanted = &self.wanted;
        let (from, to) = billed::month_of(time).ok_or("the month of `lineItem/intervalUsageStart` is out of range")?;
        line.export.kind = KIND.into();
        line.export.account = account.unwrap_or_default();
        line.export.period_from_us = from;
        // A report is what is new of some hours; a line that changes comes again as a correction.
        line.export.adds = true;
        line.period_to_us = Some(to);
        line.billed_cost = Some(row.amount(&wanted.cost)?.ok_or("there is no `cost/myCost`")?);
        line.charge_category = Some("Usage".into());
        let corrects = row.text(&wanted.is_correction).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        line.charge_class = corrects.then(|| "Correction".into());
        line.provider_name = Some("Oracle".into());
        line.sub_account_type = line.sub_account_id.as_ref().map(|_| "Compartment".into());
        let tags = wanted.tags.iter().filter_map(|(name, places)| Some((name.clone(), row.text(places)?.to_owned())));
        line.tags = billed::tags(&tags.collect::<BTreeMap<_, _>>());
        line.other_columns = row.others();
        Ok(())
    }

    fn metered(&self, row: &Row<'_>, account: Option<String>, line: BilledLine) -> Result<MeteredQuantity, String> {
        let name = row.name(&self.wanted.quantity);
        let quantity = row.peek(&self.wanted.quantity).ok_or_else(|| format!("there is no `{name}`"))?;
        let quantity = decimal::exact_wide(quantity.trim(), i32::from(MeteredQuantity::SCALE))
            .map_err(|problem| format!("`{name}` {problem}"))?;
        let mut metered = MeteredQuantity {
            provider: "oracle".into(),
            service: line.service_name.unwrap_or_default().to_lowercase().replace([' ', '_'], "-"),
            account,
            region: line.region_id,
            resource: line.resource_id,
            meter: line.usage_type,
            quantity: Some(quantity),
            unit: line.consumed_unit,
            ..MeteredQuantity::default()
        };
        self.defaults.complete_metered_quantity(&mut metered);
        Ok(metered)
    }
}
