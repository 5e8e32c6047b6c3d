//! What the instances of a deployment do under a workload: on request, as tasks, or as they were sized
use paygrain_pricing::Exact;

use crate::{
    assumptions::Assumptions,
    deployment::{Deployment, Scaling},
    instances::{KeepAlive, Span, SpanWindow, replay_on_request},
    outcome::{Instances, Reason},
    sizing::{Load, LoadWindow, Sizing, SizingRule, Up, WHOLE, size},
    workload::{Function, Run, Workload},
};

/// Microseconds of a second.
const SECOND_US: i64 = 1_000_000;
/// Zones that high availability spreads instances over.
const ZONES: u64 = 2;

/// What instances did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// The time they are up, where they are sized.
    pub up: Vec<Up>,
    /// How many.
    pub instances: Instances,
    /// Executions that one takes at once.
    pub concurrency: u64,
    /// Share of their time, or of what they could carry, that is used.
    pub used_share: Option<Exact>,
    /// Executions that found no instance up.
    pub cold_count: u64,
    /// The same, one by one, each with how often it comes, where instances start on request.
    pub cold: Vec<(Span, u64)>,
    /// What such an execution waits longer, microseconds.
    pub start_us: i64,
    /// Executions that were refused.
    pub throttled_count: u64,
    /// Executions that waited for a place.
    pub delayed_count: u64,
    /// How long all of them waited, microseconds.
    pub delay_us: i128,
    /// The longest wait, microseconds.
    pub longest_delay_us: i64,
}

impl Deployment {
    /// From the wish for an instance to its first request, microseconds.
    pub(crate) fn start_of(&self, assumptions: &Assumptions) -> i64 {
        assumptions.start_ms.map_or(self.start_us, |ms| ms * 1000)
    }

    /// Executions an instance takes at once, as far as anything but its size says so.
    pub(crate) fn concurrency_of(&self, assumptions: &Assumptions) -> u64 {
        let own = self.concurrency.unwrap_or(u64::MAX);
        // Of what takes one at a time no wish makes more.
        if own == 1 { 1 } else { assumptions.concurrency.unwrap_or(own).max(1) }
    }

    /// Executions of a function that an instance takes at once: by memory, by vCPU and by what it is set to.
    fn slots(&self, function: &Function, assumptions: &Assumptions) -> u64 {
        let memory_mb = self.memory.for_function(function.memory_mb).unwrap_or(0);
        let free_mb = memory_mb - self.system_memory_mb;
        let by_memory = free_mb.max(0) / function.memory_mb.max(1);
        let by_vcpu = self.vcpu.sustained_milli(memory_mb) / function.busy_vcpu_milli();
        // What needs more vCPU than there is runs alone.
        let slots = by_memory.min(by_vcpu.max(1));
        u64::try_from(slots).unwrap_or(0).min(self.concurrency_of(assumptions))
    }
}

/// Follows the instances of a deployment through a workload.
///
/// # Errors
/// Why it cannot carry it.
pub(crate) fn carry(
    deployment: &Deployment,
    workload: &Workload,
    assumptions: &Assumptions,
    sizing: Option<Sizing>,
) -> Result<Carried, Reason> {
    match (deployment.scaling, sizing) {
        (Scaling::Sized, sizing) => {
            let fixed = Sizing::Fixed { percentile: assumptions.percentile };
            sized(deployment, workload, assumptions, sizing.unwrap_or(fixed))
        }
        (scaling, _) => Ok(on_request(deployment, workload, assumptions, scaling == Scaling::Task)),
    }
}

fn on_request(deployment: &Deployment, workload: &Workload, assumptions: &Assumptions, task: bool) -> Carried {
    let concurrency = if task { 1 } else { deployment.concurrency_of(assumptions) };
    let start_us = deployment.start_of(assumptions);
    let tail_us = assumptions.tail_s.map_or(deployment.tail_us, |seconds| seconds * SECOND_US);
    let rule = KeepAlive {
        concurrency,
        tail_us: if task { 0 } else { tail_us },
        start_us,
        minimum: assumptions.minimum_instances.unwrap_or(deployment.minimum_instances),
        limit: deployment.limits.concurrency.map(|limit| assumptions.granted_concurrency.unwrap_or(limit)),
    };
    let spans: Vec<Vec<Span>> = workload
        .windows
        .iter()
        .map(|window| {
            let span = |run: &Run| Span { start_us: run.start_us, end_us: run.end_us(), pool: run.function };
            window.runs.iter().map(span).collect()
        })
        .collect();
    let windows: Vec<SpanWindow<'_>> = workload
        .windows
        .iter()
        .zip(&spans)
        .map(|(window, spans)| SpanWindow {
            start_us: window.start_us,
            end_us: window.end_us,
            repeats: window.repeats,
            spans,
        })
        .collect();
    let used = replay_on_request(&windows, &rule);
    let up = Exact::from(used.up_us());
    Carried {
        up: Vec::new(),
        instances: Instances {
            peak: used.peak_instances,
            mean: up.checked_div(&Exact::from(period_us(workload))).unwrap_or_default(),
            peak_concurrency: used.peak_concurrency,
        },
        concurrency,
        used_share: Exact::from(used.busy_us).checked_div(&up),
        cold_count: if task { used.run_count - used.throttled_count } else { used.cold_count },
        cold: used.cold,
        start_us,
        throttled_count: used.throttled_count,
        ..Carried::default()
    }
}

fn sized(
    deployment: &Deployment,
    workload: &Workload,
    assumptions: &Assumptions,
    sizing: Sizing,
) -> Result<Carried, Reason> {
    let slots: Vec<u64> = workload.functions.iter().map(|function| deployment.slots(function, assumptions)).collect();
    if let Some((function, _)) = workload.functions.iter().zip(&slots).find(|(_, slots)| **slots == 0) {
        let free_mb = deployment.memory.largest_mb() - deployment.system_memory_mb;
        let message =
            format!("{} needs {} MB, {free_mb} MB of an instance are free", function.name, function.memory_mb);
        return Err(Reason { code: "memory", blocks: true, message });
    }
    // Room is left as long as that leaves a place at all.
    let filled: Vec<u64> = slots
        .iter()
        .map(|slots| (u128::from(*slots) * u128::from(assumptions.target_percent) / 100).clamp(1, u128::from(u64::MAX)))
        .map(|slots| u64::try_from(slots).unwrap_or(u64::MAX))
        .collect();
    let share = |slots: &[u64], run: &Run| WHOLE / slots.get(run.function as usize).copied().unwrap_or(1).max(1);
    let load = |run: &Run| Load { start_us: run.start_us, duration_us: run.duration_us, share: share(&filled, run) };
    let loads: Vec<Vec<Load>> = workload.windows.iter().map(|window| window.runs.iter().map(load).collect()).collect();
    let used: i128 = workload
        .windows
        .iter()
        .map(|window| {
            let used = window.runs.iter().map(|run| i128::from(run.duration_us) * i128::from(share(&slots, run)));
            used.sum::<i128>() * i128::from(window.repeats)
        })
        .sum();
    let windows: Vec<LoadWindow<'_>> = workload
        .windows
        .iter()
        .zip(&loads)
        .map(|(window, loads)| LoadWindow {
            start_us: window.start_us,
            end_us: window.end_us,
            repeats: window.repeats,
            loads,
        })
        .collect();
    let start_us = deployment.start_of(assumptions);
    let rule = SizingRule {
        target_percent: 100,
        minimum: assumptions.minimum_instances.unwrap_or(deployment.minimum_instances),
        zones: if assumptions.high_availability { ZONES } else { 1 },
        start_us,
        scale_in_us: assumptions.scale_in_s * SECOND_US,
        stop_us: assumptions.stop_s * SECOND_US,
        maximum: None,
    };
    let sized = size(&windows, sizing, &rule).map_err(|error| Reason {
        code: "sizing",
        blocks: true,
        message: error.to_string(),
    })?;
    let up = Exact::from(sized.up_us);
    let whole = Exact::from(i128::from(WHOLE));
    Ok(Carried {
        up: sized.up,
        instances: Instances {
            peak: sized.peak_instances,
            mean: up.checked_div(&Exact::from(period_us(workload))).unwrap_or_default(),
            peak_concurrency: sized.peak_concurrency,
        },
        concurrency: slots.iter().copied().min().unwrap_or(1),
        used_share: Exact::from(used).checked_div(&(up * whole)),
        cold_count: 0,
        cold: Vec::new(),
        start_us,
        throttled_count: 0,
        delayed_count: sized.delayed_count,
        delay_us: sized.delay_us,
        longest_delay_us: sized.longest_delay_us,
    })
}

/// The length of the billing period, microseconds.
fn period_us(workload: &Workload) -> i64 {
    workload.period.end_us() - workload.period.start_us()
}
