//! Lake tables, metering, bills and their explanation.
//!
//! [`Engine`] is what the outside calls; each answer is a typed request and typed rows in a file of its own.

mod activity;
pub mod advice;
mod answers;
pub mod bill;
pub mod closing;
pub mod compared;
pub mod comparison;
mod declared;
pub mod documentation;
pub mod engine;
pub mod error;
pub mod explain;
pub mod focus;
pub mod functions;
mod incomplete;
mod intervals;
mod lake_state;
pub mod memory_what_if;
pub mod metering;
pub mod overview;
pub mod places;
pub mod postgres;
pub mod quarantine;
pub mod reconcile;
pub mod recorded;
pub mod rejected_rows;
pub mod report;
pub(crate) mod rollup;
pub mod sandbox;
pub mod session;
pub mod sql;
pub mod sql_text;
pub mod staircases;
#[cfg(test)]
mod testing;
pub mod workload;

pub use advice::{Advice, Landed};
pub use bill::{Attribution, Bill, BillRequest, CostGroup, Dimension, UnpricedUsage};
pub use closing::{
    BillLine, BillSummary, BookUsed, CloseRequest, ClosedState, Closing, Mismatch, Outcome, StoredBill, Verification,
};
pub use compared::{Compared, ComparedJob};
pub use comparison::{COMPARE_PARAMETERS, CompareRequest};
pub use engine::Engine;
pub use error::QueryError;
pub use explain::{Explanation, Records, Share};
pub use focus::{ChargePeriod, Correction, FocusExport, FocusFormat, FocusRequest, FocusVersion};
pub use memory_what_if::{MEMORY_DEPLOYMENT, MemoryWhatIf, memory_parameters};
pub use overview::{Overview, Series};
pub use paygrain_ingest::lake::UploadRow;
pub use places::{PlaceLimits, Places};
pub use postgres::PostgresClient;
pub use quarantine::{Quarantine, QuarantineReason, QuarantineRequest, QuarantinedRow};
pub use reconcile::{BillView, Class, Parts, ReconcileBy, ReconcileRequest, ReconcileRow, Reconciliation};
pub use recorded::{RECORDED_PARAMETERS, Recorded};
pub use rejected_rows::{RejectedFacts, RejectedOriginals, RejectedRowView};
pub use report::{
    Band, ColumnKind, Cost, CostOfDay, CurrencyPart, Days, Executed, Exploration, ExploreRequest, Explored,
    ExploredCharge, ExploredGroup, Parameter, REPORTS, RecordsOf, ReportAnswer, ReportColumn, ReportInfo, Resource,
    ResourceDetail, ResourceFigures, ResourceList, Resources, SizeAdvice, Step, WeekHour,
};
pub use sandbox::{SqlEnd, SqlLimits, SqlParameter, SqlQuery, SqlSandbox, SqlStream};
pub use sql_text::{SqlFormat, SqlText};
pub use workload::{Group, Workload};
