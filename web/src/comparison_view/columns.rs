//! The columns of the table of deployments, and its order.

use std::cmp::Ordering;

use paygrain_pricing::Exact;
use paygrain_query::QueryError;
use paygrain_replay::Outcome;

use crate::address::Address;
use crate::error::AppError;

/// What a column of the table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Kind,
    Cost,
    /// A place among the parts of a cost.
    Part(usize),
    Instances,
    Utilisation,
    ColdStarts,
    Wait,
}

/// The columns: name in a URL, heading.
const COLUMNS: [(Column, &str, &str); 13] = [
    (Column::Name, "name", "Deployment"),
    (Column::Kind, "kind", "Kind"),
    (Column::Cost, "cost", "Cost"),
    (Column::Part(0), "compute", "Compute"),
    (Column::Part(1), "idle", "Idle"),
    (Column::Part(2), "requests", "Requests"),
    (Column::Part(3), "storage", "Storage"),
    (Column::Part(4), "transfer", "Transfer"),
    (Column::Part(5), "extras", "Extras"),
    (Column::Instances, "instances", "Instances"),
    (Column::Utilisation, "utilisation", "Utilisation"),
    (Column::ColdStarts, "cold_starts", "Cold starts"),
    (Column::Wait, "wait", "Mean wait"),
];

/// Head of a column, a link that sorts by it.
pub struct Head {
    /// What it says.
    pub title: &'static str,
    /// Sorts by it, or the other way round.
    pub href: String,
    /// `ascending` or `descending` where the table is sorted by it.
    pub order: Option<&'static str>,
    /// Whether it holds numbers.
    pub is_number: bool,
}

/// The column to sort by, and which way.
#[derive(Clone, Copy, Debug)]
pub struct Sorting {
    column: Column,
    is_descending: bool,
}

impl Sorting {
    /// As a URL asks; by cost if it does not.
    ///
    /// # Errors
    /// A column that there is not.
    pub fn of(address: &Address) -> Result<Self, AppError> {
        let Some(asked) = address.get("sort") else { return Ok(Self { column: Column::Cost, is_descending: false }) };
        let (name, is_descending) = asked.strip_prefix('-').map_or((asked, false), |name| (name, true));
        let known = COLUMNS.iter().find(|(_, known, _)| *known == name);
        let none = || QueryError::NoSuchChoice {
            what: "column",
            name: name.to_owned(),
            known: COLUMNS.map(|(_, name, _)| name).to_vec(),
        };
        Ok(known.map(|(column, _, _)| Self { column: *column, is_descending }).ok_or_else(none)?)
    }

    /// Which of two comes first; those that are equal keep their order.
    pub fn order(self, one: &Outcome, other: &Outcome) -> Ordering {
        let by_number = |of: &dyn Fn(&Outcome) -> Option<Exact>| match (of(one), of(other)) {
            (Some(one), Some(other)) if self.is_descending => other.cmp(&one),
            (Some(one), Some(other)) => one.cmp(&other),
            // What has no value is at the end, whichever way.
            (one, other) => one.is_none().cmp(&other.is_none()),
        };
        let by_text = |order: Ordering| if self.is_descending { order.reverse() } else { order };
        match self.column {
            Column::Name => by_text(one.title.to_lowercase().cmp(&other.title.to_lowercase())),
            Column::Kind => by_text(one.kind.cmp(&other.kind)),
            Column::Cost => by_number(&|outcome| outcome.monthly_cost.clone()),
            Column::Part(place) => {
                by_number(&|outcome| outcome.parts.named().get(place).map(|(_, amount)| (*amount).clone()))
            }
            Column::Instances => by_number(&|outcome| Some(Exact::from(outcome.instances.peak))),
            Column::Utilisation => by_number(&|outcome| outcome.utilisation.clone()),
            Column::ColdStarts => by_number(&|outcome| Some(Exact::from(outcome.cold_starts.count))),
            Column::Wait => by_number(&|outcome| Some(outcome.queueing.mean_ms.clone())),
        }
    }

    /// Heads of the table.
    pub fn heads(self, address: &Address) -> Vec<Head> {
        let head = |(column, name, title): (Column, &'static str, &'static str)| {
            let order = (column == self.column).then_some(if self.is_descending { "descending" } else { "ascending" });
            let href = if order == Some("ascending") { format!("-{name}") } else { name.to_owned() };
            let is_number = !matches!(column, Column::Name | Column::Kind);
            Head { title, href: address.with("sort", &href) + "#deployments", order, is_number }
        };
        COLUMNS.map(head).into()
    }
}
