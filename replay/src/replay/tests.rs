//! Workloads on hand-made deployments, by prices of the price books, worked by hand.
use std::collections::BTreeMap;

use paygrain_pricing::{
    Catalogue, Exact,
    period::{DAY_US, SECOND_US},
};

use super::*;
use crate::{
    deployment::{Kind, Limits, Memory, MemoryRange, Vcpu},
    workload::{Run, Window, Workload},
};

fn catalogue() -> Catalogue {
    Catalogue::embedded().unwrap()
}

fn line(part: Part, each: Each, row: &str) -> Line {
    let row = serde_json::from_str(row).unwrap();
    Line { part, each, extra: None, by_default: true, row, trigger: None }
}

fn deployment(kind: Kind, scaling: Scaling, lines: Vec<Line>) -> Deployment {
    Deployment {
        name: "d".to_owned(),
        title: "D".to_owned(),
        kind,
        provider: "aws".to_owned(),
        region: Some("us-east-1".to_owned()),
        note: String::new(),
        memory: Memory::OfFunction(vec![MemoryRange { from_mb: 128, to_mb: 10_240, step_mb: 1 }]),
        vcpu: Vcpu::PerMemory(1769),
        system_memory_mb: 0,
        scaling,
        concurrency: Some(1),
        start_us: 0,
        tail_us: 300 * SECOND_US,
        minimum_instances: 0,
        interruptions: None,
        commitments: BTreeMap::new(),
        limits: Limits::default(),
        lines,
        words: BTreeMap::new(),
        sources: BTreeMap::new(),
        figures: Vec::new(),
    }
}

fn lambda() -> Deployment {
    let row = r#"{"service": "lambda", "memory_mb": "$memory_mb", "architecture": "x86_64"}"#;
    let mut lambda = deployment(Kind::Faas, Scaling::Request, vec![line(Part::Compute, Each::Run, row)]);
    lambda.limits = Limits { longest_run_s: Some(900), concurrency: Some(1000), ..Limits::default() };
    lambda
}

fn micro() -> Deployment {
    let lines = vec![
        line(
            Part::Compute,
            Each::Instance,
            r#"{"service": "ec2", "meter": "instance", "variant": "t3.micro", "quantity": 1}"#,
        ),
        line(Part::Storage, Each::Instance, r#"{"service": "ec2", "storage_class": "gp3", "gib": 8}"#),
    ];
    let mut micro = deployment(Kind::Vm, Scaling::Sized, lines);
    micro.memory = Memory::Fixed(1024);
    micro.vcpu = Vcpu::Fixed { milli: 2000, sustained_milli: 200 };
    micro.system_memory_mb = 256;
    micro.concurrency = None;
    micro
}

/// Once a day at noon, for so long, in a month of 31 days.
fn daily(duration_us: i64, memory_mb: i64) -> Workload {
    let period: paygrain_pricing::Period = "2026-10".parse().unwrap();
    let start_us = period.start_us();
    let run = |day: i64| Run { start_us: start_us + day * DAY_US + DAY_US / 2, duration_us, function: 0 };
    let runs = (0..31).map(run).collect();
    Workload {
        title: "daily".to_owned(),
        period,
        functions: vec![Function::new("f", memory_mb)],
        windows: vec![Window { start_us, end_us: period.end_us(), repeats: 1, runs }],
    }
}

fn without_free_tier() -> Assumptions {
    Assumptions { allowances: false, ..Assumptions::default() }
}

fn run(workload: &Workload, deployment: &Deployment, assumptions: &Assumptions) -> Outcome {
    replay(&catalogue(), &Prepared::of(workload), deployment, assumptions).unwrap()
}

fn exact(text: &str) -> Exact {
    text.parse().unwrap()
}

#[test]
fn a_daily_function_costs_what_is_worked_by_hand() {
    let outcome = run(&daily(300_000, 512), &lambda(), &without_free_tier());
    // 31 x 0.3 s x 0.5 GB x 0.0000166667 and 31 x 0.20 / 1,000,000
    assert_eq!(outcome.parts.compute, exact("4.65") * exact("0.0000166667"));
    assert_eq!(outcome.parts.requests, exact("0.0000062"));
    assert_eq!(outcome.monthly_cost, Some(outcome.parts.total()));
    assert!(outcome.feasible && outcome.reasons.is_empty(), "{:?}", outcome.reasons);
    // A day apart: every one starts cold, one instance at a time.
    assert_eq!((outcome.cold_starts.count, outcome.instances.peak), (31, 1));
    let free = run(&daily(300_000, 512), &lambda(), &Assumptions::default());
    assert_eq!(free.monthly_cost, Some(Exact::zero()));
}

#[test]
fn what_others_use_of_a_free_tier_is_charged() {
    // 31 x 30,000 s x 0.5 GB: 465,000 GB-s, of 400,000 free ones 40 % are gone: 240,000 are left.
    let (workload, mut lambda) = (daily(30_000 * SECOND_US, 512), lambda());
    lambda.limits = Limits::default();
    let used = |used_allowance_percent| Assumptions { used_allowance_percent, ..Assumptions::default() };
    let cost = |assumptions: &Assumptions| run(&workload, &lambda, assumptions).monthly_cost.unwrap();
    assert_eq!(cost(&used(0)), exact("65000") * exact("0.0000166667"));
    assert_eq!(cost(&used(40)), exact("225000") * exact("0.0000166667"));
    assert_eq!(cost(&used(100)), cost(&without_free_tier()));
}

/// Free tiers of every deployment that comes with the program: what belongs to a plan, which `allowances` does not
/// switch off, others use as well.
#[test]
fn on_every_deployment_the_free_tier_that_others_use_up_is_as_none() {
    let catalogue = catalogue();
    let deployments = crate::Deployments::embedded(&catalogue).unwrap();
    let mut workload = daily(SECOND_US, 128);
    let second = |number: i64| move |run: &Run| Run { start_us: run.start_us + number * 10 * SECOND_US, ..*run };
    let day = workload.windows[0].runs.clone();
    workload.windows[0].runs.extend((1..100).flat_map(|number| day.iter().map(second(number)).collect::<Vec<_>>()));
    workload.windows[0].runs.sort_unstable();
    let prepared = Prepared::of(&workload);
    let mut free_count = 0;
    for deployment in deployments.all() {
        let cost = |assumptions: &Assumptions| {
            let sizing = Some(Sizing::Fixed { percentile: None });
            replay(&catalogue, &prepared, deployment, &Assumptions { sizing, ..assumptions.clone() })
                .unwrap()
                .monthly_cost
        };
        let used = |used_allowance_percent| cost(&Assumptions { used_allowance_percent, ..Assumptions::default() });
        let costs = [0, 1, 50, 99, 100].map(used);
        assert!(costs.is_sorted(), "{}: {costs:?}", deployment.name);
        let none = cost(&without_free_tier());
        free_count += usize::from(costs[0] < none);
        if deployment.provider == "cloudflare" {
            assert!(costs[4] >= none, "{}", deployment.name);
        } else {
            assert_eq!(costs[4], none, "{}", deployment.name);
        }
    }
    assert!(free_count > 20, "{free_count}");
}

#[test]
fn the_execution_that_starts_an_instance_pays_for_its_initialisation() {
    let mut lambda = lambda();
    lambda.start_us = 250_000;
    lambda.lines[0].row.insert("init_us".to_owned(), RowValue::Text("$init_us".to_owned()));
    let mut workload = daily(300_000, 512);
    // A second one right after each finds its instance up.
    let second = |run: &Run| Run { start_us: run.start_us + SECOND_US, ..*run };
    let runs = &mut workload.windows[0].runs;
    runs.extend(runs.clone().iter().map(second));
    runs.sort_unstable();
    let outcome = run(&workload, &lambda, &without_free_tier());
    assert_eq!(outcome.cold_starts.count, 31);
    // 31 x (0.55 + 0.3) s x 0.5 GB x 0.0000166667
    assert_eq!(outcome.parts.compute, exact("13.175") * exact("0.0000166667"));
    assert_eq!(outcome.parts.requests, exact("0.0000124"));
}

#[test]
fn what_a_limit_forbids_is_told_and_not_priced() {
    let outcome = run(&daily(901 * SECOND_US, 512), &lambda(), &without_free_tier());
    assert_eq!((outcome.feasible, outcome.monthly_cost, outcome.charges.len()), (false, None, 0));
    assert_eq!(outcome.reasons[0].code, "longest-run");
    assert_eq!(outcome.reasons[0].message, "the longest execution takes 901.0 s, at most 15 min are allowed");
    let outcome = run(&daily(SECOND_US, 20_000), &lambda(), &without_free_tier());
    assert_eq!(outcome.reasons[0].message, "f needs 20,000 MB, at most 10,240 can be had");
}

#[test]
fn who_needs_a_gpu_runs_only_where_there_is_one() {
    let mut workload = daily(SECOND_US, 512);
    workload.functions[0].gpu = 2;
    let catalogue = catalogue();
    let deployments = crate::Deployments::embedded(&catalogue).unwrap();
    let mut comparison =
        crate::compare(&catalogue, &workload, deployments.all(), &Assumptions::default(), Default::default()).unwrap();
    assert_eq!(comparison.deployments.len(), deployments.all().len(), "none is left out");
    comparison.deployments.retain(|outcome| outcome.feasible);
    assert!(comparison.deployments.is_empty() && comparison.verdict.cheapest.is_none());
    let message = |deployment: &Deployment| run(&workload, deployment, &without_free_tier()).reasons[0].message.clone();
    let mut machine = micro();
    assert_eq!(message(&machine), "f needs 2 GPUs, it has none");
    machine.limits.gpus = 1;
    assert_eq!(message(&machine), "f needs 2 GPUs, an instance has 1");
    // Of 4 each takes 2: two at once, where without GPUs memory and vCPU have room for one more.
    let small = |gpu| Function { vcpu_milli: Some(10), gpu, ..Function::new("f", 256) };
    machine.limits.gpus = 4;
    let slots = |function: &Function| machine.shape(function, &without_free_tier()).unwrap().slots;
    assert_eq!([slots(&small(0)), slots(&small(2)), slots(&small(3))], [3, 2, 1]);
    assert!(run(&workload, &machine, &without_free_tier()).feasible);
}

#[test]
fn executions_beyond_the_limit_of_an_account_are_refused_unless_more_are_granted() {
    let mut many = daily(60 * SECOND_US, 512);
    let first = many.windows[0].runs[0];
    many.windows[0].runs =
        (0..1500).map(|second| Run { start_us: first.start_us + second * 10_000, ..first }).collect();
    let outcome = run(&many, &lambda(), &without_free_tier());
    // 1,000 of 1,500 within 15 s, each for 60 s
    assert_eq!((outcome.feasible, outcome.throttled_count), (false, 500));
    assert!(outcome.reasons[0].message.contains("33.3 % would be refused"), "{:?}", outcome.reasons);
    let granted = Assumptions { granted_concurrency: Some(2000), ..without_free_tier() };
    let outcome = run(&many, &lambda(), &granted);
    assert_eq!((outcome.feasible, outcome.throttled_count, outcome.instances.peak), (true, 0, 1500));
}

#[test]
fn a_machine_that_is_kept_up_costs_the_month() {
    let fixed = Assumptions { sizing: Some(Sizing::Fixed { percentile: None }), ..without_free_tier() };
    let outcome = run(&daily(300_000, 512), &micro(), &fixed);
    // 744 h x 0.0104 and 8 GiB x 0.08
    assert_eq!(outcome.parts.compute.clone() + &outcome.parts.idle, exact("7.7376"));
    assert_eq!(outcome.parts.storage, exact("0.64"));
    assert_eq!(outcome.instances.peak, 1);
    // One at once of the one that its memory takes: 31 x 0.3 s of 744 h
    assert_eq!(outcome.utilisation, Exact::ratio(9_300, 744 * 3_600_000));
}

#[test]
fn a_machine_that_is_switched_on_for_each_execution_costs_its_minimum() {
    let scheduled =
        Assumptions { sizing: Some(Sizing::Scheduled), start_ms: Some(45_000), stop_s: 60, ..without_free_tier() };
    let outcome = run(&daily(15 * SECOND_US, 512), &micro(), &scheduled);
    // 31 x (45 + 15 + 60) s x 0.0104 / 3600
    let expected = exact("0.0104") * Exact::ratio(31 * 120, 3600).unwrap();
    assert_eq!(outcome.parts.compute.clone() + &outcome.parts.idle, expected);
    assert_eq!(outcome.sizing, Some(Sizing::Scheduled));
    // Of all ways the cheapest is taken.
    let cheapest = run(&daily(15 * SECOND_US, 512), &micro(), &without_free_tier());
    assert!(cheapest.monthly_cost <= outcome.monthly_cost);
}

#[test]
fn what_does_not_fit_into_a_machine_is_told() {
    let outcome = run(&daily(SECOND_US, 900), &micro(), &without_free_tier());
    assert!(!outcome.feasible);
    assert_eq!(outcome.reasons[0].message, "f needs 900 MB, 768 MB of an instance are free");
}

#[test]
fn an_instance_takes_as_many_as_its_memory_and_vcpu_have_room_for() {
    let function =
        |memory_mb: i64, vcpu_milli: i64| Function { vcpu_milli: Some(vcpu_milli), ..Function::new("f", memory_mb) };
    let usual = Assumptions::default();
    let shape = |deployment: &Deployment, function: &Function, assumptions: &Assumptions| {
        deployment.shape(function, assumptions).map(|shape| (shape.memory_mb, shape.slots)).ok()
    };
    // 1,024 MB less 256, and 200 thousandths of a vCPU for ever
    for (memory_mb, vcpu_milli, slots) in [(128, 10, Some(6)), (128, 50, Some(4)), (128, 500, Some(1)), (769, 1, None)]
    {
        let found = shape(&micro(), &function(memory_mb, vcpu_milli), &usual);
        assert_eq!(found, slots.map(|slots| (1024, slots)), "{memory_mb} MB, {vcpu_milli}");
    }
    let mut container = deployment(Kind::Container, Scaling::Request, Vec::new());
    container.vcpu = Vcpu::Fixed { milli: 1000, sustained_milli: 1000 };
    container.concurrency = Some(80);
    // Memory is ordered for all of them: three of 300 thousandths, eighty of the smallest, as many as 10,240 MB hold.
    for (memory_mb, vcpu_milli, expected) in [(512, 300, (1536, 3)), (100, 1, (8000, 80)), (2000, 1, (10_000, 5))] {
        assert_eq!(shape(&container, &function(memory_mb, vcpu_milli), &usual), Some(expected));
    }
    let asked = Assumptions { concurrency: Some(50), ..Assumptions::default() };
    assert_eq!(shape(&container, &function(512, 300), &asked), Some((512, 50)));
    // What takes one at a time does so whatever is wished for.
    assert_eq!(shape(&lambda(), &function(512, 300), &asked), Some((512, 1)));
}

#[test]
fn a_task_pays_for_its_start_and_a_minute_at_least() {
    let row = r#"{"service": "fargate", "table": "invocations", "memory_mb": "$memory_mb", "vcpu_milli": 1000}"#;
    let mut task = deployment(Kind::Container, Scaling::Task, vec![line(Part::Compute, Each::Task, row)]);
    task.start_us = 20 * SECOND_US;
    let outcome = run(&daily(15 * SECOND_US, 2048), &task, &without_free_tier());
    // 31 x 60 s x (0.04048 + 2 x 0.004445) / 3600
    assert_eq!(outcome.monthly_cost, Some(exact("0.04937") * Exact::ratio(31 * 60, 3600).unwrap()));
    let outcome = run(&daily(100 * SECOND_US, 2048), &task, &without_free_tier());
    assert_eq!(outcome.monthly_cost, Some(exact("0.04937") * Exact::ratio(31 * 120, 3600).unwrap()));
    assert_eq!((outcome.cold_starts.count, outcome.cold_starts.added_ms), (31, Exact::from(20_000)));
}

/// Every deployment that comes with the program, with everything that may be charged.
#[test]
fn no_sku_is_charged_in_two_parts() {
    let catalogue = catalogue();
    let deployments = crate::Deployments::embedded(&catalogue).unwrap();
    let mut workload = daily(90 * SECOND_US, 512);
    workload.functions[0].response_bytes = 1_000_000;
    workload.functions[0].log_bytes = 10_000;
    let prepared = Prepared::of(&workload);
    for deployment in deployments.all() {
        let with = deployment.lines.iter().filter_map(|line| line.extra.clone()).collect();
        let outcome = replay(&catalogue, &prepared, deployment, &Assumptions { with, ..without_free_tier() }).unwrap();
        let mut ids: Vec<&str> = outcome.charges.iter().map(|charge| charge.id.as_str()).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "{}: {ids:?}", deployment.name);
        if let Some(cost) = outcome.monthly_cost {
            assert_eq!(
                outcome.charges.iter().map(|charge| &charge.billed_cost).sum::<Exact>(),
                cost,
                "{}",
                deployment.name
            );
        }
    }
}

#[test]
fn instances_with_a_cap_of_their_own_are_priced_one_by_one_up_to_a_number() {
    let row = r#"{"service": "dynos", "meter": "dyno", "variant": "basic", "quantity": 1}"#;
    let mut dyno = deployment(Kind::Paas, Scaling::Sized, vec![line(Part::Compute, Each::Instance, row)]);
    (dyno.provider, dyno.region) = ("heroku".to_owned(), None);
    (dyno.memory, dyno.concurrency) = (Memory::Fixed(512), Some(1));
    let fixed = |minimum_instances: u64| Assumptions {
        sizing: Some(Sizing::Fixed { percentile: None }),
        minimum_instances: Some(minimum_instances),
        ..without_free_tier()
    };
    // The cap of 7.00 a month holds for each of them.
    let outcome = run(&daily(SECOND_US, 512), &dyno, &fixed(1_500));
    assert_eq!(outcome.monthly_cost, Some(exact("10500")));
    let outcome = run(&daily(SECOND_US, 512), &dyno, &fixed(10_001));
    assert_eq!((outcome.feasible, outcome.monthly_cost), (false, None));
    let message = "10,001 instances that each have prices of their own: more than 10,000 are not priced";
    assert_eq!(outcome.reasons[0].message, message);
}

#[test]
fn sizes_of_memory_are_of_one_function() {
    let mut workload = daily(SECOND_US, 512);
    workload.functions.push(Function::new("g", 1024));
    let error = crate::right_size(&catalogue(), &workload, &lambda(), &Assumptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "the executions are of 2 functions: sizes of memory are compared for one");
    workload.functions[1].name = "f".to_owned();
    assert!(crate::right_size(&catalogue(), &workload, &lambda(), &Assumptions::default()).is_ok());
}
