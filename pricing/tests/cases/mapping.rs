//! Mappings: how the inputs of a family of cases become the usage rows of an estimate
//!
//! A mapping is data. It is strict: every input of a case must reach a row or be named in `ignored` with a reason, so
//! that no case passes with a part of its usage left out.
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::RangeInclusive,
    path::Path,
};

use paygrain_pricing::{Allowances, Catalogue, EstimateRequest, Exact, Period, RowValue, UsageRow};
use serde::Deserialize;

use super::{
    Case, era,
    formula::{Formula, Scope, Value},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    mapping: Vec<Mapping>,
    #[serde(default)]
    group: Vec<Group>,
}

/// Words for one thing: each with how much of the first it is, a number or a fraction.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    words: Vec<(String, String)>,
}

/// How the cases of some services become estimates. Every text but those of `ignored` is a formula over the inputs;
/// `case.era`, `case.region`, `case.notes`, `case.expected.compute` … are the case's other fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mapping {
    /// Services of the cases; a `*` at the end stands for any rest, and the longest name that fits is taken.
    services: Vec<String>,
    /// Provider of the cases, where one name is several providers' service.
    provider: Option<String>,
    /// Provider in the price books, where the cases call it otherwise.
    request_provider: Option<String>,
    /// The month; null: from the era.
    period: Option<String>,
    /// The region; null: the first word of the case's region, if that is one.
    region: Option<String>,
    /// `true`, `false` or ids with `|` between; null: what the case says.
    allowances: Option<String>,
    /// Only charges whose SKU contains this belong to the figure.
    only: Option<String>,
    /// The figure is a quantity: SKUs with `|` between, ` in ` and the unit.
    measure: Option<String>,
    /// Names for formulas that several rows use, in order.
    #[serde(default)]
    names: Vec<(String, String)>,
    /// Inputs that are no usage, and why.
    #[serde(default)]
    ignored: BTreeMap<String, String>,
    /// Usage no price is known for, and why that is no fault of the book.
    unpriced: Option<String>,
    /// The rows: `each` (one row per item of a list), `when`, and the words of a usage row. A row is left out when one
    /// of its words is null, but for words that end in `?`.
    rows: Vec<BTreeMap<String, String>>,
}

/// All mappings, and words that stand for each other.
pub struct Mappings {
    mappings: Vec<Mapping>,
    groups: Vec<Group>,
}

/// A case as an estimate.
pub struct Mapped {
    pub request: EstimateRequest,
    pub only: Option<String>,
    /// SKUs and unit.
    pub measure: Option<(String, String)>,
    pub unpriced_allowed: bool,
}

impl Mappings {
    /// Reads every mapping file of a directory.
    pub fn read(directory: &Path) -> Self {
        let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        let (mut mappings, mut groups) = (Vec::new(), Vec::new());
        for path in paths {
            let file: File = toml::from_str(&fs::read_to_string(&path).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            mappings.extend(file.mapping);
            groups.extend(file.group);
        }
        Self { mappings, groups }
    }

    fn of(&self, case: &Case) -> Result<&Mapping, String> {
        let fit = |mapping: &&Mapping| {
            let own = mapping.provider.as_ref().is_none_or(|provider| *provider == case.provider);
            let names = mapping.services.iter().filter(|_| own);
            names
                .filter_map(|name| match name.strip_suffix('*') {
                    Some(start) => case.service.starts_with(start).then_some(2 * start.len()),
                    None => (*name == case.service).then_some(usize::MAX),
                })
                .max()
                .map(|length| (length, mapping.provider.is_some()))
        };
        let best = self.mappings.iter().filter(|mapping| fit(mapping).is_some()).max_by_key(fit);
        best.ok_or_else(|| format!("no mapping for the service `{}` of {}", case.service, case.provider))
    }

    /// A case as an estimate.
    ///
    /// # Errors
    /// A service without mapping, an input that reaches no row, a formula that cannot be read.
    pub fn map(&self, catalogue: &Catalogue, case: &Case) -> Result<Mapped, String> {
        let mapping = self.of(case)?;
        let Value::Object(inputs) = Value::of(&case.inputs) else { return Err("`inputs` is no table".to_owned()) };
        let inputs = self.in_words_of(mapping, inputs)?;
        let fields = BTreeMap::from([("case".to_owned(), Value::of(&case.fields()))]);
        let mut named = Named::default();
        for (name, text) in &mapping.names {
            let scope = named.scope(&fields, &inputs);
            let value = Formula::parse(text)?.value(&scope);
            let read = if value == Value::Null { BTreeSet::new() } else { scope.read.into_inner() };
            named.reads.insert(format!("name.{name}"), read);
            named.values.insert(name.clone(), value);
        }
        let setting = |text: &Option<String>| -> Result<Value, String> {
            match text {
                Some(text) => Ok(Formula::parse(text)?.value(&named.scope(&fields, &inputs))),
                None => Ok(Value::Null),
            }
        };
        let words = |text: &Option<String>| -> Result<Option<String>, String> {
            match setting(text)? {
                Value::Text(text) => Ok(Some(text)),
                Value::Null => Ok(None),
                other => Err(format!("expected a text, not {other:?}")),
            }
        };
        let mut used = BTreeSet::from(["days_in_month".to_owned(), "billing_days".to_owned()]);
        let mut usage = Vec::new();
        for row in &mapping.rows {
            usage.extend(rows(row, &named, &fields, &inputs, &mut used)?);
        }
        mapping.all_used(&inputs, &named.expanded(used))?;
        let period: Period = match words(&mapping.period)? {
            Some(text) => text.parse().map_err(|_| format!("`{text}` is no month"))?,
            None => era::month_of(&case.era, days_in_month(&inputs)),
        };
        let provider = mapping.request_provider.as_ref().unwrap_or(&case.provider);
        let header = serde_json::json!({"period": period.to_string(), "provider": provider, "usage": []});
        let mut request = EstimateRequest::from_json(&header.to_string()).map_err(|error| error.to_string())?;
        request.region = words(&mapping.region)?.or_else(|| region(catalogue, provider, &case.region));
        request.allowances = match setting(&mapping.allowances)? {
            Value::Text(ids) => Allowances::Only(ids.split('|').map(str::to_owned).collect()),
            Value::Bool(false) => Allowances::None,
            Value::Null if !case.free_tier_applied => Allowances::None,
            _ => Allowances::All,
        };
        // What an account has in its first months counts where the free tier does.
        request.account_opened = (request.allowances == Allowances::All).then(|| era::first_day(period));
        request.usage = usage;
        let measure = words(&mapping.measure)?;
        let measure = measure.map(|text| match text.split_once(" in ") {
            Some((skus, unit)) => Ok((skus.to_owned(), unit.to_owned())),
            None => Err(format!("`{text}` names no unit")),
        });
        Ok(Mapped {
            request,
            only: words(&mapping.only)?,
            measure: measure.transpose()?,
            unpriced_allowed: mapping.unpriced.is_some(),
        })
    }
}

impl Mappings {
    /// Inputs the mapping does not know, in words that it knows.
    fn in_words_of(
        &self,
        mapping: &Mapping,
        inputs: BTreeMap<String, Value>,
    ) -> Result<BTreeMap<String, Value>, String> {
        let known = mapping.known()?;
        let mut renamed = inputs.clone();
        for (name, value) in inputs.iter().filter(|(name, _)| !known.contains(*name)) {
            let groups = self.groups.iter().map(|group| &group.words);
            let Some(words) = groups.into_iter().find(|words| words.iter().any(|(word, _)| word == name)) else {
                continue;
            };
            let free = |word: &String| known.contains(word) && !renamed.contains_key(word);
            let Some((word, factor)) = words.iter().find(|(word, _)| free(word)) else { continue };
            let own = words.iter().find(|(word, _)| word == name).map_or("1", |(_, factor)| factor);
            let factor = number(own).checked_div(&number(factor)).unwrap();
            let value = match value {
                Value::Number(value) => Value::Number(value * factor),
                other if factor == Exact::one() => other.clone(),
                _ => continue,
            };
            renamed.remove(name);
            renamed.insert(word.clone(), value);
        }
        Ok(renamed)
    }
}

/// A number or a fraction.
fn number(text: &str) -> Exact {
    let part = |text: &str| Exact::parse(text).unwrap();
    let fraction = text.split_once('/').map(|(above, below)| part(above).checked_div(&part(below)).unwrap());
    fraction.unwrap_or_else(|| part(text))
}

impl Mapping {
    /// Every input the mapping names.
    fn known(&self) -> Result<BTreeSet<String>, String> {
        let settings = [&self.period, &self.region, &self.allowances, &self.only, &self.measure].into_iter().flatten();
        let named = self.names.iter().map(|(_, formula)| formula);
        let cells = self.rows.iter().flatten().filter(|(word, _)| *word != "each").map(|(_, formula)| formula);
        let mut known: BTreeSet<String> = self.ignored.keys().cloned().collect();
        known.extend(self.rows.iter().filter_map(|row| row.get("each").cloned()));
        for formula in settings.chain(named).chain(cells) {
            Formula::parse(formula)?.names(&mut known);
        }
        Ok(known)
    }

    fn all_used(&self, inputs: &BTreeMap<String, Value>, used: &BTreeSet<String>) -> Result<(), String> {
        let mut left = BTreeSet::new();
        for (name, value) in inputs {
            leaves(name, value, &mut left);
        }
        let top = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        left.retain(|name| {
            let ignored = self.ignored.contains_key(name) || self.ignored.contains_key(&top(name));
            !used.contains(name) && !ignored
        });
        match left.is_empty() {
            true => Ok(()),
            false => Err(format!("inputs that reach no row: {left:?}")),
        }
    }
}

/// Formulas with names, and the inputs each read.
#[derive(Default)]
struct Named {
    values: BTreeMap<String, Value>,
    reads: BTreeMap<String, BTreeSet<String>>,
}

impl Named {
    fn scope<'a>(&'a self, fields: &'a BTreeMap<String, Value>, inputs: &'a BTreeMap<String, Value>) -> Scope<'a> {
        let layers = vec![(String::new(), fields), (String::new(), inputs), ("name.".to_owned(), &self.values)];
        Scope { layers, read: RefCell::default() }
    }

    /// The inputs behind what was read.
    fn expanded(&self, mut read: BTreeSet<String>) -> BTreeSet<String> {
        while let Some(name) = read.iter().find(|name| self.reads.contains_key(*name)).cloned() {
            read.remove(&name);
            read.extend(self.reads[&name].iter().filter(|other| **other != name).cloned());
        }
        read
    }
}

/// The usage rows of one row of a mapping, and the names they read.
fn rows(
    row: &BTreeMap<String, String>,
    named: &Named,
    fields: &BTreeMap<String, Value>,
    inputs: &BTreeMap<String, Value>,
    used: &mut BTreeSet<String>,
) -> Result<Vec<UsageRow>, String> {
    let (prefix, items) = match row.get("each") {
        None => (String::new(), vec![Value::Null]),
        Some(name) => match inputs.get(name) {
            Some(Value::List(items)) => (format!("{name}."), items.clone()),
            Some(single) => (format!("{name}."), vec![single.clone()]),
            None => return Ok(Vec::new()),
        },
    };
    let mut found = Vec::new();
    for item in items {
        let own = match item {
            Value::Object(fields) => fields,
            item => BTreeMap::from([("item".to_owned(), item)]),
        };
        let scope = |read| {
            let mut scope = named.scope(fields, inputs);
            scope.layers.push((prefix.clone(), &own));
            Scope { read, ..scope }
        };
        if let Some(when) = row.get("when")
            && Formula::parse(when)?.value(&scope(RefCell::default())) != Value::Bool(true)
        {
            continue;
        }
        let mut words = UsageRow::new();
        let (mut complete, mut read) = (true, BTreeSet::new());
        for (word, text) in row.iter().filter(|(word, _)| !matches!(word.as_str(), "each" | "when")) {
            let scope = scope(RefCell::default());
            let value = match Formula::parse(text)?.value(&scope) {
                Value::Number(number) => RowValue::Number(number),
                Value::Text(text) => RowValue::Text(text),
                Value::Null => {
                    complete &= word.ends_with('?');
                    continue;
                }
                other => return Err(format!("`{word}` is {other:?}: not a number and not a text")),
            };
            read.extend(scope.read.into_inner());
            words.insert(word.trim_end_matches('?').to_owned(), value);
        }
        if complete {
            used.extend(read);
            found.push(words);
        }
    }
    Ok(found)
}

/// The paths of everything an input holds.
fn leaves(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                leaves(&format!("{path}.{name}"), value, found);
            }
        }
        Value::List(items) => items.iter().for_each(|item| leaves(path, item, found)),
        Value::Null => {}
        _ => drop(found.insert(path.to_owned())),
    }
}

/// How many days the month of a case has, where its inputs say so, and must have, where they fill its hours.
fn days_in_month(inputs: &BTreeMap<String, Value>) -> RangeInclusive<u32> {
    let number = |name: &str| match inputs.get(name) {
        Some(Value::Number(number)) => number.ceil_to_integer().to_i128().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    };
    let said = number("days_in_month").or_else(|| number("billing_days")).filter(|days| (28..=31).contains(days));
    let filled = number("hours").map(|hours| hours.div_ceil(24)).filter(|days| (28..=31).contains(days));
    match said {
        Some(days) => days..=days,
        None => filled.unwrap_or(28)..=31,
    }
}

/// The region a case names: its first word, where that is a region and not `global` or `sample`.
fn region(catalogue: &Catalogue, provider: &str, text: &str) -> Option<String> {
    let word = text.split([' ', ',']).next()?;
    let books = || catalogue.books().iter().filter(|book| book.provider == provider);
    let named = books().any(|book| {
        book.default_region.as_deref() == Some(word) || book.regions.values().any(|regions| regions.contains(word))
    });
    (named || word.contains(|c: char| c.is_ascii_digit())).then(|| word.to_owned())
}
