//! Where on an axis which deployment is the cheapest: every crossing of cost curves, to the integer
//!
//! Curves are smooth, or stairs: another machine is needed, a free tier ends, a price changes. So there may be several
//! crossings, and the answer is intervals. A curve lies between its values at two places while it does not turn between
//! them; where these ranges do not overlap nothing is hidden, elsewhere the axis is divided further.
use std::ops::RangeInclusive;

use paygrain_pricing::Exact;

mod search;
#[cfg(test)]
mod tests;

/// A stretch of the axis in which the same curves are the cheapest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    /// First place.
    pub from: i64,
    /// Last place, inclusive.
    pub to: i64,
    /// The cheapest curves, ascending: several where they cost the same, none where no curve is feasible.
    pub cheapest: Vec<usize>,
    /// The search ended before all of it was settled: any of `cheapest` may be the cheapest somewhere in it, no other is.
    pub uncertain: bool,
}

/// Which of several curves are the cheapest where on `axis`, from its first place to its last without gaps.
///
/// `cost` gives the cost of a curve (from 0 to below `curves`) at a place; `None`: it is not feasible there. It is asked
/// once for each curve and place, `evaluations_max` times at most, but always at both ends, at the powers of 8 and at the
/// hints.
///
/// The answer is exact when every curve, between two neighbouring hints, rises or falls but does not do both, and becomes
/// feasible or infeasible at most once between places that are always looked at. So a hint is due where a curve turns: on
/// both sides where it drops, as at the volume from which a lower price holds for all units. A turn that shows without a
/// hint is looked into, as far as it can matter.
///
/// Curves that are known to be the same are better given once: that they are equal everywhere cannot be seen from fewer
/// places than all, so their stretch is long and uncertain.
///
/// # Errors
/// When `cost` fails.
pub(crate) fn cheapest_intervals<E>(
    axis: RangeInclusive<i64>,
    curves: usize,
    hints: &[i64],
    evaluations_max: usize,
    cost: impl FnMut(usize, i64) -> Result<Option<Exact>, E>,
) -> Result<Vec<Interval>, E> {
    if axis.is_empty() {
        return Ok(Vec::new());
    }
    let mut search = search::Search::new(axis, curves, hints, cost)?;
    search.settle(evaluations_max)?;
    Ok(joined(search.pieces()))
}

/// Pieces that follow each other, joined where they say the same.
fn joined(pieces: Vec<Interval>) -> Vec<Interval> {
    let mut joined: Vec<Interval> = Vec::new();
    let mut pieces = pieces.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        let first = joined.len() == 1;
        let Some(last) = joined.last_mut() else {
            joined.push(piece);
            continue;
        };
        // A place that was looked at next to others that were not tells nothing that a reader could use.
        let last_open = last.uncertain || first && last.from == last.to;
        let piece_open = piece.uncertain || piece.from == piece.to && pieces.peek().is_none_or(|next| next.uncertain);
        let open = (last.uncertain || piece.uncertain) && last_open && piece_open;
        if last.cheapest == piece.cheapest || open && is_subset(&piece.cheapest, &last.cheapest) {
            last.to = piece.to;
            last.uncertain |= piece.uncertain;
        } else if open && is_subset(&last.cheapest, &piece.cheapest) {
            *last = Interval { from: last.from, ..piece };
        } else {
            joined.push(piece);
        }
    }
    joined
}

/// Whether all of the curves are among the others.
fn is_subset(curves: &[usize], others: &[usize]) -> bool {
    curves.iter().all(|curve| others.contains(curve))
}
