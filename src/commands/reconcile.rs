//! `paygrain reconcile`: the bill of the provider against the rating of the logs.

use clap::Args;
use paygrain_pricing::{Exact, Period, RatingOptions, grouped};
use paygrain_query::{Class, Engine, ReconcileBy, ReconcileRequest, ReconcileRow, Reconciliation};

use super::Context;
use crate::failure::Failure;
use crate::options::{RatingOptionArguments, parse_period};
use crate::output::{OutputFormat, Rows, print_json, print_text, shown_amount, shown_quantity};

/// The bill of the provider against the rating of the logs, every difference named
#[derive(Args, Debug)]
#[command(after_help = "\
Differences are billed less rated, and the parts of each sum to it exactly:
  allowance      less free usage on the bill (above zero), more, or on another day
  rounding       less than half a unit of the last digit each line prints
  missing_hours  usage of hours without any record
  discount       negotiated prices, credits, refunds, commitments
  tax            tax
  unpriced       no price book has a SKU or a price for it
  unexplained    none of these

Examples:
  paygrain ingest cost-and-usage-00001.csv.gz         bring a bill in
  paygrain reconcile                                  the latest month with a bill
  paygrain reconcile --period 2026-10 --by sku,day    every SKU on every day
  paygrain reconcile --view focus --format json       another export of the bill, exact amounts

Exit codes: 0 whatever differs, 1 failed, 2 wrong command line")]
pub struct Reconcile {
    /// Billing month (YYYY-MM); the latest with a bill if not given
    #[arg(long, value_name = "MONTH")]
    period: Option<String>,
    /// Only this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only usage and lines of this account
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Which export of the bill, where there are several: aws-cur, gcp-billing, azure-actual, focus, …
    #[arg(long, value_name = "VIEW")]
    view: Option<String>,
    /// Only this SKU, or what the bill names
    #[arg(long, value_name = "NAME")]
    sku: Option<String>,
    /// A row for each of these, separated by commas: sku, day
    #[arg(long, value_name = "DIMENSIONS", value_delimiter = ',', default_value = "sku")]
    by: Vec<String>,
    #[command(flatten)]
    rating: RatingOptionArguments,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

impl Reconcile {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let by = self.by.iter().map(|name| name.parse()).collect::<Result<Vec<ReconcileBy>, _>>()?;
        let engine = context.engine()?;
        let request = ReconcileRequest {
            provider: self.provider,
            account: self.account,
            view: self.view,
            sku: self.sku,
            by,
            rating: RatingOptions {
                allowances: self.rating.allowances().unwrap_or_default(),
                account_opened: self.rating.account_opened()?,
                ..RatingOptions::default()
            },
            ..ReconcileRequest::new(period_with_bill(&engine, self.period.as_deref()).await?)
        };
        let answer = engine.reconcile(&request).await?;
        match self.format {
            OutputFormat::Json => print_json(&answer),
            OutputFormat::Csv => rows(&answer, false).print_csv(),
            OutputFormat::Table => print_answer(&answer),
        }
    }
}

/// The month asked for, or the latest with a bill.
async fn period_with_bill(engine: &Engine, asked: Option<&str>) -> Result<Period, Failure> {
    if let Some(asked) = asked {
        return parse_period(asked);
    }
    engine.billed_periods().await?.first().copied().ok_or_else(|| {
        Failure::new(format!("the lake at `{}` has no bill of a provider", engine.lake().name()), Some(HINT.into()))
    })
}

const HINT: &str = "`paygrain ingest FILE…` brings one in: a Cost and Usage Report, FOCUS, a Cost Explorer answer, an export of Azure or Google Cloud";

fn print_answer(answer: &Reconciliation) -> Result<(), Failure> {
    let mut text = format!("Reconciliation of {}\n\n", answer.period);
    if !answer.has_bill() {
        text += &format!("There is no bill of the month.\nhint: {HINT}\n");
        return print_text(&text);
    }
    for sentence in answer.verdict(|amount, currency| format!("{} {currency}", shown_amount(amount))) {
        text += &format!("{sentence}\n");
    }
    if answer.totals.is_empty() {
        text += "Nothing is compared.\n";
    }
    for view in &answer.views {
        let account = if view.account.is_empty() { "an account that is not stated" } else { &view.account };
        let lines = grouped(&view.line_count.to_string());
        text += &match view.compared {
            true => format!("Compared: {} of {} {account}, {lines} lines\n", view.view, view.provider),
            false => format!(
                "Not compared: {} of {} {account}, {lines} lines; `--view {}` does\n",
                view.view, view.provider, view.view
            ),
        };
    }
    print_text(&(text + "\n"))?;
    if !answer.rows.is_empty() {
        rows(answer, true).print()?;
    }
    print_not_compared(answer)
}

fn print_not_compared(answer: &Reconciliation) -> Result<(), Failure> {
    if answer.not_compared.is_empty() {
        return Ok(());
    }
    print_text("\nNot compared (in no total):\n")?;
    let mut rows = Rows::new(["provider", "account", "rated#", "billed#", "currency", "reason"]);
    for one in &answer.not_compared {
        rows.push(vec![
            one.provider.clone(),
            one.account.clone(),
            shown_amount(&one.rated_cost),
            shown_amount(&one.billed_cost),
            one.currency.clone(),
            one.reason.clone(),
        ]);
    }
    rows.print()
}

/// Rows for people with the classes that occur, or every column in full precision.
fn rows(answer: &Reconciliation, shortened: bool) -> Rows {
    let by = |name: &str| answer.by.contains(&name);
    let classes = if shortened { answer.classes() } else { Class::ALL.to_vec() };
    let mut columns: Vec<String> = Vec::new();
    let mut push = |names: &[&str]| columns.extend(names.iter().map(|name| (*name).to_owned()));
    if !shortened {
        push(&["provider", "service"]);
    }
    if by("sku") {
        push(&["sku"]);
    }
    if by("day") {
        push(&["day"]);
    }
    if by("sku") {
        match shortened {
            true => push(&["rated quantity#", "billed quantity#"]),
            false => push(&["rated_quantity#", "rated_unit", "billed_quantity#", "printed_quantity#", "printed_unit"]),
        }
    }
    match shortened {
        true => push(&["rated#", "billed#", "difference#"]),
        false => push(&["currency", "rated_cost#", "billed_cost#", "difference#"]),
    }
    let title = |class: &Class| format!("{}#", if shortened { class.title() } else { class.name() });
    columns.extend(classes.iter().map(title));
    if !shortened {
        columns.extend(["hours_missing#", "record_count#", "line_count#"].map(str::to_owned));
    }
    let mut rows = Rows::new(columns.iter().map(String::as_str));
    for row in &answer.rows {
        rows.push(cells(row, &classes, shortened, by("sku"), by("day")));
    }
    rows
}

fn cells(row: &ReconcileRow, classes: &[Class], shortened: bool, by_sku: bool, by_day: bool) -> Vec<String> {
    let amount = |amount: &Exact| match shortened {
        true if amount.is_zero() => "-".to_owned(),
        true => shown_amount(amount),
        false => amount.to_string(),
    };
    let exact = |quantity: &Option<Exact>| quantity.as_ref().map(Exact::to_string).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut cells = Vec::new();
    if !shortened {
        cells.extend([row.provider.clone(), row.service.clone()]);
    }
    if by_sku {
        cells.push(row.name.clone());
    }
    if by_day {
        cells.push(
            row.day
                .map(|day| day.to_string())
                .unwrap_or_else(|| if shortened { "month".into() } else { String::new() }),
        );
    }
    match (by_sku, shortened) {
        (true, true) => {
            let with_unit = |quantity: &Option<Exact>, unit: &Option<String>| match (quantity, unit) {
                (Some(quantity), Some(unit)) => format!("{} {unit}", shown_quantity(quantity)),
                (Some(quantity), None) => shown_quantity(quantity),
                (None, _) => "-".to_owned(),
            };
            cells.push(with_unit(&row.rated_quantity, &row.rated_unit));
            cells.push(with_unit(&row.printed_quantity, &row.printed_unit));
        }
        (true, false) => cells.extend([
            exact(&row.rated_quantity),
            text(&row.rated_unit),
            exact(&row.billed_quantity),
            exact(&row.printed_quantity),
            text(&row.printed_unit),
        ]),
        (false, _) => {}
    }
    if !shortened {
        cells.push(row.currency.clone());
    }
    cells.extend([&row.rated_cost, &row.billed_cost, &row.difference].map(amount));
    cells.extend(classes.iter().map(|class| amount(row.parts.of(*class))));
    if !shortened {
        cells.extend([row.hours_missing.to_string(), row.record_count.to_string(), row.line_count.to_string()]);
    }
    cells
}
