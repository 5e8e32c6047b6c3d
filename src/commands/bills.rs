//! `paygrain bills`: the bills that were issued; and how one of them is printed and verified.

use clap::Args;
use paygrain_pricing::grouped;
use paygrain_query::{ClosedState, StoredBill, Verification};

use super::Context;
use super::bill::{charge_rows, print_unpriced};
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json, print_text, shown_amount};

/// List the bills that were issued
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain bills
  paygrain bills --format json
  paygrain bill --period 2026-10 --revision 1    one of them
  paygrain sql \"SELECT charge_id, billed_cost FROM charges WHERE charge_class = 'Correction'\"")]
pub struct Bills {
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

impl Bills {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let bills = context.engine()?.bills().await?;
        if self.format == OutputFormat::Json {
            return print_json(&serde_json::json!({ "bills": bills }));
        }
        let is_table = self.format == OutputFormat::Table;
        if is_table && bills.is_empty() {
            return print_text("No bill was issued yet: `paygrain close --period YYYY-MM` issues one.\n");
        }
        let mut columns =
            vec!["id", "period", "provider", "revision#", "issued at", "total#", "currency", "lines#", "records#"];
        if !is_table {
            columns.push("document_sha256");
        }
        let mut rows = Rows::new(columns);
        for bill in bills {
            let count = |value: u64| if is_table { grouped(&value.to_string()) } else { value.to_string() };
            let mut row = vec![
                bill.id,
                bill.period.to_string(),
                bill.provider.unwrap_or_else(|| if is_table { "all".into() } else { String::new() }),
                bill.revision.to_string(),
                bill.issued_at,
                if is_table { shown_amount(&bill.total) } else { bill.total.to_exact_text() },
                bill.currency,
                count(bill.line_count),
                count(bill.record_count),
            ];
            if !is_table {
                row.push(bill.document_sha256);
            }
            rows.push(row);
        }
        if is_table { rows.print() } else { rows.print_csv() }
    }
}

/// How a closed period stands, in one sentence.
pub fn closed_text(closed: &ClosedState) -> String {
    let bill = &closed.bill;
    let whose = bill.provider.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
    let issued = format!(
        "{}{whose} is closed at revision {} (issued {}, total {} {})",
        bill.period,
        bill.revision,
        bill.issued_at,
        grouped(&bill.total.round_half_up(2)),
        bill.currency,
    );
    if closed.pending_corrections == 0 {
        return format!("{issued}; the rating of today is the same");
    }
    let lines = if closed.pending_corrections == 1 { "correction is" } else { "corrections are" };
    let by = match &closed.difference {
        Some(difference) => format!("by {} {}", shown_amount(difference), bill.currency),
        None => "in its currency".to_owned(),
    };
    let count = closed.pending_corrections;
    format!("{issued}; the rating of today differs {by}: {count} {lines} pending, `paygrain close` issues them")
}

/// Prints a stored bill: as JSON the very document that was issued.
pub fn print_stored(bill: &StoredBill, format: OutputFormat) -> Result<(), Failure> {
    let (summary, charges) = (&bill.summary, bill.charges());
    match format {
        OutputFormat::Json => return print_text(&bill.document),
        OutputFormat::Csv => return charge_rows(&charges, false).print_csv(),
        OutputFormat::Table => {}
    }
    print_text(&format!("Bill {} ({}), issued {}\n\n", summary.id, summary.currency, summary.issued_at))?;
    charge_rows(&charges, true).print()?;
    print_text(&format!(
        "\nTotal {} {} (exact {}) from {} usage records\n",
        grouped(&summary.total.round_half_up(2)),
        summary.currency,
        summary.total.to_exact_text(),
        grouped(&summary.record_count.to_string()),
    ))?;
    print_unpriced(&bill.unpriced)?;
    let mut rows = Rows::new(["revision#", "correction", "unit price#", "list cost#", "billed cost#"]);
    for line in bill.lines.iter().filter(|line| line.charge_class.is_some()) {
        rows.push(vec![
            line.revision.to_string(),
            line.charge.id.clone(),
            line.charge.unit_price.to_string(),
            shown_amount(&line.charge.list_cost),
            shown_amount(&line.charge.billed_cost),
        ]);
    }
    if !rows.is_empty() {
        print_text("\nCorrections, in the charges above:\n")?;
        rows.print()?;
    }
    Ok(())
}

/// Prints whether a bill is what its records give; a difference is a failure.
pub fn print_verification(verification: &Verification, format: OutputFormat) -> Result<(), Failure> {
    let bill = &verification.bill;
    let mut rows = Rows::new(["place", "stored", "rerun"]);
    for mismatch in &verification.mismatches {
        rows.push(vec![mismatch.place.clone(), mismatch.stored.clone(), mismatch.rerun.clone()]);
    }
    match format {
        OutputFormat::Json => print_json(verification)?,
        OutputFormat::Csv => rows.print_csv()?,
        OutputFormat::Table if rows.is_empty() => {
            let hash = &verification.rerun_sha256;
            print_text(&format!("Bill {}: rating it again gives the same bytes (SHA-256 {hash})\n", bill.id))?;
        }
        OutputFormat::Table => rows.print()?,
    }
    match verification.mismatches.len() {
        0 => Ok(()),
        count => Err(Failure::new(
            format!("bill {} is not what its records give: {count} differences", bill.id),
            Some("what is stored was changed, or it was issued by another version of paygrain".into()),
        )),
    }
}
