//! Which of two costs a page shows: what is billed, or list cost, before allowances and discounts.

use paygrain_pricing::Exact;
use paygrain_query::Cost;

use crate::error::AppError;
use crate::params::{Params, bad};

/// Which of the two costs is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostKind {
    /// What is billed.
    Billed,
    /// Before allowances and discounts.
    List,
}

impl CostKind {
    /// What a URL asks for, if it does.
    ///
    /// # Errors
    /// Another word.
    pub fn read(params: &Params) -> Result<Option<Self>, AppError> {
        match params.get("cost") {
            None => Ok(None),
            Some("billed") => Ok(Some(Self::Billed)),
            Some("list") => Ok(Some(Self::List)),
            Some(other) => Err(bad("cost", other, "`billed` or `list`")),
        }
    }

    /// What was asked for; else what is billed, unless allowances cover everything and the page would be blank.
    pub fn of(asked: Option<Self>, billed: &Exact, list: &Exact) -> Self {
        let is_free = billed.is_zero() && !list.is_zero();
        asked.unwrap_or(if is_free { Self::List } else { Self::Billed })
    }

    /// The other one.
    pub fn other(self) -> Self {
        self.choose(Self::List, Self::Billed)
    }

    /// Its name in a URL.
    pub fn name(self) -> &'static str {
        self.choose("billed", "list")
    }

    /// The one of two.
    pub fn choose<T>(self, billed: T, list: T) -> T {
        match self {
            Self::Billed => billed,
            Self::List => list,
        }
    }

    /// The one of the two that a cost has.
    pub fn pick(self, cost: &Cost) -> &Exact {
        self.choose(&cost.billed, &cost.list)
    }
}
