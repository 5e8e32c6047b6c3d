//! `paygrain export`: a bill in a format that other tools read.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use paygrain_pricing::grouped;
use paygrain_query::{FocusExport, FocusFormat, FocusRequest, FocusVersion, QueryError};

use super::Context;
use crate::failure::Failure;
use crate::options::{RatingArguments, period_with_usage};
use crate::output::{file_beside, print_bytes, shown_amount};

/// Write a bill in a format that other tools read
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain export focus --period 2026-10 --out focus.parquet")]
pub struct Export {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Focus(Focus),
}

/// The charges of a month as FOCUS rows: CSV or Parquet, all 57 columns of version 1.2
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain export focus --period 2026-10 --out focus-2026-10.parquet
  paygrain export focus --charge-period hour | duckdb -c \"SELECT sum(BilledCost) FROM read_csv('/dev/stdin')\"
  paygrain export focus --version 1.0 --out - > focus-1.0.csv

A file that is there already is kept, unless --overwrite is given. A file appears whole or not at all.")]
// `--version` is that of FOCUS here.
#[command(disable_version_flag = true)]
struct Focus {
    /// Billing month (YYYY-MM, UTC); the latest with usage if not given
    #[arg(long, value_name = "MONTH")]
    period: Option<String>,
    /// File to write, `.csv` or `.parquet`; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// `csv` or `parquet`, where the name of the file does not say; standard output is CSV
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Replace the file if it is there
    #[arg(long)]
    overwrite: bool,
    /// Version of FOCUS: 1.2, or the fewer columns of 1.1 or 1.0
    #[arg(long, value_name = "VERSION", default_value = "1.2")]
    version: String,
    /// Length of a charge period, UTC: `day`, `hour` or `month`
    #[arg(long, value_name = "LENGTH", default_value = "day")]
    charge_period: String,
    /// Invoice the charges are on, for the column InvoiceId
    #[arg(long, value_name = "ID")]
    invoice_id: Option<String>,
    /// Export the issued bill up to this revision: corrections are rows of their own
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u32>,
    #[command(flatten)]
    rating: RatingArguments,
}

impl Export {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.what {
            What::Focus(focus) => focus.run(context).await,
        }
    }
}

impl Focus {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let version: FocusVersion = self.version.parse()?;
        let charge_period = self.charge_period.parse()?;
        let format = self.format()?;
        if !self.to_standard_output() && !self.overwrite && self.out.exists() {
            return Err(Failure::new(
                format!("`{}` is there already", self.out.display()),
                Some("`--overwrite` replaces it; or name another file with `--out`".into()),
            ));
        }
        let engine = context.engine()?;
        let period = period_with_usage(&engine, self.period.as_deref()).await?;
        let bill = self.rating.request(period, Vec::new())?;
        let request = FocusRequest { charge_period, invoice_id: self.invoice_id.clone(), ..FocusRequest::new(bill) };
        let export = match self.revision {
            Some(revision) => engine.focus_of_revision(&request, revision).await?,
            None => engine.focus(&request).await?,
        };
        for usage in &export.unpriced {
            eprintln!(
                "not priced, so not exported: {} records of {}.{} ({}): {}",
                grouped(&usage.record_count.to_string()),
                usage.provider,
                usage.service,
                usage.usage,
                usage.reason
            );
        }
        let summary = format!(
            "{}: {} rows of FOCUS {} for {period}, billed cost {}",
            self.out.display(),
            grouped(&export.rows.len().to_string()),
            version.name(),
            shown_amount(&export.billed_cost()),
        );
        if self.to_standard_output() {
            let mut bytes = Vec::new();
            export.write(format, version, &mut bytes)?;
            return print_bytes(&bytes);
        }
        write_file(export, format, version, &self.out)?;
        if std::io::stderr().is_terminal() {
            eprintln!("{summary}");
        }
        Ok(())
    }

    fn to_standard_output(&self) -> bool {
        self.out == Path::new("-")
    }

    /// The format asked for, or that of the file's name.
    fn format(&self) -> Result<FocusFormat, Failure> {
        if let Some(name) = &self.format {
            return Ok(name.parse()?);
        }
        if self.to_standard_output() {
            return Ok(FocusFormat::Csv);
        }
        let extension = self.out.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        extension.parse().map_err(|_: QueryError| {
            let shown = self.out.display();
            Failure::usage(
                format!("the name `{shown}` does not say what to write: expected `.csv` or `.parquet` at its end"),
                Some("`--format csv` or `--format parquet` says it for any name".into()),
            )
        })
    }
}

/// Writes beside the file first, so that nobody ever sees half of it.
fn write_file(export: FocusExport, format: FocusFormat, version: FocusVersion, path: &Path) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        let hint = "check that the directory exists and can be written to";
        Failure::new(format!("cannot write `{}`: {error}", path.display()), Some(hint.into()))
    };
    let mut writer = std::io::BufWriter::new(file_beside(path).map_err(cannot)?);
    match export.write(format, version, &mut writer) {
        Err(QueryError::Write(error)) => return Err(cannot(error)),
        other => other?,
    }
    writer.flush().map_err(cannot)?;
    let file = writer.into_inner().map_err(|error| cannot(error.into_error()))?;
    file.persist(path).map_err(|error| cannot(error.error))?;
    Ok(())
}
