//! What an Azure export proves as a whole: the order of its days, the mark of its decimals, actual or amortised.

use super::days::{self, Order};
use super::numbers::{self, Mark};
use super::{BENEFIT, CHARGE_TYPE, COST, DATE, PERIOD_FROM, PERIOD_TO, PRICE, PRICING_MODEL, QUANTITY};
use crate::error::IngestError;
use crate::format::Sink;
use crate::format::billed::{self, Columns, LineReader, Places, Row};
use crate::record::Record;

/// How a file is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conventions {
    pub(super) order: Order,
    pub(super) mark: Mark,
    /// Costs are those of the usage that commitments cover, not those of the bill.
    pub(super) is_amortized: bool,
}

/// The first reading.
#[derive(Default)]
pub(super) struct Survey {
    days: Vec<Places>,
    numbers: Vec<Places>,
    cost: Places,
    charge_type: Places,
    pricing_model: Places,
    benefit: Places,
    knows_commitments: bool,
    has_rows: bool,
    /// A day that can be read in both orders.
    either: Option<Proof>,
    /// A header with other columns than the first.
    other_header: Option<Proof>,
    month_first: Option<Proof>,
    day_first: Option<Proof>,
    point: Option<Proof>,
    comma: Option<Proof>,
    /// A row that only amortised exports have, and one that only actual ones have.
    amortized: Option<u64>,
    actual: Option<u64>,
}

/// A value that proves something.
struct Proof {
    line: u64,
    column: String,
    text: String,
}

impl std::fmt::Display for Proof {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "`{}` in line {} is `{}`", self.column, self.line, self.text)
    }
}

impl LineReader for Survey {
    fn columns(&mut self, columns: &Columns, _: bool, _: &mut dyn Sink) -> Result<(), IngestError> {
        self.days = [DATE, PERIOD_FROM, PERIOD_TO].map(|names| columns.find(names)).into();
        let prices = &["UnitPrice"][..];
        self.numbers = [COST, QUANTITY, PRICE, prices, &["PayGPrice"]].map(|names| columns.find(names)).into();
        self.cost = columns.find(COST);
        self.charge_type = columns.find(CHARGE_TYPE);
        self.pricing_model = columns.find(PRICING_MODEL);
        self.benefit = columns.find(BENEFIT);
        self.knows_commitments = [PRICING_MODEL, BENEFIT].concat().iter().any(|name| columns.has(name));
        Ok(())
    }

    fn line(&mut self, row: &Row<'_>, _: &mut dyn Sink) -> Result<Option<Record>, String> {
        if row.is_header() {
            return Ok(None);
        }
        self.has_rows = true;
        if let Some((places, text)) = self.days.first().and_then(|date| Some((date, row.peek(date)?)))
            && DATE.iter().any(|name| billed::plain(name) == billed::plain(text))
        {
            self.other_header.get_or_insert_with(|| proof(row, places, text));
        }
        for places in &self.days {
            let Some(text) = row.peek(places) else { continue };
            let proven = match days::proof(text) {
                Some(Order::MonthFirst) => &mut self.month_first,
                Some(Order::DayFirst) => &mut self.day_first,
                None if days::is_either(text) => &mut self.either,
                None => continue,
            };
            proven.get_or_insert_with(|| proof(row, places, text));
        }
        for places in &self.numbers {
            let Some(text) = row.peek(places) else { continue };
            let proven = match numbers::proof(text) {
                Some(Mark::Point) => &mut self.point,
                Some(Mark::Comma) => &mut self.comma,
                None => continue,
            };
            proven.get_or_insert_with(|| proof(row, places, text));
        }
        self.kind(row);
        Ok(None)
    }
}

fn proof(row: &Row<'_>, places: &Places, text: &str) -> Proof {
    Proof { line: row.line().unwrap_or_default(), column: row.name(places).to_owned(), text: text.to_owned() }
}

impl Survey {
    /// In an actual export a commitment costs when it is bought and its usage costs nothing; in an amortised one its
    /// usage costs, and so does what is left unused.
    fn kind(&mut self, row: &Row<'_>) {
        let line = row.line().unwrap_or_default();
        let is_charge =
            |charge: &str| row.peek(&self.charge_type).is_some_and(|text| text.eq_ignore_ascii_case(charge));
        let commits = row.peek(&self.benefit).is_some()
            || row.peek(&self.pricing_model).is_some_and(|model| matches!(model, "Reservation" | "SavingsPlan"));
        let costs = row.peek(&self.cost).is_some_and(|cost| {
            cost.split(['e', 'E']).next().is_some_and(|digits| digits.contains(|digit| matches!(digit, '1'..='9')))
        });
        if is_charge("UnusedReservation") || is_charge("UnusedSavingsPlan") || (commits && costs && is_charge("Usage"))
        {
            self.amortized.get_or_insert(line);
        } else if commits && ((costs && is_charge("Purchase")) || (!costs && is_charge("Usage"))) {
            self.actual.get_or_insert(line);
        }
    }

    /// What was proven. What was not is as Azure writes it: the month first, a point, actual costs.
    pub(super) fn conclusion(self, file: &str, sink: &mut dyn Sink) -> Result<Conventions, IngestError> {
        if let Some(header) = &self.other_header {
            let problem = format!("files with different columns were put together: {header}");
            return Err(IngestError::Contradiction { problem });
        }
        if let (Some(month_first), Some(day_first)) = (&self.month_first, &self.day_first) {
            let problem = format!("days are written in two orders: {month_first}, {day_first}");
            return Err(IngestError::Contradiction { problem });
        }
        if let (Some(point), Some(comma)) = (&self.point, &self.comma) {
            let problem = format!("numbers are written in two ways: {point}, {comma}");
            return Err(IngestError::Contradiction { problem });
        }
        if let (Some(amortized), Some(actual)) = (self.amortized, self.actual) {
            sink.warn(format!(
                "line {amortized} is of an amortised export, line {actual} looks like one of an actual export: if both were put together, ingest each by itself; all of it is taken as amortised"
            ));
        }
        if let (Some(either), None, None) = (&self.either, &self.month_first, &self.day_first) {
            sink.warn(format!(
                "nothing in the file says which number of a day is the month: taken as month first ({either})"
            ));
        }
        let is_amortized = match (self.amortized, self.actual) {
            (Some(_), _) => true,
            (None, Some(_)) => false,
            (None, None) => {
                let named = file.to_ascii_lowercase();
                let is_named = named.contains("amortized") || named.contains("amortised");
                if self.has_rows && self.knows_commitments && !is_named && !named.contains("actual") {
                    sink.warn(
                        "nothing in the file says whether its costs are actual or amortised: taken as actual".into(),
                    );
                }
                is_named
            }
        };
        Ok(Conventions {
            order: if self.day_first.is_some() { Order::DayFirst } else { Order::MonthFirst },
            mark: if self.comma.is_some() { Mark::Comma } else { Mark::Point },
            is_amortized,
        })
    }
}
