//! Runs the built program in a directory of its own, and makes logs to feed it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A directory with a lake, removed at the end.
pub struct Workplace {
    directory: tempfile::TempDir,
}

/// What a run gave.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Workplace {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program, in this directory, with the default lake. `PAYGRAIN_BIN` names another build of it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = std::env::var_os("PAYGRAIN_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_paygrain").into());
        let mut command = Command::new(program);
        command.current_dir(self.directory.path()).args(arguments).stdin(Stdio::null());
        for name in [
            "PAYGRAIN_LAKE",
            "PAYGRAIN_LISTEN",
            "PAYGRAIN_PRICE_BOOKS",
            "PAYGRAIN_AGREEMENT",
            "RUST_LOG",
            "PAYGRAIN_POSTGRES",
            "PAYGRAIN_POSTGRES_USER",
            "PAYGRAIN_POSTGRES_PASSWORD",
            "PAYGRAIN_POSTGRES_PASSWORD_FILE",
        ] {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }

    /// Runs and expects success and JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.stderr);
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", run.stdout))
    }

    /// Ingests files with the given flags and gives the uploads.
    pub fn ingest(&self, flags: &[&str], files: &[&Path]) -> Vec<Value> {
        let mut arguments = vec!["ingest", "--format", "json"];
        arguments.extend(flags);
        arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
        self.json(&arguments)["uploads"].as_array().unwrap().clone()
    }

    /// The bill of a month, without the ids of uploads or times in it: equal usage gives equal text.
    pub fn bill(&self, month: &str) -> Value {
        self.json(&["bill", "--period", month, "--by", "service,account,region,resource,day", "--format", "json"])
    }

    /// One number from a query.
    pub fn count(&self, query: &str) -> i64 {
        let rows = self.json(&["sql", "--format", "json", query]);
        rows[0].as_object().unwrap().values().next().unwrap().as_i64().unwrap()
    }
}

impl Run {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// `../shared`, where other projects' files are; `None`, and a line that says so, where it is not.
pub fn shared(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(part);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("{} is not here", path.display()));
    None
}

/// Says that a test checks nothing here, past the test runner, which keeps what passing tests print.
pub fn skipped(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// A small deterministic generator (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// One Lambda invocation as its log would tell it.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub request_id: String,
    /// Time of the REPORT line, milliseconds since 1970 UTC.
    pub reported_ms: i64,
    /// Duration in hundredths of a millisecond, as the log has two decimals.
    pub duration_centi_ms: u64,
    pub billed_ms: u64,
    pub memory_mb: u64,
}

impl Invocation {
    /// Invocations spread over October 2026.
    pub fn many(seed: u64, count: usize) -> Vec<Self> {
        let mut random = Random(seed);
        let start_ms = 1_790_812_800_000; // 2026-10-01T00:00:00Z
        (0..count)
            .map(|_| {
                let duration_centi_ms = 1 + random.below(300_000);
                let (a, b) = (random.next(), random.next());
                Self {
                    request_id: format!(
                        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
                        a >> 32,
                        (a >> 16) & 0xffff,
                        a & 0xfff,
                        b & 0xfff,
                        b >> 16
                    ),
                    reported_ms: start_ms + 600_000 + random.below(30 * 86_400_000) as i64,
                    duration_centi_ms,
                    billed_ms: duration_centi_ms.div_ceil(100),
                    memory_mb: [128, 512, 1769][random.below(3) as usize],
                }
            })
            .collect()
    }

    pub fn report(&self) -> String {
        format!(
            "REPORT RequestId: {}\tDuration: {}.{:02} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: 64 MB\t",
            self.request_id,
            self.duration_centi_ms / 100,
            self.duration_centi_ms % 100,
            self.billed_ms,
            self.memory_mb
        )
    }

    fn time(&self) -> String {
        chrono::DateTime::from_timestamp_millis(self.reported_ms).unwrap().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }
}

/// A console log with START, END and REPORT lines and a time in front of each.
pub fn text_log(invocations: &[Invocation]) -> String {
    let mut log = String::new();
    for invocation in invocations {
        let (time, id) = (invocation.time(), &invocation.request_id);
        let report = invocation.report();
        writeln!(log, "{time} START RequestId: {id} Version: $LATEST\n{time} END RequestId: {id}\n{time} {report}")
            .unwrap();
    }
    log
}

/// The answer of `filter-log-events`.
pub fn filter_log_events(invocations: &[Invocation]) -> String {
    let events: Vec<_> = invocations
        .iter()
        .enumerate()
        .map(|(index, invocation)| {
            serde_json::json!({
                "logStreamName": "2026/10/01/[$LATEST]0123456789abcdef0123456789abcdef",
                "timestamp": invocation.reported_ms,
                "message": format!("{}\n", invocation.report()),
                "ingestionTime": invocation.reported_ms + 900,
                "eventId": format!("{index:056}"),
            })
        })
        .collect();
    serde_json::json!({ "events": events, "searchedLogStreams": [] }).to_string()
}

/// The JSON log format: `platform.report` records, a line each.
pub fn platform_reports(invocations: &[Invocation]) -> String {
    let mut log = String::new();
    for invocation in invocations {
        writeln!(
            log,
            r#"{{"time":"{}","type":"platform.report","record":{{"requestId":"{}","metrics":{{"durationMs":{}.{:02},"billedDurationMs":{},"memorySizeMB":{},"maxMemoryUsedMB":64}},"status":"success"}}}}"#,
            invocation.time(),
            invocation.request_id,
            invocation.duration_centi_ms / 100,
            invocation.duration_centi_ms % 100,
            invocation.billed_ms,
            invocation.memory_mb
        )
        .unwrap();
    }
    log
}

/// Bytes as one gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A decimal text in units of 1e-30.
pub fn scaled(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 30, "{text}");
    format!("{whole}{fraction:0<30}").parse().unwrap()
}
