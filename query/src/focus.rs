//! The FOCUS export: a rated period as rows of the FinOps Open Cost and Usage Specification, as CSV or Parquet.
//!
//! `columns` is the one table of what a column is and where its value comes from; the header, the Arrow schema and the
//! older versions follow from it. `rows` makes the typed rows, `terms` what the rows of one charge share, `unit` the
//! names of units; `rounding` is the only place where an amount is rounded. The mapping is described in `docs/focus.md`.

use std::io::Write;
use std::str::FromStr;

use datafusion::prelude::SessionContext;
use paygrain_pricing::{Catalogue, Exact};

use crate::bill::{BillRequest, RatedUsage, UnpricedUsage};
use crate::closing::{CORRECTION, first_revision};
use crate::engine::Engine;
use crate::error::QueryError;

mod columns;
mod correction;
mod csv;
mod parquet;
mod rounding;
mod rows;
mod terms;
#[cfg(test)]
mod tests;
mod unit;

pub use columns::{COLUMNS, Cell, Column, ColumnKind};
pub use correction::Correction;
pub use parquet::PARQUET_PLACES;
pub use rows::{Account, Costs, FocusRow, Place};
pub use terms::{CommitmentTerms, RowKind, Terms};

/// How much of a price book's unit one of the unit is that the export writes for it.
pub(crate) fn unit_part(unit: &str) -> Exact {
    unit::FocusUnit::of(unit).part
}

/// What to export.
#[derive(Clone, Debug)]
pub struct FocusRequest {
    /// The bill behind the rows; its `by` does not matter.
    pub bill: BillRequest,
    /// How long the charge period of a row is.
    pub charge_period: ChargePeriod,
    /// The invoice the charges are on; without it `InvoiceId` is null.
    pub invoice_id: Option<String>,
    /// Corrections of earlier billing periods that are billed in this one.
    pub corrections: Vec<Correction>,
}

impl FocusRequest {
    /// A bill by day, without invoice and corrections.
    pub fn new(bill: BillRequest) -> Self {
        Self { bill, charge_period: ChargePeriod::default(), invoice_id: None, corrections: Vec::new() }
    }
}

/// How long the charge period of a row is, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChargePeriod {
    /// A clock hour.
    Hour,
    /// A day.
    #[default]
    Day,
    /// The billing month.
    Month,
}

/// A version of the specification; an older one has fewer columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FocusVersion {
    /// 1.0.
    V1_0,
    /// 1.1.
    V1_1,
    /// 1.2.
    #[default]
    V1_2,
}

/// How the rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FocusFormat {
    /// Text with a header line; numbers with every digit.
    #[default]
    Csv,
    /// Parquet; numbers as decimals with [`PARQUET_PLACES`] fractional digits.
    Parquet,
}

/// The value of a name in a list of choices.
fn chosen<T: Copy>(what: &'static str, name: &str, choices: &[(&'static str, T)]) -> Result<T, QueryError> {
    let known = || choices.iter().map(|(known, _)| *known).collect();
    let found = choices.iter().find(|(known, _)| *known == name.trim());
    found.map(|(_, value)| *value).ok_or_else(|| QueryError::NoSuchChoice {
        what,
        name: name.to_owned(),
        known: known(),
    })
}

impl FromStr for ChargePeriod {
    type Err = QueryError;

    fn from_str(name: &str) -> Result<Self, QueryError> {
        chosen("charge period", name, &[("day", Self::Day), ("hour", Self::Hour), ("month", Self::Month)])
    }
}

impl FromStr for FocusVersion {
    type Err = QueryError;

    fn from_str(name: &str) -> Result<Self, QueryError> {
        chosen("FOCUS version", name, &[("1.0", Self::V1_0), ("1.1", Self::V1_1), ("1.2", Self::V1_2)])
    }
}

impl FocusVersion {
    /// As people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// Its columns, in the order of the file.
    pub fn columns(self) -> Vec<&'static Column> {
        COLUMNS.iter().filter(|column| column.since <= self).collect()
    }
}

impl FromStr for FocusFormat {
    type Err = QueryError;

    fn from_str(name: &str) -> Result<Self, QueryError> {
        chosen("export format", name, &[("csv", Self::Csv), ("parquet", Self::Parquet)])
    }
}

/// A rated period as FOCUS rows, exact.
#[derive(Clone, Debug)]
pub struct FocusExport {
    /// The rows, by charge, place and charge period.
    pub rows: Vec<FocusRow>,
    /// Usage that no SKU prices, and that no row therefore shows.
    pub unpriced: Vec<UnpricedUsage>,
}

impl FocusExport {
    /// Meters and rates a period.
    pub(crate) async fn of(
        session: &SessionContext,
        catalogue: &Catalogue,
        request: &FocusRequest,
    ) -> Result<Self, QueryError> {
        let usage = RatedUsage::of(session, catalogue, &request.bill).await?;
        Ok(Self { rows: rows::rows(catalogue, &usage, request), unpriced: usage.unpriced.clone() })
    }

    /// The rows of an issued bill up to a revision: its first revision in detail, and the lines of later ones as
    /// corrections.
    pub(crate) async fn of_revision(
        engine: &Engine,
        request: &FocusRequest,
        revision: u32,
    ) -> Result<Self, QueryError> {
        let stored = engine.revision(request.bill.period, request.bill.provider.as_deref(), Some(revision)).await?;
        let (catalogue, bill, usage) = first_revision(engine, &request.bill).await?;
        let corrections = stored.lines.iter().filter(|line| line.charge_class == Some(CORRECTION));
        let request = FocusRequest {
            bill,
            corrections: corrections.map(Correction::of_line).collect(),
            invoice_id: request.invoice_id.clone().or(Some(stored.summary.id.clone())),
            ..request.clone()
        };
        Ok(Self { rows: rows::rows(&catalogue, &usage, &request), unpriced: stored.unpriced })
    }

    /// Sum of `BilledCost`, exact: the total of the bill and of the corrections.
    pub fn billed_cost(&self) -> Exact {
        self.rows.iter().map(|row| &row.costs.billed).sum()
    }

    /// Writes the rows. Amounts are rounded here and nowhere else, so that every column of costs still sums to its
    /// exact sum at the digits of the format, in all and per billing account.
    ///
    /// # Errors
    /// When the writer fails, or a number is too large for the decimals of Parquet.
    pub fn write(
        mut self,
        format: FocusFormat,
        version: FocusVersion,
        writer: &mut (impl Write + Send),
    ) -> Result<(), QueryError> {
        let columns = version.columns();
        match format {
            FocusFormat::Csv => {
                rounding::round_costs(&mut self.rows, rounding::Digits::FiniteOr(csv::CSV_PLACES));
                csv::write(&self.rows, &columns, writer)
            }
            FocusFormat::Parquet => {
                rounding::round_costs(&mut self.rows, rounding::Digits::All(PARQUET_PLACES));
                parquet::write(&self.rows, &columns, writer)
            }
        }
    }
}
