//! `paygrain prices`: the price books in force.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use paygrain_pricing::{Catalogue, PriceBook, nearest};
use serde_json::json;

use super::Context;
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json};

mod check;
mod diff;
mod show;

/// List, show, check and compare price books
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain prices list
  paygrain prices show aws/lambda
  paygrain prices check my-prices
  paygrain prices check my-prices/aws/lambda.toml --format json
  paygrain prices diff shipped my-prices --period 2026-10")]
pub struct Prices {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every price book in force
    List {
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Everything in a price book: prices, rules, allowances, examples, each with its source and how sure it is
    Show {
        /// Price book, for example `aws/lambda`
        book: String,
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Every problem of price books at once, with file and line, wrong examples included
    ///
    /// A directory stands for every `.toml` file below it. Without any, the books in force are checked: the shipped
    /// ones and those of `--price-books`. The exit code is 1 when there is a problem.
    Check {
        /// Price book files and directories of them
        #[arg(value_name = "FILE|DIRECTORY")]
        paths: Vec<PathBuf>,
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    Diff(Box<diff::Diff>),
}

impl Prices {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::List { format } => list(&context.price_books.catalogue()?, format),
            Action::Show { book, format } => show::run(&context.price_books.catalogue()?, &book, format),
            Action::Check { paths, format } => check::run(context, &paths, format),
            Action::Diff(diff) => diff.run(context).await,
        }
    }
}

fn list(catalogue: &Catalogue, format: OutputFormat) -> Result<(), Failure> {
    let mut rows = Rows::new(["price_book", "title", "version", "currency", "skus#", "allowances#"]);
    let mut documents = Vec::new();
    for book in catalogue.books() {
        rows.push(vec![
            book.name.clone(),
            book.title.clone(),
            book.version.clone(),
            book.currency.clone(),
            book.skus.len().to_string(),
            book.allowances.len().to_string(),
        ]);
        documents.push(json!({
            "price_book": book.name, "title": book.title, "version": book.version, "currency": book.currency,
            "skus": book.skus.len(), "allowances": book.allowances.len(),
        }));
    }
    match format {
        OutputFormat::Table => rows.print(),
        OutputFormat::Csv => rows.print_csv(),
        OutputFormat::Json => print_json(&json!({ "price_books": documents })),
    }
}

/// The book of that name.
fn find<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a PriceBook, Failure> {
    catalogue.books().iter().find(|book| book.name == name).ok_or_else(|| {
        let names = || catalogue.books().iter().map(|book| book.name.as_str());
        let service = name.rsplit('/').next().unwrap_or(name);
        let mut near: Vec<_> = names().filter(|known| known.contains(service)).collect();
        if near.is_empty() {
            near.extend(nearest(name, names()));
        }
        let hint = match near.is_empty() {
            true => "`paygrain prices list` lists them".to_owned(),
            false => format!("did you mean {}?", near.join(" or ")),
        };
        Failure::new(format!("there is no price book `{name}`"), Some(hint))
    })
}
