//! `paygrain ingest`: bring files into the lake, each wholly or not at all.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use paygrain_ingest::decompress::Limits;
use paygrain_ingest::format::FORMATS;
use paygrain_ingest::upload::ingest_file;
use paygrain_ingest::{Defaults, IngestError, IngestOptions, Lake, Mapping, UploadResult};
use paygrain_pricing::grouped;
use serde::Serialize;
use walkdir::{DirEntry, WalkDir};

use super::Context;
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json, print_text};

/// Bring usage files into the lake
///
/// A file lands wholly or not at all, and every record counts once, however often and in whatever envelope it comes.
/// Rows that cannot be read are kept in the table `rejected_rows` with their place and the reason.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain ingest --account 123456789012 --region us-east-1 --resource resize-image function.log
  aws logs filter-log-events --log-group-name /aws/lambda/f | paygrain ingest --resource f -
  paygrain ingest --defaults defaults.toml exports/ --format json
  paygrain ingest --mapping aurora.toml cluster-usage.csv
  paygrain ingest --format help")]
pub struct Ingest {
    /// Files to ingest, compressed or not; directories are walked; `-` is standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Input format (`auto` detects it, `help` lists them) or output format (`table`, `json`, `csv`); may be given twice
    #[arg(long, value_name = "FORMAT")]
    format: Vec<String>,
    /// Say what in the content decided the format
    #[arg(long)]
    explain_detection: bool,
    /// Account of the usage, where the log does not say
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Region of the usage, where the log does not say
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Function, bucket or other resource, where the log does not say
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,
    /// `x86_64` or `arm64`, where the log does not say
    #[arg(long, value_name = "NAME")]
    architecture: Option<String>,
    /// `Zip` or `Image`, where the log does not say
    #[arg(long, value_name = "TYPE")]
    package_type: Option<String>,
    /// File of such values, also by resource
    #[arg(long, value_name = "FILE.toml")]
    defaults: Option<PathBuf>,
    /// How the columns of a CSV or JSON file of any kind become usage records
    #[arg(long, value_name = "FILE.toml")]
    mapping: Option<PathBuf>,
    /// Time of records without one (RFC 3339, or a date): the time of the upload if not given
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Most decompressed bytes a file may have
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
}

/// The answer of `--format json`: the shape is public.
#[derive(Serialize)]
struct Answer {
    uploads: Vec<UploadResult>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<FailedUpload>,
}

#[derive(Serialize)]
struct FailedUpload {
    name: String,
    error: String,
    hint: Option<String>,
}

impl Ingest {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (input_format, output) = self.formats();
        if input_format.as_deref() == Some("help") {
            return list_formats(output);
        }
        if self.paths.is_empty() {
            return Err(Failure::usage(
                "there is nothing to ingest",
                Some("name files, or `-` for standard input".into()),
            ));
        }
        let lake = context.lake.open()?;
        lake.recover().await?;
        let options = self.options(input_format)?;
        if let Some(name) = &options.format {
            paygrain_ingest::format::by_name(name)?;
        }
        let mut answer = Answer { uploads: Vec::new(), failed: Vec::new() };
        for path in &files(&self.paths)? {
            let name = if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
            match ingest_one(&lake, &name, path, &options).await {
                Ok(result) => answer.uploads.push(result),
                Err(error) => {
                    eprintln!("error: {name}: {error}");
                    if let Some(hint) = error.hint() {
                        eprintln!("hint: {hint}");
                    }
                    answer.failed.push(FailedUpload { name, error: error.to_string(), hint: error.hint() });
                }
            }
        }
        self.print(&answer, output)?;
        if answer.failed.is_empty() { Ok(()) } else { Err(Failure::reported()) }
    }

    fn formats(&self) -> (Option<String>, OutputFormat) {
        let mut input = None;
        let mut output = OutputFormat::Table;
        for name in &self.format {
            match name.as_str() {
                "table" => output = OutputFormat::Table,
                "json" => output = OutputFormat::Json,
                "csv" => output = OutputFormat::Csv,
                "auto" => input = None,
                other => input = Some(other.to_owned()),
            }
        }
        (input, output)
    }

    fn options(&self, format: Option<String>) -> Result<IngestOptions, Failure> {
        let mut defaults = match &self.defaults {
            None => Defaults::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| {
                    Failure::from(IngestError::Io { what: format!("cannot read `{}`", path.display()), source })
                })?;
                Defaults::from_toml(&path.display().to_string(), &text)?
            }
        };
        let flags = [
            (&self.account, &mut defaults.account),
            (&self.region, &mut defaults.region),
            (&self.resource, &mut defaults.resource),
            (&self.architecture, &mut defaults.architecture),
            (&self.package_type, &mut defaults.package_type),
        ];
        for (flag, value) in flags {
            if flag.is_some() {
                value.clone_from(flag);
            }
        }
        let mapping = self.mapping.as_deref().map(read_mapping).transpose()?;
        let at_us = self.at.as_deref().map(parse_time).transpose()?;
        let mut limits = Limits::default();
        if let Some(bytes) = self.max_bytes {
            limits.decompressed_bytes_max = bytes;
        }
        Ok(IngestOptions { format, mapping, defaults, at_us, limits, bytes_read: None })
    }

    fn print(&self, answer: &Answer, output: OutputFormat) -> Result<(), Failure> {
        if output == OutputFormat::Json {
            return print_json(answer);
        }
        let mut rows = Rows::new(["file", "format", "read#", "accepted#", "duplicate#", "rejected#", "state", "id"]);
        for upload in &answer.uploads {
            let number = |value: u64| match output {
                OutputFormat::Table => grouped(&value.to_string()),
                _ => value.to_string(),
            };
            let id = if output == OutputFormat::Table { &upload.id[..upload.id.len().min(12)] } else { &upload.id };
            rows.push(vec![
                upload.name.clone(),
                upload.format.clone(),
                number(upload.read),
                number(upload.accepted),
                number(upload.duplicate),
                number(upload.rejected),
                if upload.already_loaded { "already loaded" } else { "loaded" }.into(),
                id.to_owned(),
            ]);
        }
        if output == OutputFormat::Csv {
            return rows.print_csv();
        }
        if !rows.is_empty() {
            rows.print()?;
        }
        for upload in &answer.uploads {
            if self.explain_detection {
                print_text(&format!("{}: {} because {}\n", upload.name, upload.format, upload.detected_because))?;
            }
            for warning in &upload.warnings {
                eprintln!("warning: {}: {warning}", upload.name);
            }
            for row in &upload.first_rejected {
                let place = row.line.map_or_else(|| format!("byte {}", row.byte_offset), |line| format!("line {line}"));
                eprintln!("rejected: {}, {place}: {} in `{}`", upload.name, row.reason, row.excerpt);
            }
            let more = upload.rejected.saturating_sub(upload.first_rejected.len() as u64);
            if more > 0 {
                eprintln!("rejected: {}: and {more} more; see the table rejected_rows", upload.name);
            }
        }
        Ok(())
    }
}

/// The mapping in a file.
pub fn read_mapping(path: &Path) -> Result<Mapping, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|source| Failure::from(IngestError::Io { what: format!("cannot read `{shown}`"), source }))?;
    Ok(Mapping::from_toml(&shown.to_string(), &text)?)
}

/// The files named, and those below the directories named, in the order of their names. Links and hidden files below a
/// directory are passed over: what is linked may be anywhere, or lead back.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path == Path::new("-") || !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        let is_shown = |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".");
        for entry in WalkDir::new(path).sort_by_file_name().into_iter().filter_entry(is_shown) {
            let entry = entry.map_err(|error| {
                Failure::new(
                    format!("cannot walk `{}`: {error}", path.display()),
                    Some("check who may read there".into()),
                )
            })?;
            if entry.file_type().is_file() {
                files.push(entry.into_path());
            }
        }
        if files.len() == before {
            return Err(Failure::new(
                format!("there is no file in `{}`", path.display()),
                Some("hidden files and links are passed over".into()),
            ));
        }
    }
    Ok(files)
}

async fn ingest_one(
    lake: &Lake,
    name: &str,
    path: &Path,
    options: &IngestOptions,
) -> Result<UploadResult, IngestError> {
    if path == Path::new("-") {
        let mut file = tempfile::NamedTempFile::new().map_err(temporary)?;
        std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(temporary)?;
        file.flush().map_err(temporary)?;
        return ingest_file(lake, name, file.path(), options).await;
    }
    let total = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let bytes_read = Arc::new(AtomicU64::new(0));
    let options = IngestOptions { bytes_read: Some(bytes_read.clone()), ..options.clone() };
    let bar = progress_bar(name, total);
    let progress = async {
        loop {
            bar.set_position(bytes_read.load(Ordering::Relaxed));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let result = tokio::select! {
        result = ingest_file(lake, name, path, &options) => result,
        () = progress => unreachable!("progress never ends"),
    };
    bar.finish_and_clear();
    result
}

/// A bar on a terminal, nothing when piped.
fn progress_bar(name: &str, total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar.with_message(name.to_owned())
}

fn temporary(source: std::io::Error) -> IngestError {
    IngestError::Io { what: "cannot keep standard input in a temporary file".into(), source }
}

fn parse_time(text: &str) -> Result<i64, Failure> {
    let instant = chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros());
    let day =
        || text.parse::<chrono::NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|time| time.and_utc().timestamp_micros());
    instant.or_else(day).ok_or_else(|| {
        Failure::usage(
            format!("`--at {text}` is not a time"),
            Some("write it as 2026-10-31T17:00:00Z or as 2026-10-31 (UTC)".into()),
        )
    })
}

fn list_formats(output: OutputFormat) -> Result<(), Failure> {
    let mut rows = Rows::new(["format", "description"]);
    for format in FORMATS {
        rows.push(vec![format.name().into(), format.description().into()]);
    }
    match output {
        OutputFormat::Table => rows.print(),
        OutputFormat::Csv => rows.print_csv(),
        OutputFormat::Json => {
            let list: Vec<_> = FORMATS
                .iter()
                .map(|format| serde_json::json!({"name": format.name(), "description": format.description()}))
                .collect();
            print_json(&serde_json::json!({ "formats": list }))
        }
    }
}
