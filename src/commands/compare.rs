//! `paygrain compare`: a workload on every compute model side by side.

use std::path::Path;

use clap::Args;
use paygrain_pricing::{Exact, ParsePeriodError, Period};
use paygrain_query::{CompareRequest, Compared, Engine, QueryError, Recorded};
use paygrain_replay::description::{Description, DescriptionError, Published};
use paygrain_replay::{Deployment, Outcome, Workload};

use super::Context;
use crate::failure::Failure;
use crate::given::{Given, every, given};
use crate::output::{OutputFormat, Rows, print_json, print_text, shown_amount, shown_quantity};

/// Of what is drawn at random in a described workload: the same file is the same workload.
const SEED: u64 = 1;

/// A workload, recorded or described, on every compute model: functions, containers, VMs, platforms, servers
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain compare                                     the latest month, on everything
  paygrain compare --resource web-api --kind faas,vm   one function, on functions and virtual machines
  paygrain compare scenario.toml --on aws              a described workload, on one provider
  paygrain compare --sizing autoscaled --target-percent 60 --high-availability
  paygrain compare --list                              the deployments and their limits

docs/compare.md says how each kind is worked out; docs/workloads.md how a workload is described.")]
pub struct Compare {
    /// File that describes a workload, `.toml` or `.json`; without one, the recorded executions
    #[arg(value_name = "FILE")]
    file: Option<std::path::PathBuf>,
    #[command(flatten)]
    recorded: RecordedOptions,
    #[command(flatten)]
    deployments: DeploymentOptions,
    #[command(flatten)]
    assumptions: AssumptionOptions,
    /// Only list the deployments
    #[arg(long, conflicts_with = "file")]
    list: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// Which recorded executions.
#[derive(Args, Debug)]
#[command(next_help_heading = "Recorded executions")]
pub struct RecordedOptions {
    /// Billing month (YYYY-MM); the latest with usage if not given
    #[arg(long, value_name = "MONTH")]
    period: Option<String>,
    /// First day (YYYY-MM-DD) of a part of a month
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Last day of the part
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Only executions on this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only executions of this resource
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,
    /// Only executions with this value (repeatable): values of one dimension are alternatives
    #[arg(long, value_name = "DIMENSION=VALUE")]
    filter: Vec<String>,
}

impl RecordedOptions {
    /// The executions.
    pub async fn workload(&self, engine: &Engine) -> Result<Recorded, Failure> {
        engine.recorded(&self.given()).await?.ok_or_else(|| {
            let hint = "bring logs in with `paygrain ingest`, or describe a workload in a file".to_owned();
            Failure::new("there are no recorded executions to compare", Some(hint))
        })
    }

    fn given(&self) -> Given {
        let one = given([
            ("period", &self.period),
            ("from", &self.from),
            ("to", &self.to),
            ("provider", &self.provider),
            ("resource", &self.resource),
        ]);
        [one, every("filter", &self.filter)].concat()
    }
}

/// Which deployments.
#[derive(Args, Debug)]
#[command(next_help_heading = "Deployments")]
pub struct DeploymentOptions {
    /// Only these kinds: faas, container, vm, paas, physical
    #[arg(long, value_name = "KINDS")]
    kind: Option<String>,
    /// Only deployments of these providers
    #[arg(long, value_name = "PROVIDERS")]
    on: Option<String>,
    /// Only these deployments, by name
    #[arg(long, value_name = "NAMES")]
    deployment: Option<String>,
    /// Most deployments to show
    #[arg(long, value_name = "NUMBER")]
    limit: Option<String>,
    /// What the break-even is asked over: runs-per-month (the default), duration-ms, memory-mb or price-permille
    #[arg(long, value_name = "AXIS")]
    axis: Option<String>,
    /// Say what the verdict rests on: days and assumptions
    #[arg(long)]
    robustness: bool,
}

/// What is assumed.
#[derive(Args, Debug)]
#[command(next_help_heading = "Assumptions")]
pub struct AssumptionOptions {
    /// Whether free tiers count: `all` (the default) or `none`
    #[arg(long, value_name = "WHICH")]
    allowances: Option<String>,
    /// What other workloads of the account use of each free tier, in percent of it [default: 0]
    #[arg(long, value_name = "PERCENT")]
    used_allowance_percent: Option<String>,
    /// Load of an instance that is aimed at, in percent [default: 70]
    #[arg(long, value_name = "PERCENT")]
    target_percent: Option<String>,
    /// How instances come and go: fixed, scheduled or autoscaled [default: the cheapest]
    #[arg(long, value_name = "HOW")]
    sizing: Option<String>,
    /// For a fixed size, the percentile of the load to carry [default: the peak]
    #[arg(long, value_name = "PERCENT")]
    percentile: Option<String>,
    /// Instances that are always up
    #[arg(long, value_name = "COUNT")]
    minimum_instances: Option<String>,
    /// At least two instances, in two zones
    #[arg(long)]
    high_availability: bool,
    /// Executions that an instance takes at once
    #[arg(long, value_name = "COUNT")]
    concurrency: Option<String>,
    /// From the wish for an instance to its first request, in milliseconds
    #[arg(long, value_name = "MS")]
    start_ms: Option<String>,
    /// How long an idle instance stays up, in seconds
    #[arg(long, value_name = "SECONDS")]
    tail_s: Option<String>,
    /// How long the load must be lower before instances stop, in seconds [default: 300]
    #[arg(long, value_name = "SECONDS")]
    scale_in_s: Option<String>,
    /// How long a scheduled instance stays up after the last execution, in seconds [default: 60]
    #[arg(long, value_name = "SECONDS")]
    stop_s: Option<String>,
    /// Executions at once that the provider grants
    #[arg(long, value_name = "COUNT")]
    granted_concurrency: Option<String>,
    /// How often in 1,000 hours an instance is taken back that may be (Spot)
    #[arg(long, value_name = "COUNT")]
    interruptions_per_thousand_hours: Option<String>,
    /// Commit to instances that are always up, where a price for it is known: 1-year or 3-year [default: none]
    #[arg(long, value_name = "TERM")]
    commitment: Option<String>,
    /// Extras that count although they would not, such as `load-balancer`
    #[arg(long, value_name = "EXTRAS")]
    with: Option<String>,
    /// Extras that do not count although they would
    #[arg(long, value_name = "EXTRAS")]
    without: Option<String>,
}

impl DeploymentOptions {
    fn given(&self) -> Given {
        let robustness = self.robustness.then(|| "true".to_owned());
        given([
            ("kind", &self.kind),
            ("on", &self.on),
            ("deployment", &self.deployment),
            ("limit", &self.limit),
            ("axis", &self.axis),
            ("robustness", &robustness),
        ])
    }
}

impl AssumptionOptions {
    fn given(&self) -> Given {
        let availability = self.high_availability.then(|| "true".to_owned());
        given([
            ("allowances", &self.allowances),
            ("used_allowance_percent", &self.used_allowance_percent),
            ("target_percent", &self.target_percent),
            ("sizing", &self.sizing),
            ("percentile", &self.percentile),
            ("minimum_instances", &self.minimum_instances),
            ("high_availability", &availability),
            ("concurrency", &self.concurrency),
            ("start_ms", &self.start_ms),
            ("tail_s", &self.tail_s),
            ("scale_in_s", &self.scale_in_s),
            ("stop_s", &self.stop_s),
            ("granted_concurrency", &self.granted_concurrency),
            ("interruptions_per_thousand_hours", &self.interruptions_per_thousand_hours),
            ("commitment", &self.commitment),
            ("with", &self.with),
            ("without", &self.without),
        ])
    }

    /// On all deployments.
    pub fn request(&self) -> Result<CompareRequest, QueryError> {
        CompareRequest::read(&self.given())
    }

    /// On chosen deployments.
    pub fn request_on(&self, deployments: &DeploymentOptions) -> Result<CompareRequest, QueryError> {
        CompareRequest::read(&[deployments.given(), self.given()].concat())
    }
}

impl Compare {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let engine = context.engine()?;
        if self.list {
            return print_deployments(engine.deployments()?.all(), self.format);
        }
        let request = self.assumptions.request_on(&self.deployments)?;
        if let Some(path) = &self.file {
            let (description, workload) = described(path, &self.recorded)?;
            let comparison = engine.compare(workload, &request).await?;
            print_compared(&Compared { comparison, assumed: Vec::new() }, self.format)?;
            return match (&description.published, self.format) {
                (Some(published), OutputFormat::Table) => print_published(published),
                _ => Ok(()),
            };
        }
        let Recorded { workload, assumed } = self.recorded.workload(&engine).await?;
        let comparison = engine.compare(workload, &request).await?;
        print_compared(&Compared { comparison, assumed }, self.format)
    }
}

/// The workload that a file describes.
fn described(path: &Path, recorded: &RecordedOptions) -> Result<(Description, Workload), Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read `{shown}`: {error}"), Some("check the path".into())))?;
    let told = |error: DescriptionError| Failure::usage(format!("{shown}: {error}"), error.hint());
    let description = Description::from_path_text(&path.to_string_lossy(), &text).map_err(told)?;
    let this_month = Period::containing(chrono::Utc::now().timestamp_micros());
    let period = match &recorded.period {
        None => this_month,
        Some(month) => month.parse().map_err(|error: ParsePeriodError| Failure::usage(&error, error.hint()))?,
    };
    let workload = description.workload(SEED, period).map_err(told)?;
    Ok((description, workload))
}

/// Prints what others have published of a story.
fn print_published(published: &Published) -> Result<(), Failure> {
    print_text(&format!(
        "Published: {} {} ({}), {}\n",
        published.amount.as_str(),
        published.currency,
        published.what,
        published.source
    ))
}

/// Prints a comparison.
pub fn print_compared(compared: &Compared, format: OutputFormat) -> Result<(), Failure> {
    let Compared { comparison, assumed } = compared;
    match format {
        OutputFormat::Json => print_json(compared),
        OutputFormat::Csv => rows(&comparison.deployments, true).print_csv(),
        OutputFormat::Table => {
            let workload = &comparison.workload;
            let mean = workload.mean_duration_ms.as_ref().map_or_else(String::new, |ms| {
                format!(", {} ms on average, {} ms at most", shown_quantity(ms), shown_quantity(&workload.longest_ms))
            });
            print_text(&format!(
                "{}: {} executions of {} MB{mean}\n\n",
                workload.title,
                paygrain_pricing::grouped(&workload.run_count.to_string()),
                workload.memory_mb
            ))?;
            rows(&comparison.deployments, false).print()?;
            for assumed in assumed {
                print_text(&format!("\nAssumed: {assumed}\n"))?;
            }
            print_text(&format!("\n{}\n", comparison.verdict.sentence))
        }
    }
}

fn rows(outcomes: &[Outcome], exact: bool) -> Rows {
    let mut rows = Rows::new([
        "deployment",
        "kind",
        "monthly_cost#",
        "compute#",
        "idle#",
        "requests#",
        "storage#",
        "transfer#",
        "extras#",
        "instances#",
        "utilisation#",
        "cold_starts#",
        "sizing",
        "note",
    ]);
    let amount = |amount: &Exact| if exact { amount.to_string() } else { shown_amount(amount) };
    let share = |share: &Option<Exact>| match share {
        None => String::new(),
        Some(share) if exact => share.to_string(),
        Some(share) => format!("{} %", (share * &Exact::from(100)).round_half_up(1)),
    };
    for outcome in outcomes {
        let mut row = vec![outcome.name.clone(), outcome.kind.word().to_owned()];
        row.push(outcome.monthly_cost.as_ref().map_or_else(|| "–".to_owned(), amount));
        let parts = outcome.parts.named();
        row.extend(parts.iter().map(|(_, part)| if outcome.feasible { amount(part) } else { String::new() }));
        row.push(outcome.instances.peak.to_string());
        row.push(share(&outcome.utilisation));
        row.push(share(&outcome.cold_starts.share));
        row.push(outcome.sizing.map_or_else(String::new, |sizing| sizing.to_string()));
        row.push(outcome.reasons.iter().map(|reason| reason.message.as_str()).collect::<Vec<_>>().join("; "));
        rows.push(row);
    }
    rows
}

fn print_deployments(deployments: &[Deployment], format: OutputFormat) -> Result<(), Failure> {
    let mut rows = Rows::new(["deployment", "kind", "title", "region", "memory_mb#", "vcpu_milli#", "longest_run_s#"]);
    for one in deployments {
        rows.push(vec![
            one.name.clone(),
            one.kind.word().to_owned(),
            one.title.clone(),
            one.region.clone().unwrap_or_default(),
            one.memory.largest_mb().to_string(),
            one.vcpu.of_memory(one.memory.largest_mb()).to_string(),
            one.limits.longest_run_s.map_or_else(String::new, |seconds| seconds.to_string()),
        ]);
    }
    match format {
        OutputFormat::Json => print_json(&rows.objects()),
        OutputFormat::Csv => rows.print_csv(),
        OutputFormat::Table => rows.print(),
    }
}
