//! Makes up usage logs of any size for benchmarks: `generate_usage FORMAT ROWS [SEED] > FILE`.
//!
//! FORMAT is `lambda` (START, END and REPORT with time and log group in front), `csv`, `ndjson`, or `s3` (server access
//! log). A month of calls of 2,000 functions: a few of them make most calls, durations of one function vary by a factor,
//! days and weekends show, one row in a hundred is a cold start or an error, and one in two hundred is there twice, up to
//! a day later. The same seed gives the same bytes.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufWriter, Write};

const FUNCTIONS: usize = 2_000;
const DAYS: u64 = 30;
const DAY_US: u64 = 86_400_000_000;
/// 2026-06-01T00:00:00Z.
const FROM_US: u64 = 1_780_272_000_000_000;

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
    for row in 0..rows {
        let due = repeats.front().is_some_and(|(due, _)| *due <= row);
        let call = match repeats.pop_front_if(|_| due) {
            Some((_, call)) => call,
            None => {
                let call = Call::new(row * DAYS * DAY_US / rows, &functions, &mut random);
                if random.below(200) == 0 {
                    // Half of the repetitions come soon, half within about a day.
                    let later = if random.below(2) == 0 { random.below(1_000) } else { random.below(rows / DAYS + 1) };
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

    /// About normal, from -3 to 3, in thousandths: the sum of a few even ones.
    fn bell(&mut self) -> i64 {
        (0..4).map(|_| self.below(1_501)).sum::<u64>().cast_signed() - 3_000
    }
}

struct Function {
    name: String,
    team: usize,
    memory_mb: u64,
    /// In units of 10 µs, as the platform writes durations.
    typical: u64,
    /// Calls of this and all functions before it, of 2^32.
    up_to: u64,
}

fn functions(random: &mut Random) -> Vec<Function> {
    const WORDS: [&str; 8] = ["order", "image", "invoice", "search", "mail", "report", "login", "cart"];
    const MEMORY_MB: [u64; 8] = [128, 128, 256, 256, 512, 1024, 1769, 3008];
    let weights: Vec<u64> = (1..=FUNCTIONS as u64).map(|rank| (1 << 40) / (rank * rank.isqrt())).collect();
    let total: u64 = weights.iter().sum();
    let mut sum = 0;
    weights
        .iter()
        .enumerate()
        .map(|(at, weight)| {
            sum += weight;
            Function {
                name: format!("{}-{}-{at:04}", WORDS[at % 8], WORDS[(at / 8) % 8]),
                team: at % 40,
                memory_mb: MEMORY_MB[at % 7 + usize::from(random.below(9) == 0)],
                typical: 100 << random.below(14),
                up_to: (u128::from(sum) * (1 << 32) / u128::from(total)) as u64,
            }
        })
        .collect()
}

#[derive(Clone)]
struct Call {
    function: usize,
    id: [u64; 2],
    started_us: u64,
    duration: u64,
    init: Option<u64>,
    used_mb: u64,
    status: &'static str,
    number: u64,
}

impl Call {
    fn new(at_us: u64, functions: &[Function], random: &mut Random) -> Self {
        let point = random.below(1 << 32);
        let place = functions.partition_point(|function| function.up_to <= point).min(functions.len() - 1);
        let function = &functions[place];
        // A factor from about an eighth to eight.
        let bell = random.bell();
        let factor = if bell >= 0 { 1_000 + bell * 7_000 / 3_000 } else { 1_000_000 / (1_000 - bell * 7_000 / 3_000) };
        let memory_mb = function.memory_mb;
        Call {
            function: place,
            id: [random.next() & !0xf000 | 0x4000, random.next() & !(3 << 62) | 2 << 62],
            started_us: FROM_US + at_us + random.below(60_000_000),
            duration: (function.typical * factor.unsigned_abs() / 1_000).clamp(80, 90_000_000),
            init: (random.below(100) == 0).then(|| 10_000 + random.below(80_000)),
            used_mb: memory_mb / 4 + random.below(memory_mb / 2),
            status: match random.below(1_000) {
                0 => "timeout",
                1..=9 => "error",
                _ => "success",
            },
            number: random.next(),
        }
    }

    fn id(&self, text: &mut String) {
        let [high, low] = self.id;
        let parts = (high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffff_ffff_ffff);
        let _ = write!(text, "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", parts.0, parts.1, parts.2, parts.3, parts.4);
    }
}

/// Year, month, day, hour, minute, second and microseconds: the month is June, or the day after it.
fn time(us: u64) -> (u64, u64, u64, u64, u64, u64) {
    let since = us - FROM_US;
    let (day, rest) = (since / DAY_US, since % DAY_US);
    let (month, day) = if day < 30 { (6, day + 1) } else { (7, day - 29) };
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
    let (billed, memory, used) = (call.duration.div_ceil(100), function.memory_mb, call.used_mb);
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
    let _ = write!(text, ",team-{:02},{},{},", function.team, function.name, function.memory_mb);
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
    let (team, name, memory) = (function.team, &function.name, function.memory_mb);
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
    let month = if month == 6 { "Jun" } else { "Jul" };
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
        function.memory_mb % 250,
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
