//! `paygrain sql`: one read-only query over the lake.

use std::io::{IsTerminal, Read};
use std::time::Duration;

use clap::{Args, ValueEnum};
use paygrain_query::documentation::{self, DocumentedTable};
use paygrain_query::functions::FUNCTIONS;
use paygrain_query::sql_text::{column_names, text_rows};
use paygrain_query::{SqlFormat, SqlLimits, SqlQuery, SqlSandbox, SqlStream, SqlText};

use super::Context;
use crate::failure::Failure;
use crate::output::{Rows, print_bytes, print_json};

/// Query the tables of the lake with SQL, read-only
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain sql \"SELECT resource, count(*) AS invocations, sum(billed_ms) FROM invocations GROUP BY resource\"
  paygrain sql --tables                                        tables, columns and what they mean
  paygrain sql --format csv \"SELECT * FROM rejected_rows\" > rejected.csv
  paygrain sql --format arrow - < query.sql > answer.arrows    the query from standard input
  paygrain sql --timeout 3600 --memory 16384 \"SELECT …\"        for a large question

The query runs in a process of its own, which is stopped at its limits.")]
pub struct Sql {
    /// One query, or `-` to read it from standard input
    #[arg(required_unless_present = "tables")]
    query: Option<String>,
    /// List the tables, their columns and what they mean, instead of a query
    #[arg(long, conflicts_with = "query")]
    tables: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Longest time, in seconds
    #[arg(long, default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    timeout: u64,
    /// Most memory, in MiB, beyond what the program needs to start
    #[arg(long, default_value_t = 4096, value_name = "MIB", value_parser = clap::value_parser!(u64).range(16..=1_048_576))]
    memory: u64,
    /// Most temporary files of sorts, joins and groupings, in MiB
    #[arg(long, default_value_t = 16384, value_name = "MIB", value_parser = clap::value_parser!(u64).range(0..=1_073_741_824))]
    temporary: u64,
    /// Most rows; a note says when there are more [default: all]
    #[arg(long, value_name = "ROWS")]
    max_rows: Option<u64>,
}

/// How to print the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Table,
    /// An array of objects: integers as numbers, decimals as text.
    Json,
    /// Full precision, a header line.
    Csv,
    /// The stream format of Arrow IPC.
    Arrow,
}

impl Sql {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        if self.format == Format::Arrow && std::io::stdout().is_terminal() {
            let hint = "send it to a file: `paygrain sql --format arrow \"…\" > answer.arrows`".to_owned();
            return Err(Failure::usage("Arrow is not for a terminal", Some(hint)));
        }
        if self.tables {
            return self.print_tables();
        }
        let limits = SqlLimits {
            memory_bytes: self.memory << 20,
            timeout: Duration::from_secs(self.timeout),
            rows_max: self.max_rows,
            spill_bytes: self.temporary << 20,
            threads: std::thread::available_parallelism().map_or(2, usize::from),
        };
        let sandbox = SqlSandbox::new(&context.lake()?)?;
        let query = SqlQuery::from(self.text()?.as_str());
        let answer = async {
            let mut rows = sandbox.run_within(&query, &limits).await?;
            self.print(&mut rows).await?;
            if let Some(end) = rows.end().filter(|end| end.truncated) {
                eprintln!(
                    "note: the first {} rows; there are more, `--max-rows` says how many to print",
                    end.row_count
                );
            }
            Ok(())
        };
        tokio::select! {
            biased;
            // So that temporary files go.
            _ = tokio::signal::ctrl_c() => Err(Failure::new("stopped", None)),
            answer = answer => answer,
        }
    }

    fn text(&self) -> Result<String, Failure> {
        match self.query.as_deref() {
            Some("-") => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                Ok(text)
            }
            given => Ok(given.unwrap_or_default().to_owned()),
        }
    }

    async fn print(&self, answer: &mut SqlStream) -> Result<(), Failure> {
        let format = match self.format {
            Format::Json => SqlFormat::Json,
            Format::Csv => SqlFormat::Csv,
            Format::Arrow => SqlFormat::Arrow,
            Format::Table => return print_table(answer).await,
        };
        let mut text = SqlText::new(format, &answer.schema())?;
        print_bytes(&text.begin())?;
        while let Some(batch) = answer.next().await? {
            print_bytes(&text.rows(&batch)?)?;
        }
        print_bytes(&text.end()?)
    }

    fn print_tables(&self) -> Result<(), Failure> {
        let tables = documentation::tables();
        match self.format {
            Format::Json => print_json(&serde_json::json!({ "tables": tables, "functions": FUNCTIONS })),
            Format::Table => columns_of(&tables).print(),
            Format::Csv => columns_of(&tables).print_csv(),
            Format::Arrow => Err(Failure::usage(
                "`--tables` has no Arrow form",
                Some("query the table `column_documentation` instead".into()),
            )),
        }
    }
}

async fn print_table(answer: &mut SqlStream) -> Result<(), Failure> {
    let schema = answer.schema();
    let names = column_names(&schema).into_iter().zip(schema.fields());
    let names = names.map(|(name, field)| if field.data_type().is_numeric() { format!("{name}#") } else { name });
    let names: Vec<_> = names.collect();
    let mut rows = Rows::new(names.iter().map(String::as_str));
    while let Some(batch) = answer.next().await? {
        for row in text_rows(&batch)? {
            rows.push(row.into_iter().map(Option::unwrap_or_default).collect());
        }
    }
    rows.print()
}

fn columns_of(tables: &[DocumentedTable]) -> Rows {
    let mut rows = Rows::new(["table", "column", "type", "description"]);
    for table in tables {
        for column in &table.columns {
            let cells = [&table.name, &column.name, &column.data_type, &column.description];
            rows.push(cells.map(Clone::clone).to_vec());
        }
    }
    rows
}
