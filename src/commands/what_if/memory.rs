//! `paygrain what-if memory`: a function at all sizes of memory.

use clap::Args;
use paygrain_pricing::{Exact, grouped};
use paygrain_query::{MEMORY_DEPLOYMENT, MemoryWhatIf, Recorded};
use paygrain_replay::RightSize;

use crate::commands::Context;
use crate::commands::compare::{AssumptionOptions, RecordedOptions};
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json, print_text, shown_amount};

/// A recorded function at all sizes of memory: how long its executions would take, and what they would cost
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain what-if memory --resource checkout
  paygrain what-if memory --resource checkout --deployment gcp-functions --format csv

How a duration depends on memory is known where executions were recorded at two sizes or more; from one size only bounds
are: from all work of the processor, which more memory shortens, to all waiting, which it does not.")]
pub struct Memory {
    #[command(flatten)]
    recorded: RecordedOptions,
    /// On which deployment
    #[arg(long, value_name = "NAME", default_value = MEMORY_DEPLOYMENT)]
    deployment: String,
    #[command(flatten)]
    assumptions: AssumptionOptions,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

impl Memory {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let engine = context.engine()?;
        let Recorded { workload, assumed } = self.recorded.workload(&engine).await?;
        let assumptions = self.assumptions.request()?.assumptions;
        let answer = engine.right_size(workload, &self.deployment, &assumptions).await?;
        match self.format {
            OutputFormat::Json => print_json(&MemoryWhatIf { right_size: answer, assumed }),
            OutputFormat::Csv => rows(&answer, true).print_csv(),
            OutputFormat::Table => {
                print_text(&format!(
                    "{} on {}: {} executions\n\n",
                    answer.title,
                    answer.deployment_title,
                    grouped(&answer.run_count.to_string())
                ))?;
                rows(&answer, false).print()?;
                for assumed in &assumed {
                    print_text(&format!("\nAssumed: {assumed}\n"))?;
                }
                if !answer.is_fitted {
                    print_text(
                        "\nRecorded at one size: each figure is from all work of the processor to all waiting.\n",
                    )?;
                }
                print_text(&format!("\n{}\n", answer.sentence))
            }
        }
    }
}

fn rows(answer: &RightSize, exact: bool) -> Rows {
    let mut rows =
        Rows::new(["memory_mb#", "duration_low_ms#", "duration_high_ms#", "cost_low#", "cost_high#", "choice"]);
    let amount = |amount: &Option<Exact>| match amount {
        None => String::new(),
        Some(amount) if exact => amount.to_string(),
        Some(amount) => shown_amount(amount),
    };
    let ms = |us: i64| Exact::ratio(us.into(), 1000).map_or_else(String::new, |ms| ms.to_string());
    for row in &answer.sizes.rows {
        let choices = [
            ("cheapest", &answer.sizes.cheapest),
            ("fastest", &answer.sizes.fastest),
            ("balanced", &answer.sizes.balanced),
        ];
        let chosen: Vec<String> = choices
            .into_iter()
            .filter(|(_, sizes)| sizes.contains(&row.memory_mb))
            .map(|(word, sizes)| if sizes.len() > 1 { format!("{word}?") } else { word.to_owned() })
            .collect();
        rows.push(vec![
            row.memory_mb.to_string(),
            ms(row.duration.low_us),
            ms(row.duration.high_us),
            amount(&row.cost_low),
            amount(&row.cost_high),
            chosen.join(", "),
        ]);
    }
    rows
}
