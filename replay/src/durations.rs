//! How long executions take: always as long, log-normal by two percentiles, or one of several
use rand::{Rng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::quantities::DURATION_US_MAX;

/// The 95th percentile of the standard normal distribution.
const NORMAL_P95: f64 = 1.644_853_626_951_472_2;

/// How long an execution takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Durations {
    /// Always as long, microseconds.
    Fixed(i64),
    /// Log-normal.
    LogNormal {
        /// Half are shorter than this, microseconds.
        median_us: i64,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
    },
    /// One of several, microseconds, with how much weight it and those before it have.
    Choice(Vec<(i64, u64)>),
}

impl Durations {
    /// Log-normal, by the duration that half and that 95 of 100 do not reach.
    pub fn log_normal(median_us: i64, p95_us: i64) -> Self {
        let sigma = (p95_us as f64 / median_us.max(1) as f64).ln() / NORMAL_P95;
        Self::LogNormal { median_us, sigma: sigma.max(0.0) }
    }

    /// One of several, with its weight.
    pub fn choice(values: impl IntoIterator<Item = (i64, u64)>) -> Self {
        let mut sum = 0;
        let upto = |(duration_us, weight): (i64, u64)| {
            sum += weight;
            (duration_us, sum)
        };
        Self::Choice(values.into_iter().map(upto).collect())
    }

    /// So many, in a random order. Each comes from a part of its own of all that there are, so that a few have the
    /// proportions of many: a tenth of ten and of a million is among the longest tenth.
    pub fn draw(&self, count: usize, random: &mut ChaCha8Rng) -> Vec<i64> {
        if let Self::Fixed(duration_us) = self {
            return vec![*duration_us; count];
        }
        let mut drawn: Vec<i64> =
            (0..count).map(|number| self.at((number as f64 + random.random::<f64>()) / count as f64)).collect();
        drawn.shuffle(random);
        drawn
    }

    /// The duration that so much of all (0 to 1) does not reach, microseconds.
    fn at(&self, share: f64) -> i64 {
        match self {
            Self::Fixed(duration_us) => *duration_us,
            Self::LogNormal { median_us, sigma } => {
                let us = *median_us as f64 * (sigma * normal_quantile(share)).exp();
                (us.round() as i64).clamp(1, DURATION_US_MAX)
            }
            Self::Choice(values) => {
                let total = values.last().map_or(0, |(_, upto)| *upto);
                let at = (share * total as f64) as u64;
                let found = values.iter().find(|(_, upto)| at < *upto).or(values.last());
                found.map_or(1, |(duration_us, _)| *duration_us)
            }
        }
    }
}

/// The value that so much of a standard normal distribution does not reach: Acklam's approximation, off by 1.15·10⁻⁹ of
/// the value at most.
fn normal_quantile(share: f64) -> f64 {
    const LOW: f64 = 0.024_25;
    const A: [f64; 6] = [
        -39.696_830_286_653_76,
        220.946_098_424_520_5,
        -275.928_510_446_968_7,
        138.357_751_867_269,
        -30.664_798_066_147_16,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -54.476_098_798_224_06,
        161.585_836_858_040_9,
        -155.698_979_859_886_6,
        66.801_311_887_719_72,
        -13.280_681_552_885_72,
        1.0,
    ];
    const C: [f64; 6] = [
        -0.007_784_894_002_430_293,
        -0.322_396_458_041_136_5,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] =
        [0.007_784_695_709_041_462, 0.322_467_129_070_039_8, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];
    let polynomial = |of: &[f64], x: f64| of.iter().fold(0.0, |sum, factor| sum * x + factor);
    // The ends of the distribution are without limit; shares that near to them are not drawn.
    let share = share.clamp(1e-15, 1.0 - 1e-15);
    let tail = |share: f64| {
        let x = (-2.0 * share.ln()).sqrt();
        polynomial(&C, x) / polynomial(&D, x)
    };
    if share < LOW {
        tail(share)
    } else if share > 1.0 - LOW {
        -tail(1.0 - share)
    } else {
        let x = share - 0.5;
        polynomial(&A, x * x) * x / polynomial(&B, x * x)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn drawn(durations: &Durations, count: usize, seed: u64) -> Vec<i64> {
        let mut drawn = durations.draw(count, &mut ChaCha8Rng::seed_from_u64(seed));
        drawn.sort_unstable();
        drawn
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (share, value) in [
            (0.5, 0.0),
            (0.95, NORMAL_P95),
            (0.05, -NORMAL_P95),
            (0.975, 1.959_963_984_540_054),
            (0.01, -2.326_347_874_040_841),
            (0.999, 3.090_232_306_167_813),
            (0.000_001, -4.753_424_308_822_899),
        ] {
            assert!((normal_quantile(share) - value).abs() < 1e-7, "{share}: {}", normal_quantile(share));
        }
    }

    #[test]
    fn a_log_normal_has_its_percentiles_and_its_mean() {
        let durations = Durations::log_normal(120_000, 900_000);
        for count in [100, 20_000] {
            let drawn = drawn(&durations, count, 3);
            let near = |us: i64, expected: f64| ((us as f64 / expected) - 1.0).abs() < 2.0 / (count as f64).sqrt();
            assert!(near(drawn[count / 2], 120_000.0), "{}", drawn[count / 2]);
            assert!(near(drawn[count * 95 / 100], 900_000.0), "{}", drawn[count * 95 / 100]);
        }
        let sigma = (7.5_f64).ln() / NORMAL_P95;
        let mean = drawn(&durations, 20_000, 3).iter().sum::<i64>() as f64 / 20_000.0;
        let expected = 120_000.0 * (sigma * sigma / 2.0).exp();
        assert!((mean / expected - 1.0).abs() < 0.01, "{mean} {expected}");
    }

    #[test]
    fn a_choice_has_its_proportions() {
        let durations = Durations::choice([(12_000, 90), (450_000, 10)]);
        for count in [10, 100, 1000] {
            let drawn = drawn(&durations, count, 5);
            assert_eq!(drawn.iter().filter(|us| **us == 450_000).count(), count / 10, "{count}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let durations = Durations::log_normal(1_000, 2_000);
        let of = |seed| durations.draw(50, &mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
