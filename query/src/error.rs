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
    /// A value of a parameter that cannot be read.
    #[error("`{name}` is `{value}`, expected {expected}")]
    BadValue {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: String,
        /// What it takes.
        expected: &'static str,
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
        /// What to do about it, where the engine knows.
        hint: Option<String>,
    },
    /// A query did not end within its time.
    #[error("the query did not end within {} s", limit.as_secs_f64())]
    SqlTimeout {
        /// Its time.
        limit: std::time::Duration,
    },
    /// A query needs more memory or temporary files than it may have.
    #[error("{problem}")]
    SqlTooLarge {
        /// More than what.
        problem: String,
    },
    /// As many answers are worked out as may, and as many wait for it.
    #[error(
        "as many answers are being worked out as may at once ({running}), and as many wait for it as may ({waiting})"
    )]
    Busy {
        /// How many may be at once.
        running: usize,
        /// How many may wait.
        waiting: usize,
    },
    /// No answer ended for so long that another could begin.
    #[error(
        "the answer was not begun within {waited_s} seconds: {running} others are being worked out, and no more may at once"
    )]
    BusyTooLong {
        /// How many may be worked out at once.
        running: usize,
        /// How long it waited.
        waited_s: u64,
    },
    /// As many queries run as may.
    #[error("{running} queries are running, and no more may at once")]
    SqlBusy {
        /// How many.
        running: usize,
    },
    /// The process of a query failed, not the query.
    #[error("{problem}")]
    SqlFailed {
        /// What happened.
        problem: String,
        /// What to do about it, where it is known.
        hint: Option<String>,
    },
    /// A quantity does not fit the exact arithmetic.
    #[error("`{sku}`: a sum of quantities does not fit 76 decimal digits")]
    Overflow {
        /// The SKU.
        sku: String,
    },
    /// There is no usage to close a period with.
    #[error("there is no usage in {period}, so there is nothing to close")]
    NothingToClose {
        /// The month.
        period: String,
    },
    /// The period was never closed.
    #[error("{bill} was never closed")]
    NotClosed {
        /// The month, and the provider where one was named.
        bill: String,
    },
    /// The period is closed, but not that often.
    #[error("{bill} has no revision {revision}; the latest is {latest}")]
    NoSuchRevision {
        /// The month, and the provider where one was named.
        bill: String,
        /// The revision asked for.
        revision: u32,
        /// The latest there is.
        latest: u32,
    },
    /// No bill has this id.
    #[error("there is no bill `{id}`")]
    NoSuchBill {
        /// The id asked for.
        id: String,
    },
    /// The period is closed for other providers: its charges would be on two bills.
    #[error("{period} is closed for {closed}, so it cannot also be closed for {asked}")]
    ClosedOtherwise {
        /// The month.
        period: String,
        /// `all providers together` or the provider.
        closed: String,
        /// The same, of the request.
        asked: String,
    },
    /// What is stored of a bill is not what was issued.
    #[error("what is stored of bill {id} is damaged: {problem}")]
    DamagedBill {
        /// Its id.
        id: String,
        /// What does not fit.
        problem: String,
    },
    /// The price books of a bill cannot be used.
    #[error("the price books that bill {id} was rated with cannot be used: {problem}")]
    BillBooks {
        /// The bill's id.
        id: String,
        /// Why not.
        problem: String,
    },
    /// Other closings of the period kept winning.
    #[error("{period} was closed by others {attempts} times meanwhile")]
    ClosedMeanwhile {
        /// The month.
        period: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// No bill of the period has this view.
    #[error("no bill of {period} is there as `{view}`{}", if known.is_empty() { String::new() } else { format!("; there are {}", known.join(", ")) })]
    NoSuchView {
        /// The view asked for.
        view: String,
        /// The month.
        period: String,
        /// The views there are.
        known: Vec<String>,
    },
    /// A deployment, or an extra of deployments, that we do not know.
    #[error("there is no {what} `{name}`")]
    NoSuchName {
        /// What it would be.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// The name that is most like it, or where the names are.
        hint: String,
    },
    /// No deployment is of the kinds and providers asked for.
    #[error("no deployment is of the kinds and providers asked for")]
    NoDeployment,
    /// The price books in force lack what deployments are charged for.
    #[error("{} of the deployments cannot be used: {}", problems.len(), problems.first().map(ToString::to_string).unwrap_or_default())]
    Deployments {
        /// What is wrong, file by file.
        problems: Vec<paygrain_replay::DeploymentProblem>,
    },
    /// More executions than are replayed one by one.
    #[error("more than {} executions were chosen", paygrain_pricing::grouped(&most.to_string()))]
    TooManyRuns {
        /// How many are replayed.
        most: usize,
    },
    /// A workload cannot be compared.
    #[error(transparent)]
    Compare(Box<paygrain_replay::CompareError>),
    /// Sizes of memory cannot be compared.
    #[error(transparent)]
    RightSize(Box<paygrain_replay::RightSizeError>),
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
            Self::BadSql { hint: Some(hint), .. } => Some(hint.clone()),
            Self::BadSql { .. } => Some("one SELECT over the tables of the lake; `SHOW TABLES` lists them, `SELECT * FROM column_documentation` says what their columns mean".into()),
            Self::SqlTimeout { .. } => Some("ask for less, for example fewer days with `WHERE date >= '2026-10-01'`, or allow more time".into()),
            Self::SqlTooLarge { .. } => Some("ask for less: fewer days, fewer columns, an aggregate instead of rows, a join on equal columns".into()),
            Self::Busy { .. } | Self::BusyTooLong { .. } => Some("ask again in a moment; `paygrain serve --answers` and `--answers-waiting` set the limits".into()),
            Self::SqlBusy { .. } => Some("send the query again in a moment".into()),
            Self::SqlFailed { hint, .. } => hint.clone(),
            Self::Lake(error) => error.hint(),
            Self::TooLarge { .. } => Some("export CSV, which has as many digits as a number needs".into()),
            Self::NothingToClose { .. } => Some("`paygrain bill` shows the latest month with usage".into()),
            Self::NotClosed { .. } => Some("`paygrain bills` lists what is closed; `paygrain close --period YYYY-MM` closes a period".into()),
            Self::NoSuchRevision { .. } | Self::NoSuchBill { .. } => Some("`paygrain bills` lists the bills there are".into()),
            Self::ClosedOtherwise { .. } => Some("close it the way it was closed before, with or without `--provider`; `paygrain bills` shows how".into()),
            Self::DamagedBill { .. } => Some("bills are never changed once they are issued: restore the lake's directory `bills` from a backup".into()),
            Self::BillBooks { .. } => Some("restore the lake's directory `price_books` from a backup, or use the version of paygrain that issued the bill".into()),
            Self::ClosedMeanwhile { .. } => Some("close it again".into()),
            Self::NoSuchView { known, .. } if known.is_empty() => Some("bring a bill in: `paygrain ingest` takes a Cost and Usage Report, FOCUS, a Cost Explorer answer, and the exports of Azure and Google Cloud".into()),
            Self::NoSuchName { hint, .. } => Some(hint.clone()),
            Self::NoDeployment => Some("leave the kinds or the providers out".into()),
            Self::Deployments { problems } => problems.first().and_then(|problem| problem.hint.clone()),
            Self::TooManyRuns { .. } => Some("choose fewer: one resource, or fewer days with `from` and `to`".into()),
            Self::RightSize(error) => error.hint(),
            Self::Compare(_)
            | Self::NoSuchDimension { .. }
            | Self::NoSuchChoice { .. }
            | Self::BadValue { .. }
            | Self::NoSuchView { .. }
            | Self::Write(_)
            | Self::Overflow { .. }
            | Self::Engine(_)
            | Self::Arrow(_) => None,
        }
    }
}
