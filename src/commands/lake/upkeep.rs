//! `paygrain lake status`, `paygrain lake compact` and `paygrain lake rebuild`.

use clap::Args;
use paygrain_ingest::lake::Compaction;
use paygrain_ingest::table::Table;
use paygrain_pricing::grouped;
use serde_json::json;

use crate::commands::Context;
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json, print_text};

/// Tables, versions, rows, files and bytes
#[derive(Args, Debug)]
pub struct Status {
    /// Output format
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: OutputFormat,
}

impl Status {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let lake = context.lake.open()?;
        let tables = lake.status().await?;
        if self.format == OutputFormat::Json {
            return print_json(&json!({ "lake": lake.name(), "tables": tables }));
        }
        let mut rows = Rows::new(["table", "version#", "rows#", "files#", "small files#", "bytes#", "stored bytes#"]);
        for status in tables {
            let numbers =
                [status.version, status.rows, status.files, status.small_files, status.bytes, status.stored_bytes];
            let numbers = numbers.map(|number| shown(number, self.format));
            rows.push([status.table.to_owned()].into_iter().chain(numbers).collect());
        }
        print(&rows, self.format)
    }
}

/// Put small files together, without a change to any row
///
/// Issued bills still verify: what they were rated on stays. A running server does this by itself.
#[derive(Args, Debug)]
pub struct Compact {
    /// Output format
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: OutputFormat,
}

impl Compact {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let lake = context.lake.open()?;
        let mut rows = Rows::new(["table", "files before#", "files after#", "bytes rewritten#"]);
        let mut done = Vec::new();
        for table in Table::ALL {
            let Some(compacted) = lake.compact(table, Compaction::Full).await? else { continue };
            let numbers = [compacted.files_before, compacted.files_after, compacted.bytes_rewritten];
            let numbers = numbers.map(|number| shown(number, self.format));
            rows.push([table.name().to_owned()].into_iter().chain(numbers).collect());
            done.push(json!({
                "table": table.name(),
                "files_before": compacted.files_before,
                "files_after": compacted.files_after,
                "bytes_rewritten": compacted.bytes_rewritten,
            }));
        }
        match self.format {
            OutputFormat::Json => print_json(&json!({ "compacted": done })),
            OutputFormat::Table if rows.is_empty() => print_text("Nothing to put together.\n"),
            _ => print(&rows, self.format),
        }
    }
}

/// Work out every rollup anew
///
/// Rollups are sums over usage records, kept so that questions need not read the records again. They are made as usage is
/// ingested and catch up by themselves; nothing is lost with them.
#[derive(Args, Debug)]
pub struct Rebuild {
    /// Output format
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: OutputFormat,
}

impl Rebuild {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let engine = context.engine()?;
        engine.drop_rollups().await?;
        let bar = indicatif::ProgressBar::new(0);
        let style = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} days, {eta} left");
        bar.set_style(style.map_err(std::io::Error::other)?);
        let data_files = engine
            .roll_up(&|table, days, all| {
                bar.set_message(table.name());
                bar.set_length(all as u64);
                bar.set_position(days as u64);
            })
            .await?;
        bar.finish_and_clear();
        match self.format {
            OutputFormat::Json => print_json(&json!({ "data_files": data_files })),
            OutputFormat::Csv => {
                let mut rows = Rows::new(["data files"]);
                rows.push(vec![data_files.to_string()]);
                rows.print_csv()
            }
            OutputFormat::Table => print_text(&format!("Rollups of {} data files.\n", shown(data_files, self.format))),
        }
    }
}

fn shown(number: u64, format: OutputFormat) -> String {
    if format == OutputFormat::Table { grouped(&number.to_string()) } else { number.to_string() }
}

fn print(rows: &Rows, format: OutputFormat) -> Result<(), Failure> {
    if format == OutputFormat::Csv { rows.print_csv() } else { rows.print() }
}
