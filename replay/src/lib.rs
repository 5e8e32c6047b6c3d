//! A workload replayed on compute models, and what it would cost there: pure, no input or output
//!
//! ```text
//! workload (recorded or described) ─┐
//! deployments/*.toml ───────────────┼─► instances, sizing ─► usage rows ─► price books ─► outcomes ─► verdict
//! assumptions ──────────────────────┘
//! ```
//! Money is exact: every deployment is charged by the price book of its service, through the same rating as recorded usage.

pub mod deployment;
mod deployment_file;
pub mod instances;
pub mod sizing;
mod stretch;
pub mod workload;

pub use deployment::{Deployment, Deployments, Kind};
pub use workload::{Function, Run, Trigger, Window, Workload};
