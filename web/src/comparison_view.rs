//! A comparison as `/compare` and `/what-if` show it: its table in the order asked for, its charts, one deployment's charges.

mod columns;
mod robustness;

use std::collections::BTreeSet;

use paygrain_pricing::{Charge, Exact};
use paygrain_query::Compared;
use paygrain_replay::sizing::Sizing;
use paygrain_replay::{Assumptions, Axis, BreakEven, Comparison, Curve, Deployment, Kind, Outcome, Summary, Verdict};

use crate::address::Address;
use crate::chart::lines::{IntervalInput, LineInput, Lines, LinesInput};
use crate::chart::stacked_bars::{BarInput, PartInput, StackedBars};
use crate::chart::staircase::StaircaseChart;
use crate::number;

use columns::Head;
pub use columns::Sorting;
use robustness::RobustnessView;

/// Bars of the chart.
const BARS_MAX: usize = 12;
/// The parts of a cost with their colours.
const PARTS: [PartInput; 6] = [
    PartInput { title: "Compute", colour: 0 },
    PartInput { title: "Idle", colour: 2 },
    PartInput { title: "Requests", colour: 1 },
    PartInput { title: "Storage", colour: 3 },
    PartInput { title: "Transfer", colour: 5 },
    PartInput { title: "Extras", colour: 4 },
];

/// A choice that a chip switches on and off.
pub struct Choice {
    /// For people.
    pub title: String,
    /// Switches it.
    pub href: String,
    /// Whether it is on.
    pub is_on: bool,
}

/// One deployment in full.
pub struct Shown {
    /// What the workload would be and cost on it.
    pub outcome: Outcome,
    /// Its data, where it is known.
    pub deployment: Option<Deployment>,
}

/// A comparison as a page shows it.
pub struct ComparisonView {
    /// The address of the page.
    pub address: Address,
    /// The workload.
    pub workload: Summary,
    /// What follows.
    pub verdict: Verdict,
    /// What was assumed, in words.
    pub assumptions: Vec<String>,
    /// What the records or the description do not say.
    pub assumed: Vec<String>,
    /// Currency of the charts and of the verdict.
    pub currency: String,
    /// Heads of the table.
    pub heads: Vec<Head>,
    /// Deployments with a cost, in the order asked for.
    pub rows: Vec<Outcome>,
    /// Deployments without one.
    pub infeasible: Vec<Outcome>,
    /// Kinds to choose among.
    pub kinds: Vec<Choice>,
    /// Providers to choose among.
    pub providers: Vec<Choice>,
    /// The cheapest as bars.
    pub bars: Option<StackedBars>,
    /// Cost over a figure of the workload.
    pub lines: Option<Lines>,
    /// Figures to choose among.
    pub axes: Vec<Choice>,
    /// The deployment whose charges are shown.
    pub shown: Option<Shown>,
    /// Its executions and instances over time, where that was asked for.
    pub staircase: Option<StaircaseChart>,
    /// The same as a file.
    pub staircase_csv: String,
    /// A name that was asked for and is not among them.
    pub missing: Option<String>,
    /// What the verdict rests on, where it was asked for.
    pub robustness: Option<RobustnessView>,
}

impl ComparisonView {
    /// Lays a comparison out; `deployments` are all there are, also those that were not asked for.
    pub fn new(compared: Compared, deployments: &[Deployment], address: Address, sorting: Sorting) -> Self {
        let Compared { comparison, assumed } = compared;
        let Comparison { workload, assumptions, deployments: outcomes, verdict, break_even, robustness } = comparison;
        let cheapest = outcomes.iter().find(|outcome| Some(&outcome.name) == verdict.cheapest.as_ref());
        let currency = cheapest.or(outcomes.first()).map_or_else(|| "USD".to_owned(), |one| one.currency.clone());
        let shown = address.get("show").or(verdict.cheapest.as_deref());
        let shown = shown.and_then(|name| outcomes.iter().find(|outcome| outcome.name == name)).map(|outcome| Shown {
            outcome: outcome.clone(),
            deployment: deployments.iter().find(|deployment| deployment.name == outcome.name).cloned(),
        });
        let missing = address.get("show").filter(|name| outcomes.iter().all(|outcome| outcome.name != **name));
        let missing = missing.map(str::to_owned);
        let bars = bars(&outcomes, &verdict, &currency, &address);
        let lines = break_even.as_ref().and_then(|one| lines(one, &currency, &address));
        let robustness = robustness.map(|one| RobustnessView::new(&one, &outcomes, &currency));
        let (mut rows, infeasible): (Vec<Outcome>, Vec<Outcome>) =
            outcomes.into_iter().partition(|outcome| outcome.monthly_cost.is_some());
        // The order of the comparison, by cost, decides among equals.
        rows.sort_by(|one, other| sorting.order(one, other));
        Self {
            assumptions: in_words(&assumptions),
            heads: sorting.heads(&address),
            kinds: kinds(deployments, &address),
            providers: providers(deployments, &address),
            axes: break_even.map(|one| axes(one.axis, &address)).unwrap_or_default(),
            address,
            workload,
            verdict,
            assumed,
            currency,
            rows,
            infeasible,
            bars,
            lines,
            shown,
            staircase: None,
            staircase_csv: String::new(),
            missing,
            robustness,
        }
    }

    /// Where the charges of a deployment are shown.
    pub fn show(&self, name: &str) -> String {
        show(&self.address, name)
    }

    /// Deployments that cost nothing.
    pub fn free_count(&self) -> usize {
        self.rows.iter().filter(|outcome| outcome.monthly_cost.as_ref().is_some_and(Exact::is_zero)).count()
    }

    /// Deployments that were compared.
    pub fn count(&self) -> usize {
        self.rows.len() + self.infeasible.len()
    }

    /// The amounts of the parts of a cost.
    pub fn parts<'o>(&self, outcome: &'o Outcome) -> [&'o Exact; 6] {
        outcome.parts.named().map(|(_, amount)| amount)
    }

    /// Whether a deployment is the cheapest.
    pub fn is_cheapest(&self, outcome: &Outcome) -> bool {
        self.verdict.cheapest.as_ref() == Some(&outcome.name)
    }

    /// How many times the cost of the cheapest.
    pub fn times(&self, times: &Option<Exact>) -> Option<String> {
        let times = times.as_ref().filter(|times| **times > Exact::from(1))?;
        Some(format!("{}×", number::rounded(times, if *times < Exact::from(10) { 1 } else { 0 })))
    }

    /// A price below a cent by the million.
    pub fn per_million(&self, charge: &Charge) -> Option<Exact> {
        number::per_million(&charge.unit_price)
    }

    /// A word of a way to size, for people.
    pub fn sizing(&self, sizing: &Sizing) -> &'static str {
        sizing_title(*sizing)
    }

    /// Thousandths of a vCPU as vCPU.
    pub fn vcpu(&self, milli: &i64) -> String {
        number::rounded(&Exact::ratio((*milli).into(), 1000).unwrap_or_default(), 3)
    }

    /// Microseconds as seconds.
    pub fn seconds(&self, us: &i64) -> String {
        number::rounded(&Exact::ratio((*us).into(), 1_000_000).unwrap_or_default(), 3)
    }
}

fn show(address: &Address, name: &str) -> String {
    address.with("show", name) + "#charges"
}

fn sizing_title(sizing: Sizing) -> &'static str {
    match sizing {
        Sizing::Fixed { .. } => "always up",
        Sizing::Scheduled => "on a schedule",
        Sizing::Autoscaled => "autoscaled",
    }
}

fn kinds(deployments: &[Deployment], address: &Address) -> Vec<Choice> {
    let there = |kind: &Kind| deployments.iter().any(|deployment| deployment.kind == *kind);
    let choice = |kind: Kind| Choice {
        title: kind.title().to_owned(),
        href: address.toggled("kind", kind.word()),
        is_on: address.list("kind").any(|word| word == kind.word()),
    };
    Kind::ALL.into_iter().filter(there).map(choice).collect()
}

fn providers(deployments: &[Deployment], address: &Address) -> Vec<Choice> {
    let mut names: Vec<&str> = deployments.iter().map(|deployment| deployment.provider.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let choice = |name: &str| Choice {
        title: name.to_owned(),
        href: address.toggled("on", name),
        is_on: address.list("on").any(|one| one == name),
    };
    names.into_iter().map(choice).collect()
}

fn axis_title(axis: Axis) -> &'static str {
    match axis {
        Axis::RunsPerMonth => "executions a month",
        Axis::DurationMs => "ms, mean duration",
        Axis::MemoryMb => "MB of memory",
        Axis::PricePermille => "thousandths of today's price of the cheapest",
    }
}

fn axes(shown: Axis, address: &Address) -> Vec<Choice> {
    let choice = |axis: Axis| Choice {
        title: match axis {
            Axis::RunsPerMonth => "Executions",
            Axis::DurationMs => "Duration",
            Axis::MemoryMb => "Memory",
            Axis::PricePermille => "Price",
        }
        .to_owned(),
        href: address.with("axis", axis.word()) + "#break-even-title",
        is_on: axis == shown,
    };
    Axis::ALL.map(choice).into()
}

/// The cheapest of each kind and then the cheapest of all, by cost.
fn bars(outcomes: &[Outcome], verdict: &Verdict, currency: &str, address: &Address) -> Option<StackedBars> {
    let comparable = |outcome: &&Outcome| outcome.monthly_cost.is_some() && outcome.currency == currency;
    let is_best = |outcome: &Outcome| verdict.by_kind.iter().any(|best| best.name == outcome.name);
    let best = outcomes.iter().filter(comparable).filter(|outcome| is_best(outcome)).count();
    // Of many that cost nothing, one of each kind says it.
    let mut room = BARS_MAX.saturating_sub(best);
    let mut chosen = Vec::new();
    for outcome in outcomes.iter().filter(comparable) {
        if is_best(outcome) {
            chosen.push(outcome);
        } else if room > 0 && outcome.monthly_cost.as_ref().is_some_and(|cost| !cost.is_zero()) {
            room -= 1;
            chosen.push(outcome);
        }
    }
    let inputs: Vec<BarInput<'_>> = chosen.into_iter().map(|outcome| bar(outcome, verdict, address)).collect();
    StackedBars::new(&PARTS, &inputs, currency)
}

fn bar<'a>(outcome: &'a Outcome, verdict: &Verdict, address: &Address) -> BarInput<'a> {
    BarInput {
        title: &outcome.title,
        note: format!("{}, {}", outcome.kind.title(), outcome.provider),
        href: show(address, &outcome.name),
        values: outcome.parts.named().map(|(_, amount)| amount.clone()).into(),
        is_best: verdict.cheapest.as_ref() == Some(&outcome.name),
    }
}

fn line<'a>(curve: &'a Curve, address: &Address) -> LineInput<'a> {
    LineInput { name: &curve.name, title: &curve.title, href: show(address, &curve.name), points: &curve.points }
}

fn lines(break_even: &BreakEven, currency: &str, address: &Address) -> Option<Lines> {
    let intervals = break_even.intervals.iter().map(|one| IntervalInput {
        from: one.from,
        to: one.to,
        lowest: &one.cheapest,
        is_uncertain: one.uncertain,
    });
    Lines::new(&LinesInput {
        unit: axis_title(break_even.axis),
        from: break_even.from,
        to: break_even.to,
        current: break_even.current,
        lines: break_even.curves.iter().map(|curve| line(curve, address)).collect(),
        intervals: intervals.collect(),
        currency,
    })
}

/// What was assumed, one phrase each; what is as usual and says nothing is left out.
fn in_words(assumptions: &Assumptions) -> Vec<String> {
    let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    [
        Some(if assumptions.allowances { "free tiers count" } else { "no free tier counts" }.to_owned()),
        Some(format!("instances are filled to {} %", assumptions.target_percent)),
        Some(match assumptions.sizing {
            None => "each is sized the cheapest way".to_owned(),
            Some(sizing) => format!("instances are {}", sizing_title(sizing)),
        }),
        assumptions.percentile.map(|percent| format!("a fixed size carries the load {percent} % of the time")),
        assumptions.minimum_instances.map(|least| format!("at least {least} instances are up")),
        assumptions.high_availability.then(|| "at least two instances in two zones".to_owned()),
        assumptions.concurrency.map(|count| format!("an instance takes {count} at once")),
        assumptions.start_ms.map(|ms| format!("an instance starts in {ms} ms")),
        assumptions.tail_s.map(|s| format!("an idle instance stays up for {s} s")),
        Some(assumptions.used_allowance_percent)
            .filter(|percent| *percent > 0)
            .map(|percent| format!("others of the account use {percent} % of each free tier")),
        assumptions
            .interruptions_per_thousand_hours
            .map(|count| format!("Spot is taken back {count} times in 1,000 hours")),
        assumptions.commitment.map(|term| format!("what is always up is committed to for {}", term.title())),
        assumptions.granted_concurrency.map(|count| format!("{count} executions at once are granted")),
        (!assumptions.with.is_empty()).then(|| format!("with {}", list(&assumptions.with))),
        (!assumptions.without.is_empty()).then(|| format!("without {}", list(&assumptions.without))),
    ]
    .into_iter()
    .flatten()
    .collect()
}
