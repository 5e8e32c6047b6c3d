//! Exactly once, for all formats at once: usage of many formats is cut, repeated, put into other envelopes and archives,
//! and ingested by processes that run at once and are killed. The lake is then what each record once would have made it.
//!
//! `PAYGRAIN_SEED=7 cargo test mixture` replays the mixture of a seed, `PAYGRAIN_SEEDS=30 cargo test mixture` tries as
//! many new ones. Even seeds mix all formats, odd ones some, which takes less time. When a process is killed is a random
//! share of the time that the same usage takes undisturbed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::{Random, Run, Workplace, gzip};
use aws::WITHOUT_TIME;
use bills::Bill;
use family::Family;
use others::{MAPPED, MAPPING};

/// Usage of AWS.
mod aws;
/// The logs of its APIs, load balancers, caches and workflows.
mod aws_calls;
/// The providers' own bills.
mod bills;
/// What is delivered, and in which envelopes.
mod family;
/// Usage of everybody else.
mod others;

/// What logs do not say is said for all alike.
const FLAGS: [&str; 8] =
    ["--account", "123456789012", "--region", "eu-west-1", "--resource", "f", "--at", "2026-10-06T12:00:00Z"];
const MAPPED_FLAGS: [&str; 2] = ["--mapping", "mapping.toml"];
const MONTH: &str = "2026-10";
const USAGE_TABLES: [&str; 4] = ["invocations", "requests", "storage", "metered"];

/// How many formats of usage and of bills there are in a mixture of some.
const FAMILIES: usize = 9;
const BILLS: usize = 2;
const KILLS: usize = 3;

#[test]
fn any_mixture_counts_each_record_once() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seeds = match (number("PAYGRAIN_SEED"), number("PAYGRAIN_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (now..now + count).collect(),
        (None, None) => vec![1, now | 1],
    };
    for seed in seeds {
        println!("seed {seed}; again with: PAYGRAIN_SEED={seed} cargo test mixture");
        let begun = Instant::now();
        Mixture::new(seed).check();
        println!("seed {seed}: {} s", begun.elapsed().as_secs());
    }
}

/// Usage and bills, and the random numbers that decide what becomes of them.
struct Mixture {
    random: Random,
    families: Vec<Family>,
    bills: Vec<Bill>,
}

/// A file to ingest: its name, its bytes, and whether the mapping reads it.
#[derive(Clone)]
struct Delivered {
    name: String,
    bytes: Vec<u8>,
    mapped: bool,
}

impl Mixture {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut families = aws::families(&mut random);
        families.extend(others::families(&mut random));
        let mut bills = bills::bills(&mut random);
        random.shuffle(&mut families);
        random.shuffle(&mut bills);
        if seed % 2 == 1 {
            families.truncate(FAMILIES);
            bills.truncate(BILLS);
        }
        Self { random, families, bills }
    }

    fn check(mut self) {
        let restated_in: Vec<usize> =
            self.bills.iter().map(|bill| self.random.below(bill.restated.envelopes.len() as u64) as usize).collect();
        let (expected, usual) = self.reference(&restated_in);

        let place = Workplace::new();
        place.file("mapping.toml", MAPPING);
        let (mut usage, mut first, mut restated) = (Vec::new(), Vec::new(), Vec::new());
        for family in &self.families {
            usage.extend(cut(family, &mut self.random));
        }
        for (bill, envelope) in self.bills.iter().zip(&restated_in) {
            let count = self.random.between(1, 3) as usize;
            let any = self.random.below(bill.first.envelopes.len() as u64) as usize;
            let days = bill.days.as_ref().map(|[first, restated]| (first, restated));
            first.extend(in_parts(&bill.first, days.map(|(first, _)| first), any, count, &mut self.random));
            // A part takes the place of that part, so there are no fewer the second time; one file takes that of all.
            let count = if self.random.one_in(2) { 1 } else { count.max(2) };
            let days = days.map(|(_, restated)| restated);
            restated.extend(in_parts(&bill.restated, days, *envelope, count, &mut self.random));
        }
        let names = |files: &[Delivered]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>().join(" ");
        println!("usage: {}\nbills: {}\nrestated: {}", names(&usage), names(&first), names(&restated));

        // Everything but the restated bills, by two processes at once, killed again and again until they are not.
        let mut chaos = usage.clone();
        chaos.extend(first.iter().cloned());
        let paths = packed(&place, "chaos", chaos, &mut self.random);
        for _ in 0..KILLS {
            let children = self.two_at_once(&place, &paths);
            for mut child in children {
                std::thread::sleep(Duration::from_micros(self.random.below(usual.as_micros() as u64)));
                child.kill().unwrap();
                child.wait().unwrap();
            }
            ledger_agrees(&place, false);
        }
        for child in self.two_at_once(&place, &paths) {
            succeeded(child);
        }
        ledger_agrees(&place, true);

        // The restated bills, killed once; then older ones again and whatever else, which changes nothing.
        let paths = packed(&place, "restated", restated, &mut self.random);
        let mut child = start(&place, &FLAGS, &paths.detected);
        std::thread::sleep(Duration::from_micros(self.random.below(usual.as_micros() as u64 / 4)));
        child.kill().unwrap();
        child.wait().unwrap();
        succeeded(start(&place, &FLAGS, &paths.detected));
        self.random.shuffle(&mut usage);
        usage.truncate(10);
        usage.retain(|file| !file.mapped);
        usage.extend(first);
        let paths = packed(&place, "again", usage, &mut self.random);
        succeeded(start(&place, &FLAGS, &paths.detected));

        ledger_agrees(&place, true);
        same(&contents(&place), &expected.0);
        assert_eq!(self.bill(&place), expected.1);
    }

    /// The bill, by day where every envelope says the day.
    fn bill(&self, place: &Workplace) -> Value {
        if self.families.iter().all(|family| family.name != aws::LAMBDA_WITHOUT_TIME) {
            return place.bill(MONTH);
        }
        place.json(&["bill", "--period", MONTH, "--by", "service,account,region,resource", "--format", "json"])
    }

    /// The rows and the bill of a lake to which each record came once, and how long that took.
    fn reference(&mut self, restated_in: &[usize]) -> ((BTreeMap<&'static str, Vec<String>>, Value), Duration) {
        let place = Workplace::new();
        place.file("mapping.toml", MAPPING);
        let begun = Instant::now();
        let mut files = Vec::new();
        for family in &self.families {
            let all: Vec<usize> = (0..family.count).collect();
            let path = place.file(&format!("{}-{}", family.name, family.file_name), family.file(0, &all));
            let flags = if family.name == MAPPED { &MAPPED_FLAGS[..] } else { &FLAGS[..] };
            files.push((flags, path, family.count));
        }
        for (bill, envelope) in self.bills.iter().zip(restated_in) {
            let all: Vec<usize> = (0..bill.restated.count).collect();
            let path = place.file(bill.restated.name, bill.restated.file(*envelope, &all));
            files.push((&FLAGS[..], path, bill.restated.count));
        }
        for flags in [&FLAGS[..], &MAPPED_FLAGS[..]] {
            let mine: Vec<_> = files.iter().filter(|(of, _, _)| *of == flags).collect();
            let paths: Vec<&Path> = mine.iter().map(|(_, path, _)| path.as_path()).collect();
            let uploads = if paths.is_empty() { Vec::new() } else { place.ingest(flags, &paths) };
            for (upload, (_, _, count)) in uploads.iter().zip(mine) {
                // Some records fill several rows.
                assert!(upload["accepted"].as_u64().unwrap() >= *count as u64, "{upload}");
                assert_eq!(upload["duplicate"], 0, "{upload}");
            }
        }
        ledger_agrees(&place, true);
        ((contents(&place), self.bill(&place)), begun.elapsed())
    }

    /// Two processes for each way to read files, each with more than a half of them, in an order of its own.
    fn two_at_once(&mut self, place: &Workplace, paths: &Packed) -> Vec<Child> {
        let mut children = Vec::new();
        for (flags, paths) in [(&FLAGS[..], &paths.detected), (&MAPPED_FLAGS[..], &paths.mapped)] {
            let mut shuffled = paths.clone();
            self.random.shuffle(&mut shuffled);
            let overlap = shuffled.len().div_ceil(5);
            let half = shuffled.len() / 2;
            let mut second = shuffled[half.saturating_sub(overlap)..].to_vec();
            shuffled.truncate(half);
            self.random.shuffle(&mut second);
            children.extend(
                [shuffled, second].iter().filter(|files| !files.is_empty()).map(|files| start(place, flags, files)),
            );
        }
        children
    }
}

/// The records of a family, each in at least one file: cut anywhere, in any order, in any envelope, and some again.
fn cut(family: &Family, random: &mut Random) -> Vec<Delivered> {
    let mut order: Vec<usize> = (0..family.count).collect();
    random.shuffle(&mut order);
    let mut ranges = Vec::new();
    let mut begin = 0;
    while begin < family.count {
        let end = (begin + random.between(3, 20) as usize).min(family.count);
        ranges.push((begin, end));
        begin = end;
    }
    // One that overlaps.
    let begin = random.below(family.count as u64) as usize;
    ranges.push((begin, random.between(begin as u64 + 1, family.count as u64) as usize));
    let mut files = Vec::new();
    for (begin, end) in ranges {
        let envelope = random.below(family.envelopes.len() as u64) as usize;
        let mut bytes = family.file(envelope, &order[begin..end]).into_bytes();
        if let Some(broken) = family.broken.filter(|_| envelope == 0 && random.one_in(3)) {
            bytes.extend(broken.as_bytes());
        }
        let name = format!(
            "{}-{}-{begin}-{end}-{}",
            family.name,
            family.envelopes[envelope].0.replace(' ', "_"),
            family.file_name
        );
        files.push(Delivered { name, bytes, mapped: family.name == MAPPED });
    }
    if random.one_in(2) {
        files.push(random.pick(&files).clone());
    }
    files
}

/// A delivery of a bill as so many files: numbered parts of it, or windows of days.
fn in_parts(
    bill: &Family,
    days: Option<&Vec<i64>>,
    envelope: usize,
    count: usize,
    random: &mut Random,
) -> Vec<Delivered> {
    let mut order: Vec<usize> = (0..bill.count).collect();
    random.shuffle(&mut order);
    let file = |suffix: &str, rows: &[usize]| {
        let name = format!("{}-{}{suffix}.csv", bill.name, bill.file_name);
        Delivered { name, bytes: bill.file(envelope, rows).into_bytes(), mapped: false }
    };
    if count == 1 {
        return vec![file("", &order)];
    }
    if let Some(days) = days {
        let window = |of: usize| -> Vec<usize> {
            order.iter().copied().filter(|row| days[*row] as usize % count == of).collect()
        };
        return (0..count).map(|of| file("-days", &window(of))).collect();
    }
    let parts = order.chunks(order.len().div_ceil(count)).enumerate();
    parts.map(|(number, rows)| file(&format!("-{:05}", number + 1), rows)).collect()
}

/// Files on disk.
#[derive(Default)]
struct Packed {
    detected: Vec<PathBuf>,
    mapped: Vec<PathBuf>,
}

/// Writes files as they are, compressed, or together in archives.
fn packed(place: &Workplace, folder: &str, mut files: Vec<Delivered>, random: &mut Random) -> Packed {
    random.shuffle(&mut files);
    let mut packed = Packed::default();
    let mut number = 0;
    while let Some(file) = files.pop() {
        number += 1;
        let mut members = vec![file];
        let mapped = members[0].mapped;
        let way = random.below(6);
        while way >= 4 && members.len() < 3 && files.last().is_some_and(|next| next.mapped == mapped) {
            members.extend(files.pop());
        }
        let Delivered { name, bytes, .. } = &members[0];
        let (name, bytes) = match way {
            0 | 1 => (name.clone(), bytes.clone()),
            2 => (format!("{name}.gz"), gzip(bytes)),
            3 => {
                let (front, back) = bytes.split_at(bytes.len() / 2);
                (format!("{name}.gz"), [gzip(front), gzip(back)].concat())
            }
            4 => ("archive.zip".to_owned(), zip_of(&members)),
            _ => ("archive.tar.gz".to_owned(), gzip(&tar_of(&members))),
        };
        let path = place.file(&format!("{folder}/{number}/{name}"), bytes);
        if mapped { packed.mapped.push(path) } else { packed.detected.push(path) }
    }
    packed
}

fn zip_of(members: &[Delivered]) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (number, member) in members.iter().enumerate() {
        zip.start_file(format!("{number}/{}", member.name), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&member.bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn tar_of(members: &[Delivered]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (number, member) in members.iter().enumerate() {
        let mut header = tar::Header::new_gnu();
        header.set_size(member.bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, format!("{number}/{}", member.name), member.bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn start(place: &Workplace, flags: &[&str], files: &[PathBuf]) -> Child {
    let mut arguments = vec!["ingest", "--format", "json"];
    arguments.extend(flags);
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    // What a killed process leaves behind goes with the directory.
    let mut command = place.command(&arguments);
    command.env("TMPDIR", place.path("")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a process says of its uploads adds up.
fn succeeded(child: Child) {
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    for upload in answer["uploads"].as_array().unwrap() {
        adds_up(upload);
    }
}

fn adds_up(upload: &Value) {
    let [read, accepted, duplicate, rejected] =
        ["read", "accepted", "duplicate", "rejected"].map(|name| upload[name].as_u64().unwrap());
    assert_eq!(read, accepted + duplicate + rejected, "{upload}");
}

/// Rows of a query; none in a lake that has nothing yet.
fn rows(place: &Workplace, query: &str) -> Vec<Value> {
    let run = place.run(&["sql", "--format", "json", query]);
    if run.code == Some(1) && run.stderr.contains("has no usage yet") {
        return Vec::new();
    }
    assert_eq!(run.code, Some(0), "{query}: {}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

/// Every upload in the ledger has all its rows. What a kill cut off between the rows and the ledger may have none there
/// until the next process completes it.
fn ledger_agrees(place: &Workplace, complete: bool) {
    let counts: Vec<_> = USAGE_TABLES
        .iter()
        .chain(&["billed", "rejected_rows"])
        .map(|table| format!("SELECT '{table}' AS name, upload_id, count(*) AS rows FROM {table} GROUP BY upload_id"))
        .collect();
    let mut found: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for row in rows(place, &counts.join(" UNION ALL ")) {
        let of = |name: &str| row[name].as_str().unwrap().to_owned();
        found.entry(of("upload_id")).or_default().insert(of("name"), row["rows"].as_u64().unwrap());
    }
    for upload in rows(place, "SELECT * FROM uploads") {
        adds_up(&upload);
        let own = found.remove(upload["id"].as_str().unwrap()).unwrap_or_default();
        let of = |name: &str| own.get(name).copied().unwrap_or(0);
        assert_eq!(of("rejected_rows"), upload["rejected"], "{upload}");
        let usage: u64 = USAGE_TABLES.iter().map(|table| of(table)).sum();
        let accepted = upload["accepted"].as_u64().unwrap();
        // A bill's lines go when a later delivery takes their place.
        let is_bill = ["aws-cur", "focus", "azure-cost", "gcp-billing", "aws-cost-explorer", "oci-cost"]
            .contains(&upload["format"].as_str().unwrap());
        if is_bill {
            assert!(usage == 0 && of("billed") <= accepted, "{upload}: {own:?}");
        } else {
            assert_eq!((usage, of("billed")), (accepted, 0), "{upload}: {own:?}");
        }
    }
    assert!(!complete || found.is_empty(), "rows of no upload: {found:?}");
}

/// All rows of all tables, as they are whatever upload they came in.
fn contents(place: &Workplace) -> BTreeMap<&'static str, Vec<String>> {
    let mut tables = BTreeMap::new();
    for table in USAGE_TABLES.into_iter().chain(["billed"]) {
        let mut texts: Vec<String> = rows(place, &format!("SELECT * FROM {table}"))
            .into_iter()
            .map(|mut row| {
                let without_time = row["request_id"].as_str().is_some_and(|id| id.starts_with(WITHOUT_TIME));
                let is_lambda = row["provider"] == "aws" && row["service"] == "lambda";
                let object = row.as_object_mut().unwrap();
                object.remove("upload_id");
                if table == "billed" {
                    // How a delivery was cut into files; equal lines are counted in each.
                    object.remove("part");
                    object.remove("record_key");
                }
                if is_lambda {
                    // Not every envelope says it.
                    object.remove("version");
                }
                if without_time {
                    // As the first envelope said it, or as `--at` did.
                    for name in ["date", "started_at", "time_source"] {
                        object.remove(name);
                    }
                }
                row.to_string()
            })
            .collect();
        texts.sort();
        tables.insert(table, texts);
    }
    tables
}

/// Names what differs, not all that there is.
fn same(found: &BTreeMap<&str, Vec<String>>, expected: &BTreeMap<&str, Vec<String>>) {
    for (table, wanted) in expected {
        let count = |rows: &[String]| {
            let mut counts: BTreeMap<String, i64> = BTreeMap::new();
            rows.iter().for_each(|row| *counts.entry(row.clone()).or_default() += 1);
            counts
        };
        let (is, should_be) = (count(&found[table]), count(wanted));
        let more = |these: &BTreeMap<String, i64>, those: &BTreeMap<String, i64>| {
            let too_many = |(row, count): &(&String, &i64)| **count > those.get(*row).copied().unwrap_or(0);
            these.iter().filter(too_many).map(|(row, _)| row.clone()).take(3).collect::<Vec<_>>()
        };
        let (too_many, missing) = (more(&is, &should_be), more(&should_be, &is));
        assert!(
            too_many.is_empty() && missing.is_empty(),
            "table {table}: {} rows, expected {}\ntoo many: {too_many:#?}\nmissing: {missing:#?}",
            found[table].len(),
            wanted.len()
        );
    }
}
