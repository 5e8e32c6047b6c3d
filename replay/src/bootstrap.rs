//! How much a verdict owes to the days it was drawn from: days resampled with replacement
//!
//! The costs of each day are known exactly, for every deployment. Months are put together from days drawn at random; how
//! often a deployment is the cheapest of such a month shows how far the verdict rests on a few days.
use std::ops::{AddAssign, Sub};

use paygrain_pricing::Exact;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[cfg(test)]
mod tests;

/// How days are resampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resampling {
    /// Of the generator: the same seed gives the same resamples.
    pub seed: u64,
    /// How many; at least 1.
    pub resamples: u32,
}

impl Default for Resampling {
    fn default() -> Self {
        Self { seed: 0, resamples: 1000 }
    }
}

/// What the resamples show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resampled {
    /// How many there are.
    pub resamples: u32,
    /// For each deployment, the resamples in which none is cheaper: where several cost the same it counts for each.
    pub cheapest_count: Vec<u32>,
    /// The two deployments of the least cost over the days as they were; absent: there is only one.
    pub closest: Option<Closest>,
}

/// The two deployments of the least cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closest {
    /// The cheapest over the days as they were; the first of equals.
    pub best: usize,
    /// The next.
    pub second: usize,
    /// What the second costs more over the days as they were.
    pub difference: Exact,
    /// What it costs more in resamples, below 0 where it costs less: the least amount that 5 % of them do not exceed.
    pub low: Exact,
    /// The least amount that 95 % of them do not exceed: 90 % of the resamples are between, both included.
    pub high: Exact,
}

impl Resampled {
    /// The share of the resamples in which no deployment is cheaper, from 0 to 1.
    pub fn share(&self, deployment: usize) -> Option<Exact> {
        Exact::ratio((*self.cheapest_count.get(deployment)?).into(), self.resamples.into())
    }
}

/// Resamples the days: `costs` has for each deployment the cost of each day. Nothing where there is no deployment, no day
/// or no resample, or a deployment has more or fewer days than the first.
pub(crate) fn bootstrap(costs: &[Vec<Exact>], resampling: Resampling) -> Option<Resampled> {
    let days = costs.first().map_or(0, Vec::len);
    if days == 0 || resampling.resamples == 0 || costs.iter().any(|other| other.len() != days) {
        return None;
    }
    // Integers in units of a common denominator are some hundred times as fast, and as exact.
    Some(match scaled(costs, days) {
        Some((scaled, denominator)) => resample(&scaled, days, resampling, |sum: &i128| {
            Exact::from_integer(*sum).checked_div(&denominator).unwrap_or_default()
        }),
        None => resample(costs, days, resampling, Exact::clone),
    })
}

/// The costs as integers and what they are to be divided by, if their sums over so many days fit.
fn scaled(costs: &[Vec<Exact>], days: usize) -> Option<(Vec<Vec<i128>>, Exact)> {
    let mut denominator = 1_i128;
    for cost in costs.iter().flatten() {
        let (_, own) = cost.to_fraction()?;
        denominator = (denominator / greatest_common_divisor(denominator, own)).checked_mul(own)?;
    }
    // A sum and the difference of two of them.
    let largest = i128::MAX / 2 / i128::try_from(days).ok()?;
    let scale = |cost: &Exact| {
        let (numerator, own) = cost.to_fraction()?;
        numerator.checked_mul(denominator / own).filter(|scaled| scaled.checked_abs().is_some_and(|abs| abs <= largest))
    };
    let scaled = costs.iter().map(|days| days.iter().map(scale).collect()).collect::<Option<_>>()?;
    Some((scaled, Exact::from_integer(denominator)))
}

fn greatest_common_divisor(mut one: i128, mut other: i128) -> i128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// The resamples of costs in some unit, `exact` gives a number of it.
fn resample<T>(costs: &[Vec<T>], days: usize, resampling: Resampling, exact: impl Fn(&T) -> Exact) -> Resampled
where
    T: Clone + Default + Ord + for<'a> AddAssign<&'a T>,
    for<'a> &'a T: Sub<&'a T, Output = T>,
{
    let mut random = ChaCha8Rng::seed_from_u64(resampling.seed);
    let mut totals = Vec::new();
    totals_of(costs, 0..days, &mut totals);
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&deployment| &totals[deployment]);
    let closest = order.first().copied().zip(order.get(1).copied());
    let difference = closest.map(|(best, second)| &totals[second] - &totals[best]);
    let mut cheapest_count = vec![0; costs.len()];
    let mut differences = Vec::new();
    let mut drawn = vec![0; days];
    for _ in 0..resampling.resamples {
        drawn.fill_with(|| random.random_range(0..days));
        totals_of(costs, drawn.iter().copied(), &mut totals);
        let least = totals.iter().min();
        for (count, total) in cheapest_count.iter_mut().zip(&totals) {
            *count += u32::from(Some(total) == least);
        }
        differences.extend(closest.map(|(best, second)| &totals[second] - &totals[best]));
    }
    differences.sort_unstable();
    // The first of the ordered differences that so many percent of them do not exceed.
    let ranked = |percent: usize| differences.get((differences.len() * percent).div_ceil(100).saturating_sub(1));
    let closest = closest.zip(difference).and_then(|((best, second), difference)| {
        let (low, high) = (exact(ranked(5)?), exact(ranked(95)?));
        Some(Closest { best, second, difference: exact(&difference), low, high })
    });
    Resampled { resamples: resampling.resamples, cheapest_count, closest }
}

/// What every deployment costs over some days.
fn totals_of<T>(costs: &[Vec<T>], days: impl Iterator<Item = usize> + Clone, totals: &mut Vec<T>)
where
    T: Default + for<'a> AddAssign<&'a T>,
{
    totals.clear();
    totals.extend(costs.iter().map(|costs| {
        let mut total = T::default();
        for day in days.clone() {
            total += &costs[day];
        }
        total
    }));
}
