//! `paygrain prices diff`: what changed between price books, and on a lake what it would have cost.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use paygrain_pricing::{Catalogue, Difference, Exact, Period, differences, nearest};
use paygrain_query::Engine;
use serde::Serialize;

use crate::commands::Context;
use crate::failure::Failure;
use crate::options::{RatingArguments, parse_period, read_books};
use crate::output::{OutputFormat, Rows, print_json, print_text, shown_amount};

/// What changed between two sets of price books, and on a lake what it would have cost
#[derive(Args, Debug)]
#[command(after_help = "\
A side is `shipped`, a price book in force such as `aws/lambda`, or a file or directory of price books, which then stand
over the shipped ones.

Examples:
  paygrain prices diff shipped my-prices
  paygrain prices diff aws/lambda new/lambda.toml
  paygrain prices diff old new --period 2026-10    and what that month costs with each")]
pub struct Diff {
    /// The price books before
    #[arg(value_name = "BEFORE")]
    before: String,
    /// The price books after
    #[arg(value_name = "AFTER")]
    after: String,
    /// Rate the lake's usage of this month (YYYY-MM) with both
    #[arg(long, value_name = "MONTH")]
    period: Option<String>,
    #[command(flatten)]
    rating: RatingArguments,
    /// Output format; `csv` has the differences, or with `--period` the costs
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// The answer of `--format json`: the shape is public.
#[derive(Serialize)]
struct Answer {
    differences: Vec<Difference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostDifference>,
}

/// What a month costs with each.
#[derive(Serialize)]
struct CostDifference {
    period: Period,
    currency: String,
    before: Exact,
    after: Exact,
    difference: Exact,
    /// The SKUs whose cost is not the same.
    skus: Vec<SkuCost>,
}

#[derive(Serialize)]
struct SkuCost {
    sku: String,
    before: Exact,
    after: Exact,
    difference: Exact,
}

impl Diff {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (before, after) = (side(context, &self.before)?, side(context, &self.after)?);
        let differences = differences(&before, &after);
        let cost = match &self.period {
            None => None,
            Some(month) => Some(self.cost(context, parse_period(month)?, before, after).await?),
        };
        let answer = Answer { differences, cost };
        match (self.format, &answer.cost) {
            (OutputFormat::Json, _) => print_json(&answer),
            (OutputFormat::Csv, None) => difference_rows(&answer.differences).print_csv(),
            (OutputFormat::Csv, Some(cost)) => cost_rows(cost, Exact::to_string).print_csv(),
            (OutputFormat::Table, _) => print_answer(&answer),
        }
    }

    async fn cost(
        &self,
        context: &Context,
        period: Period,
        before: Catalogue,
        after: Catalogue,
    ) -> Result<CostDifference, Failure> {
        let request = self.rating.request(period, Vec::new())?;
        let lake = context.lake.open()?;
        let mut costs: BTreeMap<String, [Exact; 2]> = BTreeMap::new();
        let mut totals = Vec::new();
        let mut currencies = Vec::new();
        for (index, catalogue) in [before, after].into_iter().enumerate() {
            let engine = Engine::new(lake.clone(), catalogue);
            let engine = engine
                .with_agreement(context.agreement.read()?)
                .map_err(|error| Failure::new(&error, error.hint.clone()))?;
            let bill = engine.bill(&request).await?;
            if bill.record_count == 0 {
                let hint = "`paygrain bill` says which months have usage".to_owned();
                return Err(Failure::new(format!("there is no usage in {period}"), Some(hint)));
            }
            for charge in &bill.charges {
                costs.entry(charge.sku.clone()).or_default()[index] += &charge.billed_cost;
            }
            totals.push(bill.total);
            currencies.push(bill.currency);
        }
        if currencies[0] != currencies[1] {
            let message = format!("the bill is in {} before and in {} after", currencies[0], currencies[1]);
            return Err(Failure::new(
                message,
                Some("`--agreement` with exchange rates gives both one currency".into()),
            ));
        }
        let skus = costs.into_iter().filter(|(_, [before, after])| before != after);
        Ok(CostDifference {
            period,
            currency: currencies.swap_remove(0),
            difference: &totals[1] - &totals[0],
            after: totals[1].clone(),
            before: totals[0].clone(),
            skus: skus
                .map(|(sku, [before, after])| SkuCost { sku, difference: &after - &before, before, after })
                .collect(),
        })
    }
}

/// The price books of one side.
fn side(context: &Context, name: &str) -> Result<Catalogue, Failure> {
    let refused = |error: paygrain_pricing::CatalogueError| Failure::new(&error, error.hint());
    if name == "shipped" {
        return Catalogue::embedded().map_err(refused);
    }
    let path = Path::new(name);
    if path.exists() {
        return Catalogue::with_files(read_books(path)?).map_err(refused);
    }
    let in_force = context.price_books.catalogue()?;
    let names: Vec<String> =
        in_force.books().iter().map(|book| format!("{}/{}", book.provider, book.service)).collect();
    if names.iter().any(|known| known == name) {
        return Ok(in_force);
    }
    let hint = match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "a side is `shipped`, a price book such as `aws/lambda`, a file or a directory".to_owned(),
    };
    Err(Failure::new(format!("`{name}` is neither a price book nor a path"), Some(hint)))
}

fn difference_rows(differences: &[Difference]) -> Rows {
    let mut rows = Rows::new(["item", "what", "before", "after", "percent#"]);
    for one in differences {
        let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
        let percent = one.percent.as_ref().map_or(String::new(), |percent| {
            let sign = if percent.is_positive() { "+" } else { "" };
            format!("{sign}{percent}")
        });
        rows.push(vec![one.item.clone(), one.what.clone(), side(&one.before), side(&one.after), percent]);
    }
    rows
}

fn cost_rows(cost: &CostDifference, amount: impl Fn(&Exact) -> String) -> Rows {
    let mut rows = Rows::new(["sku", "before#", "after#", "difference#"]);
    for sku in &cost.skus {
        rows.push(vec![sku.sku.clone(), amount(&sku.before), amount(&sku.after), amount(&sku.difference)]);
    }
    rows.push(vec!["total".to_owned(), amount(&cost.before), amount(&cost.after), amount(&cost.difference)]);
    rows
}

fn print_answer(answer: &Answer) -> Result<(), Failure> {
    if answer.differences.is_empty() {
        print_text("No difference.\n")?;
    } else {
        difference_rows(&answer.differences).print()?;
    }
    let Some(cost) = &answer.cost else { return Ok(()) };
    print_text(&format!("\nCost of {} in {}, billed\n", cost.period, cost.currency))?;
    cost_rows(cost, shown_amount).print()
}
