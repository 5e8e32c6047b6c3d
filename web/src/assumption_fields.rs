//! Fields of a form for what a comparison assumes.

use paygrain_replay::Deployment;

use crate::compare_query::Address;

/// A whole number.
pub struct NumberField {
    /// Its parameter.
    pub name: &'static str,
    /// What it says, with its unit.
    pub title: &'static str,
    /// The least it may be.
    pub min: u32,
    /// The most it may be.
    pub max: u32,
    /// What holds without it.
    pub usual: &'static str,
}

const NUMBERS: [NumberField; 9] = [
    NumberField { name: "target_percent", title: "Instances are filled to, %", min: 1, max: 100, usual: "70" },
    NumberField {
        name: "percentile",
        title: "A fixed size carries the load, % of the time",
        min: 1,
        max: 100,
        usual: "100: the peak",
    },
    NumberField {
        name: "minimum_instances",
        title: "Instances that are always up",
        min: 0,
        max: 100_000,
        usual: "as it needs",
    },
    NumberField {
        name: "concurrency",
        title: "Executions an instance takes at once",
        min: 1,
        max: 100_000,
        usual: "as it says",
    },
    NumberField {
        name: "granted_concurrency",
        title: "Executions at once the provider grants",
        min: 1,
        max: 10_000_000,
        usual: "as it says",
    },
    NumberField { name: "start_ms", title: "Start of an instance, ms", min: 0, max: 3_600_000, usual: "as it says" },
    NumberField { name: "tail_s", title: "An idle instance stays up, s", min: 0, max: 86_400, usual: "as it says" },
    NumberField { name: "scale_in_s", title: "Autoscaled: wait before stopping, s", min: 0, max: 86_400, usual: "300" },
    NumberField {
        name: "stop_s",
        title: "Scheduled: stop after the last execution, s",
        min: 0,
        max: 86_400,
        usual: "60",
    },
];

/// Parameters of the form that are not numbers.
const OTHERS: [&str; 5] = ["allowances", "sizing", "high_availability", "with", "without"];

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
    pub numbers: [NumberField; 9],
    /// Ways to size: word and title.
    pub sizings: Vec<(String, &'static str)>,
    /// Extras of the deployments there are.
    pub extras: Vec<Extra>,
    /// How many assumptions the URL changes.
    pub changed: usize,
}

impl AssumptionFields {
    /// The fields for some deployments, filled in from a URL.
    pub fn new(deployments: &[Deployment], address: &Address) -> Self {
        let lines = deployments.iter().flat_map(|deployment| &deployment.lines);
        let mut extras: Vec<(&str, bool)> =
            lines.filter_map(|line| Some((line.extra.as_deref()?, line.by_default))).collect();
        extras.sort_unstable();
        extras.dedup();
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
            numbers: NUMBERS,
            sizings,
            extras: extras.into_iter().map(extra).collect(),
            changed: Self::names().filter(|name| address.get(name).is_some()).count(),
        }
    }

    /// Extras that may be added, or left out.
    pub fn extras_of<'f>(&'f self, parameter: &'f str) -> impl Iterator<Item = &'f Extra> {
        self.extras.iter().filter(move |extra| extra.parameter == parameter)
    }

    /// The parameters of the fields.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NUMBERS.into_iter().map(|number| number.name).chain(OTHERS)
    }
}
