//! What the instances of a deployment do under a workload: on request, as tasks, or as they were sized
use paygrain_pricing::{Exact, period::SECOND_US};

use crate::{
    assumptions::Assumptions,
    deployment::{Deployment, Kind, Memory, Scaling},
    instances::{InstanceUse, KeepAlive, Span, SpanWindow, replay_on_request},
    outcome::{Instances, Reason},
    prepared::Prepared,
    shown::count,
    sizing::{Load, LoadWindow, Sizing, SizingRule, WHOLE, size},
    up_time::UpTime,
    workload::{Function, Run, Workload},
};

/// Zones that high availability spreads instances over.
const ZONES: u64 = 2;

/// What instances did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// The instance that each function gets.
    pub shapes: Vec<Shape>,
    /// The time they are up, where they are sized.
    pub up: UpTime,
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
    /// Time that executions of each function are expected to be run again, microseconds, as one more of them.
    pub repeated: Vec<[(i64, u64); 1]>,
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

impl Carried {
    /// Executions under way on an instance on average while it is up.
    pub fn executions_at_once(&self, prepared: &Prepared<'_>) -> Exact {
        let up_us = &self.instances.mean * Exact::from(period_us(prepared.workload));
        Exact::from(prepared.busy_us().sum::<i128>()).checked_div(&up_us).unwrap_or_default()
    }
}

impl Deployment {
    /// Whether its instances can be sized so: platforms keep at least one up, and servers of one's own are bought.
    pub(crate) fn can_be(&self, sizing: Sizing) -> bool {
        match (self.kind, sizing) {
            (_, Sizing::Fixed { .. }) => true,
            (Kind::Physical, _) | (Kind::Paas, Sizing::Scheduled) => false,
            _ => true,
        }
    }

    /// From the wish for an instance to its first request, microseconds.
    pub(crate) fn start_of(&self, assumptions: &Assumptions) -> i64 {
        assumptions.start_ms.map_or(self.start_us, |ms| ms * 1000)
    }

    /// How its instances start on request, where each function has so many places in one. Of several functions what the
    /// one with the fewest lets: no instance is too full.
    pub(crate) fn keep_alive(&self, assumptions: &Assumptions, slots: &[u64]) -> KeepAlive {
        let is_task = self.scaling == Scaling::Task;
        let tail_us = assumptions.tail_s.map_or(self.tail_us, |seconds| seconds * SECOND_US);
        KeepAlive {
            concurrency: if is_task { 1 } else { slots.iter().copied().min().unwrap_or(1) },
            tail_us: if is_task { 0 } else { tail_us },
            start_us: self.start_of(assumptions),
            minimum: assumptions.minimum_instances.unwrap_or(self.minimum_instances),
            limit: self.limits.concurrency.map(|limit| assumptions.granted_concurrency.unwrap_or(limit)),
        }
    }

    /// How its instances are sized.
    pub(crate) fn sizing_rule(&self, assumptions: &Assumptions) -> SizingRule {
        SizingRule {
            target_percent: 100,
            minimum: assumptions.minimum_instances.unwrap_or(match self.kind {
                Kind::Paas => self.minimum_instances.max(1),
                _ => self.minimum_instances,
            }),
            zones: if assumptions.high_availability { ZONES } else { 1 },
            start_us: self.start_of(assumptions),
            scale_in_us: assumptions.scale_in_s * SECOND_US,
            stop_us: assumptions.stop_s * SECOND_US,
            maximum: None,
        }
    }

    /// The instance that a function gets: its memory, and how many executions it takes at once. That many have room in
    /// its memory, and vCPU as long as more than one needs it; what is set to a number takes that many.
    ///
    /// # Errors
    /// Why it does not fit.
    pub(crate) fn shape(&self, function: &Function, assumptions: &Assumptions) -> Result<Shape, Reason> {
        let needs_mb = function.memory_mb.max(1);
        // Each has GPUs of its own.
        let by_gpu = self.limits.gpus.checked_div(function.gpu).map_or(u64::MAX, |slots| u64::from(slots.max(1)));
        let most = self.concurrency.unwrap_or(u64::MAX).min(by_gpu).max(1);
        // Of what takes one at a time no wish makes more.
        let asked = assumptions.concurrency.filter(|_| most > 1);
        let by_vcpu = |memory_mb: i64| {
            let slots = self.vcpu.sustained_milli(memory_mb) / function.busy_vcpu_milli();
            u64::try_from(slots).unwrap_or(0).max(1)
        };
        let error = |message: String| Reason { code: "memory", blocks: true, message };
        match &self.memory {
            Memory::Fixed(memory_mb) => {
                let free_mb = memory_mb - self.system_memory_mb;
                let by_memory = u64::try_from(free_mb.max(0) / needs_mb).unwrap_or(0);
                if by_memory == 0 {
                    let (name, needs) = (&function.name, count(needs_mb));
                    return Err(error(format!(
                        "{name} needs {needs} MB, {} MB of an instance are free",
                        count(free_mb)
                    )));
                }
                let slots = asked.unwrap_or_else(|| by_memory.min(by_vcpu(*memory_mb)).min(most));
                Ok(Shape { memory_mb: *memory_mb, slots })
            }
            Memory::OfFunction(_) => {
                let Some(one_mb) = self.memory.for_function(needs_mb) else {
                    let (name, needs, most) = (&function.name, count(needs_mb), count(self.memory.largest_mb()));
                    return Err(error(format!("{name} needs {needs} MB, at most {most} can be had")));
                };
                if let Some(slots) = asked {
                    return Ok(Shape { memory_mb: one_mb, slots });
                }
                // Memory is ordered for all that an instance takes.
                let in_memory = u64::try_from(self.memory.largest_mb() / needs_mb).unwrap_or(1).max(1);
                let slots = by_vcpu(one_mb).min(most).min(in_memory);
                let all_mb = needs_mb.saturating_mul(i64::try_from(slots).unwrap_or(1));
                match self.memory.for_function(all_mb) {
                    Some(memory_mb) => Ok(Shape { memory_mb, slots }),
                    None => Ok(Shape { memory_mb: one_mb, slots: 1 }),
                }
            }
        }
    }
}

impl Assumptions {
    /// How many of so many places of an instance are taken: room is left as long as that leaves a place at all.
    pub(crate) fn filled(&self, slots: u64) -> u64 {
        let filled = u128::from(slots) * u128::from(self.target_percent) / 100;
        u64::try_from(filled).unwrap_or(u64::MAX).max(1)
    }
}

/// The instance that a function gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Its memory, MB.
    pub memory_mb: i64,
    /// Executions it takes at once.
    pub slots: u64,
}

/// Follows the instances of a deployment through a workload: by their sizing, or without one on request.
///
/// # Errors
/// Why it cannot carry it.
pub(crate) fn carry(
    deployment: &Deployment,
    prepared: &Prepared<'_>,
    assumptions: &Assumptions,
    sizing: Option<Sizing>,
) -> Result<Carried, Reason> {
    let functions = prepared.workload.functions.iter();
    let shapes = functions.map(|function| deployment.shape(function, assumptions)).collect::<Result<Vec<_>, _>>()?;
    let slots: Vec<u64> = shapes.iter().map(|shape| shape.slots).collect();
    let carried = match sizing {
        Some(sizing) => sized(deployment, prepared, assumptions, sizing, &slots)?,
        None => on_request(deployment, prepared, assumptions, &slots),
    };
    Ok(Carried { shapes, ..carried })
}

fn on_request(deployment: &Deployment, prepared: &Prepared<'_>, assumptions: &Assumptions, slots: &[u64]) -> Carried {
    let workload = prepared.workload;
    let is_task = deployment.scaling == Scaling::Task;
    let rule = deployment.keep_alive(assumptions, slots);
    let used = prepared.used(&rule, || use_of(workload, &rule));
    let up = Exact::from(used.up_us());
    Carried {
        instances: Instances {
            peak: used.peak_instances,
            mean: up.checked_div(&Exact::from(period_us(workload))).unwrap_or_default(),
            peak_concurrency: used.peak_concurrency,
        },
        concurrency: rule.concurrency,
        used_share: Exact::from(used.busy_us).checked_div(&up),
        cold_count: if is_task { used.run_count - used.throttled_count } else { used.cold_count },
        cold: used.cold.clone(),
        start_us: rule.start_us,
        throttled_count: used.throttled_count,
        ..Carried::default()
    }
}

fn use_of(workload: &Workload, rule: &KeepAlive) -> InstanceUse {
    let spans: Vec<Vec<Span>> =
        workload.windows.iter().map(|window| window.runs.iter().map(Span::from).collect()).collect();
    let windows: Vec<SpanWindow<'_>> =
        workload.windows.iter().zip(&spans).map(|(window, spans)| SpanWindow::of(window, spans)).collect();
    replay_on_request(&windows, rule)
}

fn sized(
    deployment: &Deployment,
    prepared: &Prepared<'_>,
    assumptions: &Assumptions,
    sizing: Sizing,
    slots: &[u64],
) -> Result<Carried, Reason> {
    let workload = prepared.workload;
    let filled: Vec<u64> = slots.iter().map(|slots| assumptions.filled(*slots)).collect();
    let used: i128 =
        (0..).zip(prepared.busy_us()).map(|(function, busy_us)| busy_us * i128::from(share(slots, function))).sum();
    let rule = deployment.sizing_rule(assumptions);
    let work = || {
        let loads: Vec<Vec<Load>> =
            workload.windows.iter().map(|window| window.runs.iter().map(|run| load(run, &filled)).collect()).collect();
        let windows: Vec<LoadWindow<'_>> =
            workload.windows.iter().zip(&loads).map(|(window, loads)| LoadWindow::of(window, loads)).collect();
        size(&windows, sizing, &rule)
    };
    let sized = prepared.sized((sizing, rule.for_sizing(sizing), filled.clone()), work).map_err(|error| Reason {
        code: "sizing",
        blocks: true,
        message: error.to_string(),
    })?;
    let up = Exact::from(sized.up_us);
    let whole = Exact::from(i128::from(WHOLE));
    Ok(Carried {
        up: UpTime::of(&sized.up, workload),
        instances: Instances {
            peak: sized.peak_instances,
            mean: up.checked_div(&Exact::from(period_us(workload))).unwrap_or_default(),
            peak_concurrency: sized.peak_concurrency,
        },
        concurrency: slots.iter().copied().min().unwrap_or(1),
        used_share: Exact::from(used).checked_div(&(up * whole)),
        start_us: rule.start_us,
        delayed_count: sized.delayed_count,
        delay_us: sized.delay_us,
        longest_delay_us: sized.longest_delay_us,
        ..Carried::default()
    })
}

impl From<&Run> for Span {
    fn from(run: &Run) -> Self {
        Self { start_us: run.start_us, end_us: run.end_us(), pool: run.function }
    }
}

/// The share of an instance that an execution takes, where it has so many places for each function.
fn share(slots: &[u64], function: u32) -> u64 {
    WHOLE / slots.get(function as usize).copied().unwrap_or(1).max(1)
}

/// What an execution asks of sized instances.
pub(crate) fn load(run: &Run, slots: &[u64]) -> Load {
    Load { start_us: run.start_us, duration_us: run.duration_us, share: share(slots, run.function) }
}

/// The length of the billing period, microseconds.
fn period_us(workload: &Workload) -> i64 {
    workload.period.end_us() - workload.period.start_us()
}
