//! The jobs of `benches/compare/queries.py`, answered from a lake: see the README there for what each of them asks.
//!
//! ```text
//! query_jobs --lake DIR --jobs q1,q2 --repeat 3 --out OUT
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program of the benchmark may panic")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use paygrain_ingest::Lake;
use paygrain_pricing::Catalogue;
use paygrain_query::{Engine, Workload};

/// May 2026, UTC, days since 1970.
const MAY: std::ops::RangeInclusive<i32> = 20_574..=20_604;
/// 2026-05-25, days since 1970.
const LAST_WEEK: i32 = 20_598;
/// The rounding to 100 ms among those that are summed.
const HUNDRED_MS: usize = 1;
const FUNCTION: &str = "image-image-0009";
/// A short job is repeated up to so often, or for so long.
const REPEAT_MAX: usize = 15;
const REPEAT_S: f64 = 0.5;
/// 1 GB-s in MB-ms.
const GB_S: i128 = 1_024_000;
/// Upper limits of the tiers in GB-s and their prices in 10⁻¹⁰ USD a GB-s; what is free comes first.
const TIERS: [(i128, i128); 4] = [(4_000, 0), (64_000, 166_667), (154_000, 150_000), (i128::MAX / GB_S, 133_334)];
const FREE_REQUESTS: i128 = 100_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut given: HashMap<String, String> = HashMap::new();
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        given.insert(name, value);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(&given));
}

async fn run(given: &HashMap<String, String>) {
    let lake = Lake::open(&given["--lake"]).unwrap();
    let repeat = given.get("--repeat").map_or(3, |text| text.parse::<usize>().unwrap());
    let out = PathBuf::from(&given["--out"]);
    fs::create_dir_all(&out).unwrap();
    let engine = Engine::new(lake, Catalogue::embedded().unwrap());
    for job in given["--jobs"].split(',') {
        let (mut cpu_s, mut wall_s) = (Vec::new(), Vec::new());
        let mut answer = Vec::new();
        let started = cpu();
        while cpu_s.len() < repeat || (cpu_s.len() < REPEAT_MAX && cpu() - started < REPEAT_S) {
            let (cpu_before, wall) = (cpu(), Instant::now());
            // The lake is looked at anew each time; what was added up before and is still so may be used.
            let workload = engine.workload(MAY).await.unwrap();
            let workload = workload.as_ref().as_ref().expect("the lake has rollups of May 2026");
            answer = match job {
                "j2c" => rated(workload),
                "q1" => by_team_function_day(workload),
                "q2" => most(workload),
                "q3" => percentiles(workload),
                "q4" => busy(workload),
                "q5" => one_function(workload),
                "j4a" => roundings(workload),
                other => panic!("there is no job `{other}`"),
            };
            cpu_s.push(cpu() - cpu_before);
            wall_s.push(wall.elapsed().as_secs_f64());
        }
        let mut text = String::new();
        for row in &answer {
            writeln!(text, "{}", row.join(",")).unwrap();
        }
        fs::write(out.join(format!("{job}.csv")), text).unwrap();
        println!("{}", serde_json::json!({ "job": job, "cpu_s": cpu_s, "wall_s": wall_s, "peak_mb": peak_mb() }));
    }
}

type Row = Vec<String>;

/// CPU seconds of the process. Its threads live as long as it does.
fn cpu() -> f64 {
    let nanoseconds: f64 = fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum();
    nanoseconds / 1e9
}

fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Function of each group.
fn functions(workload: &Workload) -> Vec<&str> {
    workload.groups().iter().map(|group| group.text("resource").unwrap_or_default()).collect()
}

fn memory(workload: &Workload) -> Vec<i64> {
    workload.groups().iter().map(|group| group.integer("memory_mb").unwrap_or(0)).collect()
}

fn rated(workload: &Workload) -> Vec<Row> {
    let (functions, memory) = (functions(workload), memory(workload));
    let mut sums: HashMap<(i32, &str), (i128, i128)> = HashMap::new();
    for sum in workload.by_day() {
        let group = sum.group as usize;
        let (requests, mb_ms) = sums.entry((sum.day, functions[group])).or_default();
        *requests += i128::from(sum.count);
        *mb_ms += i128::from(sum.rounded_us[HUNDRED_MS] / 1000) * i128::from(memory[group]);
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable_by_key(|(key, _)| *key);
    let (mut requests_before, mut mb_ms_before) = (0, 0);
    let charge = |mb_ms: i128| {
        let (mut from, mut charge) = (0, 0);
        for (limit, price) in TIERS {
            let to = limit * GB_S;
            charge += (mb_ms.min(to) - from).max(0) * price;
            from = to;
        }
        charge
    };
    let of_requests = |requests: i128| (requests - FREE_REQUESTS).max(0) * 2;
    sums.into_iter()
        .map(|((day, function), (requests, mb_ms))| {
            let duration_charge = charge(mb_ms_before + mb_ms) - charge(mb_ms_before);
            let request_charge = of_requests(requests_before + requests) - of_requests(requests_before);
            requests_before += requests;
            mb_ms_before += mb_ms;
            [day.into(), 0, requests, mb_ms, duration_charge, request_charge]
                .iter()
                .enumerate()
                .map(|(place, number)| if place == 1 { function.to_owned() } else { number.to_string() })
                .collect()
        })
        .collect()
}

fn by_team_function_day(workload: &Workload) -> Vec<Row> {
    let memory = memory(workload);
    let teams: Vec<_> = workload.groups().iter().map(|group| group.text("account").unwrap_or_default()).collect();
    let functions = functions(workload);
    let mut sums: HashMap<(&str, &str, i32), (u64, i128)> = HashMap::new();
    for sum in workload.by_day() {
        let group = sum.group as usize;
        let (requests, mb_ms) = sums.entry((teams[group], functions[group], sum.day)).or_default();
        *requests += sum.count;
        *mb_ms += i128::from(sum.rounded_us[HUNDRED_MS] / 1000) * i128::from(memory[group]);
    }
    sums.into_iter()
        .map(|((team, function, day), (requests, mb_ms))| {
            vec![team.to_owned(), function.to_owned(), day.to_string(), requests.to_string(), mb_ms.to_string()]
        })
        .collect()
}

fn most(workload: &Workload) -> Vec<Row> {
    let (functions, memory) = (functions(workload), memory(workload));
    let mut sums: HashMap<&str, i128> = HashMap::new();
    let from = workload.by_day().partition_point(|sum| sum.day < LAST_WEEK);
    for sum in &workload.by_day()[from..] {
        let group = sum.group as usize;
        *sums.entry(functions[group]).or_default() +=
            i128::from(sum.rounded_us[HUNDRED_MS] / 1000) * i128::from(memory[group]);
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable_by_key(|(function, mb_ms)| (-mb_ms, *function));
    sums.truncate(20);
    sums.into_iter().map(|(function, mb_ms)| vec![function.to_owned(), mb_ms.to_string()]).collect()
}

fn percentiles(workload: &Workload) -> Vec<Row> {
    let mut groups: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (number, function) in (0..).zip(functions(workload)) {
        groups.entry(function).or_default().push(number);
    }
    let found = groups.into_iter().map(|(function, groups)| {
        let (count, [p50, p95, p99]) = workload.percentiles(&groups, [50, 95, 99]);
        vec![function.to_owned(), count.to_string(), p50.to_string(), p95.to_string(), p99.to_string()]
    });
    found.filter(|row| row[1] != "0").collect()
}

fn busy(workload: &Workload) -> Vec<Row> {
    let row = |sum: &paygrain_query::workload::HourSum| {
        vec![sum.hour.to_string(), sum.count.to_string(), sum.duration_us.to_string()]
    };
    workload.by_hour().iter().map(row).collect()
}

fn one_function(workload: &Workload) -> Vec<Row> {
    let (functions, memory) = (functions(workload), memory(workload));
    let mut sums: BTreeMap<i32, (u64, i128)> = BTreeMap::new();
    for sum in workload.by_day().iter().filter(|sum| functions[sum.group as usize] == FUNCTION) {
        let (requests, mb_ms) = sums.entry(sum.day).or_default();
        *requests += sum.count;
        *mb_ms += i128::from(sum.rounded_us[HUNDRED_MS] / 1000) * i128::from(memory[sum.group as usize]);
    }
    let groups: Vec<u32> =
        (0..).zip(&functions).filter(|(_, name)| **name == FUNCTION).map(|(group, _)| group).collect();
    sums.into_iter()
        .map(|(day, (requests, mb_ms))| {
            let (_, [p95]) = workload.percentiles_of_day(day, &groups, [95]);
            vec![day.to_string(), requests.to_string(), mb_ms.to_string(), p95.to_string()]
        })
        .collect()
}

fn roundings(workload: &Workload) -> Vec<Row> {
    let functions = functions(workload);
    let mut sums: HashMap<&str, [i64; 4]> = HashMap::new();
    for sum in workload.by_day() {
        let of_function = sums.entry(functions[sum.group as usize]).or_default();
        of_function.iter_mut().zip(sum.rounded_us).for_each(|(all, one)| *all += one);
    }
    sums.into_iter()
        .map(|(function, rounded)| {
            let rounded = rounded.iter().map(|us| (us / 1000).to_string());
            std::iter::once(function.to_owned()).chain(rounded).collect()
        })
        .collect()
}
