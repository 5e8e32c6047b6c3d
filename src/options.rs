//! Options that several commands share.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Args;
use paygrain_ingest::Lake;
use paygrain_pricing::{Allowances, Catalogue, Period, RatingOptions};
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
        let files = match &self.price_books {
            Some(directory) => read_books(directory)?,
            None => Vec::new(),
        };
        Catalogue::with_files(files).map_err(|error| Failure::new(&error, error.hint()))
    }
}

/// Every `.toml` file below a directory, in the order of their names.
fn read_books(directory: &std::path::Path) -> Result<Vec<(String, String)>, Failure> {
    let cannot = |path: &std::path::Path, error: std::io::Error| {
        Failure::new(format!("cannot read `{}`: {error}", path.display()), Some("check `--price-books`".into()))
    };
    let mut files = Vec::new();
    let entries = std::fs::read_dir(directory).map_err(|error| cannot(directory, error))?;
    for entry in entries {
        let path = entry.map_err(|error| cannot(directory, error))?.path();
        if path.is_dir() {
            files.extend(read_books(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).map_err(|error| cannot(&path, error))?;
            files.push((path.display().to_string(), text));
        }
    }
    files.sort();
    Ok(files)
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
