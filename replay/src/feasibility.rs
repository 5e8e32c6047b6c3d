//! Whether a deployment can run a workload, and if not, why
use crate::{
    assumptions::Assumptions,
    deployment::Deployment,
    load::Carried,
    outcome::Reason,
    shown::{count, time},
    workload::{Trigger, Workload},
};

/// What its limits say of each execution.
pub(crate) fn reasons(deployment: &Deployment, workload: &Workload) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut block = |code: &'static str, message: String| reasons.push(Reason { code, blocks: true, message });
    let limits = &deployment.limits;
    let longest_us = workload.longest_us();
    if let Some(limit_s) = limits.longest_run_s.filter(|limit_s| longest_us > limit_s.saturating_mul(1_000_000)) {
        block(
            "longest-run",
            format!(
                "the longest execution takes {}, at most {} are allowed",
                time(longest_us),
                time(limit_s * 1_000_000)
            ),
        );
    }
    for function in workload.functions.iter().filter(|function| function.gpu > limits.gpus) {
        let gpus = |gpus: u32| format!("{gpus} {}", if gpus == 1 { "GPU" } else { "GPUs" });
        let has = if limits.gpus == 0 { "it has none".to_owned() } else { format!("an instance has {}", limits.gpus) };
        block("gpu", format!("{} needs {}, {has}", function.name, gpus(function.gpu)));
    }
    for function in &workload.functions {
        for (code, what, bytes, limit) in [
            ("request-size", "requests", function.request_bytes, limits.request_bytes),
            ("response-size", "responses", function.response_bytes, limits.response_bytes),
        ] {
            if let Some(limit) = limit.filter(|limit| bytes > *limit) {
                block(
                    code,
                    format!(
                        "{what} of {} have {} bytes, at most {} are allowed",
                        function.name,
                        count(bytes),
                        count(limit)
                    ),
                );
            }
        }
    }
    if limits.no_schedule && workload.functions.iter().any(|function| function.trigger == Trigger::Schedule) {
        let message = "it has no schedule of its own: a scheduler elsewhere must call it".to_owned();
        reasons.push(Reason { code: "schedule", blocks: false, message });
    }
    reasons
}

/// What its limits say of all executions together.
pub(crate) fn reasons_of_load(
    deployment: &Deployment,
    workload: &Workload,
    assumptions: &Assumptions,
    carried: &Carried,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let limits = &deployment.limits;
    if let Some(limit) = limits.concurrency.filter(|_| carried.throttled_count > 0) {
        let permille = u128::from(carried.throttled_count) * 1000 / u128::from(workload.run_count().max(1));
        let message = format!(
            "more than the {} executions at once that an account is granted unless it asks for more: {}.{} % would be refused",
            count(assumptions.granted_concurrency.unwrap_or(limit)),
            permille / 10,
            permille % 10
        );
        reasons.push(Reason { code: "concurrency", blocks: true, message });
    }
    let granted = assumptions.granted_concurrency.unwrap_or(0);
    if let Some(limit) = limits.instances.filter(|limit| carried.instances.peak > granted.max(*limit)) {
        let message = format!(
            "{} instances at once, an account is granted {} unless it asks for more",
            count(carried.instances.peak),
            count(limit),
        );
        reasons.push(Reason { code: "instances", blocks: true, message });
    }
    reasons
}
