//! What a workload would be and cost on one deployment
use paygrain_pricing::{Charge, Exact};
use serde::Serialize;

use crate::{deployment::Kind, sizing::Sizing};

/// What a workload would be and cost on one deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// How the deployment runs executions.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its provider.
    pub provider: String,
    /// The region whose prices hold.
    pub region: Option<String>,
    /// Whether the workload can run there.
    pub feasible: bool,
    /// Why it cannot, or what is in the way.
    pub reasons: Vec<Reason>,
    /// ISO 4217 code of the amounts.
    pub currency: String,
    /// Cost of the billing period, exact; absent where it cannot run or a price is not known.
    pub monthly_cost: Option<Exact>,
    /// The parts of the cost: they add up to it.
    pub parts: Parts,
    /// Cost of a million executions.
    pub cost_per_million: Option<Exact>,
    /// How instances come and go, where they are sized.
    pub sizing: Option<Sizing>,
    /// Memory of an instance, MB.
    pub memory_mb: i64,
    /// vCPU of an instance, thousandths.
    pub vcpu_milli: i64,
    /// Executions that an instance takes at once.
    pub concurrency: u64,
    /// Instances.
    pub instances: Instances,
    /// Share of the time of instances in which they execute something, or for those that are sized the share of what they
    /// could carry; absent without instances.
    pub utilisation: Option<Exact>,
    /// Executions that found no instance up.
    pub cold_starts: ColdStarts,
    /// Executions that waited for a place.
    pub queueing: Queueing,
    /// Executions that were refused because too many were under way.
    pub throttled_count: u64,
    /// What was charged.
    pub charges: Vec<Charge>,
}

/// Why a workload cannot run on a deployment, or what is in the way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reason {
    /// A word for it: `longest-run`, `memory`, `request-size`, `response-size`, `gpu`, `concurrency`, `instances`, `sizing`,
    /// `interruptions`, `commitment`, `unpriced`, `schedule`.
    pub code: &'static str,
    /// Whether it cannot run because of it.
    pub blocks: bool,
    /// In words.
    pub message: String,
}

/// The parts of a cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// Time of instances or executions that is used.
    pub compute: Exact,
    /// Time of instances that is paid and not used.
    pub idle: Exact,
    /// Requests.
    pub requests: Exact,
    /// Disks and other stored bytes.
    pub storage: Exact,
    /// Data that leaves.
    pub transfer: Exact,
    /// Everything else.
    pub extras: Exact,
}

impl Parts {
    /// Names of the parts, in the order they are shown.
    pub const NAMES: [&str; 6] = ["compute", "idle", "requests", "storage", "transfer", "extras"];

    /// Names and amounts, in the order they are shown.
    pub fn named(&self) -> [(&'static str, &Exact); 6] {
        let amounts = [&self.compute, &self.idle, &self.requests, &self.storage, &self.transfer, &self.extras];
        std::array::from_fn(|place| (Self::NAMES[place], amounts[place]))
    }

    /// The cost.
    pub fn total(&self) -> Exact {
        self.named().into_iter().map(|(_, amount)| amount).sum()
    }
}

/// How many instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Instances {
    /// Most at once.
    pub peak: u64,
    /// On average over the period.
    pub mean: Exact,
    /// Most executions at once.
    pub peak_concurrency: u64,
}

/// Executions that found no instance up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ColdStarts {
    /// How many.
    pub count: u64,
    /// Of all executions; absent without executions.
    pub share: Option<Exact>,
    /// What one of them waits longer, milliseconds.
    pub added_ms: Exact,
}

/// Executions that waited for a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Queueing {
    /// How many.
    pub count: u64,
    /// How long one execution waits on average, over all of them, milliseconds.
    pub mean_ms: Exact,
    /// The longest wait, milliseconds.
    pub longest_ms: Exact,
}
