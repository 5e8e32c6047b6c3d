//! Executions that are run again, worked by hand
use paygrain_pricing::{
    Catalogue,
    period::{DAY_US, SECOND_US},
};

use super::*;
use crate::{Deployments, Outcome, Run, Window, Workload, replay, workload::Function};

/// Once a day, for so long each, in a month of 31 days.
fn daily(duration_us: i64) -> Workload {
    let period: paygrain_pricing::Period = "2026-10".parse().unwrap();
    let start_us = period.start_us();
    let run = |day: i64| Run { start_us: start_us + day * DAY_US, duration_us, function: 0 };
    let runs = (0..31).map(run).collect();
    Workload {
        title: "daily".to_owned(),
        period,
        functions: vec![Function { vcpu_milli: Some(250), ..Function::new("f", 512) }],
        windows: vec![Window { start_us, end_us: period.end_us(), repeats: 1, runs }],
    }
}

fn outcome(name: &str, workload: &Workload, sizing: Option<Sizing>, rate: Option<i64>) -> Outcome {
    let catalogue = Catalogue::embedded().unwrap();
    let deployments = Deployments::embedded(&catalogue).unwrap();
    let extras = deployments.extras().into_iter().map(|(name, _)| name.to_owned()).collect();
    let assumptions = Assumptions {
        sizing,
        interruptions_per_thousand_hours: rate,
        without: extras,
        allowances: false,
        ..Assumptions::default()
    };
    replay(&catalogue, &Prepared::of(workload), deployments.find(name).unwrap(), &assumptions).unwrap()
}

fn cost(name: &str, workload: &Workload, sizing: Option<Sizing>, rate: Option<i64>) -> Exact {
    outcome(name, workload, sizing, rate).monthly_cost.unwrap()
}

fn exact(text: &str) -> Exact {
    text.parse().unwrap()
}

#[test]
fn what_is_expected_is_worked_by_hand() {
    let workload = daily(600 * SECOND_US);
    let rule = Interruptions { per_thousand_hours: 36, notice_us: 120 * SECOND_US };
    // 36 in 3,600,000 s are 1 in 100,000 s. 31 runs of 600 s: 31 x 480 / 100,000 are cut off, and
    // 31 x (600² - 120²) / 2 / 100,000 = 53.568 s are lost.
    let expected = rule.expected(&Prepared::of(&workload), 0);
    assert_eq!((expected.cut_count, expected.lost_us), (exact("0.1488"), vec![exact("53568000")]));
    // A start of 30 s before each: (630² - 120²) / 2.
    let expected = rule.expected(&Prepared::of(&workload), 30 * SECOND_US);
    assert_eq!((expected.cut_count, expected.lost_us), (exact("0.1581"), vec![exact("59287500")]));
    // What comes a thousand times is expected a thousand times as often; what ends within the notice is never cut off.
    let mut often = workload.clone();
    often.windows[0].repeats = 1000;
    assert_eq!(rule.expected(&Prepared::of(&often), 0).cut_count, exact("148.8"));
    let expected = rule.expected(&Prepared::of(&daily(120 * SECOND_US)), 0);
    assert_eq!((expected.cut_count, expected.lost_us), (Exact::zero(), vec![Exact::zero()]));
}

#[test]
fn the_expected_value_is_the_mean_over_every_moment_of_an_interruption() {
    // Of a run of 10 s with a notice of 3 s: taken back in each of its microseconds' middles, less often by a step.
    let (length, notice, steps) = (10_000_i64, 3_000_i64, 10_000_i64);
    let rule = Interruptions { per_thousand_hours: 7, notice_us: notice * 1000 };
    let mut lost_us = 0_i128;
    for step in 0..steps {
        let at = step * length / steps;
        // The run ends itself where the notice came before it began.
        if at >= notice {
            lost_us += i128::from(at * 1000 + 500);
        }
    }
    let per_step = rule.rate() * Exact::from(1000);
    let expected = rule.expected(&Prepared::of(&daily(length * 1000)), 0).lost_us.remove(0);
    assert_eq!(expected, Exact::from(31) * Exact::from(lost_us) * per_step);
}

#[test]
fn tasks_that_are_run_again_are_charged() {
    let name = "aws-fargate-spot-0.25vcpu";
    let workload = daily(3570 * SECOND_US);
    // A task of 30 s and 3,570 s. Price of a second: (0.25 x 0.01214 + 0.5 x 0.00133) / 3,600.
    let hour = exact("0.003035") + exact("0.000665");
    let whole = cost(name, &workload, None, Some(0));
    assert_eq!(whole, exact("31") * &hour);
    // 10 in 3,600,000 s: 31 x (3,600² - 120²) / 2 x 10 / 3,600,000 = 557.38 s, up to 558.
    let second = hour.checked_div(&Exact::from(3600)).unwrap();
    assert_eq!(cost(name, &workload, None, Some(10)) - &whole, exact("558") * second);
    let told = outcome(name, &workload, None, Some(10)).reasons;
    let told: Vec<_> = told.iter().filter(|reason| reason.code == "interruptions").collect();
    assert_eq!(
        told[0].message,
        "may be taken back at a notice of 2 min, 10 times in 1,000 hours: executions that take longer are lost then; 0.30 of 31 are expected to be run again, 557 s in all, which is charged"
    );
    assert!(!told[0].blocks);
    // What it assumes itself is less, and costs less; of what ends within the notice nothing is lost.
    let usual = cost(name, &workload, None, None);
    assert!(whole < usual && usual < cost(name, &workload, None, Some(10)));
    let short = daily(80 * SECOND_US);
    assert_eq!(cost(name, &short, None, Some(0)), cost(name, &short, None, Some(1000)));
}

#[test]
fn machines_that_are_taken_back_are_up_longer_where_they_are_not_up_anyway() {
    let name = "gcp-compute-engine-spot-n1-standard-1";
    let workload = daily(3600 * SECOND_US);
    let fixed = Some(Sizing::Fixed { percentile: None });
    assert_eq!(cost(name, &workload, fixed, Some(0)), cost(name, &workload, fixed, Some(100)));
    // One at a time. 100 in 3,600,000 s: 31 x (3,600² - 30²) / 2 / 36,000 = 5,579.6125 s, and for 31 x 3,570 / 36,000 =
    // 3.0741666… a start of 60 s: 184.45 s; 5,764.0625 s, up to 5,765. 6.9325 a month of 730 h.
    let more = cost(name, &workload, Some(Sizing::Scheduled), Some(100))
        - cost(name, &workload, Some(Sizing::Scheduled), Some(0));
    let second = exact("6.9325").checked_div(&Exact::from(730 * 3600)).unwrap();
    assert_eq!(more, exact("5765") * second);
}

#[test]
fn what_is_cut_off_over_and_over_is_refused() {
    // 23 h less the notice of 30 s are 82,770 s: of 43 in 3,600,000 s it has 0.99, of 44 it has 1.01.
    let workload = daily(23 * 3600 * SECOND_US);
    let name = "gcp-compute-engine-spot-n1-standard-1";
    assert!(outcome(name, &workload, None, Some(43)).feasible);
    let refused = outcome(name, &workload, None, Some(44));
    assert!(!refused.feasible && refused.monthly_cost.is_none());
    assert!(refused.reasons.iter().any(|reason| reason.code == "interruptions" && reason.blocks));
}
