//! Cost exports of Azure: enterprise agreements, customer agreements, pay as you go and partners, actual or amortised.
//!
//! The same bill comes under many headers, in the numbers and days of any language, and no column says which. So a file
//! is read twice: first for what it proves as a whole, then for its lines.

use std::io::{BufRead, BufReader, Read, Seek, Write};

use tempfile::SpooledTempFile;

use crate::decompress::available;
use crate::error::IngestError;
use crate::format::{Format, Origin, Recognition, Sink, billed};
use crate::record::{Record, RejectedRow};

mod blocks;
mod days;
mod lines;
mod manifest;
mod numbers;
mod survey;

pub use manifest::{Blob, DeliveryConfig, ExportConfig, Manifest, RunInfo};

/// Of a file that is read twice, so much stays in memory, in bytes; larger ones go to a temporary file.
const MEMORY_BYTES_MAX: usize = 16 << 20;
/// Largest manifest, in bytes.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;

const DATE: &[&str] = &["Date", "UsageDateTime", "UsageDate"];
/// The first that a file has counts, for all of its rows: they may be of different currencies.
const COST: &[&str] = &["Cost", "CostInBillingCurrency", "PreTaxCost", "ExtendedCost", "CostInUsd"];
const QUANTITY: &[&str] = &["Quantity", "UsageQuantity", "ConsumedQuantity"];
const PRICE: &[&str] = &["EffectivePrice", "ResourceRate"];
const SUBSCRIPTION: &[&str] = &["SubscriptionId", "SubscriptionGuid"];
const PERIOD_FROM: &[&str] = &["BillingPeriodStartDate", "BillingPeriodStart"];
const PERIOD_TO: &[&str] = &["BillingPeriodEndDate", "BillingPeriodEnd"];
const CHARGE_TYPE: &[&str] = &["ChargeType"];
const PRICING_MODEL: &[&str] = &["PricingModel"];
const BENEFIT: &[&str] = &["BenefitId", "ReservationId"];

/// Cost exports of Azure.
pub struct AzureCost;

impl Format for AzureCost {
    fn name(&self) -> &'static str {
        "azure-cost"
    }

    fn description(&self) -> &'static str {
        "Azure cost exports (CSV): actual or amortised, of enterprise, customer and partner agreements and pay as you go"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let because = |because: &str| Some(Recognition { because: because.into() });
        if Manifest::begins(head) {
            return because("it has the fields of the manifest of an Azure export");
        }
        if matches!(head.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return None;
        }
        let columns = billed::Columns::of(&billed::names_of(head)?);
        let any = |names: &[&str]| names.iter().any(|name| columns.has(name));
        let is_cost = any(COST) && any(DATE) && any(SUBSCRIPTION) && any(&["MeterCategory", "MeterId"]);
        let is_focus = any(&["BilledCost", "ChargePeriodStart"]);
        if is_cost && !is_focus { because("it has the columns of an Azure cost export") } else { None }
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut file = kept(input)?;
        if begins_object(&mut file)? {
            return manifest_only(&mut file, sink);
        }
        let mut survey = survey::Survey::default();
        billed::read(&mut BufReader::new(&mut file), None, &mut survey, &mut Nobody)?;
        let conventions = survey.conclusion(origin.name, sink)?;
        file.rewind().map_err(temporary)?;
        let mut lines = lines::Lines::new(conventions, origin.defaults);
        billed::read(&mut BufReader::new(&mut file), None, &mut lines, sink)?;
        lines.blocks().warnings().into_iter().for_each(|warning| sink.warn(warning));
        Ok(())
    }
}

/// The whole input, to be read more than once.
fn kept(input: &mut dyn BufRead) -> Result<SpooledTempFile, IngestError> {
    let mut file = SpooledTempFile::new(MEMORY_BYTES_MAX);
    loop {
        let part = available(input)?;
        if part.is_empty() {
            break;
        }
        file.write_all(part).map_err(temporary)?;
        let length = part.len();
        input.consume(length);
    }
    file.rewind().map_err(temporary)?;
    Ok(file)
}

fn temporary(source: std::io::Error) -> IngestError {
    IngestError::Io { what: "the file could not be kept in the temporary directory".into(), source }
}

fn begins_object(file: &mut SpooledTempFile) -> Result<bool, IngestError> {
    let mut head = Vec::new();
    Read::take(&mut *file, 4096).read_to_end(&mut head).map_err(temporary)?;
    file.rewind().map_err(temporary)?;
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head);
    Ok(head.trim_ascii_start().starts_with(b"{"))
}

/// A manifest has no lines of the bill: it is told which files have.
fn manifest_only(file: &mut SpooledTempFile, sink: &mut dyn Sink) -> Result<(), IngestError> {
    let mut json = Vec::new();
    Read::take(file, MANIFEST_BYTES_MAX).read_to_end(&mut json).map_err(temporary)?;
    match Manifest::parse(&json) {
        Ok(manifest) => {
            let first = manifest.blobs.first().map(|blob| format!(", the first is `{}`", blob.blob_name));
            sink.warn(format!(
                "this is the manifest of an Azure export, which has no costs itself; it names {} files{}: ingest those",
                manifest.blobs.len(),
                first.unwrap_or_default()
            ));
            Ok(())
        }
        Err(reason) => {
            let excerpt = crate::error::excerpt(&json);
            sink.reject(RejectedRow {
                line: Some(1),
                byte_offset: 0,
                byte_length: None,
                header_length: None,
                reason: crate::error::reason(&reason),
                excerpt,
            })
        }
    }
}

/// Takes nothing: the first reading only looks.
struct Nobody;

impl Sink for Nobody {
    fn record(&mut self, _: Record) -> Result<(), IngestError> {
        Ok(())
    }

    fn reject(&mut self, _: RejectedRow) -> Result<(), IngestError> {
        Ok(())
    }

    fn warn(&mut self, _: String) {}
}
