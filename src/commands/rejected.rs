//! `paygrain rejected`: the rows that uploads could not read, to be looked at, mended and ingested.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use paygrain_ingest::lake::UploadRow;
use paygrain_pricing::grouped;
use paygrain_query::{Engine, RejectedOriginals};
use serde_json::json;

use super::{Context, short_id, whole_id};
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, file_beside, print_bytes, print_json, print_text};

/// Rows of an upload that are listed when nothing else is said.
const LIMIT_DEFAULT: u64 = 100;

/// The rows that uploads could not read: list them, or take them out as they were to mend them
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain rejected list                          uploads with refused rows
  paygrain rejected list --upload 3f1c2a9b4d5e    its refused rows, with line and reason
  paygrain rejected download --upload 3f1c2a9b4d5e --out bad.csv
  paygrain ingest --mapping aurora.toml bad.csv   mended: nothing counts twice

Exit codes: 0 done, 1 no such upload or nothing to download, 2 wrong command line")]
pub struct Rejected {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Download(Download),
}

impl Rejected {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let engine = context.engine()?;
        match self.action {
            Action::List(command) => command.run(&engine).await,
            Action::Download(command) => command.run(&engine).await,
        }
    }
}

/// List refused rows with their place and the reason, or the uploads that have any
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain rejected list
  paygrain rejected list --upload 3f1c2a9b4d5e --limit 1000 --format csv")]
struct List {
    /// Rows of this upload (its id, or the beginning of it); without it, the uploads that have refused rows
    #[arg(long, value_name = "ID")]
    upload: Option<String>,
    /// Most rows to list
    #[arg(long, value_name = "COUNT", default_value_t = LIMIT_DEFAULT)]
    limit: u64,
    /// Rows to pass over
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    offset: u64,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

impl List {
    async fn run(self, engine: &Engine) -> Result<(), Failure> {
        match &self.upload {
            Some(beginning) => self.rows(engine, &upload(engine, beginning).await?).await,
            None => self.uploads(engine).await,
        }
    }

    async fn uploads(&self, engine: &Engine) -> Result<(), Failure> {
        let mut uploads = engine.uploads().await?;
        uploads.retain(|upload| upload.rejected > 0);
        if self.format == OutputFormat::Json {
            let shown =
                |upload: &UploadRow| json!({ "id": upload.id, "name": upload.name, "rejected": upload.rejected });
            return print_json(&json!({ "uploads": uploads.iter().map(shown).collect::<Vec<_>>() }));
        }
        if uploads.is_empty() && self.format == OutputFormat::Table {
            return print_text("No row was refused.\n");
        }
        let mut rows = Rows::new(["upload", "file", "format", "rejected#"]);
        for upload in uploads {
            let for_people = self.format == OutputFormat::Table;
            let id = if for_people { short_id(&upload.id) } else { &upload.id };
            let count = upload.rejected.to_string();
            let count = if for_people { grouped(&count) } else { count };
            rows.push(vec![id.to_owned(), upload.name.clone(), upload.format.clone(), count]);
        }
        if self.format == OutputFormat::Csv { rows.print_csv() } else { rows.print() }
    }

    async fn rows(&self, engine: &Engine, upload: &UploadRow) -> Result<(), Failure> {
        let found = engine.rejected_rows(&upload.id, self.offset, self.limit).await?;
        if self.format == OutputFormat::Json {
            return print_json(&json!({
                "upload": upload.id,
                "name": upload.name,
                "offset": self.offset,
                "total": upload.rejected,
                "rejected": found,
            }));
        }
        if found.is_empty() && self.format == OutputFormat::Table {
            return print_text(&format!("{}: no row was refused here.\n", upload.name));
        }
        let mut rows = Rows::new(["line#", "byte#", "reason", "begins with", "original bytes#"]);
        let last = self.offset + found.len() as u64;
        for row in found {
            let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
            let byte = row.byte_offset.to_string();
            rows.push(vec![number(row.line), byte, row.reason, row.excerpt, number(row.original_bytes)]);
        }
        if self.format == OutputFormat::Csv {
            return rows.print_csv();
        }
        rows.print()?;
        if last < upload.rejected {
            print_text(&format!("{last} of {} rows; `--offset {last}` goes on\n", upload.rejected))?;
        }
        Ok(())
    }
}

/// Write the refused rows of an upload as they were, to mend and ingest them
///
/// The file has the original bytes: the header once in front where rows need one, and every row ended by a new line.
/// Mend it and ingest it with the same flags as the upload: only the mended rows are new.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain rejected download --upload 3f1c2a9b4d5e --out bad.csv
  paygrain rejected download --upload 3f1c2a9b4d5e | sed 's/,n\\/a,/,0,/' > mended.csv")]
struct Download {
    /// The upload (its id, or the beginning of it)
    #[arg(long, value_name = "ID")]
    upload: String,
    /// File to write; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    overwrite: bool,
}

impl Download {
    async fn run(self, engine: &Engine) -> Result<(), Failure> {
        let upload = upload(engine, &self.upload).await?;
        let mut originals = engine.rejected_originals(&upload).await?;
        let facts = originals.facts;
        if facts.rows == 0 {
            return Err(Failure::new(
                format!("no row of `{}` was refused", upload.name),
                Some("`paygrain rejected list` names the uploads that have refused rows".into()),
            ));
        }
        if facts.kept == 0 {
            return Err(Failure::new(
                format!("the original bytes of the {} refused rows of `{}` were not kept", facts.rows, upload.name),
                Some(format!(
                    "they are too large, or an earlier version of the program refused them; `paygrain rejected list --upload {}` has their lines in the file",
                    short_id(&upload.id)
                )),
            ));
        }
        if self.out == Path::new("-") {
            while let Some(piece) = originals.next_piece().await? {
                print_bytes(&piece)?;
            }
        } else {
            self.write(originals).await?;
            eprintln!("{} rows written to {}", grouped(&facts.kept.to_string()), self.out.display());
        }
        if facts.lost() > 0 {
            eprintln!(
                "warning: {} of the {} refused rows are not in the file: their original bytes were not kept",
                grouped(&facts.lost().to_string()),
                grouped(&facts.rows.to_string())
            );
        }
        Ok(())
    }

    /// The file appears whole or not at all.
    async fn write(&self, mut originals: RejectedOriginals) -> Result<(), Failure> {
        let shown = self.out.display().to_string();
        if !self.overwrite && self.out.exists() {
            return Err(Failure::new(
                format!("`{shown}` is there already"),
                Some("`--overwrite` replaces it; or name another file with `--out`".into()),
            ));
        }
        let cannot = |error: std::io::Error| {
            let hint = "check that the directory exists and can be written to";
            Failure::new(format!("cannot write `{shown}`: {error}"), Some(hint.into()))
        };
        let mut file = file_beside(&self.out).map_err(cannot)?;
        while let Some(piece) = originals.next_piece().await? {
            file.write_all(&piece).map_err(cannot)?;
        }
        file.persist(&self.out).map_err(|error| cannot(error.error))?;
        Ok(())
    }
}

/// The upload whose id begins so.
async fn upload(engine: &Engine, beginning: &str) -> Result<UploadRow, Failure> {
    let id = whole_id(engine.lake(), beginning).await?;
    let gone = || Failure::new(format!("there is no upload `{beginning}`"), None);
    engine.upload(&id).await?.ok_or_else(gone)
}
