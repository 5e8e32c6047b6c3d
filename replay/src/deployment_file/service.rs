//! A file of deployments: what the sizes of a service share, and the sizes
use std::collections::{BTreeMap, BTreeSet};

use paygrain_pricing::{Catalogue, CommitmentKind};

use super::{
    figure::Figures,
    line::{self, Context, ExtraLine},
    reader::{Entry, Reader, did_you_mean, integer},
};
use crate::{
    assumptions::Term,
    deployment::{CommittedPlan, Deployment, Figure, Kind, Scaling},
};

pub(super) const KINDS: &[(&str, Kind)] = &[
    ("faas", Kind::Faas),
    ("container", Kind::Container),
    ("vm", Kind::Vm),
    ("paas", Kind::Paas),
    ("physical", Kind::Physical),
];
const SCALINGS: &[(&str, Scaling)] =
    &[("request", Scaling::Request), ("task", Scaling::Task), ("sized", Scaling::Sized)];
/// Figures that a size may have of its own.
const FIGURE_KEYS: &[&str] = &[
    "memory",
    "vcpu",
    "system_memory_mb",
    "concurrency",
    "start",
    "tail",
    "minimum_instances",
    "interruptions_per_thousand_hours",
    "notice",
    "commitments",
    "limits",
];
const FILE_KEYS: &[&str] =
    &["title", "kind", "provider", "region", "note", "scaling", "sources", "without_extras", "sizes", "size", "line"];
const SIZE_KEYS: &[&str] =
    &["name", "title", "note", "memory_mb", "vcpu_milli", "sustained_milli", "source", "mark", "scaling"];

/// Reads a file: its deployments, and the byte that each size stands at.
pub(super) fn read<'t>(
    reader: &mut Reader<'t>,
    catalogue: &Catalogue,
    root: Entry<'t>,
    extras: &BTreeMap<String, Vec<ExtraLine>>,
) -> Vec<(usize, Deployment)> {
    let known: Vec<&str> = FILE_KEYS.iter().chain(FIGURE_KEYS).copied().collect();
    reader.known_keys(root, &known);
    for key in ["title", "provider", "kind", "scaling"] {
        reader.must_have(root, key);
    }
    let provider = reader.text(root, "provider").unwrap_or_default();
    let kind = reader.word(root, "kind", KINDS);
    let sources = read_sources(reader, root);
    let inherited = inherited(reader, root, extras.get(provider).map_or(&[], Vec::as_slice), kind);
    let sizes = reader.tables(root, "size");
    if sizes.is_empty() {
        reader.problem(0, "the file has no `[[size]]`");
    }
    if reader.tables(root, "line").is_empty() {
        reader.problem(0, "the file has no `[[line]]`: nothing would be charged");
    }
    let several = sizes.len() > 1;
    let mut deployments = Vec::new();
    for size in sizes {
        let file = File { catalogue, root, provider, kind, sources: &sources, several };
        deployments.extend(file.read_size(reader, size, &inherited).map(|deployment| (size.start, deployment)));
        reader.place.clear();
    }
    if reader.problems.is_empty() {
        unnamed_sources(reader, root, &deployments);
    }
    deployments
}

/// A source that no figure of any size names is a remnant.
fn unnamed_sources<'t>(reader: &mut Reader<'t>, root: Entry<'t>, deployments: &[(usize, Deployment)]) {
    let figures = deployments.iter().flat_map(|(_, deployment)| &deployment.figures);
    let named: BTreeSet<&str> = figures.filter_map(|figure| figure.source.as_deref()).collect();
    for (key, at, _) in reader.table(root, "sources").map(Entry::in_order).unwrap_or_default() {
        if !named.contains(key) {
            reader.problem(at, format!("no figure names the source `{key}`"));
        }
    }
}

/// Reads `[sources]`.
pub(super) fn read_sources<'t>(reader: &mut Reader<'t>, root: Entry<'t>) -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    for (key, _, value) in reader.table(root, "sources").map(Entry::in_order).unwrap_or_default() {
        match value.get_ref().as_str() {
            Some(address) => drop(sources.insert(key.to_owned(), address.to_owned())),
            None => reader.problem(value.span().start, format!("the source `{key}` is not a text in quotes")),
        }
    }
    sources
}

/// The extras that the deployments of a file take over.
fn inherited<'e>(
    reader: &mut Reader<'_>,
    root: Entry<'_>,
    extras: &'e [ExtraLine],
    kind: Option<Kind>,
) -> Vec<&'e ExtraLine> {
    let of_kind: Vec<&ExtraLine> =
        extras.iter().filter(|extra| kind.is_some_and(|kind| extra.kinds.contains(&kind))).collect();
    let names: BTreeSet<&str> = of_kind.iter().filter_map(|extra| extra.line.extra.as_deref()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let without: Vec<(String, usize)> = texts(root, "without_extras");
    for (name, at) in &without {
        if !names.contains(&name.as_str()) {
            reader.problem_with_hint(*at, format!("no extra `{name}` is taken over"), did_you_mean(name, &names));
        }
    }
    let left_out = |extra: &ExtraLine| without.iter().any(|(name, _)| extra.line.extra.as_deref() == Some(name));
    of_kind.into_iter().filter(|extra| !left_out(extra)).collect()
}

fn texts(root: Entry<'_>, key: &str) -> Vec<(String, usize)> {
    let items = root.get(key).and_then(|value| value.get_ref().as_array());
    let text =
        |item: &toml::Spanned<toml::de::DeValue<'_>>| Some((item.get_ref().as_str()?.to_owned(), item.span().start));
    items.map(|items| items.iter().filter_map(text).collect()).unwrap_or_default()
}

/// What the sizes of a file share.
struct File<'f, 't> {
    catalogue: &'f Catalogue,
    root: Entry<'t>,
    provider: &'t str,
    kind: Option<Kind>,
    sources: &'f BTreeMap<String, String>,
    several: bool,
}

impl<'t> File<'_, 't> {
    fn read_size(&self, reader: &mut Reader<'t>, size: Entry<'t>, inherited: &[&ExtraLine]) -> Option<Deployment> {
        let own = reader.text(size, "name");
        reader.place = own.map_or_else(String::new, |name| format!("size {name}"));
        let name = self.name(reader, size, own);
        let mut words = words(reader, size);
        words.extend(own.map(|own| ("name".to_owned(), own.to_owned())));
        let own_scaling = if size.get("scaling").is_some() { size } else { self.root };
        let scaling = reader.word(own_scaling, "scaling", SCALINGS);
        let region = reader.text(self.root, "region");
        let own_title = reader.text(size, "title").or(own);
        let title = reader.text(self.root, "title").unwrap_or_default();
        let title = own_title.map_or_else(|| title.to_owned(), |own| format!("{title} {own}"));
        let notes: Vec<&str> =
            [self.root, size].into_iter().filter_map(|entry| reader.text(entry, "note")).map(str::trim).collect();
        let mut figures = Figures { reader, size, root: self.root, sources: self.sources, found: Vec::new() };
        let memory = figures.memory();
        let vcpu = figures.vcpu();
        if size.get("memory_mb").is_some() || size.get("vcpu_milli").is_some() {
            let shared = figures.reader.table(self.root, "sizes").filter(|_| size.get("mark").is_none());
            figures.origin(shared.unwrap_or(size), "size", None);
        }
        let system_memory_mb = figures.integer("system_memory_mb", 0).unwrap_or(0);
        let concurrency = figures.integer("concurrency", 1).and_then(|count| u64::try_from(count).ok());
        let start_us = figures.time("start");
        let tail_us = figures.time("tail");
        let minimum = figures.integer("minimum_instances", 0).and_then(|count| u64::try_from(count).ok());
        let interruptions = figures.interruptions();
        let commitments = commitments(figures.reader, self.catalogue, [size, self.root], own);
        let limits = figures.limits();
        for (key, needed) in [("start", true), ("tail", scaling == Some(Scaling::Request))] {
            if needed && size.get(key).or(self.root.get(key)).is_none() {
                figures.reader.problem(0, format!("`{key}` is missing: it is assumed, and said to be"));
            }
        }
        let context = Context { catalogue: self.catalogue, provider: self.provider, region, words: &words };
        let mut used = BTreeSet::new();
        let mut lines = Vec::new();
        for entry in figures.reader.tables(self.root, "line") {
            if entry.get("kinds").is_some() {
                figures.reader.problem(entry.start, "`kinds` is of the lines of extras");
            }
            lines.extend(line::read(&mut figures, entry, &context, &mut used));
        }
        let mut found = figures.found;
        let mut sources = self.sources.clone();
        for extra in inherited {
            lines.push(extra.line.clone());
            // The keys of two files may be the same.
            let key = |key: &String| format!("extras.{key}");
            let figures = extra.figures.iter().cloned();
            found.extend(figures.map(|figure| Figure { source: figure.source.as_ref().map(key), ..figure }));
            sources.extend(extra.sources.iter().map(|(name, source)| (key(name), source.clone())));
        }
        self.unused(reader, size, &words, &used);
        Some(Deployment {
            name: name?,
            title,
            kind: self.kind?,
            provider: self.provider.to_owned(),
            region: region.map(str::to_owned),
            note: notes.join(" "),
            memory,
            vcpu,
            system_memory_mb,
            scaling: scaling?,
            concurrency,
            start_us: start_us.unwrap_or_default(),
            tail_us: tail_us.unwrap_or_default(),
            minimum_instances: minimum.unwrap_or_default(),
            interruptions,
            commitments,
            limits,
            lines,
            words,
            figures: found,
            sources,
        })
    }

    /// `<provider>-<file>-<size>`; the size may have no name where it is the only one.
    fn name(&self, reader: &mut Reader<'t>, size: Entry<'t>, own: Option<&str>) -> Option<String> {
        if own.is_none() && self.several {
            reader.problem(size.start, "`name` is missing: the file has several sizes");
            return None;
        }
        let service = reader.file.rsplit('/').next().unwrap_or_default();
        let name: Vec<&str> = [self.provider, service].into_iter().chain(own).collect();
        let name = name.join("-");
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !name.chars().all(allowed) || name.ends_with('-') {
            let at = reader.at(size, "name");
            let hint = Some(name.to_lowercase().replace(['_', ' '], "-"));
            reader.problem_with_hint(
                at,
                format!("`{name}`: names are of lower-case letters, digits, `-` and `.`"),
                hint,
            );
            return None;
        }
        Some(name)
    }

    /// A word that no line takes is a mistake: perhaps a key that is misspelt.
    fn unused(
        &self,
        reader: &mut Reader<'t>,
        size: Entry<'t>,
        words: &BTreeMap<String, String>,
        used: &BTreeSet<String>,
    ) {
        let known: Vec<&str> = SIZE_KEYS.iter().chain(FIGURE_KEYS).copied().collect();
        for word in words.keys().filter(|word| *word != "name" && !used.contains(*word)) {
            let at = reader.at(size, word);
            let near = did_you_mean(word, &known).filter(|hint| !hint.starts_with("known"));
            let hint = near.or_else(|| Some(format!("write `${word}` in the row of a line")));
            reader.problem_with_hint(at, format!("no line takes the word `{word}`"), hint);
        }
    }
}

/// The plans of `commitments`, of the size or else of the file, by how long they run: those that cover so many units.
fn commitments<'t>(
    reader: &mut Reader<'t>,
    catalogue: &Catalogue,
    owners: [Entry<'t>; 2],
    name: Option<&str>,
) -> BTreeMap<Term, CommittedPlan> {
    let mut plans = BTreeMap::new();
    let table = owners.into_iter().find_map(|owner| reader.table(owner, "commitments"));
    for (word, at, value) in table.map(Entry::in_order).unwrap_or_default() {
        let Some(term) = Term::ALL.into_iter().find(|term| term.word() == word) else {
            reader.problem_with_hint(
                at,
                format!("unknown term `{word}`"),
                did_you_mean(word, &Term::ALL.map(Term::word)),
            );
            continue;
        };
        let Some(plan) = value.get_ref().as_str() else {
            reader.problem(at, format!("the plan of `{word}` is not a text in quotes"));
            continue;
        };
        let plan = CommittedPlan { plan: plan.to_owned(), key: name.map(str::to_owned) };
        if let Err(error) = plan.agreement(term, 1).check(catalogue) {
            reader.problem_with_hint(at, error.message, error.hint);
            continue;
        }
        let mut known = catalogue.books().iter().flat_map(|book| &book.commitments);
        if !known.any(|one| one.name == plan.plan && one.kind == CommitmentKind::Usage) {
            reader.problem(
                at,
                format!("`{}` is a plan by money: how much an instance would commit is not said", plan.plan),
            );
            continue;
        }
        plans.insert(term, plan);
    }
    plans
}

/// The words of a size: every key that is not of the format.
fn words(reader: &mut Reader<'_>, size: Entry<'_>) -> BTreeMap<String, String> {
    let mut words = BTreeMap::new();
    for (key, _, value) in size.in_order() {
        if SIZE_KEYS.contains(&key) || FIGURE_KEYS.contains(&key) {
            continue;
        }
        let number = integer(value.get_ref()).map(|number| number.to_string());
        match value.get_ref().as_str().map(str::to_owned).or(number) {
            Some(word) => drop(words.insert(key.to_owned(), word)),
            None => {
                reader.problem(value.span().start, format!("the word `{key}` is neither a text nor a whole number"))
            }
        }
    }
    words
}
