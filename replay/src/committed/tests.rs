//! Committed instances, worked by hand
use paygrain_pricing::{
    Catalogue,
    period::{DAY_US, SECOND_US},
};

use super::*;
use crate::{Deployments, Function, Outcome, Prepared, Run, Window, Workload, replay, sizing::Sizing};

/// So many at once, once a day at midnight, in a month of 744 hours.
fn daily(at_once: i64) -> Workload {
    let period: paygrain_pricing::Period = "2026-10".parse().unwrap();
    let start_us = period.start_us();
    let run = |day: i64| Run { start_us: start_us + day * DAY_US, duration_us: SECOND_US, function: 0 };
    let runs = (0..31).flat_map(|day| (0..at_once).map(move |_| run(day))).collect();
    Workload {
        title: "daily".to_owned(),
        period,
        functions: vec![Function { vcpu_milli: Some(400), ..Function::new("f", 512) }],
        windows: vec![Window { start_us, end_us: period.end_us(), repeats: 1, runs }],
    }
}

fn outcome(name: &str, at_once: i64, sizing: Sizing, commitment: Option<Term>) -> Outcome {
    let catalogue = Catalogue::embedded().unwrap();
    let deployments = Deployments::embedded(&catalogue).unwrap();
    let without = deployments.extras().into_iter().map(|(name, _)| name.to_owned()).collect();
    let assumptions =
        Assumptions { sizing: Some(sizing), commitment, without, allowances: false, ..Assumptions::default() };
    replay(&catalogue, &Prepared::of(&daily(at_once)), deployments.find(name).unwrap(), &assumptions).unwrap()
}

const FIXED: Sizing = Sizing::Fixed { percentile: None };

#[test]
fn a_fixed_number_costs_the_committed_rate_in_every_hour_of_the_month() {
    for (name, commitment, rate) in [
        ("aws-ec2-t3.medium", None, "0.0416"),
        ("aws-ec2-t3.medium", Some(Term::OneYear), "0.0261"),
        ("aws-ec2-t3.medium", Some(Term::ThreeYears), "0.0180"),
        ("gcp-compute-engine-e2-standard-2", None, "0.06701142"),
        ("gcp-compute-engine-e2-standard-2", Some(Term::OneYear), "0.042217186"),
        ("gcp-compute-engine-e2-standard-2", Some(Term::ThreeYears), "0.030155134"),
    ] {
        for at_once in [1, 3] {
            let outcome = outcome(name, at_once, FIXED, commitment);
            let hours = Exact::from(744 * i128::from(outcome.instances.peak));
            let charged = &outcome.parts.compute + &outcome.parts.idle;
            assert_eq!(charged, hours * rate.parse::<Exact>().unwrap(), "{name} {commitment:?}");
            assert_eq!(outcome.monthly_cost, Some(outcome.parts.total()));
            let told = outcome.reasons.iter().find(|reason| reason.code == "commitment");
            assert_eq!(told.is_some(), commitment.is_some(), "{:?}", outcome.reasons);
        }
    }
    assert!(outcome("aws-ec2-t3.medium", 3, FIXED, None).instances.peak > 1, "several are committed to");
}

#[test]
fn what_comes_and_goes_or_has_no_committed_price_is_on_demand_and_says_so() {
    for (name, sizing, expected) in [
        ("aws-ec2-t3.medium", Sizing::Scheduled, "no instance is up all the time: on demand"),
        ("aws-ec2-t3.large", FIXED, "no price for 1 year is known: on demand"),
    ] {
        let committed = outcome(name, 1, sizing, Some(Term::OneYear));
        assert_eq!(committed.monthly_cost, outcome(name, 1, sizing, None).monthly_cost);
        let told: Vec<_> = committed.reasons.iter().map(|reason| (reason.blocks, reason.message.as_str())).collect();
        assert_eq!(told, [(false, expected)]);
    }
}

#[test]
fn every_committed_price_is_below_the_one_on_demand() {
    let catalogue = Catalogue::embedded().unwrap();
    let deployments = Deployments::embedded(&catalogue).unwrap();
    let mut plans = 0;
    for deployment in deployments.all() {
        for term in deployment.commitments.keys() {
            let cost = |term| outcome(&deployment.name, 1, FIXED, term).monthly_cost.unwrap();
            assert!(cost(Some(*term)) < cost(None), "{} {term:?}", deployment.name);
            plans += 1;
        }
    }
    assert_eq!(plans, 12);
}
