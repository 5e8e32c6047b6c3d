//! What is done to every format's example, and what must hold then: nothing panics, good rows land, bad ones are told
//! with a place inside the file, and a file that is refused as a whole says what to do about it.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::lines::Collected;
use paygrain_formats::decompress::{self, Limits};
use paygrain_formats::error::IngestError;
use paygrain_formats::format::mapped::Mapped;
use paygrain_formats::format::{self, FORMATS, Format, Origin};
use paygrain_formats::record::EventTime;
use paygrain_formats::{Defaults, Mapping};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files");
/// Longest reason of a rejected row, in bytes.
const REASON_BYTES_MAX: usize = 2_000;
/// The years 0 to 9999, with room for a zone and a duration in front.
const TIME_US: std::ops::RangeInclusive<i64> = -63_000_000_000_000_000..=253_500_000_000_000_000;

/// A good file.
struct Example {
    name: String,
    format: Box<dyn Format>,
    bytes: Vec<u8>,
}

/// A registered format as one that can be owned beside [`Mapped`].
struct Registered(&'static dyn Format);

impl Format for Registered {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn description(&self) -> &'static str {
        self.0.description()
    }
    fn recognises(&self, head: &[u8]) -> Option<format::Recognition> {
        self.0.recognises(head)
    }
    fn parse(
        &self,
        input: &mut dyn std::io::BufRead,
        origin: &Origin<'_>,
        sink: &mut dyn format::Sink,
    ) -> Result<(), IngestError> {
        self.0.parse(input, origin, sink)
    }
}

const MAPPING: &str = r#"
    table = "requests"
    time.column = "t"
    key.columns = ["id"]
    columns = { provider = { value = "x" }, service = { value = "y" }, resource = "r", request_bytes = "b" }
"#;

fn examples() -> Vec<Example> {
    let folder = PathBuf::from(FOLDER);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut examples: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            let (format, _) = format::detect(&bytes).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            Example { name, format: Box::new(Registered(format)), bytes }
        })
        .collect();
    for format in FORMATS {
        assert!(examples.iter().any(|example| example.format.name() == format.name()), "{} has none", format.name());
    }
    let (mut csv, mut json) = ("t,id,r,b\n".to_owned(), String::new());
    for row in 1..=6 {
        writeln!(csv, "2026-10-05T17:00:0{row}Z,{row},r{row},1{row}").unwrap();
        writeln!(json, r#"{{"t":"2026-10-05T17:00:0{row}Z","id":{row},"r":"r{row}","b":1{row}}}"#).unwrap();
    }
    for (name, text) in [("mapped.csv", csv), ("mapped.jsonl", json)] {
        let mapping = Mapping::from_toml("m.toml", MAPPING).unwrap();
        examples.push(Example { name: name.into(), format: Box::new(Mapped { mapping }), bytes: text.into_bytes() });
    }
    examples
}

struct Outcome {
    rows: Collected,
    error: Option<IngestError>,
}

impl Outcome {
    /// Whether it is told that not all is as it should be.
    fn tells(&self) -> bool {
        self.error.is_some() || !self.rows.rejected.is_empty() || !self.rows.warnings.is_empty()
    }
}

/// Reads a file as an upload does.
fn read(example: &Example, bytes: &[u8]) -> Outcome {
    let mut rows = Collected::default();
    let defaults = Defaults::default();
    let parse = |rows: &mut Collected| {
        let mut input = decompress::open(std::io::Cursor::new(bytes.to_vec()), Limits::default())?;
        input.head()?;
        example.format.parse(&mut input, &Origin { name: &example.name, defaults: &defaults }, rows)
    };
    let error = parse(&mut rows).err();
    Outcome { rows, error }
}

/// What is wrong with what is said about a damaged file, whatever the damage.
fn problems(bytes: &[u8], outcome: &Outcome) -> Vec<String> {
    let mut problems = Vec::new();
    let length = bytes.len() as u64;
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    for row in &outcome.rows.rejected {
        let end = row.byte_offset + row.byte_length.unwrap_or(0);
        let line_is_there = row.line.is_none_or(|line| (1..=lines).contains(&line));
        if end > length || !line_is_there || row.header_length.is_some_and(|header| header > length) {
            problems.push(format!("outside the {length} bytes and {lines} lines: {row:?}"));
        }
        let says = ["`", "expect", "valid", "ends", "cut", "columns", "longer", "larger", "ingest", "no ", "not "];
        if !says.iter().any(|word| row.reason.contains(word)) || row.reason.len() > REASON_BYTES_MAX {
            problems.push(format!("names no field and no expectation: {row:?}"));
        }
    }
    for record in &outcome.rows.records {
        if let EventTime::Logged(time_us) = record.time
            && !TIME_US.contains(&time_us)
        {
            problems.push(format!("an absurd time: {record:?}"));
        }
    }
    if let Some(error) = &outcome.error
        && error.hint().is_none()
    {
        problems.push(format!("no hint: {error}"));
    }
    problems
}

/// What must have landed of the good rows.
#[derive(Clone, Copy, Debug)]
enum Lands {
    /// All of them, and nothing else.
    Same,
    /// Nothing else than what is good, and what is missing is told.
    NothingElse,
    /// All but so many, and what is missing is told.
    AllBut(usize),
    /// Whatever can be read; that something is missing is told.
    Told,
    /// Whatever is there.
    Whatever,
}

/// Does something to every example and collects what is wrong then.
fn damaged(what: &str, lands: Lands, damage: impl Fn(&Example) -> Option<Vec<u8>>) {
    let mut wrong = String::new();
    for example in examples() {
        let Some(bytes) = damage(&example) else { continue };
        for problem in after(&example, &bytes, lands) {
            writeln!(wrong, "{}: {problem}", example.name).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{what}:\n{wrong}");
}

fn after(example: &Example, bytes: &[u8], lands: Lands) -> Vec<String> {
    let good = read(example, &example.bytes);
    let outcome = read(example, bytes);
    let mut problems = problems(bytes, &outcome);
    let strange = outcome.rows.records.iter().filter(|record| !good.rows.records.contains(record)).count();
    let missing = good.rows.records.iter().filter(|record| !outcome.rows.records.contains(record)).count();
    let told = format!("{:?} {:?} {:?}", outcome.error, outcome.rows.rejected, outcome.rows.warnings);
    match lands {
        Lands::Same if good.rows.records != outcome.rows.records => {
            problems.push(format!("{missing} rows missing of {}: {told}", good.rows.records.len()));
        }
        Lands::NothingElse if strange > 0 => problems.push(format!("{strange} rows that are not there: {told}")),
        Lands::AllBut(allowed) if missing > allowed && outcome.error.is_none() => {
            problems.push(format!("{missing} rows missing of {}: {told}", good.rows.records.len()));
        }
        _ => {}
    }
    let fewer = good.rows.records.len().saturating_sub(outcome.rows.records.len());
    // What is no longer of the format is told by detection.
    let told_by_detection = example.format.name() != "mapped" && example.format.recognises(bytes).is_none();
    if !matches!(lands, Lands::Whatever) && fewer > 0 && !outcome.tells() && !told_by_detection {
        problems.push(format!("{fewer} rows of {} vanish", good.rows.records.len()));
    }
    // Detection either knows it, or says what to do.
    match format::detect(&bytes[..bytes.len().min(format::HEAD_BYTES_MAX)]) {
        Err(error) if error.hint().is_none() => problems.push(format!("no hint: {error}")),
        _ => {}
    }
    problems
}

/// Whether it has a header and rows; the data of an inventory has no header.
fn is_table(example: &Example) -> bool {
    example.name.ends_with(".csv") && !is_summed(example)
}

/// Whether its rows are added up before they land.
fn is_summed(example: &Example) -> bool {
    example.name == "aws-s3-inventory.csv"
}

fn is_json(example: &Example) -> bool {
    example.name.contains(".json") || example.name.contains(".ndjson")
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// With a line end at the end.
fn ended(bytes: &[u8]) -> Vec<u8> {
    [bytes.trim_ascii_end(), b"\n"].concat()
}

/// The example with something put in at a place.
fn with(bytes: &[u8], at: usize, what: &[u8]) -> Vec<u8> {
    [&bytes[..at], what, &bytes[at..]].concat()
}

/// The beginning of a line in the middle of the file, or its middle.
fn middle_line(bytes: &[u8]) -> usize {
    let lines = lines(bytes);
    lines[..lines.len() / 2].iter().map(|line| line.len()).sum()
}

#[test]
fn nothing_in_it() {
    damaged("empty", Lands::Whatever, |_| Some(Vec::new()));
    damaged("white space", Lands::Whatever, |_| Some(b" \n\t\r\n  \n".repeat(40)));
    damaged("only the first line", Lands::Whatever, |example| Some(lines(&example.bytes)[0].to_vec()));
}

#[test]
fn other_line_ends_and_marks_change_nothing() {
    damaged("byte order mark", Lands::Same, |example| Some([b"\xEF\xBB\xBF", example.bytes.as_slice()].concat()));
    damaged("no newline at the end", Lands::Same, |example| Some(example.bytes.trim_ascii_end().to_vec()));
    damaged("empty lines behind it", Lands::Same, |example| Some([&example.bytes[..], b"\n\r\n  \n"].concat()));
    damaged("CRLF", Lands::Same, |example| {
        let text = String::from_utf8(example.bytes.clone()).unwrap();
        Some(text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes())
    });
}

#[test]
fn cut_anywhere_costs_no_other_row() {
    let mut wrong = String::new();
    for example in examples() {
        let good = read(&example, &example.bytes);
        for at in (1..example.bytes.len()).step_by(97) {
            let cut = &example.bytes[..at];
            let outcome = read(&example, cut);
            for problem in problems(cut, &outcome) {
                writeln!(wrong, "{} cut at {at}: {problem}", example.name).unwrap();
            }
            // What is cut inside its last value cannot be told from a shorter one: how many executions a sample stands
            // for. In what order a table writes its dates is learned from all of them.
            let learned = ["azure-app-insights.csv", "azure-cost-pay-as-you-go.csv"].contains(&example.name.as_str());
            if is_summed(&example) || learned {
                continue;
            }
            let strange = outcome.rows.records.iter().filter(|record| !good.rows.records.contains(record)).count();
            if strange > 1 {
                writeln!(wrong, "{} cut at {at}: {strange} rows that are not there", example.name).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn strange_bytes_cost_one_row() {
    for what in [&b"\0\0\0"[..], b"\xff\xfe", b"\xc3\x28", b"\x1b[31m"] {
        damaged(&format!("{what:?} on a line of its own"), Lands::AllBut(1), |example| {
            if is_json(example) && !example.name.ends_with('l') && !example.name.contains(".ndjson") {
                return None;
            }
            let at = middle_line(&example.bytes);
            Some(with(&example.bytes, at, &[what, b"\n"].concat()))
        });
        damaged(&format!("{what:?} inside"), Lands::Told, |example| {
            Some(with(&example.bytes, example.bytes.len() / 2, what))
        });
    }
}

#[test]
fn headers_and_columns() {
    damaged("the header again", Lands::NothingElse, |example| {
        is_table(example).then(|| {
            let header = lines(&example.bytes)[0];
            with(&example.bytes, middle_line(&example.bytes), header)
        })
    });
    damaged("a name twice in the header", Lands::Told, |example| {
        if !is_table(example) {
            return None;
        }
        let text = String::from_utf8(example.bytes.clone()).unwrap();
        let (header, rows) = text.split_once('\n')?;
        let names: Vec<_> = header.split(',').collect();
        if names.len() < 2 {
            return None;
        }
        let doubled = [&names[..1], &names[..1], &names[2..]].concat().join(",");
        Some(format!("{doubled}\n{rows}").into_bytes())
    });
    damaged("ragged rows", Lands::AllBut(2 * 1440), |example| {
        if !is_table(example) {
            return None;
        }
        let text = String::from_utf8(example.bytes.clone()).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let at = lines.len() / 2;
        lines[at] += ",1,2,3";
        if let Some(last) = lines.last_mut() {
            *last = last.rsplit_once(',')?.0.to_owned();
        }
        Some(lines.join("\n").into_bytes())
    });
    for delimiter in [";", "\t", "|", "~"] {
        damaged(&format!("`{delimiter}` between columns"), Lands::Told, |example| {
            let text = String::from_utf8(example.bytes.clone()).unwrap();
            is_table(example).then(|| text.replace(',', delimiter).into_bytes())
        });
    }
    damaged("100,000 columns", Lands::Told, |example| {
        let first = lines(&example.bytes)[0].trim_ascii_end();
        let rest = &example.bytes[first.len()..];
        Some([first, b",x".repeat(100_000).as_slice(), rest].concat())
    });
}

/// Text with every number of some kind replaced by another text.
fn replace_numbers(text: &str, wanted: impl Fn(&str) -> bool, by: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find(|character: char| character.is_ascii_digit()) {
        let (before, from) = rest.split_at(begin);
        let end = from.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(from.len());
        out += before;
        out += if wanted(&from[..end]) { by } else { &from[..end] };
        rest = &from[end..];
    }
    out + rest
}

#[test]
fn numbers_that_are_none() {
    let numbers = [
        "1.234,56",
        "NaN",
        "Infinity",
        "-Infinity",
        "-0",
        "1e400",
        "1e-400",
        "99999999999999999999",
        "9223372036854775808",
        "-5",
        "170141183460469231731687303715884105728",
        "0x10",
        "１２",
    ];
    for number in numbers {
        for length in 1..6 {
            damaged(&format!("numbers of {length} characters are {number}"), Lands::Told, |example| {
                let text = String::from_utf8(example.bytes.clone()).unwrap();
                let changed = replace_numbers(&text, |found| found.len() == length, number);
                (changed != text).then(|| changed.into_bytes())
            });
        }
        damaged(&format!("numbers with a point are {number}"), Lands::Told, |example| {
            let text = String::from_utf8(example.bytes.clone()).unwrap();
            let changed = replace_numbers(&text, |found| found.contains('.'), number);
            (changed != text).then(|| changed.into_bytes())
        });
    }
}

#[test]
fn times_out_of_range() {
    for year in ["0000", "0001", "1601", "1969", "2263", "9999", "10000", "292278"] {
        damaged(&format!("the year {year}"), Lands::Told, |example| {
            let text = String::from_utf8(example.bytes.clone()).unwrap();
            Some(text.replace("2026", year).replace("2021", year).into_bytes())
        });
    }
    for epoch in ["0", "-1", "253402300800", "253402300800000", "9223372036854775807", "9223372036854775"] {
        damaged(&format!("the epoch {epoch}"), Lands::Told, |example| {
            let text = String::from_utf8(example.bytes.clone()).unwrap();
            let is_epoch = |found: &str| found.len() >= 10 && (found.starts_with("16") || found.starts_with("17"));
            let changed = replace_numbers(&text, is_epoch, epoch);
            (changed != text).then(|| changed.into_bytes())
        });
    }
}

#[test]
fn deep_and_long() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"Records\":", "}]")] {
        let deep = format!("{}0{}\n", open.repeat(100_000), close.repeat(100_000));
        damaged(&format!("100,000 levels of {open} in front"), Lands::Whatever, |example| {
            Some([deep.as_bytes(), example.bytes.as_slice()].concat())
        });
        damaged(&format!("100,000 levels of {open} behind"), Lands::AllBut(0), |example| {
            Some([&ended(&example.bytes), deep.as_bytes()].concat())
        });
        damaged(&format!("100,000 levels of {open} that never end"), Lands::AllBut(0), |example| {
            Some([&ended(&example.bytes), open.repeat(100_000).as_bytes()].concat())
        });
    }
    damaged("a line of 20 MB behind", Lands::AllBut(0), |example| {
        Some([&ended(&example.bytes), vec![b'x'; 20 << 20].as_slice(), b"\n"].concat())
    });
}

/// Says in a process of its own that only the test below is to run, and for real.
const ALONE: &str = "PAYGRAIN_TEST_ALONE";

#[test]
#[cfg(target_os = "linux")]
fn a_line_without_an_end_takes_bounded_memory() {
    const LINE_BYTES: u64 = 192 << 20;
    const MEMORY_KIB_MAX: u64 = 160 << 10;
    if std::env::var_os(ALONE).is_none() {
        // What other tests take at the same time must not count.
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "bad_input::a_line_without_an_end_takes_bounded_memory"]).env(ALONE, "1");
        let output = alone.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let mut seen = std::collections::BTreeSet::new();
    for example in examples().into_iter().filter(|example| seen.insert(example.format.name())) {
        for begins in ["x", "{\"a\":\""] {
            let mut rows = Collected::default();
            let defaults = Defaults::default();
            let line = std::io::Read::take(std::io::repeat(b'x'), LINE_BYTES);
            let file = std::io::Read::chain(std::io::Cursor::new(ended(&example.bytes)), begins.as_bytes());
            let mut input = std::io::BufReader::with_capacity(1 << 16, std::io::Read::chain(file, line));
            let origin = Origin { name: &example.name, defaults: &defaults };
            let outcome = example.format.parse(&mut input, &origin, &mut rows);
            drop((rows, outcome));
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
            assert!(peak_kib < MEMORY_KIB_MAX, "{} with {begins}: {peak_kib} KiB", example.name);
        }
    }
}

#[test]
fn two_files_in_one() {
    damaged("twice the same", Lands::AllBut(0), |example| {
        (!is_summed(example)).then(|| ended(&example.bytes).repeat(2))
    });
    let others = examples();
    for other in &others {
        damaged(&format!("{} behind", other.name), Lands::AllBut(0), |example| {
            (!is_summed(example)).then(|| [ended(&example.bytes), other.bytes.clone()].concat())
        });
    }
}
