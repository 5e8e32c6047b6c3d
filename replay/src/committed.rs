//! Instances that are committed to: which, and that they are
use paygrain_pricing::{Agreement, Commitment, Exact};

use crate::{
    assumptions::{Assumptions, Term},
    deployment::{CommittedPlan, Deployment, Kind},
    load::Carried,
    outcome::Reason,
    shown::count,
};

impl CommittedPlan {
    /// An agreement of so many instances.
    pub(crate) fn agreement(&self, term: Term, instances: u64) -> Agreement {
        let commitment = Commitment {
            id: term.word().to_owned(),
            plan: self.plan.clone(),
            key: self.key.clone(),
            quantity: Exact::from(i128::from(instances)),
            account: None,
            region: None,
            from: None,
            to: None,
        };
        Agreement { commitments: vec![commitment], ..Agreement::default() }
    }
}

/// The agreement on instances that are up all the period, and what there is to say about it.
///
/// Those that come and go stay on demand: a commitment would be paid while they are down.
pub(crate) fn agreed(
    deployment: &Deployment,
    assumptions: &Assumptions,
    carried: &Carried,
) -> (Agreement, Option<Reason>) {
    let Some(term) = assumptions.commitment else { return (Agreement::default(), None) };
    let reason = |message: String| Some(Reason { code: "commitment", blocks: false, message });
    let instances = carried.up.whole_count;
    match deployment.commitments.get(&term) {
        None if deployment.kind == Kind::Vm => {
            (Agreement::default(), reason(format!("no price for {} is known: on demand", term.title())))
        }
        Some(_) if instances == 0 => {
            (Agreement::default(), reason("no instance is up all the time: on demand".to_owned()))
        }
        None => (Agreement::default(), None),
        Some(plan) => {
            let committed = format!(
                "{} committed to for {} ({}): paid in every hour until its end, used or not",
                count(instances),
                term.title(),
                plan.plan
            );
            (plan.agreement(term, instances), reason(committed))
        }
    }
}

#[cfg(test)]
mod tests;
