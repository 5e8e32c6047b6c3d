//! The described workloads that come with the program, and what somebody published of them beside what we work out.

use std::sync::LazyLock;

use paygrain_pricing::{Exact, nearest};
use paygrain_replay::{Description, Outcome};

use crate::error::AppError;
use crate::number;

/// Name and text of each file, by name.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

static ALL: LazyLock<Result<Vec<Scenario>, String>> = LazyLock::new(read);

/// A described workload.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Name of its file, without `.toml`.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
    /// What it says.
    pub description: Description,
    /// What it is about: what the file begins with.
    pub story: String,
    /// What somebody published of it, in words; empty: nothing.
    pub known: String,
    /// What is assumed, in words; empty: nothing.
    pub assumed: String,
}

/// Our figure beside one that was published.
pub struct Ours {
    /// Title of the deployment.
    pub title: String,
    /// Its name.
    pub name: String,
    /// The same parts of the cost as the published figure has; absent where it cannot run the workload.
    pub amount: Option<Exact>,
    /// Why it cannot.
    pub reasons: Vec<String>,
    /// Which parts; nothing where it is all of the cost.
    pub parts: Option<String>,
    /// Ours against the published figure, in percent of it.
    pub difference: Option<String>,
}

impl Scenario {
    /// All, by name.
    ///
    /// # Errors
    /// When a file cannot be read, which the tests know nothing of.
    pub fn all() -> Result<&'static [Self], AppError> {
        ALL.as_deref().map_err(|cause| AppError::Internal { cause: cause.clone() })
    }

    /// The one of a name.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn find(name: &str) -> Result<&'static Self, AppError> {
        let all = Self::all()?;
        all.iter().find(|scenario| scenario.name == name).ok_or_else(|| AppError::NoSuchScenario {
            name: name.to_owned(),
            near: nearest(name, all.iter().map(|scenario| scenario.name)).map(str::to_owned),
        })
    }

    /// Where its page is.
    pub fn path(&self) -> String {
        format!("/scenarios/{}", self.name)
    }

    /// When it runs, in a few words: `50 per second`, `0 17 * * * in Europe/Zurich`.
    pub fn when(&self) -> String {
        let of = self.description.functions.iter().find_map(|function| {
            let zone = || function.timezone.as_deref().unwrap_or("UTC");
            let schedule = function.schedule.as_ref().map(|schedule| format!("{schedule} in {}", zone()));
            schedule.or_else(|| function.rate.as_deref().map(legible))
        });
        of.unwrap_or_else(|| "single runs".to_owned())
    }

    /// Our figure beside the published one, among the deployments that were compared.
    pub fn ours(&self, outcomes: &[Outcome]) -> Option<Ours> {
        let published = self.description.published.as_ref()?;
        let parts = &published.parts;
        let outcome = outcomes.iter().find(|one| Some(&one.name) == published.deployment.as_ref())?;
        let named = outcome.parts.named();
        let amounts = named.iter().filter(|(name, _)| parts.is_empty() || parts.iter().any(|part| part == name));
        let amount = outcome.monthly_cost.is_some().then(|| amounts.map(|(_, amount)| *amount).sum::<Exact>());
        let theirs = published.amount.as_str().parse::<Exact>().ok()?;
        // Only amounts of the same money are compared.
        let comparable = amount.as_ref().filter(|_| published.currency == outcome.currency);
        let reasons = outcome.reasons.iter().filter(|reason| reason.blocks).map(|reason| reason.message.clone());
        Some(Ours {
            title: outcome.title.clone(),
            name: outcome.name.clone(),
            difference: comparable.and_then(|ours| number::percent(&(ours - &theirs), &theirs)),
            parts: (!parts.is_empty()).then(|| parts.join(" and ")),
            reasons: reasons.collect(),
            amount,
        })
    }
}

/// The number of a rate with thousands separators.
fn legible(rate: &str) -> String {
    let words = rate.split_whitespace().map(|word| word.parse().map_or_else(|_| word.to_owned(), number::count));
    words.collect::<Vec<_>>().join(" ")
}

fn read() -> Result<Vec<Scenario>, String> {
    let read = |(name, text): &(&'static str, &'static str)| {
        let description =
            Description::from_path_text(&format!("{name}.toml"), text).map_err(|error| error.to_string())?;
        let [story, known, assumed] = told(text);
        Ok(Scenario { name, text, description, story, known, assumed })
    };
    FILES.iter().map(read).collect()
}

/// What the comment says that a file begins with: what it is about, what was published, what is assumed.
fn told(text: &str) -> [String; 3] {
    let lines = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
    let mut parts = [String::new(), String::new(), String::new()];
    let mut part = 0;
    for word in lines.flat_map(str::split_whitespace) {
        match word {
            "Published:" => part = 1,
            "Assumed:" => part = 2,
            word => {
                if !parts[part].is_empty() {
                    parts[part].push(' ');
                }
                parts[part] += word;
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_and_says_what_it_is_about() {
        let all = Scenario::all().unwrap();
        assert!(all.len() >= 14);
        for scenario in all {
            assert!(
                !scenario.story.is_empty() && !scenario.assumed.is_empty() || !scenario.known.is_empty(),
                "{}",
                scenario.name
            );
            assert!(!scenario.story.contains('#') && !scenario.when().is_empty(), "{}", scenario.name);
            let published = scenario.description.published.as_ref();
            assert!(published.is_none_or(|published| published.deployment.is_some()), "{}", scenario.name);
        }
    }

    #[test]
    fn a_comment_is_told_in_three_parts() {
        let text = "# One two.\n# Published: three\n# four. Assumed: five.\ntitle = \"x\"\n# not this";
        assert_eq!(told(text), ["One two.", "three four.", "five."]);
    }
}
