//! `paygrain what-if cron`: a scheduled job that does not exist yet.

use clap::Args;
use paygrain_pricing::Period;
use paygrain_query::{Compared, ComparedJob};
use paygrain_replay::ScheduledJob;

use crate::commands::Context;
use crate::commands::compare::{AssumptionOptions, DeploymentOptions, print_compared};
use crate::failure::Failure;
use crate::given::{Given, every, given};
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

impl Cron {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let now = chrono::Utc::now().timestamp_micros();
        let job = ScheduledJob::read(&self.given(), Period::containing(now))
            .map_err(|error| Failure::usage(&error, error.hint()))?;
        let request = self.assumptions.request_on(&self.deployments)?;
        let comparison = context.engine()?.compare(job.workload(), &request).await?;
        let compared = Compared { comparison, assumed: Vec::new() };
        let schedule = job.times(now);
        match self.format {
            OutputFormat::Json => return print_json(&ComparedJob { schedule, compared }),
            OutputFormat::Csv => {}
            OutputFormat::Table => {
                print_text(&format!("Next runs: {}\n", schedule.next_runs.join(", ")))?;
                for change in &schedule.clock_changes {
                    print_text(&format!("Change of the clock: {change}\n"))?;
                }
                print_text("\n")?;
            }
        }
        print_compared(&compared, self.format)
    }

    fn given(&self) -> Given {
        let optional = given([
            ("timezone", &self.timezone),
            ("cpu_percent", &self.cpu_percent),
            ("vcpu", &self.vcpu),
            ("init", &self.init),
            ("response_bytes", &self.response_bytes),
            ("log_bytes", &self.log_bytes),
            ("period", &self.period),
        ]);
        let required = [("schedule", &self.schedule), ("duration", &self.duration), ("memory", &self.memory)];
        required.into_iter().flat_map(|(name, value)| every(name, [value])).chain(optional).collect()
    }
}
