//! One workload on one deployment: what instances do, the usage that makes, and its price
use std::{collections::BTreeMap, sync::Arc};

use paygrain_pricing::{
    Agreement, Allowances, Catalogue, Charge, Estimate, EstimateError, EstimateRequest, Exact, PriceBook, RowValue,
    RunRow, RunWindow, SpanColumn, Table, Unit, UsageRow, estimate_with_runs, period::HOUR_US,
};

use crate::{
    assumptions::Assumptions,
    committed,
    deployment::{Deployment, Each, Line, Part, Scaling},
    feasibility, interruptions,
    lines::{self, Words, integer},
    load::{self, Carried},
    outcome::{ColdStarts, Instances, Outcome, Parts, Queueing, Reason},
    prepared::{Prepared, Split},
    shown::count,
    sizing::Sizing,
    workload::{Function, Workload},
};

/// Where it is not known how much of a duration is work of the processor, all of it is: no cost is too low then.
const ALL_WORK: u32 = 100;
/// The word of a row for the initialisation of an instance: it is that of the execution that started it.
const INIT: &str = "init_us";
/// What a row says of requests and not of the instances that serve them.
const REQUEST_WORDS: [&str; 4] = ["run_count", "request_bytes", "response_bytes", "log_bytes"];
/// Instances that are priced one by one, at most.
const APART_MAX: u64 = 10_000;
/// Microseconds of a millisecond.
const MS_US: i64 = 1_000;

/// Why a workload cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A row of usage that the price books do not understand.
    #[error("the deployment {deployment}: {error}")]
    Usage {
        /// Its name.
        deployment: String,
        /// What is wrong.
        error: EstimateError,
    },
}

/// What a workload would be and cost on a deployment; where the sizing is not chosen, the cheapest.
///
/// # Errors
/// When a line of the deployment is not usage that its price book understands.
pub fn replay(
    catalogue: &Catalogue,
    workload: &Prepared<'_>,
    deployment: &Deployment,
    assumptions: &Assumptions,
) -> Result<Outcome, ReplayError> {
    let outcome = |sizing| Replay { catalogue, prepared: workload, deployment, assumptions, sizing }.outcome();
    if deployment.scaling != Scaling::Sized {
        return outcome(None);
    }
    let fixed = Sizing::Fixed { percentile: assumptions.percentile };
    let can_be = |sizing: &Sizing| deployment.can_be(*sizing);
    if let Some(asked) = assumptions.sizing {
        return outcome(Some(if can_be(&asked) { asked } else { fixed }));
    }
    let mut best = outcome(Some(fixed))?;
    for sizing in [Sizing::Scheduled, Sizing::Autoscaled].into_iter().filter(can_be) {
        let one = outcome(Some(sizing))?;
        let cheaper = match (&one.monthly_cost, &best.monthly_cost) {
            (Some(one), Some(best)) => one < best,
            (one, best) => one.is_some() && best.is_none(),
        };
        if cheaper {
            best = one;
        }
    }
    Ok(best)
}

struct Replay<'a> {
    catalogue: &'a Catalogue,
    prepared: &'a Prepared<'a>,
    deployment: &'a Deployment,
    assumptions: &'a Assumptions,
    sizing: Option<Sizing>,
}

impl Replay<'_> {
    fn workload(&self) -> &Workload {
        self.prepared.workload
    }

    fn outcome(&self) -> Result<Outcome, ReplayError> {
        let (deployment, workload) = (self.deployment, self.workload());
        let mut reasons = feasibility::reasons(deployment, workload);
        let memory_mb = deployment.memory.for_function(workload.memory_mb()).unwrap_or(deployment.memory.largest_mb());
        let mut outcome = Outcome {
            kind: deployment.kind,
            name: deployment.name.clone(),
            title: deployment.title.clone(),
            provider: deployment.provider.clone(),
            region: deployment.region.clone(),
            feasible: false,
            reasons: Vec::new(),
            currency: "USD".to_owned(),
            monthly_cost: None,
            parts: Parts::default(),
            cost_per_million: None,
            sizing: self.sizing,
            memory_mb,
            vcpu_milli: deployment.vcpu.of_memory(memory_mb),
            concurrency: 1,
            instances: Instances::default(),
            utilisation: None,
            cold_starts: ColdStarts::default(),
            queueing: Queueing::default(),
            throttled_count: 0,
            charges: Vec::new(),
        };
        if reasons.iter().any(|reason| reason.blocks) {
            outcome.reasons = reasons;
            return Ok(outcome);
        }
        let carried = load::carry(deployment, self.prepared, self.assumptions, self.sizing);
        match carried {
            Ok(mut carried) => {
                reasons.extend(interruptions::repeat(
                    deployment,
                    self.prepared,
                    self.assumptions,
                    self.sizing,
                    &mut carried,
                ));
                reasons.extend(feasibility::reasons_of_load(deployment, workload, self.assumptions, &carried));
                self.price(&carried, &mut outcome, &mut reasons)?;
                describe(&carried, workload, &mut outcome);
                outcome.vcpu_milli = deployment.vcpu.of_memory(outcome.memory_mb);
            }
            Err(reason) => reasons.push(reason),
        }
        outcome.feasible = !reasons.iter().any(|reason| reason.blocks);
        if !outcome.feasible {
            outcome.monthly_cost = None;
        }
        reasons.sort();
        reasons.dedup();
        outcome.reasons = reasons;
        Ok(outcome)
    }

    /// The cost, part by part: no SKU is charged in two parts.
    fn price(&self, carried: &Carried, outcome: &mut Outcome, reasons: &mut Vec<Reason>) -> Result<(), ReplayError> {
        let mut by_part: BTreeMap<Part, Vec<&Line>> = BTreeMap::new();
        for line in self.deployment.lines.iter().filter(|line| self.counts(line, carried)) {
            by_part.entry(line.part).or_default().push(line);
        }
        let is_apart = |line: &&Line| line.each == Each::Instance && self.is_apart(line);
        let apart = carried.up.place_count();
        if apart > APART_MAX && by_part.values().flatten().any(is_apart) {
            let message = format!(
                "{} instances that each have prices of their own: more than {} are not priced",
                count(apart),
                count(APART_MAX)
            );
            reasons.push(Reason { code: "instances", blocks: true, message });
            return Ok(());
        }
        let mut parts = Parts::default();
        let (agreement, reason) = committed::agreed(self.deployment, self.assumptions, carried);
        reasons.extend(reason);
        for (part, lines) in by_part {
            let error = |error| ReplayError::Usage { deployment: self.deployment.name.clone(), error };
            let of_runs = lines.iter().any(|line| matches!(line.each, Each::Run | Each::Task | Each::Request));
            // The instances are of one part: a commitment is paid once.
            let agreed = if part == Part::Compute { agreement.clone() } else { Agreement::default() };
            let found = match lines.iter().all(|line| is_of_requests(line)) {
                // The same for every deployment with such lines.
                true => {
                    let key = format!("{:?} {lines:?}", self.request(Vec::new(), agreed.clone()));
                    self.prepared.priced(key, || self.estimate(&lines, carried, agreed))
                }
                false => self.estimate(&lines, carried, agreed).map(Arc::new),
            };
            let found = found.map_err(error)?;
            reasons.extend(found.unpriced.iter().map(|unpriced| Reason {
                code: "unpriced",
                blocks: true,
                message: format!("no price: {}", unpriced.reason),
            }));
            if !found.charges.is_empty() {
                outcome.currency.clone_from(&found.currency);
            }
            for charge in &found.charges {
                *amount(&mut parts, part, charge, of_runs) += &charge.billed_cost;
            }
            outcome.charges.extend(found.charges.iter().cloned());
        }
        if let Some(used) = carried.used_share.as_ref().filter(|_| self.sizing.is_some()) {
            let whole = std::mem::take(&mut parts.compute);
            parts.compute = &whole * used;
            parts.idle = whole - &parts.compute;
        }
        let total = parts.total();
        let run_count = self.workload().run_count();
        outcome.cost_per_million = (&total * &Exact::from(1_000_000)).checked_div(&Exact::from(run_count));
        outcome.monthly_cost = Some(total);
        outcome.parts = parts;
        Ok(())
    }

    /// What the usage of lines costs.
    fn estimate(&self, lines: &[&Line], carried: &Carried, agreement: Agreement) -> Result<Estimate, EstimateError> {
        let split = lines.iter().any(|line| line.row.contains_key(INIT)).then(|| self.prepared.split(&carried.cold));
        let (usage, runs) = self.usage(lines, carried, split.as_ref());
        estimate_with_runs(self.catalogue, self.request(usage, agreement), &runs)
    }

    /// Whether a line counts.
    fn counts(&self, line: &Line, carried: &Carried) -> bool {
        let Some(extra) = &line.extra else { return true };
        if self.assumptions.without.contains(extra) {
            return false;
        }
        // Several instances need something before them.
        let needed = extra == "load-balancer" && carried.instances.peak > 1;
        line.by_default || needed || self.assumptions.with.contains(extra)
    }

    fn request(&self, usage: Vec<UsageRow>, agreement: Agreement) -> EstimateRequest {
        EstimateRequest {
            period: self.workload().period,
            provider: Some(self.deployment.provider.clone()),
            organisation: None,
            account: None,
            region: self.deployment.region.clone(),
            account_opened: None,
            allowances: if self.assumptions.allowances { Allowances::All } else { Allowances::None },
            used_allowance_percent: self.assumptions.used_allowance_percent,
            agreement,
            usage,
        }
    }

    /// The usage that lines are charged for.
    fn usage<'s>(
        &'s self,
        lines: &[&Line],
        carried: &'s Carried,
        split: Option<&'s Split>,
    ) -> (Vec<UsageRow>, Vec<RunRow<'s>>) {
        let (mut usage, mut runs) = (Vec::new(), Vec::new());
        for line in lines {
            match line.each {
                Each::Run | Each::Task => runs.extend(self.runs(line, carried, split)),
                Each::Request => usage.extend(self.requests(line, carried)),
                Each::Instance if self.is_apart(line) => usage.extend(self.instances_apart(line, carried)),
                Each::Instance => {
                    let whole_count = carried.up.whole_count;
                    usage.extend((whole_count > 0).then(|| self.held(line, carried, None, whole_count)));
                    if lines::counts_hours(line) {
                        let others_us = carried.up.others_us();
                        usage.extend((others_us > 0).then(|| self.held(line, carried, Some(others_us), 1)));
                    } else {
                        runs.extend(self.other_instances(line, carried));
                    }
                }
                Each::Period => usage.push(self.held(line, carried, None, 1)),
            }
        }
        (usage, runs)
    }

    /// Executions by function; where what starts an instance is charged for it, those apart.
    fn runs<'s>(&'s self, line: &Line, carried: &'s Carried, split: Option<&'s Split>) -> Vec<RunRow<'s>> {
        let added_us = if line.each == Each::Task { self.deployment.start_of(self.assumptions) } else { 0 };
        let mut rows = Vec::new();
        for (index, function) in self.functions(line) {
            let row = self.execution(line, carried, index);
            let cpu_percent = Some(function.cpu_percent.unwrap_or(ALL_WORK));
            let mut push =
                |row, windows| rows.push(RunRow { row, column: SpanColumn::Duration, cpu_percent, added_us, windows });
            match split.filter(|_| row.contains_key(INIT)) {
                None => push(row.clone(), self.prepared.windows(index)),
                Some(split) => {
                    let mut warm = row.clone();
                    warm.remove(INIT);
                    push(warm, split.warm(self.workload(), index));
                    push(row.clone(), split.cold(self.workload(), index));
                }
            }
            if let Some(repeated) = carried.repeated.get(index).filter(|[(us, _)]| *us > 0) {
                let windows = vec![spread_over(self.workload(), repeated)];
                rows.push(RunRow { row, column: SpanColumn::Duration, cpu_percent, added_us: 0, windows });
            }
        }
        rows
    }

    /// What executions of a function have in common.
    fn execution(&self, line: &Line, carried: &Carried, function: usize) -> UsageRow {
        let mut row = lines::row(self.deployment, line, &self.words(carried, Some(function)));
        row.entry("table".to_owned()).or_insert_with(|| RowValue::Text(Table::Invocations.to_string()));
        row
    }

    fn requests(&self, line: &Line, carried: &Carried) -> impl Iterator<Item = UsageRow> {
        self.functions(line).map(move |(index, _)| {
            let count = self.prepared.run_count(index);
            let mut row = lines::row(self.deployment, line, &self.words(carried, Some(index)));
            row.insert("count".to_owned(), integer(count));
            row
        })
    }

    /// The functions with executions that a line is for, each with its place.
    fn functions(&self, line: &Line) -> impl Iterator<Item = (usize, &Function)> {
        let trigger = line.trigger;
        let all = self.workload().functions.iter().enumerate();
        let is_of = move |function: &Function| trigger.is_none_or(|trigger| trigger == function.trigger);
        all.filter(move |(index, function)| is_of(function) && self.prepared.run_count(*index) > 0)
    }

    /// The first, second, … of the instances, a row each: what has a cap of its own.
    fn instances_apart(&self, line: &Line, carried: &Carried) -> impl Iterator<Item = UsageRow> {
        let up = &carried.up;
        let others = up.by_place.iter().map(|(up_us, count)| (Some(*up_us), *count));
        [(None, up.whole_count)].into_iter().chain(others).flat_map(move |(up_us, count)| {
            let row = self.held(line, carried, up_us, 1);
            (0..count).map(move |_| row.clone())
        })
    }

    /// The times of instances that come and go.
    fn other_instances<'s>(&'s self, line: &Line, carried: &'s Carried) -> Option<RunRow<'s>> {
        if carried.up.lengths.is_empty() {
            return None;
        }
        let mut row = lines::row(self.deployment, line, &self.words(carried, None));
        let is_run = lines::says_how_long(line);
        if is_run {
            row.insert("table".to_owned(), RowValue::Text(Table::Invocations.to_string()));
        }
        Some(RunRow {
            row,
            column: if is_run { SpanColumn::Duration } else { SpanColumn::Held },
            cpu_percent: None,
            added_us: 0,
            windows: vec![spread_over(self.workload(), &carried.up.lengths)],
        })
    }

    /// Whether prices of a line hold for each row by itself.
    fn is_apart(&self, line: &Line) -> bool {
        let Some(RowValue::Text(service)) = line.row.get("service") else { return false };
        let of = |book: &PriceBook| book.provider == self.deployment.provider;
        let mut skus = self.catalogue.skus();
        skus.any(|(index, sku)| {
            sku.scope_per_row && sku.services.iter().any(|own| own == service) && of(self.catalogue.book_of(index))
        })
    }

    /// A row of so many instances that are up for so long, or for the whole period.
    fn held(&self, line: &Line, carried: &Carried, length_us: Option<i64>, count: u64) -> UsageRow {
        let mut words = self.words(carried, None);
        let period = self.workload().period;
        let up = Exact::from(length_us.unwrap_or(period.end_us() - period.start_us()));
        words.insert("up_hours", up.checked_div(&Exact::from(HOUR_US)).unwrap_or_default());
        words.insert("up_us", up);
        let mut row = lines::row(self.deployment, line, &words);
        row.insert("count".to_owned(), integer(count));
        match length_us {
            _ if lines::says_how_long(line) => {}
            None => self.hold_whole_period(&mut row),
            Some(length_us) => drop(row.insert("held_us".to_owned(), integer(length_us))),
        }
        row
    }

    /// Holds a row for the whole period, in the zone of its service.
    fn hold_whole_period(&self, row: &mut UsageRow) {
        let service = match row.get("service") {
            Some(RowValue::Text(service)) => service.clone(),
            _ => String::new(),
        };
        let zone = self.catalogue.zone(&self.deployment.provider, &service);
        let period = self.workload().period;
        for (word, us) in [("from", zone.start_us(period)), ("to", zone.end_us(period))] {
            if let Some(instant) = chrono::DateTime::from_timestamp_micros(us) {
                row.insert(word.to_owned(), RowValue::Text(instant.to_rfc3339()));
            }
        }
    }

    /// What placeholders stand for: for a function, or for the largest of them.
    fn words(&self, carried: &Carried, function: Option<usize>) -> Words {
        let largest = || carried.shapes.iter().max_by_key(|shape| shape.memory_mb);
        let shape = function.and_then(|index| carried.shapes.get(index)).or_else(largest);
        let (memory_mb, slots) = shape.map_or((0, 1), |shape| (shape.memory_mb, shape.slots));
        let mut words = Words::from([
            ("memory_mb", Exact::from(memory_mb)),
            ("vcpu_milli", Exact::from(self.deployment.vcpu.of_memory(memory_mb))),
            ("run_count", Exact::from(self.workload().run_count())),
            ("concurrency", Exact::from(slots)),
        ]);
        let function: Option<&Function> = function.and_then(|index| self.workload().functions.get(index));
        if let Some(function) = function {
            words.extend([
                ("request_bytes", Exact::from(function.request_bytes)),
                ("response_bytes", Exact::from(function.response_bytes)),
                ("log_bytes", Exact::from(function.log_bytes)),
                (INIT, Exact::from(function.init_us.unwrap_or(self.deployment.start_of(self.assumptions)))),
            ]);
        }
        words
    }
}

/// Times that are spread over the period, and how many of them there are.
fn spread_over<'s>(workload: &Workload, by_duration: &'s [(i64, u64)]) -> RunWindow<'s> {
    let (start_us, end_us) = (workload.period.start_us(), workload.period.end_us());
    RunWindow { start_us, end_us, repeats: 1, is_spread: true, spans: &[], by_hour: &[], by_duration }
}

/// Whether a line is for requests and says nothing of what serves them.
fn is_of_requests(line: &Line) -> bool {
    let words = line.row.values().filter_map(|value| match value {
        RowValue::Text(text) => text.strip_prefix('$'),
        _ => None,
    });
    line.each == Each::Request && words.into_iter().all(|word| REQUEST_WORDS.contains(&word))
}

/// The amount of a part that a charge belongs to: executions that are counted are told apart from the time they take.
fn amount<'p>(parts: &'p mut Parts, part: Part, charge: &Charge, of_runs: bool) -> &'p mut Exact {
    match part {
        Part::Compute if of_runs && Unit::parse(&charge.consumed_unit).is_ok_and(|unit| unit.is_a_count()) => {
            &mut parts.requests
        }
        Part::Compute => &mut parts.compute,
        Part::Requests => &mut parts.requests,
        Part::Storage => &mut parts.storage,
        Part::Transfer => &mut parts.transfer,
        Part::Extras => &mut parts.extras,
    }
}

/// What instances did, in the figures of an outcome.
fn describe(carried: &Carried, workload: &Workload, outcome: &mut Outcome) {
    let runs = Exact::from(workload.run_count());
    outcome.concurrency = carried.concurrency;
    if let Some(shape) = carried.shapes.iter().max_by_key(|shape| shape.memory_mb) {
        outcome.memory_mb = shape.memory_mb;
    }
    outcome.instances = carried.instances.clone();
    outcome.utilisation.clone_from(&carried.used_share);
    outcome.cold_starts = ColdStarts {
        count: carried.cold_count,
        share: Exact::from(carried.cold_count).checked_div(&runs),
        added_ms: Exact::ratio(carried.start_us.into(), MS_US.into()).unwrap_or_default(),
    };
    outcome.queueing = Queueing {
        count: carried.delayed_count,
        mean_ms: Exact::ratio(carried.delay_us, MS_US.into()).and_then(|ms| ms.checked_div(&runs)).unwrap_or_default(),
        longest_ms: Exact::ratio(carried.longest_delay_us.into(), MS_US.into()).unwrap_or_default(),
    };
    outcome.throttled_count = carried.throttled_count;
}

#[cfg(test)]
mod tests;
