//! Figures of a deployment, each with its source and how sure it is
use std::collections::BTreeMap;

use toml::de::DeValue;

use super::reader::{Entry, Reader, did_you_mean, integer};
use crate::{
    deployment::{Figure, Limits, Mark, Memory, MemoryRange, Vcpu},
    interruptions::Interruptions,
};

/// Units of time and how many microseconds each has.
const TIMES: &[(&str, i64)] =
    &[("us", 1), ("ms", 1_000), ("s", 1_000_000), ("min", 60_000_000), ("h", 3_600_000_000), ("day", 86_400_000_000)];
/// Units of information and how many bytes each has.
const SIZES: &[(&str, i64)] = &[
    ("B", 1),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];
const MARKS: &[(&str, Mark)] =
    &[("seen", Mark::Seen), ("derived", Mark::Derived), ("remembered", Mark::Remembered), ("assumed", Mark::Assumed)];
/// Keys that say where a figure is from.
pub(super) const ORIGIN: &[&str] = &["source", "mark", "note"];
const LIMIT_KEYS: &[&str] = &["longest_run", "request", "response", "concurrency", "instances", "gpus", "no_schedule"];

/// Reads figures of one size: its own, or else those of its service.
pub(super) struct Figures<'r, 't> {
    pub reader: &'r mut Reader<'t>,
    pub size: Entry<'t>,
    pub root: Entry<'t>,
    pub sources: &'r BTreeMap<String, String>,
    /// The figures read.
    pub found: Vec<Figure>,
}

impl<'t> Figures<'_, 't> {
    /// Where a figure is from: the keys `source`, `mark` and `note` beside it.
    pub fn origin(&mut self, entry: Entry<'t>, name: &str, value: Option<String>) {
        let mark = self.reader.required_word(entry, "mark", MARKS);
        let source = self.reader.text(entry, "source");
        match source {
            Some(key) if !self.sources.contains_key(key) => {
                let known: Vec<&str> = self.sources.keys().map(String::as_str).collect();
                let at = self.reader.at(entry, "source");
                self.reader.problem_with_hint(at, format!("no source `{key}`"), did_you_mean(key, &known));
            }
            None if matches!(mark, Some(Mark::Seen | Mark::Derived)) => {
                self.reader.problem(entry.start, format!("`{name}` has no `source`, although it was seen in one"));
            }
            _ => {}
        }
        let note = self.reader.text(entry, "note").map(str::to_owned);
        if let Some(mark) = mark {
            self.found.push(Figure { name: name.to_owned(), value, mark, source: source.map(str::to_owned), note });
        }
    }

    /// The table of a figure, of the size or else of the service, with its value and origin.
    fn table(&mut self, key: &str, values: &[&str]) -> Option<Entry<'t>> {
        let owner = if self.size.get(key).is_some() { self.size } else { self.root };
        self.table_of(owner, key, key, values)
    }

    fn table_of(&mut self, owner: Entry<'t>, key: &str, name: &str, values: &[&str]) -> Option<Entry<'t>> {
        let value = owner.get(key)?;
        let Some(table) = value.get_ref().as_table() else {
            let written = self.reader.text.get(value.span()).unwrap_or_default();
            let hint = format!("write {{ is = {written}, mark = \"assumed\" }}, or its source and mark");
            self.reader.problem_with_hint(value.span().start, format!("`{key}` has no mark"), Some(hint));
            return None;
        };
        let entry = Entry { table, start: value.span().start };
        let known: Vec<&str> = values.iter().chain(ORIGIN).copied().collect();
        self.reader.known_keys(entry, &known);
        let given = values.iter().find_map(|value| entry.get(value));
        if given.is_none() {
            let message = format!("`{key}` has none of {}", values.join(", "));
            self.reader.problem(entry.start, message);
        }
        let written = given.and_then(|value| self.reader.text.get(value.span())).unwrap_or_default();
        let shown = written.trim_matches('"').split_whitespace().collect::<Vec<_>>().join(" ");
        self.origin(entry, name, Some(shown));
        Some(entry)
    }

    /// A time, microseconds.
    pub fn time(&mut self, key: &str) -> Option<i64> {
        let entry = self.table(key, &["is"])?;
        self.reader.measure(entry, "is", TIMES)
    }

    /// A whole number that is not below a least one.
    pub fn integer(&mut self, key: &str, least: i64) -> Option<i64> {
        let entry = self.table(key, &["is"])?;
        self.reader.integer(entry, "is", least)
    }

    /// Memory of an instance: `memory_mb` of the size, or what the function is given.
    pub fn memory(&mut self) -> Memory {
        if self.size.get("memory_mb").is_some() {
            return Memory::Fixed(self.reader.integer(self.size, "memory_mb", 1).unwrap_or(1));
        }
        let Some(entry) = self.table("memory", &["ranges_mb", "sizes_mb"]) else {
            if self.size.get("memory").or(self.root.get("memory")).is_none() {
                self.reader.problem_with_hint(
                    self.size.start,
                    "the size has no memory",
                    Some("`memory_mb` of the size, or `memory` of the file".to_owned()),
                );
            }
            return Memory::Fixed(1);
        };
        let at = entry.start;
        let ranges = match entry.get("ranges_mb") {
            Some(_) => {
                self.numbers(entry, "ranges_mb", 3).into_iter().map(|range| (range[0], range[1], range[2])).collect()
            }
            None => self.list(entry, "sizes_mb").into_iter().map(|size| (size, size, 1)).collect::<Vec<_>>(),
        };
        let ascending = ranges.windows(2).all(|pair| pair[0].1 < pair[1].0);
        let sound =
            ranges.iter().all(|(from, to, step)| *from >= 1 && from <= to && *step >= 1 && (to - from) % step == 0);
        if ranges.is_empty() || !ascending || !sound {
            self.reader.problem_with_hint(
                at,
                "memory is not a list of ascending sizes or ranges",
                Some("ranges_mb = [[128, 10_240, 1]]: from, to and step, whole steps apart".to_owned()),
            );
        }
        let range = |(from_mb, to_mb, step_mb)| MemoryRange { from_mb, to_mb, step_mb };
        Memory::OfFunction(ranges.into_iter().map(range).collect())
    }

    /// vCPU of an instance: `vcpu_milli` of the size, or what goes with its memory.
    pub fn vcpu(&mut self) -> Vcpu {
        if self.size.get("vcpu_milli").is_some() {
            let milli = self.reader.integer(self.size, "vcpu_milli", 1).unwrap_or(1);
            let sustained_milli = self.reader.integer(self.size, "sustained_milli", 1).unwrap_or(milli);
            if sustained_milli > milli {
                let at = self.reader.at(self.size, "sustained_milli");
                self.reader.problem(at, format!("`sustained_milli` is {sustained_milli}, above the {milli} there are"));
            }
            return Vcpu::Fixed { milli, sustained_milli };
        }
        let Some(entry) = self.table("vcpu", &["mb_per_vcpu", "table"]) else {
            if self.size.get("vcpu").or(self.root.get("vcpu")).is_none() {
                self.reader.problem_with_hint(
                    self.size.start,
                    "the size has no vCPU",
                    Some("`vcpu_milli` of the size, or `vcpu` of the file".to_owned()),
                );
            }
            return Vcpu::PerMemory(1);
        };
        if entry.get("table").is_none() {
            return Vcpu::PerMemory(self.reader.integer(entry, "mb_per_vcpu", 1).unwrap_or(1));
        }
        let rows: Vec<_> = self.numbers(entry, "table", 2).into_iter().map(|row| (row[0], row[1])).collect();
        if !rows.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            self.reader.problem(entry.start, "the rows of `table` are not in the order of their memory");
        }
        Vcpu::Table(rows)
    }

    /// How often instances are taken back, and how long before it is told: both or neither.
    pub fn interruptions(&mut self) -> Option<Interruptions> {
        let per_thousand_hours = self.integer("interruptions_per_thousand_hours", 1);
        let notice_us = self.time("notice");
        if per_thousand_hours.is_some() != notice_us.is_some() {
            let hint = Some("write both of them, or neither".to_owned());
            let message = "one of `interruptions_per_thousand_hours` and `notice` is missing";
            self.reader.problem_with_hint(self.size.start, message, hint);
        }
        Some(Interruptions { per_thousand_hours: per_thousand_hours?, notice_us: notice_us? })
    }

    /// The limits: of the service, and over them those of the size.
    pub fn limits(&mut self) -> Limits {
        let owners: Vec<_> =
            [self.size, self.root].into_iter().filter_map(|entry| self.reader.table(entry, "limits")).collect();
        for owner in &owners {
            self.reader.known_keys(*owner, LIMIT_KEYS);
        }
        let mut of = |key: &str| {
            let owner = owners.iter().copied().find(|owner| owner.get(key).is_some())?;
            self.table_of(owner, key, &format!("limits.{key}"), &["is"])
        };
        let tables = LIMIT_KEYS.iter().map(|key| of(key)).collect::<Vec<_>>();
        let [longest_run, request, response, concurrency, instances, gpus, no_schedule] = tables[..] else {
            return Limits::default();
        };
        let reader = &mut *self.reader;
        let mut count = |entry: Option<Entry<'t>>| {
            entry.and_then(|entry| reader.integer(entry, "is", 1)).and_then(|count| u64::try_from(count).ok())
        };
        let (concurrency, instances, gpus) = (count(concurrency), count(instances), count(gpus));
        let mut measure = |entry: Option<Entry<'t>>, units| entry.and_then(|entry| reader.measure(entry, "is", units));
        Limits {
            longest_run_s: measure(longest_run, TIMES).map(|us| us / 1_000_000),
            request_bytes: measure(request, SIZES),
            response_bytes: measure(response, SIZES),
            concurrency,
            instances,
            gpus: gpus.and_then(|gpus| u32::try_from(gpus).ok()).unwrap_or(0),
            no_schedule: no_schedule.is_some_and(|entry| self.reader.flag(entry, "is")),
        }
    }

    /// A list of whole numbers.
    fn list(&mut self, entry: Entry<'t>, key: &str) -> Vec<i64> {
        let Some(value) = entry.get(key) else { return Vec::new() };
        numbers(value.get_ref()).unwrap_or_else(|| {
            self.reader.problem(value.span().start, format!("`{key}` is not a list of whole numbers"));
            Vec::new()
        })
    }

    /// A list of lists of so many whole numbers.
    fn numbers(&mut self, entry: Entry<'t>, key: &str, width: usize) -> Vec<Vec<i64>> {
        let Some(value) = entry.get(key) else { return Vec::new() };
        let rows = value.get_ref().as_array().and_then(|rows| {
            rows.iter().map(|row| numbers(row.get_ref()).filter(|row| row.len() == width)).collect::<Option<Vec<_>>>()
        });
        rows.unwrap_or_else(|| {
            self.reader.problem(value.span().start, format!("`{key}` is not a list of lists of {width} whole numbers"));
            Vec::new()
        })
    }
}

fn numbers(value: &DeValue<'_>) -> Option<Vec<i64>> {
    value.as_array()?.iter().map(|item| integer(item.get_ref()).filter(|number| *number >= 1)).collect()
}
