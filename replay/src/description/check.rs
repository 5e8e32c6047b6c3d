//! A description checked field by field, with every mistake, and made a plan
use paygrain_pricing::{Exact, Period, nearest};

use super::{
    Description, DescriptionError, DescriptionMistake, DurationDescription, FunctionDescription, Text,
    expand::{Call, Plan, Planned},
};
use crate::{
    durations::Durations,
    outcome::Parts,
    quantities::{BYTES_MAX, parse_duration_us, parse_memory_mb, parse_vcpu_milli, shown},
    workload::{Function, Trigger},
};

mod when;

/// Most functions of a description.
const FUNCTIONS_MAX: usize = 200;
/// Most executions of a period.
const RUNS_MAX: u64 = 100_000_000_000_000;
/// Most calls that one execution makes of a function.
const CALLS_MAX: i64 = 1000;
/// Most GPUs that one execution needs.
const GPUS_MAX: i64 = 1000;
/// Most executions that one execution leads to.
const FOLLOWING_MAX: u64 = 100_000;

/// What has been found wrong so far.
#[derive(Default)]
struct Mistakes(Vec<DescriptionMistake>);

impl Mistakes {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        self.0.push(DescriptionMistake { path: path.into(), line: None, message: message.into(), hint });
    }

    /// What a text says, or what was expected at its path.
    fn quantity(&mut self, path: &str, text: &Text, parse: fn(&str) -> Result<i64, &'static str>) -> Option<i64> {
        let text = text.as_str();
        parse(text).map_err(|expected| self.add(path, format!("`{}` is not {expected}", shown(text)), "")).ok()
    }

    /// A whole number within bounds; the default where none is given.
    fn number(&mut self, path: &str, given: Option<i64>, least: i64, most: i64, default: i64) -> i64 {
        let number = given.unwrap_or(default);
        if !(least..=most).contains(&number) {
            self.add(path, format!("`{number}` is not a whole number from {least} to {most}"), "");
        }
        number.clamp(least, most)
    }

    /// A number that is written as one.
    fn exact(&mut self, path: &str, text: &Text) -> Option<Exact> {
        let number = Exact::parse(text.as_str());
        number.map_err(|error| self.add(path, error.to_string(), error.hint().unwrap_or_default())).ok()
    }
}

/// Checks a description.
pub(super) fn plan(description: &Description, default_period: Period) -> Result<Plan, DescriptionError> {
    let mut mistakes = Mistakes::default();
    let period = period(description, default_period, &mut mistakes);
    if description.title.trim().is_empty() {
        mistakes.add("title", "is empty: a title is expected", "say in a few words what the workload is");
    }
    if let Some(published) = &description.published {
        let amount = mistakes.exact("published.amount", &published.amount);
        if amount.is_some_and(|amount| amount.is_negative()) {
            mistakes.add("published.amount", "is below 0", "");
        }
        for (place, part) in published.parts.iter().enumerate() {
            if !Parts::NAMES.contains(&part.as_str()) {
                let hint = nearest(part, Parts::NAMES).map(|near| format!("did you mean `{near}`?"));
                let message = format!("is `{part}`: one of {} is expected", Parts::NAMES.join(", "));
                mistakes.add(format!("published.parts[{place}]"), message, hint.unwrap_or_default());
            }
        }
    }
    match description.functions.len() {
        0 => mistakes.add("function", "there is none: at least one is expected", "begin one with `[[function]]`"),
        1..=FUNCTIONS_MAX => {}
        more => mistakes.add("function", format!("there are {more}, at most {FUNCTIONS_MAX} are expected"), ""),
    }
    let mut functions: Vec<Planned> = Vec::new();
    for (place, own) in description.functions.iter().enumerate() {
        let path = format!("function[{place}]");
        if own.name.trim().is_empty() {
            mistakes.add(format!("{path}.name"), "is empty: a name is expected", "");
        }
        if let Some(first) = description.functions[..place].iter().position(|other| other.name == own.name) {
            let message = format!("`{}` is the name of function[{first}] too", shown(&own.name));
            mistakes.add(format!("{path}.name"), message, "give each function a name of its own");
        }
        functions.push(Planned {
            function: needs(own, &path, &mut mistakes),
            durations: durations(own, &path, &mut mistakes),
            arrivals: when::arrivals(own, &path, period, &mut mistakes),
            calls: Vec::new(),
        });
    }
    for (place, own) in description.functions.iter().enumerate() {
        if let Some((caller, call)) = call(description, place, own, &mut mistakes) {
            functions[caller].calls.push(call);
        }
    }
    let order = order(description, &functions, &mut mistakes);
    let plan = Plan { title: format!("{}, in {period}", description.title.trim()), period, functions, order };
    if mistakes.0.is_empty() {
        sizes(&plan, &mut mistakes);
    }
    match mistakes.0.is_empty() {
        true => Ok(plan),
        false => Err(DescriptionError { file: description.file.clone(), mistakes: mistakes.0 }),
    }
}

fn period(description: &Description, default_period: Period, mistakes: &mut Mistakes) -> Period {
    let Some(text) = &description.period else { return default_period };
    text.as_str().parse().unwrap_or_else(|_| {
        let message = format!("`{}` is not a month as YYYY-MM", shown(text.as_str()));
        mistakes.add("period", message, "write such as `2026-10`");
        default_period
    })
}

/// What one execution needs.
fn needs(own: &FunctionDescription, path: &str, mistakes: &mut Mistakes) -> Function {
    let at = |field: &str| format!("{path}.{field}");
    let memory = mistakes.quantity(&at("memory"), &own.memory, parse_memory_mb).unwrap_or(1);
    let mut function = Function::new(own.name.trim(), memory);
    function.vcpu_milli = own.vcpu.as_ref().and_then(|text| mistakes.quantity(&at("vcpu"), text, parse_vcpu_milli));
    function.init_us = own.init.as_ref().and_then(|text| mistakes.quantity(&at("init"), text, parse_duration_us));
    function.cpu_percent = cpu_percent(own, path, mistakes);
    function.gpu = u32::try_from(mistakes.number(&at("gpu"), own.gpu, 0, GPUS_MAX, 0)).unwrap_or(0);
    for (field, given, bytes) in [
        ("request_bytes", own.request_bytes, &mut function.request_bytes),
        ("response_bytes", own.response_bytes, &mut function.response_bytes),
        ("log_bytes", own.log_bytes, &mut function.log_bytes),
    ] {
        *bytes = mistakes.number(&at(field), given, 0, BYTES_MAX, 0);
    }
    function.trigger = own.trigger.unwrap_or(match own {
        FunctionDescription { schedule: Some(_), .. } => Trigger::Schedule,
        FunctionDescription { called_by: Some(_), wait: Some(false), .. } => Trigger::Queue,
        _ => Trigger::Http,
    });
    function
}

/// The share of the duration that is work of the processor. Waiting is the rest: said as `io_percent`, it says the same.
fn cpu_percent(own: &FunctionDescription, path: &str, mistakes: &mut Mistakes) -> Option<u32> {
    let mut percent = |field: &str, given: Option<i64>| {
        given.map(|given| mistakes.number(&format!("{path}.{field}"), Some(given), 0, 100, 0))
    };
    let (cpu, io) = (percent("cpu_percent", own.cpu_percent), percent("io_percent", own.io_percent));
    if let Some((cpu, io)) = cpu.zip(io).filter(|(cpu, io)| cpu + io > 100) {
        let message = format!("is {io}, with {cpu} of `cpu_percent` more than 100 together");
        mistakes.add(format!("{path}.io_percent"), message, "say one of them: the other is the rest of the duration");
    }
    cpu.or(io.map(|io| 100 - io)).and_then(|percent| u32::try_from(percent).ok())
}

fn durations(own: &FunctionDescription, path: &str, mistakes: &mut Mistakes) -> Durations {
    let path = format!("{path}.duration");
    let mut us = |path: String, text: &Text| mistakes.quantity(&path, text, parse_duration_us);
    match &own.duration {
        None => {
            let each = own.runs.as_ref().is_some_and(|runs| runs.iter().all(|run| run.duration.is_some()));
            if !each {
                mistakes.add(path, "is missing: how long an execution takes is expected", "write such as `\"300ms\"`");
            }
            Durations::Fixed(1)
        }
        Some(DurationDescription::Fixed(text)) => Durations::Fixed(us(path, text).unwrap_or(1)),
        Some(DurationDescription::LogNormal { median, p95 }) => {
            let (median_us, p95_us) = (us(format!("{path}.median"), median), us(format!("{path}.p95"), p95));
            let (median_us, p95_us) = (median_us.unwrap_or(1), p95_us.unwrap_or(i64::MAX));
            if p95_us < median_us {
                let message = format!("`{}` is shorter than the median `{}`", p95.as_str(), median.as_str());
                mistakes.add(format!("{path}.p95"), message, "95 of 100 are shorter than `p95`, half than `median`");
            }
            Durations::log_normal(median_us, p95_us)
        }
        Some(DurationDescription::Choice { values, weights }) => choice(values, weights.as_deref(), &path, mistakes),
    }
}

fn choice(values: &[Text], weights: Option<&[i64]>, path: &str, mistakes: &mut Mistakes) -> Durations {
    if values.is_empty() || values.len() > 1000 {
        mistakes.add(format!("{path}.values"), format!("{} given, 1 to 1000 are expected", values.len()), "");
    }
    if let Some(weights) = weights.filter(|weights| weights.len() != values.len()) {
        let message = format!("{} weights for {} values", weights.len(), values.len());
        mistakes.add(format!("{path}.weights"), message, "write one weight for each value");
    }
    let mut chosen = Vec::new();
    for (place, text) in values.iter().enumerate() {
        let us = mistakes.quantity(&format!("{path}.values[{place}]"), text, parse_duration_us);
        let weight = weights.and_then(|weights| weights.get(place)).copied();
        let weight = mistakes.number(&format!("{path}.weights[{place}]"), weight, 0, 1_000_000_000, 1);
        chosen.push((us.unwrap_or(1), u64::try_from(weight).unwrap_or(0)));
    }
    if weights.is_some() && !values.is_empty() && chosen.iter().all(|(_, weight)| *weight == 0) {
        mistakes.add(format!("{path}.weights"), "are all 0", "give a value that comes a weight above 0");
    }
    Durations::choice(chosen)
}

/// Who calls a function, and how.
fn call(
    description: &Description,
    place: usize,
    own: &FunctionDescription,
    mistakes: &mut Mistakes,
) -> Option<(usize, Call)> {
    let at = |field: &str| format!("function[{place}].{field}");
    let caller = own.called_by.as_ref()?;
    let found = description.functions.iter().position(|other| other.name == *caller);
    if found.is_none() {
        let names = description.functions.iter().map(|other| other.name.as_str());
        let hint = nearest(caller, names).map_or_else(
            || "write the name of a function of this description".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        mistakes.add(at("called_by"), format!("there is no function `{}`", shown(caller)), hint);
    }
    let (each, more) = calls(own.calls.as_ref(), &at("calls"), mistakes);
    Some((found?, Call { function: place, each, more, waits: own.wait.unwrap_or(true) }))
}

/// Calls of each run, and of some of them: `3`, `0.25`, `1/10`.
fn calls(given: Option<&Text>, path: &str, mistakes: &mut Mistakes) -> (u64, (u64, u64)) {
    let Some(text) = given else { return (1, (0, 1)) };
    let parsed = match text.as_str().split_once('/') {
        None => Exact::parse(text.as_str()).ok(),
        Some((part, of)) => {
            let number = |text: &str| Exact::parse(text.trim()).ok();
            number(part).zip(number(of)).and_then(|(part, of)| part.checked_div(&of))
        }
    };
    let fraction = parsed.as_ref().and_then(Exact::to_fraction);
    let fitting = fraction.and_then(|(part, of)| Some((u64::try_from(part).ok()?, u64::try_from(of).ok()?)));
    match fitting.filter(|(part, of)| *part > 0 && *of <= 1_000_000_000 && part / of <= CALLS_MAX.unsigned_abs()) {
        Some((part, of)) => (part / of, (part % of, of)),
        None => {
            let expected = format!("a number of calls or a ratio, above 0 and at most {CALLS_MAX}");
            let message = format!("`{}` is not {expected}", shown(text.as_str()));
            mistakes.add(path, message, "write `3` for three calls of each run, `\"1/10\"` for one call of ten runs");
            (1, (0, 1))
        }
    }
}

/// Callers before those they call.
fn order(description: &Description, functions: &[Planned], mistakes: &mut Mistakes) -> Vec<usize> {
    let called: Vec<usize> = functions.iter().flat_map(|own| &own.calls).map(|call| call.function).collect();
    let mut order: Vec<usize> = (0..functions.len()).filter(|place| !called.contains(place)).collect();
    let mut next = 0;
    // A function has one caller at most, so none is met twice.
    while let Some(place) = order.get(next).copied() {
        order.extend(functions[place].calls.iter().map(|call| call.function));
        next += 1;
    }
    let mut circle = (0..functions.len()).filter(|place| !order.contains(place));
    if let Some(place) = circle.next() {
        let name = shown(&description.functions[place].name);
        let hint = "begin the chain with a function that has `schedule`, `rate` or `runs`";
        mistakes.add(format!("function[{place}].called_by"), format!("`{name}` is called in a circle"), hint);
    }
    order
}

/// That there are executions, and not too many.
fn sizes(plan: &Plan, mistakes: &mut Mistakes) {
    let count = |place: usize| plan.functions[place].arrivals.as_ref().map_or(0, crate::arrivals::Arrivals::count);
    let (totals, _) = plan.totals(count, &[]);
    let total = totals.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    if total > RUNS_MAX {
        let message = format!("{total} executions in {}, at most {RUNS_MAX} are expected", plan.period);
        mistakes.add("function", message, "lower `rate` or `calls`");
    }
    for place in &plan.order {
        let (following, _) = plan.totals(|other| u64::from(other == *place), &[]);
        let following = following.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        if following > FOLLOWING_MAX {
            let message = format!("one execution leads to {following} others, at most {FOLLOWING_MAX} are expected");
            mistakes.add(format!("function[{place}]"), message, "lower `calls` of those it calls");
            break;
        }
    }
}
