//! `paygrain ingest`: bring files into the lake, each wholly or not at all.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use paygrain_ingest::archive::InputFile;
use paygrain_ingest::decompress::Limits;
use paygrain_ingest::deliveries::{self, Delivery, Plan};
use paygrain_ingest::format::FORMATS;
use paygrain_ingest::upload::Progress;
use paygrain_ingest::{Defaults, IngestError, IngestOptions, Lake, Mapping, UploadResult};
use paygrain_pricing::grouped;
use paygrain_query::{Advice, Landed};
use serde::Serialize;
use walkdir::{DirEntry, WalkDir};

use super::{Context, short_id};
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
    /// Files to ingest, compressed or not; directories are walked, archives (zip, tar) opened; `-` is standard input
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
    /// File of such values, also by resource; or a list of functions as `aws lambda list-functions` prints it
    #[arg(long, value_name = "FILE")]
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
    uploads: Vec<Landed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<FailedUpload>,
}

#[derive(Serialize)]
struct FailedUpload {
    name: String,
    error: String,
    hint: Option<String>,
}

impl Answer {
    fn fail(&mut self, name: String, error: &IngestError) {
        eprintln!("error: {name}: {error}");
        if let Some(hint) = error.hint() {
            eprintln!("hint: {hint}");
        }
        self.failed.push(FailedUpload { name, error: error.to_string(), hint: error.hint() });
    }
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
        let engine = context.engine()?;
        let lake = engine.lake();
        lake.recover().await?;
        let options = self.options(input_format)?;
        if let Some(name) = &options.format {
            paygrain_ingest::format::by_name(name)?;
        }
        let mut answer = Answer { uploads: Vec::new(), failed: Vec::new() };
        let (inputs, _standard_input) = inputs(&self.paths)?;
        let planned_options = options.clone();
        let planned = tokio::task::spawn_blocking(move || deliveries::plan(inputs, &planned_options)).await;
        let Plan { deliveries, failed, passed_over } = planned.map_err(std::io::Error::other)?;
        for (name, why) in passed_over {
            eprintln!("note: {name} is passed over: {why}");
        }
        for outcome in failed {
            if let Err(error) = outcome.result {
                answer.fail(outcome.name, &error);
            }
        }
        let declarations = lake.declarations().await?;
        for delivery in &deliveries {
            match ingest_one(lake, delivery, &options, output).await {
                Ok(result) => answer.uploads.push(Landed::of(engine.catalogue(), result, &declarations)),
                Err(error) => answer.fail(delivery.name.clone(), &error),
            }
        }
        self.print(&answer, output)?;
        // What landed has landed: rollups can be made another time.
        if let Err(error) = engine.roll_up(&|_, _, _| {}).await {
            tracing::warn!(%error, "rollups could not be made");
        }
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
                Defaults::read(&path.display().to_string(), &text)?
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
        Ok(IngestOptions { format, mapping, defaults, at_us, limits, progress: Arc::default() })
    }

    fn print(&self, answer: &Answer, output: OutputFormat) -> Result<(), Failure> {
        if output == OutputFormat::Json {
            return print_json(answer);
        }
        let mut rows = Rows::new(["file", "format", "read#", "accepted#", "duplicate#", "rejected#", "state", "id"]);
        for Landed { result: upload, .. } in &answer.uploads {
            let number = |value: u64| match output {
                OutputFormat::Table => grouped(&value.to_string()),
                _ => value.to_string(),
            };
            let id = if output == OutputFormat::Table { short_id(&upload.id) } else { &upload.id };
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
        // Many files of one function need the same command.
        let mut commands = BTreeSet::new();
        for Landed { result: upload, advice } in &answer.uploads {
            if self.explain_detection {
                print_text(&format!("{}: {} because {}\n", upload.name, upload.format, upload.detected_because))?;
            }
            for warning in &upload.warnings {
                eprintln!("warning: {}: {warning}", upload.name);
            }
            for row in &upload.first_rejected {
                let place = match (row.line, row.byte_length) {
                    (Some(line), _) => format!(", line {line}"),
                    // Refused after it was read: nothing says where it stood.
                    (None, None) if row.byte_offset == 0 => String::new(),
                    (None, _) => format!(", byte {}", row.byte_offset),
                };
                eprintln!("rejected: {}{place}: {} in `{}`", upload.name, row.reason, row.excerpt);
            }
            print_summary(upload, advice);
            commands.extend(&advice.commands);
            let more = upload.rejected.saturating_sub(upload.first_rejected.len() as u64);
            if more > 0 {
                eprintln!("rejected: {}: and {more} more", upload.name);
            }
            if upload.rejected > 0 {
                let id = short_id(&upload.id);
                eprintln!(
                    "hint: paygrain rejected download --upload {id} --out FILE, mend the rows, and ingest that file"
                );
            }
        }
        for command in commands {
            eprintln!("hint: {command}");
        }
        Ok(())
    }
}

/// "1 row", "12,000 rows".
fn counted(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(&count.to_string()))
}

/// What is in an upload, and what its rows still need.
fn print_summary(upload: &UploadResult, advice: &Advice) {
    let name = &upload.name;
    if upload.replaced > 0 {
        let lines = grouped(&upload.replaced.to_string());
        eprintln!("note: {name}: replaced {lines} lines of an earlier delivery of the same billing period");
    }
    if let (Some(first), Some(last)) = (&upload.summary.first, &upload.summary.last) {
        let services =
            upload.summary.services.iter().map(|found| {
                format!("{}/{} ({})", found.provider, found.service, counted(found.resources, "resource"))
            });
        eprintln!("note: {name}: {first} to {last}: {}", services.collect::<Vec<_>>().join(", "));
    }
    for lack in &advice.unpriced {
        let rows = counted(lack.rows, "row");
        eprintln!("note: {name}: no price book prices {}/{} ({rows})", lack.provider, lack.service);
    }
    for lack in &advice.undeclared {
        let (rows, have) = (counted(lack.rows, "row"), if lack.rows == 1 { "has" } else { "have" });
        eprintln!("note: {name}: {rows} of {}/{} {have} no {}", lack.provider, lack.service, lack.column);
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

/// The files, with standard input in a temporary one that lives as long as what is returned beside them.
fn inputs(paths: &[PathBuf]) -> Result<(Vec<InputFile>, Option<tempfile::NamedTempFile>), Failure> {
    let mut standard_input = None;
    let mut inputs = Vec::new();
    for path in files(paths)? {
        if path != Path::new("-") {
            inputs.push(InputFile::new(path.display().to_string(), path));
        } else if standard_input.is_none() {
            let mut file = tempfile::NamedTempFile::new().map_err(temporary)?;
            std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(temporary)?;
            file.flush().map_err(temporary)?;
            inputs.push(InputFile::new("standard input", file.path()));
            standard_input = Some(file);
        }
    }
    Ok((inputs, standard_input))
}

async fn ingest_one(
    lake: &Lake,
    delivery: &Delivery,
    options: &IngestOptions,
    output: OutputFormat,
) -> Result<UploadResult, IngestError> {
    let options = IngestOptions { progress: Arc::default(), ..options.clone() };
    let display = Display::new(&delivery.name, delivery.bytes(), output);
    let progress = options.progress.clone();
    let shown = async {
        loop {
            tokio::time::sleep(display.interval()).await;
            display.show(&progress);
        }
    };
    let result = tokio::select! {
        result = deliveries::ingest(lake, delivery, &options) => result,
        () = shown => unreachable!("progress never ends"),
    };
    display.finish();
    result
}

/// How far an upload is: a bar on a terminal, JSON lines on standard error with `--format json`, else nothing.
enum Display {
    Bar(ProgressBar),
    Lines { name: String, bytes_total: u64, started: Instant },
    Nothing,
}

impl Display {
    fn new(name: &str, bytes_total: u64, output: OutputFormat) -> Self {
        if output == OutputFormat::Json {
            return Self::Lines { name: name.to_owned(), bytes_total, started: Instant::now() };
        }
        if !std::io::stderr().is_terminal() {
            return Self::Nothing;
        }
        let bar = ProgressBar::new(bytes_total);
        let template = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg} {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self::Bar(bar.with_prefix(name.to_owned()))
    }

    fn interval(&self) -> Duration {
        match self {
            Self::Bar(_) => Duration::from_millis(100),
            Self::Lines { .. } | Self::Nothing => Duration::from_secs(1),
        }
    }

    fn show(&self, progress: &Progress) {
        let (bytes, rows) = (progress.bytes.load(Ordering::Relaxed), progress.rows.load(Ordering::Relaxed));
        match self {
            Self::Bar(bar) => {
                bar.set_position(bytes);
                bar.set_message(format!("{} rows", grouped(&rows.to_string())));
            }
            Self::Lines { name, bytes_total, started } => {
                let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
                let left_ms = (bytes > 0).then(|| elapsed_ms.saturating_mul(bytes_total.saturating_sub(bytes)) / bytes);
                let line = serde_json::json!({
                    "event": "progress",
                    "name": name,
                    "bytes": bytes,
                    "bytes_total": bytes_total,
                    "rows": rows,
                    "rows_per_s": rows.saturating_mul(1000) / elapsed_ms,
                    "left_ms": left_ms,
                });
                eprintln!("{line}");
            }
            Self::Nothing => {}
        }
    }

    fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
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
