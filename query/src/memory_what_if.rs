//! A recorded function at all sizes of memory, kept like comparisons are

use std::sync::Arc;

use paygrain_replay::RightSize;
use serde::Serialize;

use crate::comparison::{COMPARE_PARAMETERS, CompareRequest};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::lake_state::answer;
use crate::recorded::Recorded;
use crate::report::Parameter;

/// The deployment whose sizes are asked for where nobody says another.
pub const MEMORY_DEPLOYMENT: &str = "aws-lambda-arm";
/// What is asked of a comparison and means nothing for one deployment.
const OF_SEVERAL: [&str; 5] = ["kind", "on", "axis", "robustness", "limit"];

/// A function at all sizes of memory, and what had to be assumed of its executions: the answer of every face.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryWhatIf {
    /// The sizes.
    #[serde(flatten)]
    pub right_size: RightSize,
    /// What the records do not say, in words.
    pub assumed: Vec<String>,
}

/// What sizes of memory may be asked with, besides what chooses the executions: `deployment`, and assumptions.
pub fn memory_parameters() -> impl Iterator<Item = Parameter> {
    COMPARE_PARAMETERS.into_iter().filter(|parameter| !OF_SEVERAL.contains(&parameter.name))
}

impl Engine {
    /// The recorded executions that parameters choose, at all sizes of memory of the one deployment that is asked for
    /// ([`MEMORY_DEPLOYMENT`] unless it says another); nothing where the lake has no usage. Kept for as long as there is
    /// no other usage.
    ///
    /// # Errors
    /// More than one deployment, or as [`Engine::recorded`] and [`Engine::right_size`].
    pub async fn memory_what_if(
        &self,
        given: &[(String, String)],
        request: &CompareRequest,
    ) -> Result<Arc<Option<MemoryWhatIf>>, QueryError> {
        let deployment = match request.deployments.as_slice() {
            [] => MEMORY_DEPLOYMENT,
            [one] => one.as_str(),
            several => {
                let (name, value) = ("deployment", several.join(","));
                return Err(QueryError::BadValue { name, value, expected: "the name of one deployment" });
            }
        };
        let session = self.session().await?;
        let question = format!("memory {given:?} {deployment} {:?}", request.assumptions);
        answer(&session, self.catalogue(), |kept| &kept.memory_what_ifs, &question, async {
            let Some(recorded) = Recorded::of(self, &session, given).await? else { return Ok((None, 1)) };
            let right_size = self.right_size(recorded.workload, deployment, &request.assumptions).await?;
            let weight = right_size.sizes.rows.len();
            Ok((Some(MemoryWhatIf { right_size, assumed: recorded.assumed }), weight))
        })
        .await
    }
}
