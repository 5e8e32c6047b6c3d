//! What the tests of reports share: invented usage, and an engine over a lake that has it.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use paygrain_ingest::record::Invocation;
use paygrain_pricing::{Allowances, Catalogue, Period, RatingOptions};

use super::costs::Costs;
use super::parameters::{Days, Selection};
use super::source::Resource;
use crate::bill::{Attribution, BillRequest, Dimension, RatedUsage};
use crate::testing::{batch, session};

/// A small deterministic generator (splitmix64).
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A selection of a whole month, without allowances.
pub(crate) fn selection(month: &str) -> Selection {
    Selection {
        days: Some(Days::of(month.parse().unwrap())),
        provider: None,
        by: Vec::new(),
        only: Vec::new(),
        limit: None,
        rating: RatingOptions { allowances: Allowances::None, ..RatingOptions::default() },
        attribution: Attribution::Time,
    }
}

/// Invocations with their times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage(pub Vec<(i64, Invocation)>);

impl Usage {
    /// Invocations of three functions of two accounts in October 2026.
    pub fn random(seed: u64, count: usize) -> Self {
        Self::random_in(seed, count, "2026-10")
    }

    /// The same in another month.
    pub fn random_in(seed: u64, count: usize, month: &str) -> Self {
        let mut random = Random(seed);
        let period: Period = month.parse().unwrap();
        let length_us = (period.end_us() - period.start_us()) as u64;
        let one = |_| {
            let at = period.start_us() + random.below(length_us) as i64;
            let cold = random.below(4) == 0;
            let duration_us = random.below(3_000_000) as i64;
            let init_us = cold.then(|| random.below(800_000) as i64);
            let invocation = Invocation {
                provider: "aws".into(),
                service: "lambda".into(),
                account: Some(["1", "2"][random.below(2) as usize].into()),
                region: Some("us-east-1".into()),
                resource: Some(format!("f{}", random.below(3))),
                duration_us: Some(duration_us),
                init_us,
                memory_mb: Some([128, 512, 1024][random.below(3) as usize]),
                memory_used_mb: Some(40 + random.below(80) as i64),
                status: Some(["success", "success", "error", "timeout"][random.below(4) as usize].into()),
                cold_start: Some(cold),
                ..Invocation::default()
            };
            (at, invocation)
        };
        Self((0..count).map(one).collect())
    }

    /// Adds others.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// A session that has them.
    pub fn session(&self) -> SessionContext {
        session(vec![batch(self.0.clone())])
    }

    /// Those of a resource.
    pub fn of<'a>(&'a self, resource: &'a Resource) -> impl Iterator<Item = &'a Invocation> {
        let own = |one: &&Invocation| {
            (one.account.as_ref(), one.resource.as_ref()) == (Some(&resource.account), Some(&resource.resource))
        };
        self.0.iter().map(|(_, one)| one).filter(own)
    }

    /// Rates a month of them, without allowances.
    pub async fn rated(&self, month: &str) -> Arc<RatedUsage> {
        rated(&self.session(), month, &Dimension::ALL).await
    }
}

/// Rates a month of a session, without allowances.
async fn rated(session: &SessionContext, month: &str, by: &[Dimension]) -> Arc<RatedUsage> {
    let mut request = BillRequest { by: by.to_vec(), ..BillRequest::new(month.parse().unwrap()) };
    request.rating.allowances = Allowances::None;
    RatedUsage::of(session, &Catalogue::embedded().unwrap(), &request).await.unwrap()
}

/// What October 2026 of a session costs, without allowances.
pub(crate) async fn costs(session: &SessionContext, by: &[Dimension]) -> Costs {
    let selection = selection("2026-10");
    Costs::of_months(vec![rated(session, "2026-10", by).await], &selection, selection.days.unwrap())
}

/// The milliseconds that are billed of an invocation whose log does not say: with its initialisation, rounded up.
pub(crate) fn billed_ms(one: &Invocation) -> i64 {
    (one.duration_us.unwrap() + one.init_us.unwrap_or(0) + 999) / 1000
}
