//! Options that several commands share.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::Args;
use paygrain_ingest::Lake;
use paygrain_pricing::{Agreement, Allowances, Catalogue, Period, RatingOptions};
use paygrain_query::{Attribution, BillRequest, Dimension, Engine};

use crate::failure::Failure;

/// Where the lake is.
#[derive(Args, Clone, Debug)]
pub struct LakeOptions {
    /// Directory of the lake; made by the first ingest [default: paygrain-lake]
    #[arg(long, global = true, env = "PAYGRAIN_LAKE", value_name = "DIRECTORY")]
    pub lake: Option<String>,
}

/// Where the lake is unless `--lake` says otherwise.
const DEFAULT_LAKE: &str = "paygrain-lake";

impl LakeOptions {
    /// Opens the lake.
    pub fn open(&self) -> Result<Lake, Failure> {
        Ok(Lake::open(self.lake.as_deref().unwrap_or(DEFAULT_LAKE))?)
    }

    /// Whether the user named no lake.
    pub fn is_default(&self) -> bool {
        self.lake.is_none()
    }
}

/// Which price books are in force.
#[derive(Args, Clone, Debug)]
pub struct PriceBookOptions {
    /// Directory of price books that add to the shipped ones or replace them
    #[arg(long, global = true, env = "PAYGRAIN_PRICE_BOOKS", value_name = "DIRECTORY")]
    pub price_books: Option<PathBuf>,
}

impl PriceBookOptions {
    /// The shipped price books and those of the directory.
    pub fn catalogue(&self) -> Result<Catalogue, Failure> {
        Catalogue::with_files(self.files()?).map_err(|error| Failure::new(&error, error.hint()))
    }

    /// Path and text of the books of the directory.
    pub fn files(&self) -> Result<Vec<(String, String)>, Failure> {
        self.price_books.as_deref().map_or(Ok(Vec::new()), read_books)
    }
}

/// Path and text of every book at a path.
pub fn read_books(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut texts = Vec::new();
    for file in book_files(path)? {
        let text = std::fs::read_to_string(&file).map_err(|error| cannot_read(&file, &error))?;
        texts.push((file.display().to_string(), text));
    }
    Ok(texts)
}

/// The file itself, or every `.toml` file below a directory, in the order of their names.
pub fn book_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return match path.metadata() {
            Ok(_) => Ok(vec![path.to_owned()]),
            Err(error) => Err(cannot_read(path, &error)),
        };
    }
    let mut files = Vec::new();
    collect_books(path, &mut files)?;
    if files.is_empty() {
        let hint = "a price book is a file `<provider>/<service>.toml`".to_owned();
        return Err(Failure::new(format!("there is no price book below `{}`", path.display()), Some(hint)));
    }
    files.sort();
    Ok(files)
}

fn collect_books(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = std::fs::read_dir(directory).map_err(|error| cannot_read(directory, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| cannot_read(directory, &error))?;
        let (path, is_link) = (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_symlink()));
        if path.is_dir() {
            // A link to a directory above would never end.
            if !is_link {
                collect_books(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(())
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read `{}`: {error}", path.display()), Some("check the path".into()))
}

/// What the account has agreed with its provider.
#[derive(Args, Clone, Debug)]
pub struct AgreementOptions {
    /// TOML file of negotiated discounts, commitments and the currency of the bill
    #[arg(long, global = true, env = "PAYGRAIN_AGREEMENT", value_name = "FILE")]
    pub agreement: Option<PathBuf>,
}

impl AgreementOptions {
    /// The agreement; an empty one when no file is named.
    pub fn read(&self) -> Result<Agreement, Failure> {
        let Some(path) = &self.agreement else { return Ok(Agreement::default()) };
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(format!("cannot read `{shown}`: {error}"), Some("check `--agreement`".into()))
        })?;
        Agreement::from_toml(&text).map_err(|error| Failure::new(format!("{shown}: {error}"), error.hint))
    }
}

/// What rating depends on besides usage and prices.
#[derive(Args, Clone, Debug)]
pub struct RatingOptionArguments {
    /// Allowances that apply: `all` (the default), `none`, or ids separated by commas
    #[arg(long, value_name = "WHICH")]
    pub allowances: Option<String>,
    /// Day the account was opened (YYYY-MM-DD): allowances of the first 12 months are given only with it
    #[arg(long, value_name = "DATE")]
    pub account_opened: Option<String>,
}

impl RatingOptionArguments {
    /// Which allowances apply, if the user said so.
    pub fn allowances(&self) -> Option<Allowances> {
        self.allowances.as_deref().map(|which| match which {
            "all" | "true" => Allowances::All,
            "none" | "false" => Allowances::None,
            ids => Allowances::Only(ids.split(',').map(|id| id.trim().to_owned()).collect()),
        })
    }

    /// Day the account was opened, if the user said so.
    pub fn account_opened(&self) -> Result<Option<NaiveDate>, Failure> {
        let Some(text) = &self.account_opened else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            Failure::usage(
                format!("`--account-opened {text}` is not a date"),
                Some("write it as YYYY-MM-DD, for example 2024-03-31".into()),
            )
        })
    }
}

/// How to rate.
#[derive(Args, Clone, Debug)]
pub struct RatingArguments {
    #[command(flatten)]
    options: RatingOptionArguments,
    /// How a charge is shared among days and resources: `time` (first come) or `proportional`
    #[arg(long, default_value = "time", value_name = "HOW")]
    pub attribution: String,
    /// Only this provider
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
}

impl RatingArguments {
    /// The request for a period.
    pub fn request(&self, period: Period, by: Vec<Dimension>) -> Result<BillRequest, Failure> {
        let attribution = match self.attribution.as_str() {
            "time" => Attribution::Time,
            "proportional" => Attribution::Proportional,
            other => {
                return Err(Failure::usage(
                    format!("there is no attribution `{other}`"),
                    Some("`time` or `proportional`".into()),
                ));
            }
        };
        let rating = RatingOptions {
            allowances: self.options.allowances().unwrap_or_default(),
            account_opened: self.options.account_opened()?,
            ..RatingOptions::default()
        };
        Ok(BillRequest { period, provider: self.provider.clone(), by, rating, attribution })
    }
}

/// A billing month as the user wrote it.
pub fn parse_period(text: &str) -> Result<Period, Failure> {
    text.parse().map_err(|error: paygrain_pricing::ParsePeriodError| Failure::usage(&error, error.hint()))
}

/// The month asked for, or the latest with usage.
pub async fn period_with_usage(engine: &Engine, asked: Option<&str>) -> Result<Period, Failure> {
    let asked = asked.map(parse_period).transpose()?;
    let known = engine.periods().await?;
    let Some(latest) = known.first() else {
        return Err(Failure::new(
            format!("the lake at `{}` has no usage yet", engine.lake().name()),
            Some("`paygrain ingest FILE…` brings some in; `paygrain serve --samples` shows how it looks".into()),
        ));
    };
    let period = asked.unwrap_or(*latest);
    if known.contains(&period) {
        return Ok(period);
    }
    let known: Vec<_> = known.iter().take(12).map(Period::to_string).collect();
    Err(Failure::new(format!("there is no usage in {period}"), Some(format!("there is usage in {}", known.join(", ")))))
}
