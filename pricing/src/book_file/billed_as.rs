//! The keys `billed_as` of a SKU and `billed_services` of a book
use super::{
    CHECK_MONTH_US,
    price::read_mark,
    reader::{Entry, Reader},
};
use crate::{
    billed_as::{BILLED_WORDS, BilledAs, Pattern},
    nearest::did_you_mean_or,
    unit::Unit,
};

/// Keys beside [`BILLED_WORDS`].
const OTHER_KEYS: [&str; 4] = ["key", "unit", "mark", "note"];

/// Reads the lines that charge a SKU, each with the key of a `by` SKU it is for.
pub(super) fn read<'t>(
    reader: &mut Reader<'t>,
    entry: Entry<'t>,
    unit: &Unit,
    keys: &[Option<String>],
) -> Vec<(Option<String>, BilledAs)> {
    let known: Vec<&str> = BILLED_WORDS.into_iter().chain(OTHER_KEYS).collect();
    let has_keys = keys.iter().any(Option::is_some);
    let mut found = Vec::new();
    for line in reader.tables(entry, "billed_as") {
        reader.known_keys(line, &known);
        let key = reader.text(line, "key").map(str::to_owned);
        match (&key, has_keys) {
            (None, true) => reader.problem(line.start, "`billed_as` of a SKU with `by` says which `key` it is for"),
            (Some(_), false) => reader.problem(line.start, "`billed_as` has a `key`, and the SKU has no `by`"),
            (Some(name), true) if !keys.contains(&key) => {
                let hint = did_you_mean_or(name, keys.iter().flatten().map(String::as_str));
                reader.problem_with_hint(line.start, format!("`billed_as`: no price has the key `{name}`"), hint);
            }
            _ => {}
        }
        let mut patterns = Vec::new();
        for (place, word) in BILLED_WORDS.into_iter().enumerate() {
            let Some(text) = reader.text(line, word) else { continue };
            match Pattern::new(text) {
                Some(pattern) => patterns.push((place, pattern)),
                None => reader.problem(line.start, format!("`{word}` is `{text}`, which says nothing of a line")),
            }
        }
        if !BILLED_WORDS.iter().any(|word| line.has(word)) {
            let hint = Some(format!("name one or more of {}", BILLED_WORDS.join(", ")));
            reader.problem_with_hint(line.start, "`billed_as` names no word of a bill", hint);
        }
        let own = reader.unit(line, "unit").unwrap_or_else(|| unit.clone());
        reader.ok(line.start, own.factor(unit, CHECK_MONTH_US));
        let mark = read_mark(reader, line).unwrap_or_default();
        found.push((key, BilledAs { patterns, unit: own, mark }));
    }
    found
}

/// Reads the services whose lines are of a book; none: those of any.
pub(super) fn read_services<'t>(reader: &mut Reader<'t>, root: Entry<'t>) -> Vec<Pattern> {
    reader.place.clear();
    let at = root.get("billed_services").map_or(root.start, |value| value.span().start);
    let mut services = Vec::new();
    for name in reader.texts(root, "billed_services").unwrap_or_default() {
        match Pattern::new(&name) {
            Some(pattern) => services.push(pattern),
            None => reader.problem(at, format!("`billed_services` names `{name}`, which every service fits")),
        }
    }
    services
}
