//! Nothing uploaded twice counts twice; nothing accepted is lost; order and batching do not matter.

use crate::harness::{Invocation, Random, Workplace, filter_log_events, gzip, platform_reports, text_log};

const FLAGS: [&str; 6] = ["--account", "123456789012", "--region", "us-east-1", "--resource", "f"];
const MONTH: &str = "2026-10";

fn counts(upload: &serde_json::Value) -> [u64; 4] {
    ["read", "accepted", "duplicate", "rejected"].map(|key| upload[key].as_u64().unwrap())
}

#[test]
fn the_same_file_twice_changes_nothing() {
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&Invocation::many(1, 50)));
    let first = place.ingest(&FLAGS, &[&log]);
    assert_eq!(counts(&first[0]), [50, 50, 0, 0]);
    assert_eq!(first[0]["already_loaded"], false);
    let bill = place.bill(MONTH);

    // Under another name and compressed it is still the same upload.
    let copy = place.file("copy.txt", gzip(text_log(&Invocation::many(1, 50)).as_bytes()));
    for again in [&log, &copy] {
        let second = place.ingest(&FLAGS, &[again]);
        assert_eq!(second[0]["already_loaded"], true);
        assert_eq!(counts(&second[0]), [50, 0, 50, 0]);
        assert_eq!(second[0]["id"], first[0]["id"]);
    }
    // Naming the format that is detected anyway makes no difference either.
    let named = place.ingest(&[&FLAGS[..], &["--format", "aws-lambda-text"]].concat(), &[&log]);
    assert_eq!(named[0]["id"], first[0]["id"]);
    assert_eq!(place.bill(MONTH), bill);
    assert_eq!(place.count("SELECT count(*) FROM uploads"), 1);
}

#[test]
fn a_directory_is_walked_without_links_and_hidden_files() {
    let place = Workplace::new();
    let logs: Vec<String> = (60..64).map(|seed| text_log(&Invocation::many(seed, 5))).collect();
    place.file("export/b.log", &logs[0]);
    place.file("export/2026/10/a.log.gz", gzip(logs[1].as_bytes()));
    place.file("export/.hidden/c.log", &logs[2]);
    place.file("export/.d.log", &logs[2]);
    let outside = place.file("outside.log", &logs[3]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.path("export"), place.path("export/2026/loop")).unwrap();
        std::os::unix::fs::symlink(&outside, place.path("export/link.log")).unwrap();
    }
    let uploads = place.ingest(&FLAGS, &[&place.path("export")]);
    let names: Vec<_> =
        uploads.iter().map(|upload| upload["name"].as_str().unwrap().rsplit_once("export/").unwrap().1).collect();
    assert_eq!(names, ["2026/10/a.log.gz", "b.log"]);
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 10);
    let again = place.ingest(&FLAGS, &[&place.path("export")]);
    assert!(again.iter().all(|upload| upload["already_loaded"] == true));
}

#[test]
fn overlapping_files_count_each_record_once() {
    let all = Invocation::many(2, 90);
    let whole = Workplace::new();
    let log = whole.file("whole.log", text_log(&all));
    whole.ingest(&FLAGS, &[&log]);

    let parts = Workplace::new();
    let first = parts.file("first.log", text_log(&all[..60]));
    let second = parts.file("second.log", text_log(&all[30..]));
    let uploads = parts.ingest(&FLAGS, &[&first, &second]);
    assert_eq!(counts(&uploads[0]), [60, 60, 0, 0]);
    assert_eq!(counts(&uploads[1]), [60, 30, 30, 0]);
    assert_eq!(parts.bill(MONTH), whole.bill(MONTH));
}

#[test]
fn the_same_events_in_other_envelopes_are_duplicates() {
    let events = Invocation::many(3, 40);
    let envelopes = [text_log(&events), filter_log_events(&events), platform_reports(&events)];
    for first in 0..envelopes.len() {
        let place = Workplace::new();
        let path = place.file("first", &envelopes[first]);
        assert_eq!(counts(&place.ingest(&FLAGS, &[&path])[0]), [40, 40, 0, 0], "envelope {first}");
        for (other, envelope) in envelopes.iter().enumerate().filter(|(other, _)| *other != first) {
            let path = place.file(&format!("other{other}"), envelope);
            assert_eq!(counts(&place.ingest(&FLAGS, &[&path])[0]), [40, 0, 40, 0], "envelope {other} after {first}");
        }
    }
}

#[test]
fn a_line_without_a_time_is_the_same_event_as_one_with() {
    let events = Invocation::many(4, 20);
    let bare: String = events.iter().map(|event| format!("{}\n", event.report())).collect();
    let place = Workplace::new();
    let timed = place.file("timed.log", text_log(&events));
    let bare = place.file("bare.log", bare);
    place.ingest(&FLAGS, &[&timed]);
    assert_eq!(counts(&place.ingest(&FLAGS, &[&bare])[0]), [20, 0, 20, 0]);

    let place = Workplace::new();
    let (timed, bare) =
        (place.file("timed.log", text_log(&events)), place.file("bare.log", std::fs::read(&bare).unwrap()));
    place.ingest(&[&FLAGS[..], &["--at", "2026-10-05"]].concat(), &[&bare]);
    assert_eq!(counts(&place.ingest(&FLAGS, &[&timed])[0]), [20, 0, 20, 0]);
}

#[test]
fn a_retry_is_a_record_of_its_own() {
    let mut first = Invocation::many(5, 1).remove(0);
    first.duration_centi_ms = 300_000;
    first.billed_ms = 3000;
    let later = Invocation { reported_ms: first.reported_ms + 60_000, ..first.clone() };
    let longer = Invocation { duration_centi_ms: 300_100, billed_ms: 3001, ..first.clone() };
    let place = Workplace::new();
    // The first one stands twice: that is a duplicate; another time or duration under its id is a retry.
    let log = place.file("a.log", text_log(&[first.clone(), later, longer, first]));
    assert_eq!(counts(&place.ingest(&FLAGS, &[&log])[0]), [4, 3, 1, 0]);
}

#[test]
fn any_split_and_any_order_give_the_same_bill() {
    let all = Invocation::many(6, 120);
    let whole = Workplace::new();
    let log = whole.file("whole.log", text_log(&all));
    whole.ingest(&FLAGS, &[&log]);
    let expected = whole.bill(MONTH);
    for seed in 0..3 {
        let mut random = Random(seed);
        let mut shuffled = all.clone();
        for place in (1..shuffled.len()).rev() {
            shuffled.swap(place, random.below(place as u64 + 1) as usize);
        }
        let place = Workplace::new();
        let mut files = Vec::new();
        let mut rest = &shuffled[..];
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(rest.len().min(1 + random.below(60) as usize));
            let content = if random.below(2) == 0 { text_log(part) } else { filter_log_events(part) };
            files.push(place.file(&format!("part{}", files.len()), content));
            rest = behind;
        }
        let paths: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
        place.ingest(&FLAGS, &paths);
        assert_eq!(place.bill(MONTH), expected, "seed {seed}");
    }
}

#[test]
fn two_processes_at_once_lose_and_double_nothing() {
    let all = Invocation::many(7, 200);
    let whole = Workplace::new();
    let log = whole.file("whole.log", text_log(&all));
    whole.ingest(&FLAGS, &[&log]);

    // Every file goes to both processes, in opposite order, and neighbours overlap.
    let place = Workplace::new();
    let files: Vec<_> = (0..8)
        .map(|part| place.file(&format!("part{part}.log"), text_log(&all[part * 24..(part * 24 + 32).min(200)])))
        .collect();
    let names: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let reversed: Vec<_> = names.iter().rev().copied().collect();
    let start = |names: &[&str]| {
        let mut arguments = vec!["ingest", "--format", "json"];
        arguments.extend(FLAGS);
        arguments.extend(names);
        place
            .command(&arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children = [start(&names), start(&reversed)];
    for child in children {
        let run = crate::harness::Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 200);
    assert_eq!(place.count("SELECT count(*) FROM uploads"), 8);
    assert_eq!(place.count("SELECT sum(accepted) FROM uploads"), 200);
    assert_eq!(place.bill(MONTH), whole.bill(MONTH));
}
