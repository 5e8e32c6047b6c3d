//! The commands, a file each.

pub mod bill;
pub mod bills;
pub mod close;
pub mod compare;
pub mod completions;
pub mod estimate;
pub mod explain;
pub mod export;
pub mod ingest;
pub mod lake;
pub mod prices;
pub mod reconcile;
pub mod rejected;
pub mod report;
pub mod samples;
pub mod serve;
pub mod sql;
pub mod what_if;

use clap::{Parser, Subcommand};
use paygrain_ingest::Lake;
use paygrain_query::Engine;

use crate::failure::Failure;
use crate::options::{AgreementOptions, LakeOptions, PriceBookOptions};

/// Exact bills from cloud logs: every charge explained, down to the records behind it.
#[derive(Debug, Parser)]
#[command(name = "paygrain", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  paygrain serve --samples                        look around with sample data
  paygrain ingest --region eu-west-1 logs/*.gz    bring in Lambda or S3 logs
  paygrain bill --period 2026-10 --by service     what it cost
  paygrain explain 2026-10/aws.lambda.requests/…  why

Exit codes: 0 done, 1 failed, 2 wrong command line")]
pub struct Arguments {
    #[command(flatten)]
    lake: LakeOptions,
    #[command(flatten)]
    price_books: PriceBookOptions,
    #[command(flatten)]
    agreement: AgreementOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Ingest(ingest::Ingest),
    Lake(lake::LakeCommand),
    Bill(bill::BillCommand),
    Close(close::Close),
    Bills(bills::Bills),
    Explain(explain::Explain),
    Report(report::Report),
    Compare(Box<compare::Compare>),
    WhatIf(what_if::WhatIf),
    Reconcile(reconcile::Reconcile),
    Estimate(estimate::Estimate),
    Export(export::Export),
    Sql(sql::Sql),
    Prices(prices::Prices),
    Rejected(rejected::Rejected),
    Completions(completions::Completions),
    Samples(samples::Samples),
}

/// What every command can reach.
pub struct Context {
    lake: LakeOptions,
    price_books: PriceBookOptions,
    agreement: AgreementOptions,
}

impl Context {
    /// The engine over the lake, the price books and the agreement.
    pub fn engine(&self) -> Result<Engine, Failure> {
        self.engine_over(self.lake.open()?)
    }

    /// The lake.
    pub fn lake(&self) -> Result<Lake, Failure> {
        self.lake.open()
    }

    /// As [`Context::engine`], over another lake.
    pub fn engine_over(&self, lake: Lake) -> Result<Engine, Failure> {
        let engine = Engine::new(lake, self.price_books.catalogue()?);
        engine.with_agreement(self.agreement.read()?).map_err(|error| Failure::new(&error, error.hint.clone()))
    }
}

/// As much of an upload's id as people need.
pub fn short_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// The upload whose id begins so.
pub async fn whole_id(lake: &Lake, beginning: &str) -> Result<String, Failure> {
    let found: Vec<_> = lake.uploads().await?.into_iter().filter(|upload| upload.id.starts_with(beginning)).collect();
    match &found[..] {
        [upload] => Ok(upload.id.clone()),
        [] => Err(Failure::new(
            format!("there is no upload `{beginning}`"),
            Some("`paygrain sql \"SELECT id, name FROM uploads\"` lists them".into()),
        )),
        _ => Err(Failure::new(format!("several uploads begin with `{beginning}`"), Some("give more of the id".into()))),
    }
}

/// Runs the command of a command line.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { lake, price_books, agreement, command } = arguments;
    let context = Context { lake, price_books, agreement };
    match command {
        Command::Serve(command) => command.run(&context).await,
        Command::Ingest(command) => command.run(&context).await,
        Command::Lake(command) => command.run(&context).await,
        Command::Bill(command) => command.run(&context).await,
        Command::Close(command) => command.run(&context).await,
        Command::Bills(command) => command.run(&context).await,
        Command::Explain(command) => command.run(&context).await,
        Command::Report(command) => command.run(&context).await,
        Command::Compare(command) => command.run(&context).await,
        Command::WhatIf(command) => command.run(&context).await,
        Command::Reconcile(command) => command.run(&context).await,
        Command::Estimate(command) => command.run(&context),
        Command::Export(command) => command.run(&context).await,
        Command::Sql(command) => command.run(&context).await,
        Command::Prices(command) => command.run(&context).await,
        Command::Rejected(command) => command.run(&context).await,
        Command::Completions(command) => command.run(),
        Command::Samples(command) => command.run(),
    }
}
