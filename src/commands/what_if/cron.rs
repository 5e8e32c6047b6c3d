//! `paygrain what-if cron`: a scheduled job that does not exist yet.

use std::sync::Arc;

use clap::Args;
use paygrain_replay::{JobTimes, ScheduledJob};
use serde::Serialize;

use crate::commands::Context;
use crate::commands::compare::{AssumptionOptions, DeploymentOptions, print_comparison};
use crate::failure::Failure;
use crate::output::{OutputFormat, print_json, print_text};

/// A scheduled job on every compute model: a schedule, a duration and a memory in; cost, feasibility, break-even out
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain what-if cron --schedule '0 17 * * *' --timezone Europe/Zurich --duration 300ms --memory 512MB
  paygrain what-if cron --schedule '*/5 * * * *' --duration 20min --memory 4GB --kind faas,container
  paygrain what-if cron --schedule 'rate(1 minute)' --duration 2s --memory 1GB --axis duration-ms --format json")]
pub struct Cron {
    /// Cron expression, or `rate(5 minutes)`
    #[arg(long, value_name = "CRON")]
    schedule: String,
    /// Time zone of the schedule [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// How long a run takes: `300ms`, `2s`, `15min`
    #[arg(long, value_name = "TIME")]
    duration: String,
    /// Memory that a run is given: `512MB`, `2GB`
    #[arg(long, value_name = "SIZE")]
    memory: String,
    /// Share of the duration that is work of the processor, in percent
    #[arg(long, value_name = "PERCENT")]
    cpu_percent: Option<String>,
    /// vCPU that a run may use [default: the share that goes with its memory]
    #[arg(long, value_name = "NUMBER")]
    vcpu: Option<String>,
    /// How long a new instance initialises [default: what each deployment assumes]
    #[arg(long, value_name = "TIME")]
    init: Option<String>,
    /// Bytes that leave with each run
    #[arg(long, value_name = "BYTES")]
    response_bytes: Option<String>,
    /// Bytes that each run writes to its log
    #[arg(long, value_name = "BYTES")]
    log_bytes: Option<String>,
    /// Billing month (YYYY-MM) whose prices hold [default: this month]
    #[arg(long, value_name = "MONTH")]
    period: Option<String>,
    #[command(flatten)]
    deployments: DeploymentOptions,
    #[command(flatten)]
    assumptions: AssumptionOptions,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// A comparison, and when the job runs.
#[derive(Serialize)]
struct Answer<'a> {
    schedule: &'a JobTimes,
    #[serde(flatten)]
    comparison: &'a paygrain_replay::Comparison,
}

impl Cron {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let now = chrono::Utc::now().timestamp_micros();
        let job = ScheduledJob::read(&self.given(), paygrain_pricing::Period::containing(now))
            .map_err(|error| Failure::usage(&error, error.hint()))?;
        let request = self.assumptions.request_on(&self.deployments)?;
        let times = job.times(now);
        let comparison = context.engine()?.compare(Arc::new(job.workload()), &request).await?;
        match self.format {
            OutputFormat::Json => print_json(&Answer { schedule: &times, comparison: &comparison }),
            OutputFormat::Csv => print_comparison(&comparison, &[], OutputFormat::Csv),
            OutputFormat::Table => {
                print_text(&format!("Next runs: {}\n", times.next_runs.join(", ")))?;
                for change in &times.clock_changes {
                    print_text(&format!("Change of the clock: {change}\n"))?;
                }
                print_text("\n")?;
                print_comparison(&comparison, &[], OutputFormat::Table)
            }
        }
    }

    fn given(&self) -> Vec<(String, String)> {
        let given = [
            ("schedule", Some(&self.schedule)),
            ("timezone", self.timezone.as_ref()),
            ("duration", Some(&self.duration)),
            ("memory", Some(&self.memory)),
            ("cpu_percent", self.cpu_percent.as_ref()),
            ("vcpu", self.vcpu.as_ref()),
            ("init", self.init.as_ref()),
            ("response_bytes", self.response_bytes.as_ref()),
            ("log_bytes", self.log_bytes.as_ref()),
            ("period", self.period.as_ref()),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone()))).collect()
    }
}
