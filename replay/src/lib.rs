//! A workload replayed on compute models, and what it would cost there: pure, no input or output
//!
//! ```text
//! workload (recorded or described) ─┐
//! deployments/*.toml ───────────────┼─► instances, sizing ─► usage rows ─► price books ─► outcomes ─► verdict
//! assumptions ──────────────────────┘
//! ```
//! Money is exact: every deployment is charged by the price book of its service, through the same rating as recorded usage.

mod arrivals;
pub mod assumptions;
mod bootstrap;
mod break_even;
mod committed;
pub mod compare;
pub mod curves;
pub mod deployment;
mod deployment_file;
pub mod description;
mod durations;
mod feasibility;
pub mod instances;
pub mod interruptions;
pub mod job;
mod lines;
mod load;
pub mod memory;
pub mod outcome;
mod prepared;
mod quantities;
pub mod replay;
pub mod right_size;
pub mod robustness;
mod sample;
pub mod schedule;
pub mod sensitivity;
mod shown;
pub mod sizing;
pub mod staircase;
mod up_time;
mod windows;
pub mod workload;

pub use assumptions::{AssumptionError, AssumptionRange, Assumptions, Term};
pub use compare::{CompareError, CompareOptions, Comparison, KindVerdict, Summary, Verdict, compare};
pub use curves::{Axis, BreakEven, CheapestStretch, Curve};
pub use deployment::{Deployment, DeploymentProblem, Deployments, Kind};
pub use description::{Description, DescriptionError, DescriptionMistake, Published};
pub use job::{JOB_WORDS, JobError, JobTimes, ScheduledJob};
pub use outcome::{Outcome, Parts, Reason};
pub use prepared::Prepared;
pub use replay::{ReplayError, replay};
pub use right_size::{RightSize, RightSizeError, right_size};
pub use robustness::Robustness;
pub use staircase::{Staircase, staircase};
pub use workload::{Function, Run, Trigger, Window, Workload};
