//! Comparisons that are kept: whoever sorts, filters or downloads one asks the same again and again

use std::sync::Arc;

use paygrain_replay::{Comparison, JobTimes, Workload};
use serde::Serialize;

use crate::comparison::CompareRequest;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::lake_state::answer;
use crate::recorded::Recorded;

/// A comparison, and what had to be assumed of its workload: the answer of every face.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// The comparison.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// What the records or the description do not say, in words.
    pub assumed: Vec<String>,
}

impl Compared {
    /// As it is kept: with what that weighs, in rows.
    fn weighed(self) -> (Option<Self>, usize) {
        let weight = self.comparison.deployments.iter().map(|outcome| outcome.charges.len() + 1).sum();
        (Some(self), weight)
    }
}

/// A scheduled job, compared.
#[derive(Clone, Debug, Serialize)]
pub struct ComparedJob {
    /// When it runs.
    pub schedule: JobTimes,
    /// What it would be and cost.
    #[serde(flatten)]
    pub compared: Compared,
}

impl Engine {
    /// The recorded executions that parameters choose, compared; nothing where the lake has no usage. Kept for as long as
    /// there is no other usage.
    ///
    /// # Errors
    /// As [`Engine::recorded`] and [`Engine::compare`].
    pub async fn compare_recorded(
        &self,
        given: &[(String, String)],
        request: &CompareRequest,
    ) -> Result<Arc<Option<Compared>>, QueryError> {
        let session = self.session().await?;
        let question = format!("compare {given:?} {request:?}");
        answer(&session, self.catalogue(), |kept| &kept.comparisons, &question, async {
            let Some(recorded) = Recorded::of(self, &session, given).await? else { return Ok((None, 1)) };
            let comparison = self.compare(recorded.workload, request).await?;
            Ok(Compared { comparison, assumed: recorded.assumed }.weighed())
        })
        .await
    }

    /// A described workload, compared; kept under `name`, which tells it from any other.
    ///
    /// # Errors
    /// As [`Engine::compare`].
    pub async fn compare_described(
        &self,
        name: &str,
        workload: impl FnOnce() -> Workload + Send + 'static,
        request: &CompareRequest,
    ) -> Result<Arc<Option<Compared>>, QueryError> {
        let key = format!("described {name} {request:?}");
        let kept = self.kept();
        let make = async {
            let workload = tokio::task::spawn_blocking(workload).await.map_err(std::io::Error::from)?;
            let comparison = self.compare(workload, request).await?;
            Ok(Compared { comparison, assumed: Vec::new() }.weighed())
        };
        kept.comparisons.get(key, &kept.places, make).await
    }
}
