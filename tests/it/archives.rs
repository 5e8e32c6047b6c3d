//! Archives through the command line: every member an upload of its own, hostile members told.

use std::io::Write;

use crate::harness::{Invocation, Workplace, gzip, text_log};

fn zip_of(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn tar_of(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn members() -> Vec<(&'static str, Vec<u8>)> {
    let invocations = Invocation::many(1, 8);
    let log = |invocations: &[Invocation]| text_log(invocations).into_bytes();
    vec![("logs/a.log", log(&invocations[..5])), ("logs/b.log.gz", gzip(&log(&invocations[3..])))]
}

#[test]
fn an_archive_is_as_good_as_its_files() {
    for (name, bytes) in [
        ("logs.zip", zip_of(&members())),
        ("logs.tar", tar_of(&members())),
        ("logs.tar.gz", gzip(&tar_of(&members()))),
        ("renamed.log", zip_of(&members())),
    ] {
        let place = Workplace::new();
        let archive = place.file(name, bytes);
        let uploads = place.ingest(&["--resource", "f"], &[&archive]);
        let counts: Vec<_> =
            uploads.iter().map(|upload| (upload["accepted"].as_u64(), upload["duplicate"].as_u64())).collect();
        assert_eq!(counts, [(Some(5), Some(0)), (Some(3), Some(2))], "{name}");
        assert!(uploads[0]["name"].as_str().unwrap().ends_with(&format!("{name}/logs/a.log")), "{uploads:?}");
        let again = place.ingest(&["--resource", "f"], &[&archive]);
        assert!(again.iter().all(|upload| upload["already_loaded"] == true), "{name}");
        assert_eq!(place.count("SELECT count(*) FROM invocations"), 8);
    }
}

#[test]
fn a_member_that_leads_outside_costs_no_other() {
    let place = Workplace::new();
    let mut all = members();
    all.push(("../../evil.log", b"REPORT".to_vec()));
    all.push(("notes.txt", b"no log at all".to_vec()));
    let archive = place.file("logs.zip", zip_of(&all));
    let run = place.run(&["ingest", "--resource", "f", archive.to_str().unwrap()]);
    assert_eq!(run.code, Some(1));
    for words in ["`../../evil.log`, whose name leads out of the archive", "logs.zip/notes.txt: no known format"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 8);
    assert!(!place.path("evil.log").exists());
}

#[test]
fn a_cut_archive_is_refused_as_a_whole() {
    for (name, bytes) in [("cut.zip", zip_of(&members())), ("cut.tar", tar_of(&members()))] {
        let place = Workplace::new();
        let archive = place.file(name, &bytes[..bytes.len() / 3]);
        let run = place.run(&["ingest", archive.to_str().unwrap()]);
        assert_eq!(run.code, Some(1), "{name}");
        assert!(run.stderr.contains("archive cannot be read") && run.stderr.contains("hint: "), "{}", run.stderr);
        let uploads = place.json(&["sql", "--format", "json", "SELECT count(*) AS n FROM uploads"]);
        assert_eq!(uploads[0]["n"], 0);
    }
}

#[test]
fn links_that_lead_in_circles_are_passed_over() {
    use std::os::unix::fs::symlink;
    let place = Workplace::new();
    let logs = place.path("logs");
    std::fs::create_dir_all(logs.join("deep")).unwrap();
    place.file("logs/deep/a.log", text_log(&Invocation::many(1, 4)));
    symlink("..", logs.join("deep/up")).unwrap();
    symlink("itself", logs.join("itself")).unwrap();
    symlink("deep/a.log", logs.join("again.log")).unwrap();
    let uploads = place.ingest(&["--resource", "f"], &[&logs]);
    assert_eq!(uploads.len(), 1, "{uploads:?}");
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 4);
    // Named by itself it is asked for, and cannot be opened.
    let run = place.run(&["ingest", logs.join("itself").to_str().unwrap()]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("cannot open"), "{}", run.stderr);
}

#[test]
fn what_is_wrong_with_a_clock_is_told_and_what_no_calendar_has_is_refused() {
    let place = Workplace::new();
    let good = text_log(&Invocation::many(1, 3));
    let line = |id: u32, time: &str| {
        format!(
            "{time} REPORT RequestId: 0b1e7a52-93c4-4d6f-8e21-5a7c9d3f1b{id:02}\tDuration: 101.25 ms\tBilled Duration: 102 ms\tMemory Size: 512 MB\tMax Memory Used: 77 MB\t\n"
        )
    };
    let strange =
        [line(1, "1970-01-01T00:00:05.000Z"), line(2, "9999-12-30T00:00:00.000Z"), line(3, "0000-03-01T00:00:00.000Z")];
    let file = place.file("clocks.log", good + &strange.concat());
    let uploads = place.ingest(&["--resource", "f"], &[&file]);
    assert_eq!((&uploads[0]["accepted"], &uploads[0]["rejected"]), (&5.into(), &1.into()), "{uploads:?}");
    let warnings = uploads[0]["warnings"].to_string();
    for words in
        ["1 record has a time before 1990, the first at 1970-01-01T00:00:04Z", "the last at 9999-12-29T23:59:59Z"]
    {
        assert!(warnings.contains(words), "{words}: {warnings}");
    }
    let reasons = place.json(&["sql", "--format", "json", "SELECT reason FROM rejected_rows"]);
    assert!(reasons[0]["reason"].as_str().unwrap().contains("expected one of the years 1 to 9999"), "{reasons}");
    // They are in the lake under their days, and every bill can still be made.
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 5);
    place.bill("2026-10");
}
