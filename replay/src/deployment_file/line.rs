//! Lines of a deployment: rows of usage with what stands for words of the size in them
use std::collections::{BTreeMap, BTreeSet};

use paygrain_pricing::{Catalogue, RowValue, UsageRow};
use toml::de::DeValue;

use super::{
    figure::{Figures, ORIGIN},
    reader::{Entry, Reader, did_you_mean, integer},
    sample, service,
};
use crate::{
    deployment::{Each, Figure, Kind, Line, Part, RUN_WORDS},
    workload::Trigger,
};

const LINE_KEYS: &[&str] =
    &["part", "each", "extra", "by_default", "trigger", "kinds", "row", ORIGIN[0], ORIGIN[1], ORIGIN[2]];
const PARTS: &[(&str, Part)] = &[
    ("compute", Part::Compute),
    ("requests", Part::Requests),
    ("storage", Part::Storage),
    ("transfer", Part::Transfer),
    ("extras", Part::Extras),
];
const EACH: &[(&str, Each)] = &[
    ("run", Each::Run),
    ("task", Each::Task),
    ("request", Each::Request),
    ("instance", Each::Instance),
    ("period", Each::Period),
];
const TRIGGERS: &[(&str, Trigger)] = &[
    ("http", Trigger::Http),
    ("schedule", Trigger::Schedule),
    ("queue", Trigger::Queue),
    ("storage", Trigger::Storage),
    ("stream", Trigger::Stream),
];

/// A line that deployments of some kinds take over.
pub(super) struct ExtraLine {
    pub kinds: Vec<Kind>,
    pub line: Line,
    /// What it assumes.
    pub figures: Vec<Figure>,
    pub sources: BTreeMap<String, String>,
}

/// What the words of a line are taken from.
pub(super) struct Context<'c> {
    pub catalogue: &'c Catalogue,
    pub provider: &'c str,
    pub region: Option<&'c str>,
    /// Words of the size.
    pub words: &'c BTreeMap<String, String>,
}

/// Reads a file of extras: the provider, and its lines.
pub(super) fn read_extras<'t>(
    reader: &mut Reader<'t>,
    catalogue: &Catalogue,
    root: Entry<'t>,
) -> (String, Vec<ExtraLine>) {
    reader.known_keys(root, &["provider", "region", "note", "sources", "line"]);
    let provider = reader.required(root, "provider");
    let region = reader.text(root, "region");
    let sources = service::read_sources(reader, root);
    let context = Context { catalogue, provider, region, words: &BTreeMap::new() };
    let mut lines = Vec::new();
    for entry in reader.tables(root, "line") {
        reader.must_have(entry, "kinds");
        reader.must_have(entry, "extra");
        let mut kinds = Vec::new();
        for (name, at) in reader.texts(entry, "kinds") {
            match service::KINDS.iter().find(|(known, _)| *known == name) {
                Some((_, kind)) => kinds.push(*kind),
                None => {
                    let known: Vec<&str> = service::KINDS.iter().map(|(known, _)| *known).collect();
                    reader.problem_with_hint(at, format!("unknown kind `{name}`"), did_you_mean(name, &known));
                }
            }
        }
        let mut figures = Figures { reader, size: entry, root, sources: &sources, found: Vec::new() };
        let line = read(&mut figures, entry, &context, &mut BTreeSet::new());
        let figures = figures.found;
        lines.extend(line.map(|line| ExtraLine { kinds, line, figures, sources: sources.clone() }));
    }
    reader.place.clear();
    (provider.to_owned(), lines)
}

/// Reads a line; `used` gets the words of the size that it takes.
pub(super) fn read<'t>(
    figures: &mut Figures<'_, 't>,
    entry: Entry<'t>,
    context: &Context<'_>,
    used: &mut BTreeSet<String>,
) -> Option<Line> {
    let reader = &mut *figures.reader;
    reader.known_keys(entry, LINE_KEYS);
    let part = reader.required_word(entry, "part", PARTS);
    let each = reader.required_word(entry, "each", EACH);
    let extra = reader.text(entry, "extra").map(str::to_owned);
    let trigger = reader.word(entry, "trigger", TRIGGERS);
    let by_default = reader.flag(entry, "by_default");
    if extra.is_some() {
        reader.must_have(entry, "by_default");
    } else if entry.get("by_default").is_some() {
        reader.problem(entry.start, "`by_default` is of extras: name the `extra` the line belongs to");
    }
    if trigger.is_some() && !matches!(each, Some(Each::Request | Each::Run | Each::Task)) {
        let at = reader.at(entry, "trigger");
        reader.problem(at, "`trigger` tells executions apart: only lines for each run, task or request have it");
    }
    reader.must_have(entry, "row");
    let table = reader.table(entry, "row")?;
    let row = read_row(reader, table, context, used);
    if ORIGIN.iter().any(|key| entry.get(key).is_some()) {
        let name = entry.get("extra").or(entry.get("part")).and_then(|value| value.get_ref().as_str());
        figures.origin(entry, &format!("line.{}", name.unwrap_or_default()), None);
    }
    let line = Line {
        part: part?,
        each: each?,
        extra: extra.clone(),
        by_default: by_default || extra.is_none(),
        row: row?,
        trigger,
    };
    if let Err((message, hint)) = sample::check(context, &line) {
        figures.reader.problem_with_hint(table.start, message, hint);
    }
    Some(line)
}

fn read_row<'t>(
    reader: &mut Reader<'t>,
    table: Entry<'t>,
    context: &Context<'_>,
    used: &mut BTreeSet<String>,
) -> Option<UsageRow> {
    let mut row = UsageRow::new();
    let mut complete = true;
    for (word, _, value) in table.in_order() {
        let at = value.span().start;
        let read = match value.get_ref() {
            DeValue::String(text) => match text.strip_prefix('$') {
                Some(name) => placeholder(reader, at, name, context, used),
                None => Some(RowValue::Text(text.to_string())),
            },
            other => integer(other).map(|number| RowValue::Number(number.into())).or_else(|| {
                reader.problem(at, format!("`{word}` is neither a whole number nor a text or decimal in quotes"));
                None
            }),
        };
        complete &= read.is_some();
        row.extend(read.map(|value| (word.to_owned(), value)));
    }
    complete.then_some(row)
}

/// What a word after `$` stands for: itself where the replay supplies it, or else a word of the size.
fn placeholder(
    reader: &mut Reader<'_>,
    at: usize,
    name: &str,
    context: &Context<'_>,
    used: &mut BTreeSet<String>,
) -> Option<RowValue> {
    if RUN_WORDS.iter().any(|(word, _)| *word == name) {
        return Some(RowValue::Text(format!("${name}")));
    }
    if let Some(word) = context.words.get(name) {
        used.insert(name.to_owned());
        return Some(RowValue::Text(word.clone()));
    }
    let known: Vec<&str> =
        context.words.keys().map(String::as_str).chain(RUN_WORDS.iter().map(|(word, _)| *word)).collect();
    reader.problem_with_hint(at, format!("nothing supplies `${name}`"), did_you_mean(name, &known));
    None
}
