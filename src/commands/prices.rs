//! `paygrain prices`: the price books in force.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use paygrain_pricing::{Catalogue, Exact, Price, PriceBook, Sku};
use serde_json::{Value, json};

use super::Context;
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json, print_text};

/// List, show and check price books
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain prices list
  paygrain prices show aws/lambda
  paygrain prices check my-prices/*.toml")]
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
    /// Every price of a price book, with its source and how sure it is
    Show {
        /// Price book, for example `aws/lambda`
        book: String,
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Every problem of price book files at once; the shipped ones if none is named
    Check {
        /// Price book files
        #[arg(value_name = "FILE.toml")]
        files: Vec<PathBuf>,
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
}

impl Prices {
    /// Runs the command.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::List { format } => list(&context.price_books.catalogue()?, format),
            Action::Show { book, format } => show(&context.price_books.catalogue()?, &book, format),
            Action::Check { files, format } => check(context, &files, format),
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

fn show(catalogue: &Catalogue, name: &str, format: OutputFormat) -> Result<(), Failure> {
    let book = catalogue.books().iter().find(|book| book.name == name).ok_or_else(|| {
        let service = name.rsplit('/').next().unwrap_or(name);
        let near: Vec<_> = catalogue
            .books()
            .iter()
            .filter(|book| book.name.contains(service))
            .map(|book| book.name.as_str())
            .collect();
        let hint = match near.is_empty() {
            true => "`paygrain prices list` lists them".to_owned(),
            false => format!("did you mean {}?", near.join(" or ")),
        };
        Failure::new(format!("there is no price book `{name}`"), Some(hint))
    })?;
    let mut rows = Rows::new(["sku", "region", "from", "to", "tier_from#", "price#", "per", "mark", "source"]);
    for sku in &book.skus {
        for price in &sku.prices {
            push_price(&mut rows, sku, price);
        }
    }
    match format {
        OutputFormat::Csv => rows.print_csv(),
        OutputFormat::Json => print_json(&book_document(book)),
        OutputFormat::Table => {
            print_text(&format!("{}, version {}, {}\n", book.title, book.version, book.currency))?;
            rows.print()?;
            print_text("\nSources\n")?;
            for (key, address) in &book.sources {
                print_text(&format!("  {key}: {address}\n"))?;
            }
            Ok(())
        }
    }
}

fn push_price(rows: &mut Rows, sku: &Sku, price: &Price) {
    let mut from = Exact::zero();
    for tier in &price.tiers {
        rows.push(vec![
            sku.id.clone(),
            price.region.clone().unwrap_or_else(|| "every".into()),
            price.from.map(|day| day.to_string()).unwrap_or_default(),
            price.to.map(|day| day.to_string()).unwrap_or_default(),
            from.to_string(),
            tier.published.clone(),
            price.per.text().to_owned(),
            tier.mark.clone(),
            price.source.clone(),
        ]);
        from = tier.up_to.clone().unwrap_or(from);
    }
}

fn book_document(book: &PriceBook) -> Value {
    let price = |price: &Price| {
        let tiers: Vec<_> = price
            .tiers
            .iter()
            .map(|tier| json!({"up_to": tier.up_to, "price": tier.published, "mark": tier.mark}))
            .collect();
        json!({
            "region": price.region, "from": price.from, "to": price.to, "per": price.per.text(), "tiers": tiers,
            "source": price.source, "source_address": book.source_address(&price.source),
        })
    };
    let skus: Vec<_> = book
        .skus
        .iter()
        .map(|sku| {
            json!({
                "sku": sku.name, "description": sku.description, "table": sku.table.name(),
                "filter": sku.filter.as_ref().map(ToString::to_string), "unit": sku.unit.text(),
                "prices": sku.prices.iter().map(price).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "price_book": book.name, "title": book.title, "version": book.version, "currency": book.currency,
        "sources": book.sources, "skus": skus,
    })
}

fn check(context: &Context, files: &[PathBuf], format: OutputFormat) -> Result<(), Failure> {
    let problems = if files.is_empty() {
        let catalogue = context.price_books.catalogue()?;
        catalogue.books().iter().flat_map(|book| catalogue.check_examples(book)).collect()
    } else {
        let mut texts = Vec::new();
        for path in files {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::new(format!("cannot read `{name}`: {error}"), Some("check the path".into()))
            })?;
            texts.push((name, text));
        }
        Catalogue::check(texts)
    };
    match format {
        OutputFormat::Json => {
            let list: Vec<_> = problems
                .iter()
                .map(|problem| json!({"price_book": problem.book, "place": problem.place, "message": problem.message}))
                .collect();
            print_json(&json!({ "problems": list }))?;
        }
        OutputFormat::Csv => {
            let mut rows = Rows::new(["price_book", "place", "message"]);
            for problem in &problems {
                rows.push(vec![problem.book.clone(), problem.place.clone(), problem.message.clone()]);
            }
            rows.print_csv()?;
        }
        OutputFormat::Table => {
            for problem in &problems {
                print_text(&format!("{problem}\n"))?;
            }
            print_text(&format!("{} problems\n", problems.len()))?;
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::reported()) }
}
