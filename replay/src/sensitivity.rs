//! Which assumption changes the verdict, at which value, and what each does to the cost
use paygrain_pricing::Exact;
use serde::Serialize;

#[cfg(test)]
mod tests;

/// An assumption, as an integer in the unit of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// Its name: `target_utilisation_percent`.
    pub name: String,
    /// The least it may be.
    pub low: i64,
    /// What is assumed.
    pub usual: i64,
    /// The most it may be.
    pub high: i64,
}

/// What is the cheapest, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cheapest {
    /// The name of the deployment.
    pub name: String,
    /// What it costs.
    pub cost: Exact,
}

/// How a verdict depends on its assumptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sensitivity {
    /// The verdict with every assumption at its usual value; absent: nothing is feasible.
    pub verdict: Option<Cheapest>,
    /// The assumptions, those that move the cost most first.
    pub rows: Vec<AssumptionRow>,
}

/// What one assumption does while all others keep their usual values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssumptionRow {
    /// Its name.
    pub name: String,
    /// What is assumed.
    pub usual: i64,
    /// At its least value.
    pub low: End,
    /// At its greatest value.
    pub high: End,
}

/// An assumption at one end of its range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    /// The value.
    pub value: i64,
    /// The verdict there; absent: nothing is feasible.
    pub verdict: Option<Cheapest>,
    /// What the cheapest costs there less what the cheapest costs usually; absent: nothing is feasible there or usually.
    pub change: Option<Exact>,
    /// The value next to the usual one from which on, towards this end, another deployment is the cheapest; absent: the
    /// verdict at the end is the usual one.
    pub flips_at: Option<i64>,
}

impl AssumptionRow {
    /// Whether the verdict is another one at either end.
    pub fn flips(&self) -> bool {
        self.low.flips_at.or(self.high.flips_at).is_some()
    }

    /// The span of the costs of the cheapest over both ends and the usual value; absent: nothing is feasible somewhere.
    fn span(&self) -> Option<Exact> {
        let (low, high) = (self.low.change.clone()?, self.high.change.clone()?);
        let least = low.clone().min(high.clone()).min(Exact::zero());
        Some(low.max(high).max(Exact::zero()) - least)
    }
}

/// How the verdict depends on each of the assumptions while the others keep their usual values.
///
/// `verdict` is given a value for each assumption, in their order. Where it differs between the usual value and an end,
/// the value from which it does is bisected. A verdict that changes and changes back on the way is not seen; one that
/// changes several times is reported at one of the changes away from the usual verdict.
///
/// Rows are sorted by the span of their costs, greatest first, those with an end at which nothing is feasible before all
/// others; at equal spans, those that flip the verdict first, then in the order given.
///
/// # Errors
/// When `verdict` fails.
pub fn sensitivity<E>(
    assumptions: &[Assumption],
    mut verdict: impl FnMut(&[i64]) -> Result<Option<Cheapest>, E>,
) -> Result<Sensitivity, E> {
    let usual: Vec<i64> = assumptions.iter().map(|assumption| assumption.usual).collect();
    let usually = verdict(&usual)?;
    let mut rows = Vec::new();
    for (place, assumption) in assumptions.iter().enumerate() {
        let mut at = |value: i64| match value == assumption.usual {
            true => Ok(usually.clone()),
            false => {
                let mut values = usual.clone();
                values[place] = value;
                verdict(&values)
            }
        };
        rows.push(AssumptionRow {
            name: assumption.name.clone(),
            usual: assumption.usual,
            low: end(assumption.usual, assumption.low, usually.as_ref(), &mut at)?,
            high: end(assumption.usual, assumption.high, usually.as_ref(), &mut at)?,
        });
    }
    rows.sort_by_cached_key(|row| {
        let span = row.span();
        (span.is_some(), span.map(|span| -span), !row.flips())
    });
    Ok(Sensitivity { verdict: usually, rows })
}

/// An assumption at one end, with the value on the way there from which the verdict is another one.
fn end<E>(
    usual: i64,
    value: i64,
    usually: Option<&Cheapest>,
    at: &mut impl FnMut(i64) -> Result<Option<Cheapest>, E>,
) -> Result<End, E> {
    let name = usually.map(|verdict| &verdict.name);
    let is_usual = |verdict: &Option<Cheapest>| verdict.as_ref().map(|verdict| &verdict.name) == name;
    let verdict = at(value)?;
    let change = verdict.as_ref().zip(usually).map(|(there, usually)| &there.cost - &usually.cost);
    let mut flips_at = None;
    if !is_usual(&verdict) {
        let (mut same, mut other) = (usual, value);
        while same.abs_diff(other) > 1 {
            let middle = i64::midpoint(same, other);
            match is_usual(&at(middle)?) {
                true => same = middle,
                false => other = middle,
            }
        }
        flips_at = Some(other);
    }
    Ok(End { value, verdict, change, flips_at })
}
