//! How long a comparison takes.
use paygrain_replay::*;
use std::time::Instant;
fn main() {
    let catalogue = paygrain_pricing::Catalogue::embedded().unwrap();
    let deployments = Deployments::embedded(&catalogue).unwrap();
    let given: Vec<(String, String)> = [
        ("schedule", std::env::args().nth(1).unwrap_or("0 17 * * *".into()).as_str()),
        ("duration", "300ms"),
        ("memory", "512"),
    ]
    .map(|(a, b)| (a.to_owned(), b.to_owned()))
    .to_vec();
    let job = ScheduledJob::read(&given, "2026-10".parse().unwrap()).unwrap();
    let workload = job.workload();
    let prepared = Prepared::of(&workload);
    let assumptions = Assumptions::default();
    let mut times = Vec::new();
    for deployment in deployments.all() {
        let start = Instant::now();
        replay::replay(&catalogue, &prepared, deployment, &assumptions).unwrap();
        times.push((start.elapsed(), deployment.name.clone()));
    }
    times.sort();
    let total: std::time::Duration = times.iter().map(|(time, _)| *time).sum();
    println!("{} deployments, outcomes {total:?}; slowest {:?}", times.len(), &times[times.len() - 5..]);
    for name in
        ["aws-lambda-arm", "azure-container-apps-0.25vcpu-0.5gb", "gcp-app-engine-b1", "gcp-compute-engine-e2-micro"]
    {
        let deployment = deployments.find(name).unwrap();
        for count in [1i64, 100, 1000, 100_000, 10_000_000] {
            let like = paygrain_replay::curves::sampled(&workload, count);
            for sizing in [
                None,
                Some(sizing::Sizing::Fixed { percentile: None }),
                Some(sizing::Sizing::Scheduled),
                Some(sizing::Sizing::Autoscaled),
            ] {
                let assumptions = Assumptions { sizing, ..Assumptions::default() };
                let start = Instant::now();
                replay::replay(&catalogue, &Prepared::of(&like), deployment, &assumptions).unwrap();
                print!("{name} {count} {sizing:?} {:?}; ", start.elapsed());
            }
            println!();
        }
    }
    for _ in 0..2 {
        let start = Instant::now();
        let comparison =
            compare(&catalogue, &workload, deployments.all(), &assumptions, CompareOptions::default()).unwrap();
        println!("compare {:?} {}", start.elapsed(), comparison.verdict.sentence);
    }
}
#[allow(dead_code)]
fn unused() {}
