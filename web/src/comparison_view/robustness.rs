//! What a verdict rests on, in words.

use paygrain_pricing::Exact;
use paygrain_replay::sensitivity::{AssumptionRow, End};
use paygrain_replay::{Outcome, Robustness};

use crate::assumption_fields::AssumptionFields;
use crate::number;

/// What a verdict rests on, in words.
pub struct RobustnessView {
    /// What months put together from other days say; none where there are too few days.
    pub days: Vec<String>,
    /// What each assumption does.
    pub rows: Vec<AssumptionView>,
}

/// What an assumption does to a verdict.
pub struct AssumptionView {
    /// What its field is called.
    pub title: String,
    /// What is assumed.
    pub usual: i64,
    /// At its least and its greatest value.
    pub ends: [EndView; 2],
}

/// An assumption at one end of its range.
pub struct EndView {
    /// The value.
    pub value: i64,
    /// What the cheapest costs there less than usual, or more.
    pub change: Option<Exact>,
    /// The other deployment that is the cheapest there, and from which value on.
    pub flip: Option<(String, i64)>,
}

impl RobustnessView {
    /// In words; amounts are in the currency of the comparison.
    pub fn new(robustness: &Robustness, outcomes: &[Outcome], currency: &str) -> Self {
        let title = |name: &str| {
            let outcome = outcomes.iter().find(|outcome| outcome.name == name);
            outcome.map_or_else(|| name.to_owned(), |outcome| outcome.title.clone())
        };
        let mut days = Vec::new();
        if let Some(drawn) = &robustness.days {
            let shares: Vec<String> = drawn
                .shares
                .iter()
                .filter(|share| !share.share.is_zero())
                .filter_map(|share| Some((title(&share.name), number::percent(&share.share, &Exact::from(1))?)))
                .map(|(title, percent)| format!("{title} in {percent}"))
                .collect();
            days.push(format!(
                "Of {} months put together from the {} days at random, without free tiers, the cheapest is {}.",
                number::count(drawn.resamples.into()),
                drawn.day_count,
                shares.join(", ")
            ));
            if let Some(closest) = &drawn.closest {
                let money = |amount: &Exact| number::money(amount, currency);
                days.push(format!(
                    "{} costs {} more than {}; in 90 % of the months between {} and {}.",
                    title(&closest.next),
                    money(&closest.difference),
                    title(&closest.cheapest),
                    money(&closest.low),
                    money(&closest.high)
                ));
            }
        }
        let end = |end: &End| EndView {
            value: end.value,
            change: end.change.clone(),
            flip: end.flips_at.map(|at| {
                let other = end.verdict.as_ref().map_or_else(|| "nothing".to_owned(), |verdict| title(&verdict.name));
                (other, at)
            }),
        };
        let row = |row: &AssumptionRow| AssumptionView {
            title: AssumptionFields::title(&row.name).to_owned(),
            usual: row.usual,
            ends: [end(&row.low), end(&row.high)],
        };
        Self { days, rows: robustness.assumptions.rows.iter().map(row).collect() }
    }
}
