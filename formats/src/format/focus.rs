//! Bills in FOCUS, the FinOps Open Cost and Usage Specification, of any provider: 1.0 to 1.3, and the names of 0.5 and
//! 1.0-preview. `paygrain export focus` writes them too, and what it writes is read back as it was.
//!
//! The specification knows no id of a row and equal rows are legitimate: a key is the content and how often it has
//! occurred. A delivery replaces the earlier ones of the same account and billing period.

use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::billed::{self, Columns, Copied, LineReader, Occurrences, Places, Row};
use crate::format::decimal::Number;
use crate::format::{Format, Origin, Recognition, Sink};
use crate::record::{BilledLine, EventTime, Export, Record, Usage};

const KIND: &str = "focus";

/// What some exports write where there is no value.
const NULL: &str = "NULL";

/// Columns of [`BilledLine`] that are not columns of FOCUS, or not only copied.
const NOT_COPIED: &[&str] = &["usage_type", "operation", "tags", "other_columns", "line_id"];

/// Other names of columns: of 1.3, and of 0.5 and 1.0-preview.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("provider_name", &["ServiceProviderName", "Provider"]),
    ("publisher_name", &["HostProviderName", "Publisher"]),
    ("invoice_issuer_name", &["InvoiceIssuer"]),
    ("region_name", &["Region"]),
    ("charge_category", &["ChargeType"]),
    ("billing_currency", &["BilledCurrency"]),
    ("effective_cost", &["AmortizedCost"]),
    ("consumed_quantity", &["UsageQuantity"]),
    ("consumed_unit", &["UsageUnit"]),
];

/// Without these a row cannot be told from any table.
const REQUIRED: &[&[&str]] = &[
    &["BilledCost"],
    &["BillingAccountId"],
    &["BillingCurrency", "BilledCurrency"],
    &["BillingPeriodStart"],
    &["ChargeCategory", "ChargeType"],
    &["ChargePeriodStart"],
    &["ServiceName"],
];

/// What every version since 1.0 demands beyond that.
const MANDATORY: &[&[&str]] = &[
    &["BillingAccountName"],
    &["BillingPeriodEnd"],
    &["ChargeClass"],
    &["ChargeDescription"],
    &["ChargePeriodEnd"],
    &["ContractedCost"],
    &["EffectiveCost"],
    &["InvoiceIssuerName"],
    &["ListCost"],
    &["PricingQuantity"],
    &["PricingUnit"],
    &["ProviderName", "ServiceProviderName"],
    &["PublisherName", "HostProviderName"],
    &["ServiceCategory"],
];

/// Columns in which `NULL` cannot be text.
const NEVER_TEXT: &[&str] = &[
    "BilledCost",
    "BillingPeriodEnd",
    "CapacityReservationStatus",
    "ChargeClass",
    "ChargeFrequency",
    "CommitmentDiscountCategory",
    "CommitmentDiscountStatus",
    "ConsumedQuantity",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "Tags",
];

/// `focus`.
pub struct Focus;

impl Format for Focus {
    fn name(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "bill in FOCUS, the FinOps Open Cost and Usage Specification, of any provider, CSV or Parquet"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let columns = Columns::of(&billed::names_of(head)?);
        let required = |names: &&&[&str]| names.iter().any(|name| columns.has(name));
        let found = REQUIRED.iter().filter(required).count();
        let is_focus = columns.has("BilledCost") && columns.has("ChargePeriodStart") && found + 2 >= REQUIRED.len();
        is_focus
            .then(|| Recognition { because: "it has the columns `BilledCost` and `ChargePeriodStart` of FOCUS".into() })
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
    without_period: u64,
    in_blocks: u64,
    bad_tags: u64,
    /// The first line of the file with such tags.
    bad_tags_at: Option<u64>,
}

/// Where the columns are.
#[derive(Default)]
struct Found {
    copied: Copied,
    never_text: Places,
    account: Places,
    period_from: Places,
    period_to: Places,
    charged_from: Places,
    charged_to: Places,
    provider: Places,
    usage_type: Places,
    operation: Places,
    tags: Places,
    /// Whether the columns that only AWS adds are there.
    is_aws: bool,
}

impl Found {
    fn of(columns: &Columns) -> Self {
        let mut copied = Copied::default();
        for (target, _) in BilledLine::COLUMNS.iter().filter(|(target, _)| !NOT_COPIED.contains(target)) {
            let others = OTHER_NAMES.iter().find(|(name, _)| name == target).map_or(&[][..], |(_, others)| *others);
            let names: Vec<&str> = std::iter::once(*target).chain(others.iter().copied()).collect();
            copied.add(columns, target, is_number(target), &names);
        }
        Found {
            copied,
            never_text: columns.find(NEVER_TEXT),
            account: columns.find(&["BillingAccountId"]),
            period_from: columns.find(&["BillingPeriodStart"]),
            period_to: columns.find(&["BillingPeriodEnd"]),
            charged_from: columns.find(&["ChargePeriodStart"]),
            charged_to: columns.find(&["ChargePeriodEnd"]),
            provider: columns.find(&[
                "ProviderName",
                "ServiceProviderName",
                "Provider",
                "InvoiceIssuerName",
                "InvoiceIssuer",
                "PublisherName",
                "HostProviderName",
                "Publisher",
            ]),
            usage_type: columns.find(&["x_UsageType"]),
            operation: columns.find(&["x_Operation"]),
            tags: columns.find(&["Tags"]),
            is_aws: columns.has("x_ServiceCode") && columns.has("x_Operation"),
        }
    }
}

fn is_number(target: &str) -> bool {
    ["_cost", "_quantity", "_price"].iter().any(|end| target.ends_with(end))
}

impl LineReader for Lines<'_> {
    fn null_word(&self) -> Option<(&'static str, &Places)> {
        Some((NULL, &self.places.never_text))
    }

    fn columns(&mut self, columns: &Columns, all: bool, sink: &mut dyn Sink) -> Result<(), IngestError> {
        self.places = Found::of(columns);
        self.missing = columns.require("FOCUS", REQUIRED).err();
        if !all {
            return Ok(());
        }
        if let Some(missing) = self.missing.take() {
            return Err(missing);
        }
        // Versions before 1.0 have fewer.
        if columns.has("ChargeCategory")
            && let Err(missing) = columns.require("FOCUS", MANDATORY)
        {
            sink.warn(format!("{missing}; what they would say is empty"));
        }
        Ok(())
    }

    fn line(&mut self, row: &Row<'_>, _: &mut dyn Sink) -> Result<Option<Record>, String> {
        if row.is_header() {
            return Ok(None);
        }
        let found = &self.places;
        let time = row.time(&found.charged_from)?.ok_or("`ChargePeriodStart` is empty, expected a time")?;
        let period_from = row.time(&found.period_from)?;
        let month = billed::month_of(time);
        let period_from_us =
            period_from.or(month.map(|(from, _)| from)).ok_or("`ChargePeriodStart` is out of range")?;
        let provider = match row.peek(&found.provider) {
            Some(name) => billed::provider_of(name),
            None if found.is_aws => "aws".into(),
            None => String::new(),
        };
        let account = row.text(&found.account).or(self.defaults.account.as_deref()).unwrap_or_default();
        let mut line = BilledLine {
            provider,
            export: Export { kind: KIND.into(), account: account.to_owned(), period_from_us, ..Export::default() },
            period_to_us: row.time(&found.period_to)?.or(month.filter(|_| period_from.is_none()).map(|(_, to)| to)),
            charged_to_us: row.time(&found.charged_to)?,
            // Columns of AWS, which stay among the others under their own names.
            usage_type: row.peek(&found.usage_type).map(str::to_owned),
            operation: row.peek(&found.operation).map(str::to_owned),
            ..BilledLine::default()
        };
        found.copied.fill(row, &mut line)?;
        if line.billed_cost.is_none() {
            return Err("`BilledCost` is empty, expected a number".to_owned());
        }
        match row.peek(&found.tags).map(billed::entries_of) {
            Some(Ok(entries)) => {
                row.text(&found.tags);
                line.tags = billed::tags(&entries);
            }
            Some(Err(_)) => {
                self.bad_tags += 1;
                self.bad_tags_at = self.bad_tags_at.or(row.line());
            }
            None => {}
        }
        line.other_columns = row.others();
        self.without_period += u64::from(period_from.is_none());
        self.in_blocks += u64::from(is_in_blocks(&line));
        let key = self.occurrences.key(KIND, row.hash());
        Ok(Some(Record { time: EventTime::Logged(time), key, usage: Usage::BilledLine(Box::new(line)) }))
    }
}

/// Whether the quantity is in blocks of 10,000 while the price is of one, so that they do not give the cost.
fn is_in_blocks(line: &BilledLine) -> bool {
    let number = |text: &Option<String>| Number::of(text.as_deref()?);
    let (cost, price, quantity) =
        (number(&line.list_cost), number(&line.list_unit_price), number(&line.pricing_quantity));
    let factor = Number::of("10000");
    let blocks = price.zip(quantity).and_then(|(price, quantity)| price.times(quantity)?.times(factor?));
    cost.zip(blocks).is_some_and(|(cost, blocks)| !cost.is_zero() && cost.is(blocks))
}

impl<'a> Lines<'a> {
    fn new(defaults: &'a Defaults) -> Self {
        Lines {
            defaults,
            places: Found::default(),
            occurrences: Occurrences::default(),
            missing: None,
            without_period: 0,
            in_blocks: 0,
            bad_tags: 0,
            bad_tags_at: None,
        }
    }

    fn finish(self, sink: &mut dyn Sink) -> Result<(), IngestError> {
        if self.without_period > 0 {
            sink.warn(format!(
                "{} rows have no `BillingPeriodStart`: they are of the month in which they were charged",
                self.without_period
            ));
        }
        if self.in_blocks > 0 {
            sink.warn(format!(
                "in {} rows `ListCost` is 10,000 times `ListUnitPrice` × `PricingQuantity`: the quantity is in blocks of 10,000, and kept as it is given",
                self.in_blocks
            ));
        }
        if self.bad_tags > 0 {
            sink.warn(billed::says_bad_tags(self.bad_tags, self.bad_tags_at));
        }
        self.missing.map_or(Ok(()), Err)
    }
}
