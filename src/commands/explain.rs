//! `paygrain explain`: why a charge is what it is.

use clap::Args;
use paygrain_query::{Explanation, Share};

use super::Context;
use crate::failure::Failure;
use crate::options::{RatingArguments, parse_period};
use crate::output::{OutputFormat, Rows, print_json, print_text, shown_amount, shown_quantity};

/// Why a charge is what it is, down to the records behind it
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain bill --format json | jq -r '.charges[].id'
  paygrain explain 2026-10/aws.lambda.requests/123456789012~us-east-1/tier-1
  paygrain explain ID --records 100 --format json")]
pub struct Explain {
    /// Charge id, from `paygrain bill --format json`
    charge_id: String,
    #[command(flatten)]
    rating: RatingArguments,
    /// How many usage records to list
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    records: u64,
    /// How many usage records to skip first
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    offset: u64,
    /// Output format; `csv` lists the records
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

impl Explain {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let period = self.charge_id.split('/').next().unwrap_or_default();
        let period = parse_period(period).map_err(|failure| {
            Failure::usage(
                format!("`{}` is not a charge id: {}", self.charge_id, failure.message),
                Some("`paygrain bill --format json` lists the charge ids".into()),
            )
        })?;
        let request = self.rating.request(period, Vec::new())?;
        let explanation = context.engine()?.explain(&self.charge_id, &request, self.offset, self.records).await?;
        match self.format {
            OutputFormat::Json => print_json(&explanation),
            OutputFormat::Csv => record_rows(&explanation).print_csv(),
            OutputFormat::Table => print_explanation(&explanation),
        }
    }
}

fn print_explanation(explanation: &Explanation) -> Result<(), Failure> {
    let charge = &explanation.charge;
    let mut text = format!("{}  {}\n", charge.sku, charge.description);
    text.push('\n');
    for (index, step) in explanation.steps.iter().enumerate() {
        text += &format!("{}. {step}\n", index + 1);
    }
    print_text(&text)?;
    print_text("\nBy resource\n")?;
    share_rows("resource", &explanation.by_resource).print()?;
    print_text("\nBy day\n")?;
    share_rows("day", &explanation.by_day).print()?;
    let records = &explanation.records;
    let (first, last) = (records.offset + 1, records.offset + records.rows.len() as u64);
    print_text(&format!("\nUsage records {first} to {last} of {}\n", records.total))?;
    record_rows(explanation).print()
}

fn share_rows(name: &str, shares: &[Share]) -> Rows {
    let mut rows = Rows::new([name, "consumed#", "free#", "list cost#", "billed cost#"]);
    for share in shares {
        rows.push(vec![
            share.name.clone(),
            shown_quantity(&share.consumed_quantity),
            shown_quantity(&share.free_quantity),
            shown_amount(&share.list_cost),
            shown_amount(&share.billed_cost),
        ]);
    }
    rows
}

fn record_rows(explanation: &Explanation) -> Rows {
    let mut rows = Rows::new(explanation.records.columns.iter().map(String::as_str));
    for row in &explanation.records.rows {
        rows.push(row.iter().map(|value| value.clone().unwrap_or_default()).collect());
    }
    rows
}
