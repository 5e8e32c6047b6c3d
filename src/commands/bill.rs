//! `paygrain bill`: what a month cost.

use clap::Args;
use paygrain_pricing::{Charge, Exact, Scope, grouped};
use paygrain_query::{Bill, Dimension, UnpricedUsage};

use super::Context;
use super::bills::{closed_text, print_stored, print_verification};
use crate::failure::Failure;
use crate::options::{RatingArguments, parse_period, period_with_usage};
use crate::output::{OutputFormat, Rows, print_json, print_text, shown_amount, shown_quantity};

/// What a month cost, charge by charge
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain bill                                      the latest month with usage
  paygrain bill --period 2026-10 --by service,day    the same cost, grouped
  paygrain bill --allowances none --format json      without any free tier, exact amounts
  paygrain bill --period 2026-10 --revision 1        the bill as it was issued by `paygrain close`
  paygrain bill --period 2026-10 --revision 1 --verify   rate it again and compare every byte")]
pub struct BillCommand {
    /// Billing month (YYYY-MM, UTC); the latest with usage if not given
    #[arg(long, value_name = "MONTH")]
    period: Option<String>,
    /// Group by these, separated by commas: provider, service, account, region, resource, sku, day
    #[arg(long, value_name = "DIMENSIONS", value_delimiter = ',')]
    by: Vec<String>,
    #[command(flatten)]
    rating: RatingArguments,
    /// The stored bill of a closed period as of this revision, instead of a rating of today
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "period",
        conflicts_with_all = ["by", "allowances", "account_opened", "attribution"]
    )]
    revision: Option<u32>,
    /// Rate the stored bill again, with the usage, price books and options it records; exit code 1 if a byte differs
    #[arg(long, requires = "revision")]
    verify: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

impl BillCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let by = self.by.iter().map(|name| name.parse()).collect::<Result<Vec<Dimension>, _>>()?;
        let engine = context.engine()?;
        if let (Some(period), Some(revision)) = (&self.period, self.revision) {
            let (period, provider) = (parse_period(period)?, self.rating.provider.as_deref());
            if self.verify {
                return print_verification(&engine.verify(period, provider, revision).await?, self.format);
            }
            return print_stored(&engine.revision(period, provider, Some(revision)).await?, self.format);
        }
        let period = period_with_usage(&engine, self.period.as_deref()).await?;
        let bill = engine.bill(&self.rating.request(period, by)?).await?;
        for closed in &bill.closed {
            eprintln!("note: {}", closed_text(closed));
        }
        match self.format {
            OutputFormat::Json => print_json(&bill),
            OutputFormat::Csv => print_csv(&bill),
            OutputFormat::Table => print_bill(&bill),
        }
    }
}

/// Prints a bill for people.
pub fn print_bill(bill: &Bill) -> Result<(), Failure> {
    print_text(&format!("Bill for {} ({})\n\n", bill.period, bill.currency))?;
    if bill.by.is_empty() {
        charge_rows(&bill.charges, true).print()?
    } else {
        group_rows(bill, true).print()?
    }
    let total = match bill.rounded_total == "0.00" && !bill.total.is_zero() {
        true => "less than 0.01".to_owned(),
        false => grouped(&bill.rounded_total),
    };
    let mut text = format!(
        "\nTotal {total} {} (exact {}; before allowances {}) from {} usage records\n",
        bill.currency,
        bill.total,
        shown_amount(&bill.list_total),
        grouped(&bill.record_count.to_string()),
    );
    if bill.sum_of_rounded_charges != bill.rounded_total {
        text += &format!("Rounding every charge first gives {}\n", grouped(&bill.sum_of_rounded_charges));
    }
    print_text(&text)?;
    print_unpriced(&bill.unpriced)?;
    if let Some(charge) = bill.charges.iter().max_by_key(|charge| &charge.list_cost) {
        print_text(&format!("\nWhy: paygrain explain '{}'\n", charge.id))?;
    }
    Ok(())
}

/// Prints usage without a price for people; nothing where there is none.
pub fn print_unpriced(unpriced: &[UnpricedUsage]) -> Result<(), Failure> {
    if unpriced.is_empty() {
        return Ok(());
    }
    print_text("\nNot priced (not in the total):\n")?;
    let mut rows = Rows::new(["service", "usage", "records#", "reason"]);
    for usage in unpriced {
        rows.push(vec![
            format!("{}.{}", usage.provider, usage.service),
            usage.usage.clone(),
            grouped(&usage.record_count.to_string()),
            usage.reason.clone(),
        ]);
    }
    rows.print()
}

fn print_csv(bill: &Bill) -> Result<(), Failure> {
    if bill.by.is_empty() { charge_rows(&bill.charges, false).print_csv() } else { group_rows(bill, false).print_csv() }
}

/// Charges as rows: shortened for people, or every column in full precision.
pub fn charge_rows(charges: &[Charge], shortened: bool) -> Rows {
    if shortened {
        let mut rows = Rows::new([
            "charge",
            "scope",
            "quantity#",
            "free#",
            "unit",
            "tier#",
            "unit price#",
            "list cost#",
            "billed cost#",
        ]);
        for charge in charges {
            rows.push(vec![
                charge.sku.clone(),
                scope_text(&charge.scope),
                shown_quantity(&charge.consumed_quantity),
                shown_quantity(&charge.free_quantity),
                charge.consumed_unit.clone(),
                charge.tier.to_string(),
                format!("{} per {}", charge.published_price, charge.published_per.replace('_', ",")),
                shown_amount(&charge.list_cost),
                shown_amount(&charge.billed_cost),
            ]);
        }
        return rows;
    }
    let mut rows = Rows::new([
        "id",
        "provider",
        "service",
        "sku",
        "description",
        "account",
        "region",
        "resource",
        "consumed_quantity#",
        "consumed_unit",
        "free_quantity#",
        "pricing_quantity#",
        "pricing_unit",
        "tier#",
        "unit_price#",
        "list_cost#",
        "billed_cost#",
        "currency",
        "price_book",
        "price_book_version",
        "source_address",
    ]);
    for charge in charges {
        let scope = |column| charge.scope.get(column).unwrap_or_default().to_owned();
        rows.push(vec![
            charge.id.clone(),
            charge.provider.clone(),
            charge.service.clone(),
            charge.sku.clone(),
            charge.description.clone(),
            scope("account"),
            scope("region"),
            scope("resource"),
            charge.consumed_quantity.to_string(),
            charge.consumed_unit.clone(),
            charge.free_quantity.to_string(),
            charge.pricing_quantity.to_string(),
            charge.pricing_unit.clone(),
            charge.tier.to_string(),
            charge.unit_price.to_string(),
            charge.list_cost.to_string(),
            charge.billed_cost.to_string(),
            charge.currency.clone(),
            charge.price_book.clone(),
            charge.price_book_version.clone(),
            charge.source_address.clone(),
        ]);
    }
    rows
}

fn group_rows(bill: &Bill, shortened: bool) -> Rows {
    let mut rows = Rows::new(bill.by.iter().copied().chain(["list_cost#", "billed_cost#"]));
    for group in &bill.groups {
        let amount = |exact: &Exact| if shortened { shown_amount(exact) } else { exact.to_string() };
        let mut row = group.key.clone();
        row.extend([amount(&group.list_cost), amount(&group.billed_cost)]);
        rows.push(row);
    }
    rows
}

/// The scope's values, or `-` for the whole account.
pub fn scope_text(scope: &Scope) -> String {
    let values = scope_values(scope);
    if values.is_empty() { "-".into() } else { values }
}

/// The scope's values.
pub fn scope_values(scope: &Scope) -> String {
    let values = ["organisation", "account", "region", "resource"].iter().filter_map(|column| scope.get(column));
    values.collect::<Vec<_>>().join(" ")
}
