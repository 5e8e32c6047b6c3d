//! `paygrain compare`: a workload on every compute model side by side.

use std::sync::Arc;

use clap::Args;
use paygrain_pricing::Exact;
use paygrain_query::{CompareRequest, QueryError};
use paygrain_replay::{Comparison, Deployment, Outcome};

use super::Context;
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json, print_text, shown_amount, shown_quantity};

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
    options: CompareOptions,
    /// Only list the deployments
    #[arg(long, conflicts_with = "file")]
    list: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// Which recorded executions.
#[derive(Args, Debug)]
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
    /// As the engine takes them: names and texts.
    pub fn given(&self) -> Vec<(String, String)> {
        let one = [
            ("period", &self.period),
            ("from", &self.from),
            ("to", &self.to),
            ("provider", &self.provider),
            ("resource", &self.resource),
        ];
        let one = one.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        one.chain(self.filter.iter().map(|value| ("filter".to_owned(), value.clone()))).collect()
    }
}

/// Which deployments, and what is assumed.
#[derive(Args, Debug)]
pub struct CompareOptions {
    /// Only these kinds: faas, container, vm, paas, physical
    #[arg(long, value_name = "KINDS", help_heading = "Deployments")]
    kind: Option<String>,
    /// Only deployments of these providers
    #[arg(long, value_name = "PROVIDERS", help_heading = "Deployments")]
    on: Option<String>,
    /// Only these deployments, by name
    #[arg(long, value_name = "NAMES", help_heading = "Deployments")]
    deployment: Option<String>,
    /// Most deployments to show
    #[arg(long, value_name = "NUMBER", help_heading = "Deployments")]
    limit: Option<String>,
    /// What the break-even is asked over: runs-per-month (the default), duration-ms, memory-mb or price-permille
    #[arg(long, value_name = "AXIS", help_heading = "Deployments")]
    axis: Option<String>,
    /// Whether free tiers count: `all` (the default) or `none`
    #[arg(long, value_name = "WHICH", help_heading = "Assumptions")]
    allowances: Option<String>,
    /// Load of an instance that is aimed at, in percent [default: 70]
    #[arg(long, value_name = "PERCENT", help_heading = "Assumptions")]
    target_percent: Option<String>,
    /// How instances come and go: fixed, scheduled or autoscaled [default: the cheapest]
    #[arg(long, value_name = "HOW", help_heading = "Assumptions")]
    sizing: Option<String>,
    /// For a fixed size, the percentile of the load to carry [default: the peak]
    #[arg(long, value_name = "PERCENT", help_heading = "Assumptions")]
    percentile: Option<String>,
    /// Instances that are always up
    #[arg(long, value_name = "COUNT", help_heading = "Assumptions")]
    minimum_instances: Option<String>,
    /// At least two instances, in two zones
    #[arg(long, help_heading = "Assumptions")]
    high_availability: bool,
    /// Executions that an instance takes at once
    #[arg(long, value_name = "COUNT", help_heading = "Assumptions")]
    concurrency: Option<String>,
    /// From the wish for an instance to its first request, in milliseconds
    #[arg(long, value_name = "MS", help_heading = "Assumptions")]
    start_ms: Option<String>,
    /// How long an idle instance stays up, in seconds
    #[arg(long, value_name = "SECONDS", help_heading = "Assumptions")]
    tail_s: Option<String>,
    /// How long the load must be lower before instances stop, in seconds [default: 300]
    #[arg(long, value_name = "SECONDS", help_heading = "Assumptions")]
    scale_in_s: Option<String>,
    /// How long a scheduled instance stays up after the last execution, in seconds [default: 60]
    #[arg(long, value_name = "SECONDS", help_heading = "Assumptions")]
    stop_s: Option<String>,
    /// Executions at once that the provider grants
    #[arg(long, value_name = "COUNT", help_heading = "Assumptions")]
    granted_concurrency: Option<String>,
    /// Extras that count although they would not, such as `load-balancer`
    #[arg(long, value_name = "EXTRAS", help_heading = "Assumptions")]
    with: Option<String>,
    /// Extras that do not count although they would
    #[arg(long, value_name = "EXTRAS", help_heading = "Assumptions")]
    without: Option<String>,
}

impl CompareOptions {
    /// As a request.
    pub fn request(&self) -> Result<CompareRequest, QueryError> {
        let availability = self.high_availability.then(|| "true".to_owned());
        let given = [
            ("kind", &self.kind),
            ("on", &self.on),
            ("deployment", &self.deployment),
            ("limit", &self.limit),
            ("axis", &self.axis),
            ("allowances", &self.allowances),
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
            ("with", &self.with),
            ("without", &self.without),
        ];
        let given: Vec<_> =
            given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
        CompareRequest::read(&given)
    }
}

impl Compare {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let engine = context.engine()?;
        if self.list {
            return print_deployments(engine.deployments()?.all(), self.format);
        }
        let request = self.options.request()?;
        let recorded = engine.recorded(&self.recorded.given()).await?.ok_or_else(|| {
            let hint = "bring logs in with `paygrain ingest`, or describe a workload in a file".to_owned();
            Failure::new("there are no recorded executions to compare", Some(hint))
        })?;
        let comparison = engine.compare(Arc::new(recorded.workload), &request).await?;
        print_comparison(&comparison, &recorded.assumed, self.format)
    }
}

/// Prints a comparison.
pub fn print_comparison(comparison: &Comparison, assumed: &[String], format: OutputFormat) -> Result<(), Failure> {
    match format {
        OutputFormat::Json => print_json(comparison),
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
        row.push(outcome.sizing.map_or("", |sizing| sizing.word()).to_owned());
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
