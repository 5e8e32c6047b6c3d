//! The jobs of `benches/compare/queries.py`, answered from a lake: see the README there for what each of them asks.
//!
//! ```text
//! query_jobs --lake DIR [--raw FILE] --jobs q1,q2 --repeat 3 --out OUT
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program of the benchmark may panic")]

mod rows;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use paygrain_ingest::Lake;
use paygrain_pricing::Catalogue;
use paygrain_query::workload::DaySum;
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
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // No thread ends before the program does, and takes its CPU time along.
    runtime.worker_threads(2).thread_keep_alive(Duration::MAX).enable_all();
    runtime.build().unwrap().block_on(run(&given));
}

async fn run(given: &HashMap<String, String>) {
    let lake = Lake::open(&given["--lake"]).unwrap();
    let repeat = given.get("--repeat").map_or(3, |text| text.parse::<usize>().unwrap());
    let out = PathBuf::from(&given["--out"]);
    fs::create_dir_all(&out).unwrap();
    let engine = Engine::new(lake, Catalogue::embedded().unwrap());
    for job in given["--jobs"].split(',') {
        let (mut cpu_s, mut wall_s) = (Vec::new(), Vec::new());
        let mut text = String::new();
        let started = cpu();
        while cpu_s.len() < repeat || (cpu_s.len() < REPEAT_MAX && cpu() - started < REPEAT_S) {
            let (cpu_before, wall) = (cpu(), Instant::now());
            // The lake is looked at anew each time; what was added up before and is still so may be used.
            let (workload, summed, scaled, peaks);
            let answer = match job {
                "j2a" | "j2b" => {
                    summed = match job {
                        "j2a" => rows::of_file(Path::new(&given["--raw"])).await,
                        _ => rows::of_lake(engine.lake()).await,
                    };
                    rated_rows(&summed)
                }
                "j4b" => {
                    scaled = rows::by_size(engine.lake()).await;
                    sizes(&scaled)
                }
                "j4c" => {
                    peaks = engine.hourly_peaks(MAY).await.unwrap().expect("the lake has rollups of May 2026");
                    most_at_once(&peaks)
                }
                _ => {
                    workload = engine.workload(MAY).await.unwrap();
                    let workload = workload.as_ref().as_ref().expect("the lake has rollups of May 2026");
                    match job {
                        "j2c" => rated(workload),
                        "q1" => by_team_function_day(workload),
                        "q2" => most(workload),
                        "q3" => percentiles(workload),
                        "q4" => busy(workload),
                        "q5" => one_function(workload),
                        "j4a" => roundings(workload),
                        other => panic!("there is no job `{other}`"),
                    }
                }
            };
            cpu_s.push(cpu() - cpu_before);
            wall_s.push(wall.elapsed().as_secs_f64());
            if text.is_empty() {
                text = answer.text();
            }
        }
        fs::write(out.join(format!("{job}.csv")), text).unwrap();
        println!("{}", serde_json::json!({ "job": job, "cpu_s": cpu_s, "wall_s": wall_s, "peak_mb": peak_mb() }));
    }
}

/// A cell of an answer.
#[derive(Clone, Copy)]
enum Cell<'a> {
    Text(&'a str),
    Number(i128),
}

/// The rows of an answer, one after the other.
struct Answer<'a> {
    width: usize,
    cells: Vec<Cell<'a>>,
}

impl<'a> Answer<'a> {
    fn new(width: usize) -> Self {
        Self { width, cells: Vec::new() }
    }

    fn push<const N: usize>(&mut self, row: [Cell<'a>; N]) {
        self.cells.extend(row);
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for row in self.cells.chunks(self.width) {
            for (place, cell) in row.iter().enumerate() {
                text += if place > 0 { "," } else { "" };
                match cell {
                    Cell::Text(word) => text += word,
                    Cell::Number(number) => write!(text, "{number}").unwrap(),
                }
            }
            text += "\n";
        }
        text
    }
}

fn number(number: impl Into<i128>) -> Cell<'static> {
    Cell::Number(number.into())
}

/// CPU seconds of the process: of all its threads, which live as long as it does.
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

/// The different texts of a column, in order, and which of them each group has.
fn named<'a>(workload: &'a Workload, column: &str) -> (Vec<&'a str>, Vec<usize>) {
    let of_group: Vec<&str> = workload.groups().iter().map(|group| group.text(column).unwrap_or_default()).collect();
    let mut names = of_group.clone();
    names.sort_unstable();
    names.dedup();
    let places = of_group.iter().map(|name| names.binary_search(name).unwrap()).collect();
    (names, places)
}

fn memory(workload: &Workload) -> Vec<i128> {
    workload.groups().iter().map(|group| group.integer("memory_mb").unwrap_or(0).into()).collect()
}

fn billed_mb_ms(sum: &DaySum, memory: &[i128]) -> i128 {
    i128::from(sum.rounded_us[HUNDRED_MS] / 1000) * memory[sum.group as usize]
}

/// Requests and billed MB-ms by day (from the first) and function.
fn by_day_and_function(workload: &Workload, functions: usize, places: &[usize]) -> Vec<(i128, i128)> {
    let memory = memory(workload);
    let mut sums = vec![(0, 0); MAY.count() * functions];
    for sum in workload.by_day() {
        let day = usize::try_from(sum.day - MAY.start()).unwrap();
        let (requests, mb_ms) = &mut sums[day * functions + places[sum.group as usize]];
        *requests += i128::from(sum.count);
        *mb_ms += billed_mb_ms(sum, &memory);
    }
    sums
}

/// What so many MB-ms cost, all together.
fn duration_charge(mb_ms: i128) -> i128 {
    let (mut from, mut charge) = (0, 0);
    for (limit, price) in TIERS {
        let to = limit * GB_S;
        charge += (mb_ms.min(to) - from).max(0) * price;
        from = to;
    }
    charge
}

fn request_charge(requests: i128) -> i128 {
    (requests - FREE_REQUESTS).max(0) * 2
}

fn rated(workload: &Workload) -> Answer<'_> {
    let (functions, places) = named(workload, "resource");
    let sums = by_day_and_function(workload, functions.len(), &places);
    rated_sums(&functions, &sums)
}

/// What was read row by row, in the order of the functions' names.
fn rated_rows((functions, by_day): &(Vec<String>, rows::ByDayAndFunction)) -> Answer<'_> {
    let mut order: Vec<usize> = (0..functions.len()).collect();
    order.sort_unstable_by_key(|function| &functions[*function]);
    let names: Vec<&str> = order.iter().map(|function| functions[*function].as_str()).collect();
    let sums = by_day.iter().flat_map(|of_day| order.iter().map(|function| of_day[*function]));
    let sums: Vec<(i128, i128)> = sums.map(|(requests, mb_ms)| (requests.into(), mb_ms.into())).collect();
    rated_sums(&names, &sums)
}

/// Requests and billed MB-ms by day and function, rated in this order.
fn rated_sums<'a>(functions: &[&'a str], sums: &[(i128, i128)]) -> Answer<'a> {
    let mut answer = Answer::new(6);
    let (mut requests_before, mut mb_ms_before) = (0, 0);
    for (row, (requests, mb_ms)) in sums.iter().copied().enumerate() {
        if requests == 0 {
            continue;
        }
        let (day, function) = (row / functions.len(), functions[row % functions.len()]);
        let (requests_after, mb_ms_after) = (requests_before + requests, mb_ms_before + mb_ms);
        answer.push([
            number(i128::from(*MAY.start()) + day as i128),
            Cell::Text(function),
            number(requests),
            number(mb_ms),
            number(duration_charge(mb_ms_after) - duration_charge(mb_ms_before)),
            number(request_charge(requests_after) - request_charge(requests_before)),
        ]);
        (requests_before, mb_ms_before) = (requests_after, mb_ms_after);
    }
    answer
}

fn sizes((functions, sums): &(Vec<String>, Vec<Vec<u64>>)) -> Answer<'_> {
    let mut answer = Answer::new(1 + 4 * rows::SIZES.len());
    for (function, sums) in functions.iter().zip(sums) {
        answer.push([Cell::Text(function)]);
        answer.cells.extend(sums.iter().map(|sum| number(*sum)));
    }
    answer
}

fn most_at_once(peaks: &[(i64, u64)]) -> Answer<'static> {
    let mut answer = Answer::new(2);
    peaks.iter().for_each(|(hour, peak)| answer.push([number(*hour), number(*peak)]));
    answer
}

fn by_team_function_day(workload: &Workload) -> Answer<'_> {
    let (teams, team_of) = named(workload, "account");
    let (functions, function_of) = named(workload, "resource");
    // A function of two teams is two.
    let mut pairs: Vec<(usize, usize)> = team_of.into_iter().zip(function_of).collect();
    let of_group = pairs.clone();
    pairs.sort_unstable();
    pairs.dedup();
    let places: Vec<usize> = of_group.iter().map(|pair| pairs.binary_search(pair).unwrap()).collect();
    let mut answer = Answer::new(5);
    for (row, (requests, mb_ms)) in by_day_and_function(workload, pairs.len(), &places).into_iter().enumerate() {
        let (day, (team, function)) = (row / pairs.len(), pairs[row % pairs.len()]);
        if requests > 0 {
            let day = number(i128::from(*MAY.start()) + day as i128);
            let (team, function) = (Cell::Text(teams[team]), Cell::Text(functions[function]));
            answer.push([team, function, day, number(requests), number(mb_ms)]);
        }
    }
    answer
}

fn most(workload: &Workload) -> Answer<'_> {
    let (functions, places) = named(workload, "resource");
    let memory = memory(workload);
    let mut sums = vec![0; functions.len()];
    let from = workload.by_day().partition_point(|sum| sum.day < LAST_WEEK);
    for sum in &workload.by_day()[from..] {
        sums[places[sum.group as usize]] += billed_mb_ms(sum, &memory);
    }
    let mut sums: Vec<_> = sums.into_iter().zip(functions).collect();
    sums.sort_unstable_by_key(|(mb_ms, function)| (-mb_ms, *function));
    let mut answer = Answer::new(2);
    sums.into_iter().take(20).for_each(|(mb_ms, function)| answer.push([Cell::Text(function), number(mb_ms)]));
    answer
}

fn percentiles(workload: &Workload) -> Answer<'_> {
    let (functions, places) = named(workload, "resource");
    let mut groups = vec![Vec::new(); functions.len()];
    (0_u32..).zip(places).for_each(|(group, place)| groups[place].push(group));
    let mut answer = Answer::new(5);
    for (function, groups) in functions.into_iter().zip(groups) {
        let (count, [p50, p95, p99]) = workload.percentiles(&groups, [50, 95, 99]);
        if count > 0 {
            answer.push([Cell::Text(function), number(count), number(p50), number(p95), number(p99)]);
        }
    }
    answer
}

fn busy(workload: &Workload) -> Answer<'_> {
    let mut answer = Answer::new(3);
    for sum in workload.by_hour() {
        answer.push([number(sum.hour), number(sum.count), number(sum.duration_us)]);
    }
    answer
}

fn one_function(workload: &Workload) -> Answer<'_> {
    let memory = memory(workload);
    let is_one: Vec<bool> = workload.groups().iter().map(|group| group.text("resource") == Some(FUNCTION)).collect();
    let groups: Vec<u32> = (0..).zip(&is_one).filter(|(_, is_one)| **is_one).map(|(group, _)| group).collect();
    let mut sums: BTreeMap<i32, (i128, i128)> = BTreeMap::new();
    for sum in workload.by_day().iter().filter(|sum| is_one[sum.group as usize]) {
        let (requests, mb_ms) = sums.entry(sum.day).or_default();
        *requests += i128::from(sum.count);
        *mb_ms += billed_mb_ms(sum, &memory);
    }
    let mut answer = Answer::new(4);
    for (day, (requests, mb_ms)) in sums {
        let (_, [p95]) = workload.percentiles_of_day(day, &groups, [95]);
        answer.push([number(day), number(requests), number(mb_ms), number(p95)]);
    }
    answer
}

fn roundings(workload: &Workload) -> Answer<'_> {
    let (functions, places) = named(workload, "resource");
    let mut sums = vec![[0_i64; 4]; functions.len()];
    for sum in workload.by_day() {
        sums[places[sum.group as usize]].iter_mut().zip(sum.rounded_us).for_each(|(all, one)| *all += one);
    }
    let mut answer = Answer::new(5);
    for (function, rounded) in functions.into_iter().zip(sums) {
        let [a, b, c, d] = rounded.map(|us| number(us / 1000));
        answer.push([Cell::Text(function), a, b, c, d]);
    }
    answer
}
