//! A workload: which executions there are, when, how long, and what each needs of a machine
use paygrain_pricing::Period;

/// Executions of one billing period.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// What it is, in words: `every day at 17:00 in Europe/Zurich`.
    pub title: String,
    /// The billing period, whose prices hold.
    pub period: Period,
    /// What is executed.
    pub functions: Vec<Function>,
    /// When: by time. Together with their repetitions they are all executions of the period.
    pub windows: Vec<Window>,
}

/// What is executed, and what one execution needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Memory it is given, MB as providers configure it (MiB).
    pub memory_mb: i64,
    /// vCPU it may use, in thousandths; absent: the share that goes with its memory at 1,769 MB a vCPU.
    pub vcpu_milli: Option<i64>,
    /// GPUs that one execution needs for itself.
    pub gpu: u32,
    /// Share of the duration that is work of the processor rather than waiting, in percent; absent: not known.
    pub cpu_percent: Option<u32>,
    /// Bytes of a request.
    pub request_bytes: i64,
    /// Bytes of a response.
    pub response_bytes: i64,
    /// Bytes that one execution writes to its log.
    pub log_bytes: i64,
    /// How long a new instance initialises before it serves, microseconds; absent: what the deployment assumes.
    pub init_us: Option<i64>,
    /// Whether a run is started by the schedule, by a request, or by another source: `schedule`, `http`, `queue`,
    /// `storage`, `stream`.
    pub trigger: Trigger,
}

/// What starts executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A request over HTTP.
    #[default]
    Http,
    /// A schedule.
    Schedule,
    /// Messages of a queue or topic.
    Queue,
    /// Changes of stored objects.
    Storage,
    /// Records of a stream.
    Stream,
}

/// A span of time with its executions, and how often it comes: a month of single runs is one window that comes once, a
/// steady rate of 10,000 a second is a minute that comes 44,640 times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// First instant, UTC microseconds.
    pub start_us: i64,
    /// End, exclusive.
    pub end_us: i64,
    /// How often it comes in the period; at least 1. What repeats follows itself: its end touches its start.
    pub repeats: u64,
    /// Executions that start in it, by start, at equal starts by end.
    pub runs: Vec<Run>,
}

/// One execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// Start, UTC microseconds.
    pub start_us: i64,
    /// Duration, microseconds; without the initialisation of its instance.
    pub duration_us: i64,
    /// Place of its function in [`Workload::functions`].
    pub function: u32,
}

impl Run {
    /// When it ends, exclusive.
    pub fn end_us(&self) -> i64 {
        self.start_us.saturating_add(self.duration_us)
    }
}

/// MB of memory that go with one vCPU where nothing else is said: AWS Lambda's ratio.
pub const MB_PER_VCPU: i64 = 1769;

impl Function {
    /// A function with so much memory, of which nothing else is known.
    pub fn new(name: impl Into<String>, memory_mb: i64) -> Self {
        Self {
            name: name.into(),
            memory_mb,
            vcpu_milli: None,
            gpu: 0,
            cpu_percent: None,
            request_bytes: 0,
            response_bytes: 0,
            log_bytes: 0,
            init_us: None,
            trigger: Trigger::Http,
        }
    }

    /// vCPU that one execution may use, in thousandths, at least 1.
    pub fn vcpu_milli(&self) -> i64 {
        self.vcpu_milli.unwrap_or(self.memory_mb * 1000 / MB_PER_VCPU).max(1)
    }

    /// vCPU that one execution keeps busy on average, in thousandths, at least 1.
    pub fn busy_vcpu_milli(&self) -> i64 {
        (self.vcpu_milli() * i64::from(self.cpu_percent.unwrap_or(100).min(100)) / 100).max(1)
    }
}

impl Workload {
    /// Executions of the whole period.
    pub fn run_count(&self) -> u64 {
        self.windows.iter().map(|window| window.runs.len() as u64 * window.repeats).sum()
    }

    /// Time of all executions, microseconds.
    pub fn busy_us(&self) -> i128 {
        let of = |window: &Window| window.runs.iter().map(|run| i128::from(run.duration_us)).sum::<i128>();
        self.windows.iter().map(|window| of(window) * i128::from(window.repeats)).sum()
    }

    /// The longest execution, microseconds.
    pub fn longest_us(&self) -> i64 {
        self.windows.iter().flat_map(|window| &window.runs).map(|run| run.duration_us).max().unwrap_or(0)
    }

    /// The memory that the largest function is given.
    pub fn memory_mb(&self) -> i64 {
        self.functions.iter().map(|function| function.memory_mb).max().unwrap_or(0)
    }
}
