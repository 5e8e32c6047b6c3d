//! Instances that start on request, beside the simulator SimFaaS: its figures are in `simfaas.json`
//!
//! `simfaas_figures.py` made them, and says with which version and how.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]
use paygrain_replay::instances::{InstanceUse, KeepAlive, Span, SpanWindow, replay_on_request};
use serde::Deserialize;

#[derive(Deserialize)]
struct Figures {
    simfaas: String,
    trace: Vec<Trace>,
    poisson: Vec<Poisson>,
}

#[derive(Deserialize)]
struct Trace {
    requests: usize,
    gap_us: u64,
    duration_us: u64,
    start_us: i64,
    tail_us: i64,
    limit: u64,
    seed: u64,
    cold: u64,
    rejected: u64,
    peak_instances: u64,
    peak_running: u64,
    up_us: i128,
    running_us: i128,
}

#[derive(Deserialize)]
struct Poisson {
    rate: f64,
    tail_s: f64,
    warm_s: f64,
    cold_s: f64,
    requests: u64,
    cold: u64,
    mean_instances: f64,
    mean_running: f64,
}

/// The same numbers as in `simfaas_figures.py`.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, end: u64) -> i64 {
        (self.next() % end) as i64
    }

    /// A time until something that comes at random, seconds.
    fn exponential(&mut self, mean_s: f64) -> f64 {
        -((self.next() as f64 + 1.0) / (1_u64 << 31) as f64).ln() * mean_s
    }
}

fn figures() -> Figures {
    let figures: Figures = serde_json::from_str(include_str!("simfaas.json")).unwrap();
    assert_eq!((figures.simfaas.as_str(), figures.trace.len(), figures.poisson.len()), ("0.2.2", 4, 4));
    figures
}

fn replay(spans: &[Span], rule: &KeepAlive) -> InstanceUse {
    let end_us = spans.last().unwrap().start_us + 1;
    replay_on_request(&[SpanWindow { start_us: 0, end_us, repeats: 1, items: spans }], rule)
}

#[test]
fn every_figure_of_the_same_arrivals_is_the_same() {
    for of in figures().trace {
        let mut numbers = Numbers(of.seed);
        let mut at_us = 0;
        let mut next = |_| {
            let rare = if numbers.below(50) == 0 { 40 } else { 1 };
            at_us += 2 * (1 + numbers.below(of.gap_us * rare));
            Span { start_us: at_us, end_us: at_us + 2 * numbers.below(of.duration_us) + 1, pool: 0 }
        };
        let spans: Vec<Span> = (0..of.requests).map(&mut next).collect();
        let Trace { tail_us, start_us, .. } = of;
        let used = replay(&spans, &KeepAlive { concurrency: 1, tail_us, start_us, minimum: 0, limit: Some(of.limit) });
        assert_eq!((used.cold_count, used.throttled_count), (of.cold, of.rejected), "seed {}", of.seed);
        assert_eq!(
            (used.peak_instances, used.peak_concurrency),
            (of.peak_instances, of.peak_running),
            "seed {}",
            of.seed
        );
        assert_eq!((used.up_us(), used.busy_us), (of.up_us, of.running_us), "seed {}", of.seed);
    }
}

#[test]
fn random_arrivals_agree_within_the_error_of_sampling() {
    for (seed, of) in (1..).zip(figures().poisson) {
        // Cold starts of a busy function are rare and come together: they take more arrivals.
        let count = if of.rate > 0.1 { 1_000_000 } else { 200_000 };
        let mut numbers = Numbers(seed);
        let mut at_s = 0.0;
        let mut next = |_| {
            at_s += numbers.exponential(1.0 / of.rate);
            let start_us = (at_s * 1e6) as i64;
            Span { start_us, end_us: start_us + (numbers.exponential(of.warm_s) * 1e6) as i64, pool: 0 }
        };
        let spans: Vec<Span> = (0..count).map(&mut next).collect();
        let start_us = ((of.cold_s - of.warm_s) * 1e6).round() as i64;
        let tail_us = (of.tail_s * 1e6) as i64;
        let used = replay(&spans, &KeepAlive { concurrency: 1, tail_us, start_us, minimum: 0, limit: None });

        let (ours, theirs) = (used.cold_count as f64 / count as f64, of.cold as f64 / of.requests as f64);
        let variance = theirs * (1.0 - theirs) * (1.0 / count as f64 + 1.0 / of.requests as f64);
        // Four standard deviations; cold starts that come in threes make it larger by the root of three.
        let error = 4.0 * variance.sqrt() * if of.rate > 0.1 { 3_f64.sqrt() } else { 1.0 };
        assert!((ours - theirs).abs() < error, "λ={}: {ours} of the arrivals are cold, {theirs} ± {error}", of.rate);

        let period_us = used.period_us as f64;
        let (running, up) = (used.busy_us as f64 / period_us, used.up_us() as f64 / period_us);
        assert!((running / of.mean_running - 1.0).abs() < 0.02, "λ={}: {running} run, {}", of.rate, of.mean_running);
        assert!((up / of.mean_instances - 1.0).abs() < 0.02, "λ={}: {up} are up, {}", of.rate, of.mean_instances);
    }
}
