//! What can go wrong with a question, and what to do about it.

use thiserror::Error;

/// Why a question has no answer.
#[derive(Debug, Error)]
pub enum QueryError {
    /// A dimension we do not know.
    #[error("there is no dimension `{name}`; there are {}", known.join(", "))]
    NoSuchDimension {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// A name that is none of a few.
    #[error("there is no {what} `{name}`; there are {}", known.join(", "))]
    NoSuchChoice {
        /// What is chosen.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// A number of an export does not fit the decimals of its format.
    #[error("`{column}` is {value}, and a decimal of Parquet has {digits} digits before the point")]
    TooLarge {
        /// The column.
        column: &'static str,
        /// The number, whole.
        value: String,
        /// How many digits there are.
        digits: u32,
    },
    /// An export could not be written.
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    /// The charge is not on the bill.
    #[error("there is no charge `{id}`")]
    NoSuchCharge {
        /// The id asked for.
        id: String,
    },
    /// Charges of one bill are in several currencies, which are never summed.
    #[error("the bill has charges in {}, which cannot be added", currencies.join(" and "))]
    ManyCurrencies {
        /// The currencies found.
        currencies: Vec<String>,
    },
    /// The SQL is not a single read-only query, or does not run.
    #[error("{problem}")]
    BadSql {
        /// The engine's words.
        problem: String,
    },
    /// A quantity does not fit the exact arithmetic.
    #[error("`{sku}`: a sum of quantities does not fit 76 decimal digits")]
    Overflow {
        /// The SKU.
        sku: String,
    },
    /// The lake could not be read.
    #[error(transparent)]
    Lake(#[from] paygrain_ingest::IngestError),
    /// The engine failed.
    #[error("the query engine failed: {0}")]
    Engine(#[from] datafusion::error::DataFusionError),
    /// The engine's columns are not as expected.
    #[error("the query engine failed: {0}")]
    Arrow(#[from] datafusion::arrow::error::ArrowError),
}

impl QueryError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchCharge { .. } => Some("`paygrain bill --period YYYY-MM --format json` lists the charge ids".into()),
            Self::ManyCurrencies { .. } => Some("ask for one provider at a time with `--provider`".into()),
            Self::BadSql { .. } => Some("one SELECT over invocations, requests, uploads and rejected_rows; `SHOW COLUMNS FROM invocations` lists columns".into()),
            Self::Lake(error) => error.hint(),
            Self::TooLarge { .. } => Some("export CSV, which has as many digits as a number needs".into()),
            Self::NoSuchDimension { .. }
            | Self::NoSuchChoice { .. }
            | Self::Write(_)
            | Self::Overflow { .. }
            | Self::Engine(_)
            | Self::Arrow(_) => None,
        }
    }
}
