//! How many instances are up when: the same instances as for the totals, watched while they take executions
use super::{Host, KeepAlive, Pools, SpanWindow};
use crate::windows::stretches;

/// Gives from when to when how many instances are up, by time, until the end of windows that come once. What repeats has
/// no course of its own and is passed over.
pub(crate) fn steps(windows: &[SpanWindow<'_>], rule: &KeepAlive, give: &mut dyn FnMut(i64, i64, u64)) {
    let pools = Pools::of(windows);
    for stretch in stretches(windows).iter().filter(|stretch| stretch.repeats == 1) {
        let mut host = Host::new(rule, pools.0.len(), stretch.start_us);
        for span in stretch.items() {
            host.watch(span.start_us, give);
            host.take(pools.place(span.pool), span.start_us, span.end_us);
        }
        host.watch(stretch.end_us, give);
    }
}

impl Host {
    /// Lets happen what happens until an instant, one thing after the other.
    fn watch(&mut self, to_us: i64, give: &mut dyn FnMut(i64, i64, u64)) {
        loop {
            let end_us = self.ends.peek().map(|end| end.0.0);
            // It goes once its tail is over: a microsecond later it is gone.
            let gone = self.idling.front().map(|(since_us, _)| since_us.saturating_add(self.rule.tail_us));
            let next_us = end_us.into_iter().chain(gone.map(|gone_us| gone_us.saturating_add(1))).min();
            let next_us = next_us.map_or(to_us, |next_us| next_us.min(to_us));
            let (from_us, up) = (self.now_us, self.up);
            self.settle(next_us);
            if next_us > from_us {
                give(from_us, next_us, up);
            }
            if next_us >= to_us {
                break;
            }
        }
    }
}
