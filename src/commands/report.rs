//! `paygrain report`: questions about cost and usage that are asked again and again.

use clap::Args;
use paygrain_pricing::{Exact, grouped};
use paygrain_query::{ColumnKind, REPORTS, ReportAnswer, ReportColumn};
use serde_json::{Map, Value};

use super::Context;
use crate::failure::Failure;
use crate::given::{Given, every, given};
use crate::output::{OutputFormat, Rows, print_json, print_text, shown_amount, shown_quantity};

/// Reports of cost and usage: top resources, movers, durations, forecast, …
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain report                                          the reports, and their parameters
  paygrain report cost --period 2026-10 --by month,service   the bill by service
  paygrain report top-resources --limit 10                 the most expensive resources
  paygrain report movers --period 2026-10                  what changed against September, and why
  paygrain report durations --resource web-api --from 2026-10-01 --to 2026-10-07
  paygrain report forecast --as-of 2026-10-20 --format json   an estimate of the month

docs/reports.md says how each is worked out, and what is an estimate.")]
pub struct Report {
    /// Which report; without a name, a list of them
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    parameters: Parameters,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// The parameters of all reports. Each report says which it takes.
#[derive(Args, Debug)]
struct Parameters {
    /// Billing month (YYYY-MM); the latest with usage if not given
    #[arg(long, value_name = "MONTH")]
    period: Option<String>,
    /// First day (YYYY-MM-DD) of a range instead of a month
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Last day of the range
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Group by these dimensions, separated by commas
    #[arg(long, value_name = "DIMENSIONS")]
    by: Option<String>,
    /// Only this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only this resource
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,
    /// Only usage with this value (repeatable): values of one dimension are alternatives
    #[arg(long, value_name = "DIMENSION=VALUE")]
    filter: Vec<String>,
    /// Most rows to give
    #[arg(long, value_name = "NUMBER")]
    limit: Option<String>,
    /// Allowances that apply: `all` (the default), `none`, or ids separated by commas
    #[arg(long, value_name = "WHICH")]
    allowances: Option<String>,
    /// Day the account was opened (YYYY-MM-DD): allowances of the first 12 months are given only with it
    #[arg(long, value_name = "DATE")]
    account_opened: Option<String>,
    /// How a charge is shared among days and resources: `time` (the default) or `proportional`
    #[arg(long, value_name = "HOW")]
    attribution: Option<String>,
    /// movers: month to compare with, instead of the one before
    #[arg(long, value_name = "MONTH")]
    against: Option<String>,
    /// movers: first day of a range to compare with
    #[arg(long, value_name = "DATE")]
    against_from: Option<String>,
    /// movers: last day of a range to compare with
    #[arg(long, value_name = "DATE")]
    against_to: Option<String>,
    /// right-sizing: memory to keep free above the most used, in percent [default: 20]
    #[arg(long, value_name = "PERCENT")]
    headroom_percent: Option<String>,
    /// forecast: last day whose usage is complete [default: the day before the latest record]
    #[arg(long, value_name = "DATE")]
    as_of: Option<String>,
    /// anomalies: how many deviations off a day must be [default: 5]
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<String>,
    /// anomalies: least difference, in the currency of the bill [default: 1]
    #[arg(long, value_name = "AMOUNT")]
    minimum: Option<String>,
}

impl Parameters {
    /// As the reports take them: names and texts.
    fn given(&self) -> Given {
        let one = given([
            ("period", &self.period),
            ("from", &self.from),
            ("to", &self.to),
            ("by", &self.by),
            ("provider", &self.provider),
            ("resource", &self.resource),
            ("limit", &self.limit),
            ("allowances", &self.allowances),
            ("account_opened", &self.account_opened),
            ("attribution", &self.attribution),
            ("against", &self.against),
            ("against_from", &self.against_from),
            ("against_to", &self.against_to),
            ("headroom_percent", &self.headroom_percent),
            ("as_of", &self.as_of),
            ("threshold", &self.threshold),
            ("minimum", &self.minimum),
        ]);
        [one, every("filter", &self.filter)].concat()
    }
}

impl Report {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Some(name) = self.name else { return print_list(self.format) };
        let answer = context.engine()?.report(&name, &self.parameters.given()).await?;
        match self.format {
            OutputFormat::Json => print_json(&answer),
            OutputFormat::Csv => rows(&answer, false).print_csv(),
            OutputFormat::Table => print_answer(&answer),
        }
    }
}

fn print_list(format: OutputFormat) -> Result<(), Failure> {
    if format == OutputFormat::Json {
        return print_json(&REPORTS);
    }
    let mut rows = Rows::new(["report", "what it answers", "parameters"]);
    for info in &REPORTS {
        let names: Vec<_> = info.parameters.iter().map(|parameter| parameter.name.replace('_', "-")).collect();
        rows.push(vec![info.name.to_owned(), info.meaning.to_owned(), names.join(" ")]);
    }
    if format == OutputFormat::Csv { rows.print_csv() } else { rows.print() }
}

fn print_answer(answer: &ReportAnswer) -> Result<(), Failure> {
    let when = match (answer.period, answer.from, answer.to) {
        (Some(period), ..) => format!(" for {period}"),
        (None, Some(from), Some(to)) => format!(" from {from} to {to}"),
        _ => String::new(),
    };
    let currency = answer.currency.as_ref().map_or(String::new(), |currency| format!(" ({currency})"));
    let estimate = if answer.estimate { ", an estimate" } else { "" };
    print_text(&format!("Report {}{when}{currency}{estimate}\n\n", answer.report))?;
    if answer.rows.is_empty() {
        return print_text(if answer.from.is_none() { "The lake has no usage.\n" } else { "No rows.\n" });
    }
    rows(answer, true).print()?;
    let summary = |(name, value): (&String, &Value)| format!("{}: {}\n", name.replace('_', " "), summary_text(value));
    let summary: String = answer.summary.iter().map(summary).collect();
    let gap = if summary.is_empty() { "" } else { "\n" };
    print_text(&format!("{gap}{summary}\nMethod: {}\n", answer.method))
}

/// Columns that say the same nothing in every row are left out for people.
fn rows(answer: &ReportAnswer, shortened: bool) -> Rows {
    let is_empty = |value: &Value| value.is_null() || value.as_str() == Some("");
    let shown: Vec<&ReportColumn> = answer
        .columns
        .iter()
        .filter(|column| !shortened || !answer.rows.iter().all(|row| row.get(column.name).is_none_or(is_empty)))
        .collect();
    let title = |column: &&ReportColumn| {
        let name = if shortened { column.name.replace('_', " ") } else { column.name.to_owned() };
        if column.kind == ColumnKind::Text { name } else { format!("{name}#") }
    };
    let titles: Vec<String> = shown.iter().map(title).collect();
    let mut rows = Rows::new(titles.iter().map(String::as_str));
    for row in &answer.rows {
        rows.push(shown.iter().map(|column| cell(column, row, shortened)).collect());
    }
    rows
}

fn cell(column: &ReportColumn, row: &Map<String, Value>, shortened: bool) -> String {
    let text = match row.get(column.name) {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if !shortened {
        return text;
    }
    match (column.kind, Exact::parse(&text)) {
        (ColumnKind::Count, _) => grouped(&text),
        (ColumnKind::Amount, Ok(amount)) => shown_amount(&amount),
        (ColumnKind::Quantity, Ok(quantity)) => shown_quantity(&quantity),
        (ColumnKind::Share, Ok(share)) => format!("{} %", (share * Exact::from(100)).round_half_up(1)),
        _ => text,
    }
}

/// A figure of the summary for people: it has no kind, but a decimal is an amount or a quantity.
fn summary_text(value: &Value) -> String {
    match value {
        Value::String(text) => Exact::parse(text).map_or_else(|_| text.clone(), |number| shown_amount(&number)),
        Value::Null => "-".to_owned(),
        other => grouped(&other.to_string()),
    }
}
