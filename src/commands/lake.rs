//! `paygrain lake`: what the lake holds, and its upkeep.

use clap::{Args, Subcommand};
use paygrain_ingest::lake::Compaction;
use paygrain_ingest::table::Table;
use paygrain_pricing::grouped;
use serde_json::json;

use super::Context;
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json};

/// What the lake holds, and its upkeep
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain lake status
  paygrain lake compact --format json")]
pub struct LakeCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tables, versions, rows, files and bytes
    Status {
        /// Output format
        #[arg(long, default_value = "table", value_name = "FORMAT")]
        format: OutputFormat,
    },
    /// Put small files together, without a change to any row; issued bills still verify, since what they were rated on
    /// stays. A running server does this by itself
    Compact {
        /// Output format
        #[arg(long, default_value = "table", value_name = "FORMAT")]
        format: OutputFormat,
    },
}

impl LakeCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let lake = context.lake.open()?;
        match self.action {
            Action::Status { format } => {
                let tables = lake.status().await?;
                if format == OutputFormat::Json {
                    return print_json(&json!({ "lake": lake.name(), "tables": tables }));
                }
                let mut rows =
                    Rows::new(["table", "version#", "rows#", "files#", "small files#", "bytes#", "stored bytes#"]);
                for status in tables {
                    let numbers = [
                        status.version,
                        status.rows,
                        status.files,
                        status.small_files,
                        status.bytes,
                        status.stored_bytes,
                    ];
                    let numbers = numbers.map(|number| shown(number, format));
                    rows.push([status.table.to_owned()].into_iter().chain(numbers).collect());
                }
                print(&rows, format)
            }
            Action::Compact { format } => {
                let mut rows = Rows::new(["table", "files before#", "files after#", "bytes rewritten#"]);
                let mut done = Vec::new();
                for table in Table::ALL {
                    let Some(compacted) = lake.compact(table, Compaction::Full).await? else { continue };
                    let numbers = [compacted.files_before, compacted.files_after, compacted.bytes_rewritten];
                    let numbers = numbers.map(|number| shown(number, format));
                    rows.push([table.name().to_owned()].into_iter().chain(numbers).collect());
                    done.push(json!({
                        "table": table.name(),
                        "files_before": compacted.files_before,
                        "files_after": compacted.files_after,
                        "bytes_rewritten": compacted.bytes_rewritten,
                    }));
                }
                match format {
                    OutputFormat::Json => print_json(&json!({ "compacted": done })),
                    OutputFormat::Table if rows.is_empty() => crate::output::print_text("Nothing to put together.\n"),
                    _ => print(&rows, format),
                }
            }
        }
    }
}

fn shown(number: u64, format: OutputFormat) -> String {
    if format == OutputFormat::Table { grouped(&number.to_string()) } else { number.to_string() }
}

fn print(rows: &Rows, format: OutputFormat) -> Result<(), Failure> {
    if format == OutputFormat::Csv { rows.print_csv() } else { rows.print() }
}
