//! Workloads, recorded or described, on every compute model

use std::collections::BTreeSet;
use std::sync::Arc;

use paygrain_pricing::nearest;
use paygrain_replay::sizing::Sizing;
use paygrain_replay::{
    Assumptions, Axis, CompareError, CompareOptions, Comparison, Deployment, Deployments, Kind, RightSize, Term,
    Workload, compare, right_size,
};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::QueryError;
use crate::recorded::Recorded;
use crate::report::Parameter;
use crate::report::parameters::Given;

/// Which deployments are compared, and what is assumed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompareRequest {
    /// Only these kinds; all if empty.
    pub kinds: Vec<Kind>,
    /// Only these providers; all if empty.
    pub providers: Vec<String>,
    /// Only these deployments, by name; all if empty.
    pub deployments: Vec<String>,
    /// What the break-even is asked over.
    pub axis: Axis,
    /// Whether what the verdict rests on is asked for.
    pub robustness: bool,
    /// Most deployments to give.
    pub limit: Option<usize>,
    /// What is assumed.
    pub assumptions: Assumptions,
}

/// What a comparison may be asked with, besides its workload.
pub const COMPARE_PARAMETERS: [Parameter; 23] = [
    Parameter { name: "kind", meaning: "only these kinds of deployments: faas, container, vm, paas, physical" },
    Parameter { name: "on", meaning: "only deployments of these providers" },
    Parameter { name: "deployment", meaning: "only these deployments, by name" },
    Parameter { name: "allowances", meaning: "whether free tiers count: `all` (the default) or `none`" },
    Parameter {
        name: "used_allowance_percent",
        meaning: "what other workloads of the account use of each free tier, in percent of it, 0 to 100; 0 if not given",
    },
    Parameter { name: "target_percent", meaning: "load of an instance that is aimed at, in percent; 70 if not given" },
    Parameter {
        name: "sizing",
        meaning: "how instances come and go: `fixed`, `scheduled` or `autoscaled`; the cheapest if not given",
    },
    Parameter {
        name: "percentile",
        meaning: "for a fixed size, the percentile of the load to carry; the peak if not given",
    },
    Parameter { name: "minimum_instances", meaning: "instances that are always up" },
    Parameter { name: "high_availability", meaning: "`true`: at least two instances, in two zones" },
    Parameter { name: "concurrency", meaning: "executions that an instance takes at once" },
    Parameter { name: "start_ms", meaning: "from the wish for an instance to its first request, in milliseconds" },
    Parameter { name: "tail_s", meaning: "how long an idle instance stays up, in seconds" },
    Parameter {
        name: "scale_in_s",
        meaning: "how long the load must be lower before instances stop, in seconds; 300 if not given",
    },
    Parameter {
        name: "stop_s",
        meaning: "how long a scheduled instance stays up after the last execution, in seconds; 60 if not given",
    },
    Parameter { name: "granted_concurrency", meaning: "executions at once that the provider grants" },
    Parameter {
        name: "interruptions_per_thousand_hours",
        meaning: "how often in 1,000 hours an instance is taken back that may be (Spot)",
    },
    Parameter {
        name: "commitment",
        meaning: "`1-year` or `3-year`: instances that are always up are committed to, where a price for it is known; `none` if not given",
    },
    Parameter { name: "with", meaning: "extras that count although they would not, such as `load-balancer`" },
    Parameter { name: "without", meaning: "extras that do not count although they would" },
    Parameter {
        name: "axis",
        meaning: "what the break-even is asked over: `runs-per-month` (the default), `duration-ms`, `memory-mb` or `price-permille`",
    },
    Parameter { name: "robustness", meaning: "`true`: what the verdict rests on, days and assumptions" },
    Parameter { name: "limit", meaning: "most deployments to give" },
];

impl CompareRequest {
    /// Reads the parameters: names of [`COMPARE_PARAMETERS`] and their texts.
    ///
    /// # Errors
    /// A name that is none, or a value that cannot be read.
    pub fn read(given: &[(String, String)]) -> Result<Self, QueryError> {
        let given = Given::new("parameter of the comparison", given, &COMPARE_PARAMETERS)?;
        let list = |name: &str| -> Vec<String> {
            let all = given.all(name).flat_map(|names| names.split(','));
            all.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let kind = |name: &String| {
            let known = Kind::ALL.into_iter().find(|kind| kind.word() == name);
            known.ok_or_else(|| QueryError::NoSuchChoice {
                what: "kind of deployment",
                name: name.clone(),
                known: Kind::ALL.map(Kind::word).to_vec(),
            })
        };
        let whole = |name: &'static str| given.parsed::<u64>(name, "a whole number");
        let signed = |name: &'static str| given.parsed::<i64>(name, "a whole number");
        let percent = |name: &'static str| given.parsed::<u32>(name, "a whole number from 1 to 100");
        let usual = Assumptions::default();
        let percentile = percent("percentile")?;
        let choice = |name: &'static str, value: &str, expected: &'static str| QueryError::BadValue {
            name,
            value: value.to_owned(),
            expected,
        };
        let assumptions = Assumptions {
            allowances: match given.text("allowances") {
                None | Some("all" | "true") => true,
                Some("none" | "false") => false,
                Some(other) => return Err(choice("allowances", other, "`all` or `none`")),
            },
            used_allowance_percent: given
                .parsed("used_allowance_percent", "a whole number from 0 to 100")?
                .unwrap_or(usual.used_allowance_percent),
            target_percent: percent("target_percent")?.unwrap_or(usual.target_percent),
            sizing: match given.text("sizing") {
                None | Some("cheapest") => None,
                Some("fixed") => Some(Sizing::Fixed { percentile }),
                Some(word) => Some(word.parse().map_err(|_| {
                    choice("sizing", word, "`fixed`, `fixed-p95`, `scheduled`, `autoscaled` or `cheapest`")
                })?),
            },
            percentile,
            minimum_instances: whole("minimum_instances")?,
            high_availability: given.parsed("high_availability", "`true` or `false`")?.unwrap_or(false),
            concurrency: whole("concurrency")?,
            start_ms: signed("start_ms")?,
            tail_s: signed("tail_s")?,
            scale_in_s: signed("scale_in_s")?.unwrap_or(usual.scale_in_s),
            stop_s: signed("stop_s")?.unwrap_or(usual.stop_s),
            granted_concurrency: whole("granted_concurrency")?,
            interruptions_per_thousand_hours: signed("interruptions_per_thousand_hours")?,
            commitment: match given.text("commitment") {
                None | Some("none") => None,
                Some(word) => Some(
                    Term::ALL
                        .into_iter()
                        .find(|term| term.word() == word)
                        .ok_or_else(|| choice("commitment", word, "`none`, `1-year` or `3-year`"))?,
                ),
            },
            with: list("with").into_iter().collect(),
            without: list("without").into_iter().collect(),
        };
        Ok(Self {
            kinds: list("kind").iter().map(kind).collect::<Result<_, _>>()?,
            providers: list("on"),
            deployments: list("deployment"),
            axis: match given.text("axis") {
                None => Axis::default(),
                Some(name) => Axis::ALL.into_iter().find(|axis| axis.word() == name).ok_or_else(|| {
                    let known = Axis::ALL.map(Axis::word).to_vec();
                    QueryError::NoSuchChoice { what: "axis", name: name.to_owned(), known }
                })?,
            },
            robustness: given.parsed("robustness", "`true` or `false`")?.unwrap_or(false),
            limit: given.number("limit")?,
            assumptions,
        })
    }

    fn chosen<'d>(&self, deployments: &'d Deployments) -> Result<Vec<&'d Deployment>, QueryError> {
        if let Some(name) = self.deployments.iter().find(|name| deployments.find(name).is_none()) {
            let hint = nearest(name, deployments.names()).map_or_else(
                || "`paygrain compare --list` lists them".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(QueryError::NoSuchName { what: "deployment", name: name.clone(), hint });
        }
        let extras: BTreeSet<&str> = deployments.extras().into_iter().map(|(name, _)| name).collect();
        let mut asked = self.assumptions.with.iter().chain(&self.assumptions.without);
        if let Some(name) = asked.find(|name| !extras.contains(name.as_str())) {
            let known = || format!("there are {}", extras.iter().copied().collect::<Vec<_>>().join(", "));
            let hint =
                nearest(name, extras.iter().copied()).map_or_else(known, |near| format!("did you mean `{near}`?"));
            return Err(QueryError::NoSuchName { what: "extra", name: name.clone(), hint });
        }
        let chosen: Vec<_> = deployments
            .all()
            .iter()
            .filter(|one| self.kinds.is_empty() || self.kinds.contains(&one.kind))
            .filter(|one| self.providers.is_empty() || self.providers.contains(&one.provider))
            .filter(|one| self.deployments.is_empty() || self.deployments.contains(&one.name))
            .collect();
        match chosen.is_empty() {
            true => Err(QueryError::NoDeployment),
            false => Ok(chosen),
        }
    }
}

impl Engine {
    /// What workloads can be compared on.
    ///
    /// # Errors
    /// When the price books in force lack what a deployment is charged for.
    pub fn deployments(&self) -> Result<Arc<Deployments>, QueryError> {
        let read = || Deployments::embedded(self.catalogue()).map(Arc::new);
        self.kept().deployments.get_or_init(read).clone().map_err(|problems| QueryError::Deployments { problems })
    }

    /// The recorded executions that parameters choose, as a workload; nothing where the lake has no usage.
    ///
    /// # Errors
    /// A parameter that cannot be read, more executions than are replayed one by one, or as [`Engine::bill`].
    pub async fn recorded(&self, given: &[(String, String)]) -> Result<Option<Recorded>, QueryError> {
        Recorded::of(self, &self.session().await?, given).await
    }

    /// A workload on deployments.
    ///
    /// # Errors
    /// A deployment that is not known, an assumption out of its range, or a workload without executions.
    pub async fn compare(&self, workload: Workload, request: &CompareRequest) -> Result<Comparison, QueryError> {
        let (engine, request) = (self.clone(), request.clone());
        let worked = tokio::task::spawn_blocking(move || {
            let deployments = engine.deployments()?;
            let chosen = request.chosen(&deployments)?;
            let options = CompareOptions { axis: request.axis, robustness: request.robustness };
            let mut comparison = compare(engine.catalogue(), &workload, chosen, &request.assumptions, options)?;
            comparison.deployments.truncate(request.limit.unwrap_or(usize::MAX));
            Ok(comparison)
        });
        worked.await.map_err(std::io::Error::from)?
    }

    /// A workload at all sizes of memory of one deployment.
    ///
    /// # Errors
    /// A deployment that is not known or whose memory cannot be chosen, an assumption out of its range, or durations that
    /// tell nothing.
    pub async fn right_size(
        &self,
        workload: Workload,
        deployment: &str,
        assumptions: &Assumptions,
    ) -> Result<RightSize, QueryError> {
        let (deployments, assumptions) = (vec![deployment.to_owned()], assumptions.clone());
        let request = CompareRequest { deployments, assumptions, ..CompareRequest::default() };
        let engine = self.clone();
        let worked = tokio::task::spawn_blocking(move || {
            request.assumptions.check().map_err(CompareError::from)?;
            let deployments = engine.deployments()?;
            let chosen = request.chosen(&deployments)?;
            let one = chosen.first().ok_or(QueryError::NoDeployment)?;
            right_size(engine.catalogue(), &workload, one, &request.assumptions)
                .map_err(|error| QueryError::RightSize(Box::new(error)))
        });
        worked.await.map_err(std::io::Error::from)?
    }
}

impl From<CompareError> for QueryError {
    fn from(error: CompareError) -> Self {
        Self::Compare(Box::new(error))
    }
}
