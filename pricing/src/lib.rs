//! Quantities and price books to charges: pure, exact, no input or output
//!
//! ```text
//! price_books/*.toml ─► catalogue ─► metering rules (compiled to SQL by the caller) ─► usage slices ─┐
//!                            └──────────────────────────────────────► rate ◄─────────────────────────┘
//!                                                                      └─► charges
//! ```
//! Three entries: [`Catalogue`] (the books in force), [`rate`] (metered usage to charges),
//! [`estimate()`] (described usage to charges, through the same rating).
#![deny(clippy::float_arithmetic)]

pub mod activity;
pub mod agreement;
pub mod billed_as;
pub mod book;
mod book_file;
pub mod catalogue;
pub mod charge;
pub mod difference;
pub mod estimate;
pub mod exact;
mod examples;
pub mod explanation;
pub mod expression;
pub mod known_words;
mod nearest;
mod overlap;
pub mod period;
pub mod rating;
pub mod scope;
pub mod table;
pub mod unit;
pub mod zone;

pub use activity::{Activity, ActivityMeter, ActivityRecord, ActivityUsage, MachineIndex, UntakenTime};
pub use agreement::{Agreement, AgreementError, Commitment, Discount};
pub use billed_as::{BILLED_WORDS, BilledAs, BilledWords};
pub use book::{Allowance, CommitmentKind, Example, Meter, Price, PriceBook, Sku, SkuKey, Tier};
pub use catalogue::{Catalogue, CatalogueError, MeteringRule, Problem, SkuIndex};
pub use charge::{AllowanceShare, Charge, CommitmentShare, DiscountShare};
pub use difference::{Difference, differences};
pub use estimate::{
    Estimate, EstimateError, EstimateRequest, RowValue, RunRow, RunWindow, SpanColumn, Unpriced, UsageRow, estimate,
    estimate_with_runs, explain_estimate,
};
pub use exact::{Exact, ParseExactError, grouped};
pub use explanation::{BeforeRounding, Breakdown, TierLine};
pub use expression::{Expression, Unrounded, Value};
pub use nearest::nearest;
pub use period::{ParsePeriodError, Period};
pub use rating::{AllowanceUse, Allowances, FeeDay, Rated, RatingOptions, SliceCost, UnpricedSlice, UsageSlice, rate};
pub use scope::Scope;
pub use table::Table;
pub use unit::{Unit, Window};
pub use zone::Zone;
