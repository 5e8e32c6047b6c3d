//! Refused rows come out as they were, are mended and ingested: every row is in the lake once at the end.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Invocation, Workplace, filter_log_events, gzip, platform_reports, text_log};

const MAPPING: &str = "\
table = \"metered\"
[time]
column = \"start\"
[end]
column = \"end\"
[columns]
provider = { value = \"aws\" }
service = { value = \"rds\" }
resource = \"cluster\"
meter = { value = \"aurora-serverless-v2\" }
quantity = \"acu_hours\"
unit = { value = \"ACU-h\" }
";

/// What is downloaded of the refused rows of an upload, through standard output and through a file.
fn download(place: &Workplace, upload: &Value) -> Vec<u8> {
    let id = &upload["id"].as_str().unwrap()[..12];
    let output = place.command(&["rejected", "download", "--upload", id]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = place.run(&["rejected", "download", "--upload", id, "--out", "bad", "--overwrite"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(std::fs::read(place.path("bad")).unwrap(), output.stdout);
    output.stdout
}

/// Ingests a file, takes its refused rows out, mends them and ingests them again.
struct Loop<'a> {
    flags: &'a [&'a str],
    name: &'a str,
    content: Vec<u8>,
    /// What the download has to be.
    refused: &'a str,
    /// What is wrong in it, and what it should be.
    mend: (&'a str, &'a str),
    /// A query that counts the rows of the lake, and how many there are in the end.
    count: (&'a str, i64),
}

impl Loop<'_> {
    fn run(self, place: &Workplace) {
        let file = place.file(self.name, &self.content);
        let upload = place.ingest(self.flags, &[&file])[0].clone();
        let refused = download(place, &upload);
        assert_eq!(String::from_utf8_lossy(&refused), self.refused, "{upload:#}");
        let mended = self.refused.replace(self.mend.0, self.mend.1);
        assert_ne!(mended, self.refused);
        let extension = Path::new(self.name).file_stem().unwrap();
        let file: PathBuf = place.file(&format!("mended-{}", extension.to_str().unwrap()), mended);
        let again = place.ingest(self.flags, &[&file])[0].clone();
        assert_eq!((&again["rejected"], &again["duplicate"]), (&0.into(), &0.into()), "{again:#}");
        assert_eq!(again["accepted"], upload["rejected"], "{again:#}");
        assert_eq!(place.count(self.count.0), self.count.1);
        // The whole file as it should have been: nothing is new.
        let right = String::from_utf8(self.content).map(|text| text.replace(self.mend.0, self.mend.1));
        if let Ok(right) = right {
            let file = place.file("right", right);
            let whole = place.ingest(self.flags, &[&file])[0].clone();
            assert_eq!((&whole["accepted"], &whole["rejected"]), (&0.into(), &0.into()), "{whole:#}");
            assert_eq!(place.count(self.count.0), self.count.1);
        }
    }
}

const METERED: &str = "SELECT count(*) FROM (SELECT DISTINCT resource, held_from, quantity FROM metered)";

#[test]
fn csv_with_a_header_and_quoted_lines() {
    let place = Workplace::new();
    let mapping = place.file("aurora.toml", MAPPING);
    let flags = ["--mapping", mapping.to_str().unwrap()];
    let header = "cluster,start,end,acu_hours\r\n";
    let bad = [
        "\"two\r\nlines, \"\"quoted\"\"\",2026-10-01T01:00:00Z,2026-10-01T02:00:00Z,n/a\r\n",
        "b,2026-10-01T03:00:00Z,2026-10-01T04:00:00Z,n/a\r\n",
    ];
    let good = |hour: u32| format!("a,2026-10-01T{hour:02}:00:00Z,2026-10-01T{:02}:00:00Z,1.5\r\n", hour + 1);
    let csv = format!("{header}{}{}{}{}", good(0), bad[0], good(2), bad[1]);
    Loop {
        flags: &flags,
        name: "usage.csv",
        content: csv.into_bytes(),
        refused: &format!("{header}{}{}", bad[0], bad[1]),
        mend: ("n/a", "2.5"),
        count: (METERED, 4),
    }
    .run(&place);
    assert_eq!(place.count("SELECT count(*) FROM metered"), 4);
}

#[test]
fn compressed_csv_whose_last_row_has_no_end() {
    let place = Workplace::new();
    let mapping = place.file("aurora.toml", MAPPING);
    let flags = ["--mapping", mapping.to_str().unwrap()];
    let header = "\u{feff}cluster;start;end;acu_hours\n";
    let bad = "b;2026-10-01T03:00:00Z;2026-10-01T04:00:00Z;many";
    let csv = format!("{header}a;2026-10-01T02:00:00Z;2026-10-01T03:00:00Z;1\n{bad}");
    Loop {
        flags: &flags,
        name: "usage.csv.gz",
        content: gzip(csv.as_bytes()),
        refused: &format!("{header}{bad}\n"),
        mend: ("many", "3"),
        count: (METERED, 2),
    }
    .run(&place);
}

#[test]
fn text_of_lambda() {
    let place = Workplace::new();
    let log = text_log(&Invocation::many(11, 6));
    let reports: Vec<&str> = log.lines().filter(|line| line.contains("REPORT")).collect();
    let bad = reports[2].replace("Duration: ", "Duration: ~");
    let broken = log.replace(reports[2], &bad);
    Loop {
        flags: &["--resource", "f"],
        name: "f.log",
        content: broken.into_bytes(),
        refused: &format!("{bad}\n"),
        mend: ("Duration: ~", "Duration: "),
        count: ("SELECT count(*) FROM invocations", 6),
    }
    .run(&place);
}

#[test]
fn json_lines() {
    let place = Workplace::new();
    let log = platform_reports(&Invocation::many(12, 5));
    let second = log.lines().nth(1).unwrap();
    let bad = second.replace("\"durationMs\":", "\"durationMs\":\"~\",\"was\":");
    let broken = log.replace(second, &bad);
    Loop {
        flags: &["--resource", "f"],
        name: "f.json",
        content: broken.into_bytes(),
        refused: &format!("{bad}\n"),
        mend: ("\"~\",\"was\":", ""),
        count: ("SELECT count(*) FROM invocations", 5),
    }
    .run(&place);
}

#[test]
fn json_objects_in_an_array() {
    let place = Workplace::new();
    let events: Value = serde_json::from_str(&filter_log_events(&Invocation::many(17, 4))).unwrap();
    let pretty = serde_json::to_string_pretty(&events).unwrap();
    let element = |at: usize| {
        let element = serde_json::to_string_pretty(&events["events"][at]).unwrap();
        element.replace('\n', "\n    ")
    };
    assert!(pretty.contains(&element(3)));
    let bad = [1, 3].map(|at| element(at).replace("Duration: ", "Duration: }{"));
    let broken = pretty.replace(&element(1), &bad[0]).replace(&element(3), &bad[1]);
    Loop {
        flags: &["--resource", "f"],
        name: "events.json",
        content: broken.into_bytes(),
        refused: &format!("{}\n{}\n", bad[0], bad[1]),
        mend: ("Duration: }{", "Duration: "),
        count: ("SELECT count(*) FROM invocations", 4),
    }
    .run(&place);
}

#[test]
fn refused_rows_are_listed_by_upload() {
    let place = Workplace::new();
    assert_eq!(place.run(&["rejected", "list"]).stdout, "No row was refused.\n");
    let log = text_log(&Invocation::many(13, 3)).replace("Duration: ", "Duration: ~");
    let file = place.file("f.log", log);
    let run = place.run(&["ingest", "--resource", "f", file.to_str().unwrap()]);
    assert!(run.stderr.contains("hint: paygrain rejected download --upload "), "{}", run.stderr);
    let listed = place.json(&["rejected", "list", "--format", "json"]);
    assert_eq!(listed["uploads"][0]["rejected"], 3);
    let id = listed["uploads"][0]["id"].as_str().unwrap();
    let rows = place.json(&["rejected", "list", "--upload", &id[..6], "--limit", "2", "--format", "json"]);
    assert_eq!((&rows["total"], rows["rejected"].as_array().unwrap().len()), (&3.into(), 2));
    let row = &rows["rejected"][0];
    assert!(row["line"] == 3 && row["original_bytes"].as_u64().unwrap() > 100, "{row}");
    let table = place.run(&["rejected", "list", "--upload", &id[..6], "--limit", "2"]);
    assert!(table.stdout.contains("`--offset 2` goes on"), "{}", table.stdout);
}

#[test]
fn what_cannot_be_downloaded_is_said() {
    let place = Workplace::new();
    let good = place.file("good.log", text_log(&Invocation::many(14, 2)));
    let upload = place.ingest(&["--resource", "f"], &[&good])[0].clone();
    let id = upload["id"].as_str().unwrap();
    for (arguments, words) in [(["--upload", id], "no row of `"), (["--upload", "zzz"], "there is no upload `zzz`")] {
        let run = place.run(&[&["rejected", "download"], &arguments[..]].concat());
        assert_eq!(run.code, Some(1));
        assert!(run.stderr.contains(words) && run.stderr.contains("hint:"), "{}", run.stderr);
    }
    // A row that is read and then found to be of no time that can be kept has no place in the file: it was reported in
    // the first moment of the year 1 and began before it.
    let reported_ms = -62_135_596_800_000;
    let ancient = Invocation { reported_ms, duration_centi_ms: 100_000, ..Invocation::many(15, 1).remove(0) };
    let mut log = text_log(&[ancient]);
    log += &text_log(&Invocation::many(16, 1)).replace("Duration: ", "Duration: ~");
    let file = place.file("mixed.log", log);
    let upload = place.ingest(&["--resource", "f"], &[&file])[0].clone();
    assert_eq!(upload["rejected"], 2, "{upload:#}");
    let run = place.run(&["rejected", "download", "--upload", upload["id"].as_str().unwrap()]);
    assert!(run.stderr.contains("1 of the 2 refused rows are not in the file"), "{}", run.stderr);
    assert!(run.stdout.contains("Duration: ~") && run.stdout.lines().count() == 1, "{}", run.stdout);
    // A file that is there stays.
    place.file("there.log", "mine");
    let id = upload["id"].as_str().unwrap();
    let run = place.run(&["rejected", "download", "--upload", id, "--out", "there.log"]);
    assert!(run.code == Some(1) && run.stderr.contains("--overwrite"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(place.path("there.log")).unwrap(), "mine");
}
