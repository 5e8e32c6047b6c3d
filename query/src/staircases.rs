//! Executions and instances over time on one deployment of a comparison, kept like comparisons are

use std::sync::Arc;

use paygrain_replay::{Assumptions, Outcome, Staircase, Workload, staircase};

use crate::engine::Engine;
use crate::error::QueryError;
use crate::lake_state::answer;
use crate::recorded::Recorded;

impl Engine {
    /// The recorded executions that parameters choose over time, and the instances of a deployment as an outcome of their
    /// comparison has sized it; nothing where the lake has no usage, or the deployment cannot run them.
    ///
    /// # Errors
    /// As [`Engine::recorded`], or a deployment that is not known.
    pub async fn staircase_recorded(
        &self,
        given: &[(String, String)],
        assumptions: &Assumptions,
        outcome: &Outcome,
    ) -> Result<Arc<Option<Staircase>>, QueryError> {
        let session = self.session().await?;
        let question = format!("staircase {given:?} {assumptions:?} {} {:?}", outcome.name, outcome.sizing);
        answer(&session, self.catalogue(), |kept| &kept.staircases, &question, async {
            let Some(recorded) = Recorded::of(self, &session, given).await? else { return Ok((None, 1)) };
            self.staircase(move || recorded.workload, assumptions, outcome).await
        })
        .await
    }

    /// The same of a described workload, kept under `name`, which tells it from any other.
    ///
    /// # Errors
    /// A deployment that is not known.
    pub async fn staircase_described(
        &self,
        name: &str,
        workload: impl FnOnce() -> Workload + Send + 'static,
        assumptions: &Assumptions,
        outcome: &Outcome,
    ) -> Result<Arc<Option<Staircase>>, QueryError> {
        let key = format!("described {name} {assumptions:?} {} {:?}", outcome.name, outcome.sizing);
        let kept = self.kept();
        kept.staircases.get(key, &kept.places, self.staircase(workload, assumptions, outcome)).await
    }

    /// As it is kept: with what it weighs, in rows.
    async fn staircase(
        &self,
        workload: impl FnOnce() -> Workload + Send + 'static,
        assumptions: &Assumptions,
        outcome: &Outcome,
    ) -> Result<(Option<Staircase>, usize), QueryError> {
        let (engine, assumptions) = (self.clone(), assumptions.clone());
        let (name, sizing) = (outcome.name.clone(), outcome.sizing);
        let worked = tokio::task::spawn_blocking(move || {
            let deployments = engine.deployments()?;
            let deployment = deployments.find(&name).ok_or(QueryError::NoDeployment)?;
            // Why it cannot carry the executions its outcome tells.
            let found = staircase(&workload(), deployment, &assumptions, sizing).ok();
            let weight = found.as_ref().map_or(1, |found| found.buckets.len());
            Ok((found, weight))
        });
        worked.await.map_err(std::io::Error::from)?
    }
}
