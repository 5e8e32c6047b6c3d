//! Makes up usage logs of any size for benchmarks: `generate_usage FORMAT ROWS [SEED] > FILE`.
//!
//! FORMAT is `lambda` (START, END and REPORT with time and log group in front), `csv`, `ndjson`, or `s3` (server access
//! log). A month of calls of 2,000 functions of 40 teams. The first function makes about a fifth of all calls and ten of
//! them half (Zipf, exponent 1.2); hours of the day, weekends and bursts show; durations are log-normal, each function with
//! a median and a spread of its own, in steps of 10 µs; one function in twenty changes its memory within the month; one
//! call in fifty is a cold start, one in a hundred fails. One row in two hundred is there twice: half of them soon, half up
//! to a day later. The same seed gives the same bytes on every machine: nothing is a float.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::ops::Range;

const FUNCTIONS: usize = 2_000;
const TEAMS: u64 = 40;
const DAYS: u64 = 31;
const HOURS: u64 = DAYS * 24;
const MINUTE_US: u64 = 60_000_000;
const HOUR_US: u64 = 60 * MINUTE_US;
const DAY_US: u64 = 24 * HOUR_US;
/// 2026-05-01T00:00:00Z, a Friday.
const FROM_US: u64 = 1_777_593_600_000_000;
/// The one of fixed-point numbers: logarithms, normal deviates and factors have 16 binary places.
const ONE: i64 = 1 << 16;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [format, rows, seed @ ..] = &arguments[..] else {
        return Err("usage: generate_usage lambda|csv|ndjson|s3 ROWS [SEED]".into());
    };
    let rows: u64 = rows.parse()?;
    let mut random = Random(seed.first().map_or(Ok(1), |seed| seed.parse())?);
    let functions = functions(&mut random);
    let write: fn(&mut String, &Call, &Function) = match format.as_str() {
        "lambda" => lambda,
        "csv" => csv,
        "ndjson" => ndjson,
        "s3" => s3,
        _ => return Err("the formats are lambda, csv, ndjson and s3".into()),
    };
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    if format == "csv" {
        out.write_all(b"request_id,started_at,team,function,memory_mb,duration_ms,init_ms,used_mb,status\n")?;
    }
    let mut text = String::new();
    let mut repeats: VecDeque<(u64, Call)> = VecDeque::new();
    let ends = hour_ends(rows, &mut random);
    let mut first = 0;
    for (hour, &end) in (0..).zip(&ends) {
        let busy = Hour::new(hour, first..end, &functions, &mut random);
        for row in first..end {
            let due = repeats.front().is_some_and(|(due, _)| *due <= row);
            let call = match repeats.pop_front_if(|_| due) {
                Some((_, call)) => call,
                None => {
                    let call = Call::new(row, &busy, &functions, &mut random);
                    if random.below(200) == 0 {
                        // Half of the repetitions come soon, half an hour to a day later.
                        let an_hour = rows / HOURS;
                        let later = if random.below(2) == 0 {
                            random.below(5_000)
                        } else {
                            an_hour + random.below(an_hour * 23 + 1)
                        };
                        let at = repeats.partition_point(|(due, _)| *due <= row + 1 + later);
                        repeats.insert(at, (row + 1 + later, call.clone()));
                    }
                    call
                }
            };
            text.clear();
            write(&mut text, &call, &functions[call.function]);
            out.write_all(text.as_bytes())?;
        }
        first = end;
    }
    out.flush()?;
    Ok(())
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// About normal with deviation one: the sum of eight even ones, scaled.
    fn normal(&mut self) -> i64 {
        let sum: u64 =
            [self.next(), self.next()].iter().flat_map(|bits| [0, 16, 32, 48].map(|at| bits >> at & 0xffff)).sum();
        (sum.cast_signed() - 262_140) * ONE / 53_510
    }

    /// Log-normal around 2^`median`, where the logarithm to base 2 deviates by `spread`.
    fn log_normal(&mut self, median: i64, spread: i64) -> u64 {
        power_of_two(median + spread * self.normal() / ONE)
    }
}

/// 2^`exponent`, both in fixed point; within 2^-16 and 2^30.
fn power_of_two(exponent: i64) -> u64 {
    const DIGITS: usize = 16;
    /// 2^(1/2), 2^(1/4), 2^(1/8) … with 30 binary places.
    const ROOTS: [u64; DIGITS] = {
        let mut roots = [(2_u64 << 60).isqrt(); DIGITS];
        let mut at = 1;
        while at < DIGITS {
            roots[at] = (roots[at - 1] << 30).isqrt();
            at += 1;
        }
        roots
    };
    let exponent = exponent.clamp(-16 * ONE, 30 * ONE);
    let digits = exponent.rem_euclid(ONE);
    let mut power = 1_u64 << 30;
    for (at, root) in ROOTS.iter().enumerate() {
        if digits >> (DIGITS - 1 - at) & 1 == 1 {
            power = (power * root) >> 30;
        }
    }
    ((u128::from(power) << (exponent.div_euclid(ONE) + 16)) >> 30) as u64
}

struct Function {
    name: String,
    team: u64,
    weight: u64,
    /// Before and from `changes_at_us` of the month on.
    memory_mb: [u64; 2],
    changes_at_us: u64,
    /// Logarithms to base 2, in fixed point: the median duration in units of 10 µs, as the platform writes durations, and
    /// how far durations deviate from it.
    median: i64,
    spread: i64,
}

fn functions(random: &mut Random) -> Vec<Function> {
    const WORDS: [&str; 8] = ["order", "image", "invoice", "search", "mail", "report", "login", "cart"];
    /// Sizes, and how many functions of a hundred have at most this one.
    const MEMORY_MB: [(u64, u64); 10] = [
        (128, 22),
        (256, 40),
        (512, 60),
        (1024, 75),
        (1536, 80),
        (1769, 86),
        (2048, 92),
        (3008, 96),
        (4096, 99),
        (10_240, 100),
    ];
    let memory = |random: &mut Random| {
        let part = random.below(100);
        MEMORY_MB[MEMORY_MB.partition_point(|(_, up_to)| *up_to <= part)].0
    };
    (0..FUNCTIONS)
        .map(|at| {
            let memory_mb = memory(random);
            let changes = random.below(20) == 0;
            Function {
                name: format!("{}-{}-{at:04}", WORDS[at % 8], WORDS[(at / 8) % 8]),
                team: random.below(TEAMS),
                weight: zipf(at as u64 + 1),
                memory_mb: [memory_mb, if changes { memory(random) } else { memory_mb }],
                changes_at_us: (24 + random.below(HOURS - 24)) * HOUR_US,
                // About 300 ms, a decade up or down in a tenth of the functions each.
                median: 979_650 + 163_280 * random.normal() / ONE,
                // About a factor of 1.7, in most functions between 1.3 and 2.7.
                spread: ((random.log_normal(-10 * ONE / 9, 56_730) * 94_548) >> 16).clamp(4_727, 236_370).cast_signed(),
            }
        })
        .collect()
}

/// 2^30 / `rank`^1.2, in whole numbers.
fn zipf(rank: u64) -> u64 {
    let power = u128::from(rank).pow(6) << 50;
    let (mut low, mut high) = (1_u64, 1_u64 << 25);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if u128::from(middle).pow(5) <= power { low = middle } else { high = middle - 1 }
    }
    (1 << 40) / low
}

/// Sums of all weights up to and with each.
fn sums(weights: impl IntoIterator<Item = u64>) -> Vec<u64> {
    weights
        .into_iter()
        .scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect()
}

/// The row after the last of each hour.
fn hour_ends(rows: u64, random: &mut Random) -> Vec<u64> {
    /// Of the sine, in thousandths, every 15 degrees.
    const SINE: [i64; 24] = [
        0, 259, 500, 707, 866, 966, 1_000, 966, 866, 707, 500, 259, 0, -259, -500, -707, -866, -966, -1_000, -966,
        -866, -707, -500, -259,
    ];
    let mut weights: Vec<u64> = (0..HOURS)
        .map(|hour| {
            let of_day = (1_000 + SINE[(hour as usize + 16) % 24] * 55 / 100).unsigned_abs();
            let of_week = if (hour / 24 + 4) % 7 < 5 { 100 } else { 65 };
            (of_day * of_week * random.log_normal(0, 14_180)) >> 6
        })
        .collect();
    for _ in 0..12 {
        let burst = random.below(HOURS) as usize;
        weights[burst] = weights[burst] * (150 + random.below(251)) / 100;
    }
    let sums = sums(weights);
    let total = u128::from(sums[sums.len() - 1]);
    sums.iter().map(|sum| (u128::from(rows) * u128::from(*sum) / total) as u64).collect()
}

/// How the calls of an hour fall upon functions and minutes: sums of weights.
struct Hour {
    from_us: u64,
    rows: Range<u64>,
    functions: Vec<u64>,
    minutes: Vec<u64>,
}

impl Hour {
    fn new(hour: u64, rows: Range<u64>, functions: &[Function], random: &mut Random) -> Self {
        Hour {
            from_us: hour * HOUR_US,
            rows,
            functions: sums(functions.iter().map(|function| {
                let burst = if random.below(100) == 0 { 12 } else { 1 };
                (function.weight * burst * random.log_normal(0, 60_210)) >> 16
            })),
            minutes: sums((0..60).map(|_| random.log_normal(0, 50_660))),
        }
    }
}

#[derive(Clone)]
struct Call {
    function: usize,
    id: [u64; 2],
    started_us: u64,
    memory_mb: u64,
    /// In units of 10 µs.
    duration: u64,
    init: Option<u64>,
    used_mb: u64,
    status: &'static str,
    number: u64,
}

impl Call {
    fn new(row: u64, hour: &Hour, functions: &[Function], random: &mut Random) -> Self {
        let point = random.below(hour.functions[functions.len() - 1]);
        let place = hour.functions.partition_point(|sum| *sum <= point);
        let function = &functions[place];
        let part = (row - hour.rows.start) * hour.minutes[59] / (hour.rows.end - hour.rows.start);
        let minute = hour.minutes.partition_point(|sum| *sum <= part) as u64;
        let at_us = hour.from_us + minute * MINUTE_US + random.below(MINUTE_US);
        let memory_mb = function.memory_mb[usize::from(at_us >= function.changes_at_us)];
        let (status, times) = match random.below(1_000) {
            0 => ("timeout", 4),
            1..=9 => ("error", 1),
            _ => ("success", 1),
        };
        let duration = (random.log_normal(function.median, function.spread) * times) >> 16;
        Call {
            function: place,
            id: [random.next() & !0xf000 | 0x4000, random.next() & !(3 << 62) | 2 << 62],
            started_us: FROM_US + at_us,
            memory_mb,
            duration: duration.clamp(80, 90_000_000),
            // About 350 ms.
            init: (random.below(50) == 0).then(|| random.log_normal(989_300, 56_730) >> 16),
            used_mb: (memory_mb * (200 + random.below(750)) / 1_000).max(30),
            status,
            number: random.next(),
        }
    }

    fn id(&self, text: &mut String) {
        let [high, low] = self.id;
        let parts = (high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffff_ffff_ffff);
        let _ = write!(text, "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", parts.0, parts.1, parts.2, parts.3, parts.4);
    }
}

/// Year, month, day, hour, minute, second and microseconds: the month is May, or the day after it.
fn time(us: u64) -> (u64, u64, u64, u64, u64, u64) {
    let since = us - FROM_US;
    let (day, rest) = (since / DAY_US, since % DAY_US);
    let (month, day) = if day < DAYS { (5, day + 1) } else { (6, day - DAYS + 1) };
    let second = rest / 1_000_000;
    (month, day, second / 3_600, second / 60 % 60, second % 60, rest % 1_000_000)
}

fn iso(text: &mut String, us: u64, digits: usize) {
    let (month, day, hour, minute, second, micros) = time(us);
    let fraction = micros / 10_u64.pow(6 - digits as u32);
    let _ = write!(text, "2026-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:0digits$}Z");
}

fn hundredths(text: &mut String, number: u64) {
    let _ = write!(text, "{}.{:02}", number / 100, number % 100);
}

fn lambda(text: &mut String, call: &Call, function: &Function) {
    let front = |text: &mut String, us| {
        iso(text, us, 3);
        let _ = write!(text, " /aws/lambda/{} ", function.name);
    };
    let ended_us = call.started_us + call.duration * 10;
    front(text, call.started_us);
    text.push_str("START RequestId: ");
    call.id(text);
    text.push_str(" Version: $LATEST\n");
    front(text, ended_us);
    text.push_str("END RequestId: ");
    call.id(text);
    text.push('\n');
    front(text, ended_us);
    text.push_str("REPORT RequestId: ");
    call.id(text);
    text.push_str("\tDuration: ");
    hundredths(text, call.duration);
    let (billed, memory, used) = (call.duration.div_ceil(100), call.memory_mb, call.used_mb);
    let _ = write!(text, " ms\tBilled Duration: {billed} ms\tMemory Size: {memory} MB\tMax Memory Used: {used} MB\t");
    if let Some(init) = call.init {
        text.push_str("Init Duration: ");
        hundredths(text, init);
        text.push_str(" ms\t");
    }
    match call.status {
        "success" => {}
        "error" => text.push_str("Status: error\tError Type: Runtime.ExitError"),
        other => {
            let _ = write!(text, "Status: {other}");
        }
    }
    text.push('\n');
}

fn csv(text: &mut String, call: &Call, function: &Function) {
    call.id(text);
    text.push(',');
    iso(text, call.started_us, 6);
    let _ = write!(text, ",team-{:02},{},{},", function.team, function.name, call.memory_mb);
    hundredths(text, call.duration);
    text.push(',');
    if let Some(init) = call.init {
        hundredths(text, init);
    }
    let _ = writeln!(text, ",{},{}", call.used_mb, call.status);
}

fn ndjson(text: &mut String, call: &Call, function: &Function) {
    text.push_str("{\"requestId\":\"");
    call.id(text);
    text.push_str("\",\"startedAt\":\"");
    iso(text, call.started_us, 6);
    let (team, name, memory) = (function.team, &function.name, call.memory_mb);
    let _ =
        write!(text, "\",\"team\":\"team-{team:02}\",\"function\":\"{name}\",\"memoryMB\":{memory},\"durationMs\":");
    hundredths(text, call.duration);
    if let Some(init) = call.init {
        text.push_str(",\"initMs\":");
        hundredths(text, init);
    }
    let _ = writeln!(text, ",\"usedMB\":{},\"status\":\"{}\"}}", call.used_mb, call.status);
}

fn s3(text: &mut String, call: &Call, function: &Function) {
    const OPERATIONS: [(&str, &str); 10] = [
        ("REST.GET.OBJECT", "GET"),
        ("REST.GET.OBJECT", "GET"),
        ("REST.GET.OBJECT", "GET"),
        ("REST.GET.OBJECT", "GET"),
        ("REST.GET.OBJECT", "GET"),
        ("REST.PUT.OBJECT", "PUT"),
        ("REST.PUT.OBJECT", "PUT"),
        ("REST.HEAD.OBJECT", "HEAD"),
        ("REST.GET.BUCKET", "GET"),
        ("REST.DELETE.OBJECT", "DELETE"),
    ];
    let (operation, verb) = OPERATIONS[(call.number % 10) as usize];
    let (month, day, hour, minute, second, _) = time(call.started_us);
    let month = if month == 5 { "May" } else { "Jun" };
    let (status, error) = if call.status == "success" { (200, "-") } else { (404, "NoSuchKey") };
    let (bucket, key) = (call.function % 60, call.number >> 40 & 0xffff);
    let size = (call.number >> 8 & 0xfff_ffff) >> (call.number & 15);
    let owner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
    let _ = write!(
        text,
        "{owner} example-bucket-{bucket:02} [{day:02}/{month}/2026:{hour:02}:{minute:02}:{second:02} +0000] 10.{}.{}.7 \
         arn:aws:iam::123456789012:user/team-{:02} {:016X} {operation} data/part-{key:05}.parquet \
         \"{verb} /example-bucket-{bucket:02}/data/part-{key:05}.parquet HTTP/1.1\" {status} {error} ",
        call.function % 200,
        call.memory_mb % 250,
        function.team,
        call.id[0] ^ call.id[1],
    );
    if verb == "GET" && status == 200 {
        let _ = write!(text, "{size}");
    } else {
        text.push('-');
    }
    let (total, turn) = (call.duration / 1_000 + 1, call.duration / 2_000 + 1);
    let _ =
        write!(text, " {size} {total} {turn} \"-\" \"aws-sdk-java/2.20 Linux/5.10 OpenJDK_64-Bit_Server_VM/17.0\" - ");
    call.id(text);
    let _ = writeln!(
        text,
        "aBcD/EfGhIjKlMnOpQrStUvWx= SigV4 TLS_AES_128_GCM_SHA256 AuthHeader \
         example-bucket-{bucket:02}.s3.us-east-1.amazonaws.com TLSv1.3 - -"
    );
}
