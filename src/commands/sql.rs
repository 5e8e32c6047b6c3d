//! `paygrain sql`: one read-only query over the lake.

use clap::Args;

use super::Context;
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json};

/// Query the tables of the lake with SQL, read-only
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain sql \"SELECT resource, count(*) AS invocations, sum(billed_ms) FROM invocations GROUP BY resource\"
  paygrain sql \"SHOW COLUMNS FROM requests\"
  paygrain sql --format csv \"SELECT * FROM rejected_rows\"")]
pub struct Sql {
    /// One query; tables: invocations, requests, uploads, rejected_rows
    query: String,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

impl Sql {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let answer = context.engine()?.sql(&self.query).await?;
        if self.format == OutputFormat::Json {
            return print_json(&answer.json_rows()?);
        }
        let mut rows = Rows::new(answer.columns.iter().map(String::as_str));
        for row in answer.text_rows()? {
            rows.push(row.into_iter().map(Option::unwrap_or_default).collect());
        }
        if self.format == OutputFormat::Csv { rows.print_csv() } else { rows.print() }
    }
}
