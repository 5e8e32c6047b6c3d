//! A deployment: a compute model with its sizes, limits and the usage it is charged for, read from data
//!
//! Files are in `replay/deployments/<provider>/`, one per service; the format is described in the README there. What
//! things cost is not in them: every line is a row of usage that the price book of its service rates.
use std::collections::{BTreeMap, BTreeSet};

use paygrain_pricing::{Catalogue, Period, UsageRow};
use serde::{Deserialize, Serialize};

pub use crate::deployment_file::DeploymentProblem;
use crate::{assumptions::Term, deployment_file, interruptions::Interruptions, workload::Trigger};

/// How a deployment runs executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Functions as a service: every execution has an instance of its own, charged while it executes.
    Faas,
    /// Containers: charged per request or task, or for as long as an instance is up.
    Container,
    /// Virtual machines, alone or as nodes of a cluster.
    Vm,
    /// Platforms that keep instances of an application up.
    Paas,
    /// Servers of one's own.
    Physical,
}

impl Kind {
    /// All kinds, in the order they are shown.
    pub const ALL: [Self; 5] = [Self::Faas, Self::Container, Self::Vm, Self::Paas, Self::Physical];

    /// Its word in data and URLs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Faas => "faas",
            Self::Container => "container",
            Self::Vm => "vm",
            Self::Paas => "paas",
            Self::Physical => "physical",
        }
    }

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Faas => "Functions",
            Self::Container => "Containers",
            Self::Vm => "Virtual machines",
            Self::Paas => "Platforms",
            Self::Physical => "Own servers",
        }
    }

    pub(crate) fn cheapest_words(self) -> &'static str {
        match self {
            Self::Faas => "as functions",
            Self::Container => "in containers",
            Self::Vm => "on virtual machines",
            Self::Paas => "on a platform",
            Self::Physical => "on servers of one's own",
        }
    }
}

/// A compute model and one size of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its name, of lower-case letters, digits, `-` and `.`: `aws-ec2-t3.micro`.
    pub name: String,
    /// Its title: `Amazon EC2 t3.micro`.
    pub title: String,
    /// How it runs executions.
    pub kind: Kind,
    /// The provider.
    pub provider: String,
    /// The region whose prices hold.
    pub region: Option<String>,
    /// What there is to know.
    pub note: String,
    /// Memory of an instance.
    pub memory: Memory,
    /// vCPU of an instance.
    pub vcpu: Vcpu,
    /// MB of an instance's memory that its system keeps.
    pub system_memory_mb: i64,
    /// How instances come and go.
    pub scaling: Scaling,
    /// Executions one instance takes at once; absent: as many as its memory and vCPU let.
    pub concurrency: Option<u64>,
    /// From the wish for an instance to its first request, microseconds.
    pub start_us: i64,
    /// How long an instance stays up after its last request, microseconds.
    pub tail_us: i64,
    /// Instances that are always up.
    pub minimum_instances: u64,
    /// How often instances are taken back; absent: never.
    pub interruptions: Option<Interruptions>,
    /// The plans by which its instances may be committed to.
    pub commitments: BTreeMap<Term, CommittedPlan>,
    /// What it cannot do.
    pub limits: Limits,
    /// What is charged.
    pub lines: Vec<Line>,
    /// Words of the size, which lines may take: `$variant`.
    pub words: BTreeMap<String, String>,
    /// The figures that are assumed, each with how sure it is: start-up, tail, limits, memory, what extras take.
    pub figures: Vec<Figure>,
    /// Sources of the figures, by their keys.
    pub sources: BTreeMap<String, String>,
}

/// A plan of a price book by which an instance may be committed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedPlan {
    /// Its full name: `aws.ec2.reserved-standard-1y`.
    pub plan: String,
    /// The key of its rate, where it has several: `t3.medium`.
    pub key: Option<String>,
}

/// A figure of a deployment and where it is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// What it is, as the file calls it: `start`, `limits.longest_run`, `size`, `line.disk`.
    pub name: String,
    /// Its value as written; of a size or a line nothing.
    pub value: Option<String>,
    /// How sure it is.
    pub mark: Mark,
    /// Key of its source.
    pub source: Option<String>,
    /// What there is to know.
    pub note: Option<String>,
}

/// How sure a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Seen in its source.
    Seen,
    /// Follows from figures that were seen.
    Derived,
    /// Remembered, not found in a source.
    Remembered,
    /// A choice, to be changed by who knows better.
    Assumed,
}

/// Memory of an instance, MB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Memory {
    /// What the function is given, rounded up to what can be ordered; ascending.
    OfFunction(Vec<MemoryRange>),
    /// What the instance has.
    Fixed(i64),
}

/// Sizes from one to another by a step, MB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// Smallest.
    pub from_mb: i64,
    /// Largest.
    pub to_mb: i64,
    /// Distance; at least 1.
    pub step_mb: i64,
}

/// vCPU of an instance, thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vcpu {
    /// In proportion to the memory: MB that go with one vCPU.
    PerMemory(i64),
    /// The first whose memory (MB) is not below the instance's.
    Table(Vec<(i64, i64)>),
    /// What the instance has, and the part of it that it may use for ever, in thousandths of a vCPU.
    Fixed {
        /// What the instance has.
        milli: i64,
        /// The part of it that it may use for ever.
        sustained_milli: i64,
    },
}

/// How instances come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// An instance starts for a request that finds none free, and stays up for a tail.
    Request,
    /// Every execution starts a task of its own, which ends with it.
    Task,
    /// As many as were sized: fixed, scheduled or autoscaled.
    Sized,
}

/// What a deployment cannot do. Absent: no limit is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Longest execution, seconds.
    pub longest_run_s: Option<i64>,
    /// Largest request, bytes.
    pub request_bytes: Option<i64>,
    /// Largest response, bytes.
    pub response_bytes: Option<i64>,
    /// Executions at once in an account, unless more is granted.
    pub concurrency: Option<u64>,
    /// Instances at once, unless more is granted.
    pub instances: Option<u64>,
    /// GPUs of an instance; without a limit in its file it has none.
    pub gpus: u32,
    /// Whether it has no trigger on a schedule of its own and needs a scheduler elsewhere.
    pub no_schedule: bool,
}

/// Which part of the cost a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Time of instances or executions.
    Compute,
    /// Requests.
    Requests,
    /// Disks and other stored bytes.
    Storage,
    /// Data that leaves.
    Transfer,
    /// Everything else.
    Extras,
}

/// What a row of a line may take from the replay, as `$memory_mb`, and what it is.
///
/// A row with `$up_us` or `$up_hours` says itself how long: `from`, `to` and `held_us` are not set in it.
pub const RUN_WORDS: &[(&str, &str)] = &[
    ("concurrency", "executions that one instance takes at once"),
    ("init_us", "how long a new instance initialises, microseconds"),
    ("log_bytes", "bytes that one execution writes to its log"),
    ("memory_mb", "memory of an instance, MB"),
    ("request_bytes", "bytes of a request"),
    ("response_bytes", "bytes of a response"),
    ("run_count", "executions of the period"),
    ("up_hours", "how long an instance is up, or of `each = \"period\"` the period, hours"),
    ("up_us", "the same, microseconds"),
    ("vcpu_milli", "vCPU of an instance, thousandths"),
];

/// For what there is one row of usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Each {
    /// Each execution, with its start and `duration_us`: what the price book meters per record or by instances' activity.
    Run,
    /// Each execution with the start of its task before it, with its start and `duration_us`.
    Task,
    /// Each execution, without a time: `count` is set.
    Request,
    /// The time each instance is up: `from` and `to`, or `held_us`, are set. A `quantity` is of one instance and is
    /// multiplied by their number; a row without one is counted (`count`).
    Instance,
    /// The period, once: `from` and `to` are set.
    Period,
}

/// A row of usage that a deployment is charged for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which part of the cost it is.
    pub part: Part,
    /// For what there is one row.
    pub each: Each,
    /// The extra it belongs to, which may be left out; absent: it is always charged.
    pub extra: Option<String>,
    /// Whether the extra counts unless it is asked not to.
    pub by_default: bool,
    /// Words and values. A text that begins with `$` stands for one of [`RUN_WORDS`]; words of the size are in already.
    pub row: UsageRow,
    /// Of executions: only those that something of this kind starts; absent: all.
    pub trigger: Option<Trigger>,
}

impl Memory {
    /// The memory of an instance for a function that is given so much; nothing where it cannot be had.
    pub fn for_function(&self, memory_mb: i64) -> Option<i64> {
        match self {
            Self::Fixed(fixed) => Some(*fixed),
            Self::OfFunction(ranges) => ranges.iter().find_map(|range| {
                let step_mb = range.step_mb.max(1);
                let steps = ((memory_mb - range.from_mb).max(0) + step_mb - 1) / step_mb;
                let size = range.from_mb + steps * step_mb;
                (size <= range.to_mb).then_some(size)
            }),
        }
    }

    /// The largest that can be had.
    pub fn largest_mb(&self) -> i64 {
        match self {
            Self::Fixed(fixed) => *fixed,
            Self::OfFunction(ranges) => ranges.last().map_or(0, |range| range.to_mb),
        }
    }
}

impl Vcpu {
    /// vCPU of an instance with so much memory, thousandths.
    pub fn of_memory(&self, memory_mb: i64) -> i64 {
        match self {
            Self::PerMemory(mb) => memory_mb * 1000 / (*mb).max(1),
            Self::Table(rows) => {
                let row = rows.iter().find(|(memory, _)| *memory >= memory_mb).or(rows.last());
                row.map_or(0, |(_, milli)| *milli)
            }
            Self::Fixed { milli, .. } => *milli,
        }
    }

    /// The part of it that an instance may use for ever, thousandths.
    pub fn sustained_milli(&self, memory_mb: i64) -> i64 {
        match self {
            Self::Fixed { sustained_milli, .. } => *sustained_milli,
            _ => self.of_memory(memory_mb),
        }
    }
}

/// All deployments.
#[derive(Clone, Debug, Default)]
pub struct Deployments {
    all: Vec<Deployment>,
}

impl Deployments {
    /// Those that come with the program.
    ///
    /// # Errors
    /// Every problem of their files; the tests know of none.
    pub fn embedded(catalogue: &Catalogue) -> Result<Self, Vec<DeploymentProblem>> {
        Self::of_files(catalogue, deployment_file::EMBEDDED.iter().map(|(name, text)| (*name, *text)))
    }

    /// Those of some files: name and text of each.
    ///
    /// # Errors
    /// Every problem of the files: what cannot be read, a name that comes twice, a line whose service has no price book.
    pub fn of_files<'a>(
        catalogue: &Catalogue,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<DeploymentProblem>> {
        deployment_file::read(catalogue, files).map(|all| Self { all })
    }

    /// All of them, in the order of their files.
    pub fn all(&self) -> &[Deployment] {
        &self.all
    }

    /// The one of a name.
    pub fn find(&self, name: &str) -> Option<&Deployment> {
        self.all.iter().find(|deployment| deployment.name == name)
    }

    /// Every line that no price applies to in a month, filled with sample values: `no SKU of aws/ec2 counts such a row`.
    pub fn unpriced(&self, catalogue: &Catalogue, period: Period) -> Vec<(&Deployment, &Line, String)> {
        let lines = self.all.iter().flat_map(|deployment| deployment.lines.iter().map(move |line| (deployment, line)));
        let reason = |(deployment, line)| {
            let reason = deployment_file::unpriced(catalogue, period, deployment, line)?;
            Some((deployment, line, reason))
        };
        lines.filter_map(reason).collect()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|deployment| deployment.name.as_str())
    }

    /// Names of the extras that any of them has, and whether they count unless they are left out.
    pub fn extras(&self) -> BTreeSet<(&str, bool)> {
        let lines = self.all.iter().flat_map(|deployment| &deployment.lines);
        lines.filter_map(|line| Some((line.extra.as_deref()?, line.by_default))).collect()
    }
}
