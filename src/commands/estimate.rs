//! `paygrain estimate`: usage described, not recorded, through the same rating.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use paygrain_pricing::{Agreement, Breakdown, Charge, EstimateRequest, explain_estimate, grouped};
use serde::Serialize;

use super::Context;
use super::bill::{scope_text, scope_values};
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json, print_text};

/// Price usage that a file describes
#[derive(Args, Debug)]
#[command(after_help = "\
Example: usage.json
  {\"period\": \"2026-10\", \"provider\": \"aws\", \"region\": \"us-east-1\", \"usage\": [
    {\"service\": \"lambda\", \"count\": 3000000, \"duration_ms\": 120, \"memory_mb\": 512},
    {\"service\": \"s3\", \"storage_class\": \"STANDARD\", \"gb_months\": \"100\"}]}

  paygrain estimate usage.json --explain
  paygrain estimate usage.json --format json")]
pub struct Estimate {
    /// File of usage, `.json` or `.toml`; `-` is JSON on standard input
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// Say how each charge comes about: rounding, allowances, tiers, price and source
    #[arg(long)]
    explain: bool,
    /// Output format; with `--explain`, `json` adds `steps`, `before_rounding` and `tiers` to each charge, and `csv`
    /// lists the steps
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// A charge that says why.
#[derive(Serialize)]
struct ExplainedCharge<'a> {
    #[serde(flatten)]
    charge: &'a Charge,
    #[serde(flatten)]
    breakdown: &'a Breakdown,
}

impl Estimate {
    /// Runs the command.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let shown = self.path.display();
        let mut text = String::new();
        let read = match self.path == Path::new("-") {
            true => std::io::stdin().lock().read_to_string(&mut text).map(|_| ()),
            false => std::fs::read_to_string(&self.path).map(|read| text = read),
        };
        read.map_err(|error| Failure::new(format!("cannot read `{shown}`: {error}"), Some("check the path".into())))?;
        let request = match self.path.extension().is_some_and(|extension| extension == "toml") {
            true => EstimateRequest::from_toml(&text),
            false => EstimateRequest::from_json(&text),
        };
        let named = |error: paygrain_pricing::EstimateError| Failure::new(format!("{shown}: {error}"), error.hint());
        let catalogue = context.price_books.catalogue()?;
        let mut request = request.map_err(named)?;
        if request.agreement == Agreement::default() {
            request.agreement = context.agreement.read()?;
        }
        let (estimate, breakdowns) = match self.explain {
            true => explain_estimate(&catalogue, request).map_err(named)?,
            false => (paygrain_pricing::estimate(&catalogue, request).map_err(named)?, Vec::new()),
        };
        match (self.format, self.explain) {
            (OutputFormat::Json, false) => return print_json(&estimate),
            (OutputFormat::Json, true) => return print_json(&with_steps(&estimate, &breakdowns)?),
            (OutputFormat::Csv, true) => return step_rows(&estimate.charges, &breakdowns).print_csv(),
            _ => {}
        }
        let mut rows = Rows::new([
            "charge",
            "scope",
            "consumed_quantity#",
            "free_quantity#",
            "unit",
            "tier#",
            "unit_price#",
            "list_cost#",
            "billed_cost#",
        ]);
        for charge in &estimate.charges {
            rows.push(vec![
                charge.sku.clone(),
                if self.format == OutputFormat::Csv { scope_values(&charge.scope) } else { scope_text(&charge.scope) },
                charge.consumed_quantity.to_string(),
                charge.free_quantity.to_string(),
                charge.consumed_unit.clone(),
                charge.tier.to_string(),
                charge.unit_price.to_string(),
                charge.list_cost.to_string(),
                charge.billed_cost.to_string(),
            ]);
        }
        if self.format == OutputFormat::Csv {
            return rows.print_csv();
        }
        rows.print()?;
        let rows_left_out: BTreeSet<usize> = estimate.unpriced.iter().map(|unpriced| unpriced.row).collect();
        let without = match rows_left_out.len() {
            0 => String::new(),
            1 => ", WITHOUT 1 usage row that has no price, see below".to_owned(),
            count => format!(", WITHOUT {count} usage rows that have no price, see below"),
        };
        print_text(&format!(
            "\nTotal {} {} (exact {}){without}\n",
            grouped(&estimate.rounded_total),
            estimate.currency,
            estimate.total
        ))?;
        for (charge, breakdown) in estimate.charges.iter().zip(&breakdowns) {
            let mut text = format!("\n{}  {}\n", charge.id, charge.description);
            for (index, step) in breakdown.steps.iter().enumerate() {
                text += &format!("{}. {step}\n", index + 1);
            }
            print_text(&text)?;
        }
        for unpriced in &estimate.unpriced {
            let what = unpriced.sku.as_deref().unwrap_or(&unpriced.service);
            eprintln!("not priced: usage row {} ({what}): {}", unpriced.row, unpriced.reason);
        }
        Ok(())
    }
}

/// The estimate as JSON, its charges with their breakdowns.
fn with_steps(
    estimate: &paygrain_pricing::Estimate,
    breakdowns: &[Breakdown],
) -> Result<serde_json::Value, serde_json::Error> {
    let mut answer = serde_json::to_value(estimate)?;
    let charges: Vec<_> = estimate
        .charges
        .iter()
        .zip(breakdowns)
        .map(|(charge, breakdown)| ExplainedCharge { charge, breakdown })
        .collect();
    answer["charges"] = serde_json::to_value(charges)?;
    Ok(answer)
}

fn step_rows(charges: &[Charge], breakdowns: &[Breakdown]) -> Rows {
    let mut rows = Rows::new(["charge", "step#", "text"]);
    for (charge, breakdown) in charges.iter().zip(breakdowns) {
        for (index, step) in breakdown.steps.iter().enumerate() {
            rows.push(vec![charge.id.clone(), (index + 1).to_string(), step.clone()]);
        }
    }
    rows
}
