//! `paygrain close`: issue the bill of a month, or corrections of it.

use clap::Args;
use paygrain_pricing::{Exact, grouped};
use paygrain_query::{CloseRequest, Closing, Outcome};

use super::Context;
use super::bill::print_unpriced;
use crate::failure::Failure;
use crate::options::{RatingOptionArguments, parse_period};
use crate::output::{OutputFormat, Rows, print_json, print_text, shown_amount, shown_quantity};

/// Issue the bill of a month, or corrections of it
///
/// The first time, the bill is stored as revision 1 and never changes. Later, after late usage or with corrected price
/// books, the month is rated anew and the differences are stored as corrections under the next revision. Without a
/// difference nothing is stored. Rating options that are not given stay as they were in the revision before.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain close --period 2026-10              issue the bill, or corrections of it
  paygrain close --period 2026-10 --dry-run    show what would be issued or corrected
  paygrain close --period 2026-10 --price-books corrected-books")]
pub struct Close {
    /// Billing month (YYYY-MM, UTC)
    #[arg(long, value_name = "MONTH")]
    period: String,
    #[command(flatten)]
    options: RatingOptionArguments,
    /// Only this provider; a month is closed either for all together or for each alone
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Show what would be issued and store nothing
    #[arg(long)]
    dry_run: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

impl Close {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = CloseRequest {
            provider: self.provider.clone(),
            allowances: self.options.allowances(),
            account_opened: self.options.account_opened()?,
            dry_run: self.dry_run,
            ..CloseRequest::new(parse_period(&self.period)?)
        };
        if chrono::Utc::now().timestamp_micros() < request.period.end_us() {
            eprintln!("note: {} is not over: usage that is still to come will be corrections", request.period);
        }
        let closing = context.engine()?.close(&request).await?;
        match self.format {
            OutputFormat::Json => print_json(&closing),
            OutputFormat::Csv => line_rows(&closing, false).print_csv(),
            OutputFormat::Table => print_closing(&closing),
        }
    }
}

fn print_closing(closing: &Closing) -> Result<(), Failure> {
    let bill = &closing.bill;
    let lines = || {
        let (count, plural) = (closing.lines.len(), if closing.lines.len() == 1 { "" } else { "s" });
        let kind = if bill.revision == 1 { "charge" } else { "correction" };
        format!("{} {kind}{plural}", grouped(&count.to_string()))
    };
    let text = match closing.outcome {
        Outcome::Issued => format!("Issued bill {}: {}\n", bill.id, lines()),
        Outcome::WouldIssue => format!("Would issue bill {}: {}\n", bill.id, lines()),
        Outcome::NothingToCorrect => {
            format!("Nothing to correct: bill {} is what the usage and the prices of today give\n", bill.id)
        }
    };
    print_text(&text)?;
    if !closing.lines.is_empty() {
        print_text("\n")?;
        line_rows(closing, true).print()?;
    }
    let mut text =
        format!("\nTotal {} {} (exact {})", grouped(&bill.total.round_half_up(2)), bill.currency, bill.total);
    if let Some(previous) = closing.previous_total.as_ref().filter(|previous| **previous != bill.total) {
        text += &format!(", before {}", grouped(&previous.round_half_up(2)));
    }
    print_text(&(text + "\n"))?;
    print_unpriced(&closing.unpriced)
}

fn line_rows(closing: &Closing, shortened: bool) -> Rows {
    let mut rows =
        Rows::new(["charge", "class", "quantity#", "unit", "unit price#", "list cost#", "billed cost#", "currency"]);
    let amount = |exact: &Exact| if shortened { shown_amount(exact) } else { exact.to_exact_text() };
    for line in &closing.lines {
        rows.push(vec![
            line.id.clone(),
            line.charge_class.unwrap_or(if shortened { "-" } else { "" }).to_owned(),
            if shortened { shown_quantity(&line.consumed_quantity) } else { line.consumed_quantity.to_exact_text() },
            line.consumed_unit.clone(),
            if shortened { line.unit_price.to_string() } else { line.unit_price.to_exact_text() },
            amount(&line.list_cost),
            amount(&line.billed_cost),
            line.currency.clone(),
        ]);
    }
    rows
}
