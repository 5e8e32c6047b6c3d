//! Fields of a form for what a comparison assumes.

use paygrain_replay::{AssumptionRange, Assumptions};

use crate::address::Address;
use crate::app::App;

/// A whole number.
pub struct NumberField {
    /// Its parameter.
    pub name: &'static str,
    /// What it says, with its unit.
    pub title: &'static str,
    /// The least it may be.
    pub min: i64,
    /// The most it may be.
    pub max: i64,
    /// What holds without it.
    pub usual: String,
}

/// What a number says, and what holds where nobody assumes one.
const TITLES: [(&str, &str, &str); 11] = [
    ("target_percent", "Instances are filled to, %", ""),
    ("used_allowance_percent", "Free tiers that others of the account use, %", ""),
    ("percentile", "A fixed size carries the load, % of the time", "100: the peak"),
    ("minimum_instances", "Instances that are always up", "as it needs"),
    ("concurrency", "Executions an instance takes at once", "as it says"),
    ("granted_concurrency", "Executions at once the provider grants", "as it says"),
    ("start_ms", "Start of an instance, ms", "as it says"),
    ("tail_s", "An idle instance stays up, s", "as it says"),
    ("interruptions_per_thousand_hours", "Spot: taken back, times in 1,000 hours", "as it says"),
    ("scale_in_s", "Autoscaled: wait before stopping, s", ""),
    ("stop_s", "Scheduled: stop after the last execution, s", ""),
];

impl NumberField {
    fn of(range: AssumptionRange) -> Self {
        let AssumptionRange { name, least: min, most: max, value, .. } = range;
        let known = TITLES.into_iter().find(|(known, ..)| *known == name);
        let (_, title, otherwise) = known.unwrap_or((name, name, ""));
        let usual = value(&Assumptions::default()).map_or_else(|| otherwise.to_owned(), |usual| usual.to_string());
        Self { name, title, min, max, usual }
    }
}

/// Parameters of the form that are not numbers.
const OTHERS: [&str; 6] = ["allowances", "sizing", "commitment", "high_availability", "with", "without"];

/// An extra that may be left out or added.
pub struct Extra {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// `with` or `without`.
    pub parameter: &'static str,
    /// Whether that is asked for.
    pub is_on: bool,
}

/// The name of an extra for people: `public-ipv4` is `public IPv4`.
fn extra_title(name: &str) -> String {
    let word = |word: &str| match word {
        "api" => "API".to_owned(),
        "ipv4" => "IPv4".to_owned(),
        other => other.to_owned(),
    };
    name.split('-').map(word).collect::<Vec<_>>().join(" ")
}

/// Fields of a form.
pub struct AssumptionFields {
    /// Whole numbers.
    pub numbers: [NumberField; 11],
    /// Ways to size: word and title.
    pub sizings: Vec<(String, &'static str)>,
    /// Extras of the deployments there are.
    pub extras: Vec<Extra>,
    /// How many assumptions the URL changes.
    pub changed: usize,
}

impl AssumptionFields {
    /// The fields for the deployments there are, filled in from a URL. Why there are none, the comparison tells.
    pub fn new(app: &App, address: &Address) -> Self {
        let deployments = app.engine().deployments();
        let extras = deployments.as_ref().map(|all| all.extras()).unwrap_or_default();
        let extra = |(name, by_default): (&str, bool)| {
            let parameter = if by_default { "without" } else { "with" };
            let is_on = address.list(parameter).any(|one| one == name);
            Extra { name: name.to_owned(), title: extra_title(name), parameter, is_on }
        };
        let mut sizings = vec![
            ("fixed".to_owned(), "fixed: always up"),
            ("scheduled".to_owned(), "on and off around the executions"),
            ("autoscaled".to_owned(), "autoscaled: after the load"),
        ];
        if let Some(asked) = address.get("sizing").filter(|asked| sizings.iter().all(|(word, _)| word != asked)) {
            sizings.push((asked.to_owned(), "as the address says"));
        }
        Self {
            numbers: Assumptions::RANGES.map(NumberField::of),
            sizings,
            extras: extras.into_iter().map(extra).collect(),
            changed: names().filter(|name| address.get(name).is_some()).count(),
        }
    }

    /// Extras that may be added, or left out.
    pub fn extras_of<'f>(&'f self, parameter: &'f str) -> impl Iterator<Item = &'f Extra> {
        self.extras.iter().filter(move |extra| extra.parameter == parameter)
    }

    /// What an assumption is called beside its field.
    pub fn title(name: &str) -> &str {
        TITLES.into_iter().find(|(known, ..)| *known == name).map_or(name, |(_, title, _)| title)
    }

    /// What a URL asks besides these and other fields of a form, for its hidden fields. Whose charges are shown is left
    /// out: another deployment may be the one to look at.
    pub fn hidden(address: &Address, others: &[&'static str]) -> Vec<(String, String)> {
        let fields: Vec<&str> = names().chain(others.iter().copied()).chain(["show"]).collect();
        address.besides(&fields).cloned().collect()
    }
}

/// The parameters of the fields.
fn names() -> impl Iterator<Item = &'static str> {
    Assumptions::RANGES.into_iter().map(|range| range.name).chain(OTHERS)
}
