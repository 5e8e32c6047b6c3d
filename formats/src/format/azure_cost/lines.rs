//! The lines of an Azure export, once it is known how the file is written.

use std::collections::BTreeMap;

use chrono::{DateTime, Days};

use super::blocks::Blocks;
use super::numbers::with_point;
use super::survey::Conventions;
use super::{
    BENEFIT, CHARGE_TYPE, COST, DATE, PERIOD_FROM, PERIOD_TO, PRICE, PRICING_MODEL, QUANTITY, SUBSCRIPTION, days,
};
use crate::Defaults;
use crate::error::IngestError;
use crate::format::billed::{self, Column, Columns, Copied, LineReader, Occurrences, Places, Row, text};
use crate::format::{Sink, decimal};
use crate::record::{BilledLine, EventTime, Export, Record, Usage};

/// Columns that are taken as they are.
const COPIED: &[Column] = &[
    text("billing_account_name", &["BillingAccountName"]),
    text("sub_account_id", SUBSCRIPTION),
    text("sub_account_name", &["SubscriptionName"]),
    text("charge_description", &["Product", "ProductName"]),
    text("service_name", &["MeterCategory", "ServiceName"]),
    text("service_category", &["ServiceFamily"]),
    text("service_subcategory", &["MeterSubCategory"]),
    text("sku_id", &["MeterId"]),
    text("sku_price_id", &["PartNumber", "ProductId"]),
    text("sku_meter", &["MeterName"]),
    text("availability_zone", &["AvailabilityZone"]),
    text("resource_id", &["ResourceId", "InstanceId", "InstanceName"]),
    text("resource_name", &["ResourceName"]),
    text("resource_type", &["ResourceType"]),
    text("pricing_unit", &["UnitOfMeasure"]),
    text("pricing_currency", &["PricingCurrency", "PricingCurrencyCode"]),
    text("billing_currency", &["BillingCurrency", "BillingCurrencyCode", "Currency"]),
    text("publisher_name", &["PublisherName"]),
    text("invoice_issuer_name", &["PartnerName"]),
    text("invoice_id", &["InvoiceId"]),
    text("commitment_discount_id", BENEFIT),
    text("commitment_discount_name", &["BenefitName", "ReservationName"]),
];

/// What Azure writes for nothing.
const UNASSIGNED: &str = "Unassigned";

/// Columns that are read one by one.
#[derive(Default)]
struct Wanted {
    account: Places,
    date: Places,
    period_from: Places,
    period_to: Places,
    cost: Places,
    list_cost: Places,
    quantity: Places,
    price: Places,
    unit_price: Places,
    list_price: Places,
    charge_type: Places,
    frequency: Places,
    pricing_model: Places,
    resource_location: Places,
    location: Places,
    tags: Places,
    additional_info: Places,
}

/// The second reading.
pub(super) struct Lines<'a> {
    conventions: Conventions,
    defaults: &'a Defaults,
    occurrences: Occurrences,
    blocks: Blocks,
    copied: Copied,
    wanted: Wanted,
    cost_is_usd: bool,
    is_usage_only: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(conventions: Conventions, defaults: &'a Defaults) -> Self {
        Lines {
            conventions,
            defaults,
            occurrences: Occurrences::default(),
            blocks: Blocks::default(),
            copied: Copied::default(),
            wanted: Wanted::default(),
            cost_is_usd: false,
            is_usage_only: false,
        }
    }

    /// What was seen of quantities, prices and costs.
    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }
}

impl LineReader for Lines<'_> {
    fn columns(&mut self, columns: &Columns, _: bool, _: &mut dyn Sink) -> Result<(), IngestError> {
        columns.require("an Azure cost export", &[DATE, COST])?;
        let cost = COST.iter().find(|name| columns.has(name)).copied().unwrap_or_default();
        self.cost_is_usd = cost == "CostInUsd";
        self.is_usage_only =
            !columns.has("ChargeType") && ["UsageDateTime", "UsageQuantity"].iter().any(|name| columns.has(name));
        self.copied = Copied::find(columns, COPIED);
        self.wanted = Wanted {
            account: columns.find(&["BillingAccountId"]),
            date: columns.find(DATE),
            period_from: columns.find(PERIOD_FROM),
            period_to: columns.find(PERIOD_TO),
            cost: columns.find(&[cost]),
            list_cost: columns.find(&["PaygCostInBillingCurrency"]),
            quantity: columns.find(QUANTITY),
            price: columns.find(PRICE),
            unit_price: columns.find(&["UnitPrice"]),
            list_price: columns.find(&["PayGPrice"]),
            charge_type: columns.find(CHARGE_TYPE),
            frequency: columns.find(&["Frequency"]),
            pricing_model: columns.find(PRICING_MODEL),
            resource_location: columns.find(&["ResourceLocation"]),
            location: columns.find(&["Location"]),
            tags: columns.find(&["Tags"]),
            additional_info: columns.find(&["AdditionalInfo"]),
        };
        Ok(())
    }

    fn line(&mut self, row: &Row<'_>, _: &mut dyn Sink) -> Result<Option<Record>, String> {
        if row.is_header() {
            return Ok(None);
        }
        let mut line = BilledLine { provider: "azure".into(), ..BilledLine::default() };
        let date = self
            .day(row, &self.wanted.date)?
            .ok_or_else(|| format!("`{}` is empty, expected a day", row.name(&self.wanted.date)))?;
        self.period(row, date, &mut line)?;
        line.charged_to_us = after(date, 1);
        self.copied.fill(row, &mut line)?;
        self.costs(row, &mut line)?;
        self.charge(row, &mut line);
        self.place(row, &mut line);
        self.details(row, &mut line);
        line.provider_name = Some("Microsoft".into());
        let subscription = line.sub_account_id.clone();
        line.sub_account_type = subscription.as_ref().map(|_| "Subscription".into());
        let kind = if self.conventions.is_amortized { "azure-amortized" } else { "azure-actual" };
        let account = row
            .text(&self.wanted.account)
            .map(str::to_owned)
            .or(subscription)
            .or_else(|| self.defaults.account.clone());
        line.export.kind = kind.into();
        line.export.account = account.unwrap_or_default();
        line.other_columns = row.others();
        let key = self.occurrences.key(kind, row.hash());
        Ok(Some(Record { time: EventTime::Logged(date), key, usage: Usage::BilledLine(Box::new(line)) }))
    }
}

impl Lines<'_> {
    fn day(&self, row: &Row<'_>, places: &Places) -> Result<Option<i64>, String> {
        let Some(text) = row.text(places) else { return Ok(None) };
        match days::day(text, self.conventions.order) {
            Some(day) => Ok(Some(day)),
            None => Err(format!("`{}` is `{text}`, expected a day such as 10/31/2026 or 2026-10-31", row.name(places))),
        }
    }

    /// A number in the file's own writing, as plain decimal.
    fn number(&self, row: &Row<'_>, places: &Places) -> Result<Option<String>, String> {
        let Some(text) = row.text(places) else { return Ok(None) };
        let wrong = |problem: String| format!("`{}` {problem}", row.name(places));
        let number = with_point(text, self.conventions.mark)
            .ok_or_else(|| wrong(format!("is `{text}`, expected a number such as 1.234,56")))?;
        decimal::canonical(&number).map(Some).map_err(wrong)
    }

    fn period(&self, row: &Row<'_>, date: i64, line: &mut BilledLine) -> Result<(), String> {
        let (from, to) = (self.day(row, &self.wanted.period_from)?, self.day(row, &self.wanted.period_to)?);
        let (month, next) = billed::month_of(date).ok_or("the month of the day is out of range")?;
        line.export = Export { period_from_us: from.unwrap_or(month), ..Export::default() };
        // The last day of the period is given, and belongs to it.
        line.period_to_us = match (from, to) {
            (_, Some(to)) => after(to, 1),
            (None, None) => Some(next),
            (Some(_), None) => None,
        };
        Ok(())
    }

    fn costs(&mut self, row: &Row<'_>, line: &mut BilledLine) -> Result<(), String> {
        let cost = self.number(row, &self.wanted.cost)?;
        let cost = cost.ok_or_else(|| format!("`{}` is empty, expected a number", row.name(&self.wanted.cost)))?;
        if self.cost_is_usd {
            line.billing_currency = Some("USD".into());
        }
        line.list_cost = self.number(row, &self.wanted.list_cost)?;
        line.pricing_quantity = self.number(row, &self.wanted.quantity)?;
        let (unit_price, list_price) =
            (self.number(row, &self.wanted.unit_price)?, self.number(row, &self.wanted.list_price)?);
        // Prices are those of the price list, in its currency.
        let foreign = line.pricing_currency.is_some() && line.pricing_currency != line.billing_currency;
        if foreign {
            line.pricing_currency_contracted_unit_price = unit_price;
            line.pricing_currency_list_unit_price = list_price;
        } else {
            line.contracted_unit_price = unit_price;
            line.list_unit_price = list_price;
            let price = row.peek(&self.wanted.price).and_then(|text| with_point(text, self.conventions.mark));
            let price = price.and_then(|price| decimal::canonical(&price).ok());
            if let (Some(quantity), Some(price)) = (&line.pricing_quantity, price) {
                self.blocks.take(line.pricing_unit.as_deref().unwrap_or_default(), quantity, &price, &cost);
            }
        }
        let column = if self.conventions.is_amortized { &mut line.effective_cost } else { &mut line.billed_cost };
        *column = Some(cost);
        Ok(())
    }

    fn charge(&self, row: &Row<'_>, line: &mut BilledLine) {
        let set = |word: &str| Some(word.to_owned());
        let charge_type = row.peek(&self.wanted.charge_type).map(str::to_ascii_lowercase);
        line.charge_category = match charge_type.as_deref() {
            Some("usage" | "unusedreservation" | "unusedsavingsplan") => set("Usage"),
            Some("purchase") => set("Purchase"),
            Some("tax") => set("Tax"),
            Some("credit") => set("Credit"),
            Some(_) => set("Adjustment"),
            None => self.is_usage_only.then(|| "Usage".to_owned()),
        };
        if matches!(charge_type.as_deref(), Some("usage" | "purchase" | "tax" | "credit")) {
            row.text(&self.wanted.charge_type);
        }
        let frequency = row.peek(&self.wanted.frequency).map(str::to_ascii_lowercase);
        line.charge_frequency = match frequency.as_deref() {
            Some("usagebased") => set("Usage-Based"),
            Some("recurring") => set("Recurring"),
            Some("onetime") => set("One-Time"),
            _ => None,
        };
        if line.charge_frequency.is_some() {
            row.text(&self.wanted.frequency);
        }
        let model = row.text(&self.wanted.pricing_model).map(str::to_ascii_lowercase);
        line.pricing_category = match model.as_deref() {
            Some("ondemand") => set("Standard"),
            Some("reservation" | "savingsplan") => set("Committed"),
            Some("spot") => set("Dynamic"),
            Some(_) => set("Other"),
            None => None,
        };
        (line.commitment_discount_type, line.commitment_discount_category) = match model.as_deref() {
            Some("reservation") => (set("Reservation"), set("Usage")),
            Some("savingsplan") => (set("Savings Plan"), set("Spend")),
            _ => (None, None),
        };
        line.commitment_discount_status = match charge_type.as_deref() {
            Some("unusedreservation" | "unusedsavingsplan") => set("Unused"),
            Some("usage") if line.commitment_discount_id.is_some() => set("Used"),
            _ => None,
        };
    }

    /// Regions are written as in the API (`EastUS2`) or in words (`US East 2`).
    fn place(&self, row: &Row<'_>, line: &mut BilledLine) {
        let known = |text: &&str| *text != UNASSIGNED;
        let resource_location = row.text(&self.wanted.resource_location).filter(known);
        line.region_name = row.text(&self.wanted.location).filter(known).map(str::to_owned);
        match resource_location {
            Some(words) if words.contains(' ') => {
                line.region_name.get_or_insert_with(|| words.to_owned());
            }
            Some(name) => line.region_id = Some(name.to_lowercase()),
            None => {}
        }
        for column in ["charge_description", "service_name", "service_subcategory", "sku_meter"] {
            if let Some(column) = line.column_mut(column)
                && column.as_deref() == Some(UNASSIGNED)
            {
                *column = None;
            }
        }
    }

    /// Tags and the description of the SKU are objects, with or without their braces; what is none stays as it is.
    fn details(&self, row: &Row<'_>, line: &mut BilledLine) {
        let object = |places: &Places| {
            let entries = entries_of(row.peek(places)?)?;
            row.text(places);
            billed::tags(&entries)
        };
        line.tags = object(&self.wanted.tags);
        line.sku_price_details = object(&self.wanted.additional_info);
    }
}

fn entries_of(text: &str) -> Option<BTreeMap<String, String>> {
    billed::entries_of(text).or_else(|_| billed::entries_of(&format!("{{{text}}}"))).ok()
}

fn after(from: i64, days: u64) -> Option<i64> {
    Some(DateTime::from_timestamp_micros(from)?.checked_add_days(Days::new(days))?.timestamp_micros())
}
