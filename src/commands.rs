//! The commands, a file each.

pub mod bill;
pub mod bills;
pub mod close;
pub mod completions;
pub mod estimate;
pub mod explain;
pub mod ingest;
pub mod prices;
pub mod samples;
pub mod serve;
pub mod sql;

use clap::{Parser, Subcommand};
use paygrain_query::Engine;

use crate::failure::Failure;
use crate::options::{LakeOptions, PriceBookOptions};

/// Exact bills from cloud logs: every charge explained, down to the records behind it.
#[derive(Debug, Parser)]
#[command(name = "paygrain", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  paygrain serve --samples                        look around with sample data
  paygrain ingest --region eu-west-1 logs/*.gz    bring in Lambda or S3 logs
  paygrain bill --period 2026-10 --by service     what it cost
  paygrain explain 2026-10/aws.lambda.requests/…  why")]
pub struct Arguments {
    #[command(flatten)]
    lake: LakeOptions,
    #[command(flatten)]
    price_books: PriceBookOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Ingest(ingest::Ingest),
    Bill(bill::BillCommand),
    Close(close::Close),
    Bills(bills::Bills),
    Explain(explain::Explain),
    Estimate(estimate::Estimate),
    Sql(sql::Sql),
    Prices(prices::Prices),
    Completions(completions::Completions),
    Samples(samples::Samples),
}

/// What every command can reach.
pub struct Context {
    lake: LakeOptions,
    price_books: PriceBookOptions,
}

impl Context {
    /// The engine over the lake and the price books.
    pub fn engine(&self) -> Result<Engine, Failure> {
        Ok(Engine::new(self.lake.open()?, self.price_books.catalogue()?))
    }
}

/// Runs the command of a command line.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let context = Context { lake: arguments.lake, price_books: arguments.price_books };
    match arguments.command {
        Command::Serve(command) => command.run(&context).await,
        Command::Ingest(command) => command.run(&context).await,
        Command::Bill(command) => command.run(&context).await,
        Command::Close(command) => command.run(&context).await,
        Command::Bills(command) => command.run(&context).await,
        Command::Explain(command) => command.run(&context).await,
        Command::Estimate(command) => command.run(&context),
        Command::Sql(command) => command.run(&context).await,
        Command::Prices(command) => command.run(&context),
        Command::Completions(command) => command.run(),
        Command::Samples(command) => command.run(),
    }
}
